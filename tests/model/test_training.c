/*
 * Training through the public interface, on the fake engine: features are the means of a picture's rows, and a picture
 * here is dark above some line and bright below, so that its labels (where the line is) can be learned from them.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "recsys.h"

enum { SIDE = 32, N = 90, LABELS = 5, DIM = 84 };

static recsys_error error;
static char folder[64];
static uint8_t pixels[N][SIDE * SIDE];
static recsys_image images[N];
static recsys_status statuses[N];
static int8_t matrix[N * LABELS];
/* Two labels that go together freely, and a field of three of which each picture has one. */
static const recsys_label labels[LABELS] = {
    {"is", "high", 0, 0}, {"is", "bright", 0, 0}, {"third", "a", 1, 0}, {"third", "b", 1, 0}, {"third", "c", 1, 0}};

static void expect(recsys_status status, recsys_status wanted, const char *part) {
  ck_assert_msg(status == wanted, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(wanted),
                error.message);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static void ok(recsys_status status) {
  expect(status, RECSYS_OK, "");
}

static const char *in_folder(const char *name) {
  static char paths[8][128];
  static int turn;
  turn = (turn + 1) % 8;
  snprintf(paths[turn], sizeof paths[0], "%s/%s", folder, name);
  return paths[turn];
}

static void draw(int i, recsys__random *random) {
  int line = 2 + (int)recsys__random_below(random, SIDE - 4), dark = (int)recsys__random_below(random, 60);
  int bright = recsys__random_below(random, 2) ? 240 : 150;
  for (int k = 0; k < SIDE * SIDE; k++)
    pixels[i][k] = (uint8_t)((k / SIDE < line ? dark : bright) + (int)recsys__random_below(random, 10));
  int8_t *row = matrix + (ptrdiff_t)i * LABELS;
  memset(row, 0, LABELS);
  row[0] = line < SIDE / 2;
  row[1] = bright == 240;
  row[2 + (line - 2) * 3 / (SIDE - 4)] = 1;
}

static void set_up(void) {
  recsys__random random;
  recsys__random_seed(&random, 11, 1);
  strcpy(folder, "/tmp/recsys-training-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  unsetenv("RECSYS_FAKE");
  for (int i = 0; i < N; i++) {
    draw(i, &random);
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_PIXELS,
                               .format = RECSYS_PIXELS_GRAY,
                               .data = pixels[i],
                               .size = sizeof pixels[i],
                               .width = SIDE,
                               .height = SIDE};
    if (i % 7 == 0) /* some labels are not known */
      matrix[i * LABELS + i % 2] = RECSYS_LABEL_UNKNOWN;
    if (i % 11 == 0)
      memset(matrix + (ptrdiff_t)i * LABELS + 2, RECSYS_LABEL_UNKNOWN, 3);
  }
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static recsys_model *open_base(uint32_t threads, const char *layer) {
  recsys_model *model;
  recsys_model_options options = {.struct_size = sizeof options,
                                  .engine = "fake",
                                  .engine_path = FAKES_DIR,
                                  .classes = 10,
                                  .seed = 7,
                                  .layer = layer,
                                  .threads = threads};
  ok(recsys_model_create(&model, "lenet5", &options, &error));
  return model;
}

static recsys_model *open_trained(const char *path, const char *layer) {
  recsys_model *model;
  recsys_model_options options = {
      .struct_size = sizeof options, .engine = "fake", .engine_path = FAKES_DIR, .layer = layer};
  ok(recsys_model_open(&model, path, &options, &error));
  return model;
}

static recsys_train_options usual(void) {
  return (recsys_train_options){.struct_size = sizeof(recsys_train_options),
                                .hidden = 48,
                                .dropout = 0.1,
                                .epochs = 60,
                                .batch = 16,
                                .learning_rate = 0.05,
                                .patience = 60,
                                .seed = 3};
}

static recsys_status train(recsys_model *model, const char *path, const recsys_train_options *options) {
  return recsys_model_train(model, path, images, N, labels, LABELS, matrix, options, statuses, &error);
}

/* Trains on a new base and returns the file's tensors. */
static recsys__tensors train_to(const char *path, const recsys_train_options *options, uint32_t threads) {
  recsys_model *model = open_base(threads, NULL);
  recsys__tensors tensors = {0};
  ok(train(model, path, options));
  recsys_model_close(model);
  ok(recsys__tensors_read(&tensors, path, &error));
  return tensors;
}

static bool same_tensors(const recsys__tensors *a, const recsys__tensors *b) {
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++)
    same = strcmp(a->list[i].name, b->list[i].name) == 0 && a->list[i].bytes == b->list[i].bytes &&
           memcmp(a->list[i].data, b->list[i].data, a->list[i].bytes) == 0;
  return same;
}

static int files_in(const char *name) {
  DIR *directory = opendir(name);
  int n = 0;
  for (const struct dirent *e; directory != NULL && (e = readdir(directory)) != NULL;)
    n += e->d_name[0] != '.';
  if (directory != NULL)
    closedir(directory);
  return n;
}

static json_t *report_of(recsys_model *model) {
  static char text[200000];
  ok(recsys_model_get_report(model, text, sizeof text, NULL, &error));
  json_t *report = json_loads(text, 0, NULL);
  ck_assert_ptr_nonnull(report);
  return report;
}

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

static void write_old(const char *path) {
  FILE *file = fopen(path, "w");
  ck_assert(file != NULL && fputs("old", file) >= 0 && fclose(file) == 0);
}

static void expect_old(const char *path) {
  char text[8] = "";
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fread(text, 1, 4, file), 3);
  fclose(file);
  ck_assert_str_eq(text, "old");
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
  ck_assert_uint_eq(info.dim, 256);
  ck_assert_uint_eq(info.classes, 0);
  ck_assert_uint_eq(info.trained, 1);
  expect(recsys_model_distill(student, student, in_folder("m"), images, N, &how, statuses, &error), RECSYS_EINVAL,
         "itself");
  expect(recsys_model_distill(student, NULL, in_folder("m"), images, N, &how, statuses, &error), RECSYS_EINVAL,
         "teacher");
  recsys_model *flat = open_base(1, "avgpool");
  expect(recsys_model_distill(flat, teacher, in_folder("m"), images, N, &how, statuses, &error), RECSYS_EUNSUPPORTED,
         "no dense layer");
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
  TCase *training = tcase_create("training");
  tcase_add_checked_fixture(training, set_up, tear_down);
  tcase_add_test(training, learns_labels);
  tcase_add_test(training, the_report_tells_all);
  tcase_add_test(training, a_seed_is_a_result);
  tcase_add_test(training, folds_hold_every_picture_out);
  tcase_add_test(training, parts_are_kept);
  tcase_add_test(training, broken_pictures_are_left_out);
  tcase_add_test(training, features_are_kept);
  tcase_add_test(training, a_damaged_cache_is_not_trusted);
  tcase_add_test(training, interrupted_training_goes_on);
  tcase_add_test(training, another_epoch_file_is_not_used);
  tcase_add_test(training, impossible_arguments);
  tcase_add_test(training, impossible_labels);
  tcase_add_test(training, untrained_models_have_no_report);
  tcase_add_test(training, a_full_disk_leaves_what_was_there);
  tcase_add_test(training, memory_failures);
  tcase_add_test(training, the_engine_fails);
  tcase_add_test(training, damaged_heads);
  tcase_add_test(training, distils);
  tcase_add_test(training, ensembles_join_rows);
  tcase_add_test(training, ensembles_are_files);
  Suite *suite = suite_create("training");
  suite_add_tcase(suite, training);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
