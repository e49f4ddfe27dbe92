/* certificate.h - is this answer the minimum-variance portfolio? Recomputed, not believed.
 *
 * ROOM     services/risk/engine: pure. Shares no code with the solver: plain loops, own Cholesky.
 * MODEL    f(w) = 1/2 w'Sw, rows lo <= a_c'w <= hi with multipliers y_c, bounds l <= w <= u with
 *          multipliers z. With S positive definite, w is the one minimum if and only if
 *            stationarity     S w + sum_c y_c a_c + z = 0
 *            signs            y_c > 0 only where hi binds, < 0 only where lo binds; z likewise
 *            complementarity  a multiplier on a side that does not bind is zero
 *            gap              w'Sw + sum_c y_c b_c + sum_i z_i d_i = 0, b and d the sides that the
 *                             signs point at (this is primal minus dual objective)
 *          Scaled units: s = largest diagonal of S; y and the gap are divided by s, component i of
 *          the stationarity and z_i by sqrt(s S_ii). Every residual is then dimensionless, and none
 *          changes when S is multiplied by a number. The second scale is stricter than s wherever
 *          an asset is calm, and rounding stays of order 1e-15 in it because
 *          |S_ij| <= sqrt(S_ii S_jj); docs/methods/risk-verification.md has the measurements.
 *          Source: Boyd and Vandenberghe, Convex Optimization (2004), section 5.5.3.
 * SHAPE    S packed lower triangle (estimate.h).
 * MEMORY   the caller's scratch.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_RISK_ENGINE_CERTIFICATE_H
#define KEEL_SERVICES_RISK_ENGINE_CERTIFICATE_H

#include "services/risk/engine/limits.h"

#include <stddef.h>

/* The definition of OPTIMAL in the contract; an exact solver leaves about 1e-14. */
#define KEEL_RISK_DUAL_TOLERANCE 1e-9

/* Doubles of scratch that the functions below need for n assets. */
size_t keel_risk_scratch_len(int n);

/* to = S x. Cost: n^2. */
void keel_risk_times(int n, const double *covariance, const double *x, double *to);

/* All conditions of the model, in the order SINGULAR, MULTIPLIER_SIGN or COMPLEMENTARITY (rows,
 * then bounds), STATIONARITY_VIOLATED, GAP_TOO_LARGE; writes dual_residual and gap of
 * finding->certificate. Shape, bounds and rows must have been checked. Cost: n^3/6. */
bool keel_risk_is_optimal(const keel_universe *universe, const keel_allocation_proposal *proposal,
                          const double *covariance, double *scratch, keel_risk_finding *finding);

#endif
