/*
 * steps IN OUT OPTIMISER STEPS: trains a head as IN says, without dropout, and writes its weights and losses to OUT.
 * IN, a safetensors file: x (n x inputs), labels (n x C as F32: 1, 0, -1), fields (F32: labels of each field, negative
 * where it is exclusive), weights (C), the four tensors of the head in a state dictionary's layout, settings (rate,
 * momentum, weight decay, batch).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "train/fit.h"

static const float *values(const recsys__tensors *in, const char *name) {
  const recsys__tensor *t = recsys__tensors_find(in, name);
  if (t == NULL || t->dtype != RECSYS__F32) {
    fprintf(stderr, "no tensor %s\n", name);
    exit(1);
  }
  return t->data;
}

typedef struct source {
  const float *x;
  size_t width;
} source;

static recsys_status read_rows(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                               size_t first, float *rows, recsys_error *error) {
  const source *s = context;
  (void)learning, (void)epoch, (void)first, (void)error;
  for (size_t i = 0; i < n; i++)
    memcpy(rows + i * s->width, s->x + examples[i] * s->width, s->width * sizeof *rows);
  return RECSYS_OK;
}

/* rows x columns to columns x rows */
static void transpose(float *to, const float *from, size_t rows, size_t columns) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++)
      to[j * rows + i] = from[i * columns + j];
}

static void fill(recsys__head *head, const recsys__tensors *in) {
  size_t d = head->inputs, h = head->hidden, c = head->outputs;
  transpose(head->parameters[0].value, values(in, "head.0.weight"), h, d);
  memcpy(head->parameters[1].value, values(in, "head.0.bias"), h * sizeof(float));
  transpose(head->parameters[2].value, values(in, "head.3.weight"), c, h);
  memcpy(head->parameters[3].value, values(in, "head.3.bias"), c * sizeof(float));
}

static int write_out(const char *path, recsys__head *head, const double *losses, size_t steps) {
  recsys__tensor list[5] = {0};
  size_t widths[4][2] = {
      {head->hidden, head->inputs}, {head->hidden, 1}, {head->outputs, head->hidden}, {head->outputs, 1}};
  for (int i = 0; i < 4; i++) {
    recsys__parameter *p = &head->parameters[i];
    transpose(p->gradient, p->value, widths[i][1], widths[i][0]);
    list[i] = (recsys__tensor){
        .name = p->name, .dtype = RECSYS__F32, .rank = 2, .data = p->gradient, .bytes = p->n * sizeof(float)};
    list[i].shape[0] = widths[i][0];
    list[i].shape[1] = widths[i][1];
  }
  list[4] = (recsys__tensor){.name = "losses", .dtype = RECSYS__F64, .rank = 1, .data = losses, .bytes = steps * 8};
  list[4].shape[0] = steps;
  return recsys__tensors_write(path, list, 5, NULL, 0, NULL) == RECSYS_OK ? 0 : 1;
}

int main(int argc, char **argv) {
  recsys__tensors in = {0};
  recsys_error error = {0};
  if (argc != 5 || recsys__tensors_read(&in, argv[1], &error) != RECSYS_OK)
    return fprintf(stderr, "usage: steps IN OUT sgd|adamw STEPS\n%s\n", error.message), 2;
  const recsys__tensor *x = recsys__tensors_find(&in, "x"), *w = recsys__tensors_find(&in, "head.0.weight"),
                       *l = recsys__tensors_find(&in, "labels"), *f = recsys__tensors_find(&in, "fields");
  size_t n = x->shape[0], count = l->shape[1], steps = strtoul(argv[4], NULL, 10), at = 0;
  const float *settings = values(&in, "settings"), *known = values(&in, "labels"), *widths = values(&in, "fields");
  int8_t *matrix = malloc(n * count);
  for (size_t i = 0; i < n * count; i++)
    matrix[i] = (int8_t)known[i];
  recsys__field *fields = calloc(f->shape[0], sizeof *fields);
  for (size_t i = 0; i < f->shape[0]; i++) {
    bool exclusive = widths[i] < 0;
    fields[i] = (recsys__field){at, (size_t)(exclusive ? -widths[i] : widths[i]), exclusive};
    at += fields[i].count;
  }
  recsys__labels labels = {fields, f->shape[0], count, matrix};
  recsys__head head;
  size_t batch = (size_t)settings[3];
  if (recsys__head_init(&head, x->shape[1], w->shape[0], count, false, batch, false, 1, &error))
    return 1;
  head.threads = 2;
  fill(&head, &in);
  source s = {values(&in, "x"), x->shape[1]};
  recsys__fitting fit = {
      .threads = 2,
      .optimiser = {.kind = strcmp(argv[3], "adamw") == 0 ? RECSYS_OPTIMISER_ADAMW : RECSYS_OPTIMISER_SGD,
                    .momentum = (double)settings[1],
                    .weight_decay = (double)settings[2]},
      .head = &head,
      .batch = batch,
      .features = {.context = &s, .read = read_rows},
      .targets = {.labels = &labels, .weights = values(&in, "weights")}};
  double *losses = calloc(steps, sizeof *losses);
  uint32_t *examples = malloc(batch * sizeof *examples);
  recsys__loss_term terms[16];
  for (size_t i = 0; i < steps; i++) {
    for (size_t k = 0; k < batch; k++)
      examples[k] = (uint32_t)((i * batch + k) % n);
    if (recsys__fit_step(&fit, examples, batch, 1, i * batch, (double)settings[0], terms, &error))
      return fprintf(stderr, "%s\n", error.message), 1;
    losses[i] = recsys__loss_value(terms, recsys__loss_terms(&labels));
  }
  int status = write_out(argv[2], &head, losses, steps);
  recsys__head_free(&head);
  recsys__tensors_free(&in);
  free(examples);
  free(losses);
  free(fields);
  free(matrix);
  return status;
}
