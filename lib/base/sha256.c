/* SHA-256 (FIPS 180-4): buffering, padding and the choice between the two block functions. */
#include "base/sha256.h"

#include <stdatomic.h>
#include <string.h>

#include "base/sha256_blocks.h"

void recsys__sha256_init(recsys__sha256 *sha) {
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}; /* section 5.3.3 */
  memcpy(sha->state, initial, sizeof initial);
  sha->length = 0;
}

static void blocks(uint32_t state[8], const uint8_t *data, size_t n) {
  static _Atomic int has_instructions; /* 0: not asked yet, 1: no, 2: yes */
  int known = atomic_load_explicit(&has_instructions, memory_order_relaxed);
  if (known == 0) {
    known = recsys__sha256_has_instructions() ? 2 : 1;
    atomic_store_explicit(&has_instructions, known, memory_order_relaxed);
  }
  if (known == 2) {
    recsys__sha256_blocks_fast(state, data, n);
  } else {
    recsys__sha256_blocks_plain(state, data, n);
  }
}

void recsys__sha256_update(recsys__sha256 *sha, const void *data, size_t n) {
  const uint8_t *bytes = data;
  size_t held = (size_t)(sha->length % 64);
  if (n == 0) {
    return;
  }
  sha->length += n;
  if (held > 0) {
    size_t taken = n < 64 - held ? n : 64 - held;
    memcpy(sha->block + held, bytes, taken);
    bytes += taken;
    n -= taken;
    if (held + taken < 64) {
      return;
    }
    blocks(sha->state, sha->block, 1);
  }
  blocks(sha->state, bytes, n / 64);
  memcpy(sha->block, bytes + n / 64 * 64, n % 64);
}

void recsys__sha256_hex(recsys__sha256 *sha, char hex[65]) {
  static const char digits[] = "0123456789abcdef";
  uint8_t padding[72] = {0x80};
  uint64_t bits = sha->length * 8;
  size_t zeros = (119 - (size_t)(sha->length % 64)) % 64; /* so that 1 + zeros + 8 bytes end a block */
  for (int i = 0; i < 8; i++) {
    padding[1 + zeros + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
  }
  recsys__sha256_update(sha, padding, 1 + zeros + 8);
  for (int i = 0; i < 64; i++) {
    hex[i] = digits[(sha->state[i / 8] >> (28 - 4 * (i % 8))) & 15];
  }
  hex[64] = '\0';
}
