/* What all factor models share: a seeded start and the products of the vectors with themselves. */
#ifndef RECSYS_RANKER_FACTORS_H
#define RECSYS_RANKER_FACTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n x f normal numbers with deviation 0.1 / sqrt(f), the same on every machine; NULL: out of memory. */
float *recsys__factors_random(size_t n, size_t f, uint64_t seed, uint64_t stream);
/* gram (f x f) = Yᵀ Y of n x f vectors. */
bool recsys__factors_gram(uint32_t threads, const float *vectors, size_t n, size_t f, double *gram);

/* Makes the columns of q (n x f) orthonormal, by falling length of the directions they span; dependent ones become
 * zero. values[f]: the squared lengths. */
bool recsys__orthonormalise(double *q, size_t n, size_t f, uint32_t threads, double *values);
/* out (n x keep) = the rows' coordinates along the `keep` leading right singular vectors of rows (n x dim), zeros where
 * there are fewer; seeded, the same on every run. */
bool recsys__principal_components(uint32_t threads, const double *rows, size_t n, size_t dim, size_t keep, double *out);

#endif
