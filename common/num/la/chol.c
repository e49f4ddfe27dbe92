#include "common/num/la/chol.h"

#include "common/base/assert.h"

#include <cblas.h>
#include <lapacke.h>

/* Beyond this order diagonals are summed again from the rows of L. */
enum { DIAGONALS = 4096 };

/* The diagonal of A is the sum of squares of a row of L. */
static double diagonal_of(int i, const double *l, int ld)
{
    double sum = 0;
    for (int j = 0; j <= i; j++)
        sum += l[(long)j * ld + i] * l[(long)j * ld + i];
    return sum;
}

/* diagonals: those of A, NULL = not kept. */
static double smallest_pivot(int n, const double *l, int ld, const double *diagonals)
{
    double smallest = 1;
    for (int i = 0; i < n; i++) {
        const double pivot = l[(long)i * ld + i] * l[(long)i * ld + i];
        const double diagonal = diagonals != NULL ? diagonals[i] : diagonal_of(i, l, ld);
        if (!(pivot >= smallest * diagonal))
            smallest = pivot / diagonal;
    }
    return smallest;
}

keel_chol_outcome keel_chol_factor(int n, double *a, int ld, double pivot_min_frac)
{
    double diagonals[DIAGONALS];
    if (n == 0)
        return KEEL_CHOL_FACTORED;
    for (int i = 0; i < n && n <= DIAGONALS; i++)
        diagonals[i] = a[(long)i * ld + i];
    /* the _work form skips LAPACKE's own search for NaN: callers have looked already */
    const int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, a, ld);
    KEEL_ASSERT(info >= 0);
    return info == 0 && smallest_pivot(n, a, ld, n <= DIAGONALS ? diagonals : NULL) > pivot_min_frac
               ? KEEL_CHOL_FACTORED
               : KEEL_CHOL_NOT_DEFINITE;
}

/* Up to this order a call of BLAS costs more than the loops. */
enum { SMALL = 16 };

static void solve_small(int n, const double *l, int ld, double *b)
{
    for (int j = 0; j < n; j++) {
        const double *column = l + (long)j * ld;
        b[j] /= column[j];
        for (int i = j + 1; i < n; i++)
            b[i] -= b[j] * column[i];
    }
}

static void solve_small_t(int n, const double *l, int ld, double *b)
{
    for (int j = n - 1; j >= 0; j--) {
        const double *column = l + (long)j * ld;
        double sum = b[j];
        for (int i = j + 1; i < n; i++)
            sum -= column[i] * b[i];
        b[j] = sum / column[j];
    }
}

void keel_tri_solve(int n, int nrhs, const double *l, int ld, double *b, int ldb)
{
    if (n <= SMALL && nrhs == 1)
        solve_small(n, l, ld, b);
    else if (n > 0 && nrhs == 1) /* no blocking to set up */
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, l, ld, b, 1);
    else if (n > 0 && nrhs > 0)
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, nrhs, 1, l,
                    ld, b, ldb);
}

void keel_tri_solve_t(int n, int nrhs, const double *l, int ld, double *b, int ldb)
{
    if (n <= SMALL && nrhs == 1)
        solve_small_t(n, l, ld, b);
    else if (n > 0 && nrhs == 1)
        cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, n, l, ld, b, 1);
    else if (n > 0 && nrhs > 0)
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, n, nrhs, 1, l,
                    ld, b, ldb);
}

void keel_chol_solve(int n, int nrhs, const double *l, int ld, double *b, int ldb)
{
    keel_tri_solve(n, nrhs, l, ld, b, ldb);
    keel_tri_solve_t(n, nrhs, l, ld, b, ldb);
}

void keel_tri_invert(int n, double *l, int ld)
{
    if (n == 0)
        return;
    const int info = LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'L', 'N', n, l, ld);
    KEEL_ASSERT(info == 0);
}

double keel_chol_rcond(int n, const double *l, int ld, double norm1, double *work, int *iwork)
{
    double rcond = 0;
    const int info =
        LAPACKE_dpocon_work(LAPACK_COL_MAJOR, 'L', n, l, ld, norm1, &rcond, work, iwork);
    KEEL_ASSERT(info == 0);
    return rcond;
}
