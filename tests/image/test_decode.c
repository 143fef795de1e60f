/* JPEG and PNG of every kind against the pixels that Pillow sees (make_expected.py), truncation at every length, the
 * limits at their edges, and scaled decoding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/decode.h"
#include "pictures.h"

/* Calls fn for every line of expected/list.txt that begins with `verb`, and returns how many there were. */
static int each_line(const char *verb, void (*fn)(const char *a, const char *b, const char *c)) {
  bytes list = bytes_of("list.txt");
  int count = 0;
  char *rest = NULL;
  for (char *line = strtok_r((char *)list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char word[16], a[64], b[64], c[64] = "";
    ck_assert_int_ge(sscanf(line, "%15s %63s %63s %63s", word, a, b, c), 3);
    if (strcmp(word, verb) == 0) {
      fn(a, b, c);
      count++;
    }
  }
  bytes_free(&list);
  return count;
}

static recsys__pixels load(const char *what, const recsys_image *image, const recsys__image_limits *limits) {
  recsys__pixels pixels;
  recsys_error error;
  recsys_status status = recsys__image_load(&pixels, image, limits, &error);
  ck_assert_msg(status == RECSYS_OK, "%s: %s", what, error.message);
  ck_assert_int_eq(error.status, RECSYS_OK);
  ck_assert_str_eq(error.message, "");
  return pixels;
}

static void check_decode(const char *name, const char *ppm, const char *tolerance) {
  bytes file = bytes_of(name);
  recsys__pixels expected = ppm_of(ppm);
  recsys_image image = image_bytes(file.data, file.size);
  recsys__pixels got = load(name, &image, NULL);
  assert_alike(name, &got, &expected, atoi(tolerance));
  recsys__pixels_free(&got);
  recsys__pixels_free(&expected);
  bytes_free(&file);
}

START_TEST(every_kind_as_pillow) {
  ck_assert_int_ge(each_line("decode", check_decode), 80);
}
END_TEST

static void check_refuse(const char *name, const char *status, const char *unused) {
  bytes file = bytes_of(name);
  recsys_image image = image_bytes(file.data, file.size);
  (void)unused;
  assert_status(name, &image, NULL, status_named(status));
  bytes_free(&file);
}

START_TEST(every_bad_kind_is_refused) {
  ck_assert_int_ge(each_line("refuse", check_refuse), 13);
}
END_TEST

/* In memory of exactly that size, so that a sanitizer sees a read behind it. */
static void check_truncated(const char *name) {
  bytes file = bytes_of(name);
  for (size_t n = 1; n < file.size; n++) {
    char what[96];
    snprintf(what, sizeof(what), "%s cut to %zu bytes", name, n);
    uint8_t *part = malloc(n);
    memcpy(part, file.data, n);
    recsys_image image = image_bytes(part, n);
    assert_status(what, &image, NULL, RECSYS_EFORMAT);
    free(part);
  }
  bytes_free(&file);
}

START_TEST(truncated_at_every_length) {
  static const char *const names[] = {"baseline_420.jpg",
                                      "progressive_420.jpg",
                                      "cmyk.jpg",
                                      "grey_progressive.jpg",
                                      "rgb_8_interlaced.png",
                                      "palette_4_trns.png",
                                      "rgb_alpha_16.png",
                                      "baseline_444.jpg",
                                      "baseline_422.jpg",
                                      "grey.jpg",
                                      "one_pixel.jpg",
                                      "rgb.jpg"};
  check_truncated(names[_i]);
}
END_TEST

START_TEST(files_by_content_not_by_name) {
  char path[] = "/tmp/recsys-image-XXXXXX.jpg";
  bytes file = bytes_of("rgb_8.png");
  recsys__pixels expected = ppm_of("rgb_8.ppm");
  int fd = mkstemps(path, 4);
  FILE *out = fdopen(fd, "wb");
  ck_assert_ptr_nonnull(out);
  ck_assert_uint_eq(fwrite(file.data, 1, file.size, out), file.size);
  ck_assert_int_eq(fclose(out), 0);
  recsys_image image = image_file(path);
  recsys__pixels got = load(path, &image, NULL);
  remove(path);
  assert_alike("a PNG called .jpg", &got, &expected, 0);
  recsys__pixels_free(&got);
  recsys__pixels_free(&expected);
  bytes_free(&file);
}
END_TEST

/* width, height, scans and file bytes are read off the files by hand: 37 x 27, ten scans of Pillow's progression. */
START_TEST(limits_hold_at_their_edges) {
  bytes file = bytes_of("progressive_420.jpg");
  recsys_image image = image_bytes(file.data, file.size);
  recsys__image_limits exact = {.max_file_bytes = file.size, .max_pixels = 37 * 27, .max_scans = 10};
  assert_status("exact limits", &image, &exact, RECSYS_OK);
  recsys__image_limits limits = exact;
  limits.max_file_bytes--;
  assert_status("one byte less", &image, &limits, RECSYS_ELIMIT);
  limits = exact;
  limits.max_pixels--;
  assert_status("one pixel less", &image, &limits, RECSYS_ELIMIT);
  limits = exact;
  limits.max_scans--;
  assert_status("one scan less", &image, &limits, RECSYS_ELIMIT);
  bytes_free(&file);
}
END_TEST

/* The pixels alone are 37 x 27 x 3 = 2997 bytes; a progressive picture holds its coefficients as well, of at least
 * 6 x 4 + 2 x (3 x 2) = 36 blocks of 128 bytes; a turned one is there twice; an interlaced one with alpha, 19 x 13,
 * has 7 bytes for each pixel: 1729. */
START_TEST(memory_limit_counts_all_that_is_held) {
  static const struct {
    const char *name;
    uint64_t enough, little;
  } cases[] = {
      {"baseline_420.jpg", 2997, 2996},
      {"progressive_420.jpg", 20000, 2997 + 36 * 128 - 1},
      {"orientation_6.jpg", 2 * 2997, 2 * 2997 - 1},
      {"rgb_8.png", 19 * 13 * 3, 19 * 13 * 3 - 1},
      {"rgb_alpha_8.png", 19 * 13 * 3 + 19 * 4, 19 * 13 * 3 + 19 * 4 - 1},
      {"rgb_alpha_8_interlaced.png", 1729, 1728},
  };
  bytes file = bytes_of(cases[_i].name);
  recsys_image image = image_bytes(file.data, file.size);
  recsys__image_limits limits = {.max_decode_bytes = cases[_i].little};
  assert_status(cases[_i].name, &image, &limits, RECSYS_ENOMEM);
  /* libjpeg counts its own tables, too, so that a JPEG wants some more than what is checked beforehand */
  limits.max_decode_bytes = cases[_i].enough + (strstr(cases[_i].name, ".jpg") ? 500000 : 0);
  assert_status(cases[_i].name, &image, &limits, RECSYS_OK);
  bytes_free(&file);
}
END_TEST

START_TEST(survey_counts_scans) {
  bytes file = bytes_of("progressive_420.jpg");
  ck_assert_uint_eq(recsys__jpeg_walk(file.data, file.size).scans, 10);
  bytes_free(&file);
  file = bytes_of("comment_and_fill.jpg"); /* its comment holds the bytes of an SOS and of an EOI */
  ck_assert_uint_eq(recsys__jpeg_walk(file.data, file.size).scans, 1);
  bytes_free(&file);
}
END_TEST

/* Cut at every length, in memory of exactly that size, so that a sanitizer sees a read behind it. */
START_TEST(survey_of_orientation) {
  static const struct {
    const char *name;
    uint32_t orientation;
  } cases[] = {{"orientation_7.jpg", 7}, {"orientation_4.jpg", 4}, {"exif_nine.jpg", 1},     {"exif_end.jpg", 1},
               {"exif_cut.jpg", 1},      {"exif_far.jpg", 1},      {"exif_cut_long.jpg", 1}, {"exif_count.jpg", 1}};
  bytes file = bytes_of(cases[_i].name);
  ck_assert_uint_eq(recsys__jpeg_walk(file.data, file.size).orientation, cases[_i].orientation);
  for (size_t n = 1; n < file.size; n++) {
    uint8_t *part = malloc(n);
    memcpy(part, file.data, n);
    recsys__jpeg_survey survey = recsys__jpeg_walk(part, n);
    ck_assert_uint_le(survey.scans, 1);
    ck_assert(survey.orientation == 1 || survey.orientation == cases[_i].orientation);
    free(part);
  }
  bytes_free(&file);
}
END_TEST

static const char *const names[] = {"baseline_420.jpg",  "progressive_444.jpg",         "ycck.jpg",
                                    "orientation_8.jpg", "rgb_alpha_16_interlaced.png", "palette_2_trns.png"};

/* The n-th allocation fails, for every n, once and for ever. libjpeg's own memory is not the library's. */
START_TEST(every_allocation_may_fail) {
  bytes file = bytes_of(names[_i / 2]);
  recsys_image image = image_bytes(file.data, file.size);
  bool all_later = _i % 2;
  recsys_status status = RECSYS_ENOMEM;
  size_t n = 0;
  while (status != RECSYS_OK && n < 1000) {
    recsys__pixels pixels;
    recsys_error error;
    recsys__fail_allocation(++n, all_later);
    status = recsys__image_load(&pixels, &image, NULL, &error);
    recsys__fail_allocation(0, false);
    ck_assert_msg(status == RECSYS_OK || status == RECSYS_ENOMEM, "%s: allocation %zu: %s", names[_i / 2], n,
                  error.message);
    ck_assert_int_eq(pixels.data != NULL, status == RECSYS_OK);
    recsys__pixels_free(&pixels);
  }
  ck_assert_int_eq(status, RECSYS_OK);
  ck_assert_uint_gt(n, 1);
  bytes_free(&file);
}
END_TEST

/* At 1/2 every pixel is about the mean of four; libjpeg-turbo's own reduced transform differs from it by little. */
static double mean_difference_at_half(const recsys__pixels *full, const recsys__pixels *half) {
  double sum = 0;
  for (size_t y = 0; y < half->height; y++) {
    for (size_t x = 0; x < half->width; x++) {
      for (size_t c = 0; c < 3; c++) {
        const uint8_t *p = full->data + (2 * y * full->width + 2 * x) * 3 + c;
        double mean = (p[0] + p[3] + p[full->width * 3] + p[full->width * 3 + 3]) / 4.0;
        double difference = mean - half->data[(y * half->width + x) * 3 + c];
        sum += difference < 0 ? -difference : difference;
      }
    }
  }
  return sum / ((double)half->width * half->height * 3);
}

static recsys__pixels load_scaled(const char *name, uint32_t side, const recsys__rect *crop) {
  bytes file = bytes_of(name);
  recsys_image image = image_bytes(file.data, file.size);
  recsys__image_limits limits = {.scaled_side = side};
  if (crop) {
    image.crop_x = crop->x;
    image.crop_y = crop->y;
    image.crop_width = crop->width;
    image.crop_height = crop->height;
  }
  recsys__pixels pixels = load(name, &image, &limits);
  bytes_free(&file);
  return pixels;
}

/* smooth.jpg is 96 x 64: its shorter side leaves 1/1 for 33, 1/2 for 16, 1/4 for 8 and 1/8 for up to 4. */
START_TEST(scaled_decoding) {
  static const uint32_t sides[] = {33, 32, 17, 16, 9, 8, 5, 4, 1}, widths[] = {96, 96, 96, 48, 48, 24, 24, 12, 12};
  recsys__pixels pixels = load_scaled("smooth.jpg", sides[_i], NULL);
  ck_assert_uint_eq(pixels.width, widths[_i]);
  ck_assert_uint_eq(pixels.height, widths[_i] * 2 / 3);
  recsys__pixels_free(&pixels);
}
END_TEST

START_TEST(scaled_decoding_keeps_the_picture) {
  recsys__pixels full = load_scaled("smooth.jpg", 0, NULL), half = load_scaled("smooth.jpg", 16, NULL);
  ck_assert_double_lt(mean_difference_at_half(&full, &half), 2);
  recsys__pixels_free(&half);
  half = ppm_of("smooth_half.ppm"); /* Pillow's draft mode */
  recsys__pixels got = load_scaled("smooth.jpg", 16, NULL);
  assert_alike("1/2", &got, &half, 1);
  recsys__pixels_free(&got);
  recsys__pixels_free(&half);
  recsys__rect crop = {10, 20, 50, 40};
  got = load_scaled("smooth.jpg", 1, &crop); /* the crop counts full pixels: no scaling */
  ck_assert_uint_eq(got.width, 50);
  ck_assert_mem_eq(got.data, full.data + (20 * 96 + 10) * 3, 150);
  recsys__pixels_free(&got);
  recsys__pixels_free(&full);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image/decode");
  TCase *tests = tcase_create("decode");
  tcase_add_test(tests, every_kind_as_pillow);
  tcase_add_test(tests, every_bad_kind_is_refused);
  tcase_add_loop_test(tests, truncated_at_every_length, 0, 12);
  tcase_add_test(tests, files_by_content_not_by_name);
  tcase_add_test(tests, limits_hold_at_their_edges);
  tcase_add_loop_test(tests, memory_limit_counts_all_that_is_held, 0, 6);
  tcase_add_test(tests, survey_counts_scans);
  tcase_add_loop_test(tests, survey_of_orientation, 0, 8);
  tcase_add_loop_test(tests, every_allocation_may_fail, 0, 12);
  tcase_add_loop_test(tests, scaled_decoding, 0, 9);
  tcase_add_test(tests, scaled_decoding_keeps_the_picture);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
