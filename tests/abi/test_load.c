/*
 * What it costs to link the library: a child process opens it, fills a small store and searches it, and then looks at
 * itself. No engine, no BLAS, no OpenMP mapped; no thread from loading; memory and time of loading within bounds.
 * The time bound is that of the promise (2 ms) times a wide margin, because shared machines waver; the benchmark in
 * tests/bench/load.c prints the real figure.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recsys.h"

static int failures;

static void expect(int ok, const char *what) {
  if (!ok) {
    printf("FAILED: %s\n", what);
    failures++;
  }
}

static size_t count_threads(void) {
  size_t n = 0;
  DIR *dir = opendir("/proc/self/task");
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    n += entry->d_name[0] != '.';
  if (dir)
    closedir(dir);
  return n;
}

/* Memory that is this process's own, in bytes: private pages, clean or dirty. */
static size_t private_bytes(void) {
  size_t total = 0, kib;
  char line[256];
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "Private_Clean: %zu", &kib) == 1 || sscanf(line, "Private_Dirty: %zu", &kib) == 1)
      total += kib * 1024;
  if (file)
    fclose(file);
  return total;
}

static int is_mapped(const char *name) {
  char line[4096];
  int found = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  while (file && fgets(line, sizeof line, file))
    found |= strstr(line, name) != NULL;
  if (file)
    fclose(file);
  return found;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#define LOAD(function) __typeof__(&function) p_##function = (__typeof__(&function))dlsym(library, #function)

static void search(void *library) {
  LOAD(recsys_store_open);
  LOAD(recsys_store_put_embeddings);
  LOAD(recsys_store_similar);
  LOAD(recsys_store_close);
  float rows[3][4] = {{1, 0, 0, 0}, {1, 1, 0, 0}, {0, 0, 1, 0}};
  int64_t items[3] = {1, 2, 3}, ids[2];
  double scores[2];
  uint32_t count = 0;
  recsys_store *store = NULL;
  recsys_error error = {0};
  expect(p_recsys_store_open(&store, ":memory:", NULL, &error) == RECSYS_OK, error.message);
  expect(p_recsys_store_put_embeddings(store, "hand", 4, items, NULL, rows[0], 3, &error) == RECSYS_OK, error.message);
  expect(p_recsys_store_similar(store, items, 1, 2, NULL, ids, scores, &count, NULL, &error) == RECSYS_OK,
         error.message);
  expect(count == 2 && ids[0] == 2 && ids[1] == 3, "items 2 and 3 are the neighbours of item 1");
  p_recsys_store_close(store);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  size_t before = private_bytes();
  double start = seconds();
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  double elapsed = seconds() - start;
  if (!library) {
    printf("FAILED: %s\n", dlerror());
    return 1;
  }
  size_t grown = private_bytes() - before;
  printf("loading took %.2f ms and %.2f MiB\n", 1e3 * elapsed, (double)grown / 1048576);
  expect(count_threads() == 1, "loading starts no thread");
  expect(grown < 4u << 20, "loading takes less than 4 MiB");
  expect(elapsed < 0.1, "loading takes milliseconds");
  search(library);
  const char *heavy[] = {"libtorch", "libc10", "blas", "dnnl", "libgomp", "libomp", "libstdc++"};
  for (size_t i = 0; i < sizeof heavy / sizeof *heavy; i++)
    expect(!is_mapped(heavy[i]), heavy[i]);
  return failures != 0;
}
