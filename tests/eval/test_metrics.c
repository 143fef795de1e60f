/* Each metric against scikit-learn and plain definitions (make_expected.py); the statistics against hand derivations.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "eval/metrics.h"
#include "eval/statistics.h"
#include "expected.h"

START_TEST(cut_metrics) {
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    uint32_t hits[50];
    size_t n = 0;
    double got[RECSYS__CUT_METRICS];
    for (size_t i = 0; i < cases[c].n; i++)
      if (cases[c].rel[i])
        hits[n++] = (uint32_t)i;
    recsys__cut_metrics(hits, n, cases[c].relevant, cases[c].k, got);
    for (int m = 0; m < RECSYS__CUT_METRICS; m++)
      ck_assert_msg(fabs(got[m] - cases[c].values[m]) < 1e-12, "case %zu, %s: %.17g, not %.17g", c,
                    recsys__cut_metric_names[m], got[m], cases[c].values[m]);
  }
}
END_TEST

START_TEST(lists_that_miss) {
  double got[RECSYS__CUT_METRICS];
  uint32_t late[2] = {7, 9};
  recsys__cut_metrics(NULL, 0, 4, 5, got);
  for (int m = 0; m < RECSYS__CUT_METRICS; m++)
    ck_assert_double_eq(got[m], 0);
  recsys__cut_metrics(late, 2, 2, 5, got); /* found, but past k */
  for (int m = 0; m < RECSYS__CUT_METRICS; m++)
    ck_assert_double_eq(got[m], 0);
}
END_TEST

START_TEST(auc) {
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    double got = recsys__auc(cases[c].scores, cases[c].rel, cases[c].n, cases[c].relevant, cases[c].n);
    if (isnan(cases[c].auc))
      ck_assert_double_nan(got);
    else
      ck_assert_double_eq_tol(got, cases[c].auc, 1e-12);
  }
  /* 2 listed of 5 candidates, 1 of 2 relevant listed first: pairs (r1, 3 others) all right; r2 ties with the two
   * unlisted others and loses to the listed one: (3 + 0 + 2 / 2) / 6. */
  double scores[2] = {3, 1};
  uint8_t relevant[2] = {1, 0};
  ck_assert_double_eq_tol(recsys__auc(scores, relevant, 2, 2, 5), 4.0 / 6, 1e-15);
}
END_TEST

START_TEST(gini) {
  for (size_t c = 0; c < sizeof unequal / sizeof *unequal; c++) {
    double counts[8];
    memcpy(counts, unequal[c].counts, sizeof counts);
    ck_assert_double_eq_tol(recsys__gini(counts, unequal[c].n), unequal[c].gini, 1e-12);
  }
  ck_assert_double_eq(recsys__gini(NULL, 0), 0);
}
END_TEST

START_TEST(bootstrap) {
  /* Of n equal parts 0 and 1 the mean's deviation is .5 / sqrt(n): 1.96 of them on each side. */
  double x[400], w[400], low, high, again, more;
  for (int i = 0; i < 400; i++) {
    x[i] = i % 2;
    w[i] = 1;
  }
  ck_assert(recsys__bootstrap(x, w, 400, 1, &low, &high));
  ck_assert_double_eq_tol(low, 0.5 - 1.96 * 0.025, 0.006);
  ck_assert_double_eq_tol(high, 0.5 + 1.96 * 0.025, 0.006);
  ck_assert(recsys__bootstrap(x, w, 400, 1, &again, &more));
  ck_assert(again == low && more == high); /* the same seed, the same interval */
  ck_assert(recsys__bootstrap(x, w, 0, 1, &low, &high));
  ck_assert(isnan(low) && isnan(high));
}
END_TEST

START_TEST(sign_flip) {
  /* All 6 differences of one sign and size: 2 of 64 flips are as large, p = 1 / 32. */
  double same[6] = {1, 1, 1, 1, 1, 1}, none[3] = {0, 0, 0}, mixed[4] = {1, -1, 1, -1};
  ck_assert_double_eq_tol(recsys__sign_flip(same, 6, 1), 1.0 / 32, 0.006);
  ck_assert_double_eq(recsys__sign_flip(none, 3, 1), 1);
  ck_assert_double_eq(recsys__sign_flip(mixed, 4, 1), 1); /* a sum of 0 is never exceeded */
}
END_TEST

START_TEST(holm) {
  /* Sorted .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04; running maximum .04 .06 .06 .06. */
  double p[4] = {0.04, 0.01, 0.03, 0.02}, expected[4] = {0.06, 0.04, 0.06, 0.06}, large[2] = {0.9, 0.8};
  ck_assert(recsys__holm(p, 4));
  for (int i = 0; i < 4; i++)
    ck_assert_double_eq_tol(p[i], expected[i], 1e-15);
  ck_assert(recsys__holm(large, 2));
  ck_assert(large[0] == 1 && large[1] == 1);
}
END_TEST

START_TEST(corrected_deviation) {
  /* Variance of 1 2 3 4 is 5 / 3; times (1 / 4 + 20 / 80) is 5 / 6. */
  double means[4] = {1, 2, 3, 4};
  ck_assert_double_eq_tol(recsys__corrected_deviation(means, 4, 20, 80), sqrt(5.0 / 6), 1e-15);
  ck_assert_double_eq(recsys__corrected_deviation(means, 1, 20, 80), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("metrics");
  TCase *all = tcase_create("all");
  tcase_add_test(all, cut_metrics);
  tcase_add_test(all, lists_that_miss);
  tcase_add_test(all, auc);
  tcase_add_test(all, gini);
  tcase_add_test(all, bootstrap);
  tcase_add_test(all, sign_flip);
  tcase_add_test(all, holm);
  tcase_add_test(all, corrected_deviation);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
