/* Outlines to anti-aliased masks. */
#ifndef RASTER_H
#define RASTER_H

#include <stddef.h>

/* Where a shape's 100 x 100 units lie on the canvas. */
typedef struct placement {
  double size;             /* of the square canvas, pixels */
  double scale_x, scale_y; /* 1: the units fill the canvas */
  double angle;            /* radians */
  double shift_x, shift_y; /* pixels */
} placement;

/* Covers mask (size x size, 0..1) with an outline in the letters of SVG paths: absolute M, L, C and Z, even-odd rule.
 */
void raster_fill(const char *outline, const placement *where, float *mask);

/* The place in shape units of a pixel's centre. */
void raster_unplace(const placement *p, double x, double y, double *u, double *v);

#endif
