/* The inner loops of resize.c: sums of pixels times weights, rounded to nearest and kept within 0..255. The pixels of
 * a row are packed RGB; a column is just bytes. */
#include "image/resample.h"

#include <string.h>

static const int32_t half = 1 << (RECSYS__WEIGHT_BITS - 1);

static inline uint8_t clip(int32_t sum) {
  int32_t value = sum >> RECSYS__WEIGHT_BITS;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void across_plain(uint8_t *out, const uint8_t *row, const recsys__taps *taps, uint32_t width) {
  for (size_t x = 0; x < width; x++) {
    const uint8_t *in = row + (size_t)taps->first[x] * 3;
    const int32_t *weights = taps->weights + x * taps->size;
    int32_t sums[3] = {half, half, half};
    for (uint32_t i = 0; i < taps->count[x]; i++, in += 3) {
      sums[0] += in[0] * weights[i];
      sums[1] += in[1] * weights[i];
      sums[2] += in[2] * weights[i];
    }
    out[3 * x] = clip(sums[0]);
    out[3 * x + 1] = clip(sums[1]);
    out[3 * x + 2] = clip(sums[2]);
  }
}

static void down_plain(uint8_t *out, const uint8_t *rows, size_t stride, size_t n, const int32_t *weights,
                       uint32_t count) {
  for (size_t x = 0; x < n; x++) {
    int32_t sum = half;
    for (uint32_t i = 0; i < count; i++) {
      sum += rows[i * stride + x] * weights[i];
    }
    out[x] = clip(sum);
  }
}

const recsys__resampler recsys__resampler_plain = {across_plain, down_plain};

#if defined(__x86_64__)
#include <immintrin.h>

static inline __m128i load8(const void *from) {
  return _mm_loadl_epi64(from);
}

/* Two input pixels at a time: red, green, blue and nothing of the one in the lower half, of the other in the upper. */
__attribute__((target("avx2"))) static void one_pixel(uint8_t out[4], const uint8_t *in, const int32_t *weights,
                                                      uint32_t count) {
  const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i each = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  __m256i sums = _mm256_setzero_si256();
  for (uint32_t i = 0; i < count; i += 2, in += 6) {
    __m256i two = _mm256_cvtepu8_epi32(_mm_shuffle_epi8(load8(in), spread));
    __m256i weight = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(load8(weights + i)), each);
    sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(two, weight));
  }
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(half)), RECSYS__WEIGHT_BITS);
  sum = _mm_packs_epi32(sum, sum);
  int32_t rgb = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
  memcpy(out, &rgb, 4);
}

/* Two output pixels, one in each half, of two input pixels each: what enlarging needs. */
__attribute__((target("avx2"))) static inline __m256i two_of_two(const uint8_t *a, const uint8_t *b,
                                                                 const int32_t *weights) {
  const __m256i first = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1, /* */
                                         0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1);
  const __m256i second = _mm256_setr_epi8(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1, /* */
                                          3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1);
  const __m256i even = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2), odd = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
  __m256i in = _mm256_inserti128_si256(_mm256_castsi128_si256(load8(a)), load8(b), 1);
  __m256i weight = _mm256_castsi128_si256(_mm_loadu_si128((const void *)weights));
  __m256i sum = _mm256_mullo_epi32(_mm256_shuffle_epi8(in, first), _mm256_permutevar8x32_epi32(weight, even));
  __m256i more = _mm256_mullo_epi32(_mm256_shuffle_epi8(in, second), _mm256_permutevar8x32_epi32(weight, odd));
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(sum, more), _mm256_set1_epi32(half)), RECSYS__WEIGHT_BITS);
}

/* Four output pixels of two input pixels each, packed into twelve bytes. */
__attribute__((target("avx2"))) static inline void four_of_two(uint8_t *out, const uint8_t *row, const uint32_t *first,
                                                               const int32_t *weights) {
  const __m128i pack = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  __m256i a = two_of_two(row + (size_t)first[0] * 3, row + (size_t)first[1] * 3, weights);
  __m256i b = two_of_two(row + (size_t)first[2] * 3, row + (size_t)first[3] * 3, weights + 4);
  __m256i words = _mm256_packs_epi32(a, b);
  __m256i bytes = _mm256_packus_epi16(words, words);
  __m128i four = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  uint8_t rgb[16];
  _mm_storeu_si128((__m128i *)(void *)rgb, _mm_shuffle_epi8(four, pack));
  memcpy(out, rgb, 12);
}

__attribute__((target("avx2"))) static void across_avx2(uint8_t *out, const uint8_t *row, const recsys__taps *taps,
                                                        uint32_t width) {
  size_t x = 0;
  for (; taps->size == 2 && x + 4 <= width; x += 4) {
    four_of_two(out + 3 * x, row, taps->first + x, taps->weights + 2 * x);
  }
  for (; x < width; x++) {
    uint8_t rgb[4];
    one_pixel(rgb, row + (size_t)taps->first[x] * 3, taps->weights + x * taps->size, taps->count[x]);
    memcpy(out + 3 * x, rgb, 3);
  }
}

/* Eight sums of column bytes starting at `in`. */
__attribute__((target("avx2"))) static inline __m256i add_eight(__m256i sums, const uint8_t *in, __m256i weight) {
  __m256i eight = _mm256_cvtepu8_epi32(load8(in));
  return _mm256_add_epi32(sums, _mm256_mullo_epi32(eight, weight));
}

__attribute__((target("avx2"))) static void down_avx2(uint8_t *out, const uint8_t *rows, size_t stride, size_t n,
                                                      const int32_t *weights, uint32_t count) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  size_t x = 0;
  for (; x + 32 <= n; x += 32) {
    __m256i a = _mm256_set1_epi32(half), b = a, c = a, d = a;
    const uint8_t *in = rows + x;
    for (uint32_t i = 0; i < count; i++, in += stride) {
      __m256i weight = _mm256_set1_epi32(weights[i]);
      a = add_eight(a, in, weight);
      b = add_eight(b, in + 8, weight);
      c = add_eight(c, in + 16, weight);
      d = add_eight(d, in + 24, weight);
    }
    a = _mm256_packs_epi32(_mm256_srai_epi32(a, RECSYS__WEIGHT_BITS), _mm256_srai_epi32(b, RECSYS__WEIGHT_BITS));
    c = _mm256_packs_epi32(_mm256_srai_epi32(c, RECSYS__WEIGHT_BITS), _mm256_srai_epi32(d, RECSYS__WEIGHT_BITS));
    a = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, c), order);
    _mm256_storeu_si256((__m256i *)(void *)(out + x), a);
  }
  down_plain(out + x, rows + x, stride, n - x, weights, count);
}

const recsys__resampler *recsys__resampler_avx2(void) {
  static const recsys__resampler resampler = {across_avx2, down_avx2};
  return __builtin_cpu_supports("avx2") ? &resampler : NULL;
}
#else
const recsys__resampler *recsys__resampler_avx2(void) {
  return NULL;
}
#endif
