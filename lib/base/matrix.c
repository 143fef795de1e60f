/* Blocked products and the inverse of symmetric positive definite matrices over them. */
#include "base/matrix.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/matrix_kernel.h"
#include "base/memory.h"
#include "base/thread.h"

enum { BLOCK_COLUMNS = 192 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t most(size_t a, size_t b) {
  return a > b ? a : b;
}

/* The packed panels of a block (160 to 384 KiB each) stay in the second-level cache. */
#define REAL    double
#define ROWS    192
#define DEPTH   256
#define COLUMNS RECSYS__TILE_COLUMNS
#define NAME(x) x##_double
#define TILE    tile
#define ADD     add_doubles
#define GEMM    recsys__gemm
#include "base/matrix_product.h"
#define REAL    float
#define ROWS    256
#define DEPTH   160
#define COLUMNS RECSYS__TILE_COLUMNS_FLOAT
#define NAME(x) x##_float
#define TILE    tile_float
#define ADD     add_floats
#define GEMM    recsys__gemm_float
#include "base/matrix_product.h"

/* -- whole matrices, some rows at a time */

enum { SIDE = 32 };

typedef struct square {
  double *a;
  const double *from;
  size_t n;
} square;

static void mirror_rows(void *context, size_t part) {
  const square *s = context;
  size_t n = s->n, i = part * SIDE;
  for (size_t j = 0; j <= i; j += SIDE)
    for (size_t y = i; y < least(i + SIDE, n); y++)
      for (size_t x = j; x < least(j + SIDE, y); x++)
        s->a[x * n + y] = s->a[y * n + x];
}

static void copy_some_rows(void *context, size_t part) {
  const square *s = context;
  size_t first = part * SIDE, count = least(SIDE, s->n - first);
  memcpy(s->a + first * s->n, s->from + first * s->n, count * s->n * sizeof *s->a);
}

void recsys__mirror(uint32_t threads, double *a, size_t n) {
  square s = {a, NULL, n};
  recsys__parallel(threads, (n + SIDE - 1) / SIDE, mirror_rows, &s);
}

/* -- small systems */

/* Rows p .. p + count - 1 of the factor; what they take from each other. */
static bool pivots(const recsys__dense *dense, double *a, size_t n, size_t stride, size_t p, size_t count) {
  for (size_t q = p; q < p + count; q++) {
    double *row = a + q * stride;
    if (!(row[q] > 0) || !isfinite(row[q]))
      return false;
    dense->scale(row + q, 1 / sqrt(row[q]), n - q);
    for (size_t i = q + 1; i < p + count; i++)
      dense->add_doubles(a + i * stride + i, -row[i], row + i, n - i);
  }
  return true;
}

bool recsys__cholesky(double *a, size_t n, size_t stride) {
  const recsys__dense *dense = recsys__dense_at(0);
  for (size_t p = 0; p < n; p += 4) {
    size_t count = least(4, n - p), i = p + count;
    if (!pivots(dense, a, n, stride, p, count))
      return false;
    for (; count == 4 && i < n; i++)
      dense->take_four(a + i * stride + i, a + p * stride + i, stride, n - i);
  }
  return true;
}

void recsys__cholesky_solve(const double *u, size_t n, size_t stride, double *b) {
  const recsys__dense *dense = recsys__dense_at(0);
  for (size_t i = 0; i < n; i++) {
    b[i] /= u[i * stride + i];
    dense->add_doubles(b + i + 1, -b[i], u + i * stride + i + 1, n - i - 1);
  }
  for (size_t i = n; i-- > 0;)
    b[i] = (b[i] - dense->dot_doubles(u + i * stride + i + 1, b + i + 1, n - i - 1)) / u[i * stride + i];
}

static void rotate(double *x, double *y, size_t n, double c, double s) {
  for (size_t i = 0; i < n; i++) {
    double a = x[i], b = y[i];
    x[i] = c * a - s * b;
    y[i] = s * a + c * b;
  }
}

/* Both sides of the rotation that makes a[p][q] zero (Golub and Van Loan, section 8.5). */
static void jacobi(double *a, size_t n, double *v, size_t p, size_t q) {
  double off = a[p * n + q];
  if (fabs(off) < 1e-300)
    return;
  double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
  double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
  double c = 1 / sqrt(t * t + 1), s = t * c;
  rotate(a + p * n, a + q * n, n, c, s);
  for (size_t i = 0; i < n; i++)
    rotate(&a[i * n + p], &a[i * n + q], 1, c, s);
  rotate(v + p * n, v + q * n, n, c, s);
}

void recsys__symmetric_eigen(double *a, size_t n, double *values, double *v) {
  for (size_t i = 0; i < n * n; i++)
    v[i] = i % (n + 1) == 0;
  for (int sweep = 0; sweep < 60; sweep++) {
    double off = 0, diagonal = 0;
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++)
        *(i == j ? &diagonal : &off) += a[i * n + j] * a[i * n + j];
    if (off <= 1e-28 * diagonal)
      break;
    for (size_t p = 0; p < n; p++)
      for (size_t q = p + 1; q < n; q++)
        jacobi(a, n, v, p, q);
  }
  for (size_t i = 0; i < n; i++) { /* selection: n is small */
    size_t best = i;
    for (size_t j = i + 1; j < n; j++)
      if (a[j * n + j] > a[best * n + best])
        best = j;
    values[i] = a[best * n + best];
    a[best * n + best] = a[i * n + i];
    a[i * n + i] = values[i];
    for (size_t j = 0; best != i && j < n; j++) {
      double swap = v[i * n + j];
      v[i * n + j] = v[best * n + j];
      v[best * n + j] = swap;
    }
  }
}

/* -- the inverse of a symmetric positive definite matrix */

typedef struct inversion {
  uint32_t threads;
  double *scratch; /* room for a quarter of the matrix */
  size_t stride, pivot;
  recsys_status status;
} inversion;

/* L⁻¹ from L in place, last column first (LAPACK's trti2). */
static void invert_lower(double *a, size_t n, size_t stride) {
  for (size_t j = n; j-- > 0;) {
    double diagonal = 1 / a[j * stride + j];
    for (size_t i = n; i-- > j + 1;) {
      double sum = 0;
      for (size_t p = j + 1; p <= i; p++)
        sum += a[i * stride + p] * a[p * stride + j];
      a[i * stride + j] = -sum * diagonal;
    }
    a[j * stride + j] = diagonal;
  }
}

static void small_factor(inversion *v, double *a, size_t n, size_t at) {
  size_t stride = v->stride;
  for (size_t j = 0; j < n; j++) {
    double *row = a + j * stride, pivot = row[j];
    for (size_t p = 0; p < j; p++)
      pivot -= row[p] * row[p];
    if (!(pivot > 0) || !isfinite(pivot)) {
      v->status = RECSYS_EINVAL;
      v->pivot = at + j;
      return;
    }
    row[j] = sqrt(pivot);
    for (size_t i = j + 1; i < n; i++) {
      double *other = a + i * stride, sum = other[j];
      for (size_t p = 0; p < j; p++)
        sum -= other[p] * row[p];
      other[j] = sum / row[j];
    }
    memset(row + j + 1, 0, (n - j - 1) * sizeof *row);
  }
  invert_lower(a, n, stride);
}

static void multiply(inversion *v, int flags, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
                     const double *b, size_t ldb, double beta, double *c, size_t ldc) {
  if (!v->status && !recsys__gemm(v->threads, flags, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc))
    v->status = RECSYS_ENOMEM;
}

static void copy_block(double *to, size_t to_stride, const double *from, size_t from_stride, size_t rows, size_t n) {
  for (size_t i = 0; i < rows; i++)
    memcpy(to + i * to_stride, from + i * from_stride, n * sizeof *to);
}

/* Replaces the lower triangle of A by the inverse G of its Cholesky factor, and the upper one by zeros:
 * G11 = factor(A11), L21 = A21 G11ᵀ, G22 = factor(A22 - L21 L21ᵀ), G21 = -G22 L21 G11. */
static void factor(inversion *v, double *a, size_t n, size_t at) {
  enum { SMALL = 64 };
  if (v->status)
    return;
  if (n <= SMALL) {
    small_factor(v, a, n, at);
    return;
  }
  size_t stride = v->stride, n1 = n / 2 / 8 * 8, n2 = n - n1;
  double *a21 = a + n1 * stride, *a22 = a21 + n1;
  factor(v, a, n1, at);
  multiply(v, RECSYS__B_TRANSPOSED | RECSYS__B_UPPER, n2, n1, n1, 1, a21, stride, a, stride, 0, v->scratch, n1);
  if (v->status)
    return;
  copy_block(a21, stride, v->scratch, n1, n2, n1);
  multiply(v, RECSYS__B_TRANSPOSED | RECSYS__C_LOWER, n2, n2, n1, -1, v->scratch, n1, v->scratch, n1, 1, a22, stride);
  factor(v, a22, n2, at + n1);
  multiply(v, RECSYS__B_LOWER, n2, n1, n1, 1, a21, stride, a, stride, 0, v->scratch, n1);
  multiply(v, RECSYS__A_LOWER, n2, n1, n2, -1, a22, stride, v->scratch, n1, 0, a21, stride);
  for (size_t i = 0; i < n1; i++)
    memset(a + i * stride + n1, 0, n2 * sizeof *a);
}

recsys_status recsys__spd_inverse(uint32_t threads, double *a, size_t n, size_t *pivot) {
  size_t half = n - n / 2 / 8 * 8, other = n / 2 / 8 * 8;
  double *g = recsys__alloc(n, n * sizeof *g);
  inversion v = {.threads = threads, .scratch = recsys__alloc(half, (other + 1) * sizeof *g), .stride = n};
  if (!g || !v.scratch)
    v.status = RECSYS_ENOMEM;
  if (!v.status) {
    square s = {g, a, n};
    recsys__parallel(threads, (n + SIDE - 1) / SIDE, copy_some_rows, &s);
    factor(&v, g, n, 0);
  }
  multiply(&v, RECSYS__A_TRANSPOSED | RECSYS__A_UPPER | RECSYS__B_LOWER | RECSYS__C_LOWER, n, n, n, 1, g, n, g, n, 0, a,
           n);
  if (!v.status)
    recsys__mirror(threads, a, n);
  if (pivot)
    *pivot = v.pivot;
  recsys__free(g);
  recsys__free(v.scratch);
  return v.status;
}
