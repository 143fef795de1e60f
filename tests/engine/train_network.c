/*
 * For test_gradients.py: trains a network in the real engine.
 *
 *   train_network WEIGHTS ARCHITECTURE LAYER BLOCKS INPUT.raw N TARGETS.raw STEPS RATE OUT.safetensors
 *
 * Steps of plain gradient descent on the mean over N pictures of the squared distance between the layer's row and its
 * target; only the last BLOCKS blocks move. Prints the loss before each step, writes all weights.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "engine/loader.h"
#include "nn/net.h"
#include "train/parameter.h"

static recsys_error error;

static void must(recsys_status status) {
  if (status == RECSYS_OK)
    return;
  fprintf(stderr, "%s: %s\n", recsys_status_name(status), error.message);
  exit(1);
}

static float *read_floats(const char *path, size_t count) {
  float *values = malloc(count * sizeof *values);
  FILE *file = fopen(path, "rb");
  if (values == NULL || file == NULL || fread(values, sizeof *values, count, file) != count) {
    fprintf(stderr, "%s does not hold %zu floats\n", path, count);
    exit(1);
  }
  fclose(file);
  return values;
}

/* The derivative of the loss towards the rows, in their place. */
static double find_loss(float *rows, const float *targets, size_t n, size_t dim) {
  double loss = 0;
  for (size_t i = 0; i < n * dim; i++) {
    float off = rows[i] - targets[i];
    loss += (double)off * off / (double)n;
    rows[i] = 2 * off / (float)n;
  }
  return loss;
}

static void write_weights(const recsys__net *net, const char *path) {
  uint32_t count = net->network.weight_count;
  recsys__tensor *list = calloc(count, sizeof *list);
  for (uint32_t i = 0; i < count; i++) {
    const recsys_weight *w = &net->network.weights[i];
    list[i] = (recsys__tensor){.name = w->name, .dtype = RECSYS__F32, .rank = w->rank, .data = w->data};
    memcpy(list[i].shape, w->shape, w->rank * sizeof *w->shape);
    list[i].bytes = recsys__weight_values(w) * sizeof(float);
  }
  must(recsys__tensors_write(path, list, count, NULL, 0, &error));
  free(list);
}

int main(int argc, char **argv) {
  recsys__tensors tensors = {0};
  recsys__net net;
  recsys__engine *engine;
  recsys__trainer *trainer;
  uint32_t op, found;
  if (argc != 11)
    return fprintf(stderr, "ten arguments are needed\n"), 2;
  must(recsys__tensors_read(&tensors, argv[1], &error));
  must(recsys__net_build(&net, argv[2], 0, &error));
  must(recsys__net_fill(&net, &tensors, &error));
  must(recsys__net_layer(&net, argv[3], &op, &error));
  uint8_t *trained = calloc(net.network.weight_count, 1);
  must(recsys__net_last_blocks(&net, op, (uint32_t)atoi(argv[4]), trained, &found, &error));
  size_t n = strtoul(argv[6], NULL, 10), dim = recsys__op_size(&net.network.ops[op]);
  float *input = read_floats(argv[5], n * net.network.channels * net.network.height * net.network.width);
  float *targets = read_floats(argv[7], n * dim), *rows = malloc(n * dim * sizeof *rows);
  recsys__parameter *parameters = calloc(net.network.weight_count, sizeof *parameters);
  recsys__parameter **list = calloc(net.network.weight_count, sizeof *list);
  float **gradients = calloc(net.network.weight_count, sizeof *gradients);
  size_t count = 0;
  for (uint32_t i = 0; i < net.network.weight_count; i++) {
    const recsys_weight *w = &net.network.weights[i];
    if (!trained[i])
      continue;
    must(recsys__parameter_init(&parameters[count], w->name, (float *)(uintptr_t)w->data, recsys__weight_values(w),
                                &error));
    gradients[i] = parameters[count].gradient;
    list[count] = &parameters[count];
    count++;
  }
  recsys_engine_training options = {
      .struct_size = sizeof options, .threads = 2, .device = "cpu", .output = op, .trained = trained};
  must(recsys__engine_open(&engine, NULL, NULL, &error));
  must(recsys__trainer_open(&trainer, engine, &net.network, &options, &error));
  recsys__optimiser sgd = {.kind = RECSYS_OPTIMISER_SGD};
  for (int step = 0; step < atoi(argv[8]); step++) {
    must(recsys__trainer_forward(trainer, input, n, true, rows, &error));
    printf("%.9g\n", find_loss(rows, targets, n, dim));
    must(recsys__trainer_backward(trainer, rows, gradients, &error));
    recsys__optimise(2, &sgd, atof(argv[9]), list, count);
  }
  must(recsys__trainer_forward(trainer, input, n, false, rows, &error));
  printf("%.9g\n", find_loss(rows, targets, n, dim));
  recsys__trainer_close(trainer);
  write_weights(&net, argv[10]);
  for (size_t i = 0; i < count; i++)
    recsys__parameter_free(&parameters[i]);
  recsys__net_free(&net);
  recsys__tensors_free(&tensors);
  free(trained);
  free(input);
  free(targets);
  free(rows);
  free(parameters);
  free(list);
  free(gradients);
  return 0;
}
