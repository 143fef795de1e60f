/*
 * Winograd's inner loops, written once with vectors and compiled for each kind of processor. Before including: TARGET
 * (attributes), LANES (floats of a vector), ROWS (of a product's tile, which with two vectors a row stays in
 * registers).
 *
 * The transforms interpolate at 0, +-5/8, +-3/2 and infinity, whose powers differ less in size than those of the usual
 * 0, +-1, +-2, so that float32 rounds less.
 */
#include <stddef.h>
#include <string.h>

#include "engine/onednn/winograd_kernel.h"

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#define P 0.625f
#define Q 1.5f

TARGET static inline vec load(const float *from) {
  return *(const vec *)from;
}

TARGET static inline void store(float *to, vec v) {
  *(vec *)to = v;
}

typedef double wide __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

/* Three numbers' products with G: at point x the values x^0, x^1, x^2 over the product of its distances to the others.
 */
TARGET static inline __attribute__((always_inline)) void transform_filter(const wide g[3], wide t[6]) {
  const double p = P, q = Q, p2 = p * p, q2 = q * q;
  const double zero = 1 / (p2 * q2), at_p = 1 / (2 * p2 * (p2 - q2)), at_q = 1 / (2 * q2 * (q2 - p2));
  wide even = at_p * (g[0] + p2 * g[2]), odd = at_p * p * g[1];
  wide even2 = at_q * (g[0] + q2 * g[2]), odd2 = at_q * q * g[1];
  t[0] = zero * g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = g[2];
}

TARGET static void filter(const float *filters, size_t stride, float *out, size_t step) {
  typedef float narrow __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
  wide g[3][3], t[3][6];
  for (size_t l = 0; l < LANES; l++)
    for (int k = 0; k < 9; k++)
      g[k % 3][k / 3][l] = filters[l * stride + (size_t)k];
  for (int x = 0; x < 3; x++)
    transform_filter(g[x], t[x]);
  for (int y = 0; y < 6; y++) {
    const wide row[3] = {t[0][y], t[1][y], t[2][y]};
    wide points[6];
    transform_filter(row, points);
    for (int x = 0; x < 6; x++)
      *(narrow *)(out + (size_t)(6 * y + x) * step) = __builtin_convertvector(points[x], narrow);
  }
}

/* Six numbers' products with Bᵀ: rows of the coefficients of the polynomials with all roots but one. */
TARGET static inline __attribute__((always_inline)) void transform_in(const vec d[6], vec t[6]) {
  const float p2 = P * P, q2 = Q * Q;
  vec even = d[4] - q2 * d[2], odd = P * (d[3] - q2 * d[1]);
  vec even2 = d[4] - p2 * d[2], odd2 = Q * (d[3] - p2 * d[1]);
  t[0] = p2 * q2 * d[0] - (p2 + q2) * d[2] + d[4];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = p2 * q2 * d[1] - (p2 + q2) * d[3] + d[5];
}

/* Six numbers' products with Aᵀ: values of the polynomial's powers at the points. */
TARGET static inline __attribute__((always_inline)) void transform_out(const vec m[6], vec y[4]) {
  const float p2 = P * P, q2 = Q * Q;
  vec a = m[1] + m[2], b = P * (m[1] - m[2]), c = m[3] + m[4], d = Q * (m[3] - m[4]);
  y[0] = m[0] + a + c;
  y[1] = b + d;
  y[2] = p2 * a + q2 * c;
  y[3] = p2 * b + q2 * d + m[5];
}

TARGET static inline __attribute__((always_inline)) void whole_input(const float *patch, size_t pixel, size_t row,
                                                                     float *out, size_t step) {
  vec t[6][6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; x++) {
    vec d[6], column[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++)
      d[y] = load(patch + (size_t)y * row + (size_t)x * pixel);
    transform_in(d, column);
#pragma GCC unroll 6
    for (int y = 0; y < 6; y++)
      t[y][x] = column[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < 6; y++) {
    vec d[6];
    transform_in(t[y], d);
#pragma GCC unroll 6
    for (int x = 0; x < 6; x++)
      store(out + (size_t)(6 * y + x) * step, d[x]);
  }
}

TARGET static void input(const float *patch, size_t pixel, size_t row, const int first[2], const int last[2],
                         float *out, size_t step) {
  if (first[0] == 0 && first[1] == 0 && last[0] == 6 && last[1] == 6) {
    whole_input(patch, pixel, row, out, step);
    return;
  }
  float inside[36 * LANES] = {0};
  for (int y = first[0]; y < last[0]; y++)
    for (int x = first[1]; x < last[1]; x++)
      store(inside + (6 * y + x) * LANES, load(patch + (size_t)y * row + (size_t)x * pixel));
  whole_input(inside, LANES, (size_t)6 * LANES, out, step);
}

TARGET static inline __attribute__((always_inline)) void multiply_tile(int rows, int vectors, size_t groups,
                                                                       const float *from, size_t from_step,
                                                                       const float *weights, float *to,
                                                                       size_t to_step) {
  vec sum[ROWS][WINOGRAD_PANEL] = {{{0}}};
  for (size_t g = 0; g < groups; g++, from += from_step)
    for (size_t c = 0; c < LANES; c++, weights += vectors * LANES) {
      vec w[WINOGRAD_PANEL];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++)
        w[v] = load(weights + v * LANES);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
          sum[i][v] += from[(size_t)i * LANES + c] * w[v];
    }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      store(to + (size_t)v * to_step + (size_t)i * LANES, sum[i][v]);
}

#define CASE(rows)                                                                                                     \
  case rows:                                                                                                           \
    if (vectors == 2)                                                                                                  \
      multiply_tile(rows, 2, groups, from, from_step, weights, to, to_step);                                           \
    else                                                                                                               \
      multiply_tile(rows, 1, groups, from, from_step, weights, to, to_step);                                           \
    break;

TARGET static void multiply(size_t count, size_t groups, int vectors, const float *from, size_t from_step,
                            const float *weights, float *to, size_t to_step) {
  switch (count) {
    CASE(1)
    CASE(2)
    CASE(3)
    CASE(4)
    CASE(5)
    CASE(6)
#if ROWS > 6
    CASE(7)
    CASE(8)
    CASE(9)
    CASE(10)
    CASE(11)
    CASE(12)
#endif
  }
}

TARGET static inline vec positive(vec v) {
  typedef int mask __attribute__((vector_size(LANES * sizeof(int)), aligned(4), may_alias));
  mask above = v > 0;
  return (vec)((mask)v & above);
}

TARGET static void output(const float *points, size_t step, const float *bias, bool add, bool relu, int rows,
                          int columns, float *to, size_t pixel, size_t row) {
  vec t[4][6], zero = {0}, base = bias != NULL ? load(bias) : zero;
  float results[16 * LANES];
#pragma GCC unroll 6
  for (int x = 0; x < 6; x++) {
    vec m[6], y[4];
#pragma GCC unroll 6
    for (int k = 0; k < 6; k++)
      m[k] = load(points + (size_t)(6 * k + x) * step);
    transform_out(m, y);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
      t[k][x] = y[k];
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    vec y[4];
    transform_out(t[k], y);
#pragma GCC unroll 4
    for (int x = 0; x < 4; x++)
      store(results + (4 * k + x) * LANES, y[x] + base);
  }
  for (int y = 0; y < rows; y++)
    for (int x = 0; x < columns; x++) {
      float *at = to + (size_t)y * row + (size_t)x * pixel;
      vec v = load(results + (4 * y + x) * LANES);
      if (add)
        v += load(at);
      store(at, relu ? positive(v) : v);
    }
}
