/* The oneDNN engine at its edges: what it refuses, memory, and batches of every size. Its numbers are
 * test_numeric.py's.
 */
#include <check.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "loading.h"

enum { MOST = 19, CLASSES = 10 };

START_TEST(what_it_cannot_do) {
  open_engine("onednn");
  ck_assert(!recsys__engine_trains(engine));
  recsys__net net = make_net("lenet5");
  recsys_op *op = (recsys_op *)(uintptr_t)&net.network.ops[3];
  recsys_op kept = *op;
  op->kind = 99;
  expect_refused(&net, "cpu", RECSYS_EUNSUPPORTED, "kind 99");
  *op = kept;
  op->inputs[0] = 5;
  expect_refused(&net, "cpu", RECSYS_EINVAL, "operation 3");
  *op = kept;
  op->weight = 1000;
  expect_refused(&net, "cpu", RECSYS_EINVAL, "operation 3");
  *op = kept;
  expect_refused(&net, "cuda", RECSYS_ENOENGINE, "use the engine \"torch\"");
  recsys_weight *weight = (recsys_weight *)(uintptr_t)&net.network.weights[0];
  weight->shape[1] = 3;
  expect_refused(&net, "cpu", RECSYS_EINVAL, "weight 0");
  weight->shape[1] = 1;
  recsys__loaded *loaded;
  ck_assert_msg(load_on(&loaded, &net, "auto") == RECSYS_OK, "%s", error.message);
  recsys__loaded_close(loaded);
  recsys__net_free(&net);
}
END_TEST

/* 537 MB of weights, of which it may have 100 MB. */
START_TEST(out_of_memory) {
  open_engine("onednn");
  recsys__net net = make_net("vgg16");
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
  fclose(file);
  struct rlimit limit = {(rlim_t)pages * 4096 + (100u << 20), RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
  recsys__loaded *loaded;
  recsys_status status = load_on(&loaded, &net, "cpu");
  limit.rlim_cur = RLIM_INFINITY;
  setrlimit(RLIMIT_AS, &limit);
  ck_assert_msg(status == RECSYS_ENOMEM, "%s: %s", recsys_status_name(status), error.message);
  recsys__net_free(&net);
}
END_TEST

/* Alone, in pairs, in a batch that is full, and in one that is not: the same rows. */
START_TEST(batches_of_every_size) {
  open_engine("onednn");
  recsys__net net = make_net("mini");
  size_t picture = (size_t)net.network.height * net.network.width * net.network.channels;
  float *input = malloc(MOST * picture * sizeof *input), alone[MOST][CLASSES], rows[MOST][CLASSES];
  ck_assert_ptr_nonnull(input);
  for (size_t i = 0; i < MOST * picture; i++)
    input[i] = (float)((i * 2654435761u >> 7) % 1000) / 500 - 1;
  recsys__loaded *loaded;
  ck_assert_msg(load_on(&loaded, &net, "cpu") == RECSYS_OK, "%s", error.message);
  for (int i = 0; i < MOST; i++) {
    ck_assert_int_eq(recsys__loaded_start(loaded, input + (size_t)i * picture, 1, 0, alone[i], &error), RECSYS_OK);
    ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
  }
  for (uint64_t n = 1; n <= MOST; n++) {
    memset(rows, 0x7f, sizeof rows);
    ck_assert_int_eq(recsys__loaded_start(loaded, input, n, 0, rows[0], &error), RECSYS_OK);
    ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
    for (uint64_t i = 0; i < n; i++)
      for (int k = 0; k < CLASSES; k++)
        ck_assert_msg(fabsf(rows[i][k] - alone[i][k]) <= 1e-5F, "%d of %d: %g, alone %g", (int)i, (int)n,
                      (double)rows[i][k], (double)alone[i][k]);
    if (n < MOST) /* nothing is written behind the rows */
      ck_assert_mem_eq(rows[n], "\x7f\x7f\x7f\x7f", 4);
  }
  recsys__loaded_close(loaded);
  recsys__net_free(&net);
  free(input);
}
END_TEST

/* Which convolutions run by Winograd is told; the option turns it off, and the rows are the same but for rounding. */
START_TEST(winograd_or_direct) {
  open_engine("onednn");
  recsys__net net = make_net("squeezenet1_1");
  size_t picture = (size_t)net.network.height * net.network.width * net.network.channels;
  float *input = malloc(8 * picture * sizeof *input), rows[2][8][CLASSES];
  ck_assert_ptr_nonnull(input);
  for (size_t i = 0; i < 8 * picture; i++)
    input[i] = (float)((i * 2654435761u >> 7) % 1000) / 500 - 1;
  for (uint32_t direct = 0; direct < 2; direct++) {
    recsys__loaded *loaded;
    ck_assert_msg(load_with(&loaded, &net, "cpu", direct ? RECSYS_ENGINE_DIRECT : 0) == RECSYS_OK, "%s", error.message);
    ck_assert_str_eq(recsys__loaded_info(loaded)->winograd,
                     direct ? ""
                            : "features.3.expand3x3 features.4.expand3x3 features.6.expand3x3 features.7.expand3x3 "
                              "features.9.expand3x3 features.10.expand3x3 features.11.expand3x3 features.12.expand3x3");
    ck_assert_int_eq(recsys__loaded_start(loaded, input, 8, 0, rows[direct][0], &error), RECSYS_OK);
    ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
    recsys__loaded_close(loaded);
  }
  double worst = 0;
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < CLASSES; k++)
      worst = fmax(worst, fabs((double)rows[0][i][k] - (double)rows[1][i][k]));
  ck_assert_double_gt(worst, 0); /* two ways indeed */
  ck_assert_double_lt(worst, 1e-5);
  recsys__net_free(&net);
  free(input);
}
END_TEST

static recsys__loaded *load_keeping(recsys__net *net, uint8_t *kept, uint32_t struct_size) {
  uint32_t output;
  recsys__loaded *loaded;
  ck_assert_int_eq(recsys__net_classifier(net, &output, &error), RECSYS_OK);
  recsys_engine_options options = {.struct_size = struct_size,
                                   .precision = RECSYS_PRECISION_FLOAT32,
                                   .threads = 2,
                                   .device = "cpu",
                                   .outputs = &output,
                                   .output_count = 1,
                                   .kept = kept};
  ck_assert_msg(recsys__loaded_open(&loaded, engine, &net->network, &options, &error) == RECSYS_OK, "%s",
                error.message);
  return loaded;
}

static void run_picture(recsys__loaded *loaded, const float *input, float row[CLASSES]) {
  ck_assert_int_eq(recsys__loaded_start(loaded, input, 1, 0, row, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
}

/* Dense layers read the library's own weights where they may, and copies where not. */
START_TEST(kept_weights) {
  open_engine("onednn");
  recsys__net net = make_net("lenet5");
  float input[32 * 32], rows[3][CLASSES];
  uint8_t kept[32] = {0}, expected[32] = {0}, none[32] = {0};
  int32_t last = -1;
  ck_assert_uint_le(net.network.height * net.network.width * net.network.channels, sizeof input / sizeof *input);
  ck_assert_uint_le(net.network.weight_count, sizeof kept);
  for (size_t i = 0; i < sizeof input / sizeof *input; i++)
    input[i] = (float)((i * 2654435761u >> 7) % 1000) / 500 - 1;
  for (uint32_t i = 0; i < net.network.op_count; i++)
    if (net.network.ops[i].kind == RECSYS_OP_LINEAR)
      expected[last = net.network.ops[i].weight] = 1;
  ck_assert_int_ge(last, 0);
  recsys__loaded *in_place = load_keeping(&net, kept, sizeof(recsys_engine_options));
  ck_assert_mem_eq(kept, expected, sizeof kept);
  recsys__loaded *copied = load_keeping(&net, NULL, sizeof(recsys_engine_options));
  recsys__loaded *older = load_keeping(&net, none, offsetof(recsys_engine_options, kept));
  ck_assert_mem_eq(none, (uint8_t[32]){0}, sizeof none); /* a library that does not know of it */
  run_picture(in_place, input, rows[0]);
  run_picture(copied, input, rows[1]);
  run_picture(older, input, rows[2]);
  ck_assert_mem_eq(rows[0], rows[1], sizeof rows[0]);
  ck_assert_mem_eq(rows[0], rows[2], sizeof rows[0]);
  float *weight = (float *)(uintptr_t)net.network.weights[last].data;
  for (uint64_t i = 0; i < recsys__weight_values(&net.network.weights[last]); i++)
    weight[i] = -weight[i];
  run_picture(in_place, input, rows[0]);
  run_picture(copied, input, rows[2]);
  ck_assert_mem_ne(rows[0], rows[1], sizeof rows[0]);
  ck_assert_mem_eq(rows[1], rows[2], sizeof rows[1]);
  recsys__loaded_close(older);
  recsys__loaded_close(copied);
  recsys__loaded_close(in_place);
  recsys__net_free(&net);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("onednn");
  TCase *all = tcase_create("all");
  tcase_add_test(all, what_it_cannot_do);
  tcase_add_test(all, out_of_memory);
  tcase_add_test(all, batches_of_every_size);
  tcase_add_test(all, winograd_or_direct);
  tcase_add_test(all, kept_weights);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}
