#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/bus/bus.h"
#include "common/bus/socket.h"
#include "common/domain/allocation.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <zmq.h>

typedef struct zmq_bus {
    void *ctx;
    void *pub; /* XPUB, bound */
    void *sub; /* SUB, connected to all peers */
    int pub_fd;
    int sub_fd;
    bool pub_idle; /* nothing was left in it and it was not touched since: its descriptor tells */
    bool sub_idle;
    char topic[KEEL_TOPIC_MAX];
    zmq_msg_t body; /* of the last received frame */
} zmq_bus;

static void bus_publish(void *self, const char *topic, const uint8_t *frame, size_t len)
{
    zmq_bus *b = self;
    b->pub_idle = false;
    if (zmq_send(b->pub, topic, strlen(topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_send(b->pub, frame, len, 0);
}

static void bus_subscribe(void *self, const char *prefix)
{
    zmq_bus *b = self;
    b->sub_idle = false;
    KEEL_ASSERT(zmq_setsockopt(b->sub, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) == 0);
}

/* Take one multipart message; false when it is not [topic][envelope]. */
static bool take_parts(zmq_bus *b, int topic_len)
{
    int more = 0, parts = 1;
    size_t size = sizeof more;
    zmq_getsockopt(b->sub, ZMQ_RCVMORE, &more, &size);
    while (more) {
        if (zmq_msg_recv(&b->body, b->sub, ZMQ_DONTWAIT) < 0)
            return false;
        more = zmq_msg_more(&b->body);
        parts++;
    }
    if (parts != 2 || topic_len >= KEEL_TOPIC_MAX)
        return false;
    b->topic[topic_len] = '\0';
    return strlen(b->topic) == (size_t)topic_len;
}

static keel_status bus_receive(void *self, keel_bus_frame *out)
{
    zmq_bus *b = self;
    static const uint8_t nothing[1];
    const int n = zmq_recv(b->sub, b->topic, sizeof b->topic - 1, ZMQ_DONTWAIT);
    b->sub_idle = n < 0 && errno == EAGAIN;
    if (n < 0)
        return KEEL_EUNAVAIL;
    if (take_parts(b, n))
        *out = (keel_bus_frame){b->topic, zmq_msg_data(&b->body), zmq_msg_size(&b->body)};
    else /* so that whoever counts what is malformed counts it too */
        *out = (keel_bus_frame){"", nothing, 0};
    return KEEL_OK;
}

static keel_status bus_joined(void *self, char *out, size_t cap)
{
    zmq_bus *b = self;
    uint8_t message[KEEL_TOPIC_MAX + 1];
    for (;;) {
        const int n = zmq_recv(b->pub, message, sizeof message, ZMQ_DONTWAIT);
        b->pub_idle = n < 0 && errno == EAGAIN;
        if (n < 0)
            return KEEL_EUNAVAIL;
        if (n < 1 || (size_t)n > sizeof message || (size_t)n > cap || message[0] != 1)
            continue; /* an unsubscription, or nothing of ours */
        memcpy(out, message + 1, (size_t)n - 1);
        out[n - 1] = '\0';
        return KEEL_OK;
    }
}

static void bus_close(void *self)
{
    zmq_bus *b = self;
    zmq_msg_close(&b->body);
    if (b->pub != NULL)
        zmq_close(b->pub);
    if (b->sub != NULL)
        zmq_close(b->sub);
    zmq_ctx_term(b->ctx);
    keel_free(&b);
}

static const keel_bus_ops ops = {bus_publish, bus_subscribe, bus_receive, bus_joined, bus_close};

static int descriptor(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    KEEL_ASSERT(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

keel_status keel_bus_zmq_open(const keel_bus_zmq_cfg *cfg, keel_bus *bus, keel_err *err)
{
    const keel_socket_cfg inside = {
        .hwm = KEEL_HWM_INSIDE, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE, .verbose = true};
    zmq_bus *b = keel_xcalloc(1, sizeof *b);
    keel_status status = KEEL_EIO;
    b->ctx = keel_context_new(cfg->outbox, cfg->peers_n);
    zmq_msg_init(&b->body);
    b->pub = keel_socket_new(b->ctx, ZMQ_XPUB, &inside, err);
    b->sub = keel_socket_new(b->ctx, ZMQ_SUB, &inside, err);
    if (b->pub == NULL || b->sub == NULL)
        goto out;
    status = keel_socket_bind(b->pub, cfg->outbox, err);
    for (int i = 0; i < cfg->peers_n && status == KEEL_OK; i++)
        status = keel_socket_connect_peer(b->sub, cfg->peers[i], i, err);
    b->pub_fd = descriptor(b->pub);
    b->sub_fd = descriptor(b->sub);
    if (status == KEEL_OK) {
        *bus = (keel_bus){b, &ops};
        return KEEL_OK;
    }
out:
    bus_close(b);
    return status;
}

/* Something to be taken, in a socket whose descriptor may already have said so. */
static bool has_input(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    KEEL_ASSERT(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0);
    return (events & ZMQ_POLLIN) != 0;
}

/* zmq_poll asks every socket twice and the system three times for one wait. The descriptors say
 * when something is new, but only once; so what was touched since it was last found empty is
 * asked. */
bool keel_bus_zmq_wait(const keel_bus *bus, int extra_fd, int timeout_ms)
{
    const zmq_bus *b = bus->self;
    struct pollfd items[3] = {
        {b->sub_fd, POLLIN, 0}, {b->pub_fd, POLLIN, 0}, {extra_fd, POLLIN, 0}};
    if ((!b->sub_idle && has_input(b->sub)) || (!b->pub_idle && has_input(b->pub)))
        timeout_ms = 0;
    if (poll(items, extra_fd >= 0 ? 3 : 2, timeout_ms) < 0)
        return false;
    return extra_fd >= 0 && (items[2].revents & POLLIN) != 0;
}
