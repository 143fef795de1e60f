/* What a model is, as numbers and as one JSON object (docs/formats-model.md). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"

recsys_status recsys_model_get_info(recsys_model *model, recsys_model_info *info, recsys_error *error) {
  if (model == NULL || info == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_get_info: %s is NULL", model == NULL ? "model" : "info");
  uint32_t size = info->struct_size;
  if (size < sizeof info->struct_size + sizeof info->precision)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_info.struct_size is %u: set it to sizeof the struct",
                        size);
  size_t ours = size < sizeof *info ? size : sizeof *info;
  memcpy(info, &model->info, ours);
  memset((char *)info + ours, 0, size - ours);
  info->struct_size = size;
  return recsys__ok(error);
}

static json_t *describe_op(const recsys_op *op, const char *name) {
  json_t *layer = json_pack("{s:s, s:I}", "name", name, "size", (json_int_t)recsys__op_size(op));
  json_t *shape = op->height == 0
                      ? json_pack("[I]", (json_int_t)op->channels)
                      : json_pack("[I, I, I]", (json_int_t)op->channels, (json_int_t)op->height, (json_int_t)op->width);
  if (layer == NULL || json_object_set_new(layer, "shape", shape) != 0) {
    json_decref(layer);
    return NULL;
  }
  return layer;
}

/* Every name that the layer option takes. The usual aliases come first; they are no operation's own name everywhere. */
static json_t *describe_layers(recsys_model *model) {
  static const char *const aliases[] = {"fc1", "fc2", "features", "flatten", "avgpool", "maxpool", "softmax"};
  json_t *layers = json_array();
  bool good = layers != NULL;
  for (size_t i = 0; good && i < sizeof aliases / sizeof aliases[0]; i++) {
    uint32_t op;
    if (recsys__net_layer(&model->net, aliases[i], &op, NULL) == RECSYS_OK)
      good = json_array_append_new(layers, describe_op(&model->net.network.ops[op], aliases[i])) == 0;
  }
  for (uint32_t i = 0; good && i < model->net.network.op_count; i++) {
    const recsys_op *op = &model->net.network.ops[i];
    bool listed = op->name == NULL;
    for (size_t k = 0; !listed && k < sizeof aliases / sizeof aliases[0]; k++)
      listed = strcmp(op->name, aliases[k]) == 0;
    if (!listed)
      good = json_array_append_new(layers, describe_op(op, op->name)) == 0;
  }
  if (good)
    return layers;
  json_decref(layers);
  return NULL;
}

/* Names with spaces between. */
static json_t *split(const char *names) {
  json_t *list = json_array();
  while (*names != 0) {
    size_t length = strcspn(names, " ");
    json_array_append_new(list, json_stringn(names, length));
    names += length + (names[length] == ' ');
  }
  return list;
}

static json_t *describe_engine(const recsys_model *model) {
  const recsys_engine_net_info *info = recsys__loaded_info(model->loaded);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I}", "name", recsys__engine_name(model->engine), "version",
                   recsys__engine_version(model->engine), "path", recsys__engine_path(model->engine), "isolation",
                   model->options.isolation == RECSYS_ISOLATION_PROCESS ? "process" : "none", "device", info->device,
                   "detail", info->detail, "winograd", split(info->winograd), "batch", (json_int_t)info->batch);
}

static json_t *describe_ensemble(const recsys_model *model) {
  const recsys_model_info *i = &model->info;
  json_t *parts = json_array();
  for (size_t p = 0; p < model->ensemble->n; p++) {
    const recsys_model *part = model->ensemble->parts[p];
    json_array_append_new(parts, json_pack("{s:s, s:s, s:s, s:I, s:f}", "architecture", part->info.architecture,
                                           "layer", part->info.layer, "fingerprint", part->info.fingerprint, "dim",
                                           (json_int_t)part->info.dim, "weight", model->ensemble->weights[p]));
  }
  return json_pack("{s:s, s:I, s:I, s:I, s:b, s:s, s:o}", "architecture", i->architecture, "dim", (json_int_t)i->dim,
                   "classes", (json_int_t)i->classes, "parameters", (json_int_t)i->parameters, "trained",
                   i->trained != 0, "fingerprint", i->fingerprint, "parts", parts);
}

/* NULL: it is no int8 model. */
static json_t *describe_quantization(const recsys_model *model) {
  char *text = model->quantization != NULL ? recsys__quantization_dump(model->quantization) : NULL;
  json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
  free(text);
  return object;
}

/* Text that may not be UTF-8 (a path) makes Jansson fail: it is left out then. */
static json_t *describe(recsys_model *model) {
  const recsys_model_info *i = &model->info;
  json_t *engine = describe_engine(model);
  return json_pack(
      "{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s, s:[I,I,I], s:s, s:s, s:o*, s:I, s:s*, s:o*, s:o}", "architecture",
      i->architecture, "layer", i->layer, "recipe", i->recipe, "dim", (json_int_t)i->dim, "classes",
      (json_int_t)i->classes, "parameters", (json_int_t)i->parameters, "trained", i->trained != 0, "fingerprint",
      i->fingerprint, "input", (json_int_t)model->net.network.channels, (json_int_t)model->net.network.height,
      (json_int_t)model->net.network.width, "precision", recsys__precision_name(i->precision), "precision_why",
      model->why, "quantization", describe_quantization(model), "threads", (json_int_t)model->threads, "file",
      model->source != NULL && recsys__utf8_valid(model->source, strlen(model->source)) ? model->source : NULL,
      "engine", engine, "layers", describe_layers(model));
}

recsys_status recsys_model_describe(recsys_model *model, char *buffer, size_t size, size_t *length,
                                    recsys_error *error) {
  recsys__fill(buffer, buffer != NULL ? size : 0, length, "", 0);
  if (model == NULL || (buffer == NULL && size > 0))
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_describe: %s is NULL",
                        model == NULL ? "model" : "buffer");
  json_t *object = model->ensemble != NULL ? describe_ensemble(model) : describe(model);
  char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  if (text == NULL)
    return recsys__no_memory(error, "the description of a model");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
