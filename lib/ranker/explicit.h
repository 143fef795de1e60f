/*
 * The features of features.h as explicit rows, for `content` in primal form: sparse ones, then the picture's. Their
 * products are L_labels,numbers + p L∘L + t TTᵀ + v VVᵀ: pair products are over labels and numbers only.
 */
#ifndef RECSYS_RANKER_EXPLICIT_H
#define RECSYS_RANKER_EXPLICIT_H

#include "ranker/features.h"

/* rows: f->n rows of at most `most` columns; where there would be more, those with the largest sum of squares are kept.
 * pictures: NULL where they do not take part, else f->n x f->dim, weighed; freed by the caller. */
bool recsys__features_explicit(const recsys__features *f, const recsys__kernel_weights *w, size_t most,
                               recsys__sparse *rows, float **pictures);

#endif
