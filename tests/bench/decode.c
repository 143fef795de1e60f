/*
 * How fast are pictures on one processor? decode FOLDER [ROUNDS]
 * Decodes every JPEG and PNG of a folder from memory, whole; then the same with what the "torchvision" recipe does to
 * it: short side 256, bilinear, and the middle 224 x 224. One thread. Prints images per second of the median round.
 * decode_pillow.py runs it beside Pillow, on the same files in the same run.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"

enum { SHORT_SIDE = 256, MIDDLE = 224, MAX_ROUNDS = 99 };

typedef struct {
  void *data;
  size_t size;
} file;

typedef struct {
  file *list;
  size_t count, capacity, bytes;
} folder;

static void stop(const char *message) {
  fprintf(stderr, "decode: %s\n", message);
  exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static recsys_status decode(recsys__pixels *pixels, const file *from) {
  recsys_image image = {.kind = RECSYS_IMAGE_BYTES, .data = from->data, .size = from->size};
  return recsys__image_load(pixels, &image, NULL, NULL);
}

/* Files that are no pictures are left out. */
static void add(folder *pictures, const char *path) {
  file next = {0};
  recsys__pixels pixels = {0};
  if (recsys__file_read(&next.data, &next.size, path, 64 << 20, NULL) != RECSYS_OK ||
      decode(&pixels, &next) != RECSYS_OK) {
    recsys__free(next.data);
    return;
  }
  recsys__pixels_free(&pixels);
  if (!recsys__grow((void **)&pictures->list, &pictures->capacity, pictures->count + 1, sizeof(file))) {
    stop("out of memory");
  }
  pictures->list[pictures->count++] = next;
  pictures->bytes += next.size;
}

static folder read_folder(const char *path) {
  folder pictures = {0};
  DIR *dir = opendir(path);
  if (!dir) {
    stop("cannot open the folder");
  }
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    char name[4096];
    snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
    add(&pictures, name);
  }
  closedir(dir);
  if (pictures.count == 0) {
    stop("there are no pictures in the folder");
  }
  return pictures;
}

/* Resized to short side 256; the middle of it. Returns a value of it, so that nothing is left out. */
static unsigned resize_and_crop(const recsys__pixels *pixels) {
  static uint8_t *resized, middle[MIDDLE * MIDDLE * 3];
  uint64_t w = pixels->width, h = pixels->height;
  uint32_t width = (uint32_t)(w < h ? SHORT_SIDE : SHORT_SIDE * w / h);
  uint32_t height = (uint32_t)(w < h ? SHORT_SIDE * h / w : SHORT_SIDE);
  resized = realloc(resized, (size_t)width * height * 3);
  if (!resized || recsys__image_resize(pixels, width, height, RECSYS__BILINEAR, resized, NULL) != RECSYS_OK) {
    stop("cannot resize");
  }
  size_t left = (width - MIDDLE) / 2, top = (height - MIDDLE) / 2;
  for (size_t y = 0; y < MIDDLE; y++) {
    memcpy(middle + y * MIDDLE * 3, resized + ((top + y) * width + left) * 3, (size_t)MIDDLE * 3);
  }
  return middle[MIDDLE * MIDDLE];
}

static double round_of(const folder *pictures, int resize, unsigned *sum) {
  double start = seconds();
  for (size_t i = 0; i < pictures->count; i++) {
    recsys__pixels pixels;
    if (decode(&pixels, &pictures->list[i]) != RECSYS_OK) {
      stop("cannot decode");
    }
    *sum += resize ? resize_and_crop(&pixels) : pixels.data[0];
    recsys__pixels_free(&pixels);
  }
  return seconds() - start;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int rounds = argc > 2 ? atoi(argv[2]) : 7;
  if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS) {
    stop("usage: decode FOLDER [ROUNDS]");
  }
  /* A process that has read a model has freed large blocks, after which glibc keeps freed memory instead of giving it
   * back after every picture and having it zeroed again. So has this one. */
  recsys__free(recsys__alloc(16, 1 << 20));
  folder pictures = read_folder(argv[1]);
  double times[2][MAX_ROUNDS];
  unsigned sum = 0;
  for (int round = 0; round < rounds; round++) {
    for (int resize = 0; resize < 2; resize++) {
      times[resize][round] = round_of(&pictures, resize, &sum);
    }
  }
  printf("%zu pictures, %.1f KiB each, median of %d rounds, one thread (%u)\n", pictures.count,
         (double)pictures.bytes / 1024 / (double)pictures.count, rounds, sum % 10);
  for (int resize = 0; resize < 2; resize++) {
    qsort(times[resize], (size_t)rounds, sizeof(double), by_value);
    printf("%-28s %9.0f images/s\n", resize ? "decode + resize 256 + crop" : "decode",
           (double)pictures.count / times[resize][rounds / 2]);
  }
  return 0;
}
