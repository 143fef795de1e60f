/* Category-weighted likeness to targets, in a list spread over the targets' labels (recsys.h). */
#include <stdlib.h>
#include <string.h>

#include "ranker/ranker.h"

static const char *const metrics[] = {"cosine", "euclidean", NULL};

enum { FIELD, METRIC, SPREAD };
static const recsys__parameter parameters[] = {
    [FIELD] = {"field", RECSYS__TEXT, .min = 1}, /* must be given */
    [METRIC] = {"metric", RECSYS__WORD, .words = metrics},
    [SPREAD] = {"spread", RECSYS__INTEGER, 0, 1, 1, NULL},
    {NULL},
};

/* Sums and counts of ratings by label, sorted by label when asked. */
typedef struct label_sum {
  int32_t value;
  double sum, count;
} label_sum;

typedef struct label_sums {
  label_sum *list;
  size_t n, room;
} label_sums;

static label_sum *label_of(label_sums *sums, int32_t value) {
  for (size_t i = 0; i < sums->n; i++)
    if (sums->list[i].value == value)
      return &sums->list[i];
  if (!recsys__grow((void **)&sums->list, &sums->room, sums->n + 1, sizeof *sums->list))
    return NULL;
  sums->list[sums->n] = (label_sum){.value = value};
  return &sums->list[sums->n++];
}

static bool add(label_sums *sums, const recsys__view *view, int32_t field, int64_t item, double sum, double count,
                bool weighted) {
  const recsys__label *labels;
  size_t n = recsys__view_labels(view, item, field, &labels);
  for (size_t i = 0; i < n; i++) {
    label_sum *label = label_of(sums, labels[i].value);
    if (!label)
      return false;
    label->sum += weighted ? sum * (double)labels[i].score : sum;
    label->count += count;
  }
  return true;
}

/* a(u, l): the user's mean, else everybody's, else the global one. */
static double weight_of(label_sums *user, label_sums *all, const recsys__fitted *fitted, int32_t value) {
  const label_sums *order[] = {user, all};
  for (int o = 0; o < 2; o++)
    for (size_t i = 0; i < order[o]->n; i++)
      if (order[o]->list[i].value == value && order[o]->list[i].count > 0)
        return order[o]->list[i].sum / order[o]->list[i].count;
  return fitted->global_mean;
}

static double mean_weight(const recsys__request *r, int32_t field, int64_t item, label_sums *user, label_sums *all,
                          size_t *labelled) {
  const recsys__label *labels;
  double sum = 0;
  *labelled = recsys__view_labels(r->view, item, field, &labels);
  for (size_t i = 0; i < *labelled; i++)
    sum += weight_of(user, all, r->fitted, labels[i].value);
  return *labelled ? sum / (double)*labelled : 0;
}

static double rating_of(const recsys__request *r, int64_t item) {
  for (size_t i = 0; i < r->history_count; i++)
    if (r->history[i].item == item)
      return (double)r->history[i].value;
  return 1; /* a target that the user has not rated */
}

static int64_t target_at(const recsys__request *r, size_t i) {
  return r->target_count ? r->targets[i] : r->history[i].item;
}

static size_t targets_of(const recsys__request *r) {
  return r->target_count ? r->target_count : r->history_count;
}

/* One target that is given stands for itself, not for how it was rated. */
static double target_weight(const recsys__request *r, size_t i) {
  return r->target_count == 1 ? 1 : rating_of(r, target_at(r, i));
}

typedef struct target {
  int64_t item;
  double weight;
} target;

static int by_item(const void *a, const void *b) {
  const target *x = a, *y = b;
  return (x->item > y->item) - (x->item < y->item);
}

/* What each target adds to the explained item. */
static bool add_reasons(recsys__request *r, int32_t space, const target *targets, size_t n, double label_weight) {
  uint32_t metric = (uint32_t)recsys__number(r->ranker, METRIC);
  bool ok = true;
  for (size_t i = 0; i < n && ok; i++) {
    double score;
    if (targets[i].item == r->explained ||
        !recsys__view_likeness(r->view, space, targets[i].item, r->explained, metric, &score))
      continue;
    score = metric == RECSYS_METRIC_EUCLIDEAN ? 1 / (1 + score) : score;
    recsys_reason reason = {.kind = RECSYS_REASON_ITEM,
                            .item = targets[i].item,
                            .contribution = targets[i].weight * score * label_weight,
                            .similarity = score,
                            .rating = targets[i].weight};
    ok = recsys__request_reason(r, &reason);
  }
  return ok;
}

static bool score_items(recsys__request *r, int32_t space, int32_t field, label_sums *user, label_sums *all,
                        const target *targets, const int64_t *items, const double *weights, size_t n) {
  size_t count = recsys__view_pictured_count(r->view, space), labelled;
  int64_t *ids = recsys__alloc(count, sizeof *ids);
  double *sums = recsys__alloc(count, sizeof *sums);
  r->candidates = recsys__alloc(count, sizeof *r->candidates);
  bool ok = ids && sums && r->candidates &&
            recsys__view_likeness_sums(r->view, space, items, weights, n, (uint32_t)recsys__number(r->ranker, METRIC),
                                       ids, sums, &count);
  r->room = count;
  for (size_t i = 0; ok && i < count; i++) {
    double weight = mean_weight(r, field, ids[i], user, all, &labelled);
    if (labelled)
      r->candidates[r->count++] = (recsys__candidate){ids[i], sums[i] * weight};
    if (labelled && ids[i] == r->explained)
      ok = add_reasons(r, space, targets, n, weight);
  }
  recsys__free(ids);
  recsys__free(sums);
  return ok;
}

static bool score_targets(recsys__request *r, int32_t space, int32_t field, label_sums *user, label_sums *all) {
  size_t n = 0;
  target *targets = recsys__alloc(targets_of(r), sizeof *targets);
  int64_t *items = recsys__alloc(targets_of(r), sizeof *items);
  double *weights = recsys__alloc(targets_of(r), sizeof *weights);
  bool ok = targets && items && weights;
  for (size_t i = 0; ok && i < targets_of(r); i++)
    if (recsys__view_has_embedding(r->view, space, target_at(r, i)))
      targets[n++] = (target){target_at(r, i), target_weight(r, i)};
  if (ok && n)
    qsort(targets, n, sizeof *targets, by_item);
  for (size_t i = 0; ok && i < n; i++) {
    items[i] = targets[i].item;
    weights[i] = targets[i].weight;
  }
  ok = ok && (!n || score_items(r, space, field, user, all, targets, items, weights, n));
  recsys__free(targets);
  recsys__free(items);
  recsys__free(weights);
  return ok;
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  label_sums user = {0}, all = {0};
  int32_t space, field = recsys__view_field(r->view, recsys__text(r->ranker, FIELD));
  recsys_status status = recsys__view_space(r->view, r->ranker->fingerprint, &space, error);
  if (status)
    return status == RECSYS_ENOTFOUND ? RECSYS_OK : status; /* no pictures: nothing can be said */
  bool ok = true;
  for (size_t i = 0; i < r->history_count && ok; i++)
    ok = add(&user, r->view, field, r->history[i].item, (double)r->history[i].value, 1, false);
  for (size_t i = 0; i < r->fitted->n && ok; i++)
    if (r->fitted->counts[i] > 0)
      ok = add(&all, r->view, field, r->fitted->items[i], r->fitted->sums[i], r->fitted->counts[i], false);
  ok = ok && score_targets(r, space, field, &user, &all);
  recsys__free(user.list);
  recsys__free(all.list);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the scores");
}

static int by_sum(const void *a, const void *b) {
  const label_sum *x = a, *y = b;
  if (x->sum != y->sum)
    return x->sum > y->sum ? -1 : 1;
  return (x->value > y->value) - (x->value < y->value);
}

static bool has_label(const recsys__view *view, int64_t item, int32_t field, int32_t value) {
  const recsys__label *labels;
  size_t n = recsys__view_labels(view, item, field, &labels);
  for (size_t i = 0; i < n; i++)
    if (labels[i].value == value)
      return true;
  return false;
}

/* Round-robin over the labels; what has none of them comes after, by score. */
static void spread(const recsys__view *view, int32_t field, const label_sums *order, recsys__candidate *list, size_t n,
                   size_t limit, bool *taken, recsys__candidate *out) {
  size_t done = 0, before;
  do {
    before = done;
    for (size_t l = 0; l < order->n && done < limit; l++)
      for (size_t i = 0; i < n; i++)
        if (!taken[i] && has_label(view, list[i].item, field, order->list[l].value)) {
          taken[i] = true;
          out[done++] = list[i];
          break;
        }
  } while (done > before && done < limit);
  for (size_t i = 0; i < n; i++)
    if (!taken[i])
      out[done++] = list[i];
}

static recsys_status arrange(recsys__request *r, recsys__candidate *list, size_t n, recsys_error *error) {
  label_sums order = {0};
  int32_t field = recsys__view_field(r->view, recsys__text(r->ranker, FIELD));
  bool ok = true;
  if (recsys__number(r->ranker, SPREAD) == 0)
    return RECSYS_OK;
  for (size_t i = 0; i < targets_of(r) && ok; i++)
    ok = add(&order, r->view, field, target_at(r, i), rating_of(r, target_at(r, i)), 1, true);
  bool *taken = recsys__calloc(n, sizeof *taken);
  recsys__candidate *out = recsys__alloc(n, sizeof *out);
  if (ok && taken && out) {
    if (order.n)
      qsort(order.list, order.n, sizeof *order.list, by_sum);
    spread(r->view, field, &order, list, n, r->k < n ? r->k : n, taken, out);
    memcpy(list, out, n * sizeof *list);
  }
  recsys_status status = ok && taken && out ? RECSYS_OK : recsys__no_memory(error, "the spread list");
  recsys__free(taken);
  recsys__free(out);
  recsys__free(order.list);
  return status;
}

const recsys__algorithm recsys__category = {
    .source = RECSYS_SOURCE_FEATURES, .name = "category", .parameters = parameters, .score = score, .arrange = arrange};
