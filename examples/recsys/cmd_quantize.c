/* recsys quantize: an int8 model of a network, and how near it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "opening.h"
#include "pictures.h"
#include "progress.h"

static const args_option options[] = {
    {"images", "DIR", "pictures like those that will be embedded: every JPEG or PNG file in this folder",
     "--images photos/"},
    {"out", "FILE", "the int8 model", "--out resnet50-int8.safetensors"},
    {"calibrate", "N", "pictures that the ranges are taken from (default 300, at most half)", "--calibrate 500"},
    {"compare", "N", "other pictures that the report is of, at most (default 1000, at most 10000)", "--compare 300"},
    {"seed", "N", "of the draw which pictures these are (default 0)", "--seed 1"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "quantize",
    "--model MODEL --images DIR --out FILE [OPTION...]",
    "Makes an int8 model: up to three times as fast as float32, in as little as a quarter of the space. Making and\n"
    "running it takes a processor with AVX-512 VNNI. Ranges come from some of the pictures; on others the two are\n"
    "compared. Look at the comparison before you use the file: its embeddings are near those of MODEL, not equal, so "
    "it\n"
    "takes a store of its own.",
    "recsys quantize --model resnet50.safetensors --images photos/ --out resnet50-int8.safetensors\n"
    "recsys add shop-int8.recsys --model resnet50-int8.safetensors --images photos/",
    {options, opening_model_options, args_general},
};

typedef struct job {
  const args *a;
  const char *out;
  pictures pictures;
  recsys_image *images;
  recsys_status *statuses;
  size_t n;
  recsys_quantize_options how;
  recsys_quantize_report report;
  recsys_model_info info;
  progress progress;
} job;

static int list_pictures(job *j) {
  const char *folder = args_get(j->a, "images", NULL);
  j->out = args_get(j->a, "out", NULL);
  if (!folder || !j->out || !args_get(j->a, "model", NULL))
    return args_misuse(j->a, "give the network with --model MODEL, pictures with --images DIR, the result with --out "
                             "FILE");
  if (!pictures_list(&j->pictures, folder))
    return FAILED;
  j->images = need(j->pictures.n + 1, sizeof *j->images);
  j->statuses = need(j->pictures.n + 1, sizeof *j->statuses);
  for (size_t i = 0; i < j->pictures.n; i++) {
    const picture *one = &j->pictures.list[i];
    if (one->wrong)
      say("%s: %s", one->path, one->wrong);
    else
      j->images[j->n++] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = one->path};
  }
  if (j->n >= 2)
    return DONE;
  say("%s has %zu usable picture%s: an int8 model needs two at least, and some hundred to be good", folder, j->n,
      j->n == 1 ? "" : "s");
  return FAILED;
}

/* One bar for each phase. */
static int watch(void *user, const char *phase, uint64_t done, uint64_t total) {
  job *j = user;
  const char *title = strcmp(phase, "calibrate") == 0 ? "Calibrating" : "Comparing";
  if (j->progress.title != title) {
    if (j->progress.title)
      progress_end(&j->progress);
    progress_begin(&j->progress, title, "pictures", 0, total);
    j->progress.title = title;
  }
  return progress_callback(&j->progress, phase, done, total);
}

static void print_json(const job *j) {
  const recsys_quantize_report *r = &j->report;
  json_print(json_pack("{s:s, s:o, s:s, s:i, s:I, s:I, s:f, s:f, s:I, s:f, s:f}", "command", "quantize", "out",
                       json_text(j->out), "architecture", j->info.architecture, "layers", (int)r->layers, "calibrated",
                       (json_int_t)r->calibrated, "compared", (json_int_t)r->compared, "cosine", r->cosine,
                       "least_cosine", r->least_cosine, "neighbours", (json_int_t)r->neighbours, "equal_neighbours",
                       r->equal_neighbours, "equal_classes", r->equal_classes));
}

static void print_table(const job *j) {
  const recsys_quantize_report *r = &j->report;
  printf("%s: %s with %u layers in int8, their ranges from %llu pictures.\n"
         "On %llu other pictures, beside float32:\n\n"
         "  cosine of the embeddings   %.4f in the mean, the least %.4f\n",
         j->out, j->info.architecture, r->layers, (unsigned long long)r->calibrated, (unsigned long long)r->compared,
         r->cosine, r->least_cosine);
  if (r->neighbours)
    printf("  the %2llu nearest             %.1f %% are the same\n", (unsigned long long)r->neighbours,
           100 * r->equal_neighbours);
  if (r->equal_classes >= 0)
    printf("  best class                 %.1f %% are the same\n", 100 * r->equal_classes);
}

static void tell_failures(const job *j, const recsys_error *first) {
  if (first->status == RECSYS_EPARTIAL)
    say("%s", first->message);
  for (size_t i = 0; i < j->n; i++)
    if (j->statuses[i] != RECSYS_OK)
      say("%s cannot be used: %s", j->images[i].path, recsys_status_name(j->statuses[i]));
}

static int quantize(job *j, recsys_model *model) {
  recsys_error error = {0};
  j->how.progress = watch;
  j->how.progress_user = j;
  j->report.struct_size = sizeof j->report;
  recsys_status status =
      recsys_model_quantize(model, j->out, j->images, j->n, &j->how, &j->report, j->statuses, &error);
  if (j->progress.title)
    progress_end(&j->progress);
  tell_failures(j, &error);
  if (status && status != RECSYS_EPARTIAL)
    return say_error(&error);
  (args_has(j->a, "json") ? print_json : print_table)(j);
  return DONE;
}

int cmd_quantize(int argc, char **argv) {
  args a;
  job j = {.a = &a, .how = {.struct_size = sizeof j.how}};
  recsys_model *model = NULL;
  int code = args_parse(&a, &command, argc, argv, 0, 0);
  if (code != ARGS_GO_ON)
    return code;
  bool good = args_whole(&a, "calibrate", 1, INT32_MAX, &j.how.calibrate) &&
              args_whole(&a, "compare", 1, 10000, &j.how.compare) && args_whole(&a, "seed", 0, UINT64_MAX, &j.how.seed);
  code = good ? list_pictures(&j) : MISUSED;
  if (!code)
    model = opening_model(&a, NULL, &j.info, &code);
  if (model)
    code = quantize(&j, model);
  recsys_model_close(model);
  pictures_free(&j.pictures);
  free(j.images);
  free(j.statuses);
  args_free(&a);
  return code;
}
