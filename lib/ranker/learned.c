/* Scores and their parts from a learned model and a history (learned.h). */
#include "ranker/learned.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/matrix.h"
#include "base/matrix_kernel.h"
#include "base/memory.h"
#include "base/thread.h"

recsys__learned *recsys__learned_new(void) {
  recsys__learned *l = recsys__calloc(1, sizeof *l);
  if (l)
    atomic_init(&l->references, 1);
  return l;
}

void recsys__learned_release(recsys__learned *l) {
  if (!l || atomic_fetch_sub_explicit(&l->references, 1, memory_order_acq_rel) != 1)
    return;
  recsys__free(l->items);
  recsys__free(l->rated);
  recsys__free(l->rows);
  recsys__free(l->dense);
  recsys__free(l->pictures);
  recsys__sparse_free(&l->sparse);
  recsys__free(l->constant);
  recsys__free(l->vectors);
  recsys__free(l->by_factor);
  recsys__free(l->gram);
  recsys__free(l->bias);
  recsys__interactions_free(&l->people);
  recsys__free(l->norms);
  recsys__free(l);
}

bool recsys__learned_axis(recsys__learned *l, const recsys__interactions *x) {
  l->n = l->rated_count = x->by_user.columns;
  l->items = recsys__copy(x->items, l->n, sizeof *l->items);
  l->rated = recsys__copy(x->items, l->n, sizeof *l->rated);
  return l->items && l->rated;
}

size_t recsys__place_of(const int64_t *ids, size_t n, int64_t id) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (ids[middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n && ids[low] == id ? low : n;
}

/* Strides that double until the id is passed, then halves: few steps where the next id is near. */
size_t recsys__place_after(const int64_t *ids, size_t n, int64_t id, size_t *from) {
  size_t low = *from, stride = 1;
  while (low + stride < n && ids[low + stride] <= id) {
    low += stride;
    stride *= 2;
  }
  size_t high = low + stride < n ? low + stride : n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (ids[middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  *from = low;
  return low < n && ids[low] == id ? low : n;
}

/* -- linear */

/* Short histories lean on what everybody likes (measured: below five ratings plain EASE loses to popularity). */
static double constant_share(const recsys__profile *p) {
  return p->length > 20 ? 0 : 1 / (1 + (double)p->length / 10);
}

typedef struct dense_sum {
  const recsys__learned *l;
  const recsys__profile *p;
  double *scores;
  size_t width; /* columns of a part */
} dense_sum;

static void sum_columns(void *context, size_t part) {
  const dense_sum *d = context;
  size_t first = part * d->width, n = d->l->n - first < d->width ? d->l->n - first : d->width;
  for (size_t i = 0; i < d->p->n; i++)
    recsys__dense_at(0)->add_widened(d->scores + first, d->p->weights[i], d->l->dense + d->p->rows[i] * d->l->n + first,
                                     n);
}

/* A long history reads megabytes of weights: then the columns are shared out. */
static void dense_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  enum { WORTH = 1 << 20, LEAST = 512 };
  size_t parts = p->n * l->n < WORTH || p->threads < 2 ? 1 : p->threads;
  dense_sum d = {l, p, scores, (l->n + parts - 1) / parts};
  d.width = d.width < LEAST ? LEAST : d.width;
  recsys__parallel(p->threads, (l->n + d.width - 1) / d.width, sum_columns, &d);
}

static void linear_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  memset(scores, 0, l->n * sizeof *scores);
  if (l->shape == RECSYS__DENSE)
    dense_scores(l, p, scores);
  for (size_t i = 0; l->shape == RECSYS__SPARSE && i < p->n; i++)
    for (uint64_t e = l->sparse.offsets[p->rows[i]]; e < l->sparse.offsets[p->rows[i] + 1]; e++)
      scores[l->sparse.indices[e]] += p->weights[i] * (double)l->sparse.values[e];
  if (l->constant && constant_share(p) > 0)
    recsys__dense_at(0)->add_widened(scores, constant_share(p), l->constant, l->n);
}

static double linear_weight(const recsys__learned *l, size_t row, size_t column) {
  if (l->shape == RECSYS__DENSE)
    return (double)l->dense[row * l->n + column];
  for (uint64_t e = l->sparse.offsets[row]; e < l->sparse.offsets[row + 1]; e++)
    if (l->sparse.indices[e] == column)
      return (double)l->sparse.values[e];
  return 0;
}

/* -- factors */

/* With how much an entry's vector enters the right side. */
static double right_weight(const recsys__learned *l, const recsys__profile *p, size_t i) {
  if (l->fold == RECSYS__RESIDUAL)
    return p->weights[i] - l->mean - (l->bias ? l->bias[p->rows[i]] : 0);
  return l->fold == RECSYS__IMPLICIT ? 1 + p->weights[i] : p->weights[i];
}

/* a += sum of w y yᵀ: w = x for implicit feedback, else 1. */
static bool add_history(const recsys__learned *l, const recsys__profile *p, double *a) {
  double *ones = NULL;
  if (l->fold == RECSYS__RESIDUAL && !(ones = recsys__alloc(p->n, sizeof *ones)))
    return false;
  for (size_t i = 0; ones && i < p->n; i++)
    ones[i] = 1;
  recsys__dense_at(0)->add_grams(a, l->vectors, p->rows, ones ? ones : p->weights, p->n, l->factors);
  recsys__free(ones);
  return true;
}

/* The right side, and for the ridge folds the factor of A in a (f x f). */
static bool fold(const recsys__learned *l, const recsys__profile *p, double *a, double *b) {
  const recsys__dense *dense = recsys__dense_at(0);
  size_t f = l->factors;
  memset(b, 0, f * sizeof *b);
  if (l->fold == RECSYS__IMPLICIT)
    memcpy(a, l->gram, f * f * sizeof *a);
  else
    memset(a, 0, f * f * sizeof *a);
  for (size_t i = 0; i < p->n; i++)
    dense->add_widened(b, right_weight(l, p, i), l->vectors + p->rows[i] * f, f);
  if (l->fold == RECSYS__PROJECT)
    return true;
  if (!add_history(l, p, a))
    return false;
  double penalty = l->regularization;
  if (l->frequency > 0)
    penalty *= pow((double)p->n / l->mean_length, l->frequency);
  for (size_t c = 0; c < f; c++)
    a[c * f + c] += penalty;
  return recsys__cholesky(a, f, f);
}

bool recsys__learned_solve(const recsys__learned *l, const recsys__profile *p, double *u) {
  size_t f = l->factors;
  double *a = recsys__alloc(f, f * sizeof *a);
  bool ok = a && fold(l, p, a, u);
  if (ok && l->fold != RECSYS__PROJECT)
    recsys__cholesky_solve(a, f, f, u);
  recsys__free(a);
  return ok;
}

double recsys__learned_exact(const recsys__learned *l, const double *u, size_t at) {
  return l->mean + (l->bias ? l->bias[at] : 0) +
         recsys__dense_at(0)->dot_widened(u, l->vectors + at * l->factors, l->factors);
}

static bool factor_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  double *u = recsys__alloc(l->factors, sizeof *u);
  bool ok = u && recsys__learned_solve(l, p, u);
  for (size_t j = 0; ok && j < l->n; j++)
    scores[j] = recsys__learned_exact(l, u, j);
  recsys__free(u);
  return ok;
}

/* Sums of k floats are off by at most (k + 1) 2^-24 times the sum of magnitudes (Higham 2002, section 3.1), which the
 * norms bound (Cauchy and Schwarz); the biases are rounded twice, and the sum with them once. */
bool recsys__learned_rough(const recsys__learned *l, double *const u[4], float *scores, double slack[4]) {
  size_t f = l->factors;
  double widest = fabs(l->mean);
  float *weights = recsys__calloc(f, 4 * sizeof *weights);
  if (!weights)
    return false;
  for (size_t j = 0; l->bias && j < l->n; j++)
    widest = fmax(widest, fabs(l->mean + l->bias[j]));
  for (size_t q = 0; q < 4; q++) {
    double norm = 0;
    for (size_t c = 0; u[q] && c < f; c++) {
      weights[c * 4 + q] = (float)u[q][c];
      norm += u[q][c] * u[q][c];
    }
    slack[q] = 0x1p-24 * ((double)(f + 2) * sqrt(norm) * l->longest + 4 * widest);
  }
  recsys__dense_at(0)->combine_four(scores, l->by_factor, weights, f, l->padded);
  for (size_t q = 0; q < 4 && widest > 0; q++)
    for (size_t j = 0; j < l->n; j++)
      scores[q * l->padded + j] += (float)(l->mean + (l->bias ? l->bias[j] : 0));
  recsys__free(weights);
  return true;
}

static bool make_rows(recsys__learned *l) {
  uint64_t largest = l->rated_count ? (uint64_t)l->rated[l->rated_count - 1] : 0;
  if (largest >= 16 * (uint64_t)l->rated_count + 1024)
    return true;
  l->row_ids = (size_t)largest + 1;
  l->rows = recsys__calloc(l->row_ids, sizeof *l->rows);
  for (size_t i = 0; l->rows && i < l->rated_count; i++)
    l->rows[l->rated[i]] = (uint32_t)i + 1;
  return l->rows != NULL;
}

size_t recsys__learned_row(const recsys__learned *l, int64_t id, size_t *from) {
  if (!l->rows)
    return recsys__place_after(l->rated, l->rated_count, id, from);
  uint32_t row = id >= 0 && (uint64_t)id < l->row_ids ? l->rows[id] : 0;
  return row ? row - 1 : l->rated_count;
}

static bool make_tiles(recsys__learned *l) {
  if (!(l->by_factor = recsys__calloc(l->factors, l->padded * sizeof *l->by_factor)))
    return false;
  for (size_t j = 0; j < l->n; j++) {
    float *tile = l->by_factor + j / RECSYS__TILE_ITEMS * RECSYS__TILE_ITEMS * l->factors + j % RECSYS__TILE_ITEMS;
    double norm = 0;
    for (size_t c = 0; c < l->factors; c++) {
      float value = l->vectors[j * l->factors + c];
      tile[c * RECSYS__TILE_ITEMS] = value;
      norm += (double)value * (double)value;
    }
    l->longest = fmax(l->longest, sqrt(norm));
  }
  return true;
}

bool recsys__learned_prepare(recsys__learned *l) {
  if (l->prepared)
    return true;
  l->padded = (l->n + RECSYS__TILE_ITEMS - 1) / RECSYS__TILE_ITEMS * RECSYS__TILE_ITEMS;
  l->prepared = make_rows(l) && (l->shape != RECSYS__FACTORS || !l->n || make_tiles(l));
  return l->prepared;
}

/* score(j) = b . A⁻¹ y_j, so each summand of b gives its part (Hu, Koren and Volinsky 2008, section 5). */
static bool factor_parts(const recsys__learned *l, const recsys__profile *p, size_t at, double *parts,
                         double *constant) {
  const recsys__dense *dense = recsys__dense_at(0);
  size_t f = l->factors;
  double *a = recsys__alloc(f + 2, f * sizeof *a), *u = a + f * f, *z = u + f;
  bool ok = a && fold(l, p, a, u);
  for (size_t c = 0; ok && c < f; c++)
    z[c] = (double)l->vectors[at * f + c];
  if (ok && l->fold != RECSYS__PROJECT)
    recsys__cholesky_solve(a, f, f, z);
  for (size_t i = 0; ok && i < p->n; i++) {
    parts[i] = right_weight(l, p, i) * dense->dot_widened(z, l->vectors + p->rows[i] * f, f);
  }
  *constant = l->mean + (l->bias ? l->bias[at] : 0);
  recsys__free(a);
  return ok;
}

/* -- users */

typedef struct person {
  uint32_t user;
  double similarity;
} person;

static int by_similarity(const void *a, const void *b) {
  const person *x = a, *y = b;
  if (x->similarity != y->similarity)
    return x->similarity > y->similarity ? -1 : 1;
  return (x->user > y->user) - (x->user < y->user);
}

/* The value of the history's i-th item as the people's are compared. */
static double compared(const recsys__learned *l, const recsys__profile *p, size_t i, double mean) {
  if (l->compared == RECSYS__SETS)
    return 1;
  return (p->weights[i] - mean) * (l->bias ? l->bias[p->rows[i]] : 1);
}

/* The people most like the history, best first; returns how many. */
static size_t nearest(const recsys__learned *l, const recsys__profile *p, double *sums, person *people) {
  const recsys__sparse *items = &l->people.by_item;
  size_t users = l->people.by_user.rows, n = 0;
  double norm = 0, mean = 0;
  for (size_t i = 0; i < p->n && l->compared == RECSYS__CENTRED; i++)
    mean += p->weights[i] / (double)p->n;
  for (size_t i = 0; i < p->n; i++) {
    double value = compared(l, p, i, mean);
    norm += value * value;
    for (uint64_t e = items->offsets[p->rows[i]]; e < items->offsets[p->rows[i] + 1]; e++)
      sums[items->indices[e]] += value * (double)items->values[e];
  }
  for (size_t v = 0; v < users; v++) {
    double size = l->compared == RECSYS__SETS ? norm + l->norms[v] - sums[v] : sqrt(norm) * l->norms[v];
    if (sums[v] > 0 && l->people.users[v] != p->user)
      people[n++] = (person){(uint32_t)v, sums[v] / (size + l->shrinkage)};
  }
  if (n)
    qsort(people, n, sizeof *people, by_similarity);
  return n < l->neighbours ? n : l->neighbours;
}

static bool user_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  const recsys__sparse *rows = &l->people.by_user;
  double *sums = recsys__calloc(rows->rows, sizeof *sums);
  person *people = recsys__alloc(rows->rows, sizeof *people);
  bool ok = sums && people;
  memset(scores, 0, l->n * sizeof *scores);
  size_t n = ok ? nearest(l, p, sums, people) : 0;
  for (size_t v = 0; v < n; v++)
    for (uint64_t e = rows->offsets[people[v].user]; e < rows->offsets[people[v].user + 1]; e++)
      scores[rows->indices[e]] += people[v].similarity * (double)rows->values[e];
  recsys__free(sums);
  recsys__free(people);
  return ok;
}

/* -- features */

/* g += weight f_at */
static void add_features(const recsys__learned *l, size_t at, double weight, double *g) {
  for (uint64_t e = l->sparse.offsets[at]; e < l->sparse.offsets[at + 1]; e++)
    g[l->sparse.indices[e]] += weight * (double)l->sparse.values[e];
  if (l->pictures)
    recsys__dense_at(0)->add_widened(g + l->sparse.columns, weight, l->pictures + at * l->factors, l->factors);
}

static double dot_features(const recsys__learned *l, size_t at, const double *u) {
  double sum = 0;
  for (uint64_t e = l->sparse.offsets[at]; e < l->sparse.offsets[at + 1]; e++)
    sum += u[l->sparse.indices[e]] * (double)l->sparse.values[e];
  if (l->pictures)
    sum += recsys__dense_at(0)->dot_widened(u + l->sparse.columns, l->pictures + at * l->factors, l->factors);
  return sum;
}

/* u = P g */
static void solve_features(const recsys__learned *l, const double *g, double *u, size_t d) {
  memset(u, 0, d * sizeof *u);
  for (size_t c = 0; c < d; c++)
    if (g[c] != 0)
      recsys__dense_at(0)->add_widened(u, g[c], l->dense + c * d, d);
}

/* The place of the profile's i-th item among those with features, or n. */
static size_t featured(const recsys__learned *l, const recsys__profile *p, size_t i) {
  return recsys__place_of(l->items, l->n, l->rated[p->rows[i]]);
}

static bool feature_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  size_t d = l->sparse.columns + l->factors;
  double *g = recsys__calloc(d, 2 * sizeof *g), *u = g + d;
  if (!g)
    return false;
  for (size_t i = 0; i < p->n; i++) {
    size_t at = featured(l, p, i);
    if (at < l->n)
      add_features(l, at, p->weights[i], g);
  }
  solve_features(l, g, u, d);
  for (size_t j = 0; j < l->n; j++)
    scores[j] = dot_features(l, j, u);
  recsys__free(g);
  return true;
}

static bool feature_parts(const recsys__learned *l, const recsys__profile *p, size_t at, double *parts) {
  size_t d = l->sparse.columns + l->factors;
  double *g = recsys__calloc(d, 2 * sizeof *g), *u = g + d;
  if (!g)
    return false;
  add_features(l, at, 1, g);
  solve_features(l, g, u, d);
  for (size_t i = 0; i < p->n; i++) {
    size_t row = featured(l, p, i);
    parts[i] = row < l->n ? p->weights[i] * dot_features(l, row, u) : 0;
  }
  recsys__free(g);
  return true;
}

/* -- all shapes */

bool recsys__learned_scores(const recsys__learned *l, const recsys__profile *p, double *scores) {
  if (l->shape == RECSYS__FACTORS)
    return factor_scores(l, p, scores);
  if (l->shape == RECSYS__USERS)
    return user_scores(l, p, scores);
  if (l->shape == RECSYS__FEATURES)
    return feature_scores(l, p, scores);
  linear_scores(l, p, scores);
  return true;
}

bool recsys__learned_parts(const recsys__learned *l, const recsys__profile *p, size_t at, double *parts,
                           double *constant) {
  *constant = 0;
  if (l->shape == RECSYS__USERS)
    return false;
  if (l->shape == RECSYS__FACTORS)
    return factor_parts(l, p, at, parts, constant);
  if (l->shape == RECSYS__FEATURES)
    return feature_parts(l, p, at, parts);
  for (size_t i = 0; i < p->n; i++)
    parts[i] = p->weights[i] * linear_weight(l, p->rows[i], at);
  if (l->constant)
    *constant = constant_share(p) * (double)l->constant[at];
  return true;
}
