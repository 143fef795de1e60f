/*
 * Loading a network into its engine, and whether it runs in bfloat16: only where the engine says that the processor has
 * it, the rows of a few pictures agree with float32 (cosine at least 0.999 each), and it is at least 1.2 times as fast.
 * A model that was quantised runs in int8, and no other does.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"

enum { TRIAL_PICTURES = 2, TRIAL_RUNS = 2, TRIAL_SIDE = 256, TRIAL_TILE = 32 };
static const double least_cosine = 0.999, least_gain = 1.2;

typedef struct trial {
  recsys_model *model;
  const recsys__net *net;
  const uint32_t *outputs;
  uint32_t output_count;
  float *input, *rows[2]; /* TRIAL_PICTURES each; rows of float32 and bfloat16 */
} trial;

/* kept: as in recsys_engine_options. */
static recsys_status load_as(const trial *t, uint32_t precision, uint8_t *kept, recsys__loaded **loaded,
                             recsys_error *error) {
  const recsys_model *model = t->model;
  recsys_engine_options options = {.struct_size = sizeof options,
                                   .precision = precision,
                                   .threads = model->threads,
                                   .flags = model->options.flags & RECSYS_MODEL_DIRECT ? RECSYS_ENGINE_DIRECT : 0,
                                   .device = model->options.device != NULL ? model->options.device : "auto",
                                   .outputs = t->outputs,
                                   .output_count = t->output_count,
                                   .kept = kept};
  return recsys__loaded_open(loaded, model->engine, &t->net->network, &options, error);
}

/* Tiles of random colours with some noise: edges, plain areas and texture. */
static void draw(uint8_t *rgb, uint64_t seed) {
  recsys__random random;
  uint8_t tiles[TRIAL_SIDE / TRIAL_TILE][TRIAL_SIDE / TRIAL_TILE][3];
  recsys__random_seed(&random, seed, 1);
  for (size_t i = 0; i < sizeof tiles; i++)
    ((uint8_t *)tiles)[i] = (uint8_t)recsys__random_below(&random, 224);
  for (int y = 0; y < TRIAL_SIDE; y++)
    for (int x = 0; x < TRIAL_SIDE; x++)
      for (int c = 0; c < 3; c++)
        *rgb++ = (uint8_t)(tiles[y / TRIAL_TILE][x / TRIAL_TILE][c] + recsys__random_below(&random, 32));
}

static recsys_status make_input(trial *t, recsys_error *error) {
  const recsys_network *network = &t->net->network;
  size_t picture = (size_t)network->height * network->width * network->channels;
  uint8_t *rgb = recsys__alloc(TRIAL_SIDE * TRIAL_SIDE, 3);
  t->input = recsys__alloc(picture * TRIAL_PICTURES, sizeof(float));
  t->rows[0] = recsys__calloc(t->model->dims[0] * TRIAL_PICTURES, sizeof(float));
  t->rows[1] = recsys__calloc(t->model->dims[0] * TRIAL_PICTURES, sizeof(float));
  recsys_status status = RECSYS_OK;
  if (rgb == NULL || t->input == NULL || t->rows[0] == NULL || t->rows[1] == NULL)
    status = recsys__no_memory(error, "the comparison of precisions");
  recsys__pixels pixels = {.data = rgb, .width = TRIAL_SIDE, .height = TRIAL_SIDE};
  for (int i = 0; status == RECSYS_OK && i < TRIAL_PICTURES; i++) {
    draw(rgb, (uint64_t)i);
    status = recsys__recipe_apply(t->model->recipe, &pixels, network->height, network->width,
                                  t->input + (size_t)i * picture, error);
  }
  recsys__free(rgb);
  return status;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one run; negative: it failed. */
static double run_once(recsys__loaded *loaded, const float *input, float *rows) {
  double start = now();
  if (recsys__loaded_start(loaded, input, TRIAL_PICTURES, RECSYS__OUTPUT_EMBEDDING, rows, NULL) != RECSYS_OK ||
      recsys__loaded_wait(loaded, NULL) != RECSYS_OK)
    return -1;
  return now() - start;
}

/* The least seconds of each over a few runs that take turns, after one that warms up; negative: it failed. */
static void measure(const trial *t, recsys__loaded *const loaded[2], double best[2]) {
  for (int i = 0; i <= TRIAL_RUNS; i++)
    for (int k = 0; k < 2; k++) {
      double seconds = run_once(loaded[k], t->input, t->rows[k]);
      if (i <= 1 || seconds < best[k])
        best[k] = seconds;
    }
}

double recsys__rows_cosine(const float *a, const float *b, size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < n; i++) {
    ab += (double)a[i] * b[i];
    aa += (double)a[i] * a[i];
    bb += (double)b[i] * b[i];
  }
  if (aa == 0 && bb == 0)
    return 1;
  double value = ab / sqrt(aa * bb);
  return isfinite(value) ? value : -1;
}

/* Sets `why`; true: bfloat16 it is. */
static bool prefer_bfloat16(const trial *t, recsys__loaded *full, recsys__loaded *half) {
  recsys_model *model = t->model;
  recsys__loaded *const loaded[2] = {full, half};
  double best[2], worst = 1;
  measure(t, loaded, best);
  double slow = best[0], fast = best[1];
  for (int i = 0; i < TRIAL_PICTURES; i++) {
    size_t at = (size_t)i * model->dims[0];
    worst = fmin(worst, recsys__rows_cosine(t->rows[0] + at, t->rows[1] + at, model->dims[0]));
  }
  bool agrees = worst >= least_cosine, faster = slow > 0 && fast > 0 && slow >= least_gain * fast;
  if (fast < 0)
    snprintf(model->why, sizeof model->why, "auto: bfloat16 failed to run");
  else
    snprintf(model->why, sizeof model->why, "auto: bfloat16 is %.2f times as fast as float32, cosine %.6f%s",
             slow / fast, worst,
             agrees && faster ? ""
             : agrees         ? ": too little gain"
                              : ": too far off");
  return agrees && faster;
}

/* float32 is loaded as model->loaded; takes bfloat16 in its place where that is better. Whatever goes wrong here leaves
 * float32. */
static void try_bfloat16(trial *t) {
  recsys_model *model = t->model;
  recsys__loaded *half = NULL, *worse;
  recsys_error error;
  if (make_input(t, &error) != RECSYS_OK || load_as(t, RECSYS_PRECISION_BFLOAT16, NULL, &half, &error) != RECSYS_OK) {
    snprintf(model->why, sizeof model->why, "auto: bfloat16 could not be loaded: %.80s", error.message);
    return;
  }
  worse = half;
  if (prefer_bfloat16(t, model->loaded, half)) {
    worse = model->loaded;
    model->loaded = half;
    model->info.precision = RECSYS_PRECISION_BFLOAT16;
    memset(model->kept, 0, t->net->network.weight_count);
  }
  recsys__loaded_close(worse);
}

bool recsys__model_narrow(const recsys_model *model) {
  uint32_t asked = model->options.precision;
  return model->quantization != NULL && (asked == RECSYS_PRECISION_AUTO || asked == RECSYS_PRECISION_INT8);
}

const char *recsys__precision_name(uint32_t precision) {
  static const char *const names[] = {"auto", "float32", "bfloat16", "int8"};
  return precision < sizeof names / sizeof names[0] ? names[precision] : "unknown";
}

recsys_status recsys__model_load(recsys_model *model, const recsys__net *folded, const uint32_t *outputs,
                                 uint32_t output_count, recsys_error *error) {
  trial t = {.model = model, .net = folded, .outputs = outputs, .output_count = output_count};
  bool quantised = model->quantization != NULL;
  uint32_t asked = model->options.precision;
  if (asked == RECSYS_PRECISION_INT8 && !quantised)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "%.150s is no int8 model: recsys_model_quantize (recsys quantize) makes one of it",
                        model->source != NULL ? model->source : "a model with random weights");
  model->info.precision = asked != RECSYS_PRECISION_AUTO ? asked
                          : quantised                    ? RECSYS_PRECISION_INT8
                                                         : RECSYS_PRECISION_FLOAT32;
  recsys__free(model->kept);
  model->kept = recsys__calloc(folded->network.weight_count, sizeof *model->kept);
  if (model->kept == NULL)
    return recsys__no_memory(error, "a network's weights");
  recsys_status status = load_as(&t, model->info.precision, model->kept, &model->loaded, error);
  if (status != RECSYS_OK)
    return status;
  if (asked != RECSYS_PRECISION_AUTO)
    snprintf(model->why, sizeof model->why, "asked for");
  else if (quantised)
    snprintf(model->why, sizeof model->why, "the model was quantised to int8");
  else if (!recsys__engine_bfloat16(model->engine, recsys__loaded_info(model->loaded)->device))
    snprintf(model->why, sizeof model->why, "auto: this processor or engine has no fast bfloat16");
  else
    try_bfloat16(&t);
  recsys__free(t.input);
  recsys__free(t.rows[0]);
  recsys__free(t.rows[1]);
  return RECSYS_OK;
}
