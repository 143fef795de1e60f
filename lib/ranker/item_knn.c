/*
 * item-knn: score(j) = sum over the rated i among the K items most similar to j of x_i sim(i, j) (Deshpande and Karypis
 * 2004; x = rating / largest).
 *
 *   cosine    a.b / (|a| |b| + shrinkage) of the items' columns of ratings
 *   adjusted  the same after each user's mean is subtracted (Sarwar et al. 2001)
 *   pearson   the same after each item's mean is subtracted; what nobody rated counts as the mean
 *   jaccard   users of both / (users of either + shrinkage)
 *
 * Only positive similarities count.
 */
#include <math.h>

#include "ranker/neighbours.h"
#include "ranker/ranker.h"

static const char *const similarities[] = {"cosine", "adjusted", "pearson", "jaccard", NULL};
static const char *const weighings[] = {"none", "tfidf", "bm25", NULL}, *const values_words[] = {"rating", "binary",
                                                                                                 NULL};
enum { COSINE, ADJUSTED, PEARSON, JACCARD };

enum { NEIGHBOURS, SIMILARITY, WEIGHT, SHRINKAGE, VALUES };
static const recsys__parameter parameters[] = {
    [NEIGHBOURS] = {"neighbours", RECSYS__INTEGER, 1, 100000, 100, NULL},
    [SIMILARITY] = {"similarity", RECSYS__WORD, .words = similarities},
    [WEIGHT] = {"weight", RECSYS__WORD, .value = RECSYS__TFIDF, .words = weighings},
    [SHRINKAGE] = {"shrinkage", RECSYS__NUMBER, 0, 1e9, 0, NULL},
    [VALUES] = {"values", RECSYS__WORD, .words = values_words},
    {NULL},
};

typedef struct matrices {
  recsys__sparse by_item, by_user;
  double *norms; /* jaccard: counts */
  double shrinkage;
  bool jaccard;
} matrices;

static void similarity_row(const void *context, size_t i, double *row) {
  const matrices *m = context;
  for (uint64_t e = m->by_item.offsets[i]; e < m->by_item.offsets[i + 1]; e++) {
    uint32_t user = m->by_item.indices[e];
    double value = (double)m->by_item.values[e];
    for (uint64_t c = m->by_user.offsets[user]; c < m->by_user.offsets[user + 1]; c++)
      row[m->by_user.indices[c]] += value * (double)m->by_user.values[c];
  }
  for (size_t j = 0; j < m->by_item.rows; j++)
    if (row[j] > 0)
      row[j] /= (m->jaccard ? m->norms[i] + m->norms[j] - row[j] : m->norms[i] * m->norms[j]) + m->shrinkage;
}

static bool make_matrices(matrices *m, const recsys__fitting *fitting) {
  const recsys_ranker *ranker = fitting->ranker;
  int similarity = (int)recsys__number(ranker, SIMILARITY);
  recsys__sparse by_user = {0};
  m->jaccard = similarity == JACCARD;
  m->shrinkage = recsys__number(ranker, SHRINKAGE);
  bool ok = recsys__scaled_ratings(&by_user, &fitting->x, m->jaccard || recsys__number(ranker, VALUES) != 0);
  if (ok && similarity == ADJUSTED)
    recsys__subtract_row_means(&by_user);
  ok = ok && recsys__sparse_transpose(&m->by_item, &by_user);
  recsys__sparse_free(&by_user);
  if (ok && similarity == PEARSON)
    recsys__subtract_row_means(&m->by_item);
  ok = ok && (m->jaccard || recsys__weigh(&m->by_item, (recsys__weighing)recsys__number(ranker, WEIGHT))) &&
       recsys__sparse_transpose(&m->by_user, &m->by_item) &&
       (m->norms = recsys__calloc(m->by_item.rows, sizeof *m->norms));
  for (size_t i = 0; ok && i < m->by_item.rows; i++) {
    for (uint64_t e = m->by_item.offsets[i]; e < m->by_item.offsets[i + 1]; e++)
      m->norms[i] += (double)m->by_item.values[e] * (double)m->by_item.values[e];
    m->norms[i] = m->jaccard ? m->norms[i] : sqrt(m->norms[i]);
  }
  return ok;
}

static recsys_status fit(recsys__fitting *fitting, recsys_error *error) {
  recsys__learned *l = fitting->learned;
  recsys__sparse neighbours = {0}; /* of each j, as a row */
  matrices m = {0};
  l->shape = RECSYS__SPARSE;
  bool ok = recsys__learned_axis(l, &fitting->x) && make_matrices(&m, fitting) &&
            recsys__best_of_rows(&neighbours, fitting->ranker->threads, l->n,
                                 (size_t)recsys__number(fitting->ranker, NEIGHBOURS), similarity_row, &m) &&
            recsys__sparse_transpose(&l->sparse, &neighbours);
  recsys__sparse_free(&neighbours);
  recsys__sparse_free(&m.by_item);
  recsys__sparse_free(&m.by_user);
  recsys__free(m.norms);
  return ok ? RECSYS_OK : recsys__no_memory(error, "the items' neighbours");
}

static double weight(const recsys__request *r, const recsys__rating *rating) {
  return recsys__scaled_rating(r, rating, recsys__number(r->ranker, VALUES) != 0);
}

const recsys__algorithm recsys__item_knn = {.name = "item-knn", .parameters = parameters, .fit = fit, .weight = weight};
