/* The head that training puts on a network, as operations; and weights that move from one network to another. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

static void append_head(recsys__net *net, uint32_t layer, uint32_t hidden, uint32_t outputs) {
  int32_t x = (int32_t)layer;
  if (net->network.ops[layer].height != 0)
    x = recsys__build_flat(net, RECSYS_OP_FLATTEN, x);
  if (hidden > 0) {
    x = recsys__build_map(net, RECSYS_OP_RELU, recsys__build_linear(net, x, "head.0", hidden));
    x = recsys__build_dropout(net, recsys__build_name(net, x, RECSYS__HEAD_LAYER), 0.5f);
  }
  x = recsys__build_linear(net, x, hidden > 0 ? "head.3" : "head.0", outputs);
  recsys__net_private(net)->classifier = recsys__build_name(net, x, "logits");
  net->classes = outputs;
}

recsys_status recsys__net_add_head(recsys__net *net, const char *layer, uint32_t hidden, uint32_t outputs,
                                   recsys_error *error) {
  uint32_t op;
  recsys_status status = recsys__net_layer(net, layer, &op, error);
  if (status != RECSYS_OK)
    return status;
  append_head(net, op, hidden, outputs);
  return recsys__net_private(net)->failed == RECSYS_OK ? recsys__ok(error) : recsys__no_memory(error, "a head");
}

recsys_weight *recsys__net_weight(recsys__net *net, const char *name) {
  recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(s->weights[i].name, name) == 0)
      return &s->weights[i];
  return NULL;
}

uint64_t recsys__weight_values(const recsys_weight *weight) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < weight->rank; i++)
    n *= weight->shape[i];
  return n;
}

recsys_status recsys__net_set(recsys__net *net, const char *name, const float *values, recsys_error *error) {
  recsys_weight *weight = recsys__net_weight(net, name);
  if (weight == NULL)
    return recsys__fail(error, RECSYS_EINTERNAL, 0, "%s has no weight '%s'", net->architecture, name);
  float *data = recsys__alloc_aligned(64, recsys__weight_values(weight), sizeof *data);
  if (data == NULL)
    return recsys__no_memory(error, name);
  memcpy(data, values, recsys__weight_values(weight) * sizeof *data);
  recsys__free((void *)(uintptr_t)weight->data);
  weight->data = data;
  return RECSYS_OK;
}

recsys_status recsys__net_adopt(recsys__net *net, recsys__net *from, recsys_error *error) {
  for (uint32_t i = 0; i < net->network.weight_count; i++) {
    const recsys_weight *own = &net->network.weights[i], *source = recsys__net_weight(from, own->name);
    bool same = source != NULL && source->data != NULL && source->rank == own->rank &&
                memcmp(source->shape, own->shape, own->rank * sizeof *own->shape) == 0;
    recsys_status status = same ? recsys__net_set(net, own->name, source->data, error) : RECSYS_OK;
    if (status != RECSYS_OK)
      return status;
  }
  return RECSYS_OK;
}
