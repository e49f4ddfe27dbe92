/* A heartbeat taken from a service's own outbox: heard, silent, of another run or service. */
#include "common/bus/socket.h"
#include "common/client/hear.h"
#include "common/wire/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static const keel_socket_cfg plain = {.hwm = 16, .msg_bytes_max = 65536, .verbose = true};

/* A service that beats once for each subscription it is told of, and then ends. */
typedef struct service {
    void *ctx, *out;
    char endpoint[64];
    const char *run_id, *name; /* in the envelope and in the heartbeat */
    bool beats;
} service;

static void open_service(service *s)
{
    size_t size = sizeof s->endpoint;
    int wait_ms = 5000;
    s->ctx = zmq_ctx_new();
    s->out = keel_socket_new(s->ctx, ZMQ_XPUB, &plain, NULL);
    cr_assert_eq(keel_socket_bind(s->out, "tcp://127.0.0.1:*", NULL), KEEL_OK);
    cr_assert_eq(zmq_getsockopt(s->out, ZMQ_LAST_ENDPOINT, s->endpoint, &size), 0);
    zmq_setsockopt(s->out, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
}

static void *serve(void *arg)
{
    const service *s = arg;
    char topic[KEEL_TOPIC_MAX + 1];
    uint8_t payload[1024], frame[2048];
    size_t len;
    keel_heartbeat *beat = keel_xcalloc(1, sizeof *beat);
    keel_envelope e = {.type = KEEL_PAYLOAD_HEARTBEAT, .id = {.epoch_ns = 1, .seq = 1}};
    const int n = zmq_recv(s->out, topic, sizeof topic, 0);
    snprintf(beat->service, sizeof beat->service, "%s", s->name);
    beat->state = KEEL_STATE_DEGRADED;
    beat->step_done = 42;
    snprintf(e.id.source, sizeof e.id.source, "%s", s->name);
    snprintf(e.run_id, sizeof e.run_id, "%s", s->run_id);
    if (n > 1 && s->beats &&
        keel_wire_put_heartbeat(beat, payload, sizeof payload, &len) == KEEL_OK) {
        e.payload = payload;
        e.payload_len = len;
        if (keel_wire_put_envelope(&e, frame, sizeof frame, &len) == KEEL_OK) {
            zmq_send(s->out, topic + 1, (size_t)n - 1, ZMQ_SNDMORE);
            zmq_send(s->out, frame, len, 0);
        }
    }
    keel_free(&beat);
    return NULL;
}

static keel_status hear(service *s, keel_heartbeat *beat, keel_err *err)
{
    pthread_t thread;
    open_service(s);
    const keel_hear_cfg cfg = {s->endpoint, "risk", "run-a", s->beats ? 5000 : 200};
    pthread_create(&thread, NULL, serve, s);
    const keel_status status = keel_hear(&cfg, beat, err);
    pthread_join(thread, NULL);
    zmq_close(s->out);
    zmq_ctx_term(s->ctx);
    return status;
}

Test(hear, the_next_heartbeat_is_taken_without_a_key)
{
    static keel_heartbeat beat;
    keel_err err;
    service s = {.run_id = "run-a", .name = "risk", .beats = true};
    cr_assert_eq(hear(&s, &beat, &err), KEEL_OK, "%s", err.text);
    cr_assert_str_eq(beat.service, "risk");
    cr_assert(beat.state == KEEL_STATE_DEGRADED && beat.step_done == 42);
}

Test(hear, silence_and_strangers_are_told_apart)
{
    static const struct {
        service s;
        keel_status status;
        const char *says;
    } cases[] = {
        {{.run_id = "run-a", .name = "risk", .beats = false}, KEEL_EUNAVAIL, "within 200 ms"},
        {{.run_id = "run-b", .name = "risk", .beats = true}, KEEL_EREFUSED, "is of run run-b"},
        {{.run_id = "run-a", .name = "feed", .beats = true}, KEEL_EREFUSED, "heartbeat of risk"},
    };
    static keel_heartbeat beat;
    keel_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        service s = cases[i].s;
        cr_assert_eq(hear(&s, &beat, &err), cases[i].status, "case %zu: %s", i, err.text);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
    }
}

Test(hear, nobody_there)
{
    static keel_heartbeat beat;
    keel_err err;
    const keel_hear_cfg cfg = {"tcp://127.0.0.1:1", "risk", "run-a", 100};
    cr_assert_eq(keel_hear(&cfg, &beat, &err), KEEL_EUNAVAIL);
    const keel_hear_cfg bad = {"nonsense", "risk", "run-a", 100};
    cr_assert_eq(keel_hear(&bad, &beat, &err), KEEL_EIO);
    cr_assert_not_null(strstr(err.text, "nonsense"), "%s", err.text);
}
