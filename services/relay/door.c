#include "services/relay/door.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/service/names.h"
#include "common/wire/wire.h"
#include "services/relay/admit.h"
#include "services/relay/alerts.h"
#include "services/relay/lvc.h"
#include "services/relay/replies.h"
#include "services/relay/zap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    BATCH = 256, /* messages of one socket in a turn, so that none starves the others */
    ARENA_BYTES = 1 << 20,
    FRAME_BYTES = 96 << 10, /* requests, replies and heartbeats of the relay's own making */
    ENDPOINT_BYTES = 256,
    FOLDER_BYTES = 128,
    EVENT_BYTES = 6,
};

#define HEARTBEAT_NS (100 * KEEL_NS_PER_MS)
#define WATCHED                                                                                    \
    (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                  \
     ZMQ_EVENT_DISCONNECTED)

enum { IN_INSIDE, OUT_INSIDE, OUT, IN, EVENTS_OUT, EVENTS_IN, SOCKETS };

struct relay_door {
    relay_door_cfg cfg;
    keel_key_pair pair; /* the door's own */
    keel_keys *keys;    /* owned */
    relay_alerts *alerts;
    void *ctx;
    relay_zap *zap;
    void *sockets[SOCKETS];
    relay_lvc *lvc;
    relay_replies *recent;
    keel_arena arena;
    uint8_t *frame; /* FRAME_BYTES */
    int64_t epoch_ns;
    int64_t heartbeat_due_ns;
    uint64_t heartbeats;
    uint64_t replies;
    uint64_t acks;
    uint64_t step_seen;
    uint64_t keys_refused; /* as counted so far */
    uint64_t keys_unread;
    bool wants_end;
};

#define FIELD(member) offsetof(relay_door_cfg, member)
static const keel_cfg_row rows[] = {
    {KEEL_CFG_T_STR, "relay.out", FIELD(out), "ipc://{run}/door-out.sock", "1", "200", "",
     "clients read here"},
    {KEEL_CFG_T_STR, "relay.in", FIELD(in), "ipc://{run}/door-in.sock", "1", "200", "",
     "clients send here"},
    {KEEL_CFG_T_STR, "relay.out_tcp", FIELD(out_tcp), "", NULL, "200", "",
     "clients read here too, e.g. tcp://127.0.0.1:7180; empty = not"},
    {KEEL_CFG_T_STR, "relay.in_tcp", FIELD(in_tcp), "", NULL, "200", "",
     "clients send here too, e.g. tcp://127.0.0.1:7181; empty = not"},
    {KEEL_CFG_T_INT, "relay.cache_topics", FIELD(cache_topics), "4096", "1", "65536", "topics",
     "last values kept for who comes late"},
    {KEEL_CFG_T_INT, "relay.cache_mib", FIELD(cache_mib), "256", "1", "4096", "MiB",
     "memory of the last values"},
    KEEL_CFG_END,
};

const keel_cfg_row *relay_door_rows(void)
{
    return rows;
}

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static int64_t clock_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / KEEL_NS_PER_MS;
}

/* ---- out ---- */

static void send_out(void *arg, const char *topic, zmq_msg_t *frame)
{
    relay_door *door = arg;
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    if (zmq_msg_copy(&copy, frame) == 0 &&
        zmq_send(door->sockets[OUT], topic, strlen(topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_msg_send(&copy, door->sockets[OUT], 0);
    zmq_msg_close(&copy);
}

/* A message of the relay's own: outside, and heartbeats inside too, where the services listen.
 * Replies are kept for who subscribes late. */
static void publish_own(relay_door *door, keel_topic which, const char *key,
                        const keel_envelope *envelope)
{
    char topic[KEEL_TOPIC_MAX];
    size_t len;
    const keel_topic_keys names = {.key = key};
    if (keel_topic_make(which, &names, topic) != KEEL_OK ||
        keel_wire_put_envelope(envelope, door->frame, FRAME_BYTES, &len) != KEEL_OK) {
        keel_count(door->cfg.obs, "own_not_encoded", 1);
        return;
    }
    for (int i = which == KEEL_TOPIC_HEARTBEAT ? OUT_INSIDE : OUT; i <= OUT; i++)
        if (zmq_send(door->sockets[i], topic, strlen(topic), ZMQ_SNDMORE) >= 0)
            (void)zmq_send(door->sockets[i], door->frame, len, 0);
    zmq_msg_t kept;
    if (which != KEEL_TOPIC_REPLY || zmq_msg_init_size(&kept, len) != 0)
        return;
    memcpy(zmq_msg_data(&kept), door->frame, len);
    relay_replies_put(door->recent, topic, &kept, clock_ms());
    zmq_msg_close(&kept);
}

static keel_envelope own_envelope(const relay_door *door, keel_payload type, uint64_t seq)
{
    keel_envelope e = {.type = type, .publish_ns = clock_ns(CLOCK_REALTIME)};
    snprintf(e.id.source, sizeof e.id.source, "relay");
    snprintf(e.run_id, sizeof e.run_id, "%s", door->cfg.run_id);
    e.id.epoch_ns = door->epoch_ns;
    e.id.seq = seq;
    return e;
}

static void heartbeat(relay_door *door)
{
    keel_arena_reset(&door->arena);
    keel_heartbeat *beat = keel_arena_take(&door->arena, 1, sizeof *beat);
    uint8_t *payload = keel_arena_take(&door->arena, FRAME_BYTES / 2, 1);
    size_t len;
    KEEL_ASSERT(beat != NULL && payload != NULL);
    snprintf(beat->service, sizeof beat->service, "relay");
    beat->state = KEEL_STATE_RUNNING;
    beat->lockstep = door->cfg.lockstep;
    beat->pid = getpid();
    if (keel_wire_put_heartbeat(beat, payload, FRAME_BYTES / 2, &len) != KEEL_OK) {
        keel_count(door->cfg.obs, "own_not_encoded", 1);
        return;
    }
    keel_envelope e = own_envelope(door, KEEL_PAYLOAD_HEARTBEAT, ++door->heartbeats);
    e.payload = payload;
    e.payload_len = len;
    publish_own(door, KEEL_TOPIC_HEARTBEAT, "relay", &e);
}

/* ---- from inside ---- */

/* What only services say to each other, and what clients say to them: whoever reads outside gets
 * none of it. */
static bool stays_inside(keel_topic which)
{
    return which == KEEL_TOPIC_REQUEST || which == KEEL_TOPIC_RESEND ||
           which == KEEL_TOPIC_SIGNAL || which == KEEL_TOPIC_HELLO || which == KEEL_TOPIC_RECEIPT;
}

/* Keep the newest of what late readers need; true when the frame may go out. */
static bool judge_inside(relay_door *door, const char *topic, size_t topic_len, zmq_msg_t *frame)
{
    keel_topic which;
    keel_envelope e;
    keel_arena_reset(&door->arena);
    if (keel_topic_find(topic, topic_len, &which) != KEEL_OK ||
        keel_wire_get_envelope(&door->arena, zmq_msg_data(frame), zmq_msg_size(frame), &e) !=
            KEEL_OK ||
        e.type != keel_topic_describe(which)->payload) {
        keel_count(door->cfg.obs, "inside_malformed", 1);
        return false;
    }
    if (strcmp(e.run_id, door->cfg.run_id) != 0) {
        keel_count(door->cfg.obs, "inside_other_run", 1);
        return false;
    }
    if (stays_inside(which)) {
        keel_count(door->cfg.obs, "inside_kept", 1);
        return false;
    }
    if (which == KEEL_TOPIC_REPLY)
        relay_replies_put(door->recent, topic, frame, clock_ms());
    const keel_topic_class class = keel_topic_describe(which)->topic_class;
    if ((class == KEEL_CLASS_STATE || class == KEEL_CLASS_RECORD) &&
        relay_lvc_put(door->lvc, topic, e.step, e.index, frame) == KEEL_ENOSPC)
        keel_count(door->cfg.obs, "cache_full", 1);
    return true;
}

/* Read what is left of a message whose first frame was taken; false when more than `frame` came. */
static bool take_frame(void *socket, zmq_msg_t *frame)
{
    int more = 0, parts = 0;
    size_t size = sizeof more;
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    while (more) {
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            return false;
        more = zmq_msg_more(frame);
        parts++;
    }
    return parts == 1;
}

static bool from_inside(relay_door *door)
{
    char topic[KEEL_TOPIC_MAX];
    const int n = zmq_recv(door->sockets[IN_INSIDE], topic, sizeof topic - 1, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    const bool whole = take_frame(door->sockets[IN_INSIDE], &frame);
    const size_t len = (size_t)n < sizeof topic ? (size_t)n : 0;
    topic[len] = '\0';
    if (!whole)
        keel_count(door->cfg.obs, "inside_malformed", 1);
    else if (judge_inside(door, topic, len, &frame) &&
             zmq_send(door->sockets[OUT], topic, len, ZMQ_SNDMORE) >= 0) {
        keel_count(door->cfg.obs, "messages_out", 1);
        (void)zmq_msg_send(&frame, door->sockets[OUT], 0);
    }
    zmq_msg_close(&frame);
    return true;
}

/* ---- from readers: subscriptions ---- */

static bool from_reader(relay_door *door)
{
    uint8_t message[KEEL_TOPIC_MAX + 1];
    const int n = zmq_recv(door->sockets[OUT], message, sizeof message, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    if (n < 1 || (size_t)n > sizeof message || message[0] > 1) {
        keel_count(door->cfg.obs, "out_malformed", 1);
        return true;
    }
    if (message[0] == 0)
        return true;
    keel_count(door->cfg.obs, "subscriptions", 1);
    const char *prefix = (const char *)message + 1;
    const size_t len = (size_t)n - 1;
    const int sent = relay_lvc_send(door->lvc, prefix, len, send_out, door) +
                     relay_replies_send(door->recent, prefix, len, clock_ms(), send_out, door);
    keel_count(door->cfg.obs, "last_values_out", (uint64_t)sent);
    return true;
}

/* ---- from those who ask ---- */

static void fill_status(const relay_door *door, keel_status_report *s)
{
    const keel_obs *obs = door->cfg.obs;
    snprintf(s->service, sizeof s->service, "relay");
    snprintf(s->version, sizeof s->version, "%s", KEEL_VERSION);
    s->state = KEEL_STATE_RUNNING;
    s->started_ns = door->epoch_ns;
    s->pid = getpid();
    s->ring_bytes = (uint64_t)relay_lvc_bytes(door->lvc);
    s->counters_n = keel_counters(obs) < KEEL_COUNTERS_MAX ? keel_counters(obs) : KEEL_COUNTERS_MAX;
    for (int i = 0; i < s->counters_n; i++) {
        snprintf(s->counters[i].name, sizeof s->counters[i].name, "%s", keel_counter_name(obs, i));
        s->counters[i].value = keel_counter_value(obs, i);
    }
}

/* An empty reply to a request, in the arena, which is the relay's own again: what a client sent may
 * have filled it. */
static keel_reply *begin_reply(relay_door *door, const relay_admission *in)
{
    keel_arena_reset(&door->arena);
    keel_reply *reply = keel_arena_take(&door->arena, 1, sizeof *reply);
    const keel_message_id *id = &in->envelope.id;
    KEEL_ASSERT(reply != NULL);
    memcpy(reply->requester, in->request.requester, sizeof reply->requester);
    snprintf(reply->request_id, sizeof reply->request_id, "%s/%lld/%llu", id->source,
             (long long)id->epoch_ns, (unsigned long long)id->seq);
    return reply;
}

static void send_reply(relay_door *door, const relay_admission *in, const keel_reply *reply)
{
    uint8_t *payload = keel_arena_take(&door->arena, FRAME_BYTES / 2, 1);
    size_t len;
    KEEL_ASSERT(payload != NULL);
    if (keel_wire_put_reply(reply, payload, FRAME_BYTES / 2, &len) != KEEL_OK) {
        keel_count(door->cfg.obs, "own_not_encoded", 1);
        return;
    }
    keel_envelope e = own_envelope(door, KEEL_PAYLOAD_REPLY, ++door->replies);
    e.cause = in->envelope.id;
    memcpy(e.trace_id, in->envelope.trace_id, sizeof e.trace_id);
    e.payload = payload;
    e.payload_len = len;
    publish_own(door, KEEL_TOPIC_REPLY, reply->requester, &e);
}

/* Requests to the relay itself. */
static void answer(relay_door *door, const relay_admission *in)
{
    keel_reply *reply = begin_reply(door, in);
    reply->ok = true;
    if (in->request.ask == KEEL_ASK_STATUS) {
        reply->has_status = true;
        fill_status(door, &reply->status);
    } else if (in->request.ask == KEEL_ASK_RESET_COUNTERS) {
        keel_counters_reset(door->cfg.obs);
    } else if (in->request.ask == KEEL_ASK_LOG_LEVEL) {
        keel_obs_level(door->cfg.obs, (keel_log_level)in->request.log_level);
    } else if (in->request.ask == KEEL_ASK_SHUTDOWN) {
        door->wants_end = true;
    } else if (in->request.ask != KEEL_ASK_PING) {
        reply->ok = false;
        snprintf(reply->error, sizeof reply->error, "%s: the relay keeps no state to do it with",
                 keel_ask_name(in->request.ask));
    }
    send_reply(door, in, reply);
}

/* Who asks as itself, but for what its key has no right to, is told so instead of left waiting. */
static void tell_no_right(relay_door *door, const relay_admission *in)
{
    keel_reply *reply = begin_reply(door, in);
    snprintf(reply->error, sizeof reply->error, "key %s has no right to ask for %s", in->key->name,
             keel_ask_name(in->request.ask));
    send_reply(door, in, reply);
}

/* ---- from those who send ---- */

/* A frame that the coordinator never sees is answered here, under the strategy's own topic. */
static void tell_strategy(relay_door *door, const relay_admission *in, relay_verdict verdict)
{
    uint8_t payload[1024];
    size_t len;
    const char *strategy = relay_admission_strategy(in);
    const char *why = relay_verdict_sentence(verdict);
    keel_ack ack = {.epoch_ns = in->envelope.id.epoch_ns > 0 ? in->envelope.id.epoch_ns : 0};
    if (strategy == NULL || why == NULL)
        return;
    snprintf(ack.strategy, sizeof ack.strategy, "%s", strategy);
    keel_reason_set(&ack.refusal, KEEL_REASON_MALFORMED, "%s", why);
    if (keel_wire_put_ack(&ack, payload, sizeof payload, &len) != KEEL_OK) {
        keel_count(door->cfg.obs, "own_not_encoded", 1);
        return;
    }
    keel_envelope e = own_envelope(door, KEEL_PAYLOAD_ACK, ++door->acks);
    e.payload = payload;
    e.payload_len = len;
    publish_own(door, KEEL_TOPIC_ACK, ack.strategy, &e);
}

static void refuse(relay_door *door, const relay_knock *knock, const relay_admission *in,
                   relay_verdict verdict)
{
    const char *why = relay_verdict_counter(verdict);
    const char *user = knock->user != NULL ? knock->user : "none";
    keel_count(door->cfg.obs, why, 1);
    const bool tell = relay_alert(door->alerts, door->cfg.obs, clock_ms(),
                                  in->key != NULL ? in->key->name : user, why);
    if (verdict == RELAY_NO_RIGHT && in->which == KEEL_TOPIC_REQUEST)
        tell_no_right(door, in);
    else if (tell)
        tell_strategy(door, in, verdict);
}

static void take_request(relay_door *door, const relay_admission *in)
{
    /* A health check asks every few seconds: counted, and logged for who looks closer. */
    const bool asks_only = in->request.ask == KEEL_ASK_PING || in->request.ask == KEEL_ASK_STATUS;
    keel_log(door->cfg.obs, asks_only ? KEEL_LOG_DEBUG : KEEL_LOG_INFO, "request",
             "ask=%s service=%s key=%s", keel_ask_name(in->request.ask), in->request.service,
             in->key->name);
    if (strcmp(in->request.service, "relay") == 0)
        answer(door, in);
    else if (zmq_send(door->sockets[OUT_INSIDE], in->topic, strlen(in->topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_send(door->sockets[OUT_INSIDE], door->frame, in->len, 0);
}

static void take_knock(relay_door *door, const relay_knock *knock, zmq_msg_t *frame)
{
    relay_admission in;
    const relay_gate gate = {door->keys, door->cfg.run_id, &door->arena, door->frame, FRAME_BYTES};
    const relay_verdict verdict = relay_admit(&gate, knock, clock_ns(CLOCK_REALTIME), &in);
    if (verdict != RELAY_ADMITTED) {
        refuse(door, knock, &in, verdict);
        return;
    }
    keel_count(door->cfg.obs, in.counter, 1);
    if (in.which == KEEL_TOPIC_REQUEST) {
        take_request(door, &in);
        return;
    }
    if (zmq_send(door->sockets[OUT_INSIDE], in.topic, strlen(in.topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_msg_send(frame, door->sockets[OUT_INSIDE], 0);
}

static bool from_sender(relay_door *door)
{
    uint8_t topic[KEEL_TOPIC_MAX];
    const int n = zmq_recv(door->sockets[IN], topic, sizeof topic, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    const bool whole = take_frame(door->sockets[IN], &frame) && (size_t)n < sizeof topic;
    const relay_knock knock = {zmq_msg_gets(&frame, "User-Id"), topic, (size_t)n,
                               zmq_msg_data(&frame), zmq_msg_size(&frame)};
    if (whole) {
        take_knock(door, &knock, &frame);
    } else {
        const relay_admission in = {
            .which = KEEL_TOPIC_COUNT,
            .key = knock.user != NULL ? keel_keys_find(door->keys, knock.user) : NULL};
        refuse(door, &knock, &in, RELAY_MALFORMED);
    }
    zmq_msg_close(&frame);
    return true;
}

/* ---- handshakes that did not come to a key, and ends ---- */

static bool from_events(relay_door *door, int which)
{
    uint8_t event[EVENT_BYTES];
    uint16_t what;
    const int n = zmq_recv(door->sockets[which], event, sizeof event, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    zmq_msg_t endpoint;
    zmq_msg_init(&endpoint);
    (void)take_frame(door->sockets[which], &endpoint);
    zmq_msg_close(&endpoint);
    if (n < EVENT_BYTES)
        return true;
    memcpy(&what, event, sizeof what);
    keel_count(door->cfg.obs,
               what == ZMQ_EVENT_DISCONNECTED ? "disconnected" : "handshakes_refused", 1);
    return true;
}

static void count_refused_keys(relay_door *door)
{
    const uint64_t now = relay_zap_refused(door->zap);
    if (now == door->keys_refused)
        return;
    keel_count(door->cfg.obs, "keys_refused", now - door->keys_refused);
    relay_alert(door->alerts, door->cfg.obs, clock_ms(), "none", "unknown_key");
    door->keys_refused = now;
}

/* Keys that came, went, or have other rights now; between frames, never within one. */
static void adopt_keys(relay_door *door)
{
    const uint64_t unread = relay_zap_unread(door->zap);
    keel_keys *fresh = relay_zap_news(door->zap);
    if (unread != door->keys_unread) {
        keel_count(door->cfg.obs, "keys_unread", unread - door->keys_unread);
        keel_log(door->cfg.obs, KEEL_LOG_ERROR, "keys_unread",
                 "the keys that were known stay in force");
        door->keys_unread = unread;
    }
    if (fresh == NULL)
        return;
    keel_keys_free(&door->keys);
    door->keys = fresh;
    keel_count(door->cfg.obs, "keys_loaded", 1);
    keel_log(door->cfg.obs, KEEL_LOG_INFO, "keys", "n=%d refused=%d", fresh->n, fresh->refused_n);
    if (fresh->refused_n > 0)
        keel_log(door->cfg.obs, KEEL_LOG_ERROR, "bad_key", "reason=%s",
                 keel_obs_quote(door->cfg.obs, fresh->refused.text));
}

/* Asking a socket that is empty costs system calls. */
static bool is_ready(const zmq_pollitem_t *item)
{
    return (item->revents & ZMQ_POLLIN) != 0;
}

bool relay_door_turn(relay_door *door, int extra_fd, int timeout_ms)
{
    zmq_pollitem_t items[SOCKETS + 1] = {0};
    const int64_t left_ns = door->heartbeat_due_ns - clock_ns(CLOCK_MONOTONIC);
    const int64_t left_ms = left_ns <= 0 ? 0 : (left_ns + KEEL_NS_PER_MS - 1) / KEEL_NS_PER_MS;
    for (int i = 0; i < SOCKETS; i++)
        items[i] = (zmq_pollitem_t){door->sockets[i], 0, ZMQ_POLLIN, 0};
    items[SOCKETS] = (zmq_pollitem_t){NULL, extra_fd, ZMQ_POLLIN, 0};
    (void)zmq_poll(items, extra_fd >= 0 ? SOCKETS + 1 : SOCKETS,
                   left_ms < timeout_ms ? left_ms : timeout_ms);
    adopt_keys(door);
    uint8_t spare[KEEL_TOPIC_MAX + 1]; /* who of the services joined is nothing to the relay */
    for (int i = 0; is_ready(&items[OUT]) && i < BATCH && from_reader(door); i++)
        ;
    for (int i = 0; is_ready(&items[IN_INSIDE]) && i < BATCH && from_inside(door); i++)
        ;
    for (int i = 0; is_ready(&items[IN]) && i < BATCH && from_sender(door); i++)
        ;
    for (int i = 0; (is_ready(&items[EVENTS_OUT]) || is_ready(&items[EVENTS_IN])) && i < BATCH &&
                    (from_events(door, EVENTS_OUT) | from_events(door, EVENTS_IN));
         i++)
        ;
    while (is_ready(&items[OUT_INSIDE]) &&
           zmq_recv(door->sockets[OUT_INSIDE], spare, sizeof spare, ZMQ_DONTWAIT) >= 0)
        ;
    count_refused_keys(door);
    const int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (now_ns >= door->heartbeat_due_ns) {
        heartbeat(door);
        door->heartbeat_due_ns = now_ns + HEARTBEAT_NS;
    }
    return door->wants_end || (extra_fd >= 0 && (items[SOCKETS].revents & ZMQ_POLLIN) != 0);
}

/* ---- open and close ---- */

static keel_status make_sockets(relay_door *door, keel_err *err)
{
    const keel_socket_cfg inside = {.hwm = KEEL_HWM_INSIDE, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE};
    const keel_socket_cfg out = {.hwm = KEEL_HWM_CLIENT,
                                 .msg_bytes_max = KEEL_MSG_BYTES_CLIENT,
                                 .verbose = true,
                                 .welcome = RELAY_WELCOME,
                                 .server_secret = door->pair.secret_key,
                                 .zap_domain = RELAY_DOMAIN_OUT};
    keel_socket_cfg in = out;
    in.zap_domain = RELAY_DOMAIN_IN;
    void **s = door->sockets;
    s[IN_INSIDE] = keel_socket_new(door->ctx, ZMQ_SUB, &inside, err);
    s[OUT_INSIDE] = keel_socket_new(door->ctx, ZMQ_XPUB, &inside, err);
    s[OUT] = keel_socket_new(door->ctx, ZMQ_XPUB, &out, err);
    s[IN] = keel_socket_new(door->ctx, ZMQ_SUB, &in, err);
    s[EVENTS_OUT] = keel_socket_new(door->ctx, ZMQ_PAIR, &inside, err);
    s[EVENTS_IN] = keel_socket_new(door->ctx, ZMQ_PAIR, &inside, err);
    for (int i = 0; i < SOCKETS; i++)
        if (s[i] == NULL)
            return KEEL_EIO;
    if (zmq_setsockopt(s[IN_INSIDE], ZMQ_SUBSCRIBE, "", 0) != 0 ||
        zmq_setsockopt(s[IN], ZMQ_SUBSCRIBE, "", 0) != 0 ||
        zmq_socket_monitor(s[OUT], "inproc://keel.relay.out", WATCHED) != 0 ||
        zmq_socket_monitor(s[IN], "inproc://keel.relay.in", WATCHED) != 0)
        return keel_err_set(err, KEEL_EIO, "cannot set up the door: %s", zmq_strerror(errno));
    KEEL_TRY(keel_socket_connect(s[EVENTS_OUT], "inproc://keel.relay.out", err));
    return keel_socket_connect(s[EVENTS_IN], "inproc://keel.relay.in", err);
}

static keel_status bind_one(const relay_door *door, int which, const char *template_text,
                            const char *key, keel_err *err)
{
    char endpoint[ENDPOINT_BYTES];
    if (template_text[0] == '\0')
        return KEEL_OK;
    if (keel_endpoint_make(template_text, door->cfg.dir, "relay", endpoint, sizeof endpoint) !=
        KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: too long with run.dir filled in", key);
    return keel_socket_bind(door->sockets[which], endpoint, err);
}

static keel_status connect_inside(const relay_door *door, keel_err *err)
{
    char endpoint[ENDPOINT_BYTES];
    KEEL_TRY(bind_one(door, OUT_INSIDE, door->cfg.endpoint, "run.endpoint", err));
    for (size_t i = 0; i < keel_step_services_n; i++) {
        if (keel_endpoint_make(door->cfg.endpoint, door->cfg.dir, keel_step_services[i], endpoint,
                               sizeof endpoint) != KEEL_OK)
            return keel_err_set(err, KEEL_ETOOBIG, "run.endpoint: too long for %s",
                                keel_step_services[i]);
        KEEL_TRY(keel_socket_connect_peer(door->sockets[IN_INSIDE], endpoint, (int)i, err));
    }
    return KEEL_OK;
}

/* The folder of keys, with what a run cannot do without. */
static keel_status have_keys(const char *dir, char folder[FOLDER_BYTES], keel_key_pair *door_pair,
                             keel_err *err)
{
    keel_key_pair operator_pair;
    const int n = snprintf(folder, FOLDER_BYTES, "%s/keys", dir);
    if (n < 0 || n >= FOLDER_BYTES)
        return keel_err_set(err, KEEL_ETOOBIG, "run.dir: %.200s is too long", dir);
    KEEL_TRY(keel_keys_folder(folder, err));
    const keel_status status = keel_key_pair_have(folder, KEEL_KEY_OPERATOR, &operator_pair, err);
    explicit_bzero(&operator_pair, sizeof operator_pair);
    KEEL_TRY(status);
    return keel_key_pair_have(folder, KEEL_KEY_DOOR, door_pair, err);
}

keel_status relay_make_keys(const char *dir, keel_err *err)
{
    char folder[FOLDER_BYTES];
    keel_key_pair pair;
    const keel_status status = have_keys(dir, folder, &pair, err);
    explicit_bzero(&pair, sizeof pair);
    return status;
}

static keel_status set_up(relay_door *door, keel_err *err)
{
    char folder[FOLDER_BYTES];
    KEEL_TRY(have_keys(door->cfg.dir, folder, &door->pair, err));
    door->ctx = keel_context_new(door->cfg.endpoint, (int)keel_step_services_n);
    door->zap = relay_zap_start(door->ctx, folder, err);
    if (door->zap == NULL)
        return KEEL_EIO;
    adopt_keys(door);
    KEEL_TRY(relay_self_test(door->ctx, door->pair.secret_key, door->pair.public_key, door->cfg.dir,
                             err));
    door->keys_refused = relay_zap_refused(door->zap);
    KEEL_TRY(make_sockets(door, err));
    KEEL_TRY(connect_inside(door, err));
    KEEL_TRY(bind_one(door, OUT, door->cfg.out, "relay.out", err));
    KEEL_TRY(bind_one(door, IN, door->cfg.in, "relay.in", err));
    KEEL_TRY(bind_one(door, OUT, door->cfg.out_tcp, "relay.out_tcp", err));
    return bind_one(door, IN, door->cfg.in_tcp, "relay.in_tcp", err);
}

relay_door *relay_door_open(const relay_door_cfg *cfg, keel_err *err)
{
    relay_door *door = keel_xcalloc(1, sizeof *door);
    door->cfg = *cfg;
    door->lvc = relay_lvc_new(cfg->cache_topics, (int64_t)cfg->cache_mib << 20);
    door->recent = relay_replies_new();
    door->frame = keel_xcalloc(FRAME_BYTES, 1);
    door->alerts = keel_xcalloc(1, sizeof *door->alerts);
    door->epoch_ns = clock_ns(CLOCK_REALTIME);
    keel_arena_init(&door->arena, ARENA_BYTES);
    const mode_t mask = umask(077); /* sockets and keys are for this user */
    const keel_status status = set_up(door, err);
    umask(mask);
    if (status != KEEL_OK)
        relay_door_close(&door);
    return door;
}

void relay_door_close(relay_door **door)
{
    relay_door *d = *door;
    if (d == NULL)
        return;
    for (int i = 0; i < SOCKETS; i++)
        if (d->sockets[i] != NULL)
            zmq_close(d->sockets[i]);
    relay_zap_stop(&d->zap); /* after the sockets: see zap.h */
    relay_lvc_free(&d->lvc);
    relay_replies_free(&d->recent);
    if (d->ctx != NULL)
        zmq_ctx_term(d->ctx);
    keel_arena_fini(&d->arena);
    keel_keys_free(&d->keys);
    keel_free(&d->alerts);
    keel_free(&d->frame);
    explicit_bzero(&d->pair, sizeof d->pair);
    keel_free(door);
}
