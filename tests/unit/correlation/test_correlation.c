/* CO01, CO02, CO05, CO06, CO10, CO12, CO14, T3: rolling, exponential and diagonal estimates. */
#include "services/correlation/engine/correlation.h"

#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 4, ROWS = 200, PAIRS = N * (N + 1) / 2 };

#define HASH   UINT64_C(4242)
#define BAR_NS INT64_C(3600000000000)
#define SEED   7

static int64_t closes[ROWS][N];

/* Prices with one common factor; seeded, the same in every test. */
static void make_prices(void)
{
    keel_rng rng = keel_rng_seeded(SEED);
    double log_price[N] = {4.0, 7.0, 10.0, 0.0};
    printf("seed %d\n", SEED);
    for (int t = 0; t < ROWS; t++) {
        const double common = 0.01 * keel_rng_normal(&rng);
        for (int i = 0; i < N; i++) {
            log_price[i] += common * (i - 1) + 0.01 * keel_rng_normal(&rng);
            closes[t][i] = (int64_t)llround(exp(log_price[i]) * 1e8);
        }
    }
}

static keel_corr_cfg cfg_of(keel_estimator estimator)
{
    make_prices();
    return (keel_corr_cfg){
        .n = N,
        .universe_hash = HASH,
        .bar_ns = BAR_NS,
        .estimator = estimator,
        .log_returns = true,
        .rows_window = 30,
        .lambda = 0.94,
        .rows_min = 5,
    };
}

static keel_corr *must(const keel_corr_cfg *cfg)
{
    keel_err err = {KEEL_OK, ""};
    keel_corr *eng = keel_corr_new(cfg, &err);
    cr_assert_not_null(eng, "%s", err.text);
    return eng;
}

static keel_bar_row row_of(int t, const int64_t *prices)
{
    keel_bar_row row = {.universe_hash = HASH,
                        .close_ns = (t + 1) * BAR_NS,
                        .bar_ns = BAR_NS,
                        .n = N,
                        .close_units = prices};
    for (int i = 0; i < N; i++)
        row.missing += prices[i] == 0;
    return row;
}

static keel_corr_out feed(keel_corr *eng, int t)
{
    keel_corr_out out;
    const keel_bar_row row = row_of(t, closes[t]);
    cr_assert_eq(keel_corr_on_row(eng, &row, &out), KEEL_OK);
    return out;
}

static keel_corr_out feed_until(keel_corr *eng, int last)
{
    keel_corr_out out = {0};
    for (int t = 0; t <= last; t++)
        out = feed(eng, t);
    return out;
}

/* Two passes over the returns of rows first..last, divisor rows - 1. */
static double plain_covariance(int i, int j, int first, int last)
{
    double mean_i = 0, mean_j = 0, sum = 0;
    const int rows = last - first + 1;
    for (int t = first; t <= last; t++) {
        mean_i += log((double)closes[t][i] / (double)closes[t - 1][i]) / rows;
        mean_j += log((double)closes[t][j] / (double)closes[t - 1][j]) / rows;
    }
    for (int t = first; t <= last; t++)
        sum += (log((double)closes[t][i] / (double)closes[t - 1][i]) - mean_i) *
               (log((double)closes[t][j] / (double)closes[t - 1][j]) - mean_j);
    return sum / (rows - 1);
}

/* All leading minors by Cholesky without pivoting. */
static bool positive_definite(int n, const double *packed)
{
    double l[16][16] = {{0}};
    cr_assert_leq(n, 16);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            double sum = packed[keel_packed_at(n, i, j)];
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            if (i == j && sum <= 0.0)
                return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    }
    return true;
}

static void check_shape(const keel_corr_out *out)
{
    const keel_correlation *c = &out->correlation;
    for (int j = 0; j < c->n; j++) {
        cr_expect_eq(c->correlation[keel_packed_at(c->n, j, j)], 1.0);
        cr_expect_gt(out->covariance.covariance[keel_packed_at(c->n, j, j)], 0.0);
        for (int i = j; i < c->n; i++)
            cr_expect_leq(fabs(c->correlation[keel_packed_at(c->n, i, j)]), 1.0);
    }
    cr_expect(positive_definite(c->n, out->covariance.covariance));
}

/* CO02: the window slides, and what is kept row by row equals what is computed afresh. */
Test(correlation, incremental_equals_recomputed)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *eng = must(&cfg);
    (void)feed_until(eng, 30);
    for (int t = 31; t < ROWS; t++) {
        const keel_corr_out out = feed(eng, t);
        cr_assert_eq(out.made, (unsigned)KEEL_CORR_MADE_MATRIX);
        cr_assert_eq(out.correlation.basis.rows, 30);
        cr_assert_eq(out.correlation.basis.shrinkage_frac, KEEL_CORR_RIDGE);
        for (int j = 0; j < N; j++)
            for (int i = j; i < N; i++) {
                const double want = plain_covariance(i, j, t - 29, t);
                const double got = out.covariance.covariance[keel_packed_at(N, i, j)];
                cr_assert_float_eq(got, want, 2e-13, "row %d (%d,%d)", t, i, j);
            }
        cr_assert_eq(out.covariance.as_of_ns, (t + 1) * BAR_NS);
    }
    keel_corr_free(&eng);
}

/* T3: too few rows give nothing, then less than the window gives shrunk correlations. */
Test(correlation, short_history_is_stated_and_shrunk)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *eng = must(&cfg);
    for (int t = 0; t < 40; t++) {
        const keel_corr_out out = feed(eng, t);
        cr_assert_eq(out.made != 0, t >= 5, "row %d", t);
        if (out.made == 0)
            continue;
        const keel_basis *b = &out.correlation.basis;
        const int rows = t < 30 ? t : 30;
        const double raw =
            plain_covariance(1, 0, t - rows + 1, t) /
            sqrt(plain_covariance(1, 1, t - rows + 1, t) * plain_covariance(0, 0, t - rows + 1, t));
        cr_expect_eq(b->rows, rows);
        cr_expect_eq(b->rows_effective, (double)rows);
        cr_expect_eq(b->rows_min, 5);
        cr_expect_eq(b->window_ns, 30 * BAR_NS);
        cr_expect_float_eq(b->shrinkage_frac, fmax(1e-10, 1.0 - rows / 30.0), 1e-15);
        cr_expect_float_eq(out.correlation.correlation[1], (1 - b->shrinkage_frac) * raw, 1e-11);
        check_shape(&out);
    }
    keel_corr_free(&eng);
}

/* Too many instruments for the window: the trust rises with their number. */
Test(correlation, few_rows_for_many_instruments_stay_positive_definite)
{
    keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    cfg.rows_window = 3;
    cfg.rows_min = 2;
    keel_corr *eng = must(&cfg);
    for (int t = 0; t < 50; t++) {
        const keel_corr_out out = feed(eng, t);
        if (t >= 3)
            cr_expect_float_eq(out.correlation.basis.shrinkage_frac, 1.0 - 3.0 / 10.0, 1e-15);
        if (out.made != 0)
            check_shape(&out);
    }
    keel_corr_free(&eng);
}

Test(correlation, ewma_is_the_normalised_recursion)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_EWMA);
    keel_corr *eng = must(&cfg);
    double s[PAIRS] = {0}, weight = 0, squares = 0;
    for (int t = 0; t < ROWS; t++) {
        const keel_corr_out out = feed(eng, t);
        if (t == 0)
            continue;
        weight = 0.94 * weight + 1;
        squares = 0.94 * 0.94 * squares + 1;
        for (int j = 0; j < N; j++)
            for (int i = j; i < N; i++)
                s[keel_packed_at(N, i, j)] =
                    0.94 * s[keel_packed_at(N, i, j)] +
                    log((double)closes[t][i] / (double)closes[t - 1][i]) *
                        log((double)closes[t][j] / (double)closes[t - 1][j]);
        if (out.made == 0)
            continue;
        const keel_basis *b = &out.covariance.basis;
        const double effective = weight * weight / squares;
        cr_expect_float_eq(b->rows_effective, effective, 1e-9);
        cr_expect_float_eq(b->shrinkage_frac, fmax(1e-10, 1 - effective * 0.06 / 1.94), 1e-9);
        cr_expect_eq(b->window_ns, 0);
        cr_expect_float_eq(out.covariance.covariance[0], s[0] / weight, 1e-15);
        cr_expect_float_eq(out.covariance.covariance[1], (1 - b->shrinkage_frac) * s[1] / weight,
                           1e-15);
        check_shape(&out);
    }
    keel_corr_free(&eng);
}

/* CO14 */
Test(correlation, diagonal_has_variances_alone)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_DIAGONAL);
    keel_corr *eng = must(&cfg);
    const keel_corr_out out = feed_until(eng, 60);
    cr_expect_eq(out.correlation.basis.estimator, KEEL_ESTIMATOR_DIAGONAL);
    cr_expect_eq(out.correlation.basis.shrinkage_frac, 1.0);
    cr_expect_eq(out.correlation.mean_correlation, 0.0);
    for (int j = 0; j < N; j++)
        for (int i = j; i < N; i++) {
            const double v = out.covariance.covariance[keel_packed_at(N, i, j)];
            cr_expect_float_eq(v, i == j ? plain_covariance(i, i, 31, 60) : 0.0, 1e-15);
        }
    keel_corr_free(&eng);
}

Test(correlation, simple_returns_are_ratios_less_one)
{
    keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    cfg.log_returns = false;
    cfg.rows_min = 2;
    keel_corr *eng = must(&cfg);
    const keel_corr_out out = feed_until(eng, 2);
    const double a = (double)closes[1][0] / (double)closes[0][0] - 1;
    const double b = (double)closes[2][0] / (double)closes[1][0] - 1;
    cr_expect(!out.correlation.basis.log_returns);
    cr_expect_float_eq(out.covariance.covariance[0], (a - b) * (a - b) / 2, 1e-15);
    keel_corr_free(&eng);
}

/* The unit a price is counted in is not a return. */
Test(correlation, price_scale_does_not_matter)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *a = must(&cfg), *b = must(&cfg);
    for (int t = 0; t < 60; t++) {
        int64_t scaled[N];
        keel_corr_out one = feed(a, t), two;
        for (int i = 0; i < N; i++)
            scaled[i] = closes[t][i] * (i == 2 ? 8 : 1);
        const keel_bar_row row = row_of(t, scaled);
        cr_assert_eq(keel_corr_on_row(b, &row, &two), KEEL_OK);
        cr_assert_eq(one.made, two.made);
        if (one.made != 0)
            cr_assert_arr_eq(one.covariance.covariance, two.covariance.covariance,
                             PAIRS * sizeof(double));
    }
    keel_corr_free(&a);
    keel_corr_free(&b);
}

Test(correlation, order_of_instruments_does_not_matter)
{
    const keel_estimator kinds[] = {KEEL_ESTIMATOR_ROLLING, KEEL_ESTIMATOR_EWMA};
    for (int k = 0; k < 2; k++) {
        const keel_corr_cfg cfg = cfg_of(kinds[k]);
        keel_corr *a = must(&cfg), *b = must(&cfg);
        for (int t = 0; t < 80; t++) {
            int64_t turned[N];
            keel_corr_out one = feed(a, t), two;
            for (int i = 0; i < N; i++)
                turned[i] = closes[t][N - 1 - i];
            const keel_bar_row row = row_of(t, turned);
            cr_assert_eq(keel_corr_on_row(b, &row, &two), KEEL_OK);
            for (int j = 0; one.made != 0 && j < N; j++)
                for (int i = j; i < N; i++)
                    cr_assert_float_eq(
                        one.correlation.correlation[keel_packed_at(N, i, j)],
                        two.correlation.correlation[keel_packed_at(N, N - 1 - j, N - 1 - i)],
                        1e-12);
        }
        keel_corr_free(&a);
        keel_corr_free(&b);
    }
}

/* CO10, CO12: a row with a missing bar is a gap, and the next return spans it. */
Test(correlation, row_with_a_missing_bar_is_dropped_whole)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *with_gaps = must(&cfg), *without = must(&cfg);
    for (int t = 0; t < 100; t++) {
        keel_corr_out a, b = {0};
        const bool gap = t % 7 >= 5; /* a weekend of instrument 1 */
        int64_t prices[N];
        memcpy(prices, closes[t], sizeof prices);
        if (gap)
            prices[1] = 0;
        const keel_bar_row row = row_of(t, prices);
        cr_assert_eq(keel_corr_on_row(with_gaps, &row, &a), KEEL_OK);
        if (gap) {
            cr_assert_eq(a.made, (unsigned)KEEL_CORR_MADE_GAP);
            cr_assert_eq(a.missing, 1);
            continue;
        }
        b = feed(without, t);
        cr_assert_eq(a.made, b.made);
        if (a.made != 0)
            cr_assert_arr_eq(a.covariance.covariance, b.covariance.covariance,
                             PAIRS * sizeof(double));
    }
    cr_expect_eq(keel_corr_rows_gapped(with_gaps), 28u);
    cr_expect_eq(keel_corr_rows_gapped(without), 0u);
    keel_corr_free(&with_gaps);
    keel_corr_free(&without);
}

/* A thousandth of the largest volatility: these prices move far more than the absolute floor. */
static double floor_of(const keel_corr_out *out)
{
    double largest = 0;
    for (int i = 0; i < N; i++)
        largest = fmax(largest, out->correlation.volatility[i]);
    return 1e-3 * largest;
}

Test(correlation, market_that_stands_still_has_the_absolute_floor)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *eng = must(&cfg);
    for (int t = 1; t < ROWS; t++)
        memcpy(closes[t], closes[0], sizeof closes[0]);
    const keel_corr_out out = feed_until(eng, 50);
    for (int i = 0; i < N; i++)
        cr_expect_eq(out.correlation.volatility[i], sqrt(KEEL_CORR_VARIANCE_FLOOR));
    cr_expect_eq(out.correlation.mean_correlation, 0.0);
    check_shape(&out);
    keel_corr_free(&eng);
}

/* An instrument that stands still, from the start or later, has the floor and no correlation. */
Test(correlation, standing_still_is_floored)
{
    const keel_estimator kinds[] = {KEEL_ESTIMATOR_ROLLING, KEEL_ESTIMATOR_EWMA};
    for (int k = 0; k < 2; k++) {
        const keel_corr_cfg cfg = cfg_of(kinds[k]);
        keel_corr *eng = must(&cfg);
        for (int t = 0; t < ROWS; t++) {
            closes[t][1] = closes[0][1];
            if (t > 90)
                closes[t][2] = closes[90][2];
        }
        keel_corr_out out = feed_until(eng, 90);
        cr_expect_float_eq(out.correlation.volatility[1], floor_of(&out), 1e-15);
        cr_expect_eq(out.correlation.correlation[keel_packed_at(N, 1, 0)], 0.0);
        cr_expect_neq(out.correlation.correlation[keel_packed_at(N, 2, 0)], 0.0);
        check_shape(&out);
        for (int t = 91; t <= 120; t++)
            out = feed(eng, t);
        if (kinds[k] == KEEL_ESTIMATOR_ROLLING) {
            cr_expect_float_eq(out.correlation.volatility[2], floor_of(&out), 1e-15);
            cr_expect_eq(out.correlation.correlation[keel_packed_at(N, 2, 0)], 0.0);
        }
        check_shape(&out);
        keel_corr_free(&eng);
    }
}

/* Two instruments that are one: the ridge keeps the matrix positive definite. */
Test(correlation, twins_stay_positive_definite)
{
    const keel_estimator kinds[] = {KEEL_ESTIMATOR_ROLLING, KEEL_ESTIMATOR_EWMA};
    for (int k = 0; k < 2; k++) {
        keel_corr_cfg cfg = cfg_of(kinds[k]);
        cfg.rows_full_trust = 4; /* as little shrinkage as can be asked for */
        keel_corr *eng = must(&cfg);
        for (int t = 0; t < ROWS; t++) {
            closes[t][1] = 2 * closes[t][0];
            const keel_corr_out out = feed(eng, t);
            if (out.made == 0)
                continue;
            cr_assert_float_eq(out.correlation.correlation[1], 1 - 1e-10, 1e-12);
            check_shape(&out);
        }
        keel_corr_free(&eng);
    }
}

Test(correlation, one_instrument_has_no_correlation)
{
    keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    cfg.n = 1;
    keel_corr *eng = must(&cfg);
    keel_corr_out out = {0};
    for (int t = 0; t < 40; t++) {
        const keel_bar_row row = {.universe_hash = HASH,
                                  .close_ns = (t + 1) * BAR_NS,
                                  .bar_ns = BAR_NS,
                                  .n = 1,
                                  .close_units = closes[t]};
        cr_assert_eq(keel_corr_on_row(eng, &row, &out), KEEL_OK);
    }
    cr_expect_eq(out.correlation.mean_correlation, 0.0);
    cr_expect_eq(out.correlation.correlation[0], 1.0);
    keel_corr_free(&eng);
}

Test(correlation, refuses_rows_and_keeps_its_state)
{
    const keel_corr_cfg cfg = cfg_of(KEEL_ESTIMATOR_ROLLING);
    keel_corr *a = must(&cfg), *b = must(&cfg);
    (void)feed_until(a, 50);
    (void)feed_until(b, 50);
    const int64_t negative[N] = {1, 1, -1, 1};
    keel_corr_out out;
    const struct {
        uint64_t hash;
        int n;
        int64_t close_ns, bar_ns;
        const int64_t *prices;
        int missing;
        keel_status status;
    } cases[] = {
        {HASH + 1, N, 60 * BAR_NS, BAR_NS, closes[51], 0, KEEL_EUNKNOWN}, /* a new universe */
        {HASH, N - 1, 60 * BAR_NS, BAR_NS, closes[51], 0, KEEL_EUNKNOWN},
        {HASH, N, 51 * BAR_NS, BAR_NS, closes[51], 0, KEEL_EORDER}, /* the last row again */
        {HASH, N, 50 * BAR_NS, BAR_NS, closes[51], 0, KEEL_EORDER},
        {HASH, N, 60 * BAR_NS, 2 * BAR_NS, closes[51], 0, KEEL_EINVAL},
        {HASH, N, 60 * BAR_NS, BAR_NS, negative, 0, KEEL_ENONFINITE},
        {HASH, N, 60 * BAR_NS, BAR_NS, closes[51], 1, KEEL_EINVAL},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const keel_bar_row row = {cases[k].hash,
                                  cases[k].close_ns,
                                  cases[k].bar_ns,
                                  cases[k].n,
                                  cases[k].prices,
                                  NULL,
                                  NULL,
                                  NULL,
                                  NULL,
                                  cases[k].missing};
        cr_expect_eq(keel_corr_on_row(a, &row, &out), cases[k].status, "case %zu", k);
        cr_expect_eq(out.made, 0u);
    }
    const keel_corr_out one = feed(a, 51), two = feed(b, 51);
    cr_expect_arr_eq(one.covariance.covariance, two.covariance.covariance, PAIRS * sizeof(double));
    keel_corr_free(&a);
    keel_corr_free(&b);
}

Test(correlation, refuses_a_configuration_that_makes_no_sense)
{
    for (int k = 0; k < 12; k++) {
        keel_err err = {KEEL_OK, ""};
        keel_corr_cfg cfg = cfg_of(k == 9 ? KEEL_ESTIMATOR_EWMA : KEEL_ESTIMATOR_ROLLING);
        switch (k) {
        case 0:
            cfg.n = 0;
            break;
        case 1:
            cfg.n = 513;
            break;
        case 2:
            cfg.bar_ns = 0;
            break;
        case 3:
            cfg.rows_window = 1;
            break;
        case 4:
            cfg.rows_window = 9000;
            break;
        case 5:
            cfg.rows_min = 1;
            break;
        case 6:
            cfg.rows_min = 31;
            break;
        case 7:
            cfg.rows_full_trust = -1;
            break;
        case 8:
            cfg.estimator = KEEL_ESTIMATOR_LEDOIT_WOLF;
            break;
        case 9:
            cfg.lambda = 1.0;
            break;
        case 10:
            cfg.rows_full_trust = NAN;
            break;
        default:
            cfg.n = 512, cfg.rows_window = 2000;
            break;
        }
        keel_corr *eng = keel_corr_new(&cfg, &err);
        cr_expect_null(eng, "case %d", k);
        cr_expect_neq(err.status, KEEL_OK);
        cr_expect_neq(err.text[0], '\0', "case %d", k);
        keel_corr_free(&eng);
    }
}

Test(correlation, snapshot_changes_nothing)
{
    static uint8_t snapshot[1 << 16], broken[1 << 16];
    const keel_estimator kinds[] = {KEEL_ESTIMATOR_ROLLING, KEEL_ESTIMATOR_EWMA,
                                    KEEL_ESTIMATOR_DIAGONAL};
    for (int k = 0; k < 3; k++) {
        const keel_corr_cfg cfg = cfg_of(kinds[k]);
        keel_corr *a = must(&cfg);
        size_t len = 0, need = 0;
        for (int t = 0; t < 100; t++) {
            keel_corr *b = must(&cfg);
            cr_assert_eq(keel_corr_save(a, NULL, 0, &need), KEEL_ENOSPC);
            cr_assert_eq(keel_corr_save(a, snapshot, need - 1, &len), KEEL_ENOSPC);
            cr_assert_eq(keel_corr_save(a, snapshot, sizeof snapshot, &len), KEEL_OK);
            cr_assert_eq(len, need);
            cr_assert_eq(keel_corr_load(b, snapshot, len), KEEL_OK);
            const keel_corr_out one = feed(a, t), two = feed(b, t);
            cr_assert_eq(one.made, two.made);
            if (one.made != 0)
                cr_assert_arr_eq(one.covariance.covariance, two.covariance.covariance,
                                 PAIRS * sizeof(double));
            keel_corr_free(&b);
        }
        for (size_t cut = 0; cut < len; cut += 5)
            cr_expect_eq(keel_corr_load(a, snapshot, cut), KEEL_EFORMAT);
        for (size_t at = 0; at < 33; at++) { /* the head up to the flags */
            memcpy(broken, snapshot, len);
            broken[at] ^= 0x10;
            cr_expect_eq(keel_corr_load(a, broken, len), KEEL_EFORMAT, "byte %zu", at);
        }
        memcpy(broken, snapshot, len);
        broken[50 + 7] ^= 0x80; /* a negative close */
        cr_expect_eq(keel_corr_load(a, broken, len), KEEL_EFORMAT);
        keel_corr_free(&a);
        keel_corr_free(&a);
    }
}
