/* Pictures given as pixels: formats, strides, crops and impossible sizes; crops and orientations of encoded ones. The
 * expected numbers are worked out by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/decode.h"
#include "pictures.h"

static void assert_loads(const recsys_image *image, uint32_t width, uint32_t height, const uint8_t *rgb) {
  recsys__pixels pixels;
  recsys_error error;
  ck_assert_msg(recsys__image_load(&pixels, image, NULL, &error) == RECSYS_OK, "%s", error.message);
  ck_assert_uint_eq(pixels.width, width);
  ck_assert_uint_eq(pixels.height, height);
  ck_assert_mem_eq(pixels.data, rgb, (size_t)width * height * 3);
  recsys__pixels_free(&pixels);
}

/* Alpha over white: 10 at alpha 51 (a fifth) is 10 / 5 + 255 x 4 / 5 = 206; 100 at 128: (100 x 128 + 255 x 127) / 255 =
 * 177.2; 0 at 0 is white; 7 at 255 stays. */
START_TEST(every_format) {
  const uint8_t rgb[6] = {1, 2, 3, 40, 50, 60}, bgr[6] = {3, 2, 1, 60, 50, 40};
  const uint8_t gray[2] = {9, 200}, gray_rgb[6] = {9, 9, 9, 200, 200, 200};
  const uint8_t rgba[16] = {10, 0, 255, 51, 100, 200, 3, 128, 0, 0, 0, 0, 7, 8, 9, 255};
  const uint8_t bgra[16] = {255, 0, 10, 51, 3, 200, 100, 128, 0, 0, 0, 0, 9, 8, 7, 255};
  const uint8_t composed[12] = {206, 204, 255, 177, 227, 129, 255, 255, 255, 7, 8, 9};
  recsys_image image = image_pixels(rgb, 6, RECSYS_PIXELS_RGB, 2, 1);
  assert_loads(&image, 2, 1, rgb);
  image = image_pixels(bgr, 6, RECSYS_PIXELS_BGR, 1, 2);
  assert_loads(&image, 1, 2, rgb);
  image = image_pixels(gray, 2, RECSYS_PIXELS_GRAY, 2, 1);
  assert_loads(&image, 2, 1, gray_rgb);
  image = image_pixels(rgba, 16, RECSYS_PIXELS_RGBA, 2, 2);
  assert_loads(&image, 2, 2, composed);
  image = image_pixels(bgra, 16, RECSYS_PIXELS_BGRA, 4, 1);
  assert_loads(&image, 4, 1, composed);
}
END_TEST

/* All 65,536 pairs, against the definition in real numbers. */
START_TEST(composition_rounds_to_nearest) {
  for (int colour = 0; colour < 256; colour++) {
    for (int alpha = 0; alpha < 256; alpha++) {
      uint8_t in[4] = {(uint8_t)colour, (uint8_t)colour, (uint8_t)colour, (uint8_t)alpha}, out[3];
      recsys__pixels_convert(out, in, 1, RECSYS_PIXELS_RGBA);
      double exact = (colour * alpha + 255.0 * (255 - alpha)) / 255;
      ck_assert_int_eq(out[0], (int)(exact + 0.5));
    }
  }
}
END_TEST

START_TEST(strides_and_crops) {
  uint8_t gray[23]; /* rows of 3 pixels, 10 bytes apart; the last row ends the memory */
  for (int i = 0; i < 23; i++) {
    gray[i] = (uint8_t)i;
  }
  const uint8_t whole[27] = {0,  0,  0,  1,  1,  1,  2,  2,  2,  10, 10, 10, 11, 11,
                             11, 12, 12, 12, 20, 20, 20, 21, 21, 21, 22, 22, 22};
  const uint8_t part[12] = {11, 11, 11, 12, 12, 12, 21, 21, 21, 22, 22, 22};
  recsys_image image = image_pixels(gray, 23, RECSYS_PIXELS_GRAY, 3, 3);
  image.stride = 10;
  assert_loads(&image, 3, 3, whole);
  image.size = 22;
  assert_status("one byte short", &image, NULL, RECSYS_EINVAL);
  image.size = 23;
  image.crop_x = image.crop_y = 1;
  image.crop_width = image.crop_height = 2;
  assert_loads(&image, 2, 2, part);
  image.crop_x = image.crop_y = 0;
  image.crop_width = image.crop_height = 3;
  assert_loads(&image, 3, 3, whole);
}
END_TEST

START_TEST(crops_outside) {
  static const uint32_t crops[][4] = {{0, 0, 4, 1},          {0, 0, 1, 4},          {3, 0, 1, 1},
                                      {0, 3, 1, 1},          {2, 2, 2, 1},          {1, 0, 0, 0},
                                      {0, 0, 3, 0},          {0, 0, 0, 3},          {0, 1, 0, 0},
                                      {UINT32_MAX, 0, 1, 1}, {0, UINT32_MAX, 2, 2}, {1, 1, UINT32_MAX, UINT32_MAX}};
  uint8_t data[27] = {0};
  bytes jpeg = bytes_of("one_pixel.jpg");
  recsys_image images[2] = {image_pixels(data, 27, RECSYS_PIXELS_RGB, 3, 3), image_bytes(jpeg.data, jpeg.size)};
  for (int i = 0; i < 2; i++) {
    images[i].crop_x = crops[_i][0];
    images[i].crop_y = crops[_i][1];
    images[i].crop_width = crops[_i][2];
    images[i].crop_height = crops[_i][3];
    assert_status("crop outside", &images[i], NULL, RECSYS_EINVAL);
  }
  bytes_free(&jpeg);
}
END_TEST

/* The crop counts pixels of the upright picture: it must be that part of what Pillow sees upright. */
START_TEST(crop_after_orientation) {
  const recsys__rect part = {3, 5, 11, 9};
  char name[64], ppm[64];
  snprintf(name, sizeof(name), "orientation_%d.jpg", _i);
  snprintf(ppm, sizeof(ppm), "orientation_%d.ppm", _i);
  bytes file = bytes_of(name);
  recsys__pixels all = ppm_of(ppm), expected = {malloc((size_t)part.width * part.height * 3), part.width, part.height},
                 got;
  for (size_t y = 0; y < part.height; y++) {
    memcpy(expected.data + y * part.width * 3, all.data + ((y + part.y) * all.width + part.x) * 3,
           (size_t)part.width * 3);
  }
  recsys_image image = image_bytes(file.data, file.size);
  image.crop_x = part.x;
  image.crop_y = part.y;
  image.crop_width = part.width;
  image.crop_height = part.height;
  ck_assert_int_eq(recsys__image_load(&got, &image, NULL, NULL), RECSYS_OK);
  assert_alike(name, &got, &expected, 1);
  free(expected.data);
  recsys__pixels_free(&all);
  recsys__pixels_free(&got);
  bytes_free(&file);
}
END_TEST

/* A large picture goes through more than one strip: turned four times by 90 degrees it is what it was. */
START_TEST(turning_is_a_group) {
  recsys__image_limits limits = {0};
  recsys__image_limits_default(&limits);
  recsys__pixels pixels;
  recsys__rect whole = {0};
  ck_assert_int_eq(recsys__pixels_alloc(&pixels, 201, 133, NULL), RECSYS_OK);
  for (size_t i = 0; i < 201 * 133 * 3; i++) {
    pixels.data[i] = (uint8_t)(i * 2654435761u >> 24);
  }
  uint8_t *before = malloc(201 * 133 * 3);
  memcpy(before, pixels.data, 201 * 133 * 3);
  for (int turn = 0; turn < 4; turn++) {
    ck_assert_int_eq(recsys__pixels_upright(&pixels, 6, &whole, "it", &limits, NULL), RECSYS_OK);
    ck_assert_uint_eq(pixels.width, turn % 2 ? 201 : 133);
    /* 90 degrees clockwise: the upper left corner comes from the lower left one */
    ck_assert(turn > 0 || memcmp(pixels.data, before + 132 * 201 * 3, 3) == 0);
  }
  ck_assert_mem_eq(pixels.data, before, 201 * 133 * 3);
  free(before);
  recsys__pixels_free(&pixels);
}
END_TEST

START_TEST(impossible_pixels) {
  uint8_t data[64] = {0};
  recsys_image image = image_pixels(NULL, 64, RECSYS_PIXELS_RGB, 2, 2);
  assert_status("no data", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, 5, 2, 2);
  assert_status("unknown format", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, UINT32_MAX, 2, 2);
  assert_status("unknown format", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, RECSYS_PIXELS_RGB, 0, 2);
  assert_status("no width", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, RECSYS_PIXELS_RGB, 2, 0);
  assert_status("no height", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 0, RECSYS_PIXELS_RGB, 2, 2);
  assert_status("no size", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, RECSYS_PIXELS_RGB, 4, 2);
  image.stride = 11;
  assert_status("stride below a row", &image, NULL, RECSYS_EINVAL);
  image.stride = UINT64_MAX;
  assert_status("stride overflows", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, RECSYS_PIXELS_GRAY, 2, 3);
  image.stride = (uint64_t)1 << 63;
  assert_status("stride x height overflows to 2", &image, NULL, RECSYS_EINVAL);
  image = image_pixels(data, 64, RECSYS_PIXELS_RGBA, UINT32_MAX, UINT32_MAX);
  assert_status("too many pixels", &image, NULL, RECSYS_ELIMIT);
  image = image_pixels(data, UINT64_MAX, RECSYS_PIXELS_RGB, 8193, 8193);
  assert_status("above 64 Mi pixels", &image, NULL, RECSYS_ELIMIT);
  image = image_pixels(data, 64, RECSYS_PIXELS_RGB, 4, 5);
  recsys__image_limits limits = {.max_decode_bytes = 59};
  assert_status("memory limit", &image, &limits, RECSYS_ENOMEM);
  limits.max_decode_bytes = 60;
  assert_status("memory limit", &image, &limits, RECSYS_OK);
}
END_TEST

START_TEST(impossible_images) {
  uint8_t data[64] = {0};
  recsys__pixels pixels = {data, 1, 1};
  recsys_error error;
  assert_status("NULL", NULL, NULL, RECSYS_EINVAL);
  ck_assert_int_eq(recsys__image_load(&pixels, NULL, NULL, NULL), RECSYS_EINVAL);
  recsys_image image = image_pixels(data, 64, RECSYS_PIXELS_RGB, 2, 2);
  ck_assert_int_eq(recsys__image_load(NULL, &image, NULL, &error), RECSYS_EINVAL);
  image.reserved[7] = 1;
  assert_status("reserved", &image, NULL, RECSYS_EINVAL);
  image.reserved[7] = 0;
  image.kind = 0;
  assert_status("kind 0", &image, NULL, RECSYS_EINVAL);
  image.kind = 4;
  assert_status("kind 4", &image, NULL, RECSYS_EINVAL);
  recsys__pixels_free(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image/pixels");
  TCase *tests = tcase_create("pixels");
  tcase_add_test(tests, every_format);
  tcase_add_test(tests, composition_rounds_to_nearest);
  tcase_add_test(tests, strides_and_crops);
  tcase_add_loop_test(tests, crops_outside, 0, 12);
  tcase_add_loop_test(tests, crop_after_orientation, 1, 9);
  tcase_add_test(tests, turning_is_a_group);
  tcase_add_test(tests, impossible_pixels);
  tcase_add_test(tests, impossible_images);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
