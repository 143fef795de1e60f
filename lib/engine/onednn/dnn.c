/*
 * oneDNN 2.x and 3.x. In 2.x memory descriptions are plain structs, and an operation has a description of its own
 * before the primitive's; in 3.x both are made in one call, and memory descriptions are objects, of which this process
 * keeps one of each kind.
 */
#include "engine/onednn/dnn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
#define MD(shape) ((shape)->md)
#else
#define MD(shape) (&(shape)->md)
#endif

recsys_status dnn_fail(recsys_error *error, recsys_status status, const char *format, ...) {
  if (error == NULL)
    return status;
  va_list values;
  va_start(values, format);
  *error = (recsys_error){.status = status};
  vsnprintf(error->message, sizeof error->message, format, values);
  va_end(values);
  return status;
}

/* -- shapes */

uint32_t dnn_block(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") ? 16
         : __builtin_cpu_supports("avx2")                                         ? 8
                                                                                  : 1;
#else
  return 1;
#endif
}

static dnnl_format_tag_t tag_of(int rank, dnn_layout layout) {
  if (layout == DNN_ANY)
    return dnnl_format_tag_any;
  if (layout == DNN_PLAIN || rank != 4)
    return rank == 1 ? dnnl_a : rank == 2 ? dnnl_ab : rank == 4 ? dnnl_abcd : dnnl_abcde;
  uint32_t block = layout == DNN_BLOCKED ? dnn_block() : 1;
  return block == 16 ? dnnl_nChw16c : block == 8 ? dnnl_nChw8c : dnnl_nhwc;
}

#if DNNL_VERSION_MAJOR >= 3
/* The one of this process that is equal; takes the description over. Engines run on one thread, so nothing is locked.
 */
static dnnl_memory_desc_t keep(dnnl_memory_desc_t md) {
  static dnnl_memory_desc_t *kept;
  static size_t count, capacity;
  for (size_t i = 0; i < count; i++)
    if (dnnl_memory_desc_equal(kept[i], md)) {
      dnnl_memory_desc_destroy(md);
      return kept[i];
    }
  if (count == capacity) {
    size_t larger = 2 * capacity + 64;
    dnnl_memory_desc_t *more = realloc(kept, larger * sizeof(*more));
    if (more == NULL)
      return md;
    kept = more;
    capacity = larger;
  }
  kept[count++] = md;
  return md;
}

static dnn_shape wrap(dnnl_memory_desc_t md) {
  dnn_shape shape = {.md = md};
  dnnl_dims_t *dims = NULL;
  if (dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &shape.ndims) == dnnl_success &&
      dnnl_memory_desc_query(md, dnnl_query_dims, &dims) == dnnl_success)
    memcpy(shape.dims, *dims, (size_t)shape.ndims * sizeof(shape.dims[0]));
  return shape;
}
#endif

dnn_shape dnn_shape_of(const int64_t *dims, int rank, dnnl_data_type_t type, dnn_layout layout) {
  dnn_shape shape = {.ndims = rank};
  memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t md = NULL;
  if (dnnl_memory_desc_create_with_tag(&md, rank, shape.dims, type, tag_of(rank, layout)) == dnnl_success)
    shape.md = keep(md);
#else
  if (dnnl_memory_desc_init_by_tag(&shape.md, rank, shape.dims, type, tag_of(rank, layout)) != dnnl_success)
    memset(&shape, 0, sizeof shape);
#endif
  return shape;
}

bool dnn_part_of(dnn_shape *part, const dnn_shape *whole, int64_t from, int64_t count) {
  dnnl_dims_t offsets = {0};
  *part = *whole;
  part->dims[1] = count;
  offsets[1] = from;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t md = NULL;
  if (dnnl_memory_desc_create_submemory(&md, whole->md, part->dims, offsets) != dnnl_success)
    return false;
  part->md = keep(md);
  return true;
#else
  return dnnl_memory_desc_init_submemory(&part->md, &whole->md, part->dims, offsets) == dnnl_success;
#endif
}

dnnl_status_t dnn_memory(dnnl_memory_t *memory, const dnn_shape *shape, dnnl_engine_t engine, void *address) {
  return dnnl_memory_create(memory, MD(shape), engine, address);
}

size_t dnn_bytes(const dnn_shape *shape) {
  return dnnl_memory_desc_get_size(MD(shape));
}

bool dnn_same(const dnn_shape *a, const dnn_shape *b) {
  return dnnl_memory_desc_equal(MD(a), MD(b)) != 0;
}

/* -- operations */

static bool append(dnnl_post_ops_t ops, const dnn_after *after) {
  const float by = after->add_scale != 0 ? (float)after->add_scale : 1;
#if DNNL_VERSION_MAJOR >= 3
  return (!after->add || dnnl_post_ops_append_sum(ops, by, 0, after->add_type) == dnnl_success) &&
         (!after->relu || dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0) == dnnl_success);
#else
  return (!after->add || dnnl_post_ops_append_sum_v2(ops, by, after->add_type) == dnnl_success) &&
         (!after->relu || dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success);
#endif
}

/* 3.x takes the scales of int8 operations at every run, 2.x when they are made. */
static bool set_scales(dnnl_primitive_attr_t attributes, const dnn_after *after, int argument, int mask) {
  if (after->scales == NULL)
    return true;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_primitive_attr_set_scales_mask(attributes, argument, mask) == dnnl_success;
#else
  (void)argument;
  (void)mask;
  return dnnl_primitive_attr_set_output_scales(attributes, after->channels, after->channels > 1 ? 1 << 1 : 0,
                                               after->scales) == dnnl_success;
#endif
}

/* Scales are of `argument`, along the dimensions of `mask`. */
static dnnl_primitive_attr_t attributes_for(const dnn_after *after, int argument, int mask) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t ops = NULL;
  bool ok = dnnl_primitive_attr_create(&attributes) == dnnl_success &&
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success &&
            dnnl_post_ops_create(&ops) == dnnl_success && append(ops, after) &&
            dnnl_primitive_attr_set_post_ops(attributes, ops) == dnnl_success &&
            set_scales(attributes, after, argument, mask);
  if (ops != NULL)
    dnnl_post_ops_destroy(ops);
  if (!ok && attributes != NULL) {
    dnnl_primitive_attr_destroy(attributes);
    return NULL;
  }
  return attributes;
}

double dnn_bias_unit(double product, double result) {
#if DNNL_VERSION_MAJOR >= 3
  (void)product;
  return result;
#else
  (void)result;
  return product;
#endif
}

static recsys_status refuse(dnnl_status_t status, const char *what, recsys_error *error) {
  if (status == dnnl_out_of_memory)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a %s", what);
  return dnn_fail(error, RECSYS_EUNSUPPORTED, "oneDNN %d.%d.%d cannot make this %s (status %d)", DNNL_VERSION_MAJOR,
                  DNNL_VERSION_MINOR, DNNL_VERSION_PATCH, what, (int)status);
}

/* While one operation is made: `status` is set by the call of oneDNN that describes it. */
typedef struct making_one {
  dnnl_primitive_desc_t description;
  dnnl_primitive_attr_t attributes;
  dnnl_status_t status;
  int scales; /* the argument that is scaled at every run; 0: none */
} making_one;

static making_one begin(const dnn_after *after, int argument, int mask) {
  making_one m = {.attributes = attributes_for(after, argument, mask)};
#if DNNL_VERSION_MAJOR >= 3
  m.scales = after->scales != NULL ? DNNL_ARG_ATTR_SCALES | argument : 0;
#endif
  m.status = m.attributes == NULL ? dnnl_out_of_memory : dnnl_success;
  return m;
}

static recsys_status finish(dnn_made *made, making_one m, const char *what, recsys_error *error) {
  *made = (dnn_made){.scales = m.scales};
  if (m.attributes != NULL)
    dnnl_primitive_attr_destroy(m.attributes);
  if (m.status != dnnl_success)
    return refuse(m.status, what, error);
#if DNNL_VERSION_MAJOR >= 3
  const_dnnl_memory_desc_t weights = dnnl_primitive_desc_query_md(m.description, dnnl_query_weights_md, 0);
  const_dnnl_memory_desc_t scratch = dnnl_primitive_desc_query_md(m.description, dnnl_query_scratchpad_md, 0);
  dnnl_memory_desc_t copy = NULL;
  if (weights != NULL && dnnl_memory_desc_clone(&copy, weights) == dnnl_success)
    made->weights = wrap(keep(copy));
#else
  const dnnl_memory_desc_t *weights = dnnl_primitive_desc_query_md(m.description, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(m.description, dnnl_query_scratchpad_md, 0);
  if (weights != NULL) {
    made->weights = (dnn_shape){.md = *weights, .ndims = weights->ndims};
    memcpy(made->weights.dims, weights->dims, sizeof weights->dims);
  }
#endif
  made->scratch = scratch != NULL ? dnnl_memory_desc_get_size(scratch) : 0;
  m.status = dnnl_primitive_create(&made->primitive, m.description);
  dnnl_primitive_desc_destroy(m.description);
  return m.status == dnnl_success ? RECSYS_OK : refuse(m.status, what, error);
}

#if DNNL_VERSION_MAJOR < 3
/* 2.x: from the operation's own description. */
static void describe(making_one *m, dnnl_engine_t engine, dnnl_status_t described, const void *operation) {
  if (m->status == dnnl_success)
    m->status = described;
  if (m->status == dnnl_success)
    m->status = dnnl_primitive_desc_create(&m->description, operation, m->attributes, engine, NULL);
}
#endif

static const dnn_after nothing = {0};

recsys_status dnn_conv(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *weights,
                       const dnn_shape *bias, const dnn_shape *dst, const dnn_window *window, dnn_after after,
                       recsys_error *error) {
  making_one m = begin(&after, DNNL_ARG_WEIGHTS, weights->ndims == 5 ? 3 : 1);
  const dnnl_dims_t dilation = {window->dilation[0] - 1, window->dilation[1] - 1};
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status = dnnl_convolution_forward_primitive_desc_create(
        &m.description, engine, dnnl_forward_inference, dnnl_convolution_direct, MD(src), MD(weights),
        bias != NULL ? MD(bias) : NULL, MD(dst), window->stride, dilation, window->before, window->after, m.attributes);
#else
  dnnl_convolution_desc_t conv;
  describe(&m, engine,
           dnnl_dilated_convolution_forward_desc_init(&conv, dnnl_forward_inference, dnnl_convolution_direct, MD(src),
                                                      MD(weights), bias != NULL ? MD(bias) : NULL, MD(dst),
                                                      window->stride, dilation, window->before, window->after),
           &conv);
#endif
  return finish(made, m, "convolution", error);
}

recsys_status dnn_linear(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *weights,
                         const dnn_shape *bias, const dnn_shape *dst, dnn_after after, recsys_error *error) {
  making_one m = begin(&after, DNNL_ARG_WEIGHTS, 1);
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status = dnnl_inner_product_forward_primitive_desc_create(&m.description, engine, dnnl_forward_inference, MD(src),
                                                                MD(weights), bias != NULL ? MD(bias) : NULL, MD(dst),
                                                                m.attributes);
#else
  dnnl_inner_product_desc_t product;
  describe(&m, engine,
           dnnl_inner_product_forward_desc_init(&product, dnnl_forward_inference, MD(src), MD(weights),
                                                bias != NULL ? MD(bias) : NULL, MD(dst)),
           &product);
#endif
  return finish(made, m, "dense layer", error);
}

recsys_status dnn_pool(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *src,
                       const dnn_shape *dst, const dnn_window *window, recsys_error *error) {
  making_one m = begin(&nothing, 0, 0);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t dense = {0};
  if (m.status == dnnl_success)
    m.status = dnnl_pooling_forward_primitive_desc_create(&m.description, engine, dnnl_forward_inference, kind, MD(src),
                                                          MD(dst), window->stride, window->kernel, dense,
                                                          window->before, window->after, m.attributes);
#else
  dnnl_pooling_desc_t pool;
  describe(&m, engine,
           dnnl_pooling_forward_desc_init(&pool, dnnl_forward_inference, kind, MD(src), MD(dst), window->stride,
                                          window->kernel, window->before, window->after),
           &pool);
#endif
  return finish(made, m, "pooling", error);
}

recsys_status dnn_map(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *shape,
                      recsys_error *error) {
  making_one m = begin(&nothing, 0, 0);
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status = dnnl_eltwise_forward_primitive_desc_create(&m.description, engine, dnnl_forward_inference, kind,
                                                          MD(shape), MD(shape), 0, 0, m.attributes);
#else
  dnnl_eltwise_desc_t map;
  describe(&m, engine, dnnl_eltwise_forward_desc_init(&map, dnnl_forward_inference, kind, MD(shape), 0, 0), &map);
#endif
  return finish(made, m, "activation", error);
}

recsys_status dnn_lrn(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, const recsys_op *op,
                      recsys_error *error) {
  making_one m = begin(&nothing, 0, 0);
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status = dnnl_lrn_forward_primitive_desc_create(&m.description, engine, dnnl_forward_inference,
                                                      dnnl_lrn_across_channels, MD(shape), MD(shape), op->size,
                                                      op->alpha, op->beta, op->k, m.attributes);
#else
  dnnl_lrn_desc_t lrn;
  describe(&m, engine,
           dnnl_lrn_forward_desc_init(&lrn, dnnl_forward_inference, dnnl_lrn_across_channels, MD(shape), op->size,
                                      op->alpha, op->beta, op->k),
           &lrn);
#endif
  return finish(made, m, "local response normalisation", error);
}

recsys_status dnn_softmax(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, recsys_error *error) {
  making_one m = begin(&nothing, 0, 0);
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status = dnnl_softmax_forward_primitive_desc_create(&m.description, engine, dnnl_forward_inference,
                                                          dnnl_softmax_accurate, MD(shape), MD(shape), 1, m.attributes);
#else
  dnnl_softmax_desc_t softmax;
  describe(&m, engine, dnnl_softmax_forward_desc_init(&softmax, dnnl_forward_inference, MD(shape), 1), &softmax);
#endif
  return finish(made, m, "softmax", error);
}

recsys_status dnn_add(dnn_made *made, dnnl_engine_t engine, const dnn_shape *a, const dnn_shape *b,
                      const dnn_shape *dst, recsys_error *error) {
  making_one m = begin(&nothing, 0, 0);
#if DNNL_VERSION_MAJOR >= 3
  if (m.status == dnnl_success)
    m.status =
        dnnl_binary_primitive_desc_create(&m.description, engine, dnnl_binary_add, MD(a), MD(b), MD(dst), m.attributes);
#else
  dnnl_binary_desc_t add;
  describe(&m, engine, dnnl_binary_desc_init(&add, dnnl_binary_add, MD(a), MD(b), MD(dst)), &add);
#endif
  return finish(made, m, "addition", error);
}

recsys_status dnn_reorder(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *dst,
                          const float *scale, recsys_error *error) {
  const dnn_after after = {.scales = scale, .channels = 1};
  making_one m = begin(&after, DNNL_ARG_SRC, 0);
  if (m.status == dnnl_success)
    m.status = dnnl_reorder_primitive_desc_create(&m.description, MD(src), engine, MD(dst), engine, m.attributes);
  return finish(made, m, "reordering", error);
}

void dnn_unmake(dnn_made *made) {
  if (made->primitive != NULL)
    dnnl_primitive_destroy(made->primitive);
  *made = (dnn_made){NULL};
}
