/* control.h - envelope, heartbeats, step ends, resends, requests, replies, snapshots as plain data.
 *
 * ROOM     common/wire.
 */
#ifndef KEEL_COMMON_WIRE_CONTROL_H
#define KEEL_COMMON_WIRE_CONTROL_H

#include "common/domain/reason.h"
#include "common/wire/topics.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_ENVELOPE_VERSION = 1,
    KEEL_PAYLOAD_BYTES_MAX = 8 << 20,         /* inside and towards clients */
    KEEL_CLIENT_PAYLOAD_BYTES_MAX = 64 << 10, /* from clients */
    KEEL_FRAME_BYTES_MAX = KEEL_PAYLOAD_BYTES_MAX + 1024,
    KEEL_SOURCE_MAX = 48, /* bytes of a service instance's name, with NUL */
    KEEL_RUN_MAX = 48,    /* bytes of a run id, with NUL; [A-Za-z0-9-] */
    KEEL_TRACE_MAX = 64,
    KEEL_MARKS_MAX = 64,
    KEEL_COUNTERS_MAX = 64,
};

typedef struct keel_message_id {
    char source[KEEL_SOURCE_MAX]; /* "" = absent */
    int64_t epoch_ns;
    uint64_t seq;
} keel_message_id;

typedef struct keel_envelope {
    keel_payload type;
    keel_message_id id;    /* required */
    keel_message_id cause; /* source "" = absent */
    char trace_id[KEEL_TRACE_MAX];
    char run_id[KEEL_RUN_MAX];
    int64_t event_ns;
    int64_t publish_ns;
    uint64_t step;
    uint32_t index;
    const uint8_t *payload; /* borrowed: into the frame (get) or the caller's (put) */
    size_t payload_len;
} keel_envelope;

typedef enum keel_service_state {
    KEEL_STATE_UNSPECIFIED,
    KEEL_STATE_STARTING,
    KEEL_STATE_WARMING,
    KEEL_STATE_RUNNING,
    KEEL_STATE_DEGRADED,
    KEEL_STATE_STOPPING,
    KEEL_STATE_FAILED,
} keel_service_state;

const char *keel_service_state_name(keel_service_state state);

typedef struct keel_topic_mark {
    char topic[KEEL_TOPIC_MAX];
    uint64_t seq;
} keel_topic_mark;

typedef struct keel_record_mark {
    char topic[KEEL_TOPIC_MAX];
    char last_id[48];
} keel_record_mark;

typedef struct keel_heartbeat {
    char service[KEEL_SOURCE_MAX];
    keel_service_state state;
    char why[KEEL_REASON_TEXT_MAX];
    uint64_t step_done;
    uint64_t snapshot_step;
    int marks_n;
    keel_topic_mark marks[KEEL_MARKS_MAX];
    int records_n;
    keel_record_mark records[16];
    int64_t handler_max_ns;
    uint32_t queue_depth;
    char awaited[96];
    uint64_t archived_through_step;
    bool lockstep;
    int64_t pid;
} keel_heartbeat;

typedef struct keel_step_mark {
    char topic[KEEL_TOPIC_MAX];
    uint32_t count;
} keel_step_mark;

typedef struct keel_step_end {
    uint64_t step;
    int marks_n;
    keel_step_mark marks[KEEL_MARKS_MAX];
    int64_t close_ns;
} keel_step_end;

typedef struct keel_resend {
    char publisher[KEEL_SOURCE_MAX];
    char requester[KEEL_SOURCE_MAX];
    uint64_t from_step;
    uint64_t to_step;
} keel_resend;

typedef enum keel_ask {
    KEEL_ASK_NONE,
    KEEL_ASK_PING,
    KEEL_ASK_STATUS,
    KEEL_ASK_SNAPSHOT,
    KEEL_ASK_RESET_COUNTERS,
    KEEL_ASK_LOG_LEVEL,
    KEEL_ASK_SHUTDOWN,
    KEEL_ASK_HALT,
    KEEL_ASK_RESUME,
} keel_ask;

const char *keel_ask_name(keel_ask ask); /* "halt" */

typedef struct keel_request {
    char service[KEEL_SOURCE_MAX];
    char requester[KEEL_SOURCE_MAX];
    uint32_t deadline_ms;
    keel_ask ask;
    int log_level;                     /* ASK_LOG_LEVEL: 1 debug .. 4 error */
    char reason[KEEL_REASON_TEXT_MAX]; /* ASK_HALT, ASK_RESUME: required */
    char operator_name[KEEL_NAME_MAX];
    char
        strategy[KEEL_NAME_MAX]; /* ASK_HALT, ASK_RESUME: what it is about; "" and "" = the whole */
    char asset[KEEL_SYMBOL_MAX]; /* portfolio; at most one of the two */
} keel_request;

typedef struct keel_counter {
    char name[KEEL_NAME_MAX];
    uint64_t value;
} keel_counter;

typedef struct keel_status_report {
    char service[KEEL_SOURCE_MAX];
    keel_service_state state;
    char why[KEEL_REASON_TEXT_MAX];
    uint64_t step_done;
    uint64_t snapshot_step;
    int64_t started_ns;
    int64_t pid;
    int counters_n;
    keel_counter counters[KEEL_COUNTERS_MAX];
    char awaited[96];
    char version[32];
    uint64_t ring_bytes;
} keel_status_report;

typedef struct keel_reply {
    char requester[KEEL_SOURCE_MAX];
    char request_id[96];
    bool ok;
    char error[KEEL_REASON_TEXT_MAX];
    bool has_status;
    keel_status_report status;
    uint64_t taken_step;
} keel_reply;

/* Frames of one step: a lockstep one of 4096 signals, each asked about alone, has half as many. */
enum { KEEL_SNAPSHOT_OUTPUTS_MAX = 16384 };

typedef struct keel_snapshot_record {
    char service[KEEL_SOURCE_MAX];
    uint64_t step;
    uint32_t format;
    const uint8_t *state;
    size_t state_len;
    uint64_t state_hash; /* of step, format, state and outputs: its writer's own */
    int outputs_n;
    const uint8_t
        *outputs[KEEL_SNAPSHOT_OUTPUTS_MAX]; /* frames: u32 topic length, topic, envelope */
    size_t outputs_len[KEEL_SNAPSHOT_OUTPUTS_MAX];
} keel_snapshot_record;

#endif
