/* Every algorithm that there is. */
#ifndef RECSYS_RANKER_ALGORITHMS_H
#define RECSYS_RANKER_ALGORITHMS_H

#include "ranker/ranker.h"

extern const recsys__algorithm recsys__visual, recsys__category, recsys__popular, recsys__ease, recsys__content;

#endif
