/*
 * Inside the ranker: one table per algorithm, a fitted state that never changes once it is published, and the request
 * for one list, on which everything else (filters, top-k, explanations) works.
 */
#ifndef RECSYS_RANKER_RANKER_H
#define RECSYS_RANKER_RANKER_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"
#include "ranker/history.h"
#include "ranker/interactions.h"
#include "ranker/learned.h"
#include "ranker/parameters.h"
#include "recsys.h"
#include "store/view.h"

/* What fitting knows. Reference-counted; immutable once published. */
typedef struct recsys__fitted {
  _Atomic uint32_t references;
  int64_t *items; /* of the view at fitting, rising */
  double *counts; /* ratings of each */
  double *sums;
  size_t n;
  uint32_t *by_popularity;     /* indices into items: most ratings first, ties to the smaller id */
  double *recent;              /* NULL, or counts in which old ratings fade (`popular decay=`) */
  double global_mean, largest; /* of all ratings; largest: 1 where there are none */
  recsys__learned *learned;    /* reference-counted; NULL for algorithms without `fit` */
  recsys_ranker **parts;       /* fitted rankers that are asked: one by `auto`, several by `blend` */
  size_t part_count;
  double *weights;      /* `blend`: RECSYS__BANDS x parts */
  recsys_ranker *fresh; /* `content`, for the places that new_items keeps for items nobody rated; NULL: none */
  char reason[128];     /* why `auto` chose its part */
} recsys__fitted;

/* Where the ranker keeps its neighbour lists (looks.h). */
typedef struct recsys__looks_slot {
  recsys__lock lock;
  struct recsys__looks *looks; /* NULL: none yet */
} recsys__looks_slot;

typedef struct recsys__algorithm recsys__algorithm;
enum { RECSYS__BANDS = 4 }; /* lengths of history that `blend` may tell apart */

struct recsys_ranker {
  recsys__store_core *core;
  const recsys__algorithm *algorithm;
  recsys__setting *settings; /* in the order of the algorithm's table */
  recsys__setting *shared;   /* in the order of recsys__shared_parameters */
  char *fingerprint;         /* NULL: the default space */
  uint32_t threads;
  recsys__lock latch; /* around `fitted` */
  recsys__fitted *fitted;
  recsys__looks_slot *looks;
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
  int64_t user;                  /* whose stored history it is; -1: it was passed in */
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
  int64_t newest; /* the latest time of the history, and how many entries have it */
  size_t newest_count;
  struct recsys__rough *rough; /* prepared by recommend.c; NULL */
  double explained_score;      /* where the reasons do not sum to it */
  bool explained_score_set;
} recsys__request;

/* What fitting works with. */
typedef struct recsys__fitting {
  const recsys_ranker *ranker;
  const recsys__view *view;
  const recsys__scale *scale;
  recsys__interactions x;
  recsys__fitted *fitted;   /* that is being made */
  recsys__learned *learned; /* to be filled; freed by the caller, also after a failure */
  const recsys_fit_options *options;
  uint64_t memory_limit; /* bytes */
} recsys__fitting;

/* What `auto` decides. */
typedef struct recsys__choice {
  const char *algorithm;
  double new_items;
  char reason[128];
} recsys__choice;

struct recsys__algorithm {
  const char *name;
  const recsys__parameter *parameters;
  bool predicts;  /* its scores are ratings to expect */
  uint8_t source; /* RECSYS_SOURCE_... of its entries; 0: FEATURES for items that nobody rated, else RATINGS */
  /* Instead of everything below: which algorithm is fitted and asked. */
  recsys_status (*choose)(const recsys__fitting *fitting, recsys__choice *choice, recsys_error *error);
  /* Or: makes and fits parts that `score` asks. */
  recsys_status (*compose)(const recsys__fitting *fitting, recsys_error *error);
  /* NULL: nothing but counts and sums is learned. */
  recsys_status (*fit)(recsys__fitting *fitting, recsys_error *error);
  /* Fills `learned` from what was learned before and the store as it is now; NULL: it stays as it is. */
  recsys_status (*refresh)(recsys__fitting *fitting, const recsys__learned *old, recsys_error *error);
  /* Days after which a rating counts half in `recent`; NULL: there is none. */
  double (*decay)(const recsys_ranker *ranker);
  /* Either: collects candidates as summands by item, with reasons for `explained`; */
  recsys_status (*score)(recsys__request *request, recsys_error *error);
  /* or: the weight with which a rating enters the learned model, which then gives all scores and reasons. */
  double (*weight)(const recsys__request *request, const recsys__rating *rating);
  /* Reorders the best-first list in place to the algorithm's own order; NULL: falling score. */
  recsys_status (*arrange)(recsys__request *request, recsys__candidate *list, size_t n, recsys_error *error);
};

const recsys__algorithm *recsys__algorithm_at(size_t index); /* NULL past the last */

/* A setting by its place in the algorithm's table. */
double recsys__number(const recsys_ranker *ranker, size_t index);
const char *recsys__text(const recsys_ranker *ranker, size_t index); /* NULL: not set */

/* Bytes that fitting `ease` to n rated items takes at its peak; and a refusal of what does not fit. */
uint64_t recsys__ease_memory(size_t n, bool features);
uint64_t recsys__content_memory(size_t n, size_t items); /* the same for `content` over all items */
recsys_status recsys__fit_memory(const recsys__fitting *fitting, uint64_t need, size_t n, recsys_error *error);

/* Reports progress of fitting; RECSYS_ECANCELLED when the caller says so. */
recsys_status recsys__fit_progress(const recsys__fitting *f, uint64_t done, uint64_t total, recsys_error *error);

/* Adds a summand of `item`'s score that comes from `from`; false: out of memory. After the last, sum them up. */
bool recsys__request_add(recsys__request *r, int64_t item, double part, int32_t kind, int64_t from, double similarity,
                         double rating);
void recsys__request_sum(recsys__request *r);
/* Fills candidates, with all items that have a score, and the reasons for `explained`. */
recsys_status recsys__request_score(recsys__request *r, recsys_error *error);
/* The history in the learned model's terms; rows and weights are freed by the caller. false: out of memory. */
bool recsys__request_profile(recsys__request *r, recsys__profile *p);
/* x of a rating: rating / largest, or 1. */
double recsys__scaled_rating(const recsys__request *r, const recsys__rating *rating, bool binary);
/* Adds a reason only. */
bool recsys__request_reason(recsys__request *r, const recsys_reason *reason);
/* The neighbours of an item as algorithms want them: similarity (1 / (1 + distance) for Euclidean). */
recsys_status recsys__neighbours(const recsys__request *r, int64_t item, size_t k, uint32_t metric,
                                 const recsys_filter *filter, recsys__candidate **list, size_t *count,
                                 recsys_error *error);

/* fit.c: what recsys_ranker_fit does, on a view of the caller's (also one with fewer ratings). */
recsys_status recsys__ranker_fit_on(recsys_ranker *ranker, const recsys__view *view, const recsys_fit_options *options,
                                    recsys_error *error);
/* One more part, created like `ranker` itself and not fitted yet. */
recsys_status recsys__part_new(const recsys_ranker *ranker, const char *algorithm, recsys_ranker **part,
                               recsys_error *error);
/* The same algorithm with the same settings, not fitted. */
recsys_status recsys__ranker_twin(const recsys_ranker *ranker, recsys_ranker **twin, recsys_error *error);

/* A ranker over a core (shared); and whether its scores are ratings to expect. */
recsys_status recsys__ranker_over(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                  const recsys_ranker_options *options, recsys_error *error);
/* The same from what a file says; and the ranker's state from it (taken over; false: out of memory). */
recsys_status recsys__ranker_restore(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                     const json_t *parameters, const char *fingerprint,
                                     const recsys_ranker_options *options, recsys_error *error);
bool recsys__fitted_publish(recsys_ranker *ranker, recsys__fitted *fitted);
bool recsys__ranker_predicts(const recsys_ranker *ranker);
size_t recsys__fitted_index(const recsys__fitted *fitted, int64_t item); /* n: not there */
recsys__fitted *recsys__ranker_fitted(recsys_ranker *ranker);            /* retained; NULL: not fitted */
void recsys__fitted_release(recsys__fitted *fitted);
int recsys__candidate_by_item(const void *a, const void *b);
int recsys__candidate_order(const void *a, const void *b); /* falling score, rising item */

#endif
