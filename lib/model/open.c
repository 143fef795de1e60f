/*
 * Opening and creating a model: weights, fingerprint, folding, engine. At most two copies of the weights are held, the
 * folded network's and the engine's own form, which leaves out those that it reads where they are; a third one while
 * bfloat16 is tried, or while they go to an engine in a process of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/thread.h"
#include "model/model.h"

enum { KNOWN_FLAGS = RECSYS_MODEL_SCALED_JPEG | RECSYS_MODEL_DIRECT, MAX_THREADS = 4096 };

static recsys_status check_options(const recsys_model_options *options, recsys_error *error) {
  if (options->flags & ~(uint32_t)KNOWN_FLAGS)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "model options have unknown flags 0x%x", options->flags);
  if (options->precision > RECSYS_PRECISION_INT8)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "precision %u is unknown: use auto, float32, bfloat16 or int8",
                        options->precision);
  if (options->isolation > RECSYS_ISOLATION_PROCESS)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "isolation %u is unknown: use none (0) or process (1)",
                        options->isolation);
  if (options->threads > MAX_THREADS)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%u threads are too many; at most %d are possible", options->threads,
                        MAX_THREADS);
  if (options->recipe != NULL && recsys__recipe_find(options->recipe) == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "unknown recipe '%.40s'; there are torchvision, inception, keras, caffe, mini, lenet",
                        options->recipe);
  if (options->architecture != NULL && recsys__architecture_find(options->architecture) == NULL) {
    recsys__net none; /* fails, with the list of those that exist */
    return recsys__net_build(&none, options->architecture, 0, error);
  }
  return RECSYS_OK;
}

recsys_status recsys__model_make(recsys_model **out, const recsys_model_options *theirs, recsys_error *error) {
  recsys_model_options options;
  recsys_status status = recsys__options_copy(&options, sizeof options, theirs, "model options", error);
  if (status == RECSYS_OK)
    status = check_options(&options, error);
  if (status != RECSYS_OK)
    return status;
  recsys_model *model = recsys__calloc(1, sizeof *model);
  if (model == NULL)
    return recsys__no_memory(error, "a model");
  pthread_mutex_init(&model->mutex, NULL);
  atomic_init(&model->references, 1);
  atomic_init(&model->generation, recsys__fork_generation());
  model->options = options;
  model->log = (recsys__log){options.log, options.log_user};
  model->threads = recsys__thread_count(options.threads);
  model->info.struct_size = sizeof model->info;
  *out = model;
  return RECSYS_OK;
}

void recsys_model_close(recsys_model *model) {
  if (model == NULL || atomic_fetch_sub(&model->references, 1) > 1)
    return;
  recsys__loaded_close(model->loaded);
  recsys__engine_close(model->engine);
  recsys__ensemble_free(model->ensemble);
  recsys__free(model->ensemble_text);
  recsys__net_free(&model->net);
  recsys__net_free(&model->folded);
  recsys__free(model->kept);
  recsys__class_names_free(model);
  recsys__model_head_free(model->head);
  recsys__quantization_free(model->quantization);
  recsys__free(model->source);
  pthread_mutex_destroy(&model->mutex);
  recsys__free(model);
}

static void renew_mutex(void *context) {
  pthread_mutex_init(context, NULL);
}

recsys_status recsys__model_here(recsys_model *model, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  if (model->ensemble != NULL) {
    for (size_t i = 0; status == RECSYS_OK && i < model->ensemble->n; i++)
      status = recsys__model_here(model->ensemble->parts[i], error);
    return status;
  }
  if (model->options.isolation == RECSYS_ISOLATION_PROCESS)
    recsys__fork_renew(&model->generation, renew_mutex, &model->mutex);
  else if (atomic_load(&model->generation) != recsys__fork_generation())
    status = recsys__fail(error, RECSYS_EFORKED, 0,
                          "this model's engine runs in the parent process: open a new model after a fork, or open it "
                          "with isolation");
  return status;
}

static uint64_t count_parameters(const recsys__net *net) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < net->network.weight_count; i++) {
    const recsys_weight *weight = &net->network.weights[i];
    if (strstr(weight->name, ".running_") != NULL)
      continue; /* statistics of a batch norm are no parameters */
    uint64_t n = 1;
    for (uint32_t k = 0; k < weight->rank; k++)
      n *= weight->shape[k];
    total += n;
  }
  return total;
}

static recsys_status choose_recipe(recsys_model *model, const recsys__net *net, recsys_error *error) {
  model->recipe = recsys__recipe_find(model->info.recipe);
  if (model->recipe == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "unknown recipe '%.31s'; there are torchvision, inception, keras, caffe, mini, lenet",
                        model->info.recipe);
  if (model->recipe->channels != net->network.channels)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recipe '%s' makes pictures of %u channel(s), but %s takes %u",
                        model->recipe->name, model->recipe->channels, net->architecture, net->network.channels);
  const recsys_model_options *o = &model->options;
  uint32_t side = model->recipe->resize != 0 ? model->recipe->resize : net->network.height;
  model->limits = (recsys__image_limits){.max_file_bytes = o->max_file_bytes,
                                         .max_pixels = o->max_pixels,
                                         .max_decode_bytes = o->max_decode_bytes,
                                         .max_scans = o->max_scans,
                                         .scaled_side = o->flags & RECSYS_MODEL_SCALED_JPEG ? side : 0};
  recsys__image_limits_default(&model->limits);
  return RECSYS_OK;
}

/* The operations whose results will be asked for, in the order of RECSYS__OUTPUT_... */
static recsys_status find_outputs(recsys_model *model, recsys__net *net, uint32_t outputs[RECSYS__OUTPUTS],
                                  uint32_t *count, recsys_error *error) {
  recsys_status status = recsys__net_layer(net, model->info.layer, &outputs[0], error);
  if (status != RECSYS_OK)
    return status;
  *count = 1;
  model->dims[0] = model->info.dim = recsys__op_size(&net->network.ops[outputs[0]]);
  if (recsys__net_classifier(net, &outputs[1], NULL) == RECSYS_OK) {
    model->dims[1] = model->info.classes = net->classes;
    *count = 2;
  }
  return RECSYS_OK;
}

static recsys_status open_engine(recsys_model *model, const char *name, recsys_error *error) {
  const recsys_model_options *o = &model->options;
  return o->isolation == RECSYS_ISOLATION_PROCESS ? recsys__engine_isolate(&model->engine, name, o->engine_path, error)
                                                  : recsys__engine_open(&model->engine, name, o->engine_path, error);
}

/* Of the engines, torch alone reaches GPUs. */
static bool wants_gpu(const char *device) {
  bool automatic = device == NULL || strcmp(device, "auto") == 0;
  return automatic ? access("/dev/nvidiactl", F_OK) == 0 : strncmp(device, "cuda", 4) == 0;
}

static void drop_engine(recsys_model *model) {
  recsys__loaded_close(model->loaded);
  recsys__engine_close(model->engine);
  model->loaded = NULL;
  model->engine = NULL;
}

/* With an engine left to choose: the one that runs int8 for an int8 model; else torch where it reaches a GPU that is
 * here or asked for; else the fastest that is here, or torch for what that one cannot run. */
static recsys_status load(recsys_model *model, const recsys__net *folded, const uint32_t *outputs, uint32_t count,
                          recsys_error *error) {
  const char *name = model->options.engine, *device = model->options.device;
  bool narrow = recsys__model_narrow(model);
  bool automatic = !narrow && (name == NULL || strcmp(name, "auto") == 0),
       cuda = device != NULL && strncmp(device, "cuda", 4) == 0;
  if (automatic && wants_gpu(device)) {
    recsys_status status = open_engine(model, "torch", error);
    if (status == RECSYS_OK)
      status = recsys__model_load(model, folded, outputs, count, error);
    if (cuda || (status == RECSYS_OK && strncmp(recsys__loaded_info(model->loaded)->device, "cuda", 4) == 0))
      return status;
    drop_engine(model); /* a libtorch without CUDA */
  }
  recsys_status status =
      open_engine(model, narrow && (name == NULL || strcmp(name, "auto") == 0) ? "onednn" : name, error);
  if (status == RECSYS_OK)
    status = recsys__model_load(model, folded, outputs, count, error);
  bool unfit = status == RECSYS_EUNSUPPORTED || status == RECSYS_ENOENGINE;
  if (!unfit || !automatic || model->engine == NULL || strcmp(recsys__engine_name(model->engine), "torch") == 0)
    return status;
  drop_engine(model);
  status = open_engine(model, "torch", error);
  return status == RECSYS_OK ? recsys__model_load(model, folded, outputs, count, error) : status;
}

/* The fingerprint of weights that nobody changes meanwhile. */
typedef struct hashing {
  const recsys_model *model;
  const recsys__net *net;
  recsys_status status;
  recsys_error error;
  char hex[65];
  pthread_t thread;
  bool apart; /* on a thread of its own */
} hashing;

static void *hash(void *context) {
  hashing *h = context;
  h->status = recsys__model_fingerprint(h->model, h->net, h->hex, &h->error);
  return NULL;
}

static void hash_begin(hashing *h) {
  h->apart = h->model->threads > 1 && recsys__thread_start(&h->thread, hash, h) == 0;
  if (!h->apart)
    hash(h);
}

/* The fingerprint is the model's from now on. */
static recsys_status hash_end(const hashing *h, recsys_model *model, recsys_error *error) {
  if (h->apart)
    pthread_join(h->thread, NULL);
  if (h->status != RECSYS_OK && error != NULL)
    *error = h->error;
  memcpy(model->info.fingerprint, h->hex, sizeof h->hex);
  return h->status;
}

/* Folding moves the weights; it changes those before a batch norm, and their list where not each is of one operation.
 */
static bool fold_changes(const recsys__net *net) {
  const recsys_network *n = &net->network;
  for (uint32_t i = 0; i < n->op_count; i++)
    if (n->ops[i].kind == RECSYS_OP_BATCHNORM)
      return true;
  for (uint32_t w = 0; w < n->weight_count; w++) {
    uint32_t users = 0;
    for (uint32_t i = 0; i < n->op_count; i++)
      users += (uint32_t)(n->ops[i].weight == (int32_t)w) + (uint32_t)(n->ops[i].bias == (int32_t)w);
    if (users != 1)
      return true;
  }
  return false;
}

/* The engine loads while the fingerprint is made, a quarter of the time for VGG16. */
static recsys_status load_and_hash(recsys_model *model, bool hashed, recsys_error *error) {
  uint32_t outputs[RECSYS__OUTPUTS], count = 0;
  recsys__net *folded = &model->folded;
  hashing h = {.model = model, .net = folded};
  recsys_status status = find_outputs(model, folded, outputs, &count, error), ended = RECSYS_OK;
  if (status == RECSYS_OK && model->quantization != NULL)
    status = recsys__quantization_mark(model->quantization, folded, error);
  if (status != RECSYS_OK)
    return status;
  if (!hashed)
    hash_begin(&h);
  status = load(model, folded, outputs, count, error);
  if (!hashed)
    ended = hash_end(&h, model, status == RECSYS_OK ? error : NULL);
  if (status == RECSYS_OK)
    recsys__net_drop_values(folded, model->kept);
  return status == RECSYS_OK ? ended : status;
}

/* From a network with weights to one that an engine runs; takes the weights over and frees them. */
static recsys_status finish(recsys_model *model, recsys__net *net, recsys_error *error) {
  uint32_t outputs[RECSYS__OUTPUTS], count = 0;
  hashing h = {.model = model, .net = net};
  model->info.parameters = count_parameters(net);
  recsys_status status = choose_recipe(model, net, error);
  if (status == RECSYS_OK)
    status = find_outputs(model, net, outputs, &count, error); /* says early that there is no such layer */
  bool early = status == RECSYS_OK && fold_changes(net);
  if (early) {
    hash(&h);
    status = hash_end(&h, model, error);
  }
  if (status == RECSYS_OK)
    status = recsys__net_fold(&model->folded, net, error);
  recsys__net_free(net);
  if (status == RECSYS_OK)
    status = load_and_hash(model, early, error);
  if (status == RECSYS_OK)
    status = recsys__model_build(model, &model->net, error);
  if (status == RECSYS_OK) /* a layer NAME@G is made here */
    status = recsys__net_layer(&model->net, model->info.layer, &outputs[0], error);
  if (status == RECSYS_OK)
    recsys__log_write(&model->log, RECSYS_LOG_INFO, "%s runs on %s in %s (%s)", model->info.architecture,
                      recsys__loaded_info(model->loaded)->device, recsys__precision_name(model->info.precision),
                      model->why);
  /* The options' strings are the caller's. */
  model->options.architecture = model->options.layer = model->options.recipe = NULL;
  model->options.engine = model->options.engine_path = model->options.device = NULL;
  return status;
}

static recsys_status open_weights(recsys_model *model, recsys_error *error) {
  recsys__net net = {0};
  recsys_status status = recsys__model_read(model, &net, error);
  if (status == RECSYS_OK)
    status = model->ensemble_text != NULL ? recsys__ensemble_open(model, error) : finish(model, &net, error);
  recsys__net_free(&net);
  return status;
}

recsys_status recsys__model_open_file(recsys_model **model, const char *path, const recsys_model_options *options,
                                      bool part, recsys_error *error) {
  recsys_model *m = NULL;
  recsys_status status = recsys__model_make(&m, options, error);
  if (status != RECSYS_OK)
    return status;
  m->part = part;
  char *resolved = realpath(path, NULL);
  m->source = recsys__strdup(resolved != NULL ? resolved : path);
  free(resolved);
  status = m->source != NULL ? open_weights(m, error) : recsys__no_memory(error, "a path");
  if (status != RECSYS_OK) {
    recsys_model_close(m);
    return status;
  }
  *model = m;
  return recsys__ok(error);
}

recsys_status recsys__model_again(const recsys_model *model, uint32_t precision, recsys__quantization *quantization,
                                  recsys_model **again, recsys_error *error) {
  recsys_model_options options = model->options;
  const char *engine = recsys__engine_name(model->engine);
  options.struct_size = sizeof options;
  options.architecture = model->info.architecture;
  options.layer = model->info.layer;
  options.recipe = model->info.recipe;
  options.classes = model->info.classes;
  options.precision = precision;
  options.engine = "onednn";
  options.engine_path = strcmp(engine, "onednn") == 0 ? recsys__engine_path(model->engine) : NULL;
  options.device = "cpu";
  *again = NULL;
  recsys_model *m = NULL;
  recsys_status status = recsys__model_make(&m, &options, error);
  if (status != RECSYS_OK) {
    recsys__quantization_free(quantization);
    return status;
  }
  m->quantization = quantization;
  m->unrounded = model->info.fingerprint;
  m->source = model->source != NULL ? recsys__strdup(model->source) : NULL;
  status = (m->source == NULL) == (model->source == NULL) ? open_weights(m, error) : recsys__no_memory(error, "a path");
  m->unrounded = NULL;
  if (status == RECSYS_OK)
    *again = m;
  else
    recsys_model_close(m);
  return status;
}

recsys_status recsys_model_open(recsys_model **model, const char *path, const recsys_model_options *options,
                                recsys_error *error) {
  if (model != NULL)
    *model = NULL;
  if (model == NULL || path == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_open: %s is NULL", model == NULL ? "model" : "path");
  return recsys__model_open_file(model, path, options, false, error);
}

recsys_status recsys_model_create(recsys_model **model, const char *architecture, const recsys_model_options *options,
                                  recsys_error *error) {
  if (model != NULL)
    *model = NULL;
  if (model == NULL || architecture == NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_create: %s is NULL",
                        model == NULL ? "model" : "architecture");
  recsys_model *m = NULL;
  recsys_status status = recsys__model_make(&m, options, error);
  if (status != RECSYS_OK)
    return status;
  m->options.architecture = architecture;
  status = open_weights(m, error);
  if (status != RECSYS_OK) {
    recsys_model_close(m);
    return status;
  }
  *model = m;
  return recsys__ok(error);
}
