/* Recipes against Pillow and torchvision.transforms: expected/recipes.txt, made by make_expected.py. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/net.h"

/* The picture that make_expected.py draws. */
static recsys__pixels draw(uint32_t width, uint32_t height) {
  recsys__pixels pixels = {.data = malloc((size_t)width * height * 3), .width = width, .height = height};
  uint8_t *p = pixels.data;
  for (uint64_t y = 0; y < height; y++)
    for (uint64_t x = 0; x < width; x++) {
      *p++ = (uint8_t)(x * x * 7 + y * y * 13 + x * y * 5);
      *p++ = (uint8_t)(x * 3 + y * 2);
      *p++ = (uint8_t)((x / 9 + y / 5) % 2 * 255);
    }
  return pixels;
}

/* One grey level in the recipe's units, and a little for the five digits of the file. */
static double tolerance(const recsys__recipe *recipe, uint32_t channel) {
  return 1.0 / ((double)recipe->divisor * fabs((double)recipe->scale[channel])) * 1.001 + 2e-3 / recipe->divisor;
}

static void check_case(const char *name, uint32_t side, uint32_t width, uint32_t height, const char *values) {
  const recsys__recipe *recipe = recsys__recipe_find(name);
  ck_assert_ptr_nonnull(recipe);
  recsys__pixels pixels = draw(width, height);
  uint32_t channels = recipe->channels;
  float *out = malloc((size_t)side * side * channels * sizeof *out);
  recsys_error error;
  ck_assert_msg(recsys__recipe_apply(recipe, &pixels, side, side, out, &error) == RECSYS_OK, "%s", error.message);
  char *next = (char *)(uintptr_t)values;
  for (uint32_t i = 0; i < 9 * 9 * channels; i++) {
    uint32_t y = i / (9 * channels) * (side - 1) / 8, x = i / channels % 9 * (side - 1) / 8, c = i % channels;
    double expected = strtod(next, &next), found = (double)out[(y * side + x) * channels + c];
    ck_assert_msg(fabs(found - expected) <= tolerance(recipe, c), "%s %u of %u x %u at (%u, %u, %u): %g, expected %g",
                  name, side, width, height, x, y, c, found, expected);
  }
  free(out);
  free(pixels.data);
}

START_TEST(equals_the_reference) {
  FILE *file = fopen(TESTS_DIR "/nn/expected/recipes.txt", "r");
  ck_assert_ptr_nonnull(file);
  static char line[8192];
  int cases = 0;
  for (; fgets(line, sizeof line, file) != NULL; cases++) {
    char name[32];
    uint32_t side, width, height;
    int used = 0;
    ck_assert_int_eq(sscanf(line, "%31s %u %u %u%n", name, &side, &width, &height, &used), 4);
    check_case(name, side, width, height, line + used);
  }
  fclose(file);
  ck_assert_int_eq(cases, 100);
}
END_TEST

START_TEST(known_names) {
  static const char *const names[] = {"torchvision", "inception", "keras", "caffe", "mini", "lenet"};
  for (size_t i = 0; i < 6; i++) {
    ck_assert_str_eq(recsys__recipe_at(i)->name, names[i]);
    ck_assert_ptr_eq(recsys__recipe_find(names[i]), recsys__recipe_at(i));
  }
  ck_assert_ptr_null(recsys__recipe_at(6));
  ck_assert_ptr_null(recsys__recipe_find("caff"));
  ck_assert_ptr_null(recsys__recipe_find("caffe2"));
  ck_assert_ptr_null(recsys__recipe_find(""));
  ck_assert_ptr_null(recsys__recipe_find(NULL));
  ck_assert_ptr_eq(recsys__recipe_find("caffe: stretch to 256x256 bilinear"), recsys__recipe_find("caffe"));
}
END_TEST

/* White is -0.1 and black 1.175 (LeCun et al. 1998, section II.C). */
START_TEST(lenet_has_the_paper_s_range) {
  uint8_t levels[2] = {0, 255};
  for (int i = 0; i < 2; i++) {
    uint8_t data[3] = {levels[i], levels[i], levels[i]};
    recsys__pixels pixel = {data, 1, 1};
    float out[32 * 32];
    ck_assert_int_eq(recsys__recipe_apply(recsys__recipe_find("lenet"), &pixel, 32, 32, out, NULL), RECSYS_OK);
    ck_assert_float_eq_tol(out[500], i == 0 ? 1.175f : -0.1f, 1e-5f);
  }
}
END_TEST

START_TEST(extreme_shapes_are_refused) {
  recsys__pixels strip = draw(1, 10000);
  static float out[224 * 224 * 3];
  recsys_error error;
  ck_assert_int_eq(recsys__recipe_apply(recsys__recipe_find("torchvision"), &strip, 224, 224, out, &error),
                   RECSYS_ELIMIT);
  ck_assert_ptr_nonnull(strstr(error.message, "1 x 10000"));
  ck_assert_int_eq(recsys__recipe_apply(recsys__recipe_find("keras"), &strip, 224, 224, out, &error), RECSYS_OK);
  free(strip.data);
  recsys__pixels nothing = {0};
  ck_assert_int_eq(recsys__recipe_apply(recsys__recipe_find("keras"), &nothing, 224, 224, out, &error), RECSYS_EINVAL);
}
END_TEST

START_TEST(no_memory_is_reported) {
  recsys__pixels pixels = draw(30, 20);
  static float out[224 * 224 * 3];
  size_t countdown = 1;
  for (;; countdown++) {
    recsys__fail_allocation(countdown, true);
    recsys_status status = recsys__recipe_apply(recsys__recipe_find("torchvision"), &pixels, 224, 224, out, NULL);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK)
      break;
    ck_assert_int_eq(status, RECSYS_ENOMEM);
  }
  ck_assert_uint_gt(countdown, 1);
  free(pixels.data);
}
END_TEST

/* A picture of the resized size, so that every value is one pixel's: (p / 255 - mean) / scale at the crop's place. */
START_TEST(variations_move_and_mirror) {
  enum { SIZE = 256, CROP = 224 };
  static float out[CROP * CROP * 3];
  const recsys__recipe *recipe = recsys__recipe_find("torchvision");
  static const recsys__variation all[] = {{0, 0, false}, {1, 0.5, true}, {0.25, 1, true}, {0.5, 0.5, false}};
  recsys__pixels pixels = draw(SIZE, SIZE);
  for (size_t v = 0; v < sizeof all / sizeof *all; v++) {
    ck_assert_int_eq(recsys__recipe_vary(recipe, &pixels, CROP, CROP, &all[v], out, NULL), RECSYS_OK);
    size_t top = (size_t)(all[v].down * (SIZE - CROP)), left = (size_t)(all[v].across * (SIZE - CROP));
    for (size_t y = 0; y < CROP; y += 13)
      for (size_t x = 0; x < CROP; x += 7)
        for (size_t c = 0; c < 3; c++) {
          size_t column = left + (all[v].mirrored ? CROP - 1 - x : x);
          float expected =
              ((float)pixels.data[((top + y) * SIZE + column) * 3 + c] / 255 - recipe->mean[c]) / recipe->scale[c];
          ck_assert_float_eq_tol(out[(y * CROP + x) * 3 + c], expected, 1e-6f);
        }
  }
  /* Without a margin of its own a recipe gets one: the corner differs from the whole. */
  const recsys__recipe *keras = recsys__recipe_find("keras");
  static float whole[CROP * CROP * 3];
  ck_assert_int_eq(recsys__recipe_apply(keras, &pixels, CROP, CROP, whole, NULL), RECSYS_OK);
  ck_assert_int_eq(recsys__recipe_vary(keras, &pixels, CROP, CROP, &all[0], out, NULL), RECSYS_OK);
  for (size_t c = 0; c < 3; c++) /* 256 x 256 again, and its upper left part */
    ck_assert_float_eq_tol(out[(100 * CROP + 30) * 3 + c],
                           (float)pixels.data[(100 * SIZE + 30) * 3 + 2 - c] - keras->mean[c], 1e-4f);
  ck_assert_int_ne(memcmp(whole, out, sizeof out), 0);
  free(pixels.data);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("recipe");
  tcase_add_test(tests, equals_the_reference);
  tcase_add_test(tests, variations_move_and_mirror);
  tcase_add_test(tests, known_names);
  tcase_add_test(tests, lenet_has_the_paper_s_range);
  tcase_add_test(tests, extreme_shapes_are_refused);
  tcase_add_test(tests, no_memory_is_reported);
  Suite *suite = suite_create("recipe");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
