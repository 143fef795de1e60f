/*
 * Opening engines, once per process and file. dlopen itself runs on the engine's thread, so that threads which a
 * framework starts while it is loaded inherit the blocked signals, too.
 */
#include "engine/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/opened.h"
#include "engine/search.h"

/* All engines of this process. A forked child has a registry of its own: the parent's threads do not exist there, and
 * its mutex may have been held by one of them. */
typedef struct registry {
  uint64_t generation;
  pthread_mutex_t mutex;
  recsys__engine *engines;
} registry;

static _Atomic(registry *) current;

static registry *get_registry(recsys_error *error) {
  for (;;) {
    registry *old = atomic_load(&current);
    if (old != NULL && old->generation == recsys__fork_generation())
      return old;
    registry *fresh = recsys__calloc(1, sizeof *fresh);
    if (fresh == NULL) {
      recsys__no_memory(error, "the list of engines");
      return NULL;
    }
    fresh->generation = recsys__fork_generation();
    pthread_mutex_init(&fresh->mutex, NULL);
    /* The inherited registry is left alone: models that the child inherited still point to its engines. */
    if (!atomic_compare_exchange_strong(&current, &old, fresh))
      recsys__free(fresh);
  }
}

static void *host_alloc(size_t align, size_t size) {
  return recsys__alloc_aligned(align, size, 1);
}

static const recsys_host host = {sizeof host, RECSYS_ENGINE_ABI, host_alloc, recsys__free};

typedef struct opening {
  recsys__engine *engine;
  recsys_status status;
  recsys_error *error;
} opening;

static recsys_status check_table(const recsys_engine *table, const char *path, recsys_error *error) {
  if (table->abi != RECSYS_ENGINE_ABI || table->struct_size < sizeof *table)
    return recsys__fail(error, RECSYS_EVERSION, 0,
                        "engine %s speaks engine interface %u, this library %u: install the two from one release", path,
                        table->abi, (unsigned)RECSYS_ENGINE_ABI);
  return RECSYS_OK;
}

static void open_job(void *context) {
  opening *o = context;
  recsys__engine *engine = o->engine;
  void *object = dlopen(engine->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (object == NULL) {
    o->status =
        recsys__fail(o->error, RECSYS_ENOENGINE, 0, "cannot open engine %.90s: %.130s", engine->path, dlerror());
    return;
  }
  union {
    void *pointer;
    recsys_engine_entry_fn fn;
  } entry = {dlsym(object, "recsys_engine_entry")};
  if (entry.pointer == NULL) {
    o->status =
        recsys__fail(o->error, RECSYS_ENOENGINE, 0, "%s is no engine: it has no recsys_engine_entry", engine->path);
    return;
  }
  recsys_error reason = {0};
  engine->table = entry.fn(RECSYS_ENGINE_ABI, &host, &reason);
  if (engine->table == NULL)
    o->status = recsys__fail(o->error, RECSYS_ENOENGINE, 0, "engine %.80s cannot work here: %.120s", engine->path,
                             reason.message);
  else
    o->status = check_table(engine->table, engine->path, o->error);
}

static recsys__engine *find(const registry *all, const char *path) {
  recsys__engine *e = all->engines;
  while (e != NULL && strcmp(e->path, path) != 0)
    e = e->next;
  return e;
}

/* With its thread, in the list; not opened yet. */
static recsys_status add_engine(registry *all, const char *path, recsys__engine **out, recsys_error *error) {
  recsys__engine *engine = recsys__calloc(1, sizeof *engine);
  if (engine == NULL || (engine->path = recsys__strdup(path)) == NULL) {
    recsys__free(engine);
    return recsys__no_memory(error, "an engine");
  }
  recsys_status status = recsys__worker_start(&engine->worker, error);
  if (status != RECSYS_OK) {
    recsys__free(engine->path);
    recsys__free(engine);
    return status;
  }
  engine->next = all->engines;
  all->engines = engine;
  *out = engine;
  return RECSYS_OK;
}

/* One that failed stays in the list, with its idle thread, and is tried again. */
static recsys_status open_file(registry *all, const char *path, recsys__engine **out, recsys_error *error) {
  recsys__engine *engine = find(all, path);
  recsys_status status = RECSYS_OK;
  if (engine == NULL || engine->table == NULL)
    status = recsys__engine_check_libtorch(path, error);
  if (status == RECSYS_OK && engine == NULL)
    status = add_engine(all, path, &engine, error);
  if (status == RECSYS_OK && engine->table == NULL) {
    opening o = {.engine = engine, .error = error};
    recsys__worker_do(&engine->worker, open_job, &o);
    status = o.status;
    if (status != RECSYS_OK)
      engine->table = NULL;
  }
  if (status == RECSYS_OK)
    *out = engine;
  return status;
}

/* Letters, digits, '-' and '_': what can stand in a file name. */
static bool valid_name(const char *name) {
  size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
  return n > 0 && n <= 32 && name[n] == '\0';
}

static recsys_status fail_missing(const recsys__engine_paths *paths, const char *name, recsys_error *error) {
  recsys__string tried = {0};
  for (int i = 0; i < paths->count; i++)
    recsys__string_printf(&tried, "%s%s", i > 0 ? ", " : "", paths->list[i]);
  recsys_status status = recsys__fail(error, RECSYS_ENOENGINE, ENOENT,
                                      "there is no engine '%s'; tried %s; install it, or set RECSYS_ENGINE_PATH", name,
                                      tried.failed || tried.data == NULL ? "" : tried.data);
  recsys__string_free(&tried);
  return status;
}

typedef recsys_status (*open_fn)(const char *file, recsys__engine **out, recsys_error *error);

static recsys_status open_here(const char *file, recsys__engine **out, recsys_error *error) {
  registry *all = get_registry(error);
  if (all == NULL)
    return RECSYS_ENOMEM;
  pthread_mutex_lock(&all->mutex);
  recsys_status status = open_file(all, file, out, error);
  pthread_mutex_unlock(&all->mutex);
  return status;
}

static recsys_status open_elsewhere(const char *file, recsys__engine **out, recsys_error *error) {
  recsys__engine *engine = recsys__calloc(1, sizeof *engine);
  if (engine == NULL || (engine->path = recsys__strdup(file)) == NULL) {
    recsys__free(engine);
    return recsys__no_memory(error, "an engine");
  }
  recsys_status status = recsys__isolated_open(&engine->isolated, file, error);
  if (status == RECSYS_OK)
    *out = engine;
  else
    recsys__engine_close(engine);
  return status;
}

static recsys_status open_named(const char *name, const char *path, open_fn open, recsys__engine **out,
                                recsys_error *error) {
  recsys__engine_paths paths;
  recsys_status status = recsys__engine_paths_find(&paths, name, path, error);
  if (status != RECSYS_OK)
    return status;
  char *file = NULL;
  for (int i = 0; i < paths.count && file == NULL; i++)
    file = realpath(paths.list[i], NULL);
  status = file != NULL ? open(file, out, error) : fail_missing(&paths, name, error);
  free(file);
  recsys__engine_paths_free(&paths);
  return status;
}

/* In the order in which "auto" tries them. */
static const char *const automatic[] = {"onednn", "torch"};

static recsys_status open_engine(const char *name, const char *path, open_fn open, recsys__engine **engine,
                                 recsys_error *error) {
  *engine = NULL;
  if (name != NULL && strcmp(name, "auto") != 0) {
    if (!valid_name(name))
      return recsys__fail(error, RECSYS_EINVAL, 0, "'%.40s' is no engine's name: use \"auto\", \"onednn\" or \"torch\"",
                          name);
    return open_named(name, path, open, engine, error);
  }
  recsys_status status = RECSYS_ENOENGINE;
  for (size_t i = 0; i < sizeof automatic / sizeof automatic[0] && status == RECSYS_ENOENGINE; i++)
    status = open_named(automatic[i], path, open, engine, error);
  return status;
}

recsys_status recsys__engine_open(recsys__engine **engine, const char *name, const char *path, recsys_error *error) {
  return open_engine(name, path, open_here, engine, error);
}

recsys_status recsys__engine_isolate(recsys__engine **engine, const char *name, const char *path, recsys_error *error) {
  return open_engine(name, path, open_elsewhere, engine, error);
}

void recsys__engine_close(recsys__engine *engine) {
  if (engine == NULL || engine->table != NULL)
    return;
  recsys__isolated_close(engine->isolated);
  recsys__free(engine->path);
  recsys__free(engine);
}

const char *recsys__engine_name(const recsys__engine *engine) {
  return engine->isolated != NULL ? recsys__isolated_name(engine->isolated) : engine->table->name;
}

bool recsys__engine_trains(const recsys__engine *engine) {
  return engine->isolated != NULL ? recsys__isolated_trains(engine->isolated) : engine->table->train != NULL;
}

const char *recsys__engine_version(const recsys__engine *engine) {
  return engine->isolated != NULL ? recsys__isolated_version(engine->isolated) : engine->table->version;
}

const char *recsys__engine_path(const recsys__engine *engine) {
  return engine->path;
}

typedef struct question {
  recsys__engine *engine;
  const char *device;
  int32_t answer;
} question;

static void bfloat16_job(void *context) {
  question *q = context;
  q->answer = q->engine->table->supports_bfloat16(q->device);
}

int32_t recsys__engine_bfloat16(recsys__engine *engine, const char *device) {
  if (engine->isolated != NULL)
    return recsys__isolated_bfloat16(engine->isolated, device);
  question q = {engine, device, 0};
  recsys__worker_do(&engine->worker, bfloat16_job, &q);
  return q.answer;
}
