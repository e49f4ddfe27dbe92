/* topics.h - every topic of Keel, in one list: template, class, payload, the one who publishes it.
 *
 * ROOM     common/wire. No topic string is spelled anywhere else.
 * SHAPE    Topics end in a dot, so that a subscription to BTC-USD does not receive BTC-USDT. Keys
 *          are [A-Za-z0-9_:/@-]; any other byte, the dot included, becomes %XX. At most
 *          KEEL_TOPIC_MAX - 1 bytes.
 *          stream  may drop; gaps are counted
 *          state   in steps; the last value is sent again to who subscribes
 *          record  as state, and durable before it is published
 *          control outside the steps
 *          call    a question or its answer inside a step: in no mark, matched by step and index
 */
#ifndef KEEL_COMMON_WIRE_TOPICS_H
#define KEEL_COMMON_WIRE_TOPICS_H

#include "common/domain/allocation.h"

#include <stddef.h>

/* name, number: equal to keel.v1.PayloadType; tests/unit/wire compares them */
#define KEEL_PAYLOAD_LIST(X)                                                                       \
    X(UNIVERSE_STATE, 100)                                                                         \
    X(BAR_ROW, 101)                                                                                \
    X(BAR, 102)                                                                                    \
    X(FEED_STATUS, 103)                                                                            \
    X(MARKET_TRUTH, 104)                                                                           \
    X(CORRELATION_MATRIX, 200)                                                                     \
    X(COVARIANCE_MATRIX, 201)                                                                      \
    X(SPILLOVER, 202)                                                                              \
    X(OPTIMIZE_REQUEST, 300)                                                                       \
    X(CAPITAL_PROPOSAL, 301)                                                                       \
    X(ALLOCATION_PROPOSAL, 302)                                                                    \
    X(REBALANCE_DECISION, 303)                                                                     \
    X(FRONTIER, 304)                                                                               \
    X(CAPITAL_ALLOCATION, 305)                                                                     \
    X(APPROVED_ALLOCATION, 306)                                                                    \
    X(OPTIMIZE_RESULT, 307)                                                                        \
    X(RISK_CHECK_REQUEST, 400)                                                                     \
    X(RISK_VERDICT, 401)                                                                           \
    X(TRADING_STATE, 402)                                                                          \
    X(RISK_REPORT, 403)                                                                            \
    X(LIMIT_BREACH, 404)                                                                           \
    X(SIGNAL, 500)                                                                                 \
    X(RECEIPT, 501)                                                                                \
    X(ACK, 502)                                                                                    \
    X(DECISION, 503)                                                                               \
    X(STRATEGY_STATUS, 504)                                                                        \
    X(HELLO, 505)                                                                                  \
    X(INTAKE, 506)                                                                                 \
    X(STRATEGY_REPORT, 507)                                                                        \
    X(REGIME_STATE, 600)                                                                           \
    X(ORDER_PLAN, 700)                                                                             \
    X(FILL, 701)                                                                                   \
    X(PLAN_DONE, 702)                                                                              \
    X(PORTFOLIO_STATE, 800)                                                                        \
    X(TRANSFER, 801)                                                                               \
    X(PERFORMANCE, 802)                                                                            \
    X(ATTRIBUTION, 803)                                                                            \
    X(HEARTBEAT, 900)                                                                              \
    X(STEP_END, 901)                                                                               \
    X(RESEND, 902)                                                                                 \
    X(REQUEST, 903)                                                                                \
    X(REPLY, 904)                                                                                  \
    X(SNAPSHOT_RECORD, 905)

#define KEEL_PAYLOAD_ENUM(name, number) KEEL_PAYLOAD_##name = number,
typedef enum keel_payload {
    KEEL_PAYLOAD_UNSPECIFIED = 0,
    KEEL_PAYLOAD_LIST(KEEL_PAYLOAD_ENUM)
} keel_payload;

/* name, template, class, payload, publisher ("*" = any, each under its own key). In this order the
 * messages of one publisher's step are handled. */
#define KEEL_TOPIC_LIST(X)                                                                         \
    X(UNIVERSE, "v1.universe.{universe}.", STATE, UNIVERSE_STATE, "feed")                          \
    X(ROW, "v1.row.{bar}.{universe}.", STATE, BAR_ROW, "feed")                                     \
    X(TRUTH, "v1.truth.{universe}.", STATE, MARKET_TRUTH, "feed")                                  \
    X(FEED, "v1.feed.{universe}.", STREAM, FEED_STATUS, "feed")                                    \
    X(CORR, "v1.corr.{bar}.{universe}.", STATE, CORRELATION_MATRIX, "correlation")                 \
    X(COV, "v1.cov.{bar}.{universe}.", STATE, COVARIANCE_MATRIX, "correlation")                    \
    X(REBALANCE, "v1.rebalance.{portfolio}.", STATE, REBALANCE_DECISION, "optimizer")              \
    X(CAPITAL_PROPOSED, "v1.capital.proposed.{portfolio}.", STATE, CAPITAL_PROPOSAL, "optimizer")  \
    X(ALLOC_PROPOSED, "v1.alloc.proposed.{portfolio}.", STATE, ALLOCATION_PROPOSAL, "optimizer")   \
    X(TRADING, "v1.trading.{portfolio}.", RECORD, TRADING_STATE, "risk")                           \
    X(CAPITAL, "v1.capital.approved.{portfolio}.", RECORD, CAPITAL_ALLOCATION, "risk")             \
    X(ALLOC, "v1.alloc.approved.{portfolio}.", RECORD, APPROVED_ALLOCATION, "risk")                \
    X(RISK_REPORT, "v1.risk.report.{portfolio}.", STATE, RISK_REPORT, "risk")                      \
    X(BREACH, "v1.risk.breach.{portfolio}.", STATE, LIMIT_BREACH, "risk")                          \
    X(PLAN, "v1.order.{portfolio}.", RECORD, ORDER_PLAN, "execution")                              \
    X(FILL, "v1.fill.{portfolio}.", RECORD, FILL, "execution")                                     \
    X(PLAN_DONE, "v1.plandone.{portfolio}.", RECORD, PLAN_DONE, "execution")                       \
    X(TRANSFER, "v1.transfer.{portfolio}.", RECORD, TRANSFER, "ledger")                            \
    X(PORTFOLIO, "v1.portfolio.{portfolio}.", RECORD, PORTFOLIO_STATE, "ledger")                   \
    X(PERFORMANCE, "v1.performance.{portfolio}.", STATE, PERFORMANCE, "ledger")                    \
    X(ATTRIBUTION, "v1.attribution.{portfolio}.", STATE, ATTRIBUTION, "ledger")                    \
    X(INTAKE, "v1.intake.{portfolio}.", RECORD, INTAKE, "strategy-coordinator")                    \
    X(DECISION, "v1.decision.{portfolio}.", RECORD, DECISION, "strategy-coordinator")              \
    X(STRATEGY, "v1.strategy.{portfolio}.", STATE, STRATEGY_REPORT, "strategy-coordinator")        \
    X(CHECK, "v1.riskcheck.{portfolio}.", CALL, RISK_CHECK_REQUEST, "strategy-coordinator")        \
    X(VERDICT, "v1.verdict.{portfolio}.", CALL, RISK_VERDICT, "risk")                              \
    X(SIGNAL, "v1.signal.{key}.", CONTROL, SIGNAL, "*")                                            \
    X(HELLO, "v1.hello.{key}.", CONTROL, HELLO, "*")                                               \
    X(RECEIPT, "v1.receipt.{key}.", RECORD, RECEIPT, "*")                                          \
    X(ACK, "v1.ack.{key}.", CONTROL, ACK, "*")                                                     \
    X(HEARTBEAT, "v1.hb.{key}.", CONTROL, HEARTBEAT, "*")                                          \
    X(STEP, "v1.step.{key}.", CONTROL, STEP_END, "*")                                              \
    X(RESEND, "v1.resend.{key}.", CONTROL, RESEND, "*")                                            \
    X(REQUEST, "v1.request.{key}.", CONTROL, REQUEST, "*")                                         \
    X(REPLY, "v1.reply.{key}.", CONTROL, REPLY, "*")

#define KEEL_TOPIC_ENUM(name, template, class, payload, publisher) KEEL_TOPIC_##name,
typedef enum keel_topic { KEEL_TOPIC_LIST(KEEL_TOPIC_ENUM) KEEL_TOPIC_COUNT } keel_topic;

typedef enum keel_topic_class {
    KEEL_CLASS_STREAM,
    KEEL_CLASS_STATE,
    KEEL_CLASS_RECORD,
    KEEL_CLASS_CONTROL,
    KEEL_CLASS_CALL, /* a question or its answer inside a step: in no mark */
} keel_topic_class;

typedef struct keel_topic_info {
    const char *name; /* "ROW" */
    const char *template_text;
    keel_topic_class topic_class;
    keel_payload payload;
    const char *publisher; /* "*" = any */
} keel_topic_info;

/* What templates are filled from; NULL members are an error only for a template that needs them. */
typedef struct keel_topic_keys {
    const char *bar; /* "1h" */
    const char *universe;
    const char *portfolio;
    const char *key; /* service, requester */
} keel_topic_keys;

const keel_topic_info *keel_topic_describe(keel_topic topic);

/* Fill a template, percent-encoding the keys. KEEL_EINVAL a missing or empty key, KEEL_ETOOBIG. */
KEEL_MUST_CHECK keel_status keel_topic_make(keel_topic topic, const keel_topic_keys *keys,
                                            char out[KEEL_TOPIC_MAX]);

/* The topic whose fixed words match `text`, e.g. "v1.row.1h.main."; KEEL_EUNKNOWN, KEEL_EFORMAT
 * (no final dot, empty key, a byte that is not allowed, too long). */
KEEL_MUST_CHECK keel_status keel_topic_find(const char *text, size_t len, keel_topic *topic);

/* Percent-encode a key ("BRK.B" -> "BRK%2EB"). KEEL_EINVAL empty, KEEL_ETOOBIG. */
KEEL_MUST_CHECK keel_status keel_topic_key(const char *key, char *out, size_t cap);

const char *keel_payload_name(keel_payload type); /* "BAR_ROW"; "" when unknown */
bool keel_payload_is_known(int type);

#endif
