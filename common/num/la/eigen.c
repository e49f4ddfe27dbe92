#include "common/num/la/eigen.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

static bool lower_is_finite(int n, const double *a, int ld)
{
    for (int j = 0; j < n; j++) {
        if (!keel_la_all_finite(n - j, a + (size_t)j * (size_t)ld + j))
            return false;
    }
    return true;
}

/* dsyevd with the working memory it asks for; job 'V' or 'N'. */
static keel_status decompose(char job, int n, double *a, int ld, double *values)
{
    double work_len;
    lapack_int iwork_len;
    int info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, 'L', n, a, ld, values, &work_len, -1,
                                   &iwork_len, -1);
    KEEL_ASSERT(info == 0);
    double *work = keel_xcalloc((size_t)work_len, sizeof *work);
    lapack_int *iwork = keel_xcalloc((size_t)iwork_len, sizeof *iwork);
    info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, 'L', n, a, ld, values, work,
                               (lapack_int)work_len, iwork, iwork_len);
    KEEL_ASSERT(info >= 0);
    keel_free(&iwork);
    keel_free(&work);
    return info == 0 ? KEEL_OK : KEEL_EUNAVAIL;
}

static void fix_sign(int n, double *vector)
{
    int largest = 0;
    for (int i = 1; i < n; i++) {
        if (fabs(vector[i]) > fabs(vector[largest]))
            largest = i;
    }
    for (int i = 0; i < n && vector[largest] < 0; i++) {
        if (i != largest)
            vector[i] = -vector[i];
    }
    vector[largest] = fabs(vector[largest]);
}

keel_status keel_eigen_decompose(int n, double *a, int ld, double *values)
{
    if (n > KEEL_EIGEN_N_MAX)
        return KEEL_ETOOBIG;
    if (n == 0)
        return KEEL_OK;
    if (!lower_is_finite(n, a, ld))
        return KEEL_ENONFINITE;
    KEEL_TRY(decompose('V', n, a, ld, values));
    for (int k = 0; k < n; k++)
        fix_sign(n, a + (size_t)k * (size_t)ld);
    return KEEL_OK;
}

keel_status keel_eigen_values(int n, const double *packed, double *values)
{
    if (n > KEEL_EIGEN_N_MAX)
        return KEEL_ETOOBIG;
    if (n == 0)
        return KEEL_OK;
    if (!keel_la_all_finite((int)keel_sym_len(n), packed))
        return KEEL_ENONFINITE;
    double *a = keel_xcalloc((size_t)n * (size_t)n, sizeof *a);
    keel_sym_unpack(n, packed, a, n);
    const keel_status status = decompose('N', n, a, n, values);
    keel_free(&a);
    return status;
}

void keel_eigen_compose(int n, int k, const double *vectors, const double *values, double *packed)
{
    const size_t size = (size_t)n * (size_t)n;
    double *roots = keel_xcalloc((size_t)n * (size_t)k, sizeof *roots);
    double *dense = keel_xcalloc(size, sizeof *dense);
    for (int c = 0; c < k; c++) {
        const double root = sqrt(fmax(values[n - k + c], 0));
        const double *from = vectors + (size_t)(n - k + c) * (size_t)n;
        for (int i = 0; i < n; i++)
            roots[(size_t)c * (size_t)n + (size_t)i] = root * from[i];
    }
    if (n > 0)
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, n, k, 1, roots, n, 0, dense, n);
    keel_sym_pack(n, dense, n, packed);
    keel_free(&dense);
    keel_free(&roots);
}

/* Dense lower triangle of S scaled to a diagonal of 1 (-1 where it was negative, 0 where it was
 * 0). An entry that no semidefinite matrix can have may be cut: it stays far above 1. */
static void scale_to_unit(int n, const double *packed, double *dense)
{
    const double entry_max = 1e6;
    double *root = keel_xcalloc((size_t)n, sizeof *root), largest = 0;
    for (int i = 0; i < n; i++) {
        root[i] = sqrt(fabs(packed[keel_sym_at(n, i, i)]));
        largest = fmax(largest, root[i]);
    }
    for (int i = 0; i < n; i++)
        root[i] = root[i] > 0 ? root[i] : largest > 0 ? largest : 1;
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const double entry = packed[keel_sym_at(n, i, j)] / root[i] / root[j];
            dense[(size_t)j * (size_t)n + (size_t)i] = fmin(fmax(entry, -entry_max), entry_max);
        }
    }
    keel_free(&root);
}

/* A Cholesky factor of C + tolerance I exists; c is spoilt. */
static bool has_factor(int n, double *c, double tolerance)
{
    for (int i = 0; i < n; i++)
        c[(size_t)i * (size_t)n + (size_t)i] += tolerance;
    return keel_chol_factor(n, c, n, 0) == KEEL_CHOL_FACTORED;
}

keel_status keel_sym_check_semidefinite(int n, const double *packed, double tolerance,
                                        double *smallest)
{
    if (n > KEEL_EIGEN_N_MAX)
        return KEEL_ETOOBIG;
    if (!keel_la_all_finite((int)keel_sym_len(n), packed))
        return KEEL_ENONFINITE;
    double *dense = keel_xcalloc((size_t)n * (size_t)n, sizeof *dense);
    double *values = keel_xcalloc((size_t)n, sizeof *values);
    keel_status status = KEEL_OK;
    scale_to_unit(n, packed, dense);
    if (!has_factor(n, dense, tolerance)) {
        scale_to_unit(n, packed, dense);
        status = decompose('N', n, dense, n, values);
        if (status == KEEL_OK && values[0] < -tolerance)
            status = KEEL_ERANGE;
        if (status == KEEL_ERANGE && smallest != NULL)
            *smallest = values[0];
    }
    keel_free(&values);
    keel_free(&dense);
    return status;
}
