/*
 * A loaded network: reordered weights, and for each asked output and two batch sizes a plan, which is a list of oneDNN
 * operations over places in one block of memory.
 *
 *   plan.c    which operations are needed, and which of them disappear in others
 *   int8.c    which results are integers, and what one unit of each stands for
 *   emit.c    the oneDNN operation of each; winograd_emit.c: the convolutions that are ours; int8_emit.c: those of int8
 *   linear.c  dense layers in float32, winograd.c convolutions: our own arithmetic
 *   memory.c  where everything lies, and running
 */
#ifndef RECSYS_ENGINE_ONEDNN_NET_H
#define RECSYS_ENGINE_ONEDNN_NET_H

#include "engine/onednn/dnn.h"
#include "engine/onednn/linear.h"
#include "engine/onednn/winograd.h"

enum { NET_BATCH = 8, STEP_PLACES = 6, NONE = -1 };

typedef enum where { IN_BLOCK, IN_WEIGHTS, IN_INPUT, IN_OUTPUT, IN_SCRATCH } where;

/* One argument of an operation. */
typedef struct place {
  int argument; /* DNNL_ARG_... */
  where where;
  uint32_t index; /* of the buffer or of the weights */
  dnn_shape shape;
  dnnl_memory_t memory;
} place;

typedef struct step {
  dnn_made made;
  int32_t op;         /* the convolution or dense layer that it is; NONE: another, or a part of one */
  winograd *winograd; /* instead of oneDNN's operation; NULL: that one */
  linear *linear;     /* the same */
  place places[STEP_PLACES];
  uint32_t place_count;
} step;

/* Memory that holds one activation, or several, one after the other. */
typedef struct buffer {
  dnn_shape shape;
  size_t bytes, offset;
  uint32_t first, last; /* steps that use it */
  bool used;
} buffer;

typedef struct plan {
  uint32_t output; /* the operation */
  int64_t batch;
  uint64_t row; /* floats of one row */
  step *steps;
  uint32_t step_count;
  buffer *buffers;
  uint32_t buffer_count;
  size_t bytes, scratch; /* of the block; of the working memory behind it */
} plan;

typedef struct weights {
  int32_t weight; /* of the network; NONE: of one step alone */
  dnn_shape shape;
  void *data;
  bool kept; /* the library's, where the network has it */
} weights;

typedef struct net {
  const recsys_host *host;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  uint32_t threads;
  dnnl_data_type_t type;           /* of picture-shaped activations that are no integers */
  bool int8;                       /* layers with ranges run over integers */
  const winograd_kernel *winograd; /* NULL: every convolution is oneDNN's */
  uint8_t *kept;                   /* while it is loaded: as in recsys_engine_options */
  char winograd_names[1024];       /* what runs so, with spaces between */
  uint32_t channels, height, width;
  recsys_op *ops;
  uint32_t op_count;
  weights *weights;
  uint32_t weights_count, weights_capacity;
  plan *plans; /* two for each output: NET_BATCH pictures, and one */
  uint32_t plan_count;
  char *block;
  size_t block_bytes;
  float *staged; /* a batch that is not full */
  size_t staged_floats;
} net;

/* Memory of the host's, full of zeros; NULL: there is none. */
void *net_alloc(const net *n, size_t count, size_t size);
void *net_room(const net *n, size_t count, size_t size); /* with anything in it */
void net_free(const net *n, void *memory);

/* A copy of a result of floats as integers. */
typedef struct integers {
  int32_t value; /* the buffer; NONE: there is none */
  dnn_shape shape;
  double unit;
} integers;

/* While a plan is made. */
typedef struct making {
  net *net;
  plan *plan;
  const recsys_network *network;
  recsys_error *error;
  bool *needed;
  uint32_t *uses;
  bool *same;       /* what the operation gives is there already, in the buffer of another: others did it in passing */
  bool *relu;       /* ends with a ReLU */
  int32_t *sum;     /* a convolution that adds to the result of that operation, or NONE */
  int32_t *value;   /* the buffer with the operation's result */
  dnn_shape *shape; /* of that result */
  int32_t input;    /* the buffer with the network's input */
  /* int8.c; all zeros otherwise */
  double *unit;       /* of each result: what its integers are multiples of; 0: it is of floats */
  bool *negative;     /* it may be below zero */
  integers *narrowed; /* copies of float results as integers; the last one is the network's input's */
} making;

/* plan.c */
recsys_status plan_make(net *n, plan *p, const recsys_network *network, uint32_t output, int64_t batch,
                        recsys_error *error);
const recsys_weight *plan_weight(const recsys_network *network, int32_t index);
/* Its numbers, as many as `is` has. */
recsys_status plan_weight_data(making *m, int32_t weight, const dnn_shape *is, const float **data);
/* The convolution that takes the addition over; NONE: none does. */
int32_t plan_adder(const making *m, int32_t add);

/* int8.c */
void int8_find(making *m);
bool int8_runs(const making *m, uint32_t op); /* as int8 */
double int8_unit(double range, bool negative);
dnn_shape int8_shape(const making *m, uint32_t op); /* of a result of integers */

/* winograd_emit.c */
/* Takes the convolution over where it suits and is faster; *taken: it did. */
recsys_status emit_winograd(making *m, uint32_t index, int32_t from, const dnn_shape *src, int32_t to,
                            const dnn_shape *dst, bool *taken);

/* int8_emit.c: convolutions and dense layers over integers */
recsys_status emit_conv_int8(making *m, uint32_t index);
recsys_status emit_linear_int8(making *m, uint32_t index);
/* Buffer and shape of an operation's k-th input as floats. */
recsys_status emit_floats_of(making *m, const recsys_op *op, uint32_t k, int32_t *at, dnn_shape *shape);
/* The place that a convolution in floats adds to. */
recsys_status emit_sum_of_floats(making *m, int32_t other, dnn_layout layout, int32_t *at, dnn_shape *shape);

/* emit.c */
recsys_status emit(making *m, uint32_t op);
recsys_status emit_output(making *m);
/* Buffer and shape of an operation's k-th input, floats or integers. */
recsys_status emit_input_of(making *m, const recsys_op *op, uint32_t k, int32_t *at, dnn_shape *shape);
/* to = from * unit */
recsys_status emit_copy(making *m, int32_t from, const dnn_shape *from_shape, int32_t to, const dnn_shape *to_shape,
                        double unit);
void emit_give(making *m, uint32_t index, int32_t at, const dnn_shape *shape);
dnn_window emit_window(const recsys_op *op, uint32_t height, uint32_t width);
dnn_shape emit_filter_shape(const recsys_op *op, uint32_t inputs, dnnl_data_type_t type, dnn_layout layout);

/* memory.c */
/* Both tables have room for what any operation adds (five steps and buffers, or two steps and a buffer for each part).
 */
int32_t buffer_new(making *m, const dnn_shape *shape);
step *step_new(making *m, const dnn_made *made); /* takes the operation over */
void step_add(making *m, step *s, int argument, where kind, int32_t index, const dnn_shape *shape);
recsys_status plan_place(net *n, plan *p, recsys_error *error);
/* ranges: NULL, or raised as recsys_engine.observe says. */
recsys_status plan_run(net *n, plan *p, const float *input, float *rows, float *ranges, recsys_error *error);
void plan_free(net *n, plan *p);

/* weights.c: the index of a weight of the network in the layout that is wanted. `is`: its own shape, plain float32. */
recsys_status weights_get(making *m, int32_t weight, const float *data, const dnn_shape *is, const dnn_shape *want,
                          uint32_t *index);
/* The same in the form that Winograd's convolution takes (outputs x inputs x 3 x 3; more inputs are zeros). */
recsys_status weights_get_winograd(making *m, int32_t weight, const float *data, int64_t outputs, int64_t inputs,
                                   int64_t padded_inputs, uint32_t *index, dnn_shape *shape);
/* The same as int8: channel c (the first dimension) is divided by units[c] and rounded. */
recsys_status weights_get_int8(making *m, int32_t weight, const float *data, const dnn_shape *is, int64_t channels,
                               const double *units, const dnn_shape *want, uint32_t *index);
/* The same as it is: in the library's memory where that may be kept, else a copy. */
recsys_status weights_keep(making *m, int32_t weight, const float *data, const dnn_shape *is, uint32_t *index);
/* A copy of floats for one step alone. */
recsys_status weights_put(making *m, const float *data, int64_t count, uint32_t *index, dnn_shape *shape);
/* A layout in which the weight is there already; NULL: none. */
const dnn_shape *weights_there(const net *n, int32_t weight);

#endif
