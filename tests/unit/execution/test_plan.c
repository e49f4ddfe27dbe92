#include "services/execution/engine/plan.h"

#include <criterion/criterion.h>
#include <math.h>

typedef struct sized {
    const char *what;
    int64_t equity, price, held, lot, min_notional;
    double weight, lower, upper;
    int64_t qty;
    keel_reason_code skip;
} sized;

/* price 100.00 (2 decimals), quantities with 4 decimals: 1,000 USD buy 10.0000 */
static const sized table[] = {
    {"whole target", 1000000000, 10000, 0, 1, 0, 0.5, 0, 1, 50000, 0},
    {"nothing to do", 1000000000, 10000, 50000, 1, 0, 0.5, 0, 1, 0, 0},
    {"sell down", 1000000000, 10000, 60000, 1, 0, 0.5, 0, 1, -10000, 0},
    {"short", 1000000000, 10000, 0, 1, 0, -0.5, -1, 1, -50000, 0},
    {"lots towards the smaller buy", 1000000000, 10000, 0, 7000, 0, 0.5, 0, 1, 49000, 0},
    {"lots towards the smaller sell", 1000000000, 10000, 63000, 7000, 0, 0.5, 0, 1, -7000, 0},
    {"one lot more reaches the box", 1000000000, 10000, 0, 7000, 0, 0.5, 0.495, 1, 56000, 0},
    {"no lot inside a tight box", 1000000000, 10000, 0, 7000, 0, 0.5, 0.5, 0.5, 0,
     KEEL_REASON_OUTSIDE_BOX},
    {"a tight box holds its own weight", 1000000000, 10000, 0, 1, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3,
     33333, 0},
    {"held outside the box, less than a lot away", 1000000000, 10000, 49999, 100, 0, 0.5, 0.49, 1,
     0, KEEL_REASON_BELOW_LOT},
    {"below minimum notional", 1000000000, 10000, 49000, 1, 10000001, 0.5, 0, 1, 0,
     KEEL_REASON_BELOW_MIN_NOTIONAL},
    {"at minimum notional", 1000000000, 10000, 49000, 1, 10000000, 0.5, 0, 1, 1000, 0},
    {"no price, no weight", 1000000000, 0, 0, 1, 0, 0, 0, 1, 0, 0},
    {"no bound is no bound", 1000000000, 10000, 0, 1, 0, 0.5, -1e30, 1e30, 50000, 0},
};

Test(plan, sizes_by_table)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const sized *t = &table[i];
        const keel_instrument x = {.price_exp = 2,
                                   .qty_exp = 4,
                                   .lot_units = t->lot,
                                   .min_notional_micros = t->min_notional};
        const keel_plan_ask ask = {&x,       t->equity, t->price, t->weight,
                                   t->lower, t->upper,  t->held,  false};
        keel_plan_answer a;
        cr_assert_eq(keel_plan_size(&ask, &a), KEEL_OK, "%s", t->what);
        cr_expect_eq(a.qty_units, t->qty, "%s: %ld", t->what, a.qty_units);
        cr_expect_eq(a.skip, t->skip, "%s: %d", t->what, (int)a.skip);
    }
}

Test(plan, flatten_ignores_lots_and_minimum)
{
    const keel_instrument x = {
        .price_exp = 2, .qty_exp = 4, .lot_units = 7000, .min_notional_micros = 1000000000};
    const keel_plan_ask ask = {&x, 0, 0, 0.9, 0, 1, 123, true};
    keel_plan_answer a;
    cr_assert_eq(keel_plan_size(&ask, &a), KEEL_OK);
    cr_assert_eq(a.qty_units, -123);
}

Test(plan, refuses_what_cannot_be_sized)
{
    const keel_instrument x = {.price_exp = 2, .qty_exp = 4, .lot_units = 1};
    keel_plan_ask ask = {&x, 1000000000, 10000, NAN, 0, 1, 0, false};
    keel_plan_answer a = {.qty_units = 42};
    cr_assert_eq(keel_plan_size(&ask, &a), KEEL_ENONFINITE);
    ask.weight = 0.5;
    ask.price_units = 0;
    cr_assert_eq(keel_plan_size(&ask, &a), KEEL_ENONFINITE);
    ask.price_units = 1;
    ask.equity_micros = INT64_MAX;
    ask.weight = 0.9;
    cr_assert_eq(keel_plan_size(&ask, &a), KEEL_EOVERFLOW);
    cr_assert_eq(a.qty_units, 42);
}

Test(plan, scaling_equity_and_quantities_scales_the_trade)
{
    for (int64_t k = 1; k <= 1000; k *= 10) {
        const keel_instrument x = {.price_exp = 2, .qty_exp = 4, .lot_units = 1};
        const keel_plan_ask ask = {&x, 1000000000 * k, 10000, 0.25, 0, 1, 10000 * k, false};
        keel_plan_answer a;
        cr_assert_eq(keel_plan_size(&ask, &a), KEEL_OK);
        cr_assert_eq(a.qty_units, 15000 * k);
    }
}

Test(plan, reducing_never_crosses_zero)
{
    static const int64_t cases[][3] = {{10, -4, -4},  {10, -14, -10}, {10, 5, 0}, {-10, 4, 4},
                                       {-10, 14, 10}, {-10, -5, 0},   {0, 5, 0},  {0, -5, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(keel_plan_reducing(cases[i][0], cases[i][1]), cases[i][2], "case %zu", i);
}
