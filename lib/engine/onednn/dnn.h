/*
 * What the engine uses of oneDNN, behind one set of functions, so that the differences between its releases stay in
 * dnn.c. Everything returns a recsys_status and says in the error what could not be made.
 */
#ifndef RECSYS_ENGINE_ONEDNN_DNN_H
#define RECSYS_ENGINE_ONEDNN_DNN_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#include "engine/engine.h"

__attribute__((format(printf, 3, 4))) recsys_status dnn_fail(recsys_error *error, recsys_status status,
                                                             const char *format, ...);

/* Shape, type and layout of an array in memory; copied freely. */
typedef struct dnn_shape {
  dnnl_memory_desc_t md; /* 2.x: the description itself; 3.x: one of this process's, which stay */
  int ndims;
  dnnl_dims_t dims;
} dnn_shape;

typedef enum dnn_layout {
  DNN_ANY,     /* whatever the operation likes best */
  DNN_PLAIN,   /* rows, or N x C x H x W */
  DNN_NHWC,    /* channels last */
  DNN_BLOCKED, /* channels in groups of dnn_block(), which come last */
} dnn_layout;

uint32_t dnn_block(void); /* 16 with AVX-512, 8 with AVX2, else 1: DNN_BLOCKED is DNN_NHWC then */

/* rank 2: rows. */
dnn_shape dnn_shape_of(const int64_t *dims, int rank, dnnl_data_type_t type, dnn_layout layout);
/* Channels from .. from + count of `whole`, in its place. */
bool dnn_part_of(dnn_shape *part, const dnn_shape *whole, int64_t from, int64_t count);
/* An array of that shape at an address, which may be set later. */
dnnl_status_t dnn_memory(dnnl_memory_t *memory, const dnn_shape *shape, dnnl_engine_t engine, void *address);
size_t dnn_bytes(const dnn_shape *shape);
bool dnn_same(const dnn_shape *a, const dnn_shape *b);

/* What one operation is to do beside its own work. */
typedef struct dnn_after {
  bool add;                  /* dst += the result, instead of dst = */
  bool relu;                 /* last */
  dnnl_data_type_t add_type; /* of what is there, as wide as dst's; undef: dst's */
  double add_scale;          /* that is multiplied by this; 0: by 1 */
  const float *scales;       /* int8: first, the result is multiplied by its channel's; NULL: by 1 */
  int64_t channels;          /* as many are scales; with one, it is for all */
} dnn_after;

/* An operation for given shapes, ready to run. */
typedef struct dnn_made {
  dnnl_primitive_t primitive; /* NULL: none */
  dnn_shape weights;          /* the layout that it wants them in */
  size_t scratch;             /* bytes of memory that it needs while it runs */
  int scales;                 /* the argument (DNNL_ARG_...) under which it wants after.scales again; 0: it has them */
} dnn_made;

typedef struct dnn_window {
  dnnl_dims_t kernel, stride, dilation, before, after; /* height, width; dilation 1: none */
} dnn_window;

/* The bias of an operation with scales is to be divided by this, where one unit of its products stands for `product`
 * and one of its results for `result`. */
double dnn_bias_unit(double product, double result);
/* weights: O x I x H x W, or with groups G x O/G x I/G x H x W; `any` layout, or the one that is there already. */
/* src, weights: both float32, both bfloat16, or int8 (src signed or not). */
recsys_status dnn_conv(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *weights,
                       const dnn_shape *bias, const dnn_shape *dst, const dnn_window *window, dnn_after after,
                       recsys_error *error);
recsys_status dnn_linear(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *weights,
                         const dnn_shape *bias, const dnn_shape *dst, dnn_after after, recsys_error *error);
recsys_status dnn_pool(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *src,
                       const dnn_shape *dst, const dnn_window *window, recsys_error *error);
recsys_status dnn_map(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *shape,
                      recsys_error *error);
recsys_status dnn_lrn(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, const recsys_op *op,
                      recsys_error *error);
recsys_status dnn_softmax(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, recsys_error *error);
recsys_status dnn_add(dnn_made *made, dnnl_engine_t engine, const dnn_shape *a, const dnn_shape *b,
                      const dnn_shape *dst, recsys_error *error);
/* dst = src times *scale (NULL: 1), to the nearest where dst is of integers. */
recsys_status dnn_reorder(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *dst,
                          const float *scale, recsys_error *error);
void dnn_unmake(dnn_made *made);

#endif
