#include "common/num/stats/expected.h"

#include "common/base/mem.h"
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/stats/moments.h"
#include "common/num/stats/sample_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NAME_ROW(code, name, pairwise)     name,
#define PAIRWISE_ROW(code, name, pairwise) pairwise,
static const char *const names[] = {KEEL_EXPECTED_LIST(NAME_ROW)};
static const bool has_pairwise[] = {KEEL_EXPECTED_LIST(PAIRWISE_ROW)};

/* A series that explains all but this of another is a copy of it; the inverse would be noise. */
#define PIVOT_MIN 1e-10

typedef struct work {
    const keel_expected_cfg *cfg;
    const keel_sample *sample;
    sample_series series; /* scaled by 2^-exponent; so are the two below */
    double *market;       /* rows that are used */
    double *out;          /* n */
    keel_expected_report *report;
    keel_err *err;
} work;

static bool is_known(keel_expected_estimator estimator)
{
    return (unsigned)estimator < KEEL_EXPECTED_COUNT;
}

const char *keel_expected_name(keel_expected_estimator estimator)
{
    return is_known(estimator) ? names[estimator] : "";
}

keel_status keel_expected_parse(const char *name, keel_expected_estimator *estimator)
{
    for (unsigned k = 0; k < KEEL_EXPECTED_COUNT; k++) {
        if (strcmp(names[k], name) == 0) {
            *estimator = (keel_expected_estimator)k;
            return KEEL_OK;
        }
    }
    return KEEL_EUNKNOWN;
}

double keel_lambda_of_span(double span)
{
    return span > 1 && isfinite(span) ? (span - 1) / (span + 1) : 0;
}

static bool is_there(const sample_series *s, int t, int i)
{
    return s->mask == NULL || s->mask[(size_t)i * (size_t)s->rows + (size_t)t] > 0;
}

static const double *series_of(const sample_series *s, int i)
{
    return s->x + (size_t)i * (size_t)s->rows;
}

static keel_status mean(work *w)
{
    for (int i = 0; i < w->series.n; i++)
        w->out[i] = sample_mean(&w->series, i);
    return KEEL_OK;
}

static keel_status ewma(work *w)
{
    const sample_series *s = &w->series;
    double *weights = keel_xcalloc((size_t)s->rows, sizeof *weights);
    keel_status status = KEEL_OK;
    char name[SAMPLE_NAME_MAX];
    sample_decay(s->rows, w->cfg->lambda, weights);
    w->report->rows_effective = keel_count_effective(s->rows, weights);
    for (int i = 0; i < s->n && status == KEEL_OK; i++) {
        double total = 0, sum = 0;
        for (int t = 0; t < s->rows; t++) {
            total += is_there(s, t, i) ? weights[t] : 0;
            sum += weights[t] * series_of(s, i)[t]; /* a hole is 0 */
        }
        w->out[i] = sum / total;
        if (total < SAMPLE_WEIGHT_MIN)
            status = keel_err_set(w->err, KEEL_EUNAVAIL, "the rows of %s are too old",
                                  sample_name(w->sample, i, name));
    }
    keel_free(&weights);
    return status;
}

/* The market in the rows that are used, in the series' scale. */
static void fill_market(work *w)
{
    const sample_series *s = &w->series;
    for (int t = 0; t < s->rows && w->cfg->market != NULL; t++)
        w->market[t] = ldexp(w->cfg->market[s->row_of[t]], -s->exponent);
    for (int i = 0; i < s->n && w->cfg->market == NULL; i++)
        keel_la_add_scaled(s->rows, 1.0 / s->n, series_of(s, i), w->market);
}

/* Beta over the rows of series i, against the market in those rows. */
static keel_status beta_of(work *w, int i, double *beta)
{
    const sample_series *s = &w->series;
    const double *x = series_of(s, i);
    const double mean_x = sample_mean(s, i);
    const int count = sample_count(s, i);
    double mean_m = 0, variance = 0, covariance = 0, largest = 0;
    char name[SAMPLE_NAME_MAX];
    for (int t = 0; t < s->rows; t++) {
        mean_m += is_there(s, t, i) ? w->market[t] / count : 0;
        largest = fmax(largest, fabs(w->market[t]));
    }
    for (int t = 0; t < s->rows; t++) {
        const double d = is_there(s, t, i) ? w->market[t] - mean_m : 0;
        variance += d * d;
        covariance += d * (x[t] - mean_x);
    }
    const double rounding = 8 * DBL_EPSILON * largest;
    if (variance <= s->rows * rounding * rounding)
        return keel_err_set(w->err, KEEL_ERANGE, "the market does not move in the rows of %s",
                            sample_name(w->sample, i, name));
    *beta = covariance / variance;
    return KEEL_OK;
}

static keel_status capm(work *w)
{
    const sample_series *s = &w->series;
    const double risk_free = ldexp(w->cfg->risk_free, -s->exponent);
    fill_market(w);
    const double market = keel_mean(s->rows, w->market, 1);
    for (int i = 0; i < s->n; i++) {
        double beta = 0;
        KEEL_TRY(beta_of(w, i, &beta));
        w->out[i] = risk_free + beta * (market - risk_free);
    }
    w->report->common_return = ldexp(market, s->exponent);
    return KEEL_OK;
}

/* Cholesky factor of the sample covariance whose inverse is unbiased. */
static bool factor_covariance(sample_series *s, double *dense)
{
    const double divisor = s->rows - s->n - 2;
    sample_center(s);
    keel_la_gram(s->rows, s->n, s->x, dense);
    for (size_t k = 0; k < (size_t)s->n * (size_t)s->n; k++)
        dense[k] /= divisor;
    return keel_chol_factor(s->n, dense, s->n, PIVOT_MIN) == KEEL_CHOL_FACTORED;
}

/* With the factor L: y = L^-1 m and z = L^-1 1 give every form of V that is needed. False when a
 * variance is so far below the others' that its inverse is beyond a double. */
static bool shrink(work *w, const double *factor, double *y, double *z)
{
    const int n = w->series.n;
    for (int i = 0; i < n; i++) {
        y[i] = w->out[i];
        z[i] = 1;
    }
    keel_tri_solve(n, 1, factor, n, y, n);
    keel_tri_solve(n, 1, factor, n, z, n);
    const double total = keel_la_dot(n, z, z); /* 1'V 1 */
    const double common = keel_la_dot(n, z, y) / total;
    if (!isfinite(total) || !isfinite(common))
        return false;
    keel_la_add_scaled(n, -common, z, y);
    const double apart = w->series.rows * keel_la_dot(n, y, y);
    const double frac = (n + 2) / (n + 2 + apart);
    for (int i = 0; i < n; i++)
        w->out[i] = (1 - frac) * w->out[i] + frac * common;
    w->report->shrinkage_frac = frac;
    w->report->common_return = ldexp(common, w->series.exponent);
    return true;
}

static keel_status james_stein(work *w)
{
    const size_t n = (size_t)w->series.n;
    double *dense = keel_xcalloc(n * n + 2 * n, sizeof *dense);
    keel_status status = mean(w);
    if (!factor_covariance(&w->series, dense) ||
        !shrink(w, dense, dense + n * n, dense + n * n + n))
        status = keel_err_set(w->err, KEEL_ERANGE,
                              "james_stein: a series does not move, or is a mixture of others");
    keel_free(&dense);
    return status;
}

static keel_status check_capm(const keel_expected_cfg *c, const keel_sample *s, keel_err *err)
{
    if (!(fabs(c->risk_free) <= KEEL_USABLE_MAX))
        return keel_err_set(err, KEEL_EINVAL, "risk_free %g: within +-1e100", c->risk_free);
    if (c->market == NULL && c->missing == KEEL_MISSING_PAIRWISE)
        return keel_err_set(err, KEEL_EINVAL, "capm needs a market, or rows that hold all series");
    if (c->market != NULL && s->rows > 0 && s->rows <= KEEL_SAMPLE_ROWS_MAX &&
        !keel_all_usable(s->rows, c->market))
        return keel_err_set(err, KEEL_ENONFINITE, "market: not finite or beyond +-1e100");
    return KEEL_OK;
}

static keel_status check(const keel_expected_cfg *c, const keel_sample *s, keel_err *err)
{
    if (!is_known(c->estimator))
        return keel_err_set(err, KEEL_EINVAL, "estimator %d", (int)c->estimator);
    if (c->rows_min < 2)
        return keel_err_set(err, KEEL_EINVAL, "rows_min %d: at least 2", c->rows_min);
    if (c->estimator == KEEL_EXPECTED_EWMA && !(c->lambda > 0 && c->lambda < 1))
        return keel_err_set(err, KEEL_EINVAL, "lambda %g: between 0 and 1", c->lambda);
    if (c->missing == KEEL_MISSING_PAIRWISE && !has_pairwise[c->estimator])
        return keel_err_set(err, KEEL_EINVAL, "%s needs rows that hold all series",
                            names[c->estimator]);
    return c->estimator == KEEL_EXPECTED_CAPM ? check_capm(c, s, err) : KEEL_OK;
}

/* The market and the risk-free return are compared with the series: one scale for all. */
static void rescale(work *w)
{
    double largest = fabs(w->cfg->risk_free);
    int exponent;
    if (w->cfg->estimator != KEEL_EXPECTED_CAPM)
        return;
    for (int t = 0; t < w->series.rows && w->cfg->market != NULL; t++)
        largest = fmax(largest, fabs(w->cfg->market[w->series.row_of[t]]));
    frexp(largest, &exponent);
    sample_rescale(&w->series, exponent);
}

static keel_status dispatch(work *w)
{
    rescale(w);
    switch (w->cfg->estimator) {
    case KEEL_EXPECTED_MEAN:
        return mean(w);
    case KEEL_EXPECTED_EWMA:
        return ewma(w);
    case KEEL_EXPECTED_CAPM:
        return capm(w);
    case KEEL_EXPECTED_JAMES_STEIN:
        return james_stein(w);
    case KEEL_EXPECTED_COUNT:
        break;
    }
    return KEEL_EINVAL;
}

static int fewest_rows(const sample_series *s)
{
    int fewest = s->rows;
    for (int i = 0; i < s->n; i++)
        fewest = sample_count(s, i) < fewest ? sample_count(s, i) : fewest;
    return fewest;
}

keel_status keel_expected_estimate(const keel_expected_cfg *cfg, const keel_sample *sample,
                                   double *expected, keel_expected_report *report, keel_err *err)
{
    keel_expected_report made = {0};
    work w = {.cfg = cfg, .sample = sample, .report = &made, .err = err};
    KEEL_TRY(check(cfg, sample, err));
    const int least = cfg->estimator == KEEL_EXPECTED_JAMES_STEIN ? sample->n + 3 : 2;
    keel_status status = sample_gather(
        sample, cfg->missing, cfg->rows_min > least ? cfg->rows_min : least, &w.series, err);
    if (status == KEEL_OK) {
        w.out = keel_xcalloc((size_t)sample->n, sizeof *w.out);
        w.market = keel_xcalloc((size_t)w.series.rows, sizeof *w.market);
        made.rows = fewest_rows(&w.series);
        made.rows_effective = made.rows;
        status = dispatch(&w);
    }
    if (status == KEEL_OK) {
        for (int i = 0; i < sample->n; i++)
            expected[i] = ldexp(w.out[i], w.series.exponent);
        *report = made;
    }
    keel_free(&w.market);
    keel_free(&w.out);
    sample_fini(&w.series);
    return status;
}
