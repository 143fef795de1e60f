/*
 * The innermost product, written once with vectors and compiled for each kind of processor: an 8 x 24 tile of C from a
 * panel of A (k columns of 8) and one of B (k rows of 24). Before including: TARGET (attributes), LANES (doubles of a
 * vector), SUB_ROWS and SUB_VECTORS (how much of the tile stays in registers).
 */
#include <stddef.h>
#include <string.h>

#include "base/matrix_kernel.h"

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

TARGET static inline lanes load(const double *from) {
  lanes v;
  memcpy(&v, from, sizeof v);
  return v;
}

TARGET static inline void part(size_t k, const double *restrict a, const double *restrict b, double *restrict c) {
  lanes sum[SUB_ROWS][SUB_VECTORS] = {{{0}}};
  for (size_t p = 0; p < k; p++, a += RECSYS__TILE_ROWS, b += RECSYS__TILE_COLUMNS) {
    lanes row[SUB_VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < SUB_VECTORS; j++)
      row[j] = load(b + j * LANES);
#pragma GCC unroll 8
    for (int i = 0; i < SUB_ROWS; i++)
#pragma GCC unroll 8
      for (int j = 0; j < SUB_VECTORS; j++)
        sum[i][j] += a[i] * row[j];
  }
#pragma GCC unroll 8
  for (int i = 0; i < SUB_ROWS; i++)
#pragma GCC unroll 8
    for (int j = 0; j < SUB_VECTORS; j++)
      memcpy(c + i * RECSYS__TILE_COLUMNS + j * LANES, &sum[i][j], sizeof(lanes));
}

TARGET static inline void whole(size_t k, const double *a, const double *b, double *c) {
  for (int i = 0; i < RECSYS__TILE_ROWS; i += SUB_ROWS)
    for (int j = 0; j < RECSYS__TILE_COLUMNS; j += SUB_VECTORS * LANES)
      part(k, a + i, b + j, c + i * RECSYS__TILE_COLUMNS + j);
}
