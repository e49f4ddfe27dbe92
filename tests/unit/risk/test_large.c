/* P2: as much as may be configured: 512 instruments, as many intents as a question may list. The
 * snapshot still fits a message, and a full question is answered. */
#include "common/base/mem.h"
#include "common/wire/wire.h"
#include "services/risk/engine/check.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { N = KEEL_UNIVERSE_MAX, BOOKS = KEEL_STANDING_MAX / N + 1, PRICE = 10000 };

#define HOUR   INT64_C(3600000000000)
#define MICROS INT64_C(1000000)

static keel_universe universe;
static keel_risk_strategy strategies[BOOKS];
static int64_t closes[N];
static keel_risk_out out;

static keel_risk *make(void)
{
    snprintf(universe.id, sizeof universe.id, "main");
    universe.n = N;
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &universe.instruments[i];
        snprintf(x->symbol, sizeof x->symbol, "A%03d", i);
        strcpy(x->currency, "USD");
        x->price_exp = 2;
        x->qty_exp = 3;
        x->lot_units = 1;
        x->session = KEEL_SESSION_CONTINUOUS;
        closes[i] = PRICE;
    }
    cr_assert_eq(keel_universe_seal(&universe, NULL), KEEL_OK);
    for (int b = 0; b < BOOKS; b++) {
        snprintf(strategies[b].name, sizeof strategies[b].name, "s%02d", b);
        strategies[b].max_gross = 1;
    }
    const keel_risk_cfg cfg = {
        .universe = &universe,
        .portfolio = "main",
        .core_book = "core",
        .limits = {.max_weight = 0.5},
        .stop = {.max_drawdown = 0.05},
        .max_input_age = 4,
        .strategies_n = BOOKS,
        .strategies = strategies,
        .sizing = {.base_frac = 0.001, .correlation_threshold = 0.7, .max_portfolio_risk = 1}};
    keel_err err = {KEEL_OK, ""};
    keel_risk *risk = keel_risk_new(&cfg, &err);
    cr_assert_not_null(risk, "%s", err.text);
    return risk;
}

static void step(keel_risk *risk, uint64_t k)
{
    static double packed[N * (N + 1) / 2];
    static keel_book books[BOOKS];
    const keel_input_ref cov = {"v1.cov.1h.main.", k, 1}, ref = {"v1.portfolio.main.", k, 2};
    const keel_bar_row row = {universe.hash, (int64_t)k * HOUR, HOUR, N, closes};
    for (int i = 0; i < N; i++)
        packed[keel_packed_at(N, i, i)] = 1e-4;
    for (int b = 0; b < BOOKS; b++) {
        memcpy(books[b].book, strategies[b].name, sizeof books[b].book);
        books[b].cash_micros = books[b].equity_micros = 1000000 * MICROS;
    }
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = universe.hash,
                                        .equity_micros = BOOKS * 1000000 * MICROS,
                                        .books_n = BOOKS,
                                        .books = books};
    const keel_covariance covariance = {
        .universe_hash = universe.hash, .bar_ns = HOUR, .n = N, .covariance = packed};
    cr_assert_eq(keel_risk_on_open(risk, k, NULL, 0), KEEL_OK);
    cr_assert_eq(keel_risk_on_row(risk, &row), KEEL_OK);
    cr_assert_eq(keel_risk_on_portfolio(risk, &state, &ref), KEEL_OK);
    cr_assert_eq(keel_risk_on_covariance(risk, &covariance, &cov), KEEL_OK);
    cr_assert_eq(keel_risk_on_step(risk, &out), KEEL_OK);
}

/* The k-th place of (book, instrument), ascending. */
static keel_decision decision_of(int k)
{
    keel_decision decision = {.decision_seq = 1 + (uint64_t)k, .accepted = true, .intents_n = 1};
    decision.intents[0] = (keel_intent){.instrument = k % N,
                                        .target_qty_units = k % 2 == 0 ? 1 : -1,
                                        .version = decision.decision_seq,
                                        .stop_units = k % 2 == 0 ? PRICE - 1 : PRICE + 1};
    memcpy(decision.intents[0].book, strategies[k / N].name, KEEL_NAME_MAX);
    return decision;
}

Test(large, a_full_table_refuses_one_more_and_fits_a_snapshot)
{
    static keel_standing standing[KEEL_STANDING_MAX];
    static keel_risk_check checks[KEEL_CHECKS_MAX];
    static uint8_t bytes[KEEL_PAYLOAD_BYTES_MAX];
    size_t len = 0;
    keel_risk *risk = make();
    for (uint64_t k = 1; k <= 9; k++)
        step(risk, k);
    for (int k = 0; k < KEEL_STANDING_MAX; k++) {
        const keel_decision decision = decision_of(k);
        const keel_intent *intent = &decision.intents[0];
        cr_assert_eq(keel_risk_on_decision(risk, &decision), KEEL_OK);
        standing[k] = (keel_standing){.instrument = intent->instrument,
                                      .target_qty_units = intent->target_qty_units,
                                      .version = intent->version,
                                      .entry_units = PRICE,
                                      .stop_units = intent->stop_units};
        memcpy(standing[k].book, intent->book, sizeof standing[k].book);
    }
    keel_decision more = decision_of(KEEL_STANDING_MAX);
    cr_expect_eq(keel_risk_on_decision(risk, &more), KEEL_ENOSPC);
    cr_assert_eq(keel_risk_save(risk, bytes, sizeof bytes, &len), KEEL_OK);
    cr_expect_lt(len, (size_t)6 << 20, "%zu bytes", len);
    keel_risk *other = make();
    cr_assert_eq(keel_risk_load(other, bytes, len), KEEL_OK);
    more = decision_of(0); /* a replacement needs no place */
    more.decision_seq = more.intents[0].version = KEEL_STANDING_MAX + 1;
    cr_assert_eq(keel_risk_on_decision(other, &more), KEEL_OK);
    standing[0].version = more.decision_seq;

    for (int k = 0; k < KEEL_CHECKS_MAX; k++) {
        checks[k] = (keel_risk_check){.instrument = k,
                                      .side = KEEL_SIDE_LONG,
                                      .entry_units = PRICE,
                                      .stop_units = PRICE - 100,
                                      .confidence_frac = 1};
        memcpy(checks[k].strategy, strategies[k % BOOKS].name, KEEL_NAME_MAX);
        snprintf(checks[k].signal_id, sizeof checks[k].signal_id, "%d", k);
    }
    const keel_risk_check_request request = {"main", KEEL_STANDING_MAX + 1, KEEL_CHECKS_MAX,
                                             checks, KEEL_STANDING_MAX,     standing};
    keel_risk_verdict verdict;
    cr_assert_eq(keel_wire_put_risk_check_request(&request, bytes, sizeof bytes, &len), KEEL_OK);
    cr_assert_eq(keel_risk_on_check(other, &request, 9, 0, 1, &verdict), KEEL_OK);
    for (int k = 0; k < KEEL_CHECKS_MAX; k++)
        cr_expect(verdict.answers[k].accepted, "%d: %s", k, verdict.answers[k].reason.text);
    cr_expect_eq(keel_wire_put_risk_verdict(&verdict, bytes, sizeof bytes, &len), KEEL_OK);
    standing[KEEL_STANDING_MAX - 1].version--;
    cr_assert_eq(keel_risk_on_check(other, &request, 9, 0, 1, &verdict), KEEL_OK);
    cr_expect_eq(verdict.answers[0].reason.code, KEEL_REASON_INPUT_HASH_MISMATCH);
    keel_risk_free(&risk);
    keel_risk_free(&other);
}
