/* The inner loops of resize.c, plain and for processors with AVX2; both give the same bytes. */
#ifndef RECSYS_IMAGE_RESAMPLE_H
#define RECSYS_IMAGE_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* Weights are whole numbers of 2^-22, as in Pillow's Resample.c: 32 bits less 8 for the pixel, less 2 to spare. */
enum { RECSYS__WEIGHT_BITS = 32 - 8 - 2 };

/* For every output pixel of a row (or row of a column): the first input, how many, and their weights, which lie
 * `size` apart (even, so that they may be read in pairs) and are 0 from `count` on. */
typedef struct recsys__taps {
  uint32_t *first, *count;
  int32_t *weights;
  size_t size;
} recsys__taps;

typedef struct recsys__resampler {
  /* One row of `width` output pixels. At least RECSYS__READ_PAST bytes behind the input row can be read. */
  void (*across)(uint8_t *out, const uint8_t *row, const recsys__taps *taps, uint32_t width);
  /* One output row of n bytes from `count` input rows, `stride` bytes apart. */
  void (*down)(uint8_t *out, const uint8_t *rows, size_t stride, size_t n, const int32_t *weights, uint32_t count);
} recsys__resampler;

enum { RECSYS__READ_PAST = 8 };

extern const recsys__resampler recsys__resampler_plain;
/* NULL where the processor has no AVX2. */
const recsys__resampler *recsys__resampler_avx2(void);

/* recsys__image_resize by the given loops. */
recsys_status recsys__image_resize_with(const recsys__resampler *resampler, const recsys__pixels *pixels,
                                        uint32_t width, uint32_t height, recsys__filter_kind kind, uint8_t *out,
                                        recsys_error *error);

#endif
