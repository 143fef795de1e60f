/* Mutexes that outlive a fork: it waits until it holds them all, so that parent and child find what they guard whole.
 */
#ifndef RECSYS_BASE_LOCK_H
#define RECSYS_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Order: an outer lock may be held while an inner one is taken, never the other way, and never two of a kind. */
typedef struct recsys__lock {
  pthread_mutex_t mutex;
  bool outer;
  void (*before_fork)(void *context); /* outer only, may be NULL: called by a fork that holds the lock */
  void *context;
  _Atomic uintptr_t owner; /* the thread that holds it; 0: none */
  bool forking;            /* the fork holds it */
  struct recsys__lock *next, **link;
} recsys__lock;

void recsys__lock_init(recsys__lock *lock);
void recsys__lock_init_outer(recsys__lock *lock, void (*fn)(void *context), void *context);
void recsys__lock_destroy(recsys__lock *lock); /* of an initialised one */
void recsys__lock_take(recsys__lock *lock);
void recsys__lock_give(recsys__lock *lock);

#endif
