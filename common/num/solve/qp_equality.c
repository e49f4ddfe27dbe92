/* The inner problem: everything the status holds is an equality.
 *
 *     S_FF x_F + A_RF' y = c_F - S_FB x_B        F free, B at bounds, R rows held
 *     A_RF x_F           = b_R - A_RB x_B
 *
 * With S_FF = L L', V = L^-1 A_RF' and v = L^-1 (first right-hand side) this is
 * V'V y = V'v - b and x_F = L'^-1 (v - V y). V'V is factored row by row, so that a row the ones
 * before it imply is found and left out; equalities come first, so that they are kept.
 */
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

#define REFINE_FROM 1e-14 /* scaled; a clean solve leaves about 1e-16 */
enum { REFINE_MAX = 3 };

static int pick_free(keel_qp *qp)
{
    int k = 0;
    for (int i = 0; i < qp->n; i++) {
        const signed char side = qp->status[qp->m + i];
        qp->x[i] = side == 0 ? 0 : side > 0 ? qp->hi[qp->m + i] : qp->lo[qp->m + i];
        if (side == 0)
            qp->pick[k++] = i;
    }
    return k;
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

/* Right-hand sides before the first solve: v over the columns of A_RF', and b. */
static void gather(keel_qp *qp, int k, int rows)
{
    const int n = qp->n;
    double *v = qp->columns + (size_t)rows * (size_t)k;
    keel_sym_matvec(n, qp->p.s, qp->x, qp->gradient, qp->scratch);
    for (int j = 0; j < k; j++) {
        const int i = qp->pick[j];
        v[j] = (qp->p.c != NULL ? qp->p.c[i] : 0) - qp->gradient[i];
    }
    for (int s = 0; s < rows; s++) {
        const double *row = qp->p.a + (size_t)qp->row_pick[s] * (size_t)n;
        double *column = qp->columns + (size_t)s * (size_t)k;
        for (int j = 0; j < k; j++)
            column[j] = row[qp->pick[j]];
        qp->rhs[s] = held_side(qp, qp->row_pick[s]) - keel_la_dot(n, row, qp->x);
    }
}

/* The rest of the system for V, v = L^-1 (...) and b in place; adds what it finds to x and y. */
static void add_solution(keel_qp *qp, int k, int rows)
{
    double *v = qp->columns + (size_t)rows * (size_t)k;
    if (rows > 0) {
        keel_la_matvec_t(k, rows, 1, qp->columns, k, v, -1, qp->rhs);
        solve_rows(rows, qp->gram, qp->rhs);
        keel_la_matvec(k, rows, -1, qp->columns, k, qp->rhs, 1, v);
        for (int s = 0; s < rows; s++)
            qp->y[qp->row_pick[s]] += qp->rhs[s];
    }
    keel_tri_solve_t(k, 1, qp->block, k, v, k);
    for (int j = 0; j < k; j++)
        qp->x[qp->pick[j]] += v[j];
    qp_refresh(qp);
}

/* What the system still lacks, as new right-hand sides; the largest, scaled. */
static double lacking(keel_qp *qp, int k, int rows)
{
    const double size = qp_point_size(qp);
    double *v = qp->columns + (size_t)rows * (size_t)k;
    double largest = 0;
    for (int j = 0; j < k; j++) {
        v[j] = -qp->gradient[qp->pick[j]];
        largest = fmax(largest, fabs(v[j]) / (qp->scale * size));
    }
    for (int s = 0; s < rows; s++) {
        const int r = qp->row_pick[s];
        const bool left_out = !(qp->gram[(size_t)s * (size_t)rows + (size_t)s] > 0);
        qp->rhs[s] = left_out ? 0 : held_side(qp, r) - qp->row_value[r];
        largest = fmax(largest, fabs(qp->rhs[s]) / fmax(1, qp->row_size[r] * size));
    }
    return largest;
}

qp_step qp_equality_solve(keel_qp *qp)
{
    const int k = pick_free(qp);
    const int rows = pick_rows(qp);
    memset(qp->y, 0, (size_t)qp->m * sizeof *qp->y);
    if (k == 0) {
        qp_refresh(qp);
        return QP_STEP_DONE;
    }
    gather(qp, k, rows);
    keel_sym_block(qp->n, qp->p.s, qp->pick, k, qp->block);
    if (keel_chol_factor(k, qp->block, k, QP_PIVOT_MIN) != KEEL_CHOL_FACTORED)
        return QP_STEP_SINGULAR;
    keel_tri_solve(k, rows + 1, qp->block, k, qp->columns, k);
    keel_la_gram(k, rows, qp->columns, qp->gram);
    factor_rows(rows, qp->gram);
    add_solution(qp, k, rows);
    /* V'V squares the condition of rows that nearly depend on each other; corrections win it back */
    for (int round = 0; round < REFINE_MAX && lacking(qp, k, rows) > REFINE_FROM; round++) {
        keel_tri_solve(k, 1, qp->block, k, qp->columns + (size_t)rows * (size_t)k, k);
        add_solution(qp, k, rows);
    }
    return QP_STEP_DONE;
}

void qp_refresh(keel_qp *qp)
{
    const int n = qp->n;
    keel_sym_matvec(n, qp->p.s, qp->x, qp->gradient, qp->scratch);
    for (int i = 0; i < n && qp->p.c != NULL; i++)
        qp->gradient[i] -= qp->p.c[i];
    for (int r = 0; r < qp->m; r++) {
        const double *row = qp->p.a + (size_t)r * (size_t)n;
        qp->row_value[r] = keel_la_dot(n, row, qp->x);
        if (qp->y[r] == 0) /* exact: a row not held */
            continue;
        for (int i = 0; i < n; i++)
            qp->gradient[i] += qp->y[r] * row[i];
    }
}
