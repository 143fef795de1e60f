/* Records of items and users: drafts, and the one block that a finished one is. */
#include "store/records.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* -- drafts */

void recsys__draft_reset(recsys__draft *draft) {
  draft->has_key = false;
  draft->pool_used = draft->label_count = draft->number_count = draft->text_count = 0;
}

void recsys__draft_free(recsys__draft *draft) {
  recsys__free(draft->pool);
  recsys__free(draft->labels);
  recsys__free(draft->numbers);
  recsys__free(draft->texts);
  *draft = (recsys__draft){.words = draft->words};
}

static bool keep_text(recsys__draft *draft, const char *text, size_t length, size_t *at) {
  void *pool = draft->pool;
  bool grown = recsys__grow(&pool, &draft->pool_room, draft->pool_used + length + 1, 1);
  draft->pool = pool;
  if (!grown)
    return false;
  *at = draft->pool_used;
  memcpy(draft->pool + *at, text, length);
  draft->pool[*at + length] = '\0';
  draft->pool_used += length + 1;
  return true;
}

bool recsys__draft_key(recsys__draft *draft, const char *key, size_t length) {
  draft->has_key = keep_text(draft, key, length, &draft->key_at);
  return draft->has_key;
}

bool recsys__draft_label(recsys__draft *draft, int32_t field, int32_t value, float score) {
  void *labels = draft->labels;
  bool grown = recsys__grow(&labels, &draft->label_room, draft->label_count + 1, sizeof *draft->labels);
  draft->labels = labels;
  if (grown)
    draft->labels[draft->label_count++] = (struct recsys__draft_label){field, {.value = value, .score = score}};
  return grown;
}

bool recsys__draft_number(recsys__draft *draft, int32_t field, double value) {
  void *numbers = draft->numbers;
  bool grown = recsys__grow(&numbers, &draft->number_room, draft->number_count + 1, sizeof *draft->numbers);
  draft->numbers = numbers;
  if (grown)
    draft->numbers[draft->number_count++] = (recsys__number){value, field};
  return grown;
}

bool recsys__draft_text(recsys__draft *draft, int32_t field, const char *text, size_t length) {
  void *texts = draft->texts;
  size_t at = 0;
  bool grown = recsys__grow(&texts, &draft->text_room, draft->text_count + 1, sizeof *draft->texts);
  draft->texts = texts;
  if (!grown || !keep_text(draft, text, length, &at))
    return false;
  draft->texts[draft->text_count++] = (struct recsys__draft_text){at, length, field};
  return true;
}

static int compare_labels(const void *a, const void *b, void *words) {
  const struct recsys__draft_label *x = a, *y = b;
  if (x->field != y->field)
    return x->field < y->field ? -1 : 1;
  if (x->label.score != y->label.score)
    return x->label.score > y->label.score ? -1 : 1;
  return strcmp(recsys__words_text(words, x->label.value), recsys__words_text(words, y->label.value));
}

static uint32_t count_runs(const recsys__draft *draft) {
  uint32_t runs = 0;
  for (size_t i = 0; i < draft->label_count; i++)
    runs += i == 0 || draft->labels[i].field != draft->labels[i - 1].field;
  return runs;
}

/* Adds `count` x `size` bytes to *total; false on overflow. */
static bool room_for(size_t *total, size_t count, size_t size) {
  size_t bytes;
  return recsys__mul(count, size, &bytes) && recsys__add(bytes, 7, &bytes) && recsys__add(*total, bytes / 8 * 8, total);
}

static void fill_labels(recsys__item *item, const recsys__draft *draft) {
  uint32_t run = 0;
  for (uint32_t i = 0; i < item->label_count; i++) {
    item->labels[i] = draft->labels[i].label;
    if (i == 0 || draft->labels[i].field != draft->labels[i - 1].field)
      item->runs[run++] = (recsys__run){draft->labels[i].field, i};
  }
}

static void fill_texts(recsys__item *item, const recsys__draft *draft, char *pool) {
  if (draft->pool_used)
    memcpy(pool, draft->pool, draft->pool_used);
  item->owner.key = draft->has_key ? pool + draft->key_at : NULL;
  for (size_t i = 0; i < draft->text_count; i++)
    item->texts[i] = (recsys__text){pool + draft->texts[i].at, draft->texts[i].length, draft->texts[i].field};
}

recsys__item *recsys__draft_seal(recsys__draft *draft) {
  if (draft->label_count > 1)
    qsort_r(draft->labels, draft->label_count, sizeof *draft->labels, compare_labels, draft->words);
  uint32_t runs = count_runs(draft);
  size_t total = sizeof(recsys__item);
  if (draft->label_count > UINT32_MAX || draft->number_count > UINT32_MAX || draft->text_count > UINT32_MAX ||
      !room_for(&total, draft->label_count, sizeof(recsys__label)) || !room_for(&total, runs, sizeof(recsys__run)) ||
      !room_for(&total, draft->number_count, sizeof(recsys__number)) ||
      !room_for(&total, draft->text_count, sizeof(recsys__text)) || !room_for(&total, draft->pool_used, 1))
    return NULL;
  recsys__item *item = recsys__alloc(total, 1);
  if (!item)
    return NULL;
  atomic_init(&item->owner.ref.count, 1);
  item->owner.ref.free = recsys__free;
  item->label_count = (uint32_t)draft->label_count;
  item->run_count = runs;
  item->number_count = (uint32_t)draft->number_count;
  item->text_count = (uint32_t)draft->text_count;
  item->texts = (recsys__text *)(item + 1);
  item->numbers = (recsys__number *)(item->texts + item->text_count);
  item->runs = (recsys__run *)(item->numbers + item->number_count);
  item->labels = (recsys__label *)(item->runs + runs);
  fill_labels(item, draft);
  if (draft->number_count)
    memcpy(item->numbers, draft->numbers, draft->number_count * sizeof *item->numbers);
  fill_texts(item, draft, (char *)(item->labels + item->label_count));
  return item;
}

/* -- looking at an item */

size_t recsys__item_labels(const recsys__item *item, int32_t field, const recsys__label **labels) {
  for (uint32_t i = 0; i < item->run_count; i++) {
    if (item->runs[i].field != field)
      continue;
    uint32_t end = i + 1 < item->run_count ? item->runs[i + 1].first : item->label_count;
    *labels = item->labels + item->runs[i].first;
    return end - item->runs[i].first;
  }
  *labels = NULL;
  return 0;
}

const recsys__number *recsys__item_number(const recsys__item *item, int32_t field) {
  for (uint32_t i = 0; i < item->number_count; i++)
    if (item->numbers[i].field == field)
      return &item->numbers[i];
  return NULL;
}

const recsys__text *recsys__item_text(const recsys__item *item, int32_t field) {
  for (uint32_t i = 0; i < item->text_count; i++)
    if (item->texts[i].field == field)
      return &item->texts[i];
  return NULL;
}

/* -- users */

recsys__user *recsys__user_new(const char *key, size_t count) {
  size_t total = sizeof(recsys__user), length = key ? strlen(key) + 1 : 0;
  if (!room_for(&total, count, sizeof(recsys__rating)) || !room_for(&total, length, 1))
    return NULL;
  recsys__user *user = recsys__alloc(total, 1);
  if (!user)
    return NULL;
  atomic_init(&user->owner.ref.count, 1);
  user->owner.ref.free = recsys__free;
  user->count = count;
  user->ratings = (recsys__rating *)(user + 1);
  user->owner.key = NULL;
  if (key)
    user->owner.key = memcpy(user->ratings + count, key, length);
  return user;
}
