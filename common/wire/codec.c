/* Rows are walked in their order, the check of a value before its copy. Messages hold messages, so
 * get_message and put_message call each other's lists; the depth is that of the tables, four at
 * most, because no table can name one that is defined after it. */
#include "common/base/assert.h"
#include "common/wire/wire_internal.h"

#include <math.h>
#include <string.h>

enum {
    ROOM_BYTES = 32 << 10,      /* all messages but a book of thousands of lines */
    LARGE_ROOM_BYTES = 4 << 20, /* 512 orders of 64 books beside 16,896 positions */
};

static keel_status get_message(const wire_type *type, keel_arena *arena, const ProtobufCMessage *pb,
                               void *plain);
static keel_status put_message(const wire_type *type, keel_arena *room, const void *plain,
                               ProtobufCMessage *pb);

/* ---- memory ---- */

typedef struct unpack_room {
    keel_arena *arena;
    bool full;
} unpack_room;

static void *room_alloc(void *data, size_t size)
{
    unpack_room *room = data;
    void *p = keel_arena_take(room->arena, size, 1);
    if (p == NULL)
        room->full = true;
    return p;
}

static void room_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

keel_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, keel_arena *arena,
                        const uint8_t *data, size_t len, ProtobufCMessage **out)
{
    unpack_room room = {arena, false};
    ProtobufCAllocator allocator = {room_alloc, room_free, &room};
    if (len == 0)
        return KEEL_EFORMAT;
    if (len > KEEL_PAYLOAD_BYTES_MAX)
        return KEEL_ETOOBIG;
    *out = protobuf_c_message_unpack(descriptor, &allocator, len, data);
    if (*out != NULL)
        return KEEL_OK;
    return room.full ? KEEL_ETOOBIG : KEEL_EFORMAT;
}

ProtobufCMessage *wire_message(keel_arena *room, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *pb = keel_arena_take(room, 1, descriptor->sizeof_message);
    if (pb != NULL)
        protobuf_c_message_init(descriptor, pb);
    return pb;
}

static void *load_pointer(const void *from)
{
    void *p;
    memcpy(&p, from, sizeof p);
    return p;
}

static void store_pointer(void *to, const void *p)
{
    memcpy(to, &p, sizeof p);
}

/* ---- values that are the same size on both sides ---- */

static keel_status check_enum(const wire_field *f, int value)
{
    if (value == 0)
        return f->need == WIRE_OPTIONAL ? KEEL_OK : KEEL_EFORMAT;
    if (value < f->lo || value > f->hi || (f->known != NULL && !f->known(value)))
        return KEEL_EUNKNOWN;
    return KEEL_OK;
}

static keel_status check_i64(const wire_field *f, int64_t value)
{
    if (value == 0 && f->lo > 0)
        return KEEL_EFORMAT;
    return value < f->lo || value > f->hi ? KEEL_ERANGE : KEEL_OK;
}

static keel_status copy_64(const wire_field *f, const void *from, void *to)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    if (f->kind == WIRE_I64)
        KEEL_TRY(check_i64(f, (int64_t)value));
    else if (f->need == WIRE_REQUIRED && value == 0)
        return KEEL_EFORMAT;
    memcpy(to, &value, sizeof value);
    return KEEL_OK;
}

static keel_status copy_32(const wire_field *f, const void *from, void *to)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    if (f->kind == WIRE_ENUM)
        KEEL_TRY(check_enum(f, (int)value));
    else if (f->kind == WIRE_INT && value > (uint64_t)f->hi)
        return KEEL_ERANGE;
    else if (f->need == WIRE_REQUIRED && value == 0)
        return KEEL_EFORMAT;
    memcpy(to, &value, sizeof value);
    return KEEL_OK;
}

static keel_status copy_real(const wire_field *f, const void *from, void *to)
{
    double value;
    memcpy(&value, from, sizeof value);
    KEEL_TRY(wire_check_reals(&value, 1, f->rule));
    value += 0.0; /* -0.0 becomes +0.0 */
    memcpy(to, &value, sizeof value);
    return KEEL_OK;
}

/* ---- arrays ---- */

static keel_status check_indices(const int *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] < 0 || values[i] >= KEEL_UNIVERSE_MAX)
            return KEEL_ERANGE;
        if (i > 0 && values[i] <= values[i - 1])
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

static keel_status check_array(const wire_field *f, const void *values, size_t n)
{
    if (f->kind == WIRE_REALS || f->kind == WIRE_SYMMETRIC)
        return wire_check_reals(values, n, f->rule);
    if (f->kind == WIRE_INDICES)
        return check_indices(values, n);
    if (f->kind == WIRE_I64S && f->rule == WIRE_NOT_NEG) {
        const int64_t *integers = values;
        for (size_t i = 0; i < n; i++) {
            if (integers[i] < 0)
                return KEEL_ERANGE;
        }
    }
    return KEEL_OK;
}

static keel_status check_count(const wire_field *f, size_t n)
{
    if (n > f->cap)
        return KEEL_ETOOBIG;
    return n < (size_t)f->lo ? KEEL_EFORMAT : KEEL_OK;
}

static size_t negative_zeros(const double *values, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += (size_t)(values[i] == 0.0 && signbit(values[i]) != 0);
    return found;
}

static void drop_negative_zeros(double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] += 0.0;
}

static keel_status get_array(const wire_field *f, const uint8_t *pb, uint8_t *plain)
{
    void *values = load_pointer(pb + f->pb);
    size_t n;
    int count;
    memcpy(&n, pb + f->pb_count, sizeof n);
    memcpy(&count, plain + f->count_at, sizeof count);
    if (f->need == WIRE_COUNTED_SAME || f->need == WIRE_COUNTED_NONE) {
        if (n != (size_t)count && (n > 0 || f->need == WIRE_COUNTED_SAME))
            return KEEL_EINVAL;
    } else {
        KEEL_TRY(check_count(f, n));
        count = (int)n;
        memcpy(plain + f->count_at, &count, sizeof count);
    }
    KEEL_TRY(check_array(f, values, n));
    if (f->kind == WIRE_REALS)
        drop_negative_zeros(values, n);
    store_pointer(plain + f->at, n > 0 ? values : NULL);
    return KEEL_OK;
}

/* The caller's array, or a copy without its negative zeros; NULL when `room` is full. */
static const void *clean(const wire_field *f, keel_arena *room, const void *values, size_t n)
{
    if ((f->kind != WIRE_REALS && f->kind != WIRE_SYMMETRIC) || negative_zeros(values, n) == 0)
        return values;
    double *copy = keel_arena_take(room, n, sizeof *copy);
    if (copy == NULL)
        return NULL;
    memcpy(copy, values, n * sizeof *copy);
    drop_negative_zeros(copy, n);
    return copy;
}

static keel_status put_array(const wire_field *f, keel_arena *room, const uint8_t *plain,
                             uint8_t *pb)
{
    const void *values = load_pointer(plain + f->at);
    int count;
    memcpy(&count, plain + f->count_at, sizeof count);
    if (count < 0)
        return KEEL_ERANGE;
    size_t n = (size_t)count;
    if (values == NULL && (f->need == WIRE_OPTIONAL || f->need == WIRE_COUNTED_NONE))
        n = 0;
    KEEL_TRY(check_count(f, f->need == WIRE_COUNTED_NONE ? (size_t)count : n));
    if (n == 0)
        return KEEL_OK;
    if (values == NULL)
        return KEEL_EINVAL;
    KEEL_TRY(check_array(f, values, n));
    values = clean(f, room, values, n);
    if (values == NULL)
        return KEEL_EUNAVAIL;
    store_pointer(pb + f->pb, values);
    memcpy(pb + f->pb_count, &n, sizeof n);
    return KEEL_OK;
}

static keel_status get_symmetric(const wire_field *f, const uint8_t *pb, uint8_t *plain)
{
    const Keel__V1__PackedSymmetric *matrix = load_pointer(pb + f->pb);
    if (matrix == NULL || matrix->n == 0)
        return KEEL_EFORMAT;
    if (matrix->n > f->cap)
        return KEEL_ETOOBIG;
    const int n = (int)matrix->n;
    if (matrix->n_lower != keel_packed_len(n))
        return KEEL_EINVAL;
    KEEL_TRY(check_array(f, matrix->lower, matrix->n_lower));
    drop_negative_zeros(matrix->lower, matrix->n_lower);
    memcpy(plain + f->count_at, &n, sizeof n);
    store_pointer(plain + f->at, matrix->lower);
    return KEEL_OK;
}

static keel_status put_symmetric(const wire_field *f, keel_arena *room, const uint8_t *plain,
                                 uint8_t *pb)
{
    const double *values = load_pointer(plain + f->at);
    int n;
    memcpy(&n, plain + f->count_at, sizeof n);
    if (n < 1)
        return KEEL_ERANGE;
    if ((size_t)n > f->cap)
        return KEEL_ETOOBIG;
    if (values == NULL)
        return KEEL_EINVAL;
    KEEL_TRY(check_array(f, values, keel_packed_len(n)));
    values = clean(f, room, values, keel_packed_len(n));
    ProtobufCMessage *message = wire_message(room, &keel__v1__packed_symmetric__descriptor);
    if (values == NULL || message == NULL)
        return KEEL_EUNAVAIL;
    Keel__V1__PackedSymmetric *matrix = (Keel__V1__PackedSymmetric *)message;
    matrix->n = (uint32_t)n;
    matrix->n_lower = keel_packed_len(n);
    store_pointer(&matrix->lower, values);
    store_pointer(pb + f->pb, matrix);
    return KEEL_OK;
}

/* ---- text and bytes ---- */

static keel_status get_text(const wire_field *f, const uint8_t *pb, uint8_t *plain)
{
    const char *text = load_pointer(pb + f->pb);
    KEEL_TRY(wire_check_text(text, f->cap, f->rule, f->need));
    if (f->kind == WIRE_TEXT)
        memcpy(plain + f->at, text, strlen(text) + 1);
    else
        store_pointer(plain + f->at, text);
    return KEEL_OK;
}

static keel_status put_text(const wire_field *f, const uint8_t *plain, uint8_t *pb)
{
    const char *text = (const char *)plain + f->at;
    if (f->kind == WIRE_TEXT_POINTER)
        text = load_pointer(plain + f->at);
    if (text == NULL)
        return f->need == WIRE_REQUIRED ? KEEL_EFORMAT : KEEL_OK;
    KEEL_TRY(wire_check_text(text, f->cap, f->rule, f->need));
    store_pointer(pb + f->pb, text);
    return KEEL_OK;
}

static keel_status get_bytes(const wire_field *f, const uint8_t *pb, uint8_t *plain)
{
    ProtobufCBinaryData bytes;
    memcpy(&bytes, pb + f->pb, sizeof bytes);
    if (bytes.len > f->cap)
        return KEEL_ETOOBIG;
    store_pointer(plain + f->at, bytes.len > 0 ? bytes.data : NULL);
    memcpy(plain + f->count_at, &bytes.len, sizeof bytes.len);
    return KEEL_OK;
}

static keel_status put_bytes(const wire_field *f, const uint8_t *plain, uint8_t *pb)
{
    ProtobufCBinaryData bytes = {0, load_pointer(plain + f->at)};
    memcpy(&bytes.len, plain + f->count_at, sizeof bytes.len);
    if (bytes.len > f->cap)
        return KEEL_ETOOBIG;
    if (bytes.len > 0 && bytes.data == NULL)
        return KEEL_EINVAL;
    memcpy(pb + f->pb, &bytes, sizeof bytes);
    return KEEL_OK;
}

/* ---- messages inside messages ---- */

static keel_status get_part(const wire_field *f, keel_arena *arena, const uint8_t *pb,
                            uint8_t *plain)
{
    const ProtobufCMessage *part = load_pointer(pb + f->pb);
    if (part == NULL)
        return f->need == WIRE_REQUIRED ? KEEL_EFORMAT : KEEL_OK;
    uint8_t *to = plain + f->at;
    if (f->kind == WIRE_PART_POINTER) {
        to = keel_arena_take(arena, 1, f->part->size);
        if (to == NULL)
            return KEEL_ETOOBIG;
        store_pointer(plain + f->at, to);
    } else if (f->count_at != SIZE_MAX) {
        const bool yes = true;
        memcpy(plain + f->count_at, &yes, sizeof yes);
    }
    KEEL_TRY(get_message(f->part, arena, part, to));
    /* an empty part where absence has its own form would not come back as it came */
    if (f->need == WIRE_OPTIONAL && f->part->absent != NULL && f->part->absent(to))
        return KEEL_EFORMAT;
    return KEEL_OK;
}

static bool is_absent(const wire_field *f, const uint8_t *plain)
{
    bool flag;
    if (f->kind == WIRE_PART_POINTER || f->need == WIRE_REQUIRED)
        return false;
    if (f->count_at == SIZE_MAX)
        return f->part->absent(plain + f->at);
    memcpy(&flag, plain + f->count_at, sizeof flag);
    return !flag;
}

static keel_status put_part(const wire_field *f, keel_arena *room, const uint8_t *plain,
                            uint8_t *pb)
{
    if (is_absent(f, plain))
        return KEEL_OK;
    const void *from = plain + f->at;
    if (f->kind == WIRE_PART_POINTER)
        from = load_pointer(from);
    if (from == NULL)
        return KEEL_EINVAL;
    ProtobufCMessage *part = wire_message(room, f->part->descriptor);
    if (part == NULL)
        return KEEL_EUNAVAIL;
    store_pointer(pb + f->pb, part);
    return put_message(f->part, room, from, part);
}

static keel_status get_list(const wire_field *f, keel_arena *arena, const uint8_t *pb,
                            uint8_t *plain)
{
    const uint8_t *items = load_pointer(pb + f->pb);
    uint8_t *to = plain + f->at;
    size_t n;
    memcpy(&n, pb + f->pb_count, sizeof n);
    KEEL_TRY(check_count(f, n));
    if (f->kind == WIRE_LIST_POINTER && n > 0) {
        to = keel_arena_take(arena, n, f->part->size);
        if (to == NULL)
            return KEEL_ETOOBIG;
        store_pointer(plain + f->at, to);
    }
    const int count = (int)n;
    memcpy(plain + f->count_at, &count, sizeof count);
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessage *item = load_pointer(items + i * sizeof item);
        KEEL_TRY(get_message(f->part, arena, item, to + i * f->part->size));
    }
    return KEEL_OK;
}

static keel_status put_list(const wire_field *f, keel_arena *room, const uint8_t *plain,
                            uint8_t *pb)
{
    const uint8_t *from = plain + f->at;
    int count;
    memcpy(&count, plain + f->count_at, sizeof count);
    if (count < 0)
        return KEEL_ERANGE;
    const size_t n = (size_t)count;
    KEEL_TRY(check_count(f, n));
    if (n == 0)
        return KEEL_OK;
    if (f->kind == WIRE_LIST_POINTER)
        from = load_pointer(from);
    if (from == NULL)
        return KEEL_EINVAL;
    ProtobufCMessage **items = keel_arena_take(room, n, sizeof *items);
    if (items == NULL)
        return KEEL_EUNAVAIL;
    for (size_t i = 0; i < n; i++) {
        items[i] = wire_message(room, f->part->descriptor);
        if (items[i] == NULL)
            return KEEL_EUNAVAIL;
        KEEL_TRY(put_message(f->part, room, from + i * f->part->size, items[i]));
    }
    store_pointer(pb + f->pb, items);
    memcpy(pb + f->pb_count, &n, sizeof n);
    return KEEL_OK;
}

/* ---- rows ---- */

static keel_status get_flag(const wire_field *f, const uint8_t *pb, uint8_t *plain)
{
    protobuf_c_boolean value;
    memcpy(&value, pb + f->pb, sizeof value);
    const bool flag = value != 0;
    memcpy(plain + f->at, &flag, sizeof flag);
    return KEEL_OK;
}

static keel_status put_flag(const wire_field *f, const uint8_t *plain, uint8_t *pb)
{
    bool flag;
    memcpy(&flag, plain + f->at, sizeof flag);
    const protobuf_c_boolean value = flag ? 1 : 0;
    memcpy(pb + f->pb, &value, sizeof value);
    return KEEL_OK;
}

static keel_status get_field(const wire_field *f, keel_arena *arena, const uint8_t *pb,
                             uint8_t *plain)
{
    switch (f->kind) {
    case WIRE_TEXT:
    case WIRE_TEXT_POINTER:
        return get_text(f, pb, plain);
    case WIRE_REAL:
        return copy_real(f, pb + f->pb, plain + f->at);
    case WIRE_I64:
    case WIRE_U64:
        return copy_64(f, pb + f->pb, plain + f->at);
    case WIRE_U32:
    case WIRE_INT:
    case WIRE_ENUM:
        return copy_32(f, pb + f->pb, plain + f->at);
    case WIRE_FLAG:
        return get_flag(f, pb, plain);
    case WIRE_PART:
    case WIRE_PART_POINTER:
        return get_part(f, arena, pb, plain);
    case WIRE_LIST:
    case WIRE_LIST_POINTER:
        return get_list(f, arena, pb, plain);
    case WIRE_REALS:
    case WIRE_I64S:
    case WIRE_U64S:
    case WIRE_INDICES:
        return get_array(f, pb, plain);
    case WIRE_SYMMETRIC:
        return get_symmetric(f, pb, plain);
    case WIRE_BYTES:
        return get_bytes(f, pb, plain);
    }
    KEEL_ASSERT(false);
}

static keel_status put_field(const wire_field *f, keel_arena *room, const uint8_t *plain,
                             uint8_t *pb)
{
    switch (f->kind) {
    case WIRE_TEXT:
    case WIRE_TEXT_POINTER:
        return put_text(f, plain, pb);
    case WIRE_REAL:
        return copy_real(f, plain + f->at, pb + f->pb);
    case WIRE_I64:
    case WIRE_U64:
        return copy_64(f, plain + f->at, pb + f->pb);
    case WIRE_U32:
    case WIRE_INT:
    case WIRE_ENUM:
        return copy_32(f, plain + f->at, pb + f->pb);
    case WIRE_FLAG:
        return put_flag(f, plain, pb);
    case WIRE_PART:
    case WIRE_PART_POINTER:
        return put_part(f, room, plain, pb);
    case WIRE_LIST:
    case WIRE_LIST_POINTER:
        return put_list(f, room, plain, pb);
    case WIRE_REALS:
    case WIRE_I64S:
    case WIRE_U64S:
    case WIRE_INDICES:
        return put_array(f, room, plain, pb);
    case WIRE_SYMMETRIC:
        return put_symmetric(f, room, plain, pb);
    case WIRE_BYTES:
        return put_bytes(f, plain, pb);
    }
    KEEL_ASSERT(false);
}

static keel_status get_message(const wire_type *type, keel_arena *arena, const ProtobufCMessage *pb,
                               void *plain)
{
    if (type->get != NULL)
        KEEL_TRY(type->get(pb, plain));
    for (size_t i = 0; i < type->fields_n; i++)
        KEEL_TRY(get_field(&type->fields[i], arena, (const uint8_t *)pb, plain));
    return type->check != NULL ? type->check(plain) : KEEL_OK;
}

static keel_status put_message(const wire_type *type, keel_arena *room, const void *plain,
                               ProtobufCMessage *pb)
{
    if (type->put != NULL)
        KEEL_TRY(type->put(room, plain, pb));
    for (size_t i = 0; i < type->fields_n; i++)
        KEEL_TRY(put_field(&type->fields[i], room, plain, (uint8_t *)pb));
    return type->check != NULL ? type->check(plain) : KEEL_OK;
}

/* ---- whole messages ---- */

keel_status wire_read(const wire_type *type, keel_arena *arena, const ProtobufCMessage *pb,
                      void *out)
{
    memset(out, 0, type->size);
    return get_message(type, arena, pb, out);
}

keel_status wire_get(const wire_type *type, keel_arena *arena, const uint8_t *data, size_t len,
                     void *out)
{
    ProtobufCMessage *pb;
    if (type->from_clients && !wire_texts_are_whole(type->descriptor, data, len))
        return KEEL_EINVAL;
    KEEL_TRY(wire_unpack(type->descriptor, arena, data, len, &pb));
    return wire_read(type, arena, pb, out);
}

static keel_status pack(const wire_type *type, keel_arena *room, const void *in, uint8_t *buf,
                        size_t cap, size_t *len)
{
    ProtobufCMessage *pb = wire_message(room, type->descriptor);
    KEEL_ASSERT(pb != NULL);
    const keel_status status = put_message(type, room, in, pb);
    if (status == KEEL_EFORMAT || status == KEEL_EUNKNOWN)
        return KEEL_EINVAL;
    if (status != KEEL_OK)
        return status;
    const size_t need = protobuf_c_message_get_packed_size(pb);
    if (need > (type->bytes_max > 0 ? type->bytes_max : KEEL_PAYLOAD_BYTES_MAX))
        return KEEL_ETOOBIG;
    *len = need;
    if (need > cap)
        return KEEL_ENOSPC;
    protobuf_c_message_pack(pb, buf);
    return KEEL_OK;
}

/* In a frame of its own, so that the usual message does not touch its pages. */
static __attribute__((noinline)) keel_status put_large(const wire_type *type, const void *in,
                                                       uint8_t *buf, size_t cap, size_t *len)
{
    _Alignas(16) uint8_t bytes[LARGE_ROOM_BYTES];
    keel_arena room = {bytes, sizeof bytes, 0, 0};
    const keel_status status = pack(type, &room, in, buf, cap, len);
    return status == KEEL_EUNAVAIL ? KEEL_ETOOBIG : status;
}

keel_status wire_put(const wire_type *type, const void *in, uint8_t *buf, size_t cap, size_t *len)
{
    _Alignas(16) uint8_t bytes[ROOM_BYTES];
    keel_arena room = {bytes, sizeof bytes, 0, 0};
    const keel_status status = pack(type, &room, in, buf, cap, len);
    return status == KEEL_EUNAVAIL ? put_large(type, in, buf, cap, len) : status;
}
