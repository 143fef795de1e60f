/* Neighbour lists of items by their looks, kept from one request to the next while nothing that they rest on changes.
 */
#ifndef RECSYS_RANKER_LOOKS_H
#define RECSYS_RANKER_LOOKS_H

#include "ranker/ranker.h"

typedef struct recsys__looks recsys__looks;

/* The lists for a view, retained: the ranker's, where they are of the same pictures (and, with `labels`, of the same
 * view), or new and empty ones, which the ranker then keeps. NULL: out of memory. */
recsys__looks *recsys__looks_of(const recsys_ranker *ranker, const recsys__view *view, int32_t space, bool labels);
void recsys__looks_release(recsys__looks *looks); /* NULL allowed */

/* A list that was made before, or NULL; and one just made, which `looks` takes over (a list that another thread made
 * meanwhile wins). Both are valid while `looks` is held. */
typedef struct recsys__look_list {
  size_t count;
  recsys__candidate entries[];
} recsys__look_list;
const recsys__look_list *recsys__looks_get(recsys__looks *looks, int64_t item);
const recsys__look_list *recsys__looks_put(recsys__looks *looks, int64_t item, recsys__look_list *list);

#endif
