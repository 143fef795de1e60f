/* Allocation with checked sizes, and a seam through which tests make the n-th allocation fail. */
#ifndef RECSYS_BASE_MEMORY_H
#define RECSYS_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* a * b and a + b into *out; false (and *out untouched) on overflow. */
bool recsys__mul(size_t a, size_t b, size_t *out);
bool recsys__add(size_t a, size_t b, size_t *out);

/* All return NULL on failure or overflow; a size of 0 gives a valid pointer. Freed with recsys__free (NULL allowed). */
void *recsys__alloc(size_t count, size_t size);                       /* contents undefined */
void *recsys__calloc(size_t count, size_t size);                      /* zeroed */
void *recsys__realloc(void *old, size_t count, size_t size);          /* old stays valid on failure */
void *recsys__alloc_aligned(size_t align, size_t count, size_t size); /* align: a power of two >= 8 */
void *recsys__copy(const void *data, size_t count, size_t size);
char *recsys__strdup(const char *text);
void recsys__free(void *pointer);

/* Grows *array (elements of `size`) so that it holds at least `need` elements; *capacity is updated. */
bool recsys__grow(void **array, size_t *capacity, size_t need, size_t size);

/* Tests only: the countdown-th allocation from now (1 = the next) fails, once or with every later one. 0 turns it off.
 * Not thread-safe. Returns how many allocations were made since the last call. */
size_t recsys__fail_allocation(size_t countdown, bool all_later);

#endif
