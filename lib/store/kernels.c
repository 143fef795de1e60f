/* The kernels in plain C, which are the reference for the others, and the choice among them. */
#include "store/kernels.h"

#include <stdatomic.h>
#include <string.h>

float recsys__float_below(double x) {
  float f = (float)x;
  return (double)f > x ? nextafterf(f, -INFINITY) : f;
}

static void sums(recsys__sums *out, const uint8_t *codes, size_t stride, size_t rows, const recsys__probe *probe,
                 const uint8_t *ahead) {
  (void)ahead;
  for (size_t r = 0; r < rows; r++, codes += stride) {
    int32_t high = 0, low = 0;
    for (size_t i = 0; i < stride; i++) {
      high += codes[i] * probe->high[i];
      low += codes[i] * probe->low[i];
    }
    out->high[r] = high;
    out->low[r] = low;
  }
}

static float estimate(const recsys__sums *in, size_t r, const recsys__bounds *bounds, const recsys__probe *probe) {
  float high = (float)(in->high[r] - probe->high_zero), low = (float)(in->low[r] - probe->low_zero);
  return bounds->scales[r] * (probe->high_step * high + probe->low_step * low);
}

size_t recsys__select_cosine_rest(uint8_t *chosen, size_t count, const recsys__sums *in, size_t first, size_t rows,
                                  const recsys__bounds *bounds, const recsys__probe *probe, float floor) {
  for (size_t r = first; r < rows; r++)
    if (estimate(in, r, bounds, probe) + bounds->errors[r] >= floor)
      chosen[count++] = (uint8_t)r;
  return count;
}

size_t recsys__select_euclidean_rest(uint8_t *chosen, size_t count, const recsys__sums *in, size_t first, size_t rows,
                                     const recsys__bounds *bounds, const recsys__probe *probe, double limit) {
  double limit2 = limit * limit * (1 + RECSYS__EUCLIDEAN_SLACK);
  for (size_t r = first; r < rows; r++) {
    double cosine = fmin(1, (double)(estimate(in, r, bounds, probe) + bounds->errors[r]) + probe->slack);
    double gap = probe->norm - bounds->norms[r], sum = probe->norm + bounds->norms[r];
    double least = gap * gap + 2 * probe->norm * bounds->norms[r] * (1 - cosine);
    if (least - RECSYS__EUCLIDEAN_SLACK * (sum * sum) <= limit2)
      chosen[count++] = (uint8_t)r;
  }
  return count;
}

static size_t select_cosine(uint8_t *chosen, const recsys__sums *in, size_t rows, const recsys__bounds *bounds,
                            const recsys__probe *probe, double floor) {
  return recsys__select_cosine_rest(chosen, 0, in, 0, rows, bounds, probe, recsys__float_below(floor - probe->slack));
}

static size_t select_euclidean(uint8_t *chosen, const recsys__sums *in, size_t rows, const recsys__bounds *bounds,
                               const recsys__probe *probe, double limit) {
  return recsys__select_euclidean_rest(chosen, 0, in, 0, rows, bounds, probe, limit);
}

static double eight(const double s[8]) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double dot(const float *x, const float *y, size_t n) {
  double s[8] = {0};
  for (size_t i = 0; i < n; i += 8)
    for (size_t j = 0; j < 8; j++)
      s[j] += (double)x[i + j] * (double)y[i + j];
  return eight(s);
}

static double distance2(const float *x, const float *y, size_t n) {
  double s[8] = {0};
  for (size_t i = 0; i < n; i += 8)
    for (size_t j = 0; j < 8; j++) {
      double d = (double)x[i + j] - (double)y[i + j];
      s[j] += d * d;
    }
  return eight(s);
}

static float dot_float(const float *x, const float *y, size_t n) {
  float s[8] = {0};
  for (size_t i = 0; i < n; i += 8)
    for (size_t j = 0; j < 8; j++)
      s[j] += x[i + j] * y[i + j];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static float largest(const float *x, size_t n) {
  int32_t most = 0, bits;
  for (size_t i = 0; i < n; i++) {
    memcpy(&bits, x + i, sizeof bits);
    bits &= INT32_MAX; /* rises with |x|, and what is no number comes last */
    most = bits > most ? bits : most;
  }
  float value;
  memcpy(&value, &most, sizeof value);
  return value;
}

static double encode(uint8_t *codes, const float *row, size_t n, double unit, float scale) {
  double inverse = scale > 0 ? 1 / (double)scale : 0, rest = 0;
  for (size_t i = 0; i < n; i++) {
    double x = (double)row[i] * unit;
    int code = recsys__code(x * inverse);
    codes[i] = (uint8_t)(code + RECSYS__CODE_ZERO);
    double e = x - (double)scale * code;
    rest += e * e;
  }
  return rest;
}

static void gather(int32_t *sums_out, const uint8_t *codes, size_t stride, const uint32_t *nodes, size_t n,
                   const int8_t *query, int32_t zero) {
  for (size_t i = 0; i < n; i++) {
    const uint8_t *row = codes + (size_t)nodes[i] * stride;
    int32_t sum = 0;
    for (size_t j = 0; j < stride; j++)
      sum += row[j] * query[j];
    sums_out[i] = sum - zero;
  }
}

void recsys__panel_pack(recsys__panel *panel, const uint8_t *codes, size_t stride, size_t rows) {
  uint8_t *to = panel->codes;
  for (size_t i = 0; i < stride; i += 4, to += (size_t)4 * RECSYS__PANEL_ROWS) {
    for (size_t r = 0; r < rows; r++)
      memcpy(to + 4 * r, codes + r * stride + i, 4);
    memset(to + 4 * rows, 0, 4 * (RECSYS__PANEL_ROWS - rows));
  }
}

static void products(int32_t sum[RECSYS__PANEL_ROWS], const uint8_t *codes, const int8_t *query, size_t stride) {
  memset(sum, 0, RECSYS__PANEL_ROWS * sizeof *sum);
  for (size_t i = 0; i < stride; i += 4, codes += (size_t)4 * RECSYS__PANEL_ROWS)
    for (size_t r = 0; r < RECSYS__PANEL_ROWS; r++)
      sum[r] += codes[4 * r] * query[i] + codes[4 * r + 1] * query[i + 1] + codes[4 * r + 2] * query[i + 2] +
                codes[4 * r + 3] * query[i + 3];
}

static void meet(uint64_t hits[RECSYS__PANEL_QUERIES], const recsys__panel *panel, const int8_t *queries, size_t stride,
                 const recsys__panel_query facts[RECSYS__PANEL_QUERIES]) {
  for (size_t q = 0; q < RECSYS__PANEL_QUERIES; q++) {
    const recsys__panel_query *f = &facts[q];
    int32_t whole[RECSYS__PANEL_ROWS];
    products(whole, panel->codes, queries + q * stride, stride);
    hits[q] = 0;
    for (size_t r = 0; r < RECSYS__PANEL_ROWS; r++) {
      float sum = (float)(whole[r] - f->zero);
      float rests = panel->errors[r] * (1 + f->error) + (f->error + RECSYS__PANEL_SLACK);
      float cosine = panel->scales[r] * (f->scale * sum) + (panel->tails[r] * f->tail + rests);
      float value = panel->gains[r] * (f->gain * cosine) - (panel->bases[r] + f->base);
      hits[q] |= (uint64_t) !(value < fminf(f->floor, panel->floors[r])) << r;
    }
  }
}

const recsys__kernels recsys__kernels_plain = {"plain", sums,      select_cosine,      select_euclidean,
                                               dot,     distance2, dot_float,          largest,
                                               encode,  gather,    recsys__panel_pack, meet};

static _Atomic(const recsys__kernels *) chosen_set;

const recsys__kernels *recsys__kernels_at(size_t index) {
  size_t i = 0;
  if (index == i++)
    return &recsys__kernels_plain;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && index == i++)
    return &recsys__kernels_avx2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") && index == i++)
    return &recsys__kernels_avx512;
#endif
  return NULL;
}

const recsys__kernels *recsys__kernels_now(void) {
  const recsys__kernels *set = atomic_load_explicit(&chosen_set, memory_order_acquire);
  if (set)
    return set;
  for (size_t i = 0; recsys__kernels_at(i); i++)
    set = recsys__kernels_at(i);
  atomic_store_explicit(&chosen_set, set, memory_order_release);
  return set;
}

void recsys__kernels_force(const recsys__kernels *kernels) {
  atomic_store_explicit(&chosen_set, kernels, memory_order_release);
}
