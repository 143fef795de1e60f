/* A network under training, in an engine. */
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/opened.h"

struct recsys__trainer {
  recsys__engine *engine;
  recsys__far_net *far; /* in the engine's process; NULL: here, with what follows */
  recsys_engine_trainer *trainer;
  uint64_t generation;
  /* The call under way. */
  const recsys_network *network;
  const recsys_engine_training *options;
  const float *input;
  float *rows;
  float *const *gradients;
  uint64_t n;
  bool learn;
  recsys_status status;
  recsys_error error;
};

static recsys_status do_job(recsys__trainer *t, recsys__job_fn fn, recsys_error *error) {
  t->error = (recsys_error){0};
  if (t->generation != recsys__fork_generation())
    return recsys__fail(error, RECSYS_EFORKED, 0,
                        "this model's engine runs in the parent process: open a new model after a fork");
  recsys__worker_do(&t->engine->worker, fn, t);
  if (t->status == RECSYS_OK)
    return recsys__ok(error);
  return recsys__fail(error, t->status, t->error.detail, "%.*s", (int)sizeof t->error.message - 1, t->error.message);
}

static void open_job(void *context) {
  recsys__trainer *t = context;
  t->status = t->engine->table->train(&t->trainer, t->network, t->options, &t->error);
}

recsys_status recsys__trainer_open(recsys__trainer **trainer, recsys__engine *engine, const recsys_network *network,
                                   const recsys_engine_training *options, recsys_error *error) {
  *trainer = NULL;
  recsys__trainer *t = recsys__calloc(1, sizeof *t);
  if (t == NULL)
    return recsys__no_memory(error, "a network to train");
  *t = (recsys__trainer){
      .engine = engine, .network = network, .options = options, .generation = recsys__fork_generation()};
  recsys_status status = engine->isolated != NULL
                             ? recsys__far_open(&t->far, engine->isolated, network, NULL, options, NULL, error)
                             : do_job(t, open_job, error);
  if (status == RECSYS_OK)
    *trainer = t;
  else
    recsys__free(t);
  return status;
}

static void forward_job(void *context) {
  recsys__trainer *t = context;
  t->status = t->engine->table->forward(t->trainer, t->input, t->n, t->learn, t->rows, &t->error);
}

recsys_status recsys__trainer_forward(recsys__trainer *trainer, const float *input, uint64_t n, bool learn, float *rows,
                                      recsys_error *error) {
  if (trainer->far != NULL)
    return recsys__far_forward(trainer->far, input, n, learn, rows, error);
  trainer->input = input;
  trainer->n = n;
  trainer->learn = learn;
  trainer->rows = rows;
  return do_job(trainer, forward_job, error);
}

static void backward_job(void *context) {
  recsys__trainer *t = context;
  t->status = t->engine->table->backward(t->trainer, t->input, t->gradients, &t->error);
}

recsys_status recsys__trainer_backward(recsys__trainer *trainer, const float *rows, float *const *gradients,
                                       recsys_error *error) {
  if (trainer->far != NULL)
    return recsys__far_backward(trainer->far, rows, gradients, error);
  trainer->input = rows;
  trainer->gradients = gradients;
  return do_job(trainer, backward_job, error);
}

static void close_job(void *context) {
  recsys__trainer *t = context;
  t->engine->table->untrain(t->trainer);
}

void recsys__trainer_close(recsys__trainer *trainer) {
  if (trainer == NULL)
    return;
  if (trainer->far != NULL)
    recsys__far_close(trainer->far);
  else if (trainer->generation == recsys__fork_generation())
    recsys__worker_do(&trainer->engine->worker, close_job, trainer);
  recsys__free(trainer);
}
