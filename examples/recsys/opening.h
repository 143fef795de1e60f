/*
 * Opening stores and models from the command line. A store remembers with which model its embeddings were made (in the
 * description of its space, as JSON), so that later commands need not be told again.
 */
#ifndef OPENING_H
#define OPENING_H

#include <stdbool.h>

#include "args.h"
#include "recsys.h"

extern const args_option opening_model_options[];

/* RECSYS_PRECISION_... in words. */
const char *opening_precision(uint32_t precision);

/* What a store says about itself. */
typedef struct store_facts {
  recsys_store_info info;
  char *model;     /* "resnet50.safetensors" or "untrained:resnet50:7"; NULL: not known */
  char *layer;     /* NULL: not known */
  char *recipe;    /* NULL: not known */
  bool untrained;  /* random weights: only colour and coarse pattern are told apart */
  char **fields;   /* names of all fields */
  size_t n_fields; /* the first n_labels are labels, then n_numbers are numbers, the rest texts */
  size_t n_labels, n_numbers;
} store_facts;

/* NULL: said already. flags: RECSYS_STORE_... */
recsys_store *opening_store(const args *a, const char *path, uint32_t flags);
/* The library's description of the store, on the heap; NULL: see error. */
char *opening_describe(recsys_store *store, recsys_error *error);
bool opening_facts(recsys_store *store, store_facts *facts);
void opening_free_facts(store_facts *facts);

/* Opens what --model says, else what `remembered` (or NULL) says; layer and recipe likewise. NULL: *code is the exit
 * code, said already. */
recsys_model *opening_model(const args *a, const store_facts *remembered, recsys_model_info *info, int *code);
/* The same without these RECSYS_MODEL_... flags, whatever the command line says. */
recsys_model *opening_model_without(uint32_t flags, const args *a, const store_facts *remembered,
                                    recsys_model_info *info, int *code);
/* The description for a space of this model. */
char *opening_description(const args *a, const store_facts *remembered, const recsys_model_info *info);

#endif
