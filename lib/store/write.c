/* Transactions: how a change reaches the disk and then, whole, the next view. */
#include <string.h>

#include "base/thread.h"
#include "store/store.h"

/* SQLite keeps what it knows of a file's locks in the process, where a child would inherit it and take it for its own:
 * so a fork finds no open connection. Parent and child each make one when they next need it. */
void recsys__db_disconnect(void *context) {
  recsys_store *store = context;
  if (!store->location || !strcmp(store->location, ":memory:"))
    return;
  sqlite3_close(store->db);
  store->db = NULL;
}

/* Only a fork in the middle of a call of the forking thread itself leaves a connection that is not ours. */
static recsys_status reconnect(recsys_store *store, recsys_error *error) {
  if (!store->db)
    return recsys__db_open(store, error);
  if (store->generation == recsys__fork_generation() || !strcmp(store->location, ":memory:"))
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EFORKED, 0,
                      "this process was forked inside a call on '%.80s'; open the store anew in it", store->location);
}

/* Brings a private copy of the view up to the database, and publishes it. Inside a transaction. */
static recsys_status fold_news(recsys_store *store, recsys__view **next, recsys_error *error) {
  const recsys__view *now = recsys__store_view(store);
  recsys__view *view = recsys__view_copy(now);
  recsys__view_release(now);
  recsys_status status = view ? recsys__load(store, view, false, error) : recsys__no_memory(error, "the new view");
  if (status) {
    recsys__view_release(view);
    view = NULL;
  }
  *next = view;
  return status;
}

recsys_status recsys__db_take(recsys_store *store, recsys_error *error) {
  recsys__lock_take(&store->write);
  recsys_status status = reconnect(store, error);
  if (status)
    recsys__lock_give(&store->write);
  return status;
}

static recsys_status begin(recsys_store *store, const char *sql, recsys_error *error) {
  recsys_status status = recsys__db_take(store, error);
  if (status)
    return status;
  status = recsys__db_run(store, sql, "lock", error);
  if (status)
    recsys__lock_give(&store->write);
  return status;
}

recsys_status recsys__write_begin(recsys_store *store, bool triggers, recsys_error *error) {
  if (!store)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
  if (store->options.flags & (RECSYS_STORE_READ_ONLY | RECSYS_STORE_IMMUTABLE))
    return recsys__fail(error, RECSYS_EREADONLY, 0, "'%.80s' was opened read-only; open it without that flag",
                        store->location);
  recsys_status status = begin(store, "BEGIN IMMEDIATE", error);
  if (status)
    return status;
  sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers ? 1 : 0, NULL);
  store->triggers = triggers;
  status = recsys__db_number(store, "SELECT change FROM counter", &store->change, error);
  return status ? recsys__write_end(store, status, error) : RECSYS_OK;
}

/* What the triggers would have counted. */
static recsys_status write_counter(recsys_store *store, recsys_error *error) {
  sqlite3_stmt *statement = NULL;
  recsys_status status =
      recsys__db_prepare(store, &statement, "UPDATE counter SET change = ?1 WHERE change < ?1", error);
  if (!status) {
    sqlite3_bind_int64(statement, 1, store->change);
    status = recsys__db_step(store, statement, error);
  }
  sqlite3_finalize(statement);
  return status;
}

recsys_status recsys__write_end(recsys_store *store, recsys_status status, recsys_error *error) {
  recsys__view *next = NULL;
  if (!status && !store->triggers)
    status = write_counter(store, error);
  if (!status)
    status = fold_news(store, &next, error);
  if (!status)
    status = recsys__db_run(store, "COMMIT", "write", error);
  if (status) {
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    recsys__view_release(next);
  } else {
    recsys__view_publish(store->core, next);
    recsys__indexes_follow(store);
  }
  recsys__db_trim(store);
  recsys__lock_give(&store->write);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_store_refresh(recsys_store *store, recsys_error *error) {
  recsys__view *next = NULL;
  if (!store)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
  recsys_status status = begin(store, "BEGIN", error);
  if (status)
    return status;
  status = fold_news(store, &next, error);
  sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
  if (!status) {
    recsys__view_publish(store->core, next);
    recsys__indexes_refresh(store);
  }
  recsys__db_trim(store);
  recsys__lock_give(&store->write);
  return status ? status : recsys__ok(error);
}

recsys_status recsys__db_take_fresh(recsys_store *store, recsys_error *error) {
  recsys_status status = recsys_store_refresh(store, error);
  return status ? status : recsys__db_take(store, error);
}

recsys_status recsys__write_ids(recsys_store *store, int kind, const int64_t *ids, size_t n, recsys_error *error) {
  sqlite3_stmt *statement = NULL;
  const char *sql = kind == RECSYS_ITEMS ? "INSERT OR IGNORE INTO item(id, change) VALUES(?, :change)"
                                         : "INSERT OR IGNORE INTO user(id, change) VALUES(?, :change)";
  recsys_status status = recsys__db_prepare(store, &statement, sql, error);
  for (size_t i = 0; i < n && !status; i++) {
    if (i && ids[i] == ids[i - 1])
      continue;
    sqlite3_bind_int64(statement, 1, ids[i]);
    status = recsys__db_step(store, statement, error);
  }
  sqlite3_finalize(statement);
  return status;
}

recsys_status recsys__check_ids(const int64_t *ids, size_t n, const char *what, recsys_error *error) {
  if (n && !ids)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL, but n is %zu; pass the ids", what, n);
  for (size_t i = 0; i < n; i++)
    if (ids[i] < 0)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "%s[%zu] is %lld; ids are 0 or larger", what, i,
                          (long long)ids[i]);
  return RECSYS_OK;
}
