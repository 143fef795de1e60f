/* Making features of a view's items. */
#include "ranker/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ranker/words.h"

enum { BINS = 24 }; /* per numeric field */

/* One nonzero: item, column. Columns are numbers that come from elsewhere and are made dense afterwards. */
typedef struct cell {
  uint32_t item;
  uint64_t column;
  float value;
} cell;

typedef struct cells {
  cell *list;
  size_t count, room;
} cells;

static bool add(cells *c, uint32_t item, uint64_t column, double value) {
  if (!recsys__grow((void **)&c->list, &c->room, c->count + 1, sizeof *c->list))
    return false;
  c->list[c->count++] = (cell){item, column, (float)value};
  return true;
}

static int by_column(const void *a, const void *b) {
  const cell *x = a, *y = b;
  if (x->column != y->column)
    return x->column < y->column ? -1 : 1;
  return (x->item > y->item) - (x->item < y->item);
}

static int by_row(const void *a, const void *b) {
  const cell *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return (x->column > y->column) - (x->column < y->column);
}

/* Cells sorted by column get dense column numbers; returns how many. */
static size_t number_columns(cells *c) {
  size_t columns = 0;
  uint64_t last = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (!i || c->list[i].column != last)
      columns++;
    last = c->list[i].column;
    c->list[i].column = columns - 1;
  }
  return columns;
}

static bool to_sparse(recsys__sparse *out, cells *c, size_t n, size_t columns) {
  *out = (recsys__sparse){.rows = n, .columns = columns};
  out->offsets = recsys__calloc(n + 1, sizeof *out->offsets);
  out->indices = recsys__alloc(c->count, sizeof *out->indices);
  out->values = recsys__alloc(c->count, sizeof *out->values);
  if (!out->offsets || !out->indices || !out->values)
    return false;
  if (c->count)
    qsort(c->list, c->count, sizeof *c->list, by_row);
  for (size_t i = 0; i < c->count; i++) {
    out->offsets[c->list[i].item + 1] = i + 1;
    out->indices[i] = (uint32_t)c->list[i].column;
    out->values[i] = c->list[i].value;
  }
  for (size_t i = 0; i < n; i++)
    if (out->offsets[i + 1] < out->offsets[i])
      out->offsets[i + 1] = out->offsets[i];
  return true;
}

static void unit_rows(recsys__sparse *s) {
  for (size_t r = 0; r < s->rows; r++) {
    double sum = 0;
    for (uint64_t e = s->offsets[r]; e < s->offsets[r + 1]; e++)
      sum += (double)s->values[e] * (double)s->values[e];
    for (uint64_t e = s->offsets[r]; sum > 0 && e < s->offsets[r + 1]; e++)
      s->values[e] = (float)((double)s->values[e] / sqrt(sum));
  }
}

/* -- labels */

/* Multiplies each column by sqrt(ln(n / df)), or for words sqrt(ln(n / df) / ln n); drops columns with df < least. */
static void weigh_columns(cells *c, size_t n, size_t least, double divisor) {
  size_t kept = 0;
  if (c->count)
    qsort(c->list, c->count, sizeof *c->list, by_column);
  for (size_t i = 0, end; i < c->count; i = end) {
    for (end = i; end < c->count && c->list[end].column == c->list[i].column;)
      end++;
    double weight = sqrt(log((double)n / (double)(end - i)) / divisor);
    for (size_t j = i; j < end && end - i >= least; j++) {
      c->list[kept] = c->list[j];
      c->list[kept++].value *= (float)weight;
    }
  }
  c->count = kept;
}

static bool make_labels(recsys__features *f, const recsys__view *view, const char *fields) {
  cells c = {0};
  bool ok = true;
  for (size_t i = 0; i < f->n && ok; i++) {
    const recsys__label *labels;
    size_t n = recsys__view_all_labels(view, f->items[i], &labels);
    for (size_t l = 0; l < n && ok; l++)
      if (recsys__list_has(fields, recsys__view_field_name(view, labels[l].field)))
        ok = add(&c, (uint32_t)i, (uint64_t)labels[l].value, (double)labels[l].score);
  }
  if (ok) {
    weigh_columns(&c, f->n, 1, 1);
    ok = to_sparse(&f->labels, &c, f->n, number_columns(&c));
  }
  if (ok)
    unit_rows(&f->labels);
  recsys__free(c.list);
  return ok;
}

/* -- numbers */

static bool in_fields(const recsys__view *view, const char *fields, int32_t field) {
  return recsys__list_has(fields, recsys__view_field_name(view, field));
}

bool recsys__features_is_name(const recsys__view *view, const char *fields, int32_t field) {
  return fields ? in_fields(view, fields, field) : strcmp(recsys__view_field_name(view, field), "image") != 0;
}

/* The smallest and largest value of a field. */
static void range_of(const recsys__features *f, const recsys__view *view, int32_t wanted, double *low, double *high) {
  int32_t field;
  double value;
  *low = INFINITY;
  *high = -INFINITY;
  for (size_t i = 0; i < f->n; i++)
    for (size_t j = 0; recsys__view_number_at(view, f->items[i], j, &field, &value); j++)
      if (field == wanted) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
      }
}

typedef struct range {
  int32_t field;
  double low, high;
} range;

/* A value lies between two centres and belongs to both, the nearer the more. */
static bool add_bins(cells *c, uint32_t item, const range *r, size_t place, double value) {
  double at = r->high > r->low ? (value - r->low) / (r->high - r->low) * (BINS - 1) : 0;
  double below = floor(at), share = at - below;
  uint64_t column = place * BINS + (uint64_t)below;
  return add(c, item, column, 1 - share) && (share == 0 || add(c, item, column + 1, share));
}

static bool make_numbers(recsys__features *f, const recsys__view *view, const char *fields) {
  cells c = {0};
  range *ranges = NULL;
  size_t count = 0, room = 0;
  bool ok = true;
  int32_t field;
  double value;
  for (size_t i = 0; i < f->n && ok; i++)
    for (size_t j = 0; ok && recsys__view_number_at(view, f->items[i], j, &field, &value); j++) {
      size_t at = 0;
      while (at < count && ranges[at].field != field)
        at++;
      if (at == count && in_fields(view, fields, field) &&
          (ok = recsys__grow((void **)&ranges, &room, count + 1, sizeof *ranges))) {
        ranges[count].field = field;
        range_of(f, view, field, &ranges[count].low, &ranges[count].high);
        count++;
      }
      if (ok && at < count)
        ok = add_bins(&c, (uint32_t)i, &ranges[at], at, value);
    }
  if (ok && c.count)
    qsort(c.list, c.count, sizeof *c.list, by_column);
  if (ok && (ok = to_sparse(&f->numbers, &c, f->n, number_columns(&c))))
    unit_rows(&f->numbers);
  recsys__free(ranges);
  recsys__free(c.list);
  return ok;
}

/* -- words */

static bool make_words(recsys__features *f, const recsys__view *view, const char *fields) {
  cells c = {0};
  recsys__words words = {0};
  const char *text;
  int32_t field;
  bool ok = true;
  for (size_t i = 0; i < f->n && ok; i++)
    for (size_t j = 0; ok && (text = recsys__view_text_at(view, f->items[i], j, &field)); j++)
      if (recsys__features_is_name(view, fields, field))
        ok = recsys__words_add(&words, (uint32_t)i, text);
  recsys__words_sort(&words);
  for (size_t i = 0, column = 0; i < words.count && ok; i++) {
    column += i && strcmp(words.list[i].text, words.list[i - 1].text) != 0;
    ok = add(&c, words.list[i].item, column, 1);
  }
  recsys__words_free(&words);
  if (ok) {
    weigh_columns(&c, f->n, 2, f->n > 1 ? log((double)f->n) : 1);
    ok = to_sparse(&f->words, &c, f->n, number_columns(&c));
  }
  recsys__free(c.list);
  return ok;
}

/* -- pictures */

static void centre(recsys__features *f, const double *mean, const bool *has) {
  for (size_t i = 0; i < f->n; i++) {
    float *row = f->pictures + i * f->dim;
    double sum = 0;
    for (size_t d = 0; d < f->dim && has[i]; d++)
      sum += ((double)row[d] - mean[d]) * ((double)row[d] - mean[d]);
    for (size_t d = 0; d < f->dim && has[i]; d++)
      row[d] = sum > 0 ? (float)(((double)row[d] - mean[d]) / sqrt(sum)) : 0;
  }
}

static recsys_status make_pictures(recsys__features *f, const recsys__view *view, const char *fingerprint,
                                   recsys_error *error) {
  int32_t space;
  size_t count = 0;
  recsys_status status = recsys__view_space(view, fingerprint, &space, NULL);
  if (status == RECSYS_ENOTFOUND && !fingerprint)
    return RECSYS_OK; /* a store without embeddings */
  if (status)
    return recsys__view_space(view, fingerprint, &space, error);
  f->dim = recsys__view_dim(view, space);
  f->pictures = recsys__calloc(f->n, f->dim * sizeof *f->pictures);
  double *row = recsys__alloc(f->dim, sizeof *row), *mean = recsys__calloc(f->dim, sizeof *mean);
  bool *has = recsys__calloc(f->n, sizeof *has);
  bool ok = f->pictures && row && mean && has;
  for (size_t i = 0; i < f->n && ok; i++) {
    has[i] = recsys__view_mean_row(view, space, f->items[i], row);
    count += has[i];
    for (size_t d = 0; d < f->dim && has[i]; d++) {
      f->pictures[i * f->dim + d] = (float)row[d];
      mean[d] += row[d];
    }
  }
  for (size_t d = 0; d < f->dim && ok && count; d++)
    mean[d] /= (double)count;
  if (ok)
    centre(f, mean, has);
  recsys__free(row);
  recsys__free(mean);
  recsys__free(has);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the items' pictures as features");
}

/* -- all */

static bool has_feature(const recsys__view *view, int32_t space, int64_t item) {
  const recsys__label *labels;
  int32_t field;
  double value;
  bool named = false;
  for (size_t i = 0; !named && recsys__view_text_at(view, item, i, &field); i++)
    named = recsys__features_is_name(view, NULL, field);
  return named || recsys__view_all_labels(view, item, &labels) ||
         recsys__view_number_at(view, item, 0, &field, &value) ||
         (space >= 0 && recsys__view_has_embedding(view, space, item));
}

static bool list_items(recsys__features *f, const recsys__view *view, const char *fingerprint) {
  int32_t space = -1;
  size_t n = recsys__view_item_count(view), kept = 0;
  if (recsys__view_space(view, fingerprint, &space, NULL))
    space = -1;
  if (!(f->items = recsys__alloc(n, sizeof *f->items)))
    return false;
  n = recsys__view_items(view, -1, f->items, n);
  for (size_t i = 0; i < n; i++)
    if (has_feature(view, space, f->items[i]))
      f->items[kept++] = f->items[i];
  f->n = kept;
  return true;
}

void recsys__features_free(recsys__features *f) {
  recsys__free(f->items);
  recsys__sparse_free(&f->labels);
  recsys__sparse_free(&f->numbers);
  recsys__sparse_free(&f->words);
  recsys__free(f->pictures);
  *f = (recsys__features){0};
}

recsys_status recsys__features_make(recsys__features *f, const recsys__view *view, const char *fingerprint,
                                    const recsys__feature_fields *fields, recsys_error *error) {
  *f = (recsys__features){0};
  recsys_status status = RECSYS_OK;
  if (!list_items(f, view, fingerprint) || !make_labels(f, view, fields->labels) ||
      !make_numbers(f, view, fields->numbers) || !make_words(f, view, fields->texts))
    status = recsys__no_memory(error, "the items' features");
  if (!status)
    status = make_pictures(f, view, fingerprint, error);
  if (status)
    recsys__features_free(f);
  return status;
}
