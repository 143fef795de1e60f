/* recsys_evaluate: for each repeat and ranker, fit to the training part, rank everything, and gather the numbers. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/options.h"
#include "base/thread.h"
#include "eval/evaluating.h"

const char *const recsys__group_names[RECSYS__GROUPS] = {"all", "new-users", "new-items"};

enum { BLOCK = 32 };

/* -- one repeat */

static recsys_status make_parts(recsys__evaluating *w) {
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
  const recsys__evaluating *w = context;
  size_t at = recsys__ratings_find(&w->ratings, user, rating->item);
  return at < w->ratings.n && w->parts[at] == RECSYS_PART_TRAIN;
}

static void count_training(recsys__evaluating *w) {
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

static bool block_new(block *b, const recsys__evaluating *w) {
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

static bool is_outside(const recsys__evaluating *w, size_t user) {
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    if (w->parts[i] == RECSYS_PART_HISTORY)
      return true;
  return false;
}

static void add_history(block *b, const recsys__evaluating *w, size_t user) {
  uint64_t at = b->offsets[b->n];
  for (size_t i = w->first[user]; i < w->first[user + 1]; i++)
    if (w->parts[i] == RECSYS_PART_HISTORY || w->parts[i] == RECSYS_PART_TRAIN) {
      b->items[at] = w->ratings.items[i];
      b->times[at] = w->ratings.times[i];
      b->ratings[at++] = w->ratings.values[i];
    }
  b->offsets[b->n + 1] = at;
}

static size_t candidate_count(const recsys__evaluating *w, size_t user) {
  return w->options.candidates == RECSYS_CANDIDATES_HIDDEN ? w->hidden_count
                                                           : w->item_count - recsys__evaluating_history(w, user);
}

static recsys_status tell(const recsys__evaluating *w) {
  if (w->options.progress && w->options.progress(w->options.progress_user, "evaluate", w->done, w->total))
    return recsys__fail(w->error, RECSYS_ECANCELLED, 0, "the evaluation was cancelled");
  return RECSYS_OK;
}

static recsys_status run_block(recsys__evaluating *w, recsys_ranker *ranker, block *b) {
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
    recsys__evaluated_list l = {.user = b->places[i],
                                .ids = b->ids + i * b->k,
                                .scores = b->scores + i * b->k,
                                .n = b->counts[i],
                                .candidates = candidate_count(w, b->places[i]),
                                .hits = b->hits,
                                .is_hit = b->is_hit};
    recsys__measure_list(w, &l);
  }
  w->done += b->n;
  b->n = 0;
  return status ? status : tell(w);
}

static recsys_status run_users(recsys__evaluating *w, recsys_ranker *ranker) {
  block b;
  recsys_evaluation *e = w->e;
  recsys_status status = block_new(&b, w) ? RECSYS_OK : recsys__no_memory(w->error, "the lists");
  for (int outside = 0; outside < 2 && !status; outside++) {
    b.outside = outside;
    for (size_t u = 0; u < e->user_count && !status; u++) {
      if (is_outside(w, u) != b.outside)
        continue;
      if (!recsys__evaluating_relevant(w, u, RECSYS__ALL)) {
        w->done++;
        continue;
      }
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
  return status ? status : tell(w);
}

/* Coverage and Gini's coefficient of the lists of all users of one repeat. */
static void measure_all_lists(recsys__evaluating *w) {
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

static recsys_status run_ranker(recsys__evaluating *w, recsys__store_core *core) {
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
    status = recsys__measure_values(w, ranker, u);
  recsys_ranker_close(ranker);
  if (!status)
    measure_all_lists(w);
  w->e->seconds[w->ranker] += now() - start;
  return status;
}

static void mark_tested(recsys__evaluating *w) {
  for (size_t u = 0; u < w->e->user_count; u++)
    for (size_t i = w->first[u]; i < w->first[u + 1]; i++)
      if (w->parts[i] == RECSYS_PART_TEST)
        for (size_t g = 0; g < RECSYS__GROUPS; g++)
          w->e->tested[u * RECSYS__GROUPS + g] |= 1;
}

static recsys_status run_repeat(recsys__evaluating *w) {
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

static recsys_status check_options(recsys__evaluating *w, const char *rankers) {
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
  if (!(e->k = recsys__copy(o->k, o->n_k, sizeof *e->k)) || !recsys__evaluating_rankers(e, rankers) ||
      !recsys__evaluating_columns(e))
    return recsys__no_memory(w->error, "the evaluation");
  if (!e->ranker_count)
    return recsys__fail(w->error, RECSYS_EINVAL, 0, "rankers names none; \"ease; popular\" names two");
  recsys_status status = o->parts ? RECSYS_OK : recsys__split_parse(&w->split, o->split, w->error);
  e->repeats = o->parts ? o->repeats : (size_t)w->split.repeats;
  return status;
}

static recsys_status evaluate(recsys__evaluating *w, recsys_store *store, const char *rankers) {
  recsys_status status = check_options(w, rankers);
  if (status)
    return status;
  w->view = recsys__store_view(store);
  if (recsys__view_space(w->view, w->options.fingerprint, &w->space, NULL))
    w->space = -1;
  if (!recsys__ratings_of(&w->ratings, w->view) || !recsys__evaluating_table(w))
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
  recsys__evaluating w = {.error = error};
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
