/* recsys evaluate: compares rankers on held-out ratings; one table, or JSON, or a page with charts. */
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
    {"rankers", "LIST",
     "what to compare, separated by ';' (default \"ease; als; item-knn; content; popular\"):\n"
     "ease, content, als, slim, item-knn, user-knn, rp3beta, pure-svd, svd, bpr, vbpr, visual,\n"
     "\"category field=FIELD\", popular, each with its parameters",
     "--rankers \"ease; als factors=32; popular\""},
    {"split", "SPLIT",
     "how ratings are held out (default \"random test=0.2 repeats=3\"): random, leave, time, user-time,\n"
     "cold-items, cold-users",
     "--split \"leave k=1 by=time repeats=1\""},
    {"k", "K,...", "lengths of the lists (default 10)", "-k 10,20"},
    {"relevant", "RATING", "a held-out rating counts as relevant from here on (default: 0.8 of the largest)",
     "--relevant 4"},
    {"hidden", NULL, "rank only items without a rating in training", "--hidden"},
    {"group", "GROUP", "all (default), new-users or new-items", "--group new-items"},
    {"json", NULL, "print everything as one JSON object", "--json"},
    {"html", "FILE", "write a page with tables and charts", "--html evaluation.html"},
    {0},
};

static const args_command command = {
    "evaluate",
    "STORE [OPTION...]",
    "Holds ratings of STORE out, fits each ranker to the rest, ranks every item for every user, and compares the "
    "lists\n"
    "with what was held out. The store is not changed.",
    "recsys evaluate shop.recsys --rankers \"ease; popular\"\n"
    "recsys evaluate shop.recsys --split \"cold-items test=0.2\" --hidden --rankers \"content; popular\"",
    {options, args_general},
};

typedef struct job {
  const args *a;
  recsys_evaluation *evaluation;
  json_t *report; /* recsys_evaluation_describe's */
  uint32_t k[16];
  uint32_t n_k;
  const char *group, *split;
} job;

static bool read_lengths(job *j) {
  size_t n;
  char **words = args_list(args_get(j->a, "k", "10"), &n);
  bool ok = n > 0 && n <= sizeof j->k / sizeof *j->k;
  for (size_t i = 0; ok && i < n; i++) {
    char *end;
    unsigned long value = strtoul(words[i], &end, 10);
    ok = *words[i] && !*end && value > 0 && value <= 100000 && (!i || value > j->k[i - 1]);
    j->k[j->n_k++] = (uint32_t)value;
  }
  args_free_list(words, n);
  return ok;
}

static bool describe(job *j) {
  size_t length = 0;
  recsys_error error = {0};
  recsys_evaluation_describe(j->evaluation, NULL, 0, &length, NULL);
  char *text = need(length + 1, 1);
  bool ok = !recsys_evaluation_describe(j->evaluation, text, length + 1, NULL, &error);
  if (!ok)
    say_error(&error);
  else
    j->report = json_loads(text, 0, NULL);
  free(text);
  return ok && j->report;
}

/* The columns of the table: those of quality that were measured, for each length. */
static char **columns_of(const job *j, size_t *n) {
  static const char *const cut[] = {"ndcg", "recall", "precision", "map", "mrr", "coverage", "novelty", "diversity"};
  static const char *const whole[] = {"auc", "rmse"};
  char **names = need(sizeof cut / sizeof *cut * j->n_k + 2, sizeof *names);
  *n = 0;
  for (uint32_t i = 0; i < j->n_k; i++)
    for (size_t c = 0; c < sizeof cut / sizeof *cut; c++)
      names[(*n)++] = need_text("%s@%u", cut[c], j->k[i]);
  for (size_t c = 0; c < 2; c++)
    names[(*n)++] = need_copy(whole[c]);
  return names;
}

static json_t *metrics_of(const job *j, json_t *ranker) {
  return json_object_get(json_object_get(json_object_get(ranker, "groups"), j->group), "metrics");
}

static bool anybody_has(const job *j, const char *column) {
  size_t i;
  json_t *ranker;
  json_array_foreach(json_object_get(j->report, "rankers"), i, ranker) {
    if (json_object_get(metrics_of(j, ranker), column))
      return true;
  }
  return false;
}

static double number(json_t *metric, const char *key) {
  return json_number_value(json_object_get(metric, key));
}

/* Rankers by falling value of the first column. */
static size_t *order_of(const job *j, const char *column, size_t *n) {
  json_t *rankers = json_object_get(j->report, "rankers");
  *n = json_array_size(rankers);
  size_t *order = need(*n, sizeof *order);
  for (size_t i = 0; i < *n; i++) {
    double value = number(json_object_get(metrics_of(j, json_array_get(rankers, i)), column), "mean");
    size_t at = i;
    for (; at > 0; at--) {
      json_t *before = metrics_of(j, json_array_get(rankers, order[at - 1]));
      if (number(json_object_get(before, column), "mean") >= value)
        break;
      order[at] = order[at - 1];
    }
    order[at] = i;
  }
  return order;
}

/* "0.3565 ±0.018", with a star where it is surely worse than the best. */
static char *shown(json_t *metric, bool interval) {
  if (!metric)
    return need_copy("-");
  double half = (number(metric, "high") - number(metric, "low")) / 2;
  const char *worse = number(metric, "p_value") < 0.05 && number(metric, "difference") != 0 ? "*" : " ";
  return interval ? need_text("%.4f ±%.3f%s", number(metric, "mean"), half, worse)
                  : need_text("%.4f%s", number(metric, "mean"), worse);
}

static void print_table(const job *j) {
  size_t n, n_columns, shown_columns = 0;
  char **columns = columns_of(j, &n_columns);
  size_t *order = order_of(j, columns[0], &n);
  const char *headings[140] = {"ranker", "seconds"};
  for (size_t c = 0; c < n_columns && shown_columns < 130; c++)
    if (anybody_has(j, columns[c]))
      headings[2 + shown_columns++] = columns[c];
  table *t = table_new(headings, 2 + shown_columns, "1");
  for (size_t i = 0; i < n; i++) {
    json_t *ranker = json_array_get(json_object_get(j->report, "rankers"), order[i]);
    char *seconds = need_text("%.2f", number(ranker, "seconds"));
    table_cell(t, json_string_value(json_object_get(ranker, "ranker")));
    table_cell(t, seconds);
    free(seconds);
    for (size_t c = 0; c < shown_columns; c++) {
      char *cell = shown(json_object_get(metrics_of(j, ranker), headings[2 + c]), c == 0);
      table_cell(t, cell);
      free(cell);
    }
  }
  table_print(t);
  table_free(t);
  json_t *first =
      json_object_get(json_object_get(json_array_get(json_object_get(j->report, "rankers"), 0), "groups"), j->group);
  printf(
      "\n%s: %lld users averaged, %lld had nothing relevant held out; ± half of the 95 %% interval; * worse than the "
      "best, p < 0.05 (Holm)\n",
      j->split, (long long)json_integer_value(json_object_get(first, "users")),
      (long long)json_integer_value(json_object_get(first, "unscored")));
  for (size_t c = 0; c < n_columns; c++)
    free(columns[c]);
  free(columns);
  free(order);
}

/* -- the page */

static void put_escaped(textbuf *page, const char *text) {
  for (; *text; text++) {
    if (*text == '<')
      text_puts(page, "&lt;");
    else if (*text == '&')
      text_puts(page, "&amp;");
    else
      text_add(page, text, 1);
  }
}

/* One bar for each ranker, with its interval as a line. */
static void put_chart(textbuf *page, const job *j, const char *column) {
  size_t n;
  size_t *order = order_of(j, column, &n);
  double most = 1e-12;
  json_t *rankers = json_object_get(j->report, "rankers");
  for (size_t i = 0; i < n; i++)
    most = fmax(most, number(json_object_get(metrics_of(j, json_array_get(rankers, i)), column), "high"));
  text_printf(page, "<h2>%s</h2>\n<svg viewBox=\"0 0 900 %zu\" role=\"img\" aria-label=\"%s by ranker\">\n", column,
              28 * n + 8, column);
  for (size_t i = 0; i < n; i++) {
    json_t *ranker = json_array_get(rankers, order[i]), *metric = json_object_get(metrics_of(j, ranker), column);
    double scale = 460 / most, y = 28.0 * (double)i + 4;
    if (!metric)
      continue;
    text_printf(page, "<text x=\"330\" y=\"%.0f\" text-anchor=\"end\">", y + 15);
    put_escaped(page, json_string_value(json_object_get(ranker, "ranker")));
    text_printf(page,
                "</text><rect x=\"340\" y=\"%.0f\" width=\"%.1f\" height=\"20\"/>"
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/><text x=\"810\" y=\"%.0f\">%.4f</text>\n",
                y, fmax(0, number(metric, "mean") * scale), 340 + number(metric, "low") * scale,
                340 + number(metric, "high") * scale, y + 10, y + 10, y + 15, number(metric, "mean"));
  }
  text_puts(page, "</svg>\n");
  free(order);
}

static int write_page(const job *j, const char *path) {
  static const char head[] =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Rankers compared</title>\n<style>"
      "body{font:15px system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}"
      "svg{width:100%;font:14px system-ui,sans-serif}rect{fill:#4a7ab5}line{stroke:#222;stroke-width:2}"
      "</style>\n<h1>Rankers compared</h1>\n";
  size_t n;
  char **columns = columns_of(j, &n);
  textbuf page = {0};
  text_puts(&page, head);
  text_puts(&page, "<p>Split: ");
  put_escaped(&page, j->split);
  text_printf(&page, ". Group: %s. Bars are means over users, lines their 95 %% bootstrap intervals.</p>\n", j->group);
  for (size_t c = 0; c < n; c++) {
    if (anybody_has(j, columns[c]))
      put_chart(&page, j, columns[c]);
    free(columns[c]);
  }
  free(columns);
  FILE *file = fopen(path, "wb");
  bool ok = file && fwrite(page.bytes, 1, page.length, file) == page.length;
  ok = file && fclose(file) == 0 && ok;
  free(page.bytes);
  if (!ok)
    say("cannot write \"%s\"", path);
  return ok ? DONE : FAILED;
}

static int show(job *j) {
  int code = DONE;
  if (!describe(j))
    return FAILED;
  if (args_has(j->a, "html"))
    code = write_page(j, args_get(j->a, "html", NULL));
  if (args_has(j->a, "json"))
    json_print(j->report);
  else
    print_table(j);
  if (args_has(j->a, "json"))
    j->report = NULL; /* released by printing */
  return code;
}

static int run(const args *a, recsys_store *store) {
  progress p;
  recsys_error error = {0};
  job j = {.a = a, .group = args_get(a, "group", "all"), .split = args_get(a, "split", "random test=0.2 repeats=3")};
  recsys_evaluate_options how = {.struct_size = sizeof how,
                                 .split = j.split,
                                 .candidates = args_has(a, "hidden") ? RECSYS_CANDIDATES_HIDDEN : RECSYS_CANDIDATES_ALL,
                                 .k = j.k,
                                 .progress = progress_callback,
                                 .progress_user = &p};
  if (!read_lengths(&j))
    return args_misuse(a, "-k takes rising whole numbers: 10,20");
  if (strcmp(j.group, "all") != 0 && strcmp(j.group, "new-users") != 0 && strcmp(j.group, "new-items") != 0)
    return args_misuse(a, "--group is all, new-users or new-items");
  if (!args_real(a, "relevant", 0, 1e30, &how.relevant_from))
    return MISUSED;
  how.n_k = j.n_k;
  progress_begin(&p, "Evaluating", "lists", 0, 0);
  recsys_status status = recsys_evaluate(&j.evaluation, store,
                                         args_get(a, "rankers", "ease; als; item-knn; content; popular"), &how, &error);
  progress_end(&p);
  int code = status ? say_error(&error) : show(&j);
  json_decref(j.report);
  recsys_evaluation_close(j.evaluation);
  return code;
}

int cmd_evaluate(int argc, char **argv) {
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
