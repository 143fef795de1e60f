/* A child process that an engine runs in: the program recsys-worker, with a socket and a piece of common memory. */
#ifndef RECSYS_ENGINE_SPAWN_H
#define RECSYS_ENGINE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "recsys.h"

typedef struct recsys__child {
  pid_t pid; /* 0: there is none */
  int socket, memory;
} recsys__child;

/* Starts recsys-worker (beside the engine, else beside the library, else where it was installed) for the engine whose
 * shared object lies at `engine`. It inherits no other descriptors, no blocked signals and no handlers, and ends when
 * its socket is closed. */
recsys_status recsys__child_start(recsys__child *child, const char *engine, recsys_error *error);
bool recsys__child_lives(recsys__child *child);
/* After its socket was closed from its side: waits for its end and says how it came ("signal 9", "exit status 1"). */
void recsys__child_end(recsys__child *child, char *how, size_t size);
/* Closes the descriptors, and so ends the child; waits for it where its pid is not 0. */
void recsys__child_drop(recsys__child *child);

#endif
