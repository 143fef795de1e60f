/* The table of an evaluation: its columns, and adding to its cells. */
#include <math.h>
#include <stdio.h>

#include "eval/evaluation.h"

const char *const recsys__group_names[RECSYS__GROUPS] = {"all", "new-users", "new-items"};

static bool add_column(recsys_evaluation *e, recsys__column_kind kind, recsys__cut_metric cut, uint32_t k) {
  recsys__column *grown = recsys__realloc(e->columns, e->column_count + 1, sizeof *grown);
  if (!grown)
    return false;
  e->columns = grown;
  grown[e->column_count++] = (recsys__column){kind, cut, k};
  return true;
}

static bool make_columns(recsys_evaluation *e) {
  static const recsys__column_kind listed[] = {RECSYS__NOVELTY, RECSYS__DIVERSITY, RECSYS__COVERAGE, RECSYS__GINI};
  bool ok = true;
  for (size_t i = 0; i < e->k_count && ok; i++) {
    for (int cut = 0; cut < RECSYS__CUT_METRICS && ok; cut++)
      ok = add_column(e, RECSYS__CUT, (recsys__cut_metric)cut, e->k[i]);
    for (size_t l = 0; l < sizeof listed / sizeof *listed && ok; l++)
      ok = add_column(e, listed[l], RECSYS__NDCG, e->k[i]);
  }
  return ok && add_column(e, RECSYS__AUC, RECSYS__NDCG, 0) && add_column(e, RECSYS__RMSE, RECSYS__NDCG, 0) &&
         add_column(e, RECSYS__MAE, RECSYS__NDCG, 0);
}

void recsys__column_name(const recsys__column *column, char *name, size_t size) {
  static const char *const names[] = {"", "auc", "rmse", "mae", "novelty", "diversity", "coverage", "gini"};
  const char *base = column->kind == RECSYS__CUT ? recsys__cut_metric_names[column->cut] : names[column->kind];
  if (column->k)
    snprintf(name, size, "%s@%u", base, column->k);
  else
    snprintf(name, size, "%s", base);
}

bool recsys__larger_is_better(const recsys__column *column) {
  return column->kind != RECSYS__RMSE && column->kind != RECSYS__MAE && column->kind != RECSYS__GINI;
}

bool recsys__evaluation_open(recsys_evaluation *e, size_t users, size_t repeats) {
  if (!make_columns(e))
    return false;
  size_t cells = e->ranker_count * RECSYS__GROUPS * e->column_count;
  e->user_count = users;
  e->repeats = repeats;
  e->user_sums = recsys__calloc(cells, (users + 1) * sizeof *e->user_sums);
  e->user_weights = recsys__calloc(cells, (users + 1) * sizeof *e->user_weights);
  e->repeat_sums = recsys__calloc(cells, repeats * sizeof *e->repeat_sums);
  e->repeat_weights = recsys__calloc(cells, repeats * sizeof *e->repeat_weights);
  e->seconds = recsys__calloc(e->ranker_count, sizeof *e->seconds);
  e->tested = recsys__calloc(users, RECSYS__GROUPS);
  e->results = recsys__calloc(cells, sizeof *e->results);
  return e->user_sums && e->user_weights && e->repeat_sums && e->repeat_weights && e->seconds && e->tested &&
         e->results;
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

void recsys_evaluation_close(recsys_evaluation *e) {
  if (!e)
    return;
  for (size_t i = 0; i < e->ranker_count; i++)
    recsys__free(e->rankers[i]);
  recsys__free(e->rankers);
  recsys__free(e->columns);
  recsys__free(e->k);
  recsys__free(e->user_sums);
  recsys__free(e->user_weights);
  recsys__free(e->repeat_sums);
  recsys__free(e->repeat_weights);
  recsys__free(e->seconds);
  recsys__free(e->tested);
  recsys__free(e->results);
  recsys__free(e);
}
