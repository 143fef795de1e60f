/* Every scene is a few outlines whose points vary. */
#include "scenes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char path[4096];

/* An outline from numbers: 50 - x and 50 + x are mirrored by writing both sides. */
static const char *trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *trace(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  return path;
}

static double some(dice *d, double from, double to) {
  return dice_real(d, from, to);
}

static const char *ellipse(double x, double y, double a, double b) {
  const double k = 0.5522847;
  return trace("M%f %f C%f %f %f %f %f %f C%f %f %f %f %f %f C%f %f %f %f %f %f C%f %f %f %f %f %f Z", x + a, y, x + a,
               y + k * b, x + k * a, y + b, x, y + b, x - k * a, y + b, x - a, y + k * b, x - a, y, x - a, y - k * b,
               x - k * a, y - b, x, y - b, x + k * a, y - b, x + a, y - k * b, x + a, y);
}

static const char *box(double x0, double y0, double x1, double y1) {
  return trace("M%f %f L%f %f L%f %f L%f %f Z", x0, y0, x1, y0, x1, y1, x0, y1);
}

static const char *quad(double x0, double y0, double x1, double y1, double x2, double y2, double x3, double y3) {
  return trace("M%f %f L%f %f L%f %f L%f %f Z", x0, y0, x1, y1, x2, y2, x3, y3);
}

/* A stroke of width w from one point to another, bent by `bend`. */
static const char *stroke(double x0, double y0, double x1, double y1, double w, double bend) {
  double dx = x1 - x0, dy = y1 - y0, l = hypot(dx, dy) + 1e-9, nx = -dy / l, ny = dx / l;
  double mx = (x0 + x1) / 2 + nx * bend, my = (y0 + y1) / 2 + ny * bend;
  nx *= w / 2;
  ny *= w / 2;
  return trace("M%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f Z", x0 + nx, y0 + ny, mx + nx, my + ny, mx + nx,
               my + ny, x1 + nx, y1 + ny, x1 - nx, y1 - ny, mx - nx, my - ny, mx - nx, my - ny, x0 - nx, y0 - ny);
}

static colour skin(dice *d) {
  static const colour tones[] = {{0.96, 0.80, 0.69}, {0.87, 0.67, 0.53}, {0.72, 0.52, 0.39}, {0.50, 0.34, 0.25}};
  colour c = tones[dice_below(d, 4)];
  return brush_mix(c, tones[dice_below(d, 4)], some(d, 0, 0.4));
}

static cloth dark(dice *d) {
  return brush_plain(d, brush_mix((colour){0.06, 0.05, 0.05}, brush_colour(d), some(d, 0, 0.25)));
}

/* ---- people and garments. Half-widths from the middle line x = 50 */

typedef struct body {
  double shoulder, waist, hip, neck, top, bottom; /* top: of the shoulders; bottom: of the garment */
  double sleeve, arm, reach;                      /* length 0..1; width; how far the hands stand off */
} body;

static body make_body(dice *d, double top, double length) {
  double shoulder = some(d, 13, 20);
  return (body){.shoulder = shoulder,
                .waist = shoulder * some(d, 0.6, 0.95),
                .hip = shoulder * some(d, 0.75, 1.15),
                .neck = some(d, 3.5, 6),
                .top = top,
                .bottom = top + length,
                .sleeve = dice_below(d, 4) ? some(d, 0.25, 1) : 0,
                .arm = some(d, 5, 8.5),
                .reach = some(d, 1, 16)};
}

static void draw_arm(canvas *c, const body *b, int side, double length, const cloth *with, double arm_length) {
  double x0 = 50 + side * (b->shoulder - 2.5), y0 = b->top + 3.5, x1 = x0 + side * b->reach, y1 = y0 + arm_length;
  brush_fill(c, stroke(x0, y0, x0 + (x1 - x0) * length, y0 + (y1 - y0) * length, b->arm, side * -3.0), with, 0.5);
}

static void draw_torso(canvas *c, const body *b, const cloth *with) {
  brush_fill(
      c,
      trace("M%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f Z",
            50 - b->neck, b->top - 2, 50 - 0.5 * b->neck, b->top + 2, 50 + 0.5 * b->neck, b->top + 2, 50 + b->neck,
            b->top - 2, 50 + b->shoulder, b->top + 2, 50 + b->shoulder, b->top + 12, 50 + b->waist,
            (b->top + b->bottom) / 2 - 6, 50 + b->waist, (b->top + b->bottom) / 2, 50 + b->hip, b->bottom, 50 + b->hip,
            b->bottom + 1.5, 50 - b->hip, b->bottom + 1.5, 50 - b->hip, b->bottom, 50 - b->waist,
            (b->top + b->bottom) / 2, 50 - b->waist, (b->top + b->bottom) / 2 - 6, 50 - b->shoulder, b->top + 12,
            50 - b->shoulder, b->top + 2),
      with, 0.5);
}

/* Collar, buttons, zip, neck line. */
static void draw_front(canvas *c, dice *d, const body *b, const cloth *with) {
  cloth own = *with, trim = brush_plain(d, brush_mix(with->first, brush_colour(d), 0.4));
  unsigned kind = dice_below(d, 4);
  own.round = 0.6;
  if (kind == 0) { /* shirt */
    for (int side = -1; side <= 1; side += 2)
      brush_fill(c,
                 trace("M50 %f L%f %f L%f %f L%f %f Z", b->top + 4, 50 + side * b->neck, b->top - 4,
                       50 + side * (b->neck + 3), b->top, 50 + side * 4.5, b->top + 7),
                 &own, 1.2);
    brush_fill(c, box(49.4, b->top + 4, 50.6, b->bottom), &own, 1.5);
    for (int i = 0; b->top + 8 + 6 * i < b->bottom; i++)
      brush_fill(c, ellipse(50, b->top + 8 + 6 * i, 0.6, 0.6), &trim, 0.5);
  } else if (kind == 1) { /* v neck */
    cloth flesh = brush_plain(d, skin(d));
    brush_fill(
        c, trace("M%f %f L%f %f L50 %f Z", 50 - b->neck, b->top - 2, 50 + b->neck, b->top - 2, b->top + some(d, 5, 13)),
        &flesh, 0.4);
  } else if (kind == 2) { /* zip or open jacket */
    brush_fill(c, box(50 - some(d, 0.3, 4), b->top + 2, 50.5, b->bottom), &trim, 0.4);
  }
}

static void draw_head(canvas *c, dice *d, const body *b, const cloth *flesh) {
  double r = some(d, 5, 7.5), y = b->top - 4 - r * 1.15;
  cloth hair = dark(d);
  if (dice_below(d, 2)) /* long hair falls behind */
    brush_fill(c, ellipse(50 + some(d, -1, 1), y + r * 0.8, r * some(d, 1.2, 1.6), r * some(d, 1.6, 2.4)), &hair, 0.4);
  brush_fill(c, box(50 - b->neck * 0.7, y, 50 + b->neck * 0.7, b->top + 1), flesh, 0.4);
  brush_fill(c, ellipse(50, y, r, r * 1.25), flesh, 0.5);
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f C%f %f %f %f %f %f Z", 50 - r * 1.05, y, 50 - r * 1.1, y - r * 1.9,
                   50 + r * 1.1, y - r * 1.9, 50 + r * 1.05, y, 50 + r * 0.7, y - r * some(d, 0.5, 0.9), 50 - r * 0.7,
                   y - r * some(d, 0.5, 0.9), 50 - r * 1.05, y),
             &hair, 0.3);
  for (int side = -1; side <= 1; side += 2) {
    brush_fill(c, ellipse(50 + side * r * 0.42, y - r * 0.05, r * 0.16, r * 0.09), &hair, 0);
    brush_fill(c, box(50 + side * r * 0.42 - r * 0.22, y - r * 0.33, 50 + side * r * 0.42 + r * 0.22, y - r * 0.25),
               &hair, 0);
  }
  cloth lips = brush_plain(d, (colour){0.65, 0.3, 0.3});
  brush_fill(c, ellipse(50, y + r * 0.65, r * 0.3, r * 0.09), &lips, 0);
}

static void draw_legs(canvas *c, const body *b, double length, double width, double spread, const cloth *with) {
  for (int side = -1; side <= 1; side += 2)
    brush_fill(c,
               quad(50, b->bottom - 2, 50 + side * b->hip, b->bottom - 2, 50 + side * (spread + width),
                    b->bottom + length, 50 + side * spread, b->bottom + length),
               with, 0.6);
}

static void person(canvas *c, dice *d) {
  double zoom = some(d, 0, 1);
  body b = make_body(d, some(d, 18, 30), zoom < 0.7 ? some(d, 40, 62) : some(d, 22, 40));
  cloth flesh = brush_plain(d, skin(d)), top = brush_cloth(d), legs = dice_below(d, 3) ? dark(d) : brush_cloth(d);
  double arm = some(d, 30, 48), length = some(d, 20, 60);
  if (dice_below(d, 5) == 0)
    draw_legs(c, &b, length, some(d, 4, 7), some(d, 0.5, 4), &flesh); /* bare legs: skirts, dresses */
  else
    draw_legs(c, &b, length, some(d, 6, 13), some(d, 0, 4), &legs);
  for (int side = -1; side <= 1; side += 2)
    draw_arm(c, &b, side, 1, &flesh, arm);
  draw_torso(c, &b, &top);
  for (int side = -1; side <= 1 && b.sleeve > 0; side += 2)
    draw_arm(c, &b, side, b.sleeve, &top, arm);
  draw_front(c, d, &b, &top);
  if (b.top > 20 || dice_below(d, 4))
    draw_head(c, d, &b, &flesh);
}

static void garment(canvas *c, dice *d) {
  body b = make_body(d, some(d, 12, 24), some(d, 45, 66));
  cloth top = brush_cloth(d);
  b.shoulder *= 1.4;
  b.waist *= 1.4;
  b.hip *= dice_below(d, 4) ? 1.4 : 2.2;
  b.arm *= 1.4;
  draw_torso(c, &b, &top);
  for (int side = -1; side <= 1 && b.sleeve > 0; side += 2)
    draw_arm(c, &b, side, b.sleeve, &top, some(d, 38, 60));
  draw_front(c, d, &b, &top);
}

static void trousers(canvas *c, dice *d) {
  body b = {.hip = some(d, 13, 24), .bottom = some(d, 14, 26)};
  cloth leg = brush_cloth(d), belt = dark(d);
  draw_legs(c, &b, some(d, 14, 66), some(d, 8, 16), some(d, 0, 6), &leg);
  brush_fill(c, box(50 - b.hip, b.bottom - 6, 50 + b.hip, b.bottom + 6), &leg, 0.3);
  if (dice_below(d, 2))
    brush_fill(c, box(50 - b.hip, b.bottom - 6, 50 + b.hip, b.bottom - 3), &belt, 0.3);
}

/* ---- shoes */

static void shoe_at(canvas *c, dice *d, double x, double y, double size, const cloth *upper, const cloth *sole,
                    unsigned kind) {
  double h = size * some(d, 0.3, 0.45), l = size,
         heel = kind == 3 ? size * some(d, 0.15, 0.4) : size * some(d, 0.02, 0.1);
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f Z", x - l / 2, y - heel, x - l / 4, y - heel, x,
                   y + 2, x + l / 2, y, x + l / 2, y + size * 0.08, x, y + size * 0.1 + 2, x - l / 4,
                   y + size * 0.06 - heel / 2, x - l / 2, y + size * 0.08),
             sole, 0.5);
  if (kind == 2) { /* sandal: straps */
    for (int i = 0; i < 3; i++)
      brush_fill(c,
                 stroke(x - l * 0.3 + i * l * 0.28, y - 1, x - l * 0.12 + i * l * 0.26, y - 1, size * 0.07,
                        -h * some(d, 0.5, 1.2)),
                 upper, 0.6);
    return;
  }
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f C%f %f %f %f %f %f C%f %f %f %f %f %f Z", x - l / 2, y - heel, x - l / 2,
                   y - heel - h * 0.8, x - l * 0.45, y - heel - h, x - l * 0.4, y - heel - h * some(d, 0.9, 1.4),
                   x - l * 0.1, y - h * 0.8 - heel, x + l * 0.1, y - h * 0.5, x + l * 0.25, y - h * 0.42, x + l / 2,
                   y - h * 0.35, x + l * 0.52, y, x - l / 2, y - heel),
             upper, 0.6);
  if (kind == 0) /* laces */
    for (int i = 0; i < 5; i++)
      brush_fill(c,
                 stroke(x - l * 0.13 + i * l * 0.075, y - heel - h * 0.95 + i * h * 0.12, x - l * 0.02 + i * l * 0.075,
                        y - heel - h * 0.55 + i * h * 0.1, size * 0.025, 1),
                 sole, 0.2);
  if (dice_below(d, 2)) /* a stripe or a mark */
    brush_fill(c,
               stroke(x - l * some(d, 0, 0.3), y - h * 0.1, x + l * some(d, 0, 0.2), y - h * 0.6,
                      size * some(d, 0.03, 0.1), some(d, -4, 4)),
               sole, 0.3);
}

static void shoes(canvas *c, dice *d) {
  cloth upper = brush_cloth(d), sole = brush_plain(d, brush_colour(d));
  unsigned kind = dice_below(d, 4), pair = dice_below(d, 3) == 0;
  upper.round = some(d, 0.2, 0.8);
  if (pair)
    shoe_at(c, d, some(d, 42, 50), some(d, 40, 52), some(d, 45, 62), &upper, &sole, kind);
  shoe_at(c, d, some(d, 48, 54), some(d, 58, 68), some(d, 52, 82), &upper, &sole, kind);
}

/* ---- bags and small goods */

static void bag(canvas *c, dice *d) {
  cloth fill = brush_cloth(d), trim = dark(d), metal = brush_plain(d, (colour){0.8, 0.75, 0.6});
  double w = some(d, 18, 38), h = some(d, 14, 34), y = some(d, 50, 62), slant = some(d, -5, 8);
  if (dice_below(d, 4)) {
    double reach = some(d, 8, 36);
    brush_fill(c, stroke(50 - w * 0.6, y - h + 2, 50 + w * 0.6, y - h + 2, some(d, 1.5, 5), -reach), &trim, 0.6);
    if (dice_below(d, 2))
      brush_fill(c, stroke(50 - w * 0.5, y - h + 3, 50 + w * 0.5, y - h + 3, 2.2, -reach * 0.8), &trim, 0.6);
  }
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f L%f %f C%f %f %f %f %f %f Z", 50 - w + slant, y - h, 50 - w / 3,
                   y - h - 3, 50 + w / 3, y - h - 3, 50 + w - slant, y - h, 50 + w, y + h, 50 + w / 2, y + h + 3,
                   50 - w / 2, y + h + 3, 50 - w, y + h),
             &fill, 0.6);
  if (dice_below(d, 2))
    brush_fill(c, box(50 - w * 0.6, y, 50 + w * 0.6, y + h * 0.75), &fill, 1.2);
  if (dice_below(d, 2))
    brush_fill(c,
               trace("M%f %f L%f %f C%f %f %f %f %f %f Z", 50 - w + slant, y - h, 50 + w - slant, y - h, 50 + w * 0.9,
                     y, 50 - w * 0.9, y, 50 - w + slant, y - h),
               &fill, 1.0);
  brush_fill(c, ellipse(50, y - h * 0.1, some(d, 1, 3), some(d, 1, 3)), &metal, 0.8);
  brush_fill(c, box(50 - w, y - h * 0.55, 50 + w, y - h * 0.5), &trim, 0.2);
}

static void watch(canvas *c, dice *d) {
  cloth strap = brush_cloth(d), rim = brush_plain(d, brush_colour(d)), face = brush_plain(d, brush_colour(d)),
        hand = brush_plain(d, brush_colour(d));
  double r = some(d, 13, 27), w = r * some(d, 0.4, 0.8), y = some(d, 46, 54);
  strap.pattern = dice_below(d, 2) ? PLAIN : RIBS;
  brush_fill(c,
             trace("M%f %f L%f %f L%f %f L%f %f L%f %f L%f %f Z", 50 - w * 0.7, y - 46, 50 + w * 0.7, y - 46, 50 + w, y,
                   50 + w * 0.7, y + 46, 50 - w * 0.7, y + 46, 50 - w, y),
             &strap, 0.7);
  if (dice_below(d, 4)) {
    brush_fill(c, ellipse(50, y, r, r), &rim, 0.8);
    brush_fill(c, ellipse(50, y, r * 0.8, r * 0.8), &face, 0.3);
  } else {
    brush_fill(c, box(50 - r * 0.8, y - r, 50 + r * 0.8, y + r), &rim, 0.8);
    brush_fill(c, box(50 - r * 0.62, y - r * 0.8, 50 + r * 0.62, y + r * 0.8), &face, 0.3);
  }
  for (int i = 0; i < 12; i++)
    brush_fill(c, ellipse(50 + 0.68 * r * sin(i * 0.5236), y - 0.68 * r * cos(i * 0.5236), r * 0.05, r * 0.05), &hand,
               0);
  for (int i = 0; i < 2; i++) {
    double angle = some(d, 0, 6.28);
    brush_fill(c,
               stroke(50, y, 50 + r * (0.4 + 0.2 * i) * sin(angle), y - r * (0.4 + 0.2 * i) * cos(angle), r * 0.07, 0),
               &hand, 0);
  }
}

static void glasses(canvas *c, dice *d) {
  cloth frame = dark(d), lens = brush_plain(d, brush_mix(brush_colour(d), (colour){0.2, 0.18, 0.16}, 0.6));
  double a = some(d, 11, 16), b = some(d, 7, 12), gap = some(d, 3, 6), y = some(d, 46, 54);
  for (int side = -1; side <= 1; side += 2) {
    brush_fill(c, ellipse(50 + side * (a + gap), y, a + 1.4, b + 1.4), &frame, 0.3);
    brush_fill(c, ellipse(50 + side * (a + gap), y, a, b), &lens, 0.2);
    brush_fill(c, stroke(50 + side * (2 * a + gap), y - b / 2, 50 + side * (2 * a + gap + 4), y - some(d, 0, 14), 2, 0),
               &frame, 0.2);
  }
  brush_fill(c, stroke(50 - gap, y - 2, 50 + gap, y - 2, 1.6, -2), &frame, 0.2);
}

static void cap(canvas *c, dice *d) {
  cloth crown = brush_cloth(d), peak = dice_below(d, 2) ? crown : brush_cloth(d);
  double w = some(d, 22, 32), h = some(d, 20, 30), y = some(d, 54, 62);
  brush_fill(c, trace("M%f %f C%f %f %f %f %f %f Z", 50 - w, y, 50 - w, y - h * 1.6, 50 + w, y - h * 1.6, 50 + w, y),
             &crown, 0.7);
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f C%f %f %f %f %f %f Z", 50 - w, y, 50 - w * 1.2, y + h * 0.5, 50.0,
                   y + h * 0.6, 50 + w * 0.9, y, 50.0, y + h * 0.2, 50 - w * 0.5, y + 2, 50 - w, y),
             &peak, 0.8);
}

static void strip(canvas *c, dice *d) { /* ties, belts, scarves, socks, bracelets */
  cloth fill = brush_cloth(d), trim = brush_plain(d, brush_colour(d));
  unsigned kind = dice_below(d, 4);
  if (kind == 0) {
    double w = some(d, 5, 9);
    brush_fill(c,
               trace("M%f 12 L%f 12 L%f 22 L%f 80 L50 90 L%f 80 L%f 22 Z", 50 - w * 0.6, 50 + w * 0.6, 50 + w * 0.4,
                     50 + w, 50 - w, 50 - w * 0.4),
               &fill, 0.6);
  } else if (kind == 1) {
    double r = some(d, 20, 34), w = some(d, 3, 9);
    brush_fill(c, ellipse(50, 50, r, r * some(d, 0.5, 1)), &fill, 0.6);
    cloth ground = {.first = c->pixels[0], .second = c->pixels[0], .third = c->pixels[0], .period = 9};
    brush_fill(c, ellipse(50, 50, r - w, (r - w) * 0.8), &ground, 0);
    brush_fill(c, box(50 + r - w - 2, 46, 50 + r + 2, 54), &trim, 0.5);
  } else if (kind == 2) {
    for (int i = 0; i < 3; i++)
      brush_fill(
          c,
          stroke(some(d, 25, 45), some(d, 10, 30), some(d, 45, 75), some(d, 70, 95), some(d, 9, 18), some(d, -25, 25)),
          &fill, 0.8);
  } else {
    double w = some(d, 3, 10);
    brush_fill(c, stroke(8, some(d, 40, 60), 92, some(d, 40, 60), w, some(d, -14, 14)), &fill, 0.6);
    brush_fill(c, box(8, 48 - w * 0.7, 8 + w, 48 + w * 0.9), &trim, 0.6);
  }
}

static void bottle(canvas *c, dice *d) { /* perfume, cosmetics, jewellery boxes */
  cloth glass = brush_plain(d, brush_colour(d)), lid = brush_plain(d, brush_colour(d)), label = brush_cloth(d);
  double w = some(d, 7, 24), h = some(d, 18, 38), y = some(d, 52, 62), n = w * some(d, 0.3, 0.9), k = some(d, 6, 20);
  brush_fill(c, box(50 - n, y - h - k, 50 + n, y - h + 1), &lid, 0.8);
  brush_fill(c,
             trace("M%f %f C%f %f %f %f %f %f L%f %f L%f %f C%f %f %f %f %f %f Z", 50 - n, y - h, 50 - w, y - h, 50 - w,
                   y - h, 50 - w, y - h * 0.7, 50 - w, y + h, 50 + w, y + h, 50 + w, y - h * 0.7, 50 + w, y - h, 50 + n,
                   y - h),
             &glass, 0.9);
  if (dice_below(d, 3))
    brush_fill(c, box(50 - w * 0.8, y - h * 0.2, 50 + w * 0.8, y + h * 0.6), &label, 0.1);
}

static void beads(canvas *c, dice *d) { /* necklaces, earrings, rings */
  cloth bead = brush_cloth(d);
  double a = some(d, 12, 34), b = some(d, 14, 38), size = some(d, 0.8, 4);
  int n = 12 + (int)dice_below(d, 40);
  for (int i = 0; i < n; i++)
    brush_fill(c, ellipse(50 + a * sin(i * 6.2831853 / n), 46 + b * cos(i * 6.2831853 / n), size, size), &bead, 0.8);
  if (dice_below(d, 2))
    brush_fill(c, ellipse(50, 46 + b + size * 2, size * 2.5, size * 3), &bead, 0.8);
}

/* ---- nothing in particular */

static void blob(canvas *c, dice *d) {
  double x = some(d, 30, 70), y = some(d, 30, 70), r = some(d, 8, 40);
  size_t length = 0;
  cloth fill = brush_cloth(d);
  char text[4096];
  int n = 5 + (int)dice_below(d, 8);
  for (int i = 0; i <= n; i++) {
    double angle = i * 6.2831853 / n, far = r * some(d, 0.5, 1.3), px = x + far * cos(angle), py = y + far * sin(angle);
    if (i == 0 || dice_below(d, 2))
      length += (size_t)snprintf(text + length, sizeof text - length, "%c%f %f ", i ? 'L' : 'M', px, py);
    else
      length += (size_t)snprintf(text + length, sizeof text - length, "C%f %f %f %f %f %f ", px + some(d, -15, 15),
                                 py + some(d, -15, 15), px + some(d, -15, 15), py + some(d, -15, 15), px, py);
  }
  snprintf(text + length, sizeof text - length, "Z");
  brush_fill(c, text, &fill, some(d, 0, 1));
}

void scenes_leaf(canvas *c, dice *d) {
  cloth fill = brush_cloth(d);
  double rim = some(d, 0, 0.8);
  if (dice_below(d, 3) == 0)
    blob(c, d);
  else if (dice_below(d, 2))
    brush_fill(c, ellipse(50, 50, some(d, 20, 50), some(d, 20, 50)), &fill, rim);
  else
    brush_fill(c,
               quad(some(d, 0, 30), some(d, 0, 30), some(d, 70, 100), some(d, 0, 30), some(d, 70, 100),
                    some(d, 70, 100), some(d, 0, 30), some(d, 70, 100)),
               &fill, rim);
}

static void abstract(canvas *c, dice *d) {
  for (int i = 1 + (int)dice_below(d, 6); i > 0; i--) {
    if (dice_below(d, 3)) {
      blob(c, d);
      continue;
    }
    cloth fill = brush_cloth(d);
    brush_fill(
        c, stroke(some(d, 0, 100), some(d, 0, 100), some(d, 0, 100), some(d, 0, 100), some(d, 1, 12), some(d, -30, 30)),
        &fill, 0.6);
  }
}

void scenes_draw(canvas *c, dice *d) {
  static void (*const scenes[])(canvas *, dice *) = {
      person, person, person, person, person,  garment, garment, trousers, shoes, shoes,    shoes,
      bag,    bag,    watch,  watch,  glasses, cap,     strip,   bottle,   beads, abstract, abstract};
  scenes[dice_below(d, sizeof scenes / sizeof *scenes)](c, d);
}
