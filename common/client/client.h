/* client.h - what stands outside: reads topics and asks services through the relay's door.
 *
 * ROOM     common/client: ZeroMQ with CURVE, Keel envelopes.
 * SHAPE    Three sockets: one reads (SUB), one asks (XPUB to the relay's inbound socket, whose
 *          subscription confirms the join), one takes the replies (SUB), so that asking loses
 *          nothing of what is read. Readers get the last value of each topic first; what was read
 *          already is passed over (by topic, step and index) when it is sent again for somebody
 *          else.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CLIENT_CLIENT_H
#define KEEL_COMMON_CLIENT_CLIENT_H

#include "common/base/mem.h"
#include "common/wire/control.h"

typedef struct keel_client keel_client;

typedef struct keel_client_cfg {
    const char *name;         /* requester name, [a-z0-9-]; replies come on v1.reply.{name}. */
    const char *out_endpoint; /* relay's reading side, e.g. "ipc:///run/door-out.sock" */
    const char *in_endpoint;  /* relay's asking side */
    const char *server_key;   /* file with the door's public key (z85, 40 characters) */
    const char *secret_key;   /* file: line 1 public, line 2 secret key (z85) */
    const char *run_id;       /* envelopes of another run are dropped; NULL = any */
    int join_timeout_ms;      /* default 2000 when 0 */
} keel_client_cfg;

typedef struct keel_client_msg {
    const char *topic;      /* valid until the next call */
    keel_envelope envelope; /* payload points into the frame, valid until the next call */
} keel_client_msg;

/* Connect and wait until both directions are joined (the relay's welcome).
 * KEEL_EUNAVAIL nobody answers, KEEL_EREFUSED the key is not accepted, KEEL_EIO a key file. */
KEEL_MUST_CHECK keel_client *keel_client_open(const keel_client_cfg *cfg, keel_err *err);
void keel_client_close(keel_client **client);

/* Start reading topics that begin with `prefix`. */
KEEL_MUST_CHECK keel_status keel_client_subscribe(keel_client *client, const char *prefix);

/* The next message; KEEL_EUNAVAIL when timeout_ms (-1 = for ever) passed without one. Frames that
 * are not valid envelopes are counted and skipped. */
KEEL_MUST_CHECK keel_status keel_client_next(keel_client *client, int timeout_ms,
                                             keel_client_msg *msg);
uint64_t keel_client_dropped(const keel_client *client);

/* The descriptor to poll beside others; readable may mean: call keel_client_next with timeout 0. */
int keel_client_fd(const keel_client *client);

/* Ask a service and wait for its reply. KEEL_EUNAVAIL: no reply within timeout_ms. */
KEEL_MUST_CHECK keel_status keel_client_ask(keel_client *client, const keel_request *request,
                                            int timeout_ms, keel_reply *reply);

#endif
