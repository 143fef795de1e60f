/* Where an engine's shared object may lie. */
#include "engine/search.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The folder of the object that this code is in: librecsys.so, or the program that it was linked into. */
static recsys_status add_beside(recsys__engine_paths *paths, const char *name, recsys_error *error) {
  static const char here = 0;
  Dl_info info;
  if (dladdr(&here, &info) == 0 || info.dli_fname == NULL)
    return RECSYS_OK;
  const char *slash = strrchr(info.dli_fname, '/');
  if (slash == NULL)
    return add(paths, file_in(".", 1, name), error);
  return add(paths, file_in(info.dli_fname, (size_t)(slash - info.dli_fname), name), error);
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
