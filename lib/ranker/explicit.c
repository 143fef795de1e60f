/* Rows of explicit features. */
#include "ranker/explicit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct cell {
  uint64_t column; /* a name of the column, before they are numbered */
  uint32_t item;
  float value;
} cell;

typedef struct cells {
  cell *list;
  size_t count, room;
} cells;

typedef struct column {
  uint64_t name;
  double squares;
  size_t first, end; /* of its cells */
} column;

enum { BASE = 0, PAIRS = 1, WORDS = 2 }; /* kinds of columns: the highest bits of their names */

static uint64_t name_of(uint64_t kind, uint64_t a, uint64_t b) {
  return kind << 62 | a << 31 | b;
}

static bool add(cells *c, uint64_t name, uint32_t item, double value) {
  if (value == 0)
    return true;
  if (!recsys__grow((void **)&c->list, &c->room, c->count + 1, sizeof *c->list))
    return false;
  c->list[c->count++] = (cell){name, item, (float)value};
  return true;
}

/* Labels and numbers of one item: cells from `first` on. */
static bool add_base(cells *c, const recsys__sparse *s, uint32_t item, double weight, uint64_t offset) {
  bool ok = true;
  for (uint64_t e = s->offsets[item]; e < s->offsets[item + 1] && ok; e++)
    ok = add(c, name_of(BASE, 0, offset + s->indices[e]), item, sqrt(weight) * (double)s->values[e]);
  return ok;
}

/* z_i z_j of all pairs, so that products of rows are squares of (z . z'). */
static bool add_pairs(cells *c, size_t first, uint32_t item, double weight) {
  size_t end = c->count;
  bool ok = true;
  for (size_t i = first; i < end && ok && weight > 0; i++)
    for (size_t j = i; j < end && ok; j++) {
      double value = (double)c->list[i].value * (double)c->list[j].value * sqrt(i == j ? weight : 2 * weight);
      ok = add(c, name_of(PAIRS, c->list[i].column, c->list[j].column), item, value);
    }
  return ok;
}

static bool collect(cells *c, const recsys__features *f, const recsys__kernel_weights *w) {
  bool ok = true;
  for (uint32_t i = 0; i < f->n && ok; i++) {
    size_t first = c->count;
    ok = add_base(c, &f->labels, i, w->labels, 0) && add_base(c, &f->numbers, i, w->numbers, f->labels.columns) &&
         add_pairs(c, first, i, w->pairs);
    for (uint64_t e = f->words.offsets[i]; e < f->words.offsets[i + 1] && ok; e++)
      ok = add(c, name_of(WORDS, 0, f->words.indices[e]), i, sqrt(w->words) * (double)f->words.values[e]);
  }
  return ok;
}

static int by_column(const void *a, const void *b) {
  const cell *x = a, *y = b;
  if (x->column != y->column)
    return x->column < y->column ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

static int by_squares(const void *a, const void *b) {
  const column *x = a, *y = b;
  if (x->squares != y->squares)
    return x->squares > y->squares ? -1 : 1;
  return (x->name > y->name) - (x->name < y->name);
}

/* The columns, those with the largest sum of squares first. */
static column *list_columns(cells *c, size_t *n) {
  column *list = NULL;
  size_t room = 0;
  *n = 0;
  if (c->count)
    qsort(c->list, c->count, sizeof *c->list, by_column);
  for (size_t i = 0, end; i < c->count; i = end) {
    if (!recsys__grow((void **)&list, &room, *n + 1, sizeof *list)) {
      recsys__free(list);
      return NULL;
    }
    column one = {.name = c->list[i].column, .first = i};
    for (end = i; end < c->count && c->list[end].column == one.name; end++)
      one.squares += (double)c->list[end].value * (double)c->list[end].value;
    one.end = end;
    list[(*n)++] = one;
  }
  if (*n)
    qsort(list, *n, sizeof *list, by_squares);
  return list ? list : recsys__alloc(1, sizeof *list);
}

/* By column, then transposed, so that rows rise by column. */
static bool make_rows(const recsys__features *f, const cells *c, const column *list, size_t kept,
                      recsys__sparse *rows) {
  recsys__sparse by_column_ = {.rows = kept, .columns = f->n};
  size_t entries = 0;
  for (size_t i = 0; i < kept; i++)
    entries += list[i].end - list[i].first;
  by_column_.offsets = recsys__calloc(kept + 1, sizeof *by_column_.offsets);
  by_column_.indices = recsys__alloc(entries, sizeof *by_column_.indices);
  by_column_.values = recsys__alloc(entries, sizeof *by_column_.values);
  bool ok = by_column_.offsets && by_column_.indices && by_column_.values;
  for (size_t i = 0, at = 0; i < kept && ok; i++) {
    for (size_t e = list[i].first; e < list[i].end; e++, at++) {
      by_column_.indices[at] = c->list[e].item;
      by_column_.values[at] = c->list[e].value;
    }
    by_column_.offsets[i + 1] = at;
  }
  ok = ok && recsys__sparse_transpose(rows, &by_column_);
  recsys__sparse_free(&by_column_);
  return ok;
}

bool recsys__features_explicit(const recsys__features *f, const recsys__kernel_weights *w, size_t most,
                               recsys__sparse *rows, float **pictures) {
  cells c = {0};
  size_t n = 0;
  *rows = (recsys__sparse){0};
  *pictures = NULL;
  column *list = collect(&c, f, w) ? list_columns(&c, &n) : NULL;
  bool ok = list && make_rows(f, &c, list, n < most ? n : most, rows);
  if (ok && f->pictures && w->pictures > 0) {
    ok = (*pictures = recsys__copy(f->pictures, f->n, f->dim * sizeof **pictures)) != NULL;
    for (size_t i = 0; ok && i < f->n * f->dim; i++)
      (*pictures)[i] *= (float)sqrt(w->pictures);
  }
  recsys__free(list);
  recsys__free(c.list);
  return ok;
}
