#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "database.h"

enum { KEY = 32, AT_ONCE = 5000 };

/* -- noting */

static bool grow_queue(shop *s, size_t more) {
  if (s->n_events + more <= s->events_capacity)
    return true;
  size_t capacity = 2 * (s->n_events + more) + 64;
  shop_event *larger = realloc(s->events, capacity * sizeof *larger);
  if (!larger)
    return false;
  s->events = larger;
  s->events_capacity = capacity;
  return true;
}

static void put_back(shop *s, const shop_event *events, size_t n) {
  pthread_mutex_lock(&s->lock);
  if (grow_queue(s, n)) {
    memmove(s->events + n, s->events, s->n_events * sizeof *events);
    memcpy(s->events, events, n * sizeof *events);
    s->n_events += n;
  }
  pthread_mutex_unlock(&s->lock);
}

void events_note(shop *s, int64_t shopper, int64_t product, const char *kind) {
  const shop_event event = {shopper, product, time(NULL), kind};
  pthread_mutex_lock(&s->lock);
  if (grow_queue(s, 1))
    s->events[s->n_events++] = event;
  pthread_mutex_unlock(&s->lock);
}

/* -- into the shop's database; a shopper who was merged or forgotten meanwhile has no events any more */

static bool write_events(sqlite3 *db, const shop_event *events, size_t n) {
  if (!db_begin(db))
    return false;
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++)
    ok = db_do(db, "INSERT INTO event(shopper, product, kind, time) SELECT id, ?, ?, ? FROM shopper WHERE id = ?",
               "isii", events[i].product, events[i].kind, events[i].time, events[i].shopper);
  return db_finish(db, ok);
}

static void write_queue(shop *s, sqlite3 *db) {
  pthread_mutex_lock(&s->lock);
  shop_event *events = s->events;
  size_t n = s->n_events;
  s->events = NULL;
  s->n_events = s->events_capacity = 0;
  pthread_mutex_unlock(&s->lock);
  if (n > 0 && !write_events(db, events, n))
    put_back(s, events, n);
  free(events);
}

/* -- into the store */

static bool resolve(shop *s, const int64_t *shoppers, size_t n, uint32_t flags, int64_t *users, recsys_error *error) {
  char(*keys)[KEY] = calloc(n, sizeof *keys);
  const char **pointers = calloc(n, sizeof *pointers);
  bool ok = keys && pointers;
  for (size_t i = 0; ok && i < n; i++) {
    snprintf(keys[i], KEY, "shopper-%" PRId64, shoppers[i]);
    pointers[i] = keys[i];
  }
  if (ok) {
    recsys_status status = recsys_store_resolve(s->store, RECSYS_USERS, pointers, n, flags, users, error);
    ok = status == RECSYS_OK || status == RECSYS_EPARTIAL;
  }
  free(keys);
  free(pointers);
  return ok;
}

int64_t events_user(shop *s, int64_t shopper) {
  int64_t user = -1;
  return resolve(s, &shopper, 1, 0, &user, NULL) ? user : -1;
}

static bool put(shop *s, const int64_t *shoppers, const events_list *list, recsys_error *error) {
  int64_t *users = calloc(list->n + 1, sizeof *users);
  bool ok = users && resolve(s, shoppers, list->n, RECSYS_RESOLVE_CREATE, users, error) &&
            !recsys_store_put_events(s->store, users, list->products, list->kinds, list->times, list->n, NULL, error);
  free(users);
  return ok;
}

static const char *kind_of(const char *text) {
  return !strcmp(text, "purchase") ? "purchase" : !strcmp(text, "cart") ? "cart" : "view";
}

static bool append(events_list *list, int64_t product, const char *kind, int64_t time) {
  if (list->n == list->capacity) {
    size_t capacity = 2 * list->capacity + 64;
    int64_t *products = realloc(list->products, capacity * sizeof *products);
    list->products = products ? products : list->products;
    int64_t *times = realloc(list->times, capacity * sizeof *times);
    list->times = times ? times : list->times;
    const char **kinds = realloc(list->kinds, capacity * sizeof *kinds);
    list->kinds = kinds ? kinds : list->kinds;
    if (!products || !times || !kinds)
      return false;
    list->capacity = capacity;
  }
  list->products[list->n] = product;
  list->kinds[list->n] = kind;
  list->times[list->n++] = time;
  return true;
}

void events_free(events_list *list) {
  free(list->products);
  free(list->times);
  free(list->kinds);
  *list = (events_list){0};
}

/* Up to AT_ONCE that the store does not have; false: there were none, or they have to wait. */
static bool store_some(shop *s, sqlite3 *db) {
  int64_t shoppers[AT_ONCE], last = 0;
  events_list list = {0};
  recsys_error error = {0};
  bool ok = true;
  sqlite3_stmt *row =
      db_ask(db, "SELECT id, shopper, product, kind, time FROM event WHERE NOT stored ORDER BY id LIMIT ?", "i",
             (int64_t)AT_ONCE);
  while (ok && db_next(&row)) {
    last = db_integer(row, 0);
    shoppers[list.n] = db_integer(row, 1);
    ok = append(&list, db_integer(row, 2), kind_of(db_text(row, 3)), db_integer(row, 4));
  }
  db_end(&row);
  ok = ok && list.n > 0 && put(s, shoppers, &list, &error) &&
       db_do(db, "UPDATE event SET stored = 1 WHERE NOT stored AND id <= ?", "i", last);
  if (error.status)
    fprintf(stderr, "shop: events have to wait: %s\n", error.message);
  bool more = ok && list.n == AT_ONCE;
  events_free(&list);
  return more;
}

static void flush(shop *s, sqlite3 *db) {
  write_queue(s, db);
  while (store_some(s, db)) {
  }
}

void events_flush(shop *s, sqlite3 *db) {
  events_hold(s);
  flush(s, db);
  events_release(s);
}

void events_hold(shop *s) {
  pthread_mutex_lock(&s->flush_lock);
}

void events_release(shop *s) {
  pthread_mutex_unlock(&s->flush_lock);
}

/* -- shoppers who become others */

bool events_read(sqlite3 *db, int64_t shopper, events_list *list) {
  bool ok = true;
  sqlite3_stmt *row =
      db_ask(db, "SELECT product, kind, time FROM event WHERE shopper = ? AND stored ORDER BY time, id", "i", shopper);
  if (!row)
    return false;
  while (ok && db_next(&row))
    ok = append(list, db_integer(row, 0), kind_of(db_text(row, 1)), db_integer(row, 2));
  db_end(&row);
  return ok;
}

void events_move(shop *s, int64_t guest, int64_t account, const events_list *list) {
  recsys_error error = {0};
  int64_t *shoppers = calloc(list->n + 1, sizeof *shoppers);
  for (size_t i = 0; shoppers && i < list->n; i++)
    shoppers[i] = account;
  if (shoppers && (list->n == 0 || put(s, shoppers, list, &error)))
    events_forget(s, &guest, 1);
  else
    fprintf(stderr, "shop: a guest's views stay out of the account's lists: %s\n", error.message);
  free(shoppers);
}

void events_forget(shop *s, const int64_t *shoppers, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int64_t user = events_user(s, shoppers[i]);
    if (user >= 0)
      recsys_store_remove(s->store, RECSYS_USERS, &user, 1, NULL);
  }
}
