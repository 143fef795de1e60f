/* Finding, checking and opening engines, and running on their thread, with engines that need no framework. */
#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/loader.h"
#include "nn/net.h"

static const char fake[] = FAKES_DIR "/librecsys-fake.so";
static recsys__engine *engine;
/* The thread sanitizer allows no threads in a child of a process with threads. */
#ifdef __SANITIZE_THREAD__
static const bool threads_after_fork = false;
#else
static const bool threads_after_fork = true;
#endif

static recsys_error error;

static void expect(recsys_status status, recsys_status expected, const char *part) {
  ck_assert_msg(status == expected, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(expected),
                error.message);
  ck_assert_int_eq(error.status, expected);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static void expect_open_fails(const char *name, const char *path, recsys_status expected, const char *part) {
  expect(recsys__engine_open(&engine, name, path, &error), expected, part);
  ck_assert_ptr_null(engine);
}

/* LeNet-5 with its softmax and its f6 as outputs. */
static recsys__net make_net(uint32_t outputs[2]) {
  recsys__net net;
  ck_assert_int_eq(recsys__net_build(&net, "lenet5", 10, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__net_randomise(&net, 1, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__net_layer(&net, "f6", &outputs[0], &error), RECSYS_OK);
  ck_assert_int_eq(recsys__net_classifier(&net, &outputs[1], &error), RECSYS_OK);
  return net;
}

static recsys_status load(recsys__loaded **loaded) {
  uint32_t outputs[2];
  recsys__net net = make_net(outputs);
  recsys_engine_options options = {.struct_size = sizeof options,
                                   .precision = RECSYS_PRECISION_FLOAT32,
                                   .threads = 1,
                                   .device = "auto",
                                   .outputs = outputs,
                                   .output_count = 2};
  recsys_status status = recsys__loaded_open(loaded, engine, &net.network, &options, &error);
  recsys__net_free(&net);
  return status;
}

static void open_fake(void) {
  ck_assert_msg(recsys__engine_open(&engine, "fake", fake, &error) == RECSYS_OK, "%s", error.message);
}

START_TEST(opens_and_names) {
  open_fake();
  ck_assert_str_eq(recsys__engine_name(engine), "fake");
  ck_assert_str_eq(recsys__engine_version(engine), "0.9");
  ck_assert_str_eq(recsys__engine_path(engine), fake);
  ck_assert_int_eq(recsys__engine_bfloat16(engine, "cpu"), 0);
  recsys__engine *first = engine;
  open_fake();
  ck_assert_ptr_eq(first, engine);
}
END_TEST

/* A folder means the file of that name in it; the environment is used where no path is given. */
START_TEST(searches) {
  ck_assert_int_eq(recsys__engine_open(&engine, "fake", FAKES_DIR, &error), RECSYS_OK);
  setenv("RECSYS_ENGINE_PATH", FAKES_DIR, 1);
  ck_assert_int_eq(recsys__engine_open(&engine, "fake", NULL, &error), RECSYS_OK);
  setenv("RECSYS_ENGINE_PATH", fake, 1);
  ck_assert_int_eq(recsys__engine_open(&engine, "auto", NULL, &error), RECSYS_OK);
  ck_assert_str_eq(recsys__engine_name(engine), "fake");
}
END_TEST

START_TEST(missing_lists_paths) {
  unsetenv("RECSYS_ENGINE_PATH");
  expect_open_fails("nosuch", NULL, RECSYS_ENOENGINE, "librecsys-nosuch.so, ");
  ck_assert_ptr_nonnull(strstr(error.message, "RECSYS_ENGINE_PATH"));
  expect_open_fails("fake", "/nonexistent/x.so", RECSYS_ENOENGINE, "tried /nonexistent/x.so");
  setenv("RECSYS_ENGINE_PATH", "/nonexistent", 1);
  expect_open_fails(NULL, NULL, RECSYS_ENOENGINE, "tried /nonexistent;");
  expect_open_fails("../x", NULL, RECSYS_EINVAL, "../x");
  expect_open_fails("", NULL, RECSYS_EINVAL, "''");
}
END_TEST

START_TEST(refuses_what_is_no_engine) {
  expect_open_fails("x", "/dev/null", RECSYS_ENOENGINE, "cannot open engine /dev/null");
  expect_open_fails("x", __FILE__, RECSYS_ENOENGINE, "cannot open engine");
  expect_open_fails("none", FAKES_DIR, RECSYS_ENOENGINE, "is no engine");
}
END_TEST

START_TEST(refuses_other_abi) {
  setenv("RECSYS_FAKE", "abi", 1);
  expect_open_fails("fake", fake, RECSYS_EVERSION, "interface 3, this library 2");
  setenv("RECSYS_FAKE", "short", 1);
  expect_open_fails("fake", fake, RECSYS_EVERSION, fake);
  setenv("RECSYS_FAKE", "null", 1);
  expect_open_fails("fake", fake, RECSYS_ENOENGINE, "fake: there is no such accelerator");
}
END_TEST

/* An engine that needs a libtorch works alone, and beside the same file; beside another one it is refused. */
START_TEST(second_libtorch) {
  ck_assert_ptr_nonnull(dlopen(FAKES_DIR "/libtorch_cpu.so.9", RTLD_NOW | RTLD_LOCAL));
  ck_assert_msg(recsys__engine_open(&engine, "fake_torch", FAKES_DIR, &error) == RECSYS_OK, "%s", error.message);
}
END_TEST

START_TEST(second_libtorch_refused) {
  ck_assert_ptr_nonnull(dlopen(FAKES_DIR "/other/libtorch_cpu.so", RTLD_NOW | RTLD_LOCAL));
  char target[] = FAKES_DIR "/other/libtorch_cpu.so";
  expect_open_fails("fake_torch", FAKES_DIR, RECSYS_ENOENGINE, strlen(target) < 90 ? target : "another libtorch");
  ck_assert_ptr_null(dlopen(FAKES_DIR "/libtorch_cpu.so.9", RTLD_NOW | RTLD_NOLOAD));
  open_fake(); /* one that needs no libtorch is welcome */
}
END_TEST

static void run_solid(recsys__loaded *loaded) {
  float input[2 * 32 * 32], rows[2 * 84], scores[2 * 10];
  for (int i = 0; i < 32 * 32; i++) {
    input[i] = 0.25f;
    input[32 * 32 + i] = -1.5f;
  }
  ck_assert_int_eq(recsys__loaded_start(loaded, input, 2, 0, rows, &error), RECSYS_OK);
  ck_assert_msg(recsys__loaded_wait(loaded, &error) == RECSYS_OK, "%s", error.message);
  for (int i = 0; i < 84; i++) {
    ck_assert_float_eq(rows[i], 0.25f);
    ck_assert_float_eq(rows[84 + i], -1.5f);
  }
  ck_assert_int_eq(recsys__loaded_start(loaded, input, 2, 1, scores, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
  for (int i = 0; i < 20; i++)
    ck_assert_float_eq_tol(scores[i], 0.1f, 1e-6f);
}

/* The fake engine itself checks the thread and its signal mask. */
START_TEST(runs_on_own_thread) {
  recsys__loaded *loaded;
  open_fake();
  ck_assert_msg(load(&loaded) == RECSYS_OK, "%s", error.message);
  ck_assert_uint_eq(recsys__loaded_info(loaded)->batch, 4);
  ck_assert_str_eq(recsys__loaded_info(loaded)->device, "cpu");
  run_solid(loaded);
  recsys__loaded_close(loaded);
  recsys__loaded_close(NULL);
}
END_TEST

static void *load_run_close(void *context) {
  (void)context;
  recsys__loaded *loaded;
  uint32_t outputs[2];
  recsys_error own;
  recsys__net net;
  recsys_engine_options options = {.struct_size = sizeof options, .precision = 1, .threads = 1, .device = "auto"};
  bool good = recsys__net_build(&net, "lenet5", 10, &own) == RECSYS_OK &&
              recsys__net_randomise(&net, 1, &own) == RECSYS_OK &&
              recsys__net_layer(&net, "f6", &outputs[0], &own) == RECSYS_OK;
  options.outputs = outputs;
  options.output_count = 1;
  float input[32 * 32] = {0}, row[84];
  for (int i = 0; good && i < 20; i++) {
    good = recsys__loaded_open(&loaded, engine, &net.network, &options, &own) == RECSYS_OK &&
           recsys__loaded_start(loaded, input, 1, 0, row, &own) == RECSYS_OK &&
           recsys__loaded_wait(loaded, &own) == RECSYS_OK && row[3] == 0;
    if (good)
      recsys__loaded_close(loaded);
  }
  recsys__net_free(&net);
  return good ? (void *)1 : NULL;
}

START_TEST(several_callers) {
  pthread_t threads[4];
  open_fake();
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, load_run_close, NULL), 0);
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    ck_assert_ptr_nonnull(result);
  }
}
END_TEST

START_TEST(errors_come_through) {
  recsys__loaded *loaded;
  float input[32 * 32] = {0}, row[84];
  open_fake();
  setenv("RECSYS_FAKE", "load-error", 1);
  expect(load(&loaded), RECSYS_EUNSUPPORTED, "operation 7");
  ck_assert_ptr_null(loaded);
  setenv("RECSYS_FAKE", "load-memory", 1);
  expect(load(&loaded), RECSYS_ENOMEM, "no memory");
  setenv("RECSYS_FAKE", "run-error:2", 1);
  ck_assert_int_eq(load(&loaded), RECSYS_OK);
  ck_assert_int_eq(recsys__loaded_start(loaded, input, 1, 0, row, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__loaded_wait(loaded, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__loaded_start(loaded, input, 1, 0, row, &error), RECSYS_OK);
  expect(recsys__loaded_wait(loaded, &error), RECSYS_EENGINE, "the framework failed");
  unsetenv("RECSYS_FAKE");
  run_solid(loaded); /* it goes on after a failure */
  recsys__loaded_close(loaded);
}
END_TEST

/* What the child inherits is refused and may be closed; an engine that it opens itself works. */
START_TEST(fork_is_noticed) {
  recsys__loaded *loaded;
  float input[32 * 32] = {0}, row[84];
  open_fake();
  ck_assert_int_eq(load(&loaded), RECSYS_OK);
  pid_t child = fork();
  if (child == 0) {
    if (recsys__loaded_start(loaded, input, 1, 0, row, &error) != RECSYS_EFORKED)
      _exit(2);
    recsys__loaded_close(loaded);
    if (!threads_after_fork)
      _exit(0);
    if (recsys__engine_open(&engine, "fake", fake, &error) != RECSYS_OK || load(&loaded) != RECSYS_OK)
      _exit(3);
    if (recsys__loaded_start(loaded, input, 1, 0, row, &error) != RECSYS_OK ||
        recsys__loaded_wait(loaded, &error) != RECSYS_OK)
      _exit(4);
    recsys__loaded_close(loaded);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 0);
  run_solid(loaded);
  recsys__loaded_close(loaded);
}
END_TEST

/* The n-th allocation fails, for every n until all succeed. */
START_TEST(allocation_fails) {
  uint32_t outputs[2];
  recsys__net net = make_net(outputs);
  recsys_engine_options options = {.struct_size = sizeof options, .precision = 1, .threads = 1, .device = "auto"};
  options.outputs = outputs;
  options.output_count = 2;
  size_t failures = 0;
  for (size_t n = 1;; n++) {
    recsys__loaded *loaded = NULL;
    recsys__fail_allocation(n, true);
    recsys_status status = recsys__engine_open(&engine, "fake", fake, &error);
    if (status == RECSYS_OK)
      status = recsys__loaded_open(&loaded, engine, &net.network, &options, &error);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      recsys__loaded_close(loaded);
      break;
    }
    expect(status, RECSYS_ENOMEM, "memory");
    ck_assert_uint_lt(++failures, 100);
  }
  ck_assert_uint_ge(failures, 4);
  recsys__net_free(&net);
}
END_TEST

int main(void) {
  TCase *loader = tcase_create("loader");
  tcase_add_test(loader, opens_and_names);
  tcase_add_test(loader, searches);
  tcase_add_test(loader, missing_lists_paths);
  tcase_add_test(loader, refuses_what_is_no_engine);
  tcase_add_test(loader, refuses_other_abi);
  tcase_add_test(loader, second_libtorch);
  tcase_add_test(loader, second_libtorch_refused);
  tcase_add_test(loader, runs_on_own_thread);
  tcase_add_test(loader, several_callers);
  tcase_add_test(loader, errors_come_through);
  tcase_add_test(loader, fork_is_noticed);
  tcase_add_test(loader, allocation_fails);
  Suite *suite = suite_create("loader");
  suite_add_tcase(suite, loader);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
