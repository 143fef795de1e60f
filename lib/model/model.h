/* What a recsys_model is made of. After opening, all but the engine's network is immutable: only calls that run the
 * network take the mutex. */
#ifndef RECSYS_MODEL_MODEL_H
#define RECSYS_MODEL_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/safetensors.h"
#include "engine/loader.h"
#include "image/image.h"
#include "model/head.h"
#include "model/quantization.h"
#include "nn/net.h"
#include "recsys.h"

/* The format of the metadata that recsys_model_save writes; of a trained model's; of an ensemble's; of an int8 model's,
 * trained or not. */
#define RECSYS__MODEL_FORMAT    "1"
#define RECSYS__TRAINED_FORMAT  "2"
#define RECSYS__ENSEMBLE_FORMAT "3"
#define RECSYS__INT8_FORMAT     "4"

enum { RECSYS__OUTPUT_EMBEDDING = 0, RECSYS__OUTPUT_CLASSES = 1, RECSYS__OUTPUTS };

/* The parts of an ensemble, in the order of the call that made it. */
typedef struct recsys__ensemble {
  recsys_model **parts;
  double *weights; /* their sum is 1 */
  size_t n;
} recsys__ensemble;

struct recsys_model {
  atomic_uint references;      /* the caller's, and those of ensembles */
  recsys__ensemble *ensemble;  /* NULL: one network */
  char *ensemble_text;         /* while a file is read: the description of its parts */
  bool part;                   /* of an ensemble: it may be none itself */
  pthread_mutex_t mutex;       /* one run at a time */
  _Atomic uint64_t generation; /* of forks, when it was made */
  recsys_model_options options;
  recsys__log log;
  char *source; /* the resolved path of the file; NULL: random weights */
  recsys_model_info info;
  recsys__net net;    /* operations, names and shapes, without weights */
  recsys__net folded; /* as the engine has loaded it, with the weights that it reads there */
  uint8_t *kept;      /* which weights those are */
  char **class_names;
  size_t class_name_count;
  recsys__model_head *head;           /* NULL: as published, not trained here */
  recsys__quantization *quantization; /* NULL: not for int8 */
  const char *unrounded; /* while an int8 model is made: the fingerprint that its weights must have before */
  bool no_top;           /* the file ends before the architecture's dense layers */
  bool half;             /* written as 16-bit floats */
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
/* RECSYS_EMISMATCH: its file is no longer what it was. */
recsys_status recsys__model_changed(const recsys_model *model, recsys_error *error);
/* Builds the operations that info and head tell of. */
recsys_status recsys__model_build(const recsys_model *model, recsys__net *net, recsys_error *error);
/* SHA-256 over architecture, layer, recipe, what int8 adds, and all weights by rising name. */
recsys_status recsys__model_fingerprint(const recsys_model *model, const recsys__net *net, char hex[65],
                                        recsys_error *error);

/* -- ensemble.c */

/* From the description in model->ensemble_text, relative to model->source. */
recsys_status recsys__ensemble_open(recsys_model *model, recsys_error *error);
recsys_status recsys__ensemble_save(const recsys_model *model, const char *path, recsys_error *error);
/* Rows or class scores of n pictures, like recsys_model_embed. */
recsys_status recsys__ensemble_run(recsys_model *model, uint32_t output, const recsys_image *images, size_t n,
                                   const recsys_embed_options *options, float *rows, recsys_status *statuses,
                                   recsys_error *error);
void recsys__ensemble_free(recsys__ensemble *ensemble);

/* -- open.c */

/* recsys_model_open; part: an ensemble is refused. */
recsys_status recsys__model_open_file(recsys_model **model, const char *path, const recsys_model_options *options,
                                      bool part, recsys_error *error);
/* A model of one reference with nothing in it. */
recsys_status recsys__model_make(recsys_model **out, const recsys_model_options *theirs, recsys_error *error);

/* RECSYS_EFORKED where the model's engine is in the parent process of this one. */
recsys_status recsys__model_here(recsys_model *model, recsys_error *error);

/* The same model once more, from where it came the first time, on the engine "onednn" in another precision; with a
 * quantization, which it takes over (also when it fails), its weights are rounded. NULL: as it is. RECSYS_EMISMATCH
 * where the file has changed since. */
recsys_status recsys__model_again(const recsys_model *model, uint32_t precision, recsys__quantization *quantization,
                                  recsys_model **again, recsys_error *error);

/* -- embed.c */

/* Calls with another output than the embedding's. */
recsys_status recsys__model_run(recsys_model *model, uint32_t output, const recsys_image *images, size_t n,
                                const recsys_embed_options *options, float *rows, recsys_status *statuses,
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

/* Whether it runs in int8: an int8 model, unless its options ask for floats. */
bool recsys__model_narrow(const recsys_model *model);
/* Of two rows, in double: 1 where both are zeros, -1 where it is no number. */
double recsys__rows_cosine(const float *a, const float *b, size_t n);
/* RECSYS_PRECISION_... in words. */
const char *recsys__precision_name(uint32_t precision);
/* Loads the folded network in the precision that the options ask for; "auto" takes int8 for a quantised model, and else
 * compares bfloat16 with float32. */
recsys_status recsys__model_load(recsys_model *model, const recsys__net *folded, const uint32_t *outputs,
                                 uint32_t output_count, recsys_error *error);

#endif
