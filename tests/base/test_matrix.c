/* Products, inverses and small systems against plain loops, for odd sizes and every kind of processor that runs here.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/matrix.h"
#include "base/matrix_kernel.h"
#include "base/memory.h"
#include "base/random.h"

static recsys__random seeded;

static double *random_matrix(size_t rows, size_t columns) {
  double *a = malloc((rows * columns + 1) * sizeof *a);
  ck_assert_ptr_nonnull(a);
  for (size_t i = 0; i < rows * columns; i++)
    a[i] = recsys__random_unit(&seeded) - 0.5;
  return a;
}

static void setup(void) {
  recsys__random_seed(&seeded, 4, 2);
}

static double entry(const double *a, size_t ld, bool transposed, size_t i, size_t j) {
  return transposed ? a[j * ld + i] : a[i * ld + j];
}

static float *narrowed(const double *a, size_t n) {
  float *f = malloc((n + 1) * sizeof *f);
  for (size_t i = 0; i < n; i++)
    f[i] = (float)a[i];
  return f;
}

static void check_product(int flags, size_t m, size_t n, size_t k, double alpha, double beta, uint32_t threads) {
  size_t lda = (flags & RECSYS__A_TRANSPOSED ? m : k) + 3, ldb = (flags & RECSYS__B_TRANSPOSED ? k : n) + 1,
         ldc = n + 2;
  double *a = random_matrix((flags & RECSYS__A_TRANSPOSED) ? k : m, lda);
  double *b = random_matrix((flags & RECSYS__B_TRANSPOSED) ? n : k, ldb);
  double *c = random_matrix(m, ldc), *expected = malloc(m * ldc * sizeof *c);
  memcpy(expected, c, m * ldc * sizeof *c);
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      double sum = 0;
      for (size_t p = 0; p < k; p++)
        sum += entry(a, lda, flags & RECSYS__A_TRANSPOSED, i, p) * entry(b, ldb, flags & RECSYS__B_TRANSPOSED, p, j);
      expected[i * ldc + j] = (beta == 0 ? 0 : beta * expected[i * ldc + j]) + alpha * sum;
    }
  float *fa = narrowed(a, (flags & RECSYS__A_TRANSPOSED ? k : m) * lda);
  float *fb = narrowed(b, (flags & RECSYS__B_TRANSPOSED ? n : k) * ldb), *fc = narrowed(c, m * ldc);
  ck_assert(recsys__gemm(threads, flags, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
  ck_assert(recsys__gemm_float(threads, flags, m, n, k, (float)alpha, fa, lda, fb, ldb, (float)beta, fc, ldc));
  for (size_t i = 0; i < m * ldc; i++) {
    ck_assert_double_eq_tol(c[i], expected[i], 1e-12 * (double)(k + 1));
    ck_assert_double_eq_tol(fc[i], expected[i], 1e-6 * (double)(k + 1));
  }
  free(fa);
  free(fb);
  free(fc);
  free(a);
  free(b);
  free(c);
  free(expected);
}

START_TEST(products) {
  static const size_t sizes[][3] = {{1, 1, 1}, {8, 24, 5}, {7, 23, 300}, {97, 193, 257}, {200, 50, 1}, {3, 400, 70}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int flags = 0; flags < 4; flags++) {
      check_product(flags, sizes[s][0], sizes[s][1], sizes[s][2], 1, 0, 1);
      check_product(flags, sizes[s][0], sizes[s][1], sizes[s][2], -0.5, 2, 3);
    }
  check_product(0, 5, 6, 0, 1, 0, 1); /* an empty sum */
}
END_TEST

/* What is named as zero is zero, and skipping it changes nothing. */
#ifndef __SANITIZE_THREAD__ /* it allows no threads in a child of a process with threads */
/* A fork between two products: the child, whose threads are gone, makes the same product, and so does the parent. (A
 * thread pool that does not notice hangs here; the alarm ends it.) */
START_TEST(fork_between_two) {
  enum { N = 300 };
  double *a = random_matrix(N, N), *b = random_matrix(N, N), *first = malloc(N * N * sizeof *first),
         *second = malloc(N * N * sizeof *second);
  ck_assert(recsys__gemm(3, 0, N, N, N, 1, a, N, b, N, 0, first, N));
#if defined(__SANITIZE_ADDRESS__) /* it does not take its locks before a fork: threads that start may hold one */
  nanosleep(&(struct timespec){0, 100000000}, NULL);
#endif
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    alarm(60);
    bool good = recsys__gemm(3, 0, N, N, N, 1, a, N, b, N, 0, second, N);
    _exit(!good || memcmp(first, second, N * N * sizeof *first) != 0);
  }
  ck_assert(recsys__gemm(3, 0, N, N, N, 1, a, N, b, N, 0, second, N));
  ck_assert_mem_eq(first, second, N * N * sizeof *first);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
  free(a);
  free(b);
  free(first);
  free(second);
}
END_TEST
#endif

START_TEST(triangles) {
  enum { N = 300 };
  double *a = random_matrix(N, N), *b = random_matrix(N, N), *c = malloc(N * N * sizeof *c),
         *d = malloc(N * N * sizeof *d);
  for (size_t i = 0; i < N; i++)
    for (size_t j = i + 1; j < N; j++)
      a[i * N + j] = b[j * N + i] = 0; /* a lower, b upper */
  ck_assert(recsys__gemm(2, 0, N, N, N, 1, a, N, b, N, 0, c, N));
  ck_assert(recsys__gemm(2, RECSYS__A_LOWER | RECSYS__B_UPPER, N, N, N, 1, a, N, b, N, 0, d, N));
  for (size_t i = 0; i < N * N; i++)
    ck_assert_double_eq_tol(c[i], d[i], 1e-12);
  ck_assert(recsys__gemm(2, 0, N, N, N, 1, b, N, a, N, 0, c, N));
  ck_assert(recsys__gemm(2, RECSYS__A_UPPER | RECSYS__B_LOWER | RECSYS__C_LOWER, N, N, N, 1, b, N, a, N, 0, d, N));
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j <= i; j++)
      ck_assert_double_eq_tol(c[i * N + j], d[i * N + j], 1e-12);
  free(a);
  free(b);
  free(c);
  free(d);
}
END_TEST

/* A = R Rᵀ / n + I, so that it is well-conditioned; A A⁻¹ = I. */
START_TEST(inverses) {
  static const size_t sizes[] = {1, 2, 63, 64, 65, 130, 301};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t n = sizes[s];
    double *r = random_matrix(n, n), *a = malloc(n * n * sizeof *a), *p, *one, *again;
    ck_assert(recsys__gemm(2, RECSYS__B_TRANSPOSED, n, n, n, 1 / (double)n, r, n, r, n, 0, a, n));
    for (size_t i = 0; i < n; i++)
      a[i * n + i] += 1;
    p = recsys__copy(a, n * n, sizeof *a);
    again = recsys__copy(a, n * n, sizeof *a);
    one = malloc(n * n * sizeof *one);
    ck_assert_int_eq(recsys__spd_inverse(2, p, n, NULL), RECSYS_OK);
    ck_assert_int_eq(recsys__spd_inverse(1, again, n, NULL), RECSYS_OK);
    ck_assert_mem_eq(p, again, n * n * sizeof *p); /* whatever the number of threads */
    ck_assert(recsys__gemm(2, 0, n, n, n, 1, a, n, p, n, 0, one, n));
    for (size_t i = 0; i < n * n; i++)
      ck_assert_double_eq_tol(one[i], i % (n + 1) == 0, 1e-12);
    free(r);
    free(a);
    recsys__free(p);
    recsys__free(again);
    free(one);
  }
}
END_TEST

START_TEST(not_positive_definite) {
  enum { N = 150 };
  double *a = calloc(N * N, sizeof *a);
  size_t pivot = 0;
  for (size_t i = 0; i < N; i++)
    a[i * N + i] = i == 97 ? -1 : 1;
  ck_assert_int_eq(recsys__spd_inverse(1, a, N, &pivot), RECSYS_EINVAL);
  ck_assert_uint_eq(pivot, 97);
  double small[4] = {1, 2, 2, 1}, nan[1] = {NAN};
  ck_assert(!recsys__cholesky(small, 2, 2));
  ck_assert(!recsys__cholesky(nan, 1, 1));
  free(a);
}
END_TEST

START_TEST(small_systems) {
  /* 4 x + 2 y = 10, 2 x + 3 y = 9: x = 1.5, y = 2. */
  double a[4] = {4, 2, 2, 3}, b[2] = {10, 9}, values[3], v[9];
  ck_assert(recsys__cholesky(a, 2, 2));
  recsys__cholesky_solve(a, 2, 2, b);
  ck_assert_double_eq_tol(b[0], 1.5, 1e-15);
  ck_assert_double_eq_tol(b[1], 2, 1e-15);
  /* Eigenvalues of [[2, 1, 0], [1, 2, 1], [0, 1, 2]]: 2 + sqrt 2, 2, 2 - sqrt 2. */
  double m[9] = {2, 1, 0, 1, 2, 1, 0, 1, 2}, again[9];
  memcpy(again, m, sizeof m);
  recsys__symmetric_eigen(m, 3, values, v);
  ck_assert_double_eq_tol(values[0], 2 + sqrt(2), 1e-14);
  ck_assert_double_eq_tol(values[1], 2, 1e-14);
  ck_assert_double_eq_tol(values[2], 2 - sqrt(2), 1e-14);
  for (int e = 0; e < 3; e++)
    for (int i = 0; i < 3; i++) {
      double product = 0;
      for (int j = 0; j < 3; j++)
        product += again[i * 3 + j] * v[e * 3 + j];
      ck_assert_double_eq_tol(product, values[e] * v[e * 3 + i], 1e-13);
    }
}
END_TEST

/* The tiles of every kind of processor. */
START_TEST(tiles) {
  enum { K = 37, DOUBLES = RECSYS__TILE_COLUMNS, FLOATS = RECSYS__TILE_COLUMNS_FLOAT };
  double *a = random_matrix(K, RECSYS__TILE_ROWS), *b = random_matrix(K, FLOATS);
  double out[RECSYS__TILE_ROWS * DOUBLES];
  float *fa = narrowed(a, (size_t)K * RECSYS__TILE_ROWS), *fb = narrowed(b, (size_t)K * FLOATS);
  float fout[RECSYS__TILE_ROWS * FLOATS];
  for (size_t d = 0; recsys__dense_at(d); d++) {
    recsys__dense_at(d)->tile(K, a, b, out);
    recsys__dense_at(d)->tile_float(K, fa, fb, fout);
    for (size_t i = 0; i < RECSYS__TILE_ROWS; i++)
      for (size_t j = 0; j < FLOATS; j++) {
        double sum = 0, fsum = 0;
        for (size_t p = 0; p < K; p++) {
          sum += j < DOUBLES ? a[p * RECSYS__TILE_ROWS + i] * b[p * DOUBLES + j] : 0;
          fsum += a[p * RECSYS__TILE_ROWS + i] * b[p * FLOATS + j];
        }
        if (j < DOUBLES)
          ck_assert_double_eq_tol(out[i * DOUBLES + j], sum, 1e-13);
        ck_assert_double_eq_tol(fout[i * FLOATS + j], fsum, 1e-5);
      }
  }
  free(a);
  free(b);
  free(fa);
  free(fb);
}
END_TEST

/* Every kind of processor against plain sums, for all lengths up to a few vectors. */
START_TEST(kernels) {
  float x[200], y[200], f[200];
  double a[200], d[200];
  for (size_t k = 0; recsys__dense_at(k); k++) {
    const recsys__dense *dense = recsys__dense_at(k);
    for (size_t n = 0; n < 150; n++) {
      double dot = 0, wide = 0;
      for (size_t i = 0; i < 200; i++) {
        x[i] = (float)recsys__random_unit(&seeded) - 0.5f;
        y[i] = (float)recsys__random_unit(&seeded);
        a[i] = recsys__random_unit(&seeded);
        f[i] = y[i];
        d[i] = a[i];
      }
      for (size_t i = 0; i < n; i++) {
        dot += (double)x[i] * (double)y[i];
        wide += a[i] * (double)y[i];
      }
      ck_assert_double_eq_tol((double)dense->dot(x, y, n), dot, 1e-5);
      ck_assert_double_eq_tol(dense->dot_widened(a, y, n), wide, 1e-12);
      wide = 0;
      for (size_t i = 0; i < n; i++)
        wide += a[i] * d[199 - i];
      double turned[200];
      for (size_t i = 0; i < 200; i++)
        turned[i] = d[199 - i];
      ck_assert_double_eq_tol(dense->dot_doubles(a, turned, n), wide, 1e-12);
      dense->add_floats(f, 2, x, n);
      dense->add_widened(d, 3, x, n);
      for (size_t i = 0; i < 200; i++) {
        ck_assert_float_eq_tol(f[i], y[i] + (i < n ? 2 * x[i] : 0), 1e-6f);
        ck_assert_double_eq_tol(d[i], a[i] + (i < n ? 3 * (double)x[i] : 0), 1e-12);
      }
      double four[4 * 160], taken[160];
      for (size_t i = 0; i < 4 * 160; i++)
        four[i] = recsys__random_unit(&seeded);
      memcpy(taken, four, sizeof taken);
      dense->take_four(taken, four, 160, n);
      for (size_t i = 0; i < 160; i++) {
        double left = four[i];
        for (size_t row = 0; row < 4 && i < n; row++)
          left -= four[row * 160] * four[row * 160 + i];
        ck_assert_double_eq_tol(taken[i], left, 1e-12);
      }
      float narrowed[160];
      double largest = 0;
      four[3] = -7;
      for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(four[i]));
      ck_assert_double_eq(dense->narrow(narrowed, four, n), largest);
      for (size_t i = 0; i < n; i++)
        ck_assert_float_eq(narrowed[i], (float)four[i]);
      memcpy(taken, four, sizeof taken);
      dense->scale(taken, 2, n);
      for (size_t i = 0; i < 160; i++)
        ck_assert_double_eq(taken[i], i < n ? 2 * four[i] : four[i]);
      dense->add_doubles(d, -1, d, n);
      for (size_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(d[i], 0, 1e-12);
    }
    for (size_t width = 1; width < 150; width += width < 70 ? 1 : 13) { /* beside tiles, and too wide for them */
      enum { ROWS = 70 };
      static float vectors[ROWS * 150], sums[4 * 150];
      static double gram[150 * 150], weighed[ROWS];
      uint32_t places[ROWS];
      for (size_t i = 0; i < ROWS * width; i++)
        vectors[i] = (float)recsys__random_unit(&seeded) - 0.5f;
      for (size_t i = 0; i < ROWS; i++) {
        weighed[i] = recsys__random_unit(&seeded);
        places[i] = (uint32_t)(i * 7 % ROWS);
      }
      for (size_t i = 0; i < width * width; i++)
        gram[i] = 1;
      dense->add_grams(gram, vectors, places, weighed, ROWS, width);
      for (size_t i = 0; i < width; i++)
        for (size_t j = i; j < width; j++) {
          double sum = 1;
          for (size_t e = 0; e < ROWS; e++)
            sum += weighed[e] * (double)vectors[places[e] * width + i] * (double)vectors[places[e] * width + j];
          ck_assert_double_eq_tol(gram[i * width + j], sum, 1e-12);
        }
      enum { DEPTH = 40, TILE = RECSYS__TILE_ITEMS }; /* y has 200 */
      if (width * ROWS < 2 * TILE * DEPTH)
        continue;
      dense->combine_four(sums, vectors, y, DEPTH, 2 * TILE);
      for (size_t j = 0; j < (size_t)4 * 2 * TILE; j++) {
        size_t q = j / (2 * TILE), item = j % (2 * TILE);
        double sum = 0;
        for (size_t e = 0; e < DEPTH; e++)
          sum += (double)y[e * 4 + q] * (double)vectors[item / TILE * TILE * DEPTH + e * TILE + item % TILE];
        ck_assert_double_eq_tol((double)sums[j], sum, 1e-5);
      }
    }
    uint32_t rows[3] = {2, 0, 1};
    float weights[3] = {1, 0.5f, 2}, out[20] = {0};
    dense->add_outer_times(out, x, y, rows, weights, 3, 20);
    for (size_t c = 0; c < 20; c++) {
      double sum = 0;
      for (size_t e = 0; e < 3; e++)
        for (size_t i = 0; i < 20; i++)
          sum += (double)weights[e] * (double)y[rows[e] * 20 + c] * (double)y[rows[e] * 20 + i] * (double)x[i];
      ck_assert_double_eq_tol((double)out[c], sum, 1e-4);
    }
  }
}
END_TEST

START_TEST(out_of_memory) {
  double a[4] = {2, 0, 0, 2}, c[4];
  recsys__fail_allocation(1, true);
  ck_assert(!recsys__gemm(1, 0, 2, 2, 2, 1, a, 2, a, 2, 0, c, 2));
  recsys__fail_allocation(1, true);
  ck_assert_int_eq(recsys__spd_inverse(1, a, 2, NULL), RECSYS_ENOMEM);
  recsys__fail_allocation(0, false);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("matrix");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, setup, NULL);
  tcase_add_test(all, products);
#ifndef __SANITIZE_THREAD__
  tcase_add_test(all, fork_between_two);
#endif
  tcase_add_test(all, triangles);
  tcase_add_test(all, inverses);
  tcase_add_test(all, not_positive_definite);
  tcase_add_test(all, small_systems);
  tcase_add_test(all, kernels);
  tcase_add_test(all, tiles);
  tcase_add_test(all, out_of_memory);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
