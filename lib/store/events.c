/* What shoppers did: written in their order, kept by user in memory, in the order of their times. */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* -- memory */

/* The place of an event, or where it belongs: by time, then by the order in which they were put. */
static size_t place_of(const recsys__user *user, int64_t time, int64_t id) {
  size_t low = 0, high = user->event_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const recsys__event *e = &user->events[middle];
    if (e->time < time || (e->time == time && e->id < id))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool recsys__user_set_event(recsys__user *user, const recsys__event *event, bool *added) {
  size_t at = event->id > user->newest_event_id ? user->event_count : 0;
  while (at < user->event_count && user->events[at].id != event->id)
    at++;
  *added = at == user->event_count;
  if (!*added) { /* a foreign writer changed it: it goes where it belongs now */
    memmove(user->events + at, user->events + at + 1, (user->event_count - at - 1) * sizeof *user->events);
    user->event_count--;
  } else if (!recsys__grow((void **)&user->events, &user->event_room, user->event_count + 1, sizeof *user->events)) {
    return false;
  }
  at = place_of(user, event->time, event->id);
  memmove(user->events + at + 1, user->events + at, (user->event_count - at) * sizeof *user->events);
  user->events[at] = *event;
  user->newest_event_id = event->id > user->newest_event_id ? event->id : user->newest_event_id;
  user->event_count++;
  return true;
}

static int by_id(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static size_t first_dead(const recsys__user *user, const int64_t *dead, size_t n) {
  size_t i = 0;
  while (i < user->event_count && !bsearch(&user->events[i].id, dead, n, sizeof *dead, by_id))
    i++;
  return i;
}

bool recsys__view_drop_events(recsys__view *view, int64_t *dead, size_t n) {
  int64_t id = -1;
  void *record;
  qsort(dead, n, sizeof *dead, by_id);
  while (recsys__map_next(&view->users, id, &id, &record)) {
    size_t kept = first_dead(record, dead, n);
    if (kept == ((const recsys__user *)record)->event_count)
      continue;
    recsys__user *user = recsys__user_edit(&view->users, id);
    if (!user)
      return false;
    for (size_t i = kept; i < user->event_count; i++)
      if (!bsearch(&user->events[i].id, dead, n, sizeof *dead, by_id))
        user->events[kept++] = user->events[i];
    view->event_count -= user->event_count - kept;
    user->event_count = kept;
  }
  return true;
}

size_t recsys__view_events(const recsys__view *view, int64_t user, const recsys__event **events) {
  const recsys__user *record = user < 0 ? NULL : recsys__map_get(&view->users, user);
  *events = record ? record->events : NULL;
  return record ? record->event_count : 0;
}

uint64_t recsys__view_event_count(const recsys__view *view) {
  return view->event_count;
}

int64_t recsys__view_newest_event(const recsys__view *view) {
  return view->newest_event;
}

int32_t recsys__view_event_kind(const recsys__view *view, const char *kind) {
  return recsys__vocabulary_find(&view->core->vocabulary, RECSYS__EVENT_KINDS, kind);
}

/* -- the public functions */

static recsys_status write_events(recsys_store *store, const int64_t *users, const int64_t *items,
                                  const char *const *kinds, const int64_t *times, size_t n, recsys_error *error) {
  sqlite3_stmt *put = NULL;
  recsys_status status = recsys__db_prepare(
      store, &put, "INSERT INTO event(user, item, kind, time, change) VALUES(?, ?, ?, ?, :change)", error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(put, 1, users[i]);
    sqlite3_bind_int64(put, 2, items[i]);
    sqlite3_bind_text(put, 3, kinds[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 4, times[i]);
    status = recsys__db_step(store, put, error);
  }
  sqlite3_finalize(put);
  return status;
}

recsys_status recsys_store_put_events(recsys_store *store, const int64_t *users, const int64_t *items,
                                      const char *const *kinds, const int64_t *times, size_t n, uint64_t *unknown_items,
                                      recsys_error *error) {
  if (unknown_items)
    *unknown_items = 0;
  recsys_status status = recsys__check_ids(users, n, "users", error);
  if (!status)
    status = recsys__check_ids(items, n, "items", error);
  if (!status)
    status = recsys__check_texts(kinds, n, 64, "kinds", error);
  if (!status && n && !times)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "times is NULL, but n is %zu; an event has a time", n);
  if (!status)
    status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  status = recsys__write_ids(store, RECSYS_USERS, users, n, error);
  if (!status)
    status = recsys__write_ids(store, RECSYS_ITEMS, items, n, error);
  if (!status)
    status = write_events(store, users, items, kinds, times, n, error);
  status = recsys__write_end(store, status, error);
  if (!status && unknown_items)
    *unknown_items = recsys__count_unknown(store, items, n);
  return status;
}

recsys_status recsys_store_remove_events(recsys_store *store, const int64_t *users, size_t n, int64_t before,
                                         recsys_error *error) {
  sqlite3_stmt *remove = NULL;
  recsys_status status = recsys__check_ids(users, users ? n : 0, "users", error);
  if (!status)
    status = recsys__write_begin(store, true, error);
  if (status)
    return status;
  status = recsys__db_prepare(
      store, &remove, users ? "DELETE FROM event WHERE time < ?1 AND user = ?2" : "DELETE FROM event WHERE time < ?1",
      error);
  for (size_t i = 0; i < (users ? n : 1) && !status; i++) {
    sqlite3_bind_int64(remove, 1, before);
    if (users)
      sqlite3_bind_int64(remove, 2, users[i]);
    status = recsys__db_step(store, remove, error);
  }
  sqlite3_finalize(remove);
  return recsys__write_end(store, status, error);
}

recsys_status recsys_store_get_events(recsys_store *store, int64_t user, size_t first, int64_t *items, int64_t *times,
                                      size_t n, size_t *count, recsys_error *error) {
  const recsys__event *events;
  if (count)
    *count = 0;
  if (!store || !count || (n && !items))
    return recsys__fail(error, RECSYS_EINVAL, 0, "store, items or count is NULL");
  const recsys__view *view = recsys__store_view(store);
  size_t total = recsys__view_events(view, user, &events);
  for (size_t i = first; i < total && *count < n; i++) {
    items[*count] = events[i].item;
    if (times)
      times[*count] = events[i].time;
    ++*count;
  }
  recsys__view_release(view);
  return recsys__ok(error);
}
