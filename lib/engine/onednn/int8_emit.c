/* Convolutions and dense layers over integers, and results that go from floats to integers and back. */
#include <math.h>

#include "engine/onednn/net.h"

/* -- from one kind to the other */

recsys_status emit_floats_of(making *m, const recsys_op *op, uint32_t k, int32_t *at, dnn_shape *shape) {
  recsys_status status = emit_input_of(m, op, k, at, shape);
  int32_t from = op->inputs[k];
  if (status != RECSYS_OK || from < 0 || m->unit[from] == 0)
    return status;
  const dnn_shape wide = dnn_shape_of(shape->dims, 4, m->net->type, DNN_BLOCKED);
  int32_t widened = buffer_new(m, &wide);
  status = emit_copy(m, *at, shape, widened, &wide, m->unit[from]);
  *at = widened;
  *shape = wide;
  return status;
}

recsys_status emit_sum_of_floats(making *m, int32_t other, dnn_layout layout, int32_t *at, dnn_shape *shape) {
  *at = m->value[other];
  *shape = m->shape[other];
  if (m->unit[other] == 0 && layout == DNN_BLOCKED)
    return RECSYS_OK;
  const dnn_shape wide = dnn_shape_of(shape->dims, 4, m->net->type, layout), from = *shape;
  int32_t widened = buffer_new(m, &wide);
  recsys_status status = emit_copy(m, *at, &from, widened, &wide, m->unit[other] > 0 ? m->unit[other] : 1);
  *at = widened;
  *shape = wide;
  return status;
}

/* Result `op` (or the network's input) as integers: as it is, or as a copy in units of `range`. */
static recsys_status integers_of(making *m, int32_t op, double range, int32_t *at, dnn_shape *shape, double *unit) {
  integers *kept = &m->narrowed[op >= 0 ? (uint32_t)op : m->net->op_count];
  recsys_status status = RECSYS_OK;
  if (op >= 0 && m->unit[op] > 0) {
    *at = m->value[op];
    *shape = m->shape[op];
    *unit = m->unit[op];
    return RECSYS_OK;
  }
  if (kept->value < 0) {
    int32_t from = NONE;
    dnn_shape wide;
    const recsys_op reader = {.kind = RECSYS_OP_CONV, .inputs = {op}};
    status = emit_input_of(m, &reader, 0, &from, &wide);
    if (status != RECSYS_OK)
      return status;
    bool negative = op < 0 || m->negative[op];
    kept->unit = int8_unit(range, negative);
    kept->shape =
        dnn_shape_of(wide.dims, wide.ndims, negative ? dnnl_s8 : dnnl_u8, wide.ndims == 2 ? DNN_PLAIN : DNN_NHWC);
    kept->value = buffer_new(m, &kept->shape);
    status = emit_copy(m, from, &wide, kept->value, &kept->shape, 1 / kept->unit);
  }
  *at = kept->value;
  *shape = kept->shape;
  *unit = kept->unit;
  return status;
}

/* -- layers */

typedef struct layer {
  const recsys_op *op;
  uint32_t index;
  int32_t from, to;
  dnn_shape src, dst, is; /* is: the weights as the network has them */
  double src_unit, dst_unit;
  const float *weights;
  double *units; /* of each channel's weights */
  float *scales; /* of each channel's result; after that the biases */
  dnn_after after;
} layer;

/* The largest weight of a channel is 127 units. Of a channel without any only the bias counts. */
static void find_scales(layer *l) {
  const double nothing = 1e-30;
  size_t channels = l->op->channels, each = dnn_bytes(&l->is) / sizeof(float) / channels;
  for (size_t c = 0; c < channels; c++) {
    double largest = 0;
    for (size_t i = 0; i < each; i++)
      largest = fmax(largest, fabs((double)l->weights[c * each + i]));
    l->units[c] = largest > nothing ? largest / 127 : 1;
    l->scales[c] = (float)(l->src_unit * l->units[c] / l->dst_unit);
  }
  l->after.scales = l->scales;
  l->after.channels = (int64_t)channels;
}

static recsys_status add_bias(making *m, const layer *l, step *s) {
  int64_t channels = l->op->channels;
  const dnn_shape is = dnn_shape_of(&channels, 1, dnnl_f32, DNN_PLAIN);
  const float *bias = NULL;
  float *scaled = l->scales + channels;
  dnn_shape shape;
  uint32_t index = 0;
  recsys_status status = plan_weight_data(m, l->op->bias, &is, &bias);
  for (int64_t c = 0; status == RECSYS_OK && c < channels; c++)
    scaled[c] = (float)((double)bias[c] / dnn_bias_unit(l->src_unit * l->units[c], l->dst_unit));
  if (status == RECSYS_OK)
    status = weights_put(m, scaled, channels, &index, &shape);
  if (status == RECSYS_OK)
    step_add(m, s, DNNL_ARG_BIAS, IN_WEIGHTS, (int32_t)index, &shape);
  return status;
}

static recsys_status add_step(making *m, const layer *l, const dnn_made *made) {
  dnn_shape shape;
  uint32_t index = 0;
  step *s = step_new(m, made);
  s->op = (int32_t)l->index;
  step_add(m, s, DNNL_ARG_SRC, IN_BLOCK, l->from, &l->src);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, l->to, &l->dst);
  recsys_status status =
      weights_get_int8(m, l->op->weight, l->weights, &l->is, l->op->channels, l->units, &made->weights, &index);
  if (status == RECSYS_OK)
    step_add(m, s, DNNL_ARG_WEIGHTS, IN_WEIGHTS, (int32_t)index, &made->weights);
  if (status == RECSYS_OK && made->scales != 0)
    status = weights_put(m, l->scales, l->op->channels, &index, &shape);
  if (status == RECSYS_OK && made->scales != 0)
    step_add(m, s, made->scales, IN_WEIGHTS, (int32_t)index, &shape);
  return status == RECSYS_OK && l->op->bias >= 0 ? add_bias(m, l, s) : status;
}

static recsys_status make_layer(making *m, layer *l, dnn_made *made) {
  const int64_t channels = l->op->channels;
  const dnn_shape bias = dnn_shape_of(&channels, 1, dnnl_f32, DNN_PLAIN), *has = l->op->bias >= 0 ? &bias : NULL;
  if (l->op->kind == RECSYS_OP_LINEAR) {
    const dnn_shape any = dnn_shape_of(l->is.dims, 2, dnnl_s8, DNN_ANY);
    return dnn_linear(made, m->net->engine, &l->src, &any, has, &l->dst, l->after, m->error);
  }
  const dnn_shape any = emit_filter_shape(l->op, (uint32_t)l->src.dims[1], dnnl_s8, DNN_ANY);
  const dnn_window window = emit_window(l->op, (uint32_t)l->src.dims[2], (uint32_t)l->src.dims[3]);
  return dnn_conv(made, m->net->engine, &l->src, &any, has, &l->dst, &window, l->after, m->error);
}

/* From the input and the target to the step. */
static recsys_status finish(making *m, layer *l) {
  dnn_made made;
  size_t channels = l->op->channels;
  l->units = net_alloc(m->net, channels, sizeof *l->units);
  l->scales = net_alloc(m->net, 2 * channels, sizeof *l->scales);
  recsys_status status = l->units != NULL && l->scales != NULL
                             ? plan_weight_data(m, l->op->weight, &l->is, &l->weights)
                             : dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for int8");
  if (status == RECSYS_OK) {
    find_scales(l);
    status = make_layer(m, l, &made);
  }
  if (status == RECSYS_OK)
    status = add_step(m, l, &made);
  net_free(m->net, l->units);
  net_free(m->net, l->scales);
  return status;
}

/* Where the result goes, and what it is added to. */
static recsys_status find_target(making *m, layer *l) {
  int32_t other = m->sum[l->index];
  bool floats = m->unit[l->index] == 0;
  l->dst_unit = floats ? 1 : m->unit[l->index];
  l->after = (dnn_after){.add = other >= 0, .relu = m->relu[l->index]};
  if (other >= 0 && floats)
    return emit_sum_of_floats(m, other, DNN_NHWC, &l->to, &l->dst);
  const int64_t dims[4] = {m->plan->batch, l->op->channels, l->op->height, l->op->width};
  l->dst = floats ? dnn_shape_of(dims, 4, dnnl_f32, DNN_NHWC) : int8_shape(m, l->index);
  if (other < 0) {
    l->to = buffer_new(m, &l->dst);
    return RECSYS_OK;
  }
  dnn_shape there;
  double unit;
  recsys_status status = integers_of(m, other, l->op->output_range, &l->to, &there, &unit);
  l->after.add_scale = unit / l->dst_unit;
  l->after.add_type = m->negative[other] ? dnnl_s8 : dnnl_u8;
  return status;
}

recsys_status emit_conv_int8(making *m, uint32_t index) {
  layer l = {.op = &m->net->ops[index], .index = index};
  recsys_status status = integers_of(m, l.op->inputs[0], l.op->input_range, &l.from, &l.src, &l.src_unit);
  if (status == RECSYS_OK)
    status = find_target(m, &l);
  if (status != RECSYS_OK)
    return status;
  l.is = emit_filter_shape(l.op, (uint32_t)l.src.dims[1], dnnl_f32, DNN_PLAIN);
  emit_give(m, index, l.to, &l.dst);
  status = finish(m, &l);
  if (status != RECSYS_OK || m->unit[index] > 0)
    return status;
  const dnn_shape blocked = dnn_shape_of(l.dst.dims, 4, dnnl_f32, DNN_BLOCKED);
  int32_t to = buffer_new(m, &blocked);
  emit_give(m, index, to, &blocked);
  return emit_copy(m, l.to, &l.dst, to, &blocked, 1);
}

/* Rows stay floats between dense layers. */
recsys_status emit_linear_int8(making *m, uint32_t index) {
  layer l = {.op = &m->net->ops[index], .index = index, .dst_unit = 1, .after = {.relu = m->relu[index]}};
  recsys_status status = integers_of(m, l.op->inputs[0], l.op->input_range, &l.from, &l.src, &l.src_unit);
  if (status != RECSYS_OK)
    return status;
  const int64_t matrix[2] = {l.op->channels, l.src.dims[1]}, rows[2] = {m->plan->batch, l.op->channels};
  l.is = dnn_shape_of(matrix, 2, dnnl_f32, DNN_PLAIN);
  l.dst = dnn_shape_of(rows, 2, dnnl_f32, DNN_PLAIN);
  l.to = buffer_new(m, &l.dst);
  emit_give(m, index, l.to, &l.dst);
  return finish(m, &l);
}
