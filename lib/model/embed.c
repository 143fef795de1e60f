/*
 * Pictures to rows. The pictures go through in inner batches of the size that the engine prefers, and the next batch is
 * decoded beside the network; memory is that of two such batches, whatever n is.
 *
 * Decoding uses as many threads as the network, even where both share the processors: measured with ResNet-50 in
 * bfloat16 on 2 of them, 0.96 of the bare engine's rate, against 0.95 with decoding between two runs instead.
 */
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/thread.h"
#include "model/model.h"

typedef struct slot {
  recsys_status status;
  recsys_error error;
} slot;

/* Pictures first .. first + count - 1 on their way; after packing, `good` inputs lie together at the start. */
typedef struct batch {
  size_t first, count, good;
  float *input;
  slot *slots;
} batch;

typedef struct work {
  recsys_model *model;
  const recsys_image *images;
  size_t n, picture, dim, inner; /* pictures, floats of an input, floats of a row, pictures of an inner batch */
  uint32_t output;
  float *rows, *packed; /* the caller's; and those of the good pictures of one batch */
  recsys_status *statuses;
  batch batches[2];
  size_t failed;
  recsys_error first_failure;
} work;

typedef struct decoding {
  work *w;
  batch *b;
} decoding;

static void decode_one(void *context, size_t part) {
  const decoding *d = context;
  work *w = d->w;
  batch *b = d->b;
  slot *s = &b->slots[part];
  recsys__pixels pixels = {0};
  const recsys_network *network = &w->model->net.network;
  s->status = recsys__image_load(&pixels, &w->images[b->first + part], &w->model->limits, &s->error);
  if (s->status == RECSYS_OK)
    s->status = recsys__recipe_apply(w->model->recipe, &pixels, network->height, network->width,
                                     b->input + part * w->picture, &s->error);
  recsys__pixels_free(&pixels);
}

/* Moves the inputs of usable pictures together. */
static void pack(work *w, batch *b) {
  b->good = 0;
  for (size_t i = 0; i < b->count; i++) {
    if (b->slots[i].status != RECSYS_OK)
      continue;
    if (b->good != i)
      memcpy(b->input + b->good * w->picture, b->input + i * w->picture, w->picture * sizeof(float));
    b->good++;
  }
}

static void decode(work *w, batch *b, size_t first) {
  b->first = first;
  b->count = w->n - first < w->inner ? w->n - first : w->inner;
  decoding context = {w, b};
  recsys__parallel(w->model->threads, b->count, decode_one, &context);
  pack(w, b);
}

/* The first picture that failed is the one that the call's error tells of. */
static void note_failure(work *w, size_t index, const slot *s) {
  if (w->failed++ == 0)
    recsys__fail(&w->first_failure, RECSYS_EPARTIAL, (int32_t)index, "picture %zu: %s", index, s->error.message);
}

/* Rows and statuses of a finished batch. */
static void deliver(work *w, const batch *b, const float *made) {
  size_t good = 0;
  for (size_t i = 0; i < b->count; i++) {
    size_t index = b->first + i;
    float *row = w->rows + index * w->dim;
    const slot *s = &b->slots[i];
    if (s->status != RECSYS_OK) {
      memset(row, 0, w->dim * sizeof *row);
      note_failure(w, index, s);
    } else {
      if (made + good * w->dim != row)
        memcpy(row, made + good * w->dim, w->dim * sizeof *row);
      if (w->output == RECSYS__OUTPUT_CLASSES && w->model->head != NULL)
        recsys__label_scores(&w->model->head->labels, row, 1);
      good++;
    }
    if (w->statuses != NULL)
      w->statuses[index] = s->status;
  }
}

/* Everything from picture `first` on was not done, for this reason. */
static void abandon(work *w, size_t first, recsys_status status) {
  memset(w->rows + first * w->dim, 0, (w->n - first) * w->dim * sizeof *w->rows);
  for (size_t i = first; w->statuses != NULL && i < w->n; i++)
    w->statuses[i] = status;
}

/* Runs the network on `b` while the batch after it, if there is one, is decoded into `next`. */
static recsys_status run_batch(work *w, batch *b, batch *next, recsys_error *error) {
  size_t after = b->first + b->count;
  bool whole = b->good == b->count;
  float *made = whole ? w->rows + b->first * w->dim : w->packed;
  recsys_status status = RECSYS_OK;
  if (b->good > 0)
    status = recsys__loaded_start(w->model->loaded, b->input, b->good, w->output, made, error);
  if (status != RECSYS_OK)
    return status;
  if (after < w->n)
    decode(w, next, after);
  if (b->good > 0)
    status = recsys__loaded_wait(w->model->loaded, error);
  if (status != RECSYS_OK)
    return status;
  deliver(w, b, made);
  return RECSYS_OK;
}

static recsys_status run_all(work *w, const recsys_embed_options *options, recsys_error *error) {
  decode(w, &w->batches[0], 0);
  for (size_t done = 0, turn = 0; done < w->n; turn++) {
    batch *b = &w->batches[turn % 2];
    recsys_status status = run_batch(w, b, &w->batches[(turn + 1) % 2], error);
    if (status != RECSYS_OK) {
      abandon(w, done, status);
      return status;
    }
    done += b->count;
    if (options->progress != NULL && options->progress(options->progress_user, "embed", done, w->n) != 0) {
      abandon(w, done, RECSYS_ECANCELLED);
      return recsys__fail(error, RECSYS_ECANCELLED, 0, "cancelled after %zu of %zu pictures", done, w->n);
    }
  }
  if (w->failed == 0)
    return recsys__ok(error);
  if (error != NULL)
    *error = w->first_failure;
  return RECSYS_EPARTIAL;
}

static recsys_status prepare(work *w, recsys_error *error) {
  const recsys_network *network = &w->model->net.network;
  w->inner = recsys__loaded_info(w->model->loaded)->batch;
  if (w->inner > w->n)
    w->inner = w->n;
  w->picture = (size_t)network->height * network->width * network->channels;
  w->packed = recsys__alloc(w->inner * w->dim, sizeof(float));
  bool good = w->packed != NULL;
  for (int i = 0; i < 2; i++) {
    w->batches[i].input = recsys__alloc(w->inner * w->picture, sizeof(float));
    w->batches[i].slots = recsys__calloc(w->inner, sizeof(slot));
    good = good && w->batches[i].input != NULL && w->batches[i].slots != NULL;
  }
  return good ? RECSYS_OK : recsys__no_memory(error, "a batch of pictures");
}

static void clean_up(work *w) {
  recsys__free(w->packed);
  for (int i = 0; i < 2; i++) {
    recsys__free(w->batches[i].input);
    recsys__free(w->batches[i].slots);
  }
}

static recsys_status check(recsys_model *model, const recsys_image *images, size_t n, const float *rows,
                           const char *function, recsys_error *error) {
  const char *missing = model == NULL              ? "model"
                        : images == NULL && n != 0 ? "images"
                        : rows == NULL && n != 0   ? "the output array"
                                                   : NULL;
  if (missing != NULL)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s: %s is NULL", function, missing);
  return recsys__model_here(model, error);
}

static recsys_status run_pictures(recsys_model *model, uint32_t output, const recsys_image *images, size_t n,
                                  const recsys_embed_options *theirs, float *rows, recsys_status *statuses,
                                  recsys_error *error) {
  recsys_embed_options options;
  size_t total;
  recsys_status status = recsys__options_copy(&options, sizeof options, theirs, "embed options", error);
  if (status != RECSYS_OK)
    return status;
  if (options.flags != 0)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "embed options have unknown flags 0x%x", options.flags);
  if (model->dims[output] == 0)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "this %s has no classifier: its weights end before it",
                        model->info.architecture);
  if (!recsys__mul(n, model->dims[output], &total) || !recsys__mul(total, sizeof(float), &total))
    return recsys__fail(error, RECSYS_EINVAL, 0, "%zu rows of %llu floats do not fit in memory", n,
                        (unsigned long long)model->dims[output]);
  if (n == 0)
    return recsys__ok(error);
  work w = {.model = model,
            .images = images,
            .n = n,
            .dim = model->dims[output],
            .output = output,
            .rows = rows,
            .statuses = statuses};
  pthread_mutex_lock(&model->mutex);
  status = prepare(&w, error);
  if (status == RECSYS_OK)
    status = run_all(&w, &options, error);
  else
    abandon(&w, 0, status);
  clean_up(&w);
  pthread_mutex_unlock(&model->mutex);
  return status;
}

recsys_status recsys__model_run(recsys_model *model, uint32_t output, const recsys_image *images, size_t n,
                                const recsys_embed_options *options, float *rows, recsys_status *statuses,
                                recsys_error *error) {
  const char *function = output == RECSYS__OUTPUT_EMBEDDING ? "recsys_model_embed" : "recsys_model_classify";
  recsys_status status = check(model, images, n, rows, function, error);
  if (status != RECSYS_OK)
    return status;
  if (model->ensemble != NULL)
    return recsys__ensemble_run(model, output, images, n, options, rows, statuses, error);
  return run_pictures(model, output, images, n, options, rows, statuses, error);
}

recsys_status recsys_model_embed(recsys_model *model, const recsys_image *images, size_t n,
                                 const recsys_embed_options *options, float *rows, recsys_status *statuses,
                                 recsys_error *error) {
  return recsys__model_run(model, RECSYS__OUTPUT_EMBEDDING, images, n, options, rows, statuses, error);
}

recsys_status recsys_model_classify(recsys_model *model, const recsys_image *images, size_t n,
                                    const recsys_embed_options *options, float *scores, recsys_status *statuses,
                                    recsys_error *error) {
  return recsys__model_run(model, RECSYS__OUTPUT_CLASSES, images, n, options, scores, statuses, error);
}
