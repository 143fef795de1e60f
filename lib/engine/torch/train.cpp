/*
 * Gradients by libtorch's autograd. Operations are the differentiable ones of ATen, nothing is fused or done in place.
 * What stands below the first trained weight makes no graph.
 */
#include "engine/torch/train.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstring>

#include "engine/torch/guard.h"

namespace recsys_torch {

using Pair = std::array<int64_t, 2>;

static at::Tensor weight_of(const Trainer &t, int32_t index) {
  return index < 0 ? at::Tensor() : t.weights[index].to(t.device);
}

static at::Tensor convolve(const Trainer &t, const recsys_op &op, const at::Tensor &x) {
  const int64_t dilation = std::max<int64_t>(op.dilation, 1), groups = std::max<int64_t>(op.groups, 1);
  return at::conv2d(x, weight_of(t, op.weight), weight_of(t, op.bias), Pair{op.stride_h, op.stride_w},
                    Pair{op.pad_h, op.pad_w}, Pair{dilation, dilation}, groups);
}

/* As a 1 x 1 convolution: that one always has oneDNN's product beneath, at::linear whatever BLAS is installed. */
static at::Tensor multiply(const Trainer &t, const recsys_op &op, const at::Tensor &x) {
  at::Tensor weight = weight_of(t, op.weight);
  at::Tensor filter = weight.reshape({weight.size(0), weight.size(1), 1, 1});
  return at::conv2d(x.reshape({x.size(0), x.size(1), 1, 1}), filter, weight_of(t, op.bias)).flatten(1);
}

/* As ops.cpp has it, without changing anything in place. */
static at::Tensor normalise_response(const recsys_op &op, const at::Tensor &x) {
  const int64_t channels = x.size(1), before = op.size / 2, after = (op.size - 1) / 2;
  at::Tensor squares = at::constant_pad_nd(at::mul(x, x), {0, 0, 0, 0, before, after});
  at::Tensor sum = squares.narrow(1, 0, channels);
  for (int64_t i = 1; i < op.size; i++)
    sum = at::add(sum, squares.narrow(1, i, channels));
  return at::mul(x, at::pow(at::add(at::mul(sum, op.alpha / static_cast<float>(op.size)), op.k), -op.beta));
}

static at::Tensor pool(const recsys_op &op, const at::Tensor &x) {
  const Pair kernel{op.kernel_h, op.kernel_w}, stride{op.stride_h, op.stride_w}, padding{op.pad_h, op.pad_w};
  if (op.kind == RECSYS_OP_MAXPOOL)
    return at::max_pool2d(x, kernel, stride, padding, 1, op.ceil_mode != 0);
  return at::avg_pool2d(x, kernel, stride, padding, op.ceil_mode != 0, op.count_include_pad != 0);
}

static at::Tensor concatenate(const recsys_op &op, const std::vector<at::Tensor> &x, const at::Tensor &input) {
  std::vector<at::Tensor> parts;
  for (uint32_t i = 0; i < op.input_count; i++)
    parts.push_back(op.inputs[i] < 0 ? input : x[op.inputs[i]]);
  return at::cat(parts, 1);
}

static at::Tensor apply(const Trainer &t, const recsys_op &op, const std::vector<at::Tensor> &x,
                        const at::Tensor &input) {
  const at::Tensor &a = op.inputs[0] < 0 ? input : x[op.inputs[0]];
  switch (op.kind) {
  case RECSYS_OP_CONV:
    return convolve(t, op, a);
  case RECSYS_OP_BATCHNORM:
    return at::batch_norm(a, weight_of(t, op.weight), weight_of(t, op.bias), weight_of(t, op.mean),
                          weight_of(t, op.variance), false, 0, op.epsilon, false);
  case RECSYS_OP_RELU:
    return at::relu(a);
  case RECSYS_OP_SIGMOID:
    return at::sigmoid(a);
  case RECSYS_OP_TANH:
    return at::tanh(a);
  case RECSYS_OP_SOFTMAX:
    return at::softmax(a, 1);
  case RECSYS_OP_MAXPOOL:
  case RECSYS_OP_AVGPOOL:
    return pool(op, a);
  case RECSYS_OP_GLOBAL_AVG:
    return at::mean(a, {2, 3});
  case RECSYS_OP_GLOBAL_MAX:
    return at::amax(a, {2, 3});
  case RECSYS_OP_CONCAT:
    return concatenate(op, x, input);
  case RECSYS_OP_ADD:
    return at::add(a, op.inputs[1] < 0 ? input : x[op.inputs[1]]);
  case RECSYS_OP_LINEAR:
    return multiply(t, op, a);
  case RECSYS_OP_LRN:
    return normalise_response(op, a);
  case RECSYS_OP_DROPOUT:
    return a;
  default: /* FLATTEN: read_ops has refused every other kind */
    return a.contiguous().flatten(1);
  }
}

/* Pictures of one piece of a batch: its activations stay below the size from which malloc would map and unmap memory
 * for each (measured: a third of the time). */
static int64_t choose_piece(const Trainer &t) {
  const int64_t most = int64_t{16} << 20;
  int64_t largest = 1;
  for (uint32_t i : t.plan.steps) {
    const recsys_op &op = t.layers[i].op;
    largest = std::max(largest, int64_t{op.channels} * std::max(1u, op.height) * std::max(1u, op.width) * 4);
  }
  return std::max<int64_t>(1, most / largest);
}

/* The result of what stands still, for the graph to begin with. */
static at::Tensor run_frozen(const Trainer &t, const float *input, int64_t n) {
  c10::InferenceMode inference;
  const recsys_op &op = t.layers[t.frontier].op;
  std::vector<int64_t> shape{n, op.channels};
  if (op.height != 0)
    shape.insert(shape.end(), {op.height, op.width});
  at::Tensor out = at::empty(shape, at::kFloat);
  t.frozen->run(input, n, 0, out.data_ptr<float>());
  return out;
}

static at::Tensor run_piece(const Trainer &t, const float *input, int64_t n) {
  std::vector<at::Tensor> x(t.layers.size());
  at::Tensor first;
  if (t.frozen)
    x[t.frontier] = run_frozen(t, input, n).clone();
  else
    first = at::from_blob(const_cast<float *>(input), {n, t.height, t.width, t.channels}, at::kFloat)
                .permute({0, 3, 1, 2})
                .to(t.device);
  for (size_t i = 0; i < t.plan.steps.size(); i++) {
    x[t.plan.steps[i]] = apply(t, t.layers[t.plan.steps[i]].op, x, first);
    for (uint32_t dead : t.plan.dead[i])
      x[dead] = at::Tensor();
  }
  return x[t.plan.output].contiguous();
}

void Trainer::forward(const float *input, int64_t n, bool learn, float *out) {
  at::AutoGradMode graph(learn);
  rows.clear();
  for (int64_t at = 0; at < n; at += piece) {
    const int64_t count = std::min(piece, n - at);
    at::Tensor result = run_piece(*this, input + at * height * width * channels, count);
    at::from_blob(out + at * (result.numel() / count), result.sizes(), at::kFloat).copy_(result.detach());
    if (learn)
      rows.push_back(result);
  }
}

void Trainer::backward(const float *gradient, float *const *gradients) {
  for (at::Tensor &result : rows) {
    at::Tensor towards = at::from_blob(const_cast<float *>(gradient), result.sizes(), at::kFloat).to(device);
    torch::autograd::backward({result}, {towards});
    gradient += result.numel();
    result = at::Tensor();
  }
  rows.clear();
  for (size_t i = 0; i < weights.size(); i++) {
    if (!trained[i])
      continue;
    at::Tensor own = at::from_blob(gradients[i], weights[i].sizes(), at::kFloat);
    if (weights[i].grad().defined())
      own.copy_(weights[i].grad());
    else
      own.zero_();
    weights[i].mutable_grad() = at::Tensor();
  }
}

/* Operations on which a trained weight has an influence. */
static std::vector<bool> find_learning(const Trainer &t) {
  std::vector<bool> learning(t.layers.size());
  for (uint32_t i : t.plan.steps) {
    const recsys_op &op = t.layers[i].op;
    for (int32_t weight : {op.weight, op.bias})
      learning[i] = learning[i] || (weight >= 0 && t.trained[weight]);
    for (uint32_t k = 0; k < op.input_count; k++)
      learning[i] = learning[i] || (op.inputs[k] >= 0 && learning[op.inputs[k]]);
  }
  return learning;
}

/* The one activation at which everything that learns begins; -1: there are several, or it is the input. */
static int64_t find_frontier(const Trainer &t, const std::vector<bool> &learning) {
  int64_t frontier = -1;
  for (uint32_t i : t.plan.steps) {
    const recsys_op &op = t.layers[i].op;
    for (uint32_t k = 0; learning[i] && k < op.input_count; k++) {
      const int32_t input = op.inputs[k];
      if (input >= 0 && learning[input])
        continue;
      if (input < 0 || (frontier >= 0 && frontier != input))
        return -1;
      frontier = input;
    }
  }
  return frontier;
}

/* What stands still runs as in inference: fused and with reordered weights, which do not change. */
static recsys_status freeze(Trainer &t, const recsys_network &network, const recsys_engine_training &options,
                            recsys_error *error) {
  const std::vector<bool> learning = find_learning(t);
  const int64_t frontier = find_frontier(t, learning);
  if (frontier < 0)
    return RECSYS_OK;
  const uint32_t output = static_cast<uint32_t>(frontier);
  recsys_engine_options how{};
  how.struct_size = sizeof how;
  how.precision = RECSYS_PRECISION_FLOAT32;
  how.threads = options.threads;
  how.device = options.device;
  how.outputs = &output;
  how.output_count = 1;
  c10::InferenceMode inference;
  t.frozen = std::make_unique<Net>();
  t.frontier = output;
  Plan rest;
  rest.output = t.plan.output;
  for (size_t i = 0; i < t.plan.steps.size(); i++)
    if (learning[t.plan.steps[i]]) {
      rest.steps.push_back(t.plan.steps[i]);
      rest.dead.push_back(t.plan.dead[i]);
    }
  t.plan = rest;
  return load(*t.frozen, network, how, error);
}

recsys_status start_training(Trainer &trainer, const recsys_network &network, const recsys_engine_training &options,
                             recsys_error *error) {
  recsys_status status = choose_device(trainer.device, options.device, error);
  if (status == RECSYS_OK)
    status = read_ops(trainer.layers, network, error);
  if (status == RECSYS_OK && options.output >= trainer.layers.size())
    status = fail(error, RECSYS_EINVAL, "output %u is past the last operation", options.output);
  if (status != RECSYS_OK)
    return status;
  trainer.threads = std::max(1u, options.threads);
  trainer.channels = network.channels;
  trainer.height = network.height;
  trainer.width = network.width;
  trainer.plan = make_plan(trainer.layers, options.output);
  for (uint32_t i = 0; i < network.weight_count; i++) {
    trainer.weights.push_back(weight_at(network, static_cast<int32_t>(i)));
    trainer.trained.push_back(options.trained[i] != 0);
    trainer.weights[i].set_requires_grad(trainer.trained[i]);
  }
  status = freeze(trainer, network, options, error);
  trainer.piece = choose_piece(trainer);
  return status;
}

} // namespace recsys_torch
