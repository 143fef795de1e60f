/* Resampling as Pillow does it (src/libImaging/Resample.c): bilinear with a triangle that widens when a picture is
 * made smaller, rows first and then columns, each rounded to 8 bits; and nearest neighbour. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/resample.h"

enum { MAX_SIDE = 65535 };

static void free_taps(recsys__taps *taps) {
  recsys__free(taps->first);
  recsys__free(taps->count);
  recsys__free(taps->weights);
}

/* The triangle's weights for one output pixel, which sum to 1 before they are rounded to 2^-22. */
static void fill_weights(int32_t *weights, uint32_t first, uint32_t count, double centre, double scale) {
  double sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    sum += fmax(0, 1 - fabs((i + (double)first - centre + 0.5) * scale));
  }
  for (uint32_t i = 0; i < count; i++) {
    double weight = fmax(0, 1 - fabs((i + (double)first - centre + 0.5) * scale));
    weights[i] = (int32_t)(0.5 + (sum != 0 ? weight / sum : weight) * (1 << RECSYS__WEIGHT_BITS));
  }
}

static bool make_taps(recsys__taps *taps, uint32_t from, uint32_t to) {
  double scale = (double)from / to, widen = fmax(scale, 1), support = widen; /* the triangle reaches 1 to each side */
  *taps = (recsys__taps){.size = ((size_t)ceil(support) * 2 + 2) & ~(size_t)1};
  size_t total;
  if (recsys__mul(taps->size, to, &total)) {
    taps->first = recsys__alloc(to, sizeof(*taps->first));
    taps->count = recsys__alloc(to, sizeof(*taps->count));
    taps->weights = recsys__calloc(total, sizeof(*taps->weights));
  }
  if (!taps->first || !taps->count || !taps->weights) {
    return false;
  }
  for (uint32_t x = 0; x < to; x++) {
    double centre = (x + 0.5) * scale;
    double low = centre - support + 0.5, high = centre + support + 0.5;
    uint32_t first = low > 0 ? (uint32_t)low : 0, end = high < from ? (uint32_t)high : from;
    taps->first[x] = first;
    taps->count[x] = end - first;
    fill_weights(taps->weights + x * taps->size, first, end - first, centre, 1 / widen);
  }
  return true;
}

/* All rows of the picture, each to `width` pixels. The last ones go through `padded`, because a resampler may read a
 * little past a row. */
static void resample_rows(const recsys__resampler *resampler, const recsys__pixels *pixels, const recsys__taps *taps,
                          uint32_t width, uint8_t *padded, uint8_t *out) {
  size_t row = (size_t)pixels->width * 3, total = row * pixels->height;
  for (size_t y = 0; y < pixels->height; y++) {
    const uint8_t *in = pixels->data + y * row;
    if ((y + 1) * row + RECSYS__READ_PAST > total) {
      in = memcpy(padded, in, row);
    }
    resampler->across(out + y * width * 3, in, taps, width);
  }
}

static recsys_status across(const recsys__resampler *resampler, const recsys__pixels *pixels, uint32_t width,
                            uint8_t *out, recsys_error *error) {
  recsys__taps taps;
  uint8_t *padded = recsys__calloc(1, (size_t)pixels->width * 3 + RECSYS__READ_PAST);
  bool ready = make_taps(&taps, pixels->width, width) && padded;
  if (ready) {
    resample_rows(resampler, pixels, &taps, width, padded, out);
  }
  recsys__free(padded);
  free_taps(&taps);
  return ready ? RECSYS_OK : recsys__no_memory(error, "the weights to resize a picture");
}

static recsys_status down(const recsys__resampler *resampler, const recsys__pixels *pixels, uint32_t height,
                          uint8_t *out, recsys_error *error) {
  recsys__taps taps;
  size_t row = (size_t)pixels->width * 3;
  bool ready = make_taps(&taps, pixels->height, height);
  for (size_t y = 0; ready && y < height; y++) {
    resampler->down(out + y * row, pixels->data + taps.first[y] * row, row, row, taps.weights + y * taps.size,
                    taps.count[y]);
  }
  free_taps(&taps);
  return ready ? RECSYS_OK : recsys__no_memory(error, "the weights to resize a picture");
}

static recsys_status bilinear(const recsys__resampler *resampler, const recsys__pixels *pixels, uint32_t width,
                              uint32_t height, uint8_t *out, recsys_error *error) {
  recsys__pixels between = {0};
  if (pixels->height == height) {
    return across(resampler, pixels, width, out, error);
  }
  if (pixels->width == width) {
    return down(resampler, pixels, height, out, error);
  }
  between.width = width;
  between.height = pixels->height;
  between.data = recsys__alloc(pixels->height, (size_t)width * 3);
  if (!between.data) {
    return recsys__no_memory(error, "a picture that is being resized");
  }
  recsys_status status = across(resampler, pixels, width, between.data, error);
  if (status == RECSYS_OK) {
    status = down(resampler, &between, height, out, error);
  }
  recsys__free(between.data);
  return status;
}

/* The positions are summed up, not multiplied out, as in Pillow's Geometry.c (ImagingScaleAffine): the rounding
 * decides which pixel is nearest at a tie. */
static void nearest_table(uint32_t *table, uint32_t from, uint32_t to) {
  double step = (double)from / to, at = step * 0.5;
  for (uint32_t i = 0; i < to; i++, at += step) {
    table[i] = at < from ? (uint32_t)at : from - 1;
  }
}

static recsys_status nearest(const recsys__pixels *pixels, uint32_t width, uint32_t height, uint8_t *out,
                             recsys_error *error) {
  uint32_t *columns = recsys__alloc((size_t)width + height, sizeof(*columns));
  if (!columns) {
    return recsys__no_memory(error, "the table to resize a picture");
  }
  uint32_t *rows = columns + width;
  nearest_table(columns, pixels->width, width);
  nearest_table(rows, pixels->height, height);
  for (size_t y = 0; y < height; y++) {
    const uint8_t *in = pixels->data + (size_t)rows[y] * pixels->width * 3;
    for (size_t x = 0; x < width; x++, out += 3) {
      const uint8_t *p = in + (size_t)columns[x] * 3;
      out[0] = p[0];
      out[1] = p[1];
      out[2] = p[2];
    }
  }
  recsys__free(columns);
  return RECSYS_OK;
}

recsys_status recsys__image_resize_with(const recsys__resampler *resampler, const recsys__pixels *pixels,
                                        uint32_t width, uint32_t height, recsys__filter_kind kind, uint8_t *out,
                                        recsys_error *error) {
  if (!pixels || !pixels->data || pixels->width == 0 || pixels->height == 0 || !out) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "there is no picture to resize, or nowhere to put it");
  }
  if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "cannot resize to %u x %u pixels: each side must lie in 1..%d", width,
                        height, MAX_SIDE);
  }
  if (kind != RECSYS__NEAREST && kind != RECSYS__BILINEAR) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "unknown filter %d to resize a picture", (int)kind);
  }
  if (pixels->width == width && pixels->height == height) {
    memcpy(out, pixels->data, (size_t)width * height * 3);
    return recsys__ok(error);
  }
  recsys_status status = kind == RECSYS__NEAREST ? nearest(pixels, width, height, out, error)
                                                 : bilinear(resampler, pixels, width, height, out, error);
  return status == RECSYS_OK ? recsys__ok(error) : status;
}

recsys_status recsys__image_resize(const recsys__pixels *pixels, uint32_t width, uint32_t height,
                                   recsys__filter_kind kind, uint8_t *out, recsys_error *error) {
  const recsys__resampler *fast = recsys__resampler_avx2();
  return recsys__image_resize_with(fast ? fast : &recsys__resampler_plain, pixels, width, height, kind, out, error);
}
