/*
 * Recipes: how pixels become a network's input. Each follows its reference to one grey level.
 *
 *   torchvision  short side to 256, bilinear (Pillow's), centre crop, RGB / 255, ImageNet's mean and deviation
 *   inception    the same picture, RGB in -1..1: what torchvision's GoogLeNet computes from it ("transform_input")
 *   keras        stretched to the input size, nearest (load_img's default), BGR minus ImageNet's mean
 *   caffe        stretched to 256 x 256, bilinear, centre crop, BGR minus 104, 117, 123
 *   mini         stretched to 110 x 110, bilinear, centre crop, RGB in -2..2
 *   lenet        stretched to the input size, bilinear, luma, white -0.1 and black 1.175 (LeCun et al. 1998, section
 * II.C)
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

/* The resized picture before the crop, in pixels: a short side of 256 reaches it at a ratio of 1:1024. */
enum { MAX_RESIZED = 256 * 256 * 1024 };

static const recsys__recipe recipes[] = {
    {"torchvision",
     RECSYS__FIT_SHORT_SIDE,
     RECSYS__BILINEAR,
     256,
     0,
     false,
     255,
     {0.485f, 0.456f, 0.406f},
     {0.229f, 0.224f, 0.225f},
     3},
    {"inception",
     RECSYS__FIT_SHORT_SIDE,
     RECSYS__BILINEAR,
     256,
     0,
     false,
     255,
     {0.5f, 0.5f, 0.5f},
     {0.5f, 0.5f, 0.5f},
     3},
    {"keras", RECSYS__FIT_STRETCH, RECSYS__NEAREST, 0, 0, true, 1, {103.939f, 116.779f, 123.68f}, {1, 1, 1}, 3},
    {"caffe", RECSYS__FIT_STRETCH, RECSYS__BILINEAR, 256, 0, true, 1, {104, 117, 123}, {1, 1, 1}, 3},
    {"mini", RECSYS__FIT_STRETCH, RECSYS__BILINEAR, 110, 0, false, 255, {0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}, 3},
    /* 1.175 - 1.275 * p / 255 in the form (p / 255 - mean) / scale */
    {"lenet", RECSYS__FIT_STRETCH, RECSYS__BILINEAR, 0, 0, false, 255, {1.175f / 1.275f}, {-1 / 1.275f}, 1},
};
enum { RECIPES = sizeof recipes / sizeof recipes[0] };

const recsys__recipe *recsys__recipe_find(const char *name) {
  if (name == NULL)
    return NULL;
  /* "caffe: stretch to 256 ..." in a file's metadata is "caffe". */
  size_t length = strcspn(name, ":");
  for (size_t i = 0; i < RECIPES; i++)
    if (strlen(recipes[i].name) == length && strncmp(recipes[i].name, name, length) == 0)
      return &recipes[i];
  return NULL;
}

const recsys__recipe *recsys__recipe_at(size_t index) {
  return index < RECIPES ? &recipes[index] : NULL;
}

/* The long side as torchvision (and Python's int) has it: size * long / short in double, cut. */
static uint64_t scaled_side(uint32_t size, uint32_t side, uint32_t shorter) {
  return side == shorter ? size : (uint64_t)((double)((uint64_t)size * side) / (double)shorter);
}

static void resized_size(const recsys__recipe *recipe, const recsys__pixels *pixels, const uint32_t input[2],
                         uint64_t size[2]) {
  if (recipe->fit == RECSYS__FIT_STRETCH) {
    size[0] = recipe->resize != 0 ? recipe->resize : input[0];
    size[1] = recipe->resize != 0 ? recipe->resize : input[1];
    return;
  }
  uint32_t shorter = pixels->width < pixels->height ? pixels->width : pixels->height;
  uint32_t target = recipe->resize != 0 ? recipe->resize : input[0] < input[1] ? input[0] : input[1];
  size[0] = scaled_side(target, pixels->height, shorter);
  size[1] = scaled_side(target, pixels->width, shorter);
}

/* Where a centre crop starts, as torchvision has it: half the difference, rounded half to even; a picture that is
 * smaller is padded, with the odd pixel after it. */
static int64_t crop_start(uint64_t size, uint32_t crop) {
  if (size < crop)
    return -(int64_t)((crop - size) / 2);
  uint64_t difference = size - crop, half = difference / 2;
  return (int64_t)(half + (difference % 2 == 1 && half % 2 == 1));
}

/* Pillow's luma, ITU-R 601-2 in 16-bit fixed point. */
static uint8_t luma(const uint8_t *rgb) {
  return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* The input value of each of the 256 levels, in the order of operations of the references. */
static void make_table(const recsys__recipe *recipe, float table[3][256]) {
  for (uint32_t c = 0; c < recipe->channels; c++)
    for (int p = 0; p < 256; p++)
      table[c][p] = ((float)p / recipe->divisor - recipe->mean[c]) / recipe->scale[c];
}

static void write_pixel(const recsys__recipe *recipe, float table[3][256], const uint8_t *rgb, float *out) {
  if (recipe->channels == 1) {
    out[0] = table[0][luma(rgb)];
    return;
  }
  for (int c = 0; c < 3; c++)
    out[c] = table[c][rgb[recipe->bgr ? 2 - c : c]];
}

/* The start of a crop anywhere in the room there is; a picture that is smaller stays in the middle. */
static int64_t varied_start(uint64_t size, uint32_t crop, double place) {
  return size > crop ? (int64_t)(place * (double)(size - crop) + 0.5) : crop_start(size, crop);
}

/* Crops the resized picture to the input; what lies outside of it is black. */
static void write_input(const recsys__recipe *recipe, const uint8_t *resized, const uint64_t size[2],
                        const uint32_t input[2], const recsys__variation *v, float *out) {
  static const uint8_t black[3] = {0, 0, 0};
  float table[3][256] = {{0}};
  make_table(recipe, table);
  int64_t top = v ? varied_start(size[0], input[0], v->down) : crop_start(size[0], input[0]);
  int64_t left = v ? varied_start(size[1], input[1], v->across) : crop_start(size[1], input[1]);
  bool mirrored = v != NULL && v->mirrored;
  for (int64_t y = 0; y < input[0]; y++)
    for (int64_t x = 0; x < input[1]; x++, out += recipe->channels) {
      int64_t row = y + top, column = (mirrored ? input[1] - 1 - x : x) + left;
      bool inside = row >= 0 && row < (int64_t)size[0] && column >= 0 && column < (int64_t)size[1];
      write_pixel(recipe, table, inside ? resized + ((uint64_t)row * size[1] + (uint64_t)column) * 3 : black, out);
    }
}

static recsys_status apply(const recsys__recipe *recipe, const recsys__pixels *pixels, uint32_t height, uint32_t width,
                           const recsys__variation *variation, float *out, recsys_error *error) {
  if (pixels->data == NULL || pixels->width == 0 || pixels->height == 0)
    return recsys__fail(error, RECSYS_EINVAL, 0, "the picture has no pixels");
  const uint32_t input[2] = {height, width};
  uint64_t size[2];
  resized_size(recipe, pixels, input, size);
  if (size[0] * size[1] > MAX_RESIZED)
    return recsys__fail(error, RECSYS_ELIMIT, 0,
                        "a picture of %u x %u pixels is too narrow for recipe '%s' (at most 1:1024): crop it first",
                        pixels->width, pixels->height, recipe->name);
  uint8_t *resized = recsys__alloc(size[0] * size[1], 3);
  if (resized == NULL)
    return recsys__no_memory(error, "the resized picture");
  recsys_status status =
      recsys__image_resize(pixels, (uint32_t)size[1], (uint32_t)size[0], recipe->filter, resized, error);
  if (status == RECSYS_OK) {
    write_input(recipe, resized, size, input, variation, out);
    status = recsys__ok(error);
  }
  recsys__free(resized);
  return status;
}

recsys_status recsys__recipe_apply(const recsys__recipe *recipe, const recsys__pixels *pixels, uint32_t height,
                                   uint32_t width, float *out, recsys_error *error) {
  return apply(recipe, pixels, height, width, NULL, out, error);
}

recsys_status recsys__recipe_vary(const recsys__recipe *recipe, const recsys__pixels *pixels, uint32_t height,
                                  uint32_t width, const recsys__variation *variation, float *out, recsys_error *error) {
  recsys__recipe wider = *recipe;
  if (wider.resize == 0)
    wider.resize = (height < width ? height : width) * 8 / 7;
  return apply(&wider, pixels, height, width, variation, out, error);
}
