/* Training with impossible input, full disks, no memory, a failing engine and damaged files. */
#include "training.h"

/* ---- what is impossible ---- */

START_TEST(impossible_arguments) {
  recsys_model *model = open_base(1, NULL);
  const char *path = in_folder("m");
  recsys_train_options options = usual();
  recsys_label bad[LABELS];
  expect(recsys_model_train(NULL, path, images, N, labels, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "model");
  expect(recsys_model_train(model, NULL, images, N, labels, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "path");
  expect(recsys_model_train(model, path, NULL, N, labels, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "images");
  expect(recsys_model_train(model, path, images, N, NULL, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "labels");
  expect(recsys_model_train(model, path, images, N, labels, LABELS, NULL, NULL, NULL, &error), RECSYS_EINVAL, "matrix");
  expect(recsys_model_train(model, path, images, 1, labels, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "2");
  expect(recsys_model_train(model, path, images, N, labels, 0, matrix, NULL, NULL, &error), RECSYS_EINVAL, "0 labels");
  expect(recsys_model_train(model, path, images, N, labels, 2000000, matrix, NULL, NULL, &error), RECSYS_ELIMIT,
         "labels");
#define BAD_OPTION(field, value, status, part)                                                                         \
  options = usual();                                                                                                   \
  options.field = value;                                                                                               \
  expect(train(model, path, &options), status, part)
  BAD_OPTION(flags, 64, RECSYS_EUNSUPPORTED, "flags");
  BAD_OPTION(optimiser, 9, RECSYS_EUNSUPPORTED, "optimiser");
  BAD_OPTION(schedule, 9, RECSYS_EUNSUPPORTED, "schedule");
  BAD_OPTION(hidden, -2, RECSYS_EINVAL, "hidden");
  BAD_OPTION(hidden, 100000, RECSYS_EINVAL, "hidden");
  BAD_OPTION(dropout, 1, RECSYS_EINVAL, "dropout");
  BAD_OPTION(dropout, NAN, RECSYS_EINVAL, "dropout");
  BAD_OPTION(momentum, 1, RECSYS_EINVAL, "momentum");
  BAD_OPTION(validation, 1, RECSYS_EINVAL, "validation");
  BAD_OPTION(learning_rate, INFINITY, RECSYS_EINVAL, "learning_rate");
  BAD_OPTION(folds, 1, RECSYS_EINVAL, "folds");
  BAD_OPTION(learning_rate, 1e5, RECSYS_EINVAL, "no longer finite");
  BAD_OPTION(fine_tune_blocks, 50, RECSYS_EINVAL, "fine_tune_blocks is 50");
  options.folds = 2;
  expect(train(model, path, &options), RECSYS_EINVAL, "folds");
  memcpy(bad, labels, sizeof bad);
  bad[1].field = "third";
  expect(recsys_model_train(model, path, images, N, bad, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "agree");
  bad[1] = (recsys_label){"other", "x", 0, 0};
  bad[2] = (recsys_label){"is", "y", 0, 0};
  expect(recsys_model_train(model, path, images, N, bad, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL,
         "together");
  memcpy(bad, labels, sizeof bad);
  bad[1].value = "high";
  expect(recsys_model_train(model, path, images, N, bad, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "twice");
  bad[1].value = "";
  expect(recsys_model_train(model, path, images, N, bad, LABELS, matrix, NULL, NULL, &error), RECSYS_EINVAL, "value");
  ck_assert_int_eq(files_in(folder), 0);
  recsys_model_close(model);
}
END_TEST

START_TEST(impossible_labels) {
  recsys_model *model = open_base(1, NULL);
  const char *path = in_folder("m");
  recsys_train_options options = usual();
  matrix[2] = 5;
  expect(train(model, path, &options), RECSYS_EINVAL, "5 for label 2");
  matrix[2] = matrix[3] = 1;
  expect(train(model, path, &options), RECSYS_EINVAL, "exclusive");
  matrix[2] = matrix[3] = matrix[4] = 0;
  for (int i = 0; i < N; i++)
    matrix[i * LABELS] = i % 3 ? 0 : RECSYS_LABEL_UNKNOWN;
  expect(train(model, path, &options), RECSYS_EINVAL, "is = high");
  for (int i = 0; i < N; i++)
    matrix[i * LABELS] = 1;
  expect(train(model, path, &options), RECSYS_EINVAL, "nothing to tell apart");
  expect(recsys_model_train(model, path, images, N, labels + 2, 1, matrix, &options, NULL, &error), RECSYS_EINVAL,
         "one label only");
  ck_assert_int_eq(files_in(folder), 0);
  recsys_model_close(model);
}
END_TEST

START_TEST(untrained_models_have_no_report) {
  recsys_model *model = open_base(1, NULL);
  recsys_label_metrics m[16];
  size_t length = 9;
  expect(recsys_model_get_metrics(model, m, &error), RECSYS_ENOTFOUND, "recsys_model_train");
  expect(recsys_model_get_report(model, NULL, 0, &length, &error), RECSYS_ENOTFOUND, "recsys_model_train");
  ck_assert_uint_eq(length, 0);
  expect(recsys_model_get_class_field(model, 0, NULL, 0, NULL, NULL, &error), RECSYS_ENOTFOUND, "");
  expect(recsys_model_evaluate(model, images, N, matrix, NULL, m, NULL, &error), RECSYS_ENOTFOUND, "");
  expect(recsys_model_evaluate(model, images, N, matrix, NULL, NULL, NULL, &error), RECSYS_EINVAL, "metrics");
  expect(recsys_model_get_metrics(NULL, m, &error), RECSYS_EINVAL, "model");
  recsys_model_close(model);
}
END_TEST

/* ---- faults ---- */

START_TEST(a_full_disk_leaves_what_was_there) {
  recsys_model *model = open_base(1, NULL);
  const char *path = in_folder("m");
  recsys_train_options options = usual();
  size_t failures = 0;
  options.epochs = 2;
  options.checkpoint = -1;
  write_old(path);
  for (size_t at = 1;; at++) {
    recsys__fail_file(at, ENOSPC);
    recsys_status status = train(model, path, &options);
    if (recsys__fail_file(0, 0) < at)
      break;
    if (status == RECSYS_OK) { /* reading an epoch file that is not there, or syncing a folder */
      write_old(path);
      continue;
    }
    ck_assert_msg(status == RECSYS_EFULL || status == RECSYS_EIO, "%s: %s", recsys_status_name(status), error.message);
    expect_old(path);
    failures++;
  }
  ck_assert_uint_ge(failures, 10); /* create, write, fsync, rename: of two epoch files and the model */
  recsys_model_close(model);
}
END_TEST

START_TEST(memory_failures) {
  recsys_model *model = open_base(1, NULL);
  const char *path = in_folder("m");
  recsys_train_options options = usual();
  size_t failures = 0;
  options.epochs = 1;
  options.hidden = 4;
  write_old(path);
  for (size_t at = 1;; at += 1 + at / 40) {
    recsys__fail_allocation(at, false);
    recsys_status status = train(model, path, &options);
    if (recsys__fail_allocation(0, false) < at)
      break;
    ck_assert_msg(status == RECSYS_OK || status == RECSYS_ENOMEM || status == RECSYS_EPARTIAL, "%s: %s",
                  recsys_status_name(status), error.message);
    if (status != RECSYS_ENOMEM) { /* a picture's own memory, or an epoch file's that is not there */
      write_old(path);
      continue;
    }
    expect_old(path);
    failures++;
  }
  ck_assert_uint_ge(failures, 30);
  recsys_model_close(model);
}
END_TEST

START_TEST(the_engine_fails) {
  recsys_model *model = open_base(1, NULL);
  const char *path = in_folder("m");
  recsys_train_options options = usual();
  options.epochs = 2;
  setenv("RECSYS_FAKE", "run-error", 1);
  expect(train(model, path, &options), RECSYS_EENGINE, "the framework failed");
  setenv("RECSYS_FAKE", "backward-error", 1);
  options.fine_tune_blocks = 1;
  expect(train(model, path, &options), RECSYS_EENGINE, "the framework failed");
  unsetenv("RECSYS_FAKE");
  options.fine_tune_epochs = 2;
  ok(train(model, path, &options));
  recsys_model *trained = open_trained(path, NULL);
  json_t *report = report_of(trained);
  ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(report, "fine_tune"), "epochs")), 2);
  json_decref(report);
  recsys_model_close(trained);
  recsys_model_close(model);
}
END_TEST

/* Metadata of a trained model that was tampered with. */
START_TEST(damaged_heads) {
  static const char *const bad[][2] = {
      {"recsys.head", "{}"},
      {"recsys.head", "no JSON"},
      {"recsys.head", "{\"layer\": \"f6\", \"hidden\": 48, \"fields\": [{\"name\": \"is\", \"labels\": 99}]}"},
      {"recsys.head", "{\"layer\": \"f6\", \"hidden\": -4, \"fields\": [{\"name\": \"is\", \"labels\": 5}]}"},
      {"recsys.report", "{}"},
      {"recsys.report", "{\"labels\": [1, 2, 3, 4, 5]}"}};
  recsys_train_options options = usual();
  options.epochs = 1;
  recsys__tensors tensors = train_to(in_folder("m"), &options, 1);
  recsys_model_options how = {.struct_size = sizeof how, .engine = "fake", .engine_path = FAKES_DIR};
  for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
    struct recsys__metadata metadata[16];
    recsys_model *model;
    memcpy(metadata, tensors.metadata, tensors.metadata_count * sizeof *metadata);
    for (size_t i = 0; i < tensors.metadata_count; i++)
      if (strcmp(metadata[i].key, bad[b][0]) == 0)
        metadata[i].value = bad[b][1];
    ok(recsys__tensors_write(in_folder("bad"), tensors.list, tensors.count, metadata, tensors.metadata_count, &error));
    expect(recsys_model_open(&model, in_folder("bad"), &how, &error), RECSYS_EFORMAT, "damaged");
    ck_assert_ptr_null(model);
  }
  recsys__tensors_free(&tensors);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("training faults");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, impossible_arguments);
  tcase_add_test(tests, impossible_labels);
  tcase_add_test(tests, untrained_models_have_no_report);
  tcase_add_test(tests, a_full_disk_leaves_what_was_there);
  tcase_add_test(tests, memory_failures);
  tcase_add_test(tests, the_engine_fails);
  tcase_add_test(tests, damaged_heads);
  Suite *suite = suite_create("training faults");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
