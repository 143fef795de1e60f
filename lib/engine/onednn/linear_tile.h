/*
 * The inner loop of dense layers, written once with vectors and compiled for each kind of processor. Before including:
 * TARGET (attributes), LANES (floats of a vector), ROWS (pictures of a tile, which with LINEAR_OUTPUTS sums each stays
 * in registers).
 */
#include "engine/onednn/linear.h"

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* `count` is a constant where it is called, so that the sums are registers. */
TARGET static inline __attribute__((always_inline)) void
tile_of(const int count, size_t inputs, const float *src, const float *const weights[LINEAR_OUTPUTS], float *sums) {
  vec sum[ROWS][LINEAR_OUTPUTS] = {{{0}}};
  size_t whole = inputs / LANES * LANES;
  for (size_t i = 0; i < whole; i += LANES) {
    vec w[LINEAR_OUTPUTS];
#pragma GCC unroll 4
    for (int o = 0; o < LINEAR_OUTPUTS; o++)
      w[o] = *(const vec *)(weights[o] + i);
#pragma GCC unroll 4
    for (int p = 0; p < count; p++) {
      vec x = *(const vec *)(src + (size_t)p * inputs + i);
#pragma GCC unroll 4
      for (int o = 0; o < LINEAR_OUTPUTS; o++)
        sum[p][o] += w[o] * x;
    }
  }
  for (int p = 0; p < count; p++)
    for (int o = 0; o < LINEAR_OUTPUTS; o++) {
      float total = 0;
      for (int l = 0; l < LANES; l++)
        total += sum[p][o][l];
      for (size_t i = whole; i < inputs; i++)
        total += weights[o][i] * src[(size_t)p * inputs + i];
      sums[p * LINEAR_OUTPUTS + o] = total;
    }
}

TARGET static void tile(int count, size_t inputs, const float *src, const float *const weights[LINEAR_OUTPUTS],
                        float *sums) {
  for (; count >= ROWS; count -= ROWS, src += ROWS * inputs, sums += ROWS * LINEAR_OUTPUTS)
    tile_of(ROWS, inputs, src, weights, sums);
  for (; count > 0; count--, src += inputs, sums += LINEAR_OUTPUTS)
    tile_of(1, inputs, src, weights, sums);
}
