/*
 * The last blocks of a network, for training them further. A block is a residual block (layer4.2), an inception or fire
 * module (inception_5b, features.12), else one layer with weights and the batch norm after it.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

/* Length of the part of a weight's name that names its block: two components where the second is a number, else one. */
static size_t block_length(const char *name) {
  size_t first = strcspn(name, "./");
  const char *second = name + first + (name[first] != '\0');
  size_t length = strcspn(second, "./");
  bool number = length > 0 && strspn(second, "0123456789") == length && second[length] != '\0';
  return number ? first + 1 + length : first;
}

/* Marks what `op` depends on, itself included. */
static void mark_needed(const recsys__net *net, uint32_t op, bool *needed) {
  needed[op] = true;
  for (uint32_t i = op + 1; i-- > 0;)
    for (uint32_t k = 0; needed[i] && k < net->network.ops[i].input_count; k++)
      if (net->network.ops[i].inputs[k] >= 0)
        needed[net->network.ops[i].inputs[k]] = true;
}

/* The name that tells an operation's block: its weight's; a batch norm belongs to what it normalises. */
static const char *block_name(const recsys__net *net, const recsys_op *op) {
  if (op->kind == RECSYS_OP_BATCHNORM && op->inputs[0] >= 0 && net->network.ops[op->inputs[0]].weight >= 0)
    op = &net->network.ops[op->inputs[0]];
  return op->weight >= 0 ? net->network.weights[op->weight].name : NULL;
}

static bool same_block(const char *a, const char *b) {
  size_t length = block_length(a);
  return length == block_length(b) && strncmp(a, b, length) == 0;
}

recsys_status recsys__net_last_blocks(const recsys__net *net, uint32_t op, uint32_t blocks, uint8_t *trained,
                                      uint32_t *found, recsys_error *error) {
  bool *needed = recsys__calloc(net->network.op_count, sizeof *needed);
  const char *last = NULL;
  *found = 0;
  memset(trained, 0, net->network.weight_count);
  if (needed == NULL)
    return recsys__no_memory(error, "the blocks of a network");
  mark_needed(net, op, needed);
  for (uint32_t i = net->network.op_count; i-- > 0;) {
    const recsys_op *o = &net->network.ops[i];
    const char *name = needed[i] ? block_name(net, o) : NULL;
    if (name == NULL)
      continue;
    bool fresh = last == NULL || !same_block(name, last);
    if (fresh && *found == blocks)
      break;
    *found += fresh;
    last = name;
    trained[o->weight] = 1;
    if (o->bias >= 0)
      trained[o->bias] = 1;
  }
  recsys__free(needed);
  return RECSYS_OK;
}
