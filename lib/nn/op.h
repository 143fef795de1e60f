/*
 * A network as data: a list of operations over numbered activations, and a table of weights. Plain C with fixed-width
 * fields, because engines in shared objects of their own read it.
 */
#ifndef RECSYS_NN_OP_H
#define RECSYS_NN_OP_H

#include <stdint.h>

typedef enum recsys_op_kind {
  RECSYS_OP_CONV = 1,  /* 2-d cross-correlation; weight O x I/groups x H x W, optional bias O */
  RECSYS_OP_BATCHNORM, /* inference form: (x - mean) / sqrt(var + epsilon) * weight + bias, per channel */
  RECSYS_OP_RELU,
  RECSYS_OP_SIGMOID,
  RECSYS_OP_TANH,
  RECSYS_OP_SOFTMAX,    /* over the channels of a flat activation */
  RECSYS_OP_MAXPOOL,    /* padding counts as minus infinity */
  RECSYS_OP_AVGPOOL,    /* count_include_pad says whether padding counts as zeros */
  RECSYS_OP_GLOBAL_AVG, /* C x H x W -> C, flat */
  RECSYS_OP_GLOBAL_MAX, /* C x H x W -> C, flat */
  RECSYS_OP_CONCAT,     /* along channels */
  RECSYS_OP_ADD,        /* two inputs of one shape */
  RECSYS_OP_LINEAR,     /* weight O x I, optional bias O; the input is flat */
  RECSYS_OP_DROPOUT,    /* the identity outside training */
  RECSYS_OP_LRN,        /* across channels: x / (k + alpha / size * sum of squares) ^ beta, `size` centred channels */
  RECSYS_OP_FLATTEN     /* C x H x W -> C*H*W in that order, whatever the layout in memory */
} recsys_op_kind;

enum { RECSYS_OP_MAX_INPUTS = 4, RECSYS_OP_INPUT = -1 };

/* Operation i makes activation i from earlier ones; the network's input is activation RECSYS_OP_INPUT. */
typedef struct recsys_op {
  uint32_t kind;
  uint32_t input_count;
  int32_t inputs[RECSYS_OP_MAX_INPUTS]; /* each < i, or RECSYS_OP_INPUT */
  const char *name;                     /* of the layer, for those that can be asked for; else NULL */
  int32_t weight, bias, mean, variance; /* indices into the weights; -1: none */
  uint32_t channels, height, width;     /* of the result; a flat one has height = width = 0 */
  uint32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation, groups;
  uint32_t
      ceil_mode; /* pooling: round the output size up (PyTorch's and Caffe's rule: the last window starts inside) */
  uint32_t count_include_pad; /* AVGPOOL */
  uint32_t size;              /* LRN */
  float alpha, beta, k;       /* LRN */
  float epsilon;              /* BATCHNORM */
  float rate;                 /* DROPOUT */
  /* CONV, LINEAR: the largest magnitudes of what goes into the layer and of what comes out of it (after an addition and
   * a ReLU that follow), for int8; 0: the layer stays in floats. */
  float input_range, output_range;
  uint32_t reserved[4]; /* zero */
} recsys_op;

typedef struct recsys_weight {
  const char *name; /* as in the state dictionary */
  const float *data;
  uint32_t rank;
  uint32_t reserved;
  uint64_t shape[4];
} recsys_weight;

typedef struct recsys_network {
  uint32_t struct_size; /* of this struct; op_size and weight_size are the strides of the two tables */
  uint32_t op_size, op_count;
  uint32_t weight_size, weight_count;
  uint32_t channels, height, width; /* of the input: a picture is height x width x channels floats, channels last */
  const recsys_op *ops;
  const recsys_weight *weights;
} recsys_network;

#endif
