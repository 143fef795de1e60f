/* What search needs of a compiled filter beside view.h. */
#ifndef RECSYS_STORE_FILTER_H
#define RECSYS_STORE_FILTER_H

#include "store/view.h"

/* The filter's limit for this metric: the smallest similarity or the largest distance; false: it sets none. */
bool recsys__filter_limit(const recsys__filter *filter, uint32_t metric, double *limit);

#endif
