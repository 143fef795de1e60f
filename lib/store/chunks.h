/*
 * The memory of a set of rows: chunks that successive snapshots share, each with the rows as stored in float32, their
 * int8 codes for the scan, and what is known of every row.
 */
#ifndef RECSYS_STORE_CHUNKS_H
#define RECSYS_STORE_CHUNKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/map.h"
#include "store/rows.h"

typedef struct recsys__chunk {
  recsys__ref ref;
  _Atomic uint32_t used; /* slots that some snapshot has; those from here on are free */
  uint32_t capacity;     /* rows */
  size_t bytes;
  uint8_t *codes;  /* capacity x code_stride */
  float *values;   /* capacity x float_stride, padded with zeros */
  float *scales;   /* see recsys__bounds */
  float *errors;   /* see recsys__bounds */
  double *squares; /* sum of x x */
  double *norms;   /* its square root */
  int64_t *items;
  int64_t *pictures;
} recsys__chunk;

struct recsys__rows {
  recsys__ref ref;
  uint32_t dim;
  size_t code_stride, float_stride; /* bytes and floats from row to row */
  size_t chunk_rows;                /* rows in every chunk but a first one that is still small */
  size_t count;                     /* rows: row r is slot r % chunk_rows of chunk r / chunk_rows */
  recsys__map items;                /* item -> recsys__pictures */
  recsys__chunk **chunks;
  size_t chunk_count, chunk_room;
};

/* Where an item's pictures are. Immutable once it is in the map. */
typedef struct recsys__pictures {
  recsys__ref ref;
  size_t count;
  struct recsys__place {
    int64_t picture;
    size_t row;
  } places[]; /* by rising picture */
} recsys__pictures;

/* Memory that is read here and there: 64-byte aligned, in huge pages where the system has them; NULL: out of memory. */
void *recsys__huge_block(size_t bytes);

/* Sets the strides and the number of rows of a chunk for `dim`. */
void recsys__chunk_shape(recsys__rows *rows, uint32_t dim);
/* A new chunk with the first `count` rows of `old` (which may be NULL with count 0); NULL: out of memory. */
recsys__chunk *recsys__chunk_new(const recsys__rows *rows, size_t capacity, const recsys__chunk *old, size_t count);
/* Writes one slot: the row, its codes and what is known of it. */
void recsys__chunk_write(const recsys__rows *rows, recsys__chunk *chunk, size_t slot, int64_t item, int64_t picture,
                         const float *row);
/* Copies a slot, also between chunks. */
void recsys__chunk_move(const recsys__rows *rows, recsys__chunk *to, size_t to_slot, const recsys__chunk *from,
                        size_t from_slot);

/* The similarity (cosine), or the distance negated, of row i of one set and row j of another: more is better. */
double recsys__rows_worth(const recsys__rows *a, size_t i, const recsys__rows *b, size_t j, uint32_t metric);

static inline recsys__chunk *recsys__chunk_of(const recsys__rows *rows, size_t row) {
  return rows->chunks[row / rows->chunk_rows];
}

static inline const float *recsys__chunk_row(const recsys__rows *rows, const recsys__chunk *chunk, size_t slot) {
  return chunk->values + slot * rows->float_stride;
}

#endif
