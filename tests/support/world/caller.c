#include "tests/support/world/caller.h"

#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/keys/keys.h"
#include "common/wire/wire.h"
#include "tests/support/world/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { GREET_MS = 100, ARENA_BYTES = 8 << 20, TURN = 4096 };

#define WELCOME "v1.welcome.relay."

static int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static void must(keel_status status, const char *what)
{
    if (status == KEEL_OK)
        return;
    fprintf(stderr, "a caller's %s: %s\n", what, keel_status_text(status));
    abort();
}

/* ---- open, close ---- */

static void *new_socket(const keel_caller_cfg *cfg, int type)
{
    keel_key_pair door, own;
    char keys[160];
    snprintf(keys, sizeof keys, "%s/keys", cfg->dir);
    must(keel_key_pair_have(keys, KEEL_KEY_DOOR, &door, NULL), "door.secret");
    must(keel_key_pair_have(keys, cfg->key, &own, NULL), "key");
    const keel_socket_cfg options = {.hwm = KEEL_HWM_CLIENT,
                                     .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                                     .verbose = true,
                                     .server_public = door.public_key,
                                     .client_public = own.public_key,
                                     .client_secret = own.secret_key};
    keel_err err = {0};
    void *s = keel_socket_new(cfg->ctx, type, &options, &err);
    if (s == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return s;
}

static void subscribe(void *socket, const char *prefix)
{
    if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) != 0)
        abort();
}

static void look_who_listens(keel_caller *c)
{
    uint8_t message[KEEL_TOPIC_MAX];
    int n;
    while ((n = zmq_recv(c->says, message, sizeof message, ZMQ_DONTWAIT)) >= 0) {
        c->joined = n > 0 && message[0] == 1;
        c->links += c->joined;
    }
}

static bool await_join(keel_caller *c)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    bool welcome = false;
    while (keel_test_mono_ms() < until && !(welcome && c->joined)) {
        char topic[KEEL_TOPIC_MAX];
        zmq_pollitem_t items[2] = {{c->says, 0, ZMQ_POLLIN, 0}, {c->hears, 0, ZMQ_POLLIN, 0}};
        (void)zmq_poll(items, welcome ? 1 : 2, 100);
        look_who_listens(c);
        if (!welcome && zmq_recv(c->hears, topic, sizeof topic, ZMQ_DONTWAIT) >= 0)
            welcome = true; /* nothing was subscribed to before it but one's own topics */
    }
    return welcome && c->joined;
}

bool keel_caller_open(keel_caller *c, const keel_caller_cfg *cfg)
{
    char topic[KEEL_TOPIC_MAX], end[160];
    *c = (keel_caller){.cfg = *cfg};
    snprintf(c->strategy, sizeof c->strategy, "%s",
             cfg->strategy != NULL ? cfg->strategy : cfg->key);
    c->epoch_ns = cfg->epoch_ns > 0 ? cfg->epoch_ns : wall_ns();
    c->told = keel_xcalloc(KEEL_CALLER_PLACES, sizeof *c->told);
    keel_arena_init(&c->arena, cfg->more != NULL ? ARENA_BYTES : 256 << 10);
    c->says = new_socket(cfg, ZMQ_XPUB);
    c->hears = new_socket(cfg, ZMQ_SUB);
    subscribe(c->hears, WELCOME);
    snprintf(topic, sizeof topic, "v1.ack.%s.", c->strategy);
    subscribe(c->hears, topic);
    snprintf(end, sizeof end, "ipc://%s/door-out.sock", cfg->dir);
    must(keel_socket_connect(c->hears, end, NULL), "reading side");
    snprintf(end, sizeof end, "ipc://%s/door-in.sock", cfg->dir);
    must(keel_socket_connect(c->says, end, NULL), "sending side");
    const bool joined = await_join(c);
    if (!cfg->deaf)
        subscribe(c->hears, "v1.decision.");
    if (cfg->more != NULL)
        subscribe(c->hears, cfg->more);
    return joined;
}

void keel_caller_close(keel_caller *c)
{
    if (c->says != NULL)
        zmq_close(c->says);
    if (c->hears != NULL)
        zmq_close(c->hears);
    c->says = c->hears = NULL;
    keel_free(&c->told);
    keel_arena_fini(&c->arena);
}

void keel_caller_epoch(keel_caller *c, int64_t epoch_ns)
{
    c->epoch_ns = epoch_ns;
    c->seq = c->decided = 0;
    c->ack = c->refusal = (keel_ack){.epoch_ns = 0};
    memset(c->told, 0, KEEL_CALLER_PLACES * sizeof *c->told);
}

/* ---- saying ---- */

void keel_caller_send(keel_caller *c, const char *topic, const void *frame, size_t len)
{
    look_who_listens(c);
    if (zmq_send(c->says, topic, strlen(topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_send(c->says, frame, len, 0);
}

static size_t pack(keel_caller *c, keel_envelope *e, uint8_t *frame)
{
    size_t len = 0;
    memcpy(e->id.source, c->strategy, sizeof c->strategy);
    e->id.epoch_ns = c->epoch_ns;
    e->publish_ns = wall_ns();
    snprintf(e->run_id, sizeof e->run_id, KEEL_CALLER_RUN);
    must(keel_wire_put_envelope(e, frame, KEEL_CALLER_FRAME, &len), "envelope");
    return len;
}

static void send_kind(keel_caller *c, const char *kind, keel_envelope *e)
{
    static _Thread_local uint8_t frame[KEEL_CALLER_FRAME];
    char topic[KEEL_TOPIC_MAX];
    snprintf(topic, sizeof topic, "v1.%s.%s.", kind, c->strategy);
    keel_caller_send(c, topic, frame, pack(c, e, frame));
}

void keel_caller_greet(keel_caller *c)
{
    uint8_t payload[256];
    keel_hello hello = {.epoch_ns = c->epoch_ns};
    keel_envelope e = {.type = KEEL_PAYLOAD_HELLO, .id.seq = 1, .payload = payload};
    memcpy(hello.strategy, c->strategy, sizeof hello.strategy);
    must(keel_wire_put_hello(&hello, payload, sizeof payload, &e.payload_len), "hello");
    send_kind(c, "hello", &e);
}

void keel_caller_end_step(keel_caller *c, uint64_t step)
{
    uint8_t payload[512];
    keel_step_end end = {.step = step, .marks_n = 1};
    keel_envelope e = {
        .type = KEEL_PAYLOAD_STEP_END, .id.seq = 1, .step = step, .payload = payload};
    snprintf(end.marks[0].topic, sizeof end.marks[0].topic, "v1.signal.%s.", c->strategy);
    end.marks[0].count = (uint32_t)c->seq;
    must(keel_wire_put_step_end(&end, payload, sizeof payload, &e.payload_len), "step end");
    send_kind(c, "step", &e);
}

size_t keel_caller_frame(keel_caller *c, uint64_t seq, const void *payload, size_t len,
                         uint8_t *frame)
{
    keel_envelope e = {
        .type = KEEL_PAYLOAD_SIGNAL, .id.seq = seq, .payload = payload, .payload_len = len};
    return pack(c, &e, frame);
}

void keel_caller_say(keel_caller *c, uint64_t seq, const void *payload, size_t len)
{
    keel_envelope e = {
        .type = KEEL_PAYLOAD_SIGNAL, .id.seq = seq, .payload = payload, .payload_len = len};
    send_kind(c, "signal", &e);
}

uint64_t keel_caller_signal(keel_caller *c, keel_signal *signal)
{
    uint8_t payload[KEEL_SIGNAL_BYTES_MAX];
    size_t len = 0;
    memcpy(signal->strategy, c->strategy, sizeof signal->strategy);
    signal->epoch_ns = c->epoch_ns;
    signal->seq = ++c->seq;
    if (signal->signal_id[0] == '\0')
        snprintf(signal->signal_id, sizeof signal->signal_id, "%" PRId64 "-%" PRIu64, c->epoch_ns,
                 c->seq);
    must(keel_wire_put_signal(signal, payload, sizeof payload, &len), "signal");
    keel_caller_say(c, c->seq, payload, len);
    return c->seq;
}

/* ---- hearing ---- */

static void on_ack(keel_caller *c, const keel_envelope *e)
{
    keel_ack ack;
    if (keel_wire_get_ack(&c->arena, e->payload, e->payload_len, &ack) != KEEL_OK) {
        c->garbled++;
    } else if (ack.refusal.code != KEEL_REASON_UNSPECIFIED) {
        const bool own = ack.epoch_ns == c->epoch_ns || ack.epoch_ns == 0;
        c->refusals += own;
        if (own)
            c->refusal = ack;
    } else if (ack.epoch_ns == c->epoch_ns) {
        c->acks++;
        if (ack.seq >= c->ack.seq)
            c->ack = ack;
    }
}

static void on_decision(keel_caller *c, const keel_envelope *e)
{
    keel_decision d;
    if (keel_wire_get_decision(&c->arena, e->payload, e->payload_len, &d) != KEEL_OK) {
        c->garbled++;
        return;
    }
    if (strcmp(d.strategy, c->strategy) != 0 || d.epoch_ns != c->epoch_ns)
        return;
    keel_caller_told *t = &c->told[d.seq % KEEL_CALLER_PLACES];
    c->decided += t->times == 0 || t->decision_seq != d.decision_seq;
    const uint32_t times = t->decision_seq == d.decision_seq ? t->times + 1 : 1;
    *t = (keel_caller_told){.times = times,
                            .code = d.reason.code,
                            .accepted = d.accepted,
                            .decision_seq = d.decision_seq,
                            .duplicate_of = d.duplicate_of,
                            .heard_ms = keel_test_mono_ms()};
    memcpy(t->text, d.reason.text, sizeof t->text);
}

/* One message, if there is one. */
static bool take(keel_caller *c)
{
    char topic[KEEL_TOPIC_MAX];
    zmq_msg_t frame;
    keel_envelope e;
    int more = 0;
    size_t size = sizeof more;
    if (zmq_recv(c->hears, topic, sizeof topic, ZMQ_DONTWAIT) < 0)
        return false;
    zmq_getsockopt(c->hears, ZMQ_RCVMORE, &more, &size);
    if (!more)
        return true; /* a welcome, after a link was made again */
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, c->hears, 0) < 0)
        abort();
    keel_arena_reset(&c->arena);
    if (keel_wire_get_envelope(&c->arena, zmq_msg_data(&frame), zmq_msg_size(&frame), &e) !=
        KEEL_OK)
        c->garbled++;
    else if (e.type == KEEL_PAYLOAD_ACK)
        on_ack(c, &e);
    else if (e.type == KEEL_PAYLOAD_DECISION)
        on_decision(c, &e);
    else if (c->cfg.on_more != NULL)
        c->cfg.on_more(c->cfg.arg, &c->arena, &e);
    zmq_msg_close(&frame);
    return true;
}

bool keel_caller_hear(keel_caller *c, int ms)
{
    int n = 0;
    zmq_pollitem_t items[2] = {{c->hears, 0, ZMQ_POLLIN, 0}, {c->says, 0, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, 2, ms);
    look_who_listens(c);
    while (n < TURN && take(c))
        n++;
    return n > 0;
}

bool keel_caller_join(keel_caller *c)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    const uint64_t acks = c->acks, refusals = c->refusals;
    int64_t due = 0;
    while (c->acks == acks && c->refusals == refusals && keel_test_mono_ms() < until) {
        if (keel_test_mono_ms() >= due) {
            keel_caller_greet(c);
            due = keel_test_mono_ms() + GREET_MS;
        }
        (void)keel_caller_hear(c, GREET_MS / 4);
    }
    return c->acks > acks;
}

bool keel_caller_acked(keel_caller *c, uint64_t seq)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    while (c->ack.seq < seq && keel_test_mono_ms() < until)
        (void)keel_caller_hear(c, 50);
    return c->ack.seq >= seq;
}

const keel_caller_told *keel_caller_decided(keel_caller *c, uint64_t seq)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    const keel_caller_told *t = &c->told[seq % KEEL_CALLER_PLACES];
    while (t->times == 0 && keel_test_mono_ms() < until)
        (void)keel_caller_hear(c, 50);
    return t->times > 0 ? t : NULL;
}

bool keel_caller_refused(keel_caller *c, keel_reason_code code)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    while (c->refusal.refusal.code != code && keel_test_mono_ms() < until)
        (void)keel_caller_hear(c, 50);
    return c->refusal.refusal.code == code;
}

/* ---- an operator ---- */

keel_client *keel_operator_open(const char *dir)
{
    char out[160], in[160], door[160], secret[160];
    keel_err err = {0};
    snprintf(out, sizeof out, "ipc://%s/door-out.sock", dir);
    snprintf(in, sizeof in, "ipc://%s/door-in.sock", dir);
    snprintf(door, sizeof door, "%s/keys/door.public", dir);
    snprintf(secret, sizeof secret, "%s/keys/operator.secret", dir);
    const keel_client_cfg cfg = {.name = "operator",
                                 .out_endpoint = out,
                                 .in_endpoint = in,
                                 .server_key = door,
                                 .secret_key = secret,
                                 .run_id = KEEL_CALLER_RUN,
                                 .join_timeout_ms = KEEL_CALLER_MS};
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    keel_client *client = keel_client_open(&cfg, &err);
    while (client == NULL && keel_test_mono_ms() < until) {
        nanosleep(&(struct timespec){0, 20000000}, NULL); /* the relay makes the key */
        client = keel_client_open(&cfg, &err);
    }
    if (client == NULL)
        fprintf(stderr, "the operator does not come in: %s\n", err.text);
    return client;
}

bool keel_operator_ask(keel_client *client, const keel_request *request)
{
    static keel_reply reply;
    return keel_client_ask(client, request, KEEL_CALLER_MS, &reply) == KEEL_OK && reply.ok;
}

uint64_t keel_operator_counter(keel_client *client, const char *service, const char *counter)
{
    static keel_reply reply;
    keel_request request = {.ask = KEEL_ASK_STATUS};
    uint64_t value = UINT64_MAX;
    snprintf(request.service, sizeof request.service, "%s", service);
    if (client == NULL || keel_client_ask(client, &request, KEEL_CALLER_MS, &reply) != KEEL_OK ||
        !reply.has_status)
        return value;
    value = 0;
    for (int i = 0; i < reply.status.counters_n; i++)
        if (strcmp(reply.status.counters[i].name, counter) == 0)
            value = reply.status.counters[i].value;
    return value;
}
