/*
 * LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998), in the form that is usual
 * today: 32 x 32 grey, tanh, plain 2 x 2 averages without trainable coefficients for the subsampling, C3 connected to
 * all six maps, C5 as a dense layer over the flattened S4 (the same sums), and a linear output in place of the RBF
 * units. Names are the paper's; a layer's result is the one after its tanh.
 */
#include "nn/build.h"

static int32_t squash(recsys__net *net, int32_t x, const char *name) {
  return recsys__build_name(net, recsys__build_map(net, RECSYS_OP_TANH, x), name);
}

static int32_t subsample(recsys__net *net, int32_t x, const char *name) {
  x = recsys__build_pool(net, RECSYS_OP_AVGPOOL, x, (recsys__window){2, 2, 0, false});
  return recsys__build_name(net, x, name);
}

void recsys__build_lenet5(recsys__net *net, uint32_t classes) {
  const recsys__window five = {5, 1, 0, false};
  int32_t x = squash(net, recsys__build_conv(net, RECSYS_OP_INPUT, "c1", 6, five, true), "c1");
  x = subsample(net, x, "s2");
  x = squash(net, recsys__build_conv(net, x, "c3", 16, five, true), "c3");
  int32_t trunk = x = subsample(net, x, "s4");
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, x), "flatten");
  x = squash(net, recsys__build_linear(net, x, "c5", 120), "c5");
  x = squash(net, recsys__build_linear(net, x, "f6", 84), "f6");
  if (classes > 0) {
    x = recsys__build_name(net, recsys__build_linear(net, x, "output", classes), "output");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}
