/* How much each item is like several others together: sums over targets without a pass for each target. */
#include <math.h>
#include <string.h>

#include "store/chunks.h"
#include "store/kernels.h"
#include "store/store.h"

typedef struct targets {
  const recsys__rows *rows;
  const int64_t *items;
  const double *weights;
  size_t n;
  uint32_t metric;
  float *profile; /* sum of w_t t / |t| over the targets with one picture; NULL: every pair is looked at */
} targets;

static const struct recsys__place *only_picture(const recsys__rows *rows, int64_t item) {
  const recsys__pictures *pictures = recsys__map_get(&rows->items, item);
  return pictures && pictures->count == 1 ? &pictures->places[0] : NULL;
}

/* The cosine is linear in each of its unit vectors, so one row stands for all targets that have a single picture. */
static bool make_profile(targets *t) {
  double *sum = recsys__calloc(t->rows->float_stride, sizeof *sum);
  t->profile = recsys__calloc(t->rows->float_stride, sizeof *t->profile);
  for (size_t i = 0; sum && i < t->n; i++) {
    const struct recsys__place *place = only_picture(t->rows, t->items[i]);
    if (!place)
      continue;
    const recsys__chunk *chunk = recsys__chunk_of(t->rows, place->row);
    size_t slot = place->row % t->rows->chunk_rows;
    const float *row = recsys__chunk_row(t->rows, chunk, slot);
    for (uint32_t d = 0; d < t->rows->dim; d++)
      sum[d] += t->weights[i] / chunk->norms[slot] * (double)row[d];
  }
  for (uint32_t d = 0; sum && t->profile && d < t->rows->dim; d++)
    t->profile[d] = (float)sum[d];
  recsys__free(sum);
  return sum && t->profile;
}

static double pair(const targets *t, int64_t target, int64_t item) {
  double score;
  if (target == item || !recsys__rows_likeness(t->rows, target, item, t->metric, &score))
    return 0;
  return t->metric == RECSYS_METRIC_EUCLIDEAN ? 1 / (1 + score) : score;
}

static double sum_for(const targets *t, int64_t item, bool is_target) {
  const struct recsys__place *place = t->profile && !is_target ? only_picture(t->rows, item) : NULL;
  double sum = 0;
  for (size_t i = 0; i < t->n; i++)
    if (!place || !only_picture(t->rows, t->items[i]))
      sum += t->weights[i] * pair(t, t->items[i], item);
  if (!place)
    return sum;
  const recsys__chunk *chunk = recsys__chunk_of(t->rows, place->row);
  size_t slot = place->row % t->rows->chunk_rows;
  const float *row = recsys__chunk_row(t->rows, chunk, slot);
  return sum + recsys__kernels_now()->dot(t->profile, row, t->rows->float_stride) / chunk->norms[slot];
}

bool recsys__view_likeness_sums(const recsys__view *view, int32_t space, const int64_t *items, const double *weights,
                                size_t n, uint32_t metric, int64_t *ids, double *sums, size_t *count) {
  targets t = {view->spaces[space].rows, items, weights, n, metric, NULL};
  bool ok = metric == RECSYS_METRIC_EUCLIDEAN || make_profile(&t);
  int64_t item = -1;
  void *unused;
  size_t next = 0;
  *count = 0;
  while (ok && recsys__map_next(&t.rows->items, item, &item, &unused)) {
    while (next < n && items[next] < item)
      next++;
    ids[*count] = item;
    sums[(*count)++] = sum_for(&t, item, next < n && items[next] == item);
  }
  recsys__free(t.profile);
  return ok;
}

size_t recsys__view_pictured_count(const recsys__view *view, int32_t space) {
  return view->spaces[space].rows ? recsys__rows_item_count(view->spaces[space].rows) : 0;
}

const void *recsys__view_space_identity(const recsys__view *view, int32_t space) {
  return recsys__view_rows(view, space);
}
