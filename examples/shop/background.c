#include "background.h"

#include <stdio.h>
#include <time.h>

#include "advice.h"
#include "database.h"
#include "events.h"
#include "mail.h"

enum { FORGET_EVERY = 3600, FORGOTTEN_AT_ONCE = 1000, LOOK_EVERY = 60, FEW_EVENTS = 100 };

/* Sleeps; false when the shop stops. */
static bool wait_for(shop *s, uint64_t seconds, bool wake_for_mail) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)seconds;
  pthread_mutex_lock(&s->lock);
  int code = 0;
  while (!s->stopping && !(wake_for_mail && s->mail_waits) && code == 0)
    code = pthread_cond_timedwait(&s->changed, &s->lock, &until);
  bool on = !s->stopping;
  pthread_mutex_unlock(&s->lock);
  return on;
}

/* Guests whose sessions have ended, with what they looked at; whoever bought something stays with the order. */
static void forget_guests(shop *s, sqlite3 *db) {
  int64_t gone[FORGOTTEN_AT_ONCE];
  size_t n = 0;
  db_do(db, "DELETE FROM attempt WHERE time < ?", "i", (int64_t)time(NULL) - FORGET_EVERY);
  db_do(db, "DELETE FROM session WHERE seen < ?", "i", (int64_t)time(NULL) - SHOP_SESSION);
  for (sqlite3_stmt *row =
           db_ask(db,
                  "SELECT id FROM shopper WHERE email IS NULL AND id NOT IN (SELECT shopper FROM session) "
                  "AND id NOT IN (SELECT shopper FROM purchase) LIMIT ?",
                  "i", (int64_t)FORGOTTEN_AT_ONCE);
       db_next(&row);)
    gone[n++] = db_integer(row, 0);
  bool ok = n > 0 && db_begin(db);
  for (size_t i = 0; ok && i < n; i++)
    ok = db_do(db, "DELETE FROM event WHERE shopper = ?", "i", gone[i]) &&
         db_do(db, "DELETE FROM cart WHERE shopper = ?", "i", gone[i]) &&
         db_do(db, "DELETE FROM shopper WHERE id = ?", "i", gone[i]);
  if (n > 0 && db_finish(db, ok))
    events_forget(s, gone, n);
}

static void *keep_up(void *context) {
  shop *s = context;
  sqlite3 *db = db_take(s);
  time_t forgot = 0;
  while (db && wait_for(s, 1, false)) {
    events_flush(s, db);
    if (time(NULL) - forgot > FORGET_EVERY) {
      forget_guests(s, db);
      forgot = time(NULL);
    }
  }
  db_give_back(s, db);
  return NULL;
}

static void *keep_sending(void *context) {
  shop *s = context;
  sqlite3 *db = db_take(s);
  while (db && wait_for(s, 1, true)) {
    pthread_mutex_lock(&s->lock);
    s->mail_waits = false;
    pthread_mutex_unlock(&s->lock);
    mail_send_due(s, db);
  }
  db_give_back(s, db);
  return NULL;
}

static uint64_t known(shop *s) {
  recsys_store_info now = {.struct_size = sizeof now};
  recsys_store_get_info(s->store, &now, NULL);
  return now.ratings + now.events;
}

/* Every learn_every seconds when something has happened; sooner when the shop knows twice as much as last time, so that
 * a new one is not without lists of its shoppers' own for long. */
static void *keep_learning(void *context) {
  shop *s = context;
  uint64_t learned = known(s), most = s->options.learn_every, each = most < LOOK_EVERY ? most : LOOK_EVERY;
  for (uint64_t waited = each; wait_for(s, each, false); waited += each) {
    uint64_t now = known(s);
    if (now == learned || (waited < most && now < 2 * learned + FEW_EVENTS))
      continue;
    if (advice_learn(s))
      learned = now;
    waited = 0;
  }
  return NULL;
}

static void *(*const duties[DUTIES])(void *) = {keep_up, keep_sending, keep_learning};

bool background_start(shop *s, background *b) {
  for (b->running = 0; b->running < DUTIES; b->running++)
    if (pthread_create(&b->threads[b->running], NULL, duties[b->running], s))
      return false;
  return true;
}

void background_stop(shop *s) {
  pthread_mutex_lock(&s->lock);
  s->stopping = true;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

void background_end(shop *s, background *b) {
  background_stop(s);
  for (int i = 0; i < b->running; i++)
    pthread_join(b->threads[i], NULL);
  sqlite3 *db = db_take(s);
  if (db)
    events_flush(s, db);
  db_give_back(s, db);
}
