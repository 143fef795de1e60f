/*
 * Teaching place by place: where teacher and student both give grids of G x G places, each place is a row of its own,
 * one linear map serves all of them, and the mean of the teacher's places is taken off, so that what is the same
 * everywhere teaches nothing.
 */
#ifndef RECSYS_MODEL_PLACES_H
#define RECSYS_MODEL_PLACES_H

#include "model/training.h"

typedef struct recsys__places {
  size_t side, count;     /* of the grid, and its places; 1: rows as they are */
  size_t inputs, outputs; /* floats of a place: the student's, the teacher's */
  float *mean;            /* of the teacher's places; NULL: none is taken off */
  float *room;            /* a batch as it comes: channels x places */
  const recsys__picture_source *source;
  recsys__features features;
  recsys__targets targets;
} recsys__places;

/* Of t->model and its teacher t->seer. */
recsys_status recsys__places_open(recsys__places *p, recsys__training *t, recsys_error *error);
void recsys__places_close(recsys__places *p);
/* Makes the fit's features and targets go place by place, with pictures mirrored at random: the teacher's places are
 * then taken from the other side. p lives as long as the fit. */
void recsys__places_wrap(recsys__places *p, recsys__picture_source *source, recsys__fitting *fit);

#endif
