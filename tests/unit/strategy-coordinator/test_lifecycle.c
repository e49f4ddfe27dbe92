/* Every pair of state and event was decided by somebody; final is final. */
#include "services/strategy-coordinator/engine/lifecycle.h"

#include <criterion/criterion.h>

static const keel_signal_state finals[] = {KEEL_SIGNAL_REFUSED, KEEL_SIGNAL_FLAT,
                                           KEEL_SIGNAL_CLOSED, KEEL_SIGNAL_LAPSED};

Test(lifecycle, leaves_no_pair_undecided)
{
    for (int s = KEEL_SIGNAL_RECEIVED; s < KEEL_SIGNAL_STATES; s++)
        for (int e = 0; e < KEEL_SIGNAL_EVENTS; e++)
            cr_expect_neq(keel_signal_next((keel_signal_state)s, (keel_signal_event)e),
                          KEEL_SIGNAL_UNDECIDED, "state %d, event %d", s, e);
}

Test(lifecycle, ends_where_it_ends)
{
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++)
        for (int e = 0; e < KEEL_SIGNAL_EVENTS; e++)
            cr_expect_eq(keel_signal_next(finals[i], (keel_signal_event)e), KEEL_SIGNAL_NEVER);
    cr_expect_eq(keel_signal_next((keel_signal_state)99, KEEL_SIGNAL_ON_ASK), KEEL_SIGNAL_NEVER);
    cr_expect_eq(keel_signal_next(KEEL_SIGNAL_OPEN, (keel_signal_event)99), KEEL_SIGNAL_NEVER);
}

/* From RECEIVED every state but the two markers is reached. */
Test(lifecycle, reaches_every_state)
{
    bool reached[KEEL_SIGNAL_STATES] = {[KEEL_SIGNAL_RECEIVED] = true};
    for (int round = 0; round < KEEL_SIGNAL_STATES; round++)
        for (int s = KEEL_SIGNAL_RECEIVED; s < KEEL_SIGNAL_STATES; s++)
            for (int e = 0; reached[s] && e < KEEL_SIGNAL_EVENTS; e++)
                reached[keel_signal_next((keel_signal_state)s, (keel_signal_event)e)] = true;
    for (int s = KEEL_SIGNAL_RECEIVED; s < KEEL_SIGNAL_STATES; s++)
        cr_expect(reached[s], "state %d", s);
}

/* SI16: an execution is counted at most once on every way through the table. */
Test(lifecycle, counts_an_execution_once)
{
    for (int s = KEEL_SIGNAL_RECEIVED; s < KEEL_SIGNAL_STATES; s++)
        for (int e = 0; e < KEEL_SIGNAL_EVENTS; e++) {
            const keel_signal_state state = (keel_signal_state)s;
            const keel_signal_event event = (keel_signal_event)e;
            if (!keel_signal_is_executed_by(state, event))
                continue;
            const keel_signal_state next = keel_signal_next(state, event);
            cr_expect_neq(next, KEEL_SIGNAL_NEVER, "state %d, event %d", s, e);
            for (int f = 0; state != KEEL_SIGNAL_REPLACED && f < KEEL_SIGNAL_EVENTS; f++)
                cr_expect_not(keel_signal_is_executed_by(next, (keel_signal_event)f));
        }
}

Test(lifecycle, knows_what_is_in_force)
{
    for (int s = 0; s < KEEL_SIGNAL_STATES; s++)
        cr_expect_eq(keel_signal_is_in_force((keel_signal_state)s),
                     s == KEEL_SIGNAL_OPEN || s == KEEL_SIGNAL_HELD);
}
