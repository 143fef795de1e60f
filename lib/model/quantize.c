/*
 * Making an int8 model: ranges from some pictures in float32, then both networks on others, then the file. Nothing is
 * written before all of it has worked.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/matrix.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "model/model.h"

enum { CALIBRATE = 300, COMPARE = 1000, MOST_COMPARE = 10000, NEIGHBOURS = 10, MOST_REPORT = 65536 };

typedef struct quantizing {
  recsys_model *model;
  const recsys_image *images;
  size_t n;
  recsys_quantize_options options;
  recsys_status *statuses;
  uint32_t *order; /* the pictures, as they are drawn */
  size_t next;     /* of the order */
  uint32_t *rest;  /* those that are compared */
  size_t rest_count;
  size_t failed;
  recsys_error first_failure;
  recsys_quantize_report report;
} quantizing;

static void note_failure(quantizing *q, size_t picture, recsys_status status, const char *message) {
  if (q->statuses != NULL)
    q->statuses[picture] = status;
  if (q->failed++ == 0)
    recsys__fail(&q->first_failure, RECSYS_EPARTIAL, (int32_t)picture, "picture %zu: %s", picture, message);
}

static recsys_status draw_order(quantizing *q, recsys_error *error) {
  recsys__random random;
  q->order = recsys__alloc(q->n, sizeof *q->order);
  q->rest = recsys__alloc(q->n, sizeof *q->rest);
  if (q->order == NULL || q->rest == NULL)
    return recsys__no_memory(error, "the order of pictures");
  for (size_t i = 0; i < q->n; i++)
    q->order[i] = (uint32_t)i;
  recsys__random_seed(&random, q->options.seed, 8);
  for (size_t i = q->n; i > 1; i--) {
    size_t other = recsys__random_below(&random, (uint32_t)i);
    uint32_t kept = q->order[i - 1];
    q->order[i - 1] = q->order[other];
    q->order[other] = kept;
  }
  return RECSYS_OK;
}

/* -- ranges */

/* The network in float32 on the engine, and what each of its layers has shown. */
typedef struct calibration {
  recsys__net folded;
  recsys__engine *engine;
  recsys__loaded *loaded;
  uint32_t outputs[RECSYS__OUTPUTS], output_count;
  float *input;
  float *ranges;         /* two for each operation */
  uint32_t first_output; /* that is observed: where the embedding lies on the way to the classes, these are enough */
} calibration;

/* Whether `wanted` is needed to make `op`; false also where there is no memory to find it out. */
static bool needs(const recsys_network *network, uint32_t op, uint32_t wanted) {
  bool *needed = recsys__calloc(network->op_count, sizeof *needed);
  if (needed == NULL)
    return false;
  needed[op] = true;
  for (uint32_t i = op + 1; i-- > wanted;)
    for (uint32_t k = 0; needed[i] && k < network->ops[i].input_count; k++)
      if (network->ops[i].inputs[k] >= 0)
        needed[network->ops[i].inputs[k]] = true;
  bool found = wanted <= op && needed[wanted];
  recsys__free(needed);
  return found;
}

static recsys_status open_calibration(const quantizing *q, calibration *c, recsys_error *error) {
  const recsys_model *model = q->model;
  const char *path =
      strcmp(recsys__engine_name(model->engine), "onednn") == 0 ? recsys__engine_path(model->engine) : NULL;
  recsys__net net = {0};
  recsys_status status = model->options.isolation == RECSYS_ISOLATION_PROCESS
                             ? recsys__engine_isolate(&c->engine, "onednn", path, error)
                             : recsys__engine_open(&c->engine, "onednn", path, error);
  if (status == RECSYS_OK)
    status = recsys__model_read_again(model, &net, error);
  if (status == RECSYS_OK) /* makes a layer NAME@G */
    status = recsys__net_layer(&net, model->info.layer, &c->outputs[0], error);
  if (status == RECSYS_OK)
    status = recsys__net_fold(&c->folded, &net, error);
  recsys__net_free(&net);
  if (status == RECSYS_OK)
    status = recsys__net_layer(&c->folded, model->info.layer, &c->outputs[0], error);
  if (status != RECSYS_OK)
    return status;
  c->output_count = recsys__net_classifier(&c->folded, &c->outputs[1], NULL) == RECSYS_OK ? 2 : 1;
  c->first_output = c->output_count == 2 && needs(&c->folded.network, c->outputs[1], c->outputs[0]) ? 1 : 0;
  recsys_engine_options options = {.struct_size = sizeof options,
                                   .precision = RECSYS_PRECISION_FLOAT32,
                                   .threads = model->threads,
                                   .flags = model->options.flags & RECSYS_MODEL_DIRECT ? RECSYS_ENGINE_DIRECT : 0,
                                   .device = "cpu",
                                   .outputs = c->outputs,
                                   .output_count = c->output_count};
  const recsys_network *network = &c->folded.network;
  c->input = recsys__alloc((size_t)network->height * network->width * network->channels, sizeof *c->input);
  c->ranges = recsys__calloc(2 * (size_t)network->op_count, sizeof *c->ranges);
  if (c->input == NULL || c->ranges == NULL)
    return recsys__no_memory(error, "the ranges of layers");
  return recsys__loaded_open(&c->loaded, c->engine, network, &options, error);
}

static void close_calibration(calibration *c) {
  recsys__loaded_close(c->loaded);
  recsys__engine_close(c->engine);
  recsys__net_free(&c->folded);
  recsys__free(c->input);
  recsys__free(c->ranges);
}

/* To the calibration's input; false: it cannot be used, and is noted. */
static bool decode(quantizing *q, const calibration *c, size_t picture) {
  recsys__pixels pixels = {0};
  recsys_error why;
  const recsys_network *network = &c->folded.network;
  recsys_status status = recsys__image_load(&pixels, &q->images[picture], &q->model->limits, &why);
  if (status == RECSYS_OK)
    status = recsys__recipe_apply(q->model->recipe, &pixels, network->height, network->width, c->input, &why);
  recsys__pixels_free(&pixels);
  if (status != RECSYS_OK)
    note_failure(q, picture, status, why.message);
  return status == RECSYS_OK;
}

static recsys_status observe(calibration *c, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  for (uint32_t o = c->first_output; status == RECSYS_OK && o < c->output_count; o++)
    status = recsys__loaded_observe(c->loaded, c->input, o, c->ranges, error);
  return status;
}

static recsys_status tell(const quantizing *q, const char *phase, uint64_t done, uint64_t total, recsys_error *error) {
  if (q->options.progress == NULL || q->options.progress(q->options.progress_user, phase, done, total) == 0)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_ECANCELLED, 0, "cancelled after %llu of %llu pictures that calibrate",
                      (unsigned long long)done, (unsigned long long)total);
}

/* Usable pictures go to both sides in turn until enough have calibrated; then to the comparison alone. */
static recsys_status calibrate(quantizing *q, calibration *c, recsys_error *error) {
  uint64_t half = (q->n + 1) / 2, wanted = q->options.calibrate < half ? q->options.calibrate : half;
  recsys_status status = RECSYS_OK;
  while (status == RECSYS_OK && q->next < q->n) {
    bool ranges = q->report.calibrated < wanted, others = q->rest_count < q->options.compare;
    uint32_t picture = q->order[q->next];
    if (!ranges && !others)
      break;
    q->next++;
    if (!decode(q, c, picture))
      continue;
    if (!ranges || (others && q->report.calibrated > q->rest_count)) {
      q->rest[q->rest_count++] = picture;
    } else {
      status = observe(c, error);
      q->report.calibrated++;
    }
    if (status == RECSYS_OK)
      status = tell(q, "calibrate", q->report.calibrated, wanted, error);
  }
  return status;
}

/* The operations that stay in floats: those that read the pictures, the last one before the classes, and a trained
 * head, which standardises its features: differences that are small beside a unit of their bytes. (Those that no
 * picture has activated do, too.) */
static bool stays(const quantizing *q, const calibration *c, uint32_t op) {
  const recsys_op *ops = c->folded.network.ops;
  if (ops[op].inputs[0] < 0 ||
      (q->model->head != NULL && strncmp(c->folded.network.weights[ops[op].weight].name, "head.", 5) == 0))
    return true;
  if (c->output_count < 2)
    return false;
  int32_t last = (int32_t)c->outputs[1];
  while (last >= 0 && ops[last].kind != RECSYS_OP_CONV && ops[last].kind != RECSYS_OP_LINEAR)
    last = ops[last].inputs[0];
  return last == (int32_t)op;
}

static recsys_status collect(const quantizing *q, const calibration *c, recsys__quantization **out,
                             recsys_error *error) {
  const recsys_network *network = &c->folded.network;
  recsys__quantization *found = recsys__quantization_make(network->op_count);
  bool good = found != NULL;
  for (uint32_t i = 0; good && i < network->op_count; i++) {
    const recsys_op *op = &network->ops[i];
    bool weighty = op->kind == RECSYS_OP_CONV || op->kind == RECSYS_OP_LINEAR;
    float input = c->ranges[2 * i], output = c->ranges[2 * i + 1];
    if (weighty && recsys__quantization_fits((double)input) && recsys__quantization_fits((double)output) &&
        !stays(q, c, i))
      good = recsys__quantization_add(found, network->weights[op->weight].name, input, output);
  }
  if (good) {
    recsys__quantization_sort(found);
    *out = found;
    return RECSYS_OK;
  }
  recsys__quantization_free(found);
  return recsys__no_memory(error, "the ranges of layers");
}

static recsys_status find_ranges(quantizing *q, recsys__quantization **out, recsys_error *error) {
  calibration c = {0};
  recsys_status status = open_calibration(q, &c, error);
  if (status == RECSYS_OK)
    status = calibrate(q, &c, error);
  if (status == RECSYS_OK && q->report.calibrated == 0)
    status =
        recsys__fail(error, RECSYS_EINVAL, 0, "no usable picture to calibrate with among %zu; the first failure: %s",
                     q->n, q->failed > 0 ? q->first_failure.message : "there are fewer than two pictures");
  if (status == RECSYS_OK)
    status = collect(q, &c, out, error);
  if (status == RECSYS_OK && (*out)->count == 0)
    status = recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "this %s has no layers for int8", q->model->info.architecture);
  close_calibration(&c);
  return status;
}

/* -- comparison */

/* Of the pictures that are left: their rows in both precisions, those that are usable moved together. */
typedef struct comparison {
  recsys_model *models[2]; /* float32, int8 */
  recsys_image *images;
  recsys_status *statuses, *latest; /* of all runs; of one */
  float *rows[2], *scores[2];
  size_t n, good;
} comparison;

static void make_unit(float *row, size_t dim) {
  double sum = 0;
  for (size_t k = 0; k < dim; k++)
    sum += (double)row[k] * row[k];
  for (size_t k = 0; sum > 0 && k < dim; k++)
    row[k] = (float)(row[k] / sqrt(sum));
}

/* Rises where they are equal, so that both orders are the same then. */
static bool nearer(const float *cosines, size_t a, size_t b) {
  return cosines[a] > cosines[b] || (cosines[a] >= cosines[b] && a < b);
}

/* The k nearest of picture i, best first. */
static void nearest(const float *cosines, size_t n, size_t i, size_t k, size_t *best) {
  size_t found = 0;
  for (size_t j = 0; j < n; j++) {
    if (j == i || (found == k && !nearer(cosines, j, best[k - 1])))
      continue;
    size_t at = found < k ? found++ : k - 1;
    for (; at > 0 && nearer(cosines, j, best[at - 1]); at--)
      best[at] = best[at - 1];
    best[at] = j;
  }
}

static recsys_status compare_neighbours(quantizing *q, comparison *c, size_t dim, recsys_error *error) {
  size_t n = c->good, k = n - 1 < NEIGHBOURS ? n - 1 : NEIGHBOURS, equal = 0;
  float *cosines[2];
  bool good = true;
  q->report.neighbours = k;
  q->report.equal_neighbours = 1;
  if (k == 0)
    return RECSYS_OK;
  for (int m = 0; m < 2; m++) {
    cosines[m] = recsys__alloc(n * n, sizeof(float));
    for (size_t i = 0; i < n; i++)
      make_unit(c->rows[m] + i * dim, dim);
    good = good && cosines[m] != NULL &&
           recsys__gemm_float(q->model->threads, RECSYS__B_TRANSPOSED, n, n, dim, 1, c->rows[m], dim, c->rows[m], dim,
                              0, cosines[m], n);
  }
  for (size_t i = 0; good && i < n; i++) {
    size_t best[2][NEIGHBOURS];
    for (int m = 0; m < 2; m++)
      nearest(cosines[m] + i * n, n, i, k, best[m]);
    for (size_t a = 0; a < k; a++)
      for (size_t b = 0; b < k; b++)
        equal += best[0][a] == best[1][b];
  }
  q->report.equal_neighbours = (double)equal / (double)(n * k);
  recsys__free(cosines[0]);
  recsys__free(cosines[1]);
  return good ? RECSYS_OK : recsys__no_memory(error, "the comparison of neighbours");
}

static size_t highest(const float *scores, size_t classes) {
  size_t best = 0;
  for (size_t k = 1; k < classes; k++)
    if (scores[k] > scores[best])
      best = k;
  return best;
}

static recsys_status summarise(quantizing *q, comparison *c, recsys_error *error) {
  size_t dim = (size_t)q->model->info.dim, classes = (size_t)q->model->info.classes, equal = 0;
  q->report.least_cosine = 1;
  for (size_t i = 0; i < c->good; i++) {
    double value = recsys__rows_cosine(c->rows[0] + i * dim, c->rows[1] + i * dim, dim);
    q->report.cosine += value / (double)c->good;
    q->report.least_cosine = fmin(q->report.least_cosine, value);
    equal +=
        classes > 0 && highest(c->scores[0] + i * classes, classes) == highest(c->scores[1] + i * classes, classes);
  }
  q->report.compared = c->good;
  q->report.equal_classes = classes > 0 ? (double)equal / (double)c->good : -1;
  return compare_neighbours(q, c, dim, error);
}

/* Runs of the same pictures, one after the other, as one. */
typedef struct run_progress {
  const quantizing *q;
  uint64_t run, runs, n;
} run_progress;

static int pass_progress(void *user, const char *phase, uint64_t done, uint64_t total) {
  const run_progress *p = user;
  (void)phase;
  (void)total;
  const recsys_quantize_options *o = &p->q->options;
  return o->progress != NULL ? o->progress(o->progress_user, "compare", (p->run * p->n + done) / p->runs, p->n) : 0;
}

/* One run of all pictures; what fails in any of them has failed. */
static recsys_status run_one(quantizing *q, comparison *c, uint64_t run, uint64_t runs, recsys_error *first,
                             recsys_error *error) {
  run_progress progress = {q, run, runs, c->n};
  recsys_embed_options options = {.struct_size = sizeof options, .progress = pass_progress, .progress_user = &progress};
  recsys_status status =
      recsys__model_run(c->models[run % 2], run < 2 ? RECSYS__OUTPUT_EMBEDDING : RECSYS__OUTPUT_CLASSES, c->images,
                        c->n, &options, run < 2 ? c->rows[run] : c->scores[run - 2], c->latest, error);
  if (status == RECSYS_EPARTIAL && first->status == RECSYS_OK && error != NULL)
    *first = *error;
  for (size_t i = 0; i < c->n; i++)
    c->statuses[i] = c->statuses[i] != RECSYS_OK ? c->statuses[i] : c->latest[i];
  return status == RECSYS_EPARTIAL ? RECSYS_OK : status;
}

static recsys_status run_all(quantizing *q, comparison *c, recsys_error *first, recsys_error *error) {
  uint64_t runs = c->scores[0] != NULL ? 4 : 2;
  recsys_error own;
  recsys_status status = RECSYS_OK;
  for (uint64_t r = 0; status == RECSYS_OK && r < runs; r++)
    status = run_one(q, c, r, runs, first, error != NULL ? error : &own);
  return status;
}

/* Moves the rows of usable pictures together, and notes the others. The failure tells of the first of them, by its
 * number in that run. */
static void pack(quantizing *q, comparison *c, const recsys_error *failure) {
  const char *colon = strchr(failure->message, ':'), *why = colon != NULL ? colon + 2 : failure->message;
  size_t dim = (size_t)q->model->info.dim, classes = (size_t)q->model->info.classes;
  for (size_t i = 0; i < c->n; i++) {
    if (c->statuses[i] != RECSYS_OK) {
      note_failure(q, q->rest[i], c->statuses[i], why);
      continue;
    }
    for (int m = 0; m < 2; m++) {
      memmove(c->rows[m] + c->good * dim, c->rows[m] + i * dim, dim * sizeof(float));
      if (c->scores[m] != NULL)
        memmove(c->scores[m] + c->good * classes, c->scores[m] + i * classes, classes * sizeof(float));
    }
    c->good++;
  }
}

static recsys_status make_room(const quantizing *q, comparison *c, recsys_error *error) {
  size_t dim = (size_t)q->model->info.dim, classes = (size_t)q->model->info.classes;
  c->n = q->rest_count;
  c->images = recsys__alloc(c->n, sizeof *c->images);
  c->statuses = recsys__calloc(c->n, sizeof *c->statuses);
  c->latest = recsys__calloc(c->n, sizeof *c->latest);
  bool good = c->images != NULL && c->statuses != NULL && c->latest != NULL;
  for (int m = 0; m < 2; m++) {
    c->rows[m] = recsys__alloc(c->n * dim, sizeof(float));
    c->scores[m] = classes > 0 ? recsys__alloc(c->n * classes, sizeof(float)) : NULL;
    good = good && c->rows[m] != NULL && (c->scores[m] != NULL || classes == 0);
  }
  for (size_t i = 0; good && i < c->n; i++)
    c->images[i] = q->images[q->rest[i]];
  return good ? RECSYS_OK : recsys__no_memory(error, "rows to compare");
}

static recsys_status compare(quantizing *q, recsys_model *plain, recsys_model *narrow, recsys_error *error) {
  comparison c = {.models = {plain, narrow}};
  recsys_error failure = {0};
  recsys_status status = make_room(q, &c, error);
  if (status == RECSYS_OK)
    status = run_all(q, &c, &failure, error);
  if (status == RECSYS_OK)
    pack(q, &c, &failure);
  if (status == RECSYS_OK && c.good == 0)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "no usable picture is left to compare with: give at least two%s%s",
                          q->failed > 0 ? "; the first failure: " : "", q->failed > 0 ? q->first_failure.message : "");
  if (status == RECSYS_OK)
    status = summarise(q, &c, error);
  for (int m = 0; m < 2; m++) {
    recsys__free(c.rows[m]);
    recsys__free(c.scores[m]);
  }
  recsys__free(c.images);
  recsys__free(c.statuses);
  recsys__free(c.latest);
  return status;
}

/* -- the whole */

static recsys_status write_file(const quantizing *q, recsys_model *narrow, const char *path, recsys_error *error) {
  recsys__net net = {0};
  narrow->quantization->report = q->report;
  recsys_status status = recsys__model_read_again(narrow, &net, error);
  if (status == RECSYS_OK)
    status = recsys__model_write(narrow, &net, path, error);
  recsys__net_free(&net);
  return status;
}

/* Said before the work is done, not after it. */
static recsys_status check_target(const char *path, recsys_error *error) {
  recsys__writer writer = {0};
  recsys_status status = recsys__writer_open(&writer, path, error);
  recsys__writer_close(&writer);
  return status;
}

static recsys_status quantize(quantizing *q, const char *path, recsys_error *error) {
  recsys__quantization *ranges = NULL;
  recsys_model *plain = NULL, *narrow = NULL;
  bool fits = q->model->info.precision == RECSYS_PRECISION_FLOAT32 &&
              strcmp(recsys__engine_name(q->model->engine), "onednn") == 0;
  recsys_status status = check_target(path, error);
  if (status == RECSYS_OK)
    status = draw_order(q, error);
  if (status == RECSYS_OK)
    status = find_ranges(q, &ranges, error);
  q->report.layers = ranges != NULL ? (uint32_t)ranges->count : 0;
  if (status == RECSYS_OK && !fits)
    status = recsys__model_again(q->model, RECSYS_PRECISION_FLOAT32, NULL, &plain, error);
  if (status == RECSYS_OK) {
    status = recsys__model_again(q->model, RECSYS_PRECISION_INT8, ranges, &narrow, error);
    ranges = NULL;
  }
  if (status == RECSYS_OK)
    status = compare(q, fits ? q->model : plain, narrow, error);
  if (status == RECSYS_OK)
    status = write_file(q, narrow, path, error);
  recsys__quantization_free(ranges);
  recsys_model_close(plain);
  recsys_model_close(narrow);
  recsys__free(q->order);
  recsys__free(q->rest);
  return status;
}

static recsys_status check(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                           const recsys_quantize_report *report, recsys_error *error) {
  const char *missing = model == NULL ? "model" : path == NULL ? "path" : images == NULL ? "images" : NULL;
  if (missing != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_quantize: %s is NULL", missing);
  if (n > INT32_MAX)
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_quantize: %zu pictures are too many", n);
  if (n < 2)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "recsys_model_quantize: at least 2 pictures are needed, some hundred "
                        "are better");
  if (report != NULL &&
      (report->struct_size < sizeof report->struct_size + sizeof report->layers || report->struct_size > MOST_REPORT))
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "recsys_quantize_report.struct_size is %u: set it to sizeof the struct", report->struct_size);
  if (model->ensemble != NULL)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "an ensemble cannot be quantised: quantise its parts");
  if (model->quantization != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "this is an int8 model already: quantise the one that it was made of");
  char *resolved = model->source != NULL ? realpath(path, NULL) : NULL;
  bool same = resolved != NULL && strcmp(resolved, model->source) == 0;
  free(resolved);
  if (same)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "'%.150s' is the file that the model was opened from, whose weights would be lost: write to "
                        "another one",
                        path);
  return recsys__model_here(model, error);
}

static void give_report(const recsys_quantize_report *ours, recsys_quantize_report *theirs) {
  uint32_t size = theirs->struct_size;
  size_t both = size < sizeof *ours ? size : sizeof *ours;
  memcpy(theirs, ours, both);
  memset((char *)theirs + both, 0, size - both);
  theirs->struct_size = size;
}

recsys_status recsys_model_quantize(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                                    const recsys_quantize_options *options, recsys_quantize_report *report,
                                    recsys_status *statuses, recsys_error *error) {
  recsys_status status = check(model, path, images, n, report, error);
  quantizing q = {.model = model, .images = images, .n = n, .statuses = statuses};
  if (status == RECSYS_OK)
    status = recsys__options_copy(&q.options, sizeof q.options, options, "quantize options", error);
  if (status == RECSYS_OK && q.options.flags != 0)
    status = recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "quantize options have unknown flags 0x%x", q.options.flags);
  if (status == RECSYS_OK && q.options.compare > MOST_COMPARE)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "recsys_quantize_options.compare is %llu: at most %d are compared",
                          (unsigned long long)q.options.compare, MOST_COMPARE);
  if (status != RECSYS_OK)
    return status;
  q.options.calibrate = q.options.calibrate != 0 ? q.options.calibrate : CALIBRATE;
  q.options.compare = q.options.compare != 0 ? q.options.compare : COMPARE;
  q.report.struct_size = sizeof q.report;
  for (size_t i = 0; statuses != NULL && i < n; i++)
    statuses[i] = RECSYS_OK;
  status = quantize(&q, path, error);
  if (status != RECSYS_OK)
    return status;
  if (report != NULL)
    give_report(&q.report, report);
  if (q.failed == 0)
    return recsys__ok(error);
  if (error != NULL)
    *error = q.first_failure;
  return RECSYS_EPARTIAL;
}
