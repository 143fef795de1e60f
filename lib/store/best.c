/* The k best of many. The buffer holds half as many again as are wanted, so that sorting it costs little per hit. */
#include "store/best.h"

#include <math.h>
#include <stdlib.h>

enum { SLACK = 16 /* so that a list of one is not sorted at every hit */ };

size_t recsys__best_room(size_t k, size_t n) {
  size_t more = k / 2 + SLACK;
  return n < k || n - k < more ? n : k + more;
}

void recsys__best_init(recsys__best *best, recsys__hit *hits, size_t room, size_t k, bool repeats) {
  *best = (recsys__best){.hits = hits, .room = room, .k = k, .repeats = repeats, .reach = -INFINITY};
}

static bool before(const recsys__hit *a, const recsys__hit *b) {
  return a->worth > b->worth || (a->worth == b->worth && a->item < b->item);
}

static int by_rank(const void *a, const void *b) {
  return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

static int by_item(const void *left, const void *right) {
  const recsys__hit *a = left, *b = right;
  return a->item != b->item ? (a->item < b->item ? -1 : 1) : by_rank(a, b);
}

static void merge_repeats(recsys__best *best) {
  size_t kept = 0;
  qsort(best->hits, best->count, sizeof *best->hits, by_item);
  for (size_t i = 0; i < best->count; i++)
    if (!kept || best->hits[kept - 1].item != best->hits[i].item)
      best->hits[kept++] = best->hits[i];
  best->count = kept;
}

void recsys__best_finish(recsys__best *best) {
  if (best->count == 0)
    return;
  if (best->repeats)
    merge_repeats(best);
  qsort(best->hits, best->count, sizeof *best->hits, by_rank);
  if (best->count >= best->k) {
    best->count = best->k;
    best->reach = best->hits[best->k - 1].worth;
  }
}

bool recsys__best_add(recsys__best *best, double worth, int64_t item) {
  if (worth < best->reach)
    return false;
  double reach = best->reach;
  if (best->count == best->room)
    recsys__best_finish(best);
  best->hits[best->count++] = (recsys__hit){worth, item};
  return best->reach > reach;
}
