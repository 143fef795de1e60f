/*
 * Exact search beside two physical limits in the same run: reading as many bytes as the int8 codes have, and a scan of
 * the float32 rows. Times are medians of alternating runs, because shared machines waver. Lists are compared with a
 * reference in double.
 *
 *   search [rows=200000] [dim=512] [threads=0] [k=10] [runs=21]
 *
 * Then, with the best kernels, a block of 200 queries, and the 50 neighbours of every row (of at most 100,000).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/random.h"
#include "base/thread.h"
#include "store/kernels.h"
#include "store/rows.h"

enum { QUERIES = 16, RANGE = 1 << 20, MOST_RUNS = 1001 };

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

typedef struct bench {
  size_t rows, dim, k, runs;
  uint32_t threads;
  uint8_t *bytes; /* what the read loop reads */
  size_t byte_count;
  float *values, *queries; /* float32 rows for the other scan and the reference */
  recsys__rows *store;
  const float *query; /* of this run */
  _Atomic uint64_t sink;
} bench;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double normal(recsys__random *random) {
  double u = 1 - recsys__random_unit(random), v = recsys__random_unit(random);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void *need(void *pointer) {
  if (!pointer) {
    fprintf(stderr, "search: out of memory\n");
    exit(1);
  }
  return pointer;
}

/* -- the limits */

typedef uint64_t wide __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

CLONES static uint64_t read_range(const uint8_t *bytes, size_t n) {
  wide a = {0}, b = a, c = a, d = a;
  for (size_t i = 0; i + 256 <= n; i += 256) {
    const wide *x = (const wide *)(const void *)(bytes + i);
    a ^= x[0], b ^= x[1], c ^= x[2], d ^= x[3];
  }
  a ^= b ^ c ^ d;
  return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

static void read_part(void *context, size_t part) {
  bench *b = context;
  size_t first = part * RANGE, n = b->byte_count - first;
  b->sink += read_range(b->bytes + first, n < RANGE ? n : RANGE);
}

CLONES static float float_range(const float *values, size_t rows, size_t dim, const float *query) {
  float best = -INFINITY;
  for (size_t r = 0; r < rows; r++) {
    floats a = {0}, b = a;
    for (size_t i = 0; i + 32 <= dim; i += 32) {
      floats x[2], q[2];
      memcpy(x, values + r * dim + i, sizeof x);
      memcpy(q, query + i, sizeof q);
      a += x[0] * q[0];
      b += x[1] * q[1];
    }
    a += b;
    float sum = 0;
    for (int j = 0; j < 16; j++)
      sum += a[j];
    best = sum > best ? sum : best;
  }
  return best;
}

static void float_part(void *context, size_t part) {
  bench *b = context;
  size_t each = RANGE / b->dim, first = part * each, n = b->rows - first;
  b->sink += (uint64_t)(1e6 * fabs(float_range(b->values + first * b->dim, n < each ? n : each, b->dim, b->query)));
}

/* -- the rows */

/* Half of each row is its cluster's centre (`spread` 0: nothing is), as pictures of one kind look alike. */
static void fill(bench *b, double share) {
  recsys__random random;
  recsys__random_seed(&random, 7, 1);
  size_t clusters = 500, n = clusters * b->dim;
  float *centres = need(malloc(n * sizeof *centres));
  for (size_t i = 0; i < n; i++)
    centres[i] = (float)normal(&random);
  float *pool = need(malloc((1 << 20) * sizeof *pool));
  for (size_t i = 0; i < 1 << 20; i++)
    pool[i] = (float)normal(&random);
  for (size_t r = 0; r < b->rows + QUERIES; r++) {
    float *row = r < b->rows ? b->values + r * b->dim : b->queries + (r - b->rows) * b->dim;
    const float *centre = centres + recsys__random_below(&random, (uint32_t)clusters) * b->dim;
    for (size_t i = 0; i < b->dim; i++)
      row[i] = (float)(share * centre[i]) + pool[recsys__random_u32(&random) >> 12];
  }
  free(pool);
  free(centres);
}

static void build(bench *b) {
  b->store = need(recsys__rows_new((uint32_t)b->dim));
  for (size_t r = 0; r < b->rows; r++)
    if (!recsys__rows_put(b->store, (int64_t)r, 0, b->values + r * b->dim))
      need(NULL);
}

/* -- lists */

static size_t search(bench *b, const float *query, uint32_t metric, int64_t *ids, double *scores) {
  recsys__rows_query q = {.queries = query, .query_count = 1, .k = b->k, .metric = metric, .exclude = -1};
  size_t count;
  recsys_error error;
  if (recsys__rows_search(b->store, &q, b->threads, ids, scores, &count, &error) != RECSYS_OK) {
    fprintf(stderr, "search: %s\n", error.message);
    exit(1);
  }
  return count;
}

static double reference_score(const bench *b, const float *query, size_t row, uint32_t metric) {
  const float *x = b->values + row * b->dim;
  double dot = 0, xx = 0, qq = 0, dd = 0;
  for (size_t i = 0; i < b->dim; i++) {
    double d = (double)x[i] - (double)query[i];
    dot += (double)x[i] * query[i], xx += (double)x[i] * x[i], qq += (double)query[i] * query[i], dd += d * d;
  }
  return metric == RECSYS_METRIC_EUCLIDEAN ? sqrt(dd) : dot / sqrt(xx * qq);
}

/* Is the list that of a scan in double? Scores must agree to 1e-12, and so ids wherever scores differ by more. */
static bool agrees(bench *b, const float *query, uint32_t metric, double *all) {
  int64_t *ids = need(malloc(b->k * sizeof *ids));
  double *scores = need(malloc(b->k * sizeof *scores));
  size_t count = search(b, query, metric, ids, scores), better = 0;
  double sign = metric == RECSYS_METRIC_EUCLIDEAN ? -1 : 1;
  bool good = count == (b->k < b->rows ? b->k : b->rows);
  for (size_t r = 0; r < b->rows; r++) {
    all[r] = reference_score(b, query, r, metric);
    better += sign * all[r] > sign * scores[count - 1] + 1e-12;
  }
  good = good && better < count;
  for (size_t i = 0; i < count; i++) {
    good = good && fabs(scores[i] - all[ids[i]]) <= 1e-12 * fmax(1, scores[i]);
    good = good &&
           (i == 0 || sign * scores[i - 1] > sign * scores[i] || (scores[i - 1] == scores[i] && ids[i - 1] < ids[i]));
  }
  free(ids);
  free(scores);
  return good;
}

/* -- timing */

static int compare(const void *a, const void *b) {
  const double *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

static double median(double *times, size_t n) {
  qsort(times, n, sizeof *times, compare);
  return times[n / 2];
}

enum { FLOATS, READ, COSINE, EUCLIDEAN, KINDS };

static double once(bench *b, int kind, int64_t *ids, double *scores) {
  double start = now();
  size_t each = RANGE / b->dim;
  if (kind == READ)
    recsys__parallel(b->threads, (b->byte_count + RANGE - 1) / RANGE, read_part, b);
  else if (kind == FLOATS)
    recsys__parallel(b->threads, (b->rows + each - 1) / each, float_part, b);
  else
    search(b, b->query, kind == COSINE ? RECSYS_METRIC_COSINE : RECSYS_METRIC_EUCLIDEAN, ids, scores);
  return now() - start;
}

static void measure(bench *b, const recsys__kernels *kernels) {
  double *times = need(malloc(KINDS * b->runs * sizeof *times)), *scores = need(malloc(b->k * sizeof *scores));
  int64_t *ids = need(malloc(b->k * sizeof *ids));
  recsys__kernels_force(kernels);
  for (size_t run = 0; run < b->runs; run++)
    for (int kind = 0; kind < KINDS; kind++) {
      b->query = b->queries + run % QUERIES * b->dim;
      times[(size_t)kind * b->runs + run] = once(b, kind, ids, scores);
    }
  double t[KINDS];
  for (size_t kind = 0; kind < KINDS; kind++)
    t[kind] = median(times + kind * b->runs, b->runs);
  double gb = 1e-9 * (double)b->byte_count;
  printf("%-8s %9.2f %9.2f %9.2f %9.2f %9.1f %9.1f %8.0f%%\n", kernels->name, 1e3 * t[READ], 1e3 * t[FLOATS],
         1e3 * t[COSINE], 1e3 * t[EUCLIDEAN], gb / t[READ], gb / t[COSINE], 100 * t[READ] / t[COSINE]);
  free(times);
  free(scores);
  free(ids);
}

static bool verify(bench *b) {
  double *all = need(malloc(b->rows * sizeof *all));
  size_t good = 0, total = 0;
  for (size_t i = 0; recsys__kernels_at(i); i++) {
    recsys__kernels_force(recsys__kernels_at(i));
    for (size_t q = 0; q < 4; q++, total += 2)
      good += (size_t)agrees(b, b->queries + q * b->dim, RECSYS_METRIC_COSINE, all) +
              (size_t)agrees(b, b->queries + q * b->dim, RECSYS_METRIC_EUCLIDEAN, all);
  }
  recsys__kernels_force(NULL);
  printf("lists equal to the float64 reference: %zu of %zu\n", good, total);
  free(all);
  return good == total;
}

/* -- many queries */

enum { BLOCK = 200, NEIGHBOURS = 50, MOST_NEIGHBOURS = 100000 };

static recsys__rows *rows_of(const bench *b, const float *values, size_t n) {
  recsys__rows *rows = need(recsys__rows_new((uint32_t)b->dim));
  for (size_t i = 0; i < n; i++)
    if (!recsys__rows_put(rows, (int64_t)i, 0, values + i * b->dim))
      need(NULL);
  return rows;
}

/* Seconds for the lists of every row of `queries`. */
static double join(const bench *b, const recsys__rows *rows, const recsys__rows *queries, size_t k) {
  size_t n = recsys__rows_count(queries);
  recsys__rows_join options = {.queries = queries, .k = k, .stride = k};
  int64_t *ids = need(malloc(n * k * sizeof *ids));
  double *scores = need(malloc(n * k * sizeof *scores));
  uint32_t *counts = need(malloc(n * sizeof *counts));
  recsys_error error;
  double start = now();
  if (recsys__rows_search_many(rows, &options, b->threads, ids, scores, counts, &error) != RECSYS_OK) {
    fprintf(stderr, "search: %s\n", error.message);
    exit(1);
  }
  double seconds = now() - start;
  free(ids);
  free(scores);
  free(counts);
  return seconds;
}

static void measure_many(bench *b) {
  size_t n = b->rows < MOST_NEIGHBOURS ? b->rows : MOST_NEIGHBOURS;
  recsys__rows *few = rows_of(b, b->values, b->rows < BLOCK ? b->rows : BLOCK), *rows = rows_of(b, b->values, n);
  double times[5], k = (double)recsys__rows_count(few);
  for (size_t i = 0; i < 5; i++)
    times[i] = join(b, b->store, few, b->k);
  printf("%.0f queries at once: %.3f ms a query\n", k, 1e3 * median(times, 5) / k);
  for (size_t i = 0; i < 3; i++)
    times[i] = join(b, rows, rows, NEIGHBOURS);
  double seconds = median(times, 3), products = 0.5 * (double)n * (double)n * (double)b->dim;
  printf("%d neighbours of %zu rows: %.2f s, %.0f G products of int8 a second\n", NEIGHBOURS, n, seconds,
         1e-9 * products / seconds);
  recsys__ref_release(few);
  recsys__ref_release(rows);
}

static bool run_kind(bench *b, const char *name, double share) {
  fill(b, share);
  double start = now();
  build(b);
  printf("\n%s rows, stored in %.2f s, %.0f MiB\n", name, now() - start,
         (double)recsys__rows_bytes(b->store) / (1 << 20));
  printf("kernels   read ms  float ms cosine ms euclid ms read GB/s scan GB/s  of read\n");
  for (size_t i = 0; recsys__kernels_at(i); i++)
    measure(b, recsys__kernels_at(i));
  measure_many(b);
  bool good = verify(b);
  recsys__ref_release(b->store);
  return good;
}

static size_t argument(int argc, char **argv, int index, size_t otherwise) {
  return argc > index ? (size_t)strtoull(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv) {
  bench b = {.rows = argument(argc, argv, 1, 200000), .dim = argument(argc, argv, 2, 512)};
  b.threads = recsys__thread_count((uint32_t)argument(argc, argv, 3, 0));
  b.k = argument(argc, argv, 4, 10);
  b.runs = argument(argc, argv, 5, 21);
  if (b.rows < 1 || b.dim < 1 || b.dim > 65536 || b.k < 1 || b.runs < 1 || b.runs > MOST_RUNS) {
    fprintf(stderr, "usage: search [rows] [dim] [threads] [k] [runs]\n");
    return 2;
  }
  b.byte_count = (b.rows * ((b.dim + 63) / 64 * 64) + 255) / 256 * 256;
  b.bytes = need(aligned_alloc(1 << 21, (b.byte_count + (1 << 21) - 1) >> 21 << 21));
  madvise(b.bytes, b.byte_count, MADV_HUGEPAGE);
  memset(b.bytes, 1, b.byte_count);
  b.values = need(malloc(b.rows * b.dim * sizeof *b.values));
  b.queries = need(malloc(QUERIES * b.dim * sizeof *b.queries));
  printf("%zu rows of %zu, %u threads, k = %zu, medians of %zu alternating runs\n", b.rows, b.dim, b.threads, b.k,
         b.runs);
  bool good = run_kind(&b, "random", 0);
  good = run_kind(&b, "clustered", 1) && good;
  free(b.bytes);
  free(b.values);
  free(b.queries);
  return good ? 0 : 1;
}
