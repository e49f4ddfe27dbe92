#include "common/num/la/la.h"

#include <cblas.h>
#include <math.h>

void keel_la_init(void)
{
    openblas_set_num_threads(1);
}

/* BLAS leaves y alone when the sum is empty; here an empty sum is 0. */
static void scale(int n, double beta, double *y)
{
    for (int i = 0; i < n; i++)
        y[i] = beta == 0 ? 0 : beta * y[i]; /* exact: 0 also clears what is not a number */
}

void keel_la_matvec(keel_la_matrix a, double alpha, const double *x, double beta, double *y)
{
    if (a.n > 0 && a.m > 0)
        cblas_dgemv(CblasColMajor, CblasNoTrans, a.m, a.n, alpha, a.at, a.ld, x, 1, beta, y, 1);
    else
        scale(a.m, beta, y);
}

void keel_la_matvec_t(keel_la_matrix a, double alpha, const double *x, double beta, double *y)
{
    if (a.n > 0 && a.m > 0)
        cblas_dgemv(CblasColMajor, CblasTrans, a.m, a.n, alpha, a.at, a.ld, x, 1, beta, y, 1);
    else
        scale(a.n, beta, y);
}

void keel_la_symmetric(int n, const double *a, const double *x, double *y)
{
    if (n > 0)
        cblas_dsymv(CblasColMajor, CblasLower, n, 1, a, n, x, 1, 0, y, 1);
}

void keel_la_rank_one(keel_la_matrix a, double alpha, const double *x, const double *y)
{
    if (a.m > 0 && a.n > 0)
        cblas_dger(CblasColMajor, a.m, a.n, alpha, x, 1, y, 1, a.at, a.ld);
}

void keel_la_gram(int k, int n, const double *v, double *g)
{
    if (n > 0)
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, n, k, 1, v, k > 0 ? k : 1, 0, g, n);
}

void keel_la_gram_between(int k, int m, int n, const double *v, const double *w, double *g)
{
    const int ld = k > 0 ? k : 1;
    if (m > 0 && n > 0)
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, m, n, k, 1, v, ld, w, ld, 0, g, m);
}

double keel_la_dot(int n, const double *x, const double *y)
{
    return n > 0 ? cblas_ddot(n, x, 1, y, 1) : 0;
}

void keel_la_add_scaled(int n, double alpha, const double *x, double *y)
{
    if (n > 0)
        cblas_daxpy(n, alpha, x, 1, y, 1);
}

double keel_la_largest(int n, const double *x)
{
    return n > 0 ? fabs(x[cblas_idamax(n, x, 1)]) : 0;
}

bool keel_la_all_finite(int n, const double *x)
{
    /* a finite sum of absolute values has finite terms; one that is not may only have overflowed */
    bool finite = n == 0 || isfinite(cblas_dasum(n, x, 1));
    for (int i = 0; i < n && !finite; i++) {
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}
