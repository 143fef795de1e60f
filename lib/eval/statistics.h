/* How sure a mean is, and whether two differ. */
#ifndef RECSYS_EVAL_STATISTICS_H
#define RECSYS_EVAL_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The 95 % percentile interval of sum(x) / sum(w) over resamples of the n users (Efron 1979). false: out of memory. */
bool recsys__bootstrap(const double *x, const double *w, size_t n, uint64_t seed, double *low, double *high);
/* The two-sided p-value of mean(d) != 0 by flipping signs at random; 1 where all are 0. */
double recsys__sign_flip(const double *d, size_t n, uint64_t seed);
/* Holm's correction of m p-values in place (Holm 1979). */
bool recsys__holm(double *p, size_t m);
/* The standard deviation of the mean of J repeats, corrected for shared training data: variance x (1 / J + test /
 * train) (Nadeau and Bengio 2003); 0 for one repeat. */
double recsys__corrected_deviation(const double *means, size_t n, double test, double train);

#endif
