/*
 * One small pool of threads for the whole library. A call of recsys__parallel is a job: the caller posts it, works on
 * it, takes it off the list again, and waits only for the pool's threads that have really joined it. So a thread that
 * wakes too late costs nothing.
 */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

typedef struct job {
  recsys__part_fn fn;
  void *context;
  size_t parts;
  _Atomic size_t next;     /* the next part to hand out */
  uint32_t wanted;         /* how many more threads may join */
  _Atomic uint32_t active; /* pool threads inside; falls to 0 under the lock */
  struct job *after;
} job;

enum { MOST_THREADS = 1024, SPINS = 600 }; /* some 15 microseconds of looking before sleeping */

/* Everything but `posted` and `finished` (for looking without the lock) is guarded by the lock. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t work; /* a job was posted */
  pthread_cond_t done; /* a job has no thread inside any more */
  job *jobs;
  uint32_t started;        /* threads */
  uint32_t sleeping;       /* of these, waiting for `work` */
  uint32_t looking;        /* of these, spinning */
  _Atomic uint64_t posted; /* changes with every job */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static _Atomic uint64_t generation; /* forks so far */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static _Thread_local bool inside; /* is this thread working on a part? */

/* In the child only the forking thread lives on: the pool's threads are gone, and the lock may have been held by one.
 */
static void after_fork(void) {
  atomic_fetch_add(&generation, 1);
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.work, NULL);
  pthread_cond_init(&pool.done, NULL);
  pool.jobs = NULL;
  pool.started = pool.sleeping = pool.looking = 0;
}

static void watch_forks(void) {
  pthread_atfork(NULL, NULL, after_fork);
}

uint64_t recsys__fork_generation(void) {
  pthread_once(&fork_once, watch_forks);
  return atomic_load(&generation);
}

void recsys__fork_renew(_Atomic uint64_t *kept, void (*renew)(void *), void *context) {
  static const uint64_t renewing = UINT64_MAX; /* a generation that is none */
  uint64_t now = recsys__fork_generation(), before = atomic_load(kept);
  if (before == now)
    return;
  if (before != renewing && atomic_compare_exchange_strong(kept, &before, renewing)) {
    renew(context);
    atomic_store(kept, now);
  }
  while (atomic_load(kept) != now)
    sched_yield();
}

/* Signals that the host handles must reach the host's threads. Those that report a fault of the thread itself stay
 * open: blocked, they would kill the process past the host's crash reporter. */
static void block_signals(sigset_t *before) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  sigset_t blocked;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    sigdelset(&blocked, faults[i]);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, before);
}

int recsys__thread_start(pthread_t *thread, void *(*run)(void *), void *context) {
  sigset_t before;
  block_signals(&before); /* a new thread inherits the mask */
  int failed = pthread_create(thread, NULL, run, context);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void work_on(job *j) {
  bool before = inside;
  inside = true;
  for (;;) {
    size_t part = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
    if (part >= j->parts) {
      break;
    }
    j->fn(j->context, part);
  }
  inside = before;
}

/* The first job that still wants a thread. Called with the lock. */
static job *find_job(void) {
  job *j = pool.jobs;
  while (j != NULL && j->wanted == 0) {
    j = j->after;
  }
  return j;
}

/* Joins jobs until none wants a thread. Called with the lock, returns with it. */
static void work_on_all(void) {
  for (job *j = find_job(); j != NULL; j = find_job()) {
    j->wanted--;
    atomic_fetch_add_explicit(&j->active, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool.lock);
    work_on(j);
    pthread_mutex_lock(&pool.lock);
    /* Release: the caller may see 0 without the lock, and then reads the parts' results. */
    if (atomic_fetch_sub_explicit(&j->active, 1, memory_order_release) == 1) {
      pthread_cond_broadcast(&pool.done);
    }
  }
}

/* Looks for a new job for some microseconds: calls often come one after the other, and waking a thread is slow. Called
 * with the lock, returns with it. */
static void look_for_work(void) {
  uint64_t seen = atomic_load_explicit(&pool.posted, memory_order_relaxed);
  pool.looking++;
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < SPINS && atomic_load_explicit(&pool.posted, memory_order_relaxed) == seen; i++) {
    relax();
  }
  pthread_mutex_lock(&pool.lock);
  pool.looking--;
}

static void *run_worker(void *unused) {
  (void)unused;
  pthread_mutex_lock(&pool.lock);
  for (;;) {
    work_on_all();
    look_for_work();
    if (find_job() == NULL) {
      pool.sleeping++;
      pthread_cond_wait(&pool.work, &pool.lock);
      pool.sleeping--;
    }
  }
  return NULL;
}

/* Starts threads until there are `count`, or until one cannot be started. Called with the lock. */
static void grow(uint32_t count) {
  while (pool.started < count) {
    pthread_t thread;
    if (recsys__thread_start(&thread, run_worker, NULL) != 0) {
      return;
    }
    pthread_detach(thread);
    pool.started++;
  }
}

static void post(job *j) {
  pthread_mutex_lock(&pool.lock);
  grow(j->wanted);
  j->after = pool.jobs;
  pool.jobs = j;
  atomic_fetch_add_explicit(&pool.posted, 1, memory_order_relaxed);
  /* Threads that are looking come by themselves; what they lack is woken. */
  uint32_t wake = j->wanted > pool.looking ? j->wanted - pool.looking : 0;
  wake = wake < pool.sleeping ? wake : pool.sleeping;
  pthread_mutex_unlock(&pool.lock);
  for (uint32_t i = 0; i < wake; i++) {
    pthread_cond_signal(&pool.work);
  }
}

/* Takes the job off the list, so that nobody joins any more, and waits for those inside. */
static void finish(job *j) {
  pthread_mutex_lock(&pool.lock);
  for (job **at = &pool.jobs; *at != NULL; at = &(*at)->after) {
    if (*at == j) {
      *at = j->after;
      break;
    }
  }
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < SPINS && atomic_load_explicit(&j->active, memory_order_acquire) > 0; i++) {
    relax();
  }
  pthread_mutex_lock(&pool.lock); /* in any case: the last thread must be out of the job before it is gone */
  while (atomic_load_explicit(&j->active, memory_order_acquire) > 0) {
    pthread_cond_wait(&pool.done, &pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
}

void recsys__parallel(uint32_t threads, size_t parts, recsys__part_fn fn, void *context) {
  size_t most = threads < MOST_THREADS ? threads : MOST_THREADS;
  most = most < parts ? most : parts;
  job j = {.fn = fn, .context = context, .parts = parts};
  if (most <= 1 || inside) {
    for (size_t part = 0; part < parts; part++) {
      fn(context, part);
    }
    return;
  }
  uint64_t forks = recsys__fork_generation();
  j.wanted = (uint32_t)most - 1;
  post(&j);
  work_on(&j);
  if (recsys__fork_generation() == forks) { /* else a part has forked, and this is the child: nobody else is here */
    finish(&j);
  }
}
