/* Closed forms, refusals, and what well-known libraries answer wrongly. */
#include "services/optimizer/engine/problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 20, LEN = N * (N + 1) / 2 };

static double covariance[LEN], mean[N], lower[N], upper[N], current[N], cost[N], benchmark[N];
static keel_solver *solver;
static keel_problem_answer out;

static size_t at(int n, int i, int j) /* i >= j */
{
    return (size_t)j * (size_t)(2 * n - j - 1) / 2 + (size_t)i;
}

/* Volatilities 1, 2, 3 ... times `unit`, correlations of 0.3; means a tenth of the volatility. */
static keel_problem problem_of(keel_method method, int n, double unit)
{
    for (int j = 0; j < n; j++) {
        mean[j] = 0.1 * unit * (j + 1);
        lower[j] = 0;
        upper[j] = 1;
        for (int i = j; i < n; i++)
            covariance[at(n, i, j)] = unit * unit * (i + 1) * (j + 1) * (i == j ? 1 : 0.3);
    }
    return (keel_problem){.method = method,
                          .n = n,
                          .covariance = covariance,
                          .mean = mean,
                          .lower = lower,
                          .upper = upper,
                          .budget = 1,
                          .gross_max = KEEL_NO_BOUND,
                          .turnover_max = KEEL_NO_BOUND,
                          .tracking_error_max = KEEL_NO_BOUND,
                          .target_risk = 1,
                          .risk_aversion = 1};
}

static void start(void)
{
    solver = keel_solver_new(N);
    cr_assert_not_null(solver);
}

static void stop(void)
{
    keel_solver_free(&solver);
    keel_solver_free(&solver);
}

static void solve(const keel_problem *p)
{
    keel_err err = {0};
    cr_assert_eq(keel_solver_solve(solver, p, &out, &err), KEEL_OK, "%s", err.text);
}

static void solved(const keel_problem *p)
{
    solve(p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED, "%s", keel_problem_outcome_name(out.outcome));
}

TestSuite(solver, .init = start, .fini = stop);

/* ---- closed forms ---- */

Test(solver, two_assets_have_the_textbook_minimum)
{
    const keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 2, 1);
    solved(&p);
    const double w = (4 - 0.6) / (1 + 4 - 1.2); /* (s2^2 - r s1 s2) / (s1^2 + s2^2 - 2 r s1 s2) */
    cr_expect_float_eq(out.weights[0], w, 1e-14);
    cr_expect_float_eq(out.cash, 0, 1e-15);
    cr_expect_float_eq(out.objective, 0.5 * out.volatility * out.volatility, 1e-15);
    cr_expect_eq(out.certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
}

/* Equal ratios of mean to volatility and equal correlations: the tangency portfolio is inverse to
 * the volatilities. */
Test(solver, the_best_ratio_of_equals_is_inverse_volatility)
{
    const keel_problem p = problem_of(KEEL_METHOD_MAX_SHARPE, 4, 0.01);
    double sum = 0;
    solved(&p);
    for (int i = 0; i < 4; i++)
        sum += 1.0 / (i + 1);
    for (int i = 0; i < 4; i++)
        cr_expect_float_eq(out.weights[i], 1.0 / (i + 1) / sum, 1e-12);
    cr_expect_float_eq(out.objective, out.expected_return / out.volatility, 1e-13);
}

Test(solver, a_risk_that_is_allowed_is_used_up)
{
    keel_problem p = problem_of(KEEL_METHOD_TARGET_RISK, 4, 0.01);
    p.target_risk = 0.02;
    solved(&p);
    cr_expect_float_eq(out.volatility, 0.02, 1e-13);
    p.target_risk = 10; /* more than there is: all in the best asset */
    solved(&p);
    cr_expect_float_eq(out.weights[3], 1, 1e-12);
}

Test(solver, trades_stop_where_they_cost_more_than_they_bring)
{
    keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);
    for (int i = 0; i < 3; i++) {
        current[i] = i == 0;
        cost[i] = 1; /* no return is worth it */
    }
    p.current = current;
    p.cost = cost;
    solved(&p);
    cr_expect_float_eq(out.weights[0], 1, 0);
    cr_expect_float_eq(out.turnover, 0, 0);
    cr_expect_lt(fabs(out.cost_slope[1]), 1);
}

Test(solver, turnover_and_tracking_error_are_kept_to)
{
    keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 4, 0.01);
    for (int i = 0; i < 4; i++)
        current[i] = benchmark[i] = 0.25;
    p.current = current;
    p.turnover_max = 0.2;
    solved(&p);
    cr_expect_float_eq(out.turnover, 0.2, 1e-12);
    p.turnover_max = KEEL_NO_BOUND;
    p.benchmark = benchmark;
    p.tracking_error_max = 0.002;
    solved(&p);
    for (int k = 0; k < out.prices_n; k++)
        if (strcmp(out.prices[k].name, "tracking_error_max") == 0) {
            cr_expect_float_eq(out.prices[k].value, 0.002, 1e-14);
            cr_expect_gt(out.prices[k].multiplier, 0);
        }
}

Test(solver, a_form_outside_the_set_goes_to_the_nearest_point)
{
    keel_problem p = problem_of(KEEL_METHOD_EQUAL_WEIGHT, 4, 0.01);
    solved(&p);
    cr_expect_float_eq(out.weights[2], 0.25, 1e-15);
    cr_expect_eq(out.certificate.kind, KEEL_CERTIFICATE_FEASIBLE);
    cr_expect_str_eq(out.certificate.parent, "");
    upper[3] = 0.1;
    solved(&p);
    cr_expect_float_eq(out.weights[0], 0.3, 1e-14);
    cr_expect_str_eq(out.certificate.parent, "equal_weight");
}

/* ---- where others go wrong ---- */

/* Two well-known libraries answer equal weights below a volatility of 0.4 % a bar, four at 1e-6. */
Test(solver, small_and_large_units_give_the_same_weights)
{
    static const double units[] = {1e-12, 1e-6, 1e-4, 1, 1e6};
    static const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_MAX_SHARPE};
    double first[2][6];
    for (int m = 0; m < 2; m++)
        for (size_t k = 0; k < sizeof units / sizeof units[0]; k++) {
            const keel_problem p = problem_of(methods[m], 6, units[k]);
            solved(&p);
            for (int i = 0; i < 6; i++) {
                first[m][i] = k == 0 ? out.weights[i] : first[m][i];
                cr_expect_float_eq(out.weights[i], first[m][i], 1e-9, "unit %g", units[k]);
            }
            cr_expect_gt(out.weights[0], 0.3, "not equal weights");
        }
}

Test(solver, caps_that_divide_the_budget_leave_one_answer)
{
    static const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_MEAN_VARIANCE,
                                          KEEL_METHOD_MAX_SHARPE, KEEL_METHOD_TARGET_RISK};
    for (int m = 0; m < 4; m++) {
        const keel_problem p = problem_of(methods[m], N, 0.01);
        for (int i = 0; i < N; i++)
            upper[i] = 0.05;
        solved(&p);
        for (int i = 0; i < N; i++)
            cr_expect_float_eq(out.weights[i], 0.05, 1e-12);
    }
}

Test(solver, infeasible_by_a_millionth_is_infeasible)
{
    const keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, N, 0.01);
    for (int i = 0; i < N; i++)
        upper[i] = (1 - 1e-6) / N;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_INFEASIBLE);
    cr_expect_eq(out.conflict_n, KEEL_CONFLICT_MAX, "budget and all caps, as many as are told");
    cr_expect_str_eq(out.conflict[0], "budget");
    cr_expect_str_eq(out.conflict[1], "upper:0");
    cr_expect_float_eq(out.violation, 1e-6, 1e-9);
    cr_expect_float_eq(out.conflict_by[1], 1e-6, 1e-9, "one cap that gives way is enough");
}

Test(solver, the_limits_that_conflict_are_named)
{
    keel_problem p = problem_of(KEEL_METHOD_TARGET_RETURN, 4, 0.01);
    p.target_return = 1;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_INFEASIBLE);
    bool named = false;
    for (int k = 0; k < out.conflict_n; k++)
        named = named || strcmp(out.conflict[k], "target_return") == 0;
    cr_expect(named);
    p = problem_of(KEEL_METHOD_TARGET_RISK, 4, 0.01);
    p.target_risk = 1e-4;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_INFEASIBLE);
    cr_expect_str_eq(out.conflict[0], "target_risk");
    p = problem_of(KEEL_METHOD_MIN_VARIANCE, 4, 0.01);
    memset(current, 0, sizeof current);
    p.current = current; /* nothing is held, all is to be invested */
    p.turnover_max = 0.5;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_INFEASIBLE);
    cr_expect_str_eq(out.conflict[0], "turnover_max");
    cr_expect_float_eq(out.violation, 0.5, 1e-9);
}

/* Some libraries hand out a portfolio that is not the best. */
Test(solver, no_ratio_is_the_best_when_all_means_are_below_the_riskless_rate)
{
    keel_problem p = problem_of(KEEL_METHOD_MAX_SHARPE, 4, 0.01);
    for (int i = 0; i < 4; i++)
        mean[i] = -mean[i];
    solve(&p);
    cr_expect_eq(out.outcome, KEEL_PROBLEM_NO_EXCESS_RETURN);
    mean[2] = 1e-9; /* the only one: all of it */
    solved(&p);
    cr_expect_gt(out.objective, 0);
}

Test(solver, a_riskless_asset_that_earns_has_no_finite_ratio)
{
    const keel_problem p = problem_of(KEEL_METHOD_MAX_SHARPE, 3, 0.01);
    for (int i = 0; i < 3; i++)
        covariance[at(3, i > 0 ? i : 0, 0)] = 0;
    solve(&p);
    cr_expect_eq(out.outcome, KEEL_PROBLEM_NO_RISK);
}

/* The answer of a fallback is that of the method alone; a problem that has one tries none. */
Test(solver, a_fallback_answers_as_the_method_does)
{
    double alone[3];
    keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 3, 0.01);
    solve(&p);
    memcpy(alone, out.weights, sizeof alone);
    p.method = KEEL_METHOD_MAX_SHARPE;
    p.risk_free = 1;
    p.fallbacks_n = 2;
    p.fallbacks[0] = KEEL_METHOD_MIN_VARIANCE;
    p.fallbacks[1] = KEEL_METHOD_EQUAL_WEIGHT;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_eq(out.method, KEEL_METHOD_MIN_VARIANCE);
    cr_assert_eq(out.attempts_n, 1);
    cr_expect_eq(out.attempts[0].outcome, KEEL_PROBLEM_NO_EXCESS_RETURN);
    for (int i = 0; i < 3; i++)
        cr_expect_float_eq(out.weights[i], alone[i], 1e-14);
    p.risk_free = 0;
    solve(&p);
    cr_expect_eq(out.method, KEEL_METHOD_MAX_SHARPE);
    cr_expect_eq(out.attempts_n, 0);
}

/* Without a budget the best of two equal risks is mean / (aversion variance); a limit on the gross
 * exposure takes the same from what both are expected to earn, long or short. */
Test(solver, a_limit_of_gross_exposure_is_a_price_of_both_sides)
{
    keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 2, 1);
    covariance[at(2, 0, 0)] = covariance[at(2, 1, 1)] = 0.04;
    covariance[at(2, 1, 0)] = 0;
    mean[0] = 0.04;
    mean[1] = -0.02;
    lower[0] = lower[1] = -1;
    p.budget = KEEL_NO_BOUND;
    solve(&p);
    cr_expect_float_eq(out.weights[0], 1, 1e-12);
    cr_expect_float_eq(out.weights[1], -0.5, 1e-12);
    cr_expect_float_eq(out.gross, 1.5, 1e-12);
    p.gross_max = 1;
    solve(&p); /* (0.04 - k) / 0.04 + (0.02 - k) / 0.04 = 1 */
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.weights[0], 0.75, 1e-12);
    cr_expect_float_eq(out.weights[1], -0.25, 1e-12);
    cr_expect_str_eq(out.prices[out.prices_n - 1].name, "gross_max");
    cr_expect_float_eq(out.prices[out.prices_n - 1].multiplier, 0.01, 1e-12);
    p.gross_max = 0.25;
    solve(&p); /* one asset alone */
    cr_expect_float_eq(out.weights[0], 0.25, 1e-12);
    cr_expect_float_eq(out.weights[1], 0, 1e-12);
}

Test(solver, a_gross_exposure_below_the_budget_is_infeasible)
{
    keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 3, 0.01);
    p.gross_max = 0.9;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_INFEASIBLE);
    cr_expect_str_eq(out.conflict[0], "gross_max");
    cr_expect_float_eq(out.conflict_by[0], 0.1, 1e-9);
}

/* Two assets as given, without a lower or upper bound that was not asked for. */
static keel_problem two_of(keel_method method, double variance, double between, double mean_0,
                           double mean_1)
{
    keel_problem p = problem_of(method, 2, 1);
    covariance[at(2, 0, 0)] = covariance[at(2, 1, 1)] = variance;
    covariance[at(2, 1, 0)] = between;
    mean[0] = mean_0;
    mean[1] = mean_1;
    return p;
}

/* From a portfolio without risk or excess the ratio is the same all the way: it ends elsewhere. */
Test(solver, the_best_ratio_does_not_end_in_cash)
{
    keel_problem p = two_of(KEEL_METHOD_MAX_SHARPE, 1e-4, -1e-4, 0.01, -0.01);
    solve(&p); /* half of each has no risk and earns nothing */
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.objective, 1, 1e-12);
    p = two_of(KEEL_METHOD_MAX_SHARPE, 1e-4, 0, 0.02, 0.02);
    p.budget = KEEL_NO_BOUND;
    p.risk_free = 0.001;
    solve(&p); /* (2 w 0.02 - 0.001) / (w 0.01 sqrt(2)) rises with w up to 1 */
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.objective, 0.039 / (0.01 * sqrt(2)), 1e-12);
}

/* One asset twice: how much is traded jumps at the price of turnover. */
Test(solver, the_turnover_between_equals_is_what_the_limit_allows)
{
    keel_problem p = two_of(KEEL_METHOD_MEAN_VARIANCE, 0.04, 0.04, 0.23, 0.12);
    current[0] = 0.1;
    current[1] = 0.9;
    p.current = current;
    p.turnover_max = 0.7;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.weights[0], 0.45, 1e-12);
    cr_expect_float_eq(out.turnover, 0.7, 1e-12);
}

Test(solver, turnover_bounds_what_has_no_other_bound)
{
    keel_problem p = two_of(KEEL_METHOD_MEAN_VARIANCE, 1e-4, 0, 0.02, 0.01);
    lower[0] = lower[1] = -KEEL_NO_BOUND;
    upper[0] = upper[1] = KEEL_NO_BOUND;
    current[0] = current[1] = 0.5;
    p.risk_aversion = 0;
    p.current = current;
    p.turnover_max = 0.1;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.weights[0], 0.55, 1e-12);
}

/* 1.1 is held and the budget is 1: no trade of less than 0.1 is allowed, and one of 0.1 is. */
Test(solver, the_least_turnover_there_is_is_allowed)
{
    keel_problem p = two_of(KEEL_METHOD_TARGET_RISK, 0.04, 0.01, 0.02, 0.01);
    current[0] = 0.3;
    current[1] = 0.8;
    p.target_risk = 0.5;
    p.current = current;
    p.turnover_max = 0.1;
    solve(&p);
    cr_assert_eq(out.outcome, KEEL_PROBLEM_SOLVED);
    cr_expect_float_eq(out.weights[0], 0.3, 1e-12);
}

Test(solver, one_asset_twice_and_fewer_bars_than_assets_are_solved)
{
    keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 3, 0.01);
    covariance[at(3, 1, 0)] = covariance[at(3, 0, 0)]; /* asset 1 is asset 0 */
    covariance[at(3, 1, 1)] = covariance[at(3, 0, 0)];
    covariance[at(3, 2, 1)] = covariance[at(3, 2, 0)];
    solved(&p);
    cr_expect_leq(out.certificate.gap, 1e-9);
    p = problem_of(KEEL_METHOD_MEAN_VARIANCE, N, 0.01);
    for (int j = 0; j < N; j++) /* one bar: rank 1 */
        for (int i = j; i < N; i++)
            covariance[at(N, i, j)] = mean[i] * mean[j];
    p.risk_aversion = 3;
    solved(&p);
}

Test(solver, what_is_no_covariance_is_said_to_be_none)
{
    const keel_problem p = problem_of(KEEL_METHOD_MIN_VARIANCE, 3, 0.01);
    covariance[at(3, 1, 0)] = 1;
    solve(&p);
    cr_expect_eq(out.outcome, KEEL_PROBLEM_NOT_CONVEX);
}

Test(solver, without_bounds_a_mean_has_no_end)
{
    keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);
    for (int i = 0; i < 3; i++) {
        lower[i] = -KEEL_NO_BOUND;
        upper[i] = KEEL_NO_BOUND;
    }
    p.risk_aversion = 0;
    solve(&p);
    cr_expect_eq(out.outcome, KEEL_PROBLEM_UNBOUNDED);
    p.risk_aversion = 1;
    solved(&p);
}

/* ---- refusals ---- */

static void refused(const keel_problem *p, keel_status status, const char *words)
{
    keel_err err = {0};
    cr_expect_eq(keel_solver_solve(solver, p, &out, &err), status, "%s", words);
    cr_expect_not_null(strstr(err.text, words), "'%s' lacks '%s'", err.text, words);
}

Test(solver, refusals_name_the_field)
{
#define BUT(member, value, status, words)                                                          \
    do {                                                                                           \
        keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);                           \
        p.member = value;                                                                          \
        refused(&p, status, words);                                                                \
    } while (0)
    BUT(n, 0, KEEL_ERANGE, "assets");
    BUT(n, N + 1, KEEL_ERANGE, "assets");
    BUT(method, KEEL_METHOD_FLATTEN, KEEL_EINVAL, "method");
    BUT(covariance, NULL, KEEL_EINVAL, "covariance");
    BUT(mean, NULL, KEEL_EINVAL, "mean");
    BUT(budget, NAN, KEEL_ENONFINITE, "budget");
    BUT(fallbacks_n, KEEL_FALLBACKS_MAX + 1, KEEL_ERANGE, "fallbacks");
    BUT(gross_max, -1, KEEL_ERANGE, "gross_max");
    BUT(gross_max, NAN, KEEL_ERANGE, "gross_max");
    BUT(turnover_max, -1, KEEL_ERANGE, "turnover_max");
    BUT(turnover_max, NAN, KEEL_ERANGE, "turnover_max");
    BUT(tracking_error_max, 0, KEEL_ERANGE, "tracking_error_max");
    BUT(tracking_error_max, 0.1, KEEL_EINVAL, "benchmark");
    BUT(risk_aversion, -1, KEEL_ERANGE, "risk_aversion");
    BUT(risk_aversion, INFINITY, KEEL_ENONFINITE, "risk_aversion");
    BUT(rows_n, KEEL_PROBLEM_ROWS_MAX + 1, KEEL_ERANGE, "constraints");
#define SPOILT(vector, value, status, words)                                                       \
    do {                                                                                           \
        const keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);                     \
        vector[1] = value;                                                                         \
        refused(&p, status, words);                                                                \
    } while (0)
    SPOILT(mean, NAN, KEEL_ENONFINITE, "mean[1]");
    SPOILT(covariance, INFINITY, KEEL_ENONFINITE, "covariance");
    SPOILT(lower, 2, KEEL_ERANGE, "lower[1]");
    SPOILT(upper, NAN, KEEL_ENONFINITE, "upper[1]");
    keel_problem p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);
    covariance[at(3, 2, 2)] = -1;
    refused(&p, KEEL_ERANGE, "variance of asset 2");
    p = problem_of(KEEL_METHOD_MEAN_VARIANCE, 3, 0.01);
    memset(cost, 0, sizeof cost);
    cost[2] = -1e-4;
    p.cost = cost;
    refused(&p, KEEL_ERANGE, "cost[2]");
}
