/* One step of the walk: where the working set leads, what ends that, and the change it makes. */
#include "common/num/solve/frontier_internal.h"
#include "common/num/solve/qp.h"

#include <math.h>
#include <string.h>

/* Share of the terms of a sum below which what is left of it in an exchange is rounding. */
#define EXCHANGE_NOISE 1e-10
/* Corrections of a step; each takes off what the rounding of the one before has left. */
enum { APPROACHES = 4 };

#define PROOF_REACH 1e3 /* weights are of size 1 */

static double side_rate(const keel_frontier *f, int r, int side)
{
    return side < 0 ? f->lo_rate[r] : f->hi_rate[r];
}

/* Rates of what follows from dw and dy. */
static void follow(keel_frontier *f)
{
    double rows = 0;
    memset(f->dd, 0, (size_t)f->n * sizeof *f->dd);
    memset(f->drow, 0, (size_t)f->m * sizeof *f->drow);
    for (int j = 0; j < f->free_n && f->move_size > 0; j++) {
        const int i = f->free[j];
        keel_la_add_scaled(f->n, f->dw[j], frontier_column(f, i), f->dd);
        for (int r = 0; r < f->m; r++)
            f->drow[r] += f->dw[j] * frontier_row(f, r)[i];
    }
    const double effect = keel_la_largest(f->n, f->dd);
    keel_la_add_scaled(f->n, -1, f->c_rate, f->dd);
    for (int q = 0; q < f->held_n; q++) {
        keel_la_add_scaled(f->n, f->dy[q], frontier_row(f, f->held[q]), f->dd);
        rows = frontier_larger(rows, fabs(f->dy[q]) * f->row_size[f->held[q]]);
    }
    f->rate_scale = effect + f->force_size + rows;
}

bool frontier_direction(keel_frontier *f)
{
    bool sides_move = false;
    memcpy(f->force, f->carried + (size_t)f->m * (size_t)f->ld,
           (size_t)f->free_n * sizeof *f->force);
    for (int q = 0; q < f->held_n; q++) {
        f->side[q] = side_rate(f, f->held[q], f->status[f->held[q]]);
        sides_move = sides_move || f->side[q] != 0; /* exact: 0 is what a side at rest has */
    }
    frontier_equality(f, f->force, f->force_size * f->force_size / f->scale,
                      sides_move ? f->side : NULL, f->dw, f->dy);
    f->move_size = 0;
    for (int j = 0; j < f->free_n; j++)
        f->move_size = frontier_larger(f->move_size, fabs(f->dw[j]));
    follow(f);
    return !(f->move_size > 0);
}

/* Keep what may come first; the list then holds all that the soonest ties with, and some more. */
static void consider(keel_frontier *f, frontier_candidate c)
{
    if (!f->may_go_back)
        c.slack = frontier_larger(c.slack, 0);
    if (c.slack - f->soonest * c.rate > c.tie)
        return;
    f->candidates[f->candidates_n++] = c;
    if (c.slack < f->soonest * c.rate) {
        f->soonest = c.slack / c.rate;
        f->off = fabs(c.slack) / c.tie;
    }
}

static void begin_search(keel_frontier *f)
{
    f->candidates_n = 0;
    f->soonest = HUGE_VAL;
    f->off = HUGE_VAL;
}

/* Of those that tie with the soonest the one of the lowest number. */
static frontier_event first_of(const keel_frontier *f)
{
    frontier_event event = {-1, 0, f->soonest};
    for (int q = 0; q < f->candidates_n; q++) {
        const frontier_candidate *c = &f->candidates[q];
        if ((event.k < 0 || c->k < event.k) && c->slack - f->soonest * c->rate <= c->tie) {
            event.k = c->k;
            event.to = c->to;
        }
    }
    return event;
}

/* The sides of k, whose value changes at `rate`; a rate up to `least` is rounding. */
static void consider_sides(keel_frontier *f, int k, double value, double rate, double least,
                           double tie)
{
    const double lo_rate = k < f->m ? f->lo_rate[k] : 0, hi_rate = k < f->m ? f->hi_rate[k] : 0;
    if (lo_rate - rate > least && !isinf(f->lo[k]))
        consider(f, (frontier_candidate){k, -1, value - f->lo[k], lo_rate - rate, tie});
    if (rate - hi_rate > least && !isinf(f->hi[k]))
        consider(f, (frontier_candidate){k, 1, f->hi[k] - value, rate - hi_rate, tie});
}

static void consider_rows(keel_frontier *f, double size, double gradient_size)
{
    for (int r = 0; r < f->m; r++) {
        const double moves = fabs(f->lo_rate[r]) + fabs(f->hi_rate[r]);
        const double least = FRONTIER_RATE_MIN * (f->row_size[r] * f->move_size + moves);
        if (f->status[r] == 0)
            consider_sides(f, r, f->row_value[r], f->drow[r], least,
                           FRONTIER_TIE * f->row_size[r] * size);
    }
    for (int q = 0; q < f->held_n; q++) {
        const int r = f->held[q];
        const double rate = -f->turn[r] * f->dy[q];
        if (rate * f->row_size[r] > FRONTIER_RATE_MIN * f->rate_scale)
            consider(f, (frontier_candidate){r, 0, f->turn[r] * f->y[r], rate,
                                             FRONTIER_TIE * gradient_size / f->row_size[r]});
    }
}

/* Most are far from their turn, which the first comparison settles. */
static void consider_bounds(keel_frontier *f, double gradient_size)
{
    const double *d = f->d, *dd = f->dd, *turn = f->bound_turn;
    const double least = FRONTIER_RATE_MIN * f->rate_scale, tie = FRONTIER_TIE * gradient_size;
    for (int i = 0; i < f->n; i++) {
        const double rate = turn[i] * dd[i], slack = -turn[i] * d[i];
        if (slack - f->soonest * rate <= tie && rate > least)
            consider(f, (frontier_candidate){f->m + i, 0, slack, rate, tie});
    }
}

static frontier_event search(keel_frontier *f)
{
    const double size = f->size, gradient_size = frontier_gradient_size(f) * size;
    begin_search(f);
    consider_rows(f, size, gradient_size);
    for (int j = 0; j < f->free_n; j++) {
        const int i = f->free[j];
        consider_sides(f, f->m + i, f->w[i], f->dw[j], FRONTIER_RATE_MIN * f->move_size,
                       FRONTIER_TIE * size);
    }
    consider_bounds(f, gradient_size);
    return first_of(f);
}

frontier_event frontier_next(keel_frontier *f)
{
    f->may_go_back = false;
    return search(f);
}

frontier_event frontier_approach(keel_frontier *f, frontier_event event)
{
    frontier_event now = event;
    for (int k = 0; k < APPROACHES; k++) {
        frontier_move(f, now.by);
        frontier_settle(f, now);
        f->may_go_back = true;
        now = search(f);
        f->may_go_back = false;
        if (now.k < 0 || f->off <= FRONTIER_NEAR)
            break;
    }
    return now.k < 0 ? event : now;
}

/* Put w of variable i exactly on its side, where a step has brought it but for rounding; what
 * follows from w is told, so that the next correction sees it. */
static void put_on_side(keel_frontier *f, int i, int to)
{
    const double side = to < 0 ? f->lo[f->m + i] : f->hi[f->m + i];
    const double by = side - f->w[i];
    f->w[i] = side;
    if (by == 0) /* exact: nothing to tell */
        return;
    keel_la_add_scaled(f->n, by, frontier_column(f, i), f->d);
    for (int r = 0; r < f->m; r++)
        f->row_value[r] += by * frontier_row(f, r)[i];
}

/* The multiplier of k may end its status, or not. */
static void set_turn(keel_frontier *f, int k, int turn)
{
    f->turn[k] = (signed char)turn;
    if (k >= f->m)
        f->bound_turn[k - f->m] = turn;
}

static void put_aside(keel_frontier *f, int k)
{
    set_turn(f, k, 0);
    f->any_aside = true;
}

static void set_status(keel_frontier *f, int k, int to)
{
    f->status[k] = (signed char)to;
    set_turn(f, k, frontier_is_fixed(f, k) ? 0 : to);
    if (k >= f->m && to != 0)
        put_on_side(f, k - f->m, to);
    if (k < f->m && to == 0)
        f->y[k] = 0;
}

/* What was refused for depending on the free block may be let in by a smaller one. */
static void forgive(keel_frontier *f)
{
    for (int k = f->m; k < f->m + f->n && f->any_aside; k++)
        set_turn(f, k, frontier_is_fixed(f, k) ? 0 : f->status[k]);
    f->any_aside = false;
}

static void take_in(keel_frontier *f, int k, int side)
{
    if (k < f->m)
        frontier_hold(f, k);
    else
        frontier_leave(f, k - f->m);
    set_status(f, k, side);
    forgive(f);
}

static bool let_go(keel_frontier *f, int k)
{
    if (k < f->m)
        frontier_release(f, k);
    else if (!frontier_enter(f, k - f->m))
        return false;
    set_status(f, k, 0);
    return true;
}

/* What stops a slide first; rates in dw and drow, `way` is that of variable i itself. */
static frontier_event end_of_slide(keel_frontier *f, int i, int way)
{
    const double size = f->size;
    begin_search(f);
    for (int r = 0; r < f->m; r++) {
        f->drow[r] = way * frontier_row(f, r)[i];
        for (int j = 0; j < f->free_n; j++)
            f->drow[r] += f->dw[j] * frontier_row(f, r)[f->free[j]];
        if (f->status[r] == 0)
            consider_sides(f, r, f->row_value[r], f->drow[r],
                           EXCHANGE_NOISE * f->row_size[r] * f->move_size,
                           FRONTIER_TIE * f->row_size[r] * size);
    }
    for (int j = 0; j < f->free_n; j++)
        consider_sides(f, f->m + f->free[j], f->w[f->free[j]], f->dw[j],
                       EXCHANGE_NOISE * f->move_size, FRONTIER_TIE * size);
    consider_sides(f, f->m + i, f->w[i], way, 0, FRONTIER_TIE * size);
    return first_of(f);
}

/* Variable i would gain but depends on the free block: along it variance does not change, so it
 * goes as far as the sides allow, and takes the place of the free variable that stops it. */
static frontier_step slide(keel_frontier *f, int i)
{
    const int k = f->m + i, way = -f->status[k];
    frontier_slide(f, i);
    f->move_size = 1;
    for (int j = 0; j < f->free_n; j++) {
        f->dw[j] *= way;
        f->move_size = frontier_larger(f->move_size, fabs(f->dw[j]));
    }
    const frontier_event stop = end_of_slide(f, i, way);
    put_aside(f, k); /* unless it gets the place */
    if (stop.k < f->m)
        return FRONTIER_MOVED;
    for (int j = 0; j < f->free_n; j++)
        f->w[f->free[j]] += stop.by * f->dw[j];
    f->w[i] += stop.by * way;
    if (stop.k == k) {
        set_status(f, k, stop.to);
    } else {
        take_in(f, stop.k, stop.to);
        if (!let_go(f, k))
            put_aside(f, k);
    }
    frontier_refresh(f);
    return stop.by > FRONTIER_TIE ? FRONTIER_SLID : FRONTIER_MOVED;
}

/* multipliers[] says what held rows the normal of k is made of. Rates of all multipliers for one
 * more unit of that of k, w at rest: y of the held rows in side[], d in dd[]. */
static void exchange_rates(keel_frontier *f, int k, int side)
{
    double size = k < f->m ? f->row_size[k] : 1;
    memset(f->dd, 0, (size_t)f->n * sizeof *f->dd);
    if (k < f->m)
        keel_la_add_scaled(f->n, side, frontier_row(f, k), f->dd);
    for (int q = 0; q < f->held_n; q++) {
        f->side[q] = -side * f->multipliers[q];
        keel_la_add_scaled(f->n, f->side[q], frontier_row(f, f->held[q]), f->dd);
        size += fabs(f->side[q]) * f->row_size[f->held[q]];
    }
    f->rate_scale = size;
}

/* The constraint k depends on those held: one of these has to go for it, the first whose multiplier
 * comes to nothing while that of k grows. */
static frontier_event exchange(keel_frontier *f, int k, int side)
{
    const double gradient_size = frontier_gradient_size(f) * f->size;
    const double least = EXCHANGE_NOISE * f->rate_scale;
    begin_search(f);
    for (int q = 0; q < f->held_n; q++) {
        const int r = f->held[q];
        const double rate = -f->turn[r] * f->side[q];
        if (rate * f->row_size[r] > least)
            consider(f, (frontier_candidate){r, 0, f->turn[r] * f->y[r], rate,
                                             FRONTIER_TIE * gradient_size / f->row_size[r]});
    }
    for (int i = 0; i < f->n; i++) {
        const double rate = f->turn[f->m + i] * f->dd[i];
        if (rate > least)
            consider(f, (frontier_candidate){f->m + i, 0, -f->turn[f->m + i] * f->d[i], rate,
                                             FRONTIER_TIE * gradient_size});
    }
    const frontier_event out = first_of(f);
    if (out.k < 0)
        return out;
    for (int q = 0; q < f->held_n; q++)
        f->y[f->held[q]] += out.by * f->side[q];
    keel_la_add_scaled(f->n, out.by, f->dd, f->d);
    if (k < f->m)
        f->y[k] = out.by * side;
    else
        f->d[k - f->m] = -out.by * side;
    return out;
}

/* Whether the normal of k depends on the rows held, within the free block. A row without a free
 * variable does: what its carried column then holds is rounding, small against what one variable
 * would put there. */
static bool depends(keel_frontier *f, int k)
{
    double usual = 0;
    if (k < f->m) {
        memcpy(f->force, f->carried + (size_t)k * (size_t)f->ld,
               (size_t)f->free_n * sizeof *f->force);
        usual = f->row_size[k] * f->row_size[k] / f->scale;
    } else {
        frontier_unit_force(f, k - f->m, f->force);
    }
    const double whole = frontier_larger(usual, keel_la_dot(f->free_n, f->force, f->force));
    return frontier_project(f, f->force, f->multipliers) <= FRONTIER_ROW_MIN * whole;
}

frontier_step frontier_change(keel_frontier *f, frontier_event event)
{
    f->steps++;
    if (event.to == 0)
        return let_go(f, event.k) ? FRONTIER_MOVED : slide(f, event.k - f->m);
    if (!depends(f, event.k)) {
        take_in(f, event.k, event.to);
        return FRONTIER_MOVED;
    }
    exchange_rates(f, event.k, event.to);
    const frontier_event out = exchange(f, event.k, event.to);
    if (out.k < 0)
        return FRONTIER_DEAD_END;
    if (event.k >= f->m)
        take_in(f, event.k, event.to);
    if (!let_go(f, out.k))
        put_aside(f, out.k); /* refused; a row is met again */
    else if (event.k < f->m)
        take_in(f, event.k, event.to);
    return FRONTIER_MOVED;
}

/* Multiplier times the side it speaks of, at the end of the path. A multiplier without a side can
 * only be rounding: it is charged with the largest point that is thought of. */
static double side_term(const keel_frontier *f, int k, double multiplier)
{
    const bool row = k < f->m;
    const double lo = row ? f->p.row_lo[k] : f->lo[k], hi = row ? f->p.row_hi[k] : f->hi[k];
    const double value = multiplier > 0 ? hi : lo;
    const double reach = PROOF_REACH * (row ? f->row_size[k] : 1);
    return fabs(value) < KEEL_QP_NO_BOUND ? multiplier * value : fabs(multiplier) * reach;
}

/* y from the exchange, z = -A'y for every variable: for any w in the bounds and rows
 * 0 = y'Aw + z'w <= sum of multiplier * its side, which cannot be when the sum is below 0. */
bool frontier_proves_conflict(keel_frontier *f, frontier_event event)
{
    double total = event.k < f->m ? side_term(f, event.k, event.to) : 0, size = fabs(total);
    for (int q = 0; q < f->held_n; q++) {
        const double term = side_term(f, f->held[q], f->side[q]);
        total += term;
        size = frontier_larger(size, fabs(term));
    }
    for (int i = 0; i < f->n; i++) {
        const double term = side_term(f, f->m + i, -f->dd[i]);
        total += term;
        size = frontier_larger(size, fabs(term));
    }
    return total < -KEEL_FRONTIER_TOLERANCE * frontier_larger(1, size);
}
