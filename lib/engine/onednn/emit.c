/* The oneDNN operation of each operation of the network. Picture-shaped activations have channels in blocks; flat ones
 * are float32 rows. */
#include <math.h>
#include <string.h>

#include "engine/onednn/net.h"

static dnn_shape shape_of(const making *m, const recsys_op *op, dnn_layout layout) {
  const int64_t dims[4] = {m->plan->batch, op->channels, op->height, op->width};
  return op->height == 0 ? dnn_shape_of(dims, 2, dnnl_f32, DNN_PLAIN) : dnn_shape_of(dims, 4, m->net->type, layout);
}

static dnn_shape input_shape(const making *m, dnnl_data_type_t type, dnn_layout layout) {
  const int64_t dims[4] = {m->plan->batch, m->net->channels, m->net->height, m->net->width};
  return dnn_shape_of(dims, 4, type, layout);
}

static recsys_status add_step(making *m, const dnn_made *made, int32_t from, const dnn_shape *from_shape, int32_t to,
                              const dnn_shape *to_shape) {
  step *s = step_new(m, made);
  step_add(m, s, DNNL_ARG_SRC, IN_BLOCK, from, from_shape);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, to, to_shape);
  return RECSYS_OK;
}

/* A reordering's step: dst = src * unit. */
static recsys_status make_copy(making *m, const dnn_shape *from, const dnn_shape *to, double unit, step **s) {
  const float factor = (float)unit;
  dnn_made made;
  dnn_shape one;
  uint32_t index = 0;
  recsys_status status = dnn_reorder(&made, m->net->engine, from, to, unit == 1 ? NULL : &factor, m->error);
  if (status == RECSYS_OK && made.scales != 0) {
    status = weights_put(m, &factor, 1, &index, &one);
    if (status != RECSYS_OK)
      dnn_unmake(&made);
  }
  if (status != RECSYS_OK)
    return status;
  *s = step_new(m, &made);
  if (made.scales != 0)
    step_add(m, *s, made.scales, IN_WEIGHTS, (int32_t)index, &one);
  return RECSYS_OK;
}

recsys_status emit_copy(making *m, int32_t from, const dnn_shape *from_shape, int32_t to, const dnn_shape *to_shape,
                        double unit) {
  step *s = NULL;
  recsys_status status = make_copy(m, from_shape, to_shape, unit, &s);
  if (status != RECSYS_OK)
    return status;
  step_add(m, s, DNNL_ARG_FROM, IN_BLOCK, from, from_shape);
  step_add(m, s, DNNL_ARG_TO, IN_BLOCK, to, to_shape);
  return RECSYS_OK;
}

static recsys_status copy(making *m, int32_t from, const dnn_shape *from_shape, int32_t to, const dnn_shape *to_shape) {
  return emit_copy(m, from, from_shape, to, to_shape, 1);
}

/* The network's input as the first operation wants it: plain for a convolution over three channels, else in blocks. */
static recsys_status emit_input(making *m, dnn_layout layout) {
  dnn_shape given = input_shape(m, dnnl_f32, DNN_NHWC), wanted = input_shape(m, m->net->type, layout);
  step *s = NULL;
  if (m->input >= 0)
    return RECSYS_OK;
  recsys_status status = make_copy(m, &given, &wanted, 1, &s);
  if (status != RECSYS_OK)
    return status;
  m->input = buffer_new(m, &wanted);
  step_add(m, s, DNNL_ARG_FROM, IN_INPUT, 0, &given);
  step_add(m, s, DNNL_ARG_TO, IN_BLOCK, m->input, &wanted);
  return RECSYS_OK;
}

recsys_status emit_input_of(making *m, const recsys_op *op, uint32_t k, int32_t *at, dnn_shape *shape) {
  if (op->inputs[k] >= 0) {
    *at = m->value[op->inputs[k]];
    *shape = m->shape[op->inputs[k]];
    return RECSYS_OK;
  }
  recsys_status status =
      emit_input(m, op->kind == RECSYS_OP_CONV && m->net->channels < dnn_block() ? DNN_PLAIN : DNN_BLOCKED);
  *at = m->input;
  if (status == RECSYS_OK)
    *shape = m->plan->buffers[m->input].shape;
  return status;
}

void emit_give(making *m, uint32_t index, int32_t at, const dnn_shape *shape) {
  m->value[index] = at;
  m->shape[index] = *shape;
}

static int32_t target_of(making *m, uint32_t index, dnn_shape *shape) {
  *shape = m->unit[index] > 0 ? int8_shape(m, index) : shape_of(m, &m->net->ops[index], DNN_BLOCKED);
  return buffer_new(m, shape);
}

/* As integers where the result is of integers. */
static recsys_status same_kind_of(making *m, uint32_t index, uint32_t k, int32_t *at, dnn_shape *shape) {
  const recsys_op *op = &m->net->ops[index];
  return m->unit[index] > 0 ? emit_input_of(m, op, k, at, shape) : emit_floats_of(m, op, k, at, shape);
}

/* -- convolutions and dense layers */

dnn_window emit_window(const recsys_op *op, uint32_t height, uint32_t width) {
  int64_t dilation = op->dilation > 1 ? op->dilation : 1;
  dnn_window w = {.kernel = {op->kernel_h, op->kernel_w},
                  .stride = {op->stride_h, op->stride_w},
                  .dilation = {dilation, dilation},
                  .before = {op->pad_h, op->pad_w}};
  /* What the last window reaches over the edge; less than nothing where it does not reach it. */
  w.after[0] = ((int64_t)op->height - 1) * w.stride[0] + (w.kernel[0] - 1) * dilation + 1 - height - w.before[0];
  w.after[1] = ((int64_t)op->width - 1) * w.stride[1] + (w.kernel[1] - 1) * dilation + 1 - width - w.before[1];
  return w;
}

dnn_shape emit_filter_shape(const recsys_op *op, uint32_t inputs, dnnl_data_type_t type, dnn_layout layout) {
  int64_t groups = op->groups > 1 ? op->groups : 1;
  const int64_t grouped[5] = {groups, op->channels / groups, inputs / groups, op->kernel_h, op->kernel_w};
  const int64_t plain[4] = {op->channels, inputs, op->kernel_h, op->kernel_w};
  return groups > 1 ? dnn_shape_of(grouped, 5, type, layout) : dnn_shape_of(plain, 4, type, layout);
}

typedef struct filter {
  const recsys_op *op;
  uint32_t inputs;
  dnn_window window;
  dnn_shape src, is, bias; /* is: the weights as the network has them */
  dnn_after after;
} filter;

/* First with weights in a layout that is there already, then in the one that the operation likes best. */
static recsys_status make_conv(making *m, const filter *f, const dnn_shape *dst, dnn_made *made) {
  const dnn_shape *there = weights_there(m->net, f->op->weight), *bias = f->op->bias >= 0 ? &f->bias : NULL;
  dnn_shape any = emit_filter_shape(f->op, f->inputs, m->net->type, DNN_ANY);
  if (there != NULL &&
      dnn_conv(made, m->net->engine, &f->src, there, bias, dst, &f->window, f->after, NULL) == RECSYS_OK)
    return RECSYS_OK;
  return dnn_conv(made, m->net->engine, &f->src, &any, bias, dst, &f->window, f->after, m->error);
}

static recsys_status add_weights(making *m, step *s, int argument, int32_t weight, const dnn_shape *is,
                                 const dnn_shape *want) {
  const float *data = NULL;
  uint32_t index = 0;
  recsys_status status = plan_weight_data(m, weight, is, &data);
  if (status == RECSYS_OK)
    status = weights_get(m, weight, data, is, want, &index);
  if (status == RECSYS_OK)
    step_add(m, s, argument, IN_WEIGHTS, (int32_t)index, want);
  return status;
}

static recsys_status finish_filter(making *m, const filter *f, const dnn_made *made, int32_t from, int32_t to,
                                   const dnn_shape *dst) {
  step *s = step_new(m, made);
  s->op = (int32_t)(f->op - m->net->ops);
  step_add(m, s, DNNL_ARG_SRC, IN_BLOCK, from, &f->src);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, to, dst);
  recsys_status status = add_weights(m, s, DNNL_ARG_WEIGHTS, f->op->weight, &f->is, &made->weights);
  if (status == RECSYS_OK && f->op->bias >= 0)
    status = add_weights(m, s, DNNL_ARG_BIAS, f->op->bias, &f->bias, &f->bias);
  return status;
}

static recsys_status emit_conv(making *m, uint32_t index) {
  filter f = {.op = &m->net->ops[index]};
  int32_t from = NONE;
  recsys_status status = emit_floats_of(m, f.op, 0, &from, &f.src);
  if (status != RECSYS_OK)
    return status;
  f.inputs = (uint32_t)f.src.dims[1];
  f.window = emit_window(f.op, (uint32_t)f.src.dims[2], (uint32_t)f.src.dims[3]);
  f.is = emit_filter_shape(f.op, f.inputs, dnnl_f32, DNN_PLAIN);
  const int64_t channels = f.op->channels;
  f.bias = dnn_shape_of(&channels, 1, dnnl_f32, DNN_PLAIN);
  f.after = (dnn_after){.add = m->sum[index] >= 0, .relu = m->relu[index]};
  dnn_shape dst;
  dnn_made made;
  int32_t to;
  if (m->sum[index] >= 0)
    status = emit_sum_of_floats(m, m->sum[index], DNN_BLOCKED, &to, &dst);
  else
    to = target_of(m, index, &dst);
  if (status != RECSYS_OK)
    return status;
  emit_give(m, index, to, &dst);
  bool taken = false;
  status = emit_winograd(m, index, from, &f.src, to, &dst, &taken);
  if (status == RECSYS_OK && !taken)
    status = make_conv(m, &f, &dst, &made);
  if (status != RECSYS_OK || taken)
    return status;
  return finish_filter(m, &f, &made, from, to, &dst);
}

/* Ours, over the weights as they are, where picture after picture lies in memory. */
static recsys_status emit_own_linear(making *m, const filter *f, int32_t from, int32_t to, const dnn_shape *dst) {
  step *s = step_new(m, &(dnn_made){0});
  s->op = (int32_t)(f->op - m->net->ops);
  s->linear = net_alloc(m->net, 1, sizeof *s->linear);
  if (s->linear == NULL)
    return dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for its plan");
  *s->linear = (linear){.kernel = linear_kernel_at(0),
                        .batch = m->plan->batch,
                        .inputs = f->is.dims[1],
                        .outputs = f->is.dims[0],
                        .relu = f->after.relu,
                        .threads = m->net->threads};
  step_add(m, s, DNNL_ARG_SRC, IN_BLOCK, from, &f->src);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, to, dst);
  const float *data = NULL;
  uint32_t index = 0;
  recsys_status status = plan_weight_data(m, f->op->weight, &f->is, &data);
  if (status == RECSYS_OK)
    status = weights_keep(m, f->op->weight, data, &f->is, &index);
  if (status == RECSYS_OK)
    step_add(m, s, DNNL_ARG_WEIGHTS, IN_WEIGHTS, (int32_t)index, &f->is);
  if (status == RECSYS_OK && f->op->bias >= 0)
    status = add_weights(m, s, DNNL_ARG_BIAS, f->op->bias, &f->bias, &f->bias);
  return status;
}

static recsys_status emit_linear(making *m, uint32_t index) {
  filter f = {.op = &m->net->ops[index], .after = {.relu = m->relu[index]}};
  int32_t from = NONE;
  recsys_status status = emit_floats_of(m, f.op, 0, &from, &f.src);
  if (status != RECSYS_OK)
    return status;
  const int64_t dims[2] = {f.op->channels, f.src.dims[1]}, channels = f.op->channels;
  if (m->net->type != dnnl_f32) { /* the product is of 16-bit numbers, its result is float32 */
    dnn_shape narrow = dnn_shape_of(f.src.dims, 2, m->net->type, DNN_PLAIN);
    int32_t narrowed = buffer_new(m, &narrow);
    status = copy(m, from, &f.src, narrowed, &narrow);
    from = narrowed;
    f.src = narrow;
  }
  dnn_shape any = dnn_shape_of(dims, 2, m->net->type, DNN_ANY), dst = shape_of(m, f.op, DNN_PLAIN);
  const dnn_shape *there = weights_there(m->net, f.op->weight), *bias = f.op->bias >= 0 ? &f.bias : NULL;
  f.is = dnn_shape_of(dims, 2, dnnl_f32, DNN_PLAIN);
  f.bias = dnn_shape_of(&channels, 1, dnnl_f32, DNN_PLAIN);
  const int64_t rows[2] = {m->plan->batch, dims[1]};
  const dnn_shape plain = dnn_shape_of(rows, 2, dnnl_f32, DNN_PLAIN);
  if (status == RECSYS_OK && dst.ndims == 2 && dnn_same(&f.src, &plain)) {
    int32_t own = buffer_new(m, &dst);
    emit_give(m, index, own, &dst);
    return emit_own_linear(m, &f, from, own, &dst);
  }
  dnn_made made;
  bool made_already = status == RECSYS_OK && there != NULL &&
                      dnn_linear(&made, m->net->engine, &f.src, there, bias, &dst, f.after, NULL) == RECSYS_OK;
  if (status == RECSYS_OK && !made_already)
    status = dnn_linear(&made, m->net->engine, &f.src, &any, bias, &dst, f.after, m->error);
  if (status != RECSYS_OK)
    return status;
  int32_t to = buffer_new(m, &dst);
  emit_give(m, index, to, &dst);
  return finish_filter(m, &f, &made, from, to, &dst);
}

/* The library folds batch norms into the convolutions before them; one that is left over is libtorch's. */
static recsys_status emit_batchnorm(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  return dnn_fail(m->error, RECSYS_EUNSUPPORTED,
                  "operation %u is a batch norm that follows no convolution, which the onednn engine does not run: use "
                  "the engine \"torch\" (%u channels)",
                  index, op->channels);
}

/* -- everything else */

static recsys_status emit_pool(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  int32_t from = NONE;
  dnn_shape src, dst;
  recsys_status status = same_kind_of(m, index, 0, &from, &src);
  if (status != RECSYS_OK)
    return status;
  recsys_op dense = *op;
  dense.dilation = 1;
  dnn_window w = emit_window(&dense, (uint32_t)src.dims[2], (uint32_t)src.dims[3]);
  /* PyTorch counts padding, but nothing behind it. */
  bool behind = w.after[0] > w.before[0] || w.after[1] > w.before[1];
  if (op->kind == RECSYS_OP_AVGPOOL && op->count_include_pad && behind && (w.before[0] > 0 || w.before[1] > 0))
    return dnn_fail(m->error, RECSYS_EUNSUPPORTED, "operation %u: a mean over windows behind the padding", index);
  dnnl_alg_kind_t kind = op->kind == RECSYS_OP_MAXPOOL      ? dnnl_pooling_max
                         : op->count_include_pad && !behind ? dnnl_pooling_avg_include_padding
                                                            : dnnl_pooling_avg_exclude_padding;
  dnn_made made;
  int32_t to = target_of(m, index, &dst);
  status = dnn_pool(&made, m->net->engine, kind, &src, &dst, &w, m->error);
  if (status != RECSYS_OK)
    return status;
  emit_give(m, index, to, &dst);
  return add_step(m, &made, from, &src, to, &dst);
}

/* Over the whole picture, in float32; the result, N x C x 1 x 1, is flat. */
static recsys_status emit_global(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  int32_t from = NONE;
  dnn_shape src;
  recsys_status status = emit_floats_of(m, op, 0, &from, &src);
  if (status == RECSYS_OK && m->net->type != dnnl_f32) {
    dnn_shape wide = dnn_shape_of(src.dims, 4, dnnl_f32, DNN_BLOCKED);
    int32_t widened = buffer_new(m, &wide);
    status = copy(m, from, &src, widened, &wide);
    from = widened;
    src = wide;
  }
  if (status != RECSYS_OK)
    return status;
  const int64_t dims[4] = {m->plan->batch, op->channels, 1, 1};
  dnn_shape small = dnn_shape_of(dims, 4, dnnl_f32, DNN_BLOCKED), plain = dnn_shape_of(dims, 4, dnnl_f32, DNN_PLAIN),
            flat = shape_of(m, op, DNN_PLAIN);
  dnn_window w = {.kernel = {src.dims[2], src.dims[3]}, .stride = {1, 1}, .dilation = {1, 1}};
  dnn_made made;
  status = dnn_pool(&made, m->net->engine,
                    op->kind == RECSYS_OP_GLOBAL_AVG ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max, &src,
                    &small, &w, m->error);
  if (status != RECSYS_OK)
    return status;
  int32_t pooled = buffer_new(m, &small), to = buffer_new(m, &flat);
  add_step(m, &made, from, &src, pooled, &small);
  emit_give(m, index, to, &flat);
  return copy(m, pooled, &small, to, &plain);
}

/* In place where nobody else reads what goes in. */
static recsys_status emit_map(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  int32_t from = NONE;
  dnn_shape src;
  dnn_made made;
  recsys_status status = emit_floats_of(m, op, 0, &from, &src);
  if (status != RECSYS_OK)
    return status;
  if (op->kind == RECSYS_OP_LRN && op->size % 2 == 0) /* oneDNN would sum one channel less than others do */
    status =
        dnn_fail(m->error, RECSYS_EUNSUPPORTED, "operation %u: normalisation over an even number of channels", index);
  else if (op->kind == RECSYS_OP_SOFTMAX)
    status = dnn_softmax(&made, m->net->engine, &src, m->error);
  else if (op->kind == RECSYS_OP_LRN)
    status = dnn_lrn(&made, m->net->engine, &src, op, m->error);
  else
    status = dnn_map(&made, m->net->engine,
                     op->kind == RECSYS_OP_RELU      ? dnnl_eltwise_relu
                     : op->kind == RECSYS_OP_SIGMOID ? dnnl_eltwise_logistic
                                                     : dnnl_eltwise_tanh,
                     &src, m->error);
  if (status != RECSYS_OK)
    return status;
  const recsys_op *before = op->inputs[0] >= 0 ? &m->net->ops[op->inputs[0]] : NULL;
  bool own = op->kind == RECSYS_OP_RELU && before != NULL && m->uses[op->inputs[0]] == 1 &&
             (before->kind == RECSYS_OP_CONV || before->kind == RECSYS_OP_ADD || before->kind == RECSYS_OP_CONCAT);
  int32_t to = own ? from : buffer_new(m, &m->plan->buffers[from].shape);
  emit_give(m, index, to, &src);
  return add_step(m, &made, from, &src, to, &src);
}

static recsys_status emit_add(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  int32_t from[2] = {NONE, NONE};
  dnn_shape src[2], dst = shape_of(m, op, DNN_BLOCKED);
  dnn_made made;
  recsys_status status = emit_floats_of(m, op, 0, &from[0], &src[0]);
  if (status == RECSYS_OK)
    status = emit_floats_of(m, op, 1, &from[1], &src[1]);
  if (status == RECSYS_OK)
    status = dnn_add(&made, m->net->engine, &src[0], &src[1], &dst, m->error);
  if (status != RECSYS_OK)
    return status;
  int32_t to = buffer_new(m, &dst);
  step *s = step_new(m, &made);
  step_add(m, s, DNNL_ARG_SRC_0, IN_BLOCK, from[0], &src[0]);
  step_add(m, s, DNNL_ARG_SRC_1, IN_BLOCK, from[1], &src[1]);
  step_add(m, s, DNNL_ARG_DST, IN_BLOCK, to, &dst);
  emit_give(m, index, to, &dst);
  return RECSYS_OK;
}

static recsys_status emit_concat(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  if (op->height == 0)
    return dnn_fail(m->error, RECSYS_EUNSUPPORTED, "operation %u joins rows, which the onednn engine does not do",
                    index);
  dnn_shape all;
  int32_t whole = target_of(m, index, &all);
  emit_give(m, index, whole, &all);
  int64_t first = 0;
  recsys_status status = RECSYS_OK;
  for (uint32_t k = 0; status == RECSYS_OK && k < op->input_count; k++) {
    int32_t from = NONE;
    dnn_shape src, part;
    status = same_kind_of(m, index, k, &from, &src);
    if (status != RECSYS_OK)
      return status;
    status = dnn_part_of(&part, &all, first, src.dims[1])
                 ? copy(m, from, &src, whole, &part)
                 : dnn_fail(m->error, RECSYS_EUNSUPPORTED, "operation %u: a part of %d channels from channel %d on",
                            index, (int)src.dims[1], (int)first);
    first += src.dims[1];
  }
  return status;
}

/* C x H x W floats in that order. */
static recsys_status emit_flatten(making *m, uint32_t index) {
  const recsys_op *op = &m->net->ops[index];
  int32_t from = NONE;
  dnn_shape src;
  recsys_status status = emit_floats_of(m, op, 0, &from, &src);
  if (status != RECSYS_OK)
    return status;
  dnn_shape flat = shape_of(m, op, DNN_PLAIN);
  if (src.ndims == 2) {
    m->same[index] = true;
    emit_give(m, index, from, &src);
    return RECSYS_OK;
  }
  dnn_shape plain = dnn_shape_of(src.dims, 4, dnnl_f32, DNN_PLAIN);
  if (dnn_bytes(&flat) != dnn_bytes(&plain))
    return dnn_fail(m->error, RECSYS_EINVAL, "operation %u is not as long as what it flattens", index);
  int32_t to = buffer_new(m, &flat);
  emit_give(m, index, to, &flat);
  return copy(m, from, &src, to, &plain);
}

/* Dropout as an output, or on the network's input. */
static recsys_status emit_nothing(making *m, uint32_t index) {
  int32_t from = NONE;
  dnn_shape src;
  recsys_status status = emit_floats_of(m, &m->net->ops[index], 0, &from, &src);
  if (status == RECSYS_OK)
    emit_give(m, index, from, &src);
  return status;
}

static void pass_on(making *m, uint32_t index) {
  int32_t adder = plan_adder(m, (int32_t)index), from = adder >= 0 ? adder : m->net->ops[index].inputs[0];
  emit_give(m, index, m->value[from], &m->shape[from]);
}

recsys_status emit(making *m, uint32_t op) {
  if (m->same[op] && m->net->ops[op].inputs[0] >= 0) {
    pass_on(m, op);
    return RECSYS_OK;
  }
  switch (m->net->ops[op].kind) {
  case RECSYS_OP_CONV:
    return int8_runs(m, op) ? emit_conv_int8(m, op) : emit_conv(m, op);
  case RECSYS_OP_LINEAR:
    return int8_runs(m, op) ? emit_linear_int8(m, op) : emit_linear(m, op);
  case RECSYS_OP_BATCHNORM:
    return emit_batchnorm(m, op);
  case RECSYS_OP_MAXPOOL:
  case RECSYS_OP_AVGPOOL:
    return emit_pool(m, op);
  case RECSYS_OP_GLOBAL_AVG:
  case RECSYS_OP_GLOBAL_MAX:
    return emit_global(m, op);
  case RECSYS_OP_ADD:
    return emit_add(m, op);
  case RECSYS_OP_CONCAT:
    return emit_concat(m, op);
  case RECSYS_OP_FLATTEN:
    return emit_flatten(m, op);
  case RECSYS_OP_DROPOUT:
    return emit_nothing(m, op);
  default:
    return emit_map(m, op);
  }
}

recsys_status emit_output(making *m) {
  uint32_t op = m->plan->output;
  dnn_shape from = m->shape[op], to = from;
  m->plan->row = 1;
  for (int i = 1; i < from.ndims; i++)
    m->plan->row *= (uint64_t)from.dims[i];
  const recsys_op *asked = &m->net->ops[op];
  if (m->plan->row != (uint64_t)asked->channels * (asked->height > 0 ? (uint64_t)asked->height * asked->width : 1))
    return dnn_fail(m->error, RECSYS_EINVAL, "operation %u is not of the shape that it says", op);
  to = dnn_shape_of(from.dims, from.ndims, dnnl_f32, DNN_PLAIN);
  step *s = NULL;
  recsys_status status = make_copy(m, &from, &to, m->unit[op] > 0 ? m->unit[op] : 1, &s);
  if (status != RECSYS_OK)
    return status;
  step_add(m, s, DNNL_ARG_FROM, IN_BLOCK, m->value[op], &from);
  step_add(m, s, DNNL_ARG_TO, IN_OUTPUT, 0, &to);
  return RECSYS_OK;
}
