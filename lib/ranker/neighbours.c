/* The best of each row, in parallel over rows; and weights from information retrieval. */
#include "ranker/neighbours.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"

typedef struct pick {
  uint32_t column;
  float value;
} pick;

typedef struct job {
  recsys__row_fn fn;
  const void *context;
  size_t n, keep;
  pick *picks; /* n x keep */
  uint32_t *counts;
  atomic_bool failed;
} job;

static int best_first(const void *a, const void *b) {
  const pick *x = a, *y = b;
  if (x->value != y->value)
    return x->value > y->value ? -1 : 1;
  return (x->column > y->column) - (x->column < y->column);
}

static int by_column(const void *a, const void *b) {
  const pick *x = a, *y = b;
  return (x->column > y->column) - (x->column < y->column);
}

/* Moves the `keep` best of n picks to the front (Hoare's quickselect; the order is total, so the set is unique). */
static void select_best(pick *list, size_t n, size_t keep) {
  size_t low = 0, high = n;
  while (high - low > 1 && low < keep) {
    pick pivot = list[low + (high - low - 1) / 2];
    size_t i = low, j = high - 1;
    for (;;) {
      while (best_first(&list[i], &pivot) < 0)
        i++;
      while (best_first(&pivot, &list[j]) < 0)
        j--;
      if (i >= j)
        break;
      pick swap = list[i];
      list[i++] = list[j];
      list[j--] = swap;
    }
    size_t middle = j + 1;
    if (keep <= middle)
      high = middle;
    else
      low = middle;
  }
}

static void one_row(void *context, size_t i) {
  job *j = context;
  double *row = recsys__calloc(j->n, sizeof *row);
  pick *all = recsys__alloc(j->n, sizeof *all);
  size_t n = 0;
  if (!row || !all)
    atomic_store(&j->failed, true);
  if (row && all) {
    j->fn(j->context, i, row);
    for (size_t c = 0; c < j->n; c++)
      if (row[c] > 0 && c != i)
        all[n++] = (pick){(uint32_t)c, (float)row[c]};
    if (n > j->keep) {
      select_best(all, n, j->keep);
      n = j->keep;
    }
    if (n)
      qsort(all, n, sizeof *all, by_column);
    memcpy(j->picks + i * j->keep, all, n * sizeof *all);
    j->counts[i] = (uint32_t)n;
  }
  recsys__free(row);
  recsys__free(all);
}

static bool pack(recsys__sparse *out, const job *j) {
  size_t total = 0;
  for (size_t i = 0; i < j->n; i++)
    total += j->counts[i];
  *out = (recsys__sparse){.rows = j->n, .columns = j->n};
  out->offsets = recsys__calloc(j->n + 1, sizeof *out->offsets);
  out->indices = recsys__alloc(total, sizeof *out->indices);
  out->values = recsys__alloc(total, sizeof *out->values);
  if (!out->offsets || !out->indices || !out->values)
    return false;
  for (size_t i = 0, at = 0; i < j->n; i++) {
    for (size_t c = 0; c < j->counts[i]; c++, at++) {
      out->indices[at] = j->picks[i * j->keep + c].column;
      out->values[at] = j->picks[i * j->keep + c].value;
    }
    out->offsets[i + 1] = at;
  }
  return true;
}

bool recsys__best_of_rows(recsys__sparse *out, uint32_t threads, size_t n, size_t keep, recsys__row_fn fn,
                          const void *context) {
  keep = keep < n ? keep : n;
  job j = {.fn = fn, .context = context, .n = n, .keep = keep};
  atomic_init(&j.failed, false);
  j.picks = recsys__alloc(n, (keep + 1) * sizeof *j.picks);
  j.counts = recsys__calloc(n, sizeof *j.counts);
  bool ok = j.picks && j.counts;
  if (ok)
    recsys__parallel(threads, n, one_row, &j);
  ok = ok && !atomic_load(&j.failed) && pack(out, &j);
  recsys__free(j.picks);
  recsys__free(j.counts);
  return ok;
}

bool recsys__weigh(recsys__sparse *s, recsys__weighing weighing) {
  double *idf, mean = 0, length;
  if (weighing == RECSYS__PLAIN)
    return true;
  if (!(idf = recsys__calloc(s->columns, sizeof *idf)))
    return false;
  for (uint64_t e = 0; e < s->offsets[s->rows]; e++) {
    idf[s->indices[e]]++;
    mean += (double)s->values[e];
  }
  mean = s->rows && mean > 0 ? mean / (double)s->rows : 1;
  for (size_t c = 0; c < s->columns; c++)
    idf[c] = fmax(0, log((double)s->rows / (1 + idf[c])));
  for (size_t r = 0; r < s->rows; r++) {
    length = 0;
    for (uint64_t e = s->offsets[r]; e < s->offsets[r + 1]; e++)
      length += (double)s->values[e];
    for (uint64_t e = s->offsets[r]; e < s->offsets[r + 1]; e++) {
      double x = (double)s->values[e], w = idf[s->indices[e]];
      x = weighing == RECSYS__TFIDF ? sqrt(fmax(0, x)) : x * 2.2 / (1.2 * (0.25 + 0.75 * length / mean) + x);
      s->values[e] = (float)(x * w);
    }
  }
  recsys__free(idf);
  return true;
}
