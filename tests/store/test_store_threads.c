/* Eight searchers and one writer on one handle; and a child, forked while they run, that searches and writes. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "fixture.h"

enum { SEARCHERS = 8, ITEMS = 200, STEPS = 60 };

static recsys_store *store;
static atomic_bool done;
static _Atomic size_t searches, wrong;

/* Every item's row is the one that was put first or the one that replaced it; the item itself is the best match. */
static void *search(void *unused) {
  (void)unused;
  for (int64_t i = 0; !atomic_load(&done); i = (i + 7) % ITEMS) {
    float row[DIM];
    int64_t ids[5];
    double scores[5];
    uint32_t count;
    recsys_error error;
    row_of(i, 0, row, DIM);
    bool ok = recsys_store_search(store, row, 1, DIM, 5, NULL, ids, scores, &count, &error) == RECSYS_OK &&
              count == 5 && ids[0] == i && scores[0] > 0.9999 && scores[0] >= scores[1];
    ok =
        ok && recsys_store_similar(store, &i, 1, 5, NULL, ids, scores, &count, NULL, &error) == RECSYS_OK && count == 5;
    atomic_fetch_add(&searches, 1);
    atomic_fetch_add(&wrong, !ok);
  }
  return NULL;
}

static void *write_on(void *unused) {
  recsys_error error;
  (void)unused;
  for (int64_t step = 0; step < STEPS; step++) {
    int64_t item = ITEMS + step, user = step % 5, old = step % ITEMS, picture = 1;
    const char *field = "genre", *value = step % 2 ? "Drama" : "Comedy";
    float row[DIM], rating = 3;
    row_of(item, 0, row, DIM);
    recsys_status status = recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error);
    row_of(old, 1, row, DIM);
    if (!status)
      status = recsys_store_put_embeddings(store, "space", DIM, &old, &picture, row, 1, &error);
    if (!status)
      status = recsys_store_put_labels(store, &old, &field, &value, NULL, 1, &error);
    if (!status)
      status = recsys_store_put_ratings(store, &user, &old, &rating, NULL, 1, NULL, &error);
    if (!status && step % 3 == 0)
      status = recsys_store_remove(store, RECSYS_ITEMS, &item, 1, &error);
    if (!status)
      status = recsys_store_refresh(store, &error);
    atomic_fetch_add(&wrong, status != RECSYS_OK);
  }
  return NULL;
}

static void start(pthread_t threads[SEARCHERS + 1]) {
  recsys_error error;
  for (int64_t i = 0; i < ITEMS; i += 20) {
    int64_t items[20];
    float rows[20 * DIM];
    for (int64_t j = 0; j < 20; j++) {
      items[j] = i + j;
      row_of(items[j], 0, rows + j * DIM, DIM);
    }
    ck_ok(recsys_store_put_embeddings(store, "space", DIM, items, NULL, rows, 20, &error));
  }
  for (int i = 0; i < SEARCHERS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, search, NULL), 0);
  ck_assert_int_eq(pthread_create(&threads[SEARCHERS], NULL, write_on, NULL), 0);
}

static void finish(pthread_t threads[SEARCHERS + 1]) {
  pthread_join(threads[SEARCHERS], NULL);
  atomic_store(&done, true);
  for (int i = 0; i < SEARCHERS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_uint_eq(atomic_load(&wrong), 0);
  ck_assert_uint_gt(atomic_load(&searches), SEARCHERS);
}

START_TEST(searchers_and_a_writer) {
  pthread_t threads[SEARCHERS + 1];
  store = open_store(":memory:");
  start(threads);
  finish(threads);
  recsys_store_close(store);
}
END_TEST

/* In the child only this thread lives: it must find every lock free and the memory whole. */
static void child(void) {
  float row[DIM];
  int64_t id, item = 7777;
  double score;
  uint32_t count;
  recsys_error error;
  alarm(30);
  row_of(3, 0, row, DIM);
  if (recsys_store_search(store, row, 1, DIM, 1, NULL, &id, &score, &count, &error) || id != 3)
    _exit(1);
  if (recsys_store_put_embeddings(store, "space", DIM, &item, NULL, row, 1, &error))
    _exit(2);
  if (recsys_store_search(store, row, 1, DIM, 1, NULL, &id, &score, &count, &error) || id != 3)
    _exit(3);
  recsys_store_close(store);
  _exit(0);
}

static void fork_once(int i) {
  int status;
  fflush(NULL);
  pid_t pid = fork();
  if (!pid)
    child();
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d ended with %d", i, status);
}

START_TEST(children_of_a_busy_process) {
  pthread_t threads[SEARCHERS + 1];
  const char *path = fresh_path();
  store = open_store(path);
  start(threads);
  for (int i = 0; i < 10 && FORKS_AMID_THREADS; i++)
    fork_once(i);
  finish(threads);
  fork_once(10);
  recsys_store_close(store);
  remove_path(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store threads");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 110);
  tcase_add_test(all, searchers_and_a_writer);
  tcase_add_test(all, children_of_a_busy_process);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
