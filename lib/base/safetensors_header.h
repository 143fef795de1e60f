/* The JSON header of a safetensors file, between its reading (safetensors.c) and its validation. */
#ifndef RECSYS_BASE_SAFETENSORS_HEADER_H
#define RECSYS_BASE_SAFETENSORS_HEADER_H

#include "base/safetensors.h"

enum { RECSYS__MAX_HEADER = 100000000, RECSYS__MAX_TENSORS = 100000, RECSYS__MAX_NAME = 1024 };

/* Everything that a recsys__tensors owns. */
typedef struct recsys__tensors_storage {
  char *strings; /* names, metadata */
  void *data;    /* the tensors' bytes, where they were read from a file */
  bool open;     /* the file that tensors are read from */
  int fd;
  char *path;
  uint64_t first;    /* byte of it: where tensors begin */
  uint64_t *offsets; /* of each tensor from there */
  void **aligned;    /* copies of tensors that the file has at a place which is not aligned for their dtype */
  size_t aligned_count, aligned_capacity;
} recsys__tensors_storage;

/* Parses and validates the n bytes of the header of a file whose tensors take `data_bytes`. Fills list (by offset, data
 * NULL), *offsets (one for each, freed with recsys__free) and metadata. tensors->storage is a recsys__tensors_storage;
 * the caller frees tensors on failure. */
recsys_status recsys__tensors_header(recsys__tensors *tensors, uint64_t **offsets, const char *header, size_t n,
                                     uint64_t data_bytes, const char *name, recsys_error *error);

#endif
