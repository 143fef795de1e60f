/*
 * Models through their public interface, on the fake engine: number j of a row is the mean of an input row, so that a
 * picture of one grey level g gives rows of 1.175 - 1.275 g / 255 everywhere under the recipe "lenet" (LeCun et al.
 * 1998: white -0.1, black 1.175).
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "nn/net.h"
#include "recsys.h"

enum { SIDE = 40, MANY = 11, DIM = 84 };

/* The thread sanitizer allows no threads in a child of a process with threads. */
#ifdef __SANITIZE_THREAD__
static const bool threads_after_fork = false;
#else
static const bool threads_after_fork = true;
#endif

static recsys_error error;
static char folder[64];
static uint8_t greys[MANY][SIDE * SIDE];
static recsys_image images[MANY];
static float rows[MANY * 1000];
static recsys_status statuses[MANY];

static float expected(int grey) {
  return (float)(1.175 - 1.275 * grey / 255);
}

static void expect(recsys_status status, recsys_status wanted, const char *part) {
  ck_assert_msg(status == wanted, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(wanted),
                error.message);
  ck_assert_int_eq(error.status, wanted);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static void ok(recsys_status status) {
  expect(status, RECSYS_OK, "");
  ck_assert_str_eq(error.message, "");
}

static recsys_model_options usual(void) {
  return (recsys_model_options){.struct_size = sizeof(recsys_model_options),
                                .engine = "fake",
                                .engine_path = FAKES_DIR,
                                .classes = 10,
                                .seed = 7,
                                .threads = 2};
}

static recsys_model *create(void) {
  recsys_model *model;
  recsys_model_options options = usual();
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  return model;
}

static int grey_of(int i) {
  return i * 25;
}

static void set_up(void) {
  strcpy(folder, "/tmp/recsys-model-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  unsetenv("RECSYS_FAKE");
  memset(rows, 0x55, sizeof rows);
  for (int i = 0; i < MANY; i++) {
    memset(greys[i], grey_of(i), sizeof greys[i]);
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_PIXELS,
                               .format = RECSYS_PIXELS_GRAY,
                               .data = greys[i],
                               .size = sizeof greys[i],
                               .width = SIDE,
                               .height = SIDE};
  }
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void expect_row(int i, float value) {
  for (int j = 0; j < DIM; j++)
    ck_assert_msg(fabsf(rows[i * DIM + j] - value) < 1e-5f, "row %d: %g instead of %g", i, (double)rows[i * DIM + j],
                  (double)value);
}

static recsys_model_info info_of(recsys_model *model) {
  recsys_model_info info = {.struct_size = sizeof info};
  ok(recsys_model_get_info(model, &info, &error));
  return info;
}

/* ---- facts ---- */

/* 61,706 parameters: LeNet-5 with plain pooling and a full C3, as many textbooks count them. */
START_TEST(tells_facts) {
  recsys_model *model = create();
  recsys_model_info info = info_of(model);
  ck_assert_uint_eq(info.struct_size, sizeof info);
  ck_assert_uint_eq(info.precision, RECSYS_PRECISION_FLOAT32);
  ck_assert_uint_eq(info.dim, DIM);
  ck_assert_uint_eq(info.classes, 10);
  ck_assert_uint_eq(info.parameters, 61706);
  ck_assert_uint_eq(info.trained, 0);
  ck_assert_uint_eq(strspn(info.fingerprint, "0123456789abcdef"), 64);
  ck_assert_str_eq(info.architecture, "lenet5");
  ck_assert_str_eq(info.layer, "f6");
  ck_assert_str_eq(info.recipe, "lenet");
  struct {
    recsys_model_info info;
    char tail[8];
  } larger = {.info.struct_size = sizeof larger, .tail = "xxxxxxx"};
  ok(recsys_model_get_info(model, &larger.info, &error));
  ck_assert_mem_eq(larger.tail, "\0\0\0\0\0\0\0\0", 8);
  recsys_model_info old = {.struct_size = 16};
  ok(recsys_model_get_info(model, &old, &error));
  ck_assert_uint_eq(old.dim, DIM);
  ck_assert_uint_eq(old.classes, 0);
  old.struct_size = 4;
  expect(recsys_model_get_info(model, &old, &error), RECSYS_EINVAL, "struct_size");
  expect(recsys_model_get_info(NULL, &old, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_get_info(model, NULL, &error), RECSYS_EINVAL, "info");
  recsys_model_close(model);
  recsys_model_close(NULL);
}
END_TEST

static void keep_message(void *user, int32_t level, const char *message) {
  ck_assert_int_eq(level, RECSYS_LOG_INFO);
  snprintf(user, 200, "%s", message);
}

START_TEST(logs_what_runs) {
  char message[200] = "";
  recsys_model *model;
  recsys_model_options options = usual();
  options.log = keep_message;
  options.log_user = message;
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  ck_assert_int_eq(strncmp(message, "lenet5 runs on cpu in float32 (", 31), 0);
  recsys_model_close(model);
}
END_TEST

static void expect_text(json_t *object, const char *key, const char *value) {
  ck_assert_msg(json_is_string(json_object_get(object, key)), "no text '%s'", key);
  ck_assert_str_eq(json_string_value(json_object_get(object, key)), value);
}

START_TEST(describes) {
  recsys_model *model = create();
  static char text[20000];
  char small[10];
  size_t length = 0, again = 0;
  ok(recsys_model_describe(model, text, sizeof text, &length, &error));
  ck_assert_uint_eq(strlen(text), length);
  ok(recsys_model_describe(model, small, sizeof small, &again, &error));
  ck_assert_uint_eq(length, again);
  ck_assert_int_eq(strncmp(small, text, 9), 0);
  ok(recsys_model_describe(model, NULL, 0, &again, &error));
  json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *engine = json_object_get(object, "engine");
  expect_text(object, "architecture", "lenet5");
  expect_text(object, "precision", "float32");
  expect_text(object, "precision_why", "auto: this processor or engine has no fast bfloat16");
  expect_text(engine, "name", "fake");
  expect_text(engine, "version", "0.9");
  expect_text(engine, "device", "cpu");
  ck_assert_int_eq(json_integer_value(json_object_get(engine, "batch")), 4);
  ck_assert_int_eq(json_integer_value(json_object_get(object, "threads")), 2);
  json_t *layer;
  size_t i, found = 0;
  json_array_foreach(json_object_get(object, "layers"), i,
                     layer) if (strcmp(json_string_value(json_object_get(layer, "name")), "f6") == 0) {
    found++;
    ck_assert_int_eq(json_integer_value(json_object_get(layer, "size")), 84);
  }
  ck_assert_uint_eq(found, 1);
  json_decref(object);
  expect(recsys_model_describe(NULL, text, sizeof text, &length, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_describe(model, NULL, 5, &length, &error), RECSYS_EINVAL, "buffer");
  expect(recsys_model_get_class_name(model, 0, text, sizeof text, &length, &error), RECSYS_ENOTFOUND, "class names");
  expect(recsys_model_get_class_name(model, 10, text, sizeof text, &length, &error), RECSYS_EINVAL, "class 10");
  expect(recsys_model_get_class_name(NULL, 0, text, sizeof text, &length, &error), RECSYS_EINVAL, "model");
  recsys_model_close(model);
}
END_TEST

/* ---- pictures to rows ---- */

START_TEST(embeds) {
  recsys_model *model = create();
  ok(recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error));
  for (int i = 0; i < MANY; i++) {
    ck_assert_int_eq(statuses[i], RECSYS_OK);
    expect_row(i, expected(grey_of(i)));
  }
  memset(rows, 0, sizeof rows);
  ck_assert_int_eq(recsys_model_embed(model, images + 3, 1, NULL, rows, NULL, NULL), RECSYS_OK);
  expect_row(0, expected(grey_of(3)));
  recsys_model_close(model);
}
END_TEST

START_TEST(broken_pictures_do_not_lose_a_batch) {
  recsys_model *model = create();
  images[1] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = in_folder("missing.jpg")};
  images[2] = (recsys_image){.kind = RECSYS_IMAGE_BYTES, .data = "no picture", .size = 10};
  images[4].width = 0;
  images[5].crop_x = SIDE;
  images[5].crop_width = images[5].crop_height = 1;
  images[6].kind = 77;
  images[7] = (recsys_image){.kind = RECSYS_IMAGE_FILE};
  images[9].stride = 1;
  expect(recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error), RECSYS_EPARTIAL, "picture 1: ");
  ck_assert_int_eq(error.detail, 1);
  ck_assert_ptr_nonnull(strstr(error.message, "missing.jpg"));
  /* Good ones stand before and after broken ones; one inner batch of four is broken altogether. */
  const recsys_status wanted[MANY] = {
      [1] = RECSYS_ENOTFOUND, [2] = RECSYS_EFORMAT, [4] = RECSYS_EINVAL, [5] = RECSYS_EINVAL,
      [6] = RECSYS_EINVAL,    [7] = RECSYS_EINVAL,  [9] = RECSYS_EINVAL};
  for (int i = 0; i < MANY; i++) {
    ck_assert_msg(statuses[i] == wanted[i], "picture %d: %s", i, recsys_status_name(statuses[i]));
    expect_row(i, wanted[i] == RECSYS_OK ? expected(grey_of(i)) : 0);
  }
  /* All of them broken: the engine is not asked at all. */
  setenv("RECSYS_FAKE", "run-error", 1);
  expect(recsys_model_embed(model, images + 4, 4, NULL, rows, NULL, &error), RECSYS_EPARTIAL, "picture 0: ");
  recsys_model_close(model);
}
END_TEST

START_TEST(limits_hold) {
  recsys_model *model;
  recsys_model_options options = usual();
  options.max_pixels = SIDE * SIDE - 1;
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  expect(recsys_model_embed(model, images, 1, NULL, rows, statuses, &error), RECSYS_EPARTIAL, "picture 0: ");
  ck_assert_int_eq(statuses[0], RECSYS_ELIMIT);
  recsys_model_close(model);
}
END_TEST

START_TEST(classifies) {
  recsys_model *model = create();
  ok(recsys_model_classify(model, images, MANY, NULL, rows, statuses, &error));
  for (int i = 0; i < MANY * 10; i++)
    ck_assert_float_eq_tol(rows[i], 0.1f, 1e-6f);
  recsys_model_close(model);
}
END_TEST

START_TEST(impossible_arguments) {
  recsys_model *model = create();
  recsys_embed_options options = {.struct_size = sizeof options};
  expect(recsys_model_embed(NULL, images, 1, NULL, rows, NULL, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_embed(model, NULL, 1, NULL, rows, NULL, &error), RECSYS_EINVAL, "images");
  expect(recsys_model_embed(model, images, 1, NULL, NULL, NULL, &error), RECSYS_EINVAL, "output");
  expect(recsys_model_classify(model, images, 1, NULL, NULL, NULL, &error), RECSYS_EINVAL, "recsys_model_classify");
  expect(recsys_model_embed(model, images, SIZE_MAX / 8, NULL, rows, NULL, &error), RECSYS_EINVAL, "memory");
  ok(recsys_model_embed(model, NULL, 0, NULL, NULL, NULL, &error));
  options.flags = 1;
  expect(recsys_model_embed(model, images, 1, &options, rows, NULL, &error), RECSYS_EUNSUPPORTED, "flags");
  options.struct_size = 2;
  expect(recsys_model_embed(model, images, 1, &options, rows, NULL, &error), RECSYS_EINVAL, "embed options");
  recsys_model_close(model);
}
END_TEST

/* ---- progress and failures on the way ---- */

typedef struct progress {
  uint64_t calls, done, total, stop_after;
  pthread_t thread;
} progress;

static int note(void *user, const char *phase, uint64_t done, uint64_t total) {
  progress *p = user;
  ck_assert_str_eq(phase, "embed");
  ck_assert(pthread_equal(p->thread, pthread_self()));
  ck_assert_uint_gt(done, p->done);
  p->calls++;
  p->done = done;
  p->total = total;
  return p->calls == p->stop_after;
}

START_TEST(reports_progress) {
  recsys_model *model = create();
  progress p = {.thread = pthread_self()};
  recsys_embed_options options = {.struct_size = sizeof options, .progress = note, .progress_user = &p};
  ok(recsys_model_embed(model, images, MANY, &options, rows, NULL, &error));
  ck_assert_uint_eq(p.calls, 3);
  ck_assert_uint_eq(p.done, MANY);
  ck_assert_uint_eq(p.total, MANY);
  recsys_model_close(model);
}
END_TEST

static void expect_first_batch_only(recsys_status reason) {
  for (int i = 0; i < MANY; i++) {
    ck_assert_int_eq(statuses[i], i < 4 ? RECSYS_OK : reason);
    expect_row(i, i < 4 ? expected(grey_of(i)) : 0);
  }
}

START_TEST(cancels) {
  recsys_model *model = create();
  progress p = {.thread = pthread_self(), .stop_after = 1};
  recsys_embed_options options = {.struct_size = sizeof options, .progress = note, .progress_user = &p};
  expect(recsys_model_embed(model, images, MANY, &options, rows, statuses, &error), RECSYS_ECANCELLED, "4 of 11");
  expect_first_batch_only(RECSYS_ECANCELLED);
  recsys_model_close(model);
}
END_TEST

START_TEST(engine_fails_on_the_way) {
  recsys_model *model = create();
  setenv("RECSYS_FAKE", "run-error:2", 1);
  expect(recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error), RECSYS_EENGINE, "framework failed");
  expect_first_batch_only(RECSYS_EENGINE);
  setenv("RECSYS_FAKE", "run-memory", 1);
  expect(recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error), RECSYS_ENOMEM, "no memory");
  unsetenv("RECSYS_FAKE");
  ok(recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error));
  recsys_model_close(model);
}
END_TEST

static void *embed_often(void *context) {
  float own[MANY * DIM];
  for (int turn = 0; turn < 10; turn++) {
    if (recsys_model_embed(context, images, MANY, NULL, own, NULL, NULL) != RECSYS_OK)
      return NULL;
    for (int i = 0; i < MANY; i++)
      if (fabsf(own[i * DIM] - expected(grey_of(i))) > 1e-5f)
        return NULL;
  }
  return context;
}

/* The fake engine fails when two calls are inside it. */
START_TEST(one_call_at_a_time) {
  recsys_model *model = create();
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, embed_often, model), 0);
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    ck_assert_ptr_eq(result, model);
  }
  recsys_model_close(model);
}
END_TEST

START_TEST(fork_is_noticed) {
  recsys_model *model = create();
  pid_t child = fork();
  if (child == 0) {
    recsys_model_info info = {.struct_size = sizeof info};
    recsys_model_options options = usual();
    if (recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error) != RECSYS_EFORKED)
      _exit(2);
    if (recsys_model_get_info(model, &info, &error) != RECSYS_OK || info.dim != DIM)
      _exit(3);
    recsys_model_close(model);
    if (!threads_after_fork)
      _exit(0);
    if (recsys_model_create(&model, "lenet5", &options, &error) != RECSYS_OK ||
        recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error) != RECSYS_OK)
      _exit(4);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 0);
  recsys_model_close(model);
}
END_TEST

/* ---- precision ---- */

static void expect_precision(const char *fake, uint32_t precision, const char *why) {
  recsys_model *model;
  recsys_model_options options = usual();
  static char text[20000];
  setenv("RECSYS_FAKE", fake, 1);
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  ck_assert_uint_eq(info_of(model).precision, precision);
  ok(recsys_model_describe(model, text, sizeof text, NULL, &error));
  ck_assert_msg(strstr(text, why) != NULL, "no \"%s\" in %.600s", why, text);
  recsys_model_close(model);
}

START_TEST(bfloat16_where_fast_and_right) {
  expect_precision("bfloat16", RECSYS_PRECISION_BFLOAT16, "times as fast as float32");
  expect_precision("bfloat16-wrong", RECSYS_PRECISION_FLOAT32, "too far off");
  expect_precision("bfloat16-slow", RECSYS_PRECISION_FLOAT32, "too little gain");
  expect_precision("bfloat16-broken", RECSYS_PRECISION_FLOAT32, "failed to run");
  unsetenv("RECSYS_FAKE");
  recsys_model *model;
  recsys_model_options options = usual();
  options.precision = RECSYS_PRECISION_BFLOAT16;
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  ck_assert_uint_eq(info_of(model).precision, RECSYS_PRECISION_BFLOAT16);
  recsys_model_close(model);
}
END_TEST

/* ---- memory ---- */

static recsys_status create_and_embed(const char *path) {
  recsys_model *model;
  recsys_model_options options = usual();
  options.threads = 1;
  recsys_status status = path != NULL ? recsys_model_open(&model, path, &options, &error)
                                      : recsys_model_create(&model, "lenet5", &options, &error);
  if (status != RECSYS_OK) {
    ck_assert_ptr_null(model);
    return status;
  }
  status = recsys_model_embed(model, images, MANY, NULL, rows, statuses, &error);
  if (status == RECSYS_OK)
    status = recsys_model_save(model, in_folder("again.safetensors"), &error);
  recsys_model_close(model);
  if (status != RECSYS_EPARTIAL)
    return status;
  for (int i = 0; i < MANY; i++)
    ck_assert(statuses[i] == RECSYS_OK || statuses[i] == RECSYS_ENOMEM);
  return RECSYS_ENOMEM;
}

/* The n-th allocation fails, alone or with all later ones, for every n until all succeed: memory is short, and nothing
 * else goes wrong. Alone it may be harmless: growing a table tries a smaller size next. */
static void fail_each_allocation(const char *path) {
  size_t failures = 0, harmless = 0;
  for (size_t n = 1;; n++) {
    recsys__fail_allocation(n, false);
    recsys_status once = create_and_embed(path);
    recsys__fail_allocation(n, true);
    recsys_status status = create_and_embed(path);
    recsys__fail_allocation(0, false);
    ck_assert_msg(once == RECSYS_ENOMEM || once == RECSYS_OK, "allocation %zu: %s", n, recsys_status_name(once));
    harmless += once == RECSYS_OK;
    if (status == RECSYS_OK)
      break;
    ck_assert_msg(status == RECSYS_ENOMEM, "allocation %zu: %s: %s", n, recsys_status_name(status), error.message);
    ck_assert_uint_lt(++failures, 5000);
  }
  ck_assert_uint_ge(failures, 30);
  ck_assert_uint_lt(harmless, failures / 2);
}

START_TEST(allocation_fails) {
  fail_each_allocation(NULL);
  recsys_model *model = create();
  char path[128];
  strcpy(path, in_folder("m.safetensors"));
  ok(recsys_model_save(model, path, &error));
  recsys_model_close(model);
  fail_each_allocation(path);
}
END_TEST

int main(void) {
  TCase *model = tcase_create("model");
  tcase_add_checked_fixture(model, set_up, tear_down);
  tcase_add_test(model, tells_facts);
  tcase_add_test(model, logs_what_runs);
  tcase_add_test(model, describes);
  tcase_add_test(model, embeds);
  tcase_add_test(model, broken_pictures_do_not_lose_a_batch);
  tcase_add_test(model, limits_hold);
  tcase_add_test(model, classifies);
  tcase_add_test(model, impossible_arguments);
  tcase_add_test(model, reports_progress);
  tcase_add_test(model, cancels);
  tcase_add_test(model, engine_fails_on_the_way);
  tcase_add_test(model, one_call_at_a_time);
  tcase_add_test(model, fork_is_noticed);
  tcase_add_test(model, bfloat16_where_fast_and_right);
  tcase_add_test(model, allocation_fails);
  Suite *suite = suite_create("model");
  suite_add_tcase(suite, model);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
