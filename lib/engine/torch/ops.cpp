/* What each operation computes, on ATen tensors: N x C x H x W in the network's layout, or N x C where it is flat. */
#include "engine/torch/net.h"

namespace recsys_torch {

static at::Tensor dense(const at::Tensor &x) {
  return x.is_mkldnn() ? x.to_dense() : x;
}

/* Krizhevsky et al. 2012, section 3.3: x / (k + alpha / size * sum of squares over `size` channels)^beta, in float32.
 */
static at::Tensor run_lrn(const recsys_op &op, const at::Tensor &x) {
  const int64_t channels = x.size(1), before = op.size / 2, after = (op.size - 1) / 2;
  at::Tensor value = x.to(at::kFloat);
  at::Tensor squares = at::constant_pad_nd(at::mul(value, value), {0, 0, 0, 0, before, after});
  at::Tensor sum = squares.narrow(1, 0, channels).clone();
  for (int64_t i = 1; i < op.size; i++)
    sum.add_(squares.narrow(1, i, channels));
  sum.mul_(op.alpha / static_cast<float>(op.size)).add_(op.k).pow_(-op.beta);
  return sum.mul_(value).to(x.scalar_type());
}

static at::Tensor run_pool(const recsys_op &op, const at::Tensor &x) {
  const int64_t kernel[2] = {op.kernel_h, op.kernel_w}, stride[2] = {op.stride_h, op.stride_w},
                padding[2] = {op.pad_h, op.pad_w};
  if (op.kind == RECSYS_OP_MAXPOOL)
    return at::max_pool2d(x, kernel, stride, padding, 1, op.ceil_mode != 0);
  return at::avg_pool2d(dense(x), kernel, stride, padding, op.ceil_mode != 0, op.count_include_pad != 0);
}

/* Pooled values stay float32: they are few, and are most often what is asked for. */
static at::Tensor run_global(const recsys_op &op, const at::Tensor &x) {
  at::Tensor value = dense(x).to(at::kFloat);
  return op.kind == RECSYS_OP_GLOBAL_AVG ? at::mean(value, {2, 3}) : at::amax(value, {2, 3});
}

static at::Tensor run_batchnorm(const Layer &layer, const at::Tensor &x) {
  const Weights &w = layer.weights;
  return at::batch_norm(x, w.weight, w.bias, w.mean, w.variance, false, 0, layer.op.epsilon, false);
}

/* True when nobody else reads activation `index`, and its memory is its own: it may be overwritten. */
static bool owned(const Net &net, int32_t index) {
  if (index < 0 || net.layers[index].uses != 1)
    return false;
  switch (net.layers[index].op.kind) {
  case RECSYS_OP_CONV:
  case RECSYS_OP_BATCHNORM:
  case RECSYS_OP_ADD:
  case RECSYS_OP_CONCAT:
    return true;
  default:
    return false;
  }
}

static at::Tensor run_add(const Net &net, const recsys_op &op, const at::Tensor &a, at::Tensor b) {
  if (owned(net, op.inputs[0]))
    return const_cast<at::Tensor &>(a).add_(b);
  return owned(net, op.inputs[1]) ? b.add_(a) : at::add(a, b);
}

static at::Tensor run_concat(const recsys_op &op, const std::vector<at::Tensor> &x, const at::Tensor &input) {
  std::vector<at::Tensor> parts;
  for (uint32_t i = 0; i < op.input_count; i++)
    parts.push_back(dense(op.inputs[i] < 0 ? input : x[op.inputs[i]]));
  return at::cat(parts, 1);
}

at::Tensor run_layer(const Net &net, uint32_t index, std::vector<at::Tensor> &x, const at::Tensor &input) {
  const Layer &layer = net.layers[index];
  const recsys_op &op = layer.op;
  const at::Tensor &a = op.inputs[0] < 0 ? input : x[op.inputs[0]];
  if (layer.identity)
    return a;
  switch (op.kind) {
  case RECSYS_OP_CONV:
    return run_conv(op, layer.weights, a, layer.relu);
  case RECSYS_OP_BATCHNORM:
    return run_batchnorm(layer, a);
  case RECSYS_OP_RELU:
    return owned(net, op.inputs[0]) ? at::relu_(const_cast<at::Tensor &>(a)) : at::relu(a);
  case RECSYS_OP_SIGMOID:
    return at::sigmoid(dense(a));
  case RECSYS_OP_TANH:
    return at::tanh(dense(a));
  case RECSYS_OP_SOFTMAX:
    return at::softmax(a.to(at::kFloat), 1);
  case RECSYS_OP_MAXPOOL:
  case RECSYS_OP_AVGPOOL:
    return run_pool(op, a);
  case RECSYS_OP_GLOBAL_AVG:
  case RECSYS_OP_GLOBAL_MAX:
    return run_global(op, a);
  case RECSYS_OP_CONCAT:
    return run_concat(op, x, input);
  case RECSYS_OP_ADD:
    return run_add(net, op, a, op.inputs[1] < 0 ? input : x[op.inputs[1]]);
  case RECSYS_OP_LINEAR:
    return run_linear(layer.weights, a);
  case RECSYS_OP_LRN:
    return run_lrn(op, dense(a));
  default: /* FLATTEN: load() has refused every other kind */
    return dense(a).contiguous().flatten(1);
  }
}

static at::Tensor make_input(const Net &net, const float *input, int64_t n) {
  /* from_blob takes a non-const pointer; the tensor is only read. */
  at::Tensor x = at::from_blob(const_cast<float *>(input), {n, net.height, net.width, net.channels}, at::kFloat);
  x = x.permute({0, 3, 1, 2}).to(net.device, net.dtype);
  return net.layout == Layout::Blocked ? x.contiguous().to_mkldnn() : x;
}

void Net::run(const float *input, int64_t n, uint64_t output, float *rows) const {
  const Plan &plan = plans.at(output);
  std::vector<at::Tensor> x(layers.size());
  at::Tensor first = make_input(*this, input, n);
  for (size_t i = 0; i < plan.steps.size(); i++) {
    x[plan.steps[i]] = run_layer(*this, plan.steps[i], x, first);
    for (uint32_t dead : plan.dead[i])
      x[dead] = at::Tensor();
  }
  const at::Tensor &result = x[plan.output];
  std::vector<int64_t> shape = result.sizes().vec();
  at::Tensor target = at::from_blob(rows, shape, at::kFloat);
  target.copy_(dense(result));
}

} // namespace recsys_torch
