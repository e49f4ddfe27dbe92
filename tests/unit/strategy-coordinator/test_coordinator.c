/* The coordinator follows rows, books and trading state, and refuses what does not belong. */
#include "tests/unit/strategy-coordinator/fixture.h"

#include <math.h>

Test(coordinator, knows_where_the_run_is)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    const keel_portfolio_state books = {
        .portfolio = "main", .universe_hash = w->universe.hash, .equity_micros = 1001};
    tell_row(w);
    cr_assert_eq(keel_coordinator_on_portfolio(w->eng, &books), KEEL_OK);
    keel_coordinator_view view = view_of(w);
    cr_expect_eq(view.step, 1);
    cr_expect_eq(view.now_ns, HOUR_NS);
    cr_expect_eq(view.equity_micros, 1001);
    cr_expect_eq(view.mode, KEEL_TRADING_HALTED); /* until risk has spoken */
    open_step(w);
    view = view_of(w);
    cr_expect_eq(view.mode, KEEL_TRADING_ACTIVE);
    cr_expect_eq(view.mode_changes, 1);
    tell_row(w);
    tell_mode(w, (keel_trading_mode)7, 0);
    view = view_of(w);
    cr_expect_eq(view.mode, KEEL_TRADING_HALTED); /* unknown counts as halted */
    cr_expect_eq(view.rows, 3);
    end_world(w);
}

Test(coordinator, refuses_a_configuration_that_makes_no_sense)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    const keel_coordinator_cfg good = {.universe = &w->universe,
                                       .portfolio = "main",
                                       .strategies_n = 4,
                                       .strategies = w->strategies};
    keel_coordinator_cfg bad[7];
    keel_coordinator_strategy twice[] = {{.name = "one"}, {.name = "two"}, {.name = "one"}};
    keel_coordinator_strategy nameless[] = {{.name = ""}};
    const char *const says[] = {"portfolio", "strategies", "validity",  "entry_tolerance",
                                "conflict",  "one",        "strategies"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        bad[i] = good;
    bad[0].portfolio = "";
    bad[1].strategies_n = KEEL_STRATEGIES_MAX + 1;
    bad[2].validity_ns = -1;
    bad[3].entry_tolerance_frac = NAN;
    bad[4].conflict = KEEL_CONFLICT_BEST_RISK_REWARD;
    bad[5].strategies = twice;
    bad[5].strategies_n = 3;
    bad[6].strategies = nameless;
    bad[6].strategies_n = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        keel_err err;
        cr_expect_null(keel_coordinator_new(&bad[i], &err));
        cr_expect_not_null(strstr(err.text, says[i]), "%s", err.text);
    }
    end_world(w);
}

Test(coordinator, works_without_any_strategy)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    const keel_coordinator_cfg cfg = {.universe = &w->universe, .portfolio = "main"};
    keel_coordinator *eng = keel_coordinator_new(&cfg, NULL), *other;
    keel_coordinator_out out;
    keel_strategy_report report;
    size_t len;
    cr_assert_eq(keel_coordinator_decide(eng, 1, &out), KEEL_OK);
    cr_expect_eq(out.next, KEEL_COORDINATOR_DONE);
    cr_expect(keel_coordinator_report(eng, &report));
    cr_expect_eq(report.strategies_n, 0);
    cr_expect_not(keel_coordinator_report(eng, &report));
    uint8_t *bytes = snapshot_of(eng, &len);
    other = keel_coordinator_new(&cfg, NULL);
    cr_expect_eq(keel_coordinator_load(other, bytes, len), KEEL_OK);
    keel_free(&bytes);
    keel_coordinator_free(&eng);
    keel_coordinator_free(&eng);
    keel_coordinator_free(&other);
    end_world(w);
}

Test(coordinator, refuses_what_does_not_belong)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    close_step(w);
    size_t len;
    uint8_t *before = snapshot_of(w->eng, &len);
    keel_bar_row row = {.universe_hash = w->universe.hash,
                        .close_ns = time_of(1),
                        .bar_ns = HOUR_NS,
                        .n = SYMBOLS,
                        .close_units = w->closes,
                        .missing = 1};
    cr_expect_eq(keel_coordinator_on_row(w->eng, &row, 2), KEEL_EORDER);
    row.close_ns = time_of(2);
    cr_expect_eq(keel_coordinator_on_row(w->eng, &row, 1), KEEL_EORDER);
    row.universe_hash++;
    cr_expect_eq(keel_coordinator_on_row(w->eng, &row, 2), KEEL_EUNKNOWN);
    const keel_position nowhere = {.instrument = SYMBOLS, .qty_units = 1};
    const keel_book book = {.book = "alpha", .positions_n = 1, .positions = &nowhere};
    keel_portfolio_state books = {
        .portfolio = "other", .universe_hash = w->universe.hash, .books_n = 1, .books = &book};
    cr_expect_eq(keel_coordinator_on_portfolio(w->eng, &books), KEEL_EUNKNOWN);
    snprintf(books.portfolio, sizeof books.portfolio, "main");
    cr_expect_eq(keel_coordinator_on_portfolio(w->eng, &books), KEEL_ERANGE);
    const keel_trading_state trading = {.portfolio = "other", .mode = KEEL_TRADING_ACTIVE};
    cr_expect_eq(keel_coordinator_on_trading(w->eng, &trading), KEEL_EUNKNOWN);
    keel_coordinator_out out;
    cr_expect_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_EORDER);
    cr_expect_eq(keel_coordinator_on_step(w->eng, 1, NULL), KEEL_EORDER);
    cr_expect_eq(keel_coordinator_on_risk_unavailable(w->eng), KEEL_ENOTFOUND);
    size_t after_len;
    uint8_t *after = snapshot_of(w->eng, &after_len);
    cr_expect(len == after_len && memcmp(before, after, len) == 0);
    keel_free(&before);
    keel_free(&after);
    end_world(w);
}

Test(coordinator, refuses_receipts_by_field_and_keeps_its_state)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    const keel_signal good = signal_of(w, "alpha", "one", "BTC", KEEL_SIDE_LONG);
    keel_signal bad[9];
    const keel_status says[] = {KEEL_EUNKNOWN,   KEEL_EINVAL,     KEEL_EINVAL,
                                KEEL_EINVAL,     KEEL_ENONFINITE, KEEL_ENONFINITE,
                                KEEL_ENONFINITE, KEEL_ERANGE,     KEEL_ERANGE};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        bad[i] = good;
    snprintf(bad[0].strategy, KEEL_NAME_MAX, "nobody");
    bad[1].signal_id[0] = '\0';
    bad[2].side = KEEL_SIDE_UNSPECIFIED;
    bad[3].side = (keel_side)9;
    bad[4].entry = NAN;
    bad[5].stop = INFINITY;
    bad[6].confidence_frac = NAN;
    bad[7].target = -1;
    bad[8].confidence_frac = 1.5;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(queue_signal(w, &bad[i]), says[i], "case %zu", i);
    keel_receipt bare = {.strategy = "alpha", .epoch_ns = EPOCH, .seq = 1};
    cr_expect_eq(keel_coordinator_on_receipt(w->eng, &bare, NULL), KEEL_EINVAL);
    bare.seq = 2;
    cr_expect_eq(keel_coordinator_on_receipt(w->eng, &bare, &good), KEEL_EINVAL);
    bare.refusal.code = KEEL_REASON_ACCEPTED;
    cr_expect_eq(keel_coordinator_on_receipt(w->eng, &bare, NULL), KEEL_EINVAL);
    cr_expect_eq(keel_coordinator_room(w->eng), KEEL_COORDINATOR_QUEUE_MAX);
    cr_assert_eq(queue_signal(w, &good), KEEL_OK);
    cr_expect_eq(queue_signal(w, &good), KEEL_EEXIST);
    cr_expect_eq(keel_coordinator_on_step(w->eng, w->step, NULL), KEEL_EREFUSED);
    cr_expect_eq(decide(w), 1);
    cr_expect_eq(queue_signal(w, &good), KEEL_EEXIST); /* never decided twice */
    close_step(w);
    end_world(w);
}

Test(coordinator, takes_no_more_than_its_queue_holds)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    for (int i = 0; i < KEEL_COORDINATOR_QUEUE_MAX; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        say(w, "alpha", id, "NONE", KEEL_SIDE_LONG);
    }
    keel_signal more = signal_of(w, "alpha", "more", "BTC", KEEL_SIDE_LONG);
    cr_expect_eq(keel_coordinator_room(w->eng), 0);
    cr_expect_eq(queue_signal(w, &more), KEEL_ENOSPC);
    keel_coordinator_out out;
    cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
    cr_expect_eq(out.decisions_n, KEEL_COORDINATOR_DECISIONS_MAX);
    cr_expect_eq(out.next, KEEL_COORDINATOR_AGAIN);
    cr_expect_eq(queue_signal(w, &more), KEEL_OK); /* the room of what was decided is used again */
    uint64_t last = out.decisions_n > 0 ? out.decisions[out.decisions_n - 1].decision_seq : 0;
    int n = out.decisions_n;
    do {
        cr_assert_eq(keel_coordinator_decide(w->eng, 1, &out), KEEL_OK);
        for (int i = 0; i < out.decisions_n; i++)
            cr_assert_eq(out.decisions[i].decision_seq, ++last);
        n += out.decisions_n;
        if (out.has_question)
            answer(w, &out.question);
    } while (out.next != KEEL_COORDINATOR_DONE);
    cr_expect_eq(n, KEEL_COORDINATOR_QUEUE_MAX + 1);
    end_world(w);
}

Test(coordinator, reports_only_what_changed)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    keel_strategy_report report;
    cr_assert(keel_coordinator_report(w->eng, &report));
    cr_expect_eq(report.strategies_n, 4);
    cr_expect_str_eq(report.strategies[0].strategy, "beta"); /* as configured */
    open_step(w);
    cr_expect_not(keel_coordinator_report(w->eng, &report));
    say(w, "alpha", "one", "BTC", KEEL_SIDE_LONG);
    cr_assert(keel_coordinator_report(w->eng, &report));
    const keel_strategy_status *s = status_of(&report, "alpha");
    cr_expect_eq(s->received, 1);
    cr_expect_eq(s->pending, 1);
    cr_expect_eq(s->decided, 0);
    decide(w);
    cr_assert(keel_coordinator_report(w->eng, &report));
    s = status_of(&report, "alpha");
    check_counts(&report);
    cr_expect_eq(s->decided, 1);
    cr_expect_eq(s->active_signals, 1);
    cr_expect_eq(s->epoch_ns, EPOCH);
    cr_expect_eq(s->seq, 1);
    cr_expect_str_eq(s->symbols[0].symbol, "BTC");
    cr_expect_eq(s->symbols[0].accepted, 1);
    cr_expect_eq(s->share_frac, 0.1);
    int64_t epoch_ns;
    uint64_t seq;
    cr_assert_eq(keel_coordinator_mark(w->eng, "alpha", &epoch_ns, &seq), KEEL_OK);
    cr_expect(epoch_ns == EPOCH && seq == 1);
    cr_expect_eq(keel_coordinator_mark(w->eng, "nobody", &epoch_ns, &seq), KEEL_EUNKNOWN);
    end_world(w);
}
