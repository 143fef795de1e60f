/*
 * Between Go and recsys.h: every function here takes plain numbers and pointers to plain numbers, and builds the
 * structs of the C interface on its own stack, so that no C memory ever holds a pointer into Go's. Lists of strings
 * come as one block, each string with its NUL.
 */
#ifndef RECSYS_GO_BRIDGE_H
#define RECSYS_GO_BRIDGE_H

#include <recsys.h>
#include <stdlib.h>
#include <string.h>

#if RECSYS_VERSION_MAJOR != 0 || RECSYS_VERSION_MINOR != 1
#error                                                                                                                 \
    "this Go package is for librecsys 0.1, and pkg-config found another version: install the two from one release, or set PKG_CONFIG_PATH to the right one"
#endif

/* Written in Go (callbacks.go). */
extern int recsysGoProgress(uintptr_t user, char *phase, uint64_t done, uint64_t total);
extern int recsysGoTrainProgress(uintptr_t user, char *phase, uint32_t fold, uint32_t epoch, uint32_t epochs,
                                 uint64_t step, uint64_t steps, double training, double validation);

static inline int bridge_progress(void *user, const char *phase, uint64_t done, uint64_t total) {
  return recsysGoProgress((uintptr_t)user, (char *)phase, done, total);
}

static inline int bridge_train_progress(void *user, const recsys_train_progress *now) {
  return recsysGoTrainProgress((uintptr_t)user, (char *)now->phase, now->fold, now->epoch, now->epochs, now->step,
                               now->steps, now->training_loss, now->validation_loss);
}

/* `user` 0: no callback. */
#define BRIDGE_PROGRESS(options, user)                                                                                 \
  do {                                                                                                                 \
    if (user) {                                                                                                        \
      (options).progress = bridge_progress;                                                                            \
      (options).progress_user = (void *)(user);                                                                        \
    }                                                                                                                  \
  } while (0)

static inline recsys_status bridge_no_memory(recsys_error *error) {
  memset(error, 0, sizeof *error);
  error->status = RECSYS_ENOMEM;
  strcpy(error->message, "no memory for the arguments of a call");
  return RECSYS_ENOMEM;
}

/* n strings of a block; NULL block: NULL. Freed with free(). */
static inline const char **bridge_strings(const char *block, size_t n) {
  const char **strings = block ? (const char **)malloc((n + 1) * sizeof *strings) : NULL;
  for (size_t i = 0; strings && i < n; i++) {
    strings[i] = block;
    block += strlen(block) + 1;
  }
  return strings;
}

/* -- model */

typedef struct bridge_model_options {
  uint32_t flags, precision, threads, isolation, max_scans;
  uint64_t seed, classes, max_file_bytes, max_pixels, max_decode_bytes;
} bridge_model_options;

/* path NULL: create. Texts: "" is NULL. */
static inline recsys_status bridge_model(recsys_model **model, const char *path, const char *architecture,
                                         const char *layer, const char *recipe, const char *engine,
                                         const char *engine_path, const char *device, const uint64_t *numbers,
                                         recsys_error *error) {
  recsys_model_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.layer = *layer ? layer : NULL;
  o.recipe = *recipe ? recipe : NULL;
  o.engine = *engine ? engine : NULL;
  o.engine_path = *engine_path ? engine_path : NULL;
  o.device = *device ? device : NULL;
  o.flags = (uint32_t)numbers[0];
  o.precision = (uint32_t)numbers[1];
  o.threads = (uint32_t)numbers[2];
  o.isolation = (uint32_t)numbers[3];
  o.seed = numbers[4];
  o.classes = numbers[5];
  o.max_file_bytes = numbers[6];
  o.max_pixels = numbers[7];
  o.max_decode_bytes = numbers[8];
  o.max_scans = (uint32_t)numbers[9];
  if (!path)
    return recsys_model_create(model, architecture, &o, error);
  o.architecture = *architecture ? architecture : NULL;
  return recsys_model_open(model, path, &o, error);
}

/* One picture; texts and data are C memory. */
static inline void bridge_set_image(recsys_image *images, size_t i, uint32_t kind, uint32_t format, const char *path,
                                    const void *data, uint64_t size, uint32_t width, uint32_t height, uint64_t stride,
                                    const uint32_t *crop) {
  recsys_image *image = &images[i];
  memset(image, 0, sizeof *image);
  image->kind = kind;
  image->format = format;
  image->path = path;
  image->data = data;
  image->size = size;
  image->width = width;
  image->height = height;
  image->stride = stride;
  image->crop_x = crop[0];
  image->crop_y = crop[1];
  image->crop_width = crop[2];
  image->crop_height = crop[3];
}

static inline void bridge_free_images(recsys_image *images, size_t n) {
  for (size_t i = 0; i < n; i++) {
    free((void *)images[i].path);
    free((void *)images[i].data);
  }
  free(images);
}

static inline recsys_status bridge_run(recsys_model *model, int classify, const recsys_image *images, size_t n,
                                       uintptr_t user, float *rows, recsys_status *statuses, recsys_error *error) {
  recsys_embed_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  BRIDGE_PROGRESS(o, user);
  return classify ? recsys_model_classify(model, images, n, &o, rows, statuses, error)
                  : recsys_model_embed(model, images, n, &o, rows, statuses, error);
}

/* numbers and reals: see TrainOptions.flat in model.go. teacher NULL: train, else distill. */
static inline recsys_status bridge_train(recsys_model *model, recsys_model *teacher, const char *path,
                                         const recsys_image *images, size_t n, const char *texts,
                                         const uint32_t *exclusive, size_t label_count, const int8_t *matrix,
                                         const int64_t *numbers, const double *reals, const int32_t *parts,
                                         const char *cache, uintptr_t user, recsys_status *statuses,
                                         recsys_error *error) {
  recsys_train_options o;
  recsys_status status;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.flags = (uint32_t)numbers[0];
  o.optimiser = (uint32_t)numbers[1];
  o.schedule = (uint32_t)numbers[2];
  o.hidden = numbers[3];
  o.epochs = (uint32_t)numbers[4];
  o.batch = (uint32_t)numbers[5];
  o.patience = (uint32_t)numbers[6];
  o.folds = (uint32_t)numbers[7];
  o.seed = (uint64_t)numbers[8];
  o.fine_tune_blocks = (uint32_t)numbers[9];
  o.fine_tune_epochs = (uint32_t)numbers[10];
  o.fine_tune_batch = (uint32_t)numbers[11];
  o.memory = (uint64_t)numbers[12];
  o.dropout = reals[0];
  o.learning_rate = reals[1];
  o.momentum = reals[2];
  o.weight_decay = reals[3];
  o.balance = reals[4];
  o.validation = reals[5];
  o.fine_tune_rate = reals[6];
  o.checkpoint = reals[7];
  o.parts = parts;
  o.cache = *cache ? cache : NULL;
  if (user) {
    o.progress = bridge_train_progress;
    o.progress_user = (void *)user;
  }
  if (teacher)
    return recsys_model_distill(model, teacher, path, images, n, &o, statuses, error);
  recsys_label *labels = (recsys_label *)calloc(label_count + 1, sizeof *labels);
  const char **strings = bridge_strings(texts, 2 * label_count);
  if (!labels || !strings) {
    status = bridge_no_memory(error);
  } else {
    for (size_t i = 0; i < label_count; i++) {
      labels[i].field = strings[2 * i];
      labels[i].value = strings[2 * i + 1];
      labels[i].exclusive = exclusive[i];
    }
    status = recsys_model_train(model, path, images, n, labels, label_count, matrix, &o, statuses, error);
  }
  free(labels);
  free(strings);
  return status;
}

/* numbers: calibrate, compare, seed. */
static inline recsys_status bridge_quantize(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                                            const uint64_t *numbers, uintptr_t user, recsys_quantize_report *report,
                                            recsys_status *statuses, recsys_error *error) {
  recsys_quantize_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.calibrate = numbers[0];
  o.compare = numbers[1];
  o.seed = numbers[2];
  BRIDGE_PROGRESS(o, user);
  report->struct_size = sizeof *report;
  return recsys_model_quantize(model, path, images, n, &o, report, statuses, error);
}

/* values: 8 for each of classes + 2 metrics. images NULL: those of its training. */
static inline recsys_status bridge_metrics(recsys_model *model, size_t classes, const recsys_image *images, size_t n,
                                           const int8_t *matrix, uintptr_t user, double *values,
                                           recsys_status *statuses, recsys_error *error) {
  recsys_label_metrics *m = (recsys_label_metrics *)calloc(classes + 2, sizeof *m);
  recsys_embed_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  BRIDGE_PROGRESS(o, user);
  if (!m)
    return bridge_no_memory(error);
  recsys_status status = images ? recsys_model_evaluate(model, images, n, matrix, &o, m, statuses, error)
                                : recsys_model_get_metrics(model, m, error);
  for (size_t i = 0; i < classes + 2; i++, values += 8) {
    values[0] = (double)m[i].known;
    values[1] = (double)m[i].support;
    values[2] = m[i].threshold;
    values[3] = m[i].accuracy;
    values[4] = m[i].precision;
    values[5] = m[i].recall;
    values[6] = m[i].f1;
    values[7] = m[i].average_precision;
  }
  free(m);
  return status;
}

/* -- store */

static inline recsys_status bridge_store_open(recsys_store **store, const char *location, uint32_t flags,
                                              double busy_timeout, uint32_t threads, uintptr_t user,
                                              recsys_error *error) {
  recsys_store_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.flags = flags;
  o.busy_timeout = busy_timeout;
  o.threads = threads;
  BRIDGE_PROGRESS(o, user);
  return recsys_store_open(store, location, &o, error);
}

static inline recsys_status bridge_resolve(recsys_store *store, int32_t kind, const char *keys, size_t n,
                                           uint32_t flags, int64_t *ids, recsys_error *error) {
  const char **strings = bridge_strings(keys, n);
  recsys_status status =
      strings ? recsys_store_resolve(store, kind, strings, n, flags, ids, error) : bridge_no_memory(error);
  free(strings);
  return status;
}

/* texts: n fields, then (labels, texts, removing with values) n values. */
static inline recsys_status bridge_put_labels(recsys_store *store, const int64_t *items, const char *texts,
                                              const float *scores, size_t n, recsys_error *error) {
  const char **s = bridge_strings(texts, 2 * n);
  recsys_status status =
      s ? recsys_store_put_labels(store, items, s, s + n, scores, n, error) : bridge_no_memory(error);
  free(s);
  return status;
}

static inline recsys_status bridge_put_texts(recsys_store *store, const int64_t *items, const char *texts, size_t n,
                                             recsys_error *error) {
  const char **s = bridge_strings(texts, 2 * n);
  recsys_status status = s ? recsys_store_put_texts(store, items, s, s + n, n, error) : bridge_no_memory(error);
  free(s);
  return status;
}

static inline recsys_status bridge_put_numbers(recsys_store *store, const int64_t *items, const char *fields,
                                               const double *values, size_t n, recsys_error *error) {
  const char **s = bridge_strings(fields, n);
  recsys_status status = s ? recsys_store_put_numbers(store, items, s, values, n, error) : bridge_no_memory(error);
  free(s);
  return status;
}

static inline recsys_status bridge_put_events(recsys_store *store, const int64_t *users, const int64_t *items,
                                              const char *kinds, const int64_t *times, size_t n, uint64_t *unknown,
                                              recsys_error *error) {
  const char **s = bridge_strings(kinds, n);
  recsys_status status =
      s ? recsys_store_put_events(store, users, items, s, times, n, unknown, error) : bridge_no_memory(error);
  free(s);
  return status;
}

static inline recsys_status bridge_remove_labels(recsys_store *store, const int64_t *items, const char *texts,
                                                 int with_values, size_t n, recsys_error *error) {
  const char **s = bridge_strings(texts, with_values ? 2 * n : n);
  recsys_status status =
      s ? recsys_store_remove_labels(store, items, s, with_values ? s + n : NULL, n, error) : bridge_no_memory(error);
  free(s);
  return status;
}

/* -- filters: per clause an op, a number of values, min and max; texts: per clause its field, then its values */

typedef struct bridge_filter {
  recsys_filter filter;
  recsys_clause *clauses;
  const char **strings;
} bridge_filter;

static inline int bridge_filter_make(bridge_filter *f, uint32_t flags, const uint32_t *ops, const uint32_t *counts,
                                     const double *limits, size_t n, const char *texts, size_t n_texts,
                                     const int64_t *allow, size_t n_allow, const int64_t *deny, size_t n_deny,
                                     const double *nearness) {
  memset(f, 0, sizeof *f);
  f->clauses = (recsys_clause *)calloc(n + 1, sizeof *f->clauses);
  f->strings = bridge_strings(texts, n_texts);
  if (!f->clauses || !f->strings)
    return 0;
  const char **at = f->strings;
  for (size_t i = 0; i < n; i++) {
    f->clauses[i].field = *at++;
    f->clauses[i].values = at;
    f->clauses[i].op = ops[i];
    f->clauses[i].n_values = counts[i];
    f->clauses[i].min = limits[2 * i];
    f->clauses[i].max = limits[2 * i + 1];
    at += counts[i];
  }
  f->filter.struct_size = sizeof f->filter;
  f->filter.flags = flags;
  f->filter.clauses = f->clauses;
  f->filter.n_clauses = n;
  f->filter.allow = allow;
  f->filter.n_allow = n_allow;
  f->filter.deny = deny;
  f->filter.n_deny = n_deny;
  f->filter.min_similarity = nearness[0];
  f->filter.max_distance = nearness[1];
  return 1;
}

static inline void bridge_filter_free(bridge_filter *f) {
  free(f->clauses);
  free(f->strings);
}

/* queries NULL: similar to items; recall set: how much of them an approximate search finds. has_filter 0: none. */
static inline recsys_status
bridge_search(recsys_store *store, const float *queries, uint32_t dim, const int64_t *items, size_t n, size_t k,
              uint32_t metric, const char *fingerprint, uint32_t approximate, uint32_t effort, uint64_t seed,
              double *recall, uintptr_t user, int has_filter, uint32_t flags, const uint32_t *ops,
              const uint32_t *counts, const double *limits, size_t clauses, const char *texts, size_t n_texts,
              const int64_t *allow, size_t n_allow, const int64_t *deny, size_t n_deny, const double *nearness,
              int64_t *ids, double *scores, uint32_t *found, recsys_status *statuses, recsys_error *error) {
  bridge_filter f = {0};
  recsys_search_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.metric = metric;
  o.fingerprint = *fingerprint ? fingerprint : NULL;
  recsys_status status;
  if (has_filter && !bridge_filter_make(&f, flags, ops, counts, limits, clauses, texts, n_texts, allow, n_allow, deny,
                                        n_deny, nearness)) {
    status = bridge_no_memory(error);
  } else {
    o.filter = has_filter ? &f.filter : NULL;
    o.approximate = approximate;
    o.effort = effort;
    BRIDGE_PROGRESS(o, user);
    status = recall    ? recsys_store_measure_recall(store, n, k, seed, &o, recall, error)
             : queries ? recsys_store_search(store, queries, n, dim, k, &o, ids, scores, found, error)
                       : recsys_store_similar(store, items, n, k, &o, ids, scores, found, statuses, error);
  }
  bridge_filter_free(&f);
  return status;
}

/* -- ranker */

static inline recsys_status bridge_ranker(recsys_ranker **ranker, recsys_store *store, const char *algorithm,
                                          const char *path, const char *fingerprint, uint32_t threads,
                                          recsys_error *error) {
  recsys_ranker_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.threads = threads;
  o.fingerprint = *fingerprint ? fingerprint : NULL;
  return path ? recsys_ranker_open(ranker, store, path, &o, error)
              : recsys_ranker_create(ranker, store, algorithm, &o, error);
}

static inline recsys_status bridge_fit(recsys_ranker *ranker, int refresh, uint64_t memory_limit, uintptr_t user,
                                       recsys_error *error) {
  recsys_fit_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.memory_limit = memory_limit;
  BRIDGE_PROGRESS(o, user);
  return refresh ? recsys_ranker_refresh(ranker, &o, error) : recsys_ranker_fit(ranker, &o, error);
}

static inline recsys_status bridge_index(recsys_store *store, uint32_t metric, const char *fingerprint, uint32_t links,
                                         uint32_t effort, uintptr_t user, recsys_error *error) {
  recsys_index_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.metric = metric;
  o.fingerprint = *fingerprint ? fingerprint : NULL;
  o.links = links;
  o.effort = effort;
  BRIDGE_PROGRESS(o, user);
  return recsys_store_build_index(store, &o, error);
}

static inline recsys_status bridge_remove_index(recsys_store *store, const char *fingerprint, recsys_error *error) {
  return recsys_store_remove_index(store, *fingerprint ? fingerprint : NULL, error);
}

/* How lists are made, all in plain numbers: what every call on a ranker may take. */
typedef struct bridge_how {
  recsys_recommend_options options;
  bridge_filter filter;
} bridge_how;

static inline int bridge_how_make(bridge_how *h, uint32_t how_flags, double diversity, uint32_t max_per_label,
                                  const char *label_field, const int64_t *targets, size_t n_targets, uint8_t *sources,
                                  uintptr_t user, int has_filter, uint32_t flags, const uint32_t *ops,
                                  const uint32_t *counts, const double *limits, size_t clauses, const char *texts,
                                  size_t n_texts, const int64_t *allow, size_t n_allow, const int64_t *deny,
                                  size_t n_deny, const double *nearness) {
  memset(h, 0, sizeof *h);
  h->options.struct_size = sizeof h->options;
  h->options.flags = how_flags;
  h->options.diversity = diversity;
  h->options.max_per_label = max_per_label;
  h->options.label_field = *label_field ? label_field : NULL;
  h->options.targets = targets;
  h->options.n_targets = n_targets;
  h->options.sources = sources;
  BRIDGE_PROGRESS(h->options, user);
  if (!has_filter)
    return 1;
  if (!bridge_filter_make(&h->filter, flags, ops, counts, limits, clauses, texts, n_texts, allow, n_allow, deny, n_deny,
                          nearness))
    return 0;
  h->options.filter = &h->filter.filter;
  return 1;
}

#define BRIDGE_HOW_PARAMETERS                                                                                          \
  uint32_t how_flags, double diversity, uint32_t max_per_label, const char *label_field, const int64_t *targets,       \
      size_t n_targets, uint8_t *sources, uintptr_t user, int has_filter, uint32_t flags, const uint32_t *ops,         \
      const uint32_t *counts, const double *limits, size_t clauses, const char *texts, size_t n_texts,                 \
      const int64_t *allow, size_t n_allow, const int64_t *deny, size_t n_deny, const double *nearness

#define BRIDGE_HOW                                                                                                     \
  how_flags, diversity, max_per_label, label_field, targets, n_targets, sources, user, has_filter, flags, ops, counts, \
      limits, clauses, texts, n_texts, allow, n_allow, deny, n_deny, nearness

static inline recsys_status bridge_recommend(recsys_ranker *ranker, const int64_t *users, size_t n, size_t k,
                                             int64_t *ids, double *scores, uint32_t *found, recsys_status *statuses,
                                             BRIDGE_HOW_PARAMETERS, recsys_error *error) {
  bridge_how h;
  recsys_status status = bridge_how_make(&h, BRIDGE_HOW) ? recsys_ranker_recommend(ranker, users, n, k, &h.options, ids,
                                                                                   scores, found, statuses, error)
                                                         : bridge_no_memory(error);
  bridge_filter_free(&h.filter);
  return status;
}

static inline recsys_status bridge_recommend_from(recsys_ranker *ranker, const uint64_t *offsets, const int64_t *items,
                                                  const float *ratings, const int64_t *times, size_t n, size_t k,
                                                  int64_t *ids, double *scores, uint32_t *found,
                                                  recsys_status *statuses, BRIDGE_HOW_PARAMETERS, recsys_error *error) {
  bridge_how h;
  recsys_status status = bridge_how_make(&h, BRIDGE_HOW)
                             ? recsys_ranker_recommend_from(ranker, offsets, items, ratings, times, n, k, &h.options,
                                                            ids, scores, found, statuses, error)
                             : bridge_no_memory(error);
  bridge_filter_free(&h.filter);
  return status;
}

static inline recsys_status bridge_score(recsys_ranker *ranker, int64_t user_id, const int64_t *items, size_t n,
                                         double *scores, BRIDGE_HOW_PARAMETERS, recsys_error *error) {
  bridge_how h;
  recsys_status status = bridge_how_make(&h, BRIDGE_HOW)
                             ? recsys_ranker_score(ranker, user_id, items, n, &h.options, scores, error)
                             : bridge_no_memory(error);
  bridge_filter_free(&h.filter);
  return status;
}

/* user_id < 0: from the history. reals: 3 for each reason (contribution, similarity, rating). */
static inline recsys_status bridge_explain(recsys_ranker *ranker, int64_t user_id, const int64_t *history,
                                           const float *ratings, const int64_t *times, size_t m, int64_t item,
                                           int64_t *items, double *reals, size_t capacity, size_t *count, double *score,
                                           BRIDGE_HOW_PARAMETERS, recsys_error *error) {
  bridge_how h;
  recsys_reason *reasons = (recsys_reason *)calloc(capacity + 1, sizeof *reasons);
  recsys_status status;
  if (!bridge_how_make(&h, BRIDGE_HOW) || !reasons)
    status = bridge_no_memory(error);
  else
    status = user_id >= 0
                 ? recsys_ranker_explain(ranker, user_id, item, &h.options, reasons, capacity, count, score, error)
                 : recsys_ranker_explain_from(ranker, history, ratings, times, m, item, &h.options, reasons, capacity,
                                              count, score, error);
  for (size_t i = 0; status == RECSYS_OK && i < capacity && i < *count; i++) {
    items[i] = reasons[i].item;
    reals[3 * i] = reasons[i].contribution;
    reals[3 * i + 1] = reasons[i].similarity;
    reals[3 * i + 2] = reasons[i].rating;
  }
  free(reasons);
  bridge_filter_free(&h.filter);
  return status;
}

/* -- evaluation */

static inline recsys_status bridge_evaluate(recsys_evaluation **evaluation, recsys_store *store, const char *rankers,
                                            const char *split, uint32_t candidates, const int64_t *users,
                                            const int64_t *items, const uint8_t *parts, uint64_t n, uint32_t repeats,
                                            const uint32_t *k, uint32_t n_k, double relevant_from,
                                            const char *fingerprint, uint32_t threads, uint64_t seed, uintptr_t user,
                                            recsys_error *error) {
  recsys_evaluate_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.candidates = candidates;
  o.split = *split ? split : NULL;
  o.users = users;
  o.items = items;
  o.parts = parts;
  o.n_ratings = n;
  o.repeats = repeats;
  o.k = k;
  o.n_k = n_k;
  o.relevant_from = relevant_from;
  o.fingerprint = *fingerprint ? fingerprint : NULL;
  o.threads = threads;
  o.seed = seed;
  BRIDGE_PROGRESS(o, user);
  return recsys_evaluate(evaluation, store, rankers, &o, error);
}

#endif
