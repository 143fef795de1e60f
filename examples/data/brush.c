/* Colours, patterns, light and grain. */
#include "brush.h"

#include <math.h>
#include <string.h>

static double clamp(double x) {
  return fmin(1, fmax(0, x));
}

colour brush_mix(colour a, colour b, double t) {
  return (colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static colour from_hue(double hue, double saturation, double value) {
  double h = 6 * (hue - floor(hue)), f = h - floor(h);
  double p = value * (1 - saturation), q = value * (1 - saturation * f), t = value * (1 - saturation * (1 - f));
  switch ((int)h) {
  case 0:
    return (colour){value, t, p};
  case 1:
    return (colour){q, value, p};
  case 2:
    return (colour){p, value, t};
  case 3:
    return (colour){p, q, value};
  case 4:
    return (colour){t, p, value};
  default:
    return (colour){value, p, q};
  }
}

colour brush_colour(dice *d) {
  double kind = dice_real(d, 0, 1), hue = dice_real(d, 0, 1);
  if (kind < 0.3) /* black, grey, white */
    return from_hue(hue, dice_real(d, 0, 0.08), pow(dice_real(d, 0, 1), 1.3));
  if (kind < 0.45) /* navy and denim */
    return from_hue(dice_real(d, 0.56, 0.68), dice_real(d, 0.25, 0.8), dice_real(d, 0.15, 0.75));
  if (kind < 0.6) /* brown, beige */
    return from_hue(dice_real(d, 0.03, 0.12), dice_real(d, 0.2, 0.7), dice_real(d, 0.2, 0.9));
  if (kind < 0.75)
    return from_hue(hue, dice_real(d, 0.1, 0.45), dice_real(d, 0.4, 0.95));
  return from_hue(hue, dice_real(d, 0.5, 1), dice_real(d, 0.35, 1));
}

static double hash(uint64_t seed, int64_t x, int64_t y) {
  dice d = {seed ^ ((uint64_t)x * 0x9E3779B97F4A7C15u) ^ ((uint64_t)y * 0xC2B2AE3D27D4EB4Fu)};
  return dice_real(&d, -1, 1);
}

double brush_noise(uint64_t seed, double x, double y) {
  double fx = floor(x), fy = floor(y), u = x - fx, v = y - fy;
  u = u * u * (3 - 2 * u);
  v = v * v * (3 - 2 * v);
  int64_t i = (int64_t)fx, j = (int64_t)fy;
  double a = hash(seed, i, j), b = hash(seed, i + 1, j), c = hash(seed, i, j + 1), d = hash(seed, i + 1, j + 1);
  return (a + (b - a) * u) * (1 - v) + (c + (d - c) * u) * v;
}

cloth brush_cloth(dice *d) {
  static const pattern usual[] = {PLAIN,  PLAIN, PLAIN,    PLAIN, STRIPES, STRIPES, CHECKS,
                                  CHECKS, DOTS,  BLOTCHES, PRINT, PRINT,   RIBS};
  cloth c = {.first = brush_colour(d),
             .second = brush_colour(d),
             .third = brush_colour(d),
             .pattern = usual[dice_below(d, sizeof usual / sizeof *usual)],
             .period = exp(dice_real(d, log(2.0), log(16.0))),
             .angle =
                 dice_below(d, 3) ? 1.5707963 * dice_below(d, 2) + dice_real(d, -0.06, 0.06) : dice_real(d, 0, 3.14),
             .folds = dice_real(d, 0, 0.2),
             .grain = dice_below(d, 3) ? dice_real(d, 0, 0.05) : dice_real(d, 0, 0.2),
             .round = dice_real(d, 0, 0.35),
             .seed = dice_roll(d)};
  return c;
}

cloth brush_plain(dice *d, colour first) {
  return (cloth){.first = first,
                 .second = first,
                 .third = first,
                 .period = 10,
                 .folds = dice_real(d, 0, 0.1),
                 .grain = dice_real(d, 0, 0.04),
                 .round = dice_real(d, 0.05, 0.4),
                 .seed = dice_roll(d)};
}

static double wave(double x, double period) {
  return x - period * floor(x / period + 0.5);
}

static double band(double distance, double half) {
  return clamp((half - fabs(distance)) / 0.6 + 0.5);
}

/* A print on the middle of the area: strokes of noise, as letters and pictures look from afar. */
static double print_at(const cloth *c, double u, double v) {
  double dx = (u - 50) / 13, dy = (v - 42) / (8 + fmod((double)(c->seed % 97), 9));
  if (dx * dx + dy * dy > 1)
    return 0;
  return clamp(6 * brush_noise(c->seed, u * 1.2 / c->period * 3, v * 1.2 / c->period * 3) + 0.5);
}

static colour pattern_at(const cloth *c, double u, double v) {
  double x = u * cos(c->angle) + v * sin(c->angle), y = v * cos(c->angle) - u * sin(c->angle), p = c->period;
  switch (c->pattern) {
  case STRIPES:
    return brush_mix(brush_mix(c->first, c->second, band(wave(x, p), p / 5)), c->third,
                     band(wave(x + p / 2, p), p / 16));
  case CHECKS:
    return brush_mix(brush_mix(c->first, c->second, 0.55 * band(wave(x, p), p / 4) + 0.45 * band(wave(y, p), p / 4)),
                     c->third, 0.7 * fmax(band(wave(x + p / 2, p), p / 24), band(wave(y + p / 2, p), p / 24)));
  case DOTS:
    return brush_mix(c->first, c->second, band(hypot(wave(x, p), wave(y, p)), p * 0.28));
  case BLOTCHES: {
    double n = brush_noise(c->seed, u / p, v / p) + 0.5 * brush_noise(c->seed + 1, 2.1 * u / p, 2.1 * v / p);
    return brush_mix(brush_mix(c->first, c->second, clamp(5 * n)), c->third, clamp(8 * (n - 0.45)));
  }
  case PRINT:
    return brush_mix(c->first, brush_noise(c->seed + 2, u / 9, v / 9) > 0.2 ? c->third : c->second, print_at(c, u, v));
  case RIBS:
    return brush_mix(c->first, c->second, 0.2 + 0.2 * sin(6.2831853 * x / fmin(p, 4)));
  default:
    return c->first;
  }
}

static colour lit(colour c, double by) {
  double up = fmax(0, by - 1);
  return brush_mix((colour){c.r * fmin(by, 1), c.g * fmin(by, 1), c.b * fmin(by, 1)}, (colour){1, 1, 1}, clamp(up));
}

/* How far inside the outline a pixel lies, from a few neighbours: light falls off towards the rim. */
static double depth_at(const canvas *c, int x, int y) {
  static const int steps[4] = {2, 5, 9, 14};
  double inside = 0;
  for (int s = 0; s < 4; s++)
    for (int k = 0; k < 4; k++) {
      int px = x + (k == 0 ? steps[s] : k == 1 ? -steps[s] : 0), py = y + (k == 2 ? steps[s] : k == 3 ? -steps[s] : 0);
      inside += px >= 0 && px < SIDE && py >= 0 && py < SIDE ? fmin(1, (double)c->mask[py * SIDE + px]) : 0;
    }
  return inside / 16;
}

void brush_fill(canvas *c, const char *outline, const cloth *with, double rim) {
  raster_fill(outline, &c->where, c->mask);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      int i = y * SIDE + x;
      double u, v, cover = fmin(1, (double)c->mask[i]);
      if (cover <= 0)
        continue;
      raster_unplace(&c->where, x + 0.5, y + 0.5, &u, &v);
      double depth = depth_at(c, x, y), light = 1 + with->round * (depth - 0.75) - rim * clamp(0.62 - depth);
      light += with->folds * brush_noise(with->seed + 3, u / 9, v / 22) +
               with->grain * brush_noise(with->seed + 4, u * 2.5, v * 2.5);
      light += 0.05 * (40 - u) / 50;
      c->pixels[i] = brush_mix(c->pixels[i], lit(pattern_at(with, u, v), light), cover);
      c->alpha[i] = (float)fmax((double)c->alpha[i], cover);
    }
}
