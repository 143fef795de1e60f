/*
 * Dense layers in float32 over weights as the network has them (outputs x inputs). oneDNN's are as fast only over
 * weights in a layout of its own, a second copy: of VGG16's 528 MiB of weights 472 are of dense layers, and reading
 * them once for each batch takes most of the time of either.
 */
#ifndef RECSYS_ENGINE_ONEDNN_LINEAR_H
#define RECSYS_ENGINE_ONEDNN_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINEAR_OUTPUTS = 4 }; /* of a tile */

typedef struct linear_kernel {
  const char *name;
  /* sums[p * LINEAR_OUTPUTS + o] = the product of src + p * inputs and weights[o], for p < count. */
  void (*tile)(int count, size_t inputs, const float *src, const float *const weights[LINEAR_OUTPUTS], float *sums);
} linear_kernel;

extern const linear_kernel linear_plain;
#if defined(__x86_64__)
extern const linear_kernel linear_avx2, linear_avx512;
#endif
/* 0: the best one here, 1...: the next ones that run here, down to plain; NULL past the last. */
const linear_kernel *linear_kernel_at(size_t index);

typedef struct linear {
  const linear_kernel *kernel;
  int64_t batch, inputs, outputs;
  bool relu; /* not less than zero */
  uint32_t threads;
} linear;

/* dst (batch x outputs) = src (batch x inputs) times weights (outputs x inputs), plus bias (outputs, or NULL). */
void linear_run(const linear *l, const float *src, const float *weights, const float *bias, float *dst);

#endif
