/* From an operation list to layers with prepared weights; and the choice of device, precision and layout. */
#include <algorithm>
#include <cstring>

#include "engine/torch/guard.h"
#include "engine/torch/net.h"

namespace recsys_torch {

static const char *const kinds[] = {"",        "convolution", "batch norm", "ReLU",       "sigmoid",    "tanh",
                                    "softmax", "maxpool",     "avgpool",    "global avg", "global max", "concat",
                                    "add",     "linear",      "dropout",    "LRN",        "flatten"};

const char *layout_name(Layout layout) {
  return layout == Layout::Blocked ? "oneDNN blocked"
         : layout == Layout::Fused ? "channels-last, fused ReLU"
                                   : "channels-last";
}

/* The two tables may have longer entries than ours, from a newer library. */
static recsys_op op_at(const recsys_network &network, uint32_t index) {
  recsys_op op{};
  const char *base = reinterpret_cast<const char *>(network.ops) + size_t{network.op_size} * index;
  std::memcpy(&op, base, std::min<size_t>(network.op_size, sizeof op));
  op.name = nullptr;
  return op;
}

at::Tensor weight_at(const recsys_network &network, int32_t index) {
  if (index < 0)
    return at::Tensor();
  recsys_weight weight{};
  const char *base = reinterpret_cast<const char *>(network.weights) + size_t{network.weight_size} * index;
  std::memcpy(&weight, base, std::min<size_t>(network.weight_size, sizeof weight));
  std::vector<int64_t> shape(weight.shape, weight.shape + weight.rank);
  return at::from_blob(const_cast<float *>(weight.data), shape, at::kFloat);
}

static bool valid_weight(const recsys_network &network, int32_t index) {
  return index >= -1 && (index < 0 || static_cast<uint32_t>(index) < network.weight_count);
}

static recsys_status check_op(const recsys_network &network, uint32_t index, const recsys_op &op, recsys_error *error) {
  if (op.kind < RECSYS_OP_CONV || op.kind > RECSYS_OP_FLATTEN)
    return fail(error, RECSYS_EUNSUPPORTED, "operation %u is of kind %u, which the torch engine does not know", index,
                op.kind);
  bool weighty = op.kind == RECSYS_OP_CONV || op.kind == RECSYS_OP_LINEAR || op.kind == RECSYS_OP_BATCHNORM;
  bool valid = op.input_count >= 1 && op.input_count <= RECSYS_OP_MAX_INPUTS &&
               (op.kind != RECSYS_OP_ADD || op.input_count == 2) && (!weighty || op.weight >= 0);
  for (uint32_t i = 0; valid && i < op.input_count; i++)
    valid = op.inputs[i] >= RECSYS_OP_INPUT && op.inputs[i] < static_cast<int32_t>(index);
  for (int32_t weight : {op.weight, op.bias, op.mean, op.variance})
    valid = valid && valid_weight(network, weight);
  if (!valid)
    return fail(error, RECSYS_EINVAL, "operation %u (%s) has an impossible input or weight", index, kinds[op.kind]);
  return RECSYS_OK;
}

recsys_status read_ops(std::vector<Layer> &layers, const recsys_network &network, recsys_error *error) {
  layers.resize(network.op_count);
  for (uint32_t i = 0; i < network.op_count; i++) {
    Layer &layer = layers[i];
    layer.op = op_at(network, i);
    recsys_status status = check_op(network, i, layer.op, error);
    if (status != RECSYS_OK)
      return status;
    layer.identity = layer.op.kind == RECSYS_OP_DROPOUT;
  }
  return RECSYS_OK;
}

static void mark_needed(std::vector<bool> &needed, const std::vector<Layer> &layers, uint32_t output) {
  needed[output] = true;
  for (uint32_t i = output + 1; i-- > 0;)
    for (uint32_t k = 0; needed[i] && k < layers[i].op.input_count; k++)
      if (layers[i].op.inputs[k] >= 0)
        needed[layers[i].op.inputs[k]] = true;
}

Plan make_plan(const std::vector<Layer> &layers, uint32_t output) {
  Plan plan;
  std::vector<bool> needed(layers.size());
  mark_needed(needed, layers, output);
  plan.output = output;
  std::vector<size_t> last(layers.size(), 0);
  for (uint32_t i = 0; i <= output; i++) {
    if (!needed[i])
      continue;
    for (uint32_t k = 0; k < layers[i].op.input_count; k++)
      if (layers[i].op.inputs[k] >= 0)
        last[layers[i].op.inputs[k]] = plan.steps.size();
    plan.steps.push_back(i);
  }
  plan.dead.resize(plan.steps.size());
  for (uint32_t i = 0; i < output; i++)
    if (needed[i])
      plan.dead[last[i]].push_back(i);
  return plan;
}

static recsys_status make_plans(Net &net, const recsys_engine_options &options, recsys_error *error) {
  for (uint64_t o = 0; o < options.output_count; o++) {
    uint32_t output = options.outputs[o];
    if (output >= net.layers.size())
      return fail(error, RECSYS_EINVAL, "output %u is past the last operation", output);
    std::vector<bool> needed(net.layers.size());
    mark_needed(needed, net.layers, output);
    for (size_t i = 0; i < needed.size(); i++)
      net.layers[i].needed = net.layers[i].needed || needed[i];
    net.layers[output].uses++;
    net.plans.push_back(make_plan(net.layers, output));
  }
  for (const Layer &layer : net.layers)
    for (uint32_t k = 0; layer.needed && k < layer.op.input_count; k++)
      if (layer.op.inputs[k] >= 0)
        net.layers[layer.op.inputs[k]].uses++;
  return RECSYS_OK;
}

/* A ReLU that is the only reader of a convolution is applied by the convolution. */
static void fuse_relu(Net &net) {
  for (Layer &layer : net.layers) {
    int32_t input = layer.op.inputs[0];
    if (!layer.needed || layer.op.kind != RECSYS_OP_RELU || input < 0)
      continue;
    Layer &conv = net.layers[input];
    if (conv.op.kind == RECSYS_OP_CONV && conv.uses == 1)
      conv.relu = layer.identity = true;
  }
}

/* The shape of what operation `index` makes for one batch. */
static std::vector<int64_t> input_shape(const Net &net, const recsys_op &op) {
  if (op.inputs[0] < 0)
    return {net.batch, net.channels, net.height, net.width};
  const recsys_op &from = net.layers[op.inputs[0]].op;
  return {net.batch, from.channels, from.height, from.width};
}

static void prepare(Net &net, const recsys_network &network, Layer &layer) {
  const recsys_op &op = layer.op;
  auto get = [&](int32_t index) {
    at::Tensor tensor = weight_at(network, index);
    return tensor.defined() ? tensor.to(net.device, net.dtype, false, true) : tensor;
  };
  if (op.kind == RECSYS_OP_CONV)
    layer.weights = prepare_conv(op, net.layout, get(op.weight), get(op.bias), layer.relu, input_shape(net, op));
  else if (op.kind == RECSYS_OP_LINEAR)
    layer.weights =
        prepare_linear(net.layout, weight_at(network, op.weight).to(net.device, net.dtype), get(op.bias), net.batch);
  else if (op.kind == RECSYS_OP_BATCHNORM)
    layer.weights = {get(op.weight), get(op.bias), get(op.mean), get(op.variance), {}};
}

/* Blocked activations suit networks whose every picture-shaped operation can work on them. */
static bool suits_blocked(const Net &net) {
  for (const Layer &layer : net.layers) {
    if (!layer.needed)
      continue;
    switch (layer.op.kind) {
    case RECSYS_OP_CONV:
    case RECSYS_OP_RELU:
    case RECSYS_OP_MAXPOOL:
    case RECSYS_OP_ADD:
    case RECSYS_OP_GLOBAL_AVG:
    case RECSYS_OP_GLOBAL_MAX:
    case RECSYS_OP_FLATTEN:
    case RECSYS_OP_DROPOUT:
      break;
    default:
      if (layer.op.height != 0)
        return false;
    }
  }
  return true;
}

static std::vector<Layout> layouts_for(const Net &net) {
  if (!net.device.is_cpu() || !at::hasMKLDNN())
    return {Layout::Plain};
  std::vector<Layout> layouts;
  if (suits_blocked(net))
    layouts.push_back(Layout::Blocked);
  if (has_fused())
    layouts.push_back(Layout::Fused);
  layouts.push_back(Layout::Plain);
  return layouts;
}

/* Prepares all weights for a layout and runs one picture through every plan. */
static void try_layout(Net &net, const recsys_network &network, Layout layout) {
  net.layout = layout;
  for (Layer &layer : net.layers)
    if (layer.needed)
      prepare(net, network, layer);
  std::vector<float> input(static_cast<size_t>(net.channels * net.height * net.width));
  for (size_t i = 0; i < net.plans.size(); i++) {
    const recsys_op &op = net.layers[net.plans[i].output].op;
    std::vector<float> row(size_t{op.channels} * std::max(1u, op.height) * std::max(1u, op.width));
    net.run(input.data(), 1, i, row.data());
  }
}

static bool out_of_memory(const c10::Error &e) {
  return fail_torch(nullptr, e.what_without_backtrace()) == RECSYS_ENOMEM;
}

/* Takes the first layout that this libtorch can run; releases differ in what their oneDNN operators accept. */
static void choose_layout(Net &net, const recsys_network &network) {
  std::vector<Layout> layouts = layouts_for(net);
  for (size_t i = 0; i < layouts.size(); i++) {
    try {
      return try_layout(net, network, layouts[i]);
    } catch (const c10::Error &e) {
      if (i + 1 == layouts.size() || out_of_memory(e))
        throw;
    }
  }
}

recsys_status choose_device(at::Device &device, const char *name, recsys_error *error) {
  bool automatic = name == nullptr || std::strcmp(name, "auto") == 0;
  if (automatic) {
    device = at::hasCUDA() && at::getNumGPUs() > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
    return RECSYS_OK;
  }
  if (std::strcmp(name, "cpu") == 0)
    return RECSYS_OK;
  if (std::strncmp(name, "cuda", 4) != 0)
    return fail(error, RECSYS_EINVAL, "device '%.40s' is unknown: use auto, cpu, cuda or cuda:N", name);
  try {
    device = at::Device(std::string(name));
  } catch (const c10::Error &) {
    return fail(error, RECSYS_EINVAL, "device '%.40s' is unknown: use auto, cpu, cuda or cuda:N", name);
  }
  if (!device.has_index())
    device = at::Device(at::kCUDA, 0);
  if (!at::hasCUDA() || static_cast<size_t>(device.index()) >= at::getNumGPUs())
    return fail(error, RECSYS_ENOENGINE, "device '%.40s' is not here: %s", name,
                at::hasCUDA() ? "there are fewer GPUs" : "this libtorch is built without CUDA; use device \"cpu\"");
  return RECSYS_OK;
}

recsys_status load(Net &net, const recsys_network &network, const recsys_engine_options &options, recsys_error *error) {
  recsys_status status = choose_device(net.device, options.device, error);
  if (status == RECSYS_OK && options.precision > RECSYS_PRECISION_BFLOAT16)
    status = fail(error, RECSYS_EUNSUPPORTED,
                  "the torch engine does not run int8: use the engine \"onednn\", or precision float32");
  if (status == RECSYS_OK)
    status = read_ops(net.layers, network, error);
  if (status == RECSYS_OK)
    status = make_plans(net, options, error);
  if (status != RECSYS_OK)
    return status;
  net.dtype = options.precision == RECSYS_PRECISION_BFLOAT16 ? at::kBFloat16 : at::kFloat;
  net.threads = std::max(1u, options.threads);
  net.channels = network.channels;
  net.height = network.height;
  net.width = network.width;
  net.batch = net.device.is_cpu() ? 8 : 64;
  fuse_relu(net);
  choose_layout(net, network);
  return RECSYS_OK;
}

} // namespace recsys_torch
