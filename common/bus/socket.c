#include "common/bus/socket.h"

#include "common/base/assert.h"
#include "common/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

enum { IPC_PATH_MAX = 107, HOST_MAX = 256, PEERS_MAX = 63 };

#define TCP "tcp://"

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_text(void *socket, int option, const char *value)
{
    return value == NULL || zmq_setsockopt(socket, option, value, strlen(value)) == 0;
}

/* By which of the context's I/O threads the next connections of a socket are served. */
static bool set_thread(void *s, int i)
{
    const uint64_t mask = UINT64_C(1) << i;
    return zmq_setsockopt(s, ZMQ_AFFINITY, &mask, sizeof mask) == 0;
}

static bool set_common(void *s, const keel_socket_cfg *cfg)
{
    return set_thread(s, 0) && set_int(s, ZMQ_LINGER, 0) && set_int(s, ZMQ_SNDHWM, cfg->hwm) &&
           set_int(s, ZMQ_RCVHWM, cfg->hwm) && set_int(s, ZMQ_RECONNECT_IVL, 10) &&
           set_int(s, ZMQ_RECONNECT_IVL_MAX, 200) && set_int(s, ZMQ_HANDSHAKE_IVL, 2000) &&
           set_int(s, ZMQ_TCP_KEEPALIVE, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 1) &&
           set_int(s, ZMQ_TCP_KEEPALIVE_INTVL, 1) && set_int(s, ZMQ_TCP_KEEPALIVE_CNT, 3) &&
           set_int(s, ZMQ_TCP_MAXRT, 3000) &&
           zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &cfg->msg_bytes_max, sizeof cfg->msg_bytes_max) == 0;
}

static bool set_curve(void *s, const keel_socket_cfg *cfg)
{
    if (cfg->server_secret != NULL)
        return set_int(s, ZMQ_CURVE_SERVER, 1) &&
               set_text(s, ZMQ_CURVE_SECRETKEY, cfg->server_secret) &&
               set_text(s, ZMQ_ZAP_DOMAIN, cfg->zap_domain);
    return set_text(s, ZMQ_CURVE_SERVERKEY, cfg->server_public) &&
           set_text(s, ZMQ_CURVE_PUBLICKEY, cfg->client_public) &&
           set_text(s, ZMQ_CURVE_SECRETKEY, cfg->client_secret);
}

void *keel_socket_new(void *ctx, int type, const keel_socket_cfg *cfg, keel_err *err)
{
    KEEL_ASSERT(cfg->hwm > 0 && cfg->msg_bytes_max > 0);
    void *s = zmq_socket(ctx, type);
    if (s == NULL) {
        (void)keel_err_set(err, KEEL_EIO, "cannot make a socket: %s", zmq_strerror(errno));
        return NULL;
    }
    bool ok = set_common(s, cfg) && set_curve(s, cfg);
    if (ok && type == ZMQ_XPUB)
        ok = set_int(s, ZMQ_XPUB_VERBOSE, cfg->verbose) &&
             set_text(s, ZMQ_XPUB_WELCOME_MSG, cfg->welcome);
    if (!ok) {
        (void)keel_err_set(err, KEEL_EIO, "cannot set a socket's options: %s", zmq_strerror(errno));
        zmq_close(s);
        return NULL;
    }
    return s;
}

/* "tcp://name:port" with the first IPv4 address of the name; false when it has none. */
static bool with_address(const char *endpoint, char *out, size_t cap)
{
    char host[HOST_MAX], number[INET_ADDRSTRLEN];
    const struct addrinfo want = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    size_t len = 0;
    const char *port = strrchr(endpoint, ':');
    if (strncmp(endpoint, TCP, strlen(TCP)) != 0 || port < endpoint + strlen(TCP))
        return false;
    if (!keel_text_add(host, sizeof host, &len, "%.*s", (int)(port - endpoint - (int)strlen(TCP)),
                       endpoint + strlen(TCP)) ||
        getaddrinfo(host, NULL, &want, &found) != 0)
        return false;
    const bool ok = getnameinfo(found->ai_addr, found->ai_addrlen, number, sizeof number, NULL, 0,
                                NI_NUMERICHOST) == 0;
    freeaddrinfo(found);
    len = 0;
    return ok && keel_text_add(out, cap, &len, TCP "%s%s", number, port);
}

keel_status keel_socket_bind(void *socket, const char *endpoint, keel_err *err)
{
    char numeric[HOST_MAX];
    int code = zmq_bind(socket, endpoint);
    if (code != 0 && errno == ENODEV && with_address(endpoint, numeric, sizeof numeric))
        code = zmq_bind(socket, numeric);
    if (code != 0)
        return keel_err_set(err, KEEL_EIO, "cannot bind %s: %s", endpoint, zmq_strerror(errno));
    return KEEL_OK;
}

keel_status keel_socket_connect(void *socket, const char *endpoint, keel_err *err)
{
    if (zmq_connect(socket, endpoint) != 0)
        return keel_err_set(err, KEEL_EIO, "cannot connect %s: %s", endpoint, zmq_strerror(errno));
    return KEEL_OK;
}

void *keel_context_new(const char *endpoint_template, int peers)
{
    void *ctx = zmq_ctx_new();
    KEEL_ASSERT(ctx != NULL && peers >= 0 && peers <= PEERS_MAX);
    if (strncmp(endpoint_template, TCP, strlen(TCP)) == 0)
        KEEL_ASSERT(zmq_ctx_set(ctx, ZMQ_IO_THREADS, 1 + peers) == 0);
    return ctx;
}

keel_status keel_socket_connect_peer(void *socket, const char *endpoint, int i, keel_err *err)
{
    KEEL_ASSERT(i >= 0 && i < PEERS_MAX);
    if (strncmp(endpoint, TCP, strlen(TCP)) == 0 && !set_thread(socket, 1 + i))
        return keel_err_set(err, KEEL_EIO, "%s: %s", endpoint, zmq_strerror(errno));
    return keel_socket_connect(socket, endpoint, err);
}

keel_status keel_endpoint_make(const char *template_text, const char *run, const char *service,
                               char *out, size_t cap)
{
    size_t len = 0;
    bool fits = cap > 0;
    for (const char *at = template_text; fits && *at != '\0';) {
        const char *value = NULL;
        if (strncmp(at, "{run}", 5) == 0) {
            value = run;
            at += 5;
        } else if (strncmp(at, "{service}", 9) == 0) {
            value = service;
            at += 9;
        }
        fits = value != NULL ? keel_text_add(out, cap, &len, "%s", value)
                             : keel_text_add(out, cap, &len, "%c", *at++);
    }
    if (!fits || (strncmp(out, "ipc://", 6) == 0 && len - 6 > IPC_PATH_MAX))
        return KEEL_ETOOBIG;
    return KEEL_OK;
}
