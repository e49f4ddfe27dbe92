/* PZ01 - PZ04, T1: sizes of the correlation and confidence formula against the document that
 * states it: every case whose capability is sizing.correlation_adjusted in reference/extra.json,
 * within its own tolerance. Its formula divides by 0.3, which is 1 - t at t = 0.7 only.
 * Source: the seed document "Multi-Asset Portfolio Management Implementation", as the case says. */
#include "services/risk/engine/sizing.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define CAPABILITY "sizing.correlation_adjusted"

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void run_case(const json_t *one)
{
    const keel_sizing_limits limits = {
        .base_frac = 0.01, .correlation_threshold = 0.7, .max_portfolio_risk = 1};
    const json_t *cases = json_object_get(json_object_get(one, "inputs"), "cases");
    const json_t *sizes = json_object_get(json_object_get(one, "expected"), "sizes");
    const double tolerance = number(json_object_get(one, "tolerance"), "rel");
    /* prices of one micro: the engine's quantity is the notional itself, to the micro */
    const keel_instrument instrument = {.price_exp = 6, .qty_exp = 0, .lot_units = 1};
    size_t k;
    json_t *at;
    cr_assert_gt(json_array_size(cases), 0);
    cr_assert_eq(json_array_size(cases), json_array_size(sizes));
    json_array_foreach(cases, k, at)
    {
        const double value = number(at, "portfolio_value");
        const double expected = json_number_value(json_array_get(sizes, k));
        const keel_sizing_case c = {
            .instrument = &instrument,
            .side = KEEL_SIDE_LONG,
            .entry_units = 1,
            .confidence_frac = number(at, "confidence_percent") / 100,
            .has_correlation = true,
            .correlation = number(at, "max_correlation"),
            .equity_micros = (int64_t)llround(value * 1e6),
            .book_equity_micros = (int64_t)llround(value * 1e6),
            .max_gross = 1,
            .free_micros = (int64_t)llround(value * 1e6),
        };
        keel_risk_answer answer;
        keel_sizing_size(&limits, &c, &answer);
        /* the printed number has twelve digits */
        cr_expect_float_eq(value * keel_sizing_fraction(&limits, &c), expected,
                           fmax(tolerance * expected, 0.5e-9), "case %zu", k);
        cr_expect_float_eq((double)answer.qty_units / 1e6, expected, 1e-6, "case %zu", k);
    }
}

Test(golden, sizing_equals_its_document)
{
    size_t k;
    json_t *one;
    int cases = 0;
    json_t *all = keel_test_cases("extra.json");
    if (all == NULL)
        cr_skip_test("no reference data");
    json_array_foreach(all, k, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "capability")), CAPABILITY) != 0)
            continue;
        run_case(one);
        cases++;
    }
    cr_assert_gt(cases, 0, "no case of " CAPABILITY);
    json_decref(all);
}
