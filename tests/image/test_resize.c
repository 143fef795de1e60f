/* Resampling against Pillow (make_expected.py), the AVX2 loops against the plain ones, and bad arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "image/resample.h"
#include "pictures.h"

static recsys__filter_kind kind_named(const char *word) {
  ck_assert(strcmp(word, "bilinear") == 0 || strcmp(word, "nearest") == 0);
  return word[0] == 'b' ? RECSYS__BILINEAR : RECSYS__NEAREST;
}

static void check_resize(const recsys__resampler *resampler, const char *source, const char *word, const char *target) {
  recsys__pixels from = ppm_of(source), expected = ppm_of(target);
  recsys__pixels got = {malloc((size_t)expected.width * expected.height * 3), expected.width, expected.height};
  recsys_error error;
  recsys_status status =
      recsys__image_resize_with(resampler, &from, expected.width, expected.height, kind_named(word), got.data, &error);
  ck_assert_msg(status == RECSYS_OK, "%s: %s", target, error.message);
  assert_alike(target, &got, &expected, 1);
  free(got.data);
  recsys__pixels_free(&from);
  recsys__pixels_free(&expected);
}

static void check_list(const recsys__resampler *resampler) {
  bytes list = bytes_of("list.txt");
  int count = 0;
  char *rest = NULL;
  for (char *line = strtok_r((char *)list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char source[64], word[16], target[64];
    if (sscanf(line, "resize %63s %15s %63s", source, word, target) == 3) {
      check_resize(resampler, source, word, target);
      count++;
    }
  }
  ck_assert_int_ge(count, 30);
  bytes_free(&list);
}

START_TEST(as_pillow_plain) {
  check_list(&recsys__resampler_plain);
}
END_TEST

START_TEST(as_pillow_fast) {
  if (!recsys__resampler_avx2()) {
    printf("skipped: this processor has no AVX2\n");
    return;
  }
  check_list(recsys__resampler_avx2());
}
END_TEST

/* In memory of exactly the size that is needed, so that a sanitizer sees a read or a write outside. */
static recsys__pixels noise(recsys__random *random, uint32_t width, uint32_t height) {
  recsys__pixels pixels = {malloc((size_t)width * height * 3), width, height};
  for (size_t i = 0; i < (size_t)width * height * 3; i++) {
    pixels.data[i] = (uint8_t)recsys__random_u32(random);
  }
  return pixels;
}

START_TEST(fast_equals_plain) {
  recsys__random random;
  recsys__random_seed(&random, 11, 0);
  for (int i = 0; recsys__resampler_avx2() && i < 200; i++) {
    uint32_t side = i % 10 ? 90 : 700;
    recsys__pixels from =
        noise(&random, 1 + recsys__random_below(&random, side), 1 + recsys__random_below(&random, side));
    uint32_t width = 1 + recsys__random_below(&random, 120), height = 1 + recsys__random_below(&random, 120);
    size_t size = (size_t)width * height * 3;
    uint8_t *plain = malloc(size), *fast = malloc(size);
    ck_assert_int_eq(
        recsys__image_resize_with(&recsys__resampler_plain, &from, width, height, RECSYS__BILINEAR, plain, NULL), 0);
    ck_assert_int_eq(
        recsys__image_resize_with(recsys__resampler_avx2(), &from, width, height, RECSYS__BILINEAR, fast, NULL), 0);
    ck_assert_msg(memcmp(plain, fast, size) == 0, "%u x %u to %u x %u", from.width, from.height, width, height);
    free(plain);
    free(fast);
    free(from.data);
  }
}
END_TEST

/* Weights that sum to 1 keep one colour as it is, at any size. */
START_TEST(one_colour_stays) {
  static const uint32_t sizes[][4] = {
      {1, 10000, 64, 64}, {10000, 1, 64, 64}, {5000, 3, 1, 1}, {2, 2, 3000, 2}, {640, 480, 341, 256}};
  const uint32_t *s = sizes[_i];
  recsys__pixels from = {malloc((size_t)s[0] * s[1] * 3), s[0], s[1]};
  size_t size = (size_t)s[2] * s[3] * 3;
  uint8_t *out = malloc(size);
  for (int value = 0; value <= 255; value += 85) {
    memset(from.data, value, (size_t)s[0] * s[1] * 3);
    for (int kind = RECSYS__NEAREST; kind <= RECSYS__BILINEAR; kind++) {
      memset(out, value ^ 255, size);
      ck_assert_int_eq(recsys__image_resize(&from, s[2], s[3], (recsys__filter_kind)kind, out, NULL), RECSYS_OK);
      for (size_t i = 0; i < size; i++) {
        if (out[i] != value) {
          ck_abort_msg("value %zu is %d instead of %d", i, out[i], value);
        }
      }
    }
  }
  free(out);
  free(from.data);
}
END_TEST

START_TEST(bad_arguments) {
  uint8_t in[12] = {0}, out[12];
  recsys__pixels good = {in, 2, 2}, empty = {in, 0, 2}, none = {NULL, 2, 2};
  const recsys__pixels *const bad[] = {NULL, &empty, &none};
  recsys_error error;
  for (size_t i = 0; i < 3; i++) {
    ck_assert_int_eq(recsys__image_resize(bad[i], 2, 2, RECSYS__BILINEAR, out, &error), RECSYS_EINVAL);
    ck_assert_int_eq(error.status, RECSYS_EINVAL);
  }
  ck_assert_int_eq(recsys__image_resize(&good, 2, 2, RECSYS__BILINEAR, NULL, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_resize(&good, 0, 2, RECSYS__BILINEAR, out, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_resize(&good, 2, 0, RECSYS__NEAREST, out, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_resize(&good, UINT32_MAX, UINT32_MAX, RECSYS__BILINEAR, out, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_resize(&good, 2, 65536, RECSYS__NEAREST, out, NULL), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_resize(&good, 1, 1, (recsys__filter_kind)2, out, NULL), RECSYS_EINVAL);
}
END_TEST

START_TEST(every_allocation_may_fail) {
  uint8_t in[5 * 7 * 3] = {0}, out[9 * 3 * 3];
  recsys__pixels from = {in, 5, 7};
  recsys__filter_kind kind = _i ? RECSYS__BILINEAR : RECSYS__NEAREST;
  recsys_status status = RECSYS_ENOMEM;
  size_t n = 0;
  while (status != RECSYS_OK && n < 100) {
    recsys__fail_allocation(++n, false);
    status = recsys__image_resize(&from, 9, 3, kind, out, NULL);
    recsys__fail_allocation(0, false);
    ck_assert(status == RECSYS_OK || status == RECSYS_ENOMEM);
  }
  ck_assert_int_eq(status, RECSYS_OK);
  ck_assert_uint_gt(n, 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image/resize");
  TCase *tests = tcase_create("resize");
  tcase_add_test(tests, as_pillow_plain);
  tcase_add_test(tests, as_pillow_fast);
  tcase_add_test(tests, fast_equals_plain);
  tcase_add_loop_test(tests, one_colour_stays, 0, 5);
  tcase_add_test(tests, bad_arguments);
  tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
