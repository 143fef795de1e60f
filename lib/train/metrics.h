/* How well scores tell labels: thresholds, and per label what scikit-learn's functions of the same names give. */
#ifndef RECSYS_TRAIN_METRICS_H
#define RECSYS_TRAIN_METRICS_H

#include "train/labels.h"

/* The threshold (decision: score >= threshold) of greatest F1 over examples whose part is not `except`: the middle
 * between two scores; of equal ones the lowest. 0.5 where no such example has the label. scores: examples x count;
 * part[i] < 0: not looked at. */
recsys_status recsys__best_threshold(const recsys__labels *labels, const float *scores, const int32_t *part, size_t n,
                                     size_t label, int32_t except, double *threshold, recsys_error *error);

/* decisions[n x count] of scores: in an exclusive field the label of the highest score (the first of equals), else
 * score
 * >= thresholds[label]. */
void recsys__decide(const recsys__labels *labels, const float *scores, size_t n, const double *thresholds,
                    uint8_t *decisions);

/* metrics[count + 2] of the examples with part[i] >= 0 (NULL: all): the labels', micro and macro. Thresholds are left
 * alone. */
recsys_status recsys__measure_labels(const recsys__labels *labels, const float *scores, const uint8_t *decisions,
                                     const int32_t *part, size_t n, recsys_label_metrics *metrics, recsys_error *error);

#endif
