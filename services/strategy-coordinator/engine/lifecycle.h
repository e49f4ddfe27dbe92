/* lifecycle.h - the states of a signal, from its receipt to its end.
 *
 * ROOM     services/strategy-coordinator/engine: pure.
 * MODEL    RECEIVED -> (ASKED ->) REFUSED | OPEN -> HELD -> ...; a pair of the table that cannot
 *          happen is NEVER, and a test fails on a pair that nobody decided. OPEN and HELD are in
 *          force: they stand in questions to risk and count for conflicts.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_LIFECYCLE_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_LIFECYCLE_H

#include <stdbool.h>

typedef enum keel_signal_state {
    KEEL_SIGNAL_UNDECIDED, /* of a pair: nobody thought of it */
    KEEL_SIGNAL_NEVER,     /* of a pair: cannot happen */
    KEEL_SIGNAL_RECEIVED,  /* durable, queued */
    KEEL_SIGNAL_ASKED,     /* in the question to risk */
    KEEL_SIGNAL_REFUSED,   /* final */
    KEEL_SIGNAL_OPEN,      /* accepted; its book does not hold the target yet */
    KEEL_SIGNAL_HELD,      /* executed: its book holds the target, which is not 0 */
    KEEL_SIGNAL_FLAT,      /* final: executed, and nothing is held */
    KEEL_SIGNAL_CLOSED,    /* final: by stop, target or portfolio stop */
    KEEL_SIGNAL_REPLACED,  /* final: by a later one of the same strategy and symbol */
    KEEL_SIGNAL_LAPSED,    /* final: accepted, not filled while it was valid */
    KEEL_SIGNAL_STATES,
} keel_signal_state;

typedef enum keel_signal_event {
    KEEL_SIGNAL_ON_REFUSE,  /* a check or risk says no, or risk does not answer */
    KEEL_SIGNAL_ON_ASK,     /* all checks passed */
    KEEL_SIGNAL_ON_ACCEPT,  /* risk gave a size, or the log holds its acceptance */
    KEEL_SIGNAL_ON_FILL,    /* its book holds something, as asked */
    KEEL_SIGNAL_ON_EMPTY,   /* its book holds nothing, as asked */
    KEEL_SIGNAL_ON_CLOSE,   /* its book has closed it: holds nothing, though something was asked */
    KEEL_SIGNAL_ON_REPLACE, /* a later one was accepted */
    KEEL_SIGNAL_ON_LAPSE,   /* valid_until has passed */
    KEEL_SIGNAL_ON_STOP,    /* the portfolio was stopped */
    KEEL_SIGNAL_EVENTS,
} keel_signal_event;

/* The state after it; NEVER where it cannot happen. */
keel_signal_state keel_signal_next(keel_signal_state state, keel_signal_event event);

bool keel_signal_is_in_force(keel_signal_state state); /* OPEN or HELD */

/* Whether this event, in this state, is the execution of the signal: counted once in its life. */
bool keel_signal_is_executed_by(keel_signal_state state, keel_signal_event event);

#endif
