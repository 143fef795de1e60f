/* recsys_store_open, _close, and what a store says of itself. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"
#include "base/thread.h"
#include "store/store.h"

static recsys_status load_all(recsys_store *store, recsys_error *error) {
  recsys__view *view = recsys__view_new(store->core);
  if (!view)
    return recsys__no_memory(error, "the view");
  recsys_status status = recsys__db_run(store, "BEGIN", "read", error);
  if (!status) {
    status = recsys__load(store, view, true, error);
    sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    recsys__db_trim(store);
  }
  if (status)
    recsys__view_release(view);
  else
    recsys__view_publish(store->core, view);
  return status;
}

recsys_status recsys_store_open(recsys_store **out, const char *location, const recsys_store_options *options,
                                recsys_error *error) {
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; pass the address of a handle");
  *out = NULL;
  if (!location || !*location)
    return recsys__fail(error, RECSYS_EINVAL, 0, "location is empty; pass a path or \":memory:\"");
  recsys_store *store = recsys__calloc(1, sizeof *store);
  if (!store)
    return recsys__no_memory(error, "the store");
  recsys__lock_init_outer(&store->write, recsys__db_disconnect, store);
  recsys_status status =
      recsys__options_copy(&store->options, sizeof store->options, options, "recsys_store_options", error);
  if (!status && store->options.flags > 7)
    status = recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                          "flags %u: this library knows RECSYS_STORE_READ_ONLY, "
                          "_MUST_EXIST and _IMMUTABLE",
                          store->options.flags);
  if (!status && (!(store->location = recsys__strdup(location)) ||
                  !(store->core = recsys__core_new(recsys__thread_count(store->options.threads)))))
    status = recsys__no_memory(error, "the store");
  store->log = (recsys__log){store->options.log, store->options.log_user};
  recsys__lock_take(&store->write);
  if (!status)
    status = recsys__db_open(store, error);
  if (!status)
    status = load_all(store, error);
  if (!status)
    status = recsys__indexes_open(store, error);
  recsys__lock_give(&store->write);
  if (status) {
    recsys_store_close(store);
    return status;
  }
  *out = store;
  return recsys__ok(error);
}

void recsys_store_close(recsys_store *store) {
  if (!store)
    return;
  recsys__lock_take(&store->write);
  if (store->core && store->generation == recsys__fork_generation())
    recsys__indexes_save(store);
  if (store->generation == recsys__fork_generation())
    sqlite3_close(store->db);
  recsys__lock_give(&store->write);
  recsys__store_core_release(store->core);
  recsys__lock_destroy(&store->write);
  recsys__free(store->location);
  recsys__free(store->file);
  recsys__free(store);
}

static uint64_t embeddings_of(const recsys__view *view) {
  uint64_t count = 0;
  for (size_t i = 0; i < view->space_count; i++)
    count += recsys__rows_count(view->spaces[i].rows);
  return count;
}

recsys_status recsys_store_get_info(recsys_store *store, recsys_store_info *info, recsys_error *error) {
  if (!store || !info)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "info" : "store");
  uint32_t size = info->struct_size;
  if (size < 8)
    return recsys__fail(error, RECSYS_EINVAL, 0, "info->struct_size is %u; set it to sizeof *info", size);
  const recsys__view *view = recsys__store_view(store);
  recsys_store_info full = {.schema_version = RECSYS__SCHEMA_VERSION,
                            .items = view->items.count,
                            .users = view->users.count,
                            .embeddings = embeddings_of(view),
                            .ratings = view->rating_count,
                            .labels = view->label_count,
                            .events = view->event_count,
                            .spaces = view->space_count,
                            .change = view->change};
  for (size_t i = 0; i < view->space_count; i++)
    if (view->spaces[i].is_default) {
      full.dim = view->spaces[i].dim;
      memcpy(full.fingerprint, view->spaces[i].fingerprint, strlen(view->spaces[i].fingerprint) + 1);
    }
  recsys__view_release(view);
  full.struct_size = size;
  if (size > sizeof full)
    memset((char *)info + sizeof full, 0, size - sizeof full);
  memcpy(info, &full, size < sizeof full ? size : sizeof full);
  return recsys__ok(error);
}

static json_t *spaces_json(const recsys__view *view) {
  json_t *spaces = json_array();
  for (size_t i = 0; i < view->space_count; i++) {
    const recsys__space *s = &view->spaces[i];
    json_array_append_new(spaces, json_pack("{s:s, s:i, s:s?, s:b, s:I, s:I, s:I, s:o?}", "fingerprint", s->fingerprint,
                                            "dim", (int)s->dim, "description", s->description, "default",
                                            (int)s->is_default, "embeddings", (json_int_t)recsys__rows_count(s->rows),
                                            "items", (json_int_t)recsys__rows_item_count(s->rows), "bytes",
                                            (json_int_t)recsys__rows_bytes(s->rows), "index",
                                            recsys__index_json(view->core, s->id)));
  }
  return spaces;
}

typedef struct {
  json_t *fields;
  const recsys__vocabulary *words;
} field_list;

static void add_field(field_list *list, const char *kind, int32_t field) {
  const char *name = recsys__vocabulary_text(list->words, field);
  size_t i = 0;
  for (; i < json_array_size(list->fields); i++) { /* by name, then kind */
    json_t *entry = json_array_get(list->fields, i);
    int order = strcmp(json_string_value(json_object_get(entry, "name")), name);
    if (!order)
      order = strcmp(json_string_value(json_object_get(entry, "kind")), kind);
    if (!order)
      return;
    if (order > 0)
      break;
  }
  json_array_insert_new(list->fields, i, json_pack("{s:s, s:s}", "name", name, "kind", kind));
}

static bool fields_of_item(void *context, int64_t id, void *value) {
  const recsys__item *item = value;
  (void)id;
  for (size_t i = 0; i < item->label_count; i++)
    if (!i || item->labels[i].field != item->labels[i - 1].field)
      add_field(context, "label", item->labels[i].field);
  for (size_t i = 0; i < item->number_count; i++)
    add_field(context, "number", item->numbers[i].field);
  for (size_t i = 0; i < item->text_count; i++)
    add_field(context, "text", item->texts[i].field);
  return true;
}

recsys_status recsys_store_describe(recsys_store *store, char *buffer, size_t size, size_t *length,
                                    recsys_error *error) {
  if (!store || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "buffer" : "store");
  const recsys__view *view = recsys__store_view(store);
  field_list list = {json_array(), &view->core->vocabulary};
  recsys__map_each(&view->items, fields_of_item, &list);
  json_t *json = json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "location", store->location,
                           "schema_version", RECSYS__SCHEMA_VERSION, "change", (json_int_t)view->change, "items",
                           (json_int_t)view->items.count, "users", (json_int_t)view->users.count, "embeddings",
                           (json_int_t)embeddings_of(view), "ratings", (json_int_t)view->rating_count, "labels",
                           (json_int_t)view->label_count, "events", (json_int_t)view->event_count, "spaces",
                           spaces_json(view), "fields", list.fields);
  recsys__view_release(view);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return recsys__no_memory(error, "the description");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
