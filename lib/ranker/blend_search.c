/*
 * The weights of a blend: the parts are fitted without a share of the ratings (drawn by a hash of user and item, so
 * that it does not depend on any order), their standardised scores of the users who lost a liked item are kept, and the
 * weights that bring those items to the front (nDCG@k) are searched one coordinate at a time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "ranker/blend.h"

enum { MOST_USERS = 600, FEWEST_USERS = 30, MOST_BYTES = 512 << 20, MOST_ROUNDS = 4 };

typedef struct judge {
  int64_t user;
  size_t band;
  uint32_t *relevant; /* places among the fitted items */
  size_t relevant_count;
  float *z; /* parts x items; what is in the history is far below everything */
  recsys_status status;
} judge;

typedef struct search {
  const recsys__fitting *fitting;
  const recsys__view *training;
  recsys__fitted *f;
  uint64_t seed;
  double share, liked;
  size_t k;
  judge *judges;
  size_t count;
  const double *weights; /* that are being tried */
  size_t band;           /* whose judges count; RECSYS__BANDS: all */
  double *values;        /* nDCG of each judge */
} search;

static uint64_t hash(uint64_t seed, uint64_t user, uint64_t item) {
  uint64_t h = seed ^ (user * 0x9e3779b97f4a7c15u);
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u ^ item * 0xc2b2ae3d27d4eb4fu;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
  return h ^ (h >> 31);
}

static bool is_kept(void *context, int64_t user, const recsys__rating *rating) {
  const search *s = context;
  return (double)(hash(s->seed, (uint64_t)user, (uint64_t)rating->item) >> 11) * 0x1p-53 >= s->share;
}

/* Events alone are no opinion to be told from another: any item that a shopper lost by them counts. */
static bool is_liked(const search *s, int64_t user, const recsys__rating *entry) {
  const recsys__rating *ratings;
  size_t n = recsys__view_history(s->fitting->view, user, &ratings);
  for (size_t i = 0; i < n; i++)
    if (ratings[i].item == entry->item)
      return (double)entry->value >= s->liked;
  return true;
}

/* -- the users who judge */

static bool find_relevant(search *s, judge *j, bool *out_of_memory) {
  recsys__history h;
  *out_of_memory = !recsys__history_of(&h, s->fitting->scale, s->fitting->view, j->user);
  for (size_t i = 0; i < h.n && !*out_of_memory; i++) {
    size_t at = recsys__fitted_index(s->f, h.entries[i].item);
    size_t room = j->relevant_count;
    if (at == s->f->n || is_kept(s, j->user, &h.entries[i]) || !is_liked(s, j->user, &h.entries[i]))
      continue;
    *out_of_memory = !recsys__grow((void **)&j->relevant, &room, j->relevant_count + 1, sizeof *j->relevant);
    if (!*out_of_memory)
      j->relevant[j->relevant_count++] = (uint32_t)at;
  }
  recsys__history_free(&h);
  return j->relevant_count > 0;
}

static int by_hash(const void *a, const void *b, void *context) {
  const search *s = context;
  const judge *x = a, *y = b;
  uint64_t p = hash(s->seed + 1, (uint64_t)x->user, 0), q = hash(s->seed + 1, (uint64_t)y->user, 0);
  return p != q ? (p > q) - (p < q) : (x->user > y->user) - (x->user < y->user);
}

static size_t most_judges(const search *s) {
  size_t bytes = (s->f->n + 1) * s->f->part_count * sizeof(float), n = MOST_BYTES / bytes;
  return n < 1 ? 1 : n < MOST_USERS ? n : MOST_USERS;
}

static bool find_judges(search *s) {
  size_t users = recsys__view_user_count(s->fitting->view), most = most_judges(s);
  int64_t user = -1;
  bool out_of_memory = false;
  s->judges = recsys__calloc(users, sizeof *s->judges);
  while (s->judges && !out_of_memory && recsys__view_users(s->fitting->view, user, &user, 1) == 1) {
    judge *j = &s->judges[s->count];
    j->user = user;
    s->count += find_relevant(s, j, &out_of_memory);
  }
  if (s->judges && s->count)
    qsort_r(s->judges, s->count, sizeof *s->judges, by_hash, s);
  for (size_t i = most; i < s->count; i++)
    recsys__free(s->judges[i].relevant);
  s->count = s->count < most ? s->count : most;
  return s->judges && !out_of_memory;
}

/* One judge's scores by all parts. */
static void ask_judge(void *context, size_t index) {
  search *s = context;
  judge *j = &s->judges[index];
  size_t n = s->f->n;
  recsys__history h = {0};
  recsys__standard standard;
  double *z = recsys__alloc(n, sizeof *z);
  j->z = recsys__alloc(s->f->part_count, n * sizeof *j->z);
  j->status = z && j->z && recsys__history_of(&h, s->fitting->scale, s->training, j->user) ? RECSYS_OK : RECSYS_ENOMEM;
  j->band = recsys__blend_band(h.n);
  recsys__request r = {.ranker = s->fitting->ranker,
                       .fitted = s->f,
                       .view = s->training,
                       .user = j->user,
                       .history = h.entries,
                       .history_count = h.n,
                       .explained = -1};
  for (size_t p = 0; p < s->f->part_count && !j->status; p++) {
    j->status = recsys__blend_standardise(&r, s->f->parts[p], s->f, z, &standard, NULL);
    for (size_t i = 0; i < n && !j->status; i++)
      j->z[p * n + i] = (float)z[i];
    for (size_t i = 0; i < h.n && !j->status; i++) {
      size_t at = recsys__fitted_index(s->f, h.entries[i].item);
      if (at < n)
        j->z[p * n + at] = -1e9f;
    }
  }
  recsys__free(z);
  recsys__history_free(&h);
}

/* -- judging weights */

static double ndcg(const float *scores, size_t n, const judge *j, size_t k) {
  double dcg = 0, ideal = 0;
  for (size_t i = 0; i < j->relevant_count; i++) {
    float mine = scores[j->relevant[i]];
    size_t rank = 0;
    for (size_t c = 0; c < n; c++)
      rank += scores[c] > mine;
    for (size_t c = 0; c < j->relevant[i]; c++)
      rank += scores[c] == mine;
    dcg += rank < k ? 1 / log2((double)rank + 2) : 0;
    ideal += i < k ? 1 / log2((double)i + 2) : 0;
  }
  return dcg / ideal;
}

static void judge_one(void *context, size_t index) {
  search *s = context;
  judge *j = &s->judges[index];
  size_t n = s->f->n;
  s->values[index] = -1;
  if (s->band < RECSYS__BANDS && j->band != s->band)
    return;
  float *scores = recsys__calloc(n, sizeof *scores);
  for (size_t p = 0; scores && p < s->f->part_count; p++)
    for (size_t i = 0; i < n; i++)
      scores[i] += (float)s->weights[p] * j->z[p * n + i];
  if (scores)
    s->values[index] = ndcg(scores, n, j, s->k);
  else
    j->status = RECSYS_ENOMEM;
  recsys__free(scores);
}

static double mean_ndcg(search *s, const double *weights) {
  double sum = 0;
  size_t n = 0;
  s->weights = weights;
  recsys__parallel(s->fitting->ranker->threads, s->count, judge_one, s);
  for (size_t i = 0; i < s->count; i++)
    if (s->values[i] >= 0) {
      sum += s->values[i];
      n++;
    }
  return n ? sum / (double)n : 0;
}

/* One coordinate after the other, each to the best of a few values, until nothing gains. */
static double climb(search *s, double *weights) {
  static const double steps[] = {0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3};
  double best = mean_ndcg(s, weights), before = -1;
  for (int round = 0; round < MOST_ROUNDS && best > before + 1e-4; round++) {
    before = best;
    for (size_t p = 0; p < s->f->part_count; p++) {
      double kept = weights[p], total = 0;
      for (size_t q = 0; q < s->f->part_count; q++)
        total += q == p ? 0 : weights[q];
      for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        weights[p] = steps[i];
        double value = total + steps[i] > 0 && steps[i] != kept ? mean_ndcg(s, weights) : -1;
        if (value > best + 1e-5) {
          best = value;
          kept = steps[i];
        }
      }
      weights[p] = kept;
    }
  }
  return best;
}

/* From the best single part, and from all alike. */
static void find_weights(search *s, double *out) {
  size_t n = s->f->part_count;
  double best = -1, single[RECSYS__BLEND_MOST] = {0}, equal[RECSYS__BLEND_MOST] = {0};
  for (size_t p = 0; p < n; p++) {
    for (size_t q = 0; q < n; q++)
      equal[q] = q == p;
    double value = mean_ndcg(s, equal);
    if (value > best) {
      best = value;
      memcpy(single, equal, n * sizeof *single);
    }
  }
  for (size_t q = 0; q < n; q++)
    equal[q] = 1;
  double from_single = climb(s, single), from_equal = climb(s, equal);
  memcpy(out, from_equal > from_single + 1e-4 ? equal : single, n * sizeof *out);
}

static size_t judges_of(const search *s, size_t band) {
  size_t n = 0;
  for (size_t i = 0; i < s->count; i++)
    n += s->judges[i].band == band;
  return n;
}

static void find_all_weights(search *s) {
  size_t n = s->f->part_count;
  bool by_length = recsys__number(s->fitting->ranker, RECSYS__BLEND_BY_LENGTH) != 0;
  s->band = RECSYS__BANDS;
  find_weights(s, s->f->weights);
  for (size_t band = 1; band < RECSYS__BANDS; band++)
    memcpy(s->f->weights + band * n, s->f->weights, n * sizeof *s->f->weights);
  for (s->band = 0; by_length && s->band < RECSYS__BANDS; s->band++)
    if (judges_of(s, s->band) >= FEWEST_USERS)
      find_weights(s, s->f->weights + s->band * n);
}

static recsys_status judges_status(const search *s, recsys_error *error) {
  for (size_t i = 0; i < s->count; i++)
    if (s->judges[i].status)
      return recsys__fail(error, s->judges[i].status, 0, "the blend's weights could not be searched: %s",
                          recsys_status_name(s->judges[i].status));
  return RECSYS_OK;
}

static recsys_status run(search *s, recsys_error *error) {
  recsys_status status = recsys__blend_fit_parts(s->fitting, s->training, error);
  if (status)
    return status;
  s->values = find_judges(s) ? recsys__alloc(s->count, sizeof *s->values) : NULL;
  if (!s->values)
    return recsys__no_memory(error, "the search for the blend's weights");
  for (size_t at = 0; at < s->count && !status; at += FEWEST_USERS) { /* progress is told between them */
    size_t n = s->count - at < FEWEST_USERS ? s->count - at : FEWEST_USERS;
    search some = *s;
    some.judges += at;
    recsys__parallel(s->fitting->ranker->threads, n, ask_judge, &some);
    status = recsys__fit_progress(s->fitting, at + n, s->count + 1, error);
  }
  if (!status)
    status = judges_status(s, error);
  if (!status && s->count)
    find_all_weights(s);
  return status ? status : judges_status(s, error);
}

recsys_status recsys__blend_search(const recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  search s = {.fitting = fitting,
              .f = fitting->fitted,
              .seed = (uint64_t)recsys__number(ranker, RECSYS__BLEND_SEED),
              .share = recsys__number(ranker, RECSYS__BLEND_VALIDATION),
              .liked = recsys__number(ranker, RECSYS__BLEND_LIKED) * fitting->fitted->largest,
              .k = (size_t)recsys__number(ranker, RECSYS__BLEND_K)};
  s.training = recsys__view_subset(fitting->view, is_kept, &s);
  recsys_status status = s.training ? run(&s, error) : recsys__no_memory(error, "the search for the blend's weights");
  for (size_t i = 0; s.judges && i < s.count; i++) {
    recsys__free(s.judges[i].relevant);
    recsys__free(s.judges[i].z);
  }
  recsys__free(s.judges);
  recsys__free(s.values);
  if (s.training)
    recsys__view_release(s.training);
  return status;
}
