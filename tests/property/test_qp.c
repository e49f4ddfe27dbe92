/* Random quadratic programs against a checker that shares no code with the solver: KKT conditions
 * from the dense matrix for answers, Farkas multipliers for refusals. */
#include "common/base/rng.h"
#include "common/num/solve/qp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 512, M = 64, LEN = N * (N + 1) / 2, N_USUAL = 48, M_USUAL = 12 };

typedef struct problem {
    int n, m;
    double s[LEN], c[N], lower[N], upper[N], a[M * N], row_lo[M], row_hi[M];
    double inside[N]; /* a point that satisfies all, where one was built in */
    bool semidefinite, has_square;
    double square[N_USUAL * N_USUAL];
    int kinks_n; /* 0 but where a test adds some */
    double at[2][N], rise[2][N], fall[2][N];
    keel_qp_kink kinks[2];
} problem;

static size_t at(int n, int i, int j)
{
    const int hi = i > j ? i : j, lo = i > j ? j : i;
    return (size_t)lo * (size_t)(2 * n - lo - 1) / 2 + (size_t)hi;
}

static keel_qp_problem view(const problem *p)
{
    return (keel_qp_problem){.n = p->n,
                             .m = p->m,
                             .s = p->s,
                             .c = p->c,
                             .lower = p->lower,
                             .upper = p->upper,
                             .a = p->a,
                             .row_lo = p->row_lo,
                             .row_hi = p->row_hi,
                             .square = p->has_square ? p->square : NULL,
                             .semidefinite = p->semidefinite,
                             .kinks_n = p->kinks_n,
                             .kinks = p->kinks};
}

static double between(keel_rng *rng, double lo, double hi)
{
    return lo + (hi - lo) * keel_rng_uniform(rng);
}

/* Three factors and own variances from own_min to 1 of a factor's. */
static void make_matrix(problem *p, keel_rng *rng, double own_min)
{
    double b[N * 3];
    const double unit = pow(10, between(rng, -6, 2));
    for (int i = 0; i < 3 * p->n; i++)
        b[i] = keel_rng_normal(rng);
    for (int j = 0; j < p->n; j++) {
        for (int i = j; i < p->n; i++) {
            double sum = i == j ? pow(10, between(rng, log10(own_min), 0)) : 0;
            for (int f = 0; f < 3; f++)
                sum += b[3 * i + f] * b[3 * j + f];
            p->s[at(p->n, i, j)] = unit * sum;
        }
        p->c[j] = keel_rng_below(rng, 2) ? unit * keel_rng_normal(rng) : 0;
    }
}

static void make_bounds(problem *p, keel_rng *rng)
{
    for (int i = 0; i < p->n; i++) {
        p->lower[i] = 0;
        p->upper[i] = between(rng, 1.2, 6) / p->n;
        switch (keel_rng_below(rng, 8)) {
        case 0:
            p->lower[i] = -0.1;
            break;
        case 1:
            p->upper[i] = KEEL_QP_NO_BOUND;
            break;
        case 2:
            p->lower[i] = -INFINITY;
            break;
        case 3:
            p->upper[i] = p->lower[i] = 0.5 / p->n;
            break;
        default:
            break;
        }
        const double lo = fmax(p->lower[i], -1), hi = fmin(p->upper[i], 1);
        const uint64_t where = keel_rng_below(rng, 4);
        p->inside[i] = where == 0 ? lo : where == 1 ? hi : between(rng, lo, hi);
    }
}

static double row_at(const problem *p, int r, const double *x)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += p->a[r * p->n + i] * x[i];
    return sum;
}

/* Budget, sectors that overlap, a repeated row, general rows; sides often exactly at the point. */
static void make_rows(problem *p, keel_rng *rng)
{
    for (int r = 0; r < p->m; r++) {
        double *row = p->a + r * p->n;
        const uint64_t kind = keel_rng_below(rng, 8);
        for (int i = 0; i < p->n; i++) {
            row[i] = r == 0 ? 1 : kind < 4 ? (double)keel_rng_below(rng, 2) : keel_rng_normal(rng);
            if (r > 1 && kind == 7)
                row[i] = p->a[(r - 1) * p->n + i];
        }
        const double value = row_at(p, r, p->inside);
        const uint64_t sides = keel_rng_below(rng, 5);
        p->row_lo[r] = sides == 1 ? -KEEL_QP_NO_BOUND : value - between(rng, 0, 0.1);
        p->row_hi[r] = sides == 2 ? INFINITY : value + between(rng, 0, 0.1);
        if (r == 0 || sides == 3)
            p->row_lo[r] = p->row_hi[r] = value;
        if (sides == 4)
            p->row_hi[r] = value;
    }
}

static void make_sized(problem *p, keel_rng *rng, int n, int m)
{
    p->n = n;
    p->m = m;
    make_matrix(p, rng, 0.01);
    make_bounds(p, rng);
    make_rows(p, rng);
}

static void make(problem *p, keel_rng *rng)
{
    const int n = 1 + (int)keel_rng_below(rng, N_USUAL);
    make_sized(p, rng, n, (int)keel_rng_below(rng, M_USUAL + 1));
}

/* What gradients are sums of; 1 where all of it is 0. */
static double scale_of(const problem *p)
{
    double scale = 0;
    for (int i = 0; i < p->n; i++) {
        scale = fmax(scale, fmax(p->s[at(p->n, i, i)], fabs(p->c[i])));
        for (int k = 0; k < p->kinks_n; k++)
            scale = fmax(scale, fmax(p->rise[k][i], p->fall[k][i]));
    }
    return scale > 0 ? scale : 1;
}

/* Largest KKT error in the units of the header: matrix over its scale, x of size 1. */
static double kkt_error(const problem *p, const keel_qp_answer *out)
{
    const double scale = scale_of(p);
    double size = 1, worst = 0;
    for (int i = 0; i < p->n; i++)
        size = fmax(size, fabs(out->x[i]));
    for (int i = 0; i < p->n; i++) {
        double g = -p->c[i] + out->z[i] + out->slope[i];
        for (int j = 0; j < p->n; j++)
            g += p->s[at(p->n, i, j)] * out->x[j];
        for (int r = 0; r < p->m; r++)
            g += p->a[r * p->n + i] * out->y[r];
        worst = fmax(worst, fabs(g) / scale / size);
    }
    for (int k = 0; k < p->m + p->n; k++) {
        const bool row = k < p->m;
        const int i = row ? k : k - p->m;
        const double v = row ? row_at(p, i, out->x) : out->x[i];
        const double lo = row ? p->row_lo[i] : p->lower[i], hi = row ? p->row_hi[i] : p->upper[i];
        const double multiplier = (row ? out->y[i] : out->z[i]) / scale;
        worst = fmax(worst, fmax(lo - v, v - hi) / size / (row ? 10 : 1));
        if (multiplier > 0)
            worst = fmax(worst, fmin(multiplier, 1) * fabs(hi - v) / size / size);
        if (multiplier < 0)
            worst = fmax(worst, fmin(-multiplier, 1) * fabs(v - lo) / size / size);
    }
    return worst;
}

/* Costs of both kinds around a point near the inside, some of them at bounds or twice at one. */
static void add_kinks(problem *p, keel_rng *rng, int kinks_n)
{
    double unit = 0;
    for (int i = 0; i < p->n; i++)
        unit = fmax(unit, fmax(p->s[at(p->n, i, i)], fabs(p->c[i])));
    p->kinks_n = kinks_n;
    for (int k = 0; k < kinks_n; k++) {
        p->kinks[k] = (keel_qp_kink){p->at[k], p->rise[k], p->fall[k]};
        for (int i = 0; i < p->n; i++) {
            const bool same = k > 0 && keel_rng_below(rng, 4) == 0;
            const double lo = fmax(p->lower[i], -1), hi = fmin(p->upper[i], 1);
            p->at[k][i] = same ? p->at[0][i] : p->inside[i] + 0.05 * keel_rng_normal(rng);
            if (keel_rng_below(rng, 6) == 0)
                p->at[k][i] = keel_rng_below(rng, 2) ? lo : hi;
            const double slope = unit * pow(10, between(rng, -3, 0));
            p->rise[k][i] = keel_rng_below(rng, 5) == 0 ? 0 : slope * keel_rng_uniform(rng);
            p->fall[k][i] = keel_rng_below(rng, 5) == 0 ? 0 : slope * keel_rng_uniform(rng);
        }
    }
}

/* The slopes of the answer against those that the kinks allow at x; scaled as kkt_error. */
static double slope_error(const problem *p, const keel_qp_answer *out)
{
    double worst = 0;
    for (int i = 0; i < p->n; i++) {
        double lo = 0, hi = 0;
        for (int k = 0; k < p->kinks_n; k++) {
            const double above = out->x[i] - p->at[k][i];
            lo += above > 1e-10 ? p->rise[k][i] : -p->fall[k][i];
            hi += above < -1e-10 ? -p->fall[k][i] : p->rise[k][i];
        }
        worst = fmax(worst, fmax(lo - out->slope[i], out->slope[i] - hi));
    }
    return worst / scale_of(p);
}

/* Fewer factors than variables and no variance of their own; 0 factors is a linear programme. */
static void make_singular(problem *p, keel_rng *rng)
{
    double b[N_USUAL * 8];
    const int factors = (int)keel_rng_below(rng, 8);
    for (int i = 0; i < factors * p->n; i++)
        b[i] = keel_rng_normal(rng);
    for (int j = 0; j < p->n; j++)
        for (int i = j; i < p->n; i++) {
            double sum = 0;
            for (int f = 0; f < factors; f++)
                sum += b[factors * i + f] * b[factors * j + f];
            p->s[at(p->n, i, j)] = sum;
        }
    for (int i = 0; i < p->n; i++) { /* so that there is a least value */
        p->lower[i] = fmax(p->lower[i], -2);
        p->upper[i] = fmin(p->upper[i], 2);
    }
    p->semidefinite = true;
}

/* y and z of a refusal prove it: A'y + z = 0 and the sides they speak of add up to less than 0. */
static double farkas_gap(const problem *p, const keel_qp_answer *out)
{
    double total = 0;
    for (int i = 0; i < p->n; i++) {
        double sum = out->z[i];
        for (int r = 0; r < p->m; r++)
            sum += p->a[r * p->n + i] * out->y[r];
        cr_assert_lt(fabs(sum), 1e-9);
    }
    for (int k = 0; k < p->m + p->n; k++) {
        const bool row = k < p->m;
        const int i = row ? k : k - p->m;
        const double multiplier = row ? out->y[i] : out->z[i];
        const double lo = row ? p->row_lo[i] : p->lower[i], hi = row ? p->row_hi[i] : p->upper[i];
        if (multiplier != 0)
            total += multiplier * (multiplier > 0 ? hi : lo);
    }
    return total;
}

static keel_qp_answer solve(keel_qp *qp, const problem *p)
{
    keel_qp_answer out;
    const keel_qp_problem v = view(p);
    cr_assert_eq(keel_qp_solve(qp, &v, &out), KEEL_OK);
    return out;
}

Test(qp, answers_satisfy_the_kkt_conditions)
{
    static problem p;
    keel_qp *qp = keel_qp_new(N, M);
    double worst = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        make(&p, &rng);
        keel_qp_reset(qp);
        const keel_qp_answer out = solve(qp, &p);
        const double error = kkt_error(&p, &out);
        cr_expect_eq(out.outcome, KEEL_QP_OPTIMAL, "seed %d: outcome %d n %d m %d", (int)seed,
                     (int)out.outcome, p.n, p.m);
        if (out.outcome != KEEL_QP_OPTIMAL)
            continue;
        cr_expect_lt(error, 1e-9, "seed %d: error %g", (int)seed, error);
        cr_expect_leq(out.primal_residual, KEEL_QP_TOLERANCE);
        cr_expect_leq(out.dual_residual, KEEL_QP_TOLERANCE);
        cr_expect_leq(out.gap, KEEL_QP_TOLERANCE);
        worst = fmax(worst, error);
    }
    fprintf(stderr, "seeds 1..1500: worst KKT error %.2e\n", worst);
    keel_qp_free(&qp);
}

Test(qp, kinks_and_singular_matrices_satisfy_them_too)
{
    static problem p;
    keel_qp *qp = keel_qp_new(N, M);
    double worst = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        make(&p, &rng);
        p.semidefinite = false;
        p.kinks_n = 0;
        if (seed % 3 > 0)
            add_kinks(&p, &rng, 1 + (int)(seed / 3 % 2));
        if (seed % 3 < 2)
            make_singular(&p, &rng);
        keel_qp_reset(qp);
        for (int k = 0; k < p.n * p.n; k++)
            p.square[k] = p.s[at(p.n, k % p.n, k / p.n)];
        for (int round = 0; round < 3; round++) { /* cold, then warm, then from the square */
            p.has_square = round == 2;
            const keel_qp_answer out = solve(qp, &p);
            cr_expect_eq(out.outcome, KEEL_QP_OPTIMAL, "seed %d: outcome %d n %d m %d", (int)seed,
                         (int)out.outcome, p.n, p.m);
            if (out.outcome != KEEL_QP_OPTIMAL)
                break;
            const double error = fmax(kkt_error(&p, &out), slope_error(&p, &out));
            cr_expect_lt(error, 2e-9, "seed %d: error %g", (int)seed, error);
            worst = fmax(worst, error);
        }
    }
    fprintf(stderr, "kinks and singular: worst KKT error %.2e\n", worst);
    keel_qp_free(&qp);
}

/* Factors and own variances, some of them 0, and the same as a packed matrix. */
static void make_factors(problem *p, keel_rng *rng, int factors, double *loadings, double *specific)
{
    for (int i = 0; i < p->n; i++) {
        specific[i] = keel_rng_below(rng, 8) == 0 ? 0 : pow(10, between(rng, -3, 0));
        for (int f = 0; f < factors; f++)
            loadings[i * factors + f] = keel_rng_normal(rng);
    }
    for (int j = 0; j < p->n; j++)
        for (int i = j; i < p->n; i++) {
            double sum = i == j ? specific[i] : 0;
            for (int f = 0; f < factors; f++)
                sum += loadings[i * factors + f] * loadings[j * factors + f];
            p->s[at(p->n, i, j)] = sum;
        }
}

/* Judged by the checker with the packed matrix. */
Test(qp, factors_answer_as_their_matrix_does)
{
    static problem p;
    static double loadings[N_USUAL * 4], specific[N_USUAL];
    keel_qp *qp = keel_qp_new_factors(N_USUAL, M_USUAL, 4);
    double worst = 0;
    int unsettled = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        const int factors = (int)keel_rng_below(&rng, 5);
        make(&p, &rng);
        make_factors(&p, &rng, factors, loadings, specific);
        p.semidefinite = true;
        p.kinks_n = 0;
        if (seed % 2 == 0)
            add_kinks(&p, &rng, 1);
        for (int i = 0; i < p.n; i++) { /* so that there is a least value */
            p.lower[i] = fmax(p.lower[i], -2);
            p.upper[i] = fmin(p.upper[i], 2);
        }
        keel_qp_problem v = view(&p);
        v.s = NULL;
        v.factors = factors;
        v.loadings = loadings;
        v.specific = specific;
        for (int round = 0; round < 2; round++) {
            keel_qp_answer out;
            if (round == 0)
                keel_qp_reset(qp);
            cr_assert_eq(keel_qp_solve(qp, &v, &out), KEEL_OK);
            cr_expect(out.outcome == KEEL_QP_OPTIMAL || out.outcome == KEEL_QP_ITERATION_LIMIT,
                      "seed %d: %d", (int)seed, (int)out.outcome);
            unsettled += out.outcome != KEEL_QP_OPTIMAL;
            if (out.outcome != KEEL_QP_OPTIMAL)
                break;
            const double error = fmax(kkt_error(&p, &out), slope_error(&p, &out));
            cr_expect_lt(error, 2e-9, "seed %d: error %g", (int)seed, error);
            worst = fmax(worst, error);
        }
    }
    fprintf(stderr, "factors: worst KKT error %.2e, %d not settled\n", worst, unsettled);
    cr_expect_eq(unsettled, 0);
    keel_qp_free(&qp);
}

Test(qp, the_largest_size_is_solved_or_refused_with_proof)
{
    static problem p;
    keel_qp *qp = keel_qp_new(N, M);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        make_sized(&p, &rng, N, M);
        keel_qp_reset(qp);
        keel_qp_answer out = solve(qp, &p);
        cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL, "seed %d: outcome %d", (int)seed,
                     (int)out.outcome);
        cr_expect_lt(kkt_error(&p, &out), 1e-9, "seed %d", (int)seed);
        p.row_lo[0] = p.row_hi[0] = 100; /* no caps carry that */
        p.lower[0] = 0;
        for (int i = 0; i < p.n; i++)
            p.upper[i] = fmin(p.upper[i], 0.19);
        out = solve(qp, &p);
        cr_assert_eq(out.outcome, KEEL_QP_INFEASIBLE, "seed %d: outcome %d", (int)seed,
                     (int)out.outcome);
        cr_expect_lt(farkas_gap(&p, &out), -1e-9, "seed %d", (int)seed);
        fprintf(stderr, "seed %d: %d in the conflict, violation %g\n", (int)seed, out.conflict_n,
                out.violation);
    }
    keel_qp_free(&qp);
}

/* Own variances down to 1e-6 of the factors', row coefficients over four decades, rows that nearly
 * depend on each other. A few end without a certificate; none may end with a wrong claim. */
Test(qp, hard_problems_never_get_a_wrong_claim)
{
    static problem p;
    int uncertified = 0;
    keel_qp *qp = keel_qp_new(N, M);
    for (uint64_t seed = 1; seed <= 600; seed++) {
        keel_rng rng = keel_rng_seeded(seed * 977);
        make_sized(&p, &rng, 1 + (int)keel_rng_below(&rng, 100), (int)keel_rng_below(&rng, 41));
        make_matrix(&p, &rng, 1e-6);
        for (int r = 0; r < p.m; r++) {
            const double unit = pow(10, between(&rng, -2, 2));
            for (int i = 0; i < p.n; i++)
                p.a[r * p.n + i] *= unit;
            p.row_lo[r] *= unit;
            p.row_hi[r] *= unit;
        }
        keel_qp_reset(qp);
        const keel_qp_answer out = solve(qp, &p);
        const double error = kkt_error(&p, &out);
        cr_expect(out.outcome == KEEL_QP_OPTIMAL || out.outcome == KEEL_QP_ITERATION_LIMIT,
                  "seed %d: outcome %d", (int)seed, (int)out.outcome);
        if (out.outcome == KEEL_QP_OPTIMAL)
            cr_expect_lt(error, 1e-8, "seed %d: error %g", (int)seed, error);
        uncertified += out.outcome == KEEL_QP_ITERATION_LIMIT;
    }
    fprintf(stderr, "%d of 600 uncertified\n", uncertified);
    cr_expect_leq(uncertified, 6);
    keel_qp_free(&qp);
}

/* Copy of p with only the rows and bounds listed in keep[] (by the solver's numbering). */
static void keep_only(problem *to, const problem *p, const int *keep, int count, int skip)
{
    *to = *p;
    for (int r = 0; r < p->m; r++) {
        to->row_lo[r] = -INFINITY;
        to->row_hi[r] = INFINITY;
    }
    for (int i = 0; i < p->n; i++) {
        to->lower[i] = -INFINITY;
        to->upper[i] = INFINITY;
    }
    for (int s = 0; s < count; s++) {
        const int k = keep[s];
        if (s == skip)
            continue;
        if (k < p->m) {
            to->row_lo[k] = p->row_lo[k];
            to->row_hi[k] = p->row_hi[k];
        } else {
            to->lower[k - p->m] = p->lower[k - p->m];
            to->upper[k - p->m] = p->upper[k - p->m];
        }
    }
}

static void expect_minimal(keel_qp *qp, const problem *p, const keel_qp_answer *out, uint64_t seed)
{
    static problem part;
    int keep[N + M];
    const int count = out->conflict_n;
    memcpy(keep, out->conflict, (size_t)count * sizeof *keep);
    keep_only(&part, p, keep, count, -1);
    cr_expect_eq(solve(qp, &part).outcome, KEEL_QP_INFEASIBLE, "seed %d", (int)seed);
    for (int skip = 0; skip < count; skip++) {
        keep_only(&part, p, keep, count, skip);
        const keel_qp_answer without = solve(qp, &part);
        cr_expect_eq(without.outcome, KEEL_QP_OPTIMAL, "seed %d: without %d outcome %d", (int)seed,
                     keep[skip], (int)without.outcome);
        cr_expect_lt(kkt_error(&part, &without), 1e-8, "seed %d", (int)seed);
    }
}

Test(qp, refusals_carry_a_proof_and_a_minimal_conflict)
{
    static problem p;
    keel_qp *qp = keel_qp_new(N, M);
    int refused = 0, answered = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        keel_rng rng = keel_rng_seeded(seed * 7919);
        make(&p, &rng);
        for (int r = 0; r < p.m; r++) { /* move the rows away from the point built in */
            const double by = keel_rng_normal(&rng);
            p.row_lo[r] += by;
            p.row_hi[r] += by;
        }
        keel_qp_reset(qp);
        const keel_qp_answer out = solve(qp, &p);
        if (out.outcome == KEEL_QP_OPTIMAL) {
            cr_expect_lt(kkt_error(&p, &out), 1e-9, "seed %d", (int)seed);
            answered++;
            continue;
        }
        cr_expect_eq(out.outcome, KEEL_QP_INFEASIBLE, "seed %d: outcome %d", (int)seed,
                     (int)out.outcome);
        const double gap = farkas_gap(&p, &out);
        cr_expect_lt(gap, -1e-9, "seed %d: %g", (int)seed, gap);
        cr_expect_float_eq(out.violation, -gap, 1e-12 * (1 + fabs(gap)));
        expect_minimal(qp, &p, &out, seed);
        refused++;
    }
    fprintf(stderr, "%d refused, %d answered\n", refused, answered);
    cr_assert_gt(refused, 200);
    cr_assert_gt(answered, 50);
    keel_qp_free(&qp);
}

Test(qp, warm_and_cold_give_the_same_answer)
{
    static problem p;
    keel_qp *warm = keel_qp_new(N, M), *cold = keel_qp_new(N, M);
    int warm_steps = 0, cold_steps = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        keel_rng rng = keel_rng_seeded(seed * 104729);
        make(&p, &rng);
        keel_qp_reset(warm);
        for (int bar = 0; bar < 8; bar++) {
            for (int i = 0; i < p.n; i++) {
                const double unit = p.s[at(p.n, i, i)];
                p.s[at(p.n, i, i)] = unit * between(&rng, 1, 1.05);
                p.c[i] += 0.01 * unit * keel_rng_normal(&rng);
            }
            keel_qp_reset(cold);
            const keel_qp_answer a = solve(warm, &p), b = solve(cold, &p);
            cr_assert_eq(a.outcome, KEEL_QP_OPTIMAL, "seed %d", (int)seed);
            cr_assert_eq(b.outcome, KEEL_QP_OPTIMAL, "seed %d", (int)seed);
            for (int i = 0; i < p.n; i++)
                cr_expect_float_eq(a.x[i], b.x[i], 1e-8, "seed %d bar %d", (int)seed, bar);
            warm_steps += a.iterations;
            cold_steps += b.iterations;
        }
    }
    fprintf(stderr, "warm %d steps, cold %d\n", warm_steps, cold_steps);
    cr_assert_lt(warm_steps, cold_steps);
    keel_qp_free(&warm);
    keel_qp_free(&cold);
}

Test(qp, scale_of_the_matrix_does_not_move_the_answer)
{
    static problem p, q;
    keel_qp *qp = keel_qp_new(N, M);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double x[N];
        keel_rng rng = keel_rng_seeded(seed * 31);
        make(&p, &rng);
        q = p;
        for (int k = 0; k < p.n * (p.n + 1) / 2; k++)
            q.s[k] *= 0x1p-20;
        for (int i = 0; i < p.n; i++)
            q.c[i] *= 0x1p-20;
        keel_qp_reset(qp);
        keel_qp_answer out = solve(qp, &p);
        memcpy(x, out.x, sizeof(double) * (size_t)p.n);
        keel_qp_reset(qp);
        out = solve(qp, &q);
        for (int i = 0; i < p.n; i++)
            cr_expect_float_eq(out.x[i], x[i], 1e-10, "seed %d", (int)seed);
    }
    keel_qp_free(&qp);
}

/* Variables and rows in reverse order. */
static void reverse(problem *to, const problem *p)
{
    to->n = p->n;
    to->m = p->m;
    for (int i = 0; i < p->n; i++) {
        const int from = p->n - 1 - i;
        to->c[i] = p->c[from];
        to->lower[i] = p->lower[from];
        to->upper[i] = p->upper[from];
        for (int j = 0; j <= i; j++)
            to->s[at(p->n, i, j)] = p->s[at(p->n, from, p->n - 1 - j)];
        for (int r = 0; r < p->m; r++)
            to->a[r * p->n + i] = p->a[(p->m - 1 - r) * p->n + from];
    }
    for (int r = 0; r < p->m; r++) {
        to->row_lo[r] = p->row_lo[p->m - 1 - r];
        to->row_hi[r] = p->row_hi[p->m - 1 - r];
    }
}

Test(qp, order_of_variables_and_rows_does_not_move_the_answer)
{
    static problem p, q;
    keel_qp *qp = keel_qp_new(N, M);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double x[N];
        keel_rng rng = keel_rng_seeded(seed * 17);
        make(&p, &rng);
        reverse(&q, &p);
        keel_qp_reset(qp);
        keel_qp_answer out = solve(qp, &p);
        memcpy(x, out.x, sizeof(double) * (size_t)p.n);
        keel_qp_reset(qp);
        out = solve(qp, &q);
        cr_expect_eq(out.outcome, KEEL_QP_OPTIMAL, "seed %d", (int)seed);
        for (int i = 0; i < p.n; i++)
            cr_expect_float_eq(out.x[p.n - 1 - i], x[i], 1e-8, "seed %d", (int)seed);
    }
    keel_qp_free(&qp);
}

Test(qp, a_restored_status_gives_the_same_bytes)
{
    static problem p;
    uint8_t bytes[1024];
    size_t len;
    keel_qp *qp = keel_qp_new(N, M), *twin = keel_qp_new(N, M);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        keel_rng rng = keel_rng_seeded(seed * 13);
        make(&p, &rng);
        solve(qp, &p);
        cr_assert_eq(keel_qp_save(qp, bytes, sizeof bytes, &len), KEEL_OK);
        cr_assert_eq(keel_qp_load(twin, bytes, len), KEEL_OK);
        for (int i = 0; i < p.n; i++)
            p.s[at(p.n, i, i)] *= between(&rng, 1, 1.2);
        const keel_qp_answer a = solve(qp, &p), b = solve(twin, &p);
        cr_assert_eq(a.iterations, b.iterations);
        cr_assert_arr_eq(a.x, b.x, sizeof(double) * (size_t)p.n);
        cr_assert_arr_eq(a.y, b.y, sizeof(double) * (size_t)p.m);
        cr_assert_arr_eq(a.z, b.z, sizeof(double) * (size_t)p.n);
    }
    keel_qp_free(&qp);
    keel_qp_free(&twin);
}
