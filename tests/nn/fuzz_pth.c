/*
 * Fuzz target: any bytes as a .pth file. With libFuzzer (clang -fsanitize=fuzzer, -DRECSYS_LIBFUZZER) it explores; as a
 * plain program it replays the files and folders that it is given, each as it is and with a few thousand seeded
 * changes.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "pth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of every tensor is looked at, so that a pointer that leads astray is found. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  pth file;
  recsys_error error;
  recsys_status status = pth_parse(&file, data, size, "fuzz", &error);
  if ((status == RECSYS_OK) != (file.storage != NULL) || (status != RECSYS_OK && error.message[0] == '\0'))
    abort();
  unsigned sum = 0;
  for (size_t i = 0; i < file.count; i++)
    for (uint64_t k = 0; k < file.tensors[i].bytes; k++)
      sum += ((const uint8_t *)file.tensors[i].data)[k];
  pth_free(&file);
  return sum == 0xffffffff ? 1 : 0;
}

#ifndef RECSYS_LIBFUZZER
static void mutate(uint8_t *data, size_t *size, recsys__random *random) {
  for (uint32_t i = 0, n = 1 + recsys__random_below(random, 4); i<n && * size> 0; i++) {
    size_t at = recsys__random_below(random, (uint32_t)*size);
    switch (recsys__random_below(random, 4)) {
    case 0:
      data[at] = (uint8_t)recsys__random_u32(random);
      break;
    case 1: /* an instruction of another place */
      data[at] = data[recsys__random_below(random, (uint32_t)*size)];
      break;
    case 2:
      memmove(data + at, data + at + 1, *size - at - 1);
      --*size;
      break;
    default:
      memset(data + at, 0xff, *size - at < 4 ? *size - at : 4);
    }
  }
}

static int replay_file(const char *path, int changes) {
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return 1;
  static uint8_t original[1 << 17];
  size_t size = fread(original, 1, sizeof original, file);
  fclose(file);
  LLVMFuzzerTestOneInput(original, size);
  recsys__random random;
  recsys__random_seed(&random, size, 0);
  for (int i = 0; i < changes; i++) {
    size_t n = size;
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, original, size);
    mutate(copy, &n, &random);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
  }
  return 0;
}

int main(int argc, char **argv) {
  int files = 0, failed = argc < 3;
  for (int i = 2; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    if (folder == NULL)
      return 1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
      char path[1024];
      snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
      if (strstr(entry->d_name, ".pth") != NULL) {
        failed |= replay_file(path, atoi(argv[1]));
        files++;
      }
    }
    closedir(folder);
  }
  printf("%d files replayed\n", files);
  return failed || files == 0;
}
#endif
