/* What an evaluation holds out in one repeat, and what is asked about it: histories, relevant items, candidates. */
#ifndef RECSYS_EVAL_FOLDS_H
#define RECSYS_EVAL_FOLDS_H

#include "eval/evaluation.h"
#include "eval/ratings.h"
#include "store/view.h"

typedef struct recsys__folds {
  const recsys__view *view;
  recsys__ratings ratings;
  uint32_t *places; /* of each rating's item among items; item_count where it is no item any more */
  uint8_t *parts;   /* of each rating, in this repeat */
  int64_t *users, *items; /* of the view, rising */
  size_t user_count, item_count;
  size_t *first; /* of each user: where the ratings begin; one more for the end */
  size_t most;   /* ratings of one user */
  double *raters; /* in training, of each item */
  double training_users;
  int64_t *hidden; /* items without a training rating, rising */
  size_t hidden_count;
  bool hidden_only; /* only those are candidates */
  double relevant_from;
  double test, train; /* ratings, over all repeats so far */
} recsys__folds;

/* Retains the view. The caller closes it, also after a failure. */
recsys_status recsys__folds_open(recsys__folds *f, const recsys__view *view, const recsys_evaluate_options *options,
                                 recsys_error *error);
void recsys__folds_close(recsys__folds *f);

/* Turns to a repeat: of the given parts, else of the split. */
recsys_status recsys__folds_turn(recsys__folds *f, const recsys__split *split, const recsys_evaluate_options *options,
                                 size_t repeat, recsys_error *error);
/* The view with the training part alone; NULL: out of memory. */
const recsys__view *recsys__folds_training(recsys__folds *f);

/* Users by their place. A history is what is in training and what is passed in. */
size_t recsys__folds_history(const recsys__folds *f, size_t user);
bool recsys__folds_outside(const recsys__folds *f, size_t user);     /* of the fit: the history is passed in */
bool recsys__folds_has_tests(const recsys__folds *f, size_t user, size_t group);
size_t recsys__folds_candidates(const recsys__folds *f, size_t user); /* how many are ranked for this user */
/* The relevant items among the candidates, rising, into `relevant` (NULL, or room for `most`); returns how many. */
size_t recsys__folds_relevant(const recsys__folds *f, size_t user, size_t group, int64_t *relevant);
/* Whether a rating is tested and counts in a group. */
bool recsys__folds_is_test(const recsys__folds *f, size_t rating, size_t group);
bool recsys__folds_in_group(const recsys__folds *f, size_t user, size_t group);

#endif
