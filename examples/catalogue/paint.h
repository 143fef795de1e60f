/* From a product's kind, colour and pattern to pixels. */
#ifndef PAINT_H
#define PAINT_H

#include <stdint.h>

#include "random.h"

enum { COLOURS = 12, PATTERNS = 4 };
extern const char *const paint_colours[COLOURS];
extern const char *const paint_patterns[PATTERNS]; /* plain, striped, checked, dotted */

/* Is the colour a shade of grey, so that a greyscale picture of it loses nothing? */
int paint_is_grey(int colour);

/* Draws a product on a canvas of size x size RGBA pixels, straight alpha: on a bright ground when opaque, else on
 * nothing. Free with free(). */
uint8_t *paint_product(int kind, int colour, int pattern, int size, int opaque, dice *d);

#endif
