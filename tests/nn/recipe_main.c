/* One recipe on one picture file, as raw float32 on stdout, for compare_recipes.py: FILE RECIPE SIDE. */
#include <stdio.h>
#include <stdlib.h>

#include "nn/net.h"

int main(int argc, char **argv) {
  const recsys__recipe *recipe = argc == 4 ? recsys__recipe_find(argv[2]) : NULL;
  if (recipe == NULL)
    return 2;
  recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = argv[1]};
  recsys__image_limits limits = {0};
  recsys__image_limits_default(&limits);
  recsys__pixels pixels = {0};
  recsys_error error = {0};
  uint32_t side = (uint32_t)atoi(argv[3]);
  float *out = malloc((size_t)side * side * recipe->channels * sizeof *out);
  recsys_status status = recsys__image_load(&pixels, &image, &limits, &error);
  if (status == RECSYS_OK)
    status = recsys__recipe_apply(recipe, &pixels, side, side, out, &error);
  if (status == RECSYS_OK)
    fwrite(out, sizeof *out, (size_t)side * side * recipe->channels, stdout);
  else
    fprintf(stderr, "%s\n", error.message);
  recsys__pixels_free(&pixels);
  free(out);
  return status == RECSYS_OK ? 0 : 1;
}
