/*
 * How good are the lists? holdout STORE FIELD LIKED RANKER...
 * Five random 80:20 splits of every user's ratings. The ranker sees the larger part; relevant are the items of the
 * smaller part that were rated LIKED or better. Prints recall@10 = hits / relevant and hit rate@10, each the mean over
 * users, then over splits with its standard error, for all items that have an embedding. All such items are ranked.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recsys.h"

enum { SPLITS = 5, K = 10 };

typedef struct {
  int64_t *users, *items;
  float *values;
  bool *test;
  size_t count;
} ratings;

static void stop(const recsys_error *error) {
  fprintf(stderr, "holdout: %s\n", error->message);
  exit(1);
}

static void *room(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory)
    exit(1);
  return memory;
}

/* A hash of split, user and item, uniform in 0..1 (SplitMix64): the split does not depend on any order. */
static double draw(uint64_t split, int64_t user, int64_t item) {
  uint64_t x = split * 0x9E3779B97F4A7C15u + (uint64_t)user * 0xBF58476D1CE4E5B9u + (uint64_t)item;
  for (int i = 0; i < 3; i++) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
  }
  return (double)(x >> 11) * 0x1p-53;
}

/* Copies items, embeddings and the labels of one field into a store in memory, and collects the ratings of such items.
 */
static recsys_store *copy(recsys_store *from, const char *field, ratings *all) {
  recsys_error error;
  recsys_store_info info = {.struct_size = sizeof info};
  recsys_store *to;
  if (recsys_store_get_info(from, &info, &error) || recsys_store_open(&to, ":memory:", NULL, &error))
    stop(&error);
  float *row = room(info.dim, sizeof *row);
  int64_t id = -1;
  size_t count;
  char value[256];
  const char *pointer = value;
  while (!recsys_store_list(from, RECSYS_ITEMS, id, &id, 1, &count, &error) && count == 1) {
    if (recsys_store_get_embeddings(from, NULL, &id, NULL, 1, row, NULL, &error))
      continue;
    if (recsys_store_put_embeddings(to, info.fingerprint, (uint32_t)info.dim, &id, NULL, row, 1, &error))
      stop(&error);
    for (uint32_t i = 0; !recsys_store_get_label(from, id, field, i, value, sizeof value, NULL, NULL, &error); i++)
      if (recsys_store_put_labels(to, &id, &field, &pointer, NULL, 1, &error))
        stop(&error);
  }
  all->users = room(info.ratings, sizeof(int64_t));
  all->items = room(info.ratings, sizeof(int64_t));
  all->values = room(info.ratings, sizeof(float));
  all->test = room(info.ratings, sizeof(bool));
  id = -1;
  while (!recsys_store_list(from, RECSYS_USERS, id, &id, 1, &count, &error) && count == 1) {
    int64_t item = -1;
    float rating;
    while (!recsys_store_get_ratings(from, id, item, &item, &rating, NULL, 1, &count, &error) && count == 1) {
      if (recsys_store_get_embeddings(to, NULL, &item, NULL, 1, NULL, NULL, &error))
        continue;
      all->users[all->count] = id;
      all->items[all->count] = item;
      all->values[all->count++] = rating;
    }
  }
  free(row);
  return to;
}

static void put_train(recsys_store *store, ratings *all, int split) {
  recsys_error error;
  if (recsys_store_remove_ratings(store, all->users, all->items, all->count, &error))
    stop(&error);
  int64_t *users = room(all->count, sizeof *users), *items = room(all->count, sizeof *items);
  float *values = room(all->count, sizeof *values);
  size_t n = 0;
  for (size_t i = 0; i < all->count; i++) {
    all->test[i] = draw((uint64_t)split, all->users[i], all->items[i]) < 0.2;
    if (all->test[i])
      continue;
    users[n] = all->users[i];
    items[n] = all->items[i];
    values[n++] = all->values[i];
  }
  if (recsys_store_put_ratings(store, users, items, values, NULL, n, NULL, &error))
    stop(&error);
  free(users);
  free(items);
  free(values);
}

/* Mean recall and hit rate over the users who have something to find. */
static void measure(recsys_ranker *ranker, const ratings *all, double liked, double *recall, double *hit_rate) {
  recsys_error error;
  size_t users = 0;
  *recall = *hit_rate = 0;
  for (size_t start = 0, end; start < all->count; start = end) {
    int64_t ids[K], user = all->users[start];
    double scores[K];
    uint32_t count;
    size_t relevant = 0, hits = 0;
    recsys_status status = recsys_ranker_recommend(ranker, &user, 1, K, NULL, ids, scores, &count, NULL, &error);
    if (status && status != RECSYS_EPARTIAL)
      stop(&error);
    for (end = start; end < all->count && all->users[end] == user; end++) {
      if (!all->test[end] || all->values[end] < liked)
        continue;
      relevant++;
      for (uint32_t i = 0; i < count; i++)
        hits += ids[i] == all->items[end];
    }
    if (!relevant)
      continue;
    users++;
    *recall += (double)hits / (double)relevant;
    *hit_rate += hits > 0;
  }
  *recall /= (double)users;
  *hit_rate /= (double)users;
}

static double mean(const double *x) {
  double sum = 0;
  for (int i = 0; i < SPLITS; i++)
    sum += x[i];
  return sum / SPLITS;
}

static double standard_error(const double *x) {
  double m = mean(x), sum = 0;
  for (int i = 0; i < SPLITS; i++)
    sum += (x[i] - m) * (x[i] - m);
  return sqrt(sum / (SPLITS - 1) / SPLITS);
}

int main(int argc, char **argv) {
  recsys_error error;
  recsys_store *source;
  ratings all = {0};
  if (argc < 5)
    return fprintf(stderr, "usage: holdout STORE FIELD LIKED RANKER...\n"), 2;
  if (recsys_store_open(
          &source, argv[1],
          &(recsys_store_options){.struct_size = sizeof(recsys_store_options), .flags = RECSYS_STORE_MUST_EXIST},
          &error))
    stop(&error);
  recsys_store *store = copy(source, argv[2], &all);
  printf("%zu ratings of items with an embedding; %d splits of 80:20; relevant: rated %s or better\n\n", all.count,
         SPLITS, argv[3]);
  printf("| ranker | recall@%d | hit rate@%d | seconds |\n| --- | --- | --- | --- |\n", K, K);
  for (int r = 4; r < argc; r++) {
    double recall[SPLITS], hits[SPLITS];
    struct timespec begin, end;
    double seconds = 0;
    for (int split = 0; split < SPLITS; split++) {
      recsys_ranker *ranker;
      put_train(store, &all, split);
      clock_gettime(CLOCK_MONOTONIC, &begin);
      if (recsys_ranker_create(&ranker, store, argv[r], NULL, &error) || recsys_ranker_fit(ranker, NULL, &error))
        stop(&error);
      measure(ranker, &all, atof(argv[3]), &recall[split], &hits[split]);
      recsys_ranker_close(ranker);
      clock_gettime(CLOCK_MONOTONIC, &end);
      seconds += (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    }
    printf("| `%s` | %.4f ± %.4f | %.4f ± %.4f | %.2f |\n", argv[r], mean(recall), standard_error(recall), mean(hits),
           standard_error(hits), seconds / SPLITS);
    fflush(stdout);
  }
  recsys_store_close(store);
  recsys_store_close(source);
  free(all.users);
  free(all.items);
  free(all.values);
  free(all.test);
  return 0;
}
