/* Fuzz target: arbitrary bytes that begin like a JPEG, decoded within 1 Mi pixels, whole and scaled. Linked with
 * fuzz_main.c it replays its corpus; with -fsanitize=fuzzer it searches. */
#include <stdlib.h>
#include <string.h>

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The pixels are looked at, so that a sanitizer sees those that were never written. */
static void load(const uint8_t *data, size_t size, uint32_t scaled_side) {
  recsys__image_limits limits = {.max_pixels = 1 << 20, .max_scans = 20, .scaled_side = scaled_side};
  recsys_image image = {.kind = RECSYS_IMAGE_BYTES, .data = data, .size = size};
  recsys__pixels pixels;
  recsys_error error;
  recsys_status status = recsys__image_load(&pixels, &image, &limits, &error);
  if ((status == RECSYS_OK) != (pixels.data != NULL) || status != error.status) {
    abort();
  }
  uint8_t out[16 * 16 * 3];
  if (pixels.data && recsys__image_resize(&pixels, 16, 16, RECSYS__BILINEAR, out, &error) != RECSYS_OK) {
    abort();
  }
  recsys__pixels_free(&pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size + 3);
  memcpy(copy, "\xFF\xD8\xFF", 3);
  if (size > 3) {
    memcpy(copy + 3, data + 3, size - 3);
  }
  load(copy, size < 3 ? 3 : size, 0);
  load(copy, size < 3 ? 3 : size, 8);
  free(copy);
  return 0;
}
