#include "common/wire/wire_internal.h"

#include <math.h>
#include <string.h>

static const wire_field latch_rows[] = {
    WIRE_ROW_ENUM(keel_latch, Latch, code, INT32_MAX, wire_reason_known, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_latch, Latch, name, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_latch, Latch, value, WIRE_ANY),
    WIRE_ROW_REAL(keel_latch, Latch, limit, WIRE_ANY),
    WIRE_ROW_I64(keel_latch, Latch, since_ns, INT64_MIN),
    WIRE_ROW_I64(keel_latch, Latch, re_arm_ns, INT64_MIN),
};
static const wire_type latch = WIRE_MESSAGE(keel_latch, keel__v1__latch__descriptor, latch_rows);

/* ---- trading state ---- */

static keel_status check_taken(const void *plain)
{
    const keel_taken_request *taken = plain;
    const bool known = strcmp(taken->kind, keel_ask_name(KEEL_ASK_HALT)) == 0 ||
                       strcmp(taken->kind, keel_ask_name(KEEL_ASK_RESUME)) == 0;
    return known ? KEEL_OK : KEEL_EUNKNOWN;
}

static const wire_field taken_rows[] = {
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, request_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, kind, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, reason, WIRE_ANY, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, operator_name, WIRE_ANY, WIRE_OPTIONAL),
};
static const wire_type taken = WIRE_MESSAGE_WITH(
    keel_taken_request, keel__v1__taken_request__descriptor, taken_rows, .check = check_taken);

static const wire_field trading_state_rows[] = {
    WIRE_ROW_TEXT(keel_trading_state, TradingState, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_trading_state, TradingState, mode, KEEL_TRADING_HALTED, NULL, WIRE_REQUIRED),
    /* ACTIVE since the start needs no reason */
    WIRE_ROW_PART(keel_trading_state, TradingState, reason, wire_reason, WIRE_OPTIONAL),
    WIRE_ROW_LIST(keel_trading_state, TradingState, latches, latches_n, latch, 0),
    WIRE_ROW_I64(keel_trading_state, TradingState, peak_equity_micros, INT64_MIN),
    WIRE_ROW_I64(keel_trading_state, TradingState, equity_micros, INT64_MIN),
    WIRE_ROW_REAL(keel_trading_state, TradingState, drawdown_frac, WIRE_NOT_NEG),
    WIRE_ROW_LIST(keel_trading_state, TradingState, requests, requests_n, taken, 0),
    WIRE_ROW_FLAG(keel_trading_state, TradingState, changed),
    WIRE_ROW_U32(keel_trading_state, TradingState, stops, WIRE_OPTIONAL),
};
const wire_type wire_trading_state =
    WIRE_MESSAGE(keel_trading_state, keel__v1__trading_state__descriptor, trading_state_rows);
WIRE_DEFINE(trading_state, keel_trading_state)

/* ---- report and breach ---- */

/* Rounding of a sum of 512 shares, some of them negative. */
#define RISK_SHARES_SLACK 1e-6

static const wire_field risk_number_rows[] = {
    WIRE_ROW_TEXT(keel_risk_number, RiskNumber, name, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_risk_number, RiskNumber, value, WIRE_ANY),
    WIRE_ROW_PART(keel_risk_number, RiskNumber, convention, wire_risk_convention, WIRE_REQUIRED),
};
static const wire_type risk_number =
    WIRE_MESSAGE(keel_risk_number, keel__v1__risk_number__descriptor, risk_number_rows);

static keel_status check_risk_report(const void *plain)
{
    const keel_risk_report *report = plain;
    double sum = 0.0;
    if (report->component_risk_frac == NULL)
        return KEEL_OK;
    for (int i = 0; i < report->n; i++)
        sum += report->component_risk_frac[i];
    return fabs(sum - 1.0) > RISK_SHARES_SLACK ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field risk_report_rows[] = {
    WIRE_ROW_TEXT(keel_risk_report, RiskReport, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_risk_report, RiskReport, numbers, numbers_n, risk_number, 0),
    WIRE_ROW_ARRAY(keel_risk_report, RiskReport, component_risk_frac, n, WIRE_REALS, double,
                   WIRE_ANY, WIRE_OPTIONAL, 0, KEEL_UNIVERSE_MAX),
};
const wire_type wire_risk_report =
    WIRE_MESSAGE_WITH(keel_risk_report, keel__v1__risk_report__descriptor, risk_report_rows,
                      .check = check_risk_report);
WIRE_DEFINE(risk_report, keel_risk_report)

static const wire_field limit_breach_rows[] = {
    WIRE_ROW_TEXT(keel_limit_breach, LimitBreach, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_PART(keel_limit_breach, LimitBreach, latch, latch, WIRE_REQUIRED),
    WIRE_ROW_PART(keel_limit_breach, LimitBreach, reason, wire_reason, WIRE_REQUIRED),
};
const wire_type wire_limit_breach =
    WIRE_MESSAGE(keel_limit_breach, keel__v1__limit_breach__descriptor, limit_breach_rows);
WIRE_DEFINE(limit_breach, keel_limit_breach)
