/* estimate.h - correlation, covariance, truth: matrices with what they rest on.
 *
 * ROOM     common/domain.
 * SHAPE    Symmetric n x n matrices are packed lower triangles by columns: (i,j), i >= j, at
 *          j*(2n - j - 1)/2 + i.
 */
#ifndef KEEL_COMMON_DOMAIN_ESTIMATE_H
#define KEEL_COMMON_DOMAIN_ESTIMATE_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

static inline size_t keel_packed_len(int n)
{
    return (size_t)n * ((size_t)n + 1) / 2;
}

static inline size_t keel_packed_at(int n, int i, int j) /* needs i >= j */
{
    return (size_t)j * (2 * (size_t)n - (size_t)j - 1) / 2 + (size_t)i;
}

typedef enum keel_estimator {
    KEEL_ESTIMATOR_UNSPECIFIED,
    KEEL_ESTIMATOR_ROLLING,
    KEEL_ESTIMATOR_EWMA,
    KEEL_ESTIMATOR_LEDOIT_WOLF,
    KEEL_ESTIMATOR_OAS,
    KEEL_ESTIMATOR_FACTOR,
    KEEL_ESTIMATOR_DIAGONAL,
} keel_estimator;

typedef struct keel_basis {
    keel_estimator estimator;
    bool log_returns;
    int64_t window_ns; /* 0 = unbounded */
    int rows;          /* complete return rows used */
    double rows_effective;
    double shrinkage_frac; /* 0..1, weight of the diagonal target */
    int rows_min;
} keel_basis;

typedef struct keel_correlation {
    uint64_t universe_hash;
    int64_t as_of_ns;
    int64_t bar_ns;
    keel_basis basis;
    int n;
    const double *correlation; /* packed; diagonal exactly 1 */
    const double *volatility;  /* n, per bar */
    double mean_correlation;
} keel_correlation;

typedef struct keel_covariance {
    uint64_t universe_hash;
    int64_t as_of_ns;
    int64_t bar_ns;
    keel_basis basis;
    int n;
    const double *covariance; /* packed, per bar; diagonal > 0 */
} keel_covariance;

typedef struct keel_market_truth {
    uint64_t universe_hash;
    uint32_t regime;
    const char *regime_name;
    int n;
    const double *correlation;    /* packed */
    const double *volatility_ann; /* n */
} keel_market_truth;

typedef enum keel_feed_phase {
    KEEL_FEED_PHASE_UNSPECIFIED,
    KEEL_FEED_PHASE_RUNNING,
    KEEL_FEED_PHASE_ENDED,
} keel_feed_phase;

typedef struct keel_feed_status {
    keel_feed_phase phase;
    const char *source;
    uint64_t rows_total;
    uint64_t rows_sent;
    uint64_t bars_missing;
    uint64_t bars_refused;
    uint64_t bars_quarantined;
} keel_feed_status;

#endif
