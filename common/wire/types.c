#include "common/wire/wire_internal.h"

bool wire_reason_known(int value)
{
    return keel_reason_is_known(value) != 0;
}

bool wire_method_known(int value)
{
    return keel_method_name((keel_method)value)[0] != '\0';
}

static bool reason_absent(const void *plain)
{
    const keel_reason *reason = plain;
    return reason->code == KEEL_REASON_UNSPECIFIED && reason->text[0] == '\0';
}

static const wire_field reason_rows[] = {
    WIRE_ROW_ENUM(keel_reason, Reason, code, INT32_MAX, wire_reason_known, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_reason, Reason, text, WIRE_ANY, WIRE_OPTIONAL),
};
const wire_type wire_reason = WIRE_MESSAGE_WITH(keel_reason, keel__v1__reason__descriptor,
                                                reason_rows, .absent = reason_absent);

static bool certificate_absent(const void *plain)
{
    const keel_certificate *c = plain;
    return c->kind == KEEL_CERTIFICATE_UNSPECIFIED && c->outcome == KEEL_OUTCOME_UNSPECIFIED &&
           c->iterations == 0 && c->primal_residual == 0.0 && c->dual_residual == 0.0 &&
           c->gap == 0.0 && c->parent[0] == '\0'; /* exact: nothing was computed */
}

static const wire_field certificate_rows[] = {
    WIRE_ROW_ENUM(keel_certificate, Certificate, kind, KEEL_CERTIFICATE_FEASIBLE, NULL,
                  WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_certificate, Certificate, outcome, KEEL_OUTCOME_TOO_FEW_ROWS, NULL,
                  WIRE_REQUIRED),
    WIRE_ROW_INT(keel_certificate, Certificate, iterations, INT32_MAX),
    WIRE_ROW_REAL(keel_certificate, Certificate, primal_residual, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_certificate, Certificate, dual_residual, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_certificate, Certificate, gap, WIRE_NOT_NEG),
    WIRE_ROW_TEXT(keel_certificate, Certificate, parent, WIRE_ANY, WIRE_OPTIONAL),
};
const wire_type wire_certificate =
    WIRE_MESSAGE_WITH(keel_certificate, keel__v1__certificate__descriptor, certificate_rows,
                      .absent = certificate_absent);

static keel_status check_constraint(const void *plain)
{
    const keel_constraint *constraint = plain;
    return constraint->lo > constraint->hi ? KEEL_EINVAL : KEEL_OK;
}

static const wire_field constraint_rows[] = {
    WIRE_ROW_TEXT(keel_constraint, Constraint, name, WIRE_ANY, WIRE_REQUIRED),
    WIRE_ROW_INDICES(keel_constraint, Constraint, indices, n),
    WIRE_ROW_REALS(keel_constraint, Constraint, coefficients, WIRE_ANY, WIRE_COUNTED_SAME),
    WIRE_ROW_REAL(keel_constraint, Constraint, lo, WIRE_ANY),
    WIRE_ROW_REAL(keel_constraint, Constraint, hi, WIRE_ANY),
    WIRE_ROW_REAL(keel_constraint, Constraint, multiplier, WIRE_ANY),
};
const wire_type wire_constraint = WIRE_MESSAGE_WITH(
    keel_constraint, keel__v1__constraint__descriptor, constraint_rows, .check = check_constraint);

static const wire_field input_ref_rows[] = {
    WIRE_ROW_TEXT(keel_input_ref, InputRef, topic, WIRE_TOPIC, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_input_ref, InputRef, step, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_input_ref, InputRef, payload_hash, WIRE_OPTIONAL),
};
const wire_type wire_input_ref =
    WIRE_MESSAGE(keel_input_ref, keel__v1__input_ref__descriptor, input_ref_rows);

static bool convention_absent(const void *plain)
{
    const keel_risk_convention *c = plain;
    return c->method == KEEL_RISK_METHOD_UNSPECIFIED && c->horizon_ns == 0 && c->tail_frac == 0.0 &&
           c->samples == 0 && !c->loss_positive; /* exact: zeroed, not computed */
}

static const wire_field risk_convention_rows[] = {
    WIRE_ROW_ENUM(keel_risk_convention, RiskConvention, method, KEEL_RISK_METHOD_EWMA, NULL,
                  WIRE_REQUIRED),
    WIRE_ROW_I64(keel_risk_convention, RiskConvention, horizon_ns, 0),
    WIRE_ROW_REAL(keel_risk_convention, RiskConvention, tail_frac, WIRE_FRACTION),
    WIRE_ROW_U32(keel_risk_convention, RiskConvention, samples, WIRE_OPTIONAL),
    WIRE_ROW_FLAG(keel_risk_convention, RiskConvention, loss_positive),
};
const wire_type wire_risk_convention =
    WIRE_MESSAGE_WITH(keel_risk_convention, keel__v1__risk_convention__descriptor,
                      risk_convention_rows, .absent = convention_absent);

static bool message_id_absent(const void *plain)
{
    const keel_message_id *id = plain;
    return id->source[0] == '\0' && id->epoch_ns == 0 && id->seq == 0;
}

static const wire_field message_id_rows[] = {
    WIRE_ROW_TEXT(keel_message_id, MessageId, source, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_message_id, MessageId, epoch_ns, 1),
    WIRE_ROW_U64(keel_message_id, MessageId, seq, WIRE_REQUIRED),
};
const wire_type wire_message_id =
    WIRE_MESSAGE_WITH(keel_message_id, keel__v1__message_id__descriptor, message_id_rows,
                      .absent = message_id_absent);

static const wire_field sizing_rule_rows[] = {
    WIRE_ROW_ENUM(keel_sizing_rule, SizingRule, code, INT32_MAX, wire_reason_known, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_sizing_rule, SizingRule, name, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_REAL(keel_sizing_rule, SizingRule, value, WIRE_ANY),
    WIRE_ROW_I64(keel_sizing_rule, SizingRule, qty_units, 0),
    WIRE_ROW_FLAG(keel_sizing_rule, SizingRule, bound),
};
const wire_type wire_sizing_rule =
    WIRE_MESSAGE(keel_sizing_rule, keel__v1__sizing_rule__descriptor, sizing_rule_rows);
