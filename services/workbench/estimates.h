/* estimates.h - mean and covariance of bars, by the name of an estimator.
 *
 * ROOM     services/workbench.
 * MODEL    sample   mean 1/T sum r_t; covariance 1/(T-1) sum (r_t - m)(r_t - m)'
 * MEMORY   scratch of the size of the returns, for the call.
 * THREADS  any, after keel_la_init.
 */
#ifndef KEEL_SERVICES_WORKBENCH_ESTIMATES_H
#define KEEL_SERVICES_WORKBENCH_ESTIMATES_H

#include "services/workbench/bars.h"

/* mean[n] of the bars. KEEL_EUNKNOWN with *err: no estimator of this name, and the nearest. */
KEEL_MUST_CHECK keel_status keel_estimate_mean(const char *name, const keel_bars *bars,
                                               double *mean, keel_err *err);

/* covariance: packed, n(n+1)/2. KEEL_EUNKNOWN as above. Cost n^2 T. */
KEEL_MUST_CHECK keel_status keel_estimate_covariance(const char *name, const keel_bars *bars,
                                                     double *covariance, keel_err *err);

#endif
