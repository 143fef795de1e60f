/* PNG through libpng: every colour type and depth, interlaced or not, as 8-bit RGB with alpha composed over white.
 * Gamma and colour profiles are ignored, as Pillow does; of 16 bits the upper 8 are kept. Size and memory are checked
 * from the header's bytes before libpng sees them. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

/* Everything that must outlive a longjmp lies here, so that no local variable has to. */
typedef struct decoder {
  png_structp png;
  png_infop info;
  jmp_buf escape;
  const recsys__encoded *encoded;
  const recsys__image_limits *limits;
  recsys__pixels *pixels;
  recsys_error *error;
  recsys_status status;
  size_t at;      /* bytes read so far */
  uint8_t *rgba;  /* one row, or the whole of an interlaced picture; NULL without alpha */
  uint8_t **rows; /* where an interlaced picture goes */
  uint32_t width, height;
  bool no_memory, truncated;
} decoder;

/* The format's fixed beginning: signature, then IHDR's length, name, width, height, depth, colour type, compression,
 * filter and interlace method (PNG specification, 11.2.2). */
enum { AT_NAME = 12, AT_WIDTH = 16, AT_HEIGHT = 20, HEADER_SIZE = 33 };

static uint32_t read32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void on_error(png_structp png, png_const_charp text) {
  decoder *d = png_get_error_ptr(png);
  const char *name = d->encoded->name;
  if (d->no_memory) {
    d->status = recsys__no_memory(d->error, "decoding a PNG");
  } else if (d->truncated) {
    d->status = recsys__fail(d->error, RECSYS_EFORMAT, 0,
                             "cannot decode %s: it is truncated: the PNG ends after %zu bytes, before its end chunk; "
                             "replace it by a whole copy",
                             name, d->encoded->size);
  } else {
    d->status =
        recsys__fail(d->error, RECSYS_EFORMAT, 0, "cannot decode %s: %s; replace it by a sound copy", name, text);
  }
  longjmp(d->escape, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n) {
  decoder *d = png_get_io_ptr(png);
  if (n > d->encoded->size - d->at) {
    d->truncated = true;
    png_error(png, "truncated");
  }
  memcpy(to, d->encoded->data + d->at, n);
  d->at += n;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t n) {
  decoder *d = png_get_mem_ptr(png);
  void *memory = recsys__alloc(1, n);
  d->no_memory |= !memory;
  return memory;
}

static void on_free(png_structp png, png_voidp memory) {
  (void)png;
  recsys__free(memory);
}

/* Only IHDR, PLTE, tRNS, IDAT and IEND are looked at; all else is skipped unread, and never inflated. */
static recsys_status open_decoder(decoder *d) {
  d->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, d, on_error, on_warning, d, on_alloc, on_free);
  d->info = d->png ? png_create_info_struct(d->png) : NULL;
  if (!d->info) {
    return recsys__no_memory(d->error, "decoding a PNG");
  }
  png_set_read_fn(d->png, d, on_read);
  png_set_user_limits(d->png, d->width, d->height);
  png_set_chunk_cache_max(d->png, 16);
  png_set_chunk_malloc_max(d->png, d->encoded->size);
  png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  return RECSYS_OK;
}

static bool has_alpha(const decoder *d) {
  return (png_get_color_type(d->png, d->info) & PNG_COLOR_MASK_ALPHA) != 0 ||
         png_get_valid(d->png, d->info, PNG_INFO_tRNS) != 0;
}

static bool interlaced(const decoder *d) {
  return png_get_interlace_type(d->png, d->info) != PNG_INTERLACE_NONE;
}

/* Whatever the file holds, rows of RGB or RGBA come out. */
static void set_transforms(decoder *d) {
  png_set_expand(d->png);
  png_set_strip_16(d->png);
  png_set_gray_to_rgb(d->png);
  png_set_interlace_handling(d->png);
  png_read_update_info(d->png, d->info);
}

static recsys_status alloc_rows(decoder *d, bool alpha) {
  uint64_t pixels = (uint64_t)d->width * d->height, bytes = pixels * 3;
  size_t row = (size_t)d->width * (alpha ? 4 : 3), rows = interlaced(d) ? d->height : 1;
  if (alpha) {
    bytes += (uint64_t)rows * row;
  }
  recsys_status status = recsys__check_memory(bytes, d->encoded->name, d->limits, d->error);
  if (status == RECSYS_OK) {
    status = recsys__pixels_alloc(d->pixels, d->width, d->height, d->error);
  }
  if (status != RECSYS_OK) {
    return status;
  }
  if (alpha && !(d->rgba = recsys__alloc(rows, row))) {
    return recsys__no_memory(d->error, "a PNG with alpha");
  }
  if (interlaced(d) && !(d->rows = recsys__alloc(rows, sizeof(*d->rows)))) {
    return recsys__no_memory(d->error, "the rows of an interlaced PNG");
  }
  for (size_t y = 0; d->rows && y < rows; y++) {
    d->rows[y] = (alpha ? d->rgba : d->pixels->data) + y * row;
  }
  return RECSYS_OK;
}

static void read_interlaced(decoder *d, bool alpha) {
  png_read_image(d->png, d->rows);
  if (alpha) {
    recsys__pixels_convert(d->pixels->data, d->rgba, (size_t)d->width * d->height, RECSYS_PIXELS_RGBA);
  }
}

static void read_rows(decoder *d, bool alpha) {
  size_t row = (size_t)d->width * 3;
  for (size_t y = 0; y < d->height; y++) {
    uint8_t *out = d->pixels->data + y * row;
    png_read_row(d->png, alpha ? d->rgba : out, NULL);
    if (alpha) {
      recsys__pixels_convert(out, d->rgba, d->width, RECSYS_PIXELS_RGBA);
    }
  }
}

static recsys_status decode(decoder *d) {
  png_read_info(d->png, d->info);
  bool alpha = has_alpha(d);
  set_transforms(d);
  if (png_get_rowbytes(d->png, d->info) != (size_t)d->width * (alpha ? 4 : 3)) {
    return recsys__fail(d->error, RECSYS_EINTERNAL, 0, "%s: libpng gives rows of another size", d->encoded->name);
  }
  recsys_status status = alloc_rows(d, alpha);
  if (status != RECSYS_OK) {
    return status;
  }
  if (d->rows) {
    read_interlaced(d, alpha);
  } else {
    read_rows(d, alpha);
  }
  png_read_end(d->png, NULL);
  return RECSYS_OK;
}

/* The only function that a longjmp returns to: it has no locals of its own. */
static recsys_status run(decoder *d) {
  if (setjmp(d->escape) == 0) {
    d->status = open_decoder(d);
    if (d->status == RECSYS_OK) {
      d->status = decode(d);
    }
  }
  return d->status;
}

recsys_status recsys__png_decode(recsys__pixels *pixels, const recsys__encoded *encoded,
                                 const recsys__image_limits *limits, recsys_error *error) {
  decoder d = {.encoded = encoded, .limits = limits, .pixels = pixels, .error = error};
  *pixels = (recsys__pixels){0};
  if (encoded->size < HEADER_SIZE || memcmp(encoded->data + AT_NAME, "IHDR", 4) != 0) {
    return recsys__fail(error, RECSYS_EFORMAT, 0,
                        "cannot decode %s: the header of the PNG is truncated or damaged; replace it by a sound copy",
                        encoded->name);
  }
  d.width = read32(encoded->data + AT_WIDTH);
  d.height = read32(encoded->data + AT_HEIGHT);
  recsys_status status = recsys__check_pixels(d.width, d.height, encoded->name, limits, error);
  if (status != RECSYS_OK) {
    return status;
  }
  status = run(&d);
  png_destroy_read_struct(&d.png, &d.info, NULL);
  recsys__free(d.rgba);
  recsys__free(d.rows);
  if (status != RECSYS_OK) {
    recsys__pixels_free(pixels);
  }
  return status;
}
