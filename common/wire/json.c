/* Any message by its descriptor, so that a new field needs no line here. Every field of a message
 * is written, zero or not, but absent messages and the unset members of a oneof. Enums are names
 * without their prefix, 64-bit integers are integers, bytes are base64. */
#include "common/base/text.h"
#include "common/wire/wire_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    char *out;
    size_t cap;
    size_t len; /* bytes needed so far, also past cap */
} writer;

static void add(writer *w, const char *text, size_t n)
{
    if (w->len < w->cap) {
        const size_t left = w->cap - w->len;
        memcpy(w->out + w->len, text, n < left ? n : left);
    }
    w->len += n;
}

static void add_text(writer *w, const char *text)
{
    add(w, text, strlen(text));
}

/* Fields that no struct carries yet are not checked before, so bad UTF-8 is replaced here. */
static void add_string(writer *w, const char *text)
{
    const size_t len = strlen(text);
    char code[8];
    add(w, "\"", 1);
    for (size_t i = 0; i < len;) {
        const char *c = text + i;
        const size_t step = keel_text_utf8_step(c, len - i);
        i += step > 0 ? step : 1;
        if (step == 0) {
            add_text(w, "\\ufffd");
        } else if (*c == '"' || *c == '\\') {
            add(w, "\\", 1);
            add(w, c, 1);
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            snprintf(code, sizeof code, "\\u%04x", (unsigned char)*c);
            add_text(w, code);
        } else {
            add(w, c, step);
        }
    }
    add(w, "\"", 1);
}

static void add_base64(writer *w, const uint8_t *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    add(w, "\"", 1);
    for (size_t i = 0; i < len; i += 3) {
        const size_t left = len - i;
        const uint32_t bits = (uint32_t)data[i] << 16 |
                              (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)data[i + 2] : 0);
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        add(w, four, 4);
    }
    add(w, "\"", 1);
}

/* The shortest of the usual precisions that reads back as the same double. */
static void add_real(writer *w, double value)
{
    char text[40] = "null";
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        double again = 0.0;
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (sscanf(text, "%lf", &again) == 1 && again == value) /* exact: the same bits wanted */
            break;
    }
    add_text(w, text);
}

/* The zero value is <PREFIX>_UNSPECIFIED in every enum of the proto files. */
static void add_enum(writer *w, const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(descriptor, 0);
    const ProtobufCEnumValue *named = protobuf_c_enum_descriptor_get_value(descriptor, value);
    char number[16];
    if (named == NULL) {
        snprintf(number, sizeof number, "%d", value);
        add_text(w, number);
        return;
    }
    add_string(w, named->name + strlen(zero->name) - strlen("UNSPECIFIED"));
}

static void add_message(writer *w, const ProtobufCMessage *message);

static void add_integer(writer *w, const ProtobufCFieldDescriptor *field, const void *at)
{
    char text[24];
    if (field->type == PROTOBUF_C_TYPE_UINT32)
        snprintf(text, sizeof text, "%" PRIu32, *(const uint32_t *)at);
    else if (field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64)
        snprintf(text, sizeof text, "%" PRIu64, *(const uint64_t *)at);
    else
        snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)at);
    add_text(w, text);
}

static void add_value(writer *w, const ProtobufCFieldDescriptor *field, const void *at)
{
    const ProtobufCBinaryData *bytes = at;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        add_real(w, *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        add_text(w, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(w, field->descriptor, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        add_string(w, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        add_base64(w, bytes->data, bytes->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(w, *(ProtobufCMessage *const *)at);
        break;
    default: /* the proto files hold no float and no 32-bit integer but uint32 */
        add_integer(w, field, at);
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8; /* doubles, 64-bit integers, pointers */
    }
}

static void add_array(writer *w, const ProtobufCFieldDescriptor *field, const uint8_t *message)
{
    const size_t n = *(const size_t *)(const void *)(message + field->quantifier_offset);
    const uint8_t *items = *(uint8_t *const *)(const void *)(message + field->offset);
    add(w, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            add(w, ",", 1);
        add_value(w, field, items + i * size_of(field));
    }
    add(w, "]", 1);
}

static bool is_set(const ProtobufCFieldDescriptor *field, const uint8_t *message)
{
    const void *at = message + field->offset;
    const void *quantifier = message + field->quantifier_offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)quantifier != field->id)
        return false;
    return field->label == PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE ||
           *(ProtobufCMessage *const *)at != NULL;
}

static void add_message(writer *w, const ProtobufCMessage *message)
{
    const uint8_t *base = (const uint8_t *)message;
    const char *comma = "";
    add(w, "{", 1);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_set(field, base))
            continue;
        add_text(w, comma);
        add_string(w, field->name);
        add(w, ":", 1);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            add_array(w, field, base);
        else
            add_value(w, field, base + field->offset);
        comma = ",";
    }
    add(w, "}", 1);
}

keel_status keel_wire_json(keel_arena *arena, keel_payload type, const uint8_t *data, size_t len,
                           char *out, size_t cap)
{
    const keel_arena before = *arena;
    ProtobufCMessage *message;
    writer w = {out, cap, 0};
    KEEL_TRY(keel_wire_check(arena, type, data, len));
    arena->used = before.used; /* the checked copy is not needed any more */
    KEEL_TRY(wire_unpack(wire_type_of(type)->descriptor, arena, data, len, &message));
    add_message(&w, message);
    add(&w, "", 1);
    return w.len <= cap ? KEEL_OK : KEEL_ENOSPC;
}
