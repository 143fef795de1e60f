/* Dense layers: who works on what; and the inner loop for any processor. */
#include "engine/onednn/linear.h"

#define TARGET
#define LANES 4
#define ROWS  2
#include "engine/onednn/linear_tile.h"

enum { PICTURES = 8 }; /* that meet weights while these are in the cache */

const linear_kernel linear_plain = {"plain", tile};

const linear_kernel *linear_kernel_at(size_t index) {
  const linear_kernel *all[3];
  size_t count = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    all[count++] = &linear_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all[count++] = &linear_avx2;
#endif
  all[count++] = &linear_plain;
  return index < count ? all[index] : NULL;
}

/* LINEAR_OUTPUTS outputs from `first` on, or those that there are, of up to PICTURES pictures. */
static void some_outputs(const linear *l, int64_t first, int64_t picture, const float *src, const float *weights,
                         const float *bias, float *dst) {
  const float *rows[LINEAR_OUTPUTS];
  float sums[PICTURES * LINEAR_OUTPUTS];
  int count = l->batch - picture < PICTURES ? (int)(l->batch - picture) : PICTURES;
  for (int64_t o = 0; o < LINEAR_OUTPUTS; o++)
    rows[o] = weights + (first + o < l->outputs ? first + o : first) * l->inputs;
  l->kernel->tile(count, (size_t)l->inputs, src + picture * l->inputs, rows, sums);
  for (int p = 0; p < count; p++)
    for (int64_t o = 0; o < LINEAR_OUTPUTS && first + o < l->outputs; o++) {
      float value = sums[p * LINEAR_OUTPUTS + o] + (bias != NULL ? bias[first + o] : 0);
      dst[(picture + p) * l->outputs + first + o] = l->relu && value < 0 ? 0 : value;
    }
}

void linear_run(const linear *l, const float *src, const float *weights, const float *bias, float *dst) {
#pragma omp parallel for num_threads(l->threads) schedule(static)
  for (int64_t first = 0; first < l->outputs; first += LINEAR_OUTPUTS)
    for (int64_t picture = 0; picture < l->batch; picture += PICTURES)
      some_outputs(l, first, picture, src, weights, bias, dst);
}
