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

void keel_la_matvec(int m, int n, double alpha, const double *a, int ld, const double *x,
                    double beta, double *y)
{
    if (n > 0 && m > 0)
        cblas_dgemv(CblasColMajor, CblasNoTrans, m, n, alpha, a, ld, x, 1, beta, y, 1);
    else
        scale(m, beta, y);
}

void keel_la_matvec_t(int m, int n, double alpha, const double *a, int ld, const double *x,
                      double beta, double *y)
{
    if (n > 0 && m > 0)
        cblas_dgemv(CblasColMajor, CblasTrans, m, n, alpha, a, ld, x, 1, beta, y, 1);
    else
        scale(n, beta, y);
}

void keel_la_rank_one(int m, int n, double alpha, const double *x, const double *y, double *a,
                      int ld)
{
    if (m > 0 && n > 0)
        cblas_dger(CblasColMajor, m, n, alpha, x, 1, y, 1, a, ld);
}

void keel_la_gram(int k, int n, const double *v, double *g)
{
    if (n > 0)
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, n, k, 1, v, k > 0 ? k : 1, 0, g, n);
}

double keel_la_dot(int n, const double *x, const double *y)
{
    return n > 0 ? cblas_ddot(n, x, 1, y, 1) : 0;
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
