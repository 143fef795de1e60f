/*
 * Saving a model. The weights are not kept in memory while a model is open (the engine has its own form of them), so
 * they come from where they came from the first time, and the fingerprint tells that they are still the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

enum { MAX_METADATA = 9 };

static recsys_status write_net(const recsys__net *net, const char *path, const struct recsys__metadata *metadata,
                               size_t metadata_count, recsys_error *error) {
  uint32_t count = net->network.weight_count;
  recsys__tensor *list = recsys__calloc(count, sizeof *list);
  if (list == NULL)
    return recsys__no_memory(error, "the list of tensors");
  for (uint32_t i = 0; i < count; i++) {
    const recsys_weight *weight = &net->network.weights[i];
    list[i] = (recsys__tensor){.name = weight->name, .dtype = RECSYS__F32, .rank = weight->rank, .data = weight->data};
    uint64_t n = 1;
    for (uint32_t k = 0; k < weight->rank; k++)
      n *= list[i].shape[k] = weight->shape[k];
    list[i].bytes = n * sizeof(float);
  }
  recsys_status status = recsys__tensors_write(path, list, count, metadata, metadata_count, error);
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
  recsys_status status =
      good ? write_net(net, path, metadata, count, error) : recsys__no_memory(error, "the description of a model");
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
  recsys_status status = recsys__model_read_again(model, &net, error);
  if (status == RECSYS_OK)
    status = recsys__model_write(model, &net, path, error);
  recsys__net_free(&net);
  return status == RECSYS_OK ? recsys__ok(error) : status;
}
