#include "common/num/stats/moments.h"

#include "common/base/assert.h"
#include "common/num/la/sym.h"

#include <math.h>

typedef struct sum {
    double total;
    double lost; /* what rounding has cut off so far */
} sum;

static void add(sum *s, double value)
{
    const double total = s->total + value;
    s->lost +=
        fabs(s->total) >= fabs(value) ? (s->total - total) + value : (value - total) + s->total;
    s->total = total;
}

bool keel_all_usable(int n, const double *values)
{
    for (int i = 0; i < n; i++) {
        if (!(fabs(values[i]) <= KEEL_USABLE_MAX))
            return false;
    }
    return true;
}

double keel_sum(int n, const double *values, int step)
{
    sum s = {0, 0};
    for (int i = 0; i < n; i++)
        add(&s, values[(size_t)i * (size_t)step]);
    return s.total + s.lost;
}

double keel_mean(int n, const double *values, int step)
{
    KEEL_ASSERT(n >= 1);
    return keel_sum(n, values, step) / n;
}

double keel_covariance(int n, const double *x, const double *y, int step)
{
    KEEL_ASSERT(n >= 2);
    const double mx = keel_mean(n, x, step), my = keel_mean(n, y, step);
    sum products = {0, 0}, dx = {0, 0}, dy = {0, 0};
    for (int i = 0; i < n; i++) {
        const double a = x[(size_t)i * (size_t)step] - mx, b = y[(size_t)i * (size_t)step] - my;
        add(&products, a * b);
        add(&dx, a);
        add(&dy, b);
    }
    const double correction = (dx.total + dx.lost) * (dy.total + dy.lost) / n;
    return (products.total + products.lost - correction) / (n - 1);
}

double keel_variance(int n, const double *values, int step)
{
    return fmax(keel_covariance(n, values, values, step), 0);
}

double keel_count_effective(int n, const double *weights)
{
    sum w = {0, 0}, squares = {0, 0};
    for (int i = 0; i < n; i++) {
        add(&w, weights[i]);
        add(&squares, weights[i] * weights[i]);
    }
    const double total = w.total + w.lost, of_squares = squares.total + squares.lost;
    return of_squares > 0 ? total * total / of_squares : 0;
}

keel_status keel_correlation_of(int n, const double *covariance, double *correlation,
                                double *volatility)
{
    for (int i = 0; i < n; i++) {
        if (!(covariance[keel_sym_at(n, i, i)] >= 0))
            return KEEL_ERANGE;
    }
    for (int i = 0; i < n; i++)
        volatility[i] = sqrt(covariance[keel_sym_at(n, i, i)]);
    for (int j = 0; j < n; j++) {
        correlation[keel_sym_at(n, j, j)] = 1;
        for (int i = j + 1; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            const double both = volatility[i] * volatility[j];
            correlation[k] = both > 0 ? fmin(fmax(covariance[k] / both, -1), 1) : 0;
        }
    }
    return KEEL_OK;
}

double keel_mean_off_diagonal(int n, const double *packed)
{
    sum s = {0, 0};
    if (n < 2)
        return 0;
    for (int j = 0; j < n; j++) {
        for (int i = j + 1; i < n; i++)
            add(&s, packed[keel_sym_at(n, i, j)]);
    }
    return (s.total + s.lost) / (0.5 * n * (n - 1));
}
