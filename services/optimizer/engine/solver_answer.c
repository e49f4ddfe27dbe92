/* What an answer rests on, measured from the weights and the prices alone, and why it is so. */
#include "common/num/la/la.h"
#include "common/num/stats/moments.h"
#include "services/optimizer/engine/solver_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEAR 1e-9 /* a weight this close to a bound or to what is held stands there */

static bool has_tracking(const keel_problem *p)
{
    return p->tracking_error_max < KEEL_NO_BOUND;
}

static double size_of(const keel_solver *s)
{
    double size = 1;
    for (int i = 0; i < s->p->n; i++)
        size = fmax(size, fabs(s->w[i]));
    return size;
}

static double row_value(const keel_solver *s, int r)
{
    return keel_la_dot(s->p->n, s->a + (size_t)r * (size_t)s->p->n, s->w);
}

static double row_size(const keel_solver *s, int r, double size)
{
    double largest = 0;
    for (int i = 0; i < s->p->n; i++)
        largest = fmax(largest, fabs(s->a[(size_t)r * (size_t)s->p->n + (size_t)i]));
    return fmax(1, largest * size);
}

/* How far a value is outside its sides, over the size of what it is a sum of. */
static double outside(double value, double lo, double hi, double size)
{
    double by = 0;
    if (lo > -KEEL_NO_BOUND)
        by = fmax(by, (lo - value) / fmax(size, fabs(lo)));
    if (hi < KEEL_NO_BOUND)
        by = fmax(by, (value - hi) / fmax(size, fabs(hi)));
    return by;
}

double solver_violation(const keel_solver *s)
{
    const keel_problem *p = s->p;
    const double size = size_of(s);
    double worst = 0;
    for (int i = 0; i < p->n; i++)
        worst = fmax(worst, outside(s->w[i], p->lower[i], p->upper[i], 1));
    for (int r = 0; r < s->m; r++)
        worst =
            fmax(worst, outside(row_value(s, r), s->row_lo[r], s->row_hi[r], row_size(s, r, size)));
    for (int k = 0; k < SOLVER_LENGTHS; k++)
        worst = fmax(worst, outside(s->lengths[k].value, 0, s->lengths[k].most, 1));
    if (has_tracking(p)) {
        const double most = p->tracking_error_max * p->tracking_error_max;
        worst = fmax(worst, (s->active - most) / most);
    }
    if (p->method == KEEL_METHOD_TARGET_RISK) {
        const double most = p->target_risk * p->target_risk;
        worst = fmax(worst, (s->variance - most) / most);
    }
    return worst;
}

/* ---- optimality ---- */

/* The smallest change of `value` that puts it between lo and hi. */
static double distance(double value, double lo, double hi)
{
    return value < lo ? lo - value : value > hi ? value - hi : 0;
}

typedef struct measured {
    double unit; /* what gradients are sums of */
    double dual, gap;
} measured;

static double unit_of(const keel_solver *s)
{
    const keel_problem *p = s->p;
    double unit = fmax(s->at.kappa[SOLVER_GROSS], s->at.kappa[SOLVER_TURNOVER]);
    for (int i = 0; i < p->n; i++) {
        const double own = s->nearest ? 1 : s->variances[i];
        unit = fmax(unit, s->at.v * own);
        unit = fmax(unit, s->at.nu * s->variances[i]);
        unit = fmax(unit, s->at.t * fmax(p->mean != NULL ? fabs(p->mean[i]) : 0,
                                         p->cost != NULL ? p->cost[i] : 0));
    }
    return unit > 0 ? unit : 1;
}

/* Gradient of what variance, tracking and a pull to a closed form ask of weight i. */
static double risk_price(const keel_solver *s, int i)
{
    const double own = s->nearest ? s->w[i] - s->target[i] : s->sw[i];
    return s->at.v * own + s->at.nu * (s->sw[i] - s->bench[i]);
}

/* What the slope of |x| times `most` may be. */
typedef struct slope_range {
    double lo, hi;
} slope_range;

static slope_range slopes_of(double most, double x)
{
    return (slope_range){x > NEAR ? most : -most, x < -NEAR ? -most : most};
}

/* Split what is left of asset i's gradient into the slopes of costs and lengths and the price of
 * its bound; what none can carry is the residual. */
static void split(keel_solver *s, int i, measured *m)
{
    const keel_problem *p = s->p;
    const double traded = s->w[i] - s->current[i];
    const double most = s->at.t * (p->cost != NULL ? p->cost[i] : 0) + s->at.kappa[SOLVER_TURNOVER];
    const slope_range trade = slopes_of(most, traded);
    const slope_range gross = slopes_of(s->at.kappa[SOLVER_GROSS], s->w[i]);
    const double left =
        (p->mean != NULL ? s->at.t * p->mean[i] : 0) - s->risk_price[i] - s->row_price[i];
    const double z_lo = s->w[i] <= p->lower[i] + NEAR ? -HUGE_VAL : 0;
    const double z_hi = s->w[i] >= p->upper[i] - NEAR ? HUGE_VAL : 0;
    const double slope = fmin(fmax(left, trade.lo + gross.lo), trade.hi + gross.hi);
    const double z = fmin(fmax(left - slope, z_lo), z_hi);
    const double residual = fabs(left - slope - z);
    s->cost_slope[i] = fmin(trade.hi, slope - gross.lo);
    s->gross_slope[i] = slope - s->cost_slope[i];
    s->z[i] = z;
    m->dual = fmax(m->dual, residual / m->unit);
    m->gap += residual * fabs(s->w[i]);
    if (z > 0)
        m->gap += z * fabs(p->upper[i] - s->w[i]);
    else if (z < 0)
        m->gap += -z * fabs(s->w[i] - p->lower[i]);
    m->gap += distance(most * fabs(traded), s->cost_slope[i] * traded, HUGE_VAL);
    m->gap +=
        distance(s->at.kappa[SOLVER_GROSS] * fabs(s->w[i]), s->gross_slope[i] * s->w[i], HUGE_VAL);
}

static void add_rows(keel_solver *s, measured *m)
{
    const int n = s->p->n;
    const double size = size_of(s);
    memset(s->row_price, 0, (size_t)n * sizeof *s->row_price);
    for (int r = 0; r < s->m; r++) {
        const double side = s->y[r] > 0 ? s->row_hi[r] : s->row_lo[r];
        if (s->y[r] == 0) /* exact: does not bind */
            continue;
        keel_la_add_scaled(n, s->y[r], s->a + (size_t)r * (size_t)n, s->row_price);
        const double product = fabs(s->y[r] * (side - row_value(s, r)));
        m->dual = fmax(m->dual, product / (m->unit * size * size));
        m->gap += product;
    }
}

/* Complementarity of the curved limits: a price above 0 asks that its limit is reached. */
static void add_curved(const keel_solver *s, measured *m)
{
    const keel_problem *p = s->p;
    const double size = size_of(s);
    double product = 0;
    for (int k = 0; k < SOLVER_LENGTHS; k++)
        if (s->at.kappa[k] > 0)
            product += s->at.kappa[k] * fabs(s->lengths[k].most - s->lengths[k].value);
    if (s->at.nu > 0)
        product += 0.5 * s->at.nu * fabs(p->tracking_error_max * p->tracking_error_max - s->active);
    if (p->method == KEEL_METHOD_TARGET_RISK && s->at.v > 0)
        product += 0.5 * s->at.v * fabs(p->target_risk * p->target_risk - s->variance);
    m->dual = fmax(m->dual, product / (m->unit * size * size));
    m->gap += product;
}

static measured measure_optimality(keel_solver *s)
{
    measured m = {.unit = unit_of(s)};
    const double size = size_of(s);
    add_rows(s, &m);
    for (int i = 0; i < s->p->n; i++) {
        s->risk_price[i] = risk_price(s, i);
        split(s, i, &m);
    }
    add_curved(s, &m);
    m.dual /= size;
    m.gap /= m.unit * size * size;
    return m;
}

/* ---- names and prices ---- */

static const char *const length_names[] = {
    [SOLVER_GROSS] = "gross_max", [SOLVER_TURNOVER] = "turnover_max"};

static const char *row_name(const keel_solver *s, int r)
{
    if (r < s->first)
        return "budget";
    return r - s->first < s->p->rows_n ? s->p->rows[r - s->first].name : "target_return";
}

static void add_price(keel_solver *s, keel_problem_answer *answer, keel_price price,
                      const char *name)
{
    keel_price *to = &s->prices[answer->prices_n++];
    *to = price;
    snprintf(to->name, sizeof to->name, "%s", name);
    to->slope = answer->price_of_return > 0 ? to->multiplier / answer->price_of_return : 0;
}

static void write_prices(keel_solver *s, double factor, keel_problem_answer *answer)
{
    const keel_problem *p = s->p;
    for (int r = 0; r < s->m; r++)
        add_price(s, answer,
                  (keel_price){.lo = s->row_lo[r],
                               .hi = s->row_hi[r],
                               .value = row_value(s, r),
                               .multiplier = factor * s->y[r]},
                  row_name(s, r));
    for (int k = 0; k < SOLVER_LENGTHS; k++)
        if (s->lengths[k].most < KEEL_NO_BOUND)
            add_price(s, answer,
                      (keel_price){.hi = s->lengths[k].most,
                                   .value = s->lengths[k].value,
                                   .multiplier = factor * s->at.kappa[k]},
                      length_names[k]);
    if (has_tracking(p)) /* of the error, not of its square */
        add_price(s, answer,
                  (keel_price){.hi = p->tracking_error_max,
                               .value = sqrt(s->active),
                               .multiplier = factor * s->at.nu * sqrt(s->active)},
                  "tracking_error_max");
    if (p->method == KEEL_METHOD_TARGET_RISK)
        add_price(s, answer,
                  (keel_price){.hi = p->target_risk,
                               .value = sqrt(s->variance),
                               .multiplier = factor * s->at.v * sqrt(s->variance)},
                  "target_risk");
    answer->prices = s->prices;
}

/* The slope that was found is of costs and of turnover's price together: each has its part of it,
 * costs in the units of return, prices of lengths among those of the rows. */
static void part_slopes(keel_solver *s)
{
    for (int i = 0; i < s->p->n; i++) {
        const double cost = s->p->cost != NULL ? s->p->cost[i] : 0;
        const double kappa = s->at.kappa[SOLVER_TURNOVER];
        const double most = s->at.t * cost + kappa;
        const double part = most > 0 ? s->cost_slope[i] / most : 0;
        s->cost_slope[i] = part * cost;
        s->row_price[i] += part * kappa + s->gross_slope[i];
    }
}

static void scale(int n, double factor, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] *= factor;
}

bool solver_answer(keel_solver *s, double factor, keel_problem_answer *answer)
{
    const int n = s->p->n;
    const bool optimal = s->at.v > 0 || s->at.nu > 0 || s->at.t > 0;
    measured m = {0};
    if (optimal)
        m = measure_optimality(s);
    const double violation = solver_violation(s);
    answer->certificate = (keel_certificate){.kind = KEEL_CERTIFICATE_OPTIMAL,
                                             .outcome = KEEL_OUTCOME_SOLVED,
                                             .primal_residual = violation,
                                             .dual_residual = m.dual,
                                             .gap = m.gap};
    answer->weights = s->w;
    answer->cash = 1 - keel_sum(n, s->w, 1);
    answer->expected_return = s->earned;
    answer->volatility = sqrt(s->variance);
    answer->gross = s->lengths[SOLVER_GROSS].value;
    answer->turnover = s->lengths[SOLVER_TURNOVER].value;
    answer->cost_frac = s->cost;
    answer->price_of_return = factor * s->at.t;
    write_prices(s, factor, answer);
    part_slopes(s);
    scale(n, factor, s->z);
    scale(n, factor, s->risk_price);
    scale(n, factor, s->row_price);
    answer->bound_multipliers = s->z;
    answer->risk_price = s->risk_price;
    answer->cost_slope = s->cost_slope;
    answer->row_price = s->row_price;
    return violation <= KEEL_QP_TOLERANCE && m.dual <= KEEL_QP_TOLERANCE &&
           m.gap <= KEEL_QP_TOLERANCE;
}

static void conflict_alone(keel_problem_answer *answer, const char *name, double violation)
{
    snprintf(answer->conflict[0], KEEL_NAME_MAX, "%s", name);
    answer->conflict_n = 1;
    answer->conflict_by[0] = answer->violation = violation;
}

void solver_conflict(keel_solver *s, keel_problem_answer *answer)
{
    const keel_problem *p = s->p;
    const keel_qp_answer *found = &s->found;
    if (found->outcome != KEEL_QP_INFEASIBLE) { /* a curved limit that no price meets */
        for (int k = 0; k < SOLVER_LENGTHS && answer->conflict_n == 0; k++)
            if (s->at.kappa[k] > 0 && s->lengths[k].value > s->lengths[k].most)
                conflict_alone(answer, length_names[k], s->lengths[k].value - s->lengths[k].most);
        if (answer->conflict_n == 0)
            conflict_alone(answer, "tracking_error_max", sqrt(s->active) - p->tracking_error_max);
        return;
    }
    answer->violation = found->violation;
    for (int k = 0; k < found->conflict_n && k < KEEL_CONFLICT_MAX; k++) {
        const int at = found->conflict[k], i = at - s->m;
        const double multiplier = at < s->m ? found->y[at] : found->z[i];
        char *to = answer->conflict[answer->conflict_n];
        if (at < s->m)
            snprintf(to, KEEL_NAME_MAX, "%s", row_name(s, at));
        else
            snprintf(to, KEEL_NAME_MAX, "%s:%d", multiplier > 0 ? "upper" : "lower", i);
        answer->conflict_by[answer->conflict_n++] = found->violation / fabs(multiplier);
    }
}
