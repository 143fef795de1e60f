/* The tile product for any processor, and which of them runs here. */
#define TARGET
#define LANES       2
#define SUB_ROWS    4
#define SUB_VECTORS 2
#include "base/matrix_tile.h"

void recsys__tile_plain(size_t k, const double *a, const double *b, double *c) {
  whole(k, a, b, c);
}

recsys__tile_fn recsys__tile_at(size_t index) {
#if defined(__x86_64__)
  size_t i = 0;
  if (__builtin_cpu_supports("avx512f") && index == i++)
    return recsys__tile_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && index == i++)
    return recsys__tile_avx2;
  return index == i ? recsys__tile_plain : NULL;
#else
  return index == 0 ? recsys__tile_plain : NULL;
#endif
}
