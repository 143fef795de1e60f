/* The kernels for AVX-512 with VNNI: vpdpbusd multiplies unsigned codes by signed query parts and adds them up in int32
 * without saturation. Compiled with -ffp-contract=off, so that no fused multiply-add changes the bits of a result. */
#include "store/kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,fma")))

/* Adds up the lanes of four vectors. */
TARGET static __m128i add_lanes(__m512i a, __m512i b, __m512i c, __m512i d) {
  __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  __m512i x = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  __m256i y = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}

/* Four rows share the loads of the query. The next rows are fetched in the order in which they lie: left alone, the
 * processor sees four streams and fetches none of them well (a third of the bandwidth on Zen 5). */
TARGET static void four_rows(int32_t *high_out, int32_t *low_out, const uint8_t *const row[4], size_t stride,
                             const recsys__probe *probe, const uint8_t *ahead) {
  __m512i high0 = _mm512_setzero_si512(), high1 = high0, high2 = high0, high3 = high0;
  __m512i low0 = high0, low1 = high0, low2 = high0, low3 = high0;
  for (size_t i = 0; i < stride; i += 64) {
    const char *next = (const char *)ahead + 4 * i;
    _mm_prefetch(next, _MM_HINT_T0);
    _mm_prefetch(next + 64, _MM_HINT_T0);
    _mm_prefetch(next + 128, _MM_HINT_T0);
    _mm_prefetch(next + 192, _MM_HINT_T0);
    __m512i high = _mm512_load_si512(probe->high + i), low = _mm512_load_si512(probe->low + i), x;
    x = _mm512_load_si512(row[0] + i);
    high0 = _mm512_dpbusd_epi32(high0, x, high), low0 = _mm512_dpbusd_epi32(low0, x, low);
    x = _mm512_load_si512(row[1] + i);
    high1 = _mm512_dpbusd_epi32(high1, x, high), low1 = _mm512_dpbusd_epi32(low1, x, low);
    x = _mm512_load_si512(row[2] + i);
    high2 = _mm512_dpbusd_epi32(high2, x, high), low2 = _mm512_dpbusd_epi32(low2, x, low);
    x = _mm512_load_si512(row[3] + i);
    high3 = _mm512_dpbusd_epi32(high3, x, high), low3 = _mm512_dpbusd_epi32(low3, x, low);
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

TARGET static __m512 estimate(const recsys__sums *in, size_t r, const recsys__bounds *bounds,
                              const recsys__probe *probe) {
  __m512i high = _mm512_sub_epi32(_mm512_load_si512(in->high + r), _mm512_set1_epi32(probe->high_zero));
  __m512i low = _mm512_sub_epi32(_mm512_load_si512(in->low + r), _mm512_set1_epi32(probe->low_zero));
  __m512 sum = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(probe->high_step), _mm512_cvtepi32_ps(high)),
                             _mm512_mul_ps(_mm512_set1_ps(probe->low_step), _mm512_cvtepi32_ps(low)));
  return _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(bounds->scales + r), sum), _mm512_loadu_ps(bounds->errors + r));
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
  for (; r + 16 <= rows; r += 16) {
    __mmask16 good = _mm512_cmp_ps_mask(estimate(in, r, bounds, probe), _mm512_set1_ps(least), _CMP_GE_OQ);
    count = take(chosen, count, r, good);
  }
  return recsys__select_cosine_rest(chosen, count, in, r, rows, bounds, probe, least);
}

/* The Euclidean test for eight rows; see recsys__select_euclidean_rest. */
TARGET static unsigned near_enough(__m256 estimates, const double *norms, const recsys__probe *probe, double limit2) {
  __m512d one = _mm512_set1_pd(1), own = _mm512_set1_pd(probe->norm), norm = _mm512_loadu_pd(norms);
  __m512d cosine = _mm512_min_pd(one, _mm512_add_pd(_mm512_cvtps_pd(estimates), _mm512_set1_pd(probe->slack)));
  __m512d gap = _mm512_sub_pd(own, norm), sum = _mm512_add_pd(own, norm);
  __m512d turn = _mm512_mul_pd(_mm512_mul_pd(_mm512_add_pd(own, own), norm), _mm512_sub_pd(one, cosine));
  __m512d least = _mm512_add_pd(_mm512_mul_pd(gap, gap), turn);
  least = _mm512_sub_pd(least, _mm512_mul_pd(_mm512_set1_pd(RECSYS__EUCLIDEAN_SLACK), _mm512_mul_pd(sum, sum)));
  return _mm512_cmp_pd_mask(least, _mm512_set1_pd(limit2), _CMP_LE_OQ);
}

TARGET static size_t select_euclidean(uint8_t *chosen, const recsys__sums *in, size_t rows,
                                      const recsys__bounds *bounds, const recsys__probe *probe, double limit) {
  double limit2 = limit * limit * (1 + RECSYS__EUCLIDEAN_SLACK);
  size_t count = 0, r = 0;
  for (; r + 16 <= rows; r += 16) {
    __m512 estimates = estimate(in, r, bounds, probe);
    __m256 upper = _mm256_castsi256_ps(_mm512_extracti64x4_epi64(_mm512_castps_si512(estimates), 1));
    unsigned mask = near_enough(_mm512_castps512_ps256(estimates), bounds->norms + r, probe, limit2);
    mask |= near_enough(upper, bounds->norms + r + 8, probe, limit2) << 8;
    count = take(chosen, count, r, mask);
  }
  return recsys__select_euclidean_rest(chosen, count, in, r, rows, bounds, probe, limit);
}

TARGET static double eight(__m512d sum) {
  __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(sum), _mm512_extractf64x4_pd(sum, 1));
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET static double dot(const float *x, const float *y, size_t n) {
  __m512d sum = _mm512_setzero_pd();
  for (size_t i = 0; i < n; i += 8) {
    __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(x + i)), b = _mm512_cvtps_pd(_mm256_loadu_ps(y + i));
    sum = _mm512_add_pd(sum, _mm512_mul_pd(a, b));
  }
  return eight(sum);
}

TARGET static double distance2(const float *x, const float *y, size_t n) {
  __m512d sum = _mm512_setzero_pd();
  for (size_t i = 0; i < n; i += 8) {
    __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(x + i)), b = _mm512_cvtps_pd(_mm256_loadu_ps(y + i));
    __m512d d = _mm512_sub_pd(a, b);
    sum = _mm512_add_pd(sum, _mm512_mul_pd(d, d));
  }
  return eight(sum);
}

TARGET static float largest(const float *x, size_t n) {
  __m512i most = _mm512_setzero_si512(), plus = _mm512_set1_epi32(INT32_MAX);
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 there = (__mmask16)(n - i < 16 ? (1U << (n - i)) - 1 : 0xffffU);
    most = _mm512_max_epi32(most, _mm512_and_si512(_mm512_maskz_loadu_epi32(there, x + i), plus));
  }
  int32_t bits = _mm512_reduce_max_epi32(most);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

TARGET static double encode(uint8_t *codes, const float *row, size_t n, double unit, float scale) {
  __m512d by = _mm512_set1_pd(scale > 0 ? 1 / (double)scale : 0), step = _mm512_set1_pd((double)scale);
  __m512i sign = _mm512_set1_epi64(INT64_MIN), half = _mm512_castpd_si512(_mm512_set1_pd(0.5));
  __m512d rest = _mm512_setzero_pd();
  __m256i most = _mm256_set1_epi32(127), least = _mm256_set1_epi32(-127);
  for (size_t i = 0; i < n; i += 8) {
    __m512d x = _mm512_mul_pd(_mm512_cvtps_pd(_mm256_loadu_ps(row + i)), _mm512_set1_pd(unit));
    __m512d t = _mm512_mul_pd(x, by);
    __m512i half_away = _mm512_or_si512(_mm512_and_si512(_mm512_castpd_si512(t), sign), half);
    t = _mm512_add_pd(t, _mm512_castsi512_pd(half_away));
    __m256i code = _mm256_max_epi32(_mm256_min_epi32(_mm512_cvttpd_epi32(t), most), least);
    __m512d e = _mm512_sub_pd(x, _mm512_mul_pd(step, _mm512_cvtepi32_pd(code)));
    rest = _mm512_add_pd(rest, _mm512_mul_pd(e, e));
    __m128i offset = _mm256_cvtepi32_epi8(_mm256_add_epi32(code, _mm256_set1_epi32(RECSYS__CODE_ZERO)));
    _mm_storel_epi64((__m128i *)(void *)(codes + i), offset);
  }
  return eight(rest);
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
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t b = 0; b < stride; b += 64) {
      __m512i y = _mm512_load_si512(query + b);
      s0 = _mm512_dpbusd_epi32(s0, _mm512_load_si512(row[0] + b), y);
      s1 = _mm512_dpbusd_epi32(s1, _mm512_load_si512(row[1] + b), y);
      s2 = _mm512_dpbusd_epi32(s2, _mm512_load_si512(row[2] + b), y);
      s3 = _mm512_dpbusd_epi32(s3, _mm512_load_si512(row[3] + b), y);
    }
    __m128i sums4 = _mm_sub_epi32(add_lanes(s0, s1, s2, s3), _mm_set1_epi32(zero));
    _mm_storeu_si128((__m128i *)(void *)(out + i), sums4);
  }
}

TARGET static float dot_float(const float *x, const float *y, size_t n) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    a = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), a);
    b = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(y + i + 16), b);
    c = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 32), _mm512_loadu_ps(y + i + 32), c);
    d = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 48), _mm512_loadu_ps(y + i + 48), d);
  }
  for (; i < n; i += 16)
    a = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), a);
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

/* In place and with a name for each sum: GCC 12 moves the sums of intrinsics about, and leaves an array in memory. */
#define ADD_PRODUCT(sum, x, y) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y))

TARGET static __m512i four_codes(const int8_t *codes) {
  int32_t four;
  memcpy(&four, codes, 4);
  return _mm512_set1_epi32(four);
}

/* The sums of one query with the three times 16 rows in x0, x1 and x2. */
#define BEGIN(s) __m512i s##0 = _mm512_setzero_si512(), s##1 = s##0, s##2 = s##0
#define STEP(s, q)                                                                                                     \
  do {                                                                                                                 \
    __m512i y = four_codes(queries + (q)*stride + i);                                                                  \
    ADD_PRODUCT(s##0, x0, y);                                                                                          \
    ADD_PRODUCT(s##1, x1, y);                                                                                          \
    ADD_PRODUCT(s##2, x2, y);                                                                                          \
  } while (0)
#define KEEP(s, q)                                                                                                     \
  do {                                                                                                                 \
    _mm512_store_si512(sums[q], s##0);                                                                                 \
    _mm512_store_si512(sums[q] + 16, s##1);                                                                            \
    _mm512_store_si512(sums[q] + 32, s##2);                                                                            \
  } while (0)

/* 24 sums of 16 rows each stay in registers. */
TARGET static void tile(int32_t sums[RECSYS__PANEL_QUERIES][RECSYS__PANEL_ROWS], const uint8_t *codes,
                        const int8_t *queries, size_t stride) {
  BEGIN(a);
  BEGIN(b);
  BEGIN(c);
  BEGIN(d);
  BEGIN(e);
  BEGIN(f);
  BEGIN(g);
  BEGIN(h);
  for (size_t i = 0; i < stride; i += 4, codes += (size_t)4 * RECSYS__PANEL_ROWS) {
    __m512i x0 = _mm512_load_si512(codes), x1 = _mm512_load_si512(codes + 64), x2 = _mm512_load_si512(codes + 128);
    STEP(a, 0);
    STEP(b, 1);
    STEP(c, 2);
    STEP(d, 3);
    STEP(e, 4);
    STEP(f, 5);
    STEP(g, 6);
    STEP(h, 7);
  }
  KEEP(a, 0);
  KEEP(b, 1);
  KEEP(c, 2);
  KEEP(d, 3);
  KEEP(e, 4);
  KEEP(f, 5);
  KEEP(g, 6);
  KEEP(h, 7);
}

TARGET static uint64_t hits_of(const int32_t sums[16], const recsys__panel *panel, size_t r,
                               const recsys__panel_query *f) {
  __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(f->zero)));
  __m512 rests = _mm512_add_ps(_mm512_mul_ps(_mm512_load_ps(panel->errors + r), _mm512_set1_ps(1 + f->error)),
                               _mm512_set1_ps(f->error + RECSYS__PANEL_SLACK));
  __m512 products = _mm512_mul_ps(_mm512_load_ps(panel->scales + r), _mm512_mul_ps(_mm512_set1_ps(f->scale), sum));
  __m512 tails = _mm512_mul_ps(_mm512_load_ps(panel->tails + r), _mm512_set1_ps(f->tail));
  __m512 cosine = _mm512_add_ps(products, _mm512_add_ps(tails, rests));
  __m512 value =
      _mm512_sub_ps(_mm512_mul_ps(_mm512_load_ps(panel->gains + r), _mm512_mul_ps(_mm512_set1_ps(f->gain), cosine)),
                    _mm512_add_ps(_mm512_load_ps(panel->bases + r), _mm512_set1_ps(f->base)));
  __m512 floor = _mm512_min_ps(_mm512_load_ps(panel->floors + r), _mm512_set1_ps(f->floor));
  return (uint64_t)_mm512_cmp_ps_mask(value, floor, _CMP_NLT_UQ);
}

TARGET static void meet(uint64_t hits[RECSYS__PANEL_QUERIES], const recsys__panel *panel, const int8_t *queries,
                        size_t stride, const recsys__panel_query facts[RECSYS__PANEL_QUERIES]) {
  _Alignas(64) int32_t sums[RECSYS__PANEL_QUERIES][RECSYS__PANEL_ROWS];
  tile(sums, panel->codes, queries, stride);
  for (size_t q = 0; q < RECSYS__PANEL_QUERIES; q++) {
    hits[q] = 0;
    for (size_t r = 0; r < RECSYS__PANEL_ROWS; r += 16)
      hits[q] |= hits_of(sums[q] + r, panel, r, &facts[q]) << r;
  }
}

/* Four codes of 16 rows at a time. */
TARGET static void pack(recsys__panel *panel, const uint8_t *codes, size_t stride, size_t rows) {
  if (rows < RECSYS__PANEL_ROWS || stride > INT32_MAX / 16) {
    recsys__panel_pack(panel, codes, stride, rows);
    return;
  }
  __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i offsets = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)stride));
  for (size_t g = 0; g < RECSYS__PANEL_ROWS / 16; g++, codes += 16 * stride)
    for (size_t i = 0; i < stride; i += 4)
      _mm512_store_si512(panel->codes + i * RECSYS__PANEL_ROWS + 64 * g, _mm512_i32gather_epi32(offsets, codes + i, 1));
}

const recsys__kernels recsys__kernels_avx512 = {"avx512",  sums,    select_cosine, select_euclidean, dot,  distance2,
                                                dot_float, largest, encode,        gather,           pack, meet};
#endif
