#include "common/base/mem.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance_internal.h"

#include <math.h>

/* Standard deviation of a series over its own rows, divisor one less. */
static double deviation_of(const sample_series *s, int i)
{
    const double *x = s->x + (size_t)i * (size_t)s->rows;
    const double *mask = s->mask != NULL ? s->mask + (size_t)i * (size_t)s->rows : NULL;
    double total = 0;
    for (int t = 0; t < s->rows; t++)
        total += mask == NULL || mask[t] > 0 ? x[t] * x[t] : 0;
    return sqrt(total / (sample_count(s, i) - 1));
}

/* The series become 1 (up), -1 (down) or 0 (neither, or a hole); `still` is 1 where it is neither.
 * A series that does not move is neither in every row. */
static void classify(sample_series *s, double threshold, const double *deviation, double *still)
{
    for (int i = 0; i < s->n; i++) {
        const double far = threshold * deviation[i];
        for (int t = 0; t < s->rows; t++) {
            const size_t k = (size_t)i * (size_t)s->rows + (size_t)t;
            const bool there = s->mask == NULL || s->mask[k] > 0;
            const bool moved = there && deviation[i] > 0 && s->x[k] != 0 && /* exact: not at all */
                               fabs(s->x[k]) >= far;
            still[k] = there && !moved;
            s->x[k] = !moved ? 0 : s->x[k] > 0 ? 1 : -1;
        }
    }
}

static keel_status rows_of_pairs(covariance_work *w, double *counts)
{
    if (w->series.mask != NULL)
        return covariance_pair_rows(w, counts);
    for (size_t k = 0; k < keel_sym_len(w->series.n); k++)
        counts[k] = w->series.rows;
    return KEEL_OK;
}

/* The threshold is a distance from 0, the deviation one from the mean. */
static void deviations(const sample_series *s, double *deviation)
{
    const size_t size = (size_t)s->rows * (size_t)s->n;
    sample_series centered = *s;
    centered.x = keel_xcalloc(size, sizeof *centered.x);
    for (size_t k = 0; k < size; k++)
        centered.x[k] = s->x[k];
    sample_center(&centered);
    for (int i = 0; i < s->n; i++)
        deviation[i] = deviation_of(&centered, i);
    keel_free(&centered.x);
}

keel_status covariance_gerber(covariance_work *w)
{
    sample_series *s = &w->series;
    const size_t len = keel_sym_len(s->n);
    double *deviation = keel_xcalloc((size_t)s->n, sizeof *deviation);
    double *still = keel_xcalloc((size_t)s->rows * (size_t)s->n, sizeof *still);
    double *counts = keel_xcalloc(2 * len, sizeof *counts), *neither = counts + len;
    const keel_status status = rows_of_pairs(w, counts);
    deviations(s, deviation);
    classify(s, w->cfg->gerber_threshold, deviation, still);
    covariance_gram(s->rows, s->n, s->x, 1, w->packed);
    covariance_gram(s->rows, s->n, still, 1, neither);
    for (int j = 0; j < s->n; j++) {
        for (int i = j; i < s->n; i++) {
            const size_t k = keel_sym_at(s->n, i, j);
            const double moved = counts[k] - neither[k];
            const double statistic = i == j ? 1 : moved > 0 ? w->packed[k] / moved : 0;
            w->packed[k] = statistic * deviation[i] * deviation[j];
        }
    }
    keel_free(&counts);
    keel_free(&still);
    keel_free(&deviation);
    return status;
}
