/* recsys list: keys of items or users, one on each line, for scripts and for a first look. */
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "command.h"
#include "items.h"
#include "json.h"
#include "opening.h"

static const args_option options[] = {
    {"users", NULL, "users, not items", "--users"},
    {"embedded", NULL, "only items that have an embedding in the default space", "--embedded"},
    {"min-ratings", "N", "only users with at least so many ratings", "--users --min-ratings 5"},
    {"sample", "N", "only N of them, evenly spread", "--sample 3"},
    {"ids", NULL, "the library's whole numbers, not keys", "--ids"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "list",
    "STORE [OPTION...]",
    "Prints the keys of the items (or the users) of STORE in the order of their ids, one on each line.",
    "recsys list shop.recsys --embedded --sample 3\n"
    "recsys list shop.recsys --users --min-ratings 5 | head",
    {options, args_general},
};

typedef struct ids {
  int64_t *list;
  size_t n;
} ids;

static bool list_all(recsys_store *store, int32_t kind, ids *all) {
  enum { BLOCK = 4096 };
  recsys_error error = {0};
  size_t count = BLOCK;
  while (count == BLOCK) {
    int64_t last = all->n ? all->list[all->n - 1] : -1;
    all->list = need_more(all->list, all->n + BLOCK, sizeof *all->list);
    if (recsys_store_list(store, kind, last, all->list + all->n, BLOCK, &count, &error)) {
      say_error(&error);
      return false;
    }
    all->n += count;
  }
  return true;
}

static bool has_embedding(recsys_store *store, int64_t item) {
  return !recsys_store_get_embeddings(store, NULL, &item, NULL, 1, NULL, NULL, NULL);
}

static bool has_ratings(recsys_store *store, int64_t user, uint64_t least) {
  int64_t *items = need(least, sizeof *items);
  size_t count = 0;
  recsys_status status = recsys_store_get_ratings(store, user, -1, items, NULL, NULL, least, &count, NULL);
  free(items);
  return !status && count >= least;
}

static void keep(const args *a, recsys_store *store, uint64_t min_ratings, uint64_t sample, ids *all) {
  size_t kept = 0;
  for (size_t i = 0; i < all->n; i++) {
    if (args_has(a, "embedded") && !has_embedding(store, all->list[i]))
      continue;
    if (min_ratings && !has_ratings(store, all->list[i], min_ratings))
      continue;
    all->list[kept++] = all->list[i];
  }
  all->n = kept;
  if (sample >= all->n)
    return;
  for (size_t i = 0; i < sample; i++) /* the middles of `sample` equal parts */
    all->list[i] = all->list[(2 * i + 1) * all->n / (2 * sample)];
  all->n = sample;
}

static void print(const args *a, recsys_store *store, int32_t kind, const ids *all) {
  json_t *array = json_array();
  for (size_t i = 0; i < all->n; i++) {
    char *key = args_has(a, "ids") ? need_text("%lld", (long long)all->list[i]) : items_key(store, kind, all->list[i]);
    if (args_has(a, "json"))
      json_array_append_new(array, json_pack("{sI so}", "id", (json_int_t)all->list[i], "key", json_text(key)));
    else
      printf("%s\n", key);
    free(key);
  }
  if (args_has(a, "json"))
    json_print(json_pack("{ss ss ss sO}", "command", "list", "store", a->words[0], "kind",
                         kind == RECSYS_ITEMS ? "items" : "users", "entries", array));
  json_decref(array);
}

int cmd_list(int argc, char **argv) {
  args a;
  uint64_t min_ratings = 0, sample = UINT64_MAX;
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  int32_t kind = args_has(&a, "users") ? RECSYS_USERS : RECSYS_ITEMS;
  ids all = {0};
  recsys_store *store = NULL;
  if (!args_whole(&a, "min-ratings", 1, 1000000, &min_ratings) || !args_whole(&a, "sample", 1, 1000000000, &sample)) {
    code = MISUSED;
  } else if ((args_has(&a, "embedded") && kind == RECSYS_USERS) || (min_ratings && kind == RECSYS_ITEMS)) {
    code = args_misuse(&a, "--embedded is for items, --min-ratings for --users");
  } else {
    store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
    code = store && list_all(store, kind, &all) ? DONE : FAILED;
  }
  if (!code) {
    keep(&a, store, min_ratings, sample, &all);
    print(&a, store, kind, &all);
  }
  free(all.list);
  recsys_store_close(store);
  args_free(&a);
  return code;
}
