/*
 * slim: sparse non-negative item-item weights with a zero diagonal (Ning and Karypis 2011): for each item j
 *
 *   min over w >= 0, w_j = 0 of  1/2 |x_j - X w|² + l2 / 2 |w|² + l1 |w|₁
 *
 * by coordinate descent on the Gram matrix (Friedman, Hastie and Tibshirani 2010), items in parallel.
 */
#include <math.h>
#include <string.h>

#include "ranker/gram.h"
#include "ranker/neighbours.h"
#include "ranker/ranker.h"

static const char *const values_words[] = {"rating", "binary", NULL};

enum { L1, L2, NEIGHBOURS, ITERATIONS, TOLERANCE, VALUES };
static const recsys__parameter parameters[] = {
    [L1] = {"l1", RECSYS__NUMBER, 0, 1e9, 1, NULL},
    [L2] = {"l2", RECSYS__NUMBER, 1e-9, 1e9, 100, NULL},
    [NEIGHBOURS] = {"neighbours", RECSYS__INTEGER, 1, 100000, 1000, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 10000, 100, NULL},
    [TOLERANCE] = {"tolerance", RECSYS__NUMBER, 0, 1, 1e-5, NULL}, /* no weight moves by more: done */
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    {NULL},
};

typedef struct problem {
  const double *gram;
  size_t n, iterations;
  double l1, l2, tolerance;
} problem;

/* left = G_j - G w over all rows, kept current as w changes. */
static bool change(const problem *p, double *w, double *left, size_t i, double value) {
  double step = value - w[i];
  if (step == 0)
    return false;
  const double *row = p->gram + i * p->n;
  for (size_t r = 0; r < p->n; r++)
    left[r] -= step * row[r];
  w[i] = value;
  return fabs(step) > p->tolerance;
}

/* One item's weights, as a row; transposed afterwards, because w_ij tells what i says of j. */
static void descend(const void *context, size_t j, double *w) {
  const problem *p = context;
  double *left = recsys__copy(p->gram + j * p->n, p->n, sizeof *left);
  uint32_t *active = recsys__alloc(p->n, sizeof *active);
  size_t n = 0;
  bool moving = left && active;
  for (size_t i = 0; moving && i < p->n; i++)
    if (i != j && left[i] > p->l1)
      active[n++] = (uint32_t)i; /* with w >= 0 and a Gram matrix >= 0 no other can become positive */
  for (size_t iteration = 0; moving && iteration < p->iterations; iteration++) {
    moving = false;
    for (size_t a = 0; a < n; a++) {
      size_t i = active[a];
      double g = p->gram[i * p->n + i], free_part = left[i] + g * w[i] - p->l1;
      moving |= change(p, w, left, i, free_part > 0 ? free_part / (g + p->l2) : 0);
    }
  }
  recsys__free(left);
  recsys__free(active);
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  recsys__sparse by_user = {0}, by_item = {0}, columns = {0};
  size_t n = fitting->x.by_user.columns;
  bool binary = recsys__number(ranker, VALUES) != 0;
  recsys_status status = recsys__fit_memory(fitting, (uint64_t)n * n * sizeof(double), n, error);
  if (status)
    return status;
  double *gram = recsys__alloc(n, n * sizeof *gram);
  l->shape = RECSYS__SPARSE;
  bool ok = gram && recsys__learned_axis(l, &fitting->x) && recsys__scaled_ratings(&by_user, &fitting->x, binary);
  ok = ok && recsys__sparse_transpose(&by_item, &by_user);
  if (ok) {
    recsys__gram(ranker->threads, &by_item, &by_user, NULL, true, gram);
    problem p = {gram,
                 n,
                 (size_t)recsys__number(ranker, ITERATIONS),
                 recsys__number(ranker, L1),
                 recsys__number(ranker, L2),
                 recsys__number(ranker, TOLERANCE)};
    ok = recsys__best_of_rows(&columns, ranker->threads, n, (size_t)recsys__number(ranker, NEIGHBOURS), descend, &p) &&
         recsys__sparse_transpose(&l->sparse, &columns);
  }
  recsys__sparse_free(&by_user);
  recsys__sparse_free(&by_item);
  recsys__sparse_free(&columns);
  recsys__free(gram);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the items' weights");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__slim = {.name = "slim", .parameters = parameters, .fit = fit, .weight = weight};
