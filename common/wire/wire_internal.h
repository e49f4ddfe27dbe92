/* wire_internal.h - how a message is described: one row per field, read by get and by put.
 *
 * ROOM     common/wire, private to it.
 * SHAPE    A row names the field in the plain struct and in the generated one, and what is allowed
 *          there. Both directions run the same check on the same value, so neither can accept what
 *          the other refuses. Rules between fields are a function of the plain struct.
 * MEMORY   get: generated structs and what they point to come from the arena, through an allocator
 *          that never frees; arrays of doubles and 64-bit integers are handed out as unpacked.
 *          put: generated structs live on the stack and point at the caller's arrays.
 */
#ifndef KEEL_COMMON_WIRE_WIRE_INTERNAL_H
#define KEEL_COMMON_WIRE_WIRE_INTERNAL_H

#include "common/wire/wire.h"

#include "keel/v1/allocation.pb-c.h"
#include "keel/v1/control.pb-c.h"
#include "keel/v1/correlation.pb-c.h"
#include "keel/v1/envelope.pb-c.h"
#include "keel/v1/execution.pb-c.h"
#include "keel/v1/ledger.pb-c.h"
#include "keel/v1/market.pb-c.h"
#include "keel/v1/risk.pb-c.h"
#include "keel/v1/signal.pb-c.h"
#include "keel/v1/types.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

typedef enum wire_kind {
    WIRE_TEXT,         /* char[cap] */
    WIRE_TEXT_POINTER, /* const char *, at most cap - 1 bytes */
    WIRE_REAL,
    WIRE_I64,
    WIRE_U64,
    WIRE_U32,
    WIRE_INT, /* int, uint32 on the wire */
    WIRE_FLAG,
    WIRE_ENUM,
    WIRE_PART,         /* a struct inside the struct */
    WIRE_PART_POINTER, /* const struct * */
    WIRE_LIST,         /* array of structs inside the struct, and its count */
    WIRE_LIST_POINTER, /* const struct *, and its count */
    WIRE_REALS,        /* const double *, and its count */
    WIRE_I64S,
    WIRE_U64S,
    WIRE_INDICES, /* const int * of instrument indices, ascending */
    WIRE_SYMMETRIC,
    WIRE_BYTES, /* const uint8_t *, and its size */
} wire_kind;

typedef enum wire_rule {
    WIRE_ANY,      /* text: any UTF-8; number: any that is finite */
    WIRE_NAME,     /* [A-Za-z0-9_:/@.-] */
    WIRE_RUN,      /* [A-Za-z0-9-] */
    WIRE_TOPIC,    /* an encoded topic, ending in a dot */
    WIRE_VISIBLE,  /* printable ASCII without blanks */
    WIRE_NOT_NEG,  /* >= 0 */
    WIRE_FRACTION, /* [0, 1] */
    WIRE_COSINE,   /* [-1, 1] */
} wire_rule;

typedef enum wire_need {
    WIRE_OPTIONAL, /* text "", a part absent, an array NULL whatever the count: then sent empty */
    WIRE_REQUIRED,
    WIRE_COUNTED,      /* array: sets the count that others share; at least `lo` entries */
    WIRE_COUNTED_SAME, /* array: as long as the count says */
    WIRE_COUNTED_NONE, /* array: as long as the count says, or absent (NULL) */
} wire_need;

typedef struct wire_type wire_type;

typedef struct wire_field {
    wire_kind kind;
    wire_rule rule;
    wire_need need;
    size_t at;       /* in the plain struct */
    size_t count_at; /* of the int count, the bytes' size, the part's flag */
    size_t pb;       /* in the generated struct */
    size_t pb_count; /* of the generated count */
    size_t cap;      /* bytes of a text with its NUL, entries of a list or array */
    int64_t lo;      /* integers and enums: smallest, largest; counts: smallest */
    int64_t hi;
    bool (*known)(int value); /* enums with holes */
    const wire_type *part;
} wire_field;

struct wire_type {
    const ProtobufCMessageDescriptor *descriptor;
    size_t size; /* of the plain struct */
    const wire_field *fields;
    size_t fields_n;
    size_t bytes_max;                        /* 0 = KEEL_PAYLOAD_BYTES_MAX */
    bool from_clients;                       /* its texts are looked at for a NUL inside */
    bool (*absent)(const void *plain);       /* an optional part that is not to be sent */
    keel_status (*check)(const void *plain); /* rules between fields */
    /* What rows cannot say, before the rows. put: KEEL_EUNAVAIL when `room` is full. */
    keel_status (*get)(const ProtobufCMessage *pb, void *plain);
    keel_status (*put)(keel_arena *room, const void *plain, ProtobufCMessage *pb);
};

/* A member's offset; does not compile when the member has another type. */
#define WIRE_AT(type, member, wanted)                                                              \
    (offsetof(type, member) + 0 * sizeof(char[_Generic(((type *)0)->member, wanted : 1, default    \
                                                       : -1)]))
#define WIRE_ENUM_AT(type, member)                                                                 \
    (offsetof(type, member) + 0 * sizeof(char[sizeof(((type *)0)->member) == sizeof(int) ? 1 : -1]))
#define WIRE_PB(message)       Keel__V1__##message
#define WIRE_PB_N(message, f)  WIRE_AT(WIRE_PB(message), n_##f, size_t)
#define WIRE_BYTES_IN(type, f) sizeof(((type *)0)->f)
#define WIRE_SLOTS(type, f)    (sizeof(((type *)0)->f) / sizeof(((type *)0)->f[0]))

/* Rows: T the plain type, M the message's name, f the field (the same name on both sides). */
#define WIRE_ROW_TEXT(T, M, f, text_rule, needed)                                                  \
    {                                                                                              \
        .kind = WIRE_TEXT, .rule = (text_rule), .need = (needed), .at = WIRE_AT(T, f, char *),     \
        .pb = WIRE_AT(WIRE_PB(M), f, char *), .cap = WIRE_BYTES_IN(T, f)                           \
    }
#define WIRE_ROW_TEXT_POINTER(T, M, f, text_rule, needed, bytes)                                   \
    {                                                                                              \
        .kind = WIRE_TEXT_POINTER, .rule = (text_rule), .need = (needed),                          \
        .at = WIRE_AT(T, f, const char *), .pb = WIRE_AT(WIRE_PB(M), f, char *), .cap = (bytes)    \
    }
#define WIRE_ROW_REAL(T, M, f, real_rule)                                                          \
    {                                                                                              \
        .kind = WIRE_REAL, .rule = (real_rule), .at = WIRE_AT(T, f, double),                       \
        .pb = WIRE_AT(WIRE_PB(M), f, double)                                                       \
    }
#define WIRE_ROW_I64(T, M, f, least)                                                               \
    {                                                                                              \
        .kind = WIRE_I64, .at = WIRE_AT(T, f, int64_t), .pb = WIRE_AT(WIRE_PB(M), f, int64_t),     \
        .lo = (least), .hi = INT64_MAX                                                             \
    }
/* needed: WIRE_REQUIRED = not 0 */
#define WIRE_ROW_U64(T, M, f, needed)                                                              \
    {                                                                                              \
        .kind = WIRE_U64, .need = (needed), .at = WIRE_AT(T, f, uint64_t),                         \
        .pb = WIRE_AT(WIRE_PB(M), f, uint64_t)                                                     \
    }
#define WIRE_ROW_U32(T, M, f, needed)                                                              \
    {                                                                                              \
        .kind = WIRE_U32, .need = (needed), .at = WIRE_AT(T, f, uint32_t),                         \
        .pb = WIRE_AT(WIRE_PB(M), f, uint32_t)                                                     \
    }
#define WIRE_ROW_INT(T, M, f, most)                                                                \
    {                                                                                              \
        .kind = WIRE_INT, .at = WIRE_AT(T, f, int), .pb = WIRE_AT(WIRE_PB(M), f, uint32_t),        \
        .hi = (most)                                                                               \
    }
#define WIRE_ROW_INSTRUMENT(T, M) WIRE_ROW_INT(T, M, instrument, KEEL_UNIVERSE_MAX - 1)
#define WIRE_ROW_FLAG(T, M, f)                                                                     \
    {                                                                                              \
        .kind = WIRE_FLAG, .at = WIRE_AT(T, f, bool),                                              \
        .pb = WIRE_AT(WIRE_PB(M), f, protobuf_c_boolean)                                           \
    }
/* Values 1..most; `test` (may be NULL) knows the holes. needed: WIRE_OPTIONAL allows 0. */
#define WIRE_ROW_ENUM(T, M, f, most, test, needed)                                                 \
    {                                                                                              \
        .kind = WIRE_ENUM, .need = (needed), .at = WIRE_ENUM_AT(T, f),                             \
        .pb = WIRE_ENUM_AT(WIRE_PB(M), f), .lo = 1, .hi = (most), .known = (test)                  \
    }
#define WIRE_ROW_PART(T, M, f, type, needed)                                                       \
    {                                                                                              \
        .kind = WIRE_PART, .need = (needed), .at = offsetof(T, f), .count_at = SIZE_MAX,           \
        .pb = offsetof(WIRE_PB(M), f), .part = &(type)                                             \
    }
#define WIRE_ROW_PART_IF(T, M, f, flag, type)                                                      \
    {                                                                                              \
        .kind = WIRE_PART, .need = WIRE_OPTIONAL, .at = offsetof(T, f),                            \
        .count_at = WIRE_AT(T, flag, bool), .pb = offsetof(WIRE_PB(M), f), .part = &(type)         \
    }
#define WIRE_ROW_PART_POINTER(T, M, f, type)                                                       \
    {                                                                                              \
        .kind = WIRE_PART_POINTER, .need = WIRE_REQUIRED, .at = offsetof(T, f),                    \
        .pb = offsetof(WIRE_PB(M), f), .part = &(type)                                             \
    }
#define WIRE_ROW_LIST(T, M, f, count, type, least)                                                 \
    {                                                                                              \
        .kind = WIRE_LIST, .at = offsetof(T, f), .count_at = WIRE_AT(T, count, int),               \
        .pb = offsetof(WIRE_PB(M), f), .pb_count = WIRE_PB_N(M, f), .cap = WIRE_SLOTS(T, f),       \
        .lo = (least), .part = &(type)                                                             \
    }
#define WIRE_ROW_LIST_POINTER(T, M, f, count, type, least, most)                                   \
    {                                                                                              \
        .kind = WIRE_LIST_POINTER, .at = offsetof(T, f), .count_at = WIRE_AT(T, count, int),       \
        .pb = offsetof(WIRE_PB(M), f), .pb_count = WIRE_PB_N(M, f), .cap = (most), .lo = (least),  \
        .part = &(type)                                                                            \
    }
#define WIRE_ROW_ARRAY(T, M, f, count, array_kind, c_type, array_rule, needed, least, most)        \
    {                                                                                              \
        .kind = (array_kind), .rule = (array_rule), .need = (needed),                              \
        .at = WIRE_AT(T, f, const c_type *), .count_at = WIRE_AT(T, count, int),                   \
        .pb = WIRE_AT(WIRE_PB(M), f, c_type *), .pb_count = WIRE_PB_N(M, f), .cap = (most),        \
        .lo = (least)                                                                              \
    }
#define WIRE_ROW_REALS(T, M, f, array_rule, needed)                                                \
    WIRE_ROW_ARRAY(T, M, f, n, WIRE_REALS, double, array_rule, needed, 1, KEEL_UNIVERSE_MAX)
#define WIRE_ROW_I64S(T, M, f, array_rule, needed)                                                 \
    WIRE_ROW_ARRAY(T, M, f, n, WIRE_I64S, int64_t, array_rule, needed, 1, KEEL_UNIVERSE_MAX)
#define WIRE_ROW_U64S(T, M, f, count, most)                                                        \
    WIRE_ROW_ARRAY(T, M, f, count, WIRE_U64S, uint64_t, WIRE_ANY, WIRE_COUNTED, 0, most)
#define WIRE_ROW_INDICES(T, M, f, count)                                                           \
    {                                                                                              \
        .kind = WIRE_INDICES, .need = WIRE_COUNTED, .at = WIRE_AT(T, f, const int *),              \
        .count_at = WIRE_AT(T, count, int), .pb = WIRE_AT(WIRE_PB(M), f, uint32_t *),              \
        .pb_count = WIRE_PB_N(M, f), .cap = KEEL_UNIVERSE_MAX, .lo = 1                             \
    }
#define WIRE_ROW_SYMMETRIC(T, M, f, array_rule)                                                    \
    {                                                                                              \
        .kind = WIRE_SYMMETRIC, .rule = (array_rule), .at = WIRE_AT(T, f, const double *),         \
        .count_at = WIRE_AT(T, n, int), .pb = WIRE_AT(WIRE_PB(M), f, WIRE_PB(PackedSymmetric) *),  \
        .cap = KEEL_UNIVERSE_MAX                                                                   \
    }
#define WIRE_ROW_BYTES(T, M, f, size, most)                                                        \
    {                                                                                              \
        .kind = WIRE_BYTES, .at = WIRE_AT(T, f, const uint8_t *),                                  \
        .count_at = WIRE_AT(T, size, size_t), .pb = WIRE_AT(WIRE_PB(M), f, ProtobufCBinaryData),   \
        .cap = (most)                                                                              \
    }

#define WIRE_MESSAGE_WITH(T, message_descriptor, rows, ...)                                        \
    {                                                                                              \
        .descriptor = &(message_descriptor), .size = sizeof(T), .fields = (rows),                  \
        .fields_n = sizeof(rows) / sizeof((rows)[0]), __VA_ARGS__                                  \
    }
#define WIRE_MESSAGE(T, message_descriptor, rows)                                                  \
    WIRE_MESSAGE_WITH(T, message_descriptor, rows, .check = NULL)

/* The public pair of a message described by `wire_<name>`. */
#define WIRE_DEFINE(name, T)                                                                       \
    keel_status keel_wire_get_##name(keel_arena *arena, const uint8_t *data, size_t len, T *out)   \
    {                                                                                              \
        return wire_get(&wire_##name, arena, data, len, out);                                      \
    }                                                                                              \
    keel_status keel_wire_put_##name(const T *in, uint8_t *buf, size_t cap, size_t *len)           \
    {                                                                                              \
        return wire_put(&wire_##name, in, buf, cap, len);                                          \
    }

keel_status wire_get(const wire_type *type, keel_arena *arena, const uint8_t *data, size_t len,
                     void *out);
keel_status wire_put(const wire_type *type, const void *in, uint8_t *buf, size_t cap, size_t *len);

/* Unpack into the arena. KEEL_EFORMAT, KEEL_ETOOBIG when the arena or KEEL_PAYLOAD_BYTES_MAX is
 * exceeded. */
keel_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, keel_arena *arena,
                        const uint8_t *data, size_t len, ProtobufCMessage **out);

/* A message as it lies on the wire. */
typedef struct wire_scan {
    const uint8_t *data;
    size_t len;
    size_t at;
} wire_scan;

/* Step over one field; *body and *size are set when it is length-delimited, *body is NULL
 * otherwise. False: not protobuf, or of a wire type that proto3 does not have. */
bool wire_next_field(wire_scan *in, uint64_t *number, const uint8_t **body, size_t *size);

/* False when a text holds a NUL: unpacked, it would end there, and two that differ behind it would
 * be one. */
bool wire_texts_are_whole(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                          size_t len);

/* Check and copy what is unpacked. */
keel_status wire_read(const wire_type *type, keel_arena *arena, const ProtobufCMessage *pb,
                      void *out);

/* Checks of one value; what is absent is KEEL_EFORMAT, an enum value not known KEEL_EUNKNOWN. */
keel_status wire_check_text(const char *text, size_t cap, wire_rule rule, wire_need need);
keel_status wire_check_reals(const double *values, size_t n, wire_rule rule);
keel_status wire_check_unit_diagonal(const double *packed, int n);

/* Take an initialised generated struct from `room`; NULL when it is full. */
ProtobufCMessage *wire_message(keel_arena *room, const ProtobufCMessageDescriptor *descriptor);

/* The type of a payload; NULL for one that has no decoder here. */
const wire_type *wire_type_of(keel_payload type);

/* Shared parts (types.c). */
extern const wire_type wire_reason;
extern const wire_type wire_certificate;
extern const wire_type wire_constraint;
extern const wire_type wire_input_ref;
extern const wire_type wire_risk_convention;
extern const wire_type wire_message_id;
extern const wire_type wire_sizing_rule;
bool wire_reason_known(int value);
bool wire_method_known(int value);

/* Messages; envelope is no payload. */
extern const wire_type wire_envelope;
extern const wire_type wire_universe_state;
extern const wire_type wire_bar_row;
extern const wire_type wire_feed_status;
extern const wire_type wire_market_truth;
extern const wire_type wire_correlation;
extern const wire_type wire_covariance;
extern const wire_type wire_capital_proposal;
extern const wire_type wire_allocation_proposal;
extern const wire_type wire_rebalance_decision;
extern const wire_type wire_capital_allocation;
extern const wire_type wire_approved_allocation;
extern const wire_type wire_trading_state;
extern const wire_type wire_risk_report;
extern const wire_type wire_limit_breach;
extern const wire_type wire_risk_check_request;
extern const wire_type wire_risk_verdict;
extern const wire_type wire_signal;
extern const wire_type wire_hello;
extern const wire_type wire_receipt;
extern const wire_type wire_ack;
extern const wire_type wire_intake;
extern const wire_type wire_decision;
extern const wire_type wire_strategy_report;
extern const wire_type wire_order_plan;
extern const wire_type wire_fill;
extern const wire_type wire_plan_done;
extern const wire_type wire_portfolio_state;
extern const wire_type wire_transfer;
extern const wire_type wire_performance;
extern const wire_type wire_attribution;
extern const wire_type wire_heartbeat;
extern const wire_type wire_step_end;
extern const wire_type wire_resend;
extern const wire_type wire_request;
extern const wire_type wire_reply;
extern const wire_type wire_snapshot_record;

#endif
