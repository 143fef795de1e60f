/* --where, --without and the limits of likeness, as one filter of the library. */
#ifndef WHERE_H
#define WHERE_H

#include <stdbool.h>

#include "args.h"
#include "opening.h"
#include "recsys.h"

extern const args_option where_options[];

typedef struct where {
  recsys_filter filter; /* points into the members below */
  recsys_clause *clauses;
  char **fields;
  char ***values;
  int64_t *deny;
} where;

/* DONE-like 0, or an exit code (said already). `facts` names the fields that exist. */
int where_parse(where *w, const args *a, recsys_store *store, const store_facts *facts);
void where_free(where *w);

#endif
