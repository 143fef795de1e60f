/* embed MODEL STORE PICTURE...: puts pictures into a store, each under its file's name. A broken one costs its own row
 * only. */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void stop(const char *message) {
  fprintf(stderr, "embed: %s\n", message);
  exit(1);
}

static int tell(void *user, const char *phase, uint64_t done, uint64_t total) {
  (void)user;
  fprintf(stderr, "%s: %llu of %llu pictures\n", phase, (unsigned long long)done, (unsigned long long)total);
  return 0; /* anything else would cancel */
}

int main(int argc, char **argv) {
  recsys_error error = {0};
  recsys_model *model = NULL;
  recsys_store *store = NULL;
  recsys_model_info info = {.struct_size = sizeof info};
  if (argc < 4)
    return fprintf(stderr, "usage: embed MODEL STORE PICTURE...\n"), 2;
  size_t n = (size_t)argc - 3, stored = 0;
  const char **files = (const char **)argv + 3;
  if (recsys_model_open(&model, argv[1], NULL, &error) || recsys_model_get_info(model, &info, &error) ||
      recsys_store_open(&store, argv[2], NULL, &error))
    stop(error.message);

  recsys_image *images = calloc(n, sizeof *images);
  float *rows = calloc(n * info.dim, sizeof *rows);
  recsys_status *statuses = calloc(n, sizeof *statuses);
  if (!images || !rows || !statuses)
    stop("no memory");
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = files[i]};
  recsys_embed_options options = {.struct_size = sizeof options, .progress = tell};
  recsys_status status = recsys_model_embed(model, images, n, &options, rows, statuses, &error);
  if (status && status != RECSYS_EPARTIAL)
    stop(error.message);

  for (size_t i = 0; i < n; i++) {
    const char *name = strrchr(files[i], '/') ? strrchr(files[i], '/') + 1 : files[i];
    int64_t item;
    if (statuses[i] != RECSYS_OK) {
      fprintf(stderr, "%s is left out: %s\n", files[i], recsys_status_name(statuses[i]));
      continue;
    }
    if (recsys_store_resolve(store, RECSYS_ITEMS, &name, 1, RECSYS_RESOLVE_CREATE, &item, &error) ||
        recsys_store_put_embeddings(store, info.fingerprint, (uint32_t)info.dim, &item, NULL, rows + i * info.dim, 1,
                                    &error))
      stop(error.message);
    stored++;
  }
  printf("%zu of %zu pictures are in %s, %llu floats each\n", stored, n, argv[2], (unsigned long long)info.dim);
  free(images);
  free(rows);
  free(statuses);
  recsys_store_close(store);
  recsys_model_close(model);
  return stored == 0;
}
