/* The block functions of SHA-256, for sha256.c and for the tests that compare them. */
#ifndef RECSYS_BASE_SHA256_BLOCKS_H
#define RECSYS_BASE_SHA256_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint32_t recsys__sha256_constants[64];

/* n blocks of 64 bytes into the state. */
void recsys__sha256_blocks_plain(uint32_t state[8], const uint8_t *data, size_t n);
/* The same with the processor's SHA extensions: only where they exist. */
bool recsys__sha256_has_instructions(void);
void recsys__sha256_blocks_fast(uint32_t state[8], const uint8_t *data, size_t n);

#endif
