/* recsys evaluate-model: how well a trained model tells labels on pictures whose labels are known. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "label_table.h"
#include "labelled.h"
#include "opening.h"
#include "progress.h"
#include "training_page.h"

static const args_option options[] = {
    {"html", "FILE", "write a page with the table of labels", "--html labels.html"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "evaluate-model",
    "--model MODEL --images DIR --labels CSV [OPTION...]",
    "Measures a model that train has written on other pictures: accuracy, precision, recall, F1 and average precision\n"
    "for each label, with the model's own thresholds. The columns of the CSV file are called like the model's fields.",
    "recsys evaluate-model --model genres.safetensors --images new/ --labels new.csv",
    {options, labelled_options, opening_model_options, args_general},
};

/* With --part-column: the pictures of the third part, which neither trained nor stopped the training. */
static void keep_third_part(labelled *l) {
  size_t kept = 0;
  for (size_t i = 0; l->parts && i < l->n; i++) {
    if (l->parts[i] != 2)
      continue;
    l->images[kept] = l->images[i];
    memmove(l->matrix + kept * l->n_labels, l->matrix + i * l->n_labels, l->n_labels);
    kept++;
  }
  l->n = l->parts ? kept : l->n;
}

static int measure(const args *a, recsys_model *model, const labelled *l) {
  recsys_error error = {0};
  progress p;
  recsys_label_metrics *metrics = need(l->n_labels + 2, sizeof *metrics);
  recsys_status *statuses = need(l->n, sizeof *statuses);
  progress_begin(&p, "Classifying", "pictures", 0, l->n);
  recsys_embed_options how = {.struct_size = sizeof how, .progress = progress_callback, .progress_user = &p};
  recsys_status status = recsys_model_evaluate(model, l->images, l->n, l->matrix, &how, metrics, statuses, &error);
  progress_end(&p);
  int code = DONE;
  size_t used = 0;
  for (size_t i = 0; i < l->n; i++)
    used += statuses[i] == RECSYS_OK;
  if (status && status != RECSYS_EPARTIAL)
    code = say_error(&error);
  else if (status)
    say("%zu of %zu pictures could not be used; %s", l->n - used, l->n, error.message);
  json_t *report = code ? NULL : label_table_json(l->labels, l->n_labels, metrics);
  if (report && args_get(a, "html", NULL))
    code = training_page_write(report, args_get(a, "html", NULL), "How well labels are told");
  if (report && args_has(a, "json")) {
    json_object_set_new(report, "command", json_string("evaluate-model"));
    json_object_set_new(report, "pictures", json_integer((json_int_t)used));
    json_print(json_incref(report));
  } else if (report) {
    label_table_print(report);
  }
  json_decref(report);
  free(metrics);
  free(statuses);
  return code;
}

int cmd_evaluate_model(int argc, char **argv) {
  args a;
  recsys_model_info info;
  labelled l = {0};
  int code = args_parse(&a, &command, argc, argv, 0, 0);
  if (code != ARGS_GO_ON)
    return code;
  recsys_model *model = opening_model(&a, NULL, &info, &code);
  if (model)
    code = labelled_read_for(&l, &a, model, info.classes);
  if (model && !code) {
    keep_third_part(&l);
    code = l.n ? measure(&a, model, &l) : FAILED;
    if (!l.n)
      say("no picture is in part 2");
  }
  recsys_model_close(model);
  labelled_free(&l);
  args_free(&a);
  return code;
}
