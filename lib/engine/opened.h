/* An opened engine from the inside, for loader.c, loaded.c and trainer.c. */
#ifndef RECSYS_ENGINE_OPENED_H
#define RECSYS_ENGINE_OPENED_H

#include "engine/isolated.h"
#include "engine/loader.h"
#include "engine/worker.h"

struct recsys__engine {
  char *path;                 /* resolved */
  recsys__isolated *isolated; /* NULL: in this process, with what follows */
  const recsys_engine *table; /* NULL: it could not be opened yet */
  recsys__worker worker;
  struct recsys__engine *next;
};

#endif
