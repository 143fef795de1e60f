/* The shop's own SQLite database. Every statement is prepared, every value bound. */
#ifndef DATABASE_H
#define DATABASE_H

#include "shop.h"

/* A connection of the shop's, until it is given back; NULL: none can be opened (said on stderr). Waits while all are
 * in use. */
sqlite3 *db_take(shop *s);
void db_give_back(shop *s, sqlite3 *db);
void db_close_all(shop *s);
/* Creates the tables, and the secret that sessions are made with. */
bool db_prepare(shop *s);

/* The values' types, one letter each: i int64_t, s const char *, b const void * and size_t. */

/* A statement that db_next steps through; NULL when it fails (said on stderr). */
sqlite3_stmt *db_ask(sqlite3 *db, const char *sql, const char *types, ...);
/* True while there is a row; after the last one the statement is gone, and *statement NULL. */
bool db_next(sqlite3_stmt **statement);
/* To leave before the last row. */
void db_end(sqlite3_stmt **statement);
/* Never NULL; valid until the next step. */
const char *db_text(sqlite3_stmt *statement, int column);
int64_t db_integer(sqlite3_stmt *statement, int column);

/* Runs one statement; false when it fails. */
bool db_do(sqlite3 *db, const char *sql, const char *types, ...);
/* The first column of the first row; `otherwise` when there is none. */
int64_t db_number(sqlite3 *db, int64_t otherwise, const char *sql, const char *types, ...);

bool db_begin(sqlite3 *db); /* for writing */
/* Commits when ok, else rolls back; true when it was committed. */
bool db_finish(sqlite3 *db, bool ok);

#endif
