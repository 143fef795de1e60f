/*
 * recsys label: what a trained model sees in the pictures of a store's items, as labels with scores. Labels that were
 * given have score 1; predicted ones stay below, so that they can be told apart and made anew.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "items.h"
#include "json.h"
#include "opening.h"
#include "pictures.h"
#include "progress.h"

static const args_option options[] = {
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "label",
    "STORE --model MODEL [OPTION...]",
    "Predicts the labels of a model that train has written for every item of the store whose picture is on disk, and\n"
    "stores them with their scores. Labels that were given (score 1) are never touched: an item with a given label in "
    "a\n"
    "field keeps that field as it is. Labels that were predicted before are replaced.",
    "recsys label shop.recsys --model shop.safetensors",
    {options, opening_model_options, args_general},
};

enum { BATCH = 64 };
static const float most = 0.99999f; /* of a predicted score */

typedef struct told_class {
  char *field, *value;
  bool exclusive;
  double threshold;
} told_class;

typedef struct job {
  const args *a;
  recsys_store *store;
  recsys_model *model;
  recsys_model_info info;
  told_class *classes;
  uint64_t items, labelled, labels, given, broken, without;
} job;

/* What one batch puts and removes. */
typedef struct change {
  int64_t *items;
  const char **fields, **values;
  float *scores;
  size_t n, capacity;
} change;

static void change_add(change *c, int64_t item, const char *field, const char *value, float score) {
  if (c->n == c->capacity) {
    c->capacity = c->capacity ? 2 * c->capacity : 256;
    c->items = need_more(c->items, c->capacity, sizeof *c->items);
    c->fields = need_more(c->fields, c->capacity, sizeof *c->fields);
    c->values = need_more(c->values, c->capacity, sizeof *c->values);
    c->scores = need_more(c->scores, c->capacity, sizeof *c->scores);
  }
  c->items[c->n] = item;
  c->fields[c->n] = field;
  c->values[c->n] = value;
  c->scores[c->n++] = score;
}

static void change_free(change *c) {
  free(c->items);
  free(c->fields);
  free(c->values);
  free(c->scores);
}

static int read_classes(job *j) {
  recsys_error error = {0};
  char text[256];
  recsys_label_metrics *metrics = need(j->info.classes + 2, sizeof *metrics);
  j->classes = need(j->info.classes, sizeof *j->classes);
  recsys_status status = recsys_model_get_metrics(j->model, metrics, &error);
  for (uint64_t c = 0; !status && c < j->info.classes; c++) {
    uint32_t exclusive = 0;
    status = recsys_model_get_class_field(j->model, c, text, sizeof text, NULL, &exclusive, &error);
    j->classes[c] = (told_class){.field = need_copy(text), .exclusive = exclusive, .threshold = metrics[c].threshold};
    if (!status)
      status = recsys_model_get_class_name(j->model, c, text, sizeof text, NULL, &error);
    j->classes[c].value = need_copy(text);
  }
  free(metrics);
  return status ? say_error(&error) : DONE;
}

/* Does the item have a given label in this field? */
static bool is_given(const job *j, int64_t item, const char *field) {
  float score = 0;
  size_t length;
  /* The first label has the highest score. */
  return !recsys_store_get_label(j->store, item, field, 0, NULL, 0, &length, &score, NULL) && score >= 1;
}

static bool has_any(const job *j, int64_t item, const char *field) {
  size_t length;
  return !recsys_store_get_label(j->store, item, field, 0, NULL, 0, &length, NULL, NULL);
}

static size_t field_end(const job *j, size_t first) {
  size_t end = first;
  while (end < j->info.classes && !strcmp(j->classes[end].field, j->classes[first].field))
    end++;
  return end;
}

static size_t best_of(const float *scores, size_t first, size_t end) {
  size_t best = first;
  for (size_t c = first; c < end; c++)
    if (scores[c] > scores[best])
      best = c;
  return best;
}

static void label_item(job *j, int64_t item, const float *scores, change *put, change *removed) {
  size_t before = put->n;
  for (size_t first = 0, end; first < j->info.classes; first = end) {
    const char *field = j->classes[first].field;
    end = field_end(j, first);
    if (is_given(j, item, field)) {
      j->given++;
      continue;
    }
    if (has_any(j, item, field))
      change_add(removed, item, field, NULL, 0);
    size_t best = best_of(scores, first, end);
    for (size_t c = first; c < end; c++)
      if (j->classes[c].exclusive ? c == best : (double)scores[c] >= j->classes[c].threshold)
        change_add(put, item, field, j->classes[c].value, scores[c] < most ? scores[c] : most);
  }
  j->labels += put->n - before;
  j->labelled += put->n > before;
}

static int store_changes(job *j, const change *put, const change *removed) {
  recsys_error error = {0};
  if (removed->n && recsys_store_remove_labels(j->store, removed->items, removed->fields, NULL, removed->n, &error))
    return say_error(&error);
  if (put->n && recsys_store_put_labels(j->store, put->items, put->fields, put->values, put->scores, put->n, &error))
    return say_error(&error);
  return DONE;
}

static int label_batch(job *j, const int64_t *items, char *const *paths, size_t n, float *scores) {
  recsys_image images[BATCH] = {0};
  recsys_status statuses[BATCH] = {0};
  recsys_error error = {0};
  change put = {0}, removed = {0};
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = paths[i]};
  recsys_status status = recsys_model_classify(j->model, images, n, NULL, scores, statuses, &error);
  if (status && status != RECSYS_EPARTIAL)
    return say_error(&error);
  for (size_t i = 0; i < n; i++) {
    if (statuses[i] == RECSYS_OK) {
      label_item(j, items[i], scores + i * j->info.classes, &put, &removed);
      continue;
    }
    say("%s: %s", paths[i], recsys_status_name(statuses[i]));
    j->broken++;
  }
  int code = store_changes(j, &put, &removed);
  change_free(&put);
  change_free(&removed);
  return code;
}

static int label_all(job *j, uint64_t total) {
  int64_t items[BATCH], id = -1;
  char *paths[BATCH];
  size_t n = 0, count = 1;
  float *scores = need(BATCH * j->info.classes, sizeof *scores);
  int code = DONE;
  progress p;
  progress_begin(&p, "Labelling", "items", 0, total);
  while (!code && count) {
    recsys_error error = {0};
    if (recsys_store_list(j->store, RECSYS_ITEMS, id, &id, 1, &count, &error))
      code = say_error(&error);
    char *path = !code && count ? items_text(j->store, id, "image") : NULL;
    j->items += count;
    j->without += count && !path;
    if (path) {
      items[n] = id;
      paths[n++] = path;
    }
    if (n == BATCH || (!count && n)) {
      code = code ? code : label_batch(j, items, paths, n, scores);
      while (n)
        free(paths[--n]);
      if (!code && progress_step(&p, j->items)) {
        say("stopped; the labels so far are stored");
        code = FAILED;
      }
    }
  }
  while (n)
    free(paths[--n]);
  progress_end(&p);
  free(scores);
  return code;
}

static int show(const job *j) {
  if (args_has(j->a, "json"))
    json_print(json_pack("{ss sI sI sI sI sI sI}", "command", "label", "items", (json_int_t)j->items, "labelled",
                         (json_int_t)j->labelled, "labels", (json_int_t)j->labels, "given_fields", (json_int_t)j->given,
                         "broken", (json_int_t)j->broken, "without_picture", (json_int_t)j->without));
  else
    printf("%llu labels for %llu of %llu items; %llu fields had given labels and were left alone, %llu items have no "
           "picture, %llu pictures could not be used\n",
           (unsigned long long)j->labels, (unsigned long long)j->labelled, (unsigned long long)j->items,
           (unsigned long long)j->given, (unsigned long long)j->without, (unsigned long long)j->broken);
  return j->labelled || !j->items || j->given ? DONE : FAILED;
}

int cmd_label(int argc, char **argv) {
  args a;
  job j = {.a = &a};
  store_facts facts = {0};
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  code = FAILED;
  if (!args_get(&a, "model", NULL))
    code = args_misuse(&a, "which trained model? Give --model FILE");
  else
    j.store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST);
  if (j.store && opening_facts(j.store, &facts))
    j.model = opening_model(&a, NULL, &j.info, &code);
  if (j.model)
    code = read_classes(&j);
  if (j.model && !code)
    code = label_all(&j, facts.info.items);
  if (j.model && !code)
    code = show(&j);
  for (uint64_t c = 0; j.classes && c < j.info.classes; c++) {
    free(j.classes[c].field);
    free(j.classes[c].value);
  }
  free(j.classes);
  opening_free_facts(&facts);
  recsys_model_close(j.model);
  recsys_store_close(j.store);
  args_free(&a);
  return code;
}
