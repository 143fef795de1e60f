/*
 * SqueezeNet 1.1 (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016; version 1.1 of
 * the authors' repository), with torchvision's names and the authors' input of 227 x 227.
 */
#include "nn/build.h"

static int32_t conv(recsys__net *net, int32_t x, const char *name, uint32_t channels, recsys__window window) {
  x = recsys__build_name(net, recsys__build_conv(net, x, name, channels, window, true), name);
  return recsys__build_map(net, RECSYS_OP_RELU, x);
}

/* torchvision applies the ReLU of a fire module's parts through modules named *_activation. */
static int32_t fire_part(recsys__net *net, int32_t x, const char *fire, const char *name, uint32_t channels,
                         recsys__window window) {
  x = conv(net, x, recsys__build_text(net, "%s.%s", fire, name), channels, window);
  return recsys__build_name(net, x, recsys__build_text(net, "%s.%s_activation", fire, name));
}

static int32_t build_fire(recsys__net *net, int32_t x, uint32_t module, uint32_t squeeze, uint32_t expand) {
  const char *fire = recsys__build_text(net, "features.%u", module);
  const recsys__window one = {1, 1, 0, false}, three = {3, 1, 1, false};
  x = fire_part(net, x, fire, "squeeze", squeeze, one);
  int32_t parts[2] = {fire_part(net, x, fire, "expand1x1", expand, one),
                      fire_part(net, x, fire, "expand3x3", expand, three)};
  return recsys__build_name(net, recsys__build_concat(net, parts, 2), fire);
}

static int32_t pool(recsys__net *net, int32_t x, const char *name) {
  x = recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, (recsys__window){3, 2, 0, true});
  return recsys__build_name(net, x, name);
}

static int32_t build_features(recsys__net *net) {
  int32_t x = conv(net, RECSYS_OP_INPUT, "features.0", 64, (recsys__window){3, 2, 0, false});
  x = pool(net, recsys__build_name(net, x, "features.1"), "features.2");
  x = build_fire(net, x, 3, 16, 64);
  x = build_fire(net, x, 4, 16, 64);
  x = pool(net, x, "features.5");
  x = build_fire(net, x, 6, 32, 128);
  x = build_fire(net, x, 7, 32, 128);
  x = pool(net, x, "features.8");
  x = build_fire(net, x, 9, 48, 192);
  x = build_fire(net, x, 10, 48, 192);
  x = build_fire(net, x, 11, 64, 256);
  return build_fire(net, x, 12, 64, 256);
}

void recsys__build_squeezenet1_1(recsys__net *net, uint32_t classes) {
  int32_t trunk = build_features(net);
  recsys__build_alias(net, "features", trunk);
  if (classes > 0) {
    int32_t x = recsys__build_dropout(net, trunk, 0.5f);
    x = conv(net, x, "classifier.1", classes, (recsys__window){1, 1, 0, false});
    recsys__build_name(net, x, "classifier.2");
    x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_AVG, x), "classifier.3");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}
