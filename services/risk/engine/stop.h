/* stop.h - the trading state of the portfolio: the stop that latches, and the operator's halt.
 *
 * ROOM     services/risk/engine: pure.
 * MODEL    drawdown = 1 - equity / peak, peak = the highest equity since the last re-arm, judged at
 *          every step (RL08). A drawdown above max_drawdown latches: REDUCING until the books are
 *          flat, then HALTED, until an operator resumes with a reason or, once flat, event time
 *          passes the configured re-arm (T9). A re-arm sets the peak to the equity of its step.
 *          An operator's halt lies over all this: a resume lifts the halt first, and what is
 *          latched under it needs a resume of its own.
 *
 *          state            | BREACH           FLAT            HALT             RESUME    TIMER
 *          ACTIVE           | REDUCING         .               HALTED           .         .
 *          REDUCING         | .                STOPPED         HALTED_REDUCING  ACTIVE    .
 *          STOPPED          | .                .               HALTED_STOPPED   ACTIVE    ACTIVE
 *          HALTED           | HALTED_REDUCING  .               .                ACTIVE    .
 *          HALTED_REDUCING  | .                HALTED_STOPPED  .                REDUCING  .
 *          HALTED_STOPPED   | .                .               .                STOPPED   .
 *          (. = stays)
 *          docs/methods/portfolio-stop.md says why, cell by cell.
 * MEMORY   plain data in the caller's storage.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_STOP_H
#define KEEL_SERVICES_RISK_ENGINE_STOP_H

#include "common/base/pack.h"
#include "common/domain/trading.h"

typedef enum keel_stop_state {
    KEEL_STOP_UNDECIDED, /* no state: what a forgotten cell of the table would give */
    KEEL_STOP_ACTIVE,
    KEEL_STOP_REDUCING,
    KEEL_STOP_STOPPED,
    KEEL_STOP_HALTED,
    KEEL_STOP_HALTED_REDUCING,
    KEEL_STOP_HALTED_STOPPED,
    KEEL_STOP_STATES,
} keel_stop_state;

typedef enum keel_stop_event {
    KEEL_STOP_BREACH,
    KEEL_STOP_FLAT,
    KEEL_STOP_HALT,
    KEEL_STOP_RESUME,
    KEEL_STOP_TIMER,
    KEEL_STOP_EVENTS,
} keel_stop_event;

/* The table. KEEL_STOP_UNDECIDED for a pair that nobody decided; a test fails on it. */
keel_stop_state keel_stop_next(keel_stop_state state, keel_stop_event event);
keel_trading_mode keel_stop_mode(keel_stop_state state);

typedef struct keel_stop_cfg {
    double max_drawdown; /* fraction, (0, 1] */
    int64_t re_arm_ns;   /* event time from breach to re-arm; 0 = only an operator */
} keel_stop_cfg;

typedef struct keel_stop {
    keel_stop_state state;
    keel_reason reason;     /* of the state; none while ACTIVE since the start */
    bool marked;            /* an equity is known */
    int64_t equity_micros;  /* newest */
    int64_t peak_micros;    /* since the last re-arm */
    uint32_t samples;       /* equities since the last re-arm */
    double breach_drawdown; /* the drawdown that latched */
    int64_t breach_ns;      /* when; event time */
    int64_t halt_ns;        /* operator's newest halt */
    uint32_t stops;         /* portfolio stops in this run */
} keel_stop;

/* What the books say at one step. */
typedef struct keel_stop_mark {
    int64_t now_ns;
    bool fresh; /* equity and flat were heard in this step */
    int64_t equity_micros;
    bool is_flat;
} keel_stop_mark;

void keel_stop_init(keel_stop *stop);

/* One step: equity, then the requests in their order, then the timer, then flat, then the drawdown.
 * Other kinds than "halt" and "resume" are KEEL_EUNKNOWN, state unchanged. */
KEEL_MUST_CHECK keel_status keel_stop_step(keel_stop *stop, const keel_stop_cfg *cfg,
                                           const keel_stop_mark *mark,
                                           const keel_taken_request *requests, int n);

/* 1 - equity / peak; 0 while no equity is known, 1 at most. */
double keel_stop_drawdown(const keel_stop *stop);
bool keel_stop_is_latched(keel_stop_state state); /* a portfolio stop is in force */

/* The latches in force; returns how many were written (0..2). */
int keel_stop_latches(const keel_stop *stop, const keel_stop_cfg *cfg,
                      keel_latch out[KEEL_LATCHES_MAX]);

void keel_stop_save(const keel_stop *stop, keel_packer *packer);
/* Sets unpacker->failed on a state that cannot be. */
void keel_stop_load(keel_stop *stop, keel_unpacker *unpacker);

#endif
