/* The epoch file: the whole state of training after an epoch, so that it can go on with the same result. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/sha256.h"
#include "model/training.h"

enum { MAX_PARAMETERS = 512, STATES = 6, FACTS = 6 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -- which training this is */

static void hash_options(recsys__sha256 *sha, const recsys_train_options *o) {
  char text[512];
  int n = snprintf(text, sizeof text, "%u %u %u %lld %a %u %u %a %a %a %a %u %u %a %llu %u %u %a %u",
                   o->flags & RECSYS_TRAIN_RAW_FEATURES, o->optimiser, o->schedule, (long long)o->hidden, o->dropout,
                   o->epochs, o->batch, o->learning_rate, o->momentum, o->weight_decay, o->balance, o->patience,
                   o->folds, o->validation, (unsigned long long)o->seed, o->fine_tune_blocks, o->fine_tune_epochs,
                   o->fine_tune_rate, o->fine_tune_batch);
  recsys__sha256_update(sha, text, (size_t)n);
}

static void find_key(recsys__training *t) {
  recsys__sha256 sha;
  recsys__sha256_init(&sha);
  recsys__sha256_update(&sha, t->model->info.fingerprint, strlen(t->model->info.fingerprint));
  recsys__sha256_update(&sha, &"afhi"[t->model->info.precision], 1); /* auto (never), float32, bfloat16, int8 */
  hash_options(&sha, &t->options);
  for (size_t c = 0; c < t->labels.count; c++) {
    recsys__sha256_update(&sha, t->names[c].field, strlen(t->names[c].field) + 1);
    recsys__sha256_update(&sha, t->names[c].value, strlen(t->names[c].value) + 1);
    recsys__sha256_update(&sha, t->names[c].exclusive ? "1" : "0", 1);
  }
  recsys__sha256_update(&sha, t->labels.matrix, t->n * t->labels.count);
  recsys__sha256_update(&sha, t->seer->info.fingerprint, strlen(t->seer->info.fingerprint));
  recsys__sha256_update(&sha, t->digests, t->n * sizeof *t->digests);
  recsys__sha256_update(&sha, t->parts, t->n * sizeof *t->parts);
  recsys__sha256_hex(&sha, t->key);
}

/* -- tensors */

typedef struct state {
  double facts[FACTS]; /* phase; of the fit under way: epoch, best epoch, best loss, steps, is a best known */
  recsys__tensor list[4 * MAX_PARAMETERS + STATES];
  char names[4 * MAX_PARAMETERS][96];
  size_t count;
} state;

static void add(state *s, const char *name, recsys__dtype dtype, const void *data, size_t n) {
  recsys__tensor *tensor = &s->list[s->count++];
  *tensor = (recsys__tensor){.name = name, .dtype = dtype, .rank = 1, .shape = {n}, .data = data};
  recsys__tensor_bytes(tensor, &tensor->bytes);
}

static void list_results(recsys__training *t, state *s) {
  add(s, "facts", RECSYS__F64, s->facts, FACTS);
  add(s, "scores", RECSYS__F32, t->scores, t->n * t->labels.count);
  add(s, "held", RECSYS__I32, t->held, t->n);
  add(s, "losses", RECSYS__F64, t->course_epochs, 2 * t->course_room);
}

/* The same list for writing and for reading back: `data` is where each tensor lives. */
static void list_state(recsys__training *t, state *s) {
  recsys__parameter *all[MAX_PARAMETERS];
  size_t count = recsys__fit_parameters(&t->fit, all, MAX_PARAMETERS);
  count = count < MAX_PARAMETERS ? count : MAX_PARAMETERS; /* more are refused by the fit itself */
  s->count = 0;
  for (size_t i = 0; i < count; i++) {
    float *const data[4] = {all[i]->value, all[i]->first, all[i]->second, all[i]->best};
    static const char *const kinds[4] = {"value", "first", "second", "best"};
    for (size_t k = 0; k < 4; k++) {
      snprintf(s->names[4 * i + k], sizeof s->names[0], "%s.%.80s", kinds[k], all[i]->name);
      add(s, s->names[4 * i + k], RECSYS__F32, data[k], all[i]->n);
    }
  }
  list_results(t, s);
}

static recsys_status save(recsys__training *t, recsys_error *error) {
  state *s = recsys__calloc(1, sizeof *s);
  char counts[16 * 128] = "";
  if (s == NULL)
    return recsys__no_memory(error, "the epoch file");
  for (uint32_t p = 0, at = 0; p < t->options.folds + 2; p++)
    at += (uint32_t)snprintf(counts + at, sizeof counts - at, "%u %u ", t->courses[p].count, t->courses[p].best);
  const recsys__fitting *fit = &t->fit;
  const double facts[FACTS] = {
      t->phase, fit->epoch, fit->best_epoch, fit->best_loss, (double)fit->optimiser.steps, fit->best_known};
  memcpy(s->facts, facts, sizeof facts);
  list_state(t, s);
  const struct recsys__metadata metadata[2] = {{"recsys.training", t->key}, {"recsys.courses", counts}};
  recsys_status status = recsys__tensors_write(t->epoch_path, s->list, s->count, metadata, 2, error);
  t->saved_at = now();
  recsys__free(s);
  return status;
}

/* Copies all that is listed from the file, or nothing: false, something is not there in this size. */
static bool restore(recsys__training *t, state *s) {
  for (size_t i = 0; i < s->count; i++) {
    const recsys__tensor *to = &s->list[i], *from = recsys__tensors_find(&t->saved, to->name);
    if (from == NULL || from->dtype != to->dtype || from->bytes != to->bytes)
      return false;
  }
  for (size_t i = 0; i < s->count; i++) {
    const recsys__tensor *to = &s->list[i];
    memcpy((void *)(uintptr_t)to->data, recsys__tensors_find(&t->saved, to->name)->data, to->bytes);
  }
  return true;
}

/* How far each phase had come; false: further than it can. */
static bool read_counts(recsys__training *t, const char *counts) {
  uint32_t folds = t->options.folds;
  for (uint32_t p = 0; p < folds + 2; p++) {
    recsys__course *course = &t->courses[p];
    uint32_t most = p <= folds ? t->options.epochs : t->options.fine_tune_epochs;
    int used = 0;
    if (sscanf(counts, "%u %u %n", &course->count, &course->best, &used) != 2 || course->count > most ||
        course->best > course->count) {
      memset(t->courses, 0, (folds + 2) * sizeof *t->courses);
      for (uint32_t k = 0; k < folds + 2; k++)
        t->courses[k].epochs = t->course_epochs + (size_t)k * t->options.epochs;
      return false;
    }
    counts += used;
  }
  return true;
}

/* Whole numbers from 0 to the largest that is possible. */
static bool in_range(double value, double most) {
  return value >= 0 && value <= most && value == floor(value);
}

/* Without a fit under way: scores and courses alone. */
static bool restore_results(recsys__training *t) {
  state *s = recsys__calloc(1, sizeof *s);
  const char *key = recsys__tensors_metadata(&t->saved, "recsys.training"),
             *counts = recsys__tensors_metadata(&t->saved, "recsys.courses");
  bool good = s != NULL && key != NULL && counts != NULL && strcmp(key, t->key) == 0;
  if (good) {
    list_results(t, s);
    good = read_counts(t, counts) && restore(t, s) && in_range(s->facts[0], t->options.folds + 1);
  }
  if (good)
    t->saved_phase = (uint32_t)s->facts[0];
  recsys__free(s);
  return good;
}

recsys_status recsys__epochs_begin(recsys__training *t, recsys_error *error) {
  find_key(t);
  t->saved_phase = 0;
  t->saved_at = now();
  (void)error;
  if (t->options.flags & RECSYS_TRAIN_RESTART)
    return RECSYS_OK;
  recsys_error ignored;
  if (recsys__tensors_read(&t->saved, t->epoch_path, &ignored) != RECSYS_OK)
    return RECSYS_OK;
  if (restore_results(t))
    return RECSYS_OK;
  for (size_t i = 0; i < t->n; i++)
    t->held[i] = -1; /* whatever the file has left there */
  recsys__log_write(&t->model->log, RECSYS_LOG_INFO, "%s is of another training and is not used", t->epoch_path);
  recsys__tensors_free(&t->saved);
  t->saved = (recsys__tensors){0};
  return RECSYS_OK;
}

bool recsys__epochs_over(const recsys__training *t) {
  return t->saved.count > 0 && t->saved_phase > t->phase;
}

/* The state of the fit, where the file was written in this phase. */
static bool resume(recsys__training *t) {
  if (t->saved.count == 0 || t->saved_phase != t->phase)
    return false;
  state *s = recsys__calloc(1, sizeof *s);
  bool good = s != NULL;
  if (good) {
    list_state(t, s);
    good = restore(t, s) && in_range(s->facts[1], t->fit.epochs) && in_range(s->facts[2], s->facts[1]) &&
           in_range(s->facts[4], 1e15);
  }
  if (good) {
    t->fit.epoch = (uint32_t)s->facts[1];
    t->fit.best_epoch = (uint32_t)s->facts[2];
    t->fit.best_loss = s->facts[3];
    t->fit.optimiser.steps = (uint64_t)s->facts[4];
    t->fit.best_known = s->facts[5] != 0;
  }
  recsys__free(s);
  recsys__tensors_free(&t->saved);
  t->saved = (recsys__tensors){0};
  return good;
}

/* -- running */

static recsys_status after_epoch(void *user, const recsys__fitting *fit, recsys_error *error) {
  recsys__training *t = user;
  recsys__course *course = &t->courses[t->phase];
  course->count = fit->epoch;
  course->best = fit->best_epoch;
  return now() - t->saved_at >= t->options.checkpoint ? save(t, error) : RECSYS_OK;
}

static int tell(void *user, const recsys__moment *moment) {
  recsys__training *t = user;
  uint32_t folds = t->options.folds;
  recsys_train_progress progress = {.struct_size = sizeof progress,
                                    .fold = t->phase < folds ? t->phase + 1 : 0,
                                    .phase = t->phase < folds      ? "fold"
                                             : t->seer != t->model ? "distill"
                                             : t->phase == folds   ? "head"
                                                                   : "fine-tune",
                                    .epoch = moment->epoch,
                                    .epochs = moment->epochs,
                                    .step = moment->step,
                                    .steps = moment->steps,
                                    .training_loss = moment->training_loss,
                                    .validation_loss = moment->validation_loss};
  return t->options.progress != NULL ? t->options.progress(t->options.progress_user, &progress) : 0;
}

recsys_status recsys__epochs_run(recsys__training *t, recsys_error *error) {
  t->fit.history = t->courses[t->phase].epochs;
  t->fit.saved = after_epoch;
  t->fit.progress = tell;
  t->fit.user = t;
  resume(t);
  recsys_status status = recsys__fit_run(&t->fit, error);
  t->courses[t->phase].count = t->fit.epoch;
  t->courses[t->phase].best = t->fit.best_epoch;
  return status;
}
