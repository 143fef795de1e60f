#include "database.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    /* id: the item's in the store. price: in cents. picture: a file's path. */
    "CREATE TABLE IF NOT EXISTS product(id INTEGER PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL,"
    " price INTEGER NOT NULL, picture TEXT NOT NULL, added INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS product_price ON product(price);"
    "CREATE TABLE IF NOT EXISTS label(product INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY(product, field, value)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS label_value ON label(field, value);"
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(title, description, labels, prefix='2 3');"
    /* A guest has neither email nor password. */
    "CREATE TABLE IF NOT EXISTS shopper(id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE COLLATE NOCASE,"
    " password TEXT, seller INTEGER NOT NULL DEFAULT 0);"
    /* token: the BLAKE2b digest of what the shopper's cookie holds. */
    "CREATE TABLE IF NOT EXISTS session(token BLOB PRIMARY KEY, shopper INTEGER NOT NULL, seen INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS session_shopper ON session(shopper);"
    "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, shopper INTEGER NOT NULL, product INTEGER NOT NULL,"
    " kind TEXT NOT NULL, time INTEGER NOT NULL, stored INTEGER NOT NULL DEFAULT 0);" /* stored: the store has it, too
                                                                                       */
    "CREATE INDEX IF NOT EXISTS event_shopper ON event(shopper, product);"
    "CREATE INDEX IF NOT EXISTS event_waiting ON event(id) WHERE NOT stored;"
    "CREATE TABLE IF NOT EXISTS cart(shopper INTEGER NOT NULL, product INTEGER NOT NULL, quantity INTEGER NOT NULL,"
    " PRIMARY KEY(shopper, product)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS purchase(id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, shopper INTEGER NOT NULL,"
    " email TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, total INTEGER NOT NULL, time INTEGER NOT NULL,"
    " delivery INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS purchase_shopper ON purchase(shopper);"
    "CREATE TABLE IF NOT EXISTS purchased(purchase INTEGER NOT NULL, product INTEGER NOT NULL, title TEXT NOT NULL,"
    " price INTEGER NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY(purchase, product)) WITHOUT ROWID;"
    /* Confirmations that have still to be sent, not before `due`. */
    "CREATE TABLE IF NOT EXISTS mail(purchase INTEGER PRIMARY KEY, tries INTEGER NOT NULL, due INTEGER NOT NULL);"
    /* Wrong passwords. */
    "CREATE TABLE IF NOT EXISTS attempt(email TEXT NOT NULL COLLATE NOCASE, time INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS attempt_email ON attempt(email, time);";

static bool say(sqlite3 *db, const char *what) {
  fprintf(stderr, "shop: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no memory");
  return false;
}

static sqlite3 *open_one(shop *s) {
  char path[4096];
  snprintf(path, sizeof path, "%s/shop.sqlite", s->options.folder);
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
      sqlite3_busy_timeout(db, 5000) != SQLITE_OK ||
      sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", NULL, NULL, NULL) != SQLITE_OK) {
    say(db, path);
    sqlite3_close(db);
    return NULL;
  }
  return db;
}

sqlite3 *db_take(shop *s) {
  sqlite3 *db = NULL;
  pthread_mutex_lock(&s->lock);
  while (s->n_idle == 0 && s->n_open == SHOP_CONNECTIONS)
    pthread_cond_wait(&s->changed, &s->lock);
  if (s->n_idle > 0)
    db = s->idle[--s->n_idle];
  else
    s->n_open++;
  pthread_mutex_unlock(&s->lock);
  if (db || (db = open_one(s)))
    return db;
  pthread_mutex_lock(&s->lock);
  s->n_open--;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

void db_give_back(shop *s, sqlite3 *db) {
  if (!db)
    return;
  pthread_mutex_lock(&s->lock);
  s->idle[s->n_idle++] = db;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->lock);
}

void db_close_all(shop *s) {
  while (s->n_idle > 0)
    sqlite3_close(s->idle[--s->n_idle]);
  s->n_open = 0;
}

static bool find_key(shop *s, sqlite3 *db) {
  randombytes_buf(s->key, sizeof s->key);
  if (!db_do(db, "INSERT OR IGNORE INTO meta VALUES('key', ?)", "b", (const void *)s->key, sizeof s->key))
    return false;
  sqlite3_stmt *row = db_ask(db, "SELECT value FROM meta WHERE name = 'key'", "");
  bool found = row && db_next(&row) && sqlite3_column_bytes(row, 0) == (int)sizeof s->key;
  if (found)
    memcpy(s->key, sqlite3_column_blob(row, 0), sizeof s->key);
  db_end(&row);
  return found;
}

bool db_prepare(shop *s) {
  sqlite3 *db = db_take(s);
  bool ok = db && sqlite3_exec(db, tables, NULL, NULL, NULL) == SQLITE_OK && find_key(s, db);
  if (db && !ok)
    say(db, "shop.sqlite");
  db_give_back(s, db);
  return ok;
}

static sqlite3_stmt *ask(sqlite3 *db, const char *sql, const char *types, va_list values) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  for (int i = 1; code == SQLITE_OK && types[i - 1]; i++) {
    if (types[i - 1] == 'i') {
      code = sqlite3_bind_int64(statement, i, va_arg(values, int64_t));
    } else if (types[i - 1] == 's') {
      code = sqlite3_bind_text(statement, i, va_arg(values, const char *), -1, SQLITE_TRANSIENT);
    } else {
      const void *bytes = va_arg(values, const void *);
      code = sqlite3_bind_blob(statement, i, bytes, (int)va_arg(values, size_t), SQLITE_TRANSIENT);
    }
  }
  if (code == SQLITE_OK)
    return statement;
  say(db, sql);
  sqlite3_finalize(statement);
  return NULL;
}

sqlite3_stmt *db_ask(sqlite3 *db, const char *sql, const char *types, ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = ask(db, sql, types, values);
  va_end(values);
  return statement;
}

bool db_next(sqlite3_stmt **statement) {
  if (!*statement)
    return false;
  int code = sqlite3_step(*statement);
  if (code == SQLITE_ROW)
    return true;
  if (code != SQLITE_DONE)
    say(sqlite3_db_handle(*statement), sqlite3_sql(*statement));
  db_end(statement);
  return false;
}

void db_end(sqlite3_stmt **statement) {
  sqlite3_finalize(*statement);
  *statement = NULL;
}

const char *db_text(sqlite3_stmt *statement, int column) {
  const char *text = (const char *)sqlite3_column_text(statement, column);
  return text ? text : "";
}

int64_t db_integer(sqlite3_stmt *statement, int column) {
  return sqlite3_column_int64(statement, column);
}

bool db_do(sqlite3 *db, const char *sql, const char *types, ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = ask(db, sql, types, values);
  va_end(values);
  int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
  if (statement && code != SQLITE_DONE && code != SQLITE_ROW)
    say(db, sql);
  sqlite3_finalize(statement);
  return code == SQLITE_DONE || code == SQLITE_ROW;
}

int64_t db_number(sqlite3 *db, int64_t otherwise, const char *sql, const char *types, ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = ask(db, sql, types, values);
  va_end(values);
  if (db_next(&statement))
    otherwise = sqlite3_column_int64(statement, 0);
  db_end(&statement);
  return otherwise;
}

bool db_begin(sqlite3 *db) {
  return db_do(db, "BEGIN IMMEDIATE", "");
}

bool db_finish(sqlite3 *db, bool ok) {
  if (ok && db_do(db, "COMMIT", ""))
    return true;
  if (db && !sqlite3_get_autocommit(db))
    db_do(db, "ROLLBACK", "");
  return false;
}
