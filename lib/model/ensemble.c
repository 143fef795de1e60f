/* Several models as one: rows side by side, scores in the mean, and the small file that names the parts. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/sha256.h"
#include "base/text.h"
#include "base/thread.h"
#include "model/model.h"

enum { MAX_PARTS = 16, CHUNK = 256 };

void recsys__ensemble_free(recsys__ensemble *ensemble) {
  if (ensemble == NULL)
    return;
  for (size_t i = 0; i < ensemble->n; i++)
    recsys_model_close(ensemble->parts[i]);
  recsys__free(ensemble->parts);
  recsys__free(ensemble->weights);
  recsys__free(ensemble);
}

static recsys__ensemble *make_empty(size_t room) {
  recsys__ensemble *ensemble = recsys__calloc(1, sizeof *ensemble);
  if (ensemble == NULL)
    return NULL;
  ensemble->parts = recsys__calloc(room, sizeof *ensemble->parts);
  ensemble->weights = recsys__calloc(room, sizeof *ensemble->weights);
  if (ensemble->parts != NULL && ensemble->weights != NULL)
    return ensemble;
  recsys__ensemble_free(ensemble);
  return NULL;
}

/* -- what the parts make together */

static bool same_classes(const recsys_model *a, const recsys_model *b) {
  if (a->info.classes != b->info.classes || a->class_name_count != b->class_name_count ||
      (a->head != NULL) != (b->head != NULL))
    return false;
  for (size_t c = 0; c < a->class_name_count; c++)
    if (strcmp(a->class_names[c], b->class_names[c]) != 0)
      return false;
  for (size_t f = 0; a->head != NULL && f < a->head->labels.field_count; f++)
    if (f >= b->head->labels.field_count || strcmp(a->head->field_names[f], b->head->field_names[f]) != 0 ||
        memcmp(&a->head->fields[f].count, &b->head->fields[f].count, sizeof(size_t)) != 0 ||
        a->head->fields[f].exclusive != b->head->fields[f].exclusive)
      return false;
  return true;
}

static recsys_status copy_classes(recsys_model *model, recsys_error *error) {
  const recsys__ensemble *e = model->ensemble;
  const recsys_model *first = e->parts[0];
  model->dims[RECSYS__OUTPUT_CLASSES] = model->info.classes = first->info.classes;
  model->class_names = recsys__calloc(first->class_name_count, sizeof *model->class_names);
  bool good = model->class_names != NULL;
  for (size_t c = 0; good && c < first->class_name_count; c++) {
    good = (model->class_names[c] = recsys__strdup(first->class_names[c])) != NULL;
    model->class_name_count = c + 1;
  }
  if (good && first->head != NULL) {
    model->head = recsys__model_head_copy(first->head);
    good = model->head != NULL;
    for (size_t i = 0; good && i < e->n; i++)
      for (size_t c = 0; c < first->head->labels.count; c++)
        model->head->metrics[c].threshold += e->weights[i] * e->parts[i]->head->metrics[c].threshold;
  }
  return good ? RECSYS_OK : recsys__no_memory(error, "the classes of an ensemble");
}

static void find_fingerprint(recsys_model *model) {
  const recsys__ensemble *e = model->ensemble;
  recsys__sha256 sha;
  char text[128];
  recsys__sha256_init(&sha);
  for (size_t i = 0; i < e->n; i++) {
    int n = snprintf(text, sizeof text, "%s %a\n", e->parts[i]->info.fingerprint, e->weights[i]);
    recsys__sha256_update(&sha, text, (size_t)n);
  }
  recsys__sha256_hex(&sha, model->info.fingerprint);
}

/* From the parts and any positive weights to a whole model. */
static recsys_status finish(recsys_model *model, recsys_error *error) {
  recsys__ensemble *e = model->ensemble;
  double sum = 0;
  bool alike = true;
  for (size_t i = 0; i < e->n; i++)
    sum += e->weights[i];
  model->info.trained = 1;
  model->info.precision = e->parts[0]->info.precision;
  for (size_t i = 0; i < e->n; i++) {
    const recsys_model *part = e->parts[i];
    e->weights[i] /= sum;
    model->info.dim += part->info.dim;
    model->info.parameters += part->info.parameters;
    model->info.trained = model->info.trained && part->info.trained;
    alike = alike && same_classes(e->parts[0], part);
  }
  model->dims[RECSYS__OUTPUT_EMBEDDING] = model->info.dim;
  snprintf(model->info.architecture, sizeof model->info.architecture, "ensemble");
  snprintf(model->info.layer, sizeof model->info.layer, "joined");
  find_fingerprint(model);
  return alike && e->parts[0]->info.classes > 0 ? copy_classes(model, error) : RECSYS_OK;
}

static recsys_status check_parts(recsys_model *const *parts, const double *weights, size_t n, recsys_error *error) {
  if (parts == NULL || n < 1 || n > MAX_PARTS)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_combine: %zu parts; 1 to %d are possible", n, MAX_PARTS);
  for (size_t i = 0; i < n; i++) {
    if (parts[i] == NULL || parts[i]->ensemble != NULL)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "recsys_model_combine: part %zu is %s", i,
                          parts[i] == NULL ? "NULL" : "an ensemble itself: give its parts");
    if (weights != NULL && !(weights[i] > 0 && weights[i] < 1e9))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i,
                          "recsys_model_combine: weight %zu is %g, but must be positive", i, weights[i]);
    recsys_status status = recsys__model_here(parts[i], error);
    if (status != RECSYS_OK)
      return status;
  }
  return RECSYS_OK;
}

recsys_status recsys_model_combine(recsys_model **model, recsys_model *const *parts, const double *weights, size_t n,
                                   recsys_error *error) {
  recsys_model *m = NULL;
  if (model == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_combine: model is NULL");
  *model = NULL;
  recsys_status status = check_parts(parts, weights, n, error);
  if (status == RECSYS_OK)
    status = recsys__model_make(&m, NULL, error);
  if (status == RECSYS_OK && (m->ensemble = make_empty(n)) == NULL)
    status = recsys__no_memory(error, "an ensemble");
  for (size_t i = 0; status == RECSYS_OK && i < n; i++) {
    atomic_fetch_add(&parts[i]->references, 1);
    m->ensemble->parts[m->ensemble->n++] = parts[i];
    m->ensemble->weights[i] = weights != NULL ? weights[i] : 1;
  }
  if (status == RECSYS_OK)
    status = finish(m, error);
  if (status != RECSYS_OK) {
    recsys_model_close(m);
    return status;
  }
  *model = m;
  return recsys__ok(error);
}

/* -- running */

typedef struct work {
  recsys_model *model;
  uint32_t output;
  size_t width; /* floats of a whole row */
  float *part_rows;
  recsys_status statuses[CHUNK];
} work;

static double length_of(const float *row, size_t n) {
  double sum = 0;
  for (size_t k = 0; k < n; k++)
    sum += (double)row[k] * row[k];
  return sqrt(sum);
}

/* Adds what part `p` says of one picture; `at` is where its row begins. */
static void add_part(const work *w, size_t p, size_t at, const float *from, float *row) {
  const recsys_model *part = w->model->ensemble->parts[p];
  size_t n = (size_t)part->dims[w->output];
  double weight = w->model->ensemble->weights[p];
  if (w->output == RECSYS__OUTPUT_CLASSES) {
    for (size_t k = 0; k < n; k++)
      row[k] += (float)(weight * from[k]);
    return;
  }
  double length = length_of(from, n), factor = length > 0 ? sqrt(weight) / length : 0;
  for (size_t k = 0; k < n; k++)
    row[at + k] = (float)(from[k] * factor);
}

/* At most CHUNK pictures through all parts. The first failure of a picture is the one that counts. */
static recsys_status run_chunk(work *w, const recsys_image *images, size_t n, float *rows, recsys_status *statuses,
                               recsys_error *error) {
  recsys_status result = RECSYS_OK;
  memset(rows, 0, n * w->width * sizeof *rows);
  memset(statuses, 0, n * sizeof *statuses);
  for (size_t p = 0, at = 0; p < w->model->ensemble->n; p++) {
    recsys_model *part = w->model->ensemble->parts[p];
    size_t width = (size_t)part->dims[w->output];
    recsys_error reason;
    recsys_status status = recsys__model_run(part, w->output, images, n, NULL, w->part_rows, w->statuses, &reason);
    if (status != RECSYS_OK && status != RECSYS_EPARTIAL)
      return recsys__fail(error, status, reason.detail, "part %zu of the ensemble: %.200s", p, reason.message);
    if (status == RECSYS_EPARTIAL && result == RECSYS_OK) {
      result = status;
      if (error != NULL)
        *error = reason;
    }
    for (size_t i = 0; i < n; i++) {
      statuses[i] = statuses[i] != RECSYS_OK ? statuses[i] : w->statuses[i];
      add_part(w, p, at, w->part_rows + i * width, rows + i * w->width);
    }
    at += width;
  }
  for (size_t i = 0; i < n; i++)
    if (statuses[i] != RECSYS_OK)
      memset(rows + i * w->width, 0, w->width * sizeof *rows);
  return result;
}

/* The first failed picture's message, with its place in the whole call. */
static void keep_failure(recsys_error *kept, const recsys_error *reason, size_t first) {
  const char *message = strchr(reason->message, ':');
  recsys__fail(kept, RECSYS_EPARTIAL, (int32_t)first + reason->detail, "picture %zu%.200s",
               first + (size_t)reason->detail, message != NULL ? message : "");
}

recsys_status recsys__ensemble_run(recsys_model *model, uint32_t output, const recsys_image *images, size_t n,
                                   const recsys_embed_options *options, float *rows, recsys_status *statuses,
                                   recsys_error *error) {
  recsys_embed_options how;
  size_t widest = 0;
  recsys_status own[CHUNK], result = RECSYS_OK;
  recsys_error first = {0}, reason;
  recsys_status status = recsys__options_copy(&how, sizeof how, options, "embed options", error);
  if (status != RECSYS_OK)
    return status;
  work *w = recsys__calloc(1, sizeof *w);
  if (w == NULL)
    return recsys__no_memory(error, "an ensemble's rows");
  *w = (work){.model = model, .output = output, .width = (size_t)model->dims[output]};
  for (size_t p = 0; p < model->ensemble->n; p++)
    widest =
        model->ensemble->parts[p]->dims[output] > widest ? (size_t)model->ensemble->parts[p]->dims[output] : widest;
  w->part_rows = recsys__alloc(CHUNK, widest * sizeof *rows);
  if (w->width == 0)
    status =
        recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "this ensemble has no classifier: its parts have other classes");
  else if (w->part_rows == NULL)
    status = recsys__no_memory(error, "an ensemble's rows");
  size_t at = 0;
  for (; status == RECSYS_OK && at < n; at += CHUNK) {
    size_t count = n - at < CHUNK ? n - at : CHUNK;
    status = run_chunk(w, images + at, count, rows + at * w->width, own, &reason);
    if (status == RECSYS_EPARTIAL) {
      if (result == RECSYS_OK)
        keep_failure(&first, &reason, at);
      result = status;
      status = RECSYS_OK;
    } else if (status != RECSYS_OK && error != NULL) {
      *error = reason;
    }
    if (status == RECSYS_OK && statuses != NULL)
      memcpy(statuses + at, own, count * sizeof *own);
    if (status == RECSYS_OK && how.progress != NULL && how.progress(how.progress_user, "embed", at + count, n) != 0 &&
        at + count < n)
      status = recsys__fail(error, RECSYS_ECANCELLED, 0, "cancelled after %zu of %zu pictures", at + count, n);
  }
  for (size_t i = at; status != RECSYS_OK && w->width > 0 && i < n; i++) {
    memset(rows + i * w->width, 0, w->width * sizeof *rows);
    if (statuses != NULL)
      statuses[i] = status;
  }
  recsys__free(w->part_rows);
  recsys__free(w);
  if (status != RECSYS_OK)
    return status;
  if (result != RECSYS_OK && error != NULL)
    *error = first;
  return result == RECSYS_OK ? recsys__ok(error) : result;
}

/* -- files */

/* Beside the ensemble: the name alone; else the whole path. */
static const char *name_from(const char *source, const char *path, char *folder, size_t size) {
  char *resolved = realpath(path, NULL);
  const char *slash = resolved != NULL ? strrchr(resolved, '/') : NULL;
  if (slash == NULL) { /* the file is not there yet: its folder is */
    free(resolved);
    const char *last = strrchr(path, '/');
    snprintf(folder, size, "%.*s", last != NULL ? (int)(last - path) : 1, last != NULL ? path : ".");
    resolved = realpath(folder, NULL);
    snprintf(folder, size, "%s", resolved != NULL ? resolved : "");
  } else {
    snprintf(folder, size, "%.*s", (int)(slash - resolved), resolved);
  }
  free(resolved);
  size_t length = strlen(folder);
  bool beside = length > 0 && strncmp(source, folder, length) == 0 && source[length] == '/' &&
                strchr(source + length + 1, '/') == NULL;
  return beside ? source + length + 1 : source;
}

static json_t *list_parts(const recsys_model *model, const char *path, recsys_error *error) {
  json_t *parts = json_array();
  char folder[4096];
  for (size_t i = 0; i < model->ensemble->n; i++) {
    const recsys_model *part = model->ensemble->parts[i];
    if (part->source == NULL || !recsys__utf8_valid(part->source, strlen(part->source))) {
      recsys__fail(error, RECSYS_EUNSUPPORTED, (int32_t)i, "part %zu %s", i,
                   part->source == NULL ? "is of no file: save it, and open it from there"
                                        : "has a path that is not UTF-8: move it");
      json_decref(parts);
      return NULL;
    }
    const char *file = name_from(part->source, path, folder, sizeof folder);
    json_array_append_new(parts, json_pack("{s:s, s:s, s:s, s:s, s:f}", "file", file, "fingerprint",
                                           part->info.fingerprint, "layer", part->info.layer, "recipe",
                                           part->info.recipe, "weight", model->ensemble->weights[i]));
  }
  return parts;
}

recsys_status recsys__ensemble_save(const recsys_model *model, const char *path, recsys_error *error) {
  const recsys__ensemble *e = model->ensemble;
  json_t *parts = list_parts(model, path, error);
  if (parts == NULL)
    return RECSYS_EUNSUPPORTED;
  char *text = json_dumps(parts, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(parts);
  if (text == NULL)
    return recsys__no_memory(error, "the parts of an ensemble");
  const recsys__tensor tensor = {
      .name = "weights", .dtype = RECSYS__F64, .rank = 1, .shape = {e->n}, .data = e->weights, .bytes = e->n * 8};
  const struct recsys__metadata metadata[2] = {{"recsys.format", RECSYS__ENSEMBLE_FORMAT}, {"recsys.ensemble", text}};
  recsys_status status = recsys__tensors_write(path, &tensor, 1, metadata, 2, error);
  free(text);
  return status == RECSYS_OK ? recsys__ok(error) : status;
}

static recsys_status open_part(recsys_model *model, const json_t *about, recsys_error *error) {
  recsys__ensemble *e = model->ensemble;
  const char *file = json_string_value(json_object_get(about, "file")),
             *fingerprint = json_string_value(json_object_get(about, "fingerprint"));
  double weight = json_number_value(json_object_get(about, "weight"));
  if (file == NULL || fingerprint == NULL || !(weight > 0 && weight < 1e9))
    return recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s is an ensemble whose description is damaged", model->source);
  char path[4096];
  const char *slash = strrchr(model->source, '/');
  int folder = slash != NULL && file[0] != '/' ? (int)(slash - model->source + 1) : 0;
  if ((size_t)snprintf(path, sizeof path, "%.*s%s", folder, model->source, file) >= sizeof path)
    return recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s names a part with too long a path", model->source);
  recsys_model_options options = model->options;
  options.layer = json_string_value(json_object_get(about, "layer"));
  options.recipe = json_string_value(json_object_get(about, "recipe"));
  recsys_status status = recsys__model_open_file(&e->parts[e->n], path, &options, true, error);
  if (status != RECSYS_OK)
    return status;
  e->weights[e->n] = weight;
  const recsys_model *part = e->parts[e->n++];
  if (strcmp(part->info.fingerprint, fingerprint) != 0)
    return recsys__fail(error, RECSYS_EMISMATCH, 0,
                        "%.150s is not the part that the ensemble was made of: it has changed since", path);
  return RECSYS_OK;
}

recsys_status recsys__ensemble_open(recsys_model *model, recsys_error *error) {
  const recsys_model_options *o = &model->options;
  if (o->layer != NULL || o->recipe != NULL || o->architecture != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "the parts of an ensemble have layers and recipes of their own: leave these options out");
  json_t *parts = json_loads(model->ensemble_text, 0, NULL);
  size_t n = json_array_size(parts);
  recsys_status status = RECSYS_OK;
  if (n < 1 || n > MAX_PARTS)
    status =
        recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s is an ensemble whose description is damaged", model->source);
  else if ((model->ensemble = make_empty(n)) == NULL)
    status = recsys__no_memory(error, "an ensemble");
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    status = open_part(model, json_array_get(parts, i), error);
  json_decref(parts);
  return status == RECSYS_OK ? finish(model, error) : status;
}
