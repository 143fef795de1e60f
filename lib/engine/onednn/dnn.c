/* oneDNN 2.x: operation descriptors of their own, memory descriptors as plain structs. */
#include "engine/onednn/dnn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if DNNL_VERSION_MAJOR != 2
#error "this engine is written for oneDNN 2.x (Debian 12 has 2.6.3): leave onednn out of RECSYS_ENGINES"
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

dnn_shape dnn_shape_of(const int64_t *dims, int rank, dnnl_data_type_t type, dnn_layout layout) {
  dnn_shape shape;
  dnnl_dims_t all = {0};
  memcpy(all, dims, (size_t)rank * sizeof *dims);
  if (dnnl_memory_desc_init_by_tag(&shape, rank, all, type, tag_of(rank, layout)) != dnnl_success)
    memset(&shape, 0, sizeof shape);
  return shape;
}

bool dnn_part_of(dnn_shape *part, const dnn_shape *whole, int64_t from, int64_t count) {
  dnnl_dims_t dims, offsets = {0};
  memcpy(dims, whole->dims, sizeof dims);
  dims[1] = count;
  offsets[1] = from;
  return dnnl_memory_desc_init_submemory(part, whole, dims, offsets) == dnnl_success;
}

size_t dnn_bytes(const dnn_shape *shape) {
  return dnnl_memory_desc_get_size(shape);
}

bool dnn_same(const dnn_shape *a, const dnn_shape *b) {
  return dnnl_memory_desc_equal(a, b) != 0;
}

/* -- operations */

static dnnl_primitive_attr_t attributes_for(dnn_after after) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t ops = NULL;
  bool ok = dnnl_primitive_attr_create(&attributes) == dnnl_success &&
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success &&
            dnnl_post_ops_create(&ops) == dnnl_success;
  ok = ok && (!after.add || dnnl_post_ops_append_sum(ops, 1) == dnnl_success);
  ok = ok && (!after.relu || dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success);
  ok = ok && dnnl_primitive_attr_set_post_ops(attributes, ops) == dnnl_success;
  if (ops != NULL)
    dnnl_post_ops_destroy(ops);
  if (!ok && attributes != NULL) {
    dnnl_primitive_attr_destroy(attributes);
    return NULL;
  }
  return attributes;
}

static recsys_status refuse(dnnl_status_t status, const char *what, recsys_error *error) {
  if (status == dnnl_out_of_memory)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a %s", what);
  return dnn_fail(error, RECSYS_EUNSUPPORTED, "oneDNN %d.%d.%d cannot make this %s (status %d)", DNNL_VERSION_MAJOR,
                  DNNL_VERSION_MINOR, DNNL_VERSION_PATCH, what, (int)status);
}

/* Takes the descriptor over. */
static recsys_status finish(dnn_made *made, dnnl_primitive_desc_t description, dnnl_status_t status, const char *what,
                            recsys_error *error) {
  *made = (dnn_made){NULL};
  if (status != dnnl_success)
    return refuse(status, what, error);
  const dnnl_memory_desc_t *weights = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
  if (weights != NULL)
    made->weights = *weights;
  made->scratch = scratch != NULL ? dnnl_memory_desc_get_size(scratch) : 0;
  status = dnnl_primitive_create(&made->primitive, description);
  dnnl_primitive_desc_destroy(description);
  return status == dnnl_success ? RECSYS_OK : refuse(status, what, error);
}

static recsys_status make(dnn_made *made, dnnl_engine_t engine, dnnl_status_t described, const void *operation,
                          dnn_after after, const char *what, recsys_error *error) {
  dnnl_primitive_desc_t description = NULL;
  dnnl_primitive_attr_t attributes = described == dnnl_success ? attributes_for(after) : NULL;
  dnnl_status_t status = described;
  if (status == dnnl_success)
    status = attributes == NULL ? dnnl_out_of_memory
                                : dnnl_primitive_desc_create(&description, operation, attributes, engine, NULL);
  if (attributes != NULL)
    dnnl_primitive_attr_destroy(attributes);
  return finish(made, description, status, what, error);
}

recsys_status dnn_conv(dnn_made *made, dnnl_engine_t engine, bool winograd, const dnn_shape *src,
                       const dnn_shape *weights, const dnn_shape *bias, const dnn_shape *dst, const dnn_window *window,
                       dnn_after after, recsys_error *error) {
  dnnl_convolution_desc_t conv;
  const dnnl_dims_t dilation = {window->dilation[0] - 1, window->dilation[1] - 1};
  dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
      &conv, dnnl_forward_inference, winograd ? dnnl_convolution_winograd : dnnl_convolution_direct, src, weights, bias,
      dst, window->stride, dilation, window->before, window->after);
  return make(made, engine, status, &conv, after, winograd ? "Winograd convolution" : "convolution", error);
}

recsys_status dnn_linear(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *weights,
                         const dnn_shape *bias, const dnn_shape *dst, dnn_after after, recsys_error *error) {
  dnnl_inner_product_desc_t product;
  dnnl_status_t status =
      dnnl_inner_product_forward_desc_init(&product, dnnl_forward_inference, src, weights, bias, dst);
  return make(made, engine, status, &product, after, "dense layer", error);
}

recsys_status dnn_pool(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *src,
                       const dnn_shape *dst, const dnn_window *window, recsys_error *error) {
  dnnl_pooling_desc_t pool;
  dnnl_status_t status = dnnl_pooling_forward_desc_init(&pool, dnnl_forward_inference, kind, src, dst, window->stride,
                                                        window->kernel, window->before, window->after);
  return make(made, engine, status, &pool, (dnn_after){false, false}, "pooling", error);
}

recsys_status dnn_map(dnn_made *made, dnnl_engine_t engine, dnnl_alg_kind_t kind, const dnn_shape *shape,
                      recsys_error *error) {
  dnnl_eltwise_desc_t map;
  dnnl_status_t status = dnnl_eltwise_forward_desc_init(&map, dnnl_forward_inference, kind, shape, 0, 0);
  return make(made, engine, status, &map, (dnn_after){false, false}, "activation", error);
}

recsys_status dnn_lrn(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, const recsys_op *op,
                      recsys_error *error) {
  dnnl_lrn_desc_t lrn;
  dnnl_status_t status = dnnl_lrn_forward_desc_init(&lrn, dnnl_forward_inference, dnnl_lrn_across_channels, shape,
                                                    op->size, op->alpha, op->beta, op->k);
  return make(made, engine, status, &lrn, (dnn_after){false, false}, "local response normalisation", error);
}

recsys_status dnn_softmax(dnn_made *made, dnnl_engine_t engine, const dnn_shape *shape, recsys_error *error) {
  dnnl_softmax_desc_t softmax;
  dnnl_status_t status = dnnl_softmax_forward_desc_init(&softmax, dnnl_forward_inference, shape, 1);
  return make(made, engine, status, &softmax, (dnn_after){false, false}, "softmax", error);
}

recsys_status dnn_add(dnn_made *made, dnnl_engine_t engine, const dnn_shape *a, const dnn_shape *b,
                      const dnn_shape *dst, recsys_error *error) {
  dnnl_binary_desc_t add;
  dnnl_status_t status = dnnl_binary_desc_init(&add, dnnl_binary_add, a, b, dst);
  return make(made, engine, status, &add, (dnn_after){false, false}, "addition", error);
}

recsys_status dnn_reorder(dnn_made *made, dnnl_engine_t engine, const dnn_shape *src, const dnn_shape *dst,
                          recsys_error *error) {
  dnnl_primitive_desc_t description = NULL;
  dnnl_primitive_attr_t attributes = attributes_for((dnn_after){false, false});
  dnnl_status_t status = attributes == NULL
                             ? dnnl_out_of_memory
                             : dnnl_reorder_primitive_desc_create(&description, src, engine, dst, engine, attributes);
  if (attributes != NULL)
    dnnl_primitive_attr_destroy(attributes);
  return finish(made, description, status, "reordering", error);
}

void dnn_unmake(dnn_made *made) {
  if (made->primitive != NULL)
    dnnl_primitive_destroy(made->primitive);
  *made = (dnn_made){NULL};
}
