/* What somebody rated: read from the store for a user, from --history for a guest. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "recsys.h"

typedef struct history {
  int64_t *items;
  float *ratings; /* NULL: a guest's without ratings, each counts 1 */
  size_t n;
} history;

bool history_of_user(history *h, recsys_store *store, int64_t user);
/* Returns an exit code (said already), 0 when done. */
int history_of_guest(history *h, const args *a, recsys_store *store);
void history_free(history *h);

float history_rating(const history *h, size_t i);
/* The indices of the up to n best rated items, best first; returns how many. */
size_t history_best(const history *h, size_t *best, size_t n);

#endif
