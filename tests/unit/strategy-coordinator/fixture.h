/* fixture.h - a coordinator, a market of four symbols, books and a risk that can be told what to
 * say.
 *
 * ROOM     tests/unit/strategy-coordinator. Strategies: alpha, beta, gamma; asleep is not active.
 *          Prices have four decimals; every symbol but "LATE" has a close of 100.
 */
#ifndef KEEL_TESTS_UNIT_STRATEGY_COORDINATOR_FIXTURE_H
#define KEEL_TESTS_UNIT_STRATEGY_COORDINATOR_FIXTURE_H

#include "common/base/mem.h"
#include "services/strategy-coordinator/engine/coordinator.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { SYMBOLS = 4, MADE_MAX = 2048, PRICE_UNITS = 1000000, LATE = 3 };
#define HOUR_NS (INT64_C(3600) * 1000000000)
#define EPOCH   INT64_C(1000)

typedef struct world {
    keel_universe universe;
    keel_coordinator_strategy strategies[4];
    keel_coordinator *eng;
    int64_t closes[SYMBOLS];
    uint64_t step;
    uint64_t seqs[4]; /* of the client of each strategy */
    bool risk_is_away;
    keel_reason_code risk_says; /* UNSPECIFIED: accepts */
    int questions;
    int checks_max;
    keel_decision made[MADE_MAX];
    int made_n;
} world;

static inline keel_coordinator *make_engine(const world *w, keel_conflict_policy policy)
{
    const keel_coordinator_cfg cfg = {.universe = &w->universe,
                                      .portfolio = "main",
                                      .strategies_n = 4,
                                      .strategies = w->strategies,
                                      .conflict = policy};
    keel_coordinator *eng = keel_coordinator_new(&cfg, NULL);
    cr_assert_not_null(eng);
    return eng;
}

static inline world *make_world(keel_conflict_policy policy)
{
    static const char *const symbols[SYMBOLS] = {"BTC", "ETH", "AAA", "LATE"};
    static const char *const names[] = {"beta", "alpha", "gamma", "asleep"};
    world *w = keel_xcalloc(1, sizeof *w);
    snprintf(w->universe.id, sizeof w->universe.id, "main");
    w->universe.n = SYMBOLS;
    for (int i = 0; i < SYMBOLS; i++) {
        keel_instrument *it = &w->universe.instruments[i];
        snprintf(it->symbol, sizeof it->symbol, "%s", symbols[i]);
        snprintf(it->currency, sizeof it->currency, "USD");
        it->price_exp = 4;
        it->qty_exp = 0;
        it->lot_units = 1;
        it->session = KEEL_SESSION_CONTINUOUS;
        w->closes[i] = i == LATE ? 0 : PRICE_UNITS;
    }
    cr_assert_eq(keel_universe_seal(&w->universe, NULL), KEEL_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(w->strategies[i].name, KEEL_NAME_MAX, "%s", names[i]);
        w->strategies[i].active = i < 3;
        w->strategies[i].lockstep = true;
        w->strategies[i].share_frac = 0.1;
    }
    w->eng = make_engine(w, policy);
    return w;
}

static inline void end_world(world *w)
{
    keel_coordinator_free(&w->eng);
    keel_free(&w);
}

static inline int64_t time_of(uint64_t step)
{
    return (int64_t)step * HOUR_NS;
}

static inline void tell_row(world *w)
{
    w->step++;
    const keel_bar_row row = {.universe_hash = w->universe.hash,
                              .close_ns = time_of(w->step),
                              .bar_ns = HOUR_NS,
                              .n = SYMBOLS,
                              .close_units = w->closes,
                              .missing = w->closes[LATE] == 0};
    cr_assert_eq(keel_coordinator_on_row(w->eng, &row, w->step), KEEL_OK);
}

static inline void tell_mode(world *w, keel_trading_mode mode, uint32_t stops)
{
    const keel_trading_state trading = {.portfolio = "main", .mode = mode, .stops = stops};
    cr_assert_eq(keel_coordinator_on_trading(w->eng, &trading), KEEL_OK);
}

/* What the book of one strategy holds of one symbol, and which versions it closed. */
static inline void tell_book(world *w, const char *book, int instrument, int64_t qty,
                             const uint64_t *closed, int closed_n)
{
    const keel_position position = {.instrument = instrument, .qty_units = qty};
    keel_book one = {.positions_n = qty != 0,
                     .positions = &position,
                     .closed_n = closed_n,
                     .closed_versions = closed};
    snprintf(one.book, sizeof one.book, "%s", book);
    const keel_portfolio_state state = {
        .portfolio = "main", .universe_hash = w->universe.hash, .books_n = 1, .books = &one};
    cr_assert_eq(keel_coordinator_on_portfolio(w->eng, &state), KEEL_OK);
}

/* A row, and all that may trade. */
static inline void open_step(world *w)
{
    tell_row(w);
    tell_mode(w, KEEL_TRADING_ACTIVE, 0);
}

static inline void close_step(world *w)
{
    cr_assert_eq(keel_coordinator_on_step(w->eng, w->step, NULL), KEEL_OK);
}

static inline int number_of(const world *w, const char *strategy)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(w->strategies[i].name, strategy) == 0)
            return i;
    cr_assert_fail("no strategy %s", strategy);
    return -1;
}

static inline keel_signal signal_of(world *w, const char *strategy, const char *id,
                                    const char *symbol, keel_side side)
{
    keel_signal s = {.seq = ++w->seqs[number_of(w, strategy)],
                     .epoch_ns = EPOCH,
                     .side = side,
                     .confidence_frac = 0.75};
    snprintf(s.strategy, sizeof s.strategy, "%s", strategy);
    snprintf(s.signal_id, sizeof s.signal_id, "%s", id);
    snprintf(s.symbol, sizeof s.symbol, "%s", symbol);
    return s;
}

static inline keel_status queue_signal(world *w, const keel_signal *s)
{
    keel_receipt receipt = {.epoch_ns = s->epoch_ns, .seq = s->seq, .step = w->step};
    memcpy(receipt.strategy, s->strategy, sizeof receipt.strategy);
    return keel_coordinator_on_receipt(w->eng, &receipt, s);
}

static inline void say(world *w, const char *strategy, const char *id, const char *symbol,
                       keel_side side)
{
    const keel_signal s = signal_of(w, strategy, id, symbol, side);
    cr_assert_eq(queue_signal(w, &s), KEEL_OK);
}

static inline int64_t size_of(keel_side side)
{
    return side == KEEL_SIDE_LONG ? 10 : side == KEEL_SIDE_SHORT ? -10 : 0;
}

static inline void answer(world *w, const keel_risk_check_request *question)
{
    static keel_risk_answer answers[KEEL_CHECKS_MAX];
    keel_risk_verdict verdict = {
        .portfolio = "main", .answers_n = question->checks_n, .answers = answers};
    w->questions++;
    if (question->checks_n > w->checks_max)
        w->checks_max = question->checks_n;
    if (w->risk_is_away) {
        cr_assert_eq(keel_coordinator_on_risk_unavailable(w->eng), KEEL_OK);
        return;
    }
    memset(answers, 0, (size_t)question->checks_n * sizeof *answers);
    for (int i = 0; i < question->checks_n; i++) {
        memcpy(answers[i].signal_id, question->checks[i].signal_id, sizeof answers[i].signal_id);
        answers[i].accepted = w->risk_says == KEEL_REASON_UNSPECIFIED;
        answers[i].reason.code = answers[i].accepted ? KEEL_REASON_ACCEPTED : w->risk_says;
        answers[i].qty_units = answers[i].accepted ? size_of(question->checks[i].side) : 0;
        answers[i].rules_n = 1;
        answers[i].rules[0] = (keel_sizing_rule){
            .code = KEEL_REASON_BUDGET_EXHAUSTED, .name = "budget", .value = 0.01, .qty_units = 10};
    }
    cr_assert_eq(keel_coordinator_on_verdict(w->eng, &verdict), KEEL_OK);
}

/* Until the queue is empty; decisions are kept in w->made. */
static inline int decide(world *w)
{
    keel_coordinator_out out;
    w->made_n = 0;
    do {
        cr_assert_eq(keel_coordinator_decide(w->eng, w->step, &out), KEEL_OK);
        cr_assert(w->made_n + out.decisions_n <= MADE_MAX);
        memcpy(w->made + w->made_n, out.decisions, (size_t)out.decisions_n * sizeof *w->made);
        w->made_n += out.decisions_n;
        if (out.has_question)
            answer(w, &out.question);
    } while (out.next != KEEL_COORDINATOR_DONE);
    return w->made_n;
}

/* One signal, decided. */
static inline const keel_decision *decide_one(world *w, const keel_signal *s)
{
    cr_assert_eq(queue_signal(w, s), KEEL_OK);
    cr_assert_eq(decide(w), 1);
    return &w->made[0];
}

static inline keel_coordinator_view view_of(world *w)
{
    keel_coordinator_view view;
    cr_assert_eq(keel_coordinator_on_step(w->eng, w->step, &view), KEEL_OK);
    return view;
}

static inline const keel_strategy_status *status_of(const keel_strategy_report *report,
                                                    const char *strategy)
{
    for (int i = 0; i < report->strategies_n; i++)
        if (strcmp(report->strategies[i].strategy, strategy) == 0)
            return &report->strategies[i];
    cr_assert_fail("no status of %s", strategy);
    return NULL;
}

static inline uint64_t count_of(const keel_strategy_status *status, keel_reason_code code)
{
    for (int i = 0; i < status->dispositions_n; i++)
        if (status->dispositions[i].code == code)
            return status->dispositions[i].count;
    return 0;
}

/* Every received signal is in exactly one count, by reason and by symbol. */
static inline void check_counts(const keel_strategy_report *report)
{
    uint64_t all = 0;
    for (int i = 0; i < report->strategies_n; i++) {
        const keel_strategy_status *s = &report->strategies[i];
        uint64_t by_reason = 0, by_symbol = 0, accepted = 0, executed = 0;
        for (int k = 0; k < s->dispositions_n; k++) {
            by_reason += s->dispositions[k].count;
            cr_assert(k == 0 || s->dispositions[k - 1].code < s->dispositions[k].code);
        }
        for (int k = 0; k < s->symbols_n; k++) {
            by_symbol += s->symbols[k].decided;
            accepted += s->symbols[k].accepted;
            executed += s->symbols[k].executed;
            cr_assert(k == 0 || strcmp(s->symbols[k - 1].symbol, s->symbols[k].symbol) < 0);
        }
        cr_assert_eq(by_reason, s->decided);
        cr_assert_eq(by_symbol, s->decided);
        cr_assert_eq(s->received, s->decided + s->pending);
        cr_assert_eq(accepted, count_of(s, KEEL_REASON_ACCEPTED));
        cr_assert_eq(executed, s->executed);
        cr_assert_leq(executed, accepted);
        all += s->decided;
    }
    cr_assert_eq(all, report->decision_seq);
}

/* The snapshot, owned. */
static inline uint8_t *snapshot_of(const keel_coordinator *eng, size_t *len)
{
    (void)!keel_coordinator_save(eng, NULL, 0, len);
    uint8_t *bytes = keel_xcalloc(*len, 1);
    cr_assert_eq(keel_coordinator_save(eng, bytes, *len, len), KEEL_OK);
    return bytes;
}

static inline bool same_state(const keel_coordinator *a, const keel_coordinator *b)
{
    size_t n = 0, m = 0;
    uint8_t *one = snapshot_of(a, &n), *two = snapshot_of(b, &m);
    const bool same = n == m && memcmp(one, two, n) == 0;
    keel_free(&one);
    keel_free(&two);
    return same;
}

#endif
