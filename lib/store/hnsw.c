/* The graph: its memory, and walks through it. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "store/hnsw_graph.h"

#define FOLLOWED 0x80000000U

/* Nodes of the layer above by which a walk enters one: a single one is at times in the wrong part of the graph (15 of
 * 1,000 queries among 100,000 rows in clusters found nothing right with effort 20). */
enum { WAYS = 12 };

recsys__hnsw *recsys__hnsw_new(const recsys__rows *rows, const recsys__hnsw_shape *shape) {
  recsys__hnsw *g = recsys__calloc(1, sizeof *g);
  if (!g)
    return NULL;
  g->shape = *shape;
  g->kernels = recsys__kernels_now();
  g->stride = rows->code_stride;
  pthread_mutex_init(&g->latch, NULL);
  return g;
}

static void walk_free(recsys__walk *w) {
  recsys__free(w->seen);
  recsys__free(w->spots);
  recsys__free(w->found);
  recsys__free(w->sums);
  recsys__free(w->query);
  recsys__free(w->other);
  recsys__free(w);
}

void recsys__hnsw_free(recsys__hnsw *g) {
  if (!g)
    return;
  while (g->walks) {
    recsys__walk *next = g->walks->next;
    walk_free(g->walks);
    g->walks = next;
  }
  for (size_t i = 0; i < g->count; i++)
    recsys__free(g->above[i]);
  recsys__free(g->above);
  recsys__free(g->near);
  recsys__free(g->nodes);
  recsys__free(g->codes);
  pthread_mutex_destroy(&g->latch);
  recsys__free(g);
}

void recsys__hnsw_after_fork(recsys__hnsw *g) {
  pthread_mutex_init(&g->latch, NULL);
}

size_t recsys__hnsw_count(const recsys__hnsw *g) {
  return g->count;
}
size_t recsys__hnsw_dead(const recsys__hnsw *g) {
  return g->dead;
}
bool recsys__hnsw_is_dead(const recsys__hnsw *g, uint32_t node) {
  return g->nodes[node].dead;
}
const recsys__hnsw_shape *recsys__hnsw_shape_of(const recsys__hnsw *g) {
  return &g->shape;
}

void recsys__hnsw_kill(recsys__hnsw *g, uint32_t node) {
  g->dead += !g->nodes[node].dead;
  g->nodes[node].dead = 1;
}

size_t recsys__hnsw_bytes(const recsys__hnsw *g) {
  size_t bytes = sizeof *g, list = 2 * (size_t)g->shape.links + 1;
  bytes += g->room * (g->stride + sizeof *g->nodes + list * sizeof *g->near + sizeof *g->above);
  for (size_t i = 0; i < g->count; i++)
    bytes += g->nodes[i].level * ((size_t)g->shape.links + 1) * sizeof **g->above;
  return bytes;
}

/* -- distances */

recsys__hnsw_point recsys__hnsw_point_of(const recsys__hnsw *g, uint32_t node, int8_t *to) {
  const uint8_t *codes = g->codes + (size_t)node * g->stride;
  for (size_t i = 0; i < g->stride; i++)
    to[i] = (int8_t)(codes[i] ^ RECSYS__CODE_ZERO);
  const recsys__hnsw_node *n = &g->nodes[node];
  return (recsys__hnsw_point){to, n->weight, n->base, n->zero};
}

void recsys__hnsw_distances(const recsys__hnsw *g, const recsys__hnsw_point *from, const uint32_t *nodes, size_t n,
                            int32_t *sums, float *distances) {
  g->kernels->gather(sums, g->codes, g->stride, nodes, n, from->codes, from->zero);
  for (size_t i = 0; i < n; i++) {
    const recsys__hnsw_node *to = &g->nodes[nodes[i]];
    distances[i] = from->base + to->base - from->weight * to->weight * (float)sums[i];
  }
}

/* -- walks */

static bool walk_grow(const recsys__hnsw *g, recsys__walk *w) {
  size_t list = 2 * (size_t)g->shape.links + 4;
  if (!w->query) {
    w->query = recsys__alloc_aligned(64, g->stride, 1);
    w->other = recsys__alloc_aligned(64, g->stride, 1);
    w->found = recsys__alloc(list, sizeof *w->found);
    w->sums = recsys__alloc(list, 2 * sizeof *w->sums); /* and as many distances */
  }
  if (w->room < g->room) {
    recsys__free(w->seen);
    w->seen = recsys__calloc(g->room, sizeof *w->seen);
    w->room = w->seen ? g->room : 0;
    w->number = 0;
  }
  return w->query && w->other && w->found && w->sums && w->seen;
}

recsys__walk *recsys__walk_take(const recsys__hnsw *g) {
  recsys__hnsw *own = (recsys__hnsw *)(uintptr_t)g; /* the walks at rest are not part of what a reader sees */
  pthread_mutex_lock(&own->latch);
  recsys__walk *w = own->walks;
  if (w)
    own->walks = w->next;
  pthread_mutex_unlock(&own->latch);
  if (!w)
    w = recsys__calloc(1, sizeof *w);
  if (w && !walk_grow(g, w)) {
    walk_free(w);
    w = NULL;
  }
  return w;
}

void recsys__walk_give(const recsys__hnsw *g, recsys__walk *w) {
  recsys__hnsw *own = (recsys__hnsw *)(uintptr_t)g;
  pthread_mutex_lock(&own->latch);
  w->next = own->walks;
  own->walks = w;
  pthread_mutex_unlock(&own->latch);
}

static void next_number(recsys__walk *w) {
  if (++w->number == 0) {
    memset(w->seen, 0, w->room * sizeof *w->seen);
    w->number = 1;
  }
}

static void fetch(const void *memory, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64)
    __builtin_prefetch((const char *)memory + i);
}

/* The links of a node that this walk sees for the first time, into w->found. Everything here lies far apart in memory,
 * so it is fetched ahead. */
static size_t unseen(const recsys__hnsw *g, recsys__walk *w, const uint32_t *list) {
  size_t n = 0;
  for (uint32_t i = 1; i <= list[0]; i++)
    __builtin_prefetch(w->seen + list[i]);
  for (uint32_t i = 1; i <= list[0]; i++)
    if (w->seen[list[i]] != w->number) {
      w->seen[list[i]] = w->number;
      w->found[n++] = list[i];
      __builtin_prefetch(g->nodes + list[i]);
      if (n <= 4)
        fetch(g->codes + list[i] * g->stride, g->stride);
    }
  return n;
}

static bool nearer(float distance, uint32_t node, recsys__spot than) {
  return distance < than.distance || (distance == than.distance && node < (than.node & ~FOLLOWED));
}

static float *distances_of(const recsys__hnsw *g, recsys__walk *w) {
  return (float *)(void *)(w->sums + 2 * (size_t)g->shape.links + 4);
}

/* One step at a time from the highest layer down to above `level`. */
static recsys__spot walk_down(const recsys__hnsw *g, recsys__walk *w, const recsys__hnsw_point *from, unsigned level) {
  recsys__spot best = {0, g->entry};
  float *distances = distances_of(g, w);
  recsys__hnsw_distances(g, from, &best.node, 1, w->sums, &best.distance);
  for (unsigned l = g->nodes[g->entry].level; l > level; l--)
    for (bool moved = true; moved;) {
      const uint32_t *list = recsys__hnsw_list(g, best.node, l);
      moved = false;
      recsys__hnsw_distances(g, from, list + 1, list[0], w->sums, distances);
      for (uint32_t i = 0; i < list[0]; i++)
        if (nearer(distances[i], list[i + 1], best)) {
          best = (recsys__spot){distances[i], list[i + 1]};
          moved = true;
        }
    }
  return best;
}

/* Puts a node into the list, whose room is `effort`; returns its place. */
static size_t place(recsys__walk *w, float distance, uint32_t node, size_t effort) {
  size_t low = 0, high = w->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (nearer(distance, node, w->spots[middle]))
      high = middle;
    else
      low = middle + 1;
  }
  if (w->count < effort)
    w->count++;
  memmove(w->spots + low + 1, w->spots + low, (w->count - 1 - low) * sizeof *w->spots);
  w->spots[low] = (recsys__spot){distance, node};
  return low;
}

static bool spot_room(recsys__walk *w, size_t effort) {
  void *spots = w->spots;
  bool good = recsys__grow(&spots, &w->spot_room, effort, sizeof *w->spots);
  w->spots = spots;
  return good;
}

bool recsys__walk_begin(const recsys__hnsw *g, recsys__walk *w, const recsys__hnsw_point *from, unsigned level) {
  unsigned top = g->nodes[g->entry].level;
  if (!spot_room(w, WAYS))
    return false;
  w->spots[0] = walk_down(g, w, from, level + 1 < top ? level + 1 : top);
  w->count = 1;
  return level >= top || recsys__walk_layer(g, w, from, level + 1, WAYS);
}

bool recsys__walk_layer(const recsys__hnsw *g, recsys__walk *w, const recsys__hnsw_point *from, unsigned level,
                        size_t effort) {
  float *distances = distances_of(g, w);
  if (!spot_room(w, effort))
    return false;
  next_number(w);
  w->count = w->count < effort ? w->count : effort;
  for (size_t i = 0; i < w->count; i++)
    w->seen[w->spots[i].node] = w->number;
  for (size_t at = 0; at < w->count;) {
    if (w->spots[at].node & FOLLOWED) {
      at++;
      continue;
    }
    size_t n = unseen(g, w, recsys__hnsw_list(g, w->spots[at].node, level)), first = at;
    w->spots[at].node |= FOLLOWED;
    recsys__hnsw_distances(g, from, w->found, n, w->sums, distances);
    for (size_t i = 0; i < n; i++)
      if (w->count < effort || nearer(distances[i], w->found[i], w->spots[w->count - 1])) {
        size_t placed = place(w, distances[i], w->found[i], effort);
        if (placed <= at + 1)
          fetch(recsys__hnsw_list(g, w->found[i], level), (recsys__hnsw_most(g, level) + 1) * sizeof(uint32_t));
        first = placed < first ? placed : first;
      }
    at = first;
  }
  for (size_t i = 0; i < w->count; i++)
    w->spots[i].node &= ~FOLLOWED;
  return true;
}

/* A row as a point; codes into `to`. */
static recsys__hnsw_point point_of_row(const recsys__hnsw *g, const recsys__rows *rows, size_t number, int8_t *to) {
  const recsys__chunk *chunk = recsys__chunk_of(rows, number);
  size_t slot = number % rows->chunk_rows;
  int32_t sum = 0;
  for (size_t i = 0; i < g->stride; i++) {
    to[i] = (int8_t)(chunk->codes[slot * g->stride + i] ^ RECSYS__CODE_ZERO);
    sum += to[i];
  }
  bool euclidean = g->shape.metric == RECSYS_METRIC_EUCLIDEAN;
  double norm = euclidean ? fmin(chunk->norms[slot], 1e18) : 1; /* squares that a float holds */
  return (recsys__hnsw_point){to, (float)(chunk->scales[slot] * norm * (euclidean ? sqrt(2) : 1)),
                              euclidean ? (float)(norm * norm) : 0, RECSYS__CODE_ZERO * sum};
}

bool recsys__hnsw_search(const recsys__hnsw *g, const recsys__rows *queries, size_t number, size_t effort,
                         uint32_t *nodes, size_t *count) {
  *count = 0;
  if (g->count == 0)
    return true;
  recsys__walk *w = recsys__walk_take(g);
  if (!w)
    return false;
  recsys__hnsw_point from = point_of_row(g, queries, number, w->query);
  bool done = recsys__walk_begin(g, w, &from, 0) && recsys__walk_layer(g, w, &from, 0, effort);
  for (size_t i = 0; done && i < w->count; i++)
    nodes[i] = w->spots[i].node;
  *count = done ? w->count : 0;
  recsys__walk_give(g, w);
  return done;
}

/* -- nodes */

static bool resize(void **memory, size_t room, size_t count, size_t size) {
  size_t bytes;
  void *larger = recsys__mul(room, size, &bytes) ? recsys__huge_block(bytes) : NULL;
  if (!larger)
    return false;
  if (count)
    memcpy(larger, *memory, count * size);
  recsys__free(*memory);
  *memory = larger;
  return true;
}

bool recsys__hnsw_reserve(recsys__hnsw *g, size_t room) {
  if (room <= g->room)
    return true;
  void *codes = g->codes, *nodes = g->nodes, *near = g->near, *above = g->above;
  size_t list = (2 * (size_t)g->shape.links + 1) * sizeof *g->near;
  bool good = resize(&codes, room, g->count, g->stride);
  g->codes = codes;
  good = good && resize(&nodes, room, g->count, sizeof *g->nodes);
  g->nodes = nodes;
  good = good && resize(&near, room, g->count, list);
  g->near = near;
  good = good && resize(&above, room, g->count, sizeof *g->above);
  g->above = above;
  g->room = good ? room : g->room;
  return good;
}

bool recsys__hnsw_append(recsys__hnsw *g, const recsys__rows *rows, size_t number, unsigned level) {
  uint32_t node = (uint32_t)g->count;
  uint32_t *above = level ? recsys__calloc(level, ((size_t)g->shape.links + 1) * sizeof *above) : NULL;
  if (level && !above)
    return false;
  int8_t *signed_codes = (int8_t *)(void *)(g->codes + (size_t)node * g->stride);
  recsys__hnsw_point p = point_of_row(g, rows, number, signed_codes);
  for (size_t i = 0; i < g->stride; i++)
    g->codes[(size_t)node * g->stride + i] ^= RECSYS__CODE_ZERO;
  g->nodes[node] = (recsys__hnsw_node){p.weight, p.base, p.zero, (uint8_t)level, 0};
  g->above[node] = above;
  recsys__hnsw_list(g, node, 0)[0] = 0;
  g->count++;
  return true;
}
