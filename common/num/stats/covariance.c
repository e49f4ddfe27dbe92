#include "common/num/stats/covariance.h"

#include "common/base/mem.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance_internal.h"
#include "common/num/stats/moments.h"

#include <math.h>
#include <string.h>

#define NAME_ROW(code, name, pairwise)     name,
#define PAIRWISE_ROW(code, name, pairwise) pairwise,
static const char *const names[] = {KEEL_COVARIANCE_LIST(NAME_ROW)};
static const bool has_pairwise[] = {KEEL_COVARIANCE_LIST(PAIRWISE_ROW)};

static bool is_known(keel_covariance_estimator estimator)
{
    return (unsigned)estimator < KEEL_COVARIANCE_COUNT;
}

const char *keel_covariance_name(keel_covariance_estimator estimator)
{
    return is_known(estimator) ? names[estimator] : "";
}

keel_status keel_covariance_parse(const char *name, keel_covariance_estimator *estimator)
{
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        if (strcmp(names[k], name) == 0) {
            *estimator = (keel_covariance_estimator)k;
            return KEEL_OK;
        }
    }
    return KEEL_EUNKNOWN;
}

void covariance_gram(int rows, int n, const double *v, double divisor, double *packed)
{
    double *dense = keel_xcalloc((size_t)n * (size_t)n, sizeof *dense);
    keel_la_gram(rows, n, v, dense);
    keel_sym_pack(n, dense, n, packed);
    for (size_t k = 0; k < keel_sym_len(n); k++)
        packed[k] /= divisor;
    keel_free(&dense);
}

keel_status covariance_sample(covariance_work *w)
{
    sample_series *s = &w->series;
    sample_center(s);
    covariance_gram(s->rows, s->n, s->x, s->rows - 1, w->packed);
    return KEEL_OK;
}

void covariance_below(covariance_work *w)
{
    sample_series *s = &w->series;
    int exponent;
    frexp(w->cfg->semi_below, &exponent);
    sample_rescale(s, exponent);
    const double below = ldexp(w->cfg->semi_below, -s->exponent);
    for (size_t k = 0; k < (size_t)s->rows * (size_t)s->n; k++)
        s->x[k] = s->mask == NULL || s->mask[k] > 0 ? fmin(s->x[k] - below, 0) : 0;
}

keel_status covariance_semi(covariance_work *w)
{
    covariance_below(w);
    covariance_gram(w->series.rows, w->series.n, w->series.x, w->series.rows, w->packed);
    return KEEL_OK;
}

/* Weights that the recursion gives to the rows after the start, and in sum to those before. */
static void recursion_weights(int rows, int start, double lambda, double *weights)
{
    sample_decay(rows, lambda, weights);
    const double all_before = start < rows ? weights[start] * lambda : 1;
    for (int t = start; t < rows; t++)
        weights[t] *= 1 - lambda;
    for (int t = 0; t < start; t++)
        weights[t] = all_before / start;
}

static void normalised_weights(int rows, double lambda, double *weights)
{
    sample_decay(rows, lambda, weights);
    const double total = keel_sum(rows, weights, 1);
    for (int t = 0; t < rows; t++)
        weights[t] /= total;
}

/* The rows before the start enter as a sample covariance: without their mean, divisor k - 1. */
static void center_start(sample_series *s, int start)
{
    for (int i = 0; i < s->n; i++) {
        double *x = s->x + (size_t)i * (size_t)s->rows;
        const double mean = keel_mean(start, x, 1);
        for (int t = 0; t < start; t++)
            x[t] = sqrt(start / (start - 1.0)) * (x[t] - mean);
    }
}

keel_status covariance_ewma(covariance_work *w)
{
    sample_series *s = &w->series;
    const int start = w->cfg->start_rows;
    double *weights = keel_xcalloc((size_t)s->rows, sizeof *weights);
    if (start > 0) {
        recursion_weights(s->rows, start, w->cfg->lambda, weights);
        center_start(s, start);
    } else {
        normalised_weights(s->rows, w->cfg->lambda, weights);
    }
    w->report->rows_effective = keel_count_effective(s->rows, weights);
    for (int i = 0; i < s->n; i++) {
        for (int t = 0; t < s->rows; t++)
            s->x[(size_t)i * (size_t)s->rows + (size_t)t] *= sqrt(weights[t]);
    }
    covariance_gram(s->rows, s->n, s->x, 1, w->packed);
    keel_free(&weights);
    return KEEL_OK;
}

static keel_status check_rule(const keel_covariance_cfg *c, keel_err *err)
{
    if (c->missing != KEEL_MISSING_PAIRWISE)
        return KEEL_OK;
    if (!has_pairwise[c->estimator])
        return keel_err_set(err, KEEL_EINVAL, "%s needs rows that hold all series",
                            names[c->estimator]);
    if (c->estimator == KEEL_COVARIANCE_EWMA && c->start_rows > 0)
        return keel_err_set(err, KEEL_EINVAL, "start_rows needs rows that hold all series");
    return KEEL_OK;
}

static keel_status check(const keel_covariance_cfg *c, keel_err *err)
{
    if (!is_known(c->estimator))
        return keel_err_set(err, KEEL_EINVAL, "estimator %d", (int)c->estimator);
    if (c->rows_min < 2)
        return keel_err_set(err, KEEL_EINVAL, "rows_min %d: at least 2", c->rows_min);
    if (c->estimator == KEEL_COVARIANCE_EWMA && !(c->lambda > 0 && c->lambda < 1))
        return keel_err_set(err, KEEL_EINVAL, "lambda %g: between 0 and 1", c->lambda);
    if (c->estimator == KEEL_COVARIANCE_EWMA && (c->start_rows < 0 || c->start_rows == 1))
        return keel_err_set(err, KEEL_EINVAL, "start_rows %d: 0 or at least 2", c->start_rows);
    if (c->estimator == KEEL_COVARIANCE_SEMI && !(fabs(c->semi_below) <= KEEL_USABLE_MAX))
        return keel_err_set(err, KEEL_EINVAL, "semi_below %g: within +-1e100", c->semi_below);
    if (c->estimator == KEEL_COVARIANCE_GERBER &&
        !(c->gerber_threshold >= 0 && c->gerber_threshold <= KEEL_USABLE_MAX))
        return keel_err_set(err, KEEL_EINVAL, "gerber_threshold %g: at least 0",
                            c->gerber_threshold);
    return check_rule(c, err);
}

static keel_status dispatch(covariance_work *w)
{
    if (w->series.mask != NULL && w->cfg->estimator != KEEL_COVARIANCE_GERBER)
        return covariance_pairwise(w);
    switch (w->cfg->estimator) {
    case KEEL_COVARIANCE_SAMPLE:
        return covariance_sample(w);
    case KEEL_COVARIANCE_EWMA:
        return covariance_ewma(w);
    case KEEL_COVARIANCE_SEMI:
        return covariance_semi(w);
    case KEEL_COVARIANCE_LEDOIT_WOLF_IDENTITY:
    case KEEL_COVARIANCE_LEDOIT_WOLF_CONSTANT_CORRELATION:
    case KEEL_COVARIANCE_LEDOIT_WOLF_SINGLE_FACTOR:
    case KEEL_COVARIANCE_OAS:
        return covariance_shrunk(w);
    case KEEL_COVARIANCE_DENOISED:
        return covariance_denoised(w);
    case KEEL_COVARIANCE_GERBER:
        return covariance_gerber(w);
    case KEEL_COVARIANCE_COUNT:
        break;
    }
    return KEEL_EINVAL;
}

/* Only over different rows can pairs contradict each other. */
static keel_status repair(covariance_work *w)
{
    if (w->series.mask == NULL)
        return KEEL_OK;
    KEEL_TRY(keel_nearest_covariance(w->series.n, w->packed, &KEEL_NEAREST_DEFAULTS,
                                     &w->report->repair));
    w->report->repaired = w->report->repair.iterations > 0;
    return KEEL_OK;
}

/* Back to the units of the sample; a variance that rounding put below 0 is 0. */
static void scale_back(const covariance_work *w, double *packed)
{
    const int n = w->series.n;
    for (size_t k = 0; k < keel_sym_len(n); k++)
        packed[k] = ldexp(w->packed[k], 2 * w->series.exponent);
    for (int i = 0; i < n; i++)
        packed[keel_sym_at(n, i, i)] = fmax(packed[keel_sym_at(n, i, i)], 0);
}

keel_status keel_covariance_estimate(const keel_covariance_cfg *cfg, const keel_sample *sample,
                                     double *packed, keel_covariance_report *report, keel_err *err)
{
    keel_covariance_report made = {0};
    covariance_work w = {.cfg = cfg, .sample = sample, .report = &made, .err = err};
    KEEL_TRY(check(cfg, err));
    const int rows_min = cfg->estimator == KEEL_COVARIANCE_EWMA && cfg->start_rows > cfg->rows_min
                             ? cfg->start_rows
                             : cfg->rows_min;
    keel_status status = sample_gather(sample, cfg->missing, rows_min, &w.series, err);
    if (status == KEEL_OK) {
        w.packed = keel_xcalloc(keel_sym_len(sample->n), sizeof *w.packed);
        made.rows = w.series.rows;
        made.rows_effective = w.series.rows;
        status = dispatch(&w);
    }
    if (status == KEEL_OK && (status = repair(&w)) != KEEL_OK)
        keel_err_set(err, status, "the repair of the estimate did not converge");
    if (status == KEEL_OK) {
        scale_back(&w, packed);
        *report = made;
    }
    keel_free(&w.packed);
    sample_fini(&w.series);
    return status;
}
