/* For test_end_to_end.py: embed_files MODEL FILE... writes the rows, float32, to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "recsys.h"

static recsys_error error;

static void must(recsys_status status) {
  if (status == RECSYS_OK)
    return;
  fprintf(stderr, "%s: %s\n", recsys_status_name(status), error.message);
  exit(1);
}

int main(int argc, char **argv) {
  recsys_model *model;
  recsys_model_info info = {.struct_size = sizeof info};
  recsys_model_options options = {.struct_size = sizeof options, .precision = RECSYS_PRECISION_FLOAT32};
  if (argc < 3)
    return 2;
  size_t n = (size_t)argc - 2;
  must(recsys_model_open(&model, argv[1], &options, &error));
  must(recsys_model_get_info(model, &info, &error));
  recsys_image *images = calloc(n, sizeof *images);
  float *rows = calloc(n * info.dim, sizeof *rows);
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = argv[2 + i]};
  must(recsys_model_embed(model, images, n, NULL, rows, NULL, &error));
  fwrite(rows, sizeof *rows, n * info.dim, stdout);
  recsys_model_close(model);
  free(images);
  free(rows);
  return 0;
}
