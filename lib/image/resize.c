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
  *taps = (recsys__taps){.first = recsys__alloc(to, sizeof(*taps->first)),
                         .count = recsys__alloc(to, sizeof(*taps->count))};
  if (!taps->first || !taps->count) {
    return false;
  }
  uint32_t most = 1;
  for (uint32_t x = 0; x < to; x++) {
    double low = (x + 0.5) * scale - support + 0.5, high = (x + 0.5) * scale + support + 0.5;
    taps->first[x] = low > 0 ? (uint32_t)low : 0;
    taps->count[x] = (high < from ? (uint32_t)high : from) - taps->first[x];
    most = taps->count[x] > most ? taps->count[x] : most;
  }
  taps->size = ((size_t)most + 1) & ~(size_t)1;
  size_t bytes;
  if (recsys__mul(taps->size, sizeof(*taps->weights), &bytes)) {
    taps->weights = recsys__calloc(to, bytes);
  }
  for (uint32_t x = 0; taps->weights && x < to; x++) {
    fill_weights(taps->weights + x * taps->size, taps->first[x], taps->count[x], (x + 0.5) * scale, 1 / widen);
  }
  return taps->weights != NULL;
}

/* A window of the rows that were resampled across, so that a picture of any height needs but a few of them, which
 * stay in cache. It moves down with the output. */
typedef struct window {
  const recsys__resampler *resampler;
  const recsys__pixels *pixels;
  recsys__taps across, down;
  uint32_t width;           /* of its rows, in pixels */
  uint8_t *rows, *padded;   /* padded: an input row behind which a resampler may read */
  uint32_t base, end, room; /* it holds the rows base..end - 1 and has room for so many */
} window;

static void resample_row(const window *w, uint32_t y, uint8_t *out) {
  size_t row = (size_t)w->pixels->width * 3, total = row * w->pixels->height, at = y * row;
  const uint8_t *in = w->pixels->data + at;
  if (w->pixels->width == w->width) {
    memcpy(out, in, row);
    return;
  }
  if (total - at < row + RECSYS__READ_PAST) {
    in = memcpy(w->padded, in, row);
  }
  w->resampler->across(out, in, &w->across, w->width);
}

/* Makes the window hold the rows first..first + count - 1 and returns where they begin. */
static const uint8_t *move_to(window *w, uint32_t first, uint32_t count) {
  size_t row = (size_t)w->width * 3;
  if (first + count > w->base + w->room) {
    uint32_t kept = w->end > first ? w->end - first : 0;
    if (kept > 0) {
      memmove(w->rows, w->rows + (first - w->base) * row, kept * row);
    }
    w->base = first;
    w->end = first + kept;
  }
  for (; w->end < first + count; w->end++) {
    resample_row(w, w->end, w->rows + (w->end - w->base) * row);
  }
  return w->rows + (first - w->base) * row;
}

static bool open_window(window *w, uint32_t height) {
  bool ready = make_taps(&w->across, w->pixels->width, w->width) && make_taps(&w->down, w->pixels->height, height);
  if (ready) {
    size_t room = 2 * w->down.size + 14;
    w->room = room < w->pixels->height ? (uint32_t)room : w->pixels->height;
    w->rows = recsys__alloc(w->room, (size_t)w->width * 3);
    w->padded = recsys__calloc(1, (size_t)w->pixels->width * 3 + RECSYS__READ_PAST);
  }
  return ready && w->rows && w->padded;
}

static void close_window(window *w) {
  recsys__free(w->rows);
  recsys__free(w->padded);
  free_taps(&w->across);
  free_taps(&w->down);
}

static recsys_status bilinear(const recsys__resampler *resampler, const recsys__pixels *pixels, uint32_t width,
                              uint32_t height, uint8_t *out, recsys_error *error) {
  window w = {.resampler = resampler, .pixels = pixels, .width = width};
  size_t row = (size_t)width * 3;
  bool ready = open_window(&w, height);
  for (uint32_t y = 0; ready && y < height; y++) {
    if (pixels->height == height) {
      resample_row(&w, y, out + y * row);
      continue;
    }
    const uint8_t *rows = move_to(&w, w.down.first[y], w.down.count[y]);
    resampler->down(out + y * row, rows, row, row, w.down.weights + y * w.down.size, w.down.count[y]);
  }
  close_window(&w);
  return ready ? RECSYS_OK : recsys__no_memory(error, "a picture that is being resized");
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
