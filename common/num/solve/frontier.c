#include "common/num/solve/frontier.h"

#include "common/base/mem.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/solve/frontier_internal.h"
#include "common/num/solve/qp.h"

#include <math.h>
#include <string.h>

/* Bound on steps: up to 4 for each constraint are usual, more only where rounding decides ties. */
enum { STEPS_PER_CONSTRAINT = 32, STEPS_MIN = 256 };

static void new_problem(keel_frontier *f, size_t n, size_t m)
{
    f->lo = keel_xcalloc(m + n, sizeof *f->lo);
    f->hi = keel_xcalloc(m + n, sizeof *f->hi);
    f->lo_rate = keel_xcalloc(m, sizeof *f->lo_rate);
    f->hi_rate = keel_xcalloc(m, sizeof *f->hi_rate);
    f->c_from = keel_xcalloc(n, sizeof *f->c_from);
    f->c_rate = keel_xcalloc(n, sizeof *f->c_rate);
    f->row_size = keel_xcalloc(m, sizeof *f->row_size);
    f->row_extra = keel_xcalloc(m, sizeof *f->row_extra);
    f->base = keel_xcalloc(n, sizeof *f->base);
    f->base_gradient = keel_xcalloc(n, sizeof *f->base_gradient);
}

static void new_working_set(keel_frontier *f, size_t n, size_t m)
{
    const size_t ld = (size_t)f->ld;
    f->status = keel_xcalloc(m + n, sizeof *f->status);
    f->turn = keel_xcalloc(m + n, sizeof *f->turn);
    f->bound_turn = keel_xcalloc(n, sizeof *f->bound_turn);
    f->free = keel_xcalloc(n, sizeof *f->free);
    f->position = keel_xcalloc(n, sizeof *f->position);
    f->held = keel_xcalloc(m, sizeof *f->held);
    f->l = keel_xcalloc(ld * n, sizeof *f->l);
    f->carried = keel_xcalloc(ld * (m + 1), sizeof *f->carried);
    f->gram = keel_xcalloc(m * m, sizeof *f->gram);
    f->columns = keel_xcalloc(n * n, sizeof *f->columns);
    f->column_at = keel_xcalloc(n, sizeof *f->column_at);
}

static void new_point(keel_frontier *f, size_t n, size_t m)
{
    f->w = keel_xcalloc(n, sizeof *f->w);
    f->y = keel_xcalloc(m, sizeof *f->y);
    f->gradient = keel_xcalloc(n, sizeof *f->gradient);
    f->d = keel_xcalloc(n, sizeof *f->d);
    f->row_value = keel_xcalloc(m, sizeof *f->row_value);
    f->dw = keel_xcalloc(n, sizeof *f->dw);
    f->dy = keel_xcalloc(m, sizeof *f->dy);
    f->dd = keel_xcalloc(n, sizeof *f->dd);
    f->drow = keel_xcalloc(m, sizeof *f->drow);
    f->force = keel_xcalloc(n, sizeof *f->force);
    f->reply = keel_xcalloc(n, sizeof *f->reply);
    f->side = keel_xcalloc(m, sizeof *f->side);
    f->multipliers = keel_xcalloc(m, sizeof *f->multipliers);
    f->column = keel_xcalloc(n + 1, sizeof *f->column);
    f->coefficients = keel_xcalloc(m + 1, sizeof *f->coefficients);
    f->candidates = keel_xcalloc(2 * (m + n), sizeof *f->candidates);
    f->scratch = keel_xcalloc(n, sizeof *f->scratch);
}

keel_frontier *keel_frontier_new(int n_max, int m_max, int corners_max)
{
    if (n_max < 1 || n_max > KEEL_FRONTIER_N_MAX || m_max < 0 || m_max > KEEL_FRONTIER_M_MAX ||
        corners_max < 2 || corners_max > KEEL_FRONTIER_CORNERS_MAX)
        return NULL;
    const size_t n = (size_t)n_max, m = (size_t)m_max, corners = (size_t)corners_max;
    keel_frontier *f = keel_xcalloc(1, sizeof *f);
    keel_la_init();
    f->n_max = n_max;
    f->m_max = m_max;
    f->corners_max = corners_max;
    f->ld = ((n_max + 7) / 8 | 1) * 8; /* an odd number of cache lines: columns do not collide */
    new_problem(f, n, m);
    new_working_set(f, n, m);
    new_point(f, n, m);
    f->corner_t = keel_xcalloc(corners, sizeof *f->corner_t);
    f->corner_mean = keel_xcalloc(corners, sizeof *f->corner_mean);
    f->corner_variance = keel_xcalloc(corners, sizeof *f->corner_variance);
    f->corner_residual = keel_xcalloc(corners, sizeof *f->corner_residual);
    f->corner_w = keel_xcalloc(corners * n, sizeof *f->corner_w);
    f->corner_y = keel_xcalloc(corners * m, sizeof *f->corner_y);
    return f;
}

void keel_frontier_free(keel_frontier **frontier)
{
    keel_frontier *f = *frontier;
    if (f == NULL)
        return;
    void *owned[] = {f->lo,
                     f->hi,
                     f->lo_rate,
                     f->hi_rate,
                     f->c_from,
                     f->c_rate,
                     f->row_size,
                     f->row_extra,
                     f->base,
                     f->status,
                     f->base_gradient,
                     f->turn,
                     f->free,
                     f->position,
                     f->held,
                     f->l,
                     f->carried,
                     f->gram,
                     f->columns,
                     f->column_at,
                     f->w,
                     f->y,
                     f->gradient,
                     f->d,
                     f->row_value,
                     f->dw,
                     f->dy,
                     f->dd,
                     f->drow,
                     f->force,
                     f->reply,
                     f->side,
                     f->multipliers,
                     f->column,
                     f->coefficients,
                     f->candidates,
                     f->scratch,
                     f->corner_t,
                     f->corner_residual,
                     f->corner_variance,
                     f->corner_w,
                     f->corner_mean,
                     f->corner_y,
                     f->bound_turn};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        keel_free(&owned[i]);
    keel_free(frontier);
}

static keel_status check_sides(const double *lo, const double *hi, int count)
{
    for (int k = 0; k < count; k++) {
        if (isnan(lo[k]) || isnan(hi[k]) || lo[k] == HUGE_VAL || hi[k] == -HUGE_VAL)
            return KEEL_ENONFINITE;
        if (lo[k] >= KEEL_QP_NO_BOUND || hi[k] <= -KEEL_QP_NO_BOUND || lo[k] > hi[k])
            return KEEL_ERANGE;
    }
    return KEEL_OK;
}

static keel_status check(const keel_frontier *f, const keel_frontier_problem *p)
{
    if (p->n < 1 || p->n > f->n_max || p->m < 0 || p->m > f->m_max)
        return KEEL_ERANGE;
    if (!keel_la_all_finite((int)keel_sym_len(p->n), p->s) || !keel_la_all_finite(p->n, p->mean) ||
        (p->m > 0 && !keel_la_all_finite(p->m * p->n, p->a)))
        return KEEL_ENONFINITE;
    for (int i = 0; i < p->n; i++) {
        if (p->s[keel_sym_at(p->n, i, i)] < 0)
            return KEEL_ERANGE;
    }
    KEEL_TRY(check_sides(p->lower, p->upper, p->n));
    return check_sides(p->row_lo, p->row_hi, p->m);
}

static void set_sides(keel_frontier *f, int k, double lo, double hi)
{
    f->lo[k] = lo <= -KEEL_QP_NO_BOUND ? -HUGE_VAL : lo;
    f->hi[k] = hi >= KEEL_QP_NO_BOUND ? HUGE_VAL : hi;
}

static void take_problem(keel_frontier *f, const keel_frontier_problem *p)
{
    const int n = p->n, m = p->m;
    f->p = *p;
    f->n = n;
    f->m = m;
    f->corners = f->steps = f->start_steps = f->columns_n = 0;
    f->flat = f->any_aside = false;
    f->scale = f->mean_scale = 0;
    for (int i = 0; i < n; i++) {
        f->column_at[i] = -1;
        f->scale = frontier_larger(f->scale, p->s[keel_sym_at(n, i, i)]);
        f->mean_scale = frontier_larger(f->mean_scale, fabs(p->mean[i]));
        set_sides(f, m + i, p->lower[i], p->upper[i]);
    }
    for (int r = 0; r < m; r++) {
        const double *row = frontier_row(f, r);
        f->row_size[r] = 0;
        for (int i = 0; i < n; i++)
            f->row_size[r] = frontier_larger(f->row_size[r], fabs(row[i]));
        if (!(f->row_size[r] > 0))
            f->row_size[r] = 1;
        f->y[r] = f->lo_rate[r] = f->hi_rate[r] = 0;
        f->status[r] = f->turn[r] = 0;
        set_sides(f, r, p->row_lo[r], p->row_hi[r]);
    }
    f->scale = f->scale > 0 ? f->scale : 1;
    frontier_clear(f);
}

/* Every variable at a side, the lower one where there is one. */
static void place(keel_frontier *f)
{
    for (int i = 0; i < f->n; i++) {
        const int k = f->m + i;
        const bool has_lower = !isinf(f->lo[k]), has_upper = !isinf(f->hi[k]);
        f->status[k] = has_lower ? -1 : has_upper ? 1 : 0;
        f->turn[k] = frontier_is_fixed(f, k) ? 0 : f->status[k];
        f->bound_turn[i] = f->turn[k];
        f->base[i] = has_lower ? f->lo[k] : 0;
        f->w[i] = has_lower ? f->lo[k] : has_upper ? f->hi[k] : 0;
        f->c_from[i] = f->c_rate[i] = 0;
    }
    keel_sym_matvec(f->n, f->p.s, f->base, f->base_gradient, f->scratch);
    f->at = 0;
    frontier_refresh(f);
}

/* The multipliers at the start are the variances and their mean: bounds are worth least where the
 * variance is small, so that the path takes in first what a small variance will hold. */
static void start_force(keel_frontier *f)
{
    double mean_variance = 0;
    f->force_size = 0;
    for (int i = 0; i < f->n; i++)
        mean_variance += f->p.s[keel_sym_at(f->n, i, i)] / f->n;
    mean_variance = mean_variance > 0 ? mean_variance : 1;
    for (int i = 0; i < f->n; i++) {
        const double own = f->p.s[keel_sym_at(f->n, i, i)] + mean_variance;
        f->d[i] = -f->status[f->m + i] * own;
        f->c_from[i] = f->gradient[i] - f->d[i];
        f->c_rate[i] = -f->c_from[i];
        f->force_size = frontier_larger(f->force_size, fabs(f->c_rate[i]));
    }
}

/* Sides that the start misses begin beyond it, at distances that differ from row to row so that
 * they are not all met at once; an equality begins at the start's own value. */
static void start_rows(keel_frontier *f)
{
    for (int r = 0; r < f->m; r++) {
        const double value = f->row_value[r], share = (r + 1.0) / f->m;
        const double below = f->lo[r] - value, above = value - f->hi[r];
        if (frontier_is_fixed(f, r)) {
            f->lo_rate[r] = f->hi_rate[r] = f->lo[r] - value;
            f->lo[r] = f->hi[r] = value;
        } else if (below > 0) {
            f->lo_rate[r] = below * (1 + share);
            f->lo[r] = value - below * share;
        } else if (above > 0) {
            f->hi_rate[r] = -above * (1 + share);
            f->hi[r] = value + above * share;
        }
    }
}

static bool start(keel_frontier *f)
{
    place(f);
    start_force(f);
    start_rows(f);
    for (int i = 0; i < f->n; i++) {
        if (f->status[f->m + i] == 0 && !frontier_enter(f, i))
            return false;
    }
    return true;
}

static bool may_step(const keel_frontier *f)
{
    return f->steps < STEPS_PER_CONSTRAINT * (f->n + f->m) + STEPS_MIN;
}

/* From the start to the problem of t = 0. What would happen only at its very end is left to the
 * frontier: there it is a tie at t = 0, while past the end there may be no point at all. */
static keel_frontier_outcome walk_to_foot(keel_frontier *f)
{
    while (may_step(f)) {
        (void)frontier_direction(f);
        frontier_event event = frontier_next(f);
        if (event.k < 0 || event.by >= 1 - f->at - FRONTIER_TIE) {
            frontier_move(f, 1 - f->at);
            return KEEL_FRONTIER_WHOLE;
        }
        if (event.by > 0)
            event = frontier_approach(f, event);
        if (frontier_change(f, event) == FRONTIER_DEAD_END)
            return frontier_proves_conflict(f, event) ? KEEL_FRONTIER_INFEASIBLE
                                                      : KEEL_FRONTIER_STEP_LIMIT;
    }
    return KEEL_FRONTIER_STEP_LIMIT;
}

static void turn_to_frontier(keel_frontier *f)
{
    f->start_steps = f->steps;
    f->force_size = f->mean_scale;
    f->at = 0;
    for (int r = 0; r < f->m; r++) {
        f->lo_rate[r] = f->hi_rate[r] = 0;
        set_sides(f, r, f->p.row_lo[r], f->p.row_hi[r]);
    }
    for (int i = 0; i < f->n; i++) {
        f->c_from[i] = 0;
        f->c_rate[i] = f->p.mean[i];
    }
    frontier_recarry(f);
    frontier_refresh(f);
    frontier_settle(f, (frontier_event){.k = -1});
}

/* Write down where the walk is. A corner on the way of weights that rest, both before and after it,
 * is none: the next one takes its place. */
static keel_frontier_outcome note_corner(keel_frontier *f, bool flat)
{
    const size_t n = (size_t)f->n, m = (size_t)f->m;
    if (flat && f->flat)
        f->corners--;
    if (f->corners == f->corners_max)
        return KEEL_FRONTIER_CORNERS_FULL;
    const size_t at = (size_t)f->corners++;
    f->flat = flat;
    f->corner_t[at] = f->at;
    f->corner_mean[at] = keel_la_dot(f->n, f->p.mean, f->w);
    f->corner_variance[at] = frontier_larger(0, keel_la_dot(f->n, f->w, f->gradient));
    f->corner_residual[at] = frontier_residual(f);
    /* what is cut off here is rounding that the residual has counted */
    memcpy(f->corner_w + at * n, f->w, n * sizeof *f->w);
    for (int j = 0; j < f->free_n; j++) {
        const size_t i = (size_t)f->free[j];
        f->corner_w[at * n + i] = fmin(fmax(f->w[i], f->lo[m + i]), f->hi[m + i]);
    }
    for (size_t r = 0; r < m; r++)
        f->corner_y[at * m + r] = f->y[r] * f->turn[r] < 0 ? 0 : f->y[r];
    return f->corner_residual[at] <= KEEL_FRONTIER_TOLERANCE ? KEEL_FRONTIER_WHOLE
                                                             : KEEL_FRONTIER_UNCERTIFIED;
}

/* Neither t nor w would change by more than rounding. */
static bool is_here(const keel_frontier *f, double by)
{
    return by * f->mean_scale <= FRONTIER_TIE * frontier_gradient_size(f) &&
           by * f->move_size <= FRONTIER_TIE;
}

static keel_frontier_outcome pass_corner(keel_frontier *f, frontier_event event, bool flat)
{
    keel_frontier_outcome outcome = KEEL_FRONTIER_WHOLE;
    if (!is_here(f, event.by)) {
        event = frontier_approach(f, event);
        outcome = note_corner(f, flat);
    }
    const frontier_step step = frontier_change(f, event);
    if (step == FRONTIER_DEAD_END)
        return KEEL_FRONTIER_STEP_LIMIT;
    return step == FRONTIER_SLID && outcome == KEEL_FRONTIER_WHOLE ? note_corner(f, false)
                                                                   : outcome;
}

static keel_frontier_outcome walk_frontier(keel_frontier *f)
{
    keel_frontier_outcome outcome = note_corner(f, false);
    while (may_step(f) && outcome == KEEL_FRONTIER_WHOLE) {
        const bool flat = frontier_direction(f);
        const frontier_event event = frontier_next(f);
        if (event.k < 0) {
            if (flat && f->flat)
                f->corners--;
            return flat ? KEEL_FRONTIER_WHOLE : KEEL_FRONTIER_UNBOUNDED;
        }
        outcome = pass_corner(f, event, flat);
    }
    return outcome == KEEL_FRONTIER_WHOLE ? KEEL_FRONTIER_STEP_LIMIT : outcome;
}

static keel_frontier_outcome walk(keel_frontier *f)
{
    if (!start(f))
        return KEEL_FRONTIER_SINGULAR;
    const keel_frontier_outcome outcome = walk_to_foot(f);
    if (outcome != KEEL_FRONTIER_WHOLE)
        return outcome;
    turn_to_frontier(f);
    return walk_frontier(f);
}

keel_status keel_frontier_solve(keel_frontier *f, const keel_frontier_problem *problem,
                                keel_frontier_answer *answer)
{
    KEEL_TRY(check(f, problem));
    memset(answer, 0, sizeof *answer);
    take_problem(f, problem);
    answer->outcome = walk(f);
    answer->corners = f->corners;
    answer->steps = f->steps;
    answer->start_steps = f->start_steps;
    for (int k = 0; k < f->corners; k++)
        answer->worst_residual = frontier_larger(answer->worst_residual, f->corner_residual[k]);
    memset(&f->p, 0, sizeof f->p);
    return KEEL_OK;
}
