/* Operation lists against torchvision and the reference modules: weights, layers and their shapes (make_expected.py).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/net.h"

static recsys__net build(const char *architecture, uint64_t classes) {
  recsys__net net;
  recsys_error error;
  ck_assert_msg(recsys__net_build(&net, architecture, classes, &error) == RECSYS_OK, "%s", error.message);
  return net;
}

static const recsys_weight *find_weight(const recsys__net *net, const char *name) {
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(net->network.weights[i].name, name) == 0)
      return &net->network.weights[i];
  return NULL;
}

static uint64_t count_values(const recsys_weight *weight) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < weight->rank; i++)
    n *= weight->shape[i];
  return n;
}

/* torch counts what is learned: not the running statistics. */
static uint64_t count_parameters(const recsys__net *net) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strstr(net->network.weights[i].name, ".running_") == NULL)
      n += count_values(&net->network.weights[i]);
  return n;
}

static void check_weight(const recsys__net *net, const char *name, const uint64_t *shape, uint32_t rank) {
  const recsys_weight *weight = find_weight(net, name);
  ck_assert_msg(weight != NULL, "%s has no weight %s", net->architecture, name);
  ck_assert_uint_eq(weight->rank, rank);
  for (uint32_t i = 0; i < rank; i++)
    ck_assert_msg(weight->shape[i] == shape[i], "%s: %s", net->architecture, name);
}

static void check_layer(recsys__net *net, const char *name, const uint64_t *shape, uint32_t rank) {
  uint32_t index;
  recsys_error error;
  ck_assert_msg(recsys__net_layer(net, name, &index, &error) == RECSYS_OK, "%s", error.message);
  const recsys_op *op = &net->network.ops[index];
  uint64_t found[3] = {op->channels, op->height, op->width};
  ck_assert_msg(rank == (op->height == 0 ? 1u : 3u), "%s: %s", net->architecture, name);
  for (uint32_t i = 0; i < rank; i++)
    ck_assert_msg(found[i] == shape[i], "%s: %s is %llu, expected %llu", net->architecture, name,
                  (unsigned long long)found[i], (unsigned long long)shape[i]);
}

/* Splits "kind [name] number number ..." of the expected file. */
static uint32_t parse_shape(char *text, uint64_t shape[8]) {
  uint32_t rank = 0;
  for (char *word = strtok(text, " \n"); word != NULL && rank < 8; word = strtok(NULL, " \n"))
    shape[rank++] = strtoull(word, NULL, 10);
  return rank;
}

static void check_line(recsys__net *net, char *line, uint32_t *weights, uint32_t *layers) {
  char kind[16], name[100];
  int used = 0;
  uint64_t shape[8] = {0};
  if (strncmp(line, "input", 5) == 0) {
    ck_assert_uint_eq(parse_shape(line + 6, shape), 3);
    ck_assert_uint_eq(net->network.channels, shape[0]);
    ck_assert_uint_eq(net->network.height, shape[1]);
    ck_assert_uint_eq(net->network.width, shape[2]);
  } else if (strncmp(line, "parameters", 10) == 0) {
    ck_assert_uint_eq(count_parameters(net), strtoull(line + 11, NULL, 10));
  } else {
    ck_assert_int_eq(sscanf(line, "%15s %99s%n", kind, name, &used), 2);
    uint32_t rank = parse_shape(line + used, shape);
    if (strcmp(kind, "weight") == 0) {
      check_weight(net, name, shape, rank);
      ++*weights;
    } else {
      ck_assert_str_eq(kind, "layer");
      check_layer(net, name, shape, rank);
      ++*layers;
    }
  }
}

START_TEST(architecture_is_the_reference_s) {
  const recsys__architecture *architecture = recsys__architecture_at((size_t)_i);
  char path[512], line[512];
  snprintf(path, sizeof path, "%s/nn/expected/%s.txt", TESTS_DIR, architecture->name);
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "%s", path);
  recsys__net net = build(architecture->name, architecture->classes);
  uint32_t weights = 0, layers = 0;
  while (fgets(line, sizeof line, file) != NULL)
    check_line(&net, line, &weights, &layers);
  fclose(file);
  ck_assert_uint_eq(weights, net.network.weight_count);
  ck_assert_uint_ge(layers, 10);
  recsys__net_free(&net);
}
END_TEST

static void count_uses(uint32_t *uses, int32_t index) {
  if (index >= 0)
    uses[index]++;
}

/* What every engine relies on: inputs come first, shapes agree, each weight belongs to exactly one operation. */
START_TEST(list_is_consistent) {
  recsys__net net = build(recsys__architecture_at((size_t)_i)->name, 7);
  const recsys_network *n = &net.network;
  uint32_t *uses = calloc(n->weight_count, sizeof *uses);
  ck_assert_uint_eq(n->struct_size, sizeof *n);
  ck_assert_uint_eq(n->op_size, sizeof(recsys_op));
  ck_assert_uint_eq(n->weight_size, sizeof(recsys_weight));
  for (uint32_t i = 0; i < n->op_count; i++) {
    const recsys_op *op = &n->ops[i];
    ck_assert(op->input_count >= 1 && op->input_count <= RECSYS_OP_MAX_INPUTS);
    for (uint32_t k = 0; k < op->input_count; k++)
      ck_assert(op->inputs[k] >= RECSYS_OP_INPUT && op->inputs[k] < (int32_t)i);
    const int32_t own[4] = {op->weight, op->bias, op->mean, op->variance};
    for (int k = 0; k < 4; k++)
      count_uses(uses, own[k]);
    ck_assert_uint_gt(recsys__op_size(op), 0);
    if (op->kind == RECSYS_OP_ADD)
      ck_assert_uint_eq(recsys__op_size(&n->ops[op->inputs[1]]), recsys__op_size(op));
  }
  for (uint32_t i = 0; i < n->weight_count; i++) {
    ck_assert_msg(uses[i] == 1, "%s", n->weights[i].name);
    ck_assert_ptr_null(n->weights[i].data);
  }
  free(uses);
  recsys__net_free(&net);
}
END_TEST

/* Two operations of one name would make a layer ambiguous. */
START_TEST(layer_names_are_unique) {
  recsys__net net = build(recsys__architecture_at((size_t)_i)->name, 7);
  for (uint32_t i = 0; i < net.network.op_count; i++) {
    uint32_t found;
    const char *name = net.network.ops[i].name;
    if (name == NULL)
      continue;
    ck_assert_int_eq(recsys__net_layer(&net, name, &found, NULL), RECSYS_OK);
    ck_assert_msg(found == i, "%s: %s", net.architecture, name);
  }
  recsys__net_free(&net);
}
END_TEST

START_TEST(usual_layers_and_recipes_exist) {
  const recsys__architecture *architecture = recsys__architecture_at((size_t)_i);
  recsys__net net = build(architecture->name, architecture->classes);
  uint32_t op;
  ck_assert_int_eq(recsys__net_layer(&net, architecture->layer, &op, NULL), RECSYS_OK);
  const recsys__recipe *recipe = recsys__recipe_find(architecture->recipe);
  ck_assert_ptr_nonnull(recipe);
  ck_assert_uint_eq(recipe->channels, net.network.channels);
  ck_assert_ptr_eq(recsys__architecture_find(architecture->name), architecture);
  recsys__net_free(&net);
}
END_TEST

/* The embeddings that the papers use, by name and size. */
START_TEST(embeddings_of_the_papers) {
  static const struct {
    const char *architecture, *layer;
    uint64_t size;
  } table[] = {{"vgg16", "fc1", 4096},           {"vgg16", "fc2", 4096},        {"vgg19", "flatten", 25088},
               {"vgg19", "avgpool", 512},        {"resnet50", "maxpool", 2048}, {"resnet50", "avgpool", 2048},
               {"googlenet", "avgpool", 1024},   {"alexnet", "fc2", 4096},      {"squeezenet1_1", "avgpool", 512},
               {"zfnet", "fc2", 4096},           {"lenet5", "f6", 84},          {"mini", "grid", 1008},
               {"googlenet_bn", "avgpool", 1024}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    recsys__net net = build(table[i].architecture, 0);
    uint32_t op;
    ck_assert_int_eq(recsys__net_layer(&net, table[i].layer, &op, NULL), RECSYS_OK);
    ck_assert_uint_eq(recsys__op_size(&net.network.ops[op]), table[i].size);
    recsys__net_free(&net);
  }
}
END_TEST

/* Keras' fc2 and the papers' f6 are what comes out of the activation function. */
START_TEST(dense_layers_are_after_their_activation) {
  static const char *const table[][2] = {{"vgg16", "fc1"}, {"vgg16", "fc2"}, {"alexnet", "fc2"}, {"zfnet", "fc2"}};
  uint32_t op;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    recsys__net net = build(table[i][0], 1000);
    ck_assert_int_eq(recsys__net_layer(&net, table[i][1], &op, NULL), RECSYS_OK);
    ck_assert_uint_eq(net.network.ops[op].kind, RECSYS_OP_RELU);
    recsys__net_free(&net);
  }
  recsys__net net = build("lenet5", 10);
  ck_assert_int_eq(recsys__net_layer(&net, "f6", &op, NULL), RECSYS_OK);
  ck_assert_uint_eq(net.network.ops[op].kind, RECSYS_OP_TANH);
  recsys__net_free(&net);
}
END_TEST

START_TEST(classifier_has_its_classes) {
  const recsys__architecture *architecture = recsys__architecture_at((size_t)_i);
  recsys__net net = build(architecture->name, 17);
  uint32_t op;
  ck_assert_int_eq(recsys__net_classifier(&net, &op, NULL), RECSYS_OK);
  ck_assert_uint_eq(net.network.ops[op].kind, RECSYS_OP_SOFTMAX);
  ck_assert_uint_eq(recsys__op_size(&net.network.ops[op]), 17);
  ck_assert_uint_eq(net.classes, 17);
  recsys__net_free(&net);
  net = build(architecture->name, 0);
  recsys_error error;
  ck_assert_int_eq(recsys__net_classifier(&net, &op, &error), RECSYS_EUNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(error.message, "no classifier"));
  recsys__net_free(&net);
}
END_TEST

START_TEST(unknown_architecture_is_named) {
  recsys__net net;
  recsys_error error;
  ck_assert_int_eq(recsys__net_build(&net, "resnet51", 10, &error), RECSYS_EINVAL);
  ck_assert_ptr_nonnull(strstr(error.message, "'resnet51'"));
  ck_assert_ptr_nonnull(strstr(error.message, "squeezenet1_1"));
  ck_assert_ptr_null(net.storage);
  ck_assert_int_eq(recsys__net_build(&net, NULL, 10, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__net_build(&net, "vgg16", UINT64_MAX, &error), RECSYS_EINVAL);
  ck_assert_ptr_nonnull(strstr(error.message, "classes"));
  ck_assert_ptr_null(recsys__architecture_find("VGG16"));
  ck_assert_ptr_null(recsys__architecture_find(NULL));
  ck_assert_ptr_null(recsys__architecture_at(17));
  recsys__net_free(&net);
  recsys__net_free(NULL);
}
END_TEST

START_TEST(unknown_layer_lists_what_exists) {
  recsys__net net = build("vgg16", 1000);
  uint32_t op = 9;
  recsys_error error;
  ck_assert_int_eq(recsys__net_layer(&net, "fc3", &op, &error), RECSYS_ENOTFOUND);
  static const char *const words[] = {"'fc3'", "vgg16", "fc2", "fc1", "flatten", "avgpool", "maxpool"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    ck_assert_msg(strstr(error.message, words[i]) != NULL, "%s: %s", words[i], error.message);
  ck_assert_int_eq(recsys__net_layer(&net, NULL, &op, &error), RECSYS_ENOTFOUND);
  ck_assert_int_eq(recsys__net_layer(&net, "", &op, NULL), RECSYS_ENOTFOUND);
  recsys__net_free(&net);
}
END_TEST

/* Windows of n - (G - 1) floor(n / G), floor(n / G) apart: the last one ends with the picture. */
START_TEST(grids_of_a_layer) {
  static const struct {
    const char *layer;
    uint32_t size, kernel, stride;
  } table[] = {{"inception_4a@3", 512 * 9, 6, 4},
               {"inception_4a@14", 512 * 196, 1, 1},
               {"inception_3b@5", 480 * 25, 8, 5},
               {"inception_5b@1", 1024, 7, 7},
               {"inception_5b@2", 1024 * 4, 4, 3}};
  static const char *const wrong[] = {"inception_5b@8", "inception_5b@0", "inception_5b@",   "inception_5b@2x", "@3",
                                      "avgpool@1",      "nosuchlayer@2",  "inception_5b@+2", "inception_5b@-1"};
  recsys__net net = build("googlenet", 1000);
  uint32_t op, again;
  recsys_error error;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    ck_assert_int_eq(recsys__net_layer(&net, table[i].layer, &op, &error), RECSYS_OK);
    const recsys_op *flat = &net.network.ops[op], *pool = &net.network.ops[flat->inputs[0]];
    ck_assert_uint_eq(flat->kind, RECSYS_OP_FLATTEN);
    ck_assert_uint_eq(recsys__op_size(flat), table[i].size);
    ck_assert_uint_eq(pool->kind, RECSYS_OP_AVGPOOL);
    ck_assert_uint_eq(pool->kernel_h, table[i].kernel);
    ck_assert_uint_eq(pool->stride_w, table[i].stride);
    ck_assert_int_eq(recsys__net_layer(&net, table[i].layer, &again, &error), RECSYS_OK);
    ck_assert_uint_eq(op, again);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    ck_assert_int_eq(recsys__net_layer(&net, wrong[i], &op, &error), RECSYS_ENOTFOUND);
  recsys__net_free(&net);
}
END_TEST

START_TEST(no_memory_leaves_nothing) {
  size_t countdown = 1;
  for (;; countdown++) {
    recsys__net net;
    recsys__fail_allocation(countdown, true);
    recsys_status status = recsys__net_build(&net, "googlenet_bn", 5, NULL);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      recsys__net_free(&net);
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert_ptr_null(net.storage);
  }
  ck_assert_uint_gt(countdown, 100);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("networks");
  int architectures = 0;
  while (recsys__architecture_at((size_t)architectures) != NULL)
    architectures++;
  tcase_add_loop_test(tests, architecture_is_the_reference_s, 0, architectures);
  tcase_add_loop_test(tests, list_is_consistent, 0, architectures);
  tcase_add_loop_test(tests, layer_names_are_unique, 0, architectures);
  tcase_add_loop_test(tests, usual_layers_and_recipes_exist, 0, architectures);
  tcase_add_loop_test(tests, classifier_has_its_classes, 0, architectures);
  tcase_add_test(tests, embeddings_of_the_papers);
  tcase_add_test(tests, dense_layers_are_after_their_activation);
  tcase_add_test(tests, unknown_architecture_is_named);
  tcase_add_test(tests, unknown_layer_lists_what_exists);
  tcase_add_test(tests, grids_of_a_layer);
  tcase_add_test(tests, no_memory_leaves_nothing);
  Suite *suite = suite_create("networks");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
