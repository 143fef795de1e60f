/* One call of recsys_model_train: what it was given, and what its steps leave to each other. */
#ifndef RECSYS_MODEL_TRAINING_H
#define RECSYS_MODEL_TRAINING_H

#include "model/cache.h"
#include "model/model.h"
#include "train/fit.h"

/* The losses of one phase. */
typedef struct recsys__course {
  recsys__epoch_losses *epochs;
  uint32_t count, best; /* epochs done; the best, from 1 */
} recsys__course;

typedef struct recsys__training {
  recsys_model *model;
  const char *path;
  char *epoch_path;
  const recsys_image *images;
  size_t n, dim;                /* pictures; floats of a feature row */
  recsys_train_options options; /* with defaults in */
  recsys__model_head *head;     /* of the model to be */
  recsys__labels labels;
  const recsys_label *names;
  recsys_model *seer; /* whose rows the features are: the model, or its teacher */

  recsys_status *statuses; /* n */
  size_t failed;
  recsys_error first_failure;
  recsys__digest *digests;
  uint32_t *groups; /* the first picture with the same content */
  recsys__cache cache;
  uint32_t *handles; /* of rows in the cache */
  uint32_t *used;    /* pictures that take part */
  size_t used_count;
  int32_t *parts;      /* n; negative: takes no part */
  char key[65];        /* digest of data, settings and network */
  float *mean, *scale; /* features are (row - mean) * scale */
  float *weights;      /* of labels */
  float *scores;       /* n x labels: of pictures that were held out */
  int32_t *held;       /* n: the part that a score's threshold must not come from; -1: no score */
  uint32_t *order;     /* room for n examples: training first, then validation */
  size_t training_count, validation_count;
  recsys__course *courses; /* of each phase: the folds, stage one, stage two */
  recsys__epoch_losses *course_epochs;
  size_t course_room; /* epochs of all courses */

  /* The fit under way. */
  recsys__head net_head;
  recsys__fitting fit;
  uint32_t phase;        /* 0..folds-1: that fold; folds: stage one; folds + 1: stage two */
  recsys__tensors saved; /* the epoch file, until its phase has begun */
  uint32_t saved_phase;
  double saved_at; /* seconds, of the last epoch file */
} recsys__training;

/* -- train.c: what training and distilling share */

/* The options with defaults in, checked. */
recsys_status recsys__training_options(recsys__training *t, const recsys_train_options *theirs, recsys_error *error);
/* Room for everything; statuses: the caller's, or NULL. Closed even after a failure, with the status so far; closing
 * returns the whole call's, RECSYS_EPARTIAL where pictures were left out. */
recsys_status recsys__training_open(recsys__training *t, recsys_status *statuses, recsys_error *error);
recsys_status recsys__training_close(recsys__training *t, recsys_status status, const recsys_status *theirs,
                                     recsys_error *error);

/* -- features.c: reading, hashing and embedding the pictures */

recsys_status recsys__training_hash(recsys__training *t, recsys_error *error);
recsys_status recsys__training_features(recsys__training *t, recsys_error *error);
/* Standardisation from the examples that are trained on; then rows for a fit. */
recsys_status recsys__training_standardise(recsys__training *t, recsys_error *error);
recsys_status recsys__training_rows(void *context, const uint32_t *examples, size_t n, float *rows,
                                    recsys_error *error); /* as they are */
recsys_status recsys__training_read(void *context, const uint32_t *examples, size_t n, bool learning, uint64_t epoch,
                                    size_t first, float *rows, recsys_error *error);

/* -- stages.c */

/* The parts of the pictures, as asked for or stratified. */
recsys_status recsys__training_divide(recsys__training *t, recsys_error *error);
/* t->order: training pictures first, then those of part `held_out` (negative: none). */
void recsys__training_order(recsys__training *t, int32_t held_out);
/* Cross-validation where it is asked for, then the head on the features; scores of held-out pictures. */
recsys_status recsys__training_stage_one(recsys__training *t, recsys_error *error);

recsys_status recsys__training_keep_scores(recsys__training *t, recsys_error *error);

/* -- pictures.c: pictures as the input of a network under training */

/* What is done to pictures that are learned from: nothing; half of them, drawn anew in every epoch, are mirrored; or
 * they are also cropped anywhere within the recipe's margin. */
typedef enum recsys__vary { RECSYS__VARY_NOTHING, RECSYS__VARY_MIRROR, RECSYS__VARY_CROP } recsys__vary;

typedef struct recsys__picture_source {
  const recsys_model *model; /* whose recipe and limits apply */
  const recsys_image *images;
  recsys__engine *engine; /* one that trains, opened for this alone; NULL: the model's own does */
  recsys__trainer *trainer;
  const recsys__net *net;
  size_t room, dim; /* pictures of a batch; floats of a row */
  uint64_t seed;
  recsys__vary vary;
  float *input, *outer; /* a batch of pictures; the derivative towards the raw rows */
  recsys_status *statuses;
  recsys_error *errors;
  float **gradients; /* of every weight; NULL: not trained */
  recsys__parameter *parameters;
  size_t parameter_count;
  const float *mean, *scale; /* rows are standardised by these; NULL: as they are */
  /* The batch under way. */
  const uint32_t *examples;
  size_t began, first; /* where in the epoch's order the batch and the part of it under way begin */
  uint64_t epoch;
  bool learning;
} recsys__picture_source;

/* Trains the marked weights of `net`, whose memory it changes, for rows of operation `op`. */
recsys_status recsys__pictures_open(recsys__picture_source *s, recsys__net *net, uint32_t op, const uint8_t *trained,
                                    size_t room, recsys_error *error);
void recsys__pictures_close(recsys__picture_source *s);
/* Was the at-th picture of the batch that was read last mirrored? */
bool recsys__pictures_mirrored(const recsys__picture_source *s, size_t at);
/* What a fit needs. */
recsys__features recsys__pictures_features(recsys__picture_source *s);

/* -- fine_tune.c */

/* Stage two, where it is asked for: changes weights of `base`, and the head. */
recsys_status recsys__training_stage_two(recsys__training *t, recsys__net *base, recsys_error *error);

/* -- epochs.c: the file that lets training go on */

/* Reads the file, if there is one of this training; scores and courses are then as it holds them. */
recsys_status recsys__epochs_begin(recsys__training *t, recsys_error *error);
/* Runs the fit of phase t->phase, or what is left of it, and files its course. */
recsys_status recsys__epochs_run(recsys__training *t, recsys_error *error);
/* Is phase t->phase already over, by the file? */
bool recsys__epochs_over(const recsys__training *t);

/* -- result.c: thresholds and metrics, the report, the file */

/* Thresholds and metrics from the held-out scores, the report, and the file with the weights of `base` and the head. */
recsys_status recsys__training_finish(recsys__training *t, recsys__net *base, recsys_error *error);

#endif
