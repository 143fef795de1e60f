/*
 * Where is Winograd's convolution faster than oneDNN's direct one? winograd [ROUNDS [THREADS]]
 *
 * For each kind of 3 x 3 layer of the known networks, 8 pictures and one, both take turns, ROUNDS (5) times. Prints the
 * medians in milliseconds, the median of the rounds' quotients, and the largest difference over the largest value. The
 * rule in winograd_emit.c comes from this table.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/onednn/dnn.h"
#include "engine/onednn/winograd.h"

enum { MAX_ROUNDS = 101 };

void omp_set_num_threads(int);

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static recsys_error error;

static void must(int good, const char *what) {
  if (good)
    return;
  fprintf(stderr, "winograd: %s: %s\n", what, error.message);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void *room(size_t bytes) {
  size_t whole = (bytes + 127) / 64 * 64;
  void *memory = aligned_alloc(64, whole);
  must(memory != NULL, "out of memory");
  memset(memory, 0, whole);
  return memory;
}

/* ---- oneDNN's */

typedef struct direct {
  dnn_made made;
  dnnl_exec_arg_t arguments[4];
} direct;

static dnnl_memory_t memory_at(const dnn_shape *shape, void *data) {
  dnnl_memory_t memory;
  must(dnn_memory(&memory, shape, engine, data) == dnnl_success, "no memory object");
  return memory;
}

static dnnl_memory_t working(size_t bytes) {
  const int64_t size = (int64_t)bytes + 64;
  dnn_shape shape = dnn_shape_of(&size, 1, dnnl_u8, DNN_PLAIN);
  return memory_at(&shape, room(bytes + 64));
}

static void make_direct(direct *d, int64_t batch, int64_t inputs, int64_t outputs, int64_t side, float *src,
                        float *weights, float *dst) {
  const int64_t from[4] = {batch, inputs, side, side}, to[4] = {batch, outputs, side, side},
                filter[4] = {outputs, inputs, 3, 3};
  dnn_shape s = dnn_shape_of(from, 4, dnnl_f32, DNN_BLOCKED), t = dnn_shape_of(to, 4, dnnl_f32, DNN_BLOCKED),
            any = dnn_shape_of(filter, 4, dnnl_f32, DNN_ANY), is = dnn_shape_of(filter, 4, dnnl_f32, DNN_PLAIN);
  dnn_window window = {.kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}, .after = {1, 1}};
  dnn_made reorder;
  must(dnn_conv(&d->made, engine, &s, &any, NULL, &t, &window, (dnn_after){.relu = true}, &error) == RECSYS_OK &&
           dnn_reorder(&reorder, engine, &is, &d->made.weights, NULL, &error) == RECSYS_OK,
       "the direct convolution");
  dnnl_memory_t ready = memory_at(&d->made.weights, room(dnn_bytes(&d->made.weights)));
  const dnnl_exec_arg_t once[3] = {
      {DNNL_ARG_FROM, memory_at(&is, weights)}, {DNNL_ARG_TO, ready}, {DNNL_ARG_SCRATCHPAD, working(reorder.scratch)}};
  must(dnnl_primitive_execute(reorder.primitive, stream, 3, once) == dnnl_success, "reordering");
  d->arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, memory_at(&s, src)};
  d->arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_DST, memory_at(&t, dst)};
  d->arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, ready};
  d->arguments[3] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, working(d->made.scratch)};
}

static double run_direct(direct *d) {
  double start = now();
  must(dnnl_primitive_execute(d->made.primitive, stream, 4, d->arguments) == dnnl_success &&
           dnnl_stream_wait(stream) == dnnl_success,
       "a run");
  return now() - start;
}

/* ---- both */

static void fill(float *values, size_t n, float scale) {
  static uint32_t seed = 1;
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = ((float)(seed >> 8) / (1 << 24) - 0.5f) * scale;
  }
}

static double difference(const float *a, const float *b, size_t n) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < n; i++) {
    worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    largest = fmax(largest, fabs((double)a[i]));
  }
  return worst / largest;
}

static void measure(int64_t batch, int64_t inputs, int64_t outputs, int64_t side, int rounds, uint32_t threads) {
  size_t results = (size_t)(batch * outputs * side * side), values = (size_t)(batch * inputs * side * side);
  size_t filters = (size_t)(outputs * inputs * 9);
  float *src = room(values * sizeof *src), *weights = room(filters * sizeof *weights);
  float *dst = room(results * sizeof *dst), *ours = room(results * sizeof *ours);
  direct d;
  winograd w = {.kernel = winograd_kernel_at(0),
                .src = {inputs, side, side, dnn_block() > 1 ? dnn_block() : inputs},
                .dst = {outputs, side, side, dnn_block() > 1 ? dnn_block() : outputs},
                .batch = batch,
                .pad = {1, 1},
                .relu = true,
                .threads = threads};
  double times[2][MAX_ROUNDS], quotients[MAX_ROUNDS];
  fill(src, values, 2);
  fill(weights, filters, 2 / sqrtf((float)inputs * 9));
  make_direct(&d, batch, inputs, outputs, side, src, weights, dst);
  must(winograd_plan(&w), "the channels are no whole vectors");
  float *ready = room(winograd_weights_floats(outputs, inputs) * sizeof *ready);
  void *scratch = room(winograd_scratch(&w));
  winograd_weights(w.kernel, outputs, inputs, inputs, weights, ready, threads);
  for (int i = -1; i < rounds; i++) { /* the first round warms up */
    int at = i < 0 ? 0 : i;
    times[0][at] = run_direct(&d);
    double start = now();
    winograd_run(&w, src, ready, NULL, ours, scratch);
    times[1][at] = now() - start;
    quotients[at] = times[0][at] / times[1][at];
  }
  printf("%8d %8d %6d %6d %9.3f %9.3f %7.2f %10.1e\n", (int)batch, (int)inputs, (int)outputs, (int)side,
         1e3 * median(times[0], rounds), 1e3 * median(times[1], rounds), median(quotients, rounds),
         difference(dst, ours, results));
  free(src);
  free(weights);
  free(dst);
  free(ours);
  free(ready);
  free(scratch);
}

int main(int argc, char **argv) {
  static const int64_t layers[][3] = {{64, 64, 224},  {64, 128, 112}, {128, 128, 112}, {128, 256, 56}, {256, 256, 56},
                                      {256, 512, 28}, {512, 512, 28}, {512, 512, 14},  {64, 64, 56},   {128, 128, 28},
                                      {256, 256, 14}, {512, 512, 7},  {64, 192, 56},   {96, 128, 28},  {160, 320, 14},
                                      {192, 384, 7},  {192, 384, 13}, {16, 64, 56},    {16, 32, 28},   {32, 128, 28}};
  int rounds = argc > 1 ? atoi(argv[1]) : 5;
  uint32_t threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 2;
  must(rounds > 0 && rounds <= MAX_ROUNDS && threads > 0, "winograd [ROUNDS [THREADS]]");
  omp_set_num_threads((int)threads);
  must(dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success,
       "oneDNN cannot use this processor");
  const dnnl_version_t *version = dnnl_version();
  printf("oneDNN %d.%d.%d, %u threads, our kernel: %s\n", version->major, version->minor, version->patch, threads,
         winograd_kernel_at(0)->name);
  printf("%8s %8s %6s %6s %9s %9s %7s %10s\n", "pictures", "channels", "to", "side", "direct", "Winograd", "times",
         "difference");
  for (int64_t batch = 8; batch > 0; batch -= 7)
    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
      measure(batch, layers[l][0], layers[l][1], layers[l][2], rounds, threads);
  return 0;
}
