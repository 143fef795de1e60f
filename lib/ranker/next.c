/*
 * next: what comes next in a session, by a first-order Markov chain over what shoppers did (Shani, Heckerman and
 * Brafman 2005, without smoothing):
 *
 *   score(j) = mean over the latest items i of the history of P(j | i)
 *   P(j | i) = n_ij / sum over l of n_il,  n_ij = sum of 2^(-(now - t) / half_life)
 *
 * over the transitions from i to j: i in one second and j in the shopper's next different second at time t, at most
 * `gap` minutes later. Events and ratings that have a time count alike.
 */
#include <stdlib.h>
#include <string.h>

#include "ranker/ranker.h"

enum { GAP };
static const recsys__parameter parameters[] = {
    [GAP] = {"gap", RECSYS__NUMBER, 0, 1e9, 30, NULL},
    {NULL},
};

typedef struct step {
  int64_t time;
  uint32_t item; /* place among the rated ones */
} step;

typedef struct transition {
  uint32_t from, to;
  double weight;
} transition;

typedef struct chain {
  const recsys__fitting *fitting;
  step *steps; /* of one user */
  size_t step_count, step_room;
  transition *list;
  size_t count, room;
  double gap; /* seconds */
  int64_t now;
} chain;

static int by_time(const void *a, const void *b) {
  const step *x = a, *y = b;
  if (x->time != y->time)
    return x->time < y->time ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

static int by_pair(const void *a, const void *b) {
  const transition *x = a, *y = b;
  if (x->from != y->from)
    return x->from < y->from ? -1 : 1;
  if (x->to != y->to)
    return x->to < y->to ? -1 : 1;
  return (x->weight > y->weight) - (x->weight < y->weight); /* a fixed order of summation */
}

static bool add_step(chain *c, int64_t item, int64_t time) {
  const recsys__interactions *x = &c->fitting->x;
  size_t place = recsys__place_of(x->items, x->by_user.columns, item);
  if (place == x->by_user.columns)
    return true;
  if (!recsys__grow((void **)&c->steps, &c->step_room, c->step_count + 1, sizeof *c->steps))
    return false;
  c->steps[c->step_count++] = (step){time, (uint32_t)place};
  return true;
}

/* What one user did, by time. */
static bool find_steps(chain *c, int64_t user) {
  const recsys__rating *ratings;
  const recsys__event *events;
  size_t rated = recsys__view_history(c->fitting->view, user, &ratings);
  size_t done = recsys__view_events(c->fitting->view, user, &events);
  bool ok = true;
  c->step_count = 0;
  for (size_t i = 0; i < rated && ok; i++)
    ok = ratings[i].time == 0 || add_step(c, ratings[i].item, ratings[i].time);
  for (size_t i = 0; i < done && ok; i++)
    ok = add_step(c, events[i].item, events[i].time);
  if (ok && c->step_count)
    qsort(c->steps, c->step_count, sizeof *c->steps, by_time);
  return ok;
}

static size_t end_of_second(const chain *c, size_t first) {
  size_t end = first;
  while (end < c->step_count && c->steps[end].time == c->steps[first].time)
    end++;
  return end;
}

/* A second with more is no visit but a delivery of data. */
enum { MOST_AT_ONCE = 64 };

static bool add_transitions(chain *c) {
  size_t first = 0, second = end_of_second(c, 0);
  while (second < c->step_count) {
    size_t end = end_of_second(c, second);
    int64_t time = c->steps[second].time;
    bool near = (double)time - (double)c->steps[first].time <= c->gap;
    double weight = recsys__faded(c->now, time, c->fitting->scale->half_life);
    for (size_t i = first; near && end - first <= MOST_AT_ONCE && i < second; i++)
      for (size_t j = second; j < end; j++) {
        if (!recsys__grow((void **)&c->list, &c->room, c->count + 1, sizeof *c->list))
          return false;
        c->list[c->count++] = (transition){c->steps[i].item, c->steps[j].item, weight};
      }
    first = second;
    second = end;
  }
  return true;
}

static bool find_transitions(chain *c) {
  int64_t user = -1;
  c->now = c->fitting->scale->now;
  for (uint64_t e = 0, n = c->fitting->x.by_user.offsets[c->fitting->x.by_user.rows]; e < n; e++)
    c->now = c->fitting->x.times[e] > c->now ? c->fitting->x.times[e] : c->now;
  while (recsys__view_users(c->fitting->view, user, &user, 1) == 1)
    if (!find_steps(c, user) || !add_transitions(c))
      return false;
  if (c->count)
    qsort(c->list, c->count, sizeof *c->list, by_pair);
  return true;
}

/* Adds up equal pairs, then makes each row a distribution. */
static bool make_rows(chain *c, recsys__sparse *out, size_t n) {
  *out = (recsys__sparse){.rows = n, .columns = n};
  out->offsets = recsys__calloc(n + 1, sizeof *out->offsets);
  out->indices = recsys__alloc(c->count, sizeof *out->indices);
  out->values = recsys__alloc(c->count, sizeof *out->values);
  if (!out->offsets || !out->indices || !out->values)
    return false;
  size_t kept = 0;
  for (size_t first = 0, end; first < c->count; first = end) {
    double total = 0;
    for (end = first; end < c->count && c->list[end].from == c->list[first].from; end++)
      total += c->list[end].weight;
    for (size_t i = first, next; i < end; i = next) {
      double sum = 0;
      for (next = i; next < end && c->list[next].to == c->list[i].to; next++)
        sum += c->list[next].weight;
      out->indices[kept] = c->list[i].to;
      out->values[kept++] = total > 0 ? (float)(sum / total) : 0;
    }
    out->offsets[c->list[first].from + 1] = kept;
  }
  for (size_t r = 0; r < n; r++)
    if (out->offsets[r + 1] < out->offsets[r])
      out->offsets[r + 1] = out->offsets[r];
  return true;
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  chain c = {.fitting = fitting, .gap = recsys__number(fitting->ranker, GAP) * 60};
  recsys__learned *l = fitting->learned;
  l->shape = RECSYS__SPARSE;
  bool ok = recsys__learned_axis(l, &fitting->x) && find_transitions(&c) && make_rows(&c, &l->sparse, l->n);
  recsys__free(c.steps);
  recsys__free(c.list);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the transitions");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return rating->time == r->newest ? 1 / (double)r->newest_count : 0;
}

const recsys__algorithm recsys__next = {.name = "next", .parameters = parameters, .fit = fit, .weight = weight};
