/* Every allocation of fitting, recommending and explaining fails in turn: a status, and a ranker that goes on. */
#include "catalogue.h"

static const char *const algorithms[] = {
    "visual neighbours=8",
    "category field=group",
    "popular",
    "ease alpha=2 lambda=5",
    "content",
    "slim l1=0.1 l2=0.5 iterations=5",
    "item-knn weight=tfidf",
    "user-knn weight=bm25",
    "als factors=4 iterations=2 solver=cholesky",
    "pure-svd factors=4",
    "svd factors=2",
    "vbpr factors=4 iterations=1",
    "next",
    "content form=primal",
    "popular decay=1 new_items=0.5",
    "blend parts=\"item-knn; popular\" by_length=1",
    "blend parts=\"visual neighbours=8; popular\" by=ranks",
};
enum { COUNT = sizeof algorithms / sizeof *algorithms, K = 5 };

static recsys_error error;

static recsys_status everything(recsys_store *store, const char *algorithm) {
  recsys_ranker *ranker = NULL;
  recsys_ranker_options options = {.struct_size = sizeof options, .threads = 1};
  int64_t users[2] = {1, 4}, items[2] = {3, 8}, ids[2 * K];
  double scores[2 * K], score;
  uint32_t counts[2];
  uint64_t offsets[2] = {0, 2};
  recsys_reason reasons[ITEMS];
  size_t n;
  char text[1000];
  recsys_status status = recsys_ranker_create(&ranker, store, algorithm, &options, &error);
  if (!status)
    status = recsys_ranker_fit(ranker, NULL, &error);
  if (!status)
    status = recsys_ranker_recommend(ranker, users, 2, K, NULL, ids, scores, counts, NULL, &error);
  if (!status)
    status =
        recsys_ranker_recommend_from(ranker, offsets, items, NULL, NULL, 1, K, NULL, ids, scores, counts, NULL, &error);
  if (!status)
    status = recsys_ranker_score(ranker, 1, items, 2, NULL, scores, &error);
  if (!status)
    status = recsys_ranker_explain(ranker, 1, ids[0], NULL, reasons, ITEMS, &n, &score, &error);
  if (!status)
    status = recsys_ranker_refresh(ranker, NULL, &error);
  if (!status)
    status = recsys_ranker_describe(ranker, text, sizeof text, NULL, &error);
  recsys_ranker_close(ranker);
  return status;
}

START_TEST(each_allocation) {
  recsys_store *store = open_catalogue(":memory:");
  size_t n = 1;
  for (;; n += n < 60 ? 1 : n / 20) { /* the first ones all, then every few: there are thousands of the same kind */
    recsys__fail_allocation(n, n % 2);
    recsys_status status = everything(store, algorithms[_i]);
    bool reached = recsys__fail_allocation(0, false) >= n;
    if (status)
      ck_assert_msg(status == RECSYS_ENOMEM, "allocation %zu: %s %s", n, recsys_status_name(status), error.message);
    if (!reached)
      break;
  }
  ck_assert_uint_gt(n, 5);
  ck_assert_int_eq(everything(store, algorithms[_i]), RECSYS_OK);
  recsys_store_close(store);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ranker memory");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 100);
  tcase_add_loop_test(all, each_allocation, 0, COUNT);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
