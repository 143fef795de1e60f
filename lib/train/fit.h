/*
 * Epochs of gradient descent: one loop for a head over features that stand still, for features that learn with it, and
 * for rows that are to be reproduced.
 */
#ifndef RECSYS_TRAIN_FIT_H
#define RECSYS_TRAIN_FIT_H

#include "train/head.h"
#include "train/labels.h"

/* Where the rows of features come from. */
typedef struct recsys__features {
  void *context;
  /* Rows of n examples. learning: they are about to be learned from (pictures may be varied, what backward needs is
   * kept); `epoch` and `first` (of the epoch's order) tell the draws apart. */
  recsys_status (*read)(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch, size_t first,
                        float *rows, recsys_error *error);
  /* From the derivative towards the rows read last to the gradients of `parameters`. NULL: nothing below learns. */
  recsys_status (*learn)(void *context, const float *gradient, size_t n, recsys_error *error);
  recsys__parameter *parameters;
  size_t parameter_count;
} recsys__features;

/* What is to be learned: labels, or rows to be reproduced up to their length (1 - cosine, mean over rows; of examples
 * with several rows also 1 - cosine of all their rows as one, mean over examples). */
typedef struct recsys__targets {
  const recsys__labels *labels;
  const float *weights; /* of labels */
  /* labels NULL: rows of n examples, head->outputs floats each. */
  recsys_status (*read)(void *context, const uint32_t *examples, size_t n, float *rows, recsys_error *error);
  const float *mean; /* NULL, or what was taken off every row: put back where rows are compared as one */
  void *context;
} recsys__targets;

typedef struct recsys__moment {
  uint32_t epoch, epochs; /* from 1 */
  uint64_t step, steps;   /* of this epoch */
  double training_loss;   /* mean over the epoch so far */
  double validation_loss; /* of the last whole epoch; NaN: none yet */
} recsys__moment;

typedef struct recsys__epoch_losses {
  double training, validation; /* validation NaN where there are no such examples */
} recsys__epoch_losses;

typedef struct recsys__fitting {
  uint32_t threads, epochs, patience; /* patience 0: all epochs */
  uint32_t schedule;                  /* RECSYS_SCHEDULE_... */
  uint32_t horizon;                   /* epochs that the schedule is laid out for; 0: `epochs` */
  size_t batch;
  size_t places; /* rows of the head for one example, which features and targets give one after the other; 0: 1 */
  double rate;   /* the learning rate at its highest */
  uint64_t seed;
  recsys__optimiser optimiser;
  recsys__head *head;
  recsys__features features;
  recsys__targets targets;
  const uint32_t *training, *validation; /* examples */
  size_t training_count, validation_count;
  /* Called after every step, and after every epoch with step == steps; anything but 0 cancels. */
  int (*progress)(void *user, const recsys__moment *moment);
  /* Called after every whole epoch: the state can be saved here. */
  recsys_status (*saved)(void *user, const struct recsys__fitting *fit, recsys_error *error);
  void *user;

  /* The state: zero, or as a file gave it. */
  uint32_t epoch, best_epoch; /* whole epochs done; the one with the least validation loss, from 1 */
  double best_loss;
  bool best_known;               /* set with best_loss before: as good as the parameters already are */
  recsys__epoch_losses *history; /* of `epochs`; the caller's */
} recsys__fitting;

/* Runs the epochs that are left. With validation examples, the parameters end as after the best epoch, else as after
 * the last. A loss that is not finite is RECSYS_EINVAL; cancelled: RECSYS_ECANCELLED. Either leaves the parameters
 * undefined.
 */
recsys_status recsys__fit_run(recsys__fitting *fit, recsys_error *error);

/* All parameters of head and features, up to `room` of them; returns how many there are. */
size_t recsys__fit_parameters(const recsys__fitting *fit, recsys__parameter **list, size_t room);

/* The mean loss over examples, without dropout and as the pictures are. */
recsys_status recsys__fit_loss(const recsys__fitting *fit, const uint32_t *examples, size_t n, double *loss,
                               recsys_error *error);
/* Scores of examples, n x outputs. */
recsys_status recsys__fit_scores(const recsys__fitting *fit, const uint32_t *examples, size_t n, float *scores,
                                 recsys_error *error);

/* One step on n <= batch examples: forward, loss, backward, optimiser. */
recsys_status recsys__fit_step(recsys__fitting *fit, const uint32_t *examples, size_t n, uint64_t epoch, size_t first,
                               double rate, recsys__loss_term *terms, recsys_error *error);

#endif
