/* Learning a shop's labels: what recsys_model_train is given is checked, then its steps follow one another. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/thread.h"
#include "model/training.h"

enum {
  KNOWN_FLAGS = RECSYS_TRAIN_RESTART | RECSYS_TRAIN_RAW_FEATURES | RECSYS_TRAIN_HALF,
  MAX_HIDDEN = 65536,
  MAX_FOLDS = 100
};

/* 0 is the default, a negative value 0. */
static void settle(double *value, double usual) {
  *value = *value == 0 ? usual : *value < 0 ? 0 : *value;
}

static void settle_count(uint32_t *value, uint32_t usual) {
  *value = *value == 0 ? usual : *value;
}

static recsys_status check_range(double value, double most, const char *what, recsys_error *error) {
  if (value >= 0 && value < most)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EINVAL, 0, "train options: %s is %g, but must be at least 0 and below %g", what,
                      value, most);
}

static recsys_status fill_defaults(recsys_train_options *o, recsys_error *error) {
  bool sgd = o->optimiser == RECSYS_OPTIMISER_SGD;
  o->hidden = o->hidden == 0 ? 1024 : o->hidden < 0 ? 0 : o->hidden;
  settle(&o->dropout, 0.5);
  settle(&o->learning_rate, sgd ? 0.01 : 0.001);
  settle(&o->momentum, 0.9);
  settle(&o->weight_decay, sgd ? 0.0005 : 0.01);
  settle(&o->balance, 0);
  settle(&o->validation, 0.2);
  settle(&o->fine_tune_rate, o->learning_rate / 10);
  settle(&o->checkpoint, 10);
  settle_count(&o->epochs, 50);
  settle_count(&o->batch, 256);
  settle_count(&o->patience, 10);
  settle_count(&o->fine_tune_epochs, 10);
  settle_count(&o->fine_tune_batch, 32);
  o->memory = o->memory != 0 ? o->memory : UINT64_C(1) << 30;
  recsys_status status = check_range(o->dropout, 1, "dropout", error);
  if (status == RECSYS_OK)
    status = check_range(o->momentum, 1, "momentum", error);
  if (status == RECSYS_OK)
    status = check_range(o->validation, 1, "validation", error);
  if (status == RECSYS_OK)
    status = check_range(o->learning_rate, 1e6, "learning_rate", error);
  if (status == RECSYS_OK)
    status = check_range(o->weight_decay, 1e6, "weight_decay", error);
  if (status == RECSYS_OK)
    status = check_range(o->balance, 10, "balance", error);
  return status;
}

static recsys_status check_options(const recsys_train_options *o, recsys_error *error) {
  if (o->flags & ~(uint32_t)KNOWN_FLAGS)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "train options have unknown flags 0x%x", o->flags);
  if (o->optimiser > RECSYS_OPTIMISER_ADAMW || o->schedule > RECSYS_SCHEDULE_STEPS || o->reserved != 0)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                        "train options: optimiser %u, schedule %u or a reserved field is unknown here", o->optimiser,
                        o->schedule);
  if (o->hidden > MAX_HIDDEN || o->hidden < -1)
    return recsys__fail(error, RECSYS_EINVAL, 0, "train options: hidden is %lld; it may be -1 to %d",
                        (long long)o->hidden, MAX_HIDDEN);
  if (o->folds == 1 || o->folds > MAX_FOLDS)
    return recsys__fail(error, RECSYS_EINVAL, 0, "train options: %u folds; use 2 to %d, or 0 for one split", o->folds,
                        MAX_FOLDS);
  if (o->folds != 0 && o->fine_tune_blocks != 0)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "train options: stage two needs one split to stop by, so it does not go with folds");
  return RECSYS_OK;
}

recsys_status recsys__training_options(recsys__training *t, const recsys_train_options *theirs, recsys_error *error) {
  recsys_status status = recsys__options_copy(&t->options, sizeof t->options, theirs, "train options", error);
  if (status == RECSYS_OK)
    status = check_options(&t->options, error);
  return status == RECSYS_OK ? fill_defaults(&t->options, error) : status;
}

static recsys_status check_arguments(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                                     const recsys_label *labels, size_t label_count, const int8_t *matrix,
                                     recsys_error *error) {
  const char *missing = model == NULL    ? "model"
                        : path == NULL   ? "path"
                        : images == NULL ? "images"
                        : labels == NULL ? "labels"
                        : matrix == NULL ? "matrix"
                                         : NULL;
  if (missing != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_train: %s is NULL", missing);
  if (n < 2 || label_count == 0 || n > INT32_MAX)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "recsys_model_train: %zu pictures and %zu labels: at least 2 and 1 are needed", n, label_count);
  if (label_count > 1000000)
    return recsys__fail(error, RECSYS_ELIMIT, 0, "%zu labels are too many; at most 1000000 are possible", label_count);
  if (model->ensemble != NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "an ensemble cannot be trained: train its parts");
  if (strcmp(model->info.layer, RECSYS__HEAD_LAYER) == 0)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                        "a head cannot stand on the head of a trained model: open it with another layer");
  return recsys__model_here(model, error);
}

static recsys_status check_row(const recsys__training *t, size_t i, recsys_error *error) {
  const int8_t *row = t->labels.matrix + i * t->labels.count;
  for (size_t f = 0; f < t->labels.field_count; f++) {
    const recsys__field *field = &t->labels.fields[f];
    size_t present = 0;
    for (size_t c = field->first; c < field->first + field->count; c++) {
      if (row[c] < RECSYS_LABEL_UNKNOWN || row[c] > RECSYS_LABEL_PRESENT)
        return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "picture %zu has %d for label %zu: use 1, 0 or -1", i,
                            row[c], c);
      present += row[c] == RECSYS_LABEL_PRESENT;
    }
    if (field->exclusive && present > 1)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i,
                          "picture %zu has %zu labels of field '%.100s', which is exclusive", i, present,
                          t->head->field_names[f]);
  }
  return RECSYS_OK;
}

recsys_status recsys__training_open(recsys__training *t, recsys_status *statuses, recsys_error *error) {
  size_t n = t->n, cells;
  bool fits = recsys__mul(n, t->labels.count, &cells);
  t->statuses = statuses != NULL ? statuses : recsys__alloc(n, sizeof *t->statuses);
  t->digests = recsys__alloc(n, sizeof *t->digests);
  t->groups = recsys__alloc(n, sizeof *t->groups);
  t->handles = recsys__alloc(n, sizeof *t->handles);
  t->used = recsys__alloc(n, sizeof *t->used);
  t->parts = recsys__alloc(n, sizeof *t->parts);
  t->held = recsys__alloc(n, sizeof *t->held);
  t->order = recsys__alloc(n, sizeof *t->order);
  t->mean = recsys__calloc(t->dim, sizeof *t->mean);
  t->scale = recsys__alloc(t->dim, sizeof *t->scale);
  t->weights = recsys__alloc(t->labels.count, sizeof *t->weights);
  t->scores = fits ? recsys__calloc(cells, sizeof *t->scores) : NULL;
  t->course_room = (size_t)(t->options.folds + 1) * t->options.epochs + t->options.fine_tune_epochs;
  t->courses = recsys__calloc(t->options.folds + 2, sizeof *t->courses);
  t->course_epochs = recsys__calloc(t->course_room, sizeof *t->course_epochs);
  size_t size = strlen(t->path) + sizeof ".epoch";
  t->epoch_path = recsys__alloc(size, 1);
  if (t->epoch_path != NULL)
    snprintf(t->epoch_path, size, "%s.epoch", t->path);
  bool good = t->statuses && t->digests && t->groups && t->handles && t->used && t->parts && t->held && t->order &&
              t->mean && t->scale && t->weights && t->scores && t->courses && t->course_epochs && t->epoch_path;
  for (size_t i = 0; good && i < n; i++)
    t->held[i] = -1;
  for (uint32_t p = 0; good && p < t->options.folds + 2; p++)
    t->courses[p].epochs = t->course_epochs + (size_t)p * t->options.epochs;
  return good ? RECSYS_OK : recsys__no_memory(error, "the pictures and labels to train on");
}

recsys_status recsys__training_close(recsys__training *t, recsys_status status, const recsys_status *theirs,
                                     recsys_error *error) {
  if (status == RECSYS_OK && t->failed > 0) {
    if (error != NULL)
      *error = t->first_failure;
    status = RECSYS_EPARTIAL;
  } else if (status == RECSYS_OK) {
    recsys__ok(error);
  }
  if (t->statuses != theirs)
    recsys__free(t->statuses);
  void *const rooms[] = {t->digests, t->groups, t->handles, t->used,   t->parts,   t->held,          t->order,
                         t->mean,    t->scale,  t->weights, t->scores, t->courses, t->course_epochs, t->epoch_path};
  for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
    recsys__free(rooms[i]);
  recsys__tensors_free(&t->saved);
  recsys__cache_close(&t->cache);
  recsys__head_free(&t->net_head);
  recsys__model_head_free(t->head);
  return status;
}

static recsys_status train(recsys__training *t, recsys_error *error) {
  recsys__net base = {0};
  recsys_status status = recsys__model_read_again(t->model, &base, error);
  if (status == RECSYS_OK)
    status = recsys__training_hash(t, error);
  if (status == RECSYS_OK)
    status = recsys__training_features(t, error);
  if (status == RECSYS_OK)
    status = recsys__training_divide(t, error);
  if (status == RECSYS_OK)
    status = recsys__epochs_begin(t, error);
  if (status == RECSYS_OK)
    status = recsys__training_stage_one(t, error);
  if (status == RECSYS_OK && t->options.fine_tune_blocks != 0)
    status = recsys__training_stage_two(t, &base, error);
  if (status == RECSYS_OK)
    status = recsys__training_finish(t, &base, error);
  if (status == RECSYS_OK)
    unlink(t->epoch_path);
  recsys__net_free(&base);
  return status;
}

recsys_status recsys_model_train(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                                 const recsys_label *labels, size_t label_count, const int8_t *matrix,
                                 const recsys_train_options *options, recsys_status *statuses, recsys_error *error) {
  recsys__training t = {.model = model, .path = path, .images = images, .n = n, .names = labels, .seer = model};
  recsys_status status = check_arguments(model, path, images, n, labels, label_count, matrix, error);
  if (status == RECSYS_OK)
    status = recsys__training_options(&t, options, error);
  if (status == RECSYS_OK)
    status =
        recsys__model_head_make(&t.head, model->info.layer, (uint32_t)t.options.hidden, labels, label_count, error);
  if (status == RECSYS_OK) {
    t.dim = (size_t)model->info.dim;
    t.labels = t.head->labels;
    t.labels.matrix = matrix;
    status = recsys__training_open(&t, statuses, error);
  }
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    status = check_row(&t, i, error);
  if (status == RECSYS_OK)
    status = train(&t, error);
  return recsys__training_close(&t, status, statuses, error);
}
