/*
 * Exact search against the plain reference in rows_reference.h, to the last bit: many shapes and kinds of rows, every
 * set of kernels, one to four threads; and a small case against numbers from NumPy.
 */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "rows_expected.h"
#include "rows_kinds.h"
#include "rows_reference.h"
#include "store/kernels.h"

enum { COSINE = RECSYS_METRIC_COSINE, EUCLIDEAN = RECSYS_METRIC_EUCLIDEAN };

typedef struct fixture {
  reference known;
  recsys__rows *rows;
  recsys__random random;
  int64_t *ids;
  double *scores;
  reference_hit *expected;
} fixture;

static void begin(fixture *f, size_t dim, uint64_t seed) {
  memset(f, 0, sizeof *f);
  f->known.dim = dim;
  f->rows = recsys__rows_new((uint32_t)dim);
  ck_assert_ptr_nonnull(f->rows);
  recsys__random_seed(&f->random, seed, dim);
}

static void add(fixture *f, int64_t item, int64_t picture, const float *row) {
  ck_assert(recsys__rows_put(f->rows, item, picture, row));
  reference_append(&f->known, item, picture, row);
}

static void end(fixture *f) {
  recsys__ref_release(f->rows);
  reference_free(&f->known);
  free(f->ids);
  free(f->scores);
  free(f->expected);
}

/* Searches and compares every id and every bit of every score. */
static void expect_same(fixture *f, const recsys__rows_query *q, uint32_t threads, size_t wanted) {
  size_t count = 77;
  recsys_error error;
  memset(&error, 1, sizeof error);
  ck_assert_int_eq(recsys__rows_search(f->rows, q, threads, f->ids, f->scores, &count, &error), RECSYS_OK);
  ck_assert_int_eq(error.status, RECSYS_OK);
  ck_assert_uint_eq(count, wanted);
  for (size_t i = 0; i < count; i++) {
    ck_assert_msg(f->ids[i] == f->expected[i].item && f->scores[i] == f->expected[i].score,
                  "%s, dim %zu, metric %u, k %zu, %u threads, place %zu: item %lld %.17g, not %lld %.17g",
                  recsys__kernels_now()->name, f->known.dim, q->metric, q->k, threads, i, (long long)f->ids[i],
                  f->scores[i], (long long)f->expected[i].item, f->expected[i].score);
    ck_assert_msg(f->scores[i] != 0 || !signbit(f->scores[i]), "minus zero");
  }
}

static void expect_reference(fixture *f, const recsys__rows_query *q) {
  size_t most = f->known.count * q->query_count + 1;
  f->ids = realloc(f->ids, (q->k + 1) * sizeof *f->ids);
  f->scores = realloc(f->scores, (q->k + 1) * sizeof *f->scores);
  f->expected = realloc(f->expected, most * sizeof *f->expected);
  size_t wanted = reference_search(&f->known, q, f->expected);
  for (size_t i = 0; recsys__kernels_at(i); i++) {
    recsys__kernels_force(recsys__kernels_at(i));
    /* Few bytes of codes are one thread's work, whatever the number. */
    for (uint32_t threads = f->known.count * f->known.dim < 1 << 18 ? 4 : 1; threads <= 4; threads++)
      expect_same(f, q, threads, wanted);
  }
  recsys__kernels_force(NULL);
}

/* -- kinds of rows */

static void fill(fixture *f, int kind, size_t n) {
  float *row = malloc(f->known.dim * sizeof *row);
  for (size_t i = 0; i < n; i++) {
    make_row(&f->random, kind, f->known.dim, row);
    add(f, (int64_t)((i * 7919) % n), 0, row);
  }
  free(row);
}

static void search_kind(int kind, size_t dim, size_t n) {
  fixture f;
  begin(&f, dim, (uint64_t)kind);
  fill(&f, kind, n);
  float *query = malloc(dim * sizeof *query);
  for (int own = 0; own < 2; own++) {
    make_row(&f.random, kind, dim, query);
    const float *row = own ? f.known.list[n / 2].row : query;
    for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
      recsys__rows_query q = {.queries = row, .query_count = 1, .k = 1, .metric = metric, .exclude = -1};
      expect_reference(&f, &q);
      q.k = n / 5;
      expect_reference(&f, &q);
    }
  }
  free(query);
  end(&f);
}

START_TEST(short_rows_of_every_kind) {
  for (size_t dim = 1; dim <= 65; dim++)
    search_kind(_i, dim, 90);
}
END_TEST

START_TEST(long_rows_of_every_kind) {
  static const size_t shapes[][2] = {{512, 400}, {100, 1500}, {4096, 150}, {25088, 25}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    search_kind(_i, shapes[i][0], shapes[i][1]);
}
END_TEST

/* Several chunks, a last one that is not full, and ranges for several threads. 2 MiB of codes fill a chunk. */
START_TEST(many_chunks) {
  fixture f;
  begin(&f, 512, 3);
  fill(&f, _i, 9001);
  recsys__rows_query q = {
      .queries = f.known.list[4500].row, .query_count = 1, .k = 10, .metric = COSINE, .exclude = -1};
  expect_reference(&f, &q);
  q.metric = EUCLIDEAN;
  expect_reference(&f, &q);
  end(&f);
}
END_TEST

/* The longest rows that exist, where all factors are as large as can be: int32 sums come to 99 % of their range. */
START_TEST(longest_rows) {
  fixture f;
  begin(&f, 65536, 1);
  float *row = malloc(65536 * sizeof *row);
  for (size_t i = 0; i < 40; i++) {
    for (size_t j = 0; j < 65536; j++)
      row[j] = (j * i) % 4096 ? 3.0F : -3.0F;
    add(&f, (int64_t)i, 0, row);
  }
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_query q = {.queries = f.known.list[0].row, .query_count = 1, .k = 5, .metric = metric, .exclude = -1};
    expect_reference(&f, &q);
  }
  free(row);
  end(&f);
}
END_TEST

/* -- what a list may hold */

static void fill_pictures(fixture *f, int kind, size_t items) {
  float *row = malloc(f->known.dim * sizeof *row);
  for (size_t i = 0; i < items; i++)
    for (size_t p = 0; p <= i % 4; p++) {
      make_row(&f->random, kind, f->known.dim, row);
      add(f, (int64_t)i, (int64_t)(3 * p), row);
    }
  free(row);
}

START_TEST(every_k) {
  static const size_t lengths[] = {0, 1, 2, 24, 25, 26, 50, 99, 100, 101, 100000};
  fixture f;
  begin(&f, 20, 4);
  fill_pictures(&f, _i, 100);
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
      recsys__rows_query q = {
          .queries = f.known.list[8].row, .query_count = 1, .k = lengths[i], .metric = metric, .exclude = -1};
      expect_reference(&f, &q);
    }
  end(&f);
}
END_TEST

START_TEST(several_queries_and_pictures) {
  fixture f;
  begin(&f, 33, 8);
  fill_pictures(&f, _i, 300);
  float queries[4 * 33];
  for (size_t i = 0; i < 4; i++)
    make_row(&f.random, _i, 33, queries + 33 * i);
  memcpy(queries + 33, f.known.list[40].row, 33 * sizeof *queries);
  for (size_t count = 1; count <= 4; count++)
    for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++)
      for (size_t k = 1; k <= 401; k += 20) {
        recsys__rows_query q = {
            .queries = queries, .query_count = count, .k = k, .metric = metric, .exclude = f.known.list[40].item};
        expect_reference(&f, &q);
      }
  end(&f);
}
END_TEST

static bool is_third(const void *context, int64_t item) {
  atomic_fetch_add((_Atomic size_t *)(uintptr_t)context, 1);
  return item % 3 == 0;
}

static bool is_nothing(const void *context, int64_t item) {
  (void)context;
  return item < 0;
}

START_TEST(filters_and_limits) {
  _Atomic size_t calls = 0;
  fixture f;
  begin(&f, 12, 6);
  fill_pictures(&f, _i, 200);
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_query q = {.queries = f.known.list[60].row, .query_count = 1, .metric = metric, .exclude = -1};
    q.context = (const void *)(uintptr_t)&calls;
    for (q.k = 1; q.k <= 201; q.k += 50) {
      q.passes = is_third;
      q.has_limit = false;
      expect_reference(&f, &q);
      q.has_limit = true;
      for (q.limit = metric == COSINE ? -1 : 0; q.limit <= (metric == COSINE ? 1.25 : 6); q.limit += 0.25)
        expect_reference(&f, &q);
      q.passes = is_nothing;
      expect_reference(&f, &q);
    }
  }
  end(&f);
}
END_TEST

/* A limit that equals a score lets that item in: the scores are compared, not the bounds. Rows of signs have codes
 * without error, so that only what the query's own rounding may do keeps them in. */
START_TEST(limit_is_inclusive) {
  fixture f;
  begin(&f, 40, 2);
  fill(&f, _i ? SIGNS : RANDOM, 300);
  float query[40];
  make_row(&f.random, RANDOM, 40, query);
  for (size_t i = 0; i < 40 && _i == 2; i++) /* in units of the low part: 127 x 254, and 0.49 short of it everywhere */
    query[i] = i ? 100.49F : 32258.0F;
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_query q = {.queries = query, .query_count = 1, .k = 20, .metric = metric, .exclude = -1};
    expect_reference(&f, &q);
    double limits[20];
    for (size_t i = 0; i < 20; i++)
      limits[i] = f.expected[i].score;
    q.has_limit = true;
    for (size_t i = 0; i < 20; i++) {
      q.limit = limits[i];
      expect_reference(&f, &q);
      ck_assert_uint_ge(reference_search(&f.known, &q, f.expected), i + 1);
    }
  }
  end(&f);
}
END_TEST

/* Most rows are decided by their bound alone: neither the filter nor the float32 rows are asked. */
START_TEST(filter_is_asked_late) {
  _Atomic size_t calls = 0;
  fixture f;
  begin(&f, 256, 2);
  fill(&f, RANDOM, 6000);
  recsys__rows_query q = {.queries = f.known.list[5].row, .query_count = 1, .k = 5, .exclude = -1, .passes = is_third};
  q.context = (const void *)(uintptr_t)&calls;
  int64_t ids[5];
  double scores[5];
  size_t count;
  ck_assert_int_eq(recsys__rows_search(f.rows, &q, 1, ids, scores, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 5);
  ck_assert_uint_ge(calls, 5);
  ck_assert_uint_lt(calls, 1000);
  end(&f);
}
END_TEST

START_TEST(no_rows_no_queries) {
  int64_t id = 5;
  double score = 5;
  size_t count = 5;
  float query[3] = {1, 2, 3};
  recsys__rows *rows = recsys__rows_new(3);
  recsys__rows_query q = {.queries = query, .query_count = 1, .k = 1, .exclude = -1};
  ck_assert_int_eq(recsys__rows_search(rows, &q, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 0);
  ck_assert(recsys__rows_put(rows, 1, 1, query));
  q.query_count = 0;
  count = 5;
  ck_assert_int_eq(recsys__rows_search(rows, &q, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 0);
  q.query_count = 1;
  ck_assert_int_eq(recsys__rows_search(rows, &q, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 1);
  ck_assert_int_eq(id, 1);
  ck_assert(score == 1); /* equal rows: exactly */
  recsys__ref_release(rows);
}
END_TEST

/* -- NumPy */

START_TEST(numbers_of_numpy) {
  recsys__rows *rows = recsys__rows_new(EXPECTED_DIM);
  for (size_t i = 0; i < EXPECTED_ROWS; i++)
    ck_assert(recsys__rows_put(rows, expected_items[i], expected_pictures[i], expected_values[i]));
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_query q = {
        .queries = expected_query, .query_count = 1, .k = EXPECTED_K, .metric = metric, .exclude = -1};
    int64_t ids[EXPECTED_K];
    double scores[EXPECTED_K];
    size_t count;
    ck_assert_int_eq(recsys__rows_search(rows, &q, 1, ids, scores, &count, NULL), RECSYS_OK);
    ck_assert_uint_eq(count, EXPECTED_K);
    for (size_t i = 0; i < count; i++) {
      ck_assert_int_eq(ids[i], expected_ids[metric][i]);
      ck_assert_double_eq_tol(scores[i], expected_scores[metric][i], 1e-14);
    }
    double score;
    ck_assert(recsys__rows_likeness(rows, expected_items[0], expected_items[1], metric, &score));
    ck_assert_double_eq_tol(score, expected_likeness[metric], 1e-14);
  }
  recsys__ref_release(rows);
}
END_TEST

/* -- memory */

START_TEST(out_of_memory) {
  fixture f;
  begin(&f, 30, 2);
  fill_pictures(&f, RANDOM, 100);
  float queries[3 * 30];
  for (size_t i = 0; i < 3; i++)
    make_row(&f.random, RANDOM, 30, queries + 30 * i);
  recsys__rows_query q = {.queries = queries, .query_count = 3, .k = 10, .exclude = -1};
  int64_t ids[10];
  double scores[10];
  size_t failures = 0, count = 9;
  for (recsys_status status = RECSYS_ENOMEM; status != RECSYS_OK; failures++) {
    recsys_error error = {0};
    recsys__fail_allocation(failures + 1, true);
    status = recsys__rows_search(f.rows, &q, 2, ids, scores, &count, &error);
    recsys__fail_allocation(0, false);
    ck_assert(status == RECSYS_OK ? count == 10 : status == RECSYS_ENOMEM && count == 0);
    ck_assert_int_eq(error.status, status);
    ck_assert_uint_lt(failures, 100);
  }
  ck_assert_uint_gt(failures, 3);
  end(&f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rows search");
  TCase *lists = tcase_create("lists");
  tcase_set_timeout(lists, 120);
  tcase_add_loop_test(lists, short_rows_of_every_kind, 0, KINDS);
  tcase_add_loop_test(lists, long_rows_of_every_kind, 0, KINDS);
  tcase_add_loop_test(lists, many_chunks, RANDOM, EQUAL);
  tcase_add_test(lists, longest_rows);
  tcase_add_loop_test(lists, every_k, 0, KINDS);
  tcase_add_loop_test(lists, several_queries_and_pictures, 0, KINDS);
  tcase_add_loop_test(lists, filters_and_limits, 0, KINDS);
  tcase_add_loop_test(lists, limit_is_inclusive, 0, 3);
  tcase_add_test(lists, filter_is_asked_late);
  tcase_add_test(lists, no_rows_no_queries);
  tcase_add_test(lists, numbers_of_numpy);
  tcase_add_test(lists, out_of_memory);
  suite_add_tcase(suite, lists);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
