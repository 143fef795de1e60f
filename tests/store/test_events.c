/* Events: kept in order, read back, removed by age or with their user or item, seen by other handles. */
#include "fixture.h"
#include "store/view.h"

static recsys_error error;
static recsys_store *store;

static const int64_t users[] = {1, 2, 1, 1, 2, 1}, items[] = {10, 11, 12, 10, 10, 13},
                     times[] = {500, 100, 300, 300, 900, 700};
static const char *const kinds[] = {"view", "view", "cart", "purchase", "wish", "view"};
enum { N = 6 };

static void setup(void) {
  uint64_t unknown = 99;
  store = open_store(":memory:");
  ck_ok(recsys_store_put_events(store, users, items, kinds, times, N, &unknown, &error));
  ck_assert_uint_eq(unknown, N);
}
static void teardown(void) {
  recsys_store_close(store);
}

/* The user's events, item after item, are these. */
static void check_items(recsys_store *from, int64_t user, const int64_t *expected, size_t n) {
  int64_t got[N + 1], when[N + 1];
  size_t count = 99;
  ck_ok(recsys_store_get_events(from, user, 0, got, when, N + 1, &count, &error));
  ck_assert_uint_eq(count, n);
  for (size_t i = 0; i < n; i++) {
    ck_assert_int_eq(got[i], expected[i]);
    ck_assert(!i || when[i - 1] <= when[i]);
  }
}

START_TEST(by_time_then_order) {
  check_items(store, 1, (int64_t[]){12, 10, 10, 13}, 4);
  check_items(store, 2, (int64_t[]){11, 10}, 2);
  check_items(store, 3, NULL, 0);
  ck_assert_uint_eq(info_of(store).events, N);
  ck_assert_uint_eq(info_of(store).ratings, 0);
  int64_t got[2];
  size_t count;
  ck_ok(recsys_store_get_events(store, 1, 2, got, NULL, 2, &count, &error));
  ck_assert_uint_eq(count, 2);
  ck_assert_int_eq(got[1], 13);
}
END_TEST

START_TEST(nothing_is_replaced) {
  ck_ok(recsys_store_put_events(store, users, items, kinds, times, 1, NULL, &error));
  check_items(store, 1, (int64_t[]){12, 10, 10, 10, 13}, 5);
}
END_TEST

START_TEST(removed_by_age) {
  const int64_t one = 1;
  ck_ok(recsys_store_remove_events(store, &one, 1, 500, &error));
  check_items(store, 1, (int64_t[]){10, 13}, 2);
  check_items(store, 2, (int64_t[]){11, 10}, 2);
  ck_ok(recsys_store_remove_events(store, NULL, 0, 900, &error));
  check_items(store, 1, NULL, 0);
  check_items(store, 2, (int64_t[]){10}, 1);
  ck_assert_uint_eq(info_of(store).events, 1);
}
END_TEST

START_TEST(removed_with_their_owner) {
  const int64_t ten = 10, two = 2;
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, &ten, 1, &error));
  check_items(store, 1, (int64_t[]){12, 13}, 2);
  ck_ok(recsys_store_remove(store, RECSYS_USERS, &two, 1, &error));
  check_items(store, 2, NULL, 0);
  ck_assert_uint_eq(info_of(store).events, 2);
  ck_ok(recsys_store_check(store, NULL, 0, NULL, &error));
}
END_TEST

START_TEST(shared_and_reopened) {
  const char *path = fresh_path();
  recsys_store *one = open_store(path), *two = open_store(path);
  ck_ok(recsys_store_put_events(one, users, items, kinds, times, N, NULL, &error));
  check_items(two, 1, NULL, 0);
  ck_ok(recsys_store_refresh(two, &error));
  check_items(two, 1, (int64_t[]){12, 10, 10, 13}, 4);
  ck_ok(recsys_store_remove_events(two, NULL, 0, 400, &error));
  ck_ok(recsys_store_refresh(one, &error));
  check_items(one, 1, (int64_t[]){10, 13}, 2);
  recsys_store_close(two);
  recsys_store_close(one);
  one = open_store(path);
  check_items(one, 1, (int64_t[]){10, 13}, 2);
  ck_assert_uint_eq(info_of(one).events, 3);
  recsys_store_close(one);
  remove_path(path);
}
END_TEST

START_TEST(bad_input) {
  const char *long_kind = "a kind whose name is much too long to be one, longer than the sixty-four bytes";
  const int64_t minus = -1;
  ck_fails(recsys_store_put_events(store, users, items, kinds, NULL, 1, NULL, &error), RECSYS_EINVAL, "times");
  ck_fails(recsys_store_put_events(store, users, items, NULL, times, 1, NULL, &error), RECSYS_EINVAL, "kinds");
  ck_fails(recsys_store_put_events(store, users, items, &long_kind, times, 1, NULL, &error), RECSYS_EINVAL, "kinds[0]");
  ck_fails(recsys_store_put_events(store, &minus, items, kinds, times, 1, NULL, &error), RECSYS_EINVAL, "users[0]");
  ck_fails(recsys_store_put_events(NULL, users, items, kinds, times, 1, NULL, &error), RECSYS_EINVAL, "store");
  ck_fails(recsys_store_remove_events(store, &minus, 1, 5, &error), RECSYS_EINVAL, "users[0]");
  ck_fails(recsys_store_get_events(store, 1, 0, NULL, NULL, 1, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_assert_uint_eq(info_of(store).events, N);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("events");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, by_time_then_order);
  tcase_add_test(all, nothing_is_replaced);
  tcase_add_test(all, removed_by_age);
  tcase_add_test(all, removed_with_their_owner);
  tcase_add_test(all, shared_and_reopened);
  tcase_add_test(all, bad_input);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
