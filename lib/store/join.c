/*
 * Exact search for many queries at once. Codes of queries meet codes of rows in blocks, as in a product of matrices, so
 * that memory is read once for a block and not once for a query; where queries and rows are the same set, every pair is
 * looked at once, for both.
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
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "store/best.h"
#include "store/chunks.h"
#include "store/kernels.h"

enum {
  BLOCK_BYTES = 1 << 18,  /* of the queries' codes, which stay in the second-level cache */
  BLOCK_PANELS = 10,      /* panels of rows in a task */
  STRIPES = 256,          /* locks of lists */
  MOST_FETCHED = 1 << 10, /* floats of a row */
  PENDING = 32            /* pairs whose rows are fetched while others are scored */
};

#define EUCLIDEAN_SHARE (1 - 1e-5)

typedef struct list {
  recsys__best best;
  _Atomic float floor; /* no value below it can be in the list */
} list;

/* A set of rows and whose they are. */
typedef struct side {
  const recsys__rows *rows;
  uint32_t *lists; /* of every row: the number of its item in rising order */
} side;

/* Room that one thread works in. */
typedef struct bench {
  atomic_flag taken;
  recsys__panel panel;
  recsys__panel_query *facts;
  struct {
    size_t query, row;
  } pending[PENDING];
  size_t pending_count;
} bench;

typedef struct join {
  const recsys__rows *rows;
  const recsys__rows_join *options;
  const recsys__kernels *kernels;
  bool same, repeats;
  side queries;
  size_t list_count;
  list *lists;
  recsys__hit *hits; /* of all lists */
  pthread_mutex_t stripes[STRIPES];
  size_t block;    /* queries at a time */
  size_t first, n; /* those in hand */
  int8_t *codes;   /* theirs, signed */
  recsys__panel_query *facts;
  bench *benches;
  size_t bench_count;
} join;

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

static float floor_now(const join *j, uint32_t of) {
  return atomic_load_explicit(&j->lists[of].floor, memory_order_relaxed);
}

/* -- lists */

static void add(join *j, uint32_t to, double worth, int64_t item) {
  list *l = &j->lists[to];
  pthread_mutex_t *stripe = &j->stripes[to % STRIPES];
  pthread_mutex_lock(stripe);
  bool limited = j->options->has_limit && worth < (j->options->metric ? -j->options->limit : j->options->limit);
  if (!limited && recsys__best_add(&l->best, worth, item))
    atomic_store_explicit(&l->floor, floor_of(j, l->best.reach), memory_order_relaxed);
  pthread_mutex_unlock(stripe);
}

static bool admitted(const join *j, int64_t item) {
  return !j->options->passes || j->options->passes(j->options->context, item);
}

/* The value that a pair's worth has among the floors. */
static double value_of(const join *j, double worth) {
  return j->options->metric == RECSYS_METRIC_EUCLIDEAN ? -(worth * worth) : worth;
}

/* A row and what is known of it. */
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

/* A pair that may matter. Of one set, a row below the query has met it already, as its query. */
static void score(join *j, size_t query, size_t row) {
  uint32_t own = j->queries.lists[query], other = j->same ? j->queries.lists[row] : own;
  place a = place_of(j->queries.rows, query), b = place_of(j->rows, row);
  int64_t item = b.chunk->items[b.slot];
  if (j->same ? row <= query || own == other : j->options->exclude && j->options->exclude[own] == item)
    return;
  double bound = bound_of(j, a, b);
  if (bound < (double)floor_now(j, own) && bound < (double)floor_now(j, other))
    return;
  double worth = recsys__rows_worth(j->queries.rows, query, j->rows, row, j->options->metric);
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

static void score_pending(join *j, bench *b) {
  for (size_t i = 0; i < b->pending_count; i++)
    score(j, b->pending[i].query, b->pending[i].row);
  b->pending_count = 0;
}

/* Scored later: the pair's rows lie far apart in memory. */
static void put_off(join *j, bench *b, size_t query, size_t row) {
  fetch_row(j->queries.rows, query);
  fetch_row(j->rows, row);
  b->pending[b->pending_count].query = query;
  b->pending[b->pending_count++].row = row;
  if (b->pending_count == PENDING)
    score_pending(j, b);
}

/* -- a task: the queries in hand and some rows */

static void load_panel(const join *j, recsys__panel *panel, size_t first, size_t n) {
  const recsys__chunk *chunk = recsys__chunk_of(j->rows, first);
  size_t slot = first % j->rows->chunk_rows;
  j->kernels->pack(panel, chunk->codes + slot * j->rows->code_stride, j->rows->code_stride, n);
  for (size_t r = 0; r < RECSYS__PANEL_ROWS; r++) {
    size_t at = slot + (r < n ? r : 0);
    panel->scales[r] = chunk->scales[at];
    panel->errors[r] = chunk->errors[at];
    panel->gains[r] = gain_of(j, chunk->norms[at]);
    panel->bases[r] = base_of(j, chunk->norms[at]);
    panel->floors[r] = INFINITY;
  }
}

/* Of one set, the rows' lists rise while the panel is met. */
static void load_floors(const join *j, recsys__panel *panel, size_t first, size_t n) {
  for (size_t r = 0; j->same && r < n; r++)
    panel->floors[r] = floor_now(j, j->queries.lists[first + r]);
}

static void meet_panel(join *j, bench *b, size_t first, size_t n) {
  uint64_t hits[RECSYS__PANEL_QUERIES], present = ((uint64_t)1 << n) - 1;
  load_panel(j, &b->panel, first, n);
  for (size_t q = 0; q < j->n; q += RECSYS__PANEL_QUERIES) {
    size_t count = j->n - q < RECSYS__PANEL_QUERIES ? j->n - q : RECSYS__PANEL_QUERIES;
    if (j->same && first + n <= j->first + q + 1)
      break;
    if (q % (2 * RECSYS__PANEL_QUERIES) == 0)
      load_floors(j, &b->panel, first, n);
    for (size_t i = 0; i < count; i++)
      b->facts[q + i].floor = floor_now(j, j->queries.lists[j->first + q + i]);
    j->kernels->meet(hits, &b->panel, j->codes + q * j->rows->code_stride, j->rows->code_stride, b->facts + q);
    for (size_t i = 0; i < count; i++)
      for (uint64_t left = hits[i] & present; left; left &= left - 1)
        put_off(j, b, j->first + q + i, first + (size_t)__builtin_ctzll(left));
  }
}

static bench *take_bench(join *j) {
  for (size_t i = 0;; i = (i + 1) % j->bench_count)
    if (!atomic_flag_test_and_set_explicit(&j->benches[i].taken, memory_order_acquire))
      return &j->benches[i];
}

/* Panels end where chunks do. */
static void meet_rows(void *context, size_t part) {
  join *j = context;
  size_t each = BLOCK_PANELS * RECSYS__PANEL_ROWS, first = (j->same ? j->first : 0) + part * each;
  size_t end = first + each < j->rows->count ? first + each : j->rows->count;
  bench *b = take_bench(j);
  memcpy(b->facts, j->facts, j->block * sizeof *b->facts);
  while (first < end) {
    size_t left = j->rows->chunk_rows - first % j->rows->chunk_rows, n = end - first;
    n = n < left ? n : left;
    n = n < RECSYS__PANEL_ROWS ? n : RECSYS__PANEL_ROWS;
    meet_panel(j, b, first, n);
    first += n;
  }
  score_pending(j, b);
  atomic_flag_clear_explicit(&b->taken, memory_order_release);
}

static void load_queries(join *j, size_t first) {
  const recsys__rows *rows = j->queries.rows;
  size_t stride = rows->code_stride;
  j->first = first;
  j->n = rows->count - first < j->block ? rows->count - first : j->block;
  for (size_t q = 0; q < j->n; q++) {
    const recsys__chunk *chunk = recsys__chunk_of(rows, first + q);
    size_t slot = (first + q) % rows->chunk_rows;
    const uint8_t *codes = chunk->codes + slot * stride;
    int32_t sum = 0;
    for (size_t i = 0; i < stride; i++) {
      j->codes[q * stride + i] = (int8_t)(codes[i] - RECSYS__CODE_ZERO);
      sum += j->codes[q * stride + i];
    }
    j->facts[q] = (recsys__panel_query){.scale = chunk->scales[slot],
                                        .error = chunk->errors[slot],
                                        .gain = gain_of(j, chunk->norms[slot]),
                                        .base = base_of(j, chunk->norms[slot]),
                                        .zero = RECSYS__CODE_ZERO * sum};
  }
}

/* -- the whole */

typedef struct numbering {
  side *side;
  uint32_t next;
} numbering;

static bool number_item(void *context, int64_t item, void *value) {
  numbering *n = context;
  const recsys__pictures *pictures = value;
  (void)item;
  for (size_t i = 0; i < pictures->count; i++)
    n->side->lists[pictures->places[i].row] = n->next;
  n->next++;
  return true;
}

static bool make_lists(join *j) {
  size_t n = j->list_count, k = j->options->k, total, room = recsys__best_room(k, SIZE_MAX);
  if (j->rows->items.count == j->rows->count && j->queries.rows->items.count == j->queries.rows->count)
    room = recsys__best_room(k, j->rows->count);
  j->repeats = j->rows->count > j->rows->items.count || j->queries.rows->count > n;
  j->lists = recsys__calloc(n, sizeof *j->lists);
  j->hits = recsys__mul(n, room, &total) ? recsys__alloc(total, sizeof *j->hits) : NULL;
  if (!j->lists || !j->hits)
    return false;
  double limit = j->options->has_limit ? j->options->limit : INFINITY;
  bool euclidean = j->options->metric == RECSYS_METRIC_EUCLIDEAN;
  float floor = !j->options->has_limit ? -INFINITY : floor_of(j, euclidean ? -limit : limit);
  for (size_t i = 0; i < n; i++) {
    recsys__best_init(&j->lists[i].best, j->hits + i * room, room, k, j->repeats);
    atomic_init(&j->lists[i].floor, floor);
  }
  return true;
}

static bool make_benches(join *j, uint32_t threads) {
  size_t stride = j->rows->code_stride, fit = BLOCK_BYTES / stride / RECSYS__PANEL_QUERIES * RECSYS__PANEL_QUERIES;
  j->block = fit ? fit : RECSYS__PANEL_QUERIES;
  j->codes = recsys__calloc(j->block, stride);
  j->facts = recsys__calloc(j->block, sizeof *j->facts);
  j->bench_count = recsys__thread_count(threads);
  j->benches = recsys__alloc_aligned(64, j->bench_count * sizeof *j->benches, 1);
  if (!j->codes || !j->facts || !j->benches)
    return false;
  memset(j->benches, 0, j->bench_count * sizeof *j->benches);
  for (size_t i = 0; i < j->bench_count; i++) {
    bench *b = &j->benches[i];
    atomic_flag_clear(&b->taken);
    b->panel.codes = recsys__alloc_aligned(64, stride * RECSYS__PANEL_ROWS, 1);
    b->facts = recsys__alloc(j->block, sizeof *b->facts);
    if (!b->panel.codes || !b->facts)
      return false;
  }
  return true;
}

static bool begin(join *j, uint32_t threads) {
  j->queries.lists = recsys__alloc(j->queries.rows->count, sizeof *j->queries.lists);
  if (!j->queries.lists)
    return false;
  numbering n = {&j->queries, 0};
  recsys__map_each(&j->queries.rows->items, number_item, &n);
  return make_lists(j) && make_benches(j, threads);
}

static void end(join *j) {
  for (size_t i = 0; j->benches && i < j->bench_count; i++) {
    recsys__free(j->benches[i].panel.codes);
    recsys__free(j->benches[i].facts);
  }
  recsys__free(j->benches);
  recsys__free(j->codes);
  recsys__free(j->facts);
  recsys__free(j->hits);
  recsys__free(j->lists);
  recsys__free(j->queries.lists);
  for (size_t i = 0; i < STRIPES; i++)
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

/* Blocks of queries, one after the other; each of them meets all rows on all threads. */
static recsys_status run(join *j, uint32_t threads, recsys_error *error) {
  size_t all = j->queries.rows->count, each = BLOCK_PANELS * RECSYS__PANEL_ROWS;
  for (size_t first = 0; first < all; first += j->n) {
    if (j->options->progress && j->options->progress(j->options->progress_user, "search", first, all))
      return recsys__fail(error, RECSYS_ECANCELLED, 0, "the search was cancelled after %zu of %zu pictures", first,
                          all);
    load_queries(j, first);
    size_t rows = j->rows->count - (j->same ? first : 0);
    recsys__parallel(threads, (rows + each - 1) / each, meet_rows, j);
  }
  if (j->options->progress)
    (void)j->options->progress(j->options->progress_user, "search", all, all);
  return RECSYS_OK;
}

recsys_status recsys__rows_search_many(const recsys__rows *rows, const recsys__rows_join *options, uint32_t threads,
                                       int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  join j = {.rows = rows,
            .options = options,
            .kernels = recsys__kernels_now(),
            .same = options->queries == rows,
            .queries = {options->queries, NULL},
            .list_count = options->queries->items.count};
  if (j.list_count == 0)
    return recsys__ok(error);
  if (options->k == 0 || rows->count == 0) {
    memset(counts, 0, j.list_count * sizeof *counts);
    return recsys__ok(error);
  }
  threads = recsys__thread_count(threads);
  for (size_t i = 0; i < STRIPES; i++)
    pthread_mutex_init(&j.stripes[i], NULL);
  recsys_status status = begin(&j, threads) ? run(&j, threads, error) : recsys__no_memory(error, "a search");
  output o = {&j, ids, scores, counts};
  if (status == RECSYS_OK)
    recsys__parallel(threads, j.list_count, finish_list, &o);
  end(&j);
  return status ? status : recsys__ok(error);
}
