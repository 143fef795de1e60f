/* recsys index: makes approximate search fast for a large store, and says what it costs in what is found. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "json.h"
#include "opening.h"
#include "progress.h"

static const args_option options[] = {
    {"metric", "NAME", "cosine (default) or euclidean: searches with the other one stay exact", "--metric euclidean"},
    {"links", "N", "links of a picture in each layer, 2 to 128 (default 16): more find more, in more memory",
     "--links 32"},
    {"effort", "N", "pictures that a new one looks at while the index is built (default 100)", "--effort 200"},
    {"k", "N", "length of the lists that the table is about (default 10)", "-k 50"},
    {"remove", NULL, "remove the index", "--remove"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "index",
    "STORE [OPTION...]",
    "Builds an index over the pictures of STORE, in place of one that it has, and saves it beside the store. Searches\n"
    "with --approximate (in the library: recsys_search_options.approximate) use it; all others stay exact. Whatever "
    "is\n"
    "added or removed later changes the index too. The table says what share of the true nearest items is found for\n"
    "how much effort, measured on items of the store.",
    "recsys index shop.recsys\n"
    "recsys index shop.recsys --links 32 --effort 200\n"
    "recsys index shop.recsys --remove",
    {options, args_general},
};

enum { SAMPLE = 500, EFFORTS = 4 };
static const uint32_t efforts[EFFORTS] = {32, 64, 128, 256};

typedef struct point {
  uint32_t effort; /* 0: exact */
  double recall, milliseconds;
} point;

typedef struct job {
  const args *a;
  recsys_store *store;
  recsys_index_options how;
  uint64_t k, pictures;
  double seconds;
  point points[EFFORTS + 1];
} job;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int build(job *j) {
  recsys_error error = {0};
  progress p;
  double start = now();
  progress_begin(&p, "Indexing", "pictures", 0, 0);
  j->how.progress = progress_callback;
  j->how.progress_user = &p;
  recsys_status status = recsys_store_build_index(j->store, &j->how, &error);
  progress_end(&p);
  j->seconds = now() - start;
  return status ? say_error(&error) : DONE;
}

/* Milliseconds of a list, one after the other; items without a picture are left out. */
static int time_lists(job *j, const recsys_search_options *search, double *milliseconds) {
  int64_t *ids = need(j->k, sizeof *ids), item = -1;
  double *scores = need(j->k, sizeof *scores), spent = 0;
  uint32_t count;
  size_t listed = 1, n = 0;
  recsys_error error = {0};
  recsys_status status = RECSYS_OK;
  while (!status && n < SAMPLE / 5) {
    status = recsys_store_list(j->store, RECSYS_ITEMS, item, &item, 1, &listed, &error);
    if (status || !listed)
      break;
    double start = now();
    status = recsys_store_similar(j->store, &item, 1, j->k, search, ids, scores, &count, NULL, &error);
    if (status == RECSYS_EPARTIAL) {
      status = RECSYS_OK;
      continue;
    }
    spent += now() - start;
    n++;
  }
  *milliseconds = n ? 1e3 * spent / (double)n : 0;
  free(ids);
  free(scores);
  return status ? say_error(&error) : DONE;
}

static int measure(job *j) {
  int code = DONE;
  for (size_t i = 0; !code && i <= EFFORTS; i++) {
    recsys_search_options search = {.struct_size = sizeof search, .metric = j->how.metric, .approximate = i < EFFORTS};
    recsys_error error = {0};
    point *p = &j->points[i];
    *p = (point){.effort = search.effort = i < EFFORTS ? efforts[i] : 0, .recall = 1};
    if (i < EFFORTS && recsys_store_measure_recall(j->store, SAMPLE, j->k, 1, &search, &p->recall, &error))
      code = say_error(&error);
    if (!code)
      code = time_lists(j, &search, &p->milliseconds);
  }
  return code;
}

static void print_json(const job *j) {
  json_t *points = json_array();
  for (size_t i = 0; i < EFFORTS; i++)
    json_array_append_new(points, json_pack("{s:I, s:f, s:f}", "effort", (json_int_t)j->points[i].effort, "recall",
                                            j->points[i].recall, "milliseconds", j->points[i].milliseconds));
  json_print(json_pack("{s:s, s:s, s:I, s:f, s:I, s:o, s:f}", "command", "index", "store", j->a->words[0], "pictures",
                       (json_int_t)j->pictures, "seconds", j->seconds, "k", (json_int_t)j->k, "points", points,
                       "exact_milliseconds", j->points[EFFORTS].milliseconds));
}

static void print_table(const job *j) {
  printf("%llu pictures indexed in %.1f s. Lists of %llu:\n\n", (unsigned long long)j->pictures, j->seconds,
         (unsigned long long)j->k);
  printf("  effort   found of the nearest   ms a list\n");
  for (size_t i = 0; i < EFFORTS; i++)
    printf("  %6u   %19.1f %%   %9.3f\n", j->points[i].effort, 100 * j->points[i].recall, j->points[i].milliseconds);
  printf("   exact                   100 %%   %9.3f\n", j->points[EFFORTS].milliseconds);
}

static int remove_it(const args *a, recsys_store *store) {
  recsys_error error = {0};
  if (recsys_store_remove_index(store, NULL, &error))
    return say_error(&error);
  if (args_has(a, "json"))
    json_print(json_pack("{s:s, s:s, s:b}", "command", "index", "store", a->words[0], "removed", 1));
  else
    printf("The index of %s is removed; searches are exact.\n", a->words[0]);
  return DONE;
}

/* Pictures of the default space, which is the one that was indexed. */
static uint64_t count_pictures(recsys_store *store) {
  recsys_error error;
  char *text = opening_describe(store, &error);
  json_t *all = text ? json_loads(text, 0, NULL) : NULL, *space;
  json_int_t pictures = 0;
  size_t i;
  json_array_foreach(json_object_get(all, "spaces"), i, space) if (json_is_true(json_object_get(space, "default")))
      pictures = json_integer_value(json_object_get(space, "embeddings"));
  json_decref(all);
  free(text);
  return (uint64_t)pictures;
}

static int run(const args *a, recsys_store *store) {
  job j = {.a = a, .store = store, .how = {.struct_size = sizeof j.how}, .k = 10};
  uint64_t links = 0, effort = 0;
  const char *metric = args_get(a, "metric", "cosine");
  if (!args_whole(a, "links", 2, 128, &links) || !args_whole(a, "effort", 1, 10000, &effort) ||
      !args_whole(a, "k", 1, 1000, &j.k))
    return MISUSED;
  if (strcmp(metric, "cosine") != 0 && strcmp(metric, "euclidean") != 0)
    return args_misuse(a, "--metric is cosine or euclidean, not \"%s\"", metric);
  if (args_has(a, "remove"))
    return remove_it(a, store);
  j.how.metric = !strcmp(metric, "euclidean") ? RECSYS_METRIC_EUCLIDEAN : RECSYS_METRIC_COSINE;
  j.how.links = (uint32_t)links;
  j.how.effort = (uint32_t)effort;
  int code = build(&j);
  j.pictures = count_pictures(store);
  if (!code)
    code = measure(&j);
  if (!code)
    (args_has(a, "json") ? print_json : print_table)(&j);
  return code;
}

int cmd_index(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  recsys_store *store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST);
  code = store ? run(&a, store) : FAILED;
  recsys_store_close(store);
  args_free(&a);
  return code;
}
