/* What the books say of intents: filled, closed, replaced, lapsed, stopped (SI16, SI25). */
#include "tests/unit/strategy-coordinator/fixture.h"

enum { BTC };

typedef struct counts {
    uint64_t executed;
    uint32_t active;
} counts;

static counts of_alpha(world *w)
{
    keel_strategy_report report;
    static counts last;
    if (!keel_coordinator_report(w->eng, &report))
        return last;
    check_counts(&report);
    const keel_strategy_status *s = status_of(&report, "alpha");
    last = (counts){s->executed, s->active_signals};
    return last;
}

static void next_step(world *w)
{
    close_step(w);
    tell_row(w);
}

/* alpha asks for something in BTC; its version. */
static uint64_t ask(world *w, const char *id, keel_side side)
{
    tell_mode(w, KEEL_TRADING_ACTIVE, 0);
    const keel_signal s = signal_of(w, "alpha", id, "BTC", side);
    cr_assert(decide_one(w, &s)->accepted, "%s", w->made[0].reason.text);
    return w->made[0].decision_seq;
}

static world *begin(void)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    tell_row(w);
    return w;
}

Test(books, mark_a_filled_signal_executed_once)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    tell_book(w, "alpha", BTC, 10, &v, 1); /* of the step it was decided in: not yet */
    cr_expect_eq(of_alpha(w).executed, 0);
    next_step(w);
    tell_book(w, "beta", BTC, 10, &v, 1); /* another's book */
    cr_expect_eq(of_alpha(w).executed, 0);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    cr_expect_eq(of_alpha(w).executed, 1);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    cr_expect_eq(of_alpha(w).executed, 1);
    cr_expect_eq(of_alpha(w).active, 1); /* it stands while it is held */
    end_world(w);
}

Test(books, end_a_signal_that_a_trigger_closed)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    next_step(w);
    tell_book(w, "alpha", BTC, 0, &v, 1);
    cr_expect_eq(of_alpha(w).executed, 1);
    cr_expect_eq(of_alpha(w).active, 0);
    tell_mode(w, KEEL_TRADING_ACTIVE, 0);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_SHORT); /* and no conflict is left */
    cr_assert_eq(decide(w), 1);
    cr_expect(w->made[0].accepted);
    end_world(w);
}

Test(books, count_a_signal_that_was_filled_and_stopped_in_one_row)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    tell_book(w, "alpha", BTC, 0, &v, 1);
    cr_expect_eq(of_alpha(w).executed, 1);
    cr_expect_eq(of_alpha(w).active, 0);
    end_world(w);
}

Test(books, keep_an_unfilled_signal_until_it_lapses)
{
    world *w = begin();
    ask(w, "a1", KEEL_SIDE_LONG); /* valid a day: 24 rows more */
    for (int i = 0; i < 24; i++) {
        next_step(w);
        tell_book(w, "alpha", BTC, 0, NULL, 0);
        cr_assert_eq(of_alpha(w).active, 1, "row %d", i);
    }
    next_step(w);
    tell_book(w, "alpha", BTC, 0, NULL, 0);
    cr_expect_eq(of_alpha(w).active, 0);
    cr_expect_eq(of_alpha(w).executed, 0);
    end_world(w);
}

/* Execution gives up what opens a position, never what reduces one. */
Test(books, keep_a_flat_until_its_book_is_empty)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    const uint64_t out = ask(w, "a2", KEEL_SIDE_FLAT);
    for (int i = 0; i < 40; i++) { /* a day is over, and the symbol had no bar */
        next_step(w);
        tell_book(w, "alpha", BTC, 10, NULL, 0);
        cr_assert_eq(of_alpha(w).active, 1, "row %d", i);
    }
    next_step(w);
    tell_book(w, "alpha", BTC, 0, &out, 1);
    cr_expect_eq(of_alpha(w).active, 0);
    cr_expect_eq(of_alpha(w).executed, 2);
    end_world(w);
}

Test(books, execute_a_flat_when_nothing_is_held_any_more)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    const uint64_t out = ask(w, "a2", KEEL_SIDE_FLAT);
    cr_expect_eq(of_alpha(w).active, 1); /* the flat has replaced the long */
    next_step(w);
    tell_book(w, "alpha", BTC, 10, NULL, 0); /* no bar: not filled yet, in force still */
    cr_expect_eq(of_alpha(w).active, 1);
    next_step(w);
    tell_book(w, "alpha", BTC, 0, &out, 1);
    cr_expect_eq(of_alpha(w).active, 0);
    cr_expect_eq(of_alpha(w).executed, 2);
    ask(w, "a3", KEEL_SIDE_FLAT); /* of nothing: done in the next step, without a fill */
    next_step(w);
    tell_book(w, "alpha", BTC, 0, NULL, 0);
    cr_expect_eq(of_alpha(w).active, 0);
    cr_expect_eq(of_alpha(w).executed, 3);
    end_world(w);
}

Test(books, execute_what_is_held_already_without_a_fill)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    ask(w, "a2", KEEL_SIDE_LONG); /* the same size again */
    next_step(w);
    tell_book(w, "alpha", BTC, 10, NULL, 0);
    cr_expect_eq(of_alpha(w).executed, 2);
    cr_expect_eq(of_alpha(w).active, 1);
    end_world(w);
}

/* Live: the books are heard of after a successor was decided. */
Test(books, count_a_fill_that_is_heard_of_after_the_replacement)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    next_step(w);
    const uint64_t next = ask(w, "a2", KEEL_SIDE_SHORT);
    tell_book(w, "alpha", BTC, 10, &v, 1);
    cr_expect_eq(of_alpha(w).executed, 0); /* said of the step that a2 was decided in */
    next_step(w);
    const uint64_t both[] = {v, next};
    tell_book(w, "alpha", BTC, -10, both, 2);
    cr_expect_eq(of_alpha(w).executed, 2);
    cr_expect_eq(of_alpha(w).active, 1);
    end_world(w);
}

Test(books, end_what_is_open_when_the_portfolio_stops)
{
    world *w = begin();
    const uint64_t v = ask(w, "a1", KEEL_SIDE_LONG);
    say(w, "beta", "b1", "ETH", KEEL_SIDE_LONG);
    decide(w);
    next_step(w);
    tell_book(w, "alpha", BTC, 10, &v, 1); /* held; beta's was not filled */
    tell_mode(w, KEEL_TRADING_REDUCING, 1);
    cr_expect_eq(view_of(w).standing, 1);
    tell_row(w);
    tell_mode(w, KEEL_TRADING_REDUCING, 1);
    cr_expect_eq(of_alpha(w).active, 1); /* until its book is flat */
    next_step(w);
    tell_book(w, "alpha", BTC, 0, &v, 1);
    cr_expect_eq(of_alpha(w).active, 0);
    cr_expect_eq(of_alpha(w).executed, 1);
    end_world(w);
}

Test(books, show_risk_what_is_in_force)
{
    world *w = begin();
    keel_coordinator_out out;
    tell_mode(w, KEEL_TRADING_ACTIVE, 0);
    keel_signal s = signal_of(w, "alpha", "a1", "ETH", KEEL_SIDE_LONG);
    s.entry = 101;
    s.stop = 90;
    decide_one(w, &s);
    s = signal_of(w, "alpha", "a2", "BTC", KEEL_SIDE_FLAT);
    decide_one(w, &s);
    say(w, "beta", "b1", "BTC", KEEL_SIDE_LONG);
    cr_assert_eq(keel_coordinator_decide(w->eng, w->step, &out), KEEL_OK);
    cr_assert_eq(out.question.standing_n, 2);
    cr_expect_eq(out.question.decision_seq, 2);
    const keel_standing *flat = &out.question.standing[0], *held = &out.question.standing[1];
    cr_expect(flat->instrument == BTC && flat->target_qty_units == 0 && flat->version == 2);
    cr_expect_eq(flat->entry_units, PRICE_UNITS);
    cr_expect_eq(held->instrument, 1);
    cr_expect_eq(held->target_qty_units, 10);
    cr_expect_eq(held->version, 1);
    cr_expect_eq(held->entry_units, 1010000);
    cr_expect_eq(held->stop_units, 900000);
    end_world(w);
}
