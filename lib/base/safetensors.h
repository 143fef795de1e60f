/* safetensors files: read with full validation before a byte is used, and written sorted and aligned. */
#ifndef RECSYS_BASE_SAFETENSORS_H
#define RECSYS_BASE_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

typedef enum {
  RECSYS__F32 = 1,
  RECSYS__F16,
  RECSYS__BF16,
  RECSYS__F64,
  RECSYS__I64,
  RECSYS__I32,
  RECSYS__U8,
  RECSYS__I8
} recsys__dtype;

enum { RECSYS__MAX_RANK = 8 };

typedef struct recsys__tensor {
  const char *name;
  recsys__dtype dtype;
  uint32_t rank;
  uint64_t shape[RECSYS__MAX_RANK];
  const void *data; /* little-endian, row-major, aligned for its dtype; never NULL after reading or parsing */
  uint64_t bytes;
} recsys__tensor;

/* A file in memory. Tensors are in file order. */
typedef struct recsys__tensors {
  recsys__tensor *list;
  size_t count;
  struct recsys__metadata {
    const char *key, *value;
  } * metadata;
  size_t metadata_count;
  void *storage; /* private */
} recsys__tensors;

/* Bytes of one element, 0 for what is no dtype; and its name in a file, "F32". */
size_t recsys__dtype_size(recsys__dtype dtype);
const char *recsys__dtype_name(recsys__dtype dtype);
/* product(shape) x size of an element; false on overflow, an unknown dtype or a rank above RECSYS__MAX_RANK. */
bool recsys__tensor_bytes(const recsys__tensor *tensor, uint64_t *bytes);

/* Reads and validates a file as docs/formats.md lists (header size, UTF-8, duplicate keys, no holes, no overlap, exact
 * sizes). A pickle, a zip, a git-lfs pointer, an HTML page and a truncated file are recognised and named. dtypes
 * outside the enum are RECSYS_EUNSUPPORTED, more than 100,000 tensors or 64 GiB RECSYS_ELIMIT. Values are not looked
 * at: callers check that floats are finite. The header is validated before memory for the tensors is asked for. */
recsys_status recsys__tensors_read(recsys__tensors *tensors, const char *path, recsys_error *error);
/* The same without the tensors' bytes (data NULL), which recsys__tensors_load reads; the file stays open until then. */
recsys_status recsys__tensors_open(recsys__tensors *tensors, const char *path, recsys_error *error);
/* Copies a tensor of `tensors` (however these came) to `to`, which has room for its bytes. A file that has become
 * shorter is RECSYS_EFORMAT. */
recsys_status recsys__tensors_load(const recsys__tensors *tensors, const recsys__tensor *tensor, void *to,
                                   recsys_error *error);
/* The same from memory, which must outlive `tensors`; `name` stands for the path in messages. */
recsys_status recsys__tensors_parse(recsys__tensors *tensors, const void *data, size_t size, const char *name,
                                    recsys_error *error);
void recsys__tensors_free(recsys__tensors *tensors);

const recsys__tensor *recsys__tensors_find(const recsys__tensors *tensors, const char *name);
const char *recsys__tensors_metadata(const recsys__tensors *tensors, const char *key);

/* Writes `list` and the metadata through a temporary file and a rename: header padded to 8 bytes, tensors ordered by
 * falling element size, then name, so that each is aligned. */
recsys_status recsys__tensors_write(const char *path, const recsys__tensor *list, size_t count,
                                    const struct recsys__metadata *metadata, size_t metadata_count,
                                    recsys_error *error);

#endif
