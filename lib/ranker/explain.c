/* recsys_ranker_score, _explain and _explain_from: what a score is, and why. */
#include <stdlib.h>

#include "ranker/call.h"

recsys_status recsys_ranker_score(recsys_ranker *ranker, int64_t user, const int64_t *items, size_t n,
                                  const recsys_recommend_options *options, double *scores, recsys_error *error) {
  recsys__call c = {0};
  if (n && (!items || !scores))
    return recsys__fail(error, RECSYS_EINVAL, 0, "items or scores is NULL");
  recsys_status status = recsys__call_begin(&c, ranker, options, error);
  recsys__history history = {0};
  if (!status)
    status = recsys__call_history(&c, &history, user, error);
  if (!status) {
    recsys__request r = recsys__call_request(&c, user, &history, 0);
    status = recsys__request_score(&r, error);
    for (size_t i = 0; i < n; i++) {
      recsys__candidate wanted = {.item = items[i]};
      const recsys__candidate *found =
          status || !r.count ? NULL : bsearch(&wanted, r.candidates, r.count, sizeof wanted, recsys__candidate_by_item);
      scores[i] = found ? found->score : 0;
    }
    recsys__free(r.candidates);
  }
  recsys__history_free(&history);
  recsys__call_end(&c);
  return status ? status : recsys__ok(error);
}

static int by_contribution(const void *a, const void *b) {
  const recsys_reason *x = a, *y = b;
  if (x->contribution != y->contribution)
    return x->contribution > y->contribution ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

/* Whether the item can only stand in a place that new_items keeps. */
static bool listed_as_fresh(const recsys__call *c, int64_t item) {
  size_t at = recsys__fitted_index(c->fitted, item);
  return c->fitted->fresh && (at == c->fitted->n || c->fitted->counts[at] == 0);
}

static recsys_status explain(const recsys__call *c, int64_t user, const recsys__history *history, int64_t item,
                             recsys_reason *reasons, size_t capacity, size_t *count, double *score,
                             recsys_error *error) {
  double sum = 0;
  recsys__request r = recsys__call_request(c, user, history, 0);
  recsys__fitted *fresh = listed_as_fresh(c, item) ? recsys__ranker_fitted(c->fitted->fresh) : NULL;
  if (fresh) {
    r.ranker = c->fitted->fresh;
    r.fitted = fresh;
  }
  r.explained = item;
  recsys_status status = recsys__request_score(&r, error);
  if (!status) {
    if (r.reason_count)
      qsort(r.reasons, r.reason_count, sizeof *r.reasons, by_contribution);
    for (size_t i = 0; i < r.reason_count; i++) {
      sum += r.reasons[i].contribution;
      if (i < capacity)
        reasons[i] = r.reasons[i];
    }
    *count = r.reason_count;
    if (score)
      *score = r.explained_score_set ? r.explained_score : sum;
  }
  recsys__free(r.candidates);
  recsys__free(r.reasons);
  recsys__fitted_release(fresh);
  return status;
}

static recsys_status check_explain(int64_t item, const recsys_reason *reasons, size_t capacity, size_t *count,
                                   recsys_error *error) {
  if (count)
    *count = 0;
  if (!count || (capacity && !reasons) || item < 0)
    return recsys__fail(error, RECSYS_EINVAL, 0, "reasons or count is NULL, or item is negative");
  return RECSYS_OK;
}

recsys_status recsys_ranker_explain(recsys_ranker *ranker, int64_t user, int64_t item,
                                    const recsys_recommend_options *options, recsys_reason *reasons, size_t capacity,
                                    size_t *count, double *score, recsys_error *error) {
  recsys__call c = {0};
  recsys__history history = {0};
  recsys_status status = check_explain(item, reasons, capacity, count, error);
  if (status)
    return status;
  status = recsys__call_begin(&c, ranker, options, error);
  if (!status)
    status = recsys__call_history(&c, &history, user, error);
  if (!status)
    status = explain(&c, user, &history, item, reasons, capacity, count, score, error);
  recsys__history_free(&history);
  recsys__call_end(&c);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_ranker_explain_from(recsys_ranker *ranker, const int64_t *items, const float *ratings,
                                         const int64_t *times, size_t m, int64_t item,
                                         const recsys_recommend_options *options, recsys_reason *reasons,
                                         size_t capacity, size_t *count, double *score, recsys_error *error) {
  recsys__call c = {0};
  recsys__history history = {0};
  recsys_status status = check_explain(item, reasons, capacity, count, error);
  if (!status)
    status = recsys__call_check_history(items, ratings, m, error);
  if (status)
    return status;
  status = recsys__call_begin(&c, ranker, options, error);
  if (!status)
    status = recsys__call_history_from(&c, &history, items, ratings, times, m, error);
  if (!status)
    status = explain(&c, -1, &history, item, reasons, capacity, count, score, error);
  recsys__history_free(&history);
  recsys__call_end(&c);
  return status ? status : recsys__ok(error);
}
