/* Kinks: where each variable stands among its own, and what follows for its box and slope.
 *
 * Only kinks strictly inside the bounds count; what lies at or beyond a bound adds its slope to the
 * variable as a whole. Piece p of a variable with k kinks inside is between the p-th and the next,
 * bounds at the ends. */
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

#define PIECE_SIGN 1e-12 /* force beyond a kink's slope counts from here (scaled) */

/* The kinks of one variable. */
typedef struct inner {
    int n;
    double at[KEEL_QP_KINKS_MAX];   /* ascending */
    double jump[KEEL_QP_KINKS_MAX]; /* of the slope */
    double slope;                   /* below the first */
} inner;

static inner inner_of(const keel_qp *qp, int i)
{
    inner in = {0};
    for (int k = 0; k < qp->p.kinks_n; k++) {
        const keel_qp_kink *kink = &qp->p.kinks[k];
        if (kink->at[i] <= qp->p.lower[i]) {
            in.slope += kink->rise[i];
            continue;
        }
        in.slope -= kink->fall[i];
        if (kink->at[i] >= qp->p.upper[i])
            continue;
        int at = in.n++;
        for (; at > 0 && in.at[at - 1] > kink->at[i]; at--) {
            in.at[at] = in.at[at - 1];
            in.jump[at] = in.jump[at - 1];
        }
        in.at[at] = kink->at[i];
        in.jump[at] = kink->rise[i] + kink->fall[i];
    }
    return in;
}

static int piece_of(const keel_qp *qp, int i, const inner *in)
{
    return qp->piece[i] < in->n ? qp->piece[i] : in->n;
}

static double slope_at(const inner *in, int piece)
{
    double slope = in->slope;
    for (int k = 0; k < piece; k++)
        slope += in->jump[k];
    return slope;
}

void qp_set_side(keel_qp *qp, int k, double lo, double hi)
{
    const double middle = 0.5 * lo + 0.5 * hi;
    const bool crossed = lo > hi; /* by less than the tolerance: that was checked */
    qp->lo[k] = crossed ? middle : lo <= -KEEL_QP_NO_BOUND ? -HUGE_VAL : lo;
    qp->hi[k] = crossed ? middle : hi >= KEEL_QP_NO_BOUND ? HUGE_VAL : hi;
}

void qp_choose(keel_qp *qp, bool with_kinks)
{
    for (int i = 0; i < qp->n; i++) {
        double lo = qp->p.lower[i], hi = qp->p.upper[i];
        qp->linear[i] = qp->p.c != NULL ? qp->p.c[i] : 0;
        if (qp->prox > 0)
            qp->linear[i] += qp->prox * qp->center[i];
        if (with_kinks && qp->p.kinks_n > 0) {
            const inner in = inner_of(qp, i);
            const int piece = piece_of(qp, i, &in);
            lo = piece > 0 ? in.at[piece - 1] : lo;
            hi = piece < in.n ? in.at[piece] : hi;
            qp->slope[i] = slope_at(&in, piece);
            qp->linear[i] -= qp->slope[i];
        }
        qp_set_side(qp, qp->m + i, lo, hi);
    }
}

void qp_place_pieces(keel_qp *qp)
{
    for (int i = 0; i < qp->n; i++) {
        const inner in = inner_of(qp, i);
        int piece = 0;
        while (piece < in.n && in.at[piece] < qp->x[i])
            piece++;
        qp->piece[i] = (signed char)piece;
    }
}

int qp_change_pieces(keel_qp *qp)
{
    const double least = PIECE_SIGN * qp->scale * qp_point_size(qp);
    int changed = 0;
    for (int i = 0; i < qp->n; i++) {
        const inner in = inner_of(qp, i);
        const int piece = piece_of(qp, i, &in);
        int to = piece;
        if (piece < in.n && qp->z[i] > in.jump[piece] + least)
            to++;
        else if (piece > 0 && -qp->z[i] > in.jump[piece - 1] + least)
            to--;
        qp->piece[i] = (signed char)to;
        if (to == piece)
            continue;
        qp->status[qp->m + i] = 0;
        changed++;
    }
    return changed;
}

void qp_settle_slopes(keel_qp *qp)
{
    for (int i = 0; i < qp->n && qp->p.kinks_n > 0; i++) {
        const inner in = inner_of(qp, i);
        const int piece = piece_of(qp, i, &in);
        const bool held = (qp->z[i] > 0 && piece < in.n) || (qp->z[i] < 0 && piece > 0);
        qp->slope[i] = slope_at(&in, piece) + (held ? qp->z[i] : 0);
        qp->z[i] = held ? 0 : qp->z[i];
    }
}

double qp_objective(const keel_qp *qp, double quadratic)
{
    double objective = 0.5 * quadratic;
    for (int i = 0; i < qp->n; i++) {
        objective -= qp->p.c != NULL ? qp->p.c[i] * qp->x[i] : 0;
        for (int k = 0; k < qp->p.kinks_n; k++) {
            const keel_qp_kink *kink = &qp->p.kinks[k];
            const double above = qp->x[i] - kink->at[i];
            objective += above > 0 ? kink->rise[i] * above : -kink->fall[i] * above;
        }
    }
    return objective;
}
