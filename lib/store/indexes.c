/* The indexes of a store: who has one, opening, saving, and what other processes do to their files. */
#include "store/index.h"

#include <jansson.h>
#include <string.h>

#include "base/options.h"
#include "base/thread.h"

enum { LINKS = 16, BUILD_EFFORT = 100 };

recsys__index *recsys__index_of(recsys__store_core *core, int64_t space) {
  recsys__lock_take(&core->latch);
  recsys__index *index = core->indexes;
  while (index && index->space != space)
    index = index->next;
  recsys__ref_retain(index);
  recsys__lock_give(&core->latch);
  return index;
}

/* Takes the index of a space out of the list. */
static recsys__index *take_out(recsys__store_core *core, int64_t space) {
  recsys__index **link = &core->indexes;
  while (*link && (*link)->space != space)
    link = &(*link)->next;
  recsys__index *found = *link;
  if (found)
    *link = found->next;
  return found;
}

void recsys__index_publish(recsys__store_core *core, recsys__index *index) {
  recsys__lock_take(&core->latch);
  recsys__index *old = take_out(core, index->space);
  index->next = core->indexes;
  core->indexes = index;
  recsys__lock_give(&core->latch);
  recsys__ref_release(old);
}

static bool drop(recsys__store_core *core, int64_t space) {
  recsys__lock_take(&core->latch);
  recsys__index *old = take_out(core, space);
  recsys__lock_give(&core->latch);
  recsys__ref_release(old);
  return old != NULL;
}

void recsys__indexes_free(recsys__store_core *core) {
  while (core->indexes)
    drop(core, core->indexes->space);
  recsys__free(core->index_marks);
}

static const recsys__space *space_of(const recsys__view *view, int64_t id) {
  for (size_t i = 0; i < view->space_count; i++)
    if (view->spaces[i].id == id)
      return &view->spaces[i];
  return NULL;
}

static bool keeps_files(const recsys_store *store) {
  return store->file && !(store->options.flags & (RECSYS_STORE_READ_ONLY | RECSYS_STORE_IMMUTABLE));
}

static void follow(recsys_store *store, recsys__index *index, const recsys__space *space) {
  recsys_error error;
  if (space->rows == index->rows || atomic_load(&index->broken))
    return;
  recsys__index_close_gate(index);
  recsys_status status = recsys__index_update(index, space->rows, store->core->threads, NULL, NULL, &error);
  if (status)
    atomic_store(&index->broken, true);
  recsys__index_open_gate(index);
  if (!status)
    return;
  recsys__log_write(&store->log, RECSYS_LOG_WARNING, "the index of space '%.60s' is lost: %s", space->fingerprint,
                    error.message);
  drop(store->core, index->space);
}

void recsys__indexes_follow(recsys_store *store) {
  const recsys__view *view = recsys__store_view(store);
  for (recsys__index *index = store->core->indexes, *next; index; index = next) {
    const recsys__space *space = space_of(view, index->space);
    next = index->next;
    if (space && space->dim == index->rows->dim) {
      follow(store, index, space);
      continue;
    }
    if (keeps_files(store))
      recsys__index_unlink(store, index->space, NULL);
    drop(store->core, index->space);
  }
  recsys__view_release(view);
}

static const char *fingerprint_of(const recsys__view *view, int64_t space) {
  const recsys__space *found = space_of(view, space);
  return found ? found->fingerprint : "";
}

/* Over its own file, or over another process's index with the same numbers: both follow the store. */
static bool may_save(recsys_store *store, const recsys__index *index) {
  recsys__index_news news = recsys__index_news_of(store, index->space);
  if (news != RECSYS__FILE_CHANGED)
    return news == RECSYS__FILE_SAME;
  const recsys__view *view = recsys__store_view(store);
  bool like = recsys__index_is_like(store, index, fingerprint_of(view, index->space));
  recsys__view_release(view);
  return like;
}

void recsys__indexes_save(recsys_store *store) {
  recsys_error error;
  for (recsys__index *index = store->core->indexes; keeps_files(store) && index; index = index->next) {
    if (!index->unsaved || atomic_load(&index->broken))
      continue;
    if (!may_save(store, index)) {
      recsys__log_write(&store->log, RECSYS_LOG_INFO,
                        "the index of this handle was not saved: another process has replaced or removed its file");
      continue;
    }
    if (recsys__index_save(store, index, &error))
      recsys__log_write(&store->log, RECSYS_LOG_WARNING, "the index was not saved: %s", error.message);
    else
      index->unsaved = false;
  }
}

static recsys_status open_one(recsys_store *store, const recsys__space *space, recsys_error *error) {
  recsys__hnsw_shape shape = {RECSYS_METRIC_COSINE, LINKS, BUILD_EFFORT};
  recsys__index *index = NULL;
  const recsys__watcher watcher = {store->options.progress, store->options.progress_user};
  recsys_status status = recsys__index_load(store, space, &watcher, &index, &shape, error);
  bool unread = status == RECSYS_EVERSION || status == RECSYS_EIO || status == RECSYS_EREADONLY;
  bool useless = status && status != RECSYS_ENOMEM && status != RECSYS_ECANCELLED;
  if (useless && (unread || !keeps_files(store))) { /* it may be good all the same */
    recsys__log_write(&store->log, RECSYS_LOG_WARNING, "%s; searches are exact", error->message);
    return RECSYS_OK;
  }
  if (useless) {
    recsys__log_write(&store->log, RECSYS_LOG_WARNING, "%s; it is built anew", error->message);
    recsys__index_remember(store, space->id, true);
    index = recsys__index_new(space->id, space->rows, &shape);
    status = index ? RECSYS_OK : recsys__no_memory(error, "the index");
  }
  if (!status && index)
    status = recsys__index_update(index, space->rows, store->core->threads, watcher.progress, watcher.user, error);
  if (status || !index)
    recsys__ref_release(index);
  else
    recsys__index_publish(store->core, index);
  return status;
}

recsys_status recsys__indexes_open(recsys_store *store, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  recsys_error here;
  error = error ? error : &here; /* its text goes to the log */
  if (!store->file)
    return RECSYS_OK;
  const recsys__view *view = recsys__store_view(store);
  for (size_t i = 0; !status && i < view->space_count; i++)
    status = open_one(store, &view->spaces[i], error);
  recsys__view_release(view);
  if (!status)
    recsys__indexes_save(store);
  return status;
}

/* Takes over what another process has built, but not the same again: ours follows the store, too. */
static void take_news(recsys_store *store, const recsys__space *space) {
  const recsys__watcher nobody = {NULL, NULL};
  recsys__hnsw_shape shape;
  recsys__index *index = recsys__index_of(store->core, space->id), *theirs = NULL;
  recsys_error error;
  bool like = index && recsys__index_is_like(store, index, space->fingerprint);
  recsys__ref_release(index);
  if (like) {
    recsys__index_remember(store, space->id, true);
    return;
  }
  recsys_status status = recsys__index_load(store, space, &nobody, &theirs, &shape, &error);
  if (!status && theirs)
    recsys__index_publish(store->core, theirs);
  if (status)
    recsys__log_write(&store->log, RECSYS_LOG_WARNING, "%s; it is left alone", error.message);
  if (status == RECSYS_ENOMEM || status == RECSYS_EIO)
    recsys__index_forget(store, space->id); /* the next refresh may have more luck */
}

void recsys__indexes_refresh(recsys_store *store) {
  const recsys__view *view = recsys__store_view(store);
  for (size_t i = 0; store->file && i < view->space_count; i++) {
    recsys__index_news news = recsys__index_news_of(store, view->spaces[i].id);
    if (news == RECSYS__FILE_CHANGED)
      take_news(store, &view->spaces[i]);
    else if (news == RECSYS__FILE_GONE) {
      recsys__index_remember(store, view->spaces[i].id, true);
      drop(store->core, view->spaces[i].id);
    }
  }
  recsys__view_release(view);
  recsys__indexes_follow(store);
}

struct json_t *recsys__index_json(recsys__store_core *core, int64_t space) {
  recsys__index *index = recsys__index_of(core, space);
  json_t *json = NULL;
  if (index && recsys__index_enter(index)) {
    const recsys__hnsw_shape *shape = recsys__hnsw_shape_of(index->graph);
    size_t dead = recsys__hnsw_dead(index->graph), all = recsys__hnsw_count(index->graph);
    if (!atomic_load(&index->broken))
      json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "kind", "hnsw", "metric",
                       shape->metric == RECSYS_METRIC_EUCLIDEAN ? "euclidean" : "cosine", "links",
                       (json_int_t)shape->links, "effort", (json_int_t)shape->effort, "rows", (json_int_t)(all - dead),
                       "removed", (json_int_t)dead, "bytes", (json_int_t)recsys__hnsw_bytes(index->graph));
    recsys__index_leave(index);
  }
  recsys__ref_release(index);
  return json;
}

/* -- the public functions */

static recsys_status begin(recsys_store *store, const char *fingerprint, const recsys__view **view, int32_t *space,
                           recsys_error *error) {
  recsys_status status = recsys__db_take_fresh(store, error);
  if (status)
    return status;
  *view = recsys__store_view(store);
  return recsys__view_space(*view, fingerprint, space, error);
}

recsys_status recsys_store_build_index(recsys_store *store, const recsys_index_options *options, recsys_error *error) {
  recsys_index_options o;
  const recsys__view *view = NULL;
  int32_t number;
  recsys_status status = recsys__options_copy(&o, sizeof o, options, "recsys_index_options", error);
  if (!status && !store)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
  o.links = o.links ? o.links : LINKS;
  o.effort = o.effort ? o.effort : BUILD_EFFORT;
  if (!status && (o.metric > RECSYS_METRIC_EUCLIDEAN || o.links < 2 || o.links > 128 || o.effort > 10000))
    status = recsys__fail(error, RECSYS_EINVAL, 0,
                          "metric is COSINE or EUCLIDEAN, links 2 to 128, effort at most 10000; not %u, %u, %u",
                          o.metric, o.links, o.effort);
  if (status)
    return status;
  status = begin(store, o.fingerprint, &view, &number, error);
  if (!view)
    return status;
  recsys__hnsw_shape shape = {o.metric, o.links, o.effort};
  const recsys__space *space = status ? NULL : &view->spaces[number];
  recsys__index *index = space ? recsys__index_new(space->id, space->rows, &shape) : NULL;
  if (!status && !index)
    status = recsys__no_memory(error, "the index");
  if (!status)
    status = recsys__index_update(index, space->rows, store->core->threads, o.progress, o.progress_user, error);
  if (!status && keeps_files(store))
    status = recsys__index_save(store, index, error);
  if (!status) {
    index->unsaved = false;
    recsys__index_publish(store->core, index);
  } else {
    recsys__ref_release(index);
  }
  recsys__view_release(view);
  recsys__lock_give(&store->write);
  return status ? status : recsys__ok(error);
}

recsys_status recsys_store_remove_index(recsys_store *store, const char *fingerprint, recsys_error *error) {
  const recsys__view *view = NULL;
  int32_t number;
  if (!store)
    return recsys__fail(error, RECSYS_EINVAL, 0, "store is NULL; open one first");
  recsys_status status = begin(store, fingerprint, &view, &number, error);
  if (!view)
    return status;
  int64_t id = status ? 0 : view->spaces[number].id;
  recsys_status file = RECSYS_ENOTFOUND;
  if (!status && keeps_files(store))
    file = recsys__index_unlink(store, id, error); /* even one that could not be used */
  if (!status && file && file != RECSYS_ENOTFOUND)
    status = file;
  if (!status && !drop(store->core, id) && file == RECSYS_ENOTFOUND)
    status =
        recsys__fail(error, RECSYS_ENOTFOUND, 0, "the space '%.60s' has no index", view->spaces[number].fingerprint);
  recsys__view_release(view);
  recsys__lock_give(&store->write);
  return status ? status : recsys__ok(error);
}
