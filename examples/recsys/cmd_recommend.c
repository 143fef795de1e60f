/* recsys recommend: lists for users that the store knows, and for a guest whose history is passed in. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "history.h"
#include "items.h"
#include "lists.h"
#include "opening.h"
#include "progress.h"
#include "where.h"

static const args_option options[] = {
    {"ranker", "ALGORITHM",
     "how to rank (default auto): ease, content, als, slim, item-knn, user-knn, rp3beta, pure-svd, svd,\n"
     "bpr, vbpr (docs/rankers.md has their parameters), or\n"
     "\"visual neighbours=40 metric=cosine max_distance=none rating_threshold=mean within_labels=FIELD\"\n"
     "\"category field=FIELD metric=cosine spread=1\"\n"
     "\"popular by=count|mean damping=5 decay=0\", next, \"blend parts=\\\"ease; als\\\"\"",
     "--ranker \"visual neighbours=40\""},
    {"history", "ITEM[:RATING],...",
     "a guest's history: a list for it comes after those of the users. All items with a rating, or none.\n"
     "May be repeated; an item whose key has a comma stands in a --history of its own",
     "--history SKU-00123:5,SKU-00456:3"},
    {"target", "ITEM,...", "for the ranker category: rank for these items instead of the whole history",
     "--target SKU-00123"},
    {"diversity", "WEIGHT", "0 to 1: how much an entry should look unlike those before it", "--diversity 0.3"},
    {"unique", NULL, "of items with nearly the same picture list only the best one", "--unique"},
    {"max-per", "FIELD=N", "at most N entries share a label of FIELD", "--max-per kind=3"},
    {"rated", NULL, "items that the user has rated may return", "--rated"},
    {"reasons", "N", "items of the history to name as reasons of each entry (default 2)", "--reasons 0"},
    {0},
};

static const args_command command = {
    "recommend",
    "STORE USER... [OPTION...]\n       recsys recommend STORE --history ITEM[:RATING],... [OPTION...]",
    "Ranks the items of STORE for each USER, from the ratings that the store holds now, and for a guest whose history "
    "is\n"
    "passed in. A user that the store does not know gets the popular list.",
    "recsys recommend shop.recsys alice bob --where stock=1.. --html lists.html\n"
    "recsys recommend shop.recsys --history SKU-00123,SKU-00456 --ranker \"category field=kind\"",
    {options, where_options, lists_options, args_general},
};

typedef struct job {
  const args *a;
  recsys_store *store;
  recsys_ranker *ranker;
  recsys_recommend_options how;
  uint64_t k, reasons;
  report *report;
} job;

/* What an item of the history and a listed one have in common, where features made the score; NULL: nothing with a
 * name. */
static char *shared_by(const job *j, const shown_entry *entry, int64_t reason) {
  char text[4096];
  const char *ranker = j->report->ranker;
  textbuf line = {0};
  size_t i;
  json_t *one;
  if (entry->source != RECSYS_SOURCE_FEATURES || !strncmp(ranker, "visual", 6) || !strncmp(ranker, "category", 8) ||
      recsys_ranker_compare(j->ranker, reason, entry->item.id, text, sizeof text, NULL, NULL))
    return NULL;
  json_t *json = json_loads(text, 0, NULL);
  json_array_foreach(json_object_get(json, "labels"), i, one) {
    if (i < 3)
      text_printf(&line, "%s%s", line.length ? ", " : "", json_string_value(json_object_get(one, "value")));
  }
  const char *words = "";
  json_array_foreach(json_object_get(json, "words"), i, one) { /* the longest says most */
    if (json_string_length(one) > strlen(words))
      words = json_string_value(one);
  }
  if (*words)
    text_printf(&line, "%s\"%s\"", line.length ? ", " : "", words);
  json_decref(json);
  return line.bytes;
}

static bool is_rated(const history *h, int64_t item) {
  for (size_t i = 0; i < h->n; i++)
    if (h->items[i] == item)
      return true;
  return false;
}

/* One user or guest: the list with its history and reasons. */
static bool add_reasons(const job *j, const history *h, int64_t user, shown_entry *entry) {
  recsys_reason *reasons = need(j->reasons, sizeof *reasons);
  recsys_error error = {0};
  size_t count = 0;
  recsys_status status =
      user >= 0
          ? recsys_ranker_explain(j->ranker, user, entry->item.id, &j->how, reasons, j->reasons, &count, NULL, &error)
          : recsys_ranker_explain_from(j->ranker, h->items, h->ratings, NULL, h->n, entry->item.id, &j->how, reasons,
                                       j->reasons, &count, NULL, &error);
  if (status)
    say_error(&error);
  entry->reasons = need(j->reasons, sizeof *entry->reasons);
  for (size_t i = 0; !status && i < count && i < j->reasons; i++) {
    if (reasons[i].kind != RECSYS_REASON_ITEM)
      continue;
    entry->reasons[entry->n_reasons++] = (shown_reason){.item = lists_item(j->store, j->a, reasons[i].item),
                                                        .contribution = reasons[i].contribution,
                                                        .similarity = reasons[i].similarity,
                                                        .rating = reasons[i].rating,
                                                        .seen = !is_rated(h, reasons[i].item),
                                                        .shared = shared_by(j, entry, reasons[i].item)};
  }
  free(reasons);
  return !status;
}

static bool fill_list(const job *j, list *l, const history *h, int64_t user) {
  enum { SHOWN = 8 };
  size_t best[SHOWN];
  l->n_rated = h->n;
  l->n_history = history_best(h, best, SHOWN);
  l->history = need(l->n_history, sizeof *l->history);
  for (size_t i = 0; i < l->n_history; i++)
    l->history[i] =
        (shown_entry){.item = lists_item(j->store, j->a, h->items[best[i]]), .value = history_rating(h, best[i])};
  for (size_t i = 0; j->reasons && i < l->n_entries; i++) {
    if (l->entries[i].value != 0 && !add_reasons(j, h, user, &l->entries[i]))
      return false;
  }
  return true;
}

static size_t count_events(recsys_store *store, int64_t user) {
  enum { BLOCK = 1024 };
  int64_t items[BLOCK];
  size_t total = 0, n = BLOCK;
  while (n == BLOCK && !recsys_store_get_events(store, user, total, items, NULL, BLOCK, &n, NULL))
    total += n;
  return total;
}

static int add_user_lists(job *j, const int64_t *users, size_t n, const char *const *words) {
  int64_t *ids = need(n * j->k, sizeof *ids);
  double *scores = need(n * j->k, sizeof *scores);
  uint32_t *counts = need(n, sizeof *counts);
  recsys_status *statuses = need(n, sizeof *statuses);
  uint8_t *sources = j->how.sources = need(n * j->k, sizeof *sources);
  recsys_error error = {0};
  int code = DONE;
  if (recsys_ranker_recommend(j->ranker, users, n, j->k, &j->how, ids, scores, counts, statuses, &error))
    code = say_error(&error);
  for (size_t i = 0; !code && i < n; i++) {
    list *l = lists_add(j->report, j->store, j->a, LIST_USER, ids + i * j->k, scores + i * j->k, counts[i]);
    history h = {0};
    l->subject.id = users[i] == INT64_MAX ? -1 : users[i];
    l->subject.key = need_copy(words[i]);
    l->status = statuses[i];
    l->n_events = count_events(j->store, users[i]);
    for (size_t e = 0; e < l->n_entries; e++)
      l->entries[e].source = sources[i * j->k + e];
    if (users[i] != INT64_MAX && !history_of_user(&h, j->store, users[i]))
      code = FAILED;
    if (!code && !fill_list(j, l, &h, users[i]))
      code = FAILED;
    history_free(&h);
  }
  free(ids);
  free(scores);
  free(counts);
  free(statuses);
  free(sources);
  j->how.sources = NULL;
  return code;
}

static int add_users(job *j) {
  size_t n = j->a->n_words - 1;
  const char *const *words = (const char *const *)j->a->words + 1;
  int64_t *users = need(n, sizeof *users);
  int code = items_resolve(j->store, j->a, RECSYS_USERS, words, n, users) ? DONE : FAILED;
  for (size_t i = 0; !code && i < n; i++) {
    if (users[i] >= 0)
      continue;
    say("this store knows no user \"%s\": the list is the popular one", words[i]);
    users[i] = INT64_MAX; /* an id that is never allotted */
  }
  if (!code && n)
    code = add_user_lists(j, users, n, words);
  free(users);
  return code;
}

static int add_guest(job *j) {
  history h = {0};
  int64_t *ids = need(j->k, sizeof *ids);
  double *scores = need(j->k, sizeof *scores);
  uint8_t *sources = j->how.sources = need(j->k, sizeof *sources);
  uint32_t count = 0;
  recsys_status status = RECSYS_OK;
  recsys_error error = {0};
  int code = history_of_guest(&h, j->a, j->store);
  const uint64_t offsets[2] = {0, h.n};
  if (!code && recsys_ranker_recommend_from(j->ranker, offsets, h.items, h.ratings, NULL, 1, j->k, &j->how, ids, scores,
                                            &count, &status, &error))
    code = say_error(&error);
  if (!code) {
    list *l = lists_add(j->report, j->store, j->a, LIST_GUEST, ids, scores, count);
    l->status = status;
    for (size_t e = 0; e < l->n_entries; e++)
      l->entries[e].source = sources[e];
    code = fill_list(j, l, &h, -1) ? DONE : FAILED;
  }
  history_free(&h);
  free(ids);
  free(scores);
  free(sources);
  j->how.sources = NULL;
  return code;
}

static int read_targets(job *j, int64_t **targets) {
  const char *value = args_get(j->a, "target", NULL);
  size_t n = 0;
  if (!value)
    return DONE;
  char **words = args_list(value, &n);
  *targets = need(n, sizeof **targets);
  bool known = items_resolve_all(j->store, j->a, RECSYS_ITEMS, (const char *const *)words, n, *targets);
  args_free_list(words, n);
  j->how.targets = *targets;
  j->how.n_targets = n;
  return known ? DONE : FAILED;
}

static int fit(job *j, const char *algorithm) {
  recsys_error error = {0};
  progress p;
  recsys_fit_options how = {.struct_size = sizeof how, .progress = progress_callback, .progress_user = &p};
  if (recsys_ranker_create(&j->ranker, j->store, algorithm, NULL, &error))
    return say_error(&error);
  progress_begin(&p, "Fitting", "steps", 0, 0);
  recsys_status status = recsys_ranker_fit(j->ranker, &how, &error);
  progress_end(&p);
  return status ? say_error(&error) : DONE;
}

/* --diversity, --unique, --max-per. */
static int read_variety(job *j) {
  static char field[256];
  const char *limit = args_get(j->a, "max-per", NULL), *sign = limit ? strrchr(limit, '=') : NULL;
  if (!args_real(j->a, "diversity", 0, 1, &j->how.diversity))
    return MISUSED;
  j->how.flags = args_has(j->a, "unique") ? RECSYS_RECOMMEND_UNIQUE : 0;
  if (!limit)
    return DONE;
  char *end = NULL;
  unsigned long n = sign ? strtoul(sign + 1, &end, 10) : 0;
  if (!sign || sign == limit || (size_t)(sign - limit) >= sizeof field || !n || n > 1000000 || *end)
    return args_misuse(j->a, "--max-per takes FIELD=N: kind=3");
  memcpy(field, limit, (size_t)(sign - limit));
  field[sign - limit] = 0;
  j->how.label_field = field;
  j->how.max_per_label = (uint32_t)n;
  return DONE;
}

static int rank(job *j, const store_facts *facts) {
  progress p;
  int64_t *targets = NULL;
  where w;
  int code = where_parse(&w, j->a, j->store, facts);
  if (code)
    return code;
  j->how = (recsys_recommend_options){
      .struct_size = sizeof j->how, .filter = &w.filter, .progress = progress_callback, .progress_user = &p};
  code = read_variety(j);
  if (!code)
    code = read_targets(j, &targets);
  if (!code)
    code = fit(j, j->report->ranker);
  progress_begin(&p, "Ranking", "lists", 0, 0);
  if (!code)
    code = add_users(j);
  if (!code && args_has(j->a, "history"))
    code = add_guest(j);
  progress_end(&p);
  if (!code)
    code = lists_show(j->report, j->a);
  free(targets);
  where_free(&w);
  return code;
}

static int run(const args *a, recsys_store *store) {
  store_facts facts;
  report r = {.command = "recommend",
              .store = a->words[0],
              .measure = "score",
              .facts = &facts,
              .ranker = args_get(a, "ranker", "auto")};
  job j = {.a = a, .store = store, .k = 10, .reasons = 2, .report = &r};
  int code = MISUSED;
  if (!opening_facts(store, &facts))
    return FAILED;
  if (args_whole(a, "k", 1, 1000000, &j.k) && args_whole(a, "reasons", 0, 1000, &j.reasons)) {
    j.k = j.k < facts.info.items ? j.k : facts.info.items + 1;
    code = rank(&j, &facts);
  }
  recsys_ranker_close(j.ranker);
  lists_free(&r);
  opening_free_facts(&facts);
  return code;
}

int cmd_recommend(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, SIZE_MAX);
  if (code != ARGS_GO_ON)
    return code;
  if (a.n_words < 2 && !args_has(&a, "history")) {
    code = args_misuse(&a, "for whom? Give users, or --history");
  } else {
    recsys_store *store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
    code = store ? run(&a, store) : FAILED;
    recsys_store_close(store);
  }
  args_free(&a);
  return code;
}
