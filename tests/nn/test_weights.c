/* Filling a network from tensors, guessing its architecture from them, and random weights. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/net.h"

enum { MAX_TENSORS = 1200 };

/* Tensors of a network's names and shapes; `data` of all of them is one shared block. */
static recsys__tensors tensors_of(const recsys__net *net, recsys__dtype dtype, const void *data, size_t value_size) {
  recsys__tensors tensors = {.list = calloc(MAX_TENSORS, sizeof *tensors.list)};
  for (uint32_t i = 0; i < net->network.weight_count; i++) {
    const recsys_weight *weight = &net->network.weights[i];
    recsys__tensor *tensor = &tensors.list[tensors.count++];
    *tensor = (recsys__tensor){.name = weight->name, .dtype = dtype, .rank = weight->rank, .data = data};
    tensor->bytes = value_size;
    for (uint32_t k = 0; k < weight->rank; k++) {
      tensor->shape[k] = weight->shape[k];
      tensor->bytes *= weight->shape[k];
    }
  }
  return tensors;
}

static recsys__tensor *find(recsys__tensors *tensors, const char *name) {
  for (size_t i = 0; i < tensors->count; i++)
    if (strcmp(tensors->list[i].name, name) == 0)
      return &tensors->list[i];
  ck_abort_msg("no tensor %s", name);
  return NULL;
}

static void add(recsys__tensors *tensors, const char *name) {
  static const float nothing[2];
  tensors->list[tensors->count++] =
      (recsys__tensor){.name = name, .dtype = RECSYS__F32, .rank = 1, .shape = {1}, .data = nothing, .bytes = 4};
}

static recsys__net build(const char *architecture, uint64_t classes) {
  recsys__net net;
  ck_assert_int_eq(recsys__net_build(&net, architecture, classes, NULL), RECSYS_OK);
  return net;
}

static const float *values(const recsys__net *net, const char *name) {
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (strcmp(net->network.weights[i].name, name) == 0)
      return net->network.weights[i].data;
  return NULL;
}

enum { LARGEST = 120 * 400 }; /* lenet5's c5.weight */

static float f32[LARGEST];
static double f64[LARGEST];
static uint16_t f16[LARGEST], bf16[LARGEST];

/* 0, 1, -2, 65504 (binary16's largest), 2^-24 (its smallest subnormal), -0.333251953125, 2^-14 */
static const uint16_t halves[7] = {0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0xb555, 0x0400};
static const float half_values[7] = {0, 1, -2, 65504, 0x1p-24f, -0.333251953125f, 0x1p-14f};
/* 0, 1, -2, 3.3895314e38 (bfloat16's largest), 2^-133 (its smallest subnormal), -0.33398437, 2^-126 */
static const uint16_t brains[7] = {0x0000, 0x3f80, 0xc000, 0x7f7f, 0x0001, 0xbeab, 0x0080};
static const float brain_values[7] = {0, 1, -2, 0x1.fep127f, 0x1p-133f, -0.333984375f, 0x1p-126f};

static void setup(void) {
  for (int i = 0; i < LARGEST; i++) {
    f32[i] = (float)(i % 1000) / 8;
    f64[i] = (double)(i % 1000) / 8;
    f16[i] = halves[i % 7];
    bf16[i] = brains[i % 7];
  }
}

START_TEST(every_float_type_is_read) {
  static const struct {
    recsys__dtype dtype;
    const void *data;
    size_t size;
  } table[] = {{RECSYS__F32, f32, 4}, {RECSYS__F64, f64, 8}, {RECSYS__F16, f16, 2}, {RECSYS__BF16, bf16, 2}};
  recsys__net net = build("lenet5", 10);
  recsys__tensors tensors = tensors_of(&net, table[_i].dtype, table[_i].data, table[_i].size);
  recsys_error error;
  ck_assert_msg(recsys__net_fill(&net, &tensors, &error) == RECSYS_OK, "%s", error.message);
  for (uint32_t w = 0; w < net.network.weight_count; w++)
    ck_assert_ptr_nonnull(net.network.weights[w].data);
  const float *found = values(&net, "c5.weight");
  for (int i = 0; i < LARGEST; i++) {
    float expected = _i < 2 ? (float)(i % 1000) / 8 : _i == 2 ? half_values[i % 7] : brain_values[i % 7];
    ck_assert_msg(found[i] == expected, "%d: %g, expected %g", i, (double)found[i], (double)expected);
  }
  free(tensors.list);
  recsys__net_free(&net);
}
END_TEST

/* Tries to fill lenet5 with tensors changed by `change`, and expects this failure. */
static void expect_failure(void (*change)(recsys__tensors *), recsys_status status, const char *const words[3]) {
  recsys__net net = build("lenet5", 10);
  recsys__tensors tensors = tensors_of(&net, RECSYS__F32, f32, 4);
  recsys_error error;
  change(&tensors);
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, &error), status);
  for (int i = 0; i < 3; i++)
    ck_assert_msg(strstr(error.message, words[i]) != NULL, "'%s' is not in: %s", words[i], error.message);
  for (uint32_t w = 0; w < net.network.weight_count; w++)
    ck_assert_ptr_null(net.network.weights[w].data);
  free(tensors.list);
  recsys__net_free(&net);
}

static void remove_f6(recsys__tensors *tensors) {
  *find(tensors, "f6.weight") = tensors->list[--tensors->count];
}

static void shrink_f6(recsys__tensors *tensors) {
  find(tensors, "f6.weight")->shape[1] = 121;
}

static void flatten_f6(recsys__tensors *tensors) {
  find(tensors, "f6.weight")->rank = 1;
}

static void make_integers(recsys__tensors *tensors) {
  find(tensors, "f6.weight")->dtype = RECSYS__I32;
}

static void add_stranger(recsys__tensors *tensors) {
  add(tensors, "c1.running_mean");
}

static float broken[LARGEST];
static double too_large[LARGEST];

static void add_nan(recsys__tensors *tensors) {
  broken[41] = NAN;
  find(tensors, "output.weight")->data = broken;
}

static void add_infinity(recsys__tensors *tensors) {
  broken[3] = -INFINITY;
  find(tensors, "output.weight")->data = broken;
}

static void overflow(recsys__tensors *tensors) {
  too_large[5] = 3.5e38;
  find(tensors, "output.weight")->data = too_large;
  find(tensors, "output.weight")->dtype = RECSYS__F64;
  find(tensors, "output.weight")->bytes *= 2;
}

START_TEST(wrong_tensors_are_named) {
  expect_failure(remove_f6, RECSYS_EMISMATCH, (const char *const[3]){"'f6.weight'", "84 x 120", "missing"});
  expect_failure(shrink_f6, RECSYS_EMISMATCH, (const char *const[3]){"'f6.weight'", "84 x 120", "84 x 121"});
  expect_failure(flatten_f6, RECSYS_EMISMATCH, (const char *const[3]){"'f6.weight'", "84 x 120", "is 84"});
  expect_failure(make_integers, RECSYS_EUNSUPPORTED, (const char *const[3]){"'f6.weight'", "integers", "convert"});
  expect_failure(add_stranger, RECSYS_EMISMATCH, (const char *const[3]){"'c1.running_mean'", "lenet5", "belong"});
  expect_failure(add_nan, RECSYS_EFORMAT, (const char *const[3]){"'output.weight'", "value 41", "finite"});
  expect_failure(add_infinity, RECSYS_EFORMAT, (const char *const[3]){"'output.weight'", "value 3 ", "finite"});
  expect_failure(overflow, RECSYS_EFORMAT, (const char *const[3]){"'output.weight'", "value 5 ", "finite"});
}
END_TEST

/* A variance below zero, found only where there are batch norms. */
START_TEST(negative_variance_is_refused) {
  recsys__net net = build("resnet18", 1);
  float *zeros = calloc(512 * 512 * 9, sizeof *zeros), negative[512] = {0};
  recsys__tensors tensors = tensors_of(&net, RECSYS__F32, zeros, 4);
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, NULL), RECSYS_OK);
  negative[7] = -1e-3f;
  find(&tensors, "layer4.1.bn2.running_var")->data = negative;
  recsys_error error;
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, &error), RECSYS_EFORMAT);
  ck_assert_ptr_nonnull(strstr(error.message, "'layer4.1.bn2.running_var'"));
  ck_assert_ptr_null(net.network.weights[0].data);
  free(zeros);
  free(tensors.list);
  recsys__net_free(&net);
}
END_TEST

START_TEST(tensors_known_to_be_unused_are_allowed) {
  float *zeros = calloc(1024 * 1024, sizeof *zeros);
  recsys__net net = build("googlenet_bn", 10);
  recsys__tensors tensors = tensors_of(&net, RECSYS__F32, zeros, 4);
  add(&tensors, "conv1.bn.num_batches_tracked");
  add(&tensors, "aux1.conv.conv.weight");
  add(&tensors, "aux2.fc2.bias");
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, NULL), RECSYS_OK);
  add(&tensors, "aux3.fc2.bias");
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, NULL), RECSYS_EMISMATCH);
  recsys__net_free(&net);
  free(tensors.list);
  /* Without its classifier a network leaves the file's unread. */
  net = build("googlenet_bn", 0);
  tensors = tensors_of(&net, RECSYS__F32, zeros, 4);
  add(&tensors, "fc.weight");
  ck_assert_int_eq(recsys__net_fill(&net, &tensors, NULL), RECSYS_OK);
  recsys__net_free(&net);
  free(tensors.list);
  free(zeros);
}
END_TEST

START_TEST(architecture_is_guessed) {
  const recsys__architecture *architecture = recsys__architecture_at((size_t)_i);
  for (uint64_t classes = 0; classes <= 12; classes += 12) {
    recsys__net net = build(architecture->name, classes);
    recsys__tensors tensors = tensors_of(&net, RECSYS__F32, f32, 4);
    add(&tensors, "something.else");
    uint64_t found_classes = 99;
    const recsys__architecture *found = recsys__architecture_guess(&tensors, &found_classes);
    ck_assert_msg(found == architecture, "%s, expected %s", found ? found->name : "none", architecture->name);
    ck_assert_uint_eq(found_classes, classes);
    tensors.list[2].shape[0] += 1;
    ck_assert_msg(recsys__architecture_guess(&tensors, &found_classes) != architecture, "%s", architecture->name);
    free(tensors.list);
    recsys__net_free(&net);
  }
}
END_TEST

START_TEST(no_guess_without_tensors) {
  recsys__tensors tensors = {0};
  uint64_t classes = 5;
  ck_assert_ptr_null(recsys__architecture_guess(&tensors, &classes));
  ck_assert_uint_eq(classes, 0);
}
END_TEST

START_TEST(random_weights_follow_he) {
  recsys__net net = build("resnet18", 10);
  ck_assert_int_eq(recsys__net_randomise(&net, 1, NULL), RECSYS_OK);
  const float *w = values(&net, "layer1.0.conv1.weight");
  double bound = sqrt(6.0 / (64 * 9)), sum = 0, squares = 0;
  int n = 64 * 64 * 9;
  for (int i = 0; i < n; i++) {
    ck_assert(fabs((double)w[i]) <= bound);
    sum += (double)w[i];
    squares += (double)w[i] * (double)w[i];
  }
  /* The variance of the uniform distribution is bound^2 / 3; five standard errors of the mean. */
  ck_assert_double_le(fabs(sum / n), 5 * bound / sqrt(3.0 * n));
  ck_assert_double_eq_tol(squares / n / (bound * bound / 3), 1.0, 0.02);
  ck_assert_float_eq(values(&net, "bn1.weight")[63], 1);
  ck_assert_float_eq(values(&net, "bn1.running_var")[63], 1);
  ck_assert_float_eq(values(&net, "bn1.running_mean")[63], 0);
  ck_assert_float_eq(values(&net, "bn1.bias")[63], 0);
  ck_assert_float_eq(values(&net, "fc.bias")[9], 0);
  recsys__net_free(&net);
}
END_TEST

START_TEST(random_weights_depend_on_the_seed_only) {
  recsys__net a = build("lenet5", 10), b = build("lenet5", 10), c = build("lenet5", 10);
  ck_assert_int_eq(recsys__net_randomise(&a, 7, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__net_randomise(&b, 7, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__net_randomise(&c, 8, NULL), RECSYS_OK);
  ck_assert_mem_eq(values(&a, "c5.weight"), values(&b, "c5.weight"), LARGEST * sizeof(float));
  ck_assert_mem_ne(values(&a, "c5.weight"), values(&c, "c5.weight"), LARGEST * sizeof(float));
  /* c1.weight[0..2] for seed 7, from the Python PCG32 in make_expected.py */
  static const float first[3] = {0.437170416f, -0.00101959903f, 0.135204539f};
  ck_assert_mem_eq(values(&a, "c1.weight"), first, sizeof first);
  recsys__net_free(&a);
  recsys__net_free(&b);
  recsys__net_free(&c);
}
END_TEST

START_TEST(no_memory_leaves_nothing) {
  recsys__net net = build("lenet5", 10);
  recsys__tensors tensors = tensors_of(&net, RECSYS__F32, f32, 4);
  for (size_t countdown = 1; countdown <= 11; countdown++) {
    recsys__fail_allocation(countdown, true);
    recsys_status status = recsys__net_fill(&net, &tensors, NULL);
    recsys__fail_allocation(0, false);
    ck_assert_int_eq(status, countdown <= 10 ? RECSYS_ENOMEM : RECSYS_OK);
    ck_assert((net.network.weights[0].data != NULL) == (status == RECSYS_OK));
  }
  recsys__net_free(&net);
  net = build("lenet5", 10);
  recsys__fail_allocation(4, false);
  ck_assert_int_eq(recsys__net_randomise(&net, 1, NULL), RECSYS_ENOMEM);
  recsys__fail_allocation(0, false);
  recsys__net_free(&net);
  free(tensors.list);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("weights");
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_loop_test(tests, every_float_type_is_read, 0, 4);
  tcase_add_test(tests, wrong_tensors_are_named);
  tcase_add_test(tests, negative_variance_is_refused);
  tcase_add_test(tests, tensors_known_to_be_unused_are_allowed);
  tcase_add_loop_test(tests, architecture_is_guessed, 0, 15);
  tcase_add_test(tests, no_guess_without_tensors);
  tcase_add_test(tests, random_weights_follow_he);
  tcase_add_test(tests, random_weights_depend_on_the_seed_only);
  tcase_add_test(tests, no_memory_leaves_nothing);
  Suite *suite = suite_create("weights");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
