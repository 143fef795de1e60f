/* The definitions of recsys_evaluate, binary gain throughout. */
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>

const char *const recsys__cut_metric_names[RECSYS__CUT_METRICS] = {"ndcg",    "precision", "recall", "map",
                                                                   "map_min", "mrr",       "hit"};

void recsys__cut_metrics(const uint32_t *hits, size_t n, size_t relevant, size_t k, double out[RECSYS__CUT_METRICS]) {
  double gain = 0, ideal = 0, precisions = 0, found = 0;
  size_t most = k < relevant ? k : relevant;
  for (size_t i = 0; i < n && hits[i] < k; i++) {
    found++;
    gain += 1 / log2((double)hits[i] + 2);
    precisions += found / ((double)hits[i] + 1);
  }
  for (size_t i = 0; i < most; i++)
    ideal += 1 / log2((double)i + 2);
  out[RECSYS__NDCG] = most ? gain / ideal : 0;
  out[RECSYS__PRECISION] = k ? found / (double)k : 0;
  out[RECSYS__RECALL] = found / (double)relevant;
  out[RECSYS__MAP] = precisions / (double)relevant;
  out[RECSYS__MAP_MIN] = most ? precisions / (double)most : 0;
  out[RECSYS__MRR] = found > 0 ? 1 / ((double)hits[0] + 1) : 0;
  out[RECSYS__HIT] = found > 0;
}

double recsys__auc(const double *scores, const uint8_t *is_relevant, size_t n, size_t relevant, size_t candidates) {
  double others = (double)(candidates - relevant), right = 0, seen = 0, unseen_relevant = (double)relevant;
  if (!relevant || candidates == relevant)
    return NAN;
  for (size_t i = 0, end; i < n; i = end) { /* groups of equal scores, best first */
    double hits = 0, misses = 0;
    for (end = i; end < n && scores[end] == scores[i]; end++)
      *(is_relevant[end] ? &hits : &misses) += 1;
    right += hits * (others - seen - misses) + hits * misses / 2;
    seen += misses;
    unseen_relevant -= hits;
  }
  right += unseen_relevant * (others - seen) / 2;
  return right / ((double)relevant * others);
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double recsys__gini(double *counts, size_t n) {
  double sum = 0, weighted = 0;
  if (n)
    qsort(counts, n, sizeof *counts, rising);
  for (size_t i = 0; i < n; i++) {
    sum += counts[i];
    weighted += (2 * (double)(i + 1) - (double)n - 1) * counts[i];
  }
  return sum > 0 ? weighted / ((double)n * sum) : 0;
}
