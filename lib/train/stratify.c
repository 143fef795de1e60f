/* Iterative stratification of groups of examples. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/labels.h"

typedef struct dealing {
  const recsys__labels *labels;
  const uint32_t *groups; /* of each example; NULL: its own */
  size_t n, group_count;
  uint32_t parts;
  recsys__random random;
  size_t *start;            /* of each group's members, group_count + 1 */
  uint32_t *members;        /* examples, by group */
  uint32_t *order;          /* in which examples are dealt: shuffled, so that a file's order does not matter */
  double *wanted, *desired; /* examples each part still wants; and of each label, parts x labels */
  size_t *remaining;        /* examples of each label that no part has yet */
  int32_t *out;
} dealing;

static uint32_t group_of(const dealing *d, size_t example) {
  return d->groups ? d->groups[example] : (uint32_t)example;
}

static bool has(const dealing *d, size_t example, size_t label) {
  return d->labels->matrix[example * d->labels->count + label] == RECSYS_LABEL_PRESENT;
}

/* The members of each group, in rising order. */
static void gather_groups(dealing *d) {
  for (size_t i = 0; i < d->n; i++)
    d->start[group_of(d, i) + 1]++;
  for (size_t g = 0; g < d->group_count; g++)
    d->start[g + 1] += d->start[g];
  for (size_t i = d->n; i-- > 0;)
    d->members[--d->start[group_of(d, i) + 1]] = (uint32_t)i;
  /* Counting down has moved each end to its start, one place too far. */
  memmove(d->start, d->start + 1, d->group_count * sizeof *d->start);
  d->start[d->group_count] = d->n;
}

/* The part that wants this label most, then examples most, then at random. label == count: examples alone. */
static uint32_t choose(dealing *d, size_t label) {
  uint32_t best = 0, ties = 1;
  for (uint32_t p = 1; p < d->parts; p++) {
    size_t count = d->labels->count;
    double more = label < count ? d->desired[p * count + label] - d->desired[best * count + label] : 0;
    if (more == 0)
      more = d->wanted[p] - d->wanted[best];
    if (more > 0) {
      best = p;
      ties = 1;
    } else if (more == 0 && recsys__random_below(&d->random, ++ties) == 0) {
      best = p;
    }
  }
  return best;
}

static void deal_group(dealing *d, uint32_t group, uint32_t part) {
  size_t count = d->labels->count;
  for (size_t m = d->start[group]; m < d->start[group + 1]; m++) {
    uint32_t example = d->members[m];
    d->out[example] = (int32_t)part;
    d->wanted[part]--;
    for (size_t c = 0; c < count; c++)
      if (has(d, example, c)) {
        d->desired[part * count + c]--;
        d->remaining[c]--;
      }
  }
}

/* The label with the fewest examples left to deal, at least one; count: none has any. */
static size_t rarest(const dealing *d) {
  size_t best = d->labels->count;
  for (size_t c = 0; c < d->labels->count; c++)
    if (d->remaining[c] > 0 && (best == d->labels->count || d->remaining[c] < d->remaining[best]))
      best = c;
  return best;
}

void recsys__shuffle(recsys__random *random, uint32_t *list, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t k = recsys__random_below(random, (uint32_t)i);
    uint32_t swap = list[i - 1];
    list[i - 1] = list[k];
    list[k] = swap;
  }
}

static void deal(dealing *d, const double *shares) {
  size_t count = d->labels->count;
  for (size_t i = 0; i < d->n; i++) {
    d->out[i] = -1;
    for (size_t c = 0; c < count; c++)
      d->remaining[c] += has(d, i, c);
  }
  for (uint32_t p = 0; p < d->parts; p++) {
    d->wanted[p] = shares[p] * (double)d->n;
    for (size_t c = 0; c < count; c++)
      d->desired[p * count + c] = shares[p] * (double)d->remaining[c];
  }
  for (size_t label; (label = rarest(d)) < count;)
    for (size_t k = 0; k < d->n; k++)
      if (d->out[d->order[k]] < 0 && has(d, d->order[k], label))
        deal_group(d, group_of(d, d->order[k]), choose(d, label));
  for (size_t k = 0; k < d->n; k++)
    if (d->out[d->order[k]] < 0)
      deal_group(d, group_of(d, d->order[k]), choose(d, count));
}

recsys_status recsys__stratify(const recsys__labels *labels, const uint32_t *groups, size_t n, const double *shares,
                               uint32_t parts, uint64_t seed, int32_t *out, recsys_error *error) {
  dealing d = {.labels = labels, .groups = groups, .n = n, .group_count = n, .parts = parts, .out = out};
  recsys__random_seed(&d.random, seed, 77);
  d.start = recsys__calloc(n + 2, sizeof *d.start);
  d.members = recsys__calloc(n, sizeof *d.members);
  d.wanted = recsys__calloc(parts, sizeof *d.wanted);
  d.desired = recsys__calloc(parts, labels->count * sizeof *d.desired);
  d.remaining = recsys__calloc(labels->count, sizeof *d.remaining);
  d.order = recsys__alloc(n, sizeof *d.order);
  bool good = d.start && d.members && d.order && d.wanted && d.desired && d.remaining;
  if (good) {
    for (size_t i = 0; i < n; i++)
      d.order[i] = (uint32_t)i;
    recsys__shuffle(&d.random, d.order, n);
    gather_groups(&d);
    deal(&d, shares);
  }
  recsys__free(d.start);
  recsys__free(d.members);
  recsys__free(d.order);
  recsys__free(d.wanted);
  recsys__free(d.desired);
  recsys__free(d.remaining);
  return good ? RECSYS_OK : recsys__no_memory(error, "the division of examples");
}
