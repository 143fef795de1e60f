/* Kinds of rows that a search may meet: random, alike, equal, one value only, of all sizes, positive, of signs. */
#ifndef RECSYS_TESTS_STORE_ROWS_KINDS_H
#define RECSYS_TESTS_STORE_ROWS_KINDS_H

#include <float.h>
#include <math.h>

#include "base/random.h"

static inline float signed_unit(recsys__random *random) {
  return (float)(2 * recsys__random_unit(random) - 1);
}

enum { RANDOM, CLUSTERED, ONE_ULP, EQUAL, ONE_HOT, SCALES, POSITIVE, SIGNS, KINDS };

static inline void make_row(recsys__random *random, int kind, size_t dim, float *row) {
  recsys__random centre;
  recsys__random_seed(&centre, 5, kind == CLUSTERED ? recsys__random_below(random, 5) : 9);
  double scale = kind == SCALES ? ldexp(1, (int)recsys__random_below(random, 270) - 145) : 1;
  size_t hot = recsys__random_below(random, (uint32_t)dim);
  for (size_t i = 0; i < dim; i++) {
    float base = signed_unit(&centre), own = signed_unit(random);
    row[i] = kind == CLUSTERED ? base + own / 1000 : kind == ONE_ULP || kind == EQUAL ? base : own;
    row[i] = kind == ONE_HOT ? (float)(i == hot) : kind == POSITIVE ? fabsf(own) : row[i];
    row[i] = kind == SIGNS ? copysignf(1, own) : row[i];
    row[i] = (float)fmax(-(double)FLT_MAX, fmin((double)FLT_MAX, row[i] * scale));
  }
  if (kind == ONE_ULP)
    row[hot] = nextafterf(row[hot], recsys__random_below(random, 2) ? 9.0F : -9.0F);
  if (row[hot] == 0)
    row[hot] = FLT_TRUE_MIN;
}

#endif
