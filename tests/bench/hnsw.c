/*
 * The index: seconds to build it, and for some efforts the milliseconds of a query and the share of the exact 10
 * nearest that it finds, beside exact search in the same run. Rows come from a file of float32 (n x dim), as
 * tests/bench/rows.py writes it.
 *
 *   hnsw FILE DIM [threads=0] [links=16] [effort=100]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "store/chunks.h"
#include "store/hnsw.h"

enum { QUERIES = 1000, K = 10 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(void *pointer) {
  if (!pointer) {
    fprintf(stderr, "hnsw: out of memory\n");
    exit(1);
  }
  return pointer;
}

/* The first n rows of the file; the last QUERIES of it are the queries. */
static float *read_rows(const char *path, size_t dim, size_t *n) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  fseek(file, 0, SEEK_END);
  *n = (size_t)ftell(file) / (dim * sizeof(float));
  rewind(file);
  float *values = need(malloc(*n * dim * sizeof *values));
  if (fread(values, dim * sizeof *values, *n, file) != *n || *n <= QUERIES) {
    fprintf(stderr, "hnsw: %s has no %d rows\n", path, QUERIES + 1);
    exit(2);
  }
  fclose(file);
  return values;
}

static recsys__rows *rows_of(const float *values, size_t n, size_t dim) {
  recsys__rows *rows = need(recsys__rows_new((uint32_t)dim));
  for (size_t i = 0; i < n; i++)
    if (!recsys__rows_put(rows, (int64_t)i, 0, values + i * dim))
      need(NULL);
  return rows;
}

typedef struct spot {
  double worth;
  size_t row;
} spot;

static int by_worth(const void *a, const void *b) {
  const spot *x = a, *y = b;
  return x->worth != y->worth ? (x->worth > y->worth ? -1 : 1) : x->row < y->row ? -1 : x->row > y->row;
}

static void measure(const recsys__hnsw *graph, const recsys__rows *rows, const recsys__rows *queries,
                    const size_t *numbers, const int64_t *exact, size_t effort) {
  uint32_t *nodes = need(malloc(effort * sizeof *nodes));
  spot *spots = need(malloc(effort * sizeof *spots));
  size_t hits = 0;
  double start = now();
  for (size_t q = 0; q < QUERIES; q++) {
    size_t count;
    if (!recsys__hnsw_search(graph, queries, q, effort, nodes, &count))
      need(NULL);
    for (size_t i = 0; i < count; i++)
      spots[i] =
          (spot){recsys__rows_worth(queries, q, rows, numbers[nodes[i]], RECSYS_METRIC_COSINE), numbers[nodes[i]]};
    qsort(spots, count, sizeof *spots, by_worth);
    for (size_t i = 0; i < K && i < count; i++)
      for (size_t j = 0; j < K; j++)
        hits += exact[q * K + j] == (int64_t)spots[i].row;
  }
  printf("effort %4zu: %.4f ms a query, recall@10 %.4f\n", effort, 1e3 * (now() - start) / QUERIES,
         (double)hits / QUERIES / K);
  free(nodes);
  free(spots);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: hnsw FILE DIM [threads] [links] [effort]\n");
    return 2;
  }
  size_t dim = strtoull(argv[2], NULL, 10), n;
  uint32_t threads = recsys__thread_count(argc > 3 ? (uint32_t)atoi(argv[3]) : 0);
  recsys__hnsw_shape shape = {RECSYS_METRIC_COSINE, argc > 4 ? (uint32_t)atoi(argv[4]) : 16,
                              argc > 5 ? (uint32_t)atoi(argv[5]) : 100};
  float *values = read_rows(argv[1], dim, &n);
  n -= QUERIES;
  recsys__rows *rows = rows_of(values, n, dim), *queries = rows_of(values + n * dim, QUERIES, dim);
  int64_t *exact = need(malloc(QUERIES * K * sizeof *exact));
  double *scores = need(malloc(QUERIES * K * sizeof *scores));
  uint32_t *counts = need(malloc(QUERIES * sizeof *counts));
  recsys__rows_join join = {.queries = queries, .k = K, .stride = K};
  recsys_error error = {0};
  double start = now();
  if (recsys__rows_search_many(rows, &join, threads, exact, scores, counts, &error))
    need(NULL);
  printf("%zu rows of %zu, %u threads; exact, as a block: %.3f ms a query\n", n, dim, threads,
         1e3 * (now() - start) / QUERIES);
  recsys__hnsw *graph = need(recsys__hnsw_new(rows, &shape));
  size_t *numbers = need(malloc(n * sizeof *numbers));
  for (size_t i = 0; i < n; i++)
    numbers[i] = i;
  start = now();
  if (recsys__hnsw_add(graph, rows, numbers, n, threads, NULL, NULL, &error)) {
    fprintf(stderr, "hnsw: %s\n", error.message);
    return 1;
  }
  printf("index of %u links, effort %u: built in %.2f s, %.0f MiB\n", shape.links, shape.effort, now() - start,
         (double)recsys__hnsw_bytes(graph) / (1 << 20));
  static const size_t efforts[] = {10, 20, 40, 60, 80, 120, 200, 400};
  for (size_t i = 0; i < sizeof efforts / sizeof *efforts; i++)
    measure(graph, rows, queries, numbers, exact, efforts[i]);
  recsys__hnsw_free(graph);
  recsys__ref_release(rows);
  recsys__ref_release(queries);
  free(values);
  free(exact);
  free(scores);
  free(counts);
  free(numbers);
  return 0;
}
