/* recsys_store_get_... and recsys_store_list: from the newest view. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"

static recsys_status bad(recsys_error *error, const char *what) {
  return recsys__fail(error, RECSYS_EINVAL, 0, "%s", what);
}

recsys_status recsys_store_get_key(recsys_store *store, int32_t kind, int64_t id, char *buffer, size_t size,
                                   size_t *length, recsys_error *error) {
  char digits[32];
  if (!store || (size && !buffer))
    return bad(error, "store or buffer is NULL");
  if (kind != RECSYS_ITEMS && kind != RECSYS_USERS)
    return bad(error, "kind is neither RECSYS_ITEMS nor RECSYS_USERS");
  const recsys__view *view = recsys__store_view(store);
  const void *record = id < 0 ? NULL : recsys__map_get(kind == RECSYS_ITEMS ? &view->items : &view->users, id);
  const char *key = NULL;
  if (record)
    key = kind == RECSYS_ITEMS ? ((const recsys__item *)record)->key : ((const recsys__user *)record)->key;
  if (record && !key) {
    snprintf(digits, sizeof digits, "%lld", (long long)id);
    key = digits;
  }
  if (key)
    recsys__fill(buffer, size, length, key, strlen(key));
  recsys__view_release(view);
  return key ? recsys__ok(error)
             : recsys__fail(error, RECSYS_ENOTFOUND, 0, "no %s has id %lld", kind == RECSYS_ITEMS ? "item" : "user",
                            (long long)id);
}

recsys_status recsys_store_list(recsys_store *store, int32_t kind, int64_t after_id, int64_t *ids, size_t n,
                                size_t *count, recsys_error *error) {
  if (count)
    *count = 0;
  if (!store || !count || (n && !ids))
    return bad(error, "store, ids or count is NULL");
  if (kind != RECSYS_ITEMS && kind != RECSYS_USERS)
    return bad(error, "kind is neither RECSYS_ITEMS nor RECSYS_USERS");
  const recsys__view *view = recsys__store_view(store);
  *count =
      kind == RECSYS_ITEMS ? recsys__view_items(view, after_id, ids, n) : recsys__view_users(view, after_id, ids, n);
  recsys__view_release(view);
  return recsys__ok(error);
}

recsys_status recsys_store_get_embeddings(recsys_store *store, const char *fingerprint, const int64_t *items,
                                          const int64_t *pictures, size_t n, float *rows, recsys_status *statuses,
                                          recsys_error *error) {
  int32_t space;
  size_t missing = 0;
  recsys_status status = store ? recsys__check_ids(items, n, "items", error) : bad(error, "store is NULL");
  if (status)
    return status;
  const recsys__view *view = recsys__store_view(store);
  status = recsys__view_space(view, fingerprint, &space, error);
  uint32_t dim = status ? 0 : view->spaces[space].dim;
  for (size_t i = 0; i < n && !status; i++) {
    const float *row = recsys__rows_get(view->spaces[space].rows, items[i], pictures ? pictures[i] : 0);
    missing += !row;
    if (statuses)
      statuses[i] = row ? RECSYS_OK : RECSYS_ENOTFOUND;
    if (rows && row)
      memcpy(rows + i * dim, row, dim * sizeof *rows);
    else if (rows)
      memset(rows + i * dim, 0, dim * sizeof *rows);
  }
  recsys__view_release(view);
  if (status)
    return status;
  return missing ? recsys__fail(error, RECSYS_EPARTIAL, (int32_t)missing, "%zu of %zu pictures have no embedding",
                                missing, n)
                 : recsys__ok(error);
}

recsys_status recsys_store_get_label(recsys_store *store, int64_t item, const char *field, uint32_t index, char *buffer,
                                     size_t size, size_t *length, float *score, recsys_error *error) {
  const recsys__label *labels;
  if (!store || !field || (size && !buffer))
    return bad(error, "store, field or buffer is NULL");
  const recsys__view *view = recsys__store_view(store);
  bool found = index < recsys__view_labels(view, item, recsys__view_field(view, field), &labels);
  if (found) {
    const char *value = recsys__view_value_name(view, labels[index].value);
    recsys__fill(buffer, size, length, value, strlen(value));
    if (score)
      *score = labels[index].score;
  }
  recsys__view_release(view);
  return found ? recsys__ok(error)
               : recsys__fail(error, RECSYS_ENOTFOUND, 0, "item %lld has no label %u in field '%.60s'", (long long)item,
                              index, field);
}

recsys_status recsys_store_get_number(recsys_store *store, int64_t item, const char *field, double *value,
                                      recsys_error *error) {
  bool found = false;
  if (!store || !field || !value)
    return bad(error, "store, field or value is NULL");
  const recsys__view *view = recsys__store_view(store);
  const recsys__item *record = item < 0 ? NULL : recsys__map_get(&view->items, item);
  int32_t id = recsys__view_field(view, field);
  for (size_t i = 0; record && i < record->number_count && !found; i++)
    if ((found = record->numbers[i].field == id))
      *value = record->numbers[i].value;
  recsys__view_release(view);
  return found ? recsys__ok(error)
               : recsys__fail(error, RECSYS_ENOTFOUND, 0, "item %lld has no number in field '%.60s'", (long long)item,
                              field);
}

recsys_status recsys_store_get_text(recsys_store *store, int64_t item, const char *field, char *buffer, size_t size,
                                    size_t *length, recsys_error *error) {
  bool found = false;
  if (!store || !field || (size && !buffer))
    return bad(error, "store, field or buffer is NULL");
  const recsys__view *view = recsys__store_view(store);
  const recsys__item *record = item < 0 ? NULL : recsys__map_get(&view->items, item);
  int32_t id = recsys__view_field(view, field);
  for (size_t i = 0; record && i < record->text_count && !found; i++)
    if ((found = record->texts[i].field == id))
      recsys__fill(buffer, size, length, record->texts[i].value, strlen(record->texts[i].value));
  recsys__view_release(view);
  return found ? recsys__ok(error)
               : recsys__fail(error, RECSYS_ENOTFOUND, 0, "item %lld has no text in field '%.60s'", (long long)item,
                              field);
}

recsys_status recsys_store_get_ratings(recsys_store *store, int64_t user, int64_t after_item, int64_t *items,
                                       float *values, int64_t *times, size_t n, size_t *count, recsys_error *error) {
  const recsys__rating *ratings;
  if (count)
    *count = 0;
  if (!store || !count || (n && !items))
    return bad(error, "store, items or count is NULL");
  const recsys__view *view = recsys__store_view(store);
  size_t total = recsys__view_history(view, user, &ratings);
  for (size_t i = 0; i < total && *count < n; i++) {
    if (ratings[i].item <= after_item)
      continue;
    items[*count] = ratings[i].item;
    if (values)
      values[*count] = ratings[i].value;
    if (times)
      times[*count] = ratings[i].time;
    ++*count;
  }
  recsys__view_release(view);
  return recsys__ok(error);
}
