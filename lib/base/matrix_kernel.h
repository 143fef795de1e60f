/* The loops of dense algebra that the processor at hand runs best. */
#ifndef RECSYS_BASE_MATRIX_KERNEL_H
#define RECSYS_BASE_MATRIX_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { RECSYS__TILE_ROWS = 8, RECSYS__TILE_COLUMNS = 24, RECSYS__TILE_COLUMNS_FLOAT = 48, RECSYS__TILE_ITEMS = 64 };

typedef struct recsys__dense {
  const char *name;
  /* c (8 x 24) = sum over p < k of a[p] (8) outer b[p] (24); panels packed, c dense. */
  void (*tile)(size_t k, const double *a, const double *b, double *c);
  void (*tile_float)(size_t k, const float *a, const float *b, float *c); /* 8 x 48 */
  float (*dot)(const float *a, const float *b, size_t n);
  /* y += weight x: floats, doubles, and floats into doubles. */
  void (*add_floats)(float *y, float weight, const float *x, size_t n);
  void (*add_doubles)(double *y, double weight, const double *x, size_t n);
  void (*add_widened)(double *y, double weight, const float *x, size_t n);
  double (*dot_widened)(const double *a, const float *b, size_t n);
  double (*dot_doubles)(const double *a, const double *b, size_t n);
  /* out += sum over e < n of weights[e] y (y . x), y = row indices[e] of rows (f floats each). */
  void (*add_outer_times)(float *out, const float *x, const float *rows, const uint32_t *indices, const float *weights,
                          size_t n, size_t f);
  /* a (f x f, the upper triangle; what is below it becomes undefined) += sum over e < n of weights[e] y yᵀ, y = row
   * indices[e] of rows (f floats each). */
  void (*add_grams)(double *a, const float *rows, const uint32_t *indices, const double *weights, size_t n, size_t f);
  /* out = x in float; the largest magnitude of x. */
  double (*narrow)(float *out, const double *x, size_t n);
  void (*scale)(double *x, double by, size_t n);
  /* y -= sum of the four rows x, x + stride, ... each times its own first element. */
  void (*take_four)(double *y, const double *x, size_t stride, size_t n);
  /* Four sums at once over vectors in tiles of TILE_ITEMS columns, tile[c * TILE_ITEMS + j] for c < k: out[q * n + j] =
   * sum over c of weights[c * 4 + q] x_c,j, for q < 4, j < n, n a multiple of TILE_ITEMS. */
  void (*combine_four)(float *out, const float *tiles, const float *weights, size_t k, size_t n);
} recsys__dense;

extern const recsys__dense recsys__dense_plain;
#if defined(__x86_64__)
extern const recsys__dense recsys__dense_avx2, recsys__dense_avx512;
#endif
/* 0: the best one here, 1...: the next ones that run here, down to plain; NULL past the last. */
const recsys__dense *recsys__dense_at(size_t index);

#endif
