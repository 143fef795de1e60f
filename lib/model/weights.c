/* The weights of a model: read from a safetensors file with its metadata, or made at random; and their fingerprint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sha256.h"
#include "base/text.h"
#include "model/model.h"

/* Our own key, or the plain one that other tools' files may have. */
static const char *metadata(const recsys__tensors *tensors, const char *key) {
  char ours[64];
  snprintf(ours, sizeof ours, "recsys.%s", key);
  const char *value = recsys__tensors_metadata(tensors, ours);
  return value != NULL ? value : recsys__tensors_metadata(tensors, key);
}

static void copy_text(char *to, size_t size, const char *from) {
  snprintf(to, size, "%s", from);
}

/* The first of options, metadata and the architecture's usual one that is there. */
static recsys_status choose_names(recsys_model *model, const recsys__architecture *about,
                                  const recsys__tensors *tensors, recsys_error *error) {
  const recsys_model_options *o = &model->options;
  const char *layer = o->layer, *recipe = o->recipe;
  if (layer == NULL && tensors != NULL)
    layer = metadata(tensors, "layer");
  if (recipe == NULL && tensors != NULL)
    recipe = metadata(tensors, "recipe");
  layer = layer != NULL ? layer : about->layer;
  const recsys__recipe *known = recsys__recipe_find(recipe != NULL ? recipe : about->recipe);
  if (known == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "unknown recipe '%.60s'; there are torchvision, inception, keras, caffe, mini, lenet", recipe);
  if (strlen(layer) >= sizeof model->info.layer)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "there is no layer '%.60s...': names are shorter", layer);
  copy_text(model->info.architecture, sizeof model->info.architecture, about->name);
  copy_text(model->info.layer, sizeof model->info.layer, layer);
  copy_text(model->info.recipe, sizeof model->info.recipe, known->name);
  return RECSYS_OK;
}

static recsys_status check_format(const recsys__tensors *tensors, const char *path, recsys_error *error) {
  const char *format = recsys__tensors_metadata(tensors, "recsys.format");
  if (format != NULL && strcmp(format, RECSYS__MODEL_FORMAT) != 0 && strcmp(format, RECSYS__TRAINED_FORMAT) != 0 &&
      strcmp(format, RECSYS__ENSEMBLE_FORMAT) != 0 && strcmp(format, RECSYS__INT8_FORMAT) != 0)
    return recsys__fail(error, RECSYS_EVERSION, 0,
                        "%.120s is a model file of format %.20s, this library knows formats " RECSYS__MODEL_FORMAT
                        " to " RECSYS__INT8_FORMAT ": use a newer librecsys",
                        path, format);
  return RECSYS_OK;
}

/* The architecture: from the options, the metadata, or the tensors' names; and how many classes the file has. Where the
 * tensors do not fit what was named, filling says which one is wrong. */
static recsys_status find_architecture(const recsys_model *model, const recsys__tensors *tensors,
                                       const recsys__architecture **about, uint64_t *classes, recsys_error *error) {
  const char *name = model->options.architecture, *count = metadata(tensors, "classes");
  if (name == NULL)
    name = metadata(tensors, "architecture");
  *about = recsys__architecture_find(name);
  if (*about == NULL && name != NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "%.120s is for architecture '%.40s', which is not known here",
                        model->source, name);
  if (*about != NULL && count != NULL && recsys__parse_uint64(count, classes))
    return RECSYS_OK;
  const recsys__architecture *guess = recsys__architecture_guess(tensors, classes);
  if (*about == NULL && guess == NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                        "%.120s: its tensor names fit no known architecture; name one in the options", model->source);
  if (*about == NULL)
    *about = guess;
  else if (*about != guess)
    *classes = (*about)->classes;
  return RECSYS_OK;
}

recsys_status recsys__model_build(const recsys_model *model, recsys__net *net, recsys_error *error) {
  const recsys__model_head *head = model->head;
  bool pruned;
  recsys_status status =
      recsys__net_build(net, model->info.architecture, head != NULL ? 0 : model->info.classes, error);
  if (status == RECSYS_OK && model->no_top)
    status = recsys__net_prune(net, NULL, &pruned, error);
  if (status == RECSYS_OK && head != NULL)
    status = recsys__net_add_head(net, head->layer, head->hidden, (uint32_t)head->labels.count, error);
  return status;
}

/* Does the file end before the dense layers? */
static recsys_status find_top(recsys_model *model, const recsys__tensors *tensors, uint64_t *classes,
                              recsys_error *error) {
  recsys__net net;
  recsys_status status = recsys__net_build(&net, model->info.architecture, *classes, error);
  if (status == RECSYS_OK)
    status = recsys__net_prune(&net, tensors, &model->no_top, error);
  if (model->no_top)
    *classes = 0;
  recsys__net_free(&net);
  return status;
}

static recsys_status read_head(recsys_model *model, const recsys__tensors *tensors, recsys_error *error) {
  const char *head = recsys__tensors_metadata(tensors, "recsys.head");
  if (head == NULL || model->head != NULL)
    return RECSYS_OK;
  return recsys__model_head_parse(&model->head, head, recsys__tensors_metadata(tensors, "recsys.report"), model->source,
                                  error);
}

/* *rounded: the weights of the file are multiples of units already. */
static recsys_status read_quantization(recsys_model *model, const recsys__tensors *tensors, bool *rounded,
                                       recsys_error *error) {
  const char *text = recsys__tensors_metadata(tensors, "recsys.quantization");
  recsys_status status = RECSYS_OK;
  *rounded = text != NULL;
  if (text != NULL && model->quantization == NULL)
    status = recsys__quantization_parse(&model->quantization, text, model->source, error);
  for (size_t i = 0; status == RECSYS_OK && text != NULL && i < model->quantization->count; i++) {
    const char *name = model->quantization->layers[i].weight;
    const recsys__tensor *tensor = recsys__tensors_find(tensors, name);
    if (tensor == NULL || tensor->dtype != RECSYS__I8)
      status = recsys__fail(error, RECSYS_EFORMAT, 0,
                            "%.120s has ranges for layer '%.60s', but no tensor of bytes: quantise the model again",
                            model->source, name);
  }
  return status;
}

static recsys_status read_file(recsys_model *model, recsys__net *net, bool *rounded, recsys_error *error) {
  recsys__tensors tensors = {0};
  const recsys__architecture *about = NULL;
  uint64_t classes = 0;
  recsys_status status = recsys__tensors_open(&tensors, model->source, error);
  if (status != RECSYS_OK)
    return status;
  status = check_format(&tensors, model->source, error);
  const char *ensemble = recsys__tensors_metadata(&tensors, "recsys.ensemble");
  if (status == RECSYS_OK && ensemble != NULL && model->part)
    status =
        recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s is an ensemble, which cannot be part of one", model->source);
  else if (status == RECSYS_OK && ensemble != NULL) {
    model->ensemble_text = recsys__strdup(ensemble);
    recsys__tensors_free(&tensors);
    return model->ensemble_text != NULL ? RECSYS_OK : recsys__no_memory(error, "the parts of an ensemble");
  }
  if (status == RECSYS_OK)
    status = find_architecture(model, &tensors, &about, &classes, error);
  if (status == RECSYS_OK)
    status = choose_names(model, about, &tensors, error);
  if (status == RECSYS_OK)
    status = find_top(model, &tensors, &classes, error);
  if (status == RECSYS_OK)
    status = read_head(model, &tensors, error);
  if (status == RECSYS_OK)
    status = read_quantization(model, &tensors, rounded, error);
  if (status == RECSYS_OK) {
    model->info.classes = classes = model->head != NULL ? model->head->labels.count : classes;
    status = recsys__model_build(model, net, error);
  }
  if (status == RECSYS_OK)
    status = recsys__net_fill(net, &tensors, error);
  const char *trained = status == RECSYS_OK ? metadata(&tensors, "trained") : NULL;
  const char *names = status == RECSYS_OK ? metadata(&tensors, "class_names") : NULL;
  model->info.trained = trained == NULL || strcmp(trained, "0") != 0;
  if (names != NULL && model->class_names == NULL)
    status = recsys__class_names_parse(model, names, error);
  if (status == RECSYS_OK && model->class_name_count != 0 && model->class_name_count != classes)
    status = recsys__fail(error, RECSYS_EFORMAT, 0, "%.100s has %zu class names for %llu classes", model->source,
                          model->class_name_count, (unsigned long long)classes);
  recsys__tensors_free(&tensors);
  return status;
}

static recsys_status make_random(recsys_model *model, recsys__net *net, recsys_error *error) {
  const char *name = model->options.architecture;
  const recsys__architecture *about = recsys__architecture_find(name);
  if (about == NULL)
    return recsys__net_build(net, name, 0, error); /* fails, with the list of those that exist */
  recsys_status status = choose_names(model, about, NULL, error);
  uint64_t classes = model->options.classes != 0 ? model->options.classes : 1000;
  if (status == RECSYS_OK)
    status = recsys__net_build(net, name, classes, error);
  return status == RECSYS_OK ? recsys__net_randomise(net, model->options.seed, error) : status;
}

static int compare_names(const void *a, const void *b) {
  const recsys_weight *const *left = a, *const *right = b;
  return strcmp((*left)->name, (*right)->name);
}

recsys_status recsys__model_changed(const recsys_model *model, recsys_error *error) {
  return recsys__fail(error, RECSYS_EMISMATCH, 0,
                      "%.150s holds other weights than when the model was opened from it: open it again",
                      model->source != NULL ? model->source : model->info.architecture);
}

/* Text with its length before it, so that no two sequences of texts look alike. */
static void hash_text(recsys__sha256 *sha, const char *text) {
  char length[24];
  int n = snprintf(length, sizeof length, "%zu:", strlen(text));
  recsys__sha256_update(sha, length, (size_t)n);
  recsys__sha256_update(sha, text, strlen(text));
}

static void hash_weight(recsys__sha256 *sha, const recsys_weight *weight) {
  uint64_t n = 1;
  char shape[32];
  hash_text(sha, weight->name);
  for (uint32_t i = 0; i < weight->rank; i++) {
    n *= weight->shape[i];
    snprintf(shape, sizeof shape, "%llu", (unsigned long long)weight->shape[i]);
    hash_text(sha, shape);
  }
  recsys__sha256_update(sha, weight->data, n * sizeof *weight->data);
}

/* Rounded weights that run as floats give other rows than int8 does. */
static void hash_quantization(recsys__sha256 *sha, const recsys__quantization *q, bool narrow) {
  char count[24];
  snprintf(count, sizeof count, "%zu", q->count);
  hash_text(sha, narrow ? "int8" : "rounded");
  hash_text(sha, count);
  for (size_t i = 0; i < q->count; i++) {
    hash_text(sha, q->layers[i].weight);
    recsys__sha256_update(sha, &q->layers[i].input, sizeof q->layers[i].input);
    recsys__sha256_update(sha, &q->layers[i].output, sizeof q->layers[i].output);
  }
}

recsys_status recsys__model_fingerprint(const recsys_model *model, const recsys__net *net, char hex[65],
                                        recsys_error *error) {
  uint32_t count = net->network.weight_count;
  const recsys_weight **sorted = recsys__alloc(count, sizeof *sorted);
  if (sorted == NULL)
    return recsys__no_memory(error, "a fingerprint");
  for (uint32_t i = 0; i < count; i++)
    sorted[i] = &net->network.weights[i];
  qsort(sorted, count, sizeof *sorted, compare_names);
  recsys__sha256 sha;
  recsys__sha256_init(&sha);
  hash_text(&sha, "recsys fingerprint 1");
  hash_text(&sha, model->info.architecture);
  hash_text(&sha, model->info.layer);
  hash_text(&sha, model->info.recipe);
  if (model->quantization != NULL)
    hash_quantization(&sha, model->quantization, recsys__model_narrow(model));
  for (uint32_t i = 0; i < count; i++)
    hash_weight(&sha, sorted[i]);
  recsys__sha256_hex(&sha, hex);
  recsys__free(sorted);
  return RECSYS_OK;
}

static recsys_status check_unrounded(recsys_model *model, const recsys__net *net, recsys_error *error) {
  recsys__quantization *kept = model->quantization;
  char hex[65] = "";
  model->quantization = NULL;
  recsys_status status = recsys__model_fingerprint(model, net, hex, error);
  model->quantization = kept;
  return status == RECSYS_OK && strcmp(hex, model->unrounded) != 0 ? recsys__model_changed(model, error) : status;
}

recsys_status recsys__model_read(recsys_model *model, recsys__net *net, recsys_error *error) {
  bool rounded = false;
  recsys_status status =
      model->source != NULL ? read_file(model, net, &rounded, error) : make_random(model, net, error);
  if (status == RECSYS_OK && model->unrounded != NULL)
    status = check_unrounded(model, net, error);
  if (status == RECSYS_OK && model->quantization != NULL && !rounded)
    recsys__quantization_round(model->quantization, net);
  return status;
}
