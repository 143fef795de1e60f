/* What image.c asks of the files beside it: the two decoders, and turning and cutting out. */
#ifndef RECSYS_IMAGE_DECODE_H
#define RECSYS_IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* An encoded picture in memory. `name` stands for it in messages: "'a.jpg'" or "the encoded picture". */
typedef struct recsys__encoded {
  const uint8_t *data;
  size_t size;
  const char *name;
} recsys__encoded;

/* A rectangle in pixels; all 0: the whole picture. */
typedef struct recsys__rect {
  uint32_t x, y, width, height;
} recsys__rect;

/* What a walk over the markers of a JPEG finds, without decoding and without memory. */
typedef struct recsys__jpeg_survey {
  uint32_t scans;       /* SOS markers */
  uint32_t orientation; /* EXIF tag 0x0112: 1..8; 1 where there is none or it makes no sense */
} recsys__jpeg_survey;

recsys__jpeg_survey recsys__jpeg_walk(const uint8_t *data, size_t size);

/* Decode into memory of the picture's size, as it is stored: not turned, not cut. *orientation: as in the survey. */
recsys_status recsys__jpeg_decode(recsys__pixels *pixels, const recsys__encoded *encoded, uint32_t *orientation,
                                  const recsys__image_limits *limits, recsys_error *error);
recsys_status recsys__png_decode(recsys__pixels *pixels, const recsys__encoded *encoded,
                                 const recsys__image_limits *limits, recsys_error *error);

/* RECSYS_ELIMIT if width x height is more than the limit, RECSYS_EFORMAT if it is 0. */
recsys_status recsys__check_pixels(uint64_t width, uint64_t height, const char *name,
                                   const recsys__image_limits *limits, recsys_error *error);
/* RECSYS_ENOMEM if `bytes` to decode are more than the limit. */
recsys_status recsys__check_memory(uint64_t bytes, const char *name, const recsys__image_limits *limits,
                                   recsys_error *error);

/* Memory for width x height pixels. */
recsys_status recsys__pixels_alloc(recsys__pixels *pixels, uint32_t width, uint32_t height, recsys_error *error);

/* Makes a crop of all 0 the whole of width x height; RECSYS_EINVAL if it does not lie inside. */
recsys_status recsys__crop_resolve(recsys__rect *crop, uint32_t width, uint32_t height, const char *name,
                                   recsys_error *error);

/* Turns the picture upright (EXIF orientation 1..8), then keeps the part `crop` of it. */
recsys_status recsys__pixels_upright(recsys__pixels *pixels, uint32_t orientation, const recsys__rect *crop,
                                     const char *name, const recsys__image_limits *limits, recsys_error *error);

/* n pixels of the given RECSYS_PIXELS_ format to RGB; alpha is composed over white, rounded to nearest. `from` and
 * `to` may be the same address. */
void recsys__pixels_convert(uint8_t *to, const uint8_t *from, size_t n, uint32_t format);
/* Bytes of one pixel of a format, 0 for an unknown one. */
uint32_t recsys__pixels_bytes(uint32_t format);

#endif
