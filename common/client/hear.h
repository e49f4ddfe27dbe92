/* hear.h - one service's heartbeat, taken from its own outbox.
 *
 * ROOM     common/client. For whoever stands inside, where run.endpoint leads: it needs no key and
 *          no relay, and nothing can be asked this way. Heartbeats come from the thread that does
 *          the work, so one that comes says that the work goes on.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_CLIENT_HEAR_H
#define KEEL_COMMON_CLIENT_HEAR_H

#include "common/wire/control.h"

typedef struct keel_hear_cfg {
    const char *endpoint; /* the service's outbox, e.g. "tcp://risk:7100" */
    const char *service;
    const char *run_id;
    int timeout_ms;
} keel_hear_cfg;

/* Wait for the next heartbeat.
 *   KEEL_EUNAVAIL  none within timeout_ms
 *   KEEL_EREFUSED  what came is not a heartbeat of this service in this run
 *   KEEL_EIO       the endpoint cannot be connected */
KEEL_MUST_CHECK keel_status keel_hear(const keel_hear_cfg *cfg, keel_heartbeat *beat,
                                      keel_err *err);

#endif
