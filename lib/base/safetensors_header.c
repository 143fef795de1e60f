/*
 * The JSON header of a safetensors file: parsed by Jansson, which rejects duplicate keys, bad UTF-8 and NUL in strings,
 * and then checked as docs/formats.md lists. The format: https://github.com/huggingface/safetensors, README and
 * src/tensor.rs.
 */
#include "base/safetensors_header.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* A header says no more than a few values for each tensor; more would only cost memory in the JSON parser. */
enum { MAX_VALUES = RECSYS__MAX_TENSORS * (RECSYS__MAX_RANK + 8), MAX_DEPTH = 4 };

typedef struct reader {
  const char *name; /* of the file */
  recsys__tensors *tensors;
  struct span {
    uint64_t begin, end;
    recsys__tensor tensor;
  } * spans;
  char *strings;
  size_t strings_used, strings_size;
  recsys_error *error;
} reader;

static recsys_status damaged(const reader *r, const char *tensor, const char *problem) {
  if (tensor == NULL) {
    return recsys__fail(r->error, RECSYS_EFORMAT, 0, "'%s' is no valid safetensors file: %s; get it whole", r->name,
                        problem);
  }
  return recsys__fail(r->error, RECSYS_EFORMAT, 0,
                      "'%s' is no valid safetensors file: tensor '%.80s': %s; get it whole", r->name, tensor, problem);
}

/* Counts values and depth outside strings, in one pass, before the parser allocates anything for them. */
static recsys_status check_size(const reader *r, const char *header, size_t n) {
  size_t values = 0, depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < n; i++) {
    char c = header[i];
    if (quoted) {
      i += c == '\\';
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    values += c == ',' || c == '[' || c == '{';
    depth += c == '[' || c == '{';
    depth -= depth > 0 && (c == ']' || c == '}');
    if (depth > MAX_DEPTH || values > MAX_VALUES) {
      return recsys__fail(r->error, RECSYS_ELIMIT, 0,
                          "cannot read '%s': its header has more than %d values or %d levels; no network needs that",
                          r->name, MAX_VALUES, MAX_DEPTH);
    }
  }
  return RECSYS_OK;
}

/* Bytes for every string that is kept. */
static size_t strings_size(json_t *root) {
  size_t size = 1;
  const char *key, *inner;
  json_t *value, *text;
  json_object_foreach(root, key, value) {
    size += strlen(key) + 1;
    if (strcmp(key, "__metadata__") == 0) {
      json_object_foreach(value, inner, text) {
        size += strlen(inner) + json_string_length(text) + 2;
      }
    }
  }
  return size;
}

/* A copy that lives as long as the tensors. strings_size counted it. */
static const char *keep(reader *r, const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = r->strings + r->strings_used;
  if (n > r->strings_size - r->strings_used) {
    return ""; /* cannot happen */
  }
  memcpy(copy, text, n);
  r->strings_used += n;
  return copy;
}

static recsys_status read_metadata(reader *r, json_t *object) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) {
    return damaged(r, NULL, "__metadata__ is no object");
  }
  size_t count = json_object_size(object);
  r->tensors->metadata = recsys__calloc(count, sizeof *r->tensors->metadata);
  if (r->tensors->metadata == NULL) {
    return recsys__no_memory(r->error, "a model file's metadata");
  }
  json_object_foreach(object, key, value) {
    if (!json_is_string(value)) {
      return damaged(r, NULL, "a value in __metadata__ is no string");
    }
    struct recsys__metadata *entry = &r->tensors->metadata[r->tensors->metadata_count++];
    entry->key = keep(r, key);
    entry->value = keep(r, json_string_value(value));
  }
  return RECSYS_OK;
}

/* A JSON integer >= 0. */
static bool get_size(json_t *value, uint64_t *size) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) {
    return false;
  }
  *size = (uint64_t)json_integer_value(value);
  return true;
}

static recsys_status read_dtype(reader *r, const char *key, json_t *value, recsys__dtype *dtype) {
  if (!json_is_string(value)) {
    return damaged(r, key, "it has no dtype");
  }
  for (recsys__dtype d = RECSYS__F32; d <= RECSYS__I8; d++) {
    if (strcmp(json_string_value(value), recsys__dtype_name(d)) == 0) {
      *dtype = d;
      return RECSYS_OK;
    }
  }
  return recsys__fail(
      r->error, RECSYS_EUNSUPPORTED, 0,
      "cannot read '%s': tensor '%.80s' has dtype '%.16s'; F32, F16, BF16, F64, I64, I32, U8 and I8 are "
      "read",
      r->name, key, json_string_value(value));
}

static recsys_status read_shape(reader *r, const char *key, json_t *value, recsys__tensor *tensor) {
  size_t rank = json_array_size(value);
  if (!json_is_array(value)) {
    return damaged(r, key, "it has no shape");
  }
  if (rank > RECSYS__MAX_RANK) {
    return recsys__fail(r->error, RECSYS_ELIMIT, 0,
                        "cannot read '%s': tensor '%.80s' has %zu dimensions, the limit is "
                        "%d",
                        r->name, key, rank, RECSYS__MAX_RANK);
  }
  tensor->rank = (uint32_t)rank;
  for (size_t i = 0; i < rank; i++) {
    if (!get_size(json_array_get(value, i), &tensor->shape[i])) {
      return damaged(r, key, "its shape is not made of whole numbers");
    }
  }
  return RECSYS_OK;
}

static recsys_status read_tensor(reader *r, const char *key, json_t *value, struct span *span) {
  if (strlen(key) > RECSYS__MAX_NAME) {
    return recsys__fail(r->error, RECSYS_ELIMIT, 0, "cannot read '%s': a tensor's name has more than %d bytes", r->name,
                        RECSYS__MAX_NAME);
  }
  if (!json_is_object(value)) {
    return damaged(r, key, "its description is no object");
  }
  recsys__tensor *tensor = &span->tensor;
  recsys_status status = read_dtype(r, key, json_object_get(value, "dtype"), &tensor->dtype);
  if (status == RECSYS_OK) {
    status = read_shape(r, key, json_object_get(value, "shape"), tensor);
  }
  if (status != RECSYS_OK) {
    return status;
  }
  json_t *offsets = json_object_get(value, "data_offsets");
  if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &span->begin) ||
      !get_size(json_array_get(offsets, 1), &span->end) || span->begin > span->end) {
    return damaged(r, key, "its data_offsets are not two rising numbers");
  }
  if (!recsys__tensor_bytes(tensor, &tensor->bytes) || tensor->bytes != span->end - span->begin) {
    return damaged(r, key, "its data_offsets do not fit its shape and dtype");
  }
  tensor->name = keep(r, key);
  return RECSYS_OK;
}

static int by_place(const void *a, const void *b) {
  const struct span *x = a, *y = b;
  if (x->begin != y->begin) {
    return x->begin < y->begin ? -1 : 1;
  }
  if (x->end != y->end) {
    return x->end < y->end ? -1 : 1;
  }
  return strcmp(x->tensor.name, y->tensor.name);
}

/* No hole, no overlap, and the last one ends with the file. */
static recsys_status check_places(reader *r, size_t count, uint64_t data_bytes) {
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    const struct span *span = &r->spans[i];
    if (span->begin != end) {
      return damaged(r, span->tensor.name, "it does not begin where the one before it ends");
    }
    end = span->end;
  }
  if (end > data_bytes) {
    return recsys__fail(r->error, RECSYS_EFORMAT, 0,
                        "cannot read '%s': it is truncated, %llu bytes are missing; get it "
                        "whole",
                        r->name, (unsigned long long)(end - data_bytes));
  }
  if (end < data_bytes) {
    return damaged(r, NULL, "bytes follow the last tensor");
  }
  return RECSYS_OK;
}

/* Spans to list and offsets, in file order. */
static recsys_status make_list(reader *r, size_t count, uint64_t **offsets) {
  r->tensors->list = recsys__calloc(count, sizeof *r->tensors->list);
  *offsets = recsys__alloc(count, sizeof **offsets);
  if (r->tensors->list == NULL || *offsets == NULL) {
    recsys__free(*offsets);
    *offsets = NULL;
    return recsys__no_memory(r->error, "a model file's list of tensors");
  }
  for (size_t i = 0; i < count; i++) {
    r->tensors->list[i] = r->spans[i].tensor;
    (*offsets)[i] = r->spans[i].begin;
  }
  r->tensors->count = count;
  return RECSYS_OK;
}

static recsys_status read_all(reader *r, json_t *root, uint64_t data_bytes, uint64_t **offsets) {
  const char *key;
  json_t *value;
  size_t count = 0;
  recsys_status status = RECSYS_OK;
  json_object_foreach(root, key, value) {
    if (strcmp(key, "__metadata__") == 0) {
      status = read_metadata(r, value);
    } else {
      status = read_tensor(r, key, value, &r->spans[count++]);
    }
    if (status != RECSYS_OK) {
      return status;
    }
  }
  if (count > 1) {
    qsort(r->spans, count, sizeof *r->spans, by_place);
  }
  status = check_places(r, count, data_bytes);
  return status == RECSYS_OK ? make_list(r, count, offsets) : status;
}

/* Memory for what the parsed header says. */
static recsys_status prepare(reader *r, json_t *root) {
  size_t count = json_object_size(root);
  if (count - (json_object_get(root, "__metadata__") != NULL) > RECSYS__MAX_TENSORS) {
    recsys__fail(r->error, RECSYS_ELIMIT, 0, "cannot read '%s': it has more than %d tensors", r->name,
                 RECSYS__MAX_TENSORS);
    return RECSYS_ELIMIT;
  }
  recsys__tensors_storage *storage = r->tensors->storage;
  r->strings_size = strings_size(root);
  r->spans = recsys__calloc(count, sizeof *r->spans);
  storage->strings = r->strings = recsys__alloc(r->strings_size, 1);
  if (r->spans == NULL || r->strings == NULL) {
    recsys__no_memory(r->error, "a model file's header");
    return RECSYS_ENOMEM;
  }
  return RECSYS_OK;
}

recsys_status recsys__tensors_header(recsys__tensors *tensors, uint64_t **offsets, const char *header, size_t n,
                                     uint64_t data_bytes, const char *name, recsys_error *error) {
  name = recsys__path_shown(name);
  reader r = {.name = name, .tensors = tensors, .error = error};
  json_error_t json_error;
  *offsets = NULL;
  recsys_status status = check_size(&r, header, n);
  if (status != RECSYS_OK) {
    return status;
  }
  json_t *root = json_loadb(header, n, JSON_REJECT_DUPLICATES, &json_error);
  if (root == NULL && json_error_code(&json_error) == json_error_out_of_memory) {
    return recsys__no_memory(error, "a model file's header");
  }
  if (!json_is_object(root)) {
    status = recsys__fail(error, RECSYS_EFORMAT, 0,
                          "'%s' is no valid safetensors file: its header is no JSON object "
                          "(%s, byte %d); get it whole",
                          name, json_error.text, json_error.position);
    goto out;
  }
  status = prepare(&r, root);
  if (status == RECSYS_OK) {
    status = read_all(&r, root, data_bytes, offsets);
  }
out:
  recsys__free(r.spans);
  json_decref(root);
  return status;
}
