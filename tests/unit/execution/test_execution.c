#include "tests/unit/execution/fixture.h"

#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>

static keel_order_plan plan_step(keel_execution *e, uint64_t step)
{
    keel_order_plan p;
    cr_assert_eq(keel_execution_plan(e, step, &p), KEEL_OK);
    return p;
}

static int fill_row(keel_execution *e, const int64_t *open, const int64_t *close, int64_t hour,
                    const keel_fill **fills)
{
    int n;
    const keel_bar_row r = row_of(open, close, hour);
    cr_assert_eq(keel_execution_on_row(e, &r, fills, &n), KEEL_OK);
    return n;
}

/* An engine that holds 3 of A, 2 of B, nothing of C after step 1; 1,000 USD at 100.00. */
static keel_execution *holding(void)
{
    ask k;
    const keel_fill *f;
    keel_execution *e = engine(0, 0, 0.0);
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.2, 0), 11, 1),
                 KEEL_OK);
    cr_assert_eq(plan_step(e, 2).orders_n, 2);
    cr_assert_eq(fill_row(e, prices_100, prices_100, 2, &f), 2);
    cr_assert_eq(keel_execution_held(e, 0), 30000);
    return e;
}

Test(execution, fills_an_approval_in_the_next_row_with_derived_ids)
{
    ask k;
    const keel_fill *f;
    keel_execution *e = engine(10000, 5000, 0.001);
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    cr_assert_eq(plan_step(e, 1).orders_n, 0);
    cr_assert_eq(fill_row(e, prices_100, prices_100, 1, &f), 0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.5, 0, 0), 11, 1), KEEL_OK);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_str_eq(p.plan_id, "run-1/main/2/0"); /* R3 */
    cr_assert_eq(p.approval_hash, 11);
    cr_assert_eq(p.orders_n, 1);
    cr_assert_str_eq(p.orders[0].order_id, "run-1/main/2/0/A");
    cr_assert_eq(p.orders[0].reason.code, KEEL_REASON_REBALANCE);
    cr_assert_str_eq(p.orders[0].reason.text, "weekly");
    cr_assert_eq(fill_row(e, prices_100, prices_100, 2, &f), 1);
    cr_assert_str_eq(f[0].fill_id, "run-1/main/2/0/A/0");
    cr_assert_eq(f[0].qty_units, 50000);
    cr_assert_eq(f[0].price_units, 10005);
    cr_assert_eq(f[0].books_n, 1);
    cr_assert_str_eq(f[0].books[0].book, "core");
    cr_assert_eq(f[0].books[0].cash_micros, -500250000 - 500250);
    cr_assert_eq(keel_execution_cash(e), 1000 * USD - 500250000 - 500250);
    keel_plan_done done;
    keel_execution_done(e, &done);
    cr_assert_eq(done.fills, 1);
    cr_assert_eq(done.positions_n, 1);
    cr_assert_eq(done.approval_step, 1);
    cr_assert_eq(plan_step(e, 3).orders_n, 0, "an approval is planned once");
    keel_execution_free(&e);
}

Test(execution, an_order_without_a_bar_waits_and_is_superseded)
{
    ask k;
    const keel_fill *f;
    const int64_t no_b[N] = {10000, 0, 10000};
    keel_execution *e = holding();
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.4, 0), 12, 2),
                 KEEL_OK);
    cr_assert_eq(plan_step(e, 3).orders_n, 1);
    cr_assert_eq(fill_row(e, NULL, no_b, 3, &f), 0);
    keel_order_plan p = plan_step(e, 4);
    cr_assert_eq(p.orders_n, 0);
    cr_assert_eq(p.skipped_n, 1);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_NO_BAR);
    keel_plan_done done;
    keel_execution_done(e, &done);
    cr_assert_eq(done.open_n, 1);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.1, 0), 13, 4),
                 KEEL_OK);
    p = plan_step(e, 5);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_SUPERSEDED);
    cr_assert_eq(p.orders_n, 1);
    cr_assert_eq(p.orders[0].qty_units, -10000);
    cr_assert_eq(fill_row(e, NULL, prices_100, 5, &f), 1);
    keel_execution_free(&e);
}

typedef struct mode_case {
    keel_trading_mode mode;
    double a, b;
    int orders;
    int64_t first_qty;
    keel_reason_code skip;
} mode_case;

Test(execution, trading_state_bounds_what_is_planned)
{
    static const mode_case cases[] = {
        {KEEL_TRADING_ACTIVE, 0.1, 0.4, 2, -20000, 0},
        {KEEL_TRADING_REDUCING, 0.1, 0.4, 1, -20000, KEEL_REASON_NOT_TRADING},
        {KEEL_TRADING_REDUCING, -0.2, 0.2, 1, -30000, KEEL_REASON_NOT_TRADING},
        {KEEL_TRADING_HALTED, 0.1, 0.4, 0, 0, KEEL_REASON_NOT_TRADING},
        {(keel_trading_mode)9, 0.1, 0.4, 0, 0, KEEL_REASON_NOT_TRADING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask k;
        keel_execution *e = holding();
        cr_assert_eq(set_mode(e, cases[i].mode), KEEL_OK);
        cr_assert_eq(keel_execution_on_approval(
                         e, approve(&k, 1000 * USD, cases[i].a, cases[i].b, 0), 12, 2),
                     KEEL_OK);
        const keel_order_plan p = plan_step(e, 3);
        cr_expect_eq(p.orders_n, cases[i].orders, "case %zu", i);
        if (cases[i].orders > 0)
            cr_expect_eq(p.orders[0].qty_units, cases[i].first_qty, "case %zu", i);
        if (cases[i].skip != 0)
            cr_expect_eq(p.skipped[0].reason.code, cases[i].skip, "case %zu", i);
        keel_execution_free(&e);
    }
}

Test(execution, unknown_state_counts_as_halted)
{
    ask k;
    keel_execution *e = engine(0, 0, 0.0);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.5, 0, 0), 1, 1), KEEL_OK);
    const keel_order_plan p = plan_step(e, 2);
    cr_assert_eq(p.orders_n, 0);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_STATE_UNKNOWN);
    keel_execution_free(&e);
}

Test(execution, halting_cancels_an_order_that_waits)
{
    ask k;
    const keel_fill *f;
    const int64_t no_b[N] = {10000, 0, 10000};
    keel_execution *e = holding();
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.4, 0), 12, 2),
                 KEEL_OK);
    plan_step(e, 3);
    fill_row(e, NULL, no_b, 3, &f);
    cr_assert_eq(set_mode(e, KEEL_TRADING_HALTED), KEEL_OK);
    const keel_order_plan p = plan_step(e, 4);
    cr_assert_eq(p.skipped_n, 1);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_NOT_TRADING);
    cr_assert_eq(fill_row(e, NULL, prices_100, 4, &f), 0);
    keel_execution_free(&e);
}

Test(execution, flatten_sells_everything_while_reducing) /* RL08 */
{
    ask k;
    const keel_fill *f;
    keel_execution *e = holding();
    keel_approved_allocation *a = approve(&k, 1000 * USD, 0, 0, 0);
    a->method = KEEL_METHOD_FLATTEN;
    keel_reason_set(&a->reason, KEEL_REASON_DRAWDOWN_LIMIT, "drawdown 21 %%");
    cr_assert_eq(set_mode(e, KEEL_TRADING_REDUCING), KEEL_OK);
    cr_assert_eq(keel_execution_on_approval(e, a, 14, 2), KEEL_OK);
    plan_step(e, 3);
    cr_assert_eq(fill_row(e, NULL, prices_100, 3, &f), 2);
    cr_assert_eq(f[0].reason.code, KEEL_REASON_PORTFOLIO_STOP); /* BT09 */
    for (int i = 0; i < N; i++)
        cr_assert_eq(keel_execution_held(e, i), 0);
    keel_execution_free(&e);
}

Test(execution, buying_never_takes_cash_below_the_buffer)
{
    keel_rng rng = keel_rng_seeded(7);
    for (int round = 0; round < 200; round++) {
        ask k;
        const keel_fill *f;
        int64_t open[N], close[N];
        keel_execution *e = engine(10000, 5000, 0.001);
        cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
        const double a = keel_rng_uniform(&rng), b = (1 - a) * keel_rng_uniform(&rng);
        cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, a, b, 1 - a - b), 1, 1),
                     KEEL_OK);
        plan_step(e, 2);
        for (int i = 0; i < N; i++) /* gaps up to +-50 % between approval and fill */
            open[i] = close[i] = 5000 + (int64_t)keel_rng_below(&rng, 10000);
        fill_row(e, open, close, 2, &f);
        cr_assert_geq(keel_execution_cash(e), 1 * USD, "seed 7 round %d", round);
        keel_execution_free(&e);
    }
}

Test(execution, sells_pay_for_buys_in_one_row)
{
    ask k;
    const keel_fill *f;
    keel_execution *e = holding();
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0, 0, 1), 12, 2), KEEL_OK);
    plan_step(e, 3);
    cr_assert_eq(fill_row(e, NULL, prices_100, 3, &f), 3);
    cr_assert_lt(f[0].qty_units, 0);
    cr_assert_lt(f[1].qty_units, 0);
    cr_assert_eq(f[2].qty_units, 100000);
    cr_assert_eq(keel_execution_cash(e), 0);
    keel_execution_free(&e);
}

Test(execution, a_buy_that_cash_cannot_pay_is_named_in_the_next_plan)
{
    ask k;
    const keel_fill *f;
    const int64_t dear[N] = {10000, 10000, 100000000};
    keel_execution *e = holding(); /* 500 USD left */
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.2, 0.5), 12, 2),
                 KEEL_OK);
    plan_step(e, 3);
    cr_assert_eq(fill_row(e, NULL, dear, 3, &f), 0);
    const keel_order_plan p = plan_step(e, 4);
    cr_assert_eq(p.skipped_n, 1);
    cr_assert_eq(p.skipped[0].reason.code, KEEL_REASON_FREE_CASH);
    cr_assert_eq(plan_step(e, 5).skipped_n, 0);
    keel_execution_free(&e);
}

Test(execution, refusals_leave_the_state_unchanged)
{
    ask k;
    keel_order_plan p;
    const keel_fill *f;
    int n;
    uint8_t before[16384], after[16384];
    size_t len_before, len_after;
    keel_execution *e = holding();
    cr_assert_eq(keel_execution_save(e, before, sizeof before, &len_before), KEEL_OK);
    keel_approved_allocation *a = approve(&k, 1000 * USD, 0.3, 0.2, 0);
    cr_expect_eq(keel_execution_on_approval(e, a, 11, 1), KEEL_ESTALE);
    a->universe_hash = 78;
    cr_expect_eq(keel_execution_on_approval(e, a, 12, 2), KEEL_EUNKNOWN);
    a = approve(&k, 1000 * USD, NAN, 0.2, 0);
    cr_expect_eq(keel_execution_on_approval(e, a, 12, 2), KEEL_ENONFINITE);
    a = approve(&k, -1, 0.3, 0.2, 0);
    cr_expect_eq(keel_execution_on_approval(e, a, 12, 2), KEEL_EINVAL);
    a = approve(&k, 1000 * USD, 0.3, 0.2, 0);
    strcpy(a->book, "other");
    cr_expect_eq(keel_execution_on_approval(e, a, 12, 2), KEEL_EUNKNOWN);
    cr_expect_eq(keel_execution_plan(e, 2, &p), KEEL_EORDER);
    keel_bar_row r = row_of(NULL, prices_100, 2);
    cr_expect_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_EORDER);
    r = row_of(NULL, prices_100, 3);
    r.universe_hash = 78;
    cr_expect_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_EUNKNOWN);
    keel_trading_state s = {.portfolio = "other", .mode = KEEL_TRADING_ACTIVE};
    cr_expect_eq(keel_execution_on_trading(e, &s), KEEL_EUNKNOWN);
    cr_assert_eq(keel_execution_save(e, after, sizeof after, &len_after), KEEL_OK);
    cr_assert_eq(len_before, len_after);
    cr_assert_arr_eq(before, after, len_before);
    keel_execution_free(&e);
    keel_execution_free(&e);
}

Test(execution, refuses_a_bad_configuration)
{
    keel_err err;
    keel_execution_cfg c = {"run-1", "main", "core", universe(), {10000, 5000}, 0.001};
    c.cash_buffer = NAN;
    cr_expect_null(keel_execution_new(&c, &err));
    c.cash_buffer = 0;
    c.rates.fee_milli_bps = -1;
    cr_expect_null(keel_execution_new(&c, &err));
    c.rates.fee_milli_bps = 0;
    c.run = "bad run";
    cr_expect_null(keel_execution_new(&c, &err));
}

/* The same random market into two engines, one of which is saved and loaded on the way. */
Test(execution, goes_on_after_save_and_load_to_the_bit)
{
    static uint8_t snapshot[1 << 16], one[1 << 16], two[1 << 16];
    keel_rng rng = keel_rng_seeded(11);
    keel_execution *a = engine(10000, 5000, 0.001), *b = engine(10000, 5000, 0.001);
    cr_assert_eq(set_mode(a, KEEL_TRADING_ACTIVE), KEEL_OK);
    cr_assert_eq(set_mode(b, KEEL_TRADING_ACTIVE), KEEL_OK);
    int64_t price[N] = {10000, 10000, 10000}, seen[N];
    memcpy(seen, price, sizeof seen);
    for (uint64_t step = 1; step < 300; step++) {
        const keel_fill *f;
        keel_order_plan p;
        int n;
        size_t len, len2;
        if (keel_rng_below(&rng, 3) == 0) {
            ask k;
            keel_approved_allocation *x = approve(&k, 1000 * USD, keel_rng_uniform(&rng) / 3,
                                                  keel_rng_uniform(&rng) / 3, 0.1);
            cr_assert_eq(keel_execution_on_approval(a, x, step, step), KEEL_OK);
            cr_assert_eq(keel_execution_on_approval(b, x, step, step), KEEL_OK);
        }
        if (keel_rng_below(&rng, 4) == 0) { /* also with an approval that waits */
            keel_execution *fresh = engine(10000, 5000, 0.001);
            cr_assert_eq(keel_execution_save(b, snapshot, sizeof snapshot, &len), KEEL_OK);
            cr_assert_eq(keel_execution_load(fresh, snapshot, len), KEEL_OK);
            keel_execution_free(&b);
            b = fresh;
        }
        cr_assert_eq(keel_execution_plan(a, step + 1, &p), KEEL_OK);
        cr_assert_eq(keel_execution_plan(b, step + 1, &p), KEEL_OK);
        for (int i = 0; i < N; i++) {
            seen[i] += (int64_t)keel_rng_below(&rng, 201) - 100;
            price[i] = keel_rng_below(&rng, 10) == 0 ? 0 : seen[i];
        }
        const keel_bar_row r = row_of(NULL, price, (int64_t)step);
        cr_assert_eq(keel_execution_on_row(a, &r, &f, &n), KEEL_OK);
        cr_assert_eq(keel_execution_on_row(b, &r, &f, &n), KEEL_OK);
        cr_assert_eq(keel_execution_save(a, one, sizeof one, &len), KEEL_OK);
        cr_assert_eq(keel_execution_save(b, two, sizeof two, &len2), KEEL_OK);
        cr_assert_eq(len, len2);
        cr_assert_arr_eq(one, two, len, "seed 11 step %lu", step);
    }
    keel_execution_free(&a);
    keel_execution_free(&b);
}

Test(execution, a_corrupt_snapshot_is_refused_whole)
{
    static uint8_t good[1 << 16], bad[1 << 16], after[1 << 16];
    size_t len, len_after;
    keel_rng rng = keel_rng_seeded(3);
    keel_execution *e = holding(), *x = engine(0, 0, 0.0);
    cr_assert_eq(keel_execution_save(e, good, sizeof good, &len), KEEL_OK);
    cr_assert_eq(keel_execution_save(e, bad, 10, &len_after), KEEL_ENOSPC);
    cr_assert_eq(len_after, len);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(keel_execution_load(x, good, cut), KEEL_EFORMAT, "cut at %zu", cut);
    for (int i = 0; i < 2000; i++) { /* any accepted one must be writable again */
        memcpy(bad, good, len);
        bad[keel_rng_below(&rng, len)] ^= (uint8_t)(1u << keel_rng_below(&rng, 8));
        if (keel_execution_load(x, bad, len) == KEEL_OK)
            cr_assert_eq(keel_execution_save(x, after, sizeof after, &len_after), KEEL_OK);
    }
    keel_execution_free(&e);
    keel_execution_free(&x);
}

/* P4: what a new engine folds from the records is what the old one had. */
Test(execution, p4_starts_from_its_own_records)
{
    ask k;
    const keel_fill *f;
    keel_plan_done done;
    const int64_t no_b[N] = {10000, 0, 10000};
    keel_execution *old = holding(), *e = engine(0, 0, 0.0);
    keel_execution_done(old, &done);
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_OK);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.3, 0.2, 0), 11, 1),
                 KEEL_ESTALE, "a consumed approval is never planned again");
    keel_approved_allocation *a = approve(&k, 1000 * USD, 0.1, 0.4, 0.2);
    cr_assert_eq(keel_execution_on_approval(old, a, 12, 2), KEEL_OK);
    const keel_order_plan p = plan_step(old, 3);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &p), KEEL_OK);
    cr_assert_eq(keel_execution_on_approval(e, a, 12, 2), KEEL_ESTALE);
    const int n = fill_row(old, NULL, no_b, 3, &f);
    cr_assert_eq(n, 2);
    for (int i = 0; i < n; i++)
        cr_assert_eq(keel_execution_on_own_fill(e, &f[i]), KEEL_OK);
    cr_assert_eq(keel_execution_on_own_fill(e, &f[0]), KEEL_ENOTFOUND, "not twice");
    for (int i = 0; i < N; i++)
        cr_assert_eq(keel_execution_held(e, i), keel_execution_held(old, i));
    cr_assert_eq(keel_execution_cash(e), keel_execution_cash(old));
    keel_plan_done one, two;
    keel_execution_done(old, &one);
    keel_execution_done(e, &two);
    cr_assert_eq(one.open_n, two.open_n);
    cr_assert_str_eq(one.open_orders[0].order_id, two.open_orders[0].order_id);
    keel_execution_free(&old);
    keel_execution_free(&e);
}

/* R1 in live mode: the log holds a plan made before an approval arrived. */
Test(execution, r1_takes_the_plan_that_the_log_holds)
{
    ask k;
    keel_execution *e = holding(), *other = holding();
    const keel_order_plan empty = plan_step(other, 3);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.1, 0.4, 0), 12, 2),
                 KEEL_OK);
    cr_assert_eq(plan_step(e, 3).orders_n, 2);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &empty), KEEL_OK);
    keel_plan_done done;
    keel_execution_done(e, &done);
    cr_assert_eq(done.open_n, 0);
    cr_assert_eq(done.approval_step, 1);
    cr_assert_eq(plan_step(e, 4).orders_n, 2, "the approval waited for the next plan");
    keel_execution_free(&e);
    keel_execution_free(&other);
}
