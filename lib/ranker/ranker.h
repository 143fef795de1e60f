/*
 * Inside the ranker: one table per algorithm, a fitted state that never changes once it is published, and a list of
 * candidates with scores that everything else (filters, top-k, explanations) works on.
 */
#ifndef RECSYS_RANKER_RANKER_H
#define RECSYS_RANKER_RANKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "recsys.h"
#include "store/view.h"

/* What fitting learns. Reference-counted; immutable once published. */
typedef struct recsys__fitted {
  _Atomic uint32_t references;
  int64_t *items; /* of the view at fitting, rising */
  double *counts; /* ratings of each */
  double *sums;
  size_t n;
  uint32_t *by_popularity; /* indices into items: most ratings first, ties to the smaller id */
  double global_mean;
} recsys__fitted;

typedef struct recsys__parameters {
  int64_t neighbours;
  int metric, by_mean, spread;
  double max_distance, damping, rating_threshold;
  int has_max_distance, has_threshold;
  char *field;
} recsys__parameters;

typedef struct recsys__algorithm recsys__algorithm;
struct recsys_ranker {
  recsys__store_core *core;
  const recsys__algorithm *algorithm;
  recsys__parameters parameters;
  char *fingerprint; /* NULL: the default space */
  uint32_t threads;
  pthread_mutex_t latch; /* around `fitted` */
  recsys__fitted *fitted;
};

typedef struct recsys__candidate {
  int64_t item;
  double score;
} recsys__candidate;

/* One list being made: the history, and what is summed over it. */
typedef struct recsys__request {
  const recsys_ranker *ranker;
  const recsys__fitted *fitted;
  const recsys__view *view;
  const recsys__rating *history; /* by rising item, no item twice */
  size_t history_count;
  const int64_t *targets;
  size_t target_count;
  size_t k;                      /* places in the list */
  recsys__candidate *candidates; /* by rising item, no item twice; freed by the caller */
  size_t count, room;
  int64_t explained;      /* the item to give reasons for; -1: none */
  recsys_reason *reasons; /* freed by the caller */
  size_t reason_count, reason_room;
} recsys__request;

struct recsys__algorithm {
  const char *name, *keys;
  bool predicts; /* its scores are ratings to expect */
  recsys_status (*parse)(recsys__parameters *p, recsys__params *params, recsys_error *error);
  recsys_status (*score)(recsys__request *request, recsys_error *error);
  /* Reorders the best-first list in place to the algorithm's own order; NULL: falling score. */
  recsys_status (*arrange)(recsys__request *request, recsys__candidate *list, size_t n, recsys_error *error);
};

extern const recsys__algorithm recsys__visual, recsys__category, recsys__popular;
const recsys__algorithm *recsys__algorithm_at(size_t index); /* NULL past the last */

/* Adds a summand of `item`'s score that comes from `from`; false: out of memory. After the last, sum them up. */
bool recsys__request_add(recsys__request *r, int64_t item, double part, int32_t kind, int64_t from, double similarity,
                         double rating);
void recsys__request_sum(recsys__request *r);
/* The neighbours of an item as algorithms want them: similarity (1 / (1 + distance) for Euclidean). */
recsys_status recsys__neighbours(const recsys__request *r, int64_t item, size_t k, const recsys_filter *filter,
                                 recsys__candidate **list, size_t *count, recsys_error *error);
/* A ranker over a core (shared); and whether its scores are ratings to expect. */
recsys_status recsys__ranker_over(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                  const recsys_ranker_options *options, recsys_error *error);
bool recsys__ranker_predicts(const recsys_ranker *ranker);
size_t recsys__fitted_index(const recsys__fitted *fitted, int64_t item); /* n: not there */
recsys__fitted *recsys__ranker_fitted(recsys_ranker *ranker);            /* retained; NULL: not fitted */
void recsys__fitted_release(recsys__fitted *fitted);
int recsys__candidate_order(const void *a, const void *b); /* falling score, rising item */

#endif
