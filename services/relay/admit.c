#include "services/relay/admit.h"

#include "common/base/text.h"
#include "common/service/names.h"
#include "common/wire/wire.h"

#include <string.h>

#define ROWS_OF "feed" /* whose steps a strategy may ask for again */

const char *relay_verdict_counter(relay_verdict verdict)
{
#define RELAY_VERDICT_TEXT(code, counter) counter,
    static const char *const counters[] = {RELAY_VERDICT_LIST(RELAY_VERDICT_TEXT)};
    return counters[verdict];
}

const char *relay_verdict_sentence(relay_verdict verdict)
{
    static const char *const sentences[RELAY_VERDICT_COUNT] = {
        [RELAY_MALFORMED] = "the frame is no envelope, or its payload none of its topic",
        [RELAY_OVERSIZED] = "the payload is larger than its topic takes",
        [RELAY_WRONG_TYPE] = "the envelope's type is not that of its topic",
        [RELAY_OTHER_RUN] = "run_id is that of another run",
        [RELAY_BAD_SEQUENCE] = "id.epoch_ns or id.seq is not in 1 to 2^63 - 1",
        [RELAY_FORGED] = "id.source is not the strategy of the topic",
    };
    return sentences[verdict];
}

static bool is_service(const char *name)
{
    for (size_t i = 0; i < keel_all_services_n; i++)
        if (strcmp(keel_all_services[i], name) == 0)
            return true;
    return false;
}

/* Is it this topic with this key? */
static bool topic_is(const relay_admission *in, keel_topic which, const char *key)
{
    char topic[KEEL_TOPIC_MAX];
    const keel_topic_keys names = {.key = key};
    return keel_topic_make(which, &names, topic) == KEEL_OK && strcmp(topic, in->topic) == 0;
}

/* ---- one judge a topic ---- */

/* May this key speak for the source of the envelope? */
static relay_verdict judge_source(const relay_admission *in)
{
    const char *source = in->envelope.id.source;
    return !is_service(source) && keel_rights_strategy(&in->key->rights, source) ? RELAY_ADMITTED
                                                                                 : RELAY_NO_RIGHT;
}

static relay_verdict judge_strategy(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    (void)gate;
    (void)now_ns;
    return topic_is(in, in->which, in->envelope.id.source) ? judge_source(in) : RELAY_FORGED;
}

static relay_verdict judge_hello(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    const keel_envelope *e = &in->envelope;
    keel_hello hello;
    const relay_verdict verdict = judge_strategy(gate, now_ns, in);
    if (verdict != RELAY_ADMITTED)
        return verdict;
    if (keel_wire_get_hello(gate->arena, e->payload, e->payload_len, &hello) != KEEL_OK)
        return RELAY_MALFORMED;
    return strcmp(hello.strategy, e->id.source) == 0 ? RELAY_ADMITTED : RELAY_FORGED;
}

static relay_verdict judge_step(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    const keel_envelope *e = &in->envelope;
    const relay_verdict verdict = judge_strategy(gate, now_ns, in);
    if (verdict != RELAY_ADMITTED)
        return verdict;
    keel_step_end *end = keel_arena_take(gate->arena, 1, sizeof *end);
    return end != NULL &&
                   keel_wire_get_step_end(gate->arena, e->payload, e->payload_len, end) == KEEL_OK
               ? RELAY_ADMITTED
               : RELAY_MALFORMED;
}

static relay_verdict judge_resend(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    const keel_envelope *e = &in->envelope;
    keel_resend resend;
    (void)now_ns;
    if (!topic_is(in, KEEL_TOPIC_RESEND, ROWS_OF))
        return RELAY_NO_RIGHT;
    const relay_verdict verdict = judge_source(in);
    if (verdict != RELAY_ADMITTED)
        return verdict;
    if (keel_wire_get_resend(gate->arena, e->payload, e->payload_len, &resend) != KEEL_OK)
        return RELAY_MALFORMED;
    return strcmp(resend.publisher, ROWS_OF) == 0 && strcmp(resend.requester, e->id.source) == 0
               ? RELAY_ADMITTED
               : RELAY_FORGED;
}

/* Replies are read by all, and told apart by the request's id alone. */
static bool asks_as_itself(const relay_admission *in)
{
    const char *requester = in->request.requester;
    const size_t len = strlen(in->key->name);
    if (in->key->rights.is_operator)
        return true;
    if (strcmp(requester, in->envelope.id.source) != 0)
        return false;
    return keel_rights_strategy(&in->key->rights, requester) ||
           (strncmp(requester, in->key->name, len) == 0 &&
            (requester[len] == '\0' || requester[len] == '-'));
}

/* The request again, under the name of the key, in an envelope of its own. */
static keel_status pack_request(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    size_t len;
    const size_t room = KEEL_CLIENT_PAYLOAD_BYTES_MAX;
    uint8_t *payload = keel_arena_take(gate->arena, room, 1);
    if (payload == NULL)
        return KEEL_ENOSPC;
    KEEL_TRY(
        keel_text_copy(in->request.operator_name, sizeof in->request.operator_name, in->key->name));
    KEEL_TRY(keel_wire_put_request(&in->request, payload, room, &len));
    keel_envelope fresh = {.type = KEEL_PAYLOAD_REQUEST,
                           .id = in->envelope.id,
                           .cause = in->envelope.cause,
                           .event_ns = in->envelope.event_ns,
                           .publish_ns = now_ns,
                           .payload = payload,
                           .payload_len = len};
    memcpy(fresh.trace_id, in->envelope.trace_id, sizeof fresh.trace_id);
    memcpy(fresh.run_id, in->envelope.run_id, sizeof fresh.run_id);
    return keel_wire_put_envelope(&fresh, gate->buf, gate->cap, &in->len);
}

static relay_verdict judge_request(const relay_gate *gate, int64_t now_ns, relay_admission *in)
{
    const keel_envelope *e = &in->envelope;
    if (keel_wire_get_request(gate->arena, e->payload, e->payload_len, &in->request) != KEEL_OK)
        return RELAY_MALFORMED;
    if (!is_service(in->request.service))
        return RELAY_UNKNOWN_SERVICE;
    if (!topic_is(in, KEEL_TOPIC_REQUEST, in->request.service))
        return RELAY_MALFORMED;
    if (!asks_as_itself(in))
        return RELAY_FORGED;
    if (!keel_rights_ask(&in->key->rights, in->request.ask))
        return RELAY_NO_RIGHT;
    return pack_request(gate, now_ns, in) == KEEL_OK ? RELAY_ADMITTED : RELAY_MALFORMED;
}

/* ---- all of them ---- */

/* A topic that is open to the outside. */
typedef struct opening {
    keel_topic topic;
    size_t payload_bytes_max;
    relay_verdict (*judge)(const relay_gate *gate, int64_t now_ns, relay_admission *in);
    const char *counter;
} opening;

static const opening openings[] = {
    {KEEL_TOPIC_SIGNAL, KEEL_SIGNAL_BYTES_MAX, judge_strategy, "signals_in"},
    {KEEL_TOPIC_HELLO, KEEL_CLIENT_PAYLOAD_BYTES_MAX, judge_hello, "hellos_in"},
    {KEEL_TOPIC_STEP, KEEL_CLIENT_PAYLOAD_BYTES_MAX, judge_step, "steps_in"},
    {KEEL_TOPIC_RESEND, KEEL_CLIENT_PAYLOAD_BYTES_MAX, judge_resend, "resends_in"},
    {KEEL_TOPIC_REQUEST, KEEL_CLIENT_PAYLOAD_BYTES_MAX, judge_request, "requests_in"},
};

static const opening *opening_of(keel_topic topic)
{
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++)
        if (openings[i].topic == topic)
            return &openings[i];
    return NULL;
}

static keel_status read_envelope(const relay_knock *knock, keel_arena *arena, keel_envelope *out)
{
    const keel_status status = keel_wire_get_envelope(arena, knock->frame, knock->frame_len, out);
    if (status != KEEL_OK)
        memset(out, 0, sizeof *out);
    return status;
}

static relay_verdict read_frame(const relay_knock *knock, keel_arena *arena, relay_admission *out)
{
    if (knock->topic_len >= KEEL_TOPIC_MAX)
        return RELAY_MALFORMED;
    memcpy(out->topic, knock->topic, knock->topic_len);
    out->topic[knock->topic_len] = '\0';
    const keel_status found = keel_topic_find(out->topic, knock->topic_len, &out->which);
    if (found == KEEL_EUNKNOWN)
        return RELAY_WRONG_TYPE;
    if (found != KEEL_OK)
        return RELAY_MALFORMED;
    if (knock->frame_len > KEEL_CLIENT_PAYLOAD_BYTES_MAX)
        return RELAY_OVERSIZED;
    return read_envelope(knock, arena, &out->envelope) == KEEL_OK ? RELAY_ADMITTED
                                                                  : RELAY_MALFORMED;
}

static relay_verdict judge_envelope(const relay_gate *gate, const opening *open,
                                    const keel_envelope *e)
{
    if (open == NULL || e->type != keel_topic_describe(open->topic)->payload)
        return RELAY_WRONG_TYPE;
    if (strcmp(e->run_id, gate->run_id) != 0)
        return RELAY_OTHER_RUN;
    if (e->id.epoch_ns < 1 || e->id.seq < 1 || e->id.seq > INT64_MAX)
        return RELAY_BAD_SEQUENCE;
    return e->payload_len > open->payload_bytes_max ? RELAY_OVERSIZED : RELAY_ADMITTED;
}

relay_verdict relay_admit(const relay_gate *gate, const relay_knock *knock, int64_t now_ns,
                          relay_admission *out)
{
    keel_arena_reset(gate->arena);
    *out = (relay_admission){.which = KEEL_TOPIC_COUNT};
    if (knock->user == NULL || knock->user[0] == '\0')
        return RELAY_NO_IDENTITY;
    /* Looked up for each message: libzmq lets a connection live on when its key is taken away. */
    out->key = keel_keys_find(gate->keys, knock->user);
    if (out->key == NULL)
        return RELAY_REVOKED;
    relay_verdict verdict = read_frame(knock, gate->arena, out);
    if (verdict != RELAY_ADMITTED)
        return verdict;
    const opening *open = opening_of(out->which);
    verdict = judge_envelope(gate, open, &out->envelope);
    if (verdict != RELAY_ADMITTED)
        return verdict;
    out->counter = open->counter;
    return open->judge(gate, now_ns, out);
}

const char *relay_admission_strategy(const relay_admission *in)
{
    const keel_topic which = in->which;
    if (in->key == NULL ||
        (which != KEEL_TOPIC_SIGNAL && which != KEEL_TOPIC_HELLO && which != KEEL_TOPIC_STEP))
        return NULL;
    const char *source = in->envelope.id.source;
    if (source[0] != '\0' && topic_is(in, which, source) && judge_source(in) == RELAY_ADMITTED)
        return source;
    for (int i = 0; i < in->key->rights.strategies_n; i++)
        if (topic_is(in, which, in->key->rights.strategies[i]))
            return in->key->rights.strategies[i];
    return NULL;
}
