/* SI02, SI04, SI05, SI26: every reason that a signal can be refused for, in the order of the
 * checks; each leaves nothing in force. */
#include "tests/unit/strategy-coordinator/fixture.h"

/* What is done to a signal, or to the world around it, that is fine otherwise: alpha goes long BTC
 * at 100 in step 10. */
typedef void (*spoil)(world *w, keel_signal *s);

static void nothing(world *w, keel_signal *s)
{
    (void)w, (void)s;
}

static void from_asleep(world *w, keel_signal *s)
{
    (void)w;
    snprintf(s->strategy, sizeof s->strategy, "asleep");
}

static void said_before(world *w, keel_signal *s)
{
    (void)w;
    snprintf(s->signal_id, sizeof s->signal_id, "first");
}

static void of_no_symbol(world *w, keel_signal *s)
{
    (void)w;
    snprintf(s->symbol, sizeof s->symbol, "DOGE");
}

static void of_tomorrow(world *w, keel_signal *s)
{
    s->row_step = w->step + 1;
}

static void too_late(world *w, keel_signal *s)
{
    s->valid_until_ns = time_of(w->step) - 1;
}

static void of_an_old_row(world *w, keel_signal *s)
{
    for (int i = 0; i < 25; i++) {
        close_step(w);
        open_step(w);
    }
    s->row_step = w->step - 25; /* 25 bars of an hour: a day is over */
}

static void without_price(world *w, keel_signal *s)
{
    (void)w;
    snprintf(s->symbol, sizeof s->symbol, "LATE");
}

static void huge_entry(world *w, keel_signal *s)
{
    (void)w;
    s->entry = 1e300;
}

static void tiny_stop(world *w, keel_signal *s)
{
    (void)w;
    s->stop = 1e-9;
}

static void entry_above(world *w, keel_signal *s)
{
    (void)w;
    s->entry = 105.0001;
}

static void entry_below(world *w, keel_signal *s)
{
    (void)w;
    s->entry = 94.9999;
}

static void stop_above(world *w, keel_signal *s)
{
    (void)w;
    s->stop = 101;
}

static void stop_at_entry(world *w, keel_signal *s)
{
    (void)w;
    s->entry = s->stop = 99;
}

static void short_stop_below(world *w, keel_signal *s)
{
    (void)w;
    s->side = KEEL_SIDE_SHORT;
    s->stop = 99;
}

static void target_below(world *w, keel_signal *s)
{
    (void)w;
    s->target = 99;
}

static void target_at_entry(world *w, keel_signal *s)
{
    (void)w;
    s->target = 100;
}

static void short_target_above(world *w, keel_signal *s)
{
    (void)w;
    s->side = KEEL_SIDE_SHORT;
    s->target = 101;
}

static void halted(world *w, keel_signal *s)
{
    tell_mode(w, KEEL_TRADING_HALTED, 0);
    s->side = KEEL_SIDE_FLAT;
}

static void reducing(world *w, keel_signal *s)
{
    (void)s;
    tell_mode(w, KEEL_TRADING_REDUCING, 0);
}

static void without_risk(world *w, keel_signal *s)
{
    (void)s;
    keel_coordinator_on_deadman(w->eng, KEEL_TRADING_REDUCING);
}

static void scoped(world *w, const char *strategy, const char *asset)
{
    keel_scoped_mode of_strategy = {.mode = KEEL_TRADING_HALTED}, of_asset = of_strategy;
    snprintf(of_strategy.name, sizeof of_strategy.name, "%s", strategy);
    snprintf(of_asset.name, sizeof of_asset.name, "%s", asset);
    const keel_trading_state trading = {.portfolio = "main",
                                        .mode = KEEL_TRADING_ACTIVE,
                                        .strategies_n = 1,
                                        .strategies = &of_strategy,
                                        .assets_n = 1,
                                        .assets = &of_asset};
    cr_assert_eq(keel_coordinator_on_trading(w->eng, &trading), KEEL_OK);
}

static void strategy_halted(world *w, keel_signal *s)
{
    (void)s;
    scoped(w, "alpha", "ETH");
}

static void asset_halted(world *w, keel_signal *s)
{
    (void)s;
    scoped(w, "beta", "BTC");
}

static void against_beta(world *w, keel_signal *s)
{
    (void)w;
    snprintf(s->symbol, sizeof s->symbol, "ETH"); /* beta is short there */
}

static void unheard(world *w, keel_signal *s)
{
    (void)s;
    w->risk_is_away = true;
}

static const struct {
    const char *name;
    spoil spoil;
    keel_reason_code code;
    const char *says; /* a part of the sentence */
} cases[] = {
    {"fine", nothing, KEEL_REASON_ACCEPTED, ""},
    {"inactive", from_asleep, KEEL_REASON_STRATEGY_INACTIVE, "asleep"},
    {"twice", said_before, KEEL_REASON_DUPLICATE, "first"},
    {"no symbol", of_no_symbol, KEEL_REASON_UNKNOWN_SYMBOL, "DOGE"},
    {"future", of_tomorrow, KEEL_REASON_FROM_THE_FUTURE, "row_step 11 is after step 10"},
    {"expired", too_late, KEEL_REASON_EXPIRED, "valid until"},
    {"old row", of_an_old_row, KEEL_REASON_EXPIRED, "3600 s before"},
    {"no price", without_price, KEEL_REASON_WARMING_UP, "LATE"},
    {"huge entry", huge_entry, KEEL_REASON_MALFORMED, "entry 1e+300 is too large"},
    {"tiny stop", tiny_stop, KEEL_REASON_MALFORMED, "stop 1e-09 is below the price unit"},
    {"entry above", entry_above, KEEL_REASON_ENTRY_TOO_FAR, "entry 105.0001"},
    {"entry below", entry_below, KEEL_REASON_ENTRY_TOO_FAR, "last close 100"},
    {"stop above", stop_above, KEEL_REASON_STOP_WRONG_SIDE, "stop 101 of a long signal"},
    {"stop at entry", stop_at_entry, KEEL_REASON_STOP_WRONG_SIDE, "not below its entry 99"},
    {"short's stop", short_stop_below, KEEL_REASON_STOP_WRONG_SIDE, "not above its entry"},
    {"target below", target_below, KEEL_REASON_TARGET_WRONG_SIDE, "target 99 of a long signal"},
    {"target at entry", target_at_entry, KEEL_REASON_TARGET_WRONG_SIDE, "not above"},
    {"short's target", short_target_above, KEEL_REASON_TARGET_WRONG_SIDE, "not below"},
    {"halted", halted, KEEL_REASON_NOT_TRADING, "portfolio main is HALTED"},
    {"reducing", reducing, KEEL_REASON_NOT_TRADING, "only flat"},
    {"dead man", without_risk, KEEL_REASON_NOT_TRADING, "without a sign of risk"},
    {"strategy halted", strategy_halted, KEEL_REASON_NOT_TRADING, "strategy alpha is HALTED"},
    {"asset halted", asset_halted, KEEL_REASON_NOT_TRADING, "asset BTC is HALTED"},
    {"conflict", against_beta, KEEL_REASON_CONFLICT, "strategy beta is short in ETH since"},
    {"risk away", unheard, KEEL_REASON_REFUSED_RISK_UNAVAILABLE, "did not answer"},
};

/* Step 10: beta is short ETH, and alpha has said "first" of an unknown symbol. */
static world *prepare(keel_signal *s)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    for (int i = 0; i < 9; i++) {
        open_step(w);
        close_step(w);
    }
    open_step(w);
    say(w, "beta", "b1", "ETH", KEEL_SIDE_SHORT);
    say(w, "alpha", "first", "NONE", KEEL_SIDE_LONG);
    cr_assert_eq(decide(w), 2);
    *s = signal_of(w, "alpha", "new", "BTC", KEEL_SIDE_LONG);
    return w;
}

Test(dispositions, names_the_reason_and_leaves_nothing_in_force)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        keel_signal s;
        world *w = prepare(&s);
        cases[i].spoil(w, &s);
        const bool is_accepted = cases[i].code == KEEL_REASON_ACCEPTED;
        const keel_decision *d = decide_one(w, &s);
        cr_expect_eq(d->reason.code, cases[i].code, "%s: %s", cases[i].name,
                     keel_reason_name(d->reason.code));
        cr_expect_not_null(strstr(d->reason.text, cases[i].says), "%s: '%s'", cases[i].name,
                           d->reason.text);
        cr_expect_eq(d->accepted, is_accepted, "%s", cases[i].name);
        cr_expect_eq(d->intents_n, is_accepted, "%s", cases[i].name);
        cr_expect_eq(d->route, is_accepted ? KEEL_ROUTE_MARKET_NEXT_ROW : KEEL_ROUTE_NONE);
        cr_expect_eq(d->decision_seq, 3);
        cr_expect_eq(d->policy, KEEL_CONFLICT_FIRST_IN_FIRST_OUT);
        cr_expect_eq(d->duplicate_of, d->reason.code == KEEL_REASON_DUPLICATE ? 2 : 0);
        keel_strategy_report report;
        cr_assert(keel_coordinator_report(w->eng, &report));
        check_counts(&report);
        const uint64_t before = cases[i].code == KEEL_REASON_UNKNOWN_SYMBOL; /* "first" */
        cr_expect_eq(count_of(status_of(&report, s.strategy), cases[i].code), before + 1, "%s",
                     cases[i].name);
        cr_expect_eq(view_of(w).standing, 1u + is_accepted, "%s", cases[i].name);
        end_world(w);
    }
}

static const keel_reason_code of_risk[] = {
    KEEL_REASON_MAX_POSITIONS,      KEEL_REASON_BUDGET_EXHAUSTED, KEEL_REASON_FREE_CASH,
    KEEL_REASON_BELOW_LOT,          KEEL_REASON_RISK_LIMIT,       KEEL_REASON_CORRELATION_LIMIT,
    KEEL_REASON_BELOW_MIN_NOTIONAL, KEEL_REASON_NOT_TRADING,      KEEL_REASON_INPUT_HASH_MISMATCH,
};

Test(dispositions, passes_on_what_risk_refuses)
{
    for (size_t i = 0; i < sizeof of_risk / sizeof of_risk[0]; i++) {
        keel_signal s;
        world *w = prepare(&s);
        w->risk_says = of_risk[i];
        const keel_decision *d = decide_one(w, &s);
        cr_expect_eq(d->reason.code, of_risk[i]);
        cr_expect_eq(d->sizing_n, 1); /* the rules that risk looked at */
        cr_expect_str_eq(d->sizing[0].name, "budget");
        cr_expect_eq(view_of(w).standing, 1);
        end_world(w);
    }
}

/* Each case breaks one more check, from the last to the first: the earlier one is named. */
Test(dispositions, takes_the_first_check_that_fails)
{
    static const spoil spoils[] = {against_beta, halted,     target_below, stop_above,
                                   entry_above,  too_late,   of_tomorrow,  of_no_symbol,
                                   said_before,  from_asleep};
    static const keel_reason_code codes[] = {
        KEEL_REASON_CONFLICT,          KEEL_REASON_NOT_TRADING,    KEEL_REASON_TARGET_WRONG_SIDE,
        KEEL_REASON_STOP_WRONG_SIDE,   KEEL_REASON_ENTRY_TOO_FAR,  KEEL_REASON_EXPIRED,
        KEEL_REASON_FROM_THE_FUTURE,   KEEL_REASON_UNKNOWN_SYMBOL, KEEL_REASON_DUPLICATE,
        KEEL_REASON_STRATEGY_INACTIVE,
    };
    for (size_t n = 1; n <= sizeof spoils / sizeof spoils[0]; n++) {
        keel_signal s;
        world *w = prepare(&s);
        for (size_t i = 0; i < n; i++)
            spoils[i](w, &s);
        s.side = KEEL_SIDE_LONG; /* halted asked for a flat */
        if (s.strategy[0] == 'a' && s.strategy[1] == 's')
            snprintf(s.signal_id, sizeof s.signal_id, "of asleep");
        cr_expect_eq(decide_one(w, &s)->reason.code, codes[n - 1], "%zu: %s", n,
                     keel_reason_name(w->made[0].reason.code));
        end_world(w);
    }
}

Test(dispositions, decides_about_bytes_that_could_not_be_read)
{
    world *w = make_world(KEEL_CONFLICT_UNSPECIFIED);
    open_step(w);
    keel_receipt receipt = {.strategy = "alpha", .epoch_ns = EPOCH, .seq = 1};
    keel_reason_set(&receipt.refusal, KEEL_REASON_NONFINITE, "stop: is not a finite number");
    cr_assert_eq(keel_coordinator_on_receipt(w->eng, &receipt, NULL), KEEL_OK);
    receipt.seq = 2; /* a signal that was read, though its frame named another place */
    keel_signal s = signal_of(w, "gamma", "named", "BTC", KEEL_SIDE_LONG);
    memset(receipt.refusal.text, 'x', sizeof receipt.refusal.text - 1);
    memcpy(receipt.refusal.text + 94, "\xc3\xa9", 2); /* cut through, were it cut by bytes */
    receipt.refusal.code = KEEL_REASON_MALFORMED;
    cr_assert_eq(keel_coordinator_on_receipt(w->eng, &receipt, &s), KEEL_OK);
    cr_assert_eq(decide(w), 2);
    cr_expect_eq(w->made[0].reason.code, KEEL_REASON_NONFINITE);
    cr_expect_str_eq(w->made[0].reason.text, "stop: is not a finite number");
    cr_expect_str_eq(w->made[0].signal_id, "");
    cr_expect_str_eq(w->made[0].symbol, "");
    cr_expect_eq(w->made[0].side, KEEL_SIDE_UNSPECIFIED);
    cr_expect_eq(w->made[0].priority, KEEL_PRIORITY_UNSPECIFIED);
    cr_expect_eq(w->made[1].reason.code, KEEL_REASON_MALFORMED);
    cr_expect_eq(strlen(w->made[1].reason.text), 94);
    cr_expect_str_eq(w->made[1].signal_id, "named");
    cr_expect_str_eq(w->made[1].symbol, "BTC");
    const keel_signal again = {.strategy = "alpha",
                               .signal_id = "named",
                               .seq = 3,
                               .epoch_ns = EPOCH,
                               .symbol = "BTC",
                               .side = KEEL_SIDE_LONG};
    cr_expect_eq(decide_one(w, &again)->reason.code, KEEL_REASON_DUPLICATE);
    cr_expect_eq(w->made[0].duplicate_of, 2);
    end_world(w);
}

Test(dispositions, gives_an_accepted_signal_all_that_execution_needs)
{
    keel_signal s;
    world *w = prepare(&s);
    s.entry = 101;
    s.stop = 95.5;
    s.target = 120.25;
    s.valid_until_ns = time_of(20);
    const keel_decision *d = decide_one(w, &s);
    cr_assert(d->accepted);
    const keel_intent *intent = &d->intents[0];
    cr_expect_str_eq(intent->book, "alpha");
    cr_expect_eq(intent->instrument, 0);
    cr_expect_eq(intent->target_qty_units, 10);
    cr_expect_eq(intent->version, d->decision_seq);
    cr_expect_eq(intent->stop_units, 955000);
    cr_expect_eq(intent->target_units, 1202500);
    cr_expect_eq(intent->valid_until_ns, time_of(20));
    cr_expect_str_eq(d->strategy, "alpha");
    cr_expect_str_eq(d->signal_id, "new");
    cr_expect_str_eq(d->symbol, "BTC");
    cr_expect_eq(d->seq, s.seq);
    cr_expect_eq(d->side, KEEL_SIDE_LONG);
    cr_expect_eq(d->priority, KEEL_PRIORITY_MEDIUM); /* SI14 */
    cr_expect_neq(d->priority_reason.text[0], '\0');
    cr_assert_eq(d->sizing_n, 2); /* risk's rule, and the price it refers to */
    cr_expect_str_eq(d->sizing[1].name, "entry");
    cr_expect_eq(d->sizing[1].value, 101.0);
    end_world(w);
}

Test(dispositions, allows_what_lies_on_the_edge)
{
    static const double entries[] = {105, 95, 0};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        keel_signal s;
        world *w = prepare(&s);
        s.entry = entries[i]; /* exactly 5 %, and the last close itself */
        s.row_step = w->step;
        s.valid_until_ns = time_of(w->step);
        s.confidence_frac = 0.25;
        cr_expect(decide_one(w, &s)->accepted, "%g: %s", entries[i], w->made[0].reason.text);
        cr_expect_eq(w->made[0].priority, KEEL_PRIORITY_LOW);
        end_world(w);
    }
}

Test(dispositions, takes_a_flat_whatever_its_prices_are)
{
    keel_signal s;
    world *w = prepare(&s);
    tell_mode(w, KEEL_TRADING_REDUCING, 0);
    s.side = KEEL_SIDE_FLAT;
    s.entry = 1e9;
    s.stop = 500;
    s.target = 1;
    const keel_decision *d = decide_one(w, &s);
    cr_assert(d->accepted, "%s", d->reason.text);
    cr_expect_eq(d->intents[0].target_qty_units, 0);
    cr_expect_eq(d->intents[0].stop_units, 0);
    cr_expect_eq(d->intents[0].target_units, 0);
    s = signal_of(w, "alpha", "flat of nothing", "DOGE", KEEL_SIDE_FLAT);
    cr_expect_eq(decide_one(w, &s)->reason.code, KEEL_REASON_UNKNOWN_SYMBOL);
    end_world(w);
}

Test(dispositions, holds_the_stricter_of_the_dead_man_and_the_trading_state)
{
    keel_signal s;
    world *w = prepare(&s);
    s.side = KEEL_SIDE_FLAT;
    tell_mode(w, KEEL_TRADING_REDUCING, 0);
    keel_coordinator_on_deadman(w->eng, (keel_trading_mode)0); /* unknown counts as HALTED */
    cr_expect_eq(decide_one(w, &s)->reason.code, KEEL_REASON_NOT_TRADING);
    keel_coordinator_on_deadman(w->eng, KEEL_TRADING_ACTIVE);
    s = signal_of(w, "alpha", "another", "BTC", KEEL_SIDE_FLAT);
    cr_expect(decide_one(w, &s)->accepted);
    end_world(w);
}

Test(dispositions, counts_validity_from_the_row_a_signal_was_derived_from)
{
    keel_signal s;
    world *w = prepare(&s);
    s.row_step = 4;
    cr_assert(decide_one(w, &s)->accepted);
    cr_expect_eq(w->made[0].intents[0].valid_until_ns, time_of(4) + KEEL_COORDINATOR_VALIDITY_NS);
    end_world(w);
}
