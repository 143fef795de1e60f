/* recsys_ranker_create, _fit, _describe, _close: the handle and what it learns. */
#include "ranker/ranker.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/thread.h"

static const recsys__algorithm *const algorithms[] = {&recsys__visual, &recsys__category, &recsys__popular};

const recsys__algorithm *recsys__algorithm_at(size_t index) {
  return index < sizeof algorithms / sizeof *algorithms ? algorithms[index] : NULL;
}

static recsys_status parse(recsys_ranker *ranker, const char *text, recsys_error *error) {
  recsys__params params = {0};
  recsys_status status = recsys__params_parse(&params, text, error);
  if (status)
    return status;
  for (size_t i = 0; recsys__algorithm_at(i); i++)
    if (!strcmp(recsys__algorithm_at(i)->name, params.name))
      ranker->algorithm = recsys__algorithm_at(i);
  if (!ranker->algorithm)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "there is no algorithm '%.60s'; there are visual, category, popular",
                          params.name);
  ranker->parameters.spread = 1;
  if (!status)
    status = ranker->algorithm->parse(&ranker->parameters, &params, error);
  if (!status)
    status = recsys__params_finish(&params, ranker->algorithm->keys, error);
  recsys__params_free(&params);
  return status;
}

recsys_status recsys__ranker_over(recsys_ranker **out, recsys__store_core *core, const char *algorithm,
                                  const recsys_ranker_options *options, recsys_error *error) {
  recsys_ranker_options mine;
  *out = NULL;
  recsys_status status = recsys__options_copy(&mine, sizeof mine, options, "recsys_ranker_options", error);
  if (status)
    return status;
  recsys_ranker *ranker = recsys__calloc(1, sizeof *ranker);
  if (!ranker)
    return recsys__no_memory(error, "the ranker");
  pthread_mutex_init(&ranker->latch, NULL);
  ranker->core = recsys__store_core_share(core);
  ranker->threads = recsys__thread_count(mine.threads);
  status = parse(ranker, algorithm, error);
  if (!status && mine.fingerprint && !(ranker->fingerprint = recsys__strdup(mine.fingerprint)))
    status = recsys__no_memory(error, "the ranker");
  if (status) {
    recsys_ranker_close(ranker);
    return status;
  }
  *out = ranker;
  return recsys__ok(error);
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
  pthread_mutex_destroy(&ranker->latch);
  recsys__free(ranker->fingerprint);
  recsys__free(ranker->parameters.field);
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
  recsys__free(f);
}

recsys__fitted *recsys__ranker_fitted(recsys_ranker *ranker) {
  pthread_mutex_lock(&ranker->latch);
  recsys__fitted *fitted = ranker->fitted;
  if (fitted)
    atomic_fetch_add(&fitted->references, 1);
  pthread_mutex_unlock(&ranker->latch);
  return fitted;
}

size_t recsys__fitted_index(const recsys__fitted *f, int64_t item) {
  size_t low = 0, high = f->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (f->items[middle] < item)
      low = middle + 1;
    else
      high = middle;
  }
  return low < f->n && f->items[low] == item ? low : f->n;
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

/* Counts and sums of ratings by item; RECSYS_ECANCELLED when the callback says so. */
static recsys_status count_ratings(recsys__fitted *f, const recsys__view *view, const recsys_fit_options *options,
                                   recsys_error *error) {
  int64_t user = -1;
  uint64_t done = 0, total = recsys__view_user_count(view);
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
    }
    if ((++done % 256 == 0 || done == total) && options->progress &&
        options->progress(options->progress_user, "fit", done, total))
      return recsys__fail(error, RECSYS_ECANCELLED, 0, "fitting was cancelled; the ranker is as it was before");
  }
  f->global_mean = count > 0 ? sum / count : 0;
  return RECSYS_OK;
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
  status = f ? count_ratings(f, view, &mine, error) : recsys__no_memory(error, "the fitted ranker");
  recsys__view_release(view);
  if (status) {
    recsys__fitted_release(f);
    return status;
  }
  for (size_t i = 0; i < f->n; i++)
    f->by_popularity[i] = (uint32_t)i;
  if (f->n)
    qsort_r(f->by_popularity, f->n, sizeof *f->by_popularity, popularity_order, f);
  pthread_mutex_lock(&ranker->latch);
  recsys__fitted *old = ranker->fitted;
  ranker->fitted = f;
  pthread_mutex_unlock(&ranker->latch);
  recsys__fitted_release(old);
  return recsys__ok(error);
}

recsys_status recsys_ranker_describe(recsys_ranker *ranker, char *buffer, size_t size, size_t *length,
                                     recsys_error *error) {
  if (!ranker || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or buffer is NULL");
  const recsys__parameters *p = &ranker->parameters;
  recsys__fitted *f = recsys__ranker_fitted(ranker);
  json_t *json = json_pack("{s:s, s:b, s:I, s:f}", "algorithm", ranker->algorithm->name, "fitted", f != NULL, "items",
                           (json_int_t)(f ? f->n : 0), "mean_rating", f ? f->global_mean : 0.0);
  recsys__fitted_release(f);
  if (json && ranker->algorithm == &recsys__popular) {
    json_object_set_new(json, "by", json_string(p->by_mean ? "mean" : "count"));
    json_object_set_new(json, "damping", json_real(p->damping));
  } else if (json) {
    json_object_set_new(json, "metric", json_string(p->metric ? "euclidean" : "cosine"));
    json_object_set_new(json, "field", p->field ? json_string(p->field) : json_null());
  }
  if (json && ranker->algorithm == &recsys__visual) {
    json_object_set_new(json, "neighbours", json_integer(p->neighbours));
    json_object_set_new(json, "max_distance", p->has_max_distance ? json_real(p->max_distance) : json_null());
    json_object_set_new(json, "rating_threshold",
                        p->has_threshold ? json_real(p->rating_threshold) : json_string("mean"));
  } else if (json && ranker->algorithm == &recsys__category) {
    json_object_set_new(json, "spread", json_boolean(p->spread));
  }
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return recsys__no_memory(error, "the description");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
