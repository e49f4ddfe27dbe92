#include "common/wire/wire.h"
#include "services/relay/admit.h"
#include "services/relay/alerts.h"
#include "services/relay/lvc.h"
#include "services/relay/replies.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- last values ---- */

static keel_status put(relay_lvc *lvc, const char *topic, uint64_t step, uint32_t index,
                       size_t size)
{
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, size);
    memset(zmq_msg_data(&frame), (int)step, size);
    const keel_status status = relay_lvc_put(lvc, topic, step, index, &frame);
    zmq_msg_close(&frame);
    return status;
}

typedef struct seen {
    int n;
    char topics[8][KEEL_TOPIC_MAX];
    uint8_t first[8];
} seen;

static void note(void *arg, const char *topic, zmq_msg_t *frame)
{
    seen *s = arg;
    strcpy(s->topics[s->n], topic);
    s->first[s->n++] = *(uint8_t *)zmq_msg_data(frame);
}

Test(lvc, keeps_the_newest_of_each_topic)
{
    relay_lvc *lvc = relay_lvc_new(8, 1000);
    seen s = {0};
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 1, 0, 10), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.cov.1h.a.", 3, 0, 10), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 1, 20), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 0, 10), KEEL_ESTALE);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 1, 9, 10), KEEL_ESTALE);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 1, 20), KEEL_OK, "the same again");
    cr_assert_eq(relay_lvc_topics(lvc), 2);
    cr_assert_eq(relay_lvc_bytes(lvc), 30);
    cr_assert_eq(relay_lvc_send(lvc, "v1.", 3, note, &s), 2);
    cr_assert_str_eq(s.topics[0], "v1.row.1h.a.");
    cr_assert_eq(s.first[0], 2);
    cr_assert_eq(s.first[1], 3);
    cr_assert_eq(relay_lvc_send(lvc, "v1.row.1h.a.", 12, note, &s), 1);
    cr_assert_eq(relay_lvc_send(lvc, "v1.row.1h.ab", 12, note, &s), 0);
    cr_assert_eq(relay_lvc_send(lvc, "", 0, note, &s), 2);
    relay_lvc_free(&lvc);
    relay_lvc_free(&lvc);
}

Test(lvc, is_bounded_in_topics_and_bytes)
{
    relay_lvc *lvc = relay_lvc_new(2, 100);
    seen s = {0};
    cr_assert_eq(put(lvc, "v1.a.", 1, 0, 60), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.b.", 1, 0, 41), KEEL_ENOSPC);
    cr_assert_eq(put(lvc, "v1.b.", 1, 0, 40), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.c.", 1, 0, 1), KEEL_ENOSPC, "a third topic");
    cr_assert_eq(put(lvc, "v1.b.", 2, 0, 41), KEEL_ENOSPC);
    cr_assert_eq(relay_lvc_send(lvc, "v1.b.", 5, note, &s), 0, "a stale value is no last value");
    cr_assert_eq(relay_lvc_bytes(lvc), 60);
    cr_assert_eq(put(lvc, "v1.b.", 3, 0, 1), KEEL_OK);
    cr_assert_eq(relay_lvc_bytes(lvc), 61);
    relay_lvc_free(&lvc);
}

Test(lvc, finds_each_of_many_topics_again)
{
    relay_lvc *lvc = relay_lvc_new(1000, 1 << 20);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 1000; i++) {
            char topic[32];
            snprintf(topic, sizeof topic, "v1.t%d.", i);
            cr_assert_eq(put(lvc, topic, (uint64_t)round, 0, 8), KEEL_OK);
        }
    }
    cr_assert_eq(relay_lvc_topics(lvc), 1000);
    cr_assert_eq(relay_lvc_bytes(lvc), 8000);
    relay_lvc_free(&lvc);
}

/* ---- replies ---- */

static void put_reply(relay_replies *replies, const char *topic, char byte, int64_t now_ms)
{
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, 1);
    memset(zmq_msg_data(&frame), byte, 1);
    relay_replies_put(replies, topic, &frame, now_ms);
    zmq_msg_close(&frame);
}

Test(replies, are_sent_again_for_a_while_to_who_subscribes_to_their_topic)
{
    static const char topic[] = "v1.reply.cli-1.";
    relay_replies *replies = relay_replies_new();
    seen s = {0};
    put_reply(replies, topic, 'a', 1000);
    put_reply(replies, "v1.reply.cli-12.", 'x', 1000);
    put_reply(replies, topic, 'b', 1500);
    cr_assert_eq(relay_replies_send(replies, topic, strlen(topic), 1600, note, &s), 2);
    cr_assert_eq(s.first[0], 'a');
    cr_assert_eq(s.first[1], 'b');
    cr_assert_eq(relay_replies_send(replies, "v1.", 3, 1600, note, &s), 0, "a prefix is not asked");
    cr_assert_eq(relay_replies_send(replies, topic, strlen(topic), 3001, note, &s), 1, "too old");
    for (int i = 0; i < RELAY_REPLIES_MAX; i++)
        put_reply(replies, "v1.reply.other.", 'o', 1600);
    cr_assert_eq(relay_replies_send(replies, topic, strlen(topic), 1700, note, &s), 0, "bounded");
    relay_replies_free(&replies);
    relay_replies_free(&replies);
}

/* ---- admission ---- */

static keel_arena arena;
static keel_keys *keys;
static uint8_t frame[80 << 10], out_frame[16384];
static relay_admission out;
static char dir[] = "/tmp/keel-admit-XXXXXX";
static keel_key_pair alice, momentum, operator_pair, desk, gone;

static void give(const char *name, keel_key_pair *pair, const char *rights)
{
    char path[128];
    cr_assert_eq(keel_key_pair_have(dir, name, pair, NULL), KEEL_OK);
    if (rights == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s.rights", dir, name);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    fputs(rights, to);
    fclose(to);
}

static void start(void)
{
    cr_assert_not_null(mkdtemp(dir));
    give("alice", &alice, "requests ping status snapshot\n");
    give("momentum", &momentum, NULL);
    give("operator", &operator_pair, NULL);
    give("desk", &desk, "strategy BRK.B carry\n");
    give("risk", &gone, NULL); /* named as a service is: it speaks for none all the same */
    keys = keel_keys_load(dir, NULL);
    cr_assert_not_null(keys);
    cr_assert_eq(keys->n, 5);
    keel_arena_init(&arena, 1 << 20);
}

static void stop(void)
{
    char command[64];
    keel_arena_fini(&arena);
    keel_keys_free(&keys);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

static relay_verdict admit_bytes(const char *user, const char *topic, const uint8_t *bytes,
                                 size_t len)
{
    const relay_knock knock = {user, (const uint8_t *)topic, strlen(topic), bytes, len};
    const relay_gate gate = {keys, "test-1", &arena, out_frame, sizeof out_frame};
    return relay_admit(&gate, &knock, 777, &out);
}

/* One frame from outside, by what may be wrong with it. */
typedef struct sending {
    const char *user, *topic, *source, *run_id;
    keel_payload type;
    int64_t epoch_ns;
    uint64_t seq;
    const uint8_t *payload;
    size_t payload_len;
} sending;

static size_t build(const sending *s)
{
    size_t len = 0;
    keel_envelope e = {.type = s->type, .event_ns = 5, .publish_ns = 6, .step = 9, .index = 3};
    e.payload = s->payload;
    e.payload_len = s->payload_len;
    strcpy(e.id.source, s->source);
    e.id.epoch_ns = s->epoch_ns;
    e.id.seq = s->seq;
    strcpy(e.trace_id, "trace");
    strcpy(e.run_id, s->run_id);
    cr_assert_eq(keel_wire_put_envelope(&e, frame, sizeof frame, &len), KEEL_OK);
    return len;
}

static relay_verdict admit(const sending *s)
{
    return admit_bytes(s->user, s->topic, frame, build(s));
}

static sending request_of(const char *user, const char *source, const char *requester, keel_ask ask)
{
    static uint8_t payload[1024];
    keel_request request = {.service = "risk", .ask = ask, .deadline_ms = 250};
    sending s = {user, "v1.request.risk.", source, "test-1", KEEL_PAYLOAD_REQUEST, 11, 12, payload};
    strcpy(request.requester, requester);
    if (ask == KEEL_ASK_HALT || ask == KEEL_ASK_RESUME)
        strcpy(request.reason, "checked by hand");
    request.log_level = ask == KEEL_ASK_LOG_LEVEL ? 2 : 0;
    strcpy(request.operator_name, "mallory");
    cr_assert_eq(keel_wire_put_request(&request, payload, sizeof payload, &s.payload_len), KEEL_OK);
    return s;
}

Test(admit, the_keys_name_replaces_what_the_client_says, .init = start, .fini = stop)
{
    keel_envelope e;
    keel_request request;
    const sending s = request_of(operator_pair.public_key, "client-1", "client-1", KEEL_ASK_RESUME);
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    cr_assert_str_eq(out.topic, "v1.request.risk.");
    cr_assert_str_eq(out.counter, "requests_in");
    cr_assert_str_eq(out.key->name, "operator");
    keel_arena_reset(&arena);
    cr_assert_eq(keel_wire_get_envelope(&arena, out_frame, out.len, &e), KEEL_OK);
    cr_assert_eq(keel_wire_get_request(&arena, e.payload, e.payload_len, &request), KEEL_OK);
    cr_assert_str_eq(request.operator_name, "operator");
    cr_assert_str_eq(request.requester, "client-1");
    cr_assert_str_eq(request.reason, "checked by hand");
    cr_assert_eq(request.deadline_ms, 250);
    cr_assert_str_eq(e.id.source, "client-1");
    cr_assert_eq(e.id.epoch_ns, 11);
    cr_assert_eq(e.id.seq, 12);
    cr_assert_str_eq(e.trace_id, "trace");
    cr_assert_eq(e.publish_ns, 777);
    cr_assert_eq(e.step, 0, "requests are outside the steps, whatever the client says");
    cr_assert_eq(e.index, 0);
}

Test(admit, a_request_is_refused_for_a_named_reason, .init = start, .fini = stop)
{
    const sending good = request_of(operator_pair.public_key, "c", "c", KEEL_ASK_RESUME);
#define BUT(member, value, want)                                                                   \
    do {                                                                                           \
        sending s = good;                                                                          \
        s.member = value;                                                                          \
        cr_assert_eq(admit(&s), want, #member " " #value);                                         \
    } while (0)
    BUT(user, NULL, RELAY_NO_IDENTITY);
    BUT(user, "", RELAY_NO_IDENTITY);
    BUT(user, "operator", RELAY_REVOKED);
    BUT(user, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", RELAY_REVOKED);
    BUT(topic, "v1.request.risk", RELAY_MALFORMED);
    BUT(topic, "v1.request.execution.", RELAY_MALFORMED);
    BUT(topic, "v1.reply.risk.", RELAY_WRONG_TYPE);
    BUT(topic, "v1.row.1h.main.", RELAY_WRONG_TYPE);
    BUT(topic, "v1.signal.c.", RELAY_WRONG_TYPE);
    BUT(topic, "v1.unheard.of.", RELAY_WRONG_TYPE);
    BUT(type, KEEL_PAYLOAD_FILL, RELAY_WRONG_TYPE);
    BUT(run_id, "other", RELAY_OTHER_RUN);
    BUT(seq, UINT64_MAX, RELAY_BAD_SEQUENCE);
    BUT(payload_len, good.payload_len - 1, RELAY_MALFORMED);
#undef BUT
    /* Step and index, two bytes each at the end, may be absent; nothing else may. */
    const size_t len = build(&good);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(admit_bytes(good.user, good.topic, frame, cut) == RELAY_ADMITTED,
                     cut == len - 2 || cut == len - 4, "%zu of %zu bytes", cut, len);
    static uint8_t big[(64 << 10) + 1];
    cr_assert_eq(admit_bytes(good.user, good.topic, big, sizeof big), RELAY_OVERSIZED);
    for (int i = 0; i < RELAY_VERDICT_COUNT; i++)
        cr_assert_gt(strlen(relay_verdict_counter((relay_verdict)i)), 0);
}

Test(admit, who_is_no_operator_asks_what_its_key_may_and_as_itself, .init = start, .fini = stop)
{
    for (int ask = KEEL_ASK_PING; ask <= KEEL_ASK_RESUME; ask++) {
        const bool harmless = ask == KEEL_ASK_PING || ask == KEEL_ASK_STATUS;
        const relay_verdict plain = harmless ? RELAY_ADMITTED : RELAY_NO_RIGHT;
        sending s = request_of(momentum.public_key, "momentum", "momentum", (keel_ask)ask);
        cr_assert_eq(admit(&s), plain, "momentum %s", keel_ask_name((keel_ask)ask));
        s = request_of(alice.public_key, "alice-7", "alice-7", (keel_ask)ask);
        cr_assert_eq(admit(&s), ask == KEEL_ASK_SNAPSHOT ? RELAY_ADMITTED : plain, "alice %s",
                     keel_ask_name((keel_ask)ask));
        s = request_of(operator_pair.public_key, "x", "x", (keel_ask)ask);
        cr_assert_eq(admit(&s), RELAY_ADMITTED, "operator %s", keel_ask_name((keel_ask)ask));
    }
    static const char *const others[][2] = {
        {"cli-1", "cli-1"},
        {"momentum", "cli-1"},
        {"cli-1", "momentum"},
        {"momentumx", "momentumx"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const sending s =
            request_of(momentum.public_key, others[i][0], others[i][1], KEEL_ASK_PING);
        cr_assert_eq(admit(&s), RELAY_FORGED, "%s %s", others[i][0], others[i][1]);
    }
    const sending s = request_of(desk.public_key, "carry", "carry", KEEL_ASK_PING);
    cr_assert_eq(admit(&s), RELAY_ADMITTED, "as its strategy");
}

static sending signal_of(const char *user, const char *source, const char *topic)
{
    const sending s = {
        user, topic, source, "test-1", KEEL_PAYLOAD_SIGNAL, 11, 12, (const uint8_t *)"not a signal",
        12};
    return s;
}

Test(admit, a_signal_is_let_in_under_the_strategy_of_its_key, .init = start, .fini = stop)
{
    sending s = signal_of(momentum.public_key, "momentum", "v1.signal.momentum.");
    cr_assert_eq(admit(&s), RELAY_ADMITTED, "whatever its payload: the coordinator says why");
    cr_assert_eq(out.len, 0, "as it came");
    cr_assert_str_eq(out.counter, "signals_in");
    s = signal_of(operator_pair.public_key, "momentum", "v1.signal.momentum.");
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    s = signal_of(desk.public_key, "BRK.B", "v1.signal.BRK%2EB.");
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    s = signal_of(desk.public_key, "carry", "v1.signal.carry.");
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    s = signal_of(desk.public_key, "desk", "v1.signal.desk.");
    cr_assert_eq(admit(&s), RELAY_NO_RIGHT, "a file of rights says all");
    s = signal_of(alice.public_key, "alice", "v1.signal.alice.");
    cr_assert_eq(admit(&s), RELAY_NO_RIGHT, "may only ask");
    s = signal_of(desk.public_key, "momentum", "v1.signal.momentum.");
    cr_assert_eq(admit(&s), RELAY_NO_RIGHT, "another strategy's name");
    s = signal_of(momentum.public_key, "carry", "v1.signal.momentum.");
    cr_assert_eq(admit(&s), RELAY_FORGED, "a source that is not of the topic");
    s = signal_of(momentum.public_key, "momentum", "v1.signal.carry.");
    cr_assert_eq(admit(&s), RELAY_FORGED);
    static const char *const services[] = {"feed", "risk", "relay", "strategy-coordinator"};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        char topic[KEEL_TOPIC_MAX];
        snprintf(topic, sizeof topic, "v1.step.%s.", services[i]);
        s = signal_of(operator_pair.public_key, services[i], topic);
        s.type = KEEL_PAYLOAD_STEP_END;
        cr_assert_eq(admit(&s), RELAY_NO_RIGHT, "nobody outside closes a step of a service");
        s.user = gone.public_key;
        cr_assert_eq(admit(&s), RELAY_NO_RIGHT);
    }
}

Test(admit, sequences_and_sizes_have_bounds, .init = start, .fini = stop)
{
    static uint8_t big[KEEL_CLIENT_PAYLOAD_BYTES_MAX];
    static const struct {
        int64_t epoch_ns;
        uint64_t seq;
        relay_verdict want;
    } cases[] = {
        {1, 1, RELAY_ADMITTED},
        {INT64_MAX, INT64_MAX, RELAY_ADMITTED},
        {1, (uint64_t)INT64_MAX + 1, RELAY_BAD_SEQUENCE},
        {1, UINT64_MAX, RELAY_BAD_SEQUENCE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sending s = signal_of(momentum.public_key, "momentum", "v1.signal.momentum.");
        s.epoch_ns = cases[i].epoch_ns;
        s.seq = cases[i].seq;
        cr_assert_eq(admit(&s), cases[i].want, "%zu", i);
    }
    sending s = signal_of(momentum.public_key, "momentum", "v1.signal.momentum.");
    s.payload = big;
    s.payload_len = KEEL_SIGNAL_BYTES_MAX;
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    s.payload_len++;
    cr_assert_eq(admit(&s), RELAY_OVERSIZED);
    s.payload_len = sizeof big;
    cr_assert_eq(admit(&s), RELAY_OVERSIZED);
}

/* Who is told why a frame did not come in. */
Test(admit, names_the_strategy_whose_frame_was_refused, .init = start, .fini = stop)
{
    sending s = signal_of(momentum.public_key, "momentum", "v1.signal.momentum.");
    s.seq = UINT64_MAX;
    cr_assert_eq(admit(&s), RELAY_BAD_SEQUENCE);
    cr_assert_str_eq(relay_admission_strategy(&out), "momentum");
    cr_assert_eq(out.envelope.id.epoch_ns, s.epoch_ns);
    const uint8_t bytes[] = {0xff};
    cr_assert_eq(admit_bytes(desk.public_key, "v1.step.BRK%2EB.", bytes, 1), RELAY_MALFORMED);
    cr_assert_str_eq(relay_admission_strategy(&out), "BRK.B", "known by its topic alone");
    cr_assert_eq(out.envelope.id.epoch_ns, 0);
    cr_assert_eq(admit_bytes(desk.public_key, "v1.signal.momentum.", bytes, 1), RELAY_MALFORMED);
    cr_assert_null(relay_admission_strategy(&out), "another's");
    cr_assert_eq(admit_bytes(desk.public_key, "v1.resend.feed.", bytes, 1), RELAY_MALFORMED);
    cr_assert_null(relay_admission_strategy(&out));
    cr_assert_eq(admit_bytes(desk.public_key, "v1.signal.carry", bytes, 1), RELAY_MALFORMED);
    cr_assert_null(relay_admission_strategy(&out));
    cr_assert_eq(admit_bytes("nobody", "v1.signal.carry.", bytes, 1), RELAY_REVOKED);
    cr_assert_null(relay_admission_strategy(&out));
    for (int v = 0; v < RELAY_VERDICT_COUNT; v++) {
        const char *why = relay_verdict_sentence((relay_verdict)v);
        cr_assert(why == NULL || strlen(why) < KEEL_REASON_TEXT_MAX);
    }
}

Test(admit, hellos_step_ends_and_resends_decode_and_name_their_strategy, .init = start,
     .fini = stop)
{
    uint8_t payload[256];
    keel_hello hello = {"momentum", 11, 3};
    sending s = signal_of(momentum.public_key, "momentum", "v1.hello.momentum.");
    s.type = KEEL_PAYLOAD_HELLO;
    cr_assert_eq(admit(&s), RELAY_MALFORMED);
    s.payload = payload;
    cr_assert_eq(keel_wire_put_hello(&hello, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    cr_assert_str_eq(out.counter, "hellos_in");
    strcpy(hello.strategy, "carry");
    cr_assert_eq(keel_wire_put_hello(&hello, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_FORGED, "it would end the epoch of another strategy");

    keel_step_end end = {.step = 9, .marks_n = 1};
    strcpy(end.marks[0].topic, "v1.signal.momentum.");
    end.marks[0].count = 12;
    s = signal_of(momentum.public_key, "momentum", "v1.step.momentum.");
    s.type = KEEL_PAYLOAD_STEP_END;
    cr_assert_eq(admit(&s), RELAY_MALFORMED);
    s.payload = payload;
    cr_assert_eq(keel_wire_put_step_end(&end, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    cr_assert_str_eq(out.counter, "steps_in");

    keel_resend resend = {"feed", "momentum", 1, 64};
    s = signal_of(momentum.public_key, "momentum", "v1.resend.feed.");
    s.type = KEEL_PAYLOAD_RESEND;
    cr_assert_eq(admit(&s), RELAY_MALFORMED);
    s.payload = payload;
    cr_assert_eq(keel_wire_put_resend(&resend, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_ADMITTED);
    cr_assert_str_eq(out.counter, "resends_in");
    s.topic = "v1.resend.ledger.";
    cr_assert_eq(admit(&s), RELAY_NO_RIGHT, "rows only");
    s.topic = "v1.resend.feed.";
    strcpy(resend.publisher, "ledger");
    cr_assert_eq(keel_wire_put_resend(&resend, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_FORGED);
    strcpy(resend.publisher, "feed");
    strcpy(resend.requester, "risk");
    cr_assert_eq(keel_wire_put_resend(&resend, payload, sizeof payload, &s.payload_len), KEEL_OK);
    cr_assert_eq(admit(&s), RELAY_FORGED, "asked in the name of a service");
    s.source = "risk";
    cr_assert_eq(admit(&s), RELAY_NO_RIGHT);
}

/* ---- alerts ---- */

static int64_t noon(void *arg)
{
    (void)arg;
    return 0;
}

Test(alerts, one_line_a_second_for_each_key_and_reason)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    keel_obs *obs = keel_obs_new("relay", KEEL_LOG_INFO, to, noon, NULL);
    relay_alerts *alerts = keel_xcalloc(1, sizeof *alerts);
    int told = 0;
    for (int i = 0; i < 1000; i++)
        told += relay_alert(alerts, obs, 5000, "flood", "in_forged");
    cr_assert_eq(told, 1, "the sender hears of the first");
    cr_assert(relay_alert(alerts, obs, 5001, "momentum", "in_no_right"));
    cr_assert_not(relay_alert(alerts, obs, 5099, "flood", "in_forged"));
    cr_assert(relay_alert(alerts, obs, 5100, "flood", "in_forged"));
    cr_assert(relay_alert(alerts, obs, 6000, "flood", "in_forged"));
    fflush(to);
    int lines = 0;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, 3, "%s", text);
    cr_assert_not_null(strstr(text, "why=in_forged key=\"flood\" more=0"), "%s", text);
    cr_assert_not_null(strstr(text, "why=in_no_right key=\"momentum\" more=0"), "%s", text);
    cr_assert_not_null(strstr(text, "why=in_forged key=\"flood\" more=1001"), "%s", text);
    keel_obs_free(&obs);
    keel_free(&alerts);
    fclose(to);
    free(text);
}
