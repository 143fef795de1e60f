/* Splits, and whole evaluations: shares, determinism, nothing of the test part in fitting, numbers derived by hand. */
#include "../ranker/catalogue.h"

static recsys_error error;
static recsys_store *store;
static int64_t users[USERS * ITEMS], items[USERS * ITEMS], times[USERS * ITEMS];
static size_t n;

static void setup(void) {
  store = open_catalogue(":memory:");
  n = 0;
  for (int64_t u = 0; u < USERS; u++)
    for (int64_t i = 0; i < ITEMS; i++)
      if (rating_of(u, i) > 0) {
        users[n] = u;
        items[n] = i;
        times[n++] = 1000 * u + i;
      }
}
static void teardown(void) {
  recsys_store_close(store);
}

static void split(const char *text, uint32_t repeat, uint8_t *parts) {
  ck_ok(recsys_split(store, text, repeat, users, items, n, parts, &error));
}

static size_t count_parts(const uint8_t *parts, uint8_t part, int64_t user) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    count += parts[i] == part && (user < 0 || users[i] == user);
  return count;
}

START_TEST(random_shares) {
  static uint8_t a[USERS * ITEMS], b[USERS * ITEMS];
  split("random test=0.3", 0, a);
  for (int64_t u = 0; u < USERS; u++) {
    size_t train = count_parts(a, RECSYS_PART_TRAIN, u), test = count_parts(a, RECSYS_PART_TEST, u);
    size_t expected = (size_t)floor(0.3 * (double)(train + test) + 0.5);
    ck_assert_uint_eq(test, expected < train + test || !test ? expected : train + test - 1);
  }
  split("random test=0.3", 0, b);
  ck_assert_mem_eq(a, b, n);
  split("random test=0.3", 1, b);
  ck_assert_int_ne(memcmp(a, b, n), 0);
  split("random test=0.3 seed=2", 0, b);
  ck_assert_int_ne(memcmp(a, b, n), 0);
  split("random test=1", 0, b); /* one rating of each user stays */
  for (int64_t u = 0; u < USERS; u++)
    ck_assert_uint_le(count_parts(b, RECSYS_PART_TRAIN, u), 1);
}
END_TEST

START_TEST(leave_and_time) {
  static uint8_t parts[USERS * ITEMS];
  split("leave k=2 by=time", 0, parts);
  for (size_t i = 0; i < n; i++) /* times rise with the item's id here, so the last two of each user are tested */
    ck_assert_int_eq(parts[i] == RECSYS_PART_TEST, i + 2 >= n || users[i + 2] != users[i]);
  split("leave k=1", 0, parts);
  for (int64_t u = 0; u < USERS; u++)
    ck_assert_uint_eq(count_parts(parts, RECSYS_PART_TEST, u), 1);
  split("time test=0.25", 0, parts);
  int64_t latest_train = -1, first_test = INT64_MAX;
  for (size_t i = 0; i < n; i++) {
    if (parts[i] == RECSYS_PART_TEST)
      first_test = times[i] < first_test ? times[i] : first_test;
    else
      latest_train = times[i] > latest_train ? times[i] : latest_train;
  }
  ck_assert_int_gt(first_test, latest_train);
  ck_assert_uint_eq(count_parts(parts, RECSYS_PART_TEST, -1), (size_t)floor(0.25 * (double)n + 0.5));
  split("user-time test=0.5", 0, parts);
  for (size_t i = 1; i < n; i++)
    if (users[i] == users[i - 1])
      ck_assert(!(parts[i - 1] == RECSYS_PART_TEST && parts[i] == RECSYS_PART_TRAIN));
}
END_TEST

START_TEST(cold_parts) {
  static uint8_t parts[USERS * ITEMS];
  int seen[ITEMS] = {0};
  split("cold-items test=0.4", 0, parts);
  for (size_t i = 0; i < n; i++) {
    int part = 1 + parts[i];
    ck_assert(!seen[items[i]] || seen[items[i]] == part); /* all ratings of an item alike */
    seen[items[i]] = part;
  }
  int hidden = 0, rated = 0;
  for (int i = 0; i < ITEMS; i++) {
    hidden += seen[i] == 1 + RECSYS_PART_TEST;
    rated += seen[i] != 0;
  }
  ck_assert_int_eq(hidden, (int)floor(0.4 * rated + 0.5));
  split("cold-users test=0.5 history=3", 0, parts);
  size_t outside = 0;
  for (int64_t u = 0; u < USERS; u++) {
    size_t history = count_parts(parts, RECSYS_PART_HISTORY, u), test = count_parts(parts, RECSYS_PART_TEST, u);
    ck_assert(!(history || test) || !count_parts(parts, RECSYS_PART_TRAIN, u));
    ck_assert_uint_le(history, 3);
    outside += history > 0;
  }
  ck_assert_uint_eq(outside, USERS / 2);
}
END_TEST

START_TEST(split_faults) {
  uint8_t part;
  int64_t nobody = 9999;
  ck_fails(recsys_split(store, "halves", 0, users, items, 1, &part, &error), RECSYS_EINVAL, "halves");
  ck_fails(recsys_split(store, "random test=2", 0, users, items, 1, &part, &error), RECSYS_EINVAL, "test");
  ck_fails(recsys_split(store, "random k=2", 0, users, items, 1, &part, &error), RECSYS_EINVAL, "k");
  ck_fails(recsys_split(store, "random repeats=2", 2, users, items, 1, &part, &error), RECSYS_EINVAL, "repeat");
  ck_fails(recsys_split(store, "random", 0, &nobody, items, 1, &part, &error), RECSYS_ENOTFOUND, "9999");
  ck_fails(recsys_split(NULL, "random", 0, users, items, 1, &part, &error), RECSYS_EINVAL, "NULL");
}
END_TEST

/* A store of four items and three users, small enough to do everything by hand. Training: item 0 three times, item 1
 * twice, items 2 and 3 once each. Test: user 0 item 2 (5 stars), user 1 item 3 (5) and item 2 (1: not relevant),
 * user 2 item 1 (2 stars: not relevant). */
typedef struct small {
  int64_t users[11], items[11];
  uint8_t parts[11];
} small;

static recsys_store *open_small(small *s) {
  static const int64_t user[] = {0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3}, item[] = {0, 1, 2, 0, 1, 2, 3, 0, 1, 3, 2};
  static const float value[] = {4, 4, 5, 4, 4, 1, 5, 4, 2, 4, 3};
  static const uint8_t part[] = {0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0};
  recsys_store *tiny = open_store(":memory:");
  memcpy(s->users, user, sizeof user);
  memcpy(s->items, item, sizeof item);
  memcpy(s->parts, part, sizeof part);
  ck_ok(recsys_store_put_ratings(tiny, user, item, value, NULL, 11, NULL, &error));
  return tiny;
}

static recsys_metric metric_of(recsys_evaluation *e, uint32_t ranker, const char *name, const char *group) {
  recsys_metric m = {.struct_size = sizeof m};
  ck_ok(recsys_evaluation_get(e, ranker, name, group, &m, &error));
  return m;
}

START_TEST(by_hand) {
  small s;
  recsys_store *tiny = open_small(&s);
  recsys_evaluation *e = NULL;
  uint32_t k[2] = {1, 2};
  recsys_evaluate_options options = {.struct_size = sizeof options,
                                     .users = s.users,
                                     .items = s.items,
                                     .parts = s.parts,
                                     .n_ratings = 11,
                                     .repeats = 1,
                                     .k = k,
                                     .n_k = 2,
                                     .relevant_from = 4};
  ck_ok(recsys_evaluate(&e, tiny, "popular", &options, &error));
  /* Popularity in training: item 0 (3), 1 (2), then 2 and 3 (1 each, tie to the smaller id). User 0 has rated 0 and 1:
   * the list is 2, 3, hit at the first place. User 1: list 2, 3; relevant 3 at the second place. User 2 has nothing
   * relevant in the test part. */
  ck_assert_double_eq(metric_of(e, 0, "precision@1", NULL).mean, 0.5);
  ck_assert_double_eq(metric_of(e, 0, "hit@2", NULL).mean, 1);
  ck_assert_double_eq(metric_of(e, 0, "recall@1", "all").mean, 0.5);
  ck_assert_double_eq_tol(metric_of(e, 0, "ndcg@2", NULL).mean, (1 + 1 / log2(3)) / 2, 1e-12);
  ck_assert_double_eq(metric_of(e, 0, "mrr@2", NULL).mean, 0.75);
  /* Candidates of both: items 2 and 3, of equal score: a tie counts half. */
  ck_assert_double_eq(metric_of(e, 0, "auc", NULL).mean, 0.5);
  ck_assert_double_eq(metric_of(e, 0, "coverage@1", NULL).mean, 0.25); /* item 2 alone is listed first */
  ck_assert_double_eq(metric_of(e, 0, "novelty@2", NULL).mean, 2);     /* 1 of 4 users in training rated 2, and 3 */
  ck_assert_uint_eq(metric_of(e, 0, "ndcg@2", NULL).users, 2);
  ck_assert_uint_eq(metric_of(e, 0, "ndcg@2", NULL).unscored, 1);
  ck_assert_double_eq(metric_of(e, 0, "precision@1", "new-users").mean, 0.5);
  recsys_metric m = {.struct_size = sizeof m};
  ck_fails(recsys_evaluation_get(e, 0, "precision@3", NULL, &m, &error), RECSYS_ENOTFOUND, "precision@3");
  ck_fails(recsys_evaluation_get(e, 0, "rmse", NULL, &m, &error), RECSYS_ENOTFOUND, "rmse");
  ck_fails(recsys_evaluation_get(e, 1, "auc", NULL, &m, &error), RECSYS_EINVAL, "ranker");
  ck_fails(recsys_evaluation_get(e, 0, "auc", "others", &m, &error), RECSYS_ENOTFOUND, "others");
  recsys_evaluation_close(e);
  recsys_evaluation_close(NULL);
  recsys_store_close(tiny);
}
END_TEST

START_TEST(predicted_values) {
  small s;
  recsys_store *tiny = open_small(&s);
  recsys_evaluation *e = NULL;
  recsys_evaluate_options options = {.struct_size = sizeof options,
                                     .users = s.users,
                                     .items = s.items,
                                     .parts = s.parts,
                                     .n_ratings = 11,
                                     .repeats = 1};
  /* With penalties this large every prediction is the training mean, 27 / 7. */
  ck_ok(recsys_evaluate(&e, tiny, "svd factors=0 regularization=1e9 bias_regularization=1e9", &options, &error));
  double mean = (4.0 * 6 + 3) / 7, tested[4] = {5, 1, 5, 2}, squares = 0, absolutes = 0;
  for (int i = 0; i < 4; i++) {
    squares += (tested[i] - mean) * (tested[i] - mean) / 4;
    absolutes += fabs(tested[i] - mean) / 4;
  }
  ck_assert_double_eq_tol(metric_of(e, 0, "rmse", NULL).mean, sqrt(squares), 1e-6);
  ck_assert_double_eq_tol(metric_of(e, 0, "mae", NULL).mean, absolutes, 1e-6);
  recsys_evaluation_close(e);
  recsys_store_close(tiny);
}
END_TEST

START_TEST(comparisons) {
  recsys_evaluation *e = NULL, *again = NULL;
  recsys_evaluate_options options = {.struct_size = sizeof options, .split = "random repeats=3", .threads = 2};
  char text[60000], other[60000];
  const char *rankers = "popular; ease alpha=2 lambda=5;popular ;";
  ck_ok(recsys_evaluate(&e, store, rankers, &options, &error));
  recsys_metric a = metric_of(e, 0, "ndcg@10", NULL), b = metric_of(e, 1, "ndcg@10", NULL),
                c = metric_of(e, 2, "ndcg@10", NULL);
  ck_assert_double_eq(a.mean, c.mean); /* the same ranker twice */
  ck_assert_double_eq(a.p_value, c.p_value);
  ck_assert(a.low <= a.mean && a.mean <= a.high && a.deviation > 0 && a.users > 5);
  double best = fmax(a.mean, b.mean);
  ck_assert_double_eq_tol(a.difference, a.mean - best, 1e-15);
  ck_assert_double_eq_tol(b.difference, b.mean - best, 1e-15);
  ck_assert(a.p_value > 0 && a.p_value <= 1);
  recsys_metric m = {.struct_size = sizeof m};
  ck_fails(recsys_evaluation_get(e, 3, "ndcg@10", NULL, &m, &error), RECSYS_EINVAL, "3");
  ck_ok(recsys_evaluation_describe(e, text, sizeof text, NULL, &error));
  ck_assert_ptr_nonnull(strstr(text, "\"ranker\":\"ease alpha=2 lambda=5\""));
  options.threads = 1;
  ck_ok(recsys_evaluate(&again, store, rankers, &options, &error));
  ck_ok(recsys_evaluation_describe(again, other, sizeof other, NULL, &error));
  ck_assert_double_eq(metric_of(again, 1, "ndcg@10", NULL).low, b.low); /* whatever the number of threads */
  ck_assert_double_eq(metric_of(again, 1, "map@20", NULL).mean, metric_of(e, 1, "map@20", NULL).mean);
  recsys_evaluation_close(e);
  recsys_evaluation_close(again);
}
END_TEST

/* Hidden items only, and users outside the fit. */
START_TEST(new_items_and_users) {
  recsys_evaluation *e = NULL;
  recsys_evaluate_options options = {.struct_size = sizeof options,
                                     .split = "cold-items test=0.3 repeats=2",
                                     .candidates = RECSYS_CANDIDATES_HIDDEN,
                                     .relevant_from = 1};
  ck_ok(recsys_evaluate(&e, store, "content; popular; als factors=4", &options, &error));
  /* Everybody's relevant items are new, so both groups agree; coverage counts hidden items only. */
  ck_assert_double_eq(metric_of(e, 0, "ndcg@10", NULL).mean, metric_of(e, 0, "ndcg@10", "new-items").mean);
  ck_assert_double_le(metric_of(e, 0, "coverage@10", NULL).mean, 1);
  ck_assert_double_eq_tol(metric_of(e, 1, "auc", NULL).mean, 0.5, 1e-12); /* nobody rated any of them: all tie */
  recsys_evaluation_close(e);
  options = (recsys_evaluate_options){
      .struct_size = sizeof options, .split = "cold-users test=0.4 history=3 repeats=2", .relevant_from = 1};
  ck_ok(recsys_evaluate(&e, store, "ease alpha=2 lambda=5", &options, &error));
  ck_assert_double_eq(metric_of(e, 0, "ndcg@10", NULL).mean, metric_of(e, 0, "ndcg@10", "new-users").mean);
  recsys_evaluation_close(e);
}
END_TEST

static int stop(void *user, const char *phase, uint64_t done, uint64_t total) {
  (void)user;
  (void)phase;
  return done > 0 && total > 0;
}

START_TEST(faults) {
  recsys_evaluation *e = NULL;
  uint8_t bad[1] = {9};
  int64_t nobody = 9999;
  uint32_t falling[2] = {10, 5};
  recsys_evaluate_options options = {.struct_size = sizeof options, .progress = stop};
  ck_fails(recsys_evaluate(&e, store, "popular", &options, &error), RECSYS_ECANCELLED, "cancelled");
  ck_assert_ptr_null(e);
  ck_fails(recsys_evaluate(&e, store, "no-such", NULL, &error), RECSYS_EINVAL, "no-such");
  ck_fails(recsys_evaluate(&e, store, " ; ", NULL, &error), RECSYS_EINVAL, "rankers");
  ck_fails(recsys_evaluate(&e, store, NULL, NULL, &error), RECSYS_EINVAL, "rankers");
  ck_fails(recsys_evaluate(NULL, store, "popular", NULL, &error), RECSYS_EINVAL, "NULL");
  options = (recsys_evaluate_options){.struct_size = sizeof options, .k = falling, .n_k = 2};
  ck_fails(recsys_evaluate(&e, store, "popular", &options, &error), RECSYS_EINVAL, "k[1]");
  options = (recsys_evaluate_options){
      .struct_size = sizeof options, .users = users, .items = items, .parts = bad, .n_ratings = 1, .repeats = 1};
  ck_fails(recsys_evaluate(&e, store, "popular", &options, &error), RECSYS_EINVAL, "parts[0]");
  options.users = &nobody;
  ck_fails(recsys_evaluate(&e, store, "popular", &options, &error), RECSYS_ENOTFOUND, "9999");
  options.repeats = 0;
  ck_fails(recsys_evaluate(&e, store, "popular", &options, &error), RECSYS_EINVAL, "repeats");
  recsys_store *empty = open_store(":memory:");
  ck_ok(recsys_evaluate(&e, empty, "popular", NULL, &error));
  recsys_metric m = {.struct_size = sizeof m};
  ck_fails(recsys_evaluation_get(e, 0, "ndcg@10", NULL, &m, &error), RECSYS_ENOTFOUND, "not measured");
  recsys_evaluation_close(e);
  recsys_store_close(empty);
}
END_TEST

START_TEST(memory_failures) {
  recsys_evaluate_options options = {.struct_size = sizeof options, .split = "random repeats=1", .threads = 1};
  for (size_t at = 1;; at += at < 80 ? 1 : at / 10) {
    recsys_evaluation *e = NULL;
    recsys__fail_allocation(at, true);
    recsys_status status = recsys_evaluate(&e, store, "popular; item-knn", &options, &error);
    bool reached = recsys__fail_allocation(0, false) >= at;
    if (status) {
      ck_assert_int_eq(status, RECSYS_ENOMEM);
      ck_assert_ptr_null(e);
    }
    recsys_evaluation_close(e);
    if (!reached)
      break;
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("evaluate");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, random_shares);
  tcase_add_test(all, leave_and_time);
  tcase_add_test(all, cold_parts);
  tcase_add_test(all, split_faults);
  tcase_add_test(all, by_hand);
  tcase_add_test(all, predicted_values);
  tcase_add_test(all, comparisons);
  tcase_add_test(all, new_items_and_users);
  tcase_add_test(all, faults);
  tcase_add_test(all, memory_failures);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
