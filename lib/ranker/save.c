/*
 * recsys_ranker_save and _open: a fitted ranker as one safetensors file (docs/formats-ranker.md). Everything in it is
 * checked before it is used, because the file may come from anywhere.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "base/sha256.h"
#include "ranker/ranker.h"

#define FORMAT "recsys-ranker-1"

/* One array of the fitted state and where it belongs. */
typedef struct array {
  const char *name;
  recsys__dtype dtype;
  void **data;
  size_t rows, columns; /* columns 0: one dimension */
  bool needed;          /* by this shape of model */
} array;

enum { MOST_ARRAYS = 24 };

static void **slot(void *member) {
  return member;
}

static size_t add_sparse(array *list, size_t n, const char *const names[3], recsys__sparse *s, size_t entries,
                         bool needed) {
  list[n++] = (array){names[0], RECSYS__I64, slot(&s->offsets), s->rows + 1, 0, needed};
  list[n++] = (array){names[1], RECSYS__I32, slot(&s->indices), entries, 0, needed};
  list[n++] = (array){names[2], RECSYS__F32, slot(&s->values), entries, 0, needed};
  return n;
}

/* Sizes that the arrays have or must have. */
typedef struct sizes {
  size_t items, entries, people_entries, users;
} sizes;

static size_t list_arrays(array list[MOST_ARRAYS], recsys__fitted *f, const sizes *s) {
  static const char *const sparse[] = {"sparse.offsets", "sparse.indices", "sparse.values"};
  static const char *const by_user[] = {"by_user.offsets", "by_user.indices", "by_user.values"};
  static const char *const by_item[] = {"by_item.offsets", "by_item.indices", "by_item.values"};
  recsys__learned *l = &f->learned;
  bool dense = l->shape == RECSYS__DENSE, linear = l->shape == RECSYS__SPARSE, users = l->shape == RECSYS__USERS;
  bool factors = l->shape == RECSYS__FACTORS, any = l->shape != RECSYS__NOTHING;
  size_t n = 0;
  list[n++] = (array){"items", RECSYS__I64, slot(&f->items), s->items, 0, true};
  list[n++] = (array){"counts", RECSYS__F64, slot(&f->counts), s->items, 0, true};
  list[n++] = (array){"sums", RECSYS__F64, slot(&f->sums), s->items, 0, true};
  list[n++] = (array){"scored", RECSYS__I64, slot(&l->items), l->n, 0, any};
  list[n++] = (array){"rated", RECSYS__I64, slot(&l->rated), l->rated_count, 0, any};
  list[n++] = (array){"dense", RECSYS__F32, slot(&l->dense), l->rated_count, l->n, dense};
  list[n++] = (array){"constant", RECSYS__F32, slot(&l->constant), l->n, 0, false};
  list[n++] = (array){"vectors", RECSYS__F32, slot(&l->vectors), l->n, l->factors, factors};
  list[n++] =
      (array){"gram", RECSYS__F64, slot(&l->gram), l->factors, l->factors, factors && l->fold == RECSYS__IMPLICIT};
  list[n++] = (array){"bias", RECSYS__F64, slot(&l->bias), l->n, 0, false};
  list[n++] = (array){"users", RECSYS__I64, slot(&l->people.users), s->users, 0, users};
  list[n++] = (array){"norms", RECSYS__F64, slot(&l->norms), s->users, 0, users};
  n = add_sparse(list, n, sparse, &l->sparse, s->entries, linear);
  n = add_sparse(list, n, by_user, &l->people.by_user, s->people_entries, users);
  return add_sparse(list, n, by_item, &l->people.by_item, s->people_entries, users);
}

static uint64_t bytes_of(const array *a) {
  return (uint64_t)a->rows * (a->columns ? a->columns : 1) * recsys__dtype_size(a->dtype);
}

/* Of all arrays in their order: damage that the structure does not show. */
static void digest_of(const array *list, size_t n, char hex[65]) {
  recsys__sha256 sha;
  recsys__sha256_init(&sha);
  for (size_t i = 0; i < n; i++)
    if (*list[i].data)
      recsys__sha256_update(&sha, *list[i].data, (size_t)bytes_of(&list[i]));
  recsys__sha256_hex(&sha, hex);
}

/* -- saving */

static json_t *state_json(const recsys_ranker *ranker, const recsys__fitted *f, const sizes *s) {
  const recsys__learned *l = &f->learned;
  json_t *parameters = json_object();
  if (parameters && !recsys__settings_describe(ranker->settings, ranker->algorithm->parameters, parameters)) {
    json_decref(parameters);
    return NULL;
  }
  return json_pack(
      "{s:s, s:o, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
      "algorithm", ranker->algorithm->name, "parameters", parameters, "fingerprint", ranker->fingerprint, "items",
      (json_int_t)s->items, "scored", (json_int_t)l->n, "rated", (json_int_t)l->rated_count, "factors",
      (json_int_t)l->factors, "entries", (json_int_t)s->entries, "people_entries", (json_int_t)s->people_entries,
      "users", (json_int_t)s->users, "shape", (int)l->shape, "fold", (int)l->fold, "compared", (int)l->compared,
      "neighbours", (json_int_t)l->neighbours, "regularization", l->regularization, "frequency", l->frequency,
      "mean_length", l->mean_length, "mean", l->mean, "shrinkage", l->shrinkage, "global_mean", f->global_mean,
      "largest", f->largest);
}

static recsys_status write_file(const recsys_ranker *ranker, recsys__fitted *f, const char *path, recsys_error *error) {
  recsys__learned *l = &f->learned;
  sizes s = {.items = f->n, .users = l->people.by_user.rows};
  array list[MOST_ARRAYS];
  recsys__tensor tensors[MOST_ARRAYS] = {{0}};
  char digest[65];
  size_t count = 0;
  s.entries = l->sparse.offsets ? (size_t)l->sparse.offsets[l->sparse.rows] : 0;
  s.people_entries = l->people.by_user.offsets ? (size_t)l->people.by_user.offsets[s.users] : 0;
  size_t n = list_arrays(list, f, &s);
  for (size_t i = 0; i < n; i++)
    if (*list[i].data)
      tensors[count++] = (recsys__tensor){.name = list[i].name,
                                          .dtype = list[i].dtype,
                                          .rank = list[i].columns ? 2 : 1,
                                          .shape = {list[i].rows, list[i].columns},
                                          .data = *list[i].data,
                                          .bytes = bytes_of(&list[i])};
  digest_of(list, n, digest);
  json_t *state = state_json(ranker, f, &s);
  char *text = state ? json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  json_decref(state);
  if (!text)
    return recsys__no_memory(error, "the ranker's file");
  struct recsys__metadata metadata[] = {{"recsys.format", FORMAT}, {"recsys.ranker", text}, {"recsys.digest", digest}};
  recsys_status status = recsys__tensors_write(path, tensors, count, metadata, 3, error);
  free(text);
  return status;
}

recsys_status recsys_ranker_save(recsys_ranker *ranker, const char *path, recsys_error *error) {
  if (!ranker || !path || !*path)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or path is NULL");
  recsys__fitted *f = recsys__ranker_fitted(ranker), *inner = NULL;
  if (!f)
    return recsys__fail(error, RECSYS_ENOTFITTED, 0, "the ranker was not fitted; call recsys_ranker_fit first");
  if (f->chosen)
    inner = recsys__ranker_fitted(f->chosen);
  recsys_status status = write_file(f->chosen ? f->chosen : ranker, inner ? inner : f, path, error);
  recsys__fitted_release(inner);
  recsys__fitted_release(f);
  return status ? status : recsys__ok(error);
}

/* -- opening */

typedef struct opening {
  const char *path;
  recsys__tensors file;
  json_t *state;
  recsys__fitted *f;
  recsys_error *error;
} opening;

static recsys_status damaged(const opening *o, const char *what) {
  return recsys__fail(o->error, RECSYS_EFORMAT, 0, "'%.80s' is no undamaged ranker: %s; save it again", o->path, what);
}

static size_t size_in(const opening *o, const char *key) {
  json_int_t value = json_integer_value(json_object_get(o->state, key));
  return value > 0 && value <= UINT32_MAX ? (size_t)value : 0;
}

static double real_in(const opening *o, const char *key) {
  return json_number_value(json_object_get(o->state, key));
}

static recsys_status read_array(const opening *o, const array *a) {
  const recsys__tensor *t = recsys__tensors_find(&o->file, a->name);
  if (!t)
    return a->needed ? damaged(o, a->name) : RECSYS_OK;
  bool same = t->dtype == a->dtype && t->rank == (a->columns ? 2 : 1) && t->shape[0] == a->rows &&
              (!a->columns || t->shape[1] == a->columns) && t->bytes == bytes_of(a);
  if (!same)
    return damaged(o, a->name);
  *a->data = recsys__copy(t->data, 1, (size_t)t->bytes);
  return *a->data ? RECSYS_OK : recsys__no_memory(o->error, "the ranker");
}

static bool is_finite(const array *a) {
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

static recsys_status check_arrays(const opening *o, const array *list, size_t n, const sizes *s) {
  const recsys__learned *l = &o->f->learned;
  char digest[65];
  const char *said = recsys__tensors_metadata(&o->file, "recsys.digest");
  for (size_t i = 0; i < n; i++)
    if (!is_finite(&list[i]))
      return damaged(o, list[i].name);
  if (!is_rising(o->f->items, s->items) || !is_rising(l->items, l->n) || !is_rising(l->rated, l->rated_count) ||
      !is_rising(l->people.users, s->users))
    return damaged(o, "its ids do not rise");
  if (!is_sparse(&l->sparse, s->entries) || !is_sparse(&l->people.by_user, s->people_entries) ||
      !is_sparse(&l->people.by_item, s->people_entries))
    return damaged(o, "a sparse matrix");
  digest_of(list, n, digest);
  return said && !strcmp(said, digest) ? RECSYS_OK : damaged(o, "its digest differs");
}

static recsys_status read_fitted(opening *o) {
  recsys__learned *l = &o->f->learned;
  array list[MOST_ARRAYS];
  sizes s = {size_in(o, "items"), size_in(o, "entries"), size_in(o, "people_entries"), size_in(o, "users")};
  int shape = (int)size_in(o, "shape"), fold = (int)size_in(o, "fold"), compared = (int)size_in(o, "compared");
  if (shape > RECSYS__USERS || fold > RECSYS__RESIDUAL || compared > RECSYS__SETS)
    return damaged(o, "its kind is unknown");
  o->f->n = s.items;
  o->f->global_mean = real_in(o, "global_mean");
  o->f->largest = real_in(o, "largest");
  *l = (recsys__learned){.shape = (recsys__shape)shape,
                         .fold = (recsys__fold)fold,
                         .compared = (recsys__compared)compared,
                         .n = size_in(o, "scored"),
                         .rated_count = size_in(o, "rated"),
                         .factors = size_in(o, "factors"),
                         .neighbours = size_in(o, "neighbours"),
                         .regularization = real_in(o, "regularization"),
                         .frequency = real_in(o, "frequency"),
                         .mean_length = real_in(o, "mean_length"),
                         .mean = real_in(o, "mean"),
                         .shrinkage = real_in(o, "shrinkage")};
  if (!(o->f->largest > 0) || (l->frequency > 0 && !(l->mean_length > 0)))
    return damaged(o, "its scale");
  if ((l->shape == RECSYS__SPARSE || l->shape == RECSYS__FACTORS || l->shape == RECSYS__USERS) &&
      l->n != l->rated_count)
    return damaged(o, "its sizes differ");
  l->sparse.rows = l->sparse.columns = l->n;
  l->people.by_user.rows = l->people.by_item.columns = s.users;
  l->people.by_user.columns = l->people.by_item.rows = l->n;
  size_t n = list_arrays(list, o->f, &s);
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; i < n && !status; i++)
    status = read_array(o, &list[i]);
  return status ? status : check_arrays(o, list, n, &s);
}

/* A ranker of another shop would list nothing but what is popular there: that is said at once. */
static recsys_status check_store(const opening *o, recsys__store_core *core) {
  const recsys__view *view = recsys__store_core_view(core);
  size_t rated = 0, known = 0;
  for (size_t i = 0; i < o->f->n; i++)
    if (o->f->counts[i] > 0) {
      rated++;
      known += recsys__view_has_item(view, o->f->items[i]);
    }
  recsys__view_release(view);
  if (rated == 0 || known * 2 >= rated)
    return RECSYS_OK;
  return recsys__fail(o->error, RECSYS_EMISMATCH, (int32_t)known,
                      "'%.80s' was fitted on another store: of its %zu rated items this one has %zu; fit a new ranker",
                      o->path, rated, known);
}

static recsys_status read_state(opening *o) {
  const char *format, *text;
  recsys_status status = recsys__tensors_read(&o->file, o->path, o->error);
  if (status)
    return status;
  format = recsys__tensors_metadata(&o->file, "recsys.format");
  if (format && !strncmp(format, "recsys-ranker-", 14) && strcmp(format, FORMAT) != 0)
    return recsys__fail(o->error, RECSYS_EVERSION, 0, "'%.80s' is of format '%.30s', and this library knows " FORMAT,
                        o->path, format);
  text = recsys__tensors_metadata(&o->file, "recsys.ranker");
  if (!format || strcmp(format, FORMAT) != 0 || !text || !(o->state = json_loads(text, JSON_REJECT_DUPLICATES, NULL)))
    return damaged(o, "it holds no ranker");
  return RECSYS_OK;
}

static recsys_status open_fitted(opening *o, recsys_ranker **ranker, recsys__store_core *core,
                                 const recsys_ranker_options *options) {
  const char *algorithm = json_string_value(json_object_get(o->state, "algorithm"));
  recsys_status status = read_fitted(o);
  if (!status)
    status = check_store(o, core);
  if (!status)
    status = recsys__ranker_restore(ranker, core, algorithm ? algorithm : "", json_object_get(o->state, "parameters"),
                                    json_string_value(json_object_get(o->state, "fingerprint")), options, o->error);
  if (!status && ((*ranker)->algorithm->fit != NULL) != (o->f->learned.shape != RECSYS__NOTHING))
    status = damaged(o, "its algorithm learns something else");
  if (!status && !recsys__fitted_publish(*ranker, o->f))
    status = recsys__no_memory(o->error, "the ranker");
  if (!status)
    o->f = NULL;
  return status;
}

recsys_status recsys_ranker_open(recsys_ranker **out, recsys_store *store, const char *path,
                                 const recsys_ranker_options *options, recsys_error *error) {
  opening o = {.path = path, .error = error};
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker is NULL; pass the address of a handle");
  *out = NULL;
  if (!store || !path || !*path)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "path" : "store");
  recsys__store_core *core = recsys__store_core_retain(store);
  o.f = recsys__calloc(1, sizeof *o.f);
  recsys_status status = o.f ? RECSYS_OK : recsys__no_memory(error, "the ranker");
  if (o.f)
    atomic_init(&o.f->references, 1);
  if (!status)
    status = read_state(&o);
  if (!status)
    status = open_fitted(&o, out, core, options);
  if (status) {
    recsys_ranker_close(*out);
    *out = NULL;
  }
  recsys__fitted_release(o.f);
  json_decref(o.state);
  recsys__tensors_free(&o.file);
  recsys__store_core_release(core);
  return status ? status : recsys__ok(error);
}
