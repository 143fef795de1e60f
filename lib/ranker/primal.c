/* Ridge regression over explicit features: score(c) = h F (FᵀF + lambda I)⁻¹ f_c, F the rated items' rows. */
#include <string.h>

#include "base/matrix.h"
#include "base/matrix_kernel.h"
#include "ranker/content.h"
#include "ranker/explicit.h"

/* a (d x d) += f fᵀ for one item, the upper triangle of it for the sparse part. */
static void add_item(const recsys__dense *dense, const recsys__learned *l, size_t item, double *a, size_t d) {
  const recsys__sparse *rows = &l->sparse;
  uint64_t first = rows->offsets[item], end = rows->offsets[item + 1];
  const float *picture = l->pictures ? l->pictures + item * l->factors : NULL;
  for (uint64_t x = first; x < end; x++) {
    double *row = a + rows->indices[x] * d, value = (double)rows->values[x];
    for (uint64_t y = x; y < end; y++)
      row[rows->indices[y]] += value * (double)rows->values[y];
    if (picture)
      dense->add_widened(row + rows->columns, value, picture, l->factors);
  }
}

enum { BLOCK = 512 };

/* The pictures' own block, some items at a time. */
static bool add_pictures(const recsys__fitting *fitting, const recsys__learned *l, const uint32_t *places, size_t n,
                         double *a, size_t d) {
  size_t dim = l->factors, corner = l->sparse.columns;
  double *x = l->pictures ? recsys__alloc(BLOCK, dim * sizeof *x) : NULL;
  bool ok = x || !l->pictures;
  for (size_t first = 0; l->pictures && ok && first < n; first += BLOCK) {
    size_t count = n - first < BLOCK ? n - first : BLOCK;
    for (size_t i = 0; i < count; i++)
      for (size_t c = 0; c < dim; c++)
        x[i * dim + c] = places[first + i] < l->n ? (double)l->pictures[places[first + i] * dim + c] : 0;
    ok = recsys__gemm(fitting->ranker->threads, RECSYS__A_TRANSPOSED, dim, dim, count, 1, x, dim, x, dim, 1,
                      a + corner * d + corner, d);
  }
  recsys__free(x);
  return ok;
}

uint64_t recsys__primal_memory(size_t most, size_t dim, size_t items) {
  double d = (double)most + (double)dim;
  return (uint64_t)(d * d * 22 + (double)items * ((double)dim * 8 + 400));
}

static recsys_status solve(recsys__fitting *fitting, double *a, size_t d, double lambda, recsys_error *error) {
  recsys__learned *l = fitting->learned;
  for (size_t i = 0; i < d; i++) {
    a[i * d + i] += lambda;
    for (size_t j = 0; j < i; j++)
      a[i * d + j] = a[j * d + i];
  }
  recsys_status status = recsys__spd_inverse(fitting->ranker->threads, a, d, NULL);
  if (status == RECSYS_EINVAL)
    return recsys__fail(error, status, 0, "the items' features give no solvable system; use a larger lambda");
  if (!status && !(l->dense = recsys__alloc(d, d * sizeof *l->dense)))
    status = RECSYS_ENOMEM;
  for (size_t i = 0; i < d * d && !status; i++)
    l->dense[i] = (float)a[i];
  return status ? recsys__no_memory(error, "the items' features") : RECSYS_OK;
}

recsys_status recsys__primal_fit(recsys__fitting *fitting, const recsys__features *f, const recsys__ridge *ridge,
                                 size_t most, recsys_error *error) {
  recsys__learned *l = fitting->learned;
  const recsys__interactions *x = &fitting->x;
  size_t n = x->by_user.columns;
  l->shape = RECSYS__FEATURES;
  l->n = f->n;
  l->rated_count = n;
  l->items = recsys__copy(f->items, f->n, sizeof *l->items);
  l->rated = recsys__copy(x->items, n, sizeof *l->rated);
  uint32_t *places = recsys__rated_places(fitting, f);
  if (!l->items || !l->rated || !places ||
      !recsys__features_explicit(f, &ridge->kernel, most, &l->sparse, &l->pictures)) {
    recsys__free(places);
    return recsys__no_memory(error, "the items' features");
  }
  l->factors = l->pictures ? f->dim : 0;
  size_t d = l->sparse.columns + l->factors;
  double *a = recsys__calloc(d, d * sizeof *a);
  recsys_status status = a ? RECSYS_OK : recsys__no_memory(error, "the items' features");
  for (size_t i = 0; i < n && !status; i++) {
    if (places[i] < l->n)
      add_item(recsys__dense_at(0), l, places[i], a, d);
    if (i % 65536 == 65535)
      status = recsys__fit_progress(fitting, i, n, error);
  }
  if (!status && !add_pictures(fitting, l, places, n, a, d))
    status = recsys__no_memory(error, "the items' features");
  if (!status)
    status = solve(fitting, a, d, ridge->lambda, error);
  recsys__free(a);
  recsys__free(places);
  return status;
}
