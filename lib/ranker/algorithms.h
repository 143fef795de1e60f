/* Every algorithm that there is. */
#ifndef RECSYS_RANKER_ALGORITHMS_H
#define RECSYS_RANKER_ALGORITHMS_H

#include "ranker/ranker.h"

extern const recsys__algorithm recsys__auto, recsys__ease, recsys__content, recsys__slim, recsys__als, recsys__pure_svd,
    recsys__svd, recsys__bpr, recsys__vbpr, recsys__item_knn, recsys__user_knn, recsys__rp3beta, recsys__visual,
    recsys__category, recsys__popular, recsys__next, recsys__blend;

#endif
