/*
 * The small builder that the architectures are written with. Every call appends one operation, works out the shape of
 * its result and returns its index. Failure (no memory, a window larger than its picture) is sticky: later calls do
 * nothing, and recsys__net_build reports it once at the end, so that an architecture reads as a straight list.
 */
#ifndef RECSYS_NN_BUILD_H
#define RECSYS_NN_BUILD_H

#include <stdarg.h>

#include "nn/net.h"

/* Another name for an operation's result. */
typedef struct recsys__alias {
  const char *name;
  int32_t op;
} recsys__alias;

/* What recsys__net.storage points to. */
typedef struct recsys__net_storage {
  recsys_op *ops;
  recsys_weight *weights;
  char **strings;
  recsys__alias *aliases;
  size_t op_capacity, weight_capacity, string_count, string_capacity, alias_count, alias_capacity;
  int32_t classifier; /* the softmax; -1: none */
  recsys_status failed;
} recsys__net_storage;

/* All that the registry knows of an architecture. */
typedef struct recsys__blueprint {
  recsys__architecture about;
  uint32_t channels, side; /* of the input: side x side pixels */
  const char *classifier;  /* the layer whose weight's first dimension is the number of classes */
  const char *unused[2];   /* tensors that start so are auxiliary classifiers, needed in training only */
  void (*build)(recsys__net *net, uint32_t classes);
} recsys__blueprint;

const recsys__blueprint *recsys__blueprint_find(const char *architecture);

/* A square window of a convolution or a pooling. */
typedef struct recsys__window {
  uint32_t kernel, stride, pad;
  bool ceil_mode;
} recsys__window;

recsys__net_storage *recsys__net_private(const recsys__net *net);
/* Makes an empty network with a storage. */
recsys_status recsys__net_init(recsys__net *net, recsys_error *error);

/* Text that lives as long as the network. Never NULL. */
const char *recsys__build_text(recsys__net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends an operation or a weight (data NULL) as it stands; name and shape are copied. */
int32_t recsys__build_op(recsys__net *net, const recsys_op *op);
int32_t recsys__build_weight(recsys__net *net, const char *name, uint32_t rank, const uint64_t *shape);

/* `prefix` is the module's name: the weights are prefix.weight and prefix.bias. */
int32_t recsys__build_conv(recsys__net *net, int32_t input, const char *prefix, uint32_t channels,
                           recsys__window window, bool bias);
int32_t recsys__build_batchnorm(recsys__net *net, int32_t input, const char *prefix, float epsilon);
int32_t recsys__build_linear(recsys__net *net, int32_t input, const char *prefix, uint32_t channels);
int32_t recsys__build_pool(recsys__net *net, recsys_op_kind kind, int32_t input, recsys__window window);
/* One input, and a result of the same shape: RELU, TANH, SIGMOID, SOFTMAX. */
int32_t recsys__build_map(recsys__net *net, recsys_op_kind kind, int32_t input);
int32_t recsys__build_dropout(recsys__net *net, int32_t input, float rate);
int32_t recsys__build_lrn(recsys__net *net, int32_t input, uint32_t size, float alpha, float beta, float k);
/* One input, and a flat result: GLOBAL_AVG, GLOBAL_MAX, FLATTEN. */
int32_t recsys__build_flat(recsys__net *net, recsys_op_kind kind, int32_t input);
int32_t recsys__build_add(recsys__net *net, int32_t a, int32_t b);
int32_t recsys__build_concat(recsys__net *net, const int32_t *inputs, uint32_t count);

/* Names the result of `op`, and returns op. The name is not copied: a literal, or recsys__build_text. */
int32_t recsys__build_name(recsys__net *net, int32_t op, const char *name);
void recsys__build_alias(recsys__net *net, const char *name, int32_t op);
/* The softmax over the class scores of `logits`; a later recsys__net_classifier finds it. */
void recsys__build_softmax(recsys__net *net, int32_t logits);
/* "flatten", "avgpool" and "maxpool" of the last picture-shaped activation, each unless the network has it already. */
void recsys__build_ends(recsys__net *net, int32_t trunk);

/* The architectures. */
void recsys__build_vgg16(recsys__net *net, uint32_t classes);
void recsys__build_vgg19(recsys__net *net, uint32_t classes);
void recsys__build_vgg16_bn(recsys__net *net, uint32_t classes);
void recsys__build_vgg19_bn(recsys__net *net, uint32_t classes);
void recsys__build_resnet18(recsys__net *net, uint32_t classes);
void recsys__build_resnet34(recsys__net *net, uint32_t classes);
void recsys__build_resnet50(recsys__net *net, uint32_t classes);
void recsys__build_resnet50_v1(recsys__net *net, uint32_t classes);
void recsys__build_resnet101(recsys__net *net, uint32_t classes);
void recsys__build_resnet152(recsys__net *net, uint32_t classes);
void recsys__build_googlenet(recsys__net *net, uint32_t classes);
void recsys__build_googlenet_bn(recsys__net *net, uint32_t classes);
void recsys__build_alexnet(recsys__net *net, uint32_t classes);
void recsys__build_zfnet(recsys__net *net, uint32_t classes);
void recsys__build_lenet5(recsys__net *net, uint32_t classes);
void recsys__build_mini(recsys__net *net, uint32_t classes);
void recsys__build_squeezenet1_1(recsys__net *net, uint32_t classes);

#endif
