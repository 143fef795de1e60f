/* recsys_ranker_recommend and _recommend_from: from scores to a list of k, the same for every algorithm. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "ranker/best.h"
#include "ranker/call.h"
#include "ranker/diverse.h"

/* All lists of one call. */
typedef struct call {
  recsys__call shared;
  const int64_t *users; /* or histories: */
  const uint64_t *offsets;
  const int64_t *items;
  const float *ratings;
  const int64_t *times;
  size_t n, k, first, block; /* of n lists of k, `block` from `first` on are being made */
  int64_t *ids;
  double *scores;
  uint32_t *counts;
  recsys_status *results; /* of each list of the block */
} call;

static bool was_rated(const recsys__call *c, int64_t item) {
  size_t at = recsys__fitted_index(c->fitted, item);
  return at < c->fitted->n && c->fitted->counts[at] > 0;
}

static uint8_t source_of(const recsys__call *c, int64_t item) {
  if (c->ranker->algorithm->source)
    return c->ranker->algorithm->source;
  return was_rated(c, item) ? RECSYS_SOURCE_RATINGS : RECSYS_SOURCE_FEATURES;
}

static void put(call *c, size_t list, int64_t item, double score, uint8_t source) {
  size_t at = list * c->k + c->counts[list]++;
  c->ids[at] = item;
  c->scores[at] = score;
  if (c->shared.options.sources)
    c->shared.options.sources[at] = source;
}

static bool is_listed(const call *c, size_t list, int64_t item) {
  for (size_t i = 0; i < c->counts[list]; i++)
    if (c->ids[list * c->k + i] == item)
      return true;
  return false;
}

static int by_id(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

typedef struct filling {
  call *c;
  const recsys__request *r;
  recsys__diverse *d; /* NULL, or what the entries must keep to */
  size_t list;
  int64_t *personal; /* what is listed already, rising */
  size_t count;
} filling;

static void fill_with(const filling *f, int64_t item) {
  if (recsys__call_may_appear(&f->c->shared, f->r, item) && !recsys__call_is_target(f->r, item) &&
      !(f->count && bsearch(&item, f->personal, f->count, sizeof item, by_id)) &&
      (!f->d || recsys__diverse_admit(f->d, item)))
    put(f->c, f->list, item, 0, RECSYS_SOURCE_POPULAR);
}

/* Popular items, then those nobody rated, by id, in the places that are left. false: out of memory. */
static bool fill(call *c, const recsys__request *r, size_t list, recsys__diverse *d) {
  const recsys__fitted *fitted = c->shared.fitted;
  int64_t item = -1;
  filling f = {.c = c, .r = r, .d = d, .list = list, .count = c->counts[list]};
  if (!(f.personal = recsys__copy(c->ids + list * c->k, f.count, sizeof *f.personal)))
    return false;
  if (f.count)
    qsort(f.personal, f.count, sizeof *f.personal, by_id);
  for (size_t i = 0; i < fitted->n && c->counts[list] < c->k; i++)
    fill_with(&f, fitted->items[fitted->by_popularity[i]]);
  while (c->counts[list] < c->k && recsys__view_items(c->shared.view, item, &item, 1) == 1)
    if (recsys__fitted_index(fitted, item) == fitted->n)
      fill_with(&f, item);
  recsys__free(f.personal);
  return true;
}

/* Chooses among the ordered candidates; an order of the algorithm's own is kept. */
static size_t diversify(const recsys__call *c, recsys__request *r, recsys__diverse *d, size_t n, double *scratch) {
  size_t kept = 0;
  if (!c->ranker->algorithm->arrange)
    return recsys__diverse_pick(d, r->candidates, n, r->k, scratch);
  for (size_t i = 0; i < n && kept < r->k; i++)
    if (recsys__diverse_admit(d, r->candidates[i].item))
      r->candidates[kept++] = r->candidates[i];
  return kept;
}

/* The items nobody rated that `content` ranks best for the same history, for the places that new_items keeps. */
static recsys_status find_fresh(const recsys__call *c, recsys__request *r, double share) {
  size_t n = 0;
  recsys_status status = recsys__request_score(r, NULL);
  for (size_t i = 0; i < r->count && !status; i++)
    if (r->candidates[i].score != 0 && !was_rated(c, r->candidates[i].item))
      r->candidates[n++] = r->candidates[i];
  r->count = recsys__best_pass(c, r, n, (size_t)ceil(share * (double)r->k));
  return status;
}

/* Whether the place (1-based) is one of the kept ones: `share` of all, at even distances. */
static bool is_kept(size_t place, double share) {
  return floor((double)place * share + 1e-9) > floor((double)(place - 1) * share + 1e-9);
}

/* n ordered candidates of r, and in the kept places those of `fresh` (NULL: none). */
static void put_list(call *c, const recsys__request *r, size_t n, const recsys__request *fresh, size_t list,
                     recsys__diverse *d) {
  double share = c->shared.ranker->shared[RECSYS__SHARE_OF_NEW].value;
  size_t next = 0, new = 0, left = fresh ? fresh->count : 0;
  while (c->counts[list] < c->k) {
    bool kept = new < left &&is_kept(c->counts[list] + 1, share);
    if (!kept && next == n)
      break;
    const recsys__candidate *one = kept ? &fresh->candidates[new ++] : &r->candidates[next++];
    bool twice = fresh && !was_rated(&c->shared, one->item) && is_listed(c, list, one->item);
    if (!twice && (!kept || !d || recsys__diverse_admit(d, one->item)))
      put(c, list, one->item, one->score, kept ? RECSYS_SOURCE_FEATURES : source_of(&c->shared, one->item));
  }
}

/* The note of a list that the ranker could not fill by itself. */
static recsys_status finish_list(call *c, const recsys__request *r, size_t list, recsys__diverse *d) {
  size_t personal = c->counts[list];
  if (personal == c->k)
    return RECSYS_OK;
  if (!fill(c, r, list, d))
    return RECSYS_ENOMEM;
  if (c->shared.ranker->algorithm->source != RECSYS_SOURCE_POPULAR && c->counts[list] > personal)
    return RECSYS_NOTE_FALLBACK_POPULAR;
  return c->counts[list] < c->k ? RECSYS_NOTE_SHORT : RECSYS_OK;
}

static recsys_status make_list(call *c, recsys__request *r, const recsys__request *fresh, size_t list) {
  bool diverse = recsys__diverse_asked(&c->shared.options);
  recsys__diverse d;
  size_t n = 0;
  recsys_status status = recsys__best_order(&c->shared, r, &n, diverse);
  if (status)
    return status;
  if (!diverse) {
    put_list(c, r, n, fresh, list, NULL);
    return finish_list(c, r, list, NULL);
  }
  int64_t *listed = recsys__alloc(2 * c->k, sizeof *listed);
  double *scratch = recsys__alloc(n, 2 * sizeof *scratch);
  status = RECSYS_ENOMEM;
  if (listed && scratch) {
    recsys__diverse_begin(&d, c->shared.ranker, c->shared.view, &c->shared.options, listed);
    n = diversify(&c->shared, r, &d, n, scratch);
    put_list(c, r, n, fresh, list, &d);
    status = finish_list(c, r, list, &d);
  }
  recsys__free(listed);
  recsys__free(scratch);
  return status;
}

static recsys_status with_fresh(call *c, recsys__request *r, size_t list) {
  const recsys__fitted *f = c->shared.fitted;
  if (!f->fresh)
    return make_list(c, r, NULL, list);
  recsys__request fresh = *r;
  fresh.rough = NULL;
  recsys__fitted *fitted = recsys__ranker_fitted(f->fresh);
  fresh.ranker = f->fresh;
  fresh.fitted = fitted;
  recsys_status status = find_fresh(&c->shared, &fresh, c->shared.ranker->shared[RECSYS__SHARE_OF_NEW].value);
  if (!status)
    status = make_list(c, r, &fresh, list);
  recsys__free(fresh.candidates);
  recsys__fitted_release(fitted);
  return status;
}

static recsys_status find_history(const call *c, size_t list, recsys__history *history) {
  if (c->users)
    return recsys__call_history(&c->shared, history, c->users[list], NULL);
  size_t from = (size_t)c->offsets[list], m = (size_t)(c->offsets[list + 1] - c->offsets[list]);
  return recsys__call_history_from(&c->shared, history, c->items + from, c->ratings ? c->ratings + from : NULL,
                                   c->times ? c->times + from : NULL, m, NULL);
}

enum { TOGETHER = 4 }; /* lists whose rough scores are made at once */

static void some_lists(void *context, size_t part) {
  call *c = context;
  const recsys__learned *l = c->shared.fitted->learned;
  size_t first = part * TOGETHER, n = c->block - first < TOGETHER ? c->block - first : TOGETHER;
  recsys__history histories[TOGETHER] = {{0}};
  recsys__request requests[TOGETHER];
  recsys__rough roughs[TOGETHER] = {{.slack = 0}};
  bool chosen = recsys__rough_wanted(&c->shared, c->k) > 0, ok = true;
  float *scores = chosen ? recsys__alloc(l->padded, TOGETHER * sizeof *scores) : NULL;
  for (size_t i = 0; i < n; i++) {
    size_t list = c->first + first + i;
    ok = ok && !find_history(c, list, &histories[i]);
    requests[i] = recsys__call_request(&c->shared, c->users ? c->users[list] : -1, &histories[i], c->k);
    requests[i].rough = chosen ? &roughs[i] : NULL;
    ok = ok && (!chosen || (scores && recsys__rough_begin(&roughs[i], &requests[i])));
  }
  if (ok && chosen)
    ok = recsys__rough_scores(roughs, &c->shared, scores);
  for (size_t i = 0; i < n; i++) {
    c->results[first + i] = ok ? with_fresh(c, &requests[i], c->first + first + i) : RECSYS_ENOMEM;
    recsys__free(requests[i].candidates);
    recsys__history_free(&histories[i]);
    recsys__rough_free(&roughs[i]);
  }
  recsys__free(scores);
}

static void clear(call *c, size_t from) {
  for (size_t i = from; i < c->n; i++)
    c->counts[i] = 0;
  for (size_t i = from * c->k; i < c->n * c->k; i++) {
    c->ids[i] = -1;
    c->scores[i] = 0;
    if (c->shared.options.sources)
      c->shared.options.sources[i] = RECSYS_SOURCE_NONE;
  }
}

enum { BLOCK = 256 };

static recsys_status all_lists(call *c, recsys_status *statuses, recsys_error *error) {
  recsys_status results[BLOCK];
  c->results = results;
  for (c->first = 0; c->first < c->n; c->first += BLOCK) {
    size_t n = c->block = c->n - c->first < BLOCK ? c->n - c->first : BLOCK;
    recsys__parallel(c->shared.ranker->threads, (n + TOGETHER - 1) / TOGETHER, some_lists, c);
    for (size_t i = 0; i < n; i++) {
      if (results[i] < 0)
        return recsys__fail(error, results[i], (int32_t)(c->first + i), "list %zu could not be made: %s", c->first + i,
                            recsys_status_name(results[i]));
      if (statuses)
        statuses[c->first + i] = results[i];
    }
    if (c->shared.options.progress &&
        c->shared.options.progress(c->shared.options.progress_user, "recommend", c->first + n, c->n))
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
  recsys_status status = recsys__call_begin(&c->shared, ranker, options, error);
  clear(c, 0);
  if (!status)
    status = all_lists(c, statuses, error);
  if (status)
    clear(c, 0);
  recsys__call_end(&c->shared);
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
  return recsys__call_check_history(items, ratings, (size_t)offsets[n], error);
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
