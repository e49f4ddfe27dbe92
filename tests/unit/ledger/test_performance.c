#include "services/ledger/engine/performance.h"

#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* The published series: returns, with a missing first period that is skipped. */
static keel_returns returns_of(json_t *inputs, double *growth, size_t *periods)
{
    size_t i;
    json_t *value;
    keel_returns r = {0};
    json_t *list = json_object_get(inputs, "returns");
    *growth = 1.0;
    *periods = json_array_size(list);
    json_array_foreach(list, i, value)
    {
        if (json_is_null(value))
            continue;
        const double x = json_number_value(value);
        keel_returns_add(&r, x, x);
        *growth *= 1.0 + x;
    }
    return r;
}

/* The same series as an equity path. */
static double drawdown_of(json_t *inputs)
{
    size_t i;
    json_t *value;
    keel_equity_path path;
    double equity = 1e12;
    keel_equity_path_init(&path, (int64_t)equity);
    keel_equity_path_add(&path, 1, (int64_t)equity, 0.0);
    json_array_foreach(json_object_get(inputs, "returns"), i, value)
    {
        equity *= 1.0 + (json_is_null(value) ? 0.0 : json_number_value(value));
        keel_equity_path_add(&path, (int64_t)i + 2, llround(equity), 0.0);
    }
    return path.max_drawdown_frac;
}

/* RM04 RM05 RM06 against the reference cases */
Test(performance, agrees_with_the_small_series_reference)
{
    int used = 0;
    size_t i;
    json_t *one, *cases = keel_test_cases("risk_measures_small_series.json");
    if (cases == NULL)
        cr_skip_test("no reference data");
    json_array_foreach(cases, i, one)
    {
        double growth;
        size_t periods;
        json_t *inputs = json_object_get(one, "inputs");
        const char *capability = json_string_value(json_object_get(one, "capability"));
        const double due =
            json_number_value(json_object_get(json_object_get(one, "expected"), "value"));
        const keel_returns r = returns_of(inputs, &growth, &periods);
        double got;
        if (strcmp(capability, "risk.sharpe") == 0)
            got = keel_returns_sharpe(&r, 252);
        else if (strcmp(capability, "risk.sortino") == 0)
            got = keel_returns_sortino(&r, 252);
        else if (strcmp(capability, "risk.annual_return") == 0)
            got = keel_annualized(growth, (double)periods / 252);
        else if (strcmp(capability, "risk.max_drawdown") == 0)
            got = -drawdown_of(inputs);
        else
            continue;
        used++;
        cr_expect_float_eq(got, due, 1e-8, "%s: %.12g, due %.12g", capability, got, due);
    }
    cr_assert_eq(used, 4);
    json_decref(cases);
}

Test(performance, volatility_is_invariant_to_order_and_scales)
{
    keel_returns a = {0}, b = {0}, c = {0};
    for (int i = 0; i < 100; i++) {
        keel_returns_add(&a, 0.01 * ((i * 37) % 100 - 50), 0.0);
        keel_returns_add(&b, 0.01 * ((i * 61) % 100 - 50), 0.0);
        keel_returns_add(&c, 0.02 * ((i * 37) % 100 - 50), 0.0);
    }
    const double vol = keel_returns_volatility(&a, 252);
    cr_assert_float_eq(vol, keel_returns_volatility(&b, 252), 1e-12);
    cr_assert_float_eq(2 * vol, keel_returns_volatility(&c, 252), 1e-12);
    cr_assert_float_eq(vol / sqrt(252), keel_returns_volatility(&a, 1), 1e-12);
}

Test(performance, nothing_is_ever_infinite)
{
    keel_returns r = {0};
    keel_equity_path path;
    cr_assert_eq(keel_returns_sharpe(&r, 252), 0.0);
    keel_returns_add(&r, 0.0, 0.0);
    keel_returns_add(&r, 0.0, 0.0);
    cr_assert_eq(keel_returns_sharpe(&r, 252), 0.0);
    cr_assert_eq(keel_returns_sortino(&r, 252), 0.0);
    cr_assert_eq(keel_annualized(2.0, 0.0), 0.0);
    cr_assert_eq(keel_annualized(0.0, 1.0), 0.0);
    cr_assert_eq(keel_annualized(1e300, 1e-9), 0.0);
    keel_equity_path_init(&path, 1000000);
    keel_equity_path_add(&path, 1, 0, 0.0);
    keel_equity_path_add(&path, 2, 1000000, 0.0);
    cr_assert(isfinite(path.returns.mean));
    cr_assert_eq(path.max_drawdown_frac, 1.0);
}

Test(performance, risk_free_is_taken_by_time_not_by_bar)
{
    keel_equity_path weekly;
    const int64_t day = INT64_C(86400000000000);
    keel_equity_path_init(&weekly, 1000000000);
    for (int i = 0; i <= 52; i++) /* earns exactly the risk-free rate of each week */
        keel_equity_path_add(
            &weekly, 1 + i * 7 * day,
            llround(1e15 * pow(1 + 0.05 * 7 * (double)day / (double)KEEL_YEAR_NS, i)), 0.05);
    cr_assert_float_eq(weekly.returns.excess_mean, 0.0, 1e-12);
    cr_assert_float_eq(keel_equity_path_bars_per_year(&weekly, day), 365.25 / 7, 1e-9);
}
