#include "catalogue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "database.h"

/* -- taking over */

static void text_of(shop *s, int64_t item, const char *name, char *buffer, size_t size) {
  if (recsys_store_get_text(s->store, item, name, buffer, size, NULL, NULL))
    buffer[0] = 0;
}

/* A store without prices gets made-up ones, always the same for one item. */
static int64_t price_of(shop *s, int64_t item) {
  double price;
  if (!recsys_store_get_number(s->store, item, "price", &price, NULL) && price >= 0 && price < 1e7)
    return llround(price * 100);
  return 990 + 500 * (item % 37 * 7919 % 37);
}

static bool put_labels(shop *s, sqlite3 *db, int64_t item, html *all) {
  bool ok = db_do(db, "DELETE FROM label WHERE product = ?", "i", item);
  for (size_t f = 0; ok && f < s->options.n_fields; f++) {
    char value[256];
    for (uint32_t i = 0;
         ok && i < 8 &&
         !recsys_store_get_label(s->store, item, s->options.fields[f], i, value, sizeof value, NULL, NULL, NULL);
         i++) {
      ok = db_do(db, "INSERT OR IGNORE INTO label VALUES(?, ?, ?)", "iss", item, s->options.fields[f], value);
      html_bytes(all, value, strlen(value));
      html_bytes(all, " ", 1);
    }
  }
  return ok;
}

static bool put_words(sqlite3 *db, int64_t id, const char *title, const char *description, const char *labels) {
  return db_do(db, "DELETE FROM words WHERE rowid = ?", "i", id) &&
         db_do(db, "INSERT INTO words(rowid, title, description, labels) VALUES(?, ?, ?, ?)", "isss", id, title,
               description, labels);
}

static bool put_product(sqlite3 *db, int64_t id, const char *title, const char *description, int64_t price,
                        const char *picture) {
  return db_do(db,
               "INSERT INTO product VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET title = excluded.title, "
               "description = excluded.description, price = excluded.price, picture = excluded.picture",
               "issisi", id, title, description, price, picture, (int64_t)time(NULL));
}

/* An item is for sale when it has a picture. */
static bool import_one(shop *s, sqlite3 *db, int64_t item) {
  char title[CATALOGUE_TITLE], description[SHOP_TEXT + 1], picture[4096];
  html labels = {0};
  recsys_status status;
  bool seen = !recsys_store_get_embeddings(s->store, NULL, &item, NULL, 1, NULL, &status, NULL);
  text_of(s, item, "image", picture, sizeof picture);
  if (!seen || !picture[0])
    return true;
  text_of(s, item, s->options.title_field, title, sizeof title);
  text_of(s, item, "description", description, sizeof description);
  if (!title[0])
    recsys_store_get_key(s->store, RECSYS_ITEMS, item, title, sizeof title, NULL, NULL);
  bool ok = put_product(db, item, title, description, price_of(s, item), picture) && put_labels(s, db, item, &labels) &&
            put_words(db, item, title, description, labels.bytes ? labels.bytes : "") &&
            db_do(db, "INSERT INTO temp.seen VALUES(?)", "i", item);
  html_free(&labels);
  return ok;
}

static bool import_all(shop *s, sqlite3 *db) {
  int64_t after = -1, ids[256];
  size_t count = 0;
  do {
    if (recsys_store_list(s->store, RECSYS_ITEMS, after, ids, 256, &count, NULL))
      return false;
    for (size_t i = 0; i < count; i++) {
      if (!import_one(s, db, ids[i]))
        return false;
      after = ids[i];
    }
  } while (count > 0);
  return db_do(db, "DELETE FROM words WHERE rowid IN (SELECT id FROM product EXCEPT SELECT id FROM temp.seen)", "") &&
         db_do(db, "DELETE FROM label WHERE product NOT IN (SELECT id FROM temp.seen)", "") &&
         db_do(db, "DELETE FROM cart WHERE product NOT IN (SELECT id FROM temp.seen)", "") &&
         db_do(db, "DELETE FROM product WHERE id NOT IN (SELECT id FROM temp.seen)", "");
}

bool catalogue_import(shop *s) {
  sqlite3 *db = db_take(s);
  bool ok = db && db_do(db, "CREATE TEMP TABLE seen(id INTEGER PRIMARY KEY)", "") && db_begin(db) &&
            db_finish(db, import_all(s, db)) && db_do(db, "DROP TABLE temp.seen", "");
  db_give_back(s, db);
  if (!ok)
    fprintf(stderr, "shop: the products could not be taken over from %s\n", s->options.store);
  return ok;
}

bool catalogue_add(shop *s, sqlite3 *db, int64_t id, const advice_product *p, const char *picture) {
  html labels = {0};
  if (!db_begin(db))
    return false;
  bool ok = db_finish(db, put_product(db, id, p->title, p->description, p->price, picture) &&
                              put_labels(s, db, id, &labels) &&
                              put_words(db, id, p->title, p->description, labels.bytes ? labels.bytes : ""));
  html_free(&labels);
  return ok;
}

/* -- looking up */

bool catalogue_get(sqlite3 *db, int64_t id, product *p) {
  sqlite3_stmt *row = db_ask(db, "SELECT title, price FROM product WHERE id = ?", "i", id);
  bool found = db_next(&row);
  if (found) {
    *p = (product){.id = id, .price = db_integer(row, 1)};
    strncpy(p->title, db_text(row, 0), sizeof p->title - 1);
  }
  db_end(&row);
  return found;
}

bool catalogue_picture(sqlite3 *db, int64_t id, char path[4096]) {
  sqlite3_stmt *row = db_ask(db, "SELECT picture FROM product WHERE id = ?", "i", id);
  bool found = db_next(&row);
  if (found)
    snprintf(path, 4096, "%s", db_text(row, 0));
  db_end(&row);
  return found;
}

void catalogue_words(const char *typed, char words[512]) {
  size_t n = 0;
  words[0] = 0;
  while (*(typed += strspn(typed, " \t\r\n\""))) {
    size_t word = strcspn(typed, " \t\r\n\"");
    if (n + word + 8 > 512)
      break;
    n += (size_t)snprintf(words + n, 512 - n, "%s\"%.*s\"*", n ? " " : "", (int)word, typed);
    typed += word;
  }
}

/* The conditions as SQL, for products p, with one parameter for the words and two for each field, `except` left out. */
static void add_conditions(request *r, const selection *what, size_t except, html *sql) {
  static const char by_words[] = " AND p.id IN (SELECT rowid FROM words WHERE words MATCH ?)",
                    by_label[] = " AND p.id IN (SELECT product FROM label WHERE field = ? AND value = ?)";
  if (what->words[0])
    html_bytes(sql, by_words, strlen(by_words));
  for (size_t f = 0; f < r->shop->options.n_fields; f++)
    if (f != except && what->values[f][0])
      html_bytes(sql, by_label, strlen(by_label));
}

static sqlite3_stmt *ask(request *r, const selection *what, size_t except, const char *before, const char *after) {
  html sql = {0};
  html_bytes(&sql, before, strlen(before));
  add_conditions(r, what, except, &sql);
  html_bytes(&sql, after, strlen(after));
  sqlite3_stmt *s = sql.failed ? NULL : db_ask(r->db, sql.bytes, "");
  html_free(&sql);
  int n = 0;
  if (s && what->words[0])
    sqlite3_bind_text(s, ++n, what->words, -1, SQLITE_TRANSIENT);
  for (size_t f = 0; s && f < r->shop->options.n_fields; f++)
    if (f != except && what->values[f][0]) {
      sqlite3_bind_text(s, ++n, r->shop->options.fields[f], -1, SQLITE_TRANSIENT);
      sqlite3_bind_text(s, ++n, what->values[f], -1, SQLITE_TRANSIENT);
    }
  return s;
}

static void bind_last(sqlite3_stmt *s, int back, int64_t value) {
  if (s)
    sqlite3_bind_int64(s, sqlite3_bind_parameter_count(s) - back, value);
}

int64_t catalogue_count(request *r, const selection *what) {
  sqlite3_stmt *s = ask(r, what, SHOP_FIELDS, "SELECT count(*) FROM product p WHERE true", "");
  int64_t count = db_next(&s) ? db_integer(s, 0) : 0;
  db_end(&s);
  return count;
}

sqlite3_stmt *catalogue_list(request *r, const selection *what, int64_t skip, int64_t most) {
  const char *order = !strcmp(what->order, "cheap")  ? " ORDER BY price, id LIMIT ? OFFSET ?"
                      : !strcmp(what->order, "dear") ? " ORDER BY price DESC, id LIMIT ? OFFSET ?"
                                                     : " ORDER BY added DESC, id DESC LIMIT ? OFFSET ?";
  sqlite3_stmt *s = ask(r, what, SHOP_FIELDS, "SELECT id, title, price FROM product p WHERE true", order);
  bind_last(s, 1, most);
  bind_last(s, 0, skip);
  return s;
}

sqlite3_stmt *catalogue_values(request *r, const selection *what, size_t field, int64_t most) {
  sqlite3_stmt *s =
      ask(r, what, field, "SELECT value, count(*) FROM product p JOIN label l ON l.product = p.id WHERE true",
          " AND l.field = ? GROUP BY value ORDER BY 2 DESC, 1 LIMIT ?");
  if (s)
    sqlite3_bind_text(s, sqlite3_bind_parameter_count(s) - 1, r->shop->options.fields[field], -1, SQLITE_TRANSIENT);
  bind_last(s, 0, most);
  return s;
}
