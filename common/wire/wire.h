/* wire.h - plain data to protobuf bytes and back: the only door to generated code.
 *
 * ROOM     common/wire. get decodes and checks EVERY field (size, sign, range, finiteness, enum,
 *          UTF-8, array lengths against each other), because a truncated or empty buffer can
 *          unpack without error; what get accepts, put writes back to the same bytes (-0.0 becomes
 *          +0.0 before it is written).
 * MEMORY   get: arrays and strings of *out live in `arena` until it is reset; a message that does
 *          not fit it is refused, so hostile input costs at most the arena. put: writes into the
 *          caller's buffer.
 * THREADS  any; one thread per arena.
 *
 * get:  KEEL_EFORMAT not protobuf, or a required field absent; KEEL_ETOOBIG larger than its named
 *       maximum or than the arena; KEEL_EUNKNOWN an enum value of a newer version; KEEL_ENONFINITE,
 *       KEEL_ERANGE, KEEL_EINVAL by field. *out is then undefined.
 *       The envelope also: KEEL_EVERSION.
 *       A text that holds a NUL would end there: in what clients send (signal, hello, request) it
 *       is KEEL_EINVAL.
 * put:  KEEL_ENOSPC cap is short (*len = bytes needed, nothing written); KEEL_ENONFINITE,
 *       KEEL_ERANGE, KEEL_EINVAL for a value that get would refuse: nothing non-finite is ever
 *       sent; KEEL_ETOOBIG a text, list or message above its named maximum, or more than 2 MiB of
 *       structs for the parts inside one message (about 20,000 positions). put takes that memory
 *       from the stack: 32 KiB, and 2 MiB only for a message that needs them.
 * May be absent (all zero): reason of an ACTIVE trading state; rebalance_reason and certificate of
 * an approved allocation; convention of a performance; cause. docs/messages.md lists the rules.
 */
#ifndef KEEL_COMMON_WIRE_WIRE_H
#define KEEL_COMMON_WIRE_WIRE_H

#include "common/base/mem.h"
#include "common/domain/bar_row.h"
#include "common/domain/books.h"
#include "common/domain/estimate.h"
#include "common/domain/signal.h"
#include "common/wire/control.h"

#define KEEL_WIRE(name, type)                                                                      \
    KEEL_MUST_CHECK keel_status keel_wire_get_##name(keel_arena *arena, const uint8_t *data,       \
                                                     size_t len, type *out);                       \
    KEEL_MUST_CHECK keel_status keel_wire_put_##name(const type *in, uint8_t *buf, size_t cap,     \
                                                     size_t *len)

/* The frame. get checks version, type known, id complete, run_id, payload size; out->payload points
 * into `data`. */
KEEL_WIRE(envelope, keel_envelope);

typedef struct keel_universe_state {
    const keel_universe *universe;
    int64_t bar_ns;
} keel_universe_state;

KEEL_WIRE(universe_state, keel_universe_state);
KEEL_WIRE(bar_row, keel_bar_row);
KEEL_WIRE(feed_status, keel_feed_status);
KEEL_WIRE(market_truth, keel_market_truth);
KEEL_WIRE(correlation, keel_correlation);
KEEL_WIRE(covariance, keel_covariance);
KEEL_WIRE(capital_proposal, keel_capital_proposal);
KEEL_WIRE(allocation_proposal, keel_allocation_proposal);
KEEL_WIRE(rebalance_decision, keel_rebalance_decision);
KEEL_WIRE(capital_allocation, keel_capital_allocation);
KEEL_WIRE(approved_allocation, keel_approved_allocation);
KEEL_WIRE(trading_state, keel_trading_state);
KEEL_WIRE(risk_report, keel_risk_report);
KEEL_WIRE(limit_breach, keel_limit_breach);
KEEL_WIRE(risk_check_request, keel_risk_check_request);
KEEL_WIRE(risk_verdict, keel_risk_verdict);
KEEL_WIRE(signal, keel_signal);
KEEL_WIRE(hello, keel_hello);
KEEL_WIRE(receipt, keel_receipt);
KEEL_WIRE(ack, keel_ack);
KEEL_WIRE(intake, keel_intake);
KEEL_WIRE(decision, keel_decision);
KEEL_WIRE(strategy_report, keel_strategy_report);
KEEL_WIRE(order_plan, keel_order_plan);
KEEL_WIRE(fill, keel_fill);
KEEL_WIRE(plan_done, keel_plan_done);
KEEL_WIRE(portfolio_state, keel_portfolio_state);
KEEL_WIRE(transfer, keel_transfer);
KEEL_WIRE(performance, keel_performance);
KEEL_WIRE(attribution, keel_attribution);
KEEL_WIRE(heartbeat, keel_heartbeat);
KEEL_WIRE(step_end, keel_step_end);
KEEL_WIRE(resend, keel_resend);
KEEL_WIRE(request, keel_request);
KEEL_WIRE(reply, keel_reply);
KEEL_WIRE(snapshot_record, keel_snapshot_record);

/* Why keel_wire_get_signal refused these bytes, by field: NONFINITE, CONFIDENCE_RANGE or MALFORMED,
 * with a sentence for its sender. */
void keel_wire_blame_signal(keel_arena *arena, const uint8_t *data, size_t len,
                            keel_reason *reason);

/* Decode a payload of any type and check it; what the fuzzers and `--json` use.
 * KEEL_EUNKNOWN for a type that has no decoder here yet. */
KEEL_MUST_CHECK keel_status keel_wire_check(keel_arena *arena, keel_payload type,
                                            const uint8_t *data, size_t len);

/* A payload as one line of JSON with the field names of the proto files, for people and --json:
 * enums as names without their prefix, 64-bit integers as integers, bytes as base64, every field
 * shown but absent messages and the unset members of a oneof. Checks it first. NUL-terminated;
 * KEEL_ENOSPC when cap is short. */
KEEL_MUST_CHECK keel_status keel_wire_json(keel_arena *arena, keel_payload type,
                                           const uint8_t *data, size_t len, char *out, size_t cap);

#endif
