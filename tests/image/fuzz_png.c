/* Fuzz target: arbitrary bytes that begin like a PNG, decoded within 1 Mi pixels. The checksums of its chunks are made
 * right, so that the search gets past them. Linked with fuzz_main.c it replays its corpus. */
#include <stdlib.h>
#include <string.h>

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* CRC-32 of the PNG specification, annex D. */
static uint32_t crc(const uint8_t *data, size_t size) {
  uint32_t value = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; i++) {
    value ^= data[i];
    for (int bit = 0; bit < 8; bit++) {
      value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
    }
  }
  return ~value;
}

static void correct_checksums(uint8_t *data, size_t size) {
  size_t at = 8;
  while (at + 12 <= size) {
    size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
    if (length > size - at - 12) {
      return;
    }
    uint32_t sum = crc(data + at + 4, length + 4);
    for (size_t i = 0; i < 4; i++) {
      data[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
    }
    at += 12 + length;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  size_t n = size < sizeof(signature) ? sizeof(signature) : size;
  uint8_t *copy = calloc(n, 1);
  memcpy(copy, data, size);
  memcpy(copy, signature, sizeof(signature));
  correct_checksums(copy, n);
  recsys__image_limits limits = {.max_pixels = 1 << 20};
  recsys_image image = {.kind = RECSYS_IMAGE_BYTES, .data = copy, .size = n};
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
  free(copy);
  return 0;
}
