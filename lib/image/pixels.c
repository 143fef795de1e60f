/* Pixels in memory: other formats to RGB, turning upright, cutting out. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

recsys_status recsys__pixels_alloc(recsys__pixels *pixels, uint32_t width, uint32_t height, recsys_error *error) {
  size_t row;
  *pixels = (recsys__pixels){0};
  if (recsys__mul(width, 3, &row)) {
    pixels->data = recsys__alloc(height, row);
  }
  if (!pixels->data) {
    return recsys__no_memory(error, "the pixels of a picture");
  }
  pixels->width = width;
  pixels->height = height;
  return RECSYS_OK;
}

void recsys__pixels_free(recsys__pixels *pixels) {
  if (pixels) {
    recsys__free(pixels->data);
    *pixels = (recsys__pixels){0};
  }
}

uint32_t recsys__pixels_bytes(uint32_t format) {
  static const uint32_t bytes[] = {3, 3, 4, 4, 1};
  return format < sizeof(bytes) / sizeof(bytes[0]) ? bytes[format] : 0;
}

/* round((colour x alpha + 255 x (255 - alpha)) / 255), exactly. */
static inline uint8_t over_white(uint32_t colour, uint32_t alpha) {
  uint32_t sum = colour * alpha + 255 * (255 - alpha) + 128;
  return (uint8_t)((sum + (sum >> 8)) >> 8);
}

static void swap_ends(uint8_t *to, const uint8_t *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint8_t blue = from[3 * i];
    to[3 * i + 1] = from[3 * i + 1];
    to[3 * i] = from[3 * i + 2];
    to[3 * i + 2] = blue;
  }
}

static void compose(uint8_t *to, const uint8_t *from, size_t n, int red, int blue) {
  for (size_t i = 0; i < n; i++) {
    const uint8_t *p = from + 4 * i;
    uint8_t rgb[3] = {over_white(p[red], p[3]), over_white(p[1], p[3]), over_white(p[blue], p[3])};
    memcpy(to + 3 * i, rgb, 3);
  }
}

/* From the last to the first, because the result is the longer one. */
static void spread_gray(uint8_t *to, const uint8_t *from, size_t n) {
  for (size_t i = n; i-- > 0;) {
    uint8_t gray = from[i];
    to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = gray;
  }
}

void recsys__pixels_convert(uint8_t *to, const uint8_t *from, size_t n, uint32_t format) {
  switch (format) {
  case RECSYS_PIXELS_RGB:
    memmove(to, from, 3 * n);
    break;
  case RECSYS_PIXELS_BGR:
    swap_ends(to, from, n);
    break;
  case RECSYS_PIXELS_RGBA:
    compose(to, from, n, 0, 2);
    break;
  case RECSYS_PIXELS_BGRA:
    compose(to, from, n, 2, 0);
    break;
  default:
    spread_gray(to, from, n);
    break;
  }
}

/* Keeps a part of an upright picture in place; giving back the rest may fail without harm. */
static void cut(recsys__pixels *pixels, const recsys__rect *crop) {
  size_t from_row = (size_t)pixels->width * 3, to_row = (size_t)crop->width * 3;
  for (size_t y = 0; y < crop->height; y++) {
    memmove(pixels->data + y * to_row, pixels->data + (crop->y + y) * from_row + (size_t)crop->x * 3, to_row);
  }
  pixels->width = crop->width;
  pixels->height = crop->height;
  uint8_t *smaller = recsys__realloc(pixels->data, crop->height, to_row);
  if (smaller) {
    pixels->data = smaller;
  }
}

/* The way through the stored picture that visits it upright: where (0, 0) is, and the steps in bytes. */
typedef struct walk {
  const uint8_t *origin;
  ptrdiff_t right, down;
} walk;

/* Orientations 5 to 8 are stored on their side; 2, 3, 7, 8 are mirrored along the stored rows, 3, 4, 6, 7 along the
 * stored columns (EXIF 2.3, table of tag 0x0112). */
static walk upright_walk(const recsys__pixels *stored, uint32_t orientation) {
  bool side = orientation >= 5;
  bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  ptrdiff_t row = (ptrdiff_t)stored->width * 3;
  ptrdiff_t along_x = mirror_x ? -3 : 3, along_y = mirror_y ? -row : row;
  const uint8_t *origin = stored->data + (mirror_x ? row - 3 : 0) + (mirror_y ? row * (stored->height - 1) : 0);
  return (walk){origin, side ? along_y : along_x, side ? along_x : along_y};
}

/* In strips of columns, so that a picture on its side is read in pieces that stay in cache. */
static void copy_walk(recsys__pixels *to, walk from) {
  enum { STRIP = 64 };
  for (uint32_t x0 = 0; x0 < to->width; x0 += STRIP) {
    uint32_t n = to->width - x0 < STRIP ? to->width - x0 : STRIP;
    for (uint32_t y = 0; y < to->height; y++) {
      const uint8_t *p = from.origin + (ptrdiff_t)y * from.down + (ptrdiff_t)x0 * from.right;
      uint8_t *out = to->data + ((size_t)y * to->width + x0) * 3;
      for (uint32_t i = 0; i < n; i++, p += from.right, out += 3) {
        out[0] = p[0];
        out[1] = p[1];
        out[2] = p[2];
      }
    }
  }
}

recsys_status recsys__crop_resolve(recsys__rect *crop, uint32_t width, uint32_t height, const char *name,
                                   recsys_error *error) {
  if (crop->x == 0 && crop->y == 0 && crop->width == 0 && crop->height == 0) {
    *crop = (recsys__rect){0, 0, width, height};
  }
  if (crop->width == 0 || crop->height == 0 || (uint64_t)crop->x + crop->width > width ||
      (uint64_t)crop->y + crop->height > height) {
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "the crop of %u x %u at (%u, %u) is not inside %s of %u x %u pixels; choose one that is",
                        crop->width, crop->height, crop->x, crop->y, name, width, height);
  }
  return RECSYS_OK;
}

static recsys_status turn(recsys__pixels *pixels, uint32_t orientation, const recsys__rect *crop, const char *name,
                          const recsys__image_limits *limits, recsys_error *error) {
  uint64_t bytes = ((uint64_t)pixels->width * pixels->height + (uint64_t)crop->width * crop->height) * 3;
  recsys__pixels turned;
  recsys_status status = recsys__check_memory(bytes, name, limits, error);
  if (status == RECSYS_OK) {
    status = recsys__pixels_alloc(&turned, crop->width, crop->height, error);
  }
  if (status != RECSYS_OK) {
    return status;
  }
  walk from = upright_walk(pixels, orientation);
  from.origin += (ptrdiff_t)crop->x * from.right + (ptrdiff_t)crop->y * from.down;
  copy_walk(&turned, from);
  recsys__pixels_free(pixels);
  *pixels = turned;
  return RECSYS_OK;
}

recsys_status recsys__pixels_upright(recsys__pixels *pixels, uint32_t orientation, const recsys__rect *crop,
                                     const char *name, const recsys__image_limits *limits, recsys_error *error) {
  bool side = orientation >= 5;
  uint32_t width = side ? pixels->height : pixels->width, height = side ? pixels->width : pixels->height;
  recsys__rect part = *crop;
  recsys_status status = recsys__crop_resolve(&part, width, height, name, error);
  if (status != RECSYS_OK) {
    return status;
  }
  if (orientation > 1) {
    return turn(pixels, orientation, &part, name, limits, error);
  }
  if (part.width < width || part.height < height) {
    cut(pixels, &part);
  }
  return RECSYS_OK;
}
