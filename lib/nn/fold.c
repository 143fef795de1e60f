/*
 * A smaller network with the same results: each batch norm that follows a convolution becomes part of its filters and
 * bias (Jacob et al. 2018, section 3.2), dropout disappears.
 *
 * With s = weight / sqrt(variance + epsilon) per output channel: filter' = filter * s, bias' = bias + (b - mean) * s.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

typedef struct fold {
  recsys__net *from;
  recsys__net *to;
  int32_t *moved;      /* from's operation -> to's */
  uint32_t *consumers; /* of each of from's operations: users and names */
  uint32_t *users;     /* of each of from's weights: operations */
} fold;

static int32_t moved(const fold *f, int32_t op) {
  return op == RECSYS_OP_INPUT ? op : f->moved[op];
}

/* Every use of a result counts: as an input, and under a name that a caller can ask for. */
static void count_consumers(const fold *f) {
  const recsys__net_storage *s = recsys__net_private(f->from);
  for (uint32_t i = 0; i < f->from->network.op_count; i++) {
    const recsys_op *op = &s->ops[i];
    for (uint32_t k = 0; k < op->input_count; k++)
      if (op->inputs[k] >= 0)
        f->consumers[op->inputs[k]]++;
    if (op->name != NULL)
      f->consumers[i]++;
  }
  for (size_t i = 0; i < s->alias_count; i++)
    f->consumers[s->aliases[i].op]++;
}

static void count_users(const fold *f) {
  for (uint32_t i = 0; i < f->from->network.op_count; i++) {
    const recsys_op *op = &f->from->network.ops[i];
    const int32_t used[4] = {op->weight, op->bias, op->mean, op->variance};
    for (int k = 0; k < 4; k++)
      if (used[k] >= 0)
        f->users[used[k]]++;
  }
}

static const recsys_op *input_conv(const fold *f, const recsys_op *norm) {
  int32_t input = norm->inputs[0];
  if (norm->kind != RECSYS_OP_BATCHNORM || input < 0 || f->consumers[input] != 1)
    return NULL;
  const recsys_op *conv = &f->from->network.ops[input];
  return conv->kind == RECSYS_OP_CONV ? conv : NULL;
}

/* Appends a weight: the very numbers, or a copy where several operations use them (folding changes them). -1 on
 * failure, which is sticky in the new network. */
static int32_t take_weight(fold *f, int32_t index) {
  if (index < 0)
    return -1;
  recsys_weight *weight = &recsys__net_private(f->from)->weights[index];
  int32_t copy = recsys__build_weight(f->to, weight->name, weight->rank, weight->shape);
  recsys__net_storage *s = recsys__net_private(f->to);
  if (copy < 0)
    return -1;
  if (f->users[index] == 1) {
    s->weights[copy].data = weight->data;
    weight->data = NULL;
    return copy;
  }
  uint64_t n = recsys__weight_values(weight);
  float *data = recsys__alloc_aligned(64, n, sizeof *data);
  if (data == NULL)
    s->failed = RECSYS_ENOMEM;
  else
    memcpy(data, weight->data, n * sizeof *data);
  s->weights[copy].data = data;
  return copy;
}

static void copy_op(fold *f, uint32_t index) {
  recsys_op op = f->from->network.ops[index];
  for (uint32_t k = 0; k < op.input_count; k++)
    op.inputs[k] = moved(f, op.inputs[k]);
  op.weight = take_weight(f, op.weight);
  op.bias = take_weight(f, op.bias);
  op.mean = take_weight(f, op.mean);
  op.variance = take_weight(f, op.variance);
  if (op.name != NULL)
    op.name = recsys__build_text(f->to, "%s", op.name);
  f->moved[index] = recsys__build_op(f->to, &op);
}

/* The bias of a convolution of the new network, made of zeros where it has none. NULL: no memory. */
static float *own_bias(fold *f, recsys_op *conv) {
  recsys__net_storage *s = recsys__net_private(f->to);
  if (conv->bias < 0) {
    const char *filter = s->weights[conv->weight].name;
    size_t length = strlen(filter), tail = strlen(".weight");
    int prefix = (int)(length > tail && strcmp(filter + length - tail, ".weight") == 0 ? length - tail : length);
    conv->bias = recsys__build_weight(f->to, recsys__build_text(f->to, "%.*s.bias", prefix, filter), 1,
                                      s->weights[conv->weight].shape);
    if (conv->bias < 0)
      return NULL;
    s->weights[conv->bias].data = recsys__calloc(conv->channels, sizeof(float));
    if (s->weights[conv->bias].data == NULL)
      s->failed = RECSYS_ENOMEM;
  }
  return (float *)(uintptr_t)s->weights[conv->bias].data;
}

static void merge(fold *f, const recsys_op *norm, uint32_t index) {
  recsys__net_storage *s = recsys__net_private(f->to);
  int32_t target = moved(f, norm->inputs[0]);
  f->moved[index] = target;
  float *bias = s->failed == RECSYS_OK ? own_bias(f, &s->ops[target]) : NULL;
  if (bias == NULL || s->failed != RECSYS_OK)
    return;
  const recsys_weight *w = f->from->network.weights;
  const float *scale = w[norm->weight].data, *shift = w[norm->bias].data;
  const float *mean = w[norm->mean].data, *variance = w[norm->variance].data;
  recsys_weight *filter = &s->weights[s->ops[target].weight];
  float *values = (float *)(uintptr_t)filter->data;
  uint64_t n = recsys__weight_values(filter) / filter->shape[0];
  for (uint64_t c = 0; c < filter->shape[0]; c++) {
    double factor = (double)scale[c] / sqrt((double)variance[c] + (double)norm->epsilon);
    for (uint64_t i = 0; i < n; i++)
      values[c * n + i] = (float)(values[c * n + i] * factor);
    bias[c] = (float)((double)shift[c] + ((double)bias[c] - mean[c]) * factor);
  }
  if (norm->name != NULL)
    s->ops[target].name = recsys__build_text(f->to, "%s", norm->name);
}

static void fold_ops(fold *f) {
  count_consumers(f);
  count_users(f);
  for (uint32_t i = 0; i < f->from->network.op_count; i++) {
    const recsys_op *op = &f->from->network.ops[i];
    if (recsys__net_private(f->to)->failed != RECSYS_OK)
      return;
    if (op->kind == RECSYS_OP_DROPOUT && op->name == NULL)
      f->moved[i] = moved(f, op->inputs[0]);
    else if (input_conv(f, op) != NULL)
      merge(f, op, i);
    else
      copy_op(f, i);
  }
  const recsys__net_storage *s = recsys__net_private(f->from);
  for (size_t i = 0; i < s->alias_count; i++)
    recsys__build_alias(f->to, recsys__build_text(f->to, "%s", s->aliases[i].name), f->moved[s->aliases[i].op]);
  if (s->classifier >= 0)
    recsys__net_private(f->to)->classifier = f->moved[s->classifier];
}

static bool filled(const recsys__net *net) {
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (net->network.weights[i].data == NULL)
      return false;
  return true;
}

recsys_status recsys__net_fold(recsys__net *folded, recsys__net *net, recsys_error *error) {
  *folded = (recsys__net){0};
  if (!filled(net))
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s has no weights yet: fill it before folding", net->architecture);
  recsys_status status = recsys__net_init(folded, error);
  if (status != RECSYS_OK)
    return status;
  memcpy(folded->architecture, net->architecture, sizeof folded->architecture);
  folded->classes = net->classes;
  folded->network.channels = net->network.channels;
  folded->network.height = net->network.height;
  folded->network.width = net->network.width;
  fold f = {.from = net, .to = folded};
  f.moved = recsys__calloc(net->network.op_count, sizeof *f.moved);
  f.consumers = recsys__calloc(net->network.op_count, sizeof *f.consumers);
  f.users = recsys__calloc(net->network.weight_count, sizeof *f.users);
  if (f.moved != NULL && f.consumers != NULL && f.users != NULL)
    fold_ops(&f);
  else
    recsys__net_private(folded)->failed = RECSYS_ENOMEM;
  recsys__free(f.moved);
  recsys__free(f.consumers);
  recsys__free(f.users);
  if (recsys__net_private(folded)->failed == RECSYS_OK)
    return recsys__ok(error);
  recsys__net_free(folded);
  return recsys__no_memory(error, "a folded network");
}
