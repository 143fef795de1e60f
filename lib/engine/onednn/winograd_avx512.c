/* Winograd's inner loops for AVX-512. */
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma")))
#define LANES  16
#define ROWS   12
#include "engine/onednn/winograd_tile.h"

const winograd_kernel winograd_avx512 = {"avx512", LANES, ROWS, filter, input, multiply, output};
#else
typedef int recsys__no_avx512;
#endif
