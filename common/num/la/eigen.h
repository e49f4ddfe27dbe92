/* eigen.h - eigenvalues and eigenvectors of symmetric matrices, and whether one is semidefinite.
 *
 * ROOM     common/num/la. Pure numbers.
 * MODEL    S = V diag(values) V', V'V = I, values ascending. A vector's sign is not determined by
 *          that; here its entry of largest magnitude is positive, the first one where several are
 *          equal. Vectors of equal values are any basis of their space, but always the same one.
 *          Source: LAPACK dsyevd, divide and conquer (J. Cuppen, A divide and conquer method for
 *          the symmetric tridiagonal eigenproblem, Numer. Math. 36, 1981).
 * SHAPE    Column-major, leading dimension explicit; packed matrices as in sym.h.
 * MEMORY   Cold path: each call takes working memory and gives it back, 3 n^2 doubles at most.
 * THREADS  any, after keel_la_init(). Same matrix, same build, same bytes.
 */
#ifndef KEEL_COMMON_NUM_LA_EIGEN_H
#define KEEL_COMMON_NUM_LA_EIGEN_H

#include "common/base/status.h"

enum { KEEL_EIGEN_N_MAX = 4096 };

/* How far below 0 rounding may push an eigenvalue of a matrix whose diagonal is 1. */
#define KEEL_SEMIDEFINITE_TOLERANCE 1e-10

/* Decompose the lower triangle of a (n x n, n in 0..KEEL_EIGEN_N_MAX): a becomes V, column k
 * belongs to values[k].
 *   KEEL_ETOOBIG    n; a untouched
 *   KEEL_ENONFINITE an entry of the triangle is NaN or infinite; a untouched
 *   KEEL_EUNAVAIL   the iteration did not converge (LAPACK knows no such matrix); a is spoilt
 * Cost about 9 n^3. */
KEEL_MUST_CHECK keel_status keel_eigen_decompose(int n, double *a, int ld, double *values);

/* The values alone, from a packed matrix. Statuses as above. Cost about 4/3 n^3. */
KEEL_MUST_CHECK keel_status keel_eigen_values(int n, const double *packed, double *values);

/* S (packed) = V diag(values) V' of the last `k` columns of V, values and vectors as
 * keel_eigen_decompose left them; negative values are taken as 0. k = n gives all. Cost n^2 k. */
void keel_eigen_compose(int n, int k, const double *vectors, const double *values, double *packed);

/* Whether x'S x >= 0 for every x, up to `tolerance` (> 0) of S scaled to a diagonal of 1, so that
 * units do not matter: first by a Cholesky factor of the scaled S + tolerance I, and only if there
 * is none by eigenvalues. An entry against a zero on the diagonal is scaled by the largest one.
 *   KEEL_OK         it is
 *   KEEL_ERANGE     it is not; *smallest (may be NULL) = smallest eigenvalue of the scaled matrix
 *   KEEL_ENONFINITE an entry is NaN or infinite
 *   KEEL_ETOOBIG    n
 * *smallest is written with KEEL_ERANGE only. Cost n^3 / 3 when it is, 2 n^3 when not. */
KEEL_MUST_CHECK keel_status keel_sym_check_semidefinite(int n, const double *packed,
                                                        double tolerance, double *smallest);

#endif
