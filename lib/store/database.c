/* The connection to SQLite: opening and checking a file, and turning results into statuses. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "base/thread.h"
#include "store/store.h"

static recsys_status status_of(int code) {
  switch (code & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return RECSYS_EBUSY;
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return RECSYS_EREADONLY;
  case SQLITE_FULL:
    return RECSYS_EFULL;
  case SQLITE_NOMEM:
    return RECSYS_ENOMEM;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
  case SQLITE_CONSTRAINT:
    return RECSYS_EFORMAT;
  default:
    return RECSYS_EIO;
  }
}

static const char *mend_of(recsys_status status) {
  switch (status) {
  case RECSYS_EBUSY:
    return "another process holds its lock; try again, or give a longer busy_timeout";
  case RECSYS_EREADONLY:
    return "it or its folder cannot be written; mend the permissions, or open it with RECSYS_STORE_IMMUTABLE";
  case RECSYS_EFULL:
    return "the disk is full; what was stored before is intact";
  case RECSYS_EFORMAT:
    return "it is not an undamaged store; restore a copy";
  case RECSYS_ENOMEM:
    return "memory ran out";
  default:
    return "see the detail";
  }
}

recsys_status recsys__db_fail(recsys_store *store, sqlite3 *db, int code, const char *doing, recsys_error *error) {
  recsys_status status = status_of(code);
  if (db && status == RECSYS_EIO && sqlite3_system_errno(db) == ENOSPC)
    status = RECSYS_EFULL;
  return recsys__fail(error, status, code, "cannot %s '%.80s': %.60s; %s", doing, store->location, sqlite3_errstr(code),
                      mend_of(status));
}

recsys_status recsys__db_run(recsys_store *store, const char *sql, const char *doing, recsys_error *error) {
  int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
  return code == SQLITE_OK ? RECSYS_OK
                           : recsys__db_fail(store, store->db, sqlite3_extended_errcode(store->db), doing, error);
}

recsys_status recsys__db_prepare(recsys_store *store, sqlite3_stmt **statement, const char *sql, recsys_error *error) {
  int code = sqlite3_prepare_v2(store->db, sql, -1, statement, NULL);
  return code == SQLITE_OK ? RECSYS_OK : recsys__db_fail(store, store->db, code, "query", error);
}

recsys_status recsys__db_step(recsys_store *store, sqlite3_stmt *statement, recsys_error *error) {
  int change = sqlite3_bind_parameter_index(statement, ":change"), before = sqlite3_total_changes(store->db);
  if (change)
    sqlite3_bind_int64(statement, change, store->change + 1);
  int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  store->change += change && sqlite3_total_changes(store->db) != before;
  if (code == SQLITE_DONE || code == SQLITE_ROW)
    return RECSYS_OK;
  return recsys__db_fail(store, store->db, sqlite3_extended_errcode(store->db), "write", error);
}

recsys_status recsys__db_number(recsys_store *store, const char *sql, int64_t *value, recsys_error *error) {
  sqlite3_stmt *statement = NULL;
  recsys_status status = recsys__db_prepare(store, &statement, sql, error);
  if (status)
    return status;
  int code = sqlite3_step(statement);
  *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return code == SQLITE_ROW ? RECSYS_OK : recsys__db_fail(store, store->db, code, "read", error);
}

/* All objects of a database, one per line, for comparison. */
static bool objects_of(sqlite3 *db, recsys__string *text) {
  sqlite3_stmt *statement;
  const char *sql =
      "SELECT type || ' ' || name || ' ' || sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE "
      "'sqlite_%' ORDER BY name";
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL))
    return false;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    recsys__string_append(text, (const char *)sqlite3_column_text(statement, 0));
    recsys__string_append(text, "\n");
  }
  return sqlite3_finalize(statement) == SQLITE_OK && !text->failed;
}

/* A file whose triggers, views or tables are not ours could make our own statements do anything: refuse it. */
static recsys_status check_schema(recsys_store *store, recsys_error *error) {
  sqlite3 *fresh = NULL;
  recsys__string want = {0}, have = {0};
  bool ok = !sqlite3_open(":memory:", &fresh) && !sqlite3_exec(fresh, recsys__schema_sql(), NULL, NULL, NULL) &&
            objects_of(fresh, &want) && objects_of(store->db, &have) && want.data && have.data;
  bool same = ok && !strcmp(want.data, have.data), failed = want.failed || have.failed;
  recsys__string_free(&want);
  recsys__string_free(&have);
  sqlite3_close(fresh);
  if (same)
    return RECSYS_OK;
  if (failed)
    return recsys__no_memory(error, "the schema's text");
  return recsys__fail(error, RECSYS_EFORMAT, 0,
                      "'%.80s' has other tables, indexes or triggers than a store of version %d; restore a copy",
                      store->location, RECSYS__SCHEMA_VERSION);
}

static recsys_status create_schema(recsys_store *store, recsys_error *error) {
  char mark[96];
  recsys_status status = recsys__db_run(store, "BEGIN IMMEDIATE", "lock", error);
  if (status)
    return status;
  int64_t version = 0; /* another process may have been first */
  if (!(status = recsys__db_number(store, "PRAGMA user_version", &version, error)) && version == 0) {
    sqlite3_snprintf(sizeof mark, mark, "PRAGMA application_id=%d;PRAGMA user_version=%d", RECSYS__APPLICATION_ID,
                     RECSYS__SCHEMA_VERSION);
    status = recsys__db_run(store, recsys__schema_sql(), "create", error);
    if (!status)
      status = recsys__db_run(store, mark, "create", error);
  }
  if (!status)
    return recsys__db_run(store, "COMMIT", "create", error);
  sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
  return status;
}

static recsys_status check_version(recsys_store *store, recsys_error *error) {
  int64_t version, application, objects;
  recsys_status status = recsys__db_number(store, "PRAGMA user_version", &version, error);
  if (!status)
    status = recsys__db_number(store, "PRAGMA application_id", &application, error);
  if (!status)
    status = recsys__db_number(store, "SELECT count(*) FROM sqlite_schema", &objects, error);
  if (status)
    return status;
  if (version == 0 && objects == 0 && !(store->options.flags & (RECSYS_STORE_READ_ONLY | RECSYS_STORE_IMMUTABLE)))
    return create_schema(store, error);
  if (application != RECSYS__APPLICATION_ID)
    return recsys__fail(error, RECSYS_EFORMAT, 0, "'%.80s' is an SQLite database, but not a store", store->location);
  if (version > RECSYS__SCHEMA_VERSION)
    return recsys__fail(error, RECSYS_EVERSION, (int32_t)version,
                        "'%.80s' is a store of version %lld, and this library knows up to %d; use a newer library",
                        store->location, (long long)version, RECSYS__SCHEMA_VERSION);
  return RECSYS_OK;
}

/* A URI for SQLite, with everything that is special in one escaped. */
static bool uri_of(const recsys_store *store, recsys__string *uri) {
  recsys__string_append(uri, "file:");
  for (const char *c = store->file ? store->file : store->location; *c; c++) {
    if (strchr("%?#", *c))
      recsys__string_printf(uri, "%%%02X", (unsigned char)*c);
    else
      recsys__string_append_n(uri, c, 1);
  }
  if (store->options.flags & RECSYS_STORE_IMMUTABLE)
    recsys__string_append(uri, "?immutable=1");
  return !uri->failed;
}

static int connect_to(recsys_store *store, recsys_error *error) {
  recsys__string uri = {0};
  bool memory = !strcmp(store->location, ":memory:");
  uint32_t flags = store->options.flags;
  int mode = flags & (RECSYS_STORE_READ_ONLY | RECSYS_STORE_IMMUTABLE) ? SQLITE_OPEN_READONLY
             : flags & RECSYS_STORE_MUST_EXIST                         ? SQLITE_OPEN_READWRITE
                                                                       : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (memory)
    mode = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (!memory && !uri_of(store, &uri)) {
    recsys__string_free(&uri);
    return recsys__no_memory(error, "the store's name");
  }
  int code = sqlite3_open_v2(memory ? ":memory:" : uri.data, &store->db,
                             mode | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
  recsys__string_free(&uri);
  if (code == SQLITE_OK && !memory && !store->file)
    store->file = recsys__strdup(sqlite3_db_filename(store->db, "main"));
  if (code == SQLITE_OK)
    return memory || store->file ? RECSYS_OK : recsys__no_memory(error, "the store's name");
  if ((code & 0xff) == SQLITE_CANTOPEN && store->db) {
    int number = sqlite3_system_errno(store->db);
    return recsys__fail_errno(error, number ? number : ENOENT, "open", store->location);
  }
  return recsys__db_fail(store, store->db, code, "open", error);
}

void recsys__db_trim(recsys_store *store) {
  enum { KEPT = 8 << 20 };
  int used = 0, most = 0;
  if (store->db && !sqlite3_db_status(store->db, SQLITE_DBSTATUS_CACHE_USED, &used, &most, 0) && used > KEPT)
    sqlite3_db_release_memory(store->db);
}

recsys_status recsys__db_open(recsys_store *store, recsys_error *error) {
  recsys_status status = connect_to(store, error);
  if (status)
    goto out;
  double timeout = store->options.busy_timeout;
  sqlite3_busy_timeout(store->db, timeout < 0 ? 0 : timeout > 0 ? (int)fmin(timeout * 1000, 1e9) : 5000);
  sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_extended_result_codes(store->db, 1);
  bool writes = !(store->options.flags & (RECSYS_STORE_READ_ONLY | RECSYS_STORE_IMMUTABLE));
  /* Rows that come in no order touch pages all over the indices: with SQLite's usual 2 MB, which are 31 of our pages,
   * storing them is many times as slow. Statements with triggers keep a journal of their own, which in a file would
   * cost many small writes. */
  status = recsys__db_run(store,
                          "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-65536;PRAGMA mmap_size=0;PRAGMA "
                          "foreign_keys=ON;PRAGMA cell_size_check=ON",
                          "open", error);
  if (!status && writes)
    status =
        recsys__db_run(store, "PRAGMA page_size=65536;PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL", "open", error);
  if (!status)
    status = check_version(store, error);
  if (!status)
    status = check_schema(store, error);
  if (!status && writes)
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  store->generation = recsys__fork_generation();
out:
  if (status) {
    sqlite3_close(store->db);
    store->db = NULL;
  }
  return status;
}
