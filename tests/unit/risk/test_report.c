/* RM01, RM02, RM03, T7: numbers with their convention; shares of risk that sum to one. */
#include "services/risk/engine/report.h"

#include <criterion/criterion.h>
#include <math.h>

/* vol 2 % and 4 %, correlation 0.5 */
static const double covariance[] = {4e-4, 4e-4, 16e-4};
static const double weights[] = {0.6, 0.3};
static const keel_basis basis = {.estimator = KEEL_ESTIMATOR_ROLLING, .rows = 720};
static double gradient[2], shares[2];
static keel_risk_report report;

static keel_report_input input(const double *w, const double *s)
{
    return (keel_report_input){2, w, s, &basis, 3600, 0.03, 17};
}

static const keel_risk_number *number(const char *name)
{
    for (int i = 0; i < report.numbers_n; i++)
        if (strcmp(report.numbers[i].name, name) == 0)
            return &report.numbers[i];
    cr_assert_fail("no %s", name);
    return NULL;
}

Test(report, equals_the_closed_form_of_two_assets)
{
    const keel_report_input in = input(weights, covariance);
    const double variance = 0.36 * 4e-4 + 0.09 * 16e-4 + 2 * 0.18 * 4e-4;
    keel_risk_measure(&in, gradient, shares, &report);
    cr_expect_float_eq(number("volatility")->value, sqrt(variance), 1e-15);
    cr_expect_float_eq(number("var_95")->value, 1.6448536269514722 * sqrt(variance), 1e-15);
    cr_expect_float_eq(number("cvar_95")->value, 2.0627128075074256 * sqrt(variance), 1e-14);
    cr_expect_eq(number("drawdown")->value, 0.03);
    cr_assert_not_null(report.component_risk_frac);
    cr_expect_float_eq(shares[0], 0.6 * (0.6 * 4e-4 + 0.3 * 4e-4) / variance, 1e-15);
    cr_expect_float_eq(shares[0] + shares[1], 1, 1e-15);
}

Test(report, says_how_each_number_was_made)
{
    const keel_report_input in = input(weights, covariance);
    keel_risk_measure(&in, gradient, shares, &report);
    const keel_risk_convention *var = &number("var_95")->convention;
    cr_expect_eq(var->method, KEEL_RISK_METHOD_NORMAL);
    cr_expect_eq(var->horizon_ns, 3600);
    cr_expect_eq(var->tail_frac, 0.05);
    cr_expect_eq(var->samples, 720);
    cr_expect(var->loss_positive);
    cr_expect_eq(number("volatility")->convention.tail_frac, 0);
    cr_expect_eq(number("drawdown")->convention.samples, 17);
}

Test(report, reports_no_shares_while_nothing_is_held)
{
    const double none[] = {0, 0};
    const keel_report_input in = input(none, covariance);
    keel_risk_measure(&in, gradient, shares, &report);
    cr_expect_eq(number("volatility")->value, 0);
    cr_expect_null(report.component_risk_frac);
}

Test(report, reports_the_drawdown_alone_before_a_covariance)
{
    const keel_report_input in = input(weights, NULL);
    keel_risk_measure(&in, gradient, shares, &report);
    cr_expect_eq(report.numbers_n, 1);
    cr_expect_str_eq(report.numbers[0].name, "drawdown");
}

Test(report, doubles_with_the_position)
{
    const double twice[] = {1.2, 0.6};
    const keel_report_input once_in = input(weights, covariance);
    const keel_report_input twice_in = input(twice, covariance);
    keel_risk_measure(&once_in, gradient, shares, &report);
    const double once = number("var_95")->value, share = shares[0];
    keel_risk_measure(&twice_in, gradient, shares, &report);
    cr_expect_float_eq(number("var_95")->value, 2 * once, 1e-15);
    cr_expect_float_eq(shares[0], share, 1e-15);
}
