/* The head's facts in a model file's metadata, and the calls that tell them. */
#include "model/head.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"

static const char *const names[] = {"threshold", "accuracy", "precision", "recall", "f1", "average_precision"};

static double *value_of(recsys_label_metrics *m, size_t i) {
  double *const values[] = {&m->threshold, &m->accuracy, &m->precision, &m->recall, &m->f1, &m->average_precision};
  return values[i];
}

void recsys__model_head_free(recsys__model_head *head) {
  if (head == NULL)
    return;
  for (size_t i = 0; head->field_names != NULL && i < head->labels.field_count; i++)
    recsys__free(head->field_names[i]);
  recsys__free(head->field_names);
  recsys__free(head->fields);
  recsys__free(head->metrics);
  recsys__free(head->layer);
  recsys__free(head->report);
  recsys__free(head);
}

static recsys__model_head *make_empty(const char *layer, uint32_t hidden, size_t fields, size_t labels) {
  recsys__model_head *head = recsys__calloc(1, sizeof *head);
  if (head == NULL)
    return NULL;
  head->hidden = hidden;
  head->layer = recsys__strdup(layer);
  head->fields = recsys__calloc(fields, sizeof *head->fields);
  head->field_names = recsys__calloc(fields, sizeof *head->field_names);
  head->metrics = recsys__calloc(labels + 2, sizeof *head->metrics);
  head->labels = (recsys__labels){head->fields, fields, labels, NULL};
  if (head->layer && head->fields && head->field_names && head->metrics)
    return head;
  recsys__model_head_free(head);
  return NULL;
}

recsys__model_head *recsys__model_head_copy(const recsys__model_head *head) {
  const recsys__labels *labels = &head->labels;
  recsys__model_head *copy = make_empty(head->layer, head->hidden, labels->field_count, labels->count);
  for (size_t f = 0; copy != NULL && f < labels->field_count; f++) {
    copy->fields[f] = head->fields[f];
    copy->field_names[f] = recsys__strdup(head->field_names[f]);
    if (copy->field_names[f] == NULL) {
      recsys__model_head_free(copy);
      copy = NULL;
    }
  }
  return copy;
}

/* -- files */

static bool read_field(recsys__model_head *head, size_t index, size_t *first, const json_t *object) {
  const char *name = json_string_value(json_object_get(object, "name"));
  json_int_t count = json_integer_value(json_object_get(object, "labels"));
  if (name == NULL || count < 1 || (uint64_t)count > head->labels.count - *first)
    return false;
  head->fields[index] = (recsys__field){*first, (size_t)count, json_is_true(json_object_get(object, "exclusive"))};
  head->field_names[index] = recsys__strdup(name);
  *first += (size_t)count;
  return head->field_names[index] != NULL;
}

static bool read_metrics(recsys_label_metrics *m, const json_t *object) {
  *m = (recsys_label_metrics){.known = (uint64_t)json_integer_value(json_object_get(object, "known")),
                              .support = (uint64_t)json_integer_value(json_object_get(object, "support"))};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    *value_of(m, i) = json_number_value(json_object_get(object, names[i]));
  return json_is_object(object) && isfinite(m->threshold);
}

static bool read_report(recsys__model_head *head, const json_t *report) {
  const json_t *labels = json_object_get(report, "labels");
  size_t n = head->labels.count;
  bool good = json_array_size(labels) == n;
  for (size_t i = 0; good && i < n; i++)
    good = read_metrics(&head->metrics[i], json_array_get(labels, i));
  return good && read_metrics(&head->metrics[n], json_object_get(report, "micro")) &&
         read_metrics(&head->metrics[n + 1], json_object_get(report, "macro"));
}

static recsys__model_head *read_head(const json_t *object, const json_t *report) {
  const json_t *fields = json_object_get(object, "fields");
  const char *layer = json_string_value(json_object_get(object, "layer"));
  json_int_t hidden = json_integer_value(json_object_get(object, "hidden"));
  size_t labels = json_array_size(json_object_get(report, "labels")), first = 0, n = json_array_size(fields);
  if (layer == NULL || hidden < 0 || hidden > 65536 || n == 0 || labels == 0)
    return NULL;
  recsys__model_head *head = make_empty(layer, (uint32_t)hidden, n, labels);
  bool good = head != NULL;
  for (size_t i = 0; good && i < n; i++)
    good = read_field(head, i, &first, json_array_get(fields, i));
  if (good && first == labels && read_report(head, report))
    return head;
  recsys__model_head_free(head);
  return NULL;
}

recsys_status recsys__model_head_parse(recsys__model_head **out, const char *head, const char *report,
                                       const char *source, recsys_error *error) {
  json_t *object = json_loads(head, 0, NULL), *tells = report != NULL ? json_loads(report, 0, NULL) : NULL;
  *out = read_head(object, tells);
  if (*out != NULL)
    (*out)->report = recsys__strdup(report);
  json_decref(object);
  json_decref(tells);
  if (*out != NULL && (*out)->report != NULL)
    return RECSYS_OK;
  recsys__model_head_free(*out);
  *out = NULL;
  return recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s is a trained model whose description of its head is damaged",
                      source);
}

char *recsys__model_head_dump(const recsys__model_head *head) {
  json_t *fields = json_array();
  bool good = fields != NULL;
  for (size_t i = 0; good && i < head->labels.field_count; i++) {
    const recsys__field *f = &head->fields[i];
    good = json_array_append_new(fields, json_pack("{s:s, s:I, s:b}", "name", head->field_names[i], "labels",
                                                   (json_int_t)f->count, "exclusive", (int)f->exclusive)) == 0;
  }
  json_t *object =
      json_pack("{s:s, s:I, s:o}", "layer", head->layer, "hidden", (json_int_t)head->hidden, "fields", fields);
  char *text = good && object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  return text;
}

/* -- a caller's labels */

static recsys_status check_text(const char *text, const char *what, size_t index, recsys_error *error) {
  size_t n = text != NULL ? strlen(text) : 0;
  if (n >= 1 && n <= 255 && recsys__utf8_valid(text, n))
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EINVAL, (int32_t)index, "the %s of label %zu must be 1 to 255 bytes of UTF-8", what,
                      index);
}

/* Label `at` among those before it: a new field must not have been there, an old one not hold the same value. */
static recsys_status check_place(const recsys_label *labels, size_t at, recsys_error *error) {
  const recsys_label *own = &labels[at];
  bool follows = at > 0 && strcmp(labels[at - 1].field, own->field) == 0;
  if (follows && (labels[at - 1].exclusive != 0) != (own->exclusive != 0))
    return recsys__fail(error, RECSYS_EINVAL, (int32_t)at,
                        "the labels of field '%.100s' do not agree on whether it is exclusive", own->field);
  for (size_t i = 0; i < at; i++) {
    bool same = strcmp(labels[i].field, own->field) == 0;
    if (same && strcmp(labels[i].value, own->value) == 0)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)at, "label %.60s = %.60s is there twice", own->field,
                          own->value);
    if (same && !follows)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)at, "the labels of field '%.100s' do not stand together",
                          own->field);
  }
  return RECSYS_OK;
}

static recsys_status count_fields(const recsys_label *labels, size_t count, size_t *fields, recsys_error *error) {
  *fields = 0;
  for (size_t i = 0; i < count; i++) {
    recsys_status status = check_text(labels[i].field, "field", i, error);
    if (status == RECSYS_OK)
      status = check_text(labels[i].value, "value", i, error);
    if (status == RECSYS_OK)
      status = check_place(labels, i, error);
    if (status != RECSYS_OK)
      return status;
    *fields += i == 0 || strcmp(labels[i - 1].field, labels[i].field) != 0;
  }
  return RECSYS_OK;
}

recsys_status recsys__model_head_make(recsys__model_head **out, const char *layer, uint32_t hidden,
                                      const recsys_label *labels, size_t count, recsys_error *error) {
  size_t fields, at = 0;
  *out = NULL;
  recsys_status status = count_fields(labels, count, &fields, error);
  if (status != RECSYS_OK)
    return status;
  recsys__model_head *head = make_empty(layer, hidden, fields, count);
  bool good = head != NULL;
  for (size_t i = 0; good && i < count; i++) {
    if (i == 0 || strcmp(labels[i - 1].field, labels[i].field) != 0) {
      head->fields[at] = (recsys__field){i, 0, labels[i].exclusive != 0};
      good = (head->field_names[at++] = recsys__strdup(labels[i].field)) != NULL;
    }
    head->fields[at - 1].count++;
  }
  if (!good) {
    recsys__model_head_free(head);
    return recsys__no_memory(error, "the labels");
  }
  *out = head;
  return RECSYS_OK;
}

/* -- what callers ask */

static recsys_status find_head(const recsys_model *model, const void *output, const char *function,
                               recsys_error *error) {
  if (model == NULL || output == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s: %s is NULL", function, model == NULL ? "model" : "an output");
  if (model->head == NULL)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "this model has no head of its own: recsys_model_train makes one");
  return RECSYS_OK;
}

recsys_status recsys_model_get_metrics(recsys_model *model, recsys_label_metrics *metrics, recsys_error *error) {
  recsys_status status = find_head(model, metrics, "recsys_model_get_metrics", error);
  if (status != RECSYS_OK)
    return status;
  memcpy(metrics, model->head->metrics, (model->head->labels.count + 2) * sizeof *metrics);
  return recsys__ok(error);
}

recsys_status recsys_model_get_class_field(recsys_model *model, uint64_t index, char *buffer, size_t size,
                                           size_t *length, uint32_t *exclusive, recsys_error *error) {
  recsys__fill(buffer, buffer != NULL ? size : 0, length, "", 0);
  if (exclusive != NULL)
    *exclusive = 0;
  recsys_status status =
      find_head(model, size > 0 ? buffer : (const void *)model, "recsys_model_get_class_field", error);
  if (status != RECSYS_OK)
    return status;
  const recsys__labels *labels = &model->head->labels;
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    if (index < field->first || index >= field->first + field->count)
      continue;
    recsys__fill(buffer, size, length, model->head->field_names[f], strlen(model->head->field_names[f]));
    if (exclusive != NULL)
      *exclusive = field->exclusive;
    return recsys__ok(error);
  }
  return recsys__fail(error, RECSYS_EINVAL, 0, "class %llu does not exist: the model has %zu",
                      (unsigned long long)index, labels->count);
}

recsys_status recsys_model_get_report(recsys_model *model, char *buffer, size_t size, size_t *length,
                                      recsys_error *error) {
  recsys__fill(buffer, buffer != NULL ? size : 0, length, "", 0);
  recsys_status status = find_head(model, size > 0 ? buffer : (const void *)model, "recsys_model_get_report", error);
  if (status != RECSYS_OK)
    return status;
  if (model->head->report == NULL)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "an ensemble has no report of its own: ask its parts");
  recsys__fill(buffer, size, length, model->head->report, strlen(model->head->report));
  return recsys__ok(error);
}
