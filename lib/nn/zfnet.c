/*
 * ZFNet (Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, figure 3). The figure's sizes
 * (110, 55, 26, 13, 6) fix what the text leaves open: padding 1 in the first convolution and pooling that rounds up.
 * The contrast normalisation across maps is Krizhevsky's (2012: n 5, k 2, beta 0.75, alpha 1e-4 for the plain sum, so
 * 5e-4 in the form that divides by n). No common weights exist; modules are numbered as torchvision numbers AlexNet's.
 */
#include "nn/alexnet.h"

static int32_t conv(recsys__net *net, int32_t x, uint32_t *module, uint32_t channels, recsys__window window) {
  const char *name = recsys__build_text(net, "features.%u", (*module)++);
  x = recsys__build_name(net, recsys__build_conv(net, x, name, channels, window, true), name);
  x = recsys__build_map(net, RECSYS_OP_RELU, x);
  return recsys__build_name(net, x, recsys__build_text(net, "features.%u", (*module)++));
}

static int32_t pool(recsys__net *net, int32_t x, uint32_t *module) {
  x = recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, (recsys__window){3, 2, 0, true});
  return recsys__build_name(net, x, recsys__build_text(net, "features.%u", (*module)++));
}

static int32_t lrn(recsys__net *net, int32_t x, uint32_t *module) {
  x = recsys__build_lrn(net, x, 5, 5e-4f, 0.75f, 2.0f);
  return recsys__build_name(net, x, recsys__build_text(net, "features.%u", (*module)++));
}

void recsys__build_zfnet(recsys__net *net, uint32_t classes) {
  uint32_t module = 0;
  int32_t x = conv(net, RECSYS_OP_INPUT, &module, 96, (recsys__window){7, 2, 1, false});
  x = lrn(net, pool(net, x, &module), &module);
  x = conv(net, x, &module, 256, (recsys__window){5, 2, 0, false});
  x = lrn(net, pool(net, x, &module), &module);
  x = conv(net, x, &module, 384, (recsys__window){3, 1, 1, false});
  x = conv(net, x, &module, 384, (recsys__window){3, 1, 1, false});
  x = conv(net, x, &module, 256, (recsys__window){3, 1, 1, false});
  x = pool(net, x, &module);
  recsys__build_alexnet_dense(net, x, classes);
}
