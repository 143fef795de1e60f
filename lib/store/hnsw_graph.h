/* What building (hnsw_build.c) and searching (hnsw.c) share of the graph. */
#ifndef RECSYS_STORE_HNSW_GRAPH_H
#define RECSYS_STORE_HNSW_GRAPH_H

#include <pthread.h>

#include "store/chunks.h"
#include "store/hnsw.h"
#include "store/kernels.h"

enum { RECSYS__HNSW_TOP = 30 /* the highest layer that a node may have */ };

/* The squared distance of two nodes, by their codes: base + base' - weight weight' (code . code'). For the cosine base
 * is 0 and weight the codes' scale, so that it is the cosine negated. */
typedef struct recsys__hnsw_node {
  float weight, base;
  int32_t zero; /* RECSYS__CODE_ZERO x sum of its codes */
  uint8_t level, dead;
} recsys__hnsw_node;

typedef struct recsys__spot {
  float distance;
  uint32_t node; /* the highest bit: its links were followed */
} recsys__spot;

/* Room for one search. */
typedef struct recsys__walk {
  struct recsys__walk *next;
  uint16_t *seen; /* of every node: the number of the walk that came by */
  size_t room;    /* nodes */
  uint16_t number;
  recsys__spot *spots; /* nearest first */
  size_t spot_room, count;
  uint32_t *found; /* of one list: nodes not seen before, and their sums */
  int32_t *sums;
  int8_t *query, *other; /* signed codes */
} recsys__walk;

struct recsys__hnsw {
  recsys__hnsw_shape shape;
  const recsys__kernels *kernels;
  size_t stride, count, room, dead;
  uint8_t *codes; /* room x stride */
  recsys__hnsw_node *nodes;
  uint32_t *near;   /* the lowest layer: for each node how many links, then 2 x links of them */
  uint32_t **above; /* the layers 1..level: links + 1 numbers each; NULL: none */
  uint32_t entry;   /* a node of the highest layer */
  /* Not a recsys__lock: graphs are made and freed under store->write, which a fork waits for. */
  pthread_mutex_t latch;
  recsys__walk *walks; /* those that nobody uses */
};

/* A point to measure from: codes without offset. */
typedef struct recsys__hnsw_point {
  const int8_t *codes;
  float weight, base;
  int32_t zero;
} recsys__hnsw_point;

static inline size_t recsys__hnsw_most(const recsys__hnsw *g, unsigned level) {
  return level ? g->shape.links : 2 * (size_t)g->shape.links;
}

/* How many links, and then the links. */
static inline uint32_t *recsys__hnsw_list(const recsys__hnsw *g, uint32_t node, unsigned level) {
  return level ? g->above[node] + (level - 1) * ((size_t)g->shape.links + 1)
               : g->near + (size_t)node * (2 * (size_t)g->shape.links + 1);
}

/* Signed codes of a node, into `to`. */
recsys__hnsw_point recsys__hnsw_point_of(const recsys__hnsw *g, uint32_t node, int8_t *to);
/* Distances from a point to n nodes; sums has room for n + 3. */
void recsys__hnsw_distances(const recsys__hnsw *g, const recsys__hnsw_point *from, const uint32_t *nodes, size_t n,
                            int32_t *sums, float *distances);

recsys__walk *recsys__walk_take(const recsys__hnsw *g); /* NULL: out of memory */
void recsys__walk_give(const recsys__hnsw *g, recsys__walk *walk);
/* Puts nodes by which a layer may be entered into w->spots: near ones of the layer above. false: out of memory. */
bool recsys__walk_begin(const recsys__hnsw *g, recsys__walk *w, const recsys__hnsw_point *from, unsigned level);
/* The up to `effort` nearest nodes that are found in a layer from those in w->spots on, in w->spots. false: out of
 * memory. */
bool recsys__walk_layer(const recsys__hnsw *g, recsys__walk *w, const recsys__hnsw_point *from, unsigned level,
                        size_t effort);
/* Room for so many nodes; one more node without links (there is room). false: out of memory. */
bool recsys__hnsw_reserve(recsys__hnsw *g, size_t room);
bool recsys__hnsw_append(recsys__hnsw *g, const recsys__rows *rows, size_t number, unsigned level);

#endif
