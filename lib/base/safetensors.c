/* safetensors files into memory: the length word, what the file is if it is none, and the tensors' places. */
#include "base/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/safetensors_header.h"
#include "base/safetensors_kind.h"
#include "base/text.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are used as they lie in the file: a big-endian machine would have to swap them"
#endif

static const uint64_t MAX_FILE = UINT64_C(64) << 30;

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {
    [RECSYS__F32] = {"F32", 4}, [RECSYS__F16] = {"F16", 2}, [RECSYS__BF16] = {"BF16", 2}, [RECSYS__F64] = {"F64", 8},
    [RECSYS__I64] = {"I64", 8}, [RECSYS__I32] = {"I32", 4}, [RECSYS__U8] = {"U8", 1},     [RECSYS__I8] = {"I8", 1}};

static bool known(recsys__dtype dtype) {
  return (int)dtype >= RECSYS__F32 && (int)dtype <= RECSYS__I8;
}

size_t recsys__dtype_size(recsys__dtype dtype) {
  return known(dtype) ? dtypes[dtype].size : 0;
}

const char *recsys__dtype_name(recsys__dtype dtype) {
  return known(dtype) ? dtypes[dtype].name : "unknown";
}

bool recsys__tensor_bytes(const recsys__tensor *tensor, uint64_t *bytes) {
  uint64_t product = recsys__dtype_size(tensor->dtype);
  if (product == 0 || tensor->rank > RECSYS__MAX_RANK) {
    return false;
  }
  for (uint32_t i = 0; i < tensor->rank; i++) {
    if (__builtin_mul_overflow(product, tensor->shape[i], &product)) {
      return false;
    }
  }
  *bytes = product;
  return true;
}

static uint64_t little_endian(const unsigned char *bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) {
    value = value << 8 | bytes[i];
  }
  return value;
}

/* The header's length N from the first bytes of a file of `size` bytes. Says what the file is where it is none. */
static recsys_status header_length(uint64_t *n, const unsigned char *start, size_t have, uint64_t size,
                                   const char *name, recsys_error *error) {
  name = recsys__path_shown(name);
  *n = have >= 8 ? little_endian(start) : 0;
  bool begins = have > 8 && start[8] == '{';
  if (begins && *n >= 2 && *n <= RECSYS__MAX_HEADER && *n <= size - 8) {
    return RECSYS_OK;
  }
  const char *kind = recsys__tensors_kind(start, have);
  if (kind != NULL) {
    return recsys__fail(error, RECSYS_EFORMAT, 0, "'%s' is no safetensors file: %s", name, kind);
  }
  if (begins && *n >= 2 && *n <= RECSYS__MAX_HEADER) {
    return recsys__fail(error, RECSYS_EFORMAT, 0,
                        "cannot read '%s': it is truncated in its header (%llu of %llu bytes); "
                        "get it whole",
                        name, (unsigned long long)size - 8, (unsigned long long)*n);
  }
  if (size <= 8) {
    return recsys__fail(error, RECSYS_EFORMAT, 0, "cannot read '%s': it is %s; get it whole", name,
                        size == 0 ? "empty" : "too short for a safetensors file");
  }
  return recsys__fail(error, RECSYS_EFORMAT, 0,
                      "'%s' is no safetensors file: it does not begin with the length of a "
                      "header (at most %d) and '{'",
                      name, RECSYS__MAX_HEADER);
}

static bool aligned_for(const void *data, recsys__dtype dtype) {
  size_t size = recsys__dtype_size(dtype);
  return size <= 1 || (uintptr_t)data % size == 0;
}

/* Points every tensor to its bytes. A file that mixes dtypes in an unusual order has some at odd places: those are
 * copied. */
static recsys_status place(recsys__tensors *tensors, const uint64_t *offsets, const char *data, recsys_error *error) {
  recsys__tensors_storage *storage = tensors->storage;
  for (size_t i = 0; i < tensors->count; i++) {
    recsys__tensor *tensor = &tensors->list[i];
    tensor->data = data + offsets[i];
    if (tensor->bytes == 0) {
      tensor->data = dtypes; /* any address that is aligned and not NULL */
    } else if (!aligned_for(tensor->data, tensor->dtype)) {
      void *array = storage->aligned;
      void *copy = recsys__copy(tensor->data, (size_t)tensor->bytes, 1);
      if (copy == NULL || !recsys__grow(&array, &storage->aligned_capacity, storage->aligned_count + 1, sizeof copy)) {
        recsys__free(copy);
        return recsys__no_memory(error, "a tensor");
      }
      storage->aligned = array;
      storage->aligned[storage->aligned_count++] = copy;
      tensor->data = copy;
    }
  }
  return RECSYS_OK;
}

static recsys_status start(recsys__tensors *tensors, recsys_error *error) {
  *tensors = (recsys__tensors){0};
  tensors->storage = recsys__calloc(1, sizeof(recsys__tensors_storage));
  return tensors->storage == NULL ? recsys__no_memory(error, "a model file's header") : RECSYS_OK;
}

recsys_status recsys__tensors_parse(recsys__tensors *tensors, const void *data, size_t size, const char *name,
                                    recsys_error *error) {
  uint64_t n, *offsets = NULL;
  const char *bytes = data;
  recsys_status status = start(tensors, error);
  if (status == RECSYS_OK) {
    size_t have = size < RECSYS__KIND_BYTES ? size : RECSYS__KIND_BYTES;
    status = header_length(&n, data, have, size, name, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__tensors_header(tensors, &offsets, bytes + 8, (size_t)n, size - 8 - n, name, error);
  }
  if (status == RECSYS_OK) {
    status = place(tensors, offsets, bytes + 8 + n, error);
  }
  recsys__free(offsets);
  if (status != RECSYS_OK) {
    recsys__tensors_free(tensors);
  }
  return status;
}

/* The header of an open file, and where its tensors begin. */
static recsys_status read_header(recsys__tensors *tensors, int fd, uint64_t size, const char *path,
                                 recsys_error *error) {
  unsigned char first[RECSYS__KIND_BYTES];
  size_t have = size < sizeof first ? (size_t)size : sizeof first;
  uint64_t n;
  recsys__tensors_storage *storage = tensors->storage;
  recsys_status status = recsys__file_read_at(fd, first, have, 0, path, error);
  if (status == RECSYS_OK) {
    status = header_length(&n, first, have, size, path, error);
  }
  if (status != RECSYS_OK) {
    return status;
  }
  storage->first = 8 + n;
  char *header = recsys__alloc((size_t)n, 1);
  if (header == NULL) {
    return recsys__no_memory(error, "a model file's header");
  }
  status = recsys__file_read_at(fd, header, (size_t)n, 8, path, error);
  if (status == RECSYS_OK) {
    status = recsys__tensors_header(tensors, &storage->offsets, header, (size_t)n, size - storage->first, path, error);
  }
  recsys__free(header);
  return status;
}

recsys_status recsys__tensors_open(recsys__tensors *tensors, const char *path, recsys_error *error) {
  int fd;
  uint64_t size;
  *tensors = (recsys__tensors){0};
  recsys_status status = recsys__file_open(&fd, &size, path, error);
  if (status != RECSYS_OK) {
    return status;
  }
  status = start(tensors, error);
  if (status != RECSYS_OK) {
    close(fd);
    return status;
  }
  recsys__tensors_storage *storage = tensors->storage;
  storage->open = true;
  storage->fd = fd;
  if (size > MAX_FILE || size > SIZE_MAX) {
    status = recsys__fail(error, RECSYS_ELIMIT, 0, "cannot read '%s': it has %llu bytes, the limit is %llu", path,
                          (unsigned long long)size, (unsigned long long)MAX_FILE);
  } else {
    status = read_header(tensors, fd, size, path, error);
  }
  if (status == RECSYS_OK) {
    storage->path = recsys__strdup(path);
    status = storage->path != NULL ? RECSYS_OK : recsys__no_memory(error, "the path of a model file");
  }
  if (status != RECSYS_OK) {
    recsys__tensors_free(tensors);
  }
  return status;
}

recsys_status recsys__tensors_load(const recsys__tensors *tensors, const recsys__tensor *tensor, void *to,
                                   recsys_error *error) {
  if (tensor->data != NULL) {
    memcpy(to, tensor->data, (size_t)tensor->bytes);
    return RECSYS_OK;
  }
  const recsys__tensors_storage *storage = tensors->storage;
  uint64_t offset = storage->first + storage->offsets[tensor - tensors->list];
  return recsys__file_read_at(storage->fd, to, (size_t)tensor->bytes, offset, storage->path, error);
}

static void close_file(recsys__tensors_storage *storage) {
  if (storage->open) {
    close(storage->fd);
  }
  storage->open = false;
  recsys__free(storage->path);
  storage->path = NULL;
}

/* Header first, so that nothing is allocated for tensors of a file that is refused; then their bytes in one piece. */
recsys_status recsys__tensors_read(recsys__tensors *tensors, const char *path, recsys_error *error) {
  recsys_status status = recsys__tensors_open(tensors, path, error);
  if (status != RECSYS_OK) {
    return status;
  }
  recsys__tensors_storage *storage = tensors->storage;
  size_t bytes = 0;
  for (size_t i = 0; i < tensors->count; i++) {
    bytes += (size_t)tensors->list[i].bytes; /* without holes and overlaps, as the header was checked */
  }
  storage->data = recsys__alloc_aligned(64, bytes, 1);
  if (storage->data == NULL) {
    status = recsys__no_memory(error, "a model file's tensors");
  } else {
    status = recsys__file_read_at(storage->fd, storage->data, bytes, storage->first, path, error);
  }
  if (status == RECSYS_OK) {
    status = place(tensors, storage->offsets, storage->data, error);
  }
  close_file(storage);
  if (status != RECSYS_OK) {
    recsys__tensors_free(tensors);
  }
  return status;
}

void recsys__tensors_free(recsys__tensors *tensors) {
  recsys__tensors_storage *storage = tensors->storage;
  if (storage != NULL) {
    for (size_t i = 0; i < storage->aligned_count; i++) {
      recsys__free(storage->aligned[i]);
    }
    close_file(storage);
    recsys__free(storage->offsets);
    recsys__free(storage->aligned);
    recsys__free(storage->strings);
    recsys__free(storage->data);
  }
  recsys__free(storage);
  recsys__free(tensors->list);
  recsys__free(tensors->metadata);
  *tensors = (recsys__tensors){0};
}

const recsys__tensor *recsys__tensors_find(const recsys__tensors *tensors, const char *name) {
  for (size_t i = 0; i < tensors->count; i++) {
    if (strcmp(tensors->list[i].name, name) == 0) {
      return &tensors->list[i];
    }
  }
  return NULL;
}

const char *recsys__tensors_metadata(const recsys__tensors *tensors, const char *key) {
  for (size_t i = 0; i < tensors->metadata_count; i++) {
    if (strcmp(tensors->metadata[i].key, key) == 0) {
      return tensors->metadata[i].value;
    }
  }
  return NULL;
}
