/*
 * AlexNet as torchvision has it: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014),
 * one column, without LRN. The three dense layers are shared with ZFNet.
 */
#include "nn/alexnet.h"

static int32_t conv(recsys__net *net, int32_t x, uint32_t *module, uint32_t channels, recsys__window window) {
  const char *name = recsys__build_text(net, "features.%u", (*module)++);
  x = recsys__build_name(net, recsys__build_conv(net, x, name, channels, window, true), name);
  x = recsys__build_map(net, RECSYS_OP_RELU, x);
  return recsys__build_name(net, x, recsys__build_text(net, "features.%u", (*module)++));
}

static int32_t pool(recsys__net *net, int32_t x, uint32_t *module) {
  x = recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, (recsys__window){3, 2, 0, false});
  return recsys__build_name(net, x, recsys__build_text(net, "features.%u", (*module)++));
}

void recsys__build_alexnet(recsys__net *net, uint32_t classes) {
  uint32_t module = 0;
  int32_t x = conv(net, RECSYS_OP_INPUT, &module, 64, (recsys__window){11, 4, 2, false});
  x = pool(net, x, &module);
  x = conv(net, x, &module, 192, (recsys__window){5, 1, 2, false});
  x = pool(net, x, &module);
  x = conv(net, x, &module, 384, (recsys__window){3, 1, 1, false});
  x = conv(net, x, &module, 256, (recsys__window){3, 1, 1, false});
  x = conv(net, x, &module, 256, (recsys__window){3, 1, 1, false});
  x = pool(net, x, &module);
  recsys__build_alexnet_dense(net, x, classes);
}

static int32_t dense(recsys__net *net, int32_t x, const char *linear, const char *relu, const char *alias) {
  x = recsys__build_dropout(net, x, 0.5f);
  x = recsys__build_name(net, recsys__build_linear(net, x, linear, 4096), linear);
  x = recsys__build_name(net, recsys__build_map(net, RECSYS_OP_RELU, x), relu);
  recsys__build_alias(net, alias, x);
  return x;
}

void recsys__build_alexnet_dense(recsys__net *net, int32_t trunk, uint32_t classes) {
  recsys__build_alias(net, "features", trunk);
  int32_t x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, trunk), "flatten");
  x = dense(net, x, "classifier.1", "classifier.2", "fc1");
  recsys__build_alias(net, "fc6", x);
  x = dense(net, x, "classifier.4", "classifier.5", "fc2");
  recsys__build_alias(net, "fc7", x);
  if (classes > 0) {
    x = recsys__build_name(net, recsys__build_linear(net, x, "classifier.6", classes), "classifier.6");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}
