/* The tile product that the processor at hand runs best. */
#ifndef RECSYS_BASE_MATRIX_KERNEL_H
#define RECSYS_BASE_MATRIX_KERNEL_H

#include <stddef.h>

enum { RECSYS__TILE_ROWS = 8, RECSYS__TILE_COLUMNS = 24 };

/* c (8 x 24) = sum over p < k of a[p] (8) outer b[p] (24); panels packed, c dense. */
typedef void (*recsys__tile_fn)(size_t k, const double *a, const double *b, double *c);

void recsys__tile_plain(size_t k, const double *a, const double *b, double *c);
#if defined(__x86_64__)
void recsys__tile_avx2(size_t k, const double *a, const double *b, double *c);
void recsys__tile_avx512(size_t k, const double *a, const double *b, double *c);
#endif
/* 0: the best one here, 1...: the next ones that run here, down to plain; NULL past the last. */
recsys__tile_fn recsys__tile_at(size_t index);

#endif
