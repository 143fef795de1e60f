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

enum { MAX_METADATA = 9 };

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
static void halve(recsys__tensor *list, uint32_t count, uint16_t *room) {
  for (uint32_t i = 0; i < count; i++) {
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

static recsys_status write_net(const recsys__net *net, bool half, const char *path,
                               const struct recsys__metadata *metadata, size_t metadata_count, recsys_error *error) {
  uint32_t count = net->network.weight_count;
  uint64_t total = 0;
  recsys__tensor *list = recsys__calloc(count, sizeof *list);
  if (list == NULL)
    return recsys__no_memory(error, "the list of tensors");
  for (uint32_t i = 0; i < count; i++)
    total += fill_tensor(&list[i], &net->network.weights[i]);
  uint16_t *room = half ? recsys__alloc(total, sizeof *room) : NULL;
  recsys_status status = half && room == NULL ? recsys__no_memory(error, "weights as 16-bit floats") : RECSYS_OK;
  if (room != NULL)
    halve(list, count, room);
  if (status == RECSYS_OK)
    status = recsys__tensors_write(path, list, count, metadata, metadata_count, error);
  recsys__free(room);
  recsys__free(list);
  return status;
}

recsys_status recsys__model_write(const recsys_model *model, const recsys__net *net, const char *path,
                                  recsys_error *error) {
  const recsys__model_head *head = model->head;
  char classes[24];
  snprintf(classes, sizeof classes, "%llu", head != NULL ? 0 : (unsigned long long)model->info.classes);
  char *names = recsys__class_names_dump(model), *facts = head != NULL ? recsys__model_head_dump(head) : NULL;
  struct recsys__metadata metadata[MAX_METADATA] = {
      {"recsys.format", head != NULL ? RECSYS__TRAINED_FORMAT : RECSYS__MODEL_FORMAT},
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
  bool good = (names != NULL || model->class_name_count == 0) && (facts != NULL || head == NULL);
  recsys_status status = good ? write_net(net, model->half, path, metadata, count, error)
                              : recsys__no_memory(error, "the description of a model");
  free(names);
  free(facts);
  return status;
}

recsys_status recsys__model_read_again(const recsys_model *model, recsys__net *net, recsys_error *error) {
  recsys_model again = {.source = model->source, .options = model->options, .info = model->info};
  again.options.architecture = model->info.architecture;
  again.options.layer = model->info.layer;
  again.options.recipe = model->info.recipe;
  again.options.classes = model->info.classes;
  char hex[65] = "";
  recsys_status status = recsys__model_read(&again, net, error);
  recsys__class_names_free(&again);
  recsys__model_head_free(again.head);
  if (status == RECSYS_OK)
    status = recsys__model_fingerprint(model, net, hex, error);
  if (status == RECSYS_OK && strcmp(hex, model->info.fingerprint) != 0)
    status = recsys__fail(error, RECSYS_EMISMATCH, 0,
                          "%.150s holds other weights than when the model was opened from it: open it again",
                          model->source != NULL ? model->source : model->info.architecture);
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
