/* Events as preferences, times in histories, what comes next in a session, and popularity that fades. */
#include "base/random.h"
#include "catalogue.h"

enum { DAY = 86400, NOW = 100 * DAY };
static recsys_error error;
static recsys_store *store;

static void setup(void) {
  store = open_store(":memory:");
}
static void teardown(void) {
  recsys_store_close(store);
}

static void put_event(int64_t user, int64_t item, const char *kind, int64_t time) {
  ck_ok(recsys_store_put_events(store, &user, &item, &kind, &time, 1, NULL, &error));
}

static void put_rating(int64_t user, int64_t item, float value, int64_t time) {
  ck_ok(recsys_store_put_ratings(store, &user, &item, &value, &time, 1, NULL, &error));
}

/* The preference of the only user who has anything to do with the item: the mean of all of them. */
static double preference_of(const char *algorithm, int64_t item) {
  double score;
  recsys_ranker *ranker = open_ranker(store, algorithm);
  ck_ok(recsys_ranker_score(ranker, 1, &item, 1, NULL, &score, &error));
  recsys_ranker_close(ranker);
  return score;
}

START_TEST(preferences) {
  put_event(1, 10, "view", NOW);
  put_event(1, 10, "view", NOW - 30 * DAY);
  put_event(1, 11, "purchase", NOW - 60 * DAY);
  put_event(1, 12, "wish", NOW - 15 * DAY);
  put_event(1, 13, "cart", NOW - 30 * DAY);
  put_rating(1, 13, 4, 5);
  const char *usual = "popular by=mean damping=0";
  ck_assert_double_eq_tol(preference_of(usual, 10), log(1 + 1 + 0.5), 1e-6);
  ck_assert_double_eq_tol(preference_of(usual, 11), log(1 + 5 * 0.25), 1e-6);
  ck_assert_double_eq_tol(preference_of(usual, 12), log(1 + sqrt(0.5)), 1e-6);
  ck_assert_double_eq_tol(preference_of(usual, 13), 4 + log(1 + 3 * 0.5), 1e-6);
  const char *own = "popular by=mean damping=0 half_life=15 events=view:2,purchase:0,wish:7 now=8640000";
  ck_assert_double_eq_tol(preference_of(own, 10), log(1 + 2 + 2 * 0.25), 1e-6);
  ck_assert_double_eq(preference_of(own, 11), 0);
  ck_assert_double_eq_tol(preference_of(own, 12), log(1 + 7 * 0.5), 1e-6);
  ck_assert_double_eq_tol(preference_of("popular by=mean damping=0 half_life=0", 10), log(1 + 2), 1e-6);
  ck_assert_double_eq_tol(preference_of("popular by=mean damping=0 now=17280000", 10),
                          log(1 + exp2(-100 / 30.0) + exp2(-130 / 30.0)), 1e-6);
}
END_TEST

START_TEST(bad_parameters) {
  static const char *const wrong[] = {"popular events=view",    "popular events=view:x", "popular events=:3",
                                      "popular events=view:-1", "popular half_life=-1",  "popular now=-5",
                                      "als new_items=2"};
  recsys_ranker *ranker;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    ck_fails(recsys_ranker_create(&ranker, store, wrong[i], NULL, &error), RECSYS_EINVAL, "=");
  ck_fails(recsys_ranker_create(&ranker, store, "popular nonsense=1", NULL, &error), RECSYS_EINVAL, "half_life");
}
END_TEST

/* Events are a history like ratings: what was viewed is not listed again, and what others viewed with it is. */
START_TEST(events_alone_make_lists) {
  for (int64_t u = 0; u < 20; u++)
    for (int64_t i = 0; i < 4; i++)
      put_event(u, (u % 2) * 10 + i, "view", NOW + u * 50 + i);
  put_event(30, 10, "view", NOW);
  put_event(30, 11, "view", NOW + 5);
  static const char *const algorithms[] = {"ease", "als factors=4", "item-knn", "rp3beta", "auto"};
  for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
    int64_t user = 30, ids[2];
    double scores[2];
    uint32_t count;
    recsys_ranker *ranker = open_ranker(store, algorithms[a]);
    ck_ok(recsys_ranker_recommend(ranker, &user, 1, 2, NULL, ids, scores, &count, NULL, &error));
    if (strcmp(algorithms[a], "auto") != 0) /* which is `popular` for so few */
      ck_assert_msg(ids[0] + ids[1] == 12 + 13, "%s: %d %d", algorithms[a], (int)ids[0], (int)ids[1]);
    ck_assert(ids[0] != 10 && ids[0] != 11);
    recsys_ranker_close(ranker);
  }
}
END_TEST

START_TEST(recent_items_count_more) {
  recsys_store *shop = open_catalogue(":memory:");
  const int64_t items[] = {2, 9, 2}, times[] = {NOW - 60 * DAY, NOW, NOW - 30 * DAY};
  recsys_ranker *ranker = open_ranker(shop, "item-knn neighbours=60");
  recsys_reason reasons[4];
  size_t count;
  double score;
  for (int64_t item = 20; item < 50; item++) {
    ck_ok(recsys_ranker_explain_from(ranker, items, NULL, times, 3, item, NULL, reasons, 4, &count, &score, &error));
    for (size_t r = 0; r < count; r++) /* ratings reach 5 in this catalogue */
      ck_assert_double_eq_tol(reasons[r].rating, reasons[r].item == 9 ? 5 : 5 * log2(1 + 0.5 + 0.25), 1e-5);
    if (count)
      break;
  }
  ck_assert_uint_gt(count, 0);
  recsys_ranker_close(ranker);
  recsys_store_close(shop);
}
END_TEST

START_TEST(popularity_fades) {
  for (int64_t u = 0; u < 10; u++)
    put_rating(u, 1, 3, NOW - 300 * DAY);
  for (int64_t u = 0; u < 3; u++)
    put_rating(u, 2, 3, NOW - u * DAY);
  int64_t user = 99, ids[2];
  double scores[2];
  uint32_t count;
  recsys_ranker *all = open_ranker(store, "popular"), *recent = open_ranker(store, "popular decay=1");
  ck_ok(recsys_ranker_recommend(all, &user, 1, 2, NULL, ids, scores, &count, NULL, &error));
  ck_assert(ids[0] == 1 && scores[0] == 10);
  ck_ok(recsys_ranker_recommend(recent, &user, 1, 2, NULL, ids, scores, &count, NULL, &error));
  ck_assert_int_eq(ids[0], 2);
  ck_assert_double_eq_tol(scores[0], 1 + 0.5 + 0.25, 1e-12);
  recsys_ranker_close(all);
  recsys_ranker_close(recent);
}
END_TEST

/* -- next */

enum { STATES = 6, WALKERS = 40, STEPS = 600 };

/* Each state leads to a few others with known probabilities. */
static double chain(int64_t from, int64_t to) {
  static const double steps[] = {0.5, 0.3, 0.2};
  int64_t distance = (to - from + STATES) % STATES - 1;
  return distance >= 0 && distance < 3 ? steps[distance] : 0;
}

static int64_t step_from(int64_t state, recsys__random *random) {
  double x = (double)recsys__random_below(random, 1000000) / 1e6;
  for (int64_t to = 0; to < STATES; to++)
    if ((x -= chain(state, to)) < 0)
      return to;
  return (state + 1) % STATES;
}

static void put_walks(void) {
  static int64_t users[WALKERS * STEPS], items[WALKERS * STEPS], times[WALKERS * STEPS];
  static const char *kinds[WALKERS * STEPS];
  recsys__random random;
  size_t n = 0;
  recsys__random_seed(&random, 7, 0);
  for (int64_t u = 0; u < WALKERS; u++) {
    int64_t state = u % STATES, time = NOW;
    for (int i = 0; i < STEPS; i++, n++) {
      users[n] = u;
      items[n] = state;
      kinds[n] = "view";
      times[n] = time += i % 50 ? 60 : 2 * 3600; /* a new session: what led to it does not count */
      state = i % 50 == 49 ? (state + 3) % STATES : step_from(state, &random);
      if (i % 50 == 49)
        state = (state + 1) % STATES;
    }
  }
  ck_ok(recsys_store_put_events(store, users, items, kinds, times, n, NULL, &error));
}

START_TEST(next_knows_the_chain) {
  put_walks();
  recsys_ranker *ranker = open_ranker(store, "next half_life=0");
  recsys_filter all = {.struct_size = sizeof all, .flags = RECSYS_FILTER_RATED};
  recsys_recommend_options options = {.struct_size = sizeof options, .filter = &all};
  for (int64_t from = 0; from < STATES; from++) {
    const uint64_t offsets[] = {0, 3};
    const int64_t session[] = {(from + 4) % STATES, (from + 2) % STATES, from};
    int64_t ids[STATES];
    double scores[STATES], sum = 0;
    uint32_t count;
    ck_ok(recsys_ranker_recommend_from(ranker, offsets, session, NULL, NULL, 1, 3, &options, ids, scores, &count, NULL,
                                       &error));
    ck_assert_uint_eq(count, 3);
    for (int i = 0; i < 3; i++) {
      ck_assert_double_eq_tol(scores[i], chain(from, ids[i]), 0.025);
      sum += scores[i];
    }
    ck_assert_double_eq_tol(sum, 1, 1e-6);
  }
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(next_obeys_gap_and_seconds) {
  put_event(1, 1, "view", NOW);
  put_event(1, 2, "view", NOW); /* the same second: no order between them */
  put_event(1, 3, "view", NOW + 60);
  put_event(1, 4, "view", NOW + 60 + 31 * 60);
  recsys_ranker *ranker = open_ranker(store, "next half_life=0"), *longer = open_ranker(store, "next gap=32");
  const int64_t items[] = {1, 2, 3, 4};
  const uint64_t offsets[] = {0, 1, 2};
  int64_t ids[2 * 4];
  double scores[2 * 4];
  uint32_t counts[2];
  recsys_status notes[2];
  const int64_t sessions[] = {1, 3};
  ck_ok(recsys_ranker_recommend_from(ranker, offsets, sessions, NULL, NULL, 2, 4, NULL, ids, scores, counts, notes,
                                     &error));
  ck_assert(ids[0] == 3 && scores[0] == 1 && scores[1] == 0);
  ck_assert_int_eq(notes[1], RECSYS_NOTE_FALLBACK_POPULAR);
  ck_ok(recsys_ranker_recommend_from(longer, offsets, sessions, NULL, NULL, 2, 4, NULL, ids, scores, counts, notes,
                                     &error));
  ck_assert(ids[4] == items[3] && scores[4] == 1);
  recsys_ranker_close(ranker);
  recsys_ranker_close(longer);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("preferences");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, preferences);
  tcase_add_test(all, bad_parameters);
  tcase_add_test(all, events_alone_make_lists);
  tcase_add_test(all, recent_items_count_more);
  tcase_add_test(all, popularity_fades);
  tcase_add_test(all, next_knows_the_chain);
  tcase_add_test(all, next_obeys_gap_and_seconds);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
