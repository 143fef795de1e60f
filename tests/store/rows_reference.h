/*
 * A search written as plainly as can be, which the real one must equal to the last bit: every picture of every item
 * against every query in double, in the order of summation that lib/store/kernels.h promises.
 */
#ifndef RECSYS_TESTS_STORE_ROWS_REFERENCE_H
#define RECSYS_TESTS_STORE_ROWS_REFERENCE_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/rows.h"

/* The pictures that a test has stored, as a list. */
typedef struct reference {
  size_t dim, count, room;
  struct reference_row {
    int64_t item, picture;
    float *row;
  } * list;
} reference;

typedef struct reference_hit {
  int64_t item;
  double score;
} reference_hit;

static inline void reference_put(reference *r, int64_t item, int64_t picture, const float *row) {
  size_t i = 0;
  while (i < r->count && (r->list[i].item != item || r->list[i].picture != picture))
    i++;
  if (i == r->room) {
    r->room = 2 * r->room + 64;
    r->list = realloc(r->list, r->room * sizeof *r->list);
  }
  if (i == r->count)
    r->list[r->count++] = (struct reference_row){item, picture, malloc(r->dim * sizeof(float))};
  memcpy(r->list[i].row, row, r->dim * sizeof(float));
}

/* As reference_put, for a picture that is known to be new: does not look. */
static inline void reference_append(reference *r, int64_t item, int64_t picture, const float *row) {
  if (r->count == r->room) {
    r->room = 2 * r->room + 64;
    r->list = realloc(r->list, r->room * sizeof *r->list);
  }
  r->list[r->count] = (struct reference_row){item, picture, malloc(r->dim * sizeof(float))};
  memcpy(r->list[r->count++].row, row, r->dim * sizeof(float));
}

static inline bool reference_remove(reference *r, int64_t item, int64_t picture) {
  for (size_t i = 0; i < r->count; i++)
    if (r->list[i].item == item && r->list[i].picture == picture) {
      free(r->list[i].row);
      r->list[i] = r->list[--r->count];
      return true;
    }
  return false;
}

static inline void reference_free(reference *r) {
  for (size_t i = 0; i < r->count; i++)
    free(r->list[i].row);
  free(r->list);
  memset(r, 0, sizeof *r);
}

/* sum of x y (or of (x - y)^2): element i goes to sum i mod 8, and the eight are added in pairs. */
static inline double reference_sum(const float *x, const float *y, size_t n, bool squares) {
  double s[8] = {0};
  for (size_t i = 0; i < n; i++) {
    volatile double product = squares ? ((double)x[i] - y[i]) * ((double)x[i] - y[i]) : (double)x[i] * y[i];
    s[i % 8] += product; /* volatile: not to be fused */
  }
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static inline double reference_score(const float *x, const float *y, size_t n, uint32_t metric) {
  if (metric == RECSYS_METRIC_EUCLIDEAN)
    return sqrt(reference_sum(x, y, n, true));
  double c = reference_sum(x, y, n, false) / sqrt(reference_sum(x, x, n, false) * reference_sum(y, y, n, false));
  return c > 1 ? 1 : c < -1 ? -1 : c;
}

static inline int reference_by_item(const void *left, const void *right) {
  const reference_hit *a = left, *b = right;
  return a->item != b->item ? (a->item < b->item ? -1 : 1) : a->score < b->score ? -1 : a->score > b->score;
}

static inline int reference_by_cosine(const void *left, const void *right) {
  const reference_hit *a = left, *b = right;
  return a->score != b->score ? (a->score > b->score ? -1 : 1) : reference_by_item(a, b);
}

static inline int reference_by_distance(const void *left, const void *right) {
  const reference_hit *a = left, *b = right;
  return a->score != b->score ? (a->score < b->score ? -1 : 1) : reference_by_item(a, b);
}

/* All items that pass, best first; returns how many. hits: room for r->count x query_count. */
static inline size_t reference_search(const reference *r, const recsys__rows_query *q, reference_hit *hits) {
  bool far = q->metric == RECSYS_METRIC_EUCLIDEAN;
  size_t n = 0, kept = 0;
  for (size_t i = 0; i < r->count; i++)
    for (size_t j = 0; j < q->query_count; j++) {
      int64_t item = r->list[i].item;
      if (item == q->exclude || (q->passes && !q->passes(q->context, item)))
        continue;
      double score = reference_score(q->queries + j * r->dim, r->list[i].row, r->dim, q->metric);
      if (!q->has_limit || (far ? score <= q->limit : score >= q->limit))
        hits[n++] = (reference_hit){item, score};
    }
  qsort(hits, n, sizeof *hits, reference_by_item); /* equal items: by rising score */
  for (size_t i = 0; i < n; i++) {
    bool same_as_last = kept && hits[kept - 1].item == hits[i].item;
    if (same_as_last && far)
      continue;
    kept -= same_as_last;
    hits[kept++] = hits[i];
  }
  qsort(hits, kept, sizeof *hits, far ? reference_by_distance : reference_by_cosine);
  return kept < q->k ? kept : q->k;
}

#endif
