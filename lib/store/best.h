/* The k best of many scored items, collected in a buffer that is cut back when it is full. */
#ifndef RECSYS_STORE_BEST_H
#define RECSYS_STORE_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `worth` is larger for better: a cosine, or a distance negated. */
typedef struct recsys__hit {
  double worth;
  int64_t item;
} recsys__hit;

typedef struct recsys__best {
  recsys__hit *hits;
  size_t count, room, k;
  bool repeats; /* an item may come several times, and counts once */
  double reach; /* no item below it can be among the k best: -INFINITY until k are known */
} recsys__best;

/* Room that a collector for k out of at most n hits needs. */
size_t recsys__best_room(size_t k, size_t n);
/* room >= recsys__best_room(k, hits that will be added), k >= 1. */
void recsys__best_init(recsys__best *best, recsys__hit *hits, size_t room, size_t k, bool repeats);
/* Adds a hit; true if that raised `reach`. */
bool recsys__best_add(recsys__best *best, double worth, int64_t item);
/* Leaves the k best items, best first, ties by rising item. */
void recsys__best_finish(recsys__best *best);

#endif
