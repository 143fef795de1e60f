/* For test_int8.py: int8_files MODEL PIXELS N PLAIN INT8 ROWS LAYER... Opens a mini network, saves it as PLAIN and its
 * int8 model as INT8, and writes the rows of all N pictures (110 x 110 RGB, one after the other) to ROWS, layer after
 * layer; on standard output a line with the fingerprint for each. Ends with 77 where the processor has no int8. */
#include <stdio.h>
#include <stdlib.h>

#include "recsys.h"

enum { SIDE = 110, BYTES = SIDE * SIDE * 3 };

static recsys_error error;

static void must(recsys_status status) {
  if (status == RECSYS_OK)
    return;
  fprintf(stderr, "%s: %s\n", recsys_status_name(status), error.message);
  exit(status == RECSYS_EUNSUPPORTED ? 77 : 1);
}

static void write_rows(const char *path, const char *layer, const recsys_image *images, size_t n, FILE *out) {
  recsys_model *model;
  recsys_model_info info = {.struct_size = sizeof info};
  recsys_model_options options = {.struct_size = sizeof options, .layer = layer};
  must(recsys_model_open(&model, path, &options, &error));
  must(recsys_model_get_info(model, &info, &error));
  float *rows = calloc(n * info.dim, sizeof *rows);
  printf("%s\n", info.fingerprint);
  must(recsys_model_embed(model, images, n, NULL, rows, NULL, &error));
  if (info.precision != RECSYS_PRECISION_INT8 || fwrite(rows, sizeof *rows * info.dim, n, out) != n)
    exit(1);
  recsys_model_close(model);
  free(rows);
}

int main(int argc, char **argv) {
  if (argc < 8)
    return 2;
  size_t n = (size_t)atoi(argv[3]);
  uint8_t *pixels = malloc(n * BYTES);
  recsys_image *images = calloc(n, sizeof *images);
  FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[6], "wb");
  if (pixels == NULL || images == NULL || in == NULL || out == NULL || fread(pixels, BYTES, n, in) != n)
    return 1;
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_PIXELS,
                               .format = RECSYS_PIXELS_RGB,
                               .data = pixels + i * BYTES,
                               .size = BYTES,
                               .width = SIDE,
                               .height = SIDE};
  recsys_model *model;
  recsys_model_options options = {.struct_size = sizeof options, .precision = RECSYS_PRECISION_FLOAT32};
  recsys_quantize_options how = {.struct_size = sizeof how, .calibrate = 8};
  must(recsys_model_open(&model, argv[1], &options, &error));
  must(recsys_model_save(model, argv[4], &error));
  must(recsys_model_quantize(model, argv[5], images, n, &how, NULL, NULL, &error));
  recsys_model_close(model);
  for (int l = 7; l < argc; l++)
    write_rows(argv[5], argv[l], images, n, out);
  if (fclose(out) != 0)
    return 1;
  fclose(in);
  free(images);
  free(pixels);
  return 0;
}
