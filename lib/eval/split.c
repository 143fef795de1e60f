/* Dividing ratings into training and test parts (recsys.h, recsys_split). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "eval/ratings.h"
#include "store/view.h"

enum { RANDOM, LEAVE, TIME, USER_TIME, COLD_ITEMS, COLD_USERS, KINDS };
static const char *const names[] = {"random", "leave", "time", "user-time", "cold-items", "cold-users"};
static const char *const keys[] = {"test, repeats, seed", "k, by, repeats, seed", "test, repeats, seed",
                                   "test, repeats, seed", "test, repeats, seed",  "test, history, repeats, seed"};
static const char *const orders[] = {"random", "time", NULL};

static recsys_status parse(recsys__split *s, recsys__params *params, recsys_error *error) {
  for (s->kind = 0; s->kind < KINDS && strcmp(names[s->kind], params->name) != 0;)
    s->kind++;
  if (s->kind == KINDS)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "there is no split '%.40s'; there are random, leave, time, user-time, cold-items, cold-users",
                        params->name);
  recsys_status status = recsys__params_int(params, "repeats", 1, 1000, &s->repeats, error);
  if (!status)
    status = recsys__params_int(params, "seed", 0, INT64_MAX, &s->seed, error);
  if (!status && s->kind != LEAVE)
    status = recsys__params_double(params, "test", 0, 1, &s->test, error);
  if (!status && s->kind == LEAVE)
    status = recsys__params_int(params, "k", 1, INT32_MAX, &s->k, error);
  if (!status && s->kind == LEAVE)
    status = recsys__params_choice(params, "by", orders, &s->by_time, error);
  if (!status && s->kind == COLD_USERS)
    status = recsys__params_int(params, "history", 0, INT32_MAX, &s->history, error);
  return status ? status : recsys__params_finish(params, keys[s->kind], error);
}

recsys_status recsys__split_parse(recsys__split *split, const char *text, recsys_error *error) {
  recsys__params params = {0};
  *split = (recsys__split){.test = 0.2, .k = 1, .history = 5, .repeats = 5, .seed = 1};
  recsys_status status = recsys__params_parse(&params, text ? text : "random", error);
  if (!status)
    status = parse(split, &params, error);
  recsys__params_free(&params);
  return status;
}

/* -- drawing */

typedef struct draw {
  const recsys__split *split;
  const recsys__ratings *r;
  recsys__random random;
  size_t *order; /* room for all ratings */
  uint8_t *parts;
} draw;

static void shuffle(draw *d, size_t *list, size_t n) {
  for (size_t i = n; i > 1; i--) { /* Fisher and Yates */
    size_t other = recsys__random_below(&d->random, (uint32_t)i), swap = list[i - 1];
    list[i - 1] = list[other];
    list[other] = swap;
  }
}

static int by_time(const void *a, const void *b, void *context) {
  const recsys__ratings *r = context;
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  if (r->times[x] != r->times[y])
    return r->times[x] < r->times[y] ? -1 : 1;
  return (x > y) - (x < y);
}

static void sort_by_time(const draw *d, size_t *list, size_t n) {
  recsys__ratings r = *d->r;
  if (n)
    qsort_r(list, n, sizeof *list, by_time, &r);
}

/* The last `test` of one user's ratings in some order become tests; one always stays. */
static void split_user(draw *d, size_t first, size_t end, size_t test, bool latest) {
  size_t n = end - first;
  for (size_t i = 0; i < n; i++)
    d->order[i] = first + i;
  if (latest)
    sort_by_time(d, d->order, n);
  else
    shuffle(d, d->order, n);
  test = test < n ? test : n - 1;
  for (size_t i = n - test; i < n; i++)
    d->parts[d->order[i]] = RECSYS_PART_TEST;
}

static void split_users(draw *d) {
  const recsys__split *s = d->split;
  bool latest = s->kind == USER_TIME || s->by_time;
  for (size_t first = 0, end; first < d->r->n; first = end) {
    end = recsys__ratings_end(d->r, first);
    double n = (double)(end - first);
    if (s->kind == LEAVE && n <= (double)s->k)
      continue;
    split_user(d, first, end, s->kind == LEAVE ? (size_t)s->k : (size_t)floor(s->test * n + 0.5), latest);
  }
}

static void split_time(draw *d) {
  size_t n = d->r->n, test = (size_t)floor(d->split->test * (double)n + 0.5);
  for (size_t i = 0; i < n; i++)
    d->order[i] = i;
  sort_by_time(d, d->order, n);
  if (!test || !n)
    return;
  int64_t last = test < n ? d->r->times[d->order[n - test - 1]] : INT64_MIN;
  for (size_t i = 0; i < n; i++)
    if (test == n || d->r->times[i] > last)
      d->parts[i] = RECSYS_PART_TEST;
}

static int by_id(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* A drawn share of the distinct ids, rising; returns how many. */
static size_t draw_ids(draw *d, int64_t *ids, size_t n) {
  size_t distinct = 0;
  if (n)
    qsort(ids, n, sizeof *ids, by_id);
  for (size_t i = 0; i < n; i++)
    if (!i || ids[i] != ids[i - 1])
      ids[distinct++] = ids[i];
  for (size_t i = 0; i < distinct; i++)
    d->order[i] = i;
  shuffle(d, d->order, distinct);
  size_t chosen = (size_t)floor(d->split->test * (double)distinct + 0.5);
  for (size_t i = 0; i < distinct; i++) /* the unchosen ones are marked, then dropped */
    if (i >= chosen)
      ids[d->order[i]] = -1;
  size_t kept = 0;
  for (size_t i = 0; i < distinct; i++)
    if (ids[i] >= 0)
      ids[kept++] = ids[i];
  return kept;
}

static bool split_ids(draw *d) {
  bool items = d->split->kind == COLD_ITEMS;
  int64_t *ids = recsys__copy(items ? d->r->items : d->r->users, d->r->n, sizeof *ids);
  if (!ids)
    return false;
  size_t n = draw_ids(d, ids, d->r->n);
  for (size_t i = 0; items && i < d->r->n; i++)
    if (n && bsearch(&d->r->items[i], ids, n, sizeof *ids, by_id))
      d->parts[i] = RECSYS_PART_TEST;
  for (size_t first = 0, end; !items && first < d->r->n; first = end) {
    end = recsys__ratings_end(d->r, first);
    if (!n || !bsearch(&d->r->users[first], ids, n, sizeof *ids, by_id))
      continue;
    for (size_t i = first; i < end; i++)
      d->order[i - first] = i;
    sort_by_time(d, d->order, end - first);
    for (size_t i = first; i < end; i++)
      d->parts[d->order[i - first]] = (int64_t)(i - first) < d->split->history ? RECSYS_PART_HISTORY : RECSYS_PART_TEST;
  }
  recsys__free(ids);
  return true;
}

recsys_status recsys__split_make(const recsys__split *split, const recsys__ratings *r, uint32_t repeat, uint8_t *parts,
                                 recsys_error *error) {
  draw d = {.split = split, .r = r, .order = recsys__alloc(r->n, sizeof *d.order), .parts = parts};
  bool ok = d.order != NULL;
  memset(parts, RECSYS_PART_TRAIN, r->n);
  recsys__random_seed(&d.random, (uint64_t)split->seed, repeat);
  if (ok && split->kind == TIME)
    split_time(&d);
  else if (ok && (split->kind == COLD_ITEMS || split->kind == COLD_USERS))
    ok = split_ids(&d);
  else if (ok)
    split_users(&d);
  recsys__free(d.order);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the split");
}

recsys_status recsys_split(recsys_store *store, const char *split, uint32_t repeat, const int64_t *users,
                           const int64_t *items, size_t n, uint8_t *parts, recsys_error *error) {
  recsys__split parsed;
  recsys__ratings r;
  if (!store || (n && (!users || !items || !parts)))
    return recsys__fail(error, RECSYS_EINVAL, 0, "store, users, items or parts is NULL");
  recsys_status status = recsys__split_parse(&parsed, split, error);
  if (!status && repeat >= parsed.repeats)
    status = recsys__fail(error, RECSYS_EINVAL, (int32_t)repeat, "repeat is %u, but the split has %lld", repeat,
                          (long long)parsed.repeats);
  if (status)
    return status;
  const recsys__view *view = recsys__store_view(store);
  bool ok = recsys__ratings_of(&r, view);
  recsys__view_release(view);
  uint8_t *all = ok ? recsys__alloc(r.n, 1) : NULL;
  status = all ? recsys__split_make(&parsed, &r, repeat, all, error) : recsys__no_memory(error, "the split");
  for (size_t i = 0; i < n && !status; i++) {
    size_t at = recsys__ratings_find(&r, users[i], items[i]);
    if (at == r.n)
      status = recsys__fail(error, RECSYS_ENOTFOUND, (int32_t)i, "the store has no rating of item %lld by user %lld",
                            (long long)items[i], (long long)users[i]);
    else
      parts[i] = all[at];
  }
  recsys__free(all);
  if (ok)
    recsys__ratings_free(&r);
  return status ? status : recsys__ok(error);
}
