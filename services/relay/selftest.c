/* libzmq 4.3.4 fails open: without a handler, or with a dead one, every key is let in. So a door is
 * opened only after a stranger was seen to be refused by an equal one. */
#include "common/bus/socket.h"
#include "services/relay/door.h"
#include "services/relay/zap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { VERDICT_MS = 3000, EVENT_BYTES = 6 };

#define VERDICTS                                                                                   \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                             \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)

typedef struct trial {
    void *server;
    void *stranger;
    void *events;
} trial;

static keel_status set_up(void *ctx, const char *door_secret, const char *door_public,
                          const char *endpoint, trial *t, keel_err *err)
{
    char public[41], secret[41], events[80];
    if (zmq_curve_keypair(public, secret) != 0)
        return keel_err_set(err, KEEL_EIO, "libzmq has no CURVE");
    const keel_socket_cfg server = {.hwm = 100,
                                    .msg_bytes_max = KEEL_MSG_BYTES_CLIENT,
                                    .welcome = RELAY_WELCOME,
                                    .server_secret = door_secret,
                                    .zap_domain = RELAY_DOMAIN_OUT};
    const keel_socket_cfg stranger = {.hwm = 100,
                                      .msg_bytes_max = KEEL_MSG_BYTES_CLIENT,
                                      .server_public = door_public,
                                      .client_public = public,
                                      .client_secret = secret};
    const keel_socket_cfg plain = {.hwm = 100, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    t->server = keel_socket_new(ctx, ZMQ_XPUB, &server, err);
    t->stranger = keel_socket_new(ctx, ZMQ_SUB, &stranger, err);
    t->events = keel_socket_new(ctx, ZMQ_PAIR, &plain, err);
    if (t->server == NULL || t->stranger == NULL || t->events == NULL)
        return KEEL_EIO;
    snprintf(events, sizeof events, "inproc://keel.relay.try.%s", public); /* one name a trial */
    if (zmq_socket_monitor(t->stranger, events, VERDICTS) != 0)
        return keel_err_set(err, KEEL_EIO, "cannot watch a handshake");
    KEEL_TRY(keel_socket_connect(t->events, events, err));
    KEEL_TRY(keel_socket_bind(t->server, endpoint, err));
    zmq_setsockopt(t->stranger, ZMQ_SUBSCRIBE, "", 0);
    return keel_socket_connect(t->stranger, endpoint, err);
}

static keel_status verdict(const trial *t, keel_err *err)
{
    uint8_t event[EVENT_BYTES];
    uint16_t what = 0;
    zmq_pollitem_t item = {t->events, 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, VERDICT_MS) == 1 &&
        zmq_recv(t->events, event, sizeof event, 0) == EVENT_BYTES)
        memcpy(&what, event, sizeof what);
    if (what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EREFUSED, "self-test: %s; the door stays shut",
                        what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED
                            ? "a key made up here was let in"
                            : "a key made up here got no verdict");
}

keel_status relay_self_test(void *ctx, const char *door_secret, const char *door_public,
                            const char *dir, keel_err *err)
{
    char endpoint[256];
    trial t = {0};
    if (keel_endpoint_make("ipc://{run}/door-try.sock", dir, "relay", endpoint, sizeof endpoint) !=
        KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "run.dir: too long for a socket");
    keel_status status = set_up(ctx, door_secret, door_public, endpoint, &t, err);
    if (status == KEEL_OK)
        status = verdict(&t, err);
    void *const sockets[] = {t.stranger, t.events, t.server};
    for (size_t i = 0; i < 3; i++)
        if (sockets[i] != NULL)
            zmq_close(sockets[i]);
    unlink(endpoint + strlen("ipc://"));
    return status;
}
