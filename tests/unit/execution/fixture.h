/* fixture.h - three instruments, rows and approvals to trade them with.
 *
 * ROOM     tests/unit/execution. Prices have 2 decimals, quantities 4, so that sums can be done by
 *          head: worth in micros = price_units x qty_units.
 */
#ifndef KEEL_TESTS_UNIT_EXECUTION_FIXTURE_H
#define KEEL_TESTS_UNIT_EXECUTION_FIXTURE_H

#include "common/base/mem.h"
#include "services/execution/engine/execution.h"

#include <stdio.h>
#include <string.h>

enum { N = 3 };

#define USD INT64_C(1000000) /* micros */

static inline keel_universe *universe(void)
{
    static keel_universe u = {.id = "main", .hash = 77, .n = N};
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &u.instruments[i];
        *x = (keel_instrument){.currency = "USD",
                               .price_exp = 2,
                               .qty_exp = 4,
                               .lot_units = 100,
                               .min_notional_micros = 5 * USD};
        snprintf(x->symbol, sizeof x->symbol, "%c", 'A' + i);
    }
    return &u;
}

static inline keel_execution *engine(int64_t fee, int64_t slippage, double buffer)
{
    const keel_execution_cfg c = {"run-1", "main", "core", universe(), {fee, slippage}, buffer};
    return keel_execution_new(&c, NULL);
}

/* Core and `n` strategies "s000", "s001" ... */
static inline keel_execution *engine_with(int n, int64_t fee, int64_t slippage)
{
    static keel_book_share books[KEEL_BOOKS_MAX];
    keel_execution_cfg c = {"run-1", "main", "core", universe(), {fee, slippage}, 0.0};
    snprintf(books[0].book, sizeof books[0].book, "core");
    for (int b = 0; b < n; b++)
        snprintf(books[b + 1].book, sizeof books[0].book, "s%03d", b);
    c.books_n = n + 1;
    c.books = books;
    return keel_execution_new(&c, NULL);
}

/* Decision `seq`: strategy `s` shall hold `target` of instrument i. */
static inline keel_decision decide(int s, uint64_t seq, int i, int64_t target)
{
    keel_decision d = {.decision_seq = seq, .seq = seq, .epoch_ns = 1, .accepted = true};
    snprintf(d.strategy, sizeof d.strategy, "s%03d", s);
    snprintf(d.symbol, sizeof d.symbol, "%c", 'A' + i);
    keel_reason_set(&d.reason, KEEL_REASON_ACCEPTED, "ok");
    d.intents_n = 1;
    d.intents[0] = (keel_intent){.instrument = i, .target_qty_units = target, .version = seq};
    snprintf(d.intents[0].book, sizeof d.intents[0].book, "s%03d", s);
    return d;
}

static const int64_t prices_100[N] = {10000, 10000, 10000};

/* Weights with a box of the whole book, prices of 100.00. */
typedef struct ask {
    double weight[N], lower[N], upper[N];
    int64_t price[N];
    keel_approved_allocation a;
} ask;

static inline keel_approved_allocation *approve(ask *k, int64_t equity, double a, double b,
                                                double c)
{
    *k = (ask){{a, b, c}, {-1, -1, -1}, {1, 1, 1}, {10000, 10000, 10000}, {.n = N}};
    snprintf(k->a.portfolio, sizeof k->a.portfolio, "main");
    snprintf(k->a.book, sizeof k->a.book, "core");
    k->a.universe_hash = 77;
    k->a.method = KEEL_METHOD_EQUAL_WEIGHT;
    k->a.weights = k->weight;
    k->a.box_lower = k->lower;
    k->a.box_upper = k->upper;
    k->a.price_units = k->price;
    k->a.equity_micros = equity;
    keel_reason_set(&k->a.reason, KEEL_REASON_VERIFIED, "recomputed");
    keel_reason_set(&k->a.rebalance_reason, KEEL_REASON_SCHEDULE_DUE, "weekly");
    return &k->a;
}

static inline keel_bar_row row_of(const int64_t *open, const int64_t *close, int64_t hour)
{
    keel_bar_row row = {
        77, hour * INT64_C(3600000000000), INT64_C(3600000000000), N, close, open, open, open, NULL,
        0};
    static int64_t high[N], low[N];
    for (int i = 0; i < N; i++) {
        row.missing += close[i] == 0;
        high[i] = open != NULL && open[i] > close[i] ? open[i] : close[i];
        low[i] = open != NULL && open[i] < close[i] ? open[i] : close[i];
    }
    row.high_units = open != NULL ? high : NULL;
    row.low_units = open != NULL ? low : NULL;
    return row;
}

static inline keel_status set_mode(keel_execution *e, keel_trading_mode mode)
{
    keel_trading_state s = {.portfolio = "main", .mode = mode};
    return keel_execution_on_trading(e, &s);
}

#endif
