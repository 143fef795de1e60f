/* Seeded normal numbers, and grams of vectors. */
#include "ranker/factors.h"

#include <math.h>

#include "base/matrix.h"
#include "base/memory.h"
#include "base/random.h"

float *recsys__factors_random(size_t n, size_t f, uint64_t seed, uint64_t stream) {
  recsys__random random;
  size_t count;
  float *vectors = recsys__alloc(n, f * sizeof *vectors);
  if (!vectors || !recsys__mul(n, f, &count))
    return vectors;
  recsys__random_seed(&random, seed, stream);
  for (size_t i = 0; i < count; i++) { /* Box and Muller 1958 */
    double radius = sqrt(-2 * log(1 - recsys__random_unit(&random)));
    vectors[i] = (float)(0.1 / sqrt((double)f) * radius * cos(6.283185307179586 * recsys__random_unit(&random)));
  }
  return vectors;
}

bool recsys__factors_gram(uint32_t threads, const float *vectors, size_t n, size_t f, double *gram) {
  double *wide = recsys__alloc(n, f * sizeof *wide);
  if (!wide)
    return false;
  for (size_t i = 0; i < n * f; i++)
    wide[i] = (double)vectors[i];
  bool ok = recsys__gemm(threads, RECSYS__A_TRANSPOSED, f, f, n, 1, wide, f, wide, f, 0, gram, f);
  recsys__free(wide);
  return ok;
}

bool recsys__orthonormalise(double *q, size_t n, size_t f, uint32_t threads, double *values) {
  double *gram = recsys__alloc(f, f * sizeof *gram), *v = recsys__alloc(f, f * sizeof *v);
  double *copy = recsys__copy(q, n, f * sizeof *q);
  bool ok = gram && v && copy && recsys__gemm(threads, RECSYS__A_TRANSPOSED, f, f, n, 1, q, f, q, f, 0, gram, f);
  if (ok) {
    recsys__symmetric_eigen(gram, f, values, v);
    for (size_t i = 0; i < f; i++)
      for (size_t j = 0; j < f; j++)
        v[i * f + j] = values[i] > 1e-14 * values[0] ? v[i * f + j] / sqrt(values[i]) : 0;
    ok = recsys__gemm(threads, RECSYS__B_TRANSPOSED, n, f, f, 1, copy, f, v, f, 0, q, f);
  }
  recsys__free(gram);
  recsys__free(v);
  recsys__free(copy);
  return ok;
}

bool recsys__principal_components(uint32_t threads, const double *rows, size_t n, size_t dim, size_t keep,
                                  double *out) {
  enum { ROUNDS = 4 };
  size_t f = keep < n ? keep : n;
  f = f < dim ? f : dim;
  float *start = recsys__factors_random(dim, f, 1, 3);
  double *v = recsys__alloc(dim, (f + 1) * sizeof *v), *u = recsys__alloc(n, (f + 1) * sizeof *u);
  double *values = recsys__alloc(f, sizeof *values);
  bool ok = start && v && u && values;
  for (size_t i = 0; ok && i < dim * f; i++)
    v[i] = (double)start[i];
  for (int round = 0; ok && f && round < ROUNDS; round++)
    ok = recsys__gemm(threads, 0, n, f, dim, 1, rows, dim, v, f, 0, u, f) &&
         recsys__orthonormalise(u, n, f, threads, values) &&
         recsys__gemm(threads, RECSYS__A_TRANSPOSED, dim, f, n, 1, rows, dim, u, f, 0, v, f) &&
         recsys__orthonormalise(v, dim, f, threads, values);
  ok = ok && (!f || recsys__gemm(threads, 0, n, f, dim, 1, rows, dim, v, f, 0, out, keep));
  recsys__free(start);
  recsys__free(v);
  recsys__free(u);
  recsys__free(values);
  return ok;
}
