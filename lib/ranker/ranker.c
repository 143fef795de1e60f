/* recsys_ranker_create, _describe, _close: the handle and its parameters. */
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
    &recsys__auto,   &recsys__ease,     &recsys__content, &recsys__slim,     &recsys__als,      &recsys__pure_svd,
    &recsys__svd,    &recsys__bpr,      &recsys__vbpr,    &recsys__item_knn, &recsys__user_knn, &recsys__rp3beta,
    &recsys__visual, &recsys__category, &recsys__popular, &recsys__next,     &recsys__blend};

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
  if (!ranker->algorithm)
    status = no_algorithm(params.name, error);
  else
    status = recsys__settings_parse(&ranker->settings, ranker->algorithm->parameters, &params, error);
  if (!status)
    status = recsys__settings_parse(&ranker->shared, recsys__shared_parameters, &params, error);
  if (!status)
    status = recsys__settings_finish(ranker->algorithm->parameters, recsys__shared_parameters, &params, error);
  if (!status)
    status = recsys__shared_check(ranker->shared, error);
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
  if (!status)
    status = recsys__settings_restore(&(*out)->shared, recsys__shared_parameters, parameters, error);
  if (!status && (status = recsys__shared_check((*out)->shared, error)) == RECSYS_EINVAL)
    status = error ? (error->status = RECSYS_EFORMAT) : RECSYS_EFORMAT;
  return keep_or_close(out, status, error);
}

recsys_status recsys_ranker_create(recsys_ranker **out, recsys_store *store, const char *algorithm,
                                   const recsys_ranker_options *options, recsys_error *error) {
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; pass the address of a handle");
  *out = NULL;
  if (!store)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
  recsys__store_core *core = recsys__store_core_retain(store);
  recsys_status status = recsys__ranker_over(out, core, algorithm ? algorithm : "auto", options, error);
  recsys__store_core_release(core);
  return status;
}

recsys_status recsys__part_new(const recsys_ranker *ranker, const char *algorithm, recsys_ranker **part,
                               recsys_error *error) {
  recsys_ranker_options options = {
      .struct_size = sizeof options, .threads = ranker->threads, .fingerprint = ranker->fingerprint};
  recsys_status status = recsys__ranker_over(part, ranker->core, algorithm, &options, error);
  for (size_t i = RECSYS__EVENTS; recsys__shared_parameters[i].key && !status; i++) {
    recsys__setting *to = &(*part)->shared[i];
    recsys__free(to->text);
    *to = (recsys__setting){.value = ranker->shared[i].value};
    if (ranker->shared[i].text && !(to->text = recsys__strdup(ranker->shared[i].text)))
      status = recsys__no_memory(error, "a part of the ranker");
  }
  return status;
}

static bool copy_settings(recsys__setting **out, const recsys__setting *from, const recsys__parameter *table) {
  size_t n = 0;
  while (table[n].key)
    n++;
  *out = recsys__calloc(n + 1, sizeof **out);
  for (size_t i = 0; *out && i < n; i++) {
    (*out)[i].value = from[i].value;
    if (from[i].text && !((*out)[i].text = recsys__strdup(from[i].text)))
      return false;
  }
  return *out != NULL;
}

recsys_status recsys__ranker_twin(const recsys_ranker *ranker, recsys_ranker **twin, recsys_error *error) {
  recsys_ranker_options options = {.struct_size = sizeof options, .threads = ranker->threads};
  *twin = NULL;
  recsys_status status = new_ranker(twin, ranker->core, &options, ranker->fingerprint, error);
  if (!status)
    (*twin)->algorithm = ranker->algorithm;
  if (!status && (!copy_settings(&(*twin)->settings, ranker->settings, ranker->algorithm->parameters) ||
                  !copy_settings(&(*twin)->shared, ranker->shared, recsys__shared_parameters)))
    status = recsys__no_memory(error, "a part of the ranker");
  return keep_or_close(twin, status, error);
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
  recsys__settings_free(ranker->shared, recsys__shared_parameters);
  recsys__free(ranker);
}

static bool describe_settings(const recsys_ranker *ranker, json_t *json) {
  return recsys__settings_describe(ranker->settings, ranker->algorithm->parameters, json) &&
         recsys__settings_describe(ranker->shared, recsys__shared_parameters, json);
}

/* One part with its parameters, and its weight for each length of history. */
static json_t *describe_part(const recsys__fitted *f, size_t part) {
  const recsys_ranker *ranker = f->parts[part];
  json_t *weights = json_array(), *parameters = json_object();
  bool ok = weights && parameters && describe_settings(ranker, parameters);
  for (size_t band = 0; ok && f->weights && band < RECSYS__BANDS; band++)
    ok = !json_array_append_new(weights, json_real(f->weights[band * f->part_count + part]));
  json_t *json = ok ? json_pack("{s:s, s:O, s:O}", "algorithm", ranker->algorithm->name, "parameters", parameters,
                                "weights", weights)
                    : NULL;
  json_decref(weights);
  json_decref(parameters);
  return json;
}

static bool describe_parts(json_t *json, const recsys_ranker *ranker, const recsys__fitted *f) {
  json_t *parts = json_array();
  bool ok = parts != NULL;
  if (f && ranker->algorithm->choose && f->part_count)
    ok = ok &&
         !json_object_set_new(json, "chosen",
                              json_pack("{s:s, s:s}", "algorithm", f->parts[0]->algorithm->name, "reason", f->reason));
  for (size_t i = 0; ok && f && i < f->part_count; i++)
    ok = !json_array_append_new(parts, describe_part(f, i));
  if (ok && json_array_size(parts))
    return !json_object_set_new(json, "parts", parts);
  json_decref(parts);
  return ok;
}

recsys_status recsys_ranker_describe(recsys_ranker *ranker, char *buffer, size_t size, size_t *length,
                                     recsys_error *error) {
  if (!ranker || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or buffer is NULL");
  recsys__fitted *f = recsys__ranker_fitted(ranker);
  json_t *json =
      json_pack("{s:s, s:b, s:I, s:f, s:o}", "algorithm", ranker->algorithm->name, "fitted", f != NULL, "items",
                (json_int_t)(f ? f->n : 0), "mean_rating", f ? f->global_mean : 0.0, "parameters", json_object());
  bool ok = json && describe_parts(json, ranker, f) && describe_settings(ranker, json_object_get(json, "parameters"));
  recsys__fitted_release(f);
  if (!ok) {
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
