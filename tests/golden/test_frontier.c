/* Exact frontiers against published and independently computed answers: every corner, every point
 * of published frontiers, and the points that are read off (best ratio, target mean and risk, risk
 * tolerance and aversion), for every case of these capabilities in the reference index.
 * Source: Markowitz (1959); Sharpe, Macro-Investment Analysis; Kwan (2007); Kwan and Yuan (1993);
 * Bailey and Lopez de Prado (2013); Chopra and Ziemba (1993); OR-Library port1 and port2 (Chang,
 * Meade, Beasley, Sharaiha 2000); Cesarone, Scozzari, Tardella; test suites of fPortfolio and
 * PyPortfolioOpt; computed: cvxopt interior point with an active-set polish. Each case names its
 * own. */
#include "common/num/la/sym.h"
#include "common/num/solve/frontier.h"
#include "common/num/solve/qp.h"
#include "common/num/stats/moments.h"
#include "tests/support/data.h"
#include "tests/support/market.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 96, LEN = N * (N + 1) / 2, CORNERS = 1024, FIELDS = 128 };

/* The digits that the cases carry of what was computed again. */
#define VERIFIED 1e-9

typedef struct estimates {
    keel_market market; /* names */
    int n;
    double s[LEN], mean[N], lower[N], upper[N];
} estimates;

static double at(const json_t *array, int i)
{
    const json_t *value = json_array_get(array, (size_t)i);
    cr_assert(json_is_number(value));
    return json_number_value(value);
}

static char *read_table(const char *name)
{
    size_t len;
    const char *path = keel_test_data(name);
    cr_assert_not_null(path);
    return keel_test_read(path, &len);
}

/* Column 0 of a table with one line of names. */
static void read_names(const char *name, keel_market *to)
{
    char *csv = read_table(name), *rest = csv;
    strsep(&rest, "\n");
    to->n = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; to->n++) {
        cr_assert_lt(to->n, KEEL_MARKET_ASSETS_MAX);
        snprintf(to->names[to->n], sizeof to->names[0], "%s", strsep(&line, ","));
    }
    free(csv);
}

/* Column `column` of a table with one line of names. */
static int read_column(const char *name, int column, double *to, int max)
{
    int count = 0;
    char *csv = read_table(name), *rest = csv, *fields[FIELDS];
    strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; count++) {
        cr_assert_lt(count, max);
        cr_assert_gt(keel_csv_cut(line, fields, FIELDS), column);
        to[count] = strtod(fields[column], NULL);
    }
    free(csv);
    return count;
}

static void read_matrix(const char *name, bool has_names, int n, double *packed)
{
    int i = 0;
    char *csv = read_table(name), *rest = csv, *fields[FIELDS];
    if (has_names)
        strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; i++) {
        cr_assert_lt(i, n);
        cr_assert_eq(keel_csv_cut(line, fields, FIELDS), n);
        for (int j = 0; j <= i; j++)
            packed[keel_sym_at(n, i, j)] = strtod(fields[j], NULL);
    }
    cr_assert_eq(i, n);
    free(csv);
}

static void read_tables(const json_t *inputs, estimates *e)
{
    double sd[N];
    const char *assets = keel_test_text(inputs, "assets");
    if (assets[0] == '\0') {
        e->n = read_column(keel_test_text(inputs, "mean"), 1, e->mean, N);
        read_names(keel_test_text(inputs, "mean"), &e->market);
        read_matrix(keel_test_text(inputs, "cov"), true, e->n, e->s);
        return;
    }
    e->n = read_column(assets, 1, e->mean, N);
    cr_assert_eq(read_column(assets, 2, sd, N), e->n);
    read_matrix(keel_test_text(inputs, "corr"), false, e->n, e->s);
    for (int i = 0; i < e->n; i++) {
        for (int j = 0; j <= i; j++)
            e->s[keel_sym_at(e->n, i, j)] *= sd[i] * sd[j];
    }
}

static void read_market(const json_t *inputs, estimates *e)
{
    keel_market *m = &e->market;
    keel_market_read(m, inputs);
    cr_assert_leq(m->n, N);
    e->n = m->n;
    for (int j = 0; j < m->n; j++) {
        e->mean[j] = keel_mean(m->rows, m->at + j, m->n);
        for (int i = j; i < m->n; i++)
            e->s[keel_sym_at(m->n, i, j)] = keel_covariance(m->rows, m->at + i, m->at + j, m->n);
    }
}

static double bound(const json_t *from, int i, double otherwise)
{
    if (json_is_array(from))
        return at(from, i);
    return json_is_number(from) ? json_number_value(from) : otherwise;
}

static void read_estimates(const json_t *inputs, estimates *e)
{
    const json_t *cov = json_object_get(inputs, "cov"), *mean = json_object_get(inputs, "mean");
    memset(e, 0, sizeof *e);
    if (json_is_array(cov)) {
        e->n = (int)json_array_size(cov);
        cr_assert(e->n >= 1 && e->n <= N);
        for (int j = 0; j < e->n; j++) {
            e->mean[j] = at(mean, j);
            for (int i = j; i < e->n; i++)
                e->s[keel_sym_at(e->n, i, j)] = at(json_array_get(cov, (size_t)i), j);
        }
    } else if (json_object_get(inputs, "observations") != NULL ||
               json_object_get(inputs, "returns") != NULL) {
        read_market(inputs, e);
    } else {
        read_tables(inputs, e);
    }
    for (int i = 0; i < e->n; i++) {
        e->lower[i] = bound(json_object_get(inputs, "lower"), i, -KEEL_QP_NO_BOUND);
        e->upper[i] = bound(json_object_get(inputs, "upper"), i, KEEL_QP_NO_BOUND);
    }
}

/* Estimates of the case, its frontier (owned), with a budget of "sum"; a ridge is added to S. */
static keel_frontier *solve(const json_t *c, estimates *e, keel_frontier_answer *out, double ridge)
{
    double ones[N];
    const json_t *inputs = json_object_get(c, "inputs");
    const double total = keel_test_number(inputs, "sum", 1);
    read_estimates(inputs, e);
    for (int i = 0; i < e->n; i++) {
        ones[i] = 1;
        e->s[keel_sym_at(e->n, i, i)] += ridge;
    }
    const keel_frontier_problem p = {e->n,     1,    e->s,   e->mean, e->lower,
                                     e->upper, ones, &total, &total};
    keel_frontier *f = keel_frontier_new(e->n, 1, CORNERS);
    cr_assert_eq(keel_frontier_solve(f, &p, out), KEEL_OK, "%s", keel_test_text(c, "id"));
    cr_assert_eq(out->outcome, KEEL_FRONTIER_WHOLE, "%s: outcome %d", keel_test_text(c, "id"),
                 (int)out->outcome);
    cr_expect_leq(out->worst_residual, KEEL_FRONTIER_TOLERANCE);
    return f;
}

static double apart(const estimates *e, const double *w, const json_t *weights)
{
    double worst = 0;
    for (int i = 0; i < e->n; i++) {
        const json_t *one = json_is_array(weights) ? json_array_get(weights, (size_t)i)
                                                   : json_object_get(weights, e->market.names[i]);
        cr_assert(json_is_number(one));
        worst = fmax(worst, fabs(w[i] - json_number_value(one)));
    }
    return worst;
}

static void run_corners(const json_t *c)
{
    static estimates e;
    keel_frontier_answer out;
    const char *id = keel_test_text(c, "id");
    const json_t *tolerance = json_object_get(c, "tolerance");
    const json_t *corners = json_object_get(json_object_get(c, "expected"), "corner_portfolios");
    double worst = 0, worst_t = 0;
    keel_frontier *f = solve(c, &e, &out, 0);
    cr_assert_eq(out.corners, json_array_size(corners), "%s: %d corners", id, out.corners);
    for (int k = 0; k < out.corners; k++) {
        const keel_frontier_corner corner = keel_frontier_corner_at(f, k);
        const json_t *one = json_array_get(corners, (size_t)k);
        worst = fmax(worst, apart(&e, corner.weights, json_object_get(one, "weights")));
        worst_t = fmax(worst_t, fabs(corner.t - keel_test_number(one, "lambda", -1)));
    }
    cr_expect_leq(worst, keel_test_number(tolerance, "weights_abs", 0), "%s: weights %g", id,
                  worst);
    cr_expect_leq(worst_t, keel_test_number(tolerance, "lambda_abs", 0), "%s: t %g", id, worst_t);
    fprintf(stderr, "%-40s n %2d  %d corners: weights within %.1e, t %.1e, residual %.1e\n", id,
            e.n, out.corners, worst, worst_t, out.worst_residual);
    keel_frontier_free(&f);
}

static double variance_off(const keel_frontier *f, double mean, double variance)
{
    keel_frontier_point point;
    cr_assert_eq(keel_frontier_at_mean(f, mean, &point, NULL), KEEL_OK);
    return fabs(point.variance / variance - 1);
}

/* Every published point, and those that were computed again to all their digits. */
static void run_frontier(const json_t *c)
{
    enum { POINTS = 2048 };
    static estimates e;
    static double mean[POINTS], variance[POINTS];
    keel_frontier_answer out;
    const char *id = keel_test_text(c, "id");
    const json_t *expected = json_object_get(c, "expected");
    const json_t *checked = json_object_get(expected, "points_checked");
    const double variance_rel =
        keel_test_number(json_object_get(c, "tolerance"), "variance_rel", -1);
    double worst = 0, worst_checked = 0;
    keel_frontier *f = solve(c, &e, &out, 0);
    const char *table = keel_test_text(expected, "frontier");
    const int points = read_column(table, 0, mean, POINTS);
    cr_assert_eq(read_column(table, 1, variance, POINTS), points);
    cr_assert_gt(points, 100);
    for (int k = 0; k < points; k++)
        worst = fmax(worst, variance_off(f, mean[k], variance[k]));
    cr_assert_gt(json_array_size(checked), 0);
    for (size_t k = 0; k < json_array_size(checked); k++) {
        const json_t *one = json_array_get(checked, k);
        worst_checked = fmax(worst_checked, variance_off(f, at(one, 1), at(one, 3)));
    }
    const keel_frontier_corner low = keel_frontier_corner_at(f, out.corners - 1);
    const double least = keel_test_number(expected, "global_min_variance", -1);
    cr_expect_leq(fabs(low.variance / least - 1), VERIFIED, "%s", id);
    cr_expect_leq(worst, variance_rel, "%s: variance %g", id, worst);
    cr_expect_leq(worst_checked, VERIFIED, "%s: variance %g", id, worst_checked);
    fprintf(stderr, "%-40s n %2d  %d corners, %d points: within %.1e of %.0e, verified %.1e\n", id,
            e.n, out.corners, points, worst, variance_rel, worst_checked);
    keel_frontier_free(&f);
}

/* A number that the case states; where it states none there is nothing to hold it against. */
static void expect_number(const json_t *c, const char *key, double value, double rel)
{
    const double stated = keel_test_number(json_object_get(c, "expected"), key, NAN);
    if (!isnan(stated))
        cr_expect_leq(fabs(value / stated - 1), rel, "%s: %s %.12g, not %.12g",
                      keel_test_text(c, "id"), key, value, stated);
}

static void compare_point(const json_t *c, const estimates *e, const keel_frontier_point *point,
                          const double *w)
{
    const char *id = keel_test_text(c, "id");
    const json_t *tolerance = json_object_get(c, "tolerance");
    const json_t *expected = json_object_get(json_object_get(c, "expected"), "weights");
    const json_t *again = json_object_get(json_object_get(c, "verified"), "independent_weights");
    const double weights_abs = keel_test_number(tolerance, "weights_abs", -1);
    const double objective_rel = keel_test_number(tolerance, "objective_rel", 1e-7);
    const double published = expected != NULL ? apart(e, w, expected) : 0;
    const double verified = again != NULL ? apart(e, w, again) : 0;
    cr_expect_eq(point->found, KEEL_FRONTIER_FOUND, "%s", id);
    cr_assert(expected != NULL || again != NULL, "%s states no weights", id);
    if (expected != NULL) {
        cr_expect_leq(published, weights_abs, "%s: weights %g", id, published);
        fprintf(stderr, "%-40s n %2d  published weights within %.1e of %.0e\n", id, e->n, published,
                weights_abs);
    }
    if (again != NULL) {
        cr_expect_leq(verified, VERIFIED, "%s: verified weights %g", id, verified);
        fprintf(stderr, "%-40s n %2d  verified weights within %.1e\n", id, e->n, verified);
    }
    expect_number(c, "variance", point->variance, objective_rel);
    expect_number(c, "mean_return", point->mean, 1e-7);
    expect_number(c, "std", sqrt(point->variance), keel_test_number(tolerance, "std_rel", 0));
}

static void run_max_sharpe(const json_t *c)
{
    static estimates e;
    double w[N];
    keel_frontier_answer out;
    keel_frontier_point point;
    keel_frontier *f = solve(c, &e, &out, 0);
    const double risk_free = keel_test_number(json_object_get(c, "inputs"), "risk_free", NAN);
    const double stated = keel_test_number(json_object_get(c, "expected"), "sharpe", NAN);
    cr_assert_eq(keel_frontier_max_sharpe(f, risk_free, &point, w), KEEL_OK);
    if (!isnan(stated))
        cr_expect_leq(fabs((point.mean - risk_free) / sqrt(point.variance) - stated),
                      keel_test_number(json_object_get(c, "tolerance"), "sharpe_abs", 0));
    compare_point(c, &e, &point, w);
    keel_frontier_free(&f);
    keel_market_fini(&e.market);
}

/* The point of the frontier that `read` finds for the case's number `field`. */
static void run_point(const json_t *c, const char *field,
                      keel_status (*read)(const keel_frontier *f, double at,
                                          keel_frontier_point *point, double *weights))
{
    static estimates e;
    double w[N];
    keel_frontier_answer out;
    keel_frontier_point point;
    keel_frontier *f = solve(c, &e, &out, 0);
    const double at = keel_test_number(json_object_get(c, "inputs"), field, NAN);
    cr_assert_eq(read(f, at, &point, w), KEEL_OK);
    compare_point(c, &e, &point, w);
    keel_frontier_free(&f);
    keel_market_fini(&e.market);
}

static void run_target(const json_t *c)
{
    run_point(c, "target_return", keel_frontier_at_mean);
}

static void run_tolerance(const json_t *c)
{
    run_point(c, "risk_tolerance", keel_frontier_at);
}

/* What the cases of opt.mean_variance ask for, and the ridge that their objective puts on S. */
typedef struct question {
    const char *objective;
    enum { ASK_AVERSION, ASK_LEAST, ASK_RATIO, ASK_RISK } ask;
    double ridge;
    double value; /* of the volatility */
} question;

static const question questions[] = {
    {"maximise mean'w - 1.5 w'cov w", ASK_AVERSION, 0, 0},
    {"minimise variance", ASK_LEAST, 0, 0},
    {"minimise w'cov w + w'w", ASK_LEAST, 1, 0},
    {"maximise Sharpe ratio", ASK_RATIO, 0, 0},
    {"maximise mean'w - risk_aversion/2 w'cov w", ASK_AVERSION, 0, 0},
    {"maximise mean'w - w'cov w/2 - 5 w'w", ASK_AVERSION, 10, 0},
    {"maximise return subject to volatility <= 0.19", ASK_RISK, 0, 0.19},
};

static void ask(const keel_frontier *f, const question *q, const json_t *inputs,
                keel_frontier_point *point, double *w)
{
    switch (q->ask) {
    case ASK_AVERSION:
        cr_assert_eq(
            keel_frontier_at_aversion(f, keel_test_number(inputs, "risk_aversion", 1), point, w),
            KEEL_OK);
        break;
    case ASK_LEAST:
        cr_assert_eq(keel_frontier_at(f, 0, point, w), KEEL_OK);
        break;
    case ASK_RATIO:
        cr_assert_eq(
            keel_frontier_max_sharpe(f, keel_test_number(inputs, "risk_free", NAN), point, w),
            KEEL_OK);
        break;
    case ASK_RISK:
        cr_assert_eq(keel_frontier_at_variance(f, q->value * q->value, point, w), KEEL_OK);
        break;
    }
}

static void run_utility(const json_t *c)
{
    static estimates e;
    double w[N];
    keel_frontier_answer out;
    keel_frontier_point point;
    const json_t *inputs = json_object_get(c, "inputs");
    const question *q = questions, *end = q + sizeof questions / sizeof questions[0];
    if (strcmp(keel_test_text(c, "capability"), "opt.mean_variance") != 0)
        return;
    while (q < end && strcmp(q->objective, keel_test_text(inputs, "objective")) != 0)
        q++;
    cr_assert(q < end, "%s asks for something else", keel_test_text(c, "id"));
    keel_frontier *f = solve(c, &e, &out, q->ridge);
    ask(f, q, inputs, &point, w);
    compare_point(c, &e, &point, w);
    if (!(q->ridge > 0)) {
        const double rel = keel_test_number(json_object_get(c, "tolerance"), "abs", 1e-7);
        expect_number(c, "return", point.mean, rel);
        expect_number(c, "volatility", sqrt(point.variance), rel);
    }
    keel_frontier_free(&f);
    keel_market_fini(&e.market);
}

static void run_all(const char *prefix, void (*run)(const json_t *one))
{
    if (keel_test_each_case(prefix, run) < 0)
        cr_skip_test("no reference data");
}

Test(frontier, critical_line_corners)
{
    run_all("opt.critical_line_corners", run_corners);
}

Test(frontier, efficient_frontiers)
{
    run_all("opt.efficient_frontier", run_frontier);
}

Test(frontier, max_sharpe)
{
    run_all("opt.max_sharpe", run_max_sharpe);
}

Test(frontier, target_return)
{
    run_all("opt.mean_variance_target_return", run_target);
}

Test(frontier, risk_tolerance)
{
    run_all("opt.mean_variance_risk_tolerance", run_tolerance);
}

Test(frontier, mean_variance_objectives)
{
    run_all("opt.mean_variance", run_utility);
}
