/* Blocked products and the inverse of symmetric positive definite matrices over them. */
#include "base/matrix.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/matrix_kernel.h"
#include "base/memory.h"
#include "base/thread.h"

/* One task makes a BLOCK_ROWS x BLOCK_COLUMNS block of C, BLOCK_DEPTH summands at a time: the packed panels (384 KiB
 * each) stay in the second-level cache. */
enum { BLOCK_ROWS = 192, BLOCK_COLUMNS = 192, BLOCK_DEPTH = 256 };

typedef struct product {
  int flags;
  size_t m, n, k, lda, ldb, ldc, blocks_across;
  double alpha, beta;
  const double *a, *b;
  double *c;
  const recsys__dense *dense;
  atomic_bool failed;
} product;

/* out[q * width + r] = from[r * stride + q], in pieces whose writes stay in the first-level cache. */
static void transpose(const double *from, size_t stride, size_t rows, size_t depth, double *out, size_t width) {
  enum { PIECE = 16 };
  for (size_t start = 0; start < depth; start += PIECE) {
    size_t end = start + PIECE < depth ? start + PIECE : depth;
    for (size_t r = 0; r < rows; r++)
      for (size_t q = start; q < end; q++)
        out[q * width + r] = from[r * stride + q];
  }
}

/* out[q * width + c] = from[q * stride + c]; whole rows by moves of a size that the compiler knows. */
static void copy_rows(const double *from, size_t stride, size_t used, size_t depth, double *out, size_t width) {
  for (size_t q = 0; q < depth; q++, from += stride, out += width) {
    if (used == RECSYS__TILE_COLUMNS)
      memcpy(out, from, RECSYS__TILE_COLUMNS * sizeof *out);
    else if (used == RECSYS__TILE_ROWS)
      memcpy(out, from, RECSYS__TILE_ROWS * sizeof *out);
    else
      memcpy(out, from, used * sizeof *out);
  }
}

/* Panels of TILE_ROWS rows of op(A), each k-major, short ones filled up with zeros. */
static void pack_a(const product *p, size_t row, size_t rows, size_t from, size_t depth, double *out) {
  for (size_t i = 0; i < rows; i += RECSYS__TILE_ROWS, out += RECSYS__TILE_ROWS * depth) {
    size_t used = rows - i < RECSYS__TILE_ROWS ? rows - i : RECSYS__TILE_ROWS;
    if (used < RECSYS__TILE_ROWS)
      memset(out, 0, RECSYS__TILE_ROWS * depth * sizeof *out);
    if (p->flags & RECSYS__A_TRANSPOSED) {
      copy_rows(p->a + from * p->lda + row + i, p->lda, used, depth, out, RECSYS__TILE_ROWS);
    } else {
      transpose(p->a + (row + i) * p->lda + from, p->lda, used, depth, out, RECSYS__TILE_ROWS);
    }
  }
}

static void pack_b(const product *p, size_t column, size_t columns, size_t from, size_t depth, double *out) {
  for (size_t j = 0; j < columns; j += RECSYS__TILE_COLUMNS, out += RECSYS__TILE_COLUMNS * depth) {
    size_t used = columns - j < RECSYS__TILE_COLUMNS ? columns - j : RECSYS__TILE_COLUMNS;
    if (used < RECSYS__TILE_COLUMNS)
      memset(out, 0, RECSYS__TILE_COLUMNS * depth * sizeof *out);
    if (p->flags & RECSYS__B_TRANSPOSED) {
      transpose(p->b + (column + j) * p->ldb + from, p->ldb, used, depth, out, RECSYS__TILE_COLUMNS);
    } else {
      copy_rows(p->b + from * p->ldb + column + j, p->ldb, used, depth, out, RECSYS__TILE_COLUMNS);
    }
  }
}

static void scale_block(const product *p, size_t row, size_t rows, size_t column, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    double *c = p->c + (row + i) * p->ldc + column;
    if (p->beta == 0)
      memset(c, 0, columns * sizeof *c);
    else if (p->beta != 1)
      for (size_t j = 0; j < columns; j++)
        c[j] *= p->beta;
  }
}

static void add_tile(const product *p, const double *tile, size_t row, size_t rows, size_t column, size_t columns) {
  for (size_t i = 0; i < rows; i++)
    p->dense->add_doubles(p->c + (row + i) * p->ldc + column, p->alpha, tile + i * RECSYS__TILE_COLUMNS, columns);
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}
static size_t most(size_t a, size_t b) {
  return a > b ? a : b;
}

/* Which summands of a block can be other than zero. */
static void range(const product *p, size_t row, size_t rows, size_t column, size_t columns, size_t *from, size_t *to) {
  *from = 0;
  *to = p->k;
  if (p->flags & RECSYS__A_LOWER)
    *to = least(*to, row + rows);
  if (p->flags & RECSYS__A_UPPER)
    *from = most(*from, row);
  if (p->flags & RECSYS__B_LOWER)
    *from = most(*from, column);
  if (p->flags & RECSYS__B_UPPER)
    *to = least(*to, column + columns);
}

static void block(void *context, size_t part) {
  product *p = context;
  size_t row = part / p->blocks_across * BLOCK_ROWS, column = part % p->blocks_across * BLOCK_COLUMNS;
  size_t rows = least(p->m - row, BLOCK_ROWS), columns = least(p->n - column, BLOCK_COLUMNS);
  if ((p->flags & RECSYS__C_LOWER) && column >= row + rows)
    return;
  double *a = recsys__alloc((size_t)BLOCK_ROWS * BLOCK_DEPTH, sizeof *a);
  double *b = recsys__alloc((size_t)BLOCK_COLUMNS * BLOCK_DEPTH, sizeof *b);
  double tile[RECSYS__TILE_ROWS * RECSYS__TILE_COLUMNS];
  size_t from, to;
  range(p, row, rows, column, columns, &from, &to);
  if (a && b)
    scale_block(p, row, rows, column, columns);
  else
    atomic_store(&p->failed, true);
  for (; a && b && from < to; from += BLOCK_DEPTH) {
    size_t depth = least(to - from, BLOCK_DEPTH);
    pack_a(p, row, rows, from, depth, a);
    pack_b(p, column, columns, from, depth, b);
    for (size_t j = 0; j < columns; j += RECSYS__TILE_COLUMNS)
      for (size_t i = 0; i < rows; i += RECSYS__TILE_ROWS) {
        p->dense->tile(depth, a + i * depth, b + j * depth, tile);
        add_tile(p, tile, row + i, least(rows - i, RECSYS__TILE_ROWS), column + j,
                 least(columns - j, RECSYS__TILE_COLUMNS));
      }
  }
  recsys__free(a);
  recsys__free(b);
}

bool recsys__gemm(uint32_t threads, int flags, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
                  const double *b, size_t ldb, double beta, double *c, size_t ldc) {
  product p = {.flags = flags,
               .m = m,
               .n = n,
               .k = k,
               .lda = lda,
               .ldb = ldb,
               .ldc = ldc,
               .blocks_across = (n + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS,
               .alpha = alpha,
               .beta = beta,
               .a = a,
               .b = b,
               .c = c,
               .dense = recsys__dense_at(0)};
  atomic_init(&p.failed, false);
  size_t blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS * p.blocks_across;
  recsys__parallel((double)m * (double)n * (double)k < 1e5 ? 1 : threads, blocks, block, &p);
  return !atomic_load(&p.failed);
}

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
