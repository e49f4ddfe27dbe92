/* desk.h - a risk engine with two strategies and four instruments, and questions to ask it.
 *
 * ROOM     tests/unit/risk. Every price is 100.00, the account has 1,000,000, each strategy's book
 *          200,000 in cash: a plain signal gets 1 % = 10,000 = 100 pieces = 100000 units.
 */
#ifndef KEEL_TESTS_UNIT_RISK_DESK_H
#define KEEL_TESTS_UNIT_RISK_DESK_H

#include "common/domain/fixed.h"
#include "services/risk/engine/check.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOUR   INT64_C(3600000000000)
#define MICROS INT64_C(1000000)

enum { DESK_N = 4, ENTRY = 10000, PIECE = 1000, PLAIN = 100 * PIECE, LISTED_MAX = 16 };

typedef struct desk_position {
    const char *book;
    int instrument;
    int64_t qty_units;
} desk_position;

typedef struct desk {
    keel_universe universe;
    keel_risk_strategy strategies[2];
    keel_risk_cfg cfg;
    keel_risk *risk;
    uint64_t step;
    double correlation[DESK_N * (DESK_N + 1) / 2];
    int rows, rows_min;    /* 720 and 30; rows 0 = no covariance is sent */
    int64_t cash[2];       /* of alpha, beta */
    int64_t equity_micros; /* account */
    int64_t closes[DESK_N];
    int positions_n;
    desk_position positions[LISTED_MAX];
    int closed_n; /* versions of alpha's book that the next step closes */
    uint64_t closed[LISTED_MAX];
    int standing_n;
    keel_standing standing[LISTED_MAX];
    uint64_t decision_seq;
    keel_risk_verdict verdict;
} desk;

static desk d;
static keel_risk_out out;

static inline double *corr_of(int i, int j)
{
    return &d.correlation[keel_packed_at(DESK_N, i > j ? i : j, i > j ? j : i)];
}

static inline void desk_set(void)
{
    memset(&d, 0, sizeof d);
    strcpy(d.universe.id, "main");
    d.universe.n = DESK_N;
    for (int i = 0; i < DESK_N; i++) {
        keel_instrument *x = &d.universe.instruments[i];
        /* symbols descend, so that their order is not that of the indices */
        snprintf(x->symbol, sizeof x->symbol, "%c-SIM", 'Z' - i);
        strcpy(x->currency, "USD");
        x->price_exp = 2;
        x->qty_exp = 3;
        x->lot_units = 10;
        x->min_notional_micros = 10 * MICROS;
        x->session = KEEL_SESSION_CONTINUOUS;
        d.closes[i] = ENTRY;
        *corr_of(i, i) = 1;
    }
    cr_assert_eq(keel_universe_seal(&d.universe, NULL), KEEL_OK);
    d.strategies[0] = (keel_risk_strategy){"beta", 1};
    d.strategies[1] = (keel_risk_strategy){"alpha", 1};
    d.cfg = (keel_risk_cfg){
        .universe = &d.universe,
        .portfolio = "main",
        .core_book = "core",
        .limits = {.max_weight = 0.5},
        .stop = {.max_drawdown = 0.05},
        .max_input_age = 4,
        .strategies_n = 2,
        .strategies = d.strategies,
        .sizing = {.base_frac = 0.01, .correlation_threshold = 0.7, .max_portfolio_risk = 1},
    };
    d.rows = 720;
    d.rows_min = 30;
    d.cash[0] = d.cash[1] = 200000 * MICROS;
    d.equity_micros = 1000000 * MICROS;
}

static inline void desk_build(void)
{
    keel_err err = {KEEL_OK, ""};
    d.risk = keel_risk_new(&d.cfg, &err);
    cr_assert_not_null(d.risk, "%s", err.text);
}

static inline int64_t desk_worth(int i, int64_t qty)
{
    int64_t micros;
    cr_assert_eq(keel_worth_micros(d.closes[i], 2, qty, 3, &micros), KEEL_OK);
    return micros;
}

static inline void desk_books(void)
{
    static const char *const names[] = {"core", "alpha", "beta"};
    static keel_position positions[3][LISTED_MAX];
    static keel_book books[3];
    const keel_input_ref ref = {"v1.portfolio.main.", d.step, 5};
    memset(books, 0, sizeof books);
    memset(positions, 0, sizeof positions);
    for (int b = 0; b < 3; b++) {
        strcpy(books[b].book, names[b]);
        books[b].cash_micros = b > 0 ? d.cash[b - 1] : 600000 * MICROS;
        books[b].equity_micros = books[b].cash_micros;
        books[b].positions = positions[b];
        for (int k = 0; k < d.positions_n; k++) {
            const desk_position *one = &d.positions[k];
            if (strcmp(one->book, names[b]) != 0)
                continue;
            const int64_t value = desk_worth(one->instrument, one->qty_units);
            positions[b][books[b].positions_n++] = (keel_position){
                .instrument = one->instrument, .qty_units = one->qty_units, .value_micros = value};
            books[b].equity_micros += value;
        }
    }
    books[1].closed_n = d.closed_n;
    books[1].closed_versions = d.closed;
    const keel_portfolio_state state = {.portfolio = "main",
                                        .universe_hash = d.universe.hash,
                                        .equity_micros = d.equity_micros,
                                        .books_n = 3,
                                        .books = books};
    cr_assert_eq(keel_risk_on_portfolio(d.risk, &state, &ref), KEEL_OK);
    d.closed_n = 0;
}

static inline void desk_open(const keel_taken_request *requests, int n)
{
    d.step++;
    cr_assert_eq(keel_risk_on_open(d.risk, d.step, requests, n), KEEL_OK);
}

static inline void desk_close(void)
{
    const keel_input_ref ref = {"v1.cov.1h.main.", d.step, 6};
    const keel_bar_row row = {.universe_hash = d.universe.hash,
                              .close_ns = (int64_t)d.step * HOUR,
                              .bar_ns = HOUR,
                              .n = DESK_N,
                              .close_units = d.closes};
    /* standard deviations of 1, 2, 3, 4 %: a correlation has to be divided out */
    double covariance[DESK_N * (DESK_N + 1) / 2];
    for (int j = 0; j < DESK_N; j++)
        for (int i = j; i < DESK_N; i++)
            covariance[keel_packed_at(DESK_N, i, j)] = *corr_of(i, j) * 1e-4 * (i + 1) * (j + 1);
    const keel_covariance estimate = {
        .universe_hash = d.universe.hash,
        .bar_ns = HOUR,
        .basis = {.estimator = KEEL_ESTIMATOR_ROLLING, .rows = d.rows, .rows_min = d.rows_min},
        .n = DESK_N,
        .covariance = covariance};
    cr_assert_eq(keel_risk_on_row(d.risk, &row), KEEL_OK);
    desk_books();
    if (d.rows > 0)
        cr_assert_eq(keel_risk_on_covariance(d.risk, &estimate, &ref), KEEL_OK);
    cr_assert_eq(keel_risk_on_step(d.risk, &out), KEEL_OK);
}

static inline void desk_step(void)
{
    desk_open(NULL, 0);
    desk_close();
}

/* Set, build and close a first step. */
static inline void desk_begin(void)
{
    desk_set();
    desk_build();
    desk_step();
}

static inline void desk_hold(const char *book, int instrument, int64_t qty)
{
    cr_assert_lt(d.positions_n, LISTED_MAX);
    d.positions[d.positions_n++] = (desk_position){book, instrument, qty};
}

/* Append to the question's list, which the caller keeps ascending. */
static inline void desk_stand(const char *book, int instrument, int64_t target, uint64_t version,
                              int64_t stop)
{
    cr_assert_lt(d.standing_n, LISTED_MAX);
    keel_standing *to = &d.standing[d.standing_n++];
    *to = (keel_standing){.instrument = instrument,
                          .target_qty_units = target,
                          .version = version,
                          .entry_units = ENTRY,
                          .stop_units = stop};
    strcpy(to->book, book);
    d.decision_seq = version > d.decision_seq ? version : d.decision_seq;
}

/* The coordinator decided: told to risk, and to the question. */
static inline void desk_decide(const char *book, int instrument, int64_t target, uint64_t version,
                               int64_t stop, int64_t valid_until_ns)
{
    keel_decision decision = {.decision_seq = version, .accepted = true, .intents_n = 1};
    decision.intents[0] = (keel_intent){.instrument = instrument,
                                        .target_qty_units = target,
                                        .version = version,
                                        .stop_units = stop,
                                        .valid_until_ns = valid_until_ns};
    strcpy(decision.intents[0].book, book);
    cr_assert_eq(keel_risk_on_decision(d.risk, &decision), KEEL_OK);
    d.decision_seq = version > d.decision_seq ? version : d.decision_seq;
}

static inline keel_risk_check check_of(const char *strategy, int instrument, keel_side side)
{
    keel_risk_check check = {
        .instrument = instrument, .side = side, .entry_units = ENTRY, .confidence_frac = 1};
    strcpy(check.strategy, strategy);
    snprintf(check.signal_id, sizeof check.signal_id, "%s-%d-%d", strategy, instrument, (int)side);
    return check;
}

static inline const keel_risk_answer *desk_ask(const keel_risk_check *checks, int n)
{
    const keel_risk_check_request request = {.portfolio = "main",
                                             .decision_seq = d.decision_seq,
                                             .checks_n = n,
                                             .checks = checks,
                                             .standing_n = d.standing_n,
                                             .standing = d.standing};
    cr_assert_eq(keel_risk_on_check(d.risk, &request, d.step, 0, 77, &d.verdict), KEEL_OK);
    cr_assert_eq(d.verdict.answers_n, n);
    return d.verdict.answers;
}

static inline const keel_risk_answer *desk_ask_one(const char *strategy, int instrument,
                                                   keel_side side)
{
    const keel_risk_check check = check_of(strategy, instrument, side);
    return desk_ask(&check, 1);
}

static inline const keel_sizing_rule *rule_of(const keel_risk_answer *answer, const char *name)
{
    for (int r = 0; r < answer->rules_n; r++)
        if (strcmp(answer->rules[r].name, name) == 0)
            return &answer->rules[r];
    cr_assert_fail("no rule %s", name);
    return NULL;
}

static inline const char *bound_of(const keel_risk_answer *answer)
{
    const char *name = "";
    int bound = 0;
    for (int r = 0; r < answer->rules_n; r++)
        if (answer->rules[r].bound) {
            name = answer->rules[r].name;
            bound++;
        }
    cr_assert(bound == (answer->rules_n > 0), "%d rules bound", bound);
    return name;
}

static inline void desk_end(void)
{
    keel_risk_free(&d.risk);
}

#endif
