/*
 * The best of all candidates, in the list's order. Scores of learned models are never listed in full for that: float
 * scores with a bound on their error choose, and exact ones order what they chose.
 */
#ifndef RECSYS_RANKER_BEST_H
#define RECSYS_RANKER_BEST_H

#include "ranker/call.h"

typedef struct recsys__rough {
  recsys__profile profile;
  float *scores; /* each at most `slack` from the exact one; borrowed */
  double slack;
  double *exact, *u;       /* all exact scores, or what they are made from */
  recsys__candidate *best; /* heap, worst on top */
  size_t n;
  uint32_t *noted; /* places that may be among the best by exact scores */
  size_t noted_count, room;
  bool own_rated; /* what the shopper rated has no score */
  bool removed;   /* some items of the model are not in the store any more */
} recsys__rough;

/* How many of the best are wanted of a learned model; 0: lists of k are not chosen in this way. */
size_t recsys__rough_wanted(const recsys__call *c, size_t k);
/* The history in the model's terms, and the scores or what they are made from. Then the rough scores of up to four
 * lists: scores has room for 4 x padded. false: out of memory. */
bool recsys__rough_begin(recsys__rough *x, recsys__request *r);
bool recsys__rough_scores(recsys__rough list[4], const recsys__call *c, float *scores);
void recsys__rough_free(recsys__rough *x);

/* The request's candidates that may appear, in the list's order, scored and brought to the front: all of them, or as
 * many as a list, or as diversity, chooses from. *n: how many. */
recsys_status recsys__best_order(const recsys__call *c, recsys__request *r, size_t *n, bool diverse);
/* The k best of the first `count` candidates; returns how many. */
size_t recsys__best_pass(const recsys__call *c, recsys__request *r, size_t count, size_t k);

#endif
