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
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, strategy, WIRE_NAME, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_taken_request, TakenRequest, asset, WIRE_NAME, WIRE_OPTIONAL),
};
static const wire_type taken = WIRE_MESSAGE_WITH(
    keel_taken_request, keel__v1__taken_request__descriptor, taken_rows, .check = check_taken);

static const wire_field scoped_mode_rows[] = {
    WIRE_ROW_TEXT(keel_scoped_mode, ScopedMode, name, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_scoped_mode, ScopedMode, mode, KEEL_TRADING_HALTED, NULL, WIRE_REQUIRED),
    WIRE_ROW_PART(keel_scoped_mode, ScopedMode, reason, wire_reason, WIRE_REQUIRED),
};
static const wire_type scoped_mode =
    WIRE_MESSAGE(keel_scoped_mode, keel__v1__scoped_mode__descriptor, scoped_mode_rows);

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
    WIRE_ROW_LIST_POINTER(keel_trading_state, TradingState, strategies, strategies_n, scoped_mode,
                          0, KEEL_STRATEGIES_MAX),
    WIRE_ROW_LIST_POINTER(keel_trading_state, TradingState, assets, assets_n, scoped_mode, 0,
                          KEEL_UNIVERSE_MAX),
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

/* ---- questions of the coordinator, and answers ---- */

static keel_status check_risk_check(const void *plain)
{
    const keel_risk_check *check = plain;
    return check->entry_units <= 0 || check->stop_units < 0 || check->target_units < 0 ? KEEL_ERANGE
                                                                                       : KEEL_OK;
}

static const wire_field risk_check_rows[] = {
    WIRE_ROW_TEXT(keel_risk_check, RiskCheck, signal_id, WIRE_VISIBLE, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_risk_check, RiskCheck, strategy, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_risk_check, RiskCheck),
    WIRE_ROW_ENUM(keel_risk_check, RiskCheck, side, KEEL_SIDE_FLAT, NULL, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_risk_check, RiskCheck, entry_units, 0),
    WIRE_ROW_I64(keel_risk_check, RiskCheck, stop_units, 0),
    WIRE_ROW_I64(keel_risk_check, RiskCheck, target_units, 0),
    WIRE_ROW_REAL(keel_risk_check, RiskCheck, confidence_frac, WIRE_FRACTION),
};
static const wire_type risk_check = WIRE_MESSAGE_WITH(
    keel_risk_check, keel__v1__risk_check__descriptor, risk_check_rows, .check = check_risk_check);

static keel_status check_standing(const void *plain)
{
    const keel_standing *standing = plain;
    return standing->entry_units <= 0 || standing->stop_units < 0 ? KEEL_ERANGE : KEEL_OK;
}

static const wire_field standing_rows[] = {
    WIRE_ROW_TEXT(keel_standing, StandingIntent, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_standing, StandingIntent),
    WIRE_ROW_I64(keel_standing, StandingIntent, target_qty_units, INT64_MIN),
    WIRE_ROW_U64(keel_standing, StandingIntent, version, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_standing, StandingIntent, entry_units, 0),
    WIRE_ROW_I64(keel_standing, StandingIntent, stop_units, 0),
};
static const wire_type standing = WIRE_MESSAGE_WITH(
    keel_standing, keel__v1__standing_intent__descriptor, standing_rows, .check = check_standing);

static keel_status check_risk_check_request(const void *plain)
{
    const keel_risk_check_request *request = plain;
    for (int i = 1; i < request->standing_n; i++) {
        const keel_standing *a = &request->standing[i - 1], *b = &request->standing[i];
        const int order = strcmp(a->book, b->book);
        if (order > 0 || (order == 0 && a->instrument >= b->instrument))
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

static const wire_field risk_check_request_rows[] = {
    WIRE_ROW_TEXT(keel_risk_check_request, RiskCheckRequest, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_risk_check_request, RiskCheckRequest, decision_seq, WIRE_OPTIONAL),
    WIRE_ROW_LIST_POINTER(keel_risk_check_request, RiskCheckRequest, checks, checks_n, risk_check,
                          1, KEEL_CHECKS_MAX),
    WIRE_ROW_LIST_POINTER(keel_risk_check_request, RiskCheckRequest, standing, standing_n, standing,
                          0, KEEL_STANDING_MAX),
};
const wire_type wire_risk_check_request =
    WIRE_MESSAGE_WITH(keel_risk_check_request, keel__v1__risk_check_request__descriptor,
                      risk_check_request_rows, .check = check_risk_check_request);
WIRE_DEFINE(risk_check_request, keel_risk_check_request)

static keel_status check_risk_answer(const void *plain)
{
    const keel_risk_answer *answer = plain;
    const bool accepted = answer->reason.code == KEEL_REASON_ACCEPTED;
    if (accepted != answer->accepted)
        return KEEL_EINVAL;
    return !accepted && answer->qty_units != 0 ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field risk_answer_rows[] = {
    WIRE_ROW_TEXT(keel_risk_answer, RiskAnswer, signal_id, WIRE_VISIBLE, WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_risk_answer, RiskAnswer, accepted),
    WIRE_ROW_I64(keel_risk_answer, RiskAnswer, qty_units, INT64_MIN),
    WIRE_ROW_PART(keel_risk_answer, RiskAnswer, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_risk_answer, RiskAnswer, rules, rules_n, wire_sizing_rule, 0),
};
static const wire_type risk_answer =
    WIRE_MESSAGE_WITH(keel_risk_answer, keel__v1__risk_answer__descriptor, risk_answer_rows,
                      .check = check_risk_answer);

static const wire_field risk_verdict_rows[] = {
    WIRE_ROW_TEXT(keel_risk_verdict, RiskVerdict, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_risk_verdict, RiskVerdict, answers, answers_n, risk_answer, 1,
                          KEEL_CHECKS_MAX),
    WIRE_ROW_U64(keel_risk_verdict, RiskVerdict, request_step, WIRE_REQUIRED),
    WIRE_ROW_U32(keel_risk_verdict, RiskVerdict, request_index, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_risk_verdict, RiskVerdict, request_hash, WIRE_OPTIONAL),
};
const wire_type wire_risk_verdict =
    WIRE_MESSAGE(keel_risk_verdict, keel__v1__risk_verdict__descriptor, risk_verdict_rows);
WIRE_DEFINE(risk_verdict, keel_risk_verdict)
