/* recsys similar: the items that look most like items of the store, or like a picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "items.h"
#include "lists.h"
#include "opening.h"
#include "where.h"

static const args_option options[] = {
    {"image", "FILE", "search with this picture instead of an item of the store; give it repeatedly for several",
     "--image photo.jpg"},
    {"min-similarity", "S", "leave out what is less alike, from -1 to 1 (cosine)", "--min-similarity 0.8"},
    {"max-distance", "D", "leave out what is further away (Euclidean)", "--max-distance 12.5"},
    {"metric", "NAME", "cosine (default; larger is more alike) or euclidean (a distance; smaller is more alike)",
     "--metric euclidean"},
    {"approximate", NULL, "search by the store's index (recsys index), where it has one", "--approximate"},
    {"effort", "N", "with --approximate: pictures to look at (default 64)", "--effort 200"},
    {0},
};

static const args_command command = {
    "similar",
    "STORE ITEM... [OPTION...]\n       recsys similar STORE --image FILE [OPTION...]",
    "Lists the items of STORE that look most like each ITEM, or like the picture in FILE.",
    "recsys similar shop.recsys SKU-00123 -k 20 --where gender=Women --where price=..50\n"
    "recsys similar shop.recsys --image photo.jpg --html found.html",
    {options, where_options, lists_options, opening_model_options, args_general},
};

typedef struct job {
  const args *a;
  recsys_store *store;
  const store_facts *facts;
  recsys_search_options search;
  uint64_t k;
  report *report;
} job;

static int add_item_lists(job *j) {
  size_t n = j->a->n_words - 1;
  int64_t *queries = need(n, sizeof *queries), *ids = need(n * j->k, sizeof *ids);
  double *scores = need(n * j->k, sizeof *scores);
  uint32_t *counts = need(n, sizeof *counts);
  recsys_status *statuses = need(n, sizeof *statuses), status = RECSYS_OK;
  recsys_error error = {0};
  int code = FAILED;
  if (!items_resolve_all(j->store, j->a, RECSYS_ITEMS, (const char *const *)j->a->words + 1, n, queries))
    goto out;
  status = recsys_store_similar(j->store, queries, n, j->k, &j->search, ids, scores, counts, statuses, &error);
  if (status && status != RECSYS_EPARTIAL) {
    say_error(&error);
    goto out;
  }
  for (size_t i = 0; i < n; i++) {
    list *l = lists_add(j->report, j->store, j->a, LIST_SIMILAR, ids + i * j->k, scores + i * j->k, counts[i]);
    l->subject = lists_item(j->store, j->a, queries[i]);
    l->status = statuses[i];
    if (statuses[i] < 0)
      say("%s has no embedding in this store, so nothing is known about its looks", l->subject.key);
  }
  code = status ? FAILED : DONE;
out:
  free(queries);
  free(ids);
  free(scores);
  free(counts);
  free(statuses);
  return code;
}

static int check_model(const job *j, const recsys_model_info *info) {
  if (!strcmp(info->fingerprint, j->facts->info.fingerprint))
    return DONE;
  say("this model (%s, layer %s, recipe %s) is not the one with which the store's embeddings were made (%s, layer %s, "
      "recipe %s); give that one with --model",
      info->architecture, info->layer, info->recipe, j->facts->model ? j->facts->model : "unknown",
      j->facts->layer ? j->facts->layer : "unknown", j->facts->recipe ? j->facts->recipe : "unknown");
  return FAILED;
}

static int add_picture_list(job *j, recsys_model *model, uint32_t dim, const char *path) {
  recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = path};
  recsys_error error = {0};
  float *row = need(dim, sizeof *row);
  int64_t *ids = need(j->k, sizeof *ids);
  double *scores = need(j->k, sizeof *scores);
  uint32_t count = 0;
  int code = DONE;
  if (recsys_model_embed(model, &image, 1, NULL, row, NULL, &error) ||
      recsys_store_search(j->store, row, 1, dim, j->k, &j->search, ids, scores, &count, &error)) {
    code = say_error(&error);
  } else {
    list *l = lists_add(j->report, j->store, j->a, LIST_PICTURE, ids, scores, count);
    l->subject.key = need_copy(path);
    l->subject.picture = need_copy(path);
  }
  free(row);
  free(ids);
  free(scores);
  return code;
}

static int add_picture_lists(job *j) {
  recsys_model_info info;
  int code = DONE;
  recsys_model *model = opening_model(j->a, j->facts, &info, &code);
  if (!model)
    return code;
  code = check_model(j, &info);
  const char *path;
  for (size_t at = 0; !code && (path = args_next(j->a, "image", &at));)
    code = add_picture_list(j, model, (uint32_t)info.dim, path);
  recsys_model_close(model);
  return code;
}

static int read_metric(job *j) {
  const char *metric = args_get(j->a, "metric", "cosine");
  bool euclidean = !strcmp(metric, "euclidean");
  if (!euclidean && strcmp(metric, "cosine") != 0)
    return args_misuse(j->a, "--metric is cosine or euclidean, not \"%s\"", metric);
  j->search.metric = euclidean ? RECSYS_METRIC_EUCLIDEAN : RECSYS_METRIC_COSINE;
  j->report->measure = euclidean ? "distance" : "similarity";
  uint64_t effort = 0;
  if (!args_whole(j->a, "k", 1, 1000000, &j->k) || !args_whole(j->a, "effort", 1, 1000000, &effort))
    return MISUSED;
  j->search.approximate = args_has(j->a, "approximate");
  j->search.effort = (uint32_t)effort;
  return DONE;
}

static int run(const args *a, recsys_store *store) {
  store_facts facts;
  where w = {0};
  report r = {.command = "similar", .store = a->words[0], .facts = &facts};
  job j = {.a = a, .store = store, .facts = &facts, .k = 10, .report = &r};
  j.search = (recsys_search_options){.struct_size = sizeof j.search};
  if (!opening_facts(store, &facts))
    return FAILED;
  int code = read_metric(&j);
  if (!code)
    code = where_parse(&w, a, store, &facts);
  if (!code) {
    j.search.filter = &w.filter;
    j.k = j.k < facts.info.items ? j.k : facts.info.items + 1; /* no room for lists that cannot be */
    code = args_has(a, "image") ? add_picture_lists(&j) : add_item_lists(&j);
    int shown = r.n_lists ? lists_show(&r, a) : DONE;
    code = code ? code : shown;
    where_free(&w);
  }
  lists_free(&r);
  opening_free_facts(&facts);
  return code;
}

int cmd_similar(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, SIZE_MAX);
  if (code != ARGS_GO_ON)
    return code;
  if (args_has(&a, "image") == (a.n_words > 1)) {
    code = args_misuse(&a, "give either items or --image FILE");
  } else {
    recsys_store *store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
    code = store ? run(&a, store) : FAILED;
    recsys_store_close(store);
  }
  args_free(&a);
  return code;
}
