/* recsys train: a shop's own labels on a pretrained network, as a model file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "label_table.h"
#include "labelled.h"
#include "opening.h"
#include "training_options.h"
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
    {options, training_options, labelled_options, opening_model_options, args_general},
};

typedef struct job {
  const args *a;
  labelled data;
  recsys_model *model;
  recsys_model_info info;
  recsys_train_options how;
  recsys_status *statuses;
  training_progress progress;
} job;

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

static void report_failures(const job *j) {
  for (size_t i = 0; i < j->data.n; i++) {
    if (j->statuses[i] < 0)
      say("%s: %s", j->data.images[i].path, recsys_status_name(j->statuses[i]));
  }
}

static int learn(job *j) {
  recsys_error error = {0};
  j->statuses = need(j->data.n, sizeof *j->statuses);
  /* Part 2 and above are for evaluate-model. */
  for (size_t i = 0; j->data.parts && !j->how.folds && i < j->data.n; i++)
    j->data.parts[i] = j->data.parts[i] >= 2 ? -1 : j->data.parts[i];
  j->how.parts = j->data.parts;
  j->how.progress = training_tell;
  j->how.progress_user = &j->progress;
  recsys_status status =
      recsys_model_train(j->model, args_get(j->a, "out", NULL), j->data.images, j->data.n, j->data.labels,
                         j->data.n_labels, j->data.matrix, &j->how, j->statuses, &error);
  training_end(&j->progress);
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
    label_table_print(report);
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
  code = training_read(&a, &j.how) ? read_labels(&j) : MISUSED;
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
