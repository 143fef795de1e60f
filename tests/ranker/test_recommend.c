/* What holds for every algorithm: fold-in, filters, honest counts, notes, reasons, bad input, closing order. */
#include "catalogue.h"

static const char *const algorithms[] = {
    "auto",
    "visual neighbours=8",
    "category field=group",
    "popular",
    "popular by=mean",
    "ease alpha=2 lambda=5",
    "ease values=binary alpha=0 theta=1 lambda=5 new=none",
    "content",
    "slim l1=0.1 l2=0.5",
    "item-knn neighbours=8",
    "user-knn neighbours=6",
    "rp3beta",
    "als factors=6 regularization=1",
    "als factors=6 regularization=1 solver=cholesky",
    "pure-svd factors=5",
    "svd factors=3",
    "svd factors=3 solver=sgd",
    "bpr factors=6 iterations=5",
    "vbpr factors=6 iterations=5",
    "next",
    "content form=primal",
    "blend parts=\"ease alpha=2 lambda=5; item-knn neighbours=8; popular\" weights=1,0.5,0.1",
    "blend parts=\"ease; als factors=6\" k=5",
    "blend parts=\"ease; visual neighbours=8\" by=ranks",
};
enum { COUNT = sizeof algorithms / sizeof *algorithms, K = 10 };

static recsys_error error;
static recsys_store *store;

static void setup(void) {
  store = open_catalogue(":memory:");
}
static void teardown(void) {
  recsys_store_close(store);
}

static bool is_user_knn(int algorithm) {
  return !strncmp(algorithms[algorithm], "user-knn", 8);
}

START_TEST(stored_and_passed_histories_agree) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  for (int64_t user = 0; user < USERS && !is_user_knn(_i); user += 7) {
    int64_t items[ITEMS], a[K], b[K];
    float ratings[ITEMS];
    double x[K], y[K];
    uint32_t count, again;
    uint64_t offsets[2] = {0, history_of(user, items, ratings)};
    ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, a, x, &count, NULL, &error));
    ck_ok(recsys_ranker_recommend_from(ranker, offsets, items, ratings, NULL, 1, K, NULL, b, y, &again, NULL, &error));
    ck_assert_uint_eq(count, again);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_mem_eq(x, y, sizeof x);
  }
  recsys_ranker_close(ranker);
}
END_TEST

/* Where the times are equal, order and repetitions do not matter; of two ratings of one item the last one counts. */
START_TEST(histories_in_any_order) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  int64_t items[3] = {4, 9, 2}, twice[4] = {9, 2, 9, 4}, a[K], b[K];
  float ratings[3] = {4, 5, 3}, more[4] = {1, 3, 5, 4};
  double x[K], y[K];
  uint32_t count;
  uint64_t three[2] = {0, 3}, four[2] = {0, 4};
  int64_t times[4] = {0};
  ck_ok(recsys_ranker_recommend_from(ranker, three, items, ratings, times, 1, K, NULL, a, x, &count, NULL, &error));
  ck_ok(recsys_ranker_recommend_from(ranker, four, twice, more, times, 1, K, NULL, b, y, &count, NULL, &error));
  ck_assert_mem_eq(a, b, sizeof a);
  ck_assert_mem_eq(x, y, sizeof x);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(lists_are_lists) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  int64_t users[USERS], ids[USERS * 80];
  double scores[USERS * 80];
  uint32_t counts[USERS];
  recsys_status notes[USERS];
  for (int64_t u = 0; u < USERS; u++)
    users[u] = u;
  for (size_t k = 1; k <= 80; k = k * 3 + 1) {
    ck_ok(recsys_ranker_recommend(ranker, users, USERS, k, NULL, ids, scores, counts, notes, &error));
    for (int64_t u = 0; u < USERS; u++) {
      int64_t items[ITEMS];
      float ratings[ITEMS];
      size_t possible = ITEMS - history_of(u, items, ratings);
      ck_assert_uint_eq(counts[u], possible < k ? possible : k); /* exactly k, or all that there are */
      if (possible < k)
        ck_assert_int_ne(notes[u], RECSYS_OK);
      for (size_t i = 0; i < k; i++) {
        int64_t id = ids[(size_t)u * k + i];
        if (i >= counts[u]) {
          ck_assert_int_eq(id, -1);
          ck_assert_double_eq(scores[(size_t)u * k + i], 0);
          continue;
        }
        ck_assert(id >= 0 && id < ITEMS && rating_of(u, id) == 0); /* what was rated is left out */
        for (size_t j = 0; j < i; j++)
          ck_assert_int_ne(ids[(size_t)u * k + j], id);
        ck_assert(isfinite(scores[(size_t)u * k + i]));
      }
    }
  }
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(rated_items_may_return) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_RATED};
  recsys_recommend_options options = {.struct_size = sizeof options, .filter = &filter};
  int64_t user = 3, ids[ITEMS];
  double scores[ITEMS];
  uint32_t count;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, &options, ids, scores, &count, NULL, &error));
  ck_assert_uint_eq(count, ITEMS);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(filters) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  const char *g2[] = {"G2"};
  recsys_clause clauses[2] = {{.field = "group", .values = g2, .op = RECSYS_CLAUSE_ANY, .n_values = 1},
                              {.field = "price", .op = RECSYS_CLAUSE_RANGE, .min = 2, .max = 9}};
  int64_t deny[1] = {6}, user = 5, ids[ITEMS];
  recsys_filter filter = {.struct_size = sizeof filter, .clauses = clauses, .n_clauses = 2, .deny = deny, .n_deny = 1};
  recsys_recommend_options options = {.struct_size = sizeof options, .filter = &filter};
  double scores[ITEMS];
  uint32_t count, expected = 0;
  for (int64_t i = 0; i < ITEMS; i++)
    expected +=
        (i % 4 == 2 || i / 4 % 4 == 2) && i % 9 && i % 13 >= 2 && i % 13 <= 9 && i != 6 && rating_of(user, i) == 0;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, &options, ids, scores, &count, NULL, &error));
  ck_assert_uint_eq(count, expected);
  for (uint32_t i = 0; i < count; i++)
    ck_assert((ids[i] % 4 == 2 || ids[i] / 4 % 4 == 2) && ids[i] != 6);
  filter = (recsys_filter){.struct_size = sizeof filter, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = 0.5};
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, 5, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "similarity");
  recsys_ranker_close(ranker);
}
END_TEST

/* Reasons sum to the score, and the score is the list's. */
START_TEST(reasons_sum_to_scores) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  for (int64_t user = 1; user < USERS; user += 9) {
    int64_t ids[K];
    double scores[K], single[K], score;
    uint32_t count;
    recsys_reason reasons[ITEMS + 1];
    size_t n;
    ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, ids, scores, &count, NULL, &error));
    ck_ok(recsys_ranker_score(ranker, user, ids, count, NULL, single, &error));
    for (uint32_t i = 0; i < count; i++) {
      double sum = 0;
      ck_assert_double_eq(single[i], scores[i]);
      ck_ok(recsys_ranker_explain(ranker, user, ids[i], NULL, reasons, ITEMS + 1, &n, &score, &error));
      ck_assert_uint_le(n, ITEMS + 1);
      ck_assert_double_eq_tol(score, scores[i], 1e-5 * fabs(scores[i]) + 1e-9);
      for (size_t r = 0; r < n; r++) {
        sum += reasons[r].contribution;
        ck_assert(r == 0 || reasons[r].contribution <= reasons[r - 1].contribution);
        if (reasons[r].kind == RECSYS_REASON_ITEM)
          ck_assert_float_eq((float)reasons[r].rating, rating_of(user, reasons[r].item));
        else
          ck_assert_int_eq(reasons[r].item, -1);
      }
      if (n) /* user-knn has people for reasons, not items */
        ck_assert_double_eq_tol(sum, scores[i], 1e-5 * fabs(scores[i]) + 1e-6);
    }
  }
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(nothing_personal) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]), *popular = open_ranker(store, "popular");
  int64_t users[2] = {12345, -7}, ids[2 * K], expected[K], none = 0;
  double scores[2 * K], x[K];
  uint32_t counts[2], count;
  recsys_status notes[2];
  uint64_t offsets[2] = {0, 0};
  ck_ok(recsys_ranker_recommend(popular, users, 1, K, NULL, expected, x, &count, NULL, &error));
  ck_ok(recsys_ranker_recommend(ranker, users, 2, K, NULL, ids, scores, counts, notes, &error));
  if (strncmp(algorithms[_i], "popular", 7)) {
    for (int list = 0; list < 2; list++) {
      ck_assert_uint_eq(counts[list], K);
      ck_assert_mem_eq(ids + list * K, expected, sizeof expected);
      ck_assert_int_eq(notes[list], RECSYS_NOTE_FALLBACK_POPULAR);
    }
    ck_ok(recsys_ranker_recommend_from(ranker, offsets, &none, NULL, NULL, 1, K, NULL, ids, scores, counts, notes,
                                       &error));
    ck_assert_mem_eq(ids, expected, sizeof expected);
    ck_assert_int_eq(notes[0], RECSYS_NOTE_FALLBACK_POPULAR);
  }
  recsys_ranker_close(ranker);
  recsys_ranker_close(popular);
}
END_TEST

/* Ratings of one value, a single rating, everything rated, items that nobody knows. */
START_TEST(odd_histories) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  int64_t all[ITEMS], ids[K], strange[2] = {5, 987654321};
  float same[ITEMS];
  double scores[K];
  uint32_t count;
  recsys_status note;
  for (int64_t i = 0; i < ITEMS; i++) {
    all[i] = i;
    same[i] = 3;
  }
  uint64_t one[2] = {0, 1}, two[2] = {0, 2}, most[2] = {0, 20}, every[2] = {0, ITEMS};
  ck_ok(recsys_ranker_recommend_from(ranker, one, all, same, NULL, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_eq(count, K);
  ck_ok(recsys_ranker_recommend_from(ranker, one, all, NULL, NULL, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_eq(count, K);
  ck_ok(recsys_ranker_recommend_from(ranker, most, all, same, NULL, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_eq(count, K);
  ck_ok(recsys_ranker_recommend_from(ranker, every, all, same, NULL, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_eq(count, 0);
  ck_assert_int_eq(note, RECSYS_NOTE_SHORT);
  ck_ok(recsys_ranker_recommend_from(ranker, two, strange, same, NULL, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_eq(count, K);
  same[0] = NAN;
  ck_fails(recsys_ranker_recommend_from(ranker, one, all, same, NULL, 1, K, NULL, ids, scores, &count, &note, &error),
           RECSYS_EINVAL, "entry 0");
  ck_assert_uint_eq(count, 0);
  all[0] = -1;
  ck_fails(recsys_ranker_recommend_from(ranker, one, all, NULL, NULL, 1, K, NULL, ids, scores, &count, &note, &error),
           RECSYS_EINVAL, "entry 0");
  recsys_ranker_close(ranker);
}
END_TEST

/* An item removed since fitting is not listed; a new rating counts at once; fitting again takes in everything. */
START_TEST(news_since_fitting) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  int64_t user = 2, before[K], after[K];
  double scores[K];
  uint32_t count;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, before, scores, &count, NULL, &error));
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, before, 1, &error));
  float five = 5;
  ck_ok(recsys_store_put_ratings(store, &user, before + 1, &five, NULL, 1, NULL, &error));
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, after, scores, &count, NULL, &error));
  ck_assert_uint_eq(count, K);
  for (int i = 0; i < K; i++)
    ck_assert(after[i] != before[0] && after[i] != before[1]);
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, after, scores, &count, NULL, &error));
  for (int i = 0; i < K; i++)
    ck_assert(after[i] != before[0] && after[i] != before[1]);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(closing_in_any_order) {
  recsys_store *other = open_catalogue(":memory:");
  recsys_ranker *ranker = open_ranker(other, algorithms[_i]);
  int64_t user = 4, a[K], b[K];
  double x[K], y[K];
  uint32_t count;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, a, x, &count, NULL, &error));
  recsys_store_close(other);
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, b, y, &count, NULL, &error));
  ck_assert_mem_eq(a, b, sizeof a);
  ck_ok(recsys_ranker_fit(ranker, NULL, &error)); /* to what the store was when it was closed */
  recsys_ranker_close(ranker);
  recsys_ranker_close(NULL);
}
END_TEST

/* The same list with any number of threads, and from run to run. */
START_TEST(threads_change_nothing) {
  int64_t users[USERS], ids[3][USERS * K];
  double scores[3][USERS * K];
  uint32_t counts[USERS];
  for (int64_t u = 0; u < USERS; u++)
    users[u] = u;
  for (int run = 0; run < 3; run++) {
    recsys_ranker *ranker = NULL;
    recsys_ranker_options options = {.struct_size = sizeof options, .threads = (uint32_t)(1 + 2 * run)};
    ck_ok(recsys_ranker_create(&ranker, store, algorithms[_i], &options, &error));
    ck_ok(recsys_ranker_fit(ranker, NULL, &error));
    ck_ok(recsys_ranker_recommend(ranker, users, USERS, K, NULL, ids[run], scores[run], counts, NULL, &error));
    recsys_ranker_close(ranker);
    ck_assert_mem_eq(ids[run], ids[0], sizeof ids[0]);
    ck_assert_mem_eq(scores[run], scores[0], sizeof scores[0]);
  }
}
END_TEST

static int stop(void *user, const char *phase, uint64_t done, uint64_t total) {
  (void)phase;
  ck_assert_uint_le(done, total);
  return --*(int *)user < 0;
}

START_TEST(cancelled_fits_change_nothing) {
  recsys_ranker *ranker = NULL;
  int64_t user = 1, a[K], b[K];
  double x[K];
  uint32_t count;
  int left = 0;
  recsys_fit_options options = {.struct_size = sizeof options, .progress = stop, .progress_user = &left};
  ck_ok(recsys_ranker_create(&ranker, store, algorithms[_i], NULL, &error));
  ck_fails(recsys_ranker_fit(ranker, &options, &error), RECSYS_ECANCELLED, "cancelled");
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, K, NULL, a, x, &count, NULL, &error), RECSYS_ENOTFITTED, "fit");
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, a, x, &count, NULL, &error));
  left = 1;
  ck_fails(recsys_ranker_fit(ranker, &options, &error), RECSYS_ECANCELLED, "cancelled");
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, b, x, &count, NULL, &error));
  ck_assert_mem_eq(a, b, sizeof a);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(empty_store) {
  recsys_store *empty = open_store(":memory:");
  recsys_ranker *ranker = NULL;
  int64_t user = 1, ids[K];
  double scores[K];
  uint32_t count;
  recsys_status note;
  ck_ok(recsys_ranker_create(&ranker, empty, algorithms[_i], NULL, &error));
  recsys_status status = recsys_ranker_fit(ranker, NULL, &error);
  if (strncmp(algorithms[_i], "vbpr", 4)) { /* which cannot do without pictures, and says so */
    ck_assert_msg(status == RECSYS_OK, "%s", error.message);
    ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, ids, scores, &count, &note, &error));
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(note, RECSYS_NOTE_SHORT);
  } else {
    ck_assert_int_eq(status, RECSYS_ENOTFOUND);
  }
  recsys_ranker_close(ranker);
  recsys_store_close(empty);
}
END_TEST

START_TEST(described) {
  char text[2000], name[40];
  size_t length;
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, &length, &error));
  ck_assert_uint_eq(length, strlen(text));
  snprintf(name, sizeof name, "\"algorithm\":\"%.*s\"", (int)strcspn(algorithms[_i], " "), algorithms[_i]);
  ck_assert_msg(strstr(text, name) && strstr(text, "\"fitted\":true"), "%s", text);
  recsys_ranker_close(ranker);
}
END_TEST

static double cosine_of(int64_t a, int64_t b) {
  double best = -1;
  for (int p = 0; p <= (a % 7 == 0); p++)
    for (int q = 0; q <= (b % 7 == 0); q++) {
      float x[DIM], y[DIM];
      double dot = 0, aa = 0, bb = 0;
      row_of(a, p, x, DIM);
      row_of(b, q, y, DIM);
      for (int d = 0; d < DIM; d++) {
        dot += (double)x[d] * (double)y[d];
        aa += (double)x[d] * (double)x[d];
        bb += (double)y[d] * (double)y[d];
      }
      best = fmax(best, dot / sqrt(aa * bb));
    }
  return has_picture(a) && has_picture(b) ? best : 0;
}

/* The rule stated anew over the whole list, which is shorter than what the library chooses from. */
START_TEST(maximal_marginal_relevance) {
  enum { FEW = 6 };
  recsys_ranker *ranker = open_ranker(store, "popular by=mean");
  recsys_recommend_options options = {.struct_size = sizeof options, .diversity = 0.6};
  int64_t user = 3, all[ITEMS], ids[FEW], chosen[FEW];
  double scores[ITEMS], got[FEW];
  uint32_t n, count;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, NULL, all, scores, &n, NULL, &error));
  while (n && scores[n - 1] == 0)
    n--; /* those that fill up are no candidates */
  for (int place = 0; place < FEW; place++) {
    double most = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
      double nearest = place ? -1 : 0, value = 1 - (scores[0] - scores[i]) / (scores[0] - scores[n - 1]);
      bool taken = false;
      for (int s = 0; s < place; s++) {
        nearest = fmax(nearest, cosine_of(all[i], chosen[s]));
        taken |= chosen[s] == all[i];
      }
      if (!taken && 0.4 * value - 0.6 * nearest > most) {
        most = 0.4 * value - 0.6 * nearest;
        chosen[place] = all[i];
      }
    }
  }
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, FEW, &options, ids, got, &count, NULL, &error));
  ck_assert_uint_eq(count, FEW);
  ck_assert_mem_eq(ids, chosen, sizeof ids);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(labels_and_twins_are_limited) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  int64_t user = 5, twin = 900, ids[ITEMS];
  double scores[ITEMS];
  uint32_t count;
  float row[DIM];
  recsys_recommend_options options = {.struct_size = sizeof options, .label_field = "group", .max_per_label = 2};
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, &options, ids, scores, &count, NULL, &error));
  int groups[4] = {0};
  ck_assert_uint_ge(count, 3);
  for (uint32_t i = 0; i < count; i++) {
    groups[ids[i] % 4]++;
    if (ids[i] / 4 % 4 != ids[i] % 4)
      groups[ids[i] / 4 % 4]++;
  }
  for (int g = 0; g < 4; g++)
    ck_assert_int_le(groups[g], 2);
  /* An item with the picture of another one: only one of them is listed. */
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, NULL, ids, scores, &count, NULL, &error));
  int64_t original = ids[0];
  for (uint32_t i = 0; i < count && !has_picture(original); i++)
    original = ids[i];
  row_of(original, 0, row, DIM);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, &twin, NULL, row, 1, &error));
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  options = (recsys_recommend_options){.struct_size = sizeof options, .flags = RECSYS_RECOMMEND_UNIQUE};
  int seen = 0;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, ITEMS, &options, ids, scores, &count, NULL, &error));
  for (uint32_t i = 0; i < count; i++)
    seen += ids[i] == original || ids[i] == twin;
  ck_assert_int_eq(seen, 1);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(impossible_options) {
  recsys_ranker *ranker = open_ranker(store, "popular");
  int64_t user = 1, ids[K];
  double scores[K];
  uint32_t count;
  recsys_recommend_options options = {.struct_size = sizeof options, .diversity = 1.5};
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, K, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "diversity");
  options.diversity = NAN;
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, K, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "diversity");
  options = (recsys_recommend_options){.struct_size = sizeof options, .max_per_label = 1};
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, K, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "label_field");
  options = (recsys_recommend_options){.struct_size = sizeof options, .flags = 8};
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, K, &options, ids, scores, &count, NULL, &error),
           RECSYS_EUNSUPPORTED, "flags");
  recsys_ranker_close(ranker);
}
END_TEST

/* What does not fit the limit is refused before it is asked for, and says what to do. */
START_TEST(memory_limit) {
  static const char *const large[] = {"ease", "content", "slim"};
  char text[1000];
  recsys_fit_options options = {.struct_size = sizeof options, .memory_limit = 20000};
  for (int i = 0; i < 3; i++) {
    recsys_ranker *ranker = NULL;
    ck_ok(recsys_ranker_create(&ranker, store, large[i], NULL, &error));
    ck_fails(recsys_ranker_fit(ranker, &options, &error), RECSYS_ENOMEM, "use als");
    ck_ok(recsys_ranker_fit(ranker, NULL, &error));
    recsys_ranker_close(ranker);
  }
  /* auto: the catalogue has few ratings; with more, what the memory allows. */
  recsys_ranker *ranker = open_ranker(store, "auto");
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"chosen\":{\"algorithm\":\"content\""), "%s", text);
  for (int64_t user = 100; user < 130; user++) {
    int64_t users[40], items[40];
    float values[40];
    for (int64_t i = 0; i < 40; i++) {
      users[i] = user;
      items[i] = (user + i) % ITEMS;
      values[i] = (float)(1 + (user * i) % 5);
    }
    ck_ok(recsys_store_put_ratings(store, users, items, values, NULL, 40, NULL, &error));
  }
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"algorithm\":\"ease\""), "%s", text);
  ck_ok(recsys_ranker_fit(ranker, &options, &error));
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"algorithm\":\"als\""), "%s", text);
  recsys_ranker_close(ranker);
}
END_TEST

/* A new shop: pictures, nobody has rated anything, and a guest who looked at something has come. */
START_TEST(auto_without_ratings_goes_by_looks) {
  static const float rows[5][2] = {{1, 0}, {0, 1}, {0.9F, 0.1F}, {0.1F, 0.9F}, {0.5F, 0.5F}};
  const int64_t ids[5] = {1, 2, 3, 4, 5}, user = 9, time = 1700000000;
  const char *view = "view";
  recsys_store *fresh = NULL;
  ck_ok(recsys_store_open(&fresh, ":memory:", NULL, &error));
  ck_ok(recsys_store_put_embeddings(fresh, "by hand", 2, ids, NULL, rows[0], 5, &error));
  char text[1000];
  recsys_ranker *ranker = open_ranker(fresh, "auto");
  ck_ok(recsys_ranker_describe(ranker, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"algorithm\":\"visual\""), "%s", text);
  ck_ok(recsys_store_put_events(fresh, &user, ids, &view, &time, 1, NULL, &error));
  int64_t list[2];
  double scores[2];
  uint32_t count;
  recsys_status note;
  recsys_reason reason;
  size_t reasons;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, 2, NULL, list, scores, &count, &note, &error));
  ck_assert_int_eq(note, RECSYS_OK);
  ck_assert(list[0] == 3 && list[1] == 5);
  ck_ok(recsys_ranker_explain(ranker, user, 3, NULL, &reason, 1, &reasons, NULL, &error));
  ck_assert(reasons == 1 && reason.item == 1);
  recsys_ranker_close(ranker);
  recsys_store_close(fresh);
}
END_TEST

START_TEST(bad_parameters) {
  static const struct {
    const char *algorithm, *words;
  } bad[] = {
      {"no-such", "there are auto, ease"},
      {"", "name"},
      {"ease lambda=0", "lambda"},
      {"ease lambda=x", "lambda"},
      {"ease lamda=1", "lambda"},
      {"visual neighbours=0", "neighbours"},
      {"visual metric=manhattan", "cosine"},
      {"category", "field"},
      {"popular by=name", "count"},
      {"als factors=1.5", "factors"},
      {"popular by=count by=mean", "by"},
      {"visual rating_threshold=much", "rating_threshold"},
      {"item-knn neighbours=nan", "neighbours"},
      {"svd regularization=-1", "regularization"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    recsys_ranker *ranker = NULL;
    ck_fails(recsys_ranker_create(&ranker, store, bad[i].algorithm, NULL, &error), RECSYS_EINVAL, bad[i].words);
    ck_assert_ptr_null(ranker);
  }
}
END_TEST

START_TEST(null_everywhere) {
  recsys_ranker *ranker = NULL, *fitted = open_ranker(store, "popular");
  int64_t user = 1, ids[K];
  double scores[K];
  uint32_t count, two[2];
  size_t n;
  uint64_t wrong[2] = {1, 2}, falling[3] = {0, 2, 1};
  ck_fails(recsys_ranker_create(NULL, store, "popular", NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_ranker_create(&ranker, NULL, "popular", NULL, &error), RECSYS_EINVAL, "store");
  ck_ok(recsys_ranker_create(&ranker, store, NULL, NULL, &error)); /* auto */
  recsys_ranker_close(ranker);
  ck_fails(recsys_ranker_fit(NULL, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_ranker_recommend(NULL, &user, 1, K, NULL, ids, scores, &count, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_ranker_recommend(fitted, NULL, 1, K, NULL, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "users");
  ck_fails(recsys_ranker_recommend(fitted, &user, 1, K, NULL, NULL, scores, &count, NULL, &error), RECSYS_EINVAL,
           "ids");
  ck_fails(recsys_ranker_recommend(fitted, &user, 1, K, NULL, ids, scores, NULL, NULL, &error), RECSYS_EINVAL,
           "counts");
  ck_fails(recsys_ranker_recommend(fitted, &user, 1, SIZE_MAX, NULL, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "k");
  ck_fails(recsys_ranker_recommend_from(fitted, NULL, ids, NULL, NULL, 1, K, NULL, ids, scores, &count, NULL, &error),
           RECSYS_EINVAL, "offsets");
  ck_fails(recsys_ranker_recommend_from(fitted, wrong, ids, NULL, NULL, 1, K, NULL, ids, scores, &count, NULL, &error),
           RECSYS_EINVAL, "offsets");
  ck_fails(recsys_ranker_recommend_from(fitted, falling, ids, NULL, NULL, 2, 1, NULL, ids, scores, two, NULL, &error),
           RECSYS_EINVAL, "offsets[2]");
  ck_fails(recsys_ranker_score(fitted, 1, NULL, 1, NULL, scores, &error), RECSYS_EINVAL, "items");
  ck_fails(recsys_ranker_explain(fitted, 1, 1, NULL, NULL, 5, &n, NULL, &error), RECSYS_EINVAL, "reasons");
  ck_fails(recsys_ranker_explain(fitted, 1, -1, NULL, NULL, 0, &n, NULL, &error), RECSYS_EINVAL, "item");
  ck_fails(recsys_ranker_describe(NULL, NULL, 0, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_ok(recsys_ranker_recommend(fitted, NULL, 0, K, NULL, NULL, NULL, NULL, NULL, &error));
  ck_ok(recsys_ranker_recommend(fitted, &user, 1, 0, NULL, NULL, NULL, &count, NULL, &error));
  ck_assert_uint_eq(count, 0);
  recsys_ranker_close(fitted);
}
END_TEST

/* category with a target: the list is for it, and spreads over its labels. */
START_TEST(category_targets) {
  recsys_ranker *ranker = open_ranker(store, "category field=group");
  int64_t user = 2, target = 6, ids[4]; /* item 6 has G2 and G1 */
  double scores[4];
  uint32_t count;
  recsys_recommend_options options = {.struct_size = sizeof options, .targets = &target, .n_targets = 1};
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, 4, &options, ids, scores, &count, NULL, &error));
  ck_assert_uint_eq(count, 4);
  for (int i = 0; i < 4; i++) { /* both labels have the same score, so they take turns: G1 first, by the text */
    int64_t wanted = i % 2 ? 2 : 1;
    ck_assert_int_ne(ids[i], target);
    ck_assert_msg(ids[i] % 4 == wanted || ids[i] / 4 % 4 == wanted, "place %d: item %d", i, (int)ids[i]);
  }
  target = -1;
  ck_fails(recsys_ranker_recommend(ranker, &user, 1, 4, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
           "targets[0]");
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(compare_items) {
  char text[600];
  recsys_ranker *ranker = open_ranker(store, "content");
  ck_ok(recsys_ranker_compare(ranker, 0, 35, text, sizeof text, NULL, &error)); /* both are red chairs */
  ck_assert_msg(strstr(text, "\"words\":[\"chair\",\"red\",\"red chair\"]"), "%s", text);
  ck_assert_msg(strstr(text, "\"numbers\":[]"), "%s", text); /* item 0 has no price */
  ck_assert_ptr_nonnull(strstr(text, "\"pictures\":"));
  ck_ok(recsys_ranker_compare(ranker, 1, 14, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "{\"field\":\"price\",\"a\":1.0,\"b\":1.0}"), "%s", text);
  ck_ok(recsys_ranker_compare(ranker, 5, 1, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"labels\":[{\"field\":\"group\",\"value\":\"G1\"}]"), "%s", text);
  ck_ok(recsys_ranker_compare(ranker, 3, 4, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, "\"pictures\":null"), "%s", text);
  ck_fails(recsys_ranker_compare(ranker, 0, 4000, text, sizeof text, NULL, &error), RECSYS_ENOTFOUND, "4000");
  ck_fails(recsys_ranker_compare(NULL, 0, 1, text, sizeof text, NULL, &error), RECSYS_EINVAL, "NULL");
  recsys_ranker_close(ranker);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recommend");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_loop_test(all, stored_and_passed_histories_agree, 0, COUNT);
  tcase_add_loop_test(all, histories_in_any_order, 0, COUNT);
  tcase_add_loop_test(all, lists_are_lists, 0, COUNT);
  tcase_add_loop_test(all, rated_items_may_return, 0, COUNT);
  tcase_add_loop_test(all, filters, 0, COUNT);
  tcase_add_loop_test(all, reasons_sum_to_scores, 0, COUNT);
  tcase_add_loop_test(all, nothing_personal, 0, COUNT);
  tcase_add_loop_test(all, odd_histories, 0, COUNT);
  tcase_add_loop_test(all, news_since_fitting, 0, COUNT);
  tcase_add_loop_test(all, closing_in_any_order, 0, COUNT);
  tcase_add_loop_test(all, threads_change_nothing, 0, COUNT);
  tcase_add_loop_test(all, cancelled_fits_change_nothing, 0, COUNT);
  tcase_add_loop_test(all, empty_store, 0, COUNT);
  tcase_add_loop_test(all, described, 0, COUNT);
  tcase_add_test(all, maximal_marginal_relevance);
  tcase_add_loop_test(all, labels_and_twins_are_limited, 0, COUNT);
  tcase_add_test(all, impossible_options);
  tcase_add_test(all, memory_limit);
  tcase_add_test(all, auto_without_ratings_goes_by_looks);
  tcase_add_test(all, bad_parameters);
  tcase_add_test(all, null_everywhere);
  tcase_add_test(all, category_targets);
  tcase_add_test(all, compare_items);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
