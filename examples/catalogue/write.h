/* Picture files of several kinds, as shops have them. */
#ifndef WRITE_H
#define WRITE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum picture_format {
  JPEG_BASELINE,
  JPEG_PROGRESSIVE,
  JPEG_GREY,
  PNG_RGB,
  PNG_ALPHA,
  PNG_PALETTE /* 256 colours at most */
} picture_format;

/* rgba: size x size. false: could not be written. */
bool write_picture(const char *path, picture_format format, const uint8_t *rgba, int size);

#endif
