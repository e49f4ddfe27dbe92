#include "common/wire/wire_internal.h"

static const wire_field basis_rows[] = {
    WIRE_ROW_ENUM(keel_basis, EstimateBasis, estimator, KEEL_ESTIMATOR_DIAGONAL, NULL,
                  WIRE_REQUIRED),
    WIRE_ROW_FLAG(keel_basis, EstimateBasis, log_returns),
    WIRE_ROW_I64(keel_basis, EstimateBasis, window_ns, 0),
    WIRE_ROW_INT(keel_basis, EstimateBasis, rows, INT32_MAX),
    WIRE_ROW_REAL(keel_basis, EstimateBasis, rows_effective, WIRE_NOT_NEG),
    WIRE_ROW_REAL(keel_basis, EstimateBasis, shrinkage_frac, WIRE_FRACTION),
    WIRE_ROW_INT(keel_basis, EstimateBasis, rows_min, INT32_MAX),
};
static const wire_type basis =
    WIRE_MESSAGE(keel_basis, keel__v1__estimate_basis__descriptor, basis_rows);

keel_status wire_check_unit_diagonal(const double *packed, int n)
{
    for (int i = 0; i < n; i++) {
        if (packed[keel_packed_at(n, i, i)] != 1.0) /* exact by definition */
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

static keel_status check_correlation(const void *plain)
{
    const keel_correlation *matrix = plain;
    return wire_check_unit_diagonal(matrix->correlation, matrix->n);
}

static const wire_field correlation_rows[] = {
    WIRE_ROW_U64(keel_correlation, CorrelationMatrix, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_correlation, CorrelationMatrix, as_of_ns, INT64_MIN),
    WIRE_ROW_I64(keel_correlation, CorrelationMatrix, bar_ns, 1),
    WIRE_ROW_PART(keel_correlation, CorrelationMatrix, basis, basis, WIRE_REQUIRED),
    WIRE_ROW_SYMMETRIC(keel_correlation, CorrelationMatrix, correlation, WIRE_COSINE),
    WIRE_ROW_REALS(keel_correlation, CorrelationMatrix, volatility, WIRE_NOT_NEG,
                   WIRE_COUNTED_SAME),
    WIRE_ROW_REAL(keel_correlation, CorrelationMatrix, mean_correlation, WIRE_COSINE),
};
const wire_type wire_correlation =
    WIRE_MESSAGE_WITH(keel_correlation, keel__v1__correlation_matrix__descriptor, correlation_rows,
                      .check = check_correlation);
WIRE_DEFINE(correlation, keel_correlation)

static keel_status check_covariance(const void *plain)
{
    const keel_covariance *matrix = plain;
    for (int i = 0; i < matrix->n; i++) {
        if (matrix->covariance[keel_packed_at(matrix->n, i, i)] <= 0.0)
            return KEEL_ENONFINITE;
    }
    return KEEL_OK;
}

static const wire_field covariance_rows[] = {
    WIRE_ROW_U64(keel_covariance, CovarianceMatrix, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_covariance, CovarianceMatrix, as_of_ns, INT64_MIN),
    WIRE_ROW_I64(keel_covariance, CovarianceMatrix, bar_ns, 1),
    WIRE_ROW_PART(keel_covariance, CovarianceMatrix, basis, basis, WIRE_REQUIRED),
    WIRE_ROW_SYMMETRIC(keel_covariance, CovarianceMatrix, covariance, WIRE_ANY),
};
const wire_type wire_covariance =
    WIRE_MESSAGE_WITH(keel_covariance, keel__v1__covariance_matrix__descriptor, covariance_rows,
                      .check = check_covariance);
WIRE_DEFINE(covariance, keel_covariance)
