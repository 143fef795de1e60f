/* Weights in the layouts that the operations want, each reordered once. */
#include <math.h>
#include <string.h>

#include "engine/onednn/net.h"

const dnn_shape *weights_there(const net *n, int32_t weight) {
  for (uint32_t i = 0; i < n->weights_count; i++)
    if (n->weights[i].weight == weight)
      return &n->weights[i].shape;
  return NULL;
}

static weights *new_weights(net *n) {
  if (n->weights_count == n->weights_capacity) {
    uint32_t capacity = 2 * n->weights_capacity + 64;
    weights *more = net_alloc(n, capacity, sizeof *more);
    if (more == NULL)
      return NULL;
    if (n->weights_count > 0)
      memcpy(more, n->weights, n->weights_count * sizeof *more);
    net_free(n, n->weights);
    n->weights = more;
    n->weights_capacity = capacity;
  }
  return &n->weights[n->weights_count];
}

static recsys_status reorder(net *n, const void *data, const dnn_shape *is, const dnn_shape *want, void *to,
                             recsys_error *error) {
  dnn_made made;
  dnnl_memory_t from = NULL, into = NULL, scratch = NULL;
  recsys_status status = dnn_reorder(&made, n->engine, is, want, NULL, error);
  if (status != RECSYS_OK)
    return status;
  const dnnl_dims_t bytes = {(dnnl_dim_t)made.scratch};
  dnn_shape working = dnn_shape_of(bytes, 1, dnnl_u8, DNN_PLAIN);
  void *memory = made.scratch > 0 ? net_alloc(n, made.scratch, 1) : NULL;
  bool ok = (memory != NULL || made.scratch == 0) &&
            dnn_memory(&from, is, n->engine, (void *)(uintptr_t)data) == dnnl_success &&
            dnn_memory(&into, want, n->engine, to) == dnnl_success &&
            dnn_memory(&scratch, &working, n->engine, memory) == dnnl_success;
  const dnnl_exec_arg_t arguments[3] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, into}, {DNNL_ARG_SCRATCHPAD, scratch}};
  ok = ok && dnnl_primitive_execute(made.primitive, n->stream, made.scratch > 0 ? 3 : 2, arguments) == dnnl_success &&
       dnnl_stream_wait(n->stream) == dnnl_success;
  dnnl_memory_t all[3] = {from, into, scratch};
  for (int i = 0; i < 3; i++)
    if (all[i] != NULL)
      dnnl_memory_destroy(all[i]);
  net_free(n, memory);
  dnn_unmake(&made);
  return ok ? RECSYS_OK : dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory to reorder weights");
}

static bool find(const net *n, int32_t weight, const dnn_shape *want, uint32_t *index) {
  for (*index = 0; *index < n->weights_count; ++*index)
    if (weight >= 0 && n->weights[*index].weight == weight && dnn_same(&n->weights[*index].shape, want))
      return true;
  return false;
}

/* Room for one more in that shape. */
static recsys_status make(making *m, int32_t weight, const dnn_shape *want, uint32_t *index) {
  net *n = m->net;
  weights *w = new_weights(n);
  void *to = w != NULL ? net_room(n, dnn_bytes(want), 1) : NULL;
  if (to == NULL)
    return dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for %zu bytes of weights",
                    dnn_bytes(want));
  *w = (weights){weight, *want, to, false};
  *index = n->weights_count++;
  return RECSYS_OK;
}

recsys_status weights_get(making *m, int32_t weight, const float *data, const dnn_shape *is, const dnn_shape *want,
                          uint32_t *index) {
  net *n = m->net;
  if (find(n, weight, want, index))
    return RECSYS_OK;
  recsys_status status = make(m, weight, want, index);
  return status == RECSYS_OK ? reorder(n, data, is, want, n->weights[*index].data, m->error) : status;
}

recsys_status weights_keep(making *m, int32_t weight, const float *data, const dnn_shape *is, uint32_t *index) {
  net *n = m->net;
  if (n->kept == NULL || find(n, weight, is, index))
    return weights_get(m, weight, data, is, is, index);
  weights *w = new_weights(n);
  if (w == NULL)
    return dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for its weights");
  *w = (weights){weight, *is, (void *)(uintptr_t)data, true};
  *index = n->weights_count++;
  n->kept[weight] = 1;
  return RECSYS_OK;
}

recsys_status weights_get_winograd(making *m, int32_t weight, const float *data, int64_t outputs, int64_t inputs,
                                   int64_t padded_inputs, uint32_t *index, dnn_shape *shape) {
  net *n = m->net;
  const int64_t dims[4] = {WINOGRAD_POINTS, outputs, padded_inputs, 1};
  *shape = dnn_shape_of(dims, 4, dnnl_f32, DNN_PLAIN);
  if (find(n, weight, shape, index))
    return RECSYS_OK;
  recsys_status status = make(m, weight, shape, index);
  if (status == RECSYS_OK && inputs != padded_inputs)
    memset(n->weights[*index].data, 0, dnn_bytes(shape));
  if (status == RECSYS_OK)
    winograd_weights(n->winograd, outputs, inputs, padded_inputs, data, n->weights[*index].data, n->threads);
  return status;
}

/* Codes of -127 .. 127, channel by channel. */
static void quantise(const float *data, size_t channels, size_t each, const double *units, int8_t *codes) {
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < each; i++)
      codes[c * each + i] = (int8_t)lrint((double)data[c * each + i] / units[c]);
}

recsys_status weights_get_int8(making *m, int32_t weight, const float *data, const dnn_shape *is, int64_t channels,
                               const double *units, const dnn_shape *want, uint32_t *index) {
  net *n = m->net;
  if (find(n, weight, want, index))
    return RECSYS_OK;
  const dnn_shape plain = dnn_shape_of(is->dims, is->ndims, dnnl_s8, DNN_PLAIN);
  size_t count = dnn_bytes(&plain);
  int8_t *codes = net_alloc(n, count, 1);
  recsys_status status = codes != NULL ? make(m, weight, want, index)
                                       : dnn_fail(m->error, RECSYS_ENOMEM, "the onednn engine has no memory for int8");
  if (status == RECSYS_OK) {
    quantise(data, (size_t)channels, count / (size_t)channels, units, codes);
    status = reorder(n, codes, &plain, want, n->weights[*index].data, m->error);
  }
  net_free(n, codes);
  return status;
}

recsys_status weights_put(making *m, const float *data, int64_t count, uint32_t *index, dnn_shape *shape) {
  *shape = dnn_shape_of(&count, 1, dnnl_f32, DNN_PLAIN);
  recsys_status status = make(m, NONE, shape, index);
  if (status == RECSYS_OK)
    memcpy(m->net->weights[*index].data, data, (size_t)count * sizeof *data);
  return status;
}
