/* The list of all locks, and what a fork does with them. */
#include "base/lock.h"

#include <stdatomic.h>
#include <stddef.h>

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static recsys__lock *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uintptr_t self(void) {
  return (uintptr_t)pthread_self();
}

/* A thread that forks while it holds a lock itself (in a callback) goes on without it. */
static void take_all(bool outer) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->outer == outer) {
      lock->forking = atomic_load(&lock->owner) != self();
      if (lock->forking)
        pthread_mutex_lock(&lock->mutex);
    }
}

static void before_fork(void) {
  pthread_mutex_lock(&list_mutex);
  take_all(true);
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->forking && lock->before_fork)
      lock->before_fork(lock->context);
  take_all(false);
}

/* In parent and child alike: the forking thread, which lives on in both, gives back what it took. */
static void after_fork(void) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->forking) {
      lock->forking = false;
      pthread_mutex_unlock(&lock->mutex);
    }
  pthread_mutex_unlock(&list_mutex);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork, after_fork);
}

static void add(recsys__lock *lock) {
  pthread_once(&once, watch_forks);
  pthread_mutex_init(&lock->mutex, NULL);
  atomic_init(&lock->owner, 0);
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
  atomic_store_explicit(&lock->owner, self(), memory_order_relaxed);
}

void recsys__lock_give(recsys__lock *lock) {
  atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
  pthread_mutex_unlock(&lock->mutex);
}
