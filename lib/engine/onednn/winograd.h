/*
 * 3 x 3 convolutions of stride 1 in float32 by Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, CVPR 2016): 4 x 4 results of
 * a channel cost 36 products instead of 144. oneDNN 2.x has it for AVX-512 alone, 3.x nowhere.
 *
 * Tiles go through in chunks that stay in the caches: their transforms, then for each of the 36 points a product of
 * tiles x inputs by inputs x outputs, then the transforms of the results. The products are our own and not oneDNN's,
 * because the transforms then write and read just the layout that the products run over, and nothing is packed or
 * planned in between.
 */
#ifndef RECSYS_ENGINE_ONEDNN_WINOGRAD_H
#define RECSYS_ENGINE_ONEDNN_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/onednn/winograd_kernel.h"

/* How a picture-shaped activation lies in memory: channels in blocks of `block`, which lie one after the other, each
 * height x width x block; block = channels: channels last. */
typedef struct winograd_map {
  int64_t channels, height, width, block;
} winograd_map;

typedef struct winograd {
  const winograd_kernel *kernel;
  winograd_map src, dst;
  int64_t batch, pad[2]; /* rows above, columns left */
  bool add, relu;        /* dst += the result; then not less than zero */
  uint32_t threads;
  bool alone;            /* each thread takes chunks of its own */
  int64_t across, tiles; /* of a row, in all */
  int64_t chunk;         /* tiles of a chunk */
} winograd;

/* Fills in the rest. false: the channels are not whole vectors. */
bool winograd_plan(winograd *w);
size_t winograd_scratch(const winograd *w); /* bytes that a run needs, at an address of 64 */

/* weights (outputs x inputs x 3 x 3) in the form that a run takes: points x panels of outputs x padded inputs x panel,
 * zeros for inputs that only fill a vector up, which `to` must hold before. */
size_t winograd_weights_floats(int64_t outputs, int64_t padded_inputs);
void winograd_weights(const winograd_kernel *kernel, int64_t outputs, int64_t inputs, int64_t padded_inputs,
                      const float *weights, float *to, uint32_t threads);

/* bias: NULL, or one for each output. */
void winograd_run(const winograd *w, const float *src, const float *weights, const float *bias, float *dst,
                  void *scratch);

#endif
