/* Random weights: He et al., "Delving deep into rectifiers" (2015), uniform in +-sqrt(6 / fan in). */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "nn/build.h"

static uint64_t count_values(const recsys_weight *weight, uint32_t from) {
  uint64_t n = 1;
  for (uint32_t i = from; i < weight->rank; i++)
    n *= weight->shape[i];
  return n;
}

static float *alloc_values(recsys_weight *weight) {
  if (weight->data == NULL)
    weight->data = recsys__alloc_aligned(64, count_values(weight, 0), sizeof(float));
  return (float *)(uintptr_t)weight->data;
}

static bool fill_constant(recsys_weight *weight, float value) {
  float *data = alloc_values(weight);
  for (uint64_t i = 0, n = count_values(weight, 0); data != NULL && i < n; i++)
    data[i] = value;
  return data != NULL;
}

/* Every weight has its own stream, so that its values do not depend on the others' sizes. Only exact operations and
 * sqrt, which IEEE 754 defines to the last bit: the same on every machine. */
static bool fill_random(recsys_weight *weight, uint64_t seed, uint64_t stream) {
  float *data = alloc_values(weight);
  if (data == NULL)
    return false;
  double bound = sqrt(6.0 / (double)count_values(weight, 1));
  recsys__random random;
  recsys__random_seed(&random, seed, stream);
  for (uint64_t i = 0, n = count_values(weight, 0); i < n; i++) {
    double unit = ((double)recsys__random_u32(&random) + 0.5) / 4294967296.0;
    data[i] = (float)((2 * unit - 1) * bound);
  }
  return true;
}

static bool randomise_op(recsys__net *net, const recsys_op *op, uint64_t seed) {
  recsys_weight *weights = recsys__net_private(net)->weights;
  bool done = true;
  if (op->kind == RECSYS_OP_BATCHNORM)
    done = fill_constant(&weights[op->weight], 1) && fill_constant(&weights[op->mean], 0) &&
           fill_constant(&weights[op->variance], 1);
  else if (op->weight >= 0)
    done = fill_random(&weights[op->weight], seed, (uint64_t)op->weight);
  return done && (op->bias < 0 || fill_constant(&weights[op->bias], 0));
}

recsys_status recsys__net_randomise(recsys__net *net, uint64_t seed, recsys_error *error) {
  for (uint32_t i = 0; i < net->network.op_count; i++)
    if (!randomise_op(net, &net->network.ops[i], seed))
      return recsys__no_memory(error, "random weights");
  return recsys__ok(error);
}
