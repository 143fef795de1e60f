/* What memory holds of one item and of one user: immutable records in the maps of a view, each one block. */
#ifndef RECSYS_STORE_RECORDS_H
#define RECSYS_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/map.h"
#include "store/view.h"
#include "store/words.h"

/* How both begin. */
typedef struct recsys__owner {
  recsys__ref ref;
  const char *key; /* NULL: none of its own */
} recsys__owner;

typedef struct recsys__run {
  int32_t field;
  uint32_t first; /* of its labels; they end where the next run begins */
} recsys__run;

typedef struct recsys__number {
  double value;
  int32_t field;
} recsys__number;

typedef struct recsys__text {
  const char *text;
  size_t length;
  int32_t field;
} recsys__text;

typedef struct recsys__item {
  recsys__owner owner;
  uint32_t label_count, run_count, number_count, text_count;
  recsys__label *labels; /* by field, then falling score, then text */
  recsys__run *runs;     /* one for every field with labels */
  recsys__number *numbers;
  recsys__text *texts;
} recsys__item;

typedef struct recsys__user {
  recsys__owner owner;
  size_t count;
  recsys__rating *ratings; /* by rising item */
} recsys__user;

/* An item in the making. Zero-initialise but for words. Texts need not end in NUL. */
typedef struct recsys__draft {
  recsys__words *words;
  char *pool;
  size_t pool_used, pool_room;
  bool has_key;
  size_t key_at;
  struct recsys__draft_label {
    int32_t field;
    recsys__label label;
  } * labels;
  size_t label_count, label_room;
  recsys__number *numbers;
  size_t number_count, number_room;
  struct recsys__draft_text {
    size_t at, length;
    int32_t field;
  } * texts;
  size_t text_count, text_room;
} recsys__draft;

/* Empties a draft and keeps its memory. */
void recsys__draft_reset(recsys__draft *draft);
void recsys__draft_free(recsys__draft *draft);
/* false: out of memory. */
bool recsys__draft_key(recsys__draft *draft, const char *key, size_t length);
bool recsys__draft_label(recsys__draft *draft, int32_t field, int32_t value, float score);
bool recsys__draft_number(recsys__draft *draft, int32_t field, double value);
bool recsys__draft_text(recsys__draft *draft, int32_t field, const char *text, size_t length);
recsys__item *recsys__draft_seal(recsys__draft *draft); /* NULL: out of memory */

/* A user with room for `count` ratings, which the caller fills in; key NULL: none. NULL: out of memory. */
recsys__user *recsys__user_new(const char *key, size_t count);

size_t recsys__item_labels(const recsys__item *item, int32_t field, const recsys__label **labels);
const recsys__number *recsys__item_number(const recsys__item *item, int32_t field);
const recsys__text *recsys__item_text(const recsys__item *item, int32_t field);

/* -- keys: a map from hashes of keys to the ids that have them, beside the map of their owners */
bool recsys__keys_add(recsys__map *keys, const char *key, int64_t id);
bool recsys__keys_remove(recsys__map *keys, const char *key, int64_t id);
/* The id, or -1. */
int64_t recsys__keys_find(const recsys__map *keys, const recsys__map *owners, const char *key);

#endif
