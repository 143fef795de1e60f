/*
 * For test_numeric.py: runs layers of a network on given inputs through the real engine.
 *
 *   run_layers WEIGHTS ARCHITECTURE f32|bf16 INPUT.raw N LAYER... > rows.raw
 *
 * INPUT.raw holds N pictures, channels last; the output is, for each layer in turn, N rows of floats. Without layers it
 * prints the name and the size of each one instead. All layers are asked of one loaded network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"
#include "engine/loader.h"
#include "nn/net.h"

static recsys_error error;

static void must(recsys_status status) {
  if (status == RECSYS_OK)
    return;
  fprintf(stderr, "%s: %s\n", recsys_status_name(status), error.message);
  exit(1);
}

static void list_layers(recsys__net *net) {
  static const char *const aliases[] = {"fc1", "fc2", "flatten", "avgpool", "maxpool", "softmax"};
  uint32_t op;
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
    if (recsys__net_layer(net, aliases[i], &op, NULL) == RECSYS_OK)
      printf("%s %llu\n", aliases[i], (unsigned long long)recsys__op_size(&net->network.ops[op]));
  for (uint32_t i = 0; i < net->network.op_count; i++)
    if (net->network.ops[i].name != NULL)
      printf("%s %llu\n", net->network.ops[i].name, (unsigned long long)recsys__op_size(&net->network.ops[i]));
}

static float *read_input(const char *path, size_t count) {
  float *input = malloc(count * sizeof *input);
  FILE *file = fopen(path, "rb");
  if (input == NULL || file == NULL || fread(input, sizeof *input, count, file) != count) {
    fprintf(stderr, "%s does not hold %zu floats\n", path, count);
    exit(1);
  }
  fclose(file);
  return input;
}

static void run_layers(recsys__net *net, uint32_t precision, const float *input, size_t n, char **layers, int count) {
  uint32_t *outputs = calloc((size_t)count, sizeof *outputs);
  recsys__engine *engine;
  recsys__loaded *loaded;
  for (int i = 0; i < count; i++)
    must(recsys__net_layer(net, layers[i], &outputs[i], &error));
  recsys_engine_options options = {.struct_size = sizeof options,
                                   .precision = precision,
                                   .threads = 2,
                                   .device = "cpu",
                                   .outputs = outputs,
                                   .output_count = (uint64_t)count};
  must(recsys__engine_open(&engine, NULL, NULL, &error));
  must(recsys__loaded_open(&loaded, engine, &net->network, &options, &error));
  fprintf(stderr, "%s\n", recsys__loaded_info(loaded)->detail);
  for (int i = 0; i < count; i++) {
    size_t size = recsys__op_size(&net->network.ops[outputs[i]]);
    float *rows = malloc(n * size * sizeof *rows);
    must(recsys__loaded_start(loaded, input, n, (uint64_t)i, rows, &error));
    must(recsys__loaded_wait(loaded, &error));
    fwrite(rows, sizeof *rows, n * size, stdout);
    free(rows);
  }
  recsys__loaded_close(loaded);
  free(outputs);
}

int main(int argc, char **argv) {
  if (argc < 6)
    return 2;
  recsys__tensors tensors;
  recsys__net net, folded;
  uint64_t classes = 0;
  must(recsys__tensors_read(&tensors, argv[1], &error));
  recsys__architecture_guess(&tensors, &classes);
  must(recsys__net_build(&net, argv[2], classes, &error));
  must(recsys__net_fill(&net, &tensors, &error));
  must(recsys__net_fold(&folded, &net, &error));
  recsys__net_free(&net);
  recsys__tensors_free(&tensors);
  size_t n = strtoull(argv[5], NULL, 10);
  if (argc == 6) {
    list_layers(&folded);
  } else {
    const recsys_network *shape = &folded.network;
    float *input = read_input(argv[4], n * shape->height * shape->width * shape->channels);
    run_layers(&folded, strcmp(argv[3], "bf16") == 0 ? RECSYS_PRECISION_BFLOAT16 : RECSYS_PRECISION_FLOAT32, input, n,
               argv + 6, argc - 6);
    free(input);
  }
  recsys__net_free(&folded);
  return 0;
}
