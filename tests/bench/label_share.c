/*
 * Do neighbours belong together? label_share STORE FIELD [K]
 * For every item with a label in FIELD and an embedding: the share of its K nearest items (10) that have the same first
 * label; the mean over items, beside the share that random neighbours would have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recsys.h"

static void stop(const recsys_error *error) {
  fprintf(stderr, "label_share: %s\n", error->message);
  exit(1);
}

int main(int argc, char **argv) {
  recsys_error error;
  recsys_store *store;
  recsys_store_info info = {.struct_size = sizeof info};
  if (argc < 3)
    return fprintf(stderr, "usage: label_share STORE FIELD [K]\n"), 2;
  size_t k = argc > 3 ? strtoul(argv[3], NULL, 10) : 10;
  if (recsys_store_open(&store, argv[1], NULL, &error) || recsys_store_get_info(store, &info, &error))
    stop(&error);
  int64_t *items = calloc(info.items + 1, sizeof *items), *ids = calloc(k + 1, sizeof *ids), id = -1;
  char(*labels)[128] = calloc(info.items + 1, sizeof *labels);
  double *scores = calloc(k + 1, sizeof *scores);
  size_t n = 0, count;
  if (!items || !ids || !labels || !scores)
    return 1;
  while (!recsys_store_list(store, RECSYS_ITEMS, id, &id, 1, &count, &error) && count == 1)
    if (!recsys_store_get_label(store, id, argv[2], 0, labels[n], sizeof labels[n], NULL, NULL, &error) &&
        !recsys_store_get_embeddings(store, NULL, &id, NULL, 1, NULL, NULL, &error))
      items[n++] = id;
  double same = 0, chance = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t found = 0, equal = 0, all = 0;
    char label[128];
    if (recsys_store_similar(store, &items[i], 1, k, NULL, ids, scores, &found, NULL, &error))
      stop(&error);
    for (uint32_t j = 0; j < found; j++)
      equal += !recsys_store_get_label(store, ids[j], argv[2], 0, label, sizeof label, NULL, NULL, &error) &&
               !strcmp(label, labels[i]);
    for (size_t j = 0; j < n; j++)
      all += j != i && !strcmp(labels[i], labels[j]);
    same += found ? (double)equal / found : 0;
    chance += n > 1 ? (double)all / (double)(n - 1) : 0;
  }
  printf("%zu items: %.4f of the %zu nearest share their %s (by chance %.4f)\n", n, n ? same / (double)n : 0, k,
         argv[2], n ? chance / (double)n : 0);
  free(items);
  free(ids);
  free(labels);
  free(scores);
  recsys_store_close(store);
  return 0;
}
