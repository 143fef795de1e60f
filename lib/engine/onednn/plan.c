/*
 * Which operations an output needs, and which of them disappear: a ReLU in the convolution or dense layer before it, an
 * addition in the convolution that makes one of its terms. (Concatenations stay: oneDNN's fast convolutions do not
 * write into a part of something larger.)
 */
#include <string.h>

#include "engine/onednn/net.h"

const recsys_weight *plan_weight(const recsys_network *network, int32_t index) {
  return (const recsys_weight *)((const char *)network->weights + (size_t)network->weight_size * (size_t)index);
}

recsys_status plan_weight_data(making *m, int32_t weight, const dnn_shape *is, const float **data) {
  const recsys_weight *given = plan_weight(m->network, weight);
  uint64_t values = 1;
  for (uint32_t i = 0; i < given->rank; i++)
    values *= given->shape[i];
  *data = given->data;
  if (values * sizeof(float) == dnn_bytes(is))
    return RECSYS_OK;
  return dnn_fail(m->error, RECSYS_EINVAL, "weight %d has %llu values, and its operation takes %zu", (int)weight,
                  (unsigned long long)values, dnn_bytes(is) / sizeof(float));
}

static void find_needed(making *m) {
  const recsys_op *ops = m->net->ops;
  m->needed[m->plan->output] = true;
  m->uses[m->plan->output] = 1;
  for (uint32_t i = m->plan->output + 1; i-- > 0;)
    for (uint32_t k = 0; m->needed[i] && k < ops[i].input_count; k++)
      if (ops[i].inputs[k] >= 0) {
        m->needed[ops[i].inputs[k]] = true;
        m->uses[ops[i].inputs[k]]++;
      }
}

/* Whether nobody but `reader` reads operation `op` from operation `from` on. */
static bool last_read_by(const making *m, int32_t op, uint32_t reader, uint32_t from) {
  const recsys_op *ops = m->net->ops;
  if ((uint32_t)op == m->plan->output)
    return false;
  for (uint32_t i = from; i <= m->plan->output; i++)
    for (uint32_t k = 0; m->needed[i] && i != reader && k < ops[i].input_count; k++)
      if (ops[i].inputs[k] == op)
        return false;
  return true;
}

/* The convolution that makes one term adds the other one, which was made before it, in that one's place. */
static void fuse_add(making *m, uint32_t add) {
  const recsys_op *ops = m->net->ops, *op = &ops[add];
  for (int k = 0; k < 2 && op->inputs[0] != op->inputs[1]; k++) {
    int32_t conv = op->inputs[k], other = op->inputs[1 - k];
    if (conv < 0 || other < 0 || other > conv || ops[conv].kind != RECSYS_OP_CONV || m->uses[conv] != 1)
      continue;
    bool own = ops[other].kind == RECSYS_OP_CONV || ops[other].kind == RECSYS_OP_RELU ||
               ops[other].kind == RECSYS_OP_ADD || ops[other].kind == RECSYS_OP_MAXPOOL;
    if (!own || !last_read_by(m, other, add, (uint32_t)conv))
      continue;
    m->sum[conv] = other;
    m->same[add] = true;
    return;
  }
}

int32_t plan_adder(const making *m, int32_t add) {
  const recsys_op *ops = m->net->ops;
  for (int k = 0; k < 2 && ops[add].kind == RECSYS_OP_ADD && m->same[add]; k++)
    if (m->sum[ops[add].inputs[k]] == ops[add].inputs[1 - k] && ops[ops[add].inputs[k]].kind == RECSYS_OP_CONV)
      return ops[add].inputs[k];
  return NONE;
}

/* The convolution or dense layer that makes the result of `op`; NONE: it is something else, or others read it, too. */
static int32_t maker_of(const making *m, int32_t op) {
  const recsys_op *ops = m->net->ops;
  if (op < 0 || m->uses[op] != 1)
    return NONE;
  if ((ops[op].kind == RECSYS_OP_CONV && m->sum[op] < 0) || ops[op].kind == RECSYS_OP_LINEAR)
    return op;
  return plan_adder(m, op);
}

static void fuse_relu(making *m, uint32_t relu) {
  int32_t maker = maker_of(m, m->net->ops[relu].inputs[0]);
  if (maker >= 0 && !m->relu[maker])
    m->relu[maker] = m->same[relu] = true;
}

static void find_fusions(making *m) {
  const recsys_op *ops = m->net->ops;
  for (uint32_t i = 0; i <= m->plan->output; i++) {
    if (!m->needed[i])
      continue;
    if (ops[i].kind == RECSYS_OP_ADD)
      fuse_add(m, i);
    else if (ops[i].kind == RECSYS_OP_RELU)
      fuse_relu(m, i);
  }
}

static bool make_room(making *m, uint32_t ops) {
  const net *n = m->net;
  m->needed = net_alloc(n, ops, sizeof *m->needed);
  m->uses = net_alloc(n, ops, sizeof *m->uses);
  m->same = net_alloc(n, ops, sizeof *m->same);
  m->relu = net_alloc(n, ops, sizeof *m->relu);
  m->sum = net_alloc(n, ops, sizeof *m->sum);
  m->value = net_alloc(n, ops, sizeof *m->value);
  m->shape = net_alloc(n, ops, sizeof *m->shape);
  m->unit = net_alloc(n, ops, sizeof *m->unit);
  m->negative = net_alloc(n, ops, sizeof *m->negative);
  m->narrowed = net_alloc(n, (size_t)ops + 1, sizeof *m->narrowed);
  m->plan->steps = net_alloc(n, (size_t)8 * ops + 8, sizeof *m->plan->steps);
  m->plan->buffers = net_alloc(n, (size_t)8 * ops + 8, sizeof *m->plan->buffers);
  if (!m->needed || !m->uses || !m->same || !m->relu || !m->sum || !m->value || !m->shape || !m->unit || !m->negative ||
      !m->narrowed || !m->plan->steps || !m->plan->buffers)
    return false;
  for (uint32_t i = 0; i < ops; i++)
    m->sum[i] = m->value[i] = m->narrowed[i].value = NONE;
  m->narrowed[ops].value = NONE;
  return true;
}

static void free_room(making *m) {
  void *const all[] = {m->needed, m->uses,  m->same, m->relu,     m->sum,
                       m->value,  m->shape, m->unit, m->negative, m->narrowed};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    net_free(m->net, all[i]);
}

static recsys_status emit_all(making *m) {
  recsys_status status = RECSYS_OK;
  for (uint32_t i = 0; status == RECSYS_OK && i <= m->plan->output; i++)
    if (m->needed[i])
      status = emit(m, i);
  return status == RECSYS_OK ? emit_output(m) : status;
}

recsys_status plan_make(net *n, plan *p, const recsys_network *network, uint32_t output, int64_t batch,
                        recsys_error *error) {
  making m = {.net = n, .plan = p, .network = network, .error = error, .input = NONE};
  *p = (plan){.output = output, .batch = batch};
  recsys_status status = RECSYS_OK;
  if (!make_room(&m, n->op_count))
    status = dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for its plan");
  if (status == RECSYS_OK) {
    find_needed(&m);
    find_fusions(&m);
    if (n->int8)
      int8_find(&m);
    status = emit_all(&m);
  }
  free_room(&m);
  return status == RECSYS_OK ? plan_place(n, p, error) : status;
}
