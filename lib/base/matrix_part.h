/*
 * One tile of a product: included by matrix_tile.h for each kind of number, with REAL, VECTOR (a vector of them),
 * COLUMNS (of the tile), PART and WHOLE (names) defined, which end here.
 */
TARGET static inline void PART(size_t k, const REAL *restrict a, const REAL *restrict b, REAL *restrict c) {
  enum { WIDTH = sizeof(VECTOR) / sizeof(REAL) };
  VECTOR sum[SUB_ROWS][SUB_VECTORS] = {{{0}}};
  for (size_t p = 0; p < k; p++, a += RECSYS__TILE_ROWS, b += COLUMNS) {
    VECTOR row[SUB_VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < SUB_VECTORS; j++)
      memcpy(&row[j], b + j * WIDTH, sizeof row[j]);
#pragma GCC unroll 8
    for (int i = 0; i < SUB_ROWS; i++)
#pragma GCC unroll 8
      for (int j = 0; j < SUB_VECTORS; j++)
        sum[i][j] += a[i] * row[j];
  }
#pragma GCC unroll 8
  for (int i = 0; i < SUB_ROWS; i++)
#pragma GCC unroll 8
    for (int j = 0; j < SUB_VECTORS; j++)
      memcpy(c + i * COLUMNS + j * WIDTH, &sum[i][j], sizeof sum[i][j]);
}

TARGET static void WHOLE(size_t k, const REAL *a, const REAL *b, REAL *c) {
  enum { WIDTH = sizeof(VECTOR) / sizeof(REAL) };
  for (int i = 0; i < RECSYS__TILE_ROWS; i += SUB_ROWS)
    for (int j = 0; j < COLUMNS; j += SUB_VECTORS * WIDTH)
      PART(k, a + i, b + j, c + i * COLUMNS + j);
}

#undef REAL
#undef VECTOR
#undef COLUMNS
#undef PART
#undef WHOLE
