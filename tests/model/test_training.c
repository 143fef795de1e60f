/* Training through the public interface: what it leaves, parts and twins, kept features, stopping and going on. */
#include "training.h"

/* ---- what it leaves ---- */

START_TEST(learns_labels) {
  const char *path = in_folder("m.safetensors");
  recsys_train_options options = usual();
  recsys_model *base = open_base(2, NULL);
  recsys_model_info before = {.struct_size = sizeof before}, info = {.struct_size = sizeof info};
  ok(recsys_model_get_info(base, &before, &error));
  ok(train(base, path, &options));
  for (int i = 0; i < N; i++)
    ck_assert_int_eq(statuses[i], RECSYS_OK);
  ok(recsys_model_get_info(base, &info, &error)); /* the base is what it was */
  ck_assert_str_eq(info.fingerprint, before.fingerprint);
  ck_assert_int_eq(files_in(folder), 1); /* neither epoch files nor features are left */
  recsys_model *model = open_trained(path, NULL);
  ok(recsys_model_get_info(model, &info, &error));
  ck_assert_str_eq(info.layer, "head");
  ck_assert_uint_eq(info.dim, 48);
  ck_assert_uint_eq(info.classes, LABELS);
  ck_assert_uint_eq(info.trained, 1);
  ck_assert_str_ne(info.fingerprint, before.fingerprint);
  recsys_label_metrics m[LABELS + 2];
  ok(recsys_model_get_metrics(model, m, &error));
  for (int c = 0; c < LABELS; c++) {
    char text[64];
    uint32_t exclusive;
    ok(recsys_model_get_class_name(model, (uint64_t)c, text, sizeof text, NULL, &error));
    ck_assert_str_eq(text, labels[c].value);
    ok(recsys_model_get_class_field(model, (uint64_t)c, text, sizeof text, NULL, &exclusive, &error));
    ck_assert_str_eq(text, labels[c].field);
    ck_assert_uint_eq(exclusive, labels[c].exclusive);
    ck_assert_double_ge(m[c].f1, 0.7);
    ck_assert(exclusive ? m[c].threshold == 0 : m[c].threshold > 0 && m[c].threshold < 1);
    ck_assert_uint_gt(m[c].support, 0);
    ck_assert_uint_lt(m[c].known, N / 3); /* a fifth was held out */
  }
  ck_assert_double_ge(m[LABELS + 1].f1, 0.85);
  expect(recsys_model_get_class_field(model, LABELS, NULL, 0, NULL, NULL, &error), RECSYS_EINVAL, "class 5");
  recsys_model_close(base);
  recsys_model_close(model);
}
END_TEST

START_TEST(the_report_tells_all) {
  const char *path = in_folder("m.safetensors");
  recsys_train_options options = usual();
  recsys__tensors tensors = train_to(path, &options, 1);
  recsys_model *model = open_trained(path, "f6");
  json_t *report = report_of(model);
  const json_t *head = json_object_get(report, "head"), *epochs = json_object_get(head, "epochs");
  ck_assert_uint_eq(json_array_size(epochs), 60);
  json_int_t best = json_integer_value(json_object_get(head, "best_epoch"));
  ck_assert(best >= 1 && best <= 60);
  double least = json_number_value(json_object_get(json_array_get(epochs, (size_t)best - 1), "validation"));
  for (size_t e = 0; e < 60; e++)
    ck_assert_double_ge(json_number_value(json_object_get(json_array_get(epochs, e), "validation")), least);
  ck_assert_uint_eq(json_array_size(json_object_get(report, "labels")), LABELS);
  ck_assert_str_eq(json_string_value(json_object_get(json_object_get(report, "base"), "layer")), "f6");
  json_decref(report);
  /* Saving it again changes nothing; a layer of the network beneath can be asked for, and trained on. */
  recsys__tensors again = {0};
  ok(recsys_model_save(model, in_folder("again.safetensors"), &error));
  ok(recsys__tensors_read(&again, in_folder("again.safetensors"), &error));
  ck_assert(same_tensors(&tensors, &again));
  ck_assert_str_eq(recsys__tensors_metadata(&again, "recsys.report"),
                   recsys__tensors_metadata(&tensors, "recsys.report"));
  ok(train(model, in_folder("second.safetensors"), &options));
  recsys_model_close(model);
  model = open_trained(path, NULL);
  expect(train(model, in_folder("third.safetensors"), &options), RECSYS_EUNSUPPORTED, "another layer");
  recsys_model_close(model);
  recsys__tensors_free(&tensors);
  recsys__tensors_free(&again);
}
END_TEST

static const float *tensor(const recsys__tensors *file, const char *name) {
  return recsys__tensors_find(file, name)->data;
}

/* The head of the file on raw features: linear, ReLU, linear. */
static void make_logits(const recsys__tensors *file, const float *x, size_t hidden, double *logits) {
  const float *w = tensor(file, "head.0.weight"), *v = tensor(file, "head.3.weight");
  for (int c = 0; c < LABELS; c++)
    logits[c] = tensor(file, "head.3.bias")[c];
  for (size_t h = 0; h < hidden; h++) {
    double sum = tensor(file, "head.0.bias")[h];
    for (int k = 0; k < DIM; k++)
      sum += (double)w[h * DIM + (size_t)k] * x[k];
    for (int c = 0; c < LABELS && sum > 0; c++)
      logits[c] += v[(size_t)c * hidden + h] * sum;
  }
}

/* The validation loss of the best epoch, from the file's weights alone: what was learned is what was written, with the
 * standardisation of the features in it. */
START_TEST(the_file_holds_what_was_learned) {
  static float rows[N * DIM];
  int32_t parts[N];
  recsys_train_options options = usual();
  recsys_model *base = open_base(1, NULL);
  options.epochs = 10;
  options.parts = parts;
  for (int i = 0; i < N; i++)
    parts[i] = i % 4 == 0;
  ok(train(base, in_folder("m"), &options));
  ok(recsys_model_embed(base, images, N, NULL, rows, NULL, &error));
  recsys__tensors file = {0};
  ok(recsys__tensors_read(&file, in_folder("m"), &error));
  double binary = 0, exclusive = 0, known = 0, labelled = 0;
  for (int i = 0; i < N; i += 4) {
    const int8_t *row = matrix + (ptrdiff_t)i * LABELS;
    double z[LABELS];
    make_logits(&file, rows + (ptrdiff_t)i * DIM, 48, z);
    for (int c = 0; c < 2; c++)
      if (row[c] >= 0) {
        binary += log(1 + exp(row[c] ? -z[c] : z[c]));
        known++;
      }
    for (int c = 2; c < LABELS; c++)
      if (row[c] == 1) {
        exclusive += log(exp(z[2]) + exp(z[3]) + exp(z[4])) - z[c];
        labelled++;
      }
  }
  recsys_model *model = open_trained(in_folder("m"), NULL);
  json_t *report = report_of(model);
  const json_t *head = json_object_get(report, "head");
  size_t best = (size_t)json_integer_value(json_object_get(head, "best_epoch")) - 1;
  double told = json_number_value(json_object_get(json_array_get(json_object_get(head, "epochs"), best), "validation"));
  ck_assert_double_eq_tol(binary / known + exclusive / labelled, told, 1e-4);
  json_decref(report);
  recsys__tensors_free(&file);
  recsys_model_close(model);
  recsys_model_close(base);
}
END_TEST

START_TEST(a_seed_is_a_result) {
  recsys_train_options options = usual();
  options.epochs = 5;
  recsys__tensors one = train_to(in_folder("1"), &options, 1), two = train_to(in_folder("2"), &options, 2);
  ck_assert(same_tensors(&one, &two));
  options.seed = 4;
  recsys__tensors other = train_to(in_folder("3"), &options, 1);
  ck_assert(!same_tensors(&one, &other));
  /* Half precision: the same names and shapes, half the bytes, nearly the same numbers. */
  options.seed = 3;
  options.flags = RECSYS_TRAIN_HALF;
  recsys__tensors half = train_to(in_folder("4"), &options, 1);
  const recsys__tensor *whole = recsys__tensors_find(&one, "head.0.weight"),
                       *small = recsys__tensors_find(&half, "head.0.weight");
  ck_assert_int_eq(small->dtype, RECSYS__F16);
  ck_assert_uint_eq(small->bytes * 2, whole->bytes);
  recsys_model_close(open_trained(in_folder("4"), NULL));
  recsys__tensors_free(&one);
  recsys__tensors_free(&two);
  recsys__tensors_free(&other);
  recsys__tensors_free(&half);
}
END_TEST

START_TEST(folds_hold_every_picture_out) {
  recsys_train_options options = usual();
  options.folds = 3;
  options.epochs = 30;
  recsys__tensors tensors = train_to(in_folder("m"), &options, 2);
  recsys_model *model = open_trained(in_folder("m"), NULL);
  recsys_label_metrics m[LABELS + 2];
  uint64_t known = 0;
  for (int i = 0; i < N; i++)
    known += matrix[i * LABELS] != RECSYS_LABEL_UNKNOWN;
  ok(recsys_model_get_metrics(model, m, &error));
  ck_assert_uint_eq(m[0].known, known);
  ck_assert_double_ge(m[LABELS + 1].f1, 0.8);
  json_t *report = report_of(model);
  ck_assert_uint_eq(json_array_size(json_object_get(report, "folds")), 3);
  /* The last training has no validation, and as many epochs as the folds' best in the mean. */
  double sum = 0;
  for (size_t f = 0; f < 3; f++)
    sum +=
        (double)json_integer_value(json_object_get(json_array_get(json_object_get(report, "folds"), f), "best_epoch"));
  const json_t *epochs = json_object_get(json_object_get(report, "head"), "epochs");
  ck_assert_double_eq_tol((double)json_array_size(epochs), sum / 3, 0.51);
  ck_assert(json_is_null(json_object_get(json_array_get(epochs, 0), "validation")));
  json_decref(report);
  recsys_model_close(model);
  recsys__tensors_free(&tensors);
}
END_TEST

/* ---- parts, twins, pictures that cannot be used ---- */

START_TEST(parts_are_kept) {
  recsys_model *model = open_base(1, NULL);
  int32_t parts[N];
  recsys_train_options options = usual();
  options.parts = parts;
  for (int i = 0; i < N; i++)
    parts[i] = i % 5 == 0 ? 1 : i % 5 == 1 ? -1 : 0;
  ok(train(model, in_folder("m"), &options));
  recsys_model *trained = open_trained(in_folder("m"), NULL);
  recsys_label_metrics m[LABELS + 2];
  uint64_t known = 0;
  for (int i = 0; i < N; i += 5)
    known += matrix[i * LABELS] != RECSYS_LABEL_UNKNOWN;
  ok(recsys_model_get_metrics(trained, m, &error));
  ck_assert_uint_eq(m[0].known, known);
  memcpy(pixels[1], pixels[0], sizeof pixels[0]); /* twins on both sides */
  parts[1] = 0;
  expect(train(model, in_folder("m"), &options), RECSYS_EINVAL, "the same");
  parts[1] = 2;
  expect(train(model, in_folder("m"), &options), RECSYS_EINVAL, "picture 1 is in part 2");
  recsys_model_close(trained);
  recsys_model_close(model);
}
END_TEST

START_TEST(broken_pictures_are_left_out) {
  recsys_model *model = open_base(2, NULL);
  recsys_train_options options = usual();
  options.epochs = 3;
  images[4] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = "/nowhere/4.jpg"};
  images[9] = (recsys_image){.kind = RECSYS_IMAGE_BYTES, .data = "no picture", .size = 10};
  images[10] = images[9];
  expect(train(model, in_folder("m"), &options), RECSYS_EPARTIAL, "picture 4");
  ck_assert_int_eq(statuses[4], RECSYS_ENOTFOUND);
  ck_assert_int_eq(statuses[9], RECSYS_EFORMAT);
  ck_assert_int_eq(statuses[10], RECSYS_EFORMAT);
  ck_assert_int_eq(statuses[5], RECSYS_OK);
  recsys_model_close(open_trained(in_folder("m"), NULL));
  for (int i = 0; i < N - 1; i++)
    images[i] = images[9];
  expect(train(model, in_folder("none"), &options), RECSYS_EINVAL, "at least 2 are needed");
  ck_assert_int_ne(access(in_folder("none"), F_OK), 0);
  recsys_model_close(model);
}
END_TEST

/* ---- the cache ---- */

START_TEST(features_are_kept) {
  recsys_train_options options = usual();
  options.epochs = 4;
  options.cache = in_folder("cache");
  recsys__tensors one = train_to(in_folder("1"), &options, 1);
  ck_assert_int_eq(files_in(in_folder("cache")), 1);
  recsys_model *model = open_base(1, NULL);
  setenv("RECSYS_FAKE", "run-error", 1); /* no picture goes through the network again */
  ok(train(model, in_folder("2"), &options));
  recsys__tensors two = {0};
  ok(recsys__tensors_read(&two, in_folder("2"), &error));
  ck_assert(same_tensors(&one, &two));
  /* From the file instead of memory: the same. */
  options.memory = 1;
  ok(train(model, in_folder("3"), &options));
  recsys__tensors three = {0};
  ok(recsys__tensors_read(&three, in_folder("3"), &error));
  ck_assert(same_tensors(&one, &three));
  /* Without a cache and without memory, the features go through a folder that disappears. */
  unsetenv("RECSYS_FAKE");
  options.cache = NULL;
  ok(train(model, in_folder("4"), &options));
  ck_assert_int_eq(files_in(folder), 5); /* four models and the cache */
  recsys__tensors four = {0};
  ok(recsys__tensors_read(&four, in_folder("4"), &error));
  ck_assert(same_tensors(&one, &four));
  recsys_model_close(model);
  recsys__tensors_free(&one);
  recsys__tensors_free(&two);
  recsys__tensors_free(&three);
  recsys__tensors_free(&four);
}
END_TEST

static char logged[4096];
static void keep_log(void *user, int32_t level, const char *message) {
  (void)user, (void)level;
  strncat(logged, message, sizeof logged - strlen(logged) - 1);
}

START_TEST(a_damaged_cache_is_not_trusted) {
  char command[256];
  recsys_train_options options = usual();
  options.epochs = 4;
  options.cache = in_folder("cache");
  recsys__tensors one = train_to(in_folder("1"), &options, 1), two = {0};
  snprintf(command, sizeof command, "for f in %s/*; do truncate -s -40 $f; done", options.cache);
  ck_assert_int_eq(system(command), 0);
  recsys_model *model;
  recsys_model_options how = {
      .struct_size = sizeof how, .engine = "fake", .engine_path = FAKES_DIR, .classes = 10, .seed = 7, .log = keep_log};
  ok(recsys_model_create(&model, "lenet5", &how, &error));
  ok(train(model, in_folder("2"), &options));
  ck_assert_ptr_nonnull(strstr(logged, "no usable features"));
  ok(recsys__tensors_read(&two, in_folder("2"), &error));
  ck_assert(same_tensors(&one, &two));
  recsys_model_close(model);
  recsys__tensors_free(&one);
  recsys__tensors_free(&two);
}
END_TEST

/* ---- stopping and going on ---- */

typedef struct stop {
  const char *phase;
  uint32_t fold, epoch;
  bool last_step;
  int calls;
} stop;

static int stop_there(void *user, const recsys_train_progress *now) {
  stop *s = user;
  s->calls++;
  ck_assert_uint_eq(now->struct_size, sizeof *now);
  ck_assert_uint_le(now->step, now->steps);
  return strcmp(now->phase, s->phase) == 0 && now->fold == s->fold && now->epoch == s->epoch &&
         (now->step == now->steps) == s->last_step;
}

static void stop_and_go_on(recsys_train_options options, const recsys__tensors *whole, stop where) {
  const char *path = in_folder("stopped");
  recsys_model *model = open_base(1, NULL);
  recsys__tensors tensors = {0};
  write_old(path);
  options.progress = stop_there;
  options.progress_user = &where;
  expect(train(model, path, &options), RECSYS_ECANCELLED, "cancelled");
  expect_old(path);
  ck_assert_int_gt(where.calls, 0);
  options.progress = NULL;
  ok(train(model, path, &options));
  ok(recsys__tensors_read(&tensors, path, &error));
  ck_assert_msg(same_tensors(whole, &tensors), "other weights after stopping in %s, epoch %u", where.phase,
                where.epoch);
  ck_assert_str_eq(recsys__tensors_metadata(whole, "recsys.report"),
                   recsys__tensors_metadata(&tensors, "recsys.report"));
  ck_assert_int_ne(access(in_folder("stopped.epoch"), F_OK), 0);
  recsys__tensors_free(&tensors);
  recsys_model_close(model);
}

START_TEST(interrupted_training_goes_on) {
  recsys_train_options options = usual();
  options.epochs = 6;
  options.checkpoint = -1;
  options.folds = 2;
  recsys__tensors whole = train_to(in_folder("whole"), &options, 1);
  stop_and_go_on(options, &whole, (stop){"features", 0, 0, false, 0});
  stop_and_go_on(options, &whole, (stop){"fold", 1, 3, true, 0});
  stop_and_go_on(options, &whole, (stop){"fold", 1, 6, false, 0});
  stop_and_go_on(options, &whole, (stop){"fold", 2, 1, true, 0});
  stop_and_go_on(options, &whole, (stop){"head", 0, 2, false, 0});
  recsys__tensors_free(&whole);
  options.folds = 0;
  options.optimiser = RECSYS_OPTIMISER_ADAMW;
  options.learning_rate = 0.01;
  whole = train_to(in_folder("whole"), &options, 1);
  stop_and_go_on(options, &whole, (stop){"head", 0, 4, true, 0});
  recsys__tensors_free(&whole);
}
END_TEST

/* What an epoch file says of itself is checked before it is believed: phases that are further than they can be. */
START_TEST(damaged_epoch_files_are_not_used) {
  static const char *const bad[] = {"4000000000 2 0 0 ", "3 4 0 0 ", "2 2 9 9 ", "x", ""};
  recsys_train_options options = usual();
  recsys_model *model = open_base(1, NULL);
  options.epochs = 4;
  options.checkpoint = -1;
  recsys__tensors whole = train_to(in_folder("whole"), &options, 1), file = {0}, tensors = {0};
  for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
    stop where = {"head", 0, 2, true, 0};
    struct recsys__metadata metadata[2];
    options.progress = stop_there;
    options.progress_user = &where;
    expect(train(model, in_folder("m"), &options), RECSYS_ECANCELLED, "");
    ok(recsys__tensors_read(&file, in_folder("m.epoch"), &error));
    memcpy(metadata, file.metadata, sizeof metadata);
    for (size_t i = 0; i < 2; i++)
      if (strcmp(metadata[i].key, "recsys.courses") == 0)
        metadata[i].value = bad[b];
    ok(recsys__tensors_write(in_folder("m.epoch"), file.list, file.count, metadata, 2, &error));
    recsys__tensors_free(&file);
    options.progress = NULL;
    ok(train(model, in_folder("m"), &options));
    ok(recsys__tensors_read(&tensors, in_folder("m"), &error));
    ck_assert(same_tensors(&whole, &tensors));
    recsys__tensors_free(&tensors);
  }
  recsys__tensors_free(&whole);
  recsys_model_close(model);
}
END_TEST

/* An epoch file of other data or settings is not used. */
START_TEST(another_epoch_file_is_not_used) {
  recsys_train_options options = usual();
  stop where = {"head", 0, 2, true, 0};
  recsys_model *model = open_base(1, NULL);
  options.epochs = 4;
  options.checkpoint = -1;
  recsys__tensors whole = train_to(in_folder("whole"), &options, 1), tensors = {0};
  options.progress = stop_there;
  options.progress_user = &where;
  options.seed = 99;
  expect(train(model, in_folder("m"), &options), RECSYS_ECANCELLED, "");
  ck_assert_int_eq(access(in_folder("m.epoch"), F_OK), 0);
  options.progress = NULL;
  options.seed = 3;
  ok(train(model, in_folder("m"), &options));
  ok(recsys__tensors_read(&tensors, in_folder("m"), &error));
  ck_assert(same_tensors(&whole, &tensors));
  recsys_model_close(model);
  recsys__tensors_free(&whole);
  recsys__tensors_free(&tensors);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("training");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, learns_labels);
  tcase_add_test(tests, the_report_tells_all);
  tcase_add_test(tests, the_file_holds_what_was_learned);
  tcase_add_test(tests, a_seed_is_a_result);
  tcase_add_test(tests, folds_hold_every_picture_out);
  tcase_add_test(tests, parts_are_kept);
  tcase_add_test(tests, broken_pictures_are_left_out);
  tcase_add_test(tests, features_are_kept);
  tcase_add_test(tests, a_damaged_cache_is_not_trusted);
  tcase_add_test(tests, interrupted_training_goes_on);
  tcase_add_test(tests, damaged_epoch_files_are_not_used);
  tcase_add_test(tests, another_epoch_file_is_not_used);
  Suite *suite = suite_create("training");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
