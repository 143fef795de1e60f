/* Seeded random numbers that are the same on every machine (PCG32, O'Neill 2014). */
#ifndef RECSYS_BASE_RANDOM_H
#define RECSYS_BASE_RANDOM_H

#include <stdint.h>

typedef struct recsys__random {
  uint64_t state, increment;
} recsys__random;

void recsys__random_seed(recsys__random *random, uint64_t seed, uint64_t stream);
uint32_t recsys__random_u32(recsys__random *random);
/* 0 <= x < 1, 53 bits; and 0 <= x < n without bias. */
double recsys__random_unit(recsys__random *random);
uint32_t recsys__random_below(recsys__random *random, uint32_t n);

#endif
