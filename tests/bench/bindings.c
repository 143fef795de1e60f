/*
 * bench-bindings STORE MODEL FOLDER: what one recommend call costs in C, in ns, and how many of a folder's pictures (at
 * most 1,000) are embedded per second; the same as bindings/bench.py and bench_test.go do. Prints two lines: recommend
 * NS, embed RATE.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "recsys.h"

enum { CALLS = 20000, ROUNDS = 5, K = 10, PICTURES = 1000 };

static recsys_error error;

static void must(recsys_status status) {
  if (status != RECSYS_OK) {
    fprintf(stderr, "bench-bindings: %s\n", error.message);
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void recommend(const char *path) {
  recsys_store *store;
  recsys_ranker *ranker;
  int64_t user, ids[K];
  double scores[K], best = 1;
  size_t count;
  uint32_t found;
  recsys_status note;
  must(recsys_store_open(&store, path, NULL, &error));
  must(recsys_ranker_create(&ranker, store, "popular", NULL, &error));
  must(recsys_ranker_fit(ranker, NULL, &error));
  must(recsys_store_list(store, RECSYS_USERS, -1, &user, 1, &count, &error));
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (int i = 0; i < CALLS; i++)
      must(recsys_ranker_recommend(ranker, &user, 1, K, NULL, ids, scores, &found, &note, &error));
    double each = (now() - start) / CALLS;
    best = each < best ? each : best;
  }
  printf("recommend %.0f\n", 1e9 * best);
  recsys_ranker_close(ranker);
  recsys_store_close(store);
}

/* A backend has threads, as Python's and Go's processes have: with one alone, glibc leaves its locks out. */
static void *wait_for_ever(void *none) {
  for (;;)
    pause();
  return none;
}

static int is_picture(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static void embed(const char *file, const char *folder) {
  static recsys_image images[PICTURES];
  struct dirent **entries;
  recsys_model *model;
  recsys_model_info info = {.struct_size = sizeof info};
  recsys_model_options options = {.struct_size = sizeof options, .precision = RECSYS_PRECISION_FLOAT32};
  double best = 0;
  int n = scandir(folder, &entries, is_picture, alphasort);
  n = n < 0 ? 0 : n < PICTURES ? n : PICTURES;
  for (int i = 0; i < n; i++) {
    char *path = malloc(4096);
    if (path == NULL)
      exit(1);
    snprintf(path, 4096, "%s/%s", folder, entries[i]->d_name);
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = path};
  }
  must(recsys_model_open(&model, file, &options, &error));
  must(recsys_model_get_info(model, &info, &error));
  float *rows = malloc((size_t)n * info.dim * sizeof *rows);
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    must(recsys_model_embed(model, images, (size_t)n, NULL, rows, NULL, &error));
    double rate = n / (now() - start);
    best = rate > best ? rate : best;
  }
  printf("embed %.1f\n", best);
  free(rows);
  recsys_model_close(model);
}

int main(int argc, char **argv) {
  if (argc != 4)
    return fprintf(stderr, "usage: bench-bindings STORE MODEL FOLDER\n"), 2;
  pthread_t other;
  if (pthread_create(&other, NULL, wait_for_ever, NULL))
    return 1;
  recommend(argv[1]);
  embed(argv[2], argv[3]);
  return 0;
}
