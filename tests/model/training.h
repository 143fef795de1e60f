/*
 * Pictures whose labels can be learned on the fake engine: features are the means of a picture's rows, and a picture
 * here is dark above some line and bright below; its labels say where the line is, and how bright.
 */
#ifndef TESTS_MODEL_TRAINING_H
#define TESTS_MODEL_TRAINING_H

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

static inline void expect(recsys_status status, recsys_status wanted, const char *part) {
  ck_assert_msg(status == wanted, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(wanted),
                error.message);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static inline void ok(recsys_status status) {
  expect(status, RECSYS_OK, "");
}

static inline const char *in_folder(const char *name) {
  static char paths[8][128];
  static int turn;
  turn = (turn + 1) % 8;
  snprintf(paths[turn], sizeof paths[0], "%s/%s", folder, name);
  return paths[turn];
}

static inline void draw(int i, recsys__random *random) {
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

static inline void set_up(void) {
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

static inline void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static inline recsys_model *open_base(uint32_t threads, const char *layer) {
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

static inline recsys_model *open_trained(const char *path, const char *layer) {
  recsys_model *model;
  recsys_model_options options = {
      .struct_size = sizeof options, .engine = "fake", .engine_path = FAKES_DIR, .layer = layer};
  ok(recsys_model_open(&model, path, &options, &error));
  return model;
}

static inline recsys_train_options usual(void) {
  return (recsys_train_options){.struct_size = sizeof(recsys_train_options),
                                .hidden = 48,
                                .dropout = 0.1,
                                .epochs = 60,
                                .batch = 16,
                                .learning_rate = 0.05,
                                .patience = 60,
                                .seed = 3};
}

static inline recsys_status train(recsys_model *model, const char *path, const recsys_train_options *options) {
  return recsys_model_train(model, path, images, N, labels, LABELS, matrix, options, statuses, &error);
}

/* Trains on a new base and returns the file's tensors. */
static inline recsys__tensors train_to(const char *path, const recsys_train_options *options, uint32_t threads) {
  recsys_model *model = open_base(threads, NULL);
  recsys__tensors tensors = {0};
  ok(train(model, path, options));
  recsys_model_close(model);
  ok(recsys__tensors_read(&tensors, path, &error));
  return tensors;
}

static inline bool same_tensors(const recsys__tensors *a, const recsys__tensors *b) {
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++)
    same = strcmp(a->list[i].name, b->list[i].name) == 0 && a->list[i].bytes == b->list[i].bytes &&
           memcmp(a->list[i].data, b->list[i].data, a->list[i].bytes) == 0;
  return same;
}

static inline int files_in(const char *name) {
  DIR *directory = opendir(name);
  int n = 0;
  for (const struct dirent *e; directory != NULL && (e = readdir(directory)) != NULL;)
    n += e->d_name[0] != '.';
  if (directory != NULL)
    closedir(directory);
  return n;
}

static inline json_t *report_of(recsys_model *model) {
  static char text[200000];
  ok(recsys_model_get_report(model, text, sizeof text, NULL, &error));
  json_t *report = json_loads(text, 0, NULL);
  ck_assert_ptr_nonnull(report);
  return report;
}

static inline void write_old(const char *path) {
  FILE *file = fopen(path, "w");
  ck_assert(file != NULL && fputs("old", file) >= 0 && fclose(file) == 0);
}

static inline void expect_old(const char *path) {
  char text[8] = "";
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fread(text, 1, 4, file), 3);
  fclose(file);
  ck_assert_str_eq(text, "old");
}

#endif
