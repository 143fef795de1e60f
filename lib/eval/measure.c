/* The numbers of one user's list and predictions. */
#include <math.h>
#include <string.h>

#include "eval/evaluating.h"

enum { NEW_USER = 5 };

static bool is_relevant(const recsys__evaluating *w, size_t rating, size_t group) {
  if (w->parts[rating] != RECSYS_PART_TEST || (double)w->ratings.values[rating] < w->relevant_from)
    return false;
  size_t item = recsys__place_of(w->items, w->item_count, w->ratings.items[rating]);
  return item < w->item_count && (group != RECSYS__NEW_ITEMS || w->raters[item] == 0);
}

size_t recsys__evaluating_history(const recsys__evaluating *w, size_t user) {
  size_t n = 0;
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    n += w->parts[i] == RECSYS_PART_TRAIN || w->parts[i] == RECSYS_PART_HISTORY;
  return n;
}

size_t recsys__evaluating_relevant(const recsys__evaluating *w, size_t user, size_t group) {
  size_t n = 0;
  if (group == RECSYS__NEW_USERS && recsys__evaluating_history(w, user) > NEW_USER)
    return 0;
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    n += is_relevant(w, i, group);
  return n;
}

static double novelty(const recsys__evaluating *w, const recsys__evaluated_list *l, size_t k) {
  double sum = 0;
  size_t n = l->n < k ? l->n : k;
  for (size_t i = 0; i < n; i++) {
    double raters = w->raters[recsys__place_of(w->items, w->item_count, l->ids[i])];
    sum -= log2(fmax(1, raters) / fmax(1, w->training_users));
  }
  return n ? sum / (double)n : NAN;
}

static double diversity(const recsys__evaluating *w, const recsys__evaluated_list *l, size_t k) {
  double sum = 0, pairs = 0, cosine;
  size_t n = l->n < k ? l->n : k;
  for (size_t i = 0; i < n && w->space >= 0; i++)
    for (size_t j = 0; j < i; j++)
      if (recsys__view_likeness(w->view, w->space, l->ids[i], l->ids[j], RECSYS_METRIC_COSINE, &cosine)) {
        sum += 1 - cosine;
        pairs++;
      }
  return pairs > 0 ? sum / pairs : NAN;
}

static void count_listed(recsys__evaluating *w, const recsys__evaluated_list *l) {
  for (size_t c = 0; c < w->e->k_count; c++)
    for (size_t i = 0; i < l->n && i < w->e->k[c]; i++)
      w->listed[c * w->item_count + recsys__place_of(w->items, w->item_count, l->ids[i])]++;
}

static void measure_group(recsys__evaluating *w, recsys__evaluated_list *l, size_t group, size_t relevant) {
  recsys_evaluation *e = w->e;
  size_t n = 0, last_k = 0;
  double cut[RECSYS__CUT_METRICS] = {0};
  for (size_t i = 0; i < l->n; i++) {
    size_t rating = recsys__ratings_find(&w->ratings, e->users[l->user], l->ids[i]);
    l->is_hit[i] = rating < w->ratings.n && is_relevant(w, rating, group);
    if (l->is_hit[i])
      l->hits[n++] = (uint32_t)i;
  }
  for (size_t c = 0; c < e->column_count; c++) {
    const recsys__column *column = &e->columns[c];
    double value = NAN;
    if (column->kind == RECSYS__CUT && column->k != last_k) {
      recsys__cut_metrics(l->hits, n, relevant, column->k, cut);
      last_k = column->k;
    }
    if (column->kind == RECSYS__CUT)
      value = cut[column->cut];
    else if (column->kind == RECSYS__AUC)
      value = recsys__auc(l->scores, l->is_hit, l->n, relevant, l->candidates);
    else if (column->kind == RECSYS__NOVELTY)
      value = novelty(w, l, column->k);
    else if (column->kind == RECSYS__DIVERSITY)
      value = diversity(w, l, column->k);
    recsys__evaluation_add(e, recsys__cell(e, w->ranker, group, c), l->user, w->repeat, value, 1);
  }
  e->tested[l->user * RECSYS__GROUPS + group] = 2;
}

void recsys__measure_list(recsys__evaluating *w, recsys__evaluated_list *l) {
  for (size_t group = 0; group < RECSYS__GROUPS; group++) {
    size_t relevant = recsys__evaluating_relevant(w, l->user, group);
    if (relevant)
      measure_group(w, l, group, relevant);
  }
  count_listed(w, l);
}

/* -- predicted values */

recsys_status recsys__measure_values(recsys__evaluating *w, recsys_ranker *ranker, size_t user) {
  recsys_evaluation *e = w->e;
  recsys_status status = RECSYS_OK;
  double squares = 0, absolutes = 0, n = 0;
  for (size_t i = w->first[user]; i < w->first[user + 1] && !status; i++) {
    double predicted = 0;
    if (w->parts[i] != RECSYS_PART_TEST)
      continue;
    status = recsys_ranker_score(ranker, e->users[user], &w->ratings.items[i], 1, NULL, &predicted, w->error);
    if (predicted == 0)
      continue; /* nothing is known of the item or the user */
    double error = predicted - (double)w->ratings.values[i];
    squares += error * error;
    absolutes += fabs(error);
    n++;
  }
  for (size_t c = 0; c < e->column_count && n > 0; c++) {
    size_t cell = recsys__cell(e, w->ranker, RECSYS__ALL, c);
    if (e->columns[c].kind == RECSYS__RMSE)
      recsys__evaluation_add(e, cell, user, w->repeat, squares, n);
    if (e->columns[c].kind == RECSYS__MAE)
      recsys__evaluation_add(e, cell, user, w->repeat, absolutes, n);
  }
  return status;
}
