/*
 * Convolutions and dense layers in their forms. Measured on 2 Zen 5 cores with libtorch 1.13, batch 8, against
 * at::conv2d in channels-last: blocked VGG16 1.06 x (float32 and bfloat16), ResNet-50 1.04 x and 1.15 x; fused
 * ResNet-50 1.06 x and 1.06 x. A dense layer of 25088 x 4096 in float32: at::linear 32 ms, as a reordered 1 x 1
 * convolution 20 ms; in bfloat16 at::linear 6 ms against 19 ms.
 */
#include "engine/torch/conv.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>

namespace recsys_torch {

using Pair = std::array<int64_t, 2>;

static Pair stride_of(const recsys_op &op) {
  return {op.stride_h, op.stride_w};
}
static Pair padding_of(const recsys_op &op) {
  return {op.pad_h, op.pad_w};
}
static Pair dilation_of(const recsys_op &op) {
  return {std::max<int64_t>(op.dilation, 1), std::max<int64_t>(op.dilation, 1)};
}
static int64_t groups_of(const recsys_op &op) {
  return std::max<int64_t>(op.groups, 1);
}

static c10::List<int64_t> list_of(at::IntArrayRef values) {
  c10::List<int64_t> list;
  for (int64_t value : values)
    list.push_back(value);
  return list;
}

static auto find_operator(const char *name) {
  return c10::Dispatcher::singleton().findSchema({name, ""});
}

bool has_fused() {
  return at::hasMKLDNN() && find_operator("mkldnn_prepacked::conv2d_prepack").has_value() &&
         find_operator("mkldnn_prepacked::conv2d_run").has_value();
}

static c10::IValue optional_of(const at::Tensor &tensor) {
  return tensor.defined() ? c10::IValue(tensor) : c10::IValue();
}

/* Takes the weight's memory away. */
static c10::IValue prepack(const at::Tensor &weight, const at::Tensor &bias, Pair stride, Pair padding, Pair dilation,
                           int64_t groups, at::IntArrayRef input_shape, const char *attribute) {
  std::vector<c10::IValue> stack{
      weight, optional_of(bias),    list_of(stride),       list_of(padding), list_of(dilation),
      groups, list_of(input_shape), std::string(attribute)};
  find_operator("mkldnn_prepacked::conv2d_prepack")->callBoxed(&stack);
  /* The context keeps the tensor that it was made from, for serialisation only: twice the memory. Emptied, it stays. */
  at::Tensor(weight).set_();
  return stack.at(0);
}

static at::Tensor run_packed(const c10::IValue &context, const at::Tensor &x) {
  static const auto run = find_operator("mkldnn_prepacked::conv2d_run");
  std::vector<c10::IValue> stack{x, context};
  run->callBoxed(&stack);
  return stack.at(0).toTensor();
}

Weights prepare_conv(const recsys_op &op, Layout layout, at::Tensor weight, at::Tensor bias, bool relu,
                     const at::IntArrayRef input_shape) {
  Weights w;
  if (layout == Layout::Fused) {
    weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
    w.context = prepack(weight, bias, stride_of(op), padding_of(op), dilation_of(op), groups_of(op), input_shape,
                        relu ? "relu" : "none");
  } else if (layout == Layout::Blocked) {
    w.weight = at::mkldnn_reorder_conv2d_weight(weight.contiguous().to_mkldnn(), padding_of(op), stride_of(op),
                                                dilation_of(op), groups_of(op));
    if (bias.defined())
      w.bias = bias.to_mkldnn();
  } else {
    w.weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
    w.bias = bias;
  }
  return w;
}

at::Tensor run_conv(const recsys_op &op, const Weights &w, const at::Tensor &x, bool relu) {
  if (!w.context.isNone())
    return run_packed(w.context, x.contiguous(at::MemoryFormat::ChannelsLast));
  at::Tensor y = at::conv2d(x, w.weight, w.bias, stride_of(op), padding_of(op), dilation_of(op), groups_of(op));
  return relu ? at::relu_(y) : y;
}

/* Small layers stay with at::linear: there the call itself is what costs. */
static bool worth_reordering(const at::Tensor &weight) {
  return weight.scalar_type() == at::kFloat && weight.numel() >= (1 << 20);
}

Weights prepare_linear(Layout layout, at::Tensor weight, at::Tensor bias, int64_t batch) {
  Weights w;
  if (layout != Layout::Plain && has_fused() && worth_reordering(weight)) {
    at::Tensor filter = weight.reshape({weight.size(0), weight.size(1), 1, 1});
    const int64_t shape[4] = {batch, weight.size(1), 1, 1};
    w.context = prepack(filter, bias, {1, 1}, {0, 0}, {1, 1}, 1, shape, "none");
  } else {
    /* Anything but float32 on the processor has been converted, and so copied. */
    w.weight = weight.is_cpu() && weight.scalar_type() == at::kFloat ? weight.clone() : weight;
    w.bias = bias;
  }
  return w;
}

at::Tensor run_linear(const Weights &w, const at::Tensor &x) {
  if (w.context.isNone())
    return at::linear(x.to(w.weight.scalar_type()), w.weight, w.bias);
  return run_packed(w.context, x.to(at::kFloat).contiguous().reshape({x.size(0), x.size(1), 1, 1})).flatten(1);
}

} // namespace recsys_torch
