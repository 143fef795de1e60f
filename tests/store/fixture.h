/* A store to try things on, and short ways to fill one. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "recsys.h"

/* A name in a new folder below the temporary one; the folder is never the project's. */
static inline const char *fresh_path(void) {
  static char folder[64], path[128];
  snprintf(folder, sizeof folder, "/tmp/recsys-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/shop.recsys", folder);
  return path;
}

static inline void remove_path(const char *path) {
  static const char *const tails[] = {"", "-wal", "-shm", ".copy"};
  char name[256];
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    snprintf(name, sizeof name, "%s%s", path, tails[i]);
    unlink(name);
  }
  snprintf(name, sizeof name, "%s", path);
  *strrchr(name, '/') = 0;
  rmdir(name);
}

#define ck_ok(call)                                                                                                    \
  do {                                                                                                                 \
    recsys_status ck_status = (call);                                                                                  \
    ck_assert_msg(ck_status == RECSYS_OK, "%s: %s", recsys_status_name(ck_status), error.message);                     \
  } while (0)

/* The call fails with this status, and says why with these words. */
#define ck_fails(call, expected, words)                                                                                \
  do {                                                                                                                 \
    recsys_status ck_status = (call);                                                                                  \
    ck_assert_msg(ck_status == (expected), "got %s: %s", recsys_status_name(ck_status), error.message);                \
    ck_assert_int_eq(error.status, (expected));                                                                        \
    ck_assert_msg(strstr(error.message, words), "'%s' lacks '%s'", error.message, words);                              \
  } while (0)

static inline recsys_store *open_store(const char *location) {
  recsys_error error;
  recsys_store *store = NULL;
  ck_ok(recsys_store_open(&store, location, NULL, &error));
  ck_assert_ptr_nonnull(store);
  return store;
}

static inline recsys_store_info info_of(recsys_store *store) {
  recsys_store_info info = {.struct_size = sizeof info};
  recsys_error error;
  ck_ok(recsys_store_get_info(store, &info, &error));
  return info;
}

/* Row i of the test catalogue: different directions and lengths for all i < 1000. */
static inline void row_of(int64_t item, int64_t picture, float *row, uint32_t dim) {
  uint32_t state = (uint32_t)(item * 7919 + picture * 104729 + 1);
  for (uint32_t d = 0; d < dim; d++) {
    state = state * 1664525u + 1013904223u;
    row[d] = (float)(state >> 8) / 8388608.0f - 1;
  }
}

/* AddressSanitizer's allocator may be locked by another thread at a fork, and the child then waits for ever: such
 * builds fork only when no other thread runs. */
#ifdef __SANITIZE_ADDRESS__
enum { FORKS_AMID_THREADS = 0 };
#else
enum { FORKS_AMID_THREADS = 1 };
#endif

enum { DIM = 16 };

static inline void put_items(recsys_store *store, int64_t from, int64_t to) {
  recsys_error error;
  float row[DIM];
  for (int64_t i = from; i < to; i++) {
    row_of(i, 0, row, DIM);
    ck_ok(recsys_store_put_embeddings(store, "space", DIM, &i, NULL, row, 1, &error));
  }
}

#endif
