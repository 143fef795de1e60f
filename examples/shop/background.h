/* What runs beside the requests, each on a thread of its own: events into the databases once a second, and forgetting
 * guests whose sessions have ended; mails; and learning now and then. */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "shop.h"

enum { DUTIES = 3 };

typedef struct background {
  pthread_t threads[DUTIES];
  int running;
} background;

/* False: not all of them could be started; background_end is needed all the same. */
bool background_start(shop *s, background *b);
/* Tells them to end, and what is under way to stop. */
void background_stop(shop *s);
/* Waits for them, and writes what came since. */
void background_end(shop *s, background *b);

#endif
