#include "common/base/mem.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance_internal.h"
#include "common/num/stats/moments.h"

#include <math.h>

keel_status covariance_pair_rows(covariance_work *w, double *counts)
{
    const sample_series *s = &w->series;
    char one[SAMPLE_NAME_MAX], other[SAMPLE_NAME_MAX];
    double fewest = s->rows;
    int least_i = 0, least_j = 0;
    covariance_gram(s->rows, s->n, s->mask, 1, counts);
    for (int j = 0; j < s->n; j++) {
        for (int i = j; i < s->n; i++) {
            const double rows = counts[keel_sym_at(s->n, i, j)];
            if (rows < fewest) {
                fewest = rows;
                least_i = i;
                least_j = j;
            }
        }
    }
    if (fewest < w->cfg->rows_min)
        return keel_err_set(w->err, KEEL_EUNAVAIL,
                            "%s and %s have %g rows in common, %d are needed",
                            sample_name(w->sample, least_j, one),
                            sample_name(w->sample, least_i, other), fewest, w->cfg->rows_min);
    w->report->rows = (int)fewest;
    w->report->rows_effective = fewest;
    return KEEL_OK;
}

/* Covariance of each pair over the rows both have, with the means of those rows. */
static void sample_of_pairs(covariance_work *w, const double *counts)
{
    sample_series *s = &w->series;
    const int n = s->n;
    double *sums = keel_xcalloc((size_t)n * (size_t)n, sizeof *sums);
    sample_center(s); /* near enough to 0 that the correction below cancels nothing */
    covariance_gram(s->rows, n, s->x, 1, w->packed);
    keel_la_gram_between(s->rows, n, n, s->x, s->mask, sums); /* (i,j): of i where j is there */
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            const double both =
                sums[(size_t)j * (size_t)n + (size_t)i] * sums[(size_t)i * (size_t)n + (size_t)j];
            w->packed[k] = (w->packed[k] - both / counts[k]) / (counts[k] - 1);
        }
        w->packed[keel_sym_at(n, j, j)] = fmax(w->packed[keel_sym_at(n, j, j)], 0);
    }
    keel_free(&sums);
}

static void semi_of_pairs(covariance_work *w, const double *counts)
{
    const sample_series *s = &w->series;
    covariance_below(w);
    covariance_gram(s->rows, s->n, s->x, 1, w->packed);
    for (size_t k = 0; k < keel_sym_len(s->n); k++)
        w->packed[k] /= counts[k];
}

static keel_status check_weights(covariance_work *w, const double *totals)
{
    const int n = w->series.n;
    char one[SAMPLE_NAME_MAX], other[SAMPLE_NAME_MAX];
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            if (totals[keel_sym_at(n, i, j)] < SAMPLE_WEIGHT_MIN)
                return keel_err_set(
                    w->err, KEEL_EUNAVAIL, "the rows that %s and %s have in common are too old",
                    sample_name(w->sample, j, one), sample_name(w->sample, i, other));
        }
    }
    return KEEL_OK;
}

/* Weights by age in all rows, for each pair normalised over those both have. */
static keel_status ewma_of_pairs(covariance_work *w, double *totals)
{
    sample_series *s = &w->series;
    double *weights = keel_xcalloc((size_t)s->rows, sizeof *weights);
    sample_decay(s->rows, w->cfg->lambda, weights);
    w->report->rows_effective = keel_count_effective(s->rows, weights);
    for (int i = 0; i < s->n; i++) {
        for (int t = 0; t < s->rows; t++) {
            const size_t k = (size_t)i * (size_t)s->rows + (size_t)t;
            s->x[k] *= sqrt(weights[t]);
            s->mask[k] *= sqrt(weights[t]);
        }
    }
    keel_free(&weights);
    covariance_gram(s->rows, s->n, s->mask, 1, totals);
    KEEL_TRY(check_weights(w, totals));
    covariance_gram(s->rows, s->n, s->x, 1, w->packed);
    for (size_t k = 0; k < keel_sym_len(s->n); k++)
        w->packed[k] /= totals[k];
    return KEEL_OK;
}

keel_status covariance_pairwise(covariance_work *w)
{
    double *counts = keel_xcalloc(keel_sym_len(w->series.n), sizeof *counts);
    keel_status status = covariance_pair_rows(w, counts);
    if (status == KEEL_OK && w->cfg->estimator == KEEL_COVARIANCE_SAMPLE)
        sample_of_pairs(w, counts);
    else if (status == KEEL_OK && w->cfg->estimator == KEEL_COVARIANCE_SEMI)
        semi_of_pairs(w, counts);
    else if (status == KEEL_OK)
        status = ewma_of_pairs(w, counts);
    keel_free(&counts);
    return status;
}
