/* recsys tune: searches a ranker's parameters on held-out ratings and prints the table that it chose from. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "opening.h"
#include "progress.h"
#include "table.h"

static const args_option options[] = {
    {"ranker", "ALGORITHM", "what to tune, with the parameters that the search starts from (default als)",
     "--ranker \"als factors=32\""},
    {"search", "KEY=VALUE,...",
     "values to try; may be repeated. Without it, every number of the algorithm is tried at a quarter, half,\n"
     "twice and four times its value",
     "--search regularization=10,20,40,80"},
    {"split", "SPLIT", "the validation split (default \"random test=0.2 repeats=1 seed=7\"), as for recsys evaluate",
     "--split \"user-time test=0.2 repeats=1\""},
    {"metric", "NAME", "what to maximise (default ndcg@10); rmse and mae are minimised", "--metric recall@20"},
    {"relevant", "RATING", "a held-out rating counts as relevant from here on (default: 0.8 of the largest)",
     "--relevant 4"},
    {"hidden", NULL, "rank only items without a rating in training", "--hidden"},
    {"trials", "N", "settings to try at most (default 60)", "--trials 200"},
    {"rounds", "N", "times to go through all parameters while that helps (default 2)", "--rounds 1"},
    {"json", NULL, "print one JSON object", "--json"},
    {0},
};

static const args_command command = {
    "tune",
    "STORE [OPTION...]",
    "Holds ratings of STORE out and looks for the parameters of one ranker whose lists meet them best: one parameter "
    "after\nthe other, keeping the best value of each. Judge the winner on another split (recsys evaluate), which the "
    "search\nhas not seen. The store is not changed.",
    "recsys tune shop.recsys --ranker als\n"
    "recsys tune shop.recsys --ranker ease --search lambda=50,100,200,400 --search alpha=0,5,10,20",
    {options, args_general},
};

enum { MOST_VALUES = 32, MOST_KEYS = 64 };

typedef struct parameter {
  char *key;
  char *values[MOST_VALUES];
  size_t n;
  char *chosen; /* NULL: as the ranker was given */
} parameter;

typedef struct trial {
  char *ranker;
  double value, half, seconds; /* half of the interval */
  bool tried, failed;
} trial;

typedef struct job {
  const args *a;
  recsys_store *store;
  char *name, *given; /* the algorithm's name; the whole string as it was given */
  json_t *parameters; /* as recsys_ranker_describe has them */
  parameter list[MOST_KEYS];
  size_t n;
  trial *trials;
  size_t trial_count, best;
  uint64_t most, rounds;
  const char *metric, *split;
  bool smaller; /* is better */
  recsys_evaluate_options how;
  progress *bar;
  uint64_t done; /* parameters */
} job;

static void free_job(job *j) {
  for (size_t i = 0; i < j->n; i++) {
    for (size_t v = 0; v < j->list[i].n; v++)
      free(j->list[i].values[v]);
    free(j->list[i].key);
    free(j->list[i].chosen);
  }
  for (size_t i = 0; i < j->trial_count; i++)
    free(j->trials[i].ranker);
  free(j->trials);
  free(j->name);
  free(j->given);
  json_decref(j->parameters);
}

/* -- what to try */

static bool describe(job *j) {
  recsys_ranker *ranker = NULL;
  recsys_error error = {0};
  size_t length = 0;
  if (recsys_ranker_create(&ranker, j->store, j->given, NULL, &error)) {
    say_error(&error);
    return false;
  }
  recsys_ranker_describe(ranker, NULL, 0, &length, NULL);
  char *text = need(length + 1, 1);
  recsys_ranker_describe(ranker, text, length + 1, NULL, NULL);
  recsys_ranker_close(ranker);
  json_t *json = json_loads(text, 0, NULL);
  free(text);
  j->parameters = json_incref(json_object_get(json, "parameters"));
  j->name = need_copy(json_string_value(json_object_get(json, "algorithm")));
  json_decref(json);
  return j->parameters && j->name;
}

static void add_value(parameter *p, char *value) {
  if (p->n < MOST_VALUES)
    p->values[p->n++] = value;
  else
    free(value);
}

/* Numbers that change what is learned, and not how long it takes, what is random, or what the list looks like. */
static bool is_searched(const char *key) {
  static const char *const left_out[] = {"seed",       "iterations", "tolerance", "new_items", "now",   "k",
                                         "validation", "by_length",  "half_life", "liked",     "spread"};
  for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
    if (!strcmp(key, left_out[i]))
      return false;
  return true;
}

static void add_usual(job *j) {
  static const double factors[] = {0.25, 0.5, 2, 4};
  const char *key;
  json_t *value;
  json_object_foreach(j->parameters, key, value) {
    double start = json_number_value(value);
    if (!json_is_number(value) || !is_searched(key) || j->n == MOST_KEYS)
      continue;
    parameter *p = &j->list[j->n++];
    p->key = need_copy(key);
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
      double next = start != 0 ? start * factors[i] : factors[i] / 4;
      if (json_is_integer(value))
        next = floor(next + 0.5);
      if (next != start && !(json_is_integer(value) && next < 1))
        add_value(p, need_text("%.6g", next));
    }
  }
}

static bool add_given(job *j, const char *text) {
  const char *sign = strchr(text, '=');
  size_t n = 0;
  if (!sign || sign == text || !sign[1] || j->n == MOST_KEYS)
    return false;
  parameter *p = &j->list[j->n++];
  p->key = need_text("%.*s", (int)(sign - text), text);
  char **words = args_list(sign + 1, &n);
  for (size_t i = 0; i < n; i++)
    add_value(p, need_copy(words[i]));
  args_free_list(words, n);
  return p->n > 0;
}

/* -- trying */

/* The ranker's string with what was chosen, and `value` for one key (NULL: none). */
static char *string_of(const job *j, const char *key, const char *value) {
  textbuf text = {0};
  const char *each;
  json_t *given;
  text_puts(&text, j->name);
  json_object_foreach(j->parameters, each, given) {
    const char *now = NULL;
    for (size_t i = 0; i < j->n; i++)
      if (!strcmp(j->list[i].key, each))
        now = j->list[i].chosen;
    if (key && !strcmp(key, each))
      now = value;
    if (now)
      text_printf(&text, " %s=%s", each, now);
  }
  /* What the ranker was given stays, unless the search has a value for it. */
  for (const char *at = strchr(j->given, ' '); at && *at;) {
    size_t skip = strspn(at, " "), n = skip;
    for (bool quoted = false; at[n] && (quoted || at[n] != ' '); n++)
      quoted ^= at[n] == '"';
    char *pair = need_text("%.*s", (int)(n - skip), at + skip), *sign = strchr(pair, '=');
    char *search = sign ? need_text(" %.*s=", (int)(sign - pair), pair) : need_copy("");
    if (*pair && (!text.bytes || !strstr(text.bytes, search)))
      text_printf(&text, " %s", pair);
    free(search);
    free(pair);
    at += n;
  }
  return text.bytes;
}

/* A recsys_progress_fn: inside one trial the bar stands still, but Ctrl-C is heard. */
static int ask_to_stop(void *user, const char *phase, uint64_t done, uint64_t total) {
  const job *j = user;
  (void)phase;
  (void)done;
  (void)total;
  return progress_step(j->bar, j->done);
}

static size_t find_trial(const job *j, const char *ranker) {
  size_t i = 0;
  while (i < j->trial_count && strcmp(j->trials[i].ranker, ranker) != 0)
    i++;
  return i;
}

/* A setting that cannot be, such as a share above 1, is left out of the search. */
static bool is_possible(const job *j, const char *ranker) {
  recsys_ranker *made = NULL;
  bool ok = !recsys_ranker_create(&made, j->store, ranker, NULL, NULL);
  recsys_ranker_close(made);
  return ok;
}

/* Notes a setting to be tried; takes over the string. Returns its place, or the number of trials when there are enough.
 */
static size_t plan(job *j, char *ranker) {
  size_t at = find_trial(j, ranker);
  if (at == j->trial_count && at < j->most && is_possible(j, ranker)) {
    j->trials = need_more(j->trials, j->trial_count + 1, sizeof *j->trials);
    j->trials[j->trial_count++] = (trial){.ranker = ranker};
    return at;
  }
  free(ranker);
  return at;
}

static bool is_better(const job *j, size_t a, size_t b) {
  const trial *x = &j->trials[a], *y = &j->trials[b];
  if (x->failed || y->failed)
    return !x->failed && y->failed;
  return j->smaller ? x->value < y->value : x->value > y->value;
}

/* Tries all that were planned and not tried yet. */
static int run_trials(job *j) {
  for (size_t i = 0; i < j->trial_count; i++) {
    trial *t = &j->trials[i];
    recsys_evaluation *evaluation = NULL;
    recsys_metric metric = {.struct_size = sizeof metric};
    recsys_error error = {0};
    if (t->tried)
      continue;
    recsys_status status = recsys_evaluate(&evaluation, j->store, t->ranker, &j->how, &error);
    if (!status)
      status = recsys_evaluation_get(evaluation, 0, j->metric, NULL, &metric, &error);
    recsys_evaluation_close(evaluation);
    t->tried = true;
    t->failed = status != 0;
    t->value = metric.mean;
    t->half = (metric.high - metric.low) / 2;
    t->seconds = metric.seconds;
    if (status == RECSYS_ECANCELLED || status == RECSYS_ENOTFOUND || (status && i == 0))
      return say_error(&error);
    if (status)
      say("%s: %s", t->ranker, error.message);
    if (is_better(j, i, j->best))
      j->best = i;
  }
  return DONE;
}

/* Whether a value is what the ranker has anyway. */
static bool is_default(const job *j, const parameter *p, const char *value) {
  json_t *now = json_object_get(j->parameters, p->key);
  char *end = NULL;
  double number = strtod(value, &end);
  if (json_is_number(now))
    return end != value && !*end && number == json_number_value(now);
  return json_is_string(now) && !strcmp(json_string_value(now), value);
}

static int try_parameter(job *j, parameter *p) {
  size_t before = j->best;
  int code;
  for (size_t v = 0; v < p->n; v++)
    if (p->chosen || !is_default(j, p, p->values[v]))
      plan(j, string_of(j, p->key, p->values[v]));
  code = run_trials(j);
  if (code || j->best == before)
    return code;
  for (size_t v = 0; v < p->n; v++) {
    char *ranker = string_of(j, p->key, p->values[v]);
    if (!strcmp(ranker, j->trials[j->best].ranker)) {
      free(p->chosen);
      p->chosen = need_copy(p->values[v]);
    }
    free(ranker);
  }
  return DONE;
}

static int search(job *j) {
  plan(j, string_of(j, NULL, NULL));
  int code = j->trial_count ? run_trials(j) : FAILED;
  for (uint64_t round = 0; round < j->rounds && !code; round++) {
    size_t before = j->best;
    for (size_t i = 0; i < j->n && !code; i++) {
      code = try_parameter(j, &j->list[i]);
      j->done = round * j->n + i + 1;
      if (!code && progress_step(j->bar, j->done))
        code = FAILED;
    }
    if (j->best == before)
      break;
  }
  return code;
}

/* -- showing */

static size_t *order_of(const job *j) {
  size_t *order = need(j->trial_count, sizeof *order);
  for (size_t i = 0; i < j->trial_count; i++) {
    size_t at = i;
    for (; at > 0 && is_better(j, i, order[at - 1]); at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  return order;
}

static void print_table(const job *j, const size_t *order) {
  const char *headings[] = {"ranker", j->metric, "seconds"};
  table *t = table_new(headings, 3, "12");
  for (size_t i = 0; i < j->trial_count; i++) {
    const trial *one = &j->trials[order[i]];
    char *value = one->failed ? need_copy("failed") : need_text("%.4f ±%.3f", one->value, one->half);
    char *seconds = need_text("%.2f", one->seconds);
    table_cell(t, one->ranker);
    table_cell(t, value);
    table_cell(t, seconds);
    free(value);
    free(seconds);
  }
  table_print(t);
  table_free(t);
  printf("\n%s; ± half of the 95 %% interval over users. Chosen:\n%s\n", j->split, j->trials[j->best].ranker);
}

static void print_json(const job *j, const size_t *order) {
  json_t *trials = json_array();
  for (size_t i = 0; i < j->trial_count; i++) {
    const trial *one = &j->trials[order[i]];
    json_array_append_new(trials,
                          json_pack("{ss so sf}", "ranker", one->ranker, "value",
                                    one->failed ? json_null() : json_real(one->value), "seconds", one->seconds));
  }
  json_print(json_pack("{ss ss ss ss so}", "command", "tune", "split", j->split, "metric", j->metric, "chosen",
                       j->trials[j->best].ranker, "trials", trials));
}

static int read_list_length(job *j, uint32_t *k) {
  const char *sign = strchr(j->metric, '@');
  char *end = NULL;
  unsigned long value = sign ? strtoul(sign + 1, &end, 10) : 10;
  if (sign && (!value || value > 100000 || *end))
    return args_misuse(j->a, "--metric is a name with a list length, such as ndcg@10, or auc, rmse, mae");
  *k = (uint32_t)value;
  j->how.k = k;
  j->how.n_k = 1;
  j->smaller = !strncmp(j->metric, "rmse", 4) || !strncmp(j->metric, "mae", 3) || !strncmp(j->metric, "gini", 4);
  return DONE;
}

static int read_search(job *j) {
  const char *given;
  for (size_t at = 0; (given = args_next(j->a, "search", &at));)
    if (!add_given(j, given))
      return args_misuse(j->a, "--search takes KEY=VALUE,VALUE: regularization=10,20,40");
  for (size_t i = 0; i < j->n; i++)
    if (!json_object_get(j->parameters, j->list[i].key))
      return args_misuse(j->a, "%s has no parameter \"%s\"", j->name, j->list[i].key);
  if (!j->n)
    add_usual(j);
  return DONE;
}

static int run(const args *a, recsys_store *store) {
  uint32_t k;
  progress p;
  job j = {.a = a,
           .store = store,
           .given = need_copy(args_get(a, "ranker", "als")),
           .most = 60,
           .rounds = 2,
           .metric = args_get(a, "metric", "ndcg@10"),
           .split = args_get(a, "split", "random test=0.2 repeats=1 seed=7")};
  j.how =
      (recsys_evaluate_options){.struct_size = sizeof j.how,
                                .split = j.split,
                                .candidates = args_has(a, "hidden") ? RECSYS_CANDIDATES_HIDDEN : RECSYS_CANDIDATES_ALL};
  int code = args_whole(a, "trials", 1, 100000, &j.most) && args_whole(a, "rounds", 1, 1000, &j.rounds) &&
                     args_real(a, "relevant", 0, 1e30, &j.how.relevant_from)
                 ? read_list_length(&j, &k)
                 : MISUSED;
  if (!code)
    code = describe(&j) ? read_search(&j) : FAILED;
  if (!code) {
    progress_begin(&p, "Tuning", "parameters", 0, j.rounds * j.n);
    j.how.progress = ask_to_stop;
    j.how.progress_user = &j;
    j.bar = &p;
    code = search(&j);
    progress_end(&p);
  }
  if (!code) {
    size_t *order = order_of(&j);
    if (args_has(a, "json"))
      print_json(&j, order);
    else
      print_table(&j, order);
    free(order);
  }
  free_job(&j);
  return code;
}

int cmd_tune(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  recsys_store *store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
  code = store ? run(&a, store) : FAILED;
  recsys_store_close(store);
  args_free(&a);
  return code;
}
