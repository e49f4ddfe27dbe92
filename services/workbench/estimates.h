/* estimates.h - mean and covariance of bars, by the name of an estimator.
 *
 * ROOM     services/workbench. Estimators: common/num/stats/covariance.h and expected.h.
 * THREADS  any, after keel_la_init.
 */
#ifndef KEEL_SERVICES_WORKBENCH_ESTIMATES_H
#define KEEL_SERVICES_WORKBENCH_ESTIMATES_H

#include "services/workbench/bars.h"

/* mean[n] of the bars; "sample" is "mean", the arithmetic one; risk_free is of capm. Refused with
 * *err: KEEL_EUNKNOWN no estimator of this name, and the nearest; else what the estimator says of
 * the bars. */
KEEL_MUST_CHECK keel_status keel_estimate_mean(const char *name, const keel_bars *bars,
                                               double risk_free, double *mean, keel_err *err);

/* covariance: packed, n(n+1)/2. As above. */
KEEL_MUST_CHECK keel_status keel_estimate_covariance(const char *name, const keel_bars *bars,
                                                     double *covariance, keel_err *err);

#endif
