/* Reading the ratings of a view. */
#include "eval/ratings.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

typedef struct pair {
  int64_t item, time;
  size_t place;
} pair;

static int by_item(const void *a, const void *b) {
  const pair *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

/* The items that a user has events of, each once with its latest time; returns how many. */
static size_t join_events(pair *pairs, const recsys__event *events, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    pairs[i] = (pair){events[i].item, events[i].time, i};
  if (n)
    qsort(pairs, n, sizeof *pairs, by_item);
  for (size_t i = 0; i < n; i++) {
    kept -= kept && pairs[kept - 1].item == pairs[i].item;
    pairs[kept++] = pairs[i];
  }
  return kept;
}

static void append(recsys__ratings *r, int64_t user, int64_t item, int64_t time, float value) {
  r->users[r->n] = user;
  r->items[r->n] = item;
  r->times[r->n] = time;
  r->values[r->n++] = value;
}

/* Ratings, and in their places by item the pairs that are known by events alone (NaN). */
static bool append_user(recsys__ratings *r, const recsys__view *view, int64_t user) {
  const recsys__rating *ratings;
  const recsys__event *events;
  size_t rated = recsys__view_history(view, user, &ratings), done = recsys__view_events(view, user, &events), i = 0;
  pair *pairs = recsys__alloc(done, sizeof *pairs);
  done = pairs ? join_events(pairs, events, done) : 0;
  for (size_t e = 0; i < rated || e < done;) {
    if (e == done || (i < rated && ratings[i].item <= pairs[e].item)) {
      e += e < done && ratings[i].item == pairs[e].item;
      append(r, user, ratings[i].item, ratings[i].time, ratings[i].value);
      i++;
    } else {
      append(r, user, pairs[e].item, pairs[e].time, NAN);
      e++;
    }
  }
  recsys__free(pairs);
  return pairs != NULL;
}

static size_t count(const recsys__view *view) {
  const recsys__rating *ratings;
  const recsys__event *events;
  int64_t user = -1;
  size_t n = 0;
  while (recsys__view_users(view, user, &user, 1) == 1)
    n += recsys__view_history(view, user, &ratings) + recsys__view_events(view, user, &events);
  return n;
}

/* A pair without a rating counts as liked: as the largest rating. */
static void fill_unrated(recsys__ratings *r) {
  for (size_t i = 0; i < r->n; i++)
    r->largest = (double)r->values[i] > r->largest ? (double)r->values[i] : r->largest;
  r->largest = r->largest > 0 ? r->largest : 1;
  for (size_t i = 0; i < r->n; i++)
    if (isnan(r->values[i]))
      r->values[i] = (float)r->largest;
}

bool recsys__ratings_of(recsys__ratings *r, const recsys__view *view) {
  int64_t user = -1;
  size_t n = count(view);
  *r = (recsys__ratings){.users = recsys__alloc(n, sizeof *r->users),
                         .items = recsys__alloc(n, sizeof *r->items),
                         .times = recsys__alloc(n, sizeof *r->times),
                         .values = recsys__alloc(n, sizeof *r->values)};
  bool ok = r->users && r->items && r->times && r->values;
  while (ok && recsys__view_users(view, user, &user, 1) == 1)
    ok = append_user(r, view, user);
  if (ok)
    fill_unrated(r);
  else
    recsys__ratings_free(r);
  return ok;
}

void recsys__ratings_free(recsys__ratings *r) {
  recsys__free(r->users);
  recsys__free(r->items);
  recsys__free(r->times);
  recsys__free(r->values);
  *r = (recsys__ratings){0};
}

size_t recsys__ratings_find(const recsys__ratings *r, int64_t user, int64_t item) {
  size_t low = 0, high = r->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->users[middle] < user || (r->users[middle] == user && r->items[middle] < item))
      low = middle + 1;
    else
      high = middle;
  }
  return low < r->n && r->users[low] == user && r->items[low] == item ? low : r->n;
}

size_t recsys__ratings_end(const recsys__ratings *r, size_t first) {
  size_t end = first;
  while (end < r->n && r->users[end] == r->users[first])
    end++;
  return end;
}
