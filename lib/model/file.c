/*
 * Saving a model. The weights are not kept in memory while a model is open (the engine has its own form of them), so
 * they come from where they came from the first time, and the fingerprint tells that they are still the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

enum { MAX_METADATA = 10 };

/* IEEE 754 binary16, to the nearest, ties to even; too large values become infinite, and opening says so. */
static uint16_t to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000)
    return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) /* subnormal: a multiple of 2^-24 */
    return (uint16_t)(sign | (uint32_t)lrintf(fabsf(value) * 16777216.0f));
  uint32_t odd = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

static uint64_t fill_tensor(recsys__tensor *tensor, const recsys_weight *weight) {
  uint64_t n = 1;
  *tensor = (recsys__tensor){.name = weight->name, .dtype = RECSYS__F32, .rank = weight->rank, .data = weight->data};
  for (uint32_t k = 0; k < weight->rank; k++)
    n *= tensor->shape[k] = weight->shape[k];
  tensor->bytes = n * sizeof(float);
  return n;
}

/* Replaces every tensor's values by 16-bit ones in `room`. */
static void halve(recsys__tensor *list, size_t count, uint16_t *room) {
  for (size_t i = 0; i < count; i++) {
    const float *values = list[i].data;
    uint64_t n = list[i].bytes / sizeof *values;
    for (uint64_t k = 0; k < n; k++)
      room[k] = to_half(values[k]);
    list[i].dtype = RECSYS__F16;
    list[i].data = room;
    list[i].bytes = n * sizeof *room;
    room += n;
  }
}

/* What is written of a network. */
typedef struct writing {
  recsys__tensor *list;
  size_t count;
  void *room;   /* the values that are not the network's own */
  char **names; /* of units */
  size_t name_count;
} writing;

/* Replaces a tensor's values, multiples of units, by bytes, and adds the tensor of its channels' units. */
static bool to_bytes(writing *w, size_t at, int8_t *codes, float *units) {
  recsys__tensor *tensor = &w->list[at], *added = &w->list[w->count];
  const float *values = tensor->data;
  uint64_t channels = tensor->shape[0], each = tensor->bytes / sizeof *values / channels;
  size_t size = strlen(tensor->name) + sizeof RECSYS__UNIT_SUFFIX;
  char *name = recsys__alloc(size, 1);
  if (name == NULL)
    return false;
  snprintf(name, size, "%s" RECSYS__UNIT_SUFFIX, tensor->name);
  w->names[w->name_count++] = name;
  for (uint64_t c = 0; c < channels; c++) {
    units[c] = recsys__quantization_unit(values + c * each, each);
    for (uint64_t i = 0; i < each; i++)
      codes[c * each + i] = units[c] > 0 ? (int8_t)lrintf(values[c * each + i] / units[c]) : 0;
  }
  tensor->dtype = RECSYS__I8;
  tensor->data = codes;
  tensor->bytes = channels * each;
  *added = (recsys__tensor){.name = name, .dtype = RECSYS__F32, .rank = 1, .shape = {channels}, .data = units};
  added->bytes = channels * sizeof *units;
  w->count++;
  return true;
}

/* Units first, for they are floats, and then the codes. */
static recsys_status quantise(writing *w, const recsys__quantization *q, uint32_t weights, recsys_error *error) {
  size_t codes = 0, units = 0;
  for (uint32_t i = 0; i < weights; i++)
    if (recsys__quantization_find(q, w->list[i].name) != NULL) {
      codes += w->list[i].bytes / sizeof(float);
      units += w->list[i].shape[0];
    }
  w->room = recsys__alloc(units * sizeof(float) + codes, 1);
  w->names = recsys__calloc(q->count, sizeof *w->names);
  float *unit = w->room;
  int8_t *code = w->room != NULL ? (int8_t *)(unit + units) : NULL;
  bool good = w->room != NULL && w->names != NULL;
  for (uint32_t i = 0; good && i < weights; i++) {
    if (recsys__quantization_find(q, w->list[i].name) == NULL)
      continue;
    uint64_t channels = w->list[i].shape[0], values = w->list[i].bytes / sizeof(float);
    good = to_bytes(w, i, code, unit);
    unit += channels;
    code += values;
  }
  return good ? RECSYS_OK : recsys__no_memory(error, "weights as bytes");
}

static recsys_status write_net(const recsys_model *model, const recsys__net *net, const char *path,
                               const struct recsys__metadata *metadata, size_t metadata_count, recsys_error *error) {
  const recsys__quantization *q = model->quantization;
  uint32_t count = net->network.weight_count;
  uint64_t total = 0;
  writing w = {.list = recsys__calloc(count + (q != NULL ? q->count : 0), sizeof *w.list), .count = count};
  if (w.list == NULL)
    return recsys__no_memory(error, "the list of tensors");
  for (uint32_t i = 0; i < count; i++)
    total += fill_tensor(&w.list[i], &net->network.weights[i]);
  recsys_status status = RECSYS_OK;
  if (q != NULL) {
    status = quantise(&w, q, count, error);
  } else if (model->half) {
    w.room = recsys__alloc(total, sizeof(uint16_t));
    if (w.room != NULL)
      halve(w.list, count, w.room);
    else
      status = recsys__no_memory(error, "weights as 16-bit floats");
  }
  if (status == RECSYS_OK)
    status = recsys__tensors_write(path, w.list, w.count, metadata, metadata_count, error);
  for (size_t i = 0; i < w.name_count; i++)
    recsys__free(w.names[i]);
  recsys__free(w.names);
  recsys__free(w.room);
  recsys__free(w.list);
  return status;
}

recsys_status recsys__model_write(const recsys_model *model, const recsys__net *net, const char *path,
                                  recsys_error *error) {
  const recsys__model_head *head = model->head;
  char classes[24];
  snprintf(classes, sizeof classes, "%llu", head != NULL ? 0 : (unsigned long long)model->info.classes);
  const recsys__quantization *q = model->quantization;
  char *names = recsys__class_names_dump(model), *facts = head != NULL ? recsys__model_head_dump(head) : NULL;
  char *ranges = q != NULL ? recsys__quantization_dump(q) : NULL;
  struct recsys__metadata metadata[MAX_METADATA] = {{"recsys.format", q != NULL      ? RECSYS__INT8_FORMAT
                                                                      : head != NULL ? RECSYS__TRAINED_FORMAT
                                                                                     : RECSYS__MODEL_FORMAT},
                                                    {"recsys.architecture", model->info.architecture},
                                                    {"recsys.layer", model->info.layer},
                                                    {"recsys.recipe", model->info.recipe},
                                                    {"recsys.classes", classes},
                                                    {"recsys.trained", model->info.trained ? "1" : "0"}};
  size_t count = 6;
  if (names != NULL)
    metadata[count++] = (struct recsys__metadata){"recsys.class_names", names};
  if (facts != NULL) {
    metadata[count++] = (struct recsys__metadata){"recsys.head", facts};
    metadata[count++] = (struct recsys__metadata){"recsys.report", head->report};
  }
  if (ranges != NULL)
    metadata[count++] = (struct recsys__metadata){"recsys.quantization", ranges};
  bool good = (names != NULL || model->class_name_count == 0) && (facts != NULL || head == NULL) &&
              (ranges != NULL || q == NULL);
  recsys_status status = good ? write_net(model, net, path, metadata, count, error)
                              : recsys__no_memory(error, "the description of a model");
  free(names);
  free(facts);
  free(ranges);
  return status;
}

recsys_status recsys__model_read_again(const recsys_model *model, recsys__net *net, recsys_error *error) {
  recsys_model again = {
      .source = model->source, .options = model->options, .info = model->info, .quantization = model->quantization};
  again.options.architecture = model->info.architecture;
  again.options.layer = model->info.layer;
  again.options.recipe = model->info.recipe;
  again.options.classes = model->info.classes;
  char hex[65] = "";
  recsys_status status = recsys__model_read(&again, net, error);
  recsys__class_names_free(&again);
  recsys__model_head_free(again.head);
  if (again.quantization != model->quantization)
    recsys__quantization_free(again.quantization);
  if (status == RECSYS_OK)
    status = recsys__model_fingerprint(model, net, hex, error);
  if (status == RECSYS_OK && strcmp(hex, model->info.fingerprint) != 0)
    status = recsys__model_changed(model, error);
  return status;
}

recsys_status recsys_model_save(recsys_model *model, const char *path, recsys_error *error) {
  if (model == NULL || path == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_save: %s is NULL", model == NULL ? "model" : "path");
  recsys__net net = {0};
  if (model->ensemble != NULL)
    return recsys__ensemble_save(model, path, error);
  recsys_status status = recsys__model_read_again(model, &net, error);
  if (status == RECSYS_OK)
    status = recsys__model_write(model, &net, path, error);
  recsys__net_free(&net);
  return status == RECSYS_OK ? recsys__ok(error) : status;
}
