/* The tile product for AVX-512. */
#if defined(__x86_64__)
#define TARGET      __attribute__((target("avx512f,fma")))
#define LANES       8
#define SUB_ROWS    8
#define SUB_VECTORS 3
#include "base/matrix_tile.h"

TARGET void recsys__tile_avx512(size_t k, const double *a, const double *b, double *c) {
  whole(k, a, b, c);
}
#else
typedef int recsys__no_avx512;
#endif
