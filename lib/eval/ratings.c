/* Reading the ratings of a view. */
#include "eval/ratings.h"

#include "base/memory.h"

static size_t count(const recsys__view *view) {
  const recsys__rating *ratings;
  int64_t user = -1;
  size_t n = 0;
  while (recsys__view_users(view, user, &user, 1) == 1)
    n += recsys__view_history(view, user, &ratings);
  return n;
}

bool recsys__ratings_of(recsys__ratings *r, const recsys__view *view) {
  const recsys__rating *ratings;
  int64_t user = -1;
  size_t n = count(view);
  *r = (recsys__ratings){.users = recsys__alloc(n, sizeof *r->users),
                         .items = recsys__alloc(n, sizeof *r->items),
                         .times = recsys__alloc(n, sizeof *r->times),
                         .values = recsys__alloc(n, sizeof *r->values)};
  if (!r->users || !r->items || !r->times || !r->values) {
    recsys__ratings_free(r);
    return false;
  }
  while (recsys__view_users(view, user, &user, 1) == 1) {
    size_t m = recsys__view_history(view, user, &ratings);
    for (size_t i = 0; i < m; i++, r->n++) {
      r->users[r->n] = user;
      r->items[r->n] = ratings[i].item;
      r->times[r->n] = ratings[i].time;
      r->values[r->n] = ratings[i].value;
      r->largest = (double)ratings[i].value > r->largest ? (double)ratings[i].value : r->largest;
    }
  }
  r->largest = r->largest > 0 ? r->largest : 1;
  return true;
}

void recsys__ratings_free(recsys__ratings *r) {
  recsys__free(r->users);
  recsys__free(r->items);
  recsys__free(r->times);
  recsys__free(r->values);
  *r = (recsys__ratings){0};
}

size_t recsys__ratings_find(const recsys__ratings *r, int64_t user, int64_t item) {
  size_t low = 0, high = r->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->users[middle] < user || (r->users[middle] == user && r->items[middle] < item))
      low = middle + 1;
    else
      high = middle;
  }
  return low < r->n && r->users[low] == user && r->items[low] == item ? low : r->n;
}

size_t recsys__ratings_end(const recsys__ratings *r, size_t first) {
  size_t end = first;
  while (end < r->n && r->users[end] == r->users[first])
    end++;
  return end;
}
