/* report.h - how much the portfolio as held can lose in one bar.
 *
 * ROOM     services/risk/engine: pure.
 * MODEL    w = worth of all books per instrument over account equity, S = covariance per bar
 *          volatility = sqrt(w'Sw)                                             (RM01)
 *          share of risk of i = w_i (S w)_i / w'Sw, summing to 1
 *          VaR  95 % = z volatility,             z = 1.6448536269514722        (RM02)
 *          CVaR 95 % = phi(z) / 0.05 volatility = 2.0627128075074256 volatility (RM03)
 *          normal, zero mean, one bar, a loss is a positive number (T7: method, horizon, tail,
 *          sign and samples travel with each number).
 *          Source: McNeil, Frey and Embrechts, Quantitative Risk Management (2005), section 2.2.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_REPORT_H
#define KEEL_SERVICES_RISK_ENGINE_REPORT_H

#include "common/domain/estimate.h"
#include "common/domain/trading.h"

typedef struct keel_report_input {
    int n;
    const double *weights;    /* n, of account equity */
    const double *covariance; /* packed; NULL = none yet: only the drawdown is reported */
    const keel_basis *basis;
    int64_t bar_ns;
    double drawdown_frac;
    uint32_t drawdown_samples;
} keel_report_input;

/* Fill numbers_n, numbers, n and component_risk_frac (points into shares[n]; NULL while nothing is
 * held) of *report. gradient[n] is scratch. Cost: n^2. */
void keel_risk_measure(const keel_report_input *in, double *gradient, double *shares,
                       keel_risk_report *report);

/* sqrt(w'Sw); gradient[n] receives S w. */
double keel_risk_volatility(int n, const double *covariance, const double *weights,
                            double *gradient);

#endif
