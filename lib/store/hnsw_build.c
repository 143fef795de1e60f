/* Adding rows to the graph, batch by batch, and its links as numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "store/hnsw_graph.h"

enum { SHARE = 50, MOST_BATCH = 4096 /* rows; a batch is at most a 50th of the graph that it is added to */ };

/* A link that a new node has made, which is to be made in the other direction too. */
typedef struct edge {
  uint32_t to, level, from;
} edge;

typedef struct batch {
  recsys__hnsw *graph;
  uint32_t first, end; /* its nodes */
  edge *edges;         /* by to, then level, then from */
  size_t edge_count, edge_room;
  size_t *groups; /* where the edges of one list begin; one more at the end */
  size_t group_count, group_room;
  _Atomic bool failed;
} batch;

/* -- choice of links */

/* Keeps those of the spots (nearest first) that are nearer to the point than to any kept before: links then lead in all
 * directions (Malkov and Yashunin, algorithm 4). `kept` has room for `most`; returns how many. */
static size_t choose_more(const recsys__hnsw *g, recsys__walk *w, const recsys__spot *spots, size_t n, bool dead,
                          size_t most, uint32_t *kept, size_t count, int32_t *sums, float *distances) {
  for (size_t i = 0; i < n && count < most; i++) {
    if (g->nodes[spots[i].node].dead != dead)
      continue;
    bool good = true;
    if (count > 0) {
      recsys__hnsw_point point = recsys__hnsw_point_of(g, spots[i].node, w->other);
      recsys__hnsw_distances(g, &point, kept, count, sums, distances);
      for (size_t j = 0; j < count && good; j++)
        good = !(distances[j] < spots[i].distance);
    }
    if (good)
      kept[count++] = spots[i].node;
  }
  return count;
}

/* Living nodes first; dead ones only where few others are near, so that what they led to stays within reach. */
static size_t choose(const recsys__hnsw *g, recsys__walk *w, const recsys__spot *spots, size_t n, size_t most,
                     uint32_t *kept, int32_t *sums, float *distances) {
  size_t count = choose_more(g, w, spots, n, false, most, kept, 0, sums, distances);
  return g->dead ? choose_more(g, w, spots, n, true, most / 2, kept, count, sums, distances) : count;
}

/* The links of a new node in its own layers, as the graph is without its batch. */
static void link_node(void *context, size_t part) {
  batch *b = context;
  const recsys__hnsw *g = b->graph;
  uint32_t node = b->first + (uint32_t)part;
  recsys__walk *w = recsys__walk_take(g);
  if (!w) {
    b->failed = true;
    return;
  }
  recsys__hnsw_point from = recsys__hnsw_point_of(g, node, w->query);
  unsigned top = g->nodes[g->entry].level, own = g->nodes[node].level;
  bool good = recsys__walk_begin(g, w, &from, own < top ? own : top);
  for (int level = (int)(own < top ? own : top); good && level >= 0; level--) {
    good = recsys__walk_layer(g, w, &from, (unsigned)level, g->shape.effort);
    if (!good)
      break;
    uint32_t *list = recsys__hnsw_list(g, node, (unsigned)level);
    float *distances = (float *)(void *)(w->sums + 2 * (size_t)g->shape.links + 4);
    list[0] = (uint32_t)choose(g, w, w->spots, w->count, g->shape.links, list + 1, w->sums, distances);
  }
  if (!good)
    b->failed = true;
  recsys__walk_give(g, w);
}

/* -- links back */

static int by_list(const void *a, const void *b) {
  const edge *x = a, *y = b;
  if (x->to != y->to)
    return x->to < y->to ? -1 : 1;
  if (x->level != y->level)
    return x->level < y->level ? -1 : 1;
  return x->from < y->from ? -1 : x->from > y->from;
}

static bool gather_edges(batch *b) {
  const recsys__hnsw *g = b->graph;
  b->edge_count = b->group_count = 0;
  for (uint32_t node = b->first; node < b->end; node++)
    for (unsigned level = 0; level <= g->nodes[node].level; level++) {
      const uint32_t *list = recsys__hnsw_list(g, node, level);
      if (!recsys__grow((void **)&b->edges, &b->edge_room, b->edge_count + list[0], sizeof *b->edges))
        return false;
      for (uint32_t i = 1; i <= list[0]; i++)
        b->edges[b->edge_count++] = (edge){list[i], level, node};
    }
  if (b->edge_count)
    qsort(b->edges, b->edge_count, sizeof *b->edges, by_list);
  for (size_t i = 0; i <= b->edge_count; i++)
    if (i == 0 || i == b->edge_count || b->edges[i].to != b->edges[i - 1].to ||
        b->edges[i].level != b->edges[i - 1].level) {
      if (!recsys__grow((void **)&b->groups, &b->group_room, b->group_count + 1, sizeof *b->groups))
        return false;
      b->groups[b->group_count++] = i;
    }
  b->group_count--;
  return true;
}

static int by_distance(const void *a, const void *b) {
  const recsys__spot *x = a, *y = b;
  if (x->distance != y->distance)
    return x->distance < y->distance ? -1 : 1;
  return x->node < y->node ? -1 : x->node > y->node;
}

/* Chooses anew among the links of a full list and those that are to come. */
static bool rechoose(const recsys__hnsw *g, uint32_t to, unsigned level, const edge *edges, size_t n) {
  uint32_t *list = recsys__hnsw_list(g, to, level);
  size_t all = list[0] + n, most = recsys__hnsw_most(g, level);
  recsys__walk *w = recsys__walk_take(g);
  recsys__spot *spots = recsys__alloc(all, sizeof *spots);
  uint32_t *nodes = recsys__alloc(all, sizeof *nodes);
  int32_t *sums = recsys__alloc(all + 4, sizeof *sums);
  float *distances = recsys__alloc(all, sizeof *distances);
  bool good = w && spots && nodes && sums && distances;
  if (good) {
    memcpy(nodes, list + 1, list[0] * sizeof *nodes);
    for (size_t i = 0; i < n; i++)
      nodes[list[0] + i] = edges[i].from;
    recsys__hnsw_point point = recsys__hnsw_point_of(g, to, w->query);
    recsys__hnsw_distances(g, &point, nodes, all, sums, distances);
    for (size_t i = 0; i < all; i++)
      spots[i] = (recsys__spot){distances[i], nodes[i]};
    qsort(spots, all, sizeof *spots, by_distance);
    list[0] = (uint32_t)choose(g, w, spots, all, most, list + 1, sums, distances);
  }
  if (w)
    recsys__walk_give(g, w);
  recsys__free(spots);
  recsys__free(nodes);
  recsys__free(sums);
  recsys__free(distances);
  return good;
}

static void link_back(void *context, size_t part) {
  batch *b = context;
  const edge *edges = b->edges + b->groups[part];
  size_t n = b->groups[part + 1] - b->groups[part];
  uint32_t *list = recsys__hnsw_list(b->graph, edges->to, edges->level);
  if (list[0] + n > recsys__hnsw_most(b->graph, edges->level)) {
    if (!rechoose(b->graph, edges->to, edges->level, edges, n))
      b->failed = true;
    return;
  }
  for (size_t i = 0; i < n; i++)
    list[++list[0]] = edges[i].from;
}

/* -- batches */

/* Layers thin out by a factor of `links`; the same for a node of this number whatever was done before. */
static unsigned level_of(const recsys__hnsw *g, size_t node) {
  recsys__random random;
  recsys__random_seed(&random, node, 0x484e5357);
  double level = -log(1 - recsys__random_unit(&random)) / log(g->shape.links);
  return level > RECSYS__HNSW_TOP ? RECSYS__HNSW_TOP : (unsigned)level;
}

static bool add_batch(batch *b, const recsys__rows *rows, const size_t *numbers, size_t n, uint32_t threads) {
  recsys__hnsw *g = b->graph;
  b->first = (uint32_t)g->count;
  for (size_t i = 0; i < n; i++)
    if (!recsys__hnsw_append(g, rows, numbers[i], level_of(g, g->count)))
      return false;
  b->end = (uint32_t)g->count;
  if (b->first == 0) {
    g->entry = 0;
    return true;
  }
  recsys__parallel(threads, n, link_node, b);
  if (b->failed || !gather_edges(b))
    return false;
  recsys__parallel(threads, b->group_count, link_back, b);
  for (uint32_t node = b->first; node < b->end; node++)
    if (g->nodes[node].level > g->nodes[g->entry].level)
      g->entry = node;
  return !b->failed;
}

/* The first node is a batch of its own. */
static size_t batch_size(size_t count, size_t left) {
  size_t n = count / SHARE < MOST_BATCH ? count / SHARE : MOST_BATCH;
  n = n ? n : 1;
  return n < left ? n : left;
}

recsys_status recsys__hnsw_add(recsys__hnsw *g, const recsys__rows *rows, const size_t *numbers, size_t n,
                               uint32_t threads, recsys_progress_fn progress, void *user, recsys_error *error) {
  if (n > INT32_MAX - g->count)
    return recsys__fail(error, RECSYS_ELIMIT, 0, "an index holds at most 2^31 rows");
  size_t want = g->count + n, twice = g->count ? 2 * g->room : want;
  batch b = {.graph = g};
  bool good = g->room >= want || recsys__hnsw_reserve(g, want > twice ? want : twice);
  recsys_status status = RECSYS_OK;
  for (size_t done = 0, size; good && !status && done < n; done += size) {
    size = batch_size(g->count, n - done);
    if (progress && progress(user, "index", done, n))
      status = recsys__fail(error, RECSYS_ECANCELLED, 0, "the index was cancelled after %zu of %zu rows", done, n);
    else
      good = add_batch(&b, rows, numbers + done, size, threads);
  }
  recsys__free(b.edges);
  recsys__free(b.groups);
  if (good && !status && progress)
    (void)progress(user, "index", n, n);
  return good ? status : recsys__no_memory(error, "the index");
}

/* -- links as numbers */

void recsys__hnsw_links_free(recsys__hnsw_links *links) {
  recsys__free(links->levels);
  recsys__free(links->counts);
  recsys__free(links->links);
  *links = (recsys__hnsw_links){0};
}

static bool measure_links(const recsys__hnsw *g, recsys__hnsw_links *out) {
  for (uint32_t node = 0; node < g->count; node++)
    for (unsigned level = 0; !g->nodes[node].dead && level <= g->nodes[node].level; level++) {
      out->nodes += level == 0;
      out->lists++;
      out->total += recsys__hnsw_list(g, node, level)[0];
    }
  out->levels = recsys__alloc(out->nodes, sizeof *out->levels);
  out->counts = recsys__alloc(out->lists, sizeof *out->counts);
  out->links = recsys__alloc(out->total, sizeof *out->links);
  return out->levels && out->counts && out->links;
}

bool recsys__hnsw_get_links(const recsys__hnsw *g, recsys__hnsw_links *out) {
  *out = (recsys__hnsw_links){0};
  uint32_t *number = recsys__alloc(g->count, sizeof *number), next = 0;
  if (!number || !measure_links(g, out)) {
    recsys__free(number);
    recsys__hnsw_links_free(out);
    return false;
  }
  for (uint32_t node = 0; node < g->count; node++)
    number[node] = g->nodes[node].dead ? UINT32_MAX : next++;
  out->nodes = out->lists = out->total = 0;
  for (uint32_t node = 0; node < g->count; node++) {
    if (g->nodes[node].dead)
      continue;
    out->levels[out->nodes++] = g->nodes[node].level;
    for (unsigned level = 0; level <= g->nodes[node].level; level++) {
      const uint32_t *list = recsys__hnsw_list(g, node, level);
      uint32_t kept = 0;
      for (uint32_t i = 1; i <= list[0]; i++)
        if (number[list[i]] != UINT32_MAX) {
          out->links[out->total++] = number[list[i]];
          kept++;
        }
      out->counts[out->lists++] = kept;
    }
  }
  recsys__free(number);
  return true;
}

static recsys_status impossible(const char *what, recsys_error *error) {
  return recsys__fail(error, RECSYS_EFORMAT, 0, "the index holds an impossible %s: build it anew", what);
}

/* Every list must be of a layer that its node has, not too long, and lead to nodes of that layer. */
static recsys_status check_links(const recsys__hnsw *g, const recsys__hnsw_links *links, recsys_error *error) {
  size_t list = 0, link = 0;
  for (size_t node = 0; node < links->nodes; node++) {
    if (links->levels[node] > RECSYS__HNSW_TOP)
      return impossible("layer", error);
    for (unsigned level = 0; level <= links->levels[node]; level++, list++) {
      if (list >= links->lists || links->counts[list] > recsys__hnsw_most(g, level) ||
          links->counts[list] > links->total - link)
        return impossible("list of links", error);
      for (uint32_t i = 0; i < links->counts[list]; i++, link++)
        if (links->links[link] >= links->nodes || links->levels[links->links[link]] < level)
          return impossible("link", error);
    }
  }
  return list == links->lists && link == links->total ? RECSYS_OK : impossible("number of links", error);
}

static void copy_links(recsys__hnsw *g, const recsys__hnsw_links *links, const uint32_t *place) {
  const uint32_t *link = links->links, *count = links->counts;
  for (size_t node = 0; node < links->nodes; node++)
    for (unsigned level = 0; level <= links->levels[node]; level++, link += *count++) {
      if (place[node] == UINT32_MAX)
        continue;
      uint32_t *list = recsys__hnsw_list(g, place[node], level);
      for (uint32_t i = 0; i < *count; i++)
        if (place[link[i]] != UINT32_MAX)
          list[++list[0]] = place[link[i]];
    }
}

recsys_status recsys__hnsw_set_links(recsys__hnsw *g, const recsys__hnsw_links *links, const recsys__rows *rows,
                                     const size_t *numbers, recsys_error *error) {
  recsys_status status = check_links(g, links, error);
  if (status)
    return status;
  uint32_t *place = recsys__alloc(links->nodes, sizeof *place);
  bool good = place && recsys__hnsw_reserve(g, links->nodes);
  for (size_t node = 0; good && node < links->nodes; node++) {
    place[node] = numbers[node] == SIZE_MAX ? UINT32_MAX : (uint32_t)g->count;
    if (numbers[node] == SIZE_MAX)
      continue;
    good = recsys__hnsw_append(g, rows, numbers[node], links->levels[node]);
    if (good && links->levels[node] > g->nodes[g->entry].level)
      g->entry = place[node];
  }
  if (good)
    copy_links(g, links, place);
  recsys__free(place);
  return good ? RECSYS_OK : recsys__no_memory(error, "the index");
}
