/*
 * Convolutions and dense layers, each in the form that was measured to be fastest where it runs. What fuses or reorders
 * is found through libtorch's dispatcher at run time, because releases differ in what they have.
 */
#ifndef RECSYS_ENGINE_TORCH_CONV_H
#define RECSYS_ENGINE_TORCH_CONV_H

#include <ATen/ATen.h>

#include "nn/op.h"

namespace recsys_torch {

/* How picture-shaped activations lie in memory. */
enum class Layout {
  Blocked, /* oneDNN's own (opaque MKLDNN tensors): nothing is reordered between convolutions */
  Fused,   /* channels-last, convolution and ReLU in one oneDNN call with reordered weights */
  Plain    /* channels-last through at::conv2d: any device */
};

/* The weights of one convolution, batch norm or dense layer, as its layout wants them. */
struct Weights {
  at::Tensor weight, bias, mean, variance;
  c10::IValue context; /* reordered weights of the fused form; None: not used */
};

/* True where libtorch has the fused operators. */
bool has_fused();

Weights prepare_conv(const recsys_op &op, Layout layout, at::Tensor weight, at::Tensor bias, bool relu,
                     const at::IntArrayRef input_shape);
at::Tensor run_conv(const recsys_op &op, const Weights &w, const at::Tensor &x, bool relu);

/* Dense layers. `weight` may still be the caller's memory: the largest ones are reordered straight out of it. `batch`
 * is the number of pictures that the reordered form is made for; others work, too. */
Weights prepare_linear(Layout layout, at::Tensor weight, at::Tensor bias, int64_t batch);
at::Tensor run_linear(const Weights &w, const at::Tensor &x);

} // namespace recsys_torch

#endif
