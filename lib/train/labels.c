/* Losses over known labels, and their gradients. Sums are in double, in the order of the examples. */
#include "train/labels.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

int64_t recsys__labels_one(const recsys__labels *labels, const recsys__field *field, size_t example) {
  const int8_t *row = labels->matrix + example * labels->count + field->first;
  for (size_t c = 0; c < field->count; c++)
    if (row[c] == RECSYS_LABEL_PRESENT)
      return (int64_t)c;
  return -1;
}

/* -- weights */

static void count_label(const recsys__labels *labels, size_t label, const uint32_t *examples, size_t n,
                        double counts[2]) {
  counts[0] = counts[1] = 0;
  for (size_t i = 0; i < n; i++) {
    int8_t value = labels->matrix[examples[i] * labels->count + label];
    if (value >= 0)
      counts[value]++;
  }
}

static float limited(double ratio, double balance) {
  return (float)fmin(fmax(pow(ratio, balance), 1.0 / 20), 20);
}

void recsys__label_weights(const recsys__labels *labels, const uint32_t *examples, size_t n, double balance,
                           float *weights) {
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    double known = 0, used = 0, counts[2];
    for (size_t c = field->first; c < field->first + field->count; c++) {
      count_label(labels, c, examples, n, counts);
      known += counts[1];
      used += counts[1] > 0;
      weights[c] = counts[0] > 0 && counts[1] > 0 ? limited(counts[0] / counts[1], balance) : 1;
    }
    for (size_t c = field->first; field->exclusive && c < field->first + field->count; c++) {
      count_label(labels, c, examples, n, counts);
      weights[c] = counts[1] > 0 ? limited(known / used / counts[1], balance) : 1;
    }
  }
}

/* -- losses. `gradient` is NULL, or gets the derivative of the sums, which scale_gradient divides by the weights. */

/* log(1 + exp(x)) without overflow. */
static double softplus(double x) {
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void add_sigmoid(const int8_t *known, const float *weights, const float *logits, size_t n, float *gradient,
                        recsys__loss_term *term) {
  for (size_t c = 0; c < n; c++) {
    if (known[c] == RECSYS_LABEL_UNKNOWN) {
      if (gradient)
        gradient[c] = 0;
      continue;
    }
    double x = logits[c], w = known[c] ? (double)weights[c] : 1;
    term->sum += known[c] ? w * softplus(-x) : softplus(x);
    term->weight++;
    if (gradient)
      gradient[c] = (float)(known[c] ? -w / (1 + exp(x)) : 1 / (1 + exp(-x)));
  }
}

static double log_sum(const float *x, size_t n) {
  double most = -INFINITY, sum = 0;
  for (size_t c = 0; c < n; c++)
    most = fmax(most, x[c]);
  for (size_t c = 0; c < n; c++)
    sum += exp(x[c] - most);
  return most + log(sum);
}

static void add_softmax(int64_t label, const float *weights, const float *logits, size_t n, float *gradient,
                        recsys__loss_term *term) {
  if (label < 0) {
    if (gradient)
      memset(gradient, 0, n * sizeof *gradient);
    return;
  }
  double total = log_sum(logits, n), w = weights[label];
  term->sum += w * (total - logits[label]);
  term->weight += w;
  for (size_t c = 0; gradient && c < n; c++)
    gradient[c] = (float)(w * (exp(logits[c] - total) - ((int64_t)c == label)));
}

static void add_row(const recsys__labels *labels, const float *weights, size_t example, const float *logits,
                    float *gradient, recsys__loss_term *terms) {
  size_t term = 1;
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    size_t at = field->first;
    float *g = gradient ? gradient + at : NULL;
    if (field->exclusive)
      add_softmax(recsys__labels_one(labels, field, example), weights + at, logits + at, field->count, g,
                  &terms[term++]);
    else
      add_sigmoid(labels->matrix + example * labels->count + at, weights + at, logits + at, field->count, g, &terms[0]);
  }
}

size_t recsys__loss_terms(const recsys__labels *labels) {
  size_t terms = 1;
  for (size_t f = 0; f < labels->field_count; f++)
    terms += labels->fields[f].exclusive;
  return terms;
}

void recsys__loss_add(const recsys__labels *labels, const float *weights, const uint32_t *examples, size_t n,
                      const float *logits, recsys__loss_term *terms) {
  for (size_t i = 0; i < n; i++)
    add_row(labels, weights, examples[i], logits + i * labels->count, NULL, terms);
}

double recsys__loss_value(const recsys__loss_term *terms, size_t count) {
  double value = 0;
  for (size_t t = 0; t < count; t++)
    value += terms[t].weight > 0 ? terms[t].sum / terms[t].weight : 0;
  return value;
}

static void scale_gradient(const recsys__labels *labels, const recsys__loss_term *terms, size_t n, float *gradient) {
  size_t term = 1;
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    const recsys__loss_term *t = &terms[field->exclusive ? term++ : 0];
    float factor = t->weight > 0 ? (float)(1 / t->weight) : 0;
    for (size_t i = 0; i < n; i++)
      for (size_t c = field->first; c < field->first + field->count; c++)
        gradient[i * labels->count + c] *= factor;
  }
}

typedef struct gradient_work {
  const recsys__labels *labels;
  const float *weights, *logits;
  const uint32_t *examples;
  float *gradient;
  recsys__loss_term *rows; /* of each example, so that they are summed in one order */
  size_t n, terms;
} gradient_work;

enum { ROWS = 16 };

static void gradient_rows(void *context, size_t part) {
  const gradient_work *w = context;
  size_t count = w->labels->count;
  for (size_t i = part * ROWS; i < w->n && i < (part + 1) * ROWS; i++)
    add_row(w->labels, w->weights, w->examples[i], w->logits + i * count, w->gradient + i * count,
            w->rows + i * w->terms);
}

recsys_status recsys__loss_gradient(uint32_t threads, const recsys__labels *labels, const float *weights,
                                    const uint32_t *examples, size_t n, const float *logits, float *gradient,
                                    recsys__loss_term *terms, recsys_error *error) {
  size_t count = recsys__loss_terms(labels);
  recsys__loss_term *rows = recsys__calloc(n, count * sizeof *rows);
  if (rows == NULL)
    return recsys__no_memory(error, "the losses of a batch");
  gradient_work w = {labels, weights, logits, examples, gradient, rows, n, count};
  recsys__parallel(threads, (n + ROWS - 1) / ROWS, gradient_rows, &w);
  memset(terms, 0, count * sizeof *terms);
  for (size_t i = 0; i < n * count; i++) {
    terms[i % count].sum += rows[i].sum;
    terms[i % count].weight += rows[i].weight;
  }
  scale_gradient(labels, terms, n, gradient);
  recsys__free(rows);
  return RECSYS_OK;
}

static void score_row(const recsys__labels *labels, float *row) {
  for (size_t f = 0; f < labels->field_count; f++) {
    const recsys__field *field = &labels->fields[f];
    float *x = row + field->first;
    double total = field->exclusive ? log_sum(x, field->count) : 0;
    for (size_t c = 0; c < field->count; c++)
      x[c] = (float)(field->exclusive ? exp(x[c] - total) : 1 / (1 + exp(-(double)x[c])));
  }
}

void recsys__label_scores(const recsys__labels *labels, float *rows, size_t n) {
  for (size_t i = 0; i < n; i++)
    score_row(labels, rows + i * labels->count);
}
