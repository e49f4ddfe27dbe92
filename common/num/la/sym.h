/* sym.h - symmetric matrices as packed lower triangles.
 *
 * ROOM     common/num/la. Pure numbers.
 * SHAPE    n x n, packed by columns: (i,j), i >= j, at j*(2n - j - 1)/2 + i; n(n+1)/2 numbers.
 *          The same shape as common/domain/estimate.h, which may not be included from here.
 * MEMORY   None is taken.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_NUM_LA_SYM_H
#define KEEL_COMMON_NUM_LA_SYM_H

#include <stddef.h>

static inline size_t keel_sym_len(int n)
{
    return (size_t)n * ((size_t)n + 1) / 2;
}

static inline size_t keel_sym_at(int n, int i, int j) /* needs i >= j */
{
    return (size_t)j * (2 * (size_t)n - (size_t)j - 1) / 2 + (size_t)i;
}

static inline double keel_sym_get(int n, const double *packed, int i, int j)
{
    return packed[i >= j ? keel_sym_at(n, i, j) : keel_sym_at(n, j, i)];
}

/* Both triangles of the dense column-major matrix, ld >= n. Cost n^2. */
void keel_sym_unpack(int n, const double *packed, double *dense, int ld);

/* Packed from the lower triangle of a dense matrix. */
void keel_sym_pack(int n, const double *dense, int ld, double *packed);

/* Lower triangle of the k x k block of the variables pick[0] < pick[1] < ..., ld = k. */
void keel_sym_block(int n, const double *packed, const int *pick, int k, double *block);

/* y = S x; zeros of x are skipped, so a sparse x of k entries costs n k, a full one n^2.
 * scratch: n ints. */
void keel_sym_matvec(int n, const double *packed, const double *x, double *y, int *scratch);

/* x'S x, summed by columns. */
double keel_sym_quadratic(int n, const double *packed, const double *x);

#endif
