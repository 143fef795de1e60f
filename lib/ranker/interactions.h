/* Who rated what, as sparse matrices over the rated items: what collaborative algorithms are fitted to. */
#ifndef RECSYS_RANKER_INTERACTIONS_H
#define RECSYS_RANKER_INTERACTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "ranker/history.h"
#include "recsys.h"
#include "store/view.h"

/* Rows of (column, value); columns rise within a row. */
typedef struct recsys__sparse {
  size_t rows, columns;
  uint64_t *offsets; /* rows + 1 */
  uint32_t *indices;
  float *values;
} recsys__sparse;

typedef struct recsys__interactions {
  int64_t *users, *items; /* ids, rising; every one has a rating */
  recsys__sparse by_user; /* users x items, the ratings with what events add */
  recsys__sparse by_item; /* items x users: its transpose */
  int64_t *times;         /* of by_user */
  double largest;         /* the largest rating, at least the smallest positive number */
  double mean;
} recsys__interactions;

/* RECSYS_ENOMEM, or RECSYS_ECANCELLED when progress (NULL allowed) says so. */
recsys_status recsys__interactions_make(recsys__interactions *x, const recsys__view *view, const recsys__scale *scale,
                                        recsys_error *error);
void recsys__interactions_free(recsys__interactions *x);

/* The ratings by user as x = rating / largest, or 1 each. false: out of memory. */
bool recsys__scaled_ratings(recsys__sparse *out, const recsys__interactions *x, bool binary);
/* Takes each row's mean off its values. */
void recsys__subtract_row_means(recsys__sparse *s);

/* The transpose, rows again with rising indices; false: out of memory. */
bool recsys__sparse_transpose(recsys__sparse *out, const recsys__sparse *in);
void recsys__sparse_free(recsys__sparse *s);
/* A copy with the same pattern and room for other values (undefined). */
bool recsys__sparse_like(recsys__sparse *out, const recsys__sparse *in);

#endif
