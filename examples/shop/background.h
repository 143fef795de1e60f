/* What runs beside the requests: events into the databases and mails once a second, learning now and then, and
 * forgetting guests whose sessions have ended. */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "shop.h"

typedef struct background {
  pthread_t upkeep, learning;
} background;

bool background_start(shop *s, background *b);
/* Ends both threads; what waits is written before it returns. */
void background_stop(shop *s, background *b);

#endif
