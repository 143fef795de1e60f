/*
 * What an int8 model knows beside its weights: which layers run in int8, between which ranges, and how near to float32
 * that was found to come. Its weights are multiples of one unit for each output channel (at most 127 of them), so that
 * a file holds them as one byte each, and nothing is rounded a second time.
 */
#ifndef RECSYS_MODEL_QUANTIZATION_H
#define RECSYS_MODEL_QUANTIZATION_H

#include "nn/net.h"
#include "recsys.h"

typedef struct recsys__layer_range {
  char *weight;        /* the layer's filters: "features.2.weight" */
  float input, output; /* as in recsys_op */
} recsys__layer_range;

typedef struct recsys__quantization {
  recsys__layer_range *layers; /* by rising name */
  size_t count;
  recsys_quantize_report report;
} recsys__quantization;

/* With room for so many layers and none in it; NULL: no memory. */
recsys__quantization *recsys__quantization_make(size_t layers);
/* Copies the name. false: no memory. Layers are added by rising name or sorted afterwards. */
bool recsys__quantization_add(recsys__quantization *q, const char *weight, float input, float output);
void recsys__quantization_sort(recsys__quantization *q);
void recsys__quantization_free(recsys__quantization *q); /* NULL allowed */
const recsys__layer_range *recsys__quantization_find(const recsys__quantization *q, const char *weight);

/* The metadata of a file, as JSON; `source` is its path, for messages. */
recsys_status recsys__quantization_parse(recsys__quantization **out, const char *json, const char *source,
                                         recsys_error *error);
char *recsys__quantization_dump(const recsys__quantization *q); /* freed with free(); NULL: no memory */

/* The unit of one output channel: a float of 16 significant bits, so that 127 of them are exact. 0: all are zeros. */
float recsys__quantization_unit(const float *channel, size_t n);
/* Rounds the layers' weights to multiples of their channels' units. */
void recsys__quantization_round(const recsys__quantization *q, recsys__net *net);
/* Gives the ranges to the operations of a folded network. RECSYS_EFORMAT: it has no such layer, or there is none. */
recsys_status recsys__quantization_mark(const recsys__quantization *q, recsys__net *folded, recsys_error *error);
/* Whether an int8 layer can have this range. */
bool recsys__quantization_fits(double range);

#endif
