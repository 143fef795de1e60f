/* Allocation with checked sizes. The seam for tests costs one relaxed load while no test has used it. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Atomic bool watched;
static _Atomic size_t made, countdown_left;
static _Atomic bool fail_all_later;

bool recsys__mul(size_t a, size_t b, size_t *out) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product)) {
    return false;
  }
  *out = product;
  return true;
}

bool recsys__add(size_t a, size_t b, size_t *out) {
  size_t sum;
  if (__builtin_add_overflow(a, b, &sum)) {
    return false;
  }
  *out = sum;
  return true;
}

/* Is this the allocation that a test wants to fail? */
static bool must_fail(void) {
  if (!atomic_load_explicit(&watched, memory_order_relaxed)) {
    return false;
  }
  atomic_fetch_add(&made, 1);
  size_t left = atomic_load(&countdown_left);
  while (left > 0) {
    size_t next = left == 1 && atomic_load(&fail_all_later) ? 1 : left - 1;
    if (atomic_compare_exchange_weak(&countdown_left, &left, next)) {
      return left == 1;
    }
  }
  return false;
}

/* The bytes to ask for; false where the allocation must not be tried. */
static bool bytes_of(size_t count, size_t size, size_t *bytes) {
  if (must_fail() || !recsys__mul(count, size, bytes) || *bytes > PTRDIFF_MAX) {
    return false;
  }
  *bytes = *bytes > 0 ? *bytes : 1;
  return true;
}

void *recsys__alloc(size_t count, size_t size) {
  size_t bytes;
  return bytes_of(count, size, &bytes) ? malloc(bytes) : NULL;
}

void *recsys__calloc(size_t count, size_t size) {
  size_t bytes;
  return bytes_of(count, size, &bytes) ? calloc(1, bytes) : NULL;
}

void *recsys__realloc(void *old, size_t count, size_t size) {
  size_t bytes;
  return bytes_of(count, size, &bytes) ? realloc(old, bytes) : NULL;
}

void *recsys__alloc_aligned(size_t align, size_t count, size_t size) {
  size_t bytes;
  void *pointer = NULL;
  if (!bytes_of(count, size, &bytes) || posix_memalign(&pointer, align, bytes) != 0) {
    return NULL;
  }
  return pointer;
}

void *recsys__copy(const void *data, size_t count, size_t size) {
  void *copy = recsys__alloc(count, size);
  if (copy != NULL && count > 0 && size > 0) {
    memcpy(copy, data, count * size);
  }
  return copy;
}

char *recsys__strdup(const char *text) {
  return recsys__copy(text, strlen(text) + 1, 1);
}

void recsys__free(void *pointer) {
  free(pointer);
}

bool recsys__grow(void **array, size_t *capacity, size_t need, size_t size) {
  if (need <= *capacity) {
    return true;
  }
  size_t doubled = *capacity <= SIZE_MAX / 2 ? *capacity * 2 : need;
  size_t wanted = doubled > need ? doubled : need;
  wanted = wanted < 8 ? 8 : wanted;
  void *grown = recsys__realloc(*array, wanted, size);
  if (grown == NULL && wanted > need) {
    wanted = need;
    grown = recsys__realloc(*array, wanted, size);
  }
  if (grown == NULL) {
    return false;
  }
  *array = grown;
  *capacity = wanted;
  return true;
}

size_t recsys__fail_allocation(size_t countdown, bool all_later) {
  atomic_store(&watched, true);
  atomic_store(&fail_all_later, all_later);
  atomic_store(&countdown_left, countdown);
  return atomic_exchange(&made, 0);
}
