/* replies.h - the newest replies, for who asked before its subscription to them had come.
 *
 * ROOM     services/relay. A client subscribes to its replies and asks on two links: when the
 *          machine is busy the question can come first, and its reply would meet no reader.
 * SHAPE    A ring of RELAY_REPLIES_MAX; a reply is sent again, for RELAY_REPLIES_MS, to who
 *          subscribes to exactly its topic. Readers know replies by the request's id, so that one
 *          that comes twice does no harm.
 * MEMORY   Frames are shared with libzmq by reference, not copied.
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_RELAY_REPLIES_H
#define KEEL_SERVICES_RELAY_REPLIES_H

#include "services/relay/lvc.h"

enum { RELAY_REPLIES_MAX = 256, RELAY_REPLIES_MS = 2000 };

typedef struct relay_replies relay_replies;

KEEL_MUST_CHECK relay_replies *relay_replies_new(void);
void relay_replies_free(relay_replies **replies);

void relay_replies_put(relay_replies *replies, const char *topic, zmq_msg_t *frame, int64_t now_ms);

/* Calls `each` for every reply on this topic that is young enough; returns how many. */
int relay_replies_send(relay_replies *replies, const char *topic, size_t len, int64_t now_ms,
                       relay_lvc_each each, void *arg);

#endif
