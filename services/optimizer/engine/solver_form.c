/* The covariance in its two shapes, and what the family of problems makes of it. */
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "services/optimizer/engine/solver_internal.h"

#include <math.h>
#include <string.h>

static double variance_of(const keel_problem *p, int i)
{
    if (p->covariance != NULL)
        return p->covariance[keel_sym_at(p->n, i, i)];
    const double *b = p->loadings + (size_t)i * (size_t)p->factors;
    return p->specific[i] + keel_la_dot(p->factors, b, b);
}

void solver_read_variances(keel_solver *s)
{
    for (int i = 0; i < s->p->n; i++)
        s->variances[i] = variance_of(s->p, i);
}

/* D x + B (B'x), B by rows. */
static void times_factors(const keel_problem *p, const double *x, double *y)
{
    double along[KEEL_PROBLEM_FACTORS_MAX] = {0};
    for (int i = 0; i < p->n; i++)
        if (x[i] != 0) /* exact: nothing is held */
            keel_la_add_scaled(p->factors, x[i], p->loadings + (size_t)i * (size_t)p->factors,
                               along);
    for (int i = 0; i < p->n; i++)
        y[i] = p->specific[i] * x[i] +
               keel_la_dot(p->factors, p->loadings + (size_t)i * (size_t)p->factors, along);
}

void keel_problem_times(const keel_problem *p, const double *x, double *y, int *scratch)
{
    if (p->covariance != NULL)
        keel_sym_matvec(p->n, p->covariance, x, y, scratch);
    else
        times_factors(p, x, y);
}

void solver_times(keel_solver *s, const double *x, double *y)
{
    keel_problem_times(s->p, x, y, s->scratch);
}

static solver_form packed_form(keel_solver *s, solver_prices at)
{
    const int n = s->p->n;
    const size_t len = keel_sym_len(n);
    for (size_t k = 0; k < len; k++)
        s->matrix[k] = s->nearest ? at.nu * s->p->covariance[k] : 0;
    for (int i = 0; i < n && s->nearest; i++)
        s->matrix[keel_sym_at(n, i, i)] += at.v;
    return (solver_form){.packed = s->matrix, .checked = true};
}

static solver_form factor_form(keel_solver *s, solver_prices at)
{
    const keel_problem *p = s->p;
    const bool some = s->nearest && at.nu > 0;
    const size_t len = some ? (size_t)p->n * (size_t)p->factors : 0;
    for (int i = 0; i < p->n; i++)
        s->matrix[i] = s->nearest ? at.v + at.nu * p->specific[i] : 0;
    for (size_t k = 0; k < len; k++)
        s->scaled[k] = sqrt(at.nu) * p->loadings[k];
    return (solver_form){.factors = some ? p->factors : 0,
                         .loadings = s->scaled,
                         .specific = s->matrix,
                         .checked = true};
}

solver_form solver_form_of(keel_solver *s, solver_prices at, double *unit)
{
    const keel_problem *p = s->p;
    const bool whole = s->nearest ? at.v == 0 && at.nu > 0 : at.v + at.nu > 0;
    *unit = !whole ? 1 : s->nearest ? at.nu : at.v + at.nu;
    if (!whole)
        return p->covariance != NULL ? packed_form(s, at) : factor_form(s, at);
    return (solver_form){.packed = p->covariance,
                         .square = p->square,
                         .factors = p->factors,
                         .loadings = p->loadings,
                         .specific = p->specific,
                         .checked = p->checked};
}
