/* A network under training: forwards with a graph, backwards to gradients. */
#ifndef RECSYS_ENGINE_TORCH_TRAIN_H
#define RECSYS_ENGINE_TORCH_TRAIN_H

#include <memory>

#include "engine/torch/net.h"

namespace recsys_torch {

struct Trainer {
  at::Device device = at::kCPU;
  uint32_t threads = 1;
  int64_t piece = 1; /* pictures that go through at once */
  int64_t channels = 0, height = 0, width = 0;
  std::vector<Layer> layers;
  Plan plan;
  std::vector<at::Tensor> weights; /* of the network; the library's memory */
  std::vector<bool> trained;
  std::unique_ptr<Net> frozen; /* makes `frontier`, on which everything that learns stands; NULL: all is in the graph */
  uint32_t frontier = 0;
  std::vector<at::Tensor> rows; /* of the pieces of a forward that a backward follows */

  void forward(const float *input, int64_t n, bool learn, float *out);
  void backward(const float *gradient, float *const *gradients);
};

recsys_status start_training(Trainer &trainer, const recsys_network &network, const recsys_engine_training &options,
                             recsys_error *error);

} // namespace recsys_torch

#endif
