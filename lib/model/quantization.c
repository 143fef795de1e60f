/* An int8 model's layers and ranges: as JSON, in its weights, in its operations. */
#include "model/quantization.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

recsys__quantization *recsys__quantization_make(size_t layers) {
  recsys__quantization *q = recsys__calloc(1, sizeof *q);
  if (q == NULL)
    return NULL;
  q->layers = recsys__calloc(layers > 0 ? layers : 1, sizeof *q->layers);
  q->report.struct_size = sizeof q->report;
  if (q->layers != NULL)
    return q;
  recsys__free(q);
  return NULL;
}

bool recsys__quantization_add(recsys__quantization *q, const char *weight, float input, float output) {
  char *name = recsys__strdup(weight);
  if (name == NULL)
    return false;
  q->layers[q->count++] = (recsys__layer_range){name, input, output};
  q->report.layers = (uint32_t)q->count;
  return true;
}

static int compare(const void *a, const void *b) {
  const recsys__layer_range *left = a, *right = b;
  return strcmp(left->weight, right->weight);
}

void recsys__quantization_sort(recsys__quantization *q) {
  qsort(q->layers, q->count, sizeof *q->layers, compare);
}

void recsys__quantization_free(recsys__quantization *q) {
  if (q == NULL)
    return;
  for (size_t i = 0; i < q->count; i++)
    recsys__free(q->layers[i].weight);
  recsys__free(q->layers);
  recsys__free(q);
}

const recsys__layer_range *recsys__quantization_find(const recsys__quantization *q, const char *weight) {
  recsys__layer_range wanted = {.weight = (char *)(uintptr_t)weight};
  return bsearch(&wanted, q->layers, q->count, sizeof *q->layers, compare);
}

/* -- JSON: {"layers": {"features.2.weight": [1.5, 2.25], ...}, "report": {...}} */

bool recsys__quantization_fits(double range) {
  return range >= 1e-20 && range <= 1e20; /* units and their products stay far from float's limits */
}

static bool read_range(const json_t *value, float *range) {
  double number = json_number_value(value);
  bool good = json_is_number(value) && recsys__quantization_fits(number);
  *range = good ? (float)number : 0;
  return good;
}

static recsys_status read_layers(recsys__quantization *q, json_t *layers, const char *source, recsys_error *error) {
  const char *name;
  json_t *pair;
  json_object_foreach(layers, name, pair) {
    float input, output;
    if (!read_range(json_array_get(pair, 0), &input) || !read_range(json_array_get(pair, 1), &output))
      return recsys__fail(
          error, RECSYS_EFORMAT, 0,
          "%.120s: the ranges of layer '%.60s' are no two numbers of 1e-20 to 1e20: quantise the model again", source,
          name);
    if (!recsys__quantization_add(q, name, input, output))
      return recsys__no_memory(error, "the ranges of an int8 model");
  }
  recsys__quantization_sort(q);
  return RECSYS_OK;
}

static void read_report(recsys_quantize_report *report, const json_t *json) {
  report->calibrated = (uint64_t)json_integer_value(json_object_get(json, "calibrated"));
  report->compared = (uint64_t)json_integer_value(json_object_get(json, "compared"));
  report->neighbours = (uint64_t)json_integer_value(json_object_get(json, "neighbours"));
  report->cosine = json_number_value(json_object_get(json, "cosine"));
  report->least_cosine = json_number_value(json_object_get(json, "least_cosine"));
  report->equal_neighbours = json_number_value(json_object_get(json, "equal_neighbours"));
  report->equal_classes = json_number_value(json_object_get(json, "equal_classes"));
}

recsys_status recsys__quantization_parse(recsys__quantization **out, const char *json, const char *source,
                                         recsys_error *error) {
  *out = NULL;
  json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL), *layers = json_object_get(object, "layers");
  recsys_status status = RECSYS_OK;
  if (!json_is_object(layers)) {
    json_decref(object);
    return recsys__fail(error, RECSYS_EFORMAT, 0, "%.120s: its metadata 'recsys.quantization' tells of no layers",
                        source);
  }
  recsys__quantization *q = recsys__quantization_make(json_object_size(layers));
  status = q != NULL ? read_layers(q, layers, source, error) : recsys__no_memory(error, "the ranges of an int8 model");
  if (status == RECSYS_OK)
    read_report(&q->report, json_object_get(object, "report"));
  json_decref(object);
  if (status == RECSYS_OK)
    *out = q;
  else
    recsys__quantization_free(q);
  return status;
}

static json_t *dump_report(const recsys_quantize_report *r) {
  return json_pack("{s:I, s:I, s:f, s:f, s:I, s:f, s:f}", "calibrated", (json_int_t)r->calibrated, "compared",
                   (json_int_t)r->compared, "cosine", r->cosine, "least_cosine", r->least_cosine, "neighbours",
                   (json_int_t)r->neighbours, "equal_neighbours", r->equal_neighbours, "equal_classes",
                   r->equal_classes);
}

char *recsys__quantization_dump(const recsys__quantization *q) {
  json_t *layers = json_object();
  bool good = layers != NULL;
  for (size_t i = 0; good && i < q->count; i++) {
    const recsys__layer_range *layer = &q->layers[i];
    good = json_object_set_new(layers, layer->weight,
                               json_pack("[f, f]", (double)layer->input, (double)layer->output)) == 0;
  }
  json_t *report = good ? dump_report(&q->report) : NULL;
  json_t *object = report != NULL ? json_pack("{s:O, s:O}", "layers", layers, "report", report) : NULL;
  char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  json_decref(report);
  json_decref(layers);
  return text;
}

/* -- weights and operations */

float recsys__quantization_unit(const float *channel, size_t n) {
  double largest = 0;
  int exponent;
  for (size_t i = 0; i < n; i++)
    largest = fmax(largest, fabs((double)channel[i]));
  if (largest == 0)
    return 0;
  double fraction = ceil(frexp(largest / 127, &exponent) * 65536);
  return (float)fmax(ldexp(fraction, exponent - 16), (double)FLT_MIN);
}

void recsys__quantization_round(const recsys__quantization *q, recsys__net *net) {
  for (uint32_t w = 0; w < net->network.weight_count; w++) {
    const recsys_weight *weight = &net->network.weights[w];
    if (recsys__quantization_find(q, weight->name) == NULL)
      continue;
    uint64_t channels = weight->shape[0], each = recsys__weight_values(weight) / channels;
    float *values = (float *)(uintptr_t)weight->data;
    for (uint64_t c = 0; c < channels; c++, values += each) {
      float unit = recsys__quantization_unit(values, each);
      for (uint64_t i = 0; unit > 0 && i < each; i++)
        values[i] = rintf(values[i] / unit) * unit + 0.0f; /* no -0, which a byte does not hold */
    }
  }
}

recsys_status recsys__quantization_mark(const recsys__quantization *q, recsys__net *folded, recsys_error *error) {
  size_t found = 0;
  for (uint32_t i = 0; i < folded->network.op_count; i++) {
    recsys_op *op = (recsys_op *)(uintptr_t)&folded->network.ops[i];
    if (op->kind != RECSYS_OP_CONV && op->kind != RECSYS_OP_LINEAR)
      continue;
    const recsys__layer_range *layer = recsys__quantization_find(q, folded->network.weights[op->weight].name);
    op->input_range = layer != NULL ? layer->input : 0;
    op->output_range = layer != NULL ? layer->output : 0;
    found += layer != NULL;
  }
  if (q->count > 0 && found == q->count)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EFORMAT, 0,
                      "%zu of the %zu int8 layers of these weights are none of %s: quantise the model again",
                      q->count - found, q->count, folded->architecture);
}
