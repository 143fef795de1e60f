/* Simulated shoppers with tastes, and what they rate. */
#ifndef SHOPPERS_H
#define SHOPPERS_H

#include <stdbool.h>
#include <stddef.h>

#include "random.h"

typedef struct product {
  char key[16];
  int kind, colour, pattern;
  double price;
} product;

/* Writes ratings.csv: user, item, rating (1 to 5), time. */
bool shoppers_rate(const char *path, const product *products, size_t n, int shoppers, dice *d);

#endif
