/* driver.h - runs the risk engine step by step on a solved problem.
 *
 * ROOM     tests/unit/risk.
 */
#ifndef KEEL_TESTS_UNIT_RISK_DRIVER_H
#define KEEL_TESTS_UNIT_RISK_DRIVER_H

#include "services/risk/engine/risk.h"
#include "tests/unit/risk/fixture.h"

#define HOUR   INT64_C(3600000000000)
#define MICROS INT64_C(1000000)

static problem p;
static keel_risk_out out;
static const keel_book_share books[] = {{"core", 0.5}, {"momentum", 0.2}};
static const keel_risk_strategy strategies[] = {{"momentum", 1}};

static inline keel_risk_cfg cfg_of(void)
{
    return (keel_risk_cfg){
        .universe = &p.universe,
        .portfolio = "main",
        .core_book = "core",
        .books_n = 2,
        .books = books,
        .limits = p.limits,
        .stop = {.max_drawdown = 0.05, .re_arm_ns = 3 * HOUR},
        .box_frac = 0.02,
        .max_input_age = 2,
        .strategies_n = 1,
        .strategies = strategies,
        .sizing = {.base_frac = 0.01,
                   .correlation_threshold = 0.7,
                   .max_portfolio_risk = 0.02,
                   .max_positions = 5},
    };
}

static inline keel_risk *make(void)
{
    uint64_t seed = 1;
    do
        make_problem(&p, 12, seed++);
    while (find_pin(&p, -1) < 0 || find_pin(&p, 0) < 0 || find_pin(&p, 1) < 0);
    const keel_risk_cfg cfg = cfg_of();
    keel_err err = {KEEL_OK, ""};
    keel_risk *risk = keel_risk_new(&cfg, &err);
    cr_assert_not_null(risk, "%s", err.text);
    return risk;
}

static inline void give_row(keel_risk *risk, uint64_t step)
{
    keel_bar_row row = {.universe_hash = p.universe.hash,
                        .close_ns = (int64_t)step * HOUR,
                        .bar_ns = HOUR,
                        .n = p.n,
                        .close_units = p.prices};
    for (int i = 0; i < p.n; i++)
        row.missing += p.prices[i] == 0;
    cr_assert_eq(keel_risk_on_row(risk, &row), KEEL_OK);
}

static inline void give_books(keel_risk *risk, uint64_t step, int64_t equity, int64_t held)
{
    const keel_position position = {.instrument = 2, .qty_units = held, .value_micros = held};
    keel_book book[2];
    const keel_input_ref ref = {BOOK_TOPIC, step, 1000 + step};
    memset(book, 0, sizeof book);
    strcpy(book[0].book, "core");
    strcpy(book[1].book, "momentum");
    book[0].equity_micros = equity * 4 / 10;
    book[0].positions_n = held != 0;
    book[0].positions = &position;
    keel_portfolio_state state = {.portfolio = "main",
                                  .universe_hash = p.universe.hash,
                                  .equity_micros = equity,
                                  .books_n = 2,
                                  .books = book};
    cr_assert_eq(keel_risk_on_portfolio(risk, &state, &ref), KEEL_OK);
}

static inline void give_covariance(keel_risk *risk, uint64_t step)
{
    const keel_input_ref ref = {COV_TOPIC, step, 2000 + step};
    const keel_covariance covariance = {.universe_hash = p.universe.hash,
                                        .bar_ns = HOUR,
                                        .basis = {.estimator = KEEL_ESTIMATOR_ROLLING, .rows = 720},
                                        .n = p.n,
                                        .covariance = p.s};
    cr_assert_eq(keel_risk_on_covariance(risk, &covariance, &ref), KEEL_OK);
}

static inline void open_with(keel_risk *risk, uint64_t step, const char *kind)
{
    keel_taken_request request = {"cli/1/1", "", "because", "ann"};
    if (kind != NULL)
        strcpy(request.kind, kind);
    cr_assert_eq(keel_risk_on_open(risk, step, &request, kind != NULL), KEEL_OK);
}

static inline void give_inputs(keel_risk *risk, uint64_t step, int64_t equity, int64_t held)
{
    give_row(risk, step);
    give_books(risk, step, equity, held);
    give_covariance(risk, step);
}

static inline void propose(keel_risk *risk, uint64_t step)
{
    for (int i = 0; i < 2; i++)
        p.proposal.inputs[i].step = step;
    p.proposal.inputs[0].payload_hash = 2000 + step;
    p.proposal.inputs[1].payload_hash = 1000 + step;
    cr_assert_eq(keel_risk_on_allocation_proposal(risk, &p.proposal, 77), KEEL_OK);
}

static inline void close_step(keel_risk *risk)
{
    cr_assert_eq(keel_risk_on_step(risk, &out), KEEL_OK);
}

/* A whole step: inputs, a proposal when `proposes`. */
static inline void run(keel_risk *risk, uint64_t step, int64_t equity, int64_t held, bool proposes)
{
    open_with(risk, step, NULL);
    give_inputs(risk, step, equity, held);
    if (proposes)
        propose(risk, step);
    close_step(risk);
}

static inline void propose_capital(keel_risk *risk, const keel_book_share *shares, int n)
{
    const keel_capital_proposal proposal = {.portfolio = "main", .books = n, .shares = shares};
    cr_assert_eq(keel_risk_on_capital_proposal(risk, &proposal, 88), KEEL_OK);
}

#endif
