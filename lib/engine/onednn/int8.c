/*
 * Which results are integers, and what one unit of each stands for (Jacob et al., CVPR 2018: symmetric, one unit for a
 * whole activation and one for each output channel of the weights).
 *
 * A convolution with ranges runs over integers. Its result stays one where the next convolutions want it so, and passes
 * through pooling and concatenations unchanged: results that are joined so are one group with one unit. Everything else
 * sees floats.
 */
#include "engine/onednn/net.h"

bool int8_runs(const making *m, uint32_t op) {
  const recsys_op *is = &m->net->ops[op];
  return m->net->int8 && (is->kind == RECSYS_OP_CONV || is->kind == RECSYS_OP_LINEAR) && is->input_range > 0 &&
         is->output_range > 0;
}

double int8_unit(double range, bool negative) {
  return range / (negative ? 127 : 255);
}

dnn_shape int8_shape(const making *m, uint32_t op) {
  const recsys_op *is = &m->net->ops[op];
  const int64_t dims[4] = {m->plan->batch, is->channels, is->height, is->width};
  return dnn_shape_of(dims, 4, m->negative[op] ? dnnl_s8 : dnnl_u8, DNN_NHWC);
}

/* Results that take the values of their inputs. */
static bool passes(const making *m, uint32_t op) {
  uint32_t kind = m->net->ops[op].kind;
  return m->same[op] || kind == RECSYS_OP_MAXPOOL || kind == RECSYS_OP_AVGPOOL || kind == RECSYS_OP_CONCAT;
}

/* The inputs that a result takes its values from: of an addition that was taken over, the convolution that does it. */
static uint32_t sources(const making *m, uint32_t op, int32_t from[RECSYS_OP_MAX_INPUTS]) {
  const recsys_op *is = &m->net->ops[op];
  int32_t adder = plan_adder(m, (int32_t)op);
  for (uint32_t k = 0; k < is->input_count; k++)
    from[k] = adder >= 0 ? adder : is->inputs[k];
  return adder >= 0 ? 1 : is->input_count;
}

static void find_negative(making *m) {
  for (uint32_t i = 0; i <= m->plan->output; i++) {
    const recsys_op *op = &m->net->ops[i];
    int32_t from[RECSYS_OP_MAX_INPUTS];
    uint32_t count = sources(m, i, from);
    switch (op->kind) {
    case RECSYS_OP_CONV:
    case RECSYS_OP_LINEAR:
      m->negative[i] = !m->relu[i];
      break;
    case RECSYS_OP_RELU:
    case RECSYS_OP_SIGMOID:
    case RECSYS_OP_SOFTMAX:
      m->negative[i] = false;
      break;
    default:
      for (uint32_t k = 0; k < count; k++)
        m->negative[i] = m->negative[i] || from[k] < 0 || m->negative[from[k]];
    }
  }
}

/* Somebody reads it as integers: a convolution, or a result that passes them on to one. */
static bool wanted(const making *m, uint32_t op) {
  const recsys_op *ops = m->net->ops;
  for (uint32_t i = op + 1; i <= m->plan->output; i++)
    for (uint32_t k = 0; m->needed[i] && k < ops[i].input_count; k++)
      if (ops[i].inputs[k] == (int32_t)op &&
          ((ops[i].kind == RECSYS_OP_CONV && int8_runs(m, i)) || (passes(m, i) && m->unit[i] > 0)))
        return true;
  return false;
}

static bool read_by_int8_before(const making *m, int32_t op, uint32_t before) {
  for (uint32_t i = 0; i < before; i++)
    if (m->needed[i] && m->net->ops[i].inputs[0] == op && m->net->ops[i].kind == RECSYS_OP_CONV && int8_runs(m, i))
      return true;
  return false;
}

/* A convolution that adds to floats of which no range is known does so in floats. */
static bool possible(const making *m, uint32_t op) {
  int32_t from[RECSYS_OP_MAX_INPUTS], other = m->sum[op];
  uint32_t count = sources(m, op, from);
  if (m->net->ops[op].kind == RECSYS_OP_CONV)
    return int8_runs(m, op) && (other < 0 || m->unit[other] > 0 || read_by_int8_before(m, other, op));
  for (uint32_t k = 0; k < count; k++)
    if (!passes(m, op) || from[k] < 0 || m->unit[from[k]] == 0)
      return false;
  return true;
}

/* unit = 1 for results of integers, 0 for others: all begin as integers, until nothing more has to be taken back. */
static void find_integers(making *m) {
  for (uint32_t i = 0; i <= m->plan->output; i++)
    m->unit[i] = m->needed[i] ? 1 : 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = 0; i <= m->plan->output; i++)
      if (m->unit[i] > 0 && !(wanted(m, i) && possible(m, i))) {
        m->unit[i] = 0;
        changed = true;
      }
  }
}

/* Largest ranges and signs go to and fro within groups until nothing changes. */
static bool share(making *m, uint32_t a, uint32_t b) {
  if (m->unit[a] == m->unit[b] && m->negative[a] == m->negative[b])
    return false;
  m->unit[a] = m->unit[b] = m->unit[a] > m->unit[b] ? m->unit[a] : m->unit[b];
  m->negative[a] = m->negative[b] = m->negative[a] || m->negative[b];
  return true;
}

static bool share_all(making *m) {
  bool changed = false;
  for (uint32_t i = 0; i <= m->plan->output; i++) {
    int32_t from[RECSYS_OP_MAX_INPUTS];
    uint32_t count = sources(m, i, from);
    for (uint32_t k = 0; m->unit[i] > 0 && passes(m, i) && k < count; k++)
      changed = share(m, i, (uint32_t)from[k]) || changed;
  }
  return changed;
}

static void raise_to(double *range, float other) {
  if (*range > 0 && *range < (double)other)
    *range = (double)other;
}

void int8_find(making *m) {
  const recsys_op *ops = m->net->ops;
  find_negative(m);
  find_integers(m);
  for (uint32_t i = 0; i <= m->plan->output; i++)
    m->unit[i] *= 1e-30; /* a range that any other one is larger than */
  for (uint32_t i = 0; i <= m->plan->output; i++)
    if (m->needed[i] && ops[i].kind == RECSYS_OP_CONV && int8_runs(m, i)) {
      raise_to(&m->unit[i], ops[i].output_range);
      if (ops[i].inputs[0] >= 0)
        raise_to(&m->unit[ops[i].inputs[0]], ops[i].input_range);
    }
  while (share_all(m))
    ;
  for (uint32_t i = 0; i <= m->plan->output; i++)
    m->unit[i] = m->unit[i] > 0 ? int8_unit(m->unit[i], m->negative[i]) : 0;
}
