/* recsys_store_resolve and recsys_store_put_...: each one transaction. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"

recsys_status recsys__check_texts(const char *const *texts, size_t n, size_t limit, const char *what,
                                  recsys_error *error) {
  if (n && !texts)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL, but n is %zu", what, n);
  for (size_t i = 0; i < n; i++) {
    size_t length = texts[i] ? strlen(texts[i]) : 0;
    if (!length || length > limit || !recsys__utf8_valid(texts[i], length))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "%s[%zu] is not 1 to %zu bytes of UTF-8", what, i, limit);
  }
  return RECSYS_OK;
}

static recsys_status no_store(recsys_error *error) {
  return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
}

/* -- keys */

static recsys_status create_key(recsys_store *store, sqlite3_stmt *find, sqlite3_stmt *insert, const char *key,
                                int64_t *id, recsys_error *error) {
  sqlite3_bind_text(find, 1, key, -1, SQLITE_STATIC);
  if (sqlite3_step(find) == SQLITE_ROW) {
    *id = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    return RECSYS_OK;
  }
  sqlite3_reset(find);
  sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
  recsys_status status = recsys__db_step(store, insert, error);
  if (!status)
    *id = sqlite3_last_insert_rowid(store->db);
  return status;
}

static recsys_status create_keys(recsys_store *store, int32_t kind, const char *const *keys, size_t n, int64_t *ids,
                                 recsys_error *error) {
  sqlite3_stmt *find = NULL, *insert = NULL;
  recsys_status status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  bool item = kind == RECSYS_ITEMS;
  status = recsys__db_prepare(store, &find,
                              item ? "SELECT id FROM item WHERE key = ?" : "SELECT id FROM user WHERE key = ?", error);
  if (!status)
    status = recsys__db_prepare(store, &insert,
                                item ? "INSERT INTO item(key, change) VALUES(?, :change)"
                                     : "INSERT INTO user(key, change) VALUES(?, :change)",
                                error);
  for (size_t i = 0; i < n && !status; i++)
    if (ids[i] < 0)
      status = create_key(store, find, insert, keys[i], &ids[i], error);
  sqlite3_finalize(find);
  sqlite3_finalize(insert);
  return recsys__write_end(store, status, error);
}

recsys_status recsys_store_resolve(recsys_store *store, int32_t kind, const char *const *keys, size_t n, uint32_t flags,
                                   int64_t *ids, recsys_error *error) {
  size_t missing = 0, first = 0;
  if (!store || (n && !ids))
    return store ? recsys__fail(error, RECSYS_EINVAL, 0, "ids is NULL") : no_store(error);
  if (kind != RECSYS_ITEMS && kind != RECSYS_USERS)
    return recsys__fail(error, RECSYS_EINVAL, 0, "kind is %d; it is RECSYS_ITEMS or RECSYS_USERS", kind);
  recsys_status status = recsys__check_texts(keys, n, 1024, "keys", error);
  for (size_t i = 0; i < n; i++)
    ids[i] = -1;
  if (status)
    return status;
  const recsys__view *view = recsys__store_view(store);
  for (size_t i = n; i-- > 0;)
    if ((ids[i] = recsys__view_resolve(view, kind, keys[i])) < 0) {
      missing++;
      first = i;
    }
  recsys__view_release(view);
  if (!missing)
    return recsys__ok(error);
  if (flags & RECSYS_RESOLVE_CREATE)
    status = create_keys(store, kind, keys, n, ids, error);
  else
    return recsys__fail(error, RECSYS_EPARTIAL, (int32_t)missing,
                        "%zu of %zu keys are not known, the first is '%.100s'", missing, n, keys[first]);
  for (size_t i = 0; i < n && status; i++)
    ids[i] = -1;
  return status;
}

/* -- spaces and embeddings */

static recsys_status check_fingerprint(const char *fingerprint, uint32_t dim, recsys_error *error) {
  recsys_status status = recsys__check_texts(&fingerprint, 1, 128, "fingerprint", error);
  if (!status && (dim < 1 || dim > 65536))
    return recsys__fail(error, RECSYS_EINVAL, (int32_t)dim, "dim is %u; it lies in 1..65536", dim);
  return status;
}

/* The id of a space in the database, -1 where there is none; and whether there is any space at all. */
static recsys_status find_space(recsys_store *store, const char *fingerprint, int64_t *id, int64_t *dim, int64_t *count,
                                recsys_error *error) {
  sqlite3_stmt *find = NULL;
  recsys_status status = recsys__db_number(store, "SELECT count(*) FROM space", count, error);
  if (!status)
    status = recsys__db_prepare(store, &find, "SELECT id, dim FROM space WHERE fingerprint = ?", error);
  *id = -1;
  if (!status) {
    sqlite3_bind_text(find, 1, fingerprint, -1, SQLITE_STATIC);
    if (sqlite3_step(find) == SQLITE_ROW) {
      *id = sqlite3_column_int64(find, 0);
      *dim = sqlite3_column_int64(find, 1);
    }
  }
  sqlite3_finalize(find);
  return status;
}

/* What is as asked for already is left alone, so that saying it again is no change. */
static recsys_status write_space(recsys_store *store, const char *fingerprint, uint32_t dim, const char *description,
                                 bool make_default, int64_t *id, recsys_error *error) {
  sqlite3_stmt *put = NULL, *others = NULL;
  recsys_status status = recsys__db_prepare(
      store, &others, "UPDATE space SET is_default = 0, change = :change WHERE is_default AND fingerprint <> ?", error);
  if (!status && make_default) {
    sqlite3_bind_text(others, 2, fingerprint, -1, SQLITE_STATIC);
    status = recsys__db_step(store, others, error);
  }
  sqlite3_finalize(others);
  if (!status)
    status = recsys__db_prepare(
        store, &put,
        "INSERT INTO space(fingerprint, dim, description, is_default, change) VALUES(?1, ?2, ?3, ?4, :change) ON "
        "CONFLICT(fingerprint) DO UPDATE SET description = coalesce(?3, description), "
        "is_default = max(?4, is_default), change = excluded.change WHERE description IS NOT coalesce(?3, description) "
        "OR "
        "is_default < ?4 RETURNING id",
        error);
  if (status)
    return status;
  sqlite3_bind_text(put, 1, fingerprint, -1, SQLITE_STATIC);
  sqlite3_bind_int64(put, 2, dim);
  if (description)
    sqlite3_bind_text(put, 3, description, -1, SQLITE_STATIC);
  sqlite3_bind_int(put, 4, make_default);
  sqlite3_bind_int64(put, sqlite3_bind_parameter_index(put, ":change"), store->change + 1);
  int code = sqlite3_step(put);
  store->change += code == SQLITE_ROW;
  if (code == SQLITE_ROW) {
    *id = sqlite3_column_int64(put, 0);
    code = sqlite3_step(put);
  }
  sqlite3_finalize(put);
  return code == SQLITE_DONE ? RECSYS_OK : recsys__db_fail(store, store->db, code, "write", error);
}

static recsys_status other_dim(const char *fingerprint, int64_t has, uint32_t dim, recsys_error *error) {
  return recsys__fail(error, RECSYS_EMISMATCH, (int32_t)has,
                      "space '%.64s' has dimension %lld, not %u; rows of another size need a space of their own",
                      fingerprint, (long long)has, dim);
}

recsys_status recsys_store_put_space(recsys_store *store, const char *fingerprint, uint32_t dim,
                                     const char *description, uint32_t flags, recsys_error *error) {
  int64_t id, has = 0, count;
  recsys_status status = check_fingerprint(fingerprint, dim, error);
  if (!status && description && !recsys__utf8_valid(description, strlen(description)))
    status = recsys__fail(error, RECSYS_EINVAL, 0, "description is not UTF-8");
  if (!status)
    status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  status = find_space(store, fingerprint, &id, &has, &count, error);
  if (!status && id >= 0 && has != dim)
    status = other_dim(fingerprint, has, dim, error);
  if (!status)
    status =
        write_space(store, fingerprint, dim, description, count == 0 || (flags & RECSYS_SPACE_DEFAULT), &id, error);
  return recsys__write_end(store, status, error);
}

static recsys_status check_rows(const float *rows, size_t n, uint32_t dim, recsys_error *error) {
  if (n && !rows)
    return recsys__fail(error, RECSYS_EINVAL, 0, "rows is NULL, but n is %zu", n);
  for (size_t i = 0; i < n; i++) {
    bool zero = true;
    for (uint32_t j = 0; j < dim; j++) {
      if (!isfinite(rows[i * dim + j]))
        return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "row %zu holds NaN or infinity at %u", i, j);
      zero = zero && rows[i * dim + j] == 0;
    }
    if (zero)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "row %zu is all zero: it has no direction", i);
  }
  return RECSYS_OK;
}

typedef struct picture_of {
  int64_t item, picture;
  size_t at;
} picture_of;

static int by_picture(const void *a, const void *b) {
  const picture_of *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  if (x->picture != y->picture)
    return x->picture < y->picture ? -1 : 1;
  return (x->at > y->at) - (x->at < y->at);
}

static recsys_status check_twice(const int64_t *items, const int64_t *pictures, size_t n, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  picture_of *list = recsys__alloc(n, sizeof *list);
  if (!list)
    return recsys__no_memory(error, "the rows' order");
  for (size_t i = 0; i < n; i++)
    list[i] = (picture_of){items[i], pictures ? pictures[i] : 0, i};
  if (n)
    qsort(list, n, sizeof *list, by_picture);
  for (size_t i = 1; i < n && !status; i++)
    if (list[i].item == list[i - 1].item && list[i].picture == list[i - 1].picture)
      status =
          recsys__fail(error, RECSYS_EINVAL, (int32_t)list[i].at, "item %lld, picture %lld stands twice in one call",
                       (long long)list[i].item, (long long)list[i].picture);
  recsys__free(list);
  return status;
}

static recsys_status write_rows(recsys_store *store, int64_t space, uint32_t dim, const int64_t *items,
                                const int64_t *pictures, const float *rows, size_t n, recsys_error *error) {
  sqlite3_stmt *put = NULL;
  recsys_status status = recsys__db_prepare(
      store, &put,
      "INSERT INTO embedding(item, space, picture, vector, change) VALUES(?, ?, ?, ?, :change) ON CONFLICT(item, "
      "space, picture) DO UPDATE SET vector = excluded.vector, change = excluded.change WHERE vector <> "
      "excluded.vector",
      error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(put, 1, items[i]);
    sqlite3_bind_int64(put, 2, space);
    sqlite3_bind_int64(put, 3, pictures ? pictures[i] : 0);
    sqlite3_bind_blob(put, 4, rows + i * dim, (int)(dim * sizeof *rows), SQLITE_STATIC);
    status = recsys__db_step(store, put, error);
  }
  sqlite3_finalize(put);
  return status;
}

recsys_status recsys_store_put_embeddings(recsys_store *store, const char *fingerprint, uint32_t dim,
                                          const int64_t *items, const int64_t *pictures, const float *rows, size_t n,
                                          recsys_error *error) {
  int64_t space = -1, has = 0, count = 0;
  recsys_status status = check_fingerprint(fingerprint, dim, error);
  if (!status)
    status = recsys__check_ids(items, n, "items", error);
  if (!status && pictures)
    status = recsys__check_ids(pictures, n, "pictures", error);
  if (!status)
    status = check_rows(rows, n, dim, error);
  if (!status)
    status = check_twice(items, pictures, n, error);
  if (!status)
    status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  status = find_space(store, fingerprint, &space, &has, &count, error);
  if (!status && space < 0 && count)
    status = recsys__fail(error, RECSYS_EMISMATCH, 0,
                          "'%.60s' holds no space '%.64s': these rows were made another way; add it with "
                          "recsys_store_put_space if it is wanted",
                          store->location, fingerprint);
  if (!status && space >= 0 && has != dim)
    status = other_dim(fingerprint, has, dim, error);
  if (!status && space < 0)
    status = write_space(store, fingerprint, dim, NULL, true, &space, error);
  if (!status)
    status = recsys__write_ids(store, RECSYS_ITEMS, items, n, error);
  if (!status)
    status = write_rows(store, space, dim, items, pictures, rows, n, error);
  return recsys__write_end(store, status, error);
}

/* -- labels, numbers, texts */

typedef struct values {
  const char *sql;
  const char *const *words; /* labels, texts */
  const float *scores;      /* labels */
  const double *numbers;
} values;

static recsys_status put_values(recsys_store *store, const int64_t *items, const char *const *fields,
                                const values *what, size_t n, recsys_error *error) {
  sqlite3_stmt *put = NULL;
  recsys_status status = recsys__check_ids(items, n, "items", error);
  if (!status)
    status = recsys__check_texts(fields, n, 1024, "fields", error);
  if (!status)
    status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  status = recsys__write_ids(store, RECSYS_ITEMS, items, n, error);
  if (!status)
    status = recsys__db_prepare(store, &put, what->sql, error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(put, 1, items[i]);
    sqlite3_bind_text(put, 2, fields[i], -1, SQLITE_STATIC);
    if (what->words)
      sqlite3_bind_text(put, 3, what->words[i], -1, SQLITE_STATIC);
    else
      sqlite3_bind_double(put, 3, what->numbers[i]);
    if (sqlite3_bind_parameter_count(put) == 5) /* a label: with its score */
      sqlite3_bind_double(put, 4, what->scores ? (double)what->scores[i] : 1);
    status = recsys__db_step(store, put, error);
  }
  sqlite3_finalize(put);
  return recsys__write_end(store, status, error);
}

recsys_status recsys_store_put_labels(recsys_store *store, const int64_t *items, const char *const *fields,
                                      const char *const *labels, const float *scores, size_t n, recsys_error *error) {
  values what = {.sql = "INSERT INTO label(item, field, value, score, change) VALUES(?, ?, ?, ?, :change) ON "
                        "CONFLICT(item, field, value) "
                        "DO UPDATE SET score = excluded.score, change = excluded.change WHERE score <> excluded.score",
                 .words = labels,
                 .scores = scores};
  recsys_status status = recsys__check_texts(labels, n, 1u << 20, "values", error);
  for (size_t i = 0; scores && i < n && !status; i++)
    if (!(scores[i] >= 0 && scores[i] <= 1))
      status =
          recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "scores[%zu] is %g; it lies in 0..1", i, (double)scores[i]);
  return status ? status : put_values(store, items, fields, &what, n, error);
}

recsys_status recsys_store_put_numbers(recsys_store *store, const int64_t *items, const char *const *fields,
                                       const double *numbers, size_t n, recsys_error *error) {
  values what = {.sql = "INSERT INTO number(item, field, value, change) VALUES(?, ?, ?, :change) ON CONFLICT(item, "
                        "field) DO UPDATE SET "
                        "value = excluded.value, change = excluded.change WHERE value <> excluded.value",
                 .numbers = numbers};
  if (n && !numbers)
    return recsys__fail(error, RECSYS_EINVAL, 0, "values is NULL, but n is %zu", n);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(numbers[i]))
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "values[%zu] is not finite", i);
  return put_values(store, items, fields, &what, n, error);
}

recsys_status recsys_store_put_texts(recsys_store *store, const int64_t *items, const char *const *fields,
                                     const char *const *texts, size_t n, recsys_error *error) {
  values what = {.sql = "INSERT INTO text(item, field, value, change) VALUES(?, ?, ?, :change) ON CONFLICT(item, "
                        "field) DO UPDATE SET "
                        "value = excluded.value, change = excluded.change WHERE value <> excluded.value",
                 .words = texts};
  recsys_status status = recsys__check_texts(texts, n, 1u << 20, "values", error);
  return status ? status : put_values(store, items, fields, &what, n, error);
}

/* -- ratings */

uint64_t recsys__count_unknown(recsys_store *store, const int64_t *items, size_t n) {
  uint64_t unknown = 0;
  const recsys__view *view = recsys__store_view(store);
  for (size_t i = 0; i < n; i++) {
    const recsys__item *item = recsys__map_get(&view->items, items[i]);
    bool known = item && item->label_count + item->number_count + item->text_count > 0;
    for (size_t s = 0; s < view->space_count && !known; s++)
      known = recsys__view_has_embedding(view, (int32_t)s, items[i]);
    unknown += !known;
  }
  recsys__view_release(view);
  return unknown;
}

static recsys_status write_ratings(recsys_store *store, const int64_t *users, const int64_t *items,
                                   const float *ratings, const int64_t *times, size_t n, recsys_error *error) {
  sqlite3_stmt *put = NULL;
  recsys_status status = recsys__db_prepare(
      store, &put,
      "INSERT INTO rating(user, item, value, time, change) VALUES(?, ?, ?, ?, :change) ON "
      "CONFLICT(user, item) DO UPDATE SET value = excluded.value, time = "
      "excluded.time, change = excluded.change WHERE value <> excluded.value OR time IS NOT excluded.time",
      error);
  for (size_t i = 0; i < n && !status; i++) {
    sqlite3_bind_int64(put, 1, users[i]);
    sqlite3_bind_int64(put, 2, items[i]);
    sqlite3_bind_double(put, 3, (double)ratings[i]);
    sqlite3_bind_int64(put, 4, times ? times[i] : 0);
    status = recsys__db_step(store, put, error);
  }
  sqlite3_finalize(put);
  return status;
}

recsys_status recsys_store_put_ratings(recsys_store *store, const int64_t *users, const int64_t *items,
                                       const float *ratings, const int64_t *times, size_t n, uint64_t *unknown_items,
                                       recsys_error *error) {
  if (unknown_items)
    *unknown_items = 0;
  recsys_status status = recsys__check_ids(users, n, "users", error);
  if (!status)
    status = recsys__check_ids(items, n, "items", error);
  if (!status && n && !ratings)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "values is NULL, but n is %zu", n);
  for (size_t i = 0; i < n && !status; i++)
    if (!isfinite(ratings[i]))
      status = recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "values[%zu] is not finite", i);
  if (!status)
    status = recsys__write_begin(store, false, error);
  if (status)
    return status;
  status = recsys__write_ids(store, RECSYS_USERS, users, n, error);
  if (!status)
    status = recsys__write_ids(store, RECSYS_ITEMS, items, n, error);
  if (!status)
    status = write_ratings(store, users, items, ratings, times, n, error);
  status = recsys__write_end(store, status, error);
  if (!status && unknown_items)
    *unknown_items = recsys__count_unknown(store, items, n);
  return status;
}
