/* recsys_evaluate: for each repeat and ranker, fit to the training part, rank everything, and gather the numbers. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/options.h"
#include "base/thread.h"
#include "eval/evaluation.h"
#include "ranker/ranker.h"

const char *const recsys__group_names[RECSYS__GROUPS] = {"all", "new-users", "new-items"};

enum { NEW_USER = 5, BLOCK = 32 };

typedef struct work {
  recsys_evaluation *e;
  recsys_evaluate_options options;
  recsys__split split;
  const recsys__view *view;
  recsys__ratings ratings;
  uint8_t *parts;
  int64_t *items; /* of the view, rising */
  size_t item_count;
  double *raters; /* in training, of each item */
  double training_users;
  int64_t *hidden; /* items without a training rating, rising */
  size_t hidden_count;
  size_t *first;  /* of each user: where the ratings begin; one more for the end */
  double *listed; /* for each k: how often each item is listed */
  double relevant_from;
  int32_t space; /* -1: none */
  size_t repeat, ranker;
  uint64_t done, total;
  recsys_error *error;
} work;

/* -- the rankers' names */

static bool add_ranker(recsys_evaluation *e, const char *from, size_t n) {
  while (n && from[0] == ' ')
    from++, n--;
  while (n && from[n - 1] == ' ')
    n--;
  if (!n)
    return true;
  char **grown = recsys__realloc(e->rankers, e->ranker_count + 1, sizeof *grown);
  if (!grown)
    return false;
  e->rankers = grown;
  if (!(grown[e->ranker_count] = recsys__copy(from, n + 1, 1)))
    return false;
  grown[e->ranker_count++][n] = 0;
  return true;
}

static bool split_rankers(recsys_evaluation *e, const char *text) {
  bool quoted = false, ok = true;
  const char *from = text;
  for (const char *at = text; ok; at++) {
    if (*at == '"' && (at == text || at[-1] != '\\'))
      quoted = !quoted;
    if ((*at == ';' && !quoted) || !*at) {
      ok = add_ranker(e, from, (size_t)(at - from));
      from = at + 1;
    }
    if (!*at)
      break;
  }
  return ok;
}

/* -- the table */

static bool add_column(recsys_evaluation *e, recsys__column_kind kind, recsys__cut_metric cut, uint32_t k) {
  recsys__column *grown = recsys__realloc(e->columns, e->column_count + 1, sizeof *grown);
  if (!grown)
    return false;
  e->columns = grown;
  grown[e->column_count++] = (recsys__column){kind, cut, k};
  return true;
}

static bool make_columns(recsys_evaluation *e) {
  static const recsys__column_kind listed[] = {RECSYS__NOVELTY, RECSYS__DIVERSITY, RECSYS__COVERAGE, RECSYS__GINI};
  bool ok = true;
  for (size_t i = 0; i < e->k_count && ok; i++) {
    for (int cut = 0; cut < RECSYS__CUT_METRICS && ok; cut++)
      ok = add_column(e, RECSYS__CUT, (recsys__cut_metric)cut, e->k[i]);
    for (size_t l = 0; l < 4 && ok; l++)
      ok = add_column(e, listed[l], RECSYS__NDCG, e->k[i]);
  }
  return ok && add_column(e, RECSYS__AUC, RECSYS__NDCG, 0) && add_column(e, RECSYS__RMSE, RECSYS__NDCG, 0) &&
         add_column(e, RECSYS__MAE, RECSYS__NDCG, 0);
}

size_t recsys__cell(const recsys_evaluation *e, size_t ranker, size_t group, size_t column) {
  return (ranker * RECSYS__GROUPS + group) * e->column_count + column;
}

void recsys__evaluation_add(recsys_evaluation *e, size_t cell, size_t user, size_t repeat, double value,
                            double weight) {
  if (isnan(value))
    return;
  if (user < e->user_count) {
    e->user_sums[cell * e->user_count + user] += value;
    e->user_weights[cell * e->user_count + user] += weight;
  }
  e->repeat_sums[cell * e->repeats + repeat] += value;
  e->repeat_weights[cell * e->repeats + repeat] += weight;
}

static bool make_table(work *w) {
  recsys_evaluation *e = w->e;
  size_t cells = e->ranker_count * RECSYS__GROUPS * e->column_count;
  e->user_count = recsys__view_user_count(w->view);
  e->users = recsys__alloc(e->user_count, sizeof *e->users);
  e->user_sums = recsys__calloc(cells, (e->user_count + 1) * sizeof *e->user_sums);
  e->user_weights = recsys__calloc(cells, (e->user_count + 1) * sizeof *e->user_weights);
  e->repeat_sums = recsys__calloc(cells, e->repeats * sizeof *e->repeat_sums);
  e->repeat_weights = recsys__calloc(cells, e->repeats * sizeof *e->repeat_weights);
  e->seconds = recsys__calloc(e->ranker_count, sizeof *e->seconds);
  e->tested = recsys__calloc(e->user_count, RECSYS__GROUPS);
  e->results = recsys__calloc(cells, sizeof *e->results);
  w->item_count = recsys__view_item_count(w->view);
  w->items = recsys__alloc(w->item_count, sizeof *w->items);
  w->hidden = recsys__alloc(w->item_count, sizeof *w->hidden);
  w->raters = recsys__alloc(w->item_count, sizeof *w->raters);
  w->listed = recsys__alloc(w->item_count, (e->k_count + 1) * sizeof *w->listed);
  w->first = recsys__alloc(e->user_count + 1, sizeof *w->first);
  w->parts = recsys__alloc(w->ratings.n, 1);
  if (!e->users || !e->user_sums || !e->user_weights || !e->repeat_sums || !e->repeat_weights || !e->seconds ||
      !e->tested || !e->results || !w->items || !w->hidden || !w->raters || !w->listed || !w->first || !w->parts)
    return false;
  e->user_count = recsys__view_users(w->view, -1, e->users, e->user_count);
  w->item_count = recsys__view_items(w->view, -1, w->items, w->item_count);
  for (size_t u = 0, at = 0; u <= e->user_count; u++) {
    while (u < e->user_count && at < w->ratings.n && w->ratings.users[at] < e->users[u])
      at++;
    w->first[u] = u < e->user_count ? at : w->ratings.n;
  }
  return true;
}

/* -- one repeat */

static recsys_status make_parts(work *w) {
  const recsys_evaluate_options *o = &w->options;
  if (!o->parts)
    return recsys__split_make(&w->split, &w->ratings, (uint32_t)w->repeat, w->parts, w->error);
  memset(w->parts, RECSYS_PART_UNUSED, w->ratings.n);
  for (uint64_t i = 0; i < o->n_ratings; i++) {
    size_t at = recsys__ratings_find(&w->ratings, o->users[i], o->items[i]);
    uint8_t part = o->parts[w->repeat * o->n_ratings + i];
    if (at == w->ratings.n)
      return recsys__fail(w->error, RECSYS_ENOTFOUND, (int32_t)i,
                          "the given folds name a rating of item %lld by user %lld, which the store does not have",
                          (long long)o->items[i], (long long)o->users[i]);
    if (part > RECSYS_PART_UNUSED)
      return recsys__fail(w->error, RECSYS_EINVAL, (int32_t)i, "parts[%llu] is %u; it is RECSYS_PART_...",
                          (unsigned long long)i, part);
    w->parts[at] = part;
  }
  return RECSYS_OK;
}

static bool is_training(void *context, int64_t user, const recsys__rating *rating) {
  const work *w = context;
  size_t at = recsys__ratings_find(&w->ratings, user, rating->item);
  return at < w->ratings.n && w->parts[at] == RECSYS_PART_TRAIN;
}

static void count_training(work *w) {
  int64_t last = -1;
  w->training_users = 0;
  w->hidden_count = 0;
  memset(w->raters, 0, w->item_count * sizeof *w->raters);
  for (size_t i = 0; i < w->ratings.n; i++) {
    size_t item = recsys__place_of(w->items, w->item_count, w->ratings.items[i]);
    w->e->test += w->parts[i] == RECSYS_PART_TEST;
    w->e->train += w->parts[i] == RECSYS_PART_TRAIN;
    if (w->parts[i] != RECSYS_PART_TRAIN || item == w->item_count)
      continue;
    w->raters[item]++;
    w->training_users += w->ratings.users[i] != last;
    last = w->ratings.users[i];
  }
  for (size_t i = 0; i < w->item_count; i++)
    if (w->raters[i] == 0)
      w->hidden[w->hidden_count++] = w->items[i];
}

/* -- one list */

typedef struct list {
  size_t user; /* place among the users */
  const int64_t *ids;
  const double *scores;
  size_t n, candidates;
  uint32_t *hits; /* room for n */
  uint8_t *is_hit;
} list;

static bool is_relevant(const work *w, size_t rating, size_t group) {
  if (w->parts[rating] != RECSYS_PART_TEST || (double)w->ratings.values[rating] < w->relevant_from)
    return false;
  size_t item = recsys__place_of(w->items, w->item_count, w->ratings.items[rating]);
  return item < w->item_count && (group != RECSYS__NEW_ITEMS || w->raters[item] == 0);
}

static size_t history_length(const work *w, size_t user) {
  size_t n = 0;
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    n += w->parts[i] == RECSYS_PART_TRAIN || w->parts[i] == RECSYS_PART_HISTORY;
  return n;
}

static size_t relevant_count(const work *w, size_t user, size_t group) {
  size_t n = 0;
  if (group == RECSYS__NEW_USERS && history_length(w, user) > NEW_USER)
    return 0;
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    n += is_relevant(w, i, group);
  return n;
}

static double novelty(const work *w, const list *l, size_t k) {
  double sum = 0;
  size_t n = l->n < k ? l->n : k;
  for (size_t i = 0; i < n; i++) {
    double raters = w->raters[recsys__place_of(w->items, w->item_count, l->ids[i])];
    sum -= log2(fmax(1, raters) / fmax(1, w->training_users));
  }
  return n ? sum / (double)n : NAN;
}

static double diversity(const work *w, const list *l, size_t k) {
  double sum = 0, pairs = 0, cosine;
  size_t n = l->n < k ? l->n : k;
  for (size_t i = 0; i < n && w->space >= 0; i++)
    for (size_t j = 0; j < i; j++)
      if (recsys__view_likeness(w->view, w->space, l->ids[i], l->ids[j], RECSYS_METRIC_COSINE, &cosine)) {
        sum += 1 - cosine;
        pairs++;
      }
  return pairs > 0 ? sum / pairs : NAN;
}

static void count_listed(work *w, const list *l) {
  for (size_t c = 0; c < w->e->k_count; c++)
    for (size_t i = 0; i < l->n && i < w->e->k[c]; i++)
      w->listed[c * w->item_count + recsys__place_of(w->items, w->item_count, l->ids[i])]++;
}

static void measure_group(work *w, list *l, size_t group, size_t relevant) {
  recsys_evaluation *e = w->e;
  size_t n = 0, last_k = 0;
  double cut[RECSYS__CUT_METRICS] = {0};
  for (size_t i = 0; i < l->n; i++) {
    size_t rating = recsys__ratings_find(&w->ratings, e->users[l->user], l->ids[i]);
    l->is_hit[i] = rating < w->ratings.n && is_relevant(w, rating, group);
    if (l->is_hit[i])
      l->hits[n++] = (uint32_t)i;
  }
  for (size_t c = 0; c < e->column_count; c++) {
    const recsys__column *column = &e->columns[c];
    double value = NAN;
    if (column->kind == RECSYS__CUT && column->k != last_k) {
      recsys__cut_metrics(l->hits, n, relevant, column->k, cut);
      last_k = column->k;
    }
    if (column->kind == RECSYS__CUT)
      value = cut[column->cut];
    else if (column->kind == RECSYS__AUC)
      value = recsys__auc(l->scores, l->is_hit, l->n, relevant, l->candidates);
    else if (column->kind == RECSYS__NOVELTY)
      value = novelty(w, l, column->k);
    else if (column->kind == RECSYS__DIVERSITY)
      value = diversity(w, l, column->k);
    recsys__evaluation_add(e, recsys__cell(e, w->ranker, group, c), l->user, w->repeat, value, 1);
  }
  e->tested[l->user * RECSYS__GROUPS + group] = 2;
}

static void measure_list(work *w, list *l) {
  for (size_t group = 0; group < RECSYS__GROUPS; group++) {
    size_t relevant = relevant_count(w, l->user, group);
    if (relevant)
      measure_group(w, l, group, relevant);
  }
  count_listed(w, l);
}

/* -- predicted values */

static recsys_status measure_values(work *w, recsys_ranker *ranker, size_t user) {
  recsys_evaluation *e = w->e;
  recsys_status status = RECSYS_OK;
  double squares = 0, absolutes = 0, n = 0;
  for (size_t i = w->first[user]; i < w->first[user + 1] && !status; i++) {
    double predicted = 0;
    if (w->parts[i] != RECSYS_PART_TEST)
      continue;
    status = recsys_ranker_score(ranker, e->users[user], &w->ratings.items[i], 1, NULL, &predicted, w->error);
    if (predicted == 0)
      continue; /* nothing is known of the item or the user */
    double error = predicted - (double)w->ratings.values[i];
    squares += error * error;
    absolutes += fabs(error);
    n++;
  }
  for (size_t c = 0; c < e->column_count && n > 0; c++) {
    size_t cell = recsys__cell(e, w->ranker, RECSYS__ALL, c);
    if (e->columns[c].kind == RECSYS__RMSE)
      recsys__evaluation_add(e, cell, user, w->repeat, squares, n);
    if (e->columns[c].kind == RECSYS__MAE)
      recsys__evaluation_add(e, cell, user, w->repeat, absolutes, n);
  }
  return status;
}

/* -- all users */

typedef struct block {
  int64_t users[BLOCK];
  size_t places[BLOCK], n, k;
  uint64_t offsets[BLOCK + 1];
  int64_t *items; /* histories of those outside the fit */
  float *ratings;
  int64_t *times, *ids;
  double *scores;
  uint32_t counts[BLOCK], *hits;
  uint8_t *is_hit;
  bool outside;
} block;

static void block_free(block *b) {
  recsys__free(b->items);
  recsys__free(b->ratings);
  recsys__free(b->times);
  recsys__free(b->ids);
  recsys__free(b->scores);
  recsys__free(b->hits);
  recsys__free(b->is_hit);
}

static bool block_new(block *b, const work *w) {
  *b = (block){.k = w->options.candidates == RECSYS_CANDIDATES_HIDDEN ? w->hidden_count : w->item_count};
  size_t k = b->k + 1;
  b->items = recsys__alloc(w->ratings.n, sizeof *b->items);
  b->ratings = recsys__alloc(w->ratings.n, sizeof *b->ratings);
  b->times = recsys__alloc(w->ratings.n, sizeof *b->times);
  b->ids = recsys__alloc(BLOCK, k * sizeof *b->ids);
  b->scores = recsys__alloc(BLOCK, k * sizeof *b->scores);
  b->hits = recsys__alloc(k, sizeof *b->hits);
  b->is_hit = recsys__alloc(k, 1);
  return b->items && b->ratings && b->times && b->ids && b->scores && b->hits && b->is_hit;
}

static bool is_outside(const work *w, size_t user) {
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    if (w->parts[i] == RECSYS_PART_HISTORY)
      return true;
  return false;
}

static void add_history(block *b, const work *w, size_t user) {
  uint64_t at = b->offsets[b->n];
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    if (w->parts[i] == RECSYS_PART_HISTORY || w->parts[i] == RECSYS_PART_TRAIN) {
      b->items[at] = w->ratings.items[i];
      b->times[at] = w->ratings.times[i];
      b->ratings[at++] = w->ratings.values[i];
    }
  b->offsets[b->n + 1] = at;
}

static size_t candidate_count(const work *w, size_t user) {
  return w->options.candidates == RECSYS_CANDIDATES_HIDDEN ? w->hidden_count : w->item_count - history_length(w, user);
}

static recsys_status run_block(work *w, recsys_ranker *ranker, block *b) {
  recsys_filter filter = {
      .struct_size = sizeof filter, .flags = RECSYS_FILTER_ALLOW, .allow = w->hidden, .n_allow = w->hidden_count};
  recsys_recommend_options options = {.struct_size = sizeof options,
                                      .filter = w->options.candidates == RECSYS_CANDIDATES_HIDDEN ? &filter : NULL};
  recsys_status status =
      b->outside ? recsys_ranker_recommend_from(ranker, b->offsets, b->items, b->ratings, b->times, b->n, b->k,
                                                &options, b->ids, b->scores, b->counts, NULL, w->error)
                 : recsys_ranker_recommend(ranker, b->users, b->n, b->k, &options, b->ids, b->scores, b->counts, NULL,
                                           w->error);
  for (size_t i = 0; i < b->n && !status; i++) {
    list l = {.user = b->places[i],
              .ids = b->ids + i * b->k,
              .scores = b->scores + i * b->k,
              .n = b->counts[i],
              .candidates = candidate_count(w, b->places[i]),
              .hits = b->hits,
              .is_hit = b->is_hit};
    measure_list(w, &l);
  }
  w->done += b->n;
  b->n = 0;
  if (!status && w->options.progress && w->options.progress(w->options.progress_user, "evaluate", w->done, w->total))
    status = recsys__fail(w->error, RECSYS_ECANCELLED, 0, "the evaluation was cancelled");
  return status;
}

static recsys_status run_users(work *w, recsys_ranker *ranker) {
  block b;
  recsys_evaluation *e = w->e;
  recsys_status status = block_new(&b, w) ? RECSYS_OK : recsys__no_memory(w->error, "the lists");
  for (int outside = 0; outside < 2 && !status; outside++) {
    b.outside = outside;
    for (size_t u = 0; u < e->user_count && !status; u++) {
      if (is_outside(w, u) != b.outside || !relevant_count(w, u, RECSYS__ALL))
        continue;
      b.users[b.n] = e->users[u];
      b.places[b.n] = u;
      add_history(&b, w, u);
      if (++b.n == BLOCK)
        status = run_block(w, ranker, &b);
    }
    if (b.n && !status)
      status = run_block(w, ranker, &b);
  }
  block_free(&b);
  return status;
}

/* Coverage and Gini's coefficient of the lists of all users of one repeat. */
static void measure_all_lists(work *w) {
  recsys_evaluation *e = w->e;
  size_t candidates = w->options.candidates == RECSYS_CANDIDATES_HIDDEN ? w->hidden_count : w->item_count;
  for (size_t c = 0, k = 0; c < e->column_count; c++) {
    const recsys__column *column = &e->columns[c];
    if (column->kind != RECSYS__COVERAGE && column->kind != RECSYS__GINI)
      continue;
    while (e->k[k] != column->k)
      k++;
    double *listed = w->listed + k * w->item_count, any = 0, value;
    size_t n = 0;
    double *counts = recsys__alloc(candidates, sizeof *counts);
    for (size_t i = 0; i < w->item_count; i++) {
      bool candidate = w->options.candidates != RECSYS_CANDIDATES_HIDDEN || w->raters[i] == 0;
      any += candidate && listed[i] > 0;
      if (counts && candidate && n < candidates)
        counts[n++] = listed[i];
    }
    value = column->kind == RECSYS__COVERAGE ? any / fmax(1, (double)candidates)
            : counts                         ? recsys__gini(counts, n)
                                             : NAN;
    recsys__free(counts);
    recsys__evaluation_add(e, recsys__cell(e, w->ranker, RECSYS__ALL, c), SIZE_MAX, w->repeat, value, 1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static recsys_status run_ranker(work *w, recsys__store_core *core) {
  recsys_ranker *ranker = NULL;
  recsys_ranker_options options = {
      .struct_size = sizeof options, .threads = w->options.threads, .fingerprint = w->options.fingerprint};
  double start = now();
  memset(w->listed, 0, w->item_count * w->e->k_count * sizeof *w->listed);
  recsys_status status = recsys__ranker_over(&ranker, core, w->e->rankers[w->ranker], &options, w->error);
  if (!status)
    status = recsys_ranker_fit(ranker, NULL, w->error);
  if (!status)
    status = run_users(w, ranker);
  for (size_t u = 0; u < w->e->user_count && !status && recsys__ranker_predicts(ranker); u++)
    status = measure_values(w, ranker, u);
  recsys_ranker_close(ranker);
  if (!status)
    measure_all_lists(w);
  w->e->seconds[w->ranker] += now() - start;
  return status;
}

static void mark_tested(work *w) {
  for (size_t u = 0; u < w->e->user_count; u++)
    for (size_t i = w->first[u]; i < w->first[u + 1]; i++)
      if (w->parts[i] == RECSYS_PART_TEST)
        for (size_t g = 0; g < RECSYS__GROUPS; g++)
          w->e->tested[u * RECSYS__GROUPS + g] |= 1;
}

static recsys_status run_repeat(work *w) {
  recsys_status status = make_parts(w);
  if (status)
    return status;
  count_training(w);
  mark_tested(w);
  const recsys__view *training = recsys__view_subset(w->view, is_training, w);
  recsys__store_core *core = training ? recsys__store_core_over(training) : NULL;
  if (!core)
    status = recsys__no_memory(w->error, "the training part");
  for (w->ranker = 0; w->ranker < w->e->ranker_count && !status; w->ranker++)
    status = run_ranker(w, core);
  recsys__store_core_release(core);
  if (training)
    recsys__view_release(training);
  return status;
}

/* -- the call */

static recsys_status check_options(work *w, const char *rankers) {
  static const uint32_t usual[] = {10, 20};
  recsys_evaluate_options *o = &w->options;
  recsys_evaluation *e = w->e;
  if (o->candidates > RECSYS_CANDIDATES_HIDDEN)
    return recsys__fail(w->error, RECSYS_EINVAL, 0, "candidates is %u; it is RECSYS_CANDIDATES_...", o->candidates);
  if (o->parts && (!o->users || !o->items || !o->repeats || o->split))
    return recsys__fail(w->error, RECSYS_EINVAL, 0,
                        "given folds need users, items, parts and repeats, and no split beside them");
  if ((o->n_k && !o->k) || !(o->relevant_from >= 0) || isinf(o->relevant_from))
    return recsys__fail(w->error, RECSYS_EINVAL, 0, "k is NULL, or relevant_from is no rating");
  if (!o->n_k) {
    o->k = usual;
    o->n_k = 2;
  }
  for (uint32_t i = 0; i < o->n_k; i++)
    if (!o->k[i] || (i && o->k[i] <= o->k[i - 1]))
      return recsys__fail(w->error, RECSYS_EINVAL, (int32_t)i, "k[%u] is %u; list lengths rise from 1", i, o->k[i]);
  e->k_count = o->n_k;
  e->largest_k = o->k[o->n_k - 1];
  if (!(e->k = recsys__copy(o->k, o->n_k, sizeof *e->k)) || !split_rankers(e, rankers) || !make_columns(e))
    return recsys__no_memory(w->error, "the evaluation");
  if (!e->ranker_count)
    return recsys__fail(w->error, RECSYS_EINVAL, 0, "rankers names none; \"ease; popular\" names two");
  recsys_status status = o->parts ? RECSYS_OK : recsys__split_parse(&w->split, o->split, w->error);
  e->repeats = o->parts ? o->repeats : (size_t)w->split.repeats;
  return status;
}

static recsys_status evaluate(work *w, recsys_store *store, const char *rankers) {
  recsys_status status = check_options(w, rankers);
  if (status)
    return status;
  w->view = recsys__store_view(store);
  if (recsys__view_space(w->view, w->options.fingerprint, &w->space, NULL))
    w->space = -1;
  if (!recsys__ratings_of(&w->ratings, w->view) || !make_table(w))
    return recsys__no_memory(w->error, "the evaluation");
  w->relevant_from = w->options.relevant_from > 0 ? w->options.relevant_from : 0.8 * w->ratings.largest;
  w->total = (uint64_t)w->e->user_count * w->e->ranker_count * w->e->repeats;
  for (w->repeat = 0; w->repeat < w->e->repeats && !status; w->repeat++)
    status = run_repeat(w);
  if (!status && !recsys__evaluation_finish(w->e, recsys__thread_count(w->options.threads), w->options.seed))
    status = recsys__no_memory(w->error, "the evaluation");
  return status;
}

recsys_status recsys_evaluate(recsys_evaluation **out, recsys_store *store, const char *rankers,
                              const recsys_evaluate_options *options, recsys_error *error) {
  work w = {.error = error};
  if (!out)
    return recsys__fail(error, RECSYS_EINVAL, 0, "evaluation is NULL; pass the address of a handle");
  *out = NULL;
  if (!store || !rankers)
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s is NULL", store ? "rankers" : "store");
  recsys_status status = recsys__options_copy(&w.options, sizeof w.options, options, "recsys_evaluate_options", error);
  if (status)
    return status;
  w.e = recsys__calloc(1, sizeof *w.e);
  status = w.e ? evaluate(&w, store, rankers) : recsys__no_memory(error, "the evaluation");
  if (w.view)
    recsys__view_release(w.view);
  recsys__ratings_free(&w.ratings);
  recsys__free(w.parts);
  recsys__free(w.items);
  recsys__free(w.hidden);
  recsys__free(w.raters);
  recsys__free(w.listed);
  recsys__free(w.first);
  if (status) {
    recsys_evaluation_close(w.e);
    return status;
  }
  *out = w.e;
  return recsys__ok(error);
}
