#include "common/base/rng.h"
#include "common/num/la/la.h"
#include "common/num/stats/expected.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void setup(void)
{
    keel_la_init();
}

TestSuite(expected, .init = setup);

enum { ROWS = 60, N = 5 };

static void make(double *at, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    for (int t = 0; t < ROWS; t++) {
        const double market = keel_rng_normal(&rng);
        for (int i = 0; i < N; i++)
            at[t * N + i] = 0.01 * (0.1 * i + market * (0.5 + 0.2 * i) + keel_rng_normal(&rng));
    }
}

static keel_status estimate(const keel_expected_cfg *cfg, const keel_sample *s, double *expected,
                            keel_expected_report *report)
{
    keel_err err = {KEEL_OK, ""};
    const keel_status status = keel_expected_estimate(cfg, s, expected, report, &err);
    cr_assert_eq(status, err.status, "every refusal has its text: %s", err.text);
    cr_assert(status == KEEL_OK || err.text[0] != '\0');
    return status;
}

static keel_expected_cfg cfg_of(keel_expected_estimator estimator)
{
    keel_expected_cfg cfg = KEEL_EXPECTED_DEFAULTS;
    cfg.estimator = estimator;
    return cfg;
}

static const double two[] = {1, 10, 2, 30, 6, 20, 3, 0};
static const keel_sample by_hand = {.rows = 4, .n = 2, .at = two};

Test(expected, names_and_estimators_are_one_to_one)
{
    for (unsigned k = 0; k < KEEL_EXPECTED_COUNT; k++) {
        keel_expected_estimator found = KEEL_EXPECTED_COUNT;
        const char *name = keel_expected_name((keel_expected_estimator)k);
        cr_assert_gt(strlen(name), 0);
        cr_assert_eq(keel_expected_parse(name, &found), KEEL_OK);
        cr_assert_eq((unsigned)found, k);
    }
    keel_expected_estimator kept = KEEL_EXPECTED_EWMA;
    cr_assert_eq(keel_expected_parse("median", &kept), KEEL_EUNKNOWN);
    cr_assert_eq(kept, KEEL_EXPECTED_EWMA);
    cr_assert_str_eq(keel_expected_name(KEEL_EXPECTED_COUNT), "");
}

Test(expected, mean_by_hand)
{
    double m[2];
    keel_expected_report r;
    const keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_MEAN);
    cr_assert_eq(estimate(&cfg, &by_hand, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], 3, 1e-15);
    cr_assert_float_eq(m[1], 15, 1e-14);
    cr_assert_eq(r.rows, 4);
    cr_assert_eq(r.rows_effective, 4);
}

Test(expected, ewma_by_hand)
{
    double m[2];
    keel_expected_report r;
    keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_EWMA);
    cfg.lambda = 0.5;
    cr_assert_eq(estimate(&cfg, &by_hand, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], (3 + 6 * 0.5 + 2 * 0.25 + 1 * 0.125) / 1.875, 1e-15);
    cr_assert_float_eq(m[1], (0 + 20 * 0.5 + 30 * 0.25 + 10 * 0.125) / 1.875, 1e-14);
    cr_assert_float_eq(r.rows_effective, 1.875 * 1.875 / 1.328125, 1e-14);
    cfg.lambda = nextafter(1, 0);
    cr_assert_eq(estimate(&cfg, &by_hand, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], 3, 1e-14);
}

Test(expected, lambda_of_a_span)
{
    cr_assert_float_eq(keel_lambda_of_span(3), 0.5, 0);
    cr_assert_float_eq(keel_lambda_of_span(180), 179 / 181.0, 1e-16);
    cr_assert_eq(keel_lambda_of_span(1), 0);
    cr_assert_eq(keel_lambda_of_span(-4), 0);
    cr_assert_eq(keel_lambda_of_span(NAN), 0);
    cr_assert_eq(keel_lambda_of_span(INFINITY), 0);
}

Test(expected, capm_of_the_market_itself_and_of_what_is_made_of_it)
{
    double at[ROWS * 3], market[ROWS], m[3], mean = 0;
    keel_expected_report r;
    keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_CAPM);
    for (int t = 0; t < ROWS; t++) {
        market[t] = sin(t) + 0.1;
        mean += market[t] / ROWS;
        at[t * 3] = market[t];
        at[t * 3 + 1] = 5 - 2 * market[t]; /* its mean does not enter, its beta does */
        at[t * 3 + 2] = 0.25;
    }
    cfg.market = market;
    cfg.risk_free = 0.02;
    cr_assert_eq(estimate(&cfg, &(keel_sample){.rows = ROWS, .n = 3, .at = at}, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], mean, 1e-14);
    cr_assert_float_eq(m[1], 0.02 - 2 * (mean - 0.02), 1e-13);
    cr_assert_float_eq(m[2], 0.02, 1e-14);
    cr_assert_float_eq(r.common_return, mean, 1e-15);
}

Test(expected, capm_of_the_mean_series_keeps_the_mean_of_means)
{
    double at[ROWS * N], m[N], plain[N], total = 0, of_means = 0;
    keel_expected_report r, q;
    keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_MEAN);
    const keel_sample s = {.rows = ROWS, .n = N, .at = at};
    make(at, 2);
    cr_assert_eq(estimate(&cfg, &s, plain, &q), KEEL_OK);
    cfg = cfg_of(KEEL_EXPECTED_CAPM);
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    for (int i = 0; i < N; i++) { /* betas to the mean of all have mean 1 */
        total += m[i] / N;
        of_means += plain[i] / N;
    }
    cr_assert_float_eq(total, of_means, 1e-16);
    cr_assert_float_eq(r.common_return, of_means, 1e-16);
}

/* Jorion's formulas with a dense inverse by Gauss and Jordan. */
static double jorion(const double *at, int rows, double *out, double *common)
{
    double m[N] = {0}, s[N][2 * N] = {{0}}, above = 0, below = 0, apart = 0;
    for (int t = 0; t < rows; t++) {
        for (int i = 0; i < N; i++)
            m[i] += at[t * N + i] / rows;
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            for (int t = 0; t < rows; t++)
                s[i][j] += (at[t * N + i] - m[i]) * (at[t * N + j] - m[j]) / (rows - N - 2);
        }
        s[i][N + i] = 1;
    }
    for (int p = 0; p < N; p++) {
        const double pivot = s[p][p];
        for (int j = 0; j < 2 * N; j++)
            s[p][j] /= pivot;
        for (int i = 0; i < N; i++) {
            const double factor = s[i][p];
            for (int j = 0; j < 2 * N && i != p; j++)
                s[i][j] -= factor * s[p][j];
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            above += s[i][N + j] * m[j];
            below += s[i][N + j];
        }
    }
    *common = above / below;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++)
            apart += rows * (m[i] - *common) * s[i][N + j] * (m[j] - *common);
    }
    const double frac = (N + 2) / (N + 2 + apart);
    for (int i = 0; i < N; i++)
        out[i] = (1 - frac) * m[i] + frac * *common;
    return frac;
}

Test(expected, james_stein_is_that_of_jorion)
{
    static const int lengths[] = {N + 3, 20, ROWS};
    double at[ROWS * N], m[N], expected[N], common;
    const keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_JAMES_STEIN);
    for (int k = 0; k < 3; k++) {
        keel_expected_report r;
        make(at, (uint64_t)k);
        const double frac = jorion(at, lengths[k], expected, &common);
        cr_assert_eq(estimate(&cfg, &(keel_sample){.rows = lengths[k], .n = N, .at = at}, m, &r),
                     KEEL_OK);
        cr_assert_float_eq(r.shrinkage_frac, frac, 1e-11);
        cr_assert_float_eq(r.common_return, common, 1e-13);
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(m[i], expected[i], 1e-13);
        cr_assert(r.shrinkage_frac > 0 && r.shrinkage_frac < 1);
    }
}

Test(expected, james_stein_needs_rows_and_an_inverse)
{
    double at[ROWS * N], m[N] = {7};
    keel_expected_report r;
    const keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_JAMES_STEIN);
    keel_sample s = {.rows = N + 2, .n = N, .at = at};
    make(at, 4);
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_EUNAVAIL);
    s.rows = ROWS;
    for (int t = 0; t < ROWS; t++)
        at[t * N + 3] = at[t * N] + at[t * N + 1];
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_ERANGE);
    for (int t = 0; t < ROWS; t++)
        at[t * N + 3] = 0.1;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_ERANGE);
    for (int t = 0; t < ROWS; t++)
        at[t * N + 3] = 1e-157 * (t % 7); /* squares far below the others', and above 0 */
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_ERANGE);
    cr_assert_eq(m[0], 7);
}

Test(expected, scale_and_order_of_series)
{
    double at[ROWS * N], turned[ROWS * N], m[N], other[N];
    make(at, 6);
    for (int t = 0; t < ROWS; t++) {
        for (int i = 0; i < N; i++)
            turned[t * N + i] = 3 * at[t * N + (i + 2) % N];
    }
    for (unsigned k = 0; k < KEEL_EXPECTED_COUNT; k++) {
        keel_expected_report r, q;
        const keel_expected_cfg cfg = cfg_of((keel_expected_estimator)k);
        cr_assert_eq(estimate(&cfg, &(keel_sample){.rows = ROWS, .n = N, .at = at}, m, &r),
                     KEEL_OK);
        cr_assert_eq(estimate(&cfg, &(keel_sample){.rows = ROWS, .n = N, .at = turned}, other, &q),
                     KEEL_OK);
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(other[i], 3 * m[(i + 2) % N], 1e-14);
        cr_assert_float_eq(r.shrinkage_frac, q.shrinkage_frac, 1e-12);
        cr_assert_float_eq(3 * r.common_return, q.common_return, 1e-14);
    }
}

Test(expected, holes_are_left_out_by_row_or_by_series)
{
    double rows[8], market[4] = {1, 3, 2, 5}, m[2];
    const unsigned char present[8] = {1, 1, 0, 1, 1, 1, 1, 1};
    keel_expected_report r;
    keel_sample s = {.rows = 4, .n = 2, .at = rows, .present = present};
    keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_MEAN);
    memcpy(rows, two, sizeof rows);
    rows[2] = NAN; /* not read */
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], 10 / 3.0, 1e-15);
    cr_assert_float_eq(m[1], 10, 1e-14);
    cr_assert_eq(r.rows, 3);
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], 10 / 3.0, 1e-15);
    cr_assert_float_eq(m[1], 15, 1e-14);
    cr_assert_eq(r.rows, 3);
    cfg.estimator = KEEL_EXPECTED_EWMA;
    cfg.lambda = 0.5;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    cr_assert_float_eq(m[0], (3 + 6 * 0.5 + 1 * 0.125) / 1.625, 1e-15);
    cfg.estimator = KEEL_EXPECTED_CAPM;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_EINVAL); /* of which series would it be the mean */
    cfg.market = market;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    /* market 1 2 5 with x 1 6 3: deviations -5/3 -2/3 7/3 and -7/3 8/3 -1/3 */
    const double beta = (35 - 16 - 7) / (25 + 4 + 49.0);
    cr_assert_float_eq(m[0], beta * 2.75, 1e-14);
    cfg.estimator = KEEL_EXPECTED_JAMES_STEIN;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_EINVAL);
}

Test(expected, refuses)
{
    static const double still[4] = {0.1, 0.1, 0.1, 0.1}, bad[4] = {1, NAN, 2, 3};
    static const struct {
        keel_expected_cfg cfg;
        keel_status status;
    } rows[] = {
        {{KEEL_EXPECTED_COUNT, KEEL_MISSING_COMMON, 2, 0.9, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_MEAN, (keel_missing)9, 2, 0.9, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_MEAN, KEEL_MISSING_COMMON, 1, 0.9, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_MEAN, KEEL_MISSING_COMMON, 5, 0.9, NULL, 0}, KEEL_EUNAVAIL},
        {{KEEL_EXPECTED_EWMA, KEEL_MISSING_COMMON, 2, 0, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_EWMA, KEEL_MISSING_COMMON, 2, 1, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_EWMA, KEEL_MISSING_COMMON, 2, NAN, NULL, 0}, KEEL_EINVAL},
        {{KEEL_EXPECTED_CAPM, KEEL_MISSING_COMMON, 2, 0.9, NULL, NAN}, KEEL_EINVAL},
        {{KEEL_EXPECTED_CAPM, KEEL_MISSING_COMMON, 2, 0.9, bad, 0}, KEEL_ENONFINITE},
        {{KEEL_EXPECTED_CAPM, KEEL_MISSING_COMMON, 2, 0.9, still, 0}, KEEL_ERANGE},
        {{KEEL_EXPECTED_JAMES_STEIN, KEEL_MISSING_COMMON, 2, 0.9, NULL, 0}, KEEL_EUNAVAIL},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double m[2] = {7, 7};
        keel_expected_report r = {.rows = 77};
        cr_assert_eq(estimate(&rows[k].cfg, &by_hand, m, &r), rows[k].status, "row %zu", k);
        cr_assert_eq(m[0], 7);
        cr_assert_eq(r.rows, 77);
    }
    const double nan_in[2] = {1, NAN};
    double m[1];
    keel_expected_report r;
    const keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_MEAN);
    const keel_sample s = {.rows = 2, .n = 1, .at = nan_in};
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_ENONFINITE);
    cr_assert_eq(keel_expected_estimate(&cfg, &s, m, &r, NULL), KEEL_ENONFINITE);
}

Test(expected, rows_that_faded_away_are_too_few)
{
    enum { LONG = 1500 };
    static double rows[LONG * 2];
    static unsigned char present[LONG * 2];
    double m[2];
    keel_expected_report r;
    keel_expected_cfg cfg = cfg_of(KEEL_EXPECTED_EWMA);
    for (int k = 0; k < LONG * 2; k++) {
        rows[k] = sin(k);
        present[k] = k < 8 || k % 2 == 0; /* the second ends after four rows */
    }
    const keel_sample s = {.rows = LONG, .n = 2, .at = rows, .present = present};
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_OK);
    cfg.lambda = 0.5;
    cr_assert_eq(estimate(&cfg, &s, m, &r), KEEL_EUNAVAIL);
}

Test(expected, numbers_of_any_size_stay_finite)
{
    static const double sizes[] = {1e100, 1e-100, 1e-160, 1e-300};
    for (unsigned k = 0; k < KEEL_EXPECTED_COUNT; k++) {
        for (int z = 0; z < 4; z++) {
            double at[ROWS * N], market[ROWS], m[N];
            keel_expected_report r;
            keel_expected_cfg cfg = cfg_of((keel_expected_estimator)k);
            make(at, 9);
            for (int t = 0; t < ROWS; t++)
                market[t] = 1e-90 * sin(t); /* nothing like the series */
            for (int c = 0; c < ROWS * N; c++)
                at[c] *= sizes[z] / 0.1;
            cfg.market = market;
            const keel_status status =
                estimate(&cfg, &(keel_sample){.rows = ROWS, .n = N, .at = at}, m, &r);
            cr_assert(status == KEEL_OK || (k == KEEL_EXPECTED_CAPM && status == KEEL_ERANGE));
            for (int i = 0; i < N && status == KEEL_OK; i++)
                cr_assert(isfinite(m[i]));
        }
    }
}
