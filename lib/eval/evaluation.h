/*
 * Inside an evaluation: a table of numbers, rankers x groups x columns, gathered user by user and repeat by repeat.
 */
#ifndef RECSYS_EVAL_EVALUATION_H
#define RECSYS_EVAL_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/metrics.h"
#include "eval/ratings.h"
#include "recsys.h"

typedef enum {
  RECSYS__CUT,
  RECSYS__AUC,
  RECSYS__RMSE,
  RECSYS__MAE,
  RECSYS__NOVELTY,
  RECSYS__DIVERSITY,
  RECSYS__COVERAGE,
  RECSYS__GINI
} recsys__column_kind;

typedef struct recsys__column {
  recsys__column_kind kind;
  recsys__cut_metric cut;
  uint32_t k; /* 0: none */
} recsys__column;

enum { RECSYS__ALL = 0, RECSYS__NEW_USERS, RECSYS__NEW_ITEMS, RECSYS__GROUPS };
extern const char *const recsys__group_names[RECSYS__GROUPS];

struct recsys_evaluation {
  char **rankers;
  size_t ranker_count, column_count, user_count, repeats;
  recsys__column *columns;
  int64_t *users; /* of the store, rising */
  uint32_t *k;
  size_t k_count;
  uint32_t largest_k;
  /* Per cell (ranker, group, column): sums and weights of each user over repeats, and of each repeat over users. */
  double *user_sums, *user_weights, *repeat_sums, *repeat_weights;
  double *seconds;        /* of each ranker */
  uint8_t *tested;        /* of each user and group: 1 has tests, 2 was scored */
  double test, train;     /* ratings, over all repeats */
  recsys_metric *results; /* rankers x groups x columns */
};

size_t recsys__cell(const recsys_evaluation *e, size_t ranker, size_t group, size_t column);
/* Adds one user's value in one repeat. */
void recsys__evaluation_add(recsys_evaluation *e, size_t cell, size_t user, size_t repeat, double value, double weight);
bool recsys__larger_is_better(const recsys__column *column);
/* From what was gathered to results. false: out of memory. */
bool recsys__evaluation_finish(recsys_evaluation *e, uint32_t threads, uint64_t seed);

#endif
