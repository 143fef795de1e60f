/* Int8 models through the public interface: what is written, what is refused, and that nothing is lost. The arithmetic
 * is test_int8.py's. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "recsys.h"

enum { SIDE = 110, BYTES = SIDE * SIDE * 3, N = 30 };

static recsys_error error;
static recsys_model *model;
static char folder[64], path[128], copy[128];
static uint8_t pixels[N][BYTES];
static recsys_image images[N];
static recsys_status statuses[N];

static void expect(recsys_status status, recsys_status wanted, const char *part) {
  ck_assert_msg(status == wanted, "%s instead of %s: %s", recsys_status_name(status), recsys_status_name(wanted),
                error.message);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
}

static void ok(recsys_status status) {
  expect(status, RECSYS_OK, "");
}

/* Waves of colours. */
static void draw(int i) {
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++)
        pixels[i][(y * SIDE + x) * 3 + c] =
            (uint8_t)(128 + 100 * sin(0.02 * (i + 1) * x + 0.03 * (c + 1) * y + i) + (x * 7 + y * 13 + i) % 17);
}

static void set_up(void) {
  strcpy(folder, "/tmp/recsys-quantize-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/int8.safetensors", folder);
  snprintf(copy, sizeof copy, "%s/copy.safetensors", folder);
  for (int i = 0; i < N; i++) {
    draw(i);
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_PIXELS,
                               .format = RECSYS_PIXELS_RGB,
                               .data = pixels[i],
                               .size = BYTES,
                               .width = SIDE,
                               .height = SIDE};
  }
}

static void tear_down(void) {
  char command[128];
  recsys_model_close(model);
  model = NULL;
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static recsys_model_options usual(void) {
  return (recsys_model_options){.struct_size = sizeof(recsys_model_options),
                                .precision = RECSYS_PRECISION_FLOAT32,
                                .engine = "onednn",
                                .seed = 3,
                                .classes = 10,
                                .threads = 2};
}

static void make(const char *architecture) {
  recsys_model_options options = usual();
  ok(recsys_model_create(&model, architecture, &options, &error));
}

static recsys_model_info info_of(recsys_model *of) {
  recsys_model_info info = {.struct_size = sizeof info};
  ok(recsys_model_get_info(of, &info, &error));
  return info;
}

static recsys_model *open_as(const char *file, uint32_t precision) {
  recsys_model *opened;
  recsys_model_options options = {.struct_size = sizeof options, .engine = "onednn", .precision = precision};
  ok(recsys_model_open(&opened, file, &options, &error));
  return opened;
}

/* An int8 model of `model` at `path`. */
static recsys_quantize_report quantize(const recsys_quantize_options *options) {
  recsys_quantize_report report = {.struct_size = sizeof report};
  ok(recsys_model_quantize(model, path, images, N, options, &report, NULL, &error));
  return report;
}

static long size_of(const char *file) {
  struct stat found;
  return stat(file, &found) == 0 ? (long)found.st_size : -1;
}

static double least_cosine(const float *a, const float *b, size_t n, size_t dim) {
  double least = 1;
  for (size_t i = 0; i < n; i++) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t k = i * dim; k < (i + 1) * dim; k++) {
      ab += (double)a[k] * b[k];
      aa += (double)a[k] * a[k];
      bb += (double)b[k] * b[k];
    }
    least = fmin(least, ab / sqrt(aa * bb));
  }
  return least;
}

/* In batches of every kind, and in the classes, near float32. (`wild`: random weights that make logits so large that
 * softmax is all or nothing.) */
static void near_to(const char *architecture, bool wild) {
  make(architecture);
  recsys_model_info info = info_of(model);
  recsys_quantize_report report = quantize(NULL);
  recsys_model *narrow = open_as(path, RECSYS_PRECISION_AUTO);
  ck_assert_int_eq(info_of(narrow).precision, RECSYS_PRECISION_INT8);
  float *rows[2] = {calloc(N * info.dim, sizeof(float)), calloc(N * info.dim, sizeof(float))};
  float *scores[2] = {calloc(N * info.classes, sizeof(float)), calloc(N * info.classes, sizeof(float))};
  for (size_t done = 0, n = 1; done < N; done += n, n = n % 11 + 1) {
    n = n < N - done ? n : N - done;
    ok(recsys_model_embed(narrow, images + done, n, NULL, rows[1] + done * info.dim, NULL, &error));
  }
  ok(recsys_model_embed(model, images, N, NULL, rows[0], NULL, &error));
  ok(recsys_model_classify(model, images, N, NULL, scores[0], NULL, &error));
  ok(recsys_model_classify(narrow, images, N, NULL, scores[1], NULL, &error));
  double least = least_cosine(rows[0], rows[1], N, info.dim);
  printf("%s: %u layers, cosine %.5f, here at least %.5f\n", architecture, report.layers, report.cosine, least);
  ck_assert_msg(least > 0.995 && least < 1, "%s: %g", architecture, least);
  ck_assert(wild || least_cosine(scores[0], scores[1], N, info.classes) > 0.99);
  recsys_model_close(narrow);
  for (int i = 0; i < 2; i++) {
    free(rows[i]);
    free(scores[i]);
  }
}

/* Pooling and concatenations, additions of signed and of unsigned terms, layers that stay in floats between. */
static const char *const architectures[] = {"mini",     "lenet5",   "alexnet",   "squeezenet1_1",
                                            "resnet18", "resnet50", "googlenet", "googlenet_bn"};

START_TEST(near_to_floats) {
  near_to(architectures[_i], strcmp(architectures[_i], "resnet18") == 0 || strcmp(architectures[_i], "googlenet") == 0);
}
END_TEST

/* The rows of layer `name` of `file`, for the first FEW pictures. */
enum { FEW = 3 };
static float *rows_of(const char *file, const char *name, uint32_t precision, uint64_t *dim) {
  recsys_model *opened;
  recsys_model_options options = {
      .struct_size = sizeof options, .engine = "onednn", .precision = precision, .layer = name, .threads = 2};
  ok(recsys_model_open(&opened, file, &options, &error));
  *dim = info_of(opened).dim;
  float *rows = calloc(FEW * *dim, sizeof *rows);
  ok(recsys_model_embed(opened, images, FEW, NULL, rows, NULL, &error));
  recsys_model_close(opened);
  return rows;
}

/* A layer can be the end of the network, or something in the middle that others read, too. */
static const char *const layered[] = {"mini", "squeezenet1_1", "resnet18"};

START_TEST(every_layer) {
  size_t length, i;
  json_t *layer;
  make(layered[_i]);
  quantize(NULL);
  ok(recsys_model_save(model, copy, &error));
  ok(recsys_model_describe(model, NULL, 0, &length, &error));
  char *text = malloc(length + 1);
  ok(recsys_model_describe(model, text, length + 1, NULL, &error));
  json_t *about = json_loads(text, 0, NULL), *layers = json_object_get(about, "layers");
  ck_assert_uint_gt(json_array_size(layers), 8);
  json_array_foreach(layers, i, layer) {
    const char *name = json_string_value(json_object_get(layer, "name"));
    uint64_t dims[2];
    if (strcmp(name, "softmax") == 0)
      continue;
    float *plain = rows_of(copy, name, RECSYS_PRECISION_FLOAT32, &dims[0]);
    float *narrow = rows_of(path, name, RECSYS_PRECISION_INT8, &dims[1]);
    ck_assert_uint_eq(dims[0], dims[1]);
    double least = least_cosine(plain, narrow, FEW, dims[0]);
    ck_assert_msg(least > 0.995, "%s %s: %g", layered[_i], name, least);
    free(plain);
    free(narrow);
  }
  json_decref(about);
  free(text);
}
END_TEST

/* The file at `path` with every third layer's ranges taken away, from layer `first` on. */
static void thin_out(size_t first) {
  recsys__tensors tensors;
  size_t at = 0;
  const char *name;
  json_t *pair;
  void *next;
  ok(recsys__tensors_read(&tensors, path, &error));
  json_t *about = json_loads(recsys__tensors_metadata(&tensors, "recsys.quantization"), 0, NULL);
  json_t *layers = json_object_get(about, "layers");
  ck_assert_ptr_nonnull(layers);
  json_object_foreach_safe(layers, next, name, pair) {
    if (at++ % 3 == first)
      json_object_del(layers, name);
  }
  char *text = json_dumps(about, 0);
  for (size_t i = 0; i < tensors.metadata_count; i++)
    if (strcmp(tensors.metadata[i].key, "recsys.quantization") == 0)
      tensors.metadata[i].value = text;
  ok(recsys__tensors_write(copy, tensors.list, tensors.count, tensors.metadata, tensors.metadata_count, &error));
  recsys__tensors_free(&tensors);
  json_decref(about);
  free(text);
}

/* Integers and floats next to each other, in additions, too. */
START_TEST(some_layers) {
  static const char *const mixed[] = {"mini", "resnet18", "resnet50", "googlenet"};
  make(mixed[_i]);
  quantize(NULL);
  recsys_model_info info = info_of(model);
  float *rows[2] = {calloc(N * info.dim, sizeof(float)), calloc(N * info.dim, sizeof(float))};
  ok(recsys_model_embed(model, images, N, NULL, rows[0], NULL, &error));
  for (size_t first = 0; first < 3; first++) {
    thin_out(first);
    recsys_model *narrow = open_as(copy, RECSYS_PRECISION_AUTO);
    ok(recsys_model_embed(narrow, images, N, NULL, rows[1], NULL, &error));
    double least = least_cosine(rows[0], rows[1], N, info.dim);
    ck_assert_msg(least > 0.995 && least < 1, "%s without %d: %g", mixed[_i], (int)first, least);
    recsys_model_close(narrow);
  }
  free(rows[0]);
  free(rows[1]);
}
END_TEST

START_TEST(the_file) {
  char text[16384], kept[80], *again;
  make("mini");
  recsys_quantize_options options = {.struct_size = sizeof options, .calibrate = 9, .compare = 12, .seed = 4};
  recsys_quantize_report report = quantize(&options);
  ck_assert_int_eq(report.layers, 12);
  ck_assert_int_eq(report.calibrated, 9);
  ck_assert_int_eq(report.compared, 12);
  ck_assert_int_eq(report.neighbours, 10);
  ck_assert(report.cosine > 0.99 && report.cosine < 1 && report.least_cosine <= report.cosine);
  ck_assert(report.equal_neighbours > 0.7 && report.equal_neighbours <= 1 && report.equal_classes >= 0);
  ok(recsys_model_save(model, copy, &error));
  ck_assert_int_lt(size_of(path), size_of(copy) / 3);

  /* Opened, saved and opened again it is the same. */
  recsys_model *narrow = open_as(path, RECSYS_PRECISION_INT8), *wide = open_as(path, RECSYS_PRECISION_FLOAT32);
  memcpy(kept, info_of(narrow).fingerprint, sizeof info_of(narrow).fingerprint);
  ck_assert_str_ne(info_of(wide).fingerprint, kept); /* their rows do not mix */
  ck_assert_str_ne(info_of(model).fingerprint, kept);
  ck_assert_int_eq(info_of(wide).precision, RECSYS_PRECISION_FLOAT32);
  ok(recsys_model_save(narrow, copy, &error));
  ck_assert_int_eq(size_of(copy), size_of(path));
  recsys_model *second = open_as(copy, RECSYS_PRECISION_AUTO);
  ck_assert_str_eq(info_of(second).fingerprint, kept);
  size_t length;
  ok(recsys_model_describe(second, text, sizeof text, &length, &error));
  ck_assert_ptr_nonnull(strstr(text, "\"precision\":\"int8\""));
  again = strstr(text, "\"quantization\":{\"layers\":{");
  ck_assert_ptr_nonnull(again);
  ck_assert_ptr_nonnull(strstr(again, "\"compared\":12"));
  recsys_model_close(narrow);
  recsys_model_close(wide);
  recsys_model_close(second);
}
END_TEST

/* The same pictures and seed make the same file; others other ranges. */
START_TEST(seeds) {
  char kept[3][80];
  make("mini");
  for (uint64_t i = 0; i < 3; i++) {
    recsys_quantize_options options = {.struct_size = sizeof options, .calibrate = 3, .seed = i / 2};
    quantize(&options);
    recsys_model *narrow = open_as(path, RECSYS_PRECISION_AUTO);
    memcpy(kept[i], info_of(narrow).fingerprint, sizeof info_of(narrow).fingerprint);
    recsys_model_close(narrow);
  }
  ck_assert_str_eq(kept[0], kept[1]);
  ck_assert_str_ne(kept[0], kept[2]);
}
END_TEST

/* In a process of its own, the same file and the same rows. */
START_TEST(isolated) {
  float rows[2][4 * 1008];
  make("mini");
  quantize(NULL);
  recsys_model *near = open_as(path, RECSYS_PRECISION_AUTO), *far;
  recsys_model_options options = usual();
  options.isolation = RECSYS_ISOLATION_PROCESS;
  recsys_model_close(model);
  ok(recsys_model_create(&model, "mini", &options, &error));
  ok(recsys_model_quantize(model, copy, images, N, NULL, NULL, NULL, &error));
  options.precision = RECSYS_PRECISION_INT8;
  ok(recsys_model_open(&far, copy, &options, &error));
  ck_assert_str_eq(info_of(near).fingerprint, info_of(far).fingerprint);
  ck_assert_int_eq(info_of(near).dim, 1008);
  ok(recsys_model_embed(near, images, 4, NULL, rows[0], NULL, &error));
  ok(recsys_model_embed(far, images, 4, NULL, rows[1], NULL, &error));
  ck_assert_mem_eq(rows[0], rows[1], sizeof rows[0]);
  recsys_model_close(near);
  recsys_model_close(far);
}
END_TEST

START_TEST(what_is_refused) {
  recsys_model *other;
  recsys_quantize_options options = {.struct_size = sizeof options, .flags = 1};
  make("mini");
  ok(recsys_model_save(model, copy, &error));
  expect(recsys_model_quantize(NULL, path, images, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "model is NULL");
  expect(recsys_model_quantize(model, NULL, images, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "path is NULL");
  expect(recsys_model_quantize(model, path, NULL, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "images is NULL");
  expect(recsys_model_quantize(model, path, images, 1, NULL, NULL, NULL, &error), RECSYS_EINVAL, "2 pictures");
  expect(recsys_model_quantize(model, path, images, N, &options, NULL, NULL, &error), RECSYS_EUNSUPPORTED, "flags");
  options = (recsys_quantize_options){.struct_size = sizeof options, .compare = 10001};
  expect(recsys_model_quantize(model, path, images, N, &options, NULL, NULL, &error), RECSYS_EINVAL, "at most 10000");
  recsys_quantize_report report = {.struct_size = 4};
  expect(recsys_model_quantize(model, path, images, N, NULL, &report, NULL, &error), RECSYS_EINVAL, "struct_size");
  recsys_model_options narrow = {.struct_size = sizeof narrow, .engine = "onednn", .precision = RECSYS_PRECISION_INT8};
  expect(recsys_model_open(&other, copy, &narrow, &error), RECSYS_EINVAL, "recsys_model_quantize");
  narrow.precision = 4;
  expect(recsys_model_open(&other, copy, &narrow, &error), RECSYS_EUNSUPPORTED, "precision 4");
  ok(recsys_model_combine(&other, &model, NULL, 1, &error));
  expect(recsys_model_quantize(other, path, images, N, NULL, NULL, NULL, &error), RECSYS_EUNSUPPORTED, "its parts");
  recsys_model_close(other);
  ck_assert_int_eq(size_of(path), -1);
  quantize(NULL);
  other = open_as(path, RECSYS_PRECISION_AUTO);
  expect(recsys_model_quantize(other, copy, images, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "already");
  recsys_model_close(other);
}
END_TEST

/* Bad pictures are left out and told of; where no good one is left, the file of that name stays what it was. */
START_TEST(bad_pictures) {
  make("mini");
  recsys_quantize_report report = quantize(NULL);
  long size = size_of(path);
  for (int i = 0; i < N; i += 3)
    images[i].size = 5;
  expect(recsys_model_quantize(model, copy, images, N, NULL, &report, statuses, &error), RECSYS_EPARTIAL, "picture ");
  ck_assert_int_eq(report.calibrated + report.compared, N - N / 3);
  for (int i = 0; i < N; i++)
    ck_assert_int_eq(statuses[i] == RECSYS_OK, i % 3 != 0);
  for (int i = 1; i < N; i++)
    images[i].size = 5;
  images[0].size = BYTES;
  expect(recsys_model_quantize(model, path, images, N, NULL, &report, NULL, &error), RECSYS_EINVAL, "first failure: ");
  images[0].size = 5;
  expect(recsys_model_quantize(model, path, images, N, NULL, &report, NULL, &error), RECSYS_EINVAL,
         "no usable picture to calibrate");
  ck_assert_int_eq(size_of(path), size);
  recsys_model_close(open_as(path, RECSYS_PRECISION_AUTO));
}
END_TEST

static int stop_in(void *user, const char *phase, uint64_t done, uint64_t total) {
  ck_assert(done <= total);
  return strcmp(user, phase) == 0 && done > 3;
}

START_TEST(cancelled) {
  char phases[2][16] = {"calibrate", "compare"};
  make("mini");
  quantize(NULL);
  unlink(path);
  for (int i = 0; i < 2; i++) {
    recsys_quantize_options options = {.struct_size = sizeof options, .progress = stop_in, .progress_user = phases[i]};
    expect(recsys_model_quantize(model, path, images, N, &options, NULL, NULL, &error), RECSYS_ECANCELLED, "cancelled");
  }
  ck_assert_int_eq(size_of(path), -1);
  snprintf(path, sizeof path, "%s/no/such/folder", folder);
  expect(recsys_model_quantize(model, path, images, N, NULL, NULL, NULL, &error), RECSYS_ENOTFOUND, "no/such");
}
END_TEST

/* Two usable pictures of four are enough, whichever they are. */
START_TEST(two_usable_pictures) {
  make("mini");
  quantize(NULL);
  for (int bad = 0; bad < 6; bad++) {
    static const int pairs[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
    recsys_quantize_report report = {.struct_size = sizeof report};
    size_t kept = images[0].size;
    images[pairs[bad][0]].size = images[pairs[bad][1]].size = 5;
    expect(recsys_model_quantize(model, path, images, 4, NULL, &report, statuses, &error), RECSYS_EPARTIAL, "picture ");
    ck_assert(report.calibrated == 1 && report.compared == 1 && report.neighbours == 0);
    for (int i = 0; i < 4; i++)
      ck_assert_int_eq(statuses[i] == RECSYS_OK, i != pairs[bad][0] && i != pairs[bad][1]);
    images[pairs[bad][0]].size = images[pairs[bad][1]].size = kept;
  }
}
END_TEST

/* With small numbers, too: bad pictures are no part of either. */
START_TEST(few_of_many) {
  make("mini");
  for (int i = 0; i < N; i += 2)
    images[i].size = 5;
  for (uint64_t seed = 0; seed < 5; seed++) {
    recsys_quantize_options options = {.struct_size = sizeof options, .calibrate = 2, .compare = 3, .seed = seed};
    recsys_quantize_report report = {.struct_size = sizeof report};
    recsys_status status = recsys_model_quantize(model, path, images, N, &options, &report, NULL, &error);
    ck_assert_msg(status == RECSYS_OK || status == RECSYS_EPARTIAL, "%s", error.message);
    ck_assert(report.calibrated == 2 && report.compared == 3 && report.neighbours == 2);
  }
}
END_TEST

/* A file that has become another one since it was opened. */
START_TEST(changed_file) {
  make("mini");
  ok(recsys_model_save(model, copy, &error));
  recsys_model_close(model);
  recsys_model_options options = usual();
  options.seed = 4;
  model = open_as(copy, RECSYS_PRECISION_FLOAT32);
  recsys_model *other;
  ok(recsys_model_create(&other, "mini", &options, &error));
  ok(recsys_model_save(other, copy, &error));
  recsys_model_close(other);
  expect(recsys_model_quantize(model, path, images, N, NULL, NULL, NULL, &error), RECSYS_EMISMATCH, "other weights");
  ck_assert_int_eq(size_of(path), -1);
}
END_TEST

/* The model's own file, by whatever name, is not overwritten. */
START_TEST(own_file) {
  make("mini");
  ok(recsys_model_save(model, copy, &error));
  recsys_model_close(model);
  model = open_as(copy, RECSYS_PRECISION_FLOAT32);
  long size = size_of(copy);
  char other[160];
  snprintf(other, sizeof other, "%s/link", folder);
  ck_assert_int_eq(symlink(copy, other), 0);
  expect(recsys_model_quantize(model, copy, images, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "opened from");
  expect(recsys_model_quantize(model, other, images, N, NULL, NULL, NULL, &error), RECSYS_EINVAL, "opened from");
  ck_assert_int_eq(size_of(copy), size);
}
END_TEST

/* The file at `path` with other ranges. */
static void write_ranges(const char *text) {
  recsys__tensors tensors;
  ok(recsys__tensors_read(&tensors, path, &error));
  for (size_t i = 0; i < tensors.metadata_count; i++)
    if (strcmp(tensors.metadata[i].key, "recsys.quantization") == 0)
      tensors.metadata[i].value = text;
  ok(recsys__tensors_write(copy, tensors.list, tensors.count, tensors.metadata, tensors.metadata_count, &error));
  recsys__tensors_free(&tensors);
}

START_TEST(wrong_ranges) {
  static const char *const cases[][2] = {{"{\"layers\": {}}", "0 int8 layers"},
                                         {"{\"layers\": 5}", "tells of no layers"},
                                         {"[", "tells of no layers"},
                                         {"{\"layers\": {\"no.weight\": [1, 1]}}", "'no.weight'"},
                                         {"{\"layers\": {\"stem.0.weight\": [1, 1]}}", "no tensor of bytes"},
                                         {"{\"layers\": {\"down2.bias\": [1, 1]}}", "no tensor of bytes"},
                                         {"{\"layers\": {\"down2.weight\": [1]}}", "'down2.weight'"},
                                         {"{\"layers\": {\"down2.weight\": [1, 0]}}", "'down2.weight'"},
                                         {"{\"layers\": {\"down2.weight\": [1e-30, 1]}}", "'down2.weight'"},
                                         {"{\"layers\": {\"down2.weight\": [1, 1e30]}}", "'down2.weight'"},
                                         {"{\"layers\": {\"down2.weight\": [\"1\", 1]}}", "'down2.weight'"}};
  recsys_model *none;
  recsys_model_options options = {.struct_size = sizeof options, .engine = "onednn"};
  make("mini");
  quantize(NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_ranges(cases[i][0]);
    expect(recsys_model_open(&none, copy, &options, &error), RECSYS_EFORMAT, cases[i][1]);
  }
}
END_TEST

/* A tensor of bytes without its units, or with too few. */
START_TEST(without_units) {
  recsys__tensors tensors;
  recsys_model *none;
  make("mini");
  quantize(NULL);
  for (int missing = 0; missing < 2; missing++) {
    ok(recsys__tensors_read(&tensors, path, &error));
    size_t kept = 0;
    for (size_t i = 0; i < tensors.count; i++) {
      recsys__tensor *tensor = &tensors.list[i];
      bool unit = strcmp(tensor->name, "down2.weight.unit") == 0;
      if (unit && missing)
        continue;
      if (unit) {
        tensor->shape[0]--;
        tensor->bytes -= sizeof(float);
      }
      tensors.list[kept++] = *tensor;
    }
    ok(recsys__tensors_write(copy, tensors.list, kept, tensors.metadata, tensors.metadata_count, &error));
    recsys__tensors_free(&tensors);
    expect(recsys_model_open(&none, copy, NULL, &error), RECSYS_EUNSUPPORTED, "'down2.weight.unit'");
  }
}
END_TEST

int main(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512vnni")) {
    puts("skipped: this processor has no int8 products");
    return 77;
  }
#endif
  Suite *suite = suite_create("quantize");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, set_up, tear_down);
  tcase_set_timeout(all, 120);
  tcase_add_loop_test(all, near_to_floats, 0, sizeof architectures / sizeof *architectures);
  tcase_add_loop_test(all, some_layers, 0, 4);
  tcase_add_loop_test(all, every_layer, 0, sizeof layered / sizeof *layered);
  tcase_add_test(all, the_file);
  tcase_add_test(all, seeds);
  tcase_add_test(all, isolated);
  tcase_add_test(all, what_is_refused);
  tcase_add_test(all, bad_pictures);
  tcase_add_test(all, cancelled);
  tcase_add_test(all, two_usable_pictures);
  tcase_add_test(all, few_of_many);
  tcase_add_test(all, changed_file);
  tcase_add_test(all, own_file);
  tcase_add_test(all, wrong_ranges);
  tcase_add_test(all, without_units);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}
