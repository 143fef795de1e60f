/*
 * bpr: Bayesian personalised ranking (Rendle et al. 2009), stochastic gradient ascent on ln sigma(x_ui - x_uj) over a
 * rated item i and an unrated one j drawn at random, in a fixed order. vbpr adds factors seen through the picture: an
 * item's vector is (q_i, E f_i), with f_i the leading principal components of its embedding (He and McAuley 2016).
 *
 * A history is folded in by an exact solve against the learned items (the fold of `als`), so nothing rests on a stored
 * user's vector.
 */
#include <math.h>
#include <string.h>

#include "base/matrix_kernel.h"
#include "base/random.h"
#include "ranker/factors.h"
#include "ranker/features.h"
#include "ranker/ranker.h"

enum {
  FACTORS,
  REGULARIZATION,
  RATE,
  ITERATIONS,
  FOLD_ALPHA,
  FOLD_REGULARIZATION,
  VALUES,
  SEED,
  PICTURE_FACTORS,
  PICTURE_REGULARIZATION
};
static const char *const values_words[] = {"rating", "binary", NULL};
static const recsys__parameter bpr_parameters[] = {
    [FACTORS] = {"factors", RECSYS__INTEGER, 1, 2048, 64, NULL},
    [REGULARIZATION] = {"regularization", RECSYS__NUMBER, 0, 1e3, 0.003, NULL},
    [RATE] = {"rate", RECSYS__NUMBER, 1e-9, 1, 0.05, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 100000, 100, NULL},
    [FOLD_ALPHA] = {"fold_alpha", RECSYS__NUMBER, 0, 1e9, 14, NULL},
    [FOLD_REGULARIZATION] = {"fold_regularization", RECSYS__NUMBER, 1e-9, 1e9, 3000, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    [SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    {NULL},
};
static const recsys__parameter vbpr_parameters[] = {
    [FACTORS] = {"factors", RECSYS__INTEGER, 1, 2048, 64, NULL},
    [REGULARIZATION] = {"regularization", RECSYS__NUMBER, 0, 1e3, 0.003, NULL},
    [RATE] = {"rate", RECSYS__NUMBER, 1e-9, 1, 0.05, NULL},
    [ITERATIONS] = {"iterations", RECSYS__INTEGER, 1, 100000, 100, NULL},
    [FOLD_ALPHA] = {"fold_alpha", RECSYS__NUMBER, 0, 1e9, 14, NULL},
    [FOLD_REGULARIZATION] = {"fold_regularization", RECSYS__NUMBER, 1e-9, 1e9, 3000, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    [SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    [PICTURE_FACTORS] = {"picture_factors", RECSYS__INTEGER, 1, 1024, 8, NULL},
    [PICTURE_REGULARIZATION] = {"picture_regularization", RECSYS__NUMBER, 0, 1e3, 0.003, NULL},
    {NULL},
};

enum { COMPONENTS = 64 }; /* of the embeddings, for vbpr */

typedef struct model {
  const recsys__dense *dense;
  const recsys__sparse *rows;
  size_t f, g;   /* factors; of them seen through the picture (0: none) */
  float *users;  /* users x (f + g) */
  float *items;  /* items x f */
  float *looks;  /* items x COMPONENTS, or NULL */
  float *mixing; /* g x COMPONENTS */
  float rate, penalty, picture_penalty;
  double largest; /* ratings are drawn with probability rating / largest; 0: all alike */
} model;

static bool is_rated(const recsys__sparse *rows, size_t user, uint32_t item) {
  uint64_t low = rows->offsets[user], high = rows->offsets[user + 1];
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (rows->indices[middle] < item)
      low = middle + 1;
    else
      high = middle;
  }
  return low < rows->offsets[user + 1] && rows->indices[low] == item;
}

/* One step up ln sigma(p . (q_i - q_j) + t . E (f_i - f_j)). */
static void step(model *m, size_t user, uint32_t liked, uint32_t other) {
  float *p = m->users + user * (m->f + m->g), *qi = m->items + liked * m->f, *qj = m->items + other * m->f;
  float *t = p + m->f, seen[COMPONENTS];
  float x = m->dense->dot(p, qi, m->f) - m->dense->dot(p, qj, m->f);
  for (size_t c = 0; m->g && c < COMPONENTS; c++)
    seen[c] = m->looks[liked * COMPONENTS + c] - m->looks[other * COMPONENTS + c];
  for (size_t k = 0; k < m->g; k++)
    x += t[k] * m->dense->dot(m->mixing + k * COMPONENTS, seen, COMPONENTS);
  float slope = m->rate / (1 + expf(x)), keep = 1 - m->rate * m->penalty;
  for (size_t c = 0; c < m->f; c++) {
    float user_value = p[c];
    p[c] = keep * p[c] + slope * (qi[c] - qj[c]);
    qi[c] = keep * qi[c] + slope * user_value;
    qj[c] = keep * qj[c] - slope * user_value;
  }
  for (size_t k = 0; k < m->g; k++) {
    float *e = m->mixing + k * COMPONENTS, user_value = t[k];
    t[k] = (1 - m->rate * m->picture_penalty) * t[k] + slope * m->dense->dot(e, seen, COMPONENTS);
    m->dense->add_floats(e, -m->rate * m->picture_penalty, e, COMPONENTS);
    m->dense->add_floats(e, slope * user_value, seen, COMPONENTS);
  }
}

static recsys_status ascend(model *m, const recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  const recsys__sparse *rows = m->rows;
  uint64_t n = rows->offsets[rows->rows], iterations = (uint64_t)recsys__number(ranker, ITERATIONS);
  uint32_t *user_of = recsys__alloc(n, sizeof *user_of);
  recsys__random random;
  recsys_status status = user_of && n <= UINT32_MAX ? RECSYS_OK : recsys__no_memory(error, "the factors");
  recsys__random_seed(&random, (uint64_t)recsys__number(ranker, SEED), 9);
  for (size_t u = 0; !status && u < rows->rows; u++)
    for (uint64_t e = rows->offsets[u]; e < rows->offsets[u + 1]; e++)
      user_of[e] = (uint32_t)u;
  for (uint64_t i = 0; i < iterations && !status && n; i++) {
    for (uint64_t s = 0; s < n; s++) {
      uint32_t e = recsys__random_below(&random, (uint32_t)n);
      uint32_t other = recsys__random_below(&random, (uint32_t)rows->columns);
      if (m->largest > 0 && recsys__random_unit(&random) * m->largest > (double)rows->values[e])
        continue;
      if (!is_rated(rows, user_of[e], other))
        step(m, user_of[e], rows->indices[e], other);
    }
    status = recsys__fit_progress(fitting, i + 1, iterations + 1, error);
  }
  recsys__free(user_of);
  return status;
}

/* The leading components of the rated items' embeddings, of unit mean square. */
static recsys_status make_looks(model *m, const recsys__fitting *fitting, recsys_error *error) {
  recsys__features f;
  static const recsys__feature_fields none = {"", "", ""};
  size_t n = fitting->x.by_user.columns;
  recsys_status status = recsys__features_make(&f, fitting->view, fitting->ranker->fingerprint, &none, error);
  if (status)
    return status;
  if (!f.pictures) {
    recsys__features_free(&f);
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "vbpr needs embeddings, and the store has none; use bpr");
  }
  double *rows = recsys__calloc(n, f.dim * sizeof *rows), *out = recsys__calloc(n, COMPONENTS * sizeof *out);
  m->looks = recsys__calloc(n, COMPONENTS * sizeof *m->looks);
  bool ok = rows && out && m->looks;
  for (size_t i = 0; ok && i < n; i++) {
    size_t at = recsys__place_of(f.items, f.n, fitting->x.items[i]);
    for (size_t d = 0; at < f.n && d < f.dim; d++)
      rows[i * f.dim + d] = (double)f.pictures[at * f.dim + d];
  }
  ok = ok && recsys__principal_components(fitting->ranker->threads, rows, n, f.dim, COMPONENTS, out);
  double sum = 0;
  for (size_t i = 0; ok && i < n * COMPONENTS; i++)
    sum += out[i] * out[i];
  for (size_t i = 0; ok && i < n * COMPONENTS && sum > 0; i++)
    m->looks[i] = (float)(out[i] / sqrt(sum / (double)n));
  recsys__free(rows);
  recsys__free(out);
  recsys__features_free(&f);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the items' looks");
}

/* The mean is taken out: it changes no order, and the fold's gram is that of differences then. */
static void centre(float *vectors, size_t n, size_t f) {
  for (size_t c = 0; c < f; c++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
      sum += (double)vectors[i * f + c];
    for (size_t i = 0; i < n; i++)
      vectors[i * f + c] -= (float)(sum / (double)n);
  }
}

/* The items' whole vectors (q_i, E f_i) and their gram. */
static bool keep(recsys__learned *l, const model *m, uint32_t threads) {
  l->vectors = recsys__alloc(l->n, l->factors * sizeof *l->vectors);
  l->gram = recsys__alloc(l->factors, l->factors * sizeof *l->gram);
  for (size_t i = 0; l->vectors && i < l->n; i++) {
    float *y = l->vectors + i * l->factors;
    memcpy(y, m->items + i * m->f, m->f * sizeof *y);
    for (size_t k = 0; k < m->g; k++)
      y[m->f + k] = m->dense->dot(m->mixing + k * COMPONENTS, m->looks + i * COMPONENTS, COMPONENTS);
  }
  if (l->vectors)
    centre(l->vectors, l->n, l->factors);
  return l->vectors && l->gram && recsys__factors_gram(threads, l->vectors, l->n, l->factors, l->gram);
}

static recsys_status learn(recsys__fitting *fitting, bool pictures, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  uint64_t seed = (uint64_t)recsys__number(ranker, SEED);
  model m = {.dense = recsys__dense_at(0),
             .rows = &fitting->x.by_user,
             .f = (size_t)recsys__number(ranker, FACTORS),
             .g = pictures ? (size_t)recsys__number(ranker, PICTURE_FACTORS) : 0,
             .largest = recsys__number(ranker, VALUES) != 0 ? 0 : fitting->x.largest,
             .rate = (float)recsys__number(ranker, RATE),
             .penalty = (float)recsys__number(ranker, REGULARIZATION),
             .picture_penalty = pictures ? (float)recsys__number(ranker, PICTURE_REGULARIZATION) : 0};
  l->shape = RECSYS__FACTORS;
  l->fold = RECSYS__IMPLICIT;
  l->factors = m.f + m.g;
  l->regularization = recsys__number(ranker, FOLD_REGULARIZATION);
  bool ok = recsys__learned_axis(l, &fitting->x);
  m.users = recsys__factors_random(m.rows->rows, l->factors, seed, 1);
  m.items = recsys__factors_random(m.rows->columns, m.f, seed, 0);
  m.mixing = recsys__factors_random(m.g, COMPONENTS, seed, 2);
  ok = ok && m.users && m.items && m.mixing;
  recsys_status status = ok && m.g ? make_looks(&m, fitting, error) : RECSYS_OK;
  if (ok && !status)
    status = ascend(&m, fitting, error);
  if (ok && !status)
    ok = keep(l, &m, ranker->threads);
  recsys__free(m.users);
  recsys__free(m.items);
  recsys__free(m.looks);
  recsys__free(m.mixing);
  return ok ? status : recsys__no_memory(error, "the factors");
}

static recsys_status fit_bpr(recsys__fitting *fitting, recsys_error *error) {
  return learn(fitting, false, error);
}
static recsys_status fit_vbpr(recsys__fitting *fitting, recsys_error *error) {
  return learn(fitting, true, error);
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  double x = recsys__number(r->ranker, VALUES) != 0 ? 1 : fmax(0, (double)rating->value / r->fitted->largest);
  return recsys__number(r->ranker, FOLD_ALPHA) * x;
}

const recsys__algorithm recsys__bpr = {.name = "bpr", .parameters = bpr_parameters, .fit = fit_bpr, .weight = weight};
const recsys__algorithm recsys__vbpr = {
    .name = "vbpr", .parameters = vbpr_parameters, .fit = fit_vbpr, .weight = weight};
