/* All ratings of a view in a fixed order, by user, then item: what splits divide. Pairs that are known by events alone
 * stand among them as the largest rating. */
#ifndef RECSYS_EVAL_RATINGS_H
#define RECSYS_EVAL_RATINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"
#include "store/view.h"

typedef struct recsys__ratings {
  int64_t *users, *items, *times;
  float *values;
  size_t n;
  double largest; /* of the values; 1 where there are none */
} recsys__ratings;

bool recsys__ratings_of(recsys__ratings *r, const recsys__view *view); /* false: out of memory */
void recsys__ratings_free(recsys__ratings *r);
/* The place of a pair, or n. */
size_t recsys__ratings_find(const recsys__ratings *r, int64_t user, int64_t item);
/* One past the last rating of the user whose ratings begin at `first`. */
size_t recsys__ratings_end(const recsys__ratings *r, size_t first);

/* -- splits (split.c) */

typedef struct recsys__split {
  int kind, by_time;
  double test;
  int64_t k, history, repeats, seed;
} recsys__split;

/* text NULL: "random". */
recsys_status recsys__split_parse(recsys__split *split, const char *text, recsys_error *error);
/* parts[r->n] of one repeat. */
recsys_status recsys__split_make(const recsys__split *split, const recsys__ratings *r, uint32_t repeat, uint8_t *parts,
                                 recsys_error *error);

#endif
