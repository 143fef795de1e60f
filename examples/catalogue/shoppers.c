/*
 * Shoppers with tastes: each likes some kinds, colours and patterns more than others, looks mostly at what it likes,
 * and rates what it looked at with some noise.
 */
#include "shoppers.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "paint.h"
#include "shapes.h"

typedef struct taste {
  double kinds[KINDS], colours[COLOURS], patterns[PATTERNS];
} taste;

static const char *const names[] = {"ada", "ben",  "cleo", "dan",  "eva",  "finn", "gia",   "hugo",  "ida",   "jan",
                                    "kim", "leo",  "mia",  "noah", "olga", "paul", "quinn", "rosa",  "sam",   "tara",
                                    "uma", "vera", "walt", "xena", "yara", "zoe",  "anna",  "bruno", "carla", "emil"};
enum { NAMES = sizeof names / sizeof names[0] };

static void choose_tastes(double *tastes, int n, int liked, double strength, dice *d) {
  for (int i = 0; i < n; i++)
    tastes[i] = -0.35 * strength + 0.25 * dice_bell(d);
  for (int i = 0; i < liked; i++)
    tastes[dice_below(d, (unsigned)n)] = strength;
}

static double liking(const taste *t, const product *p) {
  return t->kinds[p->kind] + t->colours[p->colour] + t->patterns[p->pattern];
}

static int rating(double like, dice *d) {
  double stars = round(3.1 + like + 0.45 * dice_bell(d));
  return (int)fmin(5, fmax(1, stars));
}

/* One shopper's ratings: products are looked at in random order, and rated with a chance that grows with liking. */
static void rate(FILE *file, const char *name, const product *products, size_t n, dice *d) {
  taste t;
  choose_tastes(t.kinds, KINDS, 2, 0.9, d);
  choose_tastes(t.colours, COLOURS, 3, 0.9, d);
  choose_tastes(t.patterns, PATTERNS, 1, 0.6, d);
  double appetite = dice_real(d, 0.03, 0.09);
  int64_t time = 1700000000 + (int64_t)dice_real(d, 0, 2.0e7);
  size_t at = dice_below(d, (unsigned)n);
  for (size_t i = 0; i < n; i++) {
    at = (at + 101) % n; /* 101 is prime, so every product is seen unless n is a multiple of it */
    double like = liking(&t, &products[at]);
    time += (int64_t)dice_real(d, 20, 4000);
    if (dice_real(d, 0, 1) < appetite * exp(0.9 * like))
      fprintf(file, "%s,%s,%d,%lld\n", name, products[at].key, rating(like, d), (long long)time);
  }
}

bool shoppers_rate(const char *path, const product *products, size_t n, int shoppers, dice *d) {
  FILE *file = fopen(path, "w");
  if (!file)
    return false;
  fputs("user,item,rating,time\n", file);
  for (int i = 0; i < shoppers; i++) {
    char name[32];
    if (i < NAMES)
      snprintf(name, sizeof name, "%s", names[i]);
    else
      snprintf(name, sizeof name, "%s-%d", names[i % NAMES], i / NAMES + 1);
    rate(file, name, products, n, d);
  }
  bool written = !ferror(file);
  return !fclose(file) && written;
}
