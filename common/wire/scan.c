/* Messages as they lie on the wire, field by field, before anything is unpacked. */
#include "common/wire/wire_internal.h"

#include <string.h>

enum { DEPTH_MAX = 4 }; /* of the messages of the schema */

static bool read_varint(wire_scan *in, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && in->at < in->len; shift += 7) {
        const uint8_t byte = in->data[in->at++];
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool skip(wire_scan *in, uint64_t bytes)
{
    if (bytes > in->len - in->at)
        return false;
    in->at += (size_t)bytes;
    return true;
}

bool wire_next_field(wire_scan *in, uint64_t *number, const uint8_t **body, size_t *size)
{
    uint64_t tag, value;
    *body = NULL;
    if (!read_varint(in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *number = tag >> 3;
    switch (tag & 7) {
    case 0:
        return read_varint(in, &value);
    case 1:
        return skip(in, 8);
    case 2:
        if (!read_varint(in, &value) || value > in->len - in->at)
            return false;
        *body = in->data + in->at;
        *size = (size_t)value;
        return skip(in, value);
    case 5:
        return skip(in, 4);
    default:
        return false;
    }
}

bool wire_texts_are_whole(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                          size_t len)
{
    struct {
        const ProtobufCMessageDescriptor *of;
        wire_scan in;
    } open[DEPTH_MAX] = {{descriptor, {data, len, 0}}};
    for (int depth = 0; depth >= 0;) {
        const uint8_t *body;
        uint64_t number;
        size_t size = 0;
        if (open[depth].in.at >= open[depth].in.len) {
            depth--;
            continue;
        }
        if (!wire_next_field(&open[depth].in, &number, &body, &size))
            return true; /* no message at all: unpacking says so */
        const ProtobufCFieldDescriptor *field =
            body != NULL ? protobuf_c_message_descriptor_get_field(open[depth].of, (unsigned)number)
                         : NULL;
        if (field == NULL || size == 0)
            continue;
        if (field->type == PROTOBUF_C_TYPE_STRING && memchr(body, '\0', size) != NULL)
            return false;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth + 1 < DEPTH_MAX) {
            depth++;
            open[depth].of = field->descriptor;
            open[depth].in = (wire_scan){body, size, 0};
        }
    }
    return true;
}
