#include "common/wire/wire_internal.h"

#include <math.h>
#include <string.h>

enum { DISPOSITIONS_MAX = 64, SYMBOLS_MAX = KEEL_UNIVERSE_MAX + 1 };

/* ---- signals ---- */

static const wire_field label_rows[] = {
    WIRE_ROW_TEXT(keel_label, Label, name, WIRE_ANY, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_label, Label, value, WIRE_ANY, WIRE_OPTIONAL),
};
static const wire_type label = WIRE_MESSAGE(keel_label, keel__v1__label__descriptor, label_rows);

static const wire_field signal_rows[] = {
    WIRE_ROW_TEXT(keel_signal, Signal, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_signal, Signal, signal_id, WIRE_VISIBLE, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_signal, Signal, seq, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_signal, Signal, epoch_ns, 1),
    WIRE_ROW_TEXT(keel_signal, Signal, symbol, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_signal, Signal, side, KEEL_SIDE_FLAT, NULL, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_signal, Signal, entry, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_signal, Signal, stop, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_signal, Signal, target, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_signal, Signal, confidence_frac, WIRE_FRACTION),
    WIRE_ROW_I64(keel_signal, Signal, valid_until_ns, 0),
    WIRE_ROW_U64(keel_signal, Signal, row_step, WIRE_OPTIONAL),
    WIRE_ROW_LIST(keel_signal, Signal, labels, labels_n, label, 0),
};
const wire_type wire_signal =
    WIRE_MESSAGE_WITH(keel_signal, keel__v1__signal__descriptor, signal_rows,
                      .bytes_max = KEEL_SIGNAL_BYTES_MAX, .from_clients = true);
WIRE_DEFINE(signal, keel_signal)

static bool blame_number(const char *name, double value, keel_reason *reason)
{
    if (!isfinite(value))
        keel_reason_set(reason, KEEL_REASON_NONFINITE, "%s: is not a finite number", name);
    else if (strcmp(name, "confidence_frac") == 0 && (value < 0.0 || value > 1.0))
        keel_reason_set(reason, KEEL_REASON_CONFIDENCE_RANGE,
                        "confidence_frac: %.6g is not in 0..1", value);
    else if (value < 0.0)
        keel_reason_set(reason, KEEL_REASON_MALFORMED, "%s: %.6g is negative", name, value);
    else
        return false;
    return true;
}

static const char *bad_text(const Keel__V1__Signal *pb)
{
    const struct {
        const char *name, *text;
        size_t cap;
        wire_rule rule;
    } texts[] = {{"strategy", pb->strategy, KEEL_NAME_MAX, WIRE_NAME},
                 {"signal_id", pb->signal_id, KEEL_SIGNAL_ID_MAX, WIRE_VISIBLE},
                 {"symbol", pb->symbol, KEEL_SYMBOL_MAX, WIRE_NAME}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (wire_check_text(texts[i].text, texts[i].cap, texts[i].rule, WIRE_REQUIRED) != KEEL_OK)
            return texts[i].name;
    return NULL;
}

void keel_wire_blame_signal(keel_arena *arena, const uint8_t *data, size_t len, keel_reason *reason)
{
    ProtobufCMessage *message;
    if (len > KEEL_SIGNAL_BYTES_MAX) {
        keel_reason_set(reason, KEEL_REASON_MALFORMED, "%zu bytes; a signal has at most %d", len,
                        KEEL_SIGNAL_BYTES_MAX);
        return;
    }
    if (wire_unpack(&keel__v1__signal__descriptor, arena, data, len, &message) != KEEL_OK) {
        keel_reason_set(reason, KEEL_REASON_MALFORMED, "is not a Signal message");
        return;
    }
    const Keel__V1__Signal *pb = (const Keel__V1__Signal *)message;
    const char *text = bad_text(pb);
    if (!wire_texts_are_whole(&keel__v1__signal__descriptor, data, len))
        keel_reason_set(reason, KEEL_REASON_MALFORMED,
                        "strategy, signal_id, symbol or labels: a NUL inside a text");
    else if (text != NULL)
        keel_reason_set(reason, KEEL_REASON_MALFORMED, "%s: empty, too long or of other letters",
                        text);
    else if (!blame_number("entry", pb->entry, reason) && !blame_number("stop", pb->stop, reason) &&
             !blame_number("target", pb->target, reason) &&
             !blame_number("confidence_frac", pb->confidence_frac, reason))
        keel_reason_set(reason, KEEL_REASON_MALFORMED,
                        "seq, epoch_ns, side, valid_until_ns or labels: not as signal.proto says");
}

/* ---- between client and coordinator ---- */

static const wire_field hello_rows[] = {
    WIRE_ROW_TEXT(keel_hello, Hello, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_hello, Hello, epoch_ns, 1),
    WIRE_ROW_U32(keel_hello, Hello, waiting, WIRE_OPTIONAL),
};
const wire_type wire_hello =
    WIRE_MESSAGE_WITH(keel_hello, keel__v1__hello__descriptor, hello_rows, .from_clients = true);
WIRE_DEFINE(hello, keel_hello)

static keel_status check_receipt(const void *plain)
{
    const keel_receipt *receipt = plain;
    const bool refused = receipt->refusal.code != KEEL_REASON_UNSPECIFIED;
    return receipt->signal_len == 0 && !refused ? KEEL_EFORMAT : KEEL_OK;
}

static const wire_field receipt_rows[] = {
    WIRE_ROW_TEXT(keel_receipt, Receipt, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_receipt, Receipt, epoch_ns, 1),
    WIRE_ROW_U64(keel_receipt, Receipt, seq, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_receipt, Receipt, step, WIRE_OPTIONAL),
    WIRE_ROW_PART(keel_receipt, Receipt, refusal, wire_reason, WIRE_OPTIONAL),
    WIRE_ROW_BYTES(keel_receipt, Receipt, signal, signal_len, KEEL_SIGNAL_BYTES_MAX),
};
const wire_type wire_receipt = WIRE_MESSAGE_WITH(keel_receipt, keel__v1__receipt__descriptor,
                                                 receipt_rows, .check = check_receipt);
WIRE_DEFINE(receipt, keel_receipt)

static const wire_field ack_rows[] = {
    WIRE_ROW_TEXT(keel_ack, Ack, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_ack, Ack, epoch_ns, 0),
    WIRE_ROW_U64(keel_ack, Ack, seq, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_ack, Ack, credit, WIRE_OPTIONAL),
    WIRE_ROW_PART(keel_ack, Ack, refusal, wire_reason, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_ack, Ack, closed_step, WIRE_OPTIONAL),
};
const wire_type wire_ack = WIRE_MESSAGE(keel_ack, keel__v1__ack__descriptor, ack_rows);
WIRE_DEFINE(ack, keel_ack)

/* ---- what a step decides ---- */

static keel_status check_range(const void *plain)
{
    const keel_intake_range *range = plain;
    return range->to_seq < range->from_seq ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field range_rows[] = {
    WIRE_ROW_TEXT(keel_intake_range, IntakeRange, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_intake_range, IntakeRange, epoch_ns, 1),
    WIRE_ROW_U64(keel_intake_range, IntakeRange, from_seq, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_intake_range, IntakeRange, to_seq, WIRE_REQUIRED),
};
static const wire_type range = WIRE_MESSAGE_WITH(
    keel_intake_range, keel__v1__intake_range__descriptor, range_rows, .check = check_range);

static const wire_field intake_rows[] = {
    WIRE_ROW_TEXT(keel_intake, Intake, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_intake, Intake, ranges, ranges_n, range, 0, KEEL_STANDING_MAX),
};
const wire_type wire_intake = WIRE_MESSAGE(keel_intake, keel__v1__intake__descriptor, intake_rows);
WIRE_DEFINE(intake, keel_intake)

static const wire_field intent_rows[] = {
    WIRE_ROW_TEXT(keel_intent, PositionIntent, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_intent, PositionIntent),
    WIRE_ROW_I64(keel_intent, PositionIntent, target_qty_units, INT64_MIN),
    WIRE_ROW_U64(keel_intent, PositionIntent, version, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_intent, PositionIntent, stop_units, 0),
    WIRE_ROW_I64(keel_intent, PositionIntent, target_units, 0),
    WIRE_ROW_I64(keel_intent, PositionIntent, valid_until_ns, 0),
};
static const wire_type intent =
    WIRE_MESSAGE(keel_intent, keel__v1__position_intent__descriptor, intent_rows);

static keel_status check_decision(const void *plain)
{
    const keel_decision *decision = plain;
    const bool accepted = decision->reason.code == KEEL_REASON_ACCEPTED;
    if (accepted != decision->accepted)
        return KEEL_EINVAL;
    for (int i = 0; i < decision->intents_n; i++)
        if (decision->intents[i].version != decision->decision_seq)
            return KEEL_EINVAL;
    return !accepted && decision->intents_n > 0 ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field decision_rows[] = {
    WIRE_ROW_TEXT(keel_decision, Decision, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_decision, Decision, signal_id, WIRE_VISIBLE, WIRE_OPTIONAL),
    WIRE_ROW_I64(keel_decision, Decision, epoch_ns, 1),
    WIRE_ROW_U64(keel_decision, Decision, seq, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_decision, Decision, decision_seq, WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_decision, Decision, accepted),
    WIRE_ROW_PART(keel_decision, Decision, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_decision, Decision, intents, intents_n, intent, 0),
    WIRE_ROW_ENUM(keel_decision, Decision, priority, KEEL_PRIORITY_LOW, NULL, WIRE_OPTIONAL),
    WIRE_ROW_PART(keel_decision, Decision, priority_reason, wire_reason, WIRE_OPTIONAL),
    WIRE_ROW_ENUM(keel_decision, Decision, policy, KEEL_CONFLICT_ALLOW, NULL, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_decision, Decision, sizing, sizing_n, wire_sizing_rule, 0),
    WIRE_ROW_TEXT(keel_decision, Decision, symbol, WIRE_NAME, WIRE_OPTIONAL),
    WIRE_ROW_ENUM(keel_decision, Decision, side, KEEL_SIDE_FLAT, NULL, WIRE_OPTIONAL),
    WIRE_ROW_ENUM(keel_decision, Decision, route, KEEL_ROUTE_NONE, NULL, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_decision, Decision, duplicate_of, WIRE_OPTIONAL),
};
const wire_type wire_decision = WIRE_MESSAGE_WITH(keel_decision, keel__v1__decision__descriptor,
                                                  decision_rows, .check = check_decision);
WIRE_DEFINE(decision, keel_decision)

/* ---- counts ---- */

static const wire_field disposition_rows[] = {
    WIRE_ROW_ENUM(keel_disposition_count, DispositionCount, code, INT32_MAX, wire_reason_known,
                  WIRE_REQUIRED),
    WIRE_ROW_U64(keel_disposition_count, DispositionCount, count, WIRE_OPTIONAL),
};
static const wire_type disposition =
    WIRE_MESSAGE(keel_disposition_count, keel__v1__disposition_count__descriptor, disposition_rows);

static const wire_field symbol_count_rows[] = {
    WIRE_ROW_TEXT(keel_symbol_count, SymbolCount, symbol, WIRE_NAME, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_symbol_count, SymbolCount, decided, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_symbol_count, SymbolCount, accepted, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_symbol_count, SymbolCount, executed, WIRE_OPTIONAL),
};
static const wire_type symbol_count =
    WIRE_MESSAGE(keel_symbol_count, keel__v1__symbol_count__descriptor, symbol_count_rows);

/* Every received signal ends in exactly one counted disposition. */
static keel_status check_strategy_status(const void *plain)
{
    const keel_strategy_status *status = plain;
    uint64_t by_code = 0, by_symbol = 0;
    for (int i = 0; i < status->dispositions_n; i++)
        by_code += status->dispositions[i].count;
    for (int i = 0; i < status->symbols_n; i++)
        by_symbol += status->symbols[i].decided;
    if (by_code != status->decided || by_symbol != status->decided)
        return KEEL_EINVAL;
    return status->received != status->decided + status->pending ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field strategy_status_rows[] = {
    WIRE_ROW_TEXT(keel_strategy_status, StrategyStatus, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_strategy_status, StrategyStatus, active),
    WIRE_ROW_REAL(keel_strategy_status, StrategyStatus, share_frac, WIRE_FRACTION),
    WIRE_ROW_U64(keel_strategy_status, StrategyStatus, received, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_strategy_status, StrategyStatus, decided, WIRE_OPTIONAL),
    WIRE_ROW_LIST_POINTER(keel_strategy_status, StrategyStatus, dispositions, dispositions_n,
                          disposition, 0, DISPOSITIONS_MAX),
    WIRE_ROW_U64(keel_strategy_status, StrategyStatus, executed, WIRE_OPTIONAL),
    WIRE_ROW_FLAG(keel_strategy_status, StrategyStatus, lockstep),
    WIRE_ROW_I64(keel_strategy_status, StrategyStatus, epoch_ns, 0),
    WIRE_ROW_U64(keel_strategy_status, StrategyStatus, seq, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_strategy_status, StrategyStatus, pending, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_strategy_status, StrategyStatus, active_signals, WIRE_OPTIONAL),
    WIRE_ROW_LIST_POINTER(keel_strategy_status, StrategyStatus, symbols, symbols_n, symbol_count, 0,
                          SYMBOLS_MAX),
};
static const wire_type strategy_status =
    WIRE_MESSAGE_WITH(keel_strategy_status, keel__v1__strategy_status__descriptor,
                      strategy_status_rows, .check = check_strategy_status);

static const wire_field strategy_report_rows[] = {
    WIRE_ROW_TEXT(keel_strategy_report, StrategyReport, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_strategy_report, StrategyReport, strategies, strategies_n,
                          strategy_status, 0, KEEL_STRATEGIES_MAX),
    WIRE_ROW_U64(keel_strategy_report, StrategyReport, decision_seq, WIRE_OPTIONAL),
};
const wire_type wire_strategy_report =
    WIRE_MESSAGE(keel_strategy_report, keel__v1__strategy_report__descriptor, strategy_report_rows);
WIRE_DEFINE(strategy_report, keel_strategy_report)
