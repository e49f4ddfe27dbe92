/* The point itself: moved, corrected, and measured from its own numbers. */
#include "common/num/la/chol.h"
#include "common/num/solve/frontier_internal.h"

#include <math.h>
#include <string.h>

double frontier_gradient_size(const keel_frontier *f)
{
    return frontier_larger(f->scale, f->at * f->mean_scale);
}

void frontier_refresh(keel_frontier *f)
{
    const int n = f->n;
    f->size = frontier_larger(1, keel_la_largest(n, f->w));
    memcpy(f->gradient, f->base_gradient, (size_t)n * sizeof *f->gradient);
    for (int i = 0; i < n; i++) {
        const double off = f->w[i] - f->base[i];
        if (off != 0) /* exact: at the lower side */
            keel_la_add_scaled(n, off, frontier_column(f, i), f->gradient);
    }
    for (int i = 0; i < n; i++)
        f->d[i] = f->gradient[i] - (f->c_from[i] + f->at * f->c_rate[i]);
    for (int r = 0; r < f->m; r++)
        f->row_value[r] = keel_la_dot(n, frontier_row(f, r), f->w);
    for (int q = 0; q < f->held_n; q++)
        keel_la_add_scaled(n, f->y[f->held[q]], frontier_row(f, f->held[q]), f->d);
}

/* One step of iterative refinement of the equality problem of the working set. */
static void correct(keel_frontier *f)
{
    const int k = f->free_n;
    for (int j = 0; j < k; j++)
        f->force[j] = -f->d[f->free[j]];
    for (int q = 0; q < f->held_n; q++) {
        const int r = f->held[q];
        f->side[q] = (f->status[r] < 0 ? f->lo[r] : f->hi[r]) - f->row_value[r];
    }
    keel_tri_solve(k, 1, f->l, f->ld, f->force, f->ld);
    frontier_equality(f, f->force, 0, f->side, f->reply, f->multipliers);
    for (int j = 0; j < k; j++)
        f->w[f->free[j]] += f->reply[j];
    for (int q = 0; q < f->held_n; q++)
        f->y[f->held[q]] += f->multipliers[q];
}

void frontier_move(keel_frontier *f, double by)
{
    f->at += by;
    for (int r = 0; r < f->m; r++) {
        f->lo[r] += by * f->lo_rate[r];
        f->hi[r] += by * f->hi_rate[r];
        f->row_value[r] += by * f->drow[r];
    }
    for (int j = 0; j < f->free_n; j++)
        f->w[f->free[j]] += by * f->dw[j];
    for (int q = 0; q < f->held_n; q++)
        f->y[f->held[q]] += by * f->dy[q];
    keel_la_add_scaled(f->n, by, f->dd, f->d);
}

void frontier_settle(keel_frontier *f, frontier_event event)
{
    correct(f);
    if (event.k >= f->m && event.to != 0) {
        const double side = event.to < 0 ? f->lo[event.k] : f->hi[event.k];
        double *w = &f->w[event.k - f->m];
        *w = fabs(*w - side) <= FRONTIER_NEAR * FRONTIER_TIE * f->size ? side : *w;
    }
    frontier_refresh(f);
}

/* How far the value of a row is past a side. */
static double missed(const keel_frontier *f, int r, double size)
{
    const double lo = f->lo[r], hi = f->hi[r], value = f->row_value[r];
    const double unit = frontier_larger(1, f->row_size[r] * size);
    const double below = isinf(lo) ? 0 : (lo - value) / frontier_larger(unit, fabs(lo));
    const double above = isinf(hi) ? 0 : (value - hi) / frontier_larger(unit, fabs(hi));
    return frontier_larger(below, above);
}

/* A row's multiplier of the wrong sign, or away from its side. */
static double row_error(const keel_frontier *f, int r, double unit, double size)
{
    const double y = f->y[r], side = y > 0 ? f->hi[r] : f->lo[r];
    if (y == 0) /* exact: set when a row is let go */
        return 0;
    if (isinf(side) || (f->turn[r] != 0 && y * f->turn[r] < 0))
        return fabs(y) * f->row_size[r] / unit;
    return fabs(y * (f->row_value[r] - side)) / (unit * size);
}

double frontier_residual(const keel_frontier *f)
{
    const double size = f->size, unit = frontier_gradient_size(f) * size;
    double worst = 0, stationarity = 0;
    for (int r = 0; r < f->m; r++) {
        worst = frontier_larger(worst, missed(f, r, size));
        worst = frontier_larger(worst, row_error(f, r, unit, size));
    }
    for (int i = 0; i < f->n; i++) {
        /* d > 0 is the multiplier of a lower side that holds, d < 0 of an upper one */
        const double lower = f->w[i] - f->lo[f->m + i], upper = f->hi[f->m + i] - f->w[i];
        const double d = f->d[i];
        const bool carried = d > 0 ? !(lower > 0) : !(upper > 0);
        stationarity = frontier_larger(stationarity, carried ? 0 : fabs(d));
        worst = frontier_larger(worst, frontier_larger(-lower, -upper));
    }
    return frontier_larger(worst, stationarity / unit);
}
