/* Files that want to hang, fill memory or crash: each gets its status at once, without memory of the claimed size. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "pictures.h"

static char folder[64];

static const char *path_in(const char *name) {
  static char path[128];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static void make_folder(void) {
  strcpy(folder, "/tmp/recsys-hostile-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
  static const char *const names[] = {"fifo", "empty", "large", "picture.png"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    unlink(path_in(names[i]));
  }
  ck_assert_int_eq(rmdir(folder), 0);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static long peak_kib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/* As assert_status, in less than a second of processor time and 64 MiB more than before. */
static void assert_cheap(const char *what, const recsys_image *image, const recsys__image_limits *limits,
                         recsys_status expected) {
  double start = seconds();
  long peak = peak_kib();
  assert_status(what, image, limits, expected);
  ck_assert_double_lt(seconds() - start, 1);
  ck_assert_int_lt(peak_kib() - peak, 64 * 1024);
}

/* A growing piece of memory that libpng writes to. */
typedef struct {
  uint8_t *data;
  size_t size, capacity;
} sink;

static void put(png_structp png, png_bytep data, size_t n) {
  sink *to = png_get_io_ptr(png);
  if (to->size + n > to->capacity) {
    to->capacity = 2 * (to->size + n);
    to->data = realloc(to->data, to->capacity);
  }
  memcpy(to->data + to->size, data, n);
  to->size += n;
}

static void flush(png_structp png) {
  (void)png;
}

/* A sound PNG of one colour: zeros of one bit, or of 8-bit RGB. */
static sink one_colour_png(uint32_t width, uint32_t height, int depth, int kind) {
  sink out = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &out, put, flush);
  png_set_compression_level(png, 1);
  png_set_filter(png, 0, PNG_FILTER_NONE);
  png_set_IHDR(png, info, width, height, depth, kind, PNG_INTERLACE_NONE, 0, 0);
  png_write_info(png, info);
  uint8_t *row = calloc(width, 3);
  for (uint32_t y = 0; y < height; y++) {
    png_write_row(png, row);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  free(row);
  return out;
}

START_TEST(png_of_2500_megapixels) {
  sink file = one_colour_png(50000, 50000, 1, PNG_COLOR_TYPE_GRAY);
  ck_assert_uint_lt(file.size, 2 * 1024 * 1024);
  recsys_image image = image_bytes(file.data, file.size);
  recsys__fail_allocation(0, false);
  assert_cheap("50,000 x 50,000", &image, NULL, RECSYS_ELIMIT);
  ck_assert_uint_eq(recsys__fail_allocation(0, false), 0);
  recsys__image_limits limits = {.max_pixels = UINT64_MAX};
  assert_cheap("50,000 x 50,000, any size allowed", &image, &limits, RECSYS_ENOMEM);
  limits.max_decode_bytes = (uint64_t)50000 * 50000 * 3 - 1;
  assert_cheap("50,000 x 50,000, one byte too large", &image, &limits, RECSYS_ENOMEM);
  FILE *out = fopen(path_in("picture.png"), "wb");
  ck_assert_uint_eq(fwrite(file.data, 1, file.size, out), file.size);
  ck_assert_int_eq(fclose(out), 0);
  recsys_image from_file = image_file(path_in("picture.png"));
  assert_cheap("50,000 x 50,000, from a file", &from_file, NULL, RECSYS_ELIMIT);
  free(file.data);
}
END_TEST

/* The file up to its end marker, then the last scan again and again. */
static sink repeat_last_scan(const char *name, size_t times) {
  bytes file = bytes_of(name);
  size_t scan = file.size - 2;
  while (!(file.data[scan] == 0xFF && file.data[scan + 1] == 0xDA)) {
    scan--;
  }
  size_t length = file.size - 2 - scan;
  sink out = {malloc(file.size + times * length), file.size - 2, 0};
  memcpy(out.data, file.data, out.size);
  for (size_t i = 0; i < times; i++, out.size += length) {
    memcpy(out.data + out.size, file.data + scan, length);
  }
  memcpy(out.data + out.size, "\xFF\xD9", 2);
  out.size += 2;
  bytes_free(&file);
  return out;
}

/* progressive_420.jpg has ten scans: with 90 more it has as many as are allowed. */
START_TEST(jpeg_of_thousands_of_scans) {
  static const struct {
    size_t times;
    recsys_status status;
  } cases[] = {{90, RECSYS_OK}, {91, RECSYS_ELIMIT}, {5000, RECSYS_ELIMIT}, {80000, RECSYS_ELIMIT}};
  sink file = repeat_last_scan("progressive_420.jpg", cases[_i].times);
  recsys_image image = image_bytes(file.data, file.size);
  assert_cheap("scans", &image, NULL, cases[_i].status);
  free(file.data);
}
END_TEST

START_TEST(what_is_no_file) {
  ck_assert_int_eq(mkfifo(path_in("fifo"), 0600), 0);
  fclose(fopen(path_in("empty"), "wb"));
  fclose(fopen(path_in("large"), "wb"));
  ck_assert_int_eq(truncate(path_in("large"), (off_t)64 * 1024 * 1024 + 1), 0);
  static const struct {
    const char *name;
    recsys_status status;
  } cases[] = {{"fifo", RECSYS_EFORMAT},
               {"", RECSYS_EFORMAT},
               {"empty", RECSYS_EFORMAT},
               {"large", RECSYS_ELIMIT},
               {"missing", RECSYS_ENOTFOUND}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    recsys_image image = image_file(path_in(cases[i].name));
    assert_cheap(cases[i].name, &image, NULL, cases[i].status);
  }
  recsys_image device = image_file("/dev/zero"), none = image_file(NULL);
  assert_cheap("/dev/zero", &device, NULL, RECSYS_EFORMAT);
  assert_cheap("no path", &none, NULL, RECSYS_EINVAL);
}
END_TEST

START_TEST(no_bytes) {
  recsys_image image = image_bytes(NULL, 10);
  assert_cheap("no data", &image, NULL, RECSYS_EINVAL);
  image = image_bytes("", 0);
  assert_cheap("empty", &image, NULL, RECSYS_EFORMAT);
  image = image_bytes("\xFF\xD8\xFF", UINT32_MAX);
  assert_cheap("more than 64 MiB", &image, NULL, RECSYS_ELIMIT);
}
END_TEST

START_TEST(other_kinds_are_named) {
  static const char *const files[][2] = {{"GIF89a..........", "GIF"},  {"RIFF....WEBPVP8 ", "WebP"},
                                         {"BM..............", "BMP"},  {"II*.............", "TIFF"},
                                         {"....ftypavif....", "AVIF"}, {"....ftypheic....", "HEIF"},
                                         {"%PDF-1.7........", "PDF"}};
  for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
    recsys_image image = image_bytes(files[i][0], 16);
    recsys__pixels pixels;
    recsys_error error;
    ck_assert_int_eq(recsys__image_load(&pixels, &image, NULL, &error), RECSYS_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, files[i][1]));
  }
  recsys_image image = image_bytes("<!doctype html><html>", 21);
  assert_cheap("a page", &image, NULL, RECSYS_EFORMAT);
}
END_TEST

/* Random bytes, alone and behind the beginning of a sound file: any status but OK or a bug. A sound beginning may
 * even decode: libjpeg-turbo steps over damage. */
START_TEST(random_bytes) {
  static const char *const starts[] = {"", "baseline_420.jpg", "progressive_420.jpg", "rgb_8.png", "palette_4.png"};
  recsys__random random;
  recsys__random_seed(&random, 5, 0);
  bytes start = _i ? bytes_of(starts[_i]) : (bytes){calloc(1, 1), 0};
  for (int round = 0; round < 300; round++) {
    uint8_t data[4096];
    size_t kept = start.size ? recsys__random_below(&random, (uint32_t)(start.size < 2048 ? start.size : 2048)) : 0;
    memcpy(data, start.data, kept);
    for (size_t i = kept; i < sizeof(data); i++) {
      data[i] = (uint8_t)recsys__random_u32(&random);
    }
    recsys_image image = image_bytes(data, 1 + recsys__random_below(&random, sizeof(data)));
    recsys__image_limits limits = {.max_pixels = 1 << 20};
    recsys__pixels pixels;
    recsys_status status = recsys__image_load(&pixels, &image, &limits, NULL);
    ck_assert(status == RECSYS_OK || status == RECSYS_EFORMAT || status == RECSYS_EUNSUPPORTED ||
              status == RECSYS_ELIMIT);
    ck_assert(_i || status != RECSYS_OK);
    recsys__pixels_free(&pixels);
  }
  bytes_free(&start);
}
END_TEST

START_TEST(thin_pictures) {
  static const uint32_t sizes[][2] = {{1, 1}, {1, 10000}, {10000, 1}, {1, 65536}};
  sink file = one_colour_png(sizes[_i][0], sizes[_i][1], 8, PNG_COLOR_TYPE_RGB);
  recsys_image image = image_bytes(file.data, file.size);
  recsys__pixels pixels;
  ck_assert_int_eq(recsys__image_load(&pixels, &image, NULL, NULL), RECSYS_OK);
  ck_assert_uint_eq(pixels.width, sizes[_i][0]);
  ck_assert_uint_eq(pixels.height, sizes[_i][1]);
  uint8_t *out = malloc(224 * 224 * 3);
  ck_assert_int_eq(recsys__image_resize(&pixels, 224, 224, RECSYS__BILINEAR, out, NULL), RECSYS_OK);
  ck_assert_int_eq(out[224 * 224 * 3 - 1], 0);
  free(out);
  free(file.data);
  recsys__pixels_free(&pixels);
}
END_TEST

/* The message keeps the end of a long path, whole characters of it: wherever the cut falls among these of two bytes. */
START_TEST(long_path_in_message) {
  char path[300];
  snprintf(path, sizeof(path), "%s/%s", folder, "");
  for (int i = 0; i < 60; i++) {
    strcat(path, "\xC3\xA4");
  }
  strcat(path, _i ? "x" : "");
  FILE *file = fopen(path, "wb");
  fputs("neither JPEG nor PNG", file);
  fclose(file);
  recsys_image image = image_file(path);
  recsys__pixels pixels;
  recsys_error error;
  ck_assert_int_eq(recsys__image_load(&pixels, &image, NULL, &error), RECSYS_EFORMAT);
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_ptr_nonnull(strstr(error.message, "'...\xC3\xA4\xC3\xA4"));
  ck_assert_ptr_nonnull(strstr(error.message, _i ? "\xA4x' is neither JPEG nor PNG" : "\xA4' is neither JPEG nor PNG"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image/hostile");
  TCase *tests = tcase_create("hostile");
  tcase_add_checked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, png_of_2500_megapixels);
  tcase_add_loop_test(tests, jpeg_of_thousands_of_scans, 0, 4);
  tcase_add_test(tests, what_is_no_file);
  tcase_add_test(tests, no_bytes);
  tcase_add_test(tests, other_kinds_are_named);
  tcase_add_loop_test(tests, random_bytes, 0, 5);
  tcase_add_loop_test(tests, thin_pictures, 0, 4);
  tcase_add_loop_test(tests, long_path_in_message, 0, 2);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
