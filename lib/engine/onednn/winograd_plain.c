/* Winograd's inner loops for any processor. */
#define TARGET
#define LANES 4
#define ROWS  6
#include "engine/onednn/winograd_tile.h"

const winograd_kernel winograd_plain = {"plain", LANES, ROWS, filter, input, multiply, output};

const winograd_kernel *winograd_kernel_at(size_t index) {
  const winograd_kernel *all[3];
  size_t count = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    all[count++] = &winograd_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all[count++] = &winograd_avx2;
#endif
  all[count++] = &winograd_plain;
  return index < count ? all[index] : NULL;
}
