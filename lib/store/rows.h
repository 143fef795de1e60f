/*
 * The embeddings of one space in memory, in the form that exact search needs: int8 rows for the scan, float32 rows as
 * stored for the final scores, in chunks that successive snapshots share.
 */
#ifndef RECSYS_STORE_ROWS_H
#define RECSYS_STORE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"
#include "store/map.h"

/* A set of rows; starts with a recsys__ref. Immutable while anybody else holds it. */
typedef struct recsys__rows recsys__rows;

recsys__rows *recsys__rows_new(uint32_t dim); /* NULL: out of memory */
/* A private copy to change (shares every chunk until it is touched). */
recsys__rows *recsys__rows_copy(const recsys__rows *rows);
/* On a private copy only. Row: dim finite floats, not all zero (checked by the caller). false: out of memory,
 * unchanged. */
bool recsys__rows_put(recsys__rows *rows, int64_t item, int64_t picture, const float *row);
bool recsys__rows_remove(recsys__rows *rows, int64_t item, int64_t picture, bool *removed);

uint32_t recsys__rows_dim(const recsys__rows *rows);
size_t recsys__rows_count(const recsys__rows *rows);      /* rows */
size_t recsys__rows_item_count(const recsys__rows *rows); /* items with at least one row */
size_t recsys__rows_bytes(const recsys__rows *rows);      /* memory, for describe */
/* The stored row of a picture; NULL: none. */
const float *recsys__rows_get(const recsys__rows *rows, int64_t item, int64_t picture);
/* The pictures of an item in rising order: the (index)-th one; false past the last. */
bool recsys__rows_picture(const recsys__rows *rows, int64_t item, size_t index, int64_t *picture, const float **row);

/* One search: the k best items over `query_count` query rows that belong together (the pictures of one item; 1 for a
 * search by vector). An item counts once, by its best pair. */
typedef struct recsys__rows_query {
  const float *queries; /* query_count x dim, row-major, finite, not all zero */
  size_t query_count;
  size_t k;
  uint32_t metric;                                   /* RECSYS_METRIC_... */
  int64_t exclude;                                   /* this item is left out; -1: none */
  bool (*passes)(const void *context, int64_t item); /* NULL: all pass; called only for items that could make the list,
                                                        from several threads */
  const void *context;
  bool has_limit; /* min. similarity (cosine) or max. distance (Euclidean) */
  double limit;
} recsys__rows_query;

/* Exactly the list that a float64 scan of the float32 rows gives: best first, ties to the smaller item id, independent
 * of `threads`. ids and scores have room for k; *count says how many. */
recsys_status recsys__rows_search(const recsys__rows *rows, const recsys__rows_query *query, uint32_t threads,
                                  int64_t *ids, double *scores, size_t *count, recsys_error *error);

/* Lists for every item of `queries`, by rising item: its pictures are one query each, as above. */
typedef struct recsys__rows_join {
  const recsys__rows *queries; /* `rows` itself: the neighbours of every item, which is not in its own list */
  const int64_t *exclude;      /* of other queries: by list, an item that is left out; NULL: none */
  size_t k;                    /* not above the number of items in `rows` */
  size_t stride;               /* from list to list in ids and scores; >= k */
  uint32_t metric;
  bool (*passes)(const void *context, int64_t item);
  const void *context;
  bool has_limit;
  double limit;
  recsys_progress_fn progress; /* NULL, or called between blocks of queries, phase "search", in pictures */
  void *progress_user;
} recsys__rows_join;

/* The same lists as recsys__rows_search gives for each item, many times as fast. RECSYS_ECANCELLED leaves the output
 * undefined. */
recsys_status recsys__rows_search_many(const recsys__rows *rows, const recsys__rows_join *options, uint32_t threads,
                                       int64_t *ids, double *scores, uint32_t *counts, recsys_error *error);

/* Cosine or Euclidean distance of two items' best pair of pictures; false where one has none. */
bool recsys__rows_likeness(const recsys__rows *rows, int64_t a, int64_t b, uint32_t metric, double *score);

#endif
