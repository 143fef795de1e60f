/*
 * A web shop over librecsys: one process, one SQLite database of its own (accounts, carts, orders), one store.
 *
 *   main.c         options, start and stop            background.c  what runs beside the requests, once a second
 *   http.c         requests and answers               html.c        text into pages, always escaped
 *   routes.c       which address is which page        pages_*.c     the pages
 *   catalogue.c    products: import, search, filters  shoppers.c    sessions, accounts, passwords
 *   advice.c       lists and products of librecsys    events.c      views and purchases, on their way into the store
 *   mail.c         order confirmations                database.c    SQLite, the tables
 */
#ifndef SHOP_H
#define SHOP_H

#include <pthread.h>
#include <recsys.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  SHOP_FIELDS = 8,        /* fields of labels that pages show and filter by */
  SHOP_CONNECTIONS = 280, /* to the database: one for each connection to a browser (256), and the shop's own threads */
  SHOP_KEY = 32,          /* bytes of the secret that sessions are made with */
  SHOP_UPLOAD = 8 << 20,  /* bytes of a request with a picture */
  SHOP_FORM = 64 << 10,   /* bytes of any other request */
  SHOP_TEXT = 9000,       /* bytes of one text field */
  SHOP_SESSION = 30 * 86400, /* seconds without a visit after which a session ends */
};

/* What a shopper did and is not in the databases yet. */
typedef struct shop_event {
  int64_t shopper, product, time;
  const char *kind; /* "view", "cart" or "purchase": static text */
} shop_event;

typedef struct shop_options {
  const char *name, *store, *model, *folder, *title_field, *fields[SHOP_FIELDS], *ranker, *smtp, *sender, *url;
  size_t n_fields;
  uint16_t port;
  bool public;
  uint64_t learn_every; /* seconds */
} shop_options;

typedef struct shop {
  shop_options options;
  recsys_store *store;
  recsys_model *model;
  recsys_model_info model_info;
  recsys_ranker *ranker;
  uint8_t key[SHOP_KEY];

  /* Password hashes, one at a time: each takes 64 MiB. */
  pthread_mutex_t password_lock;
  /* Fitting and refreshing the ranker: a fit that began before a product came must not end after its refresh. */
  pthread_mutex_t refresh_lock;
  /* Events on their way into the databases (events.h). */
  pthread_mutex_t flush_lock;

  pthread_mutex_t lock; /* of all that follows */
  pthread_cond_t changed;
  bool stopping;
  sqlite3 *idle[SHOP_CONNECTIONS];
  size_t n_idle, n_open;
  shop_event *events;
  size_t n_events, events_capacity;
  bool mail_waits, refresh_waits;
} shop;

#endif
