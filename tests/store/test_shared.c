/* Several processes, several handles, and foreign writers on one store; read-only and locked ones; snapshots. */
#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"

static recsys_error error;
static const char *path;

static void setup(void) {
  path = fresh_path();
}
static void teardown(void) {
  remove_path(path);
}

/* Runs fn in a child that has never touched SQLite, and waits for it. */
static void in_child(void (*fn)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (!child) {
    fn();
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
}

/* In children a failed check must end the process; Check's own would go on in the wrong one. */
#define child_ok(call)                                                                                                 \
  do {                                                                                                                 \
    if ((call) != RECSYS_OK) {                                                                                         \
      fprintf(stderr, "child: %s\n", error.message);                                                                   \
      _exit(1);                                                                                                        \
    }                                                                                                                  \
  } while (0)

static void child_adds(void) {
  recsys_store *store = NULL;
  int64_t items[2] = {1, 100}, user = 5;
  float rows[2 * DIM], value = 4;
  const char *field = "genre", *label = "Drama";
  row_of(50, 0, rows, DIM);
  row_of(100, 0, rows + DIM, DIM);
  child_ok(recsys_store_open(&store, path, NULL, &error));
  child_ok(recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 2, &error));
  child_ok(recsys_store_put_labels(store, items, &field, &label, NULL, 1, &error));
  child_ok(recsys_store_put_ratings(store, &user, items, &value, NULL, 1, NULL, &error));
  int64_t gone = 2;
  child_ok(recsys_store_remove(store, RECSYS_ITEMS, &gone, 1, &error));
  recsys_store_close(store);
}

START_TEST(changes_of_another_process) {
  recsys_store *store = open_store(path);
  put_items(store, 0, 10);
  /* The child is a fork, but the library sees that and connects anew. */
  in_child(child_adds);
  ck_assert_uint_eq(info_of(store).items, 10);
  ck_assert_uint_eq(info_of(store).ratings, 0);
  int64_t before = info_of(store).change;
  ck_ok(recsys_store_refresh(store, &error));
  recsys_store_info info = info_of(store);
  ck_assert_int_gt(info.change, before);
  ck_assert_uint_eq(info.items, 10); /* one more, one less */
  ck_assert_uint_eq(info.ratings + info.labels, 2);
  int64_t one = 1, nearest;
  double score;
  uint32_t count;
  float row[DIM], back[DIM];
  row_of(50, 0, row, DIM);
  ck_ok(recsys_store_get_embeddings(store, NULL, &one, NULL, 1, back, NULL, &error));
  ck_assert_mem_eq(row, back, sizeof row);
  ck_ok(recsys_store_search(store, row, 1, DIM, 1, NULL, &nearest, &score, &count, &error));
  ck_assert_int_eq(nearest, 1);
  char report[400];
  ck_ok(recsys_store_check(store, report, sizeof report, NULL, &error));
  ck_ok(recsys_store_refresh(store, &error)); /* no news */
  ck_assert_int_eq(info_of(store).change, info.change);
  recsys_store_close(store);
}
END_TEST

START_TEST(two_handles) {
  recsys_store *a = open_store(path), *b = open_store(path);
  put_items(a, 0, 5);
  ck_assert_uint_eq(info_of(b).items, 0);
  put_items(b, 5, 7); /* a writer takes in what it had not seen, too */
  ck_assert_uint_eq(info_of(b).items, 7);
  ck_assert_uint_eq(info_of(a).items, 5);
  ck_ok(recsys_store_refresh(a, &error));
  ck_assert_uint_eq(info_of(a).items, 7);
  recsys_store_close(a);
  put_items(b, 7, 8); /* closing one leaves the other's locks alone */
  recsys_store_close(b);
  b = open_store(path);
  ck_assert_uint_eq(info_of(b).items, 8);
  recsys_store_close(b);
}
END_TEST

/* A writer that knows SQL and nothing of change numbers. */
static void child_writes_sql(void) {
  sqlite3 *db;
  int failed =
      sqlite3_open(path, &db) ||
      sqlite3_exec(db,
                   "PRAGMA foreign_keys=ON;"
                   "INSERT INTO label(item, field, value) VALUES(3, 'genre', 'Horror');"
                   "UPDATE embedding SET vector = (SELECT vector FROM embedding WHERE item = 4) WHERE item = 3;"
                   "DELETE FROM item WHERE id = 0;"
                   "INSERT INTO item(id, key) VALUES(500, 'by hand');",
                   NULL, NULL, NULL);
  if (failed)
    fprintf(stderr, "child: %s\n", sqlite3_errmsg(db));
  sqlite3_close(db);
  _exit(failed ? 1 : 0);
}

START_TEST(foreign_writer) {
  recsys_store *store = open_store(path);
  put_items(store, 0, 5);
  in_child(child_writes_sql);
  ck_ok(recsys_store_refresh(store, &error));
  char text[20];
  const char *key = "by hand";
  int64_t id, items[2] = {3, 4};
  float rows[2 * DIM];
  ck_ok(recsys_store_get_label(store, 3, "genre", 0, text, sizeof text, NULL, NULL, &error));
  ck_assert_str_eq(text, "Horror");
  ck_ok(recsys_store_get_embeddings(store, NULL, items, NULL, 2, rows, NULL, &error));
  ck_assert_mem_eq(rows, rows + DIM, DIM * sizeof *rows);
  ck_ok(recsys_store_resolve(store, RECSYS_ITEMS, &key, 1, 0, &id, &error));
  ck_assert_int_eq(id, 500);
  ck_assert_uint_eq(info_of(store).items, 5);
  ck_assert_uint_eq(info_of(store).embeddings, 4);
  char report[400];
  ck_ok(recsys_store_check(store, report, sizeof report, NULL, &error));
  recsys_store_close(store);
}
END_TEST

static int ready[2], done[2];

static void child_locks(void) {
  sqlite3 *db;
  char byte;
  int failed = sqlite3_open(path, &db) || sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (write(ready[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1)
    failed = 1;
  sqlite3_close(db);
  _exit(failed);
}

START_TEST(locked_by_another) {
  recsys_store *store = NULL;
  recsys_store_options options = {.struct_size = sizeof options, .busy_timeout = 0.05};
  char byte;
  ck_ok(recsys_store_open(&store, path, &options, &error));
  put_items(store, 0, 2);
  ck_assert_int_eq(pipe(ready) | pipe(done), 0);
  pid_t child = fork();
  if (!child)
    child_locks();
  ck_assert_int_eq(read(ready[0], &byte, 1), 1);
  int64_t item = 9, nearest;
  float row[DIM];
  double score;
  uint32_t count;
  row_of(9, 0, row, DIM);
  ck_fails(recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error), RECSYS_EBUSY, path);
  ck_ok(recsys_store_refresh(store, &error)); /* readers do not wait for a writer */
  ck_ok(recsys_store_search(store, row, 1, DIM, 1, NULL, &nearest, &score, &count, &error));
  ck_assert_int_eq(write(done[1], "x", 1), 1);
  ck_assert_int_eq(waitpid(child, NULL, 0), child);
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error));
  ck_assert_uint_eq(info_of(store).items, 3);
  recsys_store_close(store);
}
END_TEST

START_TEST(read_only) {
  recsys_store *store = NULL;
  int64_t item = 1;
  float row[DIM];
  row_of(1, 0, row, DIM);
  recsys_store_options options = {.struct_size = sizeof options, .flags = RECSYS_STORE_READ_ONLY};
  ck_fails(recsys_store_open(&store, path, &options, &error), RECSYS_ENOTFOUND, path);
  ck_assert_ptr_null(store);
  options.flags = RECSYS_STORE_MUST_EXIST;
  ck_fails(recsys_store_open(&store, path, &options, &error), RECSYS_ENOTFOUND, path);
  store = open_store(path);
  put_items(store, 0, 3);
  recsys_store_close(store);
  for (uint32_t flags = RECSYS_STORE_READ_ONLY; flags <= RECSYS_STORE_IMMUTABLE; flags += 3) {
    options.flags = flags;
    ck_ok(recsys_store_open(&store, path, &options, &error));
    ck_assert_uint_eq(info_of(store).items, 3);
    ck_fails(recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error), RECSYS_EREADONLY, path);
    ck_fails(recsys_store_remove(store, RECSYS_ITEMS, &item, 1, &error), RECSYS_EREADONLY, path);
    recsys_store_close(store);
  }
  options.flags = 64;
  ck_fails(recsys_store_open(&store, path, &options, &error), RECSYS_EUNSUPPORTED, "flags");
}
END_TEST

static void child_without_rights(void) {
  recsys_store *store = NULL;
  recsys_store_options options = {.struct_size = sizeof options, .flags = RECSYS_STORE_IMMUTABLE};
  if (setgid(65534) || setuid(65534))
    _exit(0); /* not root here: nothing to give up, and the folder's rights hold anyway */
  recsys_status status = recsys_store_open(&store, path, NULL, &error);
  if (status != RECSYS_EREADONLY || !strstr(error.message, path)) {
    fprintf(stderr, "child: %d %s\n", status, error.message);
    _exit(1);
  }
  child_ok(recsys_store_open(&store, path, &options, &error));
  recsys_store_close(store);
}

START_TEST(folder_that_cannot_be_written) {
  recsys_store *store = open_store(path);
  put_items(store, 0, 3);
  recsys_store_close(store);
  char folder[200];
  snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = 0;
  ck_assert_int_eq(chmod(path, 0444) | chmod(folder, 0555), 0);
  in_child(child_without_rights);
  ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

START_TEST(foreign_space_is_refused) {
  recsys_store *store = open_store(path);
  int64_t item = 1;
  float row[DIM];
  row_of(1, 0, row, DIM);
  put_items(store, 0, 1);
  ck_fails(recsys_store_put_embeddings(store, "other weights", DIM, &item, NULL, row, 1, &error), RECSYS_EMISMATCH,
           "other weights");
  ck_ok(recsys_store_put_space(store, "other weights", DIM, NULL, 0, &error));
  ck_ok(recsys_store_put_embeddings(store, "other weights", DIM, &item, NULL, row, 1, &error));
  ck_assert_uint_eq(info_of(store).spaces, 2);
  recsys_store_close(store);
}
END_TEST

START_TEST(export_and_reopen) {
  char copy[200];
  recsys_store *store = open_store(path);
  put_items(store, 0, 20);
  snprintf(copy, sizeof copy, "%s.copy", path);
  ck_ok(recsys_store_export(store, copy, &error));
  put_items(store, 20, 21);
  recsys_store *other = open_store(copy);
  ck_assert_uint_eq(info_of(other).items, 20);
  recsys_store_close(other);
  ck_fails(recsys_store_export(store, "/no/such/folder/copy", &error), RECSYS_EIO, "/no/such/folder/copy");
  recsys_store_close(store);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shared");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, changes_of_another_process);
  tcase_add_test(all, two_handles);
  tcase_add_test(all, foreign_writer);
  tcase_add_test(all, locked_by_another);
  tcase_add_test(all, read_only);
  tcase_add_test(all, folder_that_cannot_be_written);
  tcase_add_test(all, foreign_space_is_refused);
  tcase_add_test(all, export_and_reopen);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
