/* Options of training, and a bar for each of its phases. */
#include "training_options.h"

#include <string.h>

#include "command.h"

const args_option training_options[] = {
    {"folds", "K", "k-fold cross-validation, then training on all pictures (default: one split, 80:20)", "--folds 5"},
    {"hidden", "N", "units of the head's hidden layer (default 1024; none: no such layer)", "--hidden 512"},
    {"optimiser", "KIND", "sgd (default) or adamw", "--optimiser adamw"},
    {"schedule", "KIND", "of the learning rate: cosine (default), constant or steps", "--schedule steps"},
    {"learning-rate", "X", "default 0.01 for sgd, 0.001 for adamw", "--learning-rate 0.003"},
    {"weight-decay", "X", "default 0.0005 for sgd, 0.01 for adamw", "--weight-decay 0"},
    {"momentum", "X", "of sgd (default 0.9)", "--momentum 0.95"},
    {"dropout", "X", "share of hidden units that a step leaves out (default 0.5)", "--dropout 0.3"},
    {"epochs", "N", "at most (default 50)", "--epochs 100"},
    {"batch", "N", "pictures per step (default 256)", "--batch 128"},
    {"patience", "N", "stop when the validation loss has not fallen for so many epochs (default 10)", "--patience 20"},
    {"balance", "X", "rare labels weigh (absent / present)^X more, at most 20 times (default 0)", "--balance 0.5"},
    {"validation", "X", "share of the pictures that one split holds out (default 0.2)", "--validation 0.1"},
    {"seed", "N", "of everything random (default 0)", "--seed 7"},
    {"fine-tune", "N", "then train the last N blocks of the network, too (stage two; default 0)", "--fine-tune 2"},
    {"fine-tune-epochs", "N", "default 10", "--fine-tune-epochs 5"},
    {"fine-tune-rate", "X", "learning rate of stage two (default: a tenth)", "--fine-tune-rate 0.0005"},
    {"cache", "DIR", "keep the pictures' features in this folder from run to run", "--cache features/"},
    {"memory", "MIB", "for features; what is more is read from the cache (default 1024)", "--memory 4096"},
    {"half", NULL, "write the weights as 16-bit floats", "--half"},
    {"restart", NULL, "begin anew, although an interrupted training could go on", "--restart"},
    {0},
};

static bool read_word(const args *a, const char *name, const char *const *words, uint32_t *out) {
  const char *word = args_get(a, name, words[0]);
  for (uint32_t i = 0; words[i]; i++) {
    if (!strcmp(word, words[i])) {
      *out = i;
      return true;
    }
  }
  args_misuse(a, "--%s is not \"%s\"", name, word);
  return false;
}

static bool read_count(const args *a, const char *name, uint64_t least, uint64_t most, uint32_t *out) {
  uint64_t value = 0;
  if (!args_whole(a, name, least, most, &value))
    return false;
  *out = (uint32_t)value;
  return true;
}

/* The library takes 0 for its default: a zero that was asked for is said as a negative number. */
static bool read_share(const args *a, const char *name, double most, double *out) {
  double value = 0;
  if (!args_real(a, name, 0, most, &value))
    return false;
  *out = args_has(a, name) && value == 0 ? -1 : value;
  return true;
}

static bool read_hidden(const args *a, int64_t *hidden) {
  uint64_t value = 0;
  if (!strcmp(args_get(a, "hidden", ""), "none")) {
    *hidden = -1;
    return true;
  }
  if (!args_whole(a, "hidden", 1, 65536, &value))
    return false;
  *hidden = (int64_t)value;
  return true;
}

bool training_read(const args *a, recsys_train_options *o) {
  static const char *const optimisers[] = {"sgd", "adamw", NULL}, *const schedules[] = {"cosine", "constant", "steps",
                                                                                        NULL};
  uint64_t memory = 0;
  o->struct_size = sizeof *o;
  o->cache = args_get(a, "cache", NULL);
  o->flags = (args_has(a, "restart") ? RECSYS_TRAIN_RESTART : 0) | (args_has(a, "half") ? RECSYS_TRAIN_HALF : 0);
  if (!read_word(a, "optimiser", optimisers, &o->optimiser) || !read_word(a, "schedule", schedules, &o->schedule) ||
      !read_hidden(a, &o->hidden) || !args_whole(a, "seed", 0, INT64_MAX, &o->seed) ||
      !args_whole(a, "memory", 1, 1 << 30, &memory))
    return false;
  o->memory = memory << 20;
  return read_count(a, "folds", 2, 100, &o->folds) && read_count(a, "epochs", 1, 1000000, &o->epochs) &&
         read_count(a, "batch", 1, 1000000, &o->batch) && read_count(a, "patience", 1, 1000000, &o->patience) &&
         read_count(a, "fine-tune", 1, 1000, &o->fine_tune_blocks) &&
         read_count(a, "fine-tune-epochs", 1, 1000000, &o->fine_tune_epochs) &&
         read_share(a, "learning-rate", 1e6, &o->learning_rate) &&
         read_share(a, "fine-tune-rate", 1e6, &o->fine_tune_rate) &&
         read_share(a, "weight-decay", 1e6, &o->weight_decay) && read_share(a, "momentum", 0.9999, &o->momentum) &&
         read_share(a, "dropout", 0.99, &o->dropout) && read_share(a, "balance", 9, &o->balance) &&
         read_share(a, "validation", 0.9, &o->validation);
}

static const char *title_of(const recsys_train_progress *now) {
  return !strcmp(now->phase, "features")    ? "Pictures"
         : !strcmp(now->phase, "distill")   ? "Teaching"
         : !strcmp(now->phase, "fold")      ? "Cross-validation"
         : !strcmp(now->phase, "fine-tune") ? "Fine-tuning"
                                            : "Training";
}

/* Epochs are the steps of the bar; a line for each says its losses when progress is told in lines. */
int training_tell(void *user, const recsys_train_progress *now) {
  training_progress *t = user;
  t->training_loss = now->training_loss;
  t->validation_loss = now->validation_loss;
  if (!t->phase || strcmp(t->phase, now->phase) != 0 || t->fold != now->fold) {
    if (t->phase)
      progress_end(&t->bar);
    bool seeing = !strcmp(now->phase, "features");
    progress_begin(&t->bar, title_of(now), seeing ? "pictures" : "epochs", 0, seeing ? now->steps : now->epochs);
    t->phase = now->phase;
    t->fold = now->fold;
  }
  uint64_t done = now->epoch ? now->epoch - (now->step < now->steps) : now->step;
  return progress_step(&t->bar, done);
}

void training_end(training_progress *t) {
  if (t->phase)
    progress_end(&t->bar);
  t->phase = NULL;
}
