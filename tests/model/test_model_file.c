/* Model files: saved and opened again, fingerprints, and everything that may be wrong with one. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/safetensors.h"
#include "nn/net.h"
#include "recsys.h"

static recsys_error error;
static recsys_model *model;
static char folder[64], path[128];

static void expect(recsys_status status, recsys_status wanted, const char *part) {
  ck_assert_msg(status == wanted, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(wanted),
                error.message);
  ck_assert_int_eq(error.status, wanted);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static void ok(recsys_status status) {
  expect(status, RECSYS_OK, "");
}

static recsys_model_options usual(void) {
  return (recsys_model_options){.struct_size = sizeof(recsys_model_options),
                                .engine = "fake",
                                .engine_path = FAKES_DIR,
                                .classes = 10,
                                .seed = 7,
                                .threads = 1};
}

static void set_up(void) {
  strcpy(folder, "/tmp/recsys-file-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/model.safetensors", folder);
  unsetenv("RECSYS_FAKE");
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static recsys_model_info info_and_close(void) {
  recsys_model_info info = {.struct_size = sizeof info};
  ok(recsys_model_get_info(model, &info, &error));
  recsys_model_close(model);
  return info;
}

static void save_one(void) {
  recsys_model_options options = usual();
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  ok(recsys_model_save(model, path, &error));
  recsys_model_close(model);
}

/* LeNet-5's weights under these metadata; `classes` 0: without a classifier. */
static void write_file(const struct recsys__metadata *metadata, size_t count, uint64_t classes, float first) {
  recsys__net net;
  recsys__tensor list[16] = {0};
  ok(recsys__net_build(&net, "lenet5", classes, &error));
  ok(recsys__net_randomise(&net, 3, &error));
  for (uint32_t i = 0; i < net.network.weight_count; i++) {
    const recsys_weight *w = &net.network.weights[i];
    list[i] = (recsys__tensor){.name = w->name, .dtype = RECSYS__F32, .rank = w->rank, .data = w->data, .bytes = 4};
    for (uint32_t k = 0; k < w->rank; k++)
      list[i].bytes *= list[i].shape[k] = w->shape[k];
  }
  if (first != 0)
    *(float *)(uintptr_t)list[0].data = first;
  ok(recsys__tensors_write(path, list, net.network.weight_count, metadata, count, &error));
  recsys__net_free(&net);
}

static void expect_open_fails(const recsys_model_options *options, recsys_status status, const char *part) {
  recsys_model_options own = usual();
  model = (recsys_model *)&own;
  expect(recsys_model_open(&model, path, options != NULL ? options : &own, &error), status, part);
  ck_assert_ptr_null(model);
}

START_TEST(saved_and_opened) {
  recsys_model_options options = usual();
  options.layer = "c5";
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  ok(recsys_model_save(model, path, &error));
  recsys_model_info made = info_and_close();
  options.layer = NULL;
  ok(recsys_model_open(&model, path, &options, &error));
  recsys_model_info read = info_and_close();
  ck_assert_mem_eq(&made, &read, sizeof made);
  ck_assert_str_eq(read.layer, "c5");
  ck_assert_uint_eq(read.dim, 120);
  /* saved once more from the file, over itself: byte for byte the same */
  char copy[160], command[400];
  snprintf(copy, sizeof copy, "%s.copy", path);
  ok(recsys_model_open(&model, path, &options, &error));
  ok(recsys_model_save(model, copy, &error));
  ok(recsys_model_save(model, path, &error));
  recsys_model_close(model);
  snprintf(command, sizeof command, "cmp %s %s", path, copy);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

static void fingerprint(const recsys_model_options *options, const char *architecture, char hex[72]) {
  ok(recsys_model_create(&model, architecture, options, &error));
  memcpy(hex, info_and_close().fingerprint, 72);
}

/* Weights, architecture, layer and recipe count; precision, threads and engine do not. */
START_TEST(fingerprints) {
  char first[72], other[72];
  recsys_model_options options = usual();
  fingerprint(&options, "lenet5", first);
  fingerprint(&options, "lenet5", other);
  ck_assert_str_eq(first, other);
  options.precision = RECSYS_PRECISION_BFLOAT16;
  options.threads = 2;
  fingerprint(&options, "lenet5", other);
  ck_assert_str_eq(first, other);
  options.seed = 8;
  fingerprint(&options, "lenet5", other);
  ck_assert_str_ne(first, other);
  options = usual();
  options.layer = "c5";
  fingerprint(&options, "lenet5", other);
  ck_assert_str_ne(first, other);
  options = usual();
  fingerprint(&options, "squeezenet1_1", first);
  options.recipe = "caffe";
  fingerprint(&options, "squeezenet1_1", other);
  ck_assert_str_ne(first, other);
}
END_TEST

START_TEST(foreign_files) {
  recsys_model_options options = usual();
  write_file(NULL, 0, 10, 0);
  ok(recsys_model_open(&model, path, &options, &error));
  recsys_model_info info = info_and_close();
  ck_assert_str_eq(info.architecture, "lenet5");
  ck_assert_uint_eq(info.trained, 1);
  ck_assert_uint_eq(info.classes, 10);
  const struct recsys__metadata plain[] = {{"architecture", "lenet5"}, {"recipe", "lenet: as in the paper"}};
  write_file(plain, 2, 10, 0);
  ok(recsys_model_open(&model, path, &options, &error));
  ck_assert_str_eq(info_and_close().recipe, "lenet");
}
END_TEST

START_TEST(without_classifier) {
  recsys_model_options options = usual();
  recsys_image image = {0};
  float scores[10];
  write_file(NULL, 0, 0, 0);
  ok(recsys_model_open(&model, path, &options, &error));
  expect(recsys_model_classify(model, &image, 1, NULL, scores, NULL, &error), RECSYS_EUNSUPPORTED, "no classifier");
  ck_assert_uint_eq(info_and_close().classes, 0);
}
END_TEST

START_TEST(class_names) {
  recsys_model_options options = usual();
  const struct recsys__metadata metadata[] = {
      {"recsys.class_names", "[\"zero\",\"\\u00e9in\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"nine\"]"}};
  char name[20];
  size_t length;
  write_file(metadata, 1, 10, 0);
  ok(recsys_model_open(&model, path, &options, &error));
  ok(recsys_model_save(model, path, &error));
  recsys_model_close(model);
  ok(recsys_model_open(&model, path, &options, &error));
  ok(recsys_model_get_class_name(model, 1, name, sizeof name, &length, &error));
  ck_assert_str_eq(name, "\xc3\xa9in");
  ck_assert_uint_eq(length, 4);
  ok(recsys_model_get_class_name(model, 9, name, 3, &length, &error));
  ck_assert_str_eq(name, "ni");
  expect(recsys_model_get_class_name(model, 10, name, sizeof name, &length, &error), RECSYS_EINVAL, "class 10");
  recsys_model_close(model);
}
END_TEST

START_TEST(wrong_metadata) {
  static const struct {
    struct recsys__metadata metadata;
    recsys_status status;
    const char *part;
  } cases[] = {{{"recsys.format", "5"}, RECSYS_EVERSION, "format 5"},
               {{"recsys.quantization", "{}"}, RECSYS_EFORMAT, "recsys.quantization"},
               {{"recsys.quantization", "{\"layers\": {\"c3.weight\": [1, -1]}}"}, RECSYS_EFORMAT, "layer 'c3.weight'"},
               {{"recsys.architecture", "transformer"}, RECSYS_EUNSUPPORTED, "transformer"},
               {{"recsys.architecture", "alexnet"}, RECSYS_EMISMATCH, "alexnet"},
               {{"recsys.layer", "fc7"}, RECSYS_ENOTFOUND, "fc7"},
               {{"recsys.recipe", "grandma's"}, RECSYS_EINVAL, "grandma's"},
               {{"recsys.recipe", "keras"}, RECSYS_EINVAL, "channel"},
               {{"recsys.class_names", "[\"one\"]"}, RECSYS_EFORMAT, "1 class names for 10"},
               {{"recsys.class_names", "[1]"}, RECSYS_EFORMAT, "class name 0"},
               {{"recsys.class_names", "{"}, RECSYS_EFORMAT, "JSON array"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_file(&cases[i].metadata, 1, 10, 0);
    expect_open_fails(NULL, cases[i].status, cases[i].part);
  }
}
END_TEST

START_TEST(damaged_files) {
  expect_open_fails(NULL, RECSYS_ENOTFOUND, path);
  write_file(NULL, 0, 10, NAN);
  expect_open_fails(NULL, RECSYS_EFORMAT, "c1.weight");
  write_file(NULL, 0, 10, 0);
  ck_assert_int_eq(truncate(path, 1000), 0);
  expect_open_fails(NULL, RECSYS_EFORMAT, path);
  ck_assert_int_eq(truncate(path, 0), 0);
  expect_open_fails(NULL, RECSYS_EFORMAT, path);
  expect(recsys_model_open(&model, folder, NULL, &error), RECSYS_EFORMAT, folder);
}
END_TEST

START_TEST(wrong_options) {
  save_one();
  recsys_model_options options = usual();
  options.flags = 64;
  expect_open_fails(&options, RECSYS_EUNSUPPORTED, "flags");
  options = usual();
  options.precision = 9;
  expect_open_fails(&options, RECSYS_EUNSUPPORTED, "precision 9");
  options = usual();
  options.isolation = 2;
  expect_open_fails(&options, RECSYS_EUNSUPPORTED, "isolation 2");
  options = usual();
  options.threads = 1000000;
  expect_open_fails(&options, RECSYS_EINVAL, "1000000");
  options = usual();
  options.struct_size = 3;
  expect_open_fails(&options, RECSYS_EINVAL, "model options");
  options = usual();
  options.architecture = "vgg17";
  expect_open_fails(&options, RECSYS_EINVAL, "vgg17");
  options = usual();
  options.layer = "nosuch";
  expect_open_fails(&options, RECSYS_ENOTFOUND, "nosuch");
  options = usual();
  options.recipe = "nosuch";
  expect_open_fails(&options, RECSYS_EINVAL, "nosuch");
  options = usual();
  options.engine = "no/such";
  expect_open_fails(&options, RECSYS_EINVAL, "no/such");
  options = usual();
  options.engine_path = "/nonexistent";
  expect_open_fails(&options, RECSYS_ENOENGINE, "/nonexistent");
  setenv("RECSYS_FAKE", "load-error", 1);
  expect_open_fails(NULL, RECSYS_EUNSUPPORTED, "operation 7");
  setenv("RECSYS_FAKE", "load-memory", 1);
  expect_open_fails(NULL, RECSYS_ENOMEM, "no memory");
}
END_TEST

START_TEST(impossible_arguments) {
  recsys_model_options options = usual();
  expect(recsys_model_open(NULL, path, NULL, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_open(&model, NULL, NULL, &error), RECSYS_EINVAL, "path");
  expect(recsys_model_create(NULL, "lenet5", NULL, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_create(&model, NULL, NULL, &error), RECSYS_EINVAL, "architecture");
  expect(recsys_model_create(&model, "vgg17", &options, &error), RECSYS_EINVAL, "vgg17");
  ck_assert_ptr_null(model);
  options.classes = 1ull << 40;
  expect(recsys_model_create(&model, "lenet5", &options, &error), RECSYS_EINVAL, "classes");
  expect(recsys_model_save(NULL, path, &error), RECSYS_EINVAL, "model");
  options = usual();
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  expect(recsys_model_save(model, NULL, &error), RECSYS_EINVAL, "path");
  expect(recsys_model_save(model, "/nonexistent/m", &error), RECSYS_ENOTFOUND, "/nonexistent/m");
  recsys_model_close(model);
}
END_TEST

/* The weights are read again for saving: a file that has changed meanwhile is noticed. */
START_TEST(source_changed) {
  recsys_model_options options = usual();
  char copy[160];
  snprintf(copy, sizeof copy, "%s.copy", path);
  save_one();
  ok(recsys_model_open(&model, path, &options, &error));
  write_file(NULL, 0, 10, 0);
  expect(recsys_model_save(model, copy, &error), RECSYS_EMISMATCH, "other weights");
  unlink(path);
  expect(recsys_model_save(model, copy, &error), RECSYS_ENOTFOUND, path);
  ck_assert_int_ne(access(copy, F_OK), 0);
  recsys_model_close(model);
}
END_TEST

int main(void) {
  TCase *file = tcase_create("file");
  tcase_add_checked_fixture(file, set_up, tear_down);
  tcase_add_test(file, saved_and_opened);
  tcase_add_test(file, fingerprints);
  tcase_add_test(file, foreign_files);
  tcase_add_test(file, without_classifier);
  tcase_add_test(file, class_names);
  tcase_add_test(file, wrong_metadata);
  tcase_add_test(file, damaged_files);
  tcase_add_test(file, wrong_options);
  tcase_add_test(file, impossible_arguments);
  tcase_add_test(file, source_changed);
  Suite *suite = suite_create("file");
  suite_add_tcase(suite, file);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
