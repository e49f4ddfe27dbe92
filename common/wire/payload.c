#include "common/wire/wire_internal.h"

static const struct {
    keel_payload payload;
    const wire_type *type;
} decoders[] = {
    {KEEL_PAYLOAD_UNIVERSE_STATE, &wire_universe_state},
    {KEEL_PAYLOAD_BAR_ROW, &wire_bar_row},
    {KEEL_PAYLOAD_FEED_STATUS, &wire_feed_status},
    {KEEL_PAYLOAD_MARKET_TRUTH, &wire_market_truth},
    {KEEL_PAYLOAD_CORRELATION_MATRIX, &wire_correlation},
    {KEEL_PAYLOAD_COVARIANCE_MATRIX, &wire_covariance},
    {KEEL_PAYLOAD_CAPITAL_PROPOSAL, &wire_capital_proposal},
    {KEEL_PAYLOAD_ALLOCATION_PROPOSAL, &wire_allocation_proposal},
    {KEEL_PAYLOAD_REBALANCE_DECISION, &wire_rebalance_decision},
    {KEEL_PAYLOAD_CAPITAL_ALLOCATION, &wire_capital_allocation},
    {KEEL_PAYLOAD_APPROVED_ALLOCATION, &wire_approved_allocation},
    {KEEL_PAYLOAD_TRADING_STATE, &wire_trading_state},
    {KEEL_PAYLOAD_RISK_REPORT, &wire_risk_report},
    {KEEL_PAYLOAD_LIMIT_BREACH, &wire_limit_breach},
    {KEEL_PAYLOAD_RISK_CHECK_REQUEST, &wire_risk_check_request},
    {KEEL_PAYLOAD_RISK_VERDICT, &wire_risk_verdict},
    {KEEL_PAYLOAD_SIGNAL, &wire_signal},
    {KEEL_PAYLOAD_HELLO, &wire_hello},
    {KEEL_PAYLOAD_RECEIPT, &wire_receipt},
    {KEEL_PAYLOAD_ACK, &wire_ack},
    {KEEL_PAYLOAD_INTAKE, &wire_intake},
    {KEEL_PAYLOAD_DECISION, &wire_decision},
    {KEEL_PAYLOAD_STRATEGY_REPORT, &wire_strategy_report},
    {KEEL_PAYLOAD_ORDER_PLAN, &wire_order_plan},
    {KEEL_PAYLOAD_FILL, &wire_fill},
    {KEEL_PAYLOAD_PLAN_DONE, &wire_plan_done},
    {KEEL_PAYLOAD_PORTFOLIO_STATE, &wire_portfolio_state},
    {KEEL_PAYLOAD_TRANSFER, &wire_transfer},
    {KEEL_PAYLOAD_PERFORMANCE, &wire_performance},
    {KEEL_PAYLOAD_ATTRIBUTION, &wire_attribution},
    {KEEL_PAYLOAD_HEARTBEAT, &wire_heartbeat},
    {KEEL_PAYLOAD_STEP_END, &wire_step_end},
    {KEEL_PAYLOAD_RESEND, &wire_resend},
    {KEEL_PAYLOAD_REQUEST, &wire_request},
    {KEEL_PAYLOAD_REPLY, &wire_reply},
    {KEEL_PAYLOAD_SNAPSHOT_RECORD, &wire_snapshot_record},
};

const wire_type *wire_type_of(keel_payload type)
{
    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++) {
        if (decoders[i].payload == type)
            return decoders[i].type;
    }
    return NULL;
}

keel_status keel_wire_check(keel_arena *arena, keel_payload type, const uint8_t *data, size_t len)
{
    const wire_type *decoder = wire_type_of(type);
    if (decoder == NULL)
        return KEEL_EUNKNOWN;
    void *plain = keel_arena_take(arena, 1, decoder->size);
    if (plain == NULL)
        return KEEL_ETOOBIG;
    return wire_get(decoder, arena, data, len, plain);
}
