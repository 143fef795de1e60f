/* One small pool of threads for the whole library, started at first use; and threads that block every signal. */
#ifndef RECSYS_BASE_THREAD_H
#define RECSYS_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The processors that this process may use (affinity and cgroup), at least 1; and `threads`, or that where it is 0. */
uint32_t recsys__cpu_count(void);
uint32_t recsys__thread_count(uint32_t threads);

/* Calls fn(context, part) for every part 0..parts-1, on the calling thread and at most threads - 1 of the pool's, and
 * returns when all are done. Parts are handed out in rising order. Results must not depend on which thread runs which
 * part. If no thread can be started, or inside a pool thread, everything runs on the calling one: it cannot fail.
 * Several callers may be inside at once. After a fork the child's pool starts anew. */
typedef void (*recsys__part_fn)(void *context, size_t part);
void recsys__parallel(uint32_t threads, size_t parts, recsys__part_fn fn, void *context);

/* A thread of our own with all signals blocked; joined with pthread_join. 0 or an errno. */
int recsys__thread_start(pthread_t *thread, void *(*run)(void *), void *context);

/* How often this process was forked since the library was loaded, as seen from here: differs between parent and child.
 * Compare it with the value kept at a handle's creation to see that the handle was inherited. */
uint64_t recsys__fork_generation(void);

/* For what a forked child goes on using: where *kept is an earlier one, calls renew(context), which makes new
 * mutexes and forgets what is the parent's, and sets it to the present one; of several threads, one does. */
void recsys__fork_renew(_Atomic uint64_t *kept, void (*renew)(void *), void *context);

#endif
