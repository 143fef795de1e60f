/*
 * drawings DIR COUNT [SEED]: draws pictures like those of a shop, as many as wanted, for teaching a small network what
 * a large one sees (docs/networks.md, "mini"). The same seed gives the same pictures.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../catalogue/write.h"
#include "scenes.h"

/* White, nearly white, a colour, or something uneven. */
static void paint_ground(canvas *c, dice *d) {
  unsigned kind = dice_below(d, 10);
  double shade = dice_real(d, 0.86, 1);
  colour plain = kind < 6   ? (colour){1, 1, 1}
                 : kind < 8 ? (colour){shade, shade, shade}
                            : brush_colour(d),
         other = brush_colour(d);
  uint64_t seed = dice_roll(d);
  double scale = dice_real(d, 20, 120);
  for (int i = 0; i < SIDE * SIDE; i++)
    c->pixels[i] =
        kind < 9 ? plain
                 : brush_mix(plain, other, 0.5 + 0.5 * brush_noise(seed, (i % SIDE) / scale, (int)(i / SIDE) / scale));
}

static placement choose_placement(dice *d) {
  double scale = dice_real(d, 0.75, 1.25);
  int mirrored = (int)dice_below(d, 2);
  return (placement){.size = SIDE,
                     .scale_x = (mirrored ? -1 : 1) * scale * dice_real(d, 0.85, 1.15),
                     .scale_y = scale * dice_real(d, 0.9, 1.1),
                     .angle = dice_below(d, 4) ? dice_real(d, -0.06, 0.06) : dice_real(d, -0.5, 0.5),
                     .shift_x = dice_real(d, -0.06, 0.06) * SIDE,
                     .shift_y = dice_real(d, -0.06, 0.06) * SIDE};
}

/* The same things larger, so that their details fill the picture. */
static placement zoom(dice *d) {
  placement p = choose_placement(d);
  double by = dice_real(d, 1.5, 3.2);
  p.scale_x *= by;
  p.scale_y *= by;
  p.shift_x = dice_real(d, -0.6, 0.6) * SIDE;
  p.shift_y = dice_real(d, -0.6, 0.6) * SIDE;
  return p;
}

static placement shrink(dice *d) {
  placement p = choose_placement(d);
  double by = dice_real(d, 0.3, 0.75);
  p.scale_x *= by;
  p.scale_y *= by;
  p.angle = dice_real(d, -3.14, 3.14);
  p.shift_x = dice_real(d, -0.35, 0.35) * SIDE;
  p.shift_y = dice_real(d, -0.35, 0.35) * SIDE;
  return p;
}

/* Leaves over leaves, few large ones and many small ones: the statistics of natural pictures (Lee, Mumford and Huang,
 * "Occlusion models for natural images", 2001). */
static void draw_leaves(canvas *c, dice *d) {
  int n = 20 + (int)dice_below(d, 100);
  for (int i = 0; i < n; i++) {
    double by = fmin(2, 0.12 / sqrt(dice_real(d, 0.004, 1)));
    c->where = choose_placement(d);
    c->where.scale_x *= by;
    c->where.scale_y *= by;
    c->where.angle = dice_real(d, -3.14, 3.14);
    c->where.shift_x = dice_real(d, -0.6, 0.6) * SIDE;
    c->where.shift_y = dice_real(d, -0.6, 0.6) * SIDE;
    scenes_leaf(c, d);
  }
}

static void draw_picture(canvas *c, dice *d) {
  unsigned kind = dice_below(d, 20);
  if (kind < 13) {
    c->where = choose_placement(d);
    scenes_draw(c, d);
  } else if (kind < 15) {
    c->where = zoom(d);
    scenes_draw(c, d);
  } else if (kind < 17) {
    for (int i = 2 + (int)dice_below(d, 4); i > 0; i--) {
      c->where = shrink(d);
      scenes_draw(c, d);
    }
  } else {
    draw_leaves(c, d);
  }
}

/* Noise whose strength falls with its frequency, as light and dirt make it. */
static double clouds(uint64_t seed, double x, double y) {
  double sum = 0;
  for (int octave = 0; octave < 5; octave++)
    sum += brush_noise(seed + (uint64_t)octave, x * (1 << octave) / 70, y * (1 << octave) / 70) / (1 << octave);
  return sum;
}

static uint8_t byte(double value) {
  return (uint8_t)(255 * fmin(1, fmax(0, value)) + 0.5);
}

/* Light, contrast and a little noise of the camera. */
static void develop(const canvas *c, dice *d, uint8_t *out) {
  double gain = dice_real(d, 0.9, 1.08), gamma = dice_real(d, 0.85, 1.2), noise = dice_real(d, 0, 0.02);
  double dirt = dice_below(d, 3) ? 0 : dice_real(d, 0, 0.15);
  uint64_t seed = dice_roll(d);
  for (int i = 0; i < SIDE * SIDE; i++) {
    double grain = noise * dice_real(d, -1, 1) + (dirt > 0 ? dirt * clouds(seed, i % SIDE, (int)(i / SIDE)) : 0);
    out[4 * i] = byte(gain * pow(fmax(0, c->pixels[i].r), gamma) + grain);
    out[4 * i + 1] = byte(gain * pow(fmax(0, c->pixels[i].g), gamma) + grain);
    out[4 * i + 2] = byte(gain * pow(fmax(0, c->pixels[i].b), gamma) + grain);
    out[4 * i + 3] = 255;
  }
}

static canvas sheet;
static uint8_t rgba[SIDE * SIDE * 4];

int main(int argc, char **argv) {
  long count = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
  char path[4096];
  if (count < 1)
    return fprintf(stderr, "usage: drawings DIR COUNT [SEED]\n"), 2;
  if (mkdir(argv[1], 0777) && errno != EEXIST)
    return fprintf(stderr, "%s: %s\n", argv[1], strerror(errno)), 1;
  for (long i = 0; i < count; i++) {
    dice d = {seed * 1000003 + (uint64_t)i};
    memset(sheet.alpha, 0, sizeof sheet.alpha);
    paint_ground(&sheet, &d);
    draw_picture(&sheet, &d);
    develop(&sheet, &d, rgba);
    snprintf(path, sizeof path, "%s/%06ld.jpg", argv[1], i);
    if (!write_picture(path, JPEG_BASELINE, rgba, SIDE))
      return fprintf(stderr, "%s could not be written\n", path), 1;
  }
  return 0;
}
