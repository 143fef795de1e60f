/* One repeat's parts, whether drawn by a split or given, and what follows from them. */
#include "eval/folds.h"

#include <string.h>

enum { NEW_USER = 5 /* ratings of history at most */ };

static recsys_status no_memory(recsys_error *error) {
  return recsys__no_memory(error, "the evaluation's parts");
}

static void find_first(recsys__folds *f) {
  size_t at = 0;
  for (size_t u = 0; u <= f->user_count; u++) {
    while (u < f->user_count && at < f->ratings.n && f->ratings.users[at] < f->users[u])
      at++;
    f->first[u] = u < f->user_count ? at : f->ratings.n;
    if (u && f->first[u] - f->first[u - 1] > f->most)
      f->most = f->first[u] - f->first[u - 1];
  }
}

recsys_status recsys__folds_open(recsys__folds *f, const recsys__view *view, const recsys_evaluate_options *options,
                                 recsys_error *error) {
  size_t users = recsys__view_user_count(view), items = recsys__view_item_count(view);
  *f = (recsys__folds){.view = view, .hidden_only = options->candidates == RECSYS_CANDIDATES_HIDDEN};
  recsys__view_retain(view);
  if (!recsys__ratings_of(&f->ratings, view))
    return no_memory(error);
  f->users = recsys__alloc(users, sizeof *f->users);
  f->items = recsys__alloc(items, sizeof *f->items);
  f->hidden = recsys__alloc(items, sizeof *f->hidden);
  f->raters = recsys__alloc(items, sizeof *f->raters);
  f->first = recsys__alloc(users + 1, sizeof *f->first);
  f->parts = recsys__alloc(f->ratings.n, 1);
  f->places = recsys__alloc(f->ratings.n, sizeof *f->places);
  if (!f->users || !f->items || !f->hidden || !f->raters || !f->first || !f->parts || !f->places)
    return no_memory(error);
  f->user_count = recsys__view_users(view, -1, f->users, users);
  f->item_count = recsys__view_items(view, -1, f->items, items);
  for (size_t i = 0; i < f->ratings.n; i++)
    f->places[i] = (uint32_t)recsys__place_of(f->items, f->item_count, f->ratings.items[i]);
  find_first(f);
  f->relevant_from = options->relevant_from > 0 ? options->relevant_from : 0.8 * f->ratings.largest;
  return RECSYS_OK;
}

void recsys__folds_close(recsys__folds *f) {
  recsys__ratings_free(&f->ratings);
  recsys__free(f->users);
  recsys__free(f->items);
  recsys__free(f->hidden);
  recsys__free(f->raters);
  recsys__free(f->first);
  recsys__free(f->parts);
  recsys__free(f->places);
  if (f->view)
    recsys__view_release(f->view);
  *f = (recsys__folds){0};
}

/* -- turning to a repeat */

static recsys_status given_parts(recsys__folds *f, const recsys_evaluate_options *o, size_t repeat,
                                 recsys_error *error) {
  memset(f->parts, RECSYS_PART_UNUSED, f->ratings.n);
  for (uint64_t i = 0; i < o->n_ratings; i++) {
    size_t at = recsys__ratings_find(&f->ratings, o->users[i], o->items[i]);
    uint8_t part = o->parts[repeat * o->n_ratings + i];
    if (at == f->ratings.n)
      return recsys__fail(error, RECSYS_ENOTFOUND, (int32_t)i,
                          "the given folds name a rating of item %lld by user %lld, which the store does not have",
                          (long long)o->items[i], (long long)o->users[i]);
    if (part > RECSYS_PART_UNUSED)
      return recsys__fail(error, RECSYS_EINVAL, (int32_t)i, "parts[%llu] of repeat %zu is %u; it is RECSYS_PART_...",
                          (unsigned long long)i, repeat, part);
    f->parts[at] = part;
  }
  return RECSYS_OK;
}

static void count_training(recsys__folds *f) {
  int64_t last = -1;
  f->training_users = 0;
  f->hidden_count = 0;
  memset(f->raters, 0, f->item_count * sizeof *f->raters);
  for (size_t i = 0; i < f->ratings.n; i++) {
    f->test += f->parts[i] == RECSYS_PART_TEST;
    f->train += f->parts[i] == RECSYS_PART_TRAIN;
    if (f->parts[i] != RECSYS_PART_TRAIN || f->places[i] == f->item_count)
      continue;
    f->raters[f->places[i]]++;
    f->training_users += f->ratings.users[i] != last;
    last = f->ratings.users[i];
  }
  for (size_t i = 0; i < f->item_count; i++)
    if (f->raters[i] == 0)
      f->hidden[f->hidden_count++] = f->items[i];
}

recsys_status recsys__folds_turn(recsys__folds *f, const recsys__split *split, const recsys_evaluate_options *options,
                                 size_t repeat, recsys_error *error) {
  recsys_status status = options->parts
                             ? given_parts(f, options, repeat, error)
                             : recsys__split_make(split, &f->ratings, (uint32_t)repeat, f->parts, error);
  if (!status)
    count_training(f);
  return status;
}

static bool is_training(void *context, int64_t user, const recsys__rating *rating) {
  const recsys__folds *f = context;
  return f->parts[recsys__ratings_find(&f->ratings, user, rating->item)] == RECSYS_PART_TRAIN;
}

const recsys__view *recsys__folds_training(recsys__folds *f) {
  return recsys__view_subset(f->view, is_training, f);
}

/* -- questions */

static bool is_history(const recsys__folds *f, size_t rating) {
  return f->parts[rating] == RECSYS_PART_TRAIN || f->parts[rating] == RECSYS_PART_HISTORY;
}

size_t recsys__folds_history(const recsys__folds *f, size_t user) {
  size_t n = 0;
  for (size_t i = f->first[user]; i < f->first[user + 1]; i++)
    n += is_history(f, i);
  return n;
}

bool recsys__folds_outside(const recsys__folds *f, size_t user) {
  for (size_t i = f->first[user]; i < f->first[user + 1]; i++)
    if (f->parts[i] == RECSYS_PART_HISTORY)
      return true;
  return false;
}

static bool is_candidate(const recsys__folds *f, size_t rating) {
  size_t place = f->places[rating];
  return place < f->item_count && (!f->hidden_only || f->raters[place] == 0);
}

size_t recsys__folds_candidates(const recsys__folds *f, size_t user) {
  size_t n = f->hidden_only ? f->hidden_count : f->item_count;
  for (size_t i = f->first[user]; i < f->first[user + 1]; i++)
    n -= is_history(f, i) && is_candidate(f, i);
  return n;
}

bool recsys__folds_in_group(const recsys__folds *f, size_t user, size_t group) {
  return group != RECSYS__NEW_USERS || recsys__folds_history(f, user) <= NEW_USER;
}

bool recsys__folds_is_test(const recsys__folds *f, size_t rating, size_t group) {
  size_t place = f->places[rating];
  return f->parts[rating] == RECSYS_PART_TEST && place < f->item_count &&
         (group != RECSYS__NEW_ITEMS || f->raters[place] == 0);
}

bool recsys__folds_has_tests(const recsys__folds *f, size_t user, size_t group) {
  for (size_t i = f->first[user]; i < f->first[user + 1]; i++)
    if (recsys__folds_is_test(f, i, group))
      return recsys__folds_in_group(f, user, group);
  return false;
}

size_t recsys__folds_relevant(const recsys__folds *f, size_t user, size_t group, int64_t *relevant) {
  size_t n = 0;
  if (!recsys__folds_in_group(f, user, group))
    return 0;
  for (size_t i = f->first[user]; i < f->first[user + 1]; i++)
    if (recsys__folds_is_test(f, i, group) && is_candidate(f, i) &&
        (double)f->ratings.values[i] >= f->relevant_from) {
      if (relevant)
        relevant[n] = f->ratings.items[i];
      n++;
    }
  return n;
}
