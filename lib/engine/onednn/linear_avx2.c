/* The inner loop of dense layers for AVX2. */
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define LANES  8
#define ROWS   2
#include "engine/onednn/linear_tile.h"

const linear_kernel linear_avx2 = {"avx2", tile};
#else
typedef int recsys__no_avx2;
#endif
