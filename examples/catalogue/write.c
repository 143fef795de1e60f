/* Picture files through libjpeg and libpng, whose own handling of errors (a message, then exit) will do here. */
#include "write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

static void write_jpeg(FILE *file, picture_format format, const uint8_t *rgba, int size) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  uint8_t *row = malloc(3 * (size_t)size);
  if (!row)
    exit(1);
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = jpeg.image_height = (JDIMENSION)size;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  if (format == JPEG_GREY)
    jpeg_set_colorspace(&jpeg, JCS_GRAYSCALE);
  if (format == JPEG_PROGRESSIVE)
    jpeg_simple_progression(&jpeg);
  jpeg_set_quality(&jpeg, 90, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++)
      memcpy(row + 3 * x, rgba + 4 * (y * size + x), 3);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  free(row);
}

typedef struct palette {
  png_color colours[256];
  int n;
  int16_t index[1 << 18]; /* by the upper six bits of each channel; -1: not in the palette */
} palette;

static unsigned short_code(const uint8_t *pixel, int bits) {
  unsigned mask = 0xFFu << (8 - bits) & 0xFFu;
  return (pixel[0] & mask) >> 2 << 12 | (pixel[1] & mask) >> 2 << 6 | (pixel[2] & mask) >> 2;
}

/* The coarsest colours are dropped until at most 256 are left: these pictures have few. */
static int make_palette(palette *p, const uint8_t *rgba, int pixels) {
  for (int bits = 6; bits > 2; bits--) {
    int i = 0;
    p->n = 0;
    memset(p->index, -1, sizeof p->index);
    for (; i < pixels; i++) {
      unsigned code = short_code(rgba + 4 * i, bits);
      if (p->index[code] >= 0)
        continue;
      if (p->n == 256)
        break;
      p->colours[p->n] = (png_color){rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]};
      p->index[code] = (int16_t)p->n++;
    }
    if (i == pixels)
      return bits;
  }
  fputs("catalogue: too many colours for a palette\n", stderr);
  exit(1);
}

static void write_rows(png_structp png, picture_format format, const uint8_t *rgba, int size, const palette *p,
                       int bits) {
  uint8_t *row = malloc(4 * (size_t)size);
  if (!row)
    exit(1);
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++) {
      const uint8_t *pixel = rgba + 4 * (y * size + x);
      if (format == PNG_PALETTE)
        row[x] = (uint8_t)p->index[short_code(pixel, bits)];
      else if (format == PNG_ALPHA)
        memcpy(row + 4 * x, pixel, 4);
      else
        memcpy(row + 3 * x, pixel, 3);
    }
    png_write_row(png, row);
  }
  free(row);
}

static void write_png(FILE *file, picture_format format, const uint8_t *rgba, int size) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  palette *p = malloc(sizeof *p);
  int bits = 0;
  if (!info || !p || setjmp(png_jmpbuf(png)))
    exit(1);
  png_init_io(png, file);
  int type = format == PNG_PALETTE ? PNG_COLOR_TYPE_PALETTE
             : format == PNG_ALPHA ? PNG_COLOR_TYPE_RGBA
                                   : PNG_COLOR_TYPE_RGB;
  png_set_IHDR(png, info, (png_uint_32)size, (png_uint_32)size, 8, type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (format == PNG_PALETTE) {
    bits = make_palette(p, rgba, size * size);
    png_set_PLTE(png, info, p->colours, p->n);
  }
  png_write_info(png, info);
  write_rows(png, format, rgba, size, p, bits);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  free(p);
}

bool write_picture(const char *path, picture_format format, const uint8_t *rgba, int size) {
  FILE *file = fopen(path, "wb");
  if (!file)
    return false;
  if (format <= JPEG_GREY)
    write_jpeg(file, format, rgba, size);
  else
    write_png(file, format, rgba, size);
  bool written = !ferror(file);
  return !fclose(file) && written;
}
