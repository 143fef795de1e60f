/* recsys_ranker_fit and _refresh: what a ranker learns, and how it is published. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "ranker/ranker.h"

void recsys__fitted_release(recsys__fitted *f) {
  if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
    return;
  recsys__free(f->items);
  recsys__free(f->counts);
  recsys__free(f->sums);
  recsys__free(f->recent);
  recsys__free(f->by_popularity);
  recsys__learned_release(f->learned);
  for (size_t i = 0; i < f->part_count; i++)
    recsys_ranker_close(f->parts[i]);
  recsys__free(f->parts);
  recsys__free(f->weights);
  recsys_ranker_close(f->fresh);
  recsys__free(f);
}

recsys__fitted *recsys__ranker_fitted(recsys_ranker *ranker) {
  recsys__lock_take(&ranker->latch);
  recsys__fitted *fitted = ranker->fitted;
  if (fitted)
    atomic_fetch_add(&fitted->references, 1);
  recsys__lock_give(&ranker->latch);
  return fitted;
}

size_t recsys__fitted_index(const recsys__fitted *f, int64_t item) {
  return recsys__place_of(f->items, f->n, item);
}

static int popularity_order(const void *a, const void *b, void *context) {
  const recsys__fitted *f = context;
  const double *counts = f->recent ? f->recent : f->counts;
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  if (counts[x] != counts[y])
    return counts[x] > counts[y] ? -1 : 1;
  return (x > y) - (x < y);
}

bool recsys__fitted_publish(recsys_ranker *ranker, recsys__fitted *f) {
  if (!f->by_popularity && !(f->by_popularity = recsys__alloc(f->n, sizeof *f->by_popularity)))
    return false;
  if (f->learned && f->learned->shape != RECSYS__NOTHING && !recsys__learned_prepare(f->learned))
    return false;
  for (size_t i = 0; i < f->n; i++)
    f->by_popularity[i] = (uint32_t)i;
  if (f->n)
    qsort_r(f->by_popularity, f->n, sizeof *f->by_popularity, popularity_order, f);
  recsys__lock_take(&ranker->latch);
  recsys__fitted *old = ranker->fitted;
  ranker->fitted = f;
  recsys__lock_give(&ranker->latch);
  recsys__fitted_release(old);
  return true;
}

/* -- what every algorithm knows: counts and sums */

static recsys__fitted *fitted_new(const recsys__view *view, bool fading) {
  recsys__fitted *f = recsys__calloc(1, sizeof *f);
  if (!f)
    return NULL;
  atomic_init(&f->references, 1);
  f->n = recsys__view_item_count(view);
  f->items = recsys__alloc(f->n, sizeof *f->items);
  f->counts = recsys__calloc(f->n, sizeof *f->counts);
  f->sums = recsys__calloc(f->n, sizeof *f->sums);
  f->recent = fading ? recsys__calloc(f->n, sizeof *f->recent) : NULL;
  f->by_popularity = recsys__alloc(f->n, sizeof *f->by_popularity);
  if (f->items && f->counts && f->sums && f->by_popularity && (f->recent || !fading)) {
    f->n = recsys__view_items(view, -1, f->items, f->n);
    return f;
  }
  recsys__fitted_release(f);
  return NULL;
}

typedef struct totals {
  double sum, count;
} totals;

static void count_history(recsys__fitted *f, const recsys__history *h, int64_t now, double decay, totals *t) {
  size_t from = 0;
  for (size_t i = 0; i < h->n; i++) {
    size_t at = recsys__place_after(f->items, f->n, h->entries[i].item, &from);
    double value = (double)h->entries[i].value;
    if (at == f->n)
      continue;
    f->counts[at]++;
    f->sums[at] += value;
    if (f->recent)
      f->recent[at] += recsys__faded(now, h->entries[i].time, decay);
    t->sum += value;
    t->count++;
    f->largest = value > f->largest ? value : f->largest;
  }
}

/* The latest time of any rating or event. */
static int64_t newest_time(const recsys__view *view) {
  const recsys__rating *ratings;
  int64_t user = -1, now = recsys__view_newest_event(view);
  while (recsys__view_users(view, user, &user, 1) == 1)
    for (size_t i = 0, n = recsys__view_history(view, user, &ratings); i < n; i++)
      now = ratings[i].time > now ? ratings[i].time : now;
  return now;
}

static bool count_ratings(recsys__fitted *f, const recsys__view *view, const recsys__scale *scale, double days) {
  totals t = {0, 0};
  int64_t user = -1, now = days > 0 ? newest_time(view) : 0;
  while (recsys__view_users(view, user, &user, 1) == 1) {
    recsys__history h;
    bool ok = recsys__history_of(&h, scale, view, user);
    if (ok)
      count_history(f, &h, now, days * 86400, &t);
    recsys__history_free(&h);
    if (!ok)
      return false;
  }
  f->global_mean = t.count > 0 ? t.sum / t.count : 0;
  f->largest = f->largest > 0 ? f->largest : 1;
  return true;
}

/* The same from the matrix, where there is one. */
static void count_matrix(recsys__fitted *f, const recsys__interactions *x) {
  size_t from = 0;
  for (size_t i = 0; i < x->by_item.rows; i++) {
    size_t at = recsys__place_after(f->items, f->n, x->items[i], &from);
    uint64_t first = x->by_item.offsets[i], end = x->by_item.offsets[i + 1];
    f->counts[at] = (double)(end - first);
    for (uint64_t e = first; e < end; e++)
      f->sums[at] += (double)x->by_item.values[e];
  }
  f->global_mean = x->mean;
  f->largest = x->by_item.rows && x->largest > 1e-30 ? x->largest : 1;
}

/* -- learning */

recsys_status recsys__fit_progress(const recsys__fitting *f, uint64_t done, uint64_t total, recsys_error *error) {
  if (f->options->progress && f->options->progress(f->options->progress_user, "fit", done, total))
    return recsys__fail(error, RECSYS_ECANCELLED, 0, "fitting was cancelled; the ranker is as it was before");
  return RECSYS_OK;
}

/* Three quarters of the machine's memory, unless the caller says otherwise. */
static uint64_t memory_limit_of(const recsys_fit_options *options) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (options->memory_limit)
    return options->memory_limit;
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 * 3 : UINT64_MAX;
}

recsys_status recsys__fit_memory(const recsys__fitting *fitting, uint64_t need, size_t n, recsys_error *error) {
  if (need <= fitting->memory_limit)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_ENOMEM, 0,
                      "%s needs %llu MiB for %zu rated items, and the limit is %llu MiB; use als, or set memory_limit",
                      fitting->ranker->algorithm->name, (unsigned long long)(need >> 20), n,
                      (unsigned long long)(fitting->memory_limit >> 20));
}

static recsys_status fit_chosen(const recsys__fitting *fitting, recsys_error *error) {
  recsys__choice choice = {0};
  recsys__fitted *f = fitting->fitted;
  double *own = NULL, asked = fitting->ranker->shared[RECSYS__SHARE_OF_NEW].value;
  recsys_status status = fitting->ranker->algorithm->choose(fitting, &choice, error);
  if (!status && !(f->parts = recsys__calloc(1, sizeof *f->parts)))
    status = recsys__no_memory(error, "the ranker");
  if (!status)
    status = recsys__part_new(fitting->ranker, choice.algorithm, &f->parts[0], error);
  if (status)
    return status;
  f->part_count = 1;
  own = &f->parts[0]->shared[RECSYS__SHARE_OF_NEW].value;
  *own = asked > 0 ? asked : choice.new_items;
  memcpy(f->reason, choice.reason, sizeof f->reason);
  return recsys__ranker_fit_on(f->parts[0], fitting->view, fitting->options, error);
}

static recsys_status fit_fresh(const recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  if (!(ranker->shared[RECSYS__SHARE_OF_NEW].value > 0) || ranker->algorithm->choose)
    return RECSYS_OK;
  recsys_status status = recsys__part_new(ranker, "content", &fitting->fitted->fresh, error);
  return status ? status : recsys__ranker_fit_on(fitting->fitted->fresh, fitting->view, fitting->options, error);
}

/* Whether the algorithm needs the matrix of ratings; old: what was learned before, for a refresh, else NULL. */
static bool needs_matrix(const recsys__algorithm *algorithm, const recsys__fitted *old) {
  if (old)
    return old->learned && algorithm->refresh && !old->part_count;
  return algorithm->fit || algorithm->choose || algorithm->compose;
}

static recsys_status learn(recsys__fitting *fitting, const recsys__fitted *old, recsys_error *error) {
  const recsys__algorithm *algorithm = fitting->ranker->algorithm;
  recsys__fitted *f = fitting->fitted;
  if (old && old->learned && !algorithm->refresh) {
    atomic_fetch_add(&old->learned->references, 1);
    f->learned = old->learned;
    f->largest = old->largest; /* the scale that its weights are of */
  }
  if (!needs_matrix(algorithm, old))
    return RECSYS_OK;
  if (algorithm->fit && !(fitting->learned = f->learned = recsys__learned_new()))
    return recsys__no_memory(error, "the ranker");
  if (old)
    return algorithm->refresh(fitting, old->learned, error);
  if (algorithm->fit)
    return algorithm->fit(fitting, error);
  return algorithm->choose ? fit_chosen(fitting, error) : algorithm->compose(fitting, error);
}

/* The parts of a composed ranker, opened anew on the same learned state and refreshed. */
static recsys_status refresh_parts(const recsys__fitting *fitting, const recsys__fitted *old, recsys_error *error);

static recsys_status count(recsys__fitting *fitting, const recsys__fitted *old, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  double days = ranker->algorithm->decay ? ranker->algorithm->decay(ranker) : 0;
  recsys_status status = RECSYS_OK;
  recsys__fitted *f = fitting->fitted = fitted_new(fitting->view, days > 0);
  if (!f)
    return recsys__no_memory(error, "the fitted ranker");
  if (!needs_matrix(ranker->algorithm, old))
    return count_ratings(f, fitting->view, fitting->scale, days) ? RECSYS_OK
                                                                 : recsys__no_memory(error, "the fitted ranker");
  status = recsys__interactions_make(&fitting->x, fitting->view, fitting->scale, error);
  if (!status)
    count_matrix(f, &fitting->x);
  return status;
}

static recsys_status make(recsys__fitting *fitting, const recsys__fitted *old, recsys_error *error) {
  recsys_status status = count(fitting, old, error);
  if (!status)
    status = recsys__fit_progress(fitting, 0, 1, error);
  if (!status && old && old->part_count)
    status = refresh_parts(fitting, old, error);
  else if (!status)
    status = learn(fitting, old, error);
  recsys__interactions_free(&fitting->x);
  if (!status)
    status = fit_fresh(fitting, error);
  return status ? status : recsys__fit_progress(fitting, 1, 1, error);
}

static recsys_status fit_or_refresh(recsys_ranker *ranker, const recsys__view *view, const recsys_fit_options *options,
                                    const recsys__fitted *old, recsys_error *error) {
  recsys__scale scale;
  recsys__scale_make(&scale, ranker->shared, view);
  recsys__fitting fitting = {
      .ranker = ranker, .view = view, .scale = &scale, .options = options, .memory_limit = memory_limit_of(options)};
  recsys_status status = make(&fitting, old, error);
  if (!status && !recsys__fitted_publish(ranker, fitting.fitted))
    status = recsys__no_memory(error, "the fitted ranker");
  if (status)
    recsys__fitted_release(fitting.fitted);
  return status;
}

static recsys_status refresh_parts(const recsys__fitting *fitting, const recsys__fitted *old, recsys_error *error) {
  recsys__fitted *f = fitting->fitted;
  recsys_status status = RECSYS_OK;
  memcpy(f->reason, old->reason, sizeof f->reason);
  f->parts = recsys__calloc(old->part_count, sizeof *f->parts);
  if (old->weights)
    f->weights = recsys__copy(old->weights, RECSYS__BANDS * old->part_count, sizeof *f->weights);
  if (!f->parts || (old->weights && !f->weights))
    return recsys__no_memory(error, "the ranker");
  for (size_t i = 0; i < old->part_count && !status; i++) {
    recsys__fitted *before = recsys__ranker_fitted(old->parts[i]);
    status = recsys__ranker_twin(old->parts[i], &f->parts[i], error);
    f->part_count = i + !status;
    if (!status)
      status = fit_or_refresh(f->parts[i], fitting->view, fitting->options, before, error);
    recsys__fitted_release(before);
  }
  return status;
}

recsys_status recsys__ranker_fit_on(recsys_ranker *ranker, const recsys__view *view, const recsys_fit_options *options,
                                    recsys_error *error) {
  return fit_or_refresh(ranker, view, options, NULL, error);
}

/* -- the public functions */

static recsys_status on_store(recsys_ranker *ranker, const recsys_fit_options *options, const recsys__fitted *old,
                              recsys_error *error) {
  recsys_fit_options mine;
  recsys_status status = recsys__options_copy(&mine, sizeof mine, options, "recsys_fit_options", error);
  if (status)
    return status;
  const recsys__view *view = recsys__store_core_view(ranker->core);
  status = fit_or_refresh(ranker, view, &mine, old, error);
  recsys__view_release(view);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_ranker_fit(recsys_ranker *ranker, const recsys_fit_options *options, recsys_error *error) {
  if (!ranker)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; create one first");
  return on_store(ranker, options, NULL, error);
}

recsys_status recsys_ranker_refresh(recsys_ranker *ranker, const recsys_fit_options *options, recsys_error *error) {
  if (!ranker)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; create one first");
  recsys__fitted *old = recsys__ranker_fitted(ranker);
  if (!old)
    return recsys__fail(error, RECSYS_ENOTFITTED, 0, "the ranker was not fitted; call recsys_ranker_fit first");
  recsys_status status = on_store(ranker, options, old, error);
  recsys__fitted_release(old);
  return status;
}
