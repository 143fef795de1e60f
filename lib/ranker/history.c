/* Histories: stored ratings and events, or what a caller passes in, as one list by item. */
#include "ranker/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static const char *const newest[] = {"newest", NULL};
const recsys__parameter recsys__shared_parameters[] = {
    [RECSYS__SHARE_OF_NEW] = {"new_items", RECSYS__NUMBER, 0, 1, 0, NULL},
    [RECSYS__EVENTS] = {"events", RECSYS__TEXTS},
    [RECSYS__HALF_LIFE] = {"half_life", RECSYS__NUMBER, 0, 1e6, 30, NULL},
    [RECSYS__NOW] = {"now", RECSYS__INTEGER, 0, 9e15, NAN, newest},
    {NULL},
};

static const char usual_weights[] = "view:1,cart:3,purchase:5";
enum { DAY = 86400, LONGEST_KIND = 64 };

/* -- what events count */

/* Reads "kind:weight," at *at. false: it is none. */
static bool next_weight(const char **at, char kind[LONGEST_KIND], double *weight) {
  char number[32];
  size_t name = strcspn(*at, ":,"), digits;
  if (!name || name >= LONGEST_KIND || (*at)[name] != ':')
    return false;
  memcpy(kind, *at, name);
  kind[name] = 0;
  *at += name + 1;
  digits = strcspn(*at, ",");
  if (digits >= sizeof number)
    return false;
  memcpy(number, *at, digits);
  number[digits] = 0;
  *at += digits + ((*at)[digits] == ',');
  return recsys__parse_double(number, false, weight) && *weight >= 0 && *weight <= 1e6;
}

recsys_status recsys__shared_check(const recsys__setting *shared, recsys_error *error) {
  const char *at = shared[RECSYS__EVENTS].text;
  char kind[LONGEST_KIND];
  double weight;
  for (size_t n = 0; at && *at; n++)
    if (n == RECSYS__MOST_KINDS || !next_weight(&at, kind, &weight))
      return recsys__fail(error, RECSYS_EINVAL, 0,
                          "events=%.60s is no list of kinds with weights in 0..1000000, such as %s (at most %d)",
                          shared[RECSYS__EVENTS].text, usual_weights, RECSYS__MOST_KINDS);
  return RECSYS_OK;
}

void recsys__scale_make(recsys__scale *s, const recsys__setting *shared, const recsys__view *view) {
  const char *at = shared[RECSYS__EVENTS].text ? shared[RECSYS__EVENTS].text : usual_weights;
  char kind[LONGEST_KIND];
  *s = (recsys__scale){.half_life = shared[RECSYS__HALF_LIFE].value * DAY, .now = recsys__view_newest_event(view)};
  if (!isnan(shared[RECSYS__NOW].value))
    s->now = (int64_t)shared[RECSYS__NOW].value;
  while (*at && s->n < RECSYS__MOST_KINDS && next_weight(&at, kind, &s->kinds[s->n].weight))
    s->kinds[s->n++].kind = recsys__view_event_kind(view, kind);
}

double recsys__faded(int64_t now, int64_t time, double half_life) {
  return half_life > 0 && time < now ? exp2(-((double)now - (double)time) / half_life) : 1;
}

/* Kinds that the list does not name count 1. */
static double weight_of(const recsys__scale *s, const recsys__event *event) {
  double weight = 1;
  for (size_t i = 0; i < s->n; i++)
    if (s->kinds[i].kind == event->kind)
      weight = s->kinds[i].weight;
  return weight * recsys__faded(s->now, event->time, s->half_life);
}

/* -- one list by item */

typedef struct entry {
  int64_t item, time;
  double value; /* of a rating, or the weight of an event */
  size_t place; /* of ratings, later ones win */
  bool is_event;
} entry;

static int by_item(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

/* Sorts the entries and joins those of one item. Frees them. */
static bool join(recsys__history *h, entry *entries, size_t n) {
  h->own = recsys__alloc(n, sizeof *h->own);
  if (entries && n)
    qsort(entries, n, sizeof *entries, by_item);
  for (size_t i = 0, end; h->own && entries && i < n; i = end) {
    double rating = 0, weights = 0;
    bool rated = false;
    int64_t time = entries[i].time;
    for (end = i; end < n && entries[end].item == entries[i].item; end++) {
      const entry *e = &entries[end];
      rated |= !e->is_event;
      rating = e->is_event ? rating : e->value;
      weights += e->is_event ? e->value : 0;
      time = e->time > time ? e->time : time;
    }
    if (rated || weights > 0)
      h->own[h->n++] = (recsys__rating){entries[i].item, time, (float)(rating + log1p(weights))};
  }
  h->entries = h->own;
  recsys__free(entries);
  return h->own && entries;
}

bool recsys__history_of(recsys__history *h, const recsys__scale *scale, const recsys__view *view, int64_t user) {
  const recsys__rating *ratings;
  const recsys__event *events;
  size_t rated = recsys__view_history(view, user, &ratings), n = recsys__view_events(view, user, &events);
  *h = (recsys__history){.entries = ratings, .n = rated};
  if (!n)
    return true;
  h->n = 0;
  entry *entries = recsys__alloc(rated + n, sizeof *entries);
  for (size_t i = 0; entries && i < rated; i++)
    entries[i] = (entry){ratings[i].item, ratings[i].time, (double)ratings[i].value, 0, false};
  for (size_t i = 0; entries && i < n; i++)
    entries[rated + i] = (entry){events[i].item, events[i].time, weight_of(scale, &events[i]), i + 1, true};
  return join(h, entries, rated + n);
}

/* Without ratings entries are like events of one kind, scaled so that one that is not old counts as the best rating. */
bool recsys__history_from(recsys__history *h, const recsys__scale *scale, const int64_t *items, const float *ratings,
                          const int64_t *times, size_t m, double liked) {
  bool fading = !ratings && times;
  int64_t now = INT64_MIN;
  *h = (recsys__history){0};
  entry *entries = recsys__alloc(m, sizeof *entries);
  for (size_t i = 0; i < m && times; i++)
    now = times[i] > now ? times[i] : now;
  for (size_t i = 0; entries && i < m; i++) {
    double value = ratings ? (double)ratings[i] : fading ? recsys__faded(now, times[i], scale->half_life) : liked;
    entries[i] = (entry){items[i], times ? times[i] : (int64_t)i, value, i, fading};
  }
  bool ok = join(h, entries, m);
  for (size_t i = 0; ok && fading && i < h->n; i++)
    h->own[i].value = (float)(liked * (double)h->own[i].value / log(2));
  return ok;
}

void recsys__history_free(recsys__history *h) {
  recsys__free(h->own);
  *h = (recsys__history){0};
}
