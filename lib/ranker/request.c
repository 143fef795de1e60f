/* One list in the making: summands are collected as they come, then sorted and added up by item. */
#include <stdlib.h>

#include "ranker/ranker.h"

bool recsys__request_add(recsys__request *r, int64_t item, double part, int32_t kind, int64_t from, double similarity,
                         double rating) {
  if (item == r->explained) {
    if (!recsys__grow((void **)&r->reasons, &r->reason_room, r->reason_count + 1, sizeof *r->reasons))
      return false;
    r->reasons[r->reason_count++] =
        (recsys_reason){.kind = kind, .item = from, .contribution = part, .similarity = similarity, .rating = rating};
  }
  if (!recsys__grow((void **)&r->candidates, &r->room, r->count + 1, sizeof *r->candidates))
    return false;
  r->candidates[r->count++] = (recsys__candidate){item, part};
  return true;
}

static int by_item(const void *a, const void *b) {
  const recsys__candidate *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return (x->score > y->score) - (x->score < y->score); /* a fixed order of summation */
}

int recsys__candidate_order(const void *a, const void *b) {
  const recsys__candidate *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

void recsys__request_sum(recsys__request *r) {
  size_t n = 0;
  if (r->count)
    qsort(r->candidates, r->count, sizeof *r->candidates, by_item);
  for (size_t i = 0; i < r->count; i++) {
    if (n && r->candidates[n - 1].item == r->candidates[i].item)
      r->candidates[n - 1].score += r->candidates[i].score;
    else
      r->candidates[n++] = r->candidates[i];
  }
  r->count = n;
}

recsys_status recsys__neighbours(const recsys__request *r, int64_t item, size_t k, const recsys_filter *filter,
                                 recsys__candidate **list, size_t *count, recsys_error *error) {
  int32_t space;
  recsys__filter *compiled = NULL;
  uint32_t metric = r->ranker->parameters.metric ? RECSYS_METRIC_EUCLIDEAN : RECSYS_METRIC_COSINE;
  *list = NULL;
  *count = 0;
  recsys_status status = recsys__view_space(r->view, r->ranker->fingerprint, &space, error);
  if (status || !recsys__view_has_embedding(r->view, space, item))
    return status == RECSYS_ENOTFOUND ? RECSYS_OK : status; /* without a picture it contributes nothing */
  size_t items = recsys__view_item_count(r->view);
  k = k < items ? k : items;
  int64_t *ids = recsys__alloc(k, sizeof *ids);
  double *scores = recsys__alloc(k, sizeof *scores);
  *list = recsys__alloc(k, sizeof **list);
  status = ids && scores && *list ? recsys__filter_compile(&compiled, r->view, filter, error)
                                  : recsys__no_memory(error, "a list of neighbours");
  if (!status)
    status = recsys__view_similar(r->view, space, item, k, metric, compiled, 1, ids, scores, count, error);
  for (size_t i = 0; !status && i < *count; i++)
    (*list)[i] = (recsys__candidate){ids[i], metric == RECSYS_METRIC_COSINE ? scores[i] : 1 / (1 + scores[i])};
  recsys__filter_free(compiled);
  recsys__free(ids);
  recsys__free(scores);
  if (status) {
    recsys__free(*list);
    *list = NULL;
    *count = 0;
  }
  return status;
}
