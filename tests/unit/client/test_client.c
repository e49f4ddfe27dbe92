/* Against a stand-in for the door: CURVE servers without a key check, which let every key in. */
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/client/client.h"
#include "common/wire/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS = 5000 };

static char dir[] = "/tmp/keel-client-XXXXXX";
static char out_endpoint[64], in_endpoint[64], server_file[64], secret_file[64];
static char server_public[41], server_secret[41];
static void *ctx, *out, *in;

static void write_file(const char *path, const char *first, const char *second)
{
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    fprintf(to, "%s\n%s\n", first, second);
    fclose(to);
}

static void start(void)
{
    char public[41], secret[41];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(out_endpoint, sizeof out_endpoint, "ipc://%s/out", dir);
    snprintf(in_endpoint, sizeof in_endpoint, "ipc://%s/in", dir);
    snprintf(server_file, sizeof server_file, "%s/server", dir);
    snprintf(secret_file, sizeof secret_file, "%s/secret", dir);
    cr_assert_eq(zmq_curve_keypair(server_public, server_secret), 0);
    cr_assert_eq(zmq_curve_keypair(public, secret), 0);
    write_file(server_file, server_public, "");
    write_file(secret_file, public, secret);
    ctx = zmq_ctx_new();
}

static void serve(bool reads, bool asks)
{
    keel_socket_cfg cfg = {.hwm = 1000,
                           .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                           .verbose = true,
                           .welcome = "v1.welcome.relay.",
                           .server_secret = server_secret,
                           .zap_domain = "test"};
    out = keel_socket_new(ctx, ZMQ_XPUB, &cfg, NULL);
    in = keel_socket_new(ctx, ZMQ_SUB, &cfg, NULL);
    zmq_setsockopt(in, ZMQ_SUBSCRIBE, "", 0);
    if (reads)
        cr_assert_eq(keel_socket_bind(out, out_endpoint, NULL), KEEL_OK);
    if (asks)
        cr_assert_eq(keel_socket_bind(in, in_endpoint, NULL), KEEL_OK);
}

static void stop(void)
{
    static const char *const names[] = {"out", "in", "server", "secret"};
    if (out != NULL)
        zmq_close(out);
    if (in != NULL)
        zmq_close(in);
    zmq_ctx_term(ctx);
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static keel_client_cfg cfg_of(const char *run_id, int timeout_ms)
{
    const keel_client_cfg cfg = {.name = "tester",
                                 .out_endpoint = out_endpoint,
                                 .in_endpoint = in_endpoint,
                                 .server_key = server_file,
                                 .secret_key = secret_file,
                                 .run_id = run_id,
                                 .join_timeout_ms = timeout_ms};
    return cfg;
}

/* Read what clients subscribe to until `prefix` is among it. */
static void await_subscription(const char *prefix)
{
    char message[KEEL_TOPIC_MAX + 1];
    for (;;) {
        zmq_pollitem_t item = {out, 0, ZMQ_POLLIN, 0};
        cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "nobody subscribed to %s", prefix);
        const int n = zmq_recv(out, message, sizeof message, 0);
        if (n > 1 && (size_t)n == strlen(prefix) + 1 &&
            memcmp(message + 1, prefix, (size_t)n - 1) == 0)
            return;
    }
}

static void send_frame(const char *topic, keel_payload type, const char *run_id, uint64_t step,
                       uint32_t index, const void *payload, size_t payload_len)
{
    uint8_t frame[2048];
    size_t len;
    keel_envelope e = {
        .type = type, .step = step, .index = index, .payload = payload, .payload_len = payload_len};
    strcpy(e.id.source, "feed");
    e.id.epoch_ns = 1;
    e.id.seq = 1;
    strcpy(e.run_id, run_id);
    cr_assert_eq(keel_wire_put_envelope(&e, frame, sizeof frame, &len), KEEL_OK);
    zmq_send(out, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(out, frame, len, 0);
}

typedef struct joining {
    const char *run_id;
    int timeout_ms;
    keel_client *client;
    keel_err err;
    atomic_bool done;
} joining;

static void *join_thread(void *arg)
{
    joining *j = arg;
    const keel_client_cfg cfg = cfg_of(j->run_id, j->timeout_ms);
    j->client = keel_client_open(&cfg, &j->err);
    atomic_store(&j->done, true);
    return NULL;
}

/* Open a client in a thread while this one lets the servers' sockets do their work; send heartbeats
 * when a run is to be learned. */
static keel_client *open_while_serving(joining *j, const uint8_t *beat, size_t beat_len)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, join_thread, j), 0);
    while (!atomic_load(&j->done)) {
        zmq_pollitem_t items[] = {{in, 0, ZMQ_POLLIN, 0}, {out, 0, ZMQ_POLLOUT, 0}};
        zmq_poll(items, 1, 5);
        zmq_poll(items + 1, 1, 5);
        if (beat_len > 0)
            send_frame("v1.hb.relay.", KEEL_PAYLOAD_HEARTBEAT, "the-run", 0, 0, beat, beat_len);
    }
    pthread_join(thread, NULL);
    return j->client;
}

static keel_client *join(const char *run_id)
{
    joining j = {.run_id = run_id, .timeout_ms = WAIT_MS};
    keel_client *c = open_while_serving(&j, NULL, 0);
    cr_assert_not_null(c, "%s", j.err.text);
    return c;
}

Test(client, says_who_does_not_answer, .init = start, .fini = stop)
{
    keel_err err = {0};
    const keel_client_cfg cfg = cfg_of("r", 150);
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EUNAVAIL);
    cr_assert_not_null(strstr(err.text, in_endpoint), "%s", err.text);
    serve(false, true); /* half a door is no door */
    joining j = {.run_id = "r", .timeout_ms = 500};
    cr_assert_null(open_while_serving(&j, NULL, 0));
    cr_assert_eq(j.err.status, KEEL_EUNAVAIL);
    cr_assert_not_null(strstr(j.err.text, out_endpoint), "%s", j.err.text);
}

Test(client, needs_the_doors_own_key, .init = start, .fini = stop)
{
    char public[41], secret[41];
    serve(true, true);
    cr_assert_eq(zmq_curve_keypair(public, secret), 0);
    write_file(server_file, public, ""); /* somebody else's */
    joining j = {.run_id = "r", .timeout_ms = 500};
    cr_assert_null(open_while_serving(&j, NULL, 0));
    cr_assert_eq(j.err.status, KEEL_EUNAVAIL);
}

Test(client, names_the_key_file_that_is_wrong, .init = start, .fini = stop)
{
    keel_err err = {0};
    keel_client_cfg cfg = cfg_of("r", 200);
    cfg.server_key = "/nonexistent/door.public";
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EIO);
    cr_assert_not_null(strstr(err.text, "/nonexistent/door.public"), "%s", err.text);
    cfg = cfg_of("r", 200);
    write_file(secret_file, server_public, "not a key");
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EIO);
    cr_assert_not_null(strstr(err.text, secret_file), "%s", err.text);
    write_file(secret_file, server_public, "");
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EIO);
    cfg.name = "a-name-that-is-far-longer-than-the-forty-seven-bytes-allowed";
    cr_assert_null(keel_client_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_ETOOBIG);
}

Test(client, counts_what_it_cannot_use_and_passes_repeats_over, .init = start, .fini = stop)
{
    static const char row[] = "v1.row.1h.main.", feed[] = "v1.feed.main.";
    keel_client_msg msg;
    serve(true, true);
    keel_client *c = join("r");
    cr_assert_eq(keel_client_subscribe(c, "v1."), KEEL_OK);
    await_subscription("v1.");
    zmq_send(out, row, strlen(row), ZMQ_SNDMORE);
    zmq_send(out, "\xff", 1, 0);                                           /* no envelope */
    zmq_send(out, row, strlen(row), 0);                                    /* one frame */
    send_frame(row, KEEL_PAYLOAD_BAR_ROW, "other", 1, 0, "x", 1);          /* another run */
    send_frame(row, KEEL_PAYLOAD_FILL, "r", 1, 0, "x", 1);                 /* type and topic */
    send_frame("v1.row.1h.main", KEEL_PAYLOAD_BAR_ROW, "r", 1, 0, "x", 1); /* no final dot */
    send_frame(row, KEEL_PAYLOAD_BAR_ROW, "r", 5, 0, "a", 1);
    send_frame(row, KEEL_PAYLOAD_BAR_ROW, "r", 5, 0, "a", 1);
    send_frame(row, KEEL_PAYLOAD_BAR_ROW, "r", 4, 9, "a", 1);
    send_frame(row, KEEL_PAYLOAD_BAR_ROW, "r", 5, 1, "b", 1);
    send_frame(feed, KEEL_PAYLOAD_FEED_STATUS, "r", 5, 0, "c", 1);
    send_frame(feed, KEEL_PAYLOAD_FEED_STATUS, "r", 5, 0, "c", 1); /* streams have no repeats */
    static const char *const want[] = {"a", "b", "c", "c"};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(keel_client_next(c, WAIT_MS, &msg), KEEL_OK);
        cr_assert_eq(memcmp(msg.envelope.payload, want[i], 1), 0, "message %d", i);
    }
    cr_assert_str_eq(msg.topic, feed);
    cr_assert_eq(keel_client_next(c, 20, &msg), KEEL_EUNAVAIL);
    cr_assert_eq(keel_client_dropped(c), 5);
    char big[KEEL_TOPIC_MAX + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    cr_assert_eq(keel_client_subscribe(c, big), KEEL_ETOOBIG);
    keel_client_close(&c);
    keel_client_close(&c);
}

Test(client, a_question_nobody_answers_ends_in_time, .init = start, .fini = stop)
{
    static keel_reply reply;
    keel_request request = {.service = "risk", .ask = KEEL_ASK_PING};
    serve(true, true);
    keel_client *c = join("r");
    cr_assert_eq(keel_client_ask(c, &request, 50, &reply), KEEL_EUNAVAIL);
    char topic[64], frame[1024];
    const int n = zmq_recv(in, topic, sizeof topic, 0);
    cr_assert_eq(n, (int)strlen("v1.request.risk."));
    cr_assert_gt(zmq_recv(in, frame, sizeof frame, 0), 0);
    request.service[0] = '\0';
    cr_assert_neq(keel_client_ask(c, &request, 50, &reply), KEEL_OK);
    keel_client_close(&c);
}

Test(client, learns_the_run_when_it_is_not_told, .init = start, .fini = stop)
{
    static keel_reply reply;
    joining j = {.run_id = NULL, .timeout_ms = WAIT_MS};
    uint8_t payload[256], frame[2048];
    keel_heartbeat beat = {.service = "relay", .state = KEEL_STATE_RUNNING, .pid = 1};
    size_t len;
    serve(true, true);
    cr_assert_eq(keel_wire_put_heartbeat(&beat, payload, sizeof payload, &len), KEEL_OK);
    keel_client *c = open_while_serving(&j, payload, len);
    cr_assert_not_null(c, "%s", j.err.text);
    const keel_request request = {.service = "risk", .ask = KEEL_ASK_PING};
    cr_assert_eq(keel_client_ask(c, &request, 50, &reply), KEEL_EUNAVAIL);
    cr_assert_gt(zmq_recv(in, frame, sizeof frame, 0), 0);
    const int n = zmq_recv(in, frame, sizeof frame, 0);
    keel_arena arena;
    keel_envelope e;
    keel_arena_init(&arena, 4096);
    cr_assert_eq(keel_wire_get_envelope(&arena, frame, (size_t)n, &e), KEEL_OK);
    cr_assert_str_eq(e.run_id, "the-run");
    keel_arena_fini(&arena);
    keel_client_close(&c);
}
