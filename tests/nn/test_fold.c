/* Folding: a tiny convolution against NumPy (print_fold of make_expected.py), and every architecture's shape. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/build.h"

static void set(recsys__net *net, const char *name, const float *values, size_t n) {
  recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(s->weights[i].name, name) == 0) {
      s->weights[i].data = recsys__copy(values, n, sizeof *values);
      return;
    }
  ck_abort_msg("no weight %s", name);
}

static const float *get(const recsys__net *net, const char *name) {
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(net->network.weights[i].name, name) == 0)
      return net->network.weights[i].data;
  ck_abort_msg("no weight %s", name);
  return NULL;
}

static const float filter[4] = {0.5f, -1.25f, 2.0f, 0.75f}, bias[2] = {0.1f, -0.2f}, gamma_[2] = {1.5f, 0.25f},
                   beta[2] = {-0.5f, 1.0f}, mean[2] = {0.3f, -0.4f}, variance[2] = {4.0f, 0.04f};

/* conv "a" (2 -> 2, 1 x 1), batch norm "b", dropout, ReLU "c" */
static recsys__net make_tiny(bool with_bias, const char *conv_name) {
  recsys__net net;
  ck_assert_int_eq(recsys__net_init(&net, NULL), RECSYS_OK);
  net.network.channels = 2;
  net.network.height = net.network.width = 3;
  int32_t x = recsys__build_conv(&net, RECSYS_OP_INPUT, "a", 2, (recsys__window){1, 1, 0, false}, with_bias);
  recsys__build_name(&net, x, conv_name);
  x = recsys__build_name(&net, recsys__build_batchnorm(&net, x, "b", 1e-3f), "b");
  recsys__build_alias(&net, "norm", x);
  x = recsys__build_dropout(&net, x, 0.5f);
  recsys__build_name(&net, recsys__build_map(&net, RECSYS_OP_RELU, x), "c");
  set(&net, "a.weight", filter, 4);
  if (with_bias)
    set(&net, "a.bias", bias, 2);
  set(&net, "b.weight", gamma_, 2);
  set(&net, "b.bias", beta, 2);
  set(&net, "b.running_mean", mean, 2);
  set(&net, "b.running_var", variance, 2);
  return net;
}

static void check_values(const float *found, const double *expected, int n) {
  for (int i = 0; i < n; i++)
    ck_assert_double_eq_tol((double)found[i], expected[i], 2e-7);
}

static const double folded_filter[4] = {0.37495313378723183, -0.9373828344680796, 2.4693239916239738,
                                        0.9259964968589902};

START_TEST(numbers_are_numpy_s) {
  static const double folded_bias[2][2] = {{-0.724971880272339, 1.4938647983247948},
                                           {-0.6499812535148928, 1.2469323991623975}};
  recsys__net net = make_tiny(_i == 1, NULL), folded;
  recsys_error error;
  ck_assert_msg(recsys__net_fold(&folded, &net, &error) == RECSYS_OK, "%s", error.message);
  recsys__net_free(&net);
  ck_assert_uint_eq(folded.network.op_count, 2);
  ck_assert_uint_eq(folded.network.weight_count, 2);
  check_values(get(&folded, "a.weight"), folded_filter, 4);
  check_values(get(&folded, "a.bias"), folded_bias[_i], 2);
  const recsys_op *ops = folded.network.ops;
  ck_assert_uint_eq(ops[0].kind, RECSYS_OP_CONV);
  ck_assert_str_eq(ops[0].name, "b");
  ck_assert_uint_eq(ops[1].kind, RECSYS_OP_RELU);
  ck_assert_str_eq(ops[1].name, "c");
  ck_assert_int_eq(ops[1].inputs[0], 0);
  uint32_t op = 9;
  ck_assert_int_eq(recsys__net_layer(&folded, "norm", &op, NULL), RECSYS_OK);
  ck_assert_uint_eq(op, 0);
  recsys__net_free(&folded);
}
END_TEST

/* Two convolutions with the same filters, of which one is followed by a batch norm: the other's stay as they were. */
START_TEST(shared_filters) {
  recsys__net net, folded;
  ck_assert_int_eq(recsys__net_init(&net, NULL), RECSYS_OK);
  net.network.channels = 2;
  net.network.height = net.network.width = 3;
  int32_t x = recsys__build_conv(&net, RECSYS_OP_INPUT, "a", 2, (recsys__window){1, 1, 0, false}, false);
  recsys_op again = net.network.ops[x];
  again.inputs[0] = x;
  x = recsys__build_batchnorm(&net, recsys__build_op(&net, &again), "b", 1e-3f);
  recsys__build_name(&net, x, "b");
  set(&net, "a.weight", filter, 4);
  set(&net, "b.weight", gamma_, 2);
  set(&net, "b.bias", beta, 2);
  set(&net, "b.running_mean", mean, 2);
  set(&net, "b.running_var", variance, 2);
  ck_assert_int_eq(recsys__net_fold(&folded, &net, NULL), RECSYS_OK);
  recsys__net_free(&net);
  ck_assert_uint_eq(folded.network.op_count, 2);
  const recsys_op *ops = folded.network.ops;
  ck_assert_int_ne(ops[0].weight, ops[1].weight);
  for (int i = 0; i < 4; i++)
    ck_assert_float_eq(folded.network.weights[ops[0].weight].data[i], filter[i]);
  check_values(folded.network.weights[ops[1].weight].data, folded_filter, 4);
  recsys__net_free(&folded);
}
END_TEST

/* A convolution whose own result can be asked for stays as it is. */
START_TEST(named_convolution_stays) {
  recsys__net net = make_tiny(true, "a"), folded;
  ck_assert_int_eq(recsys__net_fold(&folded, &net, NULL), RECSYS_OK);
  ck_assert_uint_eq(folded.network.op_count, 3);
  ck_assert_float_eq(get(&folded, "a.weight")[1], -1.25f);
  ck_assert_float_eq(get(&folded, "b.running_var")[1], 0.04f);
  recsys__net_free(&folded);
  recsys__net_free(&net);
}
END_TEST

/* Every name still leads to a result of the same shape; no batch norm and no dropout is left. */
START_TEST(architectures_keep_their_layers) {
  static const char *const names[] = {"resnet18", "resnet50", "googlenet_bn", "squeezenet1_1", "googlenet", "lenet5"};
  recsys__net net, folded;
  ck_assert_int_eq(recsys__net_build(&net, names[_i], 10, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__net_fold(&folded, &net, NULL), RECSYS_EINVAL);
  ck_assert_ptr_null(folded.storage);
  ck_assert_int_eq(recsys__net_randomise(&net, 3, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__net_fold(&folded, &net, NULL), RECSYS_OK);
  ck_assert_str_eq(folded.architecture, names[_i]);
  ck_assert_uint_eq(folded.classes, 10);
  for (uint32_t i = 0; i < folded.network.op_count; i++) {
    const recsys_op *op = &folded.network.ops[i];
    ck_assert(op->kind != RECSYS_OP_BATCHNORM && op->kind != RECSYS_OP_DROPOUT);
    for (uint32_t k = 0; k < op->input_count; k++)
      ck_assert_int_lt(op->inputs[k], (int32_t)i);
  }
  for (uint32_t i = 0; i < net.network.op_count; i++) {
    const recsys_op *op = &net.network.ops[i];
    uint32_t found;
    if (op->name == NULL)
      continue;
    ck_assert_int_eq(recsys__net_layer(&folded, op->name, &found, NULL), RECSYS_OK);
    ck_assert_uint_eq(recsys__op_size(&folded.network.ops[found]), recsys__op_size(op));
  }
  uint32_t a, b;
  ck_assert_int_eq(recsys__net_classifier(&net, &a, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__net_classifier(&folded, &b, NULL), RECSYS_OK);
  ck_assert_uint_eq(folded.network.ops[b].kind, RECSYS_OP_SOFTMAX);
  recsys__net_free(&folded);
  recsys__net_free(&net);
}
END_TEST

START_TEST(no_memory_leaves_nothing) {
  recsys__net net, folded;
  size_t countdown = 1;
  for (;; countdown++) {
    net = make_tiny(false, NULL);
    recsys__fail_allocation(countdown, true);
    recsys_status status = recsys__net_fold(&folded, &net, NULL);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK)
      break;
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert_ptr_null(folded.storage);
    recsys__net_free(&net);
  }
  ck_assert_uint_gt(countdown, 10);
  recsys__net_free(&folded);
  recsys__net_free(&net);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("fold");
  tcase_add_loop_test(tests, numbers_are_numpy_s, 0, 2);
  tcase_add_test(tests, named_convolution_stays);
  tcase_add_test(tests, shared_filters);
  tcase_add_loop_test(tests, architectures_keep_their_layers, 0, 6);
  tcase_add_test(tests, no_memory_leaves_nothing);
  Suite *suite = suite_create("fold");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
