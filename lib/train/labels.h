/*
 * Labels of examples: which belong to one field, which of them are known, the losses over them, and how examples are
 * divided so that every part has its share of each label.
 */
#ifndef RECSYS_TRAIN_LABELS_H
#define RECSYS_TRAIN_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "recsys.h"

/* The labels first .. first + count - 1. Exclusive: an example has one of them, and their scores are a softmax; else
 * each has a sigmoid of its own. */
typedef struct recsys__field {
  size_t first, count;
  bool exclusive;
} recsys__field;

/* Borrowed: it points to what somebody else holds. */
typedef struct recsys__labels {
  const recsys__field *fields;
  size_t field_count, count;
  const int8_t *matrix; /* examples x count: RECSYS_LABEL_PRESENT, _ABSENT or _UNKNOWN */
} recsys__labels;

/* The label that an example has in an exclusive field; -1: unknown. */
int64_t recsys__labels_one(const recsys__labels *labels, const recsys__field *field, size_t example);

/* Weights of labels, count of them: (absent / present)^balance of the known ones for a sigmoid, (mean / own frequency)
 * ^balance for a softmax; balance 0 gives ones. Limited to 1/20 .. 20. */
void recsys__label_weights(const recsys__labels *labels, const uint32_t *examples, size_t n, double balance,
                           float *weights);

/*
 * The loss is a sum of terms. Term 0 is the mean, over the known labels of all fields that are not exclusive, of the
 * binary cross-entropy (a present one counts by its weight: torch.nn.BCEWithLogitsLoss with pos_weight). Every
 * exclusive field is one more term: the mean, weighed, over the examples whose label is known, of the cross-entropy
 * (torch.nn.CrossEntropyLoss with weight). Sums and weights are kept apart, so that batches add up.
 */
typedef struct recsys__loss_term {
  double sum, weight;
} recsys__loss_term;

size_t recsys__loss_terms(const recsys__labels *labels); /* 1 + exclusive fields */
/* Adds n examples' logits (n x count) to `terms`. */
void recsys__loss_add(const recsys__labels *labels, const float *weights, const uint32_t *examples, size_t n,
                      const float *logits, recsys__loss_term *terms);
double recsys__loss_value(const recsys__loss_term *terms, size_t count);
/* The terms of these examples alone, and the gradient of their recsys__loss_value. */
recsys_status recsys__loss_gradient(uint32_t threads, const recsys__labels *labels, const float *weights,
                                    const uint32_t *examples, size_t n, const float *logits, float *gradient,
                                    recsys__loss_term *terms, recsys_error *error);
/* Logits to scores in place: sigmoids, and softmaxes over exclusive fields. */
void recsys__label_scores(const recsys__labels *labels, float *rows, size_t n);

/*
 * Divides n examples into `parts` with the given shares (they sum to 1) so that each part has its share of every label:
 * iterative stratification (Sechidis et al., "On the stratification of multi-label data", 2011). Examples with the same
 * group (or NULL: each its own) stay together. out[n]: the part. Ties are broken at random by `seed`.
 */
recsys_status recsys__stratify(const recsys__labels *labels, const uint32_t *groups, size_t n, const double *shares,
                               uint32_t parts, uint64_t seed, int32_t *out, recsys_error *error);
/* A random order (Fisher and Yates). */
void recsys__shuffle(recsys__random *random, uint32_t *list, size_t n);

#endif
