/* One list in the making: summands are collected as they come, then sorted and added up by item. */
#include <stdlib.h>

#include "ranker/ranker.h"

bool recsys__request_reason(recsys__request *r, const recsys_reason *reason) {
  if (!recsys__grow((void **)&r->reasons, &r->reason_room, r->reason_count + 1, sizeof *r->reasons))
    return false;
  r->reasons[r->reason_count++] = *reason;
  return true;
}

bool recsys__request_add(recsys__request *r, int64_t item, double part, int32_t kind, int64_t from, double similarity,
                         double rating) {
  recsys_reason reason = {.kind = kind, .item = from, .contribution = part, .similarity = similarity, .rating = rating};
  if (item == r->explained && !recsys__request_reason(r, &reason))
    return false;
  if (!recsys__grow((void **)&r->candidates, &r->room, r->count + 1, sizeof *r->candidates))
    return false;
  r->candidates[r->count++] = (recsys__candidate){item, part};
  return true;
}

int recsys__candidate_by_item(const void *a, const void *b) {
  const recsys__candidate *x = a, *y = b;
  return (x->item > y->item) - (x->item < y->item);
}

static int by_item(const void *a, const void *b) {
  const recsys__candidate *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return (x->score > y->score) - (x->score < y->score); /* a fixed order of summation */
}

int recsys__candidate_order(const void *a, const void *b) {
  const recsys__candidate *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

void recsys__request_sum(recsys__request *r) {
  size_t n = 0;
  if (r->count)
    qsort(r->candidates, r->count, sizeof *r->candidates, by_item);
  for (size_t i = 0; i < r->count; i++) {
    if (n && r->candidates[n - 1].item == r->candidates[i].item)
      r->candidates[n - 1].score += r->candidates[i].score;
    else
      r->candidates[n++] = r->candidates[i];
  }
  r->count = n;
}

/* -- learned models */

double recsys__scaled_rating(const recsys__request *r, const recsys__rating *rating, bool binary) {
  return binary ? 1 : (double)rating->value / r->fitted->largest;
}

/* The latest entries of the history. */
static void find_newest(recsys__request *r) {
  for (size_t i = 0; i < r->history_count; i++) {
    bool later = !i || r->history[i].time > r->newest;
    r->newest = later ? r->history[i].time : r->newest;
    r->newest_count = later ? 1 : r->newest_count + (r->history[i].time == r->newest);
  }
}

bool recsys__request_profile(recsys__request *r, recsys__profile *p) {
  const recsys__learned *l = r->fitted->learned;
  find_newest(r);
  *p = (recsys__profile){.length = r->history_count, .user = r->user, .threads = r->ranker->threads};
  p->rows = recsys__alloc(r->history_count, sizeof *p->rows);
  p->weights = recsys__alloc(r->history_count, sizeof *p->weights);
  size_t from = 0;
  for (size_t i = 0; p->rows && p->weights && i < r->history_count; i++) {
    size_t row = recsys__learned_row(l, r->history[i].item, &from);
    if (row == l->rated_count)
      continue;
    p->rows[p->n] = (uint32_t)row;
    p->weights[p->n++] = r->ranker->algorithm->weight(r, &r->history[i]);
  }
  return p->rows && p->weights;
}

static bool all_scores(recsys__request *r, const recsys__profile *p) {
  const recsys__learned *l = r->fitted->learned;
  double *scores = recsys__alloc(l->n, sizeof *scores);
  r->candidates = recsys__alloc(l->n, sizeof *r->candidates);
  bool ok = scores && r->candidates && recsys__learned_scores(l, p, scores);
  for (size_t i = 0; ok && i < l->n; i++)
    r->candidates[i] = (recsys__candidate){l->items[i], scores[i]};
  r->count = r->room = ok ? l->n : 0;
  recsys__free(scores);
  return ok;
}

/* Reasons of a model that is not linear in its history: none, but its score is known. */
static bool learned_reasons(recsys__request *r, const recsys__profile *p) {
  const recsys__learned *l = r->fitted->learned;
  size_t at = recsys__place_of(l->items, l->n, r->explained), next = 0;
  double constant, *parts = recsys__alloc(p->n, sizeof *parts);
  bool ok = parts != NULL;
  if (ok && at < l->n && l->shape != RECSYS__USERS && (ok = recsys__learned_parts(l, p, at, parts, &constant))) {
    for (size_t i = 0; ok && i < r->history_count && next < p->n; i++) {
      const recsys__rating *one = &r->history[i];
      if (one->item != l->rated[p->rows[next]])
        continue;
      recsys_reason reason = {
          .kind = RECSYS_REASON_ITEM, .item = one->item, .contribution = parts[next++], .rating = (double)one->value};
      ok = reason.contribution == 0 || recsys__request_reason(r, &reason);
    }
    recsys_reason rest = {.kind = RECSYS_REASON_CONSTANT, .item = -1, .contribution = constant};
    ok = ok && (constant == 0 || recsys__request_reason(r, &rest));
  } else if (ok && at < l->n) {
    r->explained_score = r->candidates[at].score;
    r->explained_score_set = true;
  }
  recsys__free(parts);
  return ok;
}

recsys_status recsys__request_score(recsys__request *r, recsys_error *error) {
  recsys__profile profile;
  if (r->ranker->algorithm->score)
    return r->ranker->algorithm->score(r, error);
  if (!r->fitted->learned)
    return RECSYS_OK;
  bool ok = recsys__request_profile(r, &profile);
  if (ok && profile.n)
    ok = all_scores(r, &profile) && (r->explained < 0 || learned_reasons(r, &profile));
  recsys__free(profile.rows);
  recsys__free(profile.weights);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the scores");
}

/* -- looks */

recsys_status recsys__neighbours(const recsys__request *r, int64_t item, size_t k, uint32_t metric,
                                 const recsys_filter *filter, recsys__candidate **list, size_t *count,
                                 recsys_error *error) {
  int32_t space;
  recsys__filter *compiled = NULL;
  *list = NULL;
  *count = 0;
  recsys_status status = recsys__view_space(r->view, r->ranker->fingerprint, &space, error);
  if (status || !recsys__view_has_embedding(r->view, space, item))
    return status == RECSYS_ENOTFOUND ? RECSYS_OK : status; /* without a picture it contributes nothing */
  size_t items = recsys__view_item_count(r->view);
  k = k < items ? k : items;
  int64_t *ids = recsys__alloc(k, sizeof *ids);
  double *scores = recsys__alloc(k, sizeof *scores);
  *list = recsys__alloc(k, sizeof **list);
  status = ids && scores && *list ? recsys__filter_compile(&compiled, r->view, filter, error)
                                  : recsys__no_memory(error, "a list of neighbours");
  if (!status)
    status = recsys__view_similar(r->view, space, item, k, metric, compiled, 1, ids, scores, count, error);
  for (size_t i = 0; !status && i < *count; i++)
    (*list)[i] = (recsys__candidate){ids[i], metric == RECSYS_METRIC_COSINE ? scores[i] : 1 / (1 + scores[i])};
  recsys__filter_free(compiled);
  recsys__free(ids);
  recsys__free(scores);
  if (status) {
    recsys__free(*list);
    *list = NULL;
    *count = 0;
  }
  return status;
}
