/*
 * The items' labels, numbers, words and pictures as features, and the kernel over them that `ease` and `content` share:
 * L = a GGᵀ + y YYᵀ + v VVᵀ, K = L + p L∘L + t TTᵀ, where
 *
 *   G  labels, each x sqrt(ln(n / df)), rows of unit length
 *   Y  numbers as overlapping soft bins (triangles over a field's range), rows of unit length
 *   V  the embeddings (mean over an item's pictures), centred, rows of unit length
 *   T  words and adjacent pairs of words with df >= 2, each sqrt(ln(n / df) / ln n), rows not normalised
 */
#ifndef RECSYS_RANKER_FEATURES_H
#define RECSYS_RANKER_FEATURES_H

#include <stdbool.h>

#include "base/error.h"
#include "ranker/interactions.h"
#include "ranker/parameters.h"
#include "store/view.h"

typedef struct recsys__kernel_weights {
  double labels, numbers, pictures, pairs, words; /* a, y, v, p, t */
} recsys__kernel_weights;

/* Which fields take part: comma-separated names; NULL: all. */
typedef struct recsys__feature_fields {
  const char *labels, *numbers, *texts;
} recsys__feature_fields;

typedef struct recsys__features {
  int64_t *items; /* with at least one feature, rising */
  size_t n;
  recsys__sparse labels, numbers, words; /* n rows each */
  float *pictures;                       /* n x dim, zeros where there is none; NULL: no embeddings at all */
  size_t dim;
} recsys__features;

/* Whether a text field holds words of the item: one of `fields`, or (NULL) any but "image", the picture's path. */
bool recsys__features_is_name(const recsys__view *view, const char *fields, int32_t field);

/* Over all items of the view; fingerprint NULL: the default space. */
recsys_status recsys__features_make(recsys__features *f, const recsys__view *view, const char *fingerprint,
                                    const recsys__feature_fields *fields, recsys_error *error);
void recsys__features_free(recsys__features *f);

/* out (n_rows x n_columns) = K between places among f->items; f->n as a place: an item without features (zeros). */
bool recsys__features_kernel(const recsys__features *f, const recsys__kernel_weights *w, uint32_t threads,
                             const uint32_t *rows, size_t n_rows, const uint32_t *columns, size_t n_columns,
                             double *out);

#endif
