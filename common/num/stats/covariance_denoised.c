#include "common/base/mem.h"
#include "common/num/la/eigen.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance_internal.h"
#include "common/num/stats/moments.h"

#include <math.h>

/* How many of the n ascending eigenvalues are noise; *mean is theirs. What is above the edge is
 * taken out of the noise, which lowers its mean and with it the edge, until nothing is. */
static int count_noise(int n, int rows, const double *values, double *mean)
{
    const double width = (1 + sqrt((double)n / rows)) * (1 + sqrt((double)n / rows));
    int noise = n, before = n + 1;
    *mean = 1;
    while (noise < before && noise > 0) {
        before = noise;
        *mean = keel_mean(noise, values, 1);
        while (noise > 0 && values[noise - 1] > *mean * width)
            noise--;
    }
    return noise;
}

/* Correlation with unit diagonal back to a covariance. */
static void scale_up(int n, const double *volatility, double *packed)
{
    double *factor = keel_xcalloc((size_t)n, sizeof *factor);
    for (int i = 0; i < n; i++) {
        const double own = packed[keel_sym_at(n, i, i)];
        factor[i] = own > 0 ? volatility[i] / sqrt(own) : 0;
    }
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++)
            packed[keel_sym_at(n, i, j)] *= factor[i] * factor[j];
        packed[keel_sym_at(n, j, j)] = volatility[j] * volatility[j];
    }
    keel_free(&factor);
}

static keel_status clean(covariance_work *w, double *vectors, double *values)
{
    const int n = w->series.n;
    double mean;
    KEEL_TRY(keel_eigen_decompose(n, vectors, n, values));
    for (int k = 0; k < n; k++)
        values[k] = fmax(values[k], 0);
    const int noise = count_noise(n, w->series.rows, values, &mean);
    for (int k = 0; k < noise; k++)
        values[k] = mean;
    w->report->factors = n - noise;
    keel_eigen_compose(n, n, vectors, values, w->packed);
    return KEEL_OK;
}

keel_status covariance_denoised(covariance_work *w)
{
    const int n = w->series.n;
    double *volatility = keel_xcalloc((size_t)n, sizeof *volatility);
    double *values = keel_xcalloc((size_t)n, sizeof *values);
    double *vectors = keel_xcalloc((size_t)n * (size_t)n, sizeof *vectors);
    keel_status status = covariance_sample(w);
    if (status == KEEL_OK)
        status = keel_correlation_of(n, w->packed, w->packed, volatility);
    if (status == KEEL_OK) {
        keel_sym_unpack(n, w->packed, vectors, n);
        status = clean(w, vectors, values);
    }
    if (status == KEEL_OK)
        scale_up(n, volatility, w->packed);
    else
        keel_err_set(w->err, status, "the eigenvalues of the correlation were not found");
    keel_free(&vectors);
    keel_free(&values);
    keel_free(&volatility);
    return status;
}
