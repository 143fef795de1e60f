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

/* The texts of items stay where they are until the store has them. */
typedef struct words {
  char title[40], first[4], second[4];
} words;

static inline void put_words(recsys_store *store) {
  static const char *const colours[] = {"red", "blue", "green", "black", "white", "pink", "grey"};
  static const char *const things[] = {"chair", "table", "lamp", "Sofa", "SHELF"};
  static words all[ITEMS];
  int64_t items[2 * ITEMS], priced[ITEMS];
  const char *fields[2 * ITEMS], *values[2 * ITEMS], *titles[ITEMS], *title[ITEMS], *price[ITEMS];
  double prices[ITEMS];
  size_t n = 0, m = 0;
  recsys_error error;
  for (int64_t i = 0; i < ITEMS; i++) {
    snprintf(all[i].first, sizeof all[i].first, "G%d", (int)(i % 4));
    snprintf(all[i].second, sizeof all[i].second, "G%d", (int)(i / 4 % 4));
    snprintf(all[i].title, sizeof all[i].title, "%s %s", colours[i % 7], things[i % 5]);
    items[n] = i;
    fields[n] = "group";
    values[n++] = all[i].first;
    if (i % 4 != i / 4 % 4) {
      items[n] = i;
      fields[n] = "group";
      values[n++] = all[i].second;
    }
    if (i % 9) {
      priced[m] = i;
      price[m] = "price";
      prices[m++] = (double)(i % 13);
    }
    title[i] = "title";
    titles[i] = all[i].title;
  }
  ck_ok(recsys_store_put_labels(store, items, fields, values, NULL, n, &error));
  ck_ok(recsys_store_put_numbers(store, priced, price, prices, m, &error));
  for (int64_t i = 0; i < ITEMS; i++)
    items[i] = i;
  ck_ok(recsys_store_put_texts(store, items, title, titles, ITEMS, &error));
}

static inline recsys_store *open_catalogue(const char *location) {
  int64_t items[USERS * ITEMS], users[USERS * ITEMS], times[USERS * ITEMS], pictures[2 * ITEMS];
  float rows[2 * ITEMS * DIM], values[USERS * ITEMS];
  size_t n = 0;
  recsys_error error;
  recsys_store *store = open_store(location);
  put_words(store);
  for (int64_t i = 0; i < ITEMS; i++)
    for (int64_t picture = 0; has_picture(i) && picture <= (i % 7 == 0); picture++) {
      items[n] = i;
      pictures[n] = picture;
      row_of(i, picture, rows + n++ * DIM, DIM);
    }
  ck_ok(recsys_store_put_embeddings(store, "space", DIM, items, pictures, rows, n, &error));
  n = 0;
  for (int64_t u = 0; u < USERS; u++)
    for (int64_t i = 0; i < ITEMS; i++)
      if (rating_of(u, i) > 0) {
        users[n] = u;
        items[n] = i;
        times[n] = 1000 * u + i;
        values[n++] = rating_of(u, i);
      }
  ck_ok(recsys_store_put_ratings(store, users, items, values, times, n, NULL, &error));
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
