/* One list's numbers, from where its relevant items stand in it. */
#ifndef RECSYS_EVAL_METRICS_H
#define RECSYS_EVAL_METRICS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  RECSYS__NDCG = 0,
  RECSYS__PRECISION,
  RECSYS__RECALL,
  RECSYS__MAP,
  RECSYS__MAP_MIN,
  RECSYS__MRR,
  RECSYS__HIT,
  RECSYS__CUT_METRICS /* how many of these there are for each k */
} recsys__cut_metric;
extern const char *const recsys__cut_metric_names[RECSYS__CUT_METRICS];

/* hits: the 0-based places of relevant items, rising, n of them found among `relevant` >= 1 that there are. */
void recsys__cut_metrics(const uint32_t *hits, size_t n, size_t relevant, size_t k, double out[RECSYS__CUT_METRICS]);

/* The share of (relevant, other) pairs of candidates in the right order, ties half. scores fall; is_relevant[i] of the
 * i-th. Candidates beyond the list (`candidates` in all, `relevant` of them relevant) tie with each other below it. NaN
 * where there is no pair. */
double recsys__auc(const double *scores, const uint8_t *is_relevant, size_t n, size_t relevant, size_t candidates);

/* Gini's coefficient of counts (sorted in place): 0 all equal, towards 1 all in one. */
double recsys__gini(double *counts, size_t n);

#endif
