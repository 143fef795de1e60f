/* The same for everybody: by the number of ratings, or by their damped mean. */
#include "ranker/ranker.h"

static const char *const orders[] = {"count", "mean", NULL};

static recsys_status parse(recsys__parameters *p, recsys__params *params, recsys_error *error) {
  p->damping = 5;
  recsys_status status = recsys__params_choice(params, "by", orders, &p->by_mean, error);
  return status ? status : recsys__params_double(params, "damping", 0, 1e12, &p->damping, error);
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  const recsys__parameters *p = &r->ranker->parameters;
  const recsys__fitted *f = r->fitted;
  for (size_t i = 0; i < f->n; i++) {
    if (f->counts[i] == 0)
      continue;
    double value = p->by_mean ? (f->sums[i] + p->damping * f->global_mean) / (f->counts[i] + p->damping) : f->counts[i];
    if (!recsys__request_add(r, f->items[i], value, RECSYS_REASON_CONSTANT, -1, 0, 0))
      return recsys__no_memory(error, "the scores");
  }
  return RECSYS_OK;
}

const recsys__algorithm recsys__popular = {.name = "popular", .keys = "by, damping", .parse = parse, .score = score};
