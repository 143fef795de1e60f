/*
 * What the two exact searches for many lists share: the lists with their floors, and the scoring of pairs that may
 * matter. join_queries.c meets queries and rows, join_pairs.c every pair of one set.
 */
#ifndef RECSYS_STORE_JOIN_H
#define RECSYS_STORE_JOIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/best.h"
#include "store/chunks.h"
#include "store/kernels.h"
#include "store/rows.h"

enum {
  RECSYS__JOIN_STRIPES = 256, /* locks of lists */
  RECSYS__JOIN_WAITING = 32   /* pairs whose rows are fetched while others are scored */
};

typedef struct recsys__join_list {
  recsys__best best;
  _Atomic float floor; /* no value below it can be in the list */
} recsys__join_list;

/* Pairs that one thread will score. */
typedef struct recsys__join_queue {
  struct {
    size_t query, row;
  } pairs[RECSYS__JOIN_WAITING];
  size_t count;
} recsys__join_queue;

typedef struct recsys__join {
  const recsys__rows *rows, *queries;
  const recsys__rows_join *options;
  const recsys__kernels *kernels;
  uint32_t threads;
  bool same;         /* queries are the rows */
  uint32_t *list_of; /* of every query row: the number of its item in rising order */
  size_t list_count;
  recsys__join_list *lists;
  recsys__hit *hits; /* of all lists */
  pthread_mutex_t stripes[RECSYS__JOIN_STRIPES];
} recsys__join;

/* What is known of a row, as panels and their queries hold it. */
typedef struct recsys__join_row {
  const uint8_t *codes;
  float scale, error, tail, gain, base;
} recsys__join_row;

recsys__join_row recsys__join_row_of(const recsys__join *join, const recsys__rows *rows, size_t row);

static inline float recsys__join_floor(const recsys__join *join, size_t query) {
  return atomic_load_explicit(&join->lists[join->list_of[query]].floor, memory_order_relaxed);
}

/* Row r of a panel but for its codes and floor; and a query with its signed codes. Its floor is INFINITY at first, so
 * that the rows' floors decide. */
void recsys__join_fill(recsys__panel *panel, size_t r, recsys__join_row row);
recsys__panel_query recsys__join_query(int8_t *codes, size_t stride, recsys__join_row row);

/* The number of a bench that no other thread works at, of at least as many as there are threads. */
static inline size_t recsys__join_take(atomic_flag *taken, size_t count) {
  for (size_t i = 0;; i = (i + 1) % count)
    if (!atomic_flag_test_and_set_explicit(&taken[i], memory_order_acquire))
      return i;
}

static inline void recsys__join_give_back(atomic_flag *taken, size_t i) {
  atomic_flag_clear_explicit(&taken[i], memory_order_release);
}

/* Scores the pair later, with its lists; of one set, each pair is to come once. */
void recsys__join_put_off(recsys__join *join, recsys__join_queue *queue, size_t query, size_t row);
void recsys__join_score_waiting(recsys__join *join, recsys__join_queue *queue);

/* Calls the options' progress function; false: cancelled. */
bool recsys__join_goes_on(const recsys__join *join, size_t done);
recsys_status recsys__join_cancelled(const recsys__join *join, size_t done, recsys_error *error);

recsys_status recsys__join_all_queries(recsys__join *join, recsys_error *error); /* join_queries.c */
recsys_status recsys__join_all_pairs(recsys__join *join, recsys_error *error);   /* join_pairs.c */

#endif
