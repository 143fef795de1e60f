/*
 * Greedy: each place goes to the candidate with the largest (1 - w) s - w max over the listed i of cos(i, j), s its
 * score scaled to 0..1 over the candidates (maximal marginal relevance, Carbonell and Goldstein 1998), that keeps to
 * the limits.
 */
#include "ranker/diverse.h"

#include <math.h>
#include <string.h>

#define SAME_PICTURE 0.999 /* cosine from which on two pictures count as one */

bool recsys__diverse_asked(const recsys_recommend_options *o) {
  return o->diversity > 0 || o->max_per_label || (o->flags & RECSYS_RECOMMEND_UNIQUE);
}

void recsys__diverse_begin(recsys__diverse *d, const recsys_ranker *ranker, const recsys__view *view,
                           const recsys_recommend_options *o, int64_t *listed) {
  *d = (recsys__diverse){.view = view,
                         .field = o->max_per_label ? recsys__view_field(view, o->label_field) : -1,
                         .max_per_label = o->max_per_label,
                         .weight = o->diversity,
                         .unique = (o->flags & RECSYS_RECOMMEND_UNIQUE) != 0,
                         .listed = listed};
  if (recsys__view_space(view, ranker->fingerprint, &d->space, NULL))
    d->space = -1;
}

static double likeness(const recsys__diverse *d, int64_t a, int64_t b) {
  double score;
  return d->space >= 0 && recsys__view_likeness(d->view, d->space, a, b, RECSYS_METRIC_COSINE, &score) ? score : 0;
}

static size_t count_label(const recsys__diverse *d, int32_t value) {
  size_t n = 0;
  for (size_t i = 0; i < d->count; i++) {
    const recsys__label *labels;
    size_t m = recsys__view_labels(d->view, d->listed[i], d->field, &labels);
    for (size_t l = 0; l < m; l++)
      n += labels[l].value == value;
  }
  return n;
}

static bool within_limits(const recsys__diverse *d, int64_t item) {
  const recsys__label *labels;
  size_t n = d->field >= 0 ? recsys__view_labels(d->view, item, d->field, &labels) : 0;
  for (size_t l = 0; l < n; l++)
    if (count_label(d, labels[l].value) >= d->max_per_label)
      return false;
  return true;
}

bool recsys__diverse_admit(recsys__diverse *d, int64_t item) {
  if (!within_limits(d, item))
    return false;
  for (size_t i = 0; d->unique && i < d->count; i++)
    if (likeness(d, item, d->listed[i]) >= SAME_PICTURE)
      return false;
  d->listed[d->count++] = item;
  return true;
}

/* The best of list[from..n) by the rule; n where none keeps to the limits. */
static size_t next_of(const recsys__diverse *d, const recsys__candidate *list, size_t from, size_t n,
                      const double *value, const double *nearest) {
  size_t best = n;
  double most = -INFINITY;
  for (size_t i = from; i < n; i++) {
    double worth = (1 - d->weight) * value[i] - d->weight * (d->count ? nearest[i] : 0);
    if (worth > most && !(d->unique && d->count && nearest[i] >= SAME_PICTURE) && within_limits(d, list[i].item)) {
      most = worth;
      best = i;
    }
  }
  return best;
}

/* Moves entry `from` to place `to` <= from, the ones between one place on: equal worth keeps the order of the scores.
 */
static void move(recsys__candidate *list, double *value, double *nearest, size_t to, size_t from) {
  recsys__candidate one = list[from];
  double v = value[from], near = nearest[from];
  memmove(list + to + 1, list + to, (from - to) * sizeof *list);
  memmove(value + to + 1, value + to, (from - to) * sizeof *value);
  memmove(nearest + to + 1, nearest + to, (from - to) * sizeof *nearest);
  list[to] = one;
  value[to] = v;
  nearest[to] = near;
}

size_t recsys__diverse_pick(recsys__diverse *d, recsys__candidate *list, size_t n, size_t k, double *scratch) {
  double *value = scratch, *nearest = scratch + n;
  double most = n ? list[0].score : 0, range = n ? most - list[n - 1].score : 0;
  size_t done = 0;
  for (size_t i = 0; i < n; i++) {
    value[i] = range > 0 ? 1 - (most - list[i].score) / range : 1;
    nearest[i] = -1;
  }
  while (done < k && done < n) {
    size_t best = next_of(d, list, done, n, value, nearest);
    if (best == n)
      break;
    move(list, value, nearest, done, best);
    d->listed[d->count++] = list[done].item;
    for (size_t i = done + 1; i < n && (d->weight > 0 || d->unique); i++)
      nearest[i] = fmax(nearest[i], likeness(d, list[done].item, list[i].item));
    done++;
  }
  return done;
}
