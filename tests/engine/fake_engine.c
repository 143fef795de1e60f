/*
 * An engine without a framework, so that the library around engines is tested without libtorch. Number j of a row is
 * the mean of channel j % C over picture row (j / C) % H; of a softmax, that of the same numbers. It fails when it is
 * called from two threads, at once, or with signals unblocked. RECSYS_FAKE names one thing to do otherwise:
 *
 *   abi, short, null           the table has another abi, is too short, is not there
 *   load-error, load-memory    loading fails
 *   run-error, run-memory      running fails (run-error:3 from the third run of a network on)
 *   crash                      running aborts the process (crash:3 in the third run of a network)
 *   backward-error             no gradient can be had
 *   slow                       a run takes 50 ms
 *   bfloat16                   offers bfloat16: ten times as fast as float32 and right to 8 bits
 *   bfloat16-wrong, -slow, -broken   the same, but far off, no faster, or failing to run
 */
#define RECSYS_ENGINE_BUILD
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

enum { MAX_OUTPUTS = 4, BATCH = 4 };

struct recsys_engine_net {
  uint32_t channels, height, width, precision, runs;
  uint64_t sizes[MAX_OUTPUTS], output_count;
  bool softmax[MAX_OUTPUTS];
};

static const recsys_host *host;
static pthread_t owner;
static bool owned, inside;

static bool mode(const char *name) {
  const char *text = getenv("RECSYS_FAKE");
  return text != NULL && strncmp(text, name, strlen(name)) == 0 &&
         (text[strlen(name)] == '\0' || text[strlen(name)] == ':');
}

static bool offers_bfloat16(void) {
  const char *text = getenv("RECSYS_FAKE");
  return text != NULL && strncmp(text, "bfloat16", 8) == 0;
}

static recsys_status fail(recsys_error *error, recsys_status status, const char *message) {
  error->status = status;
  snprintf(error->message, sizeof error->message, "fake: %s", message);
  return status;
}

static bool misused(void) {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  if (!owned)
    owner = pthread_self();
  owned = true;
  return !pthread_equal(owner, pthread_self()) || inside || !sigismember(&blocked, SIGTERM) ||
         !sigismember(&blocked, SIGPROF);
}

static void sleep_ms(long ms) {
  struct timespec t = {0, ms * 1000000};
  nanosleep(&t, NULL);
}

static int32_t supports_bfloat16(const char *device) {
  return strcmp(device, "cpu") == 0 && offers_bfloat16();
}

static recsys_status load(recsys_engine_net **out, const recsys_network *network, const recsys_engine_options *options,
                          recsys_error *error) {
  if (misused())
    return fail(error, RECSYS_EINTERNAL, "called from a wrong thread");
  if (mode("load-error"))
    return fail(error, RECSYS_EUNSUPPORTED, "operation 7 is not known");
  if (mode("load-memory"))
    return fail(error, RECSYS_ENOMEM, "no memory");
  if (options->output_count > MAX_OUTPUTS)
    return fail(error, RECSYS_EINTERNAL, "too many outputs");
  for (uint32_t i = 0; i < network->weight_count; i++)
    if (network->weights[i].data == NULL)
      return fail(error, RECSYS_EINTERNAL, "a weight has no data");
  recsys_engine_net *net = host->alloc(64, sizeof *net);
  if (net == NULL)
    return fail(error, RECSYS_ENOMEM, "no memory");
  *net = (recsys_engine_net){.channels = network->channels,
                             .height = network->height,
                             .width = network->width,
                             .precision = options->precision,
                             .output_count = options->output_count};
  for (uint64_t i = 0; i < options->output_count; i++) {
    const recsys_op *op = &network->ops[options->outputs[i]];
    net->sizes[i] = (uint64_t)op->channels * (op->height == 0 ? 1 : (uint64_t)op->height * op->width);
    net->softmax[i] = op->kind == RECSYS_OP_SOFTMAX;
  }
  *out = net;
  return RECSYS_OK;
}

static recsys_status info(recsys_engine_net *net, recsys_engine_net_info *out, recsys_error *error) {
  (void)net;
  (void)error;
  out->batch = BATCH;
  snprintf(out->device, sizeof out->device, "cpu");
  snprintf(out->detail, sizeof out->detail, "means of rows");
  return RECSYS_OK;
}

static float row_mean(const recsys_engine_net *net, const float *picture, uint64_t j) {
  uint64_t channel = j % net->channels, y = j / net->channels % net->height;
  double sum = 0;
  for (uint32_t x = 0; x < net->width; x++)
    sum += picture[(y * net->width + x) * net->channels + channel];
  return (float)(sum / net->width);
}

static float to_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits &= 0xffff0000u;
  memcpy(&value, &bits, sizeof bits);
  return mode("bfloat16-wrong") ? value + 3 : value;
}

static void make_row(const recsys_engine_net *net, const float *picture, uint64_t output, float *row) {
  double sum = 0;
  for (uint64_t j = 0; j < net->sizes[output]; j++) {
    row[j] = row_mean(net, picture, j);
    if (net->precision == RECSYS_PRECISION_BFLOAT16)
      row[j] = to_bfloat16(row[j]);
    if (net->softmax[output])
      sum += row[j] = expf(row[j]);
  }
  for (uint64_t j = 0; net->softmax[output] && j < net->sizes[output]; j++)
    row[j] = (float)(row[j] / sum);
}

static bool run_fails(const recsys_engine_net *net, const char *name) {
  const char *text = getenv("RECSYS_FAKE"), *colon = text != NULL ? strchr(text, ':') : NULL;
  return mode(name) && net->runs >= (colon != NULL ? (uint32_t)atoi(colon + 1) : 1);
}

static recsys_status run(recsys_engine_net *net, const float *input, uint64_t n, uint64_t output, float *rows,
                         recsys_error *error) {
  if (misused())
    return fail(error, RECSYS_EINTERNAL, "called from a wrong thread");
  if (n == 0 || n > BATCH || output >= net->output_count)
    return fail(error, RECSYS_EINTERNAL, "a batch of a wrong size, or a wrong output");
  net->runs++;
  if (run_fails(net, "run-error"))
    return fail(error, RECSYS_EENGINE, "the framework failed");
  if (run_fails(net, "crash"))
    abort();
  if (run_fails(net, "run-memory"))
    return fail(error, RECSYS_ENOMEM, "no memory");
  if (mode("bfloat16-broken") && net->precision == RECSYS_PRECISION_BFLOAT16)
    return fail(error, RECSYS_EENGINE, "no such instruction");
  inside = true;
  if (mode("slow"))
    sleep_ms(50);
  if (offers_bfloat16() && (net->precision != RECSYS_PRECISION_BFLOAT16 || mode("bfloat16-slow")))
    sleep_ms(20);
  for (uint64_t i = 0; i < n; i++)
    make_row(net, input + i * net->height * net->width * net->channels, output, rows + i * net->sizes[output]);
  inside = false;
  return RECSYS_OK;
}

static void unload(recsys_engine_net *net) {
  if (misused())
    abort();
  host->free(net);
}

/* -- training: rows as above, from which nothing can be learned */

struct recsys_engine_trainer {
  recsys_engine_net *net;
  uint64_t sizes[512];
  uint32_t weights;
};

static recsys_status train(recsys_engine_trainer **out, const recsys_network *network,
                           const recsys_engine_training *options, recsys_error *error) {
  const uint32_t output = options->output;
  const recsys_engine_options usual = {.struct_size = sizeof usual,
                                       .precision = RECSYS_PRECISION_FLOAT32,
                                       .threads = options->threads,
                                       .device = options->device,
                                       .outputs = &output,
                                       .output_count = 1};
  recsys_engine_trainer *trainer = host->alloc(64, sizeof *trainer);
  if (trainer == NULL)
    return fail(error, RECSYS_ENOMEM, "no memory");
  recsys_status status = load(&trainer->net, network, &usual, error);
  if (status != RECSYS_OK) {
    host->free(trainer);
    return status;
  }
  trainer->weights = network->weight_count;
  for (uint32_t i = 0; i < network->weight_count && i < 512; i++) {
    trainer->sizes[i] = options->trained[i];
    for (uint32_t k = 0; k < network->weights[i].rank; k++)
      trainer->sizes[i] *= network->weights[i].shape[k];
  }
  *out = trainer;
  return RECSYS_OK;
}

static recsys_status forward(recsys_engine_trainer *trainer, const float *input, uint64_t n, uint32_t learn,
                             float *rows, recsys_error *error) {
  const recsys_engine_net *net = trainer->net;
  (void)learn;
  if (misused())
    return fail(error, RECSYS_EINTERNAL, "called from a wrong thread");
  for (uint64_t i = 0; i < n; i++)
    make_row(net, input + i * net->height * net->width * net->channels, 0, rows + i * net->sizes[0]);
  return RECSYS_OK;
}

static recsys_status backward(recsys_engine_trainer *trainer, const float *rows, float *const *gradients,
                              recsys_error *error) {
  (void)rows;
  if (mode("backward-error"))
    return fail(error, RECSYS_EENGINE, "the framework failed");
  for (uint32_t i = 0; i < trainer->weights; i++)
    if (trainer->sizes[i] != 0)
      memset(gradients[i], 0, trainer->sizes[i] * sizeof **gradients);
  return RECSYS_OK;
}

static void untrain(recsys_engine_trainer *trainer) {
  unload(trainer->net);
  host->free(trainer);
}

static recsys_engine table = {
    sizeof table, RECSYS_ENGINE_ABI, "fake",  "0.9", supports_bfloat16, load, info, run, unload, train,
    forward,      backward,          untrain, NULL};

const recsys_engine *recsys_engine_entry(uint32_t abi, const recsys_host *given, recsys_error *error) {
  host = given;
  owned = false; /* a forked child has a new thread */
  if (mode("null")) {
    fail(error, RECSYS_ENOENGINE, "there is no such accelerator");
    return NULL;
  }
  table.abi = mode("abi") ? abi + 1 : abi;
  table.struct_size = mode("short") ? 16 : sizeof table;
  return &table;
}
