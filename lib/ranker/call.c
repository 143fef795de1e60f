/* Beginning and ending a call, and the histories in it. */
#include "ranker/call.h"

#include <math.h>

#include "base/options.h"

recsys_status recsys__call_begin(recsys__call *c, recsys_ranker *ranker, const recsys_recommend_options *options,
                                 recsys_error *error) {
  if (!ranker)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; create one first");
  c->ranker = ranker;
  recsys_status status =
      recsys__options_copy(&c->options, sizeof c->options, options, "recsys_recommend_options", error);
  if (!status && c->options.n_targets)
    status = c->options.targets ? RECSYS_OK : recsys__fail(error, RECSYS_EINVAL, 0, "targets is NULL");
  for (size_t i = 0; !status && i < c->options.n_targets; i++)
    if (c->options.targets[i] < 0)
      status = recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "targets[%zu] is negative; ids are 0 or larger", i);
  if (!status && !(c->options.diversity >= 0 && c->options.diversity <= 1))
    status = recsys__fail(error, RECSYS_EINVAL, 0, "diversity is %g; it lies in 0..1", c->options.diversity);
  if (!status && c->options.flags > RECSYS_RECOMMEND_UNIQUE)
    status = recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "flags %u: this library knows RECSYS_RECOMMEND_UNIQUE",
                          c->options.flags);
  if (!status && c->options.max_per_label && !c->options.label_field)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "max_per_label needs a label_field");
  if (status)
    return status;
  if (!(c->fitted = recsys__ranker_fitted(ranker)))
    return recsys__fail(error, RECSYS_ENOTFITTED, 0, "the ranker was not fitted; call recsys_ranker_fit first");
  if (ranker->algorithm->choose) {
    c->outer = c->fitted;
    c->ranker = c->outer->parts[0];
    c->fitted = recsys__ranker_fitted(c->ranker);
  }
  c->view = recsys__store_core_view(ranker->core);
  recsys__scale_make(&c->scale, c->ranker->shared, c->view);
  status = recsys__filter_compile(&c->filter, c->view, c->options.filter, error);
  if (!status && (recsys__filter_flags(c->filter) & (RECSYS_FILTER_MIN_SIMILARITY | RECSYS_FILTER_MAX_DISTANCE)))
    status = recsys__fail(
        error, RECSYS_EINVAL, 0,
        "the filter's similarity limits belong to search and similar; rankers have parameters of their own");
  return status;
}

void recsys__call_end(recsys__call *c) {
  recsys__filter_free(c->filter);
  if (c->view)
    recsys__view_release(c->view);
  recsys__fitted_release(c->fitted);
  recsys__fitted_release(c->outer);
}

recsys__request recsys__call_request(const recsys__call *c, int64_t user, const recsys__history *history, size_t k) {
  return (recsys__request){.ranker = c->ranker,
                           .fitted = c->fitted,
                           .view = c->view,
                           .user = user,
                           .history = history->entries,
                           .history_count = history->n,
                           .targets = c->options.targets,
                           .target_count = (size_t)c->options.n_targets,
                           .k = k,
                           .explained = -1};
}

recsys_status recsys__call_check_history(const int64_t *items, const float *ratings, size_t m, recsys_error *error) {
  if (m && !items)
    return recsys__fail(error, RECSYS_EINVAL, 0, "items is NULL, but the history has %zu entries", m);
  for (size_t i = 0; i < m; i++)
    if (items[i] < 0 || (ratings && !isfinite(ratings[i])))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i,
                          "history entry %zu has a negative item or a rating that is not finite", i);
  return RECSYS_OK;
}

recsys_status recsys__call_history(const recsys__call *c, recsys__history *h, int64_t user, recsys_error *error) {
  return recsys__history_of(h, &c->scale, c->view, user) ? RECSYS_OK : recsys__no_memory(error, "the history");
}

recsys_status recsys__call_history_from(const recsys__call *c, recsys__history *h, const int64_t *items,
                                        const float *ratings, const int64_t *times, size_t m, recsys_error *error) {
  bool ok = recsys__history_from(h, &c->scale, items, ratings, times, m, c->fitted->largest);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the history");
}

/* -- what may be listed */

static bool is_rated(const recsys__request *r, int64_t item) {
  size_t low = 0, high = r->history_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->history[middle].item < item)
      low = middle + 1;
    else
      high = middle;
  }
  return low < r->history_count && r->history[low].item == item;
}

bool recsys__call_is_wanted(const recsys__call *c, const recsys__request *r, int64_t item) {
  return ((recsys__filter_flags(c->filter) & RECSYS_FILTER_RATED) || !is_rated(r, item)) &&
         recsys__filter_passes(c->filter, item);
}

bool recsys__call_may_appear(const recsys__call *c, const recsys__request *r, int64_t item) {
  return recsys__call_is_wanted(c, r, item) && recsys__view_has_item(c->view, item);
}

bool recsys__call_is_target(const recsys__request *r, int64_t item) {
  for (size_t i = 0; i < r->target_count; i++)
    if (r->targets[i] == item)
      return true;
  return false;
}
