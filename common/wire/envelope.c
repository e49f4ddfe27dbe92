/* The payload is not unpacked with its frame: it would be copied. The frame's fields are walked,
 * what stands around the payload is unpacked, and the payload is pointed at. */
#include "common/wire/wire_internal.h"

#include <string.h>

enum {
    PAYLOAD_FIELD = 9,
    HEAD_BYTES_MAX = KEEL_FRAME_BYTES_MAX - KEEL_PAYLOAD_BYTES_MAX,
};

/* Split a frame into its payload and the bytes around it. */
static keel_status split(const uint8_t *data, size_t len, uint8_t *head, size_t *head_len,
                         ProtobufCBinaryData *payload)
{
    wire_scan in = {data, len, 0};
    *head_len = 0;
    while (in.at < in.len) {
        const size_t from = in.at;
        const uint8_t *body;
        uint64_t number;
        size_t size = 0;
        if (!wire_next_field(&in, &number, &body, &size))
            return KEEL_EFORMAT;
        if (number == PAYLOAD_FIELD) {
            if (body == NULL || payload->data != NULL)
                return KEEL_EFORMAT;
            memcpy(&payload->data, &body, sizeof body);
            payload->len = size;
            continue;
        }
        if (in.at - from > HEAD_BYTES_MAX - *head_len)
            return KEEL_ETOOBIG;
        memcpy(head + *head_len, data + from, in.at - from);
        *head_len += in.at - from;
    }
    return KEEL_OK;
}

static keel_status get_payload(const ProtobufCMessage *pb, void *plain)
{
    const Keel__V1__Envelope *envelope = (const Keel__V1__Envelope *)pb;
    keel_envelope *out = plain;
    if (envelope->envelope_version == 0)
        return KEEL_EFORMAT;
    if (envelope->envelope_version != KEEL_ENVELOPE_VERSION)
        return KEEL_EVERSION;
    out->payload = envelope->payload.data;
    out->payload_len = envelope->payload.len;
    return KEEL_OK;
}

static keel_status put_payload(keel_arena *room, const void *plain, ProtobufCMessage *pb)
{
    const keel_envelope *in = plain;
    Keel__V1__Envelope *envelope = (Keel__V1__Envelope *)pb;
    (void)room;
    envelope->envelope_version = KEEL_ENVELOPE_VERSION;
    envelope->payload.len = in->payload_len;
    memcpy(&envelope->payload.data, &in->payload, sizeof in->payload);
    return KEEL_OK;
}

/* No message is empty: each has a field it requires. */
static keel_status check_payload(const void *plain)
{
    const keel_envelope *envelope = plain;
    if (envelope->payload == NULL || envelope->payload_len == 0)
        return KEEL_EFORMAT;
    return envelope->payload_len > KEEL_PAYLOAD_BYTES_MAX ? KEEL_ETOOBIG : KEEL_OK;
}

static const wire_field envelope_rows[] = {
    WIRE_ROW_ENUM(keel_envelope, Envelope, type, INT32_MAX, keel_payload_is_known, WIRE_REQUIRED),
    WIRE_ROW_PART(keel_envelope, Envelope, id, wire_message_id, WIRE_REQUIRED),
    WIRE_ROW_PART(keel_envelope, Envelope, cause, wire_message_id, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_envelope, Envelope, trace_id, WIRE_VISIBLE, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_envelope, Envelope, run_id, WIRE_RUN, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_envelope, Envelope, event_ns, INT64_MIN),
    WIRE_ROW_I64(keel_envelope, Envelope, publish_ns, INT64_MIN),
    WIRE_ROW_U64(keel_envelope, Envelope, step, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_envelope, Envelope, index, WIRE_OPTIONAL),
};
const wire_type wire_envelope = WIRE_MESSAGE_WITH(
    keel_envelope, keel__v1__envelope__descriptor, envelope_rows, .bytes_max = KEEL_FRAME_BYTES_MAX,
    .check = check_payload, .get = get_payload, .put = put_payload);

keel_status keel_wire_get_envelope(keel_arena *arena, const uint8_t *data, size_t len,
                                   keel_envelope *out)
{
    uint8_t head[HEAD_BYTES_MAX];
    size_t head_len;
    ProtobufCBinaryData payload = {0, NULL};
    ProtobufCMessage *pb;
    if (len > KEEL_FRAME_BYTES_MAX)
        return KEEL_ETOOBIG;
    KEEL_TRY(split(data, len, head, &head_len, &payload));
    KEEL_TRY(wire_unpack(wire_envelope.descriptor, arena, head, head_len, &pb));
    ((Keel__V1__Envelope *)pb)->payload = payload;
    return wire_read(&wire_envelope, arena, pb, out);
}

keel_status keel_wire_put_envelope(const keel_envelope *in, uint8_t *buf, size_t cap, size_t *len)
{
    return wire_put(&wire_envelope, in, buf, cap, len);
}
