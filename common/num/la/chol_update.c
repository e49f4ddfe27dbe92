#include "common/num/la/chol_update.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

static double *column_of(double *l, int ld, int j)
{
    return l + (size_t)j * (size_t)ld;
}

keel_chol_outcome keel_chol_append(int n, double *l, int ld, const double *column,
                                   double pivot_min_frac)
{
    double *row = l + n;
    const double diagonal = column[n];
    if (n > 0) {
        cblas_dcopy(n, column, 1, row, ld);
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, l, ld, row, ld);
    }
    const double pivot = diagonal - (n > 0 ? cblas_ddot(n, row, ld, row, ld) : 0);
    if (!(pivot > 0) || !(pivot > pivot_min_frac * diagonal))
        return KEEL_CHOL_NOT_DEFINITE;
    column_of(l, ld, n)[n] = sqrt(pivot);
    return KEEL_CHOL_FACTORED;
}

void keel_chol_append_carried(const double *l, int ld, keel_la_matrix carried, const double *row)
{
    const int n = carried.m;
    const double *left = l + n;
    const double pivot = left[(size_t)n * (size_t)ld];
    for (int j = 0; j < carried.n; j++) {
        double *b = column_of(carried.at, carried.ld, j);
        b[n] = (row[j] - (n > 0 ? cblas_ddot(n, left, ld, b, 1) : 0)) / pivot;
    }
}

/* Rows after `at` move up by one; each then reaches one column past its diagonal. */
static void close_gap(int n, double *l, int ld, int at)
{
    for (int j = 0; j < n; j++) {
        const int first = j > at ? j : at + 1;
        double *from = column_of(l, ld, j) + first;
        memmove(from - 1, from, (size_t)(n - first) * sizeof *from);
    }
}

void keel_chol_delete(int n, double *l, int ld, int at, keel_la_matrix carried)
{
    close_gap(n, l, ld, at);
    for (int j = at; j < n - 1; j++) {
        double *left = column_of(l, ld, j) + j, *right = column_of(l, ld, j + 1) + j;
        const double r = hypot(*left, *right);
        const double c = *left / r, s = *right / r;
        *left = r;
        cblas_drot(n - j - 2, left + 1, 1, right + 1, 1, c, s);
        if (carried.n > 0)
            cblas_drot(carried.n, carried.at + j, carried.ld, carried.at + j + 1, carried.ld, c, s);
    }
}

/* Take x into column j; what is left of x begins at j + 1. */
static void rotate_in(int n, double *l, int ld, double *x, int j)
{
    double *column = column_of(l, ld, j) + j;
    const double r = hypot(*column, x[j]);
    const double c = *column / r, s = x[j] / r;
    *column = r;
    cblas_drot(n - j - 1, column + 1, 1, x + j + 1, 1, c, s);
}

void keel_chol_update(int n, double *l, int ld, double *x)
{
    for (int j = 0; j < n; j++)
        rotate_in(n, l, ld, x, j);
}

void keel_chol_update_many(int n, double *l, int ld, keel_la_matrix x)
{
    for (int j = 0; j < n; j++) {
        for (int k = 0; k < x.n; k++)
            rotate_in(n, l, ld, column_of(x.at, x.ld, k), j);
    }
}

/* The pivots of A - x x' before anything is touched: pivot j is scaled by what the first j + 1
 * numbers of p = L^-1 x leave of 1, over what the first j leave. diagonal: those of A - x x'. */
static bool pivots_stay(int n, const double *l, int ld, const double *p, const double *diagonal,
                        double pivot_min_frac)
{
    double left = 1;
    for (int j = 0; j < n; j++) {
        const double after = left - p[j] * p[j];
        const double old = l[(size_t)j * (size_t)ld + (size_t)j];
        const double pivot = old * old * after / left;
        if (!(after > 0) || !(pivot > pivot_min_frac * diagonal[j]))
            return false;
        left = after;
    }
    return true;
}

static void downdated_diagonal(int n, const double *l, int ld, const double *x, double *diagonal)
{
    for (int i = 0; i < n; i++)
        diagonal[i] = -x[i] * x[i];
    for (int j = 0; j < n; j++) {
        const double *column = l + (size_t)j * (size_t)ld;
        for (int i = j; i < n; i++)
            diagonal[i] += column[i] * column[i];
    }
}

keel_chol_outcome keel_chol_downdate(int n, double *l, int ld, double *x, double pivot_min_frac,
                                     double *work)
{
    if (n == 0)
        return KEEL_CHOL_FACTORED;
    double *carry = work, *diagonal = work + n;
    downdated_diagonal(n, l, ld, x, diagonal);
    keel_tri_solve(n, 1, l, ld, x, n);
    if (!pivots_stay(n, l, ld, x, diagonal, pivot_min_frac))
        return KEEL_CHOL_NOT_DEFINITE;
    double rho = 1;
    for (int j = 0; j < n; j++)
        rho -= x[j] * x[j];
    rho = sqrt(rho);
    memset(carry, 0, (size_t)n * sizeof *carry);
    for (int j = n - 1; j >= 0; j--) {
        const double r = hypot(rho, x[j]);
        double *column = column_of(l, ld, j) + j;
        cblas_drot(n - j, carry + j, 1, column, 1, rho / r, x[j] / r);
        rho = r;
    }
    return KEEL_CHOL_FACTORED;
}
