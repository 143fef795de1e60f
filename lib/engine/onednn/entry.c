/* librecsys-onednn.so: inference on processors through oneDNN. The engine's table, and networks in it. */
#define RECSYS_ENGINE_BUILD
#include <stdio.h>
#include <string.h>

#include "engine/onednn/net.h"

struct recsys_engine_net {
  net net;
};

/* Weak, so that it is the one of whichever OpenMP oneDNN itself has brought, and NULL where it has none. */
extern void omp_set_num_threads(int) __attribute__((weak));

static const recsys_host *given;

static void use_threads(uint32_t threads) {
  if (omp_set_num_threads != NULL)
    omp_set_num_threads((int)threads);
}

static int32_t supports_bfloat16(const char *device) {
  (void)device;
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") ? 1 : 0;
#else
  return 0;
#endif
}

/* -- loading */

static recsys_status check_op(const recsys_network *network, uint32_t index, const recsys_op *op, recsys_error *error) {
  if (op->kind < RECSYS_OP_CONV || op->kind > RECSYS_OP_FLATTEN)
    return dnn_fail(error, RECSYS_EUNSUPPORTED, "operation %u is of kind %u, which the onednn engine does not know",
                    index, op->kind);
  bool weighty = op->kind == RECSYS_OP_CONV || op->kind == RECSYS_OP_LINEAR;
  bool valid = op->input_count >= 1 && op->input_count <= RECSYS_OP_MAX_INPUTS &&
               (op->kind != RECSYS_OP_ADD || op->input_count == 2) &&
               (!weighty || (op->weight >= 0 && op->channels > 0));
  for (uint32_t k = 0; valid && k < op->input_count; k++)
    valid = op->inputs[k] >= RECSYS_OP_INPUT && op->inputs[k] < (int32_t)index;
  const int32_t used[4] = {op->weight, op->bias, op->mean, op->variance};
  for (int k = 0; k < 4; k++)
    valid = valid && used[k] >= -1 && (used[k] < 0 || (uint32_t)used[k] < network->weight_count);
  return valid ? RECSYS_OK : dnn_fail(error, RECSYS_EINVAL, "operation %u has an impossible input or weight", index);
}

/* Dropout does nothing here: who reads it reads what it reads. */
static void skip_dropout(const recsys_op *ops, recsys_op *op) {
  for (uint32_t k = 0; k < op->input_count; k++)
    while (op->inputs[k] >= 0 && ops[op->inputs[k]].kind == RECSYS_OP_DROPOUT)
      op->inputs[k] = ops[op->inputs[k]].inputs[0];
}

/* The library's entries may be longer than ours, from a newer one. */
static recsys_status read_ops(net *n, const recsys_network *network, recsys_error *error) {
  size_t size = network->op_size < sizeof *n->ops ? network->op_size : sizeof *n->ops;
  n->ops = net_alloc(n, network->op_count, sizeof *n->ops);
  if (n->ops == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a network");
  n->op_count = network->op_count;
  recsys_status status = RECSYS_OK;
  for (uint32_t i = 0; status == RECSYS_OK && i < n->op_count; i++) {
    memcpy(&n->ops[i], (const char *)network->ops + (size_t)network->op_size * i, size);
    n->ops[i].name = NULL;
    status = check_op(network, i, &n->ops[i], error);
    if (status == RECSYS_OK)
      skip_dropout(n->ops, &n->ops[i]);
  }
  return status;
}

/* Without these instructions oneDNN's sums of products may overflow. */
static bool has_int8(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl");
#else
  return true;
#endif
}

static recsys_status check_options(const recsys_engine_options *options, recsys_error *error) {
  const char *device = options->device;
  if (options->precision > RECSYS_PRECISION_INT8)
    return dnn_fail(error, RECSYS_EUNSUPPORTED, "the onednn engine does not know precision %u", options->precision);
  if (options->precision == RECSYS_PRECISION_INT8 && !has_int8())
    return dnn_fail(error, RECSYS_EUNSUPPORTED,
                    "this processor has no int8 products (AVX-512 VNNI): open the model with precision float32");
  if (device == NULL || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0)
    return RECSYS_OK;
  if (strncmp(device, "cuda", 4) == 0)
    return dnn_fail(error, RECSYS_ENOENGINE,
                    "the onednn engine runs on processors, not on '%.40s': use the engine \"torch\"", device);
  return dnn_fail(error, RECSYS_EINVAL, "device '%.40s' is unknown: use auto, cpu, cuda or cuda:N", device);
}

static recsys_status make_plans(net *n, const recsys_network *network, const recsys_engine_options *options,
                                recsys_error *error) {
  recsys_status status = RECSYS_OK;
  n->plans = net_alloc(n, 2 * options->output_count, sizeof *n->plans);
  if (n->plans == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for its plans");
  for (uint64_t o = 0; status == RECSYS_OK && o < 2 * options->output_count; o++) {
    uint32_t output = options->outputs[o / 2];
    if (output >= n->op_count)
      return dnn_fail(error, RECSYS_EINVAL, "output %u is past the last operation", output);
    n->plan_count++;
    status = plan_make(n, &n->plans[o], network, output, o % 2 == 0 ? NET_BATCH : 1, error);
  }
  return status;
}

static void unload(recsys_engine_net *loaded) {
  net *n = &loaded->net;
  for (uint32_t i = 0; i < n->plan_count; i++)
    plan_free(n, &n->plans[i]);
  for (uint32_t i = 0; i < n->weights_count; i++)
    if (!n->weights[i].kept)
      net_free(n, n->weights[i].data);
  void *const all[] = {n->weights, n->plans, n->ops, n->block, n->staged};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    net_free(n, all[i]);
  if (n->stream != NULL)
    dnnl_stream_destroy(n->stream);
  if (n->engine != NULL)
    dnnl_engine_destroy(n->engine);
  given->free(loaded);
}

static recsys_status load(recsys_engine_net **out, const recsys_network *network, const recsys_engine_options *options,
                          recsys_error *error) {
  *out = NULL;
  recsys_status status = check_options(options, error);
  if (status != RECSYS_OK)
    return status;
  use_threads(options->threads);
  recsys_engine_net *loaded = given->alloc(64, sizeof *loaded);
  if (loaded == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a network");
  net *n = &loaded->net;
  *n = (net){.host = given,
             .threads = options->threads,
             .type = options->precision == RECSYS_PRECISION_BFLOAT16 ? dnnl_bf16 : dnnl_f32,
             .int8 = options->precision == RECSYS_PRECISION_INT8,
             .winograd = (options->flags & RECSYS_ENGINE_DIRECT) != 0 ? NULL : winograd_kernel_at(0),
             .channels = network->channels,
             .height = network->height,
             .width = network->width};
  if (dnnl_engine_create(&n->engine, dnnl_cpu, 0) != dnnl_success ||
      dnnl_stream_create(&n->stream, n->engine, dnnl_stream_default_flags) != dnnl_success)
    status = dnn_fail(error, RECSYS_ENOENGINE, "oneDNN cannot use this processor");
  if (status == RECSYS_OK)
    status = read_ops(n, network, error);
  if (options->struct_size >= sizeof *options)
    n->kept = options->kept;
  if (status == RECSYS_OK)
    status = make_plans(n, network, options, error);
  n->kept = NULL;
  if (status == RECSYS_OK)
    *out = loaded;
  else
    unload(loaded);
  return status;
}

/* -- running */

static recsys_status info(recsys_engine_net *loaded, recsys_engine_net_info *out, recsys_error *error) {
  (void)error;
  const net *n = &loaded->net;
  out->batch = NET_BATCH;
  snprintf(out->device, sizeof out->device, "cpu");
  snprintf(out->detail, sizeof out->detail, "channels in blocks of %u, batch %d%s%s", dnn_block(), NET_BATCH,
           n->winograd_names[0] != 0 ? ", Winograd with " : "", n->winograd_names[0] != 0 ? n->winograd->name : "");
  if (out->struct_size >= sizeof *out)
    snprintf(out->winograd, sizeof out->winograd, "%s", n->winograd_names);
  return RECSYS_OK;
}

/* A batch that is not full runs as a full one, with zeros at its end. */
static recsys_status run_part(net *n, plan *full, const float *input, size_t picture, uint64_t count, float *rows,
                              recsys_error *error) {
  size_t need = NET_BATCH * (picture + (size_t)full->row);
  if (n->staged_floats < need) {
    net_free(n, n->staged);
    n->staged = net_alloc(n, need, sizeof *n->staged);
    n->staged_floats = n->staged != NULL ? need : 0;
  }
  if (n->staged == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a batch");
  float *results = n->staged + NET_BATCH * picture;
  memcpy(n->staged, input, count * picture * sizeof *input);
  memset(n->staged + count * picture, 0, (NET_BATCH - count) * picture * sizeof *input);
  recsys_status status = plan_run(n, full, n->staged, results, NULL, error);
  if (status == RECSYS_OK)
    memcpy(rows, results, count * full->row * sizeof *rows);
  return status;
}

static recsys_status run(recsys_engine_net *loaded, const float *input, uint64_t count, uint64_t output, float *rows,
                         recsys_error *error) {
  net *n = &loaded->net;
  plan *full = &n->plans[2 * output], *single = full + 1;
  size_t picture = (size_t)n->channels * n->height * n->width;
  recsys_status status = RECSYS_OK;
  use_threads(n->threads);
  while (status == RECSYS_OK && count > 0) {
    uint64_t done = count >= NET_BATCH ? NET_BATCH : count <= 2 ? 1 : count;
    status = done == NET_BATCH ? plan_run(n, full, input, rows, NULL, error)
             : done == 1       ? plan_run(n, single, input, rows, NULL, error)
                               : run_part(n, full, input, picture, done, rows, error);
    input += done * picture;
    rows += done * full->row;
    count -= done;
  }
  return status;
}

static recsys_status observe(recsys_engine_net *loaded, const float *input, uint64_t output, float *ranges,
                             recsys_error *error) {
  net *n = &loaded->net;
  plan *single = &n->plans[2 * output + 1];
  if (!has_int8())
    return dnn_fail(error, RECSYS_EUNSUPPORTED,
                    "this processor has no int8 products (AVX-512 VNNI): make the int8 model on one that has them");
  if (n->type != dnnl_f32 || n->int8)
    return dnn_fail(error, RECSYS_EUNSUPPORTED, "ranges are those of a network in float32");
  float *row = net_alloc(n, single->row, sizeof *row);
  if (row == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for a row");
  use_threads(n->threads);
  recsys_status status = plan_run(n, single, input, row, ranges, error);
  net_free(n, row);
  return status;
}

static char version[32];
static const recsys_engine table = {sizeof(recsys_engine),
                                    RECSYS_ENGINE_ABI,
                                    "onednn",
                                    version,
                                    supports_bfloat16,
                                    load,
                                    info,
                                    run,
                                    unload,
                                    NULL,
                                    NULL,
                                    NULL,
                                    NULL,
                                    observe};

const recsys_engine *recsys_engine_entry(uint32_t abi, const recsys_host *host, recsys_error *error) {
  (void)abi;
  const dnnl_version_t *is = dnnl_version();
  if (is->major != DNNL_VERSION_MAJOR) {
    dnn_fail(error, RECSYS_ENOENGINE, "this engine was built for oneDNN %d, and found %d.%d", DNNL_VERSION_MAJOR,
             is->major, is->minor);
    return NULL;
  }
  snprintf(version, sizeof version, "%d.%d.%d", is->major, is->minor, is->patch);
  given = host;
  return &table;
}
