/* The kernel over features (features.h): dense products for pictures, inverted lists for everything that is sparse. */
#include <string.h>

#include "base/matrix.h"
#include "base/memory.h"
#include "base/thread.h"
#include "ranker/features.h"

typedef struct job {
  const recsys__features *f;
  const recsys__kernel_weights *w;
  const uint32_t *rows, *columns;
  size_t n_rows, n_columns;
  recsys__sparse labels, numbers, words; /* by feature: the columns that have it */
  double *out;
} job;

/* The chosen rows of s, transposed: for each feature the places in `columns` that have it. */
static bool invert(recsys__sparse *out, const recsys__sparse *s, const uint32_t *columns, size_t n) {
  size_t entries = 0;
  recsys__sparse chosen = {.rows = n, .columns = s->columns};
  for (size_t i = 0; i < n; i++)
    entries += columns[i] < s->rows ? (size_t)(s->offsets[columns[i] + 1] - s->offsets[columns[i]]) : 0;
  chosen.offsets = recsys__calloc(n + 1, sizeof *chosen.offsets);
  chosen.indices = recsys__alloc(entries, sizeof *chosen.indices);
  chosen.values = recsys__alloc(entries, sizeof *chosen.values);
  bool ok = chosen.offsets && chosen.indices && chosen.values;
  for (size_t i = 0, at = 0; i < n && ok; i++) {
    if (columns[i] < s->rows)
      for (uint64_t e = s->offsets[columns[i]]; e < s->offsets[columns[i] + 1]; e++, at++) {
        chosen.indices[at] = s->indices[e];
        chosen.values[at] = s->values[e];
      }
    chosen.offsets[i + 1] = at;
  }
  ok = ok && recsys__sparse_transpose(out, &chosen);
  recsys__sparse_free(&chosen);
  return ok;
}

static void add_products(const recsys__sparse *s, const recsys__sparse *by_feature, uint32_t row, double weight,
                         double *out) {
  if (row >= s->rows || weight == 0)
    return;
  for (uint64_t e = s->offsets[row]; e < s->offsets[row + 1]; e++) {
    double value = weight * (double)s->values[e];
    uint64_t end = by_feature->offsets[s->indices[e] + 1];
    for (uint64_t c = by_feature->offsets[s->indices[e]]; c < end; c++)
      out[by_feature->indices[c]] += value * (double)by_feature->values[c];
  }
}

static void one_row(void *context, size_t row) {
  job *j = context;
  double *out = j->out + row * j->n_columns;
  add_products(&j->f->labels, &j->labels, j->rows[row], j->w->labels, out);
  add_products(&j->f->numbers, &j->numbers, j->rows[row], j->w->numbers, out);
  for (size_t c = 0; j->w->pairs != 0 && c < j->n_columns; c++)
    out[c] += j->w->pairs * out[c] * out[c];
  add_products(&j->f->words, &j->words, j->rows[row], j->w->words, out);
}

static double *gather(const recsys__features *f, const uint32_t *places, size_t n) {
  double *rows = recsys__calloc(n, f->dim * sizeof *rows);
  for (size_t i = 0; rows && i < n; i++)
    for (size_t d = 0; d < f->dim && places[i] < f->n; d++)
      rows[i * f->dim + d] = (double)f->pictures[places[i] * f->dim + d];
  return rows;
}

static bool picture_products(const job *j, uint32_t threads) {
  const recsys__features *f = j->f;
  if (!f->pictures || j->w->pictures == 0) {
    memset(j->out, 0, j->n_rows * j->n_columns * sizeof *j->out);
    return true;
  }
  double *a = gather(f, j->rows, j->n_rows), *b = gather(f, j->columns, j->n_columns);
  bool ok = a && b &&
            recsys__gemm(threads, RECSYS__B_TRANSPOSED, j->n_rows, j->n_columns, f->dim, j->w->pictures, a, f->dim, b,
                         f->dim, 0, j->out, j->n_columns);
  recsys__free(a);
  recsys__free(b);
  return ok;
}

bool recsys__features_kernel(const recsys__features *f, const recsys__kernel_weights *w, uint32_t threads,
                             const uint32_t *rows, size_t n_rows, const uint32_t *columns, size_t n_columns,
                             double *out) {
  job j = {.f = f, .w = w, .rows = rows, .columns = columns, .n_rows = n_rows, .n_columns = n_columns, .out = out};
  bool ok = picture_products(&j, threads) && invert(&j.labels, &f->labels, columns, n_columns) &&
            invert(&j.numbers, &f->numbers, columns, n_columns) && invert(&j.words, &f->words, columns, n_columns);
  if (ok)
    recsys__parallel(threads, n_rows, one_row, &j);
  recsys__sparse_free(&j.labels);
  recsys__sparse_free(&j.numbers);
  recsys__sparse_free(&j.words);
  return ok;
}
