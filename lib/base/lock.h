/* Mutexes that a forked child can go on using. */
#ifndef RECSYS_BASE_LOCK_H
#define RECSYS_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

/* Brief locks are held for moments, and never two at once: a fork waits until it holds them all, so that the child
 * finds what they guard whole. The others may be held for long: a fork does not wait, and the child gets a new, free
 * one (what it guards must be seen as foreign there: compare recsys__fork_generation). */
typedef struct recsys__lock {
  pthread_mutex_t mutex;
  bool brief;
  struct recsys__lock *next, **link; /* in the list of all */
} recsys__lock;

void recsys__lock_init(recsys__lock *lock, bool brief);
void recsys__lock_destroy(recsys__lock *lock); /* of an initialised one */
void recsys__lock_take(recsys__lock *lock);
void recsys__lock_give(recsys__lock *lock);

#endif
