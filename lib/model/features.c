/* Pictures to features: hashed, found in the cache or run through the network, standardised. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "model/training.h"

/* -- content */

typedef struct hashing {
  recsys__training *t;
  recsys_error *errors; /* of one group of pictures */
  size_t first;
} hashing;

static void hash_pixels(recsys__sha256 *sha, const recsys_image *image) {
  static const size_t widths[] = {3, 3, 4, 4, 1};
  size_t width = image->format < 5 ? widths[image->format] * image->width : 0;
  size_t stride = image->stride != 0 ? image->stride : width;
  for (size_t y = 0; y < image->height; y++)
    recsys__sha256_update(sha, (const uint8_t *)image->data + y * stride, width);
}

static recsys_status hash_file(recsys__sha256 *sha, const char *path, uint64_t limit, recsys_error *error) {
  void *data;
  size_t size;
  recsys_status status = recsys__file_read(&data, &size, path, limit, error);
  if (status == RECSYS_OK) {
    recsys__sha256_update(sha, data, size);
    recsys__free(data);
  }
  return status;
}

/* What of the struct decides on the pixels, then the content. Pixels that do not fit their size are left to the
 * decoder, which says what is wrong with them. */
static recsys_status hash_image(const recsys_image *image, uint64_t limit, recsys__digest *digest,
                                recsys_error *error) {
  const uint32_t facts[8] = {image->kind == RECSYS_IMAGE_PIXELS,
                             image->format,
                             image->width,
                             image->height,
                             image->crop_x,
                             image->crop_y,
                             image->crop_width,
                             image->crop_height};
  recsys__sha256 sha;
  recsys__pixels pixels = {0};
  recsys_status status = RECSYS_OK;
  char hex[65];
  recsys__sha256_init(&sha);
  recsys__sha256_update(&sha, facts, sizeof facts);
  if (image->kind == RECSYS_IMAGE_FILE && image->path != NULL) {
    status = hash_file(&sha, image->path, limit, error);
  } else if (image->kind == RECSYS_IMAGE_BYTES && image->data != NULL) {
    recsys__sha256_update(&sha, image->data, image->size);
  } else {
    recsys__image_limits limits = {.max_file_bytes = limit};
    recsys__image_limits_default(&limits);
    status = recsys__image_load(&pixels, image, &limits, error); /* checks it */
    if (status == RECSYS_OK)
      hash_pixels(&sha, image);
    recsys__pixels_free(&pixels);
  }
  recsys__sha256_hex(&sha, hex);
  for (size_t i = 0; i < sizeof digest->bytes; i++) {
    unsigned value = 0;
    sscanf(hex + 2 * i, "%2x", &value);
    digest->bytes[i] = (uint8_t)value;
  }
  return status;
}

static void hash_one(void *context, size_t part) {
  const hashing *h = context;
  recsys__training *t = h->t;
  size_t i = h->first + part;
  t->statuses[i] = hash_image(&t->images[i], t->seer->limits.max_file_bytes, &t->digests[i], &h->errors[part]);
}

static void note_failure(recsys__training *t, size_t index, const char *message) {
  if (t->failed++ == 0)
    recsys__fail(&t->first_failure, RECSYS_EPARTIAL, (int32_t)index, "picture %zu: %s", index, message);
}

static int tell(const recsys__training *t, uint64_t done, uint64_t total) {
  recsys_train_progress now = {.struct_size = sizeof now,
                               .phase = "features",
                               .step = done,
                               .steps = total,
                               .training_loss = NAN,
                               .validation_loss = NAN};
  return t->options.progress != NULL ? t->options.progress(t->options.progress_user, &now) : 0;
}

static recsys_status cancelled(recsys_error *error) {
  return recsys__fail(error, RECSYS_ECANCELLED, 0, "cancelled while the features were made");
}

recsys_status recsys__training_hash(recsys__training *t, recsys_error *error) {
  enum { GROUP = 64 };
  recsys_error errors[GROUP];
  for (size_t at = 0; at < t->n; at += GROUP) {
    size_t count = t->n - at < GROUP ? t->n - at : GROUP;
    hashing h = {t, errors, at};
    recsys__parallel(t->seer->threads, count, hash_one, &h);
    for (size_t i = 0; i < count; i++)
      if (t->statuses[at + i] != RECSYS_OK)
        note_failure(t, at + i, errors[i].message);
    if (tell(t, 0, t->n))
      return cancelled(error);
  }
  return RECSYS_OK;
}

/* -- rows */

typedef struct batch {
  size_t count;
  size_t pictures[256];
  recsys_image images[256];
  recsys_status statuses[256];
} batch;

/* Embeds the pictures of a batch and adds their rows to the cache. */
static recsys_status run_batch(recsys__training *t, batch *b, float *rows, recsys_error *error) {
  recsys_error reason;
  if (b->count == 0)
    return RECSYS_OK;
  recsys_status status = recsys_model_embed(t->seer, b->images, b->count, NULL, rows, b->statuses, &reason);
  if (status != RECSYS_OK && status != RECSYS_EPARTIAL) {
    if (error != NULL)
      *error = reason;
    return status;
  }
  status = RECSYS_OK;
  for (size_t i = 0; status == RECSYS_OK && i < b->count; i++) {
    size_t picture = b->pictures[i];
    if (b->statuses[i] == RECSYS_OK) {
      status = recsys__cache_add(&t->cache, &t->digests[picture], rows + i * t->dim, error);
      continue;
    }
    /* One at a time, a picture's own message. */
    t->statuses[picture] = recsys_model_embed(t->seer, &t->images[picture], 1, NULL, rows, NULL, &reason);
    t->statuses[picture] = b->statuses[i];
    note_failure(t, picture, strncmp(reason.message, "picture 0: ", 11) == 0 ? reason.message + 11 : reason.message);
  }
  b->count = 0;
  return status;
}

static int by_digest(const void *a, const void *b, void *context) {
  const recsys__digest *digests = context;
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  int order = memcmp(&digests[x], &digests[y], sizeof *digests);
  return order != 0 ? order : (x > y) - (x < y);
}

/* groups[i]: the first usable picture with the content of picture i. */
static void group_twins(recsys__training *t) {
  uint32_t *sorted = t->order;
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) {
    t->groups[i] = (uint32_t)i;
    if (t->statuses[i] == RECSYS_OK)
      sorted[n++] = (uint32_t)i;
  }
  qsort_r(sorted, n, sizeof *sorted, by_digest, t->digests);
  for (size_t i = 1; i < n; i++)
    if (memcmp(&t->digests[sorted[i]], &t->digests[sorted[i - 1]], sizeof *t->digests) == 0)
      t->groups[sorted[i]] = t->groups[sorted[i - 1]];
}

static recsys_status embed_missing(recsys__training *t, recsys_error *error) {
  batch *b = recsys__calloc(1, sizeof *b);
  float *rows = recsys__alloc(sizeof b->images / sizeof *b->images, t->dim * sizeof *rows);
  recsys_status status = b != NULL && rows != NULL ? RECSYS_OK : recsys__no_memory(error, "a batch of features");
  for (size_t i = 0; status == RECSYS_OK && i < t->n; i++) {
    bool wanted =
        t->statuses[i] == RECSYS_OK && t->groups[i] == i && recsys__cache_find(&t->cache, &t->digests[i]) == UINT32_MAX;
    if (wanted) {
      b->pictures[b->count] = i;
      b->images[b->count++] = t->images[i];
    }
    if (b->count < sizeof b->images / sizeof *b->images && i + 1 < t->n)
      continue;
    status = run_batch(t, b, rows, error);
    if (status == RECSYS_OK && tell(t, i + 1, t->n))
      status = cancelled(error);
  }
  recsys_error ignored;
  recsys_status flushed = recsys__cache_flush(&t->cache, status == RECSYS_OK ? error : &ignored);
  recsys__free(b);
  recsys__free(rows);
  return status == RECSYS_OK ? flushed : status; /* what was done before a cancellation is kept */
}

static recsys_status open_cache(recsys__training *t, recsys_error *error) {
  char key[160], temporary[4096];
  snprintf(key, sizeof key, "%s %s", t->seer->info.fingerprint, recsys__precision_name(t->seer->info.precision));
  if ((size_t)snprintf(temporary, sizeof temporary, "%s.features", t->path) >= sizeof temporary)
    return recsys__fail(error, RECSYS_EINVAL, 0, "the path of the trained model is too long");
  const char *folder = t->options.cache;
  return recsys__cache_open(&t->cache, folder != NULL ? folder : temporary, folder == NULL, key, t->dim,
                            t->options.memory, &t->seer->log, error);
}

recsys_status recsys__training_features(recsys__training *t, recsys_error *error) {
  group_twins(t);
  recsys_status status = open_cache(t, error);
  if (status == RECSYS_OK)
    status = embed_missing(t, error);
  if (status != RECSYS_OK)
    return status;
  for (size_t i = 0; i < t->n; i++) {
    t->handles[i] = t->statuses[i] == RECSYS_OK ? recsys__cache_find(&t->cache, &t->digests[i]) : UINT32_MAX;
    if (t->statuses[i] == RECSYS_OK && t->handles[i] == UINT32_MAX) { /* a twin of one that failed */
      t->statuses[i] = t->statuses[t->groups[i]];
      note_failure(t, i, "it cannot be used, like the picture with the same content before it");
    }
  }
  return RECSYS_OK;
}

recsys_status recsys__training_rows(void *context, const uint32_t *examples, size_t n, float *rows,
                                    recsys_error *error) {
  const recsys__training *t = context;
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    status = recsys__cache_read(&t->cache, t->handles[examples[i]], rows + i * t->dim, error);
  return status;
}

recsys_status recsys__training_read(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                                    size_t first, float *rows, recsys_error *error) {
  const recsys__training *t = context;
  (void)learning, (void)epoch, (void)first;
  recsys_status status = recsys__training_rows(context, examples, n, rows, error);
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    for (size_t k = 0; k < t->dim; k++)
      rows[i * t->dim + k] = (rows[i * t->dim + k] - t->mean[k]) * t->scale[k];
  return status;
}

/* One pass (Welford 1962): the mean and the sum of squares around it. A constant feature keeps its scale. */
recsys_status recsys__training_standardise(recsys__training *t, recsys_error *error) {
  for (size_t k = 0; k < t->dim; k++) {
    t->mean[k] = 0;
    t->scale[k] = 1;
  }
  if (t->options.flags & RECSYS_TRAIN_RAW_FEATURES)
    return RECSYS_OK;
  double *mean = recsys__calloc(t->dim, 2 * sizeof *mean), *squares = mean + t->dim;
  float *row = recsys__alloc(t->dim, sizeof *row);
  recsys_status status = mean && row ? RECSYS_OK : recsys__no_memory(error, "the means of features");
  for (size_t i = 0; status == RECSYS_OK && i < t->training_count; i++) {
    status = recsys__cache_read(&t->cache, t->handles[t->order[i]], row, error);
    for (size_t k = 0; status == RECSYS_OK && k < t->dim; k++) {
      double off = row[k] - mean[k];
      mean[k] += off / (double)(i + 1);
      squares[k] += off * (row[k] - mean[k]);
    }
  }
  for (size_t k = 0; status == RECSYS_OK && k < t->dim; k++) {
    double deviation = sqrt(squares[k] / (double)t->training_count);
    t->mean[k] = (float)mean[k];
    t->scale[k] = deviation > 1e-6 * fabs(mean[k]) && deviation > 1e-12 ? (float)(1 / deviation) : 1;
  }
  recsys__free(mean);
  recsys__free(row);
  return status;
}
