/* Teaching a network to reproduce another one's rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/matrix.h"
#include "base/memory.h"
#include "base/thread.h"
#include "model/places.h"

/* -- what is given */

static recsys_status check_arguments(recsys_model *model, recsys_model *teacher, const char *path,
                                     const recsys_image *images, size_t n, recsys_error *error) {
  const char *missing = model == NULL     ? "model"
                        : teacher == NULL ? "teacher"
                        : path == NULL    ? "path"
                        : images == NULL  ? "images"
                                          : NULL;
  if (missing != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_distill: %s is NULL", missing);
  if (n < 2 || n > INT32_MAX || model == teacher)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_distill: %s",
                        model == teacher ? "a model cannot teach itself" : "at least 2 pictures are needed");
  if (model->ensemble != NULL || teacher->ensemble != NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "recsys_model_distill: an ensemble can neither teach nor learn");
  recsys_status status = recsys__model_here(model, error);
  return status == RECSYS_OK ? recsys__model_here(teacher, error) : status;
}

/* -- training */

static void start_fit(recsys__training *t, recsys__picture_source *source, recsys__places *places) {
  const recsys_train_options *o = &t->options;
  t->phase = 0;
  t->net_head.threads = t->model->threads;
  t->fit = (recsys__fitting){.threads = t->model->threads,
                             .epochs = o->epochs,
                             .patience = o->patience,
                             .schedule = o->schedule,
                             .batch = o->batch,
                             .rate = o->learning_rate,
                             .seed = o->seed,
                             .optimiser = {o->optimiser, o->momentum, o->weight_decay, 0},
                             .head = &t->net_head,
                             .features = recsys__pictures_features(source),
                             .targets = {.read = recsys__training_rows, .context = t},
                             .training = t->order,
                             .validation = t->order + t->training_count,
                             .training_count = t->training_count,
                             .validation_count = t->validation_count,
                             .user = t};
  recsys__places_wrap(places, source, &t->fit);
}

/* Of a dense layer without an activation the map becomes a part, so that its rows have the teacher's cosines.
 * The map's Gram matrix G = P Pᵀ = UᵀU: cosines of U x are those of Pᵀ x. The layer's W and b become U W and U b. */
static recsys_status fold_map(recsys__training *t, recsys__net *net, uint32_t op, recsys_error *error) {
  size_t d = t->net_head.inputs, wide = t->net_head.outputs;
  const recsys_op *layer = &net->network.ops[op];
  float *weight = (float *)(uintptr_t)net->network.weights[layer->weight].data;
  float *bias = layer->bias >= 0 ? (float *)(uintptr_t)net->network.weights[layer->bias].data : NULL;
  const float *map = t->net_head.last->value;
  size_t inputs = (size_t)net->network.weights[layer->weight].shape[1];
  double *gram = recsys__calloc(d, d * sizeof *gram);
  if (gram == NULL)
    return recsys__no_memory(error, "the map to the teacher's rows");
  double trace = 0;
  for (size_t i = 0; i < d; i++)
    for (size_t j = i; j < d; j++) {
      for (size_t k = 0; k < wide; k++)
        gram[i * d + j] += (double)map[i * wide + k] * map[j * wide + k];
      trace += i == j ? gram[i * d + i] : 0;
    }
  for (size_t i = 0; i < d; i++)
    gram[i * d + i] += 1e-9 * trace / (double)d; /* d may be more than `wide` */
  bool good = recsys__cholesky(gram, d, d);
  /* Row i of U W needs the old rows i .. d - 1 only: in place from the top. */
  for (size_t i = 0; good && i < d; i++) {
    for (size_t k = 0; k < inputs; k++) {
      double sum = 0;
      for (size_t j = i; j < d; j++)
        sum += gram[i * d + j] * weight[j * inputs + k];
      weight[i * inputs + k] = (float)sum;
    }
    double shift = 0;
    for (size_t j = i; bias != NULL && j < d; j++)
      shift += gram[i * d + j] * bias[j];
    if (bias != NULL)
      bias[i] = (float)shift;
  }
  recsys__free(gram);
  return good ? RECSYS_OK
              : recsys__fail(error, RECSYS_EINVAL, 0,
                             "the map to the teacher's rows has become singular: use a lower learning rate");
}

static recsys_status learn(recsys__training *t, recsys__net *net, uint32_t op, recsys__places *places,
                           recsys_error *error) {
  recsys__picture_source source = {.model = t->model, .images = t->images, .seed = t->options.seed};
  uint32_t found;
  uint8_t *trained = recsys__alloc(net->network.weight_count, 1);
  recsys_status status = trained ? recsys__net_last_blocks(net, op, UINT32_MAX, trained, &found, error)
                                 : recsys__no_memory(error, "the weights that are trained");
  if (status == RECSYS_OK)
    status = recsys__pictures_open(&source, net, op, trained, t->options.batch, error);
  if (status == RECSYS_OK) {
    start_fit(t, &source, places);
    status = recsys__epochs_run(t, error);
    recsys__pictures_close(&source);
  }
  recsys__free(trained);
  return status == RECSYS_OK && net->network.ops[op].kind == RECSYS_OP_LINEAR ? fold_map(t, net, op, error) : status;
}

static recsys_status distill(recsys__training *t, recsys_error *error) {
  recsys__net net = {0}, whole = {0}; /* without what stands above the embedding */
  recsys_model result = {
      .info = t->model->info, .no_top = t->model->no_top, .half = (t->options.flags & RECSYS_TRAIN_HALF) != 0};
  recsys__places places = {0};
  uint32_t op;
  recsys_status status = recsys__model_read_again(t->model, &net, error);
  if (status == RECSYS_OK)
    status = recsys__net_layer(&net, t->model->info.layer, &op, error);
  if (status == RECSYS_OK)
    status = recsys__training_hash(t, error);
  if (status == RECSYS_OK)
    status = recsys__training_features(t, error);
  if (status == RECSYS_OK)
    status = recsys__training_divide(t, error);
  recsys__training_order(t, 1);
  if (status == RECSYS_OK && t->training_count == 0)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "no picture is in the part that trains (0)");
  if (status == RECSYS_OK)
    status = recsys__places_open(&places, t, error);
  /* A bias only where the mean is taken off: else the map becomes a part of the layer, which has its own. */
  if (status == RECSYS_OK)
    status = recsys__head_init(&t->net_head, places.inputs, 0, places.outputs, places.count == 1,
                               t->options.batch * places.count, true, t->options.seed, error);
  if (status == RECSYS_OK)
    status = recsys__epochs_begin(t, error);
  if (status == RECSYS_OK)
    status = learn(t, &net, op, &places, error);
  result.info.trained = 1;
  result.info.classes = 0;
  if (status == RECSYS_OK)
    status = recsys__model_build(&result, &whole, error);
  if (status == RECSYS_OK)
    status = recsys__net_adopt(&whole, &net, error);
  if (status == RECSYS_OK)
    status = recsys__model_write(&result, &whole, t->path, error);
  recsys__net_free(&whole);
  if (status == RECSYS_OK)
    unlink(t->epoch_path);
  recsys__net_free(&net);
  recsys__places_close(&places);
  return status;
}

recsys_status recsys_model_distill(recsys_model *model, recsys_model *teacher, const char *path,
                                   const recsys_image *images, size_t n, const recsys_train_options *options,
                                   recsys_status *statuses, recsys_error *error) {
  recsys__training t = {.model = model, .seer = teacher, .path = path, .images = images, .n = n};
  recsys_status status = check_arguments(model, teacher, path, images, n, error);
  if (status == RECSYS_OK)
    status = recsys__training_options(&t, options, error);
  if (status == RECSYS_OK) {
    t.options.batch = options != NULL && options->batch != 0 ? t.options.batch : 64;
    t.options.folds = 0;
    t.dim = (size_t)teacher->info.dim;
    status = recsys__training_open(&t, statuses, error);
  }
  if (status == RECSYS_OK)
    status = distill(&t, error);
  return recsys__training_close(&t, status, statuses, error);
}
