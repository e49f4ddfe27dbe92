#include "services/optimizer/engine/problem.h"

#include "common/base/mem.h"
#include "common/domain/estimate.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "services/optimizer/engine/solver_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *keel_problem_outcome_name(keel_problem_outcome outcome)
{
    static const char *const names[] = {
        [KEEL_PROBLEM_SOLVED] = "solved",
        [KEEL_PROBLEM_INFEASIBLE] = "infeasible",
        [KEEL_PROBLEM_NOT_CONVEX] = "not_convex",
        [KEEL_PROBLEM_UNBOUNDED] = "unbounded",
        [KEEL_PROBLEM_NO_EXCESS_RETURN] = "no_excess_return",
        [KEEL_PROBLEM_NO_RISK] = "no_risk",
        [KEEL_PROBLEM_ITERATION_LIMIT] = "iteration_limit",
    };
    return (size_t)outcome < sizeof names / sizeof names[0] ? names[outcome] : "";
}

static keel_solver *new_common(int n_max)
{
    const size_t n = (size_t)n_max;
    keel_solver *s = keel_xcalloc(1, sizeof *s);
    s->n_max = n_max;
    s->a = keel_xcalloc(SOLVER_ROWS_MAX * n, sizeof *s->a);
    s->row_lo = keel_xcalloc(SOLVER_ROWS_MAX, sizeof *s->row_lo);
    s->row_hi = keel_xcalloc(SOLVER_ROWS_MAX, sizeof *s->row_hi);
    s->current = keel_xcalloc(n, sizeof *s->current);
    s->target = keel_xcalloc(n, sizeof *s->target);
    s->bench = keel_xcalloc(n, sizeof *s->bench);
    s->variances = keel_xcalloc(n, sizeof *s->variances);
    s->linear = keel_xcalloc(n, sizeof *s->linear);
    s->none = keel_xcalloc(n, sizeof *s->none);
    s->w = keel_xcalloc(n, sizeof *s->w);
    for (int k = 0; k < SOLVER_LENGTHS; k++) {
        solver_length *length = &s->lengths[k];
        length->slopes = keel_xcalloc(n, sizeof *length->slopes);
        length->beyond = keel_xcalloc(n, sizeof *length->beyond);
        length->within = keel_xcalloc(n, sizeof *length->within);
        length->within_y = keel_xcalloc(SOLVER_ROWS_MAX, sizeof *length->within_y);
    }
    s->y = keel_xcalloc(SOLVER_ROWS_MAX, sizeof *s->y);
    s->sw = keel_xcalloc(n, sizeof *s->sw);
    s->scratch = keel_xcalloc(n, sizeof *s->scratch);
    s->z = keel_xcalloc(n, sizeof *s->z);
    s->risk_price = keel_xcalloc(n, sizeof *s->risk_price);
    s->cost_slope = keel_xcalloc(n, sizeof *s->cost_slope);
    s->gross_slope = keel_xcalloc(n, sizeof *s->gross_slope);
    s->row_price = keel_xcalloc(n, sizeof *s->row_price);
    return s;
}

keel_solver *keel_solver_new(int n_max)
{
    if (n_max < 1 || n_max > KEEL_PROBLEM_N_MAX)
        return NULL;
    keel_solver *s = new_common(n_max);
    s->qp = keel_qp_new(n_max, SOLVER_ROWS_MAX);
    s->matrix = keel_xcalloc(keel_sym_len(n_max), sizeof *s->matrix);
    return s;
}

keel_solver *keel_solver_new_factors(int n_max, int factors_max)
{
    if (n_max < 1 || n_max > KEEL_PROBLEM_FACTOR_N_MAX || factors_max < 1 ||
        factors_max > KEEL_PROBLEM_FACTORS_MAX)
        return NULL;
    keel_solver *s = new_common(n_max);
    s->factors_max = factors_max;
    s->qp = keel_qp_new_factors(n_max, SOLVER_ROWS_MAX, factors_max);
    s->matrix = keel_xcalloc((size_t)n_max, sizeof *s->matrix);
    s->scaled = keel_xcalloc((size_t)n_max * (size_t)factors_max, sizeof *s->scaled);
    return s;
}

void keel_solver_free(keel_solver **of)
{
    keel_solver *s = *of;
    if (s == NULL)
        return;
    keel_qp_free(&s->qp);
    void *owned[] = {s->a,      s->row_lo,     s->row_hi,     s->current,     s->target,
                     s->bench,  s->matrix,     s->linear,     s->none,        s->w,
                     s->y,      s->sw,         s->z,          s->scratch,     s->variances,
                     s->scaled, s->risk_price, s->cost_slope, s->gross_slope, s->row_price};
    for (int k = 0; k < SOLVER_LENGTHS; k++) {
        keel_free(&s->lengths[k].slopes);
        keel_free(&s->lengths[k].beyond);
        keel_free(&s->lengths[k].within);
        keel_free(&s->lengths[k].within_y);
    }
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        keel_free(&owned[i]);
    keel_free(of);
}

void keel_solver_reset(keel_solver *s)
{
    keel_qp_reset(s->qp);
    s->last = (solver_prices){0};
}

/* ---- what may be wrong with a problem ---- */

static keel_status check_vector(const char *name, int n, const double *x, keel_err *err)
{
    for (int i = 0; x != NULL && i < n; i++)
        if (!isfinite(x[i]))
            return keel_err_set(err, KEEL_ENONFINITE, "%s[%d]: not a finite number", name, i);
    return KEEL_OK;
}

/* Infinite sides mean none. */
static keel_status check_side(const char *name, double lo, double hi, keel_err *err)
{
    if (isnan(lo) || isnan(hi) || lo == HUGE_VAL || hi == -HUGE_VAL)
        return keel_err_set(err, KEEL_ENONFINITE, "%s: a bound is not a number", name);
    if (lo > hi)
        return keel_err_set(err, KEEL_ERANGE, "%s: lower bound %.6g is above the upper, %.6g", name,
                            lo, hi);
    return KEEL_OK;
}

static keel_status check_set(const keel_problem *p, keel_err *err)
{
    char name[KEEL_NAME_MAX];
    for (int i = 0; i < p->n; i++) {
        snprintf(name, sizeof name, "lower[%d], upper[%d]", i, i);
        KEEL_TRY(check_side(name, p->lower[i], p->upper[i], err));
    }
    for (int r = 0; r < p->rows_n; r++) {
        KEEL_TRY(check_vector(p->rows[r].name, p->n, p->rows[r].a, err));
        KEEL_TRY(check_side(p->rows[r].name, p->rows[r].lo, p->rows[r].hi, err));
    }
    KEEL_TRY(check_vector("current", p->n, p->current, err));
    KEEL_TRY(check_vector("benchmark", p->n, p->benchmark, err));
    KEEL_TRY(check_vector("cost", p->n, p->cost, err));
    for (int i = 0; p->cost != NULL && i < p->n; i++)
        if (p->cost[i] < 0)
            return keel_err_set(err, KEEL_ERANGE, "cost[%d]: %.6g is below 0", i, p->cost[i]);
    if (isnan(p->budget) || p->budget == -HUGE_VAL)
        return keel_err_set(err, KEEL_ENONFINITE, "budget: not a finite number");
    if (!(p->gross_max >= 0))
        return keel_err_set(err, KEEL_ERANGE, "gross_max: must be 0 or above");
    if (!(p->turnover_max >= 0))
        return keel_err_set(err, KEEL_ERANGE, "turnover_max: must be 0 or above");
    if (!(p->tracking_error_max > 0))
        return keel_err_set(err, KEEL_ERANGE, "tracking_error_max: must be above 0");
    if (p->tracking_error_max < KEEL_NO_BOUND && p->benchmark == NULL)
        return keel_err_set(err, KEEL_EINVAL, "benchmark: tracking_error_max needs one");
    return KEEL_OK;
}

static keel_status check_numbers(const keel_problem *p, keel_err *err)
{
    const double numbers[] = {p->target_return, p->target_risk, p->risk_aversion, p->risk_free};
    static const char *const names[] = {"target_return", "target_risk", "risk_aversion",
                                        "risk_free"};
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
        if (!isfinite(numbers[k]))
            return keel_err_set(err, KEEL_ENONFINITE, "%s: not a finite number", names[k]);
    return KEEL_OK;
}

bool keel_problem_needs_mean(keel_method method)
{
    return method == KEEL_METHOD_MEAN_VARIANCE || method == KEEL_METHOD_TARGET_RETURN ||
           method == KEEL_METHOD_TARGET_RISK || method == KEEL_METHOD_MAX_SHARPE;
}

static bool is_closed_form(keel_method method)
{
    return method == KEEL_METHOD_EQUAL_WEIGHT || method == KEEL_METHOD_INVERSE_VOLATILITY ||
           method == KEEL_METHOD_STATIC;
}

static keel_status check_factors(const keel_problem *p, keel_err *err)
{
    if (p->factors < 0 || p->loadings == NULL || p->specific == NULL)
        return keel_err_set(err, KEEL_EINVAL, "covariance: missing");
    if (!p->checked && !keel_la_all_finite(p->n * p->factors, p->loadings))
        return keel_err_set(err, KEEL_ENONFINITE, "loadings: a number is not finite");
    KEEL_TRY(check_vector("specific", p->n, p->specific, err));
    for (int i = 0; i < p->n; i++)
        if (p->specific[i] < 0)
            return keel_err_set(err, KEEL_ERANGE, "specific[%d]: %.6g is below 0", i,
                                p->specific[i]);
    return KEEL_OK;
}

static keel_status check_covariance(const keel_solver *s, const keel_problem *p, keel_err *err)
{
    if (p->covariance == NULL) {
        KEEL_TRY(check_factors(p, err));
        if (p->factors > s->factors_max)
            return keel_err_set(err, KEEL_ERANGE, "factors: %d; this solver has room for %d",
                                p->factors, s->factors_max);
        return KEEL_OK;
    }
    if (s->factors_max > 0)
        return keel_err_set(err, KEEL_EINVAL, "covariance: this solver takes factors only");
    if (!p->checked && !keel_la_all_finite((int)keel_sym_len(p->n), p->covariance))
        return keel_err_set(err, KEEL_ENONFINITE, "covariance: a number is not finite");
    for (int i = 0; i < p->n; i++)
        if (p->covariance[keel_sym_at(p->n, i, i)] < 0)
            return keel_err_set(err, KEEL_ERANGE, "covariance: the variance of asset %d is below 0",
                                i);
    return KEEL_OK;
}

static keel_status check_method(const keel_problem *p, keel_method method, keel_err *err)
{
    if (!is_closed_form(method) && !keel_problem_needs_mean(method) &&
        method != KEEL_METHOD_MIN_VARIANCE)
        return keel_err_set(err, KEEL_EINVAL, "method: none that is solved here");
    if (keel_problem_needs_mean(method) && p->mean == NULL)
        return keel_err_set(err, KEEL_EINVAL, "mean: method %s needs one",
                            keel_method_name(method));
    if (method == KEEL_METHOD_STATIC && p->target_weights == NULL)
        return keel_err_set(err, KEEL_EINVAL, "weights: method static needs them");
    if (method == KEEL_METHOD_TARGET_RISK && !(p->target_risk > 0))
        return keel_err_set(err, KEEL_ERANGE, "target_risk: must be above 0");
    if (method == KEEL_METHOD_MEAN_VARIANCE && !(p->risk_aversion >= 0))
        return keel_err_set(err, KEEL_ERANGE, "risk_aversion: must be 0 or above");
    return KEEL_OK;
}

static keel_status check(const keel_solver *s, const keel_problem *p, keel_err *err)
{
    if (p->n < 1 || p->n > s->n_max)
        return keel_err_set(err, KEEL_ERANGE, "assets: %d; 1 to %d", p->n, s->n_max);
    if (p->rows_n < 0 || p->rows_n > KEEL_PROBLEM_ROWS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "constraints: %d; at most %d", p->rows_n,
                            KEEL_PROBLEM_ROWS_MAX);
    if (p->fallbacks_n < 0 || p->fallbacks_n > KEEL_FALLBACKS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "fallbacks: %d; at most %d", p->fallbacks_n,
                            KEEL_FALLBACKS_MAX);
    KEEL_TRY(check_numbers(p, err));
    KEEL_TRY(check_method(p, p->method, err));
    for (int k = 0; k < p->fallbacks_n; k++)
        KEEL_TRY(check_method(p, p->fallbacks[k], err));
    KEEL_TRY(check_covariance(s, p, err));
    KEEL_TRY(check_vector("mean", p->n, p->mean, err));
    KEEL_TRY(check_vector("weights", p->n, p->target_weights, err));
    return check_set(p, err);
}

/* ---- taking one ---- */

static void add_row(keel_solver *s, const double *a, double lo, double hi)
{
    memcpy(s->a + (size_t)s->m * (size_t)s->p->n, a, (size_t)s->p->n * sizeof *a);
    s->row_lo[s->m] = lo;
    s->row_hi[s->m] = hi;
    s->m++;
}

static void take_problem(keel_solver *s, const keel_problem *p)
{
    const int n = p->n;
    s->p = p;
    s->m = 0;
    s->iterations = 0;
    s->nearest = false;
    for (int i = 0; i < n; i++) {
        s->linear[i] = 1;
        s->current[i] = p->current != NULL ? p->current[i] : 0;
    }
    s->lengths[SOLVER_GROSS].from = s->none;
    s->lengths[SOLVER_GROSS].most = p->gross_max;
    s->lengths[SOLVER_TURNOVER].from = s->current;
    s->lengths[SOLVER_TURNOVER].most = p->turnover_max;
    s->first = p->budget < KEEL_NO_BOUND;
    if (s->first > 0)
        add_row(s, s->linear, p->budget, p->budget);
    for (int r = 0; r < p->rows_n; r++)
        add_row(s, p->rows[r].a, p->rows[r].lo, p->rows[r].hi);
    if (p->method == KEEL_METHOD_TARGET_RETURN)
        add_row(s, p->mean, p->target_return, KEEL_NO_BOUND);
    memset(s->bench, 0, (size_t)n * sizeof *s->bench);
    if (p->tracking_error_max < KEEL_NO_BOUND)
        solver_times(s, p->benchmark, s->bench);
    solver_read_variances(s);
}

/* ---- closed forms ---- */

static void write_form(keel_solver *s)
{
    const keel_problem *p = s->p;
    double sum = 0;
    for (int i = 0; i < p->n; i++) {
        const double variance = s->variances[i];
        s->target[i] = p->method == KEEL_METHOD_STATIC               ? p->target_weights[i]
                       : p->method == KEEL_METHOD_INVERSE_VOLATILITY ? 1 / sqrt(variance)
                                                                     : 1;
        sum += s->target[i];
    }
    for (int i = 0; i < p->n && p->method != KEEL_METHOD_STATIC; i++)
        s->target[i] *= (s->first > 0 ? p->budget : 1) / sum;
}

static keel_problem_outcome solve_form(keel_solver *s, keel_problem_answer *answer)
{
    const keel_problem *p = s->p;
    const size_t bytes = (size_t)p->n * sizeof *s->w;
    for (int i = 0; i < p->n && p->method == KEEL_METHOD_INVERSE_VOLATILITY; i++)
        if (!(s->variances[i] > 0))
            return KEEL_PROBLEM_NO_RISK;
    write_form(s);
    memcpy(s->w, s->target, bytes);
    memset(s->y, 0, (size_t)s->m * sizeof *s->y);
    memset(s->z, 0, bytes);
    memset(s->risk_price, 0, bytes);
    memset(s->cost_slope, 0, bytes);
    memset(s->gross_slope, 0, bytes);
    memset(s->row_price, 0, bytes);
    s->at = (solver_prices){0};
    s->found = (keel_qp_answer){0};
    solver_measure(s);
    if (solver_violation(s) > KEEL_QP_TOLERANCE) {
        s->nearest = true;
        const keel_problem_outcome outcome = solver_meet(s, 1, 0);
        if (outcome != KEEL_PROBLEM_SOLVED)
            return outcome;
    }
    if (!solver_answer(s, 1, answer))
        return KEEL_PROBLEM_ITERATION_LIMIT;
    answer->certificate.kind = KEEL_CERTIFICATE_FEASIBLE;
    answer->objective = 0.5 * s->variance;
    if (s->nearest)
        snprintf(answer->certificate.parent, sizeof answer->certificate.parent, "%s",
                 keel_method_name(p->method));
    return KEEL_PROBLEM_SOLVED;
}

/* ---- along the family ---- */

enum { STEPS_DOUBT = 10, STEPS_MAX = 30 }; /* each four times as far */

static keel_problem_outcome finish(keel_solver *s, double factor, double objective,
                                   keel_problem_answer *answer)
{
    if (!solver_answer(s, factor, answer))
        return KEEL_PROBLEM_ITERATION_LIMIT;
    answer->objective = objective;
    return KEEL_PROBLEM_SOLVED;
}

static keel_problem_outcome solve_min_variance(keel_solver *s, keel_problem_answer *answer)
{
    const keel_problem_outcome outcome = solver_meet(s, 1, 0);
    return outcome != KEEL_PROBLEM_SOLVED ? outcome : finish(s, 1, 0.5 * s->variance, answer);
}

static double net_return(const keel_solver *s)
{
    return s->earned - s->cost;
}

static keel_problem_outcome solve_mean_variance(keel_solver *s, keel_problem_answer *answer)
{
    const double aversion = s->p->risk_aversion;
    const keel_problem_outcome outcome = solver_meet(s, aversion, 1);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    return finish(s, 1, net_return(s) - 0.5 * aversion * s->variance, answer);
}

/* A search along t: where f, which falls, becomes 0. */
typedef struct along {
    double (*f)(const keel_solver *s, double t);
    solver_root root;
} along;

/* As roots of what lies above the least variance, which between two changes of status of the whole
 * frontier would be linear in t. */
static double risk_left(const keel_solver *s, double t)
{
    (void)t;
    const double most = s->p->target_risk * s->p->target_risk;
    return sqrt(fmax(most - s->least, 0)) - sqrt(fmax(s->variance - s->least, 0));
}

/* More than the risk-free rate, and by more than rounding. */
static bool is_excess(const keel_solver *s)
{
    double largest = fabs(s->p->risk_free);
    for (int i = 0; i < s->p->n; i++)
        largest = fmax(largest, fabs(s->p->mean[i]));
    return net_return(s) - s->p->risk_free > 1e-12 * largest;
}

static double largest_variance(const keel_solver *s)
{
    double largest = DBL_MIN;
    for (int i = 0; i < s->p->n; i++)
        largest = fmax(largest, s->variances[i]);
    return largest;
}

/* Variance that is only rounding. */
static double riskless(const keel_solver *s)
{
    return 1e-14 * largest_variance(s);
}

/* Part of the two terms of sharpe_left below which what is left of them is rounding. */
#define RATIO_REST 2e-14
/* Part of the largest variance: no end of a search. */
#define RISES 1e-6

/* The Sharpe ratio rises while this is above 0: its slope along t has this sign. Before there is
 * any excess it rises, even where there is no risk. Away from a portfolio without risk or excess
 * (cash) it is constant for a while: that counts as rising, so that the search ends where it falls
 * and not in cash. */
static double sharpe_left(const keel_solver *s, double t)
{
    const double excess = t * (net_return(s) - s->p->risk_free);
    const double left = s->variance - excess;
    const double rest = fmax(RATIO_REST * (s->variance + fabs(excess)), 1e-2 * riskless(s));
    const bool constant = s->from_cash && left > -rest;
    return constant || !is_excess(s) ? fmax(left, RISES * largest_variance(s)) : left;
}

/* A ratio of a hundred and more at a risk that is only rounding. */
static bool earns_without_risk(const keel_solver *s)
{
    const double rounding = riskless(s), excess = net_return(s) - s->p->risk_free;
    return s->variance <= rounding && is_excess(s) && excess > 100 * sqrt(rounding);
}

static keel_problem_outcome step_along(keel_solver *s, along *a, double t)
{
    const keel_problem_outcome outcome = solver_meet(s, 1, t);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    const double left = a->f(s, t);
    if (a->f == sharpe_left && earns_without_risk(s))
        return KEEL_PROBLEM_NO_RISK;
    solver_root_take(&a->root, t, left);
    return outcome;
}

/* t from where the last search ended, or where return weighs as much as variance. */
static double first_guess(const keel_solver *s)
{
    double largest = 0;
    for (int i = 0; i < s->p->n; i++)
        largest = fmax(largest, fabs(s->p->mean[i] - s->p->risk_free));
    if (s->last.t > 0)
        return s->last.t;
    const double variance = fmax(s->variance, riskless(s));
    return largest > 0 && variance > 0 ? variance / largest : 1;
}

/* From a point with f > 0 to where it becomes 0 or less, at most `most` times as far. */
static keel_problem_outcome raise_along(keel_solver *s, along *a, double *t, int most)
{
    keel_problem_outcome outcome = KEEL_PROBLEM_SOLVED;
    for (int k = 0; k < most && !solver_root_has(&a->root); k++, *t *= 4) {
        outcome = step_along(s, a, *t);
        if (outcome != KEEL_PROBLEM_SOLVED)
            return outcome;
    }
    return outcome;
}

static keel_problem_outcome close_in(keel_solver *s, along *a)
{
    keel_problem_outcome outcome = KEEL_PROBLEM_SOLVED;
    double t;
    while (outcome == KEEL_PROBLEM_SOLVED && solver_root_next(&a->root, &t))
        outcome = step_along(s, a, t);
    if (outcome == KEEL_PROBLEM_SOLVED && !solver_root_is_settled(&a->root))
        return KEEL_PROBLEM_ITERATION_LIMIT;
    t = solver_root_best(&a->root);
    if (outcome == KEEL_PROBLEM_SOLVED && s->at.t != t)
        outcome = solver_meet(s, 1, t);
    s->last.t = s->at.t;
    return outcome;
}

/* What can be expected whatever the risk is another kind of problem, whose answer is no place to go
 * on from: it is asked for only when the search has gone far without an end. */
static keel_problem_outcome solve_target_risk(keel_solver *s, keel_problem_answer *answer)
{
    const double most = s->p->target_risk * s->p->target_risk;
    along a = {.f = risk_left, .root = {.tolerance = 1e-13 * s->p->target_risk}};
    keel_problem_outcome outcome = solver_meet(s, 1, 0);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    s->least = s->variance;
    solver_root_take(&a.root, 0, risk_left(s, 0));
    if (s->variance > most * (1 + KEEL_QP_TOLERANCE)) {
        snprintf(answer->conflict[0], KEEL_NAME_MAX, "target_risk");
        answer->conflict_n = 1;
        answer->violation = answer->conflict_by[0] = sqrt(s->variance) - s->p->target_risk;
        return KEEL_PROBLEM_INFEASIBLE;
    }
    double t = first_guess(s);
    outcome = raise_along(s, &a, &t, STEPS_DOUBT);
    if (outcome == KEEL_PROBLEM_SOLVED && !solver_root_has(&a.root)) {
        outcome = solver_meet(s, 0, 1);
        if (outcome == KEEL_PROBLEM_SOLVED && s->variance <= most)
            return finish(s, 1, net_return(s), answer);
        outcome = raise_along(s, &a, &t, STEPS_MAX);
    }
    if (outcome == KEEL_PROBLEM_SOLVED && solver_root_has(&a.root))
        outcome = close_in(s, &a);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    return finish(s, s->at.t > 0 ? 1 / s->at.t : 1, net_return(s), answer);
}

/* Can anything be expected beyond the risk-free rate? */
static bool is_worth_a_risk(keel_solver *s, keel_problem_outcome *outcome)
{
    *outcome = solver_meet(s, 0, 1);
    if (*outcome != KEEL_PROBLEM_SOLVED && *outcome != KEEL_PROBLEM_UNBOUNDED)
        return false;
    const bool worth = *outcome == KEEL_PROBLEM_UNBOUNDED || is_excess(s);
    *outcome = worth ? KEEL_PROBLEM_SOLVED : KEEL_PROBLEM_NO_EXCESS_RETURN;
    return worth;
}

static keel_problem_outcome solve_max_sharpe(keel_solver *s, keel_problem_answer *answer)
{
    along a = {.f = sharpe_left};
    s->from_cash = false;
    keel_problem_outcome outcome = step_along(s, &a, 0);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    s->from_cash = s->variance <= riskless(s);
    double t = first_guess(s);
    outcome = raise_along(s, &a, &t, STEPS_DOUBT);
    if (outcome == KEEL_PROBLEM_SOLVED && !solver_root_has(&a.root) && is_worth_a_risk(s, &outcome))
        outcome = raise_along(s, &a, &t, STEPS_MAX);
    a.root.tolerance = 1e-14 * s->variance; /* of the first point beyond */
    if (outcome == KEEL_PROBLEM_SOLVED && solver_root_has(&a.root))
        outcome = close_in(s, &a);
    if (outcome != KEEL_PROBLEM_SOLVED)
        return outcome;
    const double excess = net_return(s) - s->p->risk_free, volatility = sqrt(s->variance);
    if (!(excess > 0))
        return KEEL_PROBLEM_NO_EXCESS_RETURN;
    if (!(volatility > 0))
        return KEEL_PROBLEM_NO_RISK;
    return finish(s, excess / (s->variance * volatility), excess / volatility, answer);
}

static keel_problem_outcome solve_method(keel_solver *s, keel_problem_answer *answer)
{
    switch ((int)s->p->method) {
    case KEEL_METHOD_MEAN_VARIANCE:
        return solve_mean_variance(s, answer);
    case KEEL_METHOD_TARGET_RISK:
        return solve_target_risk(s, answer);
    case KEEL_METHOD_MAX_SHARPE:
        return solve_max_sharpe(s, answer);
    case KEEL_METHOD_MIN_VARIANCE:
    case KEEL_METHOD_TARGET_RETURN:
        return solve_min_variance(s, answer);
    default:
        return solve_form(s, answer);
    }
}

static void solve_one(keel_solver *s, const keel_problem *problem, keel_problem_answer *answer)
{
    take_problem(s, problem);
    answer->method = problem->method;
    answer->outcome = solve_method(s, answer);
    if (answer->outcome == KEEL_PROBLEM_INFEASIBLE && answer->conflict_n == 0)
        solver_conflict(s, answer);
    answer->certificate.iterations = s->iterations;
    s->p = NULL;
}

/* Where no fallback has an answer either, what is told is why the problem's own method has none. */
static void fall_back(keel_solver *s, const keel_problem *problem, keel_problem_answer *answer)
{
    keel_problem trial = *problem;
    keel_problem_answer own = *answer, found = {0};
    own.attempts[own.attempts_n++] = (keel_attempt){own.method, own.outcome};
    for (int k = 0; k < problem->fallbacks_n; k++) {
        trial.method = problem->fallbacks[k];
        solve_one(s, &trial, &found);
        if (found.outcome == KEEL_PROBLEM_SOLVED)
            break;
        own.attempts[own.attempts_n++] = (keel_attempt){found.method, found.outcome};
        found = (keel_problem_answer){0};
    }
    *answer = found.weights != NULL ? found : own;
    answer->attempts_n = own.attempts_n;
    memcpy(answer->attempts, own.attempts, sizeof own.attempts);
}

keel_status keel_solver_solve(keel_solver *s, const keel_problem *problem,
                              keel_problem_answer *answer, keel_err *err)
{
    KEEL_TRY(check(s, problem, err));
    memset(answer, 0, sizeof *answer);
    if (!problem->checked && problem->covariance != NULL) /* a cold start looks at all of it */
        keel_qp_reset(s->qp);
    solve_one(s, problem, answer);
    if (answer->outcome != KEEL_PROBLEM_SOLVED && problem->fallbacks_n > 0)
        fall_back(s, problem, answer);
    return KEEL_OK;
}
