/* recsys_store_search and recsys_store_similar over the rows of a view. */
#include <math.h>
#include <string.h>

#include "base/options.h"
#include "base/random.h"
#include "base/thread.h"
#include "store/chunks.h"
#include "store/filter.h"
#include "store/index.h"
#include "store/store.h"

static bool passes(const void *context, int64_t item) {
  return recsys__filter_passes(context, item);
}

static recsys__rows_query query_of(const float *queries, size_t count, size_t k, uint32_t metric,
                                   const recsys__filter *filter) {
  recsys__rows_query query = {.queries = queries, .query_count = count, .k = k, .metric = metric, .exclude = -1};
  if (filter) {
    query.passes = passes;
    query.context = filter;
    query.has_limit = recsys__filter_limit(filter, metric, &query.limit);
  }
  return query;
}

recsys_status recsys__view_similar(const recsys__view *view, int32_t space, int64_t item, size_t k, uint32_t metric,
                                   const recsys__filter *filter, uint32_t threads, int64_t *ids, double *scores,
                                   size_t *count, recsys_error *error) {
  const recsys__rows *rows = recsys__view_rows(view, space);
  size_t pictures = 0;
  int64_t picture;
  const float *row;
  *count = 0;
  while (rows && item >= 0 && recsys__rows_picture(rows, item, pictures, &picture, &row))
    pictures++;
  if (!pictures)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "item %lld has no embedding in this space", (long long)item);
  uint32_t dim = recsys__rows_dim(rows);
  float *queries = recsys__alloc(pictures, dim * sizeof *queries);
  if (!queries)
    return recsys__no_memory(error, "the item's pictures");
  for (size_t i = 0; i < pictures && recsys__rows_picture(rows, item, i, &picture, &row); i++)
    memcpy(queries + i * dim, row, dim * sizeof *row);
  recsys__rows_query query = query_of(queries, pictures, k, metric, filter);
  query.exclude = item;
  recsys_status status = recsys__rows_search(rows, &query, threads, ids, scores, count, error);
  recsys__free(queries);
  return status;
}

enum { MANY = 8 /* queries that are faster as a block; measured: tests/bench/search.c */ };

typedef struct search {
  const recsys__view *view;
  recsys__filter *filter;
  recsys_search_options options;
  int32_t space;
} search;

static void clear(size_t n, size_t k, int64_t *ids, double *scores, uint32_t *counts) {
  for (size_t i = 0; i < n; i++)
    counts[i] = 0;
  for (size_t i = 0; i < n * k; i++) {
    ids[i] = -1;
    scores[i] = 0;
  }
}

static recsys_status begin(search *s, recsys_store *store, const recsys_search_options *options, recsys_error *error) {
  recsys_status status = recsys__options_copy(&s->options, sizeof s->options, options, "recsys_search_options", error);
  if (!status && s->options.metric > RECSYS_METRIC_EUCLIDEAN)
    status =
        recsys__fail(error, RECSYS_EINVAL, 0, "metric %u is neither COSINE (0) nor EUCLIDEAN (1)", s->options.metric);
  if (!status && s->options.approximate > 1)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "approximate is 0 or 1, not %u", s->options.approximate);
  s->view = recsys__store_view(store);
  if (!status)
    status = recsys__view_space(s->view, s->options.fingerprint, &s->space, error);
  if (!status)
    status = recsys__filter_compile(&s->filter, s->view, s->options.filter, error);
  uint32_t other =
      s->options.metric == RECSYS_METRIC_COSINE ? RECSYS_FILTER_MAX_DISTANCE : RECSYS_FILTER_MIN_SIMILARITY;
  if (!status && (recsys__filter_flags(s->filter) & other))
    status = recsys__fail(
        error, RECSYS_EINVAL, 0,
        "the filter's limit is of the other metric: min_similarity goes with COSINE, max_distance with EUCLIDEAN");
  return status;
}

static void end(search *s) {
  recsys__filter_free(s->filter);
  recsys__view_release(s->view);
}

static recsys_status check_output(recsys_store *store, const void *input, size_t n, size_t k, const int64_t *ids,
                                  const double *scores, const uint32_t *counts, recsys_error *error) {
  size_t cells;
  if (!store || (n && (!input || !counts)) || (n && k && (!ids || !scores)))
    return recsys__fail(error, RECSYS_EINVAL, 0, "store, input, ids, scores or counts is NULL");
  if (!recsys__mul(n, k, &cells) || k > UINT32_MAX)
    return recsys__fail(error, RECSYS_EINVAL, 0, "n x k is larger than memory");
  return RECSYS_OK;
}

static recsys_status check_queries(const float *queries, size_t n, uint32_t dim, recsys_error *error) {
  for (size_t i = 0; i < n; i++) {
    float largest = 0;
    for (uint32_t j = 0; j < dim; j++)
      largest = isfinite(queries[i * dim + j]) ? fmaxf(largest, fabsf(queries[i * dim + j])) : INFINITY;
    if (largest == 0 || isinf(largest))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "query %zu is all zero, or holds NaN or infinity", i);
  }
  return RECSYS_OK;
}

static recsys__rows_join join_of(const search *s, const recsys__rows *queries, size_t k) {
  const recsys__rows *rows = recsys__view_rows(s->view, s->space);
  recsys__rows_query query = query_of(NULL, 0, k, s->options.metric, s->filter);
  size_t items = recsys__rows_item_count(rows);
  return (recsys__rows_join){.queries = queries,
                             .k = k < items ? k : items,
                             .stride = k,
                             .metric = query.metric,
                             .passes = query.passes,
                             .context = query.context,
                             .has_limit = query.has_limit,
                             .limit = query.limit,
                             .progress = s->options.progress,
                             .progress_user = s->options.progress_user};
}

/* The queries as items 0..n-1 with one picture each; NULL: out of memory. */
static recsys__rows *rows_of(const float *queries, size_t n, uint32_t dim) {
  recsys__rows *block = recsys__rows_new(dim);
  for (size_t i = 0; block && i < n; i++)
    if (!recsys__rows_put(block, (int64_t)i, 0, queries + i * dim)) {
      recsys__ref_release(block);
      return NULL;
    }
  return block;
}

static recsys_status search_block(const search *s, uint32_t threads, const float *queries, size_t n, uint32_t dim,
                                  size_t k, int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  recsys__rows *block = rows_of(queries, n, dim);
  if (!block)
    return recsys__no_memory(error, "the queries");
  recsys__rows_join join = join_of(s, block, k);
  recsys_status status =
      recsys__rows_search_many(recsys__view_rows(s->view, s->space), &join, threads, ids, scores, counts, error);
  recsys__ref_release(block);
  return status;
}

static recsys_status search_each(const search *s, uint32_t threads, const float *queries, size_t n, uint32_t dim,
                                 size_t k, int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; i < n && !status; i++) {
    size_t count = 0;
    recsys__rows_query query = query_of(queries + i * dim, 1, k, s->options.metric, s->filter);
    status = recsys__rows_search(recsys__view_rows(s->view, s->space), &query, threads, ids + i * k, scores + i * k,
                                 &count, error);
    counts[i] = (uint32_t)count;
  }
  return status;
}

/* -- approximately */

/* Without an index that can be searched, many queries are faster as a block. */
static bool by_index(const search *s) {
  return s->options.approximate && recsys__index_usable(s->view, s->space, s->options.metric);
}

typedef struct guess {
  const search *s;
  const recsys__rows *queries; /* query i is row i; NULL: it is items[i] */
  const int64_t *items;
  size_t k;
  uint32_t threads; /* for what must be exact after all */
  size_t first;     /* list in hand */
  int64_t *ids;
  double *scores;
  uint32_t *counts;
  _Atomic recsys_status status;
} guess;

static recsys_status guess_query(const guess *g, const recsys__rows *queries, const size_t *numbers, size_t n,
                                 size_t list, int64_t exclude, recsys_error *error) {
  const recsys__rows *rows = recsys__view_rows(g->s->view, g->s->space);
  recsys__rows_query query = query_of(NULL, n, g->k, g->s->options.metric, g->s->filter);
  int64_t *ids = g->ids + list * g->k;
  double *scores = g->scores + list * g->k;
  size_t count = 0, items = recsys__rows_item_count(rows);
  recsys_status status = RECSYS_OK;
  query.k = query.k < items ? query.k : items;
  query.exclude = exclude;
  if (!recsys__index_search(g->s->view, g->s->space, queries, numbers, n, &query, g->s->options.effort, ids, scores,
                            &count)) {
    uint32_t dim = recsys__rows_dim(rows);
    float *values = recsys__alloc(n, dim * sizeof *values);
    for (size_t i = 0; values && i < n; i++)
      memcpy(values + i * dim,
             recsys__chunk_row(queries, recsys__chunk_of(queries, numbers[i]), numbers[i] % queries->chunk_rows),
             dim * sizeof *values);
    query.queries = values;
    status = values ? recsys__rows_search(rows, &query, g->threads, ids, scores, &count, error)
                    : recsys__no_memory(error, "the query");
    recsys__free(values);
  }
  g->counts[list] = (uint32_t)count;
  return status;
}

static recsys_status guess_item(const guess *g, size_t list, recsys_error *error) {
  const recsys__rows *rows = recsys__view_rows(g->s->view, g->s->space);
  const recsys__pictures *pictures = g->items[list] < 0 ? NULL : recsys__map_get(&rows->items, g->items[list]);
  if (!pictures)
    return RECSYS_OK;
  size_t *numbers = recsys__alloc(pictures->count, sizeof *numbers);
  if (!numbers)
    return recsys__no_memory(error, "the item's pictures");
  for (size_t i = 0; i < pictures->count; i++)
    numbers[i] = pictures->places[i].row;
  recsys_status status = guess_query(g, rows, numbers, pictures->count, list, g->items[list], error);
  recsys__free(numbers);
  return status;
}

static void guess_one(void *context, size_t part) {
  guess *g = context;
  recsys_error error;
  size_t list = g->first + part;
  if (atomic_load_explicit(&g->status, memory_order_relaxed))
    return;
  recsys_status status =
      g->queries ? guess_query(g, g->queries, &list, 1, list, -1, &error) : guess_item(g, list, &error);
  if (status)
    atomic_store(&g->status, status);
}

/* Lists 0..n-1, some at a time. One alone keeps all threads for what the index cannot tell. */
static recsys_status guess_all(guess *g, size_t n, recsys_error *error) {
  enum { AT_A_TIME = 1024 };
  const recsys_search_options *o = &g->s->options;
  for (g->first = 0; g->first < n; g->first += AT_A_TIME) {
    size_t some = n - g->first < AT_A_TIME ? n - g->first : AT_A_TIME;
    if (n > 1 && o->progress && o->progress(o->progress_user, "search", g->first, n))
      return recsys__fail(error, RECSYS_ECANCELLED, 0, "the search was cancelled after %zu of %zu lists", g->first, n);
    if (some == 1)
      guess_one(g, 0);
    else
      recsys__parallel(g->threads, some, guess_one, g);
  }
  if (n > 1 && o->progress)
    (void)o->progress(o->progress_user, "search", n, n);
  return atomic_load(&g->status) ? recsys__no_memory(error, "a search") : RECSYS_OK;
}

static recsys_status search_guess(const search *s, uint32_t threads, const float *queries, size_t n, uint32_t dim,
                                  size_t k, int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  recsys__rows *block = rows_of(queries, n, dim);
  guess g = {.s = s, .queries = block, .k = k, .threads = threads, .ids = ids, .scores = scores, .counts = counts};
  recsys_status status = block ? guess_all(&g, n, error) : recsys__no_memory(error, "the queries");
  recsys__ref_release(block);
  return status;
}

static recsys_status similar_guess(const search *s, uint32_t threads, const int64_t *items, size_t n, size_t k,
                                   int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  guess g = {.s = s, .items = items, .k = k, .threads = threads, .ids = ids, .scores = scores, .counts = counts};
  return guess_all(&g, n, error);
}

recsys_status recsys_store_search(recsys_store *store, const float *queries, size_t n, uint32_t dim, size_t k,
                                  const recsys_search_options *options, int64_t *ids, double *scores, uint32_t *counts,
                                  recsys_error *error) {
  search s = {0};
  recsys_status status = check_output(store, queries, n, k, ids, scores, counts, error);
  if (status)
    return status;
  clear(n, k, ids, scores, counts);
  status = begin(&s, store, options, error);
  if (!status && dim != s.view->spaces[s.space].dim)
    status = recsys__fail(error, RECSYS_EMISMATCH, (int32_t)dim, "the queries have dimension %u, the space has %u", dim,
                          s.view->spaces[s.space].dim);
  if (!status)
    status = check_queries(queries, n, dim, error);
  if (!status)
    status = (by_index(&s) ? search_guess
              : n < MANY   ? search_each
                           : search_block)(&s, store->core->threads, queries, n, dim, k, ids, scores, counts, error);
  end(&s);
  if (status)
    clear(n, k, ids, scores, counts);
  return status ? status : recsys__ok(error);
}

/* -- items like items */

/* Whether the items are all that have a picture, rising. */
static bool is_everything(const recsys__rows *rows, const int64_t *items, size_t n) {
  int64_t picture;
  const float *row;
  if (n != recsys__rows_item_count(rows))
    return false;
  for (size_t i = 0; i < n; i++)
    if ((i > 0 && items[i] <= items[i - 1]) || !recsys__rows_picture(rows, items[i], 0, &picture, &row))
      return false;
  return true;
}

/* The pictures of items[i] as those of item i; found[] gets every i that has one, their number goes to *count. */
static recsys__rows *gather(const recsys__rows *rows, const int64_t *items, size_t n, size_t *found, size_t *count) {
  recsys__rows *block = recsys__rows_new(recsys__rows_dim(rows));
  *count = 0;
  for (size_t i = 0; block && i < n; i++) {
    int64_t picture;
    const float *row;
    size_t p = 0;
    for (; items[i] >= 0 && recsys__rows_picture(rows, items[i], p, &picture, &row); p++)
      if (!recsys__rows_put(block, (int64_t)i, picture, row)) {
        recsys__ref_release(block);
        return NULL;
      }
    if (p > 0)
      found[(*count)++] = i;
  }
  return block;
}

/* Moves list l to place found[l], the last one first, and empties the others. */
static void spread(const size_t *found, size_t count, size_t n, size_t k, int64_t *ids, double *scores,
                   uint32_t *counts) {
  for (size_t i = n, l = count; i-- > 0;) {
    bool own = l > 0 && found[l - 1] == i;
    l -= own;
    if (own && l != i) {
      memcpy(ids + i * k, ids + l * k, k * sizeof *ids);
      memcpy(scores + i * k, scores + l * k, k * sizeof *scores);
    }
    counts[i] = own ? counts[l] : 0;
    for (size_t x = counts[i]; x < k; x++) {
      ids[i * k + x] = -1;
      scores[i * k + x] = 0;
    }
  }
}

static recsys_status similar_block(const search *s, uint32_t threads, const int64_t *items, size_t n, size_t k,
                                   int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  recsys__rows *rows = recsys__view_rows(s->view, s->space), *block = NULL;
  size_t *found = recsys__alloc(n, sizeof *found), count = 0;
  int64_t *exclude = recsys__alloc(n, sizeof *exclude);
  bool everything = is_everything(rows, items, n);
  if (found && exclude && !everything)
    block = gather(rows, items, n, found, &count);
  recsys_status status = RECSYS_OK;
  if (!found || !exclude || (!everything && !block))
    status = recsys__no_memory(error, "the items' pictures");
  for (size_t l = 0; !status && l < count; l++)
    exclude[l] = items[found[l]];
  if (!status) {
    recsys__rows_join join = join_of(s, everything ? rows : block, k);
    join.exclude = everything ? NULL : exclude;
    status = recsys__rows_search_many(rows, &join, threads, ids, scores, counts, error);
  }
  if (!status && !everything)
    spread(found, count, n, k, ids, scores, counts);
  recsys__ref_release(block);
  recsys__free(exclude);
  recsys__free(found);
  return status;
}

static recsys_status similar_each(const search *s, uint32_t threads, const int64_t *items, size_t n, size_t k,
                                  int64_t *ids, double *scores, uint32_t *counts, recsys_error *error) {
  for (size_t i = 0; i < n; i++) {
    size_t count = 0;
    recsys_status status = recsys__view_similar(s->view, s->space, items[i], k, s->options.metric, s->filter, threads,
                                                ids + i * k, scores + i * k, &count, error);
    counts[i] = (uint32_t)count;
    if (status && status != RECSYS_ENOTFOUND)
      return status;
  }
  return RECSYS_OK;
}

recsys_status recsys_store_similar(recsys_store *store, const int64_t *items, size_t n, size_t k,
                                   const recsys_search_options *options, int64_t *ids, double *scores, uint32_t *counts,
                                   recsys_status *statuses, recsys_error *error) {
  search s = {0};
  size_t missing = 0;
  recsys_status status = check_output(store, items, n, k, ids, scores, counts, error);
  if (status)
    return status;
  clear(n, k, ids, scores, counts);
  status = begin(&s, store, options, error);
  if (!status)
    status = (by_index(&s) ? similar_guess
              : n < MANY   ? similar_each
                           : similar_block)(&s, store->core->threads, items, n, k, ids, scores, counts, error);
  for (size_t i = 0; i < n && !status; i++) {
    bool has = recsys__view_has_embedding(s.view, s.space, items[i]);
    if (statuses)
      statuses[i] = has ? RECSYS_OK : RECSYS_ENOTFOUND;
    missing += !has;
  }
  end(&s);
  if (status)
    clear(n, k, ids, scores, counts);
  if (!status && missing)
    return recsys__fail(error, RECSYS_EPARTIAL, (int32_t)missing, "%zu of %zu items have no embedding", missing, n);
  return status ? status : recsys__ok(error);
}

/* -- recall */

/* Up to n items with a picture, without repetition, in random order; returns how many there are (Vitter 1985, algorithm
 * R). */
static size_t sample(const recsys__rows *rows, uint64_t seed, int64_t *items, size_t n) {
  int64_t item = -1;
  void *unused;
  recsys__random random;
  recsys__random_seed(&random, seed, rows->items.count);
  for (size_t seen = 0; recsys__map_next(&rows->items, item, &item, &unused); seen++) {
    size_t at = seen < n ? seen : recsys__random_below(&random, (uint32_t)(seen + 1));
    if (at < n)
      items[at] = item;
  }
  return rows->items.count < n ? rows->items.count : n;
}

static double share_of(const int64_t *wanted, const uint32_t *wanted_counts, const int64_t *got, const uint32_t *counts,
                       size_t n, size_t k) {
  size_t all = 0, hits = 0;
  for (size_t l = 0; l < n; l++)
    for (size_t i = 0; i < wanted_counts[l]; i++, all++)
      for (size_t j = 0; j < counts[l]; j++)
        hits += got[l * k + j] == wanted[l * k + i];
  return all ? (double)hits / (double)all : 1;
}

static recsys_status compare(const search *s, uint32_t threads, const int64_t *items, size_t n, size_t k,
                             double *recall, recsys_error *error) {
  int64_t *wanted = recsys__alloc(n, k * sizeof *wanted), *got = recsys__alloc(n, k * sizeof *got);
  uint32_t *wanted_counts = recsys__calloc(n, sizeof *wanted_counts), *counts = recsys__calloc(n, sizeof *counts);
  double *scores = recsys__alloc(n, k * sizeof *scores);
  recsys_status status =
      wanted && got && wanted_counts && counts && scores ? RECSYS_OK : recsys__no_memory(error, "the lists");
  if (!status)
    status = similar_block(s, threads, items, n, k, wanted, scores, wanted_counts, error);
  if (!status)
    status = similar_guess(s, threads, items, n, k, got, scores, counts, error);
  if (!status)
    *recall = share_of(wanted, wanted_counts, got, counts, n, k);
  recsys__free(wanted);
  recsys__free(got);
  recsys__free(wanted_counts);
  recsys__free(counts);
  recsys__free(scores);
  return status;
}

recsys_status recsys_store_measure_recall(recsys_store *store, uint64_t n, uint64_t k, uint64_t seed,
                                          const recsys_search_options *options, double *recall, recsys_error *error) {
  enum { USUAL = 1000 };
  search s = {0};
  if (!store || !recall || k == 0)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store or recall is NULL, or k is 0");
  *recall = 0;
  recsys_status status = begin(&s, store, options, error);
  const recsys__rows *rows = status ? NULL : recsys__view_rows(s.view, s.space);
  recsys__index *index = status ? NULL : recsys__index_of(store->core, s.view->spaces[s.space].id);
  if (!status && !index)
    status = recsys__fail(error, RECSYS_ENOTFOUND, 0, "the space has no index: recsys_store_build_index makes one");
  recsys__ref_release(index);
  size_t all = status ? 0 : rows->items.count, count = n && n <= all ? n : USUAL < all ? USUAL : all;
  int64_t *items = recsys__alloc(count, sizeof *items);
  if (!status && !items)
    status = recsys__no_memory(error, "the items");
  if (!status) {
    count = sample(rows, seed, items, count);
    status = compare(&s, store->core->threads, items, count, k < all ? k : all, recall, error);
  }
  recsys__free(items);
  end(&s);
  return status ? status : recsys__ok(error);
}
