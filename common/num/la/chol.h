/* chol.h - Cholesky factors of symmetric positive definite matrices and what they solve.
 *
 * ROOM     common/num/la. Pure numbers.
 * MODEL    A = L L', L lower triangular. Only the lower triangle of A is read, only it is written.
 *          Source: LAPACK dpotrf, dtrsm, dtrtri, dpocon (Anderson et al., LAPACK Users' Guide,
 *          3rd ed., SIAM 1999).
 * SHAPE    Column-major, leading dimension explicit; right-hand sides are the columns of B.
 * MEMORY   None is taken.
 * THREADS  any, after keel_la_init().
 */
#ifndef KEEL_COMMON_NUM_LA_CHOL_H
#define KEEL_COMMON_NUM_LA_CHOL_H

#include "common/base/status.h"

typedef enum keel_chol_outcome {
    KEEL_CHOL_FACTORED,
    KEEL_CHOL_NOT_DEFINITE, /* a pivot is not above pivot_min_frac of its diagonal */
} keel_chol_outcome;

/* Replace the lower triangle of a by L. A pivot must be more than pivot_min_frac (0 <= . < 1) of
 * the diagonal it comes from: pivot / diagonal is the part of variable j that the ones before it
 * do not explain, so the test does not depend on the units. a is spoilt when NOT_DEFINITE. n may
 * be 0. Cost n^3 / 3. */
KEEL_MUST_CHECK keel_chol_outcome keel_chol_factor(int n, double *a, int ld, double pivot_min_frac);

/* B = A^-1 B for nrhs columns, a as left by keel_chol_factor. Cost 2 n^2 nrhs. */
void keel_chol_solve(int n, int nrhs, const double *l, int ld, double *b, int ldb);

/* B = L^-1 B, or B = L'^-1 B. Cost n^2 nrhs. */
void keel_tri_solve(int n, int nrhs, const double *l, int ld, double *b, int ldb);
void keel_tri_solve_t(int n, int nrhs, const double *l, int ld, double *b, int ldb);

/* Lower triangle of l becomes that of L^-1; every diagonal must be > 0. Cost n^3 / 3. */
void keel_tri_invert(int n, double *l, int ld);

/* Estimate of 1 / (norm1(A) norm1(A^-1)) from the factor and norm1(A): 1 is perfect, below 1e-16
 * singular to working precision. work: 3n doubles, iwork: n ints. Cost O(n^2). */
double keel_chol_rcond(int n, const double *l, int ld, double norm1, double *work, int *iwork);

#endif
