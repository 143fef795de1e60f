/* SHA-256 (FIPS 180-4), with the processor's SHA extensions where it has them. */
#ifndef RECSYS_BASE_SHA256_H
#define RECSYS_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct recsys__sha256 {
  uint32_t state[8];
  uint64_t length;
  uint8_t block[64];
} recsys__sha256;

void recsys__sha256_init(recsys__sha256 *sha);
void recsys__sha256_update(recsys__sha256 *sha, const void *data, size_t n);
/* 64 lower-case hexadecimal digits and a NUL. */
void recsys__sha256_hex(recsys__sha256 *sha, char hex[65]);

#endif
