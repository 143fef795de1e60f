/* A loaded network: its operations with prepared weights, and for each asked output the steps that make it. */
#ifndef RECSYS_ENGINE_TORCH_NET_H
#define RECSYS_ENGINE_TORCH_NET_H

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/torch/conv.h"

namespace recsys_torch {

struct Layer {
  recsys_op op{};
  Weights weights;
  bool needed = false;   /* some output depends on it */
  uint32_t uses = 0;     /* by needed operations, and once more as an output */
  bool relu = false;     /* a convolution that applies the ReLU after it, too */
  bool identity = false; /* dropout, and a ReLU that its convolution applies */
};

/* The operations that one output needs, in order, and after each the activations that nothing reads any more. */
struct Plan {
  uint32_t output = 0;
  std::vector<uint32_t> steps;
  std::vector<std::vector<uint32_t>> dead;
};

struct Net {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  Layout layout = Layout::Plain;
  int64_t channels = 0, height = 0, width = 0;
  uint32_t batch = 8;
  uint32_t threads = 1;
  std::vector<Layer> layers;
  std::vector<Plan> plans;

  /* n x height x width x channels floats to rows of plan `output`. */
  void run(const float *input, int64_t n, uint64_t output, float *rows) const;
};

/* Result of one operation (ops.cpp). `x` holds the activations so far; what may be overwritten is decided here. */
at::Tensor run_layer(const Net &net, uint32_t index, std::vector<at::Tensor> &x, const at::Tensor &input);

/* Operations and weights of a network by index, checked (load.cpp). A weight is the library's memory. */
at::Tensor weight_at(const recsys_network &network, int32_t index);
recsys_status read_ops(std::vector<Layer> &layers, const recsys_network &network, recsys_error *error);
recsys_status choose_device(at::Device &device, const char *name, recsys_error *error);
Plan make_plan(const std::vector<Layer> &layers, uint32_t output);

/* Builds the layers, chooses the layout and tries it out (load.cpp). */
recsys_status load(Net &net, const recsys_network &network, const recsys_engine_options &options, recsys_error *error);

const char *layout_name(Layout layout);

} // namespace recsys_torch

#endif
