/* An algorithm's parameters: one table says their names, ranges and defaults; parsing, describing and saving use it. */
#ifndef RECSYS_RANKER_PARAMETERS_H
#define RECSYS_RANKER_PARAMETERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"
#include "recsys.h"

typedef enum {
  RECSYS__NUMBER = 1, /* a double in min..max; where `words` is given, its first word stands for "not set" (NaN) */
  RECSYS__INTEGER,    /* the same, whole */
  RECSYS__WORD,       /* one of `words`; the value is its index */
  RECSYS__TEXT,       /* any text; not set: NULL. min 1: it must be given */
  RECSYS__TEXTS       /* texts separated by commas; not set: NULL */
} recsys__parameter_kind;

typedef struct recsys__parameter {
  const char *key; /* NULL ends a table */
  recsys__parameter_kind kind;
  double min, max, value; /* value: the default */
  const char *const *words;
} recsys__parameter;

typedef struct recsys__setting {
  double value;
  char *text;
} recsys__setting;

/* Settings in the order of the table, from a parsed string; freed with recsys__settings_free, also after a failure. */
recsys_status recsys__settings_parse(recsys__setting **out, const recsys__parameter *table, recsys__params *params,
                                     recsys_error *error);
/* After all tables: RECSYS_EINVAL for a key that is in neither, listing both. */
recsys_status recsys__settings_finish(const recsys__parameter *table, const recsys__parameter *shared,
                                      recsys__params *params, recsys_error *error);
/* Settings from the JSON object that recsys__settings_describe made; what it lacks keeps its default. RECSYS_EFORMAT
 * where a value is impossible. */
recsys_status recsys__settings_restore(recsys__setting **out, const recsys__parameter *table, const json_t *json,
                                       recsys_error *error);
void recsys__settings_free(recsys__setting *settings, const recsys__parameter *table);
/* Adds each setting to a JSON object; false: out of memory. */
bool recsys__settings_describe(const recsys__setting *settings, const recsys__parameter *table, json_t *json);
/* Whether a comma-separated list has the word; a NULL list has every word. */
bool recsys__list_has(const char *list, const char *word);

#endif
