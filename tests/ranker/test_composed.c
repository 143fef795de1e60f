/* Rankers of rankers: blends, places for new items, sources, and refreshing. */
#include "catalogue.h"

static recsys_error error;
static recsys_store *store;

static void setup(void) {
  store = open_catalogue(":memory:");
}
static void teardown(void) {
  recsys_store_close(store);
}

/* All items' scores by an algorithm, for one user. */
static void scores_of(const char *algorithm, int64_t user, double *scores) {
  int64_t items[ITEMS];
  for (int64_t i = 0; i < ITEMS; i++)
    items[i] = i;
  recsys_ranker *ranker = open_ranker(store, algorithm);
  ck_ok(recsys_ranker_score(ranker, user, items, ITEMS, NULL, scores, &error));
  recsys_ranker_close(ranker);
}

static bool was_rated(int64_t item) {
  for (int64_t u = 0; u < USERS && item < ITEMS; u++)
    if (rating_of(u, item) > 0)
      return true;
  return false;
}

static void standardise(double *z) {
  double mean = 0, squares = 0;
  for (int i = 0; i < ITEMS; i++)
    mean += z[i] / ITEMS;
  for (int i = 0; i < ITEMS; i++)
    squares += (z[i] - mean) * (z[i] - mean) / ITEMS;
  for (int i = 0; i < ITEMS; i++)
    z[i] = (z[i] - mean) / sqrt(squares);
}

START_TEST(weighted_sum_of_z_scores) {
  double knn[ITEMS], popular[ITEMS], blend[ITEMS];
  for (int64_t user = 0; user < USERS; user++) {
    scores_of("item-knn neighbours=8", user, knn);
    scores_of("popular", user, popular);
    scores_of("blend parts=\"item-knn neighbours=8; popular\" weights=2,0.5", user, blend);
    standardise(knn);
    standardise(popular);
    for (int i = 0; i < ITEMS; i++)
      ck_assert_double_eq_tol(blend[i], 2 * knn[i] + 0.5 * popular[i], 1e-9);
  }
}
END_TEST

static size_t rank_of(const double *scores, int item) {
  size_t rank = 1;
  for (int i = 0; i < ITEMS; i++)
    rank += scores[i] > scores[item] || (scores[i] == scores[item] && i < item);
  return rank;
}

START_TEST(reciprocal_ranks) {
  double knn[ITEMS], popular[ITEMS], fused[ITEMS];
  scores_of("item-knn neighbours=60", 3, knn);
  scores_of("popular", 3, popular);
  scores_of("blend parts=\"item-knn neighbours=60; popular\" by=ranks", 3, fused);
  for (int i = 0; i < ITEMS; i++) {
    double expected = knn[i] != 0 ? 1 / (60.0 + (double)rank_of(knn, i)) : 0;
    expected += popular[i] != 0 ? 1 / (60.0 + (double)rank_of(popular, i)) : 0;
    ck_assert_double_eq_tol(fused[i], expected, 1e-12);
  }
}
END_TEST

/* A part that says nothing of use gets little weight: popular items of the wrong half. */
START_TEST(search_finds_the_better_part) {
  char text[4000];
  recsys_store *shop = open_store(":memory:");
  for (int64_t u = 0; u < 80; u++)
    for (int64_t i = 0; i < 8; i++) {
      int64_t item = (u % 4) * 10 + (i + u / 4) % 10;
      float value = 5;
      ck_ok(recsys_store_put_ratings(shop, &u, &item, &value, NULL, 1, NULL, &error));
    }
  recsys_ranker *ranker = open_ranker(shop, "blend parts=\"popular; item-knn\"");
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, NULL, &error));
  double popular = -1, knn = -1;
  ck_assert_int_eq(sscanf(strstr(text, "\"weights\":["), "\"weights\":[%lf", &popular), 1);
  ck_assert_int_eq(sscanf(strstr(strstr(text, "\"weights\":[") + 1, "\"weights\":["), "\"weights\":[%lf", &knn), 1);
  ck_assert_msg(knn > 0 && popular < knn, "popular %g, item-knn %g", popular, knn);
  recsys_ranker_close(ranker);
  recsys_store_close(shop);
}
END_TEST

START_TEST(bad_blends) {
  static const char *const created[] = {"blend", "blend by=ranks", "blend parts=ease by=votes"};
  static const struct {
    const char *algorithm, *words;
  } fitted[] = {{"blend parts=nonsense", "nonsense"},
                {"blend parts=\" ; \"", "no parts"},
                {"blend parts=auto", "auto"},
                {"blend parts=\"blend parts=ease\"", "blend"},
                {"blend parts=\"ease; popular\" weights=1", "2 parts"},
                {"blend parts=\"ease; popular\" weights=0,0", "not all 0"},
                {"blend parts=\"ease; popular\" weights=1,-1", "negative"}};
  recsys_ranker *ranker;
  for (size_t i = 0; i < sizeof created / sizeof *created; i++)
    ck_fails(recsys_ranker_create(&ranker, store, created[i], NULL, &error), RECSYS_EINVAL, "");
  for (size_t i = 0; i < sizeof fitted / sizeof *fitted; i++) {
    ck_ok(recsys_ranker_create(&ranker, store, fitted[i].algorithm, NULL, &error));
    ck_fails(recsys_ranker_fit(ranker, NULL, &error), RECSYS_EINVAL, fitted[i].words);
    recsys_ranker_close(ranker);
  }
}
END_TEST

/* -- both forms of content */

/* The same scores wherever the dual's pair products leave the pictures out. */
START_TEST(primal_equals_dual) {
  static const char *const weights[] = {
      "picture_weight=0", "pair_weight=0", "picture_weight=0 word_weight=3 labels=group",
      "label_weight=0 number_weight=0 word_weight=0 picture_weight=1 pair_weight=0 lambda=0.1"};
  double dual[ITEMS], primal[ITEMS];
  char algorithm[200];
  for (int64_t user = 0; user < USERS; user += 3) {
    snprintf(algorithm, sizeof algorithm, "content form=dual smoothing=0 %s", weights[_i]);
    scores_of(algorithm, user, dual);
    snprintf(algorithm, sizeof algorithm, "content form=primal %s", weights[_i]);
    scores_of(algorithm, user, primal);
    for (int i = 0; i < ITEMS; i++)
      ck_assert_double_eq_tol(dual[i], primal[i], 2e-6);
  }
}
END_TEST

/* -- new items and sources */

START_TEST(kept_places_go_to_new_items) {
  enum { K = 20 };
  uint8_t sources[K];
  int64_t user = 5, ids[K], content[ITEMS];
  double scores[K], content_scores[ITEMS];
  uint32_t count;
  recsys_ranker *ranker = open_ranker(store, "als factors=6 new_items=0.2"), *alone = open_ranker(store, "content");
  recsys_recommend_options options = {.struct_size = sizeof options, .sources = sources};
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, &options, ids, scores, &count, NULL, &error));
  ck_ok(recsys_ranker_recommend(alone, &user, 1, ITEMS, NULL, content, content_scores, &count, NULL, &error));
  size_t next = 0;
  for (int i = 0; i < K; i++) {
    bool kept = i % 5 == 4, is_new = !was_rated(ids[i]);
    ck_assert_int_eq(kept, is_new);
    ck_assert_uint_eq(sources[i], is_new ? RECSYS_SOURCE_FEATURES : RECSYS_SOURCE_RATINGS);
    if (!is_new)
      continue;
    while (was_rated(content[next]))
      next++;
    ck_assert_int_eq(ids[i], content[next]);
    ck_assert_double_eq_tol(scores[i], content_scores[next++], 1e-12);
  }
  recsys_ranker_close(ranker);
  recsys_ranker_close(alone);
}
END_TEST

START_TEST(sources) {
  uint8_t got[ITEMS];
  int64_t users[] = {5, 4000}, ids[ITEMS];
  double scores[ITEMS];
  uint32_t counts[2];
  recsys_recommend_options options = {.struct_size = sizeof options, .sources = got};
  recsys_ranker *ease = open_ranker(store, "ease");
  ck_ok(recsys_ranker_recommend(ease, users, 1, ITEMS, &options, ids, scores, counts, NULL, &error));
  for (uint32_t i = 0; i < counts[0]; i++)
    if (scores[i] != 0)
      ck_assert_uint_eq(got[i], was_rated(ids[i]) ? RECSYS_SOURCE_RATINGS : RECSYS_SOURCE_FEATURES);
  ck_assert_uint_eq(got[ITEMS - 1], RECSYS_SOURCE_NONE); /* the history is left out, so the list is shorter */
  ck_ok(recsys_ranker_recommend(ease, users + 1, 1, 5, &options, ids, scores, counts, NULL, &error));
  for (uint32_t i = 0; i < 5; i++)
    ck_assert_uint_eq(got[i], RECSYS_SOURCE_POPULAR);
  recsys_ranker_close(ease);
}
END_TEST

/* -- refreshing */

static void add_item(int64_t item) {
  const char *field = "group", *value = "G1", *title = "title", *name = "red chair";
  float row[DIM];
  row_of(1, 0, row, DIM);
  ck_ok(recsys_store_put_labels(store, &item, &field, &value, NULL, 1, &error));
  ck_ok(recsys_store_put_texts(store, &item, &title, &name, 1, &error));
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error));
}

/* An item that came after the fit is scored after a refresh, as a new fit would, while the others keep their scores. */
START_TEST(refresh_takes_in_new_items) {
  static const char *const algorithms[] = {"ease alpha=2 lambda=5", "content", "ease tau=0"};
  double before[ITEMS], after[ITEMS], score, fitted;
  int64_t items[ITEMS], added = ITEMS + 5;
  for (int64_t i = 0; i < ITEMS; i++)
    items[i] = i;
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  ck_ok(recsys_ranker_score(ranker, 5, items, ITEMS, NULL, before, &error));
  add_item(added);
  ck_ok(recsys_ranker_score(ranker, 5, &added, 1, NULL, &score, &error));
  ck_assert_double_eq(score, 0);
  ck_ok(recsys_ranker_refresh(ranker, NULL, &error));
  ck_ok(recsys_ranker_score(ranker, 5, items, ITEMS, NULL, after, &error));
  ck_ok(recsys_ranker_score(ranker, 5, &added, 1, NULL, &score, &error));
  ck_assert_double_ne(score, 0);
  for (int i = 0; i < ITEMS && strcmp(algorithms[_i], "content") != 0; i++)
    if (was_rated(i))
      ck_assert_double_eq_tol(before[i], after[i], 1e-6);
  recsys_ranker *anew = open_ranker(store, algorithms[_i]);
  ck_ok(recsys_ranker_score(anew, 5, &added, 1, NULL, &fitted, &error));
  ck_assert_double_eq_tol(score, fitted, 1e-6);
  recsys_ranker_close(anew);
  recsys_ranker_close(ranker);
}
END_TEST

/* What was learned from ratings stays, popularity is counted anew. */
START_TEST(refresh_keeps_what_was_learned) {
  static const char *const algorithms[] = {"als factors=6 new_items=0.2",
                                           "item-knn neighbours=8",
                                           "auto",
                                           "slim",
                                           "blend parts=\"item-knn neighbours=8; popular\" weights=1,0.2",
                                           "popular"};
  double before[ITEMS], after[ITEMS];
  int64_t items[ITEMS], user = 5, stranger = 4000, top;
  uint32_t count;
  double score;
  for (int64_t i = 0; i < ITEMS; i++)
    items[i] = i;
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  ck_ok(recsys_ranker_score(ranker, user, items, ITEMS, NULL, before, &error));
  for (int64_t u = 500; u < 600; u++) {
    int64_t item = 57;
    float value = 2;
    ck_ok(recsys_store_put_ratings(store, &u, &item, &value, NULL, 1, NULL, &error));
  }
  ck_ok(recsys_ranker_refresh(ranker, NULL, &error));
  ck_ok(recsys_ranker_score(ranker, user, items, ITEMS, NULL, after, &error));
  if (_i < 2 || _i == 3)
    ck_assert_mem_eq(before, after, sizeof before);
  ck_ok(recsys_ranker_recommend(ranker, &stranger, 1, 1, NULL, &top, &score, &count, NULL, &error));
  ck_assert_int_eq(top, 57);
  recsys_ranker_close(ranker);
}
END_TEST

static int cancel(void *user, const char *phase, uint64_t done, uint64_t total) {
  (void)user;
  (void)phase;
  (void)total;
  return done > 0;
}

START_TEST(refresh_refusals) {
  recsys_ranker *ranker;
  double before, after;
  int64_t item = 7;
  recsys_fit_options options = {.struct_size = sizeof options, .progress = cancel};
  ck_ok(recsys_ranker_create(&ranker, store, "ease", NULL, &error));
  ck_fails(recsys_ranker_refresh(ranker, NULL, &error), RECSYS_ENOTFITTED, "fit");
  ck_fails(recsys_ranker_refresh(NULL, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  ck_ok(recsys_ranker_score(ranker, 5, &item, 1, NULL, &before, &error));
  add_item(ITEMS + 1);
  ck_fails(recsys_ranker_refresh(ranker, &options, &error), RECSYS_ECANCELLED, "as it was");
  ck_ok(recsys_ranker_score(ranker, 5, &item, 1, NULL, &after, &error));
  ck_assert_double_eq(before, after);
  recsys_ranker_close(ranker);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("composed");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, weighted_sum_of_z_scores);
  tcase_add_test(all, reciprocal_ranks);
  tcase_add_test(all, search_finds_the_better_part);
  tcase_add_test(all, bad_blends);
  tcase_add_loop_test(all, primal_equals_dual, 0, 4);
  tcase_add_test(all, kept_places_go_to_new_items);
  tcase_add_test(all, sources);
  tcase_add_loop_test(all, refresh_takes_in_new_items, 0, 3);
  tcase_add_loop_test(all, refresh_keeps_what_was_learned, 0, 6);
  tcase_add_test(all, refresh_refusals);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
