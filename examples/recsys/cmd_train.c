/* recsys train: a shop's own labels on a pretrained network, as a model file. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "labelled.h"
#include "opening.h"
#include "progress.h"
#include "table.h"
#include "training_page.h"

static const args_option options[] = {
    {"fields", "NAME,...", "columns of labels to learn", "--fields genre, --fields kind,colour"},
    {"multiple", "NAME,...",
     "fields in which a picture may have several labels although none here has; by default a field is\n"
     "exclusive where no picture has two",
     "--multiple colour"},
    {"min-pictures", "N", "leave out labels with fewer pictures (default 5)", "--min-pictures 10"},
    {"out", "FILE", "the trained model", "--out shop.safetensors"},
    {"html", "FILE", "write a page with the loss curves and the table of labels", "--html training.html"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_option learning[] = {
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
    {"restart", NULL, "begin anew, although an interrupted training could go on", "--restart"},
    {0},
};

static const args_command command = {
    "train",
    "--images DIR --labels CSV --fields NAME,... --model MODEL --out FILE [OPTION...]",
    "Trains a head on a network's features, and its last blocks where --fine-tune asks for it. The result is a model\n"
    "file: add embeds with it (layer head), label and classify tell its labels. An interrupted run goes on where it\n"
    "was. Pictures that cannot be used are reported and left out.",
    "recsys train --images posters/ --labels films.csv --fields genre --model googlenet.safetensors --out "
    "genres.safetensors\n"
    "recsys train --images photos/ --labels items.csv --fields kind,colour --model resnet50.safetensors --folds 5 \\\n"
    "    --out shop.safetensors --html training.html",
    {options, learning, labelled_options, opening_model_options, args_general},
};

typedef struct job {
  const args *a;
  labelled data;
  recsys_model *model;
  recsys_model_info info;
  recsys_train_options how;
  recsys_status *statuses;
  progress progress;
  const char *phase;
  uint32_t fold;
} job;

/* -- options */

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

static bool read_options(job *j) {
  static const char *const optimisers[] = {"sgd", "adamw", NULL}, *const schedules[] = {"cosine", "constant", "steps",
                                                                                        NULL};
  const args *a = j->a;
  recsys_train_options *o = &j->how;
  uint64_t memory = 0;
  o->struct_size = sizeof *o;
  o->cache = args_get(a, "cache", NULL);
  o->flags = args_has(a, "restart") ? RECSYS_TRAIN_RESTART : 0;
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

static int read_labels(job *j) {
  const char *names = args_get(j->a, "fields", NULL);
  uint64_t least = 5;
  size_t n = 0, n_multiple = 0;
  if (!names || !args_get(j->a, "out", NULL))
    return args_misuse(j->a, names ? "where to? Give --out FILE" : "what is to be learned? Give --fields NAME,...");
  if (!args_whole(j->a, "min-pictures", 1, UINT32_MAX, &least))
    return MISUSED;
  char **fields = args_list(names, &n), **multiple = args_list(args_get(j->a, "multiple", ""), &n_multiple);
  int code = labelled_read(&j->data, j->a, fields, n, least, multiple, n_multiple);
  args_free_list(fields, n);
  args_free_list(multiple, n_multiple);
  if (!code && !j->data.n_labels) {
    say("no label has %llu pictures", (unsigned long long)least);
    code = FAILED;
  }
  return code;
}

/* -- training */

static const char *title_of(const recsys_train_progress *now) {
  return !strcmp(now->phase, "features")    ? "Pictures"
         : !strcmp(now->phase, "fold")      ? "Cross-validation"
         : !strcmp(now->phase, "fine-tune") ? "Fine-tuning"
                                            : "Training";
}

/* Epochs are the steps of the bar; a line for each says its losses when progress is told in lines. */
static int tell(void *user, const recsys_train_progress *now) {
  job *j = user;
  if (!j->phase || strcmp(j->phase, now->phase) != 0 || j->fold != now->fold) {
    if (j->phase)
      progress_end(&j->progress);
    bool seeing = !strcmp(now->phase, "features");
    progress_begin(&j->progress, title_of(now), seeing ? "pictures" : "epochs", 0, seeing ? now->steps : now->epochs);
    j->phase = now->phase;
    j->fold = now->fold;
  }
  uint64_t done = now->epoch ? now->epoch - (now->step < now->steps) : now->step;
  return progress_step(&j->progress, done);
}

static void report_failures(const job *j) {
  for (size_t i = 0; i < j->data.n; i++) {
    if (j->statuses[i] < 0)
      say("%s: %s", j->data.images[i].path, recsys_status_name(j->statuses[i]));
  }
}

static int learn(job *j) {
  recsys_error error = {0};
  j->statuses = need(j->data.n, sizeof *j->statuses);
  j->how.progress = tell;
  j->how.progress_user = j;
  recsys_status status =
      recsys_model_train(j->model, args_get(j->a, "out", NULL), j->data.images, j->data.n, j->data.labels,
                         j->data.n_labels, j->data.matrix, &j->how, j->statuses, &error);
  if (j->phase)
    progress_end(&j->progress);
  if (status == RECSYS_EPARTIAL) {
    say("%s", error.message);
    report_failures(j);
  } else if (status) {
    return say_error(&error);
  }
  return DONE;
}

/* -- what came of it */

static char *read_report(const char *path, recsys_error *error) {
  recsys_model *model = NULL;
  size_t length = 0;
  char *text = NULL;
  if (!recsys_model_open(&model, path, NULL, error) && !recsys_model_get_report(model, NULL, 0, &length, error)) {
    text = need(length + 1, 1);
    recsys_model_get_report(model, text, length + 1, NULL, error);
  }
  recsys_model_close(model);
  return text;
}

static void add_row(table *t, const json_t *m, const char *field, const char *value) {
  static const char *const columns[] = {"threshold", "accuracy", "precision", "recall", "f1", "average_precision"};
  char number[32];
  table_cell(t, field);
  table_cell(t, value);
  snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json_object_get(m, "support")));
  table_cell(t, number);
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    snprintf(number, sizeof number, "%.3f", json_number_value(json_object_get(m, columns[i])));
    table_cell(t, number);
  }
}

static void print_labels(const json_t *report) {
  static const char *const headings[] = {"field",     "label",  "pictures", "threshold",        "accuracy",
                                         "precision", "recall", "F1",       "average precision"};
  table *t = table_new(headings, 9, "2345678");
  const json_t *labels = json_object_get(report, "labels");
  for (size_t i = 0; i < json_array_size(labels); i++) {
    const json_t *m = json_array_get(labels, i);
    add_row(t, m, json_string_value(json_object_get(m, "field")), json_string_value(json_object_get(m, "value")));
  }
  add_row(t, json_object_get(report, "micro"), "", "(micro)");
  add_row(t, json_object_get(report, "macro"), "", "(macro)");
  table_print(t);
  table_free(t);
}

static int show(const job *j) {
  const char *out = args_get(j->a, "out", NULL), *page = args_get(j->a, "html", NULL);
  recsys_error error = {0};
  char *text = read_report(out, &error);
  if (!text)
    return say_error(&error);
  json_t *report = json_loads(text, 0, NULL);
  free(text);
  int code = page ? training_page_write(report, page, "Training of a model") : DONE;
  if (args_has(j->a, "json")) {
    json_print(json_pack("{ss ss sI sI sO}", "command", "train", "model", out, "lines_without_picture",
                         (json_int_t)j->data.missing, "pictures_without_line", (json_int_t)j->data.unlabelled, "report",
                         report));
  } else {
    print_labels(report);
    printf("%s: %zu labels from %lld pictures.", out, j->data.n_labels,
           (long long)json_integer_value(json_object_get(json_object_get(report, "data"), "used")));
    if (j->data.missing || j->data.unlabelled)
      printf(" %llu lines have no picture, %llu pictures no line.", (unsigned long long)j->data.missing,
             (unsigned long long)j->data.unlabelled);
    printf("\n");
  }
  json_decref(report);
  return code;
}

int cmd_train(int argc, char **argv) {
  args a;
  job j = {.a = &a};
  int code = args_parse(&a, &command, argc, argv, 0, 0);
  if (code != ARGS_GO_ON)
    return code;
  code = read_options(&j) ? read_labels(&j) : MISUSED;
  if (!code)
    j.model = opening_model(&a, NULL, &j.info, &code);
  if (j.model) {
    code = learn(&j);
    if (!code)
      code = show(&j);
  }
  recsys_model_close(j.model);
  labelled_free(&j.data);
  free(j.statuses);
  args_free(&a);
  return code;
}
