/* An architecture's operation list as text, for compare_networks.py: ARCHITECTURE CLASSES. */
#include <stdio.h>
#include <stdlib.h>

#include "nn/build.h"

static void print_op(const recsys_op *op) {
  printf("op %u %s %d %d %d %d", op->kind, op->name != NULL ? op->name : "-", op->weight, op->bias, op->mean,
         op->variance);
  printf(" %u %u %u %u %u %u %u", op->kernel_h, op->stride_h, op->pad_h, op->ceil_mode, op->count_include_pad, op->size,
         op->input_count);
  printf(" %.9g %.9g %.9g %.9g", (double)op->alpha, (double)op->beta, (double)op->k, (double)op->epsilon);
  for (uint32_t i = 0; i < op->input_count; i++)
    printf(" %d", op->inputs[i]);
  putchar('\n');
}

int main(int argc, char **argv) {
  recsys__net net;
  recsys_error error;
  if (argc != 3 || recsys__net_build(&net, argv[1], strtoull(argv[2], NULL, 10), &error) != RECSYS_OK)
    return 1;
  for (uint32_t i = 0; i < net.network.weight_count; i++)
    printf("weight %s\n", net.network.weights[i].name);
  for (uint32_t i = 0; i < net.network.op_count; i++)
    print_op(&net.network.ops[i]);
  const recsys__net_storage *s = recsys__net_private(&net);
  for (size_t i = 0; i < s->alias_count; i++)
    printf("alias %s %d\n", s->aliases[i].name, s->aliases[i].op);
  recsys__net_free(&net);
  return 0;
}
