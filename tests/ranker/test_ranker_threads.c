/* Eight threads recommend while one rates, removes and fits again; then a forked child recommends. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "catalogue.h"

enum { READERS = 8, STEPS = 30, K = 8 };
static const char *const algorithms[] = {"visual neighbours=8 within_labels=group",
                                         "category field=group",
                                         "ease alpha=2 lambda=5",
                                         "user-knn",
                                         "als factors=4 iterations=2 new_items=0.3",
                                         "blend parts=\"item-knn; popular\" weights=1,0.1"};

static recsys_store *store;
static recsys_ranker *ranker;
static atomic_bool done;
static _Atomic size_t lists, wrong;

static bool recommends(int64_t user) {
  int64_t ids[K];
  double scores[K];
  uint32_t count;
  recsys_error error;
  recsys_reason reasons[4];
  size_t n;
  return recsys_ranker_recommend(ranker, &user, 1, K, NULL, ids, scores, &count, NULL, &error) == RECSYS_OK &&
         count == K && recsys_ranker_explain(ranker, user, ids[0], NULL, reasons, 4, &n, NULL, &error) == RECSYS_OK;
}

static void *read_on(void *unused) {
  (void)unused;
  for (int64_t user = 0; !atomic_load(&done); user = (user + 1) % USERS) {
    atomic_fetch_add(&wrong, !recommends(user));
    atomic_fetch_add(&lists, 1);
  }
  return NULL;
}

static void *write_on(void *unused) {
  (void)unused;
  for (int64_t step = 0; step < STEPS; step++) {
    recsys_error error;
    int64_t user = step % USERS, item = step * 7 % NEW_FROM, fresh = 1000 + step;
    float value = (float)(1 + step % 5), row[DIM];
    row_of(fresh, 0, row, DIM);
    recsys_status status = recsys_store_put_ratings(store, &user, &item, &value, NULL, 1, NULL, &error);
    if (!status)
      status = recsys_store_put_embeddings(store, "space", DIM, &fresh, NULL, row, 1, &error);
    if (!status && step % 10 == 9)
      status = step % 20 == 9 ? recsys_ranker_fit(ranker, NULL, &error) : recsys_ranker_refresh(ranker, NULL, &error);
    if (!status) {
      const char *kind = "view";
      int64_t now = 1000000 + step;
      status = recsys_store_put_events(store, &user, &item, &kind, &now, 1, NULL, &error);
    }
    if (!status && step % 4 == 3)
      status = recsys_store_remove(store, RECSYS_ITEMS, &fresh, 1, &error);
    atomic_fetch_add(&wrong, status != RECSYS_OK);
  }
  return NULL;
}

static void fork_once(void) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  if (!child) {
    alarm(60);
    _exit(recommends(3) ? 0 : 1);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
}

START_TEST(readers_and_a_writer) {
  pthread_t threads[READERS + 1];
  store = open_catalogue(":memory:");
  ranker = open_ranker(store, algorithms[_i]);
  for (int i = 0; i < READERS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, NULL), 0);
  ck_assert_int_eq(pthread_create(&threads[READERS], NULL, write_on, NULL), 0);
  pthread_join(threads[READERS], NULL);
  if (FORKS_AMID_THREADS)
    fork_once();
  atomic_store(&done, true);
  for (int i = 0; i < READERS; i++)
    pthread_join(threads[i], NULL);
  fork_once();
  ck_assert_uint_eq(atomic_load(&wrong), 0);
  ck_assert_uint_gt(atomic_load(&lists), READERS);
  recsys_ranker_close(ranker);
  recsys_store_close(store);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ranker threads");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 100);
  tcase_add_loop_test(all, readers_and_a_writer, 0, sizeof algorithms / sizeof *algorithms);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
