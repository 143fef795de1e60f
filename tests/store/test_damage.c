/* Files that are no stores, damaged ones, a full disk, a killed writer: an error that names the file, or what was
 * stored; never a crash, and never less than what was committed. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/random.h"
#include "fixture.h"

static recsys_error error;
static const char *path;

static void setup(void) {
  path = fresh_path();
}
static void teardown(void) {
  remove_path(path);
}

static void write_file(const char *data, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  ck_assert_int_eq(fclose(file), 0);
}

static char *read_file(size_t *size) {
  struct stat about;
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fstat(fileno(file), &about), 0);
  *size = (size_t)about.st_size;
  char *data = malloc(*size + 1);
  ck_assert_uint_eq(fread(data, 1, *size, file), *size);
  fclose(file);
  return data;
}

static void run_sql(const char *sql) {
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  sqlite3_close(db);
}

static void refused(recsys_status status, const char *words) {
  recsys_store *store = NULL;
  ck_fails(recsys_store_open(&store, path, NULL, &error), status, words);
  ck_assert_msg(strstr(error.message, path), "'%s' does not name the file", error.message);
  ck_assert_ptr_null(store);
}

START_TEST(no_database) {
  static char text[5000];
  memset(text, 'x', sizeof text);
  write_file(text, sizeof text);
  refused(RECSYS_EFORMAT, "");
  size_t size;
  char *after = read_file(&size);
  ck_assert_uint_eq(size, sizeof text);
  ck_assert_mem_eq(after, text, size); /* and it is left as it was */
  free(after);
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(mkdir(path, 0755), 0);
  recsys_store *store = NULL;
  ck_assert_int_lt(recsys_store_open(&store, path, NULL, &error), 0);
  ck_assert_ptr_nonnull(strstr(error.message, path));
  ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(other_database) {
  run_sql("CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL); INSERT INTO orders VALUES(1, 9.5)");
  refused(RECSYS_EFORMAT, "not a store");
  run_sql("SELECT total FROM orders");
}
END_TEST

START_TEST(newer_version) {
  recsys_store *store = open_store(path);
  put_items(store, 0, 3);
  recsys_store_close(store);
  run_sql("PRAGMA user_version=99");
  refused(RECSYS_EVERSION, "99");
  run_sql("PRAGMA user_version=1");
  recsys_store_close(open_store(path));
}
END_TEST

START_TEST(hostile_schemas) {
  static const char *const changes[] = {
      "CREATE TRIGGER evil AFTER INSERT ON item BEGIN DELETE FROM rating; END",
      "ALTER TABLE label RENAME TO label_2; CREATE VIEW label AS SELECT * FROM label_2",
      "DROP TABLE rating",
      "ALTER TABLE item ADD COLUMN more TEXT",
      "CREATE TABLE more(x)",
  };
  size_t size;
  recsys_store *store = open_store(path);
  put_items(store, 0, 3);
  recsys_store_close(store);
  char *good = read_file(&size);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    write_file(good, size);
    run_sql(changes[i]);
    refused(RECSYS_EFORMAT, "");
  }
  free(good);
}
END_TEST

START_TEST(hostile_rows) {
  static const char *const changes[] = {
      "UPDATE embedding SET vector = x'00000000' WHERE item = 1",
      "UPDATE embedding SET vector = zeroblob(64) WHERE item = 1",
      "UPDATE embedding SET vector = 'text' WHERE item = 1",
      "UPDATE embedding SET vector = (SELECT replace(hex(zeroblob(0)),'','') ) WHERE item = 1",
      "UPDATE embedding SET vector = x'0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f"
      "0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f' WHERE item = 1",
      "UPDATE space SET dim = 17",
      "UPDATE item SET key = x'ff' WHERE id = 1",
      "UPDATE label SET value = x'fffe'",
      "UPDATE number SET value = 9e999",
      "UPDATE rating SET value = 'five'",
      "UPDATE rating SET value = 9e999",
  };
  size_t size;
  int64_t item = 1, user = 1;
  const char *field = "genre", *label = "Drama";
  double number = 1;
  float value = 5;
  recsys_store *store = open_store(path);
  put_items(store, 0, 3);
  ck_ok(recsys_store_put_labels(store, &item, &field, &label, NULL, 1, &error));
  ck_ok(recsys_store_put_numbers(store, &item, &field, &number, 1, &error));
  ck_ok(recsys_store_put_ratings(store, &user, &item, &value, NULL, 1, NULL, &error));
  recsys_store_close(store);
  char *good = read_file(&size);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    recsys_store *opened = NULL;
    write_file(good, size);
    run_sql(changes[i]);
    recsys_status status = recsys_store_open(&opened, path, NULL, &error);
    ck_assert_msg(status == RECSYS_EFORMAT, "%s: %s %s", changes[i], recsys_status_name(status), error.message);
    ck_assert_msg(strstr(error.message, path), "'%s' does not name the file", error.message);
  }
  free(good);
}
END_TEST

/* Everything that can be asked of a store that opened. */
static void use(recsys_store *store) {
  int64_t ids[64], items[2] = {1, 2};
  double scores[64];
  uint32_t counts[2];
  size_t count;
  char report[500];
  float row[DIM], rows[2 * DIM];
  recsys_status statuses[2];
  row_of(3, 0, row, DIM);
  recsys_store_search(store, row, 1, DIM, 5, NULL, ids, scores, counts, NULL);
  recsys_store_similar(store, items, 2, 5, NULL, ids, scores, counts, statuses, NULL);
  recsys_store_get_embeddings(store, NULL, items, NULL, 2, rows, statuses, NULL);
  recsys_store_list(store, RECSYS_ITEMS, -1, ids, 64, &count, NULL);
  recsys_store_check(store, report, sizeof report, NULL, NULL);
  recsys_store_put_embeddings(store, "space", DIM, items, NULL, row, 1, NULL);
  recsys_store_refresh(store, NULL);
}

START_TEST(bits_flipped_and_tails_cut) {
  size_t size;
  recsys__random random;
  recsys_store *store = open_store(path);
  put_items(store, 0, 40);
  recsys_store_close(store);
  char *good = read_file(&size);
  recsys__random_seed(&random, 3, 3);
  int opened = 0, refusals = 0;
  for (int round = 0; round < 120; round++) {
    char *bad = malloc(size);
    size_t length = size;
    memcpy(bad, good, size);
    if (round % 4 == 0)
      length = recsys__random_below(&random, (uint32_t)size);
    for (int flip = 0; flip < (round % 4 ? 1 + round % 7 : 0); flip++) {
      /* half of them in the first page of each 64 KiB, where structure is */
      size_t at = recsys__random_below(&random, (uint32_t)size);
      if (flip % 2)
        at = at / 65536 * 65536 + at % 128;
      bad[at < size ? at : 0] ^= (char)(1u << recsys__random_below(&random, 8));
    }
    char name[160];
    snprintf(name, sizeof name, "%s-wal", path);
    unlink(name);
    snprintf(name, sizeof name, "%s-shm", path);
    unlink(name);
    write_file(bad, length);
    free(bad);
    store = NULL;
    if (recsys_store_open(&store, path, NULL, &error) == RECSYS_OK) {
      use(store);
      opened++;
    } else {
      ck_assert_ptr_null(store);
      ck_assert_msg(strstr(error.message, path), "'%s' does not name the file", error.message);
      refusals++;
    }
    recsys_store_close(store);
  }
  ck_assert_int_gt(refusals, 20);
  ck_assert_int_gt(opened, 0); /* a bit in the middle of a row of floats cannot be seen */
  free(good);
}
END_TEST

/* The file may not grow any further: writes fail as on a full disk. */
static void child_fills_the_disk(void) {
  struct rlimit limit = {.rlim_cur = 600 * 1024, .rlim_max = 600 * 1024};
  recsys_store *store = NULL;
  float row[DIM];
  int64_t item = 0;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  recsys_status status = recsys_store_open(&store, path, NULL, &error);
  for (; !status && item < 100000; item++) {
    row_of(item, 0, row, DIM);
    status = recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error);
  }
  bool named = strstr(error.message, path) != NULL;
  recsys_store_info info = {.struct_size = sizeof info};
  recsys_store_get_info(store, &info, NULL);
  bool whole = info.items == (uint64_t)item - 1; /* what was stored before is still there */
  recsys_store_close(store);
  if (!((status == RECSYS_EFULL || status == RECSYS_EIO) && named && whole)) {
    fprintf(stderr, "child: %d '%s' %d %llu of %lld\n", status, error.message, whole, (unsigned long long)info.items,
            (long long)item);
    _exit(1);
  }
  _exit(0);
}

static int in_child(void (*fn)(void)) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  if (!child)
    fn();
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

START_TEST(full_disk) {
  recsys_store *store = open_store(path);
  put_items(store, 0, 2);
  recsys_store_close(store);
  ck_assert_int_eq(in_child(child_fills_the_disk), 0);
  store = open_store(path);
  char report[400];
  ck_ok(recsys_store_check(store, report, sizeof report, NULL, &error));
  ck_assert_uint_ge(info_of(store).items, 2);
  put_items(store, 0, 2);
  recsys_store_close(store);
}
END_TEST

static int told[2];

static void child_puts_for_ever(void) {
  recsys_store *store = NULL;
  float row[DIM];
  recsys_store_open(&store, path, NULL, NULL);
  recsys_store_info info = {.struct_size = sizeof info};
  recsys_store_get_info(store, &info, NULL);
  for (int64_t item = (int64_t)info.items;; item++) {
    row_of(item, 0, row, DIM);
    if (recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, NULL) ||
        write(told[1], &item, sizeof item) != sizeof item)
      _exit(1);
  }
}

START_TEST(killed_while_putting) {
  int64_t last = -1;
  for (int round = 0; round < 12; round++) {
    ck_assert_int_eq(pipe(told), 0);
    fflush(NULL);
    pid_t child = fork();
    if (!child)
      child_puts_for_ever();
    close(told[1]);
    int64_t item;
    for (int i = 0; i <= round; i++)
      ck_assert_int_eq(read(told[0], &item, sizeof item), sizeof item);
    usleep((unsigned)round * 700);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(told[0], &item, sizeof item) == sizeof item)
      last = item; /* every one that was reported as stored */
    close(told[0]);
    recsys_store *store = open_store(path);
    char report[400];
    ck_ok(recsys_store_check(store, report, sizeof report, NULL, &error));
    ck_assert_int_gt((int64_t)info_of(store).items, last);
    float row[DIM], back[DIM];
    if (last >= 0) {
      row_of(last, 0, row, DIM);
      ck_ok(recsys_store_get_embeddings(store, NULL, &last, NULL, 1, back, NULL, &error));
      ck_assert_mem_eq(row, back, sizeof row);
    }
    recsys_store_close(store);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("damage");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, no_database);
  tcase_add_test(all, other_database);
  tcase_add_test(all, newer_version);
  tcase_add_test(all, hostile_schemas);
  tcase_add_test(all, hostile_rows);
  tcase_add_test(all, bits_flipped_and_tails_cut);
  tcase_add_test(all, full_disk);
  tcase_add_test(all, killed_while_putting);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
