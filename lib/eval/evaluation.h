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

enum { RECSYS__HAS_TESTS = 1, RECSYS__WAS_SCORED = 2 };

struct recsys_evaluation {
  char **rankers;
  size_t ranker_count, column_count, user_count, repeats;
  recsys__column *columns;
  uint32_t *k; /* rising */
  size_t k_count;
  /* Per cell (ranker, group, column): sums and weights of each user over repeats, and of each repeat over users. */
  double *user_sums, *user_weights, *repeat_sums, *repeat_weights;
  double *seconds;        /* of each ranker */
  uint8_t *tested;        /* of each user and group: RECSYS__HAS_TESTS | RECSYS__WAS_SCORED, in any repeat */
  double test, train;     /* ratings, over all repeats */
  recsys_metric *results; /* rankers x groups x columns */
};

/* Columns for e->k, and zeros in all cells. false: out of memory. */
bool recsys__evaluation_open(recsys_evaluation *e, size_t users, size_t repeats);
size_t recsys__cell(const recsys_evaluation *e, size_t ranker, size_t group, size_t column);
/* Adds one user's value in one repeat (NaN: nothing). user SIZE_MAX: it is the repeat's own. */
void recsys__evaluation_add(recsys_evaluation *e, size_t cell, size_t user, size_t repeat, double value, double weight);
void recsys__column_name(const recsys__column *column, char *name, size_t size);
bool recsys__larger_is_better(const recsys__column *column);
/* From what was gathered to results (summary.c). false: out of memory. */
bool recsys__evaluation_finish(recsys_evaluation *e, uint32_t threads, uint64_t seed);

#endif
