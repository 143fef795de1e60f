/* What the suites of this room share: files and PPMs in, comparison, and pictures that are made on the spot. */
#ifndef TESTS_IMAGE_PICTURES_H
#define TESTS_IMAGE_PICTURES_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

typedef struct {
  uint8_t *data;
  size_t size;
} bytes;

bytes bytes_of(const char *name); /* a file of tests/image/expected; fails the test if it is not there */
void bytes_free(bytes *file);

recsys__pixels ppm_of(const char *name); /* freed with recsys__pixels_free */

/* Fails the test unless both have the same size and no value differs by more than `tolerance`. */
void assert_alike(const char *what, const recsys__pixels *got, const recsys__pixels *expected, int tolerance);

recsys_image image_file(const char *path);
recsys_image image_bytes(const void *data, size_t size);
recsys_image image_pixels(const void *data, size_t size, uint32_t format, uint32_t width, uint32_t height);

/* A status by its name; fails the test for an unknown one. */
recsys_status status_named(const char *name);

/* Loads and expects this status, a message and detail that fit it, and nothing to free after a failure. */
void assert_status(const char *what, const recsys_image *image, const recsys__image_limits *limits,
                   recsys_status expected);

#endif
