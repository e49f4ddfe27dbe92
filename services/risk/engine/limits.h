/* limits.h - what risk itself allows, whatever a proposal says about its own constraints.
 *
 * ROOM     services/risk/engine: pure.
 * MODEL    weights w (long only), cash c = 1 - sum w:  0 <= w[i] <= max_weight,  c >= cash_min,
 *          band.min <= sum over the sector w <= band.max,  #{w[i] > 0} <= max_positions.
 *          Checked twice: on the weights themselves, and on the constraints that the proposal
 *          names, which must not be looser; otherwise a certificate would prove the wrong problem.
 * MEMORY   plain data, nothing is taken.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_LIMITS_H
#define KEEL_SERVICES_RISK_ENGINE_LIMITS_H

#include "common/domain/allocation.h"
#include "common/domain/universe.h"

/* Weights and sums of weights: both sides add at most 512 numbers of order one, so honest answers
 * agree to about 1e-13; a weight moved by 1e-6 is a thousand tolerances away. */
#define KEEL_RISK_PRIMAL_TOLERANCE 1e-9

enum { KEEL_RISK_SECTORS_MAX = KEEL_CONSTRAINTS_MAX };

typedef struct keel_risk_band {
    char sector[KEEL_NAME_MAX];
    double min; /* fraction of the book's equity */
    double max;
} keel_risk_band;

typedef struct keel_risk_limits {
    double max_weight; /* (0, 1] */
    double cash_min;   /* [0, 1) */
    int max_positions; /* 0 = no limit */
    int sectors_n;
    keel_risk_band sectors[KEEL_RISK_SECTORS_MAX];
} keel_risk_limits;

/* What a check found. reason.code VERIFIED: nothing wrong; else the first check that failed. */
typedef struct keel_risk_finding {
    keel_reason reason;
    char name[KEEL_NAME_MAX];     /* the constraint, symbol, input or field that failed */
    double value;                 /* finite */
    double limit;                 /* finite */
    keel_certificate certificate; /* as recomputed; meaningful when VERIFIED */
    const double *covariance;     /* the matrix that the proposal names; NULL: it names none */
} keel_risk_finding;

/* Fill *finding and return false, so that a refusal is one line. value and limit that are not
 * finite are reported as 0. */
bool keel_risk_refuse(keel_risk_finding *finding, keel_reason_code code, const char *name,
                      double value, double limit, const char *what);

/* KEEL_EINVAL or KEEL_ERANGE with *err (may be NULL) naming the limit that makes no sense. */
KEEL_MUST_CHECK keel_status keel_risk_limits_check(const keel_risk_limits *limits,
                                                   const keel_universe *universe, keel_err *err);

/* The weights against the limits: MAX_WEIGHT, CASH_FLOOR, MAX_POSITIONS. The proposal's shape must
 * have been checked. Cost: n. */
bool keel_risk_limits_hold(const keel_risk_limits *limits, const keel_universe *universe,
                           const keel_allocation_proposal *proposal, keel_risk_finding *finding);

/* The named constraints and bounds against the limits: MISSING_CONSTRAINT when one is absent or
 * looser than here. They are found by their rows, not by their names. Cost: constraints x n. */
bool keel_risk_limits_present(const keel_risk_limits *limits, const keel_universe *universe,
                              const keel_allocation_proposal *proposal, keel_risk_finding *finding);

#endif
