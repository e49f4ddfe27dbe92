/* Dual active set of Goldfarb and Idnani (1983), in the variables that can move.
 *
 * Starts at the unconstrained minimum and takes in violated constraints one by one, keeping
 * J'SJ = I and N = J_1^-T R for the active normals N. Every full step raises the dual objective,
 * and between two full steps at most q constraints leave, so it ends without any rule against
 * cycling; the bound on iterations only guards against rounding. A violated constraint whose normal
 * depends on the active ones and that no exchange can mend is a proof of infeasibility: its
 * multipliers are unique, so the constraints with one that is not zero are a minimal conflict.
 *
 * J is in qp->block, R in qp->triangle, both with leading dimension n of the variables that move.
 */
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

/* |J_2'g|^2 against |J'g|^2: a normal this close to the active ones depends on them. J carries
 * rounding of about 1e-13, squared far below this. */
#define DEPENDENT 1e-20
/* A ratio is taken over entries above this part of the largest: smaller ones are rounding. */
#define RATIO_MIN 1e-11

typedef struct dual {
    keel_qp *qp;
    int n;      /* variables that move: qp->pick[0..n) */
    int q;      /* active constraints */
    double *j;  /* n x n */
    double *r;  /* n x n, upper triangle of q */
    double *d;  /* J'g */
    double *z;  /* direction in the variables */
    double *rd; /* direction in the multipliers */
    double *u;  /* multipliers of the active, and of the candidate at u[q] */
    int candidate;
    double sign; /* candidate reads sign * (normal'x) >= sign * side */
} dual;

static void start(dual *s, keel_qp *qp)
{
    int n = 0;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < qp->n; i++) {
        const bool moves = !qp_is_fixed(qp, qp->m + i);
        qp->position[i] = moves ? n : -1;
        qp->x[i] = moves ? 0 : qp->lo[qp->m + i];
        if (moves)
            qp->pick[n++] = i;
    }
    for (int k = 0; k < qp->m + qp->n; k++) {
        qp->ignored[k] = false;
        qp->status[k] = qp_is_fixed(qp, k) ? 1 : 0;
    }
    s->qp = qp;
    s->n = n;
    s->j = qp->block;
    s->r = qp->triangle;
    s->d = qp->work;
    s->z = s->d + qp->n;
    s->rd = s->z + qp->n;
    s->u = s->rd + qp->n;
}

/* J = L'^-1 as a full square, and x = S^-1 (c - S_fixed x_fixed). */
static bool unconstrained(dual *s)
{
    keel_qp *qp = s->qp;
    const int n = s->n;
    qp_block(qp, n, s->j);
    if (keel_chol_factor(n, s->j, n, QP_PIVOT_MIN) != KEEL_CHOL_FACTORED)
        return false;
    qp_times(qp, qp->x, qp->gradient);
    for (int i = 0; i < n; i++) {
        const int at = qp->pick[i];
        s->z[i] = qp->linear[at] - qp->gradient[at];
    }
    keel_chol_solve(n, 1, s->j, n, s->z, n);
    for (int i = 0; i < n; i++)
        qp->x[qp->pick[i]] = s->z[i];
    keel_tri_invert(n, s->j, n);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const double value = s->j[(size_t)j * (size_t)n + (size_t)i];
            s->j[(size_t)j * (size_t)n + (size_t)i] = i == j ? value : 0;
            s->j[(size_t)i * (size_t)n + (size_t)j] = value;
        }
    }
    return true;
}

static double value_of(const keel_qp *qp, int k)
{
    return k < qp->m ? keel_la_dot(qp->n, qp->p.a + (size_t)k * (size_t)qp->n, qp->x)
                     : qp->x[k - qp->m];
}

static double side_of(const dual *s)
{
    return s->sign > 0 ? s->qp->lo[s->candidate] : s->qp->hi[s->candidate];
}

/* d = J'g, z = J_2 d_2, rd = R^-1 d_1 for the candidate's normal g. */
static void directions(dual *s)
{
    const keel_qp *qp = s->qp;
    const int n = s->n, q = s->q;
    if (s->candidate >= qp->m) {
        const int row = qp->position[s->candidate - qp->m];
        for (int j = 0; j < n; j++)
            s->d[j] = s->sign * s->j[(size_t)j * (size_t)n + (size_t)row];
    } else {
        const double *a = qp->p.a + (size_t)s->candidate * (size_t)qp->n;
        for (int i = 0; i < n; i++)
            s->z[i] = a[qp->pick[i]];
        keel_la_matvec_t((keel_la_matrix){n, n, s->j, n}, s->sign, s->z, 0, s->d);
    }
    const keel_la_matrix j2 = {n, n - q, s->j + (size_t)q * (size_t)n, n};
    keel_la_matvec(j2, 1, s->d + q, 0, s->z);
    memcpy(s->rd, s->d, (size_t)q * sizeof *s->rd);
    for (int j = q - 1; j >= 0; j--) {
        const double *column = s->r + (size_t)j * (size_t)n;
        s->rd[j] /= column[j];
        for (int i = 0; i < j; i++)
            s->rd[i] -= column[i] * s->rd[j];
    }
}

/* Take the candidate in: one reflection makes d_2 a multiple of its first unit vector. */
static void take_in(dual *s)
{
    const int n = s->n, q = s->q, left = n - q;
    const keel_la_matrix j2 = {n, left, s->j + (size_t)q * (size_t)n, n};
    double *v = s->d + q;
    const double length = sqrt(keel_la_dot(left, v, v));
    const double end = v[0] > 0 ? -length : length;
    v[0] -= end;
    const double squared = keel_la_dot(left, v, v);
    if (squared > 0) {
        keel_la_matvec(j2, 1, v, 0, s->z);
        keel_la_rank_one(j2, -2 / squared, s->z, v);
    }
    double *column = s->r + (size_t)q * (size_t)n;
    memcpy(column, s->d, (size_t)q * sizeof *column);
    column[q] = end;
    s->qp->active[q] = s->candidate;
    s->qp->status[s->candidate] = s->sign > 0 ? -1 : 1;
    s->q++;
}

static void rotate(int n, double c, double t, double *a, double *b)
{
    for (int i = 0; i < n; i++) {
        const double ai = a[i], bi = b[i];
        a[i] = c * ai + t * bi;
        b[i] = c * bi - t * ai;
    }
}

/* Let the active constraint at `out` go; rotations make R upper triangular again. */
static void let_go(dual *s, int out)
{
    keel_qp *qp = s->qp;
    const size_t n = (size_t)s->n;
    qp->status[qp->active[out]] = 0;
    for (int j = out; j + 1 < s->q; j++) {
        memcpy(s->r + (size_t)j * n, s->r + (size_t)(j + 1) * n, (size_t)(j + 2) * sizeof *s->r);
        qp->active[j] = qp->active[j + 1];
        s->u[j] = s->u[j + 1];
    }
    s->u[s->q - 1] = s->u[s->q];
    s->q--;
    for (int j = out; j < s->q; j++) {
        double *column = s->r + (size_t)j * n;
        const double length = hypot(column[j], column[j + 1]);
        const double c = column[j] / length, t = column[j + 1] / length;
        for (int k = j; k < s->q; k++) {
            double *at = s->r + (size_t)k * n + j;
            const double upper = at[0], lower = at[1];
            at[0] = c * upper + t * lower;
            at[1] = c * lower - t * upper;
        }
        rotate(s->n, c, t, s->j + (size_t)j * n, s->j + (size_t)(j + 1) * n);
    }
}

/* The active inequality whose multiplier reaches zero first, or -1; *ratio = when. */
static int first_to_go(const dual *s, double *ratio)
{
    const keel_qp *qp = s->qp;
    double largest = 1;
    int found = -1;
    *ratio = HUGE_VAL;
    for (int j = 0; j < s->q; j++)
        largest = fmax(largest, fabs(s->rd[j]));
    for (int j = 0; j < s->q; j++) {
        if (qp_is_fixed(qp, qp->active[j]) || s->rd[j] <= RATIO_MIN * largest)
            continue;
        const double at = fmax(s->u[j], 0) / s->rd[j];
        if (at < *ratio) {
            *ratio = at;
            found = j;
        }
    }
    return found;
}

/* The proof: candidate + sum of -rd times the active normals = 0, as multipliers of the rows. */
static void write_proof(const dual *s)
{
    keel_qp *qp = s->qp;
    memset(qp->y, 0, (size_t)qp->m * sizeof *qp->y);
    if (s->candidate < qp->m)
        qp->y[s->candidate] = -s->sign;
    for (int j = 0; j < s->q; j++) {
        const int k = qp->active[j];
        if (k < qp->m)
            qp->y[k] = s->rd[j] * -qp->status[k];
    }
}

static void move(dual *s, double t, bool point_too)
{
    for (int j = 0; j < s->q; j++)
        s->u[j] -= t * s->rd[j];
    s->u[s->q] += t;
    for (int i = 0; i < s->n && point_too; i++)
        s->qp->x[s->qp->pick[i]] += t * s->z[i];
}

/* Satisfy the candidate, letting others go where they must. */
static qp_step satisfy(dual *s, int *budget)
{
    keel_qp *qp = s->qp;
    s->u[s->q] = 0;
    for (; *budget > 0; --*budget) {
        double ratio;
        qp->iterations++;
        directions(s);
        const double whole = keel_la_dot(s->n, s->d, s->d);
        const double own = keel_la_dot(s->n - s->q, s->d + s->q, s->d + s->q);
        const double missing = s->sign * (side_of(s) - value_of(qp, s->candidate));
        const double full = own > DEPENDENT * whole ? missing / own : HUGE_VAL;
        const int out = first_to_go(s, &ratio);
        if (isinf(full) && out < 0)
            return QP_STEP_CONFLICT;
        if (full <= ratio) {
            move(s, full, true);
            take_in(s);
            return QP_STEP_DONE;
        }
        move(s, ratio, !isinf(full));
        let_go(s, out);
    }
    return QP_STEP_UNSETTLED;
}

/* A candidate that cannot be met: a conflict if the proof holds. If not, what holds implies it and
 * only rounding of x says that it is missed: it is left alone. */
static qp_step take_candidate(dual *s, int k, double sign, int *budget)
{
    keel_qp *qp = s->qp;
    keel_qp_answer unused;
    s->candidate = k;
    s->sign = sign;
    const qp_step step = satisfy(s, budget);
    if (step != QP_STEP_CONFLICT)
        return step;
    write_proof(s);
    if (qp_certify_conflict(qp, &unused))
        return QP_STEP_CONFLICT;
    qp->ignored[k] = true;
    return QP_STEP_DONE;
}

int qp_most_missed(const keel_qp *qp, double *sign)
{
    const double size = qp_point_size(qp);
    double worst = QP_FEASIBLE;
    int found = -1;
    for (int k = 0; k < qp->m + qp->n; k++) {
        if (qp->status[k] != 0 || qp->ignored[k] || qp_is_fixed(qp, k))
            continue;
        const double value = value_of(qp, k);
        for (int side = -1; side <= 1; side += 2) {
            const double missed = qp_missed(qp, k, value, side, size);
            if (missed > worst) {
                worst = missed;
                found = k;
                *sign = -side;
            }
        }
    }
    return found;
}

qp_step qp_dual_active_set(keel_qp *qp)
{
    dual s;
    int budget = 100 + 20 * (qp->n + qp->m);
    double sign = 1;
    start(&s, qp);
    if (!unconstrained(&s))
        return QP_STEP_SINGULAR;
    for (int r = 0; r < qp->m; r++) {
        if (!qp_is_fixed(qp, r))
            continue;
        const double above = value_of(qp, r) - qp->lo[r];
        const qp_step step = take_candidate(&s, r, above > 0 ? -1 : 1, &budget);
        if (step != QP_STEP_DONE)
            return step;
    }
    for (int k; (k = qp_most_missed(qp, &sign)) >= 0;) {
        const qp_step step = take_candidate(&s, k, sign, &budget);
        if (step != QP_STEP_DONE)
            return step;
    }
    return QP_STEP_DONE;
}
