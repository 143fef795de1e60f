/* An opened engine from the inside, for loader.c and trainer.c. */
#ifndef RECSYS_ENGINE_OPENED_H
#define RECSYS_ENGINE_OPENED_H

#include "engine/loader.h"
#include "engine/worker.h"

struct recsys__engine {
  char *path; /* resolved */
  const recsys_engine *table;
  recsys__worker worker;
  struct recsys__engine *next;
};

#endif
