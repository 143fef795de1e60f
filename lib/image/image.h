/* Encoded bytes to RGB pixels, within stated limits, and resampling that equals Pillow's. */
#ifndef RECSYS_IMAGE_IMAGE_H
#define RECSYS_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

typedef struct recsys__image_limits {
  uint64_t max_file_bytes;
  uint64_t max_pixels;
  uint64_t max_decode_bytes;
  uint32_t max_scans;
  uint32_t scaled_side; /* 0: decode fully; else a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as its shorter side
                           stays at least twice this */
} recsys__image_limits;

/* The header's defaults in every field that is 0. */
void recsys__image_limits_default(recsys__image_limits *limits);

/* 8-bit RGB, top row first, rows without gaps; upright and already cropped. */
typedef struct recsys__pixels {
  uint8_t *data; /* height x width x 3, freed by recsys__pixels_free */
  uint32_t width, height;
} recsys__pixels;

recsys_status recsys__image_load(recsys__pixels *pixels, const recsys_image *image, const recsys__image_limits *limits,
                                 recsys_error *error);
void recsys__pixels_free(recsys__pixels *pixels);

typedef enum { RECSYS__NEAREST = 0, RECSYS__BILINEAR = 1 } recsys__filter_kind;

/* Resamples the whole picture to width x height into out (height x width x 3): Pillow's Image.resize with NEAREST, or
 * BILINEAR with its antialiasing support (within one grey level). */
recsys_status recsys__image_resize(const recsys__pixels *pixels, uint32_t width, uint32_t height,
                                   recsys__filter_kind kind, uint8_t *out, recsys_error *error);

#endif
