/* What an answer rests on, measured again from the numbers that are handed out. */
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

#define PROOF_NOISE 1e-10 /* of the largest multiplier: rounding of the dual method's factors */
#define PROOF_REACH 1e3   /* weights are of size 1 */

double qp_point_size(const keel_qp *qp)
{
    double size = 1;
    for (int i = 0; i < qp->n; i++)
        size = qp_larger(size, fabs(qp->x[i]));
    return size;
}

bool qp_is_fixed(const keel_qp *qp, int k)
{
    return !(qp->lo[k] < qp->hi[k]);
}

double qp_missed(const keel_qp *qp, int k, double value, int side, double point_size)
{
    const double bound = side < 0 ? qp->lo[k] : qp->hi[k];
    if (isinf(bound))
        return -1;
    const double size = k < qp->m ? qp_larger(1, qp->row_size[k] * point_size) : 1;
    return (side < 0 ? bound - value : value - bound) / qp_larger(size, fabs(bound));
}

/* z from stationarity where a bound holds; what has the wrong sign is cut off, so that it shows up
 * as a dual residual and not as a multiplier that lies. */
static void settle_multipliers(keel_qp *qp)
{
    for (int r = 0; r < qp->m; r++) {
        if (!qp_is_fixed(qp, r) && qp->y[r] * qp->status[r] <= 0)
            qp->y[r] = 0;
    }
    qp_refresh(qp);
    for (int i = 0; i < qp->n; i++) {
        const int k = qp->m + i;
        const double z = -qp->gradient[i];
        const bool holds = qp_is_fixed(qp, k) || z * qp->status[k] > 0;
        qp->z[i] = holds ? z : 0;
    }
}

/* The side a multiplier speaks of, and how far the value is from it. */
static double slack(const keel_qp *qp, int k, double value, double multiplier)
{
    if (multiplier == 0) /* exact: set to zero above */
        return 0;
    return (multiplier > 0 ? qp->hi[k] : qp->lo[k]) - value;
}

bool qp_certify(keel_qp *qp, keel_qp_answer *answer)
{
    settle_multipliers(qp);
    const double size = qp_point_size(qp);
    const double unit = qp->scale * size;
    double primal = 0, dual = 0, gap = 0, cx = 0;
    for (int k = 0; k < qp->m + qp->n; k++) {
        const bool is_row = k < qp->m;
        const double value = is_row ? qp->row_value[k] : qp->x[k - qp->m];
        const double multiplier = is_row ? qp->y[k] : qp->z[k - qp->m];
        const double product = multiplier * slack(qp, k, value, multiplier);
        primal = qp_larger(primal, qp_missed(qp, k, value, -1, size));
        primal = qp_larger(primal, qp_missed(qp, k, value, 1, size));
        dual = qp_larger(dual, fabs(product) / (unit * size));
        gap += product;
    }
    for (int i = 0; i < qp->n; i++) {
        const double stationarity = qp->gradient[i] + qp->z[i];
        dual = qp_larger(dual, fabs(stationarity) / unit);
        gap += qp->x[i] * stationarity;
        cx += qp->linear[i] * qp->x[i];
    }
    /* x'S x = x'(gradient + c - A'y): the gradient is that of these x and y to the last bit */
    const double along = keel_la_dot(qp->n, qp->x, qp->gradient);
    const double rows = keel_la_dot(qp->m, qp->y, qp->row_value);
    answer->objective = qp_objective(qp, along - rows + cx);
    answer->primal_residual = primal;
    answer->dual_residual = dual;
    answer->gap = fabs(gap) / (unit * size);
    return primal <= KEEL_QP_TOLERANCE && dual <= KEEL_QP_TOLERANCE &&
           answer->gap <= KEEL_QP_TOLERANCE;
}

/* Bound multipliers that complete A'y + z = 0; noise where no bound could carry it is dropped. */
static double complete_proof(keel_qp *qp)
{
    double largest = 0;
    memset(qp->z, 0, (size_t)qp->n * sizeof *qp->z);
    for (int r = 0; r < qp->m; r++) {
        const double *row = qp->p.a + (size_t)r * (size_t)qp->n;
        for (int i = 0; i < qp->n; i++)
            qp->z[i] -= qp->y[r] * row[i];
        largest = qp_larger(largest, fabs(qp->y[r]));
    }
    for (int i = 0; i < qp->n; i++)
        largest = qp_larger(largest, fabs(qp->z[i]));
    return largest;
}

/* For any x in the bounds and rows, 0 = y'Ax + z'x <= sum of multiplier * its side; below zero that
 * cannot be. Divided by the largest multiplier it is the least sum of violations (duality of the
 * linear programme that minimises it), because the multipliers of a minimal set are unique.
 * Multipliers that are only rounding are left out; what is left of A'y + z then has to be too small
 * to matter for any point up to PROOF_REACH. */
bool qp_certify_conflict(keel_qp *qp, keel_qp_answer *answer)
{
    const double largest = complete_proof(qp);
    double total = 0, size = 1, left_out = 0;
    int held = 0;
    if (!(largest > 0))
        return false;
    for (int k = 0; k < qp->m + qp->n; k++) {
        double *multiplier = k < qp->m ? &qp->y[k] : &qp->z[k - qp->m];
        *multiplier /= largest;
        if (fabs(*multiplier) <= PROOF_NOISE) {
            left_out += fabs(*multiplier) * (k < qp->m ? qp->row_size[k] * qp->n : 1);
            *multiplier = 0;
            continue;
        }
        const double side = *multiplier > 0 ? qp->hi[k] : qp->lo[k];
        if (isinf(side))
            return false;
        total += *multiplier * side;
        size = qp_larger(size, fabs(*multiplier * side));
        qp->conflict[held++] = k;
    }
    answer->conflict_n = held;
    answer->violation = -total;
    return -total > qp_larger(KEEL_QP_TOLERANCE * size, PROOF_REACH * left_out);
}
