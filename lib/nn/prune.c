/* A network without its dense end, for files that end before it ("no top"). */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

static bool is_missing(const recsys__net *net, const recsys_op *op, const recsys__tensors *tensors) {
  if (tensors == NULL)
    return op->kind == RECSYS_OP_LINEAR;
  return op->weight >= 0 && recsys__tensors_find(tensors, net->network.weights[op->weight].name) == NULL;
}

/* Operations that stand on a weight which is not there. */
static bool mark_missing(const recsys__net *net, const recsys__tensors *tensors, bool *gone) {
  bool any = false;
  for (uint32_t i = 0; i < net->network.op_count; i++) {
    const recsys_op *op = &net->network.ops[i];
    gone[i] = is_missing(net, op, tensors);
    for (uint32_t k = 0; k < op->input_count; k++)
      gone[i] = gone[i] || (op->inputs[k] >= 0 && gone[op->inputs[k]]);
    any = any || gone[i];
  }
  return any;
}

/* Only the dense layers at the end may be missing as a whole: nothing that stays is flat and has weights. */
static bool ends_before_dense(const recsys__net *net, const bool *gone) {
  for (uint32_t i = 0; i < net->network.op_count; i++) {
    const recsys_op *op = &net->network.ops[i];
    bool dense = op->kind == RECSYS_OP_LINEAR, weighty = op->weight >= 0;
    if (weighty && gone[i] != dense)
      return false;
  }
  return true;
}

static void remove_ops(recsys__net *net, const bool *gone, int32_t *moved) {
  recsys__net_storage *s = recsys__net_private(net);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < net->network.op_count; i++) {
    moved[i] = gone[i] ? -1 : (int32_t)kept;
    if (gone[i])
      continue;
    recsys_op op = s->ops[i];
    for (uint32_t k = 0; k < op.input_count; k++)
      op.inputs[k] = op.inputs[k] >= 0 ? moved[op.inputs[k]] : op.inputs[k];
    s->ops[kept++] = op;
  }
  net->network.op_count = kept;
  size_t aliases = 0;
  for (size_t i = 0; i < s->alias_count; i++)
    if (moved[s->aliases[i].op] >= 0)
      s->aliases[aliases++] = (recsys__alias){s->aliases[i].name, moved[s->aliases[i].op]};
  s->alias_count = aliases;
  s->classifier = -1;
  net->classes = 0;
}

/* The weights that no operation has any more are the last ones: dense layers come after all others. */
static void remove_weights(recsys__net *net) {
  int32_t last = -1;
  for (uint32_t i = 0; i < net->network.op_count; i++) {
    const recsys_op *op = &net->network.ops[i];
    const int32_t own[4] = {op->weight, op->bias, op->mean, op->variance};
    for (int k = 0; k < 4; k++)
      last = own[k] > last ? own[k] : last;
  }
  net->network.weight_count = (uint32_t)(last + 1);
}

recsys_status recsys__net_prune(recsys__net *net, const recsys__tensors *tensors, bool *pruned, recsys_error *error) {
  bool *gone = recsys__calloc(net->network.op_count, sizeof *gone);
  int32_t *moved = recsys__calloc(net->network.op_count, sizeof *moved);
  bool good = gone != NULL && moved != NULL;
  *pruned = false;
  if (good && mark_missing(net, tensors, gone) && ends_before_dense(net, gone)) {
    remove_ops(net, gone, moved);
    remove_weights(net);
    *pruned = true;
  }
  recsys__free(gone);
  recsys__free(moved);
  return good ? RECSYS_OK : recsys__no_memory(error, "a network without its end");
}
