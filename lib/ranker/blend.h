/* Several rankers as one: their scores on one scale, and the search for how much each should count. */
#ifndef RECSYS_RANKER_BLEND_H
#define RECSYS_RANKER_BLEND_H

#include "ranker/ranker.h"

/* Places in blend's table of parameters. */
enum {
  RECSYS__BLEND_PARTS,
  RECSYS__BLEND_BY,
  RECSYS__BLEND_WEIGHTS,
  RECSYS__BLEND_BY_LENGTH,
  RECSYS__BLEND_K,
  RECSYS__BLEND_VALIDATION,
  RECSYS__BLEND_LIKED,
  RECSYS__BLEND_SEED
};

enum { RECSYS__BLEND_MOST = 16 }; /* parts */

/* What one part says of one history: z-scores over all fitted items, and how they were made: z = (score - mean) /
 * deviation. An item that the part says nothing about counts as 0, or as the mean rating where it predicts ratings. */
typedef struct recsys__standard {
  double mean, deviation; /* deviation 0: the part tells nothing apart, and all z are 0 */
} recsys__standard;
/* z has room for f->n of the blend's own fitted state. */
recsys_status recsys__blend_standardise(const recsys__request *r, recsys_ranker *part, const recsys__fitted *own,
                                        double *z, recsys__standard *standard, recsys_error *error);
/* Which weights count for a history of this length. */
size_t recsys__blend_band(size_t length);

/* Fits all parts on a view. */
recsys_status recsys__blend_fit_parts(const recsys__fitting *fitting, const recsys__view *view, recsys_error *error);
/* Finds fitted->weights (RECSYS__BANDS x parts) with the parts that fitted->parts has, fitted without a share of the
 * ratings. */
recsys_status recsys__blend_search(const recsys__fitting *fitting, recsys_error *error);

#endif
