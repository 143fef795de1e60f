/*
 * What an algorithm has learned, in one of five shapes: every score is computed from the history alone, so
 * that a guest, a new user and a known one are the same thing.
 *
 *   dense    score(j) = sum over i of x_i W_ij + share(|history|) constant_j
 *   sparse   the same with a sparse W
 *   factors  score(j) = u . y_j + bias_j, with u solved from the history: A u = b
 *   users    score(j) = sum over the users v most like the history of sim(v) r_vj
 *   features score(j) = f_j . P sum over i of x_i f_i, rows f of explicit features
 */
#ifndef RECSYS_RANKER_LEARNED_H
#define RECSYS_RANKER_LEARNED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ranker/interactions.h"

typedef enum {
  RECSYS__NOTHING = 0,
  RECSYS__DENSE,
  RECSYS__SPARSE,
  RECSYS__FACTORS,
  RECSYS__USERS,
  RECSYS__FEATURES
} recsys__shape;

/* How a user's factors come from the history x (weights) over the items i in it. */
typedef enum {
  RECSYS__PROJECT = 0, /* u = sum x_i y_i */
  RECSYS__IMPLICIT,    /* (gram + sum x_i y_i y_iᵀ + regularization I) u = sum (1 + x_i) y_i (Hu, Koren, Volinsky) */
  RECSYS__RESIDUAL     /* (sum y_i y_iᵀ + regularization I) u = sum (x_i - bias_i) y_i */
} recsys__fold;

/* What is compared to find similar users. */
typedef enum {
  RECSYS__RAW = 0,
  RECSYS__CENTRED /* minus the row's mean */,
  RECSYS__SETS /* Jaccard */
} recsys__compared;

typedef struct recsys__learned {
  _Atomic uint32_t references; /* fitted states that share it */
  recsys__shape shape;
  int64_t *items; /* which can be scored, rising */
  size_t n;
  int64_t *rated; /* whose ratings count, rising; the rows of W */
  size_t rated_count;
  uint32_t *rows; /* id -> place among `rated` + 1, where the ids lie close together; NULL */
  size_t row_ids; /* how many of them */
  /* linear */
  float *dense;          /* rated_count x n; features: P, all columns squared */
  recsys__sparse sparse; /* rated_count x n; features: the rows of all items */
  float *pictures;       /* features: n x factors, the columns after the sparse ones; NULL: none */
  float *constant;       /* NULL, or n */
  /* factors */
  recsys__fold fold;
  size_t factors;
  float *vectors;        /* n x factors; rated = items */
  float *by_factor;      /* the same in tiles (matrix_kernel.h), as scoring reads it, */
  size_t padded;         /* n up to whole tiles */
  bool prepared;         /* from here on nothing changes: fitted states share it */
  double longest;        /* the largest norm of a row of vectors */
  double *gram;          /* factors x factors */
  double *bias;          /* NULL, or n */
  double regularization; /* times (entries of the history / mean_length)^frequency */
  double frequency, mean_length;
  double mean; /* added to every score */
  /* users; bias (or NULL) scales a history's items as the people's were weighed */
  recsys__interactions people; /* by_user: ratings that are recommended; by_item: values that are compared */
  double *norms;               /* of each user's compared row; sets: its size */
  recsys__compared compared;
  size_t neighbours;
  double shrinkage;
} recsys__learned;

recsys__learned *recsys__learned_new(void);       /* NULL: out of memory */
void recsys__learned_release(recsys__learned *l); /* NULL allowed */
/* Copies the ids of the rated items (and of the items that can be scored: the same) from the matrix. */
bool recsys__learned_axis(recsys__learned *l, const recsys__interactions *x);

/* One history in the model's own terms. */
typedef struct recsys__profile {
  uint32_t *rows; /* places among `rated`, rising */
  double *weights;
  size_t n;
  size_t length; /* of the whole history, known items or not */
  int64_t user;  /* -1: a guest */
  uint32_t threads;
} recsys__profile;

/* scores[n]; false: out of memory. */
bool recsys__learned_scores(const recsys__learned *l, const recsys__profile *p, double *scores);
/* For factors: the user's factors u[factors] (false: out of memory, or no solution), */
bool recsys__learned_solve(const recsys__learned *l, const recsys__profile *p, double *u);
/* with them the scores of four users (u[q] NULL: none) in float, scores[4 x padded], each at most slack[q] from the
 * exact one (false: out of memory), and one exact score. */
bool recsys__learned_rough(const recsys__learned *l, double *const u[4], float *scores, double slack[4]);
double recsys__learned_exact(const recsys__learned *l, const double *u, size_t at);
/* The place of an id among `rated`, or rated_count; ids rise from call to call as in recsys__place_after. */
size_t recsys__learned_row(const recsys__learned *l, int64_t id, size_t *from);
/* After fitting or opening: what scoring needs beside. false: out of memory. */
bool recsys__learned_prepare(recsys__learned *l);
/* How much each entry of the profile contributes to the score of the item at `at`, in parts[p->n], and what is left
 * over as a constant. false: out of memory, or the shape is not linear in the history (users). */
bool recsys__learned_parts(const recsys__learned *l, const recsys__profile *p, size_t at, double *parts,
                           double *constant);
/* The place of an id in a rising list, or n; and the same for ids that rise from call to call: *from (0 at first) is
 * where the search begins. */
size_t recsys__place_of(const int64_t *ids, size_t n, int64_t id);
size_t recsys__place_after(const int64_t *ids, size_t n, int64_t id, size_t *from);

#endif
