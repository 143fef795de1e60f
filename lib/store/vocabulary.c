/* The vocabulary: a hash table under a lock; texts never move. */
#include "store/vocabulary.h"

#include <string.h>

#include "base/memory.h"

static recsys__lock *lock_of(const recsys__vocabulary *v) {
  union {
    const recsys__lock *in;
    recsys__lock *out;
  } u = {&v->lock};
  return u.out;
}

void recsys__vocabulary_init(recsys__vocabulary *v) {
  memset(v, 0, sizeof *v);
  recsys__lock_init(&v->lock);
}

void recsys__vocabulary_free(recsys__vocabulary *v) {
  for (size_t i = 0; i < v->count; i++)
    recsys__free(v->words[i].text);
  recsys__free(v->words);
  recsys__free(v->slots);
  recsys__lock_destroy(&v->lock);
}

/* FNV-1a over the field's number and the text. */
static size_t hash(int32_t field, const char *text) {
  uint64_t h = 1469598103934665603u ^ (uint32_t)field;
  for (; *text; text++)
    h = (h ^ (unsigned char)*text) * 1099511628211u;
  return (size_t)(h ^ (h >> 29));
}

static int32_t find(const recsys__vocabulary *v, int32_t field, const char *text, size_t *slot) {
  if (!v->slot_count)
    return -1;
  for (size_t i = hash(field, text) & (v->slot_count - 1);; i = (i + 1) & (v->slot_count - 1)) {
    *slot = i;
    int32_t word = v->slots[i] - 1;
    if (word < 0)
      return -1;
    if (v->words[word].field == field && !strcmp(v->words[word].text, text))
      return word;
  }
}

int32_t recsys__vocabulary_find(const recsys__vocabulary *v, int32_t field, const char *text) {
  size_t slot;
  recsys__lock_take(lock_of(v));
  int32_t word = find(v, field, text, &slot);
  recsys__lock_give(lock_of(v));
  return word;
}

const char *recsys__vocabulary_text(const recsys__vocabulary *v, int32_t word) {
  recsys__lock_take(lock_of(v));
  const char *text = word >= 0 && (size_t)word < v->count ? v->words[word].text : "";
  recsys__lock_give(lock_of(v));
  return text;
}

static int rehash(recsys__vocabulary *v) {
  size_t count = v->slot_count ? v->slot_count * 2 : 64;
  int32_t *slots = recsys__calloc(count, sizeof *slots);
  if (!slots)
    return 0;
  recsys__free(v->slots);
  v->slots = slots;
  v->slot_count = count;
  for (size_t i = 0; i < v->count; i++) {
    size_t slot = hash(v->words[i].field, v->words[i].text) & (count - 1);
    while (slots[slot])
      slot = (slot + 1) & (count - 1);
    slots[slot] = (int32_t)i + 1;
  }
  return 1;
}

int32_t recsys__vocabulary_add(recsys__vocabulary *v, int32_t field, const char *text) {
  size_t slot = 0;
  char *copy = NULL;
  recsys__lock_take(&v->lock);
  int32_t word = find(v, field, text, &slot);
  if (word < 0 && v->count < INT32_MAX - 1 && (v->count * 2 < v->slot_count || rehash(v)) &&
      recsys__grow((void **)&v->words, &v->room, v->count + 1, sizeof *v->words) && (copy = recsys__strdup(text))) {
    find(v, field, text, &slot);
    word = (int32_t)v->count;
    v->words[v->count++] = (struct recsys__word){field, copy};
    v->slots[slot] = word + 1;
  }
  recsys__lock_give(&v->lock);
  return word;
}
