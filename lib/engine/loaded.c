/* A network in an engine, to run. */
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/opened.h"

struct recsys__loaded {
  recsys__engine *engine;
  recsys__far_net *far; /* in the engine's process; NULL: here, with what follows */
  recsys_engine_net *net;
  recsys_engine_net_info info;
  uint64_t generation;
  recsys__job job;
  /* The call under way. */
  const recsys_network *network;
  const recsys_engine_options *options;
  const float *input;
  float *rows;
  uint64_t n, output;
  recsys_status status;
  recsys_error error;
};

static void load_job(void *context) {
  recsys__loaded *l = context;
  const recsys_engine *table = l->engine->table;
  l->status = table->load(&l->net, l->network, l->options, &l->error);
  if (l->status != RECSYS_OK)
    return;
  l->info.struct_size = sizeof l->info;
  l->status = table->info(l->net, &l->info, &l->error);
  if (l->info.batch == 0)
    l->info.batch = 1;
  if (l->status != RECSYS_OK)
    table->unload(l->net);
}

static recsys_status report(const recsys__loaded *loaded, recsys_error *error) {
  if (loaded->status == RECSYS_OK)
    return recsys__ok(error);
  return recsys__fail(error, loaded->status, loaded->error.detail, "%.*s", (int)sizeof loaded->error.message - 1,
                      loaded->error.message);
}

recsys_status recsys__loaded_open(recsys__loaded **loaded, recsys__engine *engine, const recsys_network *network,
                                  const recsys_engine_options *options, recsys_error *error) {
  *loaded = NULL;
  recsys__loaded *l = recsys__calloc(1, sizeof *l);
  if (l == NULL)
    return recsys__no_memory(error, "a loaded network");
  l->engine = engine;
  l->network = network;
  l->options = options;
  l->generation = recsys__fork_generation();
  recsys_status status;
  if (engine->isolated != NULL) {
    status = recsys__far_open(&l->far, engine->isolated, network, options, NULL, &l->info, error);
  } else {
    recsys__worker_do(&engine->worker, load_job, l);
    status = report(l, error);
  }
  if (status == RECSYS_OK)
    *loaded = l;
  else
    recsys__free(l);
  return status;
}

const recsys_engine_net_info *recsys__loaded_info(const recsys__loaded *loaded) {
  return &loaded->info;
}

static void run_job(void *context) {
  recsys__loaded *l = context;
  l->error = (recsys_error){0};
  l->status = l->engine->table->run(l->net, l->input, l->n, l->output, l->rows, &l->error);
}

static recsys_status check_here(const recsys__loaded *loaded, recsys_error *error) {
  if (loaded->generation == recsys__fork_generation())
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EFORKED, 0,
                      "this model's engine runs in the parent process: open a new model after a fork");
}

recsys_status recsys__loaded_start(recsys__loaded *loaded, const float *input, uint64_t n, uint64_t output, float *rows,
                                   recsys_error *error) {
  if (loaded->far != NULL) {
    loaded->rows = rows;
    return recsys__far_start(loaded->far, input, n, output, error);
  }
  recsys_status status = check_here(loaded, error);
  if (status != RECSYS_OK)
    return status;
  loaded->input = input;
  loaded->n = n;
  loaded->output = output;
  loaded->rows = rows;
  recsys__worker_put(&loaded->engine->worker, &loaded->job, run_job, loaded);
  return RECSYS_OK;
}

recsys_status recsys__loaded_wait(recsys__loaded *loaded, recsys_error *error) {
  if (loaded->far != NULL)
    return recsys__far_wait(loaded->far, loaded->rows, error);
  recsys__worker_wait(&loaded->engine->worker, &loaded->job);
  return report(loaded, error);
}

static void observe_job(void *context) {
  recsys__loaded *l = context;
  l->error = (recsys_error){0};
  l->status = l->engine->table->observe(l->net, l->input, l->output, l->rows, &l->error);
}

recsys_status recsys__loaded_observe(recsys__loaded *loaded, const float *input, uint64_t output, float *ranges,
                                     recsys_error *error) {
  if (loaded->far != NULL)
    return recsys__far_observe(loaded->far, input, output, ranges, error);
  const recsys_engine *table = loaded->engine->table;
  if (table->observe == NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "the %s engine does not tell the ranges of its layers",
                        recsys__engine_name(loaded->engine));
  recsys_status status = check_here(loaded, error);
  if (status != RECSYS_OK)
    return status;
  loaded->input = input;
  loaded->output = output;
  loaded->rows = ranges;
  recsys__worker_do(&loaded->engine->worker, observe_job, loaded);
  return report(loaded, error);
}

static void unload_job(void *context) {
  recsys__loaded *l = context;
  l->engine->table->unload(l->net);
}

void recsys__loaded_close(recsys__loaded *loaded) {
  if (loaded == NULL)
    return;
  if (loaded->far != NULL)
    recsys__far_close(loaded->far);
  else if (loaded->generation == recsys__fork_generation())
    recsys__worker_do(&loaded->engine->worker, unload_job, loaded);
  recsys__free(loaded);
}
