/* A cold start for many variables: accelerated projected gradients on the bounds and one row, from
 * which the sides are read off. It need not be right: pivoting goes on from it, and from nothing
 * where that fails.
 * Source: Nesterov, A method of solving a convex programming problem with convergence rate
 * O(1/k^2), Soviet Math. Doklady 27 (1983); restarts: O'Donoghue and Candes, Adaptive restart for
 * accelerated gradient schemes, Found. Comput. Math. 15 (2015). */
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

enum { POWER_STEPS = 3, GRADIENT_STEPS = 12, NEWTON_STEPS = 40 };

#define ROW_CLOSE  1e-10 /* of the row's side: near enough for a guess */
#define POWER_MORE 1.1   /* the power method stays below the largest eigenvalue */

/* The first equality whose coefficients are all above 0; -1 = none. */
static int sum_row(const keel_qp *qp)
{
    for (int r = 0; r < qp->m; r++) {
        const double *row = qp->p.a + (size_t)r * (size_t)qp->n;
        bool positive = qp_is_fixed(qp, r);
        for (int i = 0; i < qp->n && positive; i++)
            positive = row[i] > 0;
        if (positive)
            return r;
    }
    return -1;
}

static double clamped(const keel_qp *qp, int i, double x)
{
    return fmin(fmax(x, qp->lo[qp->m + i]), qp->hi[qp->m + i]);
}

/* The point of the bounds, and of the row, nearest to v; in place. The row's multiplier is found by
 * Newton's method between bounds on it, from where it was last. */
static void project(const keel_qp *qp, int r, double *theta, double *v)
{
    const double *row = r >= 0 ? qp->p.a + (size_t)r * (size_t)qp->n : NULL;
    double lo = -HUGE_VAL, hi = HUGE_VAL;
    for (int k = 0; k < NEWTON_STEPS && row != NULL; k++) {
        double sum = -qp->hi[r], slope = 0;
        for (int i = 0; i < qp->n; i++) {
            const double moved = v[i] - *theta * row[i], x = clamped(qp, i, moved);
            sum += row[i] * x;
            slope += x == moved ? row[i] * row[i] : 0; /* exact: not clamped */
        }
        if (fabs(sum) <= ROW_CLOSE * qp_larger(1, fabs(qp->hi[r])))
            break;
        if (sum > 0)
            lo = *theta;
        else
            hi = *theta;
        double next = slope > 0 ? *theta + sum / slope : *theta + sum;
        if (!(next > lo && next < hi))
            next = isfinite(lo) && isfinite(hi) ? 0.5 * (lo + hi) : *theta + 2 * sum;
        *theta = next;
    }
    for (int i = 0; i < qp->n; i++)
        v[i] = clamped(qp, i, row != NULL ? v[i] - *theta * row[i] : v[i]);
}

/* About the largest eigenvalue of S + dI. */
static double largest_eigenvalue(keel_qp *qp, double *v, double *sv)
{
    double length = 0;
    for (int i = 0; i < qp->n; i++)
        v[i] = 1 / sqrt((double)qp->n);
    for (int k = 0; k < POWER_STEPS; k++) {
        qp_times(qp, v, sv);
        length = sqrt(keel_la_dot(qp->n, sv, sv));
        for (int i = 0; i < qp->n && length > 0; i++)
            v[i] = sv[i] / length;
    }
    return length;
}

static void read_sides(keel_qp *qp, const double *x)
{
    memset(qp->status, 0, (size_t)(qp->m + qp->n));
    for (int i = 0; i < qp->n; i++) {
        const int k = qp->m + i;
        if (x[i] <= qp->lo[k])
            qp->status[k] = -1;
        else if (x[i] >= qp->hi[k])
            qp->status[k] = 1;
    }
}

void qp_guess(keel_qp *qp)
{
    const int n = qp->n, r = sum_row(qp);
    double *x = qp->work, *y = x + n, *next = y + n, *g = qp->effect;
    const double step = 1 / (POWER_MORE * largest_eigenvalue(qp, y, g));
    double theta = 0, momentum = 1;
    memset(x, 0, (size_t)n * sizeof *x);
    if (!isfinite(step))
        return;
    project(qp, r, &theta, x);
    memcpy(y, x, (size_t)n * sizeof *y);
    for (int k = 0; k < GRADIENT_STEPS; k++) {
        double against = 0;
        qp_times(qp, y, g);
        for (int i = 0; i < n; i++)
            next[i] = y[i] - step * (g[i] - qp->linear[i]);
        project(qp, r, &theta, next);
        for (int i = 0; i < n; i++)
            against += (y[i] - next[i]) * (next[i] - x[i]);
        const double grown = against > 0 ? 1 : 0.5 + sqrt(0.25 + momentum * momentum);
        const double push = against > 0 ? 0 : (momentum - 1) / grown;
        momentum = grown;
        for (int i = 0; i < n; i++) {
            y[i] = next[i] + push * (next[i] - x[i]);
            x[i] = next[i];
        }
    }
    read_sides(qp, x);
}
