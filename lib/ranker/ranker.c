/* recsys_ranker_create, _fit, _describe, _close: the handle and what it learns. */
#include "ranker/ranker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/thread.h"
#include "ranker/algorithms.h"
#include "ranker/looks.h"

static const recsys__algorithm *const algorithms[] = {
    &recsys__auto,     &recsys__ease,    &recsys__content, &recsys__slim,     &recsys__als,
    &recsys__pure_svd, &recsys__svd,     &recsys__bpr,     &recsys__vbpr,     &recsys__item_knn,
    &recsys__user_knn, &recsys__rp3beta, &recsys__visual,  &recsys__category, &recsys__popular};

const recsys__algorithm *recsys__algorithm_at(size_t index) {
  return index < sizeof algorithms / sizeof *algorithms ? algorithms[index] : NULL;
}

double recsys__number(const recsys_ranker *ranker, size_t index) {
  return ranker->settings[index].value;
}

const char *recsys__text(const recsys_ranker *ranker, size_t index) {
  return ranker->settings[index].text;
}

static const recsys__algorithm *find_algorithm(const char *name) {
  for (size_t i = 0; recsys__algorithm_at(i); i++)
    if (!strcmp(recsys__algorithm_at(i)->name, name))
      return recsys__algorithm_at(i);
  return NULL;
}

static recsys_status no_algorithm(const char *name, recsys_error *error) {
  char names[200] = "";
  for (size_t i = 0, length = 0; recsys__algorithm_at(i); i++)
    length +=
        (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", recsys__algorithm_at(i)->name);
  return recsys__fail(error, RECSYS_EINVAL, 0, "there is no algorithm '%.40s'; there are %s", name, names);
}

static recsys_status parse(recsys_ranker *ranker, const char *text, recsys_error *error) {
  recsys__params params = {0};
  recsys_status status = recsys__params_parse(&params, text, error);
  if (status)
    return status;
  ranker->algorithm = find_algorithm(params.name);
  status = ranker->algorithm ? recsys__settings_parse(&ranker->settings, ranker->algorithm->parameters, &params, error)
                             : no_algorithm(params.name, error);
  recsys__params_free(&params);
  return status;
}

/* A handle without an algorithm yet. */
static recsys_status new_ranker(recsys_ranker **out, recsys__store_core *core, const recsys_ranker_options *options,
                                const char *fingerprint, recsys_error *error) {
  recsys_ranker_options mine;
  recsys_status status = recsys__options_copy(&mine, sizeof mine, options, "recsys_ranker_options", error);
  if (status)
    return status;
  recsys_ranker *ranker = recsys__calloc(1, sizeof *ranker);
  if (ranker)
    ranker->looks = recsys__calloc(1, sizeof *ranker->looks);
  if (!ranker || !ranker->looks) {
    recsys__free(ranker);
    return recsys__no_memory(error, "the ranker");
  }
  recsys__lock_init(&ranker->latch);
  recsys__lock_init(&ranker->looks->lock);
  ranker->core = recsys__store_core_share(core);
  ranker->threads = recsys__thread_count(mine.threads);
  fingerprint = mine.fingerprint ? mine.fingerprint : fingerprint;
  *out = ranker;
  if (fingerprint && !(ranker->fingerprint = recsys__strdup(fingerprint)))
    return recsys__no_memory(error, "the ranker");
  return RECSYS_OK;
}

static recsys_status keep_or_close(recsys_ranker **out, recsys_status status, recsys_error *error) {
  if (!status)
    return recsys__ok(error);
  recsys_ranker_close(*out);
  *out = NULL;
  return status;
}

recsys_status recsys__ranker_over(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                  const recsys_ranker_options *options, recsys_error *error) {
  *out = NULL;
  recsys_status status = new_ranker(out, core, options, NULL, error);
  if (!status)
    status = parse(*out, algorithm, error);
  return keep_or_close(out, status, error);
}

recsys_status recsys__ranker_restore(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                     const json_t *parameters, const char *fingerprint,
                                     const recsys_ranker_options *options, recsys_error *error) {
  *out = NULL;
  recsys_status status = new_ranker(out, core, options, fingerprint, error);
  if (!status)
    (*out)->algorithm = find_algorithm(algorithm);
  if (!status && !(*out)->algorithm)
    status = no_algorithm(algorithm, error);
  if (!status)
    status = recsys__settings_restore(&(*out)->settings, (*out)->algorithm->parameters, parameters, error);
  return keep_or_close(out, status, error);
}

recsys_status recsys_ranker_create(recsys_ranker **out, recsys_store *store, const char *algorithm,
                                   const recsys_ranker_options *options, recsys_error *error) {
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; pass the address of a handle");
  *out = NULL;
  if (!store || !algorithm)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "algorithm" : "store");
  recsys__store_core *core = recsys__store_core_retain(store);
  recsys_status status = recsys__ranker_over(out, core, algorithm, options, error);
  recsys__store_core_release(core);
  return status;
}

bool recsys__ranker_predicts(const recsys_ranker *ranker) {
  return ranker->algorithm->predicts;
}

void recsys_ranker_close(recsys_ranker *ranker) {
  if (!ranker)
    return;
  recsys__fitted_release(ranker->fitted);
  recsys__store_core_release(ranker->core);
  recsys__looks_release(ranker->looks->looks);
  recsys__lock_destroy(&ranker->looks->lock);
  recsys__free(ranker->looks);
  recsys__lock_destroy(&ranker->latch);
  recsys__free(ranker->fingerprint);
  if (ranker->algorithm)
    recsys__settings_free(ranker->settings, ranker->algorithm->parameters);
  recsys__free(ranker);
}

/* -- fitting */

void recsys__fitted_release(recsys__fitted *f) {
  if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
    return;
  recsys__free(f->items);
  recsys__free(f->counts);
  recsys__free(f->sums);
  recsys__free(f->by_popularity);
  recsys__learned_free(&f->learned);
  recsys_ranker_close(f->chosen);
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
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  if (f->counts[x] != f->counts[y])
    return f->counts[x] > f->counts[y] ? -1 : 1;
  return (x > y) - (x < y);
}

static recsys__fitted *fitted_new(const recsys__view *view) {
  recsys__fitted *f = recsys__calloc(1, sizeof *f);
  if (!f)
    return NULL;
  atomic_init(&f->references, 1);
  f->n = recsys__view_item_count(view);
  f->items = recsys__alloc(f->n, sizeof *f->items);
  f->counts = recsys__calloc(f->n, sizeof *f->counts);
  f->sums = recsys__calloc(f->n, sizeof *f->sums);
  f->by_popularity = recsys__alloc(f->n, sizeof *f->by_popularity);
  if (f->items && f->counts && f->sums && f->by_popularity) {
    f->n = recsys__view_items(view, -1, f->items, f->n);
    return f;
  }
  recsys__fitted_release(f);
  return NULL;
}

recsys_status recsys__fit_progress(const recsys__fitting *f, uint64_t done, uint64_t total, recsys_error *error) {
  if (f->options->progress && f->options->progress(f->options->progress_user, "fit", done, total))
    return recsys__fail(error, RECSYS_ECANCELLED, 0, "fitting was cancelled; the ranker is as it was before");
  return RECSYS_OK;
}

/* Counts and sums of ratings by item. */
static void count_ratings(recsys__fitted *f, const recsys__view *view) {
  int64_t user = -1;
  double sum = 0, count = 0;
  while (recsys__view_users(view, user, &user, 1) == 1) {
    const recsys__rating *ratings;
    size_t n = recsys__view_history(view, user, &ratings);
    for (size_t i = 0; i < n; i++) {
      size_t at = recsys__fitted_index(f, ratings[i].item);
      if (at == f->n)
        continue;
      f->counts[at]++;
      f->sums[at] += (double)ratings[i].value;
      sum += (double)ratings[i].value;
      count++;
      f->largest = (double)ratings[i].value > f->largest ? (double)ratings[i].value : f->largest;
    }
  }
  f->global_mean = count > 0 ? sum / count : 0;
  f->largest = f->largest > 0 ? f->largest : 1;
}

bool recsys__fitted_publish(recsys_ranker *ranker, recsys__fitted *f) {
  if (!f->by_popularity && !(f->by_popularity = recsys__alloc(f->n, sizeof *f->by_popularity)))
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

static recsys_status fit_chosen(recsys__fitted *f, const recsys__fitting *fitting, recsys_error *error) {
  recsys__choice choice = {0};
  const recsys_ranker *ranker = fitting->ranker;
  recsys_ranker_options options = {
      .struct_size = sizeof options, .threads = ranker->threads, .fingerprint = ranker->fingerprint};
  recsys_status status = ranker->algorithm->choose(fitting, &choice, error);
  if (!status)
    status = recsys__ranker_over(&f->chosen, ranker->core, choice.algorithm, &options, error);
  if (!status)
    status = recsys_ranker_fit(f->chosen, fitting->options, error);
  memcpy(f->reason, choice.reason, sizeof f->reason);
  return status;
}

static recsys_status learn(recsys__fitted *f, const recsys_ranker *ranker, const recsys__view *view,
                           const recsys_fit_options *options, recsys_error *error) {
  recsys__fitting fitting = {.ranker = ranker,
                             .view = view,
                             .learned = &f->learned,
                             .options = options,
                             .memory_limit = memory_limit_of(options)};
  recsys_status status = recsys__fit_progress(&fitting, 0, 1, error);
  if (!status && (ranker->algorithm->fit || ranker->algorithm->choose)) {
    status = recsys__interactions_make(&fitting.x, view, error);
    if (!status)
      status = ranker->algorithm->fit ? ranker->algorithm->fit(&fitting, error) : fit_chosen(f, &fitting, error);
    recsys__interactions_free(&fitting.x);
  }
  return status ? status : recsys__fit_progress(&fitting, 1, 1, error);
}

recsys_status recsys_ranker_fit(recsys_ranker *ranker, const recsys_fit_options *options, recsys_error *error) {
  recsys_fit_options mine;
  if (!ranker)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; create one first");
  recsys_status status = recsys__options_copy(&mine, sizeof mine, options, "recsys_fit_options", error);
  if (status)
    return status;
  const recsys__view *view = recsys__store_core_view(ranker->core);
  recsys__fitted *f = fitted_new(view);
  if (f)
    count_ratings(f, view);
  status = f ? learn(f, ranker, view, &mine, error) : recsys__no_memory(error, "the fitted ranker");
  recsys__view_release(view);
  if (status) {
    recsys__fitted_release(f);
    return status;
  }
  if (!recsys__fitted_publish(ranker, f)) {
    recsys__fitted_release(f);
    return recsys__no_memory(error, "the fitted ranker");
  }
  return recsys__ok(error);
}

recsys_status recsys_ranker_describe(recsys_ranker *ranker, char *buffer, size_t size, size_t *length,
                                     recsys_error *error) {
  if (!ranker || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or buffer is NULL");
  recsys__fitted *f = recsys__ranker_fitted(ranker);
  json_t *json =
      json_pack("{s:s, s:b, s:I, s:f, s:o}", "algorithm", ranker->algorithm->name, "fitted", f != NULL, "items",
                (json_int_t)(f ? f->n : 0), "mean_rating", f ? f->global_mean : 0.0, "parameters", json_object());
  if (json && f && f->chosen)
    json_object_set_new(json, "chosen",
                        json_pack("{s:s, s:s}", "algorithm", f->chosen->algorithm->name, "reason", f->reason));
  recsys__fitted_release(f);
  if (json && !recsys__settings_describe(ranker->settings, ranker->algorithm->parameters,
                                         json_object_get(json, "parameters"))) {
    json_decref(json);
    json = NULL;
  }
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return recsys__no_memory(error, "the description");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
