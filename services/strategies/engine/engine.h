/* engine.h - rows in, calls out: one rule over many instruments.
 *
 * ROOM     services/strategies/engine: pure. No I/O, clock, thread, randomness or log.
 * MODEL    Each instrument is long, short or out, by the rule alone (rules.h). A call is made when
 *          that changes, never otherwise. A price that has passed the stop or target of a call puts
 *          the instrument out without a call, for the broker has done it; it stays out until the
 *          rule wishes something else. A row without a bar of an instrument leaves it as it is.
 *          Stop and target: last close -+ vols * s * last close, s per bar (rules.h).
 * SHAPE    n instruments, in the order of the rows' arrays; calls ascend by instrument.
 * MEMORY   strategies_new() takes all storage; no later call allocates.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_STRATEGIES_ENGINE_ENGINE_H
#define KEEL_SERVICES_STRATEGIES_ENGINE_ENGINE_H

#include "services/strategies/engine/rules.h"

typedef struct strategies_engine strategies_engine;

typedef struct strategies_cfg {
    const strategies_rule *rule; /* borrowed for ever: one of rules.h */
    strategies_params params;
    int n;             /* instruments, 1..KEEL_UNIVERSE_MAX */
    const bool *trade; /* n: about which calls are made; NULL = all. Borrowed for the call */
} strategies_cfg;

typedef struct strategies_row {
    uint64_t step; /* ascending */
    int n;
    const double *close; /* 0 = no bar */
    const double *high;  /* NULL = closes only */
    const double *low;
} strategies_row;

typedef struct strategies_call {
    int instrument;
    keel_side side;
    double entry; /* the last close */
    double stop;  /* 0 = none */
    double target;
    double confidence_frac; /* 1 when flat */
} strategies_call;

typedef struct strategies_out {
    int n;
    const strategies_call *calls; /* valid until the next call on the engine */
} strategies_out;

/* Owned. NULL and *err (may be NULL): KEEL_ERANGE, KEEL_ENONFINITE with the parameter's name. */
KEEL_MUST_CHECK strategies_engine *strategies_new(const strategies_cfg *cfg, keel_err *err);
void strategies_free(strategies_engine **engine);

/* Take a row.
 *   KEEL_ERANGE      another number of instruments; state unchanged
 *   KEEL_EORDER      not after the last row; state unchanged
 *   KEEL_ENONFINITE  a price that is negative or not finite; state unchanged
 * Cost: O(n lookback). */
KEEL_MUST_CHECK keel_status strategies_on_row(strategies_engine *engine, const strategies_row *row,
                                              strategies_out *out);

#endif
