/*
 * How fast is a head trained? train [EPOCHS [ROWS [FEATURES [LABELS [BATCH]]]]]
 * Epochs over features in memory (50 x 10,000 x 2048, 100 labels, batch 256) with both optimisers, as multiplications
 * and additions per second of its products, beside the rate of one large product of floats in the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/matrix.h"
#include "base/random.h"
#include "base/thread.h"
#include "train/fit.h"

typedef struct source {
  float *x;
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

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double product_rate(uint32_t threads) {
  enum { SIDE = 2048 };
  float *a = calloc(SIDE * SIDE, sizeof *a), *b = calloc(SIDE * SIDE, sizeof *b), *c = calloc(SIDE * SIDE, sizeof *c);
  double best = 1e9;
  for (size_t i = 0; a && b && i < SIDE * SIDE; i++)
    a[i] = b[i] = (float)(i % 17) - 8;
  for (int run = 0; a && b && c && run < 7; run++) {
    double begin = now();
    recsys__gemm_float(threads, 0, SIDE, SIDE, SIDE, 1, a, SIDE, b, SIDE, 0, c, SIDE);
    best = now() - begin < best ? now() - begin : best;
  }
  free(a);
  free(b);
  free(c);
  return 2.0 * SIDE * SIDE * SIDE / best;
}

static size_t argument(int argc, char **argv, int i, size_t usual) {
  return argc > i ? strtoul(argv[i], NULL, 10) : usual;
}

int main(int argc, char **argv) {
  enum { HIDDEN = 1024 };
  size_t epochs = argument(argc, argv, 1, 50), n = argument(argc, argv, 2, 10000), d = argument(argc, argv, 3, 2048),
         c = argument(argc, argv, 4, 100), batch = argument(argc, argv, 5, 256);
  uint32_t threads = recsys__cpu_count();
  source s = {calloc(n, d * sizeof *s.x), d};
  int8_t *matrix = calloc(n, c);
  uint32_t *order = calloc(n, sizeof *order);
  float *weights = calloc(c, sizeof *weights);
  recsys__epoch_losses *history = calloc(epochs, sizeof *history);
  recsys__random random;
  if (!s.x || !matrix || !order || !weights || !history)
    return 1;
  recsys__random_seed(&random, 1, 1);
  for (size_t i = 0; i < n * d; i++)
    s.x[i] = (float)recsys__random_unit(&random) - 0.5f;
  for (size_t i = 0; i < n * c; i++)
    matrix[i] = recsys__random_below(&random, 10) == 0;
  for (size_t i = 0; i < n; i++)
    order[i] = (uint32_t)i;
  for (size_t i = 0; i < c; i++)
    weights[i] = 1;
  const recsys__field field = {0, c, false};
  recsys__labels labels = {&field, 1, c, matrix};
  /* Forwards both layers, backwards both weights and the hidden units. */
  double work = 2.0 * (double)n * (double)epochs * (2.0 * (double)d * HIDDEN + 3.0 * HIDDEN * (double)c);
  double product = product_rate(threads);
  printf("%zu epochs of %zu x %zu, %zu labels, batch %zu, %u threads; one product: %.0f GFLOP/s\n", epochs, n, d, c,
         batch, threads, product * 1e-9);
  for (uint32_t kind = 0; kind < 2; kind++) {
    recsys__head head;
    if (recsys__head_init(&head, d, HIDDEN, c, false, batch, false, 1, NULL))
      return 1;
    head.threads = threads;
    head.dropout = 0.5;
    recsys__fitting fit = {.threads = threads,
                           .epochs = (uint32_t)epochs,
                           .batch = batch,
                           .rate = 0.001,
                           .optimiser = {.kind = kind, .momentum = 0.9, .weight_decay = 1e-4},
                           .head = &head,
                           .features = {.context = &s, .read = read_rows},
                           .targets = {.labels = &labels, .weights = weights},
                           .training = order,
                           .training_count = n,
                           .history = history};
    double begin = now();
    if (recsys__fit_run(&fit, NULL))
      return 1;
    double seconds = now() - begin;
    printf("%-6s %7.2f s  %5.0f GFLOP/s  %.2f of the product's rate  (last loss %.4f)\n", kind ? "AdamW" : "SGD",
           seconds, work / seconds * 1e-9, work / seconds / product, history[epochs - 1].training);
    recsys__head_free(&head);
  }
  free(s.x);
  free(matrix);
  free(order);
  free(weights);
  free(history);
  return 0;
}
