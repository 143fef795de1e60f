/* Putting, getting and removing everything that a store holds, and what is refused. */
#include "fixture.h"

static recsys_error error;
static recsys_store *store;

static void setup(void) {
  store = open_store(":memory:");
}
static void teardown(void) {
  recsys_store_close(store);
}

START_TEST(empty) {
  recsys_store_info info = info_of(store);
  char text[2000];
  size_t length;
  ck_assert_uint_eq(info.items + info.users + info.embeddings + info.ratings + info.labels + info.spaces + info.dim, 0);
  ck_assert_str_eq(info.fingerprint, "");
  ck_ok(recsys_store_describe(store, text, sizeof text, &length, &error));
  ck_assert_uint_eq(length, strlen(text));
  ck_assert_ptr_nonnull(strstr(text, "\"location\":\":memory:\""));
  ck_ok(recsys_store_check(store, text, sizeof text, &length, &error));
  ck_assert_uint_eq(length, 0);
  ck_ok(recsys_store_refresh(store, &error));
  recsys_store_close(NULL);
}
END_TEST

START_TEST(keys) {
  const char *const names[] = {"SKU-1", "SKU-2", "SKU-1", "Zürich ☃"};
  int64_t ids[4], again[4], user;
  char key[40];
  size_t length;
  ck_fails(recsys_store_resolve(store, RECSYS_ITEMS, names, 4, 0, ids, &error), RECSYS_EPARTIAL, "4 of 4");
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(ids[i], -1);
  ck_ok(recsys_store_resolve(store, RECSYS_ITEMS, names, 4, RECSYS_RESOLVE_CREATE, ids, &error));
  ck_assert_int_eq(ids[0], ids[2]);
  ck_assert_int_ne(ids[0], ids[1]);
  ck_ok(recsys_store_resolve(store, RECSYS_ITEMS, names, 4, 0, again, &error));
  ck_assert_mem_eq(ids, again, sizeof ids);
  ck_ok(recsys_store_get_key(store, RECSYS_ITEMS, ids[3], key, sizeof key, &length, &error));
  ck_assert_str_eq(key, "Zürich ☃");
  ck_ok(recsys_store_get_key(store, RECSYS_ITEMS, ids[3], key, 3, &length, &error));
  ck_assert_str_eq(key, "Z"); /* never half a character */
  ck_assert_uint_eq(length, strlen("Zürich ☃"));
  ck_ok(recsys_store_resolve(store, RECSYS_USERS, names, 1, RECSYS_RESOLVE_CREATE, &user, &error));
  ck_assert_uint_eq(info_of(store).users, 1);
  ck_assert_uint_eq(info_of(store).items, 3);
  /* Ids that were removed are never allotted again. */
  int64_t last = ids[3], fresh;
  const char *const other = "other";
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, &last, 1, &error));
  ck_ok(recsys_store_resolve(store, RECSYS_ITEMS, &other, 1, RECSYS_RESOLVE_CREATE, &fresh, &error));
  ck_assert_int_gt(fresh, last);
  /* An id without a key is called by its digits. */
  int64_t plain = 777;
  float row[DIM];
  row_of(1, 0, row, DIM);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, &plain, NULL, row, 1, &error));
  ck_ok(recsys_store_get_key(store, RECSYS_ITEMS, plain, key, sizeof key, &length, &error));
  ck_assert_str_eq(key, "777");
}
END_TEST

START_TEST(key_faults) {
  const char *const bad[] = {"good", "\xff\xfe"}, *const none[] = {NULL}, *const blank[] = {""};
  int64_t ids[2];
  char key[8];
  size_t length;
  ck_fails(recsys_store_resolve(store, RECSYS_ITEMS, bad, 2, RECSYS_RESOLVE_CREATE, ids, &error), RECSYS_EINVAL,
           "keys[1]");
  ck_fails(recsys_store_resolve(store, RECSYS_ITEMS, none, 1, 1, ids, &error), RECSYS_EINVAL, "keys[0]");
  ck_fails(recsys_store_resolve(store, RECSYS_ITEMS, blank, 1, 1, ids, &error), RECSYS_EINVAL, "keys[0]");
  ck_fails(recsys_store_resolve(store, 7, bad, 1, 1, ids, &error), RECSYS_EINVAL, "kind is 7");
  ck_fails(recsys_store_resolve(NULL, RECSYS_ITEMS, bad, 1, 1, ids, &error), RECSYS_EINVAL, "store is NULL");
  ck_fails(recsys_store_get_key(store, RECSYS_ITEMS, 5, key, sizeof key, &length, &error), RECSYS_ENOTFOUND, "5");
  ck_assert_uint_eq(info_of(store).items, 0); /* all or nothing */
}
END_TEST

START_TEST(embeddings) {
  int64_t items[3] = {4, 2, 4}, pictures[3] = {0, 0, 1};
  float rows[3 * DIM], back[3 * DIM];
  recsys_status statuses[3];
  for (int i = 0; i < 3; i++)
    row_of(items[i], pictures[i], rows + i * DIM, DIM);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, items, pictures, rows, 3, &error));
  ck_assert_uint_eq(info_of(store).embeddings, 3);
  ck_assert_uint_eq(info_of(store).dim, DIM);
  ck_assert_str_eq(info_of(store).fingerprint, "space");
  ck_ok(recsys_store_get_embeddings(store, NULL, items, pictures, 3, back, statuses, &error));
  ck_assert_mem_eq(rows, back, sizeof rows); /* as given, never normalised */
  /* Replaced, not added. */
  row_of(9, 9, rows, DIM);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, items, pictures, rows, 1, &error));
  ck_assert_uint_eq(info_of(store).embeddings, 3);
  ck_ok(recsys_store_get_embeddings(store, "space", items, pictures, 1, back, NULL, &error));
  ck_assert_mem_eq(rows, back, DIM * sizeof *rows);
  /* An absent one. */
  int64_t absent[2] = {2, 99};
  ck_fails(recsys_store_get_embeddings(store, NULL, absent, NULL, 2, back, statuses, &error), RECSYS_EPARTIAL, "");
  ck_assert_int_eq(statuses[0], RECSYS_OK);
  ck_assert_int_eq(statuses[1], RECSYS_ENOTFOUND);
  for (int d = 0; d < DIM; d++)
    ck_assert_float_eq(back[DIM + d], 0);
  /* One picture, then all of them. */
  ck_ok(recsys_store_remove_embeddings(store, NULL, items, pictures + 2, 1, &error));
  ck_assert_uint_eq(info_of(store).embeddings, 2);
  ck_ok(recsys_store_remove_embeddings(store, NULL, items, NULL, 2, &error));
  ck_assert_uint_eq(info_of(store).embeddings, 0);
  ck_assert_uint_eq(info_of(store).items, 2);
}
END_TEST

START_TEST(embedding_faults) {
  int64_t items[2] = {1, 2}, twice[2] = {1, 1}, negative = -3;
  float rows[2 * DIM];
  row_of(1, 0, rows, DIM);
  row_of(2, 0, rows + DIM, DIM);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 2, &error));
  int64_t change = info_of(store).change;
  ck_fails(recsys_store_put_embeddings(store, "space", DIM - 1, items, NULL, rows, 2, &error), RECSYS_EMISMATCH, "16");
  ck_fails(recsys_store_put_embeddings(store, "space", DIM, twice, NULL, rows, 2, &error), RECSYS_EINVAL, "twice");
  ck_fails(recsys_store_put_embeddings(store, "space", DIM, &negative, NULL, rows, 1, &error), RECSYS_EINVAL, "-3");
  ck_fails(recsys_store_put_embeddings(store, "", DIM, items, NULL, rows, 1, &error), RECSYS_EINVAL, "fingerprint");
  ck_fails(recsys_store_put_embeddings(store, "space", 0, items, NULL, rows, 1, &error), RECSYS_EINVAL, "dim");
  ck_fails(recsys_store_put_embeddings(store, "space", DIM, items, NULL, NULL, 1, &error), RECSYS_EINVAL, "NULL");
  static const float wrong[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    rows[DIM + 5] = wrong[i];
    ck_fails(recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 2, &error), RECSYS_EINVAL, "row");
  }
  memset(rows + DIM, 0, DIM * sizeof *rows);
  ck_fails(recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 2, &error), RECSYS_EINVAL, "zero");
  ck_assert_int_eq(info_of(store).change, change); /* nothing was changed by any of them */
}
END_TEST

START_TEST(spaces) {
  int64_t item = 3;
  float row[DIM];
  row_of(3, 0, row, DIM);
  ck_ok(recsys_store_put_embeddings(store, "old", DIM, &item, NULL, row, 1, &error));
  ck_ok(recsys_store_put_space(store, "new", DIM / 2, "the next model", 0, &error));
  ck_ok(recsys_store_put_embeddings(store, "new", DIM / 2, &item, NULL, row, 1, &error));
  ck_assert_str_eq(info_of(store).fingerprint, "old"); /* the first one stays the default */
  ck_ok(recsys_store_put_space(store, "new", DIM / 2, NULL, RECSYS_SPACE_DEFAULT, &error));
  ck_assert_str_eq(info_of(store).fingerprint, "new");
  ck_assert_uint_eq(info_of(store).dim, DIM / 2);
  ck_fails(recsys_store_remove_space(store, "new", &error), RECSYS_EINVAL, "default");
  ck_ok(recsys_store_remove_space(store, "old", &error));
  ck_assert_uint_eq(info_of(store).embeddings, 1);
  ck_ok(recsys_store_remove_space(store, "new", &error)); /* the last one may go */
  ck_assert_uint_eq(info_of(store).spaces, 0);
  ck_assert_uint_eq(info_of(store).dim, 0);
  ck_assert_uint_eq(info_of(store).items, 1);
}
END_TEST

START_TEST(labels) {
  int64_t items[4] = {1, 1, 1, 2};
  const char *fields[4] = {"genre", "genre", "colour", "genre"}, *values[4] = {"Drama", "Comedy", "red", "Drama"};
  float scores[4] = {0.5f, 0.75f, 1, 1}, score;
  char text[32];
  size_t length;
  ck_ok(recsys_store_put_labels(store, items, fields, values, scores, 4, &error));
  ck_assert_uint_eq(info_of(store).labels, 4);
  ck_ok(recsys_store_get_label(store, 1, "genre", 0, text, sizeof text, &length, &score, &error));
  ck_assert_str_eq(text, "Comedy");
  ck_assert_float_eq(score, 0.75f);
  ck_ok(recsys_store_get_label(store, 1, "genre", 1, text, sizeof text, &length, NULL, &error));
  ck_assert_str_eq(text, "Drama");
  ck_fails(recsys_store_get_label(store, 1, "genre", 2, text, sizeof text, &length, NULL, &error), RECSYS_ENOTFOUND,
           "genre");
  ck_ok(recsys_store_put_labels(store, items, fields, values, NULL, 1, &error)); /* replaced: score 1 now */
  ck_assert_uint_eq(info_of(store).labels, 4);
  ck_ok(recsys_store_get_label(store, 1, "genre", 0, text, sizeof text, &length, &score, &error));
  ck_assert_str_eq(text, "Drama");
  ck_ok(recsys_store_remove_labels(store, items, fields, values, 1, &error));
  ck_assert_uint_eq(info_of(store).labels, 3);
  ck_ok(recsys_store_remove_labels(store, items, fields, NULL, 1, &error)); /* the whole field of item 1 */
  ck_assert_uint_eq(info_of(store).labels, 2);
  scores[0] = 1.5f;
  ck_fails(recsys_store_put_labels(store, items, fields, values, scores, 1, &error), RECSYS_EINVAL, "scores[0]");
  scores[0] = NAN;
  ck_fails(recsys_store_put_labels(store, items, fields, values, scores, 1, &error), RECSYS_EINVAL, "scores[0]");
  values[0] = "";
  ck_fails(recsys_store_put_labels(store, items, fields, values, NULL, 1, &error), RECSYS_EINVAL, "values[0]");
}
END_TEST

START_TEST(numbers_and_texts) {
  int64_t item = 5;
  const char *field = "price", *name = "title", *title = "A chair";
  double value = 19.5, back;
  char text[32];
  size_t length;
  ck_ok(recsys_store_put_numbers(store, &item, &field, &value, 1, &error));
  ck_ok(recsys_store_get_number(store, 5, "price", &back, &error));
  ck_assert_double_eq(back, 19.5);
  ck_fails(recsys_store_get_number(store, 5, "stock", &back, &error), RECSYS_ENOTFOUND, "stock");
  value = NAN;
  ck_fails(recsys_store_put_numbers(store, &item, &field, &value, 1, &error), RECSYS_EINVAL, "values[0]");
  ck_ok(recsys_store_put_texts(store, &item, &name, &title, 1, &error));
  ck_ok(recsys_store_get_text(store, 5, "title", text, sizeof text, &length, &error));
  ck_assert_str_eq(text, "A chair");
  ck_ok(recsys_store_remove_labels(store, &item, &name, NULL, 1, &error));
  ck_fails(recsys_store_get_text(store, 5, "title", text, sizeof text, &length, &error), RECSYS_ENOTFOUND, "title");
  ck_ok(recsys_store_get_number(store, 5, "price", &back, &error));
}
END_TEST

START_TEST(ratings) {
  int64_t users[4] = {1, 1, 2, 1}, items[4] = {30, 10, 10, 20}, times[4] = {100, 200, 300, 400};
  float values[4] = {4, 5, 0.5f, 3}, got[4];
  int64_t got_items[4], got_times[4];
  uint64_t unknown;
  size_t count;
  put_items(store, 10, 11);
  ck_ok(recsys_store_put_ratings(store, users, items, values, times, 4, &unknown, &error));
  ck_assert_uint_eq(unknown, 2); /* 20 and 30 have neither picture nor label; their ratings are kept */
  ck_assert_uint_eq(info_of(store).ratings, 4);
  ck_ok(recsys_store_get_ratings(store, 1, -1, got_items, got, got_times, 4, &count, &error));
  ck_assert_uint_eq(count, 3);
  ck_assert_int_eq(got_items[0], 10);
  ck_assert_int_eq(got_items[2], 30);
  ck_assert_float_eq(got[0], 5);
  ck_assert_int_eq(got_times[2], 100);
  ck_ok(recsys_store_get_ratings(store, 1, 10, got_items, NULL, NULL, 1, &count, &error));
  ck_assert_int_eq(got_items[0], 20);
  values[0] = 1;
  ck_ok(recsys_store_put_ratings(store, users, items, values, NULL, 1, NULL, &error));
  ck_assert_uint_eq(info_of(store).ratings, 4);
  ck_ok(recsys_store_get_ratings(store, 1, 20, got_items, got, got_times, 4, &count, &error));
  ck_assert_float_eq(got[0], 1);
  values[0] = INFINITY;
  ck_fails(recsys_store_put_ratings(store, users, items, values, NULL, 1, NULL, &error), RECSYS_EINVAL, "values[0]");
  ck_ok(recsys_store_remove_ratings(store, users, items, 1, &error));
  ck_assert_uint_eq(info_of(store).ratings, 3);
  ck_ok(recsys_store_remove_ratings(store, users, items, 1, &error)); /* what is not there is not an error */
  ck_ok(recsys_store_get_ratings(store, 99, -1, got_items, got, got_times, 4, &count, &error));
  ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(removing) {
  int64_t item = 10, user = 1, ids[4];
  float value = 4;
  size_t count;
  const char *field = "genre", *label = "Drama";
  put_items(store, 10, 13);
  ck_ok(recsys_store_put_labels(store, &item, &field, &label, NULL, 1, &error));
  ck_ok(recsys_store_put_ratings(store, &user, &item, &value, NULL, 1, NULL, &error));
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, &item, 1, &error));
  recsys_store_info info = info_of(store);
  ck_assert_uint_eq(info.items, 2);
  ck_assert_uint_eq(info.labels + info.ratings, 0);
  ck_assert_uint_eq(info.embeddings, 2);
  ck_assert_uint_eq(info.users, 1);
  ck_ok(recsys_store_list(store, RECSYS_ITEMS, -1, ids, 4, &count, &error));
  ck_assert_uint_eq(count, 2);
  ck_assert_int_eq(ids[0], 11);
  ck_ok(recsys_store_remove(store, RECSYS_USERS, &user, 1, &error));
  ck_ok(recsys_store_remove(store, RECSYS_USERS, &user, 1, &error));
  ck_assert_uint_eq(info_of(store).users, 0);
  char report[200];
  ck_ok(recsys_store_check(store, report, sizeof report, NULL, &error));
}
END_TEST

START_TEST(same_again_is_no_change) {
  int64_t item = 10, user = 1;
  float value = 4, row[DIM];
  double number = 7;
  const char *field = "genre", *label = "Drama";
  row_of(10, 0, row, DIM);
  for (int round = 0; round < 2; round++) {
    int64_t before = info_of(store).change;
    ck_ok(recsys_store_put_labels(store, &item, &field, &label, NULL, 1, &error));
    ck_ok(recsys_store_put_numbers(store, &item, &field, &number, 1, &error));
    ck_ok(recsys_store_put_texts(store, &item, &field, &label, 1, &error));
    ck_ok(recsys_store_put_ratings(store, &user, &item, &value, NULL, 1, NULL, &error));
    ck_ok(recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error));
    if (round)
      ck_assert_int_eq(info_of(store).change, before);
  }
}
END_TEST

START_TEST(null_everywhere) {
  int64_t id = 1;
  size_t count;
  double number;
  float value;
  char text[8];
  const char *word = "a";
  recsys_store *none = NULL;
  recsys_store_info info = {.struct_size = 4};
  ck_fails(recsys_store_open(NULL, ":memory:", NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_store_open(&none, NULL, NULL, &error), RECSYS_EINVAL, "location");
  ck_fails(recsys_store_open(&none, "", NULL, &error), RECSYS_EINVAL, "location");
  ck_assert_ptr_null(none);
  ck_fails(recsys_store_get_info(store, &info, &error), RECSYS_EINVAL, "struct_size");
  ck_assert_int_eq(recsys_store_put_embeddings(none, "s", 1, &id, NULL, &value, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_labels(store, NULL, &word, &word, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_labels(store, &id, NULL, &word, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_numbers(store, &id, &word, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_texts(store, &id, &word, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_ratings(store, &id, NULL, &value, NULL, 1, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_put_ratings(store, &id, &id, NULL, NULL, 1, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove(store, RECSYS_ITEMS, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove(store, 0, &id, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove_embeddings(store, NULL, NULL, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove_labels(store, &id, NULL, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove_ratings(store, &id, NULL, 1, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_remove_space(store, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_embeddings(store, NULL, NULL, NULL, 1, &value, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_label(store, 1, NULL, 0, text, 8, NULL, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_number(store, 1, "a", NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_number(NULL, 1, "a", &number, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_text(store, 1, "a", NULL, 8, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_get_ratings(store, 1, -1, NULL, &value, NULL, 1, &count, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_list(store, RECSYS_ITEMS, -1, NULL, 1, &count, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_list(store, RECSYS_ITEMS, -1, &id, 1, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_search(store, NULL, 1, DIM, 1, NULL, &id, &number, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_similar(store, NULL, 1, 1, NULL, &id, &number, NULL, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_refresh(NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_check(NULL, NULL, 0, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_export(store, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys_store_describe(NULL, NULL, 0, NULL, NULL), RECSYS_EINVAL);
}
END_TEST

START_TEST(n_of_zero) {
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, NULL, NULL, NULL, 0, &error));
  ck_ok(recsys_store_put_labels(store, NULL, NULL, NULL, NULL, 0, &error));
  ck_ok(recsys_store_put_ratings(store, NULL, NULL, NULL, NULL, 0, NULL, &error));
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, NULL, 0, &error));
  ck_ok(recsys_store_resolve(store, RECSYS_ITEMS, NULL, 0, 1, NULL, &error));
  put_items(store, 0, 2);
  ck_ok(recsys_store_search(store, NULL, 0, DIM, 5, NULL, NULL, NULL, NULL, &error));
  ck_ok(recsys_store_similar(store, NULL, 0, 5, NULL, NULL, NULL, NULL, NULL, &error));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, empty);
  tcase_add_test(all, keys);
  tcase_add_test(all, key_faults);
  tcase_add_test(all, embeddings);
  tcase_add_test(all, embedding_faults);
  tcase_add_test(all, spaces);
  tcase_add_test(all, labels);
  tcase_add_test(all, numbers_and_texts);
  tcase_add_test(all, ratings);
  tcase_add_test(all, removing);
  tcase_add_test(all, same_again_is_no_change);
  tcase_add_test(all, null_everywhere);
  tcase_add_test(all, n_of_zero);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
