/* similar and search with every kind of filter, against a scan written here in double. */
#include "fixture.h"

enum { ITEMS = 120, PICTURES = 2 };

static recsys_error error;
static recsys_store *store;

/* Item i: genre G(i % 3), and "even" or "odd" in parity; a price of i / 2; item 5 n has a second picture; item 7 none.
 */
static bool has_picture(int64_t item) {
  return item != 7;
}

static void setup(void) {
  store = open_store(":memory:");
  for (int64_t i = 0; i < ITEMS; i++) {
    char genre[8];
    const char *fields[2] = {"genre", "parity"}, *values[2] = {genre, i % 2 ? "odd" : "even"}, *price = "price";
    int64_t both[2] = {i, i}, second = 1;
    double number = (double)i / 2;
    float row[DIM];
    snprintf(genre, sizeof genre, "G%d", (int)(i % 3));
    ck_ok(recsys_store_put_labels(store, both, fields, values, NULL, 2, &error));
    if (i % 10)
      ck_ok(recsys_store_put_numbers(store, &i, &price, &number, 1, &error));
    if (has_picture(i))
      put_items(store, i, i + 1);
    row_of(i, 1, row, DIM);
    if (i % 5 == 0)
      ck_ok(recsys_store_put_embeddings(store, "space", DIM, &i, &second, row, 1, &error));
  }
}
static void teardown(void) {
  recsys_store_close(store);
}

/* -- the reference */

static double score_of(const float *a, const float *b, bool cosine) {
  double dot = 0, aa = 0, bb = 0, distance = 0;
  for (int d = 0; d < DIM; d++) {
    dot += (double)a[d] * (double)b[d];
    aa += (double)a[d] * (double)a[d];
    bb += (double)b[d] * (double)b[d];
    distance += ((double)a[d] - (double)b[d]) * ((double)a[d] - (double)b[d]);
  }
  return cosine ? dot / (sqrt(aa) * sqrt(bb)) : sqrt(distance);
}

/* The best pair over all pictures. */
static double likeness(int64_t a, int64_t b, bool cosine) {
  double best = 0;
  bool any = false;
  for (int p = 0; p < (a % 5 ? 1 : PICTURES); p++)
    for (int q = 0; q < (b % 5 ? 1 : PICTURES); q++) {
      float x[DIM], y[DIM];
      row_of(a, p, x, DIM);
      row_of(b, q, y, DIM);
      double score = score_of(x, y, cosine);
      if (!any || (cosine ? score > best : score < best))
        best = score;
      any = true;
    }
  return best;
}

typedef bool (*rule)(int64_t item);

static size_t expected(int64_t query, bool cosine, rule passes, bool limited, double limit, size_t k, int64_t *ids,
                       double *scores) {
  size_t n = 0;
  for (int64_t i = 0; i < ITEMS; i++) {
    double score = i == query || !has_picture(i) ? 0 : likeness(query, i, cosine);
    if (i == query || !has_picture(i) || (passes && !passes(i)) ||
        (limited && (cosine ? score < limit : score > limit)))
      continue;
    size_t at = n < k ? n++ : k;
    for (; at && (cosine ? score > scores[at - 1] : score < scores[at - 1]); at--)
      if (at < k) {
        ids[at] = ids[at - 1];
        scores[at] = scores[at - 1];
      }
    if (at < k) {
      ids[at] = i;
      scores[at] = score;
    }
  }
  return n;
}

static void compare(const recsys_filter *filter, rule passes, bool limited, double limit) {
  for (int metric = 0; metric < 2; metric++)
    for (int64_t query = 0; query < 12; query++) {
      if (!has_picture(query))
        continue;
      bool cosine = metric == 0;
      int64_t ids[ITEMS], want_ids[ITEMS];
      double scores[ITEMS], want[ITEMS];
      uint32_t count;
      recsys_search_options options = {.struct_size = sizeof options, .metric = (uint32_t)metric, .filter = filter};
      if (limited && !(filter->flags & (cosine ? RECSYS_FILTER_MIN_SIMILARITY : RECSYS_FILTER_MAX_DISTANCE))) {
        ck_fails(recsys_store_similar(store, &query, 1, 20, &options, ids, scores, &count, NULL, &error), RECSYS_EINVAL,
                 "other metric");
        continue;
      }
      size_t n = expected(query, cosine, passes, limited, limit, 20, want_ids, want);
      ck_ok(recsys_store_similar(store, &query, 1, 20, &options, ids, scores, &count, NULL, &error));
      ck_assert_uint_eq(count, n);
      for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(ids[i], want_ids[i]);
        ck_assert_double_eq_tol(scores[i], want[i], 1e-12);
      }
      for (size_t i = n; i < 20; i++)
        ck_assert_int_eq(ids[i], -1);
    }
}

static bool is_g1(int64_t i) {
  return i % 3 == 1;
}
static bool is_g1_or_g2(int64_t i) {
  return i % 3 != 0;
}
static bool is_odd_g1(int64_t i) {
  return i % 3 == 1 && i % 2 == 1;
}
static bool is_cheap(int64_t i) {
  return i % 10 != 0 && i >= 10 && i <= 41;
}
static bool is_allowed(int64_t i) {
  return i == 3 || i == 50 || i == 11;
}
static bool is_not_denied(int64_t i) {
  return i != 3 && i != 4;
}
static bool nothing(int64_t i) {
  (void)i;
  return false;
}

START_TEST(no_filter) {
  recsys_filter filter = {.struct_size = sizeof filter};
  compare(&filter, NULL, false, 0);
}
END_TEST

START_TEST(clauses) {
  const char *g1[] = {"G1"}, *g12[] = {"G1", "G2", "unheard of"}, *g0[] = {"G0"}, *odd[] = {"odd"};
  recsys_clause any = {.field = "genre", .values = g1, .op = RECSYS_CLAUSE_ANY, .n_values = 1};
  recsys_filter filter = {.struct_size = sizeof filter, .clauses = &any, .n_clauses = 1};
  compare(&filter, is_g1, false, 0);
  any.values = g12;
  any.n_values = 3;
  compare(&filter, is_g1_or_g2, false, 0);
  any.op = RECSYS_CLAUSE_ALL; /* nobody has all three */
  compare(&filter, nothing, false, 0);
  any.op = RECSYS_CLAUSE_NONE;
  any.values = g0;
  any.n_values = 1;
  compare(&filter, is_g1_or_g2, false, 0);
  recsys_clause both[2] = {{.field = "genre", .values = g1, .op = RECSYS_CLAUSE_ALL, .n_values = 1},
                           {.field = "parity", .values = odd, .op = RECSYS_CLAUSE_ANY, .n_values = 1}};
  filter.clauses = both;
  filter.n_clauses = 2;
  compare(&filter, is_odd_g1, false, 0);
  recsys_clause unknown = {.field = "no such field", .values = g1, .op = RECSYS_CLAUSE_ANY, .n_values = 1};
  filter.clauses = &unknown;
  filter.n_clauses = 1;
  compare(&filter, nothing, false, 0);
}
END_TEST

START_TEST(ranges) {
  recsys_clause range = {.field = "price", .op = RECSYS_CLAUSE_RANGE, .min = 5, .max = 20.5};
  recsys_filter filter = {.struct_size = sizeof filter, .clauses = &range, .n_clauses = 1};
  compare(&filter, is_cheap, false, 0);
  range.min = 21;
  range.max = 20;
  compare(&filter, nothing, false, 0);
  recsys_search_options options = {.struct_size = sizeof options, .filter = &filter};
  int64_t query = 1, id;
  double score;
  uint32_t count;
  range.max = NAN;
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "price");
}
END_TEST

START_TEST(lists_of_ids) {
  int64_t some[] = {50, 3, 11, 3, 9999}, none[1] = {0};
  recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_ALLOW, .allow = some, .n_allow = 5};
  compare(&filter, is_allowed, false, 0);
  filter.n_allow = 0;
  filter.allow = none;
  compare(&filter, nothing, false, 0); /* an empty list allows nothing */
  filter.flags = 0;
  filter.deny = some;
  some[0] = 4;
  some[2] = 3;
  filter.n_deny = 5;
  compare(&filter, is_not_denied, false, 0);
}
END_TEST

START_TEST(limits) {
  recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = 0.25};
  compare(&filter, NULL, true, 0.25);
  filter.min_similarity = 0; /* 0 is a legal limit */
  compare(&filter, NULL, true, 0);
  filter.flags = RECSYS_FILTER_MAX_DISTANCE;
  filter.max_distance = 3;
  compare(&filter, NULL, true, 3);
  filter.max_distance = 0;
  compare(&filter, NULL, true, 0);
}
END_TEST

START_TEST(search_by_vector) {
  float query[2 * DIM], zero[DIM] = {0};
  int64_t ids[2 * 3];
  double scores[2 * 3];
  uint32_t counts[2];
  row_of(20, 1, query, DIM);
  row_of(33, 0, query + DIM, DIM);
  ck_ok(recsys_store_search(store, query, 2, DIM, 3, NULL, ids, scores, counts, &error));
  ck_assert_int_eq(ids[0], 20); /* by its second picture */
  ck_assert_int_eq(ids[3], 33);
  ck_assert_double_eq_tol(scores[0], 1, 1e-12);
  ck_assert_uint_eq(counts[1], 3);
  ck_fails(recsys_store_search(store, query, 1, DIM + 1, 3, NULL, ids, scores, counts, &error), RECSYS_EMISMATCH, "16");
  ck_fails(recsys_store_search(store, zero, 1, DIM, 3, NULL, ids, scores, counts, &error), RECSYS_EINVAL, "zero");
  query[3] = NAN;
  ck_fails(recsys_store_search(store, query, 1, DIM, 3, NULL, ids, scores, counts, &error), RECSYS_EINVAL, "");
  recsys_search_options other = {.struct_size = sizeof other, .fingerprint = "another"};
  row_of(20, 1, query, DIM);
  ck_fails(recsys_store_search(store, query, 1, DIM, 3, &other, ids, scores, counts, &error), RECSYS_ENOTFOUND,
           "another");
  other = (recsys_search_options){.struct_size = sizeof other, .metric = 9};
  ck_fails(recsys_store_search(store, query, 1, DIM, 3, &other, ids, scores, counts, &error), RECSYS_EINVAL, "metric");
}
END_TEST

START_TEST(item_without_picture) {
  int64_t items[3] = {1, 7, 12345}, ids[3];
  double scores[3];
  uint32_t counts[3];
  recsys_status statuses[3];
  ck_fails(recsys_store_similar(store, items, 3, 1, NULL, ids, scores, counts, statuses, &error), RECSYS_EPARTIAL, "");
  ck_assert_int_eq(statuses[0], RECSYS_OK);
  ck_assert_int_eq(statuses[1], RECSYS_ENOTFOUND);
  ck_assert_int_eq(statuses[2], RECSYS_ENOTFOUND);
  ck_assert_uint_eq(counts[0], 1);
  ck_assert_uint_eq(counts[1], 0);
  ck_assert_int_eq(ids[1], -1);
}
END_TEST

START_TEST(bad_filters) {
  const char *values[1] = {"G1"};
  int64_t query = 1, id;
  double score;
  uint32_t count;
  recsys_clause clause = {.field = "genre", .values = values, .op = 9, .n_values = 1};
  recsys_filter filter = {.struct_size = sizeof filter, .clauses = &clause, .n_clauses = 1};
  recsys_search_options options = {.struct_size = sizeof options, .filter = &filter};
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL, "op");
  clause.op = RECSYS_CLAUSE_ANY;
  clause.field = NULL;
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "field");
  clause.field = "genre";
  clause.values = NULL;
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "values");
  filter = (recsys_filter){.struct_size = sizeof filter, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = NAN};
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "min_similarity");
  filter = (recsys_filter){.struct_size = sizeof filter, .flags = RECSYS_FILTER_MAX_DISTANCE, .max_distance = -1};
  ck_fails(recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "max_distance");
  filter = (recsys_filter){.struct_size = sizeof filter, .flags = 1u << 30};
  recsys_status status = recsys_store_similar(store, &query, 1, 1, &options, &id, &score, &count, NULL, &error);
  ck_assert_int_lt(status, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("filter");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, no_filter);
  tcase_add_test(all, clauses);
  tcase_add_test(all, ranges);
  tcase_add_test(all, lists_of_ids);
  tcase_add_test(all, limits);
  tcase_add_test(all, search_by_vector);
  tcase_add_test(all, item_without_picture);
  tcase_add_test(all, bad_filters);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
