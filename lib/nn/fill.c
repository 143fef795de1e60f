/* Copies a file's tensors into a network: names, shapes and values are checked first, types become float32. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

/* "64 x 3 x 7 x 7", or "one number" */
static const char *shape_text(char *text, size_t size, const uint64_t *shape, uint32_t rank) {
  size_t at = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < rank && at < size; i++) {
    int n = snprintf(text + at, size - at, "%s%llu", i > 0 ? " x " : "", (unsigned long long)shape[i]);
    at += n > 0 ? (size_t)n : 0;
  }
  return rank > 0 ? text : "one number";
}

/* The units of a tensor of bytes; NULL: they are missing or of another shape. */
static const recsys__tensor *find_units(const recsys__tensors *tensors, const recsys__tensor *bytes) {
  char name[256];
  int length = snprintf(name, sizeof name, "%s" RECSYS__UNIT_SUFFIX, bytes->name);
  const recsys__tensor *units = length < (int)sizeof name ? recsys__tensors_find(tensors, name) : NULL;
  bool fits = units != NULL && units->dtype == RECSYS__F32 && units->rank == 1 && bytes->rank > 0 &&
              units->shape[0] == bytes->shape[0];
  return fits ? units : NULL;
}

static recsys_status check_weight(const recsys__net *net, const recsys_weight *weight, const recsys__tensors *tensors,
                                  const recsys__tensor *tensor, recsys_error *error) {
  char expected[96], found[96];
  shape_text(expected, sizeof expected, weight->shape, weight->rank);
  if (tensor == NULL)
    return recsys__fail(error, RECSYS_EMISMATCH, 0, "tensor '%s' (%s) of %s is missing: is this another architecture?",
                        weight->name, expected, net->architecture);
  if (tensor->rank != weight->rank || memcmp(tensor->shape, weight->shape, weight->rank * sizeof *weight->shape) != 0)
    return recsys__fail(error, RECSYS_EMISMATCH, 0, "tensor '%s' of %s must be %s, but here it is %s", weight->name,
                        net->architecture, expected, shape_text(found, sizeof found, tensor->shape, tensor->rank));
  if (tensor->dtype >= RECSYS__F32 && tensor->dtype <= RECSYS__F64)
    return RECSYS_OK;
  if (tensor->dtype == RECSYS__I8 && find_units(tensors, tensor) != NULL)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                      "tensor '%s' holds integers; weights are F32, F16, BF16 or F64, or I8 with a tensor '%s%s' of "
                      "one F32 for each output channel: convert the file",
                      weight->name, weight->name, RECSYS__UNIT_SUFFIX);
}

static bool starts_with(const char *text, const char *prefix) {
  return prefix != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Tensors that a complete file may have although the network does not use them. */
static bool known_unused(const recsys__net *net, const recsys__blueprint *blueprint, const char *name) {
  static const char counter[] = ".num_batches_tracked";
  size_t length = strlen(name);
  if (length >= sizeof counter && strcmp(name + length - (sizeof counter - 1), counter) == 0)
    return true;
  if (blueprint == NULL)
    return false;
  if (starts_with(name, blueprint->unused[0]) || starts_with(name, blueprint->unused[1]))
    return true;
  return net->classes == 0 && starts_with(name, blueprint->classifier) && name[strlen(blueprint->classifier)] == '.';
}

static bool has_weight(const recsys__net *net, const char *name) {
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(net->network.weights[i].name, name) == 0)
      return true;
  return false;
}

static bool is_unit(const recsys__net *net, const recsys__tensors *tensors, const char *name) {
  size_t length = strlen(name), tail = strlen(RECSYS__UNIT_SUFFIX);
  for (uint32_t i = 0; length > tail && i < net->network.weight_count; i++) {
    const char *weight = net->network.weights[i].name;
    if (strlen(weight) == length - tail && strncmp(weight, name, length - tail) == 0)
      return strcmp(name + length - tail, RECSYS__UNIT_SUFFIX) == 0 &&
             recsys__tensors_find(tensors, weight)->dtype == RECSYS__I8;
  }
  return false;
}

static recsys_status check_names(const recsys__net *net, const recsys__tensors *tensors, recsys_error *error) {
  for (uint32_t i = 0; i < net->network.weight_count; i++) {
    const recsys_weight *weight = &net->network.weights[i];
    recsys_status status = check_weight(net, weight, tensors, recsys__tensors_find(tensors, weight->name), error);
    if (status != RECSYS_OK)
      return status;
  }
  const recsys__blueprint *blueprint = recsys__blueprint_find(net->architecture);
  for (size_t i = 0; i < tensors->count; i++) {
    const char *name = tensors->list[i].name;
    if (!known_unused(net, blueprint, name) && !has_weight(net, name) && !is_unit(net, tensors, name))
      return recsys__fail(error, RECSYS_EMISMATCH, 0,
                          "tensor '%.100s' does not belong to %s: is this another architecture?", name,
                          net->architecture);
  }
  return RECSYS_OK;
}

/* IEEE 754 binary16: sign, 5 bits of exponent with bias 15, 10 of fraction. */
static float from_half(uint16_t half) {
  int exponent = half >> 10 & 31;
  float fraction = (float)(half & 1023);
  float value = exponent == 0    ? ldexpf(fraction, -24)
                : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                 : ldexpf(1024 + fraction, exponent - 25);
  return (half & 0x8000) != 0 ? -value : value;
}

static float from_bfloat16(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static void convert(float *out, const void *raw, recsys__dtype dtype, uint64_t n) {
  const uint16_t *u16 = raw;
  const double *f64 = raw;
  const int8_t *i8 = raw;
  switch (dtype) {
  case RECSYS__F16:
    for (uint64_t i = 0; i < n; i++)
      out[i] = from_half(u16[i]);
    break;
  case RECSYS__BF16:
    for (uint64_t i = 0; i < n; i++)
      out[i] = from_bfloat16(u16[i]);
    break;
  case RECSYS__F64:
    /* Beyond float's range the conversion would be undefined; infinity is reported by the caller. */
    for (uint64_t i = 0; i < n; i++)
      out[i] = fabs(f64[i]) <= (double)FLT_MAX ? (float)f64[i] : INFINITY;
    break;
  default:
    for (uint64_t i = 0; i < n; i++)
      out[i] = i8[i];
  }
}

static recsys_status scale(float *values, uint64_t n, const recsys__tensors *tensors, const recsys__tensor *units,
                           recsys_error *error) {
  float *unit = recsys__alloc(units->shape[0], sizeof *unit);
  recsys_status status =
      unit != NULL ? recsys__tensors_load(tensors, units, unit, error) : recsys__no_memory(error, units->name);
  uint64_t each = n / units->shape[0];
  for (uint64_t i = 0; status == RECSYS_OK && i < n; i++)
    values[i] *= unit[i / each];
  recsys__free(unit);
  return status;
}

/* Straight to its place where it is F32. */
static recsys_status load(float *values, uint64_t n, const recsys__tensors *tensors, const recsys__tensor *tensor,
                          recsys_error *error) {
  if (tensor->dtype == RECSYS__F32)
    return recsys__tensors_load(tensors, tensor, values, error);
  void *raw = recsys__alloc_aligned(64, tensor->bytes, 1);
  if (raw == NULL)
    return recsys__no_memory(error, tensor->name);
  recsys_status status = recsys__tensors_load(tensors, tensor, raw, error);
  if (status == RECSYS_OK)
    convert(values, raw, tensor->dtype, n);
  recsys__free(raw);
  return status == RECSYS_OK && tensor->dtype == RECSYS__I8
             ? scale(values, n, tensors, find_units(tensors, tensor), error)
             : status;
}

/* In blocks, which the compiler does with vectors: the exponent's bits are all set in infinities and NaNs alone. */
static bool all_finite(const float *values, uint64_t n) {
  enum { BLOCK = 16 };
  uint32_t bits[BLOCK], worst[BLOCK] = {0};
  uint64_t whole = n / BLOCK * BLOCK;
  for (uint64_t i = 0; i < whole; i += BLOCK) {
    memcpy(bits, values + i, sizeof bits);
    for (int k = 0; k < BLOCK; k++)
      worst[k] |= (bits[k] & 0x7f800000) + 0x00800000; /* the sign's bit, where they are */
  }
  uint32_t any = 0;
  for (int k = 0; k < BLOCK; k++)
    any |= worst[k];
  for (uint64_t i = whole; i < n; i++)
    any |= isfinite(values[i]) ? 0 : 0x80000000;
  return (any & 0x80000000) == 0;
}

static recsys_status check_values(const float *values, uint64_t n, const char *name, recsys_error *error) {
  if (all_finite(values, n))
    return RECSYS_OK;
  for (uint64_t i = 0; i < n; i++)
    if (!isfinite(values[i]))
      return recsys__fail(error, RECSYS_EFORMAT, 0,
                          "value %llu of tensor '%s' is no finite float32: the weights are damaged",
                          (unsigned long long)i, name);
  return RECSYS_OK;
}

static recsys_status copy_weight(recsys_weight *weight, const recsys__tensors *tensors, recsys_error *error) {
  const recsys__tensor *tensor = recsys__tensors_find(tensors, weight->name);
  uint64_t n = recsys__weight_values(weight);
  float *data = recsys__alloc_aligned(64, n, sizeof *data);
  if (data == NULL)
    return recsys__no_memory(error, weight->name);
  recsys__free((void *)(uintptr_t)weight->data);
  weight->data = data;
  recsys_status status = load(data, n, tensors, tensor, error);
  return status == RECSYS_OK ? check_values(data, n, weight->name, error) : status;
}

/* A negative variance would make its channel NaN. */
static recsys_status check_variances(const recsys__net *net, recsys_error *error) {
  for (uint32_t i = 0; i < net->network.op_count; i++) {
    const recsys_op *op = &net->network.ops[i];
    if (op->kind != RECSYS_OP_BATCHNORM)
      continue;
    const recsys_weight *variance = &net->network.weights[op->variance];
    for (uint64_t c = 0; c < variance->shape[0]; c++)
      if (variance->data[c] < 0)
        return recsys__fail(error, RECSYS_EFORMAT, 0, "value %llu of tensor '%s', a variance, is negative",
                            (unsigned long long)c, variance->name);
  }
  return RECSYS_OK;
}

void recsys__net_drop_values(recsys__net *net, const uint8_t *kept) {
  recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.weight_count; i++) {
    if (kept != NULL && kept[i])
      continue;
    recsys__free((void *)(uintptr_t)s->weights[i].data);
    s->weights[i].data = NULL;
  }
}

recsys_status recsys__net_fill(recsys__net *net, const recsys__tensors *tensors, recsys_error *error) {
  recsys_status status = check_names(net, tensors, error);
  if (status != RECSYS_OK)
    return status;
  recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.weight_count && status == RECSYS_OK; i++)
    status = copy_weight(&s->weights[i], tensors, error);
  if (status == RECSYS_OK)
    status = check_variances(net, error);
  if (status != RECSYS_OK) {
    recsys__net_drop_values(net, NULL);
    return status;
  }
  return recsys__ok(error);
}
