/* The head's products; bias, ReLU and dropout are done row by row beside them. */
#include "train/head.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/matrix.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"

static recsys_status add_layer(recsys__head *head, const char *weight, const char *bias, size_t inputs, size_t outputs,
                               recsys_error *error) {
  recsys__parameter *p = &head->parameters[head->parameter_count];
  recsys_status status = recsys__parameter_init(p, weight, NULL, inputs * outputs, error);
  head->parameter_count += status == RECSYS_OK;
  if (status != RECSYS_OK || bias == NULL)
    return status;
  status = recsys__parameter_init(p + 1, bias, NULL, outputs, error);
  head->parameter_count += status == RECSYS_OK;
  return status;
}

static bool add_rooms(recsys__head *head, bool outer) {
  size_t n = head->batch;
  head->activations = recsys__alloc(n * head->hidden, sizeof(float));
  head->inner = recsys__alloc(n * head->hidden, sizeof(float));
  head->logits = recsys__alloc(n * head->outputs, sizeof(float));
  head->gradient = recsys__alloc(n * head->outputs, sizeof(float));
  head->outer = outer ? recsys__alloc(n * head->inputs, sizeof(float)) : NULL;
  return head->activations && head->inner && head->logits && head->gradient && (head->outer || !outer);
}

recsys_status recsys__head_init(recsys__head *head, size_t inputs, size_t hidden, size_t outputs, bool plain,
                                size_t batch, bool outer, uint64_t seed, recsys_error *error) {
  *head = (recsys__head){.threads = 1,
                         .inputs = inputs,
                         .hidden = hidden,
                         .outputs = outputs,
                         .plain = plain,
                         .batch = batch,
                         .seed = seed};
  recsys_status status = RECSYS_OK;
  if (hidden)
    status = add_layer(head, "head.0.weight", "head.0.bias", inputs, hidden, error);
  head->last = &head->parameters[head->parameter_count];
  if (status == RECSYS_OK)
    status = add_layer(head, hidden ? "head.3.weight" : "head.0.weight",
                       plain    ? NULL
                       : hidden ? "head.3.bias"
                                : "head.0.bias",
                       hidden ? hidden : inputs, outputs, error);
  if (status == RECSYS_OK && !add_rooms(head, outer))
    status = recsys__no_memory(error, "a batch of the head");
  if (status == RECSYS_OK)
    recsys__head_randomise(head, seed);
  else
    recsys__head_free(head);
  return status;
}

void recsys__head_free(recsys__head *head) {
  for (uint32_t i = 0; i < head->parameter_count; i++)
    recsys__parameter_free(&head->parameters[i]);
  recsys__free(head->activations);
  recsys__free(head->inner);
  recsys__free(head->logits);
  recsys__free(head->gradient);
  recsys__free(head->outer);
  *head = (recsys__head){0};
}

void recsys__head_randomise(recsys__head *head, uint64_t seed) {
  for (uint32_t i = 0; i < head->parameter_count; i++) {
    recsys__parameter *p = &head->parameters[i];
    recsys__random random;
    recsys__random_seed(&random, seed, 1000 + i);
    double bound = 1 / sqrt((double)(p < head->last ? head->inputs : head->hidden ? head->hidden : head->inputs));
    for (size_t k = 0; k < p->n; k++)
      p->value[k] = (float)((2 * recsys__random_unit(&random) - 1) * bound);
    memset(p->first, 0, p->n * sizeof *p->first);
    memset(p->second, 0, p->n * sizeof *p->second);
  }
}

/* -- rows */

enum { ROWS = 16 };

typedef struct rows {
  const recsys__head *head;
  float *x;
  const float *bias;
  size_t n;
  uint64_t step;
  bool training;
} rows;

static void run_rows(recsys__part_fn fn, rows *r) {
  recsys__parallel(r->head->threads, (r->n + ROWS - 1) / ROWS, fn, r);
}

static void add_bias(float *restrict x, const float *restrict bias, size_t n) {
  for (size_t i = 0; i < n; i++)
    x[i] += bias[i];
}

/* max(0, x + bias) */
static void add_bias_relu(float *restrict x, const float *restrict bias, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float value = x[i] + bias[i];
    x[i] = value > 0 ? value : 0;
  }
}

/* One 32-bit draw decides on two units: 16 bits each, so that the share is exact to 1.5e-5. */
static void drop(float *x, size_t n, double share, uint64_t seed, uint64_t stream) {
  uint32_t threshold = (uint32_t)lround(share * 65536);
  float scale = (float)(1 / (1 - share));
  recsys__random random;
  recsys__random_seed(&random, seed, stream);
  for (size_t i = 0; i < n; i += 2) {
    uint32_t bits = recsys__random_u32(&random);
    x[i] = (bits & 0xffff) < threshold ? 0 : x[i] * scale;
    if (i + 1 < n)
      x[i + 1] = (bits >> 16) < threshold ? 0 : x[i + 1] * scale;
  }
}

static void activate(void *context, size_t part) {
  const rows *r = context;
  const recsys__head *h = r->head;
  for (size_t i = part * ROWS; i < r->n && i < (part + 1) * ROWS; i++) {
    float *x = r->x + i * h->hidden;
    add_bias_relu(x, r->bias, h->hidden);
    if (r->training && h->dropout > 0)
      drop(x, h->hidden, h->dropout, h->seed, (r->step << 20) + i);
  }
}

/* What ReLU and dropout did to a unit, they do to its derivative; a unit that is exactly 0 passes nothing on. */
static void deactivate(void *context, size_t part) {
  const rows *r = context;
  const recsys__head *h = r->head;
  float scale = h->dropout > 0 ? (float)(1 / (1 - h->dropout)) : 1;
  for (size_t i = part * ROWS; i < r->n && i < (part + 1) * ROWS; i++) {
    float *restrict d = r->x + i * h->hidden;
    const float *restrict a = h->activations + i * h->hidden;
    for (size_t k = 0; k < h->hidden; k++)
      d[k] = a[k] > 0 ? d[k] * scale : 0;
  }
}

static void finish_logits(void *context, size_t part) {
  const rows *r = context;
  size_t n = r->head->outputs;
  for (size_t i = part * ROWS; i < r->n && i < (part + 1) * ROWS; i++)
    add_bias(r->x + i * n, r->bias, n);
}

/* -- products */

bool recsys__head_forward(recsys__head *head, const float *features, size_t n, bool training, uint64_t step) {
  size_t d = head->inputs, h = head->hidden, c = head->outputs;
  rows r = {.head = head, .n = n, .step = step, .training = training};
  if (h > 0) {
    if (!recsys__gemm_float(head->threads, 0, n, h, d, 1, features, d, head->parameters[0].value, h, 0,
                            head->activations, h))
      return false;
    r.x = head->activations;
    r.bias = head->parameters[1].value;
    run_rows(activate, &r);
    features = head->activations;
    d = h;
  }
  if (!recsys__gemm_float(head->threads, 0, n, c, d, 1, features, d, head->last->value, c, 0, head->logits, c))
    return false;
  r.x = head->logits;
  r.bias = head->plain ? NULL : head->last[1].value;
  if (r.bias)
    run_rows(finish_logits, &r);
  return true;
}

/* A bias's gradient: the sums of columns. */
static void sum_columns(const float *matrix, size_t n, size_t width, float *sums) {
  memset(sums, 0, width * sizeof *sums);
  for (size_t i = 0; i < n; i++)
    add_bias(sums, matrix + i * width, width);
}

bool recsys__head_backward(recsys__head *head, const float *features, size_t n) {
  uint32_t t = head->threads;
  size_t d = head->inputs, h = head->hidden, c = head->outputs, below = h ? h : d;
  const float *seen = h ? head->activations : features;
  bool good = recsys__gemm_float(t, RECSYS__A_TRANSPOSED, below, c, n, 1, seen, below, head->gradient, c, 0,
                                 head->last->gradient, c);
  if (!head->plain)
    sum_columns(head->gradient, n, c, head->last[1].gradient);
  float *back = h ? head->inner : head->outer;
  if (back)
    good = good && recsys__gemm_float(t, RECSYS__B_TRANSPOSED, n, below, c, 1, head->gradient, c, head->last->value, c,
                                      0, back, below);
  if (!good || h == 0)
    return good;
  rows r = {.head = head, .n = n, .x = head->inner};
  run_rows(deactivate, &r);
  good = recsys__gemm_float(t, RECSYS__A_TRANSPOSED, d, h, n, 1, features, d, head->inner, h, 0,
                            head->parameters[0].gradient, h);
  sum_columns(head->inner, n, h, head->parameters[1].gradient);
  if (head->outer)
    good = good && recsys__gemm_float(t, RECSYS__B_TRANSPOSED, n, d, h, 1, head->inner, h, head->parameters[0].value, h,
                                      0, head->outer, d);
  return good;
}
