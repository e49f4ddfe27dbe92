#include "tests/unit/execution/fixture.h"

#include <criterion/criterion.h>

/* P4, R1: starting from one's own records with intents. The long run is property/test_books. */

static keel_order_plan plan_step(keel_execution *e, uint64_t step)
{
    keel_order_plan p;
    cr_assert_eq(keel_execution_plan(e, step, &p), KEEL_OK);
    return p;
}

static int fill_bar(keel_execution *e, int64_t low, int64_t close, int64_t hour,
                    const keel_fill **fills)
{
    static int64_t open[N], high[N], lows[N], closes[N];
    int n;
    for (int i = 0; i < N; i++) {
        open[i] = high[i] = 10000;
        lows[i] = low;
        closes[i] = close;
    }
    keel_bar_row r = row_of(NULL, closes, hour);
    r.open_units = open;
    r.high_units = high;
    r.low_units = lows;
    cr_assert_eq(keel_execution_on_row(e, &r, fills, &n), KEEL_OK);
    return n;
}

static void want(keel_execution *e, int s, uint64_t seq, int64_t target, int64_t stop)
{
    keel_decision d = decide(s, seq, 0, target);
    d.intents[0].stop_units = stop;
    cr_assert_eq(keel_execution_on_decision(e, &d, seq), KEEL_OK);
}

static keel_execution *active(void)
{
    keel_execution *e = engine_with(3, 0, 0);
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    return e;
}

/* s000 holds 10000 of A with a stop at 95.00 after step 2. */
static keel_execution *holding(keel_plan_done *done)
{
    const keel_fill *f;
    keel_execution *e = active();
    want(e, 0, 1, 10000, 9500);
    plan_step(e, 2);
    cr_assert_eq(fill_bar(e, 9900, 10000, 2, &f), 1);
    keel_execution_done(e, done);
    return e;
}

Test(own, p4_folds_plans_fills_and_exits)
{
    keel_plan_done done, one, two;
    const keel_fill *f;
    keel_execution *old = holding(&done), *e = active();
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_OK);
    const keel_decision known = decide(0, 1, 0, 10000);
    cr_assert_eq(keel_execution_on_decision(e, &known, 2), KEEL_ESTALE, "never planned again");
    want(old, 1, 2, 20000, 0);
    want(e, 1, 2, 20000, 0);
    const keel_order_plan p = plan_step(old, 3);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &p), KEEL_OK);
    const int n = fill_bar(old, 9400, 9600, 3, &f); /* one order, and s000's stop */
    cr_assert_eq(n, 2);
    for (int i = 0; i < n; i++)
        cr_assert_eq(keel_execution_on_own_fill(e, &f[i]), KEEL_OK);
    cr_assert_eq(keel_execution_on_own_fill(e, &f[0]), KEEL_ENOTFOUND, "not twice");
    cr_assert_eq(keel_execution_on_own_fill(e, &f[1]), KEEL_ENOTFOUND, "nor a stop");
    keel_execution_done(old, &one);
    keel_execution_done(e, &two);
    cr_assert_eq(one.positions_n, 1);
    cr_assert_eq(two.positions_n, 1);
    cr_assert_eq(memcmp(&one.positions[0], &two.positions[0], sizeof one.positions[0]), 0);
    cr_assert_eq(one.consumed_decision_seq, two.consumed_decision_seq);
    cr_assert_eq(one.fills, two.fills);
    keel_execution_free(&old);
    keel_execution_free(&e);
}

/* The log holds a plan that was made before a decision came: it waits for the next plan. */
Test(own, r1_a_decision_that_the_stored_plan_had_not_heard_waits)
{
    keel_plan_done done;
    const keel_fill *f;
    keel_execution *e = holding(&done), *other = active();
    cr_assert_eq(keel_execution_on_own_plan_done(other, 2, &done), KEEL_OK);
    const keel_order_plan stored = plan_step(other, 3);
    cr_assert_eq(stored.orders_n, 0);
    want(e, 1, 2, 20000, 0);
    cr_assert_eq(plan_step(e, 3).orders_n, 1);
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_OK);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &stored), KEEL_OK);
    cr_assert_eq(fill_bar(e, 9900, 10000, 3, &f), 0);
    const keel_order_plan p = plan_step(e, 4);
    cr_assert_eq(p.orders_n, 1);
    cr_assert_eq(p.consumed_n, 1);
    cr_assert_eq(p.consumed_decisions[0], 2);
    keel_execution_free(&e);
    keel_execution_free(&other);
}

/* The other way round: the stored plan knew a decision that comes only later. */
Test(own, r1_an_intent_known_from_its_order_gets_its_prices_later)
{
    keel_plan_done done;
    const keel_fill *f;
    keel_execution *e = holding(&done), *other = active();
    cr_assert_eq(keel_execution_on_own_plan_done(other, 2, &done), KEEL_OK);
    want(other, 1, 2, 20000, 9700);
    const keel_order_plan stored = plan_step(other, 3);
    cr_assert_eq(plan_step(e, 3).orders_n, 0);
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_OK);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &stored), KEEL_OK);
    cr_assert_eq(fill_bar(e, 9900, 10000, 3, &f), 1);
    cr_assert_eq(f[0].books[0].closed_version, 2);
    want(e, 1, 2, 20000, 9700); /* taken: it completes what is known */
    const keel_decision again = decide(1, 2, 0, 20000);
    cr_assert_eq(keel_execution_on_decision(e, &again, 3), KEEL_ESTALE);
    cr_assert_eq(plan_step(e, 4).orders_n, 0, "not planned again");
    cr_assert_eq(fill_bar(e, 9600, 9800, 4, &f), 1);
    cr_assert_eq(f[0].reference_units, 9700);
    keel_execution_free(&e);
    keel_execution_free(&other);
}

/* An approval that only the own plan had consumed waits for the next one as well. */
Test(own, r1_an_approval_is_not_lost_with_the_own_plan)
{
    ask k;
    keel_plan_done done;
    keel_execution *e = holding(&done), *other = active();
    cr_assert_eq(keel_execution_on_own_plan_done(other, 2, &done), KEEL_OK);
    const keel_order_plan stored = plan_step(other, 3);
    cr_assert_eq(keel_execution_on_approval(e, approve(&k, 1000 * USD, 0.5, 0, 0), 12, 2), KEEL_OK);
    cr_assert_eq(plan_step(e, 3).orders_n, 1);
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_OK);
    cr_assert_eq(keel_execution_on_own_plan(e, 3, &stored), KEEL_OK);
    cr_assert_eq(plan_step(e, 4).approval_hash, 12);
    keel_execution_free(&e);
    keel_execution_free(&other);
}

Test(own, refuses_records_that_are_not_its_own)
{
    keel_plan_done done;
    keel_execution *e = holding(&done), *few = engine_with(0, 0, 0);
    cr_assert_eq(keel_execution_on_own_plan_done(few, 2, &done), KEEL_EUNKNOWN, "no such book");
    keel_held_position held = done.positions[0];
    held.intent_version = 0;
    done.positions = &held;
    cr_assert_eq(keel_execution_on_own_plan_done(e, 2, &done), KEEL_EINVAL);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 10000, "unchanged");
    keel_execution_free(&e);
    keel_execution_free(&few);
}

Test(own, a_corrupt_snapshot_with_intents_is_refused_whole)
{
    static uint8_t good[1 << 16], bad[1 << 16], now[1 << 16], before[1 << 16];
    size_t len, len2;
    uint64_t seed = 5;
    int taken = 0;
    keel_plan_done done;
    keel_execution *e = holding(&done), *x = active();
    want(e, 1, 2, 20000, 9000);
    plan_step(e, 3);
    want(e, 2, 3, -30000, 12000); /* waits for its plan */
    cr_assert_eq(keel_execution_save(e, good, sizeof good, &len), KEEL_OK);
    cr_assert_eq(keel_execution_save(x, before, sizeof before, &len2), KEEL_OK);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(keel_execution_load(x, good, cut), KEEL_EFORMAT, "cut at %zu", cut);
    cr_assert_eq(keel_execution_save(x, now, sizeof now, &len2), KEEL_OK);
    cr_assert_arr_eq(now, before, len2);
    for (int i = 0; i < 4000; i++) { /* what is accepted is a state to go on from */
        keel_execution *y = active();
        const keel_fill *f;
        keel_order_plan p;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(bad, good, len);
        bad[(seed >> 33) % len] ^= (uint8_t)(1u << (seed >> 60 & 7));
        if (keel_execution_load(y, bad, len) == KEEL_OK) {
            int n;
            const keel_bar_row r = row_of(NULL, prices_100, 900000);
            cr_assert_eq(keel_execution_save(y, now, sizeof now, &len2), KEEL_OK);
            (void)!keel_execution_plan(y, 1000, &p);
            (void)!keel_execution_on_row(y, &r, &f, &n);
            keel_execution_done(y, &done);
            taken++;
        }
        keel_execution_free(&y);
    }
    cr_assert_gt(taken, 100);
    keel_execution_free(&e);
    keel_execution_free(&x);
}
