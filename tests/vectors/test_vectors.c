/* The answers of vectors.json, which every language must give (make_vectors.py says whence they are). */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "recsys.h"

enum { MOST = 16, K = 5, DIM = 6 };

static recsys_error error;
static json_t *vectors;
static recsys_store *store;

static void ok(recsys_status status) {
  ck_assert_msg(status == RECSYS_OK, "%s", error.message);
}

static json_t *get(const json_t *object, const char *name) {
  json_t *found = json_object_get(object, name);
  ck_assert_msg(found != NULL, "vectors.json has no %s", name);
  return found;
}

static int64_t id_of(int32_t kind, const json_t *key, uint32_t flags) {
  const char *text = json_string_value(key);
  int64_t id;
  ok(recsys_store_resolve(store, kind, &text, 1, flags, &id, &error));
  return id;
}

static int64_t item_of(const json_t *key) {
  return id_of(RECSYS_ITEMS, key, 0);
}

static void put_label(int64_t item, const char *field, const json_t *value) {
  const char *text = json_string_value(value);
  ok(recsys_store_put_labels(store, &item, &field, &text, NULL, 1, &error));
}

static void put_item(const json_t *item) {
  const char *price = "price";
  double number = json_number_value(get(item, "price"));
  float row[DIM];
  int64_t id = id_of(RECSYS_ITEMS, get(item, "key"), RECSYS_RESOLVE_CREATE);
  size_t i;
  json_t *value;
  json_array_foreach(get(item, "row"), i, value) row[i] = (float)json_number_value(value);
  ok(recsys_store_put_embeddings(store, json_string_value(get(vectors, "fingerprint")), DIM, &id, NULL, row, 1,
                                 &error));
  ok(recsys_store_put_numbers(store, &id, &price, &number, 1, &error));
  put_label(id, "kind", get(item, "kind"));
  json_array_foreach(get(item, "colours"), i, value) put_label(id, "colour", value);
}

static void set_up(void) {
  size_t i;
  json_t *value;
  vectors = json_load_file(TESTS_DIR "/vectors/vectors.json", 0, NULL);
  ck_assert_ptr_nonnull(vectors);
  ck_assert_int_eq(json_integer_value(get(vectors, "dim")), DIM);
  ok(recsys_store_open(&store, ":memory:", NULL, &error));
  json_array_foreach(get(vectors, "items"), i, value) put_item(value);
  json_array_foreach(get(vectors, "ratings"), i, value) {
    int64_t user = id_of(RECSYS_USERS, json_array_get(value, 0), RECSYS_RESOLVE_CREATE);
    int64_t item = item_of(json_array_get(value, 1));
    float rating = (float)json_number_value(json_array_get(value, 2));
    ok(recsys_store_put_ratings(store, &user, &item, &rating, NULL, 1, NULL, &error));
  }
}

static void tear_down(void) {
  recsys_store_close(store);
  json_decref(vectors);
}

/* -- filters */

typedef struct made_filter {
  recsys_filter filter;
  recsys_clause clauses[4];
  const char *values[4][4];
  int64_t allow[MOST], deny[MOST];
} made_filter;

static void add_clauses(made_filter *made, const json_t *fields, uint32_t op) {
  const char *field;
  json_t *values, *value;
  size_t i;
  json_object_foreach((json_t *)(uintptr_t)fields, field, values) {
    uint64_t n = made->filter.n_clauses++;
    recsys_clause *clause = &made->clauses[n];
    *clause = (recsys_clause){.field = field, .op = op};
    if (op == RECSYS_CLAUSE_RANGE) {
      clause->min = json_number_value(json_array_get(values, 0));
      clause->max = json_number_value(json_array_get(values, 1));
      continue;
    }
    clause->values = made->values[n];
    json_array_foreach(values, i, value) made->values[n][clause->n_values++] = json_string_value(value);
  }
}

static uint64_t add_items(const json_t *keys, int64_t *items) {
  size_t i;
  json_t *key;
  json_array_foreach(keys, i, key) items[i] = item_of(key);
  return json_array_size(keys);
}

static void make_filter(made_filter *made, const json_t *told) {
  const json_t *similarity = json_object_get(told, "min_similarity"), *distance = json_object_get(told, "max_distance");
  memset(made, 0, sizeof *made);
  recsys_filter *f = &made->filter;
  f->struct_size = sizeof *f;
  f->clauses = made->clauses;
  f->allow = made->allow;
  f->deny = made->deny;
  add_clauses(made, json_object_get(told, "any"), RECSYS_CLAUSE_ANY);
  add_clauses(made, json_object_get(told, "all"), RECSYS_CLAUSE_ALL);
  add_clauses(made, json_object_get(told, "none"), RECSYS_CLAUSE_NONE);
  add_clauses(made, json_object_get(told, "range"), RECSYS_CLAUSE_RANGE);
  f->n_allow = add_items(json_object_get(told, "allow"), made->allow);
  f->n_deny = add_items(json_object_get(told, "deny"), made->deny);
  f->min_similarity = json_number_value(similarity);
  f->max_distance = json_number_value(distance);
  f->flags = (json_object_get(told, "allow") ? RECSYS_FILTER_ALLOW : 0u) |
             (similarity ? RECSYS_FILTER_MIN_SIMILARITY : 0u) | (distance ? RECSYS_FILTER_MAX_DISTANCE : 0u);
}

/* -- answers */

static int64_t ids[MOST * K];
static double scores[MOST * K];
static uint32_t counts[MOST];

static void expect(const json_t *lists, size_t k) {
  size_t i, j;
  json_t *list, *entry;
  json_array_foreach(lists, i, list) {
    ck_assert_uint_eq(counts[i], json_array_size(list));
    json_array_foreach(list, j, entry) {
      double wanted = json_number_value(json_array_get(entry, 1));
      ck_assert_int_eq(ids[i * k + j], item_of(json_array_get(entry, 0)));
      ck_assert_msg(fabs(scores[i * k + j] - wanted) < 1e-6, "%.9f instead of %.9f", scores[i * k + j], wanted);
    }
  }
}

static void run_search(const json_t *one, bool similar, size_t k) {
  made_filter made;
  make_filter(&made, get(one, "filter"));
  recsys_search_options options = {.struct_size = sizeof options,
                                   .metric = strcmp(json_string_value(get(one, "metric")), "euclidean") == 0
                                                 ? RECSYS_METRIC_EUCLIDEAN
                                                 : RECSYS_METRIC_COSINE,
                                   .filter = &made.filter};
  if (similar) {
    int64_t items[MOST];
    size_t n = add_items(get(one, "items"), items);
    ok(recsys_store_similar(store, items, n, k, &options, ids, scores, counts, NULL, &error));
    return;
  }
  float rows[MOST * DIM];
  size_t n, j;
  json_t *row, *value;
  json_array_foreach(get(one, "queries"), n, row) {
    json_array_foreach(row, j, value) rows[n * DIM + j] = (float)json_number_value(value);
  }
  ok(recsys_store_search(store, rows, n, DIM, k, &options, ids, scores, counts, &error));
}

static void run_ranker(const json_t *one, bool known, size_t k) {
  recsys_ranker *ranker;
  ok(recsys_ranker_create(&ranker, store, json_string_value(get(one, "ranker")), NULL, &error));
  ok(recsys_ranker_fit(ranker, NULL, &error));
  size_t i, j;
  json_t *history, *entry;
  if (known) {
    int64_t users[MOST];
    json_array_foreach(get(one, "users"), i, entry) users[i] = id_of(RECSYS_USERS, entry, 0);
    ok(recsys_ranker_recommend(ranker, users, i, k, NULL, ids, scores, counts, NULL, &error));
  } else {
    uint64_t offsets[MOST + 1] = {0};
    int64_t items[MOST * MOST];
    float ratings[MOST * MOST];
    json_array_foreach(get(one, "histories"), i, history) {
      offsets[i + 1] = offsets[i];
      json_array_foreach(history, j, entry) {
        items[offsets[i + 1]] = item_of(json_array_get(entry, 0));
        ratings[offsets[i + 1]++] = (float)json_number_value(json_array_get(entry, 1));
      }
    }
    ok(recsys_ranker_recommend_from(ranker, offsets, items, ratings, NULL, i, k, NULL, ids, scores, counts, NULL,
                                    &error));
  }
  recsys_ranker_close(ranker);
}

START_TEST(every_case) {
  size_t i;
  json_t *one;
  json_array_foreach(get(vectors, "cases"), i, one) {
    const char *call = json_string_value(get(one, "call"));
    size_t k = (size_t)json_integer_value(get(one, "k"));
    ck_assert_uint_le(k, K);
    if (strcmp(call, "similar") == 0 || strcmp(call, "search") == 0)
      run_search(one, call[1] == 'i', k);
    else
      run_ranker(one, strcmp(call, "recommend") == 0, k);
    expect(get(one, "expect"), k);
  }
  ck_assert_uint_ge(i, 19);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("vectors");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, every_case);
  Suite *suite = suite_create("vectors");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
