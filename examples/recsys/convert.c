/* recsys convert: reads a .pth file with a reader that knows tensors and nothing else, and writes safetensors. */
#include "convert.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "keras.h"
#include "pth.h"

static const char usage[] =
    "Usage: recsys convert IN OUT.safetensors [--architecture NAME] [--layer NAME] [--recipe NAME] [--names FILE]\n"
    "\n"
    "Turns a state dictionary that torch.save has written (.pth), or Keras' weights of VGG16, VGG19 or ResNet-50\n"
    "(.h5), into a model file. The .pth file is read by a reader that knows tensors and nothing else: no code in it "
    "can\n"
    "run.\n"
    "\n"
    "  --architecture NAME  vgg16, resnet50, ...; without it the library guesses it from the tensors' names\n"
    "  --layer NAME         which activation is the embedding (fc2, avgpool, ...)\n"
    "  --recipe NAME        how pictures become input (torchvision, keras, caffe, ...)\n"
    "  --names FILE         the names of the classes, one on each line, in order\n";

enum { ARCHITECTURE, LAYER, RECIPE, NAMES, OPTIONS };
static const char *const flags[OPTIONS] = {"--architecture", "--layer", "--recipe", "--names"};

typedef struct request {
  const char *paths[2];
  int path_count;
  const char *options[OPTIONS];
} request;

static int wrong(const char *what, const char *which) {
  fprintf(stderr, "recsys convert: %s%s\n\n%s", what, which, usage);
  return 2;
}

static int find_flag(const char *text) {
  for (int i = 0; i < OPTIONS; i++)
    if (strcmp(text, flags[i]) == 0)
      return i;
  return -1;
}

/* 0, or the exit status for wrong usage. */
static int parse(int argc, char **argv, request *r) {
  for (int i = 1; i < argc; i++) {
    int flag = find_flag(argv[i]);
    if (flag >= 0) {
      if (i + 1 >= argc)
        return wrong("no value after ", argv[i]);
      r->options[flag] = argv[++i];
    } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
      return wrong("unknown option ", argv[i]);
    } else if (r->path_count == 2) {
      return wrong("one argument too many: ", argv[i]);
    } else {
      r->paths[r->path_count++] = argv[i];
    }
  }
  return r->path_count == 2 ? 0 : wrong("two files are needed", "");
}

/* One name as an element of the array; a carriage return at its end is none of its own. */
static bool add_name(json_t *array, const char *line, size_t n) {
  return json_array_append_new(array, json_stringn(line, n > 0 && line[n - 1] == '\r' ? n - 1 : n)) == 0;
}

/* The lines of a text as a JSON array of strings, as model files have class names; NULL: no memory or no UTF-8. The
 * line break of the last one may be missing. Freed with free(). */
static char *lines_to_json(const char *text, size_t size) {
  json_t *array = json_array();
  bool good = array != NULL;
  for (size_t start = 0; good && start < size;) {
    const char *end = memchr(text + start, '\n', size - start);
    size_t n = end != NULL ? (size_t)(end - text) - start : size - start;
    good = add_name(array, text + start, n);
    start += n + 1;
  }
  char *json = good ? json_dumps(array, JSON_COMPACT) : NULL;
  json_decref(array);
  return json;
}

static recsys_status read_names(const char *path, char **names, recsys_error *error) {
  void *data;
  size_t size;
  recsys_status status = recsys__file_read(&data, &size, path, 16 << 20, error);
  if (status != RECSYS_OK)
    return status;
  if (recsys__utf8_valid(data, size)) {
    *names = lines_to_json(data, size);
    status = *names != NULL ? RECSYS_OK : recsys__no_memory(error, "the class names");
  } else {
    status = recsys__fail(error, RECSYS_EFORMAT, 0, "'%s' is not UTF-8 text", path);
  }
  recsys__free(data);
  return status;
}

static bool is_hdf5(const char *path) {
  static const char signature[] = "\x89HDF\r\n\x1a\n";
  char first[8] = "";
  FILE *file = fopen(path, "rb");
  size_t n = file != NULL ? fread(first, 1, sizeof first, file) : 0;
  if (file != NULL)
    fclose(file);
  return n == sizeof first && memcmp(first, signature, sizeof first) == 0;
}

/* The architecture and Keras' recipe are known; what was asked for goes before them. */
static recsys_status convert_keras(const request *r, struct recsys__metadata *metadata, size_t metadata_count,
                                   size_t *count, recsys_error *error) {
  keras file;
  recsys_status status = keras_read(&file, r->paths[0], error);
  if (status != RECSYS_OK)
    return status;
  if (r->options[ARCHITECTURE] == NULL)
    metadata[metadata_count++] = (struct recsys__metadata){"recsys.architecture", file.architecture};
  if (r->options[RECIPE] == NULL)
    metadata[metadata_count++] = (struct recsys__metadata){"recsys.recipe", "keras"};
  /* Without a top the dense layers' usual embedding is not there. */
  bool topless = true;
  for (size_t i = 0; i < file.count; i++)
    topless = topless && strcmp(file.tensors[i].name, "classifier.3.weight") != 0;
  if (r->options[LAYER] == NULL && topless)
    metadata[metadata_count++] = (struct recsys__metadata){"recsys.layer", "avgpool"};
  status = recsys__tensors_write(r->paths[1], file.tensors, file.count, metadata, metadata_count, error);
  *count = file.count;
  keras_free(&file);
  return status;
}

static recsys_status convert(const request *r, size_t *count, recsys_error *error) {
  static const char *const keys[OPTIONS] = {"recsys.architecture", "recsys.layer", "recsys.recipe",
                                            "recsys.class_names"};
  struct recsys__metadata metadata[OPTIONS];
  size_t metadata_count = 0;
  char *names = NULL;
  pth file = {0};
  recsys_status status = RECSYS_OK;
  if (r->options[NAMES] != NULL)
    status = read_names(r->options[NAMES], &names, error);
  for (int i = 0; i < OPTIONS; i++)
    if (r->options[i] != NULL)
      metadata[metadata_count++] = (struct recsys__metadata){keys[i], i == NAMES ? names : r->options[i]};
  if (status == RECSYS_OK && is_hdf5(r->paths[0]))
    status = convert_keras(r, metadata, metadata_count, count, error);
  else if (status == RECSYS_OK)
    status = pth_read(&file, r->paths[0], error);
  if (status == RECSYS_OK && file.count > 0) {
    status = recsys__tensors_write(r->paths[1], file.tensors, file.count, metadata, metadata_count, error);
    *count = file.count;
  }
  pth_free(&file);
  free(names);
  return status;
}

int recsys_cmd_convert(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    fputs(usage, stdout);
    return 0;
  }
  request r = {0};
  int status = parse(argc, argv, &r);
  if (status != 0)
    return status;
  recsys_error error = {0};
  size_t count = 0;
  if (convert(&r, &count, &error) != RECSYS_OK) {
    fprintf(stderr, "recsys convert: %s\n", error.message);
    return 1;
  }
  printf("%s: %zu tensors\n", r.paths[1], count);
  return 0;
}
