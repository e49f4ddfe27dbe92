/* What is read off the corners. Between two of them w and t go along one straight line; with s from
 * 0 to 1 along it variance = variance_a + mean_step (2 t_a s + t_step s^2), because variance' is
 * 2 t mean'. */
#include "common/base/assert.h"
#include "common/num/solve/frontier_internal.h"

#include <math.h>
#include <string.h>

keel_frontier_corner keel_frontier_corner_at(const keel_frontier *f, int index)
{
    KEEL_ASSERT(index >= 0 && index < f->corners);
    const int k = f->corners - 1 - index;
    return (keel_frontier_corner){
        .t = f->corner_t[k],
        .mean = f->corner_mean[k],
        .variance = f->corner_variance[k],
        .residual = f->corner_residual[k],
        .weights = f->corner_w + (size_t)k * (size_t)f->n,
        .y = f->corner_y + (size_t)k * (size_t)f->m,
    };
}

/* The last corner, by rising t, whose value is at most `most`; -1 when none is. */
static int last_within(const keel_frontier *f, const double *values, double most)
{
    int within = 0, beyond = f->corners; /* the answer is within - 1 */
    while (within < beyond) {
        const int middle = within + (beyond - within) / 2;
        if (values[middle] <= most)
            within = middle + 1;
        else
            beyond = middle;
    }
    return within - 1;
}

/* The point at share s of the way from corner a to the next. */
static void write_point(const keel_frontier *f, int a, double s, keel_frontier_point *point,
                        double *weights)
{
    const int b = a + 1 < f->corners ? a + 1 : a;
    const double mean_step = f->corner_mean[b] - f->corner_mean[a];
    const double t_step = f->corner_t[b] - f->corner_t[a];
    const double rise = mean_step * s * (2 * f->corner_t[a] + t_step * s);
    const double *from = f->corner_w + (size_t)a * (size_t)f->n;
    const double *to = f->corner_w + (size_t)b * (size_t)f->n;
    point->t = f->corner_t[a] + s * t_step;
    point->mean = f->corner_mean[a] + s * mean_step;
    point->variance = s < 1 ? f->corner_variance[a] + rise : f->corner_variance[b];
    for (int i = 0; i < f->n && weights != NULL; i++)
        weights[i] = (1 - s) * from[i] + s * to[i]; /* within the bounds of both */
}

static void write_end(const keel_frontier *f, bool top, keel_frontier_point *point, double *weights)
{
    point->found = top ? KEEL_FRONTIER_ABOVE : KEEL_FRONTIER_BELOW;
    write_point(f, top ? f->corners - 1 : 0, 0, point, weights);
}

static keel_status check(const keel_frontier *f, double question)
{
    if (!isfinite(question))
        return KEEL_ENONFINITE;
    return f->corners > 0 ? KEEL_OK : KEEL_EUNAVAIL;
}

keel_status keel_frontier_at(const keel_frontier *f, double t, keel_frontier_point *point,
                             double *weights)
{
    KEEL_TRY(check(f, t));
    if (t < 0)
        return KEEL_ERANGE;
    const int a = last_within(f, f->corner_t, t);
    const bool inside = a + 1 < f->corners;
    const double s = inside ? (t - f->corner_t[a]) / (f->corner_t[a + 1] - f->corner_t[a]) : 0;
    write_point(f, a, s, point, weights);
    point->found = KEEL_FRONTIER_FOUND;
    point->t = t;
    return KEEL_OK;
}

keel_status keel_frontier_at_aversion(const keel_frontier *f, double aversion,
                                      keel_frontier_point *point, double *weights)
{
    KEEL_TRY(check(f, aversion));
    if (!(aversion > 0) || !isfinite(1 / aversion))
        return KEEL_ERANGE;
    return keel_frontier_at(f, 1 / aversion, point, weights);
}

keel_status keel_frontier_at_mean(const keel_frontier *f, double mean, keel_frontier_point *point,
                                  double *weights)
{
    KEEL_TRY(check(f, mean));
    const int a = last_within(f, f->corner_mean, mean);
    const bool at_top = a == f->corners - 1;
    if (a < 0 || (at_top && mean > f->corner_mean[a])) {
        write_end(f, at_top, point, weights);
        return KEEL_OK;
    }
    const double from = f->corner_mean[a];
    write_point(f, a, at_top ? 0 : (mean - from) / (f->corner_mean[a + 1] - from), point, weights);
    point->found = KEEL_FRONTIER_FOUND;
    return KEEL_OK;
}

keel_status keel_frontier_at_variance(const keel_frontier *f, double variance,
                                      keel_frontier_point *point, double *weights)
{
    KEEL_TRY(check(f, variance));
    if (variance < 0)
        return KEEL_ERANGE;
    const int a = last_within(f, f->corner_variance, variance);
    const bool at_top = a == f->corners - 1;
    if (a < 0 || (at_top && variance > f->corner_variance[a])) {
        write_end(f, at_top, point, weights);
        return KEEL_OK;
    }
    double s = 0;
    if (!at_top) { /* t_step mean_step s^2 + 2 t_a mean_step s = excess: the root without loss */
        const double mean_step = f->corner_mean[a + 1] - f->corner_mean[a];
        const double half = f->corner_t[a] * mean_step;
        const double square = (f->corner_t[a + 1] - f->corner_t[a]) * mean_step;
        const double excess = variance - f->corner_variance[a];
        const double below = half + sqrt(half * half + square * excess);
        s = below > 0 ? fmin(excess / below, 1) : 0;
    }
    write_point(f, a, s, point, weights);
    point->found = KEEL_FRONTIER_FOUND;
    return KEEL_OK;
}

/* Along the frontier the ratio rises while variance > t (mean - risk_free), then falls; a mean that
 * is not above risk_free lies before the top too. */
static double before_top(const keel_frontier *f, int k, double risk_free)
{
    return f->corner_variance[k] - f->corner_t[k] * (f->corner_mean[k] - risk_free);
}

static bool is_past_top(const keel_frontier *f, int k, double risk_free)
{
    return f->corner_mean[k] > risk_free && before_top(f, k, risk_free) <= 0;
}

keel_status keel_frontier_max_sharpe(const keel_frontier *f, double risk_free,
                                     keel_frontier_point *point, double *weights)
{
    KEEL_TRY(check(f, risk_free));
    const int last = f->corners - 1;
    int before = 0, past = f->corners;
    while (before < past) {
        const int middle = before + (past - before) / 2;
        if (is_past_top(f, middle, risk_free))
            past = middle;
        else
            before = middle + 1;
    }
    const bool riskless = past <= last && !(f->corner_variance[past] > 0);
    if (riskless || past > last) {
        const bool excess = f->corner_mean[last] > risk_free;
        write_point(f, riskless ? past : last, 0, point, weights);
        point->found = riskless ? KEEL_FRONTIER_RISKLESS
                       : excess ? KEEL_FRONTIER_FOUND
                                : KEEL_FRONTIER_NO_EXCESS;
        return KEEL_OK;
    }
    /* On a segment variance - t (mean - risk_free) is linear: the squares cancel. From a point
     * without risk or excess it is 0 throughout, with one ratio, which the upper end has too. */
    const double a = before_top(f, past - 1, risk_free), b = before_top(f, past, risk_free);
    const double s = f->corner_variance[past - 1] > 0 ? a / (a - b) : 1;
    write_point(f, past - 1, s, point, weights);
    point->found = KEEL_FRONTIER_FOUND;
    return KEEL_OK;
}
