/* Dual active set from a status nearby.
 *
 * The status that block pivoting leaves is nearly right. Letting go what has a multiplier of the
 * wrong sign gives the minimum over a subset of the constraints, which is all Goldfarb and Idnani
 * (1983) need to start from; a few of their steps then take in what is missed. The free block is
 * factored afresh at each step: it is small, and nothing drifts.
 */
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

/* normal'dx against normal'normal / scale: below it the normal depends on what is held, or so
 * nearly that the dual method with its orthogonal factors should decide. */
#define DEPENDENT 1e-12

enum { STEPS_MAX = 256, LET_GO_MAX = 32 };

typedef struct repair {
    keel_qp *qp;
    int candidate;
    double sign;  /* 1: its lower side is missed, -1: its upper */
    double force; /* its multiplier so far, >= 0 */
    double along; /* how fast the miss closes for each unit of force */
    double *normal, *dx, *rate;
    double *dy;
    int steps;
} repair;

static double multiplier_of(const keel_qp *qp, int k)
{
    return k < qp->m ? qp->y[k] : -qp->gradient[k - qp->m];
}

/* Minimum over a subset whose multipliers all have the right sign. */
static bool let_go_of_wrong(keel_qp *qp)
{
    for (int round = 0; round < LET_GO_MAX; round++) {
        int let_go = 0;
        qp->iterations++;
        if (qp_equality_solve(qp) != QP_STEP_DONE)
            return false;
        for (int k = 0; k < qp->m + qp->n; k++) {
            if (qp->status[k] == 0 || qp_is_fixed(qp, k))
                continue;
            if (multiplier_of(qp, k) * qp->status[k] > 0)
                continue;
            qp->status[k] = 0;
            let_go++;
        }
        if (let_go == 0)
            return true;
    }
    return false;
}

static double held_value(const keel_qp *qp, int k)
{
    return k < qp->m ? keel_la_dot(qp->n, qp->p.a + (size_t)k * (size_t)qp->n, qp->x)
                     : qp->x[k - qp->m];
}

static void set_normal(repair *s)
{
    const keel_qp *qp = s->qp;
    memset(s->normal, 0, (size_t)qp->n * sizeof *s->normal);
    if (s->candidate >= qp->m) {
        s->normal[s->candidate - qp->m] = s->sign;
        return;
    }
    for (int i = 0; i < qp->n; i++)
        s->normal[i] = s->sign * qp->p.a[(size_t)s->candidate * (size_t)qp->n + (size_t)i];
}

/* dx, dy and rate = S dx + A'dy: how the gradient moves for each unit of force. */
static void set_direction(repair *s)
{
    keel_qp *qp = s->qp;
    s->along = qp_direction(qp, s->normal, s->dx, s->dy);
    qp_times(qp, s->dx, s->rate);
    for (int r = 0; r < qp->m; r++) {
        const double *row = qp->p.a + (size_t)r * (size_t)qp->n;
        if (s->dy[r] != 0) /* exact: a row not held */
            keel_la_add_scaled(qp->n, s->dy[r], row, s->rate);
    }
}

/* The held constraint whose multiplier reaches zero first, or -1; *at = the force when it does. */
static int first_to_go(const repair *s, double *at)
{
    const keel_qp *qp = s->qp;
    int found = -1;
    *at = HUGE_VAL;
    for (int k = 0; k < qp->m + qp->n; k++) {
        const int i = k - qp->m;
        const double side = qp->status[k];
        if (side == 0 || qp_is_fixed(qp, k))
            continue;
        /* z of a bound also carries the candidate's force: z = force normal - gradient */
        const double now = side * (i < 0 ? qp->y[k] : s->force * s->normal[i] - qp->gradient[i]);
        const double rate = side * (i < 0 ? s->dy[k] : s->normal[i] - s->rate[i]);
        const double ratio = rate < 0 ? fmax(now, 0) / -rate : HUGE_VAL;
        if (ratio < *at) {
            *at = ratio;
            found = k;
        }
    }
    return found;
}

static void advance(repair *s, double by)
{
    keel_qp *qp = s->qp;
    s->force += by;
    for (int i = 0; i < qp->n; i++) {
        qp->x[i] += by * s->dx[i];
        qp->gradient[i] += by * s->rate[i];
    }
    for (int r = 0; r < qp->m; r++)
        qp->y[r] += by * s->dy[r];
}

/* Take the candidate in, letting others go where they must. */
static qp_step take_in(repair *s)
{
    keel_qp *qp = s->qp;
    const double bound = s->sign > 0 ? qp->lo[s->candidate] : qp->hi[s->candidate];
    s->force = 0;
    set_normal(s);
    const double own = keel_la_dot(qp->n, s->normal, s->normal) / qp->scale;
    for (; s->steps < STEPS_MAX; s->steps++) {
        double ratio;
        qp->iterations++;
        set_direction(s);
        const double missing = s->sign * (bound - held_value(qp, s->candidate));
        const double full = s->along > DEPENDENT * own ? fmax(missing, 0) / s->along : HUGE_VAL;
        const int out = first_to_go(s, &ratio);
        if (isinf(full) && out < 0)
            return QP_STEP_UNSETTLED;
        if (full <= ratio) {
            qp->status[s->candidate] = s->sign > 0 ? -1 : 1;
            return qp_equality_solve(qp);
        }
        advance(s, ratio);
        qp->status[out] = 0;
        if (qp_factor(qp) != QP_STEP_DONE)
            return QP_STEP_SINGULAR;
    }
    return QP_STEP_UNSETTLED;
}

qp_step qp_repair(keel_qp *qp)
{
    repair s = {.qp = qp, .normal = qp->work, .dx = qp->work + qp->n, .dy = qp->work + 3 * qp->n};
    s.rate = s.dx + qp->n;
    memset(qp->ignored, 0, (size_t)(qp->m + qp->n) * sizeof *qp->ignored);
    if (!let_go_of_wrong(qp))
        return QP_STEP_UNSETTLED;
    while ((s.candidate = qp_most_missed(qp, &s.sign)) >= 0) {
        const qp_step step = take_in(&s);
        if (step != QP_STEP_DONE)
            return step;
        s.steps++;
    }
    return QP_STEP_DONE;
}
