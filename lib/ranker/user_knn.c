/*
 * user-knn: score(j) = sum over the K users v most like the history of sim(v) x_vj (Herlocker et al. 1999), sim the
 * cosine of the rows of ratings, or Pearson's (each row minus its mean), or Jaccard's. A stored user's own row is left
 * out.
 */
#include <math.h>

#include "ranker/neighbours.h"
#include "ranker/ranker.h"

static const char *const similarities[] = {"cosine", "pearson", "jaccard", NULL};
static const char *const weighings[] = {"none", "tfidf", "bm25", NULL}, *const values_words[] = {"rating", "binary",
                                                                                                 NULL};

enum { NEIGHBOURS, SIMILARITY, WEIGHT, SHRINKAGE, VALUES };
static const recsys__parameter parameters[] = {
    [NEIGHBOURS] = {"neighbours", RECSYS__INTEGER, 1, 1000000, 40, NULL},
    [SIMILARITY] = {"similarity", RECSYS__WORD, .words = similarities},
    [WEIGHT] = {"weight", RECSYS__WORD, .words = weighings},
    [SHRINKAGE] = {"shrinkage", RECSYS__NUMBER, 0, 1e9, 0, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    {NULL},
};

/* What weighing did to an item, as one factor: exact for TF-IDF on equal values, and what a new history is given. */
static bool item_factors(recsys__learned *l, const recsys__sparse *weighed, const recsys__sparse *plain) {
  if (!(l->bias = recsys__calloc(l->n, sizeof *l->bias)))
    return false;
  double *sums = recsys__calloc(l->n, sizeof *sums);
  for (uint64_t e = 0; sums && e < plain->offsets[plain->rows]; e++) {
    l->bias[plain->indices[e]] += (double)weighed->values[e];
    sums[plain->indices[e]] += (double)plain->values[e];
  }
  for (size_t i = 0; sums && i < l->n; i++)
    l->bias[i] = sums[i] > 0 ? l->bias[i] / sums[i] : 0;
  recsys__free(sums);
  return sums != NULL;
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__learned *l = fitting->learned;
  const recsys__sparse *ratings = &fitting->x.by_user;
  recsys__sparse compared = {0};
  int similarity = (int)recsys__number(ranker, SIMILARITY);
  bool binary = recsys__number(ranker, VALUES) != 0;
  l->shape = RECSYS__USERS;
  l->neighbours = (size_t)recsys__number(ranker, NEIGHBOURS);
  l->shrinkage = recsys__number(ranker, SHRINKAGE);
  l->compared = similarity == 1 ? RECSYS__CENTRED : similarity == 2 ? RECSYS__SETS : RECSYS__RAW;
  bool ok = recsys__learned_axis(l, &fitting->x) && recsys__sparse_like(&l->people.by_user, ratings) &&
            recsys__sparse_like(&compared, ratings) &&
            (l->people.users = recsys__copy(fitting->x.users, ratings->rows, sizeof *l->people.users)) &&
            (l->norms = recsys__calloc(ratings->rows, sizeof *l->norms));
  for (uint64_t e = 0; ok && e < ratings->offsets[ratings->rows]; e++) {
    l->people.by_user.values[e] = binary ? 1 : (float)((double)ratings->values[e] / fitting->x.largest);
    compared.values[e] = l->compared == RECSYS__SETS ? 1 : l->people.by_user.values[e];
  }
  if (ok && l->compared == RECSYS__CENTRED)
    recsys__subtract_row_means(&compared);
  if (ok && l->compared == RECSYS__RAW && recsys__number(ranker, WEIGHT) != 0)
    ok = recsys__weigh(&compared, (recsys__weighing)recsys__number(ranker, WEIGHT)) &&
         item_factors(l, &compared, &l->people.by_user);
  for (size_t u = 0; ok && u < compared.rows; u++) {
    for (uint64_t e = compared.offsets[u]; e < compared.offsets[u + 1]; e++)
      l->norms[u] += (double)compared.values[e] * (double)compared.values[e];
    l->norms[u] = l->compared == RECSYS__SETS ? l->norms[u] : sqrt(l->norms[u]);
  }
  ok = ok && recsys__sparse_transpose(&l->people.by_item, &compared);
  recsys__sparse_free(&compared);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the users' ratings");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__user_knn = {.name = "user-knn", .parameters = parameters, .fit = fit, .weight = weight};
