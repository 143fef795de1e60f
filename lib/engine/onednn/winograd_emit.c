/* Which convolutions run by Winograd instead of oneDNN's direct ones, and their steps. */
#include <stdio.h>
#include <string.h>

#include "engine/onednn/net.h"

/* Where it was measured to be faster (docs/benchmarks.md#winograd): from 16 channels and 7 x 7 results on, 1.5 to 3.2
 * times as fast in batches, and for one picture never slower by more than a few hundredths. */
enum { LEAST_CHANNELS = 16, LEAST_SIDE = 7 };

/* Whole blocks of results, because nothing else would fill one up. */
static bool fits(const recsys_op *op, const dnn_shape *src, const dnn_shape *dst) {
  return src->ndims == 4 && dst->ndims == 4 && dst->dims[1] == op->channels && dst->dims[1] % dnn_block() == 0 &&
         dst->dims[2] == op->height && dst->dims[3] == op->width;
}

static bool suits(const making *m, const recsys_op *op, int64_t inputs) {
  return m->net->winograd != NULL && m->net->type == dnnl_f32 && op->kernel_h == 3 && op->kernel_w == 3 &&
         op->stride_h == 1 && op->stride_w == 1 && op->dilation <= 1 && op->groups <= 1 && op->pad_h <= 2 &&
         op->pad_w <= 2 && inputs >= LEAST_CHANNELS && op->channels >= LEAST_CHANNELS && op->height >= LEAST_SIDE &&
         op->width >= LEAST_SIDE;
}

/* Channels as they lie in memory: whole blocks, which oneDNN fills up with zeros. */
static winograd_map map_of(const dnn_shape *shape) {
  int64_t block = dnn_block(), channels = shape->dims[1];
  return block == 1 ? (winograd_map){channels, shape->dims[2], shape->dims[3], channels}
                    : (winograd_map){(channels + block - 1) / block * block, shape->dims[2], shape->dims[3], block};
}

/* The layer's name is its weight's up to the last point. */
static void note_name(net *n, const char *weight) {
  size_t used = strlen(n->winograd_names), length = weight != NULL ? strlen(weight) : 0;
  if (length == 0 || used + length + 2 > sizeof n->winograd_names)
    return;
  const char *point = strrchr(weight, '.');
  if (point != NULL)
    length = (size_t)(point - weight);
  snprintf(n->winograd_names + used, sizeof n->winograd_names - used, "%s%.*s", used > 0 ? " " : "", (int)length,
           weight);
}

static recsys_status add_weights(making *m, step *s, const recsys_op *op, int64_t inputs) {
  uint32_t before = m->net->weights_count;
  const int64_t dims[4] = {op->channels, inputs, 3, 3}, channels = op->channels;
  dnn_shape is = dnn_shape_of(dims, 4, dnnl_f32, DNN_PLAIN), bias = dnn_shape_of(&channels, 1, dnnl_f32, DNN_PLAIN), in;
  const float *data = NULL;
  uint32_t index = 0;
  recsys_status status = plan_weight_data(m, op->weight, &is, &data);
  if (status == RECSYS_OK)
    status = weights_get_winograd(m, op->weight, data, op->channels, inputs, s->winograd->src.channels, &index, &in);
  if (status != RECSYS_OK)
    return status;
  if (m->net->weights_count > before) /* not in an earlier plan */
    note_name(m->net, plan_weight(m->network, op->weight)->name);
  step_add(m, s, DNNL_ARG_WEIGHTS, IN_WEIGHTS, (int32_t)index, &in);
  if (op->bias < 0)
    return RECSYS_OK;
  status = plan_weight_data(m, op->bias, &bias, &data);
  if (status == RECSYS_OK)
    status = weights_get(m, op->bias, data, &bias, &bias, &index);
  if (status == RECSYS_OK)
    step_add(m, s, DNNL_ARG_BIAS, IN_WEIGHTS, (int32_t)index, &bias);
  return status;
}

recsys_status emit_winograd(making *m, uint32_t index, int32_t from, const dnn_shape *src, int32_t to,
                            const dnn_shape *dst, bool *taken) {
  const recsys_op *op = &m->net->ops[index];
  winograd w = {.kernel = m->net->winograd,
                .src = map_of(src),
                .dst = map_of(dst),
                .batch = m->plan->batch,
                .pad = {op->pad_h, op->pad_w},
                .add = m->sum[index] >= 0,
                .relu = m->relu[index],
                .threads = m->net->threads};
  *taken = fits(op, src, dst) && suits(m, op, src->dims[1]) && winograd_plan(&w);
  if (!*taken)
    return RECSYS_OK;
  step *s = step_new(m, &(dnn_made){.scratch = winograd_scratch(&w)});
  s->op = (int32_t)index;
  s->winograd = net_alloc(m->net, 1, sizeof w);
  if (s->winograd == NULL)
    return dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for its plan");
  *s->winograd = w;
  step_add(m, s, DNNL_ARG_SRC, IN_BLOCK, from, src);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, to, dst);
  return add_weights(m, s, op, src->dims[1]);
}
