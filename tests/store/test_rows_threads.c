/*
 * Searchers on snapshots while a writer changes copies of them: every searcher sees one state, whole, and the thread
 * sanitizer sees nothing.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "rows_reference.h"

enum { DIM = 48, ITEMS = 400, STEPS = 150, SEARCHERS = 4 };

typedef struct shared {
  pthread_mutex_t lock;
  recsys__rows *newest; /* guarded by lock */
  _Atomic bool done;
  _Atomic size_t searches, wrong;
} shared;

/* All rows of state v are made from v, so a mixture of states would show. */
static void row_of(int64_t item, int64_t version, float row[DIM]) {
  recsys__random random;
  recsys__random_seed(&random, (uint64_t)item, (uint64_t)version);
  for (size_t i = 0; i < DIM - 1; i++)
    row[i] = (float)(recsys__random_unit(&random) - 0.5);
  row[DIM - 1] = (float)version;
}

static recsys__rows *snapshot_of(shared *s) {
  pthread_mutex_lock(&s->lock);
  recsys__rows *rows = s->newest;
  recsys__ref_retain(rows);
  pthread_mutex_unlock(&s->lock);
  return rows;
}

static void publish(shared *s, recsys__rows *rows) {
  pthread_mutex_lock(&s->lock);
  recsys__rows *old = s->newest;
  s->newest = rows;
  pthread_mutex_unlock(&s->lock);
  recsys__ref_release(old);
}

/* Item 0 carries the version; every other item has a row of that version or an older one. */
static bool is_whole(const recsys__rows *rows) {
  const float *first = recsys__rows_get(rows, 0, 0);
  int64_t version = (int64_t)first[DIM - 1], item = 1 + version % (ITEMS - 1), id;
  const float *own = recsys__rows_get(rows, item, 0);
  float expected[DIM];
  row_of(item, version, expected);
  if (!own || memcmp(own, expected, sizeof expected) != 0)
    return false;
  recsys__rows_query q = {.queries = expected, .query_count = 1, .k = 1, .exclude = -1};
  double score;
  size_t count;
  bool found = recsys__rows_search(rows, &q, 2, &id, &score, &count, NULL) == RECSYS_OK && count == 1;
  return found && id == item && score == 1;
}

static void *search(void *context) {
  shared *s = context;
  do {
    recsys__rows *rows = snapshot_of(s);
    s->wrong += !is_whole(rows);
    s->wrong += !is_whole(rows); /* still */
    s->searches++;
    recsys__ref_release(rows);
  } while (!s->done);
  return NULL;
}

static void change(recsys__rows *rows, int64_t version) {
  float row[DIM];
  bool removed;
  int64_t item = 1 + version % (ITEMS - 1);
  row_of(0, version, row);
  ck_assert(recsys__rows_put(rows, 0, 0, row));
  row_of(item, version, row);
  ck_assert(recsys__rows_put(rows, item, 0, row));
  ck_assert(recsys__rows_put(rows, 1000 + version, 0, row)); /* appended; has the larger id */
  if (version > 1 && version % 3 == 0)
    ck_assert(recsys__rows_remove(rows, 1000 + version - 1, 0, &removed) && removed);
}

START_TEST(searchers_and_a_writer) {
  shared s = {.lock = PTHREAD_MUTEX_INITIALIZER, .newest = recsys__rows_new(DIM)};
  float row[DIM];
  for (int64_t i = 0; i < ITEMS; i++) {
    row_of(i, 1, row);
    ck_assert(recsys__rows_put(s.newest, i, 0, row));
  }
  change(s.newest, 1);
  pthread_t threads[SEARCHERS];
  for (size_t i = 0; i < SEARCHERS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, search, &s), 0);
  for (int64_t version = 2; version < STEPS; version++) {
    recsys__rows *copy = recsys__rows_copy(s.newest); /* only this thread writes it */
    ck_assert_ptr_nonnull(copy);
    change(copy, version);
    publish(&s, copy);
  }
  s.done = true;
  for (size_t i = 0; i < SEARCHERS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_uint_eq(s.wrong, 0);
  ck_assert_uint_ge(s.searches, SEARCHERS);
  recsys__ref_release(s.newest);
}
END_TEST

/* Two threads append to copies of one snapshot: they race for its free slots. */
static void *append(void *context) {
  recsys__rows *rows = context;
  float row[DIM];
  for (int64_t i = 1; i < 300; i++) {
    row_of(i, (int64_t)(uintptr_t)rows % 1000, row);
    if (!recsys__rows_put(rows, i, 0, row))
      return NULL;
  }
  return context;
}

START_TEST(two_copies_grow_at_once) {
  float row[DIM] = {1};
  recsys__rows *base = recsys__rows_new(DIM), *copies[2];
  ck_assert(recsys__rows_put(base, 0, 0, row));
  pthread_t threads[2];
  for (size_t i = 0; i < 2; i++) {
    copies[i] = recsys__rows_copy(base);
    ck_assert_int_eq(pthread_create(&threads[i], NULL, append, copies[i]), 0);
  }
  for (size_t i = 0; i < 2; i++) {
    void *done;
    pthread_join(threads[i], &done);
    ck_assert_ptr_eq(done, copies[i]);
    ck_assert_uint_eq(recsys__rows_count(copies[i]), 300);
    for (int64_t item = 1; item < 300; item++) {
      row_of(item, (int64_t)(uintptr_t)copies[i] % 1000, row);
      ck_assert_mem_eq(recsys__rows_get(copies[i], item, 0), row, sizeof row);
    }
    recsys__ref_release(copies[i]);
  }
  ck_assert_uint_eq(recsys__rows_count(base), 1);
  recsys__ref_release(base);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rows threads");
  TCase *threads = tcase_create("threads");
  tcase_add_test(threads, searchers_and_a_writer);
  tcase_add_test(threads, two_copies_grow_at_once);
  suite_add_tcase(suite, threads);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
