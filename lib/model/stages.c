/* Which pictures train and which are held out; the folds and stage one, the head on features that stand still. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/training.h"

/* -- parts */

/* The pictures that can take part, in t->used. */
static void gather_used(recsys__training *t) {
  t->used_count = 0;
  for (size_t i = 0; i < t->n; i++) {
    bool out = t->statuses[i] != RECSYS_OK || (t->options.parts != NULL && t->options.parts[i] < 0);
    t->parts[i] = -1;
    if (!out)
      t->used[t->used_count++] = (uint32_t)i;
  }
}

static recsys_status check_parts(recsys__training *t, recsys_error *error) {
  int32_t most = t->options.folds != 0 ? (int32_t)t->options.folds : 2;
  for (size_t u = 0; u < t->used_count; u++) {
    uint32_t i = t->used[u];
    int32_t part = t->parts[i] = t->options.parts[i], twin = t->parts[t->groups[i]];
    if (part >= most)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "picture %u is in part %d: the parts are 0 to %d", i, part,
                          most - 1);
    if (twin >= 0 && twin != part)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i,
                          "pictures %u and %u are the same, but in parts %d and %d: put them into one", t->groups[i], i,
                          twin, part);
  }
  return RECSYS_OK;
}

/* The stratifier sees the pictures that are used, numbered from 0. */
static recsys_status choose_parts(recsys__training *t, recsys_error *error) {
  uint32_t folds = t->options.folds, parts = folds != 0 ? folds : 2;
  size_t count = t->labels.count, m = t->used_count;
  double *shares = recsys__alloc(parts, sizeof *shares);
  int8_t *matrix = recsys__alloc(m, count);
  uint32_t *groups = recsys__alloc(m, sizeof *groups), *place = recsys__alloc(t->n, sizeof *place);
  int32_t *out = recsys__alloc(m, sizeof *out);
  bool good = shares && matrix && groups && place && out;
  for (uint32_t p = 0; good && p < parts; p++)
    shares[p] = folds != 0 ? 1.0 / folds : p == 1 ? t->options.validation : 1 - t->options.validation;
  for (size_t u = 0; good && u < m; u++) {
    uint32_t i = t->used[u];
    place[i] = (uint32_t)u;
    groups[u] = place[t->groups[i]];
    if (count > 0)
      memcpy(matrix + u * count, t->labels.matrix + (size_t)i * count, count);
  }
  recsys__labels used = t->labels;
  used.matrix = matrix;
  recsys_status status = good ? recsys__stratify(&used, groups, m, shares, parts, t->options.seed, out, error)
                              : recsys__no_memory(error, "the division of the pictures");
  for (size_t u = 0; status == RECSYS_OK && u < m; u++)
    t->parts[t->used[u]] = out[u];
  recsys__free(shares);
  recsys__free(matrix);
  recsys__free(groups);
  recsys__free(place);
  recsys__free(out);
  return status;
}

/* Without folds and without validation every picture trains. */
recsys_status recsys__training_divide(recsys__training *t, recsys_error *error) {
  gather_used(t);
  if (t->used_count < 2)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%zu of %zu pictures can be used: at least 2 are needed%s%.120s",
                        t->used_count, t->n, t->failed ? "; the first failure: " : "", t->first_failure.message);
  if (t->options.parts != NULL)
    return check_parts(t, error);
  if (t->options.folds != 0 || t->options.validation > 0)
    return choose_parts(t, error);
  for (size_t u = 0; u < t->used_count; u++)
    t->parts[t->used[u]] = 0;
  return RECSYS_OK;
}

/* -- fits */

void recsys__training_order(recsys__training *t, int32_t held_out) {
  size_t n = 0;
  for (size_t u = 0; u < t->used_count; u++)
    if (t->parts[t->used[u]] != held_out)
      t->order[n++] = t->used[u];
  t->training_count = n;
  for (size_t u = 0; u < t->used_count; u++)
    if (t->parts[t->used[u]] == held_out)
      t->order[n++] = t->used[u];
  t->validation_count = n - t->training_count;
}

static recsys_status check_label(const recsys__training *t, const recsys__field *field, size_t c, recsys_error *error) {
  size_t counts[2] = {0, 0};
  for (size_t k = 0; k < t->training_count; k++) {
    int8_t value = t->labels.matrix[(size_t)t->order[k] * t->labels.count + c];
    if (value >= 0)
      counts[value]++;
  }
  const char *field_name = t->names[c].field, *value = t->names[c].value;
  if (counts[1] == 0)
    return recsys__fail(error, RECSYS_EINVAL, (int32_t)c,
                        "no picture that trains has label %.60s = %.60s: leave the label out, or add pictures",
                        field_name, value);
  if (!field->exclusive && counts[0] == 0)
    return recsys__fail(
        error, RECSYS_EINVAL, (int32_t)c,
        "every picture that trains and whose label is known has %.60s = %.60s: there is nothing to tell "
        "apart",
        field_name, value);
  return RECSYS_OK;
}

static recsys_status check_labels(const recsys__training *t, recsys_error *error) {
  for (size_t f = 0; f < t->labels.field_count; f++) {
    const recsys__field *field = &t->labels.fields[f];
    if (field->exclusive && field->count < 2)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)field->first,
                          "the exclusive field '%.100s' has one label only: there is nothing to tell apart",
                          t->head->field_names[f]);
    for (size_t c = field->first; c < field->first + field->count; c++) {
      recsys_status status = check_label(t, field, c, error);
      if (status != RECSYS_OK)
        return status;
    }
  }
  return RECSYS_OK;
}

/* A fit of the head over features that stand still, from random weights. The rates are those of the folds' fits, whose
 * best epochs say where to stop. */
static recsys_status start_fit(recsys__training *t, uint32_t phase, uint32_t epochs, recsys_error *error) {
  const recsys_train_options *o = &t->options;
  t->phase = phase;
  recsys_status status = recsys__training_standardise(t, error);
  if (status != RECSYS_OK)
    return status;
  recsys__label_weights(&t->labels, t->order, t->training_count, o->balance, t->weights);
  recsys__head_randomise(&t->net_head, o->seed + phase);
  t->net_head.dropout = o->dropout;
  t->net_head.threads = t->model->threads;
  t->net_head.seed = o->seed + phase;
  t->fit = (recsys__fitting){.threads = t->model->threads,
                             .epochs = epochs,
                             .patience = o->patience,
                             .schedule = o->schedule,
                             .horizon = o->epochs,
                             .batch = o->batch,
                             .rate = o->learning_rate,
                             .seed = o->seed + phase,
                             .optimiser = {o->optimiser, o->momentum, o->weight_decay, 0},
                             .head = &t->net_head,
                             .features = {.context = t, .read = recsys__training_read},
                             .targets = {.labels = &t->labels, .weights = t->weights},
                             .training = t->order,
                             .validation = t->order + t->training_count,
                             .training_count = t->training_count,
                             .validation_count = t->validation_count,
                             .user = t};
  return RECSYS_OK;
}

/* The scores of the pictures that the fit has validated on. */
recsys_status recsys__training_keep_scores(recsys__training *t, recsys_error *error) {
  size_t count = t->labels.count, n = t->validation_count;
  float *scores = recsys__alloc(n, count * sizeof *scores);
  recsys_status status = scores != NULL ? recsys__fit_scores(&t->fit, t->fit.validation, n, scores, error)
                                        : recsys__no_memory(error, "the scores of held-out pictures");
  for (size_t k = 0; status == RECSYS_OK && k < n; k++) {
    uint32_t i = t->fit.validation[k];
    memcpy(t->scores + (size_t)i * count, scores + k * count, count * sizeof *scores);
    /* Thresholds for a picture come from the other folds, or from the other half of the one part held out. */
    t->held[i] = t->options.folds != 0 ? t->parts[i] : (int32_t)(t->groups[i] % 2);
  }
  recsys__free(scores);
  return status;
}

static recsys_status run_fold(recsys__training *t, uint32_t fold, recsys_error *error) {
  recsys__training_order(t, (int32_t)fold);
  if (t->training_count == 0 || t->validation_count == 0)
    return recsys__fail(error, RECSYS_EINVAL, (int32_t)fold, "fold %u of %u has no pictures to train or validate on",
                        fold, t->options.folds);
  recsys_status status = start_fit(t, fold, t->options.epochs, error);
  if (status == RECSYS_OK && !recsys__epochs_over(t)) {
    status = recsys__epochs_run(t, error);
    if (status == RECSYS_OK)
      status = recsys__training_keep_scores(t, error);
  }
  return status;
}

/* As many epochs as the folds' best took in the mean. */
static uint32_t final_epochs(const recsys__training *t) {
  uint32_t folds = t->options.folds, sum = 0;
  for (uint32_t f = 0; f < folds; f++)
    sum += t->courses[f].best;
  return folds != 0 ? (sum + folds / 2) / folds : t->options.epochs;
}

recsys_status recsys__training_stage_one(recsys__training *t, recsys_error *error) {
  const recsys_train_options *o = &t->options;
  recsys__training_order(t, o->folds != 0 ? -1 : 1);
  recsys_status status = check_labels(t, error);
  if (status == RECSYS_OK)
    status = recsys__head_init(&t->net_head, t->dim, (size_t)o->hidden, t->labels.count, false,
                               o->batch > o->fine_tune_batch ? o->batch : o->fine_tune_batch, o->fine_tune_blocks != 0,
                               o->seed, error);
  for (uint32_t fold = 0; status == RECSYS_OK && fold < o->folds; fold++)
    status = run_fold(t, fold, error);
  if (status != RECSYS_OK)
    return status;
  recsys__training_order(t, o->folds != 0 ? -1 : 1);
  if (t->training_count == 0)
    return recsys__fail(error, RECSYS_EINVAL, 0, "no picture is in the part that trains (0)");
  status = start_fit(t, o->folds, final_epochs(t), error);
  if (status == RECSYS_OK && !recsys__epochs_over(t)) {
    status = recsys__epochs_run(t, error);
    if (status == RECSYS_OK && t->validation_count > 0)
      status = recsys__training_keep_scores(t, error);
  }
  return status;
}
