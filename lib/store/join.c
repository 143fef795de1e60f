/*
 * Exact search for many queries at once, or of every row of a set for each other. Codes of queries meet codes of rows
 * in blocks, as in a product of matrices, so that memory is read once for a block and not once for a query; where
 * queries and rows are the same set, every pair is looked at once, for both.
 *
 * Why no row is missed. u = s c + e is a row and v = t d + f a query, both of length 1, c and d their codes, s and t
 * the codes' scales, e and f what the codes leave out:
 *
 *   u v = s t c d + s c f + e v,   |e v| <= |e|,   |s c f| <= |u - e| |f| <= (1 + |e|) |f|
 *
 * so u v <= s t c d + |e| + |f| + |e| |f|. c d is exact in int32 (scan.c). The rest is computed in float32 with at most
 * a dozen roundings of numbers that are at most 4: RECSYS__PANEL_SLACK covers them. For the cosine, gain is 1 and base
 * 0, and the floor is the k-th best cosine so far. For the Euclidean distance, -|x - y|^2 = 2 |x| |y| u v - |x|^2 -
 * |y|^2 with gain sqrt(2) |x| and base |x|^2 (1 - 1e-5), whose last factor covers all roundings, each of which is below
 * 2^-23 of |x|^2 + |y|^2; its floor is the k-th least squared distance, negated. Rows whose length a float does not
 * hold well when squared have a base that is not a number: such a value is not below any floor.
 */
#include "store/join.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

enum { MOST_FETCHED = 1 << 10 /* floats of a row */ };

#define EUCLIDEAN_SHARE (1 - 1e-5)

typedef recsys__join join;
typedef recsys__join_list list;

/* -- values and floors */

static float gain_of(const join *j, double norm) {
  return j->options->metric == RECSYS_METRIC_EUCLIDEAN ? (float)(norm * sqrt(2)) : 1;
}

static float base_of(const join *j, double norm) {
  if (j->options->metric != RECSYS_METRIC_EUCLIDEAN)
    return 0;
  return norm > 1e-15 && norm < 1e18 ? recsys__float_below(norm * norm * EUCLIDEAN_SHARE) : NAN;
}

static float floor_of(const join *j, double worth) {
  if (j->options->metric == RECSYS_METRIC_EUCLIDEAN)
    return isinf(worth) ? -INFINITY : recsys__float_below(-(worth * worth) * (1 + 1e-6));
  return recsys__float_below(worth);
}

/* The value that a pair's worth has among the floors. */
static double value_of(const join *j, double worth) {
  return j->options->metric == RECSYS_METRIC_EUCLIDEAN ? -(worth * worth) : worth;
}

/* -- rows in blocks */

recsys__join_row recsys__join_row_of(const join *j, const recsys__rows *rows, size_t row) {
  const recsys__chunk *chunk = recsys__chunk_of(rows, row);
  size_t slot = row % rows->chunk_rows;
  return (recsys__join_row){.codes = chunk->codes + slot * rows->code_stride,
                            .scale = chunk->scales[slot],
                            .error = chunk->errors[slot],
                            .tail = 0,
                            .gain = gain_of(j, chunk->norms[slot]),
                            .base = base_of(j, chunk->norms[slot])};
}

void recsys__join_fill(recsys__panel *panel, size_t r, recsys__join_row row) {
  panel->scales[r] = row.scale;
  panel->errors[r] = row.error;
  panel->tails[r] = row.tail;
  panel->gains[r] = row.gain;
  panel->bases[r] = row.base;
}

recsys__panel_query recsys__join_query(int8_t *codes, size_t stride, recsys__join_row row) {
  int32_t sum = 0;
  for (size_t i = 0; i < stride; i++) {
    codes[i] = (int8_t)(row.codes[i] - RECSYS__CODE_ZERO);
    sum += codes[i];
  }
  return (recsys__panel_query){.scale = row.scale,
                               .error = row.error,
                               .tail = row.tail,
                               .gain = row.gain,
                               .base = row.base,
                               .floor = INFINITY,
                               .zero = RECSYS__CODE_ZERO * sum};
}

/* -- lists */

static float floor_now(const join *j, uint32_t of) {
  return atomic_load_explicit(&j->lists[of].floor, memory_order_relaxed);
}

static void add(join *j, uint32_t to, double worth, int64_t item) {
  list *l = &j->lists[to];
  pthread_mutex_t *stripe = &j->stripes[to % RECSYS__JOIN_STRIPES];
  pthread_mutex_lock(stripe);
  bool limited = j->options->has_limit && worth < (j->options->metric ? -j->options->limit : j->options->limit);
  if (!limited && recsys__best_add(&l->best, worth, item))
    atomic_store_explicit(&l->floor, floor_of(j, l->best.reach), memory_order_relaxed);
  pthread_mutex_unlock(stripe);
}

static bool admitted(const join *j, int64_t item) {
  return !j->options->passes || j->options->passes(j->options->context, item);
}

/* -- pairs that may matter */

/* Where a row lies. */
typedef struct place {
  const recsys__chunk *chunk;
  size_t slot;
} place;

static place place_of(const recsys__rows *rows, size_t row) {
  return (place){recsys__chunk_of(rows, row), row % rows->chunk_rows};
}

/* A bound of the pair's value from a product in float32, which is right to n 2^-24 where no number is too large or too
 * small; INFINITY elsewhere. */
static double bound_of(const join *j, place a, place b) {
  size_t n = j->rows->float_stride;
  double norm_a = a.chunk->norms[a.slot], norm_b = b.chunk->norms[b.slot], lengths = norm_a * norm_b;
  if (!(lengths > 1e-30 && lengths < 1e30))
    return INFINITY;
  float dot = j->kernels->dot_float(recsys__chunk_row(j->rows, a.chunk, a.slot),
                                    recsys__chunk_row(j->rows, b.chunk, b.slot), n);
  double cosine = (double)dot / lengths + (double)(n + 16) * 6e-8;
  if (j->options->metric == RECSYS_METRIC_COSINE)
    return cosine;
  return 2 * lengths * cosine - (norm_a * norm_a + norm_b * norm_b) * EUCLIDEAN_SHARE;
}

/* Of one set, for the lists of both. */
static void score(join *j, size_t query, size_t row) {
  uint32_t own = j->list_of[query], other = j->same ? j->list_of[row] : own;
  place a = place_of(j->queries, query), b = place_of(j->rows, row);
  int64_t item = b.chunk->items[b.slot];
  if (j->same ? own == other : j->options->exclude && j->options->exclude[own] == item)
    return;
  double floor = fmin((double)floor_now(j, own), (double)floor_now(j, other));
  if (floor > -INFINITY && bound_of(j, a, b) < floor)
    return;
  double worth = recsys__rows_worth(j->queries, query, j->rows, row, j->options->metric);
  double value = value_of(j, worth);
  if (!(value < (double)floor_now(j, own)) && admitted(j, item))
    add(j, own, worth, item);
  if (j->same && !(value < (double)floor_now(j, other)) && admitted(j, a.chunk->items[a.slot]))
    add(j, other, worth, a.chunk->items[a.slot]);
}

static void fetch_row(const recsys__rows *rows, size_t row) {
  place p = place_of(rows, row);
  const float *values = recsys__chunk_row(rows, p.chunk, p.slot);
  __builtin_prefetch(&p.chunk->norms[p.slot]);
  __builtin_prefetch(&p.chunk->items[p.slot]);
  for (size_t i = 0; i < rows->float_stride && i < MOST_FETCHED; i += 16)
    __builtin_prefetch(values + i);
}

void recsys__join_score_waiting(join *j, recsys__join_queue *queue) {
  for (size_t i = 0; i < queue->count; i++)
    score(j, queue->pairs[i].query, queue->pairs[i].row);
  queue->count = 0;
}

/* The two rows lie far apart in memory. */
void recsys__join_put_off(join *j, recsys__join_queue *queue, size_t query, size_t row) {
  fetch_row(j->queries, query);
  fetch_row(j->rows, row);
  queue->pairs[queue->count].query = query;
  queue->pairs[queue->count++].row = row;
  if (queue->count == RECSYS__JOIN_WAITING)
    recsys__join_score_waiting(j, queue);
}

/* -- the whole */

bool recsys__join_goes_on(const join *j, size_t done) {
  const recsys__rows_join *o = j->options;
  return !o->progress || !o->progress(o->progress_user, "search", done, j->queries->count);
}

recsys_status recsys__join_cancelled(const join *j, size_t done, recsys_error *error) {
  return recsys__fail(error, RECSYS_ECANCELLED, 0, "the search was cancelled after %zu of %zu pictures", done,
                      j->queries->count);
}

typedef struct numbering {
  uint32_t *list_of, next;
} numbering;

static bool number_item(void *context, int64_t item, void *value) {
  numbering *n = context;
  const recsys__pictures *pictures = value;
  (void)item;
  for (size_t i = 0; i < pictures->count; i++)
    n->list_of[pictures->places[i].row] = n->next;
  n->next++;
  return true;
}

static bool make_lists(join *j) {
  size_t n = j->list_count, k = j->options->k, total, room = recsys__best_room(k, SIZE_MAX);
  if (j->rows->items.count == j->rows->count && j->queries->items.count == j->queries->count)
    room = recsys__best_room(k, j->rows->count);
  bool repeats = j->rows->count > j->rows->items.count || j->queries->count > n;
  j->lists = recsys__calloc(n, sizeof *j->lists);
  j->hits =
      recsys__mul(n, room, &total) && recsys__mul(total, sizeof *j->hits, &total) ? recsys__huge_block(total) : NULL;
  if (!j->lists || !j->hits)
    return false;
  double limit = j->options->has_limit ? j->options->limit : INFINITY;
  bool euclidean = j->options->metric == RECSYS_METRIC_EUCLIDEAN;
  float floor = !j->options->has_limit ? -INFINITY : floor_of(j, euclidean ? -limit : limit);
  for (size_t i = 0; i < n; i++) {
    recsys__best_init(&j->lists[i].best, j->hits + i * room, room, k, repeats);
    atomic_init(&j->lists[i].floor, floor);
  }
  return true;
}

static bool begin(join *j) {
  j->list_of = recsys__alloc(j->queries->count, sizeof *j->list_of);
  if (!j->list_of)
    return false;
  numbering n = {j->list_of, 0};
  recsys__map_each(&j->queries->items, number_item, &n);
  return make_lists(j);
}

static void end(join *j) {
  recsys__free(j->hits);
  recsys__free(j->lists);
  recsys__free(j->list_of);
  for (size_t i = 0; i < RECSYS__JOIN_STRIPES; i++)
    pthread_mutex_destroy(&j->stripes[i]);
}

typedef struct output {
  join *join;
  int64_t *ids;
  double *scores;
  uint32_t *counts;
} output;

static void finish_list(void *context, size_t part) {
  const output *o = context;
  recsys__best *best = &o->join->lists[part].best;
  size_t at = part * o->join->options->stride;
  recsys__best_finish(best);
  for (size_t i = 0; i < best->count; i++) {
    o->ids[at + i] = best->hits[i].item;
    o->scores[at + i] = o->join->options->metric ? fabs(best->hits[i].worth) : best->hits[i].worth; /* no minus zero */
  }
  o->counts[part] = (uint32_t)best->count;
}

static recsys_status run(join *j, recsys_error *error) {
  recsys_status status = !begin(j) ? recsys__no_memory(error, "a search")
                         : j->same ? recsys__join_all_pairs(j, error)
                                   : recsys__join_all_queries(j, error);
  if (!status)
    (void)recsys__join_goes_on(j, j->queries->count);
  return status;
}

recsys_status recsys__rows_search_many(const recsys__rows *rows, const recsys__rows_join *options, uint32_t threads,
                                       int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  join j = {.rows = rows,
            .queries = options->queries,
            .options = options,
            .kernels = recsys__kernels_now(),
            .threads = recsys__thread_count(threads),
            .same = options->queries == rows,
            .list_count = options->queries->items.count};
  if (j.list_count == 0)
    return recsys__ok(error);
  if (options->k == 0 || rows->count == 0) {
    memset(counts, 0, j.list_count * sizeof *counts);
    return recsys__ok(error);
  }
  for (size_t i = 0; i < RECSYS__JOIN_STRIPES; i++)
    pthread_mutex_init(&j.stripes[i], NULL);
  recsys_status status = run(&j, error);
  output o = {&j, ids, scores, counts};
  if (!status)
    recsys__parallel(j.threads, j.list_count, finish_list, &o);
  end(&j);
  return status ? status : recsys__ok(error);
}
