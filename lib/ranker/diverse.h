/* Lists that are not all alike: what may stand beside what is already listed, and which entry comes next. */
#ifndef RECSYS_RANKER_DIVERSE_H
#define RECSYS_RANKER_DIVERSE_H

#include "ranker/ranker.h"

typedef struct recsys__diverse {
  const recsys__view *view;
  int32_t space; /* -1: no pictures */
  int32_t field; /* of the labels that are counted; -1: none */
  uint32_t max_per_label;
  double weight; /* of likeness to what is listed, 0..1 */
  bool unique;
  int64_t *listed; /* room for k */
  size_t count;
} recsys__diverse;

/* Whether the options ask for anything; then the state for one list of up to k (listed: room for k). */
bool recsys__diverse_asked(const recsys_recommend_options *options);
void recsys__diverse_begin(recsys__diverse *d, const recsys_ranker *ranker, const recsys__view *view,
                           const recsys_recommend_options *options, int64_t *listed);
/* May this item stand beside what is listed? Then list it. */
bool recsys__diverse_admit(recsys__diverse *d, int64_t item);
/* Brings up to k of n candidates (best first) to the front in the order of maximal marginal relevance; returns how
 * many. scratch: room for 2 n doubles. */
size_t recsys__diverse_pick(recsys__diverse *d, recsys__candidate *list, size_t n, size_t k, double *scratch);

#endif
