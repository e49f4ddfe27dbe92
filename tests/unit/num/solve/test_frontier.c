#include "common/num/solve/frontier.h"

#include "common/base/rng.h"
#include "common/num/solve/qp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 40, LEN = N * (N + 1) / 2, CORNERS = 512 };

typedef struct problem {
    int n, m;
    double s[LEN], mean[N], lower[N], upper[N], a[4 * N], row_lo[4], row_hi[4];
} problem;

static size_t at(int n, int i, int j)
{
    const int hi = i > j ? i : j, lo = i > j ? j : i;
    return (size_t)lo * (size_t)(2 * n - lo - 1) / 2 + (size_t)hi;
}

/* Long only, budget 1, independent variables of variance 1 and mean 0. */
static void plain(problem *p, int n, double cap)
{
    memset(p, 0, sizeof *p);
    p->n = n;
    p->m = 1;
    p->row_lo[0] = p->row_hi[0] = 1;
    for (int i = 0; i < n; i++) {
        p->s[at(n, i, i)] = 1;
        p->upper[i] = cap;
        p->a[i] = 1;
    }
}

/* One factor, own variances and means that all differ. */
static void varied(problem *p, int n, double cap)
{
    plain(p, n, cap);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++)
            p->s[at(n, i, j)] = (0.6 + 0.02 * i) * (0.6 + 0.02 * j);
        p->s[at(n, j, j)] += 0.3 + 0.05 * ((7 * j) % n);
        p->mean[j] = 0.05 + 0.01 * ((11 * j) % n);
    }
}

static keel_frontier_problem view(const problem *p)
{
    return (keel_frontier_problem){p->n,     p->m, p->s,      p->mean,  p->lower,
                                   p->upper, p->a, p->row_lo, p->row_hi};
}

static keel_frontier_answer solve(keel_frontier *f, const problem *p)
{
    keel_frontier_answer out;
    const keel_frontier_problem v = view(p);
    cr_assert_eq(keel_frontier_solve(f, &v, &out), KEEL_OK);
    return out;
}

static keel_frontier *frontier;
static problem p;

static void setup(void)
{
    frontier = keel_frontier_new(N, 4, CORNERS);
}

static void teardown(void)
{
    keel_frontier_free(&frontier);
    keel_frontier_free(&frontier);
}

TestSuite(frontier, .init = setup, .fini = teardown);

/* w = 1/2 + t (m1 - m2) / 2 of the first until it is all: t = 1 / (m1 - m2). */
Test(frontier, two_independent_variables_in_closed_form)
{
    plain(&p, 2, 1);
    p.mean[0] = 0.25;
    const keel_frontier_answer out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE);
    cr_assert_eq(out.corners, 2);
    const keel_frontier_corner top = keel_frontier_corner_at(frontier, 0);
    const keel_frontier_corner low = keel_frontier_corner_at(frontier, 1);
    cr_expect_float_eq(top.t, 4, 1e-14);
    cr_expect_float_eq(top.weights[0], 1, 0);
    cr_expect_float_eq(top.variance, 1, 1e-15);
    cr_expect_float_eq(low.t, 0, 0);
    cr_expect_float_eq(low.weights[0], 0.5, 1e-15);
    cr_expect_float_eq(low.variance, 0.5, 1e-15);
    cr_expect_float_eq(low.y[0], -0.5, 1e-15);
    cr_expect_leq(out.worst_residual, 1e-15);
}

Test(frontier, one_variable_and_no_row)
{
    plain(&p, 1, 3);
    p.mean[0] = 2;
    p.m = 0;
    const keel_frontier_answer out = solve(frontier, &p); /* w = t mean, to the cap */
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE);
    cr_assert_eq(out.corners, 2);
    cr_expect_float_eq(keel_frontier_corner_at(frontier, 0).t, 1.5, 1e-15);
    cr_expect_float_eq(keel_frontier_corner_at(frontier, 0).mean, 6, 0);
    cr_expect_float_eq(keel_frontier_corner_at(frontier, 1).weights[0], 0, 0);
}

Test(frontier, caps_that_divide_the_budget_exactly)
{
    static const int names[] = {1, 2, 4, 5, 8, 10, 20};
    for (int k = 0; k < 7; k++) {
        varied(&p, N, 1.0 / names[k]);
        const keel_frontier_answer out = solve(frontier, &p);
        cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "1/%d: outcome %d", names[k],
                     (int)out.outcome);
        cr_expect_leq(out.worst_residual, 1e-14);
        const keel_frontier_corner top = keel_frontier_corner_at(frontier, 0);
        int at_cap = 0;
        for (int i = 0; i < N; i++)
            at_cap += fabs(top.weights[i] - 1.0 / names[k]) < 1e-13;
        cr_expect_eq(at_cap, names[k], "1/%d: %d at their cap", names[k], at_cap);
    }
    varied(&p, 20, 0.05); /* one point only */
    cr_assert_eq(solve(frontier, &p).outcome, KEEL_FRONTIER_WHOLE);
    cr_expect_eq(solve(frontier, &p).corners, 1);
}

Test(frontier, equal_means_enter_together)
{
    plain(&p, 12, 1); /* best mean 2 for three, then 1 for the rest */
    for (int i = 0; i < 12; i++)
        p.mean[i] = i % 4 == 1 ? 2 : 1;
    keel_frontier_answer out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE);
    cr_assert_eq(out.corners, 2);
    const keel_frontier_corner top = keel_frontier_corner_at(frontier, 0);
    cr_expect_float_eq(top.t, 1.0 / 3, 1e-15); /* variance + t - 2t = 0 where the others end */
    for (int i = 0; i < 12; i++) {
        cr_expect_float_eq(top.weights[i], i % 4 == 1 ? 1.0 / 3 : 0, 1e-15);
        p.mean[i] = 7;
    }
    out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE);
    cr_assert_eq(out.corners, 1);
    for (int i = 0; i < 12; i++)
        cr_expect_float_eq(keel_frontier_corner_at(frontier, 0).weights[i], 1.0 / 12, 1e-15);
}

/* Both twins together hold what one would. */
Test(frontier, duplicates_of_a_variable)
{
    keel_frontier *one = keel_frontier_new(N, 1, CORNERS);
    static problem q;
    varied(&q, 11, 1);
    plain(&p, 12, 1);
    for (int j = 0; j < 12; j++) {
        for (int i = j; i < 12; i++)
            p.s[at(12, i, j)] = q.s[at(11, i % 11, j % 11)];
        p.mean[j] = q.mean[j % 11];
    }
    const keel_frontier_answer two = solve(frontier, &p), single = solve(one, &q);
    cr_assert_eq(two.outcome, KEEL_FRONTIER_WHOLE);
    cr_assert_eq(two.corners, single.corners);
    for (int k = 0; k < two.corners; k++) {
        const keel_frontier_corner c = keel_frontier_corner_at(frontier, k);
        const keel_frontier_corner d = keel_frontier_corner_at(one, k);
        cr_expect_float_eq(c.t, d.t, 1e-12 * (1 + d.t));
        cr_expect_float_eq(c.weights[0] + c.weights[11], d.weights[0], 1e-12);
    }
    keel_frontier_free(&one);
}

/* Three variables of one risk and three means, and one of another risk. */
Test(frontier, twins_of_different_means_slide)
{
    plain(&p, 4, 0.4);
    for (int j = 0; j < 3; j++) {
        for (int i = j; i < 3; i++)
            p.s[at(4, i, j)] = 1;
        p.mean[j] = 1 + j;
    }
    const keel_frontier_answer out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "outcome %d residual %g", (int)out.outcome,
                 out.worst_residual);
    const keel_frontier_corner top = keel_frontier_corner_at(frontier, 0);
    cr_expect_float_eq(top.weights[2], 0.4, 0);
    cr_expect_float_eq(top.weights[1], 0.4, 0);
    cr_expect_float_eq(top.weights[0], 0.2, 1e-15);
    keel_frontier_point point;
    cr_assert_eq(keel_frontier_at(frontier, 0, &point, NULL), KEEL_OK);
    cr_expect_float_eq(point.variance, 0.36 + 0.16, 1e-15);
    cr_expect_float_eq(point.mean, 0.4 * 3 + 0.2 * 2, 1e-15); /* the best of that variance */
}

static void with_cash(void)
{
    varied(&p, 8, 1);
    for (int i = 0; i < 8; i++)
        p.s[at(8, i, 5)] = 0;
    p.mean[5] = 0.01;
}

/* From a point without risk whose mean is the risk-free rate, all along the first segment the ratio
 * is that of the tangency: with independent variables sqrt(sum mean^2 / variance). */
Test(frontier, a_ray_from_no_risk_has_one_ratio)
{
    for (int n = 2; n <= 10; n++) {
        double w[N], squares = 0;
        keel_frontier_point point;
        plain(&p, n, 1);
        p.m = 0;
        for (int i = 0; i < n; i++) {
            p.mean[i] = 0.01 + 0.003 * ((7 * i) % n);
            squares += p.mean[i] * p.mean[i];
        }
        cr_assert_eq(solve(frontier, &p).outcome, KEEL_FRONTIER_WHOLE);
        cr_assert_eq(keel_frontier_max_sharpe(frontier, 0, &point, w), KEEL_OK);
        cr_expect_eq(point.found, KEEL_FRONTIER_FOUND);
        cr_expect_gt(point.variance, 0);
        cr_expect_float_eq(point.mean / sqrt(point.variance), sqrt(squares), 1e-12, "%d", n);
        for (int i = 1; i < n; i++)
            cr_expect_float_eq(w[i] * p.mean[0], w[0] * p.mean[i], 1e-15, "%d %d", n, i);
    }
}

Test(frontier, a_variable_without_variance)
{
    with_cash();
    const keel_frontier_answer out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE);
    const keel_frontier_corner low = keel_frontier_corner_at(frontier, out.corners - 1);
    cr_expect_float_eq(low.weights[5], 1, 1e-15);
    cr_expect_float_eq(low.variance, 0, 1e-30);
    keel_frontier_point point;
    cr_assert_eq(keel_frontier_max_sharpe(frontier, 0, &point, NULL), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_RISKLESS);
    cr_assert_eq(keel_frontier_max_sharpe(frontier, p.mean[5], &point, NULL), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_FOUND);
    cr_expect_gt(point.variance, 0.01);
    cr_assert_eq(keel_frontier_max_sharpe(frontier, 0.02, &point, NULL), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_FOUND);
    p.mean[2] = 0.03; /* a better cash that is the same otherwise */
    for (int i = 0; i < 8; i++)
        p.s[at(8, i, 2)] = 0;
    const keel_frontier_answer two = solve(frontier, &p);
    cr_assert_eq(two.outcome, KEEL_FRONTIER_WHOLE, "outcome %d", (int)two.outcome);
    cr_assert_eq(keel_frontier_at(frontier, 0, &point, NULL), KEEL_OK);
    cr_expect_float_eq(point.mean, 0.03, 1e-15);
}

/* Two rows: the first four names are held at 30 % or more, the last two at nothing or less. */
Test(frontier, rows_come_and_go_and_may_be_tight_with_nothing_free)
{
    varied(&p, 8, 0.1);
    p.m = 3;
    p.row_lo[0] = p.row_hi[0] = 0.5;
    p.row_lo[1] = 0.3;
    p.row_hi[1] = HUGE_VAL;
    p.row_lo[2] = -KEEL_QP_NO_BOUND;
    p.row_hi[2] = 0;
    for (int i = 0; i < 4; i++)
        p.a[8 + i] = 1;
    p.a[2 * 8 + 6] = p.a[2 * 8 + 7] = 1;
    keel_frontier_answer out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "outcome %d", (int)out.outcome);
    for (int k = 0; k < out.corners; k++) {
        const double *w = keel_frontier_corner_at(frontier, k).weights;
        cr_expect_float_eq(w[6] + w[7], 0, 1e-15);
        cr_expect_geq(w[0] + w[1] + w[2] + w[3], 0.3 - 1e-15);
    }
    p.row_lo[1] = p.row_hi[1] = 0.4; /* all four at their caps */
    out = solve(frontier, &p);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "outcome %d", (int)out.outcome);
    cr_expect_leq(out.worst_residual, 1e-14);
    p.row_lo[1] = p.row_hi[1] = 0.400001;
    cr_expect_eq(solve(frontier, &p).outcome, KEEL_FRONTIER_INFEASIBLE);
}

Test(frontier, infeasible_unbounded_singular_and_full)
{
    varied(&p, 10, 0.09);
    cr_expect_eq(solve(frontier, &p).outcome, KEEL_FRONTIER_INFEASIBLE);
    keel_frontier_point point;
    cr_expect_eq(keel_frontier_at(frontier, 1, &point, NULL), KEEL_EUNAVAIL);
    for (int i = 0; i < 10; i++) {
        p.lower[i] = -HUGE_VAL;
        p.upper[i] = KEEL_QP_NO_BOUND;
    }
    keel_frontier_answer out = solve(frontier, &p);
    cr_expect_eq(out.outcome, KEEL_FRONTIER_UNBOUNDED);
    cr_expect_eq(out.corners, 1);
    cr_expect_leq(out.worst_residual, 1e-14);
    for (int i = 0; i < 10; i++) /* unbounded twins */
        p.s[at(10, i, 3)] = p.s[at(10, i == 3 ? 4 : i, 4)];
    p.m = 0;
    cr_expect_eq(solve(frontier, &p).outcome, KEEL_FRONTIER_SINGULAR);
    keel_frontier *small = keel_frontier_new(N, 4, 2);
    varied(&p, 20, 0.2);
    out = solve(small, &p);
    cr_expect_eq(out.outcome, KEEL_FRONTIER_CORNERS_FULL);
    cr_expect_eq(out.corners, 2);
    cr_expect_float_eq(keel_frontier_corner_at(small, 1).t, 0, 0);
    keel_frontier_free(&small);
}

/* 15 rows of data for 30 variables. */
Test(frontier, fewer_observations_than_variables)
{
    enum { T = 15, K = 30 };
    for (int cap = 0; cap < 3; cap++) {
        double x[T][K];
        keel_rng rng = keel_rng_seeded(3 + (uint64_t)cap);
        plain(&p, K, cap == 0 ? 1 : 0.1);
        memset(p.s, 0, sizeof p.s);
        for (int t = 0; t < T; t++) {
            const double all = keel_rng_normal(&rng);
            for (int i = 0; i < K; i++)
                x[t][i] = all + keel_rng_normal(&rng);
        }
        for (int i = 0; i < K; i++) {
            p.mean[i] = 0.1 * keel_rng_normal(&rng);
            p.lower[i] = cap == 2 ? -0.1 : 0;
            for (int j = 0; j <= i; j++) {
                for (int t = 0; t < T; t++)
                    p.s[at(K, i, j)] += x[t][i] * x[t][j] / T;
            }
        }
        const keel_frontier_answer out = solve(frontier, &p);
        cr_expect_eq(out.outcome, KEEL_FRONTIER_WHOLE, "kind %d: outcome %d at %d, residual %g",
                     cap, (int)out.outcome, out.corners, out.worst_residual);
    }
}

Test(frontier, ends_of_the_read_offs)
{
    double w[N];
    keel_frontier_point point;
    varied(&p, 10, 0.3);
    const keel_frontier_answer out = solve(frontier, &p);
    const keel_frontier_corner top = keel_frontier_corner_at(frontier, 0);
    const keel_frontier_corner low = keel_frontier_corner_at(frontier, out.corners - 1);
    const size_t size = (size_t)p.n * sizeof(double);
    cr_assert_eq(keel_frontier_at_mean(frontier, top.mean + 1e-9, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_ABOVE);
    cr_expect_arr_eq(w, top.weights, size);
    cr_assert_eq(keel_frontier_at_mean(frontier, top.mean, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_FOUND);
    cr_expect_arr_eq(w, top.weights, size);
    cr_assert_eq(keel_frontier_at_mean(frontier, low.mean - 1e-9, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_BELOW);
    cr_expect_arr_eq(w, low.weights, size);
    cr_assert_eq(keel_frontier_at_variance(frontier, 2 * top.variance, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_ABOVE);
    cr_assert_eq(keel_frontier_at_variance(frontier, 0.5 * low.variance, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_BELOW);
    cr_assert_eq(keel_frontier_max_sharpe(frontier, top.mean, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_NO_EXCESS);
    cr_assert_eq(keel_frontier_max_sharpe(frontier, top.mean - 1e-6, &point, w), KEEL_OK);
    cr_expect_eq(point.found, KEEL_FRONTIER_FOUND);
    cr_expect_arr_eq(w, top.weights, size);
    cr_assert_eq(keel_frontier_at(frontier, 2 * top.t, &point, w), KEEL_OK);
    cr_expect_arr_eq(w, top.weights, size);
    cr_assert_eq(keel_frontier_at_aversion(frontier, 1 / (0.5 * top.t), &point, w), KEEL_OK);
    cr_expect_float_eq(point.t, 0.5 * top.t, 1e-15 * top.t);
    cr_expect_eq(keel_frontier_at(frontier, -1, &point, w), KEEL_ERANGE);
    cr_expect_eq(keel_frontier_at(frontier, NAN, &point, w), KEEL_ENONFINITE);
    cr_expect_eq(keel_frontier_at_aversion(frontier, 0, &point, w), KEEL_ERANGE);
    cr_expect_eq(keel_frontier_at_variance(frontier, -1, &point, w), KEEL_ERANGE);
    cr_expect_eq(keel_frontier_at_mean(frontier, HUGE_VAL, &point, w), KEEL_ENONFINITE);
    cr_expect_eq(keel_frontier_max_sharpe(frontier, NAN, &point, w), KEEL_ENONFINITE);
}

static keel_status refusal(void)
{
    keel_frontier_answer out;
    const keel_frontier_problem v = view(&p);
    return keel_frontier_solve(frontier, &v, &out);
}

Test(frontier, refuses_bad_input_and_keeps_its_corners)
{
    varied(&p, 10, 0.3);
    const int corners = solve(frontier, &p).corners;
    p.mean[3] = NAN;
    cr_expect_eq(refusal(), KEEL_ENONFINITE);
    varied(&p, 10, 0.3);
    p.s[7] = HUGE_VAL;
    cr_expect_eq(refusal(), KEEL_ENONFINITE);
    varied(&p, 10, 0.3);
    p.s[at(10, 4, 4)] = -1;
    cr_expect_eq(refusal(), KEEL_ERANGE);
    varied(&p, 10, 0.3);
    p.lower[2] = 0.5;
    cr_expect_eq(refusal(), KEEL_ERANGE);
    varied(&p, 10, 0.3);
    p.row_lo[0] = 2;
    cr_expect_eq(refusal(), KEEL_ERANGE);
    varied(&p, 10, 0.3);
    p.upper[0] = NAN;
    cr_expect_eq(refusal(), KEEL_ENONFINITE);
    p.n = N + 1;
    cr_expect_eq(refusal(), KEEL_ERANGE);
    p.n = 10;
    p.m = 5;
    cr_expect_eq(refusal(), KEEL_ERANGE);
    cr_expect_float_eq(keel_frontier_corner_at(frontier, corners - 1).t, 0, 0);
    cr_expect_null(keel_frontier_new(0, 1, 2));
    cr_expect_null(keel_frontier_new(KEEL_FRONTIER_N_MAX + 1, 1, 2));
    cr_expect_null(keel_frontier_new(1, -1, 2));
    cr_expect_null(keel_frontier_new(1, 1, 1));
    cr_expect_null(keel_frontier_new(1, 1, KEEL_FRONTIER_CORNERS_MAX + 1));
}
