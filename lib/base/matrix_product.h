/*
 * The blocked product: included by matrix.c for each kind of number, with REAL, ROWS, DEPTH, COLUMNS (of a kernel's
 * tile), NAME (marks a name as this kind's), TILE, ADD (members of recsys__dense) and GEMM defined, which end here. One
 * task makes a ROWS x BLOCK_COLUMNS block of C, DEPTH summands at a time.
 */
typedef struct NAME(product) {
  int flags;
  size_t m, n, k, lda, ldb, ldc, blocks_across;
  REAL alpha, beta;
  const REAL *a, *b;
  REAL *c;
  const recsys__dense *dense;
  atomic_bool failed;
} NAME(product);

/* out[q * width + r] = from[r * stride + q], in pieces whose writes stay in the first-level cache. */
static void NAME(transpose)(const REAL *from, size_t stride, size_t rows, size_t depth, REAL *out, size_t width) {
  enum { PIECE = 16 };
  for (size_t start = 0; start < depth; start += PIECE) {
    size_t end = start + PIECE < depth ? start + PIECE : depth;
    for (size_t r = 0; r < rows; r++)
      for (size_t q = start; q < end; q++)
        out[q * width + r] = from[r * stride + q];
  }
}

/* out[q * width + c] = from[q * stride + c]; whole rows by moves of a size that the compiler knows. */
static void NAME(copy_rows)(const REAL *from, size_t stride, size_t used, size_t depth, REAL *out, size_t width) {
  for (size_t q = 0; q < depth; q++, from += stride, out += width) {
    if (used == COLUMNS)
      memcpy(out, from, COLUMNS * sizeof *out);
    else if (used == RECSYS__TILE_ROWS)
      memcpy(out, from, RECSYS__TILE_ROWS * sizeof *out);
    else
      memcpy(out, from, used * sizeof *out);
  }
}

/* Panels of TILE_ROWS rows of op(A), each k-major, short ones filled up with zeros. */
static void NAME(pack_a)(const NAME(product) * p, size_t row, size_t rows, size_t from, size_t depth, REAL *out) {
  for (size_t i = 0; i < rows; i += RECSYS__TILE_ROWS, out += RECSYS__TILE_ROWS * depth) {
    size_t used = rows - i < RECSYS__TILE_ROWS ? rows - i : RECSYS__TILE_ROWS;
    if (used < RECSYS__TILE_ROWS)
      memset(out, 0, RECSYS__TILE_ROWS * depth * sizeof *out);
    if (p->flags & RECSYS__A_TRANSPOSED) {
      NAME(copy_rows)(p->a + from * p->lda + row + i, p->lda, used, depth, out, RECSYS__TILE_ROWS);
    } else {
      NAME(transpose)(p->a + (row + i) * p->lda + from, p->lda, used, depth, out, RECSYS__TILE_ROWS);
    }
  }
}

static void NAME(pack_b)(const NAME(product) * p, size_t column, size_t columns, size_t from, size_t depth, REAL *out) {
  for (size_t j = 0; j < columns; j += COLUMNS, out += COLUMNS * depth) {
    size_t used = columns - j < COLUMNS ? columns - j : COLUMNS;
    if (used < COLUMNS)
      memset(out, 0, COLUMNS * depth * sizeof *out);
    if (p->flags & RECSYS__B_TRANSPOSED) {
      NAME(transpose)(p->b + (column + j) * p->ldb + from, p->ldb, used, depth, out, COLUMNS);
    } else {
      NAME(copy_rows)(p->b + from * p->ldb + column + j, p->ldb, used, depth, out, COLUMNS);
    }
  }
}

static void NAME(scale_block)(const NAME(product) * p, size_t row, size_t rows, size_t column, size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    REAL *c = p->c + (row + i) * p->ldc + column;
    if (p->beta == 0)
      memset(c, 0, columns * sizeof *c);
    else if (p->beta != 1)
      for (size_t j = 0; j < columns; j++)
        c[j] *= p->beta;
  }
}

static void NAME(add_tile)(const NAME(product) * p, const REAL *tile, size_t row, size_t rows, size_t column,
                           size_t columns) {
  for (size_t i = 0; i < rows; i++)
    p->dense->ADD(p->c + (row + i) * p->ldc + column, p->alpha, tile + i * COLUMNS, columns);
}

/* Which summands of a block can be other than zero. */
static void NAME(range)(const NAME(product) * p, size_t row, size_t rows, size_t column, size_t columns, size_t *from,
                        size_t *to) {
  *from = 0;
  *to = p->k;
  if (p->flags & RECSYS__A_LOWER)
    *to = least(*to, row + rows);
  if (p->flags & RECSYS__A_UPPER)
    *from = most(*from, row);
  if (p->flags & RECSYS__B_LOWER)
    *from = most(*from, column);
  if (p->flags & RECSYS__B_UPPER)
    *to = least(*to, column + columns);
}

static void NAME(block)(void *context, size_t part) {
  NAME(product) *p = context;
  size_t row = part / p->blocks_across * ROWS, column = part % p->blocks_across * BLOCK_COLUMNS;
  size_t rows = least(p->m - row, ROWS), columns = least(p->n - column, BLOCK_COLUMNS);
  if ((p->flags & RECSYS__C_LOWER) && column >= row + rows)
    return;
  REAL *a = recsys__alloc((size_t)ROWS * DEPTH, sizeof *a);
  REAL *b = recsys__alloc((size_t)BLOCK_COLUMNS * DEPTH, sizeof *b);
  REAL tile[RECSYS__TILE_ROWS * COLUMNS];
  size_t from, to;
  NAME(range)(p, row, rows, column, columns, &from, &to);
  if (a && b)
    NAME(scale_block)(p, row, rows, column, columns);
  else
    atomic_store(&p->failed, true);
  for (; a && b && from < to; from += DEPTH) {
    size_t depth = least(to - from, DEPTH);
    NAME(pack_a)(p, row, rows, from, depth, a);
    NAME(pack_b)(p, column, columns, from, depth, b);
    for (size_t j = 0; j < columns; j += COLUMNS)
      for (size_t i = 0; i < rows; i += RECSYS__TILE_ROWS) {
        p->dense->TILE(depth, a + i * depth, b + j * depth, tile);
        NAME(add_tile)(p, tile, row + i, least(rows - i, RECSYS__TILE_ROWS), column + j, least(columns - j, COLUMNS));
      }
  }
  recsys__free(a);
  recsys__free(b);
}

bool GEMM(uint32_t threads, int flags, size_t m, size_t n, size_t k, REAL alpha, const REAL *a, size_t lda,
          const REAL *b, size_t ldb, REAL beta, REAL *c, size_t ldc) {
  NAME(product)
  p = {.flags = flags,
       .m = m,
       .n = n,
       .k = k,
       .lda = lda,
       .ldb = ldb,
       .ldc = ldc,
       .blocks_across = (n + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS,
       .alpha = alpha,
       .beta = beta,
       .a = a,
       .b = b,
       .c = c,
       .dense = recsys__dense_at(0)};
  atomic_init(&p.failed, false);
  size_t blocks = (m + ROWS - 1) / ROWS * p.blocks_across;
  recsys__parallel((double)m * (double)n * (double)k < 1e5 ? 1 : threads, blocks, NAME(block), &p);
  return !atomic_load(&p.failed);
}

#undef REAL
#undef ROWS
#undef DEPTH
#undef COLUMNS
#undef NAME
#undef TILE
#undef ADD
#undef GEMM
