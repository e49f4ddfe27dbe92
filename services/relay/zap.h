/* zap.h - answers libzmq's question "may this key come in?" (RFC 27/ZAP).
 *
 * ROOM     services/relay.
 * SHAPE    One thread on inproc://zeromq.zap.01. libzmq 4.3.4 lets every key in when nobody answers
 *          there, so the socket is bound before zap_start returns, and if the thread ever ends
 *          unasked the whole process ends with it.
 * THREADS  relay_zap_refused may be called from any.
 */
#ifndef KEEL_SERVICES_RELAY_ZAP_H
#define KEEL_SERVICES_RELAY_ZAP_H

#include "services/relay/keys.h"

#include <stdint.h>

#define RELAY_DOMAIN_OUT "door-out"
#define RELAY_DOMAIN_IN  "door-in"

typedef struct relay_zap relay_zap;

/* `keys` is borrowed until relay_zap_stop. Call before any bind of a CURVE server in `ctx`. */
KEEL_MUST_CHECK relay_zap *relay_zap_start(void *ctx, const relay_keys *keys, keel_err *err);

/* Close all other sockets first: from here on nobody would be refused. */
void relay_zap_stop(relay_zap **zap);

uint64_t relay_zap_refused(const relay_zap *zap);

#endif
