/*
 * Exact search over a set of rows: a scan of the int8 codes gives every row a bound, and the rows whose bound reaches
 * the k best so far are scored in double from the float32 rows.
 *
 * Why no row is missed. u is a row and v the query, both of length 1, so that u v is the cosine. The codes c (integers)
 * with scale s leave a rest e = u - s c, the query's parts h and l with steps a and b a rest f = v - (a h + b l):
 *
 *   u v = s c (a h + b l) + s c f + e v,   |e v| <= |e| |v| = |e|,   |s c f| <= |s c| |f| <= 2 |f|
 *
 * (rounding to the nearest step never leaves more than the value itself, so |e| <= |u| = 1 and |s c| <= 2.) The sums
 * c h and c l are exact in int32 for up to 65536 values: 255 x 127 x 65536 < 2^31. The first term is computed in
 * float32 with at most four roundings on the way of each of the two products, of which |s c| |a h| <= 4 and
 * |s c| |b l| <= 4 are the sizes, one more for the addition of |e| and one for the comparison: together less than
 * (4 x 8 + 2 x 10) x 2^-24 < 3.2e-6. |e| is stored per row, rounded up; 2 |f| + 4e-6 is the query's `slack`, which has
 * room left for the error of the norms and of the final score (at most (65536 / 8 + 8) x 2^-53 < 1e-12 each, as
 * fixed-order sums in double). So cosine <= s c (a h + b l) + |e| + slack.
 *
 * The distance follows from the cosine and the two lengths: |x - q|^2 = (|q| - |x|)^2 + 2 |q| |x| (1 - cosine), which
 * is least at the greatest cosine. Both the lengths and the final distance have relative errors below 1e-12; 1e-11 of
 * (|q| + |x|)^2 and of the limit covers them.
 *
 * The threshold is the k-th best exact score of a part of the rows, so it is never above the k-th best of all. When it
 * rises depends on the threads; the list does not, because every row whose bound reaches the final k-th score is scored
 * in any case, and ties are kept.
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
  BLOCK_BYTES = 1 << 14, /* codes of one block, while the next one is fetched: both fit the first-level cache */
  RANGE_BYTES = 1 << 19, /* codes that a thread takes at a time */
  FETCH_FLOATS = 1 << 10 /* of a row that is going to be scored */
};

static const double float_slack = 4e-6;

/* What one part of a search has found, and the rows of its last block that still wait to be scored: they are far apart
 * in memory, so they are fetched while the next block is summed. */
typedef struct finder {
  recsys__best best;
  const recsys__probe *probe;
  const recsys__chunk *chunk;
  size_t first, waiting;
  uint8_t chosen[RECSYS__BLOCK_ROWS]; /* slots, counted from `first` */
} finder;

typedef struct search {
  const recsys__rows *rows;
  const recsys__rows_query *query;
  const recsys__kernels *kernels;
  recsys__probe *probes; /* one per query row */
  void *memory;          /* of the probes */
  bool full;             /* k is so large that estimates save nothing: score every row */
  size_t block_rows, range_rows, ranges_per_chunk, ranges;
  size_t parts;
  finder *finders; /* one per part */
  _Atomic size_t next_range;
  _Atomic double reach; /* no item below it can be in the list */
} search;

static double clip(double cosine) {
  return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

/* sqrt(square x square) is exact, so equal rows have the cosine 1. */
static double cosine_of(double dot, double square_a, double square_b) {
  double lengths = sqrt(square_a * square_b);
  return lengths > 0 ? clip(dot / lengths) : 0;
}

/* -- the query */

/* Splits row / norm into the two int8 parts of a probe. */
static void split(recsys__probe *probe, int8_t *high, int8_t *low, uint32_t dim) {
  double largest = 0, unit = probe->norm > 0 ? 1 / probe->norm : 0, rest = 0;
  for (uint32_t i = 0; i < dim; i++)
    largest = fmax(largest, fabs(probe->row[i] * unit));
  probe->high_step = (float)(largest / 127);
  probe->low_step = (float)(largest / 127 / 254);
  double a = probe->high_step, b = probe->low_step;
  int32_t high_sum = 0, low_sum = 0;
  for (uint32_t i = 0; i < dim && largest > 0; i++) {
    double x = probe->row[i] * unit;
    high[i] = (int8_t)recsys__code(x / a);
    low[i] = (int8_t)recsys__code((x - a * high[i]) / b);
    double f = x - a * high[i] - b * low[i];
    rest += f * f;
    high_sum += high[i];
    low_sum += low[i];
  }
  probe->high_zero = RECSYS__CODE_ZERO * high_sum;
  probe->low_zero = RECSYS__CODE_ZERO * low_sum;
  probe->slack = 2 * sqrt(rest) + float_slack;
}

static void probe_fill(const search *s, recsys__probe *probe, float *row, int8_t *high, int8_t *low,
                       const float *source) {
  const recsys__rows *rows = s->rows;
  memcpy(row, source, rows->dim * sizeof *row);
  probe->row = row;
  probe->high = high;
  probe->low = low;
  probe->square = s->kernels->dot(row, row, rows->float_stride);
  probe->norm = sqrt(probe->square);
  split(probe, high, low, rows->dim);
}

static bool make_probes(search *s) {
  const recsys__rows *rows = s->rows;
  size_t count = s->query->query_count, each = rows->float_stride * sizeof(float) + 2 * rows->code_stride, bytes;
  each = (each + 63) / 64 * 64;
  s->probes = recsys__calloc(count, sizeof *s->probes);
  s->memory = recsys__mul(count, each, &bytes) ? recsys__alloc_aligned(64, bytes, 1) : NULL;
  if (!s->probes || !s->memory)
    return false;
  memset(s->memory, 0, bytes);
  for (size_t i = 0; i < count; i++) {
    char *at = (char *)s->memory + i * each;
    int8_t *high = (int8_t *)at, *low = high + rows->code_stride;
    float *row = (float *)(void *)(low + rows->code_stride);
    probe_fill(s, &s->probes[i], row, high, low, s->query->queries + i * rows->dim);
  }
  return true;
}

/* -- scoring */

static double worth_of(const search *s, const recsys__probe *probe, const recsys__chunk *chunk, size_t slot) {
  const float *row = recsys__chunk_row(s->rows, chunk, slot);
  if (s->query->metric == RECSYS_METRIC_EUCLIDEAN)
    return -sqrt(s->kernels->distance2(probe->row, row, s->rows->float_stride));
  double dot = s->kernels->dot(probe->row, row, s->rows->float_stride);
  return cosine_of(dot, probe->square, chunk->squares[slot]);
}

static bool admitted(const search *s, int64_t item) {
  const recsys__rows_query *query = s->query;
  return item != query->exclude && (!query->passes || query->passes(query->context, item));
}

static void raise_reach(search *s, double reach) {
  double known = atomic_load_explicit(&s->reach, memory_order_relaxed);
  while (known < reach &&
         !atomic_compare_exchange_weak_explicit(&s->reach, &known, reach, memory_order_relaxed, memory_order_relaxed))
    ;
}

static void score_row(search *s, recsys__best *best, const recsys__probe *probe, const recsys__chunk *chunk,
                      size_t slot) {
  double worth = worth_of(s, probe, chunk, slot);
  if (worth >= atomic_load_explicit(&s->reach, memory_order_relaxed) &&
      recsys__best_add(best, worth, chunk->items[slot]))
    raise_reach(s, best->reach);
}

/* -- the scan */

static void score_waiting(search *s, finder *f) {
  for (size_t i = 0; i < f->waiting; i++) {
    size_t slot = f->first + f->chosen[i];
    if (admitted(s, f->chunk->items[slot]))
      score_row(s, &f->best, f->probe, f->chunk, slot);
  }
  f->waiting = 0;
}

static void fetch_waiting(const search *s, const finder *f) {
  size_t n = s->rows->float_stride < FETCH_FLOATS ? s->rows->float_stride : FETCH_FLOATS;
  for (size_t i = 0; i < f->waiting; i++) {
    const float *row = recsys__chunk_row(s->rows, f->chunk, f->first + f->chosen[i]);
    for (size_t j = 0; j < n; j += 16)
      __builtin_prefetch(row + j);
  }
}

static void scan_block(search *s, finder *f, const recsys__probe *probe, const recsys__chunk *chunk, size_t first,
                       size_t rows, const uint8_t *ahead) {
  recsys__sums sums;
  recsys__bounds bounds = {chunk->scales + first, chunk->errors + first, chunk->norms + first};
  s->kernels->sums(&sums, chunk->codes + first * s->rows->code_stride, s->rows->code_stride, rows, probe, ahead);
  score_waiting(s, f);
  double reach = atomic_load_explicit(&s->reach, memory_order_relaxed);
  f->probe = probe;
  f->chunk = chunk;
  f->first = first;
  f->waiting = s->query->metric == RECSYS_METRIC_EUCLIDEAN
                   ? s->kernels->select_euclidean(f->chosen, &sums, rows, &bounds, probe, -reach)
                   : s->kernels->select_cosine(f->chosen, &sums, rows, &bounds, probe, reach);
  fetch_waiting(s, f);
}

/* Some rows of one chunk. */
typedef struct range {
  const recsys__chunk *chunk; /* NULL: no more */
  size_t first, end;
} range;

static range next_range(search *s) {
  size_t index = atomic_fetch_add_explicit(&s->next_range, 1, memory_order_relaxed);
  if (index >= s->ranges)
    return (range){NULL, 0, 0};
  size_t chunk = index / s->ranges_per_chunk, first = index % s->ranges_per_chunk * s->range_rows;
  size_t left = s->rows->count - chunk * s->rows->chunk_rows;
  size_t visible = left < s->rows->chunk_rows ? left : s->rows->chunk_rows;
  size_t end = first + s->range_rows < visible ? first + s->range_rows : visible;
  return (range){s->rows->chunks[chunk], first, end};
}

static const uint8_t *codes_at(const search *s, const recsys__chunk *chunk, size_t slot) {
  return chunk ? chunk->codes + slot * s->rows->code_stride : NULL;
}

static void scan_range(search *s, finder *f, range now, range next) {
  for (size_t first = now.first; first < now.end; first += s->block_rows) {
    size_t end = first + s->block_rows < now.end ? first + s->block_rows : now.end;
    const uint8_t *ahead = end < now.end ? codes_at(s, now.chunk, end) : codes_at(s, next.chunk, next.first);
    for (size_t q = 0; q < s->query->query_count; q++)
      scan_block(s, f, &s->probes[q], now.chunk, first, end - first, q ? NULL : ahead);
  }
}

static void score_range(search *s, recsys__best *best, range now) {
  for (size_t slot = now.first; slot < now.end; slot++)
    if (admitted(s, now.chunk->items[slot]))
      for (size_t q = 0; q < s->query->query_count; q++)
        score_row(s, best, &s->probes[q], now.chunk, slot);
}

/* A range is taken before the one in hand is finished, so that its first codes can be fetched. */
static void scan_part(void *context, size_t part) {
  search *s = context;
  finder *f = &s->finders[part];
  range next;
  for (range now = next_range(s); now.chunk; now = next) {
    next = next_range(s);
    if (s->full)
      score_range(s, &f->best, now);
    else
      scan_range(s, f, now, next);
  }
  score_waiting(s, f);
}

/* -- the whole */

static size_t divide_up(size_t n, size_t by) {
  return (n + by - 1) / by;
}

static void plan(search *s, size_t k, uint32_t threads) {
  const recsys__rows *rows = s->rows;
  size_t fit = BLOCK_BYTES / rows->code_stride / 4 * 4, most = recsys__thread_count(threads);
  s->block_rows = fit < 4 ? 4 : fit > RECSYS__BLOCK_ROWS ? RECSYS__BLOCK_ROWS : fit;
  s->ranges_per_chunk = divide_up(rows->chunk_rows * rows->code_stride, RANGE_BYTES);
  s->range_rows = divide_up(rows->chunk_rows, s->ranges_per_chunk);
  s->ranges_per_chunk = divide_up(rows->chunk_rows, s->range_rows);
  size_t last = rows->count - 1;
  s->ranges = last / rows->chunk_rows * s->ranges_per_chunk + last % rows->chunk_rows / s->range_rows + 1;
  s->full = k >= rows->items.count / 4;
  s->parts = s->ranges < most ? s->ranges : most;
}

static bool make_finders(search *s, size_t k) {
  size_t hits;
  bool repeats = s->query->query_count > 1 || s->rows->count > s->rows->items.count;
  if (!recsys__mul(s->rows->count, s->query->query_count, &hits))
    return false;
  s->finders = recsys__calloc(s->parts, sizeof *s->finders);
  if (!s->finders)
    return false;
  size_t room = recsys__best_room(k, hits);
  for (size_t i = 0; i < s->parts; i++) {
    recsys__hit *memory = recsys__alloc(room, sizeof *memory);
    if (!memory)
      return false;
    recsys__best_init(&s->finders[i].best, memory, room, k, repeats);
  }
  return true;
}

/* Puts the parts' hits together into the list. */
static bool merge(search *s, size_t k, int64_t *ids, double *scores, size_t *count) {
  size_t total = 0;
  for (size_t i = 0; i < s->parts; i++)
    total += s->finders[i].best.count;
  recsys__hit *hits = recsys__alloc(total, sizeof *hits);
  if (!hits)
    return false;
  recsys__best all;
  recsys__best_init(&all, hits, total, k, s->finders[0].best.repeats);
  for (size_t i = 0; i < s->parts; i++)
    if (s->finders[i].best.count) {
      memcpy(hits + all.count, s->finders[i].best.hits, s->finders[i].best.count * sizeof *hits);
      all.count += s->finders[i].best.count;
    }
  recsys__best_finish(&all);
  bool negated = s->query->metric == RECSYS_METRIC_EUCLIDEAN;
  for (size_t i = 0; i < all.count; i++) {
    ids[i] = hits[i].item;
    scores[i] = negated ? fabs(hits[i].worth) : hits[i].worth; /* fabs: no minus zero */
  }
  *count = all.count;
  recsys__free(hits);
  return true;
}

static void search_free(search *s) {
  for (size_t i = 0; s->finders && i < s->parts; i++)
    recsys__free(s->finders[i].best.hits);
  recsys__free(s->finders);
  recsys__free(s->probes);
  recsys__free(s->memory);
}

recsys_status recsys__rows_search(const recsys__rows *rows, const recsys__rows_query *query, uint32_t threads,
                                  int64_t *ids, double *scores, size_t *count, recsys_error *error) {
  size_t k = query->k < rows->items.count ? query->k : rows->items.count;
  *count = 0;
  if (k == 0 || query->query_count == 0)
    return recsys__ok(error);
  search s = {.rows = rows, .query = query, .kernels = recsys__kernels_now()};
  bool euclidean = query->metric == RECSYS_METRIC_EUCLIDEAN;
  atomic_init(&s.reach, !query->has_limit ? -INFINITY : euclidean ? -query->limit : query->limit);
  plan(&s, k, threads);
  bool done = make_probes(&s) && make_finders(&s, k);
  if (done) {
    recsys__parallel((uint32_t)s.parts, s.parts, scan_part, &s);
    done = merge(&s, k, ids, scores, count);
  }
  search_free(&s);
  return done ? recsys__ok(error) : recsys__no_memory(error, "a search");
}

/* -- two items */

double recsys__rows_worth(const recsys__rows *a, size_t i, const recsys__rows *b, size_t j, uint32_t metric) {
  const recsys__kernels *kernels = recsys__kernels_now();
  const recsys__chunk *in_a = recsys__chunk_of(a, i), *in_b = recsys__chunk_of(b, j);
  size_t slot_a = i % a->chunk_rows, slot_b = j % b->chunk_rows;
  const float *row_a = recsys__chunk_row(a, in_a, slot_a), *row_b = recsys__chunk_row(b, in_b, slot_b);
  if (metric == RECSYS_METRIC_EUCLIDEAN)
    return -sqrt(kernels->distance2(row_a, row_b, a->float_stride));
  return cosine_of(kernels->dot(row_a, row_b, a->float_stride), in_a->squares[slot_a], in_b->squares[slot_b]);
}

bool recsys__rows_likeness(const recsys__rows *rows, int64_t a, int64_t b, uint32_t metric, double *score) {
  const recsys__pictures *of_a = recsys__map_get(&rows->items, a), *of_b = recsys__map_get(&rows->items, b);
  if (!of_a || !of_b)
    return false;
  double best = -INFINITY;
  for (size_t i = 0; i < of_a->count; i++)
    for (size_t j = 0; j < of_b->count; j++)
      best = fmax(best, recsys__rows_worth(rows, of_a->places[i].row, rows, of_b->places[j].row, metric));
  *score = metric == RECSYS_METRIC_EUCLIDEAN ? fabs(best) : best; /* fabs: no minus zero */
  return true;
}
