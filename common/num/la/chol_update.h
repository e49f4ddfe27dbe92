/* chol_update.h - a Cholesky factor that is carried while its matrix changes a little.
 *
 * ROOM     common/num/la. Pure numbers.
 * MODEL    A = L L'. Append and delete change the order of A by one; update and downdate add or
 *          take away x x'. With right-hand sides C carried as B = L^-1 C, append and delete keep B
 *          right too, so that nothing is solved again.
 *          Source: G. Golub and C. Van Loan, Matrix Computations, 4th ed. (2013), section 6.5;
 *          M. Seeger, Low rank updates for the Cholesky decomposition (2004): rotations found from
 *          L^-1 x make the downdate backward stable.
 * SHAPE    As chol.h: column-major, leading dimension explicit, the upper triangle is not read;
 *          only keel_chol_delete writes there, the entry above each new diagonal.
 * MEMORY   None is taken; scratch is the caller's.
 * THREADS  any, after keel_la_init().
 */
#ifndef KEEL_COMMON_NUM_LA_CHOL_UPDATE_H
#define KEEL_COMMON_NUM_LA_CHOL_UPDATE_H

#include "common/num/la/chol.h"
#include "common/num/la/la.h"

/* Give A one more row and column: column has n + 1 numbers, the last is the diagonal. The new pivot
 * must be more than pivot_min_frac (0 <= . < 1) of that diagonal. l has room for n + 1; only its
 * row n is written, and when NOT_DEFINITE the factor of order n is as it was. Cost n^2. */
KEEL_MUST_CHECK keel_chol_outcome keel_chol_append(int n, double *l, int ld, const double *column,
                                                   double pivot_min_frac);

/* After keel_chol_append: row n of B from row n of C (carried.n numbers, their distance in memory
 * is 1). carried.m = n counts the rows before it; ld > n. Cost 2 n carried.n. */
void keel_chol_append_carried(const double *l, int ld, keel_la_matrix carried, const double *row);

/* Take row and column `at` out of A, by n - at - 1 rotations, and out of the carried B (n rows, 0
 * columns when there is none); both then have n - 1 rows. Never fails: what is left of a positive
 * definite matrix is one. Cost 3 (n - at)^2 + (n - at)(at + 6 carried.n). */
void keel_chol_delete(int n, double *l, int ld, int at, keel_la_matrix carried);

/* A + x x'; x (n) is spoilt. Never fails. Cost 3 n^2. */
void keel_chol_update(int n, double *l, int ld, double *x);

/* A + X X', the k columns of X (n x k) are spoilt. One pass over l. Cost 3 k n^2. */
void keel_chol_update_many(int n, double *l, int ld, keel_la_matrix x);

/* A - x x'. Each pivot that would be left must be more than pivot_min_frac of its own diagonal of
 * A - x x'; l is untouched when NOT_DEFINITE. x (n) is spoilt either way; work: 2n doubles.
 * Cost 5 n^2. */
KEEL_MUST_CHECK keel_chol_outcome keel_chol_downdate(int n, double *l, int ld, double *x,
                                                     double pivot_min_frac, double *work);

#endif
