/* coordinator.h - what the strategy coordinator knows before the first signal: where the run is.
 *
 * ROOM     services/strategy-coordinator/engine: pure.
 * MODEL    It follows the market (row), the books (portfolio state) and what risk allows (trading
 *          state), because a signal is judged against all three. While no strategy is registered a
 *          step has nothing to decide: it is closed, and feed goes on (lockstep waits for it).
 *          An unknown mode counts as HALTED.
 * MEMORY   keel_coordinator_new takes all.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_H

#include "common/domain/bar_row.h"
#include "common/domain/books.h"
#include "common/domain/trading.h"
#include "common/domain/universe.h"

#include <stddef.h>

typedef struct keel_coordinator keel_coordinator;

typedef struct keel_coordinator_cfg {
    const keel_universe *universe; /* borrowed until keel_coordinator_free */
    const char *portfolio;         /* copied */
} keel_coordinator_cfg;

/* What is known at the end of a step. */
typedef struct keel_coordinator_view {
    uint64_t step; /* last closed; 0 = none */
    int64_t now_ns;
    int64_t equity_micros;  /* account, of the newest portfolio state; 0 before the first */
    keel_trading_mode mode; /* HALTED until risk has spoken */
    uint32_t rows;          /* heard in this run */
    uint32_t mode_changes;
} keel_coordinator_view;

/* NULL and *err (may be NULL): a portfolio name that is empty or too long. Owned. */
KEEL_MUST_CHECK keel_coordinator *keel_coordinator_new(const keel_coordinator_cfg *cfg,
                                                       keel_err *err);
void keel_coordinator_free(keel_coordinator **coordinator);

/* Inputs of a step. KEEL_EUNKNOWN: another universe or portfolio; KEEL_EORDER: a row not after the
 * last; a row's own errors as keel_bar_row_check. State unchanged on refusal. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_row(keel_coordinator *coordinator,
                                                    const keel_bar_row *row);
KEEL_MUST_CHECK keel_status keel_coordinator_on_portfolio(keel_coordinator *coordinator,
                                                          const keel_portfolio_state *portfolio);
KEEL_MUST_CHECK keel_status keel_coordinator_on_trading(keel_coordinator *coordinator,
                                                        const keel_trading_state *trading);

/* Close step `step`. KEEL_EORDER: not after the last. *view (may be NULL) = what is known. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_step(keel_coordinator *coordinator, uint64_t step,
                                                     keel_coordinator_view *view);

/* Snapshot. save: KEEL_ENOSPC with *len = bytes needed. load: KEEL_EFORMAT, KEEL_EVERSION,
 * KEEL_EUNKNOWN another universe; state unchanged then. */
KEEL_MUST_CHECK keel_status keel_coordinator_save(const keel_coordinator *coordinator, uint8_t *buf,
                                                  size_t cap, size_t *len);
KEEL_MUST_CHECK keel_status keel_coordinator_load(keel_coordinator *coordinator, const uint8_t *buf,
                                                  size_t len);

#endif
