/* Products of sparse matrices with themselves, dense results. */
#ifndef RECSYS_RANKER_GRAM_H
#define RECSYS_RANKER_GRAM_H

#include <stdbool.h>

#include "ranker/interactions.h"

/* out (n x n doubles) = Aᵀ diag(w) B over users, with A given by item (n x users) and B by user (users x n); w NULL:
 * all
 * 1. lower: only j <= i is computed, and mirrored. */
void recsys__gram(uint32_t threads, const recsys__sparse *a_by_item, const recsys__sparse *b_by_user, const double *w,
                  bool lower, double *out);

#endif
