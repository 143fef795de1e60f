/* Dense layers against their definition in double: every kernel that runs here, whole vectors and rests, threads. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "engine/onednn/linear.h"

typedef struct shape {
  int64_t batch, inputs, outputs;
  bool bias, relu;
} shape;

static const shape shapes[] = {{1, 1, 1, false, false},    {8, 512, 40, true, true}, {1, 4096, 1000, true, false},
                               {3, 37, 5, true, false},    {9, 100, 3, false, true}, {8, 25088, 10, true, true},
                               {21, 64, 17, false, false}, {5, 15, 4, true, true},   {2, 17, 129, true, false}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static float *numbers(size_t n, uint32_t seed) {
  float *out = malloc(n * sizeof *out);
  ck_assert_ptr_nonnull(out);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    out[i] = (float)(seed >> 8) / (1 << 23) - 1;
  }
  return out;
}

static void expect_layer(const linear *l, const float *src, const float *weights, const float *bias, const float *dst) {
  for (int64_t p = 0; p < l->batch; p++)
    for (int64_t o = 0; o < l->outputs; o++) {
      double sum = bias != NULL ? (double)bias[o] : 0, size = fabs(sum);
      for (int64_t i = 0; i < l->inputs; i++) {
        double product = (double)src[p * l->inputs + i] * (double)weights[o * l->inputs + i];
        sum += product;
        size += fabs(product);
      }
      double want = l->relu && sum < 0 ? 0 : sum, got = (double)dst[p * l->outputs + o];
      ck_assert_msg(fabs(got - want) <= 2e-6 * size, "%s, picture %d, output %d: %g, not %g", l->kernel->name, (int)p,
                    (int)o, got, want);
    }
}

START_TEST(equals_the_definition) {
  const shape *s = &shapes[_i];
  float *src = numbers((size_t)(s->batch * s->inputs), 1), *weights = numbers((size_t)(s->outputs * s->inputs), 2);
  float *bias = s->bias ? numbers((size_t)s->outputs, 3) : NULL;
  for (size_t k = 0; linear_kernel_at(k) != NULL; k++)
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
      float *dst = numbers((size_t)(s->batch * s->outputs) + 1, 4), past = dst[s->batch * s->outputs];
      linear l = {linear_kernel_at(k), s->batch, s->inputs, s->outputs, s->relu, threads};
      linear_run(&l, src, weights, bias, dst);
      expect_layer(&l, src, weights, bias, dst);
      ck_assert(dst[s->batch * s->outputs] == past);
      free(dst);
    }
  free(src);
  free(weights);
  free(bias);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("linear");
  TCase *layers = tcase_create("layers");
  tcase_set_timeout(layers, 60);
  tcase_add_loop_test(layers, equals_the_definition, 0, SHAPES);
  suite_add_tcase(suite, layers);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
