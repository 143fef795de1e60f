/* Item-based scoring by looks: score(j) = sum over rated i with j in N(i) of sim(i, j) x r(u, i) (recsys.h). */
#include <math.h>

#include "ranker/ranker.h"

static const char *const metrics[] = {"cosine", "euclidean", NULL};

static recsys_status parse(recsys__parameters *p, recsys__params *params, recsys_error *error) {
  p->neighbours = 40;
  recsys_status status = recsys__params_int(params, "neighbours", 1, 10000, &p->neighbours, error);
  if (!status)
    status = recsys__params_choice(params, "metric", metrics, &p->metric, error);
  const char *distance = recsys__params_text(params, "max_distance");
  p->has_max_distance = distance != NULL;
  if (!status && distance)
    status = recsys__params_double(params, "max_distance", 0, 1e30, &p->max_distance, error);
  const char *threshold = recsys__params_text(params, "rating_threshold");
  p->has_threshold = threshold && threshold[0] != 'm';
  if (!status && p->has_threshold)
    status = recsys__params_double(params, "rating_threshold", -1e30, 1e30, &p->rating_threshold, error);
  const char *field = recsys__params_text(params, "within_labels");
  if (!status && field && !(p->field = recsys__strdup(field)))
    status = recsys__no_memory(error, "the parameters");
  return status;
}

/* N(i): over all items of the space, or over those that share a label of the field with i. */
static recsys_status neighbours_of(recsys__request *r, int64_t item, recsys__candidate **list, size_t *count,
                                   recsys_error *error) {
  const recsys__parameters *p = &r->ranker->parameters;
  recsys_filter filter = {.struct_size = sizeof filter};
  recsys_clause clause = {.field = p->field, .op = RECSYS_CLAUSE_ANY};
  const char *values[64];
  if (p->has_max_distance) {
    filter.flags = p->metric ? RECSYS_FILTER_MAX_DISTANCE : RECSYS_FILTER_MIN_SIMILARITY;
    filter.max_distance = p->max_distance;
    filter.min_similarity = fmax(-1, 1 - p->max_distance);
  }
  if (p->field) {
    const recsys__label *labels;
    size_t n = recsys__view_labels(r->view, item, recsys__view_field(r->view, p->field), &labels);
    for (size_t i = 0; i < n && i < 64; i++)
      values[clause.n_values++] = recsys__view_value_name(r->view, labels[i].value);
    clause.values = values;
    filter.clauses = &clause;
    filter.n_clauses = 1;
  }
  return recsys__neighbours(r, item, (size_t)p->neighbours, &filter, list, count, error);
}

static double threshold_of(const recsys__request *r) {
  double sum = 0;
  if (r->ranker->parameters.has_threshold)
    return r->ranker->parameters.rating_threshold;
  for (size_t i = 0; i < r->history_count; i++)
    sum += (double)r->history[i].value;
  return r->history_count ? sum / (double)r->history_count : 0;
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  /* A mean of equal ratings may round to just above them. */
  double threshold = threshold_of(r) - 1e-9 * fabs(threshold_of(r));
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; i < r->history_count && !status; i++) {
    recsys__candidate *list;
    size_t count;
    double rating = (double)r->history[i].value;
    if (rating < threshold)
      continue;
    status = neighbours_of(r, r->history[i].item, &list, &count, error);
    for (size_t j = 0; j < count && !status; j++)
      if (!recsys__request_add(r, list[j].item, list[j].score * rating, RECSYS_REASON_ITEM, r->history[i].item,
                               list[j].score, rating))
        status = recsys__no_memory(error, "the scores");
    recsys__free(list);
  }
  recsys__request_sum(r);
  return status;
}

const recsys__algorithm recsys__visual = {
    .name = "visual",
    .keys = "neighbours, metric, max_distance, rating_threshold, within_labels",
    .parse = parse,
    .score = score,
};
