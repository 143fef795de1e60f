/* Distilling, and several models as one. */
#include "training.h"

/* ---- distilling ---- */

START_TEST(distils) {
  recsys_model *student, *teacher = open_base(1, NULL), *taught;
  recsys_model_options options = {
      .struct_size = sizeof options, .engine = "fake", .engine_path = FAKES_DIR, .threads = 1, .recipe = "mini"};
  recsys_train_options how = {
      .struct_size = sizeof how, .epochs = 2, .learning_rate = 0.01, .flags = RECSYS_TRAIN_HALF};
  recsys_model_info info = {.struct_size = sizeof info};
  ok(recsys_model_create(&student, "mini", &options, &error));
  ok(recsys_model_distill(student, teacher, in_folder("m"), images, N, &how, statuses, &error));
  taught = open_trained(in_folder("m"), NULL);
  ok(recsys_model_get_info(taught, &info, &error));
  ck_assert_str_eq(info.architecture, "mini");
  ck_assert_uint_eq(info.dim, 1008);
  ck_assert_uint_eq(info.classes, 0);
  ck_assert_uint_eq(info.trained, 1);
  expect(recsys_model_distill(student, student, in_folder("m"), images, N, &how, statuses, &error), RECSYS_EINVAL,
         "itself");
  expect(recsys_model_distill(student, NULL, in_folder("m"), images, N, &how, statuses, &error), RECSYS_EINVAL,
         "teacher");
  recsys_model *flat = open_base(1, "avgpool");
  ok(recsys_model_distill(flat, teacher, in_folder("m"), images, N, &how, statuses, &error)); /* any layer will do */
  recsys_model_close(flat);
  recsys_model_close(student);
  recsys_model_close(teacher);
  recsys_model_close(taught);
}
END_TEST

/* ---- ensembles ---- */

static double cosine(const float *a, const float *b, size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t k = 0; k < n; k++) {
    ab += (double)a[k] * b[k];
    aa += (double)a[k] * a[k];
    bb += (double)b[k] * b[k];
  }
  return ab / sqrt(aa * bb);
}

static double length(const float *row, size_t n) {
  double sum = 0;
  for (size_t k = 0; k < n; k++)
    sum += (double)row[k] * row[k];
  return sqrt(sum);
}

START_TEST(ensembles_join_rows) {
  enum { SOME = 7 };
  recsys_model *f6 = open_base(1, NULL), *c5 = open_base(1, "c5"), *both, *parts[2] = {f6, c5};
  recsys_model_info info = {.struct_size = sizeof info}, left = info, right = info;
  const double weights[2] = {3, 1};
  static float a[SOME * 84], b[SOME * 120], joined[SOME * 204];
  static float scores[SOME * 10], own[SOME * 10];
  ok(recsys_model_combine(&both, parts, weights, 2, &error));
  ok(recsys_model_get_info(both, &info, &error));
  ok(recsys_model_get_info(f6, &left, &error));
  ok(recsys_model_get_info(c5, &right, &error));
  ck_assert_uint_eq(info.dim, left.dim + right.dim);
  ck_assert_uint_eq(info.classes, 10);
  ck_assert_uint_eq(info.parameters, left.parameters + right.parameters);
  ck_assert_str_eq(info.architecture, "ensemble");
  ck_assert_str_ne(info.fingerprint, left.fingerprint);
  images[3] = (recsys_image){.kind = RECSYS_IMAGE_BYTES, .data = "nothing", .size = 7};
  expect(recsys_model_embed(f6, images, SOME, NULL, a, statuses, &error), RECSYS_EPARTIAL, "picture 3");
  expect(recsys_model_embed(c5, images, SOME, NULL, b, statuses, &error), RECSYS_EPARTIAL, "picture 3");
  recsys_model_close(f6);
  recsys_model_close(c5); /* it keeps what it needs */
  expect(recsys_model_embed(both, images, SOME, NULL, joined, statuses, &error), RECSYS_EPARTIAL, "picture 3");
  ck_assert_int_eq(statuses[3], RECSYS_EFORMAT);
  for (int k = 0; k < 204; k++)
    ck_assert(joined[3 * 204 + k] == 0);
  ck_assert_double_eq_tol(cosine(joined, joined + 204, 204),
                          0.75 * cosine(a, a + 84, 84) + 0.25 * cosine(b, b + 120, 120), 1e-6);
  ck_assert_double_eq_tol(length(joined, 84), sqrt(0.75), 1e-6); /* unit vectors times the root of the weight */
  ck_assert_double_eq_tol(length(joined + 84, 120), sqrt(0.25), 1e-6);
  expect(recsys_model_classify(both, images, SOME, NULL, scores, NULL, &error), RECSYS_EPARTIAL, "");
  f6 = open_base(1, NULL);
  expect(recsys_model_classify(f6, images, SOME, NULL, own, NULL, &error), RECSYS_EPARTIAL, "");
  for (int k = 0; k < SOME * 10; k++)
    ck_assert_float_eq_tol(scores[k], own[k], 1e-6); /* the parts see the same */
  expect(recsys_model_save(both, in_folder("e"), &error), RECSYS_EUNSUPPORTED, "save it");
  recsys_train_options options = usual();
  expect(train(both, in_folder("m"), &options), RECSYS_EUNSUPPORTED, "train its parts");
  recsys_model *again;
  expect(recsys_model_combine(&again, &both, NULL, 1, &error), RECSYS_EINVAL, "an ensemble itself");
  ck_assert_ptr_null(again);
  expect(recsys_model_combine(&again, parts, NULL, 0, &error), RECSYS_EINVAL, "0 parts");
  const double bad[1] = {-1};
  expect(recsys_model_combine(&again, &f6, bad, 1, &error), RECSYS_EINVAL, "positive");
  recsys_model_close(f6);
  recsys_model_close(both);
}
END_TEST

START_TEST(ensembles_are_files) {
  recsys_train_options options = usual();
  recsys_model *parts[2], *both, *again;
  recsys_model_options how = {.struct_size = sizeof how, .engine = "fake", .engine_path = FAKES_DIR};
  recsys_model_info info = {.struct_size = sizeof info}, other = info;
  recsys_label_metrics m[LABELS + 2], one[LABELS + 2], two[LABELS + 2];
  options.epochs = 3;
  recsys__tensors tensors = train_to(in_folder("1.safetensors"), &options, 1);
  recsys__tensors_free(&tensors);
  options.seed = 8;
  tensors = train_to(in_folder("2.safetensors"), &options, 1);
  parts[0] = open_trained(in_folder("1.safetensors"), NULL);
  parts[1] = open_trained(in_folder("2.safetensors"), "f6");
  ok(recsys_model_get_metrics(parts[0], one, &error));
  ok(recsys_model_get_metrics(parts[1], two, &error));
  ok(recsys_model_combine(&both, parts, NULL, 2, &error));
  ok(recsys_model_save(both, in_folder("both"), &error));
  ok(recsys_model_get_info(both, &info, &error));
  ok(recsys_model_open(&again, in_folder("both"), &how, &error));
  ok(recsys_model_get_info(again, &other, &error));
  ck_assert_str_eq(info.fingerprint, other.fingerprint);
  ck_assert_uint_eq(other.dim, 48 + 84);
  ck_assert_uint_eq(other.classes, LABELS);
  ok(recsys_model_get_metrics(again, m, &error));
  ck_assert_double_eq_tol(m[0].threshold, (one[0].threshold + two[0].threshold) / 2, 1e-12);
  expect(recsys_model_get_report(again, NULL, 0, NULL, &error), RECSYS_ENOTFOUND, "parts");
  char text[4096];
  ok(recsys_model_describe(again, text, sizeof text, NULL, &error));
  ck_assert_ptr_nonnull(strstr(text, "\"weight\":0.5"));
  recsys_model_close(again);
  /* The folder moves as a whole; a part that has changed is noticed; a part may be no ensemble. */
  char command[512];
  snprintf(command, sizeof command, "mkdir %s/there && mv %s/1.safetensors %s/2.safetensors %s/both %s/there", folder,
           folder, folder, folder, folder);
  ck_assert_int_eq(system(command), 0);
  ok(recsys_model_open(&again, in_folder("there/both"), &how, &error));
  recsys_model_close(again);
  how.layer = "f6";
  expect(recsys_model_open(&again, in_folder("there/both"), &how, &error), RECSYS_EINVAL, "layers");
  how.layer = NULL;
  ok(recsys__tensors_write(in_folder("there/1.safetensors"), tensors.list, tensors.count, tensors.metadata,
                           tensors.metadata_count, &error));
  expect(recsys_model_open(&again, in_folder("there/both"), &how, &error), RECSYS_EMISMATCH, "changed");
  snprintf(command, sizeof command, "cd %s/there && cp both 1.safetensors", folder);
  ck_assert_int_eq(system(command), 0);
  expect(recsys_model_open(&again, in_folder("there/both"), &how, &error), RECSYS_EFORMAT, "part of one");
  snprintf(command, sizeof command, "rm %s/there/1.safetensors", folder);
  ck_assert_int_eq(system(command), 0);
  expect(recsys_model_open(&again, in_folder("there/both"), &how, &error), RECSYS_ENOTFOUND, "1.safetensors");
  recsys_model_close(parts[0]);
  recsys_model_close(parts[1]);
  recsys_model_close(both);
  recsys__tensors_free(&tensors);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("ensembles");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, distils);
  tcase_add_test(tests, ensembles_join_rows);
  tcase_add_test(tests, ensembles_are_files);
  Suite *suite = suite_create("ensembles");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
