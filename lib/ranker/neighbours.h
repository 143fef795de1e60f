/* Building a sparse matrix of weights row by row, the best K of each row. */
#ifndef RECSYS_RANKER_NEIGHBOURS_H
#define RECSYS_RANKER_NEIGHBOURS_H

#include <stdbool.h>

#include "ranker/interactions.h"

/* Fills row[n] (zeroed) for item i. */
typedef void (*recsys__row_fn)(const void *context, size_t i, double *row);

/* out (n x n): of each row the `keep` largest entries > 0, the diagonal left out, ties to the smaller column. false:
 * out of memory. */
bool recsys__best_of_rows(recsys__sparse *out, uint32_t threads, size_t n, size_t keep, recsys__row_fn fn,
                          const void *context);

/* How ratings are weighed before rows are compared. */
typedef enum { RECSYS__PLAIN = 0, RECSYS__TFIDF, RECSYS__BM25 } recsys__weighing;
/* In place; rows are the things compared, columns what they are compared by: TF-IDF: sqrt(x) idf; BM25 (Robertson and
 * Zaragoza 2009) with k1 = 1.2, b = 0.75: x (k1 + 1) / (k1 (1 - b + b length / mean length) + x) idf; idf of a column =
 * ln(rows / (1 + entries)). */
bool recsys__weigh(recsys__sparse *s, recsys__weighing weighing);

#endif
