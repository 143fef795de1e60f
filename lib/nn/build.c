/* The builder: appends operations and weights to a network and works out the shapes. */
#include "nn/build.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

recsys__net_storage *recsys__net_private(const recsys__net *net) {
  return net->storage;
}

recsys_status recsys__net_init(recsys__net *net, recsys_error *error) {
  *net = (recsys__net){0};
  recsys__net_storage *s = recsys__calloc(1, sizeof *s);
  if (s == NULL)
    return recsys__no_memory(error, "a network");
  s->classifier = -1;
  net->storage = s;
  net->network.struct_size = sizeof net->network;
  net->network.op_size = sizeof(recsys_op);
  net->network.weight_size = sizeof(recsys_weight);
  return RECSYS_OK;
}

void recsys__net_free(recsys__net *net) {
  if (net == NULL || net->storage == NULL)
    return;
  recsys__net_storage *s = recsys__net_private(net);
  for (size_t i = 0; i < net->network.weight_count; i++)
    recsys__free((void *)(uintptr_t)s->weights[i].data);
  for (size_t i = 0; i < s->string_count; i++)
    recsys__free(s->strings[i]);
  recsys__free(s->ops);
  recsys__free(s->weights);
  recsys__free(s->strings);
  recsys__free(s->aliases);
  recsys__free(s);
  *net = (recsys__net){0};
}

static bool room(recsys__net_storage *s, void *array, size_t *capacity, size_t need, size_t size) {
  if (s->failed == RECSYS_OK && !recsys__grow(array, capacity, need, size))
    s->failed = RECSYS_ENOMEM;
  return s->failed == RECSYS_OK;
}

const char *recsys__build_text(recsys__net *net, const char *format, ...) {
  recsys__net_storage *s = recsys__net_private(net);
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof text)
    s->failed = RECSYS_EINTERNAL;
  if (!room(s, &s->strings, &s->string_capacity, s->string_count + 1, sizeof *s->strings))
    return "";
  char *copy = recsys__strdup(text);
  if (copy == NULL) {
    s->failed = RECSYS_ENOMEM;
    return "";
  }
  return s->strings[s->string_count++] = copy;
}

int32_t recsys__build_op(recsys__net *net, const recsys_op *op) {
  recsys__net_storage *s = recsys__net_private(net);
  size_t count = net->network.op_count;
  if (!room(s, &s->ops, &s->op_capacity, count + 1, sizeof *s->ops))
    return RECSYS_OP_INPUT;
  s->ops[count] = *op;
  net->network.ops = s->ops;
  net->network.op_count++;
  return (int32_t)count;
}

int32_t recsys__build_weight(recsys__net *net, const char *name, uint32_t rank, const uint64_t *shape) {
  recsys__net_storage *s = recsys__net_private(net);
  recsys_weight weight = {.name = recsys__build_text(net, "%s", name), .rank = rank};
  memcpy(weight.shape, shape, rank * sizeof *shape);
  size_t count = net->network.weight_count;
  if (!room(s, &s->weights, &s->weight_capacity, count + 1, sizeof *s->weights))
    return -1;
  s->weights[count] = weight;
  net->network.weights = s->weights;
  net->network.weight_count++;
  return (int32_t)count;
}

/* prefix.suffix as a weight. */
static int32_t member(recsys__net *net, const char *prefix, const char *suffix, uint32_t rank, const uint64_t *shape) {
  char name[160];
  snprintf(name, sizeof name, "%s.%s", prefix, suffix);
  return recsys__build_weight(net, name, rank, shape);
}

/* An operation with nothing set but its kind, its input and a result of the input's shape. */
static recsys_op start(const recsys__net *net, recsys_op_kind kind, int32_t input) {
  recsys_op op = {.kind = kind, .input_count = 1, .weight = -1, .bias = -1, .mean = -1, .variance = -1};
  op.inputs[0] = input;
  if (input == RECSYS_OP_INPUT) {
    op.channels = net->network.channels;
    op.height = net->network.height;
    op.width = net->network.width;
  } else {
    const recsys_op *from = &net->network.ops[input];
    op.channels = from->channels;
    op.height = from->height;
    op.width = from->width;
  }
  return op;
}

/* The size of a result along one side; 0 where the window does not fit. PyTorch's rule (torch.nn.MaxPool2d): with
 * ceil_mode, a last window that would start in the padding on the right is dropped. */
static uint32_t slide(uint32_t size, recsys__window w) {
  if (size == 0 || size + 2 * w.pad < w.kernel)
    return 0;
  uint32_t room_left = size + 2 * w.pad - w.kernel;
  uint32_t count = (room_left + (w.ceil_mode ? w.stride - 1 : 0)) / w.stride + 1;
  if (w.ceil_mode && (count - 1) * w.stride >= size + w.pad)
    count--;
  return count;
}

static void apply_window(recsys__net *net, recsys_op *op, recsys__window w) {
  op->kernel_h = op->kernel_w = w.kernel;
  op->stride_h = op->stride_w = w.stride;
  op->pad_h = op->pad_w = w.pad;
  op->dilation = op->groups = 1;
  op->ceil_mode = w.ceil_mode;
  op->height = slide(op->height, w);
  op->width = slide(op->width, w);
  recsys__net_storage *s = recsys__net_private(net);
  if ((op->height == 0 || op->width == 0) && s->failed == RECSYS_OK)
    s->failed = RECSYS_EINTERNAL;
}

int32_t recsys__build_conv(recsys__net *net, int32_t input, const char *prefix, uint32_t channels,
                           recsys__window window, bool bias) {
  recsys_op op = start(net, RECSYS_OP_CONV, input);
  const uint64_t shape[4] = {channels, op.channels, window.kernel, window.kernel};
  op.weight = member(net, prefix, "weight", 4, shape);
  if (bias)
    op.bias = member(net, prefix, "bias", 1, shape);
  op.channels = channels;
  apply_window(net, &op, window);
  return recsys__build_op(net, &op);
}

int32_t recsys__build_batchnorm(recsys__net *net, int32_t input, const char *prefix, float epsilon) {
  recsys_op op = start(net, RECSYS_OP_BATCHNORM, input);
  const uint64_t shape[1] = {op.channels};
  op.weight = member(net, prefix, "weight", 1, shape);
  op.bias = member(net, prefix, "bias", 1, shape);
  op.mean = member(net, prefix, "running_mean", 1, shape);
  op.variance = member(net, prefix, "running_var", 1, shape);
  op.epsilon = epsilon;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_linear(recsys__net *net, int32_t input, const char *prefix, uint32_t channels) {
  recsys_op op = start(net, RECSYS_OP_LINEAR, input);
  const uint64_t shape[2] = {channels, op.channels};
  op.weight = member(net, prefix, "weight", 2, shape);
  op.bias = member(net, prefix, "bias", 1, shape);
  op.channels = channels;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_pool(recsys__net *net, recsys_op_kind kind, int32_t input, recsys__window window) {
  recsys_op op = start(net, kind, input);
  apply_window(net, &op, window);
  return recsys__build_op(net, &op);
}

int32_t recsys__build_map(recsys__net *net, recsys_op_kind kind, int32_t input) {
  recsys_op op = start(net, kind, input);
  return recsys__build_op(net, &op);
}

int32_t recsys__build_dropout(recsys__net *net, int32_t input, float rate) {
  recsys_op op = start(net, RECSYS_OP_DROPOUT, input);
  op.rate = rate;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_lrn(recsys__net *net, int32_t input, uint32_t size, float alpha, float beta, float k) {
  recsys_op op = start(net, RECSYS_OP_LRN, input);
  op.size = size;
  op.alpha = alpha;
  op.beta = beta;
  op.k = k;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_flat(recsys__net *net, recsys_op_kind kind, int32_t input) {
  recsys_op op = start(net, kind, input);
  if (kind == RECSYS_OP_FLATTEN)
    op.channels *= op.height * op.width;
  op.height = op.width = 0;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_add(recsys__net *net, int32_t a, int32_t b) {
  recsys_op op = start(net, RECSYS_OP_ADD, a);
  op.input_count = 2;
  op.inputs[1] = b;
  return recsys__build_op(net, &op);
}

int32_t recsys__build_concat(recsys__net *net, const int32_t *inputs, uint32_t count) {
  recsys_op op = start(net, RECSYS_OP_CONCAT, inputs[0]);
  op.input_count = count;
  for (uint32_t i = 1; i < count; i++) {
    op.inputs[i] = inputs[i];
    op.channels += start(net, RECSYS_OP_CONCAT, inputs[i]).channels;
  }
  return recsys__build_op(net, &op);
}

int32_t recsys__build_name(recsys__net *net, int32_t op, const char *name) {
  recsys__net_storage *s = recsys__net_private(net);
  if (s->failed == RECSYS_OK && op >= 0)
    s->ops[op].name = name;
  return op;
}

void recsys__build_alias(recsys__net *net, const char *name, int32_t op) {
  recsys__net_storage *s = recsys__net_private(net);
  if (op >= 0 && room(s, &s->aliases, &s->alias_capacity, s->alias_count + 1, sizeof *s->aliases))
    s->aliases[s->alias_count++] = (recsys__alias){name, op};
}

void recsys__build_softmax(recsys__net *net, int32_t logits) {
  int32_t op = recsys__build_map(net, RECSYS_OP_SOFTMAX, logits);
  recsys__net_private(net)->classifier = op;
  recsys__build_name(net, op, "softmax");
}

static bool has(const recsys__net *net, const char *name) {
  const recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.op_count; i++)
    if (s->ops[i].name != NULL && strcmp(s->ops[i].name, name) == 0)
      return true;
  for (size_t i = 0; i < s->alias_count; i++)
    if (strcmp(s->aliases[i].name, name) == 0)
      return true;
  return false;
}

void recsys__build_ends(recsys__net *net, int32_t trunk) {
  if (!has(net, "flatten"))
    recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, trunk), "flatten");
  if (!has(net, "avgpool"))
    recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_AVG, trunk), "avgpool");
  if (!has(net, "maxpool"))
    recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_GLOBAL_MAX, trunk), "maxpool");
}
