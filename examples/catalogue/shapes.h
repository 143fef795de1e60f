/* The kinds of products: outlines in layers, each with its paint. */
#ifndef SHAPES_H
#define SHAPES_H

typedef enum paint {
  PAINT_BODY,   /* the product's colour and pattern */
  PAINT_SHADE,  /* its colour, darker, plain */
  PAINT_LIGHT,  /* its colour, lighter, plain */
  PAINT_NEUTRAL /* cream: soles, clasps, stems */
} paint;

typedef struct layer {
  const char *outline; /* in 100 x 100 units, y down; NULL ends the list */
  paint paint;
} layer;

typedef struct kind {
  const char *name;
  double price; /* a usual one */
  layer layers[8];
} kind;

enum { KINDS = 8 };
extern const kind shapes_kinds[KINDS];

#endif
