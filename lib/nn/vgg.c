/*
 * VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015,
 * configurations D and E), with torchvision's names. The batch-normed variants are torchvision's too.
 */
#include "nn/build.h"

enum { STAGES = 5 };

static int32_t build_features(recsys__net *net, const uint32_t repeats[STAGES], bool norm) {
  static const uint32_t widths[STAGES] = {64, 128, 256, 512, 512};
  int32_t x = RECSYS_OP_INPUT;
  uint32_t module = 0;
  for (int stage = 0; stage < STAGES; stage++) {
    for (uint32_t i = 0; i < repeats[stage]; i++) {
      const char *name = recsys__build_text(net, "features.%u", module++);
      x = recsys__build_conv(net, x, name, widths[stage], (recsys__window){3, 1, 1, false}, true);
      if (norm) {
        name = recsys__build_text(net, "features.%u", module++);
        x = recsys__build_batchnorm(net, x, name, 1e-5f);
      }
      recsys__build_name(net, x, name);
      x = recsys__build_map(net, RECSYS_OP_RELU, x);
      recsys__build_name(net, x, recsys__build_text(net, "features.%u", module++));
    }
    x = recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, (recsys__window){2, 2, 0, false});
    recsys__build_name(net, x, recsys__build_text(net, "features.%u", module++));
  }
  return x;
}

static int32_t build_dense(recsys__net *net, int32_t x, const char *linear, const char *relu, const char *alias) {
  x = recsys__build_name(net, recsys__build_linear(net, x, linear, 4096), linear);
  x = recsys__build_name(net, recsys__build_map(net, RECSYS_OP_RELU, x), relu);
  recsys__build_alias(net, alias, x);
  return x;
}

static void build_vgg(recsys__net *net, uint32_t classes, const uint32_t repeats[STAGES], bool norm) {
  int32_t trunk = build_features(net, repeats, norm);
  recsys__build_alias(net, "features", trunk);
  int32_t x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, trunk), "flatten");
  x = build_dense(net, x, "classifier.0", "classifier.1", "fc1");
  x = recsys__build_dropout(net, x, 0.5f);
  x = build_dense(net, x, "classifier.3", "classifier.4", "fc2");
  if (classes > 0) {
    x = recsys__build_dropout(net, x, 0.5f);
    x = recsys__build_name(net, recsys__build_linear(net, x, "classifier.6", classes), "classifier.6");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}

static const uint32_t d16[STAGES] = {2, 2, 3, 3, 3}, e19[STAGES] = {2, 2, 4, 4, 4};

void recsys__build_vgg16(recsys__net *net, uint32_t classes) {
  build_vgg(net, classes, d16, false);
}

void recsys__build_vgg19(recsys__net *net, uint32_t classes) {
  build_vgg(net, classes, e19, false);
}

void recsys__build_vgg16_bn(recsys__net *net, uint32_t classes) {
  build_vgg(net, classes, d16, true);
}

void recsys__build_vgg19_bn(recsys__net *net, uint32_t classes) {
  build_vgg(net, classes, e19, true);
}
