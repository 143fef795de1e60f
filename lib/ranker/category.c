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

static recsys_status score_target(recsys__request *r, int32_t field, int64_t target, double rating, label_sums *user,
                                  label_sums *all, recsys_error *error) {
  recsys__candidate *list;
  size_t count, labelled;
  recsys_status status =
      recsys__neighbours(r, target, SIZE_MAX, (uint32_t)recsys__number(r->ranker, METRIC), NULL, &list, &count, error);
  for (size_t j = 0; j < count && !status; j++) {
    double weight = mean_weight(r, field, list[j].item, user, all, &labelled);
    if (labelled && !recsys__request_add(r, list[j].item, rating * list[j].score * weight, RECSYS_REASON_ITEM, target,
                                         list[j].score, rating))
      status = recsys__no_memory(error, "the scores");
  }
  recsys__free(list);
  return status;
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  label_sums user = {0}, all = {0};
  int32_t field = recsys__view_field(r->view, recsys__text(r->ranker, FIELD));
  bool ok = true;
  for (size_t i = 0; i < r->history_count && ok; i++)
    ok = add(&user, r->view, field, r->history[i].item, (double)r->history[i].value, 1, false);
  for (size_t i = 0; i < r->fitted->n && ok; i++)
    if (r->fitted->counts[i] > 0)
      ok = add(&all, r->view, field, r->fitted->items[i], r->fitted->sums[i], r->fitted->counts[i], false);
  recsys_status status = ok ? RECSYS_OK : recsys__no_memory(error, "the labels' means");
  for (size_t i = 0; i < targets_of(r) && !status; i++) {
    /* One given target stands for itself, not for how it was rated. */
    double rating = r->target_count == 1 ? 1 : rating_of(r, target_at(r, i));
    status = score_target(r, field, target_at(r, i), rating, &user, &all, error);
  }
  recsys__free(user.list);
  recsys__free(all.list);
  recsys__request_sum(r);
  return status;
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
    .name = "category", .parameters = parameters, .score = score, .arrange = arrange};
