/*
 * The head: features -> [dense, ReLU, dropout] -> dense -> logits, forwards and backwards, for batches of rows in
 * float32. Weight matrices lie as inputs x outputs here, the transpose of a state dictionary's.
 */
#ifndef RECSYS_TRAIN_HEAD_H
#define RECSYS_TRAIN_HEAD_H

#include "train/parameter.h"

typedef struct recsys__head {
  uint32_t threads;
  uint32_t parameter_count;       /* 4, without a hidden layer 2; 1 fewer each where there is no bias */
  size_t inputs, hidden, outputs; /* hidden 0: no such layer */
  double dropout;                 /* share of hidden units that a training step leaves out */
  uint64_t seed;
  recsys__parameter parameters[4]; /* in this order: weight and bias of the hidden layer, weight and bias of the last */
  recsys__parameter *last;         /* the last layer's weight; its bias follows, unless `plain` */
  bool plain;                      /* the last layer has no bias */
  size_t batch;                    /* rows for which there is room below */
  float *activations;              /* batch x hidden: after ReLU and dropout */
  float *logits, *gradient;        /* batch x outputs: results, and the loss's derivative */
  float *inner;                    /* batch x hidden */
  float *outer;                    /* batch x inputs: the derivative towards the features */
} recsys__head;

/* Random weights from `seed` (uniform in +-1/sqrt(inputs), torch.nn.Linear's), the same on every machine. `outer` is
 * allocated only where the features learn. */
recsys_status recsys__head_init(recsys__head *head, size_t inputs, size_t hidden, size_t outputs, bool plain,
                                size_t batch, bool outer, uint64_t seed, recsys_error *error);
void recsys__head_randomise(recsys__head *head, uint64_t seed);
void recsys__head_free(recsys__head *head);

/* head->logits of n <= batch rows of features. training: dropout is applied, drawn from head->seed and `step`. false:
 * no memory. */
bool recsys__head_forward(recsys__head *head, const float *features, size_t n, bool training, uint64_t step);
/* From head->gradient to the gradients of all parameters and, where it was asked for, head->outer. Follows a forward of
 * the same rows. */
bool recsys__head_backward(recsys__head *head, const float *features, size_t n);

#endif
