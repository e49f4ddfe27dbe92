/* Random portfolio problems of every method against a checker that shares no code with the solver:
 * the answer is in the set, and no step from it towards any of many other points of the set is an
 * improvement. */
#include "common/base/rng.h"
#include "services/optimizer/engine/problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 24, LEN = N * (N + 1) / 2, ROWS = 4, OTHERS = 12 };

typedef struct data {
    double loadings[N * 4], specific[N], s[LEN], mean[N], lower[N], upper[N], a[ROWS][N],
        current[N], cost[N], benchmark[N];
    keel_problem_row rows[ROWS];
    keel_problem p;
} data;

static size_t at(int n, int i, int j)
{
    const int hi = i > j ? i : j, lo = i > j ? j : i;
    return (size_t)lo * (size_t)(2 * n - lo - 1) / 2 + (size_t)hi;
}

static double between(keel_rng *rng, double lo, double hi)
{
    return lo + (hi - lo) * keel_rng_uniform(rng);
}

/* Daily numbers: volatilities of 0.5 to 4 %, means of a tenth of that; fewer factors than assets
 * without variance of their own one time in four. */
static void draw_market(data *d, keel_rng *rng)
{
    const int n = d->p.n, factors = 1 + (int)keel_rng_below(rng, 4);
    const bool singular = keel_rng_below(rng, 4) == 0;
    double *b = d->loadings;
    d->p.factors = factors;
    for (int i = 0; i < n * factors; i++)
        b[i] = 0.01 * keel_rng_normal(rng);
    for (int j = 0; j < n; j++) {
        d->mean[j] = 0.001 * keel_rng_normal(rng);
        for (int i = j; i < n; i++) {
            if (i == j)
                d->specific[j] = singular ? 0 : pow(between(rng, 0.005, 0.03), 2);
            double sum = i == j ? d->specific[j] : 0;
            for (int f = 0; f < factors; f++)
                sum += b[factors * i + f] * b[factors * j + f];
            d->s[at(n, i, j)] = sum;
        }
    }
}

static void draw_set(data *d, keel_rng *rng)
{
    const int n = d->p.n;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        d->lower[i] = keel_rng_below(rng, 4) == 0 ? -0.2 : 0;
        d->upper[i] = fmin(1, between(rng, 1.5, 5) / n);
        d->current[i] = keel_rng_uniform(rng);
        sum += d->current[i];
        d->cost[i] = keel_rng_below(rng, 3) == 0 ? 0 : between(rng, 0, 0.001);
    }
    for (int i = 0; i < n; i++) {
        d->current[i] /= sum;
        d->benchmark[i] = 1.0 / n;
    }
    d->p.rows_n = (int)keel_rng_below(rng, ROWS);
    for (int r = 0; r < d->p.rows_n; r++) {
        double value = 0;
        for (int i = 0; i < n; i++) {
            d->a[r][i] = keel_rng_below(rng, 2) ? 1 : 0;
            value += d->a[r][i] / n;
        }
        d->rows[r] = (keel_problem_row){"band", d->a[r], value - 0.1, value + 0.1};
    }
}

static void draw(data *d, keel_rng *rng)
{
    static const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_TARGET_RETURN,
                                          KEEL_METHOD_MEAN_VARIANCE, KEEL_METHOD_TARGET_RISK,
                                          KEEL_METHOD_MAX_SHARPE};
    memset(d, 0, sizeof *d);
    d->p.n = 2 + (int)keel_rng_below(rng, N - 1);
    draw_market(d, rng);
    draw_set(d, rng);
    d->p.method = methods[keel_rng_below(rng, 5)];
    d->p.covariance = d->s;
    d->p.mean = d->mean;
    d->p.lower = d->lower;
    d->p.upper = d->upper;
    d->p.budget = 1;
    d->p.rows = d->rows;
    d->p.current = d->current;
    d->p.cost = keel_rng_below(rng, 2) ? d->cost : NULL;
    d->p.turnover_max = keel_rng_below(rng, 3) == 0 ? between(rng, 0.05, 0.6) : KEEL_NO_BOUND;
    d->p.benchmark = d->benchmark;
    d->p.tracking_error_max =
        keel_rng_below(rng, 3) == 0 ? between(rng, 0.003, 0.02) : KEEL_NO_BOUND;
    d->p.target_return = between(rng, -0.001, 0.0005);
    d->p.target_risk = between(rng, 0.01, 0.03);
    d->p.risk_aversion = keel_rng_below(rng, 6) == 0 ? 0 : pow(10, between(rng, -1, 2));
    d->p.gross_max = keel_rng_below(rng, 3) == 0 ? between(rng, 1, 1.5) : KEEL_NO_BOUND;
}

static double quadratic(const data *d, const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < d->p.n; i++)
        for (int j = 0; j < d->p.n; j++)
            sum += d->s[at(d->p.n, i, j)] * x[i] * y[j];
    return sum;
}

static double net(const data *d, const double *w)
{
    double sum = 0;
    for (int i = 0; i < d->p.n; i++)
        sum +=
            d->mean[i] * w[i] - (d->p.cost != NULL ? d->cost[i] * fabs(w[i] - d->current[i]) : 0);
    return sum;
}

/* What the method makes small. */
static double objective(const data *d, const double *w)
{
    const double variance = quadratic(d, w, w);
    switch ((int)d->p.method) {
    case KEEL_METHOD_MEAN_VARIANCE:
        return 0.5 * d->p.risk_aversion * variance - net(d, w);
    case KEEL_METHOD_TARGET_RISK:
        return -net(d, w);
    case KEEL_METHOD_MAX_SHARPE:
        return -(net(d, w) - d->p.risk_free) / sqrt(variance);
    default:
        return 0.5 * variance;
    }
}

static double violation(const data *d, const double *w)
{
    double sum = 0, worst = 0, traded = 0, gross = 0, active[N], expected = 0;
    for (int i = 0; i < d->p.n; i++) {
        sum += w[i];
        traded += fabs(w[i] - d->current[i]);
        gross += fabs(w[i]);
        active[i] = w[i] - d->benchmark[i];
        expected += d->mean[i] * w[i];
        worst = fmax(worst, fmax(d->lower[i] - w[i], w[i] - d->upper[i]));
    }
    worst = fmax(worst, fabs(sum - 1));
    for (int r = 0; r < d->p.rows_n; r++) {
        double value = 0;
        for (int i = 0; i < d->p.n; i++)
            value += d->a[r][i] * w[i];
        worst = fmax(worst, fmax(d->rows[r].lo - value, value - d->rows[r].hi));
    }
    worst = fmax(worst, fmax(traded - d->p.turnover_max, gross - d->p.gross_max));
    if (d->p.tracking_error_max < KEEL_NO_BOUND)
        worst = fmax(worst, sqrt(fmax(quadratic(d, active, active), 0)) - d->p.tracking_error_max);
    if (d->p.method == KEEL_METHOD_TARGET_RISK)
        worst = fmax(worst, sqrt(quadratic(d, w, w)) - d->p.target_risk);
    if (d->p.method == KEEL_METHOD_TARGET_RETURN)
        worst = fmax(worst, d->p.target_return - expected);
    return worst;
}

/* How much a short step towards u improves the objective, for each unit of the step. */
static double improvement(const data *d, const double *w, const double *u)
{
    double best = 0;
    for (double step = 1; step > 1e-5; step *= 0.1) {
        double x[N];
        for (int i = 0; i < d->p.n; i++)
            x[i] = w[i] + step * (u[i] - w[i]);
        best = fmax(best, (objective(d, w) - objective(d, x)) / step);
    }
    return best;
}

/* Another point of the same set: the best for other means, tried far and near. */
static bool draw_other(keel_solver *solver, const data *d, keel_rng *rng, double *u)
{
    keel_problem_answer out;
    keel_problem p = d->p;
    double mean[N];
    for (int i = 0; i < p.n; i++)
        mean[i] = 0.001 * keel_rng_normal(rng);
    p.method = KEEL_METHOD_MEAN_VARIANCE;
    p.mean = mean;
    p.cost = NULL;
    p.risk_aversion = keel_rng_below(rng, 2) ? 1e-3 : 10;
    if (keel_solver_solve(solver, &p, &out, NULL) != KEEL_OK || out.outcome != KEEL_PROBLEM_SOLVED)
        return false;
    memcpy(u, out.weights, (size_t)p.n * sizeof *u);
    return violation(d, u) < 1e-9;
}

static double scale_of(const data *d)
{
    double scale = 0;
    for (int i = 0; i < d->p.n; i++)
        scale = fmax(scale, d->s[at(d->p.n, i, i)]);
    if (d->p.method == KEEL_METHOD_MAX_SHARPE)
        return 1;
    return d->p.method == KEEL_METHOD_MIN_VARIANCE || d->p.method == KEEL_METHOD_TARGET_RETURN
               ? scale
               : fmax(0.001, d->p.risk_aversion * scale);
}

/* The most that the set expects: what is said to be missing must not be there. */
static double most_expected(keel_solver *solver, const data *d)
{
    keel_problem_answer out;
    keel_problem p = d->p;
    p.method = KEEL_METHOD_MEAN_VARIANCE;
    p.risk_aversion = 0;
    cr_assert_eq(keel_solver_solve(solver, &p, &out, NULL), KEEL_OK);
    return out.outcome == KEEL_PROBLEM_SOLVED ? net(d, out.weights) : -INFINITY;
}

Test(solver, nothing_in_the_set_is_better)
{
    static data d;
    int outcomes[8] = {0}, compared = 0;
    double worst_set = 0, worst_gain = 0;
    keel_solver *solver = keel_solver_new(N), *other = keel_solver_new(N);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        keel_problem_answer out;
        double w[N], u[N];
        draw(&d, &rng);
        keel_solver_reset(solver);
        keel_err err = {0};
        cr_assert_eq(keel_solver_solve(solver, &d.p, &out, &err), KEEL_OK, "%s", err.text);
        outcomes[out.outcome]++;
        cr_expect_neq(out.outcome, KEEL_PROBLEM_ITERATION_LIMIT,
                      "seed %d: %s n %d residuals %g %g %g", (int)seed,
                      keel_method_name(d.p.method), d.p.n, out.certificate.primal_residual,
                      out.certificate.dual_residual, out.certificate.gap);
        if (out.outcome == KEEL_PROBLEM_NO_EXCESS_RETURN)
            cr_expect_lt(most_expected(other, &d), 1e-12, "seed %d", (int)seed);
        if (out.outcome != KEEL_PROBLEM_SOLVED)
            continue;
        memcpy(w, out.weights, (size_t)d.p.n * sizeof *w);
        const double outside = violation(&d, w);
        cr_expect_lt(outside, 1e-9, "seed %d: %s outside by %g", (int)seed,
                     keel_method_name(d.p.method), outside);
        worst_set = fmax(worst_set, outside);
        for (int k = 0; k < OTHERS; k++) {
            if (!draw_other(other, &d, &rng, u))
                continue;
            const double gain = improvement(&d, w, u) / scale_of(&d);
            cr_expect_lt(gain, 1e-7, "seed %d: %s gains %g", (int)seed,
                         keel_method_name(d.p.method), gain);
            worst_gain = fmax(worst_gain, gain);
            compared++;
        }
    }
    fprintf(stderr, "solved %d infeasible %d no excess %d other %d; %d compared; worst %.1e %.1e\n",
            outcomes[KEEL_PROBLEM_SOLVED], outcomes[KEEL_PROBLEM_INFEASIBLE],
            outcomes[KEEL_PROBLEM_NO_EXCESS_RETURN],
            outcomes[KEEL_PROBLEM_NOT_CONVEX] + outcomes[KEEL_PROBLEM_UNBOUNDED] +
                outcomes[KEEL_PROBLEM_NO_RISK],
            compared, worst_set, worst_gain);
    cr_expect_gt(outcomes[KEEL_PROBLEM_SOLVED], 1000);
    keel_solver_free(&solver);
    keel_solver_free(&other);
}

/* What problem.h promises of the terms of an answer, by the problem's own numbers. */
static void check_why(const data *d, const keel_problem_answer *out, uint64_t seed)
{
    double unit = d->p.method == KEEL_METHOD_MAX_SHARPE ? 0 : scale_of(d), sum[N], lengths = 0;
    for (int i = 0; i < d->p.n; i++) {
        unit = fmax(unit, fabs(out->risk_price[i]) + fabs(out->price_of_return * d->mean[i]));
        sum[i] = 0;
        for (int k = 0; k < out->prices_n; k++) {
            const keel_price *price = &out->prices[k];
            const bool budget = strcmp(price->name, "budget") == 0;
            const bool target = strcmp(price->name, "target_return") == 0;
            if (budget || target)
                sum[i] += price->multiplier * (budget ? 1 : d->mean[i]);
            else if (k >= 1 && k <= d->p.rows_n)
                sum[i] += price->multiplier * d->a[k - 1][i];
            else if (strcmp(price->name, "turnover_max") == 0 ||
                     strcmp(price->name, "gross_max") == 0)
                lengths += price->multiplier;
        }
    }
    for (int i = 0; i < d->p.n; i++) {
        const double cost = d->p.cost != NULL ? d->cost[i] : 0;
        const double left = out->price_of_return * (d->mean[i] - out->cost_slope[i]) -
                            out->risk_price[i] - out->row_price[i] - out->bound_multipliers[i];
        cr_expect_leq(fabs(out->cost_slope[i]), cost * (1 + 1e-12), "seed %d", (int)seed);
        cr_expect_leq(fabs(out->row_price[i] - sum[i]), lengths * (1 + 1e-9) + 1e-9 * unit,
                      "seed %d", (int)seed);
        cr_expect_lt(fabs(left), 1e-7 * unit, "seed %d: %s: asset %d is %g of %g off", (int)seed,
                     keel_method_name(d->p.method), i, left, unit);
    }
}

Test(solver, says_why)
{
    static data d;
    int checked = 0;
    keel_solver *solver = keel_solver_new(N);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        keel_problem_answer out;
        draw(&d, &rng);
        keel_solver_reset(solver);
        cr_assert_eq(keel_solver_solve(solver, &d.p, &out, NULL), KEEL_OK);
        if (out.outcome != KEEL_PROBLEM_SOLVED)
            continue;
        check_why(&d, &out, seed);
        checked++;
    }
    cr_expect_gt(checked, 1000);
    keel_solver_free(&solver);
}

/* The same covariance in its two shapes. Where more than one portfolio is best the objectives are
 * the same, which the weights of definite covariances show too. */
Test(solver, factors_and_their_matrix_give_the_same_answer)
{
    static data d;
    int compared = 0, unsettled = 0;
    keel_solver *packed = keel_solver_new(N), *factors = keel_solver_new_factors(N, 4);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        keel_problem_answer of_packed, of_factors;
        draw(&d, &rng);
        keel_problem p = d.p;
        p.covariance = NULL;
        p.loadings = d.loadings;
        p.specific = d.specific;
        keel_solver_reset(packed);
        keel_solver_reset(factors);
        cr_assert_eq(keel_solver_solve(packed, &d.p, &of_packed, NULL), KEEL_OK);
        cr_assert_eq(keel_solver_solve(factors, &p, &of_factors, NULL), KEEL_OK);
        if (of_packed.outcome == KEEL_PROBLEM_NO_RISK || of_factors.outcome == KEEL_PROBLEM_NO_RISK)
            continue; /* told by rounding where the risk is about 0 */
        unsettled += of_factors.outcome == KEEL_PROBLEM_ITERATION_LIMIT;
        if (of_factors.outcome == KEEL_PROBLEM_ITERATION_LIMIT)
            continue;
        cr_expect_eq(of_factors.outcome, of_packed.outcome, "seed %d: %s: %s, packed %s", (int)seed,
                     keel_method_name(p.method), keel_problem_outcome_name(of_factors.outcome),
                     keel_problem_outcome_name(of_packed.outcome));
        if (of_factors.outcome != KEEL_PROBLEM_SOLVED || of_packed.outcome != KEEL_PROBLEM_SOLVED)
            continue;
        cr_expect_lt(fabs(of_factors.objective - of_packed.objective), 1e-8 * scale_of(&d),
                     "seed %d: %s", (int)seed, keel_method_name(p.method));
        for (int i = 0; i < p.n && d.specific[0] > 0; i++)
            cr_expect_float_eq(of_factors.weights[i], of_packed.weights[i], 1e-6, "seed %d: %s",
                               (int)seed, keel_method_name(p.method));
        compared++;
    }
    cr_expect_gt(compared, 500);
    cr_expect_leq(unsettled, 2);
    keel_solver_free(&packed);
    keel_solver_free(&factors);
}
