/* The working set: which variables are free, which rows are held, and the factor of both. */
#include "common/num/la/chol.h"
#include "common/num/la/chol_update.h"
#include "common/num/la/sym.h"
#include "common/num/solve/frontier_internal.h"

#include <math.h>
#include <string.h>

/* Of a force's length: what projection leaves of one that the rows take whole. */
#define PROJECTION_NOISE 1e-11

static keel_la_matrix carried_of(const keel_frontier *f)
{
    return (keel_la_matrix){f->free_n, f->m + 1, f->carried, f->ld};
}

static double *carried_column(const keel_frontier *f, int r)
{
    return f->carried + (size_t)r * (size_t)f->ld;
}

const double *frontier_column(keel_frontier *f, int i)
{
    const int n = f->n;
    if (f->column_at[i] < 0)
        f->column_at[i] = f->columns_n++;
    else
        return f->columns + (size_t)f->column_at[i] * (size_t)n;
    double *to = f->columns + (size_t)f->column_at[i] * (size_t)n;
    const double *from = f->p.s + i;
    for (int j = 0; j < i; j++) {
        to[j] = *from;
        from += n - j - 1;
    }
    memcpy(to + i, from, (size_t)(n - i) * sizeof *to);
    return to;
}

void frontier_clear(keel_frontier *f)
{
    f->free_n = f->held_n = 0;
    f->gram_holds = false;
    f->extra = 0;
    for (int i = 0; i < f->n; i++)
        f->position[i] = -1;
}

/* Column of the free block for i: S, and a a' of the equality rows once they are added. */
static void block_column(keel_frontier *f, int i)
{
    const double *s = frontier_column(f, i);
    const int k = f->free_n;
    for (int j = 0; j < k; j++)
        f->column[j] = s[f->free[j]];
    f->column[k] = s[i];
    for (int r = 0; r < f->m && f->extra > 0; r++) {
        const double *row = frontier_row(f, r);
        const double by = f->extra * f->row_extra[r] * row[i];
        for (int j = 0; j < k && by != 0; j++) /* exact: a row without i adds nothing */
            f->column[j] += by * row[f->free[j]];
        f->column[k] += by * row[i];
    }
}

static bool append(keel_frontier *f, int i)
{
    block_column(f, i);
    if (keel_chol_append(f->free_n, f->l, f->ld, f->column, FRONTIER_PIVOT_MIN) !=
        KEEL_CHOL_FACTORED)
        return false;
    for (int r = 0; r < f->m; r++)
        f->coefficients[r] = frontier_row(f, r)[i];
    f->coefficients[f->m] = f->c_rate[i];
    keel_chol_append_carried(f->l, f->ld, carried_of(f), f->coefficients);
    f->position[i] = f->free_n;
    f->free[f->free_n++] = i;
    f->gram_holds = false;
    return true;
}

/* The block is definite without the added rows, so it is with them; a pivot that rounding takes
 * below the limit all the same leaves what was there before. */
static bool append_all(keel_frontier *f, int count)
{
    f->free_n = 0;
    for (int j = 0; j < count; j++)
        f->position[f->free[j]] = -1;
    for (int j = 0; j < count; j++) {
        if (!append(f, f->free[j]))
            return false;
    }
    return true;
}

static bool add_rows_to_block(keel_frontier *f)
{
    const int count = f->free_n;
    bool any = false;
    double mean_diagonal = 0;
    for (int r = 0; r < f->m; r++) {
        const bool equality = frontier_is_fixed(f, r);
        f->row_extra[r] = equality ? 1 / (f->row_size[r] * f->row_size[r]) : 0;
        any = any || equality;
    }
    if (!any || f->extra > 0)
        return false;
    for (int i = 0; i < f->n; i++)
        mean_diagonal += f->p.s[keel_sym_at(f->n, i, i)] / f->n;
    f->extra = mean_diagonal;
    if (f->extra > 0 && append_all(f, count))
        return true;
    f->extra = 0;
    (void)append_all(f, count); /* it has passed before; if not again, no corner will certify */
    return false;
}

bool frontier_enter(keel_frontier *f, int i)
{
    return append(f, i) || (add_rows_to_block(f) && append(f, i));
}

void frontier_slide(keel_frontier *f, int i)
{
    block_column(f, i);
    for (int j = 0; j < f->free_n; j++)
        f->force[j] = -f->column[j];
    for (int q = 0; q < f->held_n; q++)
        f->side[q] = -frontier_row(f, f->held[q])[i];
    keel_tri_solve(f->free_n, 1, f->l, f->ld, f->force, f->ld);
    frontier_equality(f, f->force, 0, f->side, f->dw, f->dy);
}

void frontier_leave(keel_frontier *f, int i)
{
    const int at = f->position[i];
    keel_chol_delete(f->free_n, f->l, f->ld, at, carried_of(f));
    f->free_n--;
    f->gram_holds = false;
    for (int j = at; j < f->free_n; j++) {
        f->free[j] = f->free[j + 1];
        f->position[f->free[j]] = j;
    }
    f->position[i] = -1;
}

void frontier_hold(keel_frontier *f, int r)
{
    int at = f->held_n++;
    for (; at > 0 && f->held[at - 1] > r; at--)
        f->held[at] = f->held[at - 1];
    f->held[at] = r;
    f->gram_holds = false;
}

void frontier_release(keel_frontier *f, int r)
{
    int kept = 0;
    for (int q = 0; q < f->held_n; q++) {
        if (f->held[q] != r)
            f->held[kept++] = f->held[q];
    }
    f->held_n = kept;
    f->gram_holds = false;
}

void frontier_recarry(keel_frontier *f)
{
    double *to = carried_column(f, f->m);
    for (int j = 0; j < f->free_n; j++)
        to[j] = f->c_rate[f->free[j]];
    keel_tri_solve(f->free_n, 1, f->l, f->ld, to, f->ld);
}

/* Factor of V'V. Rows are held only when they passed the test of independence, so a pivot fails at
 * most by the rounding that the test allows; 0 as the limit then still gives a factor. */
static void factor_gram(keel_frontier *f)
{
    const int r = f->held_n;
    if (f->gram_holds)
        return;
    f->gram_holds = true;
    for (int q = 0; q < r; q++) {
        const double *v = carried_column(f, f->held[q]);
        for (int p = q; p < r; p++)
            f->gram[q * r + p] = keel_la_dot(f->free_n, v, carried_column(f, f->held[p]));
    }
    if (keel_chol_factor(r, f->gram, r > 0 ? r : 1, 0) == KEEL_CHOL_FACTORED)
        return;
    for (int q = 0; q < r; q++) { /* no use of the rows at all: the residual will show it */
        memset(f->gram + q * r, 0, (size_t)r * sizeof *f->gram);
        f->gram[q * r + q] = HUGE_VAL;
    }
}

/* force -= V (V'V)^-1 V'force; adds the coefficients to multipliers. */
static void take_rows_out(keel_frontier *f, double *force, double *multipliers)
{
    const int r = f->held_n;
    for (int q = 0; q < r; q++)
        f->coefficients[q] = keel_la_dot(f->free_n, carried_column(f, f->held[q]), force);
    keel_chol_solve(r, 1, f->gram, r > 0 ? r : 1, f->coefficients, r > 0 ? r : 1);
    for (int q = 0; q < r; q++) {
        multipliers[q] += f->coefficients[q];
        keel_la_add_scaled(f->free_n, -f->coefficients[q], carried_column(f, f->held[q]), force);
    }
}

double frontier_project(keel_frontier *f, double *force, double *multipliers)
{
    factor_gram(f);
    memset(multipliers, 0, (size_t)f->held_n * sizeof *multipliers);
    take_rows_out(f, force, multipliers);
    take_rows_out(f, force, multipliers); /* once more: what the first left is rounding */
    if (f->free_n == f->held_n)           /* the rows span all there is */
        memset(force, 0, (size_t)f->free_n * sizeof *force);
    return keel_la_dot(f->free_n, force, force);
}

void frontier_equality(keel_frontier *f, double *force, double usual, const double *side, double *x,
                       double *y)
{
    const int k = f->free_n, r = f->held_n;
    const double whole = frontier_larger(keel_la_dot(k, force, force), usual);
    if (frontier_project(f, force, y) <= PROJECTION_NOISE * PROJECTION_NOISE * whole)
        memset(force, 0, (size_t)k * sizeof *force);
    if (side != NULL && r > 0) {
        memcpy(f->coefficients, side, (size_t)r * sizeof *side);
        keel_chol_solve(r, 1, f->gram, r, f->coefficients, r);
        for (int q = 0; q < r; q++) {
            keel_la_add_scaled(k, f->coefficients[q], carried_column(f, f->held[q]), force);
            y[q] += f->extra * f->row_extra[f->held[q]] * side[q] - f->coefficients[q];
        }
    }
    memcpy(x, force, (size_t)k * sizeof *x);
    keel_tri_solve_t(k, 1, f->l, f->ld, x, f->ld);
}

void frontier_unit_force(keel_frontier *f, int i, double *force)
{
    const int k = f->free_n, at = f->position[i];
    memset(force, 0, (size_t)k * sizeof *force);
    force[at] = 1;
    keel_tri_solve(k - at, 1, f->l + (size_t)at * (size_t)f->ld + at, f->ld, force + at, f->ld);
}
