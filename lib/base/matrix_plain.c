/* Dense algebra for any processor, and which of them runs here. */
#define TARGET
#define LANES       2
#define SUB_ROWS    4
#define SUB_VECTORS 2
#include "base/matrix_tile.h"

const recsys__dense recsys__dense_plain = {"plain",     whole,       whole_float, dot_floats,  add_floats,
                                           add_doubles, add_widened, dot_widened, dot_doubles, add_outer_times,
                                           add_grams,   narrow,      scale,       take_four,   combine_four};

const recsys__dense *recsys__dense_at(size_t index) {
#if defined(__x86_64__)
  size_t i = 0;
  if (__builtin_cpu_supports("avx512f") && index == i++)
    return &recsys__dense_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && index == i++)
    return &recsys__dense_avx2;
  return index == i ? &recsys__dense_plain : NULL;
#else
  return index == 0 ? &recsys__dense_plain : NULL;
#endif
}
