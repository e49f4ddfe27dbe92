/* Block principal pivoting: solve the inner problem, change all that is wrong, again. From the
 * status of a problem nearby it ends in one to three steps; it has no proof of ending in general,
 * so the number of steps is bounded and the dual method stands behind it. */
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

enum {
    STEPS_MAX = 64,
    LIVES = 8 /* steps in a row that may fail to lower the number of wrong entries */
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

/* The status the point and multipliers in hand ask for, in next[]; returns how much is new. */
static int find_wrong(keel_qp *qp, signed char *next)
{
    const double size = qp_point_size(qp);
    int wrong = 0;
    for (int k = 0; k < qp->m + qp->n; k++) {
        const bool is_row = k < qp->m;
        const double value = is_row ? qp->row_value[k] : qp->x[k - qp->m];
        const double multiplier = is_row ? qp->y[k] * qp->row_size[k] : -qp->gradient[k - qp->m];
        next[k] = wanted(qp, k, value, multiplier, size);
        wrong += next[k] != qp->status[k] && !qp_is_fixed(qp, k);
    }
    return wrong;
}

qp_step qp_block_pivot(keel_qp *qp)
{
    const size_t bytes = (size_t)(qp->m + qp->n);
    int fewest = qp->n + qp->m + 1, lives = LIVES;
    for (int step = 0; step < STEPS_MAX && lives > 0; step++) {
        qp->iterations++;
        const qp_step solved = qp_equality_guess(qp);
        if (solved != QP_STEP_DONE)
            return solved;
        int wrong = find_wrong(qp, qp->next);
        if (wrong == 0) {
            qp_refine(qp);
            wrong = find_wrong(qp, qp->next);
        }
        lives--;
        if (wrong < fewest) {
            fewest = wrong;
            lives = LIVES;
            memcpy(qp->best, qp->status, bytes);
        }
        memcpy(qp->status, qp->next, bytes);
        if (wrong == 0)
            return QP_STEP_DONE;
    }
    memcpy(qp->status, qp->best, bytes);
    return QP_STEP_UNSETTLED;
}
