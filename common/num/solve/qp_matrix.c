/* S in its three shapes: packed, as a square, as factors; and what is solved with its free block.
 *
 * In factor form the free block is D + B B' = D^1/2 (I + E E') D^1/2 with E = D^-1/2 B, so that
 * (D + B B')^-1 = D^-1/2 (I - E (I + E'E)^-1 E') D^-1/2 (Woodbury 1950): one small factor. */
#include "common/num/la/chol.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/solve/qp_internal.h"

#include <math.h>
#include <string.h>

static double diagonal(const keel_qp *qp, int i)
{
    if (!qp_has_factors(qp))
        return qp->p.s[keel_sym_at(qp->n, i, i)];
    const double *b = qp->p.loadings + (size_t)i * (size_t)qp->p.factors;
    return qp->p.specific[i] + keel_la_dot(qp->p.factors, b, b);
}

double qp_largest_diagonal(const keel_qp *qp)
{
    double largest = 0;
    for (int i = 0; i < qp->n; i++)
        largest = qp_larger(largest, diagonal(qp, i));
    return largest;
}

/* Columns of what is not 0; from a third of them on the whole triangle is cheaper. */
static void times_square(const keel_qp *qp, const double *x, double *y)
{
    const int n = qp->n;
    int held = 0;
    for (int i = 0; i < n; i++)
        held += x[i] != 0; /* exact: a bound at zero contributes nothing */
    if (3 * held > n) {
        keel_la_symmetric(n, qp->p.square, x, y);
        return;
    }
    memset(y, 0, (size_t)n * sizeof *y);
    for (int j = 0; j < n; j++)
        if (x[j] != 0) /* exact, as above */
            keel_la_add_scaled(n, x[j], qp->p.square + (size_t)j * (size_t)n, y);
}

/* D x + B (B'x): rows of what is not 0, then all. */
static void times_factors(const keel_qp *qp, const double *x, double *y)
{
    const int n = qp->n, factors = qp->p.factors;
    bool any = false;
    memset(qp->along, 0, (size_t)factors * sizeof *qp->along);
    for (int i = 0; i < n; i++) {
        y[i] = qp->p.specific[i] * x[i];
        if (x[i] == 0) /* exact: a bound at zero contributes nothing */
            continue;
        any = true;
        keel_la_add_scaled(factors, x[i], qp->p.loadings + (size_t)i * (size_t)factors, qp->along);
    }
    /* by rows is the transpose by columns */
    const keel_la_matrix by_rows = {factors, n, (double *)(uintptr_t)qp->p.loadings, factors};
    if (any && factors > 0)
        keel_la_matvec_t(by_rows, 1, qp->along, 1, y);
}

void qp_times(keel_qp *qp, const double *x, double *y)
{
    if (qp_has_factors(qp))
        times_factors(qp, x, y);
    else if (qp->p.square != NULL)
        times_square(qp, x, y);
    else
        keel_sym_matvec(qp->n, qp->p.s, x, y, qp->scratch);
    for (int i = 0; i < qp->n && qp->prox > 0; i++)
        y[i] += qp->prox * x[i];
}

static void block_of_square(const keel_qp *qp, int k, double *block)
{
    for (int j = 0; j < k; j++) {
        const double *column = qp->p.square + (size_t)qp->pick[j] * (size_t)qp->n;
        double *to = block + (size_t)j * (size_t)k;
        for (int i = j; i < k; i++)
            to[i] = column[qp->pick[i]];
    }
}

void qp_block(keel_qp *qp, int k, double *block)
{
    if (qp->p.square != NULL)
        block_of_square(qp, k, block);
    else
        keel_sym_block(qp->n, qp->p.s, qp->pick, k, block);
    for (int j = 0; j < k && qp->prox > 0; j++)
        block[(size_t)j * (size_t)k + (size_t)j] += qp->prox;
}

/* E by columns, and the factor of I + E'E. */
static bool factor_factors(keel_qp *qp)
{
    const int k = qp->free_n, factors = qp->p.factors;
    for (int j = 0; j < k; j++) {
        const int i = qp->pick[j];
        const double own = qp->p.specific[i] + qp->prox;
        const double *b = qp->p.loadings + (size_t)i * (size_t)factors;
        if (!(own > QP_PIVOT_MIN * (own + keel_la_dot(factors, b, b))))
            return false;
        qp->inverse[j] = 1 / sqrt(own);
        for (int f = 0; f < factors; f++)
            qp->block[(size_t)f * (size_t)k + (size_t)j] = qp->inverse[j] * b[f];
    }
    keel_la_gram(k, factors, qp->block, qp->inner);
    for (int f = 0; f < factors; f++)
        qp->inner[(size_t)f * (size_t)factors + (size_t)f] += 1;
    return keel_chol_factor(factors, qp->inner, factors, 0) == KEEL_CHOL_FACTORED;
}

static void solve_factors(keel_qp *qp, double *b)
{
    const int k = qp->free_n, factors = qp->p.factors;
    const keel_la_matrix e = {k, factors, qp->block, k};
    for (int j = 0; j < k; j++)
        b[j] *= qp->inverse[j];
    keel_la_matvec_t(e, 1, b, 0, qp->along);
    keel_chol_solve(factors, 1, qp->inner, factors, qp->along, factors);
    keel_la_matvec(e, -1, qp->along, 1, b);
    for (int j = 0; j < k; j++)
        b[j] *= qp->inverse[j];
}

bool qp_factor_free(keel_qp *qp)
{
    const int k = qp->free_n;
    if (qp_has_factors(qp))
        return factor_factors(qp);
    qp_block(qp, k, qp->block);
    return keel_chol_factor(k, qp->block, k, QP_PIVOT_MIN) == KEEL_CHOL_FACTORED;
}

void qp_forward(keel_qp *qp, int nrhs, double *b)
{
    const int k = qp->free_n;
    if (!qp_has_factors(qp)) {
        keel_tri_solve(k, nrhs, qp->block, k, b, k);
        return;
    }
    for (int r = 0; r < nrhs; r++)
        solve_factors(qp, b + (size_t)r * (size_t)k);
}

void qp_backward(keel_qp *qp, double *b)
{
    if (!qp_has_factors(qp))
        keel_tri_solve_t(qp->free_n, 1, qp->block, qp->free_n, b, qp->free_n);
}
