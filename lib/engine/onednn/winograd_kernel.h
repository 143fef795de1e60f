/* The inner loops of Winograd's convolution, for each kind of processor. All numbers are float32; L = lanes. */
#ifndef RECSYS_ENGINE_ONEDNN_WINOGRAD_KERNEL_H
#define RECSYS_ENGINE_ONEDNN_WINOGRAD_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* Of F(4 x 4, 3 x 3): what goes into a tile, what comes out of it, and numbers of its transform (6 x 6). */
enum {
  WINOGRAD_IN = 6,
  WINOGRAD_OUT = 4,
  WINOGRAD_POINTS = 36,
  WINOGRAD_PANEL = 2 /* vectors of a panel of weights */
};

typedef struct winograd_kernel {
  const char *name;
  int lanes; /* channels that are worked on at once */
  int rows;  /* tiles of one product, at most */
  /* L filters (3 x 3 each, `stride` floats apart), worked out in double: point k at out + k * step. */
  void (*filter)(const float *filters, size_t stride, float *out, size_t step);
  /* A 6 x 6 patch of L channels, its points `pixel` and its rows `row` floats apart; rows and columns outside [first,
   * last) are zeros and not read. out: point k at out + k * step. */
  void (*input)(const float *patch, size_t pixel, size_t row, const int first[2], const int last[2], float *out,
                size_t step);
  /* to (count tiles x vectors * L channels) = from (count tiles x groups * L channels) times weights (groups * L x
   * vectors * L). from and to: L channels of all tiles, then the next L, `from_step`, `to_step` floats later. count <=
   * rows, vectors <= WINOGRAD_PANEL. */
  void (*multiply)(size_t count, size_t groups, int vectors, const float *from, size_t from_step, const float *weights,
                   float *to, size_t to_step);
  /* rows x columns (<= 4 x 4) results of L channels: point k at points + k * step, plus bias (L, or NULL), plus what is
   * there (add), not less than zero (relu). */
  void (*output)(const float *points, size_t step, const float *bias, bool add, bool relu, int rows, int columns,
                 float *to, size_t pixel, size_t row);
} winograd_kernel;

extern const winograd_kernel winograd_plain;
#if defined(__x86_64__)
extern const winograd_kernel winograd_avx2, winograd_avx512;
#endif
/* 0: the best one here, 1...: the next ones that run here, down to plain; NULL past the last. */
const winograd_kernel *winograd_kernel_at(size_t index);

#endif
