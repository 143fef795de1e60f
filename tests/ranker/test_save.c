/* A fitted ranker as a file: the same lists afterwards, also over a store that has grown; other stores and damaged
 * files are refused. */
#include "base/random.h"
#include "catalogue.h"

static const char *const algorithms[] = {
    "auto",
    "visual neighbours=8 within_labels=group max_distance=0.9",
    "category field=group metric=euclidean",
    "popular by=mean",
    "ease alpha=2 lambda=5 labels=group",
    "content",
    "slim l1=0.1 l2=0.5",
    "item-knn neighbours=8",
    "user-knn neighbours=6 weight=tfidf",
    "rp3beta",
    "als factors=6",
    "pure-svd factors=5",
    "svd factors=3",
    "bpr factors=6 iterations=5",
    "vbpr factors=6 iterations=5",
    "next",
    "content form=primal",
    "content form=primal picture_weight=0 columns=7",
    "als factors=6 new_items=0.3 half_life=7 events=view:2",
    "popular decay=0.01",
    "blend parts=\"ease alpha=2 lambda=5; item-knn neighbours=8; popular\" weights=1,0.5,0.1",
    "blend parts=\"visual neighbours=8; user-knn neighbours=6; svd factors=3\" by_length=1 new_items=0.2",
    "blend parts=\"ease; bpr factors=6 iterations=5\" by=ranks",
};
enum { COUNT = sizeof algorithms / sizeof *algorithms, K = 10 };

static recsys_error error;
static recsys_store *store;
static const char *path;

static void setup(void) {
  store = open_catalogue(":memory:");
  path = fresh_path();
}
static void teardown(void) {
  recsys_store_close(store);
  remove_path(path);
}

static void lists_of(recsys_ranker *ranker, int64_t *ids, double *scores) {
  int64_t users[USERS + 1];
  uint32_t counts[USERS + 1];
  for (int64_t u = 0; u <= USERS; u++)
    users[u] = u;
  ck_ok(recsys_ranker_recommend(ranker, users, USERS + 1, K, NULL, ids, scores, counts, NULL, &error));
}

START_TEST(saved_and_opened) {
  static int64_t before[(USERS + 1) * K], after[(USERS + 1) * K];
  static double x[(USERS + 1) * K], y[(USERS + 1) * K];
  char described[6000], again[6000];
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]), *opened = NULL;
  lists_of(ranker, before, x);
  ck_ok(recsys_ranker_save(ranker, path, &error));
  ck_ok(recsys_ranker_open(&opened, store, path, NULL, &error));
  lists_of(opened, after, y);
  ck_assert_mem_eq(before, after, sizeof before);
  ck_assert_mem_eq(x, y, sizeof x);
  if (_i) { /* of auto, what was chosen is saved */
    ck_ok(recsys_ranker_describe(ranker, described, sizeof described, NULL, &error));
    ck_ok(recsys_ranker_describe(opened, again, sizeof again, NULL, &error));
    ck_assert_str_eq(described, again);
  }
  /* The store grows: a new user is folded in, and an item that is new is no reason to refuse. */
  int64_t user = 500, item = 7, fresh = 4000;
  float five = 5, row[DIM];
  row_of(fresh, 0, row, DIM);
  ck_ok(recsys_store_put_ratings(store, &user, &item, &five, NULL, 1, NULL, &error));
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, &fresh, NULL, row, 1, &error));
  recsys_ranker_close(opened);
  ck_ok(recsys_ranker_open(&opened, store, path, NULL, &error));
  int64_t a[K], b[K];
  uint32_t count;
  ck_ok(recsys_ranker_recommend(ranker, &user, 1, K, NULL, a, x, &count, NULL, &error));
  ck_ok(recsys_ranker_recommend(opened, &user, 1, K, NULL, b, y, &count, NULL, &error));
  ck_assert_mem_eq(a, b, sizeof a);
  recsys_ranker_close(ranker);
  recsys_ranker_close(opened);
}
END_TEST

START_TEST(another_store) {
  recsys_ranker *ranker = open_ranker(store, "ease alpha=2 lambda=5"), *opened = NULL;
  recsys_store *other = open_store(":memory:");
  ck_ok(recsys_ranker_save(ranker, path, &error));
  put_items(other, 50, 60);
  ck_fails(recsys_ranker_open(&opened, other, path, NULL, &error), RECSYS_EMISMATCH, "another store");
  ck_assert_ptr_null(opened);
  recsys_store_close(other);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(refusals) {
  recsys_ranker *ranker = NULL, *opened = NULL;
  ck_ok(recsys_ranker_create(&ranker, store, "popular", NULL, &error));
  ck_fails(recsys_ranker_save(ranker, path, &error), RECSYS_ENOTFITTED, "fit");
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  ck_fails(recsys_ranker_save(ranker, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_ranker_save(NULL, path, &error), RECSYS_EINVAL, "NULL");
  ck_assert_int_lt(recsys_ranker_save(ranker, "/no/such/folder/file", &error), 0);
  ck_assert_ptr_nonnull(strstr(error.message, "/no/such/folder/file"));
  ck_fails(recsys_ranker_open(&opened, store, path, NULL, &error), RECSYS_ENOTFOUND, path);
  ck_fails(recsys_ranker_open(NULL, store, path, NULL, &error), RECSYS_EINVAL, "NULL");
  ck_fails(recsys_ranker_open(&opened, NULL, path, NULL, &error), RECSYS_EINVAL, "NULL");
  recsys_ranker_close(ranker);
}
END_TEST

static char *read_all(size_t *size) {
  static char data[1 << 20];
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  *size = fread(data, 1, sizeof data, file);
  fclose(file);
  return data;
}

static void write_all(const char *data, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  fclose(file);
}

/* Any flipped bit is seen, by the structure or by the digest; any cut, too. */
START_TEST(damaged_files) {
  size_t size;
  recsys__random random;
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]), *opened = NULL;
  ck_ok(recsys_ranker_save(ranker, path, &error));
  char *good = read_all(&size), *bad = malloc(size);
  recsys__random_seed(&random, 5, (uint64_t)_i);
  for (int round = 0; round < 60; round++) {
    memcpy(bad, good, size);
    size_t at = recsys__random_below(&random, (uint32_t)(round % 2 ? size : 900 < size ? 900 : size)), length = size;
    if (round % 5 == 0)
      length = at;
    else
      bad[at] ^= (char)(1u << recsys__random_below(&random, 8));
    write_all(bad, length);
    recsys_status status = recsys_ranker_open(&opened, store, path, NULL, &error);
    if (status) {
      ck_assert_ptr_null(opened);
      ck_assert_msg(*error.message, "round %d: no message", round);
    } else { /* a bit of a setting that is still a setting: it must work */
      int64_t user = 3, ids[K];
      double scores[K];
      uint32_t count;
      ck_ok(recsys_ranker_recommend(opened, &user, 1, K, NULL, ids, scores, &count, NULL, &error));
    }
    recsys_ranker_close(opened);
    opened = NULL;
  }
  free(bad);
  recsys_ranker_close(ranker);
}
END_TEST

START_TEST(memory_failures) {
  recsys_ranker *ranker = open_ranker(store, algorithms[_i]);
  ck_ok(recsys_ranker_save(ranker, path, &error));
  for (size_t n = 1;; n++) {
    recsys_ranker *opened = NULL;
    recsys__fail_allocation(n, true);
    recsys_status status = recsys_ranker_save(ranker, path, &error);
    if (!status)
      status = recsys_ranker_open(&opened, store, path, NULL, &error);
    bool reached = recsys__fail_allocation(0, false) >= n;
    if (status)
      ck_assert_msg(status == RECSYS_ENOMEM, "allocation %zu: %s", n, error.message);
    recsys_ranker_close(opened);
    if (!reached)
      break;
  }
  recsys_ranker_close(ranker);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("save");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_loop_test(all, saved_and_opened, 0, COUNT);
  tcase_add_test(all, another_store);
  tcase_add_test(all, refusals);
  tcase_add_loop_test(all, damaged_files, 0, COUNT);
  tcase_add_loop_test(all, memory_failures, 0, COUNT);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
