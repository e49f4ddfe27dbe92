/* lvc.h - the last message of each topic, for those who come late.
 *
 * ROOM     services/relay.
 * SHAPE    One frame a topic, newest by (step, index): a service that replays old steps after a
 *          restart does not take the value back. Bounded in topics and in bytes; what does not fit
 *          is not kept, and an older value of that topic is dropped with it, because a stale value
 *          would pass for the last.
 * MEMORY   Frames are shared with libzmq by reference, not copied.
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_RELAY_LVC_H
#define KEEL_SERVICES_RELAY_LVC_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

typedef struct relay_lvc relay_lvc;

/* Sends one kept frame on; must not keep `frame`. */
typedef void (*relay_lvc_each)(void *arg, const char *topic, zmq_msg_t *frame);

KEEL_MUST_CHECK relay_lvc *relay_lvc_new(int topics_max, int64_t bytes_max);
void relay_lvc_free(relay_lvc **lvc);

/* KEEL_OK kept, KEEL_ESTALE older than what is kept, KEEL_ENOSPC no room. */
KEEL_MUST_CHECK keel_status relay_lvc_put(relay_lvc *lvc, const char *topic, uint64_t step,
                                          uint32_t index, zmq_msg_t *frame);

/* Calls `each` for every kept topic that begins with prefix[len], in the order of first arrival;
 * returns how many. Cost: all topics. */
int relay_lvc_send(relay_lvc *lvc, const char *prefix, size_t len, relay_lvc_each each, void *arg);

int relay_lvc_topics(const relay_lvc *lvc);
int64_t relay_lvc_bytes(const relay_lvc *lvc);

#endif
