#include "services/relay/admit.h"

#include "common/base/text.h"
#include "common/service/names.h"
#include "common/wire/wire.h"

#include <string.h>

const char *relay_verdict_counter(relay_verdict verdict)
{
#define RELAY_VERDICT_TEXT(code, counter) counter,
    static const char *const counters[] = {RELAY_VERDICT_LIST(RELAY_VERDICT_TEXT)};
    return counters[verdict];
}

static bool service_is_known(const char *name)
{
    for (size_t i = 0; i < keel_all_services_n; i++)
        if (strcmp(keel_all_services[i], name) == 0)
            return true;
    return false;
}

static relay_verdict read_frame(const relay_knock *knock, keel_arena *arena, relay_admission *out)
{
    keel_topic topic;
    if (knock->topic_len >= KEEL_TOPIC_MAX || knock->frame_len > KEEL_CLIENT_PAYLOAD_BYTES_MAX)
        return RELAY_MALFORMED;
    memcpy(out->topic, knock->topic, knock->topic_len);
    out->topic[knock->topic_len] = '\0';
    const keel_status found = keel_topic_find(out->topic, knock->topic_len, &topic);
    if (found == KEEL_EUNKNOWN)
        return RELAY_WRONG_TYPE;
    if (found != KEEL_OK ||
        keel_wire_get_envelope(arena, knock->frame, knock->frame_len, &out->envelope) != KEEL_OK)
        return RELAY_MALFORMED;
    if (topic != KEEL_TOPIC_REQUEST || out->envelope.type != KEEL_PAYLOAD_REQUEST)
        return RELAY_WRONG_TYPE;
    if (keel_wire_get_request(arena, out->envelope.payload, out->envelope.payload_len,
                              &out->request) != KEEL_OK)
        return RELAY_MALFORMED;
    return RELAY_ADMITTED;
}

/* The request again, under the name of the key, in an envelope of its own. */
static keel_status write_frame(const relay_gate *gate, const char *user, int64_t now_ns,
                               relay_admission *out)
{
    size_t len;
    const size_t room = KEEL_CLIENT_PAYLOAD_BYTES_MAX;
    uint8_t *payload = keel_arena_take(gate->arena, room, 1);
    if (payload == NULL)
        return KEEL_ENOSPC;
    KEEL_TRY(keel_text_copy(out->request.operator_name, sizeof out->request.operator_name, user));
    KEEL_TRY(keel_wire_put_request(&out->request, payload, room, &len));
    keel_envelope fresh = {.type = KEEL_PAYLOAD_REQUEST,
                           .id = out->envelope.id,
                           .cause = out->envelope.cause,
                           .event_ns = out->envelope.event_ns,
                           .publish_ns = now_ns,
                           .payload = payload,
                           .payload_len = len};
    memcpy(fresh.trace_id, out->envelope.trace_id, sizeof fresh.trace_id);
    memcpy(fresh.run_id, out->envelope.run_id, sizeof fresh.run_id);
    return keel_wire_put_envelope(&fresh, gate->buf, gate->cap, &out->len);
}

relay_verdict relay_admit(const relay_gate *gate, const relay_knock *knock, int64_t now_ns,
                          relay_admission *out)
{
    char topic[KEEL_TOPIC_MAX];
    keel_arena_reset(gate->arena);
    /* Looked up for each message: libzmq lets a connection live on when its key is taken away. */
    if (knock->user == NULL || !relay_keys_knows(gate->keys, knock->user))
        return RELAY_NO_IDENTITY;
    const relay_verdict read = read_frame(knock, gate->arena, out);
    if (read != RELAY_ADMITTED)
        return read;
    if (strcmp(out->envelope.run_id, gate->run_id) != 0)
        return RELAY_OTHER_RUN;
    if (!service_is_known(out->request.service))
        return RELAY_UNKNOWN_SERVICE;
    const keel_topic_keys names = {.key = out->request.service};
    if (keel_topic_make(KEEL_TOPIC_REQUEST, &names, topic) != KEEL_OK ||
        strcmp(topic, out->topic) != 0)
        return RELAY_MALFORMED;
    return write_frame(gate, knock->user, now_ns, out) == KEEL_OK ? RELAY_ADMITTED
                                                                  : RELAY_MALFORMED;
}
