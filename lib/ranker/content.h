/* Kernel ridge regression over the items' features, shared by `content` and by `ease` for items that nobody rated. */
#ifndef RECSYS_RANKER_CONTENT_H
#define RECSYS_RANKER_CONTENT_H

#include "ranker/features.h"
#include "ranker/ranker.h"

typedef struct recsys__ridge {
  recsys__kernel_weights kernel;
  double lambda;
  double smoothing;        /* weight of what similar shoppers liked; 0: none */
  double smoothing_lambda; /* of the EASE that does it */
  double liked;            /* liked means: rating >= liked */
} recsys__ridge;

/* out (x's items x n_columns, rows `stride` floats apart) = the weight of each rated item for the score of each column
 * (a place among f->items). */
recsys_status recsys__content_weights(const recsys__fitting *fitting, const recsys__features *f, const recsys__ridge *r,
                                      const uint32_t *columns, size_t n_columns, float *out, size_t stride,
                                      recsys_error *error);
/* The same in primal form, into fitting->learned, without smoothing; at most `most` columns beside the pictures'. And
 * the memory for it. */
recsys_status recsys__primal_fit(recsys__fitting *fitting, const recsys__features *f, const recsys__ridge *ridge,
                                 size_t most, recsys_error *error);
uint64_t recsys__primal_memory(size_t most, size_t dim, size_t items);
/* Places of the rated items among the features' (f->n: none). */
uint32_t *recsys__rated_places(const recsys__fitting *fitting, const recsys__features *f);

#endif
