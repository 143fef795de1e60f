/*
 * Features of pictures, kept from one training to the next: rows by the digest of a picture's content. On disk a cache
 * is a folder of safetensors files that are written once and never changed (docs/formats-model.md); a file that is
 * damaged or of another network is not used. Rows that do not fit the memory limit stay in the files and are read from
 * there.
 */
#ifndef RECSYS_MODEL_CACHE_H
#define RECSYS_MODEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "recsys.h"

typedef struct recsys__digest {
  uint8_t bytes[32];
} recsys__digest;

/* One file: its rows are in memory, or at `offset` of `fd`. */
typedef struct recsys__shard {
  float *rows;
  int fd;
  uint64_t offset;
} recsys__shard;

typedef struct recsys__cache_entry {
  recsys__digest digest;
  uint32_t shard, row;
} recsys__cache_entry;

typedef struct recsys__cache {
  char *folder, *key; /* folder NULL: nothing is written, and all rows must fit the memory limit */
  bool temporary;     /* the folder is removed at the end */
  size_t dim, memory, used;
  recsys__shard *shards;
  size_t shard_count, shard_capacity;
  recsys__cache_entry *entries;
  size_t entry_count, entry_capacity;
  uint32_t *table; /* of 1 + an entry's index; 0: empty */
  size_t table_size;
  recsys__digest *pending; /* rows that no file has yet */
  float *pending_rows;
  size_t pending_count, pending_room;
  const recsys__log *log;
} recsys__cache;

/* Opens the cache in `folder` (made if it is not there) for rows of `dim` floats that the network `key` (a fingerprint
 * and a precision) makes. temporary: a folder of that name is made, used only if memory is not enough, and removed. */
recsys_status recsys__cache_open(recsys__cache *cache, const char *folder, bool temporary, const char *key, size_t dim,
                                 uint64_t memory, const recsys__log *log, recsys_error *error);
/* The row's handle; UINT32_MAX: not there. */
uint32_t recsys__cache_find(const recsys__cache *cache, const recsys__digest *digest);
/* Adds a row; full groups of rows are written at once. */
recsys_status recsys__cache_add(recsys__cache *cache, const recsys__digest *digest, const float *row,
                                recsys_error *error);
/* Writes what is pending. */
recsys_status recsys__cache_flush(recsys__cache *cache, recsys_error *error);
/* The row of a handle; after a flush. */
recsys_status recsys__cache_read(const recsys__cache *cache, uint32_t handle, float *row, recsys_error *error);
void recsys__cache_close(recsys__cache *cache);

#endif
