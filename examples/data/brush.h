/* Filling outlines on a canvas with colours, patterns, light and grain. */
#ifndef BRUSH_H
#define BRUSH_H

#include <stdint.h>

#include "../catalogue/random.h"
#include "../catalogue/raster.h"

enum { SIDE = 192 };

typedef struct colour {
  double r, g, b; /* 0..1 */
} colour;

typedef enum pattern { PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, PRINT, RIBS, PATTERNS } pattern;

/* What an area looks like. Lengths in units of the shape, of which 100 fill the canvas. */
typedef struct cloth {
  colour first, second, third;
  pattern pattern;
  double period, angle;
  double folds, grain, round; /* strengths: of soft folds, of noise, of light that makes it look round */
  uint64_t seed;
} cloth;

typedef struct canvas {
  colour pixels[SIDE * SIDE];
  float mask[SIDE * SIDE], alpha[SIDE * SIDE]; /* of the last outline; of all so far */
  placement where;
} canvas;

colour brush_colour(dice *d); /* of any kind: greys and muted ones as often as bright ones */
colour brush_mix(colour a, colour b, double t);
cloth brush_cloth(dice *d);
cloth brush_plain(dice *d, colour first);
/* Fills an outline (letters of SVG paths, 100 x 100 units); a dark rim of `rim` strength goes around it. */
void brush_fill(canvas *c, const char *outline, const cloth *with, double rim);
/* Smooth noise in -1..1. */
double brush_noise(uint64_t seed, double x, double y);

#endif
