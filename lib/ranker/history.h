/*
 * A shopper's history as every algorithm sees it: the ratings, to which events add
 *
 *   preference(u, i) = log(1 + sum over events of weight(kind) 2^(-(now - t) / half_life))
 *
 * and the parameters that all algorithms share (docs/rankers.md).
 */
#ifndef RECSYS_RANKER_HISTORY_H
#define RECSYS_RANKER_HISTORY_H

#include "ranker/parameters.h"
#include "store/view.h"

/* Places in the table of parameters that every algorithm takes. */
enum { RECSYS__SHARE_OF_NEW, RECSYS__EVENTS, RECSYS__HALF_LIFE, RECSYS__NOW };
extern const recsys__parameter recsys__shared_parameters[];
/* Refuses what the table cannot: weights that are no numbers. */
recsys_status recsys__shared_check(const recsys__setting *shared, recsys_error *error);

/* What events count, for one view. */
enum { RECSYS__MOST_KINDS = 32 };
typedef struct recsys__scale {
  struct recsys__kind_weight {
    int32_t kind; /* as the view numbers them; -1: it has none */
    double weight;
  } kinds[RECSYS__MOST_KINDS];
  size_t n;
  double half_life; /* seconds; 0: nothing fades */
  int64_t now;
} recsys__scale;
void recsys__scale_make(recsys__scale *scale, const recsys__setting *shared, const recsys__view *view);
/* 2^(-(now - time) / half_life), at most 1. */
double recsys__faded(int64_t now, int64_t time, double half_life);

typedef struct recsys__history {
  const recsys__rating *entries; /* by rising item, no item twice */
  size_t n;
  recsys__rating *own; /* freed with recsys__history_free; NULL: borrowed from the view */
} recsys__history;

/* false: out of memory. */
bool recsys__history_of(recsys__history *h, const recsys__scale *scale, const recsys__view *view, int64_t user);
/* One that is passed in (ratings or times NULL: recsys.h), of m entries; liked: what counts as the best rating. */
bool recsys__history_from(recsys__history *h, const recsys__scale *scale, const int64_t *items, const float *ratings,
                          const int64_t *times, size_t m, double liked);
void recsys__history_free(recsys__history *h);

#endif
