/* The family of solver_internal.h: one QP for given prices, and the prices that the curved limits
 * ask for. */
#include "services/optimizer/engine/solver_internal.h"

#include <math.h>
#include <string.h>

enum {
    ROOT_STEPS_MAX = 160,
    HALVES_FROM = 16,
    PRICE_STEPS_MAX = 40,
    PRICE_STEPS_DOUBT = 6,
    BLEND_STEPS = 60
};

#define LIMIT_TOLERANCE 1e-13  /* of a curved limit */
#define FROM_NOTHING    1024.0 /* from a price that may be too high by orders, down */
#define FAR_ENOUGH      8.0
#define NOTHING         1e-14 /* of what a price is against: as good as none */
#define SETTLED         1e-12 /* of a price: both ends of its search are one */
#define FACTOR          4.0   /* from price to price until the limit holds */

/* ---- roots ---- */

void solver_root_take(solver_root *root, double x, double f)
{
    if (f > 0) {
        root->weight_hi = root->has_lo && root->weight_lo >= 1 ? 0.5 * root->weight_hi : 1;
        root->lo = x;
        root->f_lo = f;
        root->weight_lo = 1;
        root->has_lo = true;
    } else {
        root->weight_lo = root->has_hi && root->weight_hi >= 1 ? 0.5 * root->weight_lo : 1;
        root->hi = x;
        root->f_hi = f;
        root->weight_hi = 1;
        root->has_hi = true;
    }
}

bool solver_root_has(const solver_root *root)
{
    return root->has_lo && root->has_hi;
}

bool solver_root_next(solver_root *root, double *x)
{
    const double width = root->hi - root->lo;
    if (root->f_lo <= root->tolerance || -root->f_hi <= root->tolerance ||
        root->steps++ >= ROOT_STEPS_MAX || !(width > fmax(4e-16 * fabs(root->hi), root->floor)))
        return false;
    const double a = root->f_lo * root->weight_lo, b = root->f_hi * root->weight_hi;
    *x = root->lo + width * (a / (a - b));
    /* by halves in between, so that a jump does not hold it up: of the exponent first */
    const bool halve = root->steps > HALVES_FROM ? root->steps % 2 == 0 : root->steps % 4 == 0;
    if (halve || !(*x > root->lo && *x < root->hi))
        *x = root->lo <= 0             ? root->hi / FROM_NOTHING
             : root->hi > 4 * root->lo ? sqrt(root->lo) * sqrt(root->hi)
                                       : root->lo + 0.5 * width;
    return *x > root->lo && *x < root->hi;
}

bool solver_root_is_settled(const solver_root *root)
{
    return root->f_lo <= root->tolerance || -root->f_hi <= root->tolerance ||
           !(root->hi - root->lo > fmax(SETTLED * fabs(root->hi), root->floor));
}

double solver_root_best(const solver_root *root)
{
    return root->f_lo < -root->f_hi ? root->lo : root->hi;
}

/* ---- one QP ---- */

static double cost_of(const keel_solver *s, int i)
{
    return s->p->cost != NULL ? s->p->cost[i] : 0;
}

static keel_problem_outcome outcome_of(keel_qp_outcome outcome)
{
    switch (outcome) {
    case KEEL_QP_OPTIMAL:
        return KEEL_PROBLEM_SOLVED;
    case KEEL_QP_INFEASIBLE:
        return KEEL_PROBLEM_INFEASIBLE;
    case KEEL_QP_SINGULAR:
        return KEEL_PROBLEM_NOT_CONVEX;
    case KEEL_QP_UNBOUNDED:
        return KEEL_PROBLEM_UNBOUNDED;
    case KEEL_QP_ITERATION_LIMIT:
        return KEEL_PROBLEM_ITERATION_LIMIT;
    }
    return KEEL_PROBLEM_ITERATION_LIMIT;
}

/* Those of the two that ask for anything. */
static int make_kinks(keel_solver *s, solver_prices at, keel_qp_kink kinks[SOLVER_LENGTHS])
{
    int count = 0;
    for (int k = 0; k < SOLVER_LENGTHS; k++) {
        const solver_length *length = &s->lengths[k];
        bool asks = false;
        for (int i = 0; i < s->p->n; i++) {
            const double cost = k == SOLVER_TURNOVER ? at.t * cost_of(s, i) : 0;
            length->slopes[i] = (cost + at.kappa[k]) / s->unit;
            asks = asks || length->slopes[i] > 0;
        }
        if (asks)
            kinks[count++] = (keel_qp_kink){length->from, length->slopes, length->slopes};
    }
    return count;
}

keel_problem_outcome solver_evaluate(keel_solver *s, solver_prices at)
{
    const keel_problem *p = s->p;
    keel_qp_kink kinks[SOLVER_LENGTHS];
    const solver_form form = solver_form_of(s, at, &s->unit);
    for (int i = 0; i < p->n; i++) {
        const double mean = p->mean != NULL ? p->mean[i] : 0;
        const double pull = s->nearest ? at.v * s->target[i] : 0;
        s->linear[i] = (pull + at.t * mean + at.nu * s->bench[i]) / s->unit;
    }
    const keel_qp_problem qp = {.n = p->n,
                                .m = s->m,
                                .s = form.packed,
                                .square = form.square,
                                .factors = form.factors,
                                .loadings = form.loadings,
                                .specific = form.specific,
                                .checked = form.checked,
                                .c = s->linear,
                                .lower = p->lower,
                                .upper = p->upper,
                                .a = s->a,
                                .row_lo = s->row_lo,
                                .row_hi = s->row_hi,
                                .semidefinite = true,
                                .kinks_n = make_kinks(s, at, kinks),
                                .kinks = kinks};
    if (keel_qp_solve(s->qp, &qp, &s->found) != KEEL_OK) /* what it refuses was looked at */
        return KEEL_PROBLEM_ITERATION_LIMIT;
    s->iterations += s->found.iterations;
    s->at = at;
    if (s->found.outcome != KEEL_QP_OPTIMAL)
        return outcome_of(s->found.outcome);
    memcpy(s->w, s->found.x, (size_t)p->n * sizeof *s->w);
    for (int r = 0; r < s->m; r++)
        s->y[r] = s->unit * s->found.y[r];
    solver_measure(s);
    return KEEL_PROBLEM_SOLVED;
}

static double length_of(const keel_solver *s, const solver_length *length, const double *w)
{
    double sum = 0;
    for (int i = 0; i < s->p->n; i++)
        sum += fabs(w[i] - length->from[i]);
    return sum;
}

void solver_measure(keel_solver *s)
{
    const keel_problem *p = s->p;
    const double *benchmark = p->tracking_error_max < KEEL_NO_BOUND ? p->benchmark : NULL;
    solver_times(s, s->w, s->sw);
    s->variance = s->active = s->earned = s->cost = 0;
    for (int k = 0; k < SOLVER_LENGTHS; k++)
        s->lengths[k].value = length_of(s, &s->lengths[k], s->w);
    for (int i = 0; i < p->n; i++) {
        const double traded = fabs(s->w[i] - s->current[i]);
        s->variance += s->w[i] * s->sw[i];
        s->earned += p->mean != NULL ? p->mean[i] * s->w[i] : 0;
        s->cost += cost_of(s, i) * traded;
        if (benchmark != NULL)
            s->active += (s->w[i] - benchmark[i]) * (s->sw[i] - s->bench[i]);
    }
    s->variance = fmax(s->variance, 0);
    s->active = fmax(s->active, 0);
}

/* ---- the prices of the curved limits ---- */

/* What a price of a length is against: slopes of variance and return. */
static double price_size(const keel_solver *s, solver_prices at)
{
    double variance = 0, mean = 0;
    for (int i = 0; i < s->p->n; i++) {
        variance = fmax(variance, s->nearest ? 1 : s->variances[i]);
        mean = fmax(mean, s->p->mean != NULL ? fabs(s->p->mean[i]) : 0);
    }
    const double size = (at.v + at.nu) * variance + at.t * mean;
    return size > 0 ? size : 1;
}

/* Where the least is not one point, a length jumps at its price: both ends are best there, and so
 * is what lies between them. The mixture that goes as far as the limit allows. */
static void blend(keel_solver *s, const solver_length *length)
{
    const int n = s->p->n;
    double lo = 0, hi = 1;
    const double far = length_of(s, length, length->beyond);
    const double most = FAR_ENOUGH * (1 + length->most);
    memcpy(s->linear, s->w, (size_t)n * sizeof *s->w);
    for (int i = 0; i < n && far > most; i++) /* nearer, so that halves reach it exactly */
        length->beyond[i] = s->w[i] + most / far * (length->beyond[i] - s->w[i]);
    for (int k = 0; k < BLEND_STEPS; k++) {
        const double part = 0.5 * (lo + hi);
        for (int i = 0; i < n; i++)
            s->w[i] = s->linear[i] + part * (length->beyond[i] - s->linear[i]);
        if (length_of(s, length, s->w) > length->most)
            hi = part;
        else
            lo = part;
    }
    for (int i = 0; i < n; i++)
        s->w[i] = s->linear[i] + lo * (length->beyond[i] - s->linear[i]);
    solver_measure(s);
}

static keel_problem_outcome meet_length(keel_solver *s, solver_prices at, int k);

/* The best at these prices, with those of the limits inside found. */
static keel_problem_outcome meet_inside(keel_solver *s, solver_prices at, int k)
{
    return k > 0 ? meet_length(s, at, k - 1) : solver_evaluate(s, at);
}

/* A point that goes on for ever goes too far; how far it had come lies in the direction it goes,
 * from where the limit begins to hold too. */
static keel_problem_outcome try_kappa(keel_solver *s, solver_prices at, int k, solver_root *root)
{
    solver_length *length = &s->lengths[k];
    const keel_problem_outcome outcome = meet_inside(s, at, k);
    const size_t bytes = (size_t)s->p->n * sizeof *s->w;
    if (outcome == KEEL_PROBLEM_UNBOUNDED) {
        memcpy(length->beyond, s->found.x, bytes);
        solver_root_take(root, at.kappa[k], 1);
        return KEEL_PROBLEM_SOLVED;
    }
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    if (length->value > length->most) {
        memcpy(length->beyond, s->w, bytes);
    } else {
        memcpy(length->within, s->w, bytes);
        memcpy(length->within_y, s->y, (size_t)s->m * sizeof *s->y);
        length->within_at = s->at;
    }
    solver_root_take(root, at.kappa[k], length->value - length->most);
    return outcome;
}

/* Is there a point of the set that goes so little far? Found at a price without anything else. */
static bool is_out_of_reach(keel_solver *s, int k)
{
    const solver_length *length = &s->lengths[k];
    solver_prices at = {0};
    at.kappa[k] = 1;
    return meet_inside(s, at, k) == KEEL_PROBLEM_SOLVED &&
           length->value > length->most + KEEL_QP_TOLERANCE * fmax(1, length->most);
}

/* Where no point goes less far than the limit, none is on its other side. */
static bool is_met(const solver_root *root)
{
    return root->has_hi || root->f_lo <= root->tolerance;
}

static keel_problem_outcome raise_kappa(keel_solver *s, solver_prices *at, int k, solver_root *root)
{
    at->kappa[k] = price_size(s, *at) * (s->last.kappa[k] > 0 ? s->last.kappa[k] : 1);
    for (int step = 0; step < PRICE_STEPS_MAX && !is_met(root); step++, at->kappa[k] *= FACTOR) {
        if (step == PRICE_STEPS_DOUBT && is_out_of_reach(s, k))
            return KEEL_PROBLEM_INFEASIBLE;
        const keel_problem_outcome outcome = try_kappa(s, *at, k, root);
        if (outcome != KEEL_PROBLEM_SOLVED)
            return outcome;
    }
    return is_met(root) ? KEEL_PROBLEM_SOLVED : KEEL_PROBLEM_INFEASIBLE;
}

/* The end of a search: the side that the limit allows, and where the other is as good, between. */
static keel_problem_outcome settle(keel_solver *s, solver_prices at, int k, const solver_root *root)
{
    const solver_length *length = &s->lengths[k];
    if (!solver_root_is_settled(root)) /* nothing may be concluded from such a point */
        return KEEL_PROBLEM_ITERATION_LIMIT;
    if (root->f_lo <= root->tolerance) { /* above the limit by rounding only */
        at.kappa[k] = root->lo;
        s->last.kappa[k] = at.kappa[k] / price_size(s, at);
        return s->at.kappa[k] == at.kappa[k] ? KEEL_PROBLEM_SOLVED : meet_inside(s, at, k);
    }
    /* not solved again: where the least is not one point another one might be found */
    memcpy(s->w, length->within, (size_t)s->p->n * sizeof *s->w);
    memcpy(s->y, length->within_y, (size_t)s->m * sizeof *s->y);
    s->at = length->within_at;
    s->last.kappa[k] = s->at.kappa[k] / price_size(s, at);
    if (-root->f_hi > root->tolerance)
        blend(s, length);
    else
        solver_measure(s);
    return KEEL_PROBLEM_SOLVED;
}

/* The price of a length for the rest as it stands. */
static keel_problem_outcome meet_length(keel_solver *s, solver_prices at, int k)
{
    const double most = s->lengths[k].most;
    solver_root root = {.tolerance = LIMIT_TOLERANCE * fmax(1, most),
                        .floor = NOTHING * price_size(s, at)};
    at.kappa[k] = 0;
    if (most >= KEEL_NO_BOUND)
        return meet_inside(s, at, k);
    keel_problem_outcome outcome = try_kappa(s, at, k, &root);
    if (outcome != KEEL_PROBLEM_SOLVED || root.has_hi)
        return outcome;
    outcome = raise_kappa(s, &at, k, &root);
    while (outcome == KEEL_PROBLEM_SOLVED && solver_root_next(&root, &at.kappa[k]))
        outcome = try_kappa(s, at, k, &root);
    return outcome == KEEL_PROBLEM_SOLVED ? settle(s, at, k, &root) : outcome;
}

static keel_problem_outcome meet_lengths(keel_solver *s, solver_prices at)
{
    return meet_length(s, at, SOLVER_LENGTHS - 1);
}

keel_problem_outcome solver_meet(keel_solver *s, double v, double t)
{
    const double most = s->p->tracking_error_max * s->p->tracking_error_max;
    solver_prices at = {.v = v, .t = t};
    keel_problem_outcome outcome = meet_lengths(s, at);
    if (s->p->tracking_error_max >= KEEL_NO_BOUND)
        return outcome;
    if (outcome != KEEL_PROBLEM_SOLVED && outcome != KEEL_PROBLEM_UNBOUNDED)
        return outcome;
    if (outcome == KEEL_PROBLEM_SOLVED && s->active <= most)
        return outcome;
    solver_root root = {.tolerance = LIMIT_TOLERANCE * most, .floor = NOTHING * (v > 0 ? v : 1)};
    solver_root_take(&root, 0, outcome == KEEL_PROBLEM_SOLVED ? s->active - most : 1);
    at.nu = s->last.nu > 0 ? s->last.nu : v > 0 ? v : 1;
    for (int k = 0; k < PRICE_STEPS_MAX && !root.has_hi; k++, at.nu *= FACTOR) {
        outcome = meet_lengths(s, at);
        if (outcome != KEEL_PROBLEM_SOLVED)
            return outcome;
        solver_root_take(&root, at.nu, s->active - most);
    }
    if (!root.has_hi)
        return KEEL_PROBLEM_INFEASIBLE;
    while (solver_root_next(&root, &at.nu)) {
        outcome = meet_lengths(s, at);
        if (outcome != KEEL_PROBLEM_SOLVED)
            return outcome;
        solver_root_take(&root, at.nu, s->active - most);
    }
    if (!solver_root_is_settled(&root))
        return KEEL_PROBLEM_ITERATION_LIMIT;
    at.nu = root.f_lo <= root.tolerance ? root.lo : root.hi;
    s->last.nu = at.nu;
    return s->at.nu == at.nu ? outcome : meet_lengths(s, at);
}
