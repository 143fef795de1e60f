/*
 * Networks of known architectures: building the operation list, filling it with weights, folding batch norms, and the
 * recipes that turn pixels into its input.
 */
#ifndef RECSYS_NN_NET_H
#define RECSYS_NN_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/safetensors.h"
#include "image/image.h"
#include "nn/op.h"
#include "recsys.h"

/* A network that owns its operations, names and (once filled) weights. */
typedef struct recsys__net {
  recsys_network network;
  char architecture[32];
  uint64_t classes; /* of the classifier; 0: none */
  void *storage;    /* private: the builder's growing tables and strings */
} recsys__net;

/* What the library knows of an architecture. */
typedef struct recsys__architecture {
  const char *name;
  const char *layer;  /* the usual embedding */
  const char *recipe; /* the usual recipe */
  uint64_t classes;   /* of the usual classifier */
} recsys__architecture;

const recsys__architecture *recsys__architecture_find(const char *name); /* NULL: unknown */
const recsys__architecture *recsys__architecture_at(size_t index);       /* NULL past the last one */

/* The architecture whose tensor names and shapes these are, or NULL; *classes from its classifier's shape (0: none). */
const recsys__architecture *recsys__architecture_guess(const recsys__tensors *tensors, uint64_t *classes);

/* Builds the operation list for `classes` outputs (0: without the classifier). Weights have names and shapes, data
 * NULL.
 */
recsys_status recsys__net_build(recsys__net *net, const char *architecture, uint64_t classes, recsys_error *error);
void recsys__net_free(recsys__net *net);

/* A tensor of bytes has beside it one of this name, with the unit of each of its first dimension's parts (F32): weight
 * = byte * unit. */
#define RECSYS__UNIT_SUFFIX ".unit"

/* Copies every weight out of `tensors` (F32, F16, BF16, F64, or I8 with units, to float32). Missing, wrong shape, NaN
 * or infinite: an error that names tensor, expected and found. Extra tensors are allowed where they are known to be
 * unused (num_batches_tracked, auxiliary classifiers), otherwise an error that names the first. */
recsys_status recsys__net_fill(recsys__net *net, const recsys__tensors *tensors, recsys_error *error);

/* Before filling: where `tensors` lacks all dense layers (files "without top"; NULL: as if it did), the network ends
 * before them, and *pruned says so. */
recsys_status recsys__net_prune(recsys__net *net, const recsys__tensors *tensors, bool *pruned, recsys_error *error);

/* Random weights (He et al. 2015, uniform; biases 0, batch norms identity), the same on every machine. */
recsys_status recsys__net_randomise(recsys__net *net, uint64_t seed, recsys_error *error);

/* Folds each batch norm that follows a convolution into it (in double), and drops dropout: a smaller network with the
 * same names and the same results. It takes the weights over, so that they are in memory once: after it, and after a
 * RECSYS_ENOMEM, `net` can only be freed. */
recsys_status recsys__net_fold(recsys__net *folded, recsys__net *net, recsys_error *error);

/* Frees the numbers of the weights whose place in `kept` (NULL: all) is 0; their names and shapes stay. */
void recsys__net_drop_values(recsys__net *net, const uint8_t *kept);

/* Index of the operation whose result is layer `name`, or RECSYS_ENOTFOUND with a list of the names. Every operation
 * with a name counts; beside them the architecture's aliases (docs/networks.md): "fc2", "flatten", "avgpool",
 * "maxpool".
 */
recsys_status recsys__net_layer(recsys__net *net, const char *name, uint32_t *op, recsys_error *error);
/* Floats in the result of an operation. */
uint64_t recsys__op_size(const recsys_op *op);
/* The class scores: the softmax after the classifier; RECSYS_EUNSUPPORTED where there is none. */
recsys_status recsys__net_classifier(recsys__net *net, uint32_t *op, recsys_error *error);

/* The head of a trained model, on the result of `layer`: [linear, ReLU, dropout,] linear with `outputs` logits, which
 * become the network's classifier. Weights head.0 and head.3 (hidden 0: head.0 alone); the hidden units are the layer
 * "head". */
#define RECSYS__HEAD_LAYER "head"
recsys_status recsys__net_add_head(recsys__net *net, const char *layer, uint32_t hidden, uint32_t outputs,
                                   recsys_error *error);
/* Copies every weight that `from` has under the same name in the same shape; others stay as they are. */
recsys_status recsys__net_adopt(recsys__net *net, recsys__net *from, recsys_error *error);
recsys_weight *recsys__net_weight(recsys__net *net, const char *name); /* NULL: there is none */
recsys_status recsys__net_set(recsys__net *net, const char *name, const float *values, recsys_error *error);
uint64_t recsys__weight_values(const recsys_weight *weight);

/* trained[weight_count] = 1 for weights and biases of the last `blocks` blocks that operation `op` depends on (not for
 * the statistics of batch norms); *found: how many there are. */
recsys_status recsys__net_last_blocks(const recsys__net *net, uint32_t op, uint32_t blocks, uint8_t *trained,
                                      uint32_t *found, recsys_error *error);

/* How pixels become input. */
typedef enum { RECSYS__FIT_SHORT_SIDE = 0, RECSYS__FIT_STRETCH = 1 } recsys__fit;
typedef struct recsys__recipe {
  const char *name;
  recsys__fit fit;
  recsys__filter_kind filter;
  uint32_t resize; /* short side, or both sides when stretched */
  uint32_t crop;   /* centre crop; 0: the network's own input size */
  bool bgr;        /* channel order of the input */
  float divisor;   /* 255 or 1: x = (pixel / divisor - mean) / scale, per channel in the input's order */
  float mean[3], scale[3];
  uint32_t channels; /* 3, or 1 for grey (ITU-R 601-2 luma) */
} recsys__recipe;

/* NULL: unknown. A description after a colon ("caffe: stretch to ...") is not looked at. */
const recsys__recipe *recsys__recipe_find(const char *name);
const recsys__recipe *recsys__recipe_at(size_t index);

/* One picture to height x width x channels floats, channels last, of the network's input size. */
recsys_status recsys__recipe_apply(const recsys__recipe *recipe, const recsys__pixels *pixels, uint32_t height,
                                   uint32_t width, float *out, recsys_error *error);

/* A variation of a picture, for training: the crop's place (0..1 of the room there is, down and across; the centre is
 * 0.5) and whether it is mirrored. A recipe without a margin around its crop gets one of 8/7. */
typedef struct recsys__variation {
  double down, across;
  bool mirrored;
} recsys__variation;
recsys_status recsys__recipe_vary(const recsys__recipe *recipe, const recsys__pixels *pixels, uint32_t height,
                                  uint32_t width, const recsys__variation *variation, float *out, recsys_error *error);

#endif
