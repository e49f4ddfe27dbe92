#include "common/base/rng.h"
#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/nearest.h"
#include "common/num/la/sym.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 20, LEN = N * (N + 1) / 2 };

static void setup(void)
{
    keel_la_init();
}

TestSuite(nearest, .init = setup);

static const keel_nearest_cfg tight = {0, 1e-13, 5000};

static void fill(int n, double *packed, double size, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    for (int j = 0; j < n; j++) {
        packed[keel_sym_at(n, j, j)] = 1;
        for (int i = j + 1; i < n; i++)
            packed[keel_sym_at(n, i, j)] = size * (2 * keel_rng_uniform(&rng) - 1);
    }
}

static void multiply(int n, const double *a, const double *b, double *product)
{
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) {
            product[j * n + i] = 0;
            for (int k = 0; k < n; k++)
                product[j * n + i] += a[k * n + i] * b[j * n + k];
        }
    }
}

/* X is the nearest to A if and only if Z = X - A - diag(t) is semidefinite and Z X = 0 for some t;
 * the diagonal of Z X = 0 gives t = diag((X - A) X) because X_ii = 1. */
static void check_optimal(int n, const double *a, const double *x, double tolerance)
{
    double dense[N * N], difference[N * N], product[N * N], packed[LEN], values[N], t[N];
    keel_sym_unpack(n, x, dense, n);
    for (int k = 0; k < n * (n + 1) / 2; k++)
        packed[k] = x[k] - a[k];
    keel_sym_unpack(n, packed, difference, n);
    multiply(n, difference, dense, product);
    for (int i = 0; i < n; i++) {
        t[i] = product[i * n + i];
        difference[i * n + i] -= t[i];
        packed[keel_sym_at(n, i, i)] -= t[i];
    }
    multiply(n, difference, dense, product);
    for (int k = 0; k < n * n; k++)
        cr_assert_float_eq(product[k], 0, tolerance, "n %d: Z X = %g", n, product[k]);
    cr_assert_eq(keel_eigen_values(n, packed, values), KEEL_OK);
    cr_assert_gt(values[0], -tolerance, "n %d: Z has %g", n, values[0]);
    cr_assert_eq(keel_sym_check_semidefinite(n, x, KEEL_SEMIDEFINITE_TOLERANCE, NULL), KEEL_OK);
}

/* Higham 2002, section 4: the first matrix, its answer and distance as printed there. */
Test(nearest, example_of_the_paper)
{
    double x[6] = {1, 1, 0, 1, 1, 1};
    const double a[6] = {1, 1, 0, 1, 1, 1};
    keel_nearest out;
    cr_assert_eq(keel_nearest_correlation(3, x, &tight, &out), KEEL_OK);
    cr_assert_eq(out.outcome, KEEL_NEAREST_FOUND);
    cr_assert_float_eq(x[1], 0.7607, 5e-5);
    cr_assert_float_eq(x[2], 0.1573, 5e-5);
    cr_assert_float_eq(x[4], 0.7607, 5e-5);
    cr_assert_float_eq(out.distance, 0.5278, 5e-5);
    check_optimal(3, a, x, 1e-10);
}

Test(nearest, a_correlation_is_left_to_the_bit)
{
    double x[6] = {1, 0.5, 0.25, 1, -0.5, 1}, rank_one[3] = {1, -1, 1};
    const double before[6] = {1, 0.5, 0.25, 1, -0.5, 1};
    keel_nearest out;
    cr_assert_eq(keel_nearest_correlation(3, x, &tight, &out), KEEL_OK);
    cr_assert_arr_eq(x, before, sizeof x);
    cr_assert_eq(out.iterations, 0);
    cr_assert_eq(out.distance, 0);
    cr_assert_eq(keel_nearest_correlation(2, rank_one, &tight, &out), KEEL_OK);
    cr_assert_eq(out.iterations, 0);
}

Test(nearest, answers_satisfy_the_optimality_conditions)
{
    for (int n = 2; n <= N; n++) {
        double a[LEN], x[LEN];
        keel_nearest out;
        fill(n, a, 1.2, (uint64_t)n);
        memcpy(x, a, sizeof x);
        cr_assert_eq(keel_nearest_correlation(n, x, &tight, &out), KEEL_OK);
        cr_assert_eq(out.outcome, KEEL_NEAREST_FOUND, "n %d", n);
        for (int i = 0; i < n; i++)
            cr_assert_eq(x[keel_sym_at(n, i, i)], 1);
        check_optimal(n, a, x, 1e-7);
    }
}

Test(nearest, default_tolerance_is_within_its_reach_of_the_answer)
{
    double x[LEN], exact[LEN];
    keel_nearest out, best;
    fill(N, x, 1, 3);
    memcpy(exact, x, sizeof x);
    cr_assert_eq(keel_nearest_correlation(N, x, &KEEL_NEAREST_DEFAULTS, &out), KEEL_OK);
    cr_assert_eq(keel_nearest_correlation(N, exact, &tight, &best), KEEL_OK);
    cr_assert_eq(out.outcome, KEEL_NEAREST_FOUND);
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(x[k], exact[k], 1e-7);
}

Test(nearest, smallest_eigenvalue_can_be_asked_for)
{
    const keel_nearest_cfg cfg = {0.01, 1e-12, 5000};
    double x[LEN], free_of_it[LEN], values[N];
    keel_nearest out, least;
    fill(N, x, 1, 8);
    memcpy(free_of_it, x, sizeof x);
    cr_assert_eq(keel_nearest_correlation(N, x, &cfg, &out), KEEL_OK);
    cr_assert_eq(keel_nearest_correlation(N, free_of_it, &tight, &least), KEEL_OK);
    cr_assert_eq(keel_eigen_values(N, x, values), KEEL_OK);
    cr_assert_gt(values[0], 0.01 - 1e-9);
    cr_assert_gt(out.distance, least.distance);
}

Test(nearest, covariance_keeps_its_variances_and_units)
{
    double a[LEN], x[LEN], scaled[LEN];
    keel_nearest out, other;
    fill(N, a, 1, 5);
    a[keel_sym_at(N, 3, 3)] = 0; /* a constant: what stands against it is dropped */
    memcpy(x, a, sizeof x);
    for (int j = 0; j < N; j++) {
        for (int i = j; i < N; i++)
            scaled[keel_sym_at(N, i, j)] = a[keel_sym_at(N, i, j)] * ldexp(1, i + j - N);
    }
    cr_assert_eq(keel_nearest_covariance(N, x, &tight, &out), KEEL_OK);
    cr_assert_eq(keel_nearest_covariance(N, scaled, &tight, &other), KEEL_OK);
    cr_assert_float_eq(out.distance, other.distance, 1e-12);
    for (int j = 0; j < N; j++) {
        cr_assert_eq(x[keel_sym_at(N, j, j)], a[keel_sym_at(N, j, j)]);
        cr_assert_eq(keel_sym_get(N, x, j, 3), 0);
        for (int i = j; i < N; i++)
            cr_assert_float_eq(scaled[keel_sym_at(N, i, j)] / ldexp(1, i + j - N),
                               x[keel_sym_at(N, i, j)], 1e-12);
    }
}

Test(nearest, says_when_the_limit_ended_it_and_is_a_correlation_then_too)
{
    const keel_nearest_cfg cfg = {0, 1e-13, 2};
    double x[LEN];
    keel_nearest out;
    fill(N, x, 1, 6);
    cr_assert_eq(keel_nearest_correlation(N, x, &cfg, &out), KEEL_OK);
    cr_assert_eq(out.outcome, KEEL_NEAREST_ITERATION_LIMIT);
    cr_assert_eq(out.iterations, 2);
    cr_assert_eq(keel_sym_check_semidefinite(N, x, KEEL_SEMIDEFINITE_TOLERANCE, NULL), KEEL_OK);
}

Test(nearest, refusals_leave_the_outputs)
{
    static const struct {
        double packed[3];
        keel_nearest_cfg cfg;
        keel_status correlation, covariance;
    } rows[] = {
        {{1, NAN, 1}, {0, 1e-9, 9}, KEEL_ENONFINITE, KEEL_ENONFINITE},
        {{INFINITY, 0, 1}, {0, 1e-9, 9}, KEEL_ENONFINITE, KEEL_ENONFINITE},
        {{1, 2e6, 1}, {0, 1e-9, 9}, KEEL_ERANGE, KEEL_ERANGE},
        {{1, 2, 1}, {1, 1e-9, 9}, KEEL_EINVAL, KEEL_EINVAL},
        {{1, 2, 1}, {-1, 1e-9, 9}, KEEL_EINVAL, KEEL_EINVAL},
        {{1, 2, 1}, {0, 0, 9}, KEEL_EINVAL, KEEL_EINVAL},
        {{1, 2, 1}, {0, NAN, 9}, KEEL_EINVAL, KEEL_EINVAL},
        {{1, 2, 1}, {0, 1e-9, 0}, KEEL_EINVAL, KEEL_EINVAL},
        {{1, 2, -1}, {0, 1e-9, 999}, KEEL_OK, KEEL_ERANGE},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double x[3];
        keel_nearest out = {.iterations = 77};
        memcpy(x, rows[k].packed, sizeof x);
        cr_assert_eq(keel_nearest_covariance(2, x, &rows[k].cfg, &out), rows[k].covariance);
        cr_assert_arr_eq(x, rows[k].packed, sizeof x);
        cr_assert_eq(out.iterations, 77);
        cr_assert_eq(keel_nearest_correlation(2, x, &rows[k].cfg, &out), rows[k].correlation);
        cr_assert(rows[k].correlation == KEEL_OK || out.iterations == 77);
    }
    cr_assert_eq(keel_nearest_correlation(KEEL_EIGEN_N_MAX + 1, NULL, &tight, NULL), KEEL_ETOOBIG);
    cr_assert_eq(keel_nearest_covariance(KEEL_EIGEN_N_MAX + 1, NULL, &tight, NULL), KEEL_ETOOBIG);
}
