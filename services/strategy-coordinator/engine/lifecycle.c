#include "services/strategy-coordinator/engine/lifecycle.h"

/* Short words, so that a row of the table is a line. */
enum {
    NO = KEEL_SIGNAL_NEVER,
    RECEIVED = KEEL_SIGNAL_RECEIVED,
    ASKED = KEEL_SIGNAL_ASKED,
    REFUSED = KEEL_SIGNAL_REFUSED,
    OPEN = KEEL_SIGNAL_OPEN,
    HELD = KEEL_SIGNAL_HELD,
    FLAT = KEEL_SIGNAL_FLAT,
    CLOSED = KEEL_SIGNAL_CLOSED,
    REPLACED = KEEL_SIGNAL_REPLACED,
    LAPSED = KEEL_SIGNAL_LAPSED,
};

/* A stop ends what was not filled, for older versions never resume; what is held stays in force
 * until the books say that it was flattened. A replaced signal can still turn out to have been
 * filled before, when the books are heard of later than its successor. An acceptance from the log
 * comes without a question. */
static const unsigned char table[KEEL_SIGNAL_STATES][KEEL_SIGNAL_EVENTS] = {
    /*          REFUSE   ASK    ACCEPT FILL      EMPTY CLOSE   REPLACE   LAPSE   STOP */
    [NO] = {NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [RECEIVED] = {REFUSED, ASKED, OPEN, NO, NO, NO, NO, NO, RECEIVED},
    [ASKED] = {REFUSED, NO, OPEN, NO, NO, NO, NO, NO, ASKED},
    [REFUSED] = {NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [OPEN] = {NO, NO, NO, HELD, FLAT, CLOSED, REPLACED, LAPSED, CLOSED},
    [HELD] = {NO, NO, NO, NO, NO, CLOSED, REPLACED, HELD, HELD},
    [FLAT] = {NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [CLOSED] = {NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [REPLACED] = {NO, NO, NO, REPLACED, NO, NO, NO, NO, NO},
    [LAPSED] = {NO, NO, NO, NO, NO, NO, NO, NO, NO},
};

keel_signal_state keel_signal_next(keel_signal_state state, keel_signal_event event)
{
    if ((unsigned)state >= KEEL_SIGNAL_STATES || (unsigned)event >= KEEL_SIGNAL_EVENTS)
        return KEEL_SIGNAL_NEVER;
    return (keel_signal_state)table[state][event];
}

bool keel_signal_is_in_force(keel_signal_state state)
{
    return state == KEEL_SIGNAL_OPEN || state == KEEL_SIGNAL_HELD;
}

bool keel_signal_is_executed_by(keel_signal_state state, keel_signal_event event)
{
    if (state == KEEL_SIGNAL_REPLACED)
        return event == KEEL_SIGNAL_ON_FILL;
    return state == KEEL_SIGNAL_OPEN &&
           (event == KEEL_SIGNAL_ON_FILL || event == KEEL_SIGNAL_ON_EMPTY ||
            event == KEEL_SIGNAL_ON_CLOSE);
}
