/* zap.h - answers libzmq's question "may this key come in?" (RFC 27/ZAP), and keeps the keys new.
 *
 * ROOM     services/relay.
 * SHAPE    One thread on inproc://zeromq.zap.01. libzmq 4.3.4 lets every key in when nobody answers
 *          there, so the socket is bound before zap_start returns, and if the thread ever ends
 *          unasked the whole process ends with it. Who is let in gets the public key as User-Id:
 *          the key, not its name, is what a right belongs to.
 *          The same thread looks at the folder of keys every 100 ms, and at each file of it every
 *          second, so that the thread that passes messages never waits for a disk.
 * THREADS  relay_zap_refused, _unread and _news may be called from any.
 */
#ifndef KEEL_SERVICES_RELAY_ZAP_H
#define KEEL_SERVICES_RELAY_ZAP_H

#include "common/keys/keys.h"

#include <stdint.h>

#define RELAY_DOMAIN_OUT "door-out"
#define RELAY_DOMAIN_IN  "door-in"

typedef struct relay_zap relay_zap;

/* Load the folder's keys and serve. Call before any bind of a CURVE server in `ctx`. */
KEEL_MUST_CHECK relay_zap *relay_zap_start(void *ctx, const char *folder, keel_err *err);

/* Close all other sockets first: from here on nobody would be refused. */
void relay_zap_stop(relay_zap **zap);

/* The keys, when they have changed since the last call (and at the first), else NULL. Owned. */
KEEL_MUST_CHECK keel_keys *relay_zap_news(relay_zap *zap);

uint64_t relay_zap_refused(const relay_zap *zap); /* handshakes with a key of nobody */
uint64_t relay_zap_unread(const relay_zap *zap);  /* looks at the folder that failed */

#endif
