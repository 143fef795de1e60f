/* An evaluation under way: what all repeats share, and what one list is measured by. */
#ifndef RECSYS_EVAL_EVALUATING_H
#define RECSYS_EVAL_EVALUATING_H

#include "eval/evaluation.h"
#include "ranker/ranker.h"

typedef struct recsys__evaluating {
  recsys_evaluation *e;
  recsys_evaluate_options options;
  recsys__split split;
  const recsys__view *view;
  recsys__ratings ratings;
  uint8_t *parts;
  int64_t *items; /* of the view, rising */
  size_t item_count;
  double *raters; /* in training, of each item */
  double training_users;
  int64_t *hidden; /* items without a training rating, rising */
  size_t hidden_count;
  size_t *first;  /* of each user: where the ratings begin; one more for the end */
  double *listed; /* for each k: how often each item is listed */
  double relevant_from;
  int32_t space; /* -1: none */
  size_t repeat, ranker;
  uint64_t done, total;
  recsys_error *error;
} recsys__evaluating;

typedef struct recsys__evaluated_list {
  size_t user; /* place among the users */
  const int64_t *ids;
  const double *scores;
  size_t n, candidates;
  uint32_t *hits; /* room for n */
  uint8_t *is_hit;
} recsys__evaluated_list;

/* The rankers' names from "a; b", and the columns (columns.c). false: out of memory. */
bool recsys__evaluating_rankers(recsys_evaluation *e, const char *text);
bool recsys__evaluating_columns(recsys_evaluation *e);
bool recsys__evaluating_table(recsys__evaluating *w);

/* Of one user in this repeat (measure.c). */
size_t recsys__evaluating_history(const recsys__evaluating *w, size_t user);                /* its length */
size_t recsys__evaluating_relevant(const recsys__evaluating *w, size_t user, size_t group); /* items */
void recsys__measure_list(recsys__evaluating *w, recsys__evaluated_list *l);
/* Errors of predicted values. */
recsys_status recsys__measure_values(recsys__evaluating *w, recsys_ranker *ranker, size_t user);

#endif
