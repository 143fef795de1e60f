/* What a recsys_model is made of. After opening, all but the engine's network is immutable: only calls that run the
 * network take the mutex. */
#ifndef RECSYS_MODEL_MODEL_H
#define RECSYS_MODEL_MODEL_H

#include <pthread.h>

#include "base/error.h"
#include "base/safetensors.h"
#include "engine/loader.h"
#include "image/image.h"
#include "model/head.h"
#include "nn/net.h"
#include "recsys.h"

/* The format of the metadata that recsys_model_save writes; and of a trained model's, which older releases lack. */
#define RECSYS__MODEL_FORMAT   "1"
#define RECSYS__TRAINED_FORMAT "2"

enum { RECSYS__OUTPUT_EMBEDDING = 0, RECSYS__OUTPUT_CLASSES = 1, RECSYS__OUTPUTS };

struct recsys_model {
  pthread_mutex_t mutex; /* one run at a time */
  uint64_t generation;   /* of forks, when it was made */
  recsys_model_options options;
  recsys__log log;
  char *source; /* the resolved path of the file; NULL: random weights */
  recsys_model_info info;
  recsys__net net; /* operations, names and shapes, without weights */
  char **class_names;
  size_t class_name_count;
  recsys__model_head *head; /* NULL: as published, not trained here */
  bool half;                /* written as 16-bit floats */
  const recsys__recipe *recipe;
  recsys__image_limits limits;
  recsys__engine *engine;
  recsys__loaded *loaded;
  uint64_t dims[RECSYS__OUTPUTS]; /* floats per row; 0: there is no such output */
  uint32_t threads;
  char why[128]; /* the reason for the precision */
};

/* -- weights.c */

/* Reads the file and fills `model`'s architecture, layer, recipe, class names and trained flag, which the options may
 * override; or makes random weights of model->info.architecture where model->source is NULL. */
recsys_status recsys__model_read(recsys_model *model, recsys__net *net, recsys_error *error);
/* Builds the operations that info and head tell of. */
recsys_status recsys__model_build(const recsys_model *model, recsys__net *net, recsys_error *error);
/* SHA-256 over architecture, layer, recipe and all weights by rising name. */
recsys_status recsys__model_fingerprint(const recsys_model *model, const recsys__net *net, char hex[65],
                                        recsys_error *error);

/* -- names.c: class names as a JSON array of strings */

recsys_status recsys__class_names_parse(recsys_model *model, const char *json, recsys_error *error);
/* Freed with free(); NULL where there are none, or no memory. */
char *recsys__class_names_dump(const recsys_model *model);
void recsys__class_names_free(recsys_model *model);

/* -- file.c */

/* The weights of an open model once more, from where they came; RECSYS_EMISMATCH where the file has changed since. */
recsys_status recsys__model_read_again(const recsys_model *model, recsys__net *net, recsys_error *error);
/* Writes a complete model file: info, class names, head and the weights of `net`. */
recsys_status recsys__model_write(const recsys_model *model, const recsys__net *net, const char *path,
                                  recsys_error *error);

/* -- precision.c */

/* Loads the folded network in the precision that the options ask for; "auto" compares bfloat16 with float32. */
recsys_status recsys__model_load(recsys_model *model, const recsys__net *folded, const uint32_t *outputs,
                                 uint32_t output_count, recsys_error *error);

#endif
