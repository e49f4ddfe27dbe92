#include "common/client/hear.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/bus/socket.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

enum { ARENA_BYTES = 1 << 20 };

/* The envelope of the next message; its topic needs no look, only one was subscribed to. */
static keel_status take(void *socket, zmq_msg_t *frame, const keel_hear_cfg *cfg, keel_err *err)
{
    if (zmq_msg_recv(frame, socket, 0) < 0)
        return keel_err_set(err, KEEL_EUNAVAIL, "%.47s: no heartbeat within %d ms at %.150s",
                            cfg->service, cfg->timeout_ms, cfg->endpoint);
    if (zmq_msg_more(frame) && zmq_msg_recv(frame, socket, 0) >= 0 && !zmq_msg_more(frame))
        return KEEL_OK;
    return keel_err_set(err, KEEL_EREFUSED, "%.150s: not a Keel outbox", cfg->endpoint);
}

static keel_status decode(zmq_msg_t *frame, const keel_hear_cfg *cfg, keel_heartbeat *beat,
                          keel_err *err)
{
    keel_envelope e;
    keel_arena arena;
    keel_arena_init(&arena, ARENA_BYTES);
    keel_status status =
        keel_wire_get_envelope(&arena, zmq_msg_data(frame), zmq_msg_size(frame), &e);
    if (status == KEEL_OK && strcmp(e.run_id, cfg->run_id) != 0)
        status = keel_err_set(err, KEEL_EREFUSED, "%.150s: is of run %.47s, not %.47s",
                              cfg->endpoint, e.run_id, cfg->run_id);
    else if (status != KEEL_OK || e.type != KEEL_PAYLOAD_HEARTBEAT ||
             keel_wire_get_heartbeat(&arena, e.payload, e.payload_len, beat) != KEEL_OK ||
             strcmp(beat->service, cfg->service) != 0)
        status = keel_err_set(err, KEEL_EREFUSED, "%.150s: not a heartbeat of %.47s", cfg->endpoint,
                              cfg->service);
    keel_arena_fini(&arena);
    return status;
}

keel_status keel_hear(const keel_hear_cfg *cfg, keel_heartbeat *beat, keel_err *err)
{
    const keel_socket_cfg plain = {.hwm = 16, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    const keel_topic_keys keys = {.key = cfg->service};
    char topic[KEEL_TOPIC_MAX];
    zmq_msg_t frame;
    if (keel_topic_make(KEEL_TOPIC_HEARTBEAT, &keys, topic) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "%.80s: not a service's name", cfg->service);
    void *ctx = zmq_ctx_new();
    KEEL_ASSERT(ctx != NULL);
    zmq_msg_init(&frame);
    keel_status status = KEEL_EIO;
    void *socket = keel_socket_new(ctx, ZMQ_SUB, &plain, err);
    if (socket != NULL)
        status = keel_socket_connect(socket, cfg->endpoint, err);
    if (status == KEEL_OK &&
        (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic)) != 0 ||
         zmq_setsockopt(socket, ZMQ_RCVTIMEO, &cfg->timeout_ms, sizeof cfg->timeout_ms) != 0))
        status = keel_err_set(err, KEEL_EIO, "cannot subscribe: %s", zmq_strerror(errno));
    if (status == KEEL_OK)
        status = take(socket, &frame, cfg, err);
    if (status == KEEL_OK)
        status = decode(&frame, cfg, beat, err);
    zmq_msg_close(&frame);
    if (socket != NULL)
        zmq_close(socket);
    zmq_ctx_term(ctx);
    return status;
}
