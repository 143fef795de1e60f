/*
 * pure-svd: score = x V Vᵀ with the right singular vectors of the matrix of ratings (Cremonesi, Koren and Turrin 2010),
 * by randomised subspace iteration (Halko, Martinsson and Tropp 2011) from a seeded start.
 */
#include <math.h>
#include <string.h>

#include "base/matrix.h"
#include "base/matrix_kernel.h"
#include "base/thread.h"
#include "ranker/factors.h"
#include "ranker/ranker.h"

static const char *const values_words[] = {"rating", "binary", NULL};

enum { FACTORS, ITERATIONS, VALUES, SEED };
static const recsys__parameter parameters[] = {
    [FACTORS] = {"factors", RECSYS__INTEGER, 1, 2048, 16, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 1000, 12, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    [SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    {NULL},
};

enum { EXTRA = 10 }; /* directions beyond those that are kept, for accuracy */

typedef struct product {
  const recsys__sparse *a;
  const double *in;
  double *out;
  size_t f;
  const recsys__dense *dense;
} product;

static void product_row(void *context, size_t row) {
  const product *p = context;
  double *out = p->out + row * p->f;
  memset(out, 0, p->f * sizeof *out);
  for (uint64_t e = p->a->offsets[row]; e < p->a->offsets[row + 1]; e++)
    p->dense->add_doubles(out, (double)p->a->values[e], p->in + p->a->indices[e] * p->f, p->f);
}

/* out = A in, over f columns. */
static void multiply(const recsys__sparse *a, const double *in, double *out, size_t f, uint32_t threads) {
  product p = {a, in, out, f, recsys__dense_at(0)};
  recsys__parallel(threads, a->rows, product_row, &p);
}

static recsys_status iterate(const recsys__fitting *fitting, const recsys__sparse *by_user,
                             const recsys__sparse *by_item, size_t f, double *items, recsys_error *error) {
  uint32_t threads = fitting->ranker->threads;
  size_t users = by_user->rows, n = by_item->rows, iterations = (size_t)recsys__number(fitting->ranker, ITERATIONS);
  double *rows = recsys__alloc(users, f * sizeof *rows), *values = recsys__alloc(f, sizeof *values);
  bool ok = rows && values && recsys__orthonormalise(items, n, f, threads, values);
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; i < iterations && ok && !status; i++) {
    multiply(by_user, items, rows, f, threads);
    ok = recsys__orthonormalise(rows, users, f, threads, values);
    multiply(by_item, rows, items, f, threads);
    /* The last time the eigenvalues order the columns by the singular values. */
    ok = ok && recsys__orthonormalise(items, n, f, threads, values);
    status = recsys__fit_progress(fitting, i + 1, iterations + 1, error);
  }
  recsys__free(rows);
  recsys__free(values);
  return ok ? status : recsys__no_memory(error, "the singular vectors");
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  recsys__sparse by_user = {0}, by_item = {0};
  bool binary = recsys__number(ranker, VALUES) != 0;
  l->shape = RECSYS__FACTORS;
  l->fold = RECSYS__PROJECT;
  bool ok = recsys__learned_axis(l, &fitting->x) && recsys__scaled_ratings(&by_user, &fitting->x, binary);
  size_t least = l->n < by_user.rows ? l->n : by_user.rows, wanted = (size_t)recsys__number(ranker, FACTORS);
  l->factors = wanted < least ? wanted : least;
  size_t f = l->factors + EXTRA < least ? l->factors + EXTRA : least;
  float *start = recsys__factors_random(l->n, f, (uint64_t)recsys__number(ranker, SEED), 0);
  double *items = recsys__alloc(l->n, (f + 1) * sizeof *items);
  ok = ok && start && items && recsys__sparse_transpose(&by_item, &by_user) &&
       (l->vectors = recsys__alloc(l->n, (l->factors + 1) * sizeof *l->vectors));
  for (size_t i = 0; ok && i < l->n * f; i++)
    items[i] = (double)start[i];
  recsys_status status = ok && f ? iterate(fitting, &by_user, &by_item, f, items, error) : RECSYS_OK;
  for (size_t i = 0; ok && !status && i < l->n; i++)
    for (size_t c = 0; c < l->factors; c++)
      l->vectors[i * l->factors + c] = (float)items[i * f + c];
  recsys__sparse_free(&by_user);
  recsys__sparse_free(&by_item);
  recsys__free(start);
  recsys__free(items);
  return ok ? status : recsys__no_memory(error, "the singular vectors");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__pure_svd = {.name = "pure-svd", .parameters = parameters, .fit = fit, .weight = weight};
