/* Between rows of C x P floats, as layers give them, and P rows of C. */
#include "model/places.h"

#include <string.h>

#include "base/memory.h"

/* The side of the grid that the model's layer is; 1: it is none. */
static size_t side_of(recsys_model *model) {
  uint32_t op;
  if (recsys__net_layer(&model->net, model->info.layer, &op, NULL) != RECSYS_OK)
    return 1;
  const recsys_op *flat = &model->net.network.ops[op];
  if (flat->kind != RECSYS_OP_FLATTEN || flat->inputs[0] < 0)
    return 1;
  const recsys_op *grid = &model->net.network.ops[flat->inputs[0]];
  return grid->height == grid->width && grid->height > 1 ? grid->height : 1;
}

/* A picture of channels x places becomes rows of channels, place by place; side: of the grid, from right to left where
 * it is mirrored. */
static void to_rows(const float *picture, size_t channels, size_t side, bool mirrored, float *rows) {
  for (size_t y = 0; y < side; y++)
    for (size_t x = 0; x < side; x++)
      for (size_t c = 0; c < channels; c++)
        *rows++ = picture[(c * side + y) * side + (mirrored ? side - 1 - x : x)];
}

static void from_rows(const float *rows, size_t channels, size_t side, float *picture) {
  for (size_t p = 0; p < side * side; p++)
    for (size_t c = 0; c < channels; c++)
      picture[c * side * side + p] = *rows++;
}

/* Over the pictures that train. */
static recsys_status find_mean(recsys__places *p, recsys__training *t, recsys_error *error) {
  double *sum = recsys__calloc(p->outputs, sizeof *sum);
  recsys_status status = sum ? RECSYS_OK : recsys__no_memory(error, "the mean of the teacher's places");
  for (size_t i = 0; status == RECSYS_OK && i < t->training_count; i++) {
    status = recsys__training_rows(t, &t->order[i], 1, p->room, error);
    for (size_t k = 0; k < p->outputs * p->count; k++)
      sum[k / p->count] += p->room[k];
  }
  for (size_t c = 0; status == RECSYS_OK && c < p->outputs; c++)
    p->mean[c] = (float)(sum[c] / (double)(t->training_count * p->count));
  recsys__free(sum);
  return status;
}

recsys_status recsys__places_open(recsys__places *p, recsys__training *t, recsys_error *error) {
  size_t own = side_of(t->model), theirs = side_of(t->seer);
  *p = (recsys__places){.side = 1, .count = 1, .inputs = (size_t)t->model->info.dim, .outputs = t->dim};
  if (own != theirs || own == 1)
    return RECSYS_OK;
  size_t widest = p->inputs > p->outputs ? p->inputs : p->outputs;
  p->side = own;
  p->count = own * own;
  p->inputs /= p->count;
  p->outputs /= p->count;
  p->mean = recsys__alloc(p->outputs, sizeof *p->mean);
  p->room = recsys__alloc(t->options.batch, widest * sizeof *p->room);
  if (p->mean == NULL || p->room == NULL)
    return recsys__no_memory(error, "a batch of places");
  return find_mean(p, t, error);
}

void recsys__places_close(recsys__places *p) {
  recsys__free(p->mean);
  recsys__free(p->room);
  *p = (recsys__places){0};
}

static recsys_status read_features(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                                   size_t first, float *rows, recsys_error *error) {
  const recsys__places *p = context;
  recsys_status status = p->features.read(p->features.context, examples, n, learning, epoch, first, p->room, error);
  size_t width = p->inputs * p->count;
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    to_rows(p->room + i * width, p->inputs, p->side, false, rows + i * width);
  return status;
}

static recsys_status learn_features(void *context, const float *gradient, size_t n, recsys_error *error) {
  const recsys__places *p = context;
  size_t width = p->inputs * p->count;
  for (size_t i = 0; i < n; i++)
    from_rows(gradient + i * width, p->inputs, p->side, p->room + i * width);
  return p->features.learn(p->features.context, p->room, n, error);
}

static recsys_status read_targets(void *context, const uint32_t *examples, size_t n, float *rows, recsys_error *error) {
  const recsys__places *p = context;
  recsys_status status = p->targets.read(p->targets.context, examples, n, p->room, error);
  if (status != RECSYS_OK)
    return status;
  size_t width = p->outputs * p->count;
  for (size_t i = 0; i < n; i++)
    to_rows(p->room + i * width, p->outputs, p->side, recsys__pictures_mirrored(p->source, i), rows + i * width);
  for (size_t i = 0; i < n * p->count; i++)
    for (size_t c = 0; c < p->outputs; c++)
      rows[i * p->outputs + c] -= p->mean[c];
  return RECSYS_OK;
}

void recsys__places_wrap(recsys__places *p, recsys__picture_source *source, recsys__fitting *fit) {
  if (p->count == 1)
    return;
  source->vary = RECSYS__VARY_MIRROR;
  p->source = source;
  fit->places = p->count;
  p->features = fit->features;
  p->targets = fit->targets;
  fit->features.context = fit->targets.context = p;
  fit->features.read = read_features;
  fit->features.learn = learn_features;
  fit->targets.read = read_targets;
  fit->targets.mean = p->mean;
}
