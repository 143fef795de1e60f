/* recsys_ranker_open: everything in the file is checked before it is used, because it may come from anywhere. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranker/saved.h"

typedef struct opening {
  const char *path;
  recsys__store_core *core;
  const recsys_ranker_options *options;
  recsys__tensors file;
  recsys_error *error;
} opening;

/* One ranker of the file: itself or a part. */
typedef struct state {
  const opening *o;
  const json_t *json;
  const char *prefix;
  recsys__fitted *f;
} state;

static recsys_status damaged(const opening *o, const char *what) {
  return recsys__fail(o->error, RECSYS_EFORMAT, 0, "'%.80s' is no undamaged ranker: %s; save it again", o->path, what);
}

static size_t size_in(const json_t *json, const char *key) {
  json_int_t value = json_integer_value(json_object_get(json, key));
  return value > 0 && value <= UINT32_MAX ? (size_t)value : 0;
}

static double real_in(const json_t *json, const char *key) {
  return json_number_value(json_object_get(json, key));
}

static recsys_status read_array(const opening *o, const recsys__array *a) {
  const recsys__tensor *t = recsys__tensors_find(&o->file, a->name);
  if (!t)
    return a->needed ? damaged(o, a->name) : RECSYS_OK;
  bool same = t->dtype == a->dtype && t->rank == (a->columns ? 2 : 1) && t->shape[0] == a->rows &&
              (!a->columns || t->shape[1] == a->columns) && t->bytes == recsys__saved_bytes(a);
  if (!same)
    return damaged(o, a->name);
  *a->data = recsys__copy(t->data, 1, (size_t)t->bytes);
  return *a->data ? RECSYS_OK : recsys__no_memory(o->error, "the ranker");
}

static bool is_finite(const recsys__array *a) {
  size_t n = a->rows * (a->columns ? a->columns : 1);
  const float *f = *a->data;
  const double *d = *a->data;
  for (size_t i = 0; i < n && *a->data; i++)
    if ((a->dtype == RECSYS__F32 && !isfinite(f[i])) || (a->dtype == RECSYS__F64 && !isfinite(d[i])))
      return false;
  return true;
}

static bool is_rising(const int64_t *ids, size_t n) {
  for (size_t i = 0; i < n && ids; i++)
    if (ids[i] < 0 || (i && ids[i] <= ids[i - 1]))
      return false;
  return true;
}

static bool is_sparse(const recsys__sparse *s, size_t entries) {
  if (!s->offsets)
    return true;
  for (size_t r = 0; r < s->rows; r++)
    if (s->offsets[r + 1] < s->offsets[r] || s->offsets[r + 1] > entries)
      return false;
  for (size_t e = 0; e < entries; e++)
    if (s->indices[e] >= s->columns)
      return false;
  return s->offsets[0] == 0 && s->offsets[s->rows] == entries;
}

static bool is_learned(const recsys__learned *l, const recsys__saved_sizes *s) {
  return is_rising(l->items, l->n) && is_rising(l->rated, l->rated_count) && is_rising(l->people.users, s->users) &&
         is_sparse(&l->sparse, s->entries) && is_sparse(&l->people.by_user, s->people_entries) &&
         is_sparse(&l->people.by_item, s->people_entries);
}

static recsys_status check_arrays(const state *t, const recsys__arrays *a, const recsys__saved_sizes *s) {
  char digest[65];
  const char *said = json_string_value(json_object_get(t->json, "digest"));
  for (size_t i = 0; i < a->n; i++)
    if (!is_finite(&a->list[i]))
      return damaged(t->o, a->list[i].name);
  if (!is_rising(t->f->items, s->items) || (t->f->learned && !is_learned(t->f->learned, s)))
    return damaged(t->o, "its ids do not rise, or a sparse matrix");
  recsys__saved_digest(a, digest);
  return said && !strcmp(said, digest) ? RECSYS_OK : damaged(t->o, "its digest differs");
}

static recsys_status read_learned(const state *t, const json_t *json, const recsys__saved_sizes *s) {
  recsys__learned *l = t->f->learned = recsys__learned_new();
  size_t shape = size_in(json, "shape"), fold = size_in(json, "fold"), compared = size_in(json, "compared");
  if (!l)
    return recsys__no_memory(t->o->error, "the ranker");
  if (shape > RECSYS__FEATURES || fold > RECSYS__RESIDUAL || compared > RECSYS__SETS)
    return damaged(t->o, "its kind is unknown");
  l->shape = (recsys__shape)shape;
  l->fold = (recsys__fold)fold;
  l->compared = (recsys__compared)compared;
  l->n = size_in(json, "scored");
  l->rated_count = size_in(json, "rated");
  l->factors = size_in(json, "factors");
  l->neighbours = size_in(json, "neighbours");
  l->regularization = real_in(json, "regularization");
  l->frequency = real_in(json, "frequency");
  l->mean_length = real_in(json, "mean_length");
  l->mean = real_in(json, "mean");
  l->shrinkage = real_in(json, "shrinkage");
  if (l->frequency > 0 && !(l->mean_length > 0))
    return damaged(t->o, "its scale");
  if (l->shape != RECSYS__DENSE && l->shape != RECSYS__FEATURES && l->n != l->rated_count)
    return damaged(t->o, "its sizes differ");
  l->sparse.rows = l->sparse.columns = l->n;
  if (l->shape == RECSYS__FEATURES)
    l->sparse.columns = s->columns;
  l->people.by_user.rows = l->people.by_item.columns = s->users;
  l->people.by_user.columns = l->people.by_item.rows = l->n;
  return RECSYS_OK;
}

static recsys_status read_fitted(const state *t) {
  const json_t *learned = json_object_get(t->json, "learned");
  const char *reason = json_string_value(json_object_get(t->json, "reason"));
  recsys__arrays a = {.prefix = t->prefix};
  recsys__saved_sizes s = {size_in(t->json, "items"), size_in(learned, "entries"), size_in(learned, "people_entries"),
                           size_in(learned, "users"), size_in(learned, "columns")};
  recsys_status status = RECSYS_OK;
  t->f->n = s.items;
  t->f->global_mean = real_in(t->json, "global_mean");
  t->f->largest = real_in(t->json, "largest");
  snprintf(t->f->reason, sizeof t->f->reason, "%s", reason ? reason : "");
  if (!(t->f->largest > 0))
    return damaged(t->o, "its scale");
  if (learned)
    status = read_learned(t, learned, &s);
  if (status)
    return status;
  recsys__saved_arrays(&a, t->f, &s);
  for (size_t i = 0; i < a.n && !status; i++)
    status = read_array(t->o, &a.list[i]);
  return status ? status : check_arrays(t, &a, &s);
}

/* A ranker of another shop would list nothing but what is popular there: that is said at once. */
static recsys_status check_store(const state *t) {
  const recsys__view *view = recsys__store_core_view(t->o->core);
  size_t rated = 0, known = 0;
  for (size_t i = 0; i < t->f->n; i++)
    if (t->f->counts[i] > 0) {
      rated++;
      known += recsys__view_has_item(view, t->f->items[i]);
    }
  recsys__view_release(view);
  if (rated == 0 || known * 2 >= rated)
    return RECSYS_OK;
  return recsys__fail(t->o->error, RECSYS_EMISMATCH, (int32_t)known,
                      "'%.80s' was fitted on another store: of its %zu rated items this one has %zu; fit a new ranker",
                      t->o->path, rated, known);
}

static recsys_status open_state(const opening *o, const json_t *json, const char *prefix, bool is_part,
                                recsys_ranker **ranker);

static recsys_status read_weights(const state *t) {
  const json_t *weights = json_object_get(t->json, "weights");
  size_t n = json_array_size(weights), parts = t->f->part_count;
  if (n == 0)
    return RECSYS_OK;
  if (n != RECSYS__BANDS * parts)
    return damaged(t->o, "its weights");
  if (!(t->f->weights = recsys__alloc(n, sizeof *t->f->weights)))
    return recsys__no_memory(t->o->error, "the ranker");
  for (size_t i = 0; i < n; i++) {
    t->f->weights[i] = json_number_value(json_array_get(weights, i));
    if (!isfinite(t->f->weights[i]) || t->f->weights[i] < 0)
      return damaged(t->o, "its weights");
  }
  return RECSYS_OK;
}

static recsys_status read_parts(const state *t) {
  const json_t *parts = json_object_get(t->json, "parts"), *fresh = json_object_get(t->json, "fresh");
  char name[RECSYS__PREFIX];
  size_t n = json_array_size(parts);
  recsys_status status = RECSYS_OK;
  if (n > 16)
    return damaged(t->o, "its parts");
  if (n && !(t->f->parts = recsys__calloc(n, sizeof *t->f->parts)))
    return recsys__no_memory(t->o->error, "the ranker");
  for (size_t i = 0; i < n && !status; i++) {
    snprintf(name, sizeof name, "part %zu.", i);
    status = open_state(t->o, json_array_get(parts, i), name, true, &t->f->parts[i]);
    t->f->part_count = i + !status;
  }
  if (!status && fresh)
    status = open_state(t->o, fresh, "fresh.", true, &t->f->fresh);
  return status ? status : read_weights(t);
}

/* What the algorithm needs is there, and nothing that it does not know. */
static recsys_status check_kind(const state *t, const recsys_ranker *ranker) {
  const recsys__algorithm *algorithm = ranker->algorithm;
  const recsys__fitted *f = t->f;
  bool learns = algorithm->fit != NULL, composed = algorithm->compose != NULL;
  bool fresh = ranker->shared[RECSYS__SHARE_OF_NEW].value > 0;
  if (algorithm->choose || learns != (f->learned && f->learned->shape != RECSYS__NOTHING) ||
      composed != (f->part_count > 0) || composed != (f->weights != NULL) || (f->fresh && !fresh))
    return damaged(t->o, "its algorithm learns something else");
  return RECSYS_OK;
}

static recsys_status open_state(const opening *o, const json_t *json, const char *prefix, bool is_part,
                                recsys_ranker **ranker) {
  state t = {.o = o, .json = json, .prefix = prefix, .f = recsys__calloc(1, sizeof *t.f)};
  const char *algorithm = json_string_value(json_object_get(json, "algorithm"));
  *ranker = NULL;
  if (!t.f)
    return recsys__no_memory(o->error, "the ranker");
  atomic_init(&t.f->references, 1);
  recsys_status status = read_fitted(&t);
  if (!status)
    status = check_store(&t);
  if (!status && !is_part)
    status = read_parts(&t);
  if (!status)
    status = recsys__ranker_restore(ranker, o->core, algorithm ? algorithm : "", json_object_get(json, "parameters"),
                                    json_string_value(json_object_get(json, "fingerprint")), o->options, o->error);
  if (!status)
    status = check_kind(&t, *ranker);
  if (!status && !recsys__fitted_publish(*ranker, t.f))
    status = recsys__no_memory(o->error, "the ranker");
  if (!status)
    return RECSYS_OK;
  recsys__fitted_release(t.f);
  recsys_ranker_close(*ranker);
  *ranker = NULL;
  return status;
}

static recsys_status read_file(opening *o, json_t **json) {
  const char *format, *text;
  recsys_status status = recsys__tensors_read(&o->file, o->path, o->error);
  if (status)
    return status;
  format = recsys__tensors_metadata(&o->file, "recsys.format");
  if (format && !strncmp(format, "recsys-ranker-", 14) && strcmp(format, RECSYS__RANKER_FORMAT) != 0)
    return recsys__fail(o->error, RECSYS_EVERSION, 0,
                        "'%.80s' is of format '%.30s', and this library knows " RECSYS__RANKER_FORMAT "; fit it again",
                        o->path, format);
  text = recsys__tensors_metadata(&o->file, "recsys.ranker");
  if (!format || strcmp(format, RECSYS__RANKER_FORMAT) != 0 || !text ||
      !(*json = json_loads(text, JSON_REJECT_DUPLICATES, NULL)))
    return damaged(o, "it holds no ranker");
  return RECSYS_OK;
}

recsys_status recsys_ranker_open(recsys_ranker **out, recsys_store *store, const char *path,
                                 const recsys_ranker_options *options, recsys_error *error) {
  opening o = {.path = path, .options = options, .error = error};
  json_t *json = NULL;
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; pass the address of a handle");
  *out = NULL;
  if (!store || !path || !*path)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "path" : "store");
  o.core = recsys__store_core_retain(store);
  recsys_status status = read_file(&o, &json);
  if (!status)
    status = open_state(&o, json, "", false, out);
  json_decref(json);
  recsys__tensors_free(&o.file);
  recsys__store_core_release(o.core);
  return status ? status : recsys__ok(error);
}
