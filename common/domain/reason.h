/* reason.h - the closed list of reasons, as engines know it.
 *
 * ROOM     common/domain. Names and numbers equal keel.v1.ReasonCode; tests/unit/wire compares
 *          the two lists, so that neither grows alone.
 */
#ifndef KEEL_COMMON_DOMAIN_REASON_H
#define KEEL_COMMON_DOMAIN_REASON_H

enum { KEEL_REASON_TEXT_MAX = 241 };

#define KEEL_REASON_LIST(X)                                                                        \
    X(UNSPECIFIED, 0)                                                                              \
    X(FIRST_ALLOCATION, 1)                                                                         \
    X(SCHEDULE_DUE, 2)                                                                             \
    X(DRIFT_ABOVE_THRESHOLD, 3)                                                                    \
    X(WITHIN_THRESHOLD, 4)                                                                         \
    X(WARMING_UP, 5)                                                                               \
    X(DECIDE_ONLY, 6)                                                                              \
    X(NOT_TRADING, 7)                                                                              \
    X(RE_ARMED, 8)                                                                                 \
    X(PERFORMANCE_DEGRADED, 9)                                                                     \
    X(RISK_LIMIT, 10)                                                                              \
    X(VOLATILITY_CHANGED, 11)                                                                      \
    X(REGIME_CHANGED, 12)                                                                          \
    X(REQUESTED, 13)                                                                               \
    X(INFEASIBLE, 14)                                                                              \
    X(SOLVER_FAILED, 15)                                                                           \
    X(SINGULAR, 16)                                                                                \
    X(VERIFIED, 30)                                                                                \
    X(UNKNOWN_INPUT, 31)                                                                           \
    X(STALE_INPUT, 32)                                                                             \
    X(INPUT_HASH_MISMATCH, 33)                                                                     \
    X(STATIONARITY_VIOLATED, 34)                                                                   \
    X(MULTIPLIER_SIGN, 35)                                                                         \
    X(COMPLEMENTARITY, 36)                                                                         \
    X(CONSTRAINT_VIOLATED, 37)                                                                     \
    X(GAP_TOO_LARGE, 38)                                                                           \
    X(MISSING_CONSTRAINT, 39)                                                                      \
    X(NOT_A_PORTFOLIO, 40)                                                                         \
    X(CERTIFICATE_KIND, 41)                                                                        \
    X(MAX_POSITIONS, 60)                                                                           \
    X(MAX_WEIGHT, 61)                                                                              \
    X(CASH_FLOOR, 62)                                                                              \
    X(DRAWDOWN_LIMIT, 63)                                                                          \
    X(OPERATOR_HALT, 64)                                                                           \
    X(OPERATOR_RESUME, 65)                                                                         \
    X(TIMED_RE_ARM, 66)                                                                            \
    X(STATE_UNKNOWN, 67)                                                                           \
    X(SCALED, 68)                                                                                  \
    X(VOLATILITY_LIMIT, 69)                                                                        \
    X(VAR_LIMIT, 70)                                                                               \
    X(CORRELATION_LIMIT, 71)                                                                       \
    X(BUDGET_EXHAUSTED, 72)                                                                        \
    X(HEARTBEAT_LOST, 73)                                                                          \
    X(FREE_CASH, 74)                                                                               \
    X(SHARES_ABOVE_ONE, 75)                                                                        \
    X(ACCEPTED, 100)                                                                               \
    X(MALFORMED, 101)                                                                              \
    X(EPOCH_SUPERSEDED, 102)                                                                       \
    X(EXPIRED, 103)                                                                                \
    X(DUPLICATE, 104)                                                                              \
    X(UNKNOWN_STRATEGY, 105)                                                                       \
    X(UNKNOWN_SYMBOL, 106)                                                                         \
    X(ENTRY_TOO_FAR, 107)                                                                          \
    X(STOP_WRONG_SIDE, 108)                                                                        \
    X(TARGET_WRONG_SIDE, 109)                                                                      \
    X(CONFLICT, 110)                                                                               \
    X(REFUSED_RISK_UNAVAILABLE, 111)                                                               \
    X(STRATEGY_INACTIVE, 112)                                                                      \
    X(FROM_THE_FUTURE, 113)                                                                        \
    X(CONFIDENCE_RANGE, 114)                                                                       \
    X(NONFINITE, 115)                                                                              \
    X(REBALANCE, 140)                                                                              \
    X(DECISION, 141)                                                                               \
    X(TRIGGER, 142)                                                                                \
    X(PORTFOLIO_STOP, 143)                                                                         \
    X(BELOW_MIN_NOTIONAL, 144)                                                                     \
    X(BELOW_LOT, 145)                                                                              \
    X(OUTSIDE_BOX, 146)                                                                            \
    X(NO_BAR, 147)                                                                                 \
    X(SUPERSEDED, 148)                                                                             \
    X(NETTED, 149)

#define KEEL_REASON_ENUM(name, number) KEEL_REASON_##name = number,
typedef enum keel_reason_code { KEEL_REASON_LIST(KEEL_REASON_ENUM) } keel_reason_code;

typedef struct keel_reason {
    keel_reason_code code;
    char text[KEEL_REASON_TEXT_MAX]; /* one sentence */
} keel_reason;

/* "DRIFT_ABOVE_THRESHOLD"; "" for a number outside the list. */
const char *keel_reason_name(keel_reason_code code);

/* True for every code of the list but UNSPECIFIED. */
int keel_reason_is_known(int code);

/* Fill *reason; the text is cut at KEEL_REASON_TEXT_MAX - 1 bytes. */
void keel_reason_set(keel_reason *reason, keel_reason_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
