/* For compare_pillow.py: reads lines "WIDTH HEIGHT FILTER PATH" and writes each picture, resampled to that size unless
 * it is 0, as a binary PPM; a picture that cannot be had is "FAIL message". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"

static void fail(const recsys_error *error) {
  printf("FAIL %s\n", error->message);
}

static void write_ppm(const uint8_t *data, uint32_t width, uint32_t height) {
  printf("P6 %u %u\n", width, height);
  fwrite(data, 3, (size_t)width * height, stdout);
}

static void answer(const char *path, uint32_t width, uint32_t height, recsys__filter_kind kind) {
  recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = path};
  recsys__pixels pixels;
  recsys_error error;
  if (recsys__image_load(&pixels, &image, NULL, &error) != RECSYS_OK) {
    fail(&error);
    return;
  }
  if (width == 0) {
    write_ppm(pixels.data, pixels.width, pixels.height);
  } else {
    uint8_t *out = malloc((size_t)width * height * 3);
    if (!out || recsys__image_resize(&pixels, width, height, kind, out, &error) != RECSYS_OK) {
      fail(&error);
    } else {
      write_ppm(out, width, height);
    }
    free(out);
  }
  recsys__pixels_free(&pixels);
}

int main(void) {
  char line[4200], filter[16], path[4096];
  unsigned width, height;
  while (fgets(line, sizeof(line), stdin)) {
    if (sscanf(line, "%u %u %15s %4095[^\n]", &width, &height, filter, path) != 4) {
      return 2;
    }
    answer(path, width, height, strcmp(filter, "nearest") == 0 ? RECSYS__NEAREST : RECSYS__BILINEAR);
    fflush(stdout);
  }
  return 0;
}
