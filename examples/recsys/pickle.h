/*
 * A reader of pickles that knows tensors and nothing else. Numbers, strings, tuples, lists and dictionaries are built;
 * of all names that a pickle may ask for, only the handful that torch.save writes for tensors are known, and those are
 * not called but understood. Any other name or instruction ends the reading with a message. So no code can run, and
 * sizes, depths and counts are bounded.
 */
#ifndef RECSYS_EXAMPLES_PICKLE_H
#define RECSYS_EXAMPLES_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/safetensors.h"
#include "recsys.h"

typedef enum pickle_kind {
  PICKLE_NONE,
  PICKLE_BOOL,
  PICKLE_INT,
  PICKLE_FLOAT,
  PICKLE_TEXT,
  PICKLE_TUPLE,
  PICKLE_LIST,
  PICKLE_DICT, /* items: key, value, key, value ... */
  PICKLE_GLOBAL,
  PICKLE_STORAGE,
  PICKLE_TENSOR
} pickle_kind;

/* A block of numbers that tensors look into. Where its bytes are is for the reader of the file to find. */
typedef struct pickle_storage {
  const char *key;
  recsys__dtype dtype;
  uint64_t count;      /* numbers */
  const uint8_t *data; /* NULL until found */
} pickle_storage;

/* Sizes and strides in numbers, not bytes; checked against the storage's count, and free of overlap. */
typedef struct pickle_tensor {
  size_t storage; /* index */
  uint64_t offset;
  uint32_t rank;
  uint64_t sizes[RECSYS__MAX_RANK], strides[RECSYS__MAX_RANK];
} pickle_tensor;

typedef struct pickle_value {
  pickle_kind kind;
  int64_t integer; /* INT, BOOL; GLOBAL: which; STORAGE: index */
  const char *text;
  pickle_tensor *tensor;
  struct pickle_value **items; /* TUPLE, LIST, DICT */
  size_t count, capacity;
  struct pickle_value *previous; /* the heap's chain */
} pickle_value;

/* Everything that the pickles of one file made; zero-initialise. */
typedef struct pickle_heap {
  pickle_value *last;
  size_t value_count;
  pickle_storage *storages;
  size_t storage_count, storage_capacity;
} pickle_heap;

void pickle_heap_free(pickle_heap *heap);

/* Reads one pickle from data[*at] on; *at ends behind it. `name` stands for the file in messages. */
recsys_status pickle_load(pickle_heap *heap, const uint8_t *data, size_t size, size_t *at, const char *name,
                          pickle_value **value, recsys_error *error);

/* The value under a text key, or NULL. */
const pickle_value *pickle_get(const pickle_value *dict, const char *key);
/* Bytes of one number. */
uint64_t pickle_dtype_size(recsys__dtype dtype);

#endif
