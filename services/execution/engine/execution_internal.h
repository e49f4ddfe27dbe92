/* execution_internal.h - the engine's state, shared by its two files.
 *
 * ROOM     services/execution/engine.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_INTERNAL_H
#define KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_INTERNAL_H

#include "services/execution/engine/execution.h"

enum { KEEL_EXECUTION_RUN_MAX = 48 };

typedef enum slot_state {
    SLOT_EMPTY,
    SLOT_OPEN,
    SLOT_UNPAID, /* the cash did not pay a single lot; the next plan says so */
    SLOT_STATES
} slot_state;

typedef struct slot {
    slot_state state;
    keel_order order;
} slot;

/* What changes from step to step, without the arrays. */
typedef struct execution_state {
    keel_trading_mode mode;
    uint64_t planned_step;
    uint64_t approval_step;   /* newest approval planned; the waiting one's is fresh_step */
    uint64_t approval_hash;   /* of the newest approval planned */
    bool hash_only;           /* started from a plan without its PlanDone: known by hash alone */
    bool consumed_now;        /* the last plan consumed an approval */
    uint64_t approval_before; /* approval_step before that */
    char plan_id[KEEL_ID_MAX];
    int64_t cash_micros;
    int64_t keep_micros; /* what buying leaves */
    int64_t row_ns;
    int fills; /* in this step */
    /* the approval that waits for its plan */
    bool fresh;
    bool flatten;
    uint64_t fresh_step;
    uint64_t fresh_hash;
    int64_t equity_micros;
    keel_reason why; /* of the orders it will make */
} execution_state;

/* Of the waiting approval; n each. */
typedef struct execution_weights {
    double *weight;
    double *lower;
    double *upper;
    int64_t *price_units;
} execution_weights;

struct keel_execution {
    char run[KEEL_EXECUTION_RUN_MAX];
    char portfolio[KEEL_NAME_MAX];
    char book[KEEL_NAME_MAX];
    keel_universe universe;
    keel_broker_rates rates;
    double cash_buffer;
    int n;

    execution_state state;
    execution_weights fresh; /* owned */
    int64_t *held;           /* owned, n */
    slot *slots;             /* owned, n */

    /* outputs and scratch, owned */
    keel_order *orders;           /* n */
    keel_skipped_order *skipped;  /* 2n: one given up and one refused per instrument */
    keel_fill *fills;             /* n */
    keel_held_position *reported; /* n */
    keel_deal *deals;             /* n, by instrument; qty 0 = none */
};

#endif
