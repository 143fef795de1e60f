/* Colours, patterns, light and shadow. */
#include "paint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "raster.h"
#include "shapes.h"

const char *const paint_colours[COLOURS] = {"red",    "orange", "yellow", "green", "teal", "blue",
                                            "purple", "pink",   "brown",  "black", "grey", "white"};
const char *const paint_patterns[PATTERNS] = {"plain", "striped", "checked", "dotted"};

typedef struct rgb {
  double r, g, b; /* 0..1 */
} rgb;

static const rgb colours[COLOURS] = {{0.80, 0.15, 0.17}, {0.93, 0.49, 0.13}, {0.96, 0.78, 0.22}, {0.24, 0.56, 0.29},
                                     {0.10, 0.55, 0.56}, {0.17, 0.35, 0.70}, {0.48, 0.27, 0.60}, {0.94, 0.58, 0.70},
                                     {0.47, 0.31, 0.20}, {0.14, 0.14, 0.15}, {0.55, 0.56, 0.57}, {0.94, 0.93, 0.91}};
static const rgb cream = {0.91, 0.87, 0.79};

int paint_is_grey(int colour) {
  return colour >= 9;
}

static rgb mix(rgb a, rgb b, double t) {
  return (rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static rgb lit(rgb c, double factor) {
  return (rgb){fmin(1, c.r * factor), fmin(1, c.g * factor), fmin(1, c.b * factor)};
}

static double brightness(rgb c) {
  return 0.3 * c.r + 0.59 * c.g + 0.11 * c.b;
}

/* The pattern's second colour: what stands out from the first. */
static rgb contrast(rgb c) {
  static const rgb bright = {0.97, 0.95, 0.91}, dark = {0.20, 0.22, 0.30};
  return brightness(c) > 0.6 ? mix(c, dark, 0.75) : mix(c, bright, 0.85);
}

typedef struct look {
  rgb first, second;
  int pattern;
  double period, angle; /* of the pattern, in shape units and radians */
  double soft;          /* width of its edges: one pixel, in shape units */
} look;

/* 1 within the band of half-width w around 0, 0 outside, with a soft edge. */
static double band(double distance, double w, double soft) {
  return fmin(1, fmax(0, (w - fabs(distance)) / soft + 0.5));
}

static double wave(double x, double period) {
  return x - period * floor(x / period + 0.5);
}

/* How much of the second colour lies at (u, v). */
static double pattern_at(const look *l, double u, double v) {
  double x = u * cos(l->angle) + v * sin(l->angle), y = v * cos(l->angle) - u * sin(l->angle), p = l->period;
  if (l->pattern == 1)
    return band(wave(x, p), p / 4, l->soft);
  if (l->pattern == 2)
    return 0.5 * (band(wave(x, p), p / 4, l->soft) + band(wave(y, p), p / 4, l->soft));
  if (l->pattern == 3) {
    double row = floor(y / p + 0.5), dx = wave(x + (fmod(fabs(row), 2) == 1 ? p / 2 : 0), p), dy = wave(y, p);
    return band(hypot(dx, dy), p * 0.27, l->soft);
  }
  return 0;
}

typedef struct canvas {
  int size;
  rgb *colour; /* size x size */
  float *alpha, *mask;
} canvas;

/* Light comes from the upper left; folds run down the cloth. */
static double light_at(double u, double v) {
  return 1.07 - 0.0016 * (u - 30) - 0.0012 * (v - 20) + 0.025 * sin(u * 0.33 + 0.6 * sin(v * 0.07));
}

static rgb colour_at(const look *l, paint p, double u, double v) {
  rgb base = p == PAINT_BODY    ? mix(l->first, l->second, pattern_at(l, u, v))
             : p == PAINT_SHADE ? mix(lit(l->first, 0.72), (rgb){0.3, 0.3, 0.32}, brightness(l->first) < 0.2 ? 0.35 : 0)
             : p == PAINT_LIGHT ? mix(l->first, (rgb){1, 1, 1}, 0.3)
                                : cream;
  return lit(base, light_at(u, v));
}

static void add_layer(canvas *c, const layer *shape, const placement *where, const look *l) {
  raster_fill(shape->outline, where, c->mask);
  for (int y = 0; y < c->size; y++) {
    for (int x = 0; x < c->size; x++) {
      int i = y * c->size + x;
      double u, v, cover = fmin(1, c->mask[i]);
      if (cover <= 0)
        continue;
      raster_unplace(where, x + 0.5, y + 0.5, &u, &v);
      /* Straight alpha: what is beneath counts by its own alpha. */
      double below = c->alpha[i] * (1 - cover), all = cover + below;
      c->colour[i] = mix(colour_at(l, shape->paint, u, v), c->colour[i], below / all);
      c->alpha[i] = (float)all;
    }
  }
}

static void blur_line(const float *in, float *out, int n, int step, int radius) {
  double sum = 0;
  for (int i = -radius; i < n + radius; i++) {
    sum += i + radius < n && i + radius >= 0 ? in[(i + radius) * step] : 0;
    sum -= i - radius - 1 >= 0 && i - radius - 1 < n ? in[(i - radius - 1) * step] : 0;
    if (i >= 0 && i < n)
      out[i * step] = (float)(sum / (2 * radius + 1));
  }
}

/* A soft shadow of the product's outline, into the mask. */
static void cast_shadow(canvas *c) {
  int n = c->size, shift = n / 40, radius = n / 28;
  size_t pixels = (size_t)n * (size_t)n;
  float *other = calloc(pixels, sizeof *other);
  if (!other)
    exit(1);
  memset(c->mask, 0, pixels * sizeof *c->mask);
  for (int y = shift; y < n; y++)
    memcpy(c->mask + y * n, c->alpha + (y - shift) * n, (size_t)n * sizeof *c->mask);
  for (int pass = 0; pass < 2; pass++) {
    for (int y = 0; y < n; y++)
      blur_line(c->mask + y * n, other + y * n, n, 1, radius);
    for (int x = 0; x < n; x++)
      blur_line(other + x, c->mask + x, n, n, radius);
  }
  free(other);
}

static uint8_t byte(double value) {
  return (uint8_t)(255 * fmin(1, fmax(0, value)) + 0.5);
}

/* Product over shadow over ground (or over nothing). */
static void compose(const canvas *c, rgb ground, int opaque, uint8_t *rgba) {
  for (int i = 0; i < c->size * c->size; i++) {
    double shadow = 0.30 * c->mask[i] * (1 - c->alpha[i]), alpha = c->alpha[i] + shadow;
    rgb at = alpha > 0 ? lit(c->colour[i], c->alpha[i] / alpha) : c->colour[i];
    if (opaque) {
      rgb floor_at = lit(ground, 1.02 - 0.06 * (double)i / (c->size * c->size));
      at = mix(lit(floor_at, 1 - 0.30 * c->mask[i]), c->colour[i], c->alpha[i]);
      alpha = 1;
    }
    rgba[4 * i] = byte(at.r);
    rgba[4 * i + 1] = byte(at.g);
    rgba[4 * i + 2] = byte(at.b);
    rgba[4 * i + 3] = byte(alpha);
  }
}

/* No two products are quite alike: place, size and shade vary. */
static placement choose_placement(int size, dice *d) {
  double scale = dice_real(d, 0.80, 0.92);
  return (placement){.size = size,
                     .scale_x = scale * dice_real(d, 0.95, 1.05),
                     .scale_y = scale * dice_real(d, 0.95, 1.05),
                     .angle = dice_real(d, -0.05, 0.05),
                     .shift_x = dice_real(d, -0.025, 0.025) * size,
                     .shift_y = dice_real(d, -0.025, 0.025) * size};
}

static look choose_look(int colour, int pattern, int size, dice *d) {
  static const double periods[PATTERNS] = {1, 9, 12, 10}, angles[3] = {0, 1.5707963, 0.7853982};
  rgb shade = {dice_real(d, -0.035, 0.035), dice_real(d, -0.035, 0.035), dice_real(d, -0.035, 0.035)};
  rgb first = colours[colour];
  if (paint_is_grey(colour))
    shade.g = shade.b = shade.r;
  first = (rgb){fmax(0, first.r + shade.r), fmax(0, first.g + shade.g), fmax(0, first.b + shade.b)};
  look l = {.first = lit(first, 1), .pattern = pattern, .soft = 100.0 / size};
  l.second = contrast(l.first);
  if (paint_is_grey(colour)) {
    double grey = brightness(l.second);
    l.second = (rgb){grey, grey, grey};
  }
  l.period = periods[pattern] * dice_real(d, 0.8, 1.25);
  l.angle = pattern == 1 ? angles[dice_below(d, 3)] : pattern == 2 ? angles[dice_below(d, 2) * 2] : 0;
  return l;
}

uint8_t *paint_product(int kind_index, int colour, int pattern, int size, int opaque, dice *d) {
  static const rgb grounds[] = {{0.95, 0.95, 0.94}, {0.93, 0.94, 0.96}, {0.96, 0.94, 0.91}};
  size_t pixels = (size_t)size * (size_t)size;
  canvas c = {.size = size,
              .colour = calloc(pixels, sizeof *c.colour),
              .alpha = calloc(pixels, sizeof *c.alpha),
              .mask = calloc(pixels, sizeof *c.mask)};
  uint8_t *rgba = malloc(4 * pixels);
  if (!c.colour || !c.alpha || !c.mask || !rgba)
    exit(1);
  placement where = choose_placement(size, d);
  look l = choose_look(colour, pattern, size, d);
  for (const layer *shape = shapes_kinds[kind_index].layers; shape->outline; shape++)
    add_layer(&c, shape, &where, &l);
  cast_shadow(&c);
  rgb ground = paint_is_grey(colour) ? (rgb){0.945, 0.945, 0.945} : grounds[dice_below(d, 3)];
  compose(&c, ground, opaque, rgba);
  free(c.colour);
  free(c.alpha);
  free(c.mask);
  return rgba;
}
