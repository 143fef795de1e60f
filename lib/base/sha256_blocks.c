/* SHA-256's block function twice: as FIPS 180-4 section 6.2.2 writes it, and with x86's SHA extensions. */
#include "base/sha256_blocks.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

const uint32_t recsys__sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const uint8_t *block) {
  for (int t = 0; t < 16; t++) {
    const uint8_t *p = block + 4 * t;
    w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
}

static void block_plain(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64], v[8]; /* v: the working variables a..h */
  schedule(w, block);
  memcpy(v, state, sizeof v);
  for (int t = 0; t < 64; t++) {
    uint32_t big1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t t1 = v[7] + big1 + choice + recsys__sha256_constants[t] + w[t];
    uint32_t big0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t t2 = big0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += t1;
    v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) {
    state[i] += v[i];
  }
}

void recsys__sha256_blocks_plain(uint32_t state[8], const uint8_t *data, size_t n) {
  for (size_t i = 0; i < n; i++) {
    block_plain(state, data + 64 * i);
  }
}

#if defined(__x86_64__)

bool recsys__sha256_has_instructions(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0) {
    return false;
  }
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29)) != 0; /* EBX bit 29: SHA */
}

/* Four rounds with schedule words w of rounds t..t+3. */
__attribute__((target("sha,sse4.1"), always_inline)) static inline void four_rounds(__m128i *abef, __m128i *cdgh,
                                                                                    __m128i w, int t) {
  __m128i wk = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(const void *)(recsys__sha256_constants + t)));
  *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
  *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0E));
}

__attribute__((target("sha,sse4.1,ssse3"))) static void block_fast(__m128i *abef, __m128i *cdgh, const uint8_t *block) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i *in = (const __m128i *)(const void *)block;
  __m128i abef0 = *abef, cdgh0 = *cdgh, w[4];
  for (int i = 0; i < 4; i++) {
    w[i] = _mm_shuffle_epi8(_mm_loadu_si128(in + i), big_endian);
    four_rounds(abef, cdgh, w[i], 4 * i);
  }
  for (int t = 16; t < 64; t += 4) {
    int i = t / 4 % 4; /* w[i] holds words t-16.., and becomes words t.. */
    __m128i seven = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i], w[(i + 1) & 3]), seven);
    w[i] = _mm_sha256msg2_epu32(sum, w[(i + 3) & 3]);
    four_rounds(abef, cdgh, w[i], t);
  }
  *abef = _mm_add_epi32(*abef, abef0);
  *cdgh = _mm_add_epi32(*cdgh, cdgh0);
}

__attribute__((target("sha,sse4.1,ssse3"))) void recsys__sha256_blocks_fast(uint32_t state[8], const uint8_t *data,
                                                                            size_t n) {
  /* The instructions want the state as (a b e f) and (c d g h), highest word first. */
  __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
  __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
  for (size_t i = 0; i < n; i++) {
    block_fast(&abef, &cdgh, data + 64 * i);
  }
  static const int places[2][4] = {{5, 4, 1, 0}, {7, 6, 3, 2}};
  uint32_t words[2][4];
  _mm_storeu_si128((__m128i *)(void *)words[0], abef);
  _mm_storeu_si128((__m128i *)(void *)words[1], cdgh);
  for (int i = 0; i < 8; i++) {
    state[places[i / 4][i % 4]] = words[i / 4][i % 4];
  }
}

#else

bool recsys__sha256_has_instructions(void) {
  return false;
}

void recsys__sha256_blocks_fast(uint32_t state[8], const uint8_t *data, size_t n) {
  recsys__sha256_blocks_plain(state, data, n);
}

#endif
