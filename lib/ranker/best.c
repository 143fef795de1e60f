/* Choosing the best candidates of a list. */
#include "ranker/best.h"

#include <math.h>
#include <stdlib.h>

#include "base/matrix_kernel.h"
#include "ranker/diverse.h"

/* Keeps the candidates that may appear, best first. */
static size_t pass(const recsys__call *c, recsys__request *r, size_t count) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!recsys__call_is_target(r, r->candidates[i].item) && recsys__call_may_appear(c, r, r->candidates[i].item))
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
size_t recsys__best_pass(const recsys__call *c, recsys__request *r, size_t count, size_t k) {
  recsys__candidate *list = r->candidates;
  size_t n = 0;
  if (k >= count / 4)
    return pass(c, r, count);
  for (size_t i = 0; i < count && k; i++) {
    recsys__candidate one = list[i];
    if ((n == k && recsys__candidate_order(&one, &list[0]) >= 0) || recsys__call_is_target(r, one.item) ||
        !recsys__call_may_appear(c, r, one.item))
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

/* -- of a learned model: chosen by float scores, ordered by exact ones */

void recsys__rough_free(recsys__rough *x) {
  recsys__free(x->profile.rows);
  recsys__free(x->profile.weights);
  recsys__free(x->exact);
  recsys__free(x->u);
  recsys__free(x->best);
  recsys__free(x->noted);
}

/* How many of the best are wanted; 0: this list is not chosen in this way. */
size_t recsys__rough_wanted(const recsys__call *c, size_t k) {
  const recsys__algorithm *algorithm = c->ranker->algorithm;
  const recsys__learned *l = c->fitted->learned;
  size_t wanted = recsys__diverse_asked(&c->options) && k < SIZE_MAX / 16 ? 10 * k + 50 : k;
  return l && !algorithm->score && !algorithm->arrange && wanted < l->n / 4 ? wanted : 0;
}

/* The history in the model's terms, and the scores or what they are made from. */
bool recsys__rough_begin(recsys__rough *x, recsys__request *r) {
  const recsys__learned *l = r->fitted->learned;
  if (!recsys__request_profile(r, &x->profile))
    return false;
  if (!x->profile.n)
    return true;
  if (l->shape == RECSYS__FACTORS)
    return (x->u = recsys__alloc(l->factors, sizeof *x->u)) && recsys__learned_solve(l, &x->profile, x->u);
  return (x->exact = recsys__alloc(l->n, sizeof *x->exact)) && recsys__learned_scores(l, &x->profile, x->exact);
}

/* Rough scores of up to four lists: scores has room for 4 x padded. */
bool recsys__rough_scores(recsys__rough list[4], const recsys__call *c, float *scores) {
  const recsys__learned *l = c->fitted->learned;
  double slack[4], *u[4];
  bool rated_too = (recsys__filter_flags(c->filter) & RECSYS_FILTER_RATED) != 0;
  for (size_t q = 0; q < 4; q++) {
    list[q].scores = scores + q * l->padded;
    u[q] = list[q].u;
  }
  if (l->shape == RECSYS__FACTORS && !recsys__learned_rough(l, u, scores, slack))
    return false;
  for (size_t q = 0; q < 4; q++) {
    recsys__rough *x = &list[q];
    if (x->u)
      x->slack = slack[q];
    if (x->exact)
      x->slack = recsys__dense_at(0)->narrow(x->scores, x->exact, l->n) * 0x1p-24;
    x->own_rated = !rated_too && (l->shape == RECSYS__FACTORS || l->shape == RECSYS__SPARSE);
    for (size_t i = 0; x->own_rated && i < x->profile.n; i++)
      x->scores[x->profile.rows[i]] = -INFINITY;
  }
  return true;
}

/* That an item was removed since the fit is rare, and asked of the finished list only. */
static bool may_be_listed(const recsys__rough *x, const recsys__call *c, const recsys__request *r, int64_t item) {
  return !recsys__call_is_target(r, item) &&
         (x->own_rated ? recsys__filter_passes(c->filter, item) : recsys__call_is_wanted(c, r, item)) &&
         (!x->removed || recsys__view_has_item(c->view, item));
}

/* The k best by rough scores, and a note of all that could be among the k best by exact ones: the bound only rises.
 * false: out of memory. */
static bool choose_roughly(recsys__rough *x, const recsys__call *c, const recsys__request *r, size_t k) {
  const recsys__learned *l = r->fitted->learned;
  const float *scores = x->scores;
  double worst = -INFINITY, bound = -INFINITY;
  for (size_t i = 0, n = l->n; i < n; i++) {
    if (!((double)scores[i] > bound))
      continue;
    recsys__candidate one = {l->items[i], (double)scores[i]};
    if ((x->exact && x->exact[i] == 0) || !may_be_listed(x, c, r, one.item))
      continue;
    if (!recsys__grow((void **)&x->noted, &x->room, x->noted_count + 1, sizeof *x->noted))
      return false;
    x->noted[x->noted_count++] = (uint32_t)i;
    if (x->n == k && !(one.score > worst))
      continue;
    if (x->n < k) {
      x->best[x->n++] = one;
      for (size_t at = x->n == k ? k / 2 : 0; at-- > 0;)
        sift_down(x->best, at, k);
    } else {
      x->best[0] = one;
      sift_down(x->best, 0, k);
    }
    worst = x->n == k ? x->best[0].score : worst;
    bound = x->n == k ? worst - 2 * x->slack - fabs(worst) * 0x1p-50 : bound; /* not above an equal score */
  }
  return true;
}

/* Exact scores of all that could be among the k best, best first. */
static bool choose(recsys__rough *x, const recsys__call *c, recsys__request *r, size_t k) {
  const recsys__learned *l = r->fitted->learned;
  x->n = x->noted_count = r->count = 0;
  if (!choose_roughly(x, c, r, k))
    return false;
  double from = x->n < k ? -INFINITY : x->best[0].score - 2 * x->slack;
  for (size_t e = 0; e < x->noted_count; e++) {
    uint32_t i = x->noted[e];
    if ((double)x->scores[i] < from)
      continue;
    recsys__candidate one = {l->items[i], x->exact ? x->exact[i] : recsys__learned_exact(l, x->u, i)};
    if (one.score == 0)
      continue;
    if (!recsys__grow((void **)&r->candidates, &r->room, r->count + 1, sizeof *r->candidates))
      return false;
    r->candidates[r->count++] = one;
  }
  if (r->count)
    qsort(r->candidates, r->count, sizeof *r->candidates, recsys__candidate_order);
  r->count = r->count < k ? r->count : k;
  return true;
}

static bool all_exist(const recsys__call *c, const recsys__request *r) {
  for (size_t i = 0; i < r->count; i++)
    if (!recsys__view_has_item(c->view, r->candidates[i].item))
      return false;
  return true;
}

static recsys_status best_learned(const recsys__call *c, recsys__request *r, size_t *n) {
  recsys__rough *x = r->rough;
  size_t k = recsys__rough_wanted(c, r->k);
  *n = 0;
  if (!x->profile.n)
    return RECSYS_OK;
  bool ok = (x->best || (x->best = recsys__alloc(k, sizeof *x->best))) && choose(x, c, r, k);
  if (ok && !all_exist(c, r)) {
    x->removed = true;
    ok = choose(x, c, r, k);
  }
  *n = r->count;
  return ok ? RECSYS_OK : RECSYS_ENOMEM;
}

/* The candidates that may appear, in the list's order: all, or as many as diversity chooses from. */
recsys_status recsys__best_order(const recsys__call *c, recsys__request *r, size_t *n, bool diverse) {
  const recsys__algorithm *algorithm = c->ranker->algorithm;
  size_t wanted = diverse && r->k < SIZE_MAX / 16 ? 10 * r->k + 50 : r->k;
  if (r->rough)
    return best_learned(c, r, n);
  *n = 0;
  recsys_status status = recsys__request_score(r, NULL);
  for (size_t i = 0; i < r->count && !status; i++)
    if (r->candidates[i].score != 0)
      r->candidates[(*n)++] = r->candidates[i];
  if (status)
    return status;
  if (!algorithm->arrange) {
    *n = recsys__best_pass(c, r, *n, wanted);
    return RECSYS_OK;
  }
  *n = pass(c, r, *n);
  return *n ? algorithm->arrange(r, r->candidates, *n, NULL) : RECSYS_OK;
}
