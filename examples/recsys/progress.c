/* The progress bar, the progress lines, and Ctrl-C. */
#include "progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum { BAR, LINES, NONE, AUTO } mode = AUTO;
static bool bar_is_drawn;
static volatile sig_atomic_t interrupted;
static struct sigaction handler_before;
static const double first_after = 1.0, bar_every = 0.1, line_every = 5.0; /* seconds */

bool progress_choose(const char *word) {
  static const char *const words[] = {"bar", "lines", "none", "auto"};
  for (int i = 0; i < 4; i++) {
    if (!strcmp(word, words[i])) {
      mode = i;
      return true;
    }
  }
  return false;
}

static void interrupt(int number) {
  (void)number;
  interrupted = 1;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void progress_clear(void) {
  if (bar_is_drawn)
    fputs("\r\033[K", stderr);
  bar_is_drawn = false;
}

void progress_begin(progress *p, const char *title, const char *unit, uint64_t start, uint64_t total) {
  if (mode == AUTO)
    mode = isatty(STDERR_FILENO) ? BAR : LINES;
  *p = (progress){.title = title, .unit = unit, .base = start, .start = start, .total = total, .began = now()};
  p->drawn = p->began + first_after - line_every; /* the first line comes after the first second */
  /* SA_RESETHAND: who presses Ctrl-C again does not want to wait. */
  struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &handler_before);
  if (handler_before.sa_handler == SIG_IGN)
    sigaction(SIGINT, &handler_before, NULL);
}

void progress_end(progress *p) {
  (void)p;
  progress_clear();
  sigaction(SIGINT, &handler_before, NULL);
}

static void print_seconds(double seconds) {
  uint64_t s = (uint64_t)(seconds + 0.5);
  if (s < 60)
    fprintf(stderr, "%llu s", (unsigned long long)s);
  else if (s < 3600)
    fprintf(stderr, "%llu min %02llu s", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
  else
    fprintf(stderr, "%llu h %02llu min", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
}

static void print_rate(const progress *p, uint64_t done, uint64_t total, double seconds) {
  double rate = (double)(done - p->start) / seconds;
  if (!(rate > 0))
    return;
  fprintf(stderr, "  %.*f %s/s", rate < 10 ? 1 : 0, rate, p->unit);
  if (total > done) {
    fputs("  ", stderr);
    print_seconds((double)(total - done) / rate);
    fputs(" left", stderr);
  }
}

static void draw(const progress *p, uint64_t done, uint64_t total, double seconds) {
  enum { WIDTH = 28 };
  if (mode == BAR)
    fputs("\r\033[K", stderr);
  fprintf(stderr, "%s ", p->title);
  if (total && mode == BAR) {
    int filled = (int)((double)WIDTH * fmin(1, (double)done / (double)total));
    for (int i = 0; i < WIDTH; i++)
      fputs(i < filled ? "█" : "░", stderr);
    fputc(' ', stderr);
  }
  fprintf(stderr, "%llu", (unsigned long long)done);
  if (total)
    fprintf(stderr, " of %llu", (unsigned long long)total);
  print_rate(p, done, total, seconds);
  if (mode == BAR)
    bar_is_drawn = true;
  else
    fputc('\n', stderr);
  fflush(stderr);
}

int progress_callback(void *user, const char *phase, uint64_t done, uint64_t total) {
  progress *p = user;
  (void)phase;
  if (!p->total) {
    progress all = *p;
    all.total = total;
    bool stop = progress_step(&all, p->base + done);
    p->drawn = all.drawn;
    return stop;
  }
  return progress_step(p, p->base + done);
}

bool progress_step(progress *p, uint64_t done) {
  double time = now();
  if (mode != NONE && time - p->began >= first_after && time - p->drawn >= (mode == BAR ? bar_every : line_every)) {
    draw(p, done, p->total, time - p->began);
    p->drawn = time;
  }
  return interrupted != 0;
}
