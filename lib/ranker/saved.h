/* What a ranker's file holds (docs/formats-ranker.md): the arrays of a fitted state by name, for writing and reading.
 */
#ifndef RECSYS_RANKER_SAVED_H
#define RECSYS_RANKER_SAVED_H

#include "base/safetensors.h"
#include "ranker/ranker.h"

#define RECSYS__RANKER_FORMAT "recsys-ranker-2"

/* One array of the fitted state and where it belongs. */
typedef struct recsys__array {
  char name[64];
  recsys__dtype dtype;
  void **data;
  size_t rows, columns; /* columns 0: one dimension */
  bool needed;          /* by this shape of model */
} recsys__array;

enum { RECSYS__MOST_ARRAYS = 24, RECSYS__PREFIX = 64 };

typedef struct recsys__arrays {
  recsys__array list[RECSYS__MOST_ARRAYS];
  size_t n;
  const char *prefix; /* of their names: which part of the ranker they are of */
} recsys__arrays;

/* Sizes that the arrays have or must have. */
typedef struct recsys__saved_sizes {
  size_t items, entries, people_entries, users, columns; /* columns: of sparse features */
} recsys__saved_sizes;

/* All arrays that a state of this kind may have. */
void recsys__saved_arrays(recsys__arrays *a, recsys__fitted *f, const recsys__saved_sizes *s);
uint64_t recsys__saved_bytes(const recsys__array *a);
/* Of all arrays in their order: damage that the structure does not show. */
void recsys__saved_digest(const recsys__arrays *a, char hex[65]);

#endif
