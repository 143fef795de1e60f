/* Batches of pictures through a network that learns: decoded, varied, standardised, and the way back. */
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "model/training.h"

/* The same variation for the same epoch and place in it, whoever asks. */
static recsys__variation draw(const recsys__picture_source *s, size_t at) {
  recsys__random random;
  recsys__random_seed(&random, s->seed, (s->epoch << 32) + at + 1);
  recsys__variation v = {.down = recsys__random_unit(&random), .across = recsys__random_unit(&random)};
  v.mirrored = recsys__random_u32(&random) >> 31;
  if (s->vary == RECSYS__VARY_MIRROR)
    v.down = v.across = 0.5;
  return v;
}

bool recsys__pictures_mirrored(const recsys__picture_source *s, size_t at) {
  return s->learning && s->vary != RECSYS__VARY_NOTHING && draw(s, s->began + at).mirrored;
}

static void load_one(void *context, size_t part) {
  recsys__picture_source *s = context;
  const recsys_network *network = &s->net->network;
  size_t size = (size_t)network->height * network->width * network->channels;
  recsys__pixels pixels = {0};
  recsys_error *error = &s->errors[part];
  recsys_status status = recsys__image_load(&pixels, &s->images[s->examples[part]], &s->model->limits, error);
  recsys__variation v = draw(s, s->first + part);
  if (status == RECSYS_OK && s->learning && s->vary != RECSYS__VARY_NOTHING)
    status = recsys__recipe_vary(s->model->recipe, &pixels, network->height, network->width, &v, s->input + part * size,
                                 error);
  else if (status == RECSYS_OK)
    status =
        recsys__recipe_apply(s->model->recipe, &pixels, network->height, network->width, s->input + part * size, error);
  recsys__pixels_free(&pixels);
  s->statuses[part] = status;
}

static recsys_status load(recsys__picture_source *s, size_t n, recsys_error *error) {
  recsys__parallel(s->model->threads, n, load_one, s);
  for (size_t i = 0; i < n; i++)
    if (s->statuses[i] != RECSYS_OK)
      return recsys__fail(error, s->statuses[i], (int32_t)s->examples[i],
                          "picture %u could be used before, and cannot now: %.160s", s->examples[i],
                          s->errors[i].message);
  return RECSYS_OK;
}

static recsys_status read_rows(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                               size_t first, float *rows, recsys_error *error) {
  recsys__picture_source *s = context;
  s->learning = learning;
  s->epoch = epoch;
  s->began = first;
  for (size_t at = 0; at < n; at += s->room) {
    size_t count = n - at < s->room ? n - at : s->room;
    s->examples = examples + at;
    s->first = first + at;
    recsys_status status = load(s, count, error);
    if (status == RECSYS_OK)
      status = recsys__trainer_forward(s->trainer, s->input, count, learning, rows + at * s->dim, error);
    if (status != RECSYS_OK)
      return status;
  }
  for (size_t i = 0; s->scale != NULL && i < n * s->dim; i++)
    rows[i] = (rows[i] - s->mean[i % s->dim]) * s->scale[i % s->dim];
  return RECSYS_OK;
}

static recsys_status learn(void *context, const float *gradient, size_t n, recsys_error *error) {
  recsys__picture_source *s = context;
  for (size_t i = 0; i < n * s->dim; i++)
    s->outer[i] = gradient[i] * (s->scale != NULL ? s->scale[i % s->dim] : 1);
  return recsys__trainer_backward(s->trainer, s->outer, s->gradients, error);
}

recsys__features recsys__pictures_features(recsys__picture_source *s) {
  return (recsys__features){.context = s,
                            .read = read_rows,
                            .learn = learn,
                            .parameters = s->parameters,
                            .parameter_count = s->parameter_count};
}

static recsys_status make_parameters(recsys__picture_source *s, recsys__net *net, const uint8_t *trained,
                                     recsys_error *error) {
  uint32_t count = net->network.weight_count;
  s->parameters = recsys__calloc(count, sizeof *s->parameters);
  s->gradients = recsys__calloc(count, sizeof *s->gradients);
  if (s->parameters == NULL || s->gradients == NULL)
    return recsys__no_memory(error, "the weights that are trained");
  for (uint32_t i = 0; i < count; i++) {
    const recsys_weight *w = &net->network.weights[i];
    recsys__parameter *p = &s->parameters[s->parameter_count];
    if (!trained[i])
      continue;
    recsys_status status =
        recsys__parameter_init(p, w->name, (float *)(uintptr_t)w->data, recsys__weight_values(w), error);
    if (status != RECSYS_OK)
      return status;
    s->gradients[i] = p->gradient;
    s->parameter_count++;
  }
  return RECSYS_OK;
}

static recsys_status open_torch(recsys__picture_source *s, const char *path, recsys_error *error) {
  return s->model->options.isolation == RECSYS_ISOLATION_PROCESS
             ? recsys__engine_isolate(&s->engine, "torch", path, error)
             : recsys__engine_open(&s->engine, "torch", path, error);
}

/* The model's engine, or where that does not train, libtorch's: beside it, else where engines are looked for. */
static recsys_status find_engine(recsys__picture_source *s, recsys__engine **engine, recsys_error *error) {
  *engine = s->model->engine;
  if (recsys__engine_trains(*engine))
    return RECSYS_OK;
  char *folder = recsys__strdup(recsys__engine_path(*engine)), *slash = folder != NULL ? strrchr(folder, '/') : NULL;
  if (slash != NULL)
    *slash = '\0';
  recsys_status status = slash != NULL ? open_torch(s, folder, NULL) : RECSYS_ENOENGINE;
  recsys__free(folder);
  if (status != RECSYS_OK)
    status = open_torch(s, NULL, error);
  if (status == RECSYS_OK && !recsys__engine_trains(s->engine))
    status = recsys__fail(error, RECSYS_ENOENGINE, 0, "%.120s does not train: the engine \"torch\" is needed",
                          recsys__engine_path(s->engine));
  *engine = s->engine;
  return status;
}

recsys_status recsys__pictures_open(recsys__picture_source *s, recsys__net *net, uint32_t op, const uint8_t *trained,
                                    size_t room, recsys_error *error) {
  const recsys_network *network = &net->network;
  s->net = net;
  s->room = room;
  s->dim = recsys__op_size(&network->ops[op]);
  s->input = recsys__alloc(room, (size_t)network->height * network->width * network->channels * sizeof *s->input);
  s->outer = recsys__alloc(room, s->dim * sizeof *s->outer);
  s->statuses = recsys__alloc(room, sizeof *s->statuses);
  s->errors = recsys__calloc(room, sizeof *s->errors);
  recsys_status status = s->input && s->outer && s->statuses && s->errors
                             ? make_parameters(s, net, trained, error)
                             : recsys__no_memory(error, "a batch of pictures");
  const recsys_engine_training options = {.struct_size = sizeof options,
                                          .threads = s->model->threads,
                                          .device = recsys__loaded_info(s->model->loaded)->device,
                                          .output = op,
                                          .trained = trained};
  recsys__engine *engine = NULL;
  if (status == RECSYS_OK)
    status = find_engine(s, &engine, error);
  if (status == RECSYS_OK)
    status = recsys__trainer_open(&s->trainer, engine, network, &options, error);
  if (status != RECSYS_OK)
    recsys__pictures_close(s);
  return status;
}

void recsys__pictures_close(recsys__picture_source *s) {
  recsys__trainer_close(s->trainer);
  recsys__engine_close(s->engine);
  for (size_t i = 0; i < s->parameter_count; i++)
    recsys__parameter_free(&s->parameters[i]);
  recsys__free(s->parameters);
  recsys__free(s->gradients);
  recsys__free(s->input);
  recsys__free(s->outer);
  recsys__free(s->statuses);
  recsys__free(s->errors);
  *s = (recsys__picture_source){0};
}
