/* Random numbers, the same for a seed on every machine: SplitMix64 (Steele, Lea and Flood 2014). */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

typedef struct dice {
  uint64_t state;
} dice;

static inline uint64_t dice_roll(dice *d) {
  uint64_t z = d->state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/* Evenly in from..to. */
static inline double dice_real(dice *d, double from, double to) {
  return from + (to - from) * ((double)(dice_roll(d) >> 11) * 0x1p-53);
}

/* Evenly in 0..n-1. */
static inline unsigned dice_below(dice *d, unsigned n) {
  return (unsigned)(dice_real(d, 0, 1) * n);
}

/* Roughly normal, mean 0, deviation 1: a sum of twelve. */
static inline double dice_bell(dice *d) {
  double sum = -6;
  for (int i = 0; i < 12; i++)
    sum += dice_real(d, 0, 1);
  return sum;
}

#endif
