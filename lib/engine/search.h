/* Where an engine's shared object may lie, and whether it may be opened in this process. */
#ifndef RECSYS_ENGINE_SEARCH_H
#define RECSYS_ENGINE_SEARCH_H

#include "recsys.h"

enum { RECSYS__ENGINE_PATHS = 4 };

/* The files to try, in order; freed with recsys__engine_paths_free. An explicit path or the environment's is the only
 * one. */
typedef struct recsys__engine_paths {
  char *list[RECSYS__ENGINE_PATHS];
  int count;
} recsys__engine_paths;

recsys_status recsys__engine_paths_find(recsys__engine_paths *paths, const char *name, const char *path,
                                        recsys_error *error);
void recsys__engine_paths_free(recsys__engine_paths *paths);

/* The program that runs an engine in a process of its own, recsys-worker: the environment's RECSYS_WORKER_PATH (not for
 * set-user-id programs), beside the engine, beside the library, where it was installed. Freed with recsys__free. */
recsys_status recsys__engine_worker_find(char **program, const char *engine, recsys_error *error);

/* RECSYS_ENOENGINE when opening the shared object `path` would bring a second libtorch into the process, naming both
 * files. Two of them abort it from their static initialisers, so nothing could be reported afterwards. */
recsys_status recsys__engine_check_libtorch(const char *path, recsys_error *error);

#endif
