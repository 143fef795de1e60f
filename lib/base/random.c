/* PCG32 (XSH-RR 64/32): O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random
 * Number Generation", HMC-CS-2014-0905. */
#include "base/random.h"

void recsys__random_seed(recsys__random *random, uint64_t seed, uint64_t stream) {
  random->state = 0;
  random->increment = (stream << 1) | 1;
  recsys__random_u32(random);
  random->state += seed;
  recsys__random_u32(random);
}

uint32_t recsys__random_u32(recsys__random *random) {
  uint64_t old = random->state;
  random->state = old * UINT64_C(6364136223846793005) + random->increment;
  uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27);
  uint32_t turn = (uint32_t)(old >> 59);
  return (mixed >> turn) | (mixed << (-turn & 31));
}

double recsys__random_unit(recsys__random *random) {
  uint64_t high = recsys__random_u32(random) >> 5; /* 27 bits and 26 bits */
  uint64_t low = recsys__random_u32(random) >> 6;
  return (double)(high << 26 | low) * 0x1p-53;
}

uint32_t recsys__random_below(recsys__random *random, uint32_t n) {
  if (n == 0) {
    return 0;
  }
  uint32_t threshold = -n % n; /* 2^32 mod n: below it lie the values that would make small results likelier */
  uint32_t value;
  do {
    value = recsys__random_u32(random);
  } while (value < threshold);
  return value % n;
}
