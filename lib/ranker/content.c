/*
 * content: for every item that has a picture, a label, a number or a name, rated or not,
 *
 *   score(c) = h' (K + lambda I)⁻¹ k_c     kernel ridge regression (Saunders, Gammerman and Vovk 1998) from the rated
 *                                          items' features to the shopper's ratings
 *   h' = (h + s h B) / (1 + s)             h smoothed by what went together for others: B = plain EASE of HᵀH
 *   h  = (rating / largest + [liked]) / 2
 *
 * All of it is one matrix of weights, rated items x all items. K: features.h. For many items the same in primal form,
 * without smoothing: score(c) = h F (FᵀF + lambda I)⁻¹ f_c over explicit features (explicit.h).
 */
#include "ranker/content.h"

#include <string.h>

#include "base/matrix.h"
#include "ranker/gram.h"

enum {
  LAMBDA,
  SMOOTHING,
  SMOOTHING_LAMBDA,
  LIKED,
  LABEL_WEIGHT,
  NUMBER_WEIGHT,
  PICTURE_WEIGHT,
  PAIR_WEIGHT,
  WORD_WEIGHT,
  LABELS,
  NUMBERS,
  TEXTS,
  FORM,
  COLUMNS
};
static const char *const forms[] = {"auto", "dual", "primal", NULL};
static const recsys__parameter parameters[] = {
    [LAMBDA] = {"lambda", RECSYS__NUMBER, 1e-6, 1e9, 3, NULL},
    [SMOOTHING] = {"smoothing", RECSYS__NUMBER, 0, 100, 2, NULL},
    [SMOOTHING_LAMBDA] = {"smoothing_lambda", RECSYS__NUMBER, 1e-6, 1e9, 200, NULL},
    [LIKED] = {"liked", RECSYS__NUMBER, 0, 1, 0.8, NULL},
    [LABEL_WEIGHT] = {"label_weight", RECSYS__NUMBER, 0, 1e6, 0.7, NULL},
    [NUMBER_WEIGHT] = {"number_weight", RECSYS__NUMBER, 0, 1e6, 0.35, NULL},
    [PICTURE_WEIGHT] = {"picture_weight", RECSYS__NUMBER, 0, 1e6, 0.09, NULL},
    [PAIR_WEIGHT] = {"pair_weight", RECSYS__NUMBER, 0, 1e6, 0.25, NULL},
    [WORD_WEIGHT] = {"word_weight", RECSYS__NUMBER, 0, 1e6, 0.2, NULL},
    [LABELS] = {"labels", RECSYS__TEXTS},
    [NUMBERS] = {"numbers", RECSYS__TEXTS},
    [TEXTS] = {"texts", RECSYS__TEXTS},
    [FORM] = {"form", RECSYS__WORD, .words = forms},
    [COLUMNS] = {"columns", RECSYS__INTEGER, 1, 65536, 4096, NULL},
    {NULL},
};

uint32_t *recsys__rated_places(const recsys__fitting *fitting, const recsys__features *f) {
  size_t n = fitting->x.by_user.columns;
  uint32_t *places = recsys__alloc(n, sizeof *places);
  for (size_t i = 0; places && i < n; i++)
    places[i] = (uint32_t)recsys__place_of(f->items, f->n, fitting->x.items[i]);
  return places;
}

static recsys_status inverse(const recsys__fitting *fitting, double *a, size_t n, double lambda, recsys_error *error) {
  for (size_t i = 0; i < n; i++)
    a[i * n + i] += lambda;
  recsys_status status = recsys__spd_inverse(fitting->ranker->threads, a, n, NULL);
  if (status == RECSYS_EINVAL)
    return recsys__fail(error, status, 0, "the items' likeness gives no solvable system; use a larger lambda");
  return status ? recsys__no_memory(error, "the inverse of the items' likeness") : RECSYS_OK;
}

/* h of a rating, in place of it. */
static bool history_weights(recsys__sparse *h, const recsys__sparse *ratings, double largest, double liked) {
  if (!recsys__sparse_like(h, ratings))
    return false;
  for (uint64_t e = 0; e < ratings->offsets[ratings->rows]; e++) {
    double rating = (double)ratings->values[e];
    h->values[e] = (float)(0.5 * (rating / largest + (rating >= liked)));
  }
  return true;
}

/* (I + s B) / (1 + s), B = -Q_ij / Q_jj off the diagonal, Q = (HᵀH + lambda I)⁻¹. */
static recsys_status smoother(const recsys__fitting *fitting, const recsys__ridge *r, double *out,
                              recsys_error *error) {
  recsys__sparse by_user = {0}, by_item = {0};
  size_t n = fitting->x.by_user.columns;
  recsys_status status = RECSYS_OK;
  if (!history_weights(&by_user, &fitting->x.by_user, fitting->x.largest, r->liked) ||
      !recsys__sparse_transpose(&by_item, &by_user))
    status = recsys__no_memory(error, "the smoothed histories");
  if (!status) {
    recsys__gram(fitting->ranker->threads, &by_item, &by_user, NULL, true, out);
    status = inverse(fitting, out, n, r->smoothing_lambda, error);
  }
  double *diagonal = recsys__alloc(n, sizeof *diagonal);
  if (!diagonal && !status)
    status = recsys__no_memory(error, "the smoothed histories");
  for (size_t i = 0; i < n && !status; i++)
    diagonal[i] = out[i * n + i];
  for (size_t i = 0; i < n && !status; i++)
    for (size_t j = 0; j < n; j++)
      out[i * n + j] = (i == j ? 1 : -r->smoothing * out[i * n + j] / diagonal[j]) / (1 + r->smoothing);
  recsys__free(diagonal);
  recsys__sparse_free(&by_user);
  recsys__sparse_free(&by_item);
  return status;
}

/* What is multiplied by the kernel's columns: (I + s B) / (1 + s) (K + lambda I)⁻¹, n x n. */
static recsys_status solver(const recsys__fitting *fitting, const recsys__features *f, const recsys__ridge *r,
                            const uint32_t *rated, double **out, recsys_error *error) {
  size_t n = fitting->x.by_user.columns;
  uint32_t threads = fitting->ranker->threads;
  double *k = recsys__alloc(n, n * sizeof *k), *s = NULL, *product = NULL;
  recsys_status status = RECSYS_OK;
  if (!k || !recsys__features_kernel(f, &r->kernel, threads, rated, n, rated, n, k))
    status = recsys__no_memory(error, "the items' likeness");
  if (!status)
    status = inverse(fitting, k, n, r->lambda, error);
  if (!status && r->smoothing > 0) {
    s = recsys__alloc(n, n * sizeof *s);
    product = recsys__alloc(n, n * sizeof *product);
    status = s && product ? smoother(fitting, r, s, error) : recsys__no_memory(error, "the smoothed histories");
    if (!status && !recsys__gemm(threads, 0, n, n, n, 1, s, n, k, n, 0, product, n))
      status = recsys__no_memory(error, "the smoothed histories");
    recsys__free(s);
    recsys__free(k);
    k = product;
  }
  if (status) {
    recsys__free(k);
    k = NULL;
  }
  *out = k;
  return status;
}

enum { BLOCK = 1024 }; /* columns at a time, so that the kernel of a large catalogue is never held whole */

recsys_status recsys__content_weights(const recsys__fitting *fitting, const recsys__features *f, const recsys__ridge *r,
                                      const uint32_t *columns, size_t n_columns, float *out, size_t stride,
                                      recsys_error *error) {
  size_t n = fitting->x.by_user.columns;
  uint32_t threads = fitting->ranker->threads, *rated = recsys__rated_places(fitting, f);
  double *solve = NULL, *k = recsys__alloc(n, BLOCK * sizeof *k), *w = recsys__alloc(n, BLOCK * sizeof *w);
  recsys_status status = rated && k && w ? RECSYS_OK : recsys__no_memory(error, "the items' likeness");
  if (!status)
    status = solver(fitting, f, r, rated, &solve, error);
  for (size_t at = 0; at < n_columns && !status; at += BLOCK) {
    size_t count = n_columns - at < BLOCK ? n_columns - at : BLOCK;
    if (!recsys__features_kernel(f, &r->kernel, threads, rated, n, columns + at, count, k) ||
        !recsys__gemm(threads, 0, n, count, n, 1, solve, n, k, count, 0, w, count))
      status = recsys__no_memory(error, "the items' likeness");
    for (size_t i = 0; i < n && !status; i++)
      for (size_t c = 0; c < count; c++)
        out[i * stride + at + c] = (float)w[i * count + c];
    if (!status)
      status = recsys__fit_progress(fitting, at + count, n_columns, error);
  }
  recsys__free(rated);
  recsys__free(solve);
  recsys__free(k);
  recsys__free(w);
  return status;
}

static bool content_axis(recsys__learned *l, const recsys__features *f, const recsys__interactions *x) {
  l->shape = RECSYS__DENSE;
  l->n = f->n;
  l->rated_count = x->by_user.columns;
  l->items = recsys__copy(f->items, f->n, sizeof *l->items);
  l->rated = recsys__copy(x->items, l->rated_count, sizeof *l->rated);
  l->dense = recsys__alloc(l->rated_count, l->n * sizeof *l->dense);
  return l->items && l->rated && l->dense;
}

/* At the peak the likeness, its inverse with workspace, and the smoother; then the weights in float. */
uint64_t recsys__content_memory(size_t n, size_t items) {
  double bytes = (double)n * ((double)n * 34 + (double)items * sizeof(float));
  return bytes < 9e18 ? (uint64_t)bytes : UINT64_MAX;
}

/* By default where the matrix over rated items does not fit the memory, or would take minutes. */
static bool is_primal(const recsys__fitting *fitting, size_t n, size_t items) {
  enum { MOST_RATED = 20000 };
  int form = (int)recsys__number(fitting->ranker, FORM);
  return form == 2 || (form == 0 && (n > MOST_RATED || recsys__content_memory(n, items) > fitting->memory_limit));
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__features f;
  recsys__feature_fields fields = {recsys__text(ranker, LABELS), recsys__text(ranker, NUMBERS),
                                   recsys__text(ranker, TEXTS)};
  recsys__ridge ridge = {
      .kernel = {recsys__number(ranker, LABEL_WEIGHT), recsys__number(ranker, NUMBER_WEIGHT),
                 recsys__number(ranker, PICTURE_WEIGHT), recsys__number(ranker, PAIR_WEIGHT),
                 recsys__number(ranker, WORD_WEIGHT)},
      .lambda = recsys__number(ranker, LAMBDA),
      .smoothing = recsys__number(ranker, SMOOTHING),
      .smoothing_lambda = recsys__number(ranker, SMOOTHING_LAMBDA),
      .liked = recsys__number(ranker, LIKED) * fitting->x.largest,
  };
  size_t n = fitting->x.by_user.columns, items = recsys__view_item_count(fitting->view);
  bool primal = is_primal(fitting, n, items);
  recsys_status status = primal ? RECSYS_OK : recsys__fit_memory(fitting, recsys__content_memory(n, items), n, error);
  if (status)
    return status;
  status = recsys__features_make(&f, fitting->view, ranker->fingerprint, &fields, error);
  if (status)
    return status;
  if (primal) {
    size_t columns = (size_t)recsys__number(ranker, COLUMNS);
    status = recsys__fit_memory(fitting, recsys__primal_memory(columns, f.dim, f.n), f.n, error);
    if (!status)
      status = recsys__primal_fit(fitting, &f, &ridge, columns, error);
    recsys__features_free(&f);
    return status;
  }
  uint32_t *all = recsys__alloc(f.n, sizeof *all);
  for (size_t i = 0; all && i < f.n; i++)
    all[i] = (uint32_t)i;
  status = all && content_axis(fitting->learned, &f, &fitting->x) ? RECSYS_OK
                                                                  : recsys__no_memory(error, "the items' weights");
  if (!status)
    status = recsys__content_weights(fitting, &f, &ridge, all, f.n, fitting->learned->dense, f.n, error);
  recsys__free(all);
  recsys__features_free(&f);
  return status;
}

/* Everything that it learns hangs on the items there are. */
static recsys_status refresh(recsys__fitting *fitting, const recsys__learned *old, recsys_error *error) {
  (void)old;
  return fit(fitting, error);
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  double largest = r->fitted->largest, value = (double)rating->value;
  return 0.5 * (value / largest + (value >= recsys__number(r->ranker, LIKED) * largest));
}

const recsys__algorithm recsys__content = {.name = "content",
                                           .parameters = parameters,
                                           .source = RECSYS_SOURCE_FEATURES,
                                           .fit = fit,
                                           .refresh = refresh,
                                           .weight = weight};
