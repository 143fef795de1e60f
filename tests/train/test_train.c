/* Losses and metrics against scikit-learn and NumPy; the division of examples; heads that learn. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "expected.h"
#include "train/fit.h"
#include "train/metrics.h"

static const recsys__field fields[] = {{0, 2, false}, {2, 3, true}};
static const recsys__labels example = {fields, 2, LABELS, matrix};

START_TEST(losses) {
  uint32_t all[EXAMPLES];
  recsys__loss_term terms[2] = {{0, 0}}, whole[2];
  float gradient[EXAMPLES * LABELS], moved[EXAMPLES * LABELS];
  for (uint32_t i = 0; i < EXAMPLES; i++)
    all[i] = i;
  ck_assert_uint_eq(recsys__loss_terms(&example), 2);
  recsys__loss_add(&example, weights, all, 25, logits, terms); /* batches add up */
  recsys__loss_add(&example, weights, all + 25, EXAMPLES - 25, logits + 25 * LABELS, terms);
  ck_assert_double_eq_tol(recsys__loss_value(terms, 2), expected_loss, 1e-12);
  ck_assert_int_eq(recsys__loss_gradient(2, &example, weights, all, EXAMPLES, logits, gradient, whole, NULL),
                   RECSYS_OK);
  double value = recsys__loss_value(whole, 2);
  ck_assert_double_eq_tol(value, expected_loss, 1e-12);
  /* The gradient is the slope: a small step along each logit. */
  for (size_t k = 0; k < EXAMPLES * LABELS; k++) {
    recsys__loss_term slope[2] = {{0, 0}};
    memcpy(moved, logits, sizeof moved);
    moved[k] += 0.01f;
    recsys__loss_add(&example, weights, all, EXAMPLES, moved, slope);
    double step = (double)moved[k] - (double)logits[k];
    ck_assert_double_eq_tol((recsys__loss_value(slope, 2) - value) / step, gradient[k], 1e-4);
    ck_assert(matrix[k] != RECSYS_LABEL_UNKNOWN || gradient[k] == 0);
  }
}
END_TEST

START_TEST(metrics_are_scikit_learns) {
  uint8_t decisions[EXAMPLES * LABELS];
  recsys_label_metrics m[LABELS + 2];
  double found[LABELS] = {0};
  for (size_t c = 0; c < 2; c++) {
    ck_assert_int_eq(recsys__best_threshold(&example, scores, NULL, EXAMPLES, c, -1, &found[c], NULL), RECSYS_OK);
    ck_assert_double_eq_tol(found[c], thresholds[c], 1e-7);
  }
  recsys__decide(&example, scores, EXAMPLES, found, decisions);
  ck_assert_int_eq(recsys__measure_labels(&example, scores, decisions, NULL, EXAMPLES, m, NULL), RECSYS_OK);
  for (size_t c = 0; c < LABELS + 2; c++) {
    const double *e = expected[c];
    ck_assert_uint_eq(m[c].known, (uint64_t)e[0]);
    ck_assert_uint_eq(m[c].support, (uint64_t)e[1]);
    ck_assert_double_eq_tol(m[c].accuracy, e[2], 1e-12);
    ck_assert_double_eq_tol(m[c].precision, e[3], 1e-12);
    ck_assert_double_eq_tol(m[c].recall, e[4], 1e-12);
    ck_assert_double_eq_tol(m[c].f1, e[5], 1e-12);
    ck_assert_double_eq_tol(m[c].average_precision, e[6], 1e-12);
  }
}
END_TEST

/* Thresholds come from other parts than the one that is left out. */
START_TEST(thresholds_leave_a_part_out) {
  const recsys__field one = {0, 1, false};
  const int8_t known[4] = {1, 0, 1, 0};
  const recsys__labels labels = {&one, 1, 1, known};
  const float s[4] = {0.8f, 0.4f, 0.2f, 0.1f};
  const int32_t part[4] = {0, 0, 1, 1};
  double threshold;
  ck_assert_int_eq(recsys__best_threshold(&labels, s, part, 4, 0, 1, &threshold, NULL), RECSYS_OK);
  ck_assert_double_eq_tol(threshold, 0.6, 1e-6);
  ck_assert_int_eq(recsys__best_threshold(&labels, s, part, 4, 0, 0, &threshold, NULL), RECSYS_OK);
  ck_assert_double_eq_tol(threshold, 0.15, 1e-6);
}
END_TEST

/* F1 is 2/3 above 0.8 and again above 0.1: the lower threshold. */
START_TEST(of_equal_thresholds_the_lowest) {
  const recsys__field one = {0, 1, false};
  const int8_t known[4] = {1, 0, 0, 1};
  const recsys__labels labels = {&one, 1, 1, known};
  const float s[4] = {0.8f, 0.4f, 0.2f, 0.1f};
  double threshold;
  ck_assert_int_eq(recsys__best_threshold(&labels, s, NULL, 4, 0, -1, &threshold, NULL), RECSYS_OK);
  ck_assert_double_eq_tol(threshold, 0.05, 1e-6);
}
END_TEST

START_TEST(weights_of_labels) {
  const int8_t known[8 * 3] = {1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, -1, 0, 1, 0, 0, 1, -1, 0, 1};
  const recsys__field two[] = {{0, 1, false}, {1, 2, true}};
  const recsys__labels labels = {two, 2, 3, known};
  const uint32_t all[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  float w[3];
  recsys__label_weights(&labels, all, 8, 1, w);
  ck_assert_float_eq_tol(w[0], 5, 1e-6);           /* 5 absent, 1 present */
  ck_assert_float_eq_tol(w[1], 8.0 / 2 / 3, 1e-6); /* 8 examples, 2 labels, 3 have it */
  ck_assert_float_eq_tol(w[2], 8.0 / 2 / 5, 1e-6);
  recsys__label_weights(&labels, all, 8, 0, w);
  ck_assert(w[0] == 1 && w[1] == 1 && w[2] == 1);
}
END_TEST

START_TEST(parts_have_their_share) {
  enum { N = 1000, C = 4 };
  static int8_t known[N * C];
  static uint32_t groups[N];
  static int32_t parts[N], again[N];
  static const double rates[C] = {0.5, 0.2, 0.05, 0.01};
  const double shares[5] = {0.2, 0.2, 0.2, 0.2, 0.2};
  const recsys__field all = {0, C, false};
  const recsys__labels labels = {&all, 1, C, known};
  recsys__random random;
  size_t of_label[5][C] = {{0}}, total[C] = {0}, of_part[5] = {0};
  recsys__random_seed(&random, 3, 3);
  for (size_t i = 0; i < N; i++) {
    groups[i] = (uint32_t)(i % 3 == 2 ? i - 1 : i); /* every third is a twin of the one before */
    for (size_t c = 0; c < C; c++)
      known[i * C + c] = i % 3 == 2 ? known[(i - 1) * C + c] : recsys__random_unit(&random) < rates[c];
  }
  ck_assert_int_eq(recsys__stratify(&labels, groups, N, shares, 5, 7, parts, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__stratify(&labels, groups, N, shares, 5, 7, again, NULL), RECSYS_OK);
  ck_assert_mem_eq(parts, again, sizeof parts);
  for (size_t i = 0; i < N; i++) {
    ck_assert(parts[i] >= 0 && parts[i] < 5);
    ck_assert_int_eq(parts[i], parts[groups[i]]);
    of_part[parts[i]]++;
    for (size_t c = 0; c < C; c++) {
      of_label[parts[i]][c] += known[i * C + c] == 1;
      total[c] += known[i * C + c] == 1;
    }
  }
  for (size_t p = 0; p < 5; p++) {
    ck_assert_double_eq_tol((double)of_part[p], N / 5.0, 4);
    for (size_t c = 0; c < C; c++)
      ck_assert_double_eq_tol((double)of_label[p][c], (double)total[c] / 5, 2.5);
  }
}
END_TEST

/* -- fitting: two rings of points, which no straight line tells apart */

typedef struct rings {
  float x[400][2];
  int8_t known[400];
  uint32_t order[400];
} rings;

static recsys_status read_rings(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                                size_t first, float *rows, recsys_error *error) {
  const rings *r = context;
  (void)learning, (void)epoch, (void)first, (void)error;
  for (size_t i = 0; i < n; i++)
    memcpy(rows + 2 * i, r->x[examples[i]], sizeof r->x[0]);
  return RECSYS_OK;
}

static void make_rings(rings *r) {
  recsys__random random;
  recsys__random_seed(&random, 1, 1);
  for (uint32_t i = 0; i < 400; i++) {
    double angle = 6.28 * recsys__random_unit(&random), radius = (i % 2 ? 1 : 2) + 0.3 * recsys__random_unit(&random);
    r->x[i][0] = (float)(radius * cos(angle));
    r->x[i][1] = (float)(radius * sin(angle));
    r->known[i] = i % 2 == 0;
    r->order[i] = i;
  }
}

typedef struct run {
  rings data;
  recsys__field field;
  recsys__labels labels;
  recsys__head head;
  recsys__fitting fit;
  recsys__epoch_losses history[60];
  uint32_t stop_after; /* epochs; 0: never */
  int calls;
} run;

static int watch(void *user, const recsys__moment *m) {
  run *r = user;
  r->calls++;
  ck_assert(m->step >= 1 && m->step <= m->steps && m->epoch >= 1 && m->epoch <= m->epochs);
  return r->stop_after && m->epoch == r->stop_after && m->step == m->steps;
}

static const float ones[1] = {1};

static void start(run *r, uint32_t threads) {
  make_rings(&r->data);
  r->field = (recsys__field){0, 1, false};
  r->labels = (recsys__labels){&r->field, 1, 1, r->data.known};
  ck_assert_int_eq(recsys__head_init(&r->head, 2, 32, 1, false, 50, false, 9, NULL), RECSYS_OK);
  r->head.threads = threads;
  r->head.dropout = 0.1;
  r->fit = (recsys__fitting){.threads = threads,
                             .epochs = 60,
                             .patience = 20,
                             .batch = 50,
                             .rate = 0.2,
                             .seed = 4,
                             .optimiser = {.momentum = 0.9},
                             .head = &r->head,
                             .features = {.context = &r->data, .read = read_rings},
                             .targets = {.labels = &r->labels, .weights = ones},
                             .training = r->data.order,
                             .training_count = 300,
                             .validation = r->data.order + 300,
                             .validation_count = 100,
                             .progress = watch,
                             .user = r,
                             .history = r->history};
}

START_TEST(a_hidden_layer_learns_rings) {
  static run a, b;
  recsys_error error;
  start(&a, 1);
  ck_assert_int_eq(recsys__fit_run(&a.fit, &error), RECSYS_OK);
  ck_assert_double_lt(a.fit.best_loss, 0.05);
  ck_assert_int_gt(a.calls, 0);
  for (uint32_t e = 0; e < a.fit.epoch; e++)
    ck_assert_double_ge(a.history[e].validation, a.fit.best_loss);
  double loss;
  ck_assert_int_eq(recsys__fit_loss(&a.fit, a.data.order + 300, 100, &loss, &error), RECSYS_OK);
  ck_assert_double_eq(loss, a.fit.best_loss); /* the best epoch's weights */
  start(&b, 2);
  ck_assert_int_eq(recsys__fit_run(&b.fit, &error), RECSYS_OK);
  for (uint32_t i = 0; i < 4; i++)
    ck_assert_mem_eq(a.head.parameters[i].value, b.head.parameters[i].value, a.head.parameters[i].n * sizeof(float));
  recsys__head_free(&a.head);
  recsys__head_free(&b.head);
}
END_TEST

START_TEST(cancelled_and_not_finite) {
  static run r;
  recsys_error error;
  start(&r, 1);
  r.stop_after = 3;
  ck_assert_int_eq(recsys__fit_run(&r.fit, &error), RECSYS_ECANCELLED);
  ck_assert_uint_eq(r.fit.epoch, 3);
  recsys__head_free(&r.head);
  start(&r, 1);
  r.stop_after = 0;
  r.fit.rate = 1e30;
  ck_assert_int_eq(recsys__fit_run(&r.fit, &error), RECSYS_EINVAL);
  ck_assert_ptr_nonnull(strstr(error.message, "learning rate"));
  recsys__head_free(&r.head);
}
END_TEST

static recsys_status read_targets(void *context, const uint32_t *examples, size_t n, float *rows, recsys_error *error) {
  const float *all = context;
  (void)error;
  for (size_t i = 0; i < n; i++)
    memcpy(rows + 3 * i, all + 3 * examples[i], 3 * sizeof *rows);
  return RECSYS_OK;
}

/* Without a hidden layer and a bias, rows of a linear map are found again. */
START_TEST(rows_are_reproduced) {
  static run r;
  static float rows[400 * 3];
  recsys_error error;
  make_rings(&r.data);
  for (size_t i = 0; i < 400; i++)
    for (size_t k = 0; k < 3; k++)
      rows[3 * i + k] = 5 * (r.data.x[i][0] * (k == 0) + r.data.x[i][1] * (k == 1) + r.data.x[i][0] * (k == 2));
  ck_assert_int_eq(recsys__head_init(&r.head, 2, 0, 3, true, 50, false, 2, NULL), RECSYS_OK);
  r.fit = (recsys__fitting){.threads = 1,
                            .epochs = 60,
                            .batch = 50,
                            .rate = 0.02,
                            .optimiser = {.kind = RECSYS_OPTIMISER_ADAMW},
                            .head = &r.head,
                            .features = {.context = &r.data, .read = read_rings},
                            .targets = {.read = read_targets, .context = rows},
                            .training = r.data.order,
                            .training_count = 300,
                            .validation = r.data.order + 300,
                            .validation_count = 100,
                            .history = r.history};
  ck_assert_int_eq(recsys__fit_run(&r.fit, &error), RECSYS_OK);
  ck_assert_double_lt(r.fit.best_loss, 1e-4);
  recsys__head_free(&r.head);
}
END_TEST

START_TEST(memory_failures) {
  static run r;
  size_t made;
  recsys__fail_allocation(0, false);
  for (size_t at = 1;; at++) {
    recsys_status status;
    make_rings(&r.data);
    recsys__fail_allocation(at, false);
    status = recsys__head_init(&r.head, 2, 8, 1, false, 50, true, 9, NULL);
    made = recsys__fail_allocation(0, false);
    if (status == RECSYS_OK)
      break;
    ck_assert_int_eq(status, RECSYS_ENOMEM);
  }
  ck_assert_uint_ge(made, 20);
  recsys__head_free(&r.head);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("train");
  TCase *all = tcase_create("all");
  suite_add_tcase(suite, all);
  tcase_add_test(all, losses);
  tcase_add_test(all, metrics_are_scikit_learns);
  tcase_add_test(all, thresholds_leave_a_part_out);
  tcase_add_test(all, of_equal_thresholds_the_lowest);
  tcase_add_test(all, weights_of_labels);
  tcase_add_test(all, parts_have_their_share);
  tcase_add_test(all, a_hidden_layer_learns_rings);
  tcase_add_test(all, cancelled_and_not_finite);
  tcase_add_test(all, rows_are_reproduced);
  tcase_add_test(all, memory_failures);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
