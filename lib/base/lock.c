/* The list of all locks, and what a fork does with them. */
#include "base/lock.h"

#include <stddef.h>

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static recsys__lock *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A thread that forks while it holds a lock itself (in a callback) goes on without it: EDEADLK. */
static void take_all(bool outer) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->outer == outer)
      lock->forking = pthread_mutex_lock(&lock->mutex) == 0;
}

static void before_fork(void) {
  pthread_mutex_lock(&list_mutex);
  take_all(true);
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->forking && lock->before_fork)
      lock->before_fork(lock->context);
  take_all(false);
}

static void after_fork(void) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->forking) {
      lock->forking = false;
      pthread_mutex_unlock(&lock->mutex);
    }
  pthread_mutex_unlock(&list_mutex);
}

static void error_checked(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

/* The child's thread has another number than the one that took the locks, so they are made anew: nobody else is here.
 */
static void in_child(void) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->forking) {
      lock->forking = false;
      error_checked(&lock->mutex);
    }
  pthread_mutex_init(&list_mutex, NULL);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork, in_child);
}

static void add(recsys__lock *lock) {
  pthread_once(&once, watch_forks);
  error_checked(&lock->mutex);
  lock->forking = false;
  pthread_mutex_lock(&list_mutex);
  lock->next = list;
  lock->link = &list;
  if (list)
    list->link = &lock->next;
  list = lock;
  pthread_mutex_unlock(&list_mutex);
}

void recsys__lock_init(recsys__lock *lock) {
  lock->outer = false;
  lock->before_fork = NULL;
  lock->context = NULL;
  add(lock);
}

void recsys__lock_init_outer(recsys__lock *lock, void (*fn)(void *context), void *context) {
  lock->outer = true;
  lock->before_fork = fn;
  lock->context = context;
  add(lock);
}

void recsys__lock_destroy(recsys__lock *lock) {
  pthread_mutex_lock(&list_mutex);
  *lock->link = lock->next;
  if (lock->next)
    lock->next->link = lock->link;
  pthread_mutex_unlock(&list_mutex);
  pthread_mutex_destroy(&lock->mutex);
}

void recsys__lock_take(recsys__lock *lock) {
  pthread_mutex_lock(&lock->mutex);
}

void recsys__lock_give(recsys__lock *lock) {
  pthread_mutex_unlock(&lock->mutex);
}
