/* Thresholds and metrics of labels, each from one sorted list of scores. */
#include "train/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

typedef struct scored {
  float score;
  uint8_t present;
} scored;

static int by_falling_score(const void *a, const void *b) {
  const scored *x = a, *y = b;
  return (x->score < y->score) - (x->score > y->score);
}

/* The known scores of one label, falling. */
static size_t collect(const recsys__labels *labels, const float *scores, const int32_t *part, size_t n, size_t label,
                      int32_t except, scored *list) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    int8_t value = labels->matrix[i * labels->count + label];
    if (value >= 0 && (part == NULL || (part[i] >= 0 && part[i] != except)))
      list[count++] = (scored){scores[i * labels->count + label], value == RECSYS_LABEL_PRESENT};
  }
  qsort(list, count, sizeof *list, by_falling_score);
  return count;
}

static size_t count_present(const scored *list, size_t n) {
  size_t present = 0;
  for (size_t i = 0; i < n; i++)
    present += list[i].present;
  return present;
}

/* Decisions change between different scores only. */
static double threshold_of(const scored *list, size_t n) {
  size_t positives = count_present(list, n), hits = 0;
  double best = 0, threshold = 0.5;
  for (size_t i = 0; i < n; i++) {
    hits += list[i].present;
    if (i + 1 < n && list[i + 1].score == list[i].score)
      continue;
    double f1 = 2.0 * (double)hits / (double)(i + 1 + positives);
    if (f1 >= best && hits > 0) {
      best = f1;
      threshold = i + 1 < n ? ((double)list[i].score + list[i + 1].score) / 2 : (double)list[i].score / 2;
    }
  }
  return threshold;
}

recsys_status recsys__best_threshold(const recsys__labels *labels, const float *scores, const int32_t *part, size_t n,
                                     size_t label, int32_t except, double *threshold, recsys_error *error) {
  scored *list = recsys__alloc(n, sizeof *list);
  if (list == NULL)
    return recsys__no_memory(error, "the scores of a label");
  *threshold = threshold_of(list, collect(labels, scores, part, n, label, except, list));
  recsys__free(list);
  return RECSYS_OK;
}

static void decide_one(const recsys__field *field, const float *scores, uint8_t *decisions) {
  size_t best = 0;
  for (size_t c = 0; c < field->count; c++) {
    decisions[c] = 0;
    if (scores[c] > scores[best])
      best = c;
  }
  decisions[best] = 1;
}

void recsys__decide(const recsys__labels *labels, const float *scores, size_t n, const double *thresholds,
                    uint8_t *decisions) {
  for (size_t i = 0; i < n; i++)
    for (size_t f = 0; f < labels->field_count; f++) {
      const recsys__field *field = &labels->fields[f];
      size_t at = i * labels->count + field->first;
      if (field->exclusive)
        decide_one(field, scores + at, decisions + at);
      else
        for (size_t c = 0; c < field->count; c++)
          decisions[at + c] = scores[at + c] >= thresholds[field->first + c];
    }
}

/* sum over thresholds of (recall step) x precision */
static double average_precision(const scored *list, size_t n) {
  size_t positives = count_present(list, n), hits = 0, before = 0;
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    hits += list[i].present;
    if (i + 1 < n && list[i + 1].score == list[i].score)
      continue;
    sum += (double)(hits - before) * (double)hits / (double)(i + 1);
    before = hits;
  }
  return positives ? sum / (double)positives : 0;
}

typedef struct confusion {
  uint64_t both, decided, present, known; /* decided: positively */
  uint64_t right;
} confusion;

static double ratio(uint64_t a, uint64_t b) {
  return b ? (double)a / (double)b : 0;
}

static void fill_metrics(const confusion *c, recsys_label_metrics *m) {
  m->known = c->known;
  m->support = c->present;
  m->accuracy = ratio(c->right, c->known);
  m->precision = ratio(c->both, c->decided);
  m->recall = ratio(c->both, c->present);
  m->f1 = ratio(2 * c->both, c->decided + c->present);
}

static confusion confuse(const recsys__labels *labels, const uint8_t *decisions, const int32_t *part, size_t n,
                         size_t label) {
  confusion c = {0};
  for (size_t i = 0; i < n; i++) {
    int8_t value = labels->matrix[i * labels->count + label];
    bool decided = decisions[i * labels->count + label];
    if (value < 0 || (part != NULL && part[i] < 0))
      continue;
    c.known++;
    c.present += value == RECSYS_LABEL_PRESENT;
    c.decided += decided;
    c.both += decided && value == RECSYS_LABEL_PRESENT;
    c.right += decided == (value == RECSYS_LABEL_PRESENT);
  }
  return c;
}

static void add(confusion *sum, const confusion *c) {
  sum->both += c->both;
  sum->decided += c->decided;
  sum->present += c->present;
  sum->known += c->known;
  sum->right += c->right;
}

static void add_share(recsys_label_metrics *mean, const recsys_label_metrics *m, double share) {
  mean->known += m->known;
  mean->support += m->support;
  mean->accuracy += share * m->accuracy;
  mean->precision += share * m->precision;
  mean->recall += share * m->recall;
  mean->f1 += share * m->f1;
  mean->average_precision += share * m->average_precision;
}

static double pooled_precision(const recsys__labels *labels, const float *scores, const int32_t *part, size_t n,
                               scored *list) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < labels->count && (part == NULL || part[i] >= 0); c++) {
      int8_t value = labels->matrix[i * labels->count + c];
      if (value >= 0)
        list[count++] = (scored){scores[i * labels->count + c], value == RECSYS_LABEL_PRESENT};
    }
  qsort(list, count, sizeof *list, by_falling_score);
  return average_precision(list, count);
}

recsys_status recsys__measure_labels(const recsys__labels *labels, const float *scores, const uint8_t *decisions,
                                     const int32_t *part, size_t n, recsys_label_metrics *metrics,
                                     recsys_error *error) {
  scored *list = recsys__alloc(n, labels->count * sizeof *list);
  confusion all = {0};
  size_t supported = 0;
  if (list == NULL)
    return recsys__no_memory(error, "the scores of labels");
  recsys_label_metrics *micro = &metrics[labels->count], *macro = micro + 1;
  *macro = (recsys_label_metrics){0};
  for (size_t c = 0; c < labels->count; c++) {
    confusion own = confuse(labels, decisions, part, n, c);
    fill_metrics(&own, &metrics[c]);
    metrics[c].average_precision = average_precision(list, collect(labels, scores, part, n, c, -1, list));
    supported += own.present > 0;
    add(&all, &own);
  }
  for (size_t c = 0; c < labels->count; c++)
    if (metrics[c].support > 0)
      add_share(macro, &metrics[c], 1 / (double)supported);
  *micro = (recsys_label_metrics){0};
  fill_metrics(&all, micro);
  micro->average_precision = pooled_precision(labels, scores, part, n, list);
  recsys__free(list);
  return RECSYS_OK;
}
