/* The hash of texts, for the tables that live in memory only. */
#ifndef RECSYS_STORE_HASH_H
#define RECSYS_STORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a (Fowler, Noll, Vo), then the finaliser of MurmurHash3, so that the low bits depend on every byte. */
static inline uint64_t recsys__hash(const char *text, size_t length, uint64_t seed) {
  uint64_t h = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (size_t i = 0; i < length; i++)
    h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}

#endif
