/* moments.h - mean, variance, correlation and effective counts of plain arrays.
 *
 * ROOM     common/num/stats. Pure numbers.
 * MODEL    Sums are compensated (Neumaier): the error does not grow with the number of terms.
 *          Variance is the two-pass form with the correction of the mean's rounding (Chan, Golub
 *          and LeVeque 1983).
 *          Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
 *          Summen, ZAMM 54 (1974).
 * SHAPE    `step` is the distance between two values, so that one column of rows can be read.
 * MEMORY   None is taken.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_NUM_STATS_MOMENTS_H
#define KEEL_COMMON_NUM_STATS_MOMENTS_H

#include "common/base/status.h"

/* A number beyond this may not be squared and summed without leaving the range of a double. */
#define KEEL_USABLE_MAX 1e100

/* Every one of n numbers is finite and within +-KEEL_USABLE_MAX. */
bool keel_all_usable(int n, const double *values);

/* Compensated sum of n values; 0 for n = 0. */
double keel_sum(int n, const double *values, int step);

/* Arithmetic mean, n >= 1. */
double keel_mean(int n, const double *values, int step);

/* Sample variance, divisor n - 1, never negative; n >= 2. */
double keel_variance(int n, const double *values, int step);

/* Sample covariance of two series, divisor n - 1; n >= 2. */
double keel_covariance(int n, const double *x, const double *y, int step);

/* Kish's effective count (sum w)^2 / sum w^2 of weights >= 0; 0 when all are 0. */
double keel_count_effective(int n, const double *weights);

/* Packed correlation (may be the same array) and the n volatilities from a packed covariance:
 * diagonal exactly 1, the rest clamped to [-1, 1]; 0 against a series whose variance is 0.
 * KEEL_ERANGE, outputs untouched: a variance is negative. Cost n^2 / 2. */
KEEL_MUST_CHECK keel_status keel_correlation_of(int n, const double *covariance,
                                                double *correlation, double *volatility);

/* Mean of the n(n-1)/2 off-diagonal entries of a packed matrix; 0 for n = 1. */
double keel_mean_off_diagonal(int n, const double *packed);

#endif
