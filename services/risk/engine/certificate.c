#include "services/risk/engine/certificate.h"

#include "common/domain/estimate.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PRIMAL KEEL_RISK_PRIMAL_TOLERANCE
#define DUAL   KEEL_RISK_DUAL_TOLERANCE

size_t keel_risk_scratch_len(int n)
{
    return keel_packed_len(n) + 2 * (size_t)n;
}

void keel_risk_times(int n, const double *covariance, const double *x, double *to)
{
    memset(to, 0, (size_t)n * sizeof *to);
    for (int j = 0; j < n; j++) {
        const double *column = covariance + keel_packed_at(n, j, j) - j; /* column[i] = S(i,j) */
        to[j] += column[j] * x[j];
        for (int i = j + 1; i < n; i++) {
            to[i] += column[i] * x[j];
            to[j] += column[i] * x[i];
        }
    }
}

/* Subtract from column j what columns 0..j-1 of the factor explain; false when nothing is left. */
static bool factor_column(int n, double *l, int j, double variance)
{
    double *column = l + keel_packed_at(n, j, j) - j;
    for (int k = 0; k < j; k++) {
        const double *before = l + keel_packed_at(n, k, k) - k;
        for (int i = j; i < n; i++)
            column[i] -= before[i] * before[j];
    }
    /* n roundings of order epsilon: a pivot below them could as well be negative */
    if (!(column[j] > n * DBL_EPSILON * variance))
        return false;
    const double root = sqrt(column[j]);
    for (int i = j; i < n; i++)
        column[i] /= root;
    return true;
}

static bool is_positive_definite(const keel_universe *universe, const double *covariance, double *l,
                                 keel_risk_finding *finding)
{
    const int n = universe->n;
    memcpy(l, covariance, keel_packed_len(n) * sizeof *l);
    for (int j = 0; j < n; j++) {
        const double variance = covariance[keel_packed_at(n, j, j)];
        if (!factor_column(n, l, j, variance))
            return keel_risk_refuse(finding, KEEL_REASON_SINGULAR, universe->instruments[j].symbol,
                                    l[keel_packed_at(n, j, j)], n * DBL_EPSILON * variance,
                                    "the covariance is not positive definite, pivot");
    }
    return true;
}

static double largest_variance(int n, const double *covariance)
{
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, covariance[keel_packed_at(n, i, i)]);
    return largest;
}

static bool binds(double value, double side)
{
    return fabs(side) < KEEL_NO_BOUND && fabs(side - value) <= PRIMAL;
}

/* A multiplier in scaled units against the sides of its constraint. */
static bool is_complementary(double multiplier, double value, const double side[2],
                             const char *name, keel_risk_finding *finding)
{
    if (fabs(multiplier) <= DUAL)
        return true;
    const int pushed = multiplier > 0 ? 1 : 0; /* side[0] = lo, side[1] = hi */
    if (binds(value, side[pushed]))
        return true;
    if (binds(value, side[!pushed]))
        return keel_risk_refuse(finding, KEEL_REASON_MULTIPLIER_SIGN, name, multiplier, 0,
                                "a multiplier has the sign of the side that does not bind");
    return keel_risk_refuse(finding, KEEL_REASON_COMPLEMENTARITY, name, multiplier, DUAL,
                            "a multiplier on a constraint that does not bind");
}

static double row_value(const keel_constraint *row, const double *weights)
{
    double value = 0;
    for (int k = 0; k < row->n; k++)
        value += row->coefficients[k] * weights[row->indices[k]];
    return value;
}

static bool multipliers_fit(const keel_universe *universe, const keel_allocation_proposal *p,
                            const double *covariance, double s, keel_risk_finding *finding)
{
    const int n = p->n;
    for (int c = 0; c < p->constraints_n; c++) {
        const keel_constraint *row = &p->constraints[c];
        const double side[2] = {row->lo, row->hi};
        if (!is_complementary(row->multiplier / s, row_value(row, p->weights), side, row->name,
                              finding))
            return false;
    }
    for (int i = 0; i < n; i++) {
        const double scale = sqrt(s * covariance[keel_packed_at(n, i, i)]);
        const double side[2] = {p->lower[i], p->upper[i]};
        if (!is_complementary(p->bound_multipliers[i] / scale, p->weights[i], side,
                              universe->instruments[i].symbol, finding))
            return false;
    }
    return true;
}

/* residual = S w + sum_c y_c a_c + z; returns the largest in scaled units, *at = where. */
static double stationarity(const keel_allocation_proposal *p, const double *covariance, double s,
                           double *residual, int *at)
{
    const int n = p->n;
    double largest = 0;
    keel_risk_times(n, covariance, p->weights, residual);
    for (int c = 0; c < p->constraints_n; c++)
        for (int k = 0; k < p->constraints[c].n; k++)
            residual[p->constraints[c].indices[k]] +=
                p->constraints[c].multiplier * p->constraints[c].coefficients[k];
    *at = 0;
    for (int i = 0; i < n; i++) {
        const double scale = sqrt(s * covariance[keel_packed_at(n, i, i)]);
        const double scaled = fabs(residual[i] + p->bound_multipliers[i]) / scale;
        if (scaled > largest) {
            largest = scaled;
            *at = i;
        }
    }
    return largest;
}

/* The side a multiplier points at; 0 where it counts as zero, so that no bound of 1e30 enters. */
static double dual_term(double multiplier, double scaled, double lo, double hi)
{
    if (fabs(scaled) <= DUAL)
        return 0;
    return multiplier * (multiplier > 0 ? hi : lo);
}

static double duality_gap(const keel_allocation_proposal *p, const double *covariance, double s,
                          double *gradient)
{
    const int n = p->n;
    double gap = 0;
    keel_risk_times(n, covariance, p->weights, gradient);
    for (int i = 0; i < n; i++)
        gap += gradient[i] * p->weights[i];
    for (int c = 0; c < p->constraints_n; c++) {
        const keel_constraint *row = &p->constraints[c];
        gap += dual_term(row->multiplier, row->multiplier / s, row->lo, row->hi);
    }
    for (int i = 0; i < n; i++) {
        const double z = p->bound_multipliers[i];
        const double scale = sqrt(s * covariance[keel_packed_at(n, i, i)]);
        gap += dual_term(z, z / scale, p->lower[i], p->upper[i]);
    }
    return fabs(gap) / s;
}

bool keel_risk_is_optimal(const keel_universe *universe, const keel_allocation_proposal *proposal,
                          const double *covariance, double *scratch, keel_risk_finding *finding)
{
    const int n = proposal->n;
    const double s = largest_variance(n, covariance);
    double *vector = scratch + keel_packed_len(n);
    int at;

    if (!is_positive_definite(universe, covariance, scratch, finding) ||
        !multipliers_fit(universe, proposal, covariance, s, finding))
        return false;
    finding->certificate.dual_residual = stationarity(proposal, covariance, s, vector, &at);
    if (!(finding->certificate.dual_residual <= DUAL))
        return keel_risk_refuse(
            finding, KEEL_REASON_STATIONARITY_VIOLATED, universe->instruments[at].symbol,
            finding->certificate.dual_residual, DUAL, "gradient and multipliers do not cancel");
    finding->certificate.gap = duality_gap(proposal, covariance, s, vector);
    if (!(finding->certificate.gap <= DUAL))
        return keel_risk_refuse(finding, KEEL_REASON_GAP_TOO_LARGE, "gap", finding->certificate.gap,
                                DUAL, "the duality gap is open");
    return true;
}
