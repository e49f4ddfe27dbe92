/* wire_samples.h - one good message of every kind, every field of it different from zero.
 *
 * ROOM     tests/support; link the room wire beside it.
 * SHAPE    make() fills a plain struct for a universe of n instruments (1..KEEL_UNIVERSE_MAX);
 *          arrays live in static storage until the next make() of any kind.
 */
#ifndef KEEL_TESTS_SUPPORT_WIRE_SAMPLES_H
#define KEEL_TESTS_SUPPORT_WIRE_SAMPLES_H

#include "common/wire/wire.h"

/* name in keel_wire_get_<name>, plain type, payload */
#define KEEL_SAMPLE_LIST(X)                                                                        \
    X(universe_state, keel_universe_state, UNIVERSE_STATE)                                         \
    X(bar_row, keel_bar_row, BAR_ROW)                                                              \
    X(feed_status, keel_feed_status, FEED_STATUS)                                                  \
    X(market_truth, keel_market_truth, MARKET_TRUTH)                                               \
    X(correlation, keel_correlation, CORRELATION_MATRIX)                                           \
    X(covariance, keel_covariance, COVARIANCE_MATRIX)                                              \
    X(capital_proposal, keel_capital_proposal, CAPITAL_PROPOSAL)                                   \
    X(allocation_proposal, keel_allocation_proposal, ALLOCATION_PROPOSAL)                          \
    X(rebalance_decision, keel_rebalance_decision, REBALANCE_DECISION)                             \
    X(capital_allocation, keel_capital_allocation, CAPITAL_ALLOCATION)                             \
    X(approved_allocation, keel_approved_allocation, APPROVED_ALLOCATION)                          \
    X(trading_state, keel_trading_state, TRADING_STATE)                                            \
    X(risk_report, keel_risk_report, RISK_REPORT)                                                  \
    X(limit_breach, keel_limit_breach, LIMIT_BREACH)                                               \
    X(risk_check_request, keel_risk_check_request, RISK_CHECK_REQUEST)                             \
    X(risk_verdict, keel_risk_verdict, RISK_VERDICT)                                               \
    X(signal, keel_signal, SIGNAL)                                                                 \
    X(receipt, keel_receipt, RECEIPT)                                                              \
    X(ack, keel_ack, ACK)                                                                          \
    X(decision, keel_decision, DECISION)                                                           \
    X(hello, keel_hello, HELLO)                                                                    \
    X(intake, keel_intake, INTAKE)                                                                 \
    X(strategy_report, keel_strategy_report, STRATEGY_REPORT)                                      \
    X(order_plan, keel_order_plan, ORDER_PLAN)                                                     \
    X(fill, keel_fill, FILL)                                                                       \
    X(plan_done, keel_plan_done, PLAN_DONE)                                                        \
    X(portfolio_state, keel_portfolio_state, PORTFOLIO_STATE)                                      \
    X(transfer, keel_transfer, TRANSFER)                                                           \
    X(performance, keel_performance, PERFORMANCE)                                                  \
    X(attribution, keel_attribution, ATTRIBUTION)                                                  \
    X(heartbeat, keel_heartbeat, HEARTBEAT)                                                        \
    X(step_end, keel_step_end, STEP_END)                                                           \
    X(resend, keel_resend, RESEND)                                                                 \
    X(request, keel_request, REQUEST)                                                              \
    X(reply, keel_reply, REPLY)                                                                    \
    X(snapshot_record, keel_snapshot_record, SNAPSHOT_RECORD)

#define KEEL_SAMPLE_DECLARE(name, type, payload) void keel_sample_##name(type *out, int n);
KEEL_SAMPLE_LIST(KEEL_SAMPLE_DECLARE)

/* The same functions behind void pointers, for loops over all messages. */
typedef struct keel_sample_ops {
    const char *name;
    keel_payload payload;
    size_t size;
    void (*make)(void *out, int n);
    keel_status (*put)(const void *in, uint8_t *buf, size_t cap, size_t *len);
    keel_status (*get)(keel_arena *arena, const uint8_t *data, size_t len, void *out);
} keel_sample_ops;

enum { KEEL_SAMPLES = 36, KEEL_SAMPLE_STRUCT_MAX = 320 << 10 };
extern const keel_sample_ops keel_samples[KEEL_SAMPLES];

/* Make and encode; aborts when the codec refuses. Returns the bytes' number. */
size_t keel_sample_encode(const keel_sample_ops *sample, int n, uint8_t *buf, size_t cap);

#endif
