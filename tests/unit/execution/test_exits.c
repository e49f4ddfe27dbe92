#include "tests/unit/execution/fixture.h"

#include <criterion/criterion.h>

/* Stops and targets of positions of strategies' books. */

enum { SLIP = 5000 }; /* 5 bps */

typedef struct exit_case {
    const char *what;
    int64_t held;
    int64_t stop, target;
    int64_t open, high, low, close; /* open 0: closes only */
    int64_t reference;              /* 0 = it stays */
    bool at_target;
} exit_case;

static const exit_case cases[] = {
    {"long, not reached", 10000, 9500, 11000, 10000, 10900, 9501, 10000, 0, false},
    {"long stop inside the bar", 10000, 9500, 0, 10000, 10100, 9400, 9800, 9500, false},
    {"long stop touched", 10000, 9500, 0, 10000, 10100, 9500, 9800, 9500, false},
    {"long stop, gap through it", 10000, 9500, 0, 9200, 9300, 9100, 9150, 9200, false},
    {"long target inside the bar", 10000, 0, 11000, 10000, 11500, 9900, 11200, 11000, true},
    {"long target, gap beyond it", 10000, 0, 11000, 11300, 11500, 11200, 11400, 11300, true},
    {"long, both: the stop first", 10000, 9500, 11000, 10000, 11500, 9400, 11200, 9500, false},
    {"long, both, gap above the target", 10000, 9500, 11000, 11300, 11500, 9400, 9600, 9500, false},
    {"short, not reached", -10000, 10500, 9000, 10000, 10499, 9001, 10000, 0, false},
    {"short stop inside the bar", -10000, 10500, 0, 10000, 10600, 9900, 10200, 10500, false},
    {"short stop, gap through it", -10000, 10500, 0, 10800, 10900, 10700, 10750, 10800, false},
    {"short target inside the bar", -10000, 0, 9000, 10000, 10100, 8900, 9200, 9000, true},
    {"short target, gap beyond it", -10000, 0, 9000, 8800, 8900, 8700, 8750, 8800, true},
    {"short, both: the stop first", -10000, 10500, 9000, 10000, 10600, 8900, 9500, 10500, false},
    {"closes only, long stop", 10000, 9500, 0, 0, 0, 0, 9300, 9300, false},
    {"closes only, long not crossed", 10000, 9500, 11000, 0, 0, 0, 9600, 0, false},
    {"closes only, long target", 10000, 0, 11000, 0, 0, 0, 11400, 11400, true},
    {"closes only, short stop", -10000, 10500, 0, 0, 0, 0, 10700, 10700, false},
    {"closes only, short target", -10000, 10500, 9000, 0, 0, 0, 8700, 8700, true},
    {"no prices", 10000, 0, 0, 10000, 20000, 1, 5000, 0, false},
};

static keel_bar_row bar(const exit_case *c, int64_t values[4][N], int64_t hour)
{
    const int64_t of[4] = {c->open, c->high, c->low, c->close};
    keel_bar_row r = row_of(NULL, values[3], hour);
    for (int i = 0; i < N; i++)
        for (int v = 0; v < 4; v++)
            values[v][i] = i == 0 ? of[v] : 10000;
    r.missing = 0;
    if (c->open != 0) {
        r.open_units = values[0];
        r.high_units = values[1];
        r.low_units = values[2];
    }
    return r;
}

static keel_execution *holding(int64_t held, int64_t stop, int64_t target)
{
    const keel_fill *f;
    keel_order_plan p;
    int n;
    const int64_t at[N] = {10000, 10000, 10000};
    const keel_bar_row r = row_of(NULL, at, 1);
    keel_execution *e = engine_with(1, 10000, SLIP);
    keel_decision d = decide(0, 9, 0, held);
    d.intents[0].stop_units = stop;
    d.intents[0].target_units = target;
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    cr_assert_eq(keel_execution_on_decision(e, &d, 1), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 1, &p), KEEL_OK);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(keel_execution_plan(e, 2, &p), KEEL_OK);
    return e;
}

Test(exits, leave_at_the_prices_of_the_rules) /* RL09 */
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const exit_case *c = &cases[i];
        int64_t values[4][N];
        const keel_fill *f;
        int n;
        keel_execution *e = holding(c->held, c->stop, c->target);
        const keel_bar_row r = bar(c, values, 2);
        cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK, "%s", c->what);
        cr_expect_eq(n, c->reference != 0, "%s", c->what);
        cr_expect_eq(keel_execution_book_held(e, "s000", 0), c->reference != 0 ? 0 : c->held);
        if (n == 1 && c->reference != 0) {
            keel_deal due;
            const keel_broker_rates rates = {10000, SLIP};
            cr_assert_eq(keel_broker_deal_at(&rates, &universe()->instruments[0], c->reference,
                                             -c->held, &due),
                         KEEL_OK);
            cr_expect_eq(f[0].reference_units, c->reference, "%s", c->what);
            cr_expect_eq(f[0].price_units, due.price_units, "%s: slippage", c->what);
            cr_expect_eq(f[0].books[0].cash_micros, due.cash_micros, "%s: fee", c->what);
            cr_expect_eq(f[0].reason.code, KEEL_REASON_TRIGGER);
            cr_expect_eq(f[0].books[0].closed_version, 9);
            cr_expect_eq(f[0].books_n, 1);
            cr_expect_str_eq(f[0].fill_id, c->at_target ? "run-1/main/2/0/A/s000/target/0"
                                                        : "run-1/main/2/0/A/s000/stop/0");
        }
        keel_execution_free(&e);
    }
}

/* R8: what a stop closed stays closed; only a higher version opens it again. */
Test(exits, r8_a_closed_intent_does_not_come_back)
{
    const exit_case falls = {"", 10000, 9500, 0, 10000, 10000, 9000, 9200, 9500, false};
    const exit_case calm = {"", 10000, 0, 0, 10000, 10000, 10000, 10000, 0, false};
    int64_t values[4][N];
    const keel_fill *f;
    keel_order_plan p;
    keel_plan_done done;
    int n;
    keel_execution *e = holding(10000, 9500, 0);
    keel_bar_row r = bar(&falls, values, 2);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 1);
    keel_execution_done(e, &done);
    cr_assert_eq(done.positions_n, 0);
    cr_assert_eq(done.fills, 1);
    const keel_decision again = decide(0, 9, 0, 10000), higher = decide(0, 10, 0, 10000);
    cr_assert_eq(keel_execution_on_decision(e, &again, 2), KEEL_ESTALE);
    cr_assert_eq(keel_execution_plan(e, 3, &p), KEEL_OK);
    cr_assert_eq(p.orders_n, 0);
    r = bar(&calm, values, 3);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(keel_execution_on_decision(e, &higher, 3), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 4, &p), KEEL_OK);
    r = bar(&calm, values, 4);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 10000);
    keel_execution_free(&e);
}

/* The row that opens a position cannot close it: its low may have been before the fill. */
Test(exits, the_row_that_opens_does_not_close)
{
    const exit_case wild = {"", 0, 0, 0, 10000, 20000, 1, 9000, 0, false};
    int64_t values[4][N];
    const keel_fill *f;
    keel_order_plan p;
    int n;
    keel_execution *e = engine_with(1, 0, 0);
    keel_decision d = decide(0, 1, 0, 10000);
    d.intents[0].stop_units = 9500;
    d.intents[0].target_units = 11000;
    cr_assert_eq(set_mode(e, KEEL_TRADING_ACTIVE), KEEL_OK);
    cr_assert_eq(keel_execution_on_decision(e, &d, 1), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 1, &p), KEEL_OK);
    keel_bar_row r = bar(&wild, values, 1);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 10000);
    cr_assert_eq(keel_execution_plan(e, 2, &p), KEEL_OK);
    r = bar(&wild, values, 2);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    keel_execution_free(&e);
}

/* A position that only grows in a row was there before: its stop holds for all of it. */
Test(exits, a_position_that_grows_keeps_its_stop)
{
    const exit_case falls = {"", 0, 0, 0, 10000, 10000, 9400, 9600, 0, false};
    int64_t values[4][N];
    const keel_fill *f;
    keel_order_plan p;
    int n;
    keel_execution *e = holding(10000, 9500, 0);
    keel_decision d = decide(0, 10, 0, 30000);
    d.intents[0].stop_units = 9500;
    cr_assert_eq(keel_execution_on_decision(e, &d, 2), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 3, &p), KEEL_OK);
    const keel_bar_row r = bar(&falls, values, 3);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 2);
    cr_assert_eq(f[0].qty_units, 20000);
    cr_assert_eq(f[1].qty_units, -30000);
    cr_assert_eq(f[1].books[0].closed_version, 10);
    cr_assert_eq(keel_execution_book_held(e, "s000", 0), 0);
    keel_execution_free(&e);
}

Test(exits, without_a_bar_nothing_leaves_and_a_halt_holds_stops_back)
{
    const exit_case falls = {"", 0, 0, 0, 9000, 9100, 8900, 9050, 0, false};
    const int64_t no_a[N] = {0, 10000, 10000};
    int64_t values[4][N];
    const keel_fill *f;
    keel_order_plan p;
    int n;
    keel_execution *e = holding(10000, 9500, 0);
    keel_bar_row r = row_of(NULL, no_a, 2);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(set_mode(e, KEEL_TRADING_HALTED), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 3, &p), KEEL_OK);
    r = bar(&falls, values, 3);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 0, "HALTED: nothing but cancels");
    cr_assert_eq(set_mode(e, KEEL_TRADING_REDUCING), KEEL_OK);
    cr_assert_eq(keel_execution_plan(e, 4, &p), KEEL_OK);
    r = bar(&falls, values, 4);
    cr_assert_eq(keel_execution_on_row(e, &r, &f, &n), KEEL_OK);
    cr_assert_eq(n, 1, "a stop reduces");
    keel_execution_free(&e);
}
