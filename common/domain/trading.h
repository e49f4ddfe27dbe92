/* trading.h - trading state, latches, risk numbers.
 *
 * ROOM     common/domain. Unknown mode counts as HALTED wherever it is read.
 */
#ifndef KEEL_COMMON_DOMAIN_TRADING_H
#define KEEL_COMMON_DOMAIN_TRADING_H

#include "common/domain/reason.h"
#include "common/domain/universe.h"

#include <stdint.h>

enum { KEEL_LATCHES_MAX = 16, KEEL_TAKEN_MAX = 16, KEEL_RISK_NUMBERS_MAX = 32 };

typedef enum keel_trading_mode {
    KEEL_TRADING_UNSPECIFIED,
    KEEL_TRADING_ACTIVE,
    KEEL_TRADING_REDUCING,
    KEEL_TRADING_HALTED,
} keel_trading_mode;

const char *keel_trading_mode_name(keel_trading_mode mode); /* "ACTIVE"; "UNKNOWN" outside */

typedef struct keel_latch {
    keel_reason_code code;
    char name[KEEL_NAME_MAX]; /* configuration key of the limit */
    double value;
    double limit;
    int64_t since_ns;
    int64_t re_arm_ns; /* 0 = an operator must */
} keel_latch;

/* What a halt or resume is about: the strategy and the asset that it names, else the whole
 * portfolio. */
typedef struct keel_taken_request {
    char request_id[96];
    char kind[16]; /* "halt" or "resume" */
    char reason[KEEL_REASON_TEXT_MAX];
    char operator_name[KEEL_NAME_MAX];
    char strategy[KEEL_NAME_MAX];
    char asset[KEEL_SYMBOL_MAX];
} keel_taken_request;

/* The mode of one strategy or asset, listed when it is not ACTIVE. */
typedef struct keel_scoped_mode {
    char name[KEEL_NAME_MAX];
    keel_trading_mode mode;
    keel_reason reason;
} keel_scoped_mode;

typedef struct keel_trading_state {
    char portfolio[KEEL_NAME_MAX];
    keel_trading_mode mode;
    keel_reason reason;
    int latches_n;
    keel_latch latches[KEEL_LATCHES_MAX];
    int64_t peak_equity_micros;
    int64_t equity_micros;
    double drawdown_frac;
    int requests_n;
    keel_taken_request requests[KEEL_TAKEN_MAX];
    bool changed;
    uint32_t stops;
    int strategies_n;
    const keel_scoped_mode *strategies; /* ascending name */
    int assets_n;
    const keel_scoped_mode *assets; /* ascending name */
} keel_trading_state;

/* The mode that holds for (strategy, asset): the strictest of the portfolio's and theirs. Either
 * name may be NULL. */
keel_trading_mode keel_trading_mode_of(const keel_trading_state *state, const char *strategy,
                                       const char *asset);

typedef enum keel_risk_method {
    KEEL_RISK_METHOD_UNSPECIFIED,
    KEEL_RISK_METHOD_HISTORICAL,
    KEEL_RISK_METHOD_NORMAL,
    KEEL_RISK_METHOD_CORNISH_FISHER,
    KEEL_RISK_METHOD_EWMA,
} keel_risk_method;

typedef struct keel_risk_convention {
    keel_risk_method method;
    int64_t horizon_ns;
    double tail_frac; /* 0 = not a tail measure */
    uint32_t samples;
    bool loss_positive;
} keel_risk_convention;

typedef struct keel_risk_number {
    char name[KEEL_NAME_MAX];
    double value;
    keel_risk_convention convention;
} keel_risk_number;

typedef struct keel_risk_report {
    char portfolio[KEEL_NAME_MAX];
    int numbers_n;
    keel_risk_number numbers[KEEL_RISK_NUMBERS_MAX];
    int n;
    const double *component_risk_frac; /* n; sums to 1, or NULL while nothing is held */
} keel_risk_report;

typedef struct keel_limit_breach {
    char portfolio[KEEL_NAME_MAX];
    keel_latch latch;
    keel_reason reason;
} keel_limit_breach;

#endif
