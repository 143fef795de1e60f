/*
 * ResNet (He et al., "Deep residual learning for image recognition", 2016), with torchvision's names. As in torchvision
 * ("v1.5") the stride of a bottleneck is that of its 3 x 3 convolution; resnet50_v1 has it where the paper and Keras
 * have it, in the first 1 x 1.
 */
#include "nn/build.h"

enum { STAGES = 4 };
static const float epsilon = 1e-5f;

/* Convolution without bias, then batch norm; only the second's result has a name, because folding merges the two. */
static int32_t conv_bn(recsys__net *net, int32_t x, const char *conv, const char *bn, uint32_t channels,
                       recsys__window window) {
  x = recsys__build_conv(net, x, conv, channels, window, false);
  return recsys__build_name(net, recsys__build_batchnorm(net, x, bn, epsilon), bn);
}

/* The part-th convolution of a block, and its ReLU unless it is the last before the addition. */
static int32_t part(recsys__net *net, int32_t x, const char *block, uint32_t number, uint32_t channels,
                    recsys__window window, bool relu) {
  x = conv_bn(net, x, recsys__build_text(net, "%s.conv%u", block, number),
              recsys__build_text(net, "%s.bn%u", block, number), channels, window);
  return relu ? recsys__build_map(net, RECSYS_OP_RELU, x) : x;
}

/* Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1 with the stride in the second or in the first. */
typedef enum kind { BASIC, BOTTLENECK, BOTTLENECK_V1 } kind;

static int32_t build_block(recsys__net *net, int32_t input, const char *block, uint32_t width, uint32_t stride,
                           kind form, bool project) {
  bool bottleneck = form != BASIC, early = form == BOTTLENECK_V1;
  int32_t x = input;
  uint32_t out = bottleneck ? 4 * width : width;
  if (bottleneck) {
    x = part(net, x, block, 1, width, (recsys__window){1, early ? stride : 1, 0, false}, true);
    x = part(net, x, block, 2, width, (recsys__window){3, early ? 1 : stride, 1, false}, true);
    x = part(net, x, block, 3, out, (recsys__window){1, 1, 0, false}, false);
  } else {
    x = part(net, x, block, 1, width, (recsys__window){3, stride, 1, false}, true);
    x = part(net, x, block, 2, width, (recsys__window){3, 1, 1, false}, false);
  }
  int32_t shortcut = input;
  if (project) {
    shortcut = conv_bn(net, input, recsys__build_text(net, "%s.downsample.0", block),
                       recsys__build_text(net, "%s.downsample.1", block), out, (recsys__window){1, stride, 0, false});
    recsys__build_alias(net, recsys__build_text(net, "%s.downsample", block), shortcut);
  }
  x = recsys__build_map(net, RECSYS_OP_RELU, recsys__build_add(net, x, shortcut));
  return recsys__build_name(net, x, block);
}

static int32_t build_stages(recsys__net *net, int32_t x, const uint32_t blocks[STAGES], kind form) {
  for (uint32_t stage = 0; stage < STAGES; stage++) {
    for (uint32_t i = 0; i < blocks[stage]; i++) {
      bool first = i == 0;
      const char *block = recsys__build_text(net, "layer%u.%u", stage + 1, i);
      x = build_block(net, x, block, 64u << stage, first && stage > 0 ? 2 : 1, form,
                      first && (stage > 0 || form != BASIC));
    }
    recsys__build_alias(net, recsys__build_text(net, "layer%u", stage + 1), x);
  }
  return x;
}

static void build_resnet(recsys__net *net, uint32_t classes, const uint32_t blocks[STAGES], kind form) {
  int32_t x = conv_bn(net, RECSYS_OP_INPUT, "conv1", "bn1", 64, (recsys__window){7, 2, 3, false});
  x = recsys__build_name(net, recsys__build_map(net, RECSYS_OP_RELU, x), "relu");
  x = recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, (recsys__window){3, 2, 1, false});
  /* torchvision's name for this one is "maxpool", which here is the global maximum of the last block. */
  recsys__build_name(net, x, "stem");
  int32_t trunk = build_stages(net, x, blocks, form);
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_AVG, trunk), "avgpool");
  if (classes > 0) {
    x = recsys__build_name(net, recsys__build_linear(net, x, "fc", classes), "fc");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}

void recsys__build_resnet18(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){2, 2, 2, 2}, BASIC);
}

void recsys__build_resnet34(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){3, 4, 6, 3}, BASIC);
}

void recsys__build_resnet50(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){3, 4, 6, 3}, BOTTLENECK);
}

void recsys__build_resnet50_v1(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){3, 4, 6, 3}, BOTTLENECK_V1);
}

void recsys__build_resnet101(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){3, 4, 23, 3}, BOTTLENECK);
}

void recsys__build_resnet152(recsys__net *net, uint32_t classes) {
  build_resnet(net, classes, (const uint32_t[STAGES]){3, 8, 36, 3}, BOTTLENECK);
}
