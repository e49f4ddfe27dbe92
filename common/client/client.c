#include "common/client/client.h"

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/client/client_internal.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum {
    ARENA_BYTES = 64 << 10, /* an envelope without its payload, or a reply */
    ASK_BYTES = 8 << 10,    /* a request in its envelope */
    SEEN_SLOTS = 4096,      /* a power of two; topics whose repeats are told apart: half of it */
    JOIN_MS = 2000,
    EVENT_BYTES = 6,
};

#define EVENTS_NAME  "inproc://keel.client.events"
#define RELAY_HEARTS "v1.hb.relay."

/* The newest message of a topic, to know a repeat by. */
typedef struct seen {
    uint64_t topic_hash; /* 0 = free */
    uint64_t step;
    uint32_t index;
} seen;

/* Replies have a socket of their own, so that asking loses nothing of what is being read. */
struct keel_client {
    char name[KEEL_SOURCE_MAX];
    char run_id[KEEL_RUN_MAX]; /* "" = not known yet */
    bool any_run;
    void *ctx;
    void *reads;   /* SUB */
    void *replies; /* SUB */
    void *asks;    /* XPUB */
    void *events;  /* PAIR: handshakes of `reads` */
    keel_arena arena;
    keel_arena reply_arena; /* keel_client_ask must not spoil the last message read */
    char topic[KEEL_TOPIC_MAX];
    zmq_msg_t frame; /* of the last message read */
    uint64_t dropped;
    int64_t epoch_ns;
    uint64_t seq;
    int seen_n;
    seen *seen; /* SEEN_SLOTS */
};

/* ---- joining ---- */

static keel_status make_sockets(keel_client *c, const client_identity *id, keel_err *err)
{
    const keel_socket_cfg cfg = {.hwm = KEEL_HWM_CLIENT,
                                 .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                                 .server_public = id->server,
                                 .client_public = id->public_key,
                                 .client_secret = id->secret_key};
    const keel_socket_cfg plain = {.hwm = 100, .msg_bytes_max = KEEL_MSG_BYTES_CLIENT};
    c->reads = keel_socket_new(c->ctx, ZMQ_SUB, &cfg, err);
    c->replies = keel_socket_new(c->ctx, ZMQ_SUB, &cfg, err);
    c->asks = keel_socket_new(c->ctx, ZMQ_XPUB, &cfg, err);
    c->events = keel_socket_new(c->ctx, ZMQ_PAIR, &plain, err);
    if (c->reads == NULL || c->replies == NULL || c->asks == NULL || c->events == NULL)
        return KEEL_EIO;
    if (zmq_socket_monitor(c->reads, EVENTS_NAME, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0)
        return keel_err_set(err, KEEL_EIO, "cannot watch the handshake: %s", zmq_strerror(errno));
    return keel_socket_connect(c->events, EVENTS_NAME, err);
}

static keel_status connect_all(keel_client *c, const keel_client_cfg *cfg, keel_err *err)
{
    char topic[KEEL_TOPIC_MAX];
    const keel_topic_keys keys = {.key = c->name};
    if (keel_topic_make(KEEL_TOPIC_REPLY, &keys, topic) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "client name \"%s\" cannot be in a topic", c->name);
    /* Before connecting: the welcome is sent once, to whoever has asked for it by then. */
    if (!client_subscribe(c->reads, CLIENT_WELCOME) ||
        !client_subscribe(c->replies, CLIENT_WELCOME) || !client_subscribe(c->replies, topic) ||
        (c->any_run && !client_subscribe(c->replies, RELAY_HEARTS)))
        return keel_err_set(err, KEEL_EIO, "cannot subscribe: %s", zmq_strerror(errno));
    KEEL_TRY(keel_socket_connect(c->reads, cfg->out_endpoint, err));
    KEEL_TRY(keel_socket_connect(c->replies, cfg->out_endpoint, err));
    return keel_socket_connect(c->asks, cfg->in_endpoint, err);
}

/* A topic and an envelope that fit each other, of the run that is wanted. */
static bool decode(keel_client *c, keel_arena *arena, const char *topic, zmq_msg_t *frame,
                   keel_envelope *out)
{
    return client_decode(arena, topic, frame, c->any_run ? NULL : c->run_id, out);
}

/* True for what was read before: the last value that the door sends again for somebody else, or a
 * step that a service replays. Streams and what is outside the steps never repeat. */
static bool is_repeat(keel_client *c, const char *topic, const keel_envelope *e)
{
    keel_topic which;
    if (e->step == 0 || keel_topic_find(topic, strlen(topic), &which) != KEEL_OK)
        return false;
    const keel_topic_class class = keel_topic_describe(which)->topic_class;
    if (class != KEEL_CLASS_STATE && class != KEEL_CLASS_RECORD)
        return false;
    const uint64_t hash = keel_hash(topic, strlen(topic)) | 1;
    size_t at = (size_t)(hash >> 1) & (SEEN_SLOTS - 1);
    while (c->seen[at].topic_hash != 0 && c->seen[at].topic_hash != hash)
        at = (at + 1) & (SEEN_SLOTS - 1);
    seen *last = &c->seen[at];
    if (last->topic_hash == hash &&
        (last->step > e->step || (last->step == e->step && last->index >= e->index)))
        return true;
    if (last->topic_hash == 0 && c->seen_n >= SEEN_SLOTS / 2)
        return false; /* more topics than are remembered: repeats pass */
    c->seen_n += last->topic_hash == 0;
    *last = (seen){hash, e->step, e->index};
    return false;
}

static void learn_run(keel_client *c, const char *topic, zmq_msg_t *frame)
{
    keel_envelope e;
    if (!c->any_run || !decode(c, &c->reply_arena, topic, frame, &e))
        return;
    memcpy(c->run_id, e.run_id, sizeof c->run_id);
    zmq_setsockopt(c->replies, ZMQ_UNSUBSCRIBE, RELAY_HEARTS, strlen(RELAY_HEARTS));
}

enum { READS_JOINED = 1, REPLIES_JOINED = 2, ASKS_JOINED = 4, RUN_KNOWN = 8, ALL_JOINED = 15 };

/* What this turn of waiting has confirmed. */
static unsigned joined_now(keel_client *c)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t message[2];
    unsigned joined = 0;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (client_take(c->reads, topic, &frame) == 1 && strcmp(topic, CLIENT_WELCOME) == 0)
        joined |= READS_JOINED;
    for (int parts; (parts = client_take(c->replies, topic, &frame)) > 0;) {
        if (parts == 1 && strcmp(topic, CLIENT_WELCOME) == 0)
            joined |= REPLIES_JOINED;
        else if (parts == 2 && c->run_id[0] == '\0')
            learn_run(c, topic, &frame);
    }
    zmq_msg_close(&frame);
    if (zmq_recv(c->asks, message, sizeof message, ZMQ_DONTWAIT) >= 1 && message[0] == 1)
        joined |= ASKS_JOINED;
    return joined | (c->run_id[0] != '\0' ? RUN_KNOWN : 0);
}

static keel_status join(keel_client *c, const keel_client_cfg *cfg, keel_err *err)
{
    uint8_t event[EVENT_BYTES];
    unsigned joined = 0;
    const int wait_ms = cfg->join_timeout_ms > 0 ? cfg->join_timeout_ms : JOIN_MS;
    const int64_t until_ns = client_mono_ns() + wait_ms * KEEL_NS_PER_MS;
    while (joined != ALL_JOINED) {
        zmq_pollitem_t items[] = {{c->reads, 0, ZMQ_POLLIN, 0},
                                  {c->replies, 0, ZMQ_POLLIN, 0},
                                  {c->asks, 0, ZMQ_POLLIN, 0},
                                  {c->events, 0, ZMQ_POLLIN, 0}};
        const int left = client_left_ms(until_ns);
        if (left == 0)
            return keel_err_set(err, KEEL_EUNAVAIL, "nobody answers at %.150s within %d ms",
                                (joined & ASKS_JOINED) == 0 ? cfg->in_endpoint : cfg->out_endpoint,
                                wait_ms);
        (void)zmq_poll(items, 4, left);
        if (zmq_recv(c->events, event, sizeof event, ZMQ_DONTWAIT) >= 0)
            return keel_err_set(err, KEEL_EREFUSED, "%.150s: the door does not accept this key",
                                cfg->secret_key);
        joined |= joined_now(c);
    }
    return KEEL_OK;
}

keel_client *keel_client_open(const keel_client_cfg *cfg, keel_err *err)
{
    client_identity id = {0};
    keel_client *c = keel_xcalloc(1, sizeof *c);
    c->any_run = cfg->run_id == NULL;
    c->epoch_ns = client_wall_ns();
    zmq_msg_init(&c->frame);
    c->seen = keel_xcalloc(SEEN_SLOTS, sizeof *c->seen);
    keel_arena_init(&c->arena, ARENA_BYTES);
    keel_arena_init(&c->reply_arena, ARENA_BYTES);
    keel_status status = keel_text_copy(c->name, sizeof c->name, cfg->name);
    if (status == KEEL_OK && !c->any_run)
        status = keel_text_copy(c->run_id, sizeof c->run_id, cfg->run_id);
    if (status != KEEL_OK)
        (void)keel_err_set(err, status, "a client's name and run are at most 47 bytes");
    if (status == KEEL_OK)
        status = client_read_keys(cfg->server_key, cfg->secret_key, &id, err);
    c->ctx = zmq_ctx_new();
    if (status == KEEL_OK)
        status = make_sockets(c, &id, err);
    if (status == KEEL_OK)
        status = connect_all(c, cfg, err);
    if (status == KEEL_OK)
        status = join(c, cfg, err);
    explicit_bzero(&id, sizeof id);
    if (status != KEEL_OK)
        keel_client_close(&c);
    return c;
}

void keel_client_close(keel_client **client)
{
    keel_client *c = *client;
    if (c == NULL)
        return;
    void *const sockets[] = {c->reads, c->replies, c->asks, c->events};
    zmq_msg_close(&c->frame);
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        if (sockets[i] != NULL)
            zmq_close(sockets[i]);
    if (c->ctx != NULL)
        zmq_ctx_term(c->ctx);
    keel_arena_fini(&c->arena);
    keel_arena_fini(&c->reply_arena);
    keel_free(&c->seen);
    keel_free(client);
}

keel_status keel_client_subscribe(keel_client *client, const char *prefix)
{
    if (strlen(prefix) >= KEEL_TOPIC_MAX)
        return KEEL_ETOOBIG;
    return client_subscribe(client->reads, prefix) ? KEEL_OK : KEEL_EIO;
}

/* Next message of `socket` that decodes, within the time. */
static keel_status next(keel_client *c, void *socket, keel_arena *arena, int64_t until_ns,
                        char topic[KEEL_TOPIC_MAX], zmq_msg_t *frame, keel_envelope *out)
{
    for (;;) {
        const int parts = client_take(socket, topic, frame);
        if (parts == 2 && decode(c, arena, topic, frame, out))
            return KEEL_OK;
        if (parts == 1 && strcmp(topic, CLIENT_WELCOME) == 0)
            continue; /* of a link that was made again */
        if (parts > 0) {
            c->dropped++;
            continue;
        }
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
        const int wait = until_ns == INT64_MAX ? -1 : client_left_ms(until_ns);
        if (wait == 0 || (zmq_poll(&item, 1, wait) < 0 && errno == EINTR))
            return KEEL_EUNAVAIL;
    }
}

keel_status keel_client_next(keel_client *client, int timeout_ms, keel_client_msg *msg)
{
    const int64_t until_ns =
        timeout_ms < 0 ? INT64_MAX : client_mono_ns() + timeout_ms * KEEL_NS_PER_MS;
    do
        KEEL_TRY(next(client, client->reads, &client->arena, until_ns, client->topic,
                      &client->frame, &msg->envelope));
    while (is_repeat(client, client->topic, &msg->envelope));
    msg->topic = client->topic;
    return KEEL_OK;
}

uint64_t keel_client_dropped(const keel_client *client)
{
    return client->dropped;
}

int keel_client_fd(const keel_client *client)
{
    int fd = -1;
    size_t size = sizeof fd;
    zmq_getsockopt(client->reads, ZMQ_FD, &fd, &size);
    return fd;
}

static keel_status send_request(keel_client *c, const keel_request *request, int timeout_ms)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t payload[ASK_BYTES / 2], frame[ASK_BYTES];
    size_t len;
    keel_request own = *request;
    memcpy(own.requester, c->name, sizeof own.requester);
    own.operator_name[0] = '\0'; /* the door writes it */
    if (own.deadline_ms == 0 && timeout_ms > 0)
        own.deadline_ms = (uint32_t)timeout_ms;
    const keel_topic_keys keys = {.key = own.service};
    KEEL_TRY(keel_topic_make(KEEL_TOPIC_REQUEST, &keys, topic));
    keel_envelope e = {.type = KEEL_PAYLOAD_REQUEST, .publish_ns = client_wall_ns()};
    KEEL_TRY(keel_wire_put_request(&own, payload, sizeof payload, &e.payload_len));
    e.payload = payload;
    memcpy(e.id.source, c->name, sizeof e.id.source);
    memcpy(e.run_id, c->run_id, sizeof e.run_id);
    e.id.epoch_ns = c->epoch_ns;
    e.id.seq = ++c->seq;
    KEEL_TRY(keel_wire_put_envelope(&e, frame, sizeof frame, &len));
    if (zmq_send(c->asks, topic, strlen(topic), ZMQ_SNDMORE) < 0 ||
        zmq_send(c->asks, frame, len, 0) < 0)
        return KEEL_EIO;
    return KEEL_OK;
}

/* Decode an envelope into *reply when it answers the newest request; KEEL_ESTALE when it answers an
 * older one, given up by now. */
static keel_status get_answer(keel_client *c, const keel_envelope *e, keel_reply *reply)
{
    char id[sizeof reply->request_id];
    if (e->type != KEEL_PAYLOAD_REPLY)
        return KEEL_ESTALE;
    KEEL_TRY(keel_wire_get_reply(&c->reply_arena, e->payload, e->payload_len, reply));
    snprintf(id, sizeof id, "%s/%lld/%llu", c->name, (long long)c->epoch_ns,
             (unsigned long long)c->seq);
    return strcmp(id, reply->request_id) == 0 ? KEEL_OK : KEEL_ESTALE;
}

keel_status keel_client_ask(keel_client *client, const keel_request *request, int timeout_ms,
                            keel_reply *reply)
{
    char topic[KEEL_TOPIC_MAX];
    keel_envelope e;
    const int64_t until_ns = client_mono_ns() + timeout_ms * KEEL_NS_PER_MS;
    KEEL_TRY(send_request(client, request, timeout_ms));
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    keel_status status;
    do {
        status = next(client, client->replies, &client->reply_arena, until_ns, topic, &frame, &e);
        if (status == KEEL_OK)
            status = get_answer(client, &e, reply);
    } while (status == KEEL_ESTALE);
    zmq_msg_close(&frame);
    return status;
}
