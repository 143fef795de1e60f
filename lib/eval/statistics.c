/* Resampling with seeds of its own, so that a table is the same on every run. */
#include "eval/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

enum { RESAMPLES = 1000, FLIPS = 10000 };

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double share) {
  double at = share * (double)(n - 1);
  size_t below = (size_t)at;
  double next = below + 1 < n ? sorted[below + 1] : sorted[below];
  return sorted[below] + (at - (double)below) * (next - sorted[below]);
}

bool recsys__bootstrap(const double *x, const double *w, size_t n, uint64_t seed, double *low, double *high) {
  recsys__random random;
  double *means = recsys__alloc(RESAMPLES, sizeof *means);
  *low = *high = NAN;
  if (!means)
    return false;
  recsys__random_seed(&random, seed, 11);
  for (size_t s = 0; n && s < RESAMPLES; s++) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < n; i++) {
      uint32_t at = recsys__random_below(&random, (uint32_t)n);
      sum += x[at];
      weight += w[at];
    }
    means[s] = weight > 0 ? sum / weight : 0;
  }
  if (n) {
    qsort(means, RESAMPLES, sizeof *means, rising);
    *low = percentile(means, RESAMPLES, 0.025);
    *high = percentile(means, RESAMPLES, 0.975);
  }
  recsys__free(means);
  return true;
}

double recsys__sign_flip(const double *d, size_t n, uint64_t seed) {
  recsys__random random;
  double observed = 0, largest = 0;
  size_t as_large = 0;
  for (size_t i = 0; i < n; i++) {
    observed += d[i];
    largest += fabs(d[i]);
  }
  if (largest == 0)
    return 1;
  observed = fabs(observed) - 1e-12 * largest; /* the same sum in another order counts as equal */
  recsys__random_seed(&random, seed, 13);
  for (size_t f = 0; f < FLIPS; f++) {
    double sum = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
      if (i % 32 == 0)
        bits = recsys__random_u32(&random);
      sum += bits & 1 ? d[i] : -d[i];
      bits >>= 1;
    }
    as_large += fabs(sum) >= observed;
  }
  return (double)(as_large + 1) / (FLIPS + 1);
}

typedef struct ranked {
  double p;
  size_t at;
} ranked;

static int by_p(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->p != y->p)
    return x->p < y->p ? -1 : 1;
  return (x->at > y->at) - (x->at < y->at);
}

bool recsys__holm(double *p, size_t m) {
  ranked *order = recsys__alloc(m, sizeof *order);
  double before = 0;
  if (!order)
    return false;
  for (size_t i = 0; i < m; i++)
    order[i] = (ranked){p[i], i};
  if (m)
    qsort(order, m, sizeof *order, by_p);
  for (size_t i = 0; i < m; i++) {
    before = fmax(before, fmin(1, (double)(m - i) * order[i].p));
    p[order[i].at] = before;
  }
  recsys__free(order);
  return true;
}

double recsys__corrected_deviation(const double *means, size_t n, double test, double train) {
  double mean = 0, variance = 0;
  if (n < 2)
    return 0;
  for (size_t i = 0; i < n; i++)
    mean += means[i] / (double)n;
  for (size_t i = 0; i < n; i++)
    variance += (means[i] - mean) * (means[i] - mean) / (double)(n - 1);
  return sqrt(variance * (1 / (double)n + (train > 0 ? test / train : 0)));
}
