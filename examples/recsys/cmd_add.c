/*
 * recsys add: a folder of pictures into a store. Pictures whose embedding is there already are passed over, and every
 * few hundred the work is committed: who is stopped, by Ctrl-C or worse, runs the same command again to go on.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "command.h"
#include "items.h"
#include "json.h"
#include "labels.h"
#include "opening.h"
#include "pictures.h"
#include "progress.h"

static const args_option options[] = {
    {"images", "DIR",
     "the pictures: every JPEG or PNG file in this folder, by content; an item's key is the file's name\n"
     "without its extension",
     "--images photos/"},
    {"new-space", NULL,
     "the store has embeddings of another model: keep them, add these beside them, and use these from now on",
     "--new-space"},
    {"strict", NULL, "exit with 1 when a single picture cannot be used", "--strict"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "add",
    "STORE --images DIR [--model MODEL] [--labels CSV --fields NAME,...] [OPTION...]",
    "Embeds the pictures of DIR, and stores them with labels, numbers and texts from a CSV file. Makes STORE if it is "
    "not\n"
    "there. Goes on where it was stopped. Pictures that cannot be used are reported and left out; the exit code is 1\n"
    "when none could be used.",
    "recsys add shop.recsys --model resnet50.safetensors --images photos/\n"
    "recsys add shop.recsys --images photos/ --labels items.csv --fields kind,colour --numbers price --texts title",
    {options, labels_options, opening_model_options, args_general},
};

enum { SCALED_SAMPLE = 32 }; /* pictures by which scaled decoding is judged */
enum { COMMIT = 256 };       /* pictures between commits: seconds of work, also with a slow network */

typedef struct job {
  const args *a;
  recsys_store *store;
  recsys_model *model;
  recsys_model_info info;
  pictures pictures;
  size_t *left; /* indices of pictures to embed */
  size_t n_left, stored, there, broken;
  labels_result labels;
  bool cancelled;
  /* Of --scaled-jpeg, over a sample: cosines to the embeddings of whole pictures, and how many times as fast it is. */
  size_t scaled_sample;
  double scaled_mean, scaled_least, scaled_gain;
} job;

static void report_broken(job *j, const char *path, const char *why) {
  say("%s: %s", path, why);
  j->broken++;
}

/* A batch reports its first failure only: ask again about this picture alone, which fails before the network runs. */
static void report_again(job *j, const char *path) {
  recsys_image image = {.kind = RECSYS_IMAGE_FILE, .path = path};
  recsys_error error = {0};
  float *row = need(j->info.dim, sizeof *row);
  char *reason = NULL;
  if (!recsys_model_embed(j->model, &image, 1, NULL, row, NULL, &error))
    reason = need_text("%s: could not be read at first, and can now; run the command again", path);
  else
    reason = pictures_reason(path, &error);
  say("%s", reason);
  j->broken++;
  free(reason);
  free(row);
}

/* ---- What is there already */

/* Which of n known items have their picture's path, and an embedding in this space? */
static int look_up(job *j, const int64_t *ids, size_t n, recsys_status *statuses) {
  recsys_error error = {0};
  recsys_status status =
      recsys_store_get_embeddings(j->store, j->info.fingerprint, ids, NULL, n, NULL, statuses, &error);
  return status && status != RECSYS_EPARTIAL ? say_error(&error) : DONE;
}

/* The absolute path, so that the page of a later command finds the picture from any folder; NULL: not UTF-8. */
static char *absolute(const char *path) {
  char *whole = realpath(path, NULL);
  if (whole && text_utf8_part(whole, strlen(whole)) != strlen(whole)) {
    free(whole);
    whole = NULL;
  }
  return whole;
}

static int put_paths(job *j, const int64_t *ids, char *const *paths, size_t n) {
  const char **fields = need(n, sizeof *fields), **values = need(n, sizeof *values);
  int64_t *items = need(n, sizeof *items);
  recsys_error error = {0};
  size_t changed = 0;
  int code = DONE;
  for (size_t i = 0; i < n; i++) {
    char *stored = paths[i] ? items_text(j->store, ids[i], "image") : NULL;
    if (paths[i] && (!stored || strcmp(stored, paths[i]) != 0)) {
      items[changed] = ids[i];
      fields[changed] = "image";
      values[changed++] = paths[i];
    }
    free(stored);
  }
  if (changed && recsys_store_put_texts(j->store, items, fields, values, changed, &error))
    code = say_error(&error);
  free(fields);
  free(values);
  free(items);
  return code;
}

/* Sets aside what is there, also when the folder has moved: its path is then written anew. */
static int pass_over_known(job *j, const size_t *known, const int64_t *ids, size_t n, bool *is_there) {
  recsys_status *statuses = need(n, sizeof *statuses);
  char **paths = need(n, sizeof *paths);
  int code = look_up(j, ids, n, statuses);
  for (size_t i = 0; !code && i < n; i++) {
    is_there[known[i]] = !statuses[i];
    if (!statuses[i]) {
      paths[i] = absolute(j->pictures.list[known[i]].path);
      j->there++;
    }
  }
  if (!code)
    code = put_paths(j, ids, paths, n);
  for (size_t i = 0; i < n; i++)
    free(paths[i]);
  free(paths);
  free(statuses);
  return code;
}

/* Fills left with what is to be embedded. */
static int choose(job *j) {
  const pictures *all = &j->pictures;
  const char **words = need(all->n, sizeof *words);
  size_t *usable = need(all->n, sizeof *usable), *known = need(all->n, sizeof *known), n = 0, n_known = 0;
  int64_t *ids = need(all->n, sizeof *ids);
  bool *is_there = need(all->n, sizeof *is_there);
  for (size_t i = 0; i < all->n; i++) {
    if (all->list[i].wrong) {
      report_broken(j, all->list[i].path, all->list[i].wrong);
    } else {
      words[n] = all->list[i].key;
      usable[n++] = i;
    }
  }
  int code = items_resolve(j->store, j->a, RECSYS_ITEMS, words, n, ids) ? DONE : FAILED;
  for (size_t i = 0; !code && i < n; i++) {
    if (ids[i] >= 0) {
      known[n_known] = usable[i];
      ids[n_known++] = ids[i];
    }
  }
  if (!code)
    code = pass_over_known(j, known, ids, n_known, is_there);
  j->left = need(n, sizeof *j->left);
  for (size_t i = 0; !code && i < n; i++) {
    if (!is_there[usable[i]])
      j->left[j->n_left++] = usable[i];
  }
  free(words);
  free(usable);
  free(known);
  free(ids);
  free(is_there);
  return code;
}

/* ---- Embedding */

/* Puts the good rows, which stand at the front, in three transactions of which the embeddings are the last: an item
 * that has its embedding has everything. */
static int commit(job *j, const size_t *good, size_t n, const float *rows) {
  const char **words = need(n, sizeof *words);
  char **paths = need(n, sizeof *paths);
  int64_t *ids = need(n, sizeof *ids);
  recsys_error error = {0};
  int code = DONE;
  for (size_t i = 0; i < n; i++) {
    words[i] = j->pictures.list[good[i]].key;
    paths[i] = absolute(j->pictures.list[good[i]].path);
  }
  if (n && recsys_store_resolve(j->store, RECSYS_ITEMS, words, n, RECSYS_RESOLVE_CREATE, ids, &error))
    code = say_error(&error);
  if (!code && n)
    code = put_paths(j, ids, paths, n);
  if (!code && n &&
      recsys_store_put_embeddings(j->store, j->info.fingerprint, (uint32_t)j->info.dim, ids, NULL, rows, n, &error))
    code = say_error(&error);
  if (!code)
    j->stored += n;
  for (size_t i = 0; i < n; i++)
    free(paths[i]);
  free(words);
  free(paths);
  free(ids);
  return code;
}

static bool is_zero(const float *row, uint64_t dim) {
  for (uint64_t i = 0; i < dim; i++) {
    if (row[i] != 0)
      return false;
  }
  return true;
}

/* Moves the rows of good pictures to the front, reports the others; returns how many are good. */
static size_t sort_out(job *j, const size_t *batch, size_t n, float *rows, const recsys_status *statuses,
                       size_t *good) {
  size_t n_good = 0;
  for (size_t i = 0; i < n; i++) {
    const char *path = j->pictures.list[batch[i]].path;
    float *row = rows + i * j->info.dim;
    if (statuses[i] == RECSYS_ECANCELLED)
      continue;
    if (statuses[i] < 0) {
      report_again(j, path);
    } else if (is_zero(row, j->info.dim)) {
      report_broken(j, path, "the network sees nothing in it: its embedding is all zero");
    } else {
      memmove(rows + n_good * j->info.dim, row, j->info.dim * sizeof *row);
      good[n_good++] = batch[i];
    }
  }
  return n_good;
}

static int embed_batch(job *j, const size_t *batch, size_t n, float *rows, progress *p) {
  recsys_image images[COMMIT] = {0};
  recsys_status statuses[COMMIT] = {0};
  size_t good[COMMIT];
  recsys_error error = {0};
  recsys_embed_options how = {.struct_size = sizeof how, .progress = progress_callback, .progress_user = p};
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = j->pictures.list[batch[i]].path};
  recsys_status status = recsys_model_embed(j->model, images, n, &how, rows, statuses, &error);
  j->cancelled = status == RECSYS_ECANCELLED;
  if (status && status != RECSYS_EPARTIAL && !j->cancelled)
    return say_error(&error);
  return commit(j, good, sort_out(j, batch, n, rows, statuses, good), rows);
}

static int embed_all(job *j) {
  float *rows = need(COMMIT * j->info.dim, sizeof *rows);
  progress p;
  int code = DONE;
  progress_begin(&p, "Embedding", "pictures", j->pictures.n - j->n_left, j->pictures.n);
  for (size_t at = 0; at < j->n_left && !code && !j->cancelled; at += COMMIT) {
    size_t n = j->n_left - at < COMMIT ? j->n_left - at : COMMIT;
    p.base = p.start + at;
    code = embed_batch(j, j->left + at, n, rows, &p);
  }
  progress_end(&p);
  free(rows);
  return code;
}

/* ---- What decoding JPEGs at a fraction changes */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cosine(const float *a, const float *b, uint64_t dim) {
  double ab = 0, aa = 0, bb = 0;
  for (uint64_t i = 0; i < dim; i++) {
    ab += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

/* Seconds of the fastest of three runs; negative: it failed, and was said. */
static double embed_sample(const job *j, recsys_model *model, size_t n, float *rows) {
  recsys_image images[SCALED_SAMPLE] = {0};
  recsys_error error = {0};
  double least = INFINITY;
  for (size_t i = 0; i < n; i++)
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = j->pictures.list[j->left[i]].path};
  for (int run = 0; run < 3; run++) {
    double start = now();
    recsys_status status = recsys_model_embed(model, images, n, NULL, rows, NULL, &error);
    if (status && status != RECSYS_EPARTIAL) {
      say_error(&error);
      return -1;
    }
    least = fmin(least, now() - start);
  }
  return least;
}

static void compare_rows(job *j, const float *whole, const float *scaled, size_t n) {
  double sum = 0;
  j->scaled_least = 1;
  for (size_t i = 0; i < n; i++) {
    double value = cosine(whole + i * j->info.dim, scaled + i * j->info.dim, j->info.dim);
    if (isnan(value)) /* it could not be used */
      continue;
    sum += value;
    j->scaled_least = fmin(j->scaled_least, value);
    j->scaled_sample++;
  }
  j->scaled_mean = j->scaled_sample ? sum / (double)j->scaled_sample : 1;
}

static int judge_scaled(job *j, const store_facts *remembered) {
  size_t n = j->n_left < SCALED_SAMPLE ? j->n_left : SCALED_SAMPLE;
  recsys_model_info info;
  int code = DONE;
  if (!args_has(j->a, "scaled-jpeg") || !n)
    return DONE;
  recsys_model *model = opening_model_without(RECSYS_MODEL_SCALED_JPEG, j->a, remembered, &info, &code);
  if (!model)
    return code;
  float *whole = need(n * j->info.dim, sizeof *whole), *scaled = need(n * j->info.dim, sizeof *scaled);
  double slow = embed_sample(j, model, n, whole), fast = slow < 0 ? -1 : embed_sample(j, j->model, n, scaled);
  if (fast > 0) {
    compare_rows(j, whole, scaled, n);
    j->scaled_gain = slow / fast;
  }
  free(whole);
  free(scaled);
  recsys_model_close(model);
  return fast > 0 ? DONE : FAILED;
}

/* ---- The whole */

static int put_space(job *j, const store_facts *remembered) {
  recsys_error error = {0};
  bool is_another = remembered->info.spaces && strcmp(remembered->info.fingerprint, j->info.fingerprint) != 0;
  if (is_another && !args_has(j->a, "new-space")) {
    say("the store's embeddings were made with another model (%s, layer %s, recipe %s). Give that one, or --new-space "
        "to "
        "keep both and use this one from now on",
        remembered->model ? remembered->model : "unknown", remembered->layer ? remembered->layer : "unknown",
        remembered->recipe ? remembered->recipe : "unknown");
    return FAILED;
  }
  char *description = opening_description(j->a, remembered, &j->info);
  recsys_status status = recsys_store_put_space(j->store, j->info.fingerprint, (uint32_t)j->info.dim, description,
                                                is_another ? 0 : RECSYS_SPACE_DEFAULT, &error);
  free(description);
  return status ? say_error(&error) : DONE;
}

/* The new space serves only when it is filled. */
static int use_space(job *j) {
  recsys_error error = {0};
  if (j->cancelled || !args_has(j->a, "new-space"))
    return DONE;
  return recsys_store_put_space(j->store, j->info.fingerprint, (uint32_t)j->info.dim, NULL, RECSYS_SPACE_DEFAULT,
                                &error)
             ? say_error(&error)
             : DONE;
}

static void print_summary(const job *j) {
  if (args_has(j->a, "json")) {
    json_t *scaled = j->scaled_sample
                         ? json_pack("{sI sf sf sf}", "sample", (json_int_t)j->scaled_sample, "mean_cosine",
                                     j->scaled_mean, "least_cosine", j->scaled_least, "times_as_fast", j->scaled_gain)
                         : json_null();
    json_print(json_pack("{ss ss sI sI sI sI sI sI sI sb sb ss ss so}", "command", "add", "store", j->a->words[0],
                         "stored", (json_int_t)j->stored, "already_there", (json_int_t)j->there, "broken",
                         (json_int_t)j->broken, "other_files", (json_int_t)j->pictures.others, "labelled_items",
                         (json_int_t)j->labels.items, "changed_labels", (json_int_t)j->labels.changed, "bad_lines",
                         (json_int_t)j->labels.bad, "cancelled", (int)j->cancelled, "untrained", (int)!j->info.trained,
                         "model", j->info.architecture, "layer", j->info.layer, "scaled_jpeg", scaled));
    return;
  }
  printf("%zu pictures stored, %zu were there already, %zu could not be used\n", j->stored, j->there, j->broken);
  if (args_has(j->a, "labels"))
    printf("labels of %llu items read, of which %llu changed\n", (unsigned long long)j->labels.items,
           (unsigned long long)j->labels.changed);
  if (j->scaled_sample)
    printf("scaled JPEG decoding, on %zu of them: cosine to the embeddings of whole pictures %.4f in the mean, %.4f at "
           "least; %.2f times as fast\n",
           j->scaled_sample, j->scaled_mean, j->scaled_least, j->scaled_gain);
  if (!j->info.trained)
    printf("This network is UNTRAINED (random weights): it tells colour and coarse pattern apart, and nothing more.\n");
  if (j->cancelled)
    printf("Stopped. The same command again goes on from here.\n");
}

static int fill(job *j, const store_facts *remembered) {
  int code = put_space(j, remembered);
  if (!code && args_has(j->a, "labels"))
    code = labels_add(j->a, j->store, &j->labels);
  if (!code)
    code = choose(j);
  if (!code)
    code = judge_scaled(j, args_has(j->a, "new-space") ? NULL : remembered);
  if (!code)
    code = embed_all(j);
  if (!code)
    code = use_space(j);
  if (!code)
    print_summary(j);
  bool none = j->pictures.n && !j->stored && !j->there;
  bool strict = args_has(j->a, "strict") && j->broken;
  return code ? code : none || strict || j->cancelled ? FAILED : DONE;
}

static int run(job *j) {
  store_facts remembered;
  int code = FAILED;
  if (!pictures_list(&j->pictures, args_get(j->a, "images", NULL)))
    return FAILED;
  if (!j->pictures.n)
    say("%s: there are no JPEG or PNG files in this folder", args_get(j->a, "images", NULL));
  j->store = j->pictures.n ? opening_store(j->a, j->a->words[0], 0) : NULL;
  if (!j->store)
    return FAILED;
  if (opening_facts(j->store, &remembered)) {
    j->model = opening_model(j->a, args_has(j->a, "new-space") ? NULL : &remembered, &j->info, &code);
    if (j->model)
      code = fill(j, &remembered);
    opening_free_facts(&remembered);
  }
  return code;
}

int cmd_add(int argc, char **argv) {
  args a;
  job j = {.a = &a};
  int code = args_parse(&a, &command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  if (!args_has(&a, "images"))
    code = args_misuse(&a, "where are the pictures? Give --images DIR");
  else if (!args_has(&a, "labels") && (args_has(&a, "fields") || args_has(&a, "numbers") || args_has(&a, "texts")))
    code = args_misuse(&a, "--fields, --numbers and --texts name columns of a file: give --labels CSV, too");
  else
    code = run(&j);
  pictures_free(&j.pictures);
  free(j.left);
  recsys_model_close(j.model);
  recsys_store_close(j.store);
  args_free(&a);
  return code;
}
