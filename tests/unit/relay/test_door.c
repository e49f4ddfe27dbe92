#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/client/client.h"
#include "common/keys/keys.h"
#include "common/wire/wire.h"
#include "services/relay/door.h"
#include "services/relay/zap.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS = 5000 };

#define ROW "v1.row.1h.main."
#define HB  "v1.hb.relay."

static char dir[] = "/tmp/keel-door-XXXXXX";
static keel_obs *obs;
static relay_door *door;
static pthread_t thread;
static atomic_bool stopping;
static void *ctx, *feed, *risk_in, *risk_out;

static int64_t wall(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static void *run(void *arg)
{
    (void)arg;
    while (!atomic_load(&stopping) && !relay_door_turn(door, -1, 10))
        ;
    return NULL;
}

static char *path(const char *name)
{
    static char paths[4][256];
    static int at;
    char *to = paths[at++ % 4];
    snprintf(to, sizeof paths[0], "%s/%s", dir, name);
    return to;
}

static char *endpoint(const char *name)
{
    static char paths[4][256];
    static int at;
    char *to = paths[at++ % 4];
    snprintf(to, sizeof paths[0], "ipc://%s/%s", dir, name);
    return to;
}

static void *inside_socket(int type)
{
    const keel_socket_cfg cfg = {
        .hwm = 1000, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE, .verbose = true};
    void *s = keel_socket_new(ctx, type, &cfg, NULL);
    cr_assert_not_null(s);
    return s;
}

/* Wait until the door has subscribed to an outbox. */
static void await_subscription(void *outbox)
{
    zmq_pollitem_t item = {outbox, 0, ZMQ_POLLIN, 0};
    uint8_t message[8];
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    cr_assert_geq(zmq_recv(outbox, message, sizeof message, 0), 1);
    cr_assert_eq(message[0], 1);
}

static char out_tcp[48], in_tcp[48]; /* "" = no port is opened */

/* A port of the loopback that was free a moment ago. */
static void free_port(char *to, size_t cap)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    snprintf(to, cap, "tcp://127.0.0.1:%d", ntohs(a.sin_port));
}

static void open_door(void)
{
    keel_err err = {0};
    relay_door_cfg cfg = {.run_id = "test-1",
                          .dir = dir,
                          .endpoint = "ipc://{run}/{service}.pub",
                          .lockstep = true,
                          .out = "ipc://{run}/door-out.sock",
                          .in = "ipc://{run}/door-in.sock",
                          .out_tcp = out_tcp,
                          .in_tcp = in_tcp,
                          .cache_topics = 16,
                          .cache_mib = 1};
    obs = keel_obs_new("relay", KEEL_LOG_ERROR, stderr, wall, NULL);
    cfg.obs = obs;
    door = relay_door_open(&cfg, &err);
    cr_assert_not_null(door, "%s", err.text);
}

static void start(void)
{
    cr_assert_not_null(mkdtemp(dir));
    open_door();
    ctx = zmq_ctx_new();
    feed = inside_socket(ZMQ_XPUB);
    risk_out = inside_socket(ZMQ_XPUB);
    risk_in = inside_socket(ZMQ_SUB);
    cr_assert_eq(keel_socket_bind(feed, endpoint("feed.pub"), NULL), KEEL_OK);
    cr_assert_eq(keel_socket_bind(risk_out, endpoint("risk.pub"), NULL), KEEL_OK);
    cr_assert_eq(keel_socket_connect(risk_in, endpoint("relay.pub"), NULL), KEEL_OK);
    zmq_setsockopt(risk_in, ZMQ_SUBSCRIBE, "", 0);
    cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
    await_subscription(feed);
    await_subscription(risk_out);
}

static void start_tcp(void)
{
    free_port(out_tcp, sizeof out_tcp);
    free_port(in_tcp, sizeof in_tcp);
    start();
}

static void halt(void)
{
    atomic_store(&stopping, true);
    if (thread != 0)
        pthread_join(thread, NULL);
    thread = 0;
}

static void remove_files(void)
{
    static const char *const names[] = {"keys/door.public",
                                        "keys/door.secret",
                                        "keys/operator.public",
                                        "keys/operator.secret",
                                        "keys/alice.public",
                                        "keys/alice.secret",
                                        "keys/alice.rights",
                                        "keys",
                                        "feed.pub",
                                        "risk.pub",
                                        "relay.pub",
                                        "door-out.sock",
                                        "door-in.sock",
                                        "big"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove(path(names[i]));
    remove(dir);
}

static void stop(void)
{
    halt();
    relay_door_close(&door);
    keel_obs_free(&obs);
    void *const sockets[] = {feed, risk_in, risk_out};
    for (size_t i = 0; i < 3; i++)
        if (sockets[i] != NULL)
            zmq_close(sockets[i]);
    if (ctx != NULL)
        zmq_ctx_term(ctx);
    remove_files();
}

static keel_client_cfg client_cfg(void)
{
    const keel_client_cfg cfg = {.name = "tester",
                                 .out_endpoint = endpoint("door-out.sock"),
                                 .in_endpoint = endpoint("door-in.sock"),
                                 .server_key = path("keys/door.public"),
                                 .secret_key = path("keys/operator.secret"),
                                 .run_id = "test-1",
                                 .join_timeout_ms = WAIT_MS};
    return cfg;
}

static keel_client *open_client(void)
{
    keel_err err = {0};
    const keel_client_cfg cfg = client_cfg();
    keel_client *c = keel_client_open(&cfg, &err);
    cr_assert_not_null(c, "%s", err.text);
    return c;
}

static void publish(void *outbox, const char *topic, keel_payload type, const char *run_id,
                    uint64_t step, const uint8_t *payload, size_t len)
{
    uint8_t frame[4096];
    size_t size;
    keel_envelope e = {.type = type, .step = step, .payload = payload, .payload_len = len};
    strcpy(e.id.source, "feed");
    e.id.epoch_ns = 1;
    e.id.seq = step + 1;
    strcpy(e.run_id, run_id);
    cr_assert_eq(keel_wire_put_envelope(&e, frame, sizeof frame, &size), KEEL_OK);
    cr_assert_geq(zmq_send(outbox, topic, strlen(topic), ZMQ_SNDMORE), 0);
    cr_assert_geq(zmq_send(outbox, frame, size, 0), 0);
}

static void publish_row(uint64_t step)
{
    publish(feed, ROW, KEEL_PAYLOAD_BAR_ROW, "test-1", step, (const uint8_t *)"row", 3);
}

static uint64_t next_step(keel_client *c)
{
    keel_client_msg msg;
    cr_assert_eq(keel_client_next(c, WAIT_MS, &msg), KEEL_OK);
    cr_assert_str_eq(msg.topic, ROW);
    cr_assert_eq(msg.envelope.payload_len, 3);
    cr_assert_eq(memcmp(msg.envelope.payload, "row", 3), 0);
    return msg.envelope.step;
}

/* Read heartbeats, and nothing else, until one comes that was made after this call: what was sent
 * before is through. */
static void flush_client(keel_client *c)
{
    keel_client_msg msg;
    const int64_t now = wall(NULL);
    do {
        cr_assert_eq(keel_client_next(c, WAIT_MS, &msg), KEEL_OK);
        cr_assert_str_eq(msg.topic, HB);
    } while (msg.envelope.publish_ns <= now);
}

Test(door, readers_get_what_passes_and_late_ones_the_last_value, .init = start, .fini = stop)
{
    keel_client *early = open_client();
    cr_assert_eq(keel_client_subscribe(early, HB), KEEL_OK);
    flush_client(early); /* the door has taken the subscription */
    cr_assert_eq(keel_client_subscribe(early, ROW), KEEL_OK);
    flush_client(early);
    publish_row(1);
    publish_row(2);
    keel_client_msg msg;
    uint64_t seen = 0;
    while (seen < 2) {
        cr_assert_eq(keel_client_next(early, WAIT_MS, &msg), KEEL_OK);
        if (strcmp(msg.topic, ROW) == 0) {
            seen++;
            cr_assert_eq(msg.envelope.step, seen);
            cr_assert_str_eq(msg.envelope.id.source, "feed");
        }
    }
    publish_row(1);      /* a replay after a restart passes, and does not become the last value */
    flush_client(early); /* which is what this reader had already */

    keel_client *late = open_client();
    cr_assert_eq(keel_client_subscribe(late, "v1.row."), KEEL_OK);
    cr_assert_eq(next_step(late), 2);
    cr_assert_eq(keel_client_next(late, 0, &msg), KEEL_EUNAVAIL);
    flush_client(early); /* no second time for who had it */
    cr_assert_geq(keel_client_fd(late), 0);
    keel_client_close(&early);
    keel_client_close(&late);
    halt();
    cr_assert_geq(keel_counted(obs, "last_values_out"), 1);
    cr_assert_eq(keel_counted(obs, "messages_out"), 3);
}

Test(door, frames_of_another_run_or_shape_stay_inside, .init = start, .fini = stop)
{
    keel_client *c = open_client();
    cr_assert_eq(keel_client_subscribe(c, ROW), KEEL_OK);
    cr_assert_eq(keel_client_subscribe(c, HB), KEEL_OK);
    flush_client(c);
    publish(feed, ROW, KEEL_PAYLOAD_BAR_ROW, "other-run", 1, (const uint8_t *)"row", 3);
    publish(feed, ROW, KEEL_PAYLOAD_FILL, "test-1", 1, (const uint8_t *)"row", 3);
    publish(feed, "v1.nothing.at.all.", KEEL_PAYLOAD_FILL, "test-1", 1, (const uint8_t *)"r", 1);
    zmq_send(feed, ROW, strlen(ROW), ZMQ_SNDMORE);
    zmq_send(feed, "\xff\xff", 2, 0);
    zmq_send(feed, ROW, strlen(ROW), 0);
    publish_row(7);
    keel_client_msg msg;
    do
        cr_assert_eq(keel_client_next(c, WAIT_MS, &msg), KEEL_OK);
    while (strcmp(msg.topic, ROW) != 0);
    cr_assert_eq(msg.envelope.step, 7);
    cr_assert_eq(keel_client_dropped(c), 0);
    keel_client_close(&c);
    halt();
    cr_assert_eq(keel_counted(obs, "inside_other_run"), 1);
    cr_assert_eq(keel_counted(obs, "inside_malformed"), 4);
}

Test(door, a_strangers_key_is_told_so_and_counted, .init = start, .fini = stop)
{
    char public[41], secret[41];
    keel_err err = {0};
    cr_assert_eq(zmq_curve_keypair(public, secret), 0);
    FILE *out = fopen(path("big"), "w");
    fprintf(out, "%s\n%s\n", public, secret);
    fclose(out);
    keel_client_cfg cfg = client_cfg();
    cfg.secret_key = path("big");
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EREFUSED, "%s", err.text);
    halt();
    cr_assert_geq(keel_counted(obs, "keys_refused"), 1);
    cr_assert_eq(keel_counted(obs, "requests_in"), 0);
}

Test(door, a_plain_socket_gets_nothing_and_is_counted, .init = start, .fini = stop)
{
    void *plain = inside_socket(ZMQ_SUB), *asks = inside_socket(ZMQ_XPUB);
    zmq_setsockopt(plain, ZMQ_SUBSCRIBE, "", 0);
    cr_assert_eq(keel_socket_connect(plain, endpoint("door-out.sock"), NULL), KEEL_OK);
    cr_assert_eq(keel_socket_connect(asks, endpoint("door-in.sock"), NULL), KEEL_OK);
    /* A reader with a key sees several heartbeats meanwhile. */
    keel_client *c = open_client();
    cr_assert_eq(keel_client_subscribe(c, HB), KEEL_OK);
    for (int i = 0; i < 3; i++)
        flush_client(c);
    zmq_pollitem_t items[] = {{plain, 0, ZMQ_POLLIN, 0}, {asks, 0, ZMQ_POLLIN, 0}};
    cr_assert_eq(zmq_poll(items, 2, 0), 0);
    keel_client_close(&c);
    zmq_close(plain);
    zmq_close(asks);
    halt();
    cr_assert_geq(keel_counted(obs, "handshakes_refused"), 2);
}

/* The next request that reaches the inside, whoever sends it. */
static void await_request(keel_arena *arena, char topic[KEEL_TOPIC_MAX], keel_envelope *e,
                          keel_request *request)
{
    static uint8_t frame[65536];
    for (;;) {
        zmq_pollitem_t item = {risk_in, 0, ZMQ_POLLIN, 0};
        cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
        const int n = zmq_recv(risk_in, topic, KEEL_TOPIC_MAX - 1, 0);
        topic[n] = '\0';
        const int len = zmq_recv(risk_in, frame, sizeof frame, 0);
        keel_arena_reset(arena);
        cr_assert_eq(keel_wire_get_envelope(arena, frame, (size_t)len, e), KEEL_OK);
        if (e->type != KEEL_PAYLOAD_REQUEST)
            continue;
        cr_assert_eq(keel_wire_get_request(arena, e->payload, e->payload_len, request), KEEL_OK);
        return;
    }
}

static void *ask_risk(void *arg)
{
    static keel_reply reply;
    keel_client *c = arg;
    keel_request request = {.service = "risk", .ask = KEEL_ASK_HALT};
    strcpy(request.reason, "looks wrong");
    strcpy(request.operator_name, "somebody-else");
    const keel_status status = keel_client_ask(c, &request, WAIT_MS, &reply);
    return status == KEEL_OK ? &reply : NULL;
}

static void *risk_hears_the_relay(void)
{
    zmq_pollitem_t item = {risk_in, 0, ZMQ_POLLIN, 0};
    cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "no heartbeat inside");
    return NULL;
}

Test(door, a_request_arrives_with_the_keys_name_and_is_answered, .init = start, .fini = stop)
{
    pthread_t asker;
    keel_arena arena;
    keel_envelope e;
    keel_request request;
    char topic[KEEL_TOPIC_MAX];
    keel_arena_init(&arena, 1 << 20);
    keel_client *c = open_client();
    risk_hears_the_relay();
    cr_assert_eq(pthread_create(&asker, NULL, ask_risk, c), 0);
    await_request(&arena, topic, &e, &request);
    cr_assert_str_eq(topic, "v1.request.risk.");
    cr_assert_str_eq(request.operator_name, "operator");
    cr_assert_str_eq(request.requester, "tester");
    cr_assert_str_eq(request.reason, "looks wrong");
    cr_assert_eq(request.ask, KEEL_ASK_HALT);
    cr_assert_str_eq(e.id.source, "tester");
    cr_assert_str_eq(e.run_id, "test-1");

    uint8_t payload[1024];
    size_t len;
    static keel_reply reply;
    strcpy(reply.requester, "tester");
    strcpy(reply.request_id, "tester/1/99"); /* to somebody's older request: passed over */
    reply.ok = true;
    cr_assert_eq(keel_wire_put_reply(&reply, payload, sizeof payload, &len), KEEL_OK);
    publish(risk_out, "v1.reply.tester.", KEEL_PAYLOAD_REPLY, "test-1", 0, payload, len);
    snprintf(reply.request_id, sizeof reply.request_id, "tester/%lld/%llu",
             (long long)e.id.epoch_ns, (unsigned long long)e.id.seq);
    reply.taken_step = 42;
    cr_assert_eq(keel_wire_put_reply(&reply, payload, sizeof payload, &len), KEEL_OK);
    publish(risk_out, "v1.reply.tester.", KEEL_PAYLOAD_REPLY, "test-1", 0, payload, len);
    void *got = NULL;
    pthread_join(asker, &got);
    cr_assert_not_null(got);
    cr_assert_eq(((keel_reply *)got)->taken_step, 42);
    keel_client_close(&c);
    keel_arena_fini(&arena);
    halt();
    cr_assert_eq(keel_counted(obs, "requests_in"), 1);
}

Test(door, answers_for_itself, .init = start, .fini = stop)
{
    static keel_reply reply;
    keel_client_cfg cfg = client_cfg();
    keel_err err = {0};
    cfg.run_id = NULL; /* learned from the relay's heartbeat */
    keel_client *c = keel_client_open(&cfg, &err);
    cr_assert_not_null(c, "%s", err.text);
    keel_request request = {.service = "relay", .ask = KEEL_ASK_PING};
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert(reply.ok);
    request.ask = KEEL_ASK_STATUS;
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert(reply.ok && reply.has_status);
    cr_assert_str_eq(reply.status.service, "relay");
    cr_assert_gt(reply.status.counters_n, 0);
    request.ask = KEEL_ASK_SNAPSHOT;
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert_not(reply.ok);
    request.ask = KEEL_ASK_RESET_COUNTERS;
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    strcpy(request.service, "nobody");
    request.ask = KEEL_ASK_PING;
    cr_assert_eq(keel_client_ask(c, &request, 200, &reply), KEEL_EUNAVAIL);
    strcpy(request.service, "relay");
    request.ask = KEEL_ASK_SHUTDOWN;
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    keel_client_close(&c);
    pthread_join(thread, NULL); /* the door ends of itself */
    thread = 0;
    cr_assert_eq(keel_counted(obs, "in_unknown_service"), 1);
}

/* One with a good key, which sends what it likes. */
static void *raw_sender(const char *name)
{
    keel_key_pair of_door, own;
    cr_assert_eq(keel_key_pair_have(path("keys"), "door", &of_door, NULL), KEEL_OK);
    cr_assert_eq(keel_key_pair_have(path("keys"), name, &own, NULL), KEEL_OK);
    const keel_socket_cfg cfg = {.hwm = 1000,
                                 .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                                 .verbose = true,
                                 .server_public = of_door.public_key,
                                 .client_public = own.public_key,
                                 .client_secret = own.secret_key};
    void *s = keel_socket_new(ctx, ZMQ_XPUB, &cfg, NULL);
    cr_assert_not_null(s);
    cr_assert_eq(keel_socket_connect(s, endpoint("door-in.sock"), NULL), KEEL_OK);
    await_subscription(s);
    return s;
}

Test(door, oversized_and_malformed_frames_do_not_come_in, .init = start, .fini = stop)
{
    static uint8_t big[70 << 10];
    static keel_reply reply;
    static const char topic[] = "v1.request.risk.";
    void *raw = raw_sender("operator");
    zmq_send(raw, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(raw, "\x01\x02", 2, 0);
    zmq_send(raw, topic, strlen(topic), 0);
    zmq_send(raw, ROW, strlen(ROW), ZMQ_SNDMORE);
    zmq_send(raw, "x", 1, 0);
    publish(raw, ROW, KEEL_PAYLOAD_BAR_ROW, "test-1", 1, (const uint8_t *)"row", 3);
    zmq_send(raw, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(raw, big, sizeof big, 0);
    await_subscription(raw); /* cut off for the big frame, it came back */
    keel_client *c = open_client();
    keel_request request = {.service = "relay", .ask = KEEL_ASK_PING};
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    keel_client_close(&c);
    zmq_close(raw);
    halt();
    cr_assert_eq(keel_counted(obs, "in_malformed"), 3);
    cr_assert_eq(keel_counted(obs, "in_wrong_type"), 1);
    cr_assert_eq(keel_counted(obs, "requests_in"), 1);
    cr_assert_geq(keel_counted(obs, "disconnected"), 1);
}

/* ---- strategies ---- */

/* A frame of `sender` on a topic, as it would be on the wire; its length. */
static size_t frame_of(const char *source, keel_payload type, uint64_t seq, const uint8_t *payload,
                       size_t payload_len, uint8_t out[4096])
{
    size_t len;
    keel_envelope e = {.type = type, .payload = payload, .payload_len = payload_len};
    strcpy(e.id.source, source);
    strcpy(e.run_id, "test-1");
    e.id.epoch_ns = 5;
    e.id.seq = seq;
    cr_assert_eq(keel_wire_put_envelope(&e, out, 4096, &len), KEEL_OK);
    return len;
}

static void send_frame(void *sender, const char *topic, const uint8_t *frame, size_t len)
{
    cr_assert_geq(zmq_send(sender, topic, strlen(topic), ZMQ_SNDMORE), 0);
    cr_assert_geq(zmq_send(sender, frame, len, 0), 0);
}

static void send_signal(void *sender, const char *strategy, uint64_t seq)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t frame[4096];
    const size_t len = frame_of(strategy, KEEL_PAYLOAD_SIGNAL, seq, (const uint8_t *)"?", 1, frame);
    snprintf(topic, sizeof topic, "v1.signal.%s.", strategy);
    send_frame(sender, topic, frame, len);
}

/* The next message inside that is no heartbeat; its length, its topic and bytes. */
static size_t next_inside(char topic[KEEL_TOPIC_MAX], uint8_t frame[4096])
{
    for (;;) {
        zmq_pollitem_t item = {risk_in, 0, ZMQ_POLLIN, 0};
        cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1);
        const int n = zmq_recv(risk_in, topic, KEEL_TOPIC_MAX - 1, 0);
        topic[n] = '\0';
        const int len = zmq_recv(risk_in, frame, 4096, 0);
        if (strcmp(topic, HB) != 0)
            return (size_t)len;
    }
}

/* Wait until the door has counted that many. */
static void await_count(const char *counter, uint64_t n)
{
    static keel_reply reply;
    const keel_request request = {.service = "relay", .ask = KEEL_ASK_STATUS};
    keel_client *c = open_client();
    uint64_t counted = 0;
    for (int i = 0; i < WAIT_MS / 10 && counted < n; i++) {
        cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
        for (int k = 0; k < reply.status.counters_n; k++)
            if (strcmp(reply.status.counters[k].name, counter) == 0)
                counted = reply.status.counters[k].value;
        usleep(10000);
    }
    keel_client_close(&c);
    cr_assert_geq(counted, n, "%s", counter);
}

/* Give a key to a name and wait until the door lets it in. */
static void add_key(const char *name)
{
    char secret[64];
    keel_err err = {0};
    keel_client *c = NULL;
    cr_assert_eq(keel_key_add(path("keys"), name, false, &err), KEEL_OK, "%s", err.text);
    snprintf(secret, sizeof secret, "keys/%s.secret", name);
    for (int i = 0; i < 200 && c == NULL; i++) {
        keel_client_cfg cfg = client_cfg();
        cfg.name = name;
        cfg.secret_key = path(secret);
        c = keel_client_open(&cfg, &err);
        usleep(10000);
    }
    cr_assert_not_null(c, "%s", err.text);
    keel_client_close(&c);
}

Test(door, what_a_strategy_may_send_goes_in_byte_for_byte, .init = start, .fini = stop)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t sent[4096], got[4096], payload[256];
    size_t n;
    risk_hears_the_relay();
    add_key("alice");
    void *alice = raw_sender("alice");
    size_t len = frame_of("alice", KEEL_PAYLOAD_SIGNAL, 1, (const uint8_t *)"\xff?", 2, sent);
    sent[len++] = 0x60; /* a field this version does not know: kept */
    sent[len++] = 0x01;
    send_frame(alice, "v1.signal.alice.", sent, len);
    cr_assert_eq(next_inside(topic, got), len);
    cr_assert_str_eq(topic, "v1.signal.alice.");
    cr_assert_eq(memcmp(sent, got, len), 0);
    send_frame(alice, "v1.signal.alice.", sent, len);
    cr_assert_eq(next_inside(topic, got), len, "a frame sent again goes in again");
    send_signal(alice, "bob", 1);
    const keel_resend resend = {"feed", "alice", 1, 64};
    cr_assert_eq(keel_wire_put_resend(&resend, payload, sizeof payload, &n), KEEL_OK);
    len = frame_of("alice", KEEL_PAYLOAD_RESEND, 2, payload, n, sent);
    send_frame(alice, "v1.resend.feed.", sent, len);
    cr_assert_eq(next_inside(topic, got), len);
    cr_assert_str_eq(topic, "v1.resend.feed.");
    zmq_close(alice);
    halt();
    cr_assert_eq(keel_counted(obs, "signals_in"), 2);
    cr_assert_eq(keel_counted(obs, "resends_in"), 1);
    cr_assert_eq(keel_counted(obs, "in_no_right"), 1);
}

Test(door, a_sender_hears_why_its_frame_stays_outside, .init = start, .fini = stop)
{
    keel_arena arena;
    keel_client_msg msg;
    keel_ack ack;
    add_key("alice");
    void *alice = raw_sender("alice");
    keel_client *c = open_client();
    cr_assert_eq(keel_client_subscribe(c, HB), KEEL_OK);
    cr_assert_eq(keel_client_subscribe(c, "v1.ack."), KEEL_OK);
    flush_client(c);
    send_signal(alice, "bob", 1); /* not hers: nobody is told */
    send_signal(alice, "alice", UINT64_MAX);
    do
        cr_assert_eq(keel_client_next(c, WAIT_MS, &msg), KEEL_OK);
    while (strcmp(msg.topic, HB) == 0);
    cr_assert_str_eq(msg.topic, "v1.ack.alice.");
    keel_arena_init(&arena, 4096);
    cr_assert_eq(keel_wire_get_ack(&arena, msg.envelope.payload, msg.envelope.payload_len, &ack),
                 KEEL_OK);
    cr_assert_str_eq(ack.strategy, "alice");
    cr_assert_eq(ack.epoch_ns, 5);
    cr_assert_eq(ack.refusal.code, KEEL_REASON_MALFORMED);
    cr_assert_not_null(strstr(ack.refusal.text, "id.seq"), "%s", ack.refusal.text);
    keel_arena_fini(&arena);
    keel_client_close(&c);
    zmq_close(alice);
    halt();
    cr_assert_eq(keel_counted(obs, "in_bad_sequence"), 1);
}

Test(door, a_key_that_is_revoked_is_refused_on_its_open_link, .init = start, .fini = stop)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t got[4096];
    risk_hears_the_relay();
    add_key("alice");
    void *alice = raw_sender("alice");
    send_signal(alice, "alice", 1);
    next_inside(topic, got);
    cr_assert_eq(keel_key_revoke(path("keys"), "alice", NULL), KEEL_OK);
    add_key("alice"); /* another key of the same name */
    send_signal(alice, "alice", 2);
    await_count("in_revoked", 1);
    void *again = raw_sender("alice");
    send_signal(again, "alice", 3);
    next_inside(topic, got);
    zmq_close(alice);
    zmq_close(again);
    halt();
    cr_assert_eq(keel_counted(obs, "signals_in"), 2);
    cr_assert_eq(keel_counted(obs, "in_revoked"), 1);
}

Test(door, what_a_key_may_not_ask_is_answered_so, .init = start, .fini = stop)
{
    static keel_reply reply;
    keel_err err = {0};
    add_key("alice");
    keel_client_cfg cfg = client_cfg();
    cfg.name = "alice";
    cfg.secret_key = path("keys/alice.secret");
    keel_client *c = keel_client_open(&cfg, &err);
    cr_assert_not_null(c, "%s", err.text);
    keel_request request = {.service = "relay", .ask = KEEL_ASK_SHUTDOWN};
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert_not(reply.ok);
    cr_assert_str_eq(reply.error, "key alice has no right to ask for shutdown");
    request.ask = KEEL_ASK_PING;
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert(reply.ok);
    keel_client_close(&c);
    halt();
    cr_assert_eq(keel_counted(obs, "in_no_right"), 1);
}

/* Fields that nobody knows are kept by the decoder: a frame of them fills its memory, in every
 * measure. */
Test(door, a_request_that_fills_the_decoders_memory_ends_nothing, .init = start, .fini = stop)
{
    static uint8_t payload[62 << 10], frame[64 << 10];
    static keel_reply reply;
    static const char topic[] = "v1.request.relay.";
    keel_request request = {.service = "relay", .ask = KEEL_ASK_PING};
    void *raw = raw_sender("operator");
    strcpy(request.requester, "tester");
    for (size_t pad = 0; pad < 60 << 10; pad += 500) {
        keel_envelope e = {.type = KEEL_PAYLOAD_REQUEST, .payload = payload};
        size_t len;
        cr_assert_eq(keel_wire_put_request(&request, payload, sizeof payload, &len), KEEL_OK);
        for (size_t i = 0; i < pad; i += 3, len += 3)
            memcpy(payload + len, "\xf8\x3f\x01", 3);
        e.payload_len = len;
        strcpy(e.id.source, "tester");
        strcpy(e.run_id, "test-1");
        e.id.epoch_ns = 1;
        e.id.seq = 1 + pad;
        cr_assert_eq(keel_wire_put_envelope(&e, frame, sizeof frame, &len), KEEL_OK);
        send_frame(raw, topic, frame, len);
    }
    keel_client *c = open_client();
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    keel_client_close(&c);
    zmq_close(raw);
}

Test(door, over_loopback_tcp_it_answers_its_keys_and_no_other, .init = start_tcp, .fini = stop)
{
    static keel_reply reply;
    keel_err err = {0};
    char pair[2][41];
    keel_client_cfg cfg = client_cfg();
    cfg.out_endpoint = out_tcp;
    cfg.in_endpoint = in_tcp;
    keel_client *c = keel_client_open(&cfg, &err);
    cr_assert_not_null(c, "%s", err.text);
    const keel_request request = {.service = "relay", .ask = KEEL_ASK_PING};
    cr_assert_eq(keel_client_ask(c, &request, WAIT_MS, &reply), KEEL_OK);
    cr_assert(reply.ok);
    keel_client_close(&c);
    cr_assert_eq(zmq_curve_keypair(pair[0], pair[1]), 0);
    FILE *stranger = fopen(path("big"), "w");
    fprintf(stranger, "%s\n%s\n", pair[0], pair[1]);
    fclose(stranger);
    cfg = client_cfg();
    cfg.out_endpoint = out_tcp;
    cfg.in_endpoint = in_tcp;
    cfg.secret_key = path("big");
    cfg.join_timeout_ms = 300;
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_neq(err.status, KEEL_OK);
}

Test(door, does_not_open_where_it_cannot, .fini = stop)
{
    keel_err err = {0};
    cr_assert_not_null(mkdtemp(dir));
    relay_door_cfg cfg = {.run_id = "r",
                          .dir = "/proc/nowhere",
                          .endpoint = "ipc://{run}/{service}.pub",
                          .out = "ipc://{run}/a",
                          .in = "ipc://{run}/b",
                          .out_tcp = "",
                          .in_tcp = "",
                          .cache_topics = 1,
                          .cache_mib = 1};
    obs = keel_obs_new("relay", KEEL_LOG_ERROR, stderr, wall, NULL);
    cfg.obs = obs;
    cr_assert_null(relay_door_open(&cfg, &err));
    cfg.dir = dir;
    cfg.in = "tcp://256.0.0.1:1";
    cr_assert_null(relay_door_open(&cfg, &err));
    cr_assert_not_null(strstr(err.text, "256.0.0.1"), "%s", err.text);
}

Test(door, the_self_test_finds_a_door_that_nobody_guards, .fini = stop)
{
    keel_key_pair of_door;
    keel_err err = {0};
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(keel_keys_folder(path("keys"), &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_key_pair_have(path("keys"), "door", &of_door, &err), KEEL_OK, "%s", err.text);
    ctx = zmq_ctx_new();
    cr_assert_eq(relay_self_test(ctx, of_door.secret_key, of_door.public_key, dir, &err),
                 KEEL_EREFUSED);
    cr_assert_not_null(strstr(err.text, "was let in"), "%s", err.text);
    relay_zap *zap = relay_zap_start(ctx, path("keys"), &err);
    cr_assert_not_null(zap, "%s", err.text);
    cr_assert_eq(relay_self_test(ctx, of_door.secret_key, of_door.public_key, dir, &err), KEEL_OK,
                 "%s", err.text);
    cr_assert_geq(relay_zap_refused(zap), 1);
    relay_zap_stop(&zap);
}
