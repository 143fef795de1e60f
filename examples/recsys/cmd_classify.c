/* recsys classify: the most likely classes of pictures, by the network's own classifier. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "opening.h"
#include "pictures.h"
#include "progress.h"
#include "table.h"

static const args_option options[] = {
    {"k", "N", "classes for each picture (default 5)", "-k 3"},
    {"names", "FILE", "the classes' names, one on each line (default: those in the model's file)",
     "--names imagenet_classes.txt"},
    {"json", NULL, "print one JSON object (docs/formats-json.md) instead of a table", "--json"},
    {0},
};

static const args_command command = {
    "classify",
    "--model MODEL FILE... [OPTION...]",
    "Prints what the network's classifier takes each picture for, the likeliest first. Pictures that cannot be used "
    "are\n"
    "reported; the exit code is 1 when none could be used.",
    "recsys classify --model googlenet.safetensors photo.jpg --names imagenet_classes.txt",
    {options, opening_model_options, args_general},
};

typedef struct names {
  char *bytes, **lines;
  size_t n;
} names;

typedef struct job {
  const args *a;
  recsys_model *model;
  recsys_model_info info;
  names names;
  uint64_t k;
  table *table;
  json_t *pictures;
  size_t good;
} job;

static bool read_names(const char *path, names *out) {
  size_t size = 0;
  char *at = out->bytes = read_whole_file(path, 16 << 20, &size);
  if (!at) {
    say("%s: the file of names cannot be read", path);
    return false;
  }
  while (*at) {
    size_t length = strcspn(at, "\r\n");
    out->lines = need_more(out->lines, out->n + 1, sizeof *out->lines);
    out->lines[out->n++] = at;
    at += length;
    if (*at == '\r')
      *at++ = '\0';
    if (*at == '\n')
      *at++ = '\0';
  }
  return true;
}

static char *class_name(const job *j, uint64_t index) {
  char name[256];
  if (index < j->names.n)
    return need_copy(j->names.lines[index]);
  char field[256];
  if (!j->names.n && !recsys_model_get_class_name(j->model, index, name, sizeof name, NULL, NULL))
    return recsys_model_get_class_field(j->model, index, field, sizeof field, NULL, NULL, NULL)
               ? need_copy(name)
               : need_text("%s = %s", field, name);
  return need_text("class %llu", (unsigned long long)index);
}

/* The index of the largest score below `before` in the order (score falling, index rising). */
static uint64_t next_best(const float *scores, uint64_t n, const bool *taken) {
  uint64_t best = n;
  for (uint64_t i = 0; i < n; i++) {
    if (!taken[i] && (best == n || scores[i] > scores[best]))
      best = i;
  }
  return best;
}

static void show_picture(job *j, const char *path, const float *scores) {
  bool *taken = need(j->info.classes, sizeof *taken);
  json_t *classes = json_array();
  for (uint64_t i = 0; i < j->k && i < j->info.classes; i++) {
    uint64_t best = next_best(scores, j->info.classes, taken);
    char *name = class_name(j, best), number[32];
    taken[best] = true;
    snprintf(number, sizeof number, "%.3f", (double)scores[best]);
    table_cell(j->table, i ? "" : path);
    table_cell(j->table, number);
    table_cell(j->table, name);
    json_array_append_new(classes, json_pack("{sI so sf}", "class", (json_int_t)best, "name", json_text(name), "score",
                                             (double)scores[best]));
    free(name);
  }
  json_array_append_new(j->pictures, json_pack("{so so}", "file", json_text(path), "classes", classes));
  free(taken);
}

static void show_broken(job *j, const char *path) {
  recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = path};
  recsys_error error = {0};
  float *scores = need(j->info.classes, sizeof *scores);
  recsys_model_classify(j->model, &image, 1, NULL, scores, NULL, &error);
  char *reason = pictures_reason(path, &error);
  say("%s", reason);
  json_array_append_new(j->pictures, json_pack("{so so}", "file", json_text(path), "error", json_text(reason)));
  free(reason);
  free(scores);
}

static int classify_batch(job *j, char **paths, size_t n, float *scores, progress *p) {
  enum { MOST = 64 };
  recsys_image images[MOST] = {0};
  recsys_status statuses[MOST] = {0};
  recsys_error error = {0};
  recsys_embed_options how = {.struct_size = sizeof how, .progress = progress_callback, .progress_user = p};
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = paths[i]};
  recsys_status status = recsys_model_classify(j->model, images, n, &how, scores, statuses, &error);
  if (status && status != RECSYS_EPARTIAL)
    return say_error(&error);
  for (size_t i = 0; i < n; i++) {
    if (statuses[i] < 0) {
      show_broken(j, paths[i]);
      continue;
    }
    show_picture(j, paths[i], scores + i * j->info.classes);
    j->good++;
  }
  return DONE;
}

static int classify_all(job *j) {
  enum { BATCH = 64 };
  size_t n = j->a->n_words;
  float *scores = need(BATCH * (j->info.classes ? j->info.classes : 1), sizeof *scores);
  progress p;
  int code = DONE;
  progress_begin(&p, "Classifying", "pictures", 0, n);
  for (size_t at = 0; at < n && !code; at += BATCH) {
    p.base = at;
    code = classify_batch(j, j->a->words + at, n - at < BATCH ? n - at : BATCH, scores, &p);
  }
  progress_end(&p);
  free(scores);
  return code;
}

static int show(job *j) {
  if (args_has(j->a, "json"))
    json_print(json_pack("{ss ss sb sO}", "command", "classify", "model", j->info.architecture, "untrained",
                         (int)!j->info.trained, "pictures", j->pictures));
  else if (j->good)
    table_print(j->table);
  if (!args_has(j->a, "json") && !j->info.trained)
    printf("This network is UNTRAINED (random weights): its classes mean nothing.\n");
  return j->good ? DONE : FAILED;
}

static int run(job *j) {
  static const char *const headings[] = {"picture", "score", "class"};
  const char *path = args_get(j->a, "names", NULL);
  int code = MISUSED;
  j->k = 5;
  if (!args_whole(j->a, "k", 1, 1000000, &j->k))
    return MISUSED;
  if (path && !read_names(path, &j->names))
    return FAILED;
  j->model = opening_model(j->a, NULL, &j->info, &code);
  if (!j->model)
    return code;
  j->table = table_new(headings, 3, "1");
  j->pictures = json_array();
  code = classify_all(j);
  if (!code)
    code = show(j);
  table_free(j->table);
  json_decref(j->pictures);
  return code;
}

int cmd_classify(int argc, char **argv) {
  args a;
  job j = {.a = &a};
  int code = args_parse(&a, &command, argc, argv, 1, SIZE_MAX);
  if (code != ARGS_GO_ON)
    return code;
  code = run(&j);
  recsys_model_close(j.model);
  free(j.names.lines);
  free(j.names.bytes);
  args_free(&a);
  return code;
}
