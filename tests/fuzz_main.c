/*
 * Runs a fuzz target (LLVMFuzzerTestOneInput) over the files and folders given on the command line, for compilers
 * without libFuzzer and as a test of the corpus:
 *
 *     fuzz_NAME [-mutate N] FILE-OR-FOLDER...
 *
 * With -mutate, each file is also tried with N random changes, the same in every run. To search for new inputs instead,
 * build the target without this file under clang, for example:
 *
 *     clang -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -Iinclude -Ilib tests/base/fuzz_safetensors.c
 * lib/base/[a-z]*.c \ -ljansson -lm -o fuzz_safetensors mkdir -p found && ./fuzz_safetensors -max_total_time=600
 * -timeout=10 found tests/base/corpus_safetensors
 *
 * and put a file that it crashes on into the corpus.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long mutations;
static size_t replayed;

/* In a block of exactly its size, so that AddressSanitizer sees the first byte read past it. */
static void run_exactly(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size > 0 ? size : 1);
  if (copy == NULL) {
    fprintf(stderr, "no memory for %zu bytes\n", size);
    exit(1);
  }
  if (size > 0) {
    memcpy(copy, data, size);
  }
  LLVMFuzzerTestOneInput(size > 0 ? copy : copy + 1, size);
  free(copy);
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* A few changed bytes; now and then a cut. */
static void mutate(const uint8_t *data, size_t size) {
  uint64_t state = 88172645463325252ull;
  uint8_t *changed = malloc(size > 0 ? size : 1);
  for (unsigned long i = 0; i < mutations && changed != NULL && size > 0; i++) {
    static const uint8_t tempting[] = {0, 1, 0x7F, 0x80, 0xFF, '"', '{', '[', '9', '-'};
    memcpy(changed, data, size);
    size_t length = next_random(&state) % 8 == 0 ? next_random(&state) % size : size;
    for (uint64_t n = next_random(&state) % 4; n > 0; n--) {
      uint64_t value = next_random(&state);
      changed[value % size] = value >> 40 & 1 ? tempting[(value >> 41) % sizeof tempting] : (uint8_t)(value >> 48);
    }
    run_exactly(changed, length);
  }
  free(changed);
}

static bool replay_file(const char *path, off_t size) {
  FILE *file = fopen(path, "rb");
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  bool whole = file != NULL && data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
  if (whole) {
    run_exactly(data, (size_t)size);
    mutate(data, (size_t)size);
    replayed++;
  } else {
    fprintf(stderr, "cannot read %s\n", path);
  }
  if (file != NULL) {
    fclose(file);
  }
  free(data);
  return whole;
}

static bool replay(const char *path);

static bool replay_folder(const char *path) {
  struct dirent **entries;
  int count = scandir(path, &entries, NULL, alphasort);
  bool good = count >= 0;
  for (int i = 0; i < count; i++) {
    char inner[4096];
    if (entries[i]->d_name[0] != '.') {
      int length = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
      good = length < (int)sizeof inner && replay(inner) && good;
    }
    free(entries[i]);
  }
  if (count >= 0) {
    free(entries);
  }
  return good;
}

static bool replay(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return false;
  }
  return S_ISDIR(info.st_mode) ? replay_folder(path) : replay_file(path, info.st_size);
}

int main(int argc, char **argv) {
  int first = 1;
  bool good = true;
  if (argc > 2 && strcmp(argv[1], "-mutate") == 0) {
    mutations = strtoul(argv[2], NULL, 10);
    first = 3;
  }
  for (int i = first; i < argc; i++) {
    good = replay(argv[i]) && good;
  }
  printf("%zu inputs\n", replayed);
  return good && replayed > 0 ? 0 : 1;
}
