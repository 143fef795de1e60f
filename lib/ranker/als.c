/*
 * als: implicit feedback by alternating least squares (Hu, Koren and Volinsky 2008). A rating r is a preference of 1
 * with confidence 1 + alpha r / largest; each side is solved exactly (Cholesky) or by a few conjugate-gradient steps
 * (Takács, Pilászy and Tikk 2011). The penalty of a row of n ratings is regularization x (n / mean)^frequency (after
 * Rendle et al. 2022). A history is folded in by an exact solve.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/matrix.h"
#include "base/matrix_kernel.h"
#include "base/random.h"
#include "base/thread.h"
#include "ranker/factors.h"
#include "ranker/ranker.h"

static const char *const values_words[] = {"rating", "binary", NULL}, *const solvers[] = {"cg", "cholesky", NULL};

enum { FACTORS, REGULARIZATION, FREQUENCY, ALPHA, ITERATIONS, SOLVER, VALUES, SEED };
static const recsys__parameter parameters[] = {
    [FACTORS] = {"factors", RECSYS__INTEGER, 1, 2048, 64, NULL},
    [REGULARIZATION] = {"regularization", RECSYS__NUMBER, 1e-9, 1e9, 40, NULL},
    [FREQUENCY] = {"frequency", RECSYS__NUMBER, 0, 2, 0.5, NULL},
    [ALPHA] = {"alpha", RECSYS__NUMBER, 0, 1e9, 8, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 10000, 15, NULL},
    [SOLVER] = {"solver", RECSYS__WORD, .words = solvers},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    [SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    {NULL},
};

typedef struct side {
  const recsys__dense *dense;
  const recsys__sparse *rows; /* values: alpha x / largest */
  const float *other;         /* the fixed side's vectors */
  const float *gram;          /* of them, f x f */
  double regularization, frequency, mean_length;
  float *vectors; /* to be solved */
  size_t f;
  bool cholesky;
  atomic_bool failed;
} side;

static double penalty_of(const side *s, size_t row) {
  double n = (double)(s->rows->offsets[row + 1] - s->rows->offsets[row]);
  return s->regularization * pow(n / s->mean_length, s->frequency);
}

/* out = (gram + penalty I + sum of c y yᵀ) x */
static void apply(const side *s, size_t row, const float *x, float *out) {
  float penalty = (float)penalty_of(s, row);
  for (size_t i = 0; i < s->f; i++)
    out[i] = s->dense->dot(s->gram + i * s->f, x, s->f) + penalty * x[i];
  uint64_t first = s->rows->offsets[row], n = s->rows->offsets[row + 1] - first;
  s->dense->add_outer_times(out, x, s->other, s->rows->indices + first, s->rows->values + first, n, s->f);
}

static void right_side(const side *s, size_t row, float *b) {
  memset(b, 0, s->f * sizeof *b);
  for (uint64_t e = s->rows->offsets[row]; e < s->rows->offsets[row + 1]; e++)
    s->dense->add_floats(b, 1 + s->rows->values[e], s->other + s->rows->indices[e] * s->f, s->f);
}

enum { CG_STEPS = 3 };

static void solve_cg(const side *s, size_t row, float *work) {
  size_t f = s->f;
  float *x = s->vectors + row * f, *r = work, *p = work + f, *ap = work + 2 * f;
  right_side(s, row, r);
  apply(s, row, x, ap);
  s->dense->add_floats(r, -1, ap, f);
  memcpy(p, r, f * sizeof *p);
  float before = s->dense->dot(r, r, f);
  for (int step = 0; step < CG_STEPS && before > 1e-20f; step++) {
    apply(s, row, p, ap);
    float length = before / s->dense->dot(p, ap, f);
    s->dense->add_floats(x, length, p, f);
    s->dense->add_floats(r, -length, ap, f);
    float after = s->dense->dot(r, r, f);
    for (size_t i = 0; i < f; i++)
      p[i] = r[i] + after / before * p[i];
    before = after;
  }
}

static void solve_exactly(side *s, size_t row, float *work) {
  size_t f = s->f;
  double *a = recsys__alloc(f + 1, f * sizeof *a), *b = a + f * f;
  if (!a) {
    atomic_store(&s->failed, true);
    return;
  }
  right_side(s, row, work);
  for (size_t i = 0; i < f * f; i++)
    a[i] = (double)s->gram[i] + (i % (f + 1) == 0 ? penalty_of(s, row) : 0);
  for (uint64_t e = s->rows->offsets[row]; e < s->rows->offsets[row + 1]; e++) {
    const float *y = s->other + s->rows->indices[e] * f;
    for (size_t i = 0; i < f; i++)
      s->dense->add_widened(a + i * f + i, (double)(s->rows->values[e] * y[i]), y + i, f - i);
  }
  for (size_t i = 0; i < f; i++)
    b[i] = (double)work[i];
  if (recsys__cholesky(a, f, f)) {
    recsys__cholesky_solve(a, f, f, b);
    for (size_t i = 0; i < f; i++)
      s->vectors[row * f + i] = (float)b[i];
  }
  recsys__free(a);
}

enum { ROWS_PER_PART = 32 };

static void solve_rows(void *context, size_t part) {
  side *s = context;
  float *work = recsys__alloc(s->f, 3 * sizeof *work);
  if (!work)
    atomic_store(&s->failed, true);
  for (size_t row = part * ROWS_PER_PART; work && row < s->rows->rows && row < (part + 1) * ROWS_PER_PART; row++) {
    if (s->cholesky)
      solve_exactly(s, row, work);
    else
      solve_cg(s, row, work);
  }
  recsys__free(work);
}

static bool solve_side(side *s, const recsys__sparse *rows, const float *other, float *vectors, uint32_t threads,
                       double *gram, float *gram_floats) {
  size_t f = s->f;
  if (!recsys__factors_gram(threads, other, rows->columns, f, gram))
    return false;
  for (size_t i = 0; i < f * f; i++)
    gram_floats[i] = (float)gram[i];
  s->rows = rows;
  s->mean_length = rows->rows ? (double)rows->offsets[rows->rows] / (double)rows->rows : 1;
  s->other = other;
  s->vectors = vectors;
  s->gram = gram_floats;
  recsys__parallel(threads, (rows->rows + ROWS_PER_PART - 1) / ROWS_PER_PART, solve_rows, s);
  return !atomic_load(&s->failed);
}

static recsys_status iterate(const recsys__fitting *fitting, const recsys__sparse *by_user,
                             const recsys__sparse *by_item, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  uint64_t iterations = (uint64_t)recsys__number(ranker, ITERATIONS);
  side s = {.dense = recsys__dense_at(0),
            .f = l->factors,
            .cholesky = recsys__number(ranker, SOLVER) != 0,
            .regularization = l->regularization,
            .frequency = l->frequency};
  atomic_init(&s.failed, false);
  float *users = recsys__factors_random(by_user->rows, l->factors, (uint64_t)recsys__number(ranker, SEED), 1);
  float *gram = recsys__alloc(l->factors, l->factors * sizeof *gram);
  bool ok = users && gram;
  recsys_status status = RECSYS_OK;
  for (uint64_t i = 0; i < iterations && ok && !status; i++) {
    ok = solve_side(&s, by_user, l->vectors, users, ranker->threads, l->gram, gram) &&
         solve_side(&s, by_item, users, l->vectors, ranker->threads, l->gram, gram);
    status = recsys__fit_progress(fitting, i + 1, iterations + 1, error);
  }
  ok = ok && recsys__factors_gram(ranker->threads, l->vectors, l->n, l->factors, l->gram);
  recsys__free(users);
  recsys__free(gram);
  return ok ? status : recsys__no_memory(error, "the factors");
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  recsys__sparse by_user = {0}, by_item = {0};
  double alpha = recsys__number(ranker, ALPHA);
  bool binary = recsys__number(ranker, VALUES) != 0;
  l->shape = RECSYS__FACTORS;
  l->fold = RECSYS__IMPLICIT;
  l->factors = (size_t)recsys__number(ranker, FACTORS);
  l->regularization = recsys__number(ranker, REGULARIZATION);
  l->frequency = recsys__number(ranker, FREQUENCY);
  l->mean_length = fitting->x.by_user.rows
                       ? (double)fitting->x.by_user.offsets[fitting->x.by_user.rows] / (double)fitting->x.by_user.rows
                       : 1;
  bool ok = recsys__learned_axis(l, &fitting->x) &&
            (l->gram = recsys__alloc(l->factors, l->factors * sizeof *l->gram)) &&
            (l->vectors = recsys__factors_random(l->n, l->factors, (uint64_t)recsys__number(ranker, SEED), 0)) &&
            recsys__sparse_like(&by_user, &fitting->x.by_user);
  for (uint64_t e = 0; ok && e < by_user.offsets[by_user.rows]; e++)
    by_user.values[e] =
        (float)(alpha * (binary ? 1 : fmax(0, (double)fitting->x.by_user.values[e] / fitting->x.largest)));
  ok = ok && recsys__sparse_transpose(&by_item, &by_user);
  recsys_status status = ok ? iterate(fitting, &by_user, &by_item, error) : recsys__no_memory(error, "the factors");
  recsys__sparse_free(&by_user);
  recsys__sparse_free(&by_item);
  return status;
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  double x = recsys__number(r->ranker, VALUES) != 0 ? 1 : fmax(0, (double)rating->value / r->fitted->largest);
  return recsys__number(r->ranker, ALPHA) * x;
}

const recsys__algorithm recsys__als = {.name = "als", .parameters = parameters, .fit = fit, .weight = weight};
