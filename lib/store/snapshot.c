/* Making the next view of a store from the one before. */
#include "store/snapshot.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"

/* -- spaces */

static void space_free(void *self) {
  recsys__space *space = self;
  recsys__free(space->fingerprint);
  recsys__free(space->description);
  recsys__ref_release(space->rows);
  recsys__free(space);
}

/* Takes over one reference of rows, also on failure; rows NULL: failure. */
static recsys__space *space_new(int64_t id, const char *fingerprint, uint32_t dim, const char *description,
                                recsys__rows *rows) {
  recsys__space *space = rows ? recsys__calloc(1, sizeof *space) : NULL;
  if (!space) {
    recsys__ref_release(rows);
    return NULL;
  }
  atomic_init(&space->ref.count, 1);
  space->ref.free = space_free;
  space->id = id;
  space->dim = dim;
  space->rows = rows;
  space->fingerprint = recsys__strdup(fingerprint);
  space->description = description ? recsys__strdup(description) : NULL;
  if (space->fingerprint && (space->description || !description))
    return space;
  recsys__ref_release(space);
  return NULL;
}

int32_t recsys__view_space_of(const recsys__view *view, int64_t id) {
  for (size_t i = 0; i < view->space_count; i++)
    if (view->spaces[i]->id == id)
      return (int32_t)i;
  return -1;
}

static bool add_space(recsys__view *view, recsys__space *space) {
  size_t count = view->space_count;
  recsys__space **spaces = space ? recsys__realloc(view->spaces, count + 1, sizeof(void *)) : NULL;
  if (!spaces) {
    recsys__ref_release(space);
    return false;
  }
  view->spaces = spaces;
  spaces[view->space_count++] = space;
  return true;
}

/* Puts another space in the place of one; takes over `space`, NULL: failure. */
static bool replace_space(recsys__view *view, size_t index, recsys__space *space) {
  if (!space)
    return false;
  recsys__ref_release(view->spaces[index]);
  view->spaces[index] = space;
  return true;
}

static bool same_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

bool recsys__view_set_space(recsys__view *view, int64_t id, const char *fingerprint, uint32_t dim,
                            const char *description) {
  int32_t index = recsys__view_space_of(view, id);
  recsys__space *old = index >= 0 ? view->spaces[index] : NULL;
  if (!old)
    return add_space(view, space_new(id, fingerprint, dim, description, recsys__rows_new(dim)));
  if (same_text(old->fingerprint, fingerprint) && same_text(old->description, description) && old->dim == dim)
    return true;
  if (old->dim != dim)
    return replace_space(view, (size_t)index, space_new(id, fingerprint, dim, description, recsys__rows_new(dim)));
  recsys__ref_retain(old->rows);
  return replace_space(view, (size_t)index, space_new(id, fingerprint, dim, description, old->rows));
}

void recsys__view_drop_space(recsys__view *view, size_t index) {
  recsys__ref_release(view->spaces[index]);
  view->space_count--;
  memmove(view->spaces + index, view->spaces + index + 1, (view->space_count - index) * sizeof(void *));
}

recsys__rows *recsys__view_edit_rows(recsys__view *view, size_t index) {
  recsys__space *old = view->spaces[index];
  if (atomic_load_explicit(&old->ref.count, memory_order_acquire) == 1)
    return old->rows; /* made for this view, with rows of its own */
  if (!replace_space(view, index,
                     space_new(old->id, old->fingerprint, old->dim, old->description, recsys__rows_copy(old->rows))))
    return NULL;
  return view->spaces[index]->rows;
}

bool recsys__view_clear_rows(recsys__view *view, size_t index) {
  recsys__space *old = view->spaces[index];
  return replace_space(view, index,
                       space_new(old->id, old->fingerprint, old->dim, old->description, recsys__rows_new(old->dim)));
}

/* -- views */

static void view_free(void *self) {
  recsys__view *view = self;
  recsys__map_free(&view->items);
  recsys__map_free(&view->users);
  recsys__map_free(&view->item_keys);
  recsys__map_free(&view->user_keys);
  for (size_t i = 0; i < view->space_count; i++)
    recsys__ref_release(view->spaces[i]);
  recsys__free(view->spaces);
  recsys__ref_release(view->words);
  recsys__free(view);
}

recsys__view *recsys__view_new(recsys__words *words) {
  recsys__view *view = recsys__calloc(1, sizeof *view);
  if (!view)
    return NULL;
  atomic_init(&view->ref.count, 1);
  view->ref.free = view_free;
  view->default_space = -1;
  view->words = words;
  recsys__ref_retain(words);
  return view;
}

recsys__view *recsys__view_copy(const recsys__view *view) {
  recsys__view *copy = recsys__view_new(view->words);
  if (!copy)
    return NULL;
  copy->spaces = recsys__copy(view->spaces, view->space_count, sizeof(void *));
  if (!copy->spaces) {
    recsys__ref_release(copy);
    return NULL;
  }
  copy->space_count = view->space_count;
  for (size_t i = 0; i < copy->space_count; i++)
    recsys__ref_retain(copy->spaces[i]);
  copy->items = recsys__map_copy(&view->items);
  copy->users = recsys__map_copy(&view->users);
  copy->item_keys = recsys__map_copy(&view->item_keys);
  copy->user_keys = recsys__map_copy(&view->user_keys);
  copy->default_space = view->default_space;
  copy->ratings = view->ratings;
  copy->labels = view->labels;
  copy->change = view->change + 1;
  copy->seen = view->seen;
  return copy;
}

/* -- items and users */

/* Puts `owner` (taken over; NULL: nothing) in the place of what has the id, and keeps the map of keys right. */
static bool replace_owner(recsys__map *owners, recsys__map *keys, int64_t id, recsys__owner *owner) {
  const recsys__owner *old = recsys__map_get(owners, id);
  const char *new_key = owner ? owner->key : NULL, *old_key = old ? old->key : NULL;
  bool done = true;
  if (!same_text(old_key, new_key)) {
    done = !old_key || recsys__keys_remove(keys, old_key, id);
    done = done && (!new_key || recsys__keys_add(keys, new_key, id));
  }
  if (!done) {
    recsys__ref_release(owner);
    return false;
  }
  return owner ? recsys__map_set(owners, id, owner) : recsys__map_remove(owners, id, NULL);
}

bool recsys__view_set_item(recsys__view *view, int64_t id, recsys__item *item) {
  const recsys__item *old = recsys__map_get(&view->items, id);
  uint32_t before = old ? old->label_count : 0, after = item ? item->label_count : 0;
  view->labels += (uint64_t)after - before;
  return replace_owner(&view->items, &view->item_keys, id, item ? &item->owner : NULL);
}

bool recsys__view_set_user(recsys__view *view, int64_t id, recsys__user *user) {
  const recsys__user *old = recsys__map_get(&view->users, id);
  size_t before = old ? old->count : 0, after = user ? user->count : 0;
  view->ratings += (uint64_t)after - before;
  return replace_owner(&view->users, &view->user_keys, id, user ? &user->owner : NULL);
}

static bool drop_pictures(recsys__view *view, size_t index, int64_t item) {
  int64_t picture;
  if (!recsys__rows_picture(view->spaces[index]->rows, item, 0, &picture, NULL))
    return true;
  recsys__rows *rows = recsys__view_edit_rows(view, index);
  while (rows && recsys__rows_picture(rows, item, 0, &picture, NULL))
    if (!recsys__rows_remove(rows, item, picture, NULL))
      return false;
  return rows != NULL;
}

bool recsys__view_drop_item(recsys__view *view, int64_t id) {
  for (size_t i = 0; i < view->space_count; i++)
    if (!drop_pictures(view, i, id))
      return false;
  return recsys__view_set_item(view, id, NULL);
}

bool recsys__view_drop_user(recsys__view *view, int64_t id) {
  return recsys__view_set_user(view, id, NULL);
}
