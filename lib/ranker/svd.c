/*
 * svd: ratings to expect, r(u, i) = mean + b_i + b_u + p_u . q_i (Koren, Bell and Volinsky 2009), with squared errors
 * and ridge penalties, by stochastic gradient descent in a fixed order or by alternating least squares. A history is
 * folded in by an exact solve for (b_u, p_u); the item's vector is (s, q_i), where s² = regularization /
 * bias_regularization makes one penalty serve both.
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

static const char *const solvers[] = {"als", "sgd", NULL};

enum { FACTORS, REGULARIZATION, BIAS_REGULARIZATION, ITERATIONS, RATE, SOLVER, SEED };
static const recsys__parameter parameters[] = {
    [FACTORS] = {"factors", RECSYS__INTEGER, 0, 2048, 16, NULL},
    [REGULARIZATION] = {"regularization", RECSYS__NUMBER, 1e-9, 1e9, 10, NULL},
    [BIAS_REGULARIZATION] = {"bias_regularization", RECSYS__NUMBER, 1e-9, 1e9, 3, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 10000, 20, NULL},
    [RATE] = {"rate", RECSYS__NUMBER, 1e-9, 1, 0.005, NULL},
    [SOLVER] = {"solver", RECSYS__WORD, .words = solvers},
    [SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    {NULL},
};

/* Both sides: vectors of f + 1 (first the bias as a multiple of the constant s). */
typedef struct model {
  const recsys__fitting *fitting;
  const recsys__dense *dense;
  size_t width; /* f + 1 */
  double s, mean, regularization;
  float *users, *items;
  const recsys__sparse *rows; /* the side being solved */
  float *solved;
  const float *other;
  atomic_bool failed;
} model;

/* The bias and the factors of one row from those of the other side, as the fold of learned.c does it. */
static void solve_row(void *context, size_t row) {
  model *m = context;
  size_t w = m->width;
  double *a = recsys__calloc(w + 2, w * sizeof *a), *b = a + w * w;
  float *y = recsys__alloc(w, sizeof *y);
  if (!a || !y)
    atomic_store(&m->failed, true);
  for (uint64_t e = m->rows->offsets[row]; a && y && e < m->rows->offsets[row + 1]; e++) {
    const float *other = m->other + m->rows->indices[e] * w;
    double left = (double)m->rows->values[e] - m->mean - m->s * (double)other[0];
    memcpy(y, other, w * sizeof *y);
    y[0] = (float)m->s;
    for (size_t r = 0; r < w; r++)
      m->dense->add_widened(a + r * w + r, (double)y[r], y + r, w - r);
    m->dense->add_widened(b, left, y, w);
  }
  for (size_t i = 0; a && i < w; i++)
    a[i * w + i] += m->regularization;
  if (a && y && recsys__cholesky(a, w, w)) {
    recsys__cholesky_solve(a, w, w, b);
    for (size_t i = 0; i < w; i++)
      m->solved[row * w + i] = (float)b[i];
  }
  recsys__free(a);
  recsys__free(y);
}

static recsys_status by_als(model *m, recsys_error *error) {
  const recsys__fitting *fitting = m->fitting;
  uint64_t iterations = (uint64_t)recsys__number(fitting->ranker, ITERATIONS);
  recsys_status status = RECSYS_OK;
  for (uint64_t i = 0; i < iterations && !status && !atomic_load(&m->failed); i++) {
    m->rows = &fitting->x.by_user;
    m->solved = m->users;
    m->other = m->items;
    recsys__parallel(fitting->ranker->threads, m->rows->rows, solve_row, m);
    m->rows = &fitting->x.by_item;
    m->solved = m->items;
    m->other = m->users;
    recsys__parallel(fitting->ranker->threads, m->rows->rows, solve_row, m);
    status = recsys__fit_progress(fitting, i + 1, iterations + 1, error);
  }
  return status;
}

/* One rating's step (Funk 2006). Penalties are per rating here: those of the parameters over the mean row length. */
static void step(model *m, size_t user, size_t item, double rating, double rate, double penalty) {
  size_t w = m->width;
  float *x = m->users + user * w, *y = m->items + item * w;
  double predicted = m->mean + m->s * (double)(x[0] + y[0]) + (double)m->dense->dot(x + 1, y + 1, w - 1);
  double error = rating - predicted;
  x[0] += (float)(rate * (m->s * error - penalty * (double)x[0]));
  y[0] += (float)(rate * (m->s * error - penalty * (double)y[0]));
  for (size_t c = 1; c < w; c++) {
    double p = (double)x[c], q = (double)y[c];
    x[c] += (float)(rate * (error * q - penalty * p));
    y[c] += (float)(rate * (error * p - penalty * q));
  }
}

static recsys_status by_sgd(model *m, recsys_error *error) {
  const recsys_ranker *ranker = m->fitting->ranker;
  const recsys__sparse *rows = &m->fitting->x.by_user;
  uint64_t iterations = (uint64_t)recsys__number(ranker, ITERATIONS), n = rows->offsets[rows->rows];
  double penalty = m->regularization * (double)rows->rows / (double)(n ? n : 1);
  uint32_t *order = recsys__alloc(n, sizeof *order), *user_of = recsys__alloc(n, sizeof *user_of);
  recsys__random random;
  recsys_status status = order && user_of && n <= UINT32_MAX ? RECSYS_OK : recsys__no_memory(error, "the factors");
  recsys__random_seed(&random, (uint64_t)recsys__number(ranker, SEED), 7);
  for (size_t u = 0; !status && u < rows->rows; u++)
    for (uint64_t e = rows->offsets[u]; e < rows->offsets[u + 1]; e++) {
      order[e] = (uint32_t)e;
      user_of[e] = (uint32_t)u;
    }
  for (uint64_t i = 0; i < iterations && !status; i++) {
    for (uint64_t e = n; e-- > 1;) { /* Fisher and Yates */
      uint32_t other = recsys__random_below(&random, (uint32_t)e + 1), swap = order[e];
      order[e] = order[other];
      order[other] = swap;
    }
    for (uint64_t e = 0; e < n; e++)
      step(m, user_of[order[e]], rows->indices[order[e]], (double)rows->values[order[e]], recsys__number(ranker, RATE),
           penalty);
    status = recsys__fit_progress(m->fitting, i + 1, iterations + 1, error);
  }
  recsys__free(order);
  recsys__free(user_of);
  return status;
}

/* The learned model: the item's bias apart, and s in its place. */
static bool keep(recsys__learned *l, const model *m) {
  size_t w = m->width;
  l->bias = recsys__alloc(l->n, sizeof *l->bias);
  l->vectors = recsys__copy(m->items, l->n, w * sizeof *l->vectors);
  for (size_t i = 0; l->bias && l->vectors && i < l->n; i++) {
    l->bias[i] = m->s * (double)l->vectors[i * w];
    l->vectors[i * w] = (float)m->s;
  }
  return l->bias && l->vectors;
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  uint64_t seed = (uint64_t)recsys__number(ranker, SEED);
  l->shape = RECSYS__FACTORS;
  l->fold = RECSYS__RESIDUAL;
  l->factors = (size_t)recsys__number(ranker, FACTORS) + 1;
  l->regularization = recsys__number(ranker, REGULARIZATION);
  l->mean = fitting->x.mean;
  model m = {.fitting = fitting,
             .dense = recsys__dense_at(0),
             .width = l->factors,
             .s = sqrt(l->regularization / recsys__number(ranker, BIAS_REGULARIZATION)),
             .mean = l->mean,
             .regularization = l->regularization};
  atomic_init(&m.failed, false);
  bool ok = recsys__learned_axis(l, &fitting->x);
  m.users = recsys__factors_random(fitting->x.by_user.rows, m.width, seed, 1);
  m.items = recsys__factors_random(fitting->x.by_user.columns, m.width, seed, 0);
  ok = ok && m.users && m.items;
  recsys_status status = RECSYS_OK;
  if (ok)
    status = recsys__number(ranker, SOLVER) != 0 ? by_sgd(&m, error) : by_als(&m, error);
  ok = ok && !atomic_load(&m.failed) && keep(l, &m);
  recsys__free(m.users);
  recsys__free(m.items);
  return ok ? status : recsys__no_memory(error, "the factors");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  (void)r;
  return (double)rating->value;
}

const recsys__algorithm recsys__svd = {
    .name = "svd", .parameters = parameters, .predicts = true, .fit = fit, .weight = weight};
