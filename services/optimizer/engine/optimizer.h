/* optimizer.h - every step: is it time to rebalance, and into what.
 *
 * ROOM     services/optimizer/engine: pure. Portfolio states, covariances and steps in; decisions
 *          and proposals out. The same inputs in the same order give bit-identical outputs.
 * MODEL    Level one: capital shares of the books, static, proposed at the first portfolio state
 *          and when due. Level two: weights of the book "core" (allocate.h), proposed at the first
 *          covariance and when due. When is rebalance.h, for both. A later capital proposal makes
 *          level two due in the same step, because orders are sized by the equity after capital.
 *          held[i] = value of the core position / equity of core (0 while that is not positive).
 *          turnover = sum |w - held| / 2; cost = cost_bps * 1e-4 * sum |w - held|.
 *          A refused proposal is not heard of: positions stay away from the target, and drift
 *          proposes again retry_steps after the last proposal. See docs/methods/rebalancing.md.
 * MEMORY   keel_optimizer_new takes everything; no later call allocates.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_OPTIMIZER_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_OPTIMIZER_H

#include "common/domain/books.h"
#include "common/domain/estimate.h"
#include "services/optimizer/engine/allocate.h"
#include "services/optimizer/engine/rebalance.h"

typedef struct keel_optimizer keel_optimizer;

typedef struct keel_optimizer_cfg {
    keel_allocator_cfg allocation; /* with the universe; borrowed during new() only */
    const char *portfolio;
    keel_rebalance_rule core;    /* level two */
    keel_rebalance_rule capital; /* level one */
    int covariance_age_max;      /* steps; an older covariance counts as none; >= 0 */
    bool apply;             /* false: decide only (the first capital is proposed all the same) */
    double cost_bps;        /* fees and slippage of one unit traded, >= 0 */
    const char *method_why; /* said in every rebalance reason; "" = the configured method */
    int books_n;            /* 1..KEEL_BOOKS_MAX, shares >= 0 with sum <= 1 */
    const keel_book_share *books;
} keel_optimizer_cfg;

enum {
    KEEL_OPTIMIZER_MADE_CAPITAL = 1 << 0,
    KEEL_OPTIMIZER_MADE_ALLOCATION = 1 << 1,
};

typedef struct keel_optimizer_out {
    unsigned made;                    /* set of KEEL_OPTIMIZER_MADE_* */
    keel_rebalance_decision decision; /* always */
    keel_capital_proposal capital;    /* pointers valid until the next call */
    keel_allocation_proposal allocation;
} keel_optimizer_out;

/* NULL with *err (may be NULL): what keel_allocator_new refuses, and KEEL_ERANGE or
 * KEEL_EINFEASIBLE with the key for the rest. Owned; end with keel_optimizer_free (safe on NULL
 * and twice). */
KEEL_MUST_CHECK keel_optimizer *keel_optimizer_new(const keel_optimizer_cfg *cfg, keel_err *err);
void keel_optimizer_free(keel_optimizer **eng);

/* The books after a step. KEEL_EUNKNOWN another portfolio or universe, KEEL_ERANGE an instrument
 * outside it; state unchanged. */
KEEL_MUST_CHECK keel_status keel_optimizer_on_portfolio(keel_optimizer *eng,
                                                        const keel_portfolio_state *state,
                                                        const keel_input_ref *ref);

/* A covariance. KEEL_EUNKNOWN another universe, KEEL_ENONFINITE a number that is not finite or a
 * diagonal not > 0; state unchanged. */
KEEL_MUST_CHECK keel_status keel_optimizer_on_covariance(keel_optimizer *eng,
                                                         const keel_covariance *covariance,
                                                         const keel_input_ref *ref);

/* Close a step after its inputs; *out is always written. KEEL_EORDER: step not after the last one,
 * state unchanged. Cost: a solve when due, else n. */
KEEL_MUST_CHECK keel_status keel_optimizer_on_step(keel_optimizer *eng, uint64_t step,
                                                   int64_t event_ns, keel_optimizer_out *out);

/* Everything: targets, last proposals, last inputs, warm starts. save: KEEL_ENOSPC with *len.
 * load: KEEL_EFORMAT on bad magic, version, size, universe or books; state unchanged. */
KEEL_MUST_CHECK keel_status keel_optimizer_save(const keel_optimizer *eng, uint8_t *buf, size_t cap,
                                                size_t *len);
KEEL_MUST_CHECK keel_status keel_optimizer_load(keel_optimizer *eng, const uint8_t *buf,
                                                size_t len);

#endif
