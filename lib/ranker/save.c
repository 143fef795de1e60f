/* recsys_ranker_save: a fitted ranker as one safetensors file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranker/saved.h"

/* Everything that goes into the file; the states are held until it is written. */
typedef struct saving {
  recsys__tensor *tensors;
  char (*names)[64];
  size_t count, room;
  recsys__fitted **held;
  size_t held_count, held_room;
} saving;

static bool add_tensors(saving *w, const recsys__arrays *a) {
  size_t room = w->room;
  if (!recsys__grow((void **)&w->tensors, &room, w->count + a->n, sizeof *w->tensors))
    return false;
  char(*names)[64] = recsys__realloc(w->names, room, sizeof *names);
  if (!names)
    return false;
  w->names = names;
  w->room = room;
  for (size_t i = 0; i < a->n; i++) {
    const recsys__array *one = &a->list[i];
    if (!*one->data)
      continue;
    memcpy(w->names[w->count], one->name, sizeof one->name);
    w->tensors[w->count++] = (recsys__tensor){.dtype = one->dtype,
                                              .rank = one->columns ? 2 : 1,
                                              .shape = {one->rows, one->columns},
                                              .data = *one->data,
                                              .bytes = recsys__saved_bytes(one)};
  }
  return true;
}

static bool learned_json(json_t *state, const recsys__learned *l, const recsys__saved_sizes *s) {
  json_t *json =
      json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:I, s:f, s:f, s:f, s:f, s:f}", "scored",
                (json_int_t)l->n, "rated", (json_int_t)l->rated_count, "factors", (json_int_t)l->factors, "entries",
                (json_int_t)s->entries, "people_entries", (json_int_t)s->people_entries, "users", (json_int_t)s->users,
                "columns", (json_int_t)s->columns, "shape", (int)l->shape, "fold", (int)l->fold, "compared",
                (int)l->compared, "neighbours", (json_int_t)l->neighbours, "regularization", l->regularization,
                "frequency", l->frequency, "mean_length", l->mean_length, "mean", l->mean, "shrinkage", l->shrinkage);
  return json && !json_object_set_new(state, "learned", json);
}

static json_t *settings_json(const recsys_ranker *ranker) {
  json_t *json = json_object();
  if (json && recsys__settings_describe(ranker->settings, ranker->algorithm->parameters, json) &&
      recsys__settings_describe(ranker->shared, recsys__shared_parameters, json))
    return json;
  json_decref(json);
  return NULL;
}

static json_t *save_state(saving *w, recsys_ranker *ranker, const char *prefix);

/* The states of the rankers that this one asks; their arrays' names begin with "part 0." and so on. */
static bool save_parts(saving *w, const recsys__fitted *f, const char *prefix, json_t *state) {
  json_t *parts = json_array(), *weights = json_array();
  char name[RECSYS__PREFIX];
  bool ok = parts && weights;
  for (size_t i = 0; i < f->part_count && ok; i++) {
    snprintf(name, sizeof name, "%.16spart %zu.", prefix, i);
    ok = !json_array_append_new(parts, save_state(w, f->parts[i], name));
  }
  for (size_t i = 0; f->weights && i < RECSYS__BANDS * f->part_count && ok; i++)
    ok = !json_array_append_new(weights, json_real(f->weights[i]));
  ok = ok && !json_object_set(state, "parts", parts) && !json_object_set(state, "weights", weights);
  json_decref(parts);
  json_decref(weights);
  snprintf(name, sizeof name, "%.16sfresh.", prefix);
  return ok && (!f->fresh || !json_object_set_new(state, "fresh", save_state(w, f->fresh, name)));
}

/* Adds one ranker's arrays; NULL: out of memory. */
static json_t *save_state(saving *w, recsys_ranker *ranker, const char *prefix) {
  recsys__arrays a = {.prefix = prefix};
  char digest[65];
  recsys__saved_sizes s = {0};
  recsys__fitted *f = recsys__ranker_fitted(ranker);
  if (!recsys__grow((void **)&w->held, &w->held_room, w->held_count + 1, sizeof *w->held)) {
    recsys__fitted_release(f);
    return NULL;
  }
  w->held[w->held_count++] = f;
  s.items = f->n;
  if (f->learned) {
    const recsys__learned *l = f->learned;
    s.users = l->people.by_user.rows;
    s.columns = l->shape == RECSYS__FEATURES ? l->sparse.columns : 0;
    s.entries = l->sparse.offsets ? (size_t)l->sparse.offsets[l->sparse.rows] : 0;
    s.people_entries = l->people.by_user.offsets ? (size_t)l->people.by_user.offsets[s.users] : 0;
  }
  recsys__saved_arrays(&a, f, &s);
  recsys__saved_digest(&a, digest);
  json_t *state =
      json_pack("{s:s, s:o, s:s?, s:I, s:f, s:f, s:s, s:s}", "algorithm", ranker->algorithm->name, "parameters",
                settings_json(ranker), "fingerprint", ranker->fingerprint, "items", (json_int_t)s.items, "global_mean",
                f->global_mean, "largest", f->largest, "reason", f->reason, "digest", digest);
  if (state && add_tensors(w, &a) && (!f->learned || learned_json(state, f->learned, &s)) &&
      save_parts(w, f, prefix, state))
    return state;
  json_decref(state);
  return NULL;
}

static recsys_status write_file(recsys_ranker *ranker, const char *path, recsys_error *error) {
  saving w = {0};
  recsys_status status;
  json_t *state = save_state(&w, ranker, "");
  char *text = state ? json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  json_decref(state);
  for (size_t i = 0; i < w.count; i++)
    w.tensors[i].name = w.names[i];
  if (text) {
    struct recsys__metadata metadata[] = {{"recsys.format", RECSYS__RANKER_FORMAT}, {"recsys.ranker", text}};
    status = recsys__tensors_write(path, w.tensors, w.count, metadata, 2, error);
  } else {
    status = recsys__no_memory(error, "the ranker's file");
  }
  for (size_t i = 0; i < w.held_count; i++)
    recsys__fitted_release(w.held[i]);
  recsys__free(w.held);
  recsys__free(w.tensors);
  recsys__free(w.names);
  free(text);
  return status;
}

recsys_status recsys_ranker_save(recsys_ranker *ranker, const char *path, recsys_error *error) {
  if (!ranker || !path || !*path)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or path is NULL");
  recsys__fitted *f = recsys__ranker_fitted(ranker);
  if (!f)
    return recsys__fail(error, RECSYS_ENOTFITTED, 0, "the ranker was not fitted; call recsys_ranker_fit first");
  recsys_status status = write_file(ranker->algorithm->choose ? f->parts[0] : ranker, path, error);
  recsys__fitted_release(f);
  return status ? status : recsys__ok(error);
}
