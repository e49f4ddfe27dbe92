/* signal_post.h - one signal through the door of a run, and what is said about it.
 *
 * ROOM     services/cli: the one place that sends signals, on common/client.
 */
#ifndef KEEL_SERVICES_CLI_SIGNAL_POST_H
#define KEEL_SERVICES_CLI_SIGNAL_POST_H

#include "common/domain/signal.h"
#include "services/cli/run_dir.h"

typedef struct keel_posted {
    int64_t epoch_ns; /* place of the signal: (strategy, epoch_ns, seq) */
    uint64_t seq;
    bool received; /* in the coordinator's log */
    bool decided;
    int64_t decided_ns; /* event time of the decision; 0 = not told */
    keel_decision decision;
} keel_posted;

/* Send the signal with the key of its strategy when the run's keys folder has its secret, else with
 * the operator's, and wait until it is received and, with `decision`, decided.
 *   KEEL_OK        received (and decided); the decision may be a refusal
 *   KEEL_EUNAVAIL  nobody is at the door, or the coordinator did not answer (*posted tells how far
 *                  it got)
 *   KEEL_EREFUSED  key or strategy is not accepted
 *   KEEL_ESTALE    a newer client of this strategy took over before the answer */
KEEL_MUST_CHECK keel_status keel_signal_post(const keel_run *run, keel_signal *signal,
                                             bool decision, int64_t timeout_ns, keel_posted *posted,
                                             keel_err *err);

#endif
