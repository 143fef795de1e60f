/* From database to memory: folds every row and tombstone with a newer change number into a private view. */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "store/kernels.h"
#include "store/store.h"

typedef struct fold {
  recsys_store *store;
  recsys__view *view;
  recsys_error *error;
  sqlite3_stmt *row; /* the statement being read */
  uint64_t done, total;
  bool progress;
  int64_t *dead; /* events that are gone */
  size_t dead_count, dead_room;
} fold;

static recsys_status no_memory(const fold *f) {
  return recsys__no_memory(f->error, "the catalogue");
}

static recsys_status damaged(const fold *f, const char *what, int64_t id) {
  return recsys__fail(f->error, RECSYS_EFORMAT, 0,
                      "'%.80s' holds an impossible %s at item or user %lld; restore a copy", f->store->location, what,
                      (long long)id);
}

static int64_t integer(const fold *f, int column) {
  return sqlite3_column_int64(f->row, column);
}
static const char *text(const fold *f, int column) {
  const char *t = (const char *)sqlite3_column_text(f->row, column);
  return t ? t : "";
}

/* SQLite keeps whatever a foreign writer puts into a column. */
static bool is_text(const fold *f, int column) {
  return sqlite3_column_type(f->row, column) == SQLITE_TEXT &&
         strlen(text(f, column)) == (size_t)sqlite3_column_bytes(f->row, column) &&
         recsys__utf8_valid(text(f, column), strlen(text(f, column)));
}

static bool is_number(const fold *f, int column) {
  int type = sqlite3_column_type(f->row, column);
  return (type == SQLITE_FLOAT || type == SQLITE_INTEGER) && isfinite(sqlite3_column_double(f->row, column));
}

/* -- keys */

static void bucket_free(void *self) {
  recsys__free(self);
}

static bool key_add(recsys__map *keys, const char *key, int64_t id) {
  int64_t hash = recsys__key_hash(key);
  const recsys__bucket *old = recsys__map_get(keys, hash);
  size_t count = old ? old->count : 0, bytes;
  if (!recsys__mul(count + 1, sizeof(int64_t), &bytes))
    return false;
  recsys__bucket *bucket = recsys__alloc(1, sizeof *bucket + bytes);
  if (!bucket)
    return false;
  bucket->ref.free = bucket_free;
  atomic_init(&bucket->ref.count, 1);
  bucket->count = 0;
  for (size_t i = 0; i < count; i++)
    if (old->ids[i] != id)
      bucket->ids[bucket->count++] = old->ids[i];
  bucket->ids[bucket->count++] = id;
  return recsys__map_set(keys, hash, bucket);
}

static bool key_remove(recsys__map *keys, const char *key, int64_t id) {
  int64_t hash = recsys__key_hash(key);
  const recsys__bucket *old = recsys__map_get(keys, hash);
  if (!old)
    return true;
  if (old->count == 1)
    return old->ids[0] != id || recsys__map_remove(keys, hash, NULL);
  recsys__bucket *bucket = recsys__alloc(1, sizeof *bucket + old->count * sizeof(int64_t));
  if (!bucket)
    return false;
  bucket->ref.free = bucket_free;
  atomic_init(&bucket->ref.count, 1);
  bucket->count = 0;
  for (size_t i = 0; i < old->count; i++)
    if (old->ids[i] != id)
      bucket->ids[bucket->count++] = old->ids[i];
  return recsys__map_set(keys, hash, bucket);
}

/* Replaces the key of a record; NULL: none. */
static bool key_change(recsys__map *keys, char **slot, int64_t id, const char *key) {
  if (*slot && key && !strcmp(*slot, key))
    return true;
  char *copy = key ? recsys__strdup(key) : NULL;
  if (key && !copy)
    return false;
  if ((*slot && !key_remove(keys, *slot, id)) || (key && !key_add(keys, key, id))) {
    recsys__free(copy);
    return false;
  }
  recsys__free(*slot);
  *slot = copy;
  return true;
}

/* -- rows, one function a table */

static const char *key_of(const fold *f) {
  return sqlite3_column_type(f->row, 1) == SQLITE_NULL ? NULL : text(f, 1);
}

static bool is_key(const fold *f) {
  return sqlite3_column_type(f->row, 1) == SQLITE_NULL || is_text(f, 1);
}

static recsys_status fold_item(fold *f) {
  if (!is_key(f))
    return damaged(f, "key", integer(f, 0));
  recsys__item *item = recsys__item_edit(&f->view->items, integer(f, 0));
  return item && key_change(&f->view->item_keys, &item->key, integer(f, 0), key_of(f)) ? RECSYS_OK : no_memory(f);
}

static recsys_status fold_user(fold *f) {
  if (!is_key(f))
    return damaged(f, "key", integer(f, 0));
  recsys__user *user = recsys__user_edit(&f->view->users, integer(f, 0));
  return user && key_change(&f->view->user_keys, &user->key, integer(f, 0), key_of(f)) ? RECSYS_OK : no_memory(f);
}

static recsys__space *space_by_id(recsys__view *view, int64_t id) {
  for (size_t i = 0; i < view->space_count; i++)
    if (view->spaces[i].id == id)
      return &view->spaces[i];
  return NULL;
}

static recsys_status fold_space(fold *f) {
  recsys__view *view = f->view;
  recsys__space *space = space_by_id(view, integer(f, 0));
  const char *fingerprint = text(f, 1);
  int64_t dim = integer(f, 2);
  if (!is_text(f, 1) || !*fingerprint || strlen(fingerprint) >= sizeof space->fingerprint || dim < 1 || dim > 65536 ||
      (space && space->dim != dim))
    return damaged(f, "space", integer(f, 0));
  if (!space) {
    recsys__space *grown = recsys__realloc(view->spaces, view->space_count + 1, sizeof *grown);
    if (!grown)
      return no_memory(f);
    view->spaces = grown;
    space = &grown[view->space_count];
    *space = (recsys__space){.id = integer(f, 0), .dim = (uint32_t)dim, .rows = recsys__rows_new((uint32_t)dim)};
    if (!space->rows)
      return no_memory(f);
    view->space_count++;
  }
  memcpy(space->fingerprint, fingerprint, strlen(fingerprint) + 1);
  space->is_default = integer(f, 4) != 0;
  char *copy = sqlite3_column_type(f->row, 3) == SQLITE_NULL ? NULL : recsys__strdup(text(f, 3));
  if (!copy && sqlite3_column_type(f->row, 3) != SQLITE_NULL)
    return no_memory(f);
  recsys__free(space->description);
  space->description = copy;
  return RECSYS_OK;
}

/* The rows of a space, private to this view. */
static recsys__rows *own_rows(recsys__space *space) {
  recsys__ref *ref = (recsys__ref *)space->rows;
  if (atomic_load_explicit(&ref->count, memory_order_acquire) == 1)
    return space->rows;
  recsys__rows *copy = recsys__rows_copy(space->rows);
  if (!copy)
    return NULL;
  recsys__ref_release(space->rows);
  return space->rows = copy;
}

static recsys_status fold_embedding(fold *f) {
  recsys__space *space = space_by_id(f->view, integer(f, 1));
  const float *vector = sqlite3_column_blob(f->row, 3);
  if (!space || !vector || (size_t)sqlite3_column_bytes(f->row, 3) != space->dim * sizeof(float))
    return damaged(f, "embedding", integer(f, 0));
  float largest = recsys__kernels_now()->largest(vector, space->dim);
  if (!isfinite(largest) || largest == 0)
    return damaged(f, "embedding", integer(f, 0));
  recsys__rows *rows = own_rows(space);
  return rows && recsys__rows_put(rows, integer(f, 0), integer(f, 2), vector) ? RECSYS_OK : no_memory(f);
}

static recsys_status fold_label(fold *f) {
  if (!is_text(f, 1) || !is_text(f, 2) || !is_number(f, 3))
    return damaged(f, "label", integer(f, 0));
  recsys__vocabulary *words = &f->view->core->vocabulary;
  bool added = false;
  recsys__item *item = recsys__item_edit(&f->view->items, integer(f, 0));
  int32_t field = recsys__vocabulary_add(words, -1, text(f, 1));
  int32_t value = field < 0 ? -1 : recsys__vocabulary_add(words, field, text(f, 2));
  float score = (float)sqlite3_column_double(f->row, 3);
  if (!item || value < 0 || !recsys__item_set_label(item, words, field, value, score, &added))
    return no_memory(f);
  f->view->label_count += added;
  return RECSYS_OK;
}

static recsys_status fold_number(fold *f) {
  if (!is_text(f, 1) || !is_number(f, 2))
    return damaged(f, "number", integer(f, 0));
  recsys__item *item = recsys__item_edit(&f->view->items, integer(f, 0));
  int32_t field = recsys__vocabulary_add(&f->view->core->vocabulary, -1, text(f, 1));
  double value = sqlite3_column_double(f->row, 2);
  return item && field >= 0 && recsys__item_set_number(item, field, value) ? RECSYS_OK : no_memory(f);
}

static recsys_status fold_text(fold *f) {
  if (!is_text(f, 1) || !is_text(f, 2))
    return damaged(f, "text", integer(f, 0));
  recsys__item *item = recsys__item_edit(&f->view->items, integer(f, 0));
  int32_t field = recsys__vocabulary_add(&f->view->core->vocabulary, -1, text(f, 1));
  return item && field >= 0 && recsys__item_set_text(item, field, text(f, 2)) ? RECSYS_OK : no_memory(f);
}

static recsys_status fold_rating(fold *f) {
  bool added = false;
  recsys__rating rating = {integer(f, 1), integer(f, 3), (float)sqlite3_column_double(f->row, 2)};
  if (!is_number(f, 2) || !isfinite(rating.value))
    return damaged(f, "rating", integer(f, 0));
  recsys__user *user = recsys__user_edit(&f->view->users, integer(f, 0));
  if (!user || !recsys__user_set_rating(user, &rating, &added))
    return no_memory(f);
  f->view->rating_count += added;
  return RECSYS_OK;
}

static recsys_status fold_event(fold *f) {
  bool added = false;
  if (!is_text(f, 3))
    return damaged(f, "event", integer(f, 1));
  recsys__event event = {.id = integer(f, 0),
                         .item = integer(f, 2),
                         .time = integer(f, 4),
                         .kind = recsys__vocabulary_add(&f->view->core->vocabulary, RECSYS__EVENT_KINDS, text(f, 3))};
  recsys__user *user = recsys__user_edit(&f->view->users, integer(f, 1));
  if (!user || event.kind < 0 || !recsys__user_set_event(user, &event, &added))
    return no_memory(f);
  f->view->event_count += added;
  f->view->newest_event = event.time > f->view->newest_event ? event.time : f->view->newest_event;
  return RECSYS_OK;
}

/* -- tombstones */

static recsys_status drop_item(fold *f, int64_t id) {
  recsys__view *view = f->view;
  recsys__item *item = recsys__map_get(&view->items, id);
  bool ok = !item || !item->key || key_remove(&view->item_keys, item->key, id);
  if (item && ok)
    view->label_count -= item->label_count;
  return ok && recsys__map_remove(&view->items, id, NULL) ? RECSYS_OK : no_memory(f);
}

static recsys_status drop_user(fold *f, int64_t id) {
  recsys__view *view = f->view;
  recsys__user *user = recsys__map_get(&view->users, id);
  bool ok = !user || !user->key || key_remove(&view->user_keys, user->key, id);
  if (user && ok) {
    view->rating_count -= user->count;
    view->event_count -= user->event_count;
  }
  return ok && recsys__map_remove(&view->users, id, NULL) ? RECSYS_OK : no_memory(f);
}

static recsys_status drop_space(fold *f, int64_t id) {
  recsys__view *view = f->view;
  recsys__space *space = space_by_id(view, id);
  if (!space)
    return RECSYS_OK;
  recsys__free(space->description);
  recsys__ref_release(space->rows);
  size_t left = view->space_count - (size_t)(space - view->spaces) - 1;
  memmove(space, space + 1, left * sizeof *space);
  view->space_count--;
  return RECSYS_OK;
}

static recsys_status drop_embedding(fold *f) {
  recsys__space *space = space_by_id(f->view, integer(f, 2));
  bool removed;
  if (!space)
    return RECSYS_OK;
  recsys__rows *rows = own_rows(space);
  return rows && recsys__rows_remove(rows, integer(f, 1), integer(f, 3), &removed) ? RECSYS_OK : no_memory(f);
}

static recsys_status drop_of_item(fold *f, const char *kind) {
  const recsys__vocabulary *words = &f->view->core->vocabulary;
  if (!recsys__map_get(&f->view->items, integer(f, 1)))
    return RECSYS_OK;
  recsys__item *item = recsys__item_edit(&f->view->items, integer(f, 1));
  if (!item)
    return no_memory(f);
  int32_t field = recsys__vocabulary_find(words, -1, text(f, 2));
  if (!strcmp(kind, "label"))
    f->view->label_count -= recsys__item_remove_label(item, field, recsys__vocabulary_find(words, field, text(f, 3)));
  else if (!strcmp(kind, "number"))
    recsys__item_remove_number(item, field);
  else
    recsys__item_remove_text(item, field);
  return RECSYS_OK;
}

static recsys_status drop_rating(fold *f) {
  if (!recsys__map_get(&f->view->users, integer(f, 1)))
    return RECSYS_OK;
  recsys__user *user = recsys__user_edit(&f->view->users, integer(f, 1));
  if (!user)
    return no_memory(f);
  f->view->rating_count -= recsys__user_remove_rating(user, integer(f, 2));
  return RECSYS_OK;
}

/* An event's tombstone names no user: all of them go in one pass, after the last tombstone. */
static recsys_status drop_event(fold *f, int64_t id) {
  if (!recsys__grow((void **)&f->dead, &f->dead_room, f->dead_count + 1, sizeof *f->dead))
    return no_memory(f);
  f->dead[f->dead_count++] = id;
  return RECSYS_OK;
}

static recsys_status fold_tombstone(fold *f) {
  const char *kind = text(f, 0);
  if (!strcmp(kind, "item"))
    return drop_item(f, integer(f, 1));
  if (!strcmp(kind, "user"))
    return drop_user(f, integer(f, 1));
  if (!strcmp(kind, "space"))
    return drop_space(f, integer(f, 1));
  if (!strcmp(kind, "embedding"))
    return drop_embedding(f);
  if (!strcmp(kind, "rating"))
    return drop_rating(f);
  return strcmp(kind, "event") ? drop_of_item(f, kind) : drop_event(f, integer(f, 1));
}

/* -- all of it */

static const struct {
  const char *sql;
  recsys_status (*fold)(fold *);
} steps[] = {
    /* Tombstones first: what was put again since has a row of its own, which comes after. */
    {"SELECT kind, a, b, c FROM tombstone WHERE change > ? ORDER BY change", fold_tombstone},
    {"SELECT id, key FROM item WHERE change > ?", fold_item},
    {"SELECT id, key FROM user WHERE change > ?", fold_user},
    {"SELECT id, fingerprint, dim, description, is_default FROM space WHERE change > ?", fold_space},
    {"SELECT item, space, picture, vector FROM embedding WHERE change > ?", fold_embedding},
    {"SELECT item, field, value, score FROM label WHERE change > ?", fold_label},
    {"SELECT item, field, value FROM number WHERE change > ?", fold_number},
    {"SELECT item, field, value FROM text WHERE change > ?", fold_text},
    {"SELECT user, item, value, time FROM rating WHERE change > ?", fold_rating},
    {"SELECT id, user, item, kind, time FROM event WHERE change > ? ORDER BY user, time, id", fold_event},
};

static bool cancelled(fold *f) {
  const recsys_store_options *options = &f->store->options;
  return f->progress && options->progress && options->progress(options->progress_user, "load", f->done, f->total) != 0;
}

static recsys_status fold_step(fold *f, size_t step) {
  recsys_status status = recsys__db_prepare(f->store, &f->row, steps[step].sql, f->error);
  int code = SQLITE_DONE;
  if (status)
    return status;
  sqlite3_bind_int64(f->row, 1, f->view->change);
  while (!status && (code = sqlite3_step(f->row)) == SQLITE_ROW) {
    status = steps[step].fold(f);
    if (!status && ++f->done % 4096 == 0 && cancelled(f))
      status = recsys__fail(f->error, RECSYS_ECANCELLED, 0, "opening '%.80s' was cancelled", f->store->location);
  }
  if (!status && code != SQLITE_DONE)
    status = recsys__db_fail(f->store, f->store->db, code, "read", f->error);
  sqlite3_finalize(f->row);
  if (!status && f->dead_count && !recsys__view_drop_events(f->view, f->dead, f->dead_count))
    status = no_memory(f);
  f->dead_count = 0;
  return status;
}

recsys_status recsys__load(recsys_store *store, recsys__view *view, bool progress, recsys_error *error) {
  fold f = {.store = store, .view = view, .error = error, .progress = progress};
  int64_t change, total = 0;
  recsys_status status = recsys__db_number(store, "SELECT change FROM counter", &change, error);
  if (!status && progress && store->options.progress)
    status =
        recsys__db_number(store,
                          "SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM user) + (SELECT count(*) "
                          "FROM embedding) + (SELECT count(*) FROM label) + (SELECT count(*) FROM number) + "
                          "(SELECT count(*) FROM text) + (SELECT count(*) FROM rating) + (SELECT count(*) FROM event)",
                          &total, error);
  f.total = (uint64_t)total;
  if (!status && change == view->change)
    return RECSYS_OK;
  for (size_t i = view->change ? 0 : 1; !status && i < sizeof steps / sizeof *steps; i++)
    status = fold_step(&f, i);
  recsys__free(f.dead);
  if (!status)
    view->change = change;
  return status;
}
