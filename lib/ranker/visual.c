/* Item-based scoring by looks: score(j) = sum over rated i with j in N(i) of sim(i, j) x r(u, i) (recsys.h). */
#include <math.h>
#include <string.h>

#include "ranker/looks.h"

static const char *const metrics[] = {"cosine", "euclidean", NULL};
static const char *const none[] = {"none", NULL}, *const mean[] = {"mean", NULL};

enum { NEIGHBOURS, METRIC, MAX_DISTANCE, RATING_THRESHOLD, WITHIN_LABELS };
static const recsys__parameter parameters[] = {
    [NEIGHBOURS] = {"neighbours", RECSYS__INTEGER, 1, 10000, 40, NULL},
    [METRIC] = {"metric", RECSYS__WORD, .words = metrics},
    [MAX_DISTANCE] = {"max_distance", RECSYS__NUMBER, 0, 1e30, NAN, none},
    [RATING_THRESHOLD] = {"rating_threshold", RECSYS__NUMBER, -1e30, 1e30, NAN, mean},
    [WITHIN_LABELS] = {"within_labels", RECSYS__TEXT},
    {NULL},
};

/* N(i): over all items of the space, or over those that share a label of the field with i. */
static recsys_status search(recsys__request *r, int64_t item, recsys__candidate **list, size_t *count,
                            recsys_error *error) {
  double max_distance = recsys__number(r->ranker, MAX_DISTANCE);
  const char *within = recsys__text(r->ranker, WITHIN_LABELS), **values = NULL;
  uint32_t metric = (uint32_t)recsys__number(r->ranker, METRIC);
  recsys_filter filter = {.struct_size = sizeof filter};
  recsys_clause clause = {.field = within, .op = RECSYS_CLAUSE_ANY};
  if (!isnan(max_distance)) {
    filter.flags = metric ? RECSYS_FILTER_MAX_DISTANCE : RECSYS_FILTER_MIN_SIMILARITY;
    filter.max_distance = max_distance;
    filter.min_similarity = fmax(-1, 1 - max_distance);
  }
  if (within) {
    const recsys__label *labels;
    size_t n = recsys__view_labels(r->view, item, recsys__view_field(r->view, within), &labels);
    if (!(values = recsys__alloc(n, sizeof *values)))
      return recsys__no_memory(error, "an item's labels");
    for (size_t i = 0; i < n; i++)
      values[clause.n_values++] = recsys__view_value_name(r->view, labels[i].value);
    clause.values = values;
    filter.clauses = &clause;
    filter.n_clauses = 1;
  }
  recsys_status status =
      recsys__neighbours(r, item, (size_t)recsys__number(r->ranker, NEIGHBOURS), metric, &filter, list, count, error);
  recsys__free(values);
  return status;
}

static recsys_status neighbours_of(recsys__request *r, recsys__looks *looks, int64_t item,
                                   const recsys__look_list **list, recsys_error *error) {
  recsys__candidate *found;
  size_t count;
  *list = recsys__looks_get(looks, item);
  recsys_status status = *list ? RECSYS_OK : search(r, item, &found, &count, error);
  if (*list || status)
    return status;
  recsys__look_list *fresh = recsys__alloc(1, sizeof *fresh + count * sizeof *found);
  if (fresh) {
    fresh->count = count;
    if (count)
      memcpy(fresh->entries, found, count * sizeof *found);
    *list = recsys__looks_put(looks, item, fresh);
  }
  recsys__free(found);
  return fresh ? RECSYS_OK : recsys__no_memory(error, "a list of neighbours");
}

static double threshold_of(const recsys__request *r) {
  double sum = 0;
  if (!isnan(recsys__number(r->ranker, RATING_THRESHOLD)))
    return recsys__number(r->ranker, RATING_THRESHOLD);
  for (size_t i = 0; i < r->history_count; i++)
    sum += (double)r->history[i].value;
  return r->history_count ? sum / (double)r->history_count : 0;
}

static recsys_status add_neighbours(recsys__request *r, recsys__looks *looks, const recsys__rating *rated,
                                    recsys_error *error) {
  const recsys__look_list *list = NULL;
  double rating = (double)rated->value;
  recsys_status status = neighbours_of(r, looks, rated->item, &list, error);
  for (size_t j = 0; !status && j < list->count; j++)
    if (!recsys__request_add(r, list->entries[j].item, list->entries[j].score * rating, RECSYS_REASON_ITEM, rated->item,
                             list->entries[j].score, rating))
      status = recsys__no_memory(error, "the scores");
  return status;
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  int32_t space;
  /* A mean of equal ratings may round to just above them. */
  double threshold = threshold_of(r) - 1e-9 * fabs(threshold_of(r));
  recsys_status status = recsys__view_space(r->view, r->ranker->fingerprint, &space, error);
  if (status)
    return status == RECSYS_ENOTFOUND ? RECSYS_OK : status; /* no pictures: nothing can be said */
  recsys__looks *looks = recsys__looks_of(r->ranker, r->view, space, recsys__text(r->ranker, WITHIN_LABELS) != NULL);
  if (!looks)
    return recsys__no_memory(error, "the lists of neighbours");
  for (size_t i = 0; i < r->history_count && !status; i++)
    if ((double)r->history[i].value >= threshold && recsys__view_has_embedding(r->view, space, r->history[i].item))
      status = add_neighbours(r, looks, &r->history[i], error);
  recsys__looks_release(looks);
  recsys__request_sum(r);
  return status;
}

const recsys__algorithm recsys__visual = {
    .source = RECSYS_SOURCE_FEATURES,
    .name = "visual",
    .parameters = parameters,
    .score = score,
};
