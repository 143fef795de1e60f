/*
 * Sketches of rows against cosines in double: the bound that they give holds for every pair of every kind of row, is
 * close where rows have directions in common, and the order brings alike rows together.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "rows_kinds.h"
#include "store/kernels.h"
#include "store/sketch.h"

enum { DIM = RECSYS__SKETCH_DIM };

/* Rows near one of `groups` random ones, in turn, off by `spread` in every number. */
static recsys__rows *grouped(size_t dim, size_t count, size_t groups, float spread) {
  recsys__rows *rows = recsys__rows_new((uint32_t)dim);
  recsys__random centre, own;
  float *row = malloc(dim * sizeof *row);
  recsys__random_seed(&own, 1, 1);
  for (size_t i = 0; i < count; i++) {
    recsys__random_seed(&centre, 2, i % groups);
    for (size_t d = 0; d < dim; d++)
      row[d] = signed_unit(&centre) + spread * signed_unit(&own);
    ck_assert(recsys__rows_put(rows, (int64_t)i, 0, row));
  }
  free(row);
  return rows;
}

static recsys__rows *of_kind(int kind, size_t dim, size_t count) {
  recsys__rows *rows = recsys__rows_new((uint32_t)dim);
  recsys__random random;
  float *row = malloc(dim * sizeof *row);
  recsys__random_seed(&random, 3, (uint64_t)kind);
  for (size_t i = 0; i < count; i++) {
    make_row(&random, kind, dim, row);
    ck_assert(recsys__rows_put(rows, (int64_t)i, 0, row));
  }
  free(row);
  return rows;
}

static double cosine(const recsys__rows *rows, size_t i, size_t j) {
  const float *x = recsys__rows_get(rows, (int64_t)i, 0), *y = recsys__rows_get(rows, (int64_t)j, 0);
  double dot = 0, xx = 0, yy = 0;
  for (size_t d = 0; d < recsys__rows_dim(rows); d++) {
    dot += (double)x[d] * (double)y[d];
    xx += (double)x[d] * (double)x[d];
    yy += (double)y[d] * (double)y[d];
  }
  return dot / sqrt(xx) / sqrt(yy);
}

static double bound(const recsys__sketch *s, size_t a, size_t b) {
  double dot = 0;
  for (size_t d = 0; d < DIM; d++)
    dot += (double)((s->codes[a * DIM + d] - RECSYS__CODE_ZERO) * (s->codes[b * DIM + d] - RECSYS__CODE_ZERO));
  return (double)s->scales[a] * (double)s->scales[b] * dot + (double)s->tails[a] * (double)s->tails[b] +
         (double)s->errors[a] * (1 + (double)s->errors[b]) + (double)s->errors[b];
}

/* Rows were put in by rising item, so row i is item i. Returns the mean of what the bounds are too high. */
static double expect_bounds(const recsys__rows *rows, const recsys__sketch *s) {
  size_t n = rows->count, pairs = 0;
  double sum = 0;
  for (size_t a = 0; a < n; a += 7)
    for (size_t b = a; b < n; b += 11) {
      double exact = cosine(rows, s->order[a], s->order[b]), most = bound(s, a, b);
      ck_assert_msg(most >= exact - 1e-12, "places %zu and %zu: bound %.9g, cosine %.9g", a, b, most, exact);
      sum += most - exact;
      pairs++;
    }
  return sum / (double)pairs;
}

static void expect_permutation(const recsys__sketch *s, size_t n) {
  bool *seen = calloc(n, sizeof *seen);
  for (size_t place = 0; place < n; place++) {
    ck_assert_uint_lt(s->order[place], n);
    ck_assert(!seen[s->order[place]]);
    seen[s->order[place]] = true;
  }
  free(seen);
}

START_TEST(bounds_of_every_kind_of_row) {
  static const size_t dims[] = {128, 200, 1024};
  for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
    recsys__rows *rows = of_kind(_i, dims[i], 1100);
    ck_assert(recsys__sketch_pays(rows));
    recsys__sketch s;
    ck_assert(recsys__sketch_make(&s, rows, 2));
    expect_permutation(&s, rows->count);
    (void)expect_bounds(rows, &s);
    recsys__sketch_free(&s);
    recsys__ref_release(rows);
  }
}
END_TEST

/* 30 directions and a little noise: sketches see nearly all. */
START_TEST(bounds_are_close_where_directions_are_common) {
  recsys__rows *rows = grouped(512, 5000, 30, 0.1F);
  recsys__sketch s;
  ck_assert(recsys__sketch_make(&s, rows, 2));
  ck_assert_double_lt(expect_bounds(rows, &s), 0.03);
  for (size_t place = 0; place < rows->count; place++)
    ck_assert_double_lt((double)s.tails[place], 0.15); /* the noise is a tenth of a row's length */
  recsys__sketch_free(&s);
  recsys__ref_release(rows);
}
END_TEST

START_TEST(alike_rows_lie_together) {
  recsys__rows *rows = grouped(256, 6000, 20, 0.5F);
  recsys__sketch s;
  ck_assert(recsys__sketch_make(&s, rows, 2));
  size_t changes = 0;
  for (size_t place = 1; place < rows->count; place++)
    changes += s.order[place] % 20 != s.order[place - 1] % 20;
  ck_assert_uint_lt(changes, 1500); /* 19 if each group had a cluster of its own; 5,999 as they were put in */
  recsys__sketch_free(&s);
  recsys__ref_release(rows);
}
END_TEST

START_TEST(threads_do_not_change_a_sketch) {
  recsys__rows *rows = grouped(300, 3000, 20, 0.5F);
  recsys__sketch one, four;
  ck_assert(recsys__sketch_make(&one, rows, 1) && recsys__sketch_make(&four, rows, 4));
  ck_assert_mem_eq(one.order, four.order, 3000 * sizeof *one.order);
  ck_assert_mem_eq(one.codes, four.codes, (size_t)3000 * DIM);
  ck_assert_mem_eq(one.scales, four.scales, 3000 * sizeof *one.scales);
  ck_assert_mem_eq(one.errors, four.errors, 3000 * sizeof *one.errors);
  ck_assert_mem_eq(one.tails, four.tails, 3000 * sizeof *one.tails);
  recsys__sketch_free(&one);
  recsys__sketch_free(&four);
  recsys__ref_release(rows);
}
END_TEST

START_TEST(short_or_few_rows_have_none) {
  recsys__rows *brief = of_kind(RANDOM, 120, 1100), *few = of_kind(RANDOM, 512, 900);
  ck_assert(!recsys__sketch_pays(brief) && !recsys__sketch_pays(few));
  recsys__ref_release(brief);
  recsys__ref_release(few);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("sketch");
  TCase *sketches = tcase_create("sketches");
  tcase_set_timeout(sketches, 120);
  tcase_add_loop_test(sketches, bounds_of_every_kind_of_row, 0, KINDS);
  tcase_add_test(sketches, bounds_are_close_where_directions_are_common);
  tcase_add_test(sketches, alike_rows_lie_together);
  tcase_add_test(sketches, threads_do_not_change_a_sketch);
  tcase_add_test(sketches, short_or_few_rows_have_none);
  suite_add_tcase(suite, sketches);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
