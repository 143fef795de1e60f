/*
 * The arithmetic of exact search: int8 sums that estimate a cosine, the choice of the rows whose bound is good enough,
 * and the final sums in double. One table of functions for plain C, AVX2 and AVX-512 each; all give the same lists.
 */
#ifndef RECSYS_STORE_KERNELS_H
#define RECSYS_STORE_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum {
  RECSYS__BLOCK_ROWS = 64,  /* rows that one call of `sums` and `select` handles at most */
  RECSYS__CODE_ALIGN = 64,  /* codes of a row: its bytes are a multiple of this, and so is its address */
  RECSYS__FLOAT_ALIGN = 16, /* floats of a row: their number is a multiple of this; padding is zero */
  RECSYS__CODE_ZERO = 128   /* the code of 0: codes are int8 + 128, because VNNI wants one factor unsigned */
};

/* A query in two int8 parts: its unit vector is high_step x high + low_step x low, up to a rest (see scan.c). */
typedef struct recsys__probe {
  const int8_t *high, *low;    /* `stride` bytes each, padding zero */
  int32_t high_zero, low_zero; /* RECSYS__CODE_ZERO x sum of high (low): what the codes' offset adds to a sum */
  float high_step, low_step;   /* what one unit of high (low) is worth */
  double slack;                /* bound on all errors that do not depend on the row, see scan.c */
  const float *row;            /* the query itself, padded */
  double square, norm;         /* its squared length and its length */
} recsys__probe;

/* The integer sums of one block: sum of (code x high), and of (code x low). */
typedef struct recsys__sums {
  _Alignas(64) int32_t high[RECSYS__BLOCK_ROWS];
  int32_t low[RECSYS__BLOCK_ROWS];
} recsys__sums;

/* What `select` knows of the block's rows. */
typedef struct recsys__bounds {
  const float *scales; /* what one unit of a code is worth */
  const float *errors; /* length of (unit row - scale x code), rounded up */
  const double *norms; /* Euclidean only */
} recsys__bounds;

/* -- many queries at once: products of small matrices of codes */
enum {
  RECSYS__PANEL_ROWS = 48,  /* rows that lie side by side: four codes of each, then the next four */
  RECSYS__PANEL_QUERIES = 8 /* queries that meet them in one call */
};

/* What bounds the worth of a pair of a row and a query, each given by codes, scale and error (join.c says why), and for
 * sketches by a tail (sketch.h):
 *
 *   value = gain gain' (scale scale' (code . code') + tail tail' + rests) - base - base'
 *   rests = error + error' + error error' + slack
 *
 * A pair is a hit unless its value is below the floor of the query and below that of the row. */
typedef struct recsys__panel {
  _Alignas(64) float scales[RECSYS__PANEL_ROWS];
  float errors[RECSYS__PANEL_ROWS], tails[RECSYS__PANEL_ROWS];
  float gains[RECSYS__PANEL_ROWS], bases[RECSYS__PANEL_ROWS], floors[RECSYS__PANEL_ROWS];
  uint8_t *codes; /* stride x RECSYS__PANEL_ROWS, 64-byte aligned */
} recsys__panel;

typedef struct recsys__panel_query {
  float scale, error, tail, gain, base, floor;
  int32_t zero; /* RECSYS__CODE_ZERO x sum of its codes */
} recsys__panel_query;

#define RECSYS__PANEL_SLACK 4e-6F

typedef struct recsys__kernels {
  const char *name;
  /* The sums of `rows` <= RECSYS__BLOCK_ROWS rows of `stride` codes each. Bytes at `ahead` (as many as there are
   * codes, or NULL) are fetched into the cache meanwhile; they need not exist. */
  void (*sums)(recsys__sums *sums, const uint8_t *codes, size_t stride, size_t rows, const recsys__probe *probe,
               const uint8_t *ahead);
  /* The rows whose cosine may be >= floor: their indices, rising; returns how many. May name too many, never too few.
   */
  size_t (*select_cosine)(uint8_t *chosen, const recsys__sums *sums, size_t rows, const recsys__bounds *bounds,
                          const recsys__probe *probe, double floor);
  /* The same for a Euclidean distance <= limit. */
  size_t (*select_euclidean)(uint8_t *chosen, const recsys__sums *sums, size_t rows, const recsys__bounds *bounds,
                             const recsys__probe *probe, double limit);
  /* sum of x y, and of (x - y)^2, in double, n a multiple of RECSYS__FLOAT_ALIGN. The order is part of the meaning, so
   * that results are the same bits everywhere: element i goes to sum i mod 8 by rising i, and the eight are added as
   * ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)). */
  double (*dot)(const float *x, const float *y, size_t n);
  double (*distance2)(const float *x, const float *y, size_t n);
  /* sum of x y in float32, in any order: off by at most n 2^-24 |x| |y|, and what over- and underflow take. */
  float (*dot_float)(const float *x, const float *y, size_t n);
  /* The largest |x|; infinite or not a number where some x is. Any n. */
  float (*largest)(const float *x, size_t n);
  /* The codes of x unit in whole steps of `scale` (recsys__code), with offset; returns the sum of the squares of what
   * they leave out, in double. n a multiple of RECSYS__FLOAT_ALIGN. */
  double (*encode)(uint8_t *codes, const float *x, size_t n, double unit, float scale);
  /* The products of a query, signed codes of `stride` bytes, with `n` rows that lie anywhere: sums[i] of its codes and
   * those of row nodes[i], at codes + nodes[i] x stride, both without offset; `zero` is RECSYS__CODE_ZERO x the sum of
   * the query's codes. sums has room for a multiple of 4. */
  void (*gather)(int32_t *sums, const uint8_t *codes, size_t stride, const uint32_t *nodes, size_t n,
                 const int8_t *query, int32_t zero);
  /* Lays the codes of `rows` <= RECSYS__PANEL_ROWS rows side by side; what is missing is zero. */
  void (*pack)(recsys__panel *panel, const uint8_t *codes, size_t stride, size_t rows);
  /* The hits of RECSYS__PANEL_QUERIES queries, signed codes of `stride` bytes each, as bits of the panel's rows. */
  void (*meet)(uint64_t hits[RECSYS__PANEL_QUERIES], const recsys__panel *panel, const int8_t *queries, size_t stride,
               const recsys__panel_query facts[RECSYS__PANEL_QUERIES]);
} recsys__kernels;

/* Rows from `first` on, for the ends of blocks that do not fill a vector. */
size_t recsys__select_cosine_rest(uint8_t *chosen, size_t count, const recsys__sums *in, size_t first, size_t rows,
                                  const recsys__bounds *bounds, const recsys__probe *probe, float floor);
size_t recsys__select_euclidean_rest(uint8_t *chosen, size_t count, const recsys__sums *in, size_t first, size_t rows,
                                     const recsys__bounds *bounds, const recsys__probe *probe, double limit);
void recsys__panel_pack(recsys__panel *panel, const uint8_t *codes, size_t stride, size_t rows);
/* The nearest whole number of steps that an int8 holds. */
static inline int recsys__code(double steps) {
  int code = (int)(steps + copysign(0.5, steps));
  return code > 127 ? 127 : code < -127 ? -127 : code;
}
/* A float that is not above x. */
float recsys__float_below(double x);

/* The constants of the Euclidean test, see scan.c. */
#define RECSYS__EUCLIDEAN_SLACK 1e-11

/* The set in use: the best that this processor can run. */
const recsys__kernels *recsys__kernels_now(void);
/* The index-th of the sets that this processor can run, plain first; NULL: past the last. */
const recsys__kernels *recsys__kernels_at(size_t index);
/* Tests only: the set to use from now on; NULL: the best again. */
void recsys__kernels_force(const recsys__kernels *kernels);

extern const recsys__kernels recsys__kernels_plain;
#if defined(__x86_64__)
extern const recsys__kernels recsys__kernels_avx2;
extern const recsys__kernels recsys__kernels_avx512;
#endif

#endif
