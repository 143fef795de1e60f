/* Fuzz target: any bytes as a safetensors file. What is accepted must be whole: every tensor's bytes are read, they lie
 * inside the input, and together they fill it. tests/fuzz_main.c says how to run it. */
#include <stdlib.h>
#include <string.h>

#include "base/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
  if (!holds) {
    abort();
  }
}

static void check_tensor(const recsys__tensors *tensors, const recsys__tensor *tensor) {
  static volatile uint8_t sink;
  const uint8_t *bytes = tensor->data;
  uint64_t expected;
  check(recsys__tensor_bytes(tensor, &expected) && expected == tensor->bytes);
  check((uintptr_t)tensor->data % recsys__dtype_size(tensor->dtype) == 0);
  check(recsys__tensors_find(tensors, tensor->name) == tensor);
  for (uint64_t i = 0; i < tensor->bytes; i++) {
    sink = bytes[i];
  }
  (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  recsys__tensors tensors;
  recsys_error error;
  recsys_status status = recsys__tensors_parse(&tensors, data, size, "fuzzed", &error);
  if (status != RECSYS_OK) {
    check(error.status == status && error.message[0] != '\0' && memchr(error.message, 0, sizeof error.message) != NULL);
    check(tensors.list == NULL && tensors.count == 0 && tensors.metadata == NULL && tensors.storage == NULL);
    return 0;
  }
  uint64_t total = 0, header = 0;
  memcpy(&header, data, sizeof header);
  for (size_t i = 0; i < tensors.count && i < 1000; i++) {
    check_tensor(&tensors, &tensors.list[i]);
  }
  for (size_t i = 0; i < tensors.count; i++) {
    total += tensors.list[i].bytes;
  }
  check(8 + header + total == size);
  for (size_t i = 0; i < tensors.metadata_count; i++) {
    check(recsys__tensors_metadata(&tensors, tensors.metadata[i].key) == tensors.metadata[i].value);
  }
  recsys__tensors_free(&tensors);
  return 0;
}
