/*
 * A view from within: all memory of a store at one moment. Views share what they have in common (maps, records, rows),
 * so making the next one costs the change only. The functions here are for the one who makes it, before it is
 * published; a failed one leaves a view that can only be released.
 */
#ifndef RECSYS_STORE_SNAPSHOT_H
#define RECSYS_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/map.h"
#include "store/records.h"
#include "store/rows.h"
#include "store/view.h"
#include "store/words.h"

typedef struct recsys__space {
  recsys__ref ref;
  int64_t id; /* in the database */
  uint32_t dim;
  char *fingerprint;
  char *description; /* NULL: none */
  recsys__rows *rows;
} recsys__space;

struct recsys__view {
  recsys__ref ref;
  recsys__words *words;
  recsys__map items, users;         /* id -> recsys__item, recsys__user */
  recsys__map item_keys, user_keys; /* see records.h */
  recsys__space **spaces;           /* by rising database id */
  size_t space_count;
  int32_t default_space; /* -1: there is none */
  uint64_t ratings, labels;
  int64_t change; /* of the handle: rises with every view */
  int64_t seen;   /* the database's change number */
};

/* An empty view; NULL: out of memory. */
recsys__view *recsys__view_new(recsys__words *words);
/* A private copy, one change later. */
recsys__view *recsys__view_copy(const recsys__view *view);

/* Take over the record, also on failure. false: out of memory. */
bool recsys__view_set_item(recsys__view *view, int64_t id, recsys__item *item);
bool recsys__view_set_user(recsys__view *view, int64_t id, recsys__user *user);
/* What is not there is no error. An item goes with its embeddings in all spaces. */
bool recsys__view_drop_item(recsys__view *view, int64_t id);
bool recsys__view_drop_user(recsys__view *view, int64_t id);

/* Adds a space, or changes the description of one with this id. */
bool recsys__view_set_space(recsys__view *view, int64_t id, const char *fingerprint, uint32_t dim,
                            const char *description);
void recsys__view_drop_space(recsys__view *view, size_t index);
/* -1: no space with this id in the database. */
int32_t recsys__view_space_of(const recsys__view *view, int64_t id);
/* The rows of a space, for changing them. NULL: out of memory. */
recsys__rows *recsys__view_edit_rows(recsys__view *view, size_t index);
/* Puts an empty set of rows in place of a space's. */
bool recsys__view_clear_rows(recsys__view *view, size_t index);

#endif
