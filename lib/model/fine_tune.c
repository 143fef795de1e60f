/* Stage two: the last blocks are trained further with the head, at a lower rate, on varied pictures. */
#include "base/memory.h"
#include "model/training.h"

static void start_fit(recsys__training *t, recsys__picture_source *source) {
  const recsys_train_options *o = &t->options;
  recsys__fitting *fit = &t->fit;
  t->phase = o->folds + 1;
  for (uint32_t i = 0; i < t->net_head.parameter_count; i++) {
    recsys__parameter *p = &t->net_head.parameters[i];
    for (size_t k = 0; k < p->n; k++)
      p->first[k] = p->second[k] = 0;
  }
  fit->epochs = o->fine_tune_epochs;
  fit->batch = o->fine_tune_batch;
  fit->rate = o->fine_tune_rate;
  fit->seed = t->net_head.seed = o->seed + t->phase;
  fit->optimiser.steps = 0;
  fit->features = recsys__pictures_features(source);
  fit->epoch = fit->best_epoch = 0;
  fit->best_known = false;
}

/* What stage one has reached is the first best: stage two never ends worse by the validation loss. */
static recsys_status keep_start(recsys__training *t, recsys_error *error) {
  recsys__parameter *all[512];
  recsys__fitting *fit = &t->fit;
  if (t->validation_count == 0)
    return RECSYS_OK;
  recsys_status status = recsys__fit_loss(fit, fit->validation, fit->validation_count, &fit->best_loss, error);
  size_t count = recsys__fit_parameters(fit, all, 512);
  for (size_t i = 0; status == RECSYS_OK && i < count && i < 512; i++)
    recsys__parameter_keep(all[i]);
  fit->best_known = status == RECSYS_OK;
  return status;
}

static recsys_status run(recsys__training *t, recsys__picture_source *source, recsys_error *error) {
  start_fit(t, source);
  recsys_status status = keep_start(t, error);
  if (status == RECSYS_OK)
    status = recsys__epochs_run(t, error);
  if (status == RECSYS_OK && t->validation_count > 0)
    status = recsys__training_keep_scores(t, error);
  return status;
}

recsys_status recsys__training_stage_two(recsys__training *t, recsys__net *base, recsys_error *error) {
  recsys__picture_source source = {.model = t->model,
                                   .images = t->images,
                                   .seed = t->options.seed,
                                   .vary = RECSYS__VARY_CROP,
                                   .mean = t->mean,
                                   .scale = t->scale};
  uint32_t op = 0, found = 0;
  uint8_t *trained = recsys__alloc(base->network.weight_count, 1);
  recsys_status status = trained ? recsys__net_layer(base, t->model->info.layer, &op, error)
                                 : recsys__no_memory(error, "the weights that are trained");
  if (status == RECSYS_OK)
    status = recsys__net_last_blocks(base, op, t->options.fine_tune_blocks, trained, &found, error);
  if (status == RECSYS_OK && found < t->options.fine_tune_blocks)
    status = recsys__fail(error, RECSYS_EINVAL, (int32_t)found,
                          "train options: fine_tune_blocks is %u, but %s has %u blocks up to layer '%s'",
                          t->options.fine_tune_blocks, t->model->info.architecture, found, t->model->info.layer);
  if (status == RECSYS_OK)
    status = recsys__pictures_open(&source, base, op, trained, t->options.fine_tune_batch, error);
  if (status == RECSYS_OK) {
    status = run(t, &source, error);
    recsys__pictures_close(&source);
  }
  recsys__free(trained);
  return status;
}
