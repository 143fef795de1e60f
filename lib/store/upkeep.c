/* recsys_store_check and recsys_store_export. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "store/store.h"

/* Adds every row of a query to the report, one a line, except one that says "ok". */
static recsys_status findings(recsys_store *store, const char *sql, const char *what, recsys__string *report,
                              recsys_error *error) {
  sqlite3_stmt *statement = NULL;
  recsys_status status = recsys__db_prepare(store, &statement, sql, error);
  int code = SQLITE_DONE;
  while (!status && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text && strcmp(text, "ok") != 0)
      recsys__string_printf(report, "%s: %.200s\n", what, text);
  }
  sqlite3_finalize(statement);
  if (!status && code != SQLITE_DONE)
    recsys__string_printf(report, "%s: %s\n", what, sqlite3_errstr(code));
  return status;
}

/* Memory must say what the database says: a second view is loaded from nothing and compared by its counts. */
static recsys_status compare_memory(recsys_store *store, recsys__string *report, recsys_error *error) {
  recsys__view *fresh = recsys__view_new(store->core);
  if (!fresh)
    return recsys__no_memory(error, "the second view");
  recsys_status status = recsys__load(store, fresh, false, error);
  const recsys__view *now = recsys__store_view(store);
  if (status == RECSYS_EFORMAT) {
    recsys__string_append(report, "rows: an embedding or a rating has a wrong length or is not finite\n");
    status = RECSYS_OK;
  } else if (!status && now->change == fresh->change &&
             (now->items.count != fresh->items.count || now->users.count != fresh->users.count ||
              now->rating_count != fresh->rating_count || now->label_count != fresh->label_count ||
              now->event_count != fresh->event_count)) {
    recsys__string_append(report, "memory: it differs from the file; open the store anew\n");
  }
  recsys__view_release(now);
  recsys__view_release(fresh);
  return status;
}

recsys_status recsys_store_check(recsys_store *store, char *buffer, size_t size, size_t *length, recsys_error *error) {
  recsys__string report = {0};
  if (!store || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "store or buffer is NULL");
  recsys_status status = recsys__db_take_fresh(store, error);
  if (status)
    return status;
  status = findings(store, "PRAGMA integrity_check", "integrity", &report, error);
  if (!status)
    status = findings(store, "SELECT \"table\" || ' row ' || rowid FROM pragma_foreign_key_check", "reference", &report,
                      error);
  if (!status)
    status = compare_memory(store, &report, error);
  recsys__lock_give(&store->write);
  if (!status && report.failed)
    status = recsys__no_memory(error, "the report");
  recsys__fill(buffer, size, length, report.data ? report.data : "", report.length);
  if (!status && report.length)
    status = recsys__fail(error, RECSYS_EFORMAT, 0, "'%.80s' is damaged: %.80s", store->location, report.data);
  recsys__string_free(&report);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_store_export(recsys_store *store, const char *path, recsys_error *error) {
  sqlite3 *copy = NULL;
  recsys__string temporary = {0};
  if (!store || !path || !*path)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store or path is NULL");
  recsys__string_printf(&temporary, "%s.%ld.part", path, (long)getpid());
  if (temporary.failed)
    return recsys__no_memory(error, "the file's name");
  recsys_status status = recsys__db_take(store, error);
  if (status) {
    recsys__string_free(&temporary);
    return status;
  }
  unlink(temporary.data);
  int code = sqlite3_open_v2(temporary.data, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
  sqlite3_backup *backup = code ? NULL : sqlite3_backup_init(copy, "main", store->db, "main");
  if (backup) {
    sqlite3_backup_step(backup, -1);
    code = sqlite3_backup_finish(backup);
  } else if (!code) {
    code = sqlite3_errcode(copy);
  }
  /* The copy has no write-ahead log of its own, so that a single file is the whole of it. */
  if (!code)
    code = sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
  sqlite3_close(copy);
  recsys__lock_give(&store->write);
  status = RECSYS_OK;
  if (code)
    status = recsys__fail(error, (code & 0xff) == SQLITE_FULL ? RECSYS_EFULL : RECSYS_EIO, code,
                          "cannot copy '%.80s' to '%.100s': %s", store->location, path, sqlite3_errstr(code));
  if (!status && rename(temporary.data, path))
    status = recsys__fail(error, RECSYS_EIO, 0, "cannot rename the copy to '%.120s'", path);
  if (status)
    unlink(temporary.data);
  recsys__string_free(&temporary);
  return status ? status : recsys__ok(error);
}
