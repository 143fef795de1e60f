/* recsys_store_remove...: each one transaction; what is not there is not an error. */
#include "store/store.h"

/* Runs `sql` for each i with up to four arguments: ids first, then texts. */
static recsys_status remove_rows(recsys_store *store, const char *sql, const int64_t *a, const int64_t *b,
                                 const char *const *c, const char *const *d, size_t n, recsys_error *error) {
  sqlite3_stmt *remove = NULL;
  recsys_status status = recsys__write_begin(store, true, error);
  if (status)
    return status;
  status = recsys__db_prepare(store, &remove, sql, error);
  for (size_t i = 0; i < n && !status; i++) {
    int at = 0;
    sqlite3_bind_int64(remove, ++at, a[i]);
    if (b)
      sqlite3_bind_int64(remove, ++at, b[i]);
    if (c)
      sqlite3_bind_text(remove, ++at, c[i], -1, SQLITE_STATIC);
    if (d)
      sqlite3_bind_text(remove, ++at, d[i], -1, SQLITE_STATIC);
    status = recsys__db_step(store, remove, error);
  }
  sqlite3_finalize(remove);
  return recsys__write_end(store, status, error);
}

recsys_status recsys_store_remove(recsys_store *store, int32_t kind, const int64_t *ids, size_t n,
                                  recsys_error *error) {
  if (kind != RECSYS_ITEMS && kind != RECSYS_USERS)
    return recsys__fail(error, RECSYS_EINVAL, 0, "kind is %d; it is RECSYS_ITEMS or RECSYS_USERS", kind);
  recsys_status status = recsys__check_ids(ids, n, "ids", error);
  const char *sql = kind == RECSYS_ITEMS ? "DELETE FROM item WHERE id = ?" : "DELETE FROM user WHERE id = ?";
  return status ? status : remove_rows(store, sql, ids, NULL, NULL, NULL, n, error);
}

recsys_status recsys_store_remove_embeddings(recsys_store *store, const char *fingerprint, const int64_t *items,
                                             const int64_t *pictures, size_t n, recsys_error *error) {
  sqlite3_stmt *remove = NULL;
  recsys_status status = recsys__check_ids(items, n, "items", error);
  if (!status && pictures)
    status = recsys__check_ids(pictures, n, "pictures", error);
  if (!status)
    status = recsys__write_begin(store, true, error);
  if (status)
    return status;
  status =
      recsys__db_prepare(store, &remove,
                         "DELETE FROM embedding WHERE item = ?1 AND (?2 IS NULL OR picture = ?2) AND space = (SELECT "
                         "id FROM space WHERE CASE WHEN ?3 IS NULL THEN is_default ELSE fingerprint = ?3 END)",
                         error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(remove, 1, items[i]);
    if (pictures)
      sqlite3_bind_int64(remove, 2, pictures[i]);
    if (fingerprint)
      sqlite3_bind_text(remove, 3, fingerprint, -1, SQLITE_STATIC);
    status = recsys__db_step(store, remove, error);
  }
  sqlite3_finalize(remove);
  return recsys__write_end(store, status, error);
}

/* One of the three tables of fields; values given: labels of that value only. */
static recsys_status remove_field(recsys_store *store, const char *sql, const int64_t *items, const char *const *fields,
                                  const char *const *values, size_t n, recsys_error *error) {
  sqlite3_stmt *remove = NULL;
  recsys_status status = recsys__db_prepare(store, &remove, sql, error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(remove, 1, items[i]);
    sqlite3_bind_text(remove, 2, fields[i], -1, SQLITE_STATIC);
    if (values)
      sqlite3_bind_text(remove, 3, values[i], -1, SQLITE_STATIC);
    status = recsys__db_step(store, remove, error);
  }
  sqlite3_finalize(remove);
  return status;
}

recsys_status recsys_store_remove_labels(recsys_store *store, const int64_t *items, const char *const *fields,
                                         const char *const *values, size_t n, recsys_error *error) {
  recsys_status status = recsys__check_ids(items, n, "items", error);
  if (!status)
    status = recsys__check_texts(fields, n, 1024, "fields", error);
  if (!status && values)
    status = recsys__check_texts(values, n, 1u << 20, "values", error);
  if (!status)
    status = recsys__write_begin(store, true, error);
  if (status)
    return status;
  status = remove_field(store, "DELETE FROM label WHERE item = ?1 AND field = ?2 AND (?3 IS NULL OR value = ?3)", items,
                        fields, values, n, error);
  if (!status && !values)
    status = remove_field(store, "DELETE FROM number WHERE item = ?1 AND field = ?2", items, fields, NULL, n, error);
  if (!status && !values)
    status = remove_field(store, "DELETE FROM text WHERE item = ?1 AND field = ?2", items, fields, NULL, n, error);
  return recsys__write_end(store, status, error);
}

recsys_status recsys_store_remove_ratings(recsys_store *store, const int64_t *users, const int64_t *items, size_t n,
                                          recsys_error *error) {
  recsys_status status = recsys__check_ids(users, n, "users", error);
  if (!status)
    status = recsys__check_ids(items, n, "items", error);
  return status
             ? status
             : remove_rows(store, "DELETE FROM rating WHERE user = ? AND item = ?", users, items, NULL, NULL, n, error);
}

recsys_status recsys_store_remove_space(recsys_store *store, const char *fingerprint, recsys_error *error) {
  int64_t count, is_default = 0;
  sqlite3_stmt *find = NULL, *remove = NULL;
  recsys_status status = recsys__check_texts(&fingerprint, 1, 128, "fingerprint", error);
  if (!status)
    status = recsys__write_begin(store, true, error);
  if (status)
    return status;
  status = recsys__db_number(store, "SELECT count(*) FROM space", &count, error);
  if (!status)
    status = recsys__db_prepare(store, &find, "SELECT is_default FROM space WHERE fingerprint = ?", error);
  if (!status) {
    sqlite3_bind_text(find, 1, fingerprint, -1, SQLITE_STATIC);
    if (sqlite3_step(find) == SQLITE_ROW)
      is_default = sqlite3_column_int64(find, 0);
  }
  sqlite3_finalize(find);
  if (!status && is_default && count > 1)
    status = recsys__fail(error, RECSYS_EINVAL, 0,
                          "'%.64s' is the default space; make another one the default before removing it", fingerprint);
  if (!status)
    status = recsys__db_prepare(store, &remove, "DELETE FROM space WHERE fingerprint = ?", error);
  if (!status) {
    sqlite3_bind_text(remove, 1, fingerprint, -1, SQLITE_STATIC);
    status = recsys__db_step(store, remove, error);
  }
  sqlite3_finalize(remove);
  return recsys__write_end(store, status, error);
}
