/* Winograd's inner loops for AVX2. */
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define LANES  8
#define ROWS   6
#include "engine/onednn/winograd_tile.h"

const winograd_kernel winograd_avx2 = {"avx2", LANES, ROWS, filter, input, multiply, output};
#else
typedef int recsys__no_avx2;
#endif
