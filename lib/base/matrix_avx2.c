/* The tile product for AVX2 with fused multiply-add. */
#if defined(__x86_64__)
#define TARGET      __attribute__((target("avx2,fma")))
#define LANES       4
#define SUB_ROWS    4
#define SUB_VECTORS 3
#include "base/matrix_tile.h"

TARGET void recsys__tile_avx2(size_t k, const double *a, const double *b, double *c) {
  whole(k, a, b, c);
}
#else
typedef int recsys__no_avx2;
#endif
