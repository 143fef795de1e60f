/* What training leaves: thresholds and metrics of held-out pictures, the report, and the model file. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/training.h"
#include "train/metrics.h"

/* -- thresholds and metrics */

/* Decisions on the pictures of one part, with thresholds from the scores of all others. */
static recsys_status decide_part(recsys__training *t, int32_t part, double *thresholds, uint8_t *decisions,
                                 recsys_error *error) {
  const recsys__labels *labels = &t->labels;
  recsys_status status = RECSYS_OK;
  for (size_t c = 0; status == RECSYS_OK && c < labels->count; c++)
    status = recsys__best_threshold(labels, t->scores, t->held, t->n, c, part, &thresholds[c], error);
  for (size_t i = 0; status == RECSYS_OK && i < t->n; i++)
    if (t->held[i] == part)
      recsys__decide(labels, t->scores + i * labels->count, 1, thresholds, decisions + i * labels->count);
  return status;
}

/* The thresholds that the model keeps come from all held-out pictures; 0 in exclusive fields, which do not use them. */
static recsys_status keep_thresholds(recsys__training *t, recsys_error *error) {
  const recsys__labels *labels = &t->labels;
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    for (size_t c = field->first; c < field->first + field->count; c++) {
      double *threshold = &t->head->metrics[c].threshold;
      *threshold = 0;
      recsys_status status = field->exclusive
                                 ? RECSYS_OK
                                 : recsys__best_threshold(labels, t->scores, t->held, t->n, c, -1, threshold, error);
      if (status != RECSYS_OK)
        return status;
    }
  }
  return RECSYS_OK;
}

static recsys_status measure(recsys__training *t, recsys_error *error) {
  int32_t parts = t->options.folds != 0 ? (int32_t)t->options.folds : 2;
  double *thresholds = recsys__alloc(t->labels.count, sizeof *thresholds);
  uint8_t *decisions = recsys__calloc(t->n, t->labels.count);
  recsys_status status =
      thresholds && decisions ? RECSYS_OK : recsys__no_memory(error, "the decisions on held-out pictures");
  for (int32_t part = 0; status == RECSYS_OK && part < parts; part++)
    status = decide_part(t, part, thresholds, decisions, error);
  if (status == RECSYS_OK)
    status = recsys__measure_labels(&t->labels, t->scores, decisions, t->held, t->n, t->head->metrics, error);
  if (status == RECSYS_OK)
    status = keep_thresholds(t, error);
  recsys__free(thresholds);
  recsys__free(decisions);
  return status;
}

/* -- the report. A failed Jansson call gives NULL, which the next one takes and passes on. */

static json_t *number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *report_course(const recsys__course *course) {
  json_t *epochs = json_array();
  for (uint32_t e = 0; e < course->count; e++)
    json_array_append_new(epochs, json_pack("{s:o, s:o}", "training", number(course->epochs[e].training), "validation",
                                            number(course->epochs[e].validation)));
  return json_pack("{s:I, s:o}", "best_epoch", (json_int_t)course->best, "epochs", epochs);
}

static json_t *report_metrics(const recsys_label_metrics *m) {
  return json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "known", (json_int_t)m->known, "support",
                   (json_int_t)m->support, "threshold", m->threshold, "accuracy", m->accuracy, "precision",
                   m->precision, "recall", m->recall, "f1", m->f1, "average_precision", m->average_precision);
}

static json_t *report_labels(const recsys__training *t) {
  json_t *labels = json_array();
  for (size_t c = 0; c < t->labels.count; c++) {
    json_t *one = report_metrics(&t->head->metrics[c]);
    json_object_set_new(one, "field", json_string(t->names[c].field));
    json_object_set_new(one, "value", json_string(t->names[c].value));
    json_array_append_new(labels, one);
  }
  return labels;
}

static json_t *report_settings(const recsys_train_options *o) {
  static const char *const optimisers[] = {"sgd", "adamw"}, *const schedules[] = {"cosine", "constant", "steps"};
  return json_pack("{s:s, s:s, s:I, s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:I, s:b, s:I, s:I, s:f, s:I}",
                   "optimiser", optimisers[o->optimiser], "schedule", schedules[o->schedule], "hidden",
                   (json_int_t)o->hidden, "dropout", o->dropout, "epochs", (json_int_t)o->epochs, "batch",
                   (json_int_t)o->batch, "learning_rate", o->learning_rate, "momentum", o->momentum, "weight_decay",
                   o->weight_decay, "balance", o->balance, "patience", (json_int_t)o->patience, "folds",
                   (json_int_t)o->folds, "validation", o->validation, "seed", (json_int_t)o->seed, "standardised",
                   (o->flags & RECSYS_TRAIN_RAW_FEATURES) == 0, "fine_tune_blocks", (json_int_t)o->fine_tune_blocks,
                   "fine_tune_epochs", (json_int_t)o->fine_tune_epochs, "fine_tune_rate", o->fine_tune_rate,
                   "fine_tune_batch", (json_int_t)o->fine_tune_batch);
}

static json_t *report_data(const recsys__training *t) {
  return json_pack("{s:I, s:I, s:I, s:I, s:s}", "pictures", (json_int_t)t->n, "used", (json_int_t)t->used_count,
                   "training", (json_int_t)t->training_count, "labels", (json_int_t)t->labels.count, "digest", t->key);
}

static json_t *report_base(const recsys_model *model) {
  return json_pack("{s:s, s:s, s:s}", "architecture", model->info.architecture, "layer", model->info.layer,
                   "fingerprint", model->info.fingerprint);
}

static char *make_report(const recsys__training *t) {
  uint32_t folds = t->options.folds;
  size_t count = t->labels.count;
  json_t *courses = json_array();
  for (uint32_t f = 0; f < folds; f++)
    json_array_append_new(courses, report_course(&t->courses[f]));
  json_t *report =
      json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "base", report_base(t->model), "settings",
                report_settings(&t->options), "data", report_data(t), "folds", courses, "head",
                report_course(&t->courses[folds]), "labels", report_labels(t), "micro",
                report_metrics(&t->head->metrics[count]), "macro", report_metrics(&t->head->metrics[count + 1]));
  if (t->courses[folds + 1].count > 0)
    json_object_set_new(report, "fine_tune", report_course(&t->courses[folds + 1]));
  char *text = report != NULL ? json_dumps(report, JSON_COMPACT) : NULL, *copy = recsys__strdup(text ? text : "");
  json_decref(report);
  free(text);
  return copy;
}

/* -- the file */

/* outputs x inputs from the head's inputs x outputs; the first layer takes raw features, so that standardising is part
 * of it: W x' with x' = (x - mean) scale. */
static void turn(const recsys__training *t, const recsys__parameter *weight, const recsys__parameter *bias,
                 size_t inputs, size_t outputs, bool first, float *w, float *b) {
  for (size_t o = 0; o < outputs; o++) {
    double shift = bias->value[o];
    for (size_t i = 0; i < inputs; i++) {
      float value = weight->value[i * outputs + o] * (first ? t->scale[i] : 1);
      w[o * inputs + i] = value;
      shift -= first ? (double)value * t->mean[i] : 0;
    }
    b[o] = (float)shift;
  }
}

static recsys_status set_layer(const recsys__training *t, recsys__net *net, size_t at, size_t inputs, size_t outputs,
                               recsys_error *error) {
  const recsys__parameter *weight = &t->net_head.parameters[at], *bias = weight + 1;
  float *w = recsys__alloc(inputs, outputs * sizeof *w), *b = recsys__alloc(outputs, sizeof *b);
  recsys_status status = w && b ? RECSYS_OK : recsys__no_memory(error, "the head's weights");
  if (status == RECSYS_OK) {
    turn(t, weight, bias, inputs, outputs, at == 0, w, b);
    status = recsys__net_set(net, weight->name, w, error);
  }
  if (status == RECSYS_OK)
    status = recsys__net_set(net, bias->name, b, error);
  recsys__free(w);
  recsys__free(b);
  return status;
}

static recsys_status make_net(const recsys__training *t, const recsys_model *result, recsys__net *base,
                              recsys__net *net, recsys_error *error) {
  size_t hidden = t->net_head.hidden, last = hidden != 0 ? hidden : t->dim;
  recsys_status status = recsys__model_build(result, net, error);
  if (status == RECSYS_OK)
    status = recsys__net_adopt(net, base, error);
  if (status == RECSYS_OK && hidden != 0)
    status = set_layer(t, net, 0, t->dim, hidden, error);
  if (status == RECSYS_OK)
    status = set_layer(t, net, hidden != 0 ? 2 : 0, last, t->labels.count, error);
  return status;
}

static recsys_status write_result(recsys__training *t, recsys__net *base, recsys_error *error) {
  recsys_model result = {
      .info = t->model->info, .head = t->head, .class_name_count = t->labels.count, .no_top = t->model->no_top};
  result.half = (t->options.flags & RECSYS_TRAIN_HALF) != 0;
  recsys__net net = {0};
  result.class_names = recsys__alloc(t->labels.count, sizeof *result.class_names);
  if (result.class_names == NULL)
    return recsys__no_memory(error, "the class names");
  for (size_t c = 0; c < t->labels.count; c++)
    result.class_names[c] = (char *)(uintptr_t)t->names[c].value;
  result.info.classes = t->labels.count;
  result.info.trained = 1;
  if (t->net_head.hidden != 0)
    snprintf(result.info.layer, sizeof result.info.layer, "%s", RECSYS__HEAD_LAYER);
  recsys_status status = make_net(t, &result, base, &net, error);
  if (status == RECSYS_OK)
    status = recsys__model_write(&result, &net, t->path, error);
  recsys__net_free(&net);
  recsys__free(result.class_names);
  return status;
}

recsys_status recsys__training_finish(recsys__training *t, recsys__net *base, recsys_error *error) {
  recsys_status status = measure(t, error);
  if (status != RECSYS_OK)
    return status;
  t->head->report = make_report(t);
  if (t->head->report == NULL || t->head->report[0] == '\0')
    return recsys__no_memory(error, "the report");
  return write_result(t, base, error);
}
