/* Winograd's convolution against the definition of one, in double: every kernel that runs here, edges, chunks, threads.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/onednn/winograd.h"

typedef struct shape {
  int64_t batch, inputs, outputs, height, width, pad, block; /* inputs: how many are not only padding */
  bool bias, add, relu;
} shape;

/* Blocks of 16, of 8, channels last; sides that are no multiple of four; one chunk, several, and each thread its own.
 */
static const shape shapes[] = {
    {1, 16, 16, 7, 7, 1, 16, true, false, true},      {2, 24, 48, 9, 14, 1, 16, true, true, true},
    {3, 128, 160, 13, 13, 1, 16, false, true, false}, {1, 64, 64, 30, 29, 1, 8, true, false, false},
    {2, 32, 96, 11, 8, 0, 8, true, false, true},      {1, 256, 128, 10, 10, 2, 16, true, false, true},
    {2, 48, 32, 12, 17, 1, 0, true, true, true},      {12, 128, 48, 15, 15, 1, 16, true, true, true},
    {4, 512, 112, 14, 14, 1, 16, false, false, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static int64_t up(int64_t n, int64_t step) {
  return (n + step - 1) / step * step;
}

static float *numbers(size_t n, uint32_t seed) {
  float *out = aligned_alloc(64, up((int64_t)(n * sizeof *out), 64));
  ck_assert_ptr_nonnull(out);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    out[i] = (float)(seed >> 8) / (1 << 23) - 1;
  }
  return out;
}

static winograd_map map_of(const shape *s, int64_t channels, int64_t height, int64_t width) {
  int64_t block = s->block > 0 ? s->block : channels;
  return (winograd_map){up(channels, block), height, width, block};
}

static size_t floats_of(const winograd_map *m, int64_t batch) {
  return (size_t)(batch * m->channels * m->height * m->width);
}

static size_t at(const winograd_map *m, int64_t n, int64_t c, int64_t y, int64_t x) {
  return (size_t)((((n * (m->channels / m->block) + c / m->block) * m->height + y) * m->width + x) * m->block +
                  c % m->block);
}

/* What a channel beyond the inputs holds counts for nothing, as long as it is zero. */
static void clear_padding(const shape *s, const winograd_map *m, float *src) {
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t c = s->inputs; c < m->channels; c++)
      for (int64_t y = 0; y < m->height; y++)
        for (int64_t x = 0; x < m->width; x++)
          src[at(m, n, c, y, x)] = 0;
}

static double defined(const shape *s, const winograd_map *m, const float *src, const float *weights, int64_t n,
                      int64_t o, int64_t y, int64_t x) {
  double sum = 0;
  for (int64_t c = 0; c < s->inputs; c++)
    for (int64_t ky = 0; ky < 3; ky++)
      for (int64_t kx = 0; kx < 3; kx++) {
        int64_t sy = y + ky - s->pad, sx = x + kx - s->pad;
        if (sy >= 0 && sy < m->height && sx >= 0 && sx < m->width)
          sum += (double)src[at(m, n, c, sy, sx)] * (double)weights[((o * s->inputs + c) * 3 + ky) * 3 + kx];
      }
  return sum;
}

static void compare(const shape *s, const winograd *w, const float *src, const float *weights, const float *bias,
                    const float *before, const float *dst) {
  double scale = sqrt((double)s->inputs * 9); /* of sums of so many products of numbers about one */
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < s->outputs; o++)
      for (int64_t y = 0; y < w->dst.height; y++)
        for (int64_t x = 0; x < w->dst.width; x++) {
          size_t here = at(&w->dst, n, o, y, x);
          double want = defined(s, &w->src, src, weights, n, o, y, x) + (s->bias ? (double)bias[o] : 0) +
                        (s->add ? (double)before[here] : 0);
          want = s->relu && want < 0 ? 0 : want;
          ck_assert_msg(fabs((double)dst[here] - want) <= 1e-5 * scale,
                        "%s %d: picture %d, channel %d, (%d, %d): %g %g", w->kernel->name, (int)(s - shapes), (int)n,
                        (int)o, (int)y, (int)x, (double)dst[here], want);
        }
}

static void run_shape(const winograd_kernel *kernel, const shape *s) {
  winograd w = {.kernel = kernel,
                .src = map_of(s, s->inputs, s->height, s->width),
                .dst = map_of(s, s->outputs, s->height + 2 * s->pad - 2, s->width + 2 * s->pad - 2),
                .batch = s->batch,
                .pad = {s->pad, s->pad},
                .add = s->add,
                .relu = s->relu};
  size_t results = floats_of(&w.dst, s->batch), bytes = results * sizeof(float);
  float *src = numbers(floats_of(&w.src, s->batch), 1), *bias = numbers((size_t)s->outputs, 3);
  float *weights = numbers((size_t)(s->outputs * s->inputs * 9), 2), *before = numbers(results, 4);
  float *dst = numbers(results, 5), *first = numbers(results, 6);
  size_t transformed = winograd_weights_floats(s->outputs, w.src.channels);
  float *ready = calloc(transformed, sizeof *ready);
  ck_assert_ptr_nonnull(ready);
  clear_padding(s, &w.src, src);
  winograd_weights(kernel, s->outputs, s->inputs, w.src.channels, weights, ready, 2);
  for (uint32_t threads = 1; threads <= 3; threads++) {
    w.threads = threads;
    ck_assert(winograd_plan(&w));
    void *scratch = aligned_alloc(64, (size_t)up((int64_t)winograd_scratch(&w), 64));
    ck_assert_ptr_nonnull(scratch);
    memset(scratch, 0xff, winograd_scratch(&w)); /* NaN, should any of it be read */
    memcpy(dst, before, bytes);
    winograd_run(&w, src, ready, s->bias ? bias : NULL, dst, scratch);
    free(scratch);
    if (threads == 1) {
      compare(s, &w, src, weights, bias, before, dst);
      memcpy(first, dst, bytes);
    }
    ck_assert_int_eq(memcmp(first, dst, bytes), 0);
  }
  float *const all[] = {src, bias, weights, before, dst, first, ready};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    free(all[i]);
}

START_TEST(as_defined) {
  int ran = 0;
  for (size_t k = 0; winograd_kernel_at(k) != NULL; k++)
    for (int i = 0; i < SHAPES; i++) {
      const winograd_kernel *kernel = winograd_kernel_at(k);
      const shape *s = &shapes[i];
      if (s->outputs % kernel->lanes != 0 || (s->block != 0 && s->block % kernel->lanes != 0))
        continue;
      run_shape(kernel, s);
      ran++;
    }
  ck_assert_int_ge(ran, SHAPES); /* the plain one runs them all */
  ck_assert_str_eq(winograd_plain.name, "plain");
}
END_TEST

/* Channels that are no whole vectors are not ours. */
START_TEST(channels_in_parts) {
  winograd w = {
      .kernel = &winograd_plain, .src = {6, 8, 8, 6}, .dst = {8, 8, 8, 8}, .batch = 1, .pad = {1, 1}, .threads = 1};
  ck_assert(!winograd_plan(&w));
  w.src = (winograd_map){8, 8, 8, 8};
  ck_assert(winograd_plan(&w));
  w.dst = (winograd_map){10, 8, 8, 10};
  ck_assert(!winograd_plan(&w));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("winograd");
  TCase *tcase = tcase_create("winograd");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, as_defined);
  tcase_add_test(tcase, channels_in_parts);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
