/* recsys_store_search and recsys_store_similar over the rows of a view. */
#include <math.h>
#include <string.h>

#include "base/options.h"
#include "store/filter.h"
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
  for (size_t i = 0; i < n && !status; i++) {
    size_t count = 0;
    recsys__rows_query query = query_of(queries + i * dim, 1, k, s.options.metric, s.filter);
    status = recsys__rows_search(recsys__view_rows(s.view, s.space), &query, store->core->threads, ids + i * k,
                                 scores + i * k, &count, error);
    counts[i] = (uint32_t)count;
  }
  end(&s);
  if (status)
    clear(n, k, ids, scores, counts);
  return status ? status : recsys__ok(error);
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
  for (size_t i = 0; i < n && !status; i++) {
    size_t count = 0;
    status = recsys__view_similar(s.view, s.space, items[i], k, s.options.metric, s.filter, store->core->threads,
                                  ids + i * k, scores + i * k, &count, error);
    counts[i] = (uint32_t)count;
    if (statuses)
      statuses[i] = status;
    missing += status == RECSYS_ENOTFOUND;
    if (status == RECSYS_ENOTFOUND)
      status = RECSYS_OK;
  }
  end(&s);
  if (status)
    clear(n, k, ids, scores, counts);
  if (!status && missing)
    return recsys__fail(error, RECSYS_EPARTIAL, (int32_t)missing, "%zu of %zu items have no embedding", missing, n);
  return status ? status : recsys__ok(error);
}
