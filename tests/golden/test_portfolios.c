/* Portfolios of the mean-variance family against published and independently computed answers:
 * every case of these capabilities in the reference index, solved by keel_solver and compared, on
 * the digits of `verified` where the case has them.
 * Source: Markowitz (1959), Sharpe (1987), Chopra and Ziemba (1993), Kwan and Yuan (1993), He and
 * Litterman (1999), fPortfolio, PyPortfolioOpt; computed cases: an interior point with an
 * active-set polish. Each case names its own. */
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"
#include "services/optimizer/engine/problem.h"
#include "tests/support/data.h"
#include "tests/support/market.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 32, LEN = N * (N + 1) / 2 };

#define VERIFIED 2e-6 /* weights of an independent solver are printed with 12 digits of its own */

/* What a case is about, and where its problem is made. */
typedef struct data {
    keel_market m;
    double s[LEN], mean[N], lower[N], upper[N], current[N], cost[N];
    keel_problem p;
} data;

static void read_list(const json_t *list, double *to)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        to[i] = json_number_value(json_array_get(list, i));
}

static void name_assets(data *d, const json_t *names)
{
    for (int i = 0; i < d->m.n && names != NULL; i++)
        snprintf(d->m.names[i], sizeof d->m.names[i], "%s",
                 json_string_value(json_array_get(names, (size_t)i)));
}

static void read_matrix(data *d, const json_t *cov)
{
    double row[N];
    d->m.n = (int)json_array_size(cov);
    cr_assert(d->m.n >= 1 && d->m.n <= N);
    for (int i = 0; i < d->m.n; i++) {
        read_list(json_array_get(cov, (size_t)i), row);
        for (int j = 0; j <= i; j++)
            d->s[keel_sym_at(d->m.n, i, j)] = row[j];
    }
}

/* Correlations and volatilities. */
static void scale_matrix(data *d, const json_t *volatility)
{
    double sigma[N];
    read_list(volatility, sigma);
    for (int j = 0; j < d->m.n; j++)
        for (int i = j; i < d->m.n; i++)
            d->s[keel_sym_at(d->m.n, i, j)] *= sigma[i] * sigma[j];
}

static void estimate(data *d, const json_t *inputs)
{
    keel_market_read(&d->m, inputs);
    cr_assert_leq(d->m.n, N);
    for (int j = 0; j < d->m.n; j++) {
        d->mean[j] = keel_mean(d->m.rows, d->m.at + j, d->m.n);
        for (int i = j; i < d->m.n; i++)
            d->s[keel_sym_at(d->m.n, i, j)] =
                keel_covariance(d->m.rows, d->m.at + i, d->m.at + j, d->m.n);
    }
}

/* "asset,mean" lines, and a matrix under a line of names in the same order. */
static void read_tables(data *d, const json_t *inputs)
{
    char *fields[N], *rest, *line;
    size_t len;
    char *means = keel_test_read(keel_test_data(keel_test_text(inputs, "mean")), &len);
    rest = means;
    strsep(&rest, "\n");
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        cr_assert_eq(keel_csv_cut(line, fields, N), 2);
        snprintf(d->m.names[d->m.n], sizeof d->m.names[d->m.n], "%s", fields[0]);
        d->mean[d->m.n++] = strtod(fields[1], NULL);
    }
    free(means);
    char *covs = keel_test_read(keel_test_data(keel_test_text(inputs, "cov")), &len);
    rest = covs;
    cr_assert_eq(keel_csv_cut(strsep(&rest, "\n"), fields, N), d->m.n);
    for (int i = 0; i < d->m.n; i++)
        cr_assert_str_eq(fields[i], d->m.names[i]);
    for (int i = 0; i < d->m.n; i++) {
        cr_assert_eq(keel_csv_cut(strsep(&rest, "\n"), fields, N), d->m.n);
        for (int j = 0; j <= i; j++)
            d->s[keel_sym_at(d->m.n, i, j)] = strtod(fields[j], NULL);
    }
    free(covs);
}

static void read_estimates(data *d, const json_t *inputs)
{
    const json_t *cov = json_object_get(inputs, "cov"), *corr = json_object_get(inputs, "corr");
    if (json_is_array(cov) || json_is_array(corr)) {
        read_matrix(d, json_is_array(cov) ? cov : corr);
        name_assets(d, json_object_get(inputs, "assets"));
        if (json_is_array(corr))
            scale_matrix(d, json_object_get(inputs, "volatility"));
        read_list(json_object_get(inputs, "mean"), d->mean);
    } else if (json_object_get(inputs, "prices") != NULL ||
               json_object_get(inputs, "returns") != NULL) {
        estimate(d, inputs);
    } else {
        read_tables(d, inputs);
    }
}

static void add_ridge(data *d, double by)
{
    for (int i = 0; i < d->m.n; i++)
        d->s[keel_sym_at(d->m.n, i, i)] += by;
}

/* Objectives that the cases state in words; aborts at one that is new. */
static void read_objective(data *d, const json_t *inputs)
{
    const char *words = keel_test_text(inputs, "objective");
    d->p.risk_aversion = keel_test_number(inputs, "risk_aversion", 1);
    d->p.method = KEEL_METHOD_MEAN_VARIANCE;
    if (strcmp(words, "minimise variance") == 0) {
        d->p.method = KEEL_METHOD_MIN_VARIANCE;
    } else if (strcmp(words, "minimise w'cov w + w'w") == 0) {
        d->p.method = KEEL_METHOD_MIN_VARIANCE;
        add_ridge(d, 1);
    } else if (strcmp(words, "maximise Sharpe ratio") == 0) {
        d->p.method = KEEL_METHOD_MAX_SHARPE;
    } else if (strcmp(words, "maximise mean'w - w'cov w/2 - 5 w'w") == 0) {
        add_ridge(d, 10);
    } else if (strcmp(words, "maximise return subject to volatility <= 0.19") == 0) {
        d->p.method = KEEL_METHOD_TARGET_RISK;
        d->p.target_risk = 0.19;
    } else {
        cr_assert(json_object_get(inputs, "risk_aversion") != NULL, "an objective of new words: %s",
                  words);
    }
}

static void read_method(data *d, const char *capability, const json_t *inputs)
{
    d->p.risk_free = keel_test_number(inputs, "risk_free", 0);
    if (strcmp(capability, "opt.max_sharpe") == 0) {
        d->p.method = KEEL_METHOD_MAX_SHARPE;
    } else if (strcmp(capability, "opt.mean_variance_target_return") == 0) {
        d->p.method = KEEL_METHOD_TARGET_RETURN;
        d->p.target_return = keel_test_number(inputs, "target_return", NAN);
    } else if (strcmp(capability, "opt.mean_variance_risk_tolerance") == 0) {
        d->p.method = KEEL_METHOD_MEAN_VARIANCE; /* tolerance * mean'w - w'Sw / 2 */
        d->p.risk_aversion = 1;
        for (int i = 0; i < d->m.n; i++)
            d->mean[i] *= keel_test_number(inputs, "risk_tolerance", NAN);
    } else if (strcmp(capability, "opt.mean_variance_unconstrained") == 0) {
        d->p.method = KEEL_METHOD_MEAN_VARIANCE;
        d->p.risk_aversion = keel_test_number(inputs, "risk_aversion", NAN);
        d->p.budget = KEEL_NO_BOUND;
        read_list(json_object_get(inputs, "mean_percent"), d->mean);
        for (int i = 0; i < d->m.n; i++)
            d->mean[i] /= 100;
    } else {
        read_objective(d, inputs);
    }
}

static void read_case(data *d, const json_t *c)
{
    const json_t *inputs = json_object_get(c, "inputs");
    memset(d, 0, sizeof *d);
    read_estimates(d, inputs);
    for (int i = 0; i < d->m.n; i++) {
        d->lower[i] = keel_test_number(inputs, "lower", -KEEL_NO_BOUND);
        d->upper[i] = keel_test_number(inputs, "upper", KEEL_NO_BOUND);
        d->cost[i] = keel_test_number(inputs, "cost_rate", 0);
    }
    read_list(json_object_get(inputs, "start_weights"), d->current);
    d->p.n = d->m.n;
    d->p.covariance = d->s;
    d->p.mean = d->mean;
    d->p.lower = d->lower;
    d->p.upper = d->upper;
    d->p.budget = keel_test_number(inputs, "sum", 1);
    d->p.current = d->current;
    d->p.cost = d->cost;
    d->p.gross_max = d->p.turnover_max = d->p.tracking_error_max = KEEL_NO_BOUND;
    read_method(d, keel_test_text(c, "capability"), inputs);
}

/* ---- comparing ---- */

/* By name where the case names assets, else by place; -1 when the case has no such list. */
static double worst_weight(const data *d, const json_t *weights, double unit, const double *w)
{
    double worst = -1;
    if (weights == NULL)
        return worst;
    for (int i = 0; i < d->m.n; i++) {
        const json_t *one = json_is_array(weights) ? json_array_get(weights, (size_t)i)
                                                   : json_object_get(weights, d->m.names[i]);
        cr_assert(json_is_number(one));
        worst = fmax(worst, fabs(w[i] - json_number_value(one) * unit));
    }
    return worst;
}

static void compare_number(const json_t *c, const char *key, double got, const char *absolute,
                           const char *relative)
{
    const json_t *tolerance = json_object_get(c, "tolerance");
    const double expected = keel_test_number(json_object_get(c, "expected"), key, NAN);
    const double abs_max = keel_test_number(tolerance, absolute, 0);
    const double rel_max = keel_test_number(tolerance, relative, 0);
    if (isnan(expected) || (abs_max <= 0 && rel_max <= 0))
        return;
    cr_expect_leq(fabs(got - expected), abs_max + rel_max * fabs(expected),
                  "%s: %s is %.12g, expected %.12g", keel_test_text(c, "id"), key, got, expected);
}

static void compare(const json_t *c, const data *d, const keel_problem_answer *out)
{
    const json_t *expected = json_object_get(c, "expected"),
                 *verified = json_object_get(c, "verified"),
                 *tolerance = json_object_get(c, "tolerance");
    const char *id = keel_test_text(c, "id");
    const double sharpe = (out->expected_return - d->p.risk_free) / out->volatility;
    const double plain = worst_weight(d, json_object_get(expected, "weights"), 1, out->weights);
    const double percent =
        worst_weight(d, json_object_get(expected, "weights_percent"), 0.01, out->weights);
    double sure =
        worst_weight(d, json_object_get(verified, "independent_weights"), 1, out->weights);
    sure = fmax(sure, worst_weight(d, json_object_get(verified, "independent_weights_percent"),
                                   0.01, out->weights));
    if (plain >= 0)
        cr_expect_leq(plain, keel_test_number(tolerance, "weights_abs", 0), "%s: %g", id, plain);
    if (percent >= 0)
        cr_expect_leq(100 * percent, keel_test_number(tolerance, "weights_percent_abs", 0), "%s",
                      id);
    cr_expect_leq(sure, VERIFIED, "%s: verified weights are %g away", id, sure);
    if (plain >= 0)
        keel_test_row(id, "weights", plain, keel_test_number(tolerance, "weights_abs", 0));
    if (sure >= 0)
        keel_test_row(id, "weights of the independent solver", sure, VERIFIED);
    compare_number(c, "variance", out->volatility * out->volatility, "", "objective_rel");
    compare_number(c, "mean_return", out->expected_return, "", "objective_rel");
    compare_number(c, "objective", -out->objective, "objective_abs", "");
    compare_number(c, "turnover", out->turnover, "weights_abs", "");
    compare_number(c, "return", out->expected_return, "abs", "");
    compare_number(c, "sharpe", sharpe, "sharpe_abs", "");
    compare_number(c, "std", out->volatility, "", "std_rel");
    cr_expect(plain >= 0 || percent >= 0 || sure >= 0, "%s compares nothing", id);
    fprintf(stderr, "%-40s n %2d  weights %.1e, verified %.1e; residuals %.1e\n", id, d->m.n,
            fmax(plain, percent), sure,
            fmax(out->certificate.primal_residual, out->certificate.dual_residual));
}

/* kwan-yuan6 as printed is no covariance: assets 4 and 5 have correlation 1, but 0.3 and 0.1 with
 * asset 2, so the determinant of these three is below 0. Keel says so. Without asset 4, which the
 * published answer does not hold, what is left is definite, and the answer is the published one. */
static void expect_not_convex(keel_solver *solver, data *d)
{
    enum { A = 1, B = 3, C = 4 };
    keel_problem_answer out;
    const double aa = keel_sym_get(d->m.n, d->s, A, A), ab = keel_sym_get(d->m.n, d->s, A, B),
                 ac = keel_sym_get(d->m.n, d->s, A, C), bb = keel_sym_get(d->m.n, d->s, B, B),
                 bc = keel_sym_get(d->m.n, d->s, B, C), cc = keel_sym_get(d->m.n, d->s, C, C);
    const double determinant =
        aa * (bb * cc - bc * bc) - ab * (ab * cc - bc * ac) + ac * (ab * bc - bb * ac);
    cr_assert_lt(determinant, -1e-9);
    cr_assert_eq(keel_solver_solve(solver, &d->p, &out, NULL), KEEL_OK);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_NOT_CONVEX);
    d->upper[B] = 0;
}

static void run(const json_t *c)
{
    static data d;
    keel_problem_answer out;
    keel_err err = {0};
    keel_solver *solver = keel_solver_new(N);
    const char *id = keel_test_text(c, "id");
    read_case(&d, c);
    if (strcmp(id, "kwan-yuan6-max-sharpe") == 0)
        expect_not_convex(solver, &d);
    cr_assert_eq(keel_solver_solve(solver, &d.p, &out, &err), KEEL_OK, "%s: %s", id, err.text);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED, "%s: %s", id,
                 keel_problem_outcome_name(out.outcome));
    compare(c, &d, &out);
    keel_solver_free(&solver);
    keel_market_fini(&d.m);
}

static void run_all(const char *prefix)
{
    if (keel_test_each_case(prefix, run) < 0)
        cr_skip_test("no reference data");
}

Test(portfolios, mean_variance)
{
    run_all("opt.mean_variance");
}

Test(portfolios, max_sharpe)
{
    run_all("opt.max_sharpe");
}

Test(portfolios, costs)
{
    run_all("rebalance.transaction_cost_aware");
}
