/* The inner loop of dense layers for AVX-512. */
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,fma")))
#define LANES  16
#define ROWS   4
#include "engine/onednn/linear_tile.h"

const linear_kernel linear_avx512 = {"avx512", tile};
#else
typedef int recsys__no_avx512;
#endif
