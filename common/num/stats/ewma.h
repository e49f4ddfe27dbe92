/* ewma.h - exponentially weighted covariance of n series with mean zero.
 *
 * ROOM     common/num/stats. Pure numbers.
 * MODEL    W_t = lambda W_(t-1) + 1,  A_t = lambda A_(t-1) + x_t x_t',  covariance = A_t / W_t:
 *          the weights lambda^age are normalised over the rows seen, so that the start is unbiased;
 *          W tends to 1 / (1 - lambda) and the recursion to
 *          S_t = lambda S_(t-1) + (1 - lambda) x_t x_t'.
 *          Effective count (sum w)^2 / sum w^2, which tends to (1 + lambda) / (1 - lambda).
 *          Source: J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed. (1996), ch. 5;
 *          L. Kish, Survey Sampling (1965), section 11.7 (effective count).
 * SHAPE    as rolling.h: rows of n doubles, packed lower triangle by columns.
 * MEMORY   keel_ewma_new takes n*n/2 doubles; no later call allocates.
 * THREADS  one thread per object. Same rows, same build, same bytes, also across save and load.
 */
#ifndef KEEL_COMMON_NUM_STATS_EWMA_H
#define KEEL_COMMON_NUM_STATS_EWMA_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { KEEL_EWMA_N_MAX = 512 };

typedef struct keel_ewma keel_ewma;

/* n series (1..KEEL_EWMA_N_MAX), decay per row 0 < lambda < 1. NULL: out of range.
 * Owned; end with keel_ewma_free (safe on NULL and twice). */
KEEL_MUST_CHECK keel_ewma *keel_ewma_new(int n, double lambda);
void keel_ewma_free(keel_ewma **ewma);

/* Take one row of n numbers. KEEL_ENONFINITE, state unchanged: a number is NaN, infinite or beyond
 * +-1e100. Cost: n^2 multiply-adds. */
KEEL_MUST_CHECK keel_status keel_ewma_push(keel_ewma *ewma, const double *row);

/* Rows taken since new or reset, and the count of equally weighted rows that would know as much. */
uint64_t keel_ewma_count(const keel_ewma *ewma);
double keel_ewma_count_effective(const keel_ewma *ewma);

/* Write the packed covariance, n(n+1)/2 numbers, diagonal >= 0.
 * KEEL_EUNAVAIL, `packed` untouched: no row yet. Cost: n^2 / 2. */
KEEL_MUST_CHECK keel_status keel_ewma_covariance(const keel_ewma *ewma, double *packed);

/* Forget all rows. */
void keel_ewma_reset(keel_ewma *ewma);

/* As keel_rolling_save and keel_rolling_load; another lambda is KEEL_EFORMAT too. */
KEEL_MUST_CHECK keel_status keel_ewma_save(const keel_ewma *ewma, uint8_t *buf, size_t cap,
                                           size_t *len);
KEEL_MUST_CHECK keel_status keel_ewma_load(keel_ewma *ewma, const uint8_t *buf, size_t len);

#endif
