#include "services/risk/engine/verify.h"

#include "services/risk/engine/certificate.h"

#include <math.h>
#include <string.h>

#define TOLERANCE KEEL_RISK_PRIMAL_TOLERANCE

static bool all_finite(int n, const double *x)
{
    if (x == NULL)
        return false;
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static bool row_is_sound(const keel_constraint *row, int n)
{
    if (row->n < 1 || row->n > n || row->indices == NULL || !all_finite(row->n, row->coefficients))
        return false;
    for (int k = 0; k < row->n; k++)
        if (row->indices[k] <= (k > 0 ? row->indices[k - 1] : -1) || row->indices[k] >= n)
            return false;
    return isfinite(row->multiplier) && row->lo <= row->hi;
}

bool keel_risk_check_shape(const keel_universe *universe, const keel_allocation_proposal *proposal,
                           keel_risk_finding *finding)
{
    const keel_reason_code code = KEEL_REASON_NOT_A_PORTFOLIO;
    const int n = universe->n;
    if (proposal->universe_hash != universe->hash)
        return keel_risk_refuse(finding, code, "universe", 0, 0, "another universe");
    if (proposal->n != n)
        return keel_risk_refuse(finding, code, "weights", proposal->n, n, "wrong number");
    if (!all_finite(n, proposal->weights) || !isfinite(proposal->cash_frac) ||
        !all_finite(n, proposal->lower) || !all_finite(n, proposal->upper) ||
        !all_finite(n, proposal->bound_multipliers))
        return keel_risk_refuse(finding, code, "weights", 0, 0, "a number is missing or infinite");
    if (proposal->constraints_n < 0 || proposal->constraints_n > KEEL_CONSTRAINTS_MAX)
        return keel_risk_refuse(finding, code, "constraints", proposal->constraints_n,
                                KEEL_CONSTRAINTS_MAX, "wrong number");
    for (int c = 0; c < proposal->constraints_n; c++)
        if (!row_is_sound(&proposal->constraints[c], n))
            return keel_risk_refuse(finding, code, proposal->constraints[c].name, 0, 0,
                                    "a constraint makes no row");
    if (proposal->inputs_n < 0 || proposal->inputs_n > KEEL_INPUTS_MAX)
        return keel_risk_refuse(finding, code, "inputs", proposal->inputs_n, KEEL_INPUTS_MAX,
                                "wrong number");
    return true;
}

static const keel_risk_input *find_input(const keel_risk_evidence *evidence,
                                         const keel_input_ref *ref)
{
    for (int i = 0; i < evidence->inputs_n; i++) {
        const keel_risk_input *input = &evidence->inputs[i];
        if (input->ref.step != 0 && input->ref.step == ref->step &&
            strcmp(input->ref.topic, ref->topic) == 0)
            return input;
    }
    return NULL;
}

static bool check_input(const keel_risk_evidence *evidence, const keel_input_ref *ref,
                        const double **covariance, keel_risk_finding *finding)
{
    const double named = (double)ref->step;
    const double now = (double)evidence->step;
    const keel_risk_input *input = find_input(evidence, ref);
    /* a name, not a topic: topics are longer than names; the template's first words suffice */
    char name[KEEL_NAME_MAX];
    memcpy(name, ref->topic, sizeof name - 1);
    name[sizeof name - 1] = '\0';

    if (ref->step <= evidence->step &&
        evidence->step - ref->step >
            (uint64_t)(input != NULL ? evidence->max_input_age : KEEL_RISK_INPUT_STEPS - 1))
        return keel_risk_refuse(finding, KEEL_REASON_STALE_INPUT, name, named,
                                now - evidence->max_input_age, "the step of an input is too old");
    if (input == NULL)
        return keel_risk_refuse(finding, KEEL_REASON_UNKNOWN_INPUT, name, named, now,
                                "risk has not seen this input at this step");
    if (input->ref.payload_hash != ref->payload_hash)
        return keel_risk_refuse(finding, KEEL_REASON_INPUT_HASH_MISMATCH, name, named, named,
                                "risk has seen other bytes at this step");
    if (*covariance == NULL)
        *covariance = input->covariance;
    return true;
}

bool keel_risk_check_inputs(const keel_risk_evidence *evidence, int n, const keel_input_ref *refs,
                            const double **covariance, keel_risk_finding *finding)
{
    const double *first = NULL;
    for (int i = 0; i < n; i++)
        if (!check_input(evidence, &refs[i], &first, finding))
            return false;
    if (covariance != NULL)
        *covariance = first;
    return true;
}

static bool is_portfolio(const keel_risk_evidence *evidence, const keel_allocation_proposal *p,
                         keel_risk_finding *finding)
{
    const keel_instrument *instruments = evidence->universe->instruments;
    double sum = p->cash_frac;
    for (int i = 0; i < p->n; i++) {
        const double w = p->weights[i];
        if (w < -TOLERANCE)
            return keel_risk_refuse(finding, KEEL_REASON_NOT_A_PORTFOLIO, instruments[i].symbol, w,
                                    0, "a weight is negative");
        if (w > TOLERANCE && evidence->price_units[i] == 0)
            return keel_risk_refuse(finding, KEEL_REASON_NO_BAR, instruments[i].symbol, w, 0,
                                    "a weight on an instrument without a price");
        sum += w;
    }
    if (fabs(sum - 1) > TOLERANCE)
        return keel_risk_refuse(finding, KEEL_REASON_NOT_A_PORTFOLIO, "sum", sum, 1,
                                "weights and cash do not add up to one");
    return true;
}

static bool is_small(double residual)
{
    return residual >= 0 && residual <= KEEL_RISK_DUAL_TOLERANCE;
}

static bool kind_fits(const keel_allocation_proposal *p, const double *covariance,
                      keel_risk_finding *finding)
{
    const keel_certificate *claim = &p->certificate;
    const bool solved = p->method == KEEL_METHOD_MIN_VARIANCE;
    const bool simple = p->method == KEEL_METHOD_EQUAL_WEIGHT || p->method == KEEL_METHOD_STATIC ||
                        p->method == KEEL_METHOD_INVERSE_VOLATILITY;
    const keel_certificate_kind kind =
        solved ? KEEL_CERTIFICATE_OPTIMAL : KEEL_CERTIFICATE_FEASIBLE;
    if ((!solved && !simple) || claim->kind != kind || claim->outcome != KEEL_OUTCOME_SOLVED)
        return keel_risk_refuse(finding, KEEL_REASON_CERTIFICATE_KIND, keel_method_name(p->method),
                                (double)claim->kind, (double)kind,
                                "this method needs another certificate, kind");
    if (solved && (!is_small(claim->primal_residual) || !is_small(claim->dual_residual) ||
                   !is_small(claim->gap)))
        return keel_risk_refuse(finding, KEEL_REASON_CERTIFICATE_KIND, "residual",
                                claim->dual_residual, KEEL_RISK_DUAL_TOLERANCE,
                                "the certificate itself says that the answer is not optimal");
    if (solved && covariance == NULL)
        return keel_risk_refuse(finding, KEEL_REASON_UNKNOWN_INPUT, "covariance", 0, 0,
                                "no covariance is named");
    return true;
}

/* Worst of value above hi or below lo; negative inside. */
static double violation(double value, double lo, double hi)
{
    return fmax(value - hi, lo - value);
}

static bool constraints_hold(const keel_universe *universe, const keel_allocation_proposal *p,
                             keel_risk_finding *finding)
{
    const keel_reason_code code = KEEL_REASON_CONSTRAINT_VIOLATED;
    double worst = 0;
    for (int i = 0; i < p->n; i++) {
        const double w = p->weights[i];
        const double by = violation(w, p->lower[i], p->upper[i]);
        if (by > TOLERANCE)
            return keel_risk_refuse(finding, code, universe->instruments[i].symbol, w,
                                    w > p->upper[i] ? p->upper[i] : p->lower[i],
                                    "a weight is outside its bounds");
        worst = fmax(worst, by);
    }
    for (int c = 0; c < p->constraints_n; c++) {
        const keel_constraint *row = &p->constraints[c];
        double value = 0;
        for (int k = 0; k < row->n; k++)
            value += row->coefficients[k] * p->weights[row->indices[k]];
        const double by = violation(value, row->lo, row->hi);
        if (!(by <= TOLERANCE))
            return keel_risk_refuse(finding, code, row->name, value,
                                    value > row->hi ? row->hi : row->lo,
                                    "a named constraint does not hold");
        worst = fmax(worst, by);
    }
    finding->certificate.primal_residual = worst;
    return true;
}

bool keel_risk_verify(const keel_risk_evidence *evidence, const keel_allocation_proposal *proposal,
                      keel_risk_finding *finding)
{
    const keel_universe *universe = evidence->universe;
    const double *covariance;

    memset(finding, 0, sizeof *finding);
    if (!keel_risk_check_shape(universe, proposal, finding))
        return false;
    if (proposal->inputs_n == 0)
        return keel_risk_refuse(finding, KEEL_REASON_UNKNOWN_INPUT, "inputs", 0, 1,
                                "no input is named");
    if (!keel_risk_check_inputs(evidence, proposal->inputs_n, proposal->inputs, &covariance,
                                finding) ||
        !is_portfolio(evidence, proposal, finding) || !kind_fits(proposal, covariance, finding) ||
        !keel_risk_limits_hold(evidence->limits, universe, proposal, finding) ||
        !keel_risk_limits_present(evidence->limits, universe, proposal, finding) ||
        !constraints_hold(universe, proposal, finding))
        return false;
    finding->covariance = covariance;
    finding->certificate.kind = proposal->certificate.kind;
    finding->certificate.outcome = KEEL_OUTCOME_SOLVED;
    finding->certificate.iterations = proposal->certificate.iterations;
    if (finding->certificate.kind == KEEL_CERTIFICATE_OPTIMAL &&
        !keel_risk_is_optimal(universe, proposal, covariance, evidence->scratch, finding))
        return false;
    keel_reason_set(&finding->reason, KEEL_REASON_VERIFIED,
                    "recomputed: primal %.1e, dual %.1e, gap %.1e",
                    finding->certificate.primal_residual, finding->certificate.dual_residual,
                    finding->certificate.gap);
    return true;
}
