/*
 * Models whose engine runs in a process of its own: the same rows as without, what a crash does, forks, and what is
 * left behind. The fake engine tells how rows must be (fake_engine.c).
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "training.h"

enum { SHOWN = 9 }; /* pictures: more than two of the fake engine's batches */

static float rows[SHOWN * DIM], expected[SHOWN * DIM];

static recsys_model_options options_with(uint32_t isolation) {
  return (recsys_model_options){.struct_size = sizeof(recsys_model_options),
                                .engine = "fake",
                                .engine_path = FAKES_DIR,
                                .classes = 10,
                                .seed = 7,
                                .threads = 2,
                                .isolation = isolation};
}

static recsys_model *open_with(uint32_t isolation) {
  recsys_model *model;
  recsys_model_options options = options_with(isolation);
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  return model;
}

/* The rows that an engine in this process gives, and an isolated model. */
static recsys_model *start(void) {
  recsys_model *plain = open_with(RECSYS_ISOLATION_NONE);
  ok(recsys_model_embed(plain, images, SHOWN, NULL, expected, NULL, &error));
  recsys_model_close(plain);
  return open_with(RECSYS_ISOLATION_PROCESS);
}

static void expect_rows(recsys_model *model) {
  memset(rows, 0, sizeof rows);
  ok(recsys_model_embed(model, images, SHOWN, NULL, rows, NULL, &error));
  ck_assert_mem_eq(rows, expected, sizeof rows);
}

/* Of this process: the first child of it, 0 for none. */
static pid_t first_child(void) {
  char path[64];
  int pid = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  if (fscanf(file, "%d", &pid) != 1)
    pid = 0;
  fclose(file);
  return pid;
}

static int open_files(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (readdir(dir) != NULL)
    count++;
  closedir(dir);
  return count;
}

static void set_up_isolated(void) {
  set_up();
  setenv("RECSYS_WORKER_PATH", WORKER, 1);
}

START_TEST(same_rows_and_nothing_left) {
  recsys_model *model = start();
  int files = open_files();
  recsys_model_close(model);
  for (int i = 0; i < 3; i++) {
    model = open_with(RECSYS_ISOLATION_PROCESS);
    ck_assert_int_eq(open_files(), files);
    expect_rows(model);
    expect_rows(model);
    ck_assert_int_ne(first_child(), 0);
    recsys_model_close(model);
    ck_assert_int_eq(first_child(), 0);
    ck_assert_int_lt(open_files(), files);
  }
  float scores[10], wanted[10];
  recsys_model *plain = open_with(RECSYS_ISOLATION_NONE);
  model = open_with(RECSYS_ISOLATION_PROCESS);
  ok(recsys_model_classify(model, images, 1, NULL, scores, NULL, &error));
  ok(recsys_model_classify(plain, images, 1, NULL, wanted, NULL, &error));
  ck_assert_mem_eq(scores, wanted, sizeof scores);
  char text[2][8192];
  ok(recsys_model_describe(plain, text[0], sizeof text[0], NULL, &error));
  ok(recsys_model_describe(model, text[1], sizeof text[1], NULL, &error));
  json_t *objects[2] = {json_loads(text[0], 0, NULL), json_loads(text[1], 0, NULL)};
  json_t *engine = json_object_get(objects[1], "engine");
  ck_assert_str_eq(json_string_value(json_object_get(engine, "isolation")), "process");
  json_object_set_new(engine, "isolation", json_string("none"));
  ck_assert(json_equal(objects[0], objects[1]));
  json_decref(objects[0]);
  json_decref(objects[1]);
  recsys_model_close(plain);
  recsys_model_close(model);
}
END_TEST

START_TEST(a_crash_is_a_status) {
  recsys_model *model = start();
  setenv("RECSYS_FAKE", "crash:3", 1); /* of the children that are started from here on */
  kill(first_child(), SIGKILL);
  usleep(50000);
  /* The child was killed between calls: the next one starts another, which crashes in its third run. */
  memset(rows, 0, sizeof rows);
  expect(recsys_model_embed(model, images, SHOWN, NULL, rows, statuses, &error), RECSYS_EENGINE, "signal 6");
  ck_assert_ptr_nonnull(strstr(error.message, "the next call starts another one"));
  ck_assert_int_eq(statuses[0], RECSYS_OK);
  ck_assert_mem_eq(rows, expected, sizeof *rows * DIM);
  ck_assert_int_eq(statuses[SHOWN - 1], RECSYS_EENGINE);
  unsetenv("RECSYS_FAKE");
  expect_rows(model);
  recsys_model_close(model);
}
END_TEST

static void *kill_soon(void *child) {
  usleep(80000);
  kill(*(pid_t *)child, SIGKILL);
  return NULL;
}

START_TEST(a_kill_during_a_call) {
  pthread_t thread;
  recsys_model *model = start();
  recsys_model_close(model);
  setenv("RECSYS_FAKE", "slow", 1);
  model = open_with(RECSYS_ISOLATION_PROCESS);
  pid_t child = first_child();
  ck_assert_int_eq(pthread_create(&thread, NULL, kill_soon, &child), 0);
  expect(recsys_model_embed(model, images, SHOWN, NULL, rows, NULL, &error), RECSYS_EENGINE, "signal 9");
  pthread_join(thread, NULL);
  expect_rows(model);
  recsys_model_close(model);
}
END_TEST

/* A child of ours embeds with the model that it has inherited, and so do we, before and after it has ended. */
START_TEST(after_a_fork) {
  recsys_model *model = start();
  expect_rows(model);
  pid_t first = first_child(), child = fork();
  if (child == 0) {
    recsys_status status = recsys_model_embed(model, images, SHOWN, NULL, rows, NULL, NULL);
    bool good = status == RECSYS_OK;
    for (int k = 0; k < SHOWN * DIM; k++)
      good = good && rows[k] == expected[k];
    recsys_model_close(model);
    _exit(good ? 0 : 1);
  }
  expect_rows(model);
  int state;
  ck_assert_int_eq(waitpid(child, &state, 0), child);
  ck_assert_int_eq(state, 0);
  expect_rows(model);
  ck_assert_int_eq(first_child(), first); /* still the same one */
  recsys_model_close(model);
}
END_TEST

START_TEST(without_a_program) {
  recsys_model *model;
  recsys_model_options options = options_with(RECSYS_ISOLATION_PROCESS);
  int files = open_files();
  static const char *const programs[] = {"/nonexistent/worker", "/bin/true", "/bin/sleep"};
  for (int i = 0; i < 3; i++) {
    setenv("RECSYS_WORKER_PATH", programs[i], 1);
    recsys_status status = recsys_model_create(&model, "lenet5", &options, &error);
    expect(status, RECSYS_ENOENGINE, i == 0 ? "/nonexistent/worker" : "fake");
    ck_assert_ptr_null(model);
    ck_assert_int_eq(first_child(), 0);
  }
  unsetenv("RECSYS_WORKER_PATH"); /* it lies beside neither the fake engine nor this test */
  expect(recsys_model_create(&model, "lenet5", &options, &error), RECSYS_ENOENGINE, "RECSYS_WORKER_PATH");
  setenv("RECSYS_WORKER_PATH", WORKER, 1);
  setenv("RECSYS_FAKE", "load-error", 1);
  expect(recsys_model_create(&model, "lenet5", &options, &error), RECSYS_EUNSUPPORTED, "operation 7");
  setenv("RECSYS_FAKE", "null", 1);
  expect(recsys_model_create(&model, "lenet5", &options, &error), RECSYS_ENOENGINE, "cannot work here");
  ck_assert_int_eq(open_files(), files);
  ck_assert_int_eq(first_child(), 0);
}
END_TEST

/* A host that ignores the ends of its children, or waits for all of them itself. */
START_TEST(a_host_that_ignores_children) {
  signal(SIGCHLD, SIG_IGN);
  recsys_model *model = start();
  expect_rows(model);
  setenv("RECSYS_FAKE", "crash", 1);
  kill(first_child(), SIGKILL);
  usleep(50000);
  expect(recsys_model_embed(model, images, 1, NULL, rows, NULL, &error), RECSYS_EENGINE, "reason is not known");
  unsetenv("RECSYS_FAKE");
  expect_rows(model);
  recsys_model_close(model);
  signal(SIGCHLD, SIG_DFL); /* tear_down waits for a command */
}
END_TEST

/* Stage two changes weights here and has its rows and gradients made there. */
START_TEST(training_is_the_same) {
  recsys_train_options train = {
      .struct_size = sizeof train, .hidden = 8, .epochs = 3, .fine_tune_blocks = 1, .fine_tune_epochs = 2, .seed = 3};
  size_t sizes[2];
  char *files[2];
  for (uint32_t i = 0; i < 2; i++) {
    recsys_model *model = open_with(i);
    const char *path = in_folder(i ? "isolated" : "here");
    recsys_status status = recsys_model_train(model, path, images, N, labels, LABELS, matrix, &train, NULL, &error);
    expect(status, RECSYS_OK, "");
    recsys_model_close(model);
    ok(recsys__file_read((void **)&files[i], &sizes[i], path, 1 << 24, &error));
  }
  ck_assert_uint_eq(sizes[0], sizes[1]);
  ck_assert_mem_eq(files[0], files[1], sizes[0]);
  recsys__free(files[0]);
  recsys__free(files[1]);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {
      same_rows_and_nothing_left, a_crash_is_a_status,  a_kill_during_a_call,        after_a_fork,
      without_a_program,          training_is_the_same, a_host_that_ignores_children};
  Suite *suite = suite_create("isolation");
  TCase *tcase = tcase_create("isolation");
  tcase_add_checked_fixture(tcase, set_up_isolated, tear_down);
  tcase_set_timeout(tcase, 60);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
    tcase_add_test(tcase, tests[i]);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
