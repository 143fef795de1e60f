/* recsys_ranker_recommend, _recommend_from, _score and _explain: everything that is the same for every algorithm. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "ranker/diverse.h"
#include "ranker/ranker.h"

/* What all lists of one call share. */
typedef struct call {
  recsys_ranker *ranker;
  recsys__fitted *fitted, *outer; /* outer: of `auto`, which holds the ranker that is asked; NULL */
  const recsys__view *view;
  recsys__filter *filter;
  recsys_recommend_options options;
  const int64_t *users; /* or histories: */
  const uint64_t *offsets;
  const int64_t *items;
  const float *ratings;
  const int64_t *times;
  size_t n, k, first;
  int64_t *ids;
  double *scores;
  uint32_t *counts;
  recsys_status *results; /* of each list of the block */
} call;

static recsys_status call_begin(call *c, recsys_ranker *ranker, const recsys_recommend_options *options,
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
  if (c->fitted->chosen) {
    c->outer = c->fitted;
    c->ranker = c->outer->chosen;
    c->fitted = recsys__ranker_fitted(c->ranker);
  }
  c->view = recsys__store_core_view(ranker->core);
  status = recsys__filter_compile(&c->filter, c->view, c->options.filter, error);
  if (!status && (recsys__filter_flags(c->filter) & (RECSYS_FILTER_MIN_SIMILARITY | RECSYS_FILTER_MAX_DISTANCE)))
    status = recsys__fail(
        error, RECSYS_EINVAL, 0,
        "the filter's similarity limits belong to search and similar; rankers have parameters of their own");
  return status;
}

static void call_end(call *c) {
  recsys__filter_free(c->filter);
  if (c->view)
    recsys__view_release(c->view);
  recsys__fitted_release(c->fitted);
  recsys__fitted_release(c->outer);
}

/* -- histories */

typedef struct entry {
  recsys__rating rating;
  size_t place;
} entry;

/* Of one item's entries, the last one that was given wins. */
static int by_item_then_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->rating.item != y->rating.item)
    return x->rating.item < y->rating.item ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

/* Without ratings, every entry counts as liked: as the largest rating of the store. */
static recsys_status copy_history(recsys__rating **out, size_t *count, const call *c, const int64_t *items,
                                  const float *ratings, const int64_t *times, size_t m, recsys_error *error) {
  size_t n = 0;
  recsys__rating *list = recsys__alloc(m, sizeof *list);
  entry *entries = recsys__alloc(m, sizeof *entries);
  if (!list || !entries) {
    recsys__free(list);
    recsys__free(entries);
    return recsys__no_memory(error, "the history");
  }
  for (size_t i = 0; i < m; i++)
    entries[i] = (entry){{items[i], times ? times[i] : 0, ratings ? ratings[i] : (float)c->fitted->largest}, i};
  if (m)
    qsort(entries, m, sizeof *entries, by_item_then_place);
  for (size_t i = 0; i < m; i++) {
    n -= n && list[n - 1].item == entries[i].rating.item;
    list[n++] = entries[i].rating;
  }
  recsys__free(entries);
  *out = list;
  *count = n;
  return RECSYS_OK;
}

static recsys_status check_history(const int64_t *items, const float *ratings, size_t m, recsys_error *error) {
  if (m && !items)
    return recsys__fail(error, RECSYS_EINVAL, 0, "items is NULL, but the history has %zu entries", m);
  for (size_t i = 0; i < m; i++)
    if (items[i] < 0 || (ratings && !isfinite(ratings[i])))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i,
                          "history entry %zu has a negative item or a rating that is not finite", i);
  return RECSYS_OK;
}

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

/* -- one list */

static bool may_appear(const call *c, const recsys__request *r, int64_t item) {
  return ((recsys__filter_flags(c->filter) & RECSYS_FILTER_RATED) || !is_rated(r, item)) &&
         recsys__view_has_item(c->view, item) && recsys__filter_passes(c->filter, item);
}

static bool is_target(const recsys__request *r, int64_t item) {
  for (size_t i = 0; i < r->target_count; i++)
    if (r->targets[i] == item)
      return true;
  return false;
}

static void put(call *c, size_t list, int64_t item, double score) {
  size_t at = list * c->k + c->counts[list]++;
  c->ids[at] = item;
  c->scores[at] = score;
}

static bool is_listed(const call *c, size_t list, size_t personal, int64_t item) {
  for (size_t i = 0; i < personal; i++)
    if (c->ids[list * c->k + i] == item)
      return true;
  return false;
}

/* Popular items, then those nobody rated, by id, in the places that are left. d: NULL, or what they must keep to. */
static void fill(call *c, const recsys__request *r, size_t list, recsys__diverse *d) {
  size_t personal = c->counts[list];
  const recsys__fitted *f = c->fitted;
  for (size_t i = 0; i < f->n && c->counts[list] < c->k; i++) {
    int64_t item = f->items[f->by_popularity[i]];
    if (may_appear(c, r, item) && !is_target(r, item) && !is_listed(c, list, personal, item) &&
        (!d || recsys__diverse_admit(d, item)))
      put(c, list, item, 0);
  }
  int64_t item = -1;
  while (c->counts[list] < c->k && recsys__view_items(c->view, item, &item, 1) == 1)
    if (recsys__fitted_index(f, item) == f->n && may_appear(c, r, item) && !is_target(r, item) &&
        !is_listed(c, list, personal, item) && (!d || recsys__diverse_admit(d, item)))
      put(c, list, item, 0);
}

/* Keeps the candidates that may appear, best first. */
static size_t pass(const call *c, recsys__request *r, size_t count) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!is_target(r, r->candidates[i].item) && may_appear(c, r, r->candidates[i].item))
      r->candidates[n++] = r->candidates[i];
  if (n)
    qsort(r->candidates, n, sizeof *r->candidates, recsys__candidate_order);
  return n;
}

static void sift_down(recsys__candidate *heap, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && recsys__candidate_order(&heap[child + 1], &heap[child]) > 0)
      child++;
    if (recsys__candidate_order(&heap[at], &heap[child]) >= 0)
      return;
    recsys__candidate swap = heap[at];
    heap[at] = heap[child];
    heap[child] = swap;
  }
}

/* The same for the best k only: whether an item may appear is asked of few. The heap (worst on top) grows at the
 * front of the list. */
static size_t pass_best(const call *c, recsys__request *r, size_t count, size_t k) {
  recsys__candidate *list = r->candidates;
  size_t n = 0;
  if (k >= count / 4)
    return pass(c, r, count);
  for (size_t i = 0; i < count && k; i++) {
    recsys__candidate one = list[i];
    if ((n == k && recsys__candidate_order(&one, &list[0]) >= 0) || is_target(r, one.item) ||
        !may_appear(c, r, one.item))
      continue;
    if (n < k) {
      list[n++] = one;
      for (size_t at = n == k ? n / 2 : 0; at-- > 0;)
        sift_down(list, at, n);
    } else {
      list[0] = one;
      sift_down(list, 0, n);
    }
  }
  if (n)
    qsort(list, n, sizeof *list, recsys__candidate_order);
  return n;
}

/* The candidates that may appear, in the list's order: all, or as many as diversity chooses from. */
static recsys_status order(call *c, recsys__request *r, size_t *n, bool diverse) {
  size_t wanted = diverse && c->k < SIZE_MAX / 16 ? 10 * c->k + 50 : c->k;
  *n = 0;
  for (size_t i = 0; i < r->count; i++)
    if (r->candidates[i].score != 0)
      r->candidates[(*n)++] = r->candidates[i];
  if (!c->ranker->algorithm->arrange) {
    *n = pass_best(c, r, *n, wanted);
    return RECSYS_OK;
  }
  *n = pass(c, r, *n);
  return *n ? c->ranker->algorithm->arrange(r, r->candidates, *n, NULL) : RECSYS_OK;
}

/* Chooses among the ordered candidates; an order of the algorithm's own is kept. */
static size_t diversify(const call *c, recsys__request *r, recsys__diverse *d, size_t n, double *scratch) {
  size_t kept = 0;
  if (!c->ranker->algorithm->arrange)
    return recsys__diverse_pick(d, r->candidates, n, c->k, scratch);
  for (size_t i = 0; i < n && kept < c->k; i++)
    if (recsys__diverse_admit(d, r->candidates[i].item))
      r->candidates[kept++] = r->candidates[i];
  return kept;
}

static recsys_status put_list(call *c, recsys__request *r, size_t list, size_t n, recsys__diverse *d) {
  for (size_t i = 0; i < n && c->counts[list] < c->k; i++)
    put(c, list, r->candidates[i].item, r->candidates[i].score);
  if (c->counts[list] == c->k)
    return RECSYS_OK;
  size_t personal = c->counts[list];
  fill(c, r, list, d);
  if (strcmp(c->ranker->algorithm->name, "popular") != 0 && c->counts[list] > personal)
    return RECSYS_NOTE_FALLBACK_POPULAR;
  return c->counts[list] < c->k ? RECSYS_NOTE_SHORT : RECSYS_OK;
}

static recsys_status make_list(call *c, recsys__request *r, size_t list) {
  bool diverse = recsys__diverse_asked(&c->options);
  recsys__diverse d;
  size_t n = 0;
  recsys_status status = recsys__request_score(r, NULL);
  if (!status)
    status = order(c, r, &n, diverse);
  if (status || !diverse)
    return status ? status : put_list(c, r, list, n, NULL);
  int64_t *listed = recsys__alloc(c->k, sizeof *listed);
  double *scratch = recsys__alloc(n, 2 * sizeof *scratch);
  if (listed && scratch) {
    recsys__diverse_begin(&d, c->ranker, c->view, &c->options, listed);
    n = diversify(c, r, &d, n, scratch);
    status = put_list(c, r, list, n, &d);
  } else {
    status = RECSYS_ENOMEM;
  }
  recsys__free(listed);
  recsys__free(scratch);
  return status;
}

static void one_list(void *context, size_t part) {
  call *c = context;
  size_t list = c->first + part;
  recsys__rating *copy = NULL;
  recsys__request r = {.ranker = c->ranker,
                       .fitted = c->fitted,
                       .view = c->view,
                       .targets = c->options.targets,
                       .target_count = (size_t)c->options.n_targets,
                       .k = c->k,
                       .user = c->users ? c->users[list] : -1,
                       .explained = -1};
  recsys_status status = RECSYS_OK;
  if (c->users) {
    r.history_count = recsys__view_history(c->view, c->users[list], &r.history);
  } else {
    size_t from = (size_t)c->offsets[list], m = (size_t)(c->offsets[list + 1] - c->offsets[list]);
    status = copy_history(&copy, &r.history_count, c, c->items + from, c->ratings ? c->ratings + from : NULL,
                          c->times ? c->times + from : NULL, m, NULL);
    r.history = copy;
  }
  c->results[part] = status ? status : make_list(c, &r, list);
  recsys__free(r.candidates);
  recsys__free(copy);
}

static void clear(call *c, size_t from) {
  for (size_t i = from; i < c->n; i++)
    c->counts[i] = 0;
  for (size_t i = from * c->k; i < c->n * c->k; i++) {
    c->ids[i] = -1;
    c->scores[i] = 0;
  }
}

enum { BLOCK = 64 };

static recsys_status all_lists(call *c, recsys_status *statuses, recsys_error *error) {
  recsys_status results[BLOCK];
  c->results = results;
  for (c->first = 0; c->first < c->n; c->first += BLOCK) {
    size_t n = c->n - c->first < BLOCK ? c->n - c->first : BLOCK;
    recsys__parallel(c->ranker->threads, n, one_list, c);
    for (size_t i = 0; i < n; i++) {
      if (results[i] < 0)
        return recsys__fail(error, results[i], (int32_t)(c->first + i), "list %zu could not be made: %s", c->first + i,
                            recsys_status_name(results[i]));
      if (statuses)
        statuses[c->first + i] = results[i];
    }
    if (c->options.progress && c->options.progress(c->options.progress_user, "recommend", c->first + n, c->n))
      return recsys__fail(error, RECSYS_ECANCELLED, 0, "recommending was cancelled after %zu of %zu lists",
                          c->first + n, c->n);
  }
  return RECSYS_OK;
}

/* The arrays for results; they hold empty lists from here on. */
static recsys_status check_outputs(call *c, recsys_error *error) {
  size_t cells;
  if ((c->n && !c->counts) || (c->n && c->k && (!c->ids || !c->scores)))
    return recsys__fail(error, RECSYS_EINVAL, 0, "ids, scores or counts is NULL");
  if (!recsys__mul(c->n, c->k, &cells) || c->k > UINT32_MAX)
    return recsys__fail(error, RECSYS_EINVAL, 0, "n x k is larger than memory");
  clear(c, 0);
  return RECSYS_OK;
}

static recsys_status recommend(call *c, recsys_ranker *ranker, const recsys_recommend_options *options,
                               recsys_status *statuses, recsys_error *error) {
  recsys_status status = call_begin(c, ranker, options, error);
  if (!status)
    status = all_lists(c, statuses, error);
  if (status)
    clear(c, 0);
  call_end(c);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_ranker_recommend(recsys_ranker *ranker, const int64_t *users, size_t n, size_t k,
                                      const recsys_recommend_options *options, int64_t *ids, double *scores,
                                      uint32_t *counts, recsys_status *statuses, recsys_error *error) {
  call c = {.users = users, .n = n, .k = k, .ids = ids, .scores = scores, .counts = counts};
  recsys_status status = check_outputs(&c, error);
  if (!status && n && !users)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "users is NULL, but n is %zu", n);
  return status ? status : recommend(&c, ranker, options, statuses, error);
}

static recsys_status check_histories(const uint64_t *offsets, const int64_t *items, const float *ratings, size_t n,
                                     recsys_error *error) {
  if (!offsets || offsets[0] != 0)
    return recsys__fail(error, RECSYS_EINVAL, 0, "offsets is NULL or does not begin with 0");
  for (size_t i = 0; i < n; i++)
    if (offsets[i + 1] < offsets[i])
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "offsets[%zu] is smaller than the one before it", i + 1);
  return check_history(items, ratings, (size_t)offsets[n], error);
}

recsys_status recsys_ranker_recommend_from(recsys_ranker *ranker, const uint64_t *offsets, const int64_t *items,
                                           const float *ratings, const int64_t *times, size_t n, size_t k,
                                           const recsys_recommend_options *options, int64_t *ids, double *scores,
                                           uint32_t *counts, recsys_status *statuses, recsys_error *error) {
  static const int64_t nothing[1] = {0};
  call c = {.offsets = offsets,
            .items = items ? items : nothing,
            .ratings = ratings,
            .times = times,
            .n = n,
            .k = k,
            .ids = ids,
            .scores = scores,
            .counts = counts};
  recsys_status status = check_outputs(&c, error);
  if (!status)
    status = check_histories(offsets, items, ratings, n, error);
  return status ? status : recommend(&c, ranker, options, statuses, error);
}

/* -- single scores, and reasons */

recsys_status recsys_ranker_score(recsys_ranker *ranker, int64_t user, const int64_t *items, size_t n,
                                  const recsys_recommend_options *options, double *scores, recsys_error *error) {
  call c = {0};
  if (n && (!items || !scores))
    return recsys__fail(error, RECSYS_EINVAL, 0, "items or scores is NULL");
  recsys_status status = call_begin(&c, ranker, options, error);
  if (!status) {
    recsys__request r = {.ranker = c.ranker,
                         .fitted = c.fitted,
                         .view = c.view,
                         .targets = c.options.targets,
                         .target_count = (size_t)c.options.n_targets,
                         .user = user,
                         .explained = -1};
    r.history_count = recsys__view_history(c.view, user, &r.history);
    status = recsys__request_score(&r, error);
    for (size_t i = 0; i < n; i++) {
      recsys__candidate wanted = {.item = items[i]};
      const recsys__candidate *found =
          status || !r.count ? NULL : bsearch(&wanted, r.candidates, r.count, sizeof wanted, recsys__candidate_by_item);
      scores[i] = found ? found->score : 0;
    }
    recsys__free(r.candidates);
  }
  call_end(&c);
  return status ? status : recsys__ok(error);
}

static int by_contribution(const void *a, const void *b) {
  const recsys_reason *x = a, *y = b;
  if (x->contribution != y->contribution)
    return x->contribution > y->contribution ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

static recsys_status explain(call *c, int64_t user, const recsys__rating *history, size_t m, int64_t item,
                             recsys_reason *reasons, size_t capacity, size_t *count, double *score,
                             recsys_error *error) {
  double sum = 0;
  recsys__request r = {.ranker = c->ranker,
                       .fitted = c->fitted,
                       .view = c->view,
                       .user = user,
                       .history = history,
                       .history_count = m,
                       .targets = c->options.targets,
                       .target_count = (size_t)c->options.n_targets,
                       .explained = item};
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
  call c = {0};
  recsys_status status = check_explain(item, reasons, capacity, count, error);
  if (status)
    return status;
  status = call_begin(&c, ranker, options, error);
  if (!status) {
    const recsys__rating *history;
    size_t m = recsys__view_history(c.view, user, &history);
    status = explain(&c, user, history, m, item, reasons, capacity, count, score, error);
  }
  call_end(&c);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_ranker_explain_from(recsys_ranker *ranker, const int64_t *items, const float *ratings,
                                         const int64_t *times, size_t m, int64_t item,
                                         const recsys_recommend_options *options, recsys_reason *reasons,
                                         size_t capacity, size_t *count, double *score, recsys_error *error) {
  call c = {0};
  recsys__rating *history = NULL;
  size_t n = 0;
  recsys_status status = check_explain(item, reasons, capacity, count, error);
  if (!status)
    status = check_history(items, ratings, m, error);
  if (status)
    return status;
  status = call_begin(&c, ranker, options, error);
  if (!status)
    status = copy_history(&history, &n, &c, items, ratings, times, m, error);
  if (!status)
    status = explain(&c, -1, history, n, item, reasons, capacity, count, score, error);
  recsys__free(history);
  call_end(&c);
  return status ? status : recsys__ok(error);
}
