/*
 * Every set of kernels against the plain definitions: integer sums and double sums must be equal to the last bit, and
 * the choice of rows must name each row whose true score is good enough.
 */
#include <check.h>
#include <stdio.h>

#include "base/random.h"
#include "rows_reference.h"
#include "store/kernels.h"

enum { STRIDES = 4, MOST_STRIDE = 65536, MOST_ROWS = RECSYS__BLOCK_ROWS };

static const size_t strides[STRIDES] = {64, 128, 512, 25088};

static const recsys__kernels *set_or_plain(int index) {
  const recsys__kernels *set = recsys__kernels_at((size_t)index);
  if (!set)
    printf("kernel set %d is not for this processor: the plain one is tested again\n", index);
  return set ? set : recsys__kernels_at(0);
}

static uint8_t *codes;
static int8_t *high, *low;

static void *aligned(size_t size) {
  void *memory = aligned_alloc(64, size);
  ck_assert_ptr_nonnull(memory);
  return memory;
}

static void set_up(void) {
  codes = aligned((size_t)MOST_ROWS * MOST_STRIDE);
  high = aligned(MOST_STRIDE);
  low = aligned(MOST_STRIDE);
}

static void tear_down(void) {
  free(codes);
  free(high);
  free(low);
}

static void expect_sums(const recsys__kernels *set, size_t stride, size_t rows, const uint8_t *ahead) {
  recsys__probe probe = {.high = high, .low = low};
  recsys__sums got;
  memset(&got, 0x55, sizeof got);
  set->sums(&got, codes, stride, rows, &probe, ahead);
  for (size_t r = 0; r < rows; r++) {
    int64_t h = 0, l = 0;
    for (size_t i = 0; i < stride; i++) {
      h += codes[r * stride + i] * high[i];
      l += codes[r * stride + i] * low[i];
    }
    ck_assert_msg(got.high[r] == h && got.low[r] == l, "%s, stride %zu, row %zu of %zu", set->name, stride, r, rows);
  }
}

START_TEST(integer_sums) {
  const recsys__kernels *set = set_or_plain(_i);
  recsys__random random;
  recsys__random_seed(&random, 1, 1);
  for (size_t s = 0; s < STRIDES; s++) {
    size_t stride = strides[s];
    for (size_t i = 0; i < MOST_ROWS * stride; i++)
      codes[i] = (uint8_t)(1 + recsys__random_below(&random, 255));
    for (size_t i = 0; i < stride; i++) {
      high[i] = (int8_t)((int)recsys__random_below(&random, 255) - 127);
      low[i] = (int8_t)((int)recsys__random_below(&random, 255) - 127);
    }
    for (size_t rows = 1; rows <= MOST_ROWS; rows += s < 2 ? 1 : 21)
      expect_sums(set, stride, rows, rows % 2 ? NULL : codes);
  }
}
END_TEST

/* The largest sums that can be: 255 x 127 x 65536 = 2122383360 < 2^31. */
START_TEST(largest_sums) {
  memset(codes, 255, (size_t)MOST_ROWS * MOST_STRIDE);
  memset(high, 127, MOST_STRIDE);
  memset(low, -127, MOST_STRIDE);
  expect_sums(set_or_plain(_i), MOST_STRIDE, 5, NULL);
}
END_TEST

/* Values whose sums depend on the order, and squares that a fused multiply-add would round otherwise. */
START_TEST(double_sums) {
  const recsys__kernels *set = set_or_plain(_i);
  recsys__random random;
  recsys__random_seed(&random, 2, 1);
  float *x = aligned(4096 * sizeof *x), *y = aligned(4096 * sizeof *y);
  for (size_t n = 16; n <= 4096; n *= 2)
    for (int round = 0; round < 20; round++) {
      for (size_t i = 0; i < n; i++) {
        x[i] = (float)ldexp(recsys__random_unit(&random) - 0.5, (int)recsys__random_below(&random, 60) - 30);
        y[i] = (float)ldexp(recsys__random_unit(&random) - 0.5, (int)recsys__random_below(&random, 60) - 30);
      }
      ck_assert(set->dot(x, y, n) == reference_sum(x, y, n, false));
      ck_assert(set->distance2(x, y, n) == reference_sum(x, y, n, true));
      ck_assert(set->dot(x, y, n) == set->dot(y, x, n) && set->distance2(x, y, n) == set->distance2(y, x, n));
    }
  free(x);
  free(y);
}
END_TEST

/* -- the choice of rows, from sums that are made up: row r has the estimate est[r] +- errors[r] */

typedef struct choice {
  recsys__sums sums;
  recsys__probe probe;
  float scales[MOST_ROWS], errors[MOST_ROWS];
  double norms[MOST_ROWS];
  recsys__bounds bounds;
} choice;

static void make_choice(choice *c, recsys__random *random) {
  memset(c, 0, sizeof *c);
  c->probe = (recsys__probe){.high_step = 1e-3F, .low_step = 4e-6F, .slack = 4e-6, .norm = 2.5};
  c->probe.high_zero = 128 * 1000;
  c->probe.low_zero = -128 * 77;
  for (size_t r = 0; r < MOST_ROWS; r++) {
    c->sums.high[r] = c->probe.high_zero + (int32_t)recsys__random_below(random, 2000000) - 1000000;
    c->sums.low[r] = c->probe.low_zero + (int32_t)recsys__random_below(random, 2000000) - 1000000;
    c->scales[r] = 1e-3F;
    c->errors[r] = (float)(recsys__random_unit(random) / 100);
    c->norms[r] = 5 * recsys__random_unit(random);
  }
  c->bounds = (recsys__bounds){c->scales, c->errors, c->norms};
}

/* The greatest cosine that row r can have. */
static double most(const choice *c, size_t r) {
  double h = c->sums.high[r] - c->probe.high_zero, l = c->sums.low[r] - c->probe.low_zero;
  double estimate = (double)c->scales[r] * ((double)c->probe.high_step * h + (double)c->probe.low_step * l);
  return fmin(1, estimate + (double)c->errors[r]);
}

/* The least distance, by the law of cosines. */
static double least(const choice *c, size_t r) {
  double a = c->probe.norm, b = c->norms[r];
  return sqrt(fmax(0, a * a + b * b - 2 * a * b * most(c, r)));
}

static void expect_choice(const choice *c, size_t rows, const uint8_t *chosen, size_t count, bool near, double bound) {
  size_t at = 0, extra = 0;
  for (size_t r = 0; r < rows; r++) {
    bool taken = at < count && chosen[at] == r;
    bool due = near ? least(c, r) <= bound : most(c, r) >= bound;
    bool close = near ? least(c, r) <= bound + 1e-3 : most(c, r) >= bound - 1e-5;
    ck_assert_msg(taken || !due, "row %zu of %zu is missing", r, rows);
    ck_assert_msg(!taken || close, "row %zu of %zu is far off", r, rows);
    at += taken;
    extra += taken && !due;
  }
  ck_assert_uint_eq(at, count); /* rising, none twice */
  ck_assert_uint_le(extra, 1 + rows / 10);
}

START_TEST(choice_of_rows) {
  const recsys__kernels *set = set_or_plain(_i);
  recsys__random random;
  recsys__random_seed(&random, 4, 1);
  choice c;
  uint8_t chosen[MOST_ROWS];
  for (size_t rows = 1; rows <= MOST_ROWS; rows++)
    for (int round = 0; round < 20; round++) {
      make_choice(&c, &random);
      double cosine = most(&c, recsys__random_below(&random, (uint32_t)rows));
      size_t count = set->select_cosine(chosen, &c.sums, rows, &c.bounds, &c.probe, cosine);
      expect_choice(&c, rows, chosen, count, false, cosine);
      double distance = least(&c, recsys__random_below(&random, (uint32_t)rows));
      count = set->select_euclidean(chosen, &c.sums, rows, &c.bounds, &c.probe, distance);
      expect_choice(&c, rows, chosen, count, true, distance);
      ck_assert_uint_eq(set->select_cosine(chosen, &c.sums, rows, &c.bounds, &c.probe, -INFINITY), rows);
      ck_assert_uint_eq(set->select_euclidean(chosen, &c.sums, rows, &c.bounds, &c.probe, INFINITY), rows);
      ck_assert_uint_eq(set->select_cosine(chosen, &c.sums, rows, &c.bounds, &c.probe, 1.5), 0);
    }
}
END_TEST

START_TEST(the_best_set_is_in_use) {
  const recsys__kernels *last = NULL;
  for (size_t i = 0; recsys__kernels_at(i); i++)
    last = recsys__kernels_at(i);
  ck_assert_str_eq(recsys__kernels_at(0)->name, "plain");
  ck_assert_ptr_eq(recsys__kernels_now(), last);
  recsys__kernels_force(recsys__kernels_at(0));
  ck_assert_ptr_eq(recsys__kernels_now(), recsys__kernels_at(0));
  recsys__kernels_force(NULL);
  ck_assert_ptr_eq(recsys__kernels_now(), last);
}
END_TEST

START_TEST(floats_are_rounded_down) {
  ck_assert(recsys__float_below(0.5) == 0.5F);
  ck_assert((double)recsys__float_below(0.1) <= 0.1 && (double)nextafterf(recsys__float_below(0.1), 1) > 0.1);
  ck_assert((double)recsys__float_below(-0.1) <= -0.1 && (double)nextafterf(recsys__float_below(-0.1), 1) > -0.1);
  ck_assert(recsys__float_below(-INFINITY) == -INFINITY);
  ck_assert_int_eq(recsys__code(126.5), 127);
  ck_assert_int_eq(recsys__code(-0.49), 0);
  ck_assert_int_eq(recsys__code(-1.5), -2);
  ck_assert_int_eq(recsys__code(127.6), 127);
  ck_assert_int_eq(recsys__code(-128.9), -127);
}
END_TEST

/* Codes are the same everywhere; what they leave out is the same sum in another order. */
START_TEST(codes_and_rests) {
  const recsys__kernels *set = set_or_plain(_i), *plain = recsys__kernels_at(0);
  recsys__random random;
  recsys__random_seed(&random, 9, 1);
  enum { MOST = 528 };
  float row[MOST];
  uint8_t got[MOST], wanted[MOST];
  for (size_t n = 16; n <= MOST; n += 16)
    for (int kind = 0; kind < 4; kind++) {
      for (size_t i = 0; i < n; i++) {
        row[i] = (float)(2 * recsys__random_unit(&random) - 1);
        row[i] = kind == 1 ? (float)((int)(row[i] * 128) + 0.5) : kind == 2 ? row[i] * 1e-30F : row[i];
      }
      float largest = plain->largest(row, n);
      ck_assert(largest == set->largest(row, n));
      double unit = kind == 1 ? 1 : 1 / (double)largest;
      float scale = kind == 1 ? 1 : kind == 3 ? 0 : 1.0F / 127;
      double rest = set->encode(got, row, n, unit, scale), other = plain->encode(wanted, row, n, unit, scale);
      ck_assert_mem_eq(got, wanted, n);
      ck_assert_double_eq_tol(rest, other, 1e-12 * other);
    }
}
END_TEST

START_TEST(largest_of_anything) {
  const recsys__kernels *set = set_or_plain(_i);
  float row[70];
  for (size_t n = 0; n <= 70; n++)
    for (size_t at = 0; at < n; at += 3) {
      for (size_t i = 0; i < n; i++)
        row[i] = i % 2 ? -0.5F : 0.25F;
      row[at] = -7;
      ck_assert(set->largest(row, n) == 7);
      row[at] = NAN;
      ck_assert(isnan(set->largest(row, n)));
      row[at] = -INFINITY;
      ck_assert(isinf(set->largest(row, n)));
    }
  ck_assert(set->largest(row, 0) == 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rows kernels");
  TCase *kernels = tcase_create("kernels");
  tcase_add_checked_fixture(kernels, set_up, tear_down);
  tcase_add_loop_test(kernels, codes_and_rests, 0, 3);
  tcase_add_loop_test(kernels, largest_of_anything, 0, 3);
  tcase_add_loop_test(kernels, integer_sums, 0, 3);
  tcase_add_loop_test(kernels, largest_sums, 0, 3);
  tcase_add_loop_test(kernels, double_sums, 0, 3);
  tcase_add_loop_test(kernels, choice_of_rows, 0, 3);
  tcase_add_test(kernels, the_best_set_is_in_use);
  tcase_add_test(kernels, floats_are_rounded_down);
  suite_add_tcase(suite, kernels);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
