/* The coordinator follows rows, books and trading state, and closes its steps. */
#include "services/strategy-coordinator/engine/coordinator.h"

#include <criterion/criterion.h>
#include <string.h>

static keel_universe universe = {.hash = 9, .n = 2};
static const int64_t closes[] = {100, 200};

static keel_coordinator *make(void)
{
    const keel_coordinator_cfg cfg = {&universe, "main"};
    keel_coordinator *c = keel_coordinator_new(&cfg, NULL);
    cr_assert_not_null(c);
    return c;
}

static keel_bar_row row_at(int64_t close_ns)
{
    return (keel_bar_row){
        .universe_hash = 9, .close_ns = close_ns, .bar_ns = 10, .n = 2, .close_units = closes};
}

static keel_coordinator_view run(keel_coordinator *c, uint64_t step, keel_trading_mode mode)
{
    const keel_bar_row row = row_at((int64_t)step * 10);
    const keel_portfolio_state books = {
        .portfolio = "main", .universe_hash = 9, .equity_micros = 1000 + (int64_t)step};
    const keel_trading_state trading = {.portfolio = "main", .mode = mode};
    keel_coordinator_view view;
    cr_assert_eq(keel_coordinator_on_row(c, &row), KEEL_OK);
    cr_assert_eq(keel_coordinator_on_portfolio(c, &books), KEEL_OK);
    cr_assert_eq(keel_coordinator_on_trading(c, &trading), KEEL_OK);
    cr_assert_eq(keel_coordinator_on_step(c, step, &view), KEEL_OK);
    return view;
}

Test(coordinator, knows_where_the_run_is)
{
    keel_coordinator *c = make();
    keel_coordinator_view view = run(c, 1, KEEL_TRADING_ACTIVE);
    cr_expect_eq(view.step, 1);
    cr_expect_eq(view.now_ns, 10);
    cr_expect_eq(view.equity_micros, 1001);
    cr_expect_eq(view.mode, KEEL_TRADING_ACTIVE);
    view = run(c, 2, KEEL_TRADING_ACTIVE);
    cr_expect_eq(view.mode_changes, 1);
    view = run(c, 3, (keel_trading_mode)7);
    cr_expect_eq(view.mode, KEEL_TRADING_HALTED); /* unknown counts as halted */
    cr_expect_eq(view.rows, 3);
    keel_coordinator_free(&c);
    keel_coordinator_free(&c);
}

Test(coordinator, is_halted_until_risk_has_spoken)
{
    keel_coordinator *c = make();
    keel_coordinator_view view;
    cr_assert_eq(keel_coordinator_on_step(c, 1, &view), KEEL_OK);
    cr_expect_eq(view.mode, KEEL_TRADING_HALTED);
    keel_coordinator_free(&c);
}

Test(coordinator, refuses_what_does_not_belong)
{
    const keel_coordinator_cfg nameless = {&universe, ""};
    keel_coordinator *c = make();
    keel_bar_row row = row_at(10);
    keel_portfolio_state books = {.portfolio = "other", .universe_hash = 9};
    const keel_trading_state trading = {.portfolio = "other", .mode = KEEL_TRADING_ACTIVE};
    run(c, 1, KEEL_TRADING_ACTIVE);
    cr_expect_null(keel_coordinator_new(&nameless, NULL));
    cr_expect_eq(keel_coordinator_on_row(c, &row), KEEL_EORDER);
    row = row_at(20);
    row.universe_hash = 8;
    cr_expect_eq(keel_coordinator_on_row(c, &row), KEEL_EUNKNOWN);
    cr_expect_eq(keel_coordinator_on_portfolio(c, &books), KEEL_EUNKNOWN);
    cr_expect_eq(keel_coordinator_on_trading(c, &trading), KEEL_EUNKNOWN);
    cr_expect_eq(keel_coordinator_on_step(c, 1, NULL), KEEL_EORDER);
    cr_expect_eq(run(c, 2, KEEL_TRADING_ACTIVE).rows, 2);
    keel_coordinator_free(&c);
}

Test(coordinator, goes_on_after_save_and_load_and_refuses_corrupt_bytes)
{
    keel_coordinator *one = make(), *two = make();
    uint8_t bytes[128];
    size_t len = 0;
    run(one, 1, KEEL_TRADING_ACTIVE);
    run(one, 2, KEEL_TRADING_REDUCING);
    cr_expect_eq(keel_coordinator_save(one, bytes, 3, &len), KEEL_ENOSPC);
    cr_assert_eq(keel_coordinator_save(one, bytes, sizeof bytes, &len), KEEL_OK);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_neq(keel_coordinator_load(two, bytes, cut), KEEL_OK);
    cr_expect_eq(keel_coordinator_load(two, bytes, len + 1), KEEL_EFORMAT);
    bytes[8] ^= 1;
    cr_expect_eq(keel_coordinator_load(two, bytes, len), KEEL_EUNKNOWN);
    bytes[8] ^= 1;
    bytes[4] ^= 2;
    cr_expect_eq(keel_coordinator_load(two, bytes, len), KEEL_EVERSION);
    bytes[4] ^= 2;
    cr_assert_eq(keel_coordinator_load(two, bytes, len), KEEL_OK);
    const keel_coordinator_view a = run(one, 3, KEEL_TRADING_ACTIVE);
    const keel_coordinator_view b = run(two, 3, KEEL_TRADING_ACTIVE);
    cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
    keel_coordinator_free(&one);
    keel_coordinator_free(&two);
}
