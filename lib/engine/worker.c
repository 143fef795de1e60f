/* The thread that an engine runs on. */
#include "engine/worker.h"

#include <string.h>

#include "base/error.h"
#include "base/thread.h"

static recsys__job *take(recsys__worker *worker) {
  pthread_mutex_lock(&worker->mutex);
  while (worker->first == NULL)
    pthread_cond_wait(&worker->wake, &worker->mutex);
  recsys__job *job = worker->first;
  worker->first = job->next;
  pthread_mutex_unlock(&worker->mutex);
  return job;
}

static void *serve(void *context) {
  recsys__worker *worker = context;
  for (;;) {
    recsys__job *job = take(worker);
    job->fn(job->context);
    pthread_mutex_lock(&worker->mutex);
    job->done = true;
    pthread_cond_broadcast(&worker->done);
    pthread_mutex_unlock(&worker->mutex);
  }
  return NULL;
}

recsys_status recsys__worker_start(recsys__worker *worker, recsys_error *error) {
  *worker = (recsys__worker){
      .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
  pthread_t thread;
  int errnum = recsys__thread_start(&thread, serve, worker);
  if (errnum != 0)
    return recsys__fail(error, RECSYS_ENOMEM, errnum, "cannot start the engine's thread: %s", strerror(errnum));
  pthread_detach(thread);
  return RECSYS_OK;
}

void recsys__worker_put(recsys__worker *worker, recsys__job *job, recsys__job_fn fn, void *context) {
  *job = (recsys__job){.fn = fn, .context = context};
  pthread_mutex_lock(&worker->mutex);
  if (worker->first == NULL)
    worker->first = job;
  else
    worker->last->next = job;
  worker->last = job;
  pthread_cond_signal(&worker->wake);
  pthread_mutex_unlock(&worker->mutex);
}

void recsys__worker_wait(recsys__worker *worker, recsys__job *job) {
  pthread_mutex_lock(&worker->mutex);
  while (!job->done)
    pthread_cond_wait(&worker->done, &worker->mutex);
  pthread_mutex_unlock(&worker->mutex);
}

void recsys__worker_do(recsys__worker *worker, recsys__job_fn fn, void *context) {
  recsys__job job;
  recsys__worker_put(worker, &job, fn, context);
  recsys__worker_wait(worker, &job);
}
