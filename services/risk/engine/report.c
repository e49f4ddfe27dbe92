#include "services/risk/engine/report.h"

#include "services/risk/engine/certificate.h"

#include <math.h>
#include <string.h>

#define TAIL_FRAC      0.05
#define NORMAL_VAR_95  1.6448536269514722
#define NORMAL_CVAR_95 2.0627128075074256

static double variance_of(int n, const double *covariance, const double *weights, double *gradient)
{
    double variance = 0;
    keel_risk_times(n, covariance, weights, gradient);
    for (int i = 0; i < n; i++)
        variance += weights[i] * gradient[i];
    return fmax(0, variance);
}

double keel_risk_volatility(int n, const double *covariance, const double *weights,
                            double *gradient)
{
    return sqrt(variance_of(n, covariance, weights, gradient));
}

static void add(keel_risk_report *report, const char *name, double value,
                const keel_risk_convention *convention)
{
    keel_risk_number *number = &report->numbers[report->numbers_n++];
    memset(number, 0, sizeof *number);
    memcpy(number->name, name, strlen(name) + 1);
    number->value = value;
    number->convention = *convention;
}

void keel_risk_measure(const keel_report_input *in, double *gradient, double *shares,
                       keel_risk_report *report)
{
    keel_risk_convention convention = {
        .method = KEEL_RISK_METHOD_HISTORICAL,
        .horizon_ns = in->bar_ns,
        .samples = in->drawdown_samples,
        .loss_positive = true,
    };
    report->numbers_n = 0;
    report->n = in->n;
    report->component_risk_frac = NULL;
    add(report, "drawdown", in->drawdown_frac, &convention);
    if (in->covariance == NULL)
        return;

    const double variance = variance_of(in->n, in->covariance, in->weights, gradient);
    const double volatility = sqrt(variance);
    convention.samples = (uint32_t)in->basis->rows;
    convention.method = in->basis->estimator == KEEL_ESTIMATOR_EWMA ? KEEL_RISK_METHOD_EWMA
                                                                    : KEEL_RISK_METHOD_HISTORICAL;
    convention.loss_positive = false;
    add(report, "volatility", volatility, &convention);
    convention.method = KEEL_RISK_METHOD_NORMAL;
    convention.tail_frac = TAIL_FRAC;
    convention.loss_positive = true;
    add(report, "var_95", NORMAL_VAR_95 * volatility, &convention);
    add(report, "cvar_95", NORMAL_CVAR_95 * volatility, &convention);
    if (!(variance > 0))
        return;
    for (int i = 0; i < in->n; i++)
        shares[i] = in->weights[i] * gradient[i] / variance;
    report->component_risk_frac = shares;
}
