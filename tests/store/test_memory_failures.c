/* Every allocation fails in turn: a status, nothing lost, and a store that goes on afterwards. */
#include "fixture.h"

static recsys_error error;

/* One round of everything; returns the first failure. */
static recsys_status everything(recsys_store *store, int64_t from) {
  int64_t items[4], ids[8], user = 1;
  const char *fields[4] = {"genre", "genre", "genre", "genre"}, *values[4] = {"a", "b", "c", "d"};
  const char *key = "a key";
  double numbers[4] = {1, 2, 3, 4}, scores[8];
  float rows[4 * DIM], ratings[4] = {1, 2, 3, 4};
  uint32_t count;
  char text[2000];
  recsys_clause clause = {.field = "genre", .values = values, .op = RECSYS_CLAUSE_ANY, .n_values = 4};
  int64_t allow[3] = {from, from + 1, from + 2};
  recsys_filter filter = {.struct_size = sizeof filter,
                          .flags = RECSYS_FILTER_ALLOW,
                          .clauses = &clause,
                          .n_clauses = 1,
                          .allow = allow,
                          .n_allow = 3};
  recsys_search_options options = {.struct_size = sizeof options, .filter = &filter};
  for (int i = 0; i < 4; i++) {
    items[i] = from + i;
    row_of(items[i], 0, rows + i * DIM, DIM);
  }
  int64_t users[4] = {user, user, user, user};
  recsys_status status = recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 4, &error);
  if (!status)
    status = recsys_store_put_labels(store, items, fields, values, NULL, 4, &error);
  if (!status)
    status = recsys_store_put_numbers(store, items, fields, numbers, 4, &error);
  if (!status)
    status = recsys_store_put_texts(store, items, fields, values, 4, &error);
  if (!status)
    status = recsys_store_put_ratings(store, users, items, ratings, NULL, 4, NULL, &error);
  if (!status)
    status = recsys_store_put_events(store, users, items, values, items, 4, NULL, &error);
  if (!status)
    status = recsys_store_remove_events(store, users, 1, from + 2, &error);
  if (!status)
    status = recsys_store_resolve(store, RECSYS_ITEMS, &key, 1, RECSYS_RESOLVE_CREATE, ids, &error);
  if (!status)
    status = recsys_store_search(store, rows, 1, DIM, 4, &options, ids, scores, &count, &error);
  if (!status)
    status = recsys_store_similar(store, items, 1, 4, &options, ids, scores, &count, NULL, &error);
  if (!status)
    status = recsys_store_remove(store, RECSYS_ITEMS, items + 3, 1, &error);
  if (!status)
    status = recsys_store_refresh(store, &error);
  if (!status)
    status = recsys_store_describe(store, text, sizeof text, NULL, &error);
  if (!status)
    status = recsys_store_check(store, text, sizeof text, NULL, &error);
  return status;
}

static void each_allocation(bool all_later) {
  for (size_t n = 1;; n++) {
    recsys_store *store = open_store(":memory:");
    put_items(store, 900, 905);
    recsys__fail_allocation(n, all_later);
    recsys_status status = everything(store, 10);
    bool reached = recsys__fail_allocation(0, false) >= n;
    if (status)
      ck_assert_msg(status == RECSYS_ENOMEM, "allocation %zu: %s %s", n, recsys_status_name(status), error.message);
    /* Whatever it was, the store is whole, has what it had, and takes the same again. */
    ck_assert_uint_ge(info_of(store).embeddings, 5);
    status = everything(store, 20);
    ck_assert_msg(status == RECSYS_OK, "after allocation %zu: %s %s", n, recsys_status_name(status), error.message);
    recsys_store_close(store);
    if (!reached)
      break;
    ck_assert_uint_lt(n, 5000);
  }
}

START_TEST(one_fails) {
  each_allocation(false);
}
END_TEST

START_TEST(all_later_fail) {
  each_allocation(true);
}
END_TEST

START_TEST(opening) {
  const char *path = fresh_path();
  recsys_store *store = open_store(path);
  ck_assert_int_eq(everything(store, 10), RECSYS_OK);
  recsys_store_close(store);
  for (size_t n = 1;; n++) {
    store = NULL;
    recsys__fail_allocation(n, true);
    recsys_status status = recsys_store_open(&store, path, NULL, &error);
    bool reached = recsys__fail_allocation(0, false) >= n;
    if (!status) {
      recsys_store_close(store);
      ck_assert(!reached);
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert_ptr_null(store);
  }
  store = open_store(path);
  ck_assert_uint_eq(info_of(store).embeddings, 3);
  recsys_store_close(store);
  remove_path(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("memory failures");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 100);
  tcase_add_test(all, one_fails);
  tcase_add_test(all, all_later_fail);
  tcase_add_test(all, opening);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
