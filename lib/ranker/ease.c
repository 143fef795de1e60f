/*
 * ease: closed-form item-item weights in which ratings count by value, and the items' labels, names and pictures take
 * part (after EASE, Steck 2019, and collective EASE, Jeunen, Van Balen and Goethals 2020). With X = ratings / largest,
 * Y = (1 - q) X + q [liked], D = diag((c_u / median)^-e) for the user's number of ratings c_u, K the kernel of
 * features.h:
 *
 *   P = (Xᵀ D X + alpha K + lambda I)⁻¹     M = P (Xᵀ D Y + alpha K)
 *   W = M - theta P diag(M_jj / P_jj)       score = x W + tau p W, p the mean shopper's row
 *
 * theta = 1 gives EASE's zero diagonal, 0 plain ridge regression. Plain EASE: "ease values=binary alpha=0 theta=1
 * user_power=0". Items that nobody rated get `content`'s score of the same history.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/matrix.h"
#include "base/thread.h"
#include "ranker/content.h"
#include "ranker/gram.h"

static const char *const values_words[] = {"rating", "binary", NULL}, *const new_words[] = {"content", "none", NULL};

enum {
  LAMBDA,
  ALPHA,
  THETA,
  VALUES,
  LIKED,
  LIKED_WEIGHT,
  USER_POWER,
  TAU,
  NEW,
  LABEL_WEIGHT,
  NUMBER_WEIGHT,
  PICTURE_WEIGHT,
  PAIR_WEIGHT,
  WORD_WEIGHT,
  LABELS,
  NUMBERS,
  TEXTS
};
static const recsys__parameter parameters[] = {
    [LAMBDA] = {"lambda", RECSYS__NUMBER, 1e-6, 1e9, 200, NULL},
    [ALPHA] = {"alpha", RECSYS__NUMBER, 0, 1e9, 10, NULL},
    [THETA] = {"theta", RECSYS__NUMBER, 0, 1, 0, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    [LIKED] = {"liked", RECSYS__NUMBER, 0, 1, 0.8, NULL},
    [LIKED_WEIGHT] = {"liked_weight", RECSYS__NUMBER, 0, 1, 0.3, NULL},
    [USER_POWER] = {"user_power", RECSYS__NUMBER, 0, 2, 0.3, NULL},
    [TAU] = {"tau", RECSYS__NUMBER, 0, 10, 0.3, NULL},
    [NEW] = {"new", RECSYS__WORD, .words = new_words},
    [LABEL_WEIGHT] = {"label_weight", RECSYS__NUMBER, 0, 1e6, 1, NULL},
    [NUMBER_WEIGHT] = {"number_weight", RECSYS__NUMBER, 0, 1e6, 1, NULL},
    [PICTURE_WEIGHT] = {"picture_weight", RECSYS__NUMBER, 0, 1e6, 0.09, NULL},
    [PAIR_WEIGHT] = {"pair_weight", RECSYS__NUMBER, 0, 1e6, 0.25, NULL},
    [WORD_WEIGHT] = {"word_weight", RECSYS__NUMBER, 0, 1e6, 0.3, NULL},
    [LABELS] = {"labels", RECSYS__TEXTS},
    [NUMBERS] = {"numbers", RECSYS__TEXTS},
    [TEXTS] = {"texts", RECSYS__TEXTS},
    {NULL},
};

/* X and Y by user, X by item, and D. */
typedef struct matrices {
  recsys__sparse x, y, x_by_item;
  double *d;
  bool same; /* Y = X */
} matrices;

static void matrices_free(matrices *m) {
  recsys__sparse_free(&m->x);
  recsys__sparse_free(&m->y);
  recsys__sparse_free(&m->x_by_item);
  recsys__free(m->d);
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values, size_t n) {
  double *sorted = recsys__copy(values, n, sizeof *values);
  double middle = 1;
  if (sorted && n) {
    qsort(sorted, n, sizeof *sorted, rising);
    middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  }
  recsys__free(sorted);
  return middle;
}

static bool user_weights(matrices *m, const recsys__sparse *rows, double power) {
  if (!(m->d = recsys__alloc(rows->rows, sizeof *m->d)))
    return false;
  for (size_t u = 0; u < rows->rows; u++)
    m->d[u] = (double)(rows->offsets[u + 1] - rows->offsets[u]);
  double middle = median(m->d, rows->rows);
  for (size_t u = 0; u < rows->rows; u++)
    m->d[u] = pow(m->d[u] / middle, -power);
  return true;
}

static bool make_matrices(matrices *m, const recsys__fitting *fitting) {
  const recsys__interactions *x = &fitting->x;
  bool binary = recsys__number(fitting->ranker, VALUES) != 0;
  double q = binary ? 0 : recsys__number(fitting->ranker, LIKED_WEIGHT);
  double liked = recsys__number(fitting->ranker, LIKED) * x->largest;
  m->same = q == 0;
  if (!recsys__sparse_like(&m->x, &x->by_user) || (!m->same && !recsys__sparse_like(&m->y, &x->by_user)))
    return false;
  for (uint64_t e = 0; e < x->by_user.offsets[x->by_user.rows]; e++) {
    double rating = (double)x->by_user.values[e], value = binary ? 1 : rating / x->largest;
    m->x.values[e] = (float)value;
    if (!m->same)
      m->y.values[e] = (float)((1 - q) * value + q * (rating >= liked));
  }
  return recsys__sparse_transpose(&m->x_by_item, &m->x) &&
         user_weights(m, &x->by_user, recsys__number(fitting->ranker, USER_POWER));
}

/* -- the axis: rated items and, by `content`, those with features that nobody rated */

typedef struct axis {
  uint32_t *fresh;        /* places among the features of those without learned weights */
  uint32_t *rated_column; /* column of each item that has them */
  uint32_t *fresh_column;
  size_t fresh_count;
} axis;

static void axis_free(axis *a) {
  recsys__free(a->fresh);
  recsys__free(a->rated_column);
  recsys__free(a->fresh_column);
}

/* known: the items whose weights are learned; the others with features are scored by them. */
static bool make_axis(axis *a, recsys__learned *l, const recsys__fitting *fitting, const recsys__features *f,
                      const int64_t *known, size_t n) {
  const recsys__interactions *x = &fitting->x;
  size_t features = recsys__number(fitting->ranker, NEW) == 0 ? f->n : 0, i = 0, j = 0;
  l->rated_count = x->by_user.columns;
  l->rated = recsys__copy(x->items, l->rated_count, sizeof *l->rated);
  l->items = recsys__alloc(n + features, sizeof *l->items);
  a->fresh = recsys__alloc(features, sizeof *a->fresh);
  a->fresh_column = recsys__alloc(features, sizeof *a->fresh_column);
  a->rated_column = recsys__alloc(n, sizeof *a->rated_column);
  if (!l->rated || !l->items || !a->fresh || !a->fresh_column || !a->rated_column)
    return false;
  while (i < n || j < features) {
    if (j == features || (i < n && known[i] <= f->items[j])) {
      j += j < features && known[i] == f->items[j];
      a->rated_column[i] = (uint32_t)l->n;
      l->items[l->n++] = known[i++];
    } else {
      a->fresh[a->fresh_count] = (uint32_t)j;
      a->fresh_column[a->fresh_count++] = (uint32_t)l->n;
      l->items[l->n++] = f->items[j++];
    }
  }
  return true;
}

/* -- weights */

/* W = M - theta P diag(M_jj / P_jj), row by row into the learned weights; m NULL: M = I - lambda P. */
typedef struct finishing {
  const double *m, *p;
  double *shares; /* theta M_jj / P_jj */
  size_t n;
  double lambda;
  float *out;
  size_t stride;
  const uint32_t *columns; /* where each rated item stands in a row of `out` */
} finishing;

static void finish_row(void *context, size_t i) {
  const finishing *f = context;
  const double *p = f->p + i * f->n, *m = f->m ? f->m + i * f->n : NULL;
  float *out = f->out + i * f->stride;
  for (size_t j = 0; j < f->n; j++) {
    double value = m ? m[j] : (i == j) - f->lambda * p[j];
    out[f->columns[j]] = (float)(value - f->shares[j] * p[j]);
  }
}

/* The weights among the rated items, learned now. */
static recsys_status learn_rated(const recsys__fitting *fitting, const recsys__features *f, const axis *a,
                                 recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  size_t n = fitting->x.by_user.columns;
  double lambda = recsys__number(ranker, LAMBDA), alpha = recsys__number(ranker, ALPHA);
  matrices x = {0};
  double *p = recsys__alloc(n, n * sizeof *p), *right = NULL, *k = NULL, *m = NULL;
  double *shares = recsys__alloc(n, sizeof *shares);
  uint32_t *rated = recsys__rated_places(fitting, f);
  bool ok = p && shares && rated && make_matrices(&x, fitting);
  recsys_status status = RECSYS_OK;
  if (ok && alpha > 0) {
    recsys__kernel_weights w = {recsys__number(ranker, LABEL_WEIGHT), recsys__number(ranker, NUMBER_WEIGHT),
                                recsys__number(ranker, PICTURE_WEIGHT), recsys__number(ranker, PAIR_WEIGHT),
                                recsys__number(ranker, WORD_WEIGHT)};
    ok =
        (k = recsys__alloc(n, n * sizeof *k)) && recsys__features_kernel(f, &w, ranker->threads, rated, n, rated, n, k);
  }
  if (ok) {
    recsys__gram(ranker->threads, &x.x_by_item, &x.x, x.d, true, p);
    for (size_t i = 0; k && i < n * n; i++)
      p[i] += alpha * k[i];
    for (size_t i = 0; i < n; i++)
      p[i * n + i] += lambda;
    status = recsys__spd_inverse(ranker->threads, p, n, NULL);
    if (status == RECSYS_EINVAL)
      status =
          recsys__fail(error, status, 0, "the ratings give no solvable system; use a larger lambda than %g", lambda);
    ok = status != RECSYS_ENOMEM;
  }
  if (ok && !status && !x.same) {
    ok = (right = recsys__alloc(n, n * sizeof *right)) && (m = recsys__alloc(n, n * sizeof *m));
    if (ok)
      recsys__gram(ranker->threads, &x.x_by_item, &x.y, x.d, false, right);
    for (size_t i = 0; ok && k && i < n * n; i++)
      right[i] += alpha * k[i];
    ok = ok && recsys__gemm(ranker->threads, 0, n, n, n, 1, p, n, right, n, 0, m, n);
  }
  if (ok && !status) {
    double theta = recsys__number(ranker, THETA);
    for (size_t i = 0; i < n; i++)
      shares[i] = theta * (m ? m[i * n + i] : 1 - lambda * p[i * n + i]) / p[i * n + i];
    finishing all = {m, p, shares, n, lambda, fitting->learned->dense, fitting->learned->n, a->rated_column};
    recsys__parallel(ranker->threads, n, finish_row, &all);
  }
  matrices_free(&x);
  recsys__free(p);
  recsys__free(m);
  recsys__free(right);
  recsys__free(k);
  recsys__free(shares);
  recsys__free(rated);
  return ok ? status : recsys__no_memory(error, "the items' weights");
}

static recsys_status fill_fresh(const recsys__fitting *fitting, const recsys__features *f, const axis *a,
                                recsys_error *error) {
  recsys__learned *l = fitting->learned;
  recsys__ridge ridge = {.kernel = {0.7, 0.35, 0.09, 0.25, 0.2}, /* `content`'s own defaults */
                         .lambda = 3,
                         .smoothing = 2,
                         .smoothing_lambda = 200,
                         .liked = recsys__number(fitting->ranker, LIKED) * fitting->x.largest};
  float *w = recsys__alloc(l->rated_count, (a->fresh_count + 1) * sizeof *w);
  if (!w)
    return recsys__no_memory(error, "the new items' weights");
  recsys_status status =
      recsys__content_weights(fitting, f, &ridge, a->fresh, a->fresh_count, w, a->fresh_count, error);
  for (size_t i = 0; i < l->rated_count && !status; i++)
    for (size_t c = 0; c < a->fresh_count; c++)
      l->dense[i * l->n + a->fresh_column[c]] = w[i * a->fresh_count + c];
  recsys__free(w);
  return status;
}

/* tau p W, p the mean over shoppers of their rows of X. */
static bool make_constant(recsys__learned *l, const recsys__fitting *fitting, double tau) {
  const recsys__interactions *x = &fitting->x;
  bool binary = recsys__number(fitting->ranker, VALUES) != 0;
  double *sum = recsys__calloc(l->n, sizeof *sum);
  l->constant = recsys__alloc(l->n, sizeof *l->constant);
  for (size_t i = 0; sum && l->constant && i < l->rated_count; i++) {
    double mean = 0;
    for (uint64_t e = x->by_item.offsets[i]; e < x->by_item.offsets[i + 1]; e++)
      mean += binary ? 1 : (double)x->by_item.values[e] / x->largest;
    mean /= (double)x->by_user.rows;
    for (size_t j = 0; j < l->n; j++)
      sum[j] += mean * (double)l->dense[i * l->n + j];
  }
  for (size_t j = 0; sum && l->constant && j < l->n; j++)
    l->constant[j] = (float)(tau * sum[j]);
  recsys__free(sum);
  return sum && l->constant;
}

/* At the peak P, its inverse's workspace (1.25), Y's product, the kernel and M; afterwards the weights in float. */
uint64_t recsys__ease_memory(size_t n, bool features) {
  double bytes = (double)n * (double)n * (features ? 8 * 5.25 + 4 : 8 * 3.25 + 4);
  return bytes < 9e18 ? (uint64_t)bytes : UINT64_MAX;
}

/* The weights among rated items as they were learned before; items that were rated since have none yet. */
static void keep_rated(recsys__learned *l, const axis *a, const recsys__learned *old) {
  for (size_t i = 0; i < old->rated_count; i++) {
    size_t row = recsys__place_of(l->rated, l->rated_count, old->rated[i]);
    for (size_t j = 0; row < l->rated_count && j < old->rated_count; j++) {
      size_t column = recsys__place_of(old->items, old->n, old->rated[j]);
      l->dense[row * l->n + a->rated_column[j]] = old->dense[i * old->n + column];
    }
  }
}

static recsys_status fit_axis(recsys__fitting *fitting, const recsys__features *f, const recsys__learned *old,
                              recsys_error *error) {
  recsys__learned *l = fitting->learned;
  axis a = {0};
  double tau = recsys__number(fitting->ranker, TAU);
  recsys_status status = RECSYS_OK;
  l->shape = RECSYS__DENSE;
  if (!make_axis(&a, l, fitting, f, old ? old->rated : fitting->x.items,
                 old ? old->rated_count : fitting->x.by_user.columns) ||
      !(l->dense = recsys__calloc(l->rated_count, (l->n + 1) * sizeof *l->dense)))
    status = recsys__no_memory(error, "the items' weights");
  if (!status && old)
    keep_rated(l, &a, old);
  else if (!status)
    status = learn_rated(fitting, f, &a, error);
  if (!status)
    status = recsys__fit_progress(fitting, 1, 2, error);
  if (!status && a.fresh_count && l->rated_count)
    status = fill_fresh(fitting, f, &a, error);
  if (!status && tau > 0 && fitting->x.by_user.rows && !make_constant(l, fitting, tau))
    status = recsys__no_memory(error, "the mean shopper");
  axis_free(&a);
  return status;
}

static recsys_status learn(recsys__fitting *fitting, const recsys__learned *old, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__features f = {0};
  recsys__feature_fields fields = {recsys__text(ranker, LABELS), recsys__text(ranker, NUMBERS),
                                   recsys__text(ranker, TEXTS)};
  size_t n = fitting->x.by_user.columns;
  recsys_status status =
      recsys__fit_memory(fitting, recsys__ease_memory(n, recsys__number(ranker, ALPHA) > 0), n, error);
  if (status)
    return status;
  if ((!old && recsys__number(ranker, ALPHA) > 0) || recsys__number(ranker, NEW) == 0)
    status = recsys__features_make(&f, fitting->view, ranker->fingerprint, &fields, error);
  if (!status)
    status = fit_axis(fitting, &f, old, error);
  recsys__features_free(&f);
  return status;
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  return learn(fitting, NULL, error);
}

static recsys_status refresh(recsys__fitting *fitting, const recsys__learned *old, recsys_error *error) {
  return learn(fitting, old, error);
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__ease = {
    .name = "ease", .parameters = parameters, .fit = fit, .refresh = refresh, .weight = weight};
