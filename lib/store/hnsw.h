/*
 * A graph of near neighbours in layers (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search
 * using Hierarchical Navigable Small World graphs", 2018) over int8 codes. It gives candidates, whose exact scores are
 * the caller's work. Rows are added in batches: all rows of a batch look for their neighbours in the graph as it was
 * before, then all links are made, so that the graph depends on the rows and their order alone, not on the threads.
 */
#ifndef RECSYS_STORE_HNSW_H
#define RECSYS_STORE_HNSW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"
#include "store/rows.h"

typedef struct recsys__hnsw recsys__hnsw;

typedef struct recsys__hnsw_shape {
  uint32_t metric; /* RECSYS_METRIC_... */
  uint32_t links;  /* of a node in each layer; twice as many in the lowest. 2..128 */
  uint32_t effort; /* candidates that a new row looks at */
} recsys__hnsw_shape;

/* An empty graph for rows like these; NULL: out of memory. */
recsys__hnsw *recsys__hnsw_new(const recsys__rows *rows, const recsys__hnsw_shape *shape);
void recsys__hnsw_free(recsys__hnsw *graph); /* NULL allowed */

/* In a forked child, before anything else: another thread of the parent may have been searching. */
void recsys__hnsw_after_fork(recsys__hnsw *graph);

/* Adds rows by their numbers: node count, count + 1, ... in this order. RECSYS_ENOMEM, RECSYS_ELIMIT (2^31 nodes),
 * RECSYS_ECANCELLED (progress: phase "index", in rows): whole batches may be in. */
recsys_status recsys__hnsw_add(recsys__hnsw *graph, const recsys__rows *rows, const size_t *numbers, size_t n,
                               uint32_t threads, recsys_progress_fn progress, void *user, recsys_error *error);
/* The node stays as a way to others; new links lead to it only where there are few others. */
void recsys__hnsw_kill(recsys__hnsw *graph, uint32_t node);

size_t recsys__hnsw_count(const recsys__hnsw *graph); /* nodes, with the dead ones */
size_t recsys__hnsw_dead(const recsys__hnsw *graph);
bool recsys__hnsw_is_dead(const recsys__hnsw *graph, uint32_t node);
size_t recsys__hnsw_bytes(const recsys__hnsw *graph);
const recsys__hnsw_shape *recsys__hnsw_shape_of(const recsys__hnsw *graph);

/* Up to `effort` nodes near row `number` of `queries` (like the graph's rows), nearest first by their codes; dead ones
 * may be among them. nodes has room for `effort`. Several threads may search at once. false: out of memory. */
bool recsys__hnsw_search(const recsys__hnsw *graph, const recsys__rows *queries, size_t number, size_t effort,
                         uint32_t *nodes, size_t *count);

/* -- a graph's links as numbers, for its file. What a list says of dead nodes is left out. */
typedef struct recsys__hnsw_links {
  size_t nodes;     /* those that live, renumbered in order */
  uint8_t *levels;  /* of each node */
  uint32_t *counts; /* of each list: a node's layers from the lowest up, node after node */
  uint32_t *links;  /* of all lists, one after the other */
  size_t lists, total;
} recsys__hnsw_links;
/* false: out of memory. Freed with recsys__hnsw_links_free. */
bool recsys__hnsw_get_links(const recsys__hnsw *graph, recsys__hnsw_links *links);
void recsys__hnsw_links_free(recsys__hnsw_links *links);
/* An empty graph becomes the one of these links over rows numbers[nodes], after checking every number in them. Nodes
 * whose number is SIZE_MAX are left out; the others are numbered anew, in order. RECSYS_EFORMAT: they are no graph's.
 */
recsys_status recsys__hnsw_set_links(recsys__hnsw *graph, const recsys__hnsw_links *links, const recsys__rows *rows,
                                     const size_t *numbers, recsys_error *error);

#endif
