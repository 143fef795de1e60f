/* Dense algebra for AVX2 with fused multiply-add. */
#if defined(__x86_64__)
#define TARGET      __attribute__((target("avx2,fma")))
#define LANES       4
#define SUB_ROWS    4
#define SUB_VECTORS 3
#include "base/matrix_tile.h"

const recsys__dense recsys__dense_avx2 = {"avx2",      whole,       whole_float, dot_floats,  add_floats,
                                          add_doubles, add_widened, dot_widened, dot_doubles, add_outer_times,
                                          add_grams,   narrow,      scale,       take_four,   combine_four};
#else
typedef int recsys__no_avx2;
#endif
