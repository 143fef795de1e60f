/* What an evaluation has room for: rankers by name, columns, and the table of numbers. */
#include <math.h>
#include <string.h>

#include "eval/evaluating.h"

/* -- the rankers' names */

static bool add_ranker(recsys_evaluation *e, const char *from, size_t n) {
  while (n && from[0] == ' ')
    from++, n--;
  while (n && from[n - 1] == ' ')
    n--;
  if (!n)
    return true;
  char **grown = recsys__realloc(e->rankers, e->ranker_count + 1, sizeof *grown);
  if (!grown)
    return false;
  e->rankers = grown;
  if (!(grown[e->ranker_count] = recsys__copy(from, n + 1, 1)))
    return false;
  grown[e->ranker_count++][n] = 0;
  return true;
}

bool recsys__evaluating_rankers(recsys_evaluation *e, const char *text) {
  bool quoted = false, ok = true;
  const char *from = text;
  for (const char *at = text; ok; at++) {
    if (*at == '"' && (at == text || at[-1] != '\\'))
      quoted = !quoted;
    if ((*at == ';' && !quoted) || !*at) {
      ok = add_ranker(e, from, (size_t)(at - from));
      from = at + 1;
    }
    if (!*at)
      break;
  }
  return ok;
}

/* -- the table */

static bool add_column(recsys_evaluation *e, recsys__column_kind kind, recsys__cut_metric cut, uint32_t k) {
  recsys__column *grown = recsys__realloc(e->columns, e->column_count + 1, sizeof *grown);
  if (!grown)
    return false;
  e->columns = grown;
  grown[e->column_count++] = (recsys__column){kind, cut, k};
  return true;
}

bool recsys__evaluating_columns(recsys_evaluation *e) {
  static const recsys__column_kind listed[] = {RECSYS__NOVELTY, RECSYS__DIVERSITY, RECSYS__COVERAGE, RECSYS__GINI};
  bool ok = true;
  for (size_t i = 0; i < e->k_count && ok; i++) {
    for (int cut = 0; cut < RECSYS__CUT_METRICS && ok; cut++)
      ok = add_column(e, RECSYS__CUT, (recsys__cut_metric)cut, e->k[i]);
    for (size_t l = 0; l < 4 && ok; l++)
      ok = add_column(e, listed[l], RECSYS__NDCG, e->k[i]);
  }
  return ok && add_column(e, RECSYS__AUC, RECSYS__NDCG, 0) && add_column(e, RECSYS__RMSE, RECSYS__NDCG, 0) &&
         add_column(e, RECSYS__MAE, RECSYS__NDCG, 0);
}

size_t recsys__cell(const recsys_evaluation *e, size_t ranker, size_t group, size_t column) {
  return (ranker * RECSYS__GROUPS + group) * e->column_count + column;
}

void recsys__evaluation_add(recsys_evaluation *e, size_t cell, size_t user, size_t repeat, double value,
                            double weight) {
  if (isnan(value))
    return;
  if (user < e->user_count) {
    e->user_sums[cell * e->user_count + user] += value;
    e->user_weights[cell * e->user_count + user] += weight;
  }
  e->repeat_sums[cell * e->repeats + repeat] += value;
  e->repeat_weights[cell * e->repeats + repeat] += weight;
}

bool recsys__evaluating_table(recsys__evaluating *w) {
  recsys_evaluation *e = w->e;
  size_t cells = e->ranker_count * RECSYS__GROUPS * e->column_count;
  e->user_count = recsys__view_user_count(w->view);
  e->users = recsys__alloc(e->user_count, sizeof *e->users);
  e->user_sums = recsys__calloc(cells, (e->user_count + 1) * sizeof *e->user_sums);
  e->user_weights = recsys__calloc(cells, (e->user_count + 1) * sizeof *e->user_weights);
  e->repeat_sums = recsys__calloc(cells, e->repeats * sizeof *e->repeat_sums);
  e->repeat_weights = recsys__calloc(cells, e->repeats * sizeof *e->repeat_weights);
  e->seconds = recsys__calloc(e->ranker_count, sizeof *e->seconds);
  e->tested = recsys__calloc(e->user_count, RECSYS__GROUPS);
  e->results = recsys__calloc(cells, sizeof *e->results);
  w->item_count = recsys__view_item_count(w->view);
  w->items = recsys__alloc(w->item_count, sizeof *w->items);
  w->hidden = recsys__alloc(w->item_count, sizeof *w->hidden);
  w->raters = recsys__alloc(w->item_count, sizeof *w->raters);
  w->listed = recsys__alloc(w->item_count, (e->k_count + 1) * sizeof *w->listed);
  w->first = recsys__alloc(e->user_count + 1, sizeof *w->first);
  w->parts = recsys__alloc(w->ratings.n, 1);
  if (!e->users || !e->user_sums || !e->user_weights || !e->repeat_sums || !e->repeat_weights || !e->seconds ||
      !e->tested || !e->results || !w->items || !w->hidden || !w->raters || !w->listed || !w->first || !w->parts)
    return false;
  e->user_count = recsys__view_users(w->view, -1, e->users, e->user_count);
  w->item_count = recsys__view_items(w->view, -1, w->items, w->item_count);
  for (size_t u = 0, at = 0; u <= e->user_count; u++) {
    while (u < e->user_count && at < w->ratings.n && w->ratings.users[at] < e->users[u])
      at++;
    w->first[u] = u < e->user_count ? at : w->ratings.n;
  }
  return true;
}
