/* Block principal pivoting: solve the inner problem, change all that is wrong, again. From the
 * status of a problem nearby it ends in one to three steps; it has no proof of ending in general,
 * so the number of steps is bounded and the dual method stands behind it. */
#include "common/num/solve/qp_internal.h"

#include <math.h>

enum {
    STEPS_MAX = 64,
    LIVES = 10 /* steps in a row that may fail to lower the number of wrong entries */
};

static signed char side_of(const keel_qp *qp, int k, double value, double point_size)
{
    if (qp_missed(qp, k, value, -1, point_size) > QP_FEASIBLE)
        return -1;
    return qp_missed(qp, k, value, 1, point_size) > QP_FEASIBLE ? 1 : 0;
}

/* The status k should have, seen from the point and multiplier in hand. */
static signed char wanted(const keel_qp *qp, int k, double value, double multiplier, double size)
{
    const signed char now = qp->status[k];
    if (qp_is_fixed(qp, k))
        return multiplier < 0 ? -1 : 1;
    if (now == 0)
        return side_of(qp, k, value, size);
    return multiplier * now < -QP_SIGN * qp->scale * size ? 0 : now;
}

static int change_wrong(keel_qp *qp)
{
    const double size = qp_point_size(qp);
    int changed = 0;
    for (int k = 0; k < qp->m + qp->n; k++) {
        const bool is_row = k < qp->m;
        const double value = is_row ? qp->row_value[k] : qp->x[k - qp->m];
        const double multiplier = is_row ? qp->y[k] * qp->row_size[k] : -qp->gradient[k - qp->m];
        const signed char next = wanted(qp, k, value, multiplier, size);
        changed += next != qp->status[k] && !qp_is_fixed(qp, k);
        qp->status[k] = next;
    }
    return changed;
}

qp_step qp_block_pivot(keel_qp *qp)
{
    int fewest = qp->n + qp->m + 1, lives = LIVES;
    for (int step = 0; step < STEPS_MAX && lives > 0; step++) {
        qp->iterations++;
        const qp_step solved = qp_equality_solve(qp);
        if (solved != QP_STEP_DONE)
            return solved;
        const int changed = change_wrong(qp);
        if (changed == 0)
            return QP_STEP_DONE;
        lives = changed < fewest ? LIVES : lives - 1;
        fewest = changed < fewest ? changed : fewest;
    }
    return QP_STEP_UNSETTLED;
}
