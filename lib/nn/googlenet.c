/*
 * GoogLeNet (Szegedy et al., "Going deeper with convolutions", 2015), twice: "googlenet" is the original as BVLC
 * released it (bias, LRN, 5 x 5 branches, Caffe's layer names), "googlenet_bn" is torchvision's (batch norm, no LRN,
 * and 3 x 3 filters in the 5 x 5 branches, a known slip of the implementation that its weights were trained with).
 */
#include "nn/build.h"

/* Channels of one inception module: 1x1, 3x3 after its reduction, 5x5 after its reduction, projection after pooling. */
typedef struct inception {
  const char *name; /* "3a" */
  uint32_t c1, r3, c3, r5, c5, pool;
} inception;

static const inception modules[] = {
    {"3a", 64, 96, 128, 16, 32, 32},     {"3b", 128, 128, 192, 32, 96, 64},   {"4a", 192, 96, 208, 16, 48, 64},
    {"4b", 160, 112, 224, 24, 64, 64},   {"4c", 128, 128, 256, 24, 64, 64},   {"4d", 112, 144, 288, 32, 64, 64},
    {"4e", 256, 160, 320, 32, 128, 128}, {"5a", 256, 160, 320, 32, 128, 128}, {"5b", 384, 192, 384, 48, 128, 128},
};
enum { MODULES = sizeof modules / sizeof modules[0] };

static const recsys__window one = {1, 1, 0, false}, three = {3, 1, 1, false}, five = {5, 1, 2, false},
                            seven = {7, 2, 3, false}, halve3 = {3, 2, 0, true}, halve2 = {2, 2, 0, true},
                            same3 = {3, 1, 1, true};

/* ---- The original ---- */

/* Convolution and ReLU; as in Caffe, the name is that of the result after the ReLU. */
static int32_t conv(recsys__net *net, int32_t x, const char *name, uint32_t channels, recsys__window window) {
  x = recsys__build_conv(net, x, name, channels, window, true);
  return recsys__build_name(net, recsys__build_map(net, RECSYS_OP_RELU, x), name);
}

static int32_t pool(recsys__net *net, int32_t x, const char *name, recsys__window window) {
  return recsys__build_name(net, recsys__build_pool(net, RECSYS_OP_MAXPOOL, x, window), name);
}

static int32_t lrn(recsys__net *net, int32_t x, const char *name) {
  return recsys__build_name(net, recsys__build_lrn(net, x, 5, 1e-4f, 0.75f, 1.0f), name);
}

static int32_t build_inception(recsys__net *net, int32_t x, const inception *m) {
  const char *p = recsys__build_text(net, "inception_%s", m->name);
  int32_t b[4];
  b[0] = conv(net, x, recsys__build_text(net, "%s/1x1", p), m->c1, one);
  b[1] = conv(net, x, recsys__build_text(net, "%s/3x3_reduce", p), m->r3, one);
  b[1] = conv(net, b[1], recsys__build_text(net, "%s/3x3", p), m->c3, three);
  b[2] = conv(net, x, recsys__build_text(net, "%s/5x5_reduce", p), m->r5, one);
  b[2] = conv(net, b[2], recsys__build_text(net, "%s/5x5", p), m->c5, five);
  b[3] = pool(net, x, recsys__build_text(net, "%s/pool", p), same3);
  b[3] = conv(net, b[3], recsys__build_text(net, "%s/pool_proj", p), m->pool, one);
  x = recsys__build_name(net, recsys__build_concat(net, b, 4), recsys__build_text(net, "%s/output", p));
  recsys__build_alias(net, p, x);
  return x;
}

void recsys__build_googlenet(recsys__net *net, uint32_t classes) {
  int32_t x = conv(net, RECSYS_OP_INPUT, "conv1/7x7_s2", 64, seven);
  x = pool(net, x, "pool1/3x3_s2", halve3);
  x = lrn(net, x, "pool1/norm1");
  x = conv(net, x, "conv2/3x3_reduce", 64, one);
  x = conv(net, x, "conv2/3x3", 192, three);
  x = lrn(net, x, "conv2/norm2");
  x = pool(net, x, "pool2/3x3_s2", halve3);
  for (int i = 0; i < MODULES; i++) {
    x = build_inception(net, x, &modules[i]);
    if (i == 1)
      x = pool(net, x, "pool3/3x3_s2", halve3);
    if (i == 6)
      x = pool(net, x, "pool4/3x3_s2", halve3);
  }
  int32_t trunk = x;
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_AVG, x), "pool5/7x7_s1");
  recsys__build_alias(net, "avgpool", x);
  if (classes > 0) {
    x = recsys__build_dropout(net, x, 0.4f);
    x = recsys__build_linear(net, x, "loss3/classifier", classes);
    recsys__build_softmax(net, recsys__build_name(net, x, "loss3/classifier"));
    recsys__build_alias(net, "prob", recsys__net_private(net)->classifier);
  }
  recsys__build_ends(net, trunk);
}

/* ---- torchvision's ---- */

/* BasicConv2d: convolution without bias, batch norm, ReLU; the name is that of the whole. */
static int32_t basic(recsys__net *net, int32_t x, const char *name, uint32_t channels, recsys__window window) {
  x = recsys__build_conv(net, x, recsys__build_text(net, "%s.conv", name), channels, window, false);
  const char *bn = recsys__build_text(net, "%s.bn", name);
  x = recsys__build_name(net, recsys__build_batchnorm(net, x, bn, 1e-3f), bn);
  return recsys__build_name(net, recsys__build_map(net, RECSYS_OP_RELU, x), name);
}

static int32_t build_inception_bn(recsys__net *net, int32_t x, const inception *m) {
  const char *p = recsys__build_text(net, "inception%s", m->name);
  int32_t b[4];
  b[0] = basic(net, x, recsys__build_text(net, "%s.branch1", p), m->c1, one);
  b[1] = basic(net, x, recsys__build_text(net, "%s.branch2.0", p), m->r3, one);
  b[1] = basic(net, b[1], recsys__build_text(net, "%s.branch2.1", p), m->c3, three);
  b[2] = basic(net, x, recsys__build_text(net, "%s.branch3.0", p), m->r5, one);
  b[2] = basic(net, b[2], recsys__build_text(net, "%s.branch3.1", p), m->c5, three);
  b[3] = pool(net, x, recsys__build_text(net, "%s.branch4.0", p), same3);
  b[3] = basic(net, b[3], recsys__build_text(net, "%s.branch4.1", p), m->pool, one);
  for (int i = 1; i < 4; i++)
    recsys__build_alias(net, recsys__build_text(net, "%s.branch%d", p, i + 1), b[i]);
  return recsys__build_name(net, recsys__build_concat(net, b, 4), p);
}

void recsys__build_googlenet_bn(recsys__net *net, uint32_t classes) {
  int32_t x = basic(net, RECSYS_OP_INPUT, "conv1", 64, seven);
  x = pool(net, x, "maxpool1", halve3);
  x = basic(net, x, "conv2", 64, one);
  x = basic(net, x, "conv3", 192, three);
  x = pool(net, x, "maxpool2", halve3);
  for (int i = 0; i < MODULES; i++) {
    x = build_inception_bn(net, x, &modules[i]);
    if (i == 1)
      x = pool(net, x, "maxpool3", halve3);
    if (i == 6)
      x = pool(net, x, "maxpool4", halve2);
  }
  int32_t trunk = x;
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_AVG, x), "avgpool");
  if (classes > 0) {
    x = recsys__build_dropout(net, x, 0.2f);
    x = recsys__build_name(net, recsys__build_linear(net, x, "fc", classes), "fc");
    recsys__build_softmax(net, x);
  }
  recsys__build_ends(net, trunk);
}
