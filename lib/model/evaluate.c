/* How well a trained model tells its labels on pictures whose labels are known. */
#include <string.h>

#include "base/memory.h"
#include "model/model.h"
#include "train/metrics.h"

static recsys_status check(const recsys_model *model, const recsys_image *images, size_t n, const int8_t *matrix,
                           const recsys_label_metrics *metrics, recsys_error *error) {
  const char *missing = model == NULL             ? "model"
                        : metrics == NULL         ? "metrics"
                        : images == NULL && n > 0 ? "images"
                        : matrix == NULL && n > 0 ? "matrix"
                                                  : NULL;
  if (missing != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_evaluate: %s is NULL", missing);
  if (model->head == NULL)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "this model has no head of its own: recsys_model_train makes one");
  for (size_t i = 0, cells = n * model->head->labels.count; i < cells; i++)
    if (matrix[i] < RECSYS_LABEL_UNKNOWN || matrix[i] > RECSYS_LABEL_PRESENT)
      return recsys__fail(error, RECSYS_EINVAL, 0, "picture %zu has %d for a label: use 1, 0 or -1",
                          i / model->head->labels.count, matrix[i]);
  return RECSYS_OK;
}

static recsys_status measure(const recsys_model *model, const float *scores, const int8_t *matrix,
                             const recsys_status *statuses, size_t n, recsys_label_metrics *metrics,
                             recsys_error *error) {
  recsys__labels labels = model->head->labels;
  labels.matrix = matrix;
  uint8_t *decisions = recsys__alloc(n, labels.count);
  double *thresholds = recsys__alloc(labels.count, sizeof *thresholds);
  int32_t *parts = recsys__alloc(n, sizeof *parts);
  recsys_status status =
      decisions && thresholds && parts ? RECSYS_OK : recsys__no_memory(error, "the decisions on labels");
  if (status == RECSYS_OK) {
    for (size_t c = 0; c < labels.count; c++)
      metrics[c].threshold = thresholds[c] = model->head->metrics[c].threshold;
    for (size_t i = 0; i < n; i++)
      parts[i] = statuses[i] == RECSYS_OK ? 0 : -1;
    recsys__decide(&labels, scores, n, thresholds, decisions);
    status = recsys__measure_labels(&labels, scores, decisions, parts, n, metrics, error);
  }
  recsys__free(decisions);
  recsys__free(thresholds);
  recsys__free(parts);
  return status;
}

recsys_status recsys_model_evaluate(recsys_model *model, const recsys_image *images, size_t n, const int8_t *matrix,
                                    const recsys_embed_options *options, recsys_label_metrics *metrics,
                                    recsys_status *statuses, recsys_error *error) {
  recsys_status status = check(model, images, n, matrix, metrics, error), classified;
  if (status != RECSYS_OK)
    return status;
  float *scores = recsys__alloc(n, model->head->labels.count * sizeof *scores);
  recsys_status *own = statuses != NULL ? statuses : recsys__alloc(n, sizeof *own);
  classified = status = scores && own ? recsys_model_classify(model, images, n, options, scores, own, error)
                                      : recsys__no_memory(error, "the scores of pictures");
  if (status == RECSYS_OK || status == RECSYS_EPARTIAL) {
    recsys_error reason = {0};
    status = measure(model, scores, matrix, own, n, metrics, &reason);
    if (status != RECSYS_OK && error != NULL)
      *error = reason;
    status = status != RECSYS_OK ? status : classified;
  }
  if (own != statuses)
    recsys__free(own);
  recsys__free(scores);
  return status;
}
