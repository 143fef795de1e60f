#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bytes bytes_of(const char *name) {
  char path[512];
  snprintf(path, sizeof(path), TESTS_DIR "/image/expected/%s", name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
  bytes out = {NULL, (size_t)ftell(file)};
  rewind(file);
  out.data = malloc(out.size + 1);
  ck_assert_uint_eq(fread(out.data, 1, out.size, file), out.size);
  out.data[out.size] = 0;
  fclose(file);
  return out;
}

void bytes_free(bytes *file) {
  free(file->data);
  *file = (bytes){0};
}

recsys__pixels ppm_of(const char *name) {
  bytes file = bytes_of(name);
  recsys__pixels pixels = {0};
  int header = 0;
  ck_assert_int_eq(sscanf((const char *)file.data, "P6 %u %u 255%n", &pixels.width, &pixels.height, &header), 2);
  size_t size = (size_t)pixels.width * pixels.height * 3;
  ck_assert_uint_eq(file.size, (size_t)header + 1 + size);
  pixels.data = recsys__copy(file.data + header + 1, 1, size);
  bytes_free(&file);
  return pixels;
}

void assert_alike(const char *what, const recsys__pixels *got, const recsys__pixels *expected, int tolerance) {
  ck_assert_msg(got->width == expected->width && got->height == expected->height, "%s: %u x %u instead of %u x %u",
                what, got->width, got->height, expected->width, expected->height);
  size_t size = (size_t)got->width * got->height * 3;
  for (size_t i = 0; i < size; i++) {
    int difference = abs(got->data[i] - expected->data[i]);
    ck_assert_msg(difference <= tolerance, "%s: value %zu is %d instead of %d", what, i, got->data[i],
                  expected->data[i]);
  }
}

recsys_image image_file(const char *path) {
  return (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = path};
}

recsys_image image_bytes(const void *data, size_t size) {
  return (recsys_image){.kind = RECSYS_IMAGE_BYTES, .data = data, .size = size};
}

recsys_image image_pixels(const void *data, size_t size, uint32_t format, uint32_t width, uint32_t height) {
  return (recsys_image){
      .kind = RECSYS_IMAGE_PIXELS, .data = data, .size = size, .format = format, .width = width, .height = height};
}

recsys_status status_named(const char *name) {
  for (recsys_status status = RECSYS_EINTERNAL; status <= RECSYS_OK; status++) {
    if (strcmp(recsys_status_name(status), name) == 0) {
      return status;
    }
  }
  ck_abort_msg("no status %s", name);
  return RECSYS_OK;
}

void assert_status(const char *what, const recsys_image *image, const recsys__image_limits *limits,
                   recsys_status expected) {
  recsys_error error;
  memset(&error, 0x55, sizeof(error));
  recsys__pixels pixels = {(uint8_t *)1, 1, 1};
  recsys_status status = recsys__image_load(&pixels, image, limits, &error);
  ck_assert_msg(status == expected, "%s: %s instead of %s (%.248s)", what, recsys_status_name(status),
                recsys_status_name(expected), error.message);
  ck_assert_int_eq(error.status, status);
  ck_assert_int_eq(error.message[0] != 0, status != RECSYS_OK);
  ck_assert_int_eq(pixels.data != NULL, status == RECSYS_OK);
  ck_assert_int_eq(pixels.width != 0 && pixels.height != 0, status == RECSYS_OK);
  recsys__pixels_free(&pixels);
}
