/*
 * Progress of anything that lasts over a second, on stderr: a bar with rate and time left on a terminal, else a line
 * every few seconds. Ctrl-C asks the work to stop at a clean place; a second Ctrl-C ends the program at once.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
  const char *title; /* "Embedding" */
  const char *unit;  /* "pictures" */
  uint64_t base;     /* done before the call of the library that reports now */
  uint64_t total;    /* of all calls; 0: what the library says */
  uint64_t start;    /* done before the work began: not part of the rate */
  double began, drawn;
} progress;

/* "auto", "bar", "lines" or "none"; false for any other word. */
bool progress_choose(const char *mode);
/* `start` of `total` steps are done already. From here to progress_end Ctrl-C cancels. */
void progress_begin(progress *p, const char *title, const char *unit, uint64_t start, uint64_t total);
/* A recsys_progress_fn with a progress as its user pointer. */
int progress_callback(void *user, const char *phase, uint64_t done, uint64_t total);
/* For loops of our own: true when Ctrl-C was pressed. */
bool progress_step(progress *p, uint64_t done);
void progress_end(progress *p);
/* Takes the bar off the terminal, before a message. */
void progress_clear(void);

#endif
