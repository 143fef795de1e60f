/* The thread that an engine runs on: jobs in the order in which they come, each waited for by its caller. */
#ifndef RECSYS_ENGINE_WORKER_H
#define RECSYS_ENGINE_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "recsys.h"

typedef void (*recsys__job_fn)(void *context);

/* Lives with its caller until it is done. */
typedef struct recsys__job {
  recsys__job_fn fn;
  void *context;
  bool done;
  struct recsys__job *next;
} recsys__job;

typedef struct recsys__worker {
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
  recsys__job *first, *last;
} recsys__worker;

/* A thread that blocks all signals and never ends. The worker lives as long as the process. */
recsys_status recsys__worker_start(recsys__worker *worker, recsys_error *error);

void recsys__worker_put(recsys__worker *worker, recsys__job *job, recsys__job_fn fn, void *context);
void recsys__worker_wait(recsys__worker *worker, recsys__job *job);
/* Put and wait. */
void recsys__worker_do(recsys__worker *worker, recsys__job_fn fn, void *context);

#endif
