#include "common/wire/control.h"

#include "common/wire/wire_internal.h"

#include <string.h>

const char *keel_service_state_name(keel_service_state state)
{
    static const char *const names[] = {"UNSPECIFIED", "STARTING", "WARMING", "RUNNING",
                                        "DEGRADED",    "STOPPING", "FAILED"};
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "";
}

const char *keel_ask_name(keel_ask ask)
{
    static const char *const names[] = {"none",     "ping",           "status",
                                        "snapshot", "reset_counters", "log_level",
                                        "shutdown", "halt",           "resume"};
    return (size_t)ask < sizeof names / sizeof names[0] ? names[ask] : "";
}

/* ---- heartbeat ---- */

static const wire_field topic_mark_rows[] = {
    WIRE_ROW_TEXT(keel_topic_mark, TopicMark, topic, WIRE_TOPIC, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_topic_mark, TopicMark, seq, WIRE_OPTIONAL),
};
static const wire_type topic_mark =
    WIRE_MESSAGE(keel_topic_mark, keel__v1__topic_mark__descriptor, topic_mark_rows);

static const wire_field record_mark_rows[] = {
    WIRE_ROW_TEXT(keel_record_mark, RecordMark, topic, WIRE_TOPIC, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_record_mark, RecordMark, last_id, WIRE_NAME, WIRE_REQUIRED),
};
static const wire_type record_mark =
    WIRE_MESSAGE(keel_record_mark, keel__v1__record_mark__descriptor, record_mark_rows);

static const wire_field heartbeat_rows[] = {
    WIRE_ROW_TEXT(keel_heartbeat, Heartbeat, service, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_heartbeat, Heartbeat, state, KEEL_STATE_FAILED, NULL, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_heartbeat, Heartbeat, why, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_heartbeat, Heartbeat, step_done, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_heartbeat, Heartbeat, snapshot_step, WIRE_OPTIONAL),
    WIRE_ROW_LIST(keel_heartbeat, Heartbeat, marks, marks_n, topic_mark, 0),
    WIRE_ROW_LIST(keel_heartbeat, Heartbeat, records, records_n, record_mark, 0),
    WIRE_ROW_I64(keel_heartbeat, Heartbeat, handler_max_ns, 0),
    WIRE_ROW_U32(keel_heartbeat, Heartbeat, queue_depth, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_heartbeat, Heartbeat, awaited, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_heartbeat, Heartbeat, archived_through_step, WIRE_OPTIONAL),
    WIRE_ROW_FLAG(keel_heartbeat, Heartbeat, lockstep),
    WIRE_ROW_I64(keel_heartbeat, Heartbeat, pid, 0),
};
const wire_type wire_heartbeat =
    WIRE_MESSAGE(keel_heartbeat, keel__v1__heartbeat__descriptor, heartbeat_rows);
WIRE_DEFINE(heartbeat, keel_heartbeat)

/* ---- steps ---- */

static const wire_field step_mark_rows[] = {
    WIRE_ROW_TEXT(keel_step_mark, StepMark, topic, WIRE_TOPIC, WIRE_REQUIRED),
    WIRE_ROW_U32(keel_step_mark, StepMark, count, WIRE_OPTIONAL),
};
static const wire_type step_mark =
    WIRE_MESSAGE(keel_step_mark, keel__v1__step_mark__descriptor, step_mark_rows);

static const wire_field step_end_rows[] = {
    WIRE_ROW_U64(keel_step_end, StepEnd, step, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_step_end, StepEnd, marks, marks_n, step_mark, 0),
    WIRE_ROW_I64(keel_step_end, StepEnd, close_ns, INT64_MIN),
};
const wire_type wire_step_end =
    WIRE_MESSAGE(keel_step_end, keel__v1__step_end__descriptor, step_end_rows);
WIRE_DEFINE(step_end, keel_step_end)

/* S4: an answer is at most this many steps. */
enum { RESEND_STEPS_MAX = 64 };

static keel_status check_resend(const void *plain)
{
    const keel_resend *resend = plain;
    if (resend->from_step > resend->to_step)
        return KEEL_EINVAL;
    return resend->to_step - resend->from_step >= RESEND_STEPS_MAX ? KEEL_ERANGE : KEEL_OK;
}

static const wire_field resend_rows[] = {
    WIRE_ROW_TEXT(keel_resend, Resend, publisher, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_resend, Resend, requester, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_resend, Resend, from_step, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_resend, Resend, to_step, WIRE_OPTIONAL),
};
const wire_type wire_resend = WIRE_MESSAGE_WITH(keel_resend, keel__v1__resend__descriptor,
                                                resend_rows, .check = check_resend);
WIRE_DEFINE(resend, keel_resend)

/* ---- requests: a oneof on the wire, an enum and its arguments here ---- */

static const struct {
    Keel__V1__Request__AskCase ask_case;
    const ProtobufCMessageDescriptor *descriptor;
} asks[] = {
    [KEEL_ASK_PING] = {KEEL__V1__REQUEST__ASK_PING, &keel__v1__ping__descriptor},
    [KEEL_ASK_STATUS] = {KEEL__V1__REQUEST__ASK_STATUS, &keel__v1__status_query__descriptor},
    [KEEL_ASK_SNAPSHOT] = {KEEL__V1__REQUEST__ASK_SNAPSHOT, &keel__v1__take_snapshot__descriptor},
    [KEEL_ASK_RESET_COUNTERS] = {KEEL__V1__REQUEST__ASK_RESET_COUNTERS,
                                 &keel__v1__reset_counters__descriptor},
    [KEEL_ASK_LOG_LEVEL] = {KEEL__V1__REQUEST__ASK_LOG_LEVEL, &keel__v1__set_log_level__descriptor},
    [KEEL_ASK_SHUTDOWN] = {KEEL__V1__REQUEST__ASK_SHUTDOWN, &keel__v1__shutdown__descriptor},
    [KEEL_ASK_HALT] = {KEEL__V1__REQUEST__ASK_HALT, &keel__v1__halt__descriptor},
    [KEEL_ASK_RESUME] = {KEEL__V1__REQUEST__ASK_RESUME, &keel__v1__resume__descriptor},
};
enum { ASKS = sizeof asks / sizeof asks[0] };

static keel_status check_request(const void *plain)
{
    const keel_request *request = plain;
    const bool leveled = request->ask == KEEL_ASK_LOG_LEVEL;
    const bool reasoned = request->ask == KEEL_ASK_HALT || request->ask == KEEL_ASK_RESUME;
    if (leveled && request->log_level == 0)
        return KEEL_EFORMAT;
    if (leveled &&
        (request->log_level < 0 || request->log_level > KEEL__V1__LOG_LEVEL__LOG_LEVEL_ERROR))
        return KEEL_EUNKNOWN;
    if (!leveled && request->log_level != 0)
        return KEEL_EINVAL;
    if (!reasoned &&
        (request->reason[0] != '\0' || request->strategy[0] != '\0' || request->asset[0] != '\0'))
        return KEEL_EINVAL;
    KEEL_TRY(
        wire_check_text(request->strategy, sizeof request->strategy, WIRE_NAME, WIRE_OPTIONAL));
    KEEL_TRY(wire_check_text(request->asset, sizeof request->asset, WIRE_NAME, WIRE_OPTIONAL));
    return wire_check_text(request->reason, sizeof request->reason, WIRE_ANY,
                           reasoned ? WIRE_REQUIRED : WIRE_OPTIONAL);
}

static keel_status get_text(const char *text, char *out, size_t cap)
{
    KEEL_TRY(wire_check_text(text, cap, WIRE_ANY, WIRE_OPTIONAL));
    memcpy(out, text, strlen(text) + 1);
    return KEEL_OK;
}

/* Halt and Resume have the same fields. */
static keel_status get_change(const char *reason, const char *strategy, const char *asset,
                              keel_request *to)
{
    KEEL_TRY(get_text(reason, to->reason, sizeof to->reason));
    KEEL_TRY(get_text(strategy, to->strategy, sizeof to->strategy));
    return get_text(asset, to->asset, sizeof to->asset);
}

static keel_status get_ask(const ProtobufCMessage *pb, void *plain)
{
    const Keel__V1__Request *from = (const Keel__V1__Request *)pb;
    keel_request *to = plain;
    for (int i = KEEL_ASK_PING; i < ASKS; i++) {
        if (asks[i].ask_case == from->ask_case)
            to->ask = (keel_ask)i;
    }
    if (to->ask == KEEL_ASK_NONE)
        return KEEL_EFORMAT;
    if (to->ask == KEEL_ASK_LOG_LEVEL)
        to->log_level = (int)from->log_level->level;
    else if (to->ask == KEEL_ASK_HALT)
        return get_change(from->halt->reason, from->halt->strategy, from->halt->asset, to);
    else if (to->ask == KEEL_ASK_RESUME)
        return get_change(from->resume->reason, from->resume->strategy, from->resume->asset, to);
    return KEEL_OK;
}

/* Generated structs have no const: they are only read from here. */
static void point(char **to, const char *text)
{
    memcpy(to, &text, sizeof text);
}

static keel_status put_ask(keel_arena *room, const void *plain, ProtobufCMessage *pb)
{
    const keel_request *from = plain;
    Keel__V1__Request *to = (Keel__V1__Request *)pb;
    if (from->ask == KEEL_ASK_NONE)
        return KEEL_EFORMAT;
    if ((unsigned)from->ask >= ASKS)
        return KEEL_EUNKNOWN;
    ProtobufCMessage *ask = wire_message(room, asks[from->ask].descriptor);
    if (ask == NULL)
        return KEEL_EUNAVAIL;
    to->ask_case = asks[from->ask].ask_case;
    to->ping = (Keel__V1__Ping *)ask; /* all members of the union are message pointers */
    if (from->ask == KEEL_ASK_LOG_LEVEL) {
        to->log_level->level = (Keel__V1__LogLevel)from->log_level;
    } else if (from->ask == KEEL_ASK_HALT) {
        point(&to->halt->reason, from->reason);
        point(&to->halt->strategy, from->strategy);
        point(&to->halt->asset, from->asset);
    } else if (from->ask == KEEL_ASK_RESUME) {
        point(&to->resume->reason, from->reason);
        point(&to->resume->strategy, from->strategy);
        point(&to->resume->asset, from->asset);
    }
    return KEEL_OK;
}

static const wire_field request_rows[] = {
    WIRE_ROW_TEXT(keel_request, Request, service, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_request, Request, requester, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U32(keel_request, Request, deadline_ms, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_request, Request, operator_name, WIRE_ANY, WIRE_OPTIONAL),
};
const wire_type wire_request =
    WIRE_MESSAGE_WITH(keel_request, keel__v1__request__descriptor, request_rows,
                      .from_clients = true, .check = check_request, .get = get_ask, .put = put_ask);
WIRE_DEFINE(request, keel_request)

/* ---- replies ---- */

static const wire_field counter_rows[] = {
    WIRE_ROW_TEXT(keel_counter, Counter, name, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_counter, Counter, value, WIRE_OPTIONAL),
};
static const wire_type counter =
    WIRE_MESSAGE(keel_counter, keel__v1__counter__descriptor, counter_rows);

static const wire_field status_rows[] = {
    WIRE_ROW_TEXT(keel_status_report, Status, service, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_status_report, Status, state, KEEL_STATE_FAILED, NULL, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_status_report, Status, why, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_status_report, Status, step_done, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_status_report, Status, snapshot_step, WIRE_OPTIONAL),
    WIRE_ROW_I64(keel_status_report, Status, started_ns, 0),
    WIRE_ROW_I64(keel_status_report, Status, pid, 0),
    WIRE_ROW_LIST(keel_status_report, Status, counters, counters_n, counter, 0),
    WIRE_ROW_TEXT(keel_status_report, Status, awaited, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_status_report, Status, version, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_status_report, Status, ring_bytes, WIRE_OPTIONAL),
};
static const wire_type status_report =
    WIRE_MESSAGE(keel_status_report, keel__v1__status__descriptor, status_rows);

static keel_status check_reply(const void *plain)
{
    const keel_reply *reply = plain;
    return reply->ok == (reply->error[0] == '\0') ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field reply_rows[] = {
    WIRE_ROW_TEXT(keel_reply, Reply, requester, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_reply, Reply, request_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_reply, Reply, ok),
    WIRE_ROW_TEXT(keel_reply, Reply, error, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_PART_IF(keel_reply, Reply, status, has_status, status_report),
    WIRE_ROW_U64(keel_reply, Reply, taken_step, WIRE_OPTIONAL),
};
const wire_type wire_reply =
    WIRE_MESSAGE_WITH(keel_reply, keel__v1__reply__descriptor, reply_rows, .check = check_reply);
WIRE_DEFINE(reply, keel_reply)

/* ---- snapshots ---- */

static keel_status get_outputs(const ProtobufCMessage *pb, void *plain)
{
    const Keel__V1__SnapshotRecord *from = (const Keel__V1__SnapshotRecord *)pb;
    keel_snapshot_record *to = plain;
    if (from->n_outputs > KEEL_SNAPSHOT_OUTPUTS_MAX)
        return KEEL_ETOOBIG;
    for (size_t i = 0; i < from->n_outputs; i++) {
        if (from->outputs[i].len == 0)
            return KEEL_EINVAL;
        to->outputs[i] = from->outputs[i].data;
        to->outputs_len[i] = from->outputs[i].len;
    }
    to->outputs_n = (int)from->n_outputs;
    return KEEL_OK;
}

static keel_status put_outputs(keel_arena *room, const void *plain, ProtobufCMessage *pb)
{
    const keel_snapshot_record *from = plain;
    Keel__V1__SnapshotRecord *to = (Keel__V1__SnapshotRecord *)pb;
    if (from->outputs_n < 0)
        return KEEL_ERANGE;
    if (from->outputs_n > KEEL_SNAPSHOT_OUTPUTS_MAX)
        return KEEL_ETOOBIG;
    const size_t n = (size_t)from->outputs_n;
    to->outputs = keel_arena_take(room, n, sizeof *to->outputs);
    if (to->outputs == NULL)
        return KEEL_EUNAVAIL;
    for (size_t i = 0; i < n; i++) {
        if (from->outputs[i] == NULL || from->outputs_len[i] == 0)
            return KEEL_EINVAL;
        memcpy(&to->outputs[i].data, &from->outputs[i], sizeof from->outputs[i]);
        to->outputs[i].len = from->outputs_len[i];
    }
    to->n_outputs = n;
    return KEEL_OK;
}

static const wire_field snapshot_record_rows[] = {
    WIRE_ROW_TEXT(keel_snapshot_record, SnapshotRecord, service, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_snapshot_record, SnapshotRecord, step, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_snapshot_record, SnapshotRecord, format, WIRE_OPTIONAL),
    WIRE_ROW_BYTES(keel_snapshot_record, SnapshotRecord, state, state_len, KEEL_PAYLOAD_BYTES_MAX),
    WIRE_ROW_U64(keel_snapshot_record, SnapshotRecord, state_hash, WIRE_OPTIONAL),
};
const wire_type wire_snapshot_record =
    WIRE_MESSAGE_WITH(keel_snapshot_record, keel__v1__snapshot_record__descriptor,
                      snapshot_record_rows, .get = get_outputs, .put = put_outputs);
WIRE_DEFINE(snapshot_record, keel_snapshot_record)
