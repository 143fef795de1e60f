/* The k best of many. The buffer holds half as many again as are wanted, so that cutting it costs little per hit. */
#include "store/best.h"

#include <math.h>
#include <stdlib.h>

enum {
  SLACK = 4,    /* so that a list of one is not cut at every hit */
  PATIENCE = 64 /* partitions before sorting; log2 of the count is usual */
};

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

static void swap(recsys__hit *a, recsys__hit *b) {
  recsys__hit hit = *a;
  *a = *b;
  *b = hit;
}

/* Hoare's partition: afterwards hits[0..return) are not after the pivot and the others not before it. 0 < return < n.
 */
static size_t partition(recsys__hit *hits, size_t n) {
  recsys__hit pivot = hits[(n - 1) / 2];
  for (size_t low = 0, high = n - 1;; low++, high--) {
    while (before(&hits[low], &pivot))
      low++;
    while (before(&pivot, &hits[high]))
      high--;
    if (low >= high)
      return high + 1;
    swap(&hits[low], &hits[high]);
  }
}

/* Brings the k best of n hits to the front, the k-th last (Hoare 1961); sorts where the pivots are too unlucky. */
static void select_front(recsys__hit *hits, size_t n, size_t k) {
  for (int steps = 0; n > 1; steps++) {
    if (steps == PATIENCE) {
      qsort(hits, n, sizeof *hits, by_rank);
      return;
    }
    size_t front = partition(hits, n);
    if (k <= front) {
      n = front;
    } else {
      hits += front;
      n -= front;
      k -= front;
    }
  }
}

/* Leaves the k best, in any order. */
static void cut(recsys__best *best) {
  if (best->repeats)
    merge_repeats(best);
  if (best->count < best->k)
    return;
  select_front(best->hits, best->count, best->k);
  best->count = best->k;
  best->reach = best->hits[best->k - 1].worth;
}

bool recsys__best_add(recsys__best *best, double worth, int64_t item) {
  if (worth < best->reach)
    return false;
  double reach = best->reach;
  if (best->count == best->room)
    cut(best);
  best->hits[best->count++] = (recsys__hit){worth, item};
  return best->reach > reach;
}

void recsys__best_finish(recsys__best *best) {
  cut(best);
  if (best->count)
    qsort(best->hits, best->count, sizeof *best->hits, by_rank);
}
