/*
 * mini: a small network of our own for machines without pretrained weights, about 72 million multiplications a picture
 * of 96 x 96. Residual blocks (He et al. 2016) of a 1 x 1 and a 3 x 3 convolution, without batch norms, since those
 * would have to be trained with their statistics. The embedding is a grid of 3 x 3 places with 112 features each, since
 * in a product's picture it matters where things are.
 */
#include "nn/build.h"

static const recsys__window one = {1, 1, 0, false}, three = {3, 1, 1, false}, halve = {3, 2, 1, false};

static int32_t conv(recsys__net *net, int32_t x, const char *name, uint32_t channels, recsys__window window) {
  x = recsys__build_conv(net, x, name, channels, window, true);
  return recsys__build_map(net, RECSYS_OP_RELU, x);
}

/* relu(x + conv3x3(relu(conv1x1(x)))), the 1 x 1 with half the channels */
static int32_t block(recsys__net *net, int32_t x, const char *name, uint32_t channels) {
  int32_t y = conv(net, x, recsys__build_text(net, "%s.reduce", name), channels / 2, one);
  y = recsys__build_conv(net, y, recsys__build_text(net, "%s.expand", name), channels, three, true);
  y = recsys__build_map(net, RECSYS_OP_RELU, recsys__build_add(net, x, y));
  return recsys__build_name(net, y, name);
}

void recsys__build_mini(recsys__net *net, uint32_t classes) {
  int32_t x = conv(net, RECSYS_OP_INPUT, "stem.0", 32, halve);
  x = recsys__build_name(net, conv(net, x, "stem.1", 64, halve), "stem");
  x = block(net, x, "stage1.0", 64);
  x = conv(net, x, "down2", 128, halve);
  x = block(net, x, "stage2.0", 128);
  x = block(net, x, "stage2.1", 128);
  x = conv(net, x, "down3", 192, halve);
  x = block(net, x, "stage3.0", 192);
  int32_t trunk = recsys__build_name(net, conv(net, x, "narrow", 112, one), "features");
  x = recsys__build_pool(net, RECSYS_OP_AVGPOOL, trunk, (recsys__window){2, 2, 0, false});
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, x), "grid");
  if (classes > 0) {
    x = recsys__build_name(net, recsys__build_linear(net, x, "classifier", classes), "classifier");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}
