/* door.h - the border of the bus: everything out to those with a key, in what each has a right to.
 *
 * ROOM     services/relay. Nothing but ZeroMQ: a door that waits for a disk or a database loses
 *          messages, so it has neither.
 * SHAPE    Inside: a SUB on every service's outbox, an XPUB outbox {run}/relay.pub for what was
 *          admitted and the heartbeat. Outside, CURVE: an XPUB that sends all topics but those that
 *          only services need, welcomes readers and sends them the last values (lvc.h); a SUB that
 *          takes signals and requests (admit.h). Frames go as they are, byte for byte; only
 *          requests are packed anew. A turn takes at most 256 frames of each socket, so that one
 *          that is flooded does not starve the others.
 * THREADS  one, beside the one that checks keys (zap.h).
 */
#ifndef KEEL_SERVICES_RELAY_DOOR_H
#define KEEL_SERVICES_RELAY_DOOR_H

#include "common/config/config.h"
#include "common/obs/obs.h"

#define RELAY_WELCOME "v1.welcome.relay."

typedef struct relay_door relay_door;

typedef struct relay_door_cfg {
    const char *run_id;
    const char *dir;
    const char *endpoint; /* template of the services' outboxes */
    bool lockstep;        /* said in the heartbeat */
    const char *out;      /* relay.out: they read here; templates with {run} */
    const char *in;       /* relay.in: they send here */
    const char *out_tcp;  /* "" = none */
    const char *in_tcp;
    int cache_topics;
    int cache_mib;
    keel_obs *obs; /* borrowed; bears the counters */
} relay_door_cfg;

/* The section's rows, bound into a relay_door_cfg. */
const keel_cfg_row *relay_door_rows(void);

/* Keys, key check, self-test, then the sockets: nobody can connect before a stranger was refused.
 * NULL with *err. End with relay_door_close. */
KEEL_MUST_CHECK relay_door *relay_door_open(const relay_door_cfg *cfg, keel_err *err);
void relay_door_close(relay_door **door);

/* Make the folder {dir}/keys with the door's and the operator's keys, where they are absent: for a
 * relay that is given its keys read-only. As keel_key_pair_have. */
KEEL_MUST_CHECK keel_status relay_make_keys(const char *dir, keel_err *err);

/* Wait for something to do at most timeout_ms and do it. Returns true when extra_fd (-1 = none)
 * is readable or a request asked for the end. */
bool relay_door_turn(relay_door *door, int extra_fd, int timeout_ms);

/* Connect to a CURVE server that is set up as the door is, with a key made up on the spot, and see
 * it refused. KEEL_EREFUSED when it is let in or nothing is decided in time. */
KEEL_MUST_CHECK keel_status relay_self_test(void *ctx, const char *door_secret,
                                            const char *door_public, const char *dir,
                                            keel_err *err);

#endif
