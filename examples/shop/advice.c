#include "advice.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

enum { KEY = 32 };

static bool say(const recsys_error *error) {
  fprintf(stderr, "shop: %s\n", error->message);
  return false;
}

/* -- opening and learning */

/* A signal that ends the shop also ends the first fit, when nobody waits for signals yet. */
static int stop_learning(void *context, const char *phase, uint64_t done, uint64_t total) {
  shop *s = context;
  sigset_t waiting;
  (void)phase, (void)done, (void)total;
  pthread_mutex_lock(&s->lock);
  bool stopping = s->stopping;
  pthread_mutex_unlock(&s->lock);
  return stopping ||
         (sigpending(&waiting) == 0 && (sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1));
}

static bool open_model(shop *s, recsys_error *error) {
  recsys_model_options how = {.struct_size = sizeof how,
                              .isolation = RECSYS_ISOLATION_PROCESS,
                              .max_file_bytes = SHOP_UPLOAD,
                              .max_pixels = 50 << 20};
  s->model_info.struct_size = sizeof s->model_info;
  if (recsys_model_open(&s->model, s->options.model, &how, error) ||
      recsys_model_get_info(s->model, &s->model_info, error))
    return false;
  recsys_store_info store = {.struct_size = sizeof store};
  if (recsys_store_get_info(s->store, &store, error))
    return false;
  if (store.fingerprint[0] && strcmp(store.fingerprint, s->model_info.fingerprint) != 0) {
    snprintf(error->message, sizeof error->message,
             "%s is not the network (or layer) that the store's embeddings were made with: give --model that one",
             s->options.model);
    return false;
  }
  return true;
}

static bool open_all(shop *s, recsys_error *error) {
  /* Requests run beside each other, so that one search need not use several processors. */
  recsys_store_options how = {.struct_size = sizeof how, .flags = RECSYS_STORE_MUST_EXIST, .threads = 1};
  recsys_ranker_options alone = {.struct_size = sizeof alone};
  recsys_fit_options learning = {.struct_size = sizeof learning, .progress = stop_learning, .progress_user = s};
  return !recsys_store_open(&s->store, s->options.store, &how, error) && open_model(s, error) &&
         !recsys_ranker_create(&s->ranker, s->store, s->options.ranker, &alone, error) &&
         !recsys_ranker_fit(s->ranker, &learning, error);
}

bool advice_open(shop *s) {
  recsys_error error = {0};
  return open_all(s, &error) || say(&error);
}

void advice_close(shop *s) {
  recsys_ranker_close(s->ranker);
  recsys_store_close(s->store);
  recsys_model_close(s->model);
}

/* -- lists */

static void clear(advice *list) {
  *list = (advice){0};
  for (size_t i = 0; i < ADVICE_MOST; i++)
    list->because[i] = -1;
}

bool advice_similar(shop *s, int64_t product, double least, size_t n, advice *list, recsys_error *error) {
  recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = least};
  recsys_search_options how = {.struct_size = sizeof how, .filter = &filter};
  uint32_t count = 0;
  clear(list);
  recsys_status status =
      recsys_store_similar(s->store, &product, 1, n, &how, list->products, list->scores, &count, NULL, error);
  list->n = count;
  return status == RECSYS_OK || status == RECSYS_EPARTIAL; /* partial: it has no picture, so nothing is like it */
}

/* The product of the shopper's history that speaks most for this one; -1: none does. */
static int64_t find_reason(shop *s, int64_t user, int64_t product) {
  recsys_reason reasons[8];
  size_t count = 0;
  if (recsys_ranker_explain(s->ranker, user, product, NULL, reasons, 8, &count, NULL, NULL))
    return -1;
  for (size_t i = 0; i < count && i < 8; i++)
    if (reasons[i].kind == RECSYS_REASON_ITEM && reasons[i].contribution > 0)
      return reasons[i].item;
  return -1;
}

bool advice_for(shop *s, int64_t shopper, size_t n, advice *list, recsys_error *error) {
  clear(list);
  int64_t user = shopper ? events_user(s, shopper) : -1;
  if (user < 0)
    user = INT64_MAX; /* nobody: the popular list */
  recsys_recommend_options how = {
      .struct_size = sizeof how, .flags = RECSYS_RECOMMEND_UNIQUE, .diversity = 0.2, .sources = list->sources};
  recsys_status note = RECSYS_OK;
  uint32_t count = 0;
  if (recsys_ranker_recommend(s->ranker, &user, 1, n, &how, list->products, list->scores, &count, &note, error))
    return false;
  list->n = count;
  list->popular = note == RECSYS_NOTE_FALLBACK_POPULAR;
  for (size_t i = 0; i < count; i++)
    if (list->sources[i] != RECSYS_SOURCE_POPULAR)
      list->because[i] = find_reason(s, user, list->products[i]);
  return true;
}

static float *embed(shop *s, const void *picture, size_t size, recsys_error *error) {
  recsys_image image = {.kind = RECSYS_IMAGE_BYTES, .data = picture, .size = size};
  recsys_status why = RECSYS_OK;
  float *row = calloc(s->model_info.dim, sizeof *row);
  if (row && !recsys_model_embed(s->model, &image, 1, NULL, row, &why, error))
    return row;
  if (error->status == RECSYS_EPARTIAL)
    error->status = why; /* of the one picture there is */
  free(row);
  return NULL;
}

bool advice_like_picture(shop *s, const void *picture, size_t size, size_t n, advice *list, recsys_error *error) {
  clear(list);
  uint32_t count = 0;
  float *row = embed(s, picture, size, error);
  bool ok = row && !recsys_store_search(s->store, row, 1, (uint32_t)s->model_info.dim, n, NULL, list->products,
                                        list->scores, &count, error);
  list->n = count;
  free(row);
  return ok;
}

/* -- a new product */

static bool write_picture(shop *s, const char *key, const advice_product *p, char path[4096]) {
  char folder[4000], temporary[4096];
  bool png = p->size > 4 && !memcmp(p->picture, "\x89PNG", 4);
  snprintf(folder, sizeof folder, "%s/pictures", s->options.folder);
  snprintf(path, 4096, "%.3990s/%s.%s", folder, key, png ? "png" : "jpg");
  snprintf(temporary, sizeof temporary, "%.3990s/.%s", folder, key);
  mkdir(folder, 0755);
  FILE *file = fopen(temporary, "wb");
  if (!file)
    return false;
  bool ok = fwrite(p->picture, 1, p->size, file) == p->size && fflush(file) == 0 && fsync(fileno(file)) == 0;
  ok = fclose(file) == 0 && ok && rename(temporary, path) == 0;
  if (!ok)
    remove(temporary);
  return ok;
}

/* The embedding comes last: what has none yet is not in anybody's list. */
static recsys_status put_product(shop *s, int64_t item, const advice_product *p, const char *path, const float *row,
                                 recsys_error *error) {
  const char *fields[SHOP_FIELDS], *values[SHOP_FIELDS], *price[1] = {"price"};
  const char *names[3] = {s->options.title_field, "image", "description"}, *texts[3] = {p->title, path, p->description};
  int64_t items[SHOP_FIELDS];
  size_t n = 0;
  double amount = (double)p->price / 100;
  for (size_t i = 0; i < SHOP_FIELDS; i++)
    items[i] = item;
  for (size_t i = 0; i < s->options.n_fields; i++)
    if (p->values[i][0]) {
      fields[n] = s->options.fields[i];
      values[n++] = p->values[i];
    }
  recsys_status status = recsys_store_put_texts(s->store, items, names, texts, p->description[0] ? 3 : 2, error);
  if (!status)
    status = recsys_store_put_numbers(s->store, items, price, &amount, 1, error);
  if (!status && n > 0)
    status = recsys_store_put_labels(s->store, items, fields, values, NULL, n, error);
  return status ? status
                : recsys_store_put_embeddings(s->store, s->model_info.fingerprint, (uint32_t)s->model_info.dim, &item,
                                              NULL, row, 1, error);
}

/* While the ranker learns, which may take long, nobody waits for it: it refreshes afterwards. */
static bool refresh(shop *s, recsys_error *error) {
  if (pthread_mutex_trylock(&s->refresh_lock) != 0) {
    pthread_mutex_lock(&s->lock);
    s->refresh_waits = true;
    pthread_mutex_unlock(&s->lock);
    return true;
  }
  bool ok = !recsys_ranker_refresh(s->ranker, NULL, error);
  pthread_mutex_unlock(&s->refresh_lock);
  return ok;
}

void advice_remove(shop *s, int64_t id, const char *path) {
  recsys_store_remove(s->store, RECSYS_ITEMS, &id, 1, NULL);
  refresh(s, NULL);
  remove(path);
}

static int64_t add(shop *s, const char *key, const advice_product *p, char path[4096], const float *row,
                   recsys_error *error) {
  int64_t item = -1;
  if (!write_picture(s, key, p, path)) {
    snprintf(error->message, sizeof error->message, "the picture cannot be kept: %s", strerror(errno));
    return -1;
  }
  bool ok = !recsys_store_resolve(s->store, RECSYS_ITEMS, &key, 1, RECSYS_RESOLVE_CREATE, &item, error) &&
            !put_product(s, item, p, path, row, error);
  ok = ok && refresh(s, error);
  if (ok)
    return item;
  if (item >= 0)
    recsys_store_remove(s->store, RECSYS_ITEMS, &item, 1, NULL);
  remove(path);
  return -1;
}

int64_t advice_add(shop *s, const advice_product *product, char path[4096], recsys_error *error) {
  char key[KEY] = "NEW-";
  uint8_t random[6];
  randombytes_buf(random, sizeof random);
  sodium_bin2hex(key + 4, sizeof key - 4, random, sizeof random);
  float *row = embed(s, product->picture, product->size, error);
  int64_t item = row ? add(s, key, product, path, row, error) : -1;
  free(row);
  return item;
}

bool advice_learn(shop *s) {
  recsys_error error = {0};
  recsys_fit_options how = {.struct_size = sizeof how, .progress = stop_learning, .progress_user = s};
  pthread_mutex_lock(&s->refresh_lock);
  recsys_status status = recsys_ranker_fit(s->ranker, &how, &error);
  pthread_mutex_lock(&s->lock);
  bool waits = s->refresh_waits;
  s->refresh_waits = false;
  pthread_mutex_unlock(&s->lock);
  if (waits)
    recsys_ranker_refresh(s->ranker, NULL, NULL);
  pthread_mutex_unlock(&s->refresh_lock);
  return status == RECSYS_OK || (status != RECSYS_ECANCELLED && say(&error));
}
