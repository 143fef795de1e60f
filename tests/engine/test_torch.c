/* The real engine at its edges: statuses, memory, threads that stay the host's. Its numbers are test_numeric.py's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loading.h"

START_TEST(unknown_operation) {
  open_engine("torch");
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
  recsys__net_free(&net);
}
END_TEST

START_TEST(unknown_device) {
  open_engine("torch");
  recsys__net net = make_net("lenet5");
  expect_refused(&net, "tpu", RECSYS_EINVAL, "tpu");
  expect_refused(&net, "cuda:x", RECSYS_EINVAL, "cuda:x");
  expect_refused(&net, "cuda:99", RECSYS_ENOENGINE, "cuda:99");
  recsys__net_free(&net);
}
END_TEST

/* A wrong shape reaches libtorch, which throws: a status, and the engine goes on. */
START_TEST(exception_becomes_status) {
  open_engine("torch");
  recsys__net net = make_net("lenet5");
  recsys_weight *weight = (recsys_weight *)(uintptr_t)&net.network.weights[0];
  weight->shape[1] = 3;
  expect_refused(&net, "cpu", RECSYS_EENGINE, "libtorch failed");
  weight->shape[1] = 1;
  recsys__loaded *loaded;
  ck_assert_msg(load_on(&loaded, &net, "auto") == RECSYS_OK, "%s", error.message);
  recsys__loaded_close(loaded);
  recsys__net_free(&net);
}
END_TEST

/* 411 MB of weights, of which libtorch may have 100 MB. */
START_TEST(out_of_memory) {
  open_engine("torch");
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

START_TEST(forked_child_opens_its_own) {
  open_engine("torch");
  recsys__net net = make_net("resnet18");
  recsys__loaded *loaded;
  size_t picture = (size_t)net.network.height * net.network.width * net.network.channels;
  float *input = calloc(picture, sizeof *input), row[10];
  ck_assert_int_eq(load_on(&loaded, &net, "cpu"), RECSYS_OK);
  pid_t child = fork();
  if (child == 0) {
    if (recsys__loaded_start(loaded, input, 1, 0, row, &error) != RECSYS_EFORKED)
      _exit(2);
    recsys__loaded_close(loaded);
    if (recsys__engine_open(&engine, "torch", NULL, &error) != RECSYS_OK || load_on(&loaded, &net, "cpu") != RECSYS_OK)
      _exit(3);
    if (recsys__loaded_start(loaded, input, 1, 0, row, &error) != RECSYS_OK ||
        recsys__loaded_wait(loaded, &error) != RECSYS_OK)
      _exit(4);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 0);
  recsys__loaded_close(loaded);
  recsys__net_free(&net);
  free(input);
}
END_TEST

int main(void) {
  TCase *torch = tcase_create("torch");
  tcase_add_test(torch, unknown_operation);
  tcase_add_test(torch, unknown_device);
  tcase_add_test(torch, exception_becomes_status);
  tcase_add_test(torch, out_of_memory);
  tcase_add_test(torch, forked_child_opens_its_own);
  Suite *suite = suite_create("torch");
  suite_add_tcase(suite, torch);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
