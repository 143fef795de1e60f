/* Where an engine's shared object may lie. */
#include "engine/search.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#ifndef RECSYS_LIBDIR
#define RECSYS_LIBDIR "/usr/local/lib"
#endif

/* folder/librecsys-NAME.so */
static char *file_in(const char *folder, size_t length, const char *name) {
  size_t size = length + strlen(name) + sizeof "/librecsys-.so";
  char *path = recsys__alloc(size, 1);
  if (path != NULL)
    snprintf(path, size, "%.*s/librecsys-%s.so", (int)length, folder, name);
  return path;
}

static recsys_status add(recsys__engine_paths *paths, char *path, recsys_error *error) {
  if (path == NULL)
    return recsys__no_memory(error, "the path of an engine");
  for (int i = 0; i < paths->count; i++)
    if (strcmp(paths->list[i], path) == 0) {
      recsys__free(path);
      return RECSYS_OK;
    }
  paths->list[paths->count++] = path;
  return RECSYS_OK;
}

static recsys_status add_given(recsys__engine_paths *paths, const char *name, const char *path, recsys_error *error) {
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
    return add(paths, file_in(path, strlen(path), name), error);
  return add(paths, recsys__strdup(path), error);
}

/* The file of the object that this code is in: librecsys.so, or the program that it was linked into; or NULL. */
static const char *own_file(void) {
  static const char here = 0;
  Dl_info info;
  return dladdr(&here, &info) == 0 ? NULL : info.dli_fname;
}

static recsys_status add_beside(recsys__engine_paths *paths, const char *name, recsys_error *error) {
  const char *own = own_file();
  if (own == NULL)
    return RECSYS_OK;
  const char *slash = strrchr(own, '/');
  if (slash == NULL)
    return add(paths, file_in(".", 1, name), error);
  return add(paths, file_in(own, (size_t)(slash - own), name), error);
}

recsys_status recsys__engine_paths_find(recsys__engine_paths *paths, const char *name, const char *path,
                                        recsys_error *error) {
  *paths = (recsys__engine_paths){0};
  if (path == NULL)
    path = secure_getenv("RECSYS_ENGINE_PATH");
  if (path != NULL && path[0] != '\0')
    return add_given(paths, name, path, error);
  recsys_status status = add_beside(paths, name, error);
  if (status == RECSYS_OK)
    status = add(paths, file_in(RECSYS_LIBDIR, strlen(RECSYS_LIBDIR), name), error);
  if (status != RECSYS_OK)
    recsys__engine_paths_free(paths);
  return status;
}

void recsys__engine_paths_free(recsys__engine_paths *paths) {
  for (int i = 0; i < paths->count; i++)
    recsys__free(paths->list[i]);
  *paths = (recsys__engine_paths){0};
}

/* -- the program that runs an engine in a process of its own */

/* *program: `name` in the folder of `file`, or (file NULL) in RECSYS_LIBDIR, where that can be run; else NULL. */
static recsys_status try_worker(char **program, const char *file, recsys_error *error) {
  static const char name[] = "recsys-worker";
  const char *slash = file == NULL ? NULL : strrchr(file, '/');
  const char *folder = file == NULL ? RECSYS_LIBDIR : slash == NULL ? "." : file;
  size_t length = slash == NULL ? strlen(folder) : (size_t)(slash - file), size = length + sizeof name + 1;
  char *path = recsys__alloc(size, 1);
  *program = NULL;
  if (path == NULL)
    return recsys__no_memory(error, "the path of the engine's process");
  snprintf(path, size, "%.*s/%s", (int)length, folder, name);
  if (access(path, X_OK) == 0)
    *program = path;
  else
    recsys__free(path);
  return RECSYS_OK;
}

recsys_status recsys__engine_worker_find(char **program, const char *engine, recsys_error *error) {
  const char *given = secure_getenv("RECSYS_WORKER_PATH");
  if (given != NULL && given[0] != '\0') {
    *program = recsys__strdup(given);
    return *program != NULL ? RECSYS_OK : recsys__no_memory(error, "the path of the engine's process");
  }
  const char *files[] = {engine, own_file(), NULL};
  recsys_status status = RECSYS_OK;
  *program = NULL;
  for (int i = 0; i < 3 && status == RECSYS_OK && *program == NULL; i++)
    if (i != 1 || files[i] != NULL)
      status = try_worker(program, files[i], error);
  if (status == RECSYS_OK && *program == NULL)
    status = recsys__fail(error, RECSYS_ENOENGINE, ENOENT,
                          "the program recsys-worker lies neither beside the engine %.80s nor beside the library: "
                          "install it, or set RECSYS_WORKER_PATH",
                          engine);
  return status;
}
