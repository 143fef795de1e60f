/*
 * rp3beta: a walk of three steps over the graph of users and items, popular ends damped (Paudel et al. 2017):
 * W_ij = sum over u of (1 / d_i)^alpha (1 / d_u)^alpha / d_j^beta, d the number of ratings; the K best of each row.
 */
#include <math.h>

#include "ranker/neighbours.h"
#include "ranker/ranker.h"

static const char *const values_words[] = {"rating", "binary", NULL};

enum { NEIGHBOURS, ALPHA, BETA, VALUES };
static const recsys__parameter parameters[] = {
    [NEIGHBOURS] = {"neighbours", RECSYS__INTEGER, 1, 100000, 300, NULL},
    [ALPHA] = {"alpha", RECSYS__NUMBER, 0, 10, 0.6, NULL},
    [BETA] = {"beta", RECSYS__NUMBER, 0, 10, 0.6, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    {NULL},
};

typedef struct walk {
  const recsys__interactions *x;
  double alpha, beta, largest;
  bool binary;
} walk;

static double degree(const recsys__sparse *s, size_t row) {
  return (double)(s->offsets[row + 1] - s->offsets[row]);
}

static double value(const walk *w, float rating) {
  return w->binary ? 1 : (double)rating / w->largest;
}

static void walk_row(const void *context, size_t i, double *row) {
  const walk *w = context;
  const recsys__sparse *items = &w->x->by_item, *users = &w->x->by_user;
  double first = pow(degree(items, i), -w->alpha);
  for (uint64_t e = items->offsets[i]; e < items->offsets[i + 1]; e++) {
    uint32_t user = items->indices[e];
    double step = first * value(w, items->values[e]) * pow(degree(users, user), -w->alpha);
    for (uint64_t c = users->offsets[user]; c < users->offsets[user + 1]; c++)
      row[users->indices[c]] += step * value(w, users->values[c]);
  }
  for (size_t j = 0; j < items->rows; j++)
    if (row[j] > 0)
      row[j] *= pow(degree(items, j), -w->beta);
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  walk w = {&fitting->x, recsys__number(ranker, ALPHA), recsys__number(ranker, BETA), fitting->x.largest,
            recsys__number(ranker, VALUES) != 0};
  l->shape = RECSYS__SPARSE;
  bool ok =
      recsys__learned_axis(l, &fitting->x) &&
      recsys__best_of_rows(&l->sparse, ranker->threads, l->n, (size_t)recsys__number(ranker, NEIGHBOURS), walk_row, &w);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the items' neighbours");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__rp3beta = {.name = "rp3beta", .parameters = parameters, .fit = fit, .weight = weight};
