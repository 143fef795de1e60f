/* recsys combine: several models as one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"

static const args_option options[] = {
    {"out", "FILE", "the ensemble: a small file that names its parts, which stay where they are",
     "--out both.safetensors"},
    {0},
};

static const args_command command = {
    "combine",
    "MODEL[=WEIGHT]... --out FILE",
    "Joins models into one: embeddings side by side, so that similarity is the weighted mean of the parts', and class\n"
    "scores in the weighted mean where the parts have the same classes.",
    "recsys combine resnet50.safetensors=2 vgg16.safetensors=1 --out both.safetensors",
    {options, args_general},
};

enum { MOST = 16 };

/* "FILE=2" is cut at its last '=' when a number follows. */
static char *split(const char *word, double *weight) {
  const char *equals = strrchr(word, '=');
  char *end = NULL;
  double value = equals ? strtod(equals + 1, &end) : 0;
  bool given = equals && end != equals + 1 && !*end;
  *weight = given ? value : 1;
  return given ? need_text("%.*s", (int)(equals - word), word) : need_copy(word);
}

static int combine(const args *a) {
  recsys_model *parts[MOST] = {0}, *joined = NULL;
  recsys_model_info info = {.struct_size = sizeof info};
  double weights[MOST] = {0};
  recsys_error error = {0};
  recsys_status status = RECSYS_OK;
  size_t n = a->n_words;
  for (size_t i = 0; !status && i < n; i++) {
    char *path = split(a->words[i], &weights[i]);
    status = recsys_model_open(&parts[i], path, NULL, &error);
    free(path);
  }
  if (!status)
    status = recsys_model_combine(&joined, parts, weights, n, &error);
  if (!status)
    status = recsys_model_save(joined, args_get(a, "out", NULL), &error);
  if (!status)
    status = recsys_model_get_info(joined, &info, &error);
  if (!status)
    printf("%s: %zu models, %llu floats a row, %llu classes\n", args_get(a, "out", NULL), n,
           (unsigned long long)info.dim, (unsigned long long)info.classes);
  for (size_t i = 0; i < n; i++)
    recsys_model_close(parts[i]);
  recsys_model_close(joined);
  return status ? say_error(&error) : DONE;
}

int cmd_combine(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &command, argc, argv, 1, MOST);
  if (code != ARGS_GO_ON)
    return code;
  code = args_get(&a, "out", NULL) ? combine(&a) : args_misuse(&a, "where to? Give --out FILE");
  args_free(&a);
  return code;
}
