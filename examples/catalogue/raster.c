/* Outlines to anti-aliased masks: curves become chords, and each pixel row is covered in sub-rows by exact spans. */
#include "raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS = 1024, CHORDS = 12, SUBROWS = 5, MAX_CROSSINGS = 64 };

typedef struct point {
  double x, y;
} point;

typedef struct polygon {
  point points[MAX_POINTS];
  size_t starts[16]; /* of closed contours; the last entry is the end */
  size_t n, contours;
} polygon;

static point place(const placement *p, double x, double y) {
  double u = (x - 50) / 100 * p->size * p->scale_x, v = (y - 50) / 100 * p->size * p->scale_y;
  return (point){p->size / 2 + p->shift_x + u * cos(p->angle) - v * sin(p->angle),
                 p->size / 2 + p->shift_y + u * sin(p->angle) + v * cos(p->angle)};
}

void raster_unplace(const placement *p, double x, double y, double *u, double *v) {
  double dx = x - p->size / 2 - p->shift_x, dy = y - p->size / 2 - p->shift_y;
  *u = 50 + (dx * cos(p->angle) + dy * sin(p->angle)) / p->size * 100 / p->scale_x;
  *v = 50 + (dy * cos(p->angle) - dx * sin(p->angle)) / p->size * 100 / p->scale_y;
}

static void add_point(polygon *shape, const placement *where, point at) {
  if (shape->n < MAX_POINTS)
    shape->points[shape->n++] = place(where, at.x, at.y);
}

static void add_curve(polygon *shape, const placement *where, point a, const point c[3]) {
  for (int i = 1; i <= CHORDS; i++) {
    double t = (double)i / CHORDS, s = 1 - t;
    double w0 = s * s * s, w1 = 3 * s * s * t, w2 = 3 * s * t * t, w3 = t * t * t;
    add_point(shape, where,
              (point){w0 * a.x + w1 * c[0].x + w2 * c[1].x + w3 * c[2].x,
                      w0 * a.y + w1 * c[0].y + w2 * c[1].y + w3 * c[2].y});
  }
}

static const char *read_points(const char *at, point *points, int n) {
  for (int i = 0; i < n; i++) {
    char *end;
    points[i].x = strtod(at, &end);
    points[i].y = strtod(end, &end);
    at = end;
  }
  return at;
}

static void flatten(const char *at, const placement *where, polygon *shape) {
  point points[3] = {{0, 0}}, here = {0, 0};
  while (*at) {
    char letter = *at++;
    if (letter == 'M')
      shape->starts[shape->contours++] = shape->n;
    if (letter == 'M' || letter == 'L') {
      at = read_points(at, points, 1);
      here = points[0];
      add_point(shape, where, here);
    } else if (letter == 'C') {
      at = read_points(at, points, 3);
      add_curve(shape, where, here, points);
      here = points[2];
    }
  }
  shape->starts[shape->contours] = shape->n;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static size_t crossings(const polygon *shape, double y, double *found) {
  size_t n = 0;
  for (size_t c = 0; c < shape->contours; c++) {
    size_t begin = shape->starts[c], end = shape->starts[c + 1];
    for (size_t i = begin; i < end; i++) {
      point a = shape->points[i], b = shape->points[i + 1 < end ? i + 1 : begin];
      if ((a.y <= y) != (b.y <= y) && n < MAX_CROSSINGS)
        found[n++] = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
    }
  }
  qsort(found, n, sizeof *found, by_value);
  return n;
}

static void cover_span(float *row, int size, double from, double to) {
  from = fmax(from, 0);
  to = fmin(to, size);
  for (int x = (int)from; x < to; x++)
    row[x] += (float)((fmin(to, x + 1) - fmax(from, x)) / SUBROWS);
}

void raster_fill(const char *outline, const placement *where, float *mask) {
  polygon shape = {.n = 0};
  double found[MAX_CROSSINGS];
  int size = (int)where->size;
  flatten(outline, where, &shape);
  memset(mask, 0, (size_t)size * (size_t)size * sizeof *mask);
  for (int y = 0; y < size; y++) {
    for (int s = 0; s < SUBROWS; s++) {
      size_t n = crossings(&shape, y + (s + 0.5) / SUBROWS, found);
      for (size_t i = 0; i + 1 < n; i += 2)
        cover_span(mask + (size_t)y * (size_t)size, size, found[i], found[i + 1]);
    }
  }
}
