/*
 * Saving a model. The weights are not kept in memory while a model is open (the engine has its own form of them), so
 * they come from where they came from the first time, and the fingerprint tells that they are still the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

enum { MAX_METADATA = 8 };

static recsys_status write_net(const recsys_model *model, const recsys__net *net, const char *path,
                               const struct recsys__metadata *metadata, size_t metadata_count, recsys_error *error) {
  (void)model;
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

static recsys_status save_net(const recsys_model *model, const recsys__net *net, const char *path,
                              recsys_error *error) {
  char classes[24];
  snprintf(classes, sizeof classes, "%llu", (unsigned long long)model->info.classes);
  char *names = recsys__class_names_dump(model);
  if (names == NULL && model->class_name_count != 0)
    return recsys__no_memory(error, "the class names");
  const struct recsys__metadata metadata[MAX_METADATA] = {{"recsys.format", RECSYS__MODEL_FORMAT},
                                                          {"recsys.architecture", model->info.architecture},
                                                          {"recsys.layer", model->info.layer},
                                                          {"recsys.recipe", model->info.recipe},
                                                          {"recsys.classes", classes},
                                                          {"recsys.trained", model->info.trained ? "1" : "0"},
                                                          {"recsys.class_names", names}};
  recsys_status status = write_net(model, net, path, metadata, names != NULL ? 7 : 6, error);
  free(names);
  return status;
}

/* The weights again, as they were when the model was made. */
static recsys_status read_again(const recsys_model *model, recsys__net *net, recsys_error *error) {
  recsys_model again = {.source = model->source, .options = model->options, .info = model->info};
  again.options.architecture = model->info.architecture;
  again.options.layer = model->info.layer;
  again.options.recipe = model->info.recipe;
  again.options.classes = model->info.classes;
  char hex[65] = "";
  recsys_status status = recsys__model_read(&again, net, error);
  recsys__class_names_free(&again);
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
  recsys_status status = read_again(model, &net, error);
  if (status == RECSYS_OK)
    status = save_net(model, &net, path, error);
  recsys__net_free(&net);
  return status == RECSYS_OK ? recsys__ok(error) : status;
}
