/* Drawings of the things that shops photograph: people in clothes, garments, shoes, bags, small goods; and of nothing
 * in particular. */
#ifndef SCENES_H
#define SCENES_H

#include "brush.h"

/* Draws one scene on the ground that the canvas holds. */
void scenes_draw(canvas *c, dice *d);
/* One shape of no meaning, in the middle. */
void scenes_leaf(canvas *c, dice *d);

#endif
