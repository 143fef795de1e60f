/*
 * What shoppers do, on its way: noted in memory, written into the shop's database once a second (purchases at once,
 * with their order), and from there into the store, where the ranker reads it. An event that could not be written is
 * tried again.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "shop.h"

/* kind: "view" or "cart", static text. */
void events_note(shop *s, int64_t shopper, int64_t product, const char *kind);
/* When it returns, the store has what was noted before, or the reason why not is on stderr. */
void events_flush(shop *s, sqlite3 *db);

/* Around a change of who a shopper is: nothing is flushed in between. */
void events_hold(shop *s);
void events_release(shop *s);
/* While held, with everything flushed: the guest's events in the store become the account's. Called when the database
 * has them so already; `products`, `kinds` and `times` are the guest's n. */
typedef struct events_list {
  size_t n, capacity;
  int64_t *products, *times;
  const char **kinds;
} events_list;
bool events_read(sqlite3 *db, int64_t shopper, events_list *list);
void events_move(shop *s, int64_t guest, int64_t account, const events_list *list);
void events_free(events_list *list);

/* Shoppers that are gone. */
void events_forget(shop *s, const int64_t *shoppers, size_t n);
/* The id of a shopper in the store; -1: it has none yet. */
int64_t events_user(shop *s, int64_t shopper);

#endif
