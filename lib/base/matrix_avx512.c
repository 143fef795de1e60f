/* Dense algebra for AVX-512. */
#if defined(__x86_64__)
#define TARGET      __attribute__((target("avx512f,fma")))
#define LANES       8
#define SUB_ROWS    8
#define SUB_VECTORS 3
#include "base/matrix_tile.h"

const recsys__dense recsys__dense_avx512 = {"avx512",    whole,       whole_float, dot_floats,  add_floats,
                                            add_doubles, add_widened, dot_widened, dot_doubles, add_outer_times,
                                            add_grams,   narrow,      scale,       take_four,   combine_four};
#else
typedef int recsys__no_avx512;
#endif
