/* Directions by orthogonal iteration on a sample, an order by k-means among the sketches. */
#include "store/sketch.h"

#include <math.h>
#include <string.h>

#include "base/matrix.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "store/kernels.h"

enum {
  DIM = RECSYS__SKETCH_DIM,
  LEAST_ROWS = 1 << 10,   /* below it the exact pass alone is as fast */
  LEAST_DIM = 2 * DIM,    /* the same */
  SAMPLE = 1 << 11,       /* rows that choose the directions */
  ROUNDS = 3,             /* of orthogonal iteration, and of k-means */
  PIECE = 1 << 10,        /* rows at a time */
  LANES = 16,             /* of a vector */
  PART = 1 << 5,          /* rows of a thread's turn */
  CLUSTER_ROWS = 100,     /* wanted in a cluster */
  MOST_CLUSTERS = 1 << 12 /* the time is rows x clusters */
};

typedef struct maker {
  const recsys__rows *rows;
  recsys__sketch *sketch;
  uint32_t threads;
  recsys__random random;
  size_t dim;        /* floats of a row, padding included */
  float *directions; /* DIM x dim */
  double excess;     /* of W Wᵀ over the identity */
  float *points;     /* rows x DIM: z, by row */
  float *centers;    /* clusters x DIM */
  float *halves;     /* of their squared lengths */
  float *scores;     /* PIECE x clusters */
  size_t clusters;
  uint32_t *nearest; /* of what is being assigned: its cluster */
} maker;

/* Lengths between which no product of a row and a direction leaves the range of a float. */
static bool is_plain(double norm) {
  return norm > 1e-15 && norm < 1e15;
}

/* -- directions */

static void sample_rows(maker *m, float *sample, size_t n) {
  for (size_t i = 0; i < n; i++) {
    size_t row = recsys__random_below(&m->random, (uint32_t)m->rows->count), slot = row % m->rows->chunk_rows;
    const recsys__chunk *chunk = recsys__chunk_of(m->rows, row);
    const float *values = recsys__chunk_row(m->rows, chunk, slot);
    double norm = chunk->norms[slot];
    for (size_t d = 0; d < m->dim; d++)
      sample[i * m->dim + d] = is_plain(norm) ? (float)((double)values[d] / norm) : 0;
  }
}

static void draw(recsys__random *random, float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(recsys__random_unit(random) - 0.5);
}

/* Row i without its share of the rows before it, of length 1; false where next to nothing is left. */
static bool straighten(float *rows, size_t i, size_t dim) {
  const recsys__kernels *kernels = recsys__kernels_now();
  float *x = rows + i * dim;
  double before = sqrt(kernels->dot(x, x, dim));
  for (int twice = 0; twice < 2; twice++)
    for (size_t j = 0; j < i; j++) {
      float share = (float)kernels->dot(x, rows + j * dim, dim);
      for (size_t d = 0; d < dim; d++)
        x[d] -= share * rows[j * dim + d];
    }
  double after = sqrt(kernels->dot(x, x, dim));
  if (!(after > 1e-4 * before))
    return false;
  for (size_t d = 0; d < dim; d++)
    x[d] = (float)((double)x[d] / after);
  return true;
}

static void orthonormalise(maker *m) {
  for (size_t i = 0; i < DIM; i++)
    while (!straighten(m->directions, i, m->dim))
      draw(&m->random, m->directions + i * m->dim, m->dim);
}

/* Hadamard's rotation: the first directions, which hold most, are spread among all, so that one scale suits all. */
static void mix(float *rows, size_t dim) {
  for (size_t half = 1; half < DIM; half *= 2)
    for (size_t i = 0; i < DIM; i++)
      for (size_t d = 0; !(i & half) && d < dim; d++) {
        float *a = &rows[i * dim + d], *b = &rows[(i + half) * dim + d], sum = *a + *b;
        *b = (*a - *b) * 0.70710678F;
        *a = sum * 0.70710678F;
      }
}

static double excess_of(const maker *m) {
  double sum = 0;
  for (size_t i = 0; i < DIM; i++)
    for (size_t j = 0; j < DIM; j++) {
      double dot =
          recsys__kernels_now()->dot(m->directions + i * m->dim, m->directions + j * m->dim, m->dim) - (i == j);
      sum += dot * dot;
    }
  return sqrt(sum);
}

static bool find_directions(maker *m) {
  size_t n = m->rows->count < SAMPLE ? m->rows->count : SAMPLE;
  float *sample = recsys__alloc(n * m->dim, sizeof *sample), *seen = recsys__alloc(n * DIM, sizeof *seen);
  bool ok = sample && seen;
  if (ok) {
    draw(&m->random, m->directions, DIM * m->dim);
    sample_rows(m, sample, n);
  }
  for (int round = 0; ok && round < ROUNDS; round++) {
    ok = recsys__gemm_float(m->threads, RECSYS__B_TRANSPOSED, n, DIM, m->dim, 1, sample, m->dim, m->directions, m->dim,
                            0, seen, DIM) &&
         recsys__gemm_float(m->threads, RECSYS__A_TRANSPOSED, DIM, m->dim, n, 1, seen, DIM, sample, m->dim, 0,
                            m->directions, m->dim);
    if (ok)
      orthonormalise(m);
  }
  recsys__free(sample);
  recsys__free(seen);
  if (ok) {
    mix(m->directions, m->dim);
    m->excess = excess_of(m);
  }
  return ok;
}

/* -- points */

static void to_unit(void *context, size_t part) {
  const maker *m = context;
  for (size_t row = part * PART; row < m->rows->count && row < (part + 1) * PART; row++) {
    const recsys__chunk *chunk = recsys__chunk_of(m->rows, row);
    double norm = chunk->norms[row % m->rows->chunk_rows];
    float *point = m->points + row * DIM;
    for (size_t d = 0; d < DIM; d++)
      point[d] = is_plain(norm) ? (float)((double)point[d] / norm) : 0;
  }
}

static bool find_points(maker *m) {
  for (size_t first = 0; first < m->rows->count; first += m->rows->chunk_rows) {
    size_t left = m->rows->count - first, n = left < m->rows->chunk_rows ? left : m->rows->chunk_rows;
    if (!recsys__gemm_float(m->threads, RECSYS__B_TRANSPOSED, n, DIM, m->dim, 1,
                            recsys__chunk_row(m->rows, recsys__chunk_of(m->rows, first), 0), m->dim, m->directions,
                            m->dim, 0, m->points + first * DIM, DIM))
      return false;
  }
  recsys__parallel(m->threads, (m->rows->count + PART - 1) / PART, to_unit, m);
  return true;
}

/* -- clusters */

typedef struct piece {
  maker *m;
  size_t first, n;
} piece;

/* The highest of n scores less their halves, n a multiple of LANES: as many running maxima as vectors have places. */
static uint32_t highest(const float *scores, const float *halves, size_t n) {
  float best[LANES];
  uint32_t where[LANES], first = 0;
  for (uint32_t l = 0; l < LANES; l++) {
    best[l] = scores[l] - halves[l];
    where[l] = l;
  }
  for (uint32_t c = LANES; c < n; c += LANES)
    for (uint32_t l = 0; l < LANES; l++) {
      float score = scores[c + l] - halves[c + l];
      bool better = score > best[l];
      best[l] = better ? score : best[l];
      where[l] = better ? c + l : where[l];
    }
  for (uint32_t l = 1; l < LANES; l++)
    first = best[l] > best[first] ? l : first;
  return where[first];
}

static void pick_nearest(void *context, size_t part) {
  const piece *p = context;
  const maker *m = p->m;
  for (size_t i = part * PART; i < p->n && i < (part + 1) * PART; i++)
    m->nearest[p->first + i] = highest(m->scores + i * m->clusters, m->halves, m->clusters);
}

/* The nearest center of each of n points. */
static bool assign(maker *m, const float *points, size_t n) {
  for (size_t c = 0; c < m->clusters; c++)
    m->halves[c] = (float)(recsys__kernels_now()->dot(m->centers + c * DIM, m->centers + c * DIM, DIM) / 2);
  for (size_t first = 0; first < n; first += PIECE) {
    piece p = {m, first, n - first < PIECE ? n - first : PIECE};
    if (!recsys__gemm_float(m->threads, RECSYS__B_TRANSPOSED, p.n, m->clusters, DIM, 1, points + first * DIM, DIM,
                            m->centers, DIM, 0, m->scores, m->clusters))
      return false;
    recsys__parallel(m->threads, (p.n + PART - 1) / PART, pick_nearest, &p);
  }
  return true;
}

/* Each center goes to the mean of its points; one without points stays. */
static void move_centers(maker *m, const float *points, size_t n, uint32_t *counts) {
  memset(counts, 0, m->clusters * sizeof *counts);
  for (size_t i = 0; i < n; i++) {
    float *center = m->centers + m->nearest[i] * DIM;
    float share = 1 / (float)++counts[m->nearest[i]];
    for (size_t d = 0; d < DIM; d++)
      center[d] = share == 1 ? points[i * DIM + d] : center[d] + (points[i * DIM + d] - center[d]) * share;
  }
}

static void sample_points(maker *m, float *to, size_t n, const float *from, size_t count) {
  for (size_t i = 0; i < n; i++)
    memcpy(to + i * DIM, from + recsys__random_below(&m->random, (uint32_t)count) * DIM, DIM * sizeof *to);
}

/* Centers by Lloyd's iteration on a sample, then the nearest one of every row. */
static bool cluster(maker *m, uint32_t *counts) {
  size_t count = m->rows->count, n = count / 16 < m->clusters ? count : 16 * m->clusters;
  float *sample = recsys__alloc(n * DIM, sizeof *sample);
  if (!sample)
    return false;
  sample_points(m, sample, n, m->points, count);
  sample_points(m, m->centers, m->clusters, sample, n);
  bool ok = true;
  for (int round = 0; ok && round < ROUNDS; round++) {
    ok = assign(m, sample, n);
    if (ok)
      move_centers(m, sample, n, counts);
  }
  recsys__free(sample);
  return ok && assign(m, m->points, count);
}

/* -- the order: cluster after cluster, each the nearest that is left to the one before */

static void chain(const maker *m, uint32_t *turn, uint32_t *left) {
  const recsys__kernels *kernels = recsys__kernels_now();
  for (size_t c = 0; c < m->clusters; c++)
    left[c] = (uint32_t)c;
  size_t last = 0;
  for (size_t n = m->clusters; n-- > 0;) { /* left[0..n] are without a turn */
    size_t best = 0;
    float most = -INFINITY;
    for (size_t i = 0; i <= n; i++) {
      float near = kernels->dot_float(m->centers + last * DIM, m->centers + left[i] * DIM, DIM) - m->halves[left[i]];
      if (near > most) {
        most = near;
        best = i;
      }
    }
    last = left[best];
    turn[last] = (uint32_t)(m->clusters - 1 - n);
    left[best] = left[n];
  }
}

/* A counting sort; `starts` has room for clusters + 1. */
static void sort_rows(const maker *m, const uint32_t *turn, uint32_t *starts) {
  size_t count = m->rows->count;
  memset(starts, 0, (m->clusters + 1) * sizeof *starts);
  for (size_t row = 0; row < count; row++)
    starts[turn[m->nearest[row]] + 1]++;
  for (size_t c = 0; c < m->clusters; c++)
    starts[c + 1] += starts[c];
  for (size_t row = 0; row < count; row++)
    m->sketch->order[starts[turn[m->nearest[row]]]++] = (uint32_t)row;
}

static bool find_order(maker *m) {
  size_t n = m->rows->count / CLUSTER_ROWS;
  m->clusters = n < LANES ? LANES : n < MOST_CLUSTERS ? n / LANES * LANES : MOST_CLUSTERS;
  m->centers = recsys__alloc(m->clusters, DIM * sizeof *m->centers);
  m->halves = recsys__alloc(m->clusters, sizeof *m->halves);
  m->scores = recsys__alloc(m->clusters, PIECE * sizeof *m->scores);
  m->nearest = recsys__alloc(m->rows->count, sizeof *m->nearest);
  uint32_t *turn = recsys__alloc(m->clusters, sizeof *turn), *room = recsys__alloc(m->clusters + 1, sizeof *room);
  bool ok = m->centers && m->halves && m->scores && m->nearest && turn && room && cluster(m, room);
  if (ok) {
    chain(m, turn, room);
    sort_rows(m, turn, room);
  }
  recsys__free(room);
  recsys__free(turn);
  return ok;
}

/* -- codes */

static void encode(const maker *m, size_t place) {
  const recsys__kernels *kernels = recsys__kernels_now();
  const recsys__sketch *s = m->sketch;
  size_t row = s->order[place], slot = row % m->rows->chunk_rows;
  const float *point = m->points + row * DIM;
  double rounding = 8 * (double)(m->dim + 2) * 0x1p-24, length = sqrt(kernels->dot(point, point, DIM)) - rounding;
  float largest = kernels->largest(point, DIM);
  if (!is_plain(recsys__chunk_of(m->rows, row)->norms[slot]) || largest == 0) { /* nothing is known */
    memset(s->codes + place * DIM, RECSYS__CODE_ZERO, DIM);
    s->scales[place] = 0;
    s->errors[place] = s->tails[place] = (float)(1 + rounding + m->excess) * 1.000001F;
    return;
  }
  s->scales[place] = largest / 127;
  double rest = sqrt(kernels->encode(s->codes + place * DIM, point, DIM, 1, s->scales[place]));
  double seen = length > 0 ? length * length : 0;
  s->errors[place] = (float)((rest + rounding + m->excess) * (1 + 1e-5));
  s->tails[place] = (float)(sqrt(fmax(0, 1 - seen) + m->excess + 1e-12) * (1 + 1e-6));
}

static void encode_part(void *context, size_t part) {
  const maker *m = context;
  for (size_t place = part * PART; place < m->rows->count && place < (part + 1) * PART; place++)
    encode(m, place);
}

/* -- the whole */

bool recsys__sketch_pays(const recsys__rows *rows) {
  return rows->count >= LEAST_ROWS && rows->count <= UINT32_MAX && rows->dim >= LEAST_DIM;
}

bool recsys__sketch_make(recsys__sketch *sketch, const recsys__rows *rows, uint32_t threads) {
  maker m = {.rows = rows, .sketch = sketch, .threads = threads, .dim = rows->float_stride};
  size_t n = rows->count;
  recsys__random_seed(&m.random, DIM, n);
  *sketch = (recsys__sketch){.order = recsys__alloc(n, sizeof *sketch->order),
                             .codes = recsys__alloc_aligned(64, n, DIM),
                             .scales = recsys__alloc(n, sizeof *sketch->scales),
                             .errors = recsys__alloc(n, sizeof *sketch->errors),
                             .tails = recsys__alloc(n, sizeof *sketch->tails)};
  m.directions = recsys__alloc(m.dim, DIM * sizeof *m.directions);
  m.points = recsys__alloc_aligned(64, n, DIM * sizeof *m.points);
  bool ok = sketch->order && sketch->codes && sketch->scales && sketch->errors && sketch->tails && m.directions &&
            m.points && find_directions(&m) && find_points(&m) && find_order(&m);
  if (ok)
    recsys__parallel(threads, (n + PART - 1) / PART, encode_part, &m);
  recsys__free(m.directions);
  recsys__free(m.points);
  recsys__free(m.centers);
  recsys__free(m.halves);
  recsys__free(m.scores);
  recsys__free(m.nearest);
  return ok;
}

void recsys__sketch_free(recsys__sketch *sketch) {
  recsys__free(sketch->order);
  recsys__free(sketch->codes);
  recsys__free(sketch->scales);
  recsys__free(sketch->errors);
  recsys__free(sketch->tails);
}
