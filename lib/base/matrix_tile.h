/*
 * The innermost loops of dense algebra, written once with vectors and compiled for each kind of processor. The product
 * makes an 8 x 24 tile of C (8 x 48 in float) from a panel of A (k columns of 8) and one of B (k rows of 24). Before
 * including: TARGET (attributes), LANES (doubles of a vector), SUB_ROWS and SUB_VECTORS (how much of the tile stays in
 * registers).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/matrix_kernel.h"

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef float floats __attribute__((vector_size(LANES * sizeof(double))));
typedef float half_floats __attribute__((vector_size(LANES * sizeof(float)))); /* as many floats as `lanes` doubles */

TARGET static inline lanes load(const double *from) {
  lanes v;
  memcpy(&v, from, sizeof v);
  return v;
}

/* The product's tiles, in double and in float. */
#define REAL    double
#define VECTOR  lanes
#define COLUMNS RECSYS__TILE_COLUMNS
#define PART    part
#define WHOLE   whole
#include "base/matrix_part.h"
#define REAL    float
#define VECTOR  floats
#define COLUMNS RECSYS__TILE_COLUMNS_FLOAT
#define PART    part_float
#define WHOLE   whole_float
#include "base/matrix_part.h"

/* -- vectors of any length; sums are made in a fixed order per processor kind */

/* Halves are added until one is left: few steps wait for each other. */
TARGET static inline float add_up(floats v) {
  enum { STEP = 2 * LANES };
  float part[STEP];
  memcpy(part, &v, sizeof part);
#pragma GCC unroll 8
  for (int width = STEP / 2; width; width /= 2)
#pragma GCC unroll 8
    for (int j = 0; j < width; j++)
      part[j] += part[j + width];
  return part[0];
}

TARGET static float dot_floats(const float *a, const float *b, size_t n) {
  enum { STEP = 2 * LANES };
  floats sum[4] = {{0}};
  size_t i = 0;
  for (; i + 4 * STEP <= n; i += 4 * STEP)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      floats x, y;
      memcpy(&x, a + i + j * STEP, sizeof x);
      memcpy(&y, b + i + j * STEP, sizeof y);
      sum[j] += x * y;
    }
  for (; i + STEP <= n; i += STEP) {
    floats x, y;
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    sum[0] += x * y;
  }
  float total = add_up((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; i < n; i++)
    total += a[i] * b[i];
  return total;
}

TARGET static void add_floats(float *y, float weight, const float *x, size_t n) {
  size_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    floats a, b;
    memcpy(&a, y + i, sizeof a);
    memcpy(&b, x + i, sizeof b);
    a += weight * b;
    memcpy(y + i, &a, sizeof a);
  }
  for (; i < n; i++)
    y[i] += weight * x[i];
}

TARGET static void add_doubles(double *y, double weight, const double *x, size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    lanes a = load(y + i);
    a += weight * load(x + i);
    memcpy(y + i, &a, sizeof a);
  }
  for (; i < n; i++)
    y[i] += weight * x[i];
}

TARGET static void add_widened(double *y, double weight, const float *x, size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    half_floats b;
    lanes a = load(y + i);
    memcpy(&b, x + i, sizeof b);
    a += weight * __builtin_convertvector(b, lanes);
    memcpy(y + i, &a, sizeof a);
  }
  for (; i < n; i++)
    y[i] += weight * (double)x[i];
}

TARGET static double dot_widened(const double *a, const float *b, size_t n) {
  lanes sum[2] = {{0}};
  double total = 0;
  size_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      half_floats y;
      memcpy(&y, b + i + j * LANES, sizeof y);
      sum[j] += load(a + i + j * LANES) * __builtin_convertvector(y, lanes);
    }
  sum[0] += sum[1];
  for (int j = 0; j < LANES; j++)
    total += sum[0][j];
  for (; i < n; i++)
    total += a[i] * (double)b[i];
  return total;
}

TARGET static double dot_doubles(const double *a, const double *b, size_t n) {
  lanes sum[2] = {{0}};
  double total = 0;
  size_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++)
      sum[j] += load(a + i + j * LANES) * load(b + i + j * LANES);
  sum[0] += sum[1];
  for (int j = 0; j < LANES; j++)
    total += sum[0][j];
  for (; i < n; i++)
    total += a[i] * b[i];
  return total;
}

TARGET static void add_outer_times(float *out, const float *x, const float *rows, const uint32_t *indices,
                                   const float *weights, size_t n, size_t f) {
  for (size_t e = 0; e < n; e++) {
    const float *y = rows + indices[e] * f;
    add_floats(out, weights[e] * dot_floats(y, x, f), y, f);
  }
}

/* -- sums of outer products, some rows at a time so that they stay in the first-level cache */

enum { GRAM_DEPTH = 32, GRAM_WIDTH = 128, GRAM_ROWS = 8 };

/* GRAM_ROWS x 2 vectors of the sum, added to a at (i, j). x: rows widened; wx: the same, weighed. */
TARGET static void gram_tile(double *a, double (*x)[GRAM_WIDTH], double (*wx)[GRAM_WIDTH], size_t depth, size_t i,
                             size_t j, size_t f) {
  lanes sum[GRAM_ROWS][2] = {{{0}}};
  for (size_t e = 0; e < depth; e++) {
    lanes left = load(&x[e][j]), right = load(&x[e][j + LANES]);
#pragma GCC unroll 8
    for (int r = 0; r < GRAM_ROWS; r++) {
      sum[r][0] += wx[e][i + (size_t)r] * left;
      sum[r][1] += wx[e][i + (size_t)r] * right;
    }
  }
  for (size_t r = 0; r < GRAM_ROWS && i + r < f; r++) {
    double *to = a + (i + r) * f + j, part[2 * LANES];
    if (j + 2 * LANES <= f) {
      lanes left = load(to) + sum[r][0], right = load(to + LANES) + sum[r][1];
      memcpy(to, &left, sizeof left);
      memcpy(to + LANES, &right, sizeof right);
      continue;
    }
    memcpy(part, sum[r], sizeof part);
    for (size_t c = 0; j + c < f; c++)
      to[c] += part[c];
  }
}

/* x = y and wx = weight y, with zeros from n to width. */
TARGET static inline void widen(double *x, double *wx, const float *y, double weight, size_t n, size_t width) {
  size_t c = 0;
  for (; c + LANES <= n; c += LANES) {
    half_floats narrow;
    memcpy(&narrow, y + c, sizeof narrow);
    lanes wide = __builtin_convertvector(narrow, lanes), weighed = weight * wide;
    memcpy(x + c, &wide, sizeof wide);
    memcpy(wx + c, &weighed, sizeof weighed);
  }
  for (; c < width; c++) {
    x[c] = c < n ? (double)y[c] : 0;
    wx[c] = weight * x[c];
  }
}

TARGET static void add_grams(double *a, const float *rows, const uint32_t *indices, const double *weights, size_t n,
                             size_t f) {
  double x[GRAM_DEPTH][GRAM_WIDTH], wx[GRAM_DEPTH][GRAM_WIDTH];
  if (f > GRAM_WIDTH) {
    for (size_t e = 0; e < n; e++) {
      const float *y = rows + indices[e] * f;
      for (size_t r = 0; r < f; r++)
        add_widened(a + r * f + r, weights[e] * (double)y[r], y + r, f - r);
    }
    return;
  }
  size_t width = (f + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
  width = width < (f + GRAM_ROWS - 1) / GRAM_ROWS * GRAM_ROWS ? (f + GRAM_ROWS - 1) / GRAM_ROWS * GRAM_ROWS : width;
  for (size_t first = 0; first < n; first += GRAM_DEPTH) {
    size_t depth = n - first < GRAM_DEPTH ? n - first : GRAM_DEPTH;
    for (size_t e = 0; e < depth; e++) {
      const float *y = rows + indices[first + e] * f;
      widen(x[e], wx[e], y, weights[first + e], f, width);
    }
    for (size_t i = 0; i < f; i += GRAM_ROWS)
      for (size_t j = i / (2 * LANES) * (2 * LANES); j < f; j += 2 * LANES)
        gram_tile(a, x, wx, depth, i, j, f);
  }
}

typedef int64_t masks __attribute__((vector_size(LANES * sizeof(double))));

TARGET static double narrow(float *out, const double *x, size_t n) {
  masks most = {0}; /* magnitudes rise with their bits */
  double largest = 0, part[LANES];
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    lanes v = load(x + i);
    half_floats narrowed = __builtin_convertvector(v, half_floats);
    masks magnitude = (masks)v & INT64_MAX, larger = magnitude > most;
    most = (magnitude & larger) | (most & ~larger);
    memcpy(out + i, &narrowed, sizeof narrowed);
  }
  memcpy(part, &most, sizeof part);
  for (int j = 0; j < LANES; j++)
    largest = part[j] > largest ? part[j] : largest;
  for (; i < n; i++) {
    double magnitude = x[i] < 0 ? -x[i] : x[i];
    out[i] = (float)x[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

TARGET static void scale(double *x, double by, size_t n) {
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    lanes v = load(x + i) * by;
    memcpy(x + i, &v, sizeof v);
  }
  for (; i < n; i++)
    x[i] *= by;
}

TARGET static void take_four(double *y, const double *x, size_t stride, size_t n) {
  const double *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
  double a = x[0], b = x1[0], c = x2[0], d = x3[0];
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    lanes v = load(y + i) - a * load(x + i) - b * load(x1 + i) - c * load(x2 + i) - d * load(x3 + i);
    memcpy(y + i, &v, sizeof v);
  }
  for (; i < n; i++)
    y[i] = y[i] - a * x[i] - b * x1[i] - c * x2[i] - d * x3[i];
}

/* Some columns of a tile for all four. */
enum { FOUR_VECTORS = LANES >= 8 ? 4 : 2, FOUR_WIDTH = 2 * LANES * FOUR_VECTORS };

TARGET static inline void four_columns(float *out, const float *tile, const float *weights, size_t k, size_t stride) {
  floats sum[4][FOUR_VECTORS] = {{{0}}};
  for (size_t c = 0; c < k; c++) {
    floats x[FOUR_VECTORS];
    memcpy(x, tile + c * RECSYS__TILE_ITEMS, sizeof x);
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 4
      for (int v = 0; v < FOUR_VECTORS; v++)
        sum[q][v] += weights[c * 4 + (size_t)q] * x[v];
  }
  for (size_t q = 0; q < 4; q++)
    memcpy(out + q * stride, sum[q], sizeof sum[q]);
}

TARGET static void combine_four(float *out, const float *tiles, const float *weights, size_t k, size_t n) {
  for (size_t j = 0; j < n; j += RECSYS__TILE_ITEMS)
    for (size_t c = 0; c < RECSYS__TILE_ITEMS; c += FOUR_WIDTH)
      four_columns(out + j + c, tiles + j * k + c, weights, k, n);
}
