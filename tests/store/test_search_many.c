/* Lists for many items and queries at once, through the public functions: the same as one call for each. */
#include "base/random.h"
#include "fixture.h"

enum { LONG = 24, ITEMS = 300, K = 9 };

static float rows[2 * ITEMS][LONG];

/* Items 0, 3, 6, ...; every second one has two pictures. */
static recsys_store *filled_store(void) {
  recsys_store *store = open_store(":memory:");
  recsys_error error;
  recsys__random random;
  recsys__random_seed(&random, 3, 1);
  int64_t items[2 * ITEMS], pictures[2 * ITEMS];
  size_t n = 0;
  for (int64_t i = 0; i < ITEMS; i++)
    for (int64_t p = 0; p <= i % 2; p++, n++) {
      items[n] = 3 * i;
      pictures[n] = p;
      for (size_t d = 0; d < LONG; d++)
        rows[n][d] = (float)recsys__random_unit(&random) - 0.3F;
    }
  ck_ok(recsys_store_put_embeddings(store, "space", LONG, items, pictures, rows[0], n, &error));
  return store;
}

static void expect_one_by_one(recsys_store *store, const int64_t *items, size_t n,
                              const recsys_search_options *options) {
  recsys_error error;
  int64_t *ids = malloc(n * K * sizeof *ids), id[K];
  double *scores = malloc(n * K * sizeof *scores), score[K];
  uint32_t *counts = malloc(n * sizeof *counts), count, missing = 0;
  recsys_status *statuses = malloc(n * sizeof *statuses), found;
  recsys_status status = recsys_store_similar(store, items, n, K, options, ids, scores, counts, statuses, &error);
  for (size_t i = 0; i < n; i++) {
    recsys_store_similar(store, items + i, 1, K, options, id, score, &count, &found, &error);
    ck_assert_int_eq(statuses[i], found);
    ck_assert_uint_eq(counts[i], count);
    ck_assert_mem_eq(ids + i * K, id, sizeof id);
    ck_assert_mem_eq(scores + i * K, score, sizeof score);
    missing += found != RECSYS_OK;
  }
  ck_assert_int_eq(status, missing ? RECSYS_EPARTIAL : RECSYS_OK);
  free(ids);
  free(scores);
  free(counts);
  free(statuses);
}

static void with_options(const recsys_search_options *options) {
  recsys_store *store = filled_store();
  int64_t items[ITEMS], last;
  for (int64_t i = 0; i < ITEMS; i++)
    items[i] = 3 * i;
  expect_one_by_one(store, items, ITEMS, options); /* all of them, rising: every pair once */
  last = items[5];
  items[5] = items[70];
  items[70] = last;
  expect_one_by_one(store, items, ITEMS, options);
  expect_one_by_one(store, items, 8, options);
  for (size_t i = 0; i < 60; i += 7)
    items[i] = i % 2 ? 1000000 : -1; /* no such items */
  items[20] = items[21];
  expect_one_by_one(store, items, 61, options);
  recsys_store_close(store);
}

START_TEST(similar) {
  recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = 0.55};
  recsys_search_options options = {.struct_size = sizeof options};
  with_options(NULL);
  options.filter = &filter;
  with_options(&options);
  options = (recsys_search_options){.struct_size = sizeof options, .metric = RECSYS_METRIC_EUCLIDEAN};
  with_options(&options);
}
END_TEST

START_TEST(search) {
  recsys_store *store = filled_store();
  recsys_error error;
  enum { N = 100 };
  int64_t ids[N * K], id[K];
  double scores[N * K], score[K];
  uint32_t counts[N], count;
  for (size_t n = 7; n <= N; n += 31) { /* 7 go one by one, the others as a block */
    ck_ok(recsys_store_search(store, rows[0], n, LONG, K, NULL, ids, scores, counts, &error));
    for (size_t i = 0; i < n; i++) {
      ck_ok(recsys_store_search(store, rows[i], 1, LONG, K, NULL, id, score, &count, &error));
      ck_assert_uint_eq(counts[i], count);
      ck_assert_mem_eq(ids + i * K, id, sizeof id);
      ck_assert_mem_eq(scores + i * K, score, sizeof score);
    }
  }
  recsys_store_close(store);
}
END_TEST

START_TEST(more_than_there_is) {
  recsys_store *store = filled_store();
  recsys_error error;
  enum { N = 10, MORE = ITEMS + 20 };
  int64_t *ids = malloc(N * MORE * sizeof *ids);
  double *scores = malloc(N * MORE * sizeof *scores);
  uint32_t counts[N];
  ck_ok(recsys_store_search(store, rows[0], N, LONG, MORE, NULL, ids, scores, counts, &error));
  for (size_t i = 0; i < N; i++) {
    ck_assert_uint_eq(counts[i], ITEMS);
    for (size_t j = ITEMS; j < MORE; j++)
      ck_assert(ids[i * MORE + j] == -1 && scores[i * MORE + j] == 0);
  }
  free(ids);
  free(scores);
  recsys_store_close(store);
}
END_TEST

static int refuse(void *user, const char *phase, uint64_t done, uint64_t total) {
  ck_assert_str_eq(phase, "search");
  ck_assert_uint_le(done, total);
  ++*(int *)user;
  return 1;
}

START_TEST(cancelled) {
  recsys_store *store = filled_store();
  recsys_error error;
  int calls = 0;
  recsys_search_options options = {.struct_size = sizeof options, .progress = refuse, .progress_user = &calls};
  int64_t items[20], ids[20 * K];
  double scores[20 * K];
  uint32_t counts[20];
  for (int64_t i = 0; i < 20; i++)
    items[i] = 3 * i;
  ck_fails(recsys_store_similar(store, items, 20, K, &options, ids, scores, counts, NULL, &error), RECSYS_ECANCELLED,
           "cancelled");
  ck_assert_int_eq(calls, 1);
  for (size_t i = 0; i < 20; i++)
    ck_assert(counts[i] == 0 && ids[i * K] == -1);
  recsys_store_close(store);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("search many");
  TCase *many = tcase_create("many");
  tcase_set_timeout(many, 60);
  tcase_add_test(many, similar);
  tcase_add_test(many, search);
  tcase_add_test(many, more_than_there_is);
  tcase_add_test(many, cancelled);
  suite_add_tcase(suite, many);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
