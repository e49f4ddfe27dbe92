/* Estimators against independent answers: every case whose capability begins with estimate., the
 * betas of those of risk.beta_alpha, and two covariances of reference/tables.
 * Source: scikit-learn 1.2.1 (Ledoit-Wolf, OAS), Ledoit and Wolf 2004 (constant correlation), EWMA
 * by recursion; PerformanceAnalytics 2.1.0 (beta). Each case says what it was computed with. */
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance.h"
#include "common/num/stats/expected.h"
#include "tests/support/data.h"
#include "tests/support/market.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 32, LEN = N * (N + 1) / 2, MONTHS = 132 };

typedef struct answer {
    int n;
    double packed[LEN];
    keel_covariance_report report;
} answer;

/* A number that the answer has under the key of a reference case; fails on a key it knows not. */
static double value_of(const answer *a, const char *key)
{
    const double *s = a->packed;
    double trace = 0, squares = 0;
    for (int j = 0; j < a->n; j++) {
        trace += s[keel_sym_at(a->n, j, j)];
        for (int i = 0; i < a->n; i++)
            squares += keel_sym_get(a->n, s, i, j) * keel_sym_get(a->n, s, i, j);
    }
    const struct {
        const char *key;
        double value;
    } rows[] = {
        {"shrinkage", a->report.shrinkage_frac},
        {"mean_correlation", a->report.mean_correlation},
        {"cov_00", s[0]},
        {"cov_01", s[1]},
        {"correlation_01", s[1] / sqrt(s[0] * s[a->n])},
        {"trace", trace},
        {"frobenius", sqrt(squares)},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        if (strcmp(rows[k].key, key) == 0)
            return rows[k].value;
    }
    cr_assert(false, "%s is no number of a covariance", key);
    return 0;
}

/* "ewma_0.94" is of the recursion, which these cases start after 30 rows. */
static keel_covariance_cfg cfg_of(const char *name)
{
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    if (sscanf(name, "ewma_%lf", &cfg.lambda) == 1) {
        cfg.estimator = KEEL_COVARIANCE_EWMA;
        cfg.start_rows = 30;
        return cfg;
    }
    cr_assert_eq(keel_covariance_parse(name, &cfg.estimator), KEEL_OK, "%s", name);
    return cfg;
}

static void compare(const json_t *one, const json_t *expected, const char *name, const answer *a)
{
    const char *key;
    json_t *value;
    double worst = 0;
    const double tolerance = keel_test_number(json_object_get(one, "tolerance"), "rel", -1);
    cr_assert_gt(tolerance, 0, "no tolerance");
    cr_assert_gt(json_object_size(expected), 0, "%s expects nothing", name);
    json_object_foreach((json_t *)expected, key, value)
    {
        const double off = fabs(value_of(a, key) / json_number_value(value) - 1);
        cr_expect_leq(off, tolerance, "%s %s: off by %g", name, key, off);
        worst = fmax(worst, off);
    }
    fprintf(stderr, "%-30s %-34s within %.1e of %.0e\n", keel_test_text(one, "id"), name, worst,
            tolerance);
}

static void run(const json_t *one)
{
    const char *name;
    json_t *expected;
    keel_market m;
    static answer a;
    cr_assert_str_eq(keel_test_text(one, "capability"), "estimate.covariance_shrinkage");
    keel_market_read(&m, json_object_get(one, "inputs"));
    cr_assert_leq(m.n, N);
    json_object_foreach(json_object_get(one, "expected"), name, expected)
    {
        const keel_covariance_cfg cfg = cfg_of(name);
        const keel_sample sample = {.rows = m.rows, .n = m.n, .at = m.at};
        keel_err err = {KEEL_OK, ""};
        a.n = m.n;
        cr_assert_eq(keel_covariance_estimate(&cfg, &sample, a.packed, &a.report, &err), KEEL_OK,
                     "%s: %s", name, err.text);
        cr_assert_eq(a.report.rows, m.rows);
        compare(one, expected, name, &a);
    }
    keel_market_fini(&m);
}

Test(estimators, every_reference_case_is_within_its_tolerance)
{
    keel_la_init();
    if (keel_test_each_case("estimate.", run) < 0)
        cr_skip_test("no reference data");
}

/* The 20 stocks from 1989 on; most begin later, some end earlier. */
static void read_ragged(keel_market *m)
{
    json_t *inputs = json_pack("{s:s}", "prices", "market/us20_daily_1989_2018.csv.gz");
    keel_market_read_holes(m, inputs);
    json_decref(inputs);
}

/* A square table with a head line, packed. */
static void read_table(const char *name, int n, double *packed)
{
    char *fields[N + 1];
    size_t len;
    int i = 0;
    char *csv = keel_test_read(keel_test_data(name), &len), *rest = csv;
    strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; i++) {
        cr_assert_eq(keel_csv_cut(line, fields, N + 1), n);
        for (int j = 0; j <= i && i < n; j++)
            packed[keel_sym_at(n, i, j)] = strtod(fields[j], NULL);
    }
    cr_assert_eq(i, n);
    free(csv);
}

static double worst_off(int n, const double *packed, const double *expected)
{
    double worst = 0;
    for (size_t k = 0; k < keel_sym_len(n); k++)
        worst = fmax(worst, fabs(packed[k] - expected[k]) / fabs(expected[0]));
    return worst;
}

/* us20_cov_annual: pandas, covariance of each pair over the days both are known, times 252. */
Test(estimators, pairwise_covariance_of_ragged_histories_is_that_of_pandas)
{
    static double packed[LEN], expected[LEN];
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    keel_covariance_report report;
    keel_market m;
    if (keel_test_data("reference/tables/us20_cov_annual.csv") == NULL)
        cr_skip_test("no reference data");
    keel_la_init();
    read_ragged(&m);
    read_table("reference/tables/us20_cov_annual.csv", m.n, expected);
    const keel_sample sample = {.rows = m.rows, .n = m.n, .at = m.at, .present = m.present};
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(keel_covariance_estimate(&cfg, &sample, packed, &report, NULL), KEEL_OK);
    for (int k = 0; k < LEN; k++)
        packed[k] *= 252;
    const double off = worst_off(m.n, packed, expected);
    cr_assert_not(report.repaired);
    cr_assert_leq(off, 1e-11, "off by %g", off);
    fprintf(stderr, "pairwise, %d rows, fewest of a pair %d: off by %.1e\n", m.rows, report.rows,
            off);
    keel_market_fini(&m);
}

/* us20_semicov_annual: covariance (divisor T - 1, mean removed) of min(x, 0), a hole being 0, times
 * 252. The semicovariance of this room keeps the mean m: it is (T - 1) / T of that, plus m m'. */
Test(estimators, semicovariance_is_that_of_the_table)
{
    static double packed[LEN], expected[LEN];
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    keel_covariance_report report;
    keel_market m;
    double mean[N] = {0};
    if (keel_test_data("reference/tables/us20_semicov_annual.csv") == NULL)
        cr_skip_test("no reference data");
    keel_la_init();
    read_ragged(&m);
    read_table("reference/tables/us20_semicov_annual.csv", m.n, expected);
    const keel_sample sample = {.rows = m.rows, .n = m.n, .at = m.at};
    cfg.estimator = KEEL_COVARIANCE_SEMI;
    cr_assert_eq(keel_covariance_estimate(&cfg, &sample, packed, &report, NULL), KEEL_OK);
    for (int k = 0; k < m.rows * m.n; k++)
        mean[k % m.n] += fmin(m.at[k], 0) / m.rows;
    for (int j = 0; j < m.n; j++) {
        for (int i = j; i < m.n; i++) {
            double *s = &packed[keel_sym_at(m.n, i, j)];
            *s = 252 * (*s - mean[i] * mean[j]) * m.rows / (m.rows - 1.0);
        }
    }
    const double off = worst_off(m.n, packed, expected);
    cr_assert_leq(off, 1e-11, "off by %g", off);
    fprintf(stderr, "semicovariance: off by %.1e\n", off);
    keel_market_fini(&m);
}

/* One column of a wide file of returns; blank = hole. */
static void read_column(const char *file, const char *name, double *x, unsigned char *present)
{
    char *fields[N];
    size_t len;
    int t = 0, column = 0;
    char *csv = keel_test_read(keel_test_data(file), &len), *rest = csv;
    const int heads = keel_csv_cut(strsep(&rest, "\n"), fields, N);
    for (int k = 1; k < heads; k++)
        column = strcmp(fields[k], name) == 0 ? k : column;
    cr_assert_geq(column, 1, "no column %s", name);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; t++) {
        cr_assert_lt(t, MONTHS);
        const bool there = column < keel_csv_cut(line, fields, N) && fields[column][0] != '\0';
        x[t] = there ? strtod(fields[column], NULL) : 0;
        present[t] = there;
    }
    cr_assert_eq(t, MONTHS);
    free(csv);
}

/* With excess returns and no risk-free return, the expected return over the market's is beta. */
static double beta_of(const char *file, const char *name, const double *free_of_risk,
                      const double *market)
{
    double x[MONTHS], expected;
    unsigned char present[MONTHS];
    keel_expected_report report;
    keel_expected_cfg cfg = KEEL_EXPECTED_DEFAULTS;
    read_column(file, name, x, present);
    for (int t = 0; t < MONTHS; t++)
        x[t] -= free_of_risk[t];
    const keel_sample s = {.rows = MONTHS, .n = 1, .at = x, .present = present};
    cfg.estimator = KEEL_EXPECTED_CAPM;
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cfg.market = market;
    cr_assert_eq(keel_expected_estimate(&cfg, &s, &expected, &report, NULL), KEEL_OK);
    return expected / report.common_return;
}

static void run_betas(const json_t *one)
{
    const json_t *inputs = json_object_get(one, "inputs");
    const json_t *verified = json_object_get(json_object_get(one, "verified"), "independent");
    const char *file = keel_test_text(inputs, "returns");
    const double tolerance = keel_test_number(json_object_get(one, "tolerance"), "abs", -1);
    double market[MONTHS], free_of_risk[MONTHS];
    unsigned char all[MONTHS];
    size_t k;
    json_t *name;
    read_column(file, keel_test_text(inputs, "benchmark_column"), market, all);
    read_column(file, keel_test_text(inputs, "risk_free_column"), free_of_risk, all);
    for (int t = 0; t < MONTHS; t++)
        market[t] -= free_of_risk[t];
    cr_assert_gt(json_array_size(json_object_get(inputs, "columns")), 0);
    json_array_foreach(json_object_get(inputs, "columns"), k, name)
    {
        char key[64];
        const double beta = beta_of(file, json_string_value(name), free_of_risk, market);
        snprintf(key, sizeof key, "beta_%s", json_string_value(name));
        cr_expect_float_eq(beta, keel_test_number(json_object_get(one, "expected"), key, NAN),
                           tolerance, "%s: %.12f", key, beta);
        cr_expect_float_eq(beta, keel_test_number(verified, key, NAN), 1e-11, "%s: %.12f", key,
                           beta);
        fprintf(stderr, "%s %.12f\n", key, beta);
    }
}

Test(estimators, betas_are_those_of_performance_analytics)
{
    keel_la_init();
    if (keel_test_each_case("risk.beta_alpha", run_betas) < 0)
        cr_skip_test("no reference data");
}
