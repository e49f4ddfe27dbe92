/* socket.h - the one function that makes every ZeroMQ socket.
 *
 * ROOM     common/bus. Options that hurt (heartbeats of libzmq, manual XPUB, no-drop XPUB,
 *          conflate, unlimited marks) are set nowhere in the tree; tests/tidy looks for them.
 * SHAPE    LINGER 0, high-water marks and MAXMSGSIZE explicit, reconnect 10..200 ms, handshake
 *          2000 ms, TCP keepalive 1/1/1/3 and MAXRT 3000 ms: a silent or half-open peer is noticed
 *          and costs no descriptor for long.
 * THREADS  a socket belongs to the thread that made it.
 */
#ifndef KEEL_COMMON_BUS_SOCKET_H
#define KEEL_COMMON_BUS_SOCKET_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_HWM_INSIDE = 65536, /* messages; bounds memory only: gaps are found by marks */
    KEEL_HWM_CLIENT = 8192,
    KEEL_MSG_BYTES_INSIDE = 16 << 20,
    KEEL_MSG_BYTES_CLIENT = 64 << 10,
};

typedef struct keel_socket_cfg {
    int hwm;               /* send and receive; >= 1 */
    int64_t msg_bytes_max; /* largest message taken in; >= 1 */
    bool verbose;          /* XPUB: report repeated subscriptions too */
    const char *welcome;   /* XPUB: first message to every new reader; NULL = none */
    /* CURVE; all NULL = none. Server: server_secret and zap_domain. Client: the other three. */
    const char *server_secret; /* z85 */
    const char *zap_domain;
    const char *server_public;
    const char *client_public;
    const char *client_secret;
} keel_socket_cfg;

/* A socket of `type` (ZMQ_SUB ...) in `ctx`, or NULL with *err. Close with zmq_close. */
KEEL_MUST_CHECK void *keel_socket_new(void *ctx, int type, const keel_socket_cfg *cfg,
                                      keel_err *err);

/* Bind or connect; KEEL_EIO with the endpoint and the system's reason in *err. A host's name may
 * be bound as well as connected: libzmq alone binds addresses and interfaces only, and
 * "tcp://{service}:7100" has to serve both sides. */
KEEL_MUST_CHECK keel_status keel_socket_bind(void *socket, const char *endpoint, keel_err *err);
KEEL_MUST_CHECK keel_status keel_socket_connect(void *socket, const char *endpoint, keel_err *err);

/* A context for a process with `peers` peers at this endpoint template; NULL never. libzmq asks for
 * the address of a name in an I/O thread, anew at every attempt to connect, and where the name
 * server is silent that takes seconds: a peer that has gone would silence all others of its thread.
 * So over TCP each peer has a thread of its own, beside the one of everything else. */
void *keel_context_new(const char *endpoint_template, int peers);

/* Connect to peer i of a context made for more than i: over TCP in that peer's thread. */
KEEL_MUST_CHECK keel_status keel_socket_connect_peer(void *socket, const char *endpoint, int i,
                                                     keel_err *err);

/* Fill "ipc://{run}/{service}.pub". KEEL_ETOOBIG when an ipc path exceeds 107 bytes. */
KEEL_MUST_CHECK keel_status keel_endpoint_make(const char *template_text, const char *run,
                                               const char *service, char *out, size_t cap);

#endif
