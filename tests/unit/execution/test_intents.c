#include "tests/unit/execution/fixture.h"

#include <criterion/criterion.h>

/* Books that trade by intents: what is planned, crossed, closed, given up. */

#define HOUR INT64_C(3600000000000)

static keel_order_plan plan_step(keel_execution *e, uint64_t step)
{
    keel_order_plan p;
    cr_assert_eq(keel_execution_plan(e, step, &p), KEEL_OK);
    return p;
}

static int fill_at(keel_execution *e, int64_t price, int64_t hour, const keel_fill **fills)
{
    int n;
    const int64_t at[N] = {price, price, price};
    const keel_bar_row r = row_of(NULL, at, hour);
    cr_assert_eq(keel_execution_on_row(e, &r, fills, &n), KEEL_OK);
    return n;
}

static void want(keel_execution *e, int s, uint64_t seq, int i, int64_t target)
{
    const keel_decision d = decide(s, seq, i, target);
    cr_assert_eq(keel_execution_on_decision(e, &d, seq), KEEL_OK);
}

static keel_execution *active(int strategies, int64_t fee, int64_t slippage)
{
    keel_execution *e = engine_with(strategies, fee, slippage);
    cr_assert_not_null(e);
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    return e;
}

static bool is_skipped(const keel_order_plan *p, keel_reason_code code)
{
    for (int i = 0; i < p->skipped_n; i++)
        if (p->skipped[i].reason.code == code)
            return true;
    return false;
}

Test(intents, a_decision_trades_in_the_next_row)
{
    const keel_fill *f;
    keel_plan_done done;
    keel_execution *e = active(2, 10000, 5000);
    want(e, 1, 7, 0, 50000);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders_n, 1);
    cr_assert_eq(p.consumed_n, 1);
    cr_assert_eq(p.consumed_decisions[0], 7);
    cr_assert_str_eq(p.orders[0].order_id, "run-1/main/2/0/A");
    cr_assert_eq(p.orders[0].reason.code, KEEL_REASON_DECISION);
    cr_assert_str_eq(p.orders[0].books[0].book, "s001");
    cr_assert_eq(p.orders[0].books[0].intent_version, 7);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(f[0].books_n, 1, "nothing is netted");
    cr_assert_eq(f[0].books[0].closed_version, 7, "filled");
    cr_assert_eq(f[0].books[0].cash_micros, -500250000 - 500250);
    cr_assert_eq(keel_execution_book_held(e, "s001", 0), 50000);
    cr_assert_eq(keel_execution_held(e, 0), 0);
    cr_assert_eq(keel_execution_cash(e), 0, "core's cash is its own");
    keel_execution_done(e, &done);
    cr_assert_eq(done.positions_n, 1);
    cr_assert_eq(done.positions[0].intent_version, 7);
    cr_assert_eq(done.consumed_decision_seq, 7);
    cr_assert_eq(plan_step(e, 3).orders_n, 0, "a decision is planned once");
    keel_execution_free(&e);
}

/* Each book pays what it would have paid alone; netting gets what the account did not pay. */
Test(intents, opposite_books_cross_and_netting_gets_the_rest)
{
    const keel_fill *f;
    keel_execution *e = active(2, 10000, 5000);
    want(e, 0, 1, 0, 30000);
    want(e, 1, 2, 0, -20000);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders_n, 1);
    cr_assert_eq(p.orders[0].qty_units, 10000);
    cr_assert_eq(p.orders[0].books_n, 2);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(f[0].qty_units, 10000);
    cr_assert_eq(f[0].price_units, 10005);
    cr_assert_eq(f[0].books_n, 3);
    cr_assert_eq(f[0].books[0].cash_micros, -300150000 - 300150, "buys 3 at 100.05");
    cr_assert_eq(f[0].books[1].cash_micros, 199900000 - 199900, "sells 2 at 99.95");
    cr_assert_str_eq(f[0].books[2].book, "netting");
    cr_assert_eq(f[0].books[2].qty_units, 0);
    const int64_t account = -100050000 - 100050; /* buys 1 at 100.05 */
    cr_assert_eq(f[0].books[2].cash_micros,
                 account - f[0].books[0].cash_micros - f[0].books[1].cash_micros);
    cr_assert_gt(f[0].books[2].cash_micros, 0);
    cr_assert_lt(f[0].books[2].fee_micros, 0);
    keel_execution_free(&e);
}

Test(intents, books_that_cross_whole_need_no_market)
{
    const keel_fill *f;
    keel_execution *e = active(2, 10000, 5000);
    want(e, 0, 1, 0, 30000);
    want(e, 1, 2, 0, -30000);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders[0].qty_units, 0);
    cr_assert_eq(p.orders[0].reason.code, KEEL_REASON_NETTED);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(f[0].qty_units, 0);
    cr_assert_eq(f[0].price_units, 10000, "the market's price before slippage");
    cr_assert_eq(f[0].fee_micros, 0);
    cr_assert_eq(f[0].books[0].cash_micros + f[0].books[1].cash_micros + f[0].books[2].cash_micros,
                 0);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 30000);
    cr_assert_eq(keel_execution_book_held(e, "s001", 0), -30000);
    keel_execution_free(&e);
}

/* Core's weights and a strategy's intent in one order; only core's part is cut by its cash. */
Test(intents, core_and_a_strategy_share_an_order)
{
    ask k;
    const keel_fill *f;
    keel_execution *e = active(1, 0, 0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 1.0, 0, 0), 5, 1), KEEL_OK);
    want(e, 0, 1, 0, -40000);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders[0].qty_units, 60000);
    cr_assert_str_eq(p.orders[0].books[0].book, "core");
    cr_assert_eq(p.orders[0].reason.code, KEEL_REASON_REBALANCE);
    cr_assert_eq(fill_at(e, 20000, 2, &f), 1); /* twice as dear: core can pay half */
    cr_assert_eq(f[0].books[0].qty_units, 50000);
    cr_assert_eq(f[0].books[1].qty_units, -40000);
    cr_assert_eq(f[0].qty_units, 10000);
    cr_assert_eq(keel_execution_cash(e), 0);
    keel_execution_free(&e);
}

Test(intents, a_strategy_fills_where_core_cannot_pay)
{
    ask k;
    const keel_fill *f;
    const int64_t dear[N] = {100000000, 10000, 10000};
    int n;
    keel_execution *e = active(1, 0, 0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 1.0, 0, 0), 5, 1), KEEL_OK);
    want(e, 0, 1, 0, -40000);
    plan_step(e, 2);
    const keel_bar_row r = row_of(NULL, dear, 2);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(f[0].qty_units, -40000);
    const keel_order_plan p = plan_step(e, 3);
    cr_assert(is_skipped(&p, KEEL_REASON_FREE_CASH));
    cr_assert_eq(p.skipped[0].qty_units, 100000, "core's part");
    keel_execution_free(&e);
}

Test(intents, a_waiting_order_is_made_anew_when_wishes_change)
{
    ask k;
    const keel_fill *f;
    const int64_t no_a[N] = {0, 10000, 10000};
    int n;
    keel_execution *e = active(2, 0, 0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.5, 0, 0), 5, 1), KEEL_OK);
    want(e, 0, 1, 0, 10000);
    plan_step(e, 2);
    const keel_bar_row r = row_of(NULL, no_a, 2);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    keel_order_plan p = plan_step(e, 3);
    cr_assert(is_skipped(&p, KEEL_REASON_NO_BAR), "nothing changed: it waits");
    cr_assert_eq(p.orders_n, 0);
    want(e, 1, 2, 0, 20000);
    p = plan_step(e, 4);
    cr_assert(is_skipped(&p, KEEL_REASON_SUPERSEDED));
    cr_assert_eq(p.orders_n, 1);
    cr_assert_eq(p.orders[0].books_n, 3);
    cr_assert_eq(p.orders[0].books[0].qty_units, 50000, "core's part goes on");
    cr_assert_eq(p.orders[0].qty_units, 80000);
    cr_assert_eq(fill_at(e, 10000, 4, &f), 1);
    cr_assert_eq(keel_execution_held(e, 0), 50000);
    keel_execution_free(&e);
}

Test(intents, decisions_are_taken_once_and_in_order)
{
    const keel_fill *f;
    keel_execution *e = active(1, 0, 0);
    const keel_decision five = decide(0, 5, 0, 10000), three = decide(0, 3, 0, 90000);
    cr_assert_eq(keel_execution_on_decision(e, &five, 1), KEEL_OK);
    cr_assert_eq(keel_execution_on_decision(e, &five, 1), KEEL_ESTALE);
    cr_assert_eq(keel_execution_on_decision(e, &three, 1), KEEL_ESTALE);
    plan_step(e, 2);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(keel_execution_on_decision(e, &five, 2), KEEL_ESTALE, "consumed");
    cr_assert_eq(plan_step(e, 3).orders_n, 0);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 10000);
    keel_execution_free(&e);
}

Test(intents, a_refused_decision_changes_nothing)
{
    static uint8_t before[1 << 16], after[1 << 16];
    size_t len, len2;
    keel_execution *e = active(1, 0, 0);
    cr_assert_eq(keel_execution_save(e, before, sizeof before, &len), KEEL_OK);
    keel_decision d = decide(0, 1, N, 100);
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EUNKNOWN);
    d = decide(3, 1, 0, 100);
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EUNKNOWN, "no such book");
    strcpy(d.intents[0].book, "core");
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EUNKNOWN, "core has no intents");
    d = decide(0, 1, 0, 100);
    d.intents[0].version = 2;
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EINVAL);
    d = decide(0, 1, 0, 100);
    d.accepted = false;
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EINVAL);
    d = decide(0, 1, 0, 100);
    d.intents[1] = d.intents[0];
    d.intents_n = 2;
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EINVAL, "one pair twice");
    d = decide(0, 1, 0, INT64_MAX);
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_EOVERFLOW);
    d = decide(0, 1, 0, 100);
    d.intents[0].stop_units = -1;
    cr_expect_eq(keel_execution_on_decision(e, &d, 1), KEEL_ERANGE);
    cr_assert_eq(keel_execution_save(e, after, sizeof after, &len2), KEEL_OK);
    cr_assert_eq(len, len2);
    cr_assert_arr_eq(before, after, len);
    keel_execution_free(&e);
}

Test(intents, below_a_lot_or_the_minimum_is_refused_but_closing_is_not)
{
    const keel_fill *f;
    keel_execution *e = active(1, 0, 0);
    fill_at(e, 10000, 1, &f); /* a price is known */
    want(e, 0, 1, 0, 99);     /* lot 100 */
    keel_order_plan p = plan_step(e, 2);
    cr_assert(is_skipped(&p, KEEL_REASON_BELOW_LOT));
    want(e, 0, 2, 0, 400); /* 4 USD, 5 are the minimum */
    p = plan_step(e, 3);
    cr_assert(is_skipped(&p, KEEL_REASON_BELOW_MIN_NOTIONAL));
    cr_assert_eq(plan_step(e, 4).skipped_n, 0, "given up, not asked again");
    want(e, 0, 3, 0, 500);
    plan_step(e, 5);
    cr_assert_eq(fill_at(e, 5000, 5, &f), 1);
    want(e, 0, 4, 0, 0); /* worth 2.50 now */
    plan_step(e, 6);
    cr_assert_eq(fill_at(e, 5000, 6, &f), 1);
    cr_assert_eq(f[0].books[0].closed_version, 4);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    keel_execution_free(&e);
}

/* 64 books in an order; who waits is named, and goes first next time. */
Test(intents, the_oldest_of_many_books_go_first)
{
    enum { BOOKS = 100 };
    const keel_fill *f;
    keel_execution *e = active(BOOKS, 0, 0);
    for (int s = 0; s < BOOKS; s++)
        want(e, BOOKS - 1 - s, (uint64_t)s + 1, 0, 1000); /* the last book decided first */
    keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders[0].books_n, 64);
    cr_assert_str_eq(p.orders[0].books[0].book, "s036", "in the order of books");
    cr_assert_str_eq(p.orders[0].books[63].book, "s099");
    cr_assert_eq(p.skipped_n, 36);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_BUDGET_EXHAUSTED);
    cr_assert_eq(p.consumed_n, BOOKS);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    want(e, 99, 200, 0, 5000); /* newer than those that wait */
    p = plan_step(e, 3);
    cr_assert_eq(p.orders[0].books_n, 37);
    cr_assert_eq(fill_at(e, 10000, 3, &f), 1);
    for (int s = 0; s < BOOKS; s++) {
        char name[8];
        snprintf(name, sizeof name, "s%03d", s);
        cr_assert_eq(keel_execution_book_held(e, name, 0), s == 99 ? 5000 : 1000);
    }
    keel_execution_free(&e);
}

Test(intents, core_keeps_its_place_among_sixty_four)
{
    ask k;
    keel_execution *e = active(80, 0, 0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.5, 0, 0), 5, 1), KEEL_OK);
    for (int s = 0; s < 80; s++)
        want(e, s, (uint64_t)s + 1, 0, 1000);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders[0].books_n, 64);
    cr_assert_str_eq(p.orders[0].books[0].book, "core");
    cr_assert_str_eq(p.orders[0].books[63].book, "s062");
    keel_execution_free(&e);
}

/* ---- expiry ---- */

Test(intents, an_opening_that_was_not_filled_in_time_is_given_up)
{
    const keel_fill *f;
    int n;
    const int64_t no_a[N] = {0, 10000, 10000};
    keel_execution *e = active(1, 0, 0);
    keel_decision d = decide(0, 1, 0, 10000);
    d.intents[0].valid_until_ns = 3 * HOUR;
    cr_assert_eq(keel_execution_on_decision(e, &d, 1), KEEL_OK);
    plan_step(e, 3);
    keel_bar_row r = row_of(NULL, no_a, 3);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK); /* still in time, but no bar */
    plan_step(e, 4);
    cr_assert_eq(fill_at(e, 10000, 4, &f), 0, "a bar, but too late");
    keel_order_plan p = plan_step(e, 5);
    cr_assert(is_skipped(&p, KEEL_REASON_EXPIRED));
    cr_assert_eq(fill_at(e, 10000, 5, &f), 0);
    cr_assert_eq(plan_step(e, 6).skipped_n, 0);
    d = decide(0, 2, 0, 10000);
    d.intents[0].valid_until_ns = 6 * HOUR;
    cr_assert_eq(keel_execution_on_decision(e, &d, 5), KEEL_OK);
    plan_step(e, 7);
    cr_assert_eq(fill_at(e, 10000, 6, &f), 1, "in the row that closes at valid_until it fills");
    fill_at(e, 10000, 7, &f);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 10000, "what is filled does not expire");
    keel_execution_free(&e);
}

Test(intents, of_a_turn_that_expires_the_closing_stays)
{
    const keel_fill *f;
    keel_execution *e = active(1, 0, 0);
    want(e, 0, 1, 0, 10000);
    plan_step(e, 2);
    fill_at(e, 10000, 2, &f);
    keel_decision d = decide(0, 2, 0, -10000);
    d.intents[0].valid_until_ns = 2 * HOUR;
    cr_assert_eq(keel_execution_on_decision(e, &d, 2), KEEL_OK);
    plan_step(e, 3);
    cr_assert_eq(fill_at(e, 10000, 3, &f), 0);
    plan_step(e, 4);
    cr_assert_eq(fill_at(e, 10000, 4, &f), 1);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    keel_execution_free(&e);
}

/* ---- trading state ---- */

typedef struct scope_case {
    keel_trading_mode portfolio, strategy, asset, deadman;
    int64_t target, held; /* of a book that holds 10000, after the row */
    int64_t after_re_arm;
} scope_case;

#define A KEEL_TRADING_ACTIVE
#define R KEEL_TRADING_REDUCING
#define H KEEL_TRADING_HALTED

Test(intents, the_strictest_mode_bounds_each_book)
{
    static const scope_case cases[] = {
        {A, A, A, A, 30000, 30000, 30000}, {R, A, A, A, 30000, 10000, 10000},
        {A, R, A, A, 30000, 10000, 10000}, {A, A, R, A, 30000, 10000, 10000},
        {A, A, A, R, 30000, 10000, 10000}, {A, R, A, A, 4000, 4000, 4000},
        {A, R, A, A, -5000, 0, 0},         {A, A, A, H, 0, 10000, 0},
        {A, H, A, A, 0, 10000, 0},         {A, A, H, A, -5000, 10000, 0},
        {H, A, A, A, 30000, 10000, 10000}, {A, (keel_trading_mode)9, A, A, 0, 10000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const scope_case *c = &cases[i];
        const keel_fill *f;
        keel_execution *e = active(2, 0, 0);
        const keel_scoped_mode strategy[] = {{"s000", c->strategy, {0}}};
        const keel_scoped_mode asset[] = {{"A", c->asset, {0}}};
        keel_trading_state s = {.portfolio = "main", .mode = c->portfolio};
        want(e, 0, 1, 0, 10000);
        plan_step(e, 2);
        fill_at(e, 10000, 2, &f);
        s.strategies_n = s.assets_n = 1;
        s.strategies = strategy;
        s.assets = asset;
        cr_assert_eq(keel_execution_on_trading(e, &s), KEEL_OK);
        keel_execution_on_deadman(e, c->deadman);
        want(e, 0, 2, 0, c->target);
        const keel_order_plan p = plan_step(e, 3);
        cr_expect_eq(is_skipped(&p, KEEL_REASON_NOT_TRADING), c->held != c->target, "case %zu", i);
        fill_at(e, 10000, 3, &f);
        cr_expect_eq(keel_execution_book_held(e, "s000", 0), c->held, "case %zu", i);
        keel_execution_on_deadman(e, KEEL_TRADING_ACTIVE);
        cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
        plan_step(e, 4);
        fill_at(e, 10000, 4, &f);
        cr_expect_eq(keel_execution_book_held(e, "s000", 0), c->after_re_arm, "case %zu", i);
        keel_execution_free(&e);
    }
}

Test(intents, another_strategy_trades_on_while_one_is_halted)
{
    const keel_fill *f;
    keel_execution *e = active(2, 0, 0);
    const keel_scoped_mode strategy[] = {{"s000", H, {0}}};
    keel_trading_state s = {
        .portfolio = "main", .mode = A, .strategies_n = 1, .strategies = strategy};
    cr_assert_eq(keel_execution_on_trading(e, &s), KEEL_OK);
    want(e, 0, 1, 0, 10000);
    want(e, 1, 2, 0, 20000);
    plan_step(e, 2);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    cr_assert_eq(keel_execution_book_held(e, "s001", 0), 20000);
    keel_execution_free(&e);
}

/* R8: the stop closes every book; what was decided before it, or while it stands, never resumes. */
Test(intents, r8_a_portfolio_stop_overrides_what_was_decided)
{
    const keel_fill *f;
    keel_execution *e = active(2, 0, 0);
    keel_trading_state stop = {.portfolio = "main", .mode = R};
    stop.reason.code = KEEL_REASON_DRAWDOWN_LIMIT;
    want(e, 0, 1, 0, 10050); /* lots of 100: the intent is cut to 10000 */
    plan_step(e, 2);
    cr_assert_eq(fill_at(e, 10000, 2, &f), 1);
    cr_assert_eq(f[0].books[0].closed_version, 1);
    want(e, 1, 2, 1, 10000); /* known, not planned */
    cr_assert_eq(keel_execution_on_trading(e, &stop), KEEL_OK);
    want(e, 1, 3, 2, 10000); /* comes while it stands */
    plan_step(e, 3);
    cr_assert_eq(fill_at(e, 10000, 3, &f), 1);
    cr_assert_eq(f[0].reason.code, KEEL_REASON_PORTFOLIO_STOP); /* BT09 */
    cr_assert_eq(f[0].books[0].closed_version, 1);
    stop.mode = H; /* flat: the latch stays */
    stop.reason.code = KEEL_REASON_OPERATOR_HALT;
    stop.latches_n = 1;
    stop.latches[0].code = KEEL_REASON_DRAWDOWN_LIMIT;
    cr_assert_eq(keel_execution_on_trading(e, &stop), KEEL_OK);
    want(e, 1, 4, 0, 10000);
    plan_step(e, 4);
    cr_assert_eq(fill_at(e, 10000, 4, &f), 0);
    cr_assert_eq(set_mode(e, A), KEEL_OK);
    plan_step(e, 5);
    cr_assert_eq(fill_at(e, 10000, 5, &f), 0, "older versions never resume");
    want(e, 1, 5, 0, 10000);
    plan_step(e, 6);
    cr_assert_eq(fill_at(e, 10000, 6, &f), 1, "a higher one opens again");
    keel_execution_free(&e);
}

/* A re-arm before all is closed does not bring the rest back. */
Test(intents, r8_what_the_stop_had_not_closed_is_closed_after_it)
{
    const keel_fill *f;
    int n;
    const int64_t no_a[N] = {0, 10000, 10000};
    keel_execution *e = active(1, 0, 0);
    keel_trading_state stop = {.portfolio = "main", .mode = R};
    stop.reason.code = KEEL_REASON_DRAWDOWN_LIMIT;
    want(e, 0, 1, 0, 10000);
    plan_step(e, 2);
    fill_at(e, 10000, 2, &f);
    cr_assert_eq(keel_execution_on_trading(e, &stop), KEEL_OK);
    plan_step(e, 3);
    const keel_bar_row r = row_of(NULL, no_a, 3);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(set_mode(e, A), KEEL_OK);
    plan_step(e, 4);
    cr_assert_eq(fill_at(e, 10000, 4, &f), 1);
    cr_assert_eq(f[0].reason.code, KEEL_REASON_PORTFOLIO_STOP);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    keel_execution_free(&e);
}

Test(intents, a_full_table_refuses_by_name_and_holds_no_more)
{
    keel_universe *many = keel_xcalloc(1, sizeof *many);
    keel_book_share *books = keel_xcalloc(KEEL_BOOKS_MAX, sizeof *books);
    *many = *universe();
    many->n = KEEL_UNIVERSE_MAX;
    for (int i = 0; i < many->n; i++) {
        many->instruments[i] = universe()->instruments[0];
        snprintf(many->instruments[i].symbol, KEEL_SYMBOL_MAX, "X%d", i);
    }
    for (int b = 0; b < KEEL_BOOKS_MAX; b++)
        snprintf(books[b].book, sizeof books[b].book, b == 0 ? "core" : "s%03d", b - 1);
    const keel_execution_cfg c = {.run = "run-1",
                                  .portfolio = "main",
                                  .book = "core",
                                  .universe = many,
                                  .books_n = KEEL_BOOKS_MAX,
                                  .books = books};
    keel_execution *e = keel_execution_new(&c, NULL);
    keel_order_plan p;
    uint64_t seq = 0;
    cr_assert_not_null(e);
    cr_assert_eq(set_mode(e, A), KEEL_OK);
    for (int k = 0; k < KEEL_CELLS_MAX; k++) {
        const keel_decision d = decide(k / 40, ++seq, k % 40, 1000);
        cr_assert_eq(keel_execution_on_decision(e, &d, 1), KEEL_OK);
        if (k == KEEL_CELLS_MAX / 2)
            cr_assert_eq(keel_execution_plan(e, 2, &p), KEEL_OK);
    }
    const keel_decision over = decide(500, ++seq, 400, 1000), known = decide(0, seq, 0, 2000);
    cr_assert_eq(keel_execution_on_decision(e, &over, 2), KEEL_ENOSPC);
    cr_assert_eq(keel_execution_on_decision(e, &known, 2), KEEL_OK, "a pair in use has its place");
    cr_assert_eq(keel_execution_plan(e, 3, &p), KEEL_OK);
    cr_assert_gt(keel_execution_unlisted(e), 0, "there are more skips than a plan holds");
    keel_execution_free(&e);
    keel_free(&many);
    keel_free(&books);
}
