/* What somebody rated. */
#include "history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "items.h"

void history_free(history *h) {
  free(h->items);
  free(h->ratings);
  *h = (history){0};
}

bool history_of_user(history *h, recsys_store *store, int64_t user) {
  enum { BLOCK = 1024 };
  recsys_error error = {0};
  int64_t last = -1;
  size_t count = BLOCK;
  while (count == BLOCK) {
    h->items = need_more(h->items, h->n + BLOCK, sizeof *h->items);
    h->ratings = need_more(h->ratings, h->n + BLOCK, sizeof *h->ratings);
    recsys_status status =
        recsys_store_get_ratings(store, user, last, h->items + h->n, h->ratings + h->n, NULL, BLOCK, &count, &error);
    if (status == RECSYS_ENOTFOUND)
      return true;
    if (status) {
      say_error(&error);
      return false;
    }
    h->n += count;
    last = h->n ? h->items[h->n - 1] : -1;
  }
  return true;
}

/* ITEM or ITEM:RATING. A key may itself have a colon: a whole word that is a key wins. */
static int parse_entry(history *h, const args *a, recsys_store *store, char *word, double *rating) {
  char *colon = strrchr(word, ':'), *end = NULL;
  *rating = NAN;
  const char *words[1] = {word};
  if (args_has(a, "ids") || !colon) {
    if (colon)
      *colon = '\0';
  } else {
    if (!items_resolve(store, a, RECSYS_ITEMS, words, 1, &h->items[h->n]))
      return FAILED;
    if (h->items[h->n] >= 0)
      return DONE;
    *colon = '\0';
  }
  if (colon) {
    *rating = strtod(colon + 1, &end);
    if (end == colon + 1 || *end || !isfinite(*rating))
      return args_misuse(a, "--history is ITEM or ITEM:RATING, and \"%s\" is no rating", colon + 1);
  }
  return items_resolve_all(store, a, RECSYS_ITEMS, words, 1, &h->items[h->n]) ? DONE : FAILED;
}

static int add_entry(history *h, const args *a, recsys_store *store, char *word) {
  double rating;
  h->items = need_more(h->items, h->n + 1, sizeof *h->items);
  int code = parse_entry(h, a, store, word, &rating);
  if (code)
    return code;
  if (h->n && isnan(rating) != !h->ratings)
    return args_misuse(a, "in --history, give all items a rating, or none");
  if (!isnan(rating)) {
    h->ratings = need_more(h->ratings, h->n + 1, sizeof *h->ratings);
    h->ratings[h->n] = (float)rating;
  }
  h->n++;
  return DONE;
}

/* Keys with commas: a value that is a key as a whole is one. */
static bool is_key(const args *a, recsys_store *store, const char *value) {
  int64_t id = -1;
  return !args_has(a, "ids") && strchr(value, ',') && *value &&
         !recsys_store_resolve(store, RECSYS_ITEMS, &value, 1, 0, &id, NULL) && id >= 0;
}

int history_of_guest(history *h, const args *a, recsys_store *store) {
  const char *value;
  int code = DONE;
  for (size_t at = 0; !code && (value = args_next(a, "history", &at));) {
    size_t n = 1;
    char **words = is_key(a, store, value) ? need(1, sizeof *words) : args_list(value, &n);
    if (!words[0])
      words[0] = need_copy(value);
    for (size_t i = 0; i < n && !code; i++)
      code = add_entry(h, a, store, words[i]);
    args_free_list(words, n);
  }
  return code;
}

float history_rating(const history *h, size_t i) {
  return h->ratings ? h->ratings[i] : 1;
}

size_t history_best(const history *h, size_t *best, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < h->n; i++) {
    size_t place = count;
    while (place && history_rating(h, best[place - 1]) < history_rating(h, i))
      place--;
    if (place == n)
      continue;
    count += count < n;
    memmove(best + place + 1, best + place, (count - place - 1) * sizeof *best);
    best[place] = i;
  }
  return count;
}
