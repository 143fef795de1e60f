/* The loop over epochs and steps. Whatever is random is drawn anew from (seed, epoch), so that training can go on from
 * any whole epoch with the same result. */
#include "train/fit.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

enum { MAX_TERMS = 256, ALL_PARAMETERS = 512 };

size_t recsys__fit_parameters(const recsys__fitting *fit, recsys__parameter **list, size_t room) {
  size_t n = 0;
  for (uint32_t i = 0; i < fit->head->parameter_count; i++, n++)
    if (n < room)
      list[n] = &fit->head->parameters[i];
  for (size_t i = 0; i < fit->features.parameter_count; i++, n++)
    if (n < room)
      list[n] = &fit->features.parameters[i];
  return n;
}

/* Rows of the head for n examples. */
static size_t rows_of(const recsys__fitting *fit, size_t n) {
  return fit->places > 1 ? n * fit->places : n;
}

static size_t term_count(const recsys__fitting *fit) {
  return fit->targets.labels ? recsys__loss_terms(fit->targets.labels) : 1;
}

/* -- rows to be reproduced: 1 - cosine */

/* 1 - cosine of two rows, to both of which `mean` (of `period` floats, again and again; NULL: nothing) is added first;
 * gradient NULL, or scale x the derivative for `out` is added to it. */
static double follow_row(const float *target, const float *out, size_t width, const float *mean, size_t period,
                         double scale, float *gradient) {
  double dot = 0, own = 0, other = 0;
  for (size_t k = 0; k < width; k++) {
    double shift = mean ? mean[k % period] : 0, o = out[k] + shift, t = target[k] + shift;
    dot += o * t;
    own += o * o;
    other += t * t;
  }
  double length = sqrt(own * other), cosine = length > 0 ? dot / length : 0;
  /* d cos / d out = target / (|out| |target|) - cos out / |out|^2 */
  for (size_t k = 0; gradient && length > 0 && k < width; k++) {
    double shift = mean ? mean[k % period] : 0;
    gradient[k] -= (float)(scale * ((target[k] + shift) / length - cosine * (out[k] + shift) / own));
  }
  return 1 - cosine;
}

/* Adds the losses of n examples; gradient NULL, or the derivative of their mean. An example of several rows is followed
 * row by row, and as a whole with the mean put back. */
static void follow_rows(const recsys__fitting *fit, const float *target, size_t n, const float *out, float *gradient,
                        recsys__loss_term *term) {
  size_t width = fit->head->outputs, each = rows_of(fit, 1), rows = n * each;
  if (gradient)
    memset(gradient, 0, rows * width * sizeof *gradient);
  for (size_t i = 0; i < rows; i++)
    term->sum += follow_row(target + i * width, out + i * width, width, NULL, 1, 1 / (double)rows,
                            gradient ? gradient + i * width : NULL);
  for (size_t i = 0; each > 1 && i < n; i++)
    term->sum +=
        (double)each * follow_row(target + i * each * width, out + i * each * width, each * width, fit->targets.mean,
                                  width, 1 / (double)n, gradient ? gradient + i * each * width : NULL);
  term->weight += (double)rows;
}

/* Terms of n examples whose logits are in the head; gradient: also their derivative, for these examples alone. */
static recsys_status find_losses(const recsys__fitting *fit, const uint32_t *examples, size_t n, bool gradient,
                                 recsys__loss_term *terms, recsys_error *error) {
  const recsys__targets *t = &fit->targets;
  recsys__head *head = fit->head;
  if (t->labels && gradient)
    return recsys__loss_gradient(fit->threads, t->labels, t->weights, examples, n, head->logits, head->gradient, terms,
                                 error);
  if (t->labels)
    recsys__loss_add(t->labels, t->weights, examples, n, head->logits, terms);
  if (t->labels)
    return RECSYS_OK;
  float *rows = recsys__alloc(rows_of(fit, n), head->outputs * sizeof *rows);
  recsys_status status = rows ? t->read(t->context, examples, n, rows, error) : recsys__no_memory(error, "target rows");
  if (status == RECSYS_OK && gradient)
    terms[0] = (recsys__loss_term){0, 0};
  if (status == RECSYS_OK)
    follow_rows(fit, rows, n, head->logits, gradient ? head->gradient : NULL, terms);
  recsys__free(rows);
  return status;
}

/* -- steps */

static recsys_status no_product(recsys_error *error) {
  return recsys__no_memory(error, "a product of matrices");
}

static recsys_status step_on(recsys__fitting *fit, const float *rows, const uint32_t *examples, size_t n, uint64_t draw,
                             double rate, recsys__loss_term *terms, recsys_error *error) {
  recsys__parameter *all[ALL_PARAMETERS];
  size_t count = recsys__fit_parameters(fit, all, ALL_PARAMETERS);
  if (!recsys__head_forward(fit->head, rows, rows_of(fit, n), true, draw))
    return no_product(error);
  recsys_status status = find_losses(fit, examples, n, true, terms, error);
  if (status != RECSYS_OK)
    return status;
  if (!recsys__head_backward(fit->head, rows, rows_of(fit, n)))
    return no_product(error);
  if (fit->features.learn) {
    status = fit->features.learn(fit->features.context, fit->head->outer, n, error);
    if (status != RECSYS_OK)
      return status;
  }
  recsys__optimise(fit->threads, &fit->optimiser, rate, all, count);
  return RECSYS_OK;
}

recsys_status recsys__fit_step(recsys__fitting *fit, const uint32_t *examples, size_t n, uint64_t epoch, size_t first,
                               double rate, recsys__loss_term *terms, recsys_error *error) {
  float *rows = recsys__alloc(rows_of(fit, n), fit->head->inputs * sizeof *rows);
  if (rows == NULL)
    return recsys__no_memory(error, "a batch of features");
  recsys_status status = fit->features.read(fit->features.context, examples, n, true, epoch, first, rows, error);
  if (status == RECSYS_OK)
    status = step_on(fit, rows, examples, n, (epoch << 24) + first, rate, terms, error);
  recsys__free(rows);
  return status;
}

/* Calls `each` for batches of examples whose logits are in the head. */
static recsys_status evaluate(const recsys__fitting *fit, const uint32_t *examples, size_t n,
                              recsys_status (*each)(const recsys__fitting *fit, const uint32_t *batch, size_t first,
                                                    size_t count, void *context, recsys_error *error),
                              void *context, recsys_error *error) {
  float *rows = recsys__alloc(rows_of(fit, fit->batch), fit->head->inputs * sizeof *rows);
  recsys_status status = rows ? RECSYS_OK : recsys__no_memory(error, "a batch of features");
  for (size_t at = 0; status == RECSYS_OK && at < n; at += fit->batch) {
    size_t count = n - at < fit->batch ? n - at : fit->batch;
    status = fit->features.read(fit->features.context, examples + at, count, false, 0, at, rows, error);
    if (status == RECSYS_OK && !recsys__head_forward(fit->head, rows, rows_of(fit, count), false, 0))
      status = no_product(error);
    if (status == RECSYS_OK)
      status = each(fit, examples + at, at, count, context, error);
  }
  recsys__free(rows);
  return status;
}

static recsys_status each_loss(const recsys__fitting *fit, const uint32_t *batch, size_t first, size_t count,
                               void *context, recsys_error *error) {
  (void)first;
  return find_losses(fit, batch, count, false, context, error);
}

recsys_status recsys__fit_loss(const recsys__fitting *fit, const uint32_t *examples, size_t n, double *loss,
                               recsys_error *error) {
  recsys__loss_term terms[MAX_TERMS] = {{0, 0}};
  recsys_status status = evaluate(fit, examples, n, each_loss, terms, error);
  *loss = recsys__loss_value(terms, term_count(fit));
  return status;
}

static recsys_status each_score(const recsys__fitting *fit, const uint32_t *batch, size_t first, size_t count,
                                void *context, recsys_error *error) {
  (void)batch, (void)error;
  float *to = (float *)context + first * fit->head->outputs;
  memcpy(to, fit->head->logits, count * fit->head->outputs * sizeof *to);
  if (fit->targets.labels)
    recsys__label_scores(fit->targets.labels, to, count);
  return RECSYS_OK;
}

recsys_status recsys__fit_scores(const recsys__fitting *fit, const uint32_t *examples, size_t n, float *scores,
                                 recsys_error *error) {
  return evaluate(fit, examples, n, each_score, scores, error);
}

/* -- epochs */

/* The share of the highest learning rate, at a point 0..1 of the whole training. */
static double scheduled(uint32_t schedule, double progress) {
  switch (schedule) {
  case RECSYS_SCHEDULE_CONSTANT:
    return 1;
  case RECSYS_SCHEDULE_STEPS:
    return progress < 0.5 ? 1 : progress < 0.75 ? 0.1 : 0.01;
  default: /* cosine */
    return 0.5 * (1 + cos(3.14159265358979323846 * progress));
  }
}

static recsys_status check_loss(double loss, const recsys__moment *m, recsys_error *error) {
  if (isfinite(loss))
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EINVAL, (int32_t)m->epoch,
                      "the loss is no longer finite after step %llu of epoch %u: use a lower learning rate",
                      (unsigned long long)m->step, m->epoch);
}

static recsys_status run_epoch(recsys__fitting *fit, uint32_t *order, double *mean, recsys_error *error) {
  recsys__random random;
  recsys__random_seed(&random, fit->seed, fit->epoch + 1);
  memcpy(order, fit->training, fit->training_count * sizeof *order);
  recsys__shuffle(&random, order, fit->training_count);
  recsys__moment m = {.epoch = fit->epoch + 1, .epochs = fit->epochs};
  m.steps = (fit->training_count + fit->batch - 1) / fit->batch;
  m.validation_loss = fit->epoch > 0 ? fit->history[fit->epoch - 1].validation : NAN;
  recsys__loss_term sums[MAX_TERMS] = {{0, 0}}, terms[MAX_TERMS];
  for (m.step = 1; m.step <= m.steps; m.step++) {
    size_t first = (size_t)(m.step - 1) * fit->batch;
    size_t n = fit->training_count - first < fit->batch ? fit->training_count - first : fit->batch;
    double done = (fit->epoch + (double)(m.step - 1) / (double)m.steps) / (fit->horizon ? fit->horizon : fit->epochs);
    recsys_status status = recsys__fit_step(fit, order + first, n, fit->epoch + 1, first,
                                            fit->rate * scheduled(fit->schedule, done), terms, error);
    for (size_t t = 0; t < term_count(fit); t++)
      sums[t] = (recsys__loss_term){sums[t].sum + terms[t].sum, sums[t].weight + terms[t].weight};
    *mean = m.training_loss = recsys__loss_value(sums, term_count(fit));
    if (status == RECSYS_OK)
      status = check_loss(m.training_loss, &m, error);
    if (status != RECSYS_OK)
      return status;
    if (m.step < m.steps && fit->progress && fit->progress(fit->user, &m))
      return recsys__fail(error, RECSYS_ECANCELLED, (int32_t)m.epoch, "cancelled in epoch %u of %u", m.epoch, m.epochs);
  }
  return RECSYS_OK;
}

static void keep_best(recsys__fitting *fit, double loss, recsys__parameter *const *all, size_t count) {
  if (fit->best_known && !(loss < fit->best_loss))
    return;
  fit->best_known = true;
  fit->best_loss = loss;
  fit->best_epoch = fit->epoch;
  for (size_t i = 0; i < count; i++)
    recsys__parameter_keep(all[i]);
}

static recsys_status finish_epoch(recsys__fitting *fit, double training, recsys_error *error) {
  recsys__parameter *all[ALL_PARAMETERS];
  size_t count = recsys__fit_parameters(fit, all, ALL_PARAMETERS);
  double validation = NAN;
  recsys_status status = RECSYS_OK;
  if (fit->validation_count > 0)
    status = recsys__fit_loss(fit, fit->validation, fit->validation_count, &validation, error);
  uint64_t steps = (fit->training_count + fit->batch - 1) / fit->batch;
  recsys__moment m = {fit->epoch + 1, fit->epochs, steps, steps, training, validation};
  if (status == RECSYS_OK && fit->validation_count > 0)
    status = check_loss(validation, &m, error);
  if (status != RECSYS_OK)
    return status;
  fit->history[fit->epoch++] = (recsys__epoch_losses){training, validation};
  keep_best(fit, fit->validation_count > 0 ? validation : -(double)fit->epoch, all, count);
  if (fit->saved)
    status = fit->saved(fit->user, fit, error);
  if (status == RECSYS_OK && fit->progress && fit->progress(fit->user, &m))
    return recsys__fail(error, RECSYS_ECANCELLED, (int32_t)m.epoch, "cancelled after epoch %u of %u", m.epoch,
                        m.epochs);
  return status;
}

static bool patience_is_over(const recsys__fitting *fit) {
  return fit->patience > 0 && fit->validation_count > 0 && fit->epoch >= fit->best_epoch + fit->patience;
}

recsys_status recsys__fit_run(recsys__fitting *fit, recsys_error *error) {
  recsys__parameter *all[ALL_PARAMETERS];
  size_t count = recsys__fit_parameters(fit, all, ALL_PARAMETERS);
  if (count > ALL_PARAMETERS || term_count(fit) > MAX_TERMS)
    return recsys__fail(error, RECSYS_ELIMIT, 0, "%zu tensors to learn and %zu fields are too many (at most %d and %d)",
                        count, term_count(fit) - 1, ALL_PARAMETERS, MAX_TERMS - 1);
  uint32_t *order = recsys__alloc(fit->training_count, sizeof *order);
  recsys_status status = order ? RECSYS_OK : recsys__no_memory(error, "the order of examples");
  while (status == RECSYS_OK && fit->epoch < fit->epochs && !patience_is_over(fit)) {
    double training = 0;
    status = run_epoch(fit, order, &training, error);
    if (status == RECSYS_OK)
      status = finish_epoch(fit, training, error);
  }
  for (size_t i = 0; status == RECSYS_OK && i < count; i++)
    recsys__parameter_restore(all[i]);
  recsys__free(order);
  return status;
}
