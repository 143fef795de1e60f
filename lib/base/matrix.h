/*
 * Dense matrices, row-major: products in double and float, and symmetric positive definite systems in double. Work is
 * cut into fixed tiles, so that results do not depend on the number of threads. Measured beside what could be had
 * instead: oneDNN has no product in double, and OpenBLAS 0.3.21 takes AVX2 kernels on processors that it does not know
 * and starts threads of its own; docs/benchmarks.md has the rates.
 */
#ifndef RECSYS_BASE_MATRIX_H
#define RECSYS_BASE_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

/* What is known to be zero, or not wanted. "Lower" includes the diagonal, and is meant after the transposition. */
enum {
  RECSYS__A_TRANSPOSED = 1,
  RECSYS__B_TRANSPOSED = 2,
  RECSYS__A_LOWER = 4,
  RECSYS__A_UPPER = 8,
  RECSYS__B_LOWER = 16,
  RECSYS__B_UPPER = 32,
  RECSYS__C_LOWER = 64 /* only tiles that touch the lower triangle are computed; others stay as they are */
};

/* C (m x n) = beta C + alpha op(A) (m x k) op(B) (k x n); beta 0 does not read C. lda, ldb, ldc: doubles from one row
 * to the next, of the matrices as they lie. Triangles that are named as zero are never read outside 96 x 192 blocks
 * on the diagonal, where they must hold zeros. false: out of memory, and C is spoilt. */
bool recsys__gemm(uint32_t threads, int flags, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
                  const double *b, size_t ldb, double beta, double *c, size_t ldc);

/* The same in float. */
bool recsys__gemm_float(uint32_t threads, int flags, size_t m, size_t n, size_t k, float alpha, const float *a,
                        size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* The inverse of a symmetric positive definite matrix (n x n, its lower triangle is read), in place, both triangles.
 * A = L Lᵀ by blocked Cholesky, with the inverse of L made along the way; then L⁻ᵀ L⁻¹. Takes another n x n x 1.25
 * doubles meanwhile. RECSYS_EINVAL, and the row in *pivot (or NULL), where the matrix is not positive definite to
 * working precision; RECSYS_ENOMEM. A failed call spoils the matrix. */
recsys_status recsys__spd_inverse(uint32_t threads, double *a, size_t n, size_t *pivot);

/* Fills the upper triangle from the lower one. */
void recsys__mirror(uint32_t threads, double *a, size_t n);

/* Small systems: Cholesky A = UᵀU in place (upper triangle of n x n, rows `stride` apart), and the solution of A x = b
 * in place. false: not positive definite. */
bool recsys__cholesky(double *a, size_t n, size_t stride);
void recsys__cholesky_solve(const double *u, size_t n, size_t stride, double *b);

/* Eigenvalues (falling) and eigenvectors (rows of v) of a small symmetric matrix (n x n, destroyed), by Jacobi's
 * rotations. */
void recsys__symmetric_eigen(double *a, size_t n, double *values, double *v);

#endif
