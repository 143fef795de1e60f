/* The list of all locks, and what a fork does with them. */
#include "base/lock.h"

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static recsys__lock *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void) {
  pthread_mutex_lock(&list_mutex);
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->brief)
      pthread_mutex_lock(&lock->mutex);
}

static void in_parent(void) {
  for (recsys__lock *lock = list; lock; lock = lock->next)
    if (lock->brief)
      pthread_mutex_unlock(&lock->mutex);
  pthread_mutex_unlock(&list_mutex);
}

static void in_child(void) {
  for (recsys__lock *lock = list; lock; lock = lock->next) {
    if (lock->brief)
      pthread_mutex_unlock(&lock->mutex);
    else
      pthread_mutex_init(&lock->mutex, NULL);
  }
  pthread_mutex_unlock(&list_mutex);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, in_parent, in_child);
}

void recsys__lock_init(recsys__lock *lock, bool brief) {
  pthread_once(&once, watch_forks);
  pthread_mutex_init(&lock->mutex, NULL);
  lock->brief = brief;
  pthread_mutex_lock(&list_mutex);
  lock->next = list;
  lock->link = &list;
  if (list)
    list->link = &lock->next;
  list = lock;
  pthread_mutex_unlock(&list_mutex);
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
