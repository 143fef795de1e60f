/*
 * Short rows for the search of all pairs: each row's coordinates in the 64 directions that rows of the set have most in
 * common, in int8, and an order of the rows in which alike ones lie together.
 *
 * A sketch bounds a cosine. W has 64 nearly orthonormal rows, u and v have length 1, z = W u and y = W v:
 *
 *   u v = z y + u (I - WᵀW) v <= z y + p q + x,   p^2 = 1 - |z|^2 + x,   q^2 = 1 - |y|^2 + x
 *
 * where p and q, the tails, are the lengths of what W does not see of u and v, and x, the excess, is at least
 * |W Wᵀ - I|: on the space that W spans, the eigenvalues of I - WᵀW are at most x; on the rest it is the identity. z is
 * computed in float32, off by at most 8 n 2^-24 (64 sums of n products, in any order), which goes to the codes' errors
 * together with x; z y is then bounded by the codes as in join.c.
 */
#ifndef RECSYS_STORE_SKETCH_H
#define RECSYS_STORE_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/chunks.h"

enum { RECSYS__SKETCH_DIM = 64 }; /* one line of codes */

/* All by place in that order; `order` names the row. */
typedef struct recsys__sketch {
  uint32_t *order; /* the row at a place */
  uint8_t *codes;  /* count x RECSYS__SKETCH_DIM, RECSYS__CODE_ZERO is 0 */
  float *scales;   /* what one unit of a code is worth */
  float *errors;   /* at least the length of (z - scale x code) */
  float *tails;    /* at least p */
} recsys__sketch;

/* Whether sketches of these rows are shorter and many enough to be worth their making. */
bool recsys__sketch_pays(const recsys__rows *rows);
/* false: out of memory; to be freed all the same. */
bool recsys__sketch_make(recsys__sketch *sketch, const recsys__rows *rows, uint32_t threads);
void recsys__sketch_free(recsys__sketch *sketch);

#endif
