/* Views: making, sharing and reading them. */
#include "store/view.h"

#include <math.h>
#include <string.h>

#include "base/thread.h"
#include "store/store.h"

static void space_free(recsys__space *space) {
  recsys__free(space->description);
  recsys__ref_release(space->rows);
}

static void view_free(void *self) {
  recsys__view *view = self;
  recsys__store_core *core = view->core;
  recsys__map_free(&view->items);
  recsys__map_free(&view->users);
  recsys__map_free(&view->item_keys);
  recsys__map_free(&view->user_keys);
  for (size_t i = 0; i < view->space_count; i++)
    space_free(&view->spaces[i]);
  recsys__free(view->spaces);
  recsys__free(view);
  recsys__core_release(core);
}

recsys__view *recsys__view_new(recsys__store_core *core) {
  recsys__view *view = recsys__calloc(1, sizeof *view);
  if (!view)
    return NULL;
  view->ref.free = view_free;
  atomic_init(&view->ref.count, 1);
  atomic_fetch_add(&core->references, 1);
  view->core = core;
  view->newest_event = INT64_MIN;
  return view;
}

recsys__view *recsys__view_copy(const recsys__view *from) {
  recsys__view *view = recsys__view_new(from->core);
  if (!view)
    return NULL;
  view->change = from->change;
  view->rating_count = from->rating_count;
  view->label_count = from->label_count;
  view->event_count = from->event_count;
  view->newest_event = from->newest_event;
  view->items = recsys__map_copy(&from->items);
  view->users = recsys__map_copy(&from->users);
  view->item_keys = recsys__map_copy(&from->item_keys);
  view->user_keys = recsys__map_copy(&from->user_keys);
  view->spaces = recsys__calloc(from->space_count, sizeof *view->spaces);
  for (size_t i = 0; view->spaces && i < from->space_count; i++) {
    view->spaces[i] = from->spaces[i];
    view->spaces[i].description = from->spaces[i].description ? recsys__strdup(from->spaces[i].description) : NULL;
    recsys__ref_retain(view->spaces[i].rows);
    view->space_count = i + 1;
    if (from->spaces[i].description && !view->spaces[i].description)
      break;
  }
  if (view->space_count == from->space_count && view->spaces &&
      (!from->space_count || !from->spaces[from->space_count - 1].description ||
       view->spaces[from->space_count - 1].description))
    return view;
  recsys__ref_release(view);
  return NULL;
}

void recsys__view_publish(recsys__store_core *core, recsys__view *view) {
  recsys__lock_take(&core->latch);
  recsys__view *old = core->view;
  core->view = view;
  recsys__lock_give(&core->latch);
  recsys__view_release(old);
}

recsys__store_core *recsys__core_new(uint32_t threads) {
  recsys__store_core *core = recsys__calloc(1, sizeof *core);
  if (!core)
    return NULL;
  atomic_init(&core->references, 1);
  atomic_init(&core->handles, 1);
  recsys__vocabulary_init(&core->vocabulary);
  recsys__lock_init(&core->latch);
  core->threads = threads;
  return core;
}

recsys__store_core *recsys__store_core_retain(recsys_store *store) {
  atomic_fetch_add(&store->core->handles, 1);
  return store->core;
}

void recsys__store_core_release(recsys__store_core *core) {
  if (!core || atomic_fetch_sub_explicit(&core->handles, 1, memory_order_acq_rel) != 1)
    return;
  recsys__view_publish(core, NULL);
  recsys__core_release(core);
}

/* A view and its core hold each other; the last handle takes the view away from the core, which ends the circle. */
void recsys__core_release(recsys__store_core *core) {
  uint32_t left = atomic_fetch_sub_explicit(&core->references, 1, memory_order_acq_rel) - 1;
  if (left == 0) {
    recsys__indexes_free(core);
    recsys__vocabulary_free(&core->vocabulary);
    recsys__lock_destroy(&core->latch);
    recsys__free(core);
  }
}

const recsys__view *recsys__store_core_view(recsys__store_core *core) {
  recsys__lock_take(&core->latch);
  recsys__view *view = core->view;
  recsys__ref_retain(view);
  recsys__lock_give(&core->latch);
  return view;
}

const recsys__view *recsys__store_view(recsys_store *store) {
  return recsys__store_core_view(store->core);
}

static void *mutable(const void *pointer) {
  union {
    const void *in;
    void *out;
  } u = {pointer};
  return u.out;
}

void recsys__view_retain(const recsys__view *view) {
  recsys__ref_retain(mutable(view));
}
void recsys__view_release(const recsys__view *view) {
  recsys__ref_release(mutable(view));
}
int64_t recsys__view_change(const recsys__view *view) {
  return view->change;
}
uint32_t recsys__store_core_threads(const recsys__store_core *core) {
  return core->threads;
}

size_t recsys__view_item_count(const recsys__view *view) {
  return view->items.count;
}
size_t recsys__view_user_count(const recsys__view *view) {
  return view->users.count;
}
bool recsys__view_has_item(const recsys__view *view, int64_t item) {
  return item >= 0 && recsys__map_get(&view->items, item);
}
bool recsys__view_has_user(const recsys__view *view, int64_t user) {
  return user >= 0 && recsys__map_get(&view->users, user);
}

static size_t list(const recsys__map *map, int64_t after, int64_t *ids, size_t n) {
  size_t count = 0;
  void *value;
  while (count < n && recsys__map_next(map, after, &after, &value))
    ids[count++] = after;
  return count;
}

size_t recsys__view_items(const recsys__view *view, int64_t after, int64_t *ids, size_t n) {
  return list(&view->items, after, ids, n);
}

size_t recsys__view_users(const recsys__view *view, int64_t after, int64_t *ids, size_t n) {
  return list(&view->users, after, ids, n);
}

size_t recsys__view_history(const recsys__view *view, int64_t user, const recsys__rating **ratings) {
  const recsys__user *record = user < 0 ? NULL : recsys__map_get(&view->users, user);
  *ratings = record ? record->ratings : NULL;
  return record ? record->count : 0;
}

int32_t recsys__view_field(const recsys__view *view, const char *field) {
  return recsys__vocabulary_find(&view->core->vocabulary, -1, field);
}

int32_t recsys__view_value(const recsys__view *view, int32_t field, const char *value) {
  return field < 0 ? -1 : recsys__vocabulary_find(&view->core->vocabulary, field, value);
}

const char *recsys__view_value_name(const recsys__view *view, int32_t value) {
  return recsys__vocabulary_text(&view->core->vocabulary, value);
}

size_t recsys__view_labels(const recsys__view *view, int64_t item, int32_t field, const recsys__label **labels) {
  const recsys__item *record = item < 0 ? NULL : recsys__map_get(&view->items, item);
  size_t first = 0, end;
  *labels = NULL;
  if (!record || field < 0)
    return 0;
  while (first < record->label_count && record->labels[first].field < field)
    first++;
  for (end = first; end < record->label_count && record->labels[end].field == field;)
    end++;
  if (end > first)
    *labels = record->labels + first;
  return end - first;
}

recsys_status recsys__view_space(const recsys__view *view, const char *fingerprint, int32_t *space,
                                 recsys_error *error) {
  *space = -1;
  for (size_t i = 0; i < view->space_count; i++)
    if (fingerprint ? !strcmp(view->spaces[i].fingerprint, fingerprint) : view->spaces[i].is_default)
      *space = (int32_t)i;
  if (*space >= 0)
    return RECSYS_OK;
  if (!fingerprint)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "the store has no embeddings yet; put some first");
  return recsys__fail(error, RECSYS_ENOTFOUND, 0, "the store has no space with fingerprint '%.64s'", fingerprint);
}

recsys__rows *recsys__view_rows(const recsys__view *view, int32_t space) {
  return space >= 0 && (size_t)space < view->space_count ? view->spaces[space].rows : NULL;
}

bool recsys__view_has_embedding(const recsys__view *view, int32_t space, int64_t item) {
  const recsys__rows *rows = recsys__view_rows(view, space);
  int64_t picture;
  const float *row;
  return rows && item >= 0 && recsys__rows_picture(rows, item, 0, &picture, &row);
}

bool recsys__view_likeness(const recsys__view *view, int32_t space, int64_t a, int64_t b, uint32_t metric,
                           double *score) {
  const recsys__rows *rows = recsys__view_rows(view, space);
  return rows && recsys__rows_likeness(rows, a, b, metric, score);
}

int64_t recsys__key_hash(const char *key) {
  uint64_t h = 1469598103934665603u; /* FNV-1a */
  for (; *key; key++)
    h = (h ^ (unsigned char)*key) * 1099511628211u;
  return (int64_t)(h >> 1);
}

int64_t recsys__view_resolve(const recsys__view *view, int kind, const char *key) {
  const recsys__map *records = kind == RECSYS_ITEMS ? &view->items : &view->users;
  const recsys__bucket *bucket =
      recsys__map_get(kind == RECSYS_ITEMS ? &view->item_keys : &view->user_keys, recsys__key_hash(key));
  for (size_t i = 0; bucket && i < bucket->count; i++) {
    const void *record = recsys__map_get(records, bucket->ids[i]);
    const char *found =
        kind == RECSYS_ITEMS ? ((const recsys__item *)record)->key : ((const recsys__user *)record)->key;
    if (found && !strcmp(found, key))
      return bucket->ids[i];
  }
  return -1;
}
