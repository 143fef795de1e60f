/* Pictures in: from a file, from encoded bytes or from pixels to upright RGB, within the limits. */
#include "image/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/decode.h"

void recsys__image_limits_default(recsys__image_limits *limits) {
  const uint64_t mebi = 1024 * 1024;
  limits->max_file_bytes = limits->max_file_bytes ? limits->max_file_bytes : 64 * mebi;
  limits->max_pixels = limits->max_pixels ? limits->max_pixels : 64 * mebi;
  limits->max_decode_bytes = limits->max_decode_bytes ? limits->max_decode_bytes : 1024 * mebi;
  limits->max_scans = limits->max_scans ? limits->max_scans : 100;
}

recsys_status recsys__check_pixels(uint64_t width, uint64_t height, const char *name,
                                   const recsys__image_limits *limits, recsys_error *error) {
  if (width == 0 || height == 0) {
    return recsys__fail(error, RECSYS_EFORMAT, 0, "%s says that it has no pixels; replace it by a sound copy", name);
  }
  if (width > limits->max_pixels / height) {
    return recsys__fail(error, RECSYS_ELIMIT, 0,
                        "%s has %" PRIu64 " x %" PRIu64 " pixels, more than the %" PRIu64
                        " allowed; raise max_pixels or store it smaller",
                        name, width, height, limits->max_pixels);
  }
  return RECSYS_OK;
}

recsys_status recsys__check_memory(uint64_t bytes, const char *name, const recsys__image_limits *limits,
                                   recsys_error *error) {
  if (bytes > limits->max_decode_bytes) {
    return recsys__fail(error, RECSYS_ENOMEM, 0,
                        "%s takes %" PRIu64 " bytes to decode, more than the %" PRIu64
                        " allowed; raise max_decode_bytes or store it smaller",
                        name, bytes, limits->max_decode_bytes);
  }
  return RECSYS_OK;
}

/* What the first bytes say: a picture of a kind that is known but not read here, or NULL. */
static const char *foreign_kind(const uint8_t *data, size_t size) {
  static const struct {
    size_t at;
    const char *magic, *kind;
  } kinds[] = {
      {0, "GIF8", "GIF"}, {8, "WEBP", "WebP"},      {0, "BM", "BMP"},       {0, "II*", "TIFF"},
      {0, "MM", "TIFF"},  {4, "ftypavif", "AVIF"},  {4, "ftyphe", "HEIF"},  {4, "ftypmif1", "HEIF"},
      {0, "8BPS", "PSD"}, {4, "jP  ", "JPEG 2000"}, {4, "JXL ", "JPEG XL"}, {0, "\xFF\x0A", "JPEG XL"},
      {0, "%PDF", "PDF"}, {0, "<svg", "SVG"},
  };
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    size_t n = strlen(kinds[i].magic);
    if (size >= 16 && kinds[i].at + n <= size && memcmp(data + kinds[i].at, kinds[i].magic, n) == 0) {
      return kinds[i].kind;
    }
  }
  return NULL;
}

static recsys_status refuse_kind(const recsys__encoded *encoded, recsys_error *error) {
  const char *kind = foreign_kind(encoded->data, encoded->size);
  if (kind) {
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "%s is %s; only JPEG and PNG are read: convert it",
                        encoded->name, kind);
  }
  return recsys__fail(error, RECSYS_EFORMAT, 0,
                      "%s is neither JPEG nor PNG by its first bytes; replace it by a sound copy", encoded->name);
}

static recsys_status load_encoded(recsys__pixels *pixels, const recsys__encoded *encoded, const recsys__rect *crop,
                                  recsys__image_limits limits, recsys_error *error) {
  static const uint8_t jpeg[3] = {0xFF, 0xD8, 0xFF};
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  recsys_status status;
  uint32_t orientation = 1;
  if (crop->width || crop->height) {
    limits.scaled_side = 0; /* the crop counts pixels of the full size */
  }
  if (encoded->size >= sizeof(jpeg) && memcmp(encoded->data, jpeg, sizeof(jpeg)) == 0) {
    status = recsys__jpeg_decode(pixels, encoded, &orientation, &limits, error);
  } else if (encoded->size >= sizeof(png) && memcmp(encoded->data, png, sizeof(png)) == 0) {
    status = recsys__png_decode(pixels, encoded, &limits, error);
  } else {
    status = refuse_kind(encoded, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__pixels_upright(pixels, orientation, crop, encoded->name, &limits, error);
  }
  return status;
}

static recsys_status load_bytes(recsys__pixels *pixels, const recsys_image *image, const recsys__rect *crop,
                                const recsys__image_limits *limits, recsys_error *error) {
  recsys__encoded encoded = {image->data, (size_t)image->size, "the encoded picture"};
  if (!image->data) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "the encoded picture has no data: set data and size");
  }
  if (image->size == 0) {
    return recsys__fail(error, RECSYS_EFORMAT, 0, "the encoded picture is empty: its size is 0 bytes");
  }
  if (image->size > limits->max_file_bytes) {
    return recsys__fail(error, RECSYS_ELIMIT, 0,
                        "the encoded picture has %" PRIu64 " bytes, more than the %" PRIu64
                        " allowed; raise max_file_bytes or store it smaller",
                        image->size, limits->max_file_bytes);
  }
  return load_encoded(pixels, &encoded, crop, *limits, error);
}

/* The path in quotes; of a long one the end, which says more than the beginning, cut between UTF-8 characters. */
static void quote_path(char *name, size_t size, const char *path) {
  const size_t most = 96;
  size_t n = strlen(path);
  const char *tail = n > most ? path + n - most : path;
  while (tail > path && ((unsigned char)*tail & 0xC0) == 0x80) {
    tail++;
  }
  snprintf(name, size, "'%s%s'", tail > path ? "..." : "", tail);
}

static recsys_status load_file(recsys__pixels *pixels, const recsys_image *image, const recsys__rect *crop,
                               const recsys__image_limits *limits, recsys_error *error) {
  char name[128];
  void *data = NULL;
  size_t size = 0;
  if (!image->path) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "the picture's path is NULL: set it");
  }
  recsys_status status = recsys__file_read(&data, &size, image->path, limits->max_file_bytes, error);
  if (status != RECSYS_OK) {
    return status;
  }
  quote_path(name, sizeof(name), image->path);
  recsys__encoded encoded = {data, size, name};
  status = load_encoded(pixels, &encoded, crop, *limits, error);
  recsys__free(data);
  return status;
}

/* Do `height` rows of `row` bytes, `stride` apart, lie within `size` bytes? */
static bool rows_fit(uint64_t height, uint64_t row, uint64_t stride, uint64_t size) {
  return stride >= row && row <= size && (height == 1 || stride <= (size - row) / (height - 1));
}

static recsys_status load_pixels(recsys__pixels *pixels, const recsys_image *image, const recsys__rect *crop,
                                 const recsys__image_limits *limits, recsys_error *error) {
  const char *name = "the picture given as pixels";
  uint32_t bytes = recsys__pixels_bytes(image->format);
  if (!image->data || bytes == 0 || image->width == 0 || image->height == 0) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s needs data, a known format, a width and a height", name);
  }
  recsys_status status = recsys__check_pixels(image->width, image->height, name, limits, error);
  if (status != RECSYS_OK) {
    return status;
  }
  uint64_t row = (uint64_t)image->width * bytes, stride = image->stride ? image->stride : row;
  if (!rows_fit(image->height, row, stride, image->size)) {
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "%s: %u rows of %" PRIu64 " bytes, %" PRIu64 " apart, do not lie in its %" PRIu64
                        " bytes; correct stride or size",
                        name, image->height, row, stride, image->size);
  }
  recsys__rect part = *crop;
  status = recsys__crop_resolve(&part, image->width, image->height, name, error);
  if (status == RECSYS_OK) {
    status = recsys__check_memory((uint64_t)part.width * part.height * 3, name, limits, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__pixels_alloc(pixels, part.width, part.height, error);
  }
  for (size_t y = 0; status == RECSYS_OK && y < part.height; y++) {
    const uint8_t *from = (const uint8_t *)image->data + (part.y + y) * stride + (size_t)part.x * bytes;
    recsys__pixels_convert(pixels->data + y * part.width * 3, from, part.width, image->format);
  }
  return status;
}

static bool reserved_zero(const recsys_image *image) {
  uint64_t any = 0;
  for (size_t i = 0; i < sizeof(image->reserved) / sizeof(image->reserved[0]); i++) {
    any |= image->reserved[i];
  }
  return any == 0;
}

recsys_status recsys__image_load(recsys__pixels *pixels, const recsys_image *image, const recsys__image_limits *limits,
                                 recsys_error *error) {
  recsys__image_limits bounds = limits ? *limits : (recsys__image_limits){0};
  recsys_status status;
  if (!pixels) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "there is nowhere to put the pixels: the pointer is NULL");
  }
  *pixels = (recsys__pixels){0};
  if (!image) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "the picture is NULL");
  }
  if (!reserved_zero(image)) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "a reserved word of the picture is not zero; clear the whole struct");
  }
  recsys__image_limits_default(&bounds);
  recsys__rect crop = {image->crop_x, image->crop_y, image->crop_width, image->crop_height};
  switch (image->kind) {
  case RECSYS_IMAGE_FILE:
    status = load_file(pixels, image, &crop, &bounds, error);
    break;
  case RECSYS_IMAGE_BYTES:
    status = load_bytes(pixels, image, &crop, &bounds, error);
    break;
  case RECSYS_IMAGE_PIXELS:
    status = load_pixels(pixels, image, &crop, &bounds, error);
    break;
  default:
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "a picture of unknown kind %u; set RECSYS_IMAGE_FILE, _BYTES or _PIXELS", image->kind);
  }
  if (status != RECSYS_OK) {
    recsys__pixels_free(pixels);
    return status;
  }
  return recsys__ok(error);
}
