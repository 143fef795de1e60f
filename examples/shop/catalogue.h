/* The products as the shop's database holds them: taken over from the store at the start, found by words and labels. */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#include "advice.h"
#include "http.h"

enum { CATALOGUE_TITLE = 1024 };

typedef struct product {
  int64_t id, price; /* cents */
  char title[CATALOGUE_TITLE];
} product;

/* Takes over what the store holds: products that came, went or changed since the last start. */
bool catalogue_import(shop *s);
/* One product more, that the store has already. */
bool catalogue_add(shop *s, sqlite3 *db, int64_t id, const advice_product *p, const char *picture);

/* False: there is no such product. */
bool catalogue_get(sqlite3 *db, int64_t id, product *p);
/* The picture's file; false: there is none. */
bool catalogue_picture(sqlite3 *db, int64_t id, char path[4096]);

/* What a page of products is asked for with. */
typedef struct selection {
  char words[512];                 /* for SQLite's full-text search; "": everything */
  const char *values[SHOP_FIELDS]; /* by field; "": any */
  const char *order;               /* "new", "cheap", "dear" */
} selection;

/* Turns what somebody typed into a search for words that begin so; nothing in it is an operator. */
void catalogue_words(const char *typed, char words[512]);
int64_t catalogue_count(request *r, const selection *what);
/* Steps through the products: id, title, price. */
sqlite3_stmt *catalogue_list(request *r, const selection *what, int64_t skip, int64_t most);
/* Steps through the values of one field with the number of products that the rest of the selection leaves. */
sqlite3_stmt *catalogue_values(request *r, const selection *what, size_t field, int64_t most);

#endif
