/*
 * Words lie in segments that never move. A hash table of numbers leads to them; a full table is replaced by one of
 * twice the size, and the old one stays until the end for readers that are still in it. A reader that looks while a
 * word is being added finds it or does not: no view that it could hold has an item with that word.
 */
#include "store/words.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "store/hash.h"
#include "store/map.h"

enum { FIRST_SEGMENT = 64, SEGMENTS = 25, FIRST_TABLE = 128 };

typedef struct entry {
  char *text;
  size_t length;
  uint64_t hash;
  int32_t field;
} entry;

typedef struct table {
  struct table *older;
  size_t mask;
  _Atomic int32_t slots[]; /* number + 1; 0: free */
} table;

struct recsys__words {
  recsys__ref ref;
  _Atomic(entry *) segments[SEGMENTS]; /* segment s holds FIRST_SEGMENT << s words */
  _Atomic(table *) newest;
  _Atomic int32_t count;
};

/* Number n lies at n + FIRST_SEGMENT - (its segment's size) in the segment that its highest bit names. */
static entry *at(const recsys__words *words, int32_t number) {
  uint32_t shifted = (uint32_t)number + FIRST_SEGMENT;
  unsigned top = 31 - (unsigned)__builtin_clz(shifted);
  unsigned segment = top - (unsigned)__builtin_ctz(FIRST_SEGMENT);
  entry *first = atomic_load_explicit(&words->segments[segment], memory_order_acquire);
  return first + (shifted - (1u << top));
}

static table *table_new(size_t size, table *older) {
  table *t = recsys__calloc(1, sizeof *t + size * sizeof t->slots[0]);
  if (t) {
    t->older = older;
    t->mask = size - 1;
  }
  return t;
}

static void words_free(void *self) {
  recsys__words *words = self;
  int32_t count = atomic_load(&words->count);
  for (int32_t i = 0; i < count; i++)
    recsys__free(at(words, i)->text);
  for (int s = 0; s < SEGMENTS; s++)
    recsys__free(atomic_load(&words->segments[s]));
  for (table *t = atomic_load(&words->newest); t;) {
    table *older = t->older;
    recsys__free(t);
    t = older;
  }
  recsys__free(words);
}

recsys__words *recsys__words_new(void) {
  recsys__words *words = recsys__calloc(1, sizeof *words);
  table *first = words ? table_new(FIRST_TABLE, NULL) : NULL;
  if (!first) {
    recsys__free(words);
    return NULL;
  }
  atomic_init(&words->ref.count, 1);
  words->ref.free = words_free;
  atomic_init(&words->newest, first);
  return words;
}

static bool is_word(const entry *w, int32_t field, const char *text, size_t length, uint64_t hash) {
  return w->hash == hash && w->field == field && w->length == length && memcmp(w->text, text, length) == 0;
}

static int32_t find(const recsys__words *words, int32_t field, const char *text, size_t length, uint64_t hash) {
  const table *t = atomic_load_explicit(&words->newest, memory_order_acquire);
  for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
    int32_t slot = atomic_load_explicit(&t->slots[i], memory_order_acquire);
    if (slot == 0)
      return RECSYS__NO_WORD;
    if (is_word(at(words, slot - 1), field, text, length, hash))
      return slot - 1;
  }
}

int32_t recsys__words_find(const recsys__words *words, int32_t field, const char *text, size_t length) {
  return find(words, field, text, length, recsys__hash(text, length, (uint64_t)(int64_t)field));
}

static void enter(table *t, uint64_t hash, int32_t number) {
  size_t i = hash & t->mask;
  while (atomic_load_explicit(&t->slots[i], memory_order_relaxed))
    i = (i + 1) & t->mask;
  atomic_store_explicit(&t->slots[i], number + 1, memory_order_release);
}

/* A table that is at most half full after one more. */
static bool make_room(recsys__words *words, int32_t count) {
  table *old = atomic_load_explicit(&words->newest, memory_order_relaxed);
  if (((size_t)count + 1) * 2 <= old->mask + 1)
    return true;
  table *bigger = table_new((old->mask + 1) * 2, old);
  if (!bigger)
    return false;
  for (int32_t i = 0; i < count; i++)
    enter(bigger, at(words, i)->hash, i);
  atomic_store_explicit(&words->newest, bigger, memory_order_release);
  return true;
}

/* Room for word number `count` in the segments. */
static bool make_segment(recsys__words *words, int32_t count) {
  for (size_t s = 0, end = FIRST_SEGMENT; s < SEGMENTS; s++, end += (size_t)FIRST_SEGMENT << s) {
    if ((size_t)count >= end)
      continue;
    if (atomic_load_explicit(&words->segments[s], memory_order_relaxed))
      return true;
    entry *segment = recsys__alloc((size_t)FIRST_SEGMENT << s, sizeof *segment);
    atomic_store_explicit(&words->segments[s], segment, memory_order_release);
    return segment != NULL;
  }
  return false;
}

int32_t recsys__words_add(recsys__words *words, int32_t field, const char *text, size_t length) {
  uint64_t hash = recsys__hash(text, length, (uint64_t)(int64_t)field);
  int32_t number = find(words, field, text, length, hash);
  if (number != RECSYS__NO_WORD)
    return number;
  number = atomic_load_explicit(&words->count, memory_order_relaxed);
  char *copy = recsys__alloc(length + 1, 1);
  if (!copy || !make_room(words, number) || !make_segment(words, number)) {
    recsys__free(copy);
    return RECSYS__NO_WORD;
  }
  memcpy(copy, text, length);
  copy[length] = '\0';
  *at(words, number) = (entry){copy, length, hash, field};
  atomic_store_explicit(&words->count, number + 1, memory_order_release);
  enter(atomic_load_explicit(&words->newest, memory_order_relaxed), hash, number);
  return number;
}

const char *recsys__words_text(const recsys__words *words, int32_t word) {
  return at(words, word)->text;
}

int32_t recsys__words_field(const recsys__words *words, int32_t word) {
  return at(words, word)->field;
}

int32_t recsys__words_count(const recsys__words *words) {
  return atomic_load_explicit(&words->count, memory_order_acquire);
}
