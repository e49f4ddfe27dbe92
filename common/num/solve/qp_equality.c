/* The inner problem: everything the status holds is an equality.
 *
 *     S_FF x_F + A_RF' y = c_F - S_FB x_B        F free, B at bounds, R rows held
 *     A_RF x_F           = b_R - A_RB x_B
 *
 * With S_FF = L L', V = L^-1 A_RF' and v = L^-1 (first right-hand side) this is
 * V'V y = V'v - b and x_F = L'^-1 (v - V y). Where S is in factor form there is no L: V and v are
 * then whole, S_FF^-1 of the same, A_RF V y = A_RF v - b and x_F = v - V y. V'V is factored row by
 * row, so that a row the ones before it imply is found and left out; equalities come first, so that
 * they are kept.
 */
#include "common/num/la/la.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

#define REFINE_FROM 1e-14 /* scaled; a clean solve leaves about 1e-16 */
enum { ROUNDS_MAX = 4 };

static int pick_free(keel_qp *qp)
{
    int k = 0;
    for (int i = 0; i < qp->n; i++) {
        if (qp->status[qp->m + i] == 0)
            qp->pick[k++] = i;
    }
    return k;
}

static void place_held(keel_qp *qp)
{
    for (int i = 0; i < qp->n; i++) {
        const signed char side = qp->status[qp->m + i];
        qp->x[i] = side == 0 ? 0 : side > 0 ? qp->hi[qp->m + i] : qp->lo[qp->m + i];
    }
}

static int pick_rows(keel_qp *qp)
{
    int held = 0;
    for (int r = 0; r < qp->m; r++) {
        if (qp_is_fixed(qp, r))
            qp->row_pick[held++] = r;
    }
    for (int r = 0; r < qp->m; r++) {
        if (!qp_is_fixed(qp, r) && qp->status[r] != 0)
            qp->row_pick[held++] = r;
    }
    return held;
}

/* Cholesky of the gram matrix in place, row by row; a dependent row gets the diagonal 0. */
static void factor_rows(int rows, double *gram)
{
    for (int j = 0; j < rows; j++) {
        double *column = gram + (size_t)j * (size_t)rows;
        const double whole = column[j];
        for (int i = j; i < rows; i++) {
            double sum = column[i];
            for (int k = 0; k < j; k++)
                sum -= gram[(size_t)k * (size_t)rows + (size_t)i] *
                       gram[(size_t)k * (size_t)rows + (size_t)j];
            column[i] = sum;
        }
        const double pivot = column[j] > QP_ROW_MIN * whole ? sqrt(column[j]) : 0;
        for (int i = j + 1; i < rows; i++)
            column[i] = pivot > 0 ? column[i] / pivot : 0;
        column[j] = pivot;
    }
}

static void solve_rows(int rows, const double *gram, double *b)
{
    for (int j = 0; j < rows; j++) {
        const double *column = gram + (size_t)j * (size_t)rows;
        b[j] = column[j] > 0 ? b[j] / column[j] : 0;
        for (int i = j + 1; i < rows; i++)
            b[i] -= column[i] * b[j];
    }
    for (int j = rows - 1; j >= 0; j--) {
        const double *column = gram + (size_t)j * (size_t)rows;
        for (int i = j + 1; i < rows; i++)
            b[j] -= column[i] * b[i];
        b[j] = column[j] > 0 ? b[j] / column[j] : 0;
    }
}

static double held_side(const keel_qp *qp, int r)
{
    return qp->status[r] > 0 || qp_is_fixed(qp, r) ? qp->hi[r] : qp->lo[r];
}

/* A_RF S_FF^-1 A_RF', its lower triangle: V'V, or with V whole from the raw columns. */
static void multiply_rows(keel_qp *qp)
{
    const int rows = qp->held_n;
    const size_t k = (size_t)qp->free_n;
    if (!qp_has_factors(qp)) {
        keel_la_gram(qp->free_n, rows, qp->columns, qp->gram);
        return;
    }
    for (int j = 0; j < rows; j++)
        for (int i = j; i < rows; i++)
            qp->gram[(size_t)j * (size_t)rows + (size_t)i] =
                keel_la_dot(qp->free_n, qp->raw + (size_t)i * k, qp->columns + (size_t)j * k);
}

qp_step qp_factor(keel_qp *qp)
{
    const int k = qp->free_n = pick_free(qp), rows = qp->held_n = pick_rows(qp);
    for (int s = 0; s < rows; s++) {
        const double *row = qp->p.a + (size_t)qp->row_pick[s] * (size_t)qp->n;
        double *column = qp->columns + (size_t)s * (size_t)k;
        for (int j = 0; j < k; j++)
            column[j] = row[qp->pick[j]];
    }
    if (!qp_factor_free(qp))
        return QP_STEP_SINGULAR;
    if (qp_has_factors(qp))
        memcpy(qp->raw, qp->columns, (size_t)k * (size_t)rows * sizeof *qp->raw);
    qp_forward(qp, rows, qp->columns);
    multiply_rows(qp);
    factor_rows(rows, qp->gram);
    return QP_STEP_DONE;
}

/* Where v goes: the column behind those of V. */
static double *last_column(keel_qp *qp)
{
    return qp->columns + (size_t)qp->held_n * (size_t)qp->free_n;
}

/* The rest of the system for v and b in place: y in rhs, x_F in the last column. */
static void solve_factored(keel_qp *qp)
{
    const int k = qp->free_n, rows = qp->held_n;
    const keel_la_matrix columns = {k, rows, qp->columns, k};
    const keel_la_matrix raw = {k, rows, qp->raw, k};
    double *v = last_column(qp);
    qp_forward(qp, 1, v);
    keel_la_matvec_t(qp_has_factors(qp) ? raw : columns, 1, v, -1, qp->rhs);
    solve_rows(rows, qp->gram, qp->rhs);
    keel_la_matvec(columns, -1, qp->rhs, 1, v);
    qp_backward(qp, v);
}

/* What the system still lacks, as right-hand sides; the largest, scaled. */
static double lacking(keel_qp *qp)
{
    const int k = qp->free_n, rows = qp->held_n;
    const double size = qp_point_size(qp);
    double *v = last_column(qp);
    double largest = 0;
    for (int j = 0; j < k; j++) {
        v[j] = -qp->gradient[qp->pick[j]];
        largest = qp_larger(largest, fabs(v[j]) / (qp->scale * size));
    }
    for (int s = 0; s < rows; s++) {
        const int r = qp->row_pick[s];
        const bool left_out = !(qp->gram[(size_t)s * (size_t)rows + (size_t)s] > 0);
        qp->rhs[s] = left_out ? 0 : held_side(qp, r) - qp->row_value[r];
        largest = qp_larger(largest, fabs(qp->rhs[s]) / qp_larger(1, qp->row_size[r] * size));
    }
    return largest;
}

/* The solution in its factored places, as full vectors. */
static void scatter(const keel_qp *qp, double *dx, double *dy)
{
    const double *v = qp->columns + (size_t)qp->held_n * (size_t)qp->free_n;
    memset(dx, 0, (size_t)qp->n * sizeof *dx);
    memset(dy, 0, (size_t)qp->m * sizeof *dy);
    for (int j = 0; j < qp->free_n; j++)
        dx[qp->pick[j]] = v[j];
    for (int s = 0; s < qp->held_n; s++)
        dy[qp->row_pick[s]] = qp->rhs[s];
}

/* gradient += S dx + A'dy, row_value += A dx. */
static void add_effect(keel_qp *qp, const double *dx, const double *dy)
{
    const int n = qp->n;
    qp_times(qp, dx, qp->effect);
    for (int i = 0; i < n; i++)
        qp->gradient[i] += qp->effect[i];
    for (int r = 0; r < qp->m; r++) {
        const double *row = qp->p.a + (size_t)r * (size_t)n;
        qp->row_value[r] += keel_la_dot(n, row, dx);
        if (dy[r] != 0) /* exact: a row not held */
            keel_la_add_scaled(n, dy[r], row, qp->gradient);
    }
}

/* One round: what is lacking is solved for and added. */
static void add_solution(keel_qp *qp)
{
    solve_factored(qp);
    scatter(qp, qp->dx, qp->dy);
    for (int i = 0; i < qp->n; i++)
        qp->x[i] += qp->dx[i];
    for (int r = 0; r < qp->m; r++)
        qp->y[r] += qp->dy[r];
    add_effect(qp, qp->dx, qp->dy);
}

void qp_refine(keel_qp *qp)
{
    /* V'V squares the condition of rows that nearly depend on each other, and further rounds win
     * back what that cost */
    for (int round = 1; round < ROUNDS_MAX && qp->free_n > 0 && lacking(qp) > REFINE_FROM; round++)
        add_solution(qp);
}

qp_step qp_equality_solve(keel_qp *qp)
{
    const qp_step step = qp_equality_guess(qp);
    if (step == QP_STEP_DONE)
        qp_refine(qp);
    return step;
}

qp_step qp_equality_guess(keel_qp *qp)
{
    if (qp_factor(qp) != QP_STEP_DONE)
        return QP_STEP_SINGULAR;
    place_held(qp);
    memset(qp->y, 0, (size_t)qp->m * sizeof *qp->y);
    qp_refresh(qp);
    if (qp->free_n > 0 && lacking(qp) > REFINE_FROM)
        add_solution(qp);
    return QP_STEP_DONE;
}

double qp_direction(keel_qp *qp, const double *normal, double *dx, double *dy)
{
    double *v = last_column(qp);
    memset(qp->rhs, 0, (size_t)qp->held_n * sizeof *qp->rhs);
    for (int j = 0; j < qp->free_n; j++)
        v[j] = normal[qp->pick[j]];
    solve_factored(qp);
    scatter(qp, dx, dy);
    return keel_la_dot(qp->n, dx, normal);
}

void qp_refresh(keel_qp *qp)
{
    for (int i = 0; i < qp->n; i++)
        qp->gradient[i] = -qp->linear[i];
    memset(qp->row_value, 0, (size_t)qp->m * sizeof *qp->row_value);
    add_effect(qp, qp->x, qp->y);
}
