/* Random frontiers against a checker that shares no code with the walk (KKT conditions of every
 * corner from the packed matrix) and against keel_qp at random places between the corners. */
#include "common/base/rng.h"
#include "common/num/solve/frontier.h"
#include "common/num/solve/qp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 60, M = 8, LEN = N * (N + 1) / 2, CORNERS = 4096, PROBLEMS = 2000 };

typedef struct problem {
    int n, m;
    double s[LEN], mean[N], lower[N], upper[N], a[M * N], row_lo[M], row_hi[M];
    double inside[N]; /* satisfies all */
} problem;

static size_t at(int n, int i, int j)
{
    const int hi = i > j ? i : j, lo = i > j ? j : i;
    return (size_t)lo * (size_t)(2 * n - lo - 1) / 2 + (size_t)hi;
}

static keel_frontier_problem view(const problem *p)
{
    return (keel_frontier_problem){p->n,     p->m, p->s,      p->mean,  p->lower,
                                   p->upper, p->a, p->row_lo, p->row_hi};
}

static double between(keel_rng *rng, double lo, double hi)
{
    return lo + (hi - lo) * keel_rng_uniform(rng);
}

/* Three factors and own variances of own_min to 1 of a factor's; means in the same unit, or a few
 * values that many share. */
static void make_estimates(problem *p, keel_rng *rng, double own_min)
{
    double b[N * 3];
    const double unit = pow(10, between(rng, -6, 2));
    const uint64_t ties = keel_rng_below(rng, 4);
    for (int i = 0; i < 3 * p->n; i++)
        b[i] = keel_rng_normal(rng);
    for (int j = 0; j < p->n; j++) {
        for (int i = j; i < p->n; i++) {
            double sum = i == j ? pow(10, between(rng, log10(own_min), 0)) : 0;
            for (int f = 0; f < 3; f++)
                sum += b[3 * i + f] * b[3 * j + f];
            p->s[at(p->n, i, j)] = unit * sum;
        }
        p->mean[j] = unit * (ties == 0 ? (double)keel_rng_below(rng, 3) : keel_rng_normal(rng));
    }
}

/* j becomes i again, to the last bit. */
static void duplicate(problem *p, int i, int j)
{
    for (int k = 0; k < p->n; k++) {
        if (k != j)
            p->s[at(p->n, k, j)] = p->s[at(p->n, k, i)];
    }
    p->s[at(p->n, j, j)] = p->s[at(p->n, i, i)];
    p->s[at(p->n, i, j)] = p->s[at(p->n, i, i)];
    p->mean[j] = p->mean[i];
    for (int r = 0; r < p->m; r++)
        p->a[r * p->n + j] = p->a[r * p->n + i];
}

static double row_at(const problem *p, int r, const double *w)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += p->a[r * p->n + i] * w[i];
    return sum;
}

/* Long only, caps that often divide the budget exactly, some short, some fixed. */
static void make_bounds(problem *p, keel_rng *rng)
{
    const uint64_t kind = keel_rng_below(rng, 5);
    const double names = 1 + (double)keel_rng_below(rng, (uint64_t)p->n);
    double total = 0, room = 0;
    for (int i = 0; i < p->n; i++) {
        p->lower[i] = 0;
        p->upper[i] = kind == 0 ? 1 : kind == 1 ? 1 / names : between(rng, 1.2, 6) / p->n;
        if (kind == 3 && keel_rng_below(rng, 4) == 0)
            p->lower[i] = -0.1;
        if (kind == 4 && keel_rng_below(rng, 6) == 0)
            p->lower[i] = p->upper[i] = 0.5 / p->n;
        total += p->lower[i];
        room += p->upper[i] - p->lower[i];
    }
    const double share = room > 0 ? (1 - total) / room : 0;
    for (int i = 0; i < p->n; i++)
        p->inside[i] = p->lower[i] + share * (p->upper[i] - p->lower[i]);
}

static void make_rows(problem *p, keel_rng *rng)
{
    for (int r = 0; r < p->m; r++) {
        double *row = p->a + r * p->n;
        const uint64_t kind = keel_rng_below(rng, 8);
        for (int i = 0; i < p->n; i++) {
            row[i] = r == 0 ? 1 : kind < 6 ? (double)(i % p->m == r) : keel_rng_normal(rng);
            if (r > 1 && kind == 7)
                row[i] = p->a[(r - 1) * p->n + i];
        }
    }
}

static void make_sides(problem *p, keel_rng *rng)
{
    for (int r = 0; r < p->m; r++) {
        const double value = row_at(p, r, p->inside);
        const uint64_t sides = keel_rng_below(rng, 6);
        p->row_lo[r] = sides == 1 ? -INFINITY : value - between(rng, 0, 0.1);
        p->row_hi[r] = sides == 2 ? KEEL_QP_NO_BOUND : value + between(rng, 0, 0.1);
        if (r == 0 || sides == 3)
            p->row_lo[r] = p->row_hi[r] = value;
        if (sides == 4)
            p->row_hi[r] = value;
    }
}

static void make(problem *p, keel_rng *rng)
{
    p->n = 2 + (int)keel_rng_below(rng, N - 1);
    p->m = 1 + (int)keel_rng_below(rng, M);
    make_estimates(p, rng, 0.01);
    make_bounds(p, rng);
    make_rows(p, rng);
    if (keel_rng_below(rng, 4) == 0)
        duplicate(p, 0, p->n - 1);
    make_sides(p, rng);
}

/* Largest KKT error in the units of the header. */
static double kkt_error(const problem *p, double t, const double *w, const double *y)
{
    double scale = 0, size = 1, worst = 0;
    for (int i = 0; i < p->n; i++) {
        scale = fmax(scale, fmax(p->s[at(p->n, i, i)], t * fabs(p->mean[i])));
        size = fmax(size, fabs(w[i]));
    }
    for (int i = 0; i < p->n; i++) {
        double d = -t * p->mean[i];
        for (int j = 0; j < p->n; j++)
            d += p->s[at(p->n, i, j)] * w[j];
        for (int r = 0; r < p->m; r++)
            d += p->a[r * p->n + i] * y[r];
        const double lower = w[i] - p->lower[i], upper = p->upper[i] - w[i];
        worst = fmax(worst, -fmin(lower, upper));
        if ((d > 0 && lower > 0) || (d < 0 && upper > 0))
            worst = fmax(worst, fabs(d) / scale / size);
    }
    for (int r = 0; r < p->m; r++) {
        const double value = row_at(p, r, w), unit = scale * size;
        worst = fmax(worst, fmax(p->row_lo[r] - value, value - p->row_hi[r]) / 10);
        if (y[r] > 0)
            worst = fmax(worst, fmin(y[r] / unit, 1) * fabs(p->row_hi[r] - value));
        if (y[r] < 0)
            worst = fmax(worst, fmin(-y[r] / unit, 1) * fabs(value - p->row_lo[r]));
    }
    return worst;
}

static keel_frontier_answer solve(keel_frontier *f, const problem *p)
{
    keel_frontier_answer out;
    const keel_frontier_problem v = view(p);
    cr_assert_eq(keel_frontier_solve(f, &v, &out), KEEL_OK);
    return out;
}

/* Corners in order, each optimal, variance convex in the mean with slopes 2t. */
static double check_corners(const keel_frontier *f, const problem *p, int corners, int seed)
{
    double worst = 0, scale = 0;
    for (int i = 0; i < p->n; i++)
        scale = fmax(scale, p->s[at(p->n, i, i)]);
    for (int k = 0; k < corners; k++) {
        const keel_frontier_corner c = keel_frontier_corner_at(f, k);
        worst = fmax(worst, kkt_error(p, c.t, c.weights, c.y));
        if (k + 1 == corners)
            cr_expect_float_eq(c.t, 0, 0, "seed %d", seed);
        if (k == 0)
            continue;
        const keel_frontier_corner above = keel_frontier_corner_at(f, k - 1);
        const double slack = 1e-11 * scale + 1e-11 * fabs(above.t * (above.mean - c.mean));
        const double rise = above.variance - c.variance, run = above.mean - c.mean;
        cr_expect_gt(above.t, c.t, "seed %d corner %d", seed, k);
        cr_expect_geq(run, -1e-13 * scale, "seed %d corner %d", seed, k);
        cr_expect_geq(rise, 2 * c.t * run - slack, "seed %d corner %d", seed, k);
        cr_expect_leq(rise, 2 * above.t * run + slack, "seed %d corner %d", seed, k);
    }
    return worst;
}

/* Without the last variable, which is the first one again: that one then has room for both. */
static void merge(problem *to, const problem *p)
{
    const int n = p->n - 1;
    to->n = n;
    to->m = p->m;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++)
            to->s[at(n, i, j)] = p->s[at(p->n, i, j)];
        to->mean[i] = p->mean[i];
        to->lower[i] = p->lower[i] + (i == 0 ? p->lower[n] : 0);
        to->upper[i] = p->upper[i] + (i == 0 ? p->upper[n] : 0);
        for (int r = 0; r < p->m; r++)
            to->a[r * n + i] = p->a[r * p->n + i];
    }
    memcpy(to->row_lo, p->row_lo, sizeof to->row_lo);
    memcpy(to->row_hi, p->row_hi, sizeof to->row_hi);
}

static keel_qp_answer solve_qp(keel_qp *qp, const problem *p, double t)
{
    static double c[N];
    keel_qp_answer out;
    const keel_qp_problem v = {p->n, p->m, p->s, c, p->lower, p->upper, p->a, p->row_lo, p->row_hi};
    for (int i = 0; i < p->n; i++)
        c[i] = t * p->mean[i];
    keel_qp_reset(qp);
    cr_assert_eq(keel_qp_solve(qp, &v, &out), KEEL_OK);
    return out;
}

/* Weights and objective at some t against a QP solved from nothing, scaled. */
static double against_qp(const keel_frontier *f, keel_qp *qp, const problem *p, double t)
{
    static problem merged;
    double w[N], scale = 0, apart = 0;
    keel_frontier_point point;
    cr_assert_eq(keel_frontier_at(f, t, &point, w), KEEL_OK);
    keel_qp_answer out = solve_qp(qp, p, t);
    const bool twins = out.outcome == KEEL_QP_SINGULAR;
    if (twins) {
        merge(&merged, p);
        out = solve_qp(qp, &merged, t);
        w[0] += w[p->n - 1];
    }
    cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL);
    for (int i = 0; i < p->n; i++)
        scale = fmax(scale, fmax(p->s[at(p->n, i, i)], t * fabs(p->mean[i])));
    for (int i = 0; i < p->n - twins; i++)
        apart = fmax(apart, fabs(w[i] - out.x[i]));
    const double objective = 0.5 * point.variance - t * point.mean;
    return fmax(fabs(objective - out.objective) / scale, apart);
}

Test(frontier, corners_are_optimal_and_the_path_between_is_that_of_the_qp)
{
    static problem p;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS);
    keel_qp *qp = keel_qp_new(N, M);
    double worst = 0, worst_qp = 0;
    int corners = 0, steps = 0;
    for (int seed = 1; seed <= PROBLEMS; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed);
        make(&p, &rng);
        const keel_frontier_answer out = solve(f, &p);
        cr_expect_eq(out.outcome, KEEL_FRONTIER_WHOLE,
                     "seed %d: outcome %d n %d m %d corners %d steps %d residual %g", seed,
                     (int)out.outcome, p.n, p.m, out.corners, out.steps, out.worst_residual);
        if (out.outcome != KEEL_FRONTIER_WHOLE)
            continue;
        const double error = check_corners(f, &p, out.corners, seed);
        cr_expect_lt(error, 1e-10, "seed %d: error %g", seed, error);
        const double top = keel_frontier_corner_at(f, 0).t;
        for (int k = 0; k < 2; k++) {
            const double t = top * pow(keel_rng_uniform(&rng), 2) * 1.1;
            const double apart = against_qp(f, qp, &p, t);
            cr_expect_lt(apart, 1e-9, "seed %d t %g of %g: %g apart", seed, t, top, apart);
            worst_qp = fmax(worst_qp, apart);
        }
        worst = fmax(worst, fmax(error, out.worst_residual));
        corners += out.corners;
        steps += out.steps;
    }
    fprintf(stderr, "%d corners, %d steps; worst KKT %.1e, apart from qp %.1e\n", corners, steps,
            worst, worst_qp);
    keel_frontier_free(&f);
    keel_qp_free(&qp);
}

/* Own variances down to 1e-6 of the factors', rows in units over four decades and rows that nearly
 * depend on others. A few may end without a certificate; none with a wrong claim. */
Test(frontier, hard_problems_never_get_a_wrong_claim)
{
    static problem p;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS);
    int uncertified = 0;
    for (int seed = 1; seed <= 1000; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed * 6151);
        make(&p, &rng);
        make_estimates(&p, &rng, 1e-6);
        for (int r = 1; r < p.m; r++) {
            const double unit = pow(10, between(&rng, -2, 2));
            const bool near = keel_rng_below(&rng, 4) == 0;
            for (int i = 0; i < p.n; i++) {
                if (near)
                    p.a[r * p.n + i] = p.a[i] + 1e-3 * keel_rng_normal(&rng);
                p.a[r * p.n + i] *= unit;
            }
        }
        make_sides(&p, &rng);
        const keel_frontier_answer out = solve(f, &p);
        cr_expect(out.outcome == KEEL_FRONTIER_WHOLE || out.outcome == KEEL_FRONTIER_UNCERTIFIED ||
                      out.outcome == KEEL_FRONTIER_STEP_LIMIT,
                  "seed %d: outcome %d", seed, (int)out.outcome);
        for (int k = 0; k < out.corners; k++) {
            const keel_frontier_corner c = keel_frontier_corner_at(f, k);
            const double error = kkt_error(&p, c.t, c.weights, c.y);
            if (c.residual <= KEEL_FRONTIER_TOLERANCE)
                cr_expect_lt(error, 1e-8, "seed %d corner %d: error %g", seed, k, error);
        }
        uncertified += out.outcome != KEEL_FRONTIER_WHOLE;
    }
    fprintf(stderr, "%d of 1000 uncertified\n", uncertified);
    cr_expect_leq(uncertified, 20);
    keel_frontier_free(&f);
}

/* Variables in reverse order. */
static void reverse(problem *to, const problem *p)
{
    const int n = p->n;
    *to = *p;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++)
            to->s[at(n, n - 1 - i, n - 1 - j)] = p->s[at(n, i, j)];
        to->mean[n - 1 - i] = p->mean[i];
        to->lower[n - 1 - i] = p->lower[i];
        to->upper[n - 1 - i] = p->upper[i];
        for (int r = 0; r < p->m; r++)
            to->a[r * n + n - 1 - i] = p->a[r * n + i];
    }
}

Test(frontier, order_of_variables_does_not_move_the_frontier)
{
    static problem p, q;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS), *g = keel_frontier_new(N, M, CORNERS);
    for (int seed = 1; seed <= 300; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed * 7919);
        make(&p, &rng);
        reverse(&q, &p);
        const keel_frontier_answer a = solve(f, &p), b = solve(g, &q);
        double scale = 0;
        cr_assert_eq(a.outcome, KEEL_FRONTIER_WHOLE, "seed %d", seed);
        cr_assert_eq(b.outcome, KEEL_FRONTIER_WHOLE, "seed %d", seed);
        for (int i = 0; i < p.n; i++)
            scale = fmax(scale, p.s[at(p.n, i, i)]);
        for (int k = 0; k <= 20; k++) {
            const double t = keel_frontier_corner_at(f, 0).t * k / 20;
            keel_frontier_point u, v;
            cr_assert_eq(keel_frontier_at(f, t, &u, NULL), KEEL_OK);
            cr_assert_eq(keel_frontier_at(g, t, &v, NULL), KEEL_OK);
            cr_expect_float_eq(u.variance, v.variance, 1e-9 * scale, "seed %d t %g", seed, t);
            cr_expect_float_eq(u.mean, v.mean, 1e-9 * scale, "seed %d t %g", seed, t);
        }
    }
    keel_frontier_free(&f);
    keel_frontier_free(&g);
}

/* Two to the power of an even number changes no digit: the same frontier in other units, and the
 * same bytes when it is walked again. */
Test(frontier, units_do_not_move_the_frontier)
{
    static problem p, q;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS), *g = keel_frontier_new(N, M, CORNERS);
    for (int seed = 1; seed <= 200; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed * 31);
        make(&p, &rng);
        q = p;
        for (int k = 0; k < p.n * (p.n + 1) / 2; k++)
            q.s[k] *= 0x1p-20;
        for (int i = 0; i < p.n; i++)
            q.mean[i] *= 0x1p-10;
        const keel_frontier_answer a = solve(f, &p), b = solve(g, &q);
        cr_assert_eq(a.outcome, b.outcome, "seed %d", seed);
        cr_assert_eq(a.corners, b.corners, "seed %d: %d and %d", seed, a.corners, b.corners);
        for (int k = 0; k < a.corners; k++) {
            const keel_frontier_corner c = keel_frontier_corner_at(f, k);
            const keel_frontier_corner d = keel_frontier_corner_at(g, k);
            cr_expect_float_eq(d.t * 0x1p10, c.t, 1e-9 * fabs(c.t), "seed %d", seed);
            for (int i = 0; i < p.n; i++)
                cr_expect_float_eq(c.weights[i], d.weights[i], 1e-10, "seed %d", seed);
        }
        cr_assert_eq(solve(g, &p).corners, a.corners);
        for (int k = 0; k < a.corners; k++)
            cr_expect_arr_eq(keel_frontier_corner_at(f, k).weights,
                             keel_frontier_corner_at(g, k).weights, (size_t)p.n * sizeof(double));
    }
    keel_frontier_free(&f);
    keel_frontier_free(&g);
}

Test(frontier, says_infeasible_when_the_qp_proves_it)
{
    static problem p;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS);
    keel_qp *qp = keel_qp_new(N, M);
    int refused = 0, answered = 0;
    for (int seed = 1; seed <= 500; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed * 104729);
        make(&p, &rng);
        for (int r = 1; r < p.m; r++) {
            const double by = 0.2 * keel_rng_normal(&rng);
            p.row_lo[r] += by;
            p.row_hi[r] += by;
        }
        const keel_frontier_answer out = solve(f, &p);
        const keel_qp_outcome truth = solve_qp(qp, &p, 0).outcome;
        if (truth == KEEL_QP_SINGULAR)
            continue;
        cr_expect_eq(out.outcome,
                     truth == KEEL_QP_OPTIMAL ? KEEL_FRONTIER_WHOLE : KEEL_FRONTIER_INFEASIBLE,
                     "seed %d: outcome %d, qp %d, residual %g", seed, (int)out.outcome, (int)truth,
                     out.worst_residual);
        refused += out.outcome == KEEL_FRONTIER_INFEASIBLE;
        answered += out.outcome == KEEL_FRONTIER_WHOLE;
    }
    fprintf(stderr, "%d refused, %d answered\n", refused, answered);
    cr_assert_gt(refused, 100);
    cr_assert_gt(answered, 50);
    keel_frontier_free(&f);
    keel_qp_free(&qp);
}

/* The read-offs against each other and against every corner. */
Test(frontier, read_offs_agree)
{
    static problem p;
    keel_frontier *f = keel_frontier_new(N, M, CORNERS);
    for (int seed = 1; seed <= 300; seed++) {
        keel_rng rng = keel_rng_seeded((uint64_t)seed * 977);
        double w[N], v[N], scale = 0;
        make(&p, &rng);
        const keel_frontier_answer out = solve(f, &p);
        cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "seed %d", seed);
        const keel_frontier_corner top = keel_frontier_corner_at(f, 0);
        const keel_frontier_corner low = keel_frontier_corner_at(f, out.corners - 1);
        for (int i = 0; i < p.n; i++)
            scale = fmax(scale, p.s[at(p.n, i, i)]);
        const double share = keel_rng_uniform(&rng);
        keel_frontier_point a, b, best;
        cr_assert_eq(keel_frontier_at_mean(f, low.mean + share * (top.mean - low.mean), &a, w),
                     KEEL_OK);
        cr_expect_eq(a.found, KEEL_FRONTIER_FOUND);
        cr_assert_eq(keel_frontier_at_variance(f, a.variance, &b, v), KEEL_OK);
        for (int i = 0; i < p.n; i++)
            cr_expect_float_eq(w[i], v[i], 1e-5, "seed %d: %g", seed, fabs(w[i] - v[i]));
        cr_expect_float_eq(a.mean, b.mean, 1e-7 * scale);
        const double rate = low.mean - 0.1 * (top.mean - low.mean) - 1e-3 * scale;
        cr_assert_eq(keel_frontier_max_sharpe(f, rate, &best, NULL), KEEL_OK);
        cr_expect_eq(best.found, KEEL_FRONTIER_FOUND);
        const double ratio = (best.mean - rate) / sqrt(best.variance);
        for (int k = 0; k <= 100; k++) {
            cr_assert_eq(
                keel_frontier_at_mean(f, low.mean + k * (top.mean - low.mean) / 100, &a, NULL),
                KEEL_OK);
            cr_expect_geq(ratio * (1 + 1e-9), (a.mean - rate) / sqrt(a.variance), "seed %d", seed);
        }
    }
    keel_frontier_free(&f);
}

enum { BIG_N = KEEL_FRONTIER_N_MAX, BIG_M = KEEL_FRONTIER_M_MAX };

/* One factor, caps that divide the budget exactly, sixty-three sectors with a band each. */
static keel_frontier_problem make_big(void)
{
    static double s[BIG_N * (BIG_N + 1) / 2], mean[BIG_N], lower[BIG_N], upper[BIG_N];
    static double a[BIG_M * BIG_N], row_lo[BIG_M], row_hi[BIG_M], beta[BIG_N];
    keel_rng rng = keel_rng_seeded(2000);
    for (int i = 0; i < BIG_N; i++) {
        beta[i] = between(&rng, 0.5, 1.5);
        mean[i] = 0.05 * beta[i] + 0.02 * keel_rng_normal(&rng);
        upper[i] = 1.0 / 128;
        a[i] = 1;
        a[(1 + i % (BIG_M - 1)) * BIG_N + i] = 1;
    }
    for (int j = 0; j < BIG_N; j++) {
        for (int i = j; i < BIG_N; i++)
            s[at(BIG_N, i, j)] = 0.04 * beta[i] * beta[j] + (i == j ? between(&rng, 0.05, 0.3) : 0);
    }
    for (int r = 0; r < BIG_M; r++) {
        row_lo[r] = r == 0 ? 1 : 0.3 / (BIG_M - 1);
        row_hi[r] = r == 0 ? 1 : 1.7 / (BIG_M - 1);
    }
    return (keel_frontier_problem){BIG_N, BIG_M, s, mean, lower, upper, a, row_lo, row_hi};
}

/* S w - t mean + A'y has the sign of the side that each weight is at. */
static double stationarity(const keel_frontier_problem *p, const keel_frontier_corner *c)
{
    double worst = 0;
    for (int i = 0; i < p->n; i++) {
        double d = -c->t * p->mean[i];
        for (int j = 0; j < p->n; j++)
            d += p->s[at(p->n, i, j)] * c->weights[j];
        for (int r = 0; r < p->m; r++)
            d += p->a[r * p->n + i] * c->y[r];
        if ((d > 0 && c->weights[i] > 0) || (d < 0 && c->weights[i] < p->upper[i]))
            worst = fmax(worst, fabs(d));
    }
    return worst;
}

Test(frontier, the_largest_size)
{
    keel_frontier_answer out;
    const keel_frontier_problem p = make_big();
    keel_frontier *f = keel_frontier_new(BIG_N, BIG_M, KEEL_FRONTIER_CORNERS_MAX);
    cr_assert_eq(keel_frontier_solve(f, &p, &out), KEEL_OK);
    cr_assert_eq(out.outcome, KEEL_FRONTIER_WHOLE, "outcome %d after %d steps, residual %g",
                 (int)out.outcome, out.steps, out.worst_residual);
    for (int k = 0; k < 3; k++) {
        const keel_frontier_corner c = keel_frontier_corner_at(f, k * (out.corners - 1) / 2);
        cr_expect_lt(stationarity(&p, &c), 1e-11 * fmax(1, c.t));
    }
    fprintf(stderr, "%d variables, %d rows: %d corners, %d steps, residual %.1e\n", BIG_N, BIG_M,
            out.corners, out.steps, out.worst_residual);
    keel_frontier_free(&f);
}
