/* Writing safetensors files as the reference implementation lays them out: padded header, tensors by falling element
 * size and then by name. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/safetensors.h"
#include "base/safetensors_header.h"
#include "base/text.h"

static int by_name(const void *a, const void *b) {
  const recsys__tensor *x = a, *y = b;
  return strcmp(x->name, y->name);
}

static int by_layout(const void *a, const void *b) {
  const recsys__tensor *x = a, *y = b;
  size_t size_x = recsys__dtype_size(x->dtype), size_y = recsys__dtype_size(y->dtype);
  if (size_x != size_y) {
    return size_x > size_y ? -1 : 1;
  }
  return by_name(a, b);
}

/* A JSON string (RFC 8259 section 7). */
static void append_json(recsys__string *s, const char *text) {
  recsys__string_append(s, "\"");
  for (const char *at = text; *at != '\0';) {
    size_t plain = 0;
    while ((unsigned char)at[plain] >= 0x20 && at[plain] != '"' && at[plain] != '\\') {
      plain++;
    }
    recsys__string_append_n(s, at, plain);
    at += plain;
    if (*at == '"' || *at == '\\') {
      recsys__string_printf(s, "\\%c", *at++);
    } else if (*at != '\0') {
      recsys__string_printf(s, "\\u%04x", (unsigned char)*at++);
    }
  }
  recsys__string_append(s, "\"");
}

static recsys_status check_text(const char *text, const char *path, recsys_error *error) {
  if (text == NULL || !recsys__utf8_valid(text, strlen(text))) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "cannot write '%s': a name or a metadata text is not UTF-8",
                        recsys__path_shown(path));
  }
  return RECSYS_OK;
}

static recsys_status check_metadata(const struct recsys__metadata *metadata, size_t count, const char *path,
                                    recsys_error *error) {
  for (size_t i = 0; i < count; i++) {
    recsys_status status = check_text(metadata[i].key, path, error);
    if (status == RECSYS_OK) {
      status = check_text(metadata[i].value, path, error);
    }
    for (size_t j = 0; j < i && status == RECSYS_OK; j++) {
      if (strcmp(metadata[i].key, metadata[j].key) == 0) {
        status = recsys__fail(error, RECSYS_EINVAL, 0, "cannot write '%s': metadata '%s' is given twice",
                              recsys__path_shown(path), metadata[i].key);
      }
    }
    if (status != RECSYS_OK) {
      return status;
    }
  }
  return RECSYS_OK;
}

static recsys_status check_tensor(const recsys__tensor *tensor, const char *path, recsys_error *error) {
  uint64_t bytes;
  recsys_status status = check_text(tensor->name, path, error);
  if (status != RECSYS_OK) {
    return status;
  }
  if (!recsys__tensor_bytes(tensor, &bytes) || bytes != tensor->bytes || bytes > SIZE_MAX ||
      (bytes > 0 && tensor->data == NULL) || strcmp(tensor->name, "__metadata__") == 0 ||
      strlen(tensor->name) > RECSYS__MAX_NAME) {
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "cannot write '%s': tensor '%.80s' has an impossible name, dtype, shape or size",
                        recsys__path_shown(path), tensor->name);
  }
  return RECSYS_OK;
}

/* Checks everything and sorts the tensors as they will lie in the file. */
static recsys_status make_order(recsys__tensor *order, size_t count, const char *path, recsys_error *error) {
  for (size_t i = 0; i < count; i++) {
    recsys_status status = check_tensor(&order[i], path, error);
    if (status != RECSYS_OK) {
      return status;
    }
  }
  if (count < 2) {
    return RECSYS_OK;
  }
  qsort(order, count, sizeof *order, by_name);
  for (size_t i = 1; i < count; i++) {
    if (strcmp(order[i].name, order[i - 1].name) == 0) {
      return recsys__fail(error, RECSYS_EINVAL, 0, "cannot write '%s': tensor '%.80s' is given twice",
                          recsys__path_shown(path), order[i].name);
    }
  }
  qsort(order, count, sizeof *order, by_layout);
  return RECSYS_OK;
}

static void append_metadata(recsys__string *header, const struct recsys__metadata *metadata, size_t count) {
  recsys__string_append(header, "\"__metadata__\":{");
  for (size_t i = 0; i < count; i++) {
    recsys__string_append(header, i > 0 ? "," : "");
    append_json(header, metadata[i].key);
    recsys__string_append(header, ":");
    append_json(header, metadata[i].value);
  }
  recsys__string_append(header, "}");
}

static void append_tensor(recsys__string *header, const recsys__tensor *tensor, uint64_t begin) {
  uint64_t end = begin + tensor->bytes;
  append_json(header, tensor->name);
  recsys__string_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", recsys__dtype_name(tensor->dtype));
  for (uint32_t i = 0; i < tensor->rank; i++) {
    recsys__string_printf(header, "%s%llu", i > 0 ? "," : "", (unsigned long long)tensor->shape[i]);
  }
  recsys__string_printf(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)end);
}

static recsys_status make_header(recsys__string *header, const recsys__tensor *order, size_t count,
                                 const struct recsys__metadata *metadata, size_t metadata_count, const char *path,
                                 recsys_error *error) {
  uint64_t begin = 0;
  recsys__string_append(header, "{");
  if (metadata_count > 0) {
    append_metadata(header, metadata, metadata_count);
  }
  for (size_t i = 0; i < count; i++) {
    recsys__string_append(header, i > 0 || metadata_count > 0 ? "," : "");
    append_tensor(header, &order[i], begin);
    if (__builtin_add_overflow(begin, order[i].bytes, &begin) || begin > INT64_MAX) {
      return recsys__fail(error, RECSYS_ELIMIT, 0, "cannot write '%s': the tensors are too large together",
                          recsys__path_shown(path));
    }
  }
  recsys__string_append(header, "}");
  while (!header->failed && header->length % 8 != 0) {
    recsys__string_append(header, " ");
  }
  if (header->failed) {
    return recsys__no_memory(error, "a model file's header");
  }
  if (header->length > RECSYS__MAX_HEADER) {
    return recsys__fail(error, RECSYS_ELIMIT, 0, "cannot write '%s': its header would have more than %d bytes",
                        recsys__path_shown(path), RECSYS__MAX_HEADER);
  }
  return RECSYS_OK;
}

static recsys_status write_file(const char *path, const recsys__string *header, const recsys__tensor *order,
                                size_t count, recsys_error *error) {
  recsys__writer writer = {0};
  uint64_t length = header->length; /* little-endian, as safetensors.c makes sure */
  recsys_status status = recsys__writer_open(&writer, path, error);
  if (status == RECSYS_OK) {
    status = recsys__writer_write(&writer, &length, sizeof length, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__writer_write(&writer, header->data, header->length, error);
  }
  for (size_t i = 0; i < count && status == RECSYS_OK; i++) {
    status = recsys__writer_write(&writer, order[i].data, (size_t)order[i].bytes, error);
  }
  if (status == RECSYS_OK) {
    status = recsys__writer_commit(&writer, error);
  }
  recsys__writer_close(&writer);
  return status;
}

recsys_status recsys__tensors_write(const char *path, const recsys__tensor *list, size_t count,
                                    const struct recsys__metadata *metadata, size_t metadata_count,
                                    recsys_error *error) {
  recsys__string header = {0};
  recsys_status status;
  if (count > RECSYS__MAX_TENSORS) {
    return recsys__fail(error, RECSYS_ELIMIT, 0, "cannot write '%s': more than %d tensors", recsys__path_shown(path),
                        RECSYS__MAX_TENSORS);
  }
  recsys__tensor *order = recsys__copy(list, count, sizeof *list);
  if (order == NULL) {
    return recsys__no_memory(error, "a list of tensors");
  }
  status = make_order(order, count, path, error);
  if (status == RECSYS_OK) {
    status = check_metadata(metadata, metadata_count, path, error);
  }
  if (status == RECSYS_OK) {
    status = make_header(&header, order, count, metadata, metadata_count, path, error);
  }
  if (status == RECSYS_OK) {
    status = write_file(path, &header, order, count, error);
  }
  recsys__string_free(&header);
  recsys__free(order);
  return status;
}
