/* The small catalogue that make_expected.py describes, too: 60 items, 30 users, labels, prices, titles, pictures. */
#ifndef TESTS_RANKER_CATALOGUE_H
#define TESTS_RANKER_CATALOGUE_H

#include <stdbool.h>

#include "../store/fixture.h"

enum { ITEMS = 60, USERS = 30, NEW_FROM = 55 };

static inline uint32_t mix(uint32_t a, uint32_t b) {
  uint32_t h = a * 2654435761u + b * 2246822519u + 374761393u;
  h ^= h >> 15;
  h *= 2246822519u;
  return h ^ (h >> 13);
}

/* 0: not rated. */
static inline float rating_of(int64_t user, int64_t item) {
  uint32_t h = mix((uint32_t)user, (uint32_t)item);
  return (int)(h % 100) < 25 - (int)item / 4 && item < NEW_FROM ? 0.5f + 0.5f * (float)((h >> 8) % 10) : 0;
}

static inline bool has_picture(int64_t item) {
  return item % 20 != 3;
}

static inline recsys_store *open_catalogue(const char *location) {
  static const char *const colours[] = {"red", "blue", "green", "black", "white", "pink", "grey"};
  static const char *const things[] = {"chair", "table", "lamp", "Sofa", "SHELF"};
  const char *group = "group", *price = "price", *title = "title", *text;
  recsys_error error;
  recsys_store *store = open_store(location);
  for (int64_t i = 0; i < ITEMS; i++) {
    char name[40], first[4], second[4];
    float row[DIM];
    double number = (double)(i % 13);
    snprintf(first, sizeof first, "G%d", (int)(i % 4));
    snprintf(second, sizeof second, "G%d", (int)(i / 4 % 4));
    text = first;
    ck_ok(recsys_store_put_labels(store, &i, &group, &text, NULL, 1, &error));
    text = second;
    ck_ok(recsys_store_put_labels(store, &i, &group, &text, NULL, 1, &error));
    if (i % 9)
      ck_ok(recsys_store_put_numbers(store, &i, &price, &number, 1, &error));
    snprintf(name, sizeof name, "%s %s", colours[i % 7], things[i % 5]);
    text = name;
    ck_ok(recsys_store_put_texts(store, &i, &title, &text, 1, &error));
    for (int64_t picture = 0; has_picture(i) && picture <= (i % 7 == 0); picture++) {
      row_of(i, picture, row, DIM);
      ck_ok(recsys_store_put_embeddings(store, "space", DIM, &i, &picture, row, 1, &error));
    }
  }
  for (int64_t u = 0; u < USERS; u++)
    for (int64_t i = 0; i < ITEMS; i++) {
      float value = rating_of(u, i);
      int64_t time = 1000 * u + i;
      if (value > 0)
        ck_ok(recsys_store_put_ratings(store, &u, &i, &value, &time, 1, NULL, &error));
    }
  return store;
}

static inline recsys_ranker *open_ranker(recsys_store *store, const char *algorithm) {
  recsys_error error;
  recsys_ranker *ranker = NULL;
  ck_ok(recsys_ranker_create(&ranker, store, algorithm, NULL, &error));
  ck_ok(recsys_ranker_fit(ranker, NULL, &error));
  return ranker;
}

/* A user's stored history, for recommend_from. */
static inline size_t history_of(int64_t user, int64_t *items, float *ratings) {
  size_t n = 0;
  for (int64_t i = 0; i < ITEMS; i++)
    if (rating_of(user, i) > 0) {
      items[n] = i;
      ratings[n++] = rating_of(user, i);
    }
  return n;
}

#endif
