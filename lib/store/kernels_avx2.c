/* The kernels for AVX2. Products of two floats are exact in double, so a fused multiply-add would change nothing in
 * `dot`; in `distance2` it would, and there is none. */
#include "store/kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))

/* Adds up the lanes of four vectors. */
TARGET static __m128i add_lanes(__m256i a, __m256i b, __m256i c, __m256i d) {
  __m256i x = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

TARGET static __m256i widen(const uint8_t *codes) {
  return _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(const void *)codes));
}

TARGET static __m256i widen_signed(const int8_t *values) {
  return _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)values));
}

/* 255 x 127 x 2 fits an int32 but not an int16, hence vpmaddwd on widened codes and not vpmaddubsw. */
TARGET static __m256i multiply_add(__m256i sum, __m256i x, __m256i y) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
}

TARGET static void four_rows(int32_t *high_out, int32_t *low_out, const uint8_t *const row[4], size_t stride,
                             const recsys__probe *probe, const uint8_t *ahead) {
  __m256i high0 = _mm256_setzero_si256(), high1 = high0, high2 = high0, high3 = high0;
  __m256i low0 = high0, low1 = high0, low2 = high0, low3 = high0;
  for (size_t i = 0; i < stride; i += 16) {
    _mm_prefetch((const char *)ahead + 4 * i, _MM_HINT_T0);
    __m256i high = widen_signed(probe->high + i), low = widen_signed(probe->low + i), x;
    x = widen(row[0] + i), high0 = multiply_add(high0, x, high), low0 = multiply_add(low0, x, low);
    x = widen(row[1] + i), high1 = multiply_add(high1, x, high), low1 = multiply_add(low1, x, low);
    x = widen(row[2] + i), high2 = multiply_add(high2, x, high), low2 = multiply_add(low2, x, low);
    x = widen(row[3] + i), high3 = multiply_add(high3, x, high), low3 = multiply_add(low3, x, low);
  }
  _mm_storeu_si128((__m128i *)(void *)high_out, add_lanes(high0, high1, high2, high3));
  _mm_storeu_si128((__m128i *)(void *)low_out, add_lanes(low0, low1, low2, low3));
}

TARGET static void sums(recsys__sums *out, const uint8_t *codes, size_t stride, size_t rows, const recsys__probe *probe,
                        const uint8_t *ahead) {
  for (size_t r = 0; r < rows; r += 4) {
    /* Past the last row the last one is taken again: out has room for whole groups. */
    const uint8_t *row[4];
    for (size_t j = 0; j < 4; j++)
      row[j] = codes + (r + j < rows ? r + j : rows - 1) * stride;
    four_rows(out->high + r, out->low + r, row, stride, probe, (ahead ? ahead : codes) + r * stride);
  }
}

TARGET static __m256 estimate(const recsys__sums *in, size_t r, const recsys__bounds *bounds,
                              const recsys__probe *probe) {
  __m256i high = _mm256_load_si256((const __m256i *)(const void *)(in->high + r));
  __m256i low = _mm256_load_si256((const __m256i *)(const void *)(in->low + r));
  __m256 h = _mm256_cvtepi32_ps(_mm256_sub_epi32(high, _mm256_set1_epi32(probe->high_zero)));
  __m256 l = _mm256_cvtepi32_ps(_mm256_sub_epi32(low, _mm256_set1_epi32(probe->low_zero)));
  __m256 sum = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(probe->high_step), h),
                             _mm256_mul_ps(_mm256_set1_ps(probe->low_step), l));
  return _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(bounds->scales + r), sum), _mm256_loadu_ps(bounds->errors + r));
}

static size_t take(uint8_t *chosen, size_t count, size_t first, unsigned mask) {
  for (; mask; mask &= mask - 1)
    chosen[count++] = (uint8_t)(first + (size_t)__builtin_ctz(mask));
  return count;
}

TARGET static size_t select_cosine(uint8_t *chosen, const recsys__sums *in, size_t rows, const recsys__bounds *bounds,
                                   const recsys__probe *probe, double floor) {
  float least = recsys__float_below(floor - probe->slack);
  size_t count = 0, r = 0;
  for (; r + 8 <= rows; r += 8) {
    __m256 good = _mm256_cmp_ps(estimate(in, r, bounds, probe), _mm256_set1_ps(least), _CMP_GE_OQ);
    count = take(chosen, count, r, (unsigned)_mm256_movemask_ps(good));
  }
  return recsys__select_cosine_rest(chosen, count, in, r, rows, bounds, probe, least);
}

/* The Euclidean test for four rows; see recsys__select_euclidean_rest. */
TARGET static unsigned near_enough(__m128 estimates, const double *norms, const recsys__probe *probe, double limit2) {
  __m256d one = _mm256_set1_pd(1), own = _mm256_set1_pd(probe->norm), norm = _mm256_loadu_pd(norms);
  __m256d cosine = _mm256_min_pd(one, _mm256_add_pd(_mm256_cvtps_pd(estimates), _mm256_set1_pd(probe->slack)));
  __m256d gap = _mm256_sub_pd(own, norm), sum = _mm256_add_pd(own, norm);
  __m256d turn = _mm256_mul_pd(_mm256_mul_pd(_mm256_add_pd(own, own), norm), _mm256_sub_pd(one, cosine));
  __m256d least = _mm256_add_pd(_mm256_mul_pd(gap, gap), turn);
  least = _mm256_sub_pd(least, _mm256_mul_pd(_mm256_set1_pd(RECSYS__EUCLIDEAN_SLACK), _mm256_mul_pd(sum, sum)));
  return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(least, _mm256_set1_pd(limit2), _CMP_LE_OQ));
}

TARGET static size_t select_euclidean(uint8_t *chosen, const recsys__sums *in, size_t rows,
                                      const recsys__bounds *bounds, const recsys__probe *probe, double limit) {
  double limit2 = limit * limit * (1 + RECSYS__EUCLIDEAN_SLACK);
  size_t count = 0, r = 0;
  for (; r + 8 <= rows; r += 8) {
    __m256 estimates = estimate(in, r, bounds, probe);
    unsigned mask = near_enough(_mm256_castps256_ps128(estimates), bounds->norms + r, probe, limit2);
    mask |= near_enough(_mm256_extractf128_ps(estimates, 1), bounds->norms + r + 4, probe, limit2) << 4;
    count = take(chosen, count, r, mask);
  }
  return recsys__select_euclidean_rest(chosen, count, in, r, rows, bounds, probe, limit);
}

/* first holds sums 0..3, second 4..7. */
TARGET static double eight(__m256d first, __m256d second) {
  __m256d four = _mm256_add_pd(first, second);
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET static double dot(const float *x, const float *y, size_t n) {
  __m256d first = _mm256_setzero_pd(), second = first;
  for (size_t i = 0; i < n; i += 8) {
    __m256d x0 = _mm256_cvtps_pd(_mm_loadu_ps(x + i)), x1 = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
    __m256d y0 = _mm256_cvtps_pd(_mm_loadu_ps(y + i)), y1 = _mm256_cvtps_pd(_mm_loadu_ps(y + i + 4));
    first = _mm256_add_pd(first, _mm256_mul_pd(x0, y0));
    second = _mm256_add_pd(second, _mm256_mul_pd(x1, y1));
  }
  return eight(first, second);
}

TARGET static double distance2(const float *x, const float *y, size_t n) {
  __m256d first = _mm256_setzero_pd(), second = first;
  for (size_t i = 0; i < n; i += 8) {
    __m256d x0 = _mm256_cvtps_pd(_mm_loadu_ps(x + i)), x1 = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
    __m256d y0 = _mm256_cvtps_pd(_mm_loadu_ps(y + i)), y1 = _mm256_cvtps_pd(_mm_loadu_ps(y + i + 4));
    __m256d d0 = _mm256_sub_pd(x0, y0), d1 = _mm256_sub_pd(x1, y1);
    first = _mm256_add_pd(first, _mm256_mul_pd(d0, d0));
    second = _mm256_add_pd(second, _mm256_mul_pd(d1, d1));
  }
  return eight(first, second);
}

TARGET static float largest(const float *x, size_t n) {
  __m256i most = _mm256_setzero_si256(), plus = _mm256_set1_epi32(INT32_MAX);
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)), plus));
  int32_t lanes[8], bits;
  _mm256_storeu_si256((__m256i *)(void *)lanes, most);
  for (; i < n; i++) {
    memcpy(&bits, x + i, sizeof bits);
    lanes[0] = (bits & INT32_MAX) > lanes[0] ? bits & INT32_MAX : lanes[0];
  }
  for (size_t j = 1; j < 8; j++)
    lanes[0] = lanes[j] > lanes[0] ? lanes[j] : lanes[0];
  float value;
  memcpy(&value, lanes, sizeof value);
  return value;
}

TARGET static double encode(uint8_t *codes, const float *row, size_t n, double unit, float scale) {
  __m256d by = _mm256_set1_pd(scale > 0 ? 1 / (double)scale : 0), step = _mm256_set1_pd((double)scale);
  __m256d sign = _mm256_set1_pd(-0.0), half = _mm256_set1_pd(0.5), rest = _mm256_setzero_pd();
  __m128i most = _mm_set1_epi32(127), least = _mm_set1_epi32(-127);
  for (size_t i = 0; i < n; i += 4) {
    __m256d x = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(row + i)), _mm256_set1_pd(unit)), t = _mm256_mul_pd(x, by);
    t = _mm256_add_pd(t, _mm256_or_pd(_mm256_and_pd(t, sign), half));
    __m128i code = _mm_max_epi32(_mm_min_epi32(_mm256_cvttpd_epi32(t), most), least);
    __m256d e = _mm256_sub_pd(x, _mm256_mul_pd(step, _mm256_cvtepi32_pd(code)));
    rest = _mm256_add_pd(rest, _mm256_mul_pd(e, e));
    __m128i offset = _mm_add_epi32(code, _mm_set1_epi32(RECSYS__CODE_ZERO));
    offset = _mm_packus_epi16(_mm_packs_epi32(offset, offset), offset);
    int32_t four = _mm_cvtsi128_si32(offset);
    memcpy(codes + i, &four, 4);
  }
  return eight(rest, _mm256_setzero_pd());
}

TARGET static void gather(int32_t *out, const uint8_t *codes, size_t stride, const uint32_t *nodes, size_t n,
                          const int8_t *query, int32_t zero) {
  for (size_t i = 0; i < n; i += 4) {
    const uint8_t *row[4];
    for (size_t j = 0; j < 4; j++)
      row[j] = codes + (size_t)nodes[i + j < n ? i + j : n - 1] * stride;
    for (size_t j = i + 4; j < n && j < i + 8; j++)
      for (size_t b = 0; b < stride; b += 64)
        _mm_prefetch((const char *)codes + (size_t)nodes[j] * stride + b, _MM_HINT_T0);
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t b = 0; b < stride; b += 16) {
      __m256i y = widen_signed(query + b);
      s0 = multiply_add(s0, widen(row[0] + b), y);
      s1 = multiply_add(s1, widen(row[1] + b), y);
      s2 = multiply_add(s2, widen(row[2] + b), y);
      s3 = multiply_add(s3, widen(row[3] + b), y);
    }
    __m128i sums4 = _mm_sub_epi32(add_lanes(s0, s1, s2, s3), _mm_set1_epi32(zero));
    _mm_storeu_si128((__m128i *)(void *)(out + i), sums4);
  }
}

/* n is a multiple of 16. */
TARGET static float dot_float(const float *x, const float *y, size_t n) {
  __m256 first = _mm256_setzero_ps(), second = first;
  for (size_t i = 0; i < n; i += 16) {
    first = _mm256_add_ps(first, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    second = _mm256_add_ps(second, _mm256_mul_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(y + i + 8)));
  }
  float lanes[8], sum = 0;
  _mm256_storeu_ps(lanes, _mm256_add_ps(first, second));
  for (size_t j = 0; j < 8; j++)
    sum += lanes[j];
  return sum;
}

/* |y| as the unsigned factor and x with y's sign as the signed one: 127 x 127 x 2 fits an int16. */
TARGET static __m256i add_product(__m256i sum, __m256i x, __m256i y) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(y), _mm256_sign_epi8(x, y));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* 16 rows, from `codes` on, and four queries. The sums are of signed codes: the offset is put back, as `zero` counts
 * it. */
TARGET static void tile(int32_t sums[4][16], const uint8_t *codes, const int8_t *queries, size_t stride,
                        const recsys__panel_query *facts) {
  __m256i sum[4][2];
  for (size_t q = 0; q < 4; q++)
    sum[q][0] = sum[q][1] = _mm256_set1_epi32(facts[q].zero);
  const __m256i offset = _mm256_set1_epi8((char)RECSYS__CODE_ZERO);
  for (size_t i = 0; i < stride; i += 4, codes += (size_t)4 * RECSYS__PANEL_ROWS) {
    const __m256i *rows = (const __m256i *)(const void *)codes;
    __m256i x0 = _mm256_xor_si256(_mm256_load_si256(rows), offset);
    __m256i x1 = _mm256_xor_si256(_mm256_load_si256(rows + 1), offset);
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++) {
      int32_t four;
      memcpy(&four, queries + q * stride + i, 4);
      __m256i y = _mm256_set1_epi32(four);
      sum[q][0] = add_product(sum[q][0], x0, y);
      sum[q][1] = add_product(sum[q][1], x1, y);
    }
  }
  for (size_t q = 0; q < 4; q++)
    for (size_t j = 0; j < 2; j++)
      _mm256_storeu_si256((__m256i *)(void *)(sums[q] + 8 * j), sum[q][j]);
}

TARGET static uint64_t hits_of(const int32_t sums[8], const recsys__panel *panel, size_t r,
                               const recsys__panel_query *f) {
  __m256i whole = _mm256_loadu_si256((const __m256i *)(const void *)sums);
  __m256 sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(whole, _mm256_set1_epi32(f->zero)));
  __m256 rests = _mm256_add_ps(_mm256_mul_ps(_mm256_load_ps(panel->errors + r), _mm256_set1_ps(1 + f->error)),
                               _mm256_set1_ps(f->error + RECSYS__PANEL_SLACK));
  __m256 products = _mm256_mul_ps(_mm256_load_ps(panel->scales + r), _mm256_mul_ps(_mm256_set1_ps(f->scale), sum));
  __m256 tails = _mm256_mul_ps(_mm256_load_ps(panel->tails + r), _mm256_set1_ps(f->tail));
  __m256 cosine = _mm256_add_ps(products, _mm256_add_ps(tails, rests));
  __m256 value =
      _mm256_sub_ps(_mm256_mul_ps(_mm256_load_ps(panel->gains + r), _mm256_mul_ps(_mm256_set1_ps(f->gain), cosine)),
                    _mm256_add_ps(_mm256_load_ps(panel->bases + r), _mm256_set1_ps(f->base)));
  __m256 floor = _mm256_min_ps(_mm256_load_ps(panel->floors + r), _mm256_set1_ps(f->floor));
  return (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(value, floor, _CMP_NLT_UQ));
}

TARGET static void meet(uint64_t hits[RECSYS__PANEL_QUERIES], const recsys__panel *panel, const int8_t *queries,
                        size_t stride, const recsys__panel_query facts[RECSYS__PANEL_QUERIES]) {
  memset(hits, 0, RECSYS__PANEL_QUERIES * sizeof *hits);
  for (size_t first = 0; first < RECSYS__PANEL_QUERIES; first += 4)
    for (size_t r = 0; r < RECSYS__PANEL_ROWS; r += 16) {
      int32_t sums[4][16];
      tile(sums, panel->codes + 4 * r, queries + first * stride, stride, facts + first);
      for (size_t q = 0; q < 4; q++)
        for (size_t j = 0; j < 16; j += 8)
          hits[first + q] |= hits_of(sums[q] + j, panel, r + j, &facts[first + q]) << (r + j);
    }
}

const recsys__kernels recsys__kernels_avx2 = {"avx2", sums,      select_cosine,      select_euclidean,
                                              dot,    distance2, dot_float,          largest,
                                              encode, gather,    recsys__panel_pack, meet};
#endif
