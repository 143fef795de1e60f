/* Lists by an index, and when it cannot tell. */
#include <math.h>

#include "base/memory.h"
#include "store/best.h"
#include "store/index.h"

enum {
  EFFORT = 64,      /* nodes that a search looks at, and twice as many as the list has */
  MOST_EFFORT = 32, /* a search that looks at more than one row in so many is exact instead */
  SAMPLE = 256      /* rows by which a filter's share is guessed */
};

/* How many nodes a search must look at so that enough of them pass; 0: nobody knows. */
static size_t widened(const recsys__rows *rows, const recsys__rows_query *query, size_t effort) {
  size_t passed = 0, n = rows->count < SAMPLE ? rows->count : SAMPLE;
  for (size_t i = 0; i < n; i++) {
    size_t row = i * (rows->count / n);
    passed += query->passes(query->context, recsys__chunk_of(rows, row)->items[row % rows->chunk_rows]);
  }
  return passed ? effort * n / passed : 0;
}

/* Scores the nodes exactly. `beyond`: one of them lies beyond the limit, so that no better one is missing. */
static void score(const recsys__index *index, const recsys__rows *queries, size_t number,
                  const recsys__rows_query *query, const uint32_t *nodes, size_t n, recsys__best *best, bool *beyond) {
  double least = !query->has_limit ? -INFINITY : query->metric ? -query->limit : query->limit;
  for (size_t i = 0; i < n; i++) {
    size_t row = index->row_of[nodes[i]];
    if (row == SIZE_MAX)
      continue;
    int64_t item = recsys__chunk_of(index->rows, row)->items[row % index->rows->chunk_rows];
    double worth = recsys__rows_worth(queries, number, index->rows, row, query->metric);
    *beyond = *beyond || worth < least;
    if (worth >= least && item != query->exclude && (!query->passes || query->passes(query->context, item)))
      recsys__best_add(best, worth, item);
  }
}

static bool search(const recsys__index *index, const recsys__rows *queries, const size_t *numbers, size_t n,
                   const recsys__rows_query *query, size_t effort, int64_t *ids, double *scores, size_t *count) {
  uint32_t *nodes = recsys__alloc(effort, sizeof *nodes);
  recsys__hit *hits = recsys__alloc(n, effort * sizeof *hits);
  bool good = nodes && hits, beyond = false;
  recsys__best best;
  recsys__best_init(&best, hits, n * effort, query->k, true);
  for (size_t q = 0; good && q < n; q++) {
    size_t found;
    good = recsys__hnsw_search(index->graph, queries, numbers[q], effort, nodes, &found);
    if (good)
      score(index, queries, numbers[q], query, nodes, found, &best, &beyond);
  }
  if (good)
    recsys__best_finish(&best);
  good = good && (best.count == query->k || beyond);
  for (size_t i = 0; good && i < best.count; i++) {
    ids[i] = best.hits[i].item;
    scores[i] = query->metric ? fabs(best.hits[i].worth) : best.hits[i].worth;
  }
  *count = good ? best.count : 0;
  recsys__free(nodes);
  recsys__free(hits);
  return good;
}

bool recsys__index_usable(const recsys__view *view, int32_t space, uint32_t metric) {
  recsys__index *index = recsys__index_of(view->core, view->spaces[space].id);
  bool usable = false;
  if (index && recsys__index_enter(index)) {
    usable = !atomic_load(&index->broken) && index->rows == view->spaces[space].rows &&
             recsys__hnsw_shape_of(index->graph)->metric == metric;
    recsys__index_leave(index);
  }
  recsys__ref_release(index);
  return usable;
}

bool recsys__index_search(const recsys__view *view, int32_t space, const recsys__rows *queries, const size_t *numbers,
                          size_t n, const recsys__rows_query *query, size_t effort, int64_t *ids, double *scores,
                          size_t *count) {
  const recsys__rows *rows = view->spaces[space].rows;
  recsys__index *index = recsys__index_of(view->core, view->spaces[space].id);
  size_t wanted = effort ? effort : EFFORT;
  bool done = false;
  *count = 0;
  if (wanted < 2 * query->k)
    wanted = 2 * query->k;
  if (query->passes)
    wanted = widened(rows, query, wanted);
  bool cheap = wanted && query->k && wanted < rows->count / MOST_EFFORT;
  if (index && cheap && recsys__index_enter(index)) {
    if (!atomic_load(&index->broken) && index->rows == rows &&
        recsys__hnsw_shape_of(index->graph)->metric == query->metric)
      done = search(index, queries, numbers, n, query, wanted, ids, scores, count);
    recsys__index_leave(index);
  }
  recsys__ref_release(index);
  return done;
}
