#include "services/execution/engine/broker.h"

#include <criterion/criterion.h>
#include <stdint.h>

static const keel_instrument btc = {.price_exp = 2, .qty_exp = 4, .lot_units = 1};

static keel_bar_row row(const int64_t *open, const int64_t *close)
{
    return (keel_bar_row){1, 10, 1, 1, close, open, open, open, NULL, 0};
}

Test(broker, fills_at_the_open_worse_by_slippage)
{
    const int64_t open = 10001, close = 20000;
    const keel_broker_rates rates = {10000, 5000}; /* 10 and 5 bps */
    const keel_bar_row r = row(&open, &close);
    keel_deal d;
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, 10000, &d), KEEL_OK);
    cr_assert_eq(d.reference_units, 10001);
    cr_assert_eq(d.price_units, 10007, "5.0005 units of slippage, rounded away from us");
    cr_assert_eq(d.fee_micros, 100070, "10 bps of 100.07");
    cr_assert_eq(d.cash_micros, -100070000 - 100070);
    cr_assert_eq(d.slippage_micros, 60000);
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, -10000, &d), KEEL_OK);
    cr_assert_eq(d.price_units, 9995);
    cr_assert_eq(d.cash_micros, 99950000 - 99950);
}

Test(broker, fills_at_the_close_without_opens)
{
    const int64_t close = 20000;
    const keel_broker_rates rates = {0, 0};
    const keel_bar_row r = row(NULL, &close);
    keel_deal d;
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, 1, &d), KEEL_OK);
    cr_assert_eq(d.price_units, 20000);
    cr_assert_eq(d.cash_micros, -20000);
    cr_assert_eq(d.fee_micros, 0);
}

Test(broker, refuses_a_missing_bar_and_overflow)
{
    int64_t close = 0;
    const keel_broker_rates rates = {10000, 5000};
    keel_bar_row r = row(NULL, &close);
    keel_deal d = {.qty_units = 42};
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, 1, &d), KEEL_ENOTFOUND);
    close = INT64_MAX;
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, 1, &d), KEEL_EOVERFLOW);
    cr_assert_eq(d.qty_units, 42);
}

Test(broker, a_price_never_falls_below_one_unit)
{
    const int64_t close = 1;
    const keel_broker_rates rates = {0, 1000000};
    const keel_bar_row r = row(NULL, &close);
    keel_deal d;
    cr_assert_eq(keel_broker_deal(&rates, &btc, &r, 0, -5, &d), KEEL_OK);
    cr_assert_eq(d.price_units, 1);
}
