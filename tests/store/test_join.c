/*
 * Search for many queries at once against one search for each, to the last bit: every kind of row, set of kernels,
 * metric and number of threads, the neighbours of all items and lists of other queries.
 */
#include <check.h>
#include <stdio.h>

#include "base/memory.h"
#include "rows_kinds.h"
#include "rows_reference.h"
#include "store/kernels.h"

enum { COSINE = RECSYS_METRIC_COSINE, EUCLIDEAN = RECSYS_METRIC_EUCLIDEAN };

typedef struct lists {
  int64_t *ids;
  double *scores;
  uint32_t *counts;
} lists;

static lists lists_new(size_t n, size_t stride) {
  lists l = {malloc((n * stride + 1) * sizeof *l.ids), malloc((n * stride + 1) * sizeof *l.scores),
             malloc((n + 1) * sizeof *l.counts)};
  memset(l.counts, 0x55, n * sizeof *l.counts);
  return l;
}

static void lists_free(lists *l) {
  free(l->ids);
  free(l->scores);
  free(l->counts);
}

/* `items` items with 1 to `pictures` pictures each; every third item number is left out. */
static recsys__rows *make_rows(int kind, size_t dim, size_t items, size_t pictures, uint64_t seed) {
  recsys__random random;
  recsys__random_seed(&random, seed, dim);
  recsys__rows *rows = recsys__rows_new((uint32_t)dim);
  float *row = malloc(dim * sizeof *row);
  for (size_t i = 0; i < items; i++)
    for (size_t p = 0; p <= i % pictures; p++) {
      make_row(&random, kind, dim, row);
      ck_assert(recsys__rows_put(rows, (int64_t)(((i * 7919) % items) / 2 * 3), (int64_t)(i % 2 * 10 + p), row));
    }
  free(row);
  return rows;
}

/* The pictures of one item, row after row; returns how many. */
static size_t pictures_of(const recsys__rows *rows, int64_t item, float *queries) {
  size_t n = 0, dim = recsys__rows_dim(rows);
  int64_t picture;
  const float *row;
  for (; recsys__rows_picture(rows, item, n, &picture, &row); n++)
    memcpy(queries + n * dim, row, dim * sizeof *row);
  return n;
}

static size_t all_items(const recsys__rows *rows, int64_t *items) {
  size_t n = 0;
  for (int64_t item = 0; n < recsys__rows_item_count(rows); item++)
    if (recsys__rows_picture(rows, item, 0, NULL, NULL))
      items[n++] = item;
  return n;
}

static void expect_list(const recsys__rows *rows, const recsys__rows_join *join, int64_t item, int64_t exclude,
                        const lists *got, size_t list) {
  float *queries = malloc(64 * recsys__rows_dim(rows) * sizeof *queries);
  recsys__rows_query q = {.queries = queries,
                          .query_count = pictures_of(join->queries, item, queries),
                          .k = join->k,
                          .metric = join->metric,
                          .exclude = exclude,
                          .passes = join->passes,
                          .context = join->context,
                          .has_limit = join->has_limit,
                          .limit = join->limit};
  lists wanted = lists_new(1, join->k);
  size_t count;
  ck_assert_int_eq(recsys__rows_search(rows, &q, 1, wanted.ids, wanted.scores, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(got->counts[list], count);
  for (size_t i = 0; i < count; i++) {
    size_t at = list * join->stride + i;
    ck_assert_msg(got->ids[at] == wanted.ids[i] && got->scores[at] == wanted.scores[i],
                  "%s, dim %u, metric %u, k %zu, list %zu, place %zu: item %lld %.17g, not %lld %.17g",
                  recsys__kernels_now()->name, recsys__rows_dim(rows), join->metric, join->k, list, i,
                  (long long)got->ids[at], got->scores[at], (long long)wanted.ids[i], wanted.scores[i]);
    ck_assert_msg(got->scores[at] != 0 || !signbit(got->scores[at]), "minus zero");
  }
  lists_free(&wanted);
  free(queries);
}

/* Runs with every set of kernels and 1 to 4 threads; compares every `step`-th list. */
static void expect_same(const recsys__rows *rows, recsys__rows_join *join, size_t step) {
  size_t n = recsys__rows_item_count(join->queries), most = recsys__rows_item_count(rows);
  int64_t *items = malloc(n * sizeof *items);
  ck_assert_uint_eq(all_items(join->queries, items), n);
  join->k = join->k < most ? join->k : most;
  join->stride = join->k + 1;
  for (size_t i = 0; recsys__kernels_at(i); i++) {
    recsys__kernels_force(recsys__kernels_at(i));
    for (uint32_t threads = 1; threads <= 4; threads += 3) {
      lists got = lists_new(n, join->stride);
      recsys_error error;
      memset(&error, 1, sizeof error);
      ck_assert_int_eq(recsys__rows_search_many(rows, join, threads, got.ids, got.scores, got.counts, &error),
                       RECSYS_OK);
      ck_assert_int_eq(error.status, RECSYS_OK);
      for (size_t l = 0; l < n; l += step)
        expect_list(rows, join, items[l],
                    join->queries == rows ? items[l]
                    : join->exclude       ? join->exclude[l]
                                          : -1,
                    &got, l);
      lists_free(&got);
    }
  }
  recsys__kernels_force(NULL);
  free(items);
}

static void both_metrics(const recsys__rows *rows, const recsys__rows *queries, size_t k, size_t step) {
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_join join = {.queries = queries, .k = k, .metric = metric};
    expect_same(rows, &join, step);
  }
}

START_TEST(neighbours_of_every_kind) {
  static const size_t shapes[][3] = {{1, 90, 1},    {3, 97, 2},    {40, 300, 3},  {64, 600, 1},
                                     {100, 400, 4}, {4096, 60, 2}, {130, 1100, 1}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    recsys__rows *rows = make_rows(_i, shapes[i][0], shapes[i][1], shapes[i][2], 1);
    both_metrics(rows, rows, 7, shapes[i][1] / 30);
    recsys__ref_release(rows);
  }
}
END_TEST

START_TEST(other_queries_of_every_kind) {
  for (size_t items = 1; items <= 140; items = 3 * items + 8) {
    recsys__rows *rows = make_rows(_i, 40, 600, 2, 1), *queries = make_rows(_i, 40, items, 3, 2);
    both_metrics(rows, queries, 5, 1 + items / 20);
    recsys__ref_release(queries);
    recsys__ref_release(rows);
  }
}
END_TEST

/* Several chunks (2 MiB of codes each), whose last panels are not full, and several blocks of queries. */
START_TEST(many_chunks) {
  recsys__rows *rows = make_rows(CLUSTERED, 512, 4301, 1, 3);
  both_metrics(rows, rows, 10, 400);
  recsys__ref_release(rows);
}
END_TEST

START_TEST(every_k) {
  recsys__rows *rows = make_rows(_i, 20, 120, 3, 4);
  for (size_t k = 1; k <= 200; k += 40)
    both_metrics(rows, rows, k, 20);
  recsys__ref_release(rows);
}
END_TEST

static bool is_fifth(const void *context, int64_t item) {
  (void)context;
  return item % 5 == 0;
}

START_TEST(filters_limits_and_exclusions) {
  recsys__rows *rows = make_rows(_i, 12, 240, 3, 6), *queries = make_rows(_i, 12, 30, 2, 7);
  int64_t exclude[30];
  for (size_t i = 0; i < 30; i++)
    exclude[i] = (int64_t)(30 * i);
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++)
    for (int own = 0; own < 2; own++) {
      recsys__rows_join join = {.queries = own ? rows : queries, .exclude = exclude, .k = 20, .metric = metric};
      join.has_limit = true;
      for (join.limit = metric == COSINE ? -1 : 0; join.limit <= (metric == COSINE ? 1.25 : 6);
           join.limit += metric == COSINE ? 0.75 : 2.5)
        expect_same(rows, &join, 7);
      join.passes = is_fifth;
      expect_same(rows, &join, 7);
      join.has_limit = false;
      expect_same(rows, &join, 7);
    }
  recsys__ref_release(queries);
  recsys__ref_release(rows);
}
END_TEST

/* The same of rows that have sketches; lengths of every size too. */
START_TEST(filters_and_limits_with_sketches) {
  recsys__rows *rows = make_rows(_i, 130, 1100, 1, 6);
  ck_assert_uint_ge(recsys__rows_count(rows), 1024);
  for (uint32_t metric = COSINE; metric <= EUCLIDEAN; metric++) {
    recsys__rows_join join = {.queries = rows, .k = 20, .metric = metric, .passes = is_fifth};
    expect_same(rows, &join, 97);
    join.has_limit = true;
    join.limit = metric == COSINE ? 0.1 : 9;
    expect_same(rows, &join, 97);
  }
  recsys__ref_release(rows);
}
END_TEST

static void put_lengths(recsys__rows *rows, recsys__random *random, size_t n, double length) {
  for (size_t i = 0; i < n; i++) {
    float row[12];
    double square = 0;
    for (size_t d = 0; d < 12; d++) {
      row[d] = signed_unit(random);
      square += (double)row[d] * (double)row[d];
    }
    for (size_t d = 0; d < 12; d++)
      row[d] = (float)((double)row[d] / sqrt(square) * length);
    ck_assert(recsys__rows_put(rows, (int64_t)i, 0, row));
  }
}

/* Lengths whose squares, or the sums of two of them, a float does not hold. */
START_TEST(lengths_of_every_size) {
  static const double lengths[] = {1.35e19, 1.8e19, 1e38, 1e18, 1e-15, 1e-20, 1e-23, 1e-38};
  recsys__random random;
  recsys__random_seed(&random, 5, 5);
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
    recsys__rows *rows = recsys__rows_new(12), *queries = recsys__rows_new(12);
    put_lengths(rows, &random, 300, lengths[l]);
    put_lengths(queries, &random, 20, lengths[l]);
    both_metrics(rows, rows, 2, 9);
    both_metrics(rows, queries, 2, 1);
    recsys__ref_release(rows);
    recsys__ref_release(queries);
  }
}
END_TEST

/* The longest rows that exist, where all factors are as large as can be. */
START_TEST(longest_rows) {
  recsys__rows *rows = recsys__rows_new(65536);
  float *row = malloc(65536 * sizeof *row);
  for (size_t i = 0; i < 20; i++) {
    for (size_t j = 0; j < 65536; j++)
      row[j] = (j * i) % 4096 ? 3.0F : -3.0F;
    ck_assert(recsys__rows_put(rows, (int64_t)i, 0, row));
  }
  free(row);
  both_metrics(rows, rows, 5, 3);
  recsys__ref_release(rows);
}
END_TEST

START_TEST(nothing_to_do) {
  recsys__rows *none = recsys__rows_new(3), *one = recsys__rows_new(3);
  float row[3] = {1, 2, 3};
  ck_assert(recsys__rows_put(one, 4, 0, row));
  uint32_t count = 9;
  int64_t id;
  double score;
  recsys__rows_join join = {.queries = none, .k = 1, .stride = 1};
  ck_assert_int_eq(recsys__rows_search_many(one, &join, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 9);
  join.queries = one;
  ck_assert_int_eq(recsys__rows_search_many(none, &join, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 0);
  count = 9;
  ck_assert_int_eq(recsys__rows_search_many(one, &join, 2, &id, &score, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, 0); /* an item is not in its own list */
  recsys__ref_release(none);
  recsys__ref_release(one);
}
END_TEST

typedef struct steps {
  uint64_t calls, last, stop;
} steps;

static int step(void *user, const char *phase, uint64_t done, uint64_t total) {
  steps *s = user;
  ck_assert_str_eq(phase, "search");
  ck_assert(done >= s->last && done <= total && total == 5000);
  s->last = done;
  return ++s->calls == s->stop;
}

START_TEST(progress_and_cancel) {
  recsys__rows *rows = make_rows(RANDOM, 256, 5000, 1, 8);
  lists got = lists_new(5000, 3);
  steps s = {0};
  recsys__rows_join join = {.queries = rows, .k = 3, .stride = 3, .progress = step, .progress_user = &s};
  ck_assert_int_eq(recsys__rows_search_many(rows, &join, 2, got.ids, got.scores, got.counts, NULL), RECSYS_OK);
  ck_assert_uint_eq(s.last, 5000);
  ck_assert_uint_gt(s.calls, 3);
  s = (steps){.stop = 2};
  recsys_error error;
  ck_assert_int_eq(recsys__rows_search_many(rows, &join, 2, got.ids, got.scores, got.counts, &error),
                   RECSYS_ECANCELLED);
  ck_assert_uint_eq(s.calls, 2);
  ck_assert_int_eq(error.status, RECSYS_ECANCELLED);
  lists_free(&got);
  recsys__ref_release(rows);
}
END_TEST

/* Without and with sketches. */
START_TEST(out_of_memory) {
  recsys__rows *rows = _i ? make_rows(RANDOM, 128, 1100, 1, 9) : make_rows(RANDOM, 30, 100, 2, 9);
  size_t n = recsys__rows_item_count(rows), failures = 0;
  lists got = lists_new(n, 5);
  recsys__rows_join join = {.queries = rows, .k = 5, .stride = 5};
  for (recsys_status status = RECSYS_ENOMEM; status != RECSYS_OK; failures++) {
    recsys_error error = {0};
    recsys__fail_allocation(failures + 1, true);
    status = recsys__rows_search_many(rows, &join, 2, got.ids, got.scores, got.counts, &error);
    recsys__fail_allocation(0, false);
    ck_assert(status == RECSYS_OK || status == RECSYS_ENOMEM);
    ck_assert_int_eq(error.status, status);
    ck_assert_uint_lt(failures, 1000);
  }
  ck_assert_uint_gt(failures, 6);
  lists_free(&got);
  recsys__ref_release(rows);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("join");
  TCase *many = tcase_create("many");
  tcase_set_timeout(many, 120);
  tcase_add_loop_test(many, neighbours_of_every_kind, 0, KINDS);
  tcase_add_loop_test(many, other_queries_of_every_kind, 0, KINDS);
  tcase_add_test(many, many_chunks);
  tcase_add_loop_test(many, every_k, 0, KINDS);
  tcase_add_loop_test(many, filters_limits_and_exclusions, RANDOM, EQUAL);
  tcase_add_loop_test(many, filters_and_limits_with_sketches, RANDOM, ONE_ULP);
  tcase_add_test(many, lengths_of_every_size);
  tcase_add_test(many, longest_rows);
  tcase_add_test(many, nothing_to_do);
  tcase_add_test(many, progress_and_cancel);
  tcase_add_loop_test(many, out_of_memory, 0, 2);
  suite_add_tcase(suite, many);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
