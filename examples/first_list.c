/* first_list MODEL PICTURE...: which of the pictures are most like the first one? */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  recsys_error error = {0};
  recsys_model *model = NULL;
  recsys_store *store = NULL;
  recsys_model_info info = {.struct_size = sizeof info};
  if (argc < 3)
    return fprintf(stderr, "usage: first_list MODEL PICTURE...\n"), 2;
  if (recsys_model_open(&model, argv[1], NULL, &error) || recsys_model_get_info(model, &info, &error) ||
      recsys_store_open(&store, ":memory:", NULL, &error))
    return fprintf(stderr, "%s\n", error.message), 1;
  float *row = calloc(info.dim, sizeof *row);
  for (int64_t item = 2; row && item < argc; item++) {
    recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = argv[item]};
    if (recsys_model_embed(model, &image, 1, NULL, row, NULL, &error) ||
        recsys_store_put_embeddings(store, info.fingerprint, (uint32_t)info.dim, &item, NULL, row, 1, &error))
      fprintf(stderr, "%s\n", error.message); /* this picture is left out; the others go on */
  }
  int64_t first = 2, ids[5];
  double scores[5];
  uint32_t count = 0;
  if (recsys_store_similar(store, &first, 1, 5, NULL, ids, scores, &count, NULL, &error))
    fprintf(stderr, "%s\n", error.message);
  for (uint32_t i = 0; i < count; i++)
    printf("%.3f  %s\n", scores[i], argv[ids[i]]);
  free(row);
  recsys_store_close(store);
  recsys_model_close(model);
  return count == 0;
}
