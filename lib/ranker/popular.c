/* The same for everybody: by the number of ratings (with decay, each counts 2^(-age / decay)), or by their damped mean.
 */
#include "ranker/ranker.h"

static const char *const orders[] = {"count", "mean", NULL};

enum { BY, DAMPING, DECAY };
static const recsys__parameter parameters[] = {
    [BY] = {"by", RECSYS__WORD, .words = orders},
    [DAMPING] = {"damping", RECSYS__NUMBER, 0, 1e12, 5, NULL},
    [DECAY] = {"decay", RECSYS__NUMBER, 0, 1e6, 0, NULL},
    {NULL},
};

static recsys_status score(recsys__request *r, recsys_error *error) {
  bool by_mean = recsys__number(r->ranker, BY) != 0;
  double damping = recsys__number(r->ranker, DAMPING);
  const recsys__fitted *f = r->fitted;
  for (size_t i = 0; i < f->n; i++) {
    if (f->counts[i] == 0)
      continue;
    double count = f->recent ? f->recent[i] : f->counts[i];
    double value = by_mean ? (f->sums[i] + damping * f->global_mean) / (f->counts[i] + damping) : count;
    if (!recsys__request_add(r, f->items[i], value, RECSYS_REASON_CONSTANT, -1, 0, 0))
      return recsys__no_memory(error, "the scores");
  }
  return RECSYS_OK;
}

static double decay(const recsys_ranker *ranker) {
  return recsys__number(ranker, DECAY);
}

const recsys__algorithm recsys__popular = {
    .name = "popular", .parameters = parameters, .score = score, .source = RECSYS_SOURCE_POPULAR, .decay = decay};
