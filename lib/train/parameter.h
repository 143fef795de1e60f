/*
 * What is learned: tensors with their gradients and what an optimiser remembers of them, and the two optimisers, with
 * PyTorch's formulas (torch.optim.SGD, torch.optim.AdamW).
 */
#ifndef RECSYS_TRAIN_PARAMETER_H
#define RECSYS_TRAIN_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

typedef struct recsys__parameter {
  const char *name; /* unique among those that are learned together */
  float *value, *gradient;
  float *first, *second; /* SGD: the velocity; AdamW: the two moments */
  float *best;           /* the values of the best epoch */
  size_t n;
  double rate;   /* factor of the learning rate */
  bool borrowed; /* `value` belongs to somebody else */
} recsys__parameter;

/* Everything but `value` zeroed; `value` too where it is NULL, else it is borrowed. ENOMEM frees what there was. */
recsys_status recsys__parameter_init(recsys__parameter *p, const char *name, float *value, size_t n,
                                     recsys_error *error);
void recsys__parameter_free(recsys__parameter *p);
/* best = value, and value = best. */
void recsys__parameter_keep(recsys__parameter *p);
void recsys__parameter_restore(recsys__parameter *p);

typedef struct recsys__optimiser {
  uint32_t kind;       /* RECSYS_OPTIMISER_SGD or _ADAMW */
  double momentum;     /* SGD's; AdamW's first beta is 0.9, its second 0.999, its epsilon 1e-8 */
  double weight_decay; /* SGD: added to the gradient (L2); AdamW: decoupled */
  uint64_t steps;      /* done so far */
} recsys__optimiser;

/* One step down the gradients of all parameters, which are left as they are. */
void recsys__optimise(uint32_t threads, recsys__optimiser *optimiser, double rate, recsys__parameter *const *list,
                      size_t count);

#endif
